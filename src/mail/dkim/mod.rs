//! DKIM signatures (RFC 6376): rsa-sha256 and ed25519-sha256 (RFC 8463), relaxed/relaxed, one of each when both keys are
//! there, because some receivers know only RSA.
//!
//! Signing is the last step before a mail leaves: it covers the very bytes that are sent. The time is an input, and both
//! algorithms are deterministic, so the same mail gets the same signature at every attempt. What a reader sees or a
//! receiver acts on is signed, and the fields of [`OVERSIGNED`] once more than they are there, so that nobody can add one.
//!
//! [`new_key`] makes a key, [`Key::dns_record`] is what the DNS must say about it.

mod canonical;

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use chrono::{DateTime, Utc};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use crate::core::host::is_dns_name;
use canonical::{Field, headers, name, relaxed_body, signed_data, split};

/// The fields that are signed where they are there (RFC 6376 section 5.4.1; RFC 8058 asks for the two of unsubscribing).
pub const SIGNED: [&str; 15] = [
    "From",
    "To",
    "Cc",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Auto-Submitted",
    "Feedback-ID",
];

/// The fields that are signed once more than they are there (RFC 6376 sections 5.4 and 8.15).
pub const OVERSIGNED: [&str; 9] =
    ["From", "To", "Cc", "Reply-To", "Subject", "Date", "Content-Type", "List-Unsubscribe", "List-Unsubscribe-Post"];

/// Signs mails for one domain.
#[derive(Debug)]
pub struct Signer {
    domain: String,
    keys: Vec<Key>,
}

/// A private key under its selector.
pub struct Key {
    selector: String,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// 2048 bits; what every receiver knows.
    Rsa,
    /// Sixty times faster; not known to every receiver yet.
    Ed25519,
}

/// Why a key can't be used, or a signature not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DkimError {
    /// It is no PEM file with a private key.
    #[error("no private key in PEM (-----BEGIN PRIVATE KEY-----)")]
    NotPem,
    /// It is one that only a passphrase opens.
    #[error("the key is encrypted; `openssl pkey -in FILE -out FILE2` takes the passphrase away")]
    Encrypted,
    /// It is a key, but none of use here.
    #[error("the key is neither Ed25519 nor RSA of 2048 bits or more")]
    Unfit,
    /// The selector or the domain is no part of a domain name.
    #[error("the selector and the domain must be letters, digits, hyphens and dots")]
    Name,
    /// The library failed, for want of memory or randomness.
    #[error("the cryptographic library failed")]
    Library,
}

impl Key {
    /// Reads a private key in PEM, PKCS#8 or PKCS#1, as OpenSSL and opendkim-genkey write them.
    pub fn from_pem(selector: &str, pem: &str) -> Result<Self, DkimError> {
        check_name(selector)?;
        if pem.contains("ENCRYPTED") {
            return Err(DkimError::Encrypted);
        }
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| DkimError::NotPem)?;
        let pair = match &der {
            PrivateKeyDer::Pkcs1(key) => {
                RsaKeyPair::from_der(key.secret_pkcs1_der()).map(|key| Pair::Rsa(Box::new(key)))
            }
            PrivateKeyDer::Pkcs8(key) => {
                let key = key.secret_pkcs8_der();
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(key)
                    .map(Pair::Ed25519)
                    .or_else(|_| RsaKeyPair::from_pkcs8(key).map(|key| Pair::Rsa(Box::new(key))))
            }
            _ => return Err(DkimError::Unfit),
        };
        Ok(Self { selector: selector.to_owned(), pair: pair.map_err(|_| DkimError::Unfit)? })
    }

    /// What it is for.
    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Rsa(_) => Algorithm::Rsa,
            Pair::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// The TXT record for `<selector>._domainkey.<domain>` (RFC 6376 section 3.6.1, RFC 8463 section 4).
    pub fn dns_record(&self) -> Result<String, DkimError> {
        let (name, public) = match &self.pair {
            Pair::Rsa(pair) => {
                let der: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| DkimError::Library)?;
                ("rsa", BASE64_STANDARD.encode(der.as_ref()))
            }
            Pair::Ed25519(pair) => ("ed25519", BASE64_STANDARD.encode(pair.public_key())),
        };
        Ok(format!("v=DKIM1; k={name}; p={public}"))
    }

    /// The record as a line of a zone file, in strings of at most 255 octets: an RSA key needs two.
    pub fn zone_line(&self, domain: &str) -> Result<String, DkimError> {
        let record = self.dns_record()?;
        let strings: Vec<String> = record.as_bytes().chunks(255).map(|s| format!("\"{}\"", s.escape_ascii())).collect();
        Ok(format!("{}._domainkey.{domain}. IN TXT ( {} )", self.selector, strings.join(" ")))
    }

    fn sign(&self, data: &[u8]) -> Result<String, DkimError> {
        Ok(match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data, &mut signature)
                    .map_err(|_| DkimError::Library)?;
                BASE64_STANDARD.encode(signature)
            }
            // RFC 8463 section 3: Ed25519 signs the hash of the data.
            Pair::Ed25519(pair) => BASE64_STANDARD.encode(pair.sign(digest(&SHA256, data).as_ref())),
        })
    }
}

