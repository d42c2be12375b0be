//! The commands that show: check, status, list.

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;

use serde_json::json;

use super::format::{in_zone, local, plural};
use super::{attention, files, json, output, reload};
use crate::app;
use crate::clock::Clock;
use crate::config::{CheckReport, Listing, Settings};
use crate::core::address::Address;
use crate::core::subscription::{Consent, Origin, Subscription};
use crate::core::zone::Zones;
use crate::jobs::deliver::pace::{self, Held, HeldBy};
use crate::store::{
    BounceClass, Difference, EditionStatus, FileStatus, SourceStatus, Store, SubscriberStatus, Suspicion,
};

/// Prints every problem, or that there is none.
pub(super) fn check(report: &CheckReport, as_json: bool) -> anyhow::Result<ExitCode> {
    let problems = &report.problems;
    let (held, both) = in_database(report);
    let subscriptions = report.listing.subscriptions.len();
    let is_good = problems.errors() == 0 && held == 0;
    let code = if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if as_json {
        let file = report.file.as_ref().map(|file| file.display().to_string());
        output::json(&json!({
            "file": file, "problems": json::problems(problems), "subscriptions": subscriptions, "held": held,
            "both": both, "ok": is_good,
        }))?;
        return Ok(code);
    }
    if !problems.is_empty() {
        output::problems(problems);
    }
    if held > 0 {
        say!("{}", files::about_held(held));
    }
    if both > 0 {
        say!("{}", files::about_both(both));
    }
    let file = report.file.as_ref();
    let file = file.map_or("no settings file, all defaults".to_owned(), |file| file.display().to_string());
    let warnings = match problems.warnings() {
        0 => String::new(),
        n => format!(" and {n} {}", plural(n, "warning")),
    };
    if problems.errors() > 0 {
        say!("{file}: {} {}{warnings}", problems.errors(), plural(problems.errors(), "problem"));
        return Ok(code);
    }
    say!("{file}: fine, {subscriptions} {}{warnings}", plural(subscriptions, "subscription"));
    if subscriptions > 0 {
        say!("{OWED}");
    }
    Ok(code)
}

/// What becomes of papers that a mail has no place for, in the words of the mail.
const OWED: &str = "papers beyond a maximum, or beyond what one mail holds, wait: they come in later editions, or are named there as left out";

/// How many are missing from the files and held, and how many came by the web and are in the files as well; or would be as
/// soon as the files are taken in. As far as the database can be looked at.
fn in_database(report: &CheckReport) -> (usize, usize) {
    let store = report.settings.as_ref().and_then(|settings| app::look(settings).ok().flatten());
    let Some(store) = store else { return (0, 0) };
    let differences = store.differences(&report.listing).unwrap_or_default();
    let held = differences.values().filter(|difference| **difference == Difference::Held).count();
    (held, store.also_by_web(&report.listing).map_or(0, |both| both.len()))
}

