//! What a mail is made of: read, signed and verified by the code of others.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use chrono::DateTime;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, ResolverCache, Txt};
use paperpost::core::address::Mailbox;
use paperpost::core::server::Tls;
use paperpost::mail::dkim::{Algorithm, Key, Signer, new_key};
use paperpost::mail::mime::{Letter, Letterhead, compose};
use paperpost::mail::{Mail, Transport};

use crate::mail::{address, smtp, word};
use crate::smtp::SmtpServer;

/// A letter with everything in it.
pub(crate) fn letter() -> Letter {
    let from = Mailbox { name: Some("Paperpost".into()), address: address("digest@example.org") };
    let list_id = ("Paperpost, daily", "digest.list-id.example.org");
    Letter {
        letterhead: Arc::new(Letterhead::new(&from, None, Some(list_id), Vec::new())),
        to: Mailbox { name: Some("Zo\u{eb} \"Z\" O'Neil".into()), address: address("zoe@example.net") },
        subject: "Gr\u{f6}\u{df}e: 3 new papers ".repeat(5),
        date: DateTime::from_timestamp(1_764_547_200, 0).expect("a date"),
        message_id: "<e1@example.org>".into(),
        boundary: "e1".into(),
        extra: vec![
            ("List-Unsubscribe", "<https://example.org/u/0123456789>".into()),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".into()),
        ],
        text: "two  spaces \n.\nFrom x\n\n".into(),
        html: "<p>\u{e9}</p>\n".into(),
    }
}

/// Python's parser is strict and not Rust.
#[test]
fn python_reads_a_letter_without_a_defect() {
    let script = "
import sys, email, email.policy as policy
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=policy.strict + policy.SMTP)
assert not m.defects and not any(v.defects for v in m.values()), [(k, v.defects) for k, v in m.items()]
assert m['To'].addresses[0].display_name == 'Zo\u{eb} \"Z\" O\\'Neil', m['To']
assert m['Subject'] == ('Gr\u{f6}\u{df}e: 3 new papers ' * 5).strip(), m['Subject']
text, html = m.iter_parts()
read = lambda part: part.get_content().replace('\\r\\n', '\\n')
assert read(text) == 'two  spaces \\n.\\nFrom x\\n\\n', read(text)
assert read(html) == '<p>\u{e9}</p>\\n', read(html)
";
    let python = Command::new("python3").args(["-X", "utf8", "-c", script]).stdin(Stdio::piped()).spawn();
    let mut python = python.expect("python3 (tests/install installs it)");
    python.stdin.take().expect("its input").write_all(&compose(&letter())).expect("written");
    assert!(python.wait().expect("an end").success());
}

/// Composed, signed with both keys, sent, received, verified by somebody else's code.
#[tokio::test]
async fn a_letter_verifies_at_the_other_end_and_nothing_can_be_added_to_it() {
    let pems = [Algorithm::Rsa, Algorithm::Ed25519].map(|algorithm| new_key(algorithm).expect("a key"));
    let keys =
        || vec![("r1", &pems[0]), ("e1", &pems[1])].into_iter().map(|(s, pem)| Key::from_pem(s, pem).expect("a key"));
    let signer = Signer::new("example.org", keys().collect()).expect("a signer");
    let letter = letter();
    let mail = Mail {
        from: Some(address("b@bounce.example.org")),
        to: letter.to.address.clone(),
        message_id: letter.message_id.clone(),
        message: signer.sign(&compose(&letter), letter.date).expect("signed").into(),
    };
    let server = SmtpServer::start().await;
    assert_eq!(word(&smtp(server.settings(Tls::None)).send(&mail).await), "sent");
    let taken = server.mails().remove(0).bytes;
    let text = String::from_utf8(taken.clone()).expect("text");

    let records = Records::new(keys().zip(["r1", "e1"]));
    assert_eq!(records.verify(&taken).await, [true, true]);
    for (what, forged) in [
        ("a body", text.replace("<p>", "<b>")),
        ("a subject", text.replace("Subject: ", "Subject: x")),
        ("a second From", text.replace("From: P", "From: evil@example.com\r\nFrom: P")),
        ("a Reply-To", text.replace("\r\nSubject: ", "\r\nReply-To: evil@example.com\r\nSubject: ")),
        ("another list", text.replace("example.org/u/", "example.org/v/")),
    ] {
        assert_ne!(forged, text, "{what}");
        assert_eq!(records.verify(forged.as_bytes()).await, [false, false], "{what}");
    }
}

/// DNS records by name.
pub(crate) struct Records(HashMap<String, Txt>);

impl Records {
    /// The records of keys, each with its selector, of example.org.
    pub(crate) fn new<'a>(keys: impl Iterator<Item = (Key, &'a str)>) -> Self {
        let records = keys.map(|(key, selector)| {
            let record = DomainKey::parse(key.dns_record().expect("a record").as_bytes()).expect("a record");
            (format!("{selector}._domainkey.example.org."), Txt::DomainKey(Arc::new(record)))
        });
        Self(records.collect())
    }

    /// Whether each signature is good.
    pub(crate) async fn verify(&self, message: &[u8]) -> Vec<bool> {
        let resolver = MessageAuthenticator::new(Default::default(), Default::default()).expect("a resolver");
        let message = AuthenticatedMessage::parse(message).expect("a message");
        let results = resolver.verify_dkim(Parameters::new(&message).with_txt_cache(self)).await;
        results.iter().map(|output| *output.result() == DkimResult::Pass).collect()
    }
}

impl ResolverCache<Box<str>, Txt> for Records {
    fn get<Q: Hash + Eq + ?Sized>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
    {
        self.0.iter().find_map(|(key, txt)| (Box::<str>::from(key.as_str()).borrow() == name).then(|| txt.clone()))
    }

    fn remove<Q: Hash + Eq + ?Sized>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}
