//! `/healthz` and `/metrics`: numbers about sources, the queue and what was sent; nothing about anybody.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::PoisonError;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};

use super::{Shared, blocking};
use crate::core::pacing::Cause;
use crate::store::{OutboxState, Store, StoreError};

/// What has been counted since the start. The database forgets old attempts; a counter must not.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// The newest attempt that is counted; `None` before the first look, which only says where to begin.
    seen: Option<i64>,
    attempts: BTreeMap<String, u64>,
}

/// 200 when the database answers.
pub(super) async fn health(State(shared): State<Shared>) -> Response {
    match blocking(move || shared.web.store.id()).await {
        Some(_) => (StatusCode::OK, "ok\n").into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response(),
    }
}

/// The Prometheus text format, version 0.0.4.
pub(super) async fn metrics(State(shared): State<Shared>) -> Response {
    let text = blocking(move || {
        let mut counted = shared.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.look(&shared.web.store)?;
        text(&shared.web.store, &counted, shared.web.clock.now())
    });
    match text.await {
        Some(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

impl Counted {
    /// Counts what is new since the last look.
    pub(super) fn look(&mut self, store: &Store) -> Result<(), StoreError> {
        let (newest, counts) = store.attempts_after(self.seen.unwrap_or(i64::MAX))?;
        for (outcome, count) in counts {
            *self.attempts.entry(outcome).or_default() += count;
        }
        self.seen = Some(newest);
        Ok(())
    }
}

fn text(store: &Store, counted: &Counted, now: DateTime<Utc>) -> Result<String, StoreError> {
    let mut out = String::new();
    family(&mut out, "paperpost_outbox_mails", "gauge", "Mails by their state.");
    let queue = store.queue()?;
    for state in OutboxState::ALL {
        let count = queue.counts.iter().find(|(other, _)| *other == state).map_or(0, |(_, count)| *count);
        line(&mut out, "paperpost_outbox_mails", "state", state.as_str(), count);
    }
    family(&mut out, "paperpost_rests", "gauge", "Recipient domains whose mails rest; the rest of everything is one.");
    let holds = store.holds()?;
    for cause in [Cause::Deferred, Cause::Refused] {
        let in_force = holds.iter().filter_map(|change| change.hold.as_ref()).filter(|hold| hold.until > now);
        line(&mut out, "paperpost_rests", "cause", cause.as_str(), in_force.filter(|hold| hold.cause == cause).count());
    }
    let sources = store.sources()?;
    let name = "paperpost_source_last_good_read_timestamp_seconds";
    family(&mut out, name, "gauge", "When a source was last read well.");
    for source in &sources {
        let at = source.last_good.map_or(0, |at| at.timestamp());
        line(&mut out, name, "source", source.source.as_str(), at);
    }
    family(&mut out, "paperpost_source_failures", "gauge", "Reads in a row that brought nothing.");
    for source in &sources {
        line(&mut out, "paperpost_source_failures", "source", source.source.as_str(), source.failures);
    }
    family(&mut out, "paperpost_delivery_attempts_total", "counter", "Attempts since the start, by how they ended.");
    for outcome in ["sent", "transient", "permanent", "unknown", "dropped"] {
        let count = counted.attempts.get(outcome).copied().unwrap_or(0);
        line(&mut out, "paperpost_delivery_attempts_total", "outcome", outcome, count);
    }
    Ok(out)
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Labels are words of our own and names of sources, which need no escaping.
fn line(out: &mut String, name: &str, label: &str, value: &str, number: impl std::fmt::Display) {
    let _ = writeln!(out, "{name}{{{label}=\"{value}\"}} {number}");
}
