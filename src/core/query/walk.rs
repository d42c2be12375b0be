//! The plain evaluator: walks an expression over the words of one paper.
//!
//! It says where the words are, so reasons and explanations come from it. It shares nothing with the index beyond the
//! literals, so it is also the oracle that the index is tested against, and the naive counterpart in the benchmark.

use std::borrow::Borrow;
use std::ops::Range;

use chrono::{DateTime, Utc};

use super::pattern::name_words;
use super::{Clause, Expr, Extra, Field, Literal, Measure, Part, Pattern, Unit};
use crate::core::candidate::Candidate;
use crate::core::text::{self, Form};

/// A candidate, borrowed or shared, whose words are cut and folded.
#[derive(Debug)]
pub struct Document<C> {
    candidate: C,
    title: Vec<Token>,
    abstract_text: Vec<Token>,
    org: Vec<Token>,
    keywords: Vec<Vec<Token>>,
    authors: Vec<Vec<String>>,
}

#[derive(Debug)]
struct Token {
    written: String,
    form: Form,
    range: Range<usize>,
    start: u32,
    end: u32,
}

/// What is known beyond the paper itself.
#[derive(Clone, Copy, Default)]
pub struct Known<'a> {
    /// The time, for ages.
    pub now: Option<DateTime<Utc>>,
    /// Whether the candidate is so much like a paper, by its arXiv identifier and hundredths.
    pub like: Option<&'a IsLike<'a>>,
}

/// Judges likeness to a paper, by its arXiv identifier, of at least so many hundredths.
pub type IsLike<'a> = dyn Fn(&str, u8) -> bool + 'a;

/// Where a clause was found in what a reader sees.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// Byte ranges in the title, as found.
    pub title: Vec<Range<usize>>,
    /// Byte ranges in the abstract, as found.
    pub abstract_text: Vec<Range<usize>>,
}

impl<C: Borrow<Candidate>> Document<C> {
    /// Cuts and folds all words of `candidate`.
    pub fn new(candidate: C) -> Self {
        let paper = &candidate.borrow().paper;
        Self {
            title: tokens(&paper.title),
            abstract_text: tokens(&paper.abstract_text),
            org: tokens(paper.organization.as_deref().unwrap_or_default()),
            keywords: paper.keywords.iter().map(|keyword| tokens(keyword)).collect(),
            authors: paper.authors.iter().map(|name| name_words(name)).collect(),
            candidate,
        }
    }

    /// The candidate.
    pub fn candidate(&self) -> &Candidate {
        self.candidate.borrow()
    }

    /// Whether `expr` matches; `None` when that hangs on something that isn't known.
    pub fn matches(&self, expr: &Expr, known: Known<'_>) -> Option<bool> {
        match expr {
            Expr::Clause(clause) => self.holds(&clause.literal(), known),
            Expr::Not(inner) => self.matches(inner, known).map(|truth| !truth),
            Expr::Weighted(inner, _) => self.matches(inner, known),
            Expr::And(all) => settle(all.iter().map(|inner| self.matches(inner, known)), false),
            Expr::Or(any) => settle(any.iter().map(|inner| self.matches(inner, known)), true),
        }
    }

    /// Whether one literal holds; `None` when that hangs on something that isn't known.
    pub fn holds(&self, literal: &Literal, known: Known<'_>) -> Option<bool> {
        let candidate = self.candidate();
        let paper = &candidate.paper;
        Some(match literal {
            Literal::Text { field, pattern } => self.sections(*field).any(|words| !find(pattern, words).is_empty()),
            Literal::Author(name) => self.authors.iter().any(|author| name.finds(author)),
            Literal::Category(label) => paper.categories.iter().any(|name| label.finds(&name.to_lowercase())),
            Literal::Source(label) => candidate.listings.iter().any(|listing| label.finds(listing.source.as_str())),
            Literal::Number(Measure::Age, comparison, days) => comparison.holds(candidate.age(known.now?), *days),
            Literal::Number(measure, comparison, value) => comparison.holds(number(candidate, *measure), *value),
            Literal::Has(Extra::Code) => paper.code.is_some(),
            Literal::Has(Extra::Project) => paper.project.is_some(),
            Literal::Like(id, threshold) => known.like?(id, *threshold),
        })
    }

    /// Adds to `marks` where the words of `expr` stand that speak for the paper; those under a NOT don't.
    pub fn mark(&self, expr: &Expr, marks: &mut Marks) {
        match expr {
            Expr::Clause(clause @ Clause::Text { field: Field::Any | Field::Title | Field::Abstract, .. }) => {
                let Literal::Text { field, pattern } = clause.literal() else { return };
                if field != Field::Abstract {
                    marks.title.extend(find(&pattern, &self.title));
                }
                if field != Field::Title {
                    marks.abstract_text.extend(find(&pattern, &self.abstract_text));
                }
            }
            Expr::Clause(_) | Expr::Not(_) => {}
            Expr::Weighted(inner, _) => self.mark(inner, marks),
            Expr::And(all) | Expr::Or(all) => all.iter().for_each(|inner| self.mark(inner, marks)),
        }
    }

