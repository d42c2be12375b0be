//! The transactional outbox: what is to leave, who works on it, and how each try ended.
//!
//! A claim is a lease. What happens at a power cut: before the claim's commit, nothing; after it, the lease ends and the
//! mail is claimed again, with the same Message-ID; after the outcome's commit, nothing again. So a crash repeats at
//! most the mails that were in flight, and loses none (I5, I10).

use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use super::subscriptions::restore;
use super::{Result, Store, StoreError, bounces, from_json, holds, instant, slot};
use crate::core::delivery::{Outcome, Receipt, SendError};
use crate::core::pacing::{Change, Room};
use crate::core::subscription::Subscription;
use crate::core::token::SubscriberId;

/// Where a queued mail stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OutboxState {
    /// Waits for its time.
    Queued,
    /// Someone works on it.
    Claimed,
    /// The other side has taken it.
    Sent,
    /// Given up, visibly; can be retried by hand.
    Failed,
    /// Not to be sent any more: the subscriber left, or the operator said so.
    Dropped,
    /// Not sent: a newer edition came first and has its papers.
    Merged,
}

impl OutboxState {
    /// Every state, in the order of a mail's life.
    pub const ALL: [Self; 6] = [Self::Queued, Self::Claimed, Self::Sent, Self::Failed, Self::Dropped, Self::Merged];

    /// The word in tables and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Claimed => "claimed",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
            Self::Merged => "merged",
        }
    }

    pub(super) fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|state| state.as_str() == word).unwrap_or(Self::Failed)
    }
}

/// A lease on one mail, and everything the mail is made from.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What to send.
    pub mailing: Mailing,
    /// Which attempt this is, from 1. An outcome counts only for the claim it was made under.
    pub attempt: u32,
    /// Earlier attempts that ended unknown.
    pub unknowns: u32,
    /// When the mail was queued.
    pub queued: DateTime<Utc>,
}

/// What a look into the lanes brought.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    /// The claims.
    pub claims: Vec<Claim>,
    /// The lane that was asked last: where to go on.
    pub last: String,
    /// Whether every lane was asked.
    pub is_all: bool,
    /// Whether more is due in a lane that gives no more before some mail under way has ended.
    pub waits: bool,
    /// When the next mail is due in a lane that is open by then, as far as the lanes were asked.
    pub next: Option<DateTime<Utc>>,
}

/// The immutable inputs of one mail.
#[derive(Clone, Debug)]
pub struct Mailing {
    /// The edition's number.
    pub edition: i64,
    /// Whose it is and what was ordered when it was decided.
    pub subscription: Subscription,
    /// How the outside names the subscriber.
    pub subscriber: SubscriberId,
    /// The local slot.
    pub slot: NaiveDateTime,
    /// What was known: see [`Store::papers_as_of`].
    pub read: i64,
    /// When it was decided: the mail's Date.
    pub decided: DateTime<Utc>,
    /// Paper numbers by profile.
    pub papers: Vec<Vec<u32>>,
    /// Papers shown by title only.
    pub also: Vec<u32>,
    /// How many papers wait for the next edition.
    pub owed: usize,
    /// Candidates there were.
    pub looked_at: u32,
    /// With angle brackets; the same at every attempt.
    pub message_id: String,
}

/// How one attempt ended.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The edition.
    pub edition: i64,
    /// The claim's attempt.
    pub attempt: u32,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// What the transport said.
    pub result: Result<Receipt, SendError>,
    /// What follows.
    pub outcome: Outcome,
}

/// A line of the outbox, for a person.
#[derive(Clone, Debug, Serialize)]
pub struct OutboxEntry {
    /// The edition's number, by which it is named.
    pub edition: i64,
    /// Where it stands.
    pub state: OutboxState,
    /// The subscriber's address in clear: it is shown to the operator who asked.
    pub address: String,
    /// The local slot.
    pub slot: NaiveDateTime,
    /// The Message-ID.
    pub message_id: String,
    /// Tries so far.
    pub attempts: u32,
    /// When it was queued.
    pub queued: DateTime<Utc>,
    /// Queued: when it is tried next; else when it ended.
    pub due: DateTime<Utc>,
    /// What the other side said last.
    pub last_reply: Option<String>,
}

