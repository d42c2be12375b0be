//! Which papers a profile chooses, and why.
//!
//! The candidates are few, the profiles many. So a [`Pool`] indexes the candidates once, and each profile is evaluated as
//! operations on sets of papers: [`Pool::select`] for one profile, [`Pool::prepare`] for a million compiled ones. Both take
//! the same path. What a match rests on - which expressions, which words - is found out for the chosen alone, by
//! [`Pool::reasons`].
//!
//! # Order
//! By relevance, a paper's score is the sum over the keywords that match it, and over the clauses of each that speak for it:
//!
//! ```text
//! score = Σ keyword weight · clause weight (^) · rarity · place      the two weights together at most 100
//! rarity = ln(1 + (N - n + 0.5) / (n + 0.5))     n of the pool's N papers have it; at least 0.1
//! place = 2 in the title + 1 in the abstract     2 for an author, for `like:` 3 for the closest, 0 for filters
//! ```
//! A keyword of two clauses, `a b`, is worth half as much again in a paper where both occur within about ten words of each
//! other, whatever their weights. Keywords of one clause that find the same are one, with the greatest of their weights. All
//! of it is in whole hundredths: what a clause is worth is rounded, its weighted worth cut off. Equal scores go by momentum
//! ([`super::trend`]), then by day, newest first, then by the paper's key, so that the order is the same on every run.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Datelike, Utc};

use super::candidate::Candidate;
use super::index::{Hit, Index};
use super::paper::Paper;
use super::query::walk::{Document, IsLike, Marks, Resolved, WalkContext};
use super::query::{Likes, Literal, Query};
use super::subscription::{Keyword, Profile, Rank};
use super::terms::Statistics;

mod best;
mod compile;
mod explain;
mod kernel;
mod likeness;
mod likes;
mod scratch;
mod sets;
mod simd;
mod vocabulary;
mod weight;

pub use compile::{CompiledProfile, LANGUAGE, Stale, source_clause};
pub use explain::{Check, Explainer, Explanation, Finding, Judged, Percent, ProfileVerdict};
pub use kernel::{Adapted, Matcher, Skip};
use likeness::{Closeness, Vectors};
pub(in crate::core) use likes::MAX_TERMS;
pub use likes::NearTerms;
pub use scratch::Scratch;
pub use vocabulary::Vocabulary;

/// A chosen paper.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// Index into the pool's candidates.
    pub index: usize,
    /// The score by which the profile ranks, higher first.
    pub score: f32,
}

/// Why a paper was chosen, computed only for those that were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reasons {
    /// The keyword expressions that matched, as their owner wrote them, in the profile's order.
    pub queries: Vec<Arc<str>>,
    /// Byte ranges of matched terms in the title: sorted, apart, on character boundaries.
    pub title: Vec<Range<usize>>,
    /// The same in the abstract.
    pub abstract_text: Vec<Range<usize>>,
}

/// The candidates of one publish run, indexed for matching against many profiles.
#[derive(Debug)]
pub struct Pool {
    candidates: Vec<Candidate>,
    now: DateTime<Utc>,
    index: Index,
    /// By place, best momentum first: a candidate's index, its momentum and its day.
    order: Arc<[PoolPlace]>,
    /// By a candidate's index: its place.
    places: Vec<u32>,
    /// Further papers that a `like:` may name.
    liked: Vec<Paper>,
    statistics: Arc<Statistics>,
    /// Made when the first `like:` is looked for: who has none pays nothing.
    vectors: OnceLock<Vectors>,
}

#[derive(Clone, Copy, Debug)]
struct PoolPlace {
    candidate: u32,
    momentum: f64,
    day: i32,
}

impl Pool {
    /// Indexes the candidates. `now` ages votes and papers.
    pub fn new(candidates: Vec<Candidate>, now: DateTime<Utc>) -> Self {
        Self::with_liked(candidates, &[], now)
    }

    /// The same, with the text of papers that a `like:` may name beside the candidates themselves; [`Query::liked`] says
    /// which a query needs. A paper that is in neither is like nothing.
    pub fn with_liked(candidates: Vec<Candidate>, liked: &[Paper], now: DateTime<Utc>) -> Self {
        let mut order: Vec<PoolPlace> = (0u32..)
            .zip(&candidates)
            .map(|(candidate, known)| {
                let day = known.day().map_or(0, |day| day.num_days_from_ce());
                PoolPlace { candidate, momentum: known.momentum(now), day }
            })
            .collect();
        let key = |place: &PoolPlace| &candidates[place.candidate as usize].paper.key;
        order
            .sort_by(|a, b| b.momentum.total_cmp(&a.momentum).then(b.day.cmp(&a.day)).then_with(|| key(a).cmp(key(b))));
        let mut places = vec![0; candidates.len()];
        for (place, entry) in (0u32..).zip(&order) {
            places[entry.candidate as usize] = place;
        }
        let in_order: Vec<&Candidate> = order.iter().map(|place| &candidates[place.candidate as usize]).collect();
        let index = Index::new(in_order.into_iter(), now);
        let (liked, statistics) = (liked.to_vec(), Arc::default());
        Self { candidates, now, index, order: order.into(), places, liked, statistics, vectors: OnceLock::new() }
    }

