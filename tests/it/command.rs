//! The command line as its users meet it, also when they use it wrongly.

use std::io::BufRead;

use crate::process::{Home, command_in, said, until};
use crate::site::{Fault, Site, paper};
use crate::smtp::{Act, Offer, SmtpServer};
use paperpost::clock::Clock;
use paperpost::core::server::Tls;

// The first edition comes at once; the next slot must not come while a test runs.
const ADA: &str = "# Our subscribers\n[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"retrieval\"]\n\
    schedule = \"0 8 29 2 *\"\n";

async fn home() -> (Home, Site, SmtpServer) {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
    (Home::new(&site, &smtp, ADA), site, smtp)
}

#[tokio::test]
async fn the_demo_needs_nothing_and_can_be_run_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = folder.path().join("paperpost-demo/notes.txt");
    for round in 0..2 {
        let mut command = tokio::process::Command::from(command_in(folder.path(), &["demo"]));
        let output = command.output().await.expect("the program");
        assert!(output.status.success(), "{}", said(&output));
        let told = said(&output);
        for part in ["8 added", "2 revised", "because it matches", "retrieval.eml"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        for mail in ["day-1/retrieval.eml", "day-1/retrieval.html", "day-2/theory.eml"] {
            assert!(folder.path().join("paperpost-demo").join(mail).is_file(), "{mail}");
        }
        assert!(round == 0 || other.is_file(), "what isn't the demo's stays");
        std::fs::write(&other, "mine").expect("written");
    }
    let list =
        command_in(folder.path(), &["--config", "paperpost-demo/paperpost.toml", "list"]).output().expect("list");
    assert!(said(&list).contains("theory@example.org") && said(&list).contains("4 subscribers"), "{}", said(&list));
}

#[tokio::test]
async fn check_reports_all_problems_at_once_with_their_places() {
    let (home, _site, _smtp) = home().await;
    let fine = home.run(&["check"]).await;
    assert!(fine.status.success() && said(&fine).contains("1 subscription"), "{}", said(&fine));
    home.write(
        "subscriptions.toml",
        "[[subscription]]\nemail = \"ada\"\nkeywords = [\"(retrieval AND rag\"]\nschedul = \"daily at 08:00\"\n\
         [[subscription]]\nemail = \"b@example.org\"\nkeywords = [\"x\"]\nzone = \"Europe/Berln\"\nschedule = \"99 * * * *\"\n\
         [[subscription]]\nemail = \"B@example.org\"\nkeywords = [\"x\"]\n",
    );
    let wrong = home.run(&["check"]).await;
    assert_eq!(wrong.status.code(), Some(1));
    let told = said(&wrong);
    for part in ["ada", "never closed", "schedule", "Europe/Berlin", "minute", "6 problems"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let once = home.run(&["once"]).await;
    assert_eq!(once.status.code(), Some(1));
    assert!(said(&once).contains("6 errors in the subscription files"), "{}", said(&once));
}

#[tokio::test]
async fn once_says_what_it_did_and_then_that_nothing_is_new() {
    let (home, _site, smtp) = home().await;
    let first = home.run(&["once"]).await;
    assert!(first.status.success(), "{}", said(&first));
    assert!(said(&first).contains("1 added") && said(&first).contains("sent 1 mail"), "{}", said(&first));
    let second = home.run(&["once"]).await;
    assert!(second.status.success() && said(&second).contains("no edition is due"), "{}", said(&second));
    assert_eq!(smtp.mails().len(), 1);
    let status = home.run(&["status", "--json"]).await;
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert_eq!(status["sources"][0]["outcome"], "fresh");
    assert_eq!(status["queue"]["counts"][0], serde_json::json!(["sent", 1]));
    let list = home.run(&["list", "--json"]).await;
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).expect("JSON");
    assert_eq!(list[0]["last"]["papers"], 1);
    assert!(said(&home.run(&["status"]).await).contains("1 sent"));
}

