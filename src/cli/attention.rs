//! What needs a person: `status` begins with it, and `status --check` ends with 1 because of it.
//!
//! Only what doesn't mend itself and isn't known already: a source that fails once, a mail that is put off or a mailbox that is
//! full is no reason to wake anybody.

use chrono::{DateTime, Duration, Utc};

use super::format::plural;
use crate::app;
use crate::core::paper::ReadOutcome;
use crate::jobs::deliver::pace::{Held, HeldBy};
use crate::store::{BounceClass, OutboxState, SourceStatus, Store, SubscriberStatus};

/// As many reads in a row may fail.
const FAILED_READS: u32 = 3;

/// A mail that failed longer ago is known by now.
const RECENT: Duration = Duration::days(3);

/// Reports of so long ago were read, or never will be.
const UNCLEAR: Duration = Duration::days(7);

/// As many failed mails are looked at, the newest: more are no other news.
const MOST_MAILS: usize = 1_000;

/// A sentence for each thing.
pub(super) fn needed(
    store: &Store,
    sources: &[&SourceStatus],
    held: &[Held],
    subscribers: &[SubscriberStatus],
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<String>> {
    let mut needed = Vec::new();
    for source in sources {
        let id = &source.source;
        match source.outcome {
            ReadOutcome::Blocked => needed.push(format!("{id} refuses us as a robot")),
            _ if source.failures >= FAILED_READS => {
                needed.push(format!("{id} could not be read {} times in a row", source.failures));
            }
            _ => {}
        }
    }
    let faults = subscribers.iter().filter(|subscriber| subscriber.fault.is_some()).count();
    if faults > 0 {
        needed.push(format!("{faults} {} could not be decided (paperpost list)", plural(faults, "edition")));
    }
    for held in held.iter().filter(|held| held.by == HeldBy::Refused) {
        let whose = held.domain.as_deref().unwrap_or("everybody");
        needed.push(format!(
            "mails to {whose} are refused because of our configuration or reputation (paperpost status)"
        ));
    }
    let failed = store.outbox(&[OutboxState::Failed], MOST_MAILS)?;
    let failed = failed.iter().filter(|mail| mail.due > now - RECENT).count();
    if failed > 0 {
        needed.push(format!("{failed} {} failed of late (paperpost outbox --state failed)", plural(failed, "mail")));
    }
    let suspected = store.suspicions()?.iter().filter(|suspicion| suspicion.is_for_a_person()).count();
    if suspected > 0 {
        needed.push(format!("{suspected} {} refused again and again", plural(suspected, "reader")));
    }
    match store.flagged()? {
        Some(0) => {}
        Some(flagged) => needed.push(about_flagged(flagged)),
        // By a pipe, a report that nobody understands goes back to the mail server.
        None => {
            let came_back = store.bounces(now - UNCLEAR)?;
            let unclear = came_back.iter().filter(|bounces| bounces.class == BounceClass::Unclear);
            let unclear = unclear.map(|bounces| bounces.count).sum::<u64>() as usize;
            if unclear > 0 {
                needed.push(format!("{unclear} {} came back that nobody understands", plural(unclear, "report")));
            }
        }
    }
    needed.extend(app::old_zones(now.date_naive()));
    Ok(needed)
}

/// What is said of messages that wait for a person.
pub(super) fn about_flagged(count: usize) -> String {
    let (are, wait) = if count == 1 { ("is", "waits") } else { ("are", "wait") };
    format!("{count} {} in the bounce mailbox {are} flagged and {wait} for a person", plural(count, "message"))
}
