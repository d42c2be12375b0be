//! The commands that change a subscriptions file, also two at a time.

use crate::process::{Home, command_in, said};
use crate::site::{Site, paper};
use crate::smtp::SmtpServer;
use paperpost::clock::Clock;

const ADA: &str = "# Our subscribers\n[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"retrieval\"]\n";

async fn home(subscriptions: &str) -> Home {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    Home::new(&site, &smtp, subscriptions)
}

/// Runs one command for each of `readers`, all at the same time.
fn all_at_once(home: &Home, readers: usize, arguments: impl Fn(&str) -> Vec<String>) {
    let mut children: Vec<_> = (0..readers)
        .map(|number| {
            let arguments = arguments(&format!("reader{number}@example.org"));
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let mut command = command_in(&home.path(""), &arguments);
            command.stdout(std::process::Stdio::null()).spawn().expect("the program")
        })
        .collect();
    for child in &mut children {
        assert!(child.wait().expect("a child").success());
    }
}

#[tokio::test]
async fn subscribing_many_at_the_same_time_loses_nobody() {
    // 100 rounds of 50 are for a person who wants to be sure: PAPERPOST_ROUNDS=100 PAPERPOST_READERS=50.
    let number = |name: &str, usual| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (rounds, readers) = (number("PAPERPOST_ROUNDS", 2), number("PAPERPOST_READERS", 20));
    let home = home(ADA).await;
    for round in 0..rounds {
        all_at_once(&home, readers, |reader| ["subscribe", reader, "rag"].map(str::to_owned).to_vec());
        let text = home.read("subscriptions.toml");
        let kept = (0..readers).filter(|number| text.contains(&format!("\"reader{number}@example.org\""))).count();
        assert_eq!(kept, readers, "round {round}: {text}");
        all_at_once(&home, readers, |reader| ["unsubscribe", reader].map(str::to_owned).to_vec());
        assert_eq!(home.read("subscriptions.toml"), ADA, "round {round}");
    }
    let hidden = std::fs::read_dir(home.path("")).expect("the folder").filter(|entry| {
        entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(".subscriptions"))
    });
    assert_eq!(hidden.count(), 0, "no leftover");
}

#[tokio::test]
async fn a_change_that_would_make_the_file_wrong_is_refused_and_changes_nothing() {
    let home = home(ADA).await;
    home.write("more.toml", "[[subscription]]\nemail = \"bob@example.org\"\nkeywords = [\"rag\"]\n");
    home.write(
        "paperpost.toml",
        &format!("[subscriptions]\nfiles = [\"subscriptions.toml\", \"more.toml\"]\n{}", home.read("paperpost.toml")),
    );
    let file = ["--file", "subscriptions.toml"];
    for (arguments, part) in [
        (["subscribe", "grace@example.org", "rag", "--max-papers", "0"], "max_papers"),
        (["subscribe", "grace@example.org", "rag", "--name", "Grace\nHopper"], "name"),
        (["subscribe", "grace@example.org", "rag", "--min-upvotes", "4000000"], "min_upvotes"),
        (["subscribe", "bob@example.org", "rag", "--max-papers", "3"], "is subscribed already"),
    ] {
        let refused = home.run(&[&arguments[..], &file[..]].concat()).await;
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
        assert!(said(&refused).contains(part), "{part}: {}", said(&refused));
        assert_eq!(home.read("subscriptions.toml"), ADA);
    }
    assert!(home.run(&["check"]).await.status.success());
    // A file that can't even be read keeps nobody of another one from a change.
    home.write("subscriptions.toml", "[[subscription]]\nemail = ");
    let paused = home.run(&["pause", "bob@example.org"]).await;
    assert!(paused.status.success() && home.read("more.toml").contains("paused = true"), "{}", said(&paused));
    let absent = home.run(&["pause", "ada@example.org"]).await;
    assert!(!absent.status.success() && said(&absent).contains("not TOML"), "{}", said(&absent));
}

#[tokio::test]
async fn a_fault_of_one_subscriber_keeps_nobody_else_from_a_change() {
    let home = home(&format!("{ADA}\n[[subscription]]\nemail = \"bob@example.org\"\nkeyword = [\"rag\"]\n")).await;
    for arguments in [&["pause", "ada@example.org"][..], &["subscribe", "eve@example.org", "rag"]] {
        let changed = home.run(arguments).await;
        assert!(changed.status.success(), "{}", said(&changed));
    }
    let wrong = home.run(&["check"]).await;
    assert!(said(&wrong).contains("keyword") && said(&wrong).contains("1 problem"), "{}", said(&wrong));
}

