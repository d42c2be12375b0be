//! What matched and was not sent: that it comes, or is told, and neither twice.

use crate::process::{Home, said};
use crate::smtp::SmtpServer;
use paperpost::source::huggingface::Lists;
use paperpost::store::OutboxState;

use crate::pipeline::{ADA, one_paper};
use crate::site::{Fault, Site, day, paper};
use crate::world::World;

#[tokio::test]
async fn a_digest_is_headed_with_the_day_it_is_made_for_its_reader() {
    let mut world = World::new().await;
    world.at("2026-11-25 23:30");
    world.site.list(day("2026-11-25"), paper("2611.00001", "Retrieval at scale"));
    // Both were due two days ago, on Monday; in Tokyo it is Thursday.
    for (reader, zone) in [(ADA, "Europe/London"), ("bob@example.org", "Asia/Tokyo")] {
        let schedule = "schedule = \"weekly on mon at 08:00\"";
        world.add(&format!("email = \"{reader}\"\nkeywords = [\"retrieval\"]\n{schedule}\nzone = \"{zone}\""));
    }
    world.sync();
    world.once().await;
    assert!(world.mails(ADA)[0].text.contains("Wednesday, 25 November 2026"), "{}", world.mails(ADA)[0].text);
    assert!(world.mails("bob@example.org")[0].html.contains("Thursday, 26 November 2026"));
}

#[tokio::test]
async fn a_pause_stops_what_is_queued_and_its_end_lets_it_go() {
    let mut world = one_paper().await;
    world.scrape().await;
    assert_eq!(world.publish().queued, 1);
    let block = |paused: bool| format!("email = \"{ADA}\"\nkeywords = [\"retrieval\"]\npaused = {paused}");
    world.change("retrieval", Some(&block(true)));
    world.at("2026-11-23 13:00");
    assert!(!world.deliver().await.has_more);
    assert_eq!(world.inbox(ADA).len(), 0);
    assert!(world.store.next_delivery().expect("a queue").is_none(), "nobody is woken for it");
    assert!(world.store.outbox(&OutboxState::ALL, 9).expect("an outbox")[0].is_paused);
    world.change("retrieval", Some(&block(false)));
    world.deliver().await;
    assert_eq!(world.inbox(ADA), ["Retrieval at scale"]);
}

#[tokio::test]
async fn a_late_addition_from_before_the_first_day_comes_and_what_was_known_before_does_not() {
    let mut world = one_paper().await;
    world.source.lists = Lists::Daily { days: 30 };
    world.site.list(day("2026-11-05"), paper("2611.00008", "Retrieval of old"));
    world.once().await;
    assert_eq!(world.inbox(ADA), ["Retrieval at scale"]);
    world.at("2026-11-24 12:00");
    world.site.list(day("2026-11-05"), paper("2611.00009", "Retrieval, listed late"));
    world.once().await;
    assert_eq!(world.inbox(ADA), ["Retrieval at scale", "Retrieval, listed late"]);
}

/// A world whose one subscriber takes two papers a mail, and has had a first edition.
async fn two_a_day() -> World {
    let mut world = World::new().await;
    world.subscribe(TWO);
    world.begin();
    world
}

const TWO: &str = "email = \"ada@example.org\"\nkeywords = [\"retrieval\"]\nmax_papers = 2";

fn list(world: &World, date: &str, numbers: std::ops::Range<u32>) {
    for n in numbers {
        world.site.list(day(date), paper(&format!("2611.{n:05}"), &format!("Retrieval {n}")));
    }
}

#[tokio::test]
async fn what_leaves_the_window_unsent_is_told_by_title_once_and_never_comes() {
    let mut world = two_a_day().await;
    list(&world, "2026-11-23", 0..60);
    for n in 0..20 {
        world.clock.set(crate::world::utc("2026-11-23 12:00") + chrono::Duration::days(n));
        if n == 16 {
            // Somebody else's mail is on the same list again.
            list(&world, "2026-12-09", 50..52);
        }
        world.once().await;
    }
    let mails = world.mails(ADA);
    let told: Vec<&str> =
        mails.iter().filter(|mail| mail.text.contains("Left out:")).map(|m| m.text.as_str()).collect();
    assert_eq!((world.inbox(ADA).len(), told.len()), (30, 1), "two a day while they are in the window");
    assert!(told[0].contains("and 10 more"), "twenty titles of thirty: {}", told[0]);
    let titles = world.inbox(ADA);
    let named: Vec<&str> = told[0].lines().filter(|line| line.starts_with("Retrieval ")).collect();
    assert_eq!(named.len(), 20);
    assert!(named.iter().all(|line| titles.iter().all(|title| *line != format!("{title} · 7 upvotes"))), "{named:?}");
    assert!(mails[1].text.contains("more papers wait: they come in later editions"), "{}", mails[1].text);
    world.change("retrieval", Some("email = \"ada@example.org\"\nkeywords = [\"retrieval\"]"));
    world.at("2026-12-14 12:00");
    world.once().await;
    assert_eq!(world.inbox(ADA).len(), 30, "told is settled");
}

