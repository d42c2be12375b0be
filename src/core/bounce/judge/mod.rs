//! Whose fault a refusal is, whether it came in a session of ours, in a report, or as a program's exit code:
//!
//! - **hard**: the mailbox does not exist or takes nothing, ever. One is enough.
//! - **soft**: a passing trouble - full, unreachable, greylisted for too long. It counts when it goes on
//!   ([`super::is_lasting`]).
//! - **sender**: the fault is ours - policy, reputation, a malformed mail, a limit on what we send. It says nothing about
//!   the recipient, so it never stops anybody; the operator has to look.
//!
//! [`judge`] is the one place where code and words are weighed. The words ([`words`]) are the better evidence: servers send
//! "user unknown" with 5.7.1, and "your address is blacklisted" with 5.1.1. Where they say nothing, the status code decides
//! (RFC 3463), best the one among the words, which is the other server's own. Where they contradict each other, nobody is
//! given up. `docs/leaving.md` has the table.

use super::words::{self, Meaning};
use crate::core::delivery::{Fault, Phase};

/// Whose fault a failed delivery is, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The sender's own fault.
    Sender,
    /// A passing trouble.
    Soft,
    /// The address is of no use.
    Hard,
}

/// Where a refusal was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// In a session of ours, as the answer to RCPT.
    Rcpt,
    /// In a session of ours, as the answer to DATA or to the end of the message.
    Data,
    /// In a report: what was tried for days, or refused at once, is given up.
    Report,
    /// From a program that ended with an exit code.
    Exit,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whose fault it is.
    pub class: Class,
    /// What the words say.
    pub said: Meaning,
    /// Whether it is known beyond doubt that it is about all our mail: by the words, or by a code that has no other meaning.
    pub is_plain: bool,
}

impl Verdict {
    /// Whether it is a limit on how much we may send, which time mends whatever the code.
    pub fn is_limit(&self) -> bool {
        self.said == Meaning::Limit
    }
}

/// A status code as numbers.
type Status = (u16, u16, u16);

/// Judges a refusal by its reply code, its status code (RFC 3463; empty when there is none) and its words.
pub fn judge(code: Option<u16>, enhanced: &str, words: &str, context: Context) -> Verdict {
    let said = words::said(words);
    // A code that says nothing is often followed by words with a better one.
    let is_specific = |code: &Status| (code.1, code.2) != (0, 0);
    let given = status(enhanced);
    let status = statuses(words).find(is_specific).or(given);
    let code = code.or_else(|| reply_code(words));
    let is_final = match (context, status, code) {
        (Context::Rcpt | Context::Data, _, Some(code)) => code >= 500,
        (_, Some((class, ..)), _) => class == 5,
        (_, None, Some(code)) => code >= 500,
        _ => true,
    };
    // Authentication is missing or not good enough (RFC 4954 section 6), or commands are out of order.
    let is_login =
        matches!(context, Context::Rcpt | Context::Data) && matches!(code, Some(503 | 530 | 534 | 535 | 538));
    // Exchange Online's directory says so of addresses that it does not have.
    let is_denied = status == Some((5, 4, 1)) && words::denies_the_recipient(words);
    let by_code = || if is_final { by_status(status) } else { put_off(code, status, context) };
    let class = match said {
        _ if is_login => Class::Sender,
        _ if is_denied => Class::Hard,
        Meaning::Ours | Meaning::Limit | Meaning::Large | Meaning::Restricted => Class::Sender,
        Meaning::Missing if is_final => Class::Hard,
        Meaning::Missing | Meaning::Mixed | Meaning::Full | Meaning::Busy | Meaning::Greylisted => Class::Soft,
        // A domain that isn't there, if that is what the code says as well.
        Meaning::Away if is_final && status == Some((5, 1, 2)) => Class::Hard,
        Meaning::Away if is_final || context == Context::Report => Class::Soft,
        Meaning::Later => by_code().min(Class::Soft),
        Meaning::Mailbox if !is_final => Class::Soft,
        // A mailbox that is closed, away or never was, in the words of servers that have no better code for it.
        Meaning::Mailbox if matches!(status, Some((5, 5, 0))) => Class::Soft,
        Meaning::Away | Meaning::Mailbox | Meaning::Nothing => by_code(),
    };
    let is_plain = is_login || code == Some(421) || matches!(said, Meaning::Ours | Meaning::Limit);
    Verdict { class, said, is_plain: is_plain && class == Class::Sender }
}