    /// The same, with how many of all papers ever seen have a term; by the candidates alone otherwise. To be called before
    /// anything is looked for.
    #[must_use]
    pub fn with_statistics(self, statistics: Arc<Statistics>) -> Self {
        Self { statistics, ..self }
    }

    /// The candidates, in the order they were given.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// All that `profile` chooses, best first. Sources, thresholds, `must` and `exclude` are applied; the maximum and
    /// the ledger are the caller's.
    pub fn select(&self, profile: &Profile) -> Vec<Match> {
        let mut vocabulary = Vocabulary::default();
        let compiled = CompiledProfile::new(profile, &mut vocabulary);
        self.prepare(&vocabulary).select(&compiled, usize::MAX, &Skip::default(), &mut Scratch::default()).to_vec()
    }

    /// Finds the papers of every literal, so that many compiled profiles can be evaluated one after the other.
    pub fn prepare(&self, vocabulary: &Vocabulary) -> Matcher {
        let mut matcher = self.matcher();
        vocabulary.literals().for_each(|(literal, number)| matcher.insert(self, number, literal));
        matcher
    }

    /// The same without any literal yet, for callers that add one after the other.
    pub fn matcher(&self) -> Matcher {
        Matcher::new(self)
    }

    /// The candidates' indexes, best momentum first.
    pub fn by_momentum(&self) -> impl Iterator<Item = usize> {
        self.order.iter().map(|place| place.candidate as usize)
    }

    /// By paper, in the pool's own order: the numbers of the literals that find it. For benchmarks of other designs.
    #[cfg(feature = "testing")]
    pub fn literals_by_paper(&self, vocabulary: &Vocabulary) -> Vec<Vec<u32>> {
        let mut papers = vec![Vec::new(); self.candidates.len()];
        for (literal, number) in vocabulary.literals() {
            self.find(literal).iter().for_each(|hit| papers[hit.paper as usize].push(number));
        }
        papers
    }

    /// How many candidates `query` matches.
    pub fn count(&self, query: &Query) -> usize {
        let mut vocabulary = Vocabulary::default();
        let compiled = CompiledProfile::of_query(query, &mut vocabulary);
        self.prepare(&vocabulary).count(&compiled, &Skip::default(), &mut Scratch::default())
    }

    /// Whether the text of a paper that a `like:` names is there.
    pub fn knows(&self, arxiv_id: &str) -> bool {
        let keys = self.liked.iter().chain(self.candidates.iter().map(|candidate| &candidate.paper));
        keys.into_iter().any(|paper| paper.key.arxiv_id() == Some(arxiv_id))
    }

    /// Why `profile` chose the candidate with this index; default when it did not.
    pub fn reasons(&self, profile: &Profile, index: usize) -> Reasons {
        self.explainer(profile, &[]).reasons(index)
    }

    /// Clause by clause, why `profile` does or does not choose the candidate with this index; `None` beyond the last.
    pub fn explain(&self, profile: &Profile, index: usize) -> Option<Explanation> {
        self.explainer(profile, &[]).explain(index)
    }

    /// Explains what `profile` makes of any of the candidates, for a reader who was `sent` these papers.
    pub fn explainer<'p>(&'p self, profile: &'p Profile, sent: &'p [u32]) -> Explainer<'p> {
        Explainer::new(self, profile, sent)
    }

    /// The papers that a literal finds, in order.
    fn find(&self, literal: &Literal) -> Vec<Hit> {
        match literal {
            Literal::Like(likes) => self.close_ones(likes, &[]),
            literal => self.index.find(literal),
        }
    }

    /// The papers that are close to those that a `like:` names, in order. `judged` are candidates that its reader was shown
    /// and did not like.
    fn close_ones(&self, likes: &Likes, judged: &[usize]) -> Vec<Hit> {
        let closeness = self.closeness(likes, judged);
        let by_place = self.order.iter().enumerate();
        let close = by_place.filter(|(_, place)| closeness.finds(place.candidate as usize));
        close
            .map(|(at, place)| {
                let place = closeness.points(place.candidate as usize);
                Hit { paper: at as u32, place, stretches: 0 }
            })
            .collect()
    }

    fn closeness(&self, likes: &Likes, judged: &[usize]) -> Closeness {
        self.vectors().closeness(likes, judged)
    }

    /// What a reader, who was `sent` these papers, did not like of them: those that came no later than the last one that they
    /// liked. Whatever came after it, they may not have looked at yet.
    fn judged(&self, likes: &Likes, sent: &[u32]) -> Vec<usize> {
        let liked: Vec<usize> = likes.ids.iter().filter_map(|id| self.vectors().candidate(id)).collect();
        let id = |at: &usize| self.candidates[*at].id;
        let Some(last) = liked.iter().map(id).filter(|id| sent.contains(id)).max() else { return Vec::new() };
        let sent: HashSet<u32> = sent.iter().copied().filter(|id| *id <= last).collect();
        (0..self.candidates.len()).filter(|at| sent.contains(&id(at)) && !liked.contains(at)).collect()
    }

    fn vectors(&self) -> &Vectors {
        self.vectors.get_or_init(|| Vectors::new(&self.candidates, &self.liked, &self.statistics))
    }

    fn known<'a>(&self, like: &'a IsLike<'a>) -> WalkContext<'a> {
        WalkContext { now: Some(self.now), like: Some(like) }
    }

    fn place_of(&self, index: usize) -> Option<usize> {
        self.places.get(index).map(|place| *place as usize)
    }
}

