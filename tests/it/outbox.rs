//! `outbox` and `status` as an operator uses them when something is held or refused.

use paperpost::clock::Clock;
use serde_json::Value;

use crate::database::Database;
use crate::process::{Home, said};
use crate::site::{Site, paper};
use crate::smtp::{Act, SmtpServer};

/// A program with so many readers, whose first mails are queued.
async fn home(readers: usize) -> (Home, Site, SmtpServer) {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
    let block = |n| format!("[[subscription]]\nemail = \"reader{n}@example.org\"\nkeywords = [\"retrieval\"]\n");
    let home = Home::new(&site, &smtp, &(0..readers).map(block).collect::<String>());
    assert!(home.run(&["scrape"]).await.status.success());
    assert!(home.run(&["publish"]).await.status.success());
    (home, site, smtp)
}

#[tokio::test]
async fn a_mail_can_be_looked_at_dropped_retried_and_read_by_a_script() {
    let (home, _site, smtp) = home(3).await;
    smtp.refuses("<reader1@", "552 5.2.2 mailbox full");
    assert!(said(&home.run(&["outbox", "drop", "1", "77"]).await).contains("dropped 1 mail"));
    assert!(!home.run(&["deliver"]).await.status.success(), "one was refused");
    assert!(said(&home.run(&["outbox", "--state", "dropped"]).await).contains("reader0@example.org"));
    let shown = said(&home.run(&["outbox", "show", "2"]).await);
    assert!(shown.contains("permanent") && shown.contains("552 5.2.2 mailbox full"), "{shown}");

    let exported = home.run(&["outbox", "export"]).await;
    let lines: Vec<Value> =
        said(&exported).lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let states: Vec<&str> = lines.iter().filter_map(|line| line["state"].as_str()).collect();
    assert_eq!(states, ["dropped", "failed", "sent"], "oldest first");
    assert_eq!(lines[1]["address"], "reader1@example.org");
    assert_eq!(lines[1]["attempt_log"][0]["outcome"], "permanent");
    let failed = said(&home.run(&["outbox", "export", "--state", "failed"]).await);
    assert_eq!(failed.lines().count(), 1, "{failed}");

    let eml = home.run(&["outbox", "eml", "3"]).await;
    let sent = smtp.mails();
    assert_eq!(eml.stdout, sent[0].bytes, "byte for byte what went out");
    assert!(home.run(&["outbox", "eml", "2", "-o", "mail.eml"]).await.status.success());
    assert!(home.read("mail.eml").contains("Subject: "));

    smtp.forgives();
    assert!(home.run(&["outbox", "retry", "2"]).await.status.success());
    assert!(home.run(&["deliver"]).await.status.success());
    assert!(!home.run(&["outbox", "drop", "2"]).await.status.success(), "what is sent can't be dropped");
}

#[tokio::test]
async fn a_mail_whose_order_cannot_be_read_is_shown_with_what_became_of_it() {
    let (home, _site, _smtp) = home(2).await;
    let database = Database::open(&home.path("p.db"));
    let damaged = "UPDATE definitions SET text = '{' WHERE id = (SELECT max(id) FROM definitions)";
    assert_eq!(database.change(damaged, &[]), 1);
    drop(database);
    home.run(&["deliver"]).await;
    let failed = home.run(&["outbox", "--state", "failed", "--json"]).await;
    let failed: Value = serde_json::from_slice(&failed.stdout).expect("JSON");
    let number = failed[0]["edition"].to_string();
    let shown = home.run(&["outbox", "show", &number]).await;
    assert!(shown.status.success(), "{}", said(&shown));
    for part in
        ["@example.org, <", ": failed", "  permanent  render: ", "it can't be made: the database holds a definition"]
    {
        assert!(said(&shown).contains(part), "{part}: {}", said(&shown));
    }
    let nobody = home.run(&["outbox", "show", "77"]).await;
    assert!(!nobody.status.success() && said(&nobody).contains("there is no mail 77"), "{}", said(&nobody));
}

#[tokio::test]
async fn status_says_what_is_held_back_why_and_until_when() {
    let (home, _site, smtp) = home(5).await;
    let delivered = home.run(&["--set", "pacing.per_day=2", "deliver"]).await;
    assert!(said(&delivered).contains("some are held back, the first until "), "{}", said(&delivered));
    assert_eq!(smtp.mails().len(), 2);
    let status = said(&home.run(&["--set", "pacing.per_day=2", "status"]).await);
    assert!(status.contains("everything: 3 mails wait until ") && status.contains("[pacing]"), "{status}");

    smtp.will("rcpt", Act::Say("550 5.7.26 <reader@example.org>: unauthenticated"));
    home.run(&["--set", "smtp.connections=1", "deliver"]).await;
    let status = said(&home.run(&["status"]).await);
    assert!(status.contains("example.org: 2 mails wait until "), "{status}");
    assert!(
        status.contains("refused because of our configuration or reputation: body: 550")
            || status.contains("reputation: rcpt: 550 5.7.26")
    );
    let json = home.run(&["status", "--json"]).await;
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((&json["held"][0]["cause"], &json["held"][0]["mails"]), (&"refused".into(), &2.into()));
}

#[tokio::test]
async fn a_run_that_ends_by_itself_waits_for_a_limit_of_seconds() {
    let (home, _site, smtp) = home(5).await;
    let delivered = home.run(&["--set", "pacing.rate=2/s", "deliver"]).await;
    assert!(delivered.status.success(), "{}", said(&delivered));
    assert_eq!(smtp.mails().len(), 5, "{}", said(&delivered));
}

/// A minute: that long a mail waits before it is tried for the second time.
#[tokio::test]
async fn a_run_that_ends_by_itself_waits_for_a_greylist() {
    let (home, _site, smtp) = home(2).await;
    smtp.will("rcpt", Act::Say("450 4.2.0 greylisted, come again"));
    let delivered = home.run(&["deliver"]).await;
    assert!(delivered.status.success(), "{}", said(&delivered));
    assert_eq!(smtp.mails().len(), 2);
    assert!(said(&delivered).contains("sent 2 mails"), "{}", said(&delivered));
    assert!(!said(&delivered).contains("could not be sent"), "{}", said(&delivered));
}
