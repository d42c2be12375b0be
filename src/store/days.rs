//! Which days of each source were ever read.
//!
//! A first edition looks back over days from before its subscription was made, perhaps from before there was a database.
//! What it looks at has to be read for it, and its mail speaks of no day that was not.

use chrono::{DateTime, Days, NaiveDate, Utc};
use rusqlite::{Transaction, params};

use super::subscriptions::LOOK_BACK;
use super::{Result, Store, day};
use crate::core::paper::SourceId;

/// The furthest that days are read for a first edition: a source answers one request or more for each.
const FURTHEST: u64 = 30;

impl Store {
    /// The days that a first edition may look at and that were never read of `source`, newest first: those of the last week,
    /// and those since the first day of a subscription that has had no edition, as far as they are among the last thirty.
    pub fn unread_days(&self, source: &SourceId, now: DateTime<Utc>) -> Result<Vec<NaiveDate>> {
        let today = now.date_naive();
        self.read(|tx| {
            let mut earliest = tx.prepare_cached(
                "SELECT min(since) FROM subscriptions
                 WHERE decided IS NULL AND listed = 1 AND consent = 'confirmed' AND paused = 0 AND held IS NULL",
            )?;
            let earliest: Option<String> = earliest.query_row([], |row| row.get(0))?;
            let by_itself = today - Days::new(LOOK_BACK);
            let first = earliest.as_deref().map(day).transpose()?.map_or(by_itself, |since| since.min(by_itself));
            let first = first.max(today - Days::new(FURTHEST));
            let mut is_read = tx.prepare_cached("SELECT 1 FROM read_days WHERE source = ? AND day = ?")?;
            let mut unread = Vec::new();
            for day in first.iter_days().take_while(|day| *day <= today) {
                if !is_read.exists(params![source.as_str(), day.to_string()])? {
                    unread.push(day);
                }
            }
            unread.reverse();
            Ok(unread)
        })
    }

    /// The first of the days up to `now` that were all read, of each source that is read by days; `None` when there is none.
    pub fn read_since(&self, now: DateTime<Utc>) -> Result<Option<NaiveDate>> {
        let today = now.date_naive();
        // One that is no longer read says nothing of these days.
        let newest = today - Days::new(1);
        self.read(|tx| {
            let mut sources = tx.prepare_cached(
                "SELECT source, max(day) FROM read_days WHERE day <= ?1 GROUP BY source HAVING max(day) >= ?2",
            )?;
            let mut days =
                tx.prepare_cached("SELECT day FROM read_days WHERE source = ? AND day < ? ORDER BY day DESC")?;
            let mut rows = sources.query(params![today.to_string(), newest.to_string()])?;
            let mut since = None;
            while let Some(row) = rows.next()? {
                let (source, last): (String, String) = (row.get(0)?, row.get(1)?);
                let mut first = day(&last)?;
                let mut before = days.query([source, last])?;
                while let Some(row) = before.next()? {
                    let earlier = day(&row.get::<_, String>(0)?)?;
                    if first - Days::new(1) != earlier {
                        break;
                    }
                    first = earlier;
                }
                since = since.max(Some(first));
            }
            Ok(since)
        })
    }
}

/// Notes that these days were read.
pub(super) fn note(tx: &Transaction<'_>, source: &SourceId, days: &[NaiveDate]) -> Result<()> {
    let mut insert = tx.prepare_cached("INSERT INTO read_days (source, day) VALUES (?, ?) ON CONFLICT DO NOTHING")?;
    days.iter().try_for_each(|day| insert.execute(params![source.as_str(), day.to_string()]).map(drop))?;
    Ok(())
}
