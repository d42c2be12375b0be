//! A clock that was wrong for a while, and is right again.

use paperpost::core::paper::{ReadOutcome, SourceId};
use paperpost::jobs;
use paperpost::source::huggingface::Lists;
use paperpost::store::ReadRecord;
use tokio_util::sync::CancellationToken;

use crate::site::{Fault, day, paper};
use crate::world::World;

const ADA: &str = "ada@example.org";
const RETRIEVAL: &str = "email = \"ada@example.org\"\nkeywords = [\"retrieval\"]";

/// A world in which ada has had her first edition, on 23 November.
async fn world() -> World {
    let mut world = World::new().await;
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    world.subscribe(RETRIEVAL);
    world.once().await;
    assert_eq!(world.mails(ADA).len(), 1);
    world
}

fn prune(world: &World) -> usize {
    jobs::prune::run(&world.store, world.publish.window, world.clock.now(), &CancellationToken::new())
        .expect("a working database")
        .editions
}

#[tokio::test]
async fn a_subscriber_is_not_silenced_until_a_clock_that_was_ahead_has_been_caught_up_with() {
    let world = world().await;
    for ahead in ["2026-12-02 12:00", "2027-11-23 12:00"] {
        world.at(ahead);
        world.once().await;
    }
    for (time, id) in [("2026-11-24 12:00", "2"), ("2026-11-25 12:00", "3")] {
        world.at(time);
        world.site.list(world.clock.now().date_naive(), paper(&format!("2611.0000{id}"), &format!("Retrieval {id}")));
        world.once().await;
    }
    assert_eq!(world.inbox(ADA), ["Retrieval at scale", "Retrieval 2", "Retrieval 3"]);
    // When the slots come that were spent ahead of time, they pass without an edition and without an error.
    for time in ["2026-12-02 12:00", "2026-12-03 12:00"] {
        world.at(time);
        world.site.list(world.clock.now().date_naive(), paper(&time.replace([' ', '-', ':'], "")[2..], "Retrieval"));
        world.once().await;
    }
    assert_eq!(world.mails(ADA).len(), 4, "both papers in the mail of the 3rd");
    assert_eq!(world.inbox(ADA).len(), 5);
}

#[tokio::test]
async fn whoever_subscribed_while_the_clock_was_ahead_gets_papers_when_it_is_right() {
    let mut world = World::new().await;
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    world.scrape().await;
    world.at("2027-11-23 12:00");
    world.subscribe(RETRIEVAL);
    world.publish();
    world.at("2026-11-23 14:00");
    world.once().await;
    assert_eq!(world.inbox(ADA), ["Retrieval at scale"]);
}

#[tokio::test]
async fn a_mail_that_was_queued_while_the_clock_was_ahead_does_not_wait_for_that_day() {
    let world = world().await;
    world.at("2027-11-23 12:00");
    world.site.list(day("2027-11-23"), paper("2611.00002", "Retrieval again"));
    world.scrape().await;
    assert_eq!(world.publish().queued, 1);
    world.at("2026-11-24 12:00");
    world.once().await;
    assert_eq!(world.inbox(ADA), ["Retrieval at scale", "Retrieval again"]);
}

#[tokio::test]
async fn nothing_is_published_by_a_clock_that_no_read_vouches_for() {
    let mut world = world().await;
    world.source.lists = Lists::Daily { days: 30 };
    world.site.list(day("2026-11-05"), paper("2611.00009", "Retrieval before her first day"));
    world.at("2026-11-23 13:00");
    world.scrape().await;
    world.at("1970-01-01 09:00");
    world.site.fail("/", Fault::Hangup);
    world.scrape().await;
    // Another order is looked at at once.
    world.change("retrieval", Some(&format!("{RETRIEVAL}\nname = \"Ada\"")));
    assert!(world.publish().is_waiting, "a machine that has yet to learn the time");
    world.site.mend();
    world.at("2026-11-24 12:00");
    world.site.list(day("2026-11-24"), paper("2611.00002", "Retrieval again"));
    world.once().await;
    assert_eq!(world.inbox(ADA), ["Retrieval at scale", "Retrieval again"]);
}

#[tokio::test]
async fn pruning_by_a_clock_that_is_ahead_forgets_nothing_that_was_sent() {
    let world = world().await;
    world.at("2026-11-24 12:00");
    world.site.list(day("2026-11-24"), paper("2611.00002", "Retrieval again"));
    world.once().await;
    world.at("2028-01-01 12:00");
    world.scrape().await;
    assert_eq!(prune(&world), 0);
    world.at("2026-11-25 12:00");
    world.site.list(day("2026-11-25"), paper("2611.00001", "Retrieval at scale"));
    world.once().await;
    assert_eq!(world.inbox(ADA), ["Retrieval at scale", "Retrieval again"], "neither comes twice");
}

#[tokio::test]
async fn old_editions_are_pruned_and_no_paper_comes_again() {
    let world = world().await;
    let source = SourceId::parse("huggingface").expect("a name");
    for (time, id) in [("2026-12-24 12:00", "2612.00001"), ("2027-04-24 12:00", "2704.00001")] {
        world.at(time);
        world.site.list(world.clock.now().date_naive(), paper(id, &format!("Retrieval of {time}")));
        world.once().await;
    }
    assert_eq!(prune(&world), 0, "three days of reads don't tell of half a year");
    for ago in 1..120 {
        let at = world.clock.now() - chrono::Duration::days(ago);
        let (source, outcome) = (source.clone(), ReadOutcome::Failed);
        let record = ReadRecord { source, at, outcome, message: None, unchanged: 0, days: Vec::new() };
        world.store.record_failed_read(&record).expect("written down");
    }
    let stopped = CancellationToken::new();
    stopped.cancel();
    let window = world.publish.window;
    assert_eq!(jobs::prune::run(&world.store, window, world.clock.now(), &stopped).expect("a database").editions, 0);
    assert_eq!(prune(&world), 2);
    world.at("2027-04-25 12:00");
    world.site.list(day("2027-04-25"), paper("2611.00001", "Retrieval at scale"));
    world.once().await;
    assert_eq!(world.inbox(ADA).len(), 3);
}