#[tokio::test]
async fn whatever_edit_takes_out_it_can_set_and_not_both_at_once() {
    let home = home(ADA).await;
    for (option, value, key) in [
        ("--name", "Ada", "name"),
        ("--schedule", "@daily", "schedule"),
        ("--zone", "Asia/Tokyo", "zone"),
        ("--since", "2026-11-01", "since"),
        ("--when-empty", "note", "when_empty"),
        ("--exclude", "survey", "exclude"),
        ("--must", "speech", "must"),
        ("--min-upvotes", "3", "min_upvotes"),
        ("--sources", "huggingface", "sources"),
        ("--max-papers", "7", "max_papers"),
        ("--rank", "newest", "rank"),
    ] {
        let both = home.run(&["edit", "ada@example.org", option, value, "--unset", key]).await;
        assert!(!both.status.success() && said(&both).contains("contradicts"), "{key}: {}", said(&both));
        assert_eq!(home.read("subscriptions.toml"), ADA, "{key}");
        let set = home.run(&["edit", "ada@example.org", option, value]).await;
        assert!(set.status.success(), "{}", said(&set));
        let text = home.read("subscriptions.toml");
        assert!(text.lines().any(|line| line.starts_with(&format!("{key} = ")) && line.contains(value)), "{text}");
        let unset = home.run(&["edit", "ada@example.org", "--unset", key]).await;
        assert!(unset.status.success() && home.read("subscriptions.toml") == ADA, "{key}: {}", said(&unset));
        let new = home.run(&["subscribe", "bob@example.org", "rag", option, value]).await;
        assert!(
            new.status.success() && home.read("subscriptions.toml").contains(&format!("\n{key} = ")),
            "{}",
            said(&new)
        );
        assert!(home.run(&["unsubscribe", "bob@example.org"]).await.status.success());
    }
    let unknown = home.run(&["edit", "ada@example.org", "--sources", "nowhere"]).await;
    assert!(!unknown.status.success() && said(&unknown).contains("nowhere"), "{}", said(&unknown));
    assert_eq!(home.read("subscriptions.toml"), ADA);
}

#[tokio::test]
async fn a_file_that_the_settings_do_not_read_is_not_written() {
    let home = home(ADA).await;
    let settings = home.read("paperpost.toml");
    let read = |files: &str| home.write("paperpost.toml", &format!("[subscriptions]\nfiles = {files}\n{settings}"));
    read(r#"["subscriptions.toml", "more/*.toml"]"#);
    std::fs::create_dir(home.path("more")).expect("a folder");
    home.write("more/lab.toml", "");
    home.write("other.toml", ADA);
    for command in [
        ["subscribe", "bob@example.org", "rag"].as_slice(),
        &["edit", "ada@example.org", "--add", "rag"],
        &["pause", "ada@example.org"],
        &["unsubscribe", "ada@example.org"],
    ] {
        for file in ["other.toml", "more/.hidden.toml", "more/deeper/a.toml", "nowhere/a.toml"] {
            let refused = home.run(&[command, &["--file", file]].concat()).await;
            let told = said(&refused);
            assert!(!refused.status.success() && told.contains("nobody would read it"), "{command:?} {file}: {told}");
        }
    }
    assert_eq!(home.read("other.toml"), ADA);
    // A pattern is for files to come too, and a path may be written in another way.
    std::os::unix::fs::symlink(home.path(""), home.path("more/up")).expect("a link");
    for (reader, file) in [("bob", "more/new.toml"), ("cyd", "./more/lab.toml"), ("dee", "more/up/subscriptions.toml")]
    {
        let added = home.run(&["subscribe", &format!("{reader}@example.org"), "rag", "--file", file]).await;
        assert!(added.status.success() && home.read(file).contains(reader), "{file}: {}", said(&added));
    }
    assert!(said(&home.run(&["check"]).await).contains("fine, 4 subscriptions"));
}

#[tokio::test]
async fn a_first_day_that_is_yet_to_come_is_said() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
    let home = Home::new(&site, &smtp, "");
    assert!(home.run(&["scrape"]).await.status.success());
    let new = home.run(&["subscribe", "ada@example.org", "retrieval", "--since", "2999-03-01"]).await;
    assert!(said(&new).contains("no paper since 1 March 2999 is known yet"), "{}", said(&new));
    let checked = home.run(&["check"]).await;
    assert!(checked.status.success(), "{}", said(&checked));
    assert!(said(&checked).contains("ada@example.org gets nothing before 2999-03-01"), "{}", said(&checked));
}

#[tokio::test]
async fn what_a_killed_subscribe_leaves_behind_goes_with_the_next_command() {
    for next in ["check", "once"] {
        let home = home("").await;
        let binary = home.command(&[]).get_program().to_owned();
        // The signal for a file that may not become longer comes in the middle of writing.
        let mut killed = tokio::process::Command::new("sh");
        killed.args(["-c", "ulimit -c 0; ulimit -f 0; exec \"$0\" \"$@\""]).arg(binary);
        killed.args(["subscribe", "ada@example.org", "retrieval"]).current_dir(home.path(""));
        let killed = killed.output().await.expect("a shell");
        assert_eq!(killed.status.code(), None, "{}", said(&killed));
        assert!(home.path(".subscriptions.toml.new").exists() && home.path(".subscriptions.toml.lock").exists());
        home.run(&[next]).await;
        let left = std::fs::read_dir(home.path("")).expect("the folder");
        let left: Vec<_> = left.map(|entry| entry.expect("an entry").file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with('.')), "{next}: {left:?}");
    }
}
