//! The command for a mail server's pipe, and for trying out the bounce mailbox: bounce.

use std::io::Read;
use std::process::ExitCode;

use super::attention::about_flagged;
use super::format::plural;
use crate::app;
use crate::clock::Clock;
use crate::config::Settings;
use crate::jobs::bounce::{self, Outcome};
use crate::jobs::inbox;
use crate::mail::inbound::LONGEST_MESSAGE;

/// The exit codes that a mail server understands (sysexits.h).
const EX_NOUSER: u8 = 67;
pub(super) const EX_TEMPFAIL: u8 = 75;

/// Takes in the message on standard input. What is wrong with us is for the server to try again later; what a person
/// wrote is refused, so that they learn that nobody reads it. What can't be attributed without a token key that this user
/// can't read is kept for the daemon.
pub(super) fn bounce(settings: &Settings) -> ExitCode {
    match take(settings) {
        Ok(Taken::Kept) => ExitCode::SUCCESS,
        Ok(Taken::Judged(Outcome::Unknown)) => {
            note!("paperpost: no bounce, no complaint, no request to leave: nobody reads mails to this address");
            ExitCode::from(EX_NOUSER)
        }
        Ok(Taken::Judged(Outcome::Unclear)) => {
            note!("paperpost: a report that can't be understood: a person should read it");
            ExitCode::from(EX_NOUSER)
        }
        Ok(Taken::Judged(Outcome::Faulty)) => {
            note!("paperpost: the message trips over a fault in the program");
            ExitCode::from(EX_TEMPFAIL)
        }
        Ok(Taken::Judged(_)) => ExitCode::SUCCESS,
        Err(error) => {
            note!("paperpost: {error:#}");
            ExitCode::from(EX_TEMPFAIL)
        }
    }
}

/// Reads the bounce mailbox of the settings now.
pub(super) async fn inbox(settings: &Settings) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        settings.bounces.inbox.is_some(),
        "there is no bounce mailbox in the settings: set imap.host or bounces.maildir"
    );
    let store = app::write(settings)?;
    let bounces = app::bounces(settings, &store)?;
    let report = inbox::run(&store, &bounces.settings, bounces.inbox.as_ref(), &Clock::System).await?;
    say!("took in {} {} from the bounce mailbox", report.messages, plural(report.messages, "message"));
    tell_of_a_person(&report);
    match report.trouble {
        Some(error) => Err(error.into()),
        None if !report.set_aside.is_empty() => Ok(ExitCode::FAILURE),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Says what is there for a person: each message that was set aside, and how many wait altogether.
pub(super) fn tell_of_a_person(report: &inbox::Report) {
    for set_aside in &report.set_aside {
        say!("{set_aside}");
    }
    if let Some(flagged) = report.flagged.filter(|flagged| *flagged > 0) {
        say!("{}", about_flagged(flagged));
    }
}

/// What became of a message.
enum Taken {
    Judged(Outcome),
    /// The daemon judges it.
    Kept,
}

fn take(settings: &Settings) -> anyhow::Result<Taken> {
    let (mut message, mut input) = (Vec::new(), std::io::stdin().lock());
    input.by_ref().take(LONGEST_MESSAGE as u64).read_to_end(&mut message)?;
    // A mail server that can't hand over all of it calls that a failure.
    std::io::copy(&mut input, &mut std::io::sink())?;
    let store = app::write(settings)?;
    let (judging, now) = (app::judging(settings, &store)?, Clock::System.now());
    let outcome = bounce::run(&store, &judging, &message, now)?;
    let is_key_missing = settings.missing_secrets.iter().any(|missing| missing.key == "tokens.key")
        || judging.keyring.lacks_key_of(&String::from_utf8_lossy(&message));
    if !outcome.is_for_a_person() || !is_key_missing {
        return Ok(Taken::Judged(outcome));
    }
    anyhow::ensure!(
        store.keep_message(&message, now)?,
        "too many messages wait for the daemon, which can read the keys"
    );
    Ok(Taken::Kept)
}
