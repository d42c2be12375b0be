//! The transactional outbox: mails of every kind, how each attempt ended, and what an operator may do about it.
//!
//! An outcome, the attempt's row, what it says of the address and of the pace are one commit: before it the mail counts as
//! under way, after it as what it says. Who works on what, [`super::claims`] has.

use chrono::{DateTime, NaiveDateTime, Utc};
use rusqlite::{OptionalExtension, params};
use serde::Serialize;

use super::mail::{OutboxState, PARKED, finish, may_send, note, rename};
use super::sqlite::{BY_NUMBER, GIVEN_UP, IS_IN_EDITION};
use super::{Result, Store, bounces, holds, instant, slot, suspicions};
use crate::core::delivery::{AttemptOutcome, Outcome, Receipt, RetryState, SendError};
use crate::core::digest::RENDERER;
use crate::core::mailing::MailKind;
use crate::core::pacing::Change;
use crate::core::paper::PaperKey;

/// How one attempt ended.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The mail.
    pub mail: i64,
    /// The claim's attempt.
    pub attempt: u32,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// What the transport said.
    pub result: Result<Receipt, SendError>,
    /// What all attempts that concern the mail have come to, with this one.
    pub tries: RetryState,
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
    /// Its number, by which it is named.
    pub mail: i64,
    /// What it is.
    pub kind: MailKind,
    /// The edition that it carries.
    pub edition: Option<i64>,
    /// Its state.
    pub state: OutboxState,
    /// The subscriber's address in clear: it is shown to the operator who asked.
    pub address: String,
    /// The edition's local slot.
    pub slot: Option<NaiveDateTime>,
    /// The Message-ID.
    pub message_id: String,
    /// RetryState so far.
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
            // First: while a domain is held because of our configuration or reputation nobody in it is counted, whatever was said.
            holds::keep(tx, changes)?;
            for recorded in outcomes {
                let (state, due) = match recorded.outcome {
                    Outcome::Sent => (OutboxState::Sent, recorded.at),
                    Outcome::Retry(at) => (OutboxState::Queued, at),
                    Outcome::Failed => (OutboxState::Failed, recorded.at),
                };
                let is_unknown = matches!(recorded.result, Err(SendError::Unknown(_)));
                let RetryState { count, unknowns, first } = recorded.tries;
                // A lease that ran out was claimed again: then only the later claim's outcome counts, unless this one
                // says that the mail is out.
                tx.prepare_cached(
                    "UPDATE outbox SET due = ?4, state = CASE WHEN ?3 = 'failed' AND kind = 'test' THEN 'dropped' ELSE ?3 END,
                            in_doubt = max(in_doubt, ?5), tries = ?6, unknowns = ?7,
                            tried = ?8, reply = ?9, comes_again = ?3 = 'failed' AND kind = 'edition' AND NOT max(in_doubt, ?5)
                     WHERE id = ?1 AND (state = 'claimed' AND attempts = ?2 OR ?3 = 'sent')",
                )?
                .execute(params![
                    recorded.mail,
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
                    note(tx, recorded.mail, recorded.at, error.kind(), Some(error), &error.fault().text)?;
                    bounces::refused(tx, recorded, &is_lasting)?;
                    // A suppressed address gets nothing again by itself, whatever a person decides later.
                    tx.prepare_cached(
                        "UPDATE outbox SET comes_again = 0 WHERE id = ? AND comes_again
                            AND (SELECT consent FROM subscriptions WHERE id = subscription) <> 'confirmed'",
                    )?
                    .execute([recorded.mail])?;
                } else {
                    suspicions::taken(tx, recorded.mail, recorded.at)?;
                }
                for domain in &recorded.met {
                    holds::met(tx, domain, recorded.mail)?;
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
            may_send(tx, asking)
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
            Ok(due.filter(|due| *due != PARKED).map(instant))
        })
    }

    /// When the next mail is due that was put off until after `now`.
    pub fn next_retry(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        self.read(|tx| {
            let sql = "SELECT min(due) FROM outbox WHERE state = 'queued' AND due > ? AND due < ?";
            let due: Option<i64> = tx.prepare_cached(sql)?.query_row([now.timestamp(), PARKED], |row| row.get(0))?;
            Ok(due.map(instant))
        })
    }

    /// The mails in these states, newest first.
    pub fn outbox(&self, states: &[OutboxState], limit: usize) -> Result<Vec<OutboxEntry>> {
        self.entries(states, "o", "o.id > ? ORDER BY o.id DESC", 0, limit)
    }

    /// The mails in these states with a larger number than `after`, oldest first.
    pub fn outbox_after(&self, states: &[OutboxState], after: i64, limit: usize) -> Result<Vec<OutboxEntry>> {
        // By number from where the last page ended; by state each page would sort all of them.
        self.entries(states, &format!("o {BY_NUMBER}"), "o.id > ? ORDER BY o.id", after, limit)
    }

    /// One mail, whatever its state; `None` when there is none of this number.
    pub fn outbox_entry(&self, mail: i64) -> Result<Option<OutboxEntry>> {
        Ok(self.entries(&OutboxState::ALL, "o", "o.id = ?", mail, 1)?.pop())
    }

    fn entries(
        &self,
        states: &[OutboxState],
        outbox: &str,
        which: &str,
        mail: i64,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        let words: Vec<String> = states.iter().map(|state| format!("'{state}'")).collect();
        let words = words.join(", ");
        self.read(|tx| {
            let mut entries = tx.prepare_cached(&format!(
                "SELECT o.id, o.state, coalesce(o.address, s.address), e.slot, o.message_id, o.attempts, o.queued, o.due,
                        coalesce(o.reply, (SELECT concat_ws(' ', phase || ':', code, enhanced, reply) FROM attempts a
                         WHERE a.mail = o.id ORDER BY a.id DESC LIMIT 1)),
                        o.kind, o.edition
                 FROM outbox {outbox}
                 LEFT JOIN editions e ON e.id = o.edition LEFT JOIN subscriptions s ON s.id = o.subscription
                 WHERE o.state IN ({words}) AND {which} LIMIT ?"
            ))?;
            let mut rows = entries.query(params![mail, limit])?;
            let mut out = Vec::new();
            while let Some(row) = rows.next()? {
                out.push(OutboxEntry {
                    mail: row.get(0)?,
                    kind: row.get(9)?,
                    edition: row.get(10)?,
                    state: row.get(1)?,
                    address: row.get(2)?,
                    slot: row.get::<_, Option<String>>(3)?.as_deref().map(slot).transpose()?,
                    message_id: row.get(4)?,
                    attempts: row.get(5)?,
                    queued: instant(row.get(6)?),
                    due: instant(row.get(7)?),
                    is_paused: row.get::<_, i64>(7)? == PARKED,
                    last_reply: row.get(8)?,
                });
            }
            Ok(out)
        })
    }

    /// Drops mails that are queued or failed. Their papers stay to come, unless the other side may have them. Returns
    /// how many were dropped: one that is under way can't be.
    pub fn drop_mails(&self, mails: &[i64], now: DateTime<Utc>) -> Result<usize> {
        self.write(|tx| {
            let mut dropped = 0;
            for mail in mails {
                let sql = "SELECT 1 FROM outbox WHERE id = ? AND state IN ('queued', 'failed')";
                if tx.query_row(sql, [mail], |_| Ok(())).optional()?.is_some() {
                    finish(tx, *mail, OutboxState::Dropped, now)?;
                    let sql = "UPDATE outbox SET comes_again = kind = 'edition' AND NOT in_doubt WHERE id = ?";
                    tx.prepare_cached(sql)?.execute([mail])?;
                    note(tx, *mail, now, AttemptOutcome::Dropped, None, "the operator dropped it")?;
                    dropped += 1;
                }
            }
            Ok(dropped)
        })
    }

    /// Queues failed mails again, as at first: `mail`, or all that failed after `since`. Returns how many.
    pub fn retry_failed(&self, mail: Option<i64>, since: DateTime<Utc>, now: DateTime<Utc>) -> Result<usize> {
        self.write(|tx| {
            let mut failed = tx.prepare_cached(
                "UPDATE outbox
                 SET state = 'queued', comes_again = 0, queued = ?1, due = ?1, attempts = 0, tries = 0, unknowns = 0, tried = NULL
                 WHERE state = 'failed' AND (id = ?2 OR ?2 IS NULL AND due >= ?3)
                 RETURNING id, renderer",
            )?;
            let queued = failed.query_map(params![now.timestamp(), mail, since.timestamp()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            let queued: Vec<(i64, Option<u32>)> = queued.collect::<Result<_, _>>()?;
            // As this version makes it now, whether or not a server has what another one made: a person has decided that.
            for (mail, _) in queued.iter().filter(|(_, renderer)| renderer.is_some_and(|made| made != RENDERER)) {
                rename(tx, *mail)?;
            }
            Ok(queued.len())
        })
    }

    /// The papers that were given up, since two mails with them were refused: those of this mail, and those that this mail
    /// counts for its reader.
    pub fn given_up(&self, mail: i64) -> Result<Vec<PaperKey>> {
        self.read(|tx| {
            let mut papers = tx.prepare_cached(&format!(
                "SELECT DISTINCT p.key FROM outbox o JOIN editions own ON own.id = o.edition
                 JOIN editions later ON later.subscription = own.subscription AND later.id >= own.id
                 JOIN {GIVEN_UP} JOIN papers p ON p.id = refused.value
                 WHERE o.id = ? AND (later.id = own.id OR {IS_IN_EDITION})
                 ORDER BY p.id",
            ))?;
            let keys = papers.query_map([mail], |row| Ok(PaperKey::from_stored(row.get(0)?)))?;
            Ok(keys.collect::<Result<_, _>>()?)
        })
    }

    /// The tries of one mail, oldest first: when, how it ended, and the other side's words.
    pub fn attempts(&self, mail: i64) -> Result<Vec<(DateTime<Utc>, String, String)>> {
        self.read(|tx| {
            let mut attempts = tx.prepare_cached(
                "SELECT at, outcome, concat_ws(' ', phase || ':', code, enhanced, reply), id FROM attempts
                 WHERE mail = ?1
                 UNION ALL SELECT due, state, reply, 1 << 62 FROM outbox WHERE id = ?1 AND reply IS NOT NULL
                 ORDER BY 4",
            )?;
            let rows = attempts.query_map([mail], |row| Ok((instant(row.get(0)?), row.get(1)?, row.get(2)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}
