//! A world of one's own for a test: a site, a mail server, a database, a clock, and a user's verbs.
//!
//! ```ignore
//! let mut world = World::new().await;
//! world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
//! world.subscribe(r#"email = "ada@example.org"
//!                    keywords = ["retrieval"]"#);
//! world.once().await;
//! assert_eq!(world.inbox("ada@example.org"), ["Retrieval at scale"]);
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use mail_parser::MessageParser;
use paperpost::clock::Clock;
use paperpost::compose::Sender;
use paperpost::compose::returns::Returns;
use paperpost::config::{self, Settings, SubscriptionFiles};
use paperpost::core::address::Mailbox;
use paperpost::core::pacing::Policy;
use paperpost::core::paper::SourceId;
use paperpost::core::server::Tls;
use paperpost::core::subscription::Subscription;
use paperpost::core::token::Keyring;
use paperpost::jobs::deliver::pace::{self, Held, Pace};
use paperpost::jobs::{deliver, publish, scrape};
use paperpost::mail::smtp::Smtp;
use paperpost::source::Source;
use paperpost::source::fetch::{Client, Options};
use paperpost::source::huggingface::{HuggingFace, Lists};
use paperpost::store::{Store, StoreError, SyncReport};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::database::Database;
use crate::site::Site;
use crate::smtp::{SmtpServer, Taken};

/// Everything a test of the whole pipeline needs; each has its own.
pub(crate) struct World {
    pub(crate) site: Site,
    pub(crate) smtp: SmtpServer,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) client: Client,
    pub(crate) source: HuggingFace,
    pub(crate) transport: Arc<Smtp>,
    pub(crate) publish: publish::Settings,
    pub(crate) deliver: deliver::Settings,
    policy: Policy,
    folder: TempDir,
    /// The subscription blocks of the file.
    blocks: Vec<String>,
}

/// `2026-11-23 08:00` as an instant, UTC.
pub(crate) fn utc(text: &str) -> DateTime<Utc> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a time like 2026-11-23 08:00").and_utc()
}

fn client(clock: &Clock) -> Client {
    let options = Options {
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_secs(2),
        tries: 2,
        backoff: Duration::from_millis(2),
        patience: Duration::from_secs(2),
        pause: Some(Duration::ZERO),
        ..Options::new("paperpost-test/0 (papers@example.org)")
    };
    Client::new(options).expect("a client").with_clock(clock.clone())
}

impl World {
    /// An empty world at noon of Monday, 23 November 2026, UTC.
    pub(crate) async fn new() -> Self {
        Self::upon(|_| ()).await
    }

    /// The same, with the database that `prepare` leaves at its path.
    pub(crate) async fn upon(prepare: impl FnOnce(&Path)) -> Self {
        // The program does this first thing in main.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (site, smtp) = (Site::start().await, SmtpServer::start().await);
        let folder = tempfile::tempdir().expect("a folder");
        prepare(&folder.path().join("p.db"));
        let id = SourceId::parse("huggingface").expect("a name");
        let clock = Clock::fixed(utc("2026-11-23 12:00"));
        let from = Mailbox { name: Some("Paperpost".into()), address: address("papers@example.org") };
        Self {
            clock: clock.clone(),
            store: Store::open(&folder.path().join("p.db")).expect("a database"),
            client: client(&clock),
            source: HuggingFace { id: id.clone(), base: site.base(), lists: Lists::Daily { days: 5 }, token: None },
            transport: Arc::new(Smtp::new(smtp.settings(Tls::None)).expect("settings")),
            publish: publish::Settings { window: chrono::Duration::days(14), also: 5, domain: "example.org".into() },
            deliver: deliver::Settings {
                sender: Sender {
                    from,
                    reply_to: None,
                    list_id: ("Paperpost digest".into(), "paperpost.example.org".into()),
                    change: None,
                    returns: Returns {
                        keyring: Arc::new(Keyring::new(&[7; 32], [])),
                        base_url: None,
                        mailbox: address("papers@example.org"),
                        person: address("papers@example.org"),
                        bounce: None,
                    },
                    signer: None,
                    sources: [(id, "Hugging Face Daily Papers".to_owned())].into(),
                },
                shared: Arc::default(),
                connections: 2,
                pace: Arc::default(),
                soft_limit: 5,
                soft_days: 10,
            },
            site,
            smtp,
            policy: Policy::default(),
            folder,
            blocks: Vec::new(),
        }
    }