/// What a refusal in our own session says, when it says anything of the recipient: a reply to RCPT, or to the end of the
/// data, which was for this one recipient. Before them the server speaks of us alone; to DATA it may. Of sendmail, its exit
/// code and its words.
pub fn refusal(fault: &Fault) -> Option<Verdict> {
    let status = fault.enhanced.as_deref().unwrap_or_default();
    let verdict = match (fault.phase, fault.code) {
        (Phase::Sendmail, None) if !status.is_empty() => judge(None, status, &fault.text, Context::Exit),
        (_, None | Some(..400)) => return None,
        (Phase::Rcpt, code) => judge(code, status, &fault.text, Context::Rcpt),
        (Phase::Data | Phase::Body, code) => judge(code, status, &fault.text, Context::Data),
        _ => return None,
    };
    (fault.phase != Phase::Data || verdict.class == Class::Sender).then_some(verdict)
}

/// Whether a refusal speaks of how much we may send, in an hour or a day. Some relays say so with a code that means "never"
/// (Gmail's `550 5.4.5 Daily user sending limit exceeded`), but time mends it.
pub fn is_limit(fault: &Fault) -> bool {
    let status = fault.enhanced.as_deref().unwrap_or_default();
    judge(fault.code, status, &fault.text, Context::Data).is_limit()
}

/// A final refusal by its code.
fn by_status(status: Option<Status>) -> Class {
    match status {
        // Exchange Online has 5.1.351 for an answer of the next server that there is no such mailbox.
        Some((5, 1, 1 | 2 | 3 | 6 | 10 | 351) | (5, 2, 1)) => Class::Hard,
        // Our address, our message, our protocol, our standing. Exchange Online has 5.1.90 for a sender's daily limit, 5.2.252
        // for a sender who may not send as that address.
        Some((5, 1, 7 | 8 | 90) | (5, 2, 250..) | (5, 3, 4) | (5, 5..=7, _)) => Class::Sender,
        _ => Class::Soft,
    }
}

/// "Later", by its code. A domain that puts us off by 4.7.x until the mail is given up says so of all its mailboxes. In a
/// session 4yz without a better code is said of all our mail too, but at RCPT, where the mailbox may be meant: 4.1.x and 4.2.x
/// are about one mailbox, 4.5.x and 4.6.x about one mail.
fn put_off(code: Option<u16>, status: Option<Status>, context: Context) -> Class {
    let is_about_us = match (context, status) {
        (Context::Report | Context::Exit, status) => matches!(status, Some((4, 7, _))),
        _ if code == Some(421) => true,
        (_, Some((_, subject, _))) => matches!(subject, 0 | 3 | 4 | 7),
        (Context::Rcpt, None) => matches!(code, Some(450 | 451)),
        (_, None) => true,
    };
    if is_about_us { Class::Sender } else { Class::Soft }
}

/// Whether there is a reply code or a status code among the words.
pub(super) fn has_code(words: &str) -> bool {
    reply_code(words).is_some() || statuses(words).next().is_some()
}

/// The first reply code (RFC 5321 section 4.2) among the words that says no.
fn reply_code(words: &str) -> Option<u16> {
    words.split_whitespace().find_map(|word| {
        let (digits, rest) = word.trim_start_matches(['<', '(', '[', '"', '\'', ':']).split_at_checked(3)?;
        let is_whole = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '.');
        digits.parse().ok().filter(|code| is_whole && (400..600).contains(code))
    })
}

/// The status codes among the words: `5.1.1`, `(#5.1.1)`, `550-5.1.1`.
fn statuses(words: &str) -> impl Iterator<Item = Status> {
    words.split_whitespace().filter_map(|word| {
        let word = word.trim_matches(|c: char| !c.is_ascii_digit());
        let after_reply = word.split_at_checked(4).filter(|(reply, _)| reply.ends_with(['-', ':', '_']));
        status(after_reply.map_or(word, |(_, rest)| rest))
    })
}

/// `5.1.1` as numbers.
pub(super) fn status(text: &str) -> Option<Status> {
    let mut parts = text.split('.').map(|part| part.parse::<u16>().ok());
    match (parts.next()??, parts.next()??, parts.next()??, parts.next()) {
        (class @ (2 | 4 | 5), subject @ ..=7, detail @ ..=999, None) => Some((class, subject, detail)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
