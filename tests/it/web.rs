//! The page on which a reader leaves, over real sockets, and what a watchman asks.

use std::sync::Arc;
use std::time::Duration;

use paperpost::clock::Clock;
use paperpost::core::address::Address;
use paperpost::core::subscription::Consent;
use paperpost::core::token::{Keyring, Purpose};
use paperpost::mail::dkim::{Algorithm, new_key};
use paperpost::store::{OutboxState, Reason};
use paperpost::web::{self, Limits, Web};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::bounces::{Dsn, take};
use crate::leaving::{ADA, BASE, block, one_paper};
use crate::process::{Home, said, until};
use crate::site::{Site, paper};
use crate::smtp::SmtpServer;
use crate::world::World;

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
    served: JoinHandle<()>,
}

impl Served {
    async fn new() -> Self {
        Self::within(Limits::default()).await
    }

    async fn within(limits: Limits) -> Self {
        Self::of(one_paper().await, limits).await
    }

    async fn of(mut world: World, limits: Limits) -> Self {
        world.deliver.sender.returns.base_url = Some(BASE.parse().expect("a URL"));
        world.scrape().await;
        world.publish();
        let queued = world.store.outbox(&[OutboxState::Queued], 9).expect("an outbox").into_iter();
        let mailings = queued.map(|mail| {
            world.store.mailing(mail.edition.expect("an edition")).expect("a database").expect("a mailing")
        });
        let mut mailings = mailings.filter(|mailing| mailing.subscription.address.reveal() == ADA);
        let mailing = mailings.next().expect("ada's");
        let link = world.deliver.sender.returns.way_out(&mailing.subscriber).link().to_owned();
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
        let served = tokio::spawn(web::serve(listener, move || web.clone(), limits, stop.clone()));
        Self { world, port, path, stop, served }
    }

    async fn ask(&self, method: &str, headers: &str, body: &str) -> (u16, String, String) {
        http(self.port, &format!("{method} {}", self.path), headers, body).await
    }

    fn consent(&self) -> Consent {
        self.world.store.subscribers().expect("a list")[0].consent
    }
}

#[tokio::test]
async fn one_of_two_who_have_an_entry_together_leaves_by_link_and_the_other_stays() {
    let world = one_paper().await;
    let entry = "[[subscription]]\nemail = [\"ada@example.org\", \"bob@example.org\"]\nkeywords = [\"retrieval\"]\n";
    world.take_in(entry);
    let served = Served::of(world, Limits::default()).await;
    assert_eq!(served.ask("POST", FORM, ONE_CLICK).await.0, 200);
    assert_eq!(served.world.take_in(entry).withheld.len(), 1);
    served.world.deliver().await;
    let mails = |reader: &str| served.world.mails(reader).len();
    assert_eq!((mails(ADA), mails("bob@example.org")), (0, 1));
}

#[tokio::test]
async fn who_sends_a_head_drop_by_drop_is_cut_off_and_keeps_nobody_out() {
    let served = Served::within(Limits { head: Duration::from_millis(400), connections: 3 }).await;
    let port = served.port;
    let all_connected = Arc::new(Barrier::new(4));
    let slow: Vec<JoinHandle<usize>> = (0..3)
        .map(|_| {
            let all_connected = all_connected.clone();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a server");
                all_connected.wait().await;
                let mut sent = 0;
                for byte in b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: ".iter().chain(b"a".iter().cycle()) {
                    if stream.write_all(&[*byte]).await.is_err() {
                        break;
                    }
                    sent += 1;
                    // A real wait: slowness is the matter.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                sent
            })
        })
        .collect();
    all_connected.wait().await;
    // Another one says nothing at all.
    let mut silent = TcpStream::connect(("127.0.0.1", port)).await.expect("a server");
    let (status, _, body) = http(port, "GET /healthz", "", "").await;
    assert_eq!((status, body.as_str()), (200, "ok\n"), "answered when there is room again");
    for slow in slow {
        assert!(slow.await.expect("no panic") > 0, "each was cut off");
    }
    assert_eq!(silent.read(&mut [0; 16]).await.unwrap_or(0), 0, "and so is who is silent");
    served.stop.cancel();
    served.served.await.expect("it ends");
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
    assert_eq!(served.consent(), Consent::Confirmed);
    served.world.deliver().await;
    assert_eq!(served.world.mails(ADA).len(), 1);
}

