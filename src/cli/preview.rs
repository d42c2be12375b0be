//! The commands that show a mail: preview, test-mail.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::format::plural;
use super::output::spinner;
use super::progress::telling;
use super::{dkim, files, json, output};
use crate::app;
use crate::clock::Clock;
use crate::compose::Writer;
use crate::config::{self, Settings};
use crate::core::address::Address;
use crate::core::delivery::{Fault, Phase};
use crate::core::mailing::{Matter, Transactional};
use crate::core::server::Tls;
use crate::core::subscription::Subscription;
use crate::jobs::deliver;
use crate::jobs::publish::{Plan, Planner};
use crate::store::{Mailing, Recipient, Standing, Store};

/// What `preview` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// The plain-text part
    Text,
    /// The HTML part
    Html,
    /// The whole mail
    Eml,
    /// As JSON: which papers, and the mail's subject, text and HTML
    Json,
}

/// What a subscriber's next digest would be, by the very code that decides it. The file is what counts: it may be newer than
/// what the database has taken in.
fn plan(
    settings: &Settings,
    store: &Store,
    subscription: Subscription,
    now: DateTime<Utc>,
) -> anyhow::Result<(Standing, Planner, Plan)> {
    let publish = app::publish(settings);
    let mut standing = match store.standing(&subscription.address.normalized(), 0)? {
        Some(standing) => standing,
        None => Standing::new(subscription.clone(), now),
    };
    standing.subscription = subscription;
    let planner = Planner::for_one(store, &publish, &standing, now)?;
    let plan = planner.plan(store, &standing)?;
    Ok((standing, planner, plan))
}

/// Titles that are shown of a digest to come.
const SHOWN: usize = 3;

/// What the next digest of a subscription would bring, in a line or a few.
pub(super) fn outlook(settings: &Settings, address: &Address) -> anyhow::Result<String> {
    let nothing = "no papers are known yet: `paperpost try EXPRESSION --fresh` shows what an expression finds";
    let Some(store) = app::look(settings)? else { return Ok(nothing.to_owned()) };
    let Some(subscription) = files::read(settings).find(address).cloned() else {
        anyhow::bail!("the entry can't be read (paperpost check)");
    };
    let now = Clock::System.now();
    let (standing, planner, Plan { choice, settlement, .. }) = plan(settings, &store, subscription, now)?;
    let candidates = planner.pool().candidates();
    let all = candidates.iter().filter(|candidate| !standing.ledger.is_before_start(candidate)).count();
    if all == 0 {
        return Ok(match candidates.is_empty() {
            true => nothing.to_owned(),
            false => format!("no paper since {} is known yet", standing.ledger.since.format("%-d %B %Y")),
        });
    }
    let is_first = standing.ledger.last.is_none();
    let which = if is_first { "first" } else { "next" };
    let shown: Vec<usize> = choice.sections.iter().flatten().copied().collect();
    let since = if is_first { format!(" since {}", standing.ledger.since.format("%-d %B")) } else { String::new() };
    let mut lines = match shown.len() {
        0 => format!("none of {all} {}{since} would be in the {which} digest", plural(all, "paper")),
        count => format!("the {which} digest would bring {count} of {all} {}{since}", plural(all, "paper")),
    };
    let (cut, owed) = (settlement.told.cut.len(), settlement.owed.len());
    if cut > 0 {
        lines += &format!(", and count {cut} more that match");
    }
    if owed > 0 {
        lines += &format!(", and {owed} more would wait for a later one");
    }
    match shown.as_slice() {
        [] => lines += "; `paperpost try EXPRESSION` tells more",
        _ => lines += ", the best:",
    }
    for index in shown.into_iter().take(SHOWN) {
        lines += &format!("\n  {}", candidates[index].paper.title);
    }
    Ok(lines)
}

