//! it

mod digest;
