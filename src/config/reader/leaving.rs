//! The settings about how readers leave and how mail comes back: signatures, links, return paths.

use super::super::node::{Node, Wrong};
use super::super::problem::{Problem, ValuePlace};
use super::super::settings::{Dkim, DkimKey, Imap, Inbox, Web};
use super::super::values;
use super::Reader;
use crate::core::address::Address;
use crate::core::secret::Secret;
use crate::core::server::Tls;

/// What is left of an address's 64 characters before the @ when a token and a plus sign have their place.
const MAX_BOUNCE_LOCAL: usize = 16;

/// Characters of a secret; fewer could be guessed.
const MIN_TOKEN_KEY: usize = 32;

/// Whether two domains may be of one organisation, so that the one may sign for the other: their last two labels are the
/// same (RFC 9989 goes by a tree of DNS records, which can't be looked up here).
fn is_related(a: &str, b: &str) -> bool {
    let last_two = |domain: &str| domain.rsplit('.').take(2).map(str::to_ascii_lowercase).collect::<Vec<_>>();
    last_two(a) == last_two(b)
}

impl Reader {
    pub(super) fn bounce_address(&mut self) -> Option<Address> {
        self.get("mail.bounce", |node| {
            let address = values::address(node)?;
            if address.local().len() > MAX_BOUNCE_LOCAL || !address.local().is_ascii() {
                let wrong = format!("expected at most {MAX_BOUNCE_LOCAL} plain characters before the @");
                return Err(Wrong::new(wrong).hint("a token is added there, and 64 are allowed".to_owned()));
            }
            Ok(address)
        })
    }

    pub(super) fn dkim(&mut self, from_domain: &str) -> Dkim {
        let domain = self.get("dkim.domain", values::dns_name);
        let rsa = self.dkim_key("rsa");
        let ed25519 = self.dkim_key("ed25519");
        if let (Some(_), None, Some(place)) =
            (&ed25519, self.place("dkim.rsa_selector"), self.place("dkim.ed25519_selector"))
        {
            let message = "dkim.ed25519_selector: has the only key, and to receivers that know only RSA, Gmail among \
                           them, mails are then not signed";
            let hint = "add an RSA key; `paperpost dkim keygen --type rsa` makes one";
            self.merged.problems.push(Problem::warning(place, message).hint(hint.to_owned()));
        }
        if let (Some(domain), Some(place)) = (&domain, self.place("dkim.domain"))
            && !is_related(domain, from_domain)
        {
            let message = format!("dkim.domain: has nothing in common with {from_domain}, which the mails are from");
            let hint = "receivers take a signature of another domain for no proof of the sender (DMARC)";
            self.merged.problems.push(Problem::warning(place, message).hint(hint.to_owned()));
        }
        Dkim { domain: domain.unwrap_or_else(|| from_domain.to_owned()), rsa, ed25519 }
    }

    fn dkim_key(&mut self, kind: &str) -> Option<DkimKey> {
        let selector_key = format!("dkim.{kind}_selector");
        let key = format!("dkim.{kind}_key");
        let selector = self.get(&selector_key, values::dns_name);
        let errors = self.merged.problems.len();
        let pem = self.secret(&key, &format!("dkim-{kind}-key"));
        match (selector, pem) {
            (Some(selector), Some(pem)) => return Some(DkimKey { selector, pem }),
            (Some(_), None)
                if self.merged.problems.len() == errors
                    && self.missing_secrets.iter().all(|missing| missing.key != key) =>
            {
                let place = self.place(&selector_key).unwrap_or(ValuePlace::Default);
                let message = format!("{selector_key}: there is no key to it");
                let hint = format!("set {key}_file; `paperpost dkim keygen` makes a key");
                self.miss(key, place, message, hint);
            }
            (None, Some(_)) => {
                let place = [key.clone(), format!("{key}_file")].into_iter().find_map(|key| self.place(&key));
                if let (Some(place), None) = (place, self.place(&selector_key)) {
                    let message = format!("{selector_key}: is missing, and there is a key");
                    self.merged.problems.push(Problem::error(place, message));
                }
            }
            _ => {}
        }
        None
    }

