//! The loops: each waits, calls one step, and wakes whoever it concerns.
//!
//! No wait is longer than [`LONGEST_WAIT`], because a clock can be set and a laptop can sleep: a schedule is kept by the
//! wall clock, not by how long a timer ran.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::Shared;
use crate::jobs;
use crate::mail::Transport;

const LONGEST_WAIT: Duration = Duration::from_secs(60);

const SHORTEST_WAIT: Duration = Duration::from_millis(20);

/// How long after a failed read the next one is made, if the schedule has none sooner; doubled with each failure.
const AFTER_FAILURE: Duration = Duration::from_secs(600);

/// Reads one source by its schedule.
pub(super) async fn scrape<T: Transport>(shared: Arc<Shared<T>>, index: usize) {
    let parts = &shared.parts;
    let (source, schedule) = &parts.sources[index];
    let spread = spread(&shared, source.id.as_str());
    let next_slot = |after: DateTime<Utc>| schedule.next(after - spread, Tz::UTC).map(|(_, at)| at + spread);
    let mut due = match last_read(&shared, source.id.as_str()) {
        Some(last) => next_slot(last),
        None => Some(parts.clock.now()),
    };
    let mut failures = 0;
    let mut counted = false;
    loop {
        if due.is_none_or(|at| at > parts.clock.now()) && !counted {
            shared.first_reads.send_modify(|count| *count += 1);
            counted = true;
        }
        if wait_until(&shared, due).await.is_stopped() {
            return;
        }
        let now = parts.clock.now();
        let read = jobs::scrape::run(&parts.store, &parts.client, source, now);
        let report = tokio::select! {
            report = read => report,
            () = shared.stop.cancelled() => return,
        };
        let (is_good, asked) = match &report {
            Ok(report) => (report.is_good(), report.retry_after.unwrap_or_default()),
            Err(error) => {
                tracing::error!(source = %source.id, %error, "could not keep what was read");
                (false, Duration::ZERO)
            }
        };
        due = next_slot(now);
        failures = if is_good { 0 } else { failures + 1 };
        if failures > 0 {
            due = due.into_iter().chain([now + AFTER_FAILURE * 2u32.pow((failures - 1).min(6))]).min();
        }
        // Whoever asks to be left alone is, whatever the schedule says.
        due = due.map(|due| due.max(now + asked));
        if !counted {
            shared.first_reads.send_modify(|count| *count += 1);
            counted = true;
        }
        shared.publish.notify_one();
    }
}

/// Publishes whenever something may be due.
pub(super) async fn publish<T: Transport + 'static>(shared: Arc<Shared<T>>) {
    let mut first_reads = shared.first_reads.subscribe();
    let sources = shared.parts.sources.len();
    tokio::select! {
        _ = first_reads.wait_for(|count| *count >= sources) => {}
        () = shared.stop.cancelled() => return,
    }
    loop {
        let step = {
            let shared = shared.clone();
            move || {
                let parts = &shared.parts;
                jobs::publish::run(&parts.store, &parts.publish, parts.clock.now(), |_| {})
            }
        };
        match tokio::task::spawn_blocking(step).await {
            Ok(Ok(report)) if report.editions > 0 => {
                let jobs::publish::Report { editions, queued, candidates, .. } = report;
                tracing::info!(editions, queued, candidates, "published");
                shared.deliver.notify_one();
            }
            Ok(Ok(report)) if report.is_waiting => tracing::debug!("no source has been read yet: nothing is published"),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%error, "could not publish; tried again in a minute"),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.publish.notified() => {}
            () = tokio::time::sleep(until_full_minute(shared.parts.clock.now())) => {}
        }
    }
}

