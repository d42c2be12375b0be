//! Editions: what is due, what was decided, what has been sent to whom.
//!
//! An edition's row is the decision *and* the ledger: whom it was for and which papers are in it. Deciding, queueing and
//! moving the ledger is therefore one insert in one transaction, with the ledger read in the same one (I3, I4).
//!
//! The ledger is read by paper numbers, not by times: an edition that could hold a candidate holds a paper at least as
//! new as the oldest candidate. A clock that steps back hides nothing.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{Result, Store, day, from_json, slot, slot_text, subscriptions, to_json};
use crate::core::subscription::Subscription;

/// A subscription with all that its next edition depends on.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The store's number of the subscription.
    pub id: i64,
    /// What was ordered.
    pub subscription: Subscription,
    /// The newest slot that has its edition.
    pub last_slot: Option<NaiveDateTime>,
    /// Papers listed before this day are not for it.
    pub since: NaiveDate,
    /// The ledger, as far as it touches the candidates: papers that were sent.
    pub sent: HashSet<u32>,
    /// Papers that were shown by title only.
    pub shown: HashSet<u32>,
    /// Papers that the last edition chose and a cap cut.
    pub owed: Vec<u32>,
    definition: i64,
}

impl Standing {
    /// A subscription that the database has yet to take in at `now`: nothing was ever sent.
    pub fn new(subscription: Subscription, now: DateTime<Utc>) -> Self {
        Self {
            id: 0,
            last_slot: None,
            since: subscriptions::first_day(&subscription, now),
            sent: HashSet::new(),
            shown: HashSet::new(),
            owed: Vec::new(),
            definition: 0,
            subscription,
        }
    }
}

/// What to do about a subscription that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// No slot is due after all; look again at `next`.
    NotYet {
        /// When the next slot is due; `None` when none ever is.
        next: Option<DateTime<Utc>>,
    },
    /// This slot's edition.
    Edition {
        /// The local slot.
        slot: NaiveDateTime,
        /// When the next slot is due.
        next: Option<DateTime<Utc>>,
        /// Paper numbers by profile, best first.
        papers: Vec<Vec<u32>>,
        /// Papers shown by title only.
        also: Vec<u32>,
        /// Papers chosen and cut by a cap: they come in the next edition.
        owed: Vec<u32>,
        /// Candidates there were.
        looked_at: u32,
        /// Whether a mail goes out.
        mail: bool,
    },
}

/// An edition that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The edition's number.
    pub edition: i64,
    /// The subscription's.
    pub subscription: i64,
    /// Papers in it.
    pub papers: usize,
    /// Papers that wait for the next.
    pub owed: usize,
    /// Whether a mail was queued.
    pub queued: bool,
}

impl Store {
    /// Decides the editions of up to `limit` subscriptions that are due at `now`: one transaction for all of them.
    /// `read` is what is known ([`Store::candidates`]), `oldest` the smallest paper number among the candidates, `domain`
    /// the right side of Message-IDs. Returns how many were looked at and the editions; no more are due when fewer than
    /// `limit` were looked at.
    pub fn publish(
        &self,
        now: DateTime<Utc>,
        limit: usize,
        read: i64,
        oldest: u32,
        domain: &str,
        mut decide: impl FnMut(&Standing) -> Decision,
    ) -> Result<(usize, Vec<Published>)> {
        self.write(|tx| {
            let due = due(tx, now, limit)?;
            let looked_at = due.len();
            let mut published = Vec::new();
            for id in due {
                let standing = standing(tx, id, oldest)?;
                match decide(&standing) {
                    Decision::NotYet { next } => set_next(tx, id, next)?,
                    decision => published.extend(insert(tx, &standing, decision, read, domain, now)?),
                }
            }
            Ok((looked_at, published))
        })
    }

    /// The subscription of an address, for looking at what its next edition would be.
    pub fn standing(&self, address_key: &str, oldest: u32) -> Result<Option<Standing>> {
        self.read(|tx| {
            let sql = "SELECT id FROM subscriptions WHERE address_key = ?";
            let id = tx.query_row(sql, [address_key], |row| row.get(0)).optional()?;
            id.map(|id| standing(tx, id, oldest)).transpose()
        })
    }

    /// Removes the editions decided before `before` that hold no paper first seen since `since` and whose mail, if any,
    /// has ended, along with their mails and attempts. A subscription's newest edition stays: it says what is owed.
    pub fn prune(&self, since: DateTime<Utc>, before: DateTime<Utc>) -> Result<usize> {
        self.write(|tx| {
            let oldest: Option<u32> =
                tx.query_row("SELECT min(id) FROM papers WHERE first_seen >= ?", [since.timestamp()], |row| {
                    row.get(0)
                })?;
            tx.execute_batch("CREATE TEMP TABLE IF NOT EXISTS past (id INTEGER PRIMARY KEY); DELETE FROM past;")?;
            let pruned = tx.execute(
                "INSERT INTO past SELECT e.id FROM editions e LEFT JOIN outbox o ON o.edition = e.id
                 WHERE e.decided < ?1 AND e.newest < ?2 AND coalesce(o.state, '') NOT IN ('queued', 'claimed')
                   AND e.id < (SELECT max(id) FROM editions WHERE subscription = e.subscription)",
                params![before.timestamp(), oldest.unwrap_or(u32::MAX)],
            )?;
            tx.execute("DELETE FROM attempts WHERE edition IN (SELECT id FROM past)", [])?;
            tx.execute("DELETE FROM outbox WHERE edition IN (SELECT id FROM past)", [])?;
            tx.execute("DELETE FROM editions WHERE id IN (SELECT id FROM past)", [])?;
            Ok(pruned)
        })
    }

