//! Publish: candidates × subscriptions that are due → editions in the outbox.
//!
//! A crash before a batch's commit leaves its subscriptions due, as if nothing had been; after it, they have their
//! edition. There is no state in between. Subscriptions stream past the candidates, a batch at a time, as compiled orders:
//! a definition's text is parsed once, when it is new.

use std::collections::HashMap;

use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use chrono_tz::Tz;

use crate::core::digest::{self, Chosen, Room, Section};
use crate::core::edition::{Choice, Chooser};
use crate::core::matching::{Matcher, Pool, Scratch, Vocabulary, reasons};
use crate::core::order::Order;
use crate::core::schedule::Schedule;
use crate::core::subscription::{Subscription, WhenEmpty};
use crate::store::{Batch, Decision, Due, Edition, Standing, Store, StoreError};

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
    /// Nothing was decided, because no source has been read yet: an empty database is not "no papers".
    pub is_waiting: bool,
}

/// Subscriptions decided, or definitions compiled, in one transaction: enough to share a commit, few enough that the
/// others who use the database never wait long.
const BATCH: usize = 2_000;

/// Decides every edition that is due at `now`. `progress` hears what each transaction decided.
pub fn run(
    store: &Store,
    settings: &Settings,
    now: DateTime<Utc>,
    mut progress: impl FnMut(&Batch),
) -> Result<Report, StoreError> {
    if !store.is_anything_due(now)? {
        return Ok(Report::default());
    }
    if store.sources()?.iter().all(|source| source.last_good.is_none()) {
        return Ok(Report { is_waiting: true, ..Report::default() });
    }
    compile(store)?;
    let planner = Planner::new(store, settings, now)?;
    let mut desk = Desk { matcher: planner.pool().matcher(), slots: HashMap::new(), scratch: Scratch::default() };
    store.each_literal(|number, clause| desk.matcher.insert(planner.pool(), number, &clause.literal()))?;
    let mut report = Report { candidates: planner.pool().candidates().len(), ..Report::default() };
    loop {
        let batch = store.publish(now, BATCH, planner.read, &settings.domain, |due| planner.decide(due, &mut desk))?;
        report.editions += batch.published.len();
        for edition in &batch.published {
            report.queued += usize::from(edition.queued);
            report.papers += edition.papers;
            report.owed += edition.owed;
        }
        progress(&batch);
        if batch.looked_at < BATCH {
            return Ok(report);
        }
    }
}

/// Compiles the definitions that are new. It need not be called before [`run`], which does it too.
pub fn compile(store: &Store) -> Result<(), StoreError> {
    let mut vocabulary = Vocabulary::default();
    while store.compile(&mut vocabulary, BATCH)? == BATCH {}
    Ok(())
}

/// What the decisions of one run share.
struct Desk {
    matcher: Matcher,
    /// By schedule and zone: when editions are due.
    slots: HashMap<String, Slots>,
    scratch: Scratch,
}

/// When the editions of one schedule in one zone are due, seen from now.
#[derive(Clone, Copy)]
struct Slots {
    /// The newest slot that has come.
    newest: Option<NaiveDateTime>,
    /// When the one after it comes.
    next: Option<DateTime<Utc>>,
}

impl Slots {
    fn of(schedule: &Schedule, zone: Tz, now: DateTime<Utc>) -> Self {
        Self { newest: schedule.due(None, now, zone), next: schedule.next(now, zone).map(|(_, at)| at) }
    }

    /// As the store writes it: `daily at 08:00 Europe/Berlin`.
    fn parse(rhythm: &str, now: DateTime<Utc>) -> Option<Self> {
        let (schedule, zone) = rhythm.rsplit_once(' ')?;
        Some(Self::of(&Schedule::parse(schedule).ok()?, zone.parse().ok()?, now))
    }
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
    /// Reads and indexes the candidates.
    pub fn new(store: &Store, settings: &Settings, now: DateTime<Utc>) -> Result<Self, StoreError> {
        let (read, candidates) = store.candidates(now - settings.window)?;
        let oldest = candidates.first().map_or(u32::MAX, |candidate| candidate.id);
        let cards = candidates.iter().map(Room::of_card).collect();
        let chooser = Chooser::new(Pool::with_liked(candidates, &store.liked_papers()?, now), settings.also);
        Ok(Self { chooser, cards, now, read, oldest })
    }

    /// The candidates.
    pub fn pool(&self) -> &Pool {
        self.chooser.pool()
    }

    /// What the subscription's next edition would be, whether or not it is due.
    pub fn choose(&self, standing: &Standing) -> Choice {
        let (order, matcher) = self.compiled(&standing.subscription);
        let choice = self.chooser.choose(&matcher, &order, &standing.ledger, &mut Scratch::default());
        match self.has_room(&order, &choice) {
            true => choice,
            false => self.cut_to_size(&standing.subscription, choice),
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
        let (order, matcher) = self.compiled(&subscription);
        let slots = Slots::of(&subscription.schedule, subscription.zone, self.now);
        self.decide_from_order(due, &order, &matcher, slots, scratch)
    }

    fn decide_from_order(
        &self,
        due: &Due<'_>,
        order: &Order,
        matcher: &Matcher,
        slots: Slots,
        scratch: &mut Scratch,
    ) -> Result<Decision, StoreError> {
        let Slots { newest, next } = slots;
        let Some(slot) = newest.filter(|newest| due.last_slot.is_none_or(|last| *newest > last)) else {
            return Ok(Decision::NotYet { next });
        };
        let mut choice = self.chooser.choose(matcher, order, &due.ledger(self.oldest)?, scratch);
        if !self.has_room(order, &choice) {
            choice = self.cut_to_size(&due.subscription()?, choice);
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
    fn cut_to_size(&self, subscription: &Subscription, mut choice: Choice) -> Choice {
        let mut room = self.fits(subscription, &choice.sections);
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
                    .map(|index| &self.pool().candidates()[*index])
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
}
