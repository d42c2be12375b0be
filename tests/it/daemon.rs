//! The daemon as a process: schedules, signals, the lock, and being killed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use paperpost::app::App;
use paperpost::clock::Clock;
use paperpost::core::paper::SourceId;
use paperpost::daemon::{self, Parts};
use paperpost::mail::AnyTransport;
use paperpost::source::fetch::{Client, Options};
use paperpost::source::huggingface::HuggingFace;
use paperpost::web::Web;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::process::{Home, said, until};
use crate::site::{Fault, Site, day, paper};
use crate::smtp::{Offer, SmtpServer};
use crate::world::World;

// The first edition comes at once; the next slot must not come while a test runs.
const ADA: &str =
    "[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"retrieval\"]\nschedule = \"0 8 29 2 *\"\n";
const GRACE: &str =
    "[[subscription]]\nemail = \"grace@example.org\"\nkeywords = [\"retrieval\"]\nschedule = \"0 8 29 2 *\"\n";

async fn site_with_a_paper() -> Site {
    let site = Site::start().await;
    site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
    site
}

#[tokio::test]
async fn it_works_from_the_first_minute_rereads_at_sighup_and_ends_at_sigterm() {
    let (site, smtp) = (site_with_a_paper().await, SmtpServer::start().await);
    let home = Home::new(&site, &smtp, ADA);
    let mut daemon = home.daemon("log");
    until("the first edition is sent", || smtp.mails().len() == 1).await;

    home.write("subscriptions.toml", &format!("{ADA}{GRACE}"));
    daemon.signal("-HUP");
    until("the new subscriber has an edition", || smtp.mails().len() == 2).await;

    home.write("subscriptions.toml", &format!("{ADA}{}", GRACE.replace("keywords", "keyword")));
    daemon.signal("-HUP");
    until("the fault is logged", || home.read("log").contains("stays as it was until it is mended")).await;
    let log = home.read("log");
    assert!(log.contains("subscriptions.toml:7:1") && log.contains("keywords"), "{log}");
    let list = said(&home.run(&["list", "--json"]).await);
    assert_eq!(list.matches("\"listed\":true").count(), 2, "both stay: {list}");

    daemon.signal("-TERM");
    assert_eq!(daemon.ended().await, Some(0));
    let log = home.read("log");
    assert!(!log.contains("ada@example.org") && !log.contains("grace@example.org"), "addresses are masked: {log}");
}

#[tokio::test]
async fn a_refused_login_is_tried_once_and_then_ever_less_often() {
    let site = site_with_a_paper().await;
    let smtp = SmtpServer::offering(Offer::default().with("AUTH PLAIN")).await;
    let home = Home::new(&site, &smtp, &format!("{ADA}{GRACE}"));
    let settings = home.read("paperpost.toml") + "username = \"papers\"\npassword = \"wrong\"\n";
    home.write("paperpost.toml", &settings);
    let mut daemon = home.daemon("log");
    until("the refusal is told", || home.read("log").contains("the mail server refuses the login")).await;
    smtp.settled().await;
    let logins = smtp.lines().iter().filter(|line| line.starts_with("AUTH")).count();
    assert!(logins <= 2, "{logins}: one for each connection at most");
    daemon.signal("-TERM");
    assert_eq!(daemon.ended().await, Some(0));
    assert!(!home.read("log").contains("wrong\""), "{}", home.read("log"));
}

#[tokio::test]
async fn a_second_one_on_the_same_database_is_refused() {
    let (site, smtp) = (site_with_a_paper().await, SmtpServer::start().await);
    let home = Home::new(&site, &smtp, ADA);
    let mut daemon = home.daemon("log");
    until("the first edition is sent", || smtp.mails().len() == 1).await;
    for command in ["run", "once", "deliver"] {
        let second = home.run(&[command]).await;
        assert_eq!(second.status.code(), Some(1));
        assert!(said(&second).contains("another paperpost (process"), "{command}: {}", said(&second));
    }
    daemon.signal("-INT");
    assert_eq!(daemon.ended().await, Some(0));
    assert!(home.run(&["once"]).await.status.success(), "the lock ends with its holder");
}

