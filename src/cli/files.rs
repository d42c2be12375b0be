//! The subscription files as commands meet them: read, and told about.

use std::process::ExitCode;

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::format::plural;
use super::output;
use crate::app;
use crate::config::{Listing, Settings, SubscriptionFiles};
use crate::core::address::Address;
use crate::core::subscription::{Origin, Subscription};
use crate::store::{Difference, Store, SyncReport};

/// Reads the files, and prints what is wrong with them.
pub(super) fn read(settings: &Settings) -> Listing {
    let files = SubscriptionFiles::of(settings);
    let listing = files.read().listing(&files);
    for problem in listing.problems.iter() {
        if problem.is_error() {
            output::note_problems(|color| problem.pretty(color) + "\n");
        } else {
            tracing::warn!("{problem}");
        }
    }
    listing
}

/// Prints what taking in the files left open.
pub(super) fn tell(report: &SyncReport) {
    for withheld in &report.withheld {
        say!("{} is listed, but {}: it gets nothing", withheld.address.reveal(), withheld.consent);
    }
    if !report.errors.is_empty() {
        say!("{}", about_errors(report.errors.len(), report.kept));
    }
    if report.held > 0 {
        say!("{}", about_held(report.held));
    }
    if report.both > 0 {
        say!("{}", about_both(report.both));
    }
}

/// The same as numbers.
pub(super) fn as_json(report: &SyncReport) -> Value {
    json!({
        "withheld": report.withheld.iter().map(|withheld| {
            json!({"address": withheld.address.reveal(), "consent": withheld.consent})
        }).collect::<Vec<_>>(),
        "errors": report.errors.len(),
        "kept": report.kept,
        "held": report.held,
        "both": report.both,
    })
}

fn about_errors(errors: usize, kept: usize) -> String {
    let kept = match kept {
        0 => String::new(),
        count => format!("; {count} {} as before", if count == 1 { "stays" } else { "stay" }),
    };
    format!("{errors} {} in the subscription files{kept} (paperpost check)", plural(errors, "error"))
}

/// What is said of subscribers who are held.
pub(super) fn about_held(held: usize) -> String {
    let (verb, they) = if held == 1 { ("is", "it was") } else { ("are", "they were") };
    format!(
        "{held} {} {verb} missing from the subscription files and held: no mail, and nothing is lost. If {they} removed on purpose: paperpost reload --accept-removals",
        plural(held, "subscriber")
    )
}

/// What is said of readers who came by the web and are in a file as well.
pub(super) fn about_both(both: usize) -> String {
    let (readers, are) = (plural(both, "reader"), if both == 1 { "is" } else { "are" });
    format!(
        "{both} {readers} who came by the web {are} in the files as well: what the files say is in force (paperpost list)"
    )
}

/// Warnings of subscriptions whose first day is yet to come: until then nothing does.
pub(super) fn late_starts(listing: &Listing, today: NaiveDate) -> Vec<String> {
    let listed = listing.subscriptions.iter().map(|listed| &listed.subscription);
    let late = listed.filter_map(|subscription| Some((subscription, subscription.since.filter(|day| *day > today)?)));
    late.map(|(subscription, day)| {
        let who = subscription.address.reveal();
        format!("{who} gets nothing before {day}: `since` is the first day whose papers count")
    })
    .collect()
}

/// The subscription of an address: as its file has it, which may be newer than what is in force; or as it is in force when its
/// entry can't be read. What is special about it is told.
pub(super) fn order(listing: &Listing, store: &Store, address: &Address) -> anyhow::Result<Option<Subscription>> {
    if let Some(subscription) = listing.find(address) {
        return Ok(Some(subscription.clone()));
    }
    let key = address.normalized();
    let status = store.subscribers()?.into_iter().find(|status| status.listed && status.address == address.reveal());
    let difference = store.differences(listing)?.get(&key).copied();
    let Some(status) = status else { return Ok(None) };
    if difference == Some(Difference::Gone) && status.origin == Origin::File {
        return Ok(None);
    }
    match difference {
        Some(Difference::Gone) => {
            note!("{} is in no file any more: this is what the file said, until that is taken in", address.reveal())
        }
        Some(Difference::Held) => {
            note!("{} is missing from its file and held: it gets nothing now", address.reveal())
        }
        Some(Difference::Wrong) => {
            note!("the entry of {} can't be read: this is what was right before", address.reveal())
        }
        _ => {}
    }
    Ok(store.standing(&key, u32::MAX)?.map(|standing| standing.subscription))
}

/// The exit code of a command that has done its work: 1 when something is wrong in the files.
pub(super) fn code(listing: &Listing) -> ExitCode {
    if listing.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The same where there is a database, which also knows who is held; that is told.
pub(super) fn code_with(listing: &Listing, store: &Store) -> anyhow::Result<ExitCode> {
    let differences = store.differences(listing)?;
    let held = differences.values().filter(|difference| **difference == Difference::Held).count();
    if held > 0 {
        note!("{}", about_held(held));
    }
    Ok(if held > 0 { ExitCode::FAILURE } else { code(listing) })
}

/// Notes that a command took the address out of its file: then it is not missing, however many go.
pub(super) fn note_removal(settings: &Settings, address: &Address) -> anyhow::Result<()> {
    if app::look(settings)?.is_some() {
        app::write(settings)?.note_removal(address)?;
    }
    Ok(())
}
