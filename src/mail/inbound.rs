//! A mail that came back, taken apart.
//!
//! What arrives at the bounce mailbox is from strangers: every field may be forged. So this says only what a message
//! *claims*; whose it is must be proven by a token, or by a Message-ID together with the address, in
//! [`crate::jobs::bounce`].
//!
//! And every mail may be made to do harm. mail-parser reads the headers, but it is never given a whole message: it takes
//! apart whatever lies in it, however deep, so that a mebibyte of message in message in message exhausts the stack, and
//! other mails memory or hours. Here parts are opened to `DEEPEST`, in time that grows with the octets alone, and a mail
//! within the mail is not opened at all: its header is what we sent, and its body is anybody's.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Message, MessageParser, MimeHeaders};

use crate::core::bounce::{self, Action, Notice, Recipient, Reported};

/// What is read of a message, octets. A report says what it has to say long before; what follows is the mail that came
/// back, or somebody's attachment.
pub const LONGEST_MESSAGE: usize = 1 << 20;

/// So many multiparts may lie in each other. A report is one; lists and gateways put one or two around it.
const DEEPEST: usize = 8;

/// The field by which Outlook's complaints are known: a mail within a multipart/mixed, and no feedback report (its JMRP).
const OUTLOOK_COMPLAINT: &str = "X-HmXmrOriginalRecipient";

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A delivery report with its recipients: by the fields of RFC 3464, or in words alone.
    Report(Vec<Recipient>),
    /// A delivery report that can't be understood.
    Unclear,
    /// A complaint (RFC 5965, or as Outlook sends them): abuse, fraud and the like.
    Complaint,
    /// Sent by a machine in answer to a mail (RFC 3834): a vacation notice, a feedback report that is no complaint.
    Automatic,
    /// Anything else: written by a person, as far as can be told.
    Letter,
}

/// One inbound message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// What it is.
    pub kind: Kind,
    /// Whom it was sent to, header by header: its return path and the like may stand here.
    pub addressed: Vec<String>,
    /// Its subject.
    pub subject: String,
    /// The Return-Path of the mail that came back, and the List-Unsubscribe that it had.
    pub returned: Vec<String>,
    /// The Message-IDs by which the mail that came back may be known, without angle brackets.
    pub message_ids: Vec<String>,
    /// The addresses that the report names.
    pub recipients: Vec<String>,
    /// Whom it says it is from: the address of its From field alone.
    pub from: String,
    /// Whether a machine wrote it, or a list passed it on: by Auto-Submitted, a null return path, Precedence, List-Id.
    pub is_automatic: bool,
    /// The Message-IDs that it answers, without angle brackets.
    pub answers: Vec<String>,
    /// What a person reads of it.
    pub text: String,
}

/// Takes a message apart; `None` when it is none.
pub fn read(bytes: &[u8]) -> Option<Inbound> {
    let (head, body) = entity(bytes)?;
    let values = |names: &[&str]| {
        let named = head.headers_raw().filter(|(name, _)| names.iter().any(|known| name.eq_ignore_ascii_case(known)));
        named.map(|(_, value)| value.trim().to_owned()).collect::<Vec<_>>()
    };
    let mut inbound = Inbound {
        kind: Kind::Letter,
        addressed: values(&["To", "Delivered-To", "X-Original-To", "Envelope-To"]),
        subject: head.subject().unwrap_or_default().to_owned(),
        returned: Vec::new(),
        message_ids: Vec::new(),
        recipients: Vec::new(),
        from: head.from().and_then(|from| from.first()?.address()).unwrap_or_default().to_owned(),
        is_automatic: false,
        answers: values(&["In-Reply-To", "References"])
            .iter()
            .flat_map(|ids| ids.split_whitespace().map(|id| bounce::bare(id).to_owned()))
            .collect(),
        text: String::new(),
    };
    let is_answer = values(&["Auto-Submitted"]).iter().any(|value| !value.to_ascii_lowercase().starts_with("no"))
        || !values(&["X-Autoreply", "X-Autorespond"]).is_empty();
    if is_answer {
        inbound.kind = Kind::Automatic;
    }
    let precedence = values(&["Precedence"]);
    let is_bulk = |value: &String| ["bulk", "list", "junk", "auto_reply"].contains(&&value.to_ascii_lowercase()[..]);
    inbound.is_automatic = is_answer
        || values(&["Return-Path"]).iter().any(|path| path == "<>")
        || precedence.iter().any(is_bulk)
        || !values(&["List-Id"]).is_empty();
    let mut found = Found { complained: values(&[OUTLOOK_COMPLAINT]), ..Found::default() };
    inbound.take(&head, body, 0, &mut found);
    if matches!(inbound.kind, Kind::Letter | Kind::Automatic) && found.has_mail && !found.complained.is_empty() {
        inbound.kind = Kind::Complaint;
        inbound.recipients.extend(found.complained.iter().map(|value| bounce::bare(value).to_owned()));
    }
    let text = found.text().replace("\r\n", "\n");
    inbound.text.clone_from(&text);
    let subject = inbound.subject.clone();
    inbound.take_notice(&Notice {
        from: &values(&["From", "Sender"]).join(" "),
        subject: &subject,
        program: &values(&["X-Mailer", "User-Agent"]).join(" "),
        failed: &values(&["X-Failed-Recipients"]),
        text: &text,
    });
    Some(inbound)
}

