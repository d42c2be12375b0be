//! A mail that is not out when the next edition is decided gives way to it: one mail with everything, and nothing twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use paperpost::core::server::Tls;
use paperpost::jobs::deliver;
use paperpost::mail::smtp::Smtp;
use paperpost::store::OutboxState;
use tokio_util::sync::CancellationToken;

use crate::site::{day, paper};
use crate::smtp::Act;
use crate::world::World;

const ADA: &str = "ada@example.org";
const RETRIEVAL: &str = "email = \"ada@example.org\"\nkeywords = [\"retrieval\"]";

/// A world with one subscriber whose first mail is queued, and a second paper on the next day.
async fn queued(block: &str) -> World {
    let mut world = World::new().await;
    world.subscribe(block);
    world.begin();
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval one"));
    world.site.list(day("2026-11-23"), paper("2611.00002", "Retrieval two"));
    world.scrape().await;
    world.publish();
    world.site.list(day("2026-11-24"), paper("2611.00003", "Retrieval three"));
    world
}

fn states(world: &World) -> Vec<(OutboxState, u64)> {
    world.store.queue().expect("a queue").counts
}

/// What Ada has, each paper once, sorted.
fn titles(world: &World) -> Vec<String> {
    let mut titles = world.inbox(ADA);
    titles.sort();
    titles
}

#[tokio::test]
async fn a_mail_that_is_not_out_gives_way_to_the_next_edition_which_has_everything() {
    let world = queued(RETRIEVAL).await;
    world.smtp.will("connect", Act::Close);
    world.deliver().await;
    world.at("2026-11-24 12:00");
    world.once().await;
    assert_eq!(world.mails(ADA).len(), 1, "not one late and one in time");
    assert_eq!(titles(&world), ["Retrieval one", "Retrieval three", "Retrieval two"]);
    assert_eq!(states(&world), [(OutboxState::Sent, 1), (OutboxState::Merged, 1)]);
    let merged = world.store.outbox(&[OutboxState::Merged], 10).expect("an outbox");
    assert!(merged[0].last_reply.as_ref().is_some_and(|reply| reply.contains("mail 2")), "{merged:?}");
    world.at("2026-11-25 12:00");
    world.once().await;
    assert_eq!(world.mails(ADA).len(), 1);
}

#[tokio::test]
async fn what_has_no_room_in_the_newer_mail_stays_owed() {
    let world = queued("email = \"ada@example.org\"\nkeywords = [\"retrieval\"]\nmax_papers = 2").await;
    world.at("2026-11-24 12:00");
    world.once().await;
    assert_eq!(world.inbox(ADA).len(), 2);
    world.at("2026-11-25 12:00");
    world.once().await;
    assert_eq!(titles(&world), ["Retrieval one", "Retrieval three", "Retrieval two"]);
}

#[tokio::test]
async fn a_mail_that_the_server_may_have_is_left_alone() {
    let mut world = queued(RETRIEVAL).await;
    world.deliver.connections = 1;
    world.smtp.will("body", Act::TakeAndClose);
    world.deliver().await;
    world.at("2026-11-24 12:00");
    world.once().await;
    let mails = world.mails(ADA);
    assert_eq!(mails.len(), 3, "the first, the first again, the second");
    assert_eq!(mails.iter().filter(|mail| mail.titles == ["Retrieval three"]).count(), 1);
    assert_eq!(states(&world), [(OutboxState::Sent, 2)]);
}

#[tokio::test]
async fn a_mail_in_flight_is_left_alone_and_so_is_one_whose_process_was_killed() {
    let mut world = queued(RETRIEVAL).await;
    let claim = |world: &World| {
        let open = |_: &str, _| paperpost::core::pacing::Room::Open(u32::MAX);
        world
            .store
            .claim(world.clock.now(), 9, chrono::Duration::hours(48), "", open, |_| false)
            .expect("claims")
            .claims
            .len()
    };
    assert_eq!(claim(&world), 1);
    world.at("2026-11-24 12:00");
    world.scrape().await;
    world.publish();
    assert_eq!(states(&world), [(OutboxState::Queued, 1), (OutboxState::Claimed, 1)]);
    // Nobody knows how far it was.
    world.reopen();
    world.site.list(day("2026-11-25"), paper("2611.00004", "Retrieval four"));
    world.at("2026-11-25 12:00");
    world.scrape().await;
    world.publish();
    assert_eq!(states(&world), [(OutboxState::Queued, 2), (OutboxState::Merged, 1)]);
    while world.deliver().await.has_more {}
    assert_eq!(titles(&world), ["Retrieval four", "Retrieval one", "Retrieval three", "Retrieval two"]);
}

