//! Explain: why a paper did or did not come, and why an edition had what it had.
//!
//! The facts for a person who asks, gathered from the ledger and from the very code that decides editions. Nothing is
//! written, and nothing is put into words here: [`Case::paper`] and [`Case::last_edition`] answer in types.
//!
//! What is said of the future is by the subscription as it is ordered now; what is said of a past edition, by what was
//! ordered and known when it was decided.

use chrono::{DateTime, Duration, NaiveDateTime, Utc};

use crate::core::address::Address;
use crate::core::schedule;
use crate::core::subscription::{Consent, Subscription};
use crate::jobs::publish;
use crate::store::{History, Standing, Store, StoreError};

mod edition;
mod name;
mod paper;

pub use edition::{EditionReport, Fate, SectionReport};
pub use name::{Found, find};
pub use paper::{Appearance, Outlook, PaperReport, Role};

/// One subscription, with all that explains its mails.
pub struct Case<'a> {
    store: &'a Store,
    settings: &'a publish::Settings,
    now: DateTime<Utc>,
    /// The subscription, by the file where that has it, and its whole ledger.
    standing: Standing,
    /// What was decided for it; `None` when the database has yet to take it in.
    history: Option<History>,
    is_listed: bool,
}

/// What keeps every mail from a subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The file pauses it.
    Paused,
    /// It is missing from its file, and nobody has said that this is meant.
    Held,
    /// The file no longer has it.
    NotListed,
    /// The subscriber did not agree, or no longer does: `withdrawn`, `suppressed`, `pending`.
    Consent(Consent),
}

/// When the next edition is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The slot is due; the next publish decides it.
    Now(NaiveDateTime),
    /// Later.
    At(NaiveDateTime, DateTime<Utc>),
    /// The schedule has no further slot.
    Never,
}

impl<'a> Case<'a> {
    /// The case of an address. `in_file` is its subscription in the file, which may be newer than what the database has
    /// taken in. `None` when neither knows the address.
    pub fn open(
        store: &'a Store,
        settings: &'a publish::Settings,
        address: &Address,
        in_file: Option<Subscription>,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>, StoreError> {
        let key = address.normalized();
        let history = store.history(&key)?;
        let is_listed = in_file.is_some() || history.as_ref().is_some_and(|history| history.is_from_web);
        // From the first paper on: the whole ledger.
        let standing = match (store.standing(&key, 0)?, in_file) {
            (Some(mut standing), Some(mut subscription)) => {
                subscription.paused |= history.as_ref().is_some_and(|history| history.is_reader_paused);
                standing.subscription = subscription;
                standing
            }
            (Some(standing), None) => standing,
            (None, Some(subscription)) => Standing::new(subscription, now),
            (None, None) => return Ok(None),
        };
        Ok(Some(Self { store, settings, now, standing, history, is_listed }))
    }

    /// The subscription as it is ordered now.
    pub fn subscription(&self) -> &Subscription {
        &self.standing.subscription
    }

    /// What keeps every mail back; usually nothing.
    pub fn obstacles(&self) -> Vec<Obstacle> {
        let consent = self.history.as_ref().map_or(Consent::Confirmed, |history| history.consent);
        let consent = (consent != Consent::Confirmed).then_some(Obstacle::Consent(consent));
        let listed = (!self.is_listed).then_some(Obstacle::NotListed);
        let is_held = self.history.as_ref().is_some_and(|history| history.is_held);
        let pause = if is_held { Obstacle::Held } else { Obstacle::Paused };
        let paused = self.subscription().paused.then_some(pause);
        [consent, listed, paused].into_iter().flatten().collect()
    }

    /// When the next edition is due, obstacles aside.
    pub fn next(&self) -> Next {
        let Subscription { schedule, zone, .. } = self.subscription();
        let last = self.standing.last_slot;
        // A clock that was set back does not repeat a slot.
        let from = last.map_or(self.now, |last| self.now.max(schedule::instant(last, *zone)));
        match (schedule.due(last, self.now, *zone), schedule.next(from, *zone)) {
            (Some(slot), _) => Next::Now(slot),
            (None, Some((slot, at))) => Next::At(slot, at),
            (None, None) => Next::Never,
        }
    }

    /// How long after they were first seen papers are candidates, for this subscription.
    pub fn window(&self) -> Duration {
        publish::window_of(self.settings, &self.standing, self.now)
    }
}
