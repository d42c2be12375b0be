//! What is thinned out as it gets old: how votes came in, and what papers were before they were revised.
//!
//! For some time everything is as it was. After that a count is kept for each day, then for each week, and a former content
//! only if an edition holds the paper as it was then; in the end only the fact that there was one. Whatever is removed, the
//! newest state stays, and so does what a mail that is still on its way was decided by (I5).

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::sqlite::PAPERS_OF_EDITION;
use super::{Result, Store};

/// Until when things are kept in which detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// What is older is thinned out.
    pub full: DateTime<Utc>,
    /// Of counts that are older, one is kept for each week.
    pub daily: DateTime<Utc>,
    /// What older editions hold is kept no longer than what none holds.
    pub named: DateTime<Utc>,
}

/// What one transaction thinned out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thinned {
    /// Counts that were removed.
    pub votes: usize,
    /// Former contents that were removed.
    pub contents: usize,
    /// The last paper that was looked at; `None` after the newest.
    pub last: Option<i64>,
}

const NAMED_UNTIL: &str = "named-until";
const THINNED_UNTIL: &str = "thinned-until";

impl Store {
    /// Notes which papers the next editions hold, up to `limit` of them; returns how many there were.
    pub fn note_named(&self, limit: usize) -> Result<usize> {
        self.write(|tx| {
            let until = mark(tx, NAMED_UNTIL)?;
            let (editions, last): (usize, Option<i64>) = tx.query_row(
                "SELECT count(*), max(id) FROM (SELECT id FROM editions WHERE id > ? ORDER BY id LIMIT ?)",
                params![until, limit],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let Some(last) = last else { return Ok(0) };
            tx.execute(
                &format!(
                    "INSERT INTO named (paper, read) SELECT DISTINCT j.value, e.read FROM editions e, {PAPERS_OF_EDITION}
                     AND e.id > ?1 AND e.id <= ?2 ON CONFLICT DO NOTHING"
                ),
                params![until, last],
            )?;
            // What is known of a paper may be known under other numbers.
            let mut members = tx.prepare_cached(
                "INSERT INTO named (paper, read)
                 SELECT j.paper, n.read FROM joined j JOIN named n ON n.paper = j.target WHERE n.read >= j.read
                 ON CONFLICT DO NOTHING",
            )?;
            while members.execute([])? > 0 {}
            set_mark(tx, NAMED_UNTIL, last)?;
            Ok(editions)
        })
    }

    /// Forgets which papers editions hold that were decided before `ages.named` and whose mails have ended.
    pub fn forget_named(&self, ages: &Ages, now: DateTime<Utc>) -> Result<usize> {
        self.write(|tx| {
            let read = first_read(tx, ages.named, now)?.min(first_unsent(tx)?);
            Ok(tx.execute("DELETE FROM named WHERE read < ?", [read])?)
        })
    }

    /// Thins out what is known of the next `limit` papers, going on where the last call ended.
    pub fn thin(&self, ages: &Ages, now: DateTime<Utc>, limit: usize) -> Result<Thinned> {
        self.write(|tx| {
            let after = mark(tx, THINNED_UNTIL)?;
            let (papers, last): (usize, Option<i64>) = tx.query_row(
                "SELECT count(*), max(id) FROM (SELECT id FROM papers WHERE id > ? ORDER BY id LIMIT ?)",
                params![after, limit],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let slice = Slice {
                after,
                until: last.unwrap_or(after),
                full: first_read(tx, ages.full, now)?,
                unsent: first_unsent(tx)?,
            };
            let votes = slice.votes(tx, ages)?;
            slice.stars(tx)?;
            let contents = slice.contents(tx)?;
            // After the newest paper the next call begins again.
            let last = last.filter(|_| papers == limit);
            set_mark(tx, THINNED_UNTIL, last.unwrap_or(0))?;
            Ok(Thinned { votes, contents, last })
        })
    }
}

/// Some papers, and what limits the thinning.
struct Slice {
    after: i64,
    until: i64,
    /// The first read that everything is kept of.
    full: i64,
    /// The oldest read that a mail on its way was decided after. What is known of its papers is left as it is.
    unsent: i64,
}

impl Slice {
    /// A count goes when a later one of the same day, or week, has taken its place, and no edition was decided in between.
    fn votes(&self, tx: &Transaction<'_>, ages: &Ages) -> Result<usize> {
        let Self { after, until, full, unsent } = self;
        let mut thin = tx.prepare_cached(
            "DELETE FROM votes WHERE (paper, source, read) IN (
                 SELECT paper, source, read FROM (
                     SELECT paper, source, read, at,
                         lead(read) OVER series AS next_read, lead(at) OVER series AS next_at
                     FROM votes WHERE paper > ?1 AND paper <= ?2
                     WINDOW series AS (PARTITION BY paper, source ORDER BY read)) v
                 WHERE next_read < ?3
                 AND (at / 86400 = next_at / 86400
                     -- The day 0 was a Thursday.
                     OR next_at < ?5 AND (at / 86400 + 3) / 7 = (next_at / 86400 + 3) / 7)
                 AND NOT EXISTS (SELECT 1 FROM named n WHERE n.paper = v.paper
                     AND (n.read >= v.read AND n.read < v.next_read OR n.read >= ?4)))",
        )?;
        Ok(thin.execute(params![after, until, full, unsent, ages.daily.timestamp()])?)
    }

    /// Stars have no times of their own, and only the newest are ever shown.
    fn stars(&self, tx: &Transaction<'_>) -> Result<usize> {
        let Self { after, until, full, unsent } = self;
        let mut thin = tx.prepare_cached(
            "DELETE FROM stars WHERE (paper, source, read) IN (
                 SELECT paper, source, read FROM (
                     SELECT paper, source, read, lead(read) OVER series AS next_read
                     FROM stars WHERE paper > ?1 AND paper <= ?2
                     WINDOW series AS (PARTITION BY paper, source ORDER BY read)) s
                 WHERE next_read < ?3
                 AND NOT EXISTS (SELECT 1 FROM named n WHERE n.paper = s.paper
                     AND (n.read >= s.read AND n.read < s.next_read OR n.read >= ?4)))",
        )?;
        Ok(thin.execute(params![after, until, full, unsent])?)
    }

