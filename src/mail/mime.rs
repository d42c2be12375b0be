//! A letter becomes the bytes of a message (RFC 5322, RFC 2045-2049).
//!
//! lettre builds and folds the headers, and encodes them but for names, and for subjects that look encoded already; these
//! are made here. Those that all letters of a sender share are in its [`Letterhead`]. The two alternatives,
//! quoted-printable already, are copied between their boundaries. Everything that would make two compositions differ
//! (Date, Message-ID, boundary) is an input: the same letter gives the same bytes, so a retry is the same mail.
//!
//! Nothing in a [`Letter`] can add a header or a line: each value goes through [`clean_text`] first, which drops control
//! characters and turns line breaks into spaces. All lines are CRLF and at most 998 octets, in the body at most 76; the
//! whole is ASCII, but for a header with an address that is not.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use chrono::{DateTime, Utc};
use lettre::message::header::{self, HeaderName, HeaderValue, Headers};

use crate::core::address::Mailbox;
use crate::core::clean::clean_text;
pub use crate::core::quoted::QuotedPrintable;

/// Everything a message is made of.
#[derive(Clone)]
pub struct Letter {
    /// Who it is from, and what is the same on all letters from there.
    pub letterhead: Arc<Letterhead>,
    /// Who it is for.
    pub to: Mailbox,
    /// One line; at most [`MAX_TEXT`] characters of it are kept.
    pub subject: String,
    /// When the message was complete; the same at every attempt.
    pub date: DateTime<Utc>,
    /// `<left@domain>`, the same at every attempt (RFC 5322 section 3.6.4). The angle brackets may be left out.
    pub message_id: String,
    /// Letters, digits, hyphens, dots and underscores, at most 60; anything else is left out.
    pub boundary: String,
    /// Further headers in this order, such as List-Unsubscribe; none that the letterhead has. One that is set here twice
    /// appears once, with the later value. The names are constants of the program: lettre panics at one with a space or a
    /// colon.
    pub extra: Vec<(&'static str, String)>,
    /// The plain alternative.
    pub text: QuotedPrintable,
    /// The HTML alternative.
    pub html: QuotedPrintable,
}

/// Without what it says, which holds names and tokens.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letter {} to {}", self.message_id, self.to.address)
    }
}

/// The headers that are the same on all letters of a sender. To encode and fold them takes as long as the rest of a
/// letter, so they are made once.
#[derive(Clone)]
pub struct Letterhead {
    /// From and Reply-To.
    who: String,
    /// What the letters are: a list's, of a program.
    what: String,
}