#[tokio::test]
async fn preview_shows_the_next_digest_and_moves_nothing() {
    let (home, _site, smtp) = home().await;
    let early = home.run(&["preview", "ada@example.org"]).await;
    assert!(!early.status.success() && said(&early).contains("paperpost scrape"), "{}", said(&early));
    assert!(home.run(&["scrape"]).await.status.success());
    for _ in 0..2 {
        let text = home.run(&["preview", "Ada@example.org"]).await;
        assert!(text.status.success() && said(&text).contains("Retrieval at scale"), "{}", said(&text));
    }
    let file = home.run(&["preview", "ada@example.org", "--format", "eml", "-o", "next.eml"]).await;
    assert!(file.status.success() && home.read("next.eml").contains("Subject: "), "{}", said(&file));
    let stranger = home.run(&["preview", "eve@example.org"]).await;
    assert!(!stranger.status.success() && said(&stranger).contains("not subscribed"));
    assert!(smtp.mails().is_empty());
    assert!(said(&home.run(&["once"]).await).contains("sent 1 mail"), "the preview used nothing up");
}

#[tokio::test]
async fn subscribing_and_unsubscribing_leave_the_rest_of_the_file_alone() {
    let (home, _site, _smtp) = home().await;
    let arguments = [
        &["subscribe", "grace@example.org", "\"state space\" OR mamba", "robot"][..],
        &["--zone", "Europe/Paris", "--since", "2026-11-01"],
    ]
    .concat();
    let added = home.run(&arguments).await;
    assert!(added.status.success(), "{}", said(&added));
    assert!(home.read("subscriptions.toml").contains("since = \"2026-11-01\""));
    assert!(home.read("subscriptions.toml").starts_with(ADA), "{}", home.read("subscriptions.toml"));
    assert!(home.run(&["check"]).await.status.success());
    let again = home.run(&arguments).await;
    assert!(!again.status.success() && said(&again).contains("already"), "{}", said(&again));
    let broken = home.run(&["subscribe", "eve@example.org", "(robot"]).await;
    assert!(!broken.status.success() && said(&broken).contains("this \"(\" is never closed"), "{}", said(&broken));
    assert!(home.run(&["unsubscribe", "GRACE@example.org"]).await.status.success());
    assert_eq!(home.read("subscriptions.toml"), ADA);
    assert!(!home.run(&["unsubscribe", "grace@example.org"]).await.status.success());
}

#[tokio::test]
async fn a_pause_by_command_changes_one_line_and_holds_until_it_is_ended() {
    let (home, _site, smtp) = home().await;
    let paused = home.run(&["pause", "ADA@example.org"]).await;
    assert!(paused.status.success() && said(&paused).contains("is paused"), "{}", said(&paused));
    let line = "email = \"ada@example.org\"\n";
    assert_eq!(home.read("subscriptions.toml"), ADA.replace(line, &format!("{line}paused = true\n")));
    assert!(said(&home.run(&["once"]).await).contains("no edition is due"));
    assert!(said(&home.run(&["list"]).await).contains("none: paused"));
    assert!(home.run(&["resume", "ada@example.org"]).await.status.success());
    assert!(home.run(&["once"]).await.status.success());
    assert_eq!(smtp.mails().len(), 1);
    for command in ["pause", "resume"] {
        let nobody = home.run(&[command, "eve@example.org"]).await;
        assert!(!nobody.status.success() && said(&nobody).contains("not subscribed"), "{}", said(&nobody));
    }
}

#[tokio::test]
async fn settings_on_the_command_line_count_on_both_sides_of_the_command() {
    let (home, _site, _smtp) = home().await;
    let (mails, agent) = ("mail.transport=files", "files.folder=out");
    let once = home.run(&["--set", mails, "once", "--set", agent]).await;
    assert!(once.status.success() && said(&once).contains("into the folder out"), "{}", said(&once));
}