#[tokio::test]
async fn one_click_leaves_at_once_and_a_mail_queued_before_is_not_delivered() {
    let served = Served::new().await;
    let (status, head, first) = served.ask("POST", FORM, ONE_CLICK).await;
    assert_eq!(status, 200);
    assert!(!head.contains("set-cookie") && !head.contains("location:"), "{head}");
    assert_eq!(served.consent(), Consent::Withdrawn);
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
    assert_eq!(served.consent(), Consent::Confirmed);
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
    let (status, _, body) = served.ask("POST", FORM, ONE_CLICK).await;
    assert!(status == 200 && body.contains("You have left") && !body.contains("undo"), "{body}");
    // Mail programs and people take too much of a link.
    for end in ["/", ".", ").", "%3E"] {
        served.path = format!("{right}{end}");
        assert_eq!(served.ask("GET", "", "").await.0, 200, "{end}");
    }
    served.path = format!("{right}/");
    assert_eq!(served.ask("POST", FORM, ONE_CLICK).await.0, 200);
    assert_eq!(served.consent(), Consent::Withdrawn);
}

/// The value of the page's hidden field `undo`.
fn undo_of(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("name=\"undo\" value=\"")?;
    Some(format!("undo={}", rest.split('"').next()?))
}

#[tokio::test]
async fn a_leaving_is_undone_by_its_own_page_for_a_week_and_by_nothing_else() {
    let served = Served::new().await;
    let (_, _, page) = served.ask("POST", FORM, ONE_CLICK).await;
    assert!(page.contains("You left on 23 November 2026"), "{page}");
    let undo = undo_of(&page).expect("a way back");
    // Neither a GET nor the link's own token does it.
    let token = served.path.trim_start_matches("/u/").to_owned();
    assert_eq!(served.ask("GET", "", "").await.0, 200);
    assert_eq!(served.ask("POST", FORM, &format!("undo={token}")).await.0, 404);
    assert_eq!(served.consent(), Consent::Withdrawn);
    for _ in 0..2 {
        let (status, _, page) = served.ask("POST", FORM, &undo).await;
        assert!(status == 200 && page.contains("You are subscribed"), "{page}");
        assert_eq!(served.consent(), Consent::Confirmed);
    }
    // The way back from one leaving is none from the next; and a week later there is none.
    let (_, _, page) = served.ask("POST", FORM, ONE_CLICK).await;
    assert_eq!(served.ask("POST", FORM, &undo).await.0, 410);
    let undo = undo_of(&page).expect("a way back");
    let clock = &served.world.clock;
    clock.set(clock.now() + chrono::Duration::days(7));
    assert_eq!(served.ask("POST", FORM, &undo).await.0, 410);
    assert!(undo_of(&served.ask("POST", FORM, ONE_CLICK).await.2).is_none());
    assert_eq!(served.consent(), Consent::Withdrawn);
}