/// Sources, next editions and the queue.
pub(super) fn status(settings: &Settings, json: bool, check: bool) -> anyhow::Result<ExitCode> {
    let listing = files::read(settings);
    let Some(store) = existing(settings, json)? else {
        return Ok(if check { ExitCode::FAILURE } else { files::code(&listing) });
    };
    let (taken, differences) = (store.files()?, store.differences(&listing)?);
    let count = |wanted| differences.values().filter(|difference| **difference == wanted).count();
    let missing = count(Difference::Held);
    let code = if missing > 0 { ExitCode::FAILURE } else { files::code(&listing) };
    let (sources, queue, subscribers) = (store.sources()?, store.queue()?, store.subscribers()?);
    let (counts, both) = (store.count_subscribers()?, store.also_by_web(&listing)?.len());
    let now = Clock::System.now();
    let held = pace::held(&store, &settings.pacing, now)?;
    let hosts = store.hosts()?;
    let is_read = |status: &&SourceStatus| settings.sources.iter().any(|s| s.enabled && s.id == status.source);
    let read: Vec<&SourceStatus> = sources.iter().filter(is_read).collect();
    let mut needed = attention::needed(&store, &read, &held, &subscribers, now)?;
    if code != ExitCode::SUCCESS {
        needed.push("the subscription files (paperpost check)".to_owned());
    }
    let code = if check && !needed.is_empty() { ExitCode::FAILURE } else { code };
    let waiting = reload::waiting(settings, &store)?;
    let came_back = store.bounces(Clock::System.now() - chrono::Duration::days(30))?;
    let suspicions = store.suspicions()?;
    let mut due: Vec<_> =
        subscribers.iter().filter(|s| is_active(s) && to_come(s, &differences, &listing).is_none()).collect();
    due.sort_by_key(|subscriber| subscriber.next);
    if json {
        let zones = Zones::in_use();
        let zones = json!({"version": zones.version().to_string(), "from": zones.place()});
        let next: Vec<_> = due
            .iter()
            .map(|s| json!({"address": s.address, "next": s.next, "open": s.is_open, "last": s.last}))
            .collect();
        let faults = due.iter().filter(|subscriber| subscriber.fault.is_some()).count();
        let readers = json!({
            "active": counts.active, "pending": counts.pending, "web": counts.web, "both": both,
            "new": count(Difference::New), "changed": count(Difference::Changed), "gone": count(Difference::Gone),
            "wrong": count(Difference::Wrong), "held": missing,
        });
        output::json(&json!({
            "sources": sources, "hosts": hosts, "queue": queue, "held": held, "next": next, "bounces": came_back,
            "suspicions": suspicions, "faults": faults,
            "files": describe_files(&listing, &taken).map(|(path, state)| json!({"path": path, "state": state}))
                .collect::<Vec<_>>(),
            "subscribers": readers, "settings": waiting, "zones": zones, "needs_a_person": needed,
        }))?;
        return Ok(code);
    }
    if !needed.is_empty() {
        say!("Needs a person");
    }
    needed.iter().for_each(|what| say!("  {what}"));
    waiting.iter().for_each(reload::tell);
    say!("Sources");
    for source in settings.sources.iter().filter(|source| source.enabled) {
        match sources.iter().find(|status| status.source == source.id) {
            Some(status) => say!("  {}", describe_source(status)),
            None => say!("  {}: not read yet", source.id),
        }
    }
    for (host, state) in &hosts {
        if let Some(until) = state.closed_until(now) {
            say!(
                "  {host} is left alone until {}: {}",
                local(until),
                match state.failures {
                    failures if state.is_broken() => format!("{failures} requests in a row failed; then one is tried"),
                    _ => "it asked for that".to_owned(),
                }
            );
        }
    }
    say!("Subscription files");
    for (path, state) in describe_files(&listing, &taken) {
        say!("  {path}: {state}");
    }
    for (difference, words) in [
        (Difference::New, "in the files, and not taken in yet"),
        (Difference::Changed, "changed in the files, which is not taken in yet"),
        (Difference::Gone, "no longer in the files, which is not taken in yet"),
        (Difference::Wrong, "wrong in the files: what was right before is in force"),
    ] {
        match count(difference) {
            0 => {}
            count => say!("  {count} {words} (paperpost list)"),
        }
    }
    if missing > 0 {
        say!("  {}", files::about_held(missing));
    }
    if both > 0 {
        say!("  {}", files::about_both(both));
    }
    say!("Subscribers");
    say!("  {} active", counts.active);
    if counts.pending > 0 {
        say!("  {} pending: they have not confirmed yet, and get nothing (paperpost list)", counts.pending);
    }
    if counts.web > 0 {
        say!("  {} came by the web", counts.web);
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
        let word = match bounces.class {
            BounceClass::Sender => "refused because of our configuration or reputation",
            BounceClass::Complaint => "called spam by their readers",
            BounceClass::Hard => "came back: no such mailbox",
            BounceClass::Unclear => "came back with a report that nobody understands: a person should read it",
            BounceClass::Soft => "came back: a passing trouble",
        };
        say!("  {} {word}, the last {}: {}", bounces.count, local(bounces.last), bounces.reply);
    }
    print_suspicions(&suspicions);
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
    Ok(code)
}

/// Each file, and whether what is in it now has been taken in.
fn describe_files<'a>(
    listing: &'a Listing,
    taken: &'a [FileStatus],
) -> impl Iterator<Item = (String, String)> + use<'a> {
    listing.files.iter().map(|file| {
        let path = file.path.display().to_string();
        let known = taken.iter().find(|known| known.path == path);
        let errors = match file.errors.len() {
            0 => String::new(),
            count => format!(", {count} {}", plural(count, "error")),
        };
        let state = match known {
            Some(known) if known.hash == file.hash => format!("taken in {}{errors}", local(known.taken)),
            Some(known) => format!("changed since it was taken in {}{errors}", local(known.taken)),
            None => format!("not taken in yet{errors}"),
        };
        (path, state)
    })
}

