//! Publish: candidates × subscriptions that are due → editions in the outbox.
//!
//! A crash before a batch's commit leaves its subscriptions due, as if nothing had been; after it, they have their
//! edition. There is no state in between.

use chrono::{DateTime, Duration, Utc};

use crate::core::digest::{self, Chosen, Section};
use crate::core::edition::{self, Ledger};
use crate::core::matching::{Pool, reasons};
use crate::core::subscription::{Subscription, WhenEmpty};
use crate::store::{Decision, Published, Standing, Store, StoreError};

/// What publishing depends on besides the database.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Papers first seen longer ago are no candidates any more.
    pub window: Duration,
    /// Papers in "also trending".
    pub also: usize,
    /// The right side of Message-IDs: the sender's domain.
    pub domain: String,
}

/// What one run decided.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The editions, those without papers too.
    pub editions: Vec<Published>,
    /// Candidates there were.
    pub candidates: usize,
    /// Nothing was decided, because no source has been read yet: an empty database is not "no papers".
    pub is_waiting: bool,
}

/// Subscriptions decided in one transaction: enough to share a commit, few enough that a reader never waits long.
const BATCH: usize = 1_000;

/// Decides every edition that is due at `now`. `progress` hears how many subscriptions were looked at.
pub fn run(
    store: &Store,
    settings: &Settings,
    now: DateTime<Utc>,
    mut progress: impl FnMut(usize),
) -> Result<Report, StoreError> {
    if !store.is_anything_due(now)? {
        return Ok(Report::default());
    }
    if store.sources()?.iter().all(|source| source.last_good.is_none()) {
        return Ok(Report { is_waiting: true, ..Report::default() });
    }
    let planner = Planner::new(store, settings, now)?;
    let mut report = Report { candidates: planner.pool.candidates().len(), ..Report::default() };
    loop {
        let (looked_at, published) =
            store.publish(now, BATCH, planner.read, planner.oldest, &settings.domain, |standing| {
                planner.decide(standing)
            })?;
        report.editions.extend(published);
        progress(looked_at);
        if looked_at < BATCH {
            return Ok(report);
        }
    }
}

/// The candidates of one run, ready to decide any number of editions.
pub struct Planner<'a> {
    pool: Pool,
    trending: Vec<usize>,
    settings: &'a Settings,
    now: DateTime<Utc>,
    /// What is known: the newest read.
    pub read: i64,
    /// The smallest paper number among the candidates.
    pub oldest: u32,
}

impl<'a> Planner<'a> {
    /// Reads and indexes the candidates.
    pub fn new(store: &Store, settings: &'a Settings, now: DateTime<Utc>) -> Result<Self, StoreError> {
        let (read, candidates) = store.candidates(now - settings.window)?;
        let oldest = candidates.first().map_or(u32::MAX, |candidate| candidate.id);
        let pool = Pool::new(candidates, now);
        let trending = edition::trending(&pool);
        Ok(Self { pool, trending, settings, now, read, oldest })
    }

    /// The candidates.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// What the subscription's next edition would be, whether or not it is due.
    pub fn choose(&self, standing: &Standing) -> edition::Choice {
        let ledger =
            Ledger { sent: &standing.sent, shown: &standing.shown, owed: &standing.owed, since: standing.since };
        let mut choice =
            edition::choose(&self.pool, &self.trending, &standing.subscription, ledger, self.settings.also);
        // A mail has a size that no reader's program clips; what is over it waits like what a maximum cuts.
        let mut room = self.fits(&standing.subscription, &choice.sections);
        for section in &mut choice.sections {
            let kept = section.len().min(room);
            room -= kept;
            choice.owed.extend(section.drain(kept..));
        }
        choice
    }

    /// How many of the papers, counted through in order, have room in one mail.
    fn fits(&self, subscription: &Subscription, sections: &[Vec<usize>]) -> usize {
        let today = self.now.with_timezone(&subscription.zone).date_naive();
        let sections: Vec<Section<'_>> = subscription
            .profiles
            .iter()
            .zip(sections)
            .map(|(profile, indices)| Section {
                name: &profile.name,
                papers: indices
                    .iter()
                    .map(|index| &self.pool.candidates()[*index])
                    .map(|candidate| Chosen {
                        candidate,
                        reasons: reasons(profile, candidate),
                        trend: digest::trend(&candidate.votes, today, subscription.zone),
                    })
                    .collect(),
            })
            .collect();
        digest::fits(&sections)
    }

    fn decide(&self, standing: &Standing) -> Decision {
        let subscription = &standing.subscription;
        let next = subscription.schedule.next(self.now, subscription.zone).map(|(_, at)| at);
        let Some(slot) = subscription.schedule.due(standing.last_slot, self.now, subscription.zone) else {
            return Decision::NotYet { next };
        };
        let choice = self.choose(standing);
        let is_empty = choice.sections.iter().all(Vec::is_empty);
        let ids = |indices: &[usize]| indices.iter().map(|index| self.pool.candidates()[*index].id).collect();
        Decision::Edition {
            slot,
            next,
            papers: choice.sections.iter().map(|section| ids(section)).collect(),
            // A mail that isn't sent shows nothing.
            also: if is_empty { Vec::new() } else { ids(&choice.also) },
            owed: ids(&choice.owed),
            looked_at: self.pool.candidates().len().try_into().unwrap_or(u32::MAX),
            mail: !is_empty || subscription.when_empty == WhenEmpty::Note,
        }
    }
}
