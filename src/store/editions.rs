//! Editions: what is due, what was decided, what has been sent to whom.
//!
//! An edition's row is the decision *and* the ledger: whom it was for and which papers are in it. Deciding, queueing and
//! moving the ledger is therefore one insert in one transaction, which counts only if nothing has changed since the ledger
//! was read (I3, I4).

use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, Utc};
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::definition;
use super::ledger::{self, Began};
use super::sqlite::{self, RANDOM_HEX};
use super::{
    Joined, OutboxState, Result, Store, StoreError, bounces, day, instant, mail, slot, slot_text, subscriptions,
    to_json,
};
use crate::core::delivery::AttemptOutcome;
use crate::core::edition::{Ledger, LeftOut};
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

/// A subscription that may be due.
#[derive(Clone, Debug)]
pub struct Due {
    id: i64,
    began: Began,
    /// When it was due, in seconds.
    next_at: i64,
    domain: String,
    joined: Arc<Joined>,
    /// The newest slot that has its edition.
    pub last_slot: Option<NaiveDateTime>,
    /// Schedule and zone, and the compiled definition; `None` when that has yet to be compiled.
    pub order: Option<(String, Order)>,
    /// The compiled definition can't be read.
    is_damaged: bool,
}

impl Due {
    /// When its newest edition was decided; `None` before the first.
    pub fn decided(&self) -> Option<DateTime<Utc>> {
        self.began.decided
    }

    /// Its first day.
    pub fn since(&self) -> Result<NaiveDate> {
        day(&self.began.since)
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
    /// What the database has of it can't be read, for this reason. It is marked, and looked at again in an hour.
    Unreadable(String),
    /// This slot's edition.
    Edition(Box<Edition>),
}

/// One slot's edition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    pub told: LeftOut,
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
    /// Editions whose mails wait and give way to this one; [`Ledger::waiting`] had them.
    pub merged: Vec<i64>,
    /// Editions that were never delivered, whose papers this one takes over; [`Ledger::returned`] had them.
    pub returned: Vec<i64>,
}

/// What one transaction decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The editions, those without a mail too.
    pub published: Vec<Published>,
    /// Subscriptions that could not be decided.
    pub faults: Vec<Undecided>,
    /// Subscriptions that changed while they were decided: they are as they were, and still due.
    pub stale: usize,
    /// Those whose compiled definition can't be read; they were decided from their texts.
    pub damaged: usize,
}

