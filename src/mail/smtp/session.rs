//! A session that is ready for mail: connected, greeted, encrypted and logged in.
//!
//! A session is owned by whoever uses it. Whoever is cancelled or times out drops it, which closes the connection; only
//! a session whose every command was answered comes back to be used again.

use std::time::Instant;

use super::super::connect::{Connector, Stream};
use super::auth::log_in;
use super::capabilities::Capabilities;
use super::reply::Reply;
use super::verdict::refusal;
use super::wire::{Trouble, Wire};
use super::{SmtpSettings, Timeouts, Tls};
use crate::core::delivery::{Fault, SendError};
use crate::mail::one_line;

/// A connection on which MAIL may be said.
pub(super) struct Session {
    pub(super) wire: Wire,
    pub(super) capabilities: Capabilities,
    pub(super) timeouts: Timeouts,
    /// When it was opened.
    pub(super) since: Instant,
    /// When it was last used.
    pub(super) used: Instant,
    /// Mails tried on it.
    pub(super) mails: u32,
    /// The mail whose commands are out already, and whose replies come next.
    pub(super) announced: Option<Announced>,
}

/// A mail that was announced.
pub(super) struct Announced {
    /// Its Message-ID.
    pub(super) message_id: String,
    /// The MAIL and RCPT lines.
    pub(super) envelope: [String; 2],
}

impl Session {
    /// Connects, says EHLO, turns TLS on and logs in. Every failure is transient: none says anything about a mail.
    pub(super) async fn open(settings: &SmtpSettings, connector: &Connector) -> Result<Self, SendError> {
        let timeouts = settings.timeouts;
        let tcp = connector.tcp().await.map_err(|error| trouble("connect", &error.into()))?;
        let mut wire = if settings.tls == Tls::Implicit { encrypted(connector, tcp).await? } else { Wire::new(tcp) };
        expect("greeting", wire.reply(timeouts.greeting).await)?;
        let mut capabilities = ehlo(&mut wire, settings).await?;
        if settings.tls == Tls::StartTls {
            if !capabilities.starttls {
                return Err(fault("starttls", "the server does not offer STARTTLS; nothing is sent in the clear"));
            }
            expect("starttls", command(&mut wire, "STARTTLS", &timeouts).await)?;
            let Some(stream) = wire.into_stream() else {
                return Err(fault("starttls", "the server, or someone between, went on in the clear after STARTTLS"));
            };
            wire = encrypted(connector, stream).await?;
            // What was offered in the clear counts no more (RFC 3207 section 4.2).
            capabilities = ehlo(&mut wire, settings).await?;
        }
        if let Some(login) = &settings.login {
            log_in(&mut wire, login, &capabilities, &timeouts).await?;
        }
        let now = Instant::now();
        tracing::debug!(host = settings.host, tls = ?settings.tls, "smtp session opened");
        Ok(Self { wire, capabilities, timeouts, since: now, used: now, mails: 0, announced: None })
    }

    /// Whether it has done its part and takes no further mail.
    pub(super) fn is_spent(&self, settings: &SmtpSettings) -> bool {
        self.mails >= settings.mails_per_connection || self.since.elapsed() >= settings.max_age
    }

    /// Says good-bye and waits a moment for the answer, whatever it is. Where the server waits for a message there is no
    /// saying anything: hanging up tells it that none comes.
    pub(super) async fn quit(mut self) {
        if self.announced.is_none() && self.wire.write(b"QUIT\r\n", self.timeouts.quit).await.is_ok() {
            self.wire.reply(self.timeouts.quit).await.ok();
            tokio::time::timeout(self.timeouts.quit, self.wire.shutdown()).await.ok();
        }
    }
}

/// TLS over the stream.
async fn encrypted(connector: &Connector, stream: impl Stream + 'static) -> Result<Wire, SendError> {
    match connector.tls(stream).await {
        Ok(Some(stream)) => Ok(Wire::new(stream)),
        Ok(None) => Err(fault("tls", "no TLS is set up")),
        Err(error) => Err(trouble("tls", &error.into())),
    }
}

async fn ehlo(wire: &mut Wire, settings: &SmtpSettings) -> Result<Capabilities, SendError> {
    let reply = command(wire, &format!("EHLO {}", settings.hello), &settings.timeouts).await;
    expect("ehlo", reply).map(|reply| Capabilities::of(&reply))
}

/// One command and its reply.
pub(super) async fn command(wire: &mut Wire, line: &str, timeouts: &Timeouts) -> Result<Reply, Trouble> {
    wire.write(format!("{line}\r\n").as_bytes(), timeouts.command).await?;
    wire.reply(timeouts.command).await
}

/// The reply, when it is 2yz.
fn expect(phase: &'static str, reply: Result<Reply, Trouble>) -> Result<Reply, SendError> {
    match reply {
        Ok(reply) if reply.is_positive() => Ok(reply),
        Ok(reply) => Err(refusal(phase, &reply)),
        Err(error) => Err(trouble(phase, &error)),
    }
}

/// A connection that failed in this phase.
pub(super) fn trouble(phase: &'static str, trouble: &Trouble) -> SendError {
    fault(phase, &trouble.to_string())
}

pub(super) fn fault(phase: &'static str, text: &str) -> SendError {
    SendError::Transient(Fault::new(phase, one_line(text)))
}
