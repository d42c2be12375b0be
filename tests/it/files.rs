//! Subscription files with faults in them, files that shrink, and files that change under a daemon.

use crate::process::{Home, said, until};
use crate::site::{Site, day, paper};
use crate::smtp::SmtpServer;
use crate::world::World;
use paperpost::clock::Clock;

fn block(name: &str, more: &str) -> String {
    format!("[[subscription]]\nemail = \"{name}@example.org\"\nkeywords = [\"retrieval\"]\n{more}\n")
}

fn blocks(names: &[&str]) -> String {
    names.iter().map(|name| block(name, "")).collect()
}

const SIX: [&str; 6] = ["ada", "bob", "cyd", "dee", "eve", "fay"];

/// Six subscribers who have had their first edition, on the evening before another paper comes.
async fn six() -> World {
    let world = World::new().await;
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    world.take_in(&blocks(&SIX));
    world.once().await;
    assert_eq!(world.smtp.mails().len(), SIX.len());
    world.at("2026-11-24 12:00");
    world.site.list(day("2026-11-24"), paper("2611.00002", "Retrieval again"));
    world
}

/// Who has had the second paper.
fn served(world: &World) -> Vec<&'static str> {
    let has = |name: &&str| world.inbox(&format!("{name}@example.org")).contains(&"Retrieval again".to_owned());
    SIX.into_iter().filter(has).collect()
}

#[tokio::test]
async fn a_typo_harms_its_owner_only() {
    let world = six().await;
    let text = blocks(&["ada", "dee", "eve", "fay"])
        + &block("bob", "keyword = [\"speech\"]")
        + &block("cyd", "max_papers = 0\npaused = true");
    let report = world.take_in(&text);
    assert_eq!((report.errors.len(), report.kept, report.retired, report.held), (2, 2, 0, 0), "{report:?}");
    world.once().await;
    assert_eq!(served(&world), ["ada", "bob", "dee", "eve", "fay"], "bob as before, and cyd's pause is obeyed");
    let report = world.take_in(&blocks(&SIX));
    assert!(report.is_good() && report.changed == 1, "{report:?}");
    world.at("2026-11-25 12:00");
    world.once().await;
    assert_eq!(served(&world), SIX);
}

#[tokio::test]
async fn what_cannot_be_read_stays_as_it_was() {
    for (fault, name) in [
        ("[[subscription]]\nkeywords = [\"retrieval\"]\n", "no address"),
        ("[[subscription]]\nemail = \"cyd\"\n", "half an address"),
        ("[[subscripton]]\nemail = \"cyd@example.org\"\n", "a misspelt table"),
        ("[[subscription]]\nemail = \n", "no TOML"),
    ] {
        let world = six().await;
        let report = world.take_in(&format!("{}{fault}", blocks(&["ada", "bob"])));
        assert_eq!(
            (report.errors.len(), report.kept, report.retired, report.held),
            match name {
                "no TOML" => (1, 6, 0, 0),
                _ => (1, 4, 0, 0),
            },
            "{name}: {report:?}"
        );
        world.once().await;
        assert_eq!(served(&world), SIX, "{name}");
        let report = world.take_in(&blocks(&SIX[..4]));
        assert_eq!((report.retired, report.errors.len()), (2, 0), "{name}: mended, and two have left");
    }
}

#[tokio::test]
async fn a_file_that_shrinks_holds_its_subscribers_and_they_lose_nothing() {
    let world = six().await;
    world.scrape().await;
    world.publish();
    // Their mails are queued, and the file is saved half-way, with a new subscriber in it.
    let report = world.take_in(&blocks(&["ada", "new"]));
    assert_eq!((report.added, report.held, report.retired), (1, 5, 0), "{report:?}");
    world.once().await;
    assert_eq!(served(&world), ["ada"], "who is held gets nothing, not even what was queued");
    assert_eq!(world.inbox("new@example.org").len(), 2, "what else has changed takes effect");
    world.at("2026-11-25 12:00");
    // Held is held, however many others come.
    let others: Vec<String> = (0..20).map(|number| format!("r{number}")).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    assert_eq!(world.take_in(&blocks(&[&["ada", "new"], &others[..]].concat())).held, 5);
    let report = world.take_in(&blocks(&[&["new"], &SIX[..], &others[..]].concat()));
    assert_eq!((report.changed, report.held), (5, 0), "{report:?}");
    world.once().await;
    assert_eq!(served(&world), SIX);
    assert_eq!(world.inbox("bob@example.org"), ["Retrieval at scale", "Retrieval again"], "each once");
}

