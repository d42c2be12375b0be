//! What a delivery report means.
//!
//! Pure: the text of a `message/delivery-status` part comes in (RFC 3464, and RFC 6533 for its international form), a
//! [`Failure`] comes out. Only `Action: failed` is final (RFC 3464 section 2.3.3); a delay is no news. The classes:
//!
//! - **hard**: the mailbox does not exist or takes nothing, ever. One is enough.
//! - **soft**: a passing trouble - full, unreachable, greylisted for too long. It counts when it goes on: [`is_lasting`].
//! - **sender**: the fault is ours - policy, reputation, a malformed mail, a limit on what we send. It says nothing about
//!   the recipient, so it never stops anybody; the operator has to look.
//!
//! No standard draws these lines; `docs/leaving.md` has the table.

use chrono::{DateTime, Duration, Utc};

use super::delivery::Fault;

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

/// One recipient of a delivery report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipient {
    /// The address that failed, as the server had it last.
    pub final_recipient: String,
    /// The address that was asked for, where the server says.
    pub original_recipient: String,
    /// `failed`, `delayed`, `delivered`, `relayed` or `expanded`, in lower case; another word where its meaning is unknown.
    pub action: String,
    /// `5.1.1` (RFC 3463).
    pub status: String,
    /// The other server's words.
    pub diagnostic: String,
}

/// What a report says of its recipients together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How bad it is.
    pub class: Class,
    /// The status code.
    pub status: String,
    /// The other server's words.
    pub diagnostic: String,
}

/// Reads the text of a delivery status: the Original-Envelope-Id, when there is one, and the recipients.
pub fn read(text: &str) -> (Option<String>, Vec<Recipient>) {
    let mut envelope_id = None;
    let mut recipients = Vec::new();
    for group in groups(text) {
        let get = |name: &str| {
            let field = group.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            field.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        if let id @ Some(_) = Some(get("Original-Envelope-Id")).filter(|id| !id.is_empty()) {
            envelope_id = id.map(unxtext);
        }
        let status = word(get("Status"));
        if let Some(action) = action(get("Action"), status) {
            recipients.push(Recipient {
                final_recipient: address(get("Final-Recipient")),
                original_recipient: address(get("Original-Recipient")),
                action,
                status: status.to_owned(),
                diagnostic: after_type(get("Diagnostic-Code")).to_owned(),
            });
        }
    }
    (envelope_id, recipients)
}

/// What became of a recipient; `None` where nothing is said of one. Some servers leave the action out, or have a word of their
/// own for it. Its status tells as much: 5 is a failure for good, 4 one that may pass (RFC 3463 section 3.1).
fn action(action: &str, status: &str) -> Option<String> {
    let action = word(action).to_ascii_lowercase();
    let is_known = ["failed", "delayed", "delivered", "relayed", "expanded"].contains(&action.as_str());
    match code(status) {
        Some((5, ..)) if !is_known => Some("failed".to_owned()),
        Some((4, ..)) if !is_known => Some("delayed".to_owned()),
        _ => Some(action).filter(|action| !action.is_empty()),
    }
}

/// What failed for good; `None` when nothing did. We send to one recipient at a time, so several of them are one address
/// that was expanded: then the mildest failure counts.
pub fn failure(recipients: &[Recipient]) -> Option<Failure> {
    let failed = recipients.iter().filter(|recipient| recipient.action == "failed");
    let failures = failed.map(|recipient| Failure {
        class: class(&recipient.status, &recipient.diagnostic),
        status: recipient.status.clone(),
        diagnostic: recipient.diagnostic.clone(),
    });
    failures.min_by_key(|failure| failure.class)
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
        // Our address, our message, our protocol, our standing: a domain that puts us off for our standing until the mail
        // is given up says it of all its mailboxes.
        // Exchange Online has 5.1.90 for a sender's daily limit.
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

/// Whether a soft failure has gone on for too long: `sent` are the times of the newest editions in a row that all came
/// back, in any order.
pub fn is_lasting(sent: &[DateTime<Utc>], limit: u32, days: u32) -> bool {
    let (Some(first), Some(last)) = (sent.iter().min(), sent.iter().max()) else { return false };
    sent.len() >= limit as usize && *last - *first >= Duration::days(days.into())
}

/// The text in one line of at most 300 characters, addresses masked: for tables and logs.
pub fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let end = |word: &mut String, out: &mut String| {
        if word.contains('@') {
            out.push_str("***");
        } else {
            out.push_str(word);
        }
        word.clear();
    };
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() || "<>()[]{}\"',;:=".contains(c) {
            end(&mut word, &mut out);
            out.push(if c.is_whitespace() || c.is_control() { ' ' } else { c });
        } else {
            word.push(c);
        }
    }
    end(&mut word, &mut out);
    let line = out.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(300).collect()
}

