//! Keyword expressions.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A parsed keyword expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Query {
    text: String,
}

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    /// Bytes of the expression's text that are at fault; may be empty at its end.
    pub span: Range<usize>,
    /// What is wrong and what was expected, in one clause.
    pub message: String,
    /// How to mend it, when that is known.
    pub hint: Option<String>,
}

impl Query {
    /// Parses an expression. `docs/query-language.md` is its grammar.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        Ok(Self { text: text.to_owned() })
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Query {
    type Error = QueryError;

    fn try_from(text: String) -> Result<Self, QueryError> {
        Self::parse(&text)
    }
}

impl From<Query> for String {
    fn from(query: Query) -> Self {
        query.to_string()
    }
}
