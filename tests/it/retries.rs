//! When a mail is tried again: what an answer costs it, and what an outage, a clock or a fault in the program does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, Duration, Utc};
use paperpost::core::delivery::{Receipt, SendError};
use paperpost::jobs::deliver;
use paperpost::mail::{Handover, Mail, Transport};
use paperpost::store::{OutboxEntry, OutboxState};
use tokio_util::sync::CancellationToken;

use crate::leaving::{ADA, one_paper};
use crate::smtp::Act;
use crate::world::{World, utc};

fn queued(world: &World) -> Vec<OutboxEntry> {
    world.store.outbox(&[OutboxState::Queued], 100).expect("an outbox")
}

/// One mail to ada, published.
async fn one_mail() -> World {
    let mut world = one_paper().await;
    world.deliver.connections = 1;
    world.scrape().await;
    world.publish();
    world
}

/// How long until each queued mail is tried, at least and with its jitter at most.
fn waits(world: &World, least: Duration) -> bool {
    let most = least + least / 5;
    let wait = |due: DateTime<Utc>| due - world.clock.now();
    queued(world).iter().all(|entry| (least - Duration::seconds(1)..=most).contains(&wait(entry.due)))
}

#[tokio::test]
async fn an_outage_costs_no_mail_its_attempts() {
    let mut world = one_paper().await;
    world.deliver.connections = 1;
    for n in 0..10 {
        world.subscribe(&format!("email = \"reader{n}@example.org\"\nkeywords = [\"retrieval\"]"));
    }
    world.scrape().await;
    world.publish();
    world.smtp.will("connect", Act::Close);
    let report = world.deliver().await;
    assert!(report.outage.is_some(), "{report:?}");
    assert!(world.smtp.mails().is_empty());
    let untried = world.store.outbox(&[OutboxState::Queued], 100).expect("an outbox");
    assert!(untried.iter().filter(|entry| entry.attempts == 0).count() >= 10, "given back untried");
    world.at("2026-11-23 12:10");
    while world.deliver().await.has_more {}
    assert_eq!(world.smtp.mails().len(), 11);
}

#[tokio::test]
async fn a_server_that_hangs_up_on_everybody_costs_no_mail_but_the_first_a_try() {
    for phase in ["mail", "rcpt", "data"] {
        let mut world = one_paper().await;
        world.deliver.connections = 2;
        for n in 0..40 {
            world.subscribe(&format!("email = \"reader{n}@d{n}.example.org\"\nkeywords = [\"retrieval\"]"));
        }
        world.scrape().await;
        world.publish();
        for _ in 0..200 {
            world.smtp.will(phase, Act::Close);
        }
        for minute in 0..5 {
            world.clock.set(utc("2026-11-23 12:00") + Duration::minutes(2 * minute));
            assert!(world.deliver().await.outage.is_some(), "{phase}");
        }
        let queued = queued(&world);
        assert_eq!(queued.len(), 41);
        let tried = queued.iter().filter(|entry| entry.attempts > 0).count();
        assert!(tried <= 12, "{phase}: {tried} mails met it");
        let tries = queued.iter().filter(|entry| entry.due - world.clock.now() > Duration::minutes(2)).count();
        assert_eq!(tries, 0, "{phase}: none waits for longer");
    }
}

#[tokio::test]
async fn a_mail_at_which_alone_the_server_hangs_up_is_given_up_after_two_days() {
    let world = one_mail().await;
    for minute in 0..50 * 60 {
        if world.store.outbox(&[OutboxState::Failed], 9).expect("an outbox").len() == 1 {
            assert!(minute >= 48 * 60, "{minute}");
            return;
        }
        world.clock.set(utc("2026-11-23 12:00") + Duration::minutes(minute));
        if queued(&world)[0].due <= world.clock.now() {
            world.smtp.will("data", Act::Close);
            world.deliver().await;
        }
    }
    panic!("{:?}", queued(&world));
}

#[tokio::test]
async fn later_before_a_recipient_is_named_takes_nothing_of_a_mails_two_days() {
    let world = one_mail().await;
    for hour in 0..50 {
        world.clock.set(utc("2026-11-23 12:00") + Duration::hours(hour));
        world.smtp.will("mail", Act::Say("451 4.3.0 later"));
        world.deliver().await;
    }
    world.smtp.will("rcpt", Act::Say("421 4.7.0 slow down"));
    world.clock.set(utc("2026-11-23 12:00") + Duration::hours(52));
    world.deliver().await;
    assert_eq!(queued(&world).len(), 1);
}

#[tokio::test]
async fn a_deferral_of_the_domain_is_no_try_of_the_mail() {
    let world = one_mail().await;
    world.smtp.refuses("@", "421 4.7.28 unusual rate");
    for hour in 0..12 {
        world.clock.set(utc("2026-11-23 12:00") + Duration::hours(2 * hour));
        world.deliver().await;
    }
    world.smtp.forgives();
    world.smtp.will("rcpt", Act::Say("450 4.2.0 greylisted"));
    world.at("2026-11-24 16:00");
    world.deliver().await;
    assert!(waits(&world, Duration::minutes(1)), "{:?}", queued(&world));
}

