//! Publish: candidates × subscriptions that are due → editions in the outbox.
//!
//! A crash before a batch's commit leaves its subscriptions due, as if nothing had been; after it, they have their
//! edition. There is no state in between. Subscriptions stream past the candidates, a batch at a time, as compiled orders:
//! a definition's text is parsed once, when it is new.
//!
//! Others use the database meanwhile, so a batch is short, by the clock and not by its number; and a stop is heeded
//! between two of them. What is not decided then stays due.

mod planner;

use std::collections::HashMap;
use std::time::{Duration as Span, Instant};

use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::core::matching::{Matcher, Scratch, Vocabulary};
use crate::core::schedule::{self, Schedule};
use crate::core::zone::Zone;
use crate::store::{Batch, FAR_AHEAD, STEP, Store, StoreError};
pub use planner::{Plan, Planner};
pub(crate) use planner::{look_back, pool, window_of};

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
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Editions that were decided, those without a mail too.
    pub editions: usize,
    /// Mails that were queued.
    pub queued: usize,
    /// Papers in them.
    pub papers: usize,
    /// Papers that wait for the next editions.
    pub owed: usize,
    /// Papers whose readers are told that they will not come.
    pub told: usize,
    /// Candidates there were.
    pub candidates: usize,
    /// Subscriptions that could not be decided, because what the database has of them can't be read.
    pub faults: usize,
    /// Nothing was decided, because no source has been read yet: an empty database is not "no papers". Or all were read
    /// at a time that has yet to come.
    pub is_waiting: bool,
    /// It was stopped before the end; what is left is still due.
    pub is_stopped: bool,
}

/// Decides every edition that is due at `now`. `progress` hears what each transaction decided. After `stop` no further
/// one is begun.
pub fn run(
    store: &Store,
    settings: &Settings,
    now: DateTime<Utc>,
    stop: &CancellationToken,
    mut progress: impl FnMut(&Batch),
) -> Result<Report, StoreError> {
    // A good read vouches for the clock as well: with one that is years off no certificate is valid. So one that lies
    // ahead means that the clock is now behind, or was ahead then; the next read tells.
    let is_clock_right = store.last_good_read()?.is_some_and(|at| at <= now + STEP);
    if is_clock_right {
        let looked_at_again = store.undo_future(now)?;
        if looked_at_again > 0 {
            tracing::warn!(subscriptions = looked_at_again, "the clock was ahead: what it said then no longer counts");
        }
    }
    let suppressed = store.weigh_reports(now)?;
    if suppressed > 0 {
        tracing::warn!(
            suppressed,
            "mailboxes are said not to exist, and others' mails did not come back: they get no more"
        );
    }
    if !store.is_anything_due(now)? {
        return Ok(Report::default());
    }
    if !is_clock_right {
        return Ok(Report { is_waiting: true, ..Report::default() });
    }
    compile(store, stop)?;
    if stop.is_cancelled() {
        return Ok(Report { is_stopped: true, ..Report::default() });
    }
    count_terms(store, stop)?;
    let (mut planner, mut desk) = (Planner::new(store, settings, now)?, Desk::default());
    desk.prepare(store, &planner, stop)?;
    let mut damaged = 0;
    let mut report = Report { candidates: planner.pool().candidates().len(), ..Report::default() };
    let mut pace = Pace::default();
    while !stop.is_cancelled() {
        let (batch, is_last) = pace.batch(|limit| {
            let due = store.due(now, limit, planner.read)?;
            let (looked_at, is_all) = (due.len(), due.len() < limit);
            let decided = planner.decide(store, due, &mut desk)?;
            let batch = store.commit(&decided, now, planner.read, &settings.domain)?;
            Ok((batch, is_all && decided.len() == looked_at))
        })?;
        report.editions += batch.published.len();
        for edition in &batch.published {
            report.queued += usize::from(edition.queued);
            report.papers += edition.papers;
            report.owed += edition.owed;
            report.told += edition.told;
            if !edition.given_up.is_empty() {
                let papers = store.paper_keys(&edition.given_up)?;
                tracing::warn!(
                    edition = edition.edition,
                    ?papers,
                    "given up: two mails with these papers were refused"
                );
            }
        }
        for fault in &batch.faults {
            tracing::error!(subscription = fault.subscription, error = fault.why, "no edition could be decided");
        }
        report.faults += batch.faults.len();
        damaged += batch.damaged;
        progress(&batch);
        // Who changed meanwhile is looked at once more, as they are now.
        let is_last = is_last && batch.stale == 0;
        if let Some(class) = desk.wanted.take() {
            // Between two batches, while nobody has to wait for it.
            planner.widen(store, class)?;
            desk.prepare(store, &planner, stop)?;
        } else if is_last {
            if damaged > 0 {
                tracing::warn!(
                    orders = damaged,
                    "compiled orders can't be read: all are compiled anew by the next run"
                );
                store.forget_orders()?;
            }
            return Ok(report);
        }
    }
    report.is_stopped = true;
    Ok(report)
}

