//! The query language, judged case by case, and the index against the plain evaluator.

use std::sync::Arc;

use chrono::{DateTime, Duration, TimeZone, Utc};
use paperpost::core::candidate::Candidate;
use paperpost::core::lint::{Holdings, Role, lint};
use paperpost::core::matching::Pool;
use paperpost::core::paper::{Listing, Paper, PaperKey, SourceId};
use paperpost::core::query::Query;
use paperpost::core::trend::{Vote, momentum};

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 4, 12, 0, 0).single().expect("a valid time")
}

/// A paper as `tests/judged.txt` writes it.
fn paper(text: &str) -> Candidate {
    let mut parts = text.split(" / ");
    let key = PaperKey::arxiv("2603.00001").expect("an arXiv id");
    let mut paper = Paper::new(key, parts.next().unwrap_or_default(), "https://example.org/paper");
    let source = SourceId::parse("huggingface").expect("a source");
    let mut listing = Listing { source, day: now().date_naive(), rank: 1, upvotes: None, comments: None };
    for part in parts {
        let (name, value) = part.split_once(": ").expect("a field and its value");
        match name {
            "abstract" => paper.abstract_text = value.to_owned(),
            "author" => paper.authors.push(value.to_owned()),
            "org" => paper.organization = Some(value.to_owned()),
            "category" => paper.categories.push(value.to_owned()),
            "source" => listing.source = SourceId::parse(value).expect("a source"),
            "keyword" => paper.keywords.push(value.to_owned()),
            "upvotes" => listing.upvotes = value.parse().ok(),
            "comments" => listing.comments = value.parse().ok(),
            "stars" => paper.stars = value.parse().ok(),
            "code" => paper.code = Some(value.to_owned()),
            "project" => paper.project = Some(value.to_owned()),
            "age" => listing.day = now().date_naive() - Duration::days(value.parse().expect("days")),
            other => panic!("no field {other} in a judged paper"),
        }
    }
    // As the store hands them out.
    let paper = paper.displayed();
    Candidate { id: 1, paper, first_seen: chrono::DateTime::UNIX_EPOCH, listings: vec![listing], votes: Vec::new() }
}

#[test]
fn every_judged_case_is_decided_as_a_reader_would() {
    let cases: Vec<&str> =
        include_str!("../judged.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(cases.len() >= 450);
    let mut wrong = Vec::new();
    for case in cases {
        let [verdict, expression, text] = case.splitn(3, '|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("three columns expected: {case}");
        };
        let query = Query::parse(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        let found = Pool::new(vec![paper(text)], now()).count(&query) == 1;
        if found != (verdict == "yes") {
            wrong.push(case);
        }
    }
    assert!(wrong.is_empty(), "decided wrongly:\n{}", wrong.join("\n"));
}

#[test]
fn every_expression_in_the_manual_is_one() {
    let manual = include_str!("../../docs/query-language.md");
    let listed = manual.lines().filter(|line| line.starts_with("| `"));
    // The first column of each table; a field alone, as `title:`, is no expression yet.
    let cells = listed.flat_map(|line| line.split('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2));
    let expressions: Vec<&str> = cells.filter(|cell| !cell.ends_with(':')).collect();
    assert!(expressions.len() > 30, "{}", expressions.len());
    for expression in expressions {
        assert!(Query::parse(expression).is_ok(), "{expression}: {:?}", Query::parse(expression));
    }
}

#[test]
fn the_worked_example_in_the_manual_is_what_is_computed() {
    let manual = include_str!("../../docs/query-language.md");
    let rows: Vec<Vec<&str>> = manual
        .lines()
        .filter(|line| line.contains(" h ago |"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), 3);
    let (mut votes, mut before) = (Vec::new(), 0);
    for row in &rows {
        let [read, upvotes, new, count] = row[..] else { panic!("four columns expected: {row:?}") };
        let hours: i64 = read.trim_end_matches(" h ago").parse().expect("hours");
        let vote = Vote { at: now() - Duration::hours(hours), upvotes: upvotes.parse().expect("votes") };
        assert_eq!(new, (vote.upvotes - before).to_string());
        let halves = 1 << (hours / 24);
        assert_eq!(count, format!("{new} / {halves} = {}", (vote.upvotes - before) / halves));
        before = vote.upvotes;
        votes.push(vote);
    }
    assert!(manual.contains(&format!("its momentum is {},", momentum(&votes, now()))));
    let old = [Vote { at: now() - Duration::days(2), upvotes: 80 }];
    assert!(manual.contains(&format!("whose momentum is {}.", momentum(&old, now()))));
}

#[test]
fn a_linter_with_recent_papers_counts_what_matches() {
    let papers = |title: &str| (0..50).map(|_| paper(title)).collect::<Vec<_>>();
    let pool = Arc::new(Pool::new([papers("Agents that plan"), papers("Speech")].concat(), now()));
    let holdings = Holdings { recent: Some(pool), ..Holdings::default() };
    let told = |expression: &str, role| {
        let lints = lint(&Query::parse(expression).expect(expression), role, &holdings);
        lints.into_iter().map(|lint| lint.message).collect::<Vec<_>>()
    };
    assert_eq!(told("agents", Role::Keyword), ["this matches 50 % of the recent papers, 50 of 100"]);
    assert_eq!(told("agents", Role::Exclude), ["this excludes 50 % of the recent papers, 50 of 100"]);
    assert_eq!(told("agents", Role::Must), [""; 0]);
    assert_eq!(told("agents speech", Role::Keyword), [""; 0]);
}
