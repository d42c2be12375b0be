//! What mail servers and readers say back, and what follows from it.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::process::recorded;
use chrono::DateTime;
use paperpost::core::bounce::Class;
use paperpost::core::subscription::Consent;
use paperpost::core::token::{Keyring, Purpose};
use paperpost::jobs::bounce::{self, Outcome, Outcome::Report};
use paperpost::jobs::deliver::pace::HeldBy;
use paperpost::mail::inbound::{self, Kind, LONGEST_MESSAGE};
use paperpost::store::{Reason, Taken};

use crate::leaving::{ADA, address, header, one_paper, return_path};
use crate::site::{day, paper};
use crate::world::World;

/// A world whose mails have return paths of their own, with ada's first mail sent.
pub(crate) async fn sent() -> World {
    let mut world = one_paper().await;
    world.deliver.sender.returns.bounce = Some(address("bounces@example.org"));
    world.once().await;
    assert_eq!(world.mails(ADA).len(), 1);
    world
}

pub(crate) fn settings(world: &World) -> bounce::Settings {
    bounce::Settings { keyring: world.deliver.sender.returns.keyring.clone(), soft_limit: 5, soft_days: 10 }
}

pub(crate) fn take(world: &World, message: &str) -> Outcome {
    bounce::run(&world.store, &settings(world), message.as_bytes(), world.clock.now()).expect("a working database")
}

pub(crate) fn consent(world: &World) -> Consent {
    world.store.subscribers().expect("a list")[0].consent
}

/// A report as a mail server makes it, about one recipient.
pub(crate) struct Dsn<'a> {
    /// Whom the report is sent to.
    pub(crate) to: &'a str,
    /// The failed address.
    pub(crate) about: &'a str,
    pub(crate) action: &'a str,
    pub(crate) status: &'a str,
    pub(crate) words: &'a str,
    /// What came back of the mail: its headers.
    pub(crate) returned: &'a str,
    /// The media types of RFC 6533 instead of those of RFC 3464.
    pub(crate) is_global: bool,
}

impl Default for Dsn<'_> {
    fn default() -> Self {
        let (status, words) = ("5.1.1", "550 5.1.1 <ada@example.org>: no such user");
        Self { to: "bounces@example.org", about: ADA, action: "failed", status, words, returned: "", is_global: false }
    }
}

impl Dsn<'_> {
    pub(crate) fn text(&self) -> String {
        let Self { to, about, action, status, words, returned, is_global } = self;
        let (report, headers, kind) = match is_global {
            true => ("message/global-delivery-status", "message/global-headers", "utf-8"),
            false => ("message/delivery-status", "text/rfc822-headers", "rfc822"),
        };
        format!(
            "Return-Path: <>\r\nFrom: Mail System <postmaster@mx.example.org>\r\nTo: {to}\r\nSubject: Not delivered\r\n\
             Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=\"b/1\"\r\n\r\n\
             --b/1\r\nContent-Type: text/plain\r\n\r\nYour mail was not delivered.\r\n\r\n\
             --b/1\r\nContent-Type: {report}\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\n\
             Final-Recipient: {kind}; {about}\r\nAction: {action}\r\nStatus: {status}\r\n\
             Diagnostic-Code: smtp; {words}\r\n\r\n\
             --b/1\r\nContent-Type: {headers}\r\n\r\n{returned}\r\n\r\n--b/1--\r\n"
        )
    }
}

#[tokio::test]
async fn a_mailbox_that_does_not_exist_gets_no_more_mail() {
    for is_global in [false, true] {
        let world = sent().await;
        let to = return_path(&world);
        assert_eq!(take(&world, &Dsn { to: &to, is_global, ..Dsn::default() }.text()), Report(Taken::Suppressed));
        let list = world.store.suppressions().expect("a list");
        assert_eq!(
            (list[0].reason, list[0].note.as_deref()),
            (Reason::Bounced, Some("5.1.1 550 5.1.1 <***>: no such user"))
        );
        world.at("2026-11-24 12:00");
        world.site.list(day("2026-11-24"), paper("2611.00003", "More retrieval"));
        world.once().await;
        assert_eq!(world.mails(ADA).len(), 1);
    }
}

