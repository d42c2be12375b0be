//! Papers as candidates: with all that is known of them, now or as of an edition.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use rusqlite::{Transaction, params};

use super::content::shown;
use super::definition::Definition;
use super::joined::members;
use super::{Result, Store, StoreError, day, from_json, instant, names};
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
            let mut ids = tx.prepare_cached(
                "SELECT id FROM papers WHERE first_seen >= ? AND id NOT IN (SELECT paper FROM joined) ORDER BY id",
            )?;
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
    let mut content = tx.prepare_cached("SELECT content FROM papers WHERE id = ?")?;
    let mut papers = Vec::new();
    for key in keys {
        if let Some(paper) = names::find(tx, &key)? {
            papers.push(shown(&content.query_row([paper], |row| row.get::<_, Vec<u8>>(0))?)?);
        }
    }
    Ok(papers)
}

/// What one source showed at one read.
struct Count {
    read: i64,
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
        "SELECT source, at, upvotes, comments, read FROM votes WHERE paper = ? AND read <= ? ORDER BY source, read",
    )?;
    // Of several sources the one that counts the most: the others looked earlier, or at a copy.
    let mut stars = tx.prepare_cached(
        "SELECT max(stars) FROM stars s WHERE paper = ?1
         AND read = (SELECT max(read) FROM stars WHERE paper = ?1 AND source = s.source AND read <= ?2)",
    )?;
    ids.iter()
        .map(|&id| {
            let (content, first_seen): (Vec<u8>, i64) =
                content.query_row(params![id, read], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let members = members(tx, id, read)?;
            let mut history: BTreeMap<SourceId, Vec<Count>> = BTreeMap::new();
            for member in &members {
                let mut rows = votes.query(params![member, read])?;
                while let Some(row) = rows.next()? {
                    let (upvotes, comments) = (row.get(2)?, row.get(3)?);
                    let count = Count { read: row.get(4)?, at: row.get(1)?, upvotes, comments };
                    history.entry(source(row.get(0)?)?).or_default().push(count);
                }
            }
            if members.len() > 1 {
                history.values_mut().for_each(|counts| counts.sort_by_key(|count| count.read));
            }
            let mut seen: BTreeMap<(NaiveDate, SourceId), Listing> = BTreeMap::new();
            for member in &members {
                let mut rows = listings.query(params![member, read])?;
                while let Some(row) = rows.next()? {
                    let (source, day) = (source(row.get(0)?)?, day(&row.get::<_, String>(1)?)?);
                    let last = history.get(&source).and_then(|counts| counts.last());
                    let (upvotes, comments) = last.map_or((None, None), |last| (last.upvotes, last.comments));
                    let listing = Listing { source: source.clone(), day, rank: row.get(2)?, upvotes, comments };
                    seen.entry((day, source)).or_insert(listing);
                }
            }
            // Of two sources with equal votes the first by name, so that every attempt at a mail has the same history.
            let votes_now = |history: &[Count]| history.last().and_then(|last| last.upvotes);
            let best = history.into_values().rev().max_by_key(|history| votes_now(history)).unwrap_or_default();
            let vote = |count: &Count| Some(Vote { at: instant(count.at), upvotes: count.upvotes? });
            let votes = best.iter().filter_map(vote);
            let mut paper = shown(&content)?;
            for member in members {
                paper.stars = paper.stars.max(stars.query_row(params![member, read], |row| row.get(0))?);
            }
            let (first_seen, listings) = (instant(first_seen), seen.into_values().collect());
            Ok(Candidate { id, paper, first_seen, listings, votes: votes.collect() })
        })
        .collect()
}

pub(super) fn source(name: String) -> Result<SourceId> {
    SourceId::parse(&name).ok_or_else(|| StoreError::Unreadable { what: "source", why: name })
}
