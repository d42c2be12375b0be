//! What commands do when nobody reads what they print, or when it can't be written.

use std::collections::BTreeSet;
use std::fs::File;
use std::process::Stdio;

use crate::process::{Home, said};
use crate::site::{Site, paper};
use crate::smtp::SmtpServer;
use paperpost::clock::Clock;

/// Each command, in an order in which each has something to do. `{n}` is another number at every run.
const COMMANDS: &[&str] = &[
    "scrape",
    "publish",
    "deliver",
    "once",
    "check",
    "status",
    "status --json",
    "list",
    "list --json",
    "preview ada@example.org",
    "preview ada@example.org --format eml",
    "explain ada@example.org",
    "explain ada@example.org 2611.00001",
    "try retrieval",
    "queries",
    "help",
    "help queries",
    "--version",
    "--help",
    "stauts",
    "outbox --state sent",
    "outbox --state sent --json",
    "outbox show 1",
    "outbox export",
    "outbox eml 1",
    "outbox drop 1",
    "outbox wake",
    "suppress add eve{n}@example.org",
    "suppress list",
    "suppress list --json",
    "subscribe grace{n}@example.org the",
    "edit grace{n}@example.org --add speech",
    "reload",
    "pause grace{n}@example.org",
    "resume grace{n}@example.org",
    "unsubscribe grace{n}@example.org",
    "bounce",
    "bounce --inbox",
    "dkim keygen --selector s{n} -o s{n}.pem --set dkim.domain=example.org",
    "dkim record",
    "test-mail ada@example.org",
    "demo -o demo",
];

const ADA: &str =
    "[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"retrieval\"]\nschedule = \"0 8 29 2 *\"\n";

async fn home() -> (Home, Site, SmtpServer) {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
    (Home::new(&site, &smtp, ADA), site, smtp)
}

/// A pipe whose reader has gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").expect("/dev/full").into()
}

impl Home {
    /// The exit code, and what was said on standard error if that was a pipe.
    async fn run_into(&self, line: &str, stdout: Stdio, stderr: Stdio) -> (i32, String) {
        let words: Vec<&str> = line.split(' ').collect();
        let mut command = tokio::process::Command::from(self.command(&words));
        let child = command.stdout(stdout).stderr(stderr).kill_on_drop(true).spawn().expect("the program");
        let output = child.wait_with_output().await.expect("an end");
        (output.status.code().unwrap_or(-1), said(&output))
    }
}

#[tokio::test]
async fn no_command_panics_or_fails_because_its_reader_has_gone_and_each_says_that_the_disk_is_full() {
    let (home, _site, _smtp) = home().await;
    for (number, line) in COMMANDS.iter().enumerate() {
        let run = |round: usize| line.replace("{n}", &format!("{number}x{round}"));
        if line.starts_with("edit")
            || line.starts_with("unsub")
            || line.starts_with("pause")
            || line.starts_with("resume")
        {
            for round in 0..4 {
                let email = run(round).split(' ').nth(1).expect("an address").to_owned();
                assert!(home.run(&["subscribe", &email, "retrieval"]).await.status.success());
            }
        }
        let usual = home.run(&run(0).split(' ').collect::<Vec<_>>()).await;
        let code = usual.status.code().expect("a code");

        let (piped, told) = home.run_into(&run(1), closed(), Stdio::piped()).await;
        assert_eq!((piped, told.contains("panicked")), (code, false), "{line} into a closed pipe: {told}");

        let prints = !usual.stdout.is_empty();
        let (expected, words) = if prints { (code.max(1), 1) } else { (code, 0) };
        let (disk, told) = home.run_into(&run(2), full(), Stdio::piped()).await;
        assert_eq!(disk, expected, "{line} into a full file: {told}");
        assert_eq!(told.matches("can't write to standard output").count(), words, "{line} into a full file: {told}");

        let (mute, _) = home.run_into(&run(3), closed(), closed()).await;
        assert_eq!(mute, code, "{line} when nobody hears anything");
    }
}

#[tokio::test]
async fn every_command_is_tried() {
    let (home, _site, _smtp) = home().await;
    let help = said(&home.run(&["--help"]).await);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A description goes on in lines that begin further in.
    let names = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: BTreeSet<&str> = names.filter_map(|line| line.split_whitespace().next()).collect();
    let tried: BTreeSet<&str> = COMMANDS.iter().filter_map(|line| line.split(' ').next()).collect();
    // The daemon prints nothing but its log.
    let missing: Vec<_> = names.difference(&tried).filter(|name| **name != "run").collect();
    assert!(names.len() > 15 && missing.is_empty(), "{missing:?} of {names:?}");
}

#[tokio::test]
async fn once_reads_publishes_and_delivers_though_nobody_reads_what_it_prints() {
    for (stdout, expected) in [(closed(), 0), (full(), 1)] {
        let (home, _site, smtp) = home().await;
        let (code, told) = home.run_into("once", stdout, Stdio::piped()).await;
        assert_eq!((code, smtp.mails().len()), (expected, 1), "{told}");
    }
}

#[tokio::test]
async fn foreign_text_does_nothing_to_a_terminal() {
    let (home, _site, _smtp) = home().await;
    assert!(home.run(&["scrape"]).await.status.success());
    for arguments in [
        &["explain", "ada@example.org", "\u{1b}[2J\u{202e}laws"][..],
        &["explain", "\u{1b}[2J\u{202e}", "laws"],
        &["try", "(\u{1b}[2Jlaws"],
        &["subscribe", "eve@example.org", "retrieval", "--zone", "\u{1b}[2J\u{202e}"],
    ] {
        let told = said(&home.run(arguments).await);
        assert!(!told.is_empty() && !told.contains(['\u{1b}', '\u{202e}']), "{told:?}");
    }
}

#[tokio::test]
async fn colors_come_when_asked_for_and_never_into_a_pipe_by_themselves() {
    let (home, _site, _smtp) = home().await;
    home.write("subscriptions.toml", "[[subscription]]\nemail = \"ada\"\n");
    for (arguments, colored) in [
        (&["check"][..], false),
        (&["check", "--color", "always"], true),
        (&["--color", "never", "check"], false),
        (&["stauts"], false),
        (&["stauts", "--color=always"], true),
        (&["publish", "--color", "always"], true),
    ] {
        let told = said(&home.run(arguments).await);
        assert_eq!(told.contains("\u{1b}["), colored, "{arguments:?}: {told}");
    }
}
