//! The transactional outbox: where each mail stands, how each try ended, and what an operator may do about it.
//!
//! An outcome, the attempt's row, what it says of the address and of the pace are one commit: before it the mail counts as
//! under way, after it as what it says. Who works on what, [`super::claims`] has.

use chrono::{DateTime, NaiveDateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use super::{Result, Store, bounces, claims, holds, instant, slot, suspicions};
use crate::core::delivery::{AttemptOutcome, Outcome, Receipt, SendError, Tries};
use crate::core::digest::RENDERER;
use crate::core::pacing::Change;
use crate::core::paper::PaperKey;
use crate::core::word_enum;

word_enum! {
    /// Where a queued mail stands.
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
    /// What all attempts that concern the mail have come to, with this one.
    pub tries: Tries,
    /// What follows.
    pub outcome: Outcome,
    /// The domains whose hold it began or deepened; the empty one is everything's.
    pub met: Vec<String>,
    /// Whether the recipient's domain is said to have none of its mailboxes: then "no such mailbox" suppresses nobody.
    pub is_doubtful: bool,
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
    /// Queued: whether it waits for the end of a pause; `due` is then far off.
    pub is_paused: bool,
    /// What the other side said last.
    pub last_reply: Option<String>,
}

impl Store {
    /// Records how attempts ended and what follows from it, all in one commit: for the mail, for the recipient's address
    /// (as a report that came back would), and for the pace (`changes`). `is_lasting` is that of [`Store::take_bounce`].
    /// Then answers what [`Store::may_send`] does about `asking`.
    pub fn record(
        &self,
        outcomes: &[Recorded],
        changes: &[Change],
        is_lasting: impl Fn(&[DateTime<Utc>]) -> bool,
        asking: &[(i64, u32)],
    ) -> Result<Vec<bool>> {
        let answers = self.write(|tx| {
            // First: while a domain rests for a reason of ours nobody in it is counted, whatever was said.
            holds::keep(tx, changes)?;
            for recorded in outcomes {
                let (state, due) = match recorded.outcome {
                    Outcome::Sent => (OutboxState::Sent, recorded.at),
                    Outcome::Retry(at) => (OutboxState::Queued, at),
                    Outcome::Failed => (OutboxState::Failed, recorded.at),
                };
                let is_unknown = matches!(recorded.result, Err(SendError::Unknown(_)));
                let Tries { count, unknowns, first } = recorded.tries;
                // A lease that ran out was claimed again: then only the later claim's outcome counts, unless this one
                // says that the mail is out.
                tx.prepare_cached(
                    "UPDATE outbox SET state = ?3, due = ?4, in_doubt = max(in_doubt, ?5), tries = ?6, unknowns = ?7,
                            tried = ?8, reply = ?9, comes_again = ?3 = 'failed' AND NOT max(in_doubt, ?5)
                     WHERE edition = ?1 AND (state = 'claimed' AND attempts = ?2 OR ?3 = 'sent')",
                )?
                .execute(params![
                    recorded.edition,
                    recorded.attempt,
                    state,
                    due.timestamp(),
                    is_unknown,
                    count,
                    unknowns,
                    first.map(|at| at.timestamp()),
                    recorded.result.as_ref().ok().map(|receipt| &receipt.reply)
                ])?;
                if let Err(error) = &recorded.result {
                    note(tx, recorded.edition, recorded.at, error.kind(), Some(error), &error.fault().text)?;
                    bounces::refused(tx, recorded, &is_lasting)?;
                    // Whoever is suppressed gets nothing again by itself, whatever a person decides later.
                    tx.prepare_cached(
                        "UPDATE outbox SET comes_again = 0 WHERE edition = ?1 AND comes_again
                            AND (SELECT s.consent FROM editions e JOIN subscriptions s ON s.id = e.subscription
                                 WHERE e.id = ?1) <> 'confirmed'",
                    )?
                    .execute([recorded.edition])?;
                } else {
                    suspicions::taken(tx, recorded.edition, recorded.at)?;
                }
                for domain in &recorded.met {
                    holds::met(tx, domain, recorded.edition)?;
                }
            }
            if let Some(sent) = outcomes.iter().find(|recorded| recorded.outcome == Outcome::Sent) {
                tx.prepare_cached(
                    "INSERT INTO meta (key, value) VALUES ('first-mail', CAST(? AS BLOB))
                     ON CONFLICT (key) DO UPDATE SET value = excluded.value
                     WHERE CAST(CAST(excluded.value AS TEXT) AS INTEGER) < CAST(CAST(value AS TEXT) AS INTEGER)",
                )?
                .execute([sent.at.timestamp().to_string()])?;
            }
            claims::may_send(tx, asking)
        })?;
        outcomes.iter().for_each(|recorded| self.tally.count(&recorded.result));
        Ok(answers)
    }

    /// When the next mail is due, if any is queued.
    pub fn next_delivery(&self) -> Result<Option<DateTime<Utc>>> {
        self.read(|tx| {
            let mut least = tx.prepare_cached("SELECT min(due) FROM outbox WHERE state = ?")?;
            let mut of = |state: OutboxState| least.query_row([state], |row| row.get::<_, Option<i64>>(0));
            let due = [of(OutboxState::Queued)?, of(OutboxState::Claimed)?].into_iter().flatten().min();
            Ok(due.filter(|due| *due != claims::PARKED).map(instant))
        })
    }

    /// When the next mail is due that was put off until after `now`.
    pub fn next_retry(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        self.read(|tx| {
            let sql = "SELECT min(due) FROM outbox WHERE state = 'queued' AND due > ? AND due < ?";
            let due: Option<i64> =
                tx.prepare_cached(sql)?.query_row([now.timestamp(), claims::PARKED], |row| row.get(0))?;
            Ok(due.map(instant))
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

    /// One mail, whatever its state; `None` when the edition has none.
    pub fn outbox_entry(&self, edition: i64) -> Result<Option<OutboxEntry>> {
        Ok(self.entries(&OutboxState::ALL, "o", "o.edition = ?", edition, 1)?.pop())
    }

    fn entries(
        &self,
        states: &[OutboxState],
        outbox: &str,
        which: &str,
        edition: i64,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        self.read(|tx| {
            let mut entries = tx.prepare_cached(&format!(
                "SELECT o.edition, o.state, s.address, e.slot, o.message_id, o.attempts, o.queued, o.due,
                        coalesce(o.reply, (SELECT concat_ws(' ', phase || ':', code, enhanced, reply) FROM attempts a
                         WHERE a.edition = o.edition ORDER BY a.id DESC LIMIT 1))
                 FROM outbox {outbox}
                 JOIN editions e ON e.id = o.edition JOIN subscriptions s ON s.id = e.subscription
                 WHERE o.state IN (SELECT value FROM json_each(?)) AND {which} LIMIT ?"
            ))?;
            let words: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
            let mut rows = entries.query(params![super::to_json("states", &words)?, edition, limit])?;
            let mut out = Vec::new();
            while let Some(row) = rows.next()? {
                out.push(OutboxEntry {
                    edition: row.get(0)?,
                    state: row.get(1)?,
                    address: row.get(2)?,
                    slot: slot(&row.get::<_, String>(3)?)?,
                    message_id: row.get(4)?,
                    attempts: row.get(5)?,
                    queued: instant(row.get(6)?),
                    due: instant(row.get(7)?),
                    is_paused: row.get::<_, i64>(7)? == claims::PARKED,
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
                    let sql = "UPDATE outbox SET comes_again = NOT in_doubt WHERE edition = ?";
                    tx.prepare_cached(sql)?.execute([edition])?;
                    note(tx, *edition, now, AttemptOutcome::Dropped, None, "the operator dropped it")?;
                    dropped += 1;
                }
            }
            Ok(dropped)
        })
    }

    /// Queues failed mails again, as at first: the one of `edition`, or all that failed after `since`. Returns how many.
    pub fn retry_failed(&self, edition: Option<i64>, since: DateTime<Utc>, now: DateTime<Utc>) -> Result<usize> {
        self.write(|tx| {
            let mut failed = tx.prepare_cached(
                "UPDATE outbox
                 SET state = 'queued', comes_again = 0, queued = ?1, due = ?1, attempts = 0, tries = 0, unknowns = 0, tried = NULL
                 WHERE state = 'failed' AND (edition = ?2 OR ?2 IS NULL AND due >= ?3)
                 RETURNING edition, renderer",
            )?;
            let queued = failed.query_map(params![now.timestamp(), edition, since.timestamp()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            let queued: Vec<(i64, Option<u32>)> = queued.collect::<Result<_, _>>()?;
            // As this version makes it now, whether or not a server has what another one made: a person has decided that.
            for (edition, _) in queued.iter().filter(|(_, renderer)| renderer.is_some_and(|made| made != RENDERER)) {
                rename(tx, *edition)?;
            }
            Ok(queued.len())
        })
    }

    /// The papers that were given up, since two mails with them were refused: those of this mail, and those that this mail
    /// counts for its reader.
    pub fn given_up(&self, edition: i64) -> Result<Vec<PaperKey>> {
        self.read(|tx| {
            let mut papers = tx.prepare_cached(
                "SELECT DISTINCT p.key FROM editions own
                 JOIN editions later ON later.subscription = own.subscription AND later.id >= own.id
                 JOIN json_each(later.told, '$.refused') refused JOIN papers p ON p.id = refused.value
                 WHERE own.id = ? AND json_valid(later.told) AND (later.id = own.id OR refused.value IN (
                     SELECT value FROM json_tree(json_array(json(own.papers), json(own.also))) WHERE type = 'integer'))
                 ORDER BY p.id",
            )?;
            let keys = papers.query_map([edition], |row| Ok(PaperKey::from_stored(row.get(0)?)))?;
            Ok(keys.collect::<Result<_, _>>()?)
        })
    }

    /// The tries of one mail, oldest first: when, how it ended, and the other side's words.
    pub fn attempts(&self, edition: i64) -> Result<Vec<(DateTime<Utc>, String, String)>> {
        self.read(|tx| {
            let mut attempts = tx.prepare_cached(
                "SELECT at, outcome, concat_ws(' ', phase || ':', code, enhanced, reply), id FROM attempts
                 WHERE edition = ?1
                 UNION ALL SELECT due, state, reply, 1 << 62 FROM outbox WHERE edition = ?1 AND reply IS NOT NULL
                 ORDER BY 4",
            )?;
            let rows = attempts.query_map([edition], |row| Ok((instant(row.get(0)?), row.get(1)?, row.get(2)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// Gives a mail another Message-ID: it will not be the mail that was tried under the old one.
pub(super) fn rename(tx: &Transaction<'_>, edition: i64) -> Result<()> {
    tx.prepare_cached(
        "UPDATE outbox SET renderer = NULL, message_id =
             '<' || edition || '.' || lower(hex(randomblob(12))) || substr(message_id, instr(message_id, '@'))
         WHERE edition = ?",
    )?
    .execute([edition])?;
    Ok(())
}

pub(super) fn finish(tx: &Transaction<'_>, edition: i64, state: OutboxState, at: DateTime<Utc>) -> Result<()> {
    tx.prepare_cached("UPDATE outbox SET state = ?2, due = ?3 WHERE edition = ?1")?.execute(params![
        edition,
        state,
        at.timestamp()
    ])?;
    Ok(())
}

pub(super) fn note(
    tx: &Transaction<'_>,
    edition: i64,
    at: DateTime<Utc>,
    outcome: AttemptOutcome,
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
