//! Settings that are read anew while the daemon works: by `paperpost reload` and SIGHUP, and by nothing else.

use std::net::TcpListener;
use std::sync::Arc;

use paperpost::clock::Clock;
use paperpost::store::OutboxState;
use tokio::sync::Notify;

use crate::process::{Daemon, Home, said, until};
use crate::site::{Fault, Site, paper};
use crate::smtp::{Act, SmtpServer};

/// A subscription whose first edition comes at once, and the next one not while a test runs.
fn block(name: &str) -> String {
    format!("[[subscription]]\nemail = \"{name}@example.org\"\nkeywords = [\"retrieval\"]\nschedule = \"0 8 29 2 *\"\n")
}

/// A site, two mail servers, and a daemon that uses the first one.
struct House {
    site: Site,
    first: SmtpServer,
    second: SmtpServer,
    home: Home,
    daemon: Daemon,
}

impl House {
    async fn new() -> Self {
        Self::with(SmtpServer::start().await, "").await
    }

    async fn with(first: SmtpServer, more: &str) -> Self {
        let (site, second) = (Site::start().await, SmtpServer::start().await);
        site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
        let home = Home::new(&site, &first, &block("ada"));
        home.write("paperpost.toml", &(home.read("paperpost.toml") + more));
        let daemon = home.daemon("log");
        until("the first edition is on its way", || first.connections() > 0).await;
        Self { site, first, second, home, daemon }
    }

    /// Writes the port of the second server into the settings.
    fn turn_to_second(&self) {
        let port = |server: &SmtpServer| format!("port = {}\n", server.port());
        self.home.replace("paperpost.toml", &port(&self.first), &port(&self.second));
    }

    fn subscribe_in_file(&self, names: &[&str]) {
        self.home.write("subscriptions.toml", &names.iter().map(|name| block(name)).collect::<String>());
    }

    /// What `paperpost reload` says, and whether all went well.
    async fn reload(&self) -> (bool, String) {
        let output = self.home.run(&["reload"]).await;
        (output.status.success(), said(&output))
    }

    async fn status(&self) -> String {
        said(&self.home.run(&["status"]).await)
    }

    async fn end(mut self) {
        self.daemon.signal("-TERM");
        assert_eq!(self.daemon.ended().await, Some(0), "{}", self.home.read("log"));
    }
}

#[tokio::test]
async fn a_reload_turns_to_another_server_while_a_slow_mail_finishes_at_the_old_one() {
    let (slow, told) = (SmtpServer::start().await, Arc::new(Notify::new()));
    slow.will("body", Act::WhenTold(told.clone()));
    let house = House::with(slow, "").await;
    until("the first mail is in hand", || !house.first.is_waiting()).await;

    house.turn_to_second();
    house.home.replace("paperpost.toml", "Paperpost <papers@", "Paperpost <digests@");
    house.subscribe_in_file(&["ada", "bob"]);
    let (is_good, words) = house.reload().await;
    assert!(is_good && words.contains("the settings are in force"), "{words}");
    until("the next mail is at the new server", || house.second.mails().len() == 1).await;
    let next = house.second.mails().remove(0);
    assert!(next.to[0].contains("bob@") && next.from.contains("digests@"), "{next:?}");
    assert_eq!(house.first.mails().len(), 0, "the slow one is still in hand");

    told.notify_one();
    let sent = || house.home.store().outbox(&[OutboxState::Sent], 9).expect("an outbox").len();
    until("both are recorded", || sent() == 2).await;
    assert_eq!((house.first.mails().len(), house.second.mails().len()), (1, 1), "each went out once");
    assert!(house.first.mails()[0].from.contains("papers@"), "with the sender that it was made for");
    assert_eq!(house.first.connections(), 1, "the old server is asked for nothing more");
    house.first.all_closed().await;
    house.end().await;
}

#[tokio::test]
async fn a_change_of_the_settings_file_alone_does_nothing_and_status_says_so() {
    let house = House::new().await;
    until("the first edition is sent", || house.first.mails().len() == 1).await;
    assert!(!house.status().await.contains("not in force"));
    house.turn_to_second();
    house.home.write("paperpost.toml", &(house.home.read("paperpost.toml") + "[digest]\nmax_papers = 7\n"));

    // Neither a changed subscription file nor a command that changes it reads the settings.
    let added = house.home.run(&["subscribe", "bob@example.org", "retrieval", "--schedule", "0 8 29 2 *"]).await;
    assert!(said(&added).contains("the daemon has taken it in"), "{}", said(&added));
    until("the next mail is at the old server", || house.first.mails().len() == 2).await;
    let words = "changed on disk, not in force: digest.max_papers, smtp.port (paperpost reload)";
    let status = house.home.run(&["status", "--check"]).await;
    assert!(status.status.success() && said(&status).contains(words), "{}", said(&status));
    let json = said(&house.home.run(&["status", "--json"]).await);
    assert!(json.contains("\"reload\":[\"digest.max_papers\",\"smtp.port\"]"), "{json}");

    house.daemon.signal("-HUP");
    until("the settings are read", || house.home.read("log").contains("the settings were read anew")).await;
    until("status knows", || {
        let status = house.home.command(&["status"]).output().expect("the program");
        !said(&status).contains("not in force")
    })
    .await;
    let added = house.home.run(&["subscribe", "cyd@example.org", "retrieval", "--schedule", "0 8 29 2 *"]).await;
    assert!(added.status.success(), "{}", said(&added));
    until("the next mail is at the new server", || house.second.mails().len() == 1).await;
    assert_eq!(house.first.mails().len(), 2);
    house.end().await;
}

