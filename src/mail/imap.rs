//! A mailbox on an IMAP server (RFC 9051, RFC 3501): what nobody has read yet, message by message.
//!
//! The protocol is async-imap's; the connection under it is ours, so that TLS is as certain as it is for sending, every
//! step has its time, and no server makes us hold more than two mebibytes. A message is fetched without being marked,
//! and marked when what it says is safely written down: after a crash in between it is simply unread again. What this
//! does not do: wait for news (IDLE), or keep a connection from one look to the next.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_imap::error::Error;
use async_imap::imap_proto::{AttributeValue, MailboxDatum, Response, Status};
use async_imap::{Authenticator, Client};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use super::connect::{Connector, Server, ServerError, Stream, too_late};
use super::inbound::LONGEST_MESSAGE;
use super::login;
use crate::core::bounce::masked;
use crate::core::delivery::SendError;
use crate::core::host::is_loopback;
use crate::core::server::{Login, Mechanism, Tls};

/// The most that a server may say in answer to one command, octets: a message and what is around it, or the numbers
/// of some hundred thousand unread ones.
const LONGEST_ANSWER: usize = 2 << 20;

/// Which mailbox, and how to get at it.
#[derive(Clone)]
pub struct ImapSettings {
    /// A host name or an IP address; the certificate must be for it.
    pub host: String,
    /// 993 for implicit TLS, 143 for STARTTLS.
    pub port: u16,
    /// When TLS begins. In the clear only on this machine.
    pub tls: Tls,
    /// A PEM file with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// How to log in; of the ways that show a password the server has no choice.
    pub login: Login,
    /// The mailbox, as the server spells it: `INBOX`, `Bounces`.
    pub mailbox: String,
    /// Whether what was taken in is deleted, instead of marked as read.
    pub delete: bool,
    /// For finding and reaching the host; TLS has as long again.
    pub connect_timeout: Duration,
    /// For each answer of the server.
    pub timeout: Duration,
}

/// Without the user, who often is an address.
impl fmt::Debug for ImapSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, tls, mailbox, .. } = self;
        write!(f, "ImapSettings {host}:{port} {tls:?} {mailbox:?}")
    }
}

/// What failed, on which server, and its words: `imap.example.org:993: log in: Authentication failed.`
#[derive(Debug, thiserror::Error)]
#[error("{server}: {step}: {reason}")]
pub struct ImapError {
    server: String,
    step: String,
    reason: String,
    is_refusal: bool,
}

impl ImapError {
    /// Whether the server just said no, so that the next thing may be asked of it.
    pub fn is_refusal(&self) -> bool {
        self.is_refusal
    }
}

/// Settings that were found to be usable; clones share them.
#[derive(Clone)]
pub struct Imap {
    settings: Arc<ImapSettings>,
    connector: Arc<Connector>,
}

/// How a message is left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It was taken in: read, or to be deleted when the settings say so.
    Done,
    /// A person should read it: flagged, and still unread.
    ForAPerson,
}

/// An open mailbox. Dropping it closes the connection, wherever it was.
pub struct Mailbox {
    imap: Imap,
    session: async_imap::Session<Bounded>,
    /// Whether single messages can be removed for good (RFC 4315).
    has_uidplus: bool,
}

impl Imap {
    /// Looks at the settings; nothing is connected to yet.
    pub fn new(settings: ImapSettings) -> Result<Self, ServerError> {
        if settings.tls == Tls::None && !is_loopback(&settings.host) {
            return Err(ServerError::Tls("may be off only for a server on this machine".into()));
        }
        let connector = Connector::new(&Server {
            host: &settings.host,
            port: settings.port,
            is_encrypted: settings.tls != Tls::None,
            ca_file: settings.ca_file.as_deref(),
            limit: settings.connect_timeout,
        })?;
        Ok(Self { settings: Arc::new(settings), connector: Arc::new(connector) })
    }

    /// Connects, turns TLS on, logs in and selects the mailbox.
    pub async fn open(&self) -> Result<Mailbox, ImapError> {
        let heard = Heard::default();
        self.enter(&heard).await.map_err(|error| match heard.refusal() {
            Some(words) => ImapError { reason: words, ..error },
            None => error,
        })
    }

