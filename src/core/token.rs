//! Tokens by which the outside names a subscriber: in links for leaving and in return paths.
//!
//! A token is 35 bytes - version, key id, purpose, the subscriber's random id, HMAC-SHA256 cut to 128 bits (RFC 2104
//! section 5) - written in base64url without padding (RFC 4648 section 5): 47 characters, all of which may be in a
//! URL and before the @ of an address. It holds no address, never expires (a mail of years ago can be left by its link),
//! and is good for one purpose only: who sees a return path can't unsubscribe anybody with it.
//!
//! A [`Keyring`] signs with its first key and verifies with all, so a key can be replaced while old mails keep working.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};

/// A subscriber as the outside knows them: random, so that nothing can be told from it.
pub type SubscriberId = [u8; 16];

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To leave: in links and in the subject of a mail.
    Unsubscribe,
    /// To name whom a bounce is about: in return paths.
    Bounce,
    /// To take back one's leaving: on the page that has just confirmed it. Names that leaving, not the subscriber.
    Undo,
}

impl Purpose {
    fn byte(self) -> u8 {
        match self {
            Self::Unsubscribe => 1,
            Self::Bounce => 2,
            Self::Undo => 3,
        }
    }
}

/// Characters of a token.
pub const LENGTH: usize = 47;

/// A token, which prints only on purpose.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token in clear, for the mail of the subscriber that it names.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The keys, of which the first one signs.
#[derive(Clone)]
pub struct Keyring {
    keys: Vec<(u8, Key)>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.keys.len())
    }
}

const VERSION: u8 = 1;
const MAC: usize = 16;