/// The columns of a mailing, with what `mailing` reads them by.
const MAILING: &str = "e.id, e.slot, e.read, e.decided, e.papers, e.also, e.owed, e.looked_at,
    s.address, s.token, s.paused, d.text, o.message_id
    FROM editions e
    JOIN outbox o ON o.edition = e.id
    JOIN subscriptions s ON s.id = e.subscription
    JOIN definitions d ON d.id = e.definition";

impl Store {
    /// Claims up to `limit` mails that are due at `now` for `lease`. A mail whose subscriber may no longer be written to
    /// is dropped instead: unsubscribed wins over everything queued (I6).
    ///
    /// Each recipient domain is a lane. They are asked in turn, beginning behind `after`, and `room` says how many mails a
    /// lane may give. So a lane that gives none costs one step, however many mails wait in it, and holds no other up.
    pub fn claim(
        &self,
        now: DateTime<Utc>,
        limit: usize,
        lease: Duration,
        after: &str,
        mut room: impl FnMut(&str) -> Room,
    ) -> Result<Claimed> {
        self.write(|tx| {
            let mut lanes = Lanes { tx, at: after.to_owned(), after, has_wrapped: false };
            let mut claimed = Claimed::default();
            let soonest = |known: Option<DateTime<Utc>>, at| Some(known.map_or(at, |known| known.min(at)));
            while claimed.claims.len() < limit {
                let Some(domain) = lanes.next()? else {
                    claimed.is_all = true;
                    break;
                };
                let (most, opens) = match room(domain) {
                    Room::Open(mails) => ((mails as usize).min(limit - claimed.claims.len()), now),
                    Room::Closed(Some(at)) => (0, at),
                    Room::Closed(None) => {
                        claimed.waits = true;
                        continue;
                    }
                };
                let first = waiting(tx, domain, most + 1)?;
                for (taken, mail) in first.iter().enumerate() {
                    if mail.due > now || taken == most {
                        match mail.due.max(opens) {
                            // It waits for those before it in its lane.
                            due if due <= now => claimed.waits = true,
                            due => claimed.next = soonest(claimed.next, due),
                        }
                        break;
                    }
                    claimed.claims.extend(take(tx, mail, now, lease)?);
                }
            }
            claimed.last = lanes.at;
            Ok(claimed)
        })
    }

    /// Which of these claims, given by edition and attempt, may be sent: those whose subscriber may still be written to, and
    /// whose lease nobody else has taken over. Asked right before the step that can't be undone.
    pub fn may_send(&self, claims: &[(i64, u32)]) -> Result<Vec<bool>> {
        self.read(|tx| {
            let mut may = tx.prepare_cached(
                "SELECT s.consent = 'confirmed' AND s.listed = 1 AND o.state = 'claimed' AND o.attempts = ?2
                 FROM outbox o JOIN editions e ON e.id = o.edition JOIN subscriptions s ON s.id = e.subscription
                 WHERE o.edition = ?1",
            )?;
            claims.iter().map(|claim| Ok(may.query_row(*claim, |row| row.get(0))?)).collect()
        })
    }

    /// Gives claims back untried, as a graceful stop does; they keep their place in their lane.
    pub fn release(&self, claims: &[(i64, u32)], now: DateTime<Utc>) -> Result<()> {
        self.write(|tx| {
            for (edition, attempt) in claims {
                tx.prepare_cached(
                    "UPDATE outbox SET state = 'queued', due = min(queued, ?3), attempts = attempts - 1
                     WHERE edition = ?1 AND attempts = ?2 AND state = 'claimed'",
                )?
                .execute(params![edition, attempt, now.timestamp()])?;
            }
            Ok(())
        })
    }

    /// Takes back the claims of a process that is gone. Only for the holder of the database's [`super::Lock`].
    pub fn recover_claims(&self, now: DateTime<Utc>) -> Result<usize> {
        self.write(|tx| {
            // Nobody knows how far they were.
            let sql = "UPDATE outbox SET state = 'queued', due = ?, in_doubt = 1 WHERE state = 'claimed'";
            Ok(tx.execute(sql, [now.timestamp()])?)
        })
    }

