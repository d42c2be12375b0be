//! Whatever LaTeX a source sends, it is shown, and text without any stays as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paperpost::core::display::display;

fuzz_target!(|text: &str| {
    let shown = display(text);
    if text.chars().all(|c| c.is_alphanumeric() || c == ' ') {
        assert_eq!(shown, text);
    }
});
