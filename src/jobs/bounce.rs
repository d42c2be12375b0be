//! Bounce: one message from the bounce mailbox → what it changes.
//!
//! A stranger can send anything here. A report counts when it proves that its sender has our mail: by the token in its
//! return path or in the List-Unsubscribe that came back, or by the mail's Message-ID together with the address it went
//! to. Anything else changes nothing. One message is one transaction, and the same message again changes nothing, so a
//! crash between the database and the mailbox does no harm.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};

use crate::core::address::Address;
use crate::core::bounce::{self, Class, Failure};
use crate::core::token::{Keyring, Purpose, SubscriberId};
use crate::mail::inbound::{self, Inbound, Kind};
use crate::store::{Bounce, Reason, Store, StoreError, Taken, Verdict};

/// What bounces are judged by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Knows the tokens.
    pub keyring: Arc<Keyring>,
    /// So many editions in a row have to come back …
    pub soft_limit: u32,
    /// … over so many days, before a passing trouble counts as lasting.
    pub soft_days: u32,
}

/// What a message was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Somebody left by mail.
    Left,
    /// A report, and what became of it.
    Report(Taken),
    /// A machine's message without consequence: a vacation notice, a delay.
    Ignored,
    /// Something that a person should read.
    Unknown,
}

impl Outcome {
    /// Whether a person should read the message: nothing follows from it, and it is no machine's small talk.
    pub fn is_for_a_person(self) -> bool {
        matches!(self, Self::Unknown | Self::Report(Taken::Unproven))
    }
}

/// Takes in one message.
pub fn run(store: &Store, settings: &Settings, message: &[u8], now: DateTime<Utc>) -> Result<Outcome, StoreError> {
    let Some(inbound) = inbound::read(message) else { return Ok(Outcome::Unknown) };
    let (verdict, failure) = match &inbound.kind {
        Kind::Report(recipients) => match bounce::failure(recipients) {
            Some(failure) => (Verdict::Failed(failure.class), failure),
            None => return Ok(Outcome::Ignored),
        },
        Kind::Complaint => {
            let words = "the reader called a mail spam".to_owned();
            (Verdict::Complaint, Failure { class: Class::Hard, status: String::new(), diagnostic: words })
        }
        Kind::Automatic | Kind::Letter => {
            if let Some(subscriber) = asks_to_leave(&settings.keyring, &inbound) {
                let news = store.suppress_subscriber(&subscriber, Reason::Unsubscribed, Some("by mail"), now)?;
                tracing::info!(how = "by mail", is_news = news == Some(true), "a subscriber left");
                return Ok(Outcome::Left);
            }
            return Ok(if inbound.kind == Kind::Automatic { Outcome::Ignored } else { Outcome::Unknown });
        }
    };
    let taken = store.take_bounce(
        &Bounce {
            message: digest(&SHA256, message).as_ref().to_vec(),
            subscriber: proven(&settings.keyring, &inbound),
            message_ids: inbound.message_ids,
            recipients: inbound.recipients.iter().filter_map(|text| Address::parse(text).ok()).collect(),
            at: now,
            verdict,
            status: bounce::masked(&failure.status),
            reply: bounce::masked(&format!("{} {}", failure.status, failure.diagnostic)),
        },
        |sent| bounce::is_lasting(sent, settings.soft_limit, settings.soft_days),
    )?;
    log(verdict, taken, &failure);
    Ok(Outcome::Report(taken))
}

/// Whose mail a report is about, by a token that only they and the servers on the way could know.
fn proven(keyring: &Keyring, inbound: &Inbound) -> Option<SubscriberId> {
    let path = inbound.addressed.iter().chain(&inbound.returned);
    path.clone().find_map(|text| keyring.find(Purpose::Bounce, text)).or_else(|| {
        let mut returned = inbound.returned.iter();
        returned.find_map(|text| keyring.find(Purpose::Unsubscribe, &unfolded(text)))
    })
}

fn asks_to_leave(keyring: &Keyring, inbound: &Inbound) -> Option<SubscriberId> {
    let mut places = std::iter::once(&inbound.subject).chain(&inbound.addressed);
    places.find_map(|text| keyring.find(Purpose::Unsubscribe, text))
}

/// A header's value in one line: some servers fold where nothing may be folded.
fn unfolded(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

fn log(verdict: Verdict, taken: Taken, failure: &Failure) {
    let (status, reply) = (bounce::masked(&failure.status), bounce::masked(&failure.diagnostic));
    match (taken, verdict) {
        (Taken::Unproven, _) => tracing::warn!(%status, "a bounce that names no mail of ours: nothing changes"),
        (Taken::Again, _) => {}
        (_, Verdict::Failed(Class::Sender)) => tracing::error!(
            %status, %reply,
            "a server refuses our mail for a reason of ours: its domain rests; look at the sender's DNS, its standing, the mail",
        ),
        (Taken::Noted, _) => tracing::info!(%status, %reply, "a mail came back"),
        (Taken::Suppressed, _) => tracing::warn!(%status, %reply, "a subscriber gets no more mails"),
    }
}
