//! What a clock that was ahead for a while has left behind.
//!
//! A clock can be wrong: a battery is empty, a virtual machine wakes up in another year. What it wrote then lies in the
//! future once it is right again, and must not silence anybody until that future has come. See docs/decisions/0016.

use chrono::{DateTime, Duration, Utc};
use rusqlite::{OptionalExtension, params};

use super::{Result, Store, instant, slot_text};

/// A step of the clock that is no trouble: what is off by less comes right by itself.
pub const STEP: Duration = Duration::hours(1);

/// How far ahead of a subscriber's wall clock a slot can have its edition when no clock was wrong: a subscriber who moves from
/// UTC+14 to UTC-12 had today's slots long before they come again.
pub const FAR_AHEAD: Duration = Duration::hours(26);

impl Store {
    /// When the newest read was made that brought a listing, even an empty one.
    pub fn last_good_read(&self) -> Result<Option<DateTime<Utc>>> {
        self.read(|tx| {
            let sql = "SELECT at FROM reads WHERE route IS NOT NULL ORDER BY id DESC LIMIT 1";
            Ok(tx.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?.map(instant))
        })
    }

    /// Where something was decided later than `now`, looks again at every subscription whose newest slot lies ahead, lets
    /// nobody's first day lie in the future, and has the mails of then sent now. Returns how many subscriptions it
    /// concerned. Only for a clock that is known to be right.
    pub fn undo_future(&self, now: DateTime<Utc>) -> Result<usize> {
        let limit = (now + STEP).timestamp();
        let is_undone = self.read(|tx| {
            let sql = "SELECT max(coalesce((SELECT decided FROM editions ORDER BY id DESC LIMIT 1), 0),
                              coalesce((SELECT created FROM subscriptions ORDER BY id DESC LIMIT 1), 0)) <= ?";
            Ok(tx.prepare_cached(sql)?.query_row([limit], |row| row.get(0))?)
        })?;
        if is_undone {
            return Ok(0);
        }
        self.write(|tx| {
            // Slots are local: the last wall clocks are twelve hours behind UTC.
            let ahead = (now + FAR_AHEAD - Duration::hours(12)).naive_utc();
            let looked_at_again = tx.execute(
                "UPDATE subscriptions SET next_at = 0 WHERE last_slot > ? AND next_at > ?",
                params![slot_text(ahead), now.timestamp()],
            )?;
            let today = now.date_naive().to_string();
            let began = tx.execute(
                "UPDATE subscriptions SET since = ?1, created = ?2, next_at = 0 WHERE created > ?3",
                params![today, now.timestamp(), limit],
            )?;
            tx.execute(
                "UPDATE outbox SET queued = ?1, due = ?1 WHERE state = 'queued' AND queued > ?2",
                params![now.timestamp(), limit],
            )?;
            Ok(looked_at_again + began)
        })
    }
}
