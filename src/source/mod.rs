//! Where papers are listed: HTTP in, snapshots out.
//!
//! A [`Source`] is one `[sources.NAME]` of the settings. What it is, its [`Kind`], is one folder here, which owns everything that
//! is special about it: its settings and their defaults, what it asks for and in which order, its parsers. A new kind is such a
//! folder, a variant of [`Kind`] and a row of [`KINDS`]; `config` reads its settings by that row, and nothing else names it.
//!
//! A source is read list by list, and each list by the best route that works. What comes
//! back, a [`Reading`], says for every list how that went: a list that is empty, one that hasn't changed and one that
//! could not be read are three different things, and only papers that were really seen are in the snapshot; what a list has
//! beside them is counted and named. Nothing here is remembered between two reads; the caller keeps the visits, and only once
//! the papers are safe.
//!
//! Answers are taken apart in time that grows with their length and no faster, whatever is in them, and on threads of their
//! own: who awaits a read can drop it at any time.

mod answer;
mod error;
pub mod fetch;
pub mod health;
mod hosts;
pub mod huggingface;
mod json;
mod kind;
pub mod progress;
mod reading;
mod redirect;
pub mod robots;
mod wait;

use chrono::{DateTime, Utc};

use crate::core::paper::SourceId;
use crate::core::schedule::Schedule;
pub use error::{FetchError, SourceError};
use fetch::Client;
pub use hosts::Hosts;
pub use kind::{About, Table};
pub use reading::{DayOutcome, DayReport, Further, Lost, Reading, Visit, Visits};

/// One source.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name in the settings, the database and the log.
    pub id: SourceId,
    /// What all sources of its kind share.
    pub about: &'static About,
    /// Whether it is read.
    pub enabled: bool,
    /// When it is read, in UTC.
    pub schedule: Schedule,
    /// What is read, and how.
    pub kind: Kind,
}

/// What is read, and how: a variant for each folder.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A list of Hugging Face.
    HuggingFace(huggingface::HuggingFace),
}

/// The kinds by which `kind = "…"` names them; one folder may have several.
pub const KINDS: &[&About] = &[&huggingface::DAILY, &huggingface::TRENDING];

impl Source {
    /// Reads its lists. `visits` are those of the last reading that was stored; `now` tells which days, beside those that are
    /// `further` back.
    ///
    /// # Errors
    /// The first list's, if no list could be read at all.
    pub async fn read(
        &self,
        client: &Client,
        visits: &Visits,
        further: &Further,
        now: DateTime<Utc>,
    ) -> Result<Reading, SourceError> {
        let client = &client.spaced(self.about.interval);
        match &self.kind {
            Kind::HuggingFace(lists) => huggingface::read(client, lists, visits, further, now).await,
        }
    }

    /// The same source with so many days read back at each read, where it reads by days.
    #[must_use]
    pub fn looking_back(mut self, days: u32) -> Self {
        match &mut self.kind {
            Kind::HuggingFace(lists) => lists.look_back(days),
        }
        self
    }
}
