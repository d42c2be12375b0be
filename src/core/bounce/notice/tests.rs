//! Reports in words alone: the shape of each program's, in short. Whole mails are in `tests/reports/`.

use proptest::prelude::*;

use super::*;
use crate::core::bounce::{Class, failure};

fn from_server<'x>(text: &'x str) -> Notice<'x> {
    Notice { from: "MAILER-DAEMON@mx.example.org", subject: "failure notice", text, ..Notice::default() }
}

fn class(reported: &Reported) -> Option<Class> {
    failure(&reported.recipients).map(|failure| failure.verdict.class)
}

#[test]
fn each_address_has_the_words_that_follow_it_or_those_before_all() {
    let found =
        addressed("Sorry:\n<a@example.org>:\n550 user unknown\nGiving up.\n\n\"b@example.net\"\n552 mailbox full\n");
    let found: Vec<_> = found.iter().map(|(address, words)| (address.as_str(), words.trim())).collect();
    assert_eq!(found, [("a@example.org", "550 user unknown\nGiving up."), ("b@example.net", "552 mailbox full")]);
    let found = addressed("User not listed in the directory\na@example.org\n");
    assert_eq!(found, [("a@example.org".to_owned(), "User not listed in the directory\n".to_owned())]);
    let found = addressed("The address a@example.org is unknown.");
    assert_eq!(found[0].0, "a@example.org");
}

#[test]
fn of_many_addresses_a_few_are_read() {
    let text: String = (0..3 * RECIPIENTS).map(|n| format!("<a{n}@example.org>:\n550 user unknown\n")).collect();
    assert_eq!(addressed(&text).len(), RECIPIENTS);
    for (word, expected) in [("a@example.org.", Some("a@example.org")), ("@example.org", None), ("a@host", None)] {
        assert_eq!(address(word).as_deref(), expected, "{word}");
    }
}

#[test]
fn a_code_is_understood_though_the_words_are_not() {
    for code in ["550", "5.2.0"] {
        let text = format!("<a@example.org>:\n{code} nein\n");
        let reported = read_notice(&from_server(&text)).expect("a report");
        assert_eq!(reported.recipients.len(), 1, "{code}");
    }
}

#[test]
fn a_mail_server_is_known_by_its_name_by_the_subject_or_by_naming_who_failed() {
    let failed = ["a@example.org".to_owned()];
    let text = "a@example.org: user unknown\n";
    let plain = Notice { from: "ada@example.org", subject: "Hello", text, ..Notice::default() };
    assert_eq!(read_notice(&plain), None);
    for notice in [
        Notice { from: "postmaster@mx.example.org", ..plain },
        Notice { subject: "Undeliverable: 3 new papers", ..plain },
        Notice { failed: &failed, ..plain },
    ] {
        assert_eq!(read_notice(&notice).as_ref().and_then(class), Some(Class::Hard), "{notice:?}");
    }
}

#[test]
fn a_report_is_the_text_up_to_the_mail_that_came_back_and_all_of_it_if_none_did() {
    let text = "a@example.org: user unknown\n";
    let returned = |text: &str| read_notice(&from_server(text)).expect("a report").returned;
    assert_eq!(returned(text), text.len());
    assert_eq!(returned(&format!("{text}Received: from b\n")), text.len());
    let long = format!("{text}{}", "x ".repeat(LONGEST));
    assert_eq!(returned(&long), long.len());
}

#[test]
fn the_words_of_a_report_begin_behind_those_of_its_program() {
    let text = "Hi. This is the qmail-send program at b@mx.example.org.\n\
                Your mail to c@example.net failed. Sorry it didn't work out.\n<a@example.org>:\nno such user\n";
    let recipients = read_notice(&from_server(text)).expect("a report").recipients;
    assert_eq!((recipients.len(), recipients[0].diagnostic.as_str()), (1, "no such user"));
    let bare = "This is the qmail-send program. Sorry it didn't work out. No such user: a@example.org";
    let recipients = read_notice(&from_server(bare)).expect("a report").recipients;
    assert_eq!(recipients[0].diagnostic, "No such user: a@example.org");
}

#[test]
fn the_mail_that_came_back_begins_at_its_mark_or_its_first_field() {
    for (text, report, returned) in [
        ("Failed.\n\n--- Below this line is a copy of the message.\n\nTo: a\n", "Failed.\n\n", "\nTo: a\n"),
        ("Failed.\nReceived: from a\nTo: b\n", "Failed.\n", "Received: from a\nTo: b\n"),
        (
            "The original message was received today.\nFailed.\n",
            "The original message was received today.\nFailed.\n",
            "",
        ),
    ] {
        let (before, at) = split(text);
        assert_eq!((before, &text[at..]), (report, returned));
    }
}

#[test]
fn fields_in_plain_text_are_fields() {
    let text = "Technical report:\n\n  Final-Recipient: rfc822; a@example.org\n  Action: failed\n  Status: 5.1.1\n";
    let reported = read_notice(&from_server(text)).expect("a report");
    assert_eq!((reported.family, class(&reported)), ("Amazon WorkMail", Some(Class::Hard)));
}

#[test]
fn the_header_names_whom_the_text_does_not() {
    let failed = ["a@example.org".to_owned()];
    let notice = Notice { failed: &failed, text: "No such user here.\n", ..from_server("") };
    let reported = read_notice(&notice).expect("a report");
    assert_eq!(reported.recipients[0].final_recipient, "a@example.org");
    assert_eq!(class(&reported), Some(Class::Hard));
}

#[test]
fn a_delay_is_no_failure_and_what_says_nothing_is_not_understood() {
    let delay = "This message was created automatically by mail delivery software.\n\
                 The message has not yet been delivered:\n  a@example.org\n  connection timed out\n\
                 No action is required on your part. Delivery attempts will continue.\n";
    let reported = read_notice(&from_server(delay)).expect("a report");
    assert_eq!(reported.recipients[0].action, Action::Delayed);
    assert_eq!(class(&reported), None);
    let arrival = "Your message was successfully delivered to:\n  a@example.org\n";
    let reported = read_notice(&from_server(arrival)).expect("a report");
    assert_eq!(reported.recipients[0].action, Action::Delivered);
    let reported = read_notice(&from_server("Something went wrong with a@example.org.\n")).expect("a report");
    assert_eq!((reported.family, reported.recipients), ("any mail server", vec![]));
}

#[test]
fn what_a_person_or_a_vacation_program_writes_is_no_report() {
    for (from, subject, text) in [
        ("Ada <ada@example.org>", "Re: 3 new papers", "Thanks! The user is unknown to me."),
        ("Ada <ada@example.org>", "Out of office", "I am away until Monday, mail is delayed."),
        ("", "", ""),
    ] {
        assert_eq!(read_notice(&Notice { from, subject, text, ..Notice::default() }), None, "{subject}");
    }
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in "(\\PC|\\n|@|<a@example.org>:|550 |--- |original message|Final-Recipient: |İ){0,120}") {
        if let Some(reported) = read_notice(&from_server(&text)) {
            prop_assert!(text.is_char_boundary(reported.returned));
            prop_assert!(reported.recipients.len() <= 2 * RECIPIENTS);
        }
        let _ = read_notice(&Notice { failed: std::slice::from_ref(&text), text: &text, ..Notice::default() });
    }
}
