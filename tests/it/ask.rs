//! Questions that people ask: why this paper, why not that one, why was it empty, what would this expression find.

use chrono::Days;
use paperpost::clock::Clock;

use crate::database::Database;
use crate::process::{Home, said};
use crate::site::{Fault, Site, paper};
use crate::smtp::{Act, SmtpServer};

const FILE: &str = r#"[[subscription]]
email = "ada@example.org"
keywords = ["retrieval", "graph AND mining"]
exclude = ["survey OR review"]
min_upvotes = 5
max_papers = 1
rank = "trending"

[[subscription]]
email = "bob@example.org"
keywords = ["robots"]

[[subscription]]
email = "eve@example.org"
keywords = ["robots"]
paused = true
"#;

/// A site with a paper for each reason, and a program that has yet to read it.
async fn home() -> (Home, Site, SmtpServer) {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    let today = Clock::System.now().date_naive();
    for (id, title, upvotes, days) in [
        ("2611.00001", "Retrieval at scale", 30, 0),
        ("2611.00002", "A survey of retrieval", 20, 0),
        ("2611.00003", "Retrieval for a few", 3, 0),
        ("2611.00004", "Robots that walk", 12, 0),
        ("2611.00005", "Retrieval as it was", 40, 3),
        ("2611.00006", "Retrieval in cities", 9, 0),
    ] {
        let mut entry = paper(id, title);
        entry.upvotes = upvotes;
        site.list(today - Days::new(days), entry);
    }
    let since = format!("rank = \"trending\"\nsince = \"{}\"", today - Days::new(1));
    (Home::new(&site, &smtp, &FILE.replace("rank = \"trending\"", &since)), site, smtp)
}

/// What `explain` answers.
async fn explain(home: &Home, arguments: &[&str]) -> String {
    let output = home.run(&[&["explain"], arguments].concat()).await;
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    said(&output)
}

fn has(told: &str, parts: &[&str]) {
    for part in parts {
        assert!(told.contains(part), "{part}: {told}");
    }
}

fn sql(home: &Home, text: &str) {
    Database::open(&home.path("p.db")).run(text);
}

/// Makes what was decided a day older, so that the next slot is due.
fn let_a_day_pass(home: &Home) {
    sql(
        home,
        "UPDATE editions SET slot = strftime('%Y-%m-%dT%H:%M', slot, '-1 day'), decided = decided - 86400;
         UPDATE subscriptions SET last_slot = strftime('%Y-%m-%dT%H:%M', last_slot, '-1 day'), next_at = 0,
             decided = decided - 86400;",
    );
}

#[tokio::test]
async fn explain_says_what_the_next_edition_makes_of_a_paper() {
    let (home, _site, _smtp) = home().await;
    let early = home.run(&["explain", "ada@example.org", "2611.00001"]).await;
    assert!(!early.status.success() && said(&early).contains("paperpost scrape"), "{}", said(&early));
    home.run(&["scrape"]).await;
    has(
        &explain(&home, &["ada@example.org", "2611.00001"]).await,
        &["chosen. It is number 1", "due now", "yes  keyword"],
    );
    has(&explain(&home, &["ada@example.org", "2611.00006"]).await, &["full before it", "only counted there"]);
    has(
        &explain(&home, &["ada@example.org", "2611.00002"]).await,
        &["excluded by `survey OR review` (it has survey)", "yes  survey", "no   review"],
    );
    has(
        &explain(&home, &["ada@example.org", "2611.00003"]).await,
        &["too few votes so far for upvotes>=5 (it has 3)", "comes once it has them"],
    );
    has(
        &explain(&home, &["ada@example.org", "2611.00004"]).await,
        &["no keyword matches: `retrieval`, `graph AND mining`", "no   mining", "title under \"also trending\""],
    );
    has(&explain(&home, &["ada@example.org", "2611.00005"]).await, &["listed", "before the subscription's first day"]);
    has(&explain(&home, &["ada@example.org"]).await, &["no edition yet", "due now"]);
}