#[tokio::test]
async fn settings_with_an_error_leave_the_old_ones_in_force_and_show_no_secret() {
    let house = House::new().await;
    until("the first edition is sent", || house.first.mails().len() == 1).await;
    let right = house.home.read("paperpost.toml");
    house.turn_to_second();
    house
        .home
        .write("paperpost.toml", &(house.home.read("paperpost.toml") + "username = \"a\"\npassword = \"hunter2\n"));
    let (is_good, words) = house.reload().await;
    assert!(!is_good && words.contains("paperpost.toml:") && words.contains("keeps the settings"), "{words}");
    assert!(!words.contains("hunter2"), "{words}");

    house.subscribe_in_file(&["ada", "bob"]);
    house.daemon.signal("-HUP");
    until("the error is logged", || house.home.read("log").contains("the old ones stay in force")).await;
    until("the subscription file is taken in all the same", || house.first.mails().len() == 2).await;
    assert!(!house.home.read("log").contains("hunter2"), "{}", house.home.read("log"));

    // What only the use of the settings shows, the daemon answers.
    house.home.write("key.pem", "no key");
    house.home.write("paperpost.toml", &right);
    house.turn_to_second();
    let more = "[dkim]\nrsa_selector = \"s1\"\nrsa_key_file = \"key.pem\"\n";
    house.home.write("paperpost.toml", &(house.home.read("paperpost.toml") + more));
    house.subscribe_in_file(&["ada", "bob", "cyd"]);
    let (is_good, words) = house.reload().await;
    assert!(!is_good && words.contains("dkim.rsa_key") && words.contains("stay as they were"), "{words}");
    until("the next mail is at the old server", || house.first.mails().len() == 3).await;
    assert!(house.status().await.contains("not in force: dkim.rsa_key_file, dkim.rsa_selector, smtp.port"));
    house.end().await;
}

#[tokio::test]
async fn what_can_not_change_before_a_restart_is_named() {
    let free = || TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let (before, after) = (free(), free());
    let more = format!("[web]\nlisten = \"{before}\"\n[log]\nlevel = \"info\"\n");
    let house = House::with(SmtpServer::start().await, &more).await;
    until("the first edition is sent", || house.first.mails().len() == 1).await;
    house.home.replace("paperpost.toml", &before.to_string(), &after.to_string());
    house.home.replace("paperpost.toml", "level = \"info\"", "level = \"error\"\nformat = \"json\"");
    for _ in 0..2 {
        let (is_good, words) = house.reload().await;
        assert!(is_good, "{words}");
        for key in ["web.listen", "log.format"] {
            assert!(words.contains(&format!("{key} stays as it was until a restart")), "{words}");
        }
    }
    assert!(
        !house.home.read("log").contains("read anew"),
        "by now errors alone are logged: {}",
        house.home.read("log")
    );
    assert!(std::net::TcpStream::connect(before).is_ok() && std::net::TcpStream::connect(after).is_err());
    let status = house.status().await;
    assert!(status.contains("not in force: log.format, web.listen (a restart)"), "{status}");

    house.home.replace("paperpost.toml", "level = \"error\"", "level = \"info\"");
    house.home.replace("paperpost.toml", "path = \"p.db\"", "path = \"q.db\"");
    house.daemon.signal("-HUP");
    until("the database is named", || house.home.read("log").contains("key=\"database.path\"")).await;
    assert!(!house.home.path("q.db").exists());
    house.end().await;
}

#[tokio::test]
async fn sources_come_and_go_and_one_that_failed_is_read_again() {
    let house = House::new().await;
    until("the first edition is sent", || house.first.mails().len() == 1).await;
    let of = |name: &str| {
        let sources = house.home.store().sources().expect("sources");
        sources.into_iter().find(|status| status.source.as_str() == name)
    };
    let (other, table) = (Site::start().await, |name: &str, base: &str| {
        format!("[sources.{name}]\nkind = \"huggingface-daily\"\nbase_url = \"{base}\"\n")
    });
    let today = Clock::System.now().date_naive();
    other.list(today, paper("2611.00002", "Retrieval elsewhere"));
    other.fail("/", Fault::Status(404));
    let first = house.home.read("paperpost.toml");
    house.home.write("paperpost.toml", &(table("other", other.base().as_str()) + &first));
    assert!(house.reload().await.0);
    until("the new source is read", || of("other").is_some_and(|status| status.failures == 1)).await;
    let reads = of("huggingface").map(|status| status.last_read);

    other.mend();
    assert!(house.reload().await.0);
    until("it is read again", || of("other").is_some_and(|status| status.failures == 0)).await;
    assert_eq!(of("huggingface").map(|status| status.last_read), reads, "the other keeps its turn");

    // Gone, it is read no more; another one takes its place.
    other.fail("/", Fault::Status(404));
    house.home.write("paperpost.toml", &(table("third", house.site.base().as_str()) + &first));
    let asked = other.requests().len();
    assert!(house.reload().await.0);
    until("the third is read", || of("third").is_some()).await;
    assert_eq!(other.requests().len(), asked);
    let log = house.home.read("log");
    assert!(log.contains("source=third") && log.contains("source=other"), "{log}");
    house.end().await;
}
