//! The JSON items of `GET /api/daily_papers`, which the web page carries as well.
//!
//! Items are read one by one, and field by field out of untyped JSON: over three years fields came, went and were renamed,
//! and a field of the wrong type must cost that field, not the paper, as one bad item must not cost the day.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use url::Url;

use super::super::SourceError;
use super::super::json::Parts;
use super::HuggingFace;
use super::items::{Item, Items};
use crate::core::clean::clean_text;
use crate::core::paper::Paper;

/// Items that are asked for at once: the most that the API gives.
pub const PAGE_SIZE: usize = 100;

/// Reads one page of an answer. Beside the items comes the length of the page, lost items included.
pub fn parse(body: &[u8], source: &HuggingFace) -> Result<(Items, usize), SourceError> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{FEFF}').trim_start();
    if let Some(mut parts) = Parts::of_list(text) {
        let (items, length) = items(&mut parts, source);
        if !parts.is_whole() {
            return Err(SourceError::Unreadable("no JSON: the list has no end".to_owned()));
        }
        // An empty day is one thing, a day of which nothing can be understood another.
        if items.items.is_empty() && length > 0 {
            return Err(SourceError::Unreadable(format!("none of {length} items is in a known shape: {}", items.lost)));
        }
        return Ok((items, length));
    }
    if text.starts_with('<') {
        return Err(SourceError::Challenge);
    }
    let answer: Value =
        serde_json::from_str(text).map_err(|error| SourceError::Unreadable(format!("no JSON: {error}")))?;
    Err(match answer["error"].as_str() {
        Some(error) => SourceError::Answer(clean_text(error).chars().take(200).collect()),
        None if answer.is_object() => SourceError::Unreadable("an object where a list was expected".to_owned()),
        None => SourceError::Unreadable("no list".to_owned()),
    })
}

/// Reads the items of a list, in its order, and counts them, lost ones included.
pub(super) fn items<'a>(parts: impl Iterator<Item = &'a str>, source: &HuggingFace) -> (Items, usize) {
    let mut items = Items::default();
    let mut length = 0;
    for part in parts {
        length += 1;
        let read = serde_json::from_str(part).map_err(|error| reason(&error));
        match read.and_then(|value| item(&value, source).ok_or_else(|| "it has no id".to_owned())) {
            Ok(item) => items.push(item),
            Err(why) => items.lost.add(|| match id_in(part) {
                Some(id) => format!("{id} ({why})"),
                None => format!("item {length} ({why})"),
            }),
        }
    }
    (items, length)
}

/// What the parser says, without the place: that is in a text that nobody has.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// The first id in an item that can't be parsed.
fn id_in(part: &str) -> Option<&str> {
    let rest = part.split_once("\"id\"")?.1.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    rest.split('"').next().filter(|id| is_id(id) && id.len() <= 40)
}

/// Only the id must be there, and be a string: as a number `2503.02130` would have lost its zero.
fn item(value: &Value, source: &HuggingFace) -> Option<Item> {
    let inner = value.get("paper")?;
    // The same field may be at either place; which one has it changed over the years.
    let either = |name: &str| text(&inner[name]).or_else(|| text(&value[name]));
    let id = inner["id"].as_str().map(str::trim).filter(|id| is_id(id))?;

    let title = either("title").unwrap_or_else(|| id.to_owned());
    let mut paper = Paper::new(source.paper_key(id), &title, source.paper_url(id).as_str());
    // `ai_summary` is left alone: it is a sentence by a model, and not always there.
    paper.abstract_text = either("summary").unwrap_or_default();
    paper.authors = list(&inner["authors"])
        .filter(|author| author["hidden"].as_bool() != Some(true))
        .filter_map(|author| text(&author["name"]))
        .collect();
    paper.organization = [&inner["organization"], &value["organization"]]
        .into_iter()
        .find_map(|organization| text(&organization["fullname"]).or_else(|| text(&organization["name"])));
    paper.published = day(&inner["publishedAt"]);
    paper.code = address(&inner["githubRepo"]);
    paper.stars = count(&inner["githubStars"]);
    paper.project = address(&inner["projectPage"]);
    paper.keywords = list(&inner["ai_keywords"]).filter_map(text).collect();
    Some(Item {
        paper,
        // Not the outer `publishedAt`: that is in New York's time, often the day before.
        day: day(&inner["submittedOnDailyAt"]),
        upvotes: count(&inner["upvotes"]),
        comments: count(&value["numComments"]),
    })
}

