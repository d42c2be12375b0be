//! In how many of all papers ever seen each term occurs: what `like:` weighs words by.
//!
//! Papers are counted once, in the order of their numbers, and only where somebody uses `like:`; the row says how far that has
//! come, so that a count which was stopped goes on from there. One of another version of the language is begun anew.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{Result, Store, content};
use crate::core::matching::LANGUAGE;
use crate::core::terms::Statistics;

impl Store {
    /// Counts up to `limit` papers that were not counted yet: one short transaction. Returns how many there were; no more are
    /// left when it is fewer than `limit`.
    pub fn count_terms(&self, limit: usize) -> Result<usize> {
        let (mut statistics, counted, papers) = self.read(|tx| {
            let (statistics, counted) = known(tx)?.unwrap_or_default();
            let mut query = tx.prepare_cached(
                "SELECT id, content FROM papers WHERE id > ? AND id NOT IN (SELECT paper FROM joined) ORDER BY id LIMIT ?",
            )?;
            let mut rows = query.query(params![counted, limit])?;
            let mut papers: Vec<(i64, Vec<u8>)> = Vec::new();
            while let Some(row) = rows.next()? {
                papers.push((row.get(0)?, row.get(1)?));
            }
            Ok((statistics, counted, papers))
        })?;
        let Some((last, _)) = papers.last() else { return Ok(0) };
        let before = (statistics.papers(), counted);
        for (_, content) in &papers {
            statistics.add(&content::shown(content)?);
        }
        let bytes = statistics.to_bytes();
        self.write(|tx| {
            // Another process may have counted the same meanwhile, or taken a paper out.
            let now = known(tx)?.map_or((0, 0), |(statistics, counted)| (statistics.papers(), counted));
            if now == before {
                tx.execute(
                    "INSERT INTO term_statistics (id, language, counted, counts) VALUES (1, ?, ?, ?) ON CONFLICT (id) DO UPDATE
                     SET language = excluded.language, counted = excluded.counted, counts = excluded.counts",
                    params![LANGUAGE, last, bytes],
                )?;
            }
            Ok(())
        })?;
        Ok(papers.len())
    }

    /// In how many papers each term occurs; `None` when none was counted yet.
    pub fn term_statistics(&self) -> Result<Option<Statistics>> {
        self.read(|tx| Ok(known(tx)?.map(|(statistics, _)| statistics)))
    }

    /// Whether any order has a `like:`. Its text is not read, so a keyword that has these letters counts too.
    pub fn is_anything_liked(&self) -> Result<bool> {
        self.read(|tx| {
            let sql = "SELECT EXISTS (SELECT 1 FROM literals WHERE clause LIKE '%like:%')";
            Ok(tx.query_row(sql, [], |row| row.get(0))?)
        })
    }
}

/// Takes papers out of the counts that turned out to be another one.
pub(super) fn uncount(tx: &Transaction<'_>, papers: &[u32]) -> Result<()> {
    if papers.is_empty() {
        return Ok(());
    }
    let Some((mut statistics, counted)) = known(tx)? else { return Ok(()) };
    let mut content = tx.prepare_cached("SELECT content FROM papers WHERE id = ?")?;
    for paper in papers.iter().filter(|paper| i64::from(**paper) <= counted) {
        statistics.remove(&content::shown(&content.query_row([paper], |row| row.get::<_, Vec<u8>>(0))?)?);
    }
    tx.execute("UPDATE term_statistics SET counts = ? WHERE language = ?", params![statistics.to_bytes(), LANGUAGE])?;
    Ok(())
}

/// The counts and the last paper in them, of this version of the language.
fn known(tx: &Transaction<'_>) -> Result<Option<(Statistics, i64)>> {
    let sql = "SELECT counts, counted FROM term_statistics WHERE language = ?";
    let found: Option<(Vec<u8>, i64)> =
        tx.query_row(sql, [LANGUAGE], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.and_then(|(bytes, counted)| Some((Statistics::from_bytes(&bytes)?, counted))))
}