#[tokio::test]
async fn check_tries_what_is_set_and_warns_of_what_will_not_do() {
    let (home, _site, _smtp) = home().await;
    home.write("encrypted.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n\n-----END ENCRYPTED PRIVATE KEY-----\n");
    home.write("subscriptions.toml", "");
    for (set, code, expected) in [
        (["dkim.rsa_selector=s", "dkim.rsa_key=nonsense"], 1, "dkim.rsa_key: no private key in PEM"),
        (["dkim.rsa_selector=s", "dkim.rsa_key_file=encrypted.pem"], 1, "dkim.rsa_key: the key is encrypted"),
        (["smtp.tls=implicit", "smtp.ca_file=encrypted.pem"], 1, "smtp.ca_file"),
        (["smtp.tls=starttls", "smtp.port=465"], 0, "servers speak smtp.tls = \"implicit\" on port 465"),
        (["mail.transport=sendmail", "sendmail.command=/nowhere/sendmail"], 0, "there is no /nowhere/sendmail"),
        (["bounces.maildir=nowhere", "mail.bounce=b@example.org"], 0, "has no folder `new`, so it is no Maildir"),
        (["bounces.maildir=nowhere", "log.level=info"], 0, "mail.bounce: is missing, so no bounce comes"),
        (["web.listen=127.0.0.1:8035", "log.level=info"], 0, "but no mail links to it"),
        (["smtp.host=mail.localhost", "log.level=info"], 0, "fine"),
    ] {
        let checked = home.run(&["check", "--set", set[0], "--set", set[1]]).await;
        assert!(
            checked.status.code() == Some(code) && said(&checked).contains(expected),
            "{set:?}: {}",
            said(&checked)
        );
    }
}

#[tokio::test]
async fn what_keygen_prints_can_be_put_into_the_settings_wherever_they_stand() {
    let (home, _site, _smtp) = home().await;
    std::fs::create_dir(home.path("etc")).expect("a folder");
    let settings = home.read("paperpost.toml") + "[subscriptions]\nfiles = []\n[dkim]\ndomain = \"mail.example.org\"\n";
    home.write("etc/paperpost.toml", &settings);
    let run = async |arguments: &[&str]| home.run(&[&["--config", "etc/paperpost.toml"], arguments].concat()).await;
    let bad = run(&["dkim", "keygen", "--selector", "r_2026"]).await;
    assert!(!bad.status.success() && said(&bad).contains("letters, digits"), "{}", said(&bad));
    let mut lines = settings;
    let mut records = Vec::new();
    for (kind, selector) in [("rsa", "r2026"), ("ed25519", "e \"2026\"")] {
        let file = format!("{selector}.pem");
        let selector = &selector.replace([' ', '"'], "");
        let made = run(&["dkim", "keygen", "--type", kind, "--selector", selector, "-o", &file]).await;
        assert!(made.status.success(), "{}", said(&made));
        let made = said(&made);
        lines.extend(made.lines().filter(|line| line.starts_with(kind)).flat_map(|line| [line, "\n"]));
        let record = made.lines().last().expect("a record").to_owned();
        assert!(record.starts_with(&format!("{selector}._domainkey.mail.example.org. IN TXT")), "{record}");
        records.push(record);
    }
    home.write("etc/paperpost.toml", &lines);
    let checked = run(&["check"]).await;
    assert!(said(&checked).contains("fine, 0 subscriptions") && checked.status.success(), "{}", said(&checked));
    assert_eq!(said(&run(&["dkim", "record"]).await).lines().collect::<Vec<_>>(), records);
}

#[tokio::test]
async fn the_daemon_warns_at_its_start_of_what_check_warns_of() {
    let (home, _site, _smtp) = home().await;
    let daemon = home.start(&["run", "--set", "smtp.tls=starttls", "--set", "smtp.port=465"], "log");
    until("the log warns", || home.read("log").contains("servers speak smtp.tls = \"implicit\" on port 465")).await;
    drop(daemon);
}