#[tokio::test]
async fn who_comes_back_has_lost_nothing() {
    let world = six().await;
    assert_eq!(world.take_in(&blocks(&SIX[..4])).retired, 2, "two are few");
    world.once().await;
    world.at("2026-11-29 12:00");
    world.take_in(&blocks(&SIX));
    world.once().await;
    assert_eq!(served(&world), SIX);
    assert_eq!(world.inbox("fay@example.org"), ["Retrieval at scale", "Retrieval again"]);
}

/// A home with six subscribers whose files were taken in, and whose next slot doesn't come while a test runs.
async fn home() -> (Home, Site, SmtpServer) {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
    let home = Home::new(&site, &smtp, &lasting(&SIX));
    assert!(home.run(&["once"]).await.status.success());
    assert_eq!(smtp.mails().len(), SIX.len());
    (home, site, smtp)
}

fn lasting(names: &[&str]) -> String {
    names.iter().map(|name| block(name, "schedule = \"0 8 29 2 *\"\n")).collect()
}

#[tokio::test]
async fn every_command_that_reads_the_files_tells_what_is_wrong_and_ends_with_1() {
    let (home, _site, _smtp) = home().await;
    home.write("subscriptions.toml", &lasting(&SIX).replacen("keywords", "keyword", 1));
    for arguments in [
        &["check"][..],
        &["once"],
        &["publish"],
        &["deliver"],
        &["status"],
        &["list"],
        &["preview", "bob@example.org"],
        &["preview", "ada@example.org"],
        &["explain", "ada@example.org"],
    ] {
        let output = home.run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains("keyword"), "{arguments:?}: {}", said(&output));
    }
    assert!(said(&home.run(&["list"]).await).contains("its entry in the file is wrong"));
    let preview = home.run(&["preview", "ada@example.org"]).await;
    assert!(said(&preview).contains("what was right before"), "{}", said(&preview));
}

#[tokio::test]
async fn removals_are_accepted_for_the_file_that_was_meant() {
    let (home, _site, _smtp) = home().await;
    home.write("subscriptions.toml", "");
    let check = home.run(&["check"]).await;
    assert_eq!(check.status.code(), Some(1));
    assert!(said(&check).contains("6 subscribers are missing"), "{}", said(&check));
    for arguments in
        [&["once"][..], &["status"], &["list"], &["preview", "ada@example.org"], &["explain", "bob@example.org"]]
    {
        let output = home.run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains("--accept-removals"), "{arguments:?}: {}", said(&output));
    }
    assert!(said(&home.run(&["list"]).await).contains("none: held"));
    let explained = said(&home.run(&["explain", "ada@example.org"]).await);
    assert!(explained.contains("missing from its file, and held") && !explained.contains("paused"), "{explained}");
    let accepted = home.run(&["reload", "--accept-removals"]).await;
    assert!(accepted.status.success() && said(&accepted).contains("noted"), "{}", said(&accepted));
    // The file is another one by then.
    home.write("subscriptions.toml", &lasting(&SIX[..1]));
    let once = home.run(&["once"]).await;
    assert!(once.status.code() == Some(1) && said(&once).contains("5 subscribers are missing"), "{}", said(&once));
    assert!(home.run(&["reload", "--accept-removals"]).await.status.success());
    let once = home.run(&["once"]).await;
    assert!(once.status.success(), "{}", said(&once));
    assert!(home.run(&["status"]).await.status.success());
}

#[tokio::test]
async fn removing_many_by_command_holds_nobody() {
    let (home, _site, _smtp) = home().await;
    for name in &SIX[..5] {
        let gone = home.run(&["unsubscribe", &format!("{name}@example.org")]).await;
        assert!(gone.status.success(), "{}", said(&gone));
    }
    let once = home.run(&["once"]).await;
    assert!(once.status.success(), "{}", said(&once));
    assert_eq!(said(&home.run(&["list", "--json"]).await).matches("\"listed\":true").count(), 1);
}

#[tokio::test]
async fn list_and_status_say_what_the_file_says_and_what_is_in_force() {
    let (home, _site, _smtp) = home().await;
    let added = home.run(&["subscribe", "grace@example.org", "retrieval"]).await;
    assert!(added.status.success(), "{}", said(&added));
    for part in ["the first digest would bring 1 of 1 paper since ", "Retrieval at scale", "no daemon is running"] {
        assert!(said(&added).contains(part), "{part}: {}", said(&added));
    }
    assert!(home.run(&["pause", "ada@example.org"]).await.status.success());
    home.write("subscriptions.toml", &home.read("subscriptions.toml").replacen(&lasting(&["fay"]), "", 1));
    let list = said(&home.run(&["list"]).await);
    for part in [
        "grace@example.org\n  next: none: in the file, and not taken in yet",
        "ada@example.org\n  next: none: paused in the file",
        "the file pauses it, which is not taken in yet",
        "fay@example.org\n  next: none: no longer in the file",
        "the file no longer has it, which is not taken in yet",
        "7 subscribers",
    ] {
        assert!(list.contains(part), "{part}: {list}");
    }
    let status = said(&home.run(&["status"]).await);
    for part in
        ["changed since it was taken in", "1 in the files", "1 changed in the files", "1 no longer in the files"]
    {
        assert!(status.contains(part), "{part}: {status}");
    }
    assert!(home.run(&["once"]).await.status.success());
    let list: serde_json::Value = serde_json::from_slice(&home.run(&["list", "--json"]).await.stdout).expect("JSON");
    let of = |name: &str| {
        let address = format!("{name}@example.org");
        list.as_array().expect("a list").iter().find(|row| row["address"] == address.as_str()).expect("a row").clone()
    };
    assert!(of("ada")["next"].is_null() && of("fay")["next"].is_null(), "paused, and no longer listed: {list}");
    assert!(of("bob")["next"].is_string() && of("bob")["file"].is_null(), "{list}");
    let preview = home.run(&["preview", "ada@example.org"]).await;
    assert!(said(&preview).contains("is paused"), "{}", said(&preview));
}

