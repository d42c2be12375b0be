//! The index against the plain evaluator, and what a profile chooses.

use chrono::{Duration, TimeZone};
use proptest::prelude::*;

use super::*;
use crate::core::paper::{Listing, PaperKey, SourceId};
use crate::core::query::Expr;
use crate::core::query::tests::expressions;
use crate::core::subscription::Keyword;
use crate::core::trend::Vote;

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 4, 12, 0, 0).single().expect("a valid time")
}

fn candidate(number: u32, title: &str, abstract_text: &str) -> Candidate {
    let key = PaperKey::arxiv(&format!("2603.{number:05}")).expect("an arXiv id");
    let mut paper = Paper::new(key, title, "https://example.org/paper");
    paper.abstract_text = abstract_text.to_owned();
    let source = SourceId::parse("huggingface").expect("a source");
    let listing = Listing { source, day: now().date_naive(), rank: 1, upvotes: Some(10), comments: None };
    Candidate { id: number, paper, listings: vec![listing], votes: Vec::new() }
}

fn profile(keywords: &[&str]) -> Profile {
    let keyword = |text: &&str| Keyword { query: Query::parse(text).expect(text), weight: 1.0 };
    Profile {
        name: String::new(),
        keywords: keywords.iter().map(keyword).collect(),
        exclude: Vec::new(),
        must: Vec::new(),
        min_upvotes: 0,
        sources: Vec::new(),
        max_papers: 20,
        rank: Rank::Relevance,
    }
}

fn queries(texts: &[&str]) -> Vec<Query> {
    texts.iter().map(|text| Query::parse(text).expect(text)).collect()
}

fn chosen(pool: &Pool, profile: &Profile) -> Vec<u32> {
    pool.select(profile).into_iter().map(|chosen| pool.candidates()[chosen.index].id).collect()
}

#[test]
fn no_keywords_choose_every_paper_and_limits_still_hold() {
    let mut other = candidate(2, "Two", "");
    other.listings[0].source = SourceId::parse("arxiv-cs").expect("a source");
    other.listings[0].upvotes = None;
    let pool = Pool::new(vec![candidate(1, "One", ""), other], now());
    assert_eq!(chosen(&pool, &profile(&[])), [1, 2]);
    let of_source = Profile { sources: vec![SourceId::parse("arxiv-cs").expect("a source")], ..profile(&[]) };
    assert_eq!(chosen(&pool, &of_source), [2]);
    assert_eq!(chosen(&pool, &Profile { min_upvotes: 1, ..profile(&[]) }), [1]);
    assert_eq!(chosen(&pool, &Profile { must: queries(&["two"]), ..profile(&[]) }), [2]);
    assert_eq!(chosen(&pool, &Profile { exclude: queries(&["two"]), ..profile(&[]) }), [1]);
    assert_eq!(chosen(&Pool::new(Vec::new(), now()), &profile(&[])), [0u32; 0]);
}

#[test]
fn a_rarer_word_a_title_and_a_weight_come_first() {
    let mut papers = vec![
        candidate(1, "Agents", "We study them."),
        candidate(2, "A title", "Agents and mamba."),
        candidate(3, "Another title", "Agents only."),
        candidate(4, "Mamba", "A model."),
    ];
    papers.extend((5..9).map(|n| candidate(n, "Neither", "nor")));
    let pool = Pool::new(papers, now());
    assert_eq!(chosen(&pool, &profile(&["agents", "mamba"])), [4, 2, 1, 3]);
    assert_eq!(chosen(&pool, &profile(&["agents^9", "mamba"])), [1, 2, 3, 4]);
    let mut weighted = profile(&["agents", "mamba"]);
    weighted.keywords[0].weight = 9.0;
    assert_eq!(chosen(&pool, &weighted), [1, 2, 3, 4]);
}

#[test]
fn two_words_that_stand_near_each_other_come_first() {
    let far = format!("Graphs {} retrieval.", "and then more words ".repeat(8));
    let papers = vec![candidate(1, "A title", &far), candidate(2, "A title", "Some retrieval with graphs.")];
    let pool = Pool::new(papers, now());
    assert_eq!(chosen(&pool, &profile(&["graph retrieval"])), [2, 1]);
    assert_eq!(chosen(&pool, &profile(&["graph", "retrieval"])), [1, 2], "two keywords are two interests");
}

#[test]
fn trending_goes_by_new_votes_and_newest_by_the_day() {
    let votes = |hours: i64, upvotes| vec![Vote { at: now() - Duration::hours(hours), upvotes }];
    let (mut old, mut fresh) = (candidate(1, "Graphs", "graphs"), candidate(2, "A title", "graphs"));
    (old.votes, fresh.votes) = (votes(72, 100), votes(1, 30));
    fresh.listings[0].day = now().date_naive() - Duration::days(5);
    let pool = Pool::new(vec![old, fresh], now());
    assert_eq!(chosen(&pool, &profile(&["graph"])), [1, 2]);
    assert_eq!(chosen(&pool, &Profile { rank: Rank::Trending, ..profile(&["graph"]) }), [2, 1]);
    assert_eq!(chosen(&pool, &Profile { rank: Rank::Newest, ..profile(&["graph"]) }), [1, 2]);
}

