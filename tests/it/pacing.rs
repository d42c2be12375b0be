//! How fast mails leave, and what a refusal does, against a server that refuses.

use chrono::Duration;
use paperpost::core::pacing::{Limits, Policy, Ramp, Rate};
use paperpost::jobs::deliver::Report;
use paperpost::jobs::deliver::pace::HeldBy;
use paperpost::store::{OutboxState, Reason};

use crate::site::{day, paper};
use crate::smtp::Act;
use crate::world::{World, utc};

/// A world with a paper that fits everybody, and so many readers at each of these domains.
async fn readers(domains: &[(&str, usize)]) -> World {
    let mut world = World::new().await;
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    let blocks = domains.iter().flat_map(|(domain, readers)| {
        (0..*readers).map(move |n| format!("email = \"reader{n}@{domain}\"\nkeywords = [\"retrieval\"]"))
    });
    world.subscribe_all(blocks.collect());
    world.scrape().await;
    world.publish();
    world
}

/// Delivers as long as something may go now.
async fn deliver(world: &World) -> Report {
    loop {
        let report = world.deliver().await;
        if !report.has_more {
            return report;
        }
    }
}

/// Mails that the server has for a domain.
fn mails(world: &World, domain: &str) -> usize {
    world.smtp.mails().iter().filter(|mail| mail.to[0].contains(&format!("@{domain}>"))).count()
}

fn in_state(world: &World, state: OutboxState) -> u64 {
    let counts = world.store.queue().expect("a queue").counts;
    counts.iter().find(|(known, _)| *known == state).map_or(0, |(_, count)| *count)
}

fn limits(rate: Option<Rate>) -> Limits {
    Limits { rate, ..Policy::default().domain }
}

fn rate(mails: u32, per: Duration) -> Option<Rate> {
    Some(Rate { mails, per })
}

#[tokio::test]
async fn a_slow_domain_that_is_first_in_line_holds_no_other() {
    let mut world = readers(&[("a.example.org", 400), ("b.example.org", 3), ("z.example.org", 2)]).await;
    let slow = [("a.example.org".to_owned(), limits(rate(2, Duration::hours(1))))].into();
    world.pace(Policy { domains: slow, ..Policy::default() });
    let report = deliver(&world).await;
    assert_eq!(
        [mails(&world, "a.example.org"), mails(&world, "b.example.org"), mails(&world, "z.example.org")],
        [2, 3, 2]
    );
    assert_eq!(report.next, Some(utc("2026-11-23 13:00")), "it says when to come again");
    let held = world.held();
    assert_eq!(
        (held.len(), held[0].mails, held[0].by, held[0].until),
        (1, 398, HeldBy::Limit, utc("2026-11-23 13:00"))
    );
    let queued = world.store.outbox(&[OutboxState::Queued], 1_000).expect("an outbox");
    assert!(queued.iter().all(|entry| entry.attempts == 0), "waiting is no attempt");
    world.at("2026-11-23 13:00");
    deliver(&world).await;
    assert_eq!(mails(&world, "a.example.org"), 4);
}

#[tokio::test]
async fn a_day_never_has_more_than_its_mails_whatever_is_restarted() {
    let mut world = readers(&[("example.org", 5)]).await;
    world.pace(Policy { per_day: Some(2), ..Policy::default() });
    for (time, sent) in [
        ("2026-11-23 12:00", 2),
        ("2026-11-23 23:59", 2),
        ("2026-11-24 12:00", 2),
        // What is known after a restart is known to the second, and to some minutes of it together.
        ("2026-11-24 12:05", 4),
        ("2026-11-25 12:04", 4),
    ] {
        world.at(time);
        world.reopen();
        let report = deliver(&world).await;
        assert_eq!(world.smtp.mails().len(), sent, "{time}");
        assert!(report.next.is_some_and(|next| next > utc(time)), "{time}: {report:?}");
    }
    assert_eq!(world.held()[0].domain, None, "everybody's");
}