impl Letterhead {
    /// Of letters from `from`, to which answers go unless there is a `reply_to`. `list_id` is the list's name for people
    /// and its identifier, such as `digest.list-id.example.org` (RFC 2919); `extra` as [`Letter::extra`].
    pub fn new(
        from: &Mailbox,
        reply_to: Option<&Mailbox>,
        list_id: Option<(&str, &str)>,
        extra: Vec<(&'static str, String)>,
    ) -> Self {
        let mut who = Headers::new();
        who.insert_raw(mailbox("From", from));
        if let Some(reply_to) = reply_to {
            who.insert_raw(mailbox("Reply-To", reply_to));
        }
        let mut what = Headers::new();
        what.set(header::MIME_VERSION_1_0);
        if let Some((name, id)) = list_id {
            what.insert_raw(self::list_id(name, id));
        }
        what.insert_raw(text("Auto-Submitted", "auto-generated"));
        what.insert_raw(text("Precedence", "bulk"));
        // What Exchange obeys instead (MS-OXCMAIL section 2.2.3.2.14): all automatic answers but failure reports.
        what.insert_raw(text("X-Auto-Response-Suppress", "DR, RN, NRN, OOF, AutoReply"));
        for (name, value) in extra {
            what.insert_raw(text(name, &value));
        }
        Self { who: who.to_string(), what: what.to_string() }
    }
}

/// Characters of a subject, a name or another header's value that are kept. More would be an accident or an attack, and
/// a word of this many ASCII characters still fits the 998 octets of a line when it can't be folded.
pub const MAX_TEXT: usize = 600;

/// The message as it goes over the wire: CRLF lines, no dot-stuffing.
pub fn compose(letter: &Letter) -> Vec<u8> {
    // Quoted-printable can't hold "=_" (RFC 2045 section 6.7), so no body can hold the boundary.
    let boundary = format!("=_{}", letter.boundary.chars().filter(|&c| is_id_char(c)).take(60).collect::<String>());
    let head = head(letter, &boundary);

    let mut out = Vec::with_capacity(head.len() + letter.text.len() + letter.html.len() + 4 * boundary.len() + 256);
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(b"\r\n");
    for (kind, body) in [("text/plain", &letter.text), ("text/html", &letter.html)] {
        out.extend_from_slice(format!("--{boundary}\r\nContent-Type: {kind}; charset=utf-8\r\n").as_bytes());
        out.extend_from_slice(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n");
        out.extend_from_slice(body.whole());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    out
}

/// The header section, without the empty line that ends it.
fn head(letter: &Letter, boundary: &str) -> String {
    let Letterhead { who, what } = &*letter.letterhead;
    let mut own = Headers::with_capacity(4);
    own.insert_raw(mailbox("To", &letter.to));
    own.insert_raw(subject(&letter.subject));
    own.set(header::Date::new(SystemTime::from(letter.date)));
    let id: String = letter.message_id.chars().filter(|c| c.is_ascii_graphic() && !"<>".contains(*c)).collect();
    own.insert_raw(text("Message-ID", &format!("<{id}>")));
    let mut last = Headers::with_capacity(letter.extra.len() + 1);
    for (name, value) in &letter.extra {
        last.insert_raw(text(name, value));
    }
    last.insert_raw(text("Content-Type", &format!("multipart/alternative; boundary=\"{boundary}\"")));
    format!("{who}{own}{what}{last}")
}

/// `From: Name <address>`, or the bare address.
fn mailbox(header: &'static str, mailbox: &Mailbox) -> HeaderValue {
    let address = mailbox.address.reveal();
    let name = mailbox.name.as_deref().map(clip).filter(|name| !name.is_empty());
    match name {
        Some(name) => before_angle(header, &phrase(&name), &address),
        None if address.is_ascii() => HeaderValue::new(HeaderName::new_from_ascii_str(header), address),
        // RFC 6532: such an address stands as it is; an encoded word is not allowed in it (RFC 2047 section 5).
        None => pre_encoded(header, address),
    }
}

/// `List-Id: phrase <id>` (RFC 2919 section 3).
fn list_id(name: &str, id: &str) -> HeaderValue {
    let id: String = id.chars().filter(|&c| is_id_char(c)).take(255).collect();
    before_angle("List-Id", &phrase(&clip(name)), &id)
}

fn before_angle(header: &'static str, phrase: &str, inner: &str) -> HeaderValue {
    let value = format!("{phrase} <{inner}>");
    let value = value.trim_start();
    if value.is_ascii() {
        HeaderValue::new(HeaderName::new_from_ascii_str(header), value.to_owned())
    } else {
        pre_encoded(header, value.replace(' ', "\r\n "))
    }
}

fn pre_encoded(header: &'static str, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(header), value.clone(), value)
}

/// A title that looks like an encoded word must not be decoded as one.
fn subject(value: &str) -> HeaderValue {
    let value = clip(value);
    let value = if value.contains("=?") { encoded_words(&value) } else { value };
    HeaderValue::new(HeaderName::new_from_ascii_str("Subject"), value)
}

/// A header whose value is plain text.
fn text(header: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(header), clip(value))
}

/// One clean line of at most [`MAX_TEXT`] characters.
fn clip(text: &str) -> String {
    let mut text = clean_text(text);
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(end);
    }
    text.truncate(text.trim_end().len());
    text
}

/// A name as RFC 5322's phrase: as it is when made of atoms, else quoted, else in encoded words (RFC 2047 section 5.3).
/// lettre would encode a name too, but puts no fold between it and the address, where an encoded word's line must not
/// be longer than 76.
fn phrase(name: &str) -> String {
    if name.bytes().all(|b| b.is_ascii_alphanumeric() || b" -_".contains(&b)) {
        return name.to_owned();
    }
    let quoted = format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    // One of nothing but quotes is twice as long when quoted, and can't be folded.
    if name.is_ascii() && !name.contains("=?") && quoted.len() <= MAX_TEXT + 2 {
        return quoted;
    }
    encoded_words(name)
}

/// The text in encoded words of whole characters, a space between them.
fn encoded_words(text: &str) -> String {
    /// Octets in one: `Reply-To: =?utf-8?B?…?=` then fits a line.
    const WORD: usize = 39;
    let mut words = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, tail) = rest.split_at(rest.floor_char_boundary(WORD));
        let gap = if words.is_empty() { "" } else { " " };
        words.push_str(&format!("{gap}=?utf-8?B?{}?=", BASE64_STANDARD.encode(word)));
        rest = tail;
    }
    words
}