#[tokio::test]
async fn after_a_months_pause_the_best_come_and_the_rest_is_told() {
    let mut world = two_a_day().await;
    world.change("retrieval", Some(&format!("{TWO}\npaused = true")));
    for n in 0..30 {
        let date = day("2026-11-23") + chrono::Days::new(n);
        world.at(&format!("{date} 12:00"));
        let number = n as u32;
        list(&world, &date.to_string(), number..number + 1);
        world.once().await;
    }
    world.change("retrieval", Some(TWO));
    world.once().await;
    let mail = &world.mails(ADA)[0];
    // The window holds the last fifteen days: those are owed, as far as they are not here; what is older is told.
    let named = mail.text.lines().filter(|line| line.starts_with("Retrieval ") && line.contains('·')).count();
    assert_eq!(mail.titles.len(), 2);
    let owed = world.store.subscribers().expect("a list")[0].last.as_ref().map_or(0, |last| last.owed as usize);
    assert_eq!(named + owed + 2, 30, "{}", mail.text);
    assert!(named >= 13, "{}", mail.text);
}

#[tokio::test]
async fn a_schedule_sparser_than_the_window_misses_nothing() {
    let mut world = World::new().await;
    world.at("2026-11-01 12:00");
    world.subscribe(
        "email = \"ada@example.org\"\nkeywords = [\"retrieval\"]\nschedule = \"0 8 1 * *\"\nmax_papers = 100",
    );
    world.begin();
    for n in 0..31 {
        let date = day("2026-11-01") + chrono::Days::new(n);
        world.at(&format!("{date} 12:00"));
        list(&world, &date.to_string(), n as u32..n as u32 + 1);
        world.once().await;
    }
    assert_eq!(world.mails(ADA).len(), 2);
    assert_eq!(world.inbox(ADA).len(), 31);
}

#[tokio::test]
async fn a_mail_that_failed_for_good_returns_its_papers_once() {
    let mut world = two_a_day().await;
    list(&world, "2026-11-23", 0..2);
    world.smtp.refuses("ada", "552 5.2.2 mailbox full");
    world.once().await;
    world.at("2026-11-24 12:00");
    world.once().await;
    assert_eq!(world.inbox(ADA).len(), 0);
    let states: Vec<OutboxState> =
        world.store.outbox(&OutboxState::ALL, 9).expect("an outbox").iter().map(|mail| mail.state).collect();
    assert_eq!(states, [OutboxState::Failed, OutboxState::Merged], "the second has the papers of the first");
    // Refused twice: given up. Nobody is told without another mail.
    world.smtp.forgives();
    world.at("2026-11-25 12:00");
    world.once().await;
    assert_eq!(world.mails(ADA).len(), 0);
    list(&world, "2026-11-26", 5..6);
    world.at("2026-11-26 12:00");
    world.once().await;
    assert_eq!(world.inbox(ADA), ["Retrieval 5"]);
    assert!(world.mails(ADA)[0].text.contains("2 papers could not be delivered"), "{}", world.mails(ADA)[0].text);
    let all = world.store.outbox(&OutboxState::ALL, 9).expect("an outbox");
    let given_up = |edition| world.store.given_up(edition).expect("papers").len();
    assert_eq!(all.iter().map(|mail| given_up(mail.mail)).collect::<Vec<_>>(), [2, 2, 2], "each mail says which");
    world.change("retrieval", Some("email = \"ada@example.org\"\nkeywords = [\"retrieval\"]"));
    world.at("2026-11-27 12:00");
    world.once().await;
    assert_eq!(world.inbox(ADA).len(), 1);
}

#[tokio::test]
async fn what_a_refused_mail_told_is_told_again_and_its_papers_come() {
    let world = two_a_day().await;
    list(&world, "2026-11-23", 0..40);
    for n in 0..17 {
        world.clock.set(crate::world::utc("2026-11-23 12:00") + chrono::Duration::days(n));
        world.smtp.forgives();
        if n == 15 {
            list(&world, "2026-12-08", 90..92);
            world.smtp.refuses("ada", "552 5.2.2 mailbox full");
        }
        world.once().await;
    }
    let mails = world.mails(ADA);
    let last = mails.last().expect("a mail");
    let mut titles = last.titles.clone();
    titles.sort();
    assert_eq!(titles, ["Retrieval 90", "Retrieval 91"]);
    assert_eq!(mails.iter().filter(|mail| mail.text.contains("Left out:")).count(), 1);
    assert!(last.text.contains("Left out:"), "{}", last.text);
}

