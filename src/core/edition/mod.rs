//! What goes into one edition: matches less what was sent, cut by the caps.
//!
//! What a cap cuts stays owed (I8; `settle`). Owed papers get up to half of the places before new ones do, the best of
//! them first and of equals the oldest, and whatever places are left after them: so nothing that was promised starves, and a profile that is always over its maximum still brings the
//! day's papers. That holds for a section's maximum and for what one mail has room for, which the sections share by
//! turns. A paper that several sections choose is in the first one.

mod settle;

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use foldhash::fast::FixedState;

use super::candidate::Candidate;
use super::matching::{Match, Matcher, Pool, Scratch, Skip};
use super::order::Order;
pub use settle::{LeftOut, Settlement, Terms};

/// What a subscriber has had, as far as it touches the candidates.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Papers that were sent.
    pub sent: Vec<u32>,
    /// Papers that were shown by title only.
    pub shown: Vec<u32>,
    /// Papers that the reader was told of, or that were given up: they never come.
    pub settled: Vec<u32>,
    /// Papers up to this number count as sent: what was sent of them, nobody knows any more.
    pub floor: u32,
    /// Papers that the last edition chose and could not take, best first.
    pub owed: Vec<u32>,
    /// Those of them that have come back from a refused mail: a second refusal settles them.
    pub again: Vec<u32>,
    /// When the last edition was decided; `None` before the first.
    pub last: Option<DateTime<Utc>>,
    /// Papers first seen earlier are not looked at; set by the caller.
    pub reach: DateTime<Utc>,
    /// Whether what is owed was owed by other profiles than those of now.
    pub is_reordered: bool,
    /// Papers listed before this day are not for this subscriber, unless they were first seen at `late` or after it.
    pub since: NaiveDate,
    /// See `since`: the day after the subscription was made. What is seen from then on is new, whatever day lists it.
    pub late: DateTime<Utc>,
    /// Editions whose mails are still to go out and can be taken back: nobody but us has them.
    pub waiting: Vec<Waiting>,
    /// Editions whose mails nobody got and nobody will get: their papers are to come.
    pub returned: Vec<Waiting>,
}

/// An edition that is not out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Its number.
    pub edition: i64,
    /// Its papers.
    pub papers: Vec<u32>,
    /// Papers that it shows by title only.
    pub shown: Vec<u32>,
    /// Papers that it tells of.
    pub told: LeftOut,
    /// Papers in it or told by it that a refused mail has returned.
    pub again: Vec<u32>,
    /// Whether it is a welcome.
    pub welcome: bool,
    /// Whether it was refused for good; else it waits, or was dropped.
    pub is_refused: bool,
}

impl Ledger {
    /// Whether a paper is from before the subscription: listed before its first day, and not first seen after it was made.
    pub fn is_before_start(&self, candidate: &Candidate) -> bool {
        candidate.day().is_some_and(|day| day < self.since) && candidate.first_seen < self.late
    }

    /// What is owed to an edition that these give way to.
    pub fn owed_with(&self, merged: &[i64]) -> HashSet<u32> {
        let waiting = self.waiting.iter().filter(|waiting| merged.contains(&waiting.edition));
        waiting.chain(&self.returned).flat_map(|waiting| &waiting.papers).chain(&self.owed).copied().collect()
    }

    /// The ledger when the mails of `merged` and those that came back are taken back, and all others that wait go out: papers
    /// of the ones are owed, those of the others sent.
    fn with_merged(&self, merged: &[&Waiting]) -> Self {
        let mut ledger = Self { waiting: Vec::new(), returned: Vec::new(), ..self.clone() };
        for waiting in &self.waiting {
            match merged.contains(&waiting) {
                true => ledger.take_back(waiting),
                false => {
                    ledger.sent.extend(&waiting.papers);
                    ledger.shown.extend(&waiting.shown);
                    ledger.settled.extend(waiting.told.papers());
                }
            }
        }
        self.returned.iter().for_each(|returned| ledger.take_back(returned));
        ledger
    }

    fn take_back(&mut self, waiting: &Waiting) {
        let given_up: HashSet<u32> = waiting.struck().chain(waiting.told.refused.iter().copied()).collect();
        self.owed.extend(waiting.papers.iter().filter(|paper| !given_up.contains(paper)));
        self.settled.extend(given_up);
    }
}

/// What one edition holds. Everything is by index into the pool's candidates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Papers by profile, best first.
    pub sections: Vec<Vec<usize>>,
    /// Papers chosen and cut by a cap.
    pub owed: Vec<usize>,
    /// Trending papers that no profile asked for or excludes.
    pub also: Vec<usize>,
    /// Editions that give way to this one: it has their papers, or owes them.
    pub merged: Vec<i64>,
}