#[tokio::test]
async fn a_new_sender_sends_more_each_day_counted_from_its_first_mail() {
    let mut world = readers(&[("example.org", 8)]).await;
    world.pace(Policy { ramp: Some(Ramp { start: 1, growth: 2.0 }), per_day: Some(3), ..Policy::default() });
    let mut sent = Vec::new();
    for (date, time) in [(23, "13:00"), (24, "13:10"), (25, "13:20"), (26, "13:30")] {
        world.at(&format!("2026-11-{date} {time}"));
        world.reopen();
        deliver(&world).await;
        sent.push(world.smtp.mails().len());
    }
    assert_eq!(sent, [1, 3, 6, 8], "one, two, then three, the most, and what is left");
}

#[tokio::test]
async fn what_was_sent_while_the_clock_was_ahead_takes_nothing_from_the_days_before() {
    let mut world = readers(&[("example.org", 8)]).await;
    world.pace(Policy { ramp: Some(Ramp { start: 1, growth: 2.0 }), per_day: Some(3), ..Policy::default() });
    world.at("2027-11-23 13:00");
    deliver(&world).await;
    assert_eq!(world.smtp.mails().len(), 1);
    let mut sent = Vec::new();
    let days = [("23 13:00", true), ("24 13:10", false), ("25 13:20", true), ("26 13:30", false)];
    for (time, restarts) in days {
        world.at(&format!("2026-11-{time}"));
        if restarts {
            world.reopen();
        }
        deliver(&world).await;
        sent.push(world.smtp.mails().len());
    }
    assert_eq!(sent, [2, 4, 7, 8]);
}

#[tokio::test]
async fn a_domain_that_asks_us_to_slow_down_rests_alone_and_comes_back() {
    let mut world = readers(&[("a.example.org", 5), ("b.example.org", 5)]).await;
    world.deliver.connections = 1;
    world.smtp.refuses("@a.example.org", "451 4.7.650 too much from you");
    let report = deliver(&world).await;
    assert_eq!((mails(&world, "a.example.org"), mails(&world, "b.example.org")), (0, 5), "{report:?}");
    let held = world.held();
    assert_eq!((held[0].domain.as_deref(), held[0].by), (Some("a.example.org"), HeldBy::Deferred));
    assert!(held[0].words.as_ref().is_some_and(|words| words.contains("too much from you")));
    let until = held[0].until;
    // A restart doesn't wake it.
    world.reopen();
    world.clock.set(until - Duration::seconds(1));
    deliver(&world).await;
    assert_eq!(world.held()[0].until, until);
    // It rests twice as long after a second refusal, which one mail only finds out.
    let asked = world.store.outbox(&[OutboxState::Queued], 10).expect("an outbox");
    let tries = |entries: &[paperpost::store::OutboxEntry]| entries.iter().map(|entry| entry.attempts).sum::<u32>();
    world.clock.set(until);
    deliver(&world).await;
    assert_eq!(world.held()[0].until, until + Duration::minutes(2));
    let now = world.store.outbox(&[OutboxState::Queued], 10).expect("an outbox");
    assert_eq!(tries(&now), tries(&asked) + 1);
    world.smtp.forgives();
    world.clock.set(until + Duration::hours(1));
    deliver(&world).await;
    assert_eq!(mails(&world, "a.example.org"), 5);
    assert_eq!(world.store.holds().expect("holds"), []);
}

#[tokio::test]
async fn a_greylisted_first_mail_slows_no_domain_down() {
    let world = readers(&[("a.example.org", 5)]).await;
    world.smtp.refuses("@a.example.org", "450 4.7.1 greylisted, come again");
    deliver(&world).await;
    assert!(world.held().is_empty());
    let queued = world.store.outbox(&[OutboxState::Queued], 10).expect("an outbox");
    assert!(queued.iter().all(|entry| entry.attempts == 1), "each was tried: {queued:?}");
}

#[tokio::test]
async fn no_such_mailbox_stops_that_address_at_once_and_no_other() {
    let world = readers(&[("example.org", 3)]).await;
    world.smtp.refuses("<reader1@", "550 5.1.1 <reader1@example.org>: no such user");
    deliver(&world).await;
    let suppressed = world.store.suppressions().expect("suppressions");
    assert_eq!(suppressed.len(), 1);
    assert_eq!(
        (suppressed[0].address.as_deref(), suppressed[0].reason),
        (Some("reader1@example.org"), Reason::Bounced)
    );
    assert!(suppressed[0].note.as_ref().is_some_and(|note| note.contains("5.1.1") && !note.contains("reader1")));
    assert!(world.held().is_empty());
    world.smtp.forgives();
    world.at("2026-11-24 12:00");
    world.site.list(day("2026-11-24"), paper("2611.00002", "More retrieval"));
    world.once().await;
    assert_eq!((world.mails("reader0@example.org").len(), world.mails("reader1@example.org").len()), (2, 0));
}

