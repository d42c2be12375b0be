//! The loops that publish, prune and look for what came back: each waits, calls one step, and wakes the next.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Shared, no_panic};
use crate::app::Bounces;
use crate::jobs;

/// The longest pause between two looks at a bounce mailbox that can't be read.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Publishes whenever something may be due.
pub(super) async fn publish(shared: Arc<Shared>) {
    let mut awaited = shared.awaited.subscribe();
    tokio::select! {
        _ = awaited.wait_for(|sources| sources.is_empty()) => {}
        () = tokio::time::sleep(shared.first_reads) => tracing::warn!("not every source has been read yet: publishing what is known"),
        () = shared.stop.cancelled() => return,
    }
    loop {
        let step = {
            let shared = shared.clone();
            move || {
                let settings = &shared.app().publish;
                jobs::publish::run(&shared.store, settings, shared.clock.now(), &shared.stop, |_| {})
            }
        };
        match no_panic(tokio::task::spawn_blocking(step).await) {
            Ok(report) if report.editions > 0 => {
                let jobs::publish::Report { editions, queued, candidates, .. } = report;
                tracing::info!(editions, queued, candidates, "published");
                shared.deliver.notify_one();
            }
            Ok(report) if report.is_waiting => tracing::debug!("no source has been read yet: nothing is published"),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "could not publish; tried again in a minute"),
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.publish.notified() => {}
            () = tokio::time::sleep(until_full_minute(shared.clock.now())) => {}
        }
    }
}

/// Prunes once a day.
pub(super) async fn prune(shared: Arc<Shared>) {
    loop {
        let step = {
            let shared = shared.clone();
            move || {
                let app = shared.app();
                jobs::leave::forget(&shared.store, app.keep_days, shared.clock.now())?;
                jobs::prune::run(&shared.store, app.publish.window, shared.clock.now(), &shared.stop)
            }
        };
        if let Err(error) = no_panic(tokio::task::spawn_blocking(step).await) {
            tracing::error!(%error, "could not prune");
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(86_400)) => {}
        }
    }
}

/// Takes in what arrived in the bounce mailbox. While it can't be reached the pauses grow: a server that is asked with a
/// wrong password every few minutes locks the account. Each trouble is told once, and so is its end; one with a single
/// entry lengthens no pause.
pub(super) async fn bounces(shared: Arc<Shared>) {
    let mut apps = shared.app.subscribe();
    let (mut outage, mut trouble) = (String::new(), String::new());
    let mut pause = Duration::ZERO;
    loop {
        let app = apps.borrow_and_update().clone();
        let Some(Bounces { inbox, settings, interval }) = &app.bounces else {
            tokio::select! {
                () = shared.stop.cancelled() => return,
                _ = apps.changed() => continue,
            }
        };
        let step = jobs::inbox::run(&shared.store, settings, inbox.as_ref(), &shared.clock);
        let result = tokio::select! {
            result = step => result,
            () = shared.stop.cancelled() => return,
        };
        match result {
            Ok(jobs::inbox::Report { messages, trouble: found, set_aside, .. }) => {
                if !outage.is_empty() {
                    tracing::info!("the bounce mailbox can be read again");
                    outage.clear();
                }
                if messages > 0 {
                    tracing::info!(messages, "read the bounce mailbox");
                }
                for message in set_aside {
                    tracing::warn!(error = %message, "a message that can't be read is left for a person");
                }
                match found.map(|error| error.to_string()) {
                    Some(words) if words != trouble => {
                        tracing::warn!(
                            error = words,
                            "something in the bounce mailbox could not be taken in; tried again"
                        );
                        trouble = words;
                    }
                    // Where nothing arrived, nothing could be refused.
                    None if messages > 0 => trouble.clear(),
                    _ => {}
                }
                pause = *interval;
            }
            Err(error) => {
                let words = error.to_string();
                if words != outage {
                    tracing::error!(error = words, "could not read the bounce mailbox; tried again from time to time");
                    outage = words;
                }
                pause = (pause.max(*interval) * 2).min(LONGEST_PAUSE.max(*interval));
            }
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            // It may be another mailbox, or the one that could not be read may be mended.
            _ = apps.changed() => pause = Duration::ZERO,
        }
    }
}

/// Slots are on full minutes, so looking right after one is soon enough and often enough.
fn until_full_minute(now: DateTime<Utc>) -> Duration {
    let past = u64::try_from(now.timestamp_millis().rem_euclid(60_000)).unwrap_or(0);
    Duration::from_millis(60_000 - past + 5)
}
