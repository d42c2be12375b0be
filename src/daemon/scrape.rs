//! Reads the sources by their schedules, each in a task of its own. Sources come and go with the settings.
//!
//! No wait is longer than [`LONGEST_WAIT`], because a clock can be set and a laptop can sleep: a schedule is kept by the
//! wall clock, not by how long a timer ran.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Shared, no_panic};
use crate::app::App;
use crate::core::paper::SourceId;
use crate::core::schedule::Schedule;
use crate::core::zone::Zone;
use crate::jobs;
use crate::store::STEP;

const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long after a failed read the next one is made, if the schedule has none sooner; doubled with each failure.
const AFTER_FAILURE: Duration = Duration::from_secs(600);

/// Reads all sources until the stop.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut apps = shared.app.subscribe();
    let mut tasks = JoinSet::new();
    let mut at_work = BTreeSet::new();
    loop {
        let app = apps.borrow_and_update().clone();
        for source in app.sources.iter().filter(|source| !at_work.contains(&source.id)) {
            tasks.spawn(read(shared.clone(), source.id.clone()));
        }
        at_work.extend(app.sources.iter().map(|source| source.id.clone()));
        tokio::select! {
            () = shared.stop.cancelled() => break,
            _ = apps.changed() => {}
            // A source that the settings no longer have.
            Some(ended) = tasks.join_next() => drop(at_work.remove(&no_panic(ended))),
        }
    }
    while let Some(ended) = tasks.join_next().await {
        no_panic(ended);
    }
}

/// Reads one source by its schedule, until the settings no longer have it; returns which one.
async fn read(shared: Arc<Shared>, id: SourceId) -> SourceId {
    let mut apps = shared.app.subscribe();
    let spread = spread(&shared, id.as_str());
    let mut past = Past::new(last_good(&shared, &id));
    let mut is_new = false;
    loop {
        let app = apps.borrow_and_update().clone();
        let Some(source) = app.sources.iter().find(|source| source.id == id) else { break };
        if is_new && past.failures > 0 {
            // The new settings may have mended it, so it is read as soon as after a restart.
            past = Past::new(last_good(&shared, &id));
        }
        let due = past.due(&source.schedule, spread, shared.clock.now());
        if !is_due(shared.clock.now(), due, past.last) {
            no_longer_awaited(&shared, &id);
        }
        match wait(&shared, &mut apps, due, past.last).await {
            Waited::Due => {}
            Waited::Changed => {
                is_new = true;
                continue;
            }
            Waited::Stopped => break,
        }
        let now = shared.clock.now();
        let read = jobs::scrape::run(&shared.store, &app.client, source, app.publish.window, now);
        let report = tokio::select! {
            report = read => report,
            () = shared.stop.cancelled() => break,
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
        past = Past { last: Some(now), failures: if is_good { 0 } else { past.failures + 1 }, asked };
        is_new = apps.has_changed().unwrap_or(false);
        no_longer_awaited(&shared, &id);
        shared.publish.notify_one();
    }
    no_longer_awaited(&shared, &id);
    id
}

/// What is known of the reads of a source.
struct Past {
    /// The last one, or the last good one before the start.
    last: Option<DateTime<Utc>>,
    /// How many failed in a row.
    failures: u32,
    /// How long the source asked to be left alone.
    asked: Duration,
}

impl Past {
    fn new(last: Option<DateTime<Utc>>) -> Self {
        Self { last, failures: 0, asked: Duration::ZERO }
    }

    /// When it is to be read next.
    fn due(&self, schedule: &Schedule, spread: TimeDelta, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let Some(last) = self.last else { return Some(now) };
        let mut due = schedule.next(last - spread, Zone::UTC).map(|(_, at)| at + spread);
        if self.failures > 0 {
            due = due.into_iter().chain([last + AFTER_FAILURE * 2u32.pow((self.failures - 1).min(6))]).min();
        }
        // A source that asks to be left alone is left alone, whatever the schedule says.
        due.map(|due| due.max(last + self.asked))
    }
}

enum Waited {
    Due,
    /// There are new parts, and so perhaps another schedule.
    Changed,
    Stopped,
}

async fn wait(
    shared: &Shared,
    apps: &mut watch::Receiver<Arc<App>>,
    due: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
) -> Waited {
    loop {
        let now = shared.clock.now();
        if is_due(now, due, last) {
            return Waited::Due;
        }
        let left = due.map_or(LONGEST_WAIT, |due| (due - now).to_std().unwrap_or_default());
        tokio::select! {
            () = shared.stop.cancelled() => return Waited::Stopped,
            _ = apps.changed() => return Waited::Changed,
            () = tokio::time::sleep(left.min(LONGEST_WAIT)) => {}
        }
    }
}

/// Whether a source that was read at `last` is to be read now: it is due, or that read lies ahead, and so does whatever
/// was worked out from it.
fn is_due(now: DateTime<Utc>, due: Option<DateTime<Utc>>, last: Option<DateTime<Utc>>) -> bool {
    due.is_some_and(|due| due <= now) || last.is_some_and(|last| last > now + STEP)
}

fn no_longer_awaited(shared: &Shared, id: &SourceId) {
    shared.awaited.send_if_modified(|awaited| awaited.remove(id));
}

fn last_good(shared: &Shared, id: &SourceId) -> Option<DateTime<Utc>> {
    let sources = shared.store.sources().ok()?;
    sources.into_iter().find(|status| status.source == *id)?.last_good
}

/// Up to five minutes after a slot, always the same for a source of one database: daemons everywhere don't all ask at the
/// hour.
fn spread(shared: &Shared, name: &str) -> TimeDelta {
    let database = shared.store.id().unwrap_or_default();
    let hash =
        database.iter().copied().chain(name.bytes()).fold(0u32, |h, byte| h.wrapping_mul(31).wrapping_add(byte.into()));
    TimeDelta::seconds(i64::from(hash % 300))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    #[test]
    fn a_source_that_was_read_in_the_future_is_read_at_once() {
        assert!(!is_due(at(10), Some(at(12)), Some(at(9))), "not yet");
        assert!(is_due(at(12), Some(at(12)), Some(at(9))));
        assert!(is_due(at(10), Some(at(500)), Some(at(499))), "the clock was ahead when it was read");
        assert!(!is_due(at(10), None, Some(at(11))), "a small step back is no reason");
    }

    #[test]
    fn a_turn_is_by_the_last_read_and_the_schedule_of_the_time() {
        let schedule = |text: &str| Schedule::parse(text).expect("a schedule");
        let (daily, hourly) = (schedule("0 12 * * *"), schedule("0 * * * *"));
        let due = |past: &Past, schedule| past.due(schedule, TimeDelta::minutes(2), at(30));
        let two = TimeDelta::minutes(2);
        assert_eq!(due(&Past::new(None), &daily), Some(at(30)), "never read, so now");
        let read = Past::new(Some(at(20)));
        assert_eq!(due(&read, &daily), Some(at(36) + two));
        assert_eq!(due(&read, &hourly), Some(at(20) + two), "with another schedule it may be overdue");
        let failed = Past { failures: 3, ..Past::new(Some(at(20))) };
        assert_eq!(due(&failed, &daily), Some(at(20) + TimeDelta::minutes(40)));
        let asked = Past { asked: Duration::from_secs(7200), ..failed };
        assert_eq!(due(&asked, &daily), Some(at(22)), "it asked for two hours");
    }
}