    /// The texts of a field; words never stand together across two of them.
    fn sections(&self, field: Field) -> impl Iterator<Item = &[Token]> {
        let (title, abstract_text) =
            (matches!(field, Field::Any | Field::Title), matches!(field, Field::Any | Field::Abstract));
        let one = |wanted: bool, words| wanted.then_some(words).into_iter();
        let keywords = if field == Field::Keyword { self.keywords.as_slice() } else { &[] };
        one(title, self.title.as_slice())
            .chain(one(abstract_text, self.abstract_text.as_slice()))
            .chain(one(field == Field::Org, self.org.as_slice()))
            .chain(keywords.iter().map(Vec::as_slice))
    }
}

/// A number of a paper that doesn't hang on the time; 0 where it isn't known. (An age is [`Candidate::age`].)
pub(in crate::core) fn number(candidate: &Candidate, measure: Measure) -> u32 {
    match measure {
        Measure::Upvotes => candidate.upvotes().unwrap_or(0),
        Measure::Comments => candidate.comments().unwrap_or(0),
        Measure::Stars => candidate.paper.stars.unwrap_or(0),
        Measure::Age => 0,
    }
}

/// Three-valued any (`target` true) and all (`target` false).
fn settle(truths: impl Iterator<Item = Option<bool>>, target: bool) -> Option<bool> {
    let mut unknown = false;
    for truth in truths {
        match truth {
            Some(truth) if truth == target => return Some(target),
            Some(_) => {}
            None => unknown = true,
        }
    }
    (!unknown).then_some(!target)
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = text::words(text)
        .into_iter()
        .map(|word| Token {
            written: text[word.range.clone()].to_owned(),
            form: Form::of(&text[word.range.clone()]),
            range: word.range,
            start: word.position,
            end: word.position + word.length,
        })
        .collect();
    tokens.sort_by_key(|token| token.start);
    tokens
}

/// Where a unit ends: the position after it, and its last byte.
type End = (u32, usize);

/// The byte ranges at which `pattern` is found.
fn find(pattern: &Pattern, words: &[Token]) -> Vec<Range<usize>> {
    if let ([Unit { parts, whole: None }], None) = (pattern.units.as_slice(), pattern.near)
        && let [part] = parts.as_slice()
    {
        let found = words.iter().filter(|word| part.finds(&word.written, &word.form));
        return found.map(|word| word.range.clone()).collect();
    }
    match pattern.near {
        Some(_) => find_near(pattern, words),
        None => words
            .chunk_by(|a, b| a.start == b.start)
            .filter_map(|here| {
                let start = here[0].range.start;
                let mut ends: Vec<End> = vec![(here[0].start, start)];
                for unit in &pattern.units {
                    ends = ends.into_iter().flat_map(|end| unit_ends(unit, words, end)).collect();
                    ends.sort_unstable();
                    ends.dedup();
                }
                ends.last().map(|end| start..end.1)
            })
            .collect(),
    }
}

/// Where `unit` ends if it begins at a position.
fn unit_ends(unit: &Unit, words: &[Token], begin: End) -> Vec<End> {
    let step = |part: &Part, begin: End| -> Vec<End> {
        let at = words.partition_point(|word| word.start < begin.0);
        let here = words[at..].iter().take_while(|word| word.start == begin.0);
        here.filter(|word| part.finds(&word.written, &word.form)).map(|word| (word.end, word.range.end)).collect()
    };
    let mut ends = Vec::new();
    if !unit.parts.is_empty() {
        let mut open = vec![begin];
        for part in &unit.parts {
            open = open.into_iter().flat_map(|end| step(part, end)).collect();
            open.sort_unstable();
            open.dedup();
        }
        ends.extend(open);
    }
    ends.extend(unit.whole.iter().flat_map(|whole| step(whole, begin)));
    ends
}

/// The words of a nearness, wherever a window holds all of them.
fn find_near(pattern: &Pattern, words: &[Token]) -> Vec<Range<usize>> {
    let found: Vec<Vec<(u32, End, usize)>> = pattern
        .units
        .iter()
        .map(|unit| {
            words
                .iter()
                .flat_map(|first| {
                    unit_ends(unit, words, (first.start, first.range.start))
                        .into_iter()
                        .map(|end| (first.start, end, first.range.start))
                })
                .collect()
        })
        .collect();
    let window = pattern.window();
    let mut ranges = Vec::new();
    for start in found.iter().flatten().map(|(start, ..)| *start) {
        let inside = |(begin, end, _): &&(u32, End, usize)| *begin >= start && end.0 <= start + window;
        if found.iter().all(|unit| unit.iter().any(|place| inside(&place))) {
            ranges.extend(found.iter().flatten().filter(inside).map(|(_, end, byte)| *byte..end.1));
        }
    }
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    ranges.dedup();
    ranges
}
