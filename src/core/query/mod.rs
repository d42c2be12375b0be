//! Keyword expressions: the language in which a subscriber says what they want to read.
//!
//! `docs/query-language.md` is its manual. A [`Query`] keeps the text as its owner wrote it beside what it means, an
//! [`Expr`]. Parsing never panics, takes linear time and is bounded by [`MAX_BYTES`], [`MAX_TERMS`] and [`MAX_DEPTH`],
//! so that everything behind it may recurse over an expression without fear.
//!
//! What is printed can be read back: an [`Expr`] and each [`Clause`] of it alone. The bound in bytes is for what people
//! type; what is printed may be longer, and is read without it.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use walk::Resolved;

mod clean;
mod error;
mod lenient;
mod lexer;
mod names;
mod parser;
mod pattern;
mod person;
mod print;
mod recent;
mod sieve;
mod signs;
pub mod walk;

pub use error::QueryError;
pub(in crate::core) use error::{cut, quoted};
pub(in crate::core) use names::is_old_similarity;
pub(in crate::core) use parser::parse_old_carets;
pub use pattern::{Label, Literal, Part, Pattern, Unit};
pub use person::Name;

/// The longest expression, in bytes.
pub const MAX_BYTES: usize = 2_000;
/// The most words and conditions in one expression.
pub const MAX_TERMS: usize = 200;
/// The most different words that are to occur near each other: each is looked for around each of the others.
pub const MAX_NEAR: usize = 10;
/// How deep parentheses and negations may nest.
pub const MAX_DEPTH: usize = 64;

/// A parsed keyword expression. Clones share it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Query(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    text: Arc<str>,
    expr: Expr,
    spans: Box<[Range<usize>]>,
    /// Made when it is first walked with.
    resolved: OnceLock<Resolved>,
}

/// What an expression means.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// One condition.
    Clause(Clause),
    /// `NOT a`, `-a`.
    Not(Box<Expr>),
    /// `a b`, `a AND b`; at least two.
    And(Vec<Expr>),
    /// `a OR b`; at least two.
    Or(Vec<Expr>),
    /// `a^2`: counts this many times in the relevance. Above 0, at most 100.
    Weighted(Box<Expr>, f32),
}

/// One condition on a paper.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Clause {
    /// Words, in one of the paper's fields.
    Text {
        /// Where they are looked for.
        field: Field,
        /// How they are compared.
        kind: Kind,
        /// The words as written, without quotes or signs.
        text: String,
    },
    /// `upvotes>=20`.
    Number {
        /// What is counted.
        measure: Measure,
        /// How it is compared.
        comparison: Comparison,
        /// With what; days for an age.
        value: u32,
    },
    /// `has:code`.
    Has(Extra),
    /// `like:2503.02130~5%`.
    Like(Likes),
}

/// The papers to be close to, and how close.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Likes {
    /// Their arXiv identifiers, without versions; at least one.
    pub ids: Vec<String>,
    /// The share of the candidates that is near enough, in percent: 1 to 50.
    pub share: u8,
}

/// How the words of a clause are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `graph`: folded and stemmed.
    Word,
    /// `"graph retrieval"`: the same, one right after the other.
    Phrase,
    /// `"graph retrieval"~5`: the same, in any order, with at most so many other words among them. One that is there twice
    /// counts once.
    Near(u8),
    /// `diffusion~`: folded, and stemmed down to the root that its derivations have too.
    Relatives,
    /// `diffus*`: folded, begins so.
    Prefix,
    /// `=RAG`: as written.
    Exact,
    /// `="Graph Retrieval"`: as written, one right after the other.
    ExactPhrase,
}

/// A part of a paper that words are looked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The title or the abstract: what a reader sees.
    Any,
    /// `title:`
    Title,
    /// `abstract:`
    Abstract,
    /// `author:`, each name for itself.
    Author,
    /// `org:`
    Org,
    /// `category:`, as arXiv names them.
    Category,
    /// `source:`, the name of a source that lists the paper.
    Source,
    /// `keyword:`, each of the source's keywords for itself.
    Keyword,
}

/// A number that a paper has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Votes now; 0 where a source shows none.
    Upvotes,
    /// Comments now; 0 where a source shows none.
    Comments,
    /// Stars of the code repository; 0 without one.
    Stars,
    /// Whole days since the first day it was listed, UTC.
    Age,
}

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `=`
    Equal,
    /// `>=`
    AtLeast,
    /// `>`
    Greater,
}

