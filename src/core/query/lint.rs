//! What is valid but hardly meant.

use std::ops::Range;

use super::Query;
use crate::core::matching::Pool;

/// A warning about an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// Bytes of the expression's text it is about.
    pub span: Range<usize>,
    /// What is odd, in one clause.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Warnings about an expression; with a pool of recent papers also about how much of it matches.
pub fn lint(_query: &Query, _recent: Option<&Pool>) -> Vec<Lint> {
    Vec::new()
}
