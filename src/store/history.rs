//! What was known and decided in the past, for a person who asks why.
//!
//! Nothing is decided by these methods and nothing is written. They read the whole ledger of one subscription, the
//! papers by any of their names, and what an edition had before it.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::papers::as_of;
use super::{Joined, OutboxState, Result, Store, content, definition, from_json, instant, names, slot};
use crate::core::candidate::Candidate;
use crate::core::edition::LeftOut;
use crate::core::paper::{Paper, PaperKey};
use crate::core::subscription::{Consent, Subscription};

/// All that was ever decided for one subscription.
#[derive(Clone, Debug)]
pub struct History {
    /// Whether they want mail.
    pub consent: Consent,
    /// Whether it came by the web, so that no file lists it.
    pub is_from_web: bool,
    /// Whether its reader has paused it, whatever the files say.
    pub is_reader_paused: bool,
    /// Whether it is missing from its file, and paused for that alone.
    pub is_held: bool,
    /// Its editions, newest first, each with the numbers that its papers had when it was decided.
    pub editions: Vec<PastEdition>,
    /// Papers that turned out to be another one.
    pub joined: Joined,
}

/// One edition as it was decided.
#[derive(Clone, Debug)]
pub struct PastEdition {
    /// The edition's number.
    pub edition: i64,
    /// The local slot.
    pub slot: NaiveDateTime,
    /// When it was decided.
    pub decided: DateTime<Utc>,
    /// What was known: see [`Store::papers_as_of`].
    pub read: i64,
    /// What was ordered then.
    pub order: Arc<Subscription>,
    /// Paper numbers by profile.
    pub papers: Vec<Vec<u32>>,
    /// Papers shown by title only.
    pub also: Vec<u32>,
    /// Papers chosen and cut by a cap.
    pub owed: Vec<u32>,
    /// Papers that its reader was told would not come.
    pub told: LeftOut,
    /// Whether its mail was not delivered, so that its papers come again with the next.
    pub comes_again: bool,
    /// Candidates there were.
    pub looked_at: u32,
    /// Its mail's state, and when it is tried next or when it ended; `None` when there was nothing to send.
    pub mail: Option<(OutboxState, DateTime<Utc>)>,
}

/// A paper that some read brought.
#[derive(Clone, Debug)]
pub struct KnownPaper {
    /// The paper as it is known now.
    pub candidate: Candidate,
    /// When it was first seen.
    pub first_seen: DateTime<Utc>,
}

