//! What is wrong with an expression, and where.

use std::ops::Range;

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    /// Bytes of the expression's text that are at fault; may be empty at its end.
    pub span: Range<usize>,
    /// What is wrong and what was expected, in one clause.
    pub message: String,
    /// How to mend it.
    pub hint: String,
}

impl QueryError {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { span, message: message.into(), hint: hint.into() }
    }
}

/// Characters of an expression that a message repeats at most.
const MOST_SHOWN: usize = 40;

/// A piece of an expression in quotes, cut where it is long.
pub(in crate::core) fn quoted(text: &str) -> String {
    format!("{:?}", cut(text))
}

/// A piece of an expression, cut where it is long.
pub(in crate::core) fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
