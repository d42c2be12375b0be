//! Papers as candidates: with all that is known of them, now or as of an edition.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::content::shown;
use super::subscriptions::Definition;
use super::{Result, Store, StoreError, day, from_json, instant};
use crate::core::candidate::Candidate;
use crate::core::paper::{Listing, Paper, PaperKey, SourceId};
use crate::core::query::Query;
use crate::core::subscription::Profile;
use crate::core::trend::Vote;

impl Store {
    /// The papers first seen at `since` or later, in the order they came, and the number of the newest read: what is
    /// known now.
    pub fn candidates(&self, since: DateTime<Utc>) -> Result<(i64, Vec<Candidate>)> {
        self.read(|tx| {
            let read = tx.query_row("SELECT coalesce(max(id), 0) FROM reads", [], |row| row.get(0))?;
            let mut ids = tx.prepare_cached("SELECT id FROM papers WHERE first_seen >= ? ORDER BY id")?;
            let ids = ids.query_map([since.timestamp()], |row| row.get(0))?.collect::<Result<Vec<u32>, _>>()?;
            Ok((read, as_of(tx, &ids, read)?))
        })
    }

    /// The papers that the `like:` clauses of all orders name, as far as they are known, however old.
    pub fn liked_papers(&self) -> Result<Vec<Paper>> {
        self.read(|tx| {
            let mut orders = tx.prepare_cached(
                "SELECT DISTINCT d.text FROM definitions d JOIN subscriptions s ON s.definition = d.id
                 WHERE d.text LIKE '%like%'",
            )?;
            let mut rows = orders.query([])?;
            let mut keys = BTreeSet::new();
            while let Some(row) = rows.next()? {
                // One that can't be read fails by itself, when an edition of it is due.
                let text = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
                let Ok(definition) = from_json::<Definition>("definition", text) else { continue };
                keys.extend(
                    definition
                        .profiles
                        .iter()
                        .flat_map(Profile::queries)
                        .flat_map(Query::liked)
                        .filter_map(PaperKey::arxiv),
                );
            }
            with_keys(tx, keys)
        })
    }

    /// The papers with these arXiv identifiers, as far as they are known, however old.
    pub fn papers_by_arxiv<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Result<Vec<Paper>> {
        self.read(|tx| with_keys(tx, ids.filter_map(PaperKey::arxiv).collect()))
    }

    /// The papers with these numbers as they were known after `read`, by number. A mail is made from this, so that a
    /// second attempt is the same mail.
    pub fn papers_as_of(&self, ids: &[u32], read: i64) -> Result<HashMap<u32, Candidate>> {
        self.read(|tx| Ok(as_of(tx, ids, read)?.into_iter().map(|c| (c.id, c)).collect()))
    }
}

fn with_keys(tx: &Transaction<'_>, keys: BTreeSet<PaperKey>) -> Result<Vec<Paper>> {
    let mut content = tx.prepare_cached("SELECT content FROM papers WHERE key = ?")?;
    let mut papers = Vec::new();
    for key in keys {
        let found: Option<Vec<u8>> = content.query_row([key.as_str()], |row| row.get(0)).optional()?;
        if let Some(content) = found {
            papers.push(shown(&content)?);
        }
    }
    Ok(papers)
}

/// What one source showed at one read.
struct Count {
    at: i64,
    upvotes: Option<u32>,
    comments: Option<u32>,
}

/// The papers with these numbers as they were known after `read`.
pub(super) fn as_of(tx: &Transaction<'_>, ids: &[u32], read: i64) -> Result<Vec<Candidate>> {
    // `former` holds what a paper was until a read: the first one after ours is what we knew. Where that is no longer kept,
    // the next that is comes closest.
    let mut content = tx.prepare_cached(
        "SELECT coalesce(
             (SELECT content FROM former WHERE paper = ?1 AND read > ?2 ORDER BY read LIMIT 1),
             content), first_seen
         FROM papers WHERE id = ?1",
    )?;
    let mut listings =
        tx.prepare_cached("SELECT source, day, rank FROM listings WHERE paper = ? AND read <= ? ORDER BY day, source")?;
    let mut votes = tx.prepare_cached(
        "SELECT source, at, upvotes, comments FROM votes WHERE paper = ? AND read <= ? ORDER BY source, read",
    )?;
    let mut stars =
        tx.prepare_cached("SELECT stars FROM stars WHERE paper = ? AND read <= ? ORDER BY read DESC LIMIT 1")?;
    ids.iter()
        .map(|&id| {
            let (content, first_seen): (Vec<u8>, i64) =
                content.query_row(params![id, read], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut history: BTreeMap<SourceId, Vec<Count>> = BTreeMap::new();
            let mut rows = votes.query(params![id, read])?;
            while let Some(row) = rows.next()? {
                let entry = Count { at: row.get(1)?, upvotes: row.get(2)?, comments: row.get(3)? };
                history.entry(source(row.get(0)?)?).or_default().push(entry);
            }
            let mut rows = listings.query(params![id, read])?;
            let mut seen = Vec::new();
            while let Some(row) = rows.next()? {
                let source = source(row.get(0)?)?;
                let (upvotes, comments) =
                    history.get(&source).and_then(|h| h.last()).map_or((None, None), |h| (h.upvotes, h.comments));
                seen.push(Listing {
                    day: day(&row.get::<_, String>(1)?)?,
                    rank: row.get(2)?,
                    upvotes,
                    comments,
                    source,
                });
            }
            // Of two sources with equal votes the first by name, so that every attempt at a mail has the same history.
            let votes_now = |history: &[Count]| history.last().and_then(|last| last.upvotes);
            let best = history.into_values().rev().max_by_key(|history| votes_now(history)).unwrap_or_default();
            let vote = |count: &Count| Some(Vote { at: instant(count.at), upvotes: count.upvotes? });
            let votes = best.iter().filter_map(vote);
            let mut paper = shown(&content)?;
            paper.stars = stars.query_row(params![id, read], |row| row.get(0)).optional()?;
            Ok(Candidate { id, paper, first_seen: instant(first_seen), listings: seen, votes: votes.collect() })
        })
        .collect()
}

pub(super) fn source(name: String) -> Result<SourceId> {
    SourceId::parse(&name).ok_or_else(|| StoreError::Unreadable { what: "source", why: name })
}
