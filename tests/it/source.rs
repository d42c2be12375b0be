//! How Hugging Face's lists are read, from a site that does all that the real one does and may do.

use std::time::Duration;

use crate::process::recorded;
use chrono::{DateTime, Utc};
use paperpost::cli::demo::{sample, site::DemoSite};
use paperpost::core::paper::{Route, SourceId};
use paperpost::source::fetch::Validators;
use paperpost::source::huggingface::{self, HuggingFace, Lists, api, cards, page};
use paperpost::source::robots::Robots;
use paperpost::source::{DayOutcome, Further, Reading, SourceError, Visit, Visits};
use proptest::prelude::*;
use serde_json::{Value, json};
use url::Url;

use crate::http::client;
use crate::site::{Fault, Markup, Site, day, paper};

fn source(base: Url, lists: Lists) -> HuggingFace {
    HuggingFace { id: SourceId::parse("huggingface").expect("a name"), base, lists, token: None }
}

fn noon(date: &str) -> DateTime<Utc> {
    format!("{date}T12:00:00Z").parse().expect("a date")
}

/// Reads the given number of days of a site up to `today`, knowing nothing.
async fn read(site: &Site, days: u32, today: &str) -> Result<Reading, SourceError> {
    let source = source(site.base(), Lists::Daily { days });
    huggingface::read(&client(), &source, &Visits::new(), &Further::default(), noon(today)).await
}

async fn read_trending(site: &Site, today: &str) -> Result<Reading, SourceError> {
    let source = source(site.base(), Lists::Trending);
    huggingface::read(&client(), &source, &Visits::new(), &Further::default(), noon(today)).await
}

fn titles(reading: &Reading) -> Vec<&str> {
    reading.snapshot.items.iter().map(|item| item.paper.title.as_str()).collect()
}

/// How many lists can be asked for changes only.
fn conditional(reading: &Reading) -> usize {
    reading.visits.values().filter(|visit| visit.validators != Validators::default()).count()
}

fn outcomes(reading: &Reading) -> Vec<&DayOutcome> {
    reading.days.iter().map(|report| &report.outcome).collect()
}

// The lists of days.

#[tokio::test]
async fn the_last_days_are_read_by_the_api_today_first() {
    let site = Site::start().await;
    site.list(day("2026-01-05"), paper("2601.90001", "Sheep"));
    let mut popular = paper("2601.90002", "Counting\n  Sheep");
    popular.upvotes = 50;
    site.list(day("2026-01-05"), popular);
    site.list(day("2026-01-06"), paper("2601.90003", "Sleep"));
    let reading = read(&site, 3, "2026-01-06").await.expect("a reading");
    assert_eq!(titles(&reading), ["Sleep", "Counting Sheep", "Sheep"]);
    assert_eq!(outcomes(&reading), [&DayOutcome::Listed, &DayOutcome::Listed, &DayOutcome::Empty]);
    let places: Vec<_> = reading.snapshot.items.iter().map(|i| (i.listing.day.to_string(), i.listing.rank)).collect();
    assert_eq!(places, [("2026-01-06".into(), 1), ("2026-01-05".into(), 1), ("2026-01-05".into(), 2)]);
    let first = &reading.snapshot.items[0];
    assert_eq!((first.listing.upvotes, first.listing.comments), (Some(10), Some(1)));
    assert_eq!(first.paper.url, site.url("/papers/2601.90003").as_str());
    assert_eq!((reading.snapshot.route, reading.snapshot.taken), (Route::Main, noon("2026-01-06")));
    assert_eq!(site.requests().len(), 5, "one for each day, and one more for each that is longer than those before");
}

#[tokio::test]
async fn a_day_longer_than_a_page_is_read_whole() {
    let site = Site::start().await;
    for n in 0..230 {
        site.list(day("2026-01-05"), paper(&format!("2601.{n:05}"), "Sheep"));
    }
    let reading = read(&site, 1, "2026-01-05").await.expect("a reading");
    assert_eq!((reading.snapshot.items.len(), reading.days[0].items), (230, 230));
    assert_eq!(reading.snapshot.items[229].listing.rank, 230);
    assert_eq!(site.asked("/api"), 3);
}

