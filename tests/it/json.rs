//! What scripts read: every command that tells something tells it as JSON too, and status says when a person is needed.

use serde_json::Value;

use crate::process::{Home, said};
use crate::site::{Fault, Site, paper};
use crate::smtp::{Act, SmtpServer};
use paperpost::clock::Clock;

const ADA: &str =
    "[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"retrieval\"]\nschedule = \"0 8 29 2 *\"\n";

async fn home() -> (Home, Site, SmtpServer) {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
    (Home::new(&site, &smtp, ADA), site, smtp)
}

/// The exit code and the one line of JSON that was printed.
async fn json(home: &Home, arguments: &[&str]) -> (i32, Value) {
    let output = home.run(arguments).await;
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    assert_eq!(text.lines().count(), 1, "{arguments:?}: {}", said(&output));
    (output.status.code().expect("a code"), serde_json::from_str(&text).expect("JSON"))
}

#[tokio::test]
async fn what_was_done_is_told_as_one_object() {
    let (home, _site, smtp) = home().await;
    let (code, once) = json(&home, &["once", "--json"]).await;
    assert_eq!((code, smtp.mails().len()), (0, 1), "{once}");
    assert_eq!(once["ok"], true);
    assert_eq!((&once["sources"][0]["source"], &once["sources"][0]["added"]), (&"huggingface".into(), &1.into()));
    assert_eq!((&once["published"]["mails"], &once["delivered"]["sent"]), (&1.into(), &1.into()), "{once}");
    let (_, scrape) = json(&home, &["scrape", "--json"]).await;
    assert_eq!(scrape["sources"][0]["unchanged"], 1, "{scrape}");
    let (_, publish) = json(&home, &["publish", "--json"]).await;
    assert_eq!(publish["published"]["editions"], 0, "{publish}");
    let (_, deliver) = json(&home, &["deliver", "--json"]).await;
    assert_eq!(deliver["delivered"]["sent"], 0, "{deliver}");
}

#[tokio::test]
async fn what_went_wrong_is_told_as_json_too() {
    let (home, site, _smtp) = home().await;
    site.fail("/", Fault::Status(503));
    let (code, once) = json(&home, &["once", "--json"]).await;
    assert_eq!(
        (code, &once["ok"], &once["published"]["waits_for_sources"]),
        (1, &false.into(), &true.into()),
        "{once}"
    );
    assert!(once["sources"][0]["message"].as_str().is_some_and(|text| text.contains("503")), "{once}");
    home.write("subscriptions.toml", "[[subscription]]\nemail = \"ada\"\nkeywords = [\"rag\"]\n");
    let (code, check) = json(&home, &["check", "--json"]).await;
    assert_eq!((code, &check["ok"]), (1, &false.into()));
    let problems = check["problems"].as_array().expect("a list");
    let problem = problems.iter().find(|problem| problem["severity"] == "error").expect("an error");
    assert_eq!((&problem["severity"], &problem["line"], &problem["column"]), (&"error".into(), &2.into(), &9.into()));
    assert!(problem["file"].as_str().is_some_and(|file| file.ends_with("subscriptions.toml")), "{check}");
}

