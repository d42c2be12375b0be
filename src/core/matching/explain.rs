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
    /// Its clauses from left to right and whether each holds, for an expression of several; with the paper's own value
    /// where that is a number.
    pub clauses: Vec<(String, bool)>,
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
        let clauses = expr.clauses();
        let judged = clauses.iter().map(|clause| {
            let holds = document.holds(&clause.literal(), known).unwrap_or(false);
            (describe(clause, candidate, known), holds)
        });
        let worth_telling = clauses.len() > 1 || matches!(clauses[..], [Clause::Number { .. }]);
        let clauses = if worth_telling { judged.collect() } else { Vec::new() };
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

/// A clause, and for a number or a name what the paper has instead.
fn describe(clause: &Clause, candidate: &Candidate, known: Known<'_>) -> String {
    match clause {
        Clause::Number { measure: Measure::Age, .. } => match known.now {
            Some(now) => format!("{clause} (it is {} days old)", candidate.age(now)),
            None => clause.to_string(),
        },
        Clause::Number { measure, .. } => format!("{clause} (it has {})", number(candidate, *measure)),
        Clause::Text { field: Field::Source, text, .. } => text.clone(),
        _ => clause.to_string(),
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

/// The verdict, then a line for each expression and one, further in, for each of its clauses:
///
/// ```text
/// not chosen: excluded
///   yes  keyword      diffusion video
///          yes  diffusion
///          yes  video
///   yes  exclude      survey
/// ```
impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = |holds: bool| if holds { "yes" } else { "no" };
        writeln!(f, "{}", self.verdict)?;
        for finding in &self.findings {
            writeln!(f, "  {:<3}  {:<11}  {}", sign(finding.matches), finding.check.to_string(), finding.text)?;
            for (clause, holds) in &finding.clauses {
                writeln!(f, "         {:<3}  {clause}", sign(*holds))?;
            }
        }
        Ok(())
    }
}
