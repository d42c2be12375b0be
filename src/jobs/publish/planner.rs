//! What each edition of a run is chosen from, and what it decides.
//!
//! Candidates are read and indexed once for all subscriptions that look back equally far. Nearly all look back
//! `digest.window_days`. One whose schedule is sparser, or that had no edition for longer - a pause, an outage - looks back
//! further, and shares a wider pool with its like: twice the window, four times, and so on. Wider pools are made when a
//! subscription that is due needs them, and never otherwise.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::{Desk, Settings, Slots};
use crate::core::candidate::Candidate;
use crate::core::digest::{self, Chosen, Room, Section};
use crate::core::edition::{Choice, Chooser, Ledger, Settlement, Terms};
use crate::core::matching::{Matcher, NearTerms, Pool, Reasoner, Scratch, Vocabulary};
use crate::core::order::Order;
use crate::core::query::Query;
use crate::core::query::walk::Document;
use crate::core::subscription::{Profile, Subscription, WhenEmpty};
use crate::store::{Decision, Due, Edition, Standing, Store, StoreError};

/// The furthest that any edition looks back, unless the window itself is wider.
const FURTHEST: Duration = Duration::days(400);

/// What an edition looks back beyond the last one: a read under way when that was decided was not in it.
const OVERLAP: Duration = Duration::days(1);

/// A pool of candidates beside which is known what the `like:` clauses of all orders and of `profiles` look at: the papers that
/// they name, as far as any read brought them, and in how many papers each term occurs.
pub(crate) fn pool(
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

/// How far a subscription looks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// Its own window. What is owed stays so while it is in it.
    window: Duration,
    /// How far this edition looks: beyond the window when there was none for longer, or when it is the first.
    edition: Duration,
}

impl Reach {
    /// `gap` is the time between two editions by the schedule, `last` when the last one was decided, and `since` the first day
    /// of a subscription without any. The window is wide enough for a paper to have its chance in two editions.
    pub(super) fn of(
        window: Duration,
        gap: Duration,
        last: Option<DateTime<Utc>>,
        since: NaiveDate,
        now: DateTime<Utc>,
    ) -> Self {
        let furthest = FURTHEST.max(window);
        let own = window.max(gap * 2).min(furthest);
        let begin = last.unwrap_or_else(|| since.and_time(NaiveTime::MIN).and_utc());
        let edition = if last.is_some() && now - begin <= own { own } else { own.max(now - begin + OVERLAP) };
        Self { window: own, edition: edition.min(furthest) }
    }
}

/// How long after they were first seen papers stay candidates of a subscription.
pub(crate) fn window_of(settings: &Settings, standing: &Standing, now: DateTime<Utc>) -> Duration {
    reach_of(settings, standing, now).window
}

/// How far back the pool looks from which a subscription's next edition is chosen.
pub(crate) fn look_back(settings: &Settings, standing: &Standing, now: DateTime<Utc>) -> Duration {
    class(settings.window, reach_of(settings, standing, now))
}

fn reach_of(settings: &Settings, standing: &Standing, now: DateTime<Utc>) -> Reach {
    let Subscription { schedule, zone, .. } = &standing.subscription;
    let Slots { gap, .. } = Slots::of(schedule, *zone, now);
    Reach::of(settings.window, gap, standing.ledger.last, standing.ledger.since, now)
}

/// How far the pool looks back that has a reach: few pools do for all.
fn class(window: Duration, reach: Reach) -> Duration {
    let mut class = window;
    while class < reach.edition && class > Duration::zero() {
        class = class * 2;
    }
    class.min(FURTHEST.max(window))
}

/// Candidates of one reach.
struct Pooled {
    chooser: Chooser,
    /// By a candidate's index: what its card takes at most.
    cards: Vec<Room>,
    /// The smallest paper number among the candidates.
    oldest: u32,
}

/// The candidates of one run, ready to decide any number of editions.
pub struct Planner {
    settings: Settings,
    /// How far most look back, and what they are chosen from.
    class: Duration,
    first: Pooled,
    /// The same for subscriptions that look further back.
    wider: BTreeMap<Duration, Pooled>,
    /// By paper: what its title takes where only that is told.
    briefs: RefCell<HashMap<u32, Room>>,
    now: DateTime<Utc>,
    /// The first of the days up to now that were all read.
    read_since: Option<NaiveDate>,
    /// What is known: the newest read.
    pub read: i64,
}