#[tokio::test]
async fn a_domain_that_knows_none_of_its_mailboxes_any_more_is_not_believed() {
    let mut world = readers(&[("a.example.org", 9), ("b.example.org", 1)]).await;
    world.deliver.connections = 1;
    world.smtp.refuses("@a.example.org", "550 5.1.1 no such user");
    deliver(&world).await;
    let suspected = world.store.suspicions().expect("suspicions").len();
    assert_eq!(
        (world.store.suppressions().expect("suppressions").len(), suspected),
        (0, 4),
        "as long as it can be true"
    );
    let held = world.held();
    assert_eq!((held[0].domain.as_deref(), held[0].by), (Some("a.example.org"), HeldBy::Refused));
    let failed = in_state(&world, OutboxState::Failed);
    assert_eq!(failed, 5, "the others wait: the first that isn't believed is the last one tried");
    // One that is refused after the rest is not even suspected.
    world.at("2026-11-23 12:15");
    deliver(&world).await;
    assert_eq!(world.store.suspicions().expect("suspicions").len(), 4);
    assert_eq!(world.store.bounces(utc("2026-11-23 12:00")).expect("bounces")[0].count, 4);
    // A mail that is taken restores the trust.
    world.smtp.forgives();
    world.at("2026-11-23 14:00");
    deliver(&world).await;
    assert_eq!((in_state(&world, OutboxState::Queued), mails(&world, "a.example.org") as u64), (0, 9 - failed - 1));
}

#[tokio::test]
async fn a_refusal_for_a_reason_of_ours_suppresses_nobody_and_pauses_that_domain() {
    let mut world = readers(&[("a.example.org", 5), ("b.example.org", 5)]).await;
    world.deliver.connections = 1;
    world.smtp.refuses("@a.example.org", "550 5.7.26 unauthenticated mail");
    deliver(&world).await;
    assert_eq!(mails(&world, "b.example.org"), 5);
    assert!(world.store.suppressions().expect("suppressions").is_empty());
    let held = world.held();
    assert_eq!((held[0].domain.as_deref(), held[0].by), (Some("a.example.org"), HeldBy::Refused));
    assert_eq!(held[0].until, utc("2026-11-23 12:15"));
    assert!(in_state(&world, OutboxState::Queued) >= 2, "the others are not burnt");
    world.smtp.forgives();
    world.at("2026-11-23 12:15");
    deliver(&world).await;
    assert_eq!(in_state(&world, OutboxState::Queued), 0);
    assert!(world.held().is_empty());
}

#[tokio::test]
async fn a_relay_that_refuses_our_sender_pauses_everything() {
    let world = readers(&[("a.example.org", 50), ("b.example.org", 50)]).await;
    for _ in 0..100 {
        world.smtp.will("mail", Act::Say("553 5.7.1 sender address rejected: not owned by user"));
    }
    let report = deliver(&world).await;
    assert_eq!((world.smtp.mails().len(), report.next), (0, Some(utc("2026-11-23 12:15"))));
    let queued = world.store.outbox(&[OutboxState::Queued], 200).expect("an outbox");
    assert_eq!(queued.len(), 100, "nobody's fault but ours: no mail is given up");
    assert!(queued.iter().filter(|entry| entry.attempts > 0).count() <= 8, "and few are tried");
    let held = world.held();
    assert_eq!((held[0].domain.as_deref(), held[0].mails, held[0].by), (None, held[0].mails, HeldBy::Refused));
}

