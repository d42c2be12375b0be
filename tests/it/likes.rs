//! `like:` from the database to the mail: what is counted of all papers, and what a mail says made a paper close.

use paperpost::core::terms::Statistics;

use crate::site::{day, paper};
use crate::world::World;

const ADA: &str = "ada@example.org";

fn list(world: &World, on: &str, number: u32, title: &str, abstract_text: &str) {
    let mut entry = paper(&format!("2611.{number:05}"), title);
    entry.abstract_text = abstract_text.to_owned();
    world.site.list(day(on), entry);
}

/// A liked paper of scans over state spaces, one like it, and others that are not.
async fn world() -> World {
    let world = World::new().await;
    list(
        &world,
        "2026-11-22",
        1,
        "State spaces with selective scans",
        "Selective scans over a state space in linear time.",
    );
    list(&world, "2026-11-23", 2, "Faster selective scans", "We run selective scans of a state space on two chips.");
    for number in 3..40 {
        let title = format!("Laundry folding by robot {number}");
        list(&world, "2026-11-23", number, &title, "A robot folds towels and shirts of many sizes.");
    }
    world
}

fn counted(world: &World) -> Statistics {
    world.store.term_statistics().expect("a database").expect("counts")
}

#[tokio::test]
async fn a_mail_names_the_terms_that_made_a_paper_close_whatever_is_read_later() {
    let mut world = world().await;
    world.subscribe(&format!("email = \"{ADA}\"\nkeywords = [\"like:2611.00001~3%\"]\nsince = \"2026-11-23\""));
    world.scrape().await;
    world.publish();
    let before = world.store.outbox_after(&paperpost::store::OutboxState::ALL, 0, 9).expect("mails");
    // What is read later may make other papers closer; the mail was decided before.
    for number in 50..90 {
        list(&world, "2026-11-23", number, "Selective scans everywhere", "Selective scans of a state space.");
    }
    world.at("2026-11-23 13:00");
    world.scrape().await;
    world.deliver().await;
    assert_eq!((before.len(), world.inbox(ADA)), (1, vec!["Faster selective scans".to_owned()]));
    let mail = &world.mails(ADA)[0];
    let text = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let reason = text.split("Because it matches ").nth(1).expect("a reason");
    assert!(reason.starts_with("like: "), "{reason}");
    assert!(reason.contains("selective scans, ") && reason.contains("state space"), "{reason}");
    assert!(mail.html.contains("selective scans"), "{}", mail.html);
}

#[tokio::test]
async fn papers_are_counted_once_whenever_they_came_and_however_often_it_is_begun() {
    let mut world = world().await;
    world.scrape().await;
    world.publish();
    assert!(world.store.term_statistics().expect("a database").is_none(), "nobody likes anything");
    // What came before is counted in pieces, and a stop in between costs nothing.
    assert_eq!(world.store.count_terms(10).expect("counted"), 10);
    world.reopen();
    assert_eq!(world.store.count_terms(100).expect("counted"), 29);
    assert_eq!((world.store.count_terms(100).expect("counted"), counted(&world).papers()), (0, 39));
    // A publish for somebody who likes something counts the rest, those of a hundred days ago too.
    world.subscribe(&format!("email = \"{ADA}\"\nkeywords = [\"like:2611.00001\"]"));
    world.at("2027-03-23 12:00");
    list(&world, "2027-03-23", 60, "Selective scans again", "");
    world.once().await;
    let again = counted(&world);
    world.publish();
    assert_eq!((again.papers(), counted(&world) == again), (40, true));
    // Whatever the order and the pieces, the counts are the same.
    let other = self::world().await;
    list(&other, "2027-03-23", 60, "Selective scans again", "");
    for at in ["2026-11-23 12:00", "2027-03-23 12:00"] {
        other.at(at);
        other.scrape().await;
    }
    while other.store.count_terms(7).expect("counted") > 0 {}
    assert!(counted(&other) == again);
}
