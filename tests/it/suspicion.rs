//! Whose fault a refusal is, over days: ours or the relay's suppresses nobody, and one mailbox's holds up no other.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration as StdDuration;

use chrono::Duration;
use paperpost::core::address::Address;
use paperpost::jobs::bounce::{self, Outcome::Report};
use paperpost::jobs::deliver;
use paperpost::jobs::deliver::pace::HeldBy;
use paperpost::mail::sendmail::Sendmail;
use paperpost::store::{Reason, Store, Taken};
use tokio_util::sync::CancellationToken;

use crate::bounces::{Dsn, take};
use crate::database::Database;
use crate::site::paper;
use crate::smtp::Act;
use crate::world::{World, utc};

/// A world with readers at these addresses and a bounce mailbox.
async fn readers(addresses: &[String]) -> World {
    let mut world = World::new().await;
    world.deliver.sender.returns.bounce = Some(Address::parse("bounces@example.org").expect("an address"));
    let block = |address: &String| format!("email = \"{address}\"\nkeywords = [\"retrieval\"]");
    world.subscribe_all(addresses.iter().map(block).collect());
    world
}

fn at_one_domain(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("reader{n}@example.org")).collect()
}

fn at_many_domains(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("reader@d{n:02}.example.org")).collect()
}

/// Noon of the day, counted from 0, with a new paper.
fn day(world: &World, number: i64) {
    world.clock.set(utc("2026-11-23 12:00") + Duration::days(number));
    let title = format!("Retrieval {number}");
    world.site.list(world.clock.now().date_naive(), paper(&format!("2612.{number:05}"), &title));
}

fn suppressed(world: &World) -> Vec<String> {
    let list = world.store.suppressions().expect("a list");
    list.into_iter().filter_map(|suppression| suppression.address).collect()
}

#[tokio::test]
async fn a_relay_that_refuses_everybody_for_twelve_days_suppresses_nobody_whatever_it_says() {
    for (phase, reply) in [
        ("body", "554 Message rejected: Email address is not verified. The identity failed the check"),
        ("data", "554 Message rejected: Email address is not verified. The identity failed the check"),
        ("body", "554 go away"),
        ("rcpt", "550 5.1.1 no such user"),
        ("rcpt", "550 5.1.0 you are not allowed to send mail for this domain: SPF"),
        ("rcpt", "451 4.2.0 not today"),
    ] {
        // So few that ten refusals in a row are never reached, each at a domain of its own.
        for count in [3, 12] {
            let mut world = readers(&at_many_domains(count)).await;
            for number in 0..12 {
                day(&world, number);
                (0..200).for_each(|_| world.smtp.will(phase, Act::Say(reply)));
                // As by cron: what a process remembers is forgotten.
                world.reopen();
                world.once().await;
            }
            assert_eq!(suppressed(&world), [""; 0], "{count}: {phase}: {reply}");
        }
    }
}

#[tokio::test]
async fn a_mail_program_that_knows_nobody_suppresses_nobody_and_a_person_hears_of_it() {
    for code in [67, 68] {
        let mut world = readers(&at_many_domains(4)).await;
        let folder = tempfile::tempdir().expect("a folder");
        let (draft, path) = (folder.path().join("draft"), folder.path().join("sendmail"));
        std::fs::write(&draft, format!("#!/bin/sh\ncat >/dev/null\nexit {code}\n")).expect("written");
        std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o755)).expect("made executable");
        assert!(std::process::Command::new("cp").arg(&draft).arg(&path).status().expect("cp runs").success());
        let transport = Arc::new(Sendmail::new(path, StdDuration::from_secs(20)));
        for number in 0..6 {
            day(&world, number);
            world.reopen();
            world.scrape().await;
            world.publish();
            let stop = CancellationToken::new();
            deliver::run(&world.store, &transport, &world.deliver, &world.clock, &stop).await.expect("a database");
        }
        assert_eq!(suppressed(&world), [""; 0], "{code}");
        let suspicions = world.store.suspicions().expect("a list");
        assert_eq!(suspicions.len(), 4, "{code}: {suspicions:?}");
        assert!(suspicions.iter().all(|suspicion| suspicion.is_for_a_person()), "{code}: {suspicions:?}");
    }
}

#[tokio::test]
async fn a_missing_mailbox_among_others_that_are_served_is_given_up_wherever_it_is_in_line() {
    for number in 0..5 {
        let world = readers(&at_one_domain(5)).await;
        day(&world, 0);
        let address: &'static str = format!("<reader{number}@").leak();
        world.smtp.refuses(address, "550 5.1.1 no such user");
        world.once().await;
        assert_eq!(suppressed(&world), [format!("reader{number}@example.org")], "{number}");
        assert_eq!(world.store.suspicions().expect("a list"), [], "{number}");
        assert!(world.held().is_empty(), "{number}");
    }
}

