//! The pace: a [`Pacer`] that knows what the database knows.
//!
//! Made when the first run needs it, and kept from run to run: within a process it knows to the millisecond what has gone
//! out. A new process knows it to five minutes, which is on the side of waiting. Holds are read anew for each run, since
//! others write them too.
//!
//! It also knows which lane was asked last. Where less may leave than is due, a run that began with the first one again
//! would never come to the last.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Duration, Utc};

use crate::core::mailing::Urgency;
use crate::core::pacing::{Cause, Pacer, Policy, Room};
use crate::core::word_enum;
use crate::store::{Store, StoreError};

/// The limits, and between two runs what they know of the past.
#[derive(Debug, Default)]
pub struct Pace {
    policy: Policy,
    kept: Mutex<Option<(Pacer, String)>>,
}

impl Pace {
    /// A pace by these limits.
    pub fn new(policy: Policy) -> Self {
        Self { policy, kept: Mutex::new(None) }
    }

    /// Whether it has the same limits.
    pub fn has_limits_of(&self, other: &Self) -> bool {
        self.policy == other.policy
    }

    /// The pacer and the lane that was asked last, for one run at a time.
    pub(super) fn take(&self, store: &Store, now: DateTime<Utc>) -> Result<(Pacer, String), StoreError> {
        let Some((mut pacer, lane)) = self.lock().take() else {
            return Ok((load(store, &self.policy, now)?, store.last_lane()?));
        };
        pacer.set_holds(store.holds()?);
        Ok((pacer, lane))
    }

    /// Keeps them for the next run. A run that doesn't come here leaves the next one to the database.
    pub(super) fn put_back(&self, pacer: Pacer, lane: String) {
        *self.lock() = Some((pacer, lane));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Pacer, String)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

word_enum! {
    /// What holds mails that are due.
    pub enum HeldBy {
        /// A hold: the other side asked us to come later.
        Deferred,
        /// A hold: the other side refuses us because of our configuration or reputation.
        Refused,
        /// As much as the settings allow has gone out.
        Limit,
    }
}

impl From<Cause> for HeldBy {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Deferred => Self::Deferred,
            Cause::Refused => Self::Refused,
        }
    }
}

/// Why mails that are due don't go.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Held {
    /// Whose mails; `None` for everybody's.
    pub domain: Option<String>,
    /// How many are due.
    pub mails: u64,
    /// When the next one may go.
    pub until: DateTime<Utc>,
    /// What holds them.
    #[serde(rename = "cause")]
    pub by: HeldBy,
    /// What the other side said, when it is a hold.
    pub words: Option<String>,
}

/// What is held at `now`, for a person who asks: the state of everything first, then the domains.
pub fn held(store: &Store, policy: &Policy, now: DateTime<Utc>) -> Result<Vec<Held>, StoreError> {
    let mut pacer = load(store, policy, now)?;
    let holds = pacer.holds();
    let lanes = store.lanes(now)?;
    let everybody = (None, lanes.iter().map(|lane| lane.due).sum(), pacer.room(now));
    let mut rooms = vec![everybody];
    rooms.extend(lanes.into_iter().map(|lane| {
        let room = pacer.room_for(&lane.domain, Urgency::Bulk, now);
        (Some(lane.domain), lane.due, room)
    }));
    let hold_of = |domain: &Option<String>| {
        let change = holds.iter().find(|change| change.domain == *domain)?;
        change.hold.as_ref().filter(|hold| hold.until > now)
    };
    // A hold is told even if nothing is due: it says that something is wrong.
    for change in &holds {
        if hold_of(&change.domain).is_some() && !rooms.iter().any(|(domain, ..)| *domain == change.domain) {
            let until = change.hold.as_ref().map(|hold| hold.until);
            rooms.push((change.domain.clone(), 0, Room::Closed(until)));
        }
    }
    let held = rooms.into_iter().filter_map(|(domain, mails, room)| {
        let Room::Closed(Some(until)) = room else { return None };
        let hold = hold_of(&domain);
        let by = hold.map_or(HeldBy::Limit, |hold| hold.cause.into());
        let words = hold.map(|hold| hold.words.clone());
        (mails > 0 || hold.is_some()).then_some(Held { domain, mails, until, by, words })
    });
    Ok(held.collect())
}

/// A pacer with the past that matters to it.
fn load(store: &Store, policy: &Policy, now: DateTime<Utc>) -> Result<Pacer, StoreError> {
    let mut pacer = Pacer::new(policy.clone(), store.first_mail()?);
    if policy.looks_back() {
        // What a clock wrote that was ahead by more would count anew after each restart, until that day.
        let day = Duration::days(1);
        for sent in store.sent_between(now - day, now + day)? {
            pacer.remember(&sent.domain, sent.at, sent.tried, sent.taken);
        }
    }
    pacer.set_holds(store.holds()?);
    Ok(pacer)
}
