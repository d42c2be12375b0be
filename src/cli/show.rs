//! The commands that show: check, status, list.

use std::process::ExitCode;

use chrono::{DateTime, Local, Utc};
use serde_json::json;

use super::work::plural;
use super::{output, wiring};
use crate::clock::Clock;
use crate::config::{Report, Settings};
use crate::jobs::pace::{self, Held};
use crate::store::{EditionStatus, SourceStatus, Store, SubscriberStatus};

/// Prints every problem, or that there is none.
pub(super) fn check(report: Report) -> ExitCode {
    let problems = &report.problems;
    if !problems.is_empty() {
        output::problems(problems);
    }
    let file = report.file.map_or("no settings file, all defaults".to_owned(), |file| file.display().to_string());
    let warnings = match problems.warnings() {
        0 => String::new(),
        n => format!(" and {n} {}", plural(n, "warning")),
    };
    if problems.errors() > 0 {
        say!("{file}: {} {}{warnings}", problems.errors(), plural(problems.errors(), "problem"));
        return ExitCode::FAILURE;
    }
    say!("{file}: fine, {} {}{warnings}", report.subscriptions, plural(report.subscriptions, "subscription"));
    ExitCode::SUCCESS
}

/// Sources, next editions and the queue.
pub(super) fn status(settings: &Settings, json: bool) -> anyhow::Result<ExitCode> {
    let Some(store) = existing(settings, json)? else { return Ok(ExitCode::SUCCESS) };
    let (sources, queue, subscribers) = (store.sources()?, store.queue()?, store.subscribers()?);
    let held = pace::held(&store, &settings.pacing, Clock::System.now())?;
    let came_back = store.bounces(Clock::System.now() - chrono::Duration::days(30))?;
    let mut due: Vec<_> = subscribers.iter().filter(|s| is_active(s)).collect();
    due.sort_by_key(|subscriber| subscriber.next);
    if json {
        let next: Vec<_> = due.iter().map(|s| json!({"address": s.address, "next": s.next, "last": s.last})).collect();
        let faults = due.iter().filter(|subscriber| subscriber.fault.is_some()).count();
        output::json(
            &json!({"sources": sources, "queue": queue, "held": held, "next": next, "bounces": came_back, "faults": faults}),
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    say!("Sources");
    for source in settings.sources.iter().filter(|source| source.enabled) {
        match sources.iter().find(|status| status.source == source.id) {
            Some(status) => say!("  {}", describe_source(status)),
            None => say!("  {}: not read yet", source.id),
        }
    }
    say!("Next editions");
    for subscriber in due.iter().take(10) {
        say!("  {}  {}", next_word(subscriber), subscriber.address);
    }
    match due.len() {
        0 => say!("  none: there are no active subscriptions"),
        count if count > 10 => say!("  and {} more (paperpost list)", count - 10),
        _ => {}
    }
    let faults = due.iter().filter(|subscriber| subscriber.fault.is_some()).count();
    if faults > 0 {
        say!("  {faults} could not be decided (paperpost list)");
    }
    if !came_back.is_empty() {
        say!("Mails that came back in the last 30 days");
    }
    for bounces in &came_back {
        let word = match bounces.class.as_str() {
            "sender" => "refused for a reason of ours",
            "complaint" => "called spam by their readers",
            "hard" => "came back: no such mailbox",
            _ => "came back: a passing trouble",
        };
        say!("  {} {word}, the last {}: {}", bounces.count, local(bounces.last), bounces.reply);
    }
    say!("Outbox");
    for (state, count) in &queue.counts {
        say!("  {count} {}", state.as_str());
    }
    match queue.next {
        Some(next) if next > Clock::System.now() => say!("  the next one is tried {}", local(next)),
        Some(_) => say!("  mails are due now"),
        None => say!("  nothing waits"),
    }
    if !held.is_empty() {
        say!("Held back");
    }
    for held in &held {
        say!("  {}", describe_held(held));
    }
    Ok(ExitCode::SUCCESS)
}

fn describe_held(held: &Held) -> String {
    let whose = held.domain.as_deref().unwrap_or("everything");
    let mails = match held.mails {
        0 => "no mail is due".to_owned(),
        1 => "1 mail waits".to_owned(),
        mails => format!("{mails} mails wait"),
    };
    let words = held.words.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
    let why = match held.cause {
        "deferred" => format!("the other side asks us to slow down{words}"),
        "refused" => format!("refused for a reason of ours{words}"),
        _ => "as much as [pacing] allows has gone out".to_owned(),
    };
    format!("{whose}: {mails} until {}: {why}", local(held.until))
}

/// Every subscriber.
pub(super) fn list(settings: &Settings, json: bool) -> anyhow::Result<ExitCode> {
    let Some(store) = existing(settings, json)? else { return Ok(ExitCode::SUCCESS) };
    let subscribers = store.subscribers()?;
    if json {
        output::json(&subscribers)?;
        return Ok(ExitCode::SUCCESS);
    }
    let suppressions = store.suppressions()?;
    for subscriber in &subscribers {
        let last = subscriber.last.as_ref().map_or("no edition yet".to_owned(), describe_edition);
        say!("{}\n  next: {}\n  last: {last}", subscriber.address, next_word(subscriber));
        if let Some(fault) = &subscriber.fault {
            say!("  could not be decided: {fault}");
        }
        if let Some(left) = suppressions.iter().find(|left| left.address.as_ref() == Some(&subscriber.address)) {
            let note = left.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            say!("  {} on {}{note}", left.reason.as_str(), left.at.format("%Y-%m-%d"));
        }
    }
    say!("{} {}", subscribers.len(), plural(subscribers.len(), "subscriber"));
    Ok(ExitCode::SUCCESS)
}

/// The database, or word that there is none yet.
pub(super) fn existing(settings: &Settings, json: bool) -> anyhow::Result<Option<Store>> {
    let store = wiring::look(settings)?;
    if store.is_none() {
        let path = settings.database.path.display();
        if json {
            say!("null");
        } else {
            say!("there is no database at {path} yet: `paperpost once` or `paperpost run` makes it");
        }
    }
    Ok(store)
}

fn is_active(subscriber: &SubscriberStatus) -> bool {
    subscriber.listed && !subscriber.paused && subscriber.consent == "confirmed"
}

fn next_word(subscriber: &SubscriberStatus) -> String {
    match subscriber.next {
        _ if subscriber.consent != "confirmed" => format!("none: {}", subscriber.consent),
        _ if !subscriber.listed => "none: no longer in the subscriptions file".to_owned(),
        _ if subscriber.paused => "none: paused".to_owned(),
        Some(next) if next <= Clock::System.now() => "due now".to_owned(),
        Some(next) => local(next),
        None => "never: its schedule has no further slot".to_owned(),
    }
}

fn describe_edition(edition: &EditionStatus) -> String {
    let slot = edition.slot.format("%Y-%m-%d %H:%M");
    let owed = if edition.owed > 0 { format!(", {} wait for the next", edition.owed) } else { String::new() };
    let papers = match edition.papers {
        0 => format!("nothing new among {} papers", edition.looked_at),
        count => format!("{count} of {} papers{owed}", edition.looked_at),
    };
    match &edition.state {
        Some(state) => format!("{slot}, {papers}, {state} (mail {})", edition.edition),
        None => format!("{slot}, {papers}, no mail"),
    }
}

fn describe_source(status: &SourceStatus) -> String {
    let mut line = format!("{}: {}, read {}", status.source, status.outcome, local(status.last_read));
    if let Some(message) = &status.message {
        line += &format!(" ({message})");
    }
    if status.failures > 0 {
        let good = status.last_good.map_or("never a good one".to_owned(), |at| format!("last good {}", local(at)));
        line += &format!(", {} {} in a row, {good}", status.failures, plural(status.failures as usize, "failure"));
    }
    if let Some((at, added)) = status.last_new {
        line += &format!(", {added} new {}", local(at));
    }
    line
}

/// A time as the operator's own clock shows it.
pub(super) fn local(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string()
}
