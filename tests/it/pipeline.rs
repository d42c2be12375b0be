//! Scenarios of the whole pipeline: listings in, mails out.

use mail_parser::{MessageParser, MimeHeaders};
use paperpost::core::address::Address;
use paperpost::core::paper::ReadOutcome;
use paperpost::source::huggingface::Lists;
use paperpost::store::{OutboxState, Reason};

use crate::site::{Fault, day, paper};
use crate::smtp::Act;
use crate::world::{World, utc};

pub(crate) const ADA: &str = "ada@example.org";
const RETRIEVAL: &str = "email = \"ada@example.org\"\nkeywords = [\"retrieval\"]";

/// A world with one subscriber and one paper that fits.
pub(crate) async fn one_paper() -> World {
    let mut world = World::new().await;
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    world.site.list(day("2026-11-23"), paper("2611.00002", "Robots at home"));
    world.subscribe(RETRIEVAL);
    world
}

#[tokio::test]
async fn a_paper_becomes_a_mail_that_is_complete() {
    let world = one_paper().await;
    world.once().await;
    let mails = world.mails(ADA);
    assert_eq!(mails.len(), 1);
    let mail = &mails[0];
    assert_eq!(mail.titles, ["Retrieval at scale"]);
    assert!(mail.subject.contains("Retrieval at scale"), "{}", mail.subject);
    assert!(mail.text.contains("Retrieval at scale") && mail.text.contains("ecause it matches"), "{}", mail.text);
    assert!(mail.html.contains("Robots at home"), "also trending");

    let message = MessageParser::default().parse(&mail.bytes).expect("a message");
    for header in ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "List-ID", "Auto-Submitted"] {
        assert_eq!(message.headers().iter().filter(|h| h.name().eq_ignore_ascii_case(header)).count(), 1, "{header}");
    }
    let kinds: Vec<_> = message.parts.iter().filter_map(|p| p.content_type()).filter_map(|t| t.subtype()).collect();
    assert_eq!(kinds, ["alternative", "plain", "html"], "the text stands before the HTML");
    assert_eq!(message.date().map(|date| date.to_timestamp()), Some(world.clock.now().timestamp()));
}

#[tokio::test]
async fn a_paper_never_comes_twice_however_it_is_listed() {
    let mut world = one_paper().await;
    world.once().await;
    // Again the same day; on another day; with another title and other votes; after a restart.
    world.once().await;
    world.at("2026-11-24 12:00");
    let mut again = paper("2611.00001", "Retrieval at scale, second version");
    again.upvotes = 500;
    world.site.list(day("2026-11-24"), again);
    world.once().await;
    world.reopen();
    world.at("2026-11-25 12:00");
    world.once().await;
    assert_eq!(world.inbox(ADA), ["Retrieval at scale"]);
}

#[tokio::test]
async fn a_paper_that_a_day_got_late_comes_in_the_next_edition() {
    let world = one_paper().await;
    world.once().await;
    world.at("2026-11-24 12:00");
    world.site.list(day("2026-11-23"), paper("2611.00003", "Retrieval, listed late"));
    world.once().await;
    assert_eq!(world.inbox(ADA), ["Retrieval at scale", "Retrieval, listed late"]);
}

#[tokio::test]
async fn a_paper_that_gets_its_votes_days_later_comes_then_and_once() {
    let mut world = World::new().await;
    world.subscribe("email = \"ada@example.org\"\nkeywords = [\"retrieval\"]\nmin_upvotes = 50");
    let with = |upvotes| {
        let mut entry = paper("2611.00001", "Retrieval at scale");
        entry.upvotes = upvotes;
        entry
    };
    world.site.list(day("2026-11-23"), with(49));
    world.once().await;
    assert!(world.inbox(ADA).is_empty());
    for (time, votes) in [("2026-11-25 12:00", 50), ("2026-11-26 12:00", 49), ("2026-11-27 12:00", 80)] {
        world.at(time);
        world.site.list(day("2026-11-23"), with(votes));
        world.once().await;
        assert_eq!(world.inbox(ADA), ["Retrieval at scale"], "{time}");
    }
}

