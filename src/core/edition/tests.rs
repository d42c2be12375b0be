//! What an edition chooses.

use chrono::Duration;
use proptest::prelude::*;

use super::*;
use crate::core::paper::{Listing, Paper, PaperKey, SourceId};
use crate::core::query::Query;
use crate::core::subscription::{Keyword, Profile, Rank, WhenEmpty};

fn day(days: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::days(days)
}

fn source(name: &str) -> SourceId {
    SourceId::parse(name).expect("a name")
}

/// A paper that was listed and first seen on these days.
fn candidate(id: u32, title: &str, votes: u32, listed: i64, seen: DateTime<Utc>) -> Candidate {
    let source = source("example");
    let paper = Paper::new(PaperKey::of_source(&source, &format!("{id:04}")), title, "https://example.org/1");
    let listing = Listing { source, day: day(listed).date_naive(), rank: 1, upvotes: Some(votes), comments: None };
    Candidate { id, paper, first_seen: seen, listings: vec![listing], votes: Vec::new() }
}

/// Papers of one day, by number, title and votes.
fn chooser(papers: &[(u32, &str, u32)], also: usize) -> Chooser {
    let candidates = papers.iter().map(|(id, title, votes)| candidate(*id, title, *votes, 10, day(10)));
    Chooser::new(Pool::new(candidates.collect(), day(11)), also)
}

fn profile(keyword: &str) -> Profile {
    Profile {
        name: String::new(),
        keywords: vec![Keyword { query: Query::parse(keyword).expect(keyword), weight: 1.0 }],
        exclude: Vec::new(),
        must: Vec::new(),
        min_upvotes: 0,
        sources: Vec::new(),
        max_papers: 20,
        rank: Rank::Relevance,
    }
}

fn ledger() -> Ledger {
    Ledger { since: NaiveDate::MIN, ..Ledger::default() }
}

/// An edition by the numbers of its papers.
#[derive(Debug, PartialEq, Eq)]
struct Chosen {
    sections: Vec<Vec<u32>>,
    owed: Vec<u32>,
    also: Vec<u32>,
    merged: Vec<i64>,
}

fn choose(chooser: &Chooser, profiles: &[Profile], ledger: &Ledger) -> Chosen {
    let mut vocabulary = Default::default();
    let order = Order::new(profiles, WhenEmpty::Skip, &mut vocabulary);
    let mut matcher = chooser.pool().prepare(&vocabulary);
    let choice = chooser.choose(&mut matcher, &order, ledger, &mut Scratch::default());
    let ids = |indexes: &Vec<usize>| indexes.iter().map(|index| chooser.pool().candidates()[*index].id).collect();
    Chosen {
        sections: choice.sections.iter().map(ids).collect(),
        owed: ids(&choice.owed),
        also: ids(&choice.also),
        merged: choice.merged,
    }
}

/// The papers of the only section.
fn papers(chooser: &Chooser, ledger: &Ledger) -> Vec<u32> {
    choose(chooser, &[profile("graph")], ledger).sections.remove(0)
}

#[test]
fn a_paper_is_from_before_if_it_was_listed_and_seen_before_the_subscription() {
    let ledger = Ledger { since: day(5).date_naive(), late: day(6), ..ledger() };
    let second = Duration::seconds(1);
    for (listed, seen, is_before) in [
        (4, day(4), true),
        (4, day(6) - second, true),
        (4, day(6), false),
        (4, day(7), false),
        (5, day(5), false),
        (6, day(4), false),
    ] {
        let candidate = candidate(1, "A graph", 1, listed, seen);
        assert_eq!(ledger.is_before_start(&candidate), is_before, "listed {listed}, seen {seen}");
        let chooser = Chooser::new(Pool::new(vec![candidate], day(8)), 0);
        assert_eq!(papers(&chooser, &ledger).is_empty(), is_before, "listed {listed}, seen {seen}");
    }
}

