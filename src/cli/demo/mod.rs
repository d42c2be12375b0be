//! A whole run of Paperpost on one machine, without a network or an account.

pub mod sample;
pub mod site;
