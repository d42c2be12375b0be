//! The four jobs: each reads, thinks (in [`crate::core`]) and writes in one transaction.
//!
//! A job is one step. It does not loop until the world is right, does not sleep and does not call another job: the
//! command line, a test and the daemon's tickers call the very same functions.

pub mod bounce;
pub mod deliver;
pub mod inbox;
pub mod leave;
pub mod prune;
pub mod publish;
pub mod scrape;