    pub(crate) fn database_file(&self) -> PathBuf {
        self.folder.path().join("p.db")
    }

    pub(crate) fn database(&self) -> Database {
        Database::open(&self.database_file())
    }

    /// Sets limits, as settings with them do.
    pub(crate) fn pace(&mut self, policy: Policy) {
        self.policy = policy.clone();
        self.deliver.pace = Arc::new(Pace::new(policy));
    }

    /// What `paperpost status` says of what is held.
    pub(crate) fn held(&self) -> Vec<Held> {
        pace::held(&self.store, &self.policy, self.clock.now()).expect("a working database")
    }

    /// Opens the database anew, as a restart does; claims of the "process" before are taken back.
    pub(crate) fn reopen(&mut self) {
        self.deliver.pace = Arc::new(Pace::new(self.policy.clone()));
        self.store = Store::open(&self.database_file()).expect("the database");
        self.store.recover_claims(self.clock.now()).expect("recovered");
    }

    pub(crate) fn at(&self, time: &str) {
        self.clock.set(utc(time));
    }

    /// Adds a `[[subscription]]` block to the file and takes the file in.
    pub(crate) fn subscribe(&mut self, block: &str) -> SyncReport {
        self.add(block);
        self.sync()
    }

    /// Adds many at once.
    pub(crate) fn subscribe_all(&mut self, blocks: Vec<String>) -> SyncReport {
        self.blocks.extend(blocks);
        self.sync()
    }

    /// Adds a block to the file, which is not taken in yet.
    pub(crate) fn add(&mut self, block: &str) {
        self.blocks.push(block.to_owned());
    }

    /// Changes the one block that has this text, or removes it, and takes the file in.
    pub(crate) fn change(&mut self, containing: &str, block: Option<&str>) -> SyncReport {
        let index = self.blocks.iter().position(|b| b.contains(containing)).expect("a block");
        match block {
            Some(block) => self.blocks[index] = block.to_owned(),
            None => drop(self.blocks.remove(index)),
        }
        self.sync()
    }

    /// Lets every subscription have had its first edition, yesterday: from now on what has no room is owed.
    pub(crate) fn begin(&self) {
        let yesterday = self.clock.now() - chrono::Duration::days(1);
        self.database().run(&format!("UPDATE subscriptions SET decided = {}", yesterday.timestamp()));
    }

    pub(crate) fn sync(&self) -> SyncReport {
        let subscriptions = self.subscriptions();
        self.store.sync(&subscriptions, self.clock.now()).expect("synced")
    }

    /// Takes in a file of this text, as a daemon does.
    pub(crate) fn take_in(&self, text: &str) -> SyncReport {
        std::fs::write(self.folder.path().join("subscriptions.toml"), text).expect("written");
        let files = self.files();
        self.store.take_in(&files.read().listing(&files), self.clock.now()).expect("taken in")
    }

    /// Where the subscriptions are.
    pub(crate) fn files(&self) -> SubscriptionFiles {
        SubscriptionFiles::of(&self.settings())
    }

    /// The subscriptions of the file.
    pub(crate) fn subscriptions(&self) -> Vec<Subscription> {
        let text: String = self.blocks.iter().map(|block| format!("[[subscription]]\n{block}\n\n")).collect();
        std::fs::write(self.folder.path().join("subscriptions.toml"), text).expect("written");
        let (subscriptions, _) = config::load_subscriptions(&self.settings()).expect("right subscriptions");
        subscriptions
    }