/// Ids go into keys and addresses: no white space, nothing invisible, no end in sight.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 100 && id.chars().all(|c| c.is_ascii_graphic())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Clean text; `None` when there is none.
fn text(value: &Value) -> Option<String> {
    value.as_str().map(clean_text).filter(|text| !text.is_empty())
}

fn count(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|count| u32::try_from(count).ok())
}

/// The UTC day of an instant, or a bare day.
fn day(value: &Value) -> Option<NaiveDate> {
    let text = value.as_str()?;
    let instant = DateTime::parse_from_rfc3339(text).map(|instant| instant.with_timezone(&Utc).date_naive());
    instant.or_else(|_| text.parse()).ok()
}

/// An absolute http or https address, in the spelling that browsers give it.
fn address(value: &Value) -> Option<String> {
    let text = text(value)?;
    let url = Url::parse(&text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host() && text.len() <= 2000).then(|| url.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::source;
    use super::*;

    fn one(value: Value) -> Item {
        let (Items { mut items, lost, .. }, _) = items([value.to_string().as_str()].into_iter(), &source());
        assert_eq!((items.len(), lost.count), (1, 0));
        items.remove(0)
    }

    #[test]
    fn an_item_fills_the_paper() {
        let item = one(json!({
            "paper": {
                "id": "2601.00010", "title": "Counting\n  Sheep", "summary": "We count.\nThen we sleep.",
                "authors": [{"name": "A. One"}, {"name": "B. Two", "hidden": true}, {"name": "C. Three", "hidden": false}],
                "publishedAt": "2026-01-01T23:30:00.000-05:00", "submittedOnDailyAt": "2026-01-05T00:00:00.000Z",
                "upvotes": 7, "githubRepo": "https://example.org/sheep", "githubStars": 12,
                "projectPage": "https://example.org/", "ai_summary": "Sheep.", "ai_keywords": ["sheep", " "],
                "organization": {"name": "farm", "fullname": "The Farm"},
            },
            "publishedAt": "2026-01-04T20:00:00.000Z", "numComments": 2, "surprise": {},
        }));
        assert_eq!((item.upvotes, item.comments), (Some(7), Some(2)));
        assert_eq!(item.day.map(|d| d.to_string()).as_deref(), Some("2026-01-05"));
        let paper = item.paper;
        assert_eq!(
            (paper.key.as_str(), paper.url.as_str()),
            ("arxiv:2601.00010", "https://papers.example/papers/2601.00010")
        );
        assert_eq!(
            (paper.title.as_str(), paper.abstract_text.as_str()),
            ("Counting Sheep", "We count. Then we sleep.")
        );
        assert_eq!(paper.authors, ["A. One", "C. Three"]);
        assert_eq!(paper.published.map(|d| d.to_string()).as_deref(), Some("2026-01-02"), "in UTC");
        assert_eq!((paper.code.as_deref(), paper.stars), (Some("https://example.org/sheep"), Some(12)));
        assert_eq!(
            (paper.project.as_deref(), paper.organization.as_deref()),
            (Some("https://example.org/"), Some("The Farm"))
        );
        assert_eq!(paper.keywords, ["sheep"]);
    }

    #[test]
    fn everything_but_the_id_may_be_missing_null_or_wrong() {
        let bare = one(json!({"paper": {"id": "2601.00010"}}));
        assert_eq!(bare.paper, Paper::new(bare.paper.key.clone(), "2601.00010", &bare.paper.url));
        for junk in [json!(null), json!(-1), json!("x"), json!([1, {}, null]), json!({"name": 3}), json!(1.5e300)] {
            let mut value = json!({"paper": {"id": "2601.00010"}});
            for name in [
                "upvotes",
                "authors",
                "summary",
                "publishedAt",
                "submittedOnDailyAt",
                "githubStars",
                "projectPage",
                "githubRepo",
                "ai_keywords",
                "organization",
            ] {
                value["paper"][name] = junk.clone();
            }
            value["numComments"] = junk.clone();
            value["paper"]["summary"] = json!(null);
            let mut item = one(value);
            item.paper.keywords.clear();
            assert_eq!(item, bare, "{junk}");
        }
    }

    #[test]
    fn addresses_are_absolute_and_of_the_web() {
        for wrong in ["javascript:alert(1)", "/relative", "example.org/x", "data:text/html,x", "https://"] {
            assert_eq!(address(&json!(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn a_bad_item_is_counted_and_a_second_copy_is_not_kept() {
        let good = json!({"paper": {"id": "2601.00010"}});
        let body = json!([good, {"paper": {"id": 2601.0001}}, {"id": "2601.00011"}, null, {"paper": {"id": ""}}, good]);
        let (items, length) = parse(body.to_string().as_bytes(), &source()).expect("a list");
        assert_eq!((items.items.len(), items.lost.count, length), (1, 4, 6));
    }

    #[test]
    fn an_item_that_is_no_json_costs_that_item_and_is_named() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for (field, why) in [
            (r#""summary":"\ud800""#, "hex escape"),
            ("\"summary\":\"a\u{1}b\"", "control character"),
            (r#""upvotes":NaN"#, "expected value"),
            (r#""upvotes":-Infinity"#, "invalid number"),
            (r#""upvotes":1e400"#, "number out of range"),
            (&format!(r#""authors":{deep}"#), "recursion limit exceeded"),
        ] {
            let good =
                |id: &str| format!(r#"{{"paper":{{"id":"{id}","summary":"We count, [sheep] and \"goats\"."}}}}"#);
            let bad = format!(r#"{{"paper":{{"id":"2601.00011",{field}}}}}"#);
            let body = format!("\u{FEFF} [{},\n{bad}, {}]", good("2601.00010"), good("2601.00012"));
            let (items, length) = parse(body.as_bytes(), &source()).expect("a list");
            let read: Vec<_> = items.items.iter().map(|item| item.paper.key.as_str()).collect();
            assert_eq!((read, length), (vec!["arxiv:2601.00010", "arxiv:2601.00012"], 3), "{field}");
            assert!(items.items.iter().all(|item| item.paper.abstract_text.contains("\"goats\"")));
            let lost = items.lost.to_string();
            assert!(lost.starts_with("1 item could not be understood: 2601.00011 (") && lost.contains(why), "{lost}");
        }
    }

    #[test]
    fn an_id_that_is_not_arxivs_is_the_sources_own() {
        let item = one(json!({"paper": {"id": "team/report-1"}}));
        assert_eq!(item.paper.key.as_str(), "huggingface:team/report-1");
        assert_eq!(item.paper.url, "https://papers.example/papers/team%2Freport-1");
    }

    #[test]
    fn an_error_a_page_and_junk_are_told_apart_from_an_empty_day() {
        let parse = |body: &str| parse(body.as_bytes(), &source()).map(|(items, _)| items.items.len());
        assert_eq!(parse("[]"), Ok(0));
        assert_eq!(parse(r#"{"error":"Too\n big"}"#), Err(SourceError::Answer("Too big".into())));
        assert_eq!(parse("<!doctype html><p>hello"), Err(SourceError::Challenge));
        for junk in ["", "{}", "7", "[] x", "[{\"paper\":", "[{\"article\":{}}]"] {
            assert!(matches!(parse(junk), Err(SourceError::Unreadable(_))), "{junk}");
        }
    }
}
