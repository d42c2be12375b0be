//! `/healthz` and `/metrics`: numbers about sources, the queue and what was sent; nothing about anybody.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Duration, Utc};

use super::{Web, blocking};
use crate::core::pacing::Cause;
use crate::store::{OutboxState, Store, StoreError};

/// 200 when the database answers.
pub(super) async fn health(State(web): State<Web>) -> Response {
    match blocking(move || web.store.id()).await {
        Some(_) => (StatusCode::OK, "ok\n").into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response(),
    }
}

/// The Prometheus text format, version 0.0.4.
pub(super) async fn metrics(State(web): State<Web>) -> Response {
    let text = blocking(move || text(&web.store, web.clock.now()));
    match text.await {
        Some(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn text(store: &Store, now: DateTime<Utc>) -> Result<String, StoreError> {
    let mut out = String::new();
    family(&mut out, "paperpost_outbox_mails", "gauge", "Mails by their state.");
    let queue = store.queue()?;
    for state in OutboxState::ALL {
        let count = queue.counts.iter().find(|(other, _)| *other == state).map_or(0, |(_, count)| *count);
        line(&mut out, "paperpost_outbox_mails", "state", state.as_str(), count);
    }
    let files = store.files()?;
    family(
        &mut out,
        "paperpost_subscription_files",
        "gauge",
        "Subscription files, by whether all in them could be taken in.",
    );
    for (state, is_good) in [("good", true), ("wrong", false)] {
        let count = files.iter().filter(|file| file.errors.is_empty() == is_good).count();
        line(&mut out, "paperpost_subscription_files", "state", state, count);
    }
    family(
        &mut out,
        "paperpost_subscribers",
        "gauge",
        "Subscribers: active, not yet confirmed, or missing from their file.",
    );
    let subscribers = store.count_subscribers()?;
    line(&mut out, "paperpost_subscribers", "state", "active", subscribers.active);
    line(&mut out, "paperpost_subscribers", "state", "pending", subscribers.pending);
    line(&mut out, "paperpost_subscribers", "state", "held", subscribers.held);
    family(&mut out, "paperpost_holds", "gauge", "Recipient domains whose mails rest; the rest of everything is one.");
    let holds = store.holds()?;
    for cause in Cause::ALL {
        let in_force = holds.iter().filter_map(|change| change.hold.as_ref()).filter(|hold| hold.until > now);
        line(&mut out, "paperpost_holds", "cause", cause.as_str(), in_force.filter(|hold| hold.cause == cause).count());
    }
    let name = "paperpost_suspected_mailboxes";
    family(&mut out, name, "gauge", "Mailboxes that may not exist: tried again, or for a person to decide about.");
    let suspicions = store.suspicions()?;
    let persons = suspicions.iter().filter(|suspicion| suspicion.is_for_a_person()).count();
    line(&mut out, name, "state", "tried", suspicions.len() - persons);
    line(&mut out, name, "state", "undecided", persons);
    family(&mut out, "paperpost_bounces", "gauge", "Mails that came back in the last 30 days, by what it means.");
    for bounces in store.bounces(now - Duration::days(30))? {
        line(&mut out, "paperpost_bounces", "class", bounces.class.as_str(), bounces.count);
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
    for (outcome, count) in store.recorded() {
        line(&mut out, "paperpost_delivery_attempts_total", "outcome", outcome.into(), count);
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