    async fn enter(&self, heard: &Heard) -> Result<Mailbox, ImapError> {
        let settings = &self.settings;
        let tcp = self.connector.tcp().await.map_err(|error| self.failed("connect", &error.into()))?;
        let mut client = match settings.tls {
            Tls::Implicit => self.encrypted(tcp, heard).await?,
            Tls::StartTls | Tls::None => Client::new(Bounded::new(tcp, heard)),
        };
        let greeting = async {
            let greeting = client.read_response().await?.ok_or(Error::ConnectionLost)?;
            refusal(greeting.parsed()).map_or(Ok(()), Err)
        };
        self.step("greeting", greeting).await?;
        if settings.tls == Tls::StartTls {
            self.step("starttls", client.run_command_and_check_ok("STARTTLS", None)).await?;
            // What was read ahead goes with the old client: nothing that came in the clear is taken for an answer
            // (RFC 9051 section 6.2.1).
            client = self.encrypted(client.into_inner().stream, heard).await?;
        }
        let mut session = self.step("log in", log_in(client, &settings.login)).await?;
        let capabilities = self.step("capability", session.capabilities()).await?;
        self.step("select the mailbox", session.select(&settings.mailbox)).await?;
        session.get_mut().heard = None;
        Ok(Mailbox { imap: self.clone(), session, has_uidplus: capabilities.has_str("UIDPLUS") })
    }

    async fn encrypted(&self, stream: impl Stream + 'static, heard: &Heard) -> Result<Client<Bounded>, ImapError> {
        match self.connector.tls(stream).await {
            Ok(Some(stream)) => Ok(Client::new(Bounded::new(stream, heard))),
            Ok(None) => Err(self.failed("tls", &io::Error::other("no TLS is set up").into())),
            Err(error) => Err(self.failed("tls", &error.into())),
        }
    }

    async fn step<T>(&self, step: &str, work: impl Future<Output = Result<T, Error>>) -> Result<T, ImapError> {
        let limit = self.settings.timeout;
        let ended = timeout(limit, work).await.unwrap_or_else(|_| Err(too_late(limit).into()));
        ended.map_err(|error| self.failed(step, &error))
    }

    fn failed(&self, step: &str, error: &Error) -> ImapError {
        let server = format!("{}:{}", self.settings.host, self.settings.port);
        let is_refusal = matches!(error, Error::No(_) | Error::Bad(_));
        ImapError { server, step: step.to_owned(), reason: words(error), is_refusal }
    }
}

impl Mailbox {
    /// The numbers (UID) of the messages that nobody has read or flagged, oldest first.
    pub async fn unread(&mut self) -> Result<Vec<u32>, ImapError> {
        Ok(self.search("UNSEEN UNFLAGGED UNDELETED").await?.into_iter().collect())
    }

    /// How many are flagged and unread: they wait for a person.
    pub async fn flagged(&mut self) -> Result<usize, ImapError> {
        Ok(self.search("UNSEEN FLAGGED UNDELETED").await?.len())
    }

    async fn search(&mut self, criteria: &str) -> Result<BTreeSet<u32>, ImapError> {
        let mut found = BTreeSet::new();
        let search = self.command(format!("UID SEARCH {criteria}"), |answer| {
            if let Response::MailboxData(MailboxDatum::Search(uids)) = answer {
                found.extend(uids);
            }
        });
        search.await?;
        Ok(found)
    }

    /// The first [`LONGEST_MESSAGE`] octets of a message; `None` when it has gone meanwhile.
    pub async fn fetch(&mut self, uid: u32) -> Result<Option<Vec<u8>>, ImapError> {
        let mut message = None;
        // Peeking does not mark it as read (RFC 9051 section 6.4.5).
        let fetch = self.command(format!("UID FETCH {uid} BODY.PEEK[]<0.{LONGEST_MESSAGE}>"), |answer| {
            let Response::Fetch(_, values) = answer else { return };
            if values.contains(&AttributeValue::Uid(uid)) {
                message = values.iter().find_map(|value| match value {
                    AttributeValue::BodySection { section: None, data, .. } => data.as_ref().map(|data| data.to_vec()),
                    _ => None,
                });
            }
        });
        fetch.await?;
        Ok(message)
    }

