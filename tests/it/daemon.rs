//! The daemon as a process: schedules, signals, the lock, and being killed.

use std::collections::BTreeSet;

use paperpost::clock::Clock;

use crate::process::{Home, said, until};
use crate::site::{Site, paper};
use crate::smtp::SmtpServer;

const ADA: &str = "[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"retrieval\"]\n";
const GRACE: &str = "[[subscription]]\nemail = \"grace@example.org\"\nkeywords = [\"retrieval\"]\n";

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

    home.write("subscriptions.toml", "[[subscription]]\nemail = \"grace@example.org\"\nkeyword = [\"retrieval\"]\n");
    daemon.signal("-HUP");
    until("the fault is logged", || home.read("log").contains("the old ones stay in force")).await;
    let log = home.read("log");
    assert!(log.contains("subscriptions.toml:3:1") && log.contains("keywords"), "{log}");
    let list = said(&home.run(&["list", "--json"]).await);
    assert_eq!(list.matches("\"listed\":true").count(), 2, "both stay: {list}");

    daemon.signal("-TERM");
    assert_eq!(daemon.ended().await, Some(0));
    let log = home.read("log");
    assert!(!log.contains("ada@example.org") && !log.contains("grace@example.org"), "addresses are masked: {log}");
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

#[tokio::test]
async fn being_killed_at_any_instant_loses_nothing() {
    const READERS: usize = 60;
    let (site, smtp) = (site_with_a_paper().await, SmtpServer::start().await);
    let subscriptions: String = (0..READERS).map(|n| ADA.replace("ada@", &format!("reader{n}@"))).collect();
    let home = Home::new(&site, &smtp, &subscriptions);
    let mut kills = 0;
    for round in 0..12u64 {
        let mut child = home.command(&["once"]).spawn().expect("the program");
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