#[tokio::test]
async fn a_first_edition_comes_at_once_and_looks_back_a_week() {
    let mut world = World::new().await;
    world.source.lists = Lists::Daily { days: 30 };
    for (date, id) in [("2026-11-14", "1"), ("2026-11-15", "2"), ("2026-11-16", "3"), ("2026-11-23", "4")] {
        world.site.list(day(date), paper(&format!("2611.0000{id}"), &format!("Retrieval of {date}")));
    }
    world.subscribe(RETRIEVAL);
    world.once().await;
    let mut titles = world.inbox(ADA);
    titles.sort();
    assert_eq!(titles, ["Retrieval of 2026-11-16", "Retrieval of 2026-11-23"]);
    // And the older ones don't come later either.
    world.at("2026-11-24 12:00");
    world.once().await;
    assert_eq!(world.mails(ADA).len(), 1);
}

#[tokio::test]
async fn slots_that_were_missed_collapse_into_one_edition() {
    let world = one_paper().await;
    world.once().await;
    for (date, id) in [("2026-11-24", "4"), ("2026-11-25", "5"), ("2026-11-26", "6")] {
        world.site.list(day(date), paper(&format!("2611.0000{id}"), &format!("Retrieval of {date}")));
    }
    world.at("2026-11-26 12:00");
    world.once().await;
    assert_eq!(world.mails(ADA).len(), 2);
    assert_eq!(world.inbox(ADA).len(), 4);
}

#[tokio::test]
async fn an_empty_edition_sends_nothing_unless_a_note_was_asked_for() {
    let mut world = World::new().await;
    world.site.list(day("2026-11-23"), paper("2611.00002", "Robots at home"));
    world.subscribe(RETRIEVAL);
    world.subscribe("email = \"grace@example.org\"\nkeywords = [\"retrieval\"]\nwhen_empty = \"note\"");
    world.begin();
    world.once().await;
    world.once().await;
    assert!(world.mails(ADA).is_empty());
    let notes = world.mails("grace@example.org");
    assert_eq!(notes.len(), 1);
    assert!(notes[0].titles.is_empty() && notes[0].text.contains("Nothing new"), "{}", notes[0].text);
}

#[tokio::test]
async fn who_leaves_the_file_gets_nothing_that_was_already_queued() {
    let mut world = one_paper().await;
    world.scrape().await;
    world.publish();
    world.change("retrieval", None);
    world.deliver().await;
    assert!(world.smtp.mails().is_empty());
    let dropped = world.store.outbox(&[OutboxState::Dropped], 10).expect("an outbox");
    assert_eq!(dropped.len(), 1, "and it can be seen why");
    assert!(dropped[0].last_reply.as_ref().is_some_and(|reply| reply.contains("left")));
}

#[tokio::test]
async fn who_comes_back_has_the_papers_of_a_mail_that_was_dropped_to_come() {
    let mut world = one_paper().await;
    world.scrape().await;
    world.publish();
    world.change("retrieval", None);
    world.deliver().await;
    world.subscribe(RETRIEVAL);
    world.at("2026-11-24 12:00");
    world.once().await;
    assert_eq!(world.inbox(ADA), ["Retrieval at scale"]);
}

#[tokio::test]
async fn a_server_that_takes_one_connection_only_still_gets_everything() {
    let mut world = one_paper().await;
    for n in 0..20 {
        world.subscribe(&format!("email = \"reader{n}@example.org\"\nkeywords = [\"retrieval\"]"));
    }
    world.scrape().await;
    world.publish();
    world.smtp.will("greeting", Act::SayAndClose("421 too many connections"));
    let report = world.deliver().await;
    assert!(report.outage.is_none(), "{report:?}");
    assert_eq!((world.smtp.mails().len(), report.retried), (20, 1));
}

#[tokio::test]
async fn two_sources_with_equal_votes_make_the_same_mail_at_every_attempt() {
    let world = one_paper().await;
    let trending = paperpost::source::huggingface::HuggingFace {
        id: paperpost::core::paper::SourceId::parse("trending").expect("a name"),
        ..world.source.clone()
    };
    for (time, votes) in [("2026-11-23 06:00", 10), ("2026-11-23 12:00", 40)] {
        world.at(time);
        let mut entry = paper("2611.00001", "Retrieval at scale");
        entry.upvotes = votes;
        world.site.list(day("2026-11-23"), entry);
        // The first source saw the votes grow; the other one only where they ended.
        world.scrape().await;
    }
    let now = world.clock.now();
    paperpost::jobs::scrape::run(&world.store, &world.client, &trending.into(), chrono::Duration::zero(), now)
        .await
        .expect("a working database");
    let (_, first) = world.store.candidates(now - chrono::Duration::days(14)).expect("candidates");
    for _ in 0..20 {
        let (_, again) = world.store.candidates(now - chrono::Duration::days(14)).expect("candidates");
        assert_eq!(first[0].votes, again[0].votes);
    }
    assert_eq!(first[0].votes.len(), 2, "the history of the first by name");
}