#[tokio::test]
async fn an_export_of_addresses_is_good_for_any_database_and_tells_who_is_not_in_it() {
    let (home, _site, _smtp) = home().await;
    assert!(home.run(&["once"]).await.status.success());
    for address in ["Ada@example.org", "bob@example.org"] {
        assert!(home.run(&["suppress", "add", address, "--reason", "bounced"]).await.status.success());
    }
    let exported = home.run(&["suppress", "export", "--addresses", "list.csv"]).await;
    assert!(exported.status.success() && said(&exported).contains("wrote 1 suppression"), "{}", said(&exported));
    assert!(said(&exported).contains("1 more is known by its hash alone"), "{}", said(&exported));
    let today = Clock::System.now().format("%Y-%m-%d");
    assert_eq!(home.read("list.csv"), format!("address,reason,date\nada@example.org,bounced,{today}\n"));
    let other = home.run(&["--set", "database.path=other.db", "suppress", "import", "list.csv"]).await;
    assert!(said(&other).contains("1 new suppression"), "{}", said(&other));
    let again = home.run(&["--set", "database.path=other.db", "suppress", "add", "ada@example.org"]).await;
    assert!(said(&again).contains("was suppressed already"), "{}", said(&again));
}

#[tokio::test]
async fn a_test_mail_tells_what_the_server_answered() {
    let (home, _site, smtp) = home().await;
    let sent = home.run(&["test-mail", "ada@example.org"]).await;
    assert!(sent.status.success() && said(&sent).contains("the answer: "), "{}", said(&sent));
    smtp.will("rcpt", Act::Say("550 5.7.1 relaying denied"));
    let refused = home.run(&["test-mail", "ada@example.org"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("5.7.1") && said(&refused).contains("relaying denied"), "{}", said(&refused));
    // As a digest's, the return path names somebody: nobody.
    home.run(&["test-mail", "ada@example.org", "--set", "mail.bounce=bounces@example.org"]).await;
    assert!(smtp.mails()[1].from.starts_with("MAIL FROM:<bounces+"), "{}", smtp.mails()[1].from);
    // Two that wait for each other to begin, two that begin at once, and one that nobody here vouches for.
    let stranger = SmtpServer::offering(Offer { tls: Tls::Implicit, ..Offer::default() }).await;
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let mute = mute.local_addr().expect("an address").port();
    for (port, more, expected) in [
        (mute, ["smtp.tls=none", "smtp.timeout=300ms"], "set smtp.tls to \"implicit\""),
        (smtp.port(), ["smtp.tls=implicit", "smtp.timeout=3s"], "set smtp.tls to \"starttls\""),
        (stranger.port(), ["smtp.tls=implicit", "smtp.timeout=3s"], "for an authority of your own, smtp.ca_file"),
    ] {
        let port = format!("smtp.port={port}");
        let failed =
            home.run(&["test-mail", "ada@example.org", "--set", &port, "--set", more[0], "--set", more[1]]).await;
        assert!(said(&failed).contains(expected), "{}", said(&failed));
    }
}

#[tokio::test]
async fn a_dead_server_or_source_is_named_and_costs_nothing() {
    let (home, site, smtp) = home().await;
    site.fail("/", Fault::Status(503));
    let blind = home.run(&["once"]).await;
    assert_eq!(blind.status.code(), Some(1));
    assert!(said(&blind).contains("503") && said(&blind).contains("no source could be read"), "{}", said(&blind));
    site.mend();
    home.forget_hosts();
    let settings = home.read("paperpost.toml");
    home.write("paperpost.toml", &settings.replace(&format!("port = {}", smtp.port()), "port = 1"));
    let mute = home.run(&["once"]).await;
    assert_eq!(mute.status.code(), Some(1));
    assert!(said(&mute).contains("nothing can be sent"), "{}", said(&mute));
    home.write("paperpost.toml", &settings);
    let outbox = home.run(&["outbox"]).await;
    assert!(said(&outbox).contains("queued") && said(&outbox).contains("connect"), "{}", said(&outbox));
}

#[tokio::test]
async fn failed_mails_are_listed_shown_and_retried() {
    let (home, _site, smtp) = home().await;
    smtp.will("rcpt", Act::Say("552 5.2.2 mailbox full"));
    assert_eq!(home.run(&["once"]).await.status.code(), Some(1));
    let failed = home.run(&["outbox", "--state", "failed", "--json"]).await;
    let failed: serde_json::Value = serde_json::from_slice(&failed.stdout).expect("JSON");
    let number = failed[0]["edition"].to_string();
    let shown = home.run(&["outbox", "show", &number]).await;
    assert!(said(&shown).contains("rcpt: 552 5.2.2"), "{}", said(&shown));
    assert!(home.run(&["outbox", "retry", &number]).await.status.success());
    assert!(home.run(&["deliver"]).await.status.success());
    assert_eq!(smtp.mails().len(), 1);
    assert!(!home.run(&["outbox", "retry", "--all"]).await.status.success(), "there is nothing to retry");
}

#[tokio::test]
async fn a_typing_error_in_the_settings_is_shown_with_its_cure() {
    let (home, _site, _smtp) = home().await;
    let settings = home.read("paperpost.toml").replace("transport =", "transprt =");
    home.write("paperpost.toml", &settings);
    for command in [&["once"][..], &["status"], &["check"]] {
        let output = home.run(command).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains("transport") && said(&output).contains("paperpost.toml:"), "{}", said(&output));
    }
    let flag = home.run(&["--set", "mail.transport=pigeon", "status"]).await;
    assert_eq!(flag.status.code(), Some(1));
    assert_eq!(home.run(&["stauts"]).await.status.code(), Some(2));
}

