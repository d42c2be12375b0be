//! Through real mail servers: Postfix takes the mails, Dovecot keeps them, and what comes back comes back by IMAP.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use mail_parser::MessageParser;
use paperpost::clock::Clock;
use paperpost::core::address::Address;
use paperpost::core::server::{Login, Pipelining, Tls};
use paperpost::mail::dkim::{Algorithm, Key, new_key};
use paperpost::mail::smtp::{Smtp, SmtpSettings};
use paperpost::mail::{Gate, Handover, Mail, Transport};

use crate::letter::Records;
use crate::mail::mail;
use crate::postoffice::{PASSWORD, PostOffice};
use crate::process::{Home, answer, said, until};
use crate::site::{Site, paper};
use crate::smtp::SmtpServer;

/// A folder for the program whose mails go through `office`, to these readers.
async fn home(office: &PostOffice, readers: &[&str]) -> (Site, Home) {
    let (site, nowhere) = (Site::start().await, SmtpServer::start().await);
    site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale – größer als zuvor"));
    let subscriptions = readers.iter().map(|reader| {
        format!("[[subscription]]\nemail = \"{reader}\"\nname = \"Zoë O'Neil\"\nkeywords = [\"retrieval\"]\n")
    });
    let home = Home::new(&site, &nowhere, &subscriptions.collect::<String>());
    for (file, algorithm) in [("r1.pem", Algorithm::Rsa), ("e1.pem", Algorithm::Ed25519)] {
        home.write(file, &new_key(algorithm).expect("a key"));
    }
    home.write("password", PASSWORD);
    home.write(
        "paperpost.toml",
        &format!(
            "[sources.huggingface]\nbase_url = \"{site}\"\n\
             [mail]\nfrom = \"Paperpost <papers@example.org>\"\ntransport = \"smtp\"\nbounce = \"bounces@bounce.example.org\"\n\
             [smtp]\nhost = \"localhost\"\nport = {submission}\ntls = \"starttls\"\nusername = \"paperpost\"\n\
             password_file = \"password\"\nca_file = \"{ca}\"\n\
             [dkim]\nrsa_selector = \"r1\"\nrsa_key_file = \"r1.pem\"\ned25519_selector = \"e1\"\ned25519_key_file = \"e1.pem\"\n\
             [web]\nlisten = \"127.0.0.1:0\"\nbase_url = \"https://papers.example.org\"\n\
             [bounces]\ninterval = \"200ms\"\n\
             [imap]\nhost = \"localhost\"\nport = {imap}\nusername = \"bounces\"\npassword_file = \"password\"\nca_file = \"{ca}\"\n",
            site = site.base(),
            submission = office.submission,
            imap = office.imap_port(Tls::Implicit),
            ca = office.ca_file().display(),
        ),
    );
    (site, home)
}

