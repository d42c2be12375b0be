//! it

mod query;