#[test]
fn also_trending_are_the_most_trending_that_no_profile_asks_for_or_excludes_and_that_were_not_shown() {
    let titles = [(1, "A graph", 3), (2, "A protein", 5), (3, "A protein", 9), (4, "A survey", 99)];
    let also = |limit, profiles: &[Profile], ledger: &Ledger| {
        choose(
            &chooser(&[titles.as_slice(), &[(5, "A protein", 50), (6, "A protein", 1)]].concat(), limit),
            profiles,
            ledger,
        )
        .also
    };
    let no_surveys = || Profile { exclude: vec![Query::parse("survey").expect("a query")], ..profile("graph") };
    let shown = Ledger { shown: vec![5], ..ledger() };
    assert_eq!(also(2, &[no_surveys()], &shown), [3, 2]);
    assert_eq!(also(9, &[no_surveys()], &ledger()), [5, 3, 2, 6]);
    assert_eq!(also(0, &[no_surveys()], &ledger()), [0; 0]);
    // Of the sources only that some profile looks at.
    let elsewhere = || Profile { sources: vec![source("another")], ..no_surveys() };
    let here = || Profile { sources: vec![source("another"), source("example")], ..no_surveys() };
    assert_eq!(also(9, &[elsewhere()], &ledger()), [0; 0]);
    assert_eq!(also(1, &[here()], &ledger()), [5]);
    assert_eq!(also(1, &[elsewhere(), no_surveys()], &ledger()), [5]);
}

#[test]
fn of_owed_papers_the_best_come_first_and_of_equals_the_oldest() {
    let equals = chooser(&[(1, "A graph", 1), (2, "A graph", 1), (3, "A graph", 9), (4, "A graph", 8)], 0);
    let two = [Profile { max_papers: 2, ..profile("graph") }];
    let owed = Ledger { owed: vec![2, 1], ..ledger() };
    let chosen = choose(&equals, &two, &owed);
    assert_eq!((chosen.sections, chosen.owed), (vec![vec![3, 1]], vec![4, 2]));
    let better = chooser(&[(1, "A title", 1), (2, "A graph", 1), (3, "A graph", 9)], 0);
    let two = [Profile { max_papers: 2, ..profile("graph OR title^0.1") }];
    assert_eq!(choose(&better, &two, &owed).sections, [[3, 2]]);
}

#[test]
fn a_paper_stands_in_the_first_section_that_chooses_it() {
    let all = chooser(&[(1, "A graph", 1), (2, "A graph of proteins", 2), (3, "A protein", 3)], 0);
    assert_eq!(choose(&all, &[profile("graph"), profile("protein")], &ledger()).sections, [vec![2, 1], vec![3]]);
    assert_eq!(all.candidate(3).map(|candidate| candidate.id), Some(3));
    assert!(all.candidate(4).is_none());
}

#[test]
fn a_waiting_mail_gives_way_only_if_none_of_its_papers_is_lost() {
    let all = chooser(
        &[(1, "A graph", 4), (2, "A graph", 3), (3, "A graph", 2), (4, "A protein", 1), (5, "A protein", 1)],
        9,
    );
    let waiting = |edition, papers: &[u32]| Waiting { edition, papers: papers.to_vec(), ..Waiting::default() };
    let whole = Ledger { waiting: vec![waiting(7, &[1, 2])], ..ledger() };
    let chosen = choose(&all, &[profile("graph")], &whole);
    assert_eq!((chosen.sections, chosen.merged), (vec![vec![1, 2, 3]], vec![7]));
    // 99 is no candidate any more. So this mail goes out as it is: what it has, shows and tells is dealt with.
    let told = LeftOut { left: vec![3], ..LeftOut::default() };
    let lost = Waiting { shown: vec![5], told, ..waiting(8, &[2, 99]) };
    let both = Ledger { waiting: vec![waiting(7, &[1]), lost], ..ledger() };
    let chosen = choose(&all, &[profile("graph")], &both);
    assert_eq!((chosen.sections, chosen.also, chosen.merged), (vec![vec![1]], vec![4], vec![7]));
}

#[test]
fn papers_of_a_mail_that_nobody_got_come_again_unless_they_were_refused_twice() {
    let all = chooser(&[(1, "A graph", 9), (2, "A graph", 8), (3, "A graph", 1), (4, "A graph", 1)], 0);
    let told = LeftOut { refused: vec![4], ..LeftOut::default() };
    let refused =
        Waiting { edition: 7, papers: vec![2, 3], again: vec![2], told, is_refused: true, ..Waiting::default() };
    let ledger = Ledger { returned: vec![refused], ..ledger() };
    assert_eq!(papers(&all, &ledger), [1, 3]);
    // What comes again has a place before what is new.
    let one = [Profile { max_papers: 1, ..profile("graph") }];
    let chosen = choose(&all, &one, &ledger);
    assert_eq!((chosen.sections, chosen.owed), (vec![vec![3]], vec![1]));
}

