//! Whatever arrives at the bounce mailbox is taken apart without a panic, and the same way again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paperpost::core::bounce::{self, Action};
use paperpost::mail::inbound::{self, Kind};

fuzz_target!(|bytes: &[u8]| {
    let Some(inbound) = inbound::read(bytes) else { return };
    if let Kind::Report(recipients) = &inbound.kind {
        let failed = recipients.iter().any(|recipient| recipient.action == Action::Failed);
        assert_eq!(bounce::failure(recipients).is_some(), failed, "what failed is a failure, and nothing else is");
        assert!(inbound.recipients.len() >= recipients.len(), "each names its address, be it empty");
    }
    assert_eq!(inbound::read(bytes), Some(inbound), "the same message says the same again");
});