#[tokio::test]
async fn a_command_that_is_stopped_says_so_and_the_next_one_goes_on() {
    let (home, site, smtp) = home().await;
    for signal in ["-INT", "-TERM"] {
        site.fail("/", Fault::Stall);
        let asked = site.requests().len();
        let mut once = home.start(&["once"], "log");
        until("the source is asked", || site.requests().len() > asked).await;
        once.signal(signal);
        assert_eq!(once.ended().await, Some(1));
        assert!(home.read("log").contains("stopped before the end"), "{}", home.read("log"));
    }
    site.mend();
    assert!(home.run(&["once"]).await.status.success());
    assert_eq!(smtp.mails().len(), 1);
}

#[tokio::test]
async fn what_can_be_mended_is_said_with_its_cure() {
    let (home, _site, _smtp) = home().await;
    std::fs::remove_file(home.path("subscriptions.toml")).expect("removed");
    let nobody = home.run(&["--set", "smtp.port=25", "check"]).await;
    assert!(said(&nobody).contains("paperpost subscribe"), "{}", said(&nobody));
    for (arguments, cure) in
        [(["--zone", "Europe/Berln"], "Europe/Berlin"), (["--schedule", "dayly at 08:00"], "daily at 08:00")]
    {
        let wrong = home.run(&[&["subscribe", "ada@example.org", "retrieval"], &arguments[..]].concat()).await;
        assert!(!wrong.status.success() && said(&wrong).contains(cure), "{}", said(&wrong));
    }
    assert!(home.run(&["subscribe", "ada@example.org", "retrieval"]).await.status.success());
    assert!(home.run(&["once"]).await.status.success());
    let retry = home.run(&["outbox", "retry", "1"]).await;
    assert!(!retry.status.success() && said(&retry).contains("mail 1 has not failed"), "{}", said(&retry));
}

