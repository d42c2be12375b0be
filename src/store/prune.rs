//! What leaves the database.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{Result, Store, ledger};

/// What one transaction removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// Editions, each with its mail and attempts.
    pub editions: usize,
    /// The last edition that was looked at; `None` when there is nothing left to look at.
    pub last: Option<i64>,
}

impl Store {
    /// The day, UTC, before which sources were read on at least `days` days: so long ago, as far as can be told without
    /// believing any single reading of the clock. `None` when they haven't been read on so many.
    pub fn days_ago(&self, days: u32) -> Result<Option<NaiveDate>> {
        self.read(|tx| {
            let mut newest =
                tx.prepare_cached("SELECT DISTINCT at / 86400 FROM reads ORDER BY 1 DESC LIMIT 1 OFFSET ?")?;
            let day: Option<i64> = newest.query_row([days], |row| row.get(0)).optional()?;
            Ok(day.map(|day| (DateTime::UNIX_EPOCH + Duration::days(day)).date_naive()))
        })
    }

    /// Looks at up to `limit` editions after the one of number `after`, and removes those decided before `before` that
    /// hold no paper first seen since `since` and whose mail, if any, has ended, along with their mails and attempts: one
    /// transaction. What they sent or told stays remembered. A subscription's newest edition stays: it says what is owed; and
    /// so does one that was not delivered and whose papers no newer one has taken over.
    pub fn prune(&self, since: DateTime<Utc>, before: DateTime<Utc>, after: i64, limit: usize) -> Result<Pruned> {
        let look = |tx: &Transaction<'_>| look(tx, since, before, after, limit);
        // Most batches hold nothing that goes, and then nobody who writes has to wait.
        let seen = self.read(look)?;
        if seen.past.is_empty() {
            return Ok(Pruned { editions: 0, last: seen.last });
        }
        self.write(|tx| {
            let Seen { past, last } = look(tx)?;
            past.iter().try_for_each(|edition| ledger::fold(tx, *edition))?;
            for sql in [
                "DELETE FROM attempts WHERE mail IN (SELECT id FROM outbox WHERE edition = ?)",
                "DELETE FROM outbox WHERE edition = ?",
                "DELETE FROM editions WHERE id = ?",
            ] {
                let mut delete = tx.prepare_cached(sql)?;
                past.iter().try_for_each(|id| delete.execute([id]).map(drop))?;
            }
            Ok(Pruned { editions: past.len(), last })
        })
    }

    /// Removes transactional mails that ended before `before`, with their attempts; returns how many.
    pub fn prune_transactional(&self, before: DateTime<Utc>) -> Result<usize> {
        const ENDED: &str = "kind <> 'edition' AND state NOT IN ('queued', 'claimed') AND due < ?";
        self.write(|tx| {
            let attempts = format!("DELETE FROM attempts WHERE mail IN (SELECT id FROM outbox WHERE {ENDED})");
            tx.execute(&attempts, [before.timestamp()])?;
            Ok(tx.execute(&format!("DELETE FROM outbox WHERE {ENDED}"), [before.timestamp()])?)
        })
    }
}

/// What one look found.
struct Seen {
    /// Editions that can go.
    past: Vec<i64>,
    /// See [`Pruned::last`].
    last: Option<i64>,
}

fn look(tx: &Transaction<'_>, since: DateTime<Utc>, before: DateTime<Utc>, after: i64, limit: usize) -> Result<Seen> {
    let oldest: Option<u32> =
        tx.query_row("SELECT min(id) FROM papers WHERE first_seen >= ?", [since.timestamp()], |row| row.get(0))?;
    // What costs most is asked last, of few.
    let mut editions = tx.prepare_cached(
        "SELECT e.id, e.decided < ?2, e.decided < ?2 AND e.newest < ?3
            AND NOT EXISTS (SELECT 1 FROM outbox
                            WHERE edition = e.id AND (state IN ('queued', 'claimed') OR comes_again))
            AND e.id < (SELECT max(id) FROM editions WHERE subscription = e.subscription)
         FROM editions e WHERE e.id > ?1 ORDER BY e.id LIMIT ?4",
    )?;
    let mut rows = editions.query(params![after, before.timestamp(), oldest.unwrap_or(u32::MAX), limit])?;
    let (mut past, mut last, mut is_any_old) = (Vec::new(), None, false);
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        last = Some(id);
        is_any_old |= row.get::<_, bool>(1)?;
        if row.get(2)? {
            past.push(id);
        }
    }
    // Numbers rise with time: after a batch without any old edition there are only newer ones.
    Ok(Seen { past, last: last.filter(|_| is_any_old) })
}
