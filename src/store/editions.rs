//! Editions: what is due, what was decided, what has been sent to whom.
//!
//! An edition's row is the decision *and* the ledger: whom it was for and which papers are in it. Deciding, queueing and
//! moving the ledger is therefore one insert in one transaction, with the ledger read in the same one (I3, I4).

use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, Utc};
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::ledger::{self, Began};
use super::papers::as_of;
use super::{
    Joined, OutboxState, Result, Store, StoreError, bounces, day, instant, outbox, slot, slot_text, subscriptions,
    to_json,
};
use crate::core::candidate::Candidate;
use crate::core::delivery::AttemptOutcome;
use crate::core::edition::{Ledger, Told};
use crate::core::matching::NearTerms;
use crate::core::order::Order;
use crate::core::subscription::Subscription;

/// A subscription with all that its next edition depends on, for looking at what that would be.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What was ordered.
    pub subscription: Subscription,
    /// The newest slot that has its edition.
    pub last_slot: Option<NaiveDateTime>,
    /// What the subscriber has had, as far as it touches the candidates.
    pub ledger: Ledger,
}

impl Standing {
    /// A subscription that the database has yet to take in at `now`: nothing was ever sent.
    pub fn new(subscription: Subscription, now: DateTime<Utc>) -> Self {
        let since = subscriptions::first_day(&subscription, now);
        let ledger = Ledger { since, late: subscriptions::next_day(now), ..Ledger::default() };
        Self { subscription, last_slot: None, ledger }
    }
}

/// A subscription that may be due. What is costly to read is read when it is asked for.
#[derive(Debug)]
pub struct Due<'t> {
    tx: &'t Transaction<'t>,
    id: i64,
    definition: i64,
    began: Began,
    domain: String,
    joined: Arc<Joined>,
    /// The newest slot that has its edition.
    pub last_slot: Option<NaiveDateTime>,
    /// Schedule and zone, and what was ordered; `None` when that has yet to be compiled.
    pub order: Option<(String, Order)>,
    /// What was compiled of it can't be read.
    is_damaged: bool,
}

impl Due<'_> {
    /// What the subscriber has had, and what still waits. `oldest` is the smallest paper number among the candidates.
    pub fn ledger(&self, oldest: u32) -> Result<Ledger> {
        ledger::read(self.tx, self.id, &self.began, oldest, true, &self.joined)
    }

    /// When its newest edition was decided; `None` before the first.
    pub fn decided(&self) -> Option<DateTime<Utc>> {
        self.began.decided
    }

    /// Its first day.
    pub fn since(&self) -> Result<NaiveDate> {
        day(&self.began.since)
    }

    /// A paper as it was known after `read`, however old.
    pub fn paper(&self, id: u32, read: i64) -> Result<Option<Candidate>> {
        Ok(as_of(self.tx, &[id], read)?.pop())
    }

    /// The subscription itself.
    pub fn subscription(&self) -> Result<Subscription> {
        subscription(self.tx, self.id)
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
    /// It can't be decided before more is read. It stays due, and the batch ends before it.
    Postponed,
    /// This slot's edition.
    Edition(Box<Edition>),
}

/// One slot's edition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edition {
    /// The local slot.
    pub slot: NaiveDateTime,
    /// When the next slot is due.
    pub next: Option<DateTime<Utc>>,
    /// Paper numbers by profile, best first.
    pub papers: Vec<Vec<u32>>,
    /// Papers shown by title only.
    pub also: Vec<u32>,
    /// Papers chosen and cut by a cap: they come in a later edition, or are told.
    pub owed: Vec<u32>,
    /// Papers that its reader is told will not come.
    pub told: Told,
    /// Papers in it, owed or told, that a refused mail has returned.
    pub again: Vec<u32>,
    /// Papers that are given up, since a second mail with them was refused.
    pub given_up: Vec<u32>,
    /// For a first mail without papers: over how many days was looked back; else 0.
    pub welcome: u32,
    /// Why its papers are close to what its reader likes.
    pub near: NearTerms,
    /// Candidates there were.
    pub looked_at: u32,
    /// Whether a mail goes out.
    pub mail: bool,
    /// Editions that wait and give way to this one; [`Ledger::waiting`] had them.
    pub merged: Vec<i64>,
    /// Editions that were never delivered, whose papers this one takes over; [`Ledger::returned`] had them.
    pub returned: Vec<i64>,
}

