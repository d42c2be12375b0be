//! Whose votes still matter.
//!
//! A paper below the votes that a subscriber asks for may reach them later. While it may be chosen at all, the lists that it
//! is on are worth another look.

use chrono::{DateTime, NaiveDate, Utc};
use rusqlite::{Transaction, params};

use super::sqlite::HIGHEST_MINIMUM;
use super::{Result, Store, day};
use crate::core::paper::SourceId;

impl Store {
    /// The days on which `source` listed a paper that was first seen at `since` or later and has fewer votes than some
    /// subscriber asks for; newest first.
    pub fn followed_days(&self, source: &SourceId, since: DateTime<Utc>) -> Result<Vec<NaiveDate>> {
        self.read(|tx| {
            let line = highest_minimum(tx)?;
            let mut days = tx.prepare_cached(
                "SELECT DISTINCT l.day FROM papers p JOIN listings l ON l.paper = p.id
                 WHERE p.first_seen >= ?1 AND l.source = ?2
                 AND (SELECT coalesce(max(upvotes), 0) FROM listings WHERE paper = p.id AND source = ?2) < ?3
                 ORDER BY l.day DESC",
            )?;
            let mut rows = days.query(params![since.timestamp(), source.as_str(), line])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(day(&row.get::<_, String>(0)?)?);
            }
            Ok(found)
        })
    }
}

/// The most votes that anyone asks for, who may still get a mail; 0 when nobody asks for any.
fn highest_minimum(tx: &Transaction<'_>) -> Result<i64> {
    // One that can't be read fails by itself, when an edition of it is due.
    let mut query = tx.prepare_cached(&format!(
        "{HIGHEST_MINIMUM}
         WHERE d.id IN (SELECT definition FROM subscriptions WHERE listed = 1 AND consent = 'confirmed')",
    ))?;
    Ok(query.query_row([], |row| row.get(0))?)
}