#[tokio::test]
async fn a_relay_that_is_mended_within_minutes_has_no_reader_given_up_by_the_first_mail_it_takes() {
    for number in [1, 2, 4] {
        let mut world = readers(&at_many_domains(number)).await;
        world.deliver.connections = 1;
        day(&world, 0);
        world.smtp.refuses("@", "550 5.1.1 no such user");
        world.once().await;
        assert_eq!(world.store.suspicions().expect("a list").len(), number);
        world.smtp.forgives();
        world.at("2026-11-23 12:05");
        let again = world.store.retry_failed(None, utc("2026-11-23 00:00"), world.clock.now()).expect("a database");
        world.deliver().await;
        assert_eq!((again, suppressed(&world)), (number, vec![]), "{number}");
        assert_eq!(world.smtp.mails().len(), number);
        assert_eq!(world.store.suspicions().expect("a list"), []);
    }
}

#[tokio::test]
async fn several_missing_in_a_row_are_suspected_and_given_up_on_the_next_day_if_others_were_served() {
    let mut world = readers(&at_many_domains(5)).await;
    world.deliver.connections = 1;
    for domain in ["@d00.", "@d01.", "@d02.", "@d03."] {
        world.smtp.refuses(domain, "550 5.1.1 no such user");
    }
    day(&world, 0);
    world.once().await;
    assert_eq!((suppressed(&world).len(), world.store.suspicions().expect("a list").len()), (0, 4));
    day(&world, 1);
    world.once().await;
    assert_eq!((suppressed(&world).len(), world.store.suspicions().expect("a list").len()), (4, 0));
}

#[tokio::test]
async fn the_only_readers_mailbox_is_suspected_until_a_person_decides_or_it_takes_a_mail() {
    let world = readers(&at_one_domain(1)).await;
    world.smtp.refuses("@", "550 5.1.1 <reader0@example.org>: no such user");
    for number in 0..5 {
        day(&world, number);
        world.once().await;
        let suspicions = world.store.suspicions().expect("a list");
        assert_eq!((suspicions.len(), suspicions[0].days), (1, number as u32 + 1), "tried with each edition");
        assert_eq!(suspicions[0].is_for_a_person(), number >= 2);
        assert_eq!(suspicions[0].address, "reader0@example.org");
        assert!(suspicions[0].words.contains("no such user") && !suspicions[0].words.contains("reader0"));
        assert_eq!(suppressed(&world), [""; 0]);
    }
    world.smtp.forgives();
    day(&world, 5);
    world.once().await;
    assert_eq!(world.store.suspicions().expect("a list"), []);
    // And a person's word ends it as well.
    world.smtp.refuses("@", "550 5.1.1 no such user");
    day(&world, 6);
    world.once().await;
    let reader = Address::parse("reader0@example.org").expect("an address");
    world.store.suppress(&reader, Reason::Operator, None, world.clock.now()).expect("a database");
    assert_eq!(world.store.suspicions().expect("a list"), []);
}

#[tokio::test]
async fn while_we_are_refused_for_a_reason_of_ours_nobody_is_counted_but_who_leaves_or_complains() {
    let mut world = readers(&at_one_domain(4)).await;
    world.deliver.connections = 1;
    day(&world, 0);
    world.scrape().await;
    world.publish();
    world.smtp.will("rcpt", Act::Say("550 5.7.26 unauthenticated"));
    world.deliver().await;
    assert_eq!(world.held()[0].by, HeldBy::Refused);
    // The one that finds out whether it is over meets something else.
    world.at("2026-11-23 12:15");
    world.smtp.will("rcpt", Act::Say("550 5.1.1 no such user"));
    world.smtp.will("rcpt", Act::Say("550 5.7.26 unauthenticated"));
    world.deliver().await;
    assert_eq!((suppressed(&world).len(), world.store.suspicions().expect("a list").len()), (0, 0));
    let reader = |number| format!("reader{number}@example.org");
    let path = |world: &World, edition: i64| {
        let mailing = world.store.mailing(edition).expect("a database").expect("a mailing");
        let keyring = &world.deliver.sender.returns.keyring;
        let purpose = paperpost::core::token::Purpose::Bounce;
        (format!("bounces+{}@example.org", keyring.mint(purpose, &mailing.subscriber).reveal()), mailing)
    };
    let (to, mailing) = path(&world, 1);
    assert_eq!(take(&world, &Dsn { to: &to, about: &reader(0), ..Dsn::default() }.text()), Report(Taken::Noted));
    assert_eq!(suppressed(&world), [""; 0]);
    let token =
        world.deliver.sender.returns.keyring.mint(paperpost::core::token::Purpose::Unsubscribe, &mailing.subscriber);
    let complaint = format!(
        "From: staff@mail.example\r\nTo: abuse@example.org\r\nX-HmXmrOriginalRecipient: {}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
         List-Unsubscribe: <https://papers.example.org/u/{}>\r\n\r\nText\r\n--b--\r\n",
        reader(0),
        token.reveal()
    );
    assert_eq!(take(&world, &complaint), Report(Taken::Suppressed));
    assert_eq!(suppressed(&world), [reader(0)]);
}

