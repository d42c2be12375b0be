//! What is valid but hardly meant: expressions that match nearly everything, or nothing.

use std::ops::Range;

use super::{Clause, Comparison, Expr, Field, Kind, Literal, Measure, Part, Query};
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
    /// Whether it is that nearly every paper matches: no fault in a condition that stands beside others.
    pub is_broad: bool,
}

/// A share of recent papers above which an expression chooses hardly anything.
const BROAD: f64 = 0.4;
/// Fewer recent papers than this say nothing about a share.
const ENOUGH: usize = 50;

/// Warnings about an expression; with a pool of recent papers also when nearly all of them match it, and when a paper that
/// `like:` names is unknown.
pub fn lint(query: &Query, recent: Option<&Pool>) -> Vec<Lint> {
    let mut linter = Linter { query, recent, lints: Vec::new() };
    linter.clauses();
    linter.logic();
    linter.share();
    linter.lints
}

struct Linter<'a> {
    query: &'a Query,
    recent: Option<&'a Pool>,
    lints: Vec<Lint>,
}

impl Linter<'_> {
    fn warn(&mut self, span: Range<usize>, message: impl Into<String>, hint: &str) {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.lints.push(Lint { span, message: message.into(), hint, is_broad: false });
    }

    fn warn_of_breadth(&mut self, message: impl Into<String>, hint: &str) {
        self.warn(self.whole(), message, hint);
        self.lints.last_mut().into_iter().for_each(|lint| lint.is_broad = true);
    }

    fn whole(&self) -> Range<usize> {
        self.query.spans.first().map_or(0, |span| span.start)..self.query.spans.last().map_or(0, |span| span.end)
    }

    /// Each clause for itself.
    fn clauses(&mut self) {
        let query = self.query;
        for (clause, span) in query.expr.clauses().into_iter().zip(&*query.spans) {
            match clause {
                Clause::Text { kind: Kind::Word, text, field: Field::Any }
                    if matches!(text.as_str(), "and" | "or" | "not") =>
                {
                    let message = format!("\"{text}\" in small letters is looked for as a word");
                    self.warn(span.clone(), message, "operators are written AND, OR and NOT");
                }
                Clause::Text { kind: Kind::Word, text, field: Field::Any } if is_lone_letter(text) => {
                    let hint = format!("`={}` finds only the capital", text.to_uppercase());
                    self.warn(span.clone(), format!("\"{text}\" also finds variables and initials"), &hint);
                }
                Clause::Like { id, .. } if self.recent.is_some_and(|pool| !pool.knows(id)) => {
                    self.warn(span.clone(), format!("the paper {id} is not known here, so nothing is like it"), "");
                }
                _ => {}
            }
        }
    }

    /// What the expression can and cannot match, whatever the papers are.
    fn logic(&mut self) {
        match worth(&self.query.expr) {
            Worth::Nothing => {
                let message = "nothing can match this: it asks for something and its opposite";
                self.warn(self.whole(), message, "for either of two things, write OR");
            }
            Worth::Negative => {
                let message = "this only says what a paper must not have, so it matches nearly every paper";
                self.warn_of_breadth(message, "put it under `exclude`, or add a word to look for");
            }
            Worth::Common => {
                let message = "words this common match nearly every paper";
                self.warn_of_breadth(message, "make it a phrase, or add a word that only your papers have");
            }
            Worth::Specific => {}
        }
    }

    fn share(&mut self) {
        let Some(pool) = self.recent.filter(|pool| pool.candidates().len() >= ENOUGH) else { return };
        let (found, all) = (pool.count(self.query), pool.candidates().len());
        if found as f64 > BROAD * all as f64 && self.lints.is_empty() {
            let share = 100 * found / all;
            let message = format!("this matches {share} % of the recent papers, {found} of {all}");
            self.warn_of_breadth(message, "add a word with AND, or make it a phrase");
        }
    }
}

/// How much an expression says, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// It never matches.
    Nothing,
    /// It only excludes.
    Negative,
    /// It matches by common words alone.
    Common,
    /// It asks for something.
    Specific,
}

fn worth(expr: &Expr) -> Worth {
    match expr {
        Expr::Clause(_) if contradict(std::slice::from_ref(expr)) => Worth::Nothing,
        Expr::Clause(clause) if is_common(clause) => Worth::Common,
        Expr::Clause(_) => Worth::Specific,
        Expr::Not(inner) => match &**inner {
            Expr::Not(twice) => worth(twice),
            _ => Worth::Negative,
        },
        Expr::Weighted(inner, _) => worth(inner),
        // Any alternative that says too little spoils the rest; one that can't match is merely idle.
        Expr::Or(any) => any.iter().map(worth).filter(|worth| *worth != Worth::Nothing).min().unwrap_or(Worth::Nothing),
        Expr::And(all) if contradict(all) || all.iter().any(|inner| worth(inner) == Worth::Nothing) => Worth::Nothing,
        Expr::And(all) => all.iter().map(worth).max().unwrap_or(Worth::Specific),
    }
}

