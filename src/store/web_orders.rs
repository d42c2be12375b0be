//! Readers who came by the web, and whom a file names too.
//!
//! A file wins for what it names. While it names such a reader, its entry is in force: its owner vouches for whom they list, also
//! for an opt-in that is not confirmed yet. What the reader ordered by the web is kept in `web_orders` with their own consent, and
//! is in force again once no file names them. Their own pause (`reader_paused`) and their leaving win over every file. A file
//! neither retires nor holds anybody who came by the web.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{Result, Store, claims};
use crate::config::Listing;
use crate::core::subscription::Consent;

/// A condition: a file names this row of `subscriptions`, or did when it was last in one.
pub(super) const IN_FILE: &str = "(subscriptions.origin = 'file'
    OR EXISTS (SELECT 1 FROM web_orders WHERE web_orders.subscription = subscriptions.id))";

impl Store {
    /// Those of the files' addresses whose readers came by the web as well, in the order of the files.
    pub fn also_by_web(&self, listing: &Listing) -> Result<Vec<String>> {
        self.read(|tx| {
            let mut by_web = tx.prepare_cached(
                "SELECT 1 FROM subscriptions WHERE address_key = ? AND origin = 'web' AND listed = 1",
            )?;
            let listed = listing.subscriptions.iter().map(|listed| &listed.subscription.address);
            let mut both = Vec::new();
            for address in listed.chain(listing.faulty.iter().map(|faulty| &faulty.address)) {
                if by_web.exists([address.normalized()])? {
                    both.push(address.reveal());
                }
            }
            Ok(both)
        })
    }
}

/// Keeps what a reader ordered by the web, before a file's entry takes its place.
pub(super) fn keep(tx: &Transaction<'_>, id: i64) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO web_orders (subscription, definition, consent)
         SELECT id, definition, CASE consent WHEN 'pending' THEN 'pending' ELSE 'confirmed' END
         FROM subscriptions WHERE id = ? ON CONFLICT DO NOTHING",
    )?
    .execute([id])?;
    Ok(())
}

/// Brings what a reader ordered by the web into force again: no file names them any more. Returns the number of the definition that
/// was in force, and the text of the one that is.
pub(super) fn restore(tx: &Transaction<'_>, id: i64, now: DateTime<Utc>) -> Result<Option<(i64, String)>> {
    let sql = "SELECT s.definition, w.definition, d.text, w.consent, s.paused AND NOT s.reader_paused
               FROM web_orders w JOIN subscriptions s ON s.id = w.subscription JOIN definitions d ON d.id = w.definition
               WHERE w.subscription = ?";
    let order: Option<(i64, i64, String, Consent, bool)> = tx
        .prepare_cached(sql)?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?;
    let Some((file, own, text, consent, resumes)) = order else { return Ok(None) };
    tx.prepare_cached(
        "UPDATE subscriptions SET definition = ?2, paused = reader_paused, held = NULL, removed = 0, file = NULL, next_at = 0,
                fault = NULL, consent = CASE consent WHEN 'confirmed' THEN ?3 ELSE consent END
         WHERE id = ?1",
    )?
    .execute(params![id, own, consent])?;
    tx.prepare_cached("DELETE FROM web_orders WHERE subscription = ?")?.execute([id])?;
    if resumes {
        claims::unpark(tx, id, now)?;
    }
    Ok(Some((file, text)))
}

/// Forgets what a reader ordered by the web: they have left. What a file says of them stays.
pub(super) fn forget(tx: &Transaction<'_>, id: i64) -> Result<()> {
    let forgotten = tx.prepare_cached("DELETE FROM web_orders WHERE subscription = ?")?.execute([id])?;
    if forgotten > 0 {
        tx.prepare_cached("UPDATE subscriptions SET origin = 'file' WHERE id = ?")?.execute([id])?;
    }
    Ok(())
}
