//! Reads of sources: what a good one brought, and that a bad one was.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{Result, Store, content, day};
use crate::core::diff::{Diff, Known, diff};
use crate::core::paper::{Listing, Paper, PaperKey, ReadOutcome, Snapshot, SourceId};

/// How a read of a source ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRecord {
    /// The source.
    pub source: SourceId,
    /// When it began.
    pub at: DateTime<Utc>,
    /// How it ended.
    pub outcome: ReadOutcome,
    /// What went wrong, for a person.
    pub message: Option<String>,
    /// Papers on the lists that the source says are as they were: nothing of them is in the snapshot.
    pub unchanged: u32,
}

/// What one ingest changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Papers seen for the first time.
    pub added: Vec<Paper>,
    /// Papers whose content changed, as they are now.
    pub revised: Vec<Paper>,
    /// Papers that are as they were.
    pub unchanged: usize,
    /// Listings that are new or moved.
    pub listings: usize,
}

impl Store {
    /// Takes a snapshot in: papers, listings, votes, the read itself and the source's validators, all or nothing.
    /// `validators` is the source's own JSON, kept for [`Store::validators`].
    pub fn ingest(&self, snapshot: &Snapshot, record: &ReadRecord, validators: &str) -> Result<Ingested> {
        self.write(|tx| {
            let diff = diff(&known(tx, snapshot)?, snapshot);
            tx.execute(
                "INSERT INTO reads (source, at, outcome, route, items, added, revised, unchanged, skipped, message)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    record.source.as_str(),
                    record.at.timestamp(),
                    record.outcome,
                    snapshot.route,
                    snapshot.items.len() + record.unchanged as usize,
                    diff.added.len(),
                    diff.revised.len(),
                    diff.unchanged.len(),
                    snapshot.skipped,
                    record.message,
                ],
            )?;
            let read = tx.last_insert_rowid();
            apply(tx, &diff, read, record.at)?;
            tx.execute(
                "INSERT INTO sources (name, validators) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET validators = ?2 WHERE validators <> ?2",
                params![record.source.as_str(), validators],
            )?;
            Ok(Ingested {
                added: diff.added,
                revised: diff.revised,
                unchanged: diff.unchanged.len(),
                listings: diff.listings.len(),
            })
        })
    }

    /// Records a read that brought nothing. Nothing but the source's health changes (I9).
    pub fn record_failed_read(&self, record: &ReadRecord) -> Result<()> {
        self.write(|tx| {
            tx.execute(
                "INSERT INTO reads (source, at, outcome, message) VALUES (?, ?, ?, ?)",
                params![record.source.as_str(), record.at.timestamp(), record.outcome, record.message],
            )?;
            Ok(())
        })
    }

    /// The validators that the last ingest of `source` left, as JSON.
    pub fn validators(&self, source: &SourceId) -> Result<Option<String>> {
        self.read(|tx| {
            let sql = "SELECT validators FROM sources WHERE name = ?";
            Ok(tx.query_row(sql, [source.as_str()], |row| row.get(0)).optional()?)
        })
    }
}

/// What is known of the papers in the snapshot.
fn known(tx: &Transaction<'_>, snapshot: &Snapshot) -> Result<Known> {
    let mut known = Known::default();
    let mut paper = tx.prepare_cached("SELECT id, content FROM papers WHERE key = ?")?;
    let mut listings =
        tx.prepare_cached("SELECT day, rank, upvotes, comments FROM listings WHERE paper = ? AND source = ?")?;
    for item in &snapshot.items {
        let key = &item.paper.key;
        if known.papers.contains_key(key) {
            continue;
        }
        let found: Option<(i64, Vec<u8>)> =
            paper.query_row([key.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((id, content)) = found else { continue };
        known.papers.insert(key.clone(), content::unpacked(&content)?);
        let mut rows = listings.query(params![id, snapshot.source.as_str()])?;
        while let Some(row) = rows.next()? {
            let day = day(&row.get::<_, String>(0)?)?;
            let listing = Listing {
                source: snapshot.source.clone(),
                day,
                rank: row.get(1)?,
                upvotes: row.get(2)?,
                comments: row.get(3)?,
            };
            known.listings.insert((key.clone(), snapshot.source.clone(), day), listing);
        }
    }
    Ok(known)
}

fn apply(tx: &Transaction<'_>, diff: &Diff, read: i64, at: DateTime<Utc>) -> Result<()> {
    for paper in &diff.added {
        tx.prepare_cached("INSERT INTO papers (key, content, read, first_seen) VALUES (?, ?, ?, ?)")?
            .execute(params![paper.key.as_str(), content::packed(paper)?, read, at.timestamp()])?;
    }
    for paper in &diff.revised {
        let key = paper.key.as_str();
        tx.prepare_cached("INSERT INTO revisions (paper, read) SELECT id, ? FROM papers WHERE key = ?")?
            .execute(params![read, key])?;
        tx.prepare_cached("INSERT INTO former (paper, read, content) SELECT id, ?, content FROM papers WHERE key = ?")?
            .execute(params![read, key])?;
        tx.prepare_cached("UPDATE papers SET content = ?1 WHERE key = ?2")?
            .execute(params![content::packed(paper)?, paper.key.as_str()])?;
    }
    for (key, stars) in &diff.stars {
        tx.prepare_cached(
            "INSERT INTO stars (paper, read, stars) SELECT p.id, ?2, ?3 FROM papers p WHERE p.key = ?1
             AND ?3 IS NOT (SELECT stars FROM stars WHERE paper = p.id ORDER BY read DESC LIMIT 1)",
        )?
        .execute(params![key.as_str(), read, stars])?;
    }
    let mut votes: BTreeMap<&PaperKey, &Listing> = BTreeMap::new();
    for (key, listing) in &diff.listings {
        tx.prepare_cached(
            "INSERT INTO listings (paper, source, day, rank, upvotes, comments, read)
             SELECT id, ?2, ?3, ?4, ?5, ?6, ?7 FROM papers WHERE key = ?1
             ON CONFLICT (paper, source, day)
             DO UPDATE SET rank = excluded.rank, upvotes = excluded.upvotes, comments = excluded.comments",
        )?
        .execute(params![
            key.as_str(),
            listing.source.as_str(),
            listing.day.to_string(),
            listing.rank,
            listing.upvotes,
            listing.comments,
            read
        ])?;
        let newest = votes.entry(key).or_insert(listing);
        if listing.day > newest.day {
            *newest = listing;
        }
    }
    for (key, listing) in votes {
        // Only counts that differ from the last ones are history.
        tx.prepare_cached(
            "INSERT INTO votes (paper, source, read, at, upvotes, comments)
             SELECT p.id, ?2, ?3, ?4, ?5, ?6 FROM papers p WHERE p.key = ?1
             AND NOT EXISTS (
                 SELECT 1 FROM (SELECT upvotes, comments FROM votes
                                WHERE paper = p.id AND source = ?2 ORDER BY read DESC LIMIT 1) last
                 WHERE last.upvotes IS ?5 AND last.comments IS ?6)",
        )?
        .execute(params![
            key.as_str(),
            listing.source.as_str(),
            read,
            at.timestamp(),
            listing.upvotes,
            listing.comments
        ])?;
    }
    Ok(())
}