/// The daemon as a task, over a world's parts and these sources.
fn daemon_over(world: &World, sources: Vec<HuggingFace>) -> (CancellationToken, JoinHandle<()>) {
    let patient =
        Options { timeout: Duration::from_secs(600), pause: Some(Duration::ZERO), ..Options::new("paperpost-test/0") };
    world.subscriptions();
    let (store, clock) = (world.store.clone(), world.clock.clone());
    let keyring = world.deliver.sender.returns.keyring.clone();
    let app = App {
        client: Client::new(patient).expect("a client"),
        sources: sources.into_iter().map(Into::into).collect(),
        transport: Arc::new(AnyTransport::Smtp((*world.transport).clone())),
        publish: world.publish.clone(),
        deliver: world.deliver.clone(),
        bounces: None,
        web: Web { store: store.clone(), clock: clock.clone(), keyring, sender: "Paperpost".into() },
        keep_days: 30,
        files: world.files(),
    };
    let parts = Parts { store, clock, app, settings: None, listener: None, first_reads: Duration::from_millis(300) };
    let (stop, (_, reload)) = (CancellationToken::new(), mpsc::channel(1));
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { daemon::run(parts, stop, reload).await.expect("a daemon that works") }
    });
    (stop, running)
}

#[tokio::test]
async fn a_source_that_never_answers_holds_up_the_others_for_a_while_only() {
    let mut world = World::new().await;
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    world.add("email = \"ada@example.org\"\nkeywords = [\"retrieval\"]");
    let deaf = Site::start().await;
    deaf.fail("/", Fault::Stall);
    let other = HuggingFace { id: SourceId::parse("deaf").expect("a name"), base: deaf.base(), ..world.source.clone() };
    let (stop, running) = daemon_over(&world, vec![other, world.source.clone()]);
    until("the first edition is sent", || world.smtp.mails().len() == 1).await;
    let read: Vec<String> =
        world.store.sources().expect("sources").iter().map(|status| status.source.to_string()).collect();
    assert_eq!(read, ["huggingface"], "the other one is still being read");
    stop.cancel();
    running.await.expect("no panic");
}

#[tokio::test]
async fn a_source_whose_last_read_lies_in_the_future_is_read_at_the_start() {
    let mut world = World::new().await;
    world.at("2027-11-23 12:00");
    world.scrape().await;
    world.at("2026-11-23 12:00");
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    world.add("email = \"ada@example.org\"\nkeywords = [\"retrieval\"]");
    let (stop, running) = daemon_over(&world, vec![world.source.clone()]);
    until("the first edition is sent", || world.smtp.mails().len() == 1).await;
    stop.cancel();
    running.await.expect("no panic");
}

#[tokio::test]
async fn being_killed_at_any_instant_loses_nothing() {
    const READERS: usize = 60;
    let (site, smtp) = (site_with_a_paper().await, SmtpServer::start().await);
    let subscriptions: String = (0..READERS).map(|n| ADA.replace("ada@", &format!("reader{n}@"))).collect();
    let home = Home::new(&site, &smtp, &subscriptions);
    let mut kills = 0;
    for round in 0..12u64 {
        let mut child = home.command(&["once"]).spawn().expect("the program");
        // A real wait: any instant will do, and no event is one.
        tokio::time::sleep(std::time::Duration::from_millis(15 + 23 * round)).await;
        kills += usize::from(child.try_wait().expect("a child").is_none());
        let _ = child.kill();
        let _ = child.wait();
    }
    let last = home.run(&["once"]).await;
    assert!(last.status.success(), "{}", said(&last));
    assert!(kills > 0, "at least one run was killed before its end");
    let mails = smtp.mails();
    let ids: BTreeSet<String> = smtp.message_ids().into_iter().collect();
    let readers: BTreeSet<String> = mails.iter().flat_map(|mail| mail.to.clone()).collect();
    assert_eq!((ids.len(), readers.len()), (READERS, READERS), "everyone has their edition, under one Message-ID");
    assert!(mails.len() - READERS <= 2 * kills, "{} repeats after {kills} kills", mails.len() - READERS);
}
