//! The log.
//!
//! Logging policy: an event is logged once, where it is handled, in a line that can be read alone and searched by its
//! fields. `error` wants a person soon, `warn` wants one to look some day, `info` is what happened, `debug` is for whoever
//! looks for a fault. Addresses print masked by their type; tokens, passwords and whole mails are never logged.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Sends the log to `writer`: as text, with colors or without, or as one JSON object a line, filtered by `directives`
/// (`info`, `paperpost=debug,warn` …). A second call changes nothing.
pub fn start<W>(directives: &str, as_json: bool, has_color: bool, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_target(false);
    // journald stamps lines itself, but a file or a terminal doesn't.
    let _ = if as_json { log.json().try_init() } else { log.with_ansi(has_color).try_init() };
}
