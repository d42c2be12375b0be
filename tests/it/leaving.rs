//! How subscribers leave, and what mail says back.

use std::sync::Arc;

use chrono::DateTime;
use mail_parser::MessageParser;
use paperpost::core::address::Address;
use paperpost::core::bounce::Class;
use paperpost::core::token::{Keyring, Purpose};
use paperpost::jobs::bounce::{self, Outcome, Outcome::Report};
use paperpost::mail::dkim::{Algorithm, Key, Signer, new_key};
use paperpost::mail::inbound::{self, Kind};
use paperpost::store::{OutboxState, Reason, Taken};
use paperpost::web::{self, Web};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::mail::Records;
use crate::site::{day, paper};
use crate::smtp::Act;
use crate::world::{Received, World};

const ADA: &str = "ada@example.org";
const BASE: &str = "https://papers.example.org/";

/// A world with one subscriber and one paper that fits.
async fn one_paper() -> World {
    let mut world = World::new().await;
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    world.subscribe(&block(ADA));
    world
}

fn block(address: &str) -> String {
    format!("email = \"{address}\"\nkeywords = [\"retrieval\"]")
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

fn header(mail: &Received, name: &str) -> Option<String> {
    let message = MessageParser::default().parse(&mail.bytes).expect("a message");
    Some(message.header_raw(name)?.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The return path of the first mail, from `MAIL FROM:<…>`.
fn return_path(world: &World) -> String {
    let line = world.smtp.mails()[0].from.clone();
    line.split(['<', '>']).nth(1).expect("a path in angle brackets").to_owned()
}

#[tokio::test]
async fn a_mail_says_how_to_leave_in_its_headers_and_in_its_foot() {
    let mut world = one_paper().await;
    world.deliver.sender.returns.base_url = Some(BASE.parse().expect("a URL"));
    world.subscribe(&block("bob@example.org"));
    world.once().await;
    let mail = &world.mails(ADA)[0];
    let unsubscribe = header(mail, "List-Unsubscribe").expect("a header");
    let (page, mailto) = unsubscribe.split_once(", ").expect("two ways");
    let page = page.trim_matches(['<', '>']);
    assert!(page.starts_with("https://papers.example.org/u/"), "{page}");
    assert!(mailto.starts_with("<mailto:papers@example.org?subject=unsubscribe%20"), "{mailto}");
    assert_eq!(header(mail, "List-Unsubscribe-Post").as_deref(), Some("List-Unsubscribe=One-Click"));
    assert_eq!(header(mail, "List-Help"), Some(format!("<{page}>")));
    assert!(mail.html.contains(&format!("href=\"{page}\"")) && mail.text.contains(page));
    assert!(!String::from_utf8_lossy(&mail.bytes).contains("ada%40"), "no address in a link");
    // Each reader has a link of their own.
    assert_ne!(header(&world.mails("bob@example.org")[0], "List-Unsubscribe"), Some(unsubscribe));
}

#[tokio::test]
async fn without_a_page_a_mail_can_be_left_by_mail() {
    let world = one_paper().await;
    world.once().await;
    let mail = &world.mails(ADA)[0];
    let unsubscribe = header(mail, "List-Unsubscribe").expect("a header");
    assert!(unsubscribe.starts_with("<mailto:papers@example.org?subject=unsubscribe%20"), "{unsubscribe}");
    assert_eq!(header(mail, "List-Unsubscribe-Post"), None);
    assert!(mail.text.contains("mailto:papers@example.org?subject=unsubscribe%20"), "{}", mail.text);
    assert_eq!(return_path(&world), "papers@example.org");
}

#[tokio::test]
async fn a_return_path_names_the_subscriber() {
    let mut world = one_paper().await;
    world.deliver.sender.returns.bounce = Some(address("bounces@example.org"));
    world.once().await;
    let path = return_path(&world);
    assert!(path.starts_with("bounces+") && path.ends_with("@example.org"), "{path}");
    assert!(world.deliver.sender.returns.keyring.find(Purpose::Bounce, &path).is_some());
}

#[tokio::test]
async fn a_delivered_mail_verifies_and_a_retry_is_the_same_bytes() {
    let mut world = one_paper().await;
    world.deliver.sender.returns.base_url = Some(BASE.parse().expect("a URL"));
    let pems = [Algorithm::Rsa, Algorithm::Ed25519].map(|algorithm| new_key(algorithm).expect("a key"));
    let keys = || ["r1", "e1"].into_iter().zip(&pems).map(|(name, pem)| Key::from_pem(name, pem).expect("a key"));
    world.deliver.sender.signer = Some(Arc::new(Signer::new("example.org", keys().collect()).expect("a signer")));
    // The answer after the message is lost: the server has it, and gets it again.
    world.smtp.will("body", Act::Close);
    world.once().await;
    world.at("2026-11-23 14:00");
    world.once().await;
    let mails = world.mails(ADA);
    let records = Records::new(keys().zip(["r1", "e1"]));
    let last = mails.last().expect("a mail");
    assert_eq!(records.verify(&last.bytes).await, [true, true]);
    assert_eq!(world.smtp.connections(), 2, "there were two attempts");
    let signed = header(last, "DKIM-Signature").expect("a signature").to_lowercase();
    assert!(signed.contains("list-unsubscribe:list-unsubscribe-post"), "RFC 8058 wants both signed: {signed}");

    let entry = &world.store.outbox(&[OutboxState::Sent], 1).expect("an outbox")[0];
    let mailing = world.store.mailing(entry.edition).expect("a database").expect("a mailing");
    let writer = paperpost::jobs::letter::Writer::new(world.store.clone(), world.deliver.sender.clone());
    world.at("2026-12-24 12:00");
    assert!(writer.write(&mailing).expect("a mail") == last.bytes, "whenever it is made");
}

#[tokio::test]
async fn a_suppressed_address_gets_nothing_from_a_file_that_adds_it_later() {
    let mut world = World::new().await;
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    let now = world.clock.now();
    assert!(world.store.suppress(&address("ADA@Example.org"), Reason::Operator, Some("asked"), now).expect("new"));
    let report = world.subscribe(&block(ADA));
    assert_eq!(report.withheld.iter().map(|w| w.consent.as_str()).collect::<Vec<_>>(), ["suppressed"]);
    world.once().await;
    assert!(world.mails(ADA).is_empty());
    let list = world.store.suppressions().expect("a list");
    assert_eq!((list[0].address.as_deref(), list[0].reason), (Some(ADA), Reason::Operator));

    assert!(world.store.lift_suppression(&address(ADA), now).expect("lifted"));
    assert!(!world.store.lift_suppression(&address(ADA), now).expect("nothing to lift"));
    world.once().await;
    assert_eq!(world.inbox(ADA), ["Retrieval at scale"]);
}

#[tokio::test]
async fn what_a_subscriber_said_stands_above_what_a_server_said() {
    let world = one_paper().await;
    let now = world.clock.now();
    let say = |reason| world.store.suppress(&address(ADA), reason, None, now).expect("a database");
    let reason = || world.store.suppressions().expect("a list")[0].reason;
    assert!(say(Reason::Bounced) && say(Reason::Unsubscribed));
    assert!(!say(Reason::Bounced) && !say(Reason::Operator) && !say(Reason::Unsubscribed));
    assert_eq!(reason(), Reason::Unsubscribed);
    assert_eq!(world.store.subscribers().expect("a list")[0].consent, "withdrawn");
}

/// One HTTP exchange over a socket of its own: status, head, body.
async fn http(port: u16, request: &str, headers: &str, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a server");
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let text =
        format!("{request} HTTP/1.1\r\nHost: papers.example.org\r\nConnection: close\r\n{headers}{length}\r\n{body}");
    stream.write_all(text.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, head.to_ascii_lowercase(), body.to_owned())
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

/// A served world: ada's mail is queued and not delivered yet.
struct Served {
    world: World,
    port: u16,
    /// The path of ada's link.
    path: String,
    stop: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
}

impl Served {
    async fn new() -> Self {
        let mut world = one_paper().await;
        world.deliver.sender.returns.base_url = Some(BASE.parse().expect("a URL"));
        world.scrape().await;
        let edition = world.publish().editions[0].edition;
        let mailing = world.store.mailing(edition).expect("a database").expect("a mailing");
        let link = world.deliver.sender.returns.link(&mailing.subscriber);
        let path = link.strip_prefix(BASE.trim_end_matches('/')).expect("a link to the page").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let web = Web {
            store: world.store.clone(),
            clock: world.clock.clone(),
            keyring: world.deliver.sender.returns.keyring.clone(),
            sender: "Paperpost".into(),
        };
        let stop = CancellationToken::new();
        let served = tokio::spawn(web::serve(listener, web, stop.clone()));
        Self { world, port, path, stop, served }
    }

    async fn ask(&self, method: &str, headers: &str, body: &str) -> (u16, String, String) {
        http(self.port, &format!("{method} {}", self.path), headers, body).await
    }

    fn consent(&self) -> String {
        self.world.store.subscribers().expect("a list")[0].consent.clone()
    }
}

#[tokio::test]
async fn looking_at_the_page_changes_nothing_however_often_and_whoever_looks() {
    let served = Served::new().await;
    for (method, headers) in [
        ("GET", ""),
        ("HEAD", ""),
        ("GET", "Purpose: prefetch\r\nSec-Purpose: prefetch;prerender\r\n"),
        ("GET", "User-Agent: LinkScanner/1\r\n"),
        ("GET", "Cookie: session=1\r\n"),
    ] {
        let (status, head, body) = served.ask(method, headers, "").await;
        assert_eq!(status, 200, "{method} {headers}");
        assert_eq!(body.contains("<form method=\"post\">"), method == "GET");
        for header in [
            "cache-control: no-store",
            "referrer-policy: no-referrer",
            "x-robots-tag: noindex",
            "content-security-policy: default-src 'none'; style-src 'sha256-",
        ] {
            assert!(head.contains(header), "{header} in {head}");
        }
        assert!(!head.contains("set-cookie") && !body.contains("example.org"), "{head}");
    }
    for method in ["PUT", "DELETE", "OPTIONS", "TRACE"] {
        assert_eq!(served.ask(method, "", "").await.0, 405, "{method}");
    }
    assert_eq!(served.consent(), "confirmed");
    served.world.deliver().await;
    assert_eq!(served.world.mails(ADA).len(), 1);
}

#[tokio::test]
async fn one_click_leaves_at_once_and_a_mail_queued_before_is_not_delivered() {
    let served = Served::new().await;
    let (status, head, first) = served.ask("POST", FORM, ONE_CLICK).await;
    assert_eq!(status, 200);
    assert!(!head.contains("set-cookie") && !head.contains("location:"), "{head}");
    assert_eq!(served.consent(), "withdrawn");
    // A second time, with a cookie, in the other encoding: the same answer.
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    for (headers, body) in [
        (format!("{FORM}Cookie: session=1\r\n"), ONE_CLICK),
        ("Content-Type: multipart/form-data; boundary=b\r\n".into(), multipart),
    ] {
        let (status, _, again) = served.ask("POST", &headers, body).await;
        assert_eq!((status, again), (200, first.clone()));
    }
    let mut world = served.world;
    world.deliver().await;
    assert!(world.mails(ADA).is_empty());
    // And the file can't bring them back.
    let report = world.subscribe(&block("bob@example.org"));
    assert_eq!(report.withheld.len(), 1);
    assert_eq!(world.store.suppressions().expect("a list")[0].reason, Reason::Unsubscribed);
}

#[tokio::test]
async fn a_post_that_is_no_unsubscription_changes_nothing() {
    let served = Served::new().await;
    let long = format!("List-Unsubscribe=One-Click&x={}", "x".repeat(9000));
    for (headers, body, expected) in [
        ("Content-Type: text/plain\r\n", ONE_CLICK, 415),
        ("Content-Type: application/json\r\n", "{}", 415),
        (FORM, "List-Unsubscribe=Maybe", 400),
        (FORM, long.as_str(), 413),
    ] {
        assert_eq!(served.ask("POST", headers, body).await.0, expected, "{headers}");
    }
    assert_eq!(served.consent(), "confirmed");
}

#[tokio::test]
async fn a_wrong_link_learns_nothing_and_a_right_one_no_more() {
    let mut served = Served::new().await;
    let right = served.path.clone();
    let other_key = Keyring::new(&[8; 32], []).mint(Purpose::Unsubscribe, &[1; 16]);
    let other_purpose = served.world.deliver.sender.returns.keyring.mint(Purpose::Bounce, &[1; 16]);
    let mut answers = Vec::new();
    for path in [
        format!("/u/{}", other_key.reveal()),
        format!("/u/{}", other_purpose.reveal()),
        format!("{right}x"),
        "/u/".into(),
        "/u/%00%ff".into(),
        "/".into(),
    ] {
        served.path = path;
        for method in ["GET", "POST"] {
            let (status, _, body) = served.ask(method, FORM, if method == "POST" { ONE_CLICK } else { "" }).await;
            assert!(matches!(status, 400 | 404), "{method} {}: {status}", served.path);
            assert!(!body.contains("example.org"));
            answers.push(body);
        }
    }
    // A genuine token of somebody who is not there any more is answered like any other.
    let gone = served.world.deliver.sender.returns.keyring.mint(Purpose::Unsubscribe, &[1; 16]);
    served.path = format!("/u/{}", gone.reveal());
    let unknown = served.ask("POST", FORM, ONE_CLICK).await;
    served.path = right;
    let known = served.ask("POST", FORM, ONE_CLICK).await;
    assert_eq!((unknown.0, unknown.2), (known.0, known.2));
}

#[tokio::test]
async fn a_watchman_sees_the_queue_and_the_counts() {
    let served = Served::new().await;
    assert_eq!(http(served.port, "GET /healthz", "", "").await.0, 200);
    let metrics = async || http(served.port, "GET /metrics", "", "").await.2;
    let before = metrics().await;
    assert!(before.contains("paperpost_outbox_mails{state=\"queued\"} 1\n"), "{before}");
    assert!(before.contains("paperpost_source_last_good_read_timestamp_seconds{source=\"huggingface\"} 1795435200\n"));
    assert!(before.contains("paperpost_delivery_attempts_total{outcome=\"sent\"} 0\n"));
    served.world.deliver().await;
    let after = metrics().await;
    assert!(after.contains("paperpost_outbox_mails{state=\"sent\"} 1\n"), "{after}");
    assert!(after.contains("paperpost_delivery_attempts_total{outcome=\"sent\"} 1\n"), "{after}");
    assert_eq!(metrics().await, after, "a look counts nothing twice");
    assert!(!after.contains('@'));
}

#[tokio::test]
async fn a_stop_ends_the_server_though_somebody_holds_a_connection() {
    let served = Served::new().await;
    let mut idle = TcpStream::connect(("127.0.0.1", served.port)).await.expect("a server");
    idle.write_all(b"GET /healthz HTTP/1.1\r\n").await.expect("half a request");
    served.stop.cancel();
    served.served.await.expect("no panic").expect("a graceful end");
}

/// A world whose mails have return paths of their own, with ada's first mail sent.
async fn sent() -> World {
    let mut world = one_paper().await;
    world.deliver.sender.returns.bounce = Some(address("bounces@example.org"));
    world.once().await;
    assert_eq!(world.mails(ADA).len(), 1);
    world
}

fn settings(world: &World) -> bounce::Settings {
    bounce::Settings { keyring: world.deliver.sender.returns.keyring.clone(), soft_limit: 5, soft_days: 10 }
}

fn take(world: &World, message: &str) -> Outcome {
    bounce::run(&world.store, &settings(world), message.as_bytes(), world.clock.now()).expect("a working database")
}

fn consent(world: &World) -> String {
    world.store.subscribers().expect("a list")[0].consent.clone()
}

/// A report as a mail server makes it, about one recipient.
struct Dsn<'a> {
    /// Whom the report is sent to.
    to: &'a str,
    /// The failed address.
    about: &'a str,
    action: &'a str,
    status: &'a str,
    words: &'a str,
    /// What came back of the mail: its headers.
    returned: &'a str,
    /// The media types of RFC 6533 instead of those of RFC 3464.
    is_global: bool,
}

impl Default for Dsn<'_> {
    fn default() -> Self {
        let (status, words) = ("5.1.1", "550 5.1.1 <ada@example.org>: no such user");
        Self { to: "bounces@example.org", about: ADA, action: "failed", status, words, returned: "", is_global: false }
    }
}

impl Dsn<'_> {
    fn text(&self) -> String {
        let Self { to, about, action, status, words, returned, is_global } = self;
        let (report, headers, kind) = match is_global {
            true => ("message/global-delivery-status", "message/global-headers", "utf-8"),
            false => ("message/delivery-status", "text/rfc822-headers", "rfc822"),
        };
        format!(
            "Return-Path: <>\r\nFrom: Mail System <postmaster@mx.example.org>\r\nTo: {to}\r\nSubject: Not delivered\r\n\
             Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=\"b/1\"\r\n\r\n\
             --b/1\r\nContent-Type: text/plain\r\n\r\nYour mail was not delivered.\r\n\r\n\
             --b/1\r\nContent-Type: {report}\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\n\
             Final-Recipient: {kind}; {about}\r\nAction: {action}\r\nStatus: {status}\r\n\
             Diagnostic-Code: smtp; {words}\r\n\r\n\
             --b/1\r\nContent-Type: {headers}\r\n\r\n{returned}\r\n\r\n--b/1--\r\n"
        )
    }
}

#[tokio::test]
async fn a_mailbox_that_does_not_exist_gets_no_more_mail() {
    for is_global in [false, true] {
        let world = sent().await;
        let to = return_path(&world);
        assert_eq!(take(&world, &Dsn { to: &to, is_global, ..Dsn::default() }.text()), Report(Taken::Suppressed));
        let list = world.store.suppressions().expect("a list");
        assert_eq!(
            (list[0].reason, list[0].note.as_deref()),
            (Reason::Bounced, Some("5.1.1 550 5.1.1 <***>: no such user"))
        );
        world.at("2026-11-24 12:00");
        world.site.list(day("2026-11-24"), paper("2611.00003", "More retrieval"));
        world.once().await;
        assert_eq!(world.mails(ADA).len(), 1);
    }
}

#[tokio::test]
async fn a_report_proves_itself_by_the_message_id_with_the_address_or_by_the_link_that_came_back() {
    let returned_id = |world: &World| format!("Message-ID: <{}>", world.mails(ADA)[0].message_id);
    let world = sent().await;
    assert_eq!(
        take(&world, &Dsn { returned: &returned_id(&world), ..Dsn::default() }.text()),
        Report(Taken::Suppressed)
    );

    let world = sent().await;
    let link = header(&world.mails(ADA)[0], "List-Unsubscribe").expect("a header");
    let returned = format!("List-Unsubscribe: {link}");
    assert_eq!(
        take(&world, &Dsn { returned: &returned, about: "x@example.net", ..Dsn::default() }.text()),
        Report(Taken::Suppressed)
    );

    let world = sent().await;
    let returned = format!("Return-Path: <{}>", return_path(&world));
    assert_eq!(take(&world, &Dsn { returned: &returned, ..Dsn::default() }.text()), Report(Taken::Suppressed));
}

#[tokio::test]
async fn a_forged_report_changes_nothing() {
    let world = sent().await;
    let id = world.mails(ADA)[0].message_id.clone();
    let forger = Keyring::new(&[9; 32], []);
    let mailing = world.store.mailing(1).expect("a database").expect("a mailing");
    let forged = format!("bounces+{}@example.org", forger.mint(Purpose::Bounce, &mailing.subscriber).reveal());
    let next = format!("Message-ID: <2{}>", &id[1..]);
    for dsn in [
        Dsn::default(),
        Dsn { to: &forged, ..Dsn::default() },
        Dsn { returned: "Message-ID: <1.00@example.org>", ..Dsn::default() },
        Dsn { returned: &next, ..Dsn::default() },
        // Whoever has got one of our mails can make up the Message-ID of another's, but not whose it is.
        Dsn { returned: &format!("Message-ID: <{id}>"), about: "bob@example.org", ..Dsn::default() },
    ] {
        assert_eq!(take(&world, &dsn.text()), Report(Taken::Unproven));
    }
    assert_eq!(consent(&world), "confirmed");
    assert_eq!(world.store.bounces(DateTime::UNIX_EPOCH).expect("a list"), []);
}

#[tokio::test]
async fn our_own_fault_and_a_delay_stop_nobody() {
    let world = sent().await;
    let to = return_path(&world);
    for status in ["5.7.1", "5.7.26", "5.6.7", "5.3.4"] {
        let words = format!("550 {status} blocked <ada@example.org>");
        let text = Dsn { to: &to, status, words: &words, ..Dsn::default() }.text();
        assert_eq!(take(&world, &text), Report(Taken::Noted), "{status}");
        assert_eq!(take(&world, &text), Report(Taken::Again), "{status}");
    }
    assert_eq!(
        take(&world, &Dsn { to: &to, action: "delayed", status: "4.4.1", ..Dsn::default() }.text()),
        Outcome::Ignored
    );
    assert_eq!(
        take(&world, &Dsn { to: &to, action: "relayed", status: "2.0.0", ..Dsn::default() }.text()),
        Outcome::Ignored
    );
    assert_eq!(consent(&world), "confirmed");
    let status = world.store.bounces(DateTime::UNIX_EPOCH).expect("a list");
    assert_eq!(status.iter().map(|s| (s.class.as_str(), s.count)).collect::<Vec<_>>(), [("sender", 4)]);
}

#[tokio::test]
async fn a_full_mailbox_is_forgiven_until_it_has_been_full_for_long() {
    let world = sent().await;
    let to = return_path(&world);
    // Day by day a mail, and each comes back; but for the sixth, which arrives.
    for date in 1..=18 {
        let mails = world.mails(ADA);
        let id = format!("Message-ID: <{}>", mails.last().expect("a mail").message_id);
        let text = Dsn { to: &to, status: "4.2.2", words: "452 4.2.2 full", returned: &id, ..Dsn::default() }.text();
        if date != 6 {
            let expected = if date < 17 { Taken::Noted } else { Taken::Suppressed };
            assert_eq!(take(&world, &text), Report(expected), "day {date}");
            assert_eq!(take(&world, &text), Report(Taken::Again), "day {date}: a report counts once");
        }
        if date == 17 {
            return;
        }
        let tomorrow = world.clock.now() + chrono::Duration::days(1);
        world.clock.set(tomorrow);
        world.site.list(tomorrow.date_naive(), paper(&format!("2612.{date:05}"), &format!("Retrieval {date}")));
        world.once().await;
    }
}

#[tokio::test]
async fn a_complaint_is_a_leave_and_praise_is_not() {
    let complaint = |world: &World, kind: &str| {
        let link = header(&world.mails(ADA)[0], "List-Unsubscribe").expect("a header");
        format!(
            "From: <fbl@example.net>\r\nTo: <papers@example.org>\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nA report.\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n\
             Feedback-Type: {kind}\r\nUser-Agent: Example/1\r\nVersion: 1\r\n\r\n\
             --b\r\nContent-Type: message/rfc822\r\n\r\nFrom: papers@example.org\r\nList-Unsubscribe: {link}\r\n\
             Subject: 1 new paper\r\n\r\nThe mail.\r\n--b--\r\n"
        )
    };
    let world = sent().await;
    assert_eq!(take(&world, &complaint(&world, "not-spam")), Outcome::Ignored);
    assert_eq!(consent(&world), "confirmed");
    assert_eq!(take(&world, &complaint(&world, "abuse")), Report(Taken::Suppressed));
    assert_eq!(world.store.suppressions().expect("a list")[0].reason, Reason::Complained);
}

#[tokio::test]
async fn a_reader_leaves_by_mail_and_a_vacation_notice_does_not() {
    let world = sent().await;
    let path = return_path(&world);
    let letter = |to: &str, subject: &str, more: &str| {
        format!("From: Ada <ada@example.org>\r\nTo: {to}\r\nSubject: {subject}\r\n{more}\r\nText.\r\n")
    };
    assert_eq!(take(&world, &letter(&path, "Away", "Auto-Submitted: auto-replied\r\n")), Outcome::Ignored);
    assert_eq!(take(&world, &letter(&path, "unsubscribe", "")), Outcome::Unknown, "a return path is no way to leave");
    assert_eq!(take(&world, &letter("bounces@example.org", "unsubscribe AAAA", "")), Outcome::Unknown);
    assert_eq!(consent(&world), "confirmed");

    let link = header(&world.mails(ADA)[0], "List-Unsubscribe").expect("a header");
    let subject = link.split_once("?subject=").expect("a subject").1.trim_end_matches('>').replace("%20", " ");
    for _ in 0..2 {
        assert_eq!(take(&world, &letter("bounces@example.org", &subject, "")), Outcome::Left);
    }
    assert_eq!(consent(&world), "withdrawn");
}

#[tokio::test]
async fn a_maildir_is_worked_through_and_what_a_person_should_read_is_flagged() {
    let world = sent().await;
    let maildir = tempfile::tempdir().expect("a folder");
    for folder in ["new", "cur", "tmp"] {
        std::fs::create_dir(maildir.path().join(folder)).expect("a folder");
    }
    let put = |name: &str, text: &str| std::fs::write(maildir.path().join("new").join(name), text).expect("written");
    put("1.a", &Dsn { to: &return_path(&world), ..Dsn::default() }.text());
    put("2.b", "From: a@example.net\r\nSubject: A question\r\n\r\nHello?\r\n");
    put("3.c:2,", &Dsn::default().text());
    let poll = || bounce::poll(&world.store, &settings(&world), maildir.path(), world.clock.now()).expect("a Maildir");
    assert_eq!((poll(), poll()), (3, 0));
    let names = std::fs::read_dir(maildir.path().join("cur")).expect("a folder");
    let mut names: Vec<_> =
        names.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    assert_eq!(names, ["1.a:2,S", "2.b:2,F", "3.c:2,F"]);
    assert_eq!(consent(&world), "suppressed");
}

/// Reports of real mail servers, where PAPERPOST_MAILLAB names the folder that has them: their names begin with what
/// they are (`dsn-failed-5.1.1-…`). None is about a mail of ours, so none may change anything.
#[tokio::test]
async fn reports_of_real_servers_are_understood() {
    let Some(folder) = std::env::var_os("PAPERPOST_MAILLAB") else {
        eprintln!("skipped: PAPERPOST_MAILLAB names no folder");
        return;
    };
    let world = sent().await;
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let bytes = std::fs::read(&path).expect("a file");
        let inbound = inbound::read(&bytes).expect("a message");
        let Kind::Report(recipients) = &inbound.kind else { panic!("{name}: {:?}", inbound.kind) };
        let failure = paperpost::core::bounce::failure(recipients).expect("a failure");
        let expected = match &failure.status[..] {
            "5.1.1" | "5.1.0" | "5.2.1" => Class::Hard,
            "5.7.1" => Class::Sender,
            _ => Class::Soft,
        };
        assert_eq!(failure.class, expected, "{name}");
        assert!(!inbound.message_ids.is_empty() && inbound.recipients.iter().any(|r| r.contains('@')), "{name}");
        assert!(inbound.addressed.iter().chain(&inbound.returned).any(|text| text.contains("b+")), "{name}");
        assert_eq!(take(&world, &String::from_utf8_lossy(&bytes)), Report(Taken::Unproven), "{name}");
        count += 1;
    }
    assert!(count > 0);
}