    /// Records how attempts ended and what follows from it, all in one commit: for the mail, for the recipient's address
    /// (as a report that came back would), and for the pace (`changes`). `is_lasting` is that of [`Store::take_bounce`].
    pub fn record(
        &self,
        outcomes: &[Recorded],
        changes: &[Change],
        is_lasting: impl Fn(&[DateTime<Utc>]) -> bool,
    ) -> Result<()> {
        self.write(|tx| {
            for recorded in outcomes {
                let (state, due) = match recorded.outcome {
                    Outcome::Sent => (OutboxState::Sent, recorded.at),
                    Outcome::Retry(at) => (OutboxState::Queued, at),
                    Outcome::Failed => (OutboxState::Failed, recorded.at),
                };
                let unknown = matches!(recorded.result, Err(SendError::Unknown(_)));
                // A lease that ran out was claimed again: then only the later claim's outcome counts, unless this one
                // says that the mail is out.
                tx.prepare_cached(
                    "UPDATE outbox SET state = ?3, due = ?4, unknowns = unknowns + ?5, in_doubt = max(in_doubt, ?5)
                     WHERE edition = ?1 AND (state = 'claimed' AND attempts = ?2 OR ?3 = 'sent')",
                )?
                .execute(params![
                    recorded.edition,
                    recorded.attempt,
                    state.as_str(),
                    due.timestamp(),
                    unknown
                ])?;
                match &recorded.result {
                    Ok(receipt) => note(tx, recorded.edition, recorded.at, "sent", None, &receipt.reply)?,
                    Err(error) => {
                        note(tx, recorded.edition, recorded.at, error.kind(), Some(error), &error.fault().text)?;
                        bounces::refused(tx, recorded, &is_lasting)?;
                    }
                }
            }
            if let Some(sent) = outcomes.iter().find(|recorded| recorded.outcome == Outcome::Sent) {
                tx.prepare_cached("INSERT OR IGNORE INTO meta (key, value) VALUES ('first-mail', CAST(? AS BLOB))")?
                    .execute([sent.at.timestamp().to_string()])?;
            }
            holds::keep(tx, changes)
        })
    }

    /// When the next mail is due, if any is queued.
    pub fn next_delivery(&self) -> Result<Option<DateTime<Utc>>> {
        self.read(|tx| {
            let mut least = tx.prepare_cached("SELECT min(due) FROM outbox WHERE state = ?")?;
            let mut of = |state: OutboxState| least.query_row([state.as_str()], |row| row.get::<_, Option<i64>>(0));
            Ok([of(OutboxState::Queued)?, of(OutboxState::Claimed)?].into_iter().flatten().min().map(instant))
        })
    }

    /// The mails in these states, newest first.
    pub fn outbox(&self, states: &[OutboxState], limit: usize) -> Result<Vec<OutboxEntry>> {
        self.entries(states, "o", "o.edition > ? ORDER BY o.edition DESC", 0, limit)
    }

    /// The mails in these states with a larger number than `after`, oldest first.
    pub fn outbox_after(&self, states: &[OutboxState], after: i64, limit: usize) -> Result<Vec<OutboxEntry>> {
        // By number from where the last page ended; by state each page would sort all of them.
        self.entries(states, "o NOT INDEXED", "o.edition > ? ORDER BY o.edition", after, limit)
    }

    fn entries(
        &self,
        states: &[OutboxState],
        outbox: &str,
        which: &str,
        after: i64,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        self.read(|tx| {
            let mut entries = tx.prepare_cached(&format!(
                "SELECT o.edition, o.state, s.address, e.slot, o.message_id, o.attempts, o.queued, o.due,
                        (SELECT concat_ws(' ', phase || ':', code, enhanced, reply) FROM attempts a
                         WHERE a.edition = o.edition ORDER BY a.id DESC LIMIT 1)
                 FROM outbox {outbox}
                 JOIN editions e ON e.id = o.edition JOIN subscriptions s ON s.id = e.subscription
                 WHERE o.state IN (SELECT value FROM json_each(?)) AND {which} LIMIT ?"
            ))?;
            let words: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
            let mut rows = entries.query(params![super::to_json("states", &words)?, after, limit])?;
            let mut out = Vec::new();
            while let Some(row) = rows.next()? {
                out.push(OutboxEntry {
                    edition: row.get(0)?,
                    state: OutboxState::of(&row.get::<_, String>(1)?),
                    address: row.get(2)?,
                    slot: slot(&row.get::<_, String>(3)?)?,
                    message_id: row.get(4)?,
                    attempts: row.get(5)?,
                    queued: instant(row.get(6)?),
                    due: instant(row.get(7)?),
                    last_reply: row.get(8)?,
                });
            }
            Ok(out)
        })
    }