impl Choice {
    /// The same with at most so many papers in all. The sections take turns, each with its best; what is left out is owed.
    /// `is_owed` tells which papers were owed before.
    pub fn within(&self, places: usize, is_owed: impl Fn(&usize) -> bool) -> Self {
        let mut turns: Vec<(usize, usize)> =
            self.sections.iter().flat_map(|papers| papers.iter().copied().enumerate()).collect();
        // Stable: of one turn the sections stay in their order.
        turns.sort_by_key(|(turn, _)| *turn);
        let turns: Vec<usize> = turns.into_iter().map(|(_, index)| index).collect();
        let owed: Vec<usize> = turns.iter().copied().filter(is_owed).collect();
        let (kept, rest) = cut(&turns, &owed, places);
        let kept: HashSet<usize> = kept.into_iter().collect();
        let section = |papers: &Vec<usize>| papers.iter().copied().filter(|index| kept.contains(index)).collect();
        Self {
            sections: self.sections.iter().map(section).collect(),
            owed: self.owed.iter().copied().chain(rest).collect(),
            also: self.also.clone(),
            merged: self.merged.clone(),
        }
    }
}

/// The candidates of one run, ready to choose any number of editions from them.
#[derive(Debug)]
pub struct Chooser {
    pool: Pool,
    /// By paper number: a candidate's index.
    indexes: HashMap<u32, usize, FixedState>,
    /// By a candidate's index: the first day that lists it, and when it was first seen.
    days: Vec<(NaiveDate, DateTime<Utc>)>,
    /// When the first of them was seen.
    earliest: DateTime<Utc>,
    /// The days that candidates were first listed, in order, each with the candidates of the days before it; one more
    /// than there are days, with all candidates.
    older: Vec<(NaiveDate, Skip)>,
    also: usize,
}

impl Chooser {
    /// Makes the candidates ready. Up to `also` papers are shown as "also trending".
    pub fn new(pool: Pool, also: usize) -> Self {
        let first_day = |candidate: &Candidate| candidate.day().unwrap_or(NaiveDate::MIN);
        let days: Vec<_> = pool.candidates().iter().map(|known| (first_day(known), known.first_seen)).collect();
        let mut ends: Vec<NaiveDate> = days.iter().map(|(day, _)| *day).chain([NaiveDate::MAX]).collect();
        ends.sort_unstable();
        ends.dedup();
        let before = |end: &NaiveDate| {
            let indexes = days.iter().enumerate().filter(|(_, (day, _))| day < end);
            (*end, Skip::new(&pool, indexes.map(|(index, _)| index)))
        };
        let older = ends.iter().map(before).collect();
        let indexes = pool.candidates().iter().enumerate().map(|(index, candidate)| (candidate.id, index)).collect();
        let earliest = days.iter().map(|(_, seen)| *seen).min().unwrap_or(DateTime::<Utc>::MAX_UTC);
        Self { pool, indexes, days, earliest, older, also }
    }

    /// The candidates.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Chooses an edition. `matcher` is of the same pool and knows the literals of `order`; it is afterwards what it
    /// was before.
    ///
    /// Editions that wait are merged into it, unless a paper of theirs would be lost by that, because it is no candidate any
    /// more or the order has changed: such an edition is left to go out as it is.
    pub fn choose(&self, matcher: &mut Matcher, order: &Order, ledger: &Ledger, scratch: &mut Scratch) -> Choice {
        let literals = if matcher.has_likes() { order.used_literals() } else { Vec::new() };
        let adapted = matcher.adapt(&self.pool, literals, &ledger.sent);
        let choice = self.choose_and_merge(matcher, order, ledger, scratch);
        matcher.put_back(adapted);
        choice
    }

    fn choose_and_merge(&self, matcher: &Matcher, order: &Order, ledger: &Ledger, scratch: &mut Scratch) -> Choice {
        if ledger.waiting.is_empty() && ledger.returned.is_empty() {
            return self.choose_from(matcher, order, ledger, scratch);
        }
        let mut merged: Vec<&Waiting> = ledger.waiting.iter().collect();
        loop {
            let mut choice = self.choose_from(matcher, order, &ledger.with_merged(&merged), scratch);
            let chosen = choice.sections.iter().flatten().chain(&choice.owed);
            let chosen: HashSet<u32> = chosen.map(|index| self.pool.candidates()[*index].id).collect();
            let before = merged.len();
            merged.retain(|waiting| waiting.papers.iter().all(|paper| chosen.contains(paper)));
            if merged.len() == before {
                choice.merged = merged.iter().map(|waiting| waiting.edition).collect();
                return choice;
            }
        }
    }

