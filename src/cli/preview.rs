//! The commands that show a mail: preview, test-mail.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::ValueEnum;

use super::{refuse, subscriptions, wiring};
use crate::clock::Clock;
use crate::config::{self, Settings};
use crate::core::address::Address;
use crate::jobs::letter::Writer;
use crate::jobs::publish::Planner;
use crate::mail::mime::{self, Letter, QuotedPrintable};
use crate::mail::{Mail, Transport};
use crate::store::{Mailing, Standing};

/// What `preview` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// The plain-text part
    Text,
    /// The HTML part
    Html,
    /// The whole mail
    Eml,
}

/// Writes what a subscriber's next digest would be. Nothing moves.
pub(super) fn preview(
    settings: &Settings,
    address: &Address,
    format: Format,
    output: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let subscriptions = match subscriptions(settings) {
        Ok(subscriptions) => subscriptions,
        Err(problems) => return Ok(refuse(&problems)),
    };
    let Some(subscription) = subscriptions.into_iter().find(|s| s.address == *address) else {
        anyhow::bail!("{} is not subscribed: `paperpost subscribe` adds it", address.reveal());
    };
    let Some(store) = wiring::look(settings)? else {
        anyhow::bail!("no papers are known yet: `paperpost scrape` reads them");
    };
    let now = Clock::System.now();
    let publish = wiring::publish(settings);
    let planner = Planner::new(&store, &publish, now)?;
    // The file is what counts: it may be newer than what the database has taken in.
    let mut standing = match store.standing(&address.normalized(), planner.oldest)? {
        Some(standing) => standing,
        None => Standing::new(subscription.clone(), now),
    };
    standing.subscription = subscription;
    let choice = planner.choose(&standing);
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
        owed: choice.owed.len(),
        looked_at: planner.pool().candidates().len().try_into().unwrap_or(u32::MAX),
        message_id: format!("<preview@{}>", publish.domain),
    };
    let sender = wiring::sender(settings, &store)?;
    let writer = Writer::new(store, sender);
    let bytes = match format {
        Format::Text => writer.render(&mailing)?.text.into_bytes(),
        Format::Html => writer.render(&mailing)?.html.into_bytes(),
        Format::Eml => writer.write(&mailing)?,
    };
    match output {
        Some(path) => {
            std::fs::write(path, bytes).with_context(|| format!("can't write {}", path.display()))?;
            println!("wrote {}", path.display());
        }
        None => std::io::stdout().write_all(&bytes)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Sends a short mail and says what the other side answered.
pub(super) async fn test_mail(settings: &Settings, address: &Address) -> anyhow::Result<ExitCode> {
    let now = Clock::System.now();
    let way_out = wiring::way_out(settings);
    let notice = templates::notice::Notice::test_mail(&way_out, &now.format("on %-d %B %Y at %H:%M UTC").to_string());
    let from = wiring::mailbox(&settings.mail.from);
    let id = format!("test.{}.{:016x}", now.timestamp(), fastrand::u64(..));
    let message_id = format!("<{id}@{}>", from.address.domain());
    let bytes = mime::compose(&Letter {
        from: from.clone(),
        reply_to: settings.mail.reply_to.as_ref().map(wiring::mailbox),
        to: mime::Mailbox { name: None, address: address.clone() },
        subject: notice.subject.clone(),
        date: now,
        message_id: message_id.clone(),
        boundary: id,
        list_id: None,
        extra: Vec::new(),
        text: QuotedPrintable::encode(&notice.text()),
        html: QuotedPrintable::encode(&notice.html()),
    });
    let bytes = match wiring::signer(settings)? {
        Some(signer) => signer.sign(&bytes, now)?,
        None => bytes,
    };
    let mail = Mail { from: Some(from.address), to: address.clone(), message_id: message_id.clone(), bytes };
    let transport = wiring::transport(settings)?;
    let result = transport.send(&mail).await;
    transport.close().await;
    match result {
        Ok(receipt) => {
            println!("sent {message_id} to {} {way_out}", address.reveal());
            println!("the answer: {}", receipt.reply);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            println!("not sent {way_out}: {error}");
            if let config::settings::Transport::Smtp(_) = settings.mail.transport {
                println!("hint: the [smtp] section of paperpost.toml says where to and how: host, port, tls, username");
            }
            Ok(ExitCode::FAILURE)
        }
    }
}