#[tokio::test]
async fn each_probe_of_a_rest_uses_another_recipient() {
    for reply in ["421 4.7.0 slow down", "550 5.7.26 unauthenticated"] {
        let mut world = readers(&at_one_domain(6)).await;
        world.deliver.connections = 1;
        day(&world, 0);
        world.scrape().await;
        world.publish();
        world.smtp.refuses("@", reply);
        for _ in 0..5 {
            world.reopen();
            world.deliver().await;
            world.clock.set(world.held()[0].until);
        }
        let asked: Vec<String> = world.smtp.lines().into_iter().filter(|line| line.starts_with("RCPT")).collect();
        let different: std::collections::BTreeSet<_> = asked.iter().collect();
        assert_eq!((asked.len(), different.len()), (5, 5), "{reply}: {asked:?}");
    }
}

#[tokio::test]
async fn one_dead_full_or_choosy_mailbox_never_makes_the_others_of_its_domain_wait() {
    for reply in [
        "550 5.1.1 no such user",
        "550 5.7.1 No such user",
        "552 5.2.2 mailbox full",
        "452 4.3.1 mailbox full",
        "452 4.3.1 insufficient system storage",
        "450 busy",
        "451 4.7.1 try again",
        "421 4.2.1 mailbox is full",
        "550 5.7.1 no",
        "550 5.7.1 this user only accepts mail from friends",
        "554 5.5.0 Invalid recipient",
    ] {
        let mut world = readers(&at_one_domain(60)).await;
        world.smtp.refuses("<reader0@", reply);
        for number in 0..3 {
            day(&world, number);
            world.reopen();
            world.once().await;
            let served = world.smtp.mails().len() as i64;
            assert_eq!(served, 59 * (number + 1), "{reply}: day {number}");
            assert!(world.held().is_empty(), "{reply}: {:?}", world.held());
        }
    }
}

#[tokio::test]
async fn one_mailbox_that_is_refused_in_words_about_us_costs_its_domain_no_more_than_the_first_day() {
    for reply in ["550 5.7.1 blocked by policy", "421 4.7.0 too many messages from you, slow down"] {
        let mut world = readers(&at_one_domain(20)).await;
        world.smtp.refuses("<reader0@", reply);
        for number in 0..5 {
            day(&world, number);
            world.reopen();
            world.once().await;
            if number > 0 {
                let today = |n: usize| world.mails(&format!("reader{n}@example.org")).len();
                assert!((1..20).all(|n| today(n) as i64 >= number), "{reply}: day {number}");
            }
        }
        assert_eq!(suppressed(&world), [""; 0], "{reply}");
    }
}

#[tokio::test]
async fn a_report_about_one_choosy_mailbox_makes_no_domain_rest_and_two_do() {
    let world = readers(&at_one_domain(3)).await;
    day(&world, 0);
    world.once().await;
    let report = |edition: i64, words: &str| {
        let mailing = world.store.mailing(edition).expect("a database").expect("a mailing");
        let purpose = paperpost::core::token::Purpose::Bounce;
        let token = world.deliver.sender.returns.keyring.mint(purpose, &mailing.subscriber);
        let (to, about) = (format!("bounces+{}@example.org", token.reveal()), mailing.subscription.address.reveal());
        let text = Dsn { to: &to, about: &about, status: "5.7.1", words, ..Dsn::default() }.text();
        assert_eq!(take(&world, &text), Report(Taken::Noted));
    };
    report(1, "550 5.7.1 this user only accepts mail from friends");
    assert!(world.held().is_empty());
    report(2, "550 5.7.1 no");
    assert_eq!(world.held()[0].domain.as_deref(), Some("example.org"));
}

#[test]
fn what_came_back_before_an_upgrade_is_still_known_after_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.db");
    let database = Database::of_version(&path, 6);
    database.run(
        "INSERT INTO definitions VALUES (1, x'01', '{}');
             INSERT INTO subscriptions (token, address, address_key, definition, origin, consent, created, since)
             VALUES (x'02', 'ada@example.org', 'ada@example.org', 1, 'file', 'confirmed', 0, '2026-11-01');
             INSERT INTO bounces (message, subscription, edition, at, class, status, reply)
             VALUES (x'03', 1, 7, 1795000000, 'soft', '4.2.2', 'full');
             INSERT INTO holds VALUES ('example.org', 'refused', 2, 1795000000, 1795003600, 'no');",
    );
    drop(database);
    let store = Store::open(&path).expect("migrated");
    let bounces = store.bounces(chrono::DateTime::UNIX_EPOCH).expect("a list");
    assert_eq!((bounces.len(), bounces[0].class.as_str(), &bounces[0].reply[..]), (1, "soft", "full"));
    assert_eq!(store.holds().expect("holds").len(), 1);
    assert_eq!(store.suspicions().expect("a list"), []);
}

