//! The queries that were read lately.
//!
//! A million readers share many of their keywords. To find one here is far cheaper than to parse and resolve it anew.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;

use super::{Query, QueryError};

/// How many are kept at most, in two halves: when the new one is full, the old one goes, and what was asked for since has
/// moved over.
const MOST: usize = 16_384;

/// The longest that is kept, in bytes: hardly two readers write the same long one, and so all are some megabytes.
const LONGEST: usize = 100;

#[derive(Default)]
struct Recent {
    new: HashMap<String, Query>,
    old: HashMap<String, Query>,
}

/// The query of this text, of any length.
pub(super) fn query(text: String) -> Result<Query, QueryError> {
    if text.len() > LONGEST {
        return Query::of_any_length(&text);
    }
    if let Some(known) = recent().known(&text) {
        return Ok(known);
    }
    // Not under the lock: two may parse the same at once.
    let query = Query::of_any_length(&text)?;
    recent().keep(text, &query);
    Ok(query)
}

fn recent() -> MutexGuard<'static, Recent> {
    static RECENT: LazyLock<Mutex<Recent>> = LazyLock::new(Mutex::default);
    RECENT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recent {
    fn known(&mut self, text: &str) -> Option<Query> {
        if let Some(query) = self.new.get(text) {
            return Some(query.clone());
        }
        let (text, query) = self.old.remove_entry(text)?;
        self.keep(text, &query);
        Some(query)
    }

    fn keep(&mut self, text: String, query: &Query) {
        if self.new.len() == MOST / 2 {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(text, query.clone());
    }
}