#[tokio::test]
async fn a_known_address_is_changed_by_edit() {
    let (home, _site, _smtp) = home().await;
    let again = home.run(&["subscribe", "ADA@example.org", "speech"]).await;
    assert!(!again.status.success() && said(&again).contains("paperpost edit"), "{}", said(&again));
    let arguments = [
        "edit",
        "ada@example.org",
        "--add",
        "speech",
        "--remove",
        "retrieval",
        "--exclude",
        "survey",
        "--max-papers",
        "7",
        "--schedule",
        "weekly on mon at 08:00",
        "--zone",
        "Europe/Paris",
    ];
    let edited = home.run(&arguments).await;
    assert!(
        edited.status.success() && said(&edited).contains("none of 1 paper would be in the next digest"),
        "{}",
        said(&edited)
    );
    let text = home.read("subscriptions.toml");
    let ada = &text[..text.find("bob").expect("bob")];
    for line in ["keywords = [\"speech\"]", "exclude = [\"survey\"]", "max_papers = 7", "zone = \"Europe/Paris\""] {
        assert!(ada.contains(line), "{line}: {ada}");
    }
    assert!(home.run(&["check"]).await.status.success());
    for (arguments, part) in [
        (&["edit", "ada@example.org"][..], "say what to change"),
        (&["edit", "ada@example.org", "--max-papers", "0"], "max_papers"),
        (&["edit", "ada@example.org", "--remove", "nothing"], "nothing"),
        (&["edit", "nobody@example.org", "--add", "speech"], "not subscribed"),
    ] {
        let refused = home.run(arguments).await;
        assert!(refused.status.code() == Some(1) && said(&refused).contains(part), "{}", said(&refused));
    }
    assert_eq!(home.read("subscriptions.toml"), text);
    let unset = home.run(&["edit", "ada@example.org", "--unset", "max_papers", "--unset", "zone"]).await;
    assert!(unset.status.success(), "{}", said(&unset));
    assert_eq!(
        home.read("subscriptions.toml"),
        text.replace("max_papers = 7\n", "").replace("zone = \"Europe/Paris\"\n", "")
    );
    let again = home.run(&["edit", "ada@example.org", "--unset", "zone"]).await;
    assert!(said(&again).contains("no zone of its own"), "{}", said(&again));
    let unknown = home.run(&["edit", "ada@example.org", "--unset", "keywords"]).await;
    assert!(said(&unknown).contains("possible values: name, schedule"), "{}", said(&unknown));
}

#[tokio::test]
async fn a_daemon_takes_in_changed_files_by_itself_and_answers_requests() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
    let home = Home::new(&site, &smtp, &lasting(&["ada"]));
    let mut daemon = home.daemon("log");
    until("the first edition is sent", || smtp.mails().len() == 1).await;

    // As editors save: another file takes the place of the old one.
    home.write("edited", &lasting(&["ada", "bob"]));
    std::fs::rename(home.path("edited"), home.path("subscriptions.toml")).expect("renamed");
    until("the new subscriber has an edition", || smtp.mails().len() == 2).await;
    assert!(home.read("log").contains("the subscription files have changed"), "{}", home.read("log"));

    home.write("subscriptions.toml", "[[subscription]]\nemail = ");
    until("the fault is logged", || home.read("log").contains("stays as it was until it is mended")).await;
    let status = home.run(&["status", "--json"]).await;
    assert_eq!(status.status.code(), Some(1));
    assert!(said(&status).contains("1 error"), "{}", said(&status));
    let reload = home.run(&["reload"]).await;
    assert!(reload.status.code() == Some(1) && said(&reload).contains("not TOML"), "{}", said(&reload));

    home.write("subscriptions.toml", &lasting(&["ada", "bob"]));
    let reload = home.run(&["reload"]).await;
    assert!(reload.status.success() && said(&reload).contains("2 subscriptions are in force"), "{}", said(&reload));
    let added = home.run(&["subscribe", "cyd@example.org", "retrieval"]).await;
    assert!(said(&added).contains("the daemon has taken it in"), "{}", said(&added));
    until("the third subscriber has an edition", || smtp.mails().len() == 3).await;

    home.write("subscriptions.toml", "");
    let reload = home.run(&["reload"]).await;
    assert!(
        reload.status.code() == Some(1) && said(&reload).contains("3 subscribers are missing"),
        "{}",
        said(&reload)
    );
    let reload = home.run(&["reload", "--accept-removals"]).await;
    assert!(reload.status.success() && said(&reload).contains("3 removed"), "{}", said(&reload));

    daemon.signal("-TERM");
    assert_eq!(daemon.ended().await, Some(0));
    let reload = home.run(&["reload"]).await;
    assert!(reload.status.code() == Some(1) && said(&reload).contains("no daemon is running"), "{}", said(&reload));
}

