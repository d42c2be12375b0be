//! What a mail says of leaving, and what leaving does.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use mail_parser::MessageParser;
use paperpost::config;
use paperpost::core::address::Address;
use paperpost::core::delivery::{Receipt, SendError};
use paperpost::core::subscription::Consent;
use paperpost::core::token::Purpose;
use paperpost::jobs::deliver;
use paperpost::mail::dkim::{Algorithm, Key, Signer, new_key};
use paperpost::mail::smtp::Smtp;
use paperpost::mail::{Handover, Mail, Transport};
use paperpost::store::{OutboxState, Reason, Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::database::Database;
use crate::letter::Records;
use crate::site::{day, paper};
use crate::smtp::Act;
use crate::world::{Received, World};

pub(crate) const ADA: &str = "ada@example.org";
pub(crate) const BASE: &str = "https://papers.example.org/";

/// A world with one subscriber and one paper that fits.
pub(crate) async fn one_paper() -> World {
    let mut world = World::new().await;
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    world.subscribe(&block(ADA));
    world
}

pub(crate) fn block(address: &str) -> String {
    format!("email = \"{address}\"\nkeywords = [\"retrieval\"]")
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

pub(crate) fn header(mail: &Received, name: &str) -> Option<String> {
    let message = MessageParser::default().parse(&mail.bytes).expect("a message");
    Some(message.header_raw(name)?.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The return path of the first mail, from `MAIL FROM:<…>`.
pub(crate) fn return_path(world: &World) -> String {
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
    assert_eq!(header(mail, "List-Help").as_deref(), Some("<mailto:papers@example.org?subject=help>"));
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
    let mailing = world.store.mailing(entry.edition.expect("an edition")).expect("a database").expect("a mailing");
    let writer = paperpost::compose::Writer::new(world.store.clone(), world.deliver.sender.clone());
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
    assert_eq!(report.withheld.iter().map(|w| w.consent).collect::<Vec<_>>(), [Consent::Suppressed]);
    world.once().await;
    assert!(world.mails(ADA).is_empty());
    let list = world.store.suppressions().expect("a list");
    assert_eq!((list[0].address.as_deref(), list[0].reason), (Some(ADA), Reason::Operator));

    assert!(world.store.lift_suppression(&address(ADA), now).expect("lifted"));
    assert!(!world.store.lift_suppression(&address(ADA), now).expect("nothing to lift"));
    world.once().await;
    assert_eq!(world.inbox(ADA), ["Retrieval at scale"]);
}

/// A way out through which bob leaves while ada's mail is being sent.
struct BobLeaves {
    inner: Arc<Smtp>,
    store: Store,
    now: DateTime<Utc>,
}

impl Transport for BobLeaves {
    async fn send_with_handover(&self, mail: &Mail, turn: Handover<'_>) -> Result<Option<Receipt>, SendError> {
        self.store.suppress(&address("bob@example.org"), Reason::Unsubscribed, None, self.now).expect("a database");
        self.inner.send_with_handover(mail, turn).await
    }
}

#[tokio::test]
async fn who_leaves_between_the_claim_and_the_sending_gets_nothing() {
    let mut world = one_paper().await;
    world.subscribe(&block("bob@example.org"));
    world.scrape().await;
    world.publish();
    world.deliver.connections = 1;
    let (inner, store) = (world.transport.clone(), world.store.clone());
    let transport = Arc::new(BobLeaves { inner, store, now: world.clock.now() });
    for _ in 0..2 {
        let stop = CancellationToken::new();
        deliver::run(&world.store, &transport, &world.deliver, &world.clock, &stop).await.expect("a working database");
    }
    assert_eq!((world.mails(ADA).len(), world.mails("bob@example.org").len()), (1, 0));
    assert_eq!(world.store.outbox(&[OutboxState::Dropped], 10).expect("an outbox").len(), 1);
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
    assert_eq!(world.store.subscribers().expect("a list")[0].consent, Consent::Withdrawn);
}

#[tokio::test]
async fn who_is_forgotten_is_nowhere_in_the_file() {
    let mut world = World::new().await;
    let addresses: Vec<String> = (0..40).map(|number| format!("reader{number}@left.example.org")).collect();
    for address in &addresses {
        world.add(&format!("email = \"{address}\"\nname = \"Of left.example.org\"\nkeywords = [\"retrieval\"]"));
    }
    world.sync();
    for address in addresses.iter().map(|text| address(text)) {
        world.store.suppress(&address, Reason::Unsubscribed, None, world.clock.now()).expect("a database");
    }
    world.clock.set(world.clock.now() + chrono::Duration::days(31));
    assert_eq!(paperpost::jobs::leave::forget(&world.store, 30, world.clock.now()).expect("a database"), 40);
    for end in ["db", "db-wal"] {
        let bytes = std::fs::read(world.database_file().with_extension(end)).unwrap_or_default();
        let found = bytes.windows(16).filter(|part| *part == b"left.example.org").count();
        assert_eq!(found, 0, "p.{end}");
    }
}

#[test]
fn a_database_of_the_first_version_is_brought_up_to_date_with_keys_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let make = |name: &str| {
        let path = folder.path().join(name);
        Database::of_version(&path, 1);
        path
    };
    let paths = [make("a.db"), make("b.db")];
    let refused = Store::open_read_only(&paths[0]).map(drop).expect_err("nothing is migrated for a look");
    assert!(matches!(refused, StoreError::Older), "{refused}");
    let keys = paths.map(|path| {
        let first = Store::open(&path).expect("migrated").token_key().expect("a database");
        assert_eq!(Store::open(&path).expect("opened again").token_key().expect("a database"), first);
        first.filter(|key| key.len() == 32).expect("a key")
    });
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn settings_that_would_lose_a_reader_a_bounce_or_a_signature_are_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("paperpost.toml");
    let text = "[subscriptions]\nfiles = []\n[mail]\nbounce = \"papers-that-came-back@example.org\"\n[dkim]\n\
                rsa_selector = \"r1\"\ned25519_key = \"x\"\ndomain = \"exa mple\"\n[web]\nlisten = \"8035\"\n\
                base_url = \"https://example.org\"\n[tokens]\nkey = \"too short\"\n[bounces]\nsoft_limit = 0\n";
    std::fs::write(&path, text).expect("written");
    let problems = |set: &[(String, String)]| match config::load(Some(&path), set, std::iter::empty()) {
        Ok(settings) => settings.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    };
    let found = problems(&[]);
    for expected in [
        ":4:10: mail.bounce: expected at most 16 plain characters before the @",
        ":6:16: dkim.rsa_selector: there is no key to it",
        ":7:15: dkim.ed25519_selector: is missing, and there is a key",
        ":8:10: dkim.domain: expected a name of letters",
        ":10:10: web.listen: expected an IP address and a port",
        ":13:7: tokens.key: expected one secret a line",
        ":15:14: bounces.soft_limit: expected",
    ] {
        assert!(found.iter().any(|problem| problem.contains(expected)), "{expected} in {found:#?}");
    }
    std::fs::write(&path, "[web]\nbase_url = \"https://example.org\"\n").expect("written");
    let found = problems(&[("subscriptions.files".into(), String::new())]);
    assert!(found.iter().any(|problem| problem.contains("web.base_url: mails link there, but")), "{found:?}");
}