/// Compiles the definitions that are new, until `stop`. It need not be called before [`run`], which does it too.
pub fn compile(store: &Store, stop: &CancellationToken) -> Result<(), StoreError> {
    let (mut vocabulary, mut pace) = (Vocabulary::default(), Pace::default());
    while !stop.is_cancelled() && pace.batch(|limit| Ok(store.compile(&mut vocabulary, limit)? == limit))? {}
    Ok(())
}

/// Counts the terms of the papers that are new, if anybody asks what is like what. The first time these are all papers.
fn count_terms(store: &Store, stop: &CancellationToken) -> Result<(), StoreError> {
    const PAPERS: usize = 1_000;
    if !store.is_anything_liked()? {
        return Ok(());
    }
    while !stop.is_cancelled() && store.count_terms(PAPERS)? == PAPERS {}
    Ok(())
}

/// How much one transaction does: enough to share a commit, little enough that the others who write never wait long,
/// on a slow machine as on a fast one.
struct Pace {
    limit: usize,
}

impl Pace {
    const MOST: usize = 2_000;
    const LEAST: usize = 50;
    /// How long a transaction may take.
    const LONG: Span = Span::from_millis(60);
    /// Time between two, for another process: within this one the lock is a fair one.
    const GAP: Span = Span::from_millis(1);

    fn batch<T>(&mut self, job: impl FnOnce(usize) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let begun = Instant::now();
        let done = job(self.limit);
        let taken = begun.elapsed();
        if taken > Self::LONG {
            self.limit = (self.limit / 2).max(Self::LEAST);
        } else if taken < Self::LONG / 3 {
            self.limit = (self.limit * 2).min(Self::MOST);
        }
        std::thread::sleep(Self::GAP);
        done
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self { limit: 500 }
    }
}

/// What the decisions of one run share.
#[derive(Default)]
struct Desk {
    /// By how far a pool looks back.
    matchers: HashMap<Duration, Matcher>,
    /// By schedule and zone: when editions are due.
    slots: HashMap<String, Slots>,
    scratch: Scratch,
    /// How far back the pool would have to look that somebody needs and that isn't there.
    wanted: Option<Duration>,
}

impl Desk {
    /// Finds the papers of every literal in the pools that are new; whether all could be read.
    fn learn(&mut self, store: &Store, planner: &Planner) -> Result<bool, StoreError> {
        for (class, pool) in planner.pools() {
            if self.matchers.contains_key(&class) {
                continue;
            }
            let mut matcher = pool.matcher();
            if !store.each_literal(|number, clause| matcher.insert(pool, number, &clause.literal()))? {
                return Ok(false);
            }
            self.matchers.insert(class, matcher);
        }
        Ok(true)
    }

    /// The same, and where some can't be read all are compiled anew.
    fn prepare(&mut self, store: &Store, planner: &Planner, stop: &CancellationToken) -> Result<(), StoreError> {
        if !self.learn(store, planner)? {
            tracing::warn!("a compiled keyword can't be read: all are compiled anew");
            self.matchers.clear();
            store.forget_orders()?;
            compile(store, stop)?;
            self.learn(store, planner)?;
        }
        Ok(())
    }

    /// When editions of this schedule and zone are due; `None` when they can't be read.
    fn slots(&mut self, rhythm: &str, now: DateTime<Utc>) -> Option<Slots> {
        if let Some(slots) = self.slots.get(rhythm) {
            return Some(*slots);
        }
        let slots = Slots::parse(rhythm, now)?;
        self.slots.insert(rhythm.to_owned(), slots);
        Some(slots)
    }
}

/// When the editions of one schedule in one zone are due, seen from now.
#[derive(Clone, Copy)]
struct Slots {
    /// The newest slot that has come.
    newest: Option<NaiveDateTime>,
    /// When the one after it comes.
    next: Option<DateTime<Utc>>,
    /// When the first one of another day comes.
    another_day: Option<DateTime<Utc>>,
    /// What a clock in the zone shows now.
    wall: NaiveDateTime,
    /// What lies after it was published by a clock that was ahead, and is not the last slot.
    horizon: NaiveDateTime,
    /// The time between the newest and the next.
    gap: Duration,
}

impl Slots {
    fn of(schedule: &Schedule, zone: Zone, now: DateTime<Utc>) -> Self {
        let wall = now.with_timezone(&zone).naive_local();
        let tonight = wall.date().and_hms_opt(23, 59, 0).unwrap_or(wall);
        let next_after = |after| schedule.next(after, zone).map(|(_, at)| at);
        let (newest, next) = (schedule.due(None, now, zone), next_after(now));
        Self {
            newest,
            next,
            another_day: next_after(now.max(schedule::instant(tonight, zone))),
            wall,
            horizon: wall + FAR_AHEAD,
            gap: newest.zip(next).map_or_else(Duration::zero, |(newest, next)| next - schedule::instant(newest, zone)),
        }
    }

    /// As the store writes it: `daily at 08:00 Europe/Berlin`.
    fn parse(rhythm: &str, now: DateTime<Utc>) -> Option<Self> {
        let (schedule, zone) = rhythm.rsplit_once(' ')?;
        Some(Self::of(&Schedule::parse(schedule).ok()?, Zone::named(zone)?, now))
    }
}
