//! it

mod digest;
mod config;
