//! Addresses that are safe to link to.
//!
//! `maud` escapes text but writes `href="javascript:…"` as it is, so a link in a template is an [`Href`], and an
//! [`Href`] that exists is harmless: http, https or mailto, printable ASCII, no user name that could dress up as a host.

use std::fmt;

/// The longest address that is kept, in bytes; what is longer is an accident or an attack.
pub const MAX_BYTES: usize = 2_000;

/// An address that may be in an `href`: printable ASCII of at most [`MAX_BYTES`], with the scheme http, https or
/// mailto in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Href(String);

impl Href {
    /// Parses an address. Non-ASCII characters and the few ASCII ones that no address may hold bare (RFC 3986 section
    /// 2) are percent-encoded. `None` for another scheme, a missing or non-ASCII host (an internationalised one comes
    /// as A-labels), user info, a backslash, white space, a control character, or more than [`MAX_BYTES`].
    pub fn parse(address: &str) -> Option<Self> {
        let (scheme, rest) = address.split_once(':')?;
        let scheme = scheme.to_ascii_lowercase();
        let rest = match scheme.as_str() {
            "http" | "https" => {
                let rest = rest.strip_prefix("//")?;
                let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
                is_host_and_port(authority).then_some(())?;
                rest
            }
            "mailto" => {
                let mailbox = rest.split('?').next().unwrap_or_default();
                let (local, domain) = mailbox.rsplit_once('@')?;
                (!local.is_empty() && is_host(domain)).then_some(rest)?
            }
            _ => return None,
        };
        let mut href = scheme;
        href.push_str(if href == "mailto" { ":" } else { "://" });
        for c in rest.chars() {
            match c {
                _ if c.is_control() || c.is_whitespace() || c == '\\' => return None,
                '"' | '<' | '>' | '^' | '`' | '{' | '|' | '}' => push_encoded(&mut href, c),
                _ if c.is_ascii() => href.push(c),
                _ => push_encoded(&mut href, c),
            }
        }
        (href.len() <= MAX_BYTES).then_some(Self(href))
    }

    /// The same, for a place where only a page will do: http and https.
    pub fn web(address: &str) -> Option<Self> {
        Self::parse(address).filter(|href| !href.0.starts_with("mailto:"))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Href {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Href {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl maud::Render for Href {
    fn render_to(&self, buffer: &mut String) {
        self.0.as_str().render_to(buffer);
    }
}

/// `host` or `host:port` of RFC 3986 section 3.2, without user info.
fn is_host_and_port(authority: &str) -> bool {
    if let Some(literal) = authority.strip_prefix('[') {
        let Some((ip, port)) = literal.split_once(']') else { return false };
        return !ip.is_empty()
            && ip.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.')
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    match authority.split_once(':') {
        Some((host, port)) => is_host(host) && is_port(port),
        None => is_host(authority),
    }
}

fn is_host(host: &str) -> bool {
    host.len() <= 255
        && host.strip_suffix('.').unwrap_or(host).split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

fn is_port(port: &str) -> bool {
    port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit())
}

fn push_encoded(href: &mut String, c: char) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        href.push('%');
        href.push(char::from(HEX[usize::from(byte >> 4)]));
        href.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(address: &str) -> Option<String> {
        Href::parse(address).map(|href| href.to_string())
    }

    #[test]
    fn addresses_of_pages_and_mailboxes_are_kept() {
        for same in [
            "https://example.org",
            "https://example.org/papers/2503.02130?v=2&x=%20#top",
            "http://localhost:8080/",
            "https://[2001:db8::1]:443/x",
            "https://xn--bcher-kva.example/",
            "mailto:stop+1.abc@example.org?subject=stop",
        ] {
            assert_eq!(kept(same).as_deref(), Some(same));
        }
        assert_eq!(kept("HTTPS://Example.org/").as_deref(), Some("https://Example.org/"));
    }

    #[test]
    fn characters_that_no_address_may_hold_are_encoded() {
        assert_eq!(kept("https://example.org/é/論?q=\"<>").as_deref(), {
            Some("https://example.org/%C3%A9/%E8%AB%96?q=%22%3C%3E")
        });
        assert_eq!(kept("https://example.org/\u{3BB}\u{AA}").as_deref(), Some("https://example.org/%CE%BB%C2%AA"));
    }

    #[test]
    fn whatever_could_run_or_deceive_is_refused() {
        let long = format!("https://example.org/{}", "a".repeat(MAX_BYTES));
        for bad in [
            "",
            "example.org",
            "//example.org/",
            "/papers/1",
            "javascript:alert(1)",
            "JavaScript://example.org/%0Aalert(1)",
            " https://example.org/",
            "java\nscript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "ftp://example.org/",
            "https:example.org",
            "https://",
            "https:///x",
            "https://?x",
            "https://example.org:port/",
            "https://example.org:99999/",
            "https://a..b/",
            "https://arxiv.org@example.org/",
            "https://user:pw@example.org/",
            "https://example.org\\@evil.example/",
            "https://exämple.org/",
            "https://example.org/a b",
            "https://example.org/a\tb",
            "https://example.org/a\u{0}b",
            "https://example.org/a\u{85}b",
            "https://example.org/a\u{2028}b",
            "mailto:",
            "mailto:ada",
            "mailto:@example.org",
            "mailto:ada@example.org\r\nBcc:x@example.org",
            long.as_str(),
        ] {
            assert_eq!(kept(bad), None, "{bad:?}");
        }
        assert_eq!(Href::web("mailto:ada@example.org"), None);
    }
}
