//! Why a paper is chosen or not, clause by clause.
//!
//! The answer to "why did I not get this paper?", as far as the paper and the profile tell. What only the ledger knows -
//! sent already, over the maximum, paused - its keeper adds.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Display, Formatter};
use std::rc::Rc;

use super::compile::limits;
use super::{Closeness, Document, Pool, Profile, Reasoner, Reasons, WalkContext, likes};
use crate::core::query::walk::number;
use crate::core::query::{Clause, Expr, Field, Likes, Literal, Measure};
use crate::core::subscription::Keyword;

/// What a profile makes of a paper.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The end of it.
    pub verdict: ProfileVerdict,
    /// Every expression of the profile, in its order: keywords, `must`, `exclude`, then thresholds and sources.
    pub findings: Vec<Finding>,
}

/// Whether a profile chooses a paper, and if not, what is first in its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileVerdict {
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
    /// Whether it is under a NOT.
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

/// Explains what one profile makes of any candidate of a pool.
pub struct Explainer<'p> {
    pool: &'p Pool,
    profile: &'p Profile,
    sent: &'p [u32],
    keywords: Vec<Keyword>,
    /// What was asked for before: finding out is as much work for one candidate as for all.
    close: RefCell<HashMap<Likes, Rc<Closeness>>>,
}

impl<'p> Explainer<'p> {
    pub(super) fn new(pool: &'p Pool, profile: &'p Profile, sent: &'p [u32]) -> Self {
        Self { pool, profile, sent, keywords: likes::joined(profile), close: RefCell::default() }
    }

    /// Why the profile chose the candidate with this index; default when it did not.
    pub fn reasons(&self, index: usize) -> Reasons {
        let Some(candidate) = self.pool.candidates().get(index) else { return Reasons::default() };
        let like = |likes: &Likes| self.terms(likes, index);
        Reasoner::new(self.profile).reasons_knowing(&Document::new(candidate), self.pool.known(&like))
    }

    /// Clause by clause, why the profile does or does not choose the candidate with this index; `None` beyond the last.
    pub fn explain(&self, index: usize) -> Option<Explanation> {
        let candidate = self.pool.candidates().get(index)?;
        let like = |likes: &Likes| self.terms(likes, index);
        let (document, known) = (Document::new(candidate), self.pool.known(&like));
        let finding = |check, text: String, expr: &Expr| {
            let judge = |(clause, is_negated): (&Clause, bool)| Judged {
                clause: match clause {
                    Clause::Text { field: Field::Source, text, .. } if check == Check::Sources => text.clone(),
                    _ => clause.to_string(),
                },
                is_negated,
                holds: document.holds(&clause.literal(), known).unwrap_or(false),
                value: self.value(clause, index, known),
            };
            let mut clauses: Vec<Judged> = signed(expr, false).into_iter().map(judge).collect();
            if matches!(clauses.as_slice(), [Judged { value: None, .. }]) {
                clauses.clear();
            }
            Finding { check, text, matches: document.matches(expr, known).unwrap_or(false), clauses }
        };
        let keywords = self.keywords.iter().map(|keyword| (Check::Keyword, &keyword.query));
        let musts = self.profile.must.iter().map(|query| (Check::Must, query));
        let excludes = self.profile.exclude.iter().map(|query| (Check::Exclude, query));
        let written = keywords.chain(musts).chain(excludes);
        let mut findings: Vec<Finding> =
            written.map(|(check, query)| finding(check, query.to_string(), query.expr())).collect();
        for limit in limits(self.profile) {
            let check = match limit {
                Expr::Clause(_) => Check::MinUpvotes,
                _ => Check::Sources,
            };
            let text = match check {
                Check::Sources => self.profile.sources.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", "),
                _ => limit.to_string(),
            };
            findings.push(finding(check, text, &limit));
        }
        Some(Explanation { verdict: verdict(&findings), findings })
    }

    /// Which share of the papers, in percent, `likes` has to ask for to find this one: what a share is chosen by. `None` for a
    /// paper that is no closer than the average.
    pub fn share(&self, likes: &Likes, index: usize) -> Option<f32> {
        self.closeness(likes).share(index)
    }

    /// The terms that make a candidate close; `None` when it is not close enough.
    pub fn terms(&self, likes: &Likes, index: usize) -> Option<Vec<String>> {
        let closeness = self.closeness(likes);
        let paper = &self.pool.candidates().get(index)?.paper;
        closeness.finds(index).then(|| self.pool.vectors().terms(&closeness, index, paper))
    }

    /// The terms that make a candidate close, for each `like:` that finds it.
    pub fn near(&self, index: usize) -> BTreeMap<usize, Vec<String>> {
        let all = likes::of_profile(self.profile, &self.keywords);
        let near = all.iter().enumerate().filter_map(|(place, likes)| Some((place, self.terms(likes, index)?)));
        near.filter(|(_, terms)| !terms.is_empty()).collect()
    }

    fn closeness(&self, likes: &Likes) -> Rc<Closeness> {
        if let Some(known) = self.close.borrow().get(likes) {
            return known.clone();
        }
        let judged = self.pool.judged(likes, self.sent);
        let closeness = Rc::new(self.pool.closeness(likes, &judged));
        self.close.borrow_mut().insert(likes.clone(), closeness.clone());
        closeness
    }

    /// What a paper has where a clause is about how much.
    fn value(&self, clause: &Clause, index: usize, known: WalkContext<'_>) -> Option<String> {
        let candidate = &self.pool.candidates()[index];
        match clause {
            Clause::Number { measure: Measure::Age, .. } => match candidate.age(known.now?) {
                1 => Some("it is 1 day old".to_owned()),
                days => Some(format!("it is {days} days old")),
            },
            Clause::Number { measure, .. } => Some(format!("it has {}", number(candidate, *measure))),
            Clause::Like(_) => match clause.literal() {
                Literal::Like(likes) => Some(self.nearness(&likes, index)),
                _ => None,
            },
            _ => None,
        }
    }

    fn nearness(&self, likes: &Likes, index: usize) -> String {
        let is_own = |id: &String| self.pool.candidates()[index].paper.key.arxiv_id() == Some(id);
        if likes.ids.iter().any(is_own) {
            return if likes.ids.len() == 1 { "it is that paper" } else { "it is one of them" }.to_owned();
        }
        if !likes.ids.iter().any(|id| self.pool.knows(id)) {
            return if likes.ids.len() == 1 { "that paper is not known" } else { "none of them is known" }.to_owned();
        }
        match (self.share(likes, index), self.terms(likes, index)) {
            (Some(share), Some(terms)) if !terms.is_empty() => {
                format!("among the closest {}: {}", Percent(share), terms.join(", "))
            }
            (Some(share), _) => format!("among the closest {}", Percent(share)),
            (None, _) => "no closer than the average".to_owned(),
        }
    }
}