#[tokio::test]
async fn what_a_complaint_a_bounce_or_the_operator_said_has_no_way_back() {
    for reason in [Reason::Complained, Reason::Bounced, Reason::Operator] {
        let served = Served::new().await;
        let ada = Address::parse(ADA).expect("an address");
        served.world.store.suppress(&ada, reason, None, served.world.clock.now()).expect("a database");
        let (_, _, page) = served.ask("POST", FORM, ONE_CLICK).await;
        assert!(page.contains("You have left") && undo_of(&page).is_none(), "{reason:?}: {page}");
        // Nor has a leaving that it comes after.
        let served = Served::new().await;
        let undo = undo_of(&served.ask("POST", FORM, ONE_CLICK).await.2).expect("a way back");
        served.world.store.suppress(&ada, reason, None, served.world.clock.now()).expect("a database");
        assert_eq!(served.ask("POST", FORM, &undo).await.0, 410, "{reason:?}");
        assert_ne!(served.consent(), Consent::Confirmed, "{reason:?}");
        let reasons: Vec<Reason> =
            served.world.store.suppressions().expect("a list").into_iter().map(|found| found.reason).collect();
        let is_stronger = reason == Reason::Complained;
        assert_eq!(reasons, [if is_stronger { reason } else { Reason::Unsubscribed }]);
    }
}

#[tokio::test]
async fn who_opens_the_link_again_is_told_since_when_they_have_left() {
    let served = Served::new().await;
    assert!(served.ask("GET", "", "").await.2.contains("Stop the digest?"));
    served.ask("POST", FORM, ONE_CLICK).await;
    let page = served.ask("GET", "", "").await.2;
    assert!(page.contains("You left on 23 November 2026") && undo_of(&page).is_some(), "{page}");
    assert_eq!(served.consent(), Consent::Withdrawn);
}

#[tokio::test]
async fn who_left_is_forgotten_after_a_while_and_a_return_finds_the_old_ledger() {
    let served = Served::new().await;
    served.world.deliver().await;
    let mut world = served.world;
    let ada = Address::parse(ADA).expect("an address");
    world.store.suppress(&ada, Reason::Unsubscribed, None, world.clock.now()).expect("a database");
    let forget =
        |world: &World| paperpost::jobs::leave::forget(&world.store, 30, world.clock.now()).expect("a database");
    assert_eq!(forget(&world), 0);
    world.clock.set(world.clock.now() + chrono::Duration::days(31));
    assert_eq!((forget(&world), forget(&world)), (1, 0));
    let known = |world: &World| serde_json::to_string(&world.store.subscribers().expect("a list")).expect("JSON");
    assert!(!known(&world).contains(ADA), "{}", known(&world));

    // A file that still lists them makes no new row.
    let before = world.store.subscribers().expect("a list").len();
    let report = world.subscribe(&block("bob@example.org"));
    assert!(report.withheld.iter().any(|withheld| withheld.address == ada), "{:?}", report.withheld);
    assert_eq!(world.store.subscribers().expect("a list").len(), before + 1, "Bob alone is new");

    // They return: what they had does not come again.
    assert!(world.store.lift_suppression(&ada, world.clock.now()).expect("a database"));
    assert!(known(&world).contains(ADA), "{}", known(&world));
    world.publish();
    world.deliver().await;
    assert_eq!(world.mails(ADA).len(), 1);
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
    assert!(after.contains("paperpost_suspected_mailboxes{state=\"undecided\"} 0\n"), "{after}");
    let id = served.world.mails(ADA)[0].message_id.clone();
    let returned = format!("Message-ID: <{id}>");
    take(
        &served.world,
        &Dsn { status: "4.2.2", words: "452 4.2.2 full", returned: &returned, ..Dsn::default() }.text(),
    );
    assert!(metrics().await.contains("paperpost_bounces{class=\"soft\"} 1\n"));
    assert!(!after.contains('@'));
    assert!(after.contains("paperpost_subscribers{state=\"pending\"} 0\n"), "{after}");
    served.world.database().run("UPDATE subscriptions SET origin = 'web', consent = 'pending'");
    let pending = metrics().await;
    assert!(pending.contains("paperpost_subscribers{state=\"pending\"} 1\n"), "{pending}");
    assert!(pending.contains("paperpost_subscribers{state=\"active\"} 0\n"), "{pending}");
    for (text, wrong, held) in [("[[subscription]]\nemail = ", 1, 0), ("", 0, 0)] {
        served.world.take_in(text);
        let now = metrics().await;
        assert!(now.contains(&format!("paperpost_subscription_files{{state=\"wrong\"}} {wrong}\n")), "{now}");
        assert!(now.contains(&format!("paperpost_subscribers{{state=\"held\"}} {held}\n")), "{now}");
    }
}