#[tokio::test]
async fn a_slow_mail_server_is_told_while_it_happens() {
    let (home, _site, smtp) = home().await;
    for command in [&["once"][..], &["test-mail", "ada@example.org"]] {
        smtp.will("body", Act::After(std::time::Duration::from_secs(6)));
        let output = home.run(command).await;
        assert!(output.status.success(), "{}", said(&output));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("still sending through 127.0.0.1:") && told.contains("(5 s)"), "{command:?}: {told}");
    }
}

#[tokio::test]
async fn a_wait_for_a_greylist_is_told_when_it_begins() {
    let (home, _site, smtp) = home().await;
    smtp.will("rcpt", Act::Say("450 4.2.0 greylisted"));
    let mut once = home.command(&["once"]).stderr(std::process::Stdio::piped()).spawn().expect("the program");
    let lines = std::io::BufReader::new(once.stderr.take().expect("its errors")).lines();
    let told = tokio::task::spawn_blocking(|| lines.map_while(Result::ok).find(|line| line.contains("waiting until")));
    let told = told.await.expect("no panic");
    once.kill().expect("killed");
    once.wait().expect("a child");
    assert!(told.is_some_and(|line| line.contains("put off by their servers")));
}

#[tokio::test]
async fn check_tells_of_schedules_that_are_hardly_meant_or_never_come_and_of_a_keyword_without_brackets() {
    let (home, _site, _smtp) = home().await;
    for (lines, code, part) in [
        ("keywords = [\"rag\"]\nschedule = \"*/90 8 * * *\"", 0, "`*/90` means only minute 0"),
        ("keywords = [\"rag\"]\nschedule = \"0 8 31 2 *\"", 1, "`0 8 31 2 *` never comes"),
        ("keywords = [\"rag\"]\nschedule = \"0 8 * * fri-sun\"", 0, "fine"),
        ("keywords = \"rag\"", 1, "write [\"rag\"]"),
        ("keywords = [\"rag\"]\nexclude = 'a \"b c\"'", 1, "write ['a \"b c\"']"),
    ] {
        home.write("subscriptions.toml", &format!("[[subscription]]\nemail = \"ada@example.org\"\n{lines}\n"));
        let checked = home.run(&["check"]).await;
        assert!(checked.status.code() == Some(code) && said(&checked).contains(part), "{lines}: {}", said(&checked));
    }
    let set = home.run(&["check", "--set", "digest.schedule=0 */5 * * *"]).await;
    assert!(said(&set).contains("digest.schedule: after hour 20"), "{}", said(&set));
}

#[tokio::test]
async fn a_key_that_finds_no_room_leaves_nothing_and_none_is_written_over() {
    let (home, _site, _smtp) = home().await;
    let keygen = ["dkim", "keygen", "--type", "ed25519", "--selector", "r", "--set", "dkim.domain=example.org"];
    let entries = || std::fs::read_dir(home.path("")).expect("the folder").count();
    let before = entries();
    let binary = home.command(&[]).get_program().to_owned();
    let mut full = tokio::process::Command::new("sh");
    full.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""]).arg(binary).args(keygen);
    let full = full.current_dir(home.path("")).output().await.expect("a shell");
    assert!(full.status.code() == Some(1) && said(&full).contains("can't write"), "{}", said(&full));
    assert_eq!(entries(), before, "no leftover");
    let made = home.run(&keygen).await;
    assert!(made.status.success(), "{}", said(&made));
    let key = home.read("dkim-r.pem");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(home.path("dkim-r.pem")).expect("the file").permissions(),
    );
    assert_eq!((key.lines().last(), mode & 0o777), (Some("-----END PRIVATE KEY-----"), 0o600));
    let again = home.run(&keygen).await;
    assert!(again.status.code() == Some(1) && said(&again).contains("exists"), "{}", said(&again));
    assert_eq!((home.read("dkim-r.pem"), entries()), (key, before + 1));
}
