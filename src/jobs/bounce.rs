//! Bounce: one message from the bounce mailbox → what it changes.
//!
//! A stranger can send anything here. A report counts when it proves that its sender has our mail: by the token in its
//! return path or in the List-Unsubscribe that came back, or by the mail's Message-ID together with the address it went
//! to. Anything else changes nothing. One message is one transaction, and the same message again changes nothing, so a
//! crash between the database and the mailbox does no harm. A fault in the program that a message brings out ends the
//! reading of this one only.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};

use crate::core::address::Address;
use crate::core::bounce::{self, Action, Failure, Recipient};
use crate::core::leaving;
use crate::core::token::{Keyring, Purpose, SubscriberId};
use crate::mail::inbound::{self, Inbound, Kind};
use crate::store::{Bounce, BounceClass, Reason, Store, StoreError, Taken};

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
    /// A report of a failed delivery that can't be understood.
    Unclear,
    /// Something else that a person should read.
    Unknown,
    /// What a fault in the program kept from being understood.
    Faulty,
}

impl Outcome {
    /// Whether a person should read the message: nothing follows from it, and it is no machine's small talk.
    pub fn is_for_a_person(self) -> bool {
        matches!(self, Self::Unclear | Self::Unknown | Self::Faulty | Self::Report(Taken::Unproven))
    }
}

/// Takes in one message.
pub fn run(store: &Store, settings: &Settings, message: &[u8], now: DateTime<Utc>) -> Result<Outcome, StoreError> {
    match guarded(|| understand(&settings.keyring, message, now)) {
        Meaning::None(outcome) => Ok(outcome),
        Meaning::Leave(claim) => {
            let subscriber = match claim {
                Claim::Proven(subscriber) => Some(subscriber),
                Claim::By { from, tokens, answers } => store.whose_letter(&from, &tokens, &answers)?,
            };
            let Some(subscriber) = subscriber else { return Ok(Outcome::Unknown) };
            let news = store.suppress_subscriber(&subscriber, Reason::Unsubscribed, Some("by mail"), now)?;
            tracing::info!(how = "by mail", is_news = news == Some(true), "a subscriber left");
            Ok(Outcome::Left)
        }
        Meaning::Bounce(bounce) => {
            let is_lasting = |sent: &[_]| bounce::is_lasting(sent, settings.soft_limit, settings.soft_days);
            let taken = store.take_bounce(&bounce, is_lasting)?;
            log(&bounce, taken);
            Ok(if bounce.class == BounceClass::Unclear { Outcome::Unclear } else { Outcome::Report(taken) })
        }
    }
}

/// What a message asks for.
enum Meaning {
    /// Nothing.
    None(Outcome),
    /// To get no more mails.
    Leave(Claim),
    /// That a failed delivery, or a complaint, be noted.
    Bounce(Box<Bounce>),
}

/// Whose letter it is.
enum Claim {
    /// By a token where only its owner puts one: in the subject or in the address.
    Proven(SubscriberId),
    /// By a token in the body or an answer to a mail of ours, both of which a forwarded mail shows to others: it counts if
    /// the letter is from the subscriber's own address.
    By { from: Address, tokens: Vec<SubscriberId>, answers: Vec<String> },
}

/// Pure: all that a stranger's octets have to do with.
fn understand(keyring: &Keyring, message: &[u8], now: DateTime<Utc>) -> Meaning {
    let Some(inbound) = inbound::read(message) else { return Meaning::None(Outcome::Unknown) };
    let unclear = || (BounceClass::Unclear, false, String::new(), "a report that can't be understood".to_owned());
    let (class, is_plain, status, words) = match &inbound.kind {
        Kind::Report(recipients) => match bounce::failure(recipients) {
            Some(Failure { verdict, status, diagnostic }) => {
                (verdict.class.into(), verdict.is_plain, status, diagnostic)
            }
            None if recipients.iter().all(is_no_failure) => return Meaning::None(Outcome::Ignored),
            None => unclear(),
        },
        Kind::Unclear => unclear(),
        Kind::Complaint => (BounceClass::Complaint, false, String::new(), "the reader called a mail spam".to_owned()),
        Kind::Automatic | Kind::Letter => {
            let is_automatic = inbound.kind == Kind::Automatic;
            let otherwise = Meaning::None(if is_automatic { Outcome::Ignored } else { Outcome::Unknown });
            return asks_to_leave(keyring, inbound).map_or(otherwise, Meaning::Leave);
        }
    };
    let bounce = Bounce {
        message: digest(&SHA256, message).as_ref().to_vec(),
        subscriber: proven(keyring, &inbound),
        message_ids: inbound.message_ids,
        recipients: inbound.recipients.iter().filter_map(|text| Address::parse(text).ok()).collect(),
        at: now,
        class,
        is_plain,
        status: bounce::masked(&status),
        reply: bounce::masked(&format!("{status} {words}")),
    };
    Meaning::Bounce(bounce.into())
}

