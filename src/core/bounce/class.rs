//! Whose fault a refusal is:
//!
//! - **hard**: the mailbox does not exist or takes nothing, ever. One is enough.
//! - **soft**: a passing trouble - full, unreachable, greylisted for too long. It counts when it goes on
//!   ([`super::is_lasting`]).
//! - **sender**: the fault is ours - policy, reputation, a malformed mail, a limit on what we send. It says nothing about
//!   the recipient, so it never stops anybody; the operator has to look.
//!
//! No standard draws these lines; `docs/leaving.md` has the table. What has a status code that says something (RFC 3463) is
//! judged by it, else by its words. No list of words is complete, so an address is given up only where they leave no doubt.

use crate::core::delivery::Fault;

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

/// The class of a final failure with this status code (RFC 3463) and these words.
pub fn class(status: &str, diagnostic: &str) -> Class {
    // A code that says nothing is often followed by words with a better one.
    let better = codes(diagnostic).find(|code| *code != (5, 0, 0) && *code != (4, 0, 0));
    let code = match code(status) {
        Some((_, 0, 0)) | None => better.or(code(status)),
        known => known,
    };
    let folded = folded(diagnostic);
    match code {
        Some((5, 1, 1 | 2 | 3 | 6 | 10) | (5, 2, 1)) => Class::Hard,
        // RFC 7505: the domain says that it takes no mail.
        Some((5, 1, 0)) if folded.contains("nullmx") || folded.contains("null mx") => Class::Hard,
        // A mailbox that is closed, away or never was, in the words of those who have no better code for it.
        Some((5, 5, 0)) if folded.contains("mailbox") => Class::Soft,
        // A list that wants every first mail to come again: to this mailbox, it never did.
        Some((4, 7, _)) if says(&folded, &GREYLIST) => Class::Soft,
        // Our address, our message, our protocol, our standing: a domain that puts us off for it until the mail is given up
        // says so of all its mailboxes. Exchange Online has 5.1.90 for a sender's daily limit.
        Some((5, 1, 7 | 8 | 90) | (5, 3, 4) | (5, 5..=7, _) | (4, 7, _)) => Class::Sender,
        // Codes that say too little, or are used for much: Gmail has 5.4.5 for a sender's quota, Exchange 5.2.252 for a
        // sender who may not send as that address.
        None | Some((_, 0, 0) | (5, 2, 0) | (5, 4, 5)) if says(&folded, &OURS) && !says(&folded, &GONE) => {
            Class::Sender
        }
        Some((5, 2, 250..)) => Class::Sender,
        _ => Class::Soft,
    }
}

/// What a refusal in our own SMTP session says, when it says anything of the recipient: a reply to RCPT, or to the end of
/// the data, which was for this one recipient. Before them the server speaks of us alone. Of sendmail, its exit code.
pub fn refusal(fault: &Fault) -> Option<Class> {
    let status = fault.enhanced.as_deref().unwrap_or_default();
    let class = match (fault.phase, fault.code) {
        ("sendmail", None) if !status.is_empty() => class(status, &fault.text),
        (_, None | Some(..400)) => return None,
        // Authentication is missing or not good enough (RFC 4954 section 6), or commands are out of order.
        ("rcpt" | "data" | "body", Some(503 | 530 | 534 | 535 | 538)) => Class::Sender,
        ("rcpt" | "data" | "body", Some(..500)) if is_about_us(fault) => Class::Sender,
        ("rcpt" | "data" | "body", Some(500..)) if is_limit(fault) => Class::Sender,
        // The old code alone may mean the mailbox, a quota or a rule (RFC 5321 section 4.2.3): the words have to say which.
        ("rcpt", Some(550)) if status.is_empty() && !has_code(&fault.text) => by_words(&fault.text),
        ("rcpt" | "data" | "body", _) => class(status, &fault.text),
        _ => return None,
    };
    // DATA is about no recipient.
    (fault.phase != "data" || class == Class::Sender).then_some(class)
}

