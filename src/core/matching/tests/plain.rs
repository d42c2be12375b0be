//! The plain scorer: what a profile makes of every paper, as the documents say it and without any index.
//!
//! It asks the plain evaluator which clauses hold and adds up what they are worth, a paper and a keyword at a time. Where
//! words occur near each other it finds by looking at all their places. Likeness it is told; that is tested by itself.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::rc::Rc;

use super::*;
use crate::core::query::{Clause, Field, Likes, Literal, Pattern, Unit};
use crate::core::text;

/// No score is greater, in hundredths.
const MOST: u32 = (1 << 21) - 1;

/// A pool's papers, and what is known of them.
pub(super) struct Scorer<'a> {
    documents: Vec<Document<&'a Candidate>>,
    like: &'a dyn Fn(usize, &Likes) -> Option<u32>,
    /// By literal: which papers have it, found when it is first asked for.
    found: RefCell<HashMap<Literal, Rc<[bool]>>>,
}

/// Where words begin: the position, in the title or in the abstract.
#[derive(Clone, Copy, PartialEq)]
struct Begin {
    is_title: bool,
    position: u32,
}

impl<'a> Scorer<'a> {
    /// `like` is what a candidate, by its index, is worth as close to what a `like:` names; `None` when it is not close
    /// enough.
    pub(super) fn new(candidates: &'a [Candidate], like: &'a dyn Fn(usize, &Likes) -> Option<u32>) -> Self {
        Self { documents: candidates.iter().map(Document::new).collect(), like, found: RefCell::default() }
    }

    /// All that `profile` chooses, best first: index and score.
    pub(super) fn select(&self, profile: &Profile) -> Vec<(usize, f32)> {
        let profile = &Profile { keywords: likes::joined(profile), ..profile.clone() };
        let keywords = distinct(profile);
        let chosen = (0..self.documents.len()).filter(|at| self.is_chosen(*at, profile));
        let mut scored: Vec<(usize, f32)> = chosen.map(|at| (at, self.score(at, &keywords, profile.rank))).collect();
        // By the key first, then each time by what counts for more.
        scored.sort_by(|(a, _), (b, _)| self.candidate(*a).paper.key.cmp(&self.candidate(*b).paper.key));
        scored.sort_by_key(|(at, _)| Reverse(self.candidate(*at).day()));
        scored.sort_by(|(a, _), (b, _)| self.momentum(*b).total_cmp(&self.momentum(*a)));
        scored.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        scored
    }

    /// Which papers have a literal.
    fn found(&self, literal: &Literal) -> Rc<[bool]> {
        if let Some(found) = self.found.borrow().get(literal) {
            return found.clone();
        }
        let is_near = matches!(literal, Literal::Text { pattern, .. } if pattern.near.is_some() && in_sight(literal));
        let holds = |at: usize| match is_near {
            true => !self.begins(at, literal).is_empty(),
            false => {
                let known =
                    WalkContext { now: Some(now()), like: Some(&|likes| (self.like)(at, likes).map(|_| Vec::new())) };
                self.documents[at].holds(literal, known) == Some(true)
            }
        };
        let found: Rc<[bool]> = (0..self.documents.len()).map(holds).collect();
        self.found.borrow_mut().insert(literal.clone(), found.clone());
        found
    }

    fn holds(&self, at: usize, literal: &Literal) -> bool {
        self.found(literal)[at]
    }

    fn candidate(&self, at: usize) -> &Candidate {
        self.documents[at].candidate()
    }

    fn momentum(&self, at: usize) -> f64 {
        self.candidate(at).momentum(now())
    }

    fn matches(&self, at: usize, expr: &Expr) -> bool {
        match expr {
            Expr::Clause(clause) => self.holds(at, &clause.literal()),
            Expr::Not(inner) => !self.matches(at, inner),
            Expr::Weighted(inner, _) => self.matches(at, inner),
            Expr::And(all) => all.iter().all(|inner| self.matches(at, inner)),
            Expr::Or(any) => any.iter().any(|inner| self.matches(at, inner)),
        }
    }

