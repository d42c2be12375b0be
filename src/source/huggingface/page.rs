//! The web page of a list: the JSON in it, or else its cards.
//!
//! The page is hydrated from the attribute `data-props` of `[data-target="DailyPapers"]`; its `dailyPapers` are the
//! API's items, and beside them stands which period the page shows. This has held through every change of the markup since
//! 2023. Classes, positions and parents have not, so nothing else is relied upon.

use std::fmt;

use chrono::NaiveDate;
use serde_json::{Map, Value};

use super::super::SourceError;
use super::super::json::{Parts, member};
use super::items::Items;
use super::{HuggingFace, api, cards, markup};
use crate::core::clean::clean_text;
use crate::core::paper::Route;

/// What a page shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// How it was read: [`Route::Fallback`] or [`Route::TitlesOnly`].
    pub route: Route,
    /// The period it says it shows.
    pub period: Period,
    /// Its papers.
    pub items: Items,
}

/// What period a page says it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Period {
    /// One day.
    Day(NaiveDate),
    /// The trending list.
    Trending,
    /// A week, a month, or something yet unknown.
    Other(String),
    /// It doesn't say; cards never do.
    Unsaid,
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Period::Day(day) => write!(f, "{day}"),
            Period::Trending => f.write_str("the trending list"),
            Period::Other(text) => f.write_str(text),
            Period::Unsaid => f.write_str("an unknown period"),
        }
    }
}

/// Reads a page. One without the list's element and without a card is no list but a challenge.
pub fn parse(html: &str, source: &HuggingFace) -> Result<Page, SourceError> {
    let pieces = markup::cut(html);
    if let Some(page) = pieces.props.as_deref().and_then(|props| hydrated(props, source)) {
        return Ok(page);
    }
    let items = cards::read(&pieces, source);
    match (items.items.is_empty(), pieces.props) {
        (false, _) => Ok(Page { route: Route::TitlesOnly, period: Period::Unsaid, items }),
        (true, Some(_)) => Err(SourceError::Unreadable("the page has neither its JSON nor cards".to_owned())),
        (true, None) => Err(SourceError::Challenge),
    }
}

/// The list as the page's own JSON has it; `None` when that is none, or nothing of it can be understood.
fn hydrated(props: &str, source: &HuggingFace) -> Option<Page> {
    let mut parts = Parts::of_object(props.trim())?;
    let (mut list, mut about) = (None, Map::new());
    for (name, value) in parts.by_ref().filter_map(member) {
        match name.as_str() {
            "dailyPapers" => list = Some(value),
            // Beside the list a value that can't be read is missed by nobody.
            _ => about.extend(serde_json::from_str(value).ok().map(|value: Value| (name, value))),
        }
    }
    let mut parts = Parts::of_list(list.filter(|_| parts.is_whole())?)?;
    let (items, length) = api::items(&mut parts, source);
    let is_read = parts.is_whole() && (length == 0 || !items.items.is_empty());
    is_read.then(|| Page { route: Route::Fallback, period: period(&about.into()), items })
}

/// Pages of 2026 have `periodType` and `dateString`, those of 2024 had `date`, an instant at midnight.
fn period(props: &Value) -> Period {
    if props["isTrending"] == true {
        return Period::Trending;
    }
    let date = props["dateString"].as_str().or_else(|| props["date"].as_str()).unwrap_or_default();
    let day = date.get(..10).and_then(|day| day.parse().ok());
    match (props["periodType"].as_str(), day) {
        (None | Some("day"), Some(day)) => Period::Day(day),
        (None, None) if date.is_empty() => Period::Unsaid,
        (kind, _) => Period::Other(clean_text(&format!("{} {date}", kind.unwrap_or("the period")))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::source;
    use super::*;

    fn page(props: &str) -> String {
        format!(
            r#"<main><!--[0--><div class="SVELTE_HYDRATER contents" data-target="DailyPapersBannerSubscribe"
            data-props="{{&quot;dailyPapers&quot;:[]}}"></div><!--]--><div data-props="{props}" data-target="DailyPapers"></div>"#
        )
    }

    fn shown(props: &str) -> Period {
        parse(&page(&props.replace('"', "&quot;")), &source()).expect("a page").period
    }

    #[test]
    fn the_attribute_is_decoded_and_its_papers_read() {
        let html = page(
            "{&quot;dateString&quot;:&quot;2026-01-05&quot;,&quot;periodType&quot;:&quot;day&quot;,&#x22;dailyPapers&#34;:[{&quot;\
             paper&quot;:{&quot;id&quot;:&quot;2601.00010&quot;,&quot;title&quot;:&quot;It's a &amp;lt;b&amp;gt; > c \\&quot;q\\&quot;&quot;}}]}",
        );
        let page = parse(&html, &source()).expect("a page");
        assert_eq!((page.route, page.period.to_string().as_str()), (Route::Fallback, "2026-01-05"));
        assert_eq!(page.items.items[0].paper.title, "It's a &lt;b&gt; > c \"q\"");
    }

    #[test]
    fn a_page_says_what_it_shows() {
        let day = NaiveDate::from_ymd_opt(2026, 1, 5).expect("a day");
        for (props, period) in [
            (r#"{"dailyPapers":[],"periodType":"day","dateString":"2026-01-05"}"#, Period::Day(day)),
            (r#"{"dailyPapers":[],"date":"2026-01-05T00:00:00.000Z"}"#, Period::Day(day)),
            (r#"{"dailyPapers":[],"isTrending":true}"#, Period::Trending),
            (r#"{"dailyPapers":[],"isTrending":false}"#, Period::Unsaid),
            (
                r#"{"dailyPapers":[],"periodType":"week","dateString":"2026-W02"}"#,
                Period::Other("week 2026-W02".into()),
            ),
            (
                r#"{"dailyPapers":[],"periodType":"month","dateString":"2026-01"}"#,
                Period::Other("month 2026-01".into()),
            ),
            (r#"{"dailyPapers":[],"date":"é2026-01-05"}"#, Period::Other("the period é2026-01-05".into())),
        ] {
            assert_eq!(shown(props), period, "{props}");
        }
    }

    #[test]
    fn a_page_without_the_element_or_cards_is_a_challenge() {
        let challenge = "<!doctype html><script src=/challenge.js></script><noscript>Enable JavaScript</noscript>";
        assert_eq!(parse(challenge, &source()), Err(SourceError::Challenge));
        let banner_only = page("").replace(r#"data-target="DailyPapers""#, "");
        assert_eq!(parse(&banner_only, &source()), Err(SourceError::Challenge));
        assert!(matches!(parse(&page("{"), &source()), Err(SourceError::Unreadable(_))));
    }

    #[test]
    fn cards_stand_in_for_json_that_cannot_be_read() {
        for props in ["", "{", "{&quot;dailyPapers&quot;:[{&quot;article&quot;:1}]}"] {
            let html = page(props) + r#"<article><h3><a href="/papers/2601.00010">Sheep</a></h3></article>"#;
            let page = parse(&html, &source()).expect("cards");
            assert_eq!(
                (page.route, page.period, page.items.items.len()),
                (Route::TitlesOnly, Period::Unsaid, 1),
                "{props}"
            );
        }
    }
}