/// Writes what a subscriber's next digest would be. Nothing moves.
pub(super) fn preview(
    settings: &Settings,
    address: &Address,
    format: Format,
    output: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let listing = files::read(settings);
    let store = app::look(settings)?;
    let subscription = match &store {
        Some(store) => files::order(&listing, store, address)?,
        None => listing.find(address).cloned(),
    };
    let Some(subscription) = subscription else {
        anyhow::bail!("{} is not subscribed: `paperpost subscribe` adds it", address.reveal());
    };
    let Some(store) = store else {
        anyhow::bail!("no papers are known yet: `paperpost scrape` reads them");
    };
    let is_held = listing.find(address).is_none() && !listing.is_faulty(address);
    let who = address.reveal();
    if store.history(&address.normalized())?.is_some_and(|history| history.is_reader_paused) {
        note!("{who} has paused their mails and gets nothing: this would come next once they resume them");
    } else if subscription.paused && !is_held {
        note!("{who} is paused and gets nothing: this would come next after `paperpost resume {who}`");
    }
    let now = Clock::System.now();
    let (standing, planner, plan) = plan(settings, &store, subscription, now)?;
    let Plan { choice, settlement, welcome, near } = plan;
    let ids = |indices: &[usize]| indices.iter().map(|index| planner.pool().candidates()[*index].id).collect();
    let subscription = &standing.subscription;
    let slot = subscription.schedule.next(now, subscription.zone);
    let mailing = Mailing {
        edition: 0,
        slot: slot.map_or(now.with_timezone(&subscription.zone).naive_local(), |(slot, _)| slot),
        subscription: subscription.clone(),
        // A link that names nobody: a preview may be shown around.
        subscriber: [0; 16],
        read: planner.read,
        decided: now,
        papers: choice.sections.iter().map(|section| ids(section)).collect(),
        also: ids(&choice.also),
        owed: settlement.owed.len(),
        told: settlement.told,
        welcome,
        near,
        looked_at: planner.pool().candidates().len().try_into().unwrap_or(u32::MAX),
        message_id: format!("<preview@{}>", app::publish(settings).domain),
    };
    let names = subscription.profiles.iter().map(|profile| &profile.name);
    let listed = |indices: &[usize]| -> Vec<Value> {
        indices.iter().map(|index| json::paper(&planner.pool().candidates()[*index])).collect()
    };
    let sections: Vec<Value> =
        names.zip(&choice.sections).map(|(name, papers)| json!({"name": name, "papers": listed(papers)})).collect();
    let sender = app::sender(settings, &store)?;
    let code = files::code_with(&listing, &store)?;
    let writer = Writer::new(store, sender);
    let bytes = match format {
        Format::Text => writer.render(&mailing)?.text.into_bytes(),
        Format::Html => writer.render(&mailing)?.html.into_bytes(),
        Format::Eml => {
            dkim::note_unsigned(settings);
            writer.write(&mailing)?
        }
        Format::Json => {
            let mail = writer.render(&mailing)?;
            output::json(&json!({
                "address": address.reveal(), "paused": subscription.paused, "zone": subscription.zone,
                "slot": slot.map(|(slot, _)| slot), "due": slot.map(|(_, due)| due),
                "sections": sections, "also": listed(&choice.also), "owed": choice.owed.len(),
                "subject": mail.subject, "text": mail.text, "html": mail.html,
            }))?;
            return Ok(code);
        }
    };
    match output {
        Some(path) => {
            std::fs::write(path, bytes).with_context(|| format!("can't write {}", path.display()))?;
            say!("wrote {}", path.display());
        }
        None => output::document(&bytes),
    }
    Ok(code)
}

/// Sends a short mail, the way of all mail, and says what the other side answered.
pub(super) async fn test_mail(settings: &Settings, address: &Address) -> anyhow::Result<ExitCode> {
    let clock = Clock::System;
    let route = app::way_out(settings);
    let mail = Transactional { at: clock.now(), matter: Matter::Test { route: route.clone() } };
    let store = app::write(settings)?;
    let deliver = app::deliver(settings, &store)?;
    let domain = app::publish(settings).domain;
    let transport = app::transport(&impatient(settings))?;
    let to = Recipient::Address(address);
    let spinner = spinner(format!("sending {route} …"));
    let run = deliver::at_once::run(&store, &transport, &deliver, &clock, to, &mail, &domain);
    let sent = telling(&spinner, &format!("still sending {route}"), run).await;
    spinner.finish_and_clear();
    transport.close().await;
    let deliver::at_once::Sent { mail, result } = sent?;
    match result {
        Ok(receipt) => {
            say!("sent mail {mail} to {} {route}", address.reveal());
            say!("the answer: {}", receipt.reply);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            say!("not sent {route}: {error}");
            if let config::settings::Transport::Smtp(smtp) = &settings.mail.transport {
                say!("hint: {}", hint(smtp, error.fault()));
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The settings, for somebody who waits at a terminal.
fn impatient(settings: &Settings) -> Settings {
    const PATIENCE: Duration = Duration::from_secs(30);
    let mut settings = settings.clone();
    if let config::settings::Transport::Smtp(smtp) = &mut settings.mail.transport {
        smtp.timeout = smtp.timeout.min(PATIENCE);
    }
    settings
}

/// What may be wrong with the settings, after a mail that was not sent.
fn hint(smtp: &config::settings::Smtp, fault: &Fault) -> String {
    let tls = |other: &str| {
        let port = smtp.port;
        format!("perhaps this server begins the other way at port {port}: set smtp.tls to \"{other}\", or another port")
    };
    match (fault.phase, smtp.tls) {
        (Phase::Tls, Tls::Implicit) => tls("starttls"),
        (Phase::Greeting, Tls::StartTls | Tls::None) if fault.code.is_none() => tls("implicit"),
        (Phase::Certificate, _) => {
            "smtp.host must be a name in the server's certificate; for an authority of your own, smtp.ca_file"
                .to_owned()
        }
        (Phase::Auth, _) => {
            "smtp.username and smtp.password_file say who we are, smtp.auth how that is shown".to_owned()
        }
        _ => "the [smtp] section of paperpost.toml says where to and how: host, port, tls, username".to_owned(),
    }
}