/// Starts a command line in a terminal of its own, which hangs up when what is returned is killed.
fn in_terminal(home: &Home, line: &str) -> std::process::Child {
    let mut terminal = std::process::Command::new("script");
    terminal.args(["--quiet", "--return", "--command", line, "typescript"]);
    terminal.current_dir(home.path("")).env("HOME", home.path("")).env("SHELL", "/bin/sh");
    terminal.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    terminal.spawn().expect("script, of util-linux")
}

#[tokio::test]
async fn the_end_of_its_terminal_ends_a_run() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
    let home = Home::new(&site, &smtp, &lasting(&["ada"]));
    let mut terminal = in_terminal(&home, &format!("exec {} run", env!("CARGO_BIN_EXE_paperpost")));
    until("the first edition is sent", || smtp.mails().len() == 1).await;
    terminal.kill().expect("killed");
    terminal.wait().expect("a child");
    assert!(ends(&home).await, "it goes on without its terminal");
}

/// Whether the daemon ends soon: then the lock is free.
async fn ends(home: &Home) -> bool {
    for _ in 0..300 {
        if home.run(&["deliver"]).await.status.success() {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn what_nohup_began_outlives_its_terminal() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
    let home = Home::new(&site, &smtp, &lasting(&["ada"]));
    let mut terminal = in_terminal(&home, &format!("exec nohup {} run", env!("CARGO_BIN_EXE_paperpost")));
    until("the first edition is sent", || smtp.mails().len() == 1).await;
    terminal.kill().expect("killed");
    terminal.wait().expect("a child");
    home.write("subscriptions.toml", &lasting(&["ada", "bob"]));
    until("the new subscriber has an edition", || smtp.mails().len() == 2).await;
    let process = home.read("p.db.lock");
    let stopped = std::process::Command::new("kill").arg(process.trim()).status().expect("kill");
    assert!(stopped.success());
    assert!(ends(&home).await, "it does not stop");
}

#[tokio::test]
async fn what_subscribe_says_of_the_first_digest_is_what_it_brings() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    let today = Clock::System.now().date_naive();
    for (number, days, upvotes) in [(1, 0, 9), (2, 1, 30), (3, 3, 20), (4, 5, 2), (5, 6, 12), (6, 9, 40)] {
        let mut entry = paper(&format!("2611.{number:05}"), &format!("Retrieval {number}"));
        entry.upvotes = upvotes;
        site.list(today - chrono::Days::new(days), entry);
    }
    let home = Home::new(&site, &smtp, "");
    assert!(home.run(&["scrape"]).await.status.success());
    let told = home
        .run(&[
            "subscribe",
            "ada@example.org",
            "retrieval",
            "--min-upvotes",
            "5",
            "--max-papers",
            "2",
            "--exclude",
            "robots",
        ])
        .await;
    for part in [
        "the first digest would bring 2 of ",
        ", and count 2 more that match, the best:",
        "\n  Retrieval 2\n",
        "\n  Retrieval 3\n",
    ] {
        assert!(said(&told).contains(part), "{part}: {}", said(&told));
    }
    home.run(&["once"]).await;
    let text = String::from_utf8(smtp.mails()[0].bytes.clone()).expect("a mail").replace("=\r\n", "");
    for (part, is_there) in [
        ("Retrieval 2", true),
        ("Retrieval 3", true),
        ("Retrieval 1\r\n", false),
        ("2 more papers of these days", true),
    ] {
        assert_eq!(text.contains(part), is_there, "{part}: {text}");
    }
    let nothing = home.run(&["subscribe", "bob@example.org", "oceanography"]).await;
    assert!(said(&nothing).contains("would be in the first digest; `paperpost try"), "{}", said(&nothing));
}