    /// Drops mails that are queued or failed. Their papers stay to come, unless the other side may have them. Returns
    /// how many were dropped: one that is under way can't be.
    pub fn drop_mails(&self, editions: &[i64], now: DateTime<Utc>) -> Result<usize> {
        self.write(|tx| {
            let mut dropped = 0;
            for edition in editions {
                let sql = "SELECT 1 FROM outbox WHERE edition = ? AND state IN ('queued', 'failed')";
                if tx.query_row(sql, [edition], |_| Ok(())).optional()?.is_some() {
                    finish(tx, *edition, OutboxState::Dropped, now)?;
                    note(tx, *edition, now, "dropped", None, "the operator dropped it")?;
                    dropped += 1;
                }
            }
            Ok(dropped)
        })
    }

    /// Queues failed mails again, as at first: all of them, or the one of `edition`. Returns how many.
    pub fn retry_failed(&self, edition: Option<i64>, now: DateTime<Utc>) -> Result<usize> {
        self.write(|tx| {
            Ok(tx.execute(
                "UPDATE outbox SET state = 'queued', queued = ?1, due = ?1, attempts = 0, unknowns = 0
                 WHERE state = 'failed' AND (?2 IS NULL OR edition = ?2)",
                params![now.timestamp(), edition],
            )?)
        })
    }