#[tokio::test]
async fn a_report_proves_itself_by_the_message_id_with_the_address_or_by_the_link_that_came_back() {
    let returned_id = |world: &World| format!("Message-ID: <{}>", world.mails(ADA)[0].message_id);
    let world = sent().await;
    assert_eq!(
        take(&world, &Dsn { returned: &returned_id(&world), ..Dsn::default() }.text()),
        Report(Taken::Suppressed)
    );

    let world = sent().await;
    let link = header(&world.mails(ADA)[0], "List-Unsubscribe").expect("a header");
    let returned = format!("List-Unsubscribe: {link}");
    assert_eq!(
        take(&world, &Dsn { returned: &returned, about: "x@example.net", ..Dsn::default() }.text()),
        Report(Taken::Suppressed)
    );

    let world = sent().await;
    let returned = format!("Return-Path: <{}>", return_path(&world));
    assert_eq!(take(&world, &Dsn { returned: &returned, ..Dsn::default() }.text()), Report(Taken::Suppressed));
}

#[tokio::test]
async fn a_forged_report_changes_nothing() {
    let world = sent().await;
    let id = world.mails(ADA)[0].message_id.clone();
    let forger = Keyring::new(&[9; 32], []);
    let mailing = world.store.mailing(1).expect("a database").expect("a mailing");
    let forged = format!("bounces+{}@example.org", forger.mint(Purpose::Bounce, &mailing.subscriber).reveal());
    let next = format!("Message-ID: <2{}>", &id[1..]);
    for dsn in [
        Dsn::default(),
        Dsn { to: &forged, ..Dsn::default() },
        Dsn { returned: "Message-ID: <1.00@example.org>", ..Dsn::default() },
        Dsn { returned: &next, ..Dsn::default() },
        // To whom a mail was forwarded knows its Message-ID.
        Dsn { returned: &format!("Message-ID: <{id}>"), about: "bob@example.org", ..Dsn::default() },
    ] {
        assert_eq!(take(&world, &dsn.text()), Report(Taken::Unproven));
    }
    assert_eq!(consent(&world), Consent::Confirmed);
    assert_eq!(world.store.bounces(DateTime::UNIX_EPOCH).expect("a list"), []);
}

#[tokio::test]
async fn a_message_id_does_not_tell_that_of_another_mail_of_the_same_minute() {
    let mut world = one_paper().await;
    world.subscribe("email = \"bob@example.org\"\nkeywords = [\"retrieval\"]");
    world.once().await;
    let id = |address: &str| world.mails(address)[0].message_id.clone();
    let (adas, bobs) = (id(ADA), id("bob@example.org"));
    let number = |id: &str| id.split('.').next().expect("a number").to_owned();
    let made_up = adas.replacen(&number(&adas), &number(&bobs), 1);
    assert_ne!(made_up, bobs);
    let report =
        |id: &str| Dsn { about: "bob@example.org", returned: &format!("Message-ID: <{id}>"), ..Dsn::default() }.text();
    assert_eq!(take(&world, &report(&made_up)), Report(Taken::Unproven));
    assert_eq!(take(&world, &report(&bobs)), Report(Taken::Suppressed));
}

#[tokio::test]
async fn our_own_fault_and_a_delay_stop_nobody() {
    let world = sent().await;
    let to = return_path(&world);
    for status in ["5.7.1", "5.7.26", "5.6.7", "5.3.4"] {
        let words = format!("550 {status} blocked <ada@example.org>");
        let text = Dsn { to: &to, status, words: &words, ..Dsn::default() }.text();
        assert_eq!(take(&world, &text), Report(Taken::Noted), "{status}");
        assert_eq!(take(&world, &text), Report(Taken::Again), "{status}");
    }
    assert_eq!(
        take(&world, &Dsn { to: &to, action: "delayed", status: "4.4.1", ..Dsn::default() }.text()),
        Outcome::Ignored
    );
    assert_eq!(
        take(&world, &Dsn { to: &to, action: "relayed", status: "2.0.0", ..Dsn::default() }.text()),
        Outcome::Ignored
    );
    assert_eq!(consent(&world), Consent::Confirmed);
    let status = world.store.bounces(DateTime::UNIX_EPOCH).expect("a list");
    assert_eq!(status.iter().map(|s| (s.class.as_str(), s.count)).collect::<Vec<_>>(), [("sender", 4)]);
}