    pub(super) fn inbox(&mut self) -> Option<Inbox> {
        let maildir = self.path("bounces.maildir").inspect(|path| {
            if let (false, Some(place)) = (path.join("new").is_dir(), self.place("bounces.maildir")) {
                let message = format!("bounces.maildir: {} has no folder `new`, so it is no Maildir", path.display());
                self.merged.problems.push(Problem::warning(place, message));
            }
        });
        let maildir = maildir.map(Inbox::Maildir);
        let imap = self.imap().map(Inbox::Imap);
        if let (Some(_), Some(_), Some(place)) = (&maildir, &imap, self.place("imap.host")) {
            let message = "imap.host: is set, and bounces.maildir as well; only one can count";
            self.merged.problems.push(Problem::error(place, message));
        }
        let place = ["bounces.maildir", "imap.host"].iter().find_map(|key| self.place(key));
        if let (Some(place), None) = (place, self.place("mail.bounce")) {
            let message = "mail.bounce: is missing, so no bounce comes to the mailbox that is set for them";
            let hint = "add bounce = \"bounces@example.org\" to [mail], with that mailbox's address";
            self.merged.problems.push(Problem::warning(place, message).hint(hint.to_owned()));
        }
        maildir.or(imap)
    }

    /// The section counts when it names a host; it is read all the same, so that a fault shows before that.
    fn imap(&mut self) -> Option<Imap> {
        let host = self.get("imap.host", values::host);
        let tls = self.tls("imap", host.as_deref());
        let default_port = if tls == Tls::Implicit { 993 } else { 143 };
        let port = self.port("imap.port");
        self.warn_of_port("imap", port, tls, &[(993, Tls::Implicit), (143, Tls::StartTls)]);
        let port = port.unwrap_or(default_port);
        let errors = self.merged.problems.len();
        let login = self.login("imap");
        let ca_file = self.ca_file("imap.ca_file");
        let mailbox = self.need("imap.mailbox", |node| match node.line()? {
            name if name.is_ascii() && !name.is_empty() => Ok(name.to_owned()),
            _ => Err(Wrong::new("expected the name of a mailbox in plain characters, as the server spells it")),
        });
        let delete = self.need("imap.delete", Node::boolean);
        let timeout = self.duration("imap.timeout");
        let host = host?;
        if login.is_none() && self.merged.problems.len() == errors {
            let place = self.place("imap.host").unwrap_or(ValuePlace::Default);
            let problem = Problem::error(place, "imap.username: is missing, and no mailbox is open to everybody");
            self.merged.problems.push(problem.hint("set imap.username and imap.password_file".to_owned()));
        }
        Some(Imap { host, port, tls, login: login?, ca_file, mailbox, delete, timeout })
    }

    pub(super) fn web(&mut self) -> Web {
        let listen = self.get("web.listen", values::socket_address);
        let base_url = self.get("web.base_url", values::base_url);
        if let (Some(_), None, Some(place)) = (&base_url, listen, self.place("web.base_url"))
            && self.place("web.listen").is_none()
        {
            let message = "web.base_url: mails link there, but without web.listen the daemon serves no page";
            let hint = "add listen = \"127.0.0.1:8035\" to [web], and let your web server pass requests on to it";
            self.merged.problems.push(Problem::warning(place, message).hint(hint.to_owned()));
        }
        if let (Some(_), None, Some(place)) = (&listen, self.place("web.base_url"), self.place("web.listen")) {
            let message = "web.listen: the page for leaving is served, but no mail links to it";
            let hint = "add base_url = \"https://papers.example.org\" to [web], as readers reach it";
            self.merged.problems.push(Problem::warning(place, message).hint(hint.to_owned()));
        }
        Web { listen, base_url }
    }

    pub(super) fn tokens(&mut self) -> Vec<Secret> {
        let Some(lines) = self.secret("tokens.key", "token-key") else { return Vec::new() };
        let keys: Vec<&str> = lines.reveal().lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if keys.iter().any(|key| key.len() < MIN_TOKEN_KEY) {
            let place = ["tokens.key", "tokens.key_file"].into_iter().find_map(|key| self.place(key));
            let message = format!("tokens.key: expected one secret a line, each of {MIN_TOKEN_KEY} characters or more");
            let problem = Problem::error(place.unwrap_or(ValuePlace::Default), message);
            self.merged.problems.push(problem.hint("`openssl rand -base64 32` prints one".to_owned()));
        }
        keys.into_iter().map(Secret::new).collect()
    }
}
