//! The queries that were read lately.
//!
//! A million readers share many of their keywords. To find one here is far cheaper than to parse and resolve it anew.

use std::sync::{LazyLock, Mutex, PoisonError};

use foldhash::HashMap;

use super::{Query, QueryError};

/// How many are kept at most, in two halves: when the new one is full, the old one goes, and what was asked for since has
/// moved over. Some megabytes.
const MOST: usize = 16_384;

#[derive(Default)]
struct Recent {
    new: HashMap<String, Query>,
    old: HashMap<String, Query>,
}

/// The query of this text, of any length.
pub(super) fn query(text: String) -> Result<Query, QueryError> {
    static RECENT: LazyLock<Mutex<Recent>> = LazyLock::new(Mutex::default);
    let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = recent.new.get(&text) {
        return Ok(known.clone());
    }
    let query = match recent.old.remove(&text) {
        Some(known) => known,
        None => Query::of_any_length(&text)?,
    };
    if recent.new.len() == MOST / 2 {
        recent.old = std::mem::take(&mut recent.new);
    }
    recent.new.insert(text, query.clone());
    Ok(query)
}