#[test]
fn an_edition_is_owed_the_papers_of_the_mails_that_it_takes_over() {
    let mail = |edition, papers: &[u32]| Waiting { edition, papers: papers.to_vec(), ..Waiting::default() };
    let ledger = Ledger {
        owed: vec![1],
        waiting: vec![mail(7, &[2]), mail(8, &[3])],
        returned: vec![mail(6, &[4])],
        ..ledger()
    };
    assert_eq!(ledger.owed_with(&[8]), HashSet::from([1, 3, 4]));
    let after = ledger.with_merged(&[&ledger.waiting[1]]);
    assert_eq!((after.sent, after.owed), (vec![2], vec![1, 3, 4]));
    assert!(after.waiting.is_empty() && after.returned.is_empty(), "all of them are dealt with");
}

prop_compose! {
    /// A candidate's days and what is known of it: whether it was sent, and whether it was told.
    fn known()(listed in 0i64..6, seen in 0i64..6, is_sent: bool, is_settled: bool) -> (i64, i64, bool, bool) {
        (listed, seen, is_sent && listed % 2 == 0, is_settled && seen % 2 == 0)
    }
}

proptest! {
    #[test]
    fn an_edition_has_every_match_but_what_was_dealt_with_is_too_old_or_from_before(
        known in prop::collection::vec(known(), 0..12),
        since in 0i64..8, late in 0i64..8, reach in 0i64..4, floor in 0u32..6,
    ) {
        let candidates: Vec<Candidate> = (1..)
            .zip(&known)
            .map(|(id, (listed, seen, ..))| candidate(id, "A graph", 1, *listed, day(*seen)))
            .collect();
        let ids = |of: fn(&(i64, i64, bool, bool)) -> bool| (1..).zip(&known).filter(move |(_, known)| of(known)).map(|(id, _)| id).collect();
        let ledger = Ledger {
            sent: ids(|known| known.2),
            settled: ids(|known| known.3),
            since: day(since).date_naive(),
            late: day(late),
            reach: day(reach),
            floor,
            ..ledger()
        };
        let is_open = |candidate: &&Candidate| {
            let is_dealt_with = ledger.sent.contains(&candidate.id) || ledger.settled.contains(&candidate.id);
            let is_too_old = candidate.first_seen < ledger.reach || candidate.id <= ledger.floor;
            !is_dealt_with && !is_too_old && !ledger.is_before_start(candidate)
        };
        let expected: Vec<u32> = candidates.iter().filter(is_open).map(|candidate| candidate.id).collect();
        let mut got = papers(&Chooser::new(Pool::new(candidates, day(8)), 0), &ledger);
        got.sort_unstable();
        prop_assert_eq!(got, expected);
    }
}

#[test]
fn owed_papers_get_half_the_places_and_then_what_is_left() {
    let owed = |matches: &[usize]| matches.iter().copied().filter(|index| *index >= 10).collect::<Vec<_>>();
    let cut = |matches: &[usize], max| cut(matches, &owed(matches), max);
    assert_eq!(cut(&[1, 2, 3, 10, 11, 12], 4), (vec![1, 2, 10, 11], vec![3, 12]));
    assert_eq!(cut(&[1, 10, 11, 12, 13], 4), (vec![1, 10, 11, 12], vec![13]));
    assert_eq!(cut(&[1, 2, 3, 4, 10], 4), (vec![1, 2, 3, 10], vec![4]));
    assert_eq!(cut(&[10, 1], 1), (vec![10], vec![1]));
    assert_eq!(cut(&[1, 2], 5), (vec![1, 2], vec![]));
}

#[test]
fn sections_share_a_mail_by_turns_and_owed_papers_have_half_of_it() {
    let choice =
        Choice { sections: vec![vec![1, 2, 3, 10, 11], vec![4, 12, 5]], owed: vec![6], also: vec![7], merged: vec![8] };
    let within = |places| choice.within(places, |index: &usize| *index >= 10);
    let kept = within(4);
    assert_eq!(kept.sections, [vec![1, 10], vec![4, 12]]);
    assert_eq!((kept.owed, kept.also), (vec![6, 2, 3, 5, 11], vec![7]));
    assert_eq!(within(1).sections, [vec![], vec![12]]);
    assert_eq!(within(8), choice);
}
