//! The queries that were read lately.
//!
//! A million readers share many of their keywords. To find one here is far cheaper than to parse and resolve it anew.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;

use super::{Query, QueryError};

/// How many are kept. They are the first that come: the frequent ones are soon among them, and nothing comes and goes in
/// memory.
const MOST: usize = 8_192;

/// After so many that had no place all are forgotten: what readers ask for may have changed.
const PATIENCE: usize = 32 * MOST;

/// The longest that is kept, in bytes: hardly two readers write the same long one, and so all are some megabytes.
const LONGEST: usize = 100;

#[derive(Default)]
struct Recent {
    known: HashMap<String, Query>,
    /// Since it is full.
    missed: usize,
}

/// The query of this text, of any length.
pub(super) fn query(text: String) -> Result<Query, QueryError> {
    if text.len() > LONGEST {
        return Query::of_any_length(&text);
    }
    if let Some(known) = recent().known.get(&text) {
        return Ok(known.clone());
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
    fn keep(&mut self, text: String, query: &Query) {
        if self.known.len() < MOST {
            self.known.insert(text, query.clone());
            return;
        }
        self.missed += 1;
        if self.missed == PATIENCE {
            *self = Self::default();
        }
    }
}