/// Delivers whenever something is queued and due.
pub(super) async fn deliver<T: Transport + 'static>(shared: Arc<Shared<T>>) {
    let parts = &shared.parts;
    loop {
        let step = jobs::deliver::run(&parts.store, &parts.transport, &parts.deliver, &parts.clock, &shared.stop);
        let result = step.await;
        if let Ok(jobs::deliver::Report { sent, retried, failed, .. }) = result
            && sent + retried + failed > 0
        {
            tracing::info!(sent, retried, failed, "delivered");
        }
        let wait = match result {
            Ok(report) if report.outage.is_some() => LONGEST_WAIT,
            Ok(report) if report.has_more => Duration::ZERO,
            Ok(report) => until_next(report.next, parts.clock.now()),
            Err(error) => {
                tracing::error!(%error, "could not deliver; tried again in a minute");
                // Nobody else delivers, so what is still claimed is what this run left behind.
                if let Err(error) = parts.store.recover_claims(parts.clock.now()) {
                    tracing::error!(%error, "could not take back the claims");
                }
                LONGEST_WAIT
            }
        };
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.deliver.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// How long until mails may go. Where a limit lets one go every few milliseconds, some go together.
fn until_next(next: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Duration {
    let wait = next.map_or(LONGEST_WAIT, |next| (next - now).to_std().unwrap_or_default());
    wait.clamp(SHORTEST_WAIT, LONGEST_WAIT)
}

/// Prunes once a day.
pub(super) async fn prune<T: Transport>(shared: Arc<Shared<T>>) {
    loop {
        let parts = &shared.parts;
        if let Err(error) = jobs::prune::run(&parts.store, parts.publish.window, parts.clock.now()) {
            tracing::error!(%error, "could not prune");
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(86_400)) => {}
        }
    }
}

/// Takes in what arrived in the bounce mailbox, every minute.
pub(super) async fn bounces<T: Transport + 'static>(shared: Arc<Shared<T>>) {
    loop {
        let step = {
            let shared = shared.clone();
            move || {
                let parts = &shared.parts;
                let Some((maildir, settings)) = &parts.bounces else { return Ok(0) };
                jobs::bounce::poll(&parts.store, settings, maildir, parts.clock.now())
            }
        };
        match tokio::task::spawn_blocking(step).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%error, "could not take in bounces; tried again in a minute"),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(LONGEST_WAIT) => {}
        }
    }
}

enum Waited {
    Due,
    Stopped,
}

impl Waited {
    fn is_stopped(&self) -> bool {
        matches!(self, Self::Stopped)
    }
}

async fn wait_until<T>(shared: &Shared<T>, due: Option<DateTime<Utc>>) -> Waited {
    loop {
        let left = due.map(|due| (due - shared.parts.clock.now()).to_std().unwrap_or_default());
        if left.is_some_and(|left| left.is_zero()) {
            return Waited::Due;
        }
        tokio::select! {
            () = shared.stop.cancelled() => return Waited::Stopped,
            () = tokio::time::sleep(left.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)) => {}
        }
    }
}

/// Slots are on full minutes, so looking right after one is soon enough and often enough.
fn until_full_minute(now: DateTime<Utc>) -> Duration {
    let past = u64::try_from(now.timestamp_millis().rem_euclid(60_000)).unwrap_or(0);
    Duration::from_millis(60_000 - past + 5)
}

fn last_read<T>(shared: &Shared<T>, name: &str) -> Option<DateTime<Utc>> {
    let sources = shared.parts.store.sources().ok()?;
    sources.into_iter().find(|status| status.source.as_str() == name)?.last_good
}

/// Up to five minutes after a slot, always the same for a source of one database: daemons everywhere don't all ask at the
/// hour.
fn spread<T>(shared: &Shared<T>, name: &str) -> chrono::Duration {
    let database = shared.parts.store.id().unwrap_or_default();
    let hash =
        database.iter().copied().chain(name.bytes()).fold(0u32, |h, byte| h.wrapping_mul(31).wrapping_add(byte.into()));
    chrono::Duration::seconds(i64::from(hash % 300))
}
