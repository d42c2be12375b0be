//! What each source says of a paper, beside what is shown of it.
//!
//! Nearly always they say the same, and then nothing is kept but the listing that tells who describes the paper.

use std::collections::BTreeMap;

use rusqlite::{Transaction, params};
use serde_json::{Map, Value};

use super::joined::members;
use super::papers::source;
use super::{Result, StoreError, content};
use crate::core::paper::describe::{Authority, Description, Descriptions, otherwise, said};
use crate::core::paper::{Paper, PaperKey, SourceId};

/// The rank of every source that was ever read.
pub(super) fn authorities(tx: &Transaction<'_>) -> Result<BTreeMap<SourceId, Authority>> {
    let mut query = tx.prepare_cached("SELECT name, authority FROM sources")?;
    let mut rows = query.query([])?;
    let mut known = BTreeMap::new();
    while let Some(row) = rows.next()? {
        known.insert(source(row.get(0)?)?, row.get(1)?);
    }
    Ok(known)
}

/// What each source says of a paper of which this is `shown`, under the key `key`.
pub(super) fn read(
    tx: &Transaction<'_>,
    paper: u32,
    key: &PaperKey,
    shown: &Paper,
    authorities: &BTreeMap<SourceId, Authority>,
) -> Result<Descriptions> {
    let mut descriptions = Descriptions::new();
    let mut add = |source: SourceId, paper: Paper| {
        let authority = authorities.get(&source).copied().unwrap_or_default();
        descriptions.insert(source, Description { authority, paper: Paper { key: key.clone(), ..paper } });
    };
    let mut listed = tx.prepare_cached("SELECT DISTINCT source FROM listings WHERE paper = ?")?;
    for member in members(tx, paper, i64::MAX)? {
        let mut rows = listed.query([member])?;
        while let Some(row) = rows.next()? {
            add(source(row.get(0)?)?, shown.clone());
        }
    }
    let mut rows = tx.prepare_cached("SELECT source, content FROM descriptions WHERE paper = ?")?;
    let mut rows = rows.query([paper])?;
    while let Some(row) = rows.next()? {
        let fields: Map<String, Value> = content::unpacked(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
        add(source(row.get(0)?)?, said(shown, fields).map_err(unreadable)?);
    }
    Ok(descriptions)
}

/// Keeps what each source says of a paper of which this is `shown`.
pub(super) fn write(tx: &Transaction<'_>, paper: u32, shown: &Paper, descriptions: &Descriptions) -> Result<()> {
    tx.prepare_cached("DELETE FROM descriptions WHERE paper = ?")?.execute([paper])?;
    for (source, description) in descriptions {
        let fields = otherwise(&description.paper, shown).map_err(unreadable)?;
        if !fields.is_empty() {
            tx.prepare_cached("INSERT INTO descriptions (paper, source, content) VALUES (?, ?, ?)")?
                .execute(params![paper, source.as_str(), content::packed(&fields)?])?;
        }
    }
    Ok(())
}

fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Unreadable { what: "description", why: error.to_string() }
}