#[tokio::test]
async fn a_withdrawn_subscriber_gets_nothing_though_the_file_lists_them() {
    let mut world = one_paper().await;
    world.scrape().await;
    world.publish();
    let ada = Address::parse("ADA@example.org").expect("an address");
    world.store.suppress(&ada, Reason::Unsubscribed, None, world.clock.now()).expect("withdrawn");
    world.deliver().await;
    let report = world.subscribe("email = \"grace@example.org\"\nkeywords = [\"robots\"]");
    assert_eq!(report.withheld.len(), 1, "the file's owner is told");
    world.at("2026-11-24 12:00");
    world.site.list(day("2026-11-24"), paper("2611.00003", "More retrieval"));
    world.once().await;
    assert!(world.mails(ADA).is_empty());
    assert_eq!(world.mails("grace@example.org").len(), 1);
}

#[tokio::test]
async fn a_pause_loses_nothing() {
    let mut world = one_paper().await;
    world.change("retrieval", Some("email = \"ada@example.org\"\nkeywords = [\"retrieval\"]\npaused = true"));
    world.once().await;
    assert!(world.mails(ADA).is_empty());
    world.at("2026-11-25 12:00");
    world.change("retrieval", Some(RETRIEVAL));
    world.once().await;
    assert_eq!(world.inbox(ADA), ["Retrieval at scale"]);
}

#[tokio::test]
async fn a_failed_read_is_not_no_papers() {
    let world = one_paper().await;
    world.once().await;
    for fault in [Fault::Challenge, Fault::Status(503), Fault::Body("{\"error\":\"no\"}"), Fault::Hangup] {
        world.site.fail("/", fault.clone());
        let report = world.scrape().await;
        assert!(!report.is_good(), "{fault:?}");
        world.site.mend();
    }
    let status = world.store.sources().expect("sources");
    assert_eq!((status[0].failures, status[0].items), (4, 2));
    world.at("2026-11-23 12:30");
    // Nothing moved: the next read finds all as it was.
    let report = world.scrape().await;
    assert_eq!(
        (report.state, report.added.len(), report.revised.len(), report.unchanged),
        (ReadOutcome::Fresh, 0, 0, 2)
    );
    world.at("2026-11-24 12:00");
    world.once().await;
    assert_eq!(world.mails(ADA).len(), 1);
}

#[tokio::test]
async fn the_reader_is_told_how_many_papers_a_list_has_also_when_it_did_not_change() {
    let world = one_paper().await;
    world.site.etags();
    world.scrape().await;
    world.at("2026-11-23 15:00");
    let report = world.scrape().await;
    assert_eq!((report.unchanged, report.added.len()), (0, 0), "nothing was sent again");
    world.once().await;
    assert!(world.mails(ADA)[0].text.contains("2 papers, read today at 15:00 (UTC)"), "{}", world.mails(ADA)[0].text);
}

#[tokio::test]
async fn before_any_source_was_read_no_edition_is_spent() {
    let world = one_paper().await;
    world.site.fail("/", Fault::Status(500));
    world.once().await;
    assert!(world.publish().is_waiting);
    world.site.mend();
    world.at("2026-11-23 12:30");
    world.once().await;
    assert_eq!(world.inbox(ADA), ["Retrieval at scale"]);
}

#[tokio::test]
async fn the_reader_is_told_that_a_source_could_not_be_read() {
    let world = one_paper().await;
    world.scrape().await;
    world.at("2026-11-23 15:00");
    world.site.fail("/", Fault::Status(500));
    world.once().await;
    assert!(world.mails(ADA)[0].text.contains("could not be read"), "{}", world.mails(ADA)[0].text);
}

#[tokio::test]
async fn every_attempt_is_the_same_mail_whatever_changed_in_between() {
    let mut world = one_paper().await;
    world.smtp.will("body", Act::TakeAndClose);
    world.once().await;
    let first = world.mails(ADA);
    assert_eq!(first.len(), 1, "the server has it, and never said so");
    assert_eq!(world.store.queue().expect("a queue").counts, [(OutboxState::Queued, 1)]);
    // Meanwhile the paper is revised, its votes move, the order changes, and the program restarts.
    world.at("2026-11-23 12:40");
    let mut revised = paper("2611.00001", "Retrieval at scale, revised");
    (revised.upvotes, revised.abstract_text) = (99, "Another abstract.".into());
    revised.code = Some(("https://github.com/example/retrieval".into(), 7));
    world.site.list(day("2026-11-23"), revised);
    world.scrape().await;
    world.change("retrieval", Some("email = \"ada@example.org\"\nname = \"Ada\"\nkeywords = [\"scale\"]"));
    world.reopen();
    world.deliver().await;
    let mails = world.mails(ADA);
    assert_eq!(mails.len(), 2);
    let body = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(body(&mails[0].bytes), body(&mails[1].bytes));
    assert_eq!(world.store.queue().expect("a queue").counts, [(OutboxState::Sent, 1)]);
}

