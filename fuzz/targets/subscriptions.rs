//! Whatever a subscriptions file holds, it is subscriptions or problems that print, and an edit of it changes no other entry.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use paperpost::config::{self, edit};
use paperpost::core::address::Address;
use paperpost::core::lint::Holdings;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("paperpost-fuzz-subscriptions-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("paperpost.toml"), "").expect("a file");
    folder
});

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(FOLDER.join("subscriptions.toml"), bytes).expect("a file");
    let settings = FOLDER.join("paperpost.toml");
    let report = config::check(Some(&settings), &[], std::iter::empty(), |_| Holdings::default());
    let _ = report.problems.to_string();
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let address = Address::parse("ada@example.org").expect("an address");
    for paused in [true, false] {
        if let Ok(Some(changed)) = edit::pause(text, &address, paused) {
            assert!(matches!(edit::line_of_address(&changed, &address), Ok(Some(_))), "they are still there");
        }
    }
    if let Ok(Some(changed)) = edit::unsubscribe(text, &address) {
        assert!(matches!(edit::line_of_address(&changed, &address), Ok(None)), "they are gone");
    }
});