/// Mailboxes that may be missing: those that a person has to decide about, and how many others there are.
pub(super) fn print_suspicions(suspicions: &[Suspicion]) {
    let (persons, others): (Vec<_>, Vec<_>) = suspicions.iter().partition(|suspicion| suspicion.is_for_a_person());
    if suspicions.is_empty() {
        return;
    }
    say!("Mailboxes that may not exist");
    for Suspicion { address, days, last, words } in persons.iter().take(20) {
        say!("  {address}: refused on {days} days, last {}: {words}", local(*last));
    }
    if persons.len() > 20 {
        say!("  and {} more like these", persons.len() - 20);
    }
    if !persons.is_empty() {
        say!("  decide about each: paperpost suppress add ADDRESS, or mend what refuses them");
    }
    if !others.is_empty() {
        say!("  {} {} refused of late: tried with the next edition", others.len(), plural(others.len(), "reader"));
    }
}

fn describe_held(held: &Held) -> String {
    let whose = held.domain.as_deref().unwrap_or("everything");
    let mails = match held.mails {
        0 => "no mail is due".to_owned(),
        1 => "1 mail waits".to_owned(),
        mails => format!("{mails} mails wait"),
    };
    let words = held.words.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
    let why = match held.by {
        HeldBy::Deferred => format!("the other side asks us to slow down{words}"),
        HeldBy::Refused => format!("refused because of our configuration or reputation{words}"),
        HeldBy::Limit => "as much as [pacing] allows has gone out".to_owned(),
    };
    format!("{whose}: {mails} until {}: {why}", local(held.until))
}

/// Every subscriber: what is in force, and what the files say where that is something else.
pub(super) fn list(settings: &Settings, json: bool) -> anyhow::Result<ExitCode> {
    let listing = files::read(settings);
    let Some(store) = existing(settings, json)? else { return Ok(files::code(&listing)) };
    let (subscribers, differences) = (store.subscribers()?, store.differences(&listing)?);
    let is_held = differences.values().any(|difference| *difference == Difference::Held);
    let code = if is_held { ExitCode::FAILURE } else { files::code(&listing) };
    let known: HashSet<String> = subscribers.iter().map(|subscriber| key(&subscriber.address)).collect();
    let in_files = listing.subscriptions.iter().map(|listed| &listed.subscription.address);
    let new: Vec<String> = in_files.filter(|new| !known.contains(&new.normalized())).map(Address::reveal).collect();
    if json {
        let mut all = Vec::with_capacity(subscribers.len() + new.len());
        for subscriber in &subscribers {
            let mut value = serde_json::to_value(subscriber)?;
            value["file"] = json!(differences.get(&key(&subscriber.address)));
            all.push(value);
        }
        all.extend(new.iter().map(|address| json!({"address": address, "next": null, "last": null, "file": "new"})));
        output::json(&all)?;
        return Ok(code);
    }
    let suppressions = store.suppressions()?;
    for subscriber in &subscribers {
        let last = subscriber.last.as_ref().map_or("no edition yet".to_owned(), describe_edition);
        let difference = differences.get(&key(&subscriber.address)).copied();
        let entry = entry(&listing, subscriber);
        let next = to_come(subscriber, &differences, &listing);
        let next = next.map_or_else(|| next_word(subscriber), str::to_owned);
        say!("{}\n  next: {next}\n  last: {last}", subscriber.address);
        if subscriber.origin == Origin::Web {
            say!(
                "  came by the web{}",
                if subscriber.both { ", and is in a file as well: what the file says is in force" } else { "" }
            );
        }
        if let Some(words) = difference.and_then(|difference| describe_difference(difference, subscriber, entry)) {
            say!("  {words}");
        }
        if let Some(fault) = &subscriber.fault {
            say!("  could not be decided: {fault}");
        }
        if let Some(left) = suppressions.iter().find(|left| left.address.as_ref() == Some(&subscriber.address)) {
            let note = left.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            say!("  {} on {}{note}", left.reason.as_str(), left.at.format("%Y-%m-%d"));
        }
    }
    for address in &new {
        say!("{address}\n  next: none: in the file, and not taken in yet\n  last: no edition yet");
    }
    let all = subscribers.len() + new.len();
    let pending = match subscribers.iter().filter(|subscriber| is_pending(subscriber)).count() {
        0 => String::new(),
        count => format!(", {count} of them pending: not confirmed yet"),
    };
    say!("{all} {}{pending}", plural(all, "subscriber"));
    if subscribers.iter().any(|subscriber| subscriber.last.as_ref().is_some_and(|last| last.owed > 0)) {
        say!("{OWED}");
    }
    Ok(code)
}

