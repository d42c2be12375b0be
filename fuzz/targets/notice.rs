//! Whatever a report says in words alone, it is read without a panic, and its words mean the same in a session and in capitals.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paperpost::core::bounce::{Context, Notice, judge, read_notice};

fuzz_target!(|input: &str| {
    let mut lines = input.splitn(4, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (from, subject, program) = (line(), line(), line());
    let text = line();
    let failed = [from.to_owned()];
    for failed in [&[][..], &failed] {
        let notice = Notice { from, subject, program, failed, text };
        let Some(reported) = read_notice(&notice) else { continue };
        assert!(text.is_char_boundary(reported.returned), "what came back begins in the text");
        assert!(reported.recipients.len() <= 8);
        for recipient in &reported.recipients {
            let words = &recipient.diagnostic;
            let verdict = judge(None, &recipient.status, words, Context::Report);
            assert_eq!(judge(Some(550), "", words, Context::Rcpt).said, verdict.said);
            assert_eq!(judge(None, &recipient.status, &words.to_ascii_uppercase(), Context::Report), verdict);
        }
        assert_eq!(read_notice(&notice), Some(reported), "the same message says the same again");
    }
});