    fn is_chosen(&self, at: usize, profile: &Profile) -> bool {
        let candidate = self.candidate(at);
        let is_listed = |source: &SourceId| candidate.listings.iter().any(|listing| listing.source == *source);
        (profile.keywords.is_empty() || profile.keywords.iter().any(|wanted| self.matches(at, wanted.query.expr())))
            && profile.must.iter().all(|query| self.matches(at, query.expr()))
            && !profile.exclude.iter().any(|query| self.matches(at, query.expr()))
            && candidate.upvotes().unwrap_or(0) >= profile.min_upvotes
            && (profile.sources.is_empty() || profile.sources.iter().any(is_listed))
    }

    fn score(&self, at: usize, keywords: &[(&Expr, f32)], rank: Rank) -> f32 {
        match rank {
            Rank::Trending => self.momentum(at) as f32,
            Rank::Newest => self.candidate(at).day().map_or(0, |day| day.num_days_from_ce()) as f32,
            Rank::Relevance => {
                let matching = keywords.iter().filter(|(expr, _)| self.matches(at, expr));
                let sum: u64 = matching.map(|(expr, weight)| self.points(at, expr, *weight)).sum();
                sum.min(u64::from(MOST)) as f32 / 100.0
            }
        }
    }

    /// What a keyword is worth in a paper that it matches, in hundredths.
    fn points(&self, at: usize, keyword: &Expr, weight: f32) -> u64 {
        let mut clauses = Vec::new();
        speaking(keyword, weight, false, &mut clauses);
        let single: u64 = clauses.iter().map(|(clause, weight)| self.clause(at, clause, *weight)).sum();
        let near = match (clauses.as_slice(), is_of_two_words(keyword)) {
            ([(a, weight_a), (b, weight_b)], true) => {
                let (of_a, of_b) = (self.begins(at, &a.literal()), self.begins(at, &b.literal()));
                let is_near = of_a.iter().any(|a| of_b.iter().any(|b| are_near(*a, *b)));
                let both = self.clause(at, a, *weight_a) + self.clause(at, b, *weight_b);
                if is_near { both / 2 } else { 0 }
            }
            _ => 0,
        };
        single + near
    }

    /// What a clause is worth in a paper, in hundredths.
    fn clause(&self, at: usize, clause: &Clause, weight: f32) -> u64 {
        let literal = clause.literal();
        if !self.holds(at, &literal) {
            return 0;
        }
        let found = self.found(&literal).iter().filter(|holds| **holds).count() as f32;
        let rarity = (1.0 + (self.documents.len() as f32 - found + 0.5) / (found + 0.5)).ln().max(0.1);
        let has = |field| match &literal {
            Literal::Text { pattern, .. } => self.holds(at, &Literal::Text { field, pattern: pattern.clone() }),
            _ => false,
        };
        let place = match &literal {
            Literal::Text { field: Field::Any, .. } => {
                200 * u32::from(has(Field::Title)) + 100 * u32::from(has(Field::Abstract))
            }
            Literal::Text { field: Field::Title, .. } | Literal::Author(_) => 200,
            Literal::Text { .. } => 100,
            Literal::Like(likes) => (self.like)(at, likes).unwrap_or(0),
            _ => 0,
        };
        let score = (place as f32 * rarity).round() as u64;
        score * (weight * 100.0).round().clamp(1.0, 10_000.0) as u64 / 100
    }

    /// Where the words of a literal begin in what a reader sees.
    fn begins(&self, at: usize, literal: &Literal) -> Vec<Begin> {
        let Literal::Text { field, pattern } = literal else { return Vec::new() };
        if !in_sight(literal) {
            return Vec::new();
        }
        let places = |pattern: &Pattern, is_title: bool| self.places(at, pattern, is_title);
        let zones = [true, false].into_iter().filter(|is_title| match field {
            Field::Title => *is_title,
            Field::Abstract => !*is_title,
            _ => true,
        });
        let of_zone = |is_title| {
            let positions: Vec<u32> = match pattern.near {
                None => places(pattern, is_title).into_iter().map(|(begin, _)| begin).collect(),
                Some(_) => {
                    let alone = |unit: &Unit| Pattern { units: vec![unit.clone()], near: None };
                    let units: Vec<_> = pattern.units.iter().map(|unit| places(&alone(unit), is_title)).collect();
                    let is_inside =
                        |(begin, end): &(u32, u32), first: u32| *begin >= first && *end <= first + pattern.window();
                    let all = units.iter().flatten().map(|(begin, _)| *begin);
                    all.filter(|first| units.iter().all(|unit| unit.iter().any(|place| is_inside(place, *first))))
                        .collect()
                }
            };
            positions.into_iter().map(move |position| Begin { is_title, position })
        };
        zones.flat_map(of_zone).collect()
    }