impl Keyring {
    /// A ring of one or more secrets, each of 32 or more random octets; `first` signs, all verify.
    pub fn new<'a>(first: &'a [u8], others: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let keys = std::iter::once(first).chain(others).map(|secret| {
            // A key's id only spares tries. Two keys may share one: then both are tried.
            let id = digest(&SHA256, &[b"paperpost key id", secret].concat()).as_ref()[0];
            (id, Key::new(HMAC_SHA256, secret))
        });
        Self { keys: keys.collect() }
    }

    /// The token of `subscriber` for `purpose`: always the same with the same key.
    pub fn mint(&self, purpose: Purpose, subscriber: &SubscriberId) -> Token {
        let (id, key) = &self.keys[0];
        let mut bytes = vec![VERSION, *id, purpose.byte()];
        bytes.extend_from_slice(subscriber);
        bytes.extend_from_slice(&mac(key, &bytes));
        Token(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Whom a token names, when it is one of ours and meant for `purpose`.
    pub fn verify(&self, purpose: Purpose, text: &str) -> Option<SubscriberId> {
        if text.len() != LENGTH {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (signed, given) = bytes.split_at_checked(bytes.len().checked_sub(MAC)?)?;
        let [version, id, used_for, subscriber @ ..] = signed else { return None };
        if *version != VERSION || *used_for != purpose.byte() {
            return None;
        }
        let mut keys = self.keys.iter().filter(|(known, _)| known == id);
        // In constant time, so that nobody can guess a MAC octet by octet.
        let genuine =
            keys.any(|(_, key)| aws_lc_rs::constant_time::verify_slices_are_equal(&mac(key, signed), given).is_ok());
        if genuine { subscriber.try_into().ok() } else { None }
    }

    /// Whether `text` has what looks like a token by a key that isn't on this ring.
    pub fn lacks_key_of(&self, text: &str) -> bool {
        candidates(text).any(|word| match BASE64_URL_SAFE_NO_PAD.decode(word).as_deref() {
            Ok([VERSION, id, 1 | 2, ..]) => self.keys.iter().all(|(known, _)| known != id),
            _ => false,
        })
    }

    /// The first token for `purpose` in `text`: at the end of a run of characters that a token may have, since `%20` may
    /// are right before it.
    pub fn find(&self, purpose: Purpose, text: &str) -> Option<SubscriberId> {
        candidates(text).find_map(|word| self.verify(purpose, word))
    }

    /// Every subscriber whom a token for `purpose` in `text` names.
    pub fn find_all(&self, purpose: Purpose, text: &str) -> Vec<SubscriberId> {
        candidates(text).filter_map(|word| self.verify(purpose, word)).collect()
    }
}

/// The pieces of a text that have the length and the characters of a token.
fn candidates(text: &str) -> impl Iterator<Item = &str> {
    let is_token_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let words = text.split(move |c| !is_token_char(c)).filter(|word| word.len() >= LENGTH);
    words.map(|word| &word[word.len() - LENGTH..])
}

/// HMAC-SHA256 over the length-prefixed parts, cut to 128 bits. The context tells it from any other use of the key.
fn mac(key: &Key, signed: &[u8]) -> [u8; MAC] {
    const CONTEXT: &[u8] = b"paperpost token";
    let mut data = Vec::with_capacity(8 + CONTEXT.len() + signed.len());
    for part in [CONTEXT, signed] {
        data.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        data.extend_from_slice(part);
    }
    let mut cut = [0; MAC];
    cut.copy_from_slice(&sign(key, &data).as_ref()[..MAC]);
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OLD: &[u8] = &[1; 32];
    const NEW: &[u8] = &[2; 32];
    const ADA: SubscriberId = [7; 16];

    fn ring() -> Keyring {
        Keyring::new(OLD, [])
    }

    #[test]
    fn a_token_names_its_subscriber_and_always_reads_the_same() {
        let token = ring().mint(Purpose::Unsubscribe, &ADA);
        assert_eq!(token.reveal().len(), LENGTH);
        assert_eq!(ring().verify(Purpose::Unsubscribe, token.reveal()), Some(ADA));
        // Links in mails that are out must work for ever: this text may never change.
        assert_eq!(token.reveal(), "AdEBBwcHBwcHBwcHBwcHBwcHB5DCED-xBW14RRuKn0z2c2g");
        assert_eq!(format!("{token:?} {:?}", ring()), "*** 1 keys");
    }

    #[test]
    fn a_token_is_good_for_one_purpose() {
        let token = ring().mint(Purpose::Bounce, &ADA);
        assert_eq!(ring().verify(Purpose::Unsubscribe, token.reveal()), None);
        assert_eq!(ring().verify(Purpose::Bounce, token.reveal()), Some(ADA));
    }

    #[test]
    fn an_old_key_verifies_until_it_leaves_the_ring() {
        let old = ring().mint(Purpose::Unsubscribe, &ADA);
        let both = Keyring::new(NEW, [OLD]);
        assert_eq!(both.verify(Purpose::Unsubscribe, old.reveal()), Some(ADA));
        assert_ne!(both.mint(Purpose::Unsubscribe, &ADA), old);
        assert_eq!(Keyring::new(NEW, []).verify(Purpose::Unsubscribe, old.reveal()), None);
    }

    #[test]
    fn a_token_is_found_where_people_and_servers_put_it() {
        let token = ring().mint(Purpose::Unsubscribe, &ADA);
        let token = token.reveal();
        for text in [
            format!("unsubscribe {token}"),
            format!("Re: unsubscribe {token}."),
            format!("<bounces+{token}@example.org>"),
            format!("<https://example.org/u/{token}>, <mailto:a@example.org>"),
            format!("<mailto:a@example.org?subject=unsubscribe%20{token}>"),
        ] {
            assert_eq!(ring().find(Purpose::Unsubscribe, &text), Some(ADA), "{text}");
        }
        assert_eq!(ring().find(Purpose::Unsubscribe, "unsubscribe"), None);
    }

    proptest! {
        #[test]
        fn no_altered_token_is_taken(at in 0..LENGTH, to in "[A-Za-z0-9_-]") {
            let token = ring().mint(Purpose::Unsubscribe, &ADA);
            let mut altered = token.reveal().to_owned();
            altered.replace_range(at..=at, &to);
            prop_assume!(altered != token.reveal());
            prop_assert_eq!(ring().verify(Purpose::Unsubscribe, &altered), None);
        }

        #[test]
        fn no_text_is_taken_for_a_token(text in "\\PC{0,60}") {
            prop_assert_eq!(ring().verify(Purpose::Unsubscribe, &text), None);
        }
    }
}
