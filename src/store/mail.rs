//! One mail's row in the outbox: its state, its name and the notes on its attempts. [`super::outbox`] and [`super::claims`] say
//! when these change.

use chrono::{DateTime, Utc};
use rusqlite::{Transaction, params};

use super::Result;
use super::sqlite::RANDOM_HEX;
use crate::core::delivery::{AttemptOutcome, SendError};
use crate::core::word_enum;

word_enum! {
    /// The state of a mail, in the order of its life.
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

/// When a queued mail is due whose subscription is paused: at the end of the year 9999, behind all others of its lane.
pub(super) const PARKED: i64 = 253_402_300_799;

/// Gives a mail another Message-ID: it will not be the mail that was tried under the old one.
pub(super) fn rename(tx: &Transaction<'_>, mail: i64) -> Result<()> {
    tx.prepare_cached(&format!(
        "UPDATE outbox SET renderer = NULL,
                message_id = '<' || id || '.' || {RANDOM_HEX} || substr(message_id, instr(message_id, '@'))
         WHERE id = ?",
    ))?
    .execute([mail])?;
    Ok(())
}

/// Ends a mail at `at`.
pub(super) fn finish(tx: &Transaction<'_>, mail: i64, state: OutboxState, at: DateTime<Utc>) -> Result<()> {
    tx.prepare_cached("UPDATE outbox SET state = ?2, due = ?3 WHERE id = ?1")?.execute(params![
        mail,
        state,
        at.timestamp()
    ])?;
    Ok(())
}

/// Writes down how an attempt ended, or why there is none.
pub(super) fn note(
    tx: &Transaction<'_>,
    mail: i64,
    at: DateTime<Utc>,
    outcome: AttemptOutcome,
    error: Option<&SendError>,
    reply: &str,
) -> Result<()> {
    let fault = error.map(SendError::fault);
    tx.prepare_cached(
        "INSERT INTO attempts (mail, at, outcome, phase, code, enhanced, reply) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        mail,
        at.timestamp(),
        outcome,
        fault.map(|f| f.phase),
        fault.and_then(|f| f.code),
        fault.and_then(|f| f.enhanced.as_deref()),
        reply
    ])?;
    Ok(())
}

/// See [`super::Store::may_send`].
pub(super) fn may_send(tx: &Transaction<'_>, claims: &[(i64, u32)]) -> Result<Vec<bool>> {
    let mut may = tx.prepare_cached(
        "SELECT o.state = 'claimed' AND o.attempts = ?2
                AND CASE o.kind WHEN 'edition' THEN s.consent = 'confirmed' AND s.listed = 1 AND s.paused = 0
                            ELSE coalesce(s.consent, '') <> 'suppressed' END
         FROM outbox o LEFT JOIN subscriptions s ON s.id = o.subscription
         WHERE o.id = ?1",
    )?;
    claims.iter().map(|claim| Ok(may.query_row(*claim, |row| row.get(0))?)).collect()
}