/// What the next edition of one subscription would be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its papers, by index into [`Planner::pool`].
    pub choice: Choice,
    /// What it decides beside them.
    pub settlement: Settlement,
    /// For a welcome: over how many days was looked back; else 0.
    pub welcome: u32,
    /// Why its papers are close to what its reader likes.
    pub near: NearTerms,
}

impl Planner {
    /// Reads and indexes the candidates within the window.
    pub(super) fn new(store: &Store, settings: &Settings, now: DateTime<Utc>) -> Result<Self, StoreError> {
        Self::over(store, settings, settings.window, &[], now)
    }

    /// Reads and indexes what one subscription is chosen from. What its profiles say they like is known too, though no order
    /// has it yet.
    pub fn for_one(
        store: &Store,
        settings: &Settings,
        standing: &Standing,
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        let class = class(settings.window, reach_of(settings, standing, now));
        Self::over(store, settings, class, &standing.subscription.profiles, now)
    }

    fn over(
        store: &Store,
        settings: &Settings,
        class: Duration,
        profiles: &[Profile],
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        let (read, candidates) = store.candidates(now - class)?;
        let first = Pooled::new(pool(store, candidates, profiles, now)?, settings.also);
        let (settings, wider, briefs) = (settings.clone(), BTreeMap::new(), RefCell::default());
        Ok(Self { settings, class, first, wider, briefs, now, read_since: store.read_since(now)?, read })
    }

    /// Makes the pool for subscriptions that look further back: what was known as of the same read.
    pub(super) fn widen(&mut self, store: &Store, class: Duration) -> Result<(), StoreError> {
        let candidates = store.candidates_as_of(self.now - class, self.read)?;
        tracing::debug!(days = class.num_days(), candidates = candidates.len(), "some look further back");
        self.wider.insert(class, Pooled::new(pool(store, candidates, &[], self.now)?, self.settings.also));
        Ok(())
    }

    /// The pools there are, by how far they look back.
    pub(super) fn pools(&self) -> impl Iterator<Item = (Duration, &Pool)> {
        let all = std::iter::once((&self.class, &self.first)).chain(&self.wider);
        all.map(|(class, pooled)| (*class, pooled.chooser.pool()))
    }

    /// The candidates: of a planner for one, all that it is chosen from.
    pub fn pool(&self) -> &Pool {
        self.first.chooser.pool()
    }

    /// What the subscription's next edition would be, whether or not it is due. For a planner for this one.
    pub fn plan(&self, store: &Store, standing: &Standing) -> Result<Plan, StoreError> {
        let (order, mut matcher) = self.first.compiled(&standing.subscription);
        let wanted = Wanted {
            order: &order,
            subscription: &|| Ok(standing.subscription.clone()),
            paper: &|id| Ok(store.papers_as_of(&[id], self.read)?.remove(&id)),
            reach: reach_of(&self.settings, standing, self.now),
        };
        self.plan_for(&self.first, standing.ledger.clone(), &wanted, &mut matcher, &mut Scratch::default())
    }

    /// Decides what is due, in order, up to the first one that needs a wider pool: [`Desk::wanted`] says which.
    pub(super) fn decide(
        &self,
        store: &Store,
        due: Vec<Due>,
        desk: &mut Desk,
    ) -> Result<Vec<(Due, Decision)>, StoreError> {
        let mut turns = Vec::with_capacity(due.len());
        for due in &due {
            match self.turn(store, due, desk) {
                Ok(DueState::DueSlot(DueSlot { class, .. })) if self.pooled(class).is_none() => {
                    desk.wanted = Some(class);
                    break;
                }
                turn => turns.push(unless_unreadable(turn)?),
            }
        }
        let oldest = |class| self.pooled(class).map_or(u32::MAX, |pooled| pooled.oldest);
        let chosen = due.iter().zip(&turns).filter_map(|(due, turn)| match turn {
            Ok(DueState::DueSlot(slot)) => Some((due, oldest(slot.class))),
            _ => None,
        });
        let mut ledgers = store.ledgers(&chosen.collect::<Vec<_>>())?.into_iter();
        let mut decided = Vec::with_capacity(turns.len());
        for (due, turn) in due.into_iter().zip(turns) {
            let decision = match turn {
                Ok(DueState::NotYet { next }) => Decision::NotYet { next },
                Err(why) => Decision::Unreadable(why),
                Ok(DueState::DueSlot(slot)) => {
                    let ledger = ledgers.next().expect("one for each slot");
                    let edition = ledger.and_then(|ledger| self.decide_one(store, &due, &slot, ledger, desk));
                    match unless_unreadable(edition)? {
                        Ok(edition) => Decision::Edition(Box::new(edition)),
                        Err(why) => Decision::Unreadable(why),
                    }
                }
            };
            decided.push((due, decision));
        }
        Ok(decided)
    }

