//! A mail that came back, taken apart.
//!
//! What arrives at the bounce mailbox is from strangers: every field may be forged. So this says only what a message
//! *claims*; whose it is must be proven by a token, or by a Message-ID together with the address, in
//! [`crate::jobs::bounce`].

use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders, PartType};

use crate::core::bounce::{self, Recipient};

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A delivery report (RFC 3464) with its recipients.
    Report(Vec<Recipient>),
    /// A complaint (RFC 5965): abuse, fraud and the like.
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
}

/// Takes a message apart; `None` when it is none.
pub fn read(bytes: &[u8]) -> Option<Inbound> {
    let message = MessageParser::default().parse(bytes)?;
    let values = |names: &[&str]| {
        let named =
            message.headers_raw().filter(|(name, _)| names.iter().any(|known| name.eq_ignore_ascii_case(known)));
        named.map(|(_, value)| value.trim().to_owned()).collect::<Vec<_>>()
    };
    let mut inbound = Inbound {
        kind: Kind::Letter,
        addressed: values(&["To", "Delivered-To", "X-Original-To", "Envelope-To"]),
        subject: message.subject().unwrap_or_default().to_owned(),
        returned: Vec::new(),
        message_ids: Vec::new(),
        recipients: Vec::new(),
    };
    let is_automatic = values(&["Auto-Submitted"]).iter().any(|value| !value.to_ascii_lowercase().starts_with("no"))
        || !values(&["X-Autoreply", "X-Autorespond"]).is_empty();
    if is_automatic {
        inbound.kind = Kind::Automatic;
    }
    // The parts of a report stand side by side; what lies deeper is the mail that came back, and anybody's text.
    for part in &message.parts {
        inbound.take(part);
    }
    Some(inbound)
}

impl Inbound {
    fn take(&mut self, part: &MessagePart<'_>) {
        let Some(kind) = part.content_type() else { return };
        let kind = format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()).to_ascii_lowercase();
        match (kind.as_str(), &part.body) {
            ("message/delivery-status" | "message/global-delivery-status", _) => {
                let (envelope_id, recipients) = bounce::read(&String::from_utf8_lossy(part.contents()));
                self.message_ids.extend(envelope_id);
                for recipient in &recipients {
                    self.recipients
                        .extend([&recipient.original_recipient, &recipient.final_recipient].map(Clone::clone));
                }
                self.kind = Kind::Report(recipients);
            }
            ("message/feedback-report", _) => self.take_feedback(&String::from_utf8_lossy(part.contents())),
            (_, PartType::Message(returned)) => self.take_returned(returned),
            ("text/rfc822-headers" | "message/global-headers" | "message/rfc822-headers", _) => {
                if let Some(returned) = MessageParser::default().parse_headers(part.contents()) {
                    self.take_returned(&returned);
                }
            }
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
        self.recipients.extend(values("Original-Rcpt-To").map(|value| value.trim_matches(['<', '>']).to_owned()));
        self.returned.extend(values("Original-Mail-From"));
    }

    fn take_returned(&mut self, returned: &Message<'_>) {
        for (name, value) in returned.headers_raw() {
            if name.eq_ignore_ascii_case("Return-Path") || name.eq_ignore_ascii_case("List-Unsubscribe") {
                self.returned.push(value.trim().to_owned());
            } else if name.eq_ignore_ascii_case("Message-ID") {
                self.message_ids.push(value.trim().trim_matches(['<', '>']).to_owned());
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

    proptest! {
        #[test]
        fn no_message_is_too_broken_to_take_apart(text in "(\\PC|\\r\\n|--b\\r\\n|Content-Type: |message/rfc822|multipart/report; boundary=b){0,60}") {
            let _ = read(text.as_bytes());
            let _ = read(format!("Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n{text}").as_bytes());
        }
    }
}