    /// The same without anything that waits.
    fn choose_from(&self, matcher: &Matcher, order: &Order, ledger: &Ledger, scratch: &mut Scratch) -> Choice {
        let mut skip = self.before_start(ledger);
        self.indexes_of(&ledger.sent).for_each(|index| skip.insert(&self.pool, index));
        self.indexes_of(&ledger.settled).for_each(|index| skip.insert(&self.pool, index));
        self.skip_what_is_too_old(ledger, &mut skip);
        let owed = Skip::new(&self.pool, self.indexes_of(&ledger.owed));
        let mut choice = Choice::default();
        for section in order.sections() {
            let matches = matcher.select(&section.profile, usize::MAX, &skip, scratch);
            let promised = self.by_promise(matches.iter().filter(|found| owed.contains(&self.pool, found.index)));
            let matches: Vec<usize> = matches.iter().map(|chosen| chosen.index).collect();
            matches.iter().for_each(|index| skip.insert(&self.pool, *index));
            let (papers, rest) = cut(&matches, &promised, section.max_papers);
            choice.sections.push(papers);
            choice.owed.extend(rest);
        }
        if self.also > 0 {
            choice.also = self.also_trending(matcher, order, ledger, skip, scratch);
        }
        choice
    }

    /// The most trending papers that no profile asks for, whether or not they pass its limits: a paper that waits for its
    /// votes is not "also" anything, or it would come twice. Nor any that a profile excludes: a reader who wants no surveys wants
    /// none here. `skip` holds what is not open to the subscriber at all.
    fn also_trending(
        &self,
        matcher: &Matcher,
        order: &Order,
        ledger: &Ledger,
        mut skip: Skip,
        scratch: &mut Scratch,
    ) -> Vec<usize> {
        self.indexes_of(&ledger.shown).for_each(|index| skip.insert(&self.pool, index));
        order.sections().for_each(|section| matcher.skip_settled(&section.profile, &mut skip, scratch));
        let is_listed = |index: usize| {
            order.sections().any(|section| {
                let mut sources = section.sources.iter();
                section.sources.is_empty() || sources.any(|source| matcher.finds(&self.pool, *source, index))
            })
        };
        let open = self.pool.by_momentum().filter(|index| !skip.contains(&self.pool, *index));
        open.filter(|index| is_listed(*index)).take(self.also).collect()
    }

    /// The candidates from before the subscription: listed before its first day, and not first seen after it was made.
    fn before_start(&self, ledger: &Ledger) -> Skip {
        // The last end is the last day there is.
        let at = self.older.partition_point(|(end, _)| *end < ledger.since);
        let is_before = |days: &&(NaiveDate, DateTime<Utc>)| days.0 < ledger.since;
        // Nearly everybody began before the oldest candidate.
        if at == 0 || !self.days.iter().filter(is_before).any(|(_, seen)| *seen >= ledger.late) {
            return self.older[at].1.clone();
        }
        let early = self.days.iter().enumerate().filter(|(_, days)| is_before(days) && days.1 < ledger.late);
        Skip::new(&self.pool, early.map(|(index, _)| index))
    }

    /// Leaves out what lies before the subscription's reach, in a pool in which others look further back.
    fn skip_what_is_too_old(&self, ledger: &Ledger, skip: &mut Skip) {
        if ledger.reach <= self.earliest && self.pool.candidates().first().is_none_or(|first| first.id > ledger.floor) {
            return;
        }
        for (index, (candidate, (_, seen))) in self.pool.candidates().iter().zip(&self.days).enumerate() {
            if *seen < ledger.reach || candidate.id <= ledger.floor {
                skip.insert(&self.pool, index);
            }
        }
    }

    /// Owed papers in the order in which they get places: the best first, and of equals the one that leaves the window first.
    fn by_promise<'m>(&self, owed: impl Iterator<Item = &'m Match>) -> Vec<usize> {
        let mut owed: Vec<&Match> = owed.collect();
        // Numbers rise with time.
        let number = |found: &Match| self.pool.candidates()[found.index].id;
        owed.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| number(a).cmp(&number(b))));
        owed.into_iter().map(|found| found.index).collect()
    }

    /// The candidate with this number.
    pub fn candidate(&self, id: u32) -> Option<&Candidate> {
        self.indexes.get(&id).map(|index| &self.pool.candidates()[*index])
    }

    fn indexes_of(&self, ids: &[u32]) -> impl Iterator<Item = usize> {
        ids.iter().filter_map(|id| self.indexes.get(id).copied())
    }
}

/// The first `max` of `matches`, those in `owed` favored, in their order; and the rest. `owed` has some of them, in the order
/// in which they get places.
fn cut(matches: &[usize], owed: &[usize], max: usize) -> (Vec<usize>, Vec<usize>) {
    if matches.len() <= max {
        return (matches.to_vec(), Vec::new());
    }
    if owed.is_empty() {
        let (papers, rest) = matches.split_at(max);
        return (papers.to_vec(), rest.to_vec());
    }
    let is_owed: HashSet<usize> = owed.iter().copied().collect();
    let new: Vec<usize> = matches.iter().copied().filter(|index| !is_owed.contains(index)).collect();
    let promised = owed.len().min(max.div_ceil(2));
    let fresh = new.len().min(max - promised);
    let more = max - promised - fresh;
    let kept: HashSet<usize> = owed[..promised + more].iter().chain(&new[..fresh]).copied().collect();
    matches.iter().partition(|index| kept.contains(index))
}

#[cfg(test)]
mod tests;