/// Whether a 4yz reply is about how we send, and not about one mailbox (4.1.x, 4.2.x), one mail (4.5.x, 4.6.x) or a
/// greylist, which wants every first mail to come again and is pleased by none that waits. Without a status code the words
/// have to tell: a provider that has had enough of us often has no other.
pub fn is_about_us(fault: &Fault) -> bool {
    const SLOWER: [&str; 9] = [
        "throttl",
        "rate limit",
        "sending rate",
        "rate exceeded",
        "limit exceeded",
        "too many",
        "too much",
        "too fast",
        "slow down",
    ];
    let folded = folded(&fault.text);
    if fault.code == Some(421) {
        return true;
    }
    if says(&folded, &GREYLIST) {
        return false;
    }
    match fault.enhanced.as_deref() {
        Some(code) => matches!(code.split('.').nth(1), Some("0" | "3" | "4" | "7")),
        None if says(&folded, &SLOWER) => true,
        None if says(&folded, &["mailbox", "quota", "full"]) => false,
        None => fault.phase != "rcpt" || matches!(fault.code, Some(450 | 451)),
    }
}

/// Whether a 5yz reply speaks of how much we may send, in an hour or a day. Some relays say so with a code that means
/// "never" (Gmail's `550 5.4.5 Daily user sending limit exceeded`), but time mends it.
pub fn is_limit(fault: &Fault) -> bool {
    const LIMITS: [&str; 10] = [
        "sending quota",
        "sending limit",
        "sending rate",
        "send limit",
        "relay quota",
        "relay limit",
        "rate limit",
        "max emails",
        "submissionquota",
        "submission quota",
    ];
    const OFTEN: [&str; 7] =
        ["daily", "hourly", "per hour", "per day", "per minute", "too many messages", "too many emails"];
    const OF_US: [&str; 4] = ["your", "you ", "you've", "outgoing"];
    // What is said of a mailbox: that there is none, that it is full.
    let is_of_a_mailbox = |code: (u16, u16, u16)| matches!(code, (_, 1, ..=10) | (_, 2, 1..=4));
    let folded = folded(&fault.text);
    let mut known = fault.enhanced.as_deref().and_then(code).into_iter().chain(codes(&fault.text));
    if known.any(is_of_a_mailbox) || says(&folded, &["receiv", "mailbox"]) {
        return false;
    }
    says(&folded, &LIMITS) || says(&folded, &OFTEN) && says(&folded, &OF_US)
}

/// Words for a list that wants every first mail to come again.
const GREYLIST: [&str; 4] = ["greylist", "graylist", "grey-list", "gray-list"];

/// Words of a server that has something against us.
const OURS: [&str; 17] = [
    "relay",
    "block",
    "blacklist",
    "spam",
    "policy",
    "reputation",
    "spf",
    "dkim",
    "dmarc",
    "authenti",
    "sender",
    "sendas",
    "denied",
    "too many",
    "rate limit",
    "sending",
    "exceeded the max",
];

/// Words for a mailbox that is not there.
const GONE: [&str; 14] = [
    "unknown",
    "no such",
    "not exist",
    "doesn't exist",
    "nonexistent",
    "not found",
    "no mailbox",
    "unrouteable",
    "invalid recipient",
    "invalid mailbox",
    "not a valid",
    "not a known",
    "disabled",
    "no longer",
];

/// What servers without status codes say. An address is given up only where the words leave no doubt: a relay that has had
/// enough of us refuses everybody.
fn by_words(words: &str) -> Class {
    let folded = folded(words);
    match () {
        () if says(&folded, &OURS) => Class::Sender,
        () if says(&folded, &GONE) => Class::Hard,
        () => Class::Soft,
    }
}

/// The words in lower case, without names of hosts and addresses, which mean nothing: `mx.spam-filter.example.org`.
fn folded(text: &str) -> String {
    let is_name = |word: &&str| {
        let name = word.trim_matches(|c: char| !c.is_alphanumeric());
        let is_of_labels = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        name.contains('@') || name.contains('.') && name.chars().all(is_of_labels)
    };
    let words: Vec<&str> = text.split_whitespace().filter(|word| !is_name(word)).collect();
    words.join(" ").to_ascii_lowercase()
}

