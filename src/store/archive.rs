//! Contents of old papers, compressed.
//!
//! Papers are kept for ever and their contents are most of the file. One that was first seen long ago is in no edition's
//! reach; it is looked up by a `like:` that names it, by `explain`, and by a list that has it again. [`content_of`] reads a content
//! wherever it is.

use rusqlite::{Transaction, params};

use super::{Result, StoreError};

/// Much more than any content has, in bytes: what claims to be larger is damaged.
const MOST: usize = 4 << 20;

/// Zstandard's levels go to 22; beyond this one texts so short gain nothing.
const LEVEL: i32 = 9;

/// Compresses the contents of papers numbered above `after` up to `until` that were first seen before `before` (seconds).
pub(super) fn pack(tx: &Transaction<'_>, after: i64, until: i64, before: i64) -> Result<usize> {
    let mut old = tx.prepare_cached(
        "SELECT id, content FROM papers WHERE id > ? AND id <= ? AND first_seen < ? AND content <> '' ORDER BY id",
    )?;
    let mut rows = old.query(params![after, until, before])?;
    let mut packed = Vec::new();
    while let Some(row) = rows.next()? {
        let text = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        packed.push((row.get::<_, i64>(0)?, zstd::bulk::compress(text.as_bytes(), LEVEL).map_err(unreadable)?));
    }
    // A row that gets shorter leaves its page half empty for ever; one that goes elsewhere and comes back joins its neighbors.
    let mut take_out = tx.prepare_cached("UPDATE papers SET id = -id, content = '' WHERE id = ?")?;
    let mut put_back = tx.prepare_cached("UPDATE papers SET id = -id WHERE id = -?")?;
    for (paper, _) in &packed {
        take_out.execute([paper])?;
    }
    let mut keep = tx.prepare_cached("INSERT OR REPLACE INTO archive (paper, content) VALUES (?, ?)")?;
    for (paper, content) in &packed {
        put_back.execute([paper])?;
        keep.execute(params![paper, content])?;
    }
    Ok(packed.len())
}

/// The content of a paper whose row has `content`: that, or what the archive has for it.
pub(super) fn content_of(tx: &Transaction<'_>, paper: i64, content: String) -> Result<String> {
    if !content.is_empty() {
        return Ok(content);
    }
    let packed: Vec<u8> =
        tx.prepare_cached("SELECT content FROM archive WHERE paper = ?")?.query_row([paper], |row| row.get(0))?;
    let bytes = zstd::bulk::decompress(&packed, MOST).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(unreadable)
}

/// Takes the content of a paper out of the archive: it is of use again.
pub(super) fn unpack(tx: &Transaction<'_>, paper: i64) -> Result<String> {
    let content = content_of(tx, paper, String::new())?;
    tx.prepare_cached("UPDATE papers SET content = ? WHERE id = ?")?.execute(params![content, paper])?;
    tx.prepare_cached("DELETE FROM archive WHERE paper = ?")?.execute([paper])?;
    Ok(content)
}

fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unreadable { what: "compressed paper", why: error.to_string() }
}
