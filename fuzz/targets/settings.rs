//! Whatever a settings file holds, it is settings or problems that print.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use paperpost::config;
use paperpost::core::lint::Holdings;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("paperpost-fuzz-settings-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join("paperpost.toml")
});

fuzz_target!(|bytes: &[u8]| {
    // A path in it would be followed.
    if bytes.contains(&b'/') {
        return;
    }
    std::fs::write(&*FILE, bytes).expect("a file");
    let report = config::check(Some(&FILE), &[], std::iter::empty(), |_| Holdings::default());
    let _ = report.problems.to_string();
});
