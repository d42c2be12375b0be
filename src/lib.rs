//! Paperpost: trending papers in your inbox.
//!
//! Four small jobs - scrape, publish, deliver, enroll - never call each other; they meet only in the database. Each is
//! one idempotent step: read, think (pure code in [`core`]), write in one transaction. `docs/architecture.md` is the map.

pub mod app;
pub mod cli;
pub mod clock;
pub mod compose;
pub mod config;
pub mod core;
pub mod daemon;
pub mod explain;
pub mod jobs;
pub mod mail;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod threads;
pub mod web;
pub mod zones;
