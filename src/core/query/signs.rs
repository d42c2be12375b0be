//! Which characters mean what: quotes, dashes, ends of words, and signs that must not stand inside one.

use super::QueryError;
use crate::core::text::is_star;

pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// Quotes of many countries: any of them opens a phrase, and any closes it.
pub(super) fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„' | '‟' | '«' | '»' | '「' | '」' | '『' | '』')
}

pub(super) fn is_single_quote(c: char) -> bool {
    matches!(c, '\'' | '‘' | '’' | '‚' | '‛' | '`' | '´' | '‹' | '›')
}

/// What programs and people make of a minus.
pub(super) fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '−' | '\u{FE58}' | '\u{FE63}')
}

/// Where a word ends, beside spaces and quotes.
pub(super) fn is_end(c: char) -> bool {
    is_space(c) || is_quote(c) || matches!(c, '(' | ')' | '^') || is_comma(c)
}

/// What parts the items of a list.
pub(super) fn is_comma(c: char) -> bool {
    matches!(c, ',' | ';' | '、')
}

/// Whether a caret with a whole number behind this word is its weight: a name has a capital or a digit.
pub(super) fn is_weighable(word: &str) -> bool {
    word.ends_with(['*', '~']) || !word.contains(|c: char| c.is_uppercase() || c.is_numeric())
}

/// Whether it is a name of one letter and a star, as `A*`.
pub(super) fn is_starred(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(char::is_alphabetic) && chars.next().is_some_and(is_star) && chars.next().is_none()
}

/// Where the last single quote stands, outside of phrases, that could close something.
pub(super) fn last_closing(text: &str) -> usize {
    let (mut last, mut before, mut is_quoted) = (0, ' ', false);
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let ends = !chars.peek().is_some_and(|(_, next)| next.is_alphanumeric());
        if !is_quoted && is_single_quote(c) && before.is_alphanumeric() && ends {
            last = at;
        }
        is_quoted ^= is_quote(c);
        before = c;
    }
    last
}

pub(super) fn is_comparison(c: char) -> bool {
    matches!(c, '<' | '>' | '≤' | '≥')
}

/// Where the value of a condition ends.
pub(super) fn is_end_of_value(c: char) -> bool {
    is_space(c) || matches!(c, '(' | ')' | '^')
}

/// Refuses signs inside a word, which begins at `begin`, that other search engines know: here they would part the word, and
/// nobody would be told.
pub(super) fn refuse_signs(word: &str, begin: usize) -> Result<(), QueryError> {
    let refused = |at: usize, length, message: &str, hint: &str| {
        Err(QueryError::new(begin + at..begin + at + length, message, hint))
    };
    if let Some(at) = word.find('~') {
        let hint = "`diffusion~` finds its relatives too, `\"graph retrieval\"~5` words near each other";
        let message = "expected \"~\" only at the end of a word, after a quoted phrase or `like:`";
        return refused(at, word.len() - at, message, hint);
    }
    let is_word = |c: char| c.is_alphanumeric();
    if !word.contains(is_word) {
        return Ok(());
    }
    if let Some(at) = word.find('|') {
        return refused(at, 1, "expected a space or an operator, not \"|\"", "write `a OR b` for either");
    }
    if let Some(at) = word.find("&&") {
        return refused(at, 2, "expected a space or an operator, not \"&&\"", "write `a b` or `a AND b` for both");
    }
    let mut marks = word.match_indices('?').map(|(at, _)| at);
    match marks.find(|at| word[..*at].ends_with(is_word) && word[at + 1..].starts_with(is_word)) {
        Some(at) => {
            let hint = "`diffus*` finds every word that begins so; no sign means one letter";
            refused(at, 1, "expected no \"?\" inside a word", hint)
        }
        None => Ok(()),
    }
}
