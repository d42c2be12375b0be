//! Names of machines and domains.

use ::core::net::IpAddr;

/// Whether a text is one or more labels of letters, digits and hyphens, dots between them.
pub fn is_dns_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// Whether a host is this machine by its number or its name (RFC 6761 section 6.3).
pub fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.rsplit('.').next().is_some_and(|label| label.eq_ignore_ascii_case("localhost")),
    }
}
