//! Which version of the renderer made a mail, and what an upgrade does to mails that were tried.

use aws_lc_rs::digest::{SHA256, digest};
use paperpost::compose::Writer;
use paperpost::core::digest::RENDERER;
use paperpost::store::OutboxState;

use crate::leaving::{ADA, one_paper};
use crate::site::{day, paper};
use crate::smtp::Act;
use crate::world::World;

/// What the mails of this test are made into by this version of the renderer.
const MAILS: (u32, &str) = (1, "10d10cb03a5941ab3d36c9f245285e720ec6a97e8ba64168ffce3bf2ce105428");

#[tokio::test]
async fn whoever_changes_what_a_mail_looks_like_raises_the_version_of_the_renderer() {
    let mut world = World::new().await;
    world.site.list(day("2026-11-22"), paper("2611.00001", "Retrieval at scale"));
    for number in 2..30 {
        let mut entry =
            paper(&format!("2611.{number:05}"), &format!("Scaling $\\alpha_{number}$ <laws> of paper {number}"));
        entry.upvotes = number;
        entry.abstract_text = format!("We scale; paper {number} scales é more. ").repeat(30);
        world.site.list(day("2026-11-23"), entry);
    }
    world.subscribe(
        "email = \"ada@example.org\"\nname = \"Ada É.\"\nzone = \"Europe/Berlin\"\n[[subscription.profile]]\nname = \"Laws\"\nkeywords = [\"scal~\", \"laws^2\"]\nmax_papers = 12\n\
         [[subscription.profile]]\nname = \"Rest\"\nkeywords = [\"retrieval\"]",
    );
    world.subscribe("email = \"bob@example.org\"\nkeywords = [\"nothing\"]\nzone = \"UTC\"\nwhen_empty = \"note\"");
    world.scrape().await;
    world.publish();
    let writer = Writer::new(world.store.clone(), world.deliver.sender.clone());
    let mut bytes = Vec::new();
    for edition in [1, 2] {
        let mut mailing = world.store.mailing(edition).expect("a database").expect("a mailing");
        // What is random in each world.
        (mailing.message_id, mailing.subscriber) = (format!("<{edition}@example.org>"), [7; 16]);
        bytes.extend(writer.write(&mailing).expect("a mail"));
    }
    // The address of this world's site is another one each time.
    let text = String::from_utf8(bytes)
        .expect("text")
        .replace("=\r\n", "")
        .replace(&*world.site.base().as_str().replace('=', "=3D"), "SITE");
    let hash: String = digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        (RENDERER, hash.as_str()),
        MAILS,
        "mails look different: raise core::digest::RENDERER, then write both down in MAILS"
    );
}

/// A mail that was tried and put off, as if another version had made it.
async fn tried_by_another_version(act: Act) -> (World, String) {
    let mut world = one_paper().await;
    world.deliver.connections = 1;
    world.scrape().await;
    world.publish();
    world.smtp.will("body", act);
    world.deliver().await;
    let entry = world.store.outbox_entry(1).expect("an outbox").expect("the mail");
    assert_eq!((entry.state, entry.attempts), (OutboxState::Queued, 1));
    let database = world.database();
    let made: u32 = database.one("SELECT renderer FROM outbox");
    assert_eq!(made, RENDERER, "noted at the first attempt");
    database.run("UPDATE outbox SET renderer = 0");
    world.at("2026-11-23 20:00");
    (world, entry.message_id)
}

#[tokio::test]
async fn a_mail_that_another_version_tried_goes_out_as_another_mail() {
    let (world, before) = tried_by_another_version(Act::Say("451 4.3.0 later")).await;
    world.deliver().await;
    let entry = world.store.outbox_entry(1).expect("an outbox").expect("the mail");
    assert_eq!(entry.state, OutboxState::Sent);
    assert_ne!(entry.message_id, before);
    assert!(entry.message_id.starts_with("<1.") && entry.message_id.ends_with("@example.org>"), "{}", entry.message_id);
    assert_eq!(world.smtp.message_ids(), [entry.message_id]);
}

#[tokio::test]
async fn a_mail_that_another_version_may_have_delivered_waits_for_a_person() {
    let (world, before) = tried_by_another_version(Act::TakeAndClose).await;
    let had = world.smtp.mails().len();
    world.deliver().await;
    let entry = world.store.outbox_entry(1).expect("an outbox").expect("the mail");
    assert_eq!((entry.state, entry.message_id.as_str()), (OutboxState::Failed, before.as_str()));
    assert!(entry.last_reply.is_some_and(|words| words.contains("another version")), "it says why");
    assert_eq!(world.smtp.mails().len(), had);
    // Nobody else sends its papers either, until that person has decided.
    assert_eq!(world.publish().queued, 0);
    world.store.retry_failed(Some(1), world.clock.now(), world.clock.now()).expect("retried");
    world.deliver().await;
    let entry = world.store.outbox_entry(1).expect("an outbox").expect("the mail");
    assert_eq!(entry.state, OutboxState::Sent);
    assert_ne!(entry.message_id, before);
    assert_eq!(world.mails(ADA).len(), had + 1);
}

#[tokio::test]
async fn a_mail_that_nobody_tried_keeps_its_message_id() {
    let mut world = one_paper().await;
    world.deliver.connections = 1;
    for n in 0..3 {
        world.subscribe(&format!("email = \"reader{n}@example.org\"\nkeywords = [\"retrieval\"]"));
    }
    world.scrape().await;
    world.publish();
    world.smtp.will("connect", Act::Close);
    assert!(world.deliver().await.outage.is_some());
    let database = world.database();
    let sql = "SELECT count(*) FROM outbox WHERE (renderer IS NULL) <> (attempts = 0)";
    let unlike: u32 = database.one(sql);
    assert_eq!(unlike, 0, "one that is given back untried has no version");
}
