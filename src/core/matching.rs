//! Which papers a profile chooses, and why.

use std::ops::Range;

use chrono::{DateTime, NaiveDate, Utc};

use super::paper::{Listing, Paper};
use super::subscription::Profile;

/// A paper that may be chosen, with all that is known of it at one moment.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The store's number of the paper.
    pub id: u32,
    /// The paper.
    pub paper: Paper,
    /// Every listing of it, at least one.
    pub listings: Vec<Listing>,
    /// The recorded votes over time, oldest first: for one source each, the one with the most votes.
    pub votes: Vec<Vote>,
}

/// The votes of a paper at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// When they were read.
    pub at: DateTime<Utc>,
    /// How many there were.
    pub upvotes: u32,
}

impl Candidate {
    /// The first day it was listed anywhere.
    pub fn day(&self) -> Option<NaiveDate> {
        self.listings.iter().map(|l| l.day).min()
    }

    /// Votes now: the most that any source shows.
    pub fn upvotes(&self) -> Option<u32> {
        self.listings.iter().filter_map(|l| l.upvotes).max()
    }

    /// Comments now: the most that any source shows.
    pub fn comments(&self) -> Option<u32> {
        self.listings.iter().filter_map(|l| l.comments).max()
    }
}

/// A chosen paper.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// Index into the pool's candidates.
    pub index: usize,
    /// The score by which the profile ranks, higher first.
    pub score: f32,
}

/// Why a paper was chosen, computed only for those that were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    /// The keyword expressions that matched, as their owner wrote them, in the profile's order.
    pub queries: Vec<String>,
    /// Byte ranges of matched terms in the title: sorted, apart, on character boundaries.
    pub title: Vec<Range<usize>>,
    /// The same in the abstract.
    pub abstract_text: Vec<Range<usize>>,
}

/// The candidates of one publish run, indexed for matching against many profiles.
#[derive(Debug)]
pub struct Pool {
    candidates: Vec<Candidate>,
}

impl Pool {
    /// Indexes the candidates. `now` ages votes and papers.
    pub fn new(candidates: Vec<Candidate>, _now: DateTime<Utc>) -> Self {
        Self { candidates }
    }

    /// The candidates, in the order they were given.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// All that `profile` chooses, best first. Sources, thresholds, `must` and `exclude` are applied; the maximum and
    /// the ledger are the caller's.
    pub fn select(&self, _profile: &Profile) -> Vec<Match> {
        Vec::new()
    }
}

/// Why `profile` chose `candidate`; default when it did not.
pub fn reasons(_profile: &Profile, _candidate: &Candidate) -> Reasons {
    Reasons::default()
}