/// What may be in a boundary or a list's identifier without quoting.
fn is_id_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::address::Address;
    use mail_parser::{MessageParser, MimeHeaders};
    use proptest::prelude::*;

    fn mailbox_of(name: &str, address: &str) -> Mailbox {
        Mailbox { name: Some(name.into()), address: Address::parse(address).expect("an address") }
    }

    fn letterhead(name: &str, reply_to: Option<&Mailbox>, list_id: (&str, &str)) -> Arc<Letterhead> {
        let from = mailbox_of(name, "digest@example.org");
        Arc::new(Letterhead::new(&from, reply_to, Some(list_id), Vec::new()))
    }

    fn letter() -> Letter {
        let list_id = ("Paperpost digests", "digest.list-id.example.org");
        Letter {
            letterhead: letterhead("Paperpost", None, list_id),
            to: mailbox_of("Ada", "ada@example.net"),
            subject: "3 new papers".into(),
            date: DateTime::from_timestamp(1_764_547_200, 0).expect("a date"),
            message_id: "<2025-12-01.s7@example.org>".into(),
            boundary: "e1".into(),
            extra: vec![
                ("List-Unsubscribe", "<https://example.org/u/0123456789abcdef>, <mailto:unsub@example.org>".into()),
                ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".into()),
            ],
            text: "Hello\n".into(),
            html: "<p>Hello</p>\n".into(),
        }
    }

    fn composed(letter: &Letter) -> String {
        String::from_utf8(compose(letter)).expect("UTF-8")
    }

    #[test]
    fn a_letter_is_the_message_that_the_rfcs_ask_for() {
        let expected = "\
From: Paperpost <digest@example.org>
To: Ada <ada@example.net>
Subject: 3 new papers
Date: Mon, 01 Dec 2025 00:00:00 +0000
Message-ID: <2025-12-01.s7@example.org>
MIME-Version: 1.0
List-Id: Paperpost digests <digest.list-id.example.org>
Auto-Submitted: auto-generated
Precedence: bulk
X-Auto-Response-Suppress: DR, RN, NRN, OOF, AutoReply
List-Unsubscribe: <https://example.org/u/0123456789abcdef>,
 <mailto:unsub@example.org>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
Content-Type: multipart/alternative; boundary=\"=_e1\"

--=_e1
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Hello

--=_e1
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>Hello</p>

--=_e1--
";
        assert_eq!(composed(&letter()), expected.replace('\n', "\r\n"));
    }

    #[test]
    fn what_goes_in_is_what_a_parser_reads() {
        let long = "Über ".repeat(40);
        for (name, subject, body) in [
            ("Ada", "Plain", "Plain\n"),
            ("Zoë O'Neil, \"Z\" \\ (x)", "Größe = 10 €: naïve 日本語 𝄞", "é = 1.\n.dot\nFrom x\n"),
            ("a@b, c", "\"quoted\" <b>", "no line end"),
            ("Björk <x@example.com>", long.trim_end(), " \n"),
            (long.trim_end(), &"a long subject of short words ".repeat(12), "x".repeat(400).as_str()),
            ("=?utf-8?q?Boss?=", "=?utf-8?q?Free?= money", ""),
        ] {
            let mut letter = letter();
            letter.to.name = Some(name.into());
            let reply_to = mailbox_of(name, "reply@bücher.example");
            letter.letterhead = letterhead("Paperpost", Some(&reply_to), ("Paperpost", "list.example.org"));
            letter.subject = subject.into();
            letter.text = body.into();
            letter.html = body.into();
            let bytes = compose(&letter);
            assert_eq!(bytes, compose(&letter), "composing twice gives the same bytes");
            for line in std::str::from_utf8(&bytes).expect("UTF-8").split("\r\n") {
                assert!(line.len() <= 76 && line.is_ascii() && !line.contains(['\r', '\n']), "{line:?}");
            }

            let message = MessageParser::default().parse(&bytes).expect("a message");
            assert_eq!(message.subject(), Some(subject.trim()));
            let to = message.to().and_then(|to| to.first()).expect("To");
            assert_eq!((to.name(), to.address()), (Some(name), Some("ada@example.net")));
            let reply_to = message.reply_to().and_then(|to| to.first()).expect("Reply-To");
            assert_eq!(reply_to.address(), Some("reply@xn--bcher-kva.example"));
            assert_eq!(message.date().map(|date| date.to_timestamp()), Some(letter.date.timestamp()));
            assert_eq!(message.parts.len(), 3);
            for (part, kind) in [(1, "plain"), (2, "html")] {
                let part = &message.parts[part];
                assert_eq!(part.content_type().and_then(|t| t.subtype()), Some(kind));
                assert_eq!(part.text_contents().map(|t| t.replace("\r\n", "\n")).as_deref(), Some(body));
            }
        }
    }

    #[test]
    fn no_value_can_add_a_header_or_hide_a_part() {
        let evil = "x\r\nBcc: everyone@example.org\r\n\r\nbody\u{2028}\u{202E}\u{0}\u{85}";
        let mut letter = letter();
        letter.letterhead = letterhead(evil, None, (evil, evil));
        letter.to.name = Some(evil.into());
        letter.subject = evil.into();
        letter.message_id = evil.into();
        letter.boundary = evil.into();
        letter.extra = vec![("List-Help", evil.into())];
        letter.text = "--=_xBcceveryoneexample.orgbody\n".into();
        let bytes = compose(&letter);
        let message = MessageParser::default().parse(&bytes).expect("a message");
        let names: Vec<_> = message.headers().iter().map(|h| h.name()).collect();
        assert_eq!(
            names,
            [
                "From",
                "To",
                "Subject",
                "Date",
                "Message-ID",
                "MIME-Version",
                "List-ID",
                "Auto-Submitted",
                "Precedence",
                "X-Auto-Response-Suppress",
                "List-Help",
                "Content-Type"
            ]
        );
        assert_eq!(message.subject(), Some("x Bcc: everyone@example.org body"));
        assert_eq!(message.parts.len(), 3);
    }

    #[test]
    fn the_longest_values_fit_their_lines_and_are_read_as_they_were() {
        for text in
            ["\"".repeat(MAX_TEXT), "\\".repeat(MAX_TEXT), "a".repeat(MAX_TEXT), format!("=?{}", "é ".repeat(299))]
        {
            let mut letter = letter();
            letter.to.name = Some(text.clone());
            letter.letterhead = letterhead(&text, Some(&letter.to), (&text, &"l".repeat(255)));
            letter.subject = text.clone();
            letter.extra = vec![("Feedback-ID", text.clone())];
            let bytes = compose(&letter);
            for line in std::str::from_utf8(&bytes).expect("UTF-8").split("\r\n") {
                assert!(line.len() <= 998, "{} octets: {line}", line.len());
            }
            let message = MessageParser::default().parse(&bytes).expect("a message");
            assert_eq!(message.subject(), Some(text.trim_end()));
            assert_eq!(message.to().and_then(|to| to.first()).and_then(|to| to.name()), Some(text.trim_end()));
        }
    }

    proptest! {
        #[test]
        fn any_name_and_any_subject_are_read_as_they_were(name in any::<String>(), subject in any::<String>(), extra in any::<String>()) {
            let mut letter = letter();
            letter.to.name = Some(name.clone());
            letter.subject = subject.clone();
            letter.letterhead = letterhead(&name, None, (&name, "list.example.org"));
            letter.extra = vec![("Feedback-ID", extra)];
            let bytes = compose(&letter);
            let message = MessageParser::default().parse(&bytes).expect("a message");
            prop_assert_eq!(message.headers().len(), 12);
            prop_assert_eq!(message.parts.len(), 3);
            let kept = |text: &str| Some(clip(text)).filter(|text| !text.is_empty());
            prop_assert_eq!(message.subject().map(str::to_owned).filter(|s| !s.is_empty()), kept(&subject));
            let to = message.to().and_then(|to| to.first()).expect("To");
            prop_assert_eq!(to.name().map(str::to_owned), kept(&name));
            prop_assert_eq!(to.address(), Some("ada@example.net"));
            prop_assert!(bytes.is_ascii());
        }
    }

    #[test]
    fn an_address_that_is_not_ascii_stands_as_it_is() {
        let mut letter = letter();
        letter.to = mailbox_of("René", "rené@example.org");
        assert!(composed(&letter).contains("\r\nTo: =?utf-8?B?UmVuw6k=?=\r\n <rené@example.org>\r\n"));
        letter.to.name = None;
        assert!(composed(&letter).contains("\r\nTo: rené@example.org\r\n"));
    }

    #[test]
    fn spliced_cards_are_the_same_letter_as_one_text() {
        let (mut whole, mut spliced) = (letter(), letter());
        whole.html = "<p>é</p><i>b</i>\n".into();
        spliced.html = "<p>é</p>".into();
        spliced.html.push_str("<i>b</i>\n");
        let html = |letter: &Letter| {
            let bytes = compose(letter);
            MessageParser::default().parse(&bytes).and_then(|m| m.body_html(0).map(|h| h.into_owned()))
        };
        assert_eq!(html(&whole), html(&spliced));
    }
}