#[tokio::test]
async fn what_is_excluded_is_not_shown_by_its_title_either() {
    let (home, _site, _smtp) = home().await;
    home.write(
        "subscriptions.toml",
        "[[subscription]]\nemail = \"lab@example.org\"\nkeywords = [\"robots\"]\nexclude = [\"survey\"]\n",
    );
    home.run(&["scrape"]).await;
    let told = explain(&home, &["lab@example.org", "2611.00002"]).await;
    assert!(told.contains("yes  exclude") && !told.contains("also trending"), "{told}");
    let told = explain(&home, &["lab@example.org", "2611.00001"]).await;
    assert!(told.contains("no keyword matches") && told.contains("also trending"), "{told}");
    let preview = said(&home.run(&["preview", "lab@example.org"]).await);
    assert!(preview.contains("Retrieval at scale") && !preview.contains("A survey of retrieval"), "{preview}");
}

#[tokio::test]
async fn explain_says_in_which_edition_a_paper_was() {
    let (home, site, _smtp) = home().await;
    home.run(&["once"]).await;
    let today = Clock::System.now().date_naive().to_string();
    has(
        &explain(&home, &["ada@example.org", "2611.00001"]).await,
        &["already sent", "in the edition of", "its mail was sent", &today],
    );
    has(&explain(&home, &["ada@example.org", "2611.00006"]).await, &["settled", "counted by the edition of"]);
    has(&explain(&home, &["ada@example.org", "2611.00004"]).await, &["under \"also trending\" of the edition of"]);
    has(
        &explain(&home, &["ada@example.org"]).await,
        &[
            "6 papers were looked at",
            "1 sent",
            "1 matched, but was left out, and the mail says so",
            "1 matched, but was listed before",
            "1 matched, but had fewer than 5 upvotes",
            "1 matched, but was excluded",
            "1 matched no keyword",
            "1 more shown under \"also trending\"",
        ],
    );
    // From the second edition on what has no room is owed.
    let_a_day_pass(&home);
    for (id, upvotes) in [("2611.00007", 60), ("2611.00008", 50)] {
        let mut entry = paper(id, &format!("Retrieval {id}"));
        entry.upvotes = upvotes;
        site.list(Clock::System.now().date_naive(), entry);
    }
    home.run(&["once"]).await;
    has(
        &explain(&home, &["ada@example.org", "2611.00008"]).await,
        &["owed by the edition of", "number 1 of the next edition"],
    );
    has(
        &explain(&home, &["ada@example.org"]).await,
        &["1 matched, and is owed to later editions", "left out or given up before"],
    );
}

#[tokio::test]
async fn explain_does_not_call_sent_what_did_not_arrive() {
    let (home, _site, smtp) = home().await;
    smtp.will("rcpt", Act::Say("550 5.1.1 no such user"));
    smtp.will("rcpt", Act::Say("550 5.1.1 no such user"));
    home.run(&["once"]).await;
    let told = explain(&home, &["bob@example.org", "2611.00004"]).await;
    has(&told, &["its mail failed", "outbox --state failed", "the next edition takes it over"]);
    assert!(!told.contains("already sent"), "{told}");
}

#[tokio::test]
async fn explain_says_why_the_last_edition_did_not_have_a_paper() {
    let (home, site, _smtp) = home().await;
    home.run(&["once"]).await;
    let today = Clock::System.now().date_naive();
    let mut risen = paper("2611.00003", "Retrieval for a few");
    risen.upvotes = 8;
    site.list(today, risen);
    site.list(today, paper("2611.00007", "Retrieval to come"));
    home.run(&["scrape"]).await;
    has(
        &explain(&home, &["ada@example.org", "2611.00003"]).await,
        &["chosen", "not in the last edition", "it matched, but had fewer than 5 upvotes then"],
    );
    // The two reads may share a second.
    sql(&home, "UPDATE papers SET first_seen = first_seen + 5 WHERE key = 'arxiv:2611.00007'");
    has(
        &explain(&home, &["ada@example.org", "2611.00007"]).await,
        &["not in the last edition", "it was first seen later"],
    );
}