#[tokio::test]
async fn a_greylisting_after_a_long_outage_costs_a_minute() {
    let world = one_mail().await;
    for hour in 0..8 {
        world.clock.set(utc("2026-11-23 13:00") + Duration::hours(hour));
        world.smtp.will("connect", Act::Close);
        assert!(world.deliver().await.outage.is_some());
        assert!(waits(&world, Duration::minutes(1)), "{:?}", queued(&world));
    }
    world.at("2026-11-23 22:00");
    for minutes in [1, 5, 30] {
        world.smtp.will("rcpt", Act::Say("450 4.2.0 greylisted"));
        world.deliver().await;
        assert!(waits(&world, Duration::minutes(minutes)), "{minutes}: {:?}", queued(&world));
        world.clock.set(world.clock.now() + Duration::hours(1));
    }
    world.deliver().await;
    assert_eq!(world.mails(ADA).len(), 1);
}

#[tokio::test]
async fn a_mail_that_was_held_for_days_has_its_two_days_still() {
    let world = one_mail().await;
    world.at("2026-11-27 12:00");
    world.smtp.will("rcpt", Act::Say("450 4.2.0 greylisted"));
    world.deliver().await;
    assert!(waits(&world, Duration::minutes(1)), "{:?}", queued(&world));
    world.at("2026-11-29 12:00");
    world.smtp.will("rcpt", Act::Say("450 4.2.0 greylisted"));
    world.deliver().await;
    assert_eq!(queued(&world).len(), 0, "two days after its first answer it is given up");
    assert_eq!(world.store.outbox(&[OutboxState::Failed], 9).expect("an outbox").len(), 1);
}

#[tokio::test]
async fn a_lease_that_runs_out_while_its_mail_is_under_way_sends_it_no_second_time() {
    let mut world = one_mail().await;
    world.deliver.connections = 2;
    for n in 0..200 {
        world.add(&format!("email = \"reader{n}@example.org\"\nkeywords = [\"retrieval\"]"));
    }
    world.sync();
    world.publish();
    // The first one's end is not answered until all others were; meanwhile the clock is set by a day.
    world.smtp.will("body", Act::After(std::time::Duration::from_millis(300)));
    let run = async { while world.deliver().await.has_more {} };
    let set = async {
        world.smtp.has_mails(20).await;
        world.at("2026-11-24 11:59");
    };
    tokio::join!(run, set);
    let mut tried: Vec<String> = world.smtp.lines().into_iter().filter(|line| line.starts_with("RCPT")).collect();
    tried.sort();
    tried.dedup();
    assert_eq!(tried.len(), 201);
    assert_eq!(world.smtp.lines().iter().filter(|line| line.starts_with("RCPT")).count(), 201, "each once");
    assert_eq!(world.store.queue().expect("a queue").counts, [(OutboxState::Sent, 201)]);
}

/// A way out with a fault: panics as often as it is told, and takes everything else.
struct Faulty {
    panics: AtomicU32,
    taken: AtomicU32,
}

impl Transport for Faulty {
    async fn send_with_handover(&self, _: &Mail, mut turn: Handover<'_>) -> Result<Option<Receipt>, SendError> {
        let passed = turn.gate.passed().await;
        let left = self.panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        assert!(left.is_err(), "a fault in the program");
        self.taken.fetch_add(u32::from(passed), Ordering::SeqCst);
        Ok(passed.then(|| Receipt { reply: "taken".into() }))
    }
}

#[tokio::test]
async fn a_fault_in_the_program_leaves_no_mail_to_its_lease() {
    let world = one_mail().await;
    let transport = Arc::new(Faulty { panics: AtomicU32::new(1), taken: AtomicU32::new(0) });
    let deliver = || async {
        let stop = CancellationToken::new();
        deliver::run(&world.store, &transport, &world.deliver, &world.clock, &stop).await.expect("a database")
    };
    deliver().await;
    assert!(waits(&world, Duration::minutes(30)) && queued(&world).len() == 1, "{:?}", queued(&world));
    let [(_, kind, words)] = &world.store.attempts(1).expect("attempts")[..] else { panic!("one attempt") };
    assert_eq!(kind, "unknown", "{words}");
    world.at("2026-11-23 12:45");
    deliver().await;
    assert_eq!((queued(&world).len(), transport.taken.load(Ordering::SeqCst)), (0, 1));
}

#[tokio::test]
async fn a_mail_that_always_breaks_the_program_is_given_up() {
    let world = one_mail().await;
    let transport = Arc::new(Faulty { panics: AtomicU32::new(u32::MAX), taken: AtomicU32::new(0) });
    for hour in 0..4 {
        world.clock.set(utc("2026-11-23 12:00") + Duration::hours(hour));
        let stop = CancellationToken::new();
        deliver::run(&world.store, &transport, &world.deliver, &world.clock, &stop).await.expect("a database");
    }
    assert_eq!(world.store.queue().expect("a queue").counts, [(OutboxState::Failed, 1)]);
    assert_eq!(world.store.attempts(1).expect("attempts").len(), 2, "an unknown outcome is tried once more");
}
