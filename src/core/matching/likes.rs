//! What `like:` means in a profile.
//!
//! Keywords that are nothing but a `like:` are one model together, if they have one weight and ask for one share of the papers:
//! ten liked papers say together what a reader is after, and the nearest to each of them would be ten times as many papers.
//! Within an expression, and in `must` and `exclude`, each `like:` stands for itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::weight::hundredths;
use crate::core::query::walk::WalkContext;
use crate::core::query::{Clause, Expr, Likes, Literal, Query};
use crate::core::subscription::{Keyword, Profile};

/// Bytes of the terms that are named for one paper.
pub(in crate::core) const MAX_TERMS: usize = 72;

/// The terms that make papers close to what a reader likes, as a mail names them: by paper number, then by the place of the
/// `like:` among those of its profile.
pub type NearTerms = BTreeMap<u32, BTreeMap<usize, Vec<String>>>;

/// What the `like:` clauses of a profile's keywords and `must` name, in their order and as they are evaluated.
pub(super) fn of_profile(profile: &Profile, keywords: &[Keyword]) -> Vec<Likes> {
    let queries = keywords.iter().map(|keyword| &keyword.query).chain(&profile.must);
    let clauses = queries.flat_map(|query| query.expr().clauses());
    let likes = clauses.into_iter().filter_map(|clause| match clause.literal() {
        Literal::Like(likes) => Some(likes),
        _ => None,
    });
    likes.collect()
}

/// The keywords of a profile as they are evaluated: those that are nothing but a `like:` joined, in the place of the first.
pub(super) fn joined(profile: &Profile) -> Vec<Keyword> {
    let mut keywords: Vec<Keyword> = Vec::with_capacity(profile.keywords.len());
    for (at, keyword) in profile.keywords.iter().enumerate() {
        let Some((likes, weight)) = lone(keyword) else {
            keywords.push(keyword.clone());
            continue;
        };
        let is_same = |other: &Keyword| {
            lone(other).is_some_and(|(other, of_other)| other.share == likes.share && of_other == weight)
        };
        if profile.keywords[..at].iter().any(is_same) {
            continue;
        }
        let same = profile.keywords[at..].iter().filter(|other| is_same(other));
        let all: Vec<String> = same.filter_map(lone).flat_map(|(likes, _)| likes.ids.clone()).collect();
        let one = match all.len() == likes.ids.len() {
            true => None,
            false => {
                let clause = Clause::Like(Likes { ids: all, share: likes.share });
                // What is printed can be read back.
                Query::try_from(clause.to_string()).ok()
            }
        };
        keywords.push(match one {
            Some(query) => Keyword { query, weight: weight as f32 / hundredths(1.0) as f32 },
            None => keyword.clone(),
        });
    }
    keywords
}

/// A keyword that matches, in the words of its owner, and the terms by which a paper is close to what it likes:
/// `like: state space, selective scan`, `like:2503.02130 graph (state space)`.
pub(super) fn reason(query: &Query, known: WalkContext<'_>) -> Arc<str> {
    let likes = query.expr().clauses().into_iter().filter_map(|clause| match clause.literal() {
        Literal::Like(likes) => known.like?(&likes),
        _ => None,
    });
    let mut terms = String::new();
    for term in likes.flatten() {
        let separator = if terms.is_empty() { "" } else { ", " };
        if terms.len() + separator.len() + term.len() <= MAX_TERMS {
            terms = terms + separator + &term;
        }
    }
    match of_expr(query.expr()) {
        _ if terms.is_empty() => query.text().clone(),
        Some(_) => format!("like: {terms}").into(),
        None => format!("{} ({terms})", query.text()).into(),
    }
}

/// What a `like:` names where a keyword is nothing else, and its weight in hundredths.
fn lone(keyword: &Keyword) -> Option<(&Likes, u32)> {
    let (likes, factor) = of_expr(keyword.query.expr())?;
    Some((likes, hundredths(keyword.weight * factor)))
}

fn of_expr(expr: &Expr) -> Option<(&Likes, f32)> {
    match expr {
        Expr::Clause(Clause::Like(likes)) => Some((likes, 1.0)),
        Expr::Weighted(inner, factor) => of_expr(inner).map(|(likes, weight)| (likes, weight * factor)),
        _ => None,
    }
}
