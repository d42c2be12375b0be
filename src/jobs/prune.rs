//! Prune: what is past and can't matter any more leaves the database.
//!
//! An edition is the ledger as long as one of its papers may be a candidate; after that it is only history, and goes
//! once it is old enough. Papers stay: they are few, and a re-listed one must not look new. What they were at every moment is
//! thinned out: see [`crate::store::Ages`].
//!
//! What is removed does not come back, so how old it is isn't left to the clock alone, which may be ahead: time counts
//! in days on which a source was read, of which a wrong clock adds one.

use chrono::{DateTime, Days, Duration, NaiveTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::store::{Ages, Store, StoreError};

/// How many days editions are kept as history, whatever their papers.
pub const KEEP: u32 = 90;

/// How many days every count of votes and every former content is kept.
const FULL: u32 = 14;

/// How many days one count a day is kept; after that it is one a week.
const DAILY: u32 = 90;

/// How many days papers are kept as the editions had them that hold them.
const NAMED: u32 = 100;

/// Days that may be there by a wrong clock.
const MARGIN: u32 = 7;

/// Editions looked at in one transaction.
const BATCH: usize = 2_000;

/// Papers looked at in one transaction…
const PAPERS: usize = 2_000;

/// … and in one run: all of a few years within some runs, so that none takes long.
const PAPERS_A_RUN: usize = 20_000;

/// What one run removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Editions, with their mails and attempts.
    pub editions: usize,
    /// Counts of votes.
    pub votes: usize,
    /// Former contents of papers.
    pub contents: usize,
}

/// Removes old editions with their mails and attempts, and thins out what else is old. `window` is that of the candidates.
/// After `stop` what is left waits for the next time.
pub fn run(
    store: &Store,
    window: Duration,
    now: DateTime<Utc>,
    stop: &CancellationToken,
) -> Result<Report, StoreError> {
    let mut report = Report::default();
    // First, while they are there.
    while !stop.is_cancelled() && store.note_named(BATCH)? == BATCH {}
    let ago = |days: u32| -> Result<Option<DateTime<Utc>>, StoreError> {
        let told = store.days_ago(days + MARGIN)?.map(|day| day.and_time(NaiveTime::MIN).and_utc());
        Ok(told.zip(now.checked_sub_days(Days::new(days.into()))).map(|(told, claimed)| told.min(claimed)))
    };
    let window = u32::try_from(window.num_days()).unwrap_or(u32::MAX - MARGIN);
    if let (Some(since), Some(before)) = (ago(window)?, ago(KEEP)?) {
        let mut last = Some(0);
        while let Some(after) = last.filter(|_| !stop.is_cancelled()) {
            let batch = store.prune(since, before, after, BATCH)?;
            report.editions += batch.editions;
            last = batch.last;
        }
        store.prune_transactional(before)?;
        store.prune_bounces(before)?;
    }
    if let Some(full) = ago(FULL)? {
        let long_ago = |at: Option<DateTime<Utc>>| at.unwrap_or(DateTime::UNIX_EPOCH);
        let ages = Ages { full, daily: long_ago(ago(DAILY)?), named: long_ago(ago(NAMED)?) };
        store.forget_named(&ages, now)?;
        for _ in 0..PAPERS_A_RUN / PAPERS {
            if stop.is_cancelled() {
                break;
            }
            let batch = store.thin(&ages, now, PAPERS)?;
            report.votes += batch.votes;
            report.contents += batch.contents;
            if batch.last.is_none() {
                break;
            }
        }
    }
    while !stop.is_cancelled() && store.give_back()? {}
    let Report { editions, votes, contents } = report;
    if report != Report::default() {
        tracing::info!(editions, votes, contents, "pruned");
    }
    Ok(report)
}