    /// Whether any subscription that may be written to is due at `now`.
    pub fn is_anything_due(&self, now: DateTime<Utc>) -> Result<bool> {
        self.read(|tx| Ok(!due(tx, now, 1)?.is_empty()))
    }
}

fn due(tx: &Transaction<'_>, now: DateTime<Utc>, limit: usize) -> Result<Vec<i64>> {
    let mut due = tx.prepare_cached(
        "SELECT id FROM subscriptions
         WHERE listed = 1 AND paused = 0 AND consent = 'confirmed' AND next_at <= ? ORDER BY next_at LIMIT ?",
    )?;
    Ok(due.query_map(params![now.timestamp(), limit], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn standing(tx: &Transaction<'_>, id: i64, oldest: u32) -> Result<Standing> {
    type Row = (String, i64, String, bool, Option<String>, String);
    let (address, definition, text, paused, last_slot, since): Row = tx
        .prepare_cached(
            "SELECT s.address, d.id, d.text, s.paused, s.last_slot, s.since
             FROM subscriptions s JOIN definitions d ON d.id = s.definition WHERE s.id = ?",
        )?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)))?;
    let mut sent = HashSet::new();
    let mut shown = HashSet::new();
    let mut editions = tx.prepare_cached("SELECT papers, also FROM editions WHERE subscription = ? AND newest >= ?")?;
    let mut rows = editions.query(params![id, oldest])?;
    while let Some(row) = rows.next()? {
        let papers: Vec<Vec<u32>> = from_json("list of papers", &row.get::<_, String>(0)?)?;
        let also: Vec<u32> = from_json("list of papers", &row.get::<_, String>(1)?)?;
        sent.extend(papers.into_iter().flatten());
        shown.extend(also);
    }
    let owed: Option<String> = tx
        .prepare_cached("SELECT owed FROM editions WHERE subscription = ? ORDER BY id DESC LIMIT 1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok(Standing {
        id,
        subscription: subscriptions::restore(&address, &text, paused)?,
        last_slot: last_slot.as_deref().map(slot).transpose()?,
        since: day(&since)?,
        sent,
        shown,
        owed: owed.map_or(Ok(Vec::new()), |text| from_json("list of papers", &text))?,
        definition,
    })
}

fn set_next(tx: &Transaction<'_>, id: i64, next: Option<DateTime<Utc>>) -> Result<()> {
    tx.prepare_cached("UPDATE subscriptions SET next_at = ?2 WHERE id = ?1")?
        .execute(params![id, next.map(|at| at.timestamp())])?;
    Ok(())
}

/// The edition, its place in the outbox and the subscription's next slot.
fn insert(
    tx: &Transaction<'_>,
    standing: &Standing,
    decision: Decision,
    read: i64,
    domain: &str,
    now: DateTime<Utc>,
) -> Result<Option<Published>> {
    let Decision::Edition { slot, next, papers, also, owed, looked_at, mail } = decision else { return Ok(None) };
    let count = papers.iter().map(Vec::len).sum();
    let newest = papers.iter().flatten().chain(&also).max().copied().unwrap_or(0);
    // The unique key on the slot makes "at most once" the database's own promise.
    tx.prepare_cached(
        "INSERT INTO editions
         (subscription, slot, definition, read, decided, papers, also, owed, newest, looked_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        standing.id,
        slot_text(slot),
        standing.definition,
        read,
        now.timestamp(),
        to_json("list of papers", &papers)?,
        to_json("list of papers", &also)?,
        to_json("list of papers", &owed)?,
        newest,
        looked_at,
    ])?;
    let edition = tx.last_insert_rowid();
    if mail {
        // The time too: a database restored from a backup counts its editions again.
        tx.prepare_cached(
            "INSERT INTO outbox (edition, state, message_id, queued, due)
             SELECT ?1, 'queued', '<' || ?1 || '.' || ?3 || '.' || lower(hex(value)) || '@' || ?2 || '>', ?3, ?3
             FROM meta WHERE key = 'database'",
        )?
        .execute(params![edition, domain, now.timestamp()])?;
    }
    tx.prepare_cached("UPDATE subscriptions SET last_slot = ?2, next_at = ?3 WHERE id = ?1")?.execute(params![
        standing.id,
        slot_text(slot),
        next.map(|at| at.timestamp())
    ])?;
    Ok(Some(Published { edition, subscription: standing.id, papers: count, owed: owed.len(), queued: mail }))
}