/// A subscription that could not be decided: its order or its ledger can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
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
    /// Up to `limit` subscriptions that are due at `now`, the longest due first. `read` is what is known
    /// ([`Store::candidates`]): papers that were joined after it are still several.
    pub fn due(&self, now: DateTime<Utc>, limit: usize, read: i64) -> Result<Vec<Due>> {
        self.read(|tx| due(tx, now, limit, read))
    }

    /// What these subscribers have had, and what still waits; each with the smallest paper number among its candidates. One
    /// that can't be read fails alone.
    pub fn ledgers(&self, wanted: &[(&Due, u32)]) -> Result<Vec<Result<Ledger>>> {
        self.read(|tx| {
            let read = |(due, oldest): &(&Due, u32)| ledger::read(tx, due.id, &due.began, *oldest, true, &due.joined);
            let of_one = |ledger| match ledger {
                Err(error @ StoreError::Unreadable { .. }) => Ok(Err(error)),
                ledger => ledger.map(Ok),
            };
            wanted.iter().map(read).map(of_one).collect()
        })
    }

    /// The subscription that is due.
    pub fn subscription(&self, due: &Due) -> Result<Subscription> {
        self.read(|tx| subscription(tx, due.id))
    }

    /// Commits decisions: each with its edition, its mail in the outbox and the next slot, all in one transaction. `read` is
    /// what was known, `domain` the right side of Message-IDs.
    ///
    /// Nothing was locked since [`Store::due`]. A decision counts only if its subscription is as it was then, and the mails
    /// that give way to it still wait; else it is left out, and the subscription stays due. The unique slot sees to it that
    /// no slot has two editions, whatever else happens.
    pub fn commit(&self, decisions: &[(Due, Decision)], now: DateTime<Utc>, read: i64, domain: &str) -> Result<Batch> {
        self.write(|tx| {
            let mut batch = Batch {
                published: Vec::with_capacity(decisions.len()),
                damaged: decisions.iter().filter(|(due, _)| due.is_damaged).count(),
                ..Batch::default()
            };
            let mut insert = Insert { tx, read, now, domain, mail: sqlite::last_mail(tx)? };
            for (due, decision) in decisions {
                let is_current = match decision {
                    Decision::NotYet { next } => advance(tx, due, None, *next, None)?,
                    Decision::Unreadable(why) => {
                        let fault = Undecided { subscription: due.id, why: why.clone() };
                        let is_current = set_fault(tx, due, &fault, now + AFTER_FAULT)?;
                        batch.faults.extend(is_current.then_some(fault));
                        is_current
                    }
                    Decision::Edition(edition) => insert.edition(due, edition, &mut batch.published)?,
                };
                batch.stale += usize::from(!is_current);
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

fn due(tx: &Transaction<'_>, now: DateTime<Utc>, limit: usize, read: i64) -> Result<Vec<Due>> {
    let joined = Arc::new(Joined::as_of(tx, read)?);
    let mut due = tx.prepare_cached(
        "SELECT s.id, s.next_at, s.last_slot, o.rhythm, o.compiled, s.domain,
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
            id: row.get(0)?,
            next_at: row.get(1)?,
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
    definition::restore(&address, &text, paused)
}

/// What must still be so of a subscription that was due, for a decision on it to count.
const UNCHANGED: &str = "id = ?1 AND next_at = ?2 AND definition = ?3 AND decided IS ?4
    AND listed = 1 AND paused = 0 AND consent = 'confirmed'";

/// Moves a subscription on to its next slot; `false` when it has changed since it was due.
fn advance(
    tx: &Transaction<'_>,
    due: &Due,
    slot: Option<&str>,
    next: Option<DateTime<Utc>>,
    decided: Option<DateTime<Utc>>,
) -> Result<bool> {
    let rows = tx
        .prepare_cached(&format!(
            "UPDATE subscriptions SET last_slot = coalesce(?5, last_slot), next_at = ?6, decided = coalesce(?7, decided),
                    fault = NULL
             WHERE {UNCHANGED}"
        ))?
        .execute(params![
            due.id,
            due.next_at,
            due.began.definition,
            due.began.decided.map(|at| at.timestamp()),
            slot,
            next.map(|at| at.timestamp()),
            decided.map(|at| at.timestamp())
        ])?;
    Ok(rows > 0)
}

fn set_fault(tx: &Transaction<'_>, due: &Due, fault: &Undecided, again: DateTime<Utc>) -> Result<bool> {
    let rows = tx
        .prepare_cached(&format!("UPDATE subscriptions SET next_at = ?5, fault = ?6 WHERE {UNCHANGED}"))?
        .execute(params![
            due.id,
            due.next_at,
            due.began.definition,
            due.began.decided.map(|at| at.timestamp()),
            again.timestamp(),
            fault.why
        ])?;
    Ok(rows > 0)
}

/// Whether the mails still wait that give way to an edition, and the papers of the others still come again.
fn may_take_over(tx: &Transaction<'_>, decided: &Edition) -> Result<bool> {
    let mut waits = tx.prepare_cached(
        "SELECT 1 FROM outbox WHERE edition = ? AND state = 'queued' AND NOT in_doubt AND NOT comes_again",
    )?;
    let mut returns = tx.prepare_cached("SELECT 1 FROM outbox WHERE edition = ? AND comes_again")?;
    for older in &decided.merged {
        if !waits.exists([older])? {
            return Ok(false);
        }
    }
    for older in &decided.returned {
        if !returns.exists([older])? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes what was decided: the edition, its mail and the subscription's next slot.
struct Insert<'t> {
    tx: &'t Transaction<'t>,
    read: i64,
    now: DateTime<Utc>,
    /// The right side of Message-IDs.
    domain: &'t str,
    /// The number of the newest mail.
    mail: i64,
}

impl Insert<'_> {
    /// `false` when the subscription has changed since it was due. When the slot has its edition already, as after a clock
    /// that was ahead, only the next slot is set.
    fn edition(&mut self, due: &Due, decided: &Edition, published: &mut Vec<Published>) -> Result<bool> {
        let Self { tx, read, now, domain, .. } = *self;
        let Edition { slot, next, papers, also, owed, told, again, looked_at, mail, merged, .. } = decided;
        let slot = slot_text(*slot);
        let sql = "SELECT 1 FROM editions WHERE subscription = ? AND kind = 'digest' AND slot = ?";
        let is_new = !tx.prepare_cached(sql)?.exists(params![due.id, slot])?;
        if is_new && !may_take_over(tx, decided)? || !advance(tx, due, Some(&slot), *next, is_new.then_some(now))? {
            return Ok(false);
        }
        if !is_new {
            return Ok(true);
        }
        let count = papers.iter().map(Vec::len).sum();
        let newest = papers.iter().flatten().chain(also).copied().chain(told.papers()).max().unwrap_or(0);
        // The unique key on the slot makes "at most once" the database's own promise.
        tx.prepare_cached(
            "INSERT INTO editions
             (subscription, slot, definition, read, decided, papers, also, owed, newest, looked_at, told, again, welcome, near)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            due.id,
            slot,
            due.began.definition,
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
        let number = self.mail + 1;
        let mut place = now.timestamp();
        for older in merged {
            place = place.min(give_way(tx, due.id, *older, number, now)?);
        }
        for older in &decided.returned {
            take_over(tx, *older, number, now)?;
        }
        if *mail {
            self.mail = number;
            // Random, so that nobody can tell another reader's Message-ID from their own, and a database that was restored
            // from a backup, which counts its mails again, gives none twice.
            tx.prepare_cached(&format!(
                "INSERT INTO outbox (id, kind, edition, subscription, domain, state, message_id, queued, due)
                 VALUES (?1, 'edition', ?2, ?3, ?4, 'queued', '<' || ?1 || '.' || {RANDOM_HEX} || '@' || ?5 || '>',
                         ?6, ?7)",
            ))?
            .execute(params![number, edition, due.id, due.domain, domain, now.timestamp(), place])?;
        }
        published.push(Published {
            edition,
            subscription: due.id,
            papers: count,
            owed: owed.len(),
            told: told.papers().count(),
            given_up: decided.given_up.clone(),
            queued: *mail,
            merged: merged.len(),
        });
        Ok(true)
    }
}

/// Takes a mail back that waits, and returns since when it has waited: the newer one, `mail`, takes its place in the lane, or
/// the end of a lane that is too slow would never get anything.
fn give_way(tx: &Transaction<'_>, subscription: i64, older: i64, mail: i64, now: DateTime<Utc>) -> Result<i64> {
    let (older, due): (i64, i64) = tx
        .prepare_cached("SELECT id, min(due, queued) FROM outbox WHERE edition = ?")?
        .query_row([older], |row| Ok((row.get(0)?, row.get(1)?)))?;
    bounces::gave_way(tx, subscription, older, now)?;
    mail::finish(tx, older, OutboxState::Merged, now)?;
    mail::note(tx, older, now, AttemptOutcome::Merged, None, &format!("its papers wait for mail {mail}"))?;
    Ok(due)
}

/// Ends a mail that nobody got and whose papers a newer one has: it can't be sent again by hand.
fn take_over(tx: &Transaction<'_>, older: i64, mail: i64, now: DateTime<Utc>) -> Result<()> {
    let failed: Option<i64> = tx
        .prepare_cached(
            "UPDATE outbox SET comes_again = 0 WHERE edition = ? RETURNING CASE state WHEN 'failed' THEN id END",
        )?
        .query_row([older], |row| row.get(0))?;
    let Some(failed) = failed else { return Ok(()) };
    mail::finish(tx, failed, OutboxState::Merged, now)?;
    mail::note(tx, failed, now, AttemptOutcome::Merged, None, &format!("its papers come again with mail {mail}"))
}