#[tokio::test]
async fn an_empty_day_an_error_and_a_challenge_are_three_results() {
    let site = Site::start().await;
    let reading = read(&site, 1, "2026-01-05").await.expect("a reading");
    assert_eq!((outcomes(&reading), titles(&reading)), (vec![&DayOutcome::Empty], vec![]));

    site.fail("/api", Fault::Body(r#"{"error":"out of order"}"#));
    site.fail("/papers", Fault::Status(500));
    let error = read(&site, 1, "2026-01-05").await.expect_err("an error");
    assert_eq!(error.to_string(), "api: answered with an error: out of order; page: the server failed with 500");
    assert!(!error.is_blocked());

    site.mend();
    site.fail("/api", Fault::Body("<!doctype html><script src=/challenge.js></script>"));
    site.fail("/papers", Fault::Body("<!doctype html><script src=/challenge.js></script>"));
    let error = read(&site, 1, "2026-01-05").await.expect_err("an error");
    assert!(error.is_blocked(), "{error}");
}

#[tokio::test]
async fn the_page_and_then_its_cards_stand_in_for_the_api() {
    for (markup, route) in [
        (Markup::Of2026, Route::Fallback),
        (Markup::Of2024, Route::Fallback),
        (Markup::CardsOf2026, Route::TitlesOnly),
        (Markup::CardsOf2024, Route::TitlesOnly),
    ] {
        for fault in [
            Fault::Status(503),
            Fault::Status(403),
            Fault::Challenge,
            Fault::Body("[{"),
            Fault::Body("{\"error\":\"no\"}"),
            Fault::Body("[{\"article\":{\"id\":\"2601.90001\"}}]"),
        ] {
            let site = Site::start().await;
            site.markup(markup);
            site.list(day("2026-01-05"), paper("2601.90001", "It's \"Sheep\" & <b>Co</b> in $O(n)$"));
            site.fail("/api", fault.clone());
            let reading = read(&site, 1, "2026-01-05").await.expect("a reading");
            let item = &reading.snapshot.items[0];
            assert_eq!(titles(&reading), ["It's \"Sheep\" & <b>Co</b> in $O(n)$"], "{markup:?}, {fault:?}");
            assert_eq!((item.listing.upvotes, item.listing.comments), (Some(10), Some(1)), "{markup:?}");
            assert_eq!((reading.snapshot.route, item.listing.day), (route, day("2026-01-05")), "{markup:?}");
            assert_eq!(item.paper.abstract_text.is_empty(), route == Route::TitlesOnly, "{markup:?}");
            assert_eq!(item.paper.author_count, (route == Route::TitlesOnly).then_some(2), "{markup:?}");
        }
    }
}

#[tokio::test]
async fn a_page_of_another_day_gives_no_papers() {
    for markup in [Markup::Of2026, Markup::Of2024, Markup::CardsOf2026, Markup::CardsOf2024] {
        let site = Site::start().await;
        site.markup(markup);
        site.list(day("2026-01-05"), paper("2601.90001", "Sheep"));
        site.fail("/api", Fault::Status(500));
        let reading = read(&site, 2, "2026-01-06").await.expect("a reading");
        assert_eq!(outcomes(&reading), [&DayOutcome::OtherPeriod, &DayOutcome::Listed], "{markup:?}");
        let days: Vec<_> = reading.snapshot.items.iter().map(|item| item.listing.day).collect();
        assert_eq!(days, [day("2026-01-05")], "{markup:?}: once, on its own day");
        assert!(read(&site, 1, "2026-01-06").await.is_err(), "{markup:?}: nothing else was read");
    }
}

#[tokio::test]
async fn a_day_that_fails_leaves_the_others_good() {
    let site = Site::start().await;
    for date in ["2026-01-04", "2026-01-05", "2026-01-06"] {
        site.list(day(date), paper("2601.90001", date));
    }
    site.fail("/api/daily_papers?date=2026-01-05", Fault::Status(500));
    site.fail("/papers/date/2026-01-05", Fault::Hangup);
    let reading = read(&site, 3, "2026-01-06").await.expect("a reading");
    assert_eq!(titles(&reading), ["2026-01-06", "2026-01-04"]);
    let failed: Vec<_> = reading.failed().filter_map(|(report, _)| report.day).collect();
    assert_eq!(failed, [day("2026-01-05")]);
    assert_eq!(reading.snapshot.route, Route::Main, "what was read was read by the API");
}

#[tokio::test]
async fn no_more_is_asked_of_a_host_that_has_had_enough() {
    let site = Site::start().await;
    site.fail("/api", Fault::Headers(429, vec![("retry-after", "100")]));
    let error = read(&site, 5, "2026-01-05").await.expect_err("an error");
    assert_eq!((error.retry_after(), site.requests().len()), (Some(Duration::from_secs(100)), 1));

    let site = Site::start().await;
    site.fail("/api", Fault::Status(403));
    site.fail("/papers", Fault::Challenge);
    let error = read(&site, 5, "2026-01-05").await.expect_err("an error");
    assert!(error.is_blocked());
    assert_eq!((site.asked("/api"), site.asked("/papers")), (1, 1));
}

#[tokio::test]
async fn bad_items_are_counted_and_bad_fields_cost_no_item() {
    let site = Site::start().await;
    site.etags();
    let listed = "2026-01-05T00:00:00.000Z";
    for item in [
        json!({"paper": {"id": "2601.90001", "title": "Sheep", "upvotes": "many", "authors": null, "submittedOnDailyAt": listed}}),
        json!({"paper": {"title": "No id"}}),
        json!("junk"),
    ] {
        site.list_raw(day("2026-01-05"), item);
    }
    let reading = read(&site, 1, "2026-01-05").await.expect("a reading");
    assert_eq!((titles(&reading), reading.snapshot.skipped, reading.days[0].lost.count), (vec!["Sheep"], 2, 2));
    assert_eq!(reading.snapshot.items[0].listing.upvotes, None);
    assert_eq!(conditional(&reading), 0, "a later version may understand them");
}

#[tokio::test]
async fn a_paper_listed_again_has_a_listing_on_each_day() {
    let site = Site::start().await;
    site.list(day("2026-01-05"), paper("2601.90001", "Sheep"));
    site.list(day("2026-01-06"), paper("2601.90001", "Sheep"));
    // Items on the lists around say that day too; they are behind a paper with more votes there.
    for date in ["2026-01-04", "2026-01-07"] {
        let mut popular = paper("2601.90002", "Sleep");
        popular.upvotes = 99;
        site.list(day(date), popular);
        site.list_raw(day(date), paper("2601.90001", "Sheep").on(day("2026-01-05")));
    }
    let reading = read(&site, 4, "2026-01-07").await.expect("a reading");
    let mut listings: Vec<_> =
        reading.snapshot.items.iter().map(|i| (i.listing.day.to_string(), i.listing.rank)).collect();
    listings.sort();
    assert_eq!(listings, ["2026-01-04", "2026-01-05", "2026-01-06", "2026-01-07"].map(|date| (date.to_owned(), 1)));
}

#[tokio::test]
async fn a_list_that_has_not_changed_is_not_sent_again() {
    let site = Site::start().await;
    site.etags();
    site.list(day("2026-01-04"), paper("2601.90001", "Sheep"));
    site.list(day("2026-01-05"), paper("2601.90002", "Sleep"));
    let source = source(site.base(), Lists::Daily { days: 2 });
    let client = client();
    let first = huggingface::read(&client, &source, &Visits::new(), &Further::default(), noon("2026-01-05"))
        .await
        .expect("a reading");
    assert_eq!((titles(&first), conditional(&first)), (vec!["Sleep", "Sheep"], 2));

    site.list(day("2026-01-05"), paper("2601.90003", "Dreams"));
    site.fail("/papers", Fault::Status(500));
    let second = huggingface::read(&client, &source, &first.visits, &Further::default(), noon("2026-01-05"))
        .await
        .expect("a reading");
    assert_eq!(outcomes(&second), [&DayOutcome::Listed, &DayOutcome::Unchanged]);
    assert_eq!(second.snapshot.items.len(), 2, "the changed day, whole");
    assert_eq!(second.days.iter().map(|report| report.items).collect::<Vec<_>>(), [2, 1], "the other has what it had");
    assert_eq!(conditional(&second), 2);

    site.fail("/api/daily_papers?date=2026-01-05", Fault::Status(500));
    let third = huggingface::read(&client, &source, &second.visits, &Further::default(), noon("2026-01-05"))
        .await
        .expect("a reading");
    assert_eq!(third.failed().count(), 1);
    assert_eq!(third.visits, second.visits, "a failure changes nothing");
    let kept = serde_json::to_string(&third.visits).expect("json");
    assert_eq!(serde_json::from_str::<Visits>(&kept).ok(), Some(third.visits));
    let of_older = r#"{"https://papers.example/":{"etag":"W/\"1\""}}"#;
    assert!(serde_json::from_str::<Visits>(of_older).is_ok(), "as older versions kept them");
}

#[tokio::test]
async fn a_list_whose_length_is_not_known_is_not_asked_whether_it_has_changed() {
    let site = Site::start().await;
    site.etags();
    site.list(day("2026-01-05"), paper("2601.90001", "Sheep"));
    let source = source(site.base(), Lists::Daily { days: 1 });
    let client = client();
    let first = huggingface::read(&client, &source, &Visits::new(), &Further::default(), noon("2026-01-05"))
        .await
        .expect("a reading");
    let uncounted = first.visits.into_iter().map(|(url, visit)| (url, Visit { items: None, ..visit })).collect();
    let second = huggingface::read(&client, &source, &uncounted, &Further::default(), noon("2026-01-05"))
        .await
        .expect("a reading");
    assert_eq!((outcomes(&second), second.days[0].items), (vec![&DayOutcome::Listed], 1));
}

#[tokio::test]
async fn a_list_of_many_pages_is_always_read_whole() {
    let site = Site::start().await;
    site.etags();
    for n in 0..101 {
        site.list(day("2026-01-05"), paper(&format!("2601.{n:05}"), "Sheep"));
    }
    let reading = read(&site, 1, "2026-01-05").await.expect("a reading");
    assert_eq!((reading.snapshot.items.len(), conditional(&reading)), (101, 0));
}

// The trending list.

#[tokio::test]
async fn trending_papers_are_listed_under_the_day_they_were_seen() {
    let site = Site::start().await;
    let mut old = paper("2401.90001", "Old and Loved");
    old.upvotes = 900;
    site.list(day("2024-01-05"), old);
    site.list(day("2026-01-05"), paper("2601.90002", "New"));
    site.etags();
    for route in [Route::Main, Route::Fallback, Route::TitlesOnly] {
        match route {
            Route::Main => {}
            Route::Fallback => site.fail("/api", Fault::Body("{}")),
            Route::TitlesOnly => site.markup(Markup::CardsOf2024),
        }
        let reading = read_trending(&site, "2026-01-07").await.expect("a reading");
        let rows: Vec<_> =
            reading.snapshot.items.iter().map(|i| (i.paper.title.as_str(), i.listing.rank, i.listing.day)).collect();
        let today = day("2026-01-07");
        assert_eq!(rows, [("Old and Loved", 1, today), ("New", 2, today)]);
        assert_eq!((reading.snapshot.route, reading.days[0].day), (route, None));
        assert_eq!(conditional(&reading), 0, "unchanged, it is still a new listing tomorrow");
    }
}

#[tokio::test]
async fn a_page_that_is_not_the_trending_list_is_not_taken_for_it() {
    let site = Site::start().await;
    site.list(day("2026-01-05"), paper("2601.90001", "Sheep"));
    site.fail("/api", Fault::Status(500));
    site.fail("/papers/trending", Fault::Redirect(site.url("/papers/date/2026-01-05").into()));
    let error = read_trending(&site, "2026-01-05").await.expect_err("an error");
    assert!(error.to_string().ends_with("page: the page shows 2026-01-05"), "{error}");
}

// The demo's own site.

#[tokio::test]
async fn the_demos_site_is_read_like_the_real_one() {
    let (yesterday, today) = (day("2026-01-05"), day("2026-01-06"));
    let site = DemoSite::start(sample::first(yesterday), sample::second(yesterday, today)).await.expect("a site");
    let source = source(Url::parse(&site.base()).expect("an address"), Lists::Daily { days: 2 });
    let read = async || {
        huggingface::read(&client(), &source, &Visits::new(), &Further::default(), noon("2026-01-06"))
            .await
            .expect("a reading")
            .snapshot
    };
    let first = read().await;
    site.advance();
    let second = read().await;
    assert_eq!((first.items.len(), second.items.len(), second.skipped), (8, 15, 0));
    assert!(second.items.iter().any(|item| item.paper.title.contains("<script>")));
}

// What no site should give.

proptest! {
    #[test]
    fn no_answer_however_odd_makes_a_parser_panic(
        parts in proptest::collection::vec(prop_oneof![
            Just(r#"{"paper":{"id":"2601.90001","title":"\u0000é","upvotes":-1,"submittedOnDailyAt":"2026-99"}}"#.to_owned()),
            Just(r#"<div data-target="DailyPapers" data-props="{&quot;dateString&quot;:&quot;2026-0é-01&quot;,"#.to_owned()),
            Just("<article><h3><a href=\"/papers/2601.90001\">".to_owned()),
            Just("<div role=\"checkbox\">9,,9k .k - 1.2.3k".to_owned()),
            Just("user-agent: *\ndisallow: /*%é%2$*$".to_owned()),
            "[\\[\\]{}<>\",:&;$*%0-9a-f\n]{0,9}",
            "\\PC{0,5}",
        ], 0..12)
    ) {
        let text = parts.concat();
        let source = source(Url::parse("https://example.org").expect("an address"), Lists::Trending);
        let _ = api::parse(text.as_bytes(), &source);
        let _ = page::parse(&text, &source);
        let _ = Robots::parse(text.as_bytes(), "paperpost").allows(&source.paper_url(&text));
    }
}

// What the real site gave, where it is at hand.

#[test]
fn recorded_answers_of_the_real_site_are_read_without_a_loss() {
    let Some(corpus) = recorded("PAPERPOST_CORPUS") else { return };
    let corpus = corpus.join("huggingface");
    let source = source(Url::parse("https://huggingface.co").expect("an address"), Lists::Trending);
    let text = |name: &str| std::fs::read_to_string(corpus.join(name)).expect("a file of the corpus");

    let html = text("page-date-2024-08-01.html");
    let (by_json, by_cards) = (page::parse(&html, &source).expect("a page"), cards::parse(&html, &source));
    assert_eq!(
        (by_json.route, by_json.period, by_json.items.lost.count),
        (Route::Fallback, page::Period::Day(day("2024-08-01")), 0)
    );
    let rows = |items: &huggingface::Items| -> Vec<_> {
        let row = |i: &huggingface::Item| {
            (i.paper.key.clone(), i.paper.title.clone(), i.upvotes, i.comments.unwrap_or_default())
        };
        items.items.iter().map(row).collect()
    };
    assert_eq!(rows(&by_json.items).len(), 13);
    assert_eq!(rows(&by_json.items), rows(&by_cards));
    for (full, card) in by_json.items.items.iter().zip(&by_cards.items) {
        assert!(!full.paper.abstract_text.is_empty() && full.upvotes > Some(0));
        // Cards count hidden authors too.
        assert!(card.paper.author_count >= u32::try_from(full.paper.authors.len()).ok(), "{}", full.paper.title);
    }

    let days = std::fs::read_dir(corpus.join("daily_papers")).expect("recorded days");
    let mut names: Vec<_> =
        days.map(|file| format!("daily_papers/{}", file.expect("a file").file_name().display())).collect();
    names
        .extend(["month_2026-08_item1", "sort_trending_item1"].map(|name| format!("api/api_daily_papers_{name}.json")));
    assert!(names.len() >= 7);
    for name in names {
        let json = text(&name);
        let expected = serde_json::from_str::<Vec<Value>>(&json).expect("a list").len();
        let (items, length) = api::parse(json.as_bytes(), &source).expect("a list");
        assert_eq!((items.items.len(), items.lost.count, length), (expected, 0, expected), "{name}");
        for item in &items.items {
            let paper = &item.paper;
            assert!(paper.key.arxiv_id().is_some() && paper.published.is_some() && !paper.authors.is_empty(), "{name}");
            assert!(!paper.abstract_text.is_empty() && item.upvotes.is_some() && item.comments.is_some(), "{name}");
        }
    }
    let error = api::parse(text("api/api_error_limit_too_big_400.json").as_bytes(), &source);
    assert!(matches!(error, Err(SourceError::Answer(_))));
    assert_eq!(
        api::parse(text("api/api_empty_day.json").as_bytes(), &source).map(|(items, _)| items.items.len()),
        Ok(0)
    );
}
