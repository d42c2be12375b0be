//! it

mod config;
mod digest;
mod site;
mod source;
