//! What a delivery report means.
//!
//! Pure: the text of a `message/delivery-status` part comes in (RFC 3464, and RFC 6533 for its international form), a
//! [`Failure`] comes out. Only `Action: failed` is final (RFC 3464 section 2.3.3); a delay is no news.
//! Whose fault a failure is, [`judge()`] says.

mod families;
mod judge;
mod notice;
mod words;

use chrono::{DateTime, Duration, Utc};

use super::word_enum;
use judge::status as code;
pub use judge::{Class, Context, Verdict, is_limit, judge, refusal};
pub use notice::{Notice, Reported, read_notice};
pub use words::Meaning;

/// One recipient of a delivery report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipient {
    /// The address that failed, as the server had it last.
    pub final_recipient: String,
    /// The address that was asked for, where the server says.
    pub original_recipient: String,
    /// What became of the mail.
    pub action: Action,
    /// `5.1.1` (RFC 3463).
    pub status: String,
    /// The other server's words.
    pub diagnostic: String,
}

word_enum! {
    /// What became of a mail, in the words of RFC 3464 (section 2.3.3).
    #[derive(Default)]
    pub enum Action {
        /// It was given up.
        Failed,
        /// It is tried again.
        Delayed,
        /// It is in the mailbox.
        Delivered,
        /// It went on to a server that sends no reports.
        Relayed,
        /// It went to several addresses.
        Expanded,
        /// Another word, of which nobody knows the meaning.
        #[default]
        Other,
    }
}

/// What a report says of its recipients together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How bad it is, and what it is about.
    pub verdict: Verdict,
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
fn action(action: &str, status: &str) -> Option<Action> {
    let action = word(action);
    match (action.to_ascii_lowercase().parse().unwrap_or_default(), code(status)) {
        (Action::Other, Some((5, ..))) => Some(Action::Failed),
        (Action::Other, Some((4, ..))) => Some(Action::Delayed),
        (known, _) => (!action.is_empty()).then_some(known),
    }
}

/// So many failures are looked at: of one address there are no more, and a stranger's report may have thousands.
const RECIPIENTS: usize = 64;

/// What failed for good; `None` when nothing did. We send to one recipient at a time, so several of them are one address
/// that was expanded: then the mildest failure counts.
pub fn failure(recipients: &[Recipient]) -> Option<Failure> {
    let failed = recipients.iter().filter(|recipient| recipient.action == Action::Failed).take(RECIPIENTS);
    let failures = failed.map(|recipient| Failure {
        verdict: judge(None, &recipient.status, &recipient.diagnostic, Context::Report),
        status: recipient.status.clone(),
        diagnostic: recipient.diagnostic.clone(),
    });
    failures.min_by_key(|failure| failure.verdict.class)
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

/// What is in angle brackets, or else the first word: an address or a Message-ID without names and comments.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
                action: Action::Failed,
                status: "5.1.1".into(),
                diagnostic: "550 5.1.1 <ada@example.net>: unknown".into(),
            }]
        );
        assert_eq!(failure(&recipients).map(|f| f.verdict.class), Some(Class::Hard));
    }

    #[test]
    fn what_the_action_leaves_open_the_status_says() {
        for (fields, expected) in [
            ("Status: 5.1.1", Some(Action::Failed)),
            ("Action: failure\nStatus: 5.1.1 (no such user)", Some(Action::Failed)),
            ("Status: 4.4.1", Some(Action::Delayed)),
            ("Action: retrying\nStatus: 4.4.1", Some(Action::Delayed)),
            ("Action: failed\nStatus: 4.4.1", Some(Action::Failed)),
            ("Action: delivered\nStatus: 5.1.1", Some(Action::Delivered)),
            ("Action: odd\nStatus: 2.0.0", Some(Action::Other)),
            ("Action: odd", Some(Action::Other)),
            ("Arrival-Date: today", None),
        ] {
            let (_, recipients) =
                read(&format!("Reporting-MTA: dns; a.example\n\nFinal-Recipient: rfc822; a@b.example\n{fields}"));
            assert_eq!(recipients.first().map(|recipient| recipient.action), expected, "{fields}");
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
        let recipient =
            |action: Action, status: &str| Recipient { action, status: status.into(), ..Recipient::default() };
        for action in Action::ALL.into_iter().filter(|action| *action != Action::Failed) {
            assert_eq!(failure(&[recipient(action, "5.1.1")]), None, "{action}");
        }
        let both = [recipient(Action::Failed, "5.1.1"), recipient(Action::Failed, "4.2.2")];
        assert_eq!(failure(&both).map(|f| f.verdict.class), Some(Class::Soft));
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
        assert_eq!(masked("unknown\u{7}ada@example.org\u{A0}gone"), "unknown *** gone");
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
