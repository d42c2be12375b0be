//! Where a server may send us.
//!
//! An operator chooses a source's address, and may choose one on the own machine or network. A server must not: else the
//! list of papers could be made to read a router's page or a cloud's metadata. So a redirect to another host is followed
//! only if every address that this host has is a public one, and the connection goes to those very addresses. A source that
//! is itself on a local address may redirect to others: a server there is inside already.
//!
//! Not covered: a redirect to the same host, whose address the operator chose; and where a proxy makes the connections, what
//! the proxy makes of a name that is public for us.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::header::LOCATION;
use url::{Host, Url};

use super::FetchError;

/// Redirects followed for one request.
const MOST: usize = 5;

/// The way of one request.
pub(super) struct Trail {
    start: Url,
    at: Url,
    hops: usize,
}

/// What an answer means for the way.
pub(super) enum Step {
    /// It is the end of it.
    Arrived,
    /// On to the next address.
    On,
    /// On to the next address, whose host has this name and is to be found at these addresses only.
    OnTo(String, Vec<SocketAddr>),
}

impl Trail {
    pub(super) fn new(url: &Url) -> Self {
        Self { start: url.clone(), at: url.clone(), hops: 0 }
    }

    /// Where the next request goes.
    pub(super) fn url(&self) -> &Url {
        &self.at
    }

    /// Takes the step that an answer asks for.
    pub(super) async fn follow(&mut self, response: &reqwest::Response) -> Result<Step, FetchError> {
        let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        let Some(location) = response.headers().get(LOCATION).filter(|_| is_redirect) else { return Ok(Step::Arrived) };
        let refuse = |why: &str| Err(FetchError::Redirect(why.to_owned()));
        let Some(next) = location.to_str().ok().and_then(|location| self.at.join(location).ok()) else {
            return refuse("to no address");
        };
        self.hops += 1;
        if self.hops > MOST {
            return refuse("too often");
        }
        if !matches!(next.scheme(), "http" | "https") {
            return refuse("to an address that is not of the web");
        }
        if self.at.scheme() == "https" && next.scheme() == "http" {
            return refuse("from https to http");
        }
        let is_at_home = next.host() == self.start.host();
        let step = if is_at_home || self.starts_locally().await { Step::On } else { checked(&next).await? };
        self.at = next;
        Ok(step)
    }

    /// Whether the request was meant for a local address from the start.
    async fn starts_locally(&self) -> bool {
        addresses(&self.start).await.is_ok_and(|found| found.iter().any(|address| is_local(address.ip())))
    }
}

/// The step to a host that nobody chose.
async fn checked(url: &Url) -> Result<Step, FetchError> {
    let host = url.host_str().unwrap_or_default();
    let found = addresses(url).await.map_err(|error| FetchError::Network(format!("{host}: {error}")))?;
    if let Some(local) = found.iter().find(|address| is_local(address.ip())) {
        return Err(FetchError::Redirect(format!("to {host}, which is a local address ({})", local.ip())));
    }
    Ok(match url.host() {
        Some(Host::Domain(name)) => Step::OnTo(name.to_owned(), found),
        _ => Step::On,
    })
}

async fn addresses(url: &Url) -> std::io::Result<Vec<SocketAddr>> {
    // Without a port the one of the scheme is used.
    let port = url.port().unwrap_or(0);
    Ok(match url.host() {
        Some(Host::Ipv4(ip)) => vec![(ip, port).into()],
        Some(Host::Ipv6(ip)) => vec![(ip, port).into()],
        Some(Host::Domain(name)) => tokio::net::lookup_host((name, port)).await?.collect(),
        None => Vec::new(),
    })
}

/// Whether an address is of this machine, of a network that isn't public, or of nobody. An IPv6 address that stands for an
/// IPv4 one is what that is.
fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => is_local_v4(ip),
        IpAddr::V6(ip) => embedded(ip).map_or_else(|| is_local_v6(ip), is_local_v4),
    }
}

/// The special-purpose blocks of RFC 6890 that no public server is in.
fn is_local_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        || a == 0 // this network
        || a >= 240 // reserved, broadcast
        || (a == 100 && b & 0b1100_0000 == 64) // shared by a provider's customers
        || (a == 198 && b & 0b1111_1110 == 18) // benchmarks
        || (a == 192 && b == 0 && c == 0) // protocol assignments
}

fn is_local_v6(ip: Ipv6Addr) -> bool {
    ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_unique_local()
        || ip.is_unicast_link_local()
        || ip.is_multicast()
        || ip.segments()[0] & 0xffc0 == 0xfec0 // site-local, once
        || ip.segments()[..3] == [0x64, 0xff9b, 1] // translation within a network
}

/// The IPv4 address in a mapped, compatible, translated (NAT64), 6to4 or Teredo one.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => join(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high > 0 => join(high, low),
        [0x2002, high, low, ..] => join(high, low),
        [0x2001, 0, .., high, low] => join(!high, !low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_machines_and_networks_are_local_however_they_are_written() {
        for local in [
            "127.0.0.1",
            "127.255.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "fc00::1",
            "fec0::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:a9fe:a9fe",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "2001:0:1:2:3:4:80ff:fffe",
        ] {
            assert!(is_local(local.parse().expect("an address")), "{local}");
        }
        for public in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "2001:4860::8888",
        ] {
            assert!(!is_local(public.parse().expect("an address")), "{public}");
        }
    }

    #[tokio::test]
    async fn a_host_that_is_local_by_its_number_or_its_name_is_not_gone_to() {
        for url in [
            "http://127.0.0.1/",
            "http://[::1]:8080/x",
            "http://[::ffff:10.0.0.1]/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://localhost:9/",
            "http://169.254.169.254/latest/meta-data/",
        ] {
            let url = Url::parse(url).expect("an address");
            let refused = checked(&url).await.err();
            assert!(
                matches!(&refused, Some(FetchError::Redirect(why)) if why.contains("which is a local address")),
                "{url}: {refused:?}"
            );
            assert!(Trail::new(&url).starts_locally().await, "{url}");
        }
        let public = Url::parse("https://8.8.8.8/").expect("an address");
        assert!(matches!(checked(&public).await, Ok(Step::On)));
        assert!(!Trail::new(&public).starts_locally().await);
    }
}