    /// Which slot a subscription's next edition is for, and how far that looks back.
    fn turn(&self, store: &Store, due: &Due, desk: &mut Desk) -> Result<DueState, StoreError> {
        let slots = match due.order.as_ref().and_then(|(rhythm, _)| desk.slots(rhythm, self.now)) {
            Some(slots) => slots,
            None => {
                let subscription = store.subscription(due)?;
                Slots::of(&subscription.schedule, subscription.zone, self.now)
            }
        };
        let Slots { newest, next, another_day, wall, horizon, gap } = slots;
        let last = due.last_slot.filter(|last| *last <= horizon);
        // After a change of schedule, what is left of the day is settled.
        let next = if last.is_some_and(|last| last > wall) { another_day } else { next };
        let Some(slot) = newest.filter(|newest| last.is_none_or(|last| *newest > last)) else {
            return Ok(DueState::NotYet { next });
        };
        let reach = Reach::of(self.settings.window, gap, due.decided(), due.since()?, self.now);
        Ok(DueState::DueSlot(DueSlot { slot, next, reach, class: class(self.settings.window, reach) }))
    }

    fn pooled(&self, class: Duration) -> Option<&Pooled> {
        if class == self.class { Some(&self.first) } else { self.wider.get(&class) }
    }

    fn decide_one(
        &self,
        store: &Store,
        due: &Due,
        slot: &DueSlot,
        ledger: Ledger,
        desk: &mut Desk,
    ) -> Result<Edition, StoreError> {
        let pooled = self.pooled(slot.class).expect("only slots with a pool are decided");
        let Desk { matchers, scratch, .. } = desk;
        let of_due = |order: &Order, matcher: &mut Matcher, scratch: &mut Scratch| {
            let wanted = Wanted {
                order,
                subscription: &|| store.subscription(due),
                paper: &|id| Ok(store.papers_as_of(&[id], self.read)?.remove(&id)),
                reach: slot.reach,
            };
            Ok(self.edition(pooled, order, self.plan_for(pooled, ledger, &wanted, matcher, scratch)?))
        };
        let edition: Result<Edition, StoreError> = match (&due.order, matchers.get_mut(&slot.class)) {
            // Another process may have compiled it after this run read the literals.
            (Some((_, order)), Some(matcher)) if order.literals() <= matcher.literals() => {
                of_due(order, matcher, scratch)
            }
            _ => {
                let (order, mut matcher) = pooled.compiled(&store.subscription(due)?);
                of_due(&order, &mut matcher, scratch)
            }
        };
        Ok(Edition { slot: slot.slot, next: slot.next, ..edition? })
    }

    /// Everything but the slots.
    fn edition(&self, pooled: &Pooled, order: &Order, plan: Plan) -> Edition {
        let Plan { choice, settlement, welcome, near } = plan;
        let candidates = pooled.chooser.pool().candidates();
        let ids = |indices: &[usize]| indices.iter().map(|index| candidates[*index].id).collect();
        let is_empty = choice.sections.iter().all(Vec::is_empty);
        debug_assert!(settlement.mail || order.when_empty() == WhenEmpty::Skip);
        Edition {
            slot: self.now.naive_utc(),
            next: None,
            papers: choice.sections.iter().map(|section| ids(section)).collect(),
            // A mail that isn't sent shows nothing.
            also: if is_empty { Vec::new() } else { ids(&choice.also) },
            owed: settlement.owed,
            told: settlement.told,
            again: settlement.again,
            given_up: settlement.given_up,
            welcome,
            near,
            looked_at: candidates.len().try_into().unwrap_or(u32::MAX),
            mail: settlement.mail,
            merged: choice.merged,
            returned: settlement.returned,
        }
    }

