//! Where papers are listed: HTTP in, snapshots out.
//!
//! A source is read list by list (Hugging Face: a list a day), and each list by the best route that works. What comes
//! back, a [`Reading`], says for every list how that went: a list that is empty, one that hasn't changed and one that
//! could not be read are three different things, and only papers that were really seen are in the snapshot. Nothing
//! here is remembered between two reads; the caller keeps the validators, and only once the papers are safe.

pub mod fetch;
pub mod health;
pub mod huggingface;
pub mod robots;
mod wait;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::NaiveDate;

use crate::core::paper::{Route, Snapshot};
use fetch::{FetchError, Validators};

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

/// Why a list, or a whole source, could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The GET brought nothing.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// An error in place of papers, in the source's own words.
    #[error("answered with an error: {0}")]
    Answer(String),
    /// Something that holds no list of papers in any known shape.
    #[error("can't read the answer: {0}")]
    Unreadable(String),
    /// A page without papers where a list was expected: most likely a challenge for browsers.
    #[error("got a page without a list of papers, as hosts show to robots")]
    Challenge,
    /// A page that shows another period than the one that was asked for.
    #[error("the page shows {0}")]
    OtherPeriod(String),
    /// The API failed and so did the page after it.
    #[error("api: {api}; page: {page}")]
    Both {
        /// What the API said.
        api: Box<SourceError>,
        /// What the page said.
        page: Box<SourceError>,
    },
}

impl SourceError {
    /// Whether the source turns us away as a robot, on any route.
    pub fn is_blocked(&self) -> bool {
        match self {
            SourceError::Fetch(FetchError::Blocked { .. }) | SourceError::Challenge => true,
            SourceError::Both { api, page } => api.is_blocked() || page.is_blocked(),
            _ => false,
        }
    }

    /// Whether the source has had enough requests for now, on any route.
    pub fn is_rate_limited(&self) -> bool {
        match self {
            SourceError::Fetch(FetchError::RateLimited { .. }) => true,
            SourceError::Both { api, page } => api.is_rate_limited() || page.is_rate_limited(),
            _ => false,
        }
    }

    /// How long the source asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            SourceError::Fetch(FetchError::RateLimited { retry_after }) => *retry_after,
            SourceError::Both { api, page } => api.retry_after().max(page.retry_after()),
            _ => None,
        }
    }
}