/// A server reports about the newest mail to `to` that there is no such mailbox.
fn report_missing(world: &World, to: &str) -> bounce::Outcome {
    let id = world.mails(to).pop().expect("a mail").message_id;
    let (words, returned) = (format!("550 5.1.1 <{to}>: no such user"), format!("Message-ID: <{id}>"));
    take(world, &Dsn { about: to, words: &words, returned: &returned, ..Dsn::default() }.text())
}

/// The clock at so many minutes after the noon of a day.
fn minutes_after(world: &World, number: i64, minutes: i64) {
    world.clock.set(utc("2026-11-23 12:00") + Duration::days(number) + Duration::minutes(minutes));
}

#[tokio::test]
async fn a_relay_that_takes_everything_and_reports_everybody_missing_suppresses_nobody() {
    let readers = at_many_domains(12);
    // All reports at once; one every half hour, beginning late.
    for (first, apart) in [(1, 0), (90, 30)] {
        let world = self::readers(&readers).await;
        for number in 0..4 {
            day(&world, number);
            world.once().await;
            for (at, reader) in (0..).zip(&readers) {
                minutes_after(&world, number, first + at * apart);
                assert_eq!(report_missing(&world, reader), Report(Taken::Doubted));
                world.publish();
            }
            for minutes in [480, 600, 900] {
                minutes_after(&world, number, minutes);
                world.publish();
            }
        }
        assert_eq!(suppressed(&world), [""; 0], "{first} {apart}");
        let persons = |world: &World| {
            let suspicions = world.store.suspicions().expect("a list");
            suspicions.iter().filter(|suspicion| suspicion.is_for_a_person()).count()
        };
        assert_eq!(persons(&world), 12, "a person decides");
        // Mended: a mailbox that is reported now is reported alone, and for the others the doubt ends.
        day(&world, 4);
        world.once().await;
        assert_eq!(report_missing(&world, &readers[3]), Report(Taken::Doubted));
        minutes_after(&world, 4, 361);
        world.publish();
        assert_eq!(suppressed(&world), [&*readers[3]]);
        minutes_after(&world, 4, 12 * 60 + 1);
        world.publish();
        assert_eq!(persons(&world), 0);
    }
}

#[tokio::test]
async fn a_domain_that_reports_all_its_mailboxes_missing_loses_none() {
    let (ill, well) = (at_one_domain(12), at_many_domains(30));
    let world = self::readers(&[ill.clone(), well].concat()).await;
    day(&world, 0);
    world.once().await;
    ill.iter().for_each(|reader| assert_eq!(report_missing(&world, reader), Report(Taken::Doubted)));
    minutes_after(&world, 0, 420);
    world.publish();
    assert_eq!(suppressed(&world), [""; 0]);
}

#[tokio::test]
async fn a_relay_that_reports_a_passing_trouble_of_everybody_for_weeks_suppresses_nobody() {
    let readers = at_many_domains(4);
    let world = self::readers(&readers).await;
    for number in 0..16 {
        day(&world, number);
        world.once().await;
        for reader in &readers {
            let id = world.mails(reader).pop().expect("a mail").message_id;
            let returned = format!("Message-ID: <{id}>");
            let words = "442 4.4.7 delivery time expired";
            take(&world, &Dsn { about: reader, status: "4.4.7", words, returned: &returned, ..Dsn::default() }.text());
        }
        minutes_after(&world, number, 420);
        world.publish();
    }
    assert_eq!(suppressed(&world), [""; 0]);
}

#[tokio::test]
async fn one_dead_mailbox_of_twelve_is_given_up_when_its_mail_is_six_hours_old() {
    let readers = at_one_domain(12);
    let world = self::readers(&readers).await;
    day(&world, 0);
    world.once().await;
    minutes_after(&world, 0, 5);
    assert_eq!(report_missing(&world, &readers[5]), Report(Taken::Doubted));
    minutes_after(&world, 0, 350);
    world.publish();
    assert_eq!(suppressed(&world), [""; 0], "others may yet come back");
    minutes_after(&world, 0, 361);
    world.publish();
    assert_eq!(suppressed(&world), [&*readers[5]]);
    assert!(world.store.suspicions().expect("a list").is_empty());
}
