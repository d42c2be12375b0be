//! Mail addresses, parsed strictly and printed masked.
//!
//! An [`Address`] is what a digest can be sent to: a dot-atom local part and a domain name. Quoted local parts, address
//! literals and control characters are refused: they are legal in RFC 5322 and, in a subscription, always a mistake or
//! an attack. The domain is kept as A-labels (RFC 5890), which every server takes; the local part is kept as it was
//! given (RFC 5321 section 2.4: it is case-sensitive to its owner) and compared case-folded.
//!
//! Nothing prints an address by accident: `Debug` and `Display` mask it as `a***@e***.org`.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::clean::visible;

/// A mail address that can be written to.
#[derive(Clone)]
pub struct Address {
    local: String,
    domain: String,
}

/// An address with the name shown before it, as a From header has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The name, one line; `None` or blank for none.
    pub name: Option<String>,
    /// The address.
    pub address: Address,
}

/// Why a text is no address, in words that follow the text itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `@`.
    #[error("has no @ between a name and a domain")]
    NoAt,
    /// The part before the `@` is empty, over 64 octets, or holds what a mailbox name can't.
    #[error(
        "has a part before the @ that is no mailbox name (letters, digits, dots between them and !#$%&'*+-/=?^_`{{|}}~)"
    )]
    Local,
    /// The part after the `@` is no domain name, or over 255 octets.
    #[error("has a part after the @ that is no domain name like example.org")]
    Domain,
    /// The whole is over 254 octets (RFC 5321 section 4.5.3.1.3, with its angle brackets).
    #[error("is longer than the 254 octets that mail allows")]
    TooLong,
}

impl Address {
    /// Parses `local@domain`; surrounding white space is not part of it.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
        if local.len() > 64 || !local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext)) {
            return Err(AddressError::Local);
        }
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| AddressError::Domain)?;
        let labels = domain.split('.').count();
        let top_level_is_a_number = domain.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
        if domain.len() > 255 || (labels < 2 && domain != "localhost") || top_level_is_a_number {
            return Err(AddressError::Domain);
        }
        if local.len() + 1 + domain.len() > 254 {
            return Err(AddressError::TooLong);
        }
        Ok(Self { local: local.to_owned(), domain })
    }

    /// The part before the `@`, as it was given.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain in A-labels, lower case.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The whole address in clear, for an envelope, a header or the person who asked. Never for a log.
    pub fn reveal(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    /// What two spellings of one address share: local part case-folded, domain in A-labels. Dots and `+tags` stay; they
    /// mean something to some hosts.
    pub fn normalized(&self) -> String {
        format!("{}@{}", self.local.to_lowercase(), self.domain)
    }

    /// Whether the local part needs SMTPUTF8 (RFC 6531).
    pub fn is_internationalized(&self) -> bool {
        !self.local.is_ascii()
    }
}

/// RFC 5322 section 3.2.3, with RFC 6532's non-ASCII characters - marks too, which many scripts write vowels and tones
/// with - less white space, controls and what hides or reorders text.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_whitespace() && visible(c) == Some(c))
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.domain == other.domain && self.local.to_lowercase() == other.local.to_lowercase()
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.normalized().hash(state);
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = |s: &str| s.chars().next().unwrap_or('*');
        let top = self.domain.rsplit('.').next().unwrap_or_default();
        write!(f, "{}***@{}***.{top}", first(&self.local), first(&self.domain))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_people_have_are_taken() {
        for (given, kept) in [
            ("ada@example.org", "ada@example.org"),
            (" Ada.B+papers@Example.ORG ", "Ada.B+papers@example.org"),
            ("rené@bücher.example", "rené@xn--bcher-kva.example"),
            ("root@localhost", "root@localhost"),
            // A virama, a tone mark, a joiner that the script needs.
            ("संपर्क@example.org", "संपर्क@example.org"),
            ("ที่อยู่@example.org", "ที่อยู่@example.org"),
            ("می\u{200C}خواهم@example.org", "می\u{200C}خواهم@example.org"),
        ] {
            assert_eq!(Address::parse(given).map(|a| a.reveal()), Ok(kept.to_owned()));
        }
    }

    #[test]
    fn what_cannot_be_written_to_is_refused() {
        use AddressError::*;
        let long = format!("{}@example.org", "a".repeat(65));
        for (given, why) in [
            ("ada", NoAt),
            ("@example.org", Local),
            ("a..b@example.org", Local),
            ("a\r\nBcc: x@example.org", Local),
            ("\"a b\"@example.org", Local),
            (long.as_str(), Local),
            ("a\u{A0}b@example.org", Local),
            ("a\u{3000}b@example.org", Local),
            ("a\u{2028}b@example.org", Local),
            ("a\u{85}b@example.org", Local),
            ("a\u{80}b@example.org", Local),
            ("a\u{202E}b@example.org", Local),
            ("a\u{2066}b@example.org", Local),
            ("a\u{200B}b@example.org", Local),
            ("\u{FEFF}a@example.org", Local),
            ("ada@", Domain),
            ("ada@example", Domain),
            ("ada@[127.0.0.1]", Domain),
            ("ada@127.0.0.1", Domain),
            ("ada@exa mple.org", Domain),
            ("ada@-example.org", Domain),
        ] {
            assert_eq!(Address::parse(given).map(|a| a.reveal()), Err(why), "{given:?}");
        }
    }

    #[test]
    fn an_address_prints_masked_and_compares_folded() {
        let address = Address::parse("Ada@Example.org").expect("an address");
        assert_eq!(format!("{address} {address:?}"), "A***@e***.org A***@e***.org");
        assert_eq!(address, Address::parse("ada@EXAMPLE.org").expect("an address"));
    }
}