#[tokio::test]
async fn explain_takes_every_section_for_itself() {
    let (home, _site, _smtp) = home().await;
    let file = r#"[[subscription]]
email = "lab@example.org"
[[subscription.profile]]
name = "Walking"
keywords = ["robots"]
must = ["stairs OR hills"]
[[subscription.profile]]
name = "Searching"
keywords = ["retrieval"]
[[subscription.profile]]
name = "Large"
keywords = ["scale -survey", "cities"]
[[subscription.profile]]
name = "Elsewhere"
keywords = ["walk"]
sources = ["huggingface-trending"]
"#;
    let settings = home.read("paperpost.toml");
    home.write("paperpost.toml", &format!("{settings}[sources.huggingface-trending]\nenabled = false\n"));
    home.write("subscriptions.toml", file);
    home.run(&["once"]).await;
    has(
        &explain(&home, &["lab@example.org", "2611.00004"]).await,
        &[
            "not chosen by any of the 4 sections",
            "section \"Walking\": it lacks `stairs OR hills`, which it must have",
            "section \"Searching\": no keyword matches: `retrieval`",
            "section \"Elsewhere\": none of the chosen sources lists it: `huggingface-trending`",
            "section \"Large\": no keyword matches: `scale -survey` (it lacks scale), `cities`",
            "yes  -survey",
            "Section \"Walking\": not chosen: lacks what it must have",
            "no   stairs",
            "Section \"Elsewhere\": not chosen: none of the chosen sources lists it",
        ],
    );
    has(&explain(&home, &["lab@example.org", "2611.00001"]).await, &["section \"Searching\": its mail was sent"]);
    has(
        &explain(&home, &["lab@example.org"]).await,
        &[
            "1 matched, but lacked what it must have",
            "1 matched, but was in none of the chosen sources",
            "Robots that walk",
            "5 sent",
            "2 matched, and are in another section",
        ],
    );
}

#[tokio::test]
async fn explain_says_why_the_last_edition_was_empty() {
    let (home, site, _smtp) = home().await;
    home.run(&["once"]).await;
    let_a_day_pass(&home);
    site.fail("/", Fault::Status(503));
    home.run(&["once"]).await;
    has(
        &explain(&home, &["bob@example.org"]).await,
        &[
            "no mail: there was nothing new",
            "6 papers were looked at",
            "1 matched, but was already sent",
            "5 matched no keyword",
            "huggingface, at that time: The list could not be read since",
        ],
    );
}

#[tokio::test]
async fn explain_says_what_keeps_every_mail_back() {
    let (home, _site, _smtp) = home().await;
    home.run(&["once"]).await;
    has(&explain(&home, &["eve@example.org", "robots that walk"]).await, &["chosen. It is number 1", "is paused"]);
    sql(&home, "UPDATE papers SET first_seen = first_seen - 20 * 86400 WHERE key = 'arxiv:2611.00004'");
    has(&explain(&home, &["eve@example.org", "2611.00004"]).await, &["outside the window", "over 14 days ago"]);
    sql(&home, "UPDATE subscriptions SET consent = 'withdrawn' WHERE address_key = 'bob@example.org'");
    has(&explain(&home, &["bob@example.org"]).await, &["nothing is sent: the subscription is withdrawn"]);
    home.run(&["unsubscribe", "ada@example.org"]).await;
    has(&explain(&home, &["ada@example.org"]).await, &["the subscriptions file no longer has this address", "1 sent"]);
    let stranger = home.run(&["explain", "zoe@example.org"]).await;
    assert!(!stranger.status.success() && said(&stranger).contains("not subscribed"), "{}", said(&stranger));
}

#[tokio::test]
async fn a_paper_is_found_by_number_address_or_title_and_an_unknown_one_is_said_to_be() {
    let (home, _site, _smtp) = home().await;
    home.run(&["scrape"]).await;
    for name in [
        "2611.00001v2",
        "arxiv:2611.00001",
        "https://huggingface.co/papers/2611.00001",
        "https://arxiv.org/abs/2611.00001",
        "AT SCALE",
    ] {
        has(&explain(&home, &["ada@example.org", name]).await, &["Retrieval at scale"]);
    }
    for (name, answer) in [
        ("2611.99999", "arxiv:2611.99999 is in no list that was read"),
        ("knitting", "has \"knitting\" in its title"),
        ("retrieval", "5 papers have \"retrieval\" in their titles"),
    ] {
        let output = home.run(&["explain", "ada@example.org", name]).await;
        assert!(output.status.code() == Some(1) && said(&output).contains(answer), "{name}: {}", said(&output));
    }
}