    /// Leaves a message behind. One that has gone meanwhile is no fault.
    pub async fn mark(&mut self, uid: u32, mark: Mark) -> Result<(), ImapError> {
        let delete = mark == Mark::Done && self.imap.settings.delete;
        let flags = match mark {
            Mark::ForAPerson => r"\Flagged",
            Mark::Done if delete => r"\Seen \Deleted",
            Mark::Done => r"\Seen",
        };
        self.command(format!("UID STORE {uid} +FLAGS.SILENT ({flags})"), |_| {}).await
    }

    /// Removes for good what is marked as done, where the settings say so. Without UIDPLUS that would remove whatever else
    /// is marked as deleted; so it stays marked.
    pub async fn remove(&mut self, uid: u32) -> Result<(), ImapError> {
        if self.imap.settings.delete && self.has_uidplus {
            self.command(format!("UID EXPUNGE {uid}"), |_| {}).await?;
        }
        Ok(())
    }

    /// Says a command and hands on each answer but the last, which must agree. async-imap's own ways take a refusal, and
    /// the end of the connection, for an answer with nothing in it.
    async fn command(&mut self, line: String, mut hear: impl FnMut(&Response<'_>)) -> Result<(), ImapError> {
        self.session.get_mut().allow();
        let work = async {
            let tag = self.session.run_command(&line).await?;
            let mut goodbye = None;
            loop {
                let answer = match self.session.read_response().await {
                    Ok(Some(answer)) => answer,
                    Ok(None) => return Err(goodbye.unwrap_or(Error::ConnectionLost)),
                    Err(error) => return Err(goodbye.unwrap_or_else(|| error.into())),
                };
                match answer.parsed() {
                    Response::Done { tag: of, status, outcome } if *of == tag => match status {
                        Status::Ok => return Ok(()),
                        _ => return Err(Error::No(outcome.information.as_deref().unwrap_or_default().to_owned())),
                    },
                    Response::Data { status: Status::Bye, .. } => goodbye = refusal(answer.parsed()),
                    other => hear(other),
                }
            }
        };
        // `UID STORE` of `UID STORE 7 +FLAGS.SILENT (\Seen)`.
        let step = line.match_indices(' ').nth(1).map_or(line.as_str(), |(end, _)| &line[..end]);
        self.imap.step(step, work).await
    }

    /// Says good-bye; whatever is answered, everything is done.
    pub async fn close(mut self) {
        self.session.get_mut().allow();
        self.imap.step("log out", self.session.logout()).await.ok();
    }
}

/// What a server says with a `BYE` (RFC 9051 section 7.1.5), with a greeting that lets nobody in, or in refusing a command, in
/// its own words.
fn refusal(answer: &Response<'_>) -> Option<Error> {
    match answer {
        Response::Data { status: Status::Bye | Status::No | Status::Bad, outcome }
        | Response::Done { status: Status::No | Status::Bad, outcome, .. } => {
            let words = masked(outcome.information.as_deref().unwrap_or("good-bye"));
            Some(io::Error::new(io::ErrorKind::ConnectionAborted, words).into())
        }
        _ => None,
    }
}

/// LOGIN, which every server has, where it can carry the password: in ASCII (RFC 9051 section 6.2.3). Else AUTHENTICATE
/// PLAIN (RFC 4616), which carries any; XOAUTH2 for a token. Only ever reached over TLS or on this machine.
async fn log_in(client: Client<Bounded>, login: &Login) -> Result<async_imap::Session<Bounded>, Error> {
    let unreadable = |error: SendError| io::Error::new(io::ErrorKind::NotFound, error.fault().text.clone());
    let secret = login::secret(&login.secret).await.map_err(unreadable)?;
    let (user, secret) = (login.user.as_str(), secret.reveal());
    let session = match login.mechanism {
        Mechanism::XOAuth2 => {
            let token = format!("user={user}\x01auth=Bearer {secret}\x01\x01");
            client.authenticate("XOAUTH2", Once(token)).await
        }
        _ if user.is_ascii() && secret.is_ascii() => client.login(user, secret).await,
        _ => client.authenticate("PLAIN", Once(format!("\0{user}\0{secret}"))).await,
    };
    session.map_err(|(error, _)| error)
}

/// Answers the first challenge; a further one explains a refusal, and wants an empty answer.
struct Once(String);

impl Authenticator for Once {
    type Response = String;