#[tokio::test]
async fn a_stop_ends_the_server_though_somebody_holds_a_connection() {
    let served = Served::new().await;
    let mut idle = TcpStream::connect(("127.0.0.1", served.port)).await.expect("a server");
    idle.write_all(b"GET /healthz HTTP/1.1\r\n").await.expect("half a request");
    served.stop.cancel();
    served.served.await.expect("a graceful end");
}

#[tokio::test]
async fn the_daemon_serves_the_page_reads_its_maildir_and_ends_in_order() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
    let home = Home::new(&site, &smtp, &format!("[[subscription]]\n{}\n", block(ADA)));
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let settings = home.read("paperpost.toml").replace("[mail]\n", "[mail]\nbounce = \"bounces@example.org\"\n");
    home.write(
        "paperpost.toml",
        &format!(
            "{settings}[web]\nlisten = \"127.0.0.1:{port}\"\nbase_url = \"{BASE}\"\n[bounces]\nmaildir = \"bounces\"\n\
             [dkim]\ned25519_selector = \"e1\"\ned25519_key_file = \"e1.pem\"\n"
        ),
    );
    home.write("e1.pem", &new_key(Algorithm::Ed25519).expect("a key"));
    for folder in ["bounces/new", "bounces/cur"] {
        std::fs::create_dir_all(home.path(folder)).expect("a folder");
    }
    home.write("bounces/new/1.a", "Subject: Hello\r\n\r\nIs anybody there?\r\n");

    let mut daemon = home.daemon("log");
    until("the first edition is sent", || smtp.mails().len() == 1).await;
    until("the letter is flagged", || home.path("bounces/cur/1.a:2,F").exists()).await;
    let mail = String::from_utf8(smtp.mails()[0].bytes.clone()).expect("text");
    assert!(mail.starts_with("DKIM-Signature: ") && smtp.mails()[0].from.contains("<bounces+"), "{mail}");
    let token = mail.split("papers.example.org/u/").nth(1).and_then(|rest| rest.get(..47)).expect("a token");
    assert_eq!(http(port, "GET /healthz", "", "").await.0, 200);
    assert_eq!(http(port, &format!("POST /u/{token}"), FORM, ONE_CLICK).await.0, 200);
    let list = said(&home.run(&["list"]).await);
    assert!(list.contains("none: withdrawn") && list.contains("unsubscribed on"), "{list}");

    daemon.signal("-TERM");
    assert_eq!(daemon.ended().await, Some(0));
    let log = home.read("log");
    assert!(log.contains("a subscriber left") && !log.contains(token) && !log.contains(ADA), "{log}");
}

#[tokio::test]
async fn a_request_is_answered_by_the_settings_of_its_time() {
    let mut served = Served::new().await;
    let keyring = served.world.deliver.sender.returns.keyring.clone();
    let web = Web { store: served.world.store.clone(), clock: served.world.clock.clone(), keyring, sender: "A".into() };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    served.port = listener.local_addr().expect("an address").port();
    let (changes, current) = tokio::sync::watch::channel(web);
    let stop = CancellationToken::new();
    let serving = tokio::spawn(web::serve(listener, move || current.borrow().clone(), Limits::default(), stop.clone()));
    for sender in ["A sender", "Another sender"] {
        changes.send_modify(|web| web.sender = sender.to_owned());
        let (status, _, page) = served.ask("GET", "", "").await;
        assert!(status == 200 && page.contains(sender), "{sender}: {page}");
    }
    stop.cancel();
    serving.await.expect("no panic");
}