#[tokio::test]
async fn a_mail_of_another_order_goes_out_as_it_was_decided() {
    let mut world = queued(RETRIEVAL).await;
    world.change("retrieval", Some("email = \"ada@example.org\"\nkeywords = [\"three\"]"));
    world.at("2026-11-24 12:00");
    world.once().await;
    assert_eq!(world.mails(ADA).len(), 2, "nothing that was promised is lost by a change");
    assert_eq!(titles(&world), ["Retrieval one", "Retrieval three", "Retrieval two"]);
}

#[tokio::test]
async fn a_mail_that_is_a_month_late_gives_way_and_its_papers_are_not_lost() {
    let world = queued(RETRIEVAL).await;
    world.at("2026-12-20 12:00");
    world.site.list(day("2026-12-20"), paper("2612.00001", "Retrieval late"));
    world.once().await;
    assert_eq!(titles(&world), ["Retrieval late", "Retrieval one", "Retrieval two"]);
    assert_eq!(world.mails(ADA).len(), 1);
}

#[tokio::test]
async fn a_dropped_mails_papers_stay_to_come_unless_the_server_may_have_them() {
    for (may_have_them, expected) in [(false, 3), (true, 1)] {
        let world = queued(RETRIEVAL).await;
        if may_have_them {
            world.smtp.will("body", Act::TakeAndClose);
            world.deliver().await;
        }
        assert_eq!(world.store.drop_mails(&[1, 99], world.clock.now()).expect("dropped"), 1);
        world.at("2026-11-24 12:00");
        world.once().await;
        assert_eq!(world.mails(ADA).last().expect("a mail").titles.len(), expected, "{may_have_them}");
        assert_eq!(world.store.drop_mails(&[1, 2], world.clock.now()).expect("nothing to drop"), 0);
    }
}

/// A week of troubles, then quiet days, more than mails can be behind: whatever happened, each paper is in one mail, and
/// that mail arrived.
#[tokio::test]
async fn whatever_goes_wrong_every_paper_comes_in_exactly_one_mail() {
    for seed in 0..25 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut world = World::new().await;
        world.publish.window = chrono::Duration::days(60);
        let most = dice.u32(1..4);
        world.subscribe(&format!("email = \"ada@example.org\"\nkeywords = [\"retrieval\"]\nmax_papers = {most}"));
        world.begin();
        let mut listed = 0;
        for date in day("2026-11-23").iter_days().take(7 + 21) {
            let is_troubled = date < day("2026-11-30");
            if is_troubled {
                for _ in 0..dice.u32(0..3) {
                    listed += 1;
                    world.site.list(date, paper(&format!("2611.{listed:05}"), &format!("Retrieval {listed}")));
                }
            }
            for hour in if is_troubled { ["09:00", "12:00", "18:00"].as_slice() } else { &["12:00"] } {
                world.at(&format!("{date} {hour}"));
                world.scrape().await;
                world.publish();
                if is_troubled {
                    trouble(&mut world, &mut dice).await;
                } else {
                    // What was given up is in the list of failures; its operator has seen it.
                    world
                        .store
                        .retry_failed(None, chrono::DateTime::UNIX_EPOCH, world.clock.now())
                        .expect("a working database");
                    while world.deliver().await.has_more {}
                }
            }
        }
        let mut by_id: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for mail in world.mails(ADA) {
            let known = by_id.entry(mail.message_id).or_insert_with(|| mail.titles.clone());
            assert_eq!(*known, mail.titles, "seed {seed}: a repeated mail is the same mail");
        }
        let mut titles: Vec<String> = by_id.into_values().flatten().collect();
        titles.sort();
        let mut expected: Vec<String> = (1..=listed).map(|n| format!("Retrieval {n}")).collect();
        expected.sort();
        assert_eq!(titles, expected, "seed {seed}");
    }
}

/// Delivers, or tries to.
async fn trouble(world: &mut World, dice: &mut fastrand::Rng) {
    match dice.u32(0..8) {
        0 => (0..2).for_each(|_| world.smtp.will("connect", Act::Close)),
        1 => world.smtp.will("rcpt", Act::Say("450 4.2.1 busy")),
        2 => world.smtp.will("rcpt", Act::Say("451 4.7.1 slow down")),
        3 => world.smtp.will("body", Act::TakeAndClose),
        4 => world.smtp.will("body", Act::SayAndClose("421 closing")),
        5 => {
            // Killed at some await; the next process takes its claims back.
            let (store, clock, settings) = (world.store.clone(), world.clock.clone(), world.deliver.clone());
            let transport = Arc::new(Smtp::new(world.smtp.settings(Tls::None)).expect("settings"));
            let patience = std::time::Duration::from_millis(dice.u64(0..20));
            let killed = tokio::task::spawn_blocking(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                let stop = CancellationToken::new();
                let run = deliver::run(&store, &transport, &settings, &clock, &stop);
                runtime.block_on(async { tokio::time::timeout(patience, run).await.ok() });
                // Its end is the end of all threads of the run.
            });
            killed.await.expect("a run without a fault");
            return world.reopen();
        }
        6 => return,
        _ => {}
    }
    while world.deliver().await.has_more {}
}