#[tokio::test]
async fn a_report_of_a_fault_of_ours_makes_its_domain_rest_until_somebody_wakes_it() {
    let mut world = sent().await;
    let to = return_path(&world);
    world.at("2026-11-23 12:05");
    take(&world, &Dsn { to: &to, status: "5.7.26", words: "550 5.7.26 unauthenticated", ..Dsn::default() }.text());
    let held = world.held();
    assert_eq!((held[0].domain.as_deref(), held[0].by), (Some("example.org"), HeldBy::Refused));
    assert!(held[0].words.as_ref().is_some_and(|words| words.contains("5.7.26")));
    // Another report of the same mails is no news.
    let until = held[0].until;
    take(&world, &Dsn { to: &to, status: "5.7.1", words: "550 5.7.1 blocked", ..Dsn::default() }.text());
    assert_eq!(world.held()[0].until, until);
    world.subscribe(&crate::leaving::block("bob@example.org"));
    world.publish();
    world.deliver().await;
    assert_eq!(world.mails("bob@example.org").len(), 0, "the run's pace has heard of it");
    assert_eq!(world.store.end_holds(Some("example.net")).expect("a database"), 0);
    assert_eq!(world.store.end_holds(Some("example.org")).expect("a database"), 1);
    world.deliver().await;
    assert_eq!(world.mails("bob@example.org").len(), 1);
}

#[tokio::test]
async fn a_full_mailbox_is_forgiven_until_it_has_been_full_for_long() {
    let world = sent().await;
    let to = return_path(&world);
    // Day by day a mail, and each comes back; but for the sixth, which arrives.
    for date in 1..=18 {
        let mails = world.mails(ADA);
        let id = format!("Message-ID: <{}>", mails.last().expect("a mail").message_id);
        let text = Dsn { to: &to, status: "4.2.2", words: "452 4.2.2 full", returned: &id, ..Dsn::default() }.text();
        if date != 6 {
            let expected = if date < 17 { Taken::Noted } else { Taken::Suppressed };
            assert_eq!(take(&world, &text), Report(expected), "day {date}");
            assert_eq!(take(&world, &text), Report(Taken::Again), "day {date}: a report counts once");
        }
        if date == 17 {
            return;
        }
        let tomorrow = world.clock.now() + chrono::Duration::days(1);
        world.clock.set(tomorrow);
        world.site.list(tomorrow.date_naive(), paper(&format!("2612.{date:05}"), &format!("Retrieval {date}")));
        world.once().await;
    }
}

#[tokio::test]
async fn a_complaint_is_a_leave_and_praise_is_not() {
    let complaint = |world: &World, kind: &str| {
        let link = header(&world.mails(ADA)[0], "List-Unsubscribe").expect("a header");
        format!(
            "From: <fbl@example.net>\r\nTo: <papers@example.org>\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nA report.\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n\
             Feedback-Type: {kind}\r\nUser-Agent: Example/1\r\nVersion: 1\r\n\r\n\
             --b\r\nContent-Type: message/rfc822\r\n\r\nFrom: papers@example.org\r\nList-Unsubscribe: {link}\r\n\
             Subject: 1 new paper\r\n\r\nThe mail.\r\n--b--\r\n"
        )
    };
    let world = sent().await;
    assert_eq!(take(&world, &complaint(&world, "not-spam")), Outcome::Ignored);
    assert_eq!(consent(&world), Consent::Confirmed);
    assert_eq!(take(&world, &complaint(&world, "abuse")), Report(Taken::Suppressed));
    assert_eq!(world.store.suppressions().expect("a list")[0].reason, Reason::Complained);
}

#[tokio::test]
async fn a_reader_leaves_by_mail_and_a_vacation_notice_does_not() {
    let world = sent().await;
    let path = return_path(&world);
    let letter = |to: &str, subject: &str, more: &str| {
        format!("From: Ada <ada@example.org>\r\nTo: {to}\r\nSubject: {subject}\r\n{more}\r\nText.\r\n")
    };
    assert_eq!(take(&world, &letter(&path, "Away", "Auto-Submitted: auto-replied\r\n")), Outcome::Ignored);
    assert_eq!(take(&world, &letter(&path, "unsubscribe", "")), Outcome::Unknown, "a return path is no way to leave");
    assert_eq!(take(&world, &letter("bounces@example.org", "unsubscribe AAAA", "")), Outcome::Unknown);
    assert_eq!(consent(&world), Consent::Confirmed);

    let link = header(&world.mails(ADA)[0], "List-Unsubscribe").expect("a header");
    let subject = link.split_once("?subject=").expect("a subject").1.trim_end_matches('>').replace("%20", " ");
    // A list, a server and a vacation program only pass our words on.
    for more in ["Precedence: bulk\r\n", "List-Id: <talk.example.net>\r\n", "Return-Path: <>\r\n"] {
        assert_ne!(take(&world, &letter("bounces@example.org", &subject, more)), Outcome::Left, "{more}");
    }
    assert_eq!(
        take(&world, &letter("bounces@example.org", &subject, "Auto-Submitted: auto-replied\r\n")),
        Outcome::Ignored
    );
    assert_eq!(consent(&world), Consent::Confirmed);
    for _ in 0..2 {
        assert_eq!(take(&world, &letter("bounces@example.org", &subject, "")), Outcome::Left);
    }
    assert_eq!(consent(&world), Consent::Withdrawn);
}