    /// A row of `former` holds what a paper was from the revision before until its own.
    fn contents(&self, tx: &Transaction<'_>) -> Result<usize> {
        let Self { after, until, full, unsent } = self;
        let mut thin = tx.prepare_cached(
            "DELETE FROM former AS f
             WHERE paper > ?1 AND paper <= ?2 AND read < ?3
             AND NOT EXISTS (SELECT 1 FROM named n WHERE n.paper = f.paper
                 AND (n.read >= ?4 OR n.read < f.read AND n.read >=
                     coalesce((SELECT max(read) FROM revisions WHERE paper = f.paper AND read < f.read), 0)))",
        )?;
        Ok(thin.execute(params![after, until, full, unsent])?)
    }
}

/// The first read at `since` or later. One that a clock made which was ahead doesn't count.
fn first_read(tx: &Transaction<'_>, since: DateTime<Utc>, now: DateTime<Utc>) -> Result<i64> {
    let sql = "SELECT coalesce(min(id), (SELECT coalesce(max(id), 0) FROM reads)) FROM reads WHERE at BETWEEN ? AND ?";
    Ok(tx.prepare_cached(sql)?.query_row([since.timestamp(), now.timestamp()], |row| row.get(0))?)
}

/// The oldest read that an edition was decided after whose mail is on its way; none is older than no mail.
fn first_unsent(tx: &Transaction<'_>) -> Result<i64> {
    let sql =
        "SELECT min(e.read) FROM outbox o JOIN editions e ON e.id = o.edition WHERE o.state IN ('queued', 'claimed')";
    let read: Option<i64> = tx.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(read.unwrap_or(i64::MAX))
}

/// How far some work has come; 0 before its beginning.
fn mark(tx: &Transaction<'_>, name: &str) -> Result<i64> {
    let sql = "SELECT CAST(CAST(value AS TEXT) AS INTEGER) FROM meta WHERE key = ?";
    Ok(tx.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?.unwrap_or(0))
}

fn set_mark(tx: &Transaction<'_>, name: &str, value: i64) -> Result<()> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, CAST(?2 AS BLOB))
               ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    // As text, so that it can be read by eye.
    tx.prepare_cached(sql)?.execute(params![name, value.to_string()])?;
    Ok(())
}
