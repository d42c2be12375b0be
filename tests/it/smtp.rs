//! A real SMTP server on this machine that does as the test says: takes mails, and fails at any step in any way.
//!
//! ```ignore
//! let server = SmtpServer::start().await;
//! server.will("rcpt", Act::Say("550 5.1.1 no such user"));    // the next RCPT, once
//! transport.send(&mail).await;
//! assert_eq!(server.mails().len(), 0);
//! ```
//!
//! The phases are `connect greeting ehlo starttls auth mail rcpt data body rset quit`. Every mail taken is kept with its
//! envelope lines and the number of its connection; every line that a client sent is kept too.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use paperpost::mail::smtp::{SmtpSettings, Timeouts, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

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
    log: Arc<Mutex<Log>>,
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
        let log = Arc::new(Mutex::new(Log::default()));
        let shared = log.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, acceptor, offer) = (shared.clone(), acceptor.clone(), offer.clone());
                tokio::spawn(async move {
                    let number = {
                        let mut log = lock(&log);
                        log.connections += 1;
                        log.open += 1;
                        log.connections
                    };
                    let client = Client { log: log.clone(), offer, number, inbox: Vec::new() };
                    client.serve(stream, acceptor).await;
                    lock(&log).open -= 1;
                });
            }
        });
        let folder = tempfile::tempdir().expect("a folder");
        Self { address, log, accepting, authority, folder }
    }

    /// At the next `phase` that has nothing before it in the script, do this; once.
    pub(crate) fn will(&self, phase: &str, act: Act) {
        lock(&self.log).script.push_back((phase.to_owned(), act));
    }

    /// Refuses every RCPT with this text in it, until it `forgives`.
    pub(crate) fn refuses(&self, text: &str, reply: &'static str) {
        lock(&self.log).refusals.push((text.to_owned(), reply));
    }

    /// Takes everything again.
    pub(crate) fn forgives(&self) {
        lock(&self.log).refusals.clear();
    }

    /// Waits until everything in the script has begun to happen.
    pub(crate) async fn script_done(&self) {
        while !lock(&self.log).script.is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The mails taken so far; fails the test when one of them was malformed on the wire.
    pub(crate) fn mails(&self) -> Vec<Taken> {
        let log = lock(&self.log);
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
        lock(&self.log).connections
    }

    /// The command lines of all clients in the order of their coming, without message lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        lock(&self.log).lines.clone()
    }

    /// What came in one read with each MAIL command.
    pub(crate) fn groups(&self) -> Vec<String> {
        lock(&self.log).groups.clone()
    }

    /// Waits until so many mails were taken.
    pub(crate) async fn has_mails(&self, mails: usize) {
        while lock(&self.log).taken.len() < mails {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until so many lines of messages have come in all.
    pub(crate) async fn has_message_lines(&self, lines: usize) {
        while lock(&self.log).message_lines < lines {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until no client has said anything for a while.
    pub(crate) async fn settled(&self) {
        let mut lines = usize::MAX;
        while lines != lock(&self.log).lines.len() {
            lines = lock(&self.log).lines.len();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until no connection is open.
    pub(crate) async fn all_closed(&self) {
        self.has_open(0).await;
    }

    /// Waits until so many connections are open, or fewer.
    pub(crate) async fn has_open(&self, connections: usize) {
        while lock(&self.log).open > connections {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
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

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().expect("no server task panicked")
}

/// A certificate for `localhost` with its key, and the authority behind it.
pub(crate) struct Identity {
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) key: KeyPair,
    /// As PEM, for who is to trust it.
    pub(crate) authority: String,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(vec!["localhost".into()])
            .and_then(|params| params.signed_by(&key, &authority))
            .expect("a certificate");
        Self { certificate, key, authority: authority.pem() }
    }
}

/// TLS with an identity of its own; the authority as PEM.
pub(crate) fn tls() -> (TlsAcceptor, String) {
    let Identity { certificate, key, authority } = Identity::new();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .expect("a server configuration");
    (TlsAcceptor::from(Arc::new(config)), authority)
}

fn unbase64(text: &str) -> String {
    String::from_utf8(BASE64_STANDARD.decode(text).unwrap_or_default()).unwrap_or_default()
}

/// One connection.
struct Client {
    log: Arc<Mutex<Log>>,
    offer: Offer,
    number: usize,
    inbox: Vec<u8>,
}

/// What follows a step.
enum Next {
    /// It was answered.
    Said,
    /// It was agreed to and wants an answer.
    Agree,
    /// The connection is over.
    Gone,
    /// It is over, and the mail was taken.
    GoneWithMail,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Makes closing a reset.
    fn reset(&self);
}

impl Stream for TcpStream {
    fn reset(&self) {
        self.set_zero_linger().expect("a socket");
    }
}

impl Stream for TlsStream<TcpStream> {
    fn reset(&self) {
        self.get_ref().0.reset();
    }
}

impl Client {
    async fn serve(mut self, tcp: TcpStream, acceptor: TlsAcceptor) {
        let mut tcp = tcp;
        tcp.set_nodelay(true).ok();
        match self.step("connect", &mut tcp).await {
            Next::Agree | Next::Said => {}
            Next::Gone | Next::GoneWithMail => return,
        }
        if self.offer.tls == Tls::Implicit {
            if let Ok(mut stream) = acceptor.accept(tcp).await {
                self.talk(&mut stream, true).await;
            }
            return;
        }
        let wants_tls = self.talk(&mut tcp, false).await;
        if wants_tls && let Ok(mut stream) = acceptor.accept(tcp).await {
            self.talk(&mut stream, true).await;
        }
    }

    /// Whether the client asked for STARTTLS and got it; then the clear part is over.
    async fn talk(&mut self, stream: &mut dyn Stream, encrypted: bool) -> bool {
        if !(encrypted && self.offer.tls == Tls::StartTls) {
            match self.step("greeting", stream).await {
                Next::Agree => self.say(stream, "220 server.example.org ESMTP").await,
                Next::Said => {}
                Next::Gone | Next::GoneWithMail => return false,
            }
        }
        let (mut from, mut to) = (String::new(), Vec::new());
        while let Some(line) = self.line(stream).await {
            lock(&self.log).lines.push(line.clone());
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            if verb == "MAIL" {
                let group = format!("{line}\n{}", String::from_utf8_lossy(&self.inbox));
                lock(&self.log).groups.push(group);
            }
            let phase = verb.to_ascii_lowercase();
            match self.step(&phase, stream).await {
                Next::Agree => {}
                Next::Said => continue,
                Next::Gone | Next::GoneWithMail => return false,
            }
            let reply = match verb.as_str() {
                "EHLO" => self.ehlo(encrypted),
                "STARTTLS" => {
                    self.say(stream, format!("220 go ahead\r\n{}", self.offer.injected).trim_end()).await;
                    return true;
                }
                "AUTH" => self.auth(stream, line).await,
                "MAIL" => {
                    (from, to) = (line, Vec::new());
                    "250 2.1.0 ok".into()
                }
                "RCPT" if from.is_empty() => "503 5.5.1 MAIL first".into(),
                "RCPT" => {
                    let refusals = lock(&self.log).refusals.clone();
                    match refusals.iter().find(|(text, _)| line.contains(text)) {
                        Some((_, reply)) => (*reply).to_owned(),
                        None => {
                            to.push(line);
                            "250 2.1.5 ok".into()
                        }
                    }
                }
                "DATA" if to.is_empty() => "503 5.5.1 RCPT first".into(),
                "DATA" => {
                    self.say(stream, "354 go ahead").await;
                    let Some(bytes) = self.message(stream).await else { return false };
                    let (from, to) = (std::mem::take(&mut from), std::mem::take(&mut to));
                    let taken = Taken { from, to, bytes, connection: self.number };
                    match self.step("body", stream).await {
                        Next::Agree => {}
                        Next::Said => continue,
                        Next::Gone => return false,
                        Next::GoneWithMail => {
                            lock(&self.log).taken.push(taken);
                            return false;
                        }
                    }
                    let mut log = lock(&self.log);
                    log.taken.push(taken);
                    format!("250 2.0.0 queued as {}", log.taken.len())
                }
                "RSET" => {
                    (from, to) = (String::new(), Vec::new());
                    "250 2.0.0 ok".into()
                }
                "QUIT" => {
                    self.say(stream, "221 2.0.0 bye").await;
                    return false;
                }
                _ => "500 5.5.2 what?".into(),
            };
            self.say(stream, &reply).await;
        }
        false
    }

    /// Does what the script has for this phase.
    async fn step(&mut self, phase: &str, stream: &mut dyn Stream) -> Next {
        let act = {
            let mut log = lock(&self.log);
            match log.script.iter().position(|(wanted, _)| wanted == phase) {
                Some(at) => log.script.remove(at).map(|(_, act)| act),
                None => None,
            }
        };
        let Some(act) = act else { return Next::Agree };
        match act {
            Act::Say(reply) => {
                self.say(stream, reply).await;
                Next::Said
            }
            Act::Write(bytes) => {
                stream.write_all(&bytes).await.ok();
                stream.flush().await.ok();
                Next::Said
            }
            Act::WriteAndHang(bytes) => {
                stream.write_all(&bytes).await.ok();
                stream.flush().await.ok();
                self.hang(stream).await
            }
            Act::SayAndClose(reply) => {
                self.say(stream, reply).await;
                stream.shutdown().await.ok();
                Next::Gone
            }
            Act::Close => {
                stream.shutdown().await.ok();
                Next::Gone
            }
            Act::TakeAndClose => {
                stream.shutdown().await.ok();
                Next::GoneWithMail
            }
            Act::Reset => {
                stream.reset();
                Next::Gone
            }
            Act::Hang => self.hang(stream).await,
            Act::SayAndIgnore(reply) => {
                self.say(stream, reply).await;
                std::future::pending().await
            }
            Act::Drip(reply) => {
                for byte in reply.bytes().cycle() {
                    if stream.write_all(&[byte]).await.is_err() || stream.flush().await.is_err() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Next::Gone
            }
            Act::After(pause) => {
                tokio::time::sleep(pause).await;
                Next::Agree
            }
        }
    }

    /// Says nothing until the client has gone.
    async fn hang(&mut self, stream: &mut dyn Stream) -> Next {
        let mut sink = [0; 4096];
        while matches!(stream.read(&mut sink).await, Ok(read) if read > 0) {}
        Next::Gone
    }

    fn ehlo(&self, encrypted: bool) -> String {
        let mut lines = vec!["server.example.org".to_owned()];
        if self.offer.tls == Tls::StartTls && !encrypted {
            lines.push("STARTTLS".into());
        }
        lines.extend(self.offer.keywords.iter().cloned());
        let last = lines.pop().unwrap_or_default();
        lines.iter().map(|line| format!("250-{line}\r\n")).collect::<String>() + &format!("250 {last}")
    }

    /// Compares what the client says with what is right.
    async fn auth(&mut self, stream: &mut dyn Stream, first: String) -> String {
        let (mut said, right) = (first, self.offer.login.clone());
        if let Some(first) = said.strip_prefix("AUTH SCRAM-SHA-256 ") {
            return self.scram(stream, &unbase64(first), &right[0]).await;
        }
        for (at, expected) in right.iter().enumerate() {
            if said != *expected {
                return "535 5.7.8 wrong".into();
            }
            if at + 1 < right.len() {
                self.say(stream, "334 VXNlcm5hbWU6").await;
                said = self.line(stream).await.unwrap_or_default();
                lock(&self.log).lines.push(said.clone());
            }
        }
        if right.is_empty() { "535 5.7.8 wrong".into() } else { "235 2.7.0 welcome".into() }
    }

    /// The server's side of RFC 5802, which has the salted password and not the password.
    async fn scram(&mut self, stream: &mut dyn Stream, first: &str, password: &str) -> String {
        let bare = first.strip_prefix("n,,").expect("no channel binding");
        let nonce = format!("{}server", bare.split_once(",r=").expect("a nonce").1);
        let server_first = format!("r={nonce},s={},i=4096", BASE64_STANDARD.encode("salt"));
        self.say(stream, &format!("334 {}", BASE64_STANDARD.encode(&server_first))).await;
        let last = unbase64(&self.line(stream).await.unwrap_or_default());
        let (without_proof, proof) = last.split_once(",p=").unwrap_or((&last, ""));
        let mut salted = [0; 32];
        let rounds = std::num::NonZeroU32::new(4096).expect("not zero");
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, b"salt", password.as_bytes(), &mut salted);
        let mac = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
        let stored = digest::digest(&digest::SHA256, mac(&salted, "Client Key").as_ref());
        let auth = format!("{bare},{server_first},{without_proof}");
        let proof = BASE64_STANDARD.decode(proof).unwrap_or_default();
        let mask = mac(stored.as_ref(), &auth);
        let key: Vec<u8> = proof.iter().zip(mask.as_ref()).map(|(proof, mask)| proof ^ mask).collect();
        if digest::digest(&digest::SHA256, &key).as_ref() != stored.as_ref() {
            return "535 5.7.8 wrong".into();
        }
        let signature = BASE64_STANDARD.encode(mac(mac(&salted, "Server Key").as_ref(), &auth));
        self.say(stream, &format!("334 {}", BASE64_STANDARD.encode(format!("v={signature}")))).await;
        self.line(stream).await;
        "235 2.7.0 welcome".into()
    }

    async fn say(&self, stream: &mut dyn Stream, reply: &str) {
        stream.write_all(format!("{reply}\r\n").as_bytes()).await.ok();
        stream.flush().await.ok();
    }

    /// The next line without its CRLF.
    async fn line(&mut self, stream: &mut dyn Stream) -> Option<String> {
        let line = self.raw_line(stream).await?;
        Some(String::from_utf8_lossy(&line).trim_end_matches("\r\n").to_owned())
    }

    /// The message up to its final dot. A line that does not end in CRLF would make it another message somewhere.
    async fn message(&mut self, stream: &mut dyn Stream) -> Option<Vec<u8>> {
        let mut message = Vec::new();
        loop {
            let line = self.raw_line(stream).await?;
            if !line.ends_with(b"\r\n") || line.len() > 1000 || line[..line.len() - 2].contains(&b'\r') {
                lock(&self.log).wrong.push(String::from_utf8_lossy(&line).into_owned());
            }
            if line == b".\r\n" {
                return Some(message);
            }
            lock(&self.log).message_lines += 1;
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }

    async fn raw_line(&mut self, stream: &mut dyn Stream) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.inbox.iter().position(|&b| b == b'\n') {
                return Some(self.inbox.drain(..=end).collect());
            }
            self.inbox.reserve(8192);
            if stream.read_buf(&mut self.inbox).await.ok()? == 0 {
                return None;
            }
        }
    }
}