#[tokio::test]
async fn what_is_shown_is_told_as_json_too() {
    let (home, _site, _smtp) = home().await;
    let (code, check) = json(&home, &["check", "--json"]).await;
    assert_eq!((code, &check["ok"], &check["subscriptions"]), (0, &true.into(), &1.into()), "{check}");
    assert!(home.run(&["scrape"]).await.status.success());
    let (_, preview) = json(&home, &["preview", "ada@example.org", "--json"]).await;
    assert_eq!(preview["sections"][0]["papers"][0]["key"], "arxiv:2611.00001", "{preview}");
    assert!(preview["subject"].as_str().is_some_and(|subject| subject.contains("Retrieval at scale")), "{preview}");
    let (_, tried) = json(&home, &["try", "retrieval", "--json"]).await;
    assert_eq!((&tried["papers"], &tried["matching"]), (&1.into(), &1.into()), "{tried}");
    assert_eq!(tried["listed"][0]["title"], "Retrieval at scale");
    assert!(home.run(&["once"]).await.status.success());
    let (_, edition) = json(&home, &["explain", "ada@example.org", "--json"]).await;
    assert_eq!(edition["last"]["sections"][0]["fates"][0]["fate"], "sent", "{edition}");
    let (_, paper) = json(&home, &["explain", "ada@example.org", "2611.00001", "--json"]).await;
    assert_eq!((&paper["outlook"], &paper["appearances"][0]["role"]), (&"sent".into(), &"sent".into()), "{paper}");
    let (code, unknown) = json(&home, &["explain", "ada@example.org", "2611.99999", "--json"]).await;
    assert_eq!((code, &unknown["ok"]), (1, &false.into()), "{unknown}");
}

#[tokio::test]
async fn status_check_ends_with_one_when_something_needs_a_person_and_says_what() {
    let (home, site, smtp) = home().await;
    let code = async |home: &Home| {
        let (checked, status) = json(home, &["status", "--json", "--check"]).await;
        assert_eq!(home.run(&["status"]).await.status.code(), Some(0));
        (checked, status["needs_a_person"].to_string())
    };
    assert_eq!(home.run(&["status", "--check"]).await.status.code(), Some(1), "nothing ever ran");
    assert!(home.run(&["once"]).await.status.success());
    assert_eq!(code(&home).await, (0, "[]".to_owned()));
    // One failed read is no reason to wake anybody; three are.
    site.fail("/", Fault::Status(503));
    for (reads, expected) in [(1, 0), (2, 1)] {
        for _ in 0..reads {
            home.run(&["scrape"]).await;
        }
        let (code, needed) = code(&home).await;
        assert_eq!((code, needed.contains("could not be read 3 times")), (expected, expected == 1), "{needed}");
    }
    site.mend();
    home.forget_hosts();
    assert!(home.run(&["scrape"]).await.status.success());
    assert_eq!(code(&home).await.0, 0);
    home.write("subscriptions.toml", &(ADA.to_owned() + &ADA.replace("ada@", "bob@")));
    smtp.will("rcpt", Act::Say("552 5.2.2 mailbox full"));
    home.run(&["once"]).await;
    let (code, needed) = code(&home).await;
    assert!(code == 1 && needed.contains("1 mail failed of late"), "{needed}");
}

#[tokio::test]
async fn a_time_that_is_not_known_is_null_and_what_was_sent_says_when_and_for_which_slot() {
    let (home, _site, _smtp) = home().await;
    // Nothing was read, so nothing is decided, and the first slot is yet to be found.
    assert!(home.run(&["publish"]).await.status.success());
    let (_, list) = json(&home, &["list", "--json"]).await;
    assert_eq!((&list[0]["next"], &list[0]["open"]), (&Value::Null, &true.into()), "{list}");
    let (_, status) = json(&home, &["status", "--json"]).await;
    assert_eq!(status["next"][0]["next"], Value::Null, "{status}");
    let shown = said(&home.run(&["list"]).await);
    assert!(shown.contains("next: found at the next publish"), "{shown}");
    assert!(home.run(&["once"]).await.status.success());
    let (_, list) = json(&home, &["list", "--json"]).await;
    assert!(list[0]["next"].is_string() && list[0]["last"]["sent"].is_string(), "{list}");
    let shown = said(&home.run(&["list"]).await);
    assert!(shown.contains("last: sent 20") && shown.contains(" UTC for the slot 20"), "{shown}");
    assert!(home.run(&["pause", "ada@example.org"]).await.status.success());
    home.run(&["publish"]).await;
    let (_, list) = json(&home, &["list", "--json"]).await;
    assert_eq!((&list[0]["next"], &list[0]["open"]), (&Value::Null, &false.into()), "{list}");
}
