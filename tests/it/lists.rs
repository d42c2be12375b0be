//! Lists as no server should give them: longer than asked for, cut, broken, or made to keep a reader busy.

use std::time::Duration;

use paperpost::core::paper::{ReadOutcome, SourceId};
use paperpost::source::huggingface::{HuggingFace, Lists, api, cards, page};
use proptest::prelude::*;
use url::Url;

use crate::process::{Home, said, until};
use crate::site::{Fault, Markup, Site, day, paper};
use crate::smtp::SmtpServer;
use crate::world::World;

const TODAY: &str = "2026-11-23";

fn list_many(world: &World, date: &str, papers: usize) {
    for n in 0..papers {
        world.site.list(day(date), paper(&format!("2611.{n:05}"), "Sheep"));
    }
}

// Long lists.

#[tokio::test]
async fn more_than_five_hundred_papers_of_a_day_are_all_read() {
    let world = World::new().await;
    list_many(&world, TODAY, 730);
    let report = world.scrape().await;
    assert_eq!((report.added.len(), report.state), (730, ReadOutcome::Fresh));
}

#[tokio::test]
async fn a_server_that_gives_fewer_papers_than_it_is_asked_for_is_read_to_the_end() {
    for papers in [130, 100, 51, 50, 49] {
        let world = World::new().await;
        world.site.give_at_most(50);
        list_many(&world, TODAY, papers);
        let report = world.scrape().await;
        assert_eq!((report.added.len(), report.state), (papers, ReadOutcome::Fresh));
        assert!(
            world.site.asked("/api") <= papers.div_ceil(50) + 8,
            "one request more at most, and one for each other day of the week"
        );
    }
}

#[tokio::test]
async fn a_list_that_ends_where_the_server_ends_its_pages_is_not_taken_for_unchanged() {
    let world = World::new().await;
    world.site.etags();
    world.site.give_at_most(2);
    for (id, votes) in [("2611.00001", 9), ("2611.00002", 8)] {
        let mut entry = paper(id, id);
        entry.upvotes = votes;
        world.site.list(day(TODAY), entry);
    }
    assert_eq!(world.scrape().await.added.len(), 2);
    let mut last = paper("2611.00003", "On the second page");
    last.upvotes = 1;
    world.site.list(day(TODAY), last);
    assert_eq!(world.scrape().await.added.len(), 1, "though the first page is as it was");
}

#[tokio::test]
async fn what_is_not_read_of_a_day_is_told() {
    let world = World::new().await;
    list_many(&world, TODAY, 150);
    world.site.fail("/api/daily_papers?date=2026-11-23&limit=100&p=1", Fault::Status(500));
    let report = world.scrape().await;
    assert_eq!((report.added.len(), report.state), (100, ReadOutcome::Partial));
    let told = report.message.expect("a message");
    assert_eq!(told, "2026-11-23: only the first 100 papers could be read: the server failed with 500");

    let world = World::new().await;
    world.site.give_at_most(1);
    list_many(&world, TODAY, 31);
    let report = world.scrape().await;
    assert_eq!((report.added.len(), report.state), (30, ReadOutcome::Partial));
    assert!(report.message.is_some_and(|told| told.contains("only the first 30 papers")));
    let sources = world.store.sources().expect("a database");
    assert_eq!(sources[0].outcome, ReadOutcome::Partial, "and it is kept");
}

#[tokio::test]
async fn a_server_that_gives_the_same_page_again_is_asked_no_more() {
    let world = World::new().await;
    let body = r#"[{"paper":{"id":"2611.00001","title":"Sheep"}}]"#;
    world.site.fail("/api", Fault::Body(body));
    let report = world.scrape().await;
    assert_eq!((report.added.len(), report.state), (1, ReadOutcome::Partial));
    assert_eq!(world.site.asked("/api"), 16, "twice for each day");
}

// Broken items.

