//! The index against the plain evaluator and the plain scorer, and what a profile chooses.

use chrono::{Duration, TimeZone};
use plain::Scorer;
use proptest::prelude::*;

use std::collections::BTreeMap;

use super::*;
use crate::core::paper::{Listing, PaperKey, SourceId};
use crate::core::query::Expr;
use crate::core::query::tests::expressions;
use crate::core::subscription::Keyword;
use crate::core::trend::Vote;

mod likeness;
mod plain;

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 4, 12, 0, 0).single().expect("a valid time")
}

fn candidate(number: u32, title: &str, abstract_text: &str) -> Candidate {
    let key = PaperKey::arxiv(&format!("2603.{number:05}")).expect("an arXiv id");
    let mut paper = Paper::new(key, title, "https://example.org/paper");
    paper.abstract_text = abstract_text.to_owned();
    let source = SourceId::parse("huggingface").expect("a source");
    let listing = Listing { source, day: now().date_naive(), rank: 1, upvotes: Some(10), comments: None };
    Candidate {
        id: number,
        paper,
        first_seen: chrono::DateTime::UNIX_EPOCH,
        listings: vec![listing],
        votes: Vec::new(),
    }
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
fn two_words_that_stand_near_each_other_come_first_whatever_their_weights() {
    let far = format!("Graphs {} retrieval.", "and then more words ".repeat(8));
    let papers = vec![candidate(1, "A title", &far), candidate(2, "A title", "Some retrieval with graphs.")];
    let pool = Pool::new(papers, now());
    for near in ["graph retrieval", "graph^3 retrieval", "(graph retrieval)^0.5"] {
        assert_eq!(chosen(&pool, &profile(&[near])), [2, 1], "{near}");
        let mut heavy = profile(&[near]);
        heavy.keywords[0].weight = 2.0;
        assert_eq!(chosen(&pool, &heavy), [2, 1], "{near}");
    }
    assert_eq!(chosen(&pool, &profile(&["graph", "retrieval"])), [1, 2], "two keywords are two interests");
}

#[test]
fn a_keyword_that_is_there_twice_counts_once_and_by_its_greatest_weight() {
    let pool = Pool::new(vec![candidate(1, "LLMs", ""), candidate(2, "Agents", "")], now());
    let score = |keywords: &[(&str, f32)]| {
        let keyword =
            |(text, weight): &(&str, f32)| Keyword { query: Query::parse(text).expect(text), weight: *weight };
        pool.select(&Profile { keywords: keywords.iter().map(keyword).collect(), ..profile(&[]) })[0].score
    };
    let once = score(&[("LLM", 1.0)]);
    assert_eq!(score(&[("LLM", 1.0), ("LLMs", 1.0)]), once);
    assert_eq!(score(&[("LLM", 2.0)]), 2.0 * once);
    assert_eq!(score(&[("(LLM)^2", 0.5), ("LLMs", 2.0), ("LLM", 1.0)]), 2.0 * once);
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
fn reasons_name_the_expressions_and_mark_the_words() {
    let pool = Pool::new(vec![candidate(1, "State-space models", "We model naïve agents; no survey.")], now());
    let why = pool.reasons(&profile(&["state space", "rag", "NAIVE agent -cooking", "upvotes>=10"]), 0);
    assert_eq!(why.queries.join(", "), "state space, NAIVE agent -cooking, upvotes>=10");
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
    let named = |reasons: Reasons| reasons.queries.iter().map(|query| query.to_string()).collect::<Vec<_>>();
    let without_time = |keywords: &[&str]| named(reasons(&profile(keywords), &paper));
    assert_eq!(without_time(&["age<1d models"]), ["age<1d models"]);
    assert_eq!(without_time(&["age<1d", "models"]), ["models"]);
    let next_week = |keywords: &[&str]| {
        named(Reasoner::new(&profile(keywords)).reasons(
            &Document::new(&paper),
            now() + Duration::days(7),
            &BTreeMap::new(),
        ))
    };
    assert_eq!(next_week(&["age<1d", "models", "age>=7d", "like:2603.00002"]), ["models", "age>=7d"]);
    assert_eq!(next_week(&["age<1d", "mamba", "like:2603.00002 models"]), ["like:2603.00002 models"]);
    assert_eq!(next_week(&["age<1d", "like:2603.00002 mamba"]), [""; 0]);
    assert_eq!(next_week(&["like:2603.00002", "like:2603.00003"]), ["like:2603.00002,2603.00003"]);
}

#[test]
fn an_explanation_reads_well_in_a_terminal() {
    let pool = Pool::new(vec![candidate(1, "Video diffusion", "A survey.")], now());
    let mut wants = profile(&["diffusion (video OR audio)", "mamba"]);
    wants.exclude = queries(&["survey"]);
    wants.min_upvotes = 20;
    let explanation = pool.explain(&wants, 0).expect("the first candidate");
    assert_eq!(explanation.verdict, ProfileVerdict::Excluded);
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
    assert_eq!(pool.explain(&wants, 0).map(|e| e.verdict), Some(ProfileVerdict::TooFewVotes));
    let mut wants = profile(&[
        "diffusion -(video OR audio)",
        "like:2603.00002~3%",
        "audio like:2603.00009",
        "audio like:2603.00001",
    ]);
    wants.must = queries(&["-age<1d"]);
    let papers = vec![candidate(1, "Video diffusion", "A survey."), candidate(2, "Audio diffusion", "A method.")];
    let explanation = Pool::new(papers, now()).explain(&wants, 0).expect("the first candidate");
    let expected = "\
not chosen: lacks what it must have
  no   keyword      diffusion -(video OR audio)
         yes  diffusion
         no   -video
         yes  -audio
  yes  keyword      like:2603.00002~3%
         yes  like:2603.00002~3% (among the closest 100.0 %)
  no   keyword      audio like:2603.00009
         no   audio
         no   like:2603.00009 (that paper is not known)
  no   keyword      audio like:2603.00001
         no   audio
         no   like:2603.00001 (it is that paper)
  no   must         -age<1d
         no   -age<1d (it is 0 days old)
";
    assert_eq!(explanation.to_string(), expected);
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

/// Names that are words of the random expressions and sources as well.
fn sources() -> impl Strategy<Value = SourceId> {
    prop::sample::select(vec!["graph", "rag", "state-space", "a"])
        .prop_map(|name| SourceId::parse(name).expect("a name"))
}

/// Random papers over the words of the random expressions.
fn papers(count: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<Candidate>> {
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
        "age 3D",
        ".",
        ",",
        "agents' ",
        "(LLMs)",
        "(c-a)",
        "(3)",
    ]);
    let text = |most| prop::collection::vec(word.clone(), 0..most).prop_map(|words| words.join(" "));
    // Long enough for words that are far from each other, and for those beyond what nearness looks at.
    let abstract_text = (text(14), prop::sample::select(vec![0, 0, 7, 40, 330]), text(14))
        .prop_map(|(begin, apart, end)| format!("{begin} {} {end}", "x2 ".repeat(apart)));
    let lists = prop::collection::vec(text(4), 0..3);
    let paper = (text(14), abstract_text, text(6), lists, 0u32..5, any::<bool>(), sources());
    let paper = paper.prop_map(|(title, abstract_text, org, lists, count, flag, source)| {
        let mut candidate = candidate(0, &title, &abstract_text);
        candidate.listings[0].source = source;
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
    prop::collection::vec(paper, count).prop_map(numbered)
}

/// As many papers as `count` made of a few: each title with every other's abstract and votes.
fn many(few: &[Candidate], count: usize) -> Vec<Candidate> {
    let paper = |number: usize| {
        let (own, other) = (&few[number % few.len()], &few[number / few.len() % few.len()]);
        let mut made = other.clone();
        made.paper.title.clone_from(&own.paper.title);
        made.votes = vec![Vote { at: now() - Duration::hours((number % 7) as i64), upvotes: (number % 5) as u32 }];
        made
    };
    numbered((0..count).map(paper).collect())
}

fn numbered(mut papers: Vec<Candidate>) -> Vec<Candidate> {
    for (number, paper) in (0u32..).zip(&mut papers) {
        paper.id = number;
        paper.paper.key = candidate(number, "", "").paper.key;
    }
    papers
}

/// Random profiles of every kind.
fn profiles() -> impl Strategy<Value = Profile> {
    let weight = prop::sample::select(vec![1.0f32, 1.0, 1.0, 2.0, 0.5, 0.03, 100.0]);
    let parsed = |expr: Expr| Query::parse(&expr.to_string()).expect("printed expressions parse");
    // Two words are what a keyword often is, and hardly ever what chance makes of one.
    let word = || {
        let plain = prop::sample::select(vec!["graph", "retrieval", "a", "b", "LLM", "c-a-b"])
            .prop_map(|word| word.parse().expect("a word"));
        (plain, prop::option::of(prop::sample::select(vec![0.5f32, 2.0]))).prop_map(|(word, weight)| match weight {
            Some(weight) => Expr::Weighted(Box::new(word), weight),
            None => word,
        })
    };
    let query = || prop_oneof![2 => expressions(), 1 => prop::collection::vec(word(), 2).prop_map(Expr::And)];
    (
        prop::collection::vec((query().prop_map(parsed), weight), 0..5),
        prop::option::weighted(0.2, expressions().prop_map(parsed)),
        prop::option::weighted(0.3, expressions().prop_map(parsed)),
        prop::sample::select(vec![0, 0, 0, 1, 2]),
        prop::collection::vec(sources(), 0..2),
        prop::sample::select(vec![Rank::Relevance, Rank::Relevance, Rank::Trending, Rank::Newest]),
    )
        .prop_map(|(keywords, must, exclude, min_upvotes, sources, rank)| Profile {
            keywords: keywords.into_iter().map(|(query, weight)| Keyword { query, weight }).collect(),
            must: must.into_iter().collect(),
            exclude: exclude.into_iter().collect(),
            min_upvotes,
            sources,
            rank,
            ..profile(&[])
        })
}

/// Checks that a pool makes of profiles what the plain scorer does, and that the best few are the first of all.
fn agree(pool: &Pool, profiles: &[Profile]) -> Result<(), TestCaseError> {
    let like = |index: usize, likes: &Likes| {
        let closeness = pool.closeness(likes, &[]);
        closeness.finds(index).then(|| closeness.points(index))
    };
    let scorer = Scorer::new(pool.candidates(), &like);
    profiles.iter().try_for_each(|profile| agree_on(pool, &scorer, profile))
}

fn agree_on(pool: &Pool, scorer: &Scorer<'_>, profile: &Profile) -> Result<(), TestCaseError> {
    let expected = scorer.select(profile);
    let found: Vec<(usize, f32)> = pool.select(profile).iter().map(|chosen| (chosen.index, chosen.score)).collect();
    prop_assert_eq!(&found, &expected);

    let mut vocabulary = Vocabulary::default();
    let compiled = CompiledProfile::new(profile, &mut vocabulary);
    let bytes = CompiledProfile::from_bytes(&compiled.to_bytes());
    prop_assert_eq!(bytes.as_ref(), Ok(&compiled));
    let (matcher, mut scratch) = (pool.prepare(&vocabulary), Scratch::default());
    prop_assert_eq!(matcher.count(&compiled, &Skip::default(), &mut scratch), expected.len());
    let best = matcher.select(&compiled, 3, &Skip::default(), &mut scratch).to_vec();
    prop_assert_eq!(best, &pool.select(profile)[..expected.len().min(3)]);

    // What is settled is out of sight for a caller that shows other papers.
    let mut skip = Skip::default();
    matcher.skip_settled(&compiled, &mut skip, &mut scratch);
    let open =
        Profile { exclude: Vec::new(), must: Vec::new(), sources: Vec::new(), min_upvotes: 0, ..profile.clone() };
    let excluded = profile.exclude.iter().map(|query| Keyword { query: query.clone(), weight: 1.0 }).collect();
    let excluded = Profile { keywords: excluded, ..open.clone() };
    let mut settled: Vec<usize> = pool.select(&open).iter().map(|chosen| chosen.index).collect();
    if !profile.exclude.is_empty() {
        settled.extend(pool.select(&excluded).iter().map(|chosen| chosen.index));
    }
    for index in 0..pool.candidates().len() {
        prop_assert_eq!(skip.contains(pool, index), settled.contains(&index));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn what_is_chosen_is_scored_and_ordered_as_plain_arithmetic_has_it(papers in papers(1..=70), profile in profiles()) {
        agree(&Pool::new(papers, now()), &[profile])?;
    }

    #[test]
    fn what_is_chosen_is_explained_as_chosen_and_has_its_reasons(papers in papers(1..=20), profile in profiles()) {
        let pool = Pool::new(papers, now());
        let mut found: Vec<usize> = pool.select(&profile).iter().map(|chosen| chosen.index).collect();
        found.sort_unstable();
        let explained: Vec<usize> = (0..pool.candidates().len())
            .filter(|index| pool.explain(&profile, *index).is_some_and(|e| e.verdict == ProfileVerdict::Chosen))
            .collect();
        prop_assert_eq!(&explained, &found);
        for index in 0..pool.candidates().len() {
            let has_reasons = pool.reasons(&profile, index) != Reasons::default();
            prop_assert!(!has_reasons || found.contains(&index));
            prop_assert!(has_reasons || profile.keywords.is_empty() || !found.contains(&index));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1))]

    #[test]
    fn large_pools_are_scored_and_ordered_alike(
        few in papers(12..=20),
        profiles in prop::collection::vec(profiles(), 6),
    ) {
        // Blocks of every width, and two of them.
        for count in [100, 200, 400, 900, 1_100] {
            agree(&Pool::new(many(&few, count), now()), &profiles)?;
        }
    }
}