/// What the files order for a subscriber.
fn entry<'a>(listing: &'a Listing, subscriber: &SubscriberStatus) -> Option<&'a Subscription> {
    listing.find(&Address::parse(&subscriber.address).ok()?)
}

/// Why a subscriber who has a next edition gets none once the files are taken in.
fn to_come(
    subscriber: &SubscriberStatus,
    differences: &HashMap<String, Difference>,
    listing: &Listing,
) -> Option<&'static str> {
    if !is_active(subscriber) || subscriber.held {
        return None;
    }
    match differences.get(&key(&subscriber.address))? {
        Difference::Gone if subscriber.origin == Origin::File => Some("none: no longer in the file"),
        Difference::Changed if entry(listing, subscriber)?.paused => Some("none: paused in the file"),
        _ => None,
    }
}

/// What the file says of a subscriber, where that is not what is in force.
fn describe_difference(
    difference: Difference,
    subscriber: &SubscriberStatus,
    entry: Option<&Subscription>,
) -> Option<&'static str> {
    let is_by_web = subscriber.origin == Origin::Web;
    match difference {
        Difference::New if subscriber.listed && is_by_web => Some("the file has it too, which is not taken in yet"),
        Difference::New if subscriber.listed => None,
        Difference::New => Some("the file has it again, which is not taken in yet"),
        Difference::Changed if entry.is_some_and(|entry| entry.paused) && !subscriber.paused => {
            Some("the file pauses it, which is not taken in yet")
        }
        Difference::Changed if entry.is_some_and(|entry| !entry.paused) && subscriber.paused && !subscriber.held => {
            Some("the file no longer pauses it, which is not taken in yet")
        }
        Difference::Changed => Some("the file says something else, which is not taken in yet"),
        Difference::Gone if is_by_web => Some(
            "the file no longer has it, which is not taken in yet: then what they ordered by the web is in force again",
        ),
        Difference::Gone => Some("the file no longer has it, which is not taken in yet"),
        Difference::Wrong => {
            Some("its entry in the file is wrong: what was right before is in force (paperpost check)")
        }
        Difference::Held => Some("missing from its file: if that is meant, paperpost reload --accept-removals"),
    }
}

/// The normalized address, by which the files' differences are known.
fn key(address: &str) -> String {
    Address::parse(address).map_or(address.to_owned(), |address| address.normalized())
}

/// The database, or word that there is none yet.
pub(super) fn existing(settings: &Settings, json: bool) -> anyhow::Result<Option<Store>> {
    let store = app::look(settings)?;
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
    subscriber.listed && !subscriber.paused && subscriber.consent == Consent::Confirmed
}

fn is_pending(subscriber: &SubscriberStatus) -> bool {
    subscriber.listed && subscriber.consent == Consent::Pending
}

fn next_word(subscriber: &SubscriberStatus) -> String {
    match subscriber.next {
        _ if is_pending(subscriber) => "none: pending: they have not confirmed yet".to_owned(),
        _ if subscriber.consent != Consent::Confirmed => format!("none: {}", subscriber.consent),
        _ if !subscriber.listed => "none: no longer in the subscriptions file".to_owned(),
        _ if subscriber.held => "none: held".to_owned(),
        _ if subscriber.reader_paused => "none: paused by the reader".to_owned(),
        _ if subscriber.paused => "none: paused".to_owned(),
        Some(next) if next <= Clock::System.now() => "due now".to_owned(),
        Some(next) => in_zone(next, subscriber.zone),
        None if subscriber.is_open => "found at the next publish, and at once if a slot is due".to_owned(),
        None => "never: its schedule has no further slot".to_owned(),
    }
}

fn describe_edition(edition: &EditionStatus) -> String {
    let zone = edition.zone;
    let owed = if edition.owed > 0 { format!(", {} wait for later ones", edition.owed) } else { String::new() };
    let papers = match edition.papers {
        0 => format!("nothing new among {} papers", edition.looked_at),
        count => format!("{count} of {} papers{owed}", edition.looked_at),
    };
    let slot = format!("{} {zone}", edition.slot.format("%Y-%m-%d %H:%M"));
    let mail = edition.mail.map_or_else(String::new, |mail| format!(" (mail {mail})"));
    match (&edition.state, edition.sent) {
        (_, Some(sent)) => {
            format!("sent {} for the slot {slot}, {papers}{mail}", in_zone(sent, zone))
        }
        (Some(state), None) => format!("{state}, for the slot {slot}, {papers}{mail}"),
        (None, None) => format!("no mail {} for the slot {slot}, {papers}", in_zone(edition.decided, zone)),
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
