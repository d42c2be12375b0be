//! A real SMTP server on this machine that does as the test says: takes mails, and fails at any step in any way.
//!
//! ```ignore
//! let server = SmtpServer::start().await;
//! server.will("rcpt", Act::Say("550 5.1.1 no such user"));    // the next RCPT, once
//! transport.send(&mail).await;
//! assert_eq!(server.mails().len(), 0);
//! ```
//!
//! The phases are `connect greeting ehlo starttls tls auth mail rcpt data body rset quit`, `ehlo again` after STARTTLS, and
//! `auth 2` and `auth 3` for a login's later lines. Every mail taken is kept with its envelope lines and the number of its
//! connection; every line that a client sent is kept too.

mod conversation;
mod identity;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use paperpost::core::server::Tls;
use paperpost::mail::smtp::{SmtpSettings, Timeouts};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use self::conversation::Client;
pub(crate) use self::identity::{Identity, tls};

/// What the server does at one step instead of agreeing.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Says this, and a CRLF.
    Say(&'static str),
    /// Writes exactly this.
    Write(Vec<u8>),
    /// Writes exactly this and falls silent, the connection open.
    WriteAndHang(Vec<u8>),
    /// Says this and closes.
    SayAndClose(&'static str),
    /// Closes in order.
    Close,
    /// Takes the mail and closes without a word; only for `body`.
    TakeAndClose,
    /// Closes with a TCP reset.
    Reset,
    /// Never answers.
    Hang,
    /// Says this, and reads nothing more.
    SayAndIgnore(&'static str),
    /// Says this, one octet at a time, so slowly that it takes for ever.
    Drip(&'static str),
    /// Agrees, after this long.
    After(Duration),
    /// Agrees, as soon as the test says so.
    WhenTold(Arc<Notify>),
}

/// How the server begins and what it offers.
#[derive(Clone)]
pub(crate) struct Offer {
    /// The EHLO keywords, besides STARTTLS.
    pub(crate) keywords: Vec<String>,
    /// When TLS begins.
    pub(crate) tls: Tls,
    /// The AUTH commands and answers that are right, in order; anything else is a 535. For SCRAM-SHA-256 the one password.
    pub(crate) login: Vec<String>,
    /// Written in the clear right behind the 220 to STARTTLS, in the same segment.
    pub(crate) injected: &'static str,
}

impl Default for Offer {
    fn default() -> Self {
        let keywords = ["PIPELINING", "SIZE 10485760", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN"];
        Self { keywords: keywords.map(String::from).to_vec(), tls: Tls::None, login: Vec::new(), injected: "" }
    }
}

impl Offer {
    /// The same without one keyword.
    pub(crate) fn without(mut self, keyword: &str) -> Self {
        self.keywords.retain(|offered| !offered.starts_with(keyword));
        self
    }

    /// The same with one keyword more.
    pub(crate) fn with(mut self, keyword: &str) -> Self {
        self.keywords.push(keyword.to_owned());
        self
    }
}

/// A mail that the server took responsibility for.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// The MAIL line.
    pub(crate) from: String,
    /// The RCPT lines that were accepted.
    pub(crate) to: Vec<String>,
    /// The message, dots unstuffed.
    pub(crate) bytes: Vec<u8>,
    /// The connection, counted from 1.
    pub(crate) connection: usize,
}

impl Taken {
    /// The value of its Message-ID.
    pub(crate) fn message_id(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let line = text.lines().find_map(|line| line.strip_prefix("Message-ID: "));
        line.unwrap_or_default().to_owned()
    }
}

#[derive(Default)]
struct Log {
    script: VecDeque<(String, Act)>,
    taken: Vec<Taken>,
    lines: Vec<String>,
    connections: usize,
    open: usize,
    /// What came in one read with each MAIL.
    groups: Vec<String>,
    /// Lines of messages, of those too that never came to their end.
    message_lines: usize,
    /// What no client may send.
    wrong: Vec<String>,
    /// What every RCPT with this text in it is told.
    refusals: Vec<(String, &'static str)>,
}

/// A server that listens until it is dropped.
pub(crate) struct SmtpServer {
    address: SocketAddr,
    /// Tells of each of its changes.
    log: watch::Sender<Log>,
    accepting: JoinHandle<()>,
    authority: String,
    folder: tempfile::TempDir,
}

impl SmtpServer {
    /// A friendly server in the clear.
    pub(crate) async fn start() -> Self {
        Self::offering(Offer::default()).await
    }

    /// A server with this offer. Its certificate is for `localhost`.
    pub(crate) async fn offering(offer: Offer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (acceptor, authority) = tls();
        let log = watch::Sender::new(Log::default());
        let shared = log.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, acceptor, offer) = (shared.clone(), acceptor.clone(), offer.clone());
                tokio::spawn(async move {
                    log.send_modify(|log| (log.connections, log.open) = (log.connections + 1, log.open + 1));
                    let number = log.borrow().connections;
                    Client::new(log.clone(), offer, number).serve(stream, acceptor).await;
                    log.send_modify(|log| log.open -= 1);
                });
            }
        });
        let folder = tempfile::tempdir().expect("a folder");
        Self { address, log, accepting, authority, folder }
    }

    /// At the next `phase` that has nothing before it in the script, do this; once.
    pub(crate) fn will(&self, phase: &str, act: Act) {
        self.log.send_modify(|log| log.script.push_back((phase.to_owned(), act)));
    }

    /// Refuses every RCPT with this text in it, until it `forgives`.
    pub(crate) fn refuses(&self, text: &str, reply: &'static str) {
        self.log.send_modify(|log| log.refusals.push((text.to_owned(), reply)));
    }

    /// Takes everything again.
    pub(crate) fn forgives(&self) {
        self.log.send_modify(|log| log.refusals.clear());
    }

    /// Waits until everything in the script has begun to happen.
    pub(crate) async fn script_done(&self) {
        self.until(|log| log.script.is_empty()).await;
    }

    /// Whether something in the script has not happened yet.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.log.borrow().script.is_empty()
    }

    /// The mails taken so far; fails the test when one of them was malformed on the wire.
    pub(crate) fn mails(&self) -> Vec<Taken> {
        let log = self.log.borrow();
        assert_eq!(log.wrong, Vec::<String>::new(), "lines that SMTP forbids");
        log.taken.clone()
    }

    /// Their Message-IDs, sorted.
    pub(crate) fn message_ids(&self) -> Vec<String> {
        let mut ids: Vec<_> = self.mails().iter().map(Taken::message_id).collect();
        ids.sort();
        ids
    }

    /// Connections made so far.
    pub(crate) fn connections(&self) -> usize {
        self.log.borrow().connections
    }

    /// The command lines of all clients in the order of their coming, without message lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.log.borrow().lines.clone()
    }

    /// What came in one read with each MAIL command.
    pub(crate) fn groups(&self) -> Vec<String> {
        self.log.borrow().groups.clone()
    }

    /// Waits until so many mails were taken.
    pub(crate) async fn has_mails(&self, mails: usize) {
        self.until(|log| log.taken.len() >= mails).await;
    }

    /// Waits until so many lines of messages have come in all.
    pub(crate) async fn has_message_lines(&self, lines: usize) {
        self.until(|log| log.message_lines >= lines).await;
    }

    /// Waits until no client has said anything for a while.
    pub(crate) async fn settled(&self) {
        let mut lines = usize::MAX;
        while lines != self.log.borrow().lines.len() {
            lines = self.log.borrow().lines.len();
            // A real wait: that nothing comes can only be seen by waiting.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until no connection is open.
    pub(crate) async fn all_closed(&self) {
        self.has_open(0).await;
    }

    /// Waits until so many connections are open, or fewer.
    pub(crate) async fn has_open(&self, connections: usize) {
        self.until(|log| log.open <= connections).await;
    }

    async fn until(&self, holds: impl FnMut(&Log) -> bool) {
        self.log.subscribe().wait_for(holds).await.expect("the log is there");
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Settings that reach this server, with short limits.
    pub(crate) fn settings(&self, tls: Tls) -> SmtpSettings {
        let mut settings = SmtpSettings::new("localhost", self.port(), "client.example.org");
        settings.tls = tls;
        settings.timeouts = short();
        if tls != Tls::None {
            settings.ca_file = Some(self.ca_file());
        }
        settings
    }

    /// A file with the authority that signed its certificate.
    pub(crate) fn ca_file(&self) -> PathBuf {
        let path = self.folder.path().join("ca.pem");
        std::fs::write(&path, &self.authority).expect("written");
        path
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Limits that a test can wait for, and a busy machine keeps.
pub(crate) fn short() -> Timeouts {
    let limit = Duration::from_secs(1);
    Timeouts {
        connect: Duration::from_secs(5),
        greeting: limit,
        command: limit,
        data: limit,
        message: limit,
        end_of_data: limit,
        quit: limit,
    }
}