fn verdict(findings: &[Finding]) -> ProfileVerdict {
    let any = |check, matches| findings.iter().any(|finding| finding.check == check && finding.matches == matches);
    let keywords = findings.iter().any(|finding| finding.check == Check::Keyword);
    match () {
        () if any(Check::Sources, false) => ProfileVerdict::OtherSource,
        () if any(Check::Exclude, true) => ProfileVerdict::Excluded,
        () if any(Check::Must, false) => ProfileVerdict::Lacking,
        () if keywords && !any(Check::Keyword, true) => ProfileVerdict::NoKeyword,
        // Last, since it may yet change.
        () if any(Check::MinUpvotes, false) => ProfileVerdict::TooFewVotes,
        () => ProfileVerdict::Chosen,
    }
}

/// The clauses of an expression, from left to right, each with whether it is under a NOT.
fn signed(expr: &Expr, is_negated: bool) -> Vec<(&Clause, bool)> {
    match expr {
        Expr::Clause(clause) => vec![(clause, is_negated)],
        Expr::Not(inner) => signed(inner, !is_negated),
        Expr::Weighted(inner, _) => signed(inner, is_negated),
        Expr::And(all) | Expr::Or(all) => all.iter().flat_map(|inner| signed(inner, is_negated)).collect(),
    }
}

/// A share in percent, in tenths and rounded up: what is shown as 2.0 % is found by a share of 2 %.
#[derive(Clone, Copy, Debug)]
pub struct Percent(pub f32);

impl Display for Percent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} %", (self.0 * 10.0 - 1e-3).ceil() / 10.0)
    }
}

impl Display for ProfileVerdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProfileVerdict::Chosen => "chosen",
            ProfileVerdict::OtherSource => "not chosen: none of the chosen sources lists it",
            ProfileVerdict::TooFewVotes => "held back: too few votes so far",
            ProfileVerdict::Excluded => "not chosen: excluded",
            ProfileVerdict::Lacking => "not chosen: lacks what it must have",
            ProfileVerdict::NoKeyword => "not chosen: no keyword matches",
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