fn day_number(place: &PoolPlace) -> i32 {
    place.day.max(0)
}

fn as_match(place: &PoolPlace, score: i32, rank: Rank) -> Match {
    let score = match rank {
        // To divide would take several times as long, and gives the same.
        Rank::Relevance => (f64::from(score) * 0.01) as f32,
        Rank::Trending => place.momentum as f32,
        Rank::Newest => place.day as f32,
    };
    Match { index: place.candidate as usize, score }
}

/// Why `profile` chose `candidate`; default when it did not. Neither the time nor other papers are known: a limit that
/// hangs on them (`age`, `like:`) is taken to be as the choice needed it, and such a keyword is named only where none
/// matches for certain: several of them as one reason, `a or b`.
pub fn reasons(profile: &Profile, candidate: &Candidate) -> Reasons {
    Reasoner::new(profile).reasons_knowing(&Document::new(candidate), WalkContext::default())
}

/// Finds the [`reasons`] of one profile for many papers.
#[derive(Debug)]
pub struct Reasoner<'p> {
    profile: &'p Profile,
    keywords: Vec<Keyword>,
    limits: Vec<Resolved>,
    likes: Vec<Likes>,
}

impl<'p> Reasoner<'p> {
    /// A reasoner for `profile`.
    pub fn new(profile: &'p Profile) -> Self {
        let limits = compile::limits(profile).iter().map(Resolved::of).collect();
        let keywords = likes::joined(profile);
        let likes = likes::of_profile(profile, &keywords);
        Self { profile, keywords, limits, likes }
    }

    /// Why the profile chose, at `now`, a paper whose words are cut already. Other papers are not looked at: what each `like:`
    /// made of them is in `near` ([`Explainer::near`]). Where that is empty, a `like:` is named only where no other keyword
    /// matches, so that it must have chosen the paper.
    pub fn reasons<C: Borrow<Candidate>>(
        &self,
        document: &Document<C>,
        now: DateTime<Utc>,
        near: &BTreeMap<usize, Vec<String>>,
    ) -> Reasons {
        let like = |likes: &Likes| near.get(&self.likes.iter().position(|own| own == likes)?).cloned();
        let like: Option<&IsLike<'_>> = if near.is_empty() { None } else { Some(&like) };
        self.reasons_knowing(document, WalkContext { now: Some(now), like })
    }

    fn reasons_knowing<C: Borrow<Candidate>>(&self, document: &Document<C>, known: WalkContext<'_>) -> Reasons {
        let (Profile { must, exclude, .. }, keywords) = (self.profile, &self.keywords);
        let admits = |expr: &Resolved, unknown: bool| document.admits(expr, known).unwrap_or(unknown);
        let mut reasons = Reasons::default();
        if !must.iter().map(Query::resolved).chain(&self.limits).all(|expr| admits(expr, true))
            || exclude.iter().any(|query| admits(query.resolved(), false))
        {
            return reasons;
        }
        let mut marks = Marks::default();
        let mut unknown = Vec::new();
        for query in keywords.iter().map(|keyword| &keyword.query) {
            match document.find(query.resolved(), known, &mut marks) {
                Some(true) => reasons.queries.push(likes::reason(query, known)),
                Some(false) => {}
                None => unknown.push(query),
            }
        }
        if reasons.queries.is_empty() && !unknown.is_empty() {
            // One of these has chosen it, nobody here knows which.
            unknown.iter().for_each(|query| document.mark(query.resolved(), &mut marks));
            let any: Vec<&str> = unknown.iter().map(|query| &**query.text()).collect();
            reasons.queries.push(any.join(" or ").into());
        }
        if !reasons.queries.is_empty() || keywords.is_empty() {
            must.iter().for_each(|query| document.mark(query.resolved(), &mut marks));
        }
        reasons.title = merged(marks.title);
        reasons.abstract_text = merged(marks.abstract_text);
        reasons
    }
}

/// Sorted, and those that touch or overlap as one.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    ranges.dedup_by(|range, last| {
        let is_one = range.start <= last.end;
        if is_one {
            last.end = last.end.max(range.end);
        }
        is_one
    });
    ranges
}

#[cfg(test)]
mod tests;
