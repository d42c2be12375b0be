//! Where papers are listed: HTTP in, snapshots out.
//!
//! A source is read list by list (Hugging Face: a list a day), and each list by the best route that works. What comes
//! back, a [`Reading`], says for every list how that went: a list that is empty, one that hasn't changed and one that
//! could not be read are three different things, and only papers that were really seen are in the snapshot. Nothing
//! here is remembered between two reads; the caller keeps the validators, and only once the papers are safe.

mod error;
pub mod fetch;
pub mod health;
pub mod huggingface;
pub mod robots;
mod wait;

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::core::paper::{Route, Snapshot};
pub use error::{FetchError, SourceError};
use fetch::Validators;

/// The validators of a source's addresses, for the store to keep as JSON.
pub type ValidatorMap = BTreeMap<String, Validators>;

/// What one read of a source brought.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The papers of every list that could be read.
    pub snapshot: Snapshot,
    /// How each list went, in the order they were asked for.
    pub days: Vec<DayReport>,
    /// What to ask with next time; replaces what was kept before. To be stored together with the snapshot, never
    /// earlier: a validator without its papers would hide them.
    pub validators: ValidatorMap,
}

impl Reading {
    /// The lists that could not be read, with the reasons.
    pub fn failed(&self) -> impl Iterator<Item = (&DayReport, &SourceError)> {
        self.days.iter().filter_map(|report| match &report.outcome {
            DayOutcome::Failed(error) => Some((report, error)),
            _ => None,
        })
    }
}

/// How one list went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayReport {
    /// The day that was asked for; `None` for a list that isn't of a day.
    pub day: Option<NaiveDate>,
    /// The route that brought it, or the last that was tried.
    pub route: Route,
    /// Papers on it.
    pub items: u32,
    /// Items that could not be understood and were left out.
    pub skipped: u32,
    /// The end of it.
    pub outcome: DayOutcome,
}

/// How the reading of one list ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DayOutcome {
    /// With papers.
    Listed,
    /// The source lists nothing for this day. That is normal.
    Empty,
    /// Nothing changed since the validators were given.
    Unchanged,
    /// The page showed another day, so there is nothing to say about this one.
    OtherPeriod,
    /// With an error; nothing of this list is in the snapshot.
    Failed(SourceError),
}
