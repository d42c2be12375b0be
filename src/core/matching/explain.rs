//! Why a paper is chosen or not, clause by clause.
//!
//! The answer to "why did I not get this paper?", as far as the paper and the profile tell. What only the ledger knows -
//! sent already, over the maximum, paused - its keeper adds.

use std::fmt::{self, Display, Formatter};

use super::compile::limits;
use super::{Document, Known, Profile};
use crate::core::candidate::Candidate;
use crate::core::query::walk::number;
use crate::core::query::{Clause, Expr, Field, Measure};

/// What a profile makes of a paper.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The end of it.
    pub verdict: Verdict,
    /// Every expression of the profile, in its order: keywords, `must`, `exclude`, then thresholds and sources.
    pub findings: Vec<Finding>,
}

/// Whether a profile chooses a paper, and if not, what stands first in its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Chosen,
    /// None of the sources that the profile looks at lists it.
    OtherSource,
    /// It has fewer votes than the profile demands.
    TooFewVotes,
    /// An expression of `exclude` matches it.
    Excluded,
    /// An expression of `must` does not match it.
    Lacking,
    /// None of the keywords matches it.
    NoKeyword,
}

/// What became of one expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What the expression is there for.
    pub check: Check,
    /// The expression as its owner wrote it, or the limit in the same language.
    pub text: String,
    /// Whether it matches.
    pub matches: bool,
    /// Its clauses from left to right, for an expression of several or of one that has a value.
    pub clauses: Vec<Judged>,
}

/// One clause of an expression, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The clause itself.
    pub clause: String,
    /// Whether it stands under a NOT.
    pub is_negated: bool,
    /// Whether the paper has what it asks for, negated or not.
    pub holds: bool,
    /// What the paper has instead: `it has 10`.
    pub value: Option<String>,
}

impl Judged {
    /// Whether it is as its owner wanted it.
    pub fn is_met(&self) -> bool {
        self.holds != self.is_negated
    }
}

/// What an expression is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// One that matches is enough.
    Keyword,
    /// Every one must match.
    Must,
    /// None may match.
    Exclude,
    /// The least number of votes.
    MinUpvotes,
    /// The sources looked at.
    Sources,
}

pub(super) fn explain(profile: &Profile, candidate: &Candidate, known: Known<'_>) -> Explanation {
    let document = Document::new(candidate);
    let finding = |check, text: String, expr: &Expr| {
        let judge = |(clause, is_negated): (&Clause, bool)| Judged {
            clause: match clause {
                Clause::Text { field: Field::Source, text, .. } if check == Check::Sources => text.clone(),
                _ => clause.to_string(),
            },
            is_negated,
            holds: document.holds(&clause.literal(), known).unwrap_or(false),
            value: value(clause, candidate, known),
        };
        let mut clauses: Vec<Judged> = signed(expr, false).into_iter().map(judge).collect();
        if matches!(clauses.as_slice(), [Judged { value: None, .. }]) {
            clauses.clear();
        }
        Finding { check, text, matches: document.matches(expr, known).unwrap_or(false), clauses }
    };
    let keywords = profile.keywords.iter().map(|keyword| (Check::Keyword, &keyword.query));
    let musts = profile.must.iter().map(|query| (Check::Must, query));
    let excludes = profile.exclude.iter().map(|query| (Check::Exclude, query));
    let written = keywords.chain(musts).chain(excludes);
    let mut findings: Vec<Finding> =
        written.map(|(check, query)| finding(check, query.to_string(), query.expr())).collect();
    for limit in limits(profile) {
        let check = match limit {
            Expr::Clause(_) => Check::MinUpvotes,
            _ => Check::Sources,
        };
        let text = match check {
            Check::Sources => profile.sources.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", "),
            _ => limit.to_string(),
        };
        findings.push(finding(check, text, &limit));
    }
    Explanation { verdict: verdict(&findings), findings }
}

