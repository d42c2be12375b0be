//! Whatever a mail server says, in whatever pieces it comes, is read without a panic, the same way, and only real codes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paperpost::mail::smtp::reply_codes;

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    let (codes, end) = reply_codes(bytes, usize::from(piece));
    assert!(codes.iter().all(|code| (200..600).contains(code)));
    assert_eq!(reply_codes(bytes, bytes.len()), (codes, end));
});
