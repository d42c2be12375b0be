//! From a host name to a stream that can be trusted.
//!
//! The addresses of the host are tried in turn, each a little after the one before it (RFC 8305), IPv6 and IPv4
//! alternating. TLS is either there from the first octet or demanded by STARTTLS; there is no falling back to the clear,
//! and a certificate that does not fit ends the attempt. Without TLS only this very machine is connected to.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::wire::{Stream, Trouble};
use super::{SettingsError, SmtpSettings, Tls};

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
    pub(super) fn new(settings: &SmtpSettings) -> Result<Self, SettingsError> {
        let tls = if settings.tls == Tls::None {
            None
        } else {
            let name = ServerName::try_from(settings.host.clone()).map_err(|_| SettingsError::Host)?;
            Some((TlsConnector::from(Arc::new(tls_config(settings.ca_file.as_deref())?)), name))
        };
        Ok(Self { host: settings.host.clone(), port: settings.port, tls, limit: settings.timeouts.connect })
    }

    /// A TCP connection to the first address that answers.
    pub(super) async fn tcp(&self) -> Result<TcpStream, Trouble> {
        timeout(self.limit, self.first_to_answer()).await.map_err(|_| Trouble::TimedOut(self.limit))?
    }

    /// TLS over a stream: `None` when these settings know no TLS.
    pub(super) async fn tls<S: Stream>(&self, stream: S) -> Result<Option<impl Stream + use<S>>, Trouble> {
        let Some((connector, name)) = &self.tls else { return Ok(None) };
        let handshake = timeout(self.limit, connector.connect(name.clone(), stream)).await;
        Ok(Some(handshake.map_err(|_| Trouble::TimedOut(self.limit))??))
    }

    async fn first_to_answer(&self) -> Result<TcpStream, Trouble> {
        let mut addresses = alternating(tokio::net::lookup_host((self.host.as_str(), self.port)).await?.collect());
        if self.tls.is_none() {
            // `localhost` is a name like any other: what it resolves to is what counts.
            addresses.retain(|address| address.ip().is_loopback());
        }
        let mut addresses = addresses.into_iter();
        let mut attempts = JoinSet::new();
        let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the host has no address to connect to");
        loop {
            let next = addresses.next();
            let more = next.is_some();
            if let Some(address) = next {
                attempts.spawn(connect(address));
            }
            let ended = if more && addresses.len() > 0 {
                timeout(STAGGER, attempts.join_next()).await
            } else {
                Ok(attempts.join_next().await)
            };
            match ended {
                // Dropping the set ends the other attempts.
                Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
                Ok(Some(Ok(Err(error)))) => last = error,
                Ok(Some(Err(_))) | Err(_) => {}
                Ok(None) => return Err(last.into()),
            }
        }
    }
}

async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Without it the last segment of a mail waits 40 ms for the acknowledgement of the one before.
    stream.set_nodelay(true)?;
    Ok(stream)
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
fn tls_config(ca_file: Option<&Path>) -> Result<ClientConfig, SettingsError> {
    // Named here, so that it does not matter what else is in the program: rustls panics when it must choose.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SettingsError::Tls(error.to_string()))?;
    let builder = match ca_file {
        None => builder.with_platform_verifier().map_err(|error| SettingsError::Tls(error.to_string()))?,
        Some(path) => {
            let unreadable = |reason: String| SettingsError::CaFile { path: path.to_owned(), reason };
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