/// A panic would end the daemon, which would find the same message at its next start.
fn guarded(understand: impl FnOnce() -> Meaning) -> Meaning {
    catch_unwind(AssertUnwindSafe(understand)).unwrap_or_else(|_| {
        tracing::error!("a message brings out a fault in the program: nothing changes, and a person should look at it");
        Meaning::None(Outcome::Faulty)
    })
}

/// Whether it is known that nothing has failed: a delay, a success.
fn is_no_failure(recipient: &Recipient) -> bool {
    !matches!(recipient.action, Action::Failed | Action::Other)
}

/// Whose mail a report is about, by a token that only they and the servers on the way could know.
fn proven(keyring: &Keyring, inbound: &Inbound) -> Option<SubscriberId> {
    let path = inbound.addressed.iter().chain(&inbound.returned);
    path.clone().find_map(|text| keyring.find(Purpose::Bounce, text)).or_else(|| {
        let mut returned = inbound.returned.iter();
        returned.find_map(|text| keyring.find(Purpose::Unsubscribe, &unfolded(text)))
    })
}

/// Whether a letter asks to leave, and whose it claims to be. A machine's never does.
fn asks_to_leave(keyring: &Keyring, inbound: Inbound) -> Option<Claim> {
    let is_token = |word: &str| keyring.find(Purpose::Unsubscribe, word).is_some();
    let is_asked = leaving::is_request(&inbound.subject, is_token)
        || leaving::first_line(&inbound.text).is_some_and(|line| leaving::is_request(line, is_token));
    if inbound.is_automatic || !is_asked {
        return None;
    }
    let mut places = std::iter::once(&inbound.subject).chain(&inbound.addressed);
    if let Some(subscriber) = places.find_map(|text| keyring.find(Purpose::Unsubscribe, text)) {
        return Some(Claim::Proven(subscriber));
    }
    let from = Address::parse(&inbound.from).ok()?;
    Some(Claim::By { from, tokens: keyring.find_all(Purpose::Unsubscribe, &inbound.text), answers: inbound.answers })
}

/// A header's value in one line: some servers fold where nothing may be folded.
fn unfolded(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

fn log(Bounce { class, status, reply, .. }: &Bounce, taken: Taken) {
    match (taken, class) {
        (_, BounceClass::Unclear) => {
            tracing::warn!("a report that can't be understood: nothing changes, and a person should read it");
        }
        (Taken::Unproven, _) => tracing::warn!(%status, "a bounce that names no mail of ours: nothing changes"),
        (Taken::Again, _) => {}
        (Taken::Doubted, _) => {
            tracing::warn!(%status, %reply, "a mailbox is said not to exist: that counts once others' mails have not come back");
        }
        (_, BounceClass::Sender) => tracing::error!(
            %status, %reply,
            "a server refuses our mail because of our configuration or reputation: its domain is held; look at the sender's DNS, its standing, the mail",
        ),
        (Taken::Noted, _) => tracing::info!(%status, %reply, "a mail came back"),
        (Taken::Suppressed, _) => tracing::warn!(%status, %reply, "a subscriber gets no more mails"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_in_the_program_ends_the_reading_of_one_message() {
        let faulty = guarded(|| panic!("a fault that no message is known to bring out"));
        assert!(matches!(faulty, Meaning::None(outcome @ Outcome::Faulty) if outcome.is_for_a_person()));
    }
}