    fn plan_for(
        &self,
        pooled: &Pooled,
        mut ledger: Ledger,
        wanted: &Wanted<'_>,
        matcher: &mut Matcher,
        scratch: &mut Scratch,
    ) -> Result<Plan, StoreError> {
        let Wanted { order, reach, .. } = wanted;
        ledger.reach = self.now - reach.edition;
        let terms = Terms { window: self.now - reach.window, is_note: order.when_empty() == WhenEmpty::Note };
        let mut choice = pooled.chooser.choose(matcher, order, &ledger, scratch);
        let mut settlement = pooled.chooser.settle(&choice, &ledger, terms);
        let mut beside = self.room_of_told(pooled, &settlement, wanted)?;
        if !pooled.has_room(order, &choice, beside) {
            let subscription = (wanted.subscription)()?;
            loop {
                choice = self.cut_to_size(pooled, &subscription, choice, &ledger, beside);
                settlement = pooled.chooser.settle(&choice, &ledger, terms);
                // What has no room may be told in its turn, and that takes room too.
                let room = self.room_of_told(pooled, &settlement, wanted)?;
                if room.is_within(beside) {
                    break;
                }
                beside = room;
            }
        }
        let welcome = if settlement.welcome { self.welcomed_days(ledger.since) } else { 0 };
        let near = match order.is_liking() {
            true => pooled.near(&(wanted.subscription)()?, &choice.sections, &ledger.sent),
            false => NearTerms::new(),
        };
        Ok(Plan { choice, settlement, welcome, near })
    }

    /// Of how many days a welcome says that they had nothing: those since the first day of its reader, as far as they were read.
    fn welcomed_days(&self, since: NaiveDate) -> u32 {
        let today = self.now.date_naive();
        let read = self.read_since.map_or(1, |first| (today - first).num_days() + 1);
        u32::try_from((today - since).num_days().min(read)).unwrap_or(0).max(1)
    }

    /// What the titles take that an edition tells.
    fn room_of_told(&self, pooled: &Pooled, settled: &Settlement, wanted: &Wanted<'_>) -> Result<Room, StoreError> {
        if settled.told.is_empty() {
            return Ok(Room::default());
        }
        let mut briefs = self.briefs.borrow_mut();
        let mut rooms = Vec::new();
        for id in settled.told.left.iter().take(digest::MAX_TOLD) {
            if let Some(room) = briefs.get(id) {
                rooms.push(*room);
                continue;
            }
            let room = match pooled.chooser.candidate(*id) {
                Some(candidate) => Room::of_brief(candidate),
                None => (wanted.paper)(*id)?.map_or_else(Room::default, |candidate| Room::of_brief(&candidate)),
            };
            briefs.insert(*id, room);
            rooms.push(room);
        }
        Ok(digest::titles_with_room(rooms).1)
    }

    /// A mail has a size that no reader's program clips; what is over it waits like what a maximum cuts.
    fn cut_to_size(
        &self,
        pooled: &Pooled,
        subscription: &Subscription,
        choice: Choice,
        ledger: &Ledger,
        beside: Room,
    ) -> Choice {
        let owed = ledger.owed_with(&choice.merged);
        let candidates = pooled.chooser.pool().candidates();
        let is_owed = |index: &usize| owed.contains(&candidates[*index].id);
        let count = |choice: &Choice| choice.sections.iter().map(Vec::len).sum::<usize>();
        let (mut kept, mut room) =
            (choice.clone(), self.fits(pooled, subscription, &choice.sections, &ledger.sent, beside));
        // Other papers may be longer than those that were measured; each round has fewer, and a single one always fits.
        while room < count(&kept) {
            kept = choice.within(room, is_owed);
            room = self.fits(pooled, subscription, &kept.sections, &ledger.sent, beside);
        }
        kept
    }

    /// How many of the papers, counted through in order, have room in one mail.
    fn fits(
        &self,
        pooled: &Pooled,
        subscription: &Subscription,
        sections: &[Vec<usize>],
        sent: &[u32],
        beside: Room,
    ) -> usize {
        let today = self.now.with_timezone(&subscription.zone).date_naive();
        let candidates = pooled.chooser.pool().candidates();
        let near = pooled.near(subscription, sections, sent);
        let unlike = BTreeMap::new();
        let sections: Vec<Section<'_>> = subscription
            .profiles
            .iter()
            .zip(sections)
            .map(|(profile, indices)| {
                let reasoner = Reasoner::new(profile);
                let chosen = indices.iter().map(|index| &candidates[*index]).map(|candidate| Chosen {
                    candidate,
                    // As the mail will give them, so that it is measured as it will be.
                    reasons: reasoner.reasons(
                        &Document::new(candidate),
                        self.now,
                        near.get(&candidate.id).unwrap_or(&unlike),
                    ),
                    trend: digest::trend(&candidate.votes, today, subscription.zone),
                });
                Section { name: &profile.name, papers: chosen.collect() }
            })
            .collect();
        digest::fits(&sections, beside)
    }
}

