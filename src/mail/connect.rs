//! From a host name to a stream that can be trusted.
//!
//! The addresses of the host are tried in turn, each a little after the one before it (RFC 8305), IPv6 and IPv4
//! alternating; a caller that finds nothing good behind the first that answers can try the others. TLS is
//! either there from the first octet or demanded by STARTTLS; there is no falling back to the clear, and a certificate
//! that does not fit ends the attempt. Without TLS only this very machine is connected to.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// A byte stream: TCP, or TLS over it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// Where a server is, and how far it is to be believed.
#[derive(Clone, Debug)]
pub(super) struct Server<'a> {
    /// A host name or an IP address; the certificate must be for it.
    pub(super) host: &'a str,
    pub(super) port: u16,
    /// Whether there is TLS, at once or later.
    pub(super) is_encrypted: bool,
    /// The authorities (PEM) to trust instead of the system's.
    pub(super) ca_file: Option<&'a Path>,
    /// For finding and reaching the host; TLS has as long again.
    pub(super) limit: Duration,
}

/// Why a server can't be reached as the settings have it.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The host is neither a name nor an address.
    #[error("host: not a host name or an IP address")]
    Host,
    /// The private authority can't be read.
    #[error("ca_file {}: {reason}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What the system or the parser said.
        reason: String,
    },
    /// TLS can't be set up, for one because the system has no trusted authorities.
    #[error("tls: {0}")]
    Tls(String),
}

/// How to reach the server; made once.
pub(super) struct Connector {
    host: String,
    port: u16,
    /// `None` for the clear.
    tls: Option<(TlsConnector, ServerName<'static>)>,
    limit: Duration,
}

/// The pause before the next address is tried beside the one that has not answered yet (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);

impl Connector {
    pub(super) fn new(server: &Server<'_>) -> Result<Self, ServerError> {
        let tls = if server.is_encrypted {
            let name = ServerName::try_from(server.host.to_owned()).map_err(|_| ServerError::Host)?;
            Some((TlsConnector::from(Arc::new(tls_config(server.ca_file)?)), name))
        } else {
            None
        };
        Ok(Self { host: server.host.to_owned(), port: server.port, tls, limit: server.limit })
    }

    /// A TCP connection to the first address that answers.
    pub(super) async fn tcp(&self) -> io::Result<TcpStream> {
        self.route().next().await
    }

    /// The way to the server, address by address.
    pub(super) fn route(&self) -> Route<'_> {
        Route { connector: self, left: None }
    }

    /// TLS over a stream: `None` when these settings know no TLS.
    pub(super) async fn tls<S: Stream>(&self, stream: S) -> io::Result<Option<impl Stream + use<S>>> {
        let Some((connector, name)) = &self.tls else { return Ok(None) };
        let handshake = timeout(self.limit, connector.connect(name.clone(), stream)).await;
        Ok(Some(handshake.map_err(|_| too_late(self.limit))??))
    }

    async fn look_up(&self) -> io::Result<Vec<SocketAddr>> {
        let mut addresses = alternating(tokio::net::lookup_host((self.host.as_str(), self.port)).await?.collect());
        if self.tls.is_none() {
            // `localhost` is a name like any other: what it resolves to is what counts.
            addresses.retain(|address| address.ip().is_loopback());
        }
        Ok(addresses)
    }
}

/// A server's addresses, each good for one connection.
pub(super) struct Route<'a> {
    connector: &'a Connector,
    /// In the order in which they are tried; `None` before the host was looked up.
    left: Option<Vec<SocketAddr>>,
}

impl Route<'_> {
    /// A TCP connection to the first that answers of the addresses that are left. It is left no more, nor is one that
    /// refused; one that was slower is.
    pub(super) async fn next(&mut self) -> io::Result<TcpStream> {
        let limit = self.connector.limit;
        timeout(limit, self.first_to_answer()).await.map_err(|_| too_late(limit))?
    }

    async fn first_to_answer(&mut self) -> io::Result<TcpStream> {
        let left = match &mut self.left {
            Some(left) => left,
            None => self.left.insert(self.connector.look_up().await?),
        };
        let mut addresses = left.clone().into_iter();
        let mut attempts = JoinSet::new();
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address to connect to");
        loop {
            let next = addresses.next();
            let more = next.is_some();
            if let Some(address) = next {
                attempts.spawn(async move { (address, connect(address).await) });
            }
            let ended = if more && addresses.len() > 0 {
                timeout(STAGGER, attempts.join_next()).await
            } else {
                Ok(attempts.join_next().await)
            };
            match ended {
                Ok(Some(Ok((address, ended)))) => {
                    left.retain(|other| *other != address);
                    match ended {
                        // Dropping the set ends the other attempts.
                        Ok(stream) => return Ok(stream),
                        Err(error) => last = error,
                    }
                }
                Ok(Some(Err(_))) | Err(_) => {}
                Ok(None) => return Err(last),
            }
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Without it the last segment of a mail waits 40 ms for the acknowledgement of the one before.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What is said of a limit that passed.
pub(super) fn too_late(limit: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs_f64()))
}

/// The resolver's order, but families alternating (RFC 8305 section 4).
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|a| a.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return order;
        }
        order.extend(pair.into_iter().flatten());
    }
}

/// TLS 1.2 and 1.3 with verified certificates: by the given authority alone, else by those that the system trusts.
fn tls_config(ca_file: Option<&Path>) -> Result<ClientConfig, ServerError> {
    // Named here, so that it does not matter what else is in the program: rustls panics when it must choose.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ServerError::Tls(error.to_string()))?;
    let builder = match ca_file {
        None => builder.with_platform_verifier().map_err(|error| ServerError::Tls(error.to_string()))?,
        Some(path) => {
            let unreadable = |reason: String| ServerError::CaFile { path: path.to_owned(), reason };
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path).map_err(|e| unreadable(e.to_string()))? {
                let certificate = certificate.map_err(|e| unreadable(e.to_string()))?;
                roots.add(certificate).map_err(|e| unreadable(e.to_string()))?;
            }
            if roots.is_empty() {
                return Err(unreadable("there is no certificate in it".into()));
            }
            builder.with_root_certificates(roots)
        }
    };
    Ok(builder.with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Connector {
        /// The way to a server that has these addresses.
        pub(in super::super) fn route_over(&self, addresses: Vec<SocketAddr>) -> Route<'_> {
            Route { connector: self, left: Some(addresses) }
        }
    }

    #[test]
    fn families_alternate_and_keep_the_resolvers_order() {
        let parse = |list: &str| list.split(' ').map(|a| a.parse().expect("an address")).collect::<Vec<SocketAddr>>();
        assert_eq!(
            alternating(parse("[::1]:1 [::2]:1 [::3]:1 127.0.0.1:1")),
            parse("[::1]:1 127.0.0.1:1 [::2]:1 [::3]:1")
        );
        assert_eq!(alternating(parse("127.0.0.1:1 [::1]:1")), parse("127.0.0.1:1 [::1]:1"));
        assert_eq!(alternating(Vec::new()), Vec::new());
    }
}
