//! Mails that carry no edition, and decisions that come too late.

use chrono::Duration;
use paperpost::core::address::Address;
use paperpost::core::mailing::{MailKind, Matter, Transactional};
use paperpost::core::pacing::{Policy, Rate};
use paperpost::store::{Decision, OutboxState, Recipient};

use crate::process::{Home, said};
use crate::site::{Site, day, paper};
use crate::smtp::SmtpServer;
use crate::world::World;

fn confirmation(world: &World) -> Transactional {
    let matter = Matter::Confirmation { link: "https://papers.example.org/c/token".to_owned() };
    Transactional { at: world.clock.now(), matter }
}

fn block(keyword: &str) -> String {
    format!("email = \"ada@example.org\"\nkeywords = [\"{keyword}\"]")
}

fn ask(world: &World, address: &str) -> i64 {
    let address = Address::parse(address).expect("an address");
    world.store.enqueue(Recipient::Address(&address), &confirmation(world), "example.org").expect("queued")
}

/// A world in which so many editions wait.
async fn waiting(readers: usize) -> World {
    let mut world = World::new().await;
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    for n in 0..readers {
        world.add(&format!("email = \"reader{n}@example.org\"\nkeywords = [\"retrieval\"]"));
    }
    world.sync();
    world.scrape().await;
    assert_eq!(world.publish().queued, readers);
    world
}

#[tokio::test]
async fn a_confirmation_goes_before_all_editions_and_has_its_own_limit() {
    let mut world = waiting(20).await;
    world.deliver.connections = 1;
    let policy = Policy { prompt: Rate { mails: 2, per: Duration::hours(1) }, ..Policy::default() };
    world.pace(policy);
    for n in 0..3 {
        ask(&world, &format!("asks{n}@example.net"));
    }
    world.deliver().await;
    let to: Vec<String> = world.smtp.mails().iter().map(|mail| mail.to.join(" ")).collect();
    assert!(to[0].contains("asks0@example.net") && to[1].contains("asks1@example.net"), "{to:?}");
    assert_eq!(to.len(), 22, "the third one waits for its hour, and holds no edition up");
    let mail = &world.smtp.mails()[0];
    let text = String::from_utf8_lossy(&mail.bytes);
    assert!(text.contains("https://papers.example.org/c/token") && text.contains("List-Unsubscribe:"), "{text}");
    world.clock.set(world.clock.now() + Duration::minutes(61));
    world.deliver().await;
    assert_eq!(world.smtp.mails().len(), 23);
}

#[tokio::test]
async fn what_is_said_of_an_address_without_a_subscription_concerns_no_subscriber() {
    let world = waiting(1).await;
    let mail = ask(&world, "gone@example.org");
    world.smtp.refuses("<gone@", "550 5.1.1 no such user");
    world.deliver().await;
    let entry = world.store.outbox_entry(mail).expect("a database").expect("a mail");
    assert_eq!((entry.kind, entry.state, entry.edition), (MailKind::Confirmation, OutboxState::Failed, None));
    assert_eq!(entry.address, "gone@example.org");
    assert!(world.store.suppressions().expect("a database").is_empty());
    assert_eq!(world.smtp.mails().len(), 1, "the edition went out");
}

#[tokio::test]
async fn a_decision_does_not_count_when_its_subscription_changed_meanwhile() {
    let mut world = World::new().await;
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    world.subscribe(&block("retrieval"));
    world.scrape().await;
    let due = world.store.due(world.clock.now(), 9, i64::MAX).expect("a database");
    assert_eq!(due.len(), 1);
    world.change("ada", Some(&block("agents")));
    let decided = vec![(due[0].clone(), Decision::NotYet { next: None })];
    let batch = world.store.commit(&decided, world.clock.now(), 1, "example.org").expect("a database");
    assert_eq!(batch.stale, 1);
    let again = world.store.due(world.clock.now(), 9, i64::MAX).expect("a database");
    assert_eq!(again.len(), 1, "it is still due, as it is now");
    let decided = vec![(again[0].clone(), Decision::NotYet { next: None })];
    assert_eq!(world.store.commit(&decided, world.clock.now(), 1, "example.org").expect("a database").stale, 0);
    assert!(world.store.due(world.clock.now(), 9, i64::MAX).expect("a database").is_empty());
}

#[tokio::test]
async fn an_edition_takes_no_papers_over_from_a_mail_that_went_out_meanwhile() {
    let world = waiting(1).await;
    world.at("2026-11-24 12:00");
    world.site.list(day("2026-11-24"), paper("2611.00002", "Retrieval again"));
    world.scrape().await;
    let (publish, store, clock) = (world.publish.clone(), world.store.clone(), world.clock.now());
    let due = store.due(clock, 9, i64::MAX).expect("a database");
    let ledgers = store.ledgers(&[(&due[0], 0)]).expect("a database");
    let waits = ledgers[0].as_ref().expect("a ledger").waiting[0].edition;
    // It goes out between the look and the decision.
    world.deliver().await;
    let edition = paperpost::store::Edition {
        slot: clock.naive_utc(),
        papers: vec![vec![1, 2]],
        mail: true,
        merged: vec![waits],
        ..paperpost::store::Edition::default()
    };
    let decided = vec![(due[0].clone(), Decision::Edition(Box::new(edition)))];
    let batch = store.commit(&decided, clock, 1, &publish.domain).expect("a database");
    assert_eq!((batch.stale, batch.published.len()), (1, 0));
    world.once().await;
    let titles = |n: usize| String::from_utf8_lossy(&world.smtp.mails()[n].bytes).into_owned();
    assert!(titles(0).contains("Retrieval at scale") && !titles(1).contains("Retrieval at scale"), "no paper twice");
}

#[tokio::test]
async fn a_test_mail_is_a_mail_like_any_other() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    let home = Home::new(&site, &smtp, "[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"retrieval\"]\n");
    site.list(paperpost::clock::Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
    assert!(home.run(&["test-mail", "ada@example.org"]).await.status.success());
    assert!(home.run(&["once"]).await.status.success());
    let names = |n: usize| -> Vec<String> {
        let text = String::from_utf8_lossy(&smtp.mails()[n].bytes).into_owned();
        let head = text.split("\r\n\r\n").next().expect("a head").to_owned();
        let lines = head.lines().filter(|line| !line.starts_with([' ', '\t']));
        lines.filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
    };
    assert_eq!(names(0), names(1), "the headers of a test and of a digest");
    let shown = said(&home.run(&["outbox", "show", "1"]).await);
    assert!(shown.contains("ada@example.org, test") && shown.contains("sent"), "{shown}");
    smtp.refuses("<ada@", "550 5.1.1 no such user");
    assert!(!home.run(&["test-mail", "ada@example.org"]).await.status.success());
    assert!(said(&home.run(&["outbox", "show", "3"]).await).contains("dropped"), "it is not tried again");
    smtp.forgives();
    assert!(home.run(&["test-mail", "ada@example.org"]).await.status.success(), "a refused test suppresses nobody");
}