/// What the time says of a subscription that may be due.
enum DueState {
    /// No slot is due after all.
    NotYet { next: Option<DateTime<Utc>> },
    /// This one is.
    DueSlot(DueSlot),
}

/// A slot that is due.
struct DueSlot {
    slot: NaiveDateTime,
    /// When the next one is due.
    next: Option<DateTime<Utc>>,
    reach: Reach,
    /// How far the pool looks back that it is chosen from.
    class: Duration,
}

/// Sets apart what can't be read of one subscription, and fails it alone.
fn unless_unreadable<T>(result: Result<T, StoreError>) -> Result<Result<T, String>, StoreError> {
    match result {
        Err(error @ StoreError::Unreadable { .. }) => Ok(Err(error.to_string())),
        result => result.map(Ok),
    }
}

/// What is wanted, and what is costly to read of it.
struct Wanted<'a> {
    order: &'a Order,
    subscription: &'a dyn Fn() -> Result<Subscription, StoreError>,
    paper: &'a dyn Fn(u32) -> Result<Option<Candidate>, StoreError>,
    reach: Reach,
}

impl Pooled {
    fn new(pool: Pool, also: usize) -> Self {
        let oldest = pool.candidates().first().map_or(u32::MAX, |candidate| candidate.id);
        let cards = pool.candidates().iter().map(Room::of_card).collect();
        Self { chooser: Chooser::new(pool, also), cards, oldest }
    }

    /// A subscription compiled for itself alone.
    fn compiled(&self, subscription: &Subscription) -> (Order, Matcher) {
        let mut vocabulary = Vocabulary::default();
        let order = Order::new(&subscription.profiles, subscription.when_empty, &mut vocabulary);
        (order, self.chooser.pool().prepare(&vocabulary))
    }

    /// Why these papers are close to what the subscriber likes.
    fn near(&self, subscription: &Subscription, sections: &[Vec<usize>], sent: &[u32]) -> NearTerms {
        let pool = self.chooser.pool();
        let mut near = NearTerms::new();
        for (profile, papers) in subscription.profiles.iter().zip(sections) {
            if profile.queries().any(|query| query.liked().next().is_some()) {
                let explainer = pool.explainer(profile, sent);
                near.extend(papers.iter().map(|index| (pool.candidates()[*index].id, explainer.near(*index))));
            }
        }
        near.retain(|_, terms| !terms.is_empty());
        near
    }

    /// Whether one mail is certain to have room for the papers, by their lengths alone.
    fn has_room(&self, order: &Order, choice: &Choice, beside: Room) -> bool {
        let mut room = beside;
        for (section, papers) in order.sections().zip(&choice.sections) {
            room.add_heading(section.heading_room);
            papers.iter().for_each(|index| room.add_card(self.cards[*index], section.reasons_room));
        }
        room.is_enough()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(gap: i64, last: Option<i64>) -> (i64, i64) {
        let now = DateTime::UNIX_EPOCH + Duration::days(10_000);
        let since = (now - Duration::days(7)).date_naive();
        let last = last.map(|days| now - Duration::days(days));
        let Reach { window, edition } = Reach::of(Duration::days(14), Duration::days(gap), last, since, now);
        (window.num_days(), edition.num_days())
    }

    #[test]
    fn a_sparse_schedule_widens_the_window_and_a_pause_the_look_back() {
        assert_eq!(reach(1, Some(1)), (14, 14));
        assert_eq!(reach(7, Some(7)), (14, 14));
        assert_eq!(reach(31, Some(31)), (62, 62));
        assert_eq!(reach(1, Some(30)), (14, 31), "a month's pause");
        assert_eq!(reach(366, Some(366)), (400, 400));
        assert_eq!(reach(1, Some(1_000)), (14, 400));
        assert_eq!(reach(1, None), (14, 14), "a first edition");
    }
}