    fn settings(&self) -> Settings {
        let path = self.folder.path().join("paperpost.toml");
        std::fs::write(&path, "[subscriptions]\nfiles = [\"subscriptions.toml\"]\n").expect("written");
        config::load(Some(&path), &[], std::iter::empty()).expect("right settings")
    }

    /// What reads sources, as a new process has it.
    pub(crate) fn restart_client(&mut self) {
        self.client = client(&self.clock);
    }

    fn source(&self) -> Source {
        self.source.clone().into()
    }

    pub(crate) async fn scrape(&self) -> scrape::Report {
        scrape::run(&self.store, &self.client, &self.source(), self.publish.window, self.clock.now())
            .await
            .expect("a working database")
    }

    pub(crate) fn publish(&self) -> publish::Report {
        publish::run(&self.store, &self.publish, self.clock.now(), &CancellationToken::new(), |_| {})
            .expect("a working database")
    }

    pub(crate) async fn deliver(&self) -> deliver::Report {
        let stop = CancellationToken::new();
        deliver::run(&self.store, &self.transport, &self.deliver, &self.clock, &stop).await.expect("a working database")
    }

    /// What `paperpost once` does.
    pub(crate) async fn once(&self) {
        self.try_once().await.expect("a working database");
    }

    /// The same, for a database that fails.
    pub(crate) async fn try_once(&self) -> Result<(), StoreError> {
        let (now, stop) = (self.clock.now(), CancellationToken::new());
        scrape::run(&self.store, &self.client, &self.source(), self.publish.window, now).await?;
        publish::run(&self.store, &self.publish, now, &stop, |_| {})?;
        while deliver::run(&self.store, &self.transport, &self.deliver, &self.clock, &stop).await?.has_more {}
        Ok(())
    }

    /// The mails to an address, in the order they came.
    pub(crate) fn mails(&self, to: &str) -> Vec<Received> {
        let envelope = format!("<{to}>");
        let taken = self.smtp.mails().into_iter().filter(|mail| mail.to.iter().any(|line| line.contains(&envelope)));
        taken.map(|mail| Received::new(&mail)).collect()
    }

    /// The titles of all papers that an address was sent as cards, in the order they came.
    pub(crate) fn inbox(&self, to: &str) -> Vec<String> {
        self.mails(to).iter().flat_map(|mail| mail.titles.clone()).collect()
    }
}

/// A mail as its reader's program has it.
pub(crate) struct Received {
    pub(crate) subject: String,
    pub(crate) message_id: String,
    pub(crate) html: String,
    pub(crate) text: String,
    /// Titles of the papers that have a card.
    pub(crate) titles: Vec<String>,
    pub(crate) bytes: Vec<u8>,
}

impl Received {
    fn new(mail: &Taken) -> Self {
        let message = MessageParser::default().parse(&mail.bytes).expect("a message");
        let html = message.body_html(0).expect("an HTML part").into_owned();
        let document = scraper::Html::parse_document(&html);
        let cards = scraper::Selector::parse("h2 a[href*='/papers/']").expect("a selector");
        Self {
            subject: message.subject().unwrap_or_default().to_owned(),
            message_id: message.message_id().unwrap_or_default().to_owned(),
            text: message.body_text(0).expect("a text part").into_owned(),
            titles: document.select(&cards).map(|title| title.text().collect()).collect(),
            bytes: mail.bytes.clone(),
            html,
        }
    }
}

fn address(text: &str) -> paperpost::core::address::Address {
    paperpost::core::address::Address::parse(text).expect("an address")
}

/// The title in a row of `papers`, as its source wrote it.
pub(crate) fn written_title(content: &[u8]) -> String {
    let json = zstd::decode_all(content).expect("compressed");
    let paper: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    paper["title"].as_str().expect("a title").to_owned()
}
