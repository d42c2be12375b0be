//! The subscription files as commands meet them: read, told about, taken in by a daemon.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::work::plural;
use super::{output, wiring};
use crate::clock::Clock;
use crate::config::{Listing, Settings, SubscriptionFiles};
use crate::core::address::Address;
use crate::core::subscription::Subscription;
use crate::store::{Difference, Store, SyncReport};

/// How long `reload` waits for its answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a command that has changed a file waits: the daemon takes the file in anyway.
const SHORT_PATIENCE: Duration = Duration::from_secs(5);

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

/// The subscription of an address: as its file has it, which may be newer than what is in force; or as it is in force when its
/// entry can't be read. What is special about it is told.
pub(super) fn order(listing: &Listing, store: &Store, address: &Address) -> anyhow::Result<Option<Subscription>> {
    if let Some(subscription) = listing.find(address) {
        return Ok(Some(subscription.clone()));
    }
    let key = address.normalized();
    let status = store.subscribers()?.into_iter().find(|status| status.listed && status.address == address.reveal());
    let difference = store.differences(listing)?.get(&key).copied();
    if status.is_none() || difference == Some(Difference::Gone) {
        return Ok(None);
    }
    match difference {
        Some(Difference::Held) => {
            note!("{} is missing from its file and held: it gets nothing now", address.reveal())
        }
        _ => note!("the entry of {} can't be read: this is what was right before", address.reveal()),
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

/// `reload`: asks the daemon to take the files in, and waits for what it says.
pub(super) fn reload(settings: &Settings, accept_removals: bool) -> anyhow::Result<ExitCode> {
    let Some(store) = wiring::look(settings)? else {
        anyhow::bail!("there is no database yet: `paperpost once` or `paperpost run` makes it, and reads the files");
    };
    let has_daemon = wiring::has_daemon(settings, &store);
    if !accept_removals && !has_daemon {
        say!("no daemon is running: the next `paperpost once` or `paperpost run` reads the files");
        return Ok(ExitCode::FAILURE);
    }
    let request = request(settings, accept_removals)?;
    if !has_daemon {
        say!(
            "noted: the next `paperpost once` or `paperpost run` removes who is missing, if the files are still these"
        );
        return Ok(ExitCode::SUCCESS);
    }
    let Some(report) = answer(&store, request, PATIENCE)? else {
        say!("the daemon has not answered within a minute: its log may say why (the request waits for it)");
        return Ok(ExitCode::FAILURE);
    };
    let SyncReport { subscriptions, added, changed, retired, .. } = report;
    say!(
        "{subscriptions} {}: {added} added, {changed} changed, {retired} removed",
        if subscriptions == 1 { "subscription is in force" } else { "subscriptions are in force" }
    );
    report.errors.iter().for_each(|error| say!("{error}"));
    tell(&report);
    if accept_removals && report.held > 0 {
        say!("the files have changed since, or name others: nothing more was removed");
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Has the daemon take in a change, and says whether it has. A daemon that doesn't answer is no fault of the change.
pub(super) fn take_up(settings: &Settings) -> String {
    let next = "the next `paperpost run` or `paperpost once` takes it in";
    let taken = (|| {
        let Some(store) = wiring::look(settings)? else { return Ok(format!("there is no database yet: {next}")) };
        if !wiring::has_daemon(settings, &store) {
            return Ok(format!("no daemon is running: {next}"));
        }
        let request = request(settings, false)?;
        anyhow::Ok(match answer(&store, request, SHORT_PATIENCE)? {
            Some(_) => "the daemon has taken it in".to_owned(),
            None => "the daemon has not taken it in yet; it does by itself".to_owned(),
        })
    })();
    taken.unwrap_or_else(|error| format!("whether a daemon takes it in can't be told: {error:#}"))
}

/// Notes that a command took the address out of its file: then it is not missing, however many go.
pub(super) fn note_removal(settings: &Settings, address: &Address) -> anyhow::Result<()> {
    if wiring::look(settings)?.is_some() {
        wiring::write(settings)?.note_removal(address)?;
    }
    Ok(())
}

/// Writes a request into the database, bound to what the files are now.
fn request(settings: &Settings, accept_removals: bool) -> anyhow::Result<i64> {
    let files = accept_removals.then(|| SubscriptionFiles::of(settings).read().hashes());
    let files: Option<Vec<_>> =
        files.map(|files| files.into_iter().map(|(path, hash)| (path.display().to_string(), hash)).collect());
    Ok(wiring::write(settings)?.request_reload(files.as_deref(), Clock::System.now())?)
}

fn answer(store: &Store, request: i64, patience: Duration) -> anyhow::Result<Option<SyncReport>> {
    let start = Instant::now();
    loop {
        let answer = store.reload_answer(request)?;
        if answer.is_some() || start.elapsed() > patience {
            return Ok(answer);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
