//! A Maildir that reports come to, with whatever else is put there.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use paperpost::clock::Clock;
use paperpost::core::subscription::Consent;
use paperpost::jobs::inbox::{self, Inbox};
use paperpost::mail::inbound::LONGEST_MESSAGE;

use crate::bounces::{Dsn, bombs, consent, sent, settings};
use crate::leaving::return_path;
use crate::process::{Home, said, until};
use crate::site::{Site, paper};
use crate::smtp::SmtpServer;
use crate::world::World;

#[tokio::test]
async fn a_maildir_is_worked_through_and_what_a_person_should_read_is_flagged() {
    let world = sent().await;
    let report = Dsn { to: &return_path(&world), ..Dsn::default() }.text();
    let maildir = maildir(&[("1.a", &report), ("2.b", LETTER), ("3.c:2,", &Dsn::default().text())]);
    for count in [3, 0] {
        assert_eq!(look(&world, maildir.path()).await, (count, String::new()));
    }
    assert_eq!(names_in_cur(maildir.path()), ["1.a:2,S", "2.b:2,F", "3.c:2,F"]);
    assert_eq!(consent(&world), Consent::Suppressed);
}

/// A Maildir with these files in `new`.
fn maildir(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["new", "cur", "tmp"] {
        std::fs::create_dir(folder.path().join(name)).expect("a folder");
    }
    for (name, text) in files {
        std::fs::write(folder.path().join("new").join(name), text).expect("written");
    }
    folder
}

/// The names of what was read.
fn names_in_cur(maildir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(maildir.join("cur")).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

/// Works through a Maildir once: how many messages there were, and the trouble.
async fn look(world: &World, maildir: &Path) -> (usize, String) {
    let inbox = Inbox::Maildir(maildir.to_owned());
    match inbox::run(&world.store, &settings(world), Some(&inbox), &world.clock).await {
        Ok(inbox::Report { messages, trouble, .. }) => {
            (messages, trouble.map(|error| error.to_string()).unwrap_or_default())
        }
        Err(error) => (0, error.to_string()),
    }
}

const LETTER: &str = "From: a@example.net\r\nSubject: A question\r\n\r\nHello?\r\n";

#[tokio::test]
async fn what_is_no_message_holds_up_none_behind_it() {
    let world = sent().await;
    let report = Dsn { to: &return_path(&world), ..Dsn::default() }.text();
    let maildir = maildir(&[("4.x", &report)]);
    let new = maildir.path().join("new");
    std::fs::create_dir(new.join("1.folder")).expect("a folder");
    std::os::unix::fs::symlink("/nowhere", new.join("2.link")).expect("a link");
    assert!(Command::new("mkfifo").arg(new.join("3.pipe")).status().expect("mkfifo").success());
    let (messages, trouble) = look(&world, maildir.path()).await;
    assert!(messages == 1 && trouble.contains("new/1.folder: is no message"), "{messages} {trouble}");
    assert_eq!(consent(&world), Consent::Suppressed);
    assert_eq!(names_in_cur(maildir.path()), ["4.x:2,S"]);
}

#[tokio::test]
async fn two_readers_of_a_maildir_share_the_work() {
    let world = sent().await;
    let names: Vec<_> = (100..400).map(|number| format!("{number}.x")).collect();
    let files: Vec<_> = names.iter().map(|name| (&name[..], LETTER)).collect();
    let maildir = maildir(&files);
    let looks = tokio::join!(look(&world, maildir.path()), look(&world, maildir.path()));
    assert_eq!((&looks.0.1[..], &looks.1.1[..], looks.0.0 + looks.1.0), ("", "", 300));
    assert_eq!(names_in_cur(maildir.path()).len(), 300);
}

#[tokio::test]
async fn no_message_takes_the_place_of_another_of_its_name() {
    let world = sent().await;
    let maildir = maildir(&[("1.a", LETTER), ("1.a:2,", "Subject: Another\r\n\r\n")]);
    std::fs::write(maildir.path().join("cur/1.a:2,F"), "read before").expect("written");
    assert_eq!(look(&world, maildir.path()).await, (2, String::new()));
    assert_eq!(names_in_cur(maildir.path()).len(), 3);
    let read_before = std::fs::read_to_string(maildir.path().join("cur/1.a:2,F"));
    assert_eq!(read_before.expect("a file"), "read before");
}

#[tokio::test]
async fn one_bad_entry_slows_no_reading_and_is_told_once() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
    let home = Home::new(&site, &smtp, "[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"retrieval\"]\n");
    let maildir = maildir(&[]);
    let new = maildir.path().join("new");
    std::fs::create_dir(new.join("1.folder")).expect("a folder");
    let bounces = format!("[bounces]\ninterval = \"10ms\"\nmaildir = \"{}\"\n", maildir.path().display());
    home.write("paperpost.toml", &(home.read("paperpost.toml") + &bounces));

    let once = home.run(&["once"]).await;
    assert_eq!(once.status.code(), Some(0), "{}", said(&once));
    assert!(said(&once).contains("new/1.folder: is no message"), "{}", said(&once));
    let by_hand = home.run(&["bounce", "--inbox"]).await;
    assert_eq!(by_hand.status.code(), Some(1));
    assert!(said(&by_hand).contains("took in 0 messages"), "{}", said(&by_hand));
    assert!(said(&by_hand).contains("new/1.folder: is no message"), "{}", said(&by_hand));

    let mut daemon = home.daemon("log");
    // With pauses that double, the last would be found after minutes.
    for number in 2..16 {
        std::fs::write(new.join(format!("{number}.x")), LETTER).expect("written");
        until("the letter is read", || names_in_cur(maildir.path()).len() == number - 1).await;
    }
    daemon.signal("-TERM");
    assert_eq!(daemon.ended().await, Some(0));
    let log = home.read("log");
    assert_eq!(log.matches("new/1.folder: is no message").count(), 1, "{log}");
}

