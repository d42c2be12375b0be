//! How much an expression says, whatever the papers are.
//!
//! It is read from the outside in, negations carried down to the clauses, so that each part is looked at once: conditions
//! that must all hold are gathered into one list and compared with each other, alternatives are judged one by one.

use super::implied::{bounds, implies};
use crate::core::query::{Comparison, Expr, Field, Literal, Measure, Part};
use crate::core::text;

/// How much an expression says, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// It never matches.
    Nothing,
    /// It always matches.
    Everything,
    /// It only excludes.
    Negative,
    /// It matches by common words alone.
    Common,
    /// It asks for something.
    Specific,
}

/// What an expression says.
pub(super) fn strength(expr: &Expr) -> Strength {
    of(expr, false)
}

/// What some expressions say together, each with whether it must not match.
pub(super) fn strength_of_all<'a>(all: impl IntoIterator<Item = (&'a Expr, bool)>) -> Strength {
    let mut conditions = Conditions::default();
    all.into_iter().for_each(|(expr, negate)| conditions.gather(expr, negate));
    conditions.strength()
}

/// What an expression says, or with `negate` its opposite.
fn of(expr: &Expr, negate: bool) -> Strength {
    match expr {
        Expr::Not(inner) => of(inner, !negate),
        Expr::Weighted(inner, _) => of(inner, negate),
        // Any alternative that says too little spoils the rest; one that can't match is merely idle.
        Expr::And(any) | Expr::Or(any) if matches!(expr, Expr::Or(_)) != negate => {
            let strengths = any.iter().map(|inner| of(inner, negate));
            strengths.filter(|strength| *strength != Strength::Nothing).min().unwrap_or(Strength::Nothing)
        }
        _ => strength_of_all([(expr, negate)]),
    }
}

/// What must hold together.
#[derive(Default)]
struct Conditions {
    wanted: Vec<Literal>,
    unwanted: Vec<Literal>,
    /// What the alternatives among them say.
    others: Vec<Strength>,
}

impl Conditions {
    fn gather(&mut self, expr: &Expr, negate: bool) {
        match expr {
            Expr::Not(inner) => self.gather(inner, !negate),
            Expr::Weighted(inner, _) => self.gather(inner, negate),
            Expr::Clause(clause) => match (clause.literal(), negate) {
                (literal, false) => self.wanted.push(literal),
                (literal, true) => match opposite(&literal) {
                    Some(opposite) => self.wanted.push(opposite),
                    None => self.unwanted.push(literal),
                },
            },
            Expr::And(all) | Expr::Or(all) if matches!(expr, Expr::And(_)) != negate => {
                all.iter().for_each(|inner| self.gather(inner, negate));
            }
            _ => self.others.push(of(expr, negate)),
        }
    }

    fn strength(&self) -> Strength {
        if self.contradict() || self.others.contains(&Strength::Nothing) {
            return Strength::Nothing;
        }
        let unwanted = self.unwanted.iter().map(|_| Strength::Negative);
        let strengths = self.wanted.iter().map(of_literal).chain(unwanted).chain(self.others.iter().copied());
        strengths.max().unwrap_or(Strength::Everything)
    }

    /// Whether two of them never hold together: a word and its negation, or numbers that no number fits.
    fn contradict(&self) -> bool {
        self.unwanted.iter().any(|not| self.wanted.iter().any(|literal| implies(literal, not)))
            || [Measure::Upvotes, Measure::Comments, Measure::Stars, Measure::Age].into_iter().any(|measure| {
                let (mut least, mut most) = (0, u64::MAX);
                for literal in &self.wanted {
                    if let Literal::Number(of, comparison, value) = literal
                        && *of == measure
                    {
                        let bounds = bounds(*comparison, *value);
                        (least, most) = (least.max(*bounds.start()), most.min(*bounds.end()));
                    }
                }
                least > most
            })
    }
}

/// What holds when a literal doesn't, where a literal can say that.
fn opposite(literal: &Literal) -> Option<Literal> {
    let Literal::Number(measure, comparison, value) = literal else { return None };
    let opposite = match comparison {
        Comparison::Less => Comparison::AtLeast,
        Comparison::AtMost => Comparison::Greater,
        Comparison::AtLeast => Comparison::Less,
        Comparison::Greater => Comparison::AtMost,
        Comparison::Equal => return None,
    };
    Some(Literal::Number(*measure, opposite, *value))
}

fn of_literal(literal: &Literal) -> Strength {
    match literal {
        Literal::Number(_, comparison, value) if bounds(*comparison, *value) == (0..=u64::MAX) => Strength::Everything,
        literal if is_common(literal) => Strength::Common,
        _ => Strength::Specific,
    }
}

/// Words that say nothing about a paper: English function words, and those of every machine-learning abstract. Stems.
const COMMON: [&str; 60] = [
    "a",
    "an",
    "and",
    "are",
    "as",
    "at",
    "be",
    "by",
    "can",
    "for",
    "from",
    "has",
    "have",
    "in",
    "is",
    "it",
    "its",
    "of",
    "on",
    "or",
    "that",
    "the",
    "their",
    "these",
    "this",
    "to",
    "use",
    "via",
    "we",
    "which",
    "with",
    "method",
    "model",
    "learn",
    "train",
    "data",
    "dataset",
    "paper",
    "result",
    "task",
    "approach",
    "propose",
    "perform",
    "show",
    "new",
    "novel",
    "framework",
    "study",
    "system",
    "network",
    "improve",
    "state",
    "art",
    "experiment",
    "achieve",
    "ai",
    "algorithm",
    "research",
    "work",
    "evaluate",
];
/// How many of them, the first ones, are function words.
const FUNCTIONAL: usize = 31;

/// Whether a literal is a plain word, or words near or beside each other, that are in nearly every abstract. A phrase of
/// several is specific enough, unless it has nothing but function words.
fn is_common(literal: &Literal) -> bool {
    let Literal::Text { field: Field::Any | Field::Abstract, pattern } = literal else { return false };
    let among = if pattern.units.len() > 1 { &COMMON[..FUNCTIONAL] } else { &COMMON[..] };
    let is_common = |part: &Part| match part {
        Part::Stem(stem, _) => among.contains(&stem.as_str()),
        Part::Root(root, _) => among.iter().any(|stem| text::root(stem) == *root),
        Part::Prefix(_) | Part::Exact(_) => false,
    };
    pattern.units.iter().all(|unit| {
        let has_common_parts = !unit.parts.is_empty() && unit.parts.iter().all(is_common);
        has_common_parts || unit.whole.as_ref().is_some_and(is_common)
    })
}
