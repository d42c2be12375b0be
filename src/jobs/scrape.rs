//! Scrape: one source → fetch, parse, diff → papers and listings in the database.
//!
//! The read happens first and holds no transaction; the ingest is one. A crash anywhere leaves the database as it was,
//! and the next read finds the same papers again: what is new is told by the database, not by when it was read. A read
//! that fails changes the source's health and nothing else (I9).

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::core::paper::{Paper, PaperKey, ReadOutcome, Route, SourceId};
use crate::source::fetch::Client;
use crate::source::health::verdict;
use crate::source::{DayOutcome, Further, Reading, Source, SourceError, Visits};
use crate::store::{ReadRecord, Store, StoreError};
use crate::threads::off_thread;

/// How one read ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// The source.
    pub source: SourceId,
    /// How it went.
    pub state: ReadOutcome,
    /// What went wrong, for a person.
    pub message: Option<String>,
    /// How it was read; `None` when nothing came.
    pub route: Option<Route>,
    /// Papers seen for the first time.
    pub added: Vec<Paper>,
    /// Papers whose content changed.
    pub revised: Vec<Paper>,
    /// Papers that are as they were.
    pub unchanged: usize,
    /// Papers that turned out to be another one.
    pub joined: usize,
    /// Items that could not be understood.
    pub skipped: u32,
    /// How long the source asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl Report {
    /// Whether anything was read.
    pub fn is_good(&self) -> bool {
        self.route.is_some()
    }

    /// One line for the log, where nobody prints it.
    pub fn log(&self) {
        let outcome = self.state.as_str();
        let Some(route) = self.route else {
            tracing::warn!(source = %self.source, outcome, error = self.message, "could not read");
            return;
        };
        tracing::info!(
            source = %self.source, outcome, route = route.as_str(), added = self.added.len(),
            revised = self.revised.len(), unchanged = self.unchanged, joined = self.joined, skipped = self.skipped,
            message = self.message, "read",
        );
    }
}

/// Reads `source` once and takes in what it lists. Votes are followed for papers of the last `window` where they matter to a
/// subscriber, and days that a first edition looks at are read if they never were. With a `window` of zero only what is read
/// every time is read.
pub async fn run(
    store: &Store,
    client: &Client,
    source: &Source,
    window: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Report, StoreError> {
    let kept = store.validators(&source.id)?;
    // Visits are an economy: without them, or with ones that can't be read, everything is asked for anew.
    let visits: Visits = kept.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
    let further = match window.is_zero() {
        true => Further::default(),
        false => {
            let (store, id, has_votes) = (store.clone(), source.id.clone(), source.about.has_votes);
            off_thread(move || further(&store, &id, has_votes, window, now)).await?
        }
    };
    let known = store.hosts()?;
    client.hosts().recall(known.clone());
    let result = source.read(client, &visits, &further, now).await;
    let hosts = client.hosts().states();
    if hosts != known {
        store.keep_hosts(&hosts)?;
    }
    let (state, message) = verdict(&result);
    let days = result.iter().flat_map(|reading| &reading.days);
    let unchanged = days.filter(|report| report.outcome == DayOutcome::Unchanged).map(|report| report.items);
    let record = ReadRecord {
        source: source.id.clone(),
        at: now,
        outcome: state,
        message: message.clone(),
        unchanged: unchanged.fold(0, u32::saturating_add),
        days: result.iter().flat_map(Reading::complete_days).collect(),
    };
    let mut report = Report {
        source: source.id.clone(),
        state,
        message,
        route: None,
        added: Vec::new(),
        revised: Vec::new(),
        unchanged: 0,
        joined: 0,
        skipped: 0,
        retry_after: result.as_ref().err().and_then(SourceError::retry_after),
    };
    match result {
        Ok(reading) => {
            let visits = serde_json::to_string(&reading.visits)
                .map_err(|e| StoreError::Unreadable { what: "validators", why: e.to_string() })?;
            report.route = Some(reading.snapshot.route);
            report.skipped = reading.snapshot.skipped;
            let store = store.clone();
            // A long list takes seconds. Dropped meanwhile, it is taken in whole or not at all.
            let ingested = off_thread(move || store.ingest(&reading.snapshot, &record, &visits)).await?;
            (report.unchanged, report.joined) = (ingested.unchanged, ingested.joined);
            for apart in &ingested.apart {
                let papers = apart.iter().map(PaperKey::as_str).collect::<Vec<_>>().join(" ");
                tracing::warn!(source = %report.source, papers, "a name that several papers claim joins none of them");
            }
            (report.added, report.revised) = (ingested.added, ingested.revised);
        }
        Err(_) => store.record_failed_read(&record)?,
    }
    Ok(report)
}

/// Which days further back are worth a request.
fn further(
    store: &Store,
    source: &SourceId,
    has_votes: bool,
    window: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Further, StoreError> {
    let followed = if has_votes { store.followed_days(source, now - window)? } else { Vec::new() };
    Ok(Further { followed, unread: store.unread_days(source, now)? })
}