/// Groups of fields, an empty line between them (RFC 3464 section 2.1); folded lines joined.
fn groups(text: &str) -> Vec<Vec<(String, String)>> {
    let mut groups = vec![Vec::<(String, String)>::new()];
    for line in text.lines() {
        if line.trim().is_empty() {
            groups.push(Vec::new());
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = groups.last_mut().and_then(|group| group.last_mut()) {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let (Some((name, value)), Some(group)) = (line.split_once(':'), groups.last_mut()) {
            group.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    groups
}

/// `rfc822; ada@example.org` without its type, its encoding, and names or comments around it.
fn address(value: &str) -> String {
    let (kind, address) = value.split_once(';').unwrap_or(("", value));
    // In the international form a plus sign is always itself.
    let decode = if kind.trim().eq_ignore_ascii_case("utf-8") { ununicode } else { unxtext };
    decode(bare(address))
}

/// What stands in angle brackets, or else the first word: an address or a Message-ID without names and comments.
pub fn bare(text: &str) -> &str {
    let Some((_, rest)) = text.split_once('<') else { return word(text.trim()) };
    rest.split_once('>').map_or(rest, |(inner, _)| inner).trim()
}

fn after_type(value: &str) -> &str {
    value.split_once(';').map_or(value, |(_, rest)| rest).trim()
}

/// The first word: comments may follow.
fn word(value: &str) -> &str {
    value.split([' ', '\t', '(', ';']).next().unwrap_or_default()
}

/// Undoes xtext (RFC 3461 section 4): `+2B` is a plus sign. What is no xtext stays.
fn unxtext(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|hex| hex.iter().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(b)));
        let octet = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match octet.filter(|_| first == b'+') {
            Some(octet) => {
                out.push(octet);
                rest = &tail[2..];
            }
            None => {
                out.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// Undoes utf-8-addr-xtext (RFC 6533 section 3): `\x{2B}` is a plus sign. What is none stays.
fn ununicode(text: &str) -> String {
    let mut pieces = text.split(r"\x{");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let point = piece.split_once('}').and_then(|(hex, rest)| {
            let point = char::from_u32(u32::from_str_radix(hex, 16).ok()?)?;
            Some((point, rest))
        });
        match point {
            Some((point, rest)) => {
                out.push(point);
                out.push_str(rest);
            }
            None => {
                out.push_str(r"\x{");
                out.push_str(piece);
            }
        }
    }
    out
}

/// `5.1.1` as numbers.
fn code(text: &str) -> Option<(u16, u16, u16)> {
    let mut parts = text.split('.').map(|part| part.parse::<u16>().ok());
    match (parts.next()??, parts.next()??, parts.next()??, parts.next()) {
        (class @ (2 | 4 | 5), subject, detail, None) => Some((class, subject, detail)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    const STATUS: &str = "Reporting-MTA: dns; mx.example.org\r\nOriginal-Envelope-Id: 17.ab+2Bcd@example.org\r\n\r\n\
        Final-Recipient: rfc822; ada@example.net\r\nOriginal-Recipient: rfc822;ada+2Bx@example.org\r\n\
        Action: Failed\r\nStatus: 5.1.1 (bad mailbox)\r\nDiagnostic-Code: smtp; 550 5.1.1 <ada@example.net>:\r\n    unknown\r\n";

    #[test]
    fn a_report_is_read_with_its_folded_lines_and_its_xtext() {
        let (id, recipients) = read(STATUS);
        assert_eq!(id.as_deref(), Some("17.ab+cd@example.org"));
        assert_eq!(
            recipients,
            [Recipient {
                final_recipient: "ada@example.net".into(),
                original_recipient: "ada+x@example.org".into(),
                action: "failed".into(),
                status: "5.1.1".into(),
                diagnostic: "550 5.1.1 <ada@example.net>: unknown".into(),
            }]
        );
        assert_eq!(failure(&recipients).map(|f| f.class), Some(Class::Hard));
    }

    #[test]
    fn what_the_action_leaves_open_the_status_says() {
        for (fields, expected) in [
            ("Status: 5.1.1", Some("failed")),
            ("Action: failure\nStatus: 5.1.1 (no such user)", Some("failed")),
            ("Status: 4.4.1", Some("delayed")),
            ("Action: retrying\nStatus: 4.4.1", Some("delayed")),
            ("Action: failed\nStatus: 4.4.1", Some("failed")),
            ("Action: delivered\nStatus: 5.1.1", Some("delivered")),
            ("Action: odd\nStatus: 2.0.0", Some("odd")),
            ("Action: odd", Some("odd")),
            ("Arrival-Date: today", None),
        ] {
            let (_, recipients) =
                read(&format!("Reporting-MTA: dns; a.example\n\nFinal-Recipient: rfc822; a@b.example\n{fields}"));
            assert_eq!(recipients.first().map(|recipient| recipient.action.as_str()), expected, "{fields}");
        }
    }

    #[test]
    fn an_address_is_read_without_what_stands_around_it() {
        for (value, expected) in [
            ("rfc822; ada+2Bx@example.org", "ada+x@example.org"),
            ("RFC822;<ada@example.org>", "ada@example.org"),
            ("rfc822; <ada@example.org> (Ada)", "ada@example.org"),
            ("rfc822; Ada <ada@example.org>", "ada@example.org"),
            ("rfc822; ada@example.org (Ada Lovelace)", "ada@example.org"),
            ("ada@example.org", "ada@example.org"),
            (r"utf-8; ada\x{2B}x@ex\x{E4}mple.org", "ada+x@exämple.org"),
            ("UTF-8; ada+20@exämple.org", "ada+20@exämple.org"),
            (r"utf-8; ada\x{D800}\x{\x{7A}\x{@example.org", r"ada\x{D800}\x{z\x{@example.org"),
            (r"rfc822; ada\x{2B}x@example.org", r"ada\x{2B}x@example.org"),
        ] {
            assert_eq!(address(value), expected, "{value}");
        }
    }

    #[test]
    fn only_failed_is_final_and_the_mildest_failure_counts() {
        let recipient = |action: &str, status: &str| Recipient {
            action: action.into(),
            status: status.into(),
            ..Recipient::default()
        };
        for action in ["delayed", "delivered", "relayed", "expanded", ""] {
            assert_eq!(failure(&[recipient(action, "5.1.1")]), None, "{action}");
        }
        let both = [recipient("failed", "5.1.1"), recipient("failed", "4.2.2")];
        assert_eq!(failure(&both).map(|f| f.class), Some(Class::Soft));
    }

    #[test]
    fn a_passing_trouble_needs_both_a_number_and_days() {
        let at = |day: i64| DateTime::UNIX_EPOCH + Duration::days(day);
        let days: Vec<_> = (0..11).map(at).collect();
        assert!(!is_lasting(&[], 1, 0));
        assert!(!is_lasting(&days[..10], 5, 10), "nine days");
        assert!(is_lasting(&days, 5, 10));
        assert!(!is_lasting(&[at(0), at(7), at(14), at(21)], 5, 10), "four editions");
    }

    #[test]
    fn no_address_is_left_in_what_is_kept() {
        assert_eq!(
            masked("550 5.1.1 <ada@example.org>:\r\n unknown; mailto:x@y to=ada@example.org."),
            "550 5.1.1 <***>: unknown; mailto:*** to=***"
        );
        assert_eq!(masked(&"x ".repeat(400)).chars().count(), 300);
    }

    proptest! {
        #[test]
        fn nothing_a_stranger_sends_is_too_odd_to_read(text in "([A-Za-z-]{0,12}:? ?|[+=;<>.\\r\\n\\t 0-9A-F]|\\PC){0,80}") {
            let (_, recipients) = read(&format!("{STATUS}{text}"));
            prop_assert!(failure(&recipients).is_some());
            prop_assert!(masked(&text).chars().count() <= 300 && !masked(&text).contains('@'));
        }
    }
}
