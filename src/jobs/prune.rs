//! Prune: what is past and can't matter any more leaves the database.
//!
//! An edition is the ledger as long as one of its papers may be a candidate; after that it is only history, and goes
//! once it is old enough. Papers stay: they are few, and a re-listed one must not look new.

use chrono::{DateTime, Duration, Utc};

use crate::store::{Store, StoreError};

/// How long editions are kept as history, whatever their papers.
pub const KEEP: Duration = Duration::days(90);

/// Removes old editions with their mails and attempts; returns how many. `window` is that of the candidates.
pub fn run(store: &Store, window: Duration, now: DateTime<Utc>) -> Result<usize, StoreError> {
    let pruned = store.prune(now - window, now - KEEP)?;
    store.prune_bounces(now - KEEP)?;
    if pruned > 0 {
        tracing::info!(editions = pruned, "pruned");
    }
    Ok(pruned)
}