/// Every answer quotes the link, and a forwarded mail shows it to others.
#[tokio::test]
async fn an_answer_leaves_only_if_it_says_so_and_is_from_the_subscriber() {
    let world = sent().await;
    let mail = &world.mails(ADA)[0];
    let link = header(mail, "List-Unsubscribe").expect("a header");
    let (_, token) = link.split_once("subject=unsubscribe%20").expect("a token");
    let token = token.trim_end_matches('>');
    let id = header(mail, "Message-ID").expect("a header");
    let letter = |from: &str, subject: &str, answers: &str, text: &str| {
        format!("From: {from}\r\nTo: bounces@example.org\r\nSubject: {subject}\r\n{answers}\r\n{text}\r\n")
    };
    let quoted = format!("> To leave: https://papers.example.org/u/{token}");
    let answer = format!("In-Reply-To: {id}\r\n");
    for (from, subject, answers, text) in [
        (ADA, "Re: 1 new paper", answer.as_str(), format!("thanks!\r\n{quoted}")),
        (ADA, &format!("Re: 1 new paper {token}"), "", "How do I unsubscribe?".to_owned()),
        (ADA, "Re: 1 new paper", "", "unsubscribe".to_owned()),
        ("bob@example.org", "unsubscribe", answer.as_str(), quoted.clone()),
        ("bob@example.org", "Re: 1 new paper", "", format!("stop\r\n{quoted}")),
        (ADA, "Re: 1 new paper", "In-Reply-To: <999.a@example.org>\r\n", "stop".to_owned()),
    ] {
        let outcome = take(&world, &letter(from, subject, answers, &text));
        assert!(outcome == Outcome::Unknown && outcome.is_for_a_person(), "{from} {subject} {text}: {outcome:?}");
    }
    assert_eq!(consent(&world), Consent::Confirmed);
    for (subject, answers, text) in [
        ("Re: 1 new paper", "", format!("Stop!\r\n\r\n{quoted}")),
        ("Re: 1 new paper", answer.as_str(), "Please unsubscribe me.\r\n".to_owned()),
        ("unsubscribe", answer.as_str(), "Regards".to_owned()),
    ] {
        let world = sent().await;
        let id = header(&world.mails(ADA)[0], "Message-ID").expect("a header");
        let answers = if answers.is_empty() { String::new() } else { format!("References: <x@y> {id}\r\n") };
        let link = header(&world.mails(ADA)[0], "List-Unsubscribe").expect("a header");
        let own = link.split_once("subject=unsubscribe%20").expect("a token").1.trim_end_matches('>').to_owned();
        let text = text.replace(token, &own);
        assert_eq!(take(&world, &letter(ADA, subject, &answers, &text)), Outcome::Left, "{subject} {text}");
    }
}

/// Mails made to exhaust who takes them apart: message in message until the stack is used up, or part after part that each
/// has the rest searched for a boundary that isn't there.
pub(crate) fn bombs(octets: usize) -> [String; 3] {
    let nested = "Content-Type:message/rfc822\n\n";
    let encoded = "Content-Type:message/rfc822\nContent-Transfer-Encoding:quoted-printable\n\n";
    let searched = "--b\nContent-Type:multipart/mixed;boundary=x\n\n";
    let filled = |head: &str, rest: &str| format!("{head}{}", rest.repeat(octets / rest.len()));
    let parts = "Content-Type:multipart/mixed;boundary=b\n\n";
    [filled("", nested), filled(encoded, nested), filled(parts, searched)]
}

#[tokio::test]
async fn a_mail_made_to_exhaust_its_reader_is_refused_at_the_pipe() {
    let world = World::new().await;
    for bomb in bombs(16 * LONGEST_MESSAGE) {
        assert_eq!(paperpost(&world, &["bounce"], &bomb).0, Some(67), "EX_NOUSER");
    }
}

