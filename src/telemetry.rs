//! The log.
//!
//! Logging policy: an event is logged once, where it is handled, in a line that can be read alone and searched by its
//! fields. `error` wants a person soon, `warn` wants one to look some day, `info` is what happened, `debug` is for the person who
//! looks for a fault. Addresses print masked by their type; tokens, passwords and whole mails are never logged.

use std::sync::OnceLock;

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// The filter of the log that was started.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Sends the log to `writer`: as text, with colors or without, or as one JSON object a line, filtered by `directives`
/// (`info`, `paperpost=debug,warn` …) unless the variable `RUST_LOG` has others. A second call changes nothing.
pub fn start<W>(directives: &str, as_json: bool, has_color: bool, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter(directives));
    let log = tracing_subscriber::fmt::layer().with_writer(writer).with_target(false);
    // journald stamps lines itself, but a file or a terminal doesn't.
    let log = if as_json { log.json().boxed() } else { log.with_ansi(has_color).boxed() };
    if tracing_subscriber::registry().with(filter).with(log).try_init().is_ok() {
        FILTER.set(handle).ok();
    }
}

/// Filters the log by other directives from now on.
pub fn set_level(directives: &str) {
    if let Some(handle) = FILTER.get() {
        // It fails when the log is gone, which it never is.
        handle.reload(filter(directives)).ok();
    }
}

fn filter(directives: &str) -> EnvFilter {
    let directives = std::env::var("RUST_LOG").unwrap_or_else(|_| directives.to_owned());
    EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new("info"))
}