#[tokio::test]
async fn try_counts_and_lists_what_an_expression_would_have_matched() {
    let (home, _site, smtp) = home().await;
    let early = home.run(&["try", "retrieval"]).await;
    assert!(early.status.code() == Some(1) && said(&early).contains("--fresh"), "{}", said(&early));
    home.run(&["scrape"]).await;
    let tried = home.run(&["try", "retrieval -survey", "--limit", "2"]).await;
    assert!(tried.status.success(), "{}", said(&tried));
    let today = Clock::System.now().date_naive();
    let (now, then) = (format!("{today}    3 of 5"), format!("{}    1 of 1", today - Days::new(3)));
    has(
        &said(&tried),
        &["4 of 6 papers of the last 14 days (66.7 %)", "30  Retrieval at scale", "and 2 older", "█", &now, &then],
    );
    let liked = home.run(&["try", "retrieval", "--days", "1", "--min-upvotes", "20"]).await;
    has(&said(&liked), &["2 of 5 papers of the last 1 day (40.0 %)", "A survey of retrieval"]);
    let none = home.run(&["try", "knitting"]).await;
    assert!(none.status.success() && said(&none).contains("0 of 6 papers"), "{}", said(&none));
    assert!(smtp.mails().is_empty());
}

#[tokio::test]
async fn try_can_read_the_sources_itself_and_leaves_nothing_behind() {
    let (home, site, _smtp) = home().await;
    let fresh = home.run(&["try", "robots", "--fresh"]).await;
    assert!(fresh.status.success(), "{}", said(&fresh));
    has(&said(&fresh), &["1 of 6 papers of the last 14 days (16.7 %)", "Robots that walk"]);
    assert!(!home.path("p.db").exists());
    site.fail("/", Fault::Status(503));
    let blind = home.run(&["try", "robots", "--fresh"]).await;
    assert!(blind.status.code() == Some(1) && said(&blind).contains("no source could be read"), "{}", said(&blind));
}

#[tokio::test]
async fn what_nothing_here_can_match_is_warned_of_and_an_older_paper_can_be_named() {
    let (home, _site, _smtp) = home().await;
    let file = "[[subscription]]\nemail = \"ada@example.org\"\n\
                keywords = [\"like:2611.00005\", \"like:2611.99999\", \"category:cs.LG\", \"source:hugginface\"]\n";
    home.write("subscriptions.toml", file);
    let names_no_paper = said(&home.run(&["check"]).await);
    has(&names_no_paper, &["says what a paper is filed under", "did you mean `huggingface`?", "2 warnings"]);
    home.run(&["scrape"]).await;
    sql(&home, "UPDATE papers SET first_seen = first_seen - 20 * 86400 WHERE key = 'arxiv:2611.00005'");
    has(&said(&home.run(&["check"]).await), &["subscriptions.toml:3:33", "2611.99999 is not known here", "3 warnings"]);
    let subscribed = said(&home.run(&["subscribe", "eve@example.org", "like:2611.00005"]).await);
    assert!(subscribed.contains("is subscribed") && !subscribed.contains("not known"), "{subscribed}");
    for fresh in [&[][..], &["--fresh"]] {
        let arguments = [&["try", "like:2611.00005~50%", "--days", "1"], fresh].concat();
        let tried = said(&home.run(&arguments).await);
        assert!(tried.contains("Retrieval at scale") && !tried.contains("not known"), "{tried}");
    }
    let near = said(&home.run(&["try", "like:2611.00005~1%"]).await);
    // Two are just as close.
    has(&near, &["2 of 6 papers", "by about retrieval", "the closest to 2611.00005 that is not found: 60.0 %"]);
    has(&said(&home.run(&["try", "category:cs.LG"]).await), &["says what a paper is filed under"]);
}

#[tokio::test]
async fn a_wrong_expression_is_shown_with_its_fault_marked() {
    let (home, _site, _smtp) = home().await;
    let wrong = home.run(&["try", "agents AND (rag"]).await;
    assert_eq!(wrong.status.code(), Some(1));
    has(&said(&wrong), &["never closed", "expression:1:12", "^"]);
}

#[tokio::test]
async fn the_manual_of_expressions_is_at_hand() {
    let (home, _site, _smtp) = home().await;
    let (help, alone) = (home.run(&["help", "queries"]).await, home.run(&["queries"]).await);
    assert!(help.status.success() && alone.status.success());
    has(&said(&help), &["THE QUERY LANGUAGE", "`diffus*`", "upvotes>=20"]);
    assert_eq!(said(&help).trim(), said(&alone).trim());
    assert!(!said(&help).contains("Usage:"));
    has(&said(&home.run(&["--help"]).await), &["paperpost help queries"]);
}

