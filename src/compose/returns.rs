//! How a mail comes back: the links by which a reader leaves, and the return path that names whose bounce it is.
//!
//! Everything here is made of a token ([`crate::core::token`]), so it is the same at every attempt.

use std::sync::Arc;

use url::Url;

use crate::core::address::Address;
use crate::core::token::{Keyring, Purpose, SubscriberId};

/// Where readers and mail servers turn.
#[derive(Clone, Debug)]
pub struct Returns {
    /// Makes the tokens.
    pub keyring: Arc<Keyring>,
    /// How readers reach the program's own page, if it has one.
    pub base_url: Option<Url>,
    /// Who gets mails that ask to leave: [`Returns::bounce`], where mails are read by the program, or a person.
    pub mailbox: Address,
    /// The person who answers readers.
    pub person: Address,
    /// The mailbox for bounces; without one they go to the sender's address and name nobody.
    pub bounce: Option<Address>,
}

/// How one reader leaves: links with a token in them, which no log may show.
pub struct WayOut {
    /// By the program's own page, if it has one.
    page: Option<String>,
    /// By a mail.
    mailto: String,
}

impl Returns {
    /// The headers for help and for leaving (RFC 2369 section 3.1, RFC 8058 section 3.1) that are the same in all mails.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("List-Help", format!("<mailto:{}?subject=help>", in_url(&self.person.reveal())))];
        if self.base_url.as_ref().is_some_and(|base| base.scheme() == "https") {
            headers.push(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
        }
        headers
    }

    /// How the subscriber leaves.
    pub fn way_out(&self, subscriber: &SubscriberId) -> WayOut {
        let token = self.keyring.mint(Purpose::Unsubscribe, subscriber);
        let token = token.reveal();
        let page = |base: &Url| format!("{}/u/{token}", base.as_str().trim_end_matches('/'));
        WayOut {
            page: self.base_url.as_ref().map(page),
            mailto: format!("mailto:{}?subject=unsubscribe%20{token}", in_url(&self.mailbox.reveal())),
        }
    }

    /// The subscriber's own return path (VERP): `bounces+TOKEN@example.org`.
    pub fn path(&self, subscriber: &SubscriberId) -> Option<Address> {
        let bounce = self.bounce.as_ref()?;
        let token = self.keyring.mint(Purpose::Bounce, subscriber);
        Address::parse(&format!("{}+{}@{}", bounce.local(), token.reveal(), bounce.domain())).ok()
    }
}

impl WayOut {
    /// The one link that the reader sees.
    pub fn link(&self) -> &str {
        self.page.as_ref().unwrap_or(&self.mailto)
    }

    /// The List-Unsubscribe header (RFC 2369 section 3.2).
    pub fn header(&self) -> (&'static str, String) {
        let ways = match &self.page {
            Some(page) => format!("<{page}>, <{}>", self.mailto),
            None => format!("<{}>", self.mailto),
        };
        ("List-Unsubscribe", ways)
    }
}

/// An address as RFC 6068 section 2 wants it in a mailto URI.
fn in_url(address: &str) -> String {
    let mut url = String::with_capacity(address.len());
    for byte in address.bytes() {
        match byte {
            plain if plain.is_ascii_alphanumeric() || b"-._~+@".contains(&plain) => url.push(char::from(plain)),
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: SubscriberId = [7; 16];

    fn returns(base_url: Option<&str>) -> Returns {
        let address = |text| Address::parse(text).expect("an address");
        Returns {
            keyring: Arc::new(Keyring::new(&[1; 32], [])),
            base_url: base_url.map(|url| Url::parse(url).expect("a URL")),
            mailbox: address("bücher/o'neil@example.org"),
            person: address("papers+help@example.org"),
            bounce: Some(address("bounces@example.org")),
        }
    }

    #[test]
    fn one_click_is_offered_where_the_page_is_secure() {
        let names = |base_url| returns(base_url).headers().iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let all = ["List-Help", "List-Unsubscribe-Post"];
        assert_eq!(names(Some("https://example.org")), all);
        assert_eq!(names(Some("http://example.org")), all[..1]);
        assert_eq!(names(None), all[..1]);
        assert_eq!(returns(None).headers()[0].1, "<mailto:papers+help@example.org?subject=help>");
    }

    #[test]
    fn the_link_is_the_page_or_a_mail() {
        let token = "AdEBBwcHBwcHBwcHBwcHBwcHB5DCED-xBW14RRuKn0z2c2g";
        assert_eq!(
            returns(Some("https://example.org/p/")).way_out(&ADA).link(),
            format!("https://example.org/p/u/{token}")
        );
        assert_eq!(
            returns(None).way_out(&ADA).link(),
            format!("mailto:b%C3%BCcher%2Fo%27neil@example.org?subject=unsubscribe%20{token}")
        );
    }

    #[test]
    fn the_header_names_the_page_before_the_mail() {
        let [both, alone] =
            [Some("https://example.org"), None].map(|base_url| returns(base_url).way_out(&ADA).header().1);
        assert_eq!(both, format!("<{}>, {alone}", returns(Some("https://example.org")).way_out(&ADA).link()));
        assert_eq!(alone, format!("<{}>", returns(None).way_out(&ADA).link()));
    }

    #[test]
    fn a_return_path_is_an_address_that_names_the_subscriber() {
        let returns = returns(None);
        let path = returns.path(&ADA).expect("a return path").reveal();
        assert!(path.starts_with("bounces+") && path.ends_with("@example.org"), "{path}");
        assert_eq!(returns.keyring.find(Purpose::Bounce, &path), Some(ADA));
    }
}
