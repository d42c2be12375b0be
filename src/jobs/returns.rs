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

impl Returns {
    /// The one link for leaving that a reader sees.
    pub fn link(&self, subscriber: &SubscriberId) -> String {
        self.page(subscriber).unwrap_or_else(|| self.mailto(subscriber))
    }

    /// The headers for help and for leaving (RFC 2369 sections 3.1 and 3.2, RFC 8058 section 3.1).
    pub fn headers(&self, subscriber: &SubscriberId) -> Vec<(&'static str, String)> {
        let help = format!("<mailto:{}?subject=help>", in_url(&self.person.reveal()));
        let mut leave = format!("<{}>", self.mailto(subscriber));
        let page = self.page(subscriber);
        if let Some(page) = &page {
            leave = format!("<{page}>, {leave}");
        }
        let mut headers = vec![("List-Help", help), ("List-Unsubscribe", leave)];
        if page.is_some_and(|page| page.starts_with("https:")) {
            headers.push(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
        }
        headers
    }

    /// The subscriber's own return path (VERP): `bounces+TOKEN@example.org`.
    pub fn path(&self, subscriber: &SubscriberId) -> Option<Address> {
        let bounce = self.bounce.as_ref()?;
        let token = self.keyring.mint(Purpose::Bounce, subscriber);
        Address::parse(&format!("{}+{}@{}", bounce.local(), token.reveal(), bounce.domain())).ok()
    }

    fn page(&self, subscriber: &SubscriberId) -> Option<String> {
        let base = self.base_url.as_ref()?.as_str().trim_end_matches('/');
        Some(format!("{base}/u/{}", self.keyring.mint(Purpose::Unsubscribe, subscriber).reveal()))
    }

    fn mailto(&self, subscriber: &SubscriberId) -> String {
        let token = self.keyring.mint(Purpose::Unsubscribe, subscriber);
        format!("mailto:{}?subject=unsubscribe%20{}", in_url(&self.mailbox.reveal()), token.reveal())
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
        let names = |base_url| returns(base_url).headers(&ADA).iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let all = ["List-Help", "List-Unsubscribe", "List-Unsubscribe-Post"];
        assert_eq!(names(Some("https://example.org")), all);
        assert_eq!(names(Some("http://example.org")), all[..2]);
        assert_eq!(names(None), all[..2]);
        assert_eq!(returns(None).headers(&ADA)[0].1, "<mailto:papers+help@example.org?subject=help>");
    }

    #[test]
    fn the_link_is_the_page_or_a_mail() {
        let token = "AdEBBwcHBwcHBwcHBwcHBwcHB5DCED-xBW14RRuKn0z2c2g";
        assert_eq!(returns(Some("https://example.org/p/")).link(&ADA), format!("https://example.org/p/u/{token}"));
        assert_eq!(
            returns(None).link(&ADA),
            format!("mailto:b%C3%BCcher%2Fo%27neil@example.org?subject=unsubscribe%20{token}")
        );
    }

    #[test]
    fn a_return_path_is_an_address_that_names_the_subscriber() {
        let returns = returns(None);
        let path = returns.path(&ADA).expect("a return path").reveal();
        assert!(path.starts_with("bounces+") && path.ends_with("@example.org"), "{path}");
        assert_eq!(returns.keyring.find(Purpose::Bounce, &path), Some(ADA));
    }
}
