//! The loops: each waits, calls one step, and wakes whoever it concerns.
//!
//! No wait is longer than [`LONGEST_WAIT`], because a clock can be set and a laptop can sleep: a schedule is kept by the
//! wall clock, not by how long a timer ran.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Shared;
use crate::core::delivery::Fault;
use crate::core::zone::Zone;
use crate::jobs;
use crate::mail::Transport;
use crate::store::STEP;

const LONGEST_WAIT: Duration = Duration::from_secs(60);

const SHORTEST_WAIT: Duration = Duration::from_millis(20);

/// A wait that is long enough to say what was done before it.
const PAUSE: Duration = Duration::from_secs(2);

/// Mails that are worth a line in the log while more go out.
const MANY: usize = 1_000;

/// How long after a failed read the next one is made, if the schedule has none sooner; doubled with each failure.
const AFTER_FAILURE: Duration = Duration::from_secs(600);

/// The longest pause between two looks at a bounce mailbox that can't be read, or two logins that are refused.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Reads one source by its schedule.
pub(super) async fn scrape<T: Transport>(shared: Arc<Shared<T>>, index: usize) {
    let parts = &shared.parts;
    let source = &parts.sources[index];
    let spread = spread(&shared, source.id.as_str());
    let next_slot = |after: DateTime<Utc>| source.schedule.next(after - spread, Zone::UTC).map(|(_, at)| at + spread);
    let mut last = last_read(&shared, source.id.as_str());
    let mut due = last.map_or(Some(parts.clock.now()), next_slot);
    let mut failures = 0;
    let mut counted = false;
    loop {
        if !is_due(parts.clock.now(), due, last) && !counted {
            shared.first_reads.send_modify(|count| *count += 1);
            counted = true;
        }
        if wait_until(&shared, due, last).await.is_stopped() {
            return;
        }
        let now = parts.clock.now();
        last = Some(now);
        let read = jobs::scrape::run(&parts.store, &parts.client, source, parts.publish.window, now);
        let report = tokio::select! {
            report = read => report,
            () = shared.stop.cancelled() => return,
        };
        let (is_good, asked) = match &report {
            Ok(report) => {
                report.log();
                (report.is_good(), report.retry_after.unwrap_or_default())
            }
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
        () = tokio::time::sleep(shared.parts.first_reads) => tracing::warn!("not every source has been read yet: publishing what is known"),
        () = shared.stop.cancelled() => return,
    }
    loop {
        let step = {
            let shared = shared.clone();
            move || {
                let parts = &shared.parts;
                jobs::publish::run(&parts.store, &parts.publish, parts.clock.now(), &shared.stop, |_| {})
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

/// Delivers whenever something is queued and due. While the login is refused the pauses grow: a server that is shown a
/// wrong password every minute locks the account.
pub(super) async fn deliver<T: Transport + 'static>(shared: Arc<Shared<T>>) {
    let parts = &shared.parts;
    let mut sum = jobs::deliver::Report::default();
    let mut pause = LONGEST_WAIT;
    loop {
        let step = jobs::deliver::run(&parts.store, &parts.transport, &parts.deliver, &parts.clock, &shared.stop);
        let result = step.await;
        if let Ok(report) = &result {
            sum.sent += report.sent;
            sum.retried += report.retried;
            sum.failed += report.failed;
        }
        let outage = result.as_ref().ok().and_then(|report| report.outage.clone());
        let refused = outage.filter(Fault::is_refused_login);
        if let Some(fault) = &refused {
            tracing::error!(error = %fault, again = ?pause, "the mail server refuses the login");
        }
        let wait = match result {
            Ok(_) if refused.is_some() => pause,
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
        pause = if refused.is_some() { (pause * 2).min(LONGEST_PAUSE) } else { LONGEST_WAIT };
        // A pace of so many a second makes many small runs: they are told together.
        let jobs::deliver::Report { sent, retried, failed, .. } = sum;
        if sent + retried + failed > 0 && (wait >= PAUSE || sent >= MANY || shared.stop.is_cancelled()) {
            tracing::info!(sent, retried, failed, "delivered");
            sum = jobs::deliver::Report::default();
        }
        // New mails are no reason to show a wrong password again.
        let is_asked = async {
            match refused {
                Some(_) => std::future::pending().await,
                None => shared.deliver.notified().await,
            }
        };
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = is_asked => {}
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
pub(super) async fn prune<T: Transport + 'static>(shared: Arc<Shared<T>>) {
    loop {
        let step = {
            let shared = shared.clone();
            move || {
                let parts = &shared.parts;
                jobs::leave::forget(&parts.store, parts.keep_days, parts.clock.now())?;
                jobs::prune::run(&parts.store, parts.publish.window, parts.clock.now(), &shared.stop)
            }
        };
        match tokio::task::spawn_blocking(step).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%error, "could not prune"),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
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
pub(super) async fn bounces<T: Transport + 'static>(shared: Arc<Shared<T>>) {
    let parts = &shared.parts;
    let Some(bounces) = &parts.bounces else { return };
    let (mut outage, mut trouble) = (String::new(), String::new());
    let mut pause = bounces.interval;
    loop {
        let step = jobs::inbox::run(&parts.store, &bounces.settings, bounces.inbox.as_ref(), &parts.clock);
        let result = tokio::select! {
            result = step => result,
            () = shared.stop.cancelled() => return,
        };
        match result {
            Ok(jobs::inbox::Report { messages, trouble: found }) => {
                if !outage.is_empty() {
                    tracing::info!("the bounce mailbox can be read again");
                    outage.clear();
                }
                if messages > 0 {
                    tracing::info!(messages, "read the bounce mailbox");
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
                pause = bounces.interval;
            }
            Err(error) => {
                let words = error.to_string();
                if words != outage {
                    tracing::error!(error = words, "could not read the bounce mailbox; tried again from time to time");
                    outage = words;
                }
                pause = (pause * 2).min(LONGEST_PAUSE.max(bounces.interval));
            }
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
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

async fn wait_until<T>(shared: &Shared<T>, due: Option<DateTime<Utc>>, last: Option<DateTime<Utc>>) -> Waited {
    loop {
        let now = shared.parts.clock.now();
        if is_due(now, due, last) {
            return Waited::Due;
        }
        let left = due.map_or(LONGEST_WAIT, |due| (due - now).to_std().unwrap_or_default());
        tokio::select! {
            () = shared.stop.cancelled() => return Waited::Stopped,
            () = tokio::time::sleep(left.min(LONGEST_WAIT)) => {}
        }
    }
}

/// Whether a source that was read at `last` is to be read now: it is due, or that read lies ahead, and so does whatever
/// was worked out from it.
fn is_due(now: DateTime<Utc>, due: Option<DateTime<Utc>>, last: Option<DateTime<Utc>>) -> bool {
    due.is_some_and(|due| due <= now) || last.is_some_and(|last| last > now + STEP)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_was_read_in_the_future_is_read_at_once() {
        let at = |hours| DateTime::UNIX_EPOCH + chrono::Duration::hours(hours);
        assert!(!is_due(at(10), Some(at(12)), Some(at(9))), "not yet");
        assert!(is_due(at(12), Some(at(12)), Some(at(9))));
        assert!(is_due(at(10), Some(at(500)), Some(at(499))), "the clock was ahead when it was read");
        assert!(!is_due(at(10), None, Some(at(11))), "a small step back is no reason");
    }
}
