//! What someone typed into a form, as an expression.

use super::lexer::is_quote;
use super::{MAX_TERMS, Query, QueryError};
use crate::core::text;

/// An expression if it is one; else alternatives, parted by commas, semicolons or line breaks, each of words that must
/// all be there.
pub(super) fn parse(text: &str) -> Result<Query, QueryError> {
    let strict = match Query::parse(text) {
        Ok(query) if !text.contains('\n') => return Ok(query),
        Ok(_) => None,
        Err(error) => Some(error),
    };
    let alternatives: Vec<String> = text.split([',', ';', '\n', '\r']).filter_map(alternative).collect();
    match (alternatives.is_empty(), strict) {
        (true, Some(error)) => Err(error),
        _ => Query::parse(&alternatives.join(" OR ")),
    }
}

/// One alternative: itself if it is an expression, else its words, each as a phrase so that nothing in it is a sign.
fn alternative(text: &str) -> Option<String> {
    if Query::parse(text).is_ok() {
        return Some(format!("({})", text.trim()));
    }
    let words: Vec<String> = text
        .split_whitespace()
        .map(|chunk| chunk.trim_matches(|c: char| !c.is_alphanumeric() && c != '+' && c != '#'))
        .filter(|chunk| !matches!(*chunk, "AND" | "OR" | "NOT"))
        .filter(|chunk| text::words(chunk).iter().any(|word| !text::fold(&chunk[word.range.clone()]).is_empty()))
        .map(|chunk| format!("\"{}\"", chunk.replace(is_quote, " ")))
        .take(MAX_TERMS)
        .collect();
    (!words.is_empty()).then(|| format!("({})", words.join(" ")))
}
