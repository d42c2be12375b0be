//! What someone typed into a form, as an expression.

use super::clean::Clean;
use super::signs::{is_comma, is_quote};
use super::{Clause, Expr, Field, Kind, MAX_BYTES, MAX_TERMS, Query, QueryError};
use crate::core::text;

/// An expression if it is one; else alternatives, parted by commas, semicolons or line breaks, each of words that must
/// all be there. What only excludes is no alternative: it holds for all of them. Errors are in bytes of `text`.
pub(super) fn parse(text: &str) -> Result<Query, QueryError> {
    let strict = match Query::parse(text) {
        Ok(query) if !text.contains('\n') => return Ok(query),
        Err(error) if text.len() > MAX_BYTES => return Err(error),
        strict => strict,
    };
    let clean = &Clean::new(text).text;
    let as_typed = together(pieces(clean).filter_map(|piece| expression(piece).or_else(|| words(piece))));
    let query = match as_typed {
        // What each is by itself it may not be beside the others: two apostrophes can look like quotes.
        Some(Err(_)) => together(pieces(clean).filter_map(words)),
        other => other,
    };
    query.map_or(strict, |query| query.map_err(|error| QueryError { span: 0..text.len(), ..error }))
}

/// Alternatives as one expression; `None` when there are none.
fn together(alternatives: impl Iterator<Item = Expr>) -> Option<Result<Query, QueryError>> {
    let (excluding, mut any): (Vec<Expr>, Vec<Expr>) = alternatives.partition(only_excludes);
    let wanted = if any.len() > 1 { Some(Expr::Or(any)) } else { any.pop() };
    let mut all: Vec<Expr> = wanted.into_iter().chain(excluding).collect();
    let expr = if all.len() > 1 { Expr::And(all) } else { all.pop()? };
    Some(Query::of_any_length(&expr.to_string()))
}

/// The texts between commas, semicolons and line breaks; those within quotes part nothing.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |c: char| match c {
        '\n' | '\r' => {
            is_quoted = false;
            true
        }
        c if is_quote(c) => {
            is_quoted = !is_quoted;
            false
        }
        c => !is_quoted && is_comma(c),
    })
}

fn expression(text: &str) -> Option<Expr> {
    Query::parse(text).ok().map(|query| query.expr().clone())
}

/// The words of a text, each as a phrase so that nothing in it is a sign.
fn words(text: &str) -> Option<Expr> {
    let mut words: Vec<Expr> = text
        .split_whitespace()
        .map(|chunk| chunk.trim_matches(|c: char| !c.is_alphanumeric() && c != '+' && c != '#'))
        .filter(|chunk| !matches!(*chunk, "AND" | "OR" | "NOT"))
        .filter(|chunk| text::words(chunk).iter().any(|word| !text::fold(&chunk[word.range.clone()]).is_empty()))
        .map(|chunk| {
            let text = chunk.replace(is_quote, " ");
            Expr::Clause(Clause::Text { field: Field::Any, kind: Kind::Phrase, text })
        })
        .take(MAX_TERMS)
        .collect();
    if words.len() > 1 { Some(Expr::And(words)) } else { words.pop() }
}

fn only_excludes(expr: &Expr) -> bool {
    match expr {
        Expr::Not(inner) => !only_excludes(inner),
        Expr::And(all) => all.iter().all(only_excludes),
        _ => false,
    }
}
