//! A paper that may be chosen, with all that is known of it at one moment.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use super::paper::{Listing, Paper};
use super::trend::{self, Vote};

/// A paper that may be chosen, with all that is known of it at one moment.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The store's number of the paper.
    pub id: u32,
    /// The paper.
    pub paper: Paper,
    /// When it was first seen on any list.
    pub first_seen: DateTime<Utc>,
    /// Every listing of it, at least one.
    pub listings: Vec<Listing>,
    /// The recorded votes over time, oldest first: for one source each, the one with the most votes.
    pub votes: Vec<Vote>,
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

    /// Whole days since it was first listed, UTC; 0 for a day to come.
    pub fn age(&self, now: DateTime<Utc>) -> u32 {
        let days = self.day().map_or(0, |day| (now.date_naive() - day).num_days());
        u32::try_from(days.max(0)).unwrap_or(u32::MAX)
    }

    /// How fast its votes come in; those of today's listings where none were recorded.
    pub fn momentum(&self, now: DateTime<Utc>) -> f64 {
        let listed = self
            .day()
            .map(|day| Vote { at: day.and_time(NaiveTime::MIN).and_utc(), upvotes: self.upvotes().unwrap_or(0) });
        match self.votes.is_empty() {
            true => trend::momentum(listed.as_slice(), now),
            false => trend::momentum(&self.votes, now),
        }
    }
}