#[test]
fn like_finds_neighbours_of_a_known_paper_but_not_the_paper() {
    let text = "Selective state spaces scan sequences in linear time.";
    let papers = vec![
        candidate(1, "Mamba scans", text),
        candidate(2, "Scans of selective spaces", text),
        candidate(3, "Cooking with agents", "Recipes for dinner."),
    ];
    let elsewhere = candidate(9, "Linear time sequences", text).paper;
    let pool = Pool::with_liked(papers, &[elsewhere], now());
    assert_eq!(chosen(&pool, &profile(&["like:2603.00001"])), [2]);
    assert_eq!(chosen(&pool, &profile(&["like:2603.00009"])).len(), 2);
    assert_eq!(chosen(&pool, &profile(&["like:2603.00007"])), [0u32; 0], "nothing is like the unknown");
    assert!(pool.knows("2603.00009") && !pool.knows("2603.00007"));
}

#[test]
fn reasons_name_the_expressions_and_mark_the_words() {
    let pool = Pool::new(vec![candidate(1, "State-space models", "We model naïve agents; no survey.")], now());
    let why = pool.reasons(&profile(&["state space", "rag", "NAIVE agent -cooking", "upvotes>=10"]), 0);
    assert_eq!(why.queries, ["state space", "NAIVE agent -cooking", "upvotes>=10"]);
    let paper = &pool.candidates()[0].paper;
    let marked =
        |text: &str, ranges: &[Range<usize>]| ranges.iter().map(|r| text[r.clone()].to_owned()).collect::<Vec<_>>();
    assert_eq!(marked(&paper.title, &why.title), ["State", "space"]);
    assert_eq!(marked(&paper.abstract_text, &why.abstract_text), ["naïve", "agents"]);
    let excluding = Profile { exclude: queries(&["survey"]), ..profile(&["state-space"]) };
    assert_eq!(pool.reasons(&excluding, 0), Reasons::default());
}

#[test]
fn a_reason_is_given_only_where_it_is_certain_or_the_only_one() {
    let paper = candidate(1, "State-space models", "");
    let without_time = |keywords: &[&str]| reasons(&profile(keywords), &paper).queries;
    assert_eq!(without_time(&["age<1d models"]), ["age<1d models"]);
    assert_eq!(without_time(&["age<1d", "models"]), ["models"]);
    let next_week = |keywords: &[&str]| {
        Reasoner::new(&profile(keywords)).reasons(&Document::new(&paper), now() + Duration::days(7)).queries
    };
    assert_eq!(next_week(&["age<1d", "models", "age>=7d", "like:2603.00002"]), ["models", "age>=7d"]);
    assert_eq!(next_week(&["age<1d", "mamba", "like:2603.00002 models"]), ["like:2603.00002 models"]);
    assert_eq!(next_week(&["age<1d", "like:2603.00002 mamba"]), [""; 0]);
}

#[test]
fn an_explanation_reads_well_in_a_terminal() {
    let pool = Pool::new(vec![candidate(1, "Video diffusion", "A survey.")], now());
    let mut wants = profile(&["diffusion (video OR audio)", "mamba"]);
    wants.exclude = queries(&["survey"]);
    wants.min_upvotes = 20;
    let explanation = pool.explain(&wants, 0).expect("the first candidate");
    assert_eq!(explanation.verdict, Verdict::Excluded);
    let expected = "\
not chosen: excluded
  yes  keyword      diffusion (video OR audio)
         yes  diffusion
         yes  video
         no   audio
  no   keyword      mamba
  yes  exclude      survey
  no   min_upvotes  upvotes>=20
         no   upvotes>=20 (it has 10)
";
    assert_eq!(explanation.to_string(), expected);
    wants.exclude.clear();
    assert_eq!(pool.explain(&wants, 0).map(|e| e.verdict), Some(Verdict::TooFewVotes));
    assert_eq!(pool.explain(&wants, 1), None);
}

#[test]
fn many_papers_are_ranked_over_all_blocks() {
    let papers: Vec<Candidate> = (0..2_500)
        .map(|n| candidate(n, if n % 500 == 7 { "Graphs of graphs" } else { "A title" }, "graphs everywhere"))
        .collect();
    let pool = Pool::new(papers, now());
    let all = chosen(&pool, &profile(&["graph"]));
    assert_eq!(all.len(), 2_500);
    assert_eq!(all[..6], [7, 507, 1_007, 1_507, 2_007, 0]);

    let mut vocabulary = Vocabulary::default();
    let compiled = CompiledProfile::new(&profile(&["graph"]), &mut vocabulary);
    let matcher = pool.prepare(&vocabulary);
    let skip = Skip::new(&pool, [7, 1_507]);
    let ids = |matches: &[Match]| matches.iter().map(|m| m.index).collect::<Vec<_>>();
    assert_eq!(ids(matcher.select(&compiled, 4, &skip, &mut Scratch::default())), [507, 1_007, 2_007, 0]);
}

