//! Holds: how long a domain, or everything, is left alone, and how it comes back.

use chrono::{DateTime, Duration, Utc};

use super::Room;
use crate::core::word_enum;

word_enum! {
    /// Why a domain, or everything, is held.
    pub enum Cause {
        /// The other side asked us to come later.
        Deferred,
        /// The other side refuses us because of our configuration or reputation: policy, standing, a malformed mail. Or it knows none of its
        /// mailboxes any more, which is hardly their reason.
        Refused,
    }
}

/// A hold. When it is over it is remembered until as many mails were taken as it had doubled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Why.
    pub cause: Cause,
    /// How often in a row, from 1.
    pub level: u32,
    /// When it began.
    pub since: DateTime<Utc>,
    /// When the next mail may go.
    pub until: DateTime<Utc>,
    /// The other side's words, without addresses.
    pub words: String,
}

impl Hold {
    /// Whether this is what was `written` of it: times are written in seconds.
    pub(super) fn is_what(&self, written: &Self) -> bool {
        let times = |hold: &Self| (hold.since.timestamp(), hold.until.timestamp());
        (self.cause, self.level, times(self)) == (written.cause, written.level, times(written))
    }
}

/// What to write down, so that it outlives the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The domain; `None` for everything.
    pub domain: Option<String>,
    /// Its hold; `None` when it has none any more.
    pub hold: Option<Hold>,
}

/// How long a domain is held that refuses us, the first time and at most: a person has to look.
const REFUSED: (Duration, Duration) = (Duration::minutes(15), Duration::hours(4));

/// A refusal of a mail that began at `begun`; whether that changes the hold.
pub fn refuse(hold: &mut Option<Hold>, begun: DateTime<Utc>, now: DateTime<Utc>, words: &str) -> bool {
    deepen(hold, Cause::Refused, REFUSED, begun, now, words)
}

/// Another hold, twice as long as the last, from the first of two lengths to the second. A mail that began before the hold
/// knew nothing of it, and changes nothing; a hold that seems to begin later is one of a clock that was ahead.
pub(super) fn deepen(
    hold: &mut Option<Hold>,
    cause: Cause,
    (first, most): (Duration, Duration),
    begun: DateTime<Utc>,
    now: DateTime<Utc>,
    words: &str,
) -> bool {
    let level = match hold {
        Some(hold) if begun <= hold.since && hold.since <= now => return false,
        Some(hold) if hold.cause == cause => hold.level + 1,
        _ => 1,
    };
    // Once it is at the ceiling it needn't climb: each level is a mail on the way back.
    let doubled = |level: u32| first * 2_i32.pow(level.min(20) - 1);
    let level = if level > 1 && doubled(level - 1) >= most { level - 1 } else { level };
    let pause = doubled(level).min(most);
    *hold = Some(Hold { cause, level, since: now, until: now + pause, words: words.to_owned() });
    true
}

/// A mail was taken after the hold: a level less, or no hold any more.
pub(super) fn recover(hold: &mut Option<Hold>, begun: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    match hold {
        Some(known) if begun > known.since || known.since > now => {
            known.level -= 1;
            if known.level == 0 {
                *hold = None;
            }
            true
        }
        _ => false,
    }
}

/// None during a hold; after it one at a time.
pub(super) fn room(hold: Option<&Hold>, running: u32, now: DateTime<Utc>) -> Room {
    match hold {
        None => Room::Open(u32::MAX),
        // A clock that was set back must not make a hold longer than it was meant.
        Some(hold) if now < hold.until && now >= hold.since => Room::Closed(Some(hold.until)),
        Some(_) if running > 0 => Room::Closed(None),
        Some(_) => Room::Open(1),
    }
}
