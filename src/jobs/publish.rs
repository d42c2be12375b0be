//! Publish: candidates × subscriptions that are due → editions in the outbox.
//!
//! A crash before a batch's commit leaves its subscriptions due, as if nothing had been; after it, they have their
//! edition. There is no state in between. Subscriptions stream past the candidates, a batch at a time, as compiled orders:
//! a definition's text is parsed once, when it is new.
//!
//! Others use the database meanwhile, so a batch is short, by the clock and not by its number; and a stop is heeded
//! between two of them. What is not decided then stays due.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration as Span, Instant};

use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::core::candidate::Candidate;
use crate::core::digest::{self, Chosen, Room, Section};
use crate::core::edition::{Choice, Chooser, Ledger};
use crate::core::matching::{Matcher, Pool, Reasoner, Scratch, Vocabulary};
use crate::core::order::Order;
use crate::core::query::Query;
use crate::core::query::walk::Document;
use crate::core::schedule::{self, Schedule};
use crate::core::subscription::{Profile, Subscription, WhenEmpty};
use crate::core::zone::Zone;
use crate::store::{Batch, Decision, Due, Edition, FAR_AHEAD, STEP, Standing, Store, StoreError};

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
    let planner = Planner::new(store, settings, &[], now)?;
    let mut desk = Desk { matcher: planner.pool().matcher(), slots: HashMap::new(), scratch: Scratch::default() };
    if !desk.learn(store, planner.pool())? {
        tracing::warn!("a compiled keyword can't be read: all are compiled anew");
        store.forget_orders()?;
        compile(store, stop)?;
        desk.learn(store, planner.pool())?;
    }
    let mut damaged = 0;
    let mut report = Report { candidates: planner.pool().candidates().len(), ..Report::default() };
    let mut pace = Pace::default();
    while !stop.is_cancelled() {
        let (batch, is_last) = pace.batch(|limit| {
            let batch =
                store.publish(now, limit, planner.read, &settings.domain, |due| planner.decide(due, &mut desk))?;
            let is_last = batch.looked_at < limit;
            Ok((batch, is_last))
        })?;
        report.editions += batch.published.len();
        for edition in &batch.published {
            report.queued += usize::from(edition.queued);
            report.papers += edition.papers;
            report.owed += edition.owed;
        }
        for fault in &batch.faults {
            tracing::error!(subscription = fault.subscription, error = fault.why, "no edition could be decided");
        }
        report.faults += batch.faults.len();
        damaged += batch.damaged;
        progress(&batch);
        if is_last {
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
struct Desk {
    matcher: Matcher,
    /// By schedule and zone: when editions are due.
    slots: HashMap<String, Slots>,
    scratch: Scratch,
}

impl Desk {
    /// Finds the papers of every literal; whether all could be read.
    fn learn(&mut self, store: &Store, pool: &Pool) -> Result<bool, StoreError> {
        self.matcher = pool.matcher();
        store.each_literal(|number, clause| self.matcher.insert(pool, number, &clause.literal()))
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
}

impl Slots {
    fn of(schedule: &Schedule, zone: Zone, now: DateTime<Utc>) -> Self {
        let wall = now.with_timezone(&zone).naive_local();
        let tonight = wall.date().and_hms_opt(23, 59, 0).unwrap_or(wall);
        let next = |after| schedule.next(after, zone).map(|(_, at)| at);
        Self {
            newest: schedule.due(None, now, zone),
            next: next(now),
            another_day: next(now.max(schedule::instant(tonight, zone))),
            wall,
            horizon: wall + FAR_AHEAD,
        }
    }

    /// As the store writes it: `daily at 08:00 Europe/Berlin`.
    fn parse(rhythm: &str, now: DateTime<Utc>) -> Option<Self> {
        let (schedule, zone) = rhythm.rsplit_once(' ')?;
        Some(Self::of(&Schedule::parse(schedule).ok()?, Zone::named(zone)?, now))
    }
}

/// A pool of candidates beside which is known what the `like:` clauses of all orders and of `profiles` look at: the papers that
/// they name, as far as any read brought them, and in how many papers each term stands.
pub(super) fn pool(
    store: &Store,
    candidates: Vec<Candidate>,
    profiles: &[Profile],
    now: DateTime<Utc>,
) -> Result<Pool, StoreError> {
    let mut liked = store.liked_papers()?;
    let here = profiles.iter().flat_map(Profile::queries).flat_map(Query::liked);
    liked.extend(store.papers_by_arxiv(here)?);
    let is_needed = !liked.is_empty();
    let pool = Pool::with_liked(candidates, &liked, now);
    let statistics = if is_needed { store.term_statistics()? } else { None };
    Ok(match statistics {
        Some(statistics) => pool.with_statistics(Arc::new(statistics)),
        None => pool,
    })
}

/// The candidates of one run, ready to decide any number of editions.
pub struct Planner {
    chooser: Chooser,
    /// By a candidate's index: what its card takes at most.
    cards: Vec<Room>,
    now: DateTime<Utc>,
    /// What is known: the newest read.
    pub read: i64,
    /// The smallest paper number among the candidates.
    pub oldest: u32,
}

impl Planner {
    /// Reads and indexes the candidates. What `profiles` say they like is known too, though no order has it yet.
    pub fn new(
        store: &Store,
        settings: &Settings,
        profiles: &[Profile],
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        let (read, candidates) = store.candidates(now - settings.window)?;
        let oldest = candidates.first().map_or(u32::MAX, |candidate| candidate.id);
        let cards = candidates.iter().map(Room::of_card).collect();
        let chooser = Chooser::new(pool(store, candidates, profiles, now)?, settings.also);
        Ok(Self { chooser, cards, now, read, oldest })
    }

    /// The candidates.
    pub fn pool(&self) -> &Pool {
        self.chooser.pool()
    }

    /// What the subscription's next edition would be, whether or not it is due.
    pub fn choose(&self, standing: &Standing) -> Choice {
        let (order, mut matcher) = self.compiled(&standing.subscription);
        let choice = self.chooser.choose(&mut matcher, &order, &standing.ledger, &mut Scratch::default());
        match self.has_room(&order, &choice) {
            true => choice,
            false => self.cut_to_size(&standing.subscription, choice, &standing.ledger),
        }
    }

    /// A subscription compiled for itself alone.
    fn compiled(&self, subscription: &Subscription) -> (Order, Matcher) {
        let mut vocabulary = Vocabulary::default();
        let order = Order::new(&subscription.profiles, subscription.when_empty, &mut vocabulary);
        (order, self.pool().prepare(&vocabulary))
    }

    fn decide(&self, due: &Due<'_>, desk: &mut Desk) -> Result<Decision, StoreError> {
        let Desk { matcher, slots, scratch } = desk;
        match &due.order {
            // Another process may have compiled it after this run read the literals.
            Some((rhythm, order)) if order.literals() <= matcher.literals() => {
                let slots = match slots.get(rhythm) {
                    Some(slots) => *slots,
                    None => match Slots::parse(rhythm, self.now) {
                        Some(found) => *slots.entry(rhythm.clone()).or_insert(found),
                        None => return self.decide_from_text(due, scratch),
                    },
                };
                self.decide_from_order(due, order, matcher, slots, scratch)
            }
            _ => self.decide_from_text(due, scratch),
        }
    }

    fn decide_from_text(&self, due: &Due<'_>, scratch: &mut Scratch) -> Result<Decision, StoreError> {
        let subscription = due.subscription()?;
        let (order, mut matcher) = self.compiled(&subscription);
        let slots = Slots::of(&subscription.schedule, subscription.zone, self.now);
        self.decide_from_order(due, &order, &mut matcher, slots, scratch)
    }

    fn decide_from_order(
        &self,
        due: &Due<'_>,
        order: &Order,
        matcher: &mut Matcher,
        slots: Slots,
        scratch: &mut Scratch,
    ) -> Result<Decision, StoreError> {
        let Slots { newest, next, another_day, wall, horizon } = slots;
        let last = due.last_slot.filter(|last| *last <= horizon);
        // After a change of schedule, what is left of the day is settled.
        let next = if last.is_some_and(|last| last > wall) { another_day } else { next };
        let Some(slot) = newest.filter(|newest| last.is_none_or(|last| *newest > last)) else {
            return Ok(Decision::NotYet { next });
        };
        let ledger = due.ledger(self.oldest)?;
        let mut choice = self.chooser.choose(matcher, order, &ledger, scratch);
        if !self.has_room(order, &choice) {
            choice = self.cut_to_size(&due.subscription()?, choice, &ledger);
        }
        let is_empty = choice.sections.iter().all(Vec::is_empty);
        let ids = |indices: &[usize]| indices.iter().map(|index| self.pool().candidates()[*index].id).collect();
        Ok(Decision::Edition(Edition {
            slot,
            next,
            papers: choice.sections.iter().map(|section| ids(section)).collect(),
            // A mail that isn't sent shows nothing.
            also: if is_empty { Vec::new() } else { ids(&choice.also) },
            owed: ids(&choice.owed),
            looked_at: self.pool().candidates().len().try_into().unwrap_or(u32::MAX),
            mail: !is_empty || order.when_empty() == WhenEmpty::Note,
            merged: choice.merged,
        }))
    }

    /// Whether one mail is certain to have room for the papers, by their lengths alone.
    fn has_room(&self, order: &Order, choice: &Choice) -> bool {
        let mut room = Room::default();
        for (section, papers) in order.sections().zip(&choice.sections) {
            room.add_heading(section.heading_room);
            papers.iter().for_each(|index| room.add_card(self.cards[*index], section.reasons_room));
        }
        room.is_enough()
    }

    /// A mail has a size that no reader's program clips; what is over it waits like what a maximum cuts.
    fn cut_to_size(&self, subscription: &Subscription, choice: Choice, ledger: &Ledger) -> Choice {
        let owed = ledger.owed_with(&choice.merged);
        let is_owed = |index: &usize| owed.contains(&self.pool().candidates()[*index].id);
        let count = |choice: &Choice| choice.sections.iter().map(Vec::len).sum::<usize>();
        let (mut kept, mut room) = (choice.clone(), self.fits(subscription, &choice.sections));
        // Other papers may be longer than those that were measured; each round has fewer, and a single one always fits.
        while room < count(&kept) {
            kept = choice.within(room, is_owed);
            room = self.fits(subscription, &kept.sections);
        }
        kept
    }

    /// How many of the papers, counted through in order, have room in one mail.
    fn fits(&self, subscription: &Subscription, sections: &[Vec<usize>]) -> usize {
        let today = self.now.with_timezone(&subscription.zone).date_naive();
        let sections: Vec<Section<'_>> = subscription
            .profiles
            .iter()
            .zip(sections)
            .map(|(profile, indices)| {
                let reasoner = Reasoner::new(profile);
                let chosen = indices.iter().map(|index| &self.pool().candidates()[*index]).map(|candidate| Chosen {
                    candidate,
                    // As the mail will give them, so that it is measured as it will be.
                    reasons: reasoner.reasons(&Document::new(candidate), self.now),
                    trend: digest::trend(&candidate.votes, today, subscription.zone),
                });
                Section { name: &profile.name, papers: chosen.collect() }
            })
            .collect();
        digest::fits(&sections)
    }
}
