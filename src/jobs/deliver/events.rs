//! Events of a run: from the workers to the dispatcher, and from the dispatcher to the log.

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use crate::core::delivery::{Outcome, SendError};
use crate::core::pacing::{Cause, Change};
use crate::store::Recorded;

/// What a worker reports to the dispatcher.
pub(super) enum WorkerEvent {
    /// May this claim be sent? Answered once everything told before is committed.
    MaySend((i64, u32), oneshot::Sender<bool>),
    /// An attempt has ended.
    Ended(Recorded),
    /// Answered once the events before it are committed.
    Barrier(oneshot::Sender<()>),
    /// A claim that nobody will try.
    Untried((i64, u32)),
    /// A bug: a worker panicked, and reports no more of what it had.
    Broken,
}

/// Says why a mail was not sent, and when it is tried again.
pub(super) fn not_sent(recorded: &Recorded, error: &SendError) {
    let again = match recorded.outcome {
        Outcome::Retry(at) if at > recorded.at => at.to_rfc3339(),
        Outcome::Retry(_) => "after a hold".to_owned(),
        _ => "never".to_owned(),
    };
    let Recorded { mail, attempt, .. } = recorded;
    tracing::warn!(mail, attempt, kind = %error.kind(), again, %error, "not sent");
}

/// Says that a domain, or everything, is held from now on. Its name may be a person's, so `paperpost status` has it.
pub(super) fn holds(change: &Change, mail: i64, now: DateTime<Utc>) {
    let Some(hold) = change.hold.as_ref().filter(|hold| hold.since == now) else { return };
    let (until, words) = (hold.until.to_rfc3339(), &hold.words);
    match (hold.cause, &change.domain) {
        (Cause::Deferred, _) => {
            tracing::warn!(mail, until, %words, "a domain asks us to slow down: its mails are held")
        }
        (Cause::Refused, Some(_)) => tracing::error!(
            mail, until, %words,
            "a domain refuses our mail because of our configuration or reputation: its mails are held; look at the sender's DNS, its standing, the mail",
        ),
        (Cause::Refused, None) => tracing::error!(
            mail, until, %words,
            "our mail is refused because of our configuration or reputation: all mails are held; look at the sender's DNS, its standing, the login",
        ),
    }
}