#[tokio::test]
async fn a_digest_arrives_whole_through_postfix_and_dovecot() {
    let office = PostOffice::open().await;
    let (_site, home) = home(&office, &["ada@example.org", "zoë@example.org"]).await;
    let once = home.run(&["once"]).await;
    assert!(once.status.success(), "{}\n{}", said(&once), office.log());
    assert!(said(&once).starts_with("took in 0 messages from the bounce mailbox\n"), "{}", said(&once));
    until("the international address has its mail", || !office.maildir("zoe").is_empty()).await;
    let keys = [("r1", "r1.pem"), ("e1", "e1.pem")];
    let records = Records::new(
        keys.map(|(selector, file)| (Key::from_pem(selector, &home.read(file)).expect("a key"), selector)).into_iter(),
    );
    for (to, mail, with) in [
        ("ada@example.org", &office.mails("ada", 1).await[0], "ESMTPSA"),
        ("zoë@example.org", &office.maildir("zoe")[0], "UTF8SMTPSA"),
    ] {
        let message = MessageParser::default().parse(mail).expect("a message");
        let header = |name: &str| message.header_raw(name).unwrap_or_default().trim().to_owned();
        let (html, text) = (message.body_html(0).expect("HTML"), message.body_text(0).expect("text"));
        assert!(html.contains("größer als zuvor") && text.contains("Retrieval at scale – größer"), "{html}\n{text}");
        let addressee = message.to().and_then(|to| to.first()).expect("an addressee");
        assert_eq!((addressee.name(), addressee.address()), (Some("Zoë O'Neil"), Some(to)));
        assert!(header("Return-Path").starts_with("<bounces+"), "{}", header("Return-Path"));
        assert_eq!(header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
        assert!(header("List-Unsubscribe").starts_with("<https://papers.example.org/u/"));
        let headers = String::from_utf8_lossy(mail);
        assert!(headers.contains(&format!("with {with} id")), "encrypted and logged in: {headers}");
        assert_eq!(records.verify(mail).await, [true, true], "{headers}");
        assert!(message.date().is_some() && header("Message-ID").ends_with("@example.org>"), "{headers}");
    }
}

/// The way of a person's mail program.
fn as_ada(office: &PostOffice) -> Smtp {
    let mut settings = SmtpSettings::new("localhost", office.submission, "client.example.org");
    settings.tls = Tls::StartTls;
    settings.ca_file = Some(office.ca_file());
    settings.login = Some(Login::new("ada", PASSWORD));
    (settings.pipelining, settings.connections) = (Pipelining::Mails, 1);
    Smtp::new(settings).expect("settings")
}

/// The end of each mail and the beginning of the next in one write.
#[tokio::test]
async fn postfix_takes_a_run_of_mails_that_are_announced_with_the_end_of_the_one_before() {
    let office = PostOffice::open().await;
    let smtp = as_ada(&office);
    for n in 0..20 {
        let to_ada =
            |n| Mail { to: Address::parse("ada@example.org").expect("an address"), ..mail(&format!("{n:02}")) };
        let next = OnceLock::from(to_ada(n + 1));
        let sent = smtp.send_with_handover(&to_ada(n), Handover { gate: Gate::open(), next: &next }).await;
        assert!(sent.as_ref().is_ok_and(Option::is_some), "{n}: {sent:?}\n{}", office.log());
    }
    smtp.close().await;
    let mails = office.mails("ada", 20).await;
    let ids: BTreeSet<_> = mails
        .iter()
        .map(|mail| MessageParser::default().parse(mail).and_then(|it| it.message_id().map(str::to_owned)))
        .collect();
    assert_eq!((mails.len(), ids.len()), (20, 20));
    // The last one was announced and did not come.
    until("the end of the only session", || office.log().contains("auth=1 mail=21 rcpt=21 data=")).await;
}

/// Waits until the list of suppressions has these words.
async fn suppressed(home: &Home, office: &PostOffice, words: &str) -> String {
    let list = async || Some(said(&home.run(&["suppress", "list"]).await)).filter(|list| list.contains(words));
    answer(list, || format!("{words} is not in the list\n{}\n{}", home.read("log"), office.log())).await
}

#[tokio::test]
async fn an_address_that_does_not_exist_comes_back_and_gets_no_more_mail() {
    let office = PostOffice::open().await;
    office.put("bounces", "1.letter", "From: a@example.net\r\nSubject: A question\r\n\r\nHello?\r\n");
    let (_site, home) = home(&office, &["ghost@example.org", "ada@example.org"]).await;
    let mut daemon = home.daemon("log");
    let list = suppressed(&home, &office, "bounced").await;
    assert!(list.contains("bounced      ghost@example.org  5.1.1 550") && !list.contains("ada@"), "{list}");

    let mut reports = office.maildir("bounces").into_iter().map(|mail| String::from_utf8_lossy(&mail).into_owned());
    let report = reports.find(|mail| mail.contains("report-type=delivery-status")).expect("a report");
    for asked_for in ["Original-Envelope-Id: ", "Original-Recipient: rfc822;ghost@example.org", "text/rfc822-headers"] {
        assert!(report.contains(asked_for), "{asked_for}\n{report}");
    }

    // What a reader's mail program does with the other address of List-Unsubscribe.
    let mail = String::from_utf8_lossy(&office.mails("ada", 1).await[0]).replace("\r\n ", " ");
    let (_, rest) = mail.split_once("\r\nList-Unsubscribe: ").expect("a way to leave");
    let (_, rest) = rest.split_once("<mailto:").expect("an address to leave by");
    let (to, subject) = rest.split_once('>').and_then(|(url, _)| url.split_once("?subject=")).expect("a subject");
    let address = |text| Address::parse(text).expect("an address");
    let request = Mail {
        from: Some(address("ada@example.org")),
        to: address(to),
        message_id: "<leave@example.org>".into(),
        message: format!("From: ada@example.org\r\nTo: {to}\r\nSubject: {}\r\n\r\n", subject.replace("%20", " "))
            .into_bytes()
            .into(),
    };
    as_ada(&office).send(&request).await.expect("sent");
    suppressed(&home, &office, "unsubscribed ada@example.org").await;

    daemon.signal("-TERM");
    assert_eq!(daemon.ended().await, Some(0));
    let log = home.read("log");
    assert!(log.contains("read the bounce mailbox") && !log.contains("ghost@") && !log.contains("ada@"), "{log}");
    assert_eq!(office.flags("bounces", "1.letter").as_deref(), Some("F"), "a person should read it");
    let again = said(&home.run(&["bounce", "--inbox"]).await);
    assert_eq!(
        again,
        "took in 0 messages from the bounce mailbox\n1 message in the bounce mailbox is flagged and waits for a person\n"
    );
}