#[tokio::test]
async fn an_unknown_outcome_is_retried_once_and_then_shown_as_failed() {
    let world = one_paper().await;
    world.smtp.will("body", Act::TakeAndClose);
    world.once().await;
    world.smtp.will("body", Act::TakeAndClose);
    world.at("2026-11-23 13:00");
    world.deliver().await;
    world.at("2026-11-24 07:00");
    world.deliver().await;
    let mails = world.mails(ADA);
    assert_eq!(mails.len(), 2, "once more, never in a loop");
    assert_eq!(mails[0].message_id, mails[1].message_id);
    let failed = world.store.outbox(&[OutboxState::Failed], 10).expect("an outbox");
    assert_eq!((failed.len(), failed[0].attempts), (1, 2));
}

#[tokio::test]
async fn a_greylisted_mail_is_sent_minutes_later() {
    let world = one_paper().await;
    world.smtp.will("rcpt", Act::Say("450 4.7.1 greylisted, try again"));
    world.once().await;
    assert!(world.mails(ADA).is_empty());
    world.at("2026-11-23 12:02");
    world.deliver().await;
    assert_eq!(world.inbox(ADA), ["Retrieval at scale"]);
    let attempts = world.store.attempts(1).expect("attempts");
    assert!(attempts[0].2.contains("450 4.7.1"), "the server's own words are kept: {attempts:?}");
}

#[tokio::test]
async fn one_refused_recipient_holds_no_other_and_can_be_retried_by_hand() {
    let mut world = one_paper().await;
    world.subscribe("email = \"grace@example.org\"\nkeywords = [\"retrieval\"]");
    world.deliver.connections = 1;
    world.smtp.will("rcpt", Act::Say("552 5.2.2 mailbox full"));
    world.once().await;
    assert_eq!(world.smtp.mails().len(), 1);
    let failed = world.store.outbox(&[OutboxState::Failed], 10).expect("an outbox");
    assert!(failed[0].last_reply.as_ref().is_some_and(|reply| reply.contains("mailbox full")), "{failed:?}");
    assert_eq!(
        world.store.retry_failed(Some(failed[0].mail), world.clock.now(), world.clock.now()).expect("queued"),
        1
    );
    world.deliver().await;
    assert_eq!(world.smtp.mails().len(), 2);
    assert_eq!(world.store.queue().expect("a queue").counts, [(OutboxState::Sent, 2)]);
}

#[tokio::test]
async fn exactly_one_edition_per_local_slot_over_both_clock_changes() {
    // Berlin: 2026-10-25 has 02:30 twice, 2027-03-28 not at all.
    for (start, days, expected) in [("2026-10-23 12:00", 4, 5), ("2027-03-26 12:00", 4, 5)] {
        let mut world = World::new().await;
        world.at(start);
        world.subscribe(
            "email = \"ada@example.org\"\nkeywords = [\"retrieval\"]\nschedule = \"daily at 02:30\"\n\
             zone = \"Europe/Berlin\"\nwhen_empty = \"note\"",
        );
        world.scrape().await;
        let begin = world.clock.now();
        for quarter in 0..days * 96 {
            world.clock.set(begin + chrono::Duration::minutes(15 * quarter));
            // Else it would give way to the next one.
            if world.publish().queued > 0 {
                world.deliver().await;
            }
        }
        assert_eq!(world.mails(ADA).len(), expected, "the first at once, then one a day from {start}");
    }
}

