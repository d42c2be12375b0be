//! Where quotations and formulas end, and what only looks like one.

use super::MAX_SPAN;

/// Where the `'` stands that closes a quotation: behind a word, and no apostrophe.
pub(super) fn closing_quote(text: &str) -> Option<usize> {
    let mut quotes = text.match_indices('\'').map(|(at, _)| at);
    quotes.find(|at| {
        text[..*at].ends_with(|c: char| !c.is_whitespace()) && !text[at + 1..].starts_with(char::is_alphanumeric)
    })
}

/// Where the `\"` stands that closes a word in escaped quotes: no letter comes behind it, as one does behind an accent.
pub(super) fn closing_escape(text: &str) -> Option<usize> {
    let window = &text[..text.floor_char_boundary(MAX_SPAN)];
    let at = window.find("\\\"")?;
    let is_closing = !text[at + 2..].starts_with(|c: char| c.is_alphanumeric() || matches!(c, '{' | '\\'));
    (at > 0 && is_closing).then_some(at)
}

/// Where the next dollar sign stands that is not escaped.
pub(super) fn dollar_in(text: &str) -> Option<usize> {
    let mut dollars = text.match_indices('$').map(|(at, _)| at);
    dollars.find(|at| text[..*at].bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 0)
}

/// Whether what is between two dollar signs is a formula, and no text between two prices. `after` is what follows.
pub(super) fn is_formula(inner: &str, after: &str) -> bool {
    let is_money = inner.starts_with(|c: char| c.is_ascii_digit());
    let has_signs = inner.contains(['\\', '^', '_', '{']);
    let has_gap = inner.starts_with(char::is_whitespace) || inner.ends_with(char::is_whitespace);
    let has_word = |least: usize| {
        inner.contains(char::is_whitespace)
            && inner.split_whitespace().any(|word| word.len() >= least && word.bytes().all(|b| b.is_ascii_alphabetic()))
    };
    !inner.is_empty()
        && !(has_gap && (is_money || !has_signs))
        && !(is_money && (after.starts_with(|c: char| c.is_ascii_digit()) || has_word(3)))
        && (has_signs || !has_word(2))
}
