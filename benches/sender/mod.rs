//! Who sends the mails of a benchmark.

use std::collections::HashMap;
use std::sync::Arc;

use paperpost::compose::Sender;
use paperpost::compose::returns::Returns;
use paperpost::core::address::Address;
use paperpost::core::address::Mailbox;
use paperpost::core::paper::SourceId;
use paperpost::core::token::Keyring;
use paperpost::mail::dkim::Signer;

/// Who sends them, and with which key.
pub(crate) fn sender(signer: Option<Signer>) -> Sender {
    Sender {
        from: Mailbox { name: Some("Paperpost".into()), address: address("papers@example.org") },
        reply_to: None,
        list_id: ("Paperpost digest".into(), "paperpost.example.org".into()),
        change: Some("Write to papers@example.org to have it changed.".into()),
        returns: Returns {
            keyring: Arc::new(Keyring::new(&[7; 32], [])),
            base_url: url::Url::parse("https://papers.example.org").ok(),
            mailbox: address("papers@example.org"),
            person: address("papers@example.org"),
            bounce: Some(address("bounces@example.org")),
        },
        signer: signer.map(Arc::new),
        sources: HashMap::from([(SourceId::parse("bench").expect("a source"), "Bench".to_owned())]),
    }
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}
