//! What a read brings, list by list.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::SourceError;
use super::fetch::Validators;
use crate::core::clean::clean_text;
use crate::core::paper::{Route, Snapshot};

/// The last visits to a source's lists by their addresses, for the store to keep as JSON.
pub type Visits = BTreeMap<String, Visit>;

/// Days further back than those that are read every time, and why they are worth a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Further {
    /// Votes of their papers still matter: the source decides which of them are read again now.
    pub followed: Vec<NaiveDate>,
    /// They were never read, and a first edition looks at them: all are read.
    pub unread: Vec<NaiveDate>,
}

/// The last time that a list was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// What to ask with next time.
    #[serde(flatten)]
    pub validators: Validators,
    /// Whether its first page, of which the validators are, was as long as any that the server gave: then a second page may
    /// begin while the first stays as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_go_on: bool,
    /// When it was read, or found unchanged; `None` where an older version kept only the validators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    /// How many papers were on it: what it has still when it is unchanged. `None` where an older version did not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<u32>,
}

/// What one read of a source brought.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The papers of every list that could be read.
    pub snapshot: Snapshot,
    /// How each list went, in the order they were asked for.
    pub days: Vec<DayReport>,
    /// What to know next time; replaces what was kept before. To be stored together with the snapshot, never earlier: a
    /// validator without its papers would hide them.
    pub visits: Visits,
}

impl Reading {
    /// The days whose lists were read to their ends.
    pub fn complete_days(&self) -> impl Iterator<Item = NaiveDate> {
        let is_complete = |report: &&DayReport| {
            let is_read = matches!(report.outcome, DayOutcome::Listed | DayOutcome::Empty | DayOutcome::Unchanged);
            is_read && report.cut.is_none()
        };
        self.days.iter().filter(is_complete).filter_map(|report| report.day)
    }

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
    /// Papers on it; of an unchanged list, as many as there were when it was last read.
    pub items: u32,
    /// Items that could not be understood and were left out.
    pub lost: Lost,
    /// Why papers may be missing after these; `None` for a list that was read to its end.
    pub cut: Option<String>,
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

/// Items of a list that could not be understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// How many.
    pub count: u32,
    /// The first of them, each by its id or its place, and why.
    names: Vec<String>,
}

/// Lost items that are named.
const NAMED: usize = 5;

/// Characters of a name.
const NAME: usize = 80;

impl Lost {
    /// Adds one; `name` is called only for the first few.
    pub(super) fn add(&mut self, name: impl FnOnce() -> String) {
        self.count = self.count.saturating_add(1);
        if self.names.len() < NAMED {
            self.names.push(clean_text(&name()).chars().take(NAME).collect());
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.names.extend(other.names);
        self.names.truncate(NAMED);
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, names) = (self.count, self.names.join(", "));
        let items = if count == 1 { "item" } else { "items" };
        let more = if self.names.len() < count as usize { ", …" } else { "" };
        write!(f, "{count} {items} could not be understood: {names}{more}")
    }
}
