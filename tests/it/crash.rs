//! What a crash leaves behind: nothing lost, nothing twice but what was in flight, and that with its first Message-ID.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use paperpost::store::OutboxState;

use crate::site::{day, paper};
use crate::world::World;

const READERS: usize = 3;

async fn world() -> World {
    let mut world = World::new().await;
    for n in 0..READERS {
        world.subscribe(&format!("email = \"reader{n}@example.org\"\nkeywords = [\"retrieval\"]\nmax_papers = 1"));
    }
    world.begin();
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    world.site.list(day("2026-11-23"), paper("2611.00002", "Retrieval at home"));
    world
}

/// Runs `future` until it was polled `times` times, then drops it. Whether it had come to its end.
async fn dropped_after<F: Future>(future: F, times: usize) -> bool {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(|context| {
        if polls == times {
            return Poll::Ready(false);
        }
        polls += 1;
        future.as_mut().poll(context).map(|_| true)
    })
    .await
}

/// Restarts, works on for two days, and checks what every reader has.
async fn recovers(mut world: World, when: &str, in_flight: usize) {
    world.reopen();
    world.once().await;
    world.at("2026-11-24 12:00");
    world.once().await;
    assert_eq!(world.store.queue().expect("a queue").counts, [(OutboxState::Sent, 2 * READERS as u64)], "{when}");
    let mut repeats = 0;
    for n in 0..READERS {
        let mut by_id: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
        for mail in world.mails(&format!("reader{n}@example.org")) {
            by_id.entry(mail.message_id).or_default().push(mail.titles);
        }
        assert_eq!(by_id.len(), 2, "{when}: two editions, however often each was sent");
        repeats += by_id.values().map(|copies| copies.len() - 1).sum::<usize>();
        assert!(by_id.values().all(|copies| copies.iter().all(|copy| *copy == copies[0])), "{when}");
        let mut titles: Vec<&String> = by_id.values().flat_map(|copies| &copies[0]).collect();
        titles.sort();
        assert_eq!(titles, ["Retrieval at home", "Retrieval at scale"], "{when}: each paper in one edition");
    }
    assert!(repeats <= in_flight, "{when}: {repeats} mails were repeated");
}

#[tokio::test]
async fn a_run_that_is_dropped_at_any_await_loses_nothing() {
    for times in 0.. {
        let world = world().await;
        let ended = dropped_after(world.try_once(), times).await;
        let connections = world.deliver.connections;
        recovers(world, &format!("dropped after {times} polls"), connections).await;
        if ended {
            assert!(times > 10, "a run has more awaits than {times}");
            return;
        }
    }
}

#[tokio::test]
async fn a_commit_that_fails_once_loses_nothing() {
    commits_fail(|commit, first| commit == first).await;
}

#[tokio::test]
async fn commits_that_fail_from_some_point_on_lose_nothing_and_are_reported() {
    commits_fail(|commit, first| commit >= first).await;
}

/// A run for every point at which commits may begin to fail; `fails` says which ones do.
async fn commits_fail(fails: fn(usize, usize) -> bool) {
    let lasting = fails(1, 0);
    for first in 0.. {
        let world = world().await;
        let commits = Arc::new(AtomicUsize::new(0));
        let counter = commits.clone();
        world.store.refuse_commits(move || fails(counter.fetch_add(1, Ordering::SeqCst), first)).expect("a hook");
        let result = world.try_once().await;
        let commits = commits.load(Ordering::SeqCst);
        let has_failed = first < commits;
        assert!(!lasting || result.is_err() == has_failed, "commit {first}: {result:?}");
        let connections = world.deliver.connections;
        recovers(world, &format!("commit {first} refused"), connections).await;
        if !has_failed {
            assert!(commits > 3, "a run has more commits than {commits}");
            return;
        }
    }
}
