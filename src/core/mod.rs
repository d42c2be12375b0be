//! The thinking: pure functions and the words of the trade.
//!
//! Nothing in here does I/O, reads a clock, draws randomness or spawns a task. Time is an argument, and text comes in
//! clean. `tests/tidy.rs` holds the door.

pub mod address;
pub mod bounce;
pub mod candidate;
pub mod clean;
pub mod delivery;
pub mod diff;
pub mod digest;
pub mod display;
pub mod edition;
pub mod host;
pub mod index;
pub mod leaving;
pub mod lint;
pub mod mailing;
pub mod matching;
pub mod order;
pub mod pacing;
pub mod paper;
pub mod politeness;
pub mod printable;
pub mod query;
pub mod quoted;
pub mod schedule;
pub mod secret;
pub mod server;
pub mod subscription;
pub mod terms;
pub mod text;
pub mod token;
pub mod trend;
mod word_enum;
pub mod zone;

pub(crate) use word_enum::word_enum;