/// Reports of real mail servers, where `PAPERPOST_MAILLAB` names the folder that has them: their names begin with what
/// they are (`dsn-failed-5.1.1-…`). None is about a mail of ours, so none may change anything.
#[tokio::test]
async fn reports_of_real_servers_are_understood() {
    let Some(folder) = recorded("PAPERPOST_MAILLAB") else { return };
    let world = sent().await;
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let bytes = std::fs::read(&path).expect("a file");
        let inbound = inbound::read(&bytes).expect("a message");
        let Kind::Report(recipients) = &inbound.kind else { panic!("{name}: {:?}", inbound.kind) };
        let failure = paperpost::core::bounce::failure(recipients).expect("a failure");
        let expected = match &failure.status[..] {
            "5.1.1" | "5.1.0" | "5.2.1" => Class::Hard,
            "5.7.1" => Class::Sender,
            _ => Class::Soft,
        };
        assert_eq!(failure.verdict.class, expected, "{name}");
        assert!(!inbound.message_ids.is_empty() && inbound.recipients.iter().any(|r| r.contains('@')), "{name}");
        assert!(inbound.addressed.iter().chain(&inbound.returned).any(|text| text.contains("b+")), "{name}");
        assert_eq!(take(&world, &String::from_utf8_lossy(&bytes)), Report(Taken::Unproven), "{name}");
        count += 1;
    }
    assert!(count > 0);
}

/// Runs `paperpost` with these arguments and this input; its exit code and what it printed. An argument `key=value` is
/// a setting.
fn paperpost(world: &World, arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_paperpost"));
    let settings = ["--config", "/dev/null", "--set", "subscriptions.files=", "--set", "mail.from=papers@example.org"];
    program.args(settings).args(["--set", &format!("database.path={}", world.database_file().display())]);
    let (sets, arguments): (Vec<&str>, Vec<&str>) = arguments.iter().partition(|argument| argument.contains('='));
    program
        .args(sets.iter().flat_map(|set| ["--set", set]))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = program.spawn().expect("the program");
    running.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
    let output = running.wait_with_output().expect("an end");
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.code(), printed)
}

#[tokio::test]
async fn a_mail_server_pipes_a_bounce_in_and_hears_what_to_do() {
    let mut world = one_paper().await;
    // The program has the database's own key and no other.
    let key = world.store.token_key().expect("a database").expect("a key");
    world.deliver.sender.returns.keyring = Keyring::new(&key, []).into();
    world.deliver.sender.returns.bounce = Some(address("bounces@example.org"));
    world.once().await;
    let dsn = Dsn { to: &return_path(&world), ..Dsn::default() }.text();
    assert_eq!(paperpost(&world, &["bounce"], "Subject: Hello\r\n\r\nHello?\r\n").0, Some(67), "EX_NOUSER");
    assert_eq!(paperpost(&world, &["bounce", "database.path=/dev/null/x"], &dsn).0, Some(75), "EX_TEMPFAIL");
    assert_eq!(paperpost(&world, &["bounce", "no.such=key"], &dsn).0, Some(75), "EX_TEMPFAIL");
    assert_eq!(consent(&world), Consent::Confirmed);
    assert_eq!(paperpost(&world, &["bounce"], &dsn).0, Some(0));
    assert_eq!(consent(&world), Consent::Suppressed);

    let (code, list) = paperpost(&world, &["suppress", "list"], "");
    assert!(code == Some(0) && list.contains("bounced      ada@example.org  5.1.1 550"), "{list}");
    let (_, list) = paperpost(&world, &["list"], "");
    assert!(list.contains("next: none: suppressed") && list.contains("bounced on"), "{list}");
    assert_eq!(paperpost(&world, &["suppress", "remove", ADA], "").0, Some(0));
    assert_eq!(consent(&world), Consent::Confirmed);
}

#[tokio::test]
async fn a_key_is_made_with_its_record_and_never_over_another() {
    let world = World::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    for (kind, selector) in [("rsa", "r1"), ("ed25519", "e1")] {
        let file = folder.path().join(selector);
        let file = file.to_str().expect("text");
        let keygen = ["dkim", "keygen", "--type", kind, "--selector", selector, "-o", file];
        let (code, made) = paperpost(&world, &keygen, "");
        assert_eq!(code, Some(0), "{made}");
        let record = made.lines().last().expect("a record");
        assert!(record.starts_with(&format!("{selector}._domainkey.example.org. IN TXT ( \"v=DKIM1; k={kind}; p=")));
        let settings = [format!("dkim.{kind}_selector={selector}"), format!("dkim.{kind}_key_file={file}")];
        let again = ["dkim", "record", &settings[0], &settings[1]];
        assert_eq!(paperpost(&world, &again, ""), (Some(0), format!("{record}\n")));
        assert_eq!(paperpost(&world, &keygen, "").0, Some(1), "a key that is there stays");
    }
}
