//! Reads of sources: what a good one brought, and that a bad one was.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::joined::members;
use super::{Result, Store, content, day, days, describe, names, terms};
use crate::core::diff::{Diff, KnownPaper, KnownPapers, diff};
use crate::core::paper::describe::{Authority, Descriptions};
use crate::core::paper::identity::{Identity, Items, Resolved, resolve};
use crate::core::paper::{Listed, Listing, Paper, PaperKey, ReadOutcome, Snapshot, SourceId};

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
    /// The days whose lists were read to their ends.
    pub days: Vec<NaiveDate>,
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
    /// Papers that turned out to be another one.
    pub joined: usize,
    /// Keys that some name would have joined, and that are left apart since that is in doubt.
    pub apart: Vec<BTreeSet<PaperKey>>,
}

impl Store {
    /// Takes a snapshot in: papers, listings, votes, the read itself and the source's validators, all or nothing.
    /// `validators` is the source's own JSON, kept for [`Store::validators`].
    pub fn ingest(&self, snapshot: &Snapshot, record: &ReadRecord, validators: &str) -> Result<Ingested> {
        self.write(|tx| {
            let items = items(snapshot);
            let resolved = resolve(&items, &names::register(tx, &items)?);
            let snapshot = &*snapshot.renamed(&resolved.keys);
            let authorities = describe::authorities(tx)?;
            let known = known(tx, &snapshot.source, &resolved, &authorities)?;
            let diff = diff(&known, snapshot);
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
            days::note(tx, &record.source, &record.days)?;
            names::settle(tx, &resolved, read)?;
            for (key, identity) in resolved.identities.iter().filter(|(_, identity)| identity.papers.len() > 1) {
                if let (Some(known), [first, others @ ..]) = (known.papers.get(key), &*identity.papers) {
                    describe::write(tx, *first, &known.shown, &known.said)?;
                    let mut gone = tx.prepare_cached("DELETE FROM descriptions WHERE paper = ?")?;
                    others.iter().try_for_each(|other| gone.execute([other]).map(drop))?;
                    terms::uncount(tx, others)?;
                }
            }
            apply(tx, &diff, &snapshot.source, read, record.at)?;
            names::keep_claims(tx, &resolved)?;
            tx.execute(
                "INSERT INTO sources (name, validators, authority) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET validators = ?2, authority = ?3
                 WHERE validators <> ?2 OR authority <> ?3",
                params![record.source.as_str(), validators, snapshot.authority],
            )?;
            Ok(Ingested {
                added: diff.added,
                revised: diff.revised,
                unchanged: diff.unchanged.len(),
                listings: diff.listings.len(),
                joined: resolved.identities.into_values().map(|identity| identity.papers.len().saturating_sub(1)).sum(),
                apart: resolved.apart,
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

/// The items of a snapshot with their other names.
fn items(snapshot: &Snapshot) -> Items<'_> {
    let mut items = Items::new();
    for Listed { paper, aliases, .. } in &snapshot.items {
        let known = items.entry(&paper.key).or_default();
        known.extend(aliases.iter().filter(|alias| **alias != paper.key));
    }
    items
}

/// What is known of the papers in a snapshot.
fn known(
    tx: &Transaction<'_>,
    source: &SourceId,
    resolved: &Resolved,
    authorities: &BTreeMap<SourceId, Authority>,
) -> Result<KnownPapers> {
    let mut known = KnownPapers::default();
    let mut content = tx.prepare_cached("SELECT content FROM papers WHERE id = ?")?;
    let mut listings =
        tx.prepare_cached("SELECT day, rank, upvotes, comments FROM listings WHERE paper = ? AND source = ?")?;
    for (key, Identity { papers, .. }) in &resolved.identities {
        let mut paper: Option<KnownPaper> = None;
        for id in papers {
            let shown: Paper = content::unpacked(&content.query_row([id], |row| row.get::<_, Vec<u8>>(0))?)?;
            let said = describe::read(tx, *id, key, &shown, authorities)?;
            match &mut paper {
                None => paper = Some(KnownPaper { shown, said }),
                Some(paper) => add(&mut paper.said, said),
            }
            for member in members(tx, *id, i64::MAX)? {
                let mut rows = listings.query(params![member, source.as_str()])?;
                while let Some(row) = rows.next()? {
                    let day = day(&row.get::<_, String>(0)?)?;
                    let (source, rank) = (source.clone(), row.get(1)?);
                    let listing = Listing { source, day, rank, upvotes: row.get(2)?, comments: row.get(3)? };
                    known.listings.entry((key.clone(), listing.source.clone(), day)).or_insert(listing);
                }
            }
        }
        known.papers.extend(paper.map(|paper| (key.clone(), paper)));
    }
    Ok(known)
}

/// Adds what is said of a newer paper that is the same. A source that describes both has the last word by the newer one.
fn add(said: &mut Descriptions, newer: Descriptions) {
    for (source, description) in newer {
        match said.get_mut(&source) {
            Some(older) => older.paper = older.paper.updated_by(&description.paper),
            None => {
                said.insert(source, description);
            }
        }
    }
}

fn apply(tx: &Transaction<'_>, diff: &Diff, source: &SourceId, read: i64, at: DateTime<Utc>) -> Result<()> {
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
    for (key, said) in &diff.said {
        let (paper, shown): (u32, Vec<u8>) = tx
            .prepare_cached("SELECT id, content FROM papers WHERE key = ?")?
            .query_row([key.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        describe::write(tx, paper, &content::unpacked(&shown)?, said)?;
    }
    for (key, stars) in &diff.stars {
        tx.prepare_cached(
            "INSERT INTO stars (paper, source, read, stars) SELECT p.id, ?2, ?3, ?4 FROM papers p WHERE p.key = ?1
             AND ?4 IS NOT (SELECT stars FROM stars WHERE paper = p.id AND source = ?2 ORDER BY read DESC LIMIT 1)",
        )?
        .execute(params![key.as_str(), source.as_str(), read, stars])?;
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