#[tokio::test]
async fn a_doubtful_expression_is_warned_of_with_its_place() {
    let (home, site, _smtp) = home().await;
    let file = "[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"mamba\", \"graph -graph\", \"retrieval\"]\nmust = [\"-survey\"]\n";
    home.write("subscriptions.toml", file);
    let checked = home.run(&["check"]).await;
    assert!(checked.status.success());
    has(&said(&checked), &["subscriptions.toml:3:23", "nothing can match this", "1 subscription and 1 warning"]);
    for number in 10..70 {
        site.list(Clock::System.now().date_naive(), paper(&format!("2611.000{number}"), "Retrieval again"));
    }
    home.run(&["scrape"]).await;
    has(
        &said(&home.run(&["check"]).await),
        &["subscriptions.toml:3:39", "matches 98 % of the recent papers, 65 of 66"],
    );
    let subscribed = home.run(&["subscribe", "bob@example.org", "cats or dogs", "title:rag", "--exclude", "rag"]).await;
    assert!(subscribed.status.success());
    has(
        &said(&subscribed),
        &["expression:1:6", "operators are written AND, OR and NOT", "nothing can match this here: exclude has `rag`"],
    );
    let file = "[defaults]\nmin_upvotes = 10\n[[subscription]]\nemail = \"ada@example.org\"\nexclude = [\"-survey\"]\n\
                keywords = [\"mamba\", { query = \"scans upvotes<5\", weight = 2 }]\n";
    home.write("subscriptions.toml", file);
    has(
        &said(&home.run(&["check"]).await),
        &[
            "subscriptions.toml:5:14",
            "exclude: this excludes every paper that does not have it",
            "subscriptions.toml:6:33",
            "keywords: nothing can match this here: min_upvotes is 10",
            "2 warnings",
        ],
    );
}

/// The clock times in a text that are followed by no zone.
fn zoneless(text: &str) -> Vec<&str> {
    let is_clock = |at: usize| {
        let digits = [at - 2, at - 1, at + 1, at + 2];
        digits.iter().all(|&at| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit))
    };
    let colons = text.match_indices(':').map(|(at, _)| at).filter(|&at| at >= 2 && is_clock(at));
    let is_zoned = |after: &str| {
        let after = after.trim_start_matches([' ', '(']);
        after.starts_with("UTC") || after.starts_with("Asia/Tokyo") || after.starts_with("Europe/Berlin")
    };
    let lines = colons.filter(|at| !is_zoned(&text[at + 3..]));
    lines.map(|at| text[..at].rsplit('\n').next().unwrap_or_default()).collect()
}

#[tokio::test]
async fn each_time_that_is_shown_names_its_zone() {
    let (home, _site, smtp) = home().await;
    let file = home.read("subscriptions.toml");
    home.write("subscriptions.toml", &file.replace("max_papers = 1\n", "max_papers = 1\nzone = \"Asia/Tokyo\"\n"));
    smtp.will("rcpt", Act::Say("552 5.2.2 mailbox full"));
    home.run(&["once"]).await;
    let mut shown = String::new();
    for arguments in [
        &["list"][..],
        &["status"],
        &["check"],
        &["outbox"],
        &["outbox", "--state", "sent"],
        &["outbox", "show", "1"],
        &["outbox", "show", "2"],
        &["explain", "ada@example.org"],
        &["explain", "ada@example.org", "2611.00001"],
        &["explain", "ada@example.org", "2611.00006"],
        &["explain", "eve@example.org", "2611.00004"],
        &["preview", "bob@example.org"],
    ] {
        let output = home.run(arguments).await;
        shown += &format!("{arguments:?}\n{}\n", said(&output));
    }
    for mail in smtp.mails() {
        shown += &String::from_utf8_lossy(&mail.bytes)
            .replace("=\r\n", "")
            .lines()
            .filter(|line| !line.starts_with("Date:"))
            .collect::<Vec<_>>()
            .join("\n");
    }
    assert!(shown.matches("Asia/Tokyo").count() > 5);
    assert_eq!(zoneless(&shown), Vec::<&str>::new());
}