#[tokio::test]
async fn a_relay_that_wants_nothing_now_gets_nothing_and_no_mail_pays_for_it() {
    for reply in ["452 4.3.1 insufficient system storage", "421 4.7.0 too many messages, slow down"] {
        let world = readers(&[("a.example.org", 50), ("b.example.org", 50)]).await;
        for _ in 0..100 {
            world.smtp.will("mail", Act::Say(reply));
        }
        let report = deliver(&world).await;
        let held = world.held();
        assert_eq!((held[0].domain.as_deref(), held[0].by, report.next), (None, HeldBy::Deferred, Some(held[0].until)));
        let queued = world.store.outbox(&[OutboxState::Queued], 200).expect("an outbox");
        assert_eq!((queued.len(), world.smtp.mails().len()), (100, 0), "{reply}");
        assert!(queued.iter().filter(|entry| entry.attempts > 0).count() <= 8, "{reply}: and few are tried");
        assert!(queued.iter().all(|entry| entry.due <= utc("2026-11-23 12:00")), "{reply}: each keeps its place");
    }
}

#[tokio::test]
async fn where_less_may_leave_than_is_due_every_domain_has_its_turn() {
    let domains = ["a.example.org", "m.example.org", "z.example.org"];
    for is_restarted in [false, true] {
        let mut world = readers(&domains.map(|domain| (domain, 20))).await;
        world.pace(Policy { rate: rate(1, Duration::seconds(1)), ..Policy::default() });
        for second in 0..9 {
            world.clock.set(utc("2026-11-23 12:00") + Duration::seconds(2 * second));
            if is_restarted {
                world.reopen();
            }
            deliver(&world).await;
        }
        assert_eq!(domains.map(|domain| mails(&world, domain)), [3, 3, 3], "restarted: {is_restarted}");
    }
}

#[tokio::test]
async fn a_limit_on_what_we_send_fails_no_mail_whatever_its_code() {
    for reply in ["550 5.4.5 Daily user sending limit exceeded", "550 exceeded the max emails per hour"] {
        let world = readers(&[("a.example.org", 7), ("b.example.org", 7), ("c.example.org", 6)]).await;
        world.smtp.refuses("@", reply);
        deliver(&world).await;
        assert_eq!(in_state(&world, OutboxState::Queued), 20, "{reply}");
        let held = world.held();
        assert_eq!((held[0].domain.as_deref(), held[0].by), (None, HeldBy::Deferred), "{reply}");
        world.smtp.forgives();
        world.at("2026-11-24 11:00");
        deliver(&world).await;
        assert_eq!(in_state(&world, OutboxState::Sent), 20, "{reply}");
    }
}

#[tokio::test]
async fn a_relay_that_refuses_everybody_in_words_of_its_own_gets_few_and_suppresses_none() {
    let domains: Vec<String> = (0..40).map(|n| format!("d{n:02}.example.org")).collect();
    let domains: Vec<_> = domains.iter().map(|domain| (domain.as_str(), 1)).collect();
    for reply in ["554 5.2.252 SendAsDenied", "554 message refused as spam", "554 not here", "550 5.3.2 no"] {
        let world = readers(&domains).await;
        world.smtp.refuses("@", reply);
        deliver(&world).await;
        assert!(in_state(&world, OutboxState::Failed) <= 12, "{reply}: {}", in_state(&world, OutboxState::Failed));
        let held = world.held();
        assert_eq!((held[0].domain.as_deref(), held[0].by), (None, HeldBy::Refused), "{reply}");
        assert!(world.store.suppressions().expect("suppressions").is_empty(), "{reply}");
    }
}

#[tokio::test]
async fn a_domain_that_puts_everybody_off_for_weeks_suppresses_nobody() {
    for reply in ["421 4.7.28 unusual rate of mail from you", "451 4.7.1 your standing is bad"] {
        let world = readers(&[("example.org", 2)]).await;
        world.smtp.refuses("@", reply);
        for day in 0..20 {
            world.clock.set(utc("2026-11-23 12:00") + Duration::days(day));
            world.site.list(world.clock.now().date_naive(), paper(&format!("2611.001{day:02}"), "Daily retrieval"));
            world.once().await;
        }
        assert!(world.store.suppressions().expect("suppressions").is_empty(), "{reply}");
        world.smtp.forgives();
        world.clock.set(world.clock.now() + Duration::hours(23));
        while deliver(&world).await.sent > 0 {}
        for reader in ["reader0@example.org", "reader1@example.org"] {
            assert!(world.inbox(reader).len() > 14, "{reply}: all that is in the window, in a mail or two");
        }
    }
}