fn says(folded: &str, some: &[&str]) -> bool {
    some.iter().any(|words| folded.contains(words))
}

fn has_code(words: &str) -> bool {
    codes(words).next().is_some()
}

/// The status codes among the words.
fn codes(words: &str) -> impl Iterator<Item = (u16, u16, u16)> {
    words.split_whitespace().filter_map(|word| code(word.trim_matches(['(', ')', '#', ':', ',', '.', ';'])))
}

/// `5.1.1` as numbers.
pub(super) fn code(text: &str) -> Option<(u16, u16, u16)> {
    let mut parts = text.split('.').map(|part| part.parse::<u16>().ok());
    match (parts.next()??, parts.next()??, parts.next()??, parts.next()) {
        (class @ (2 | 4 | 5), subject, detail, None) => Some((class, subject, detail)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_its_class() {
        for (status, words, expected) in [
            ("5.1.1", "550 5.1.1 User unknown", Class::Hard),
            ("5.1.10", "", Class::Hard),
            ("5.1.0", "Domain example.org does not accept mail (nullMX)", Class::Hard),
            ("5.1.0", "550 Something", Class::Soft),
            ("5.2.1", "550 5.2.1 mailbox disabled", Class::Hard),
            ("5.2.2", "552 5.2.2 mailbox full", Class::Soft),
            ("4.2.2", "452 4.2.2 mailbox full", Class::Soft),
            ("4.7.1", "450 4.7.1 greylisted", Class::Soft),
            ("4.7.28", "421 4.7.28 unusual rate of mail", Class::Sender),
            ("4.4.1", "connection timed out", Class::Soft),
            ("5.4.4", "Host or domain name not found", Class::Soft),
            ("5.7.1", "550 5.7.1 blocked", Class::Sender),
            ("5.7.26", "550 5.7.26 unauthenticated", Class::Sender),
            ("5.6.7", "", Class::Sender),
            ("5.3.4", "552 5.3.4 too big", Class::Sender),
            ("5.1.8", "bad sender's system", Class::Sender),
            ("5.5.0", "550 5.5.0 Requested action not taken: mailbox unavailable", Class::Soft),
            ("5.5.0", "550 5.5.0 bad command", Class::Sender),
            ("5.0.0", "smtp; 550-5.1.1 (#5.1.1) no such user", Class::Hard),
            ("5.0.0", "550 no", Class::Soft),
            ("5.0.0", "554 Message rejected as spam", Class::Sender),
            ("5.0.0", "550 no such user, returned to sender", Class::Soft),
            ("5.0.0", "554 mx.spam-filter.example.org: no", Class::Soft),
            ("5.1.90", "550 5.1.90 you've reached your daily limit for message recipients", Class::Sender),
            ("5.2.252", "554 5.2.252 SendAsDenied; not allowed to send as", Class::Sender),
            ("5.2.0", "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException", Class::Sender),
            ("5.2.0", "554 5.2.0 mailbox trouble", Class::Soft),
            ("5.4.5", "550 5.4.5 Daily user sending limit exceeded", Class::Sender),
            ("", "550 5.7.1 no", Class::Sender),
            ("nonsense", "", Class::Soft),
        ] {
            assert_eq!(class(status, words), expected, "{status} {words}");
        }
    }

    #[test]
    fn a_refusal_speaks_of_the_recipient_only_where_the_recipient_was_named() {
        for (phase, code, enhanced, words, expected) in [
            ("rcpt", Some(550), Some("5.1.1"), "no such user", Some(Class::Hard)),
            ("rcpt", Some(550), None, "no such user", Some(Class::Hard)),
            ("rcpt", Some(550), None, "5.7.1 rejected", Some(Class::Sender)),
            ("rcpt", Some(550), None, "Relaying denied", Some(Class::Sender)),
            ("rcpt", Some(550), None, "Unrouteable address", Some(Class::Hard)),
            ("rcpt", Some(550), None, "Administrative prohibition", Some(Class::Soft)),
            ("rcpt", Some(550), None, "Mailbox is full / quota exceeded", Some(Class::Soft)),
            ("rcpt", Some(550), None, "Too many messages from your address today", Some(Class::Sender)),
            ("rcpt", Some(550), None, "", Some(Class::Soft)),
            ("rcpt", Some(551), None, "user not local", Some(Class::Soft)),
            ("rcpt", Some(552), Some("5.2.2"), "full", Some(Class::Soft)),
            ("rcpt", Some(450), Some("4.2.1"), "busy", Some(Class::Soft)),
            ("rcpt", Some(450), Some("4.2.0"), "Greylisted", Some(Class::Soft)),
            ("rcpt", Some(421), Some("4.7.28"), "unusual rate", Some(Class::Sender)),
            ("rcpt", Some(451), None, "too many messages", Some(Class::Sender)),
            ("rcpt", Some(554), None, "blocked, see our list", Some(Class::Sender)),
            ("rcpt", Some(553), None, "unknown", Some(Class::Soft)),
            ("rcpt", Some(550), None, "Domain has exceeded the max emails per hour", Some(Class::Sender)),
            ("rcpt", Some(530), Some("5.7.0"), "log in first", Some(Class::Sender)),
            ("body", Some(550), Some("5.1.1"), "no such user", Some(Class::Hard)),
            ("body", Some(550), None, "no", Some(Class::Soft)),
            ("body", Some(554), None, "Message rejected as spam", Some(Class::Sender)),
            ("body", Some(550), None, "not accepted for policy reasons", Some(Class::Sender)),
            ("body", Some(552), None, "you are over your relay quota", Some(Class::Sender)),
            ("body", Some(554), Some("5.2.252"), "SendAsDenied", Some(Class::Sender)),
            ("data", Some(550), Some("5.4.5"), "Daily user sending limit exceeded", Some(Class::Sender)),
            ("body", Some(550), Some("5.7.26"), "unauthenticated", Some(Class::Sender)),
            ("data", Some(554), Some("5.1.1"), "no valid recipients", None),
            ("data", Some(554), Some("5.7.1"), "no", Some(Class::Sender)),
            ("mail", Some(550), Some("5.1.1"), "no", None),
            ("connect", Some(554), Some("5.7.1"), "no", None),
            ("rcpt", None, Some("5.1.1"), "the server did not say so", None),
            ("sendmail", None, Some("5.1.1"), "exit status: 67", Some(Class::Hard)),
            ("sendmail", None, None, "exit status: 65", None),
        ] {
            let enhanced = enhanced.map(str::to_owned);
            let fault = Fault { phase, code, enhanced, text: words.to_owned() };
            assert_eq!(refusal(&fault), expected, "{fault}");
        }
    }

    #[test]
    fn a_limit_on_what_we_send_is_not_a_full_mailbox() {
        let fault = |code: Option<&str>, text: &str| Fault {
            phase: "rcpt",
            code: Some(550),
            enhanced: code.map(str::to_owned),
            text: text.to_owned(),
        };
        for (code, text, expected) in [
            (Some("5.4.5"), "Daily user sending limit exceeded", true),
            (None, "Domain has exceeded the max emails per hour (500/500)", true),
            (None, "Too many messages from your address today", true),
            (Some("5.7.1"), "you have reached the hourly quota", true),
            (Some("5.1.90"), "you've reached your daily limit for message recipients", true),
            (Some("5.2.0"), "STOREDRV.Submission.Exception:SubmissionQuotaExceededException", true),
            (Some("5.2.0"), "SubmissionQuotaExceeded", true),
            (None, "user exceeded hourly receive limit", false),
            (None, "mailbox full, too many messages for your quota", false),
            (None, "this user takes so many mails per day", false),
            (Some("5.2.2"), "mailbox takes so many messages per day", false),
            (None, "5.2.2 takes so many messages per day", false),
            (None, "Mailbox is full / quota exceeded", false),
            (None, "no such user", false),
        ] {
            assert_eq!(is_limit(&fault(code, text)), expected, "{text}");
        }
    }
}