#[test]
fn damaged_bytes_are_stale_and_never_harm() {
    let mut vocabulary = Vocabulary::default();
    let compiled = CompiledProfile::new(&profile(&["a", "b c", "d OR e (f -g)"]), &mut vocabulary);
    assert_eq!(CompiledProfile::from_bytes(&compiled.to_bytes()), Ok(compiled.clone()));
    let again = Vocabulary::from_bytes(&vocabulary.to_bytes()).expect("the same version");
    assert_eq!(again.to_bytes(), vocabulary.to_bytes());
    let pool = Pool::new(vec![candidate(1, "a b c", "")], now());
    let matcher = pool.prepare(&vocabulary);
    let bytes = compiled.to_bytes();
    for at in 0..bytes.len() {
        assert!(CompiledProfile::from_bytes(&bytes[..at]).is_err() || at % 4 == 0);
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            if let Ok(profile) = CompiledProfile::from_bytes(&damaged) {
                matcher.select(&profile, 20, &Skip::default(), &mut Scratch::default());
            }
        }
    }
}

/// Random papers over the words of the random expressions.
fn papers() -> impl Strategy<Value = Vec<Candidate>> {
    let word = prop::sample::select(vec![
        "graph",
        "Graphs",
        "retrieval",
        "state",
        "space",
        "State-Space",
        "statespace",
        "LLMs",
        "LLM",
        "llms",
        "RAG",
        "rags",
        "GPT-4o",
        "GPT",
        "4o",
        "C++",
        "深度",
        "a",
        "b",
        "A-b",
        "c",
        "c-a-b",
        ".",
        ",",
        "agents' ",
    ]);
    let text = prop::collection::vec(word, 0..14).prop_map(|words| words.join(" "));
    let paper = (text.clone(), text.clone(), text.clone(), prop::collection::vec(text, 0..3), 0u32..5, any::<bool>());
    let paper = paper.prop_map(|(title, abstract_text, org, lists, count, flag)| {
        let mut candidate = candidate(0, &title, &abstract_text);
        candidate.listings[0].upvotes = flag.then_some(count);
        candidate.listings[0].comments = Some(count);
        candidate.listings[0].day -= Duration::days(i64::from(count));
        let paper = &mut candidate.paper;
        paper.organization = Some(org);
        paper.stars = flag.then_some(count);
        paper.code = flag.then(|| "https://example.org".to_owned());
        paper.project = (!flag).then(|| "https://example.org".to_owned());
        (paper.authors, paper.categories, paper.keywords) = (lists.clone(), lists.clone(), lists);
        candidate
    });
    prop::collection::vec(paper, 1..70).prop_map(|mut papers| {
        for (number, paper) in (0u32..).zip(&mut papers) {
            paper.id = number;
            paper.paper.key = candidate(number, "", "").paper.key;
        }
        papers
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_index_finds_what_the_plain_evaluator_finds(
        papers in papers(),
        keywords in prop::collection::vec(expressions(), 0..4),
        must in prop::option::of(expressions()),
        exclude in prop::option::of(expressions()),
        min_upvotes in 0u32..3,
    ) {
        let query = |expr: Expr| Query::parse(&expr.to_string()).expect("printed expressions parse");
        let profile = Profile {
            keywords: keywords.into_iter().map(|expr| Keyword { query: query(expr), weight: 1.0 }).collect(),
            must: must.into_iter().map(query).collect(),
            exclude: exclude.into_iter().map(query).collect(),
            min_upvotes,
            ..profile(&[])
        };
        let pool = Pool::new(papers, now());
        let mut found: Vec<usize> = pool.select(&profile).iter().map(|chosen| chosen.index).collect();
        found.sort_unstable();
        let walked: Vec<usize> = (0..pool.candidates().len())
            .filter(|index| pool.explain(&profile, *index).is_some_and(|e| e.verdict == Verdict::Chosen))
            .collect();
        prop_assert_eq!(&found, &walked);
        let with_reasons: Vec<usize> = walked.iter().copied()
            .filter(|index| profile.keywords.is_empty() || !pool.reasons(&profile, *index).queries.is_empty())
            .collect();
        prop_assert_eq!(&with_reasons, &walked);

        // The best few are the first of all.
        let mut vocabulary = Vocabulary::default();
        let compiled = CompiledProfile::new(&profile, &mut vocabulary);
        let bytes = CompiledProfile::from_bytes(&compiled.to_bytes());
        prop_assert_eq!(bytes.as_ref(), Ok(&compiled));
        let (matcher, mut scratch) = (pool.prepare(&vocabulary), Scratch::default());
        let best = matcher.select(&compiled, 3, &Skip::default(), &mut scratch);
        prop_assert_eq!(best, &pool.select(&profile)[..best.len()]);
        prop_assert_eq!(best.len(), found.len().min(3));
    }
}