#[tokio::test]
async fn what_is_final_at_mail_fails_alone() {
    for reply in ["552 message exceeds fixed maximum message size", "553 5.6.7 no such addresses here"] {
        let world = readers(&[("a.example.org", 5)]).await;
        world.smtp.will("mail", Act::Say(reply));
        deliver(&world).await;
        assert_eq!((mails(&world, "a.example.org"), in_state(&world, OutboxState::Failed)), (4, 1), "{reply}");
        assert!(world.held().is_empty(), "{reply}");
    }
}

#[tokio::test]
async fn a_mailbox_that_is_full_for_days_gets_no_more_though_each_mail_gives_way_to_the_next() {
    let world = readers(&[("example.org", 2)]).await;
    world.smtp.refuses("<reader1@", "452 4.2.2 mailbox full");
    let mut stopped = None;
    for date in 23..30 {
        world.at(&format!("2026-11-{date} 12:00"));
        world.site.list(world.clock.now().date_naive(), paper(&format!("2611.001{date}"), "Daily retrieval"));
        world.once().await;
    }
    for date in 1..12 {
        world.at(&format!("2026-12-{date:02} 12:00"));
        world.site.list(world.clock.now().date_naive(), paper(&format!("2612.001{date:02}"), "Daily retrieval"));
        world.once().await;
        let suppressed = world.store.suppressions().expect("suppressions");
        if !suppressed.is_empty() && stopped.is_none() {
            stopped = Some((date, suppressed[0].address.clone()));
        }
    }
    assert_eq!(stopped, Some((4, Some("reader1@example.org".to_owned()))), "ten days after the first gave way");
    // Who is let in again begins anew: the weeks before count for nothing.
    let reader = paperpost::core::address::Address::parse("reader1@example.org").expect("an address");
    world.at("2026-12-20 12:00");
    assert!(world.store.lift_suppression(&reader, world.clock.now()).expect("a database"));
    world.smtp.forgives();
    world.smtp.refuses("<reader1@", "450 4.2.0 greylisted");
    world.site.list(world.clock.now().date_naive(), paper("2612.00120", "Daily retrieval"));
    world.once().await;
    assert!(world.store.suppressions().expect("suppressions").is_empty());
    world.smtp.forgives();
    world.at("2026-12-20 12:05");
    world.once().await;
    assert_eq!(world.mails("reader1@example.org").len(), 1);
}

#[tokio::test]
async fn one_mail_at_a_time_to_a_domain_and_a_lost_session_stop_nothing() {
    let mut world = readers(&[("a.example.org", 30), ("b.example.org", 30)]).await;
    world.deliver.connections = 3;
    let one = Limits { connections: 1, ..limits(None) };
    world.pace(Policy { domain: one, ..Policy::default() });
    world.smtp.will("greeting", Act::SayAndClose("421 too many connections"));
    let mut sent = 0;
    loop {
        let report = tokio::time::timeout(std::time::Duration::from_secs(30), world.deliver()).await.expect("it ends");
        sent += report.sent;
        if !report.has_more {
            break;
        }
    }
    assert!(sent >= 59, "{sent}: all but the one that met the fault, which comes a minute later");
}

#[tokio::test]
async fn a_claim_costs_one_step_a_lane_however_many_wait_in_it() {
    let world = readers(&[("a.example.org", 2_000), ("b.example.org", 1)]).await;
    let now = world.clock.now();
    let mut asked = Vec::new();
    let room = |domain: &str, _| {
        asked.push(domain.to_owned());
        match domain {
            "a.example.org" => paperpost::core::pacing::Room::Closed(Some(now + Duration::hours(1))),
            _ => paperpost::core::pacing::Room::Open(u32::MAX),
        }
    };
    let claimed = world.store.claim(now, 64, Duration::hours(2), "", room, |_| false).expect("claims");
    assert_eq!(asked, ["a.example.org", "b.example.org"]);
    assert_eq!((claimed.claims.len(), claimed.is_all, claimed.next), (1, true, Some(now + Duration::hours(1))));
}