/// What a paper may bring beside its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extra {
    /// `has:code`
    Code,
    /// `has:project`
    Project,
}

impl Query {
    /// Parses an expression. `docs/query-language.md` is its grammar. Fails with the place, what was expected there, and a
    /// cure.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > MAX_BYTES {
            let message = format!("the expression is {} bytes long; at most {MAX_BYTES} are allowed", text.len());
            let start = text.floor_char_boundary(MAX_BYTES);
            return Err(QueryError::new(start..text.len(), message, "split it into several keywords"));
        }
        Self::of_any_length(text)
    }

    fn of_any_length(text: &str) -> Result<Self, QueryError> {
        let (expr, spans) = parser::parse(text)?;
        Ok(Self(Arc::new(Parsed { text: text.trim().into(), expr, spans: spans.into(), resolved: OnceLock::new() })))
    }

    /// Parses what someone typed into a form: an expression when it is one, else its words. Commas, semicolons and line
    /// breaks part alternatives; one that only excludes holds for all others. Fails only when there is no word at all or far
    /// too many.
    pub fn parse_lenient(text: &str) -> Result<Self, QueryError> {
        lenient::parse(text)
    }

    /// The expression as its owner wrote it.
    pub fn text(&self) -> &Arc<str> {
        &self.0.text
    }

    /// What it means.
    pub fn expr(&self) -> &Expr {
        &self.0.expr
    }

    /// What it means to the plain evaluator.
    pub(super) fn resolved(&self) -> &Resolved {
        self.0.resolved.get_or_init(|| Resolved::of(self.expr()))
    }

    /// Bytes of each clause in the text that was parsed, in the order of [`Expr::clauses`].
    pub fn spans(&self) -> &[Range<usize>] {
        &self.0.spans
    }

    /// The expression in one fixed spelling, which an [`Expr`] can be read back from. It may be longer than what was
    /// written: a field before a group counts for each of its words.
    pub fn canonical(&self) -> String {
        self.expr().to_string()
    }

    /// The arXiv identifiers that `like:` clauses name: the papers whose text [`super::matching::Pool::with_liked`]
    /// needs.
    pub fn liked(&self) -> impl Iterator<Item = &str> {
        let likes = self.expr().clauses().into_iter().filter_map(|clause| match clause {
            Clause::Like(likes) => Some(&likes.ids),
            _ => None,
        });
        likes.flatten().map(String::as_str)
    }
}

impl Expr {
    /// Its clauses, from left to right.
    pub fn clauses(&self) -> Vec<&Clause> {
        fn collect<'a>(expr: &'a Expr, into: &mut Vec<&'a Clause>) {
            match expr {
                Expr::Clause(clause) => into.push(clause),
                Expr::Not(inner) | Expr::Weighted(inner, _) => collect(inner, into),
                Expr::And(all) | Expr::Or(all) => all.iter().for_each(|inner| collect(inner, into)),
            }
        }
        let mut clauses = Vec::new();
        collect(self, &mut clauses);
        clauses
    }
}

impl Comparison {
    /// Whether `left` stands so to `right`.
    pub fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Comparison::Less => left < right,
            Comparison::AtMost => left <= right,
            Comparison::Equal => left == right,
            Comparison::AtLeast => left >= right,
            Comparison::Greater => left > right,
        }
    }
}

impl PartialEq for Query {
    fn eq(&self, other: &Self) -> bool {
        // The text says everything else.
        self.text() == other.text()
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::str::FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        Self::parse(text)
    }
}

/// Reads back what was kept of a query, of any length. Many readers share a keyword, so that what was read lately is at
/// hand.
impl TryFrom<String> for Query {
    type Error = QueryError;

    fn try_from(text: String) -> Result<Self, QueryError> {
        recent::query(text)
    }
}

/// Reads back what was printed, of any length.
impl std::str::FromStr for Expr {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        Ok(parser::parse(text)?.0)
    }
}

/// Reads back what was printed, of any length.
impl std::str::FromStr for Clause {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        match parser::parse(text)?.0 {
            Expr::Clause(clause) => Ok(clause),
            _ => Err(QueryError::new(0..text.len(), "expected one condition", "write each for itself")),
        }
    }
}

impl From<Query> for String {
    fn from(query: Query) -> Self {
        query.text().to_string()
    }
}

#[cfg(test)]
pub(crate) mod tests;