impl Store {
    /// The history of an address; `None` when the database has no subscription of it.
    pub fn history(&self, address_key: &str) -> Result<Option<History>> {
        self.read(|tx| {
            let sql = "SELECT id, address, consent, origin = 'web', paused, reader_paused, held IS NOT NULL
                       FROM subscriptions WHERE address_key = ?";
            let found: Option<(i64, String, Consent, bool, bool, bool, bool)> = tx
                .query_row(sql, [address_key], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
                })
                .optional()?;
            let Some((id, address, consent, is_from_web, paused, is_reader_paused, is_held)) = found else {
                return Ok(None);
            };
            let mut query = tx.prepare_cached(
                "SELECT e.id, e.slot, e.decided, e.read, e.papers, e.also, e.owed, e.looked_at, o.state, o.due,
                        e.definition, d.text, e.told, coalesce(o.comes_again, 0)
                 FROM editions e JOIN definitions d ON d.id = e.definition LEFT JOIN outbox o ON o.edition = e.id
                 WHERE e.subscription = ? ORDER BY e.id DESC",
            )?;
            let mut rows = query.query([id])?;
            // Editions by the hundred share a definition or two.
            let mut orders: HashMap<i64, Arc<Subscription>> = HashMap::new();
            let mut editions = Vec::new();
            while let Some(row) = rows.next()? {
                let definition = row.get(10)?;
                let order = match orders.get(&definition) {
                    Some(order) => order.clone(),
                    None => {
                        let order = Arc::new(definition::restore(&address, &row.get::<_, String>(11)?, paused)?);
                        orders.entry(definition).or_insert(order).clone()
                    }
                };
                editions.push(past_edition(row, order)?);
            }
            Ok(Some(History {
                consent,
                is_from_web,
                is_reader_paused,
                is_held,
                editions,
                joined: Joined::as_of(tx, i64::MAX)?,
            }))
        })
    }

    /// The paper that this name means.
    pub fn paper(&self, key: &PaperKey) -> Result<Option<KnownPaper>> {
        self.read(|tx| {
            let Some(id) = names::find(tx, key)? else { return Ok(None) };
            let candidate = as_of(tx, &[id], i64::MAX)?.pop();
            Ok(candidate.map(|candidate| KnownPaper { first_seen: candidate.first_seen, candidate }))
        })
    }

    /// Keys and titles of the papers whose title has this piece, in any case, newest first; of a whole title, only its
    /// own.
    pub fn papers_titled(&self, piece: &str) -> Result<Vec<(PaperKey, String)>> {
        let piece = piece.to_lowercase();
        self.read(|tx| {
            let mut query = tx.prepare_cached(
                "SELECT content FROM papers WHERE id NOT IN (SELECT paper FROM joined) ORDER BY id DESC",
            )?;
            let mut rows = query.query([])?;
            let (mut whole, mut parts) = (Vec::new(), Vec::new());
            while let Some(row) = rows.next()? {
                let written: Paper = content::unpacked(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?;
                let title = written.title.to_lowercase();
                let paper = written.displayed();
                // People copy titles from here and from the source.
                let titles = [title, paper.title.to_lowercase()];
                if titles.iter().any(|title| title.contains(&piece)) {
                    if titles.contains(&piece) { &mut whole } else { &mut parts }.push((paper.key, paper.title));
                }
            }
            Ok(if whole.is_empty() { parts } else { whole })
        })
    }

    /// The keys of papers, by their numbers.
    pub fn paper_keys(&self, ids: &[u32]) -> Result<Vec<PaperKey>> {
        self.read(|tx| {
            let mut key = tx.prepare_cached("SELECT key FROM papers WHERE id = ?")?;
            let joined = Joined::as_of(tx, i64::MAX)?;
            let key_of = |id: &u32| key.query_row([joined.of(*id)], |row| row.get(0));
            Ok(ids.iter().map(key_of).map(|key| key.map(PaperKey::from_stored)).collect::<Result<_, _>>()?)
        })
    }

    /// The papers first seen at `since` or later, as they were known after `read`, in the order they came.
    pub fn candidates_as_of(&self, since: DateTime<Utc>, read: i64) -> Result<Vec<Candidate>> {
        self.read(|tx| {
            let sql = "SELECT id FROM papers WHERE first_seen >= ?1 AND read <= ?2
                 AND id NOT IN (SELECT paper FROM joined WHERE read <= ?2) ORDER BY id";
            let ids = numbers(tx, sql, params![since.timestamp(), read])?;
            as_of(tx, &ids, read)
        })
    }

    /// The papers that were first listed on `day` or later, as they are known now.
    pub fn listed_since(&self, day: NaiveDate) -> Result<Vec<Candidate>> {
        self.read(|tx| {
            let sql = "SELECT paper FROM listings WHERE paper NOT IN (SELECT paper FROM joined)
                 GROUP BY paper HAVING min(day) >= ? ORDER BY paper";
            let ids = numbers(tx, sql, params![day.to_string()])?;
            as_of(tx, &ids, i64::MAX)
        })
    }
}

fn numbers(tx: &Transaction<'_>, sql: &str, parameters: impl rusqlite::Params) -> Result<Vec<u32>> {
    Ok(tx.prepare_cached(sql)?.query_map(parameters, |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The edition in columns 0 to 9, 12 and 13.
fn past_edition(row: &Row<'_>, order: Arc<Subscription>) -> Result<PastEdition> {
    let text = |index: usize| row.get::<_, String>(index);
    let state: Option<OutboxState> = row.get(8)?;
    let due: Option<i64> = row.get(9)?;
    Ok(PastEdition {
        edition: row.get(0)?,
        slot: slot(&text(1)?)?,
        decided: instant(row.get(2)?),
        read: row.get(3)?,
        order,
        papers: from_json("list of papers", &text(4)?)?,
        also: from_json("list of papers", &text(5)?)?,
        owed: from_json("list of papers", &text(6)?)?,
        told: from_json("list of papers", &text(12)?)?,
        comes_again: row.get(13)?,
        looked_at: row.get(7)?,
        mail: state.zip(due).map(|(state, due)| (state, instant(due))),
    })
}
