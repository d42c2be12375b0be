//! it

mod site;
mod source;
