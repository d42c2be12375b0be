//! What is thinned out as it gets old, and what never is.

use chrono::Duration;
use paperpost::core::candidate::Candidate;
use paperpost::core::paper::{PaperKey, ReadOutcome};
use paperpost::jobs::{self, prune::Report};
use paperpost::store::ReadRecord;
use tokio_util::sync::CancellationToken;

use crate::site::{day, paper};
use crate::world::{World, utc};

const ADA: &str = "email = \"ada@example.org\"\nkeywords = [\"retrieval\"]";
const ID: &str = "2611.00001";

/// A world with one paper, listed with so many votes.
async fn world(votes: u32) -> World {
    let world = World::new().await;
    list(&world, "Retrieval at scale", votes);
    world.scrape().await;
    world
}

fn list(world: &World, title: &str, votes: u32) {
    let mut entry = paper(ID, title);
    entry.upvotes = votes;
    world.site.list(day("2026-11-23"), entry);
}

/// Lets days pass on which a source was asked for something.
fn wait(world: &World, days: i64) {
    for _ in 0..days {
        let at = world.clock.now() + Duration::days(1);
        world.clock.set(at);
        let (source, outcome) = (world.source.id.clone(), ReadOutcome::Failed);
        let record = ReadRecord { source, at, outcome, message: None, unchanged: 0, days: Vec::new() };
        world.store.record_failed_read(&record).expect("written down");
    }
}

fn prune(world: &World) -> Report {
    jobs::prune::run(&world.store, world.publish.window, world.clock.now(), &CancellationToken::new())
        .expect("a working database")
}

/// The numbers in a query's only column.
fn numbers(world: &World, sql: &str) -> Vec<i64> {
    world.database().rows::<(i64,)>(sql).into_iter().map(|(number,)| number).collect()
}

fn votes(world: &World) -> Vec<i64> {
    numbers(world, "SELECT upvotes FROM votes ORDER BY read")
}

/// The paper as the edition of that number had it.
fn as_of(world: &World, edition: i64) -> Candidate {
    let read = numbers(world, &format!("SELECT read FROM editions WHERE id = {edition}"))[0];
    world.store.papers_as_of(&[1], read).expect("a database").remove(&1).expect("the paper")
}

#[tokio::test]
async fn votes_are_kept_whole_for_two_weeks_then_by_day_then_by_week() {
    let world = world(1).await;
    // Monday to Friday, three times a day.
    for (number, time) in (0..).zip([
        "2026-11-23 14:00",
        "2026-11-23 18:00",
        "2026-11-24 06:00",
        "2026-11-24 12:00",
        "2026-11-25 06:00",
        "2026-11-25 12:00",
        "2026-11-26 06:00",
        "2026-11-27 06:00",
    ]) {
        world.at(time);
        list(&world, "Retrieval at scale", 10 + number);
        world.scrape().await;
    }
    let all = [1, 10, 11, 12, 13, 14, 15, 16, 17];
    wait(&world, 14);
    assert_eq!((prune(&world), votes(&world)), (Report::default(), all.to_vec()));
    wait(&world, 16);
    assert_eq!((prune(&world).votes, votes(&world)), (4, vec![11, 13, 15, 16, 17]));
    assert_eq!(prune(&world), Report::default(), "and once only");
    wait(&world, 90);
    assert_eq!((prune(&world).votes, votes(&world)), (4, vec![17]));
}

#[tokio::test]
async fn a_paper_stays_known_as_an_edition_had_it_for_a_hundred_days() {
    let mut world = world(5).await;
    world.subscribe(ADA);
    world.once().await;
    let sent = as_of(&world, 1);
    for (time, title) in [("2026-11-23 13:00", "Retrieval at a scale"), ("2026-11-23 14:00", "Retrieval at any scale")]
    {
        world.at(time);
        list(&world, title, 9);
        world.scrape().await;
    }
    let kept = |world: &World| {
        numbers(
            world,
            "SELECT EXISTS (SELECT 1 FROM former f WHERE (f.paper, f.read) = (r.paper, r.read)) FROM revisions r ORDER BY read",
        )
    };
    assert_eq!(kept(&world), [1, 1]);
    wait(&world, 40);
    assert_eq!(prune(&world).contents, 1);
    assert_eq!(kept(&world), [1, 0], "what no edition had is only a version in a list");
    assert_eq!(as_of(&world, 1).paper, sent.paper);
    assert_eq!((as_of(&world, 1).upvotes(), as_of(&world, 1).votes), (sent.upvotes(), sent.votes));
    wait(&world, 70);
    assert_eq!((prune(&world).editions, prune(&world).contents), (0, 0), "the newest edition of a subscription stays");
    assert_eq!(kept(&world), [0, 0]);
    assert_eq!(as_of(&world, 1).paper.title, "Retrieval at any scale", "the closest that is known");
}

