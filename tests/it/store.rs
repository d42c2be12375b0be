//! Who waits for whom in the database, and what one row that can't be read costs the others.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use paperpost::store::{Decision, OutboxState, Store};
use tokio_util::sync::CancellationToken;

use crate::site::{day, paper};
use crate::world::World;

/// A world with one paper that fits all of so many subscribers.
async fn world(readers: usize) -> World {
    let mut world = World::new().await;
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    for n in 0..readers {
        world.add(&format!("email = \"reader{n}@example.org\"\nkeywords = [\"retrieval\", \"topic{n}\"]"));
    }
    world.sync();
    world.scrape().await;
    world
}

/// Publishes with a batch for each edition.
fn publish_one_by_one(store: &Store, world: &World, mut each: impl FnMut()) {
    let settings = &world.publish;
    let mut left = true;
    while left {
        let due = store.due(world.clock.now(), 1, 1).expect("a working database");
        left = !due.is_empty();
        let decided: Vec<_> = due.into_iter().map(|due| (due, Decision::NotYet { next: None })).collect();
        store.commit(&decided, world.clock.now(), 1, &settings.domain).expect("a working database");
        each();
    }
}

#[tokio::test]
async fn who_reads_waits_for_nobody_who_writes() {
    let world = world(1).await;
    world.publish();
    let store = world.store.clone();
    let mut asked = 0;
    let room = |_: &str, _| {
        asked += 1;
        // A transaction that writes is open here.
        let (sender, answer) = mpsc::channel();
        let store = store.clone();
        thread::spawn(move || {
            let (queue, sources) = (store.queue().expect("a queue"), store.sources().expect("sources"));
            let _ = sender.send((queue.counts.len(), sources.len()));
        });
        assert_eq!(answer.recv_timeout(Duration::from_secs(20)), Ok((1, 1)), "an answer meanwhile");
        paperpost::core::pacing::Room::Open(1)
    };
    let lease = chrono::Duration::hours(1);
    world.store.claim(world.clock.now(), 9, lease, "", room, |_| false).expect("claims");
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn a_claim_waits_for_the_batch_in_hand_and_not_for_the_whole_publish() {
    const READERS: usize = 300;
    let world = world(READERS).await;
    let (batches, store, clock) = (AtomicUsize::new(0), world.store.clone(), world.clock.clone());
    let waits = thread::scope(|scope| {
        let claims = scope.spawn(|| {
            let mut waits = Vec::new();
            while batches.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            while batches.load(Ordering::SeqCst) < READERS - 20 {
                let before = batches.load(Ordering::SeqCst);
                let open = |_: &str, _| paperpost::core::pacing::Room::Open(u32::MAX);
                let claimed = store.claim(clock.now(), 10, chrono::Duration::hours(1), "", open, |_| false);
                claimed.expect("a working database");
                let after = batches.load(Ordering::SeqCst);
                waits.push(after - before);
                while batches.load(Ordering::SeqCst) == after && after < READERS - 20 {
                    thread::yield_now();
                }
            }
            waits
        });
        publish_one_by_one(&world.store, &world, || {
            batches.fetch_add(1, Ordering::SeqCst);
            // A real wait: on a busy machine a thread is not always running, and batches must not be over in that time.
            thread::sleep(Duration::from_millis(3));
        });
        claims.join().expect("no panic")
    });
    let longest = waits.iter().max().copied().unwrap_or(READERS);
    assert!(waits.len() > 20 && longest < READERS / 10, "{} claims, one waited for {longest} batches", waits.len());
}

#[tokio::test]
async fn a_stop_ends_a_publish_after_its_batch_and_the_rest_stays_due() {
    const READERS: usize = 700;
    let world = world(READERS).await;
    let stop = CancellationToken::new();
    let run = |stop: &CancellationToken| {
        paperpost::jobs::publish::run(&world.store, &world.publish, world.clock.now(), stop, |_| stop.cancel())
            .expect("a working database")
    };
    let first = run(&stop);
    assert!(first.is_stopped && first.editions > 0 && first.editions < READERS, "{first:?}");
    let none = run(&stop);
    assert_eq!((none.is_stopped, none.editions), (true, 0));
    let rest = world.publish();
    assert_eq!((rest.is_stopped, first.editions + rest.editions), (false, READERS));
}

#[tokio::test]
async fn an_order_that_cannot_be_read_fails_alone_and_for_all_to_see() {
    let mut world = world(3).await;
    world.once().await;
    world.at("2026-11-24 12:00");
    world.site.list(day("2026-11-24"), paper("2611.00002", "Retrieval again"));
    world.database().run(
        "UPDATE definitions SET text = '{' WHERE text LIKE '%topic1\"%';
             UPDATE orders SET compiled = x'00' WHERE definition = (SELECT id FROM definitions WHERE text = '{');",
    );
    world.scrape().await;
    let report = world.publish();
    assert_eq!((report.queued, report.faults), (2, 1), "the others have their editions");
    assert_eq!(world.publish().faults, 0, "and it is not tried without end");
    let faults = |world: &World| -> Vec<String> {
        let list = world.store.subscribers().expect("a list").into_iter();
        list.filter_map(|subscriber| subscriber.fault.map(|why| format!("{}: {why}", subscriber.address))).collect()
    };
    let told = faults(&world);
    assert!(told.len() == 1 && told[0].starts_with("reader1@") && told[0].contains("definition"), "{told:?}");
    world.at("2026-11-24 14:00");
    assert_eq!(world.publish().faults, 1, "an hour later it is tried again");
    // A file that orders anything else mends it.
    world.change("reader1@", Some("email = \"reader1@example.org\"\nkeywords = [\"retrieval\"]"));
    assert_eq!(world.publish().queued, 1);
    assert!(faults(&world).is_empty());
    while world.deliver().await.has_more {}
    assert_eq!(world.inbox("reader1@example.org"), ["Retrieval at scale", "Retrieval again"]);
    assert_eq!(world.store.outbox(&[OutboxState::Failed], 9).expect("an outbox").len(), 0);
}

#[tokio::test]
async fn what_was_compiled_and_cannot_be_read_is_compiled_anew_and_stops_nobody() {
    for damage in [
        "UPDATE literals SET clause = 'OR' WHERE number = 1",
        "UPDATE literals SET clause = 'retrieval topic0' WHERE number = 0",
        "DELETE FROM literals WHERE number = 0",
        "UPDATE orders SET compiled = x'0102030405' WHERE definition = 2",
    ] {
        let world = world(3).await;
        world.once().await;
        let database = world.database();
        let compiled = || -> Vec<(String, String)> {
            let sql = "SELECT (SELECT group_concat(clause ORDER BY number) FROM literals),
                              (SELECT group_concat(hex(compiled) ORDER BY definition) FROM orders)";
            database.rows(sql)
        };
        let sound = compiled();
        database.run(damage);
        for (day_of, id) in [("2026-11-24", "2611.00002"), ("2026-11-25", "2611.00003")] {
            world.at(&format!("{day_of} 12:00"));
            world.site.list(day(day_of), paper(id, &format!("Retrieval {id}")));
            world.scrape().await;
            let report = world.publish();
            assert_eq!((report.queued, report.faults), (3, 0), "{damage}");
        }
        assert_eq!(compiled(), sound, "{damage}");
    }
}
