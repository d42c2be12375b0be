//! No text passes for a token, none makes the check panic, and a token is found in whatever stands around it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paperpost::core::token::{Keyring, Purpose};

fuzz_target!(|text: &str| {
    let keyring = Keyring::new(&[7; 32], []);
    for purpose in [Purpose::Unsubscribe, Purpose::Bounce] {
        assert_eq!(keyring.verify(purpose, text), None);
        assert_eq!(keyring.find(purpose, text), None);
        let token = keyring.mint(purpose, &[3; 16]);
        assert_eq!(keyring.find(purpose, &format!("{text} {} {text}", token.reveal())), Some([3; 16]));
    }
    let _ = keyring.lacks_key_of(text);
});
