//! What a reader sees of a source's text, everywhere, and what stays of it in the database.

use chrono::Days;
use paperpost::clock::Clock;

use crate::process::{Home, said};
use crate::site::{Site, day, paper};
use crate::smtp::SmtpServer;
use crate::world::{World, written_title};

const TITLE: &str = r"\$TenThousand-Bench: $\tau^2$ and beyond";
const ABSTRACT: &str = r#"We give \textbf{Marlow-QTest}, 97.3\% of 131{,}072, Falcon~2.0, Schr\"odinger's $\ourloss$."#;
const SEEN: [&str; 2] = [
    "$TenThousand-Bench: τ² and beyond",
    r"We give Marlow-QTest, 97.3% of 131,072, Falcon 2.0, Schrödinger's $\ourloss$.",
];

#[tokio::test]
async fn a_mail_shows_unicode_where_the_source_has_latex_and_the_database_keeps_the_source() {
    let mut world = World::new().await;
    let mut entry = paper("2611.00001", TITLE);
    entry.abstract_text = ABSTRACT.to_owned();
    world.site.list(day("2026-11-23"), entry);
    world.subscribe("email = \"ada@example.org\"\nkeywords = [\"tau2 AND marlow-qtest\"]");
    world.once().await;
    let mails = world.mails("ada@example.org");
    assert_eq!(world.inbox("ada@example.org"), SEEN[..1]);
    assert!(mails[0].subject.contains(SEEN[0]), "{}", mails[0].subject);
    let text: String = mails[0].text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(SEEN[1]), "{text}");
    let marked = scraper::Html::parse_document(&mails[0].html).root_element().text().collect::<String>();
    assert!(marked.contains(SEEN[1]), "{marked}");
    // Nothing was revised, and what is kept is what the source wrote.
    let database = world.database();
    let content: Vec<u8> = database.one("SELECT content FROM papers");
    assert_eq!(written_title(&content), TITLE);
    world.at("2026-11-23 18:00");
    world.once().await;
    assert_eq!(database.one::<i64>("SELECT count(*) FROM revisions"), 0);
}

#[tokio::test]
async fn commands_show_the_same_text_and_find_a_paper_by_either() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.list(Clock::System.now().date_naive() - Days::new(0), paper("2611.00001", TITLE));
    let home = Home::new(&site, &smtp, "[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"τ²\"]\n");
    home.run(&["scrape"]).await;
    for arguments in [
        &["try", r"$\tau^2$"][..],
        &["explain", "ada@example.org", "TenThousand-Bench: τ²"],
        &["explain", "ada@example.org", r"TenThousand-Bench: $\tau^2$"],
        &["preview", "ada@example.org", "--format", "text"],
    ] {
        let told = said(&home.run(arguments).await);
        assert!(told.contains(SEEN[0]), "{arguments:?}: {told}");
    }
}

#[tokio::test]
async fn check_names_what_was_a_weight_once_in_files_and_in_the_database() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    let file = |keyword: &str| format!("[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"{keyword}\"]\n");
    let home = Home::new(&site, &smtp, &file("RAG^2"));
    let told = said(&home.run(&["check"]).await);
    assert!(told.contains("subscriptions.toml:3") && told.contains("`(RAG)^2`"), "{told}");
    home.run(&["once"]).await;
    let told = said(&home.run(&["check"]).await);
    assert_eq!(told.matches("looked for as a name").count(), 1, "{told}");
    home.write("subscriptions.toml", &file("(RAG)^2"));
    let told = said(&home.run(&["check"]).await);
    assert!(told.contains("in force for 1 subscription") && told.contains("p.db"), "{told}");
    home.run(&["once"]).await;
    let told = said(&home.run(&["check"]).await);
    assert!(!told.contains("looked for as a name"), "{told}");
}