#[tokio::test]
async fn a_first_digest_has_the_best_of_a_week_and_counts_the_rest() {
    let mut world = World::new().await;
    list(&world, "2026-11-21", 0..5);
    world.subscribe(TWO);
    world.once().await;
    assert!(world.mails(ADA)[0].text.contains("3 more papers of these days matched"), "{}", world.mails(ADA)[0].text);
    world.at("2026-11-24 12:00");
    world.once().await;
    assert_eq!(world.mails(ADA).len(), 1, "what was cut is not owed");
}

#[tokio::test]
async fn a_first_digest_without_papers_is_a_short_welcome() {
    let mut world = one_paper().await;
    world.change(
        "retrieval",
        Some("email = \"ada@example.org\"\nkeywords = [\"quantum\", \"topology\"]\nschedule = \"daily at 08:00\""),
    );
    world.once().await;
    let mail = &world.mails(ADA)[0];
    let text = mail.text.replace('\n', " ");
    for part in [
        "Welcome",
        "quantum, topology",
        "last 7 days",
        "Hugging Face Daily Papers",
        "Tuesday, 24 November 2026 at 08:00",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    world.at("2026-11-24 12:00");
    world.once().await;
    assert_eq!(world.mails(ADA).len(), 1, "once");
}

#[tokio::test]
async fn a_first_digest_looks_back_as_far_as_it_was_asked_to() {
    let mut world = World::new().await;
    world.at("2026-10-20 12:00");
    list(&world, "2026-10-20", 0..3);
    world.scrape().await;
    world.at("2026-11-23 12:00");
    world.subscribe("email = \"ada@example.org\"\nkeywords = [\"retrieval\"]\nsince = \"2026-10-20\"");
    world.once().await;
    assert_eq!(world.inbox(ADA).len(), 3);
}

#[tokio::test]
async fn check_and_the_readme_say_what_becomes_of_papers_that_wait() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    let home = Home::new(&site, &smtp, "[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"retrieval\"]\n");
    let checked = said(&home.run(&["check"]).await);
    assert!(checked.contains("wait: they come in later editions, or are named there as left out"), "{checked}");
    let readme = include_str!("../../README.md").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(readme.contains("is owed: it comes in a later edition, or is named there as left out"));
}

#[tokio::test]
async fn a_first_read_goes_back_as_far_as_first_editions_look() {
    let mut world = World::new().await;
    world.at("2026-11-22 12:00");
    for (date, number) in
        [("2026-11-14", 0), ("2026-11-16", 1), ("2026-11-17", 2), ("2026-10-22", 3), ("2026-11-02", 4)]
    {
        list(&world, date, number..number + 1);
    }
    world.subscribe("email = \"ada@example.org\"\nkeywords = [\"retrieval\"]");
    world.once().await;
    let sorted = |mut titles: Vec<String>| {
        titles.sort();
        titles
    };
    assert_eq!(sorted(world.inbox(ADA)), ["Retrieval 1", "Retrieval 2"]);
    let asked = |date: &str| world.site.asked(&format!("/api/daily_papers?date={date}"));
    assert_eq!((asked("2026-11-14"), asked("2026-11-15") > 0), (0, true));
    let before = asked("2026-11-16");
    world.once().await;
    assert_eq!(asked("2026-11-16"), before, "such a day is read once");
    // For a subscriber who looks back further those days are read too, as far as a month.
    world.subscribe("email = \"bob@example.org\"\nkeywords = [\"retrieval\"]\nsince = \"2026-10-01\"");
    world.once().await;
    assert_eq!(sorted(world.inbox("bob@example.org")), ["Retrieval 0", "Retrieval 1", "Retrieval 2", "Retrieval 4"]);
    let asked = |date: &str| world.site.asked(&format!("/api/daily_papers?date={date}"));
    assert_eq!((asked("2026-10-22"), asked("2026-10-23") > 0), (0, true));
}

#[tokio::test]
async fn a_welcome_speaks_of_no_day_that_was_not_read() {
    for (since, failing, expected) in [
        ("", "2026-11-19", "in the last 3 days."),
        ("", "2026-11-15", "in the last 7 days."),
        ("since = \"2026-09-01\"", "2026-10-23", "in the last 30 days."),
    ] {
        let mut world = World::new().await;
        world.at("2026-11-22 12:00");
        for route in ["/api/daily_papers?date=", "/papers/date/"] {
            world.site.fail(&format!("{route}{failing}"), Fault::Status(404));
        }
        world.subscribe(&format!("email = \"ada@example.org\"\nkeywords = [\"retrieval\"]\n{since}"));
        world.once().await;
        let text = world.mails(ADA)[0].text.replace('\n', " ");
        assert!(text.contains(expected), "{failing}: {text}");
        // It is read as soon as it can be.
        world.site.mend();
        world.scrape().await;
        let (asked, is_recent) =
            (world.site.asked(&format!("/api/daily_papers?date={failing}")), failing > "2026-11-17");
        world.scrape().await;
        let again = world.site.asked(&format!("/api/daily_papers?date={failing}"));
        assert_eq!(again > asked, is_recent, "{failing}: {asked} {again}");
    }
}