    /// The tries of one mail, oldest first: when, how it ended, and the other side's words.
    pub fn attempts(&self, edition: i64) -> Result<Vec<(DateTime<Utc>, String, String)>> {
        self.read(|tx| {
            let mut attempts = tx.prepare_cached(
                "SELECT at, outcome, concat_ws(' ', phase || ':', code, enhanced, reply) FROM attempts
                 WHERE edition = ? ORDER BY id",
            )?;
            let rows = attempts.query_map([edition], |row| Ok((instant(row.get(0)?), row.get(1)?, row.get(2)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The newest attempt there is, and how many attempts later than `after` ended in each way.
    pub fn attempts_after(&self, after: i64) -> Result<(i64, Vec<(String, u64)>)> {
        self.read(|tx| {
            let newest = tx.query_row("SELECT coalesce(max(id), 0) FROM attempts", [], |row| row.get(0))?;
            let mut counts =
                tx.prepare_cached("SELECT outcome, count(*) FROM attempts WHERE id > ? GROUP BY outcome")?;
            let counts = counts.query_map([after], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
            Ok((newest, counts))
        })
    }

    /// One mail's inputs, whatever its state; `None` when the edition has no mail.
    pub fn mailing(&self, edition: i64) -> Result<Option<Mailing>> {
        self.read(|tx| {
            let known = tx.query_row("SELECT 1 FROM outbox WHERE edition = ?", [edition], |_| Ok(())).optional()?;
            known.map(|()| mailing(tx, edition)).transpose()
        })
    }
}

/// The domains that have mails waiting or under way, in turn: from behind `after` to the end, then from the start to it.
struct Lanes<'t> {
    tx: &'t Transaction<'t>,
    at: String,
    after: &'t str,
    has_wrapped: bool,
}

impl Lanes<'_> {
    fn next(&mut self) -> Result<Option<&str>> {
        let mut following = self.tx.prepare_cached(
            // Named, because the planner would rather sort all that waits.
            "SELECT domain FROM outbox INDEXED BY outbox_lanes
             WHERE state IN ('queued', 'claimed') AND domain > ? ORDER BY domain LIMIT 1",
        )?;
        loop {
            match following.query_row([&self.at], |row| row.get::<_, String>(0)).optional()? {
                Some(domain) if !self.has_wrapped || domain.as_str() <= self.after => {
                    self.at = domain;
                    return Ok(Some(&self.at));
                }
                None if !self.has_wrapped && !self.after.is_empty() => {
                    self.has_wrapped = true;
                    self.at.clear();
                }
                _ => return Ok(None),
            }
        }
    }
}

/// A mail in its lane.
struct Waiting {
    edition: i64,
    due: DateTime<Utc>,
    /// Whether its subscriber may be written to.
    is_welcome: bool,
    attempts: u32,
    unknowns: u32,
    queued: DateTime<Utc>,
    /// Whether it was claimed and the lease has run out.
    is_abandoned: bool,
}

/// The first mails of a lane, by the time they are due.
fn waiting(tx: &Transaction<'_>, domain: &str, limit: usize) -> Result<Vec<Waiting>> {
    let mut first = tx.prepare_cached(
        "SELECT o.edition, o.due, s.consent = 'confirmed' AND s.listed = 1, o.attempts, o.unknowns, o.queued,
                o.state = 'claimed'
         FROM outbox o INDEXED BY outbox_lanes
         JOIN editions e ON e.id = o.edition JOIN subscriptions s ON s.id = e.subscription
         WHERE o.state IN ('queued', 'claimed') AND o.domain = ? ORDER BY o.due, o.edition LIMIT ?",
    )?;
    let rows = first.query_map(params![domain, limit], |row| {
        Ok(Waiting {
            edition: row.get(0)?,
            due: instant(row.get(1)?),
            is_welcome: row.get(2)?,
            attempts: row.get(3)?,
            unknowns: row.get(4)?,
            queued: instant(row.get(5)?),
            is_abandoned: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Claims a mail, or ends it when there is nothing to claim any more.
fn take(tx: &Transaction<'_>, mail: &Waiting, now: DateTime<Utc>, lease: Duration) -> Result<Option<Claim>> {
    let edition = mail.edition;
    if !mail.is_welcome {
        finish(tx, edition, OutboxState::Dropped, now)?;
        note(tx, edition, now, "dropped", None, "the subscriber has left")?;
        return Ok(None);
    }
    let mailing = match mailing(tx, edition) {
        Ok(mailing) => mailing,
        // An order that this program can't read any more holds no other mail, and can be retried by hand.
        Err(error @ StoreError::Unreadable { .. }) => {
            finish(tx, edition, OutboxState::Failed, now)?;
            note(tx, edition, now, "permanent", None, &error.to_string())?;
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    tx.prepare_cached(
        "UPDATE outbox SET state = 'claimed', due = ?2, attempts = attempts + 1, in_doubt = max(in_doubt, ?3)
         WHERE edition = ?1",
    )?
    .execute(params![edition, (now + lease).timestamp(), mail.is_abandoned])?;
    Ok(Some(Claim { mailing, attempt: mail.attempts + 1, unknowns: mail.unknowns, queued: mail.queued }))
}

fn mailing(tx: &Transaction<'_>, edition: i64) -> Result<Mailing> {
    let mut query = tx.prepare_cached(&format!("SELECT {MAILING} WHERE e.id = ?"))?;
    let mut rows = query.query([edition])?;
    match rows.next()? {
        Some(row) => mailing_of(row),
        None => Err(rusqlite::Error::QueryReturnedNoRows.into()),
    }
}

fn mailing_of(row: &Row<'_>) -> Result<Mailing> {
    let text = |index: usize| row.get::<_, String>(index);
    let owed: Vec<u32> = from_json("list of papers", &text(6)?)?;
    Ok(Mailing {
        edition: row.get(0)?,
        slot: slot(&text(1)?)?,
        read: row.get(2)?,
        decided: instant(row.get(3)?),
        papers: from_json("list of papers", &text(4)?)?,
        also: from_json("list of papers", &text(5)?)?,
        owed: owed.len(),
        looked_at: row.get(7)?,
        subscriber: row.get(9)?,
        subscription: restore(&text(8)?, &text(11)?, row.get(10)?)?,
        message_id: row.get(12)?,
    })
}

pub(super) fn finish(tx: &Transaction<'_>, edition: i64, state: OutboxState, at: DateTime<Utc>) -> Result<()> {
    tx.prepare_cached("UPDATE outbox SET state = ?2, due = ?3 WHERE edition = ?1")?.execute(params![
        edition,
        state.as_str(),
        at.timestamp()
    ])?;
    Ok(())
}

pub(super) fn note(
    tx: &Transaction<'_>,
    edition: i64,
    at: DateTime<Utc>,
    outcome: &str,
    error: Option<&SendError>,
    reply: &str,
) -> Result<()> {
    let fault = error.map(SendError::fault);
    tx.prepare_cached(
        "INSERT INTO attempts (edition, at, outcome, phase, code, enhanced, reply) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        edition,
        at.timestamp(),
        outcome,
        fault.map(|f| f.phase),
        fault.and_then(|f| f.code),
        fault.and_then(|f| f.enhanced.as_deref()),
        reply
    ])?;
    Ok(())
}