#[tokio::test]
async fn whoever_moves_to_another_zone_has_one_edition_for_each_day_on_their_wall() {
    // West and east, in the middle of a day.
    for zones in [["Europe/Berlin", "America/Los_Angeles"], ["America/Los_Angeles", "Asia/Tokyo"]] {
        let mut world = World::new().await;
        let block = |zone: &str| {
            format!(
                "email = \"ada@example.org\"\nkeywords = [\"retrieval\"]\nschedule = \"daily at 08:00\"\n\
                 zone = \"{zone}\"\nwhen_empty = \"note\""
            )
        };
        world.subscribe(&block(zones[0]));
        world.scrape().await;
        let begin = world.clock.now();
        for hour in 0..24 * 6 {
            world.clock.set(begin + chrono::Duration::hours(hour));
            if hour == 48 {
                world.change("ada@", Some(&block(zones[1])));
            }
            world.publish();
        }
        let mut slots: Vec<String> = world
            .store
            // Nothing is delivered, so each gives way to the next.
            .outbox(&[OutboxState::Queued, OutboxState::Merged], 100)
            .expect("an outbox")
            .iter()
            .filter_map(|entry| entry.slot)
            .map(|slot| slot.format("%d %H:%M").to_string())
            .collect();
        slots.sort();
        // It begins at noon of the 23rd in Berlin and in the night in Los Angeles, and ends where it is the 29th at 20:00 or 03:00.
        let (first, last) = if zones[0] == "Europe/Berlin" { (23, 28) } else { (22, 29) };
        let expected: Vec<String> = (first..=last).map(|day| format!("{day} 08:00")).collect();
        assert_eq!(slots, expected, "{zones:?}");
    }
}

#[tokio::test]
async fn after_a_change_of_schedule_the_first_edition_comes_on_a_later_day_than_the_last() {
    let mut world = World::new().await;
    let block = |schedule: &str| {
        format!(
            "email = \"ada@example.org\"\nkeywords = [\"retrieval\"]\nschedule = \"{schedule}\"\n\
             zone = \"Europe/Berlin\"\nwhen_empty = \"note\""
        )
    };
    world.at("2026-11-24 06:00");
    world.subscribe(&block("daily at 08:00"));
    world.scrape().await;
    let mut came = Vec::new();
    // From the morning to the evening, then to several times a day, and back.
    let changes = [(25, "daily at 18:00"), (26, "07:30, 20:00"), (28, "daily at 08:00")];
    for hour in 0..24 * 6 {
        world.clock.set(utc("2026-11-24 06:00") + chrono::Duration::hours(hour));
        let now = world.clock.now();
        if let Some((_, schedule)) = changes.iter().find(|(day, _)| now == utc(&format!("2026-11-{day} 12:00"))) {
            world.change("ada@", Some(&block(schedule)));
        }
        if world.publish().queued > 0 {
            world.deliver().await;
            came.push(now.format("%d %H").to_string());
        }
        let next = world.store.subscribers().expect("subscribers")[0].next.expect("a next time");
        assert!(next > now, "it says when the next one comes, at {now}: {next}");
    }
    assert_eq!(came, ["24 06", "24 07", "25 07", "26 12", "26 19", "27 07", "27 19", "28 07", "29 07"]);
}

#[tokio::test]
async fn an_address_that_is_spelt_anew_is_written_to_as_its_owner_has_it() {
    let mut world = one_paper().await;
    world.once().await;
    let report = world.change("retrieval", Some("email = \"Ada@Example.org\"\nkeywords = [\"retrieval\"]"));
    assert_eq!((report.added, report.changed, report.retired), (0, 1, 0));
    assert_eq!(world.sync().changed, 0);
    world.at("2026-11-24 12:00");
    world.site.list(day("2026-11-24"), paper("2611.00003", "More retrieval"));
    world.once().await;
    assert_eq!(world.inbox("Ada@example.org"), ["More retrieval"], "and the ledger is the same");
}

#[tokio::test]
async fn everything_scraped_is_untrusted() {
    let mut world = World::new().await;
    world.subscribe(RETRIEVAL);
    let mut entry = paper("2611.00001", "Retrieval <script>alert(1)</script>\r\nBcc: mallory@example.org");
    entry.project = Some("javascript:alert(1)".into());
    entry.abstract_text = "<img src=x onerror=alert(1)> \u{202E}evil\u{0}".into();
    world.site.list(day("2026-11-23"), entry);
    world.once().await;
    let mail = &world.mails(ADA)[0];
    assert!(!mail.html.contains("<script") && !mail.html.contains("<img") && !mail.html.contains("javascript:"));
    assert!(!mail.html.contains('\u{202E}') && !mail.text.contains('\u{202E}'));
    let message = MessageParser::default().parse(&mail.bytes).expect("a message");
    assert!(message.bcc().is_none());
    assert!(mail.titles[0].contains("<script>"), "shown as the text that it is: {:?}", mail.titles);
}