/// What is found among the parts of a message, beside what they say.
#[derive(Default)]
struct Found {
    plain: String,
    html: String,
    /// Whether there is a mail in the mail.
    has_mail: bool,
    /// Whom Outlook says the complaint is from.
    complained: Vec<String>,
}

impl Found {
    /// What a person reads.
    fn text(&self) -> Cow<'_, str> {
        if self.plain.trim().is_empty() { Cow::Owned(without_tags(&self.html)) } else { Cow::Borrowed(&self.plain) }
    }
}

/// Words of a page, a line where a tag ends one.
fn without_tags(html: &str) -> String {
    let mut text = String::new();
    for piece in html.split('<') {
        let (tag, words) = piece.split_once('>').unwrap_or(("", piece));
        let is_within = ["b", "/b", "i", "/i", "a", "/a", "span", "/span", "font", "/font", "strong", "/strong"];
        let name = tag.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        if !tag.is_empty() && !is_within.contains(&&name[..]) {
            text.push('\n');
        }
        text.push_str(words);
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&nbsp;", " ").replace("&amp;", "&")
}

/// The header and the body of a message, or of a part of one; `None` without a header.
fn entity(bytes: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let is_field = |line: &&[u8]| !matches!(*line, b"\n" | b"\r\n");
    let (head, rest) = bytes.split_at(lines(bytes).take_while(is_field).map(<[u8]>::len).sum());
    let body = rest.strip_prefix(b"\r\n").or(rest.strip_prefix(b"\n")).unwrap_or_default();
    Some((MessageParser::default().parse_headers(head)?, body))
}

/// The parts of a multipart's body (RFC 2046 section 5.1.1). The last may have no end: not all of a message is read.
fn parts<'x>(body: &'x [u8], boundary: &str) -> Vec<&'x [u8]> {
    let (mut parts, mut part, mut position) = (Vec::new(), None, 0);
    for line in lines(body) {
        let before = position;
        position += line.len();
        let delimiter = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary.as_bytes()));
        let Some(is_last) = delimiter.and_then(|rest| match rest.trim_ascii_end() {
            b"" => Some(false),
            b"--" => Some(true),
            _ => None,
        }) else {
            continue;
        };
        parts.extend(part.map(|start| &body[start..before]));
        part = (!is_last).then_some(position);
        if is_last {
            break;
        }
    }
    parts.extend(part.map(|start| &body[start..]));
    parts
}

/// Each with its end.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|&octet| octet == b'\n')
}

/// A body without its transfer encoding; what is not encoded as it says stays as it is.
fn decoded<'x>(head: &Message<'_>, body: &'x [u8]) -> Cow<'x, [u8]> {
    let decoded = match head.content_transfer_encoding().map(str::to_ascii_lowercase).as_deref() {
        Some("base64") => base64_decode(body),
        Some("quoted-printable") => quoted_printable_decode(body),
        _ => None,
    };
    decoded.map_or(Cow::Borrowed(body), Cow::Owned)
}

