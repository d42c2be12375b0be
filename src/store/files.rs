//! What was read of the subscription files, and what in them is not in force yet.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rusqlite::{Transaction, params};

use super::definition::Definition;
use super::reloads::{self, SyncReport};
use super::removals::{self, Fate, Missing};
use super::web_orders::IN_FILE;
use super::{Result, Store, from_json, instant, to_json};
use crate::config::listing::{FileHash, FileState, Listing};
use crate::core::address::Address;

/// A subscription file as it was last taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// Its path from the root.
    pub path: String,
    /// What its bytes were; `None` when they could not be read.
    pub hash: Option<FileHash>,
    /// How much of it was understood.
    pub state: FileState,
    /// When that was.
    pub taken: DateTime<Utc>,
    /// The errors in it.
    pub errors: Vec<String>,
}

/// How what the files say of an address differs from what is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Difference {
    /// It is new.
    New,
    /// It says something else.
    Changed,
    /// It is no longer there, and will be retired; or what its reader ordered by the web will be in force again.
    Gone,
    /// It is no longer there, with so many others that it is held, or will be.
    Held,
    /// It is wrong: what was before stays in force.
    Wrong,
}

impl Store {
    /// Notes that our own command took an address out of its file: it is not missing there.
    pub fn note_removal(&self, address: &Address) -> Result<()> {
        self.write(|tx| {
            tx.execute("UPDATE subscriptions SET removed = 1 WHERE address_key = ?", [address.normalized()])?;
            Ok(())
        })
    }

    /// The subscription files as they were last taken in.
    pub fn files(&self) -> Result<Vec<FileStatus>> {
        self.read(|tx| {
            let mut rows = tx.prepare_cached("SELECT path, hash, state, taken, errors FROM files ORDER BY path")?;
            let mut rows = rows.query([])?;
            let mut files = Vec::new();
            while let Some(row) = rows.next()? {
                files.push(FileStatus {
                    path: row.get(0)?,
                    hash: row.get(1)?,
                    state: row.get(2)?,
                    taken: instant(row.get(3)?),
                    errors: from_json("list of errors", &row.get::<_, String>(4)?)?,
                });
            }
            Ok(files)
        })
    }

    /// How what the files say differs from what is in force, by normalized address.
    pub fn differences(&self, listing: &Listing) -> Result<HashMap<String, Difference>> {
        let (mut rows, before, accepted) =
            self.read(|tx| Ok((in_force(tx)?, removals::listed_by_file(tx)?, reloads::accepted(tx)?)))?;
        let mut differences = HashMap::new();
        for subscription in listing.subscriptions.iter().map(|listed| &listed.subscription) {
            let key = subscription.address.normalized();
            let difference = match rows.remove(&key) {
                None => Some(Difference::New),
                Some(row) => {
                    let is_same = row.definition == Definition::of(subscription).hash()?.0;
                    let is_same = is_same && row.is_paused == (subscription.paused || row.is_reader_paused);
                    let is_same = is_same && !row.missing.is_held;
                    (!is_same).then_some(Difference::Changed)
                }
            };
            differences.extend(difference.map(|difference| (key, difference)));
        }
        for faulty in &listing.faulty {
            let key = faulty.address.normalized();
            rows.remove(&key);
            differences.entry(key).or_insert(Difference::Wrong);
        }
        let (keys, missing): (Vec<String>, Vec<Missing>) =
            rows.into_iter().map(|(key, row)| (key, row.missing)).unzip();
        for (key, fate) in keys.into_iter().zip(removals::decide(&missing, &before, listing, &accepted)) {
            match fate {
                Fate::Stay => {}
                Fate::Hold => drop(differences.insert(key, Difference::Held)),
                Fate::Retire => drop(differences.insert(key, Difference::Gone)),
            }
        }
        Ok(differences)
    }
}

/// A subscription that is in force by what a file says.
struct InForce {
    /// The hash of its definition.
    definition: Vec<u8>,
    is_paused: bool,
    is_reader_paused: bool,
    /// What it is if the files don't have it.
    missing: Missing,
}

fn in_force(tx: &Transaction<'_>) -> Result<HashMap<String, InForce>> {
    let mut query = tx.prepare_cached(&format!(
        "SELECT address_key, d.hash, paused, subscriptions.id, file, held IS NOT NULL, removed, consent = 'confirmed', origin,
                reader_paused
         FROM subscriptions JOIN definitions d ON d.id = definition WHERE {IN_FILE} AND listed = 1",
    ))?;
    let rows = query.query_map([], |row| {
        let missing = Missing {
            id: row.get(3)?,
            file: row.get(4)?,
            is_held: row.get(5)?,
            is_removed: row.get(6)?,
            is_confirmed: row.get(7)?,
            origin: row.get(8)?,
        };
        let (definition, is_paused, is_reader_paused) = (row.get(1)?, row.get(2)?, row.get(9)?);
        Ok((row.get(0)?, InForce { definition, is_paused, is_reader_paused, missing }))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Writes down what the files were, and answers the requests that wait for it.
pub(super) fn record(tx: &Transaction<'_>, listing: &Listing, report: &SyncReport, now: DateTime<Utc>) -> Result<()> {
    tx.execute("DELETE FROM files", [])?;
    let mut insert = tx.prepare_cached(
        "INSERT INTO files (path, hash, state, taken, errors) VALUES (?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE
         SET hash = excluded.hash, state = excluded.state, taken = excluded.taken, errors = excluded.errors",
    )?;
    for file in &listing.files {
        insert.execute(params![
            file.path.display().to_string(),
            file.hash,
            file.state,
            now.timestamp(),
            to_json("list of errors", &file.errors)?
        ])?;
    }
    reloads::answer(tx, report, now)
}