    /// The positions at which words in a row begin and end.
    fn places(&self, at: usize, pattern: &Pattern, is_title: bool) -> Vec<(u32, u32)> {
        let mut marks = Marks::default();
        let field = if is_title { Field::Title } else { Field::Abstract };
        let literal = Literal::Text { field, pattern: pattern.clone() };
        self.documents[at].mark(&Resolved::of_literal(literal), &mut marks);
        let paper = &self.candidate(at).paper;
        let (text, ranges) =
            if is_title { (&paper.title, marks.title) } else { (&paper.abstract_text, marks.abstract_text) };
        let words = text::words(text);
        let place = |range: Range<usize>| {
            let inside = words.iter().filter(|word| range.start <= word.range.start && word.range.end <= range.end);
            let bounds = inside.map(|word| (word.position, word.position + word.length));
            bounds.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).expect("a word in what is marked")
        };
        ranges.into_iter().map(place).collect()
    }
}

/// Whether a literal looks at what a reader sees.
fn in_sight(literal: &Literal) -> bool {
    matches!(literal, Literal::Text { field: Field::Any | Field::Title | Field::Abstract, .. })
}

/// In the same stretch of six words, or in two that touch. A title has eight of them, an abstract as many as have room.
fn are_near(a: Begin, b: Begin) -> bool {
    let counts = |begin: Begin| begin.position / 6 < if begin.is_title { 8 } else { 55 };
    a.is_title == b.is_title && counts(a) && counts(b) && (a.position / 6).abs_diff(b.position / 6) <= 1
}

/// The keywords with their weights: of those of one clause that find the same, only the greatest.
fn distinct(profile: &Profile) -> Vec<(&Expr, f32)> {
    let mut keywords: Vec<(&Expr, f32)> = Vec::new();
    for keyword in &profile.keywords {
        let (mut expr, mut weight) = (keyword.query.expr(), keyword.weight);
        while let Expr::Weighted(inner, factor) = expr {
            (expr, weight) = (inner, weight * factor);
        }
        let same = |other: &Expr| match (expr, other) {
            (Expr::Clause(a), Expr::Clause(b)) => a.literal() == b.literal(),
            _ => false,
        };
        match keywords.iter_mut().find(|(other, _)| same(other)) {
            Some((_, greatest)) => *greatest = greatest.max(weight),
            None => keywords.push((expr, weight)),
        }
    }
    keywords
}

/// The clauses that speak for a paper, with their weights.
fn speaking<'e>(expr: &'e Expr, weight: f32, is_negated: bool, into: &mut Vec<(&'e Clause, f32)>) {
    match expr {
        Expr::Clause(clause) if !is_negated => into.push((clause, weight)),
        Expr::Clause(_) => {}
        Expr::Not(inner) => speaking(inner, weight, !is_negated, into),
        Expr::Weighted(inner, factor) => speaking(inner, weight * factor, is_negated, into),
        Expr::And(all) | Expr::Or(all) => all.iter().for_each(|inner| speaking(inner, weight, is_negated, into)),
    }
}

/// Whether a keyword is `a b`, whatever the weights.
fn is_of_two_words(expr: &Expr) -> bool {
    fn is_word(expr: &Expr) -> bool {
        match expr {
            Expr::Weighted(inner, _) => is_word(inner),
            other => matches!(other, Expr::Clause(_)),
        }
    }
    match expr {
        Expr::Weighted(inner, _) => is_of_two_words(inner),
        Expr::And(all) => all.len() == 2 && all.iter().all(is_word),
        _ => false,
    }
}