#[tokio::test]
async fn a_mail_made_to_exhaust_its_reader_is_set_aside_and_holds_up_none_behind_it() {
    let world = sent().await;
    let report = Dsn { to: &return_path(&world), ..Dsn::default() }.text();
    let [nested, encoded, searched] = bombs(LONGEST_MESSAGE);
    let maildir = maildir(&[("1.bomb", &nested), ("2.bomb", &encoded), ("3.bomb", &searched), ("4.report", &report)]);
    let looked = tokio::time::timeout(Duration::from_secs(20), look(&world, maildir.path())).await;
    assert_eq!(looked.expect("no search without end"), (4, String::new()));
    assert_eq!(consent(&world), Consent::Suppressed);
    assert_eq!(names_in_cur(maildir.path()), ["1.bomb:2,F", "2.bomb:2,F", "3.bomb:2,F", "4.report:2,S"]);
}

#[tokio::test]
async fn what_waits_for_a_person_is_told_until_it_was_read() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    let home = Home::new(&site, &smtp, "[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"retrieval\"]\n");
    let maildir = maildir(&[("1.a", LETTER), ("2.b", LETTER), ("3.c", LETTER)]);
    let bounces = format!("[bounces]\nmaildir = \"{}\"\n", maildir.path().display());
    home.write("paperpost.toml", &(home.read("paperpost.toml") + &bounces));
    let told = |count: &str| format!("{count} in the bounce mailbox");
    let commands = [&["once"][..], &["once", "--json"], &["bounce", "--inbox"], &["status"]];
    let is_told = async |expected: &str, count: &str| {
        for command in commands {
            let output = said(&home.run(command).await);
            let is_told = output.contains(expected) || output.contains(&format!("\"flagged\":{count},"));
            assert!(is_told, "{command:?}: {output}");
        }
    };
    is_told(&told("3 messages"), "3").await;
    assert_eq!(home.run(&["status", "--check"]).await.status.code(), Some(1));
    let cur = maildir.path().join("cur");
    std::fs::remove_file(cur.join("1.a:2,F")).expect("removed");
    std::fs::rename(cur.join("2.b:2,F"), cur.join("2.b:2,FS")).expect("read");
    is_told(&told("1 message"), "1").await;
    std::fs::rename(cur.join("3.c:2,F"), cur.join("3.c:2,FRS")).expect("answered");
    for command in commands {
        let output = said(&home.run(command).await);
        assert!(!output.contains("for a person"), "{command:?}: {output}");
    }
}