/// What one transaction decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Subscriptions that were looked at.
    pub looked_at: usize,
    /// Their editions, those without a mail too.
    pub published: Vec<Published>,
    /// Those that could not be decided.
    pub faults: Vec<Fault>,
    /// Those whose compiled order can't be read; they were decided from their texts.
    pub damaged: usize,
}

/// A subscription that could not be decided: its order or its ledger can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The subscription's number.
    pub subscription: i64,
    /// What is wrong.
    pub why: String,
}

/// When a subscription that could not be decided is looked at again: a later program may be able to read it.
const AFTER_FAULT: Duration = Duration::hours(1);

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
    /// Papers that its reader is told will not come.
    pub told: usize,
    /// Papers that are given up, by number: two mails with them were refused.
    pub given_up: Vec<u32>,
    /// Whether a mail was queued.
    pub queued: bool,
    /// Older mails that gave way to it.
    pub merged: usize,
}

impl Store {
    /// Decides the editions of up to `limit` subscriptions that are due at `now`: one transaction for all of them.
    /// `read` is what is known ([`Store::candidates`]), `domain` the right side of Message-IDs. No more are due when fewer
    /// than `limit` were looked at. One that can't be read fails alone: it is marked, and looked at again in an hour.
    pub fn publish(
        &self,
        now: DateTime<Utc>,
        limit: usize,
        read: i64,
        domain: &str,
        mut decide: impl FnMut(&Due<'_>) -> Result<Decision>,
    ) -> Result<Batch> {
        self.write(|tx| {
            // As of the read that the candidates are of: one that was joined since is still a candidate of its own.
            let due = due(tx, now, limit, read)?;
            let mut batch = Batch {
                looked_at: 0,
                published: Vec::with_capacity(due.len()),
                faults: Vec::new(),
                damaged: due.iter().filter(|due| due.is_damaged).count(),
            };
            let insert = Insert { tx, read, now, domain };
            for due in &due {
                batch.looked_at += 1;
                match decide(due) {
                    Ok(Decision::NotYet { next }) => set_next(tx, due.id, next)?,
                    Ok(Decision::Postponed) => {
                        batch.looked_at -= 1;
                        break;
                    }
                    Ok(Decision::Edition(edition)) => batch.published.extend(insert.edition(due, &edition)?),
                    Err(error @ StoreError::Unreadable { .. }) => {
                        let fault = Fault { subscription: due.id, why: error.to_string() };
                        set_fault(tx, &fault, now + AFTER_FAULT)?;
                        batch.faults.push(fault);
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(batch)
        })
    }

    /// The subscription of an address, for looking at what its next edition would be. `oldest` is the smallest paper
    /// number among the candidates.
    pub fn standing(&self, address_key: &str, oldest: u32) -> Result<Option<Standing>> {
        self.read(|tx| {
            let sql =
                "SELECT id, last_slot, since, created, decided, definition FROM subscriptions WHERE address_key = ?";
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, began(row, 2)?));
            let found: Option<(i64, Option<String>, Began)> = tx.query_row(sql, [address_key], read).optional()?;
            let standing = |(id, last_slot, began): (i64, Option<String>, Began)| {
                Ok(Standing {
                    subscription: subscription(tx, id)?,
                    last_slot: last_slot.as_deref().map(slot).transpose()?,
                    // What waits goes out, as far as anybody can tell before the next slot.
                    ledger: ledger::read(tx, id, &began, oldest, false, &Joined::as_of(tx, i64::MAX)?)?,
                })
            };
            found.map(standing).transpose()
        })
    }

    /// Whether any subscription that may be written to is due at `now`.
    pub fn is_anything_due(&self, now: DateTime<Utc>) -> Result<bool> {
        self.read(|tx| Ok(!due(tx, now, 1, i64::MAX)?.is_empty()))
    }
}

fn due<'t>(tx: &'t Transaction<'t>, now: DateTime<Utc>, limit: usize, read: i64) -> Result<Vec<Due<'t>>> {
    let joined = Arc::new(Joined::as_of(tx, read)?);
    let mut due = tx.prepare_cached(
        "SELECT s.id, s.definition, s.last_slot, o.rhythm, o.compiled, s.domain,
                s.since, s.created, s.decided, s.definition
         FROM subscriptions s LEFT JOIN orders o ON o.definition = s.definition
         WHERE listed = 1 AND paused = 0 AND consent = 'confirmed' AND next_at <= ? ORDER BY next_at LIMIT ?",
    )?;
    let mut rows = due.query(params![now.timestamp(), limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (order, is_damaged) = match (row.get_ref(3)?, row.get_ref(4)?) {
            // Of a definition that can't be read there is nothing.
            (ValueRef::Text(_), ValueRef::Blob(bytes)) if !bytes.is_empty() => {
                let order = Order::from_bytes(bytes).ok();
                let is_damaged = order.is_none();
                (order, is_damaged)
            }
            _ => (None, false),
        };
        let last_slot: Option<String> = row.get(2)?;
        found.push(Due {
            tx,
            id: row.get(0)?,
            definition: row.get(1)?,
            began: began(row, 6)?,
            domain: row.get(5)?,
            joined: joined.clone(),
            // One that can't be read is none: the database has each slot once, whatever is decided.
            last_slot: last_slot.as_deref().and_then(|text| slot(text).ok()),
            order: order.map(|order| Ok::<_, rusqlite::Error>((row.get(3)?, order))).transpose()?,
            is_damaged,
        });
    }
    Ok(found)
}

/// From four columns, the first of which has this number.
fn began(row: &Row<'_>, first: usize) -> rusqlite::Result<Began> {
    Ok(Began {
        since: row.get(first)?,
        created: instant(row.get(first + 1)?),
        decided: row.get::<_, Option<i64>>(first + 2)?.map(instant),
        definition: row.get(first + 3)?,
    })
}

fn subscription(tx: &Transaction<'_>, id: i64) -> Result<Subscription> {
    let (address, text, paused): (String, String, bool) = tx
        .prepare_cached(
            "SELECT s.address, d.text, s.paused FROM subscriptions s JOIN definitions d ON d.id = s.definition
             WHERE s.id = ?",
        )?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    subscriptions::restore(&address, &text, paused)
}

fn set_next(tx: &Transaction<'_>, id: i64, next: Option<DateTime<Utc>>) -> Result<()> {
    tx.prepare_cached("UPDATE subscriptions SET next_at = ?2, fault = NULL WHERE id = ?1")?
        .execute(params![id, next.map(|at| at.timestamp())])?;
    Ok(())
}

fn set_fault(tx: &Transaction<'_>, fault: &Fault, again: DateTime<Utc>) -> Result<()> {
    tx.prepare_cached("UPDATE subscriptions SET next_at = ?2, fault = ?3 WHERE id = ?1")?.execute(params![
        fault.subscription,
        again.timestamp(),
        fault.why
    ])?;
    Ok(())
}

/// Writes what was decided: the edition, its place in the outbox and the subscription's next slot.
struct Insert<'t> {
    tx: &'t Transaction<'t>,
    read: i64,
    now: DateTime<Utc>,
    /// The right side of Message-IDs.
    domain: &'t str,
}

impl Insert<'_> {
    /// `None` when the slot has its edition already, as after a clock that was ahead: then only the next slot is set.
    fn edition(&self, due: &Due<'_>, decided: &Edition) -> Result<Option<Published>> {
        let Self { tx, read, now, domain } = self;
        let Edition { slot, next, papers, also, owed, told, again, looked_at, mail, merged, .. } = decided;
        let count = papers.iter().map(Vec::len).sum();
        let newest = papers.iter().flatten().chain(also).copied().chain(told.papers()).max().unwrap_or(0);
        let slot = slot_text(*slot);
        // The unique key on the slot makes "at most once" the database's own promise.
        let inserted = tx
            .prepare_cached(
                "INSERT INTO editions
                 (subscription, slot, definition, read, decided, papers, also, owed, newest, looked_at, told, again, welcome, near)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (subscription, slot) DO NOTHING",
            )?
            .execute(params![
                due.id,
                slot,
                due.definition,
                read,
                now.timestamp(),
                to_json("list of papers", papers)?,
                to_json("list of papers", also)?,
                to_json("list of papers", owed)?,
                newest,
                looked_at,
                to_json("list of papers", told)?,
                to_json("list of papers", again)?,
                decided.welcome,
                to_json("terms of papers", &decided.near)?,
            ])?;
        let edition = tx.last_insert_rowid();
        let mut place = now.timestamp();
        for older in merged.iter().filter(|_| inserted > 0) {
            place = place.min(give_way(tx, due.id, *older, edition, *now)?);
        }
        for older in decided.returned.iter().filter(|_| inserted > 0) {
            take_over(tx, *older, edition, *now)?;
        }
        if *mail && inserted > 0 {
            // Random, so that nobody can tell another reader's Message-ID from their own, and a database that was restored
            // from a backup, which counts its editions again, gives none twice.
            tx.prepare_cached(
                "INSERT INTO outbox (edition, domain, state, message_id, queued, due)
                 VALUES (?1, ?2, 'queued', '<' || ?1 || '.' || lower(hex(randomblob(12))) || '@' || ?3 || '>', ?4, ?5)",
            )?
            .execute(params![edition, due.domain, domain, now.timestamp(), place])?;
        }
        tx.prepare_cached(
            "UPDATE subscriptions SET last_slot = ?2, next_at = ?3, decided = coalesce(?4, decided), fault = NULL
             WHERE id = ?1",
        )?
        .execute(params![
            due.id,
            slot,
            next.map(|at| at.timestamp()),
            (inserted > 0).then(|| now.timestamp())
        ])?;
        let published = Published {
            edition,
            subscription: due.id,
            papers: count,
            owed: owed.len(),
            told: told.papers().count(),
            given_up: decided.given_up.clone(),
            queued: *mail,
            merged: merged.len(),
        };
        Ok((inserted > 0).then_some(published))
    }
}

/// Takes a mail back that waits, and returns since when it has waited: the newer one takes its place in the lane, or the end
/// of a lane that is too slow would never get anything.
fn give_way(tx: &Transaction<'_>, subscription: i64, older: i64, edition: i64, now: DateTime<Utc>) -> Result<i64> {
    let due: i64 = tx
        .prepare_cached("SELECT min(due, queued) FROM outbox WHERE edition = ?")?
        .query_row([older], |row| row.get(0))?;
    bounces::gave_way(tx, subscription, older, now)?;
    outbox::finish(tx, older, OutboxState::Merged, now)?;
    outbox::note(tx, older, now, AttemptOutcome::Merged, None, &format!("its papers wait for mail {edition}"))?;
    Ok(due)
}

/// Ends a mail that nobody got and whose papers a newer one has: it can't be sent again by hand.
fn take_over(tx: &Transaction<'_>, older: i64, edition: i64, now: DateTime<Utc>) -> Result<()> {
    let failed = tx
        .prepare_cached("UPDATE outbox SET comes_again = 0 WHERE edition = ? AND state = 'failed' RETURNING 1")?
        .query_row([older], |_| Ok(()))
        .optional()?;
    match failed {
        Some(()) => {
            outbox::finish(tx, older, OutboxState::Merged, now)?;
            outbox::note(
                tx,
                older,
                now,
                AttemptOutcome::Merged,
                None,
                &format!("its papers come again with mail {edition}"),
            )
        }
        None => {
            tx.prepare_cached("UPDATE outbox SET comes_again = 0 WHERE edition = ?")?.execute([older])?;
            Ok(())
        }
    }
}
