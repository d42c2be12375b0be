//! `outbox`: what is queued and what became of it, mail by mail.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::format::{local, plural};
use super::show::{existing, print_suspicions};
use super::{dkim, output};
use crate::app;
use crate::clock::Clock;
use crate::compose;
use crate::config::Settings;
use crate::core::mailing::MailKind;
use crate::core::paper::PaperKey;
use crate::store::{OutboxEntry, OutboxState, Store, StoreError};

/// Which mails `outbox` lists.
#[derive(Debug, Args)]
pub(super) struct OutboxList {
    /// Only mails in these states [default: queued, claimed, failed]
    #[arg(long, value_enum, value_delimiter = ',')]
    state: Vec<StateWord>,
    /// At most this many, newest first
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// As JSON, for scripts
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum StateWord {
    Queued,
    Claimed,
    Sent,
    Failed,
    Dropped,
    Merged,
}

/// What `outbox` does besides listing.
#[derive(Debug, Subcommand)]
pub(super) enum OutboxAction {
    /// Shows the attempts of one mail, with the server's own words
    Show {
        /// The mail's number in the list
        mail: i64,
    },
    /// Queues a failed mail again, or all of them
    Retry {
        /// The mail's number in the list
        #[arg(required_unless_present = "all")]
        mail: Option<i64>,
        /// Every mail that failed of late
        #[arg(long, conflicts_with = "mail")]
        all: bool,
        /// How many days ago they may have failed: nobody wants the digests of three weeks at once
        #[arg(long, default_value_t = 3, conflicts_with = "mail", value_parser = clap::value_parser!(u16).range(1..))]
        days: u16,
    },
    /// Takes queued or failed mails out of the queue; their papers stay to come
    ///
    /// Unless the other side may have the mail: then its papers count as sent. A mail that is under way can't be dropped.
    Drop {
        /// The mails' numbers in the list
        #[arg(required = true)]
        mails: Vec<i64>,
    },
    /// Ends the holds that keep mails back, once what caused them is mended
    ///
    /// A running daemon goes on within a minute.
    Wake {
        /// The recipients' domain [default: all, and the rest of everything]
        domain: Option<String>,
    },
    /// Writes mails with all their attempts as JSON, one a line, oldest first
    Export {
        /// Only mails in these states [default: all]
        #[arg(long, value_enum, value_delimiter = ',')]
        state: Vec<StateWord>,
    },
    /// Writes one mail as it is sent, headers and all
    Eml {
        /// The mail's number in the list
        mail: i64,
        /// Where to write it, instead of standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// Lists mails, or does something about them.
pub(super) fn outbox(settings: &Settings, list: &OutboxList, action: Option<OutboxAction>) -> anyhow::Result<ExitCode> {
    let Some(store) = existing(settings, list.json)? else { return Ok(ExitCode::SUCCESS) };
    match action {
        None => print_list(&store, list)?,
        Some(OutboxAction::Show { mail }) => show(&store, mail)?,
        Some(OutboxAction::Export { state }) => export(&store, &state)?,
        Some(OutboxAction::Eml { mail, output }) => eml(settings, &store, mail, output)?,
        // A running daemon may be at work too: the database sorts that out.
        Some(OutboxAction::Retry { mail, days, .. }) => {
            let now = Clock::System.now();
            let since = now - chrono::Duration::days(days.into());
            match (app::write(settings)?.retry_failed(mail, since, now)?, mail) {
                (0, Some(mail)) => anyhow::bail!("mail {mail} has not failed (paperpost outbox show {mail})"),
                (0, None) => anyhow::bail!("no mail has failed in the last {days} {}", plural(days.into(), "day")),
                (count, _) => say!("queued {count} {} again", plural(count, "mail")),
            }
        }
        Some(OutboxAction::Wake { domain }) => {
            let domain = domain.map(|name| idna::domain_to_ascii(&name).unwrap_or(name));
            match (app::write(settings)?.end_holds(domain.as_deref())?, domain) {
                (0, Some(domain)) => anyhow::bail!("{domain} is not held (paperpost status)"),
                (0, None) => anyhow::bail!("nothing is held (paperpost status)"),
                (count, _) => say!("ended {count} {}", plural(count, "hold")),
            }
        }
        Some(OutboxAction::Drop { mails }) => {
            let count = app::write(settings)?.drop_mails(&mails, Clock::System.now())?;
            say!("dropped {count} {}", plural(count, "mail"));
            if count < mails.len() {
                say!("only queued and failed mails can be dropped (paperpost outbox show)");
            }
            return Ok(if count == mails.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_list(store: &Store, list: &OutboxList) -> anyhow::Result<()> {
    let states = match list.state.as_slice() {
        [] => vec![OutboxState::Queued, OutboxState::Claimed, OutboxState::Failed],
        words => states(words),
    };
    let entries = store.outbox(&states, list.limit)?;
    if list.json {
        return output::json(&entries);
    }
    for OutboxEntry { mail, kind, state, address, attempts, due, is_paused, last_reply, .. } in &entries {
        let when = match state {
            OutboxState::Queued if *is_paused => "waits for the end of a pause".to_owned(),
            OutboxState::Queued if *due <= Clock::System.now() => "due now".to_owned(),
            OutboxState::Queued => format!("next try {}", local(*due)),
            _ => local(*due),
        };
        let kind = if *kind == MailKind::Edition { String::new() } else { format!("  {kind}") };
        say!("{mail:>6}  {:8} {when}  {address}{kind}  attempts: {attempts}", state.as_str());
        if let Some(reply) = last_reply {
            say!("        {reply}");
        }
    }
    say!("{} {}", entries.len(), plural(entries.len(), "mail"));
    print_suspicions(&store.suspicions()?);
    Ok(())
}

fn show(store: &Store, mail: i64) -> anyhow::Result<()> {
    let Some(entry) = store.outbox_entry(mail)? else { anyhow::bail!("there is no mail {mail}") };
    let kind = if entry.kind == MailKind::Edition { String::new() } else { format!(", {}", entry.kind) };
    say!("mail {mail} to {}{kind}, {}: {}", entry.address, entry.message_id, entry.state.as_str());
    for (at, outcome, reply) in store.attempts(mail)? {
        say!("  {}  {outcome}  {reply}", local(at));
    }
    let given_up = store.given_up(mail)?;
    if !given_up.is_empty() {
        let keys = given_up.iter().map(PaperKey::as_str).collect::<Vec<_>>().join(" ");
        say!(
            "  given up, since two mails with {} were refused: {keys}",
            if given_up.len() == 1 { "it" } else { "them" }
        );
    }
    match store.content(mail) {
        Err(error @ StoreError::Unreadable { .. }) => say!("it can't be made: {error}"),
        read => drop(read?),
    }
    Ok(())
}

/// As many mails are read at once; the whole outbox may be larger than the memory.
const PAGE: usize = 1_000;

fn export(store: &Store, words: &[StateWord]) -> anyhow::Result<()> {
    let wanted = if words.is_empty() { OutboxState::ALL.to_vec() } else { states(words) };
    let mut after = 0;
    // The reader of a pipe may have read enough.
    while output::is_open() {
        let page = store.outbox_after(&wanted, after, PAGE)?;
        let mut lines = String::new();
        for entry in &page {
            let attempts = store.attempts(entry.mail)?.into_iter();
            let attempts: Vec<_> =
                attempts.map(|(at, outcome, reply)| json!({"at": at, "outcome": outcome, "reply": reply})).collect();
            let mut line = serde_json::to_value(entry)?;
            line["attempt_log"] = attempts.into();
            line["given_up"] = json!(store.given_up(entry.mail)?);
            lines += &format!("{line}\n");
        }
        output::text(&lines);
        let Some(last) = page.last() else { break };
        after = last.mail;
    }
    Ok(())
}

fn eml(settings: &Settings, store: &Store, mail: i64, output: Option<PathBuf>) -> anyhow::Result<()> {
    let Some(content) = store.content(mail)? else { anyhow::bail!("there is no mail {mail}") };
    dkim::note_unsigned(settings);
    let mail = compose::Writer::new(store.clone(), app::sender(settings, store)?).mail(&content)?.message;
    match output {
        Some(path) => std::fs::write(&path, mail.octets()).with_context(|| path.display().to_string())?,
        None => output::document(mail.octets()),
    }
    Ok(())
}

fn states(words: &[StateWord]) -> Vec<OutboxState> {
    words.iter().map(|word| word.state()).collect()
}

impl StateWord {
    fn state(self) -> OutboxState {
        match self {
            Self::Queued => OutboxState::Queued,
            Self::Claimed => OutboxState::Claimed,
            Self::Sent => OutboxState::Sent,
            Self::Failed => OutboxState::Failed,
            Self::Dropped => OutboxState::Dropped,
            Self::Merged => OutboxState::Merged,
        }
    }
}
