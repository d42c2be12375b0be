//! Small days that were matched or shown wrongly once. They are not part of the project: `PAPERPOST_CASES` names their folder.

use chrono::{TimeZone, Utc};
use paperpost::core::candidate::Candidate;
use paperpost::core::matching::Pool;
use paperpost::core::paper::SourceId;
use paperpost::core::query::Query;
use paperpost::source::huggingface::{HuggingFace, Lists, api};

use crate::process::recorded;
use crate::site::day;
use crate::world::World;

/// A folder, expressions, and the last digits of the papers that each of them finds, no others.
const FOUND: &[(&str, &[&str], &[u32])] = &[
    ("superscripts", &["tau2-bench", "τ2-bench", "τ²-Bench", "\"tau^2-bench\""], &[0]),
    ("superscripts", &["M3Eval", "M^3Eval"], &[1]),
    ("superscripts", &["A2RD", "A^2RD"], &[2]),
    ("superscripts", &["OPD^2", "OPD2"], &[3]),
    ("superscripts", &["OPD", "(OPD)^2"], &[4]),
    ("superscripts", &["pi0.5", "π0.5"], &[5]),
    ("star-hint", &["A*", "\"A*\"", "\"A* search\""], &[0]),
    ("latex-possessive", &["GPT-4o"], &[0, 1]),
    ("author-hyphens", &["author:\"Analee Sample\"", "author:\"Ana-Lee Sample\"", "author:\"Min Jo Other\""], &[0, 1]),
];

/// The day of a folder as the API answers; `None`, and a line that says so, where there are no cases.
fn a_day(folder: &str) -> Option<Vec<u8>> {
    let cases = recorded("PAPERPOST_CASES")?;
    Some(std::fs::read(cases.join("papers").join(folder).join("2026-08-21.json")).expect("a recorded day"))
}

#[test]
fn names_are_found_in_each_of_their_spellings() {
    let now = Utc.with_ymd_and_hms(2026, 8, 21, 12, 0, 0).single().expect("a time");
    let source = HuggingFace {
        id: SourceId::parse("huggingface").expect("a name"),
        base: "https://papers.example".parse().expect("an address"),
        lists: Lists::Daily { days: 1 },
        token: None,
    };
    let mut wrong = Vec::new();
    for (folder, expressions, expected) in FOUND {
        let Some(body) = a_day(folder) else { return };
        let (items, length) = api::parse(&body, &source).expect("a day");
        assert_eq!(items.items.len(), length, "{folder}: none is lost");
        for expression in *expressions {
            let query = Query::parse(expression).expect("an expression");
            let finds = |id: &u32| {
                let item = &items.items[*id as usize];
                let paper = item.paper.clone().displayed();
                let candidate = Candidate { id: *id, first_seen: now, paper, listings: Vec::new(), votes: Vec::new() };
                Pool::new(vec![candidate], now).count(&query) == 1
            };
            let found: Vec<u32> = (0u32..).take(length).filter(finds).collect();
            if found != *expected {
                wrong.push(format!("{folder}: {expression} finds {found:?}, not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn latex_is_readable_in_a_mail() {
    let Some(body) = a_day("latex-shown") else { return };
    let items: Vec<serde_json::Value> = serde_json::from_slice(&body).expect("a list");
    let mut world = World::new().await;
    world.at("2026-08-21 06:00");
    world.subscribe("email = \"all@example.org\"\nkeywords = []");
    for item in items {
        world.site.list_raw(day("2026-08-21"), item);
    }
    world.at("2026-08-21 20:00");
    world.once().await;
    world.at("2026-08-22 12:00");
    world.once().await;
    let mails = world.mails("all@example.org");
    let text = mails.iter().flat_map(|mail| mail.text.split_whitespace()).collect::<Vec<_>>().join(" ");
    for shown in ["$OneMillion-Bench: ", "We propose Ventor-QTest, 97.3% of 131,072, Qwen 3.7, Schrödinger retrieval."]
    {
        assert!(text.contains(shown), "{shown} is missing: {text}");
    }
}