/// Whether two of some expressions that must all match never match together: a word and its negation, or numbers that no
/// number fits.
fn contradict(all: &[Expr]) -> bool {
    let clause = |expr: &Expr| match expr {
        Expr::Clause(clause) => Some(clause.literal()),
        Expr::Weighted(inner, _) => match &**inner {
            Expr::Clause(clause) => Some(clause.literal()),
            _ => None,
        },
        _ => None,
    };
    let wanted: Vec<Literal> = all.iter().filter_map(clause).collect();
    let unwanted = all.iter().filter_map(|expr| match expr {
        Expr::Not(inner) => clause(inner),
        _ => None,
    });
    if unwanted.into_iter().any(|literal| wanted.contains(&literal)) {
        return true;
    }
    [Measure::Upvotes, Measure::Comments, Measure::Stars, Measure::Age].into_iter().any(|measure| {
        let (mut least, mut most) = (0, u64::from(u32::MAX));
        for literal in &wanted {
            if let Literal::Number(of, comparison, value) = literal
                && *of == measure
            {
                let value = u64::from(*value);
                match comparison {
                    // Nothing is below zero.
                    Comparison::Less if value == 0 => return true,
                    Comparison::Less => most = most.min(value - 1),
                    Comparison::AtMost => most = most.min(value),
                    Comparison::AtLeast => least = least.max(value),
                    Comparison::Greater => least = least.max(value + 1),
                    Comparison::Equal => (least, most) = (least.max(value), most.min(value)),
                }
            }
        }
        least > most
    })
}

fn is_lone_letter(text: &str) -> bool {
    text.len() == 1 && text.bytes().all(|b| b.is_ascii_alphabetic())
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
    "propos",
    "perform",
    "show",
    "new",
    "novel",
    "framework",
    "studi",
    "system",
    "network",
    "improv",
    "state",
    "art",
    "experi",
    "achiev",
    "ai",
    "algorithm",
    "research",
    "work",
    "evalu",
];

/// Whether a clause is a plain word, or words near or beside each other, that stand in nearly every abstract. A phrase of
/// several is specific enough, unless it has nothing but function words.
fn is_common(clause: &Clause) -> bool {
    let Clause::Text { field: Field::Any | Field::Abstract, kind: Kind::Word | Kind::Phrase | Kind::Near(_), .. } =
        clause
    else {
        return false;
    };
    let Literal::Text { pattern, .. } = clause.literal() else { return false };
    let parts: Vec<&Part> = pattern.units.iter().flat_map(|unit| &unit.parts).collect();
    let functional = 31;
    let among = if pattern.units.len() > 1 { &COMMON[..functional] } else { &COMMON[..] };
    parts.iter().all(|part| matches!(part, Part::Stem(stem, _) if among.contains(&stem.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        lint(&Query::parse(text).expect(text), None).into_iter().map(|lint| lint.message).collect()
    }

    #[test]
    fn what_matches_nearly_everything_is_told() {
        for broad in
            ["model", "Learning", "the", "\"of the\"", "new methods", "agents OR model", "(data)^2", "state-of-the-art"]
        {
            let told = messages(broad);
            assert!(told.len() == 1 && told[0].contains("common"), "{broad}: {told:?}");
        }
        for negative in ["-survey", "NOT (survey OR review)", "agents OR -survey"] {
            assert!(messages(negative).concat().contains("must not have"), "{negative}");
        }
        for fine in
            ["mamba", "\"language model\"", "model -survey agents", "title:model", "--mamba", "=AI", "upvotes>5"]
        {
            assert_eq!(messages(fine), [""; 0], "{fine}");
        }
    }

    #[test]
    fn what_never_matches_is_told() {
        for never in [
            "graph -graphs",
            "upvotes>5 upvotes<3",
            "a2c (upvotes=1 upvotes=2)",
            "age<0d",
            "rl stars>4 stars<5",
            "x2 -x2^3",
        ] {
            assert!(messages(never).concat().contains("opposite"), "{never}: {:?}", messages(never));
        }
        for may in ["upvotes>5 upvotes<7", "graph OR -graph x2", "graph -title:graph", "stars>4 OR stars<3"] {
            assert!(!messages(may).concat().contains("opposite"), "{may}");
        }
    }

    #[test]
    fn slips_are_told_where_they_stand() {
        let query = Query::parse("cats or R").expect("an expression");
        let spans: Vec<_> = lint(&query, None).into_iter().map(|lint| lint.span).collect();
        assert_eq!(spans, [5..7, 8..9]);
    }
}
