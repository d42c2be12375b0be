//! A session that is ready for mail: connected, greeted, encrypted and logged in.
//!
//! A session is owned by its user. A user that is cancelled or times out drops it, which closes the connection; only
//! a session whose every command was answered comes back to be used again.

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::super::connect::{Connector, Route, Stream};
use super::auth::log_in;
use super::capabilities::Capabilities;
use super::reply::Reply;
use super::verdict::{fault, refusal, trouble};
use super::wire::{Trouble, Wire};
use super::{SmtpSettings, Timeouts};
use crate::core::delivery::{Phase, SendError};
use crate::core::server::Tls;

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

/// Addresses of one server at which a session is begun, at most. RFC 5321 section 5.1 wants two or more; a server that
/// is mute at all of them takes this many times as long to give up.
const MOST_ADDRESSES: usize = 3;

impl Session {
    /// Connects, says EHLO, turns TLS on and logs in. Every failure is transient: none says anything about a mail.
    pub(super) async fn open(settings: &SmtpSettings, connector: &Connector) -> Result<Self, SendError> {
        Self::open_over(connector.route(), settings, connector).await
    }

    /// If an address fails, the next is tried. A login is tried at one only: a client that is refused too
    /// often is locked out.
    async fn open_over(
        mut route: Route<'_>,
        settings: &SmtpSettings,
        connector: &Connector,
    ) -> Result<Self, SendError> {
        let timeouts = settings.timeouts;
        let tcp = route.next().await.map_err(|error| trouble(Phase::Connect, &error.into()))?;
        let mut greeted = greet(tcp, settings, connector).await;
        for _ in 1..MOST_ADDRESSES {
            // Without STARTTLS the server is not what the settings say, wherever it is asked.
            let Err(error) = greeted.as_ref() else { break };
            if error.fault().phase == Phase::StartTls {
                break;
            }
            let Ok(tcp) = route.next().await else { break };
            tracing::debug!(host = settings.host, %error, "an address of the smtp server is of no use; trying the next");
            greeted = greet(tcp, settings, connector).await;
        }
        let (mut wire, capabilities) = greeted?;
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

/// From a connection to a server that has said what it can, with TLS as the settings want it.
async fn greet(
    tcp: TcpStream,
    settings: &SmtpSettings,
    connector: &Connector,
) -> Result<(Wire, Capabilities), SendError> {
    let timeouts = settings.timeouts;
    let mut wire = if settings.tls == Tls::Implicit { encrypted(connector, tcp).await? } else { Wire::new(tcp) };
    expect(Phase::Greeting, wire.reply(timeouts.greeting).await)?;
    let mut capabilities = ehlo(&mut wire, settings).await?;
    if settings.tls == Tls::StartTls {
        if !capabilities.starttls {
            return Err(fault(Phase::StartTls, "the server does not offer STARTTLS; nothing is sent in the clear"));
        }
        expect(Phase::StartTls, wire.command("STARTTLS", timeouts.command).await)?;
        let Some(stream) = wire.into_stream() else {
            return Err(fault(Phase::StartTls, "the server, or someone between, went on in the clear after STARTTLS"));
        };
        wire = encrypted(connector, stream).await?;
        // What was offered in the clear counts no more (RFC 3207 section 4.2).
        capabilities = ehlo(&mut wire, settings).await?;
    }
    Ok((wire, capabilities))
}

/// TLS over the stream.
async fn encrypted(connector: &Connector, stream: impl Stream + 'static) -> Result<Wire, SendError> {
    match connector.tls(stream).await {
        Ok(Some(stream)) => Ok(Wire::new(stream)),
        Ok(None) => Err(fault(Phase::Tls, "no TLS is set up")),
        Err(error) => {
            let is_certificate = matches!(cause(&error), Some(rustls::Error::InvalidCertificate(_)));
            Err(trouble(if is_certificate { Phase::Certificate } else { Phase::Tls }, &error.into()))
        }
    }
}

/// What TLS itself says of the failure.
fn cause(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

async fn ehlo(wire: &mut Wire, settings: &SmtpSettings) -> Result<Capabilities, SendError> {
    let reply = wire.command(&format!("EHLO {}", settings.hello), settings.timeouts.command).await;
    expect(Phase::Ehlo, reply).map(|reply| Capabilities::of(&reply))
}

/// The reply, when it is 2yz.
fn expect(phase: Phase, reply: Result<Reply, Trouble>) -> Result<Reply, SendError> {
    match reply {
        Ok(reply) if reply.is_positive() => Ok(reply),
        Ok(reply) => Err(refusal(phase, &reply)),
        Err(error) => Err(trouble(phase, &error)),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::super::connect::Server;
    use super::*;
    use crate::core::server::{Login, Mechanism};

    /// Answers every connection with these lines, the first at once, the others as somebody speaks; then it is silent.
    async fn server(replies: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    for reply in replies {
                        stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
                        if stream.read(&mut [0; 512]).await? == 0 {
                            return Ok(());
                        }
                    }
                    std::future::pending::<io::Result<()>>().await
                });
            }
        });
        address
    }

    async fn nobody() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listener.local_addr().expect("an address")
    }

    /// What comes of a server that has these addresses: `open`, or the failure.
    async fn opened(addresses: &[SocketAddr], tls: Tls, login: Option<Login>) -> String {
        let limit = Duration::from_millis(300);
        let timeouts = Timeouts { connect: limit, greeting: limit, command: limit, ..Timeouts::default() };
        let settings = SmtpSettings { tls, login, timeouts, ..SmtpSettings::new("localhost", 0, "me.example.org") };
        // What is trusted does not depend on the machine.
        let folder = tempfile::tempdir().expect("a folder");
        let authority = folder.path().join("ca.pem");
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(&authority, certified.cert.pem()).expect("written");
        let connector = Connector::new(&Server {
            host: &settings.host,
            port: settings.port,
            is_encrypted: settings.tls != Tls::None,
            ca_file: Some(&authority),
            limit,
        });
        let connector = connector.expect("settings");
        let session = Session::open_over(connector.route_over(addresses.to_vec()), &settings, &connector).await;
        session.map_or_else(|error| error.to_string(), |_| "open".to_owned())
    }

    const GOOD: &[&str] = &["220 ready", "250 me"];

    #[tokio::test]
    async fn a_server_that_is_ill_at_one_address_is_met_at_the_next() {
        let good = server(GOOD).await;
        let bad = [
            nobody().await,
            server(&["421 4.3.2 shutting down"]).await,
            server(&["554 5.3.2 no service"]).await,
            server(&[]).await,
            server(&["220 ready", "421 4.3.2 too busy"]).await,
            server(&["220 ready"]).await,
            server(&["hello"]).await,
        ];
        for (at, first) in bad.iter().enumerate() {
            assert_eq!(opened(&[*first, good], Tls::None, None).await, "open", "{at}");
        }
        assert_eq!(
            opened(&[bad[0], bad[1], bad[3], good], Tls::None, None).await,
            "open",
            "a refused TCP connection is no attempt"
        );
        // TLS begins and never ends; the next is asked too, and hasn't got it.
        let mute = server(&["220 ready", "250-me\r\n250 STARTTLS", "220 go ahead"]).await;
        assert!(opened(&[mute], Tls::StartTls, None).await.starts_with("tls: no answer within"));
        assert!(opened(&[mute, good], Tls::StartTls, None).await.contains("does not offer STARTTLS"));
    }

    #[tokio::test]
    async fn a_server_that_is_ill_everywhere_is_left_alone_after_a_few() {
        let busy = server(&["421 4.3.2 shutting down"]).await;
        let mute = server(&[]).await;
        assert!(opened(&[mute, busy, nobody().await], Tls::None, None).await.contains("4.3.2 shutting down"));
        let many = [busy, server(&["421 a"]).await, server(&["421 b"]).await, server(GOOD).await];
        assert!(opened(&many, Tls::None, None).await.contains("421 b"));
    }

    #[tokio::test]
    async fn what_another_address_would_not_mend_is_tried_at_none() {
        let good = server(&["220 ready", "250-me\r\n250 AUTH PLAIN", "235 welcome"]).await;
        let login = Login { user: "ada".into(), secret: "wrong".into(), mechanism: Mechanism::Plain };
        let strict = server(&["220 ready", "250-me\r\n250 AUTH PLAIN", "535 5.7.8 wrong password"]).await;
        let refused = opened(&[strict, good], Tls::None, Some(login.clone())).await;
        assert!(refused.starts_with("auth: ") && refused.contains("5.7.8"), "{refused}");
        assert_eq!(opened(&[good], Tls::None, Some(login)).await, "open");
        let bare = opened(&[server(GOOD).await, good], Tls::StartTls, None).await;
        assert!(bare.contains("does not offer STARTTLS"), "{bare}");
    }
}