/// Never the key.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} key {}", self.algorithm(), self.selector)
    }
}

/// A new private key, as PEM (PKCS#8).
pub fn new_key(algorithm: Algorithm) -> Result<String, DkimError> {
    let der = match algorithm {
        Algorithm::Rsa => {
            let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).map_err(|_| DkimError::Library)?;
            pair.as_der().map_err(|_| DkimError::Library)?.as_ref().to_vec()
        }
        Algorithm::Ed25519 => {
            let pair = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()).map_err(|_| DkimError::Library)?;
            pair.as_ref().to_vec()
        }
    };
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    wrap(&mut pem, &BASE64_STANDARD.encode(der), 64, "\n");
    pem.push_str("\n-----END PRIVATE KEY-----\n");
    Ok(pem)
}

impl Signer {
    /// A signer for the domain of the From header (or one above it, RFC 9989's relaxed alignment).
    pub fn new(domain: &str, keys: Vec<Key>) -> Result<Self, DkimError> {
        check_name(domain)?;
        Ok(Self { domain: domain.to_owned(), keys })
    }

    /// The message with a signature of each key before its headers.
    pub fn sign(&self, message: &[u8], at: DateTime<Utc>) -> Result<Vec<u8>, DkimError> {
        let (head, body) = split(message);
        let headers = headers(head);
        let names = names_to_sign(&headers);
        let body_hash = BASE64_STANDARD.encode(digest(&SHA256, &relaxed_body(body)));
        let mut out = Vec::with_capacity(message.len() + 1200 * self.keys.len());
        for key in &self.keys {
            let algorithm = match key.algorithm() {
                Algorithm::Rsa => "rsa-sha256",
                Algorithm::Ed25519 => "ed25519-sha256",
            };
            let mut field = format!(
                "DKIM-Signature: v=1; a={algorithm}; c=relaxed/relaxed;\r\n d={};\r\n s={}; t={};\r\n h=",
                self.domain,
                key.selector,
                at.timestamp()
            );
            fold_names(&mut field, &names);
            field.push_str(&format!(";\r\n bh={body_hash};\r\n b="));
            let signature = key.sign(&signed_data(&headers, &names, field.as_bytes()))?;
            wrap(&mut field, &signature, 72, "\r\n ");
            out.extend_from_slice(field.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(message);
        Ok(out)
    }
}

/// The names for `h=`: each as often as it is there, the oversigned ones once more.
fn names_to_sign(headers: &[Field<'_>]) -> Vec<&'static str> {
    let mut names = Vec::with_capacity(SIGNED.len() + OVERSIGNED.len());
    for signed in SIGNED {
        let there = headers.iter().filter(|field| name(field).eq_ignore_ascii_case(signed.as_bytes())).count();
        names.extend(std::iter::repeat_n(signed, there + usize::from(OVERSIGNED.contains(&signed))));
    }
    names
}

/// `From:From:To`, folded after colons.
fn fold_names(out: &mut String, names: &[&str]) {
    let mut column = 3;
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push(':');
            column += 1;
        }
        if column + name.len() > 74 {
            out.push_str("\r\n ");
            column = 1;
        }
        out.push_str(name);
        column += name.len();
    }
}

/// ASCII text in lines of `width`, `gap` between them.
fn wrap(out: &mut String, text: &str, width: usize, gap: &str) {
    let mut rest = text;
    while rest.len() > width {
        let (line, tail) = rest.split_at(width);
        out.push_str(line);
        out.push_str(gap);
        rest = tail;
    }
    out.push_str(rest);
}

fn check_name(name: &str) -> Result<(), DkimError> {
    if is_dns_name(name) { Ok(()) } else { Err(DkimError::Name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

    const MESSAGE: &[u8] = b"From: Joe SixPack <joe@football.example.com>\r\n\
To: Suzie Q <suzie@shopping.example.net>\r\n\
Subject: Is dinner ready?\r\n\
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\
\r\n\
Hi.\r\n\
\r\n\
We lost the game.  Are you hungry yet?\r\n\
\r\n\
Joe.\r\n";

    #[test]
    fn the_example_of_rfc_8463_verifies() {
        let (head, body) = split(MESSAGE);
        let body_hash = BASE64_STANDARD.encode(digest(&SHA256, &relaxed_body(body)));
        assert_eq!(body_hash, "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
        let field = b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n \
q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n \
bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=";
        let names = ["from", "to", "subject", "date", "message-id", "from", "subject", "date"];
        let data = signed_data(&headers(head), &names, field);
        let decode = |text: &str| BASE64_STANDARD.decode(text).expect("base64");
        let public = UnparsedPublicKey::new(&ED25519, decode("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="));
        let signature =
            decode("/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==");
        public.verify(digest(&SHA256, &data).as_ref(), &signature).expect("the signature of the RFC");
    }

    #[test]
    fn a_field_is_signed_as_often_as_it_is_there_and_an_oversigned_one_once_more() {
        let names = names_to_sign(&headers(b"Received: x\r\nSubject: a\r\nfrom: b\r\nSUBJECT: c\r\nList-Id: d\r\n"));
        let count = |name| names.iter().filter(|n| **n == name).count();
        assert_eq!(
            [count("From"), count("Subject"), count("List-Id"), count("To"), count("List-Help")],
            [2, 3, 1, 1, 0]
        );
    }

    #[test]
    fn a_key_is_read_in_each_of_its_forms_and_its_record_fits_the_dns() {
        for (algorithm, strings) in [(Algorithm::Rsa, 2), (Algorithm::Ed25519, 1)] {
            let pem = new_key(algorithm).expect("a key");
            let key = Key::from_pem("s2026", &pem).expect("a key");
            assert_eq!(key.algorithm(), algorithm);
            assert!(!format!("{key:?}").contains("PRIVATE"));
            let line = key.zone_line("example.org").expect("a record");
            assert!(line.starts_with("s2026._domainkey.example.org. IN TXT ( \"v=DKIM1; k="), "{line}");
            let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
            assert_eq!((quoted.len(), quoted.concat()), (strings, key.dns_record().expect("a record")));
            assert!(quoted.iter().all(|string| string.len() <= 255));
        }
        assert_eq!(Key::from_pem("s", "nonsense").err(), Some(DkimError::NotPem));
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert_eq!(Key::from_pem("s", encrypted).err(), Some(DkimError::Encrypted));
        assert_eq!(Key::from_pem("s\r\nx", "").err(), Some(DkimError::Name));
        assert_eq!(Signer::new("example.org; x", Vec::new()).err(), Some(DkimError::Name));
    }

    #[test]
    fn signing_twice_gives_the_same_bytes_and_lines_that_fit() {
        let keys = [("r1", Algorithm::Rsa), ("e1", Algorithm::Ed25519)]
            .map(|(selector, algorithm)| Key::from_pem(selector, &new_key(algorithm).expect("a key")).expect("a key"));
        let signer = Signer::new("football.example.com", keys.into()).expect("a signer");
        let at = DateTime::UNIX_EPOCH;
        let signed = signer.sign(MESSAGE, at).expect("signed");
        assert_eq!(signed, signer.sign(MESSAGE, at).expect("signed"));
        assert!(signed.ends_with(MESSAGE));
        for line in signed.split(|&b| b == b'\n') {
            assert!(line.len() <= 79, "{}", String::from_utf8_lossy(line));
        }
    }
}