impl Inbound {
    fn take(&mut self, head: &Message<'_>, body: &[u8], depth: usize, found: &mut Found) {
        let text = || String::from_utf8_lossy(&decoded(head, body)).into_owned();
        let Some(kind) = head.content_type() else {
            // RFC 2045 section 5.2: plain text.
            found.plain.push_str(&text());
            return;
        };
        if let ("multipart", Some(boundary)) = (&kind.ctype().to_ascii_lowercase()[..], kind.attribute("boundary")) {
            if depth < DEEPEST && !boundary.is_empty() {
                for (head, body) in parts(body, boundary).into_iter().filter_map(entity) {
                    self.take(&head, body, depth + 1, found);
                }
            }
            return;
        }
        match &format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()).to_ascii_lowercase()[..] {
            "message/delivery-status" | "message/global-delivery-status" => {
                let (envelope_id, recipients) = bounce::read(&text());
                self.message_ids.extend(envelope_id);
                for recipient in &recipients {
                    self.recipients
                        .extend([&recipient.original_recipient, &recipient.final_recipient].map(Clone::clone));
                }
                match &mut self.kind {
                    Kind::Report(known) => known.extend(recipients),
                    kind => *kind = Kind::Report(recipients),
                }
            }
            "message/feedback-report" => self.take_feedback(&text()),
            "message/rfc822"
            | "message/global"
            | "text/rfc822-headers"
            | "message/global-headers"
            | "message/rfc822-headers" => {
                if let Some((returned, _)) = entity(&decoded(head, body)) {
                    self.take_returned(&returned, found);
                }
            }
            "text/html" => found.html.push_str(&text()),
            kind if kind.starts_with("text/") => found.plain.push_str(&text()),
            _ => {}
        }
    }

    /// RFC 5965 section 3: fields like those of a delivery status.
    fn take_feedback(&mut self, text: &str) {
        let values = |name: &'static str| {
            let fields = text.lines().filter_map(|line| line.split_once(':'));
            let named = fields.filter(move |(known, _)| known.trim().eq_ignore_ascii_case(name));
            named.map(|(_, value)| value.trim().to_owned())
        };
        let kind = values("Feedback-Type").next().unwrap_or_default().to_ascii_lowercase();
        // `not-spam` says the opposite; `auth-failure` and `dkim-failure` are about our set-up.
        self.kind = match kind.as_str() {
            "abuse" | "fraud" | "opt-out" | "opt-out-list" | "other" | "complaint" => Kind::Complaint,
            _ => Kind::Automatic,
        };
        self.recipients.extend(values("Original-Rcpt-To").map(|value| bounce::bare(&value).to_owned()));
        self.returned.extend(values("Original-Mail-From"));
    }

    /// What a report says in words alone; of one with fields that say nothing, or not why, what the words say.
    fn take_notice(&mut self, notice: &Notice<'_>) {
        let is_wordless = |recipient: &Recipient| recipient.action == Action::Failed && recipient.diagnostic.is_empty();
        if self.kind == Kind::Report(Vec::new()) {
            self.kind = Kind::Unclear;
        }
        match &mut self.kind {
            Kind::Letter | Kind::Automatic | Kind::Unclear => {
                let Some(Reported { recipients, returned, .. }) = bounce::read_notice(notice) else { return };
                let names = recipients.iter().map(|recipient| recipient.final_recipient.clone());
                self.recipients.extend(notice.failed.iter().cloned().chain(names));
                self.kind = if recipients.is_empty() { Kind::Unclear } else { Kind::Report(recipients) };
                if let Some((returned, _)) = entity(notice.text[returned..].trim_start().as_bytes()) {
                    self.take_returned(&returned, &mut Found::default());
                }
            }
            Kind::Report(recipients) if recipients.iter().any(is_wordless) => {
                let Some(reported) = bounce::read_notice(notice) else { return };
                let Some(words) = reported.recipients.first().map(|recipient| &recipient.diagnostic) else { return };
                for recipient in recipients.iter_mut().filter(|recipient| is_wordless(recipient)) {
                    recipient.diagnostic.clone_from(words);
                }
            }
            _ => {}
        }
    }

    fn take_returned(&mut self, returned: &Message<'_>, found: &mut Found) {
        found.has_mail = true;
        for (name, value) in returned.headers_raw() {
            if name.eq_ignore_ascii_case("Return-Path") || name.eq_ignore_ascii_case("List-Unsubscribe") {
                self.returned.push(value.trim().to_owned());
            } else if name.eq_ignore_ascii_case("Message-ID") {
                self.message_ids.push(bounce::bare(value).to_owned());
            } else if name.eq_ignore_ascii_case(OUTLOOK_COMPLAINT) {
                found.complained.push(value.trim().to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(head: &str) -> Kind {
        let text = format!("From: a@example.net\r\nTo: bounces@example.org\r\n{head}\r\n\r\nText\r\n");
        read(text.as_bytes()).expect("a message").kind
    }

    #[test]
    fn machines_are_told_from_people() {
        assert_eq!(kind("Subject: Hello"), Kind::Letter);
        assert_eq!(kind("Auto-Submitted: no"), Kind::Letter);
        assert_eq!(kind("Auto-Submitted: auto-replied (vacation)"), Kind::Automatic);
        assert_eq!(kind("X-Autoreply: yes"), Kind::Automatic);
    }

    #[test]
    fn a_word_for_us_is_no_complaint() {
        let feedback = |kind: &str| {
            let text = format!(
                "From: a@example.net\r\nMIME-Version: 1.0\r\n\
                 Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
                 --b\r\nContent-Type: text/plain\r\n\r\nA report\r\n\
                 --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: {kind}\r\nVersion: 1\r\n\r\n\
                 --b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <17.ab@example.org>\r\n\r\nBody\r\n--b--\r\n"
            );
            read(text.as_bytes()).expect("a message")
        };
        assert_eq!(feedback("abuse").kind, Kind::Complaint);
        assert_eq!(feedback("abuse").message_ids, ["17.ab@example.org"]);
        assert_eq!(feedback("not-spam").kind, Kind::Automatic);
        assert_eq!(feedback("auth-failure").kind, Kind::Automatic);
    }

    const STATUS: &str = "Final-Recipient: rfc822; ada@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n";

    /// A report in so many multiparts more than it needs.
    fn wrapped(times: usize) -> Kind {
        let open = |level| {
            format!("Content-Type: multipart/mixed; boundary=\"b {level}\"\r\n\r\nAn opening\r\n--b {level} \r\n")
        };
        let text: String = (0..=times).map(open).collect();
        read(format!("{text}Content-Type: message/delivery-status\r\n\r\n{STATUS}").as_bytes()).expect("a message").kind
    }

    #[test]
    fn a_report_is_found_in_what_lists_and_gateways_wrap_it_up_in_but_not_at_any_depth() {
        assert!(matches!(wrapped(0), Kind::Report(_)));
        assert!(matches!(wrapped(DEEPEST - 1), Kind::Report(_)));
        assert_eq!(wrapped(DEEPEST), Kind::Letter);
    }

    #[test]
    fn what_several_parts_say_is_taken_together() {
        let part =
            |action: &str| format!("--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: {action}\r\n\r\n");
        let parts = format!("{}{}--b\r\n", part("failed"), part("delivered"));
        let returned = "Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <1.a@example.org> (as sent)\r\n";
        let text = format!("Content-Type: multipart/report; boundary=b\r\n\r\n{parts}{returned}");
        let inbound = read(text.as_bytes()).expect("a message");
        let Kind::Report(recipients) = inbound.kind else { panic!("{:?}", inbound.kind) };
        assert_eq!(
            recipients.iter().map(|recipient| recipient.action).collect::<Vec<_>>(),
            [Action::Failed, Action::Delivered]
        );
        assert_eq!(inbound.message_ids, ["1.a@example.org"]);
    }

    #[test]
    fn parts_end_where_their_own_boundary_stands() {
        let body = b"an opening\n--b1\n--b\none\r\n--b1--\n--b \t\r\ntwo\n--b--\n--b\nafter the end";
        assert_eq!(parts(body, "b"), [&b"one\r\n--b1--\n"[..], b"two\n"]);
        assert_eq!(parts(b"--b\ncut off", "b"), [b"cut off"]);
        assert_eq!(parts(b"no part", "b"), [b""; 0]);
    }

    #[test]
    fn parts_are_read_without_their_encoding_and_the_mail_in_the_mail_is_not_opened() {
        let part = |kind: &str, encoding: &str, body: &str| {
            let text = format!(
                "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: {kind}\r\n\
                 Content-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n--b--\r\n"
            );
            read(text.as_bytes()).expect("a message")
        };
        let base64 = "RmluYWwtUmVjaXBpZW50OiB1dGYtODsgYWRh\r\nQGV4YW1wbGUub3JnCkFjdGlvbjogZmFpbGVkCg==";
        let status = "message/global-delivery-status";
        for (encoding, body) in [
            ("7bit", "Final-Recipient: utf-8; ada@example.org\r\nAction: failed\r\n"),
            ("Base64", base64),
            ("quoted-printable", "Final-Recipient: utf-8; ada=40example.org=\r\n\r\nAction: failed\r\n"),
            // No base64 at all, whatever it says of itself.
            ("base64", "Final-Recipient: utf-8; ada@example.org\r\nAction: failed\r\n"),
        ] {
            assert!(part(status, encoding, body).recipients.contains(&"ada@example.org".to_owned()), "{encoding}");
        }
        let returned = "Message-ID: <1.a@example.org>\r\nContent-Type: multipart/report; boundary=c\r\n\r\n\
                        --c\r\nContent-Type: message/delivery-status\r\n\r\nStatus: 5.1.1\r\nAction: failed\r\n";
        let inbound = part("message/rfc822", "8bit", returned);
        assert_eq!((inbound.kind, &inbound.message_ids[..]), (Kind::Letter, &["1.a@example.org".to_owned()][..]));
    }

    proptest! {
        #[test]
        fn no_message_is_too_broken_to_take_apart(text in "(\\PC|\\r\\n|--b\\r\\n|Content-Type: |message/rfc822|multipart/report; boundary=b){0,60}") {
            let _ = read(text.as_bytes());
            let _ = read(format!("Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n{text}").as_bytes());
        }
    }
}