    fn process(&mut self, _challenge: &[u8]) -> String {
        std::mem::take(&mut self.0)
    }
}

/// The end of what a server said until the mailbox was open: its own words when it refuses or says good-bye. Of a refusal
/// async-imap has a sentence of its own, and of a good-bye nothing.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    /// Octets that are kept: some lines.
    const KEPT: usize = 2_000;

    fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        let surplus = kept.len().saturating_sub(Self::KEPT);
        kept.drain(..surplus);
    }

    fn refusal(&self) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let error = kept.split_inclusive(|byte| *byte == b'\n').rev().find_map(|line| {
            let (_, answer) = Response::parse(line).ok()?;
            // An untagged NO is a warning, and ends nothing.
            let is_end = matches!(answer, Response::Done { .. } | Response::Data { status: Status::Bye, .. });
            is_end.then(|| refusal(&answer))?
        })?;
        Some(words(&error))
    }
}

/// A stream that ends in an error when more is said than was allowed for.
struct Bounded {
    stream: Box<dyn Stream>,
    left: usize,
    /// Who remembers what is said; nobody once the mailbox is open, since then mails are.
    heard: Option<Heard>,
}

impl Bounded {
    fn new(stream: impl Stream + 'static, heard: &Heard) -> Self {
        Self { stream: Box::new(stream), left: LONGEST_ANSWER, heard: Some(heard.clone()) }
    }

    /// Makes room for the next answer.
    fn allow(&mut self) {
        self.left = LONGEST_ANSWER;
    }
}

/// async-imap wants one; there is nothing to show.
impl fmt::Debug for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bounded")
    }
}

impl AsyncRead for Bounded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        match self.left.checked_sub(buf.filled().len() - before) {
            Some(left) => {
                self.left = left;
                if let Some(heard) = &self.heard {
                    heard.push(&buf.filled()[before..]);
                }
            }
            None => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too long"))),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

const NO_IMAP: &str = "the server's answer is no IMAP";

/// What went wrong, in one line without addresses. What could not be parsed is not repeated: it may be anybody's mail.
fn words(error: &Error) -> String {
    match error {
        Error::No(text) | Error::Bad(text) => masked(text),
        Error::ConnectionLost => "the server closed the connection".to_owned(),
        Error::Io(error) => match error.kind() {
            io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
            io::ErrorKind::Other => NO_IMAP.to_owned(),
            _ => error.to_string(),
        },
        Error::Validate(_) => "a line break where none can be".to_owned(),
        _ => NO_IMAP.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_words_are_shown_and_the_text_of_a_mail_is_not() {
        for (lines, expected) in [
            ("A1 NO [AUTHENTICATIONFAILED] No ada@example.org here.\r\n", Some("[AUTHENTICATIONFAILED] No *** here.")),
            ("* OK still here\r\n* BYE \"Too many\" of you\r\n", Some("\"Too many\" of you")),
            ("* BYE over\r\n* 1 EX", Some("over")),
            ("A1 OK in\r\n", None),
            ("", None),
        ] {
            let heard = Heard::default();
            for byte in lines.as_bytes() {
                heard.push(&[*byte]);
            }
            assert_eq!(heard.refusal().as_deref(), expected);
        }
        let heard = Heard::default();
        (0..10_000).for_each(|_| heard.push(b"* OK on\r\n"));
        heard.push(b"* BYE off\r\n");
        assert_eq!(heard.refusal().as_deref(), Some("off"));
        assert!(heard.0.lock().expect("no panic").len() <= Heard::KEPT);
        assert!(!words(&io::Error::other("Error during parsing of \"Subject: x\"").into()).contains("Subject"));
    }
}