fn verdict(findings: &[Finding]) -> Verdict {
    let any = |check, matches| findings.iter().any(|finding| finding.check == check && finding.matches == matches);
    let keywords = findings.iter().any(|finding| finding.check == Check::Keyword);
    match () {
        () if any(Check::Sources, false) => Verdict::OtherSource,
        () if any(Check::Exclude, true) => Verdict::Excluded,
        () if any(Check::Must, false) => Verdict::Lacking,
        () if keywords && !any(Check::Keyword, true) => Verdict::NoKeyword,
        // Last, since it may yet change.
        () if any(Check::MinUpvotes, false) => Verdict::TooFewVotes,
        () => Verdict::Chosen,
    }
}

/// The clauses of an expression, from left to right, each with whether it stands under a NOT.
fn signed(expr: &Expr, is_negated: bool) -> Vec<(&Clause, bool)> {
    match expr {
        Expr::Clause(clause) => vec![(clause, is_negated)],
        Expr::Not(inner) => signed(inner, !is_negated),
        Expr::Weighted(inner, _) => signed(inner, is_negated),
        Expr::And(all) | Expr::Or(all) => all.iter().flat_map(|inner| signed(inner, is_negated)).collect(),
    }
}

/// What a paper has where a clause is about how much.
fn value(clause: &Clause, candidate: &Candidate, known: Known<'_>) -> Option<String> {
    match clause {
        Clause::Number { measure: Measure::Age, .. } => match candidate.age(known.now?) {
            1 => Some("it is 1 day old".to_owned()),
            days => Some(format!("it is {days} days old")),
        },
        Clause::Number { measure, .. } => Some(format!("it has {}", number(candidate, *measure))),
        Clause::Like { id, .. } => Some(match known.like?(id) {
            Some(likeness) => format!("similarity {}", Hundredths(likeness)),
            None if candidate.paper.key.arxiv_id() == Some(id) => "it is that paper".to_owned(),
            None => "that paper is not known".to_owned(),
        }),
        _ => None,
    }
}

/// A share in hundredths, cut off: what is shown as 0.30 reaches a threshold of 0.3.
#[derive(Clone, Copy, Debug)]
pub struct Hundredths(pub f32);

impl Display for Hundredths {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // By the same comparison as a threshold: 0.29 in binary, times a hundred, is less than 29.
        let reached = (0..=100u8).rev().find(|hundredth| self.0 >= f32::from(*hundredth) / 100.0);
        write!(f, "{:.2}", f32::from(reached.unwrap_or(0)) / 100.0)
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Chosen => "chosen",
            Verdict::OtherSource => "not chosen: none of the chosen sources lists it",
            Verdict::TooFewVotes => "held back: too few votes so far",
            Verdict::Excluded => "not chosen: excluded",
            Verdict::Lacking => "not chosen: lacks what it must have",
            Verdict::NoKeyword => "not chosen: no keyword matches",
        })
    }
}

impl Display for Check {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Check::Keyword => "keyword",
            Check::Must => "must",
            Check::Exclude => "exclude",
            Check::MinUpvotes => "min_upvotes",
            Check::Sources => "sources",
        })
    }
}

/// A clause as its owner wrote it, and what the paper has instead.
impl Display for Judged {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let not = if self.is_negated { "-" } else { "" };
        write!(f, "{not}{}", self.clause)?;
        self.value.iter().try_for_each(|value| write!(f, " ({value})"))
    }
}

/// The verdict, then a line for each expression and one, further in, for each of its clauses as it is written:
///
/// ```text
/// not chosen: excluded
///   yes  keyword      diffusion -audio
///          yes  diffusion
///          yes  -audio
///   yes  exclude      survey
/// ```
impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = |holds: bool| if holds { "yes" } else { "no" };
        writeln!(f, "{}", self.verdict)?;
        for finding in &self.findings {
            writeln!(f, "  {:<3}  {:<11}  {}", sign(finding.matches), finding.check.to_string(), finding.text)?;
            for clause in &finding.clauses {
                writeln!(f, "         {:<3}  {clause}", sign(clause.is_met()))?;
            }
        }
        Ok(())
    }
}
