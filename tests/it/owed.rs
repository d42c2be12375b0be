//! What matched and was not sent: that it comes, or is told, and neither twice.

use paperpost::source::huggingface::Kind;
use paperpost::store::OutboxState;

use crate::pipeline::{ADA, one_paper};
use crate::site::{day, paper};
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
    world.source.kind = Kind::Daily { days: 30, window: 0 };
    world.site.list(day("2026-11-05"), paper("2611.00008", "Retrieval of old"));
    world.once().await;
    assert_eq!(world.inbox(ADA), ["Retrieval at scale"]);
    world.at("2026-11-24 12:00");
    world.site.list(day("2026-11-05"), paper("2611.00009", "Retrieval, listed late"));
    world.once().await;
    assert_eq!(world.inbox(ADA), ["Retrieval at scale", "Retrieval, listed late"]);
}
