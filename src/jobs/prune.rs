//! Prune: what is past and can't matter any more leaves the database.
//!
//! An edition is the ledger as long as one of its papers may be a candidate; after that it is only history, and goes
//! once it is old enough. Papers stay: they are few, and a re-listed one must not look new.
//!
//! What is removed does not come back, so how old it is isn't left to the clock alone, which may be ahead: time counts
//! in days on which a source was read, of which a wrong clock adds one.

use chrono::{DateTime, Days, Duration, NaiveTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::store::{Store, StoreError};

/// How many days editions are kept as history, whatever their papers.
pub const KEEP: u32 = 90;

/// Days that may be there by a wrong clock.
const MARGIN: u32 = 7;

/// Editions looked at in one transaction.
const BATCH: usize = 2_000;

/// Removes old editions with their mails and attempts; returns how many. `window` is that of the candidates. After `stop`
/// what is left waits for the next time.
pub fn run(store: &Store, window: Duration, now: DateTime<Utc>, stop: &CancellationToken) -> Result<usize, StoreError> {
    let ago = |days: u32| -> Result<Option<DateTime<Utc>>, StoreError> {
        let told = store.days_ago(days + MARGIN)?.map(|day| day.and_time(NaiveTime::MIN).and_utc());
        Ok(told.zip(now.checked_sub_days(Days::new(days.into()))).map(|(told, claimed)| told.min(claimed)))
    };
    let window = u32::try_from(window.num_days()).unwrap_or(u32::MAX - MARGIN);
    let (Some(since), Some(before)) = (ago(window)?, ago(KEEP)?) else { return Ok(0) };
    let (mut pruned, mut last) = (0, Some(0));
    while let Some(after) = last.filter(|_| !stop.is_cancelled()) {
        let batch = store.prune(since, before, after, BATCH)?;
        pruned += batch.editions;
        last = batch.last;
    }
    store.prune_bounces(before)?;
    if pruned > 0 {
        tracing::info!(editions = pruned, "pruned");
    }
    Ok(pruned)
}