/// Two good items around one that no JSON parser takes.
fn with_one_bad(bad: &str) -> String {
    let good =
        |id: &str| format!(r#"{{"paper":{{"id":"{id}","title":"{id}","summary":"About, [sheep] and {{hay}}."}}}}"#);
    format!(r#"[{},{{"paper":{{"id":"2611.00002","title":"Bad",{bad}}}}},{}]"#, good("2611.00001"), good("2611.00003"))
}

#[tokio::test]
async fn one_bad_item_costs_that_item_and_not_the_days_abstracts() {
    let deep = format!(r#""authors":{}{}"#, "[".repeat(200), "]".repeat(200));
    for bad in [r#""summary":"\ud800""#, "\"summary\":\"\u{2}\"", r#""upvotes":NaN"#, r#""upvotes":1e400"#, &deep] {
        for by_page in [false, true] {
            let world = World::new().await;
            let json = with_one_bad(bad);
            if by_page {
                let props = format!(r#"{{"dateString":"{TODAY}","periodType":"day","dailyPapers":{json}}}"#);
                let escaped = props.replace('&', "&amp;").replace('"', "&quot;");
                let html = format!(r#"<main><div data-target="DailyPapers" data-props="{escaped}"></div></main>"#);
                world.site.fail("/api/daily_papers?date=2026-11-23", Fault::Status(500));
                world.site.fail("/papers/date/2026-11-23", Fault::Body(html.leak()));
            } else {
                world
                    .site
                    .fail_next("/api/daily_papers?date=2026-11-23", Fault::Body(format!("\u{FEFF}{json}").leak()));
                world.site.fail_next("/api/daily_papers?date=2026-11-23", Fault::Body("[]"));
            }
            let report = world.scrape().await;
            let titles: Vec<_> = report.added.iter().map(|paper| paper.title.as_str()).collect();
            assert_eq!(titles, ["2611.00001", "2611.00003"], "{bad}, {by_page}");
            assert!(report.added.iter().all(|paper| paper.abstract_text == "About, [sheep] and {hay}."), "{bad}");
            assert_eq!((report.state, report.skipped), (ReadOutcome::Partial, 1), "{bad}");
            let told = report.message.expect("a message");
            assert!(told.starts_with("2026-11-23: 1 item could not be understood: 2611.00002 ("), "{told}");
        }
    }
}

#[tokio::test]
async fn a_reader_is_told_that_papers_may_be_missing() {
    let mut world = World::new().await;
    world.site.fail_next("/api/daily_papers?date=2026-11-23", Fault::Body(with_one_bad(r#""upvotes":NaN"#).leak()));
    world.site.fail_next("/api/daily_papers?date=2026-11-23", Fault::Body("[]"));
    world.subscribe("email = \"ada@example.org\"\nkeywords = [\"sheep\"]");
    world.once().await;
    let mails = world.mails("ada@example.org");
    assert_eq!(mails.len(), 1);
    let text = mails[0].text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("so papers may be missing or come later"), "{text}");
}

proptest! {
    #[test]
    fn an_item_is_lost_or_read_whatever_stands_beside_it(junk in "[\\[\\]{}:,a-z0-9\\\\ ]{0,30}") {
        // Junk in quotes can hold anything but an end of them.
        let junk = junk.trim_end_matches('\\').to_owned();
        let good = r#"{"paper":{"id":"2611.00001"}}"#;
        let body = format!(r#"[{good},"{junk}",{{"paper":{{"id":"2611.00002","x":"{junk}"}}}},{good}]"#);
        let (items, length) = api::parse(body.as_bytes(), &source()).expect("a list");
        prop_assert_eq!(length, 4);
        // The first and the last are one paper.
        prop_assert_eq!(items.items.len() as u32 + items.lost.count, 3);
    }
}

fn source() -> HuggingFace {
    HuggingFace {
        id: SourceId::parse("huggingface").expect("a name"),
        base: Url::parse("https://papers.example").expect("an address"),
        lists: Lists::Trending,
        token: None,
    }
}

// Answers that are made to keep a reader busy.

/// The time that this thread has had a core for, so that others on the machine count little.
fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().expect("a time"), time.tv_nsec.try_into().expect("less than a second"))
}

/// How much longer something takes for four times as much.
fn growth(make: impl Fn(usize) -> String, parse: impl Fn(&str)) -> f64 {
    const SMALL: usize = 60_000;
    let texts = [make(SMALL), make(4 * SMALL)];
    let fastest = |text: &str| {
        let times = (0..5).map(|_| {
            let began = worked();
            parse(text);
            worked() - began
        });
        times.min().unwrap_or_default().as_secs_f64()
    };
    fastest(&texts[1]) / fastest(&texts[0]).max(1e-6)
}

/// `piece` again and again, its number in place of `#`, after `start`.
fn repeated(start: &'static str, piece: &'static str) -> impl Fn(usize) -> String {
    move |bytes| {
        let mut text = start.to_owned();
        for n in 0.. {
            if text.len() >= bytes {
                break;
            }
            text.push_str(&piece.replace('#', &n.to_string()));
        }
        text
    }
}

#[test]
fn no_page_takes_longer_by_more_than_its_length() {
    for (start, piece) in [
        ("", "<div>"),
        ("", "<b a=#>"),
        ("<article><h3>", "<b a=#><p>"),
        ("", "<article><div>"),
        ("<article><h3><a href='/papers/2611.00001'>", "<a href='/papers/2611.#'><i>"),
        ("<div ", "a# "),
        ("<div data-target=DailyPapers data-props='{\"dailyPapers\":[", "[{"),
        ("", "<table><tr><td>"),
        ("", "<!--&amp<"),
        ("", "<article><h3><a href='/papers/2611.00001'>x</a></h3></article>"),
    ] {
        let growth = growth(repeated(start, piece), |html| drop(page::parse(html, &source())));
        assert!(growth < 8.0, "{start}{piece}: {growth} times as long for four times as much");
    }
}

#[test]
fn no_list_takes_longer_by_more_than_its_length() {
    for (start, piece) in
        [("[0", r#",{"paper":{"id":"x#"}}"#), ("[", "["), ("[", "{\"a\":"), ("[0", ",0"), ("[\"", "\\\\\\\"")]
    {
        let close = |text: String| if text.starts_with("[0") { text + "]" } else { text };
        let growth =
            growth(|bytes| close(repeated(start, piece)(bytes)), |json| drop(api::parse(json.as_bytes(), &source())));
        assert!(growth < 8.0, "{start}{piece}: {growth} times as long for four times as much");
    }
}

#[test]
fn cards_are_read_beside_what_is_no_card() {
    let card = "<article><h3><a href='/papers/2611.00001'>Sheep</a></h3></article>";
    let html = format!("{}{card}<article>{}", "<div>".repeat(50_000), "<b>".repeat(50_000));
    let items = cards::parse(&html, &source());
    assert_eq!((items.items.len(), items.lost.count), (1, 1));
}

#[tokio::test]
async fn a_stop_is_heeded_while_a_site_sends_nonsense() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.fail("/api", Fault::Status(500));
    site.fail("/papers", Fault::Body("<div>".repeat(400_000).leak()));
    let home = Home::new(&site, &smtp, "");
    let mut scrape = home.start(&["scrape"], "log");
    until("a page is asked for", || site.asked("/papers") > 0).await;
    scrape.signal("-TERM");
    assert_eq!(scrape.ended().await, Some(1), "{}", home.read("log"));
}

// Votes of papers that are no longer among the last days.

const FIVE_DAYS_LATER: &str = "2026-12-01 12:00";

#[tokio::test]
async fn a_paper_that_reaches_the_votes_after_more_than_five_days_is_sent() {
    for minimum in [0, 20] {
        let mut world = World::new().await;
        world.site.list(day(TODAY), paper("2611.00001", "Retrieval at scale"));
        world.subscribe(&format!("email = \"ada@example.org\"\nkeywords = [\"retrieval\"]\nmin_upvotes = {minimum}"));
        world.once().await;
        // A digest with it, or a welcome without.
        assert_eq!(world.mails("ada@example.org").len(), 1);
        let mut risen = paper("2611.00001", "Retrieval at scale");
        risen.upvotes = 25;
        world.site.list(day(TODAY), risen);
        world.at(FIVE_DAYS_LATER);
        let before = world.site.asked("/api/daily_papers?date=2026-11-23");
        world.once().await;
        let asked = world.site.asked("/api/daily_papers?date=2026-11-23") - before;
        assert_eq!(world.mails("ada@example.org").len(), 1 + usize::from(minimum > 0), "{minimum}");
        assert_eq!(asked > 0, minimum > 0, "nobody is asked for what nobody needs");
        // Once it has them, and once it is too old, there is nothing to wait for.
        for later in [FIVE_DAYS_LATER, "2026-12-02 12:00", "2026-12-20 12:00"] {
            world.at(later);
            let before = world.site.asked("/api/daily_papers?date=2026-11-23");
            world.once().await;
            assert_eq!(world.site.asked("/api/daily_papers?date=2026-11-23"), before, "{minimum}, {later}");
        }
    }
}

// Where a site sends us.

#[tokio::test]
async fn no_source_sends_us_to_this_machine_or_its_network() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.markup(Markup::Of2026);
    let home = Home::new(&site, &smtp, "");
    let settings = home.read("paperpost.toml").replace(site.base().as_str(), "http://192.0.2.1");
    home.write("paperpost.toml", &settings);
    for inner in
        ["http://127.0.0.1:9/inner", "http://[::1]/inner", "http://localhost/inner", "http://169.254.169.254/inner"]
    {
        site.mend();
        site.fail("/api", Fault::Redirect(inner.to_owned()));
        site.fail("/papers", Fault::Redirect(inner.to_owned()));
        // The site is in for a public one: all that leaves the program goes through it.
        let mut scrape = home.command(&["scrape"]);
        scrape.env("http_proxy", site.base().as_str());
        let output = tokio::process::Command::from(scrape).output().await.expect("the program");
        assert_eq!(output.status.code(), Some(1), "{inner}");
        assert!(said(&output).contains("which is a local address"), "{inner}: {}", said(&output));
        assert_eq!(site.asked("/inner"), 0, "{inner}");
    }
}

#[tokio::test]
async fn a_slow_source_is_told_while_it_happens() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    let home = Home::new(&site, &smtp, "");
    home.write("paperpost.toml", &home.read("paperpost.toml").replace("retries = 0", "retries = 1"));
    site.fail_next("/api", Fault::Headers(429, vec![("retry-after", "1")]));
    let output = home.run(&["scrape"]).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("waiting for 127.0.0.1 (429, retry in "), "{}", said(&output));
}

#[tokio::test]
async fn a_host_that_fails_is_left_alone_also_after_a_restart_until_one_probe_works() {
    let mut world = World::new().await;
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    world.site.fail("/", Fault::Status(503));
    world.scrape().await;
    let asked = world.site.requests().len();
    let report = world.scrape().await;
    assert_eq!(world.site.requests().len(), asked, "the breaker is open");
    let message = report.message.expect("a reason");
    assert!(message.contains("left alone until 2026-11-23 12:05 UTC, because 5 requests in a row failed"), "{message}");
    assert_eq!(report.retry_after, Some(Duration::from_secs(300)));

    let state = |world: &World| world.store.hosts().expect("a database").into_values().next();
    assert_eq!(state(&world).map(|host| host.failures), Some(5));
    world.restart_client();
    world.scrape().await;
    assert_eq!(world.site.requests().len(), asked, "a restart keeps it open");

    world.at("2026-11-23 12:05");
    world.scrape().await;
    assert_eq!(world.site.requests().len(), asked + 1, "one probe, which fails");
    world.site.mend();
    world.at("2026-11-23 12:14");
    world.scrape().await;
    assert_eq!(world.site.requests().len(), asked + 1, "and doubles the time");
    world.at("2026-11-23 12:15");
    assert!(world.scrape().await.is_good());
    assert_eq!(state(&world), None);
}

#[tokio::test]
async fn status_says_which_host_is_left_alone_and_until_when() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.fail("/", Fault::Status(500));
    let home = Home::new(&site, &smtp, "");
    home.run(&["scrape"]).await;
    let status = said(&home.run(&["status"]).await);
    let host = site.base().authority().to_owned();
    assert!(status.contains(&format!("{host} is left alone until ")), "{status}");
    assert!(status.contains("5 requests in a row failed; then one is tried"), "{status}");
    let json = said(&home.run(&["status", "--json"]).await);
    assert!(json.contains(&format!("\"{host}\"")), "{json}");
}