#[tokio::test]
async fn a_mail_that_waits_is_the_same_however_long_it_waits() {
    let mut world = world(5).await;
    world.subscribe(ADA);
    for (time, number) in [("2026-11-23 13:00", 6), ("2026-11-23 14:00", 7)] {
        world.at(time);
        list(&world, "Retrieval at scale", number);
        world.scrape().await;
    }
    world.publish();
    let queued = as_of(&world, 1);
    world.at("2026-11-23 15:00");
    list(&world, "Retrieval at any scale", 8);
    world.scrape().await;
    wait(&world, 150);
    assert_eq!(prune(&world), Report::default());
    let later = as_of(&world, 1);
    assert_eq!((later.paper, later.votes, later.listings), (queued.paper, queued.votes, queued.listings));
}

#[tokio::test]
async fn an_old_paper_is_as_good_as_before() {
    let world = world(5).await;
    let key = PaperKey::arxiv(ID).expect("an id");
    let known = |world: &World| world.store.paper(&key).expect("a database").expect("the paper").candidate.paper;
    let before = known(&world);
    wait(&world, 120);
    prune(&world);
    assert_eq!(known(&world), before);
    assert_eq!(world.store.papers_titled("at SCALE").expect("a database").len(), 1);
    assert_eq!(world.store.papers_by_arxiv([ID].into_iter()).expect("a database"), std::slice::from_ref(&before));
    // Listed again, it is no other paper, and what is new in it is a revision.
    let today = world.clock.now().date_naive();
    world.site.list_raw(today, paper(ID, "Retrieval at scale").on(day("2026-11-23")));
    let report = world.scrape().await;
    assert_eq!((report.added.len(), report.revised.len(), report.unchanged), (0, 0, 1));
    world.site.list(today, paper(ID, "Retrieval at any scale"));
    assert_eq!(world.scrape().await.revised.len(), 1);
    assert_eq!(known(&world).title, "Retrieval at any scale");
    prune(&world);
    assert_eq!(known(&world).title, "Retrieval at any scale");
    assert_eq!(known(&world).abstract_text, "An abstract about Retrieval at any scale.");
}

#[tokio::test]
async fn what_former_contents_took_is_free_for_others() {
    let world = World::new().await;
    let mut random = fastrand::Rng::with_seed(1);
    let mut list = |title: &str| {
        for number in 0..150 {
            let mut entry = paper(&format!("2611.{number:05}"), title);
            entry.abstract_text = (0..300).map(|_| format!("{:x} ", random.u16(..))).collect();
            world.site.list(day("2026-11-23"), entry);
        }
    };
    for title in ["Retrieval", "Retrieval at scale"] {
        list(title);
        world.scrape().await;
    }
    let used = |world: &World| {
        let [pages, free] = ["page_count", "freelist_count"].map(|name| numbers(world, &format!("PRAGMA {name}"))[0]);
        pages - free
    };
    let before = used(&world);
    wait(&world, 120);
    prune(&world);
    assert!(before > 120 && used(&world) < before * 3 / 5, "{before} pages, then {}", used(&world));
}

#[tokio::test]
async fn a_clock_that_was_ahead_thins_nothing_out() {
    let world = world(1).await;
    world.at("2026-11-23 13:00");
    list(&world, "Retrieval at scale", 2);
    world.scrape().await;
    world.at("2027-11-23 13:00");
    assert_eq!(prune(&world), Report::default());
    assert_eq!(votes(&world), [1, 2]);
    assert_eq!(utc("2027-11-23 13:00"), world.clock.now());
}
