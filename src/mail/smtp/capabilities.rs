//! What a server offers in its answer to EHLO (RFC 5321 section 4.1.1.1).

use super::reply::Reply;

/// The extensions that matter to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// RFC 2920: several commands in one write.
    pub pipelining: bool,
    /// RFC 3207.
    pub starttls: bool,
    /// RFC 6152: bodies with octets over 127.
    pub eight_bit: bool,
    /// RFC 6531: addresses that are not ASCII.
    pub smtputf8: bool,
    /// RFC 3461: what bounces should hold.
    pub dsn: bool,
    /// RFC 1870: the largest message in octets, when the server gives one.
    pub size: Option<u64>,
    /// RFC 4954: the SASL mechanisms, in upper case.
    pub auth: Vec<String>,
}

impl Capabilities {
    /// Reads the keyword lines; the first line is the server's name.
    pub(super) fn of(ehlo: &Reply) -> Self {
        let mut capabilities = Self::default();
        for line in ehlo.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            // `AUTH=PLAIN` is how servers wrote it before RFC 2554.
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            match words.next() {
                Some("PIPELINING") => capabilities.pipelining = true,
                Some("STARTTLS") => capabilities.starttls = true,
                Some("8BITMIME") => capabilities.eight_bit = true,
                Some("SMTPUTF8") => capabilities.smtputf8 = true,
                Some("DSN") => capabilities.dsn = true,
                // 0 says that no limit is known.
                Some("SIZE") => capabilities.size = words.next().and_then(|n| n.parse().ok()).filter(|&n| n > 0),
                Some("AUTH") => capabilities.auth.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        capabilities
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_read_whatever_their_case_and_order() {
        let lines =
            ["STARTTLS.example.org", "pipelining", "SIZE 1000", "auth PLAIN login", "AUTH=XOAUTH2", "X-DSN", "DSN"];
        let reply = Reply { code: 250, enhanced: None, lines: lines.map(String::from).to_vec() };
        let expected = Capabilities {
            pipelining: true,
            dsn: true,
            size: Some(1000),
            auth: ["PLAIN", "LOGIN", "XOAUTH2"].map(String::from).to_vec(),
            ..Capabilities::default()
        };
        assert_eq!(Capabilities::of(&reply), expected);
        for size in ["SIZE", "SIZE 0", "SIZE x"] {
            let reply = Reply { code: 250, enhanced: None, lines: vec!["a".into(), size.into()] };
            assert_eq!(Capabilities::of(&reply), Capabilities::default());
        }
    }
}
