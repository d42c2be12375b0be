//! Deliver: claim → render → send → outcome.
//!
//! A claimed mail is made from what its edition froze: the papers as they were known then, the order as it was then, the
//! Date, the Message-ID and the boundary. So a second attempt is the same mail. Outcomes are committed in groups while
//! other mails are under way; nothing is marked sent before the server has taken it, and no worker starts its next mail
//! before the outcome of the last one is committed.
//!
//! A fault of the session (no connection, no greeting, no login) is no fault of any mail: the worker that met it leaves its
//! work to the others. When the last one has left, untried claims are given back, and the caller waits before it asks again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::letter::{self, Sender};
use crate::clock::Clock;
use crate::core::delivery::{Fault, Outcome, SendError, outcome};
use crate::mail::{Mail, Transport};
use crate::store::{Claim, Recorded, Store, StoreError};

/// What delivering depends on besides the database.
#[derive(Clone)]
pub struct Settings {
    /// Who writes, and what every mail says of the list.
    pub sender: Sender,
    /// Mails sent at once.
    pub connections: usize,
}

/// What one run did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Mails that the other side took.
    pub sent: usize,
    /// Mails that are tried again later.
    pub retried: usize,
    /// Mails that were given up.
    pub failed: usize,
    /// What ended the run before its claims were worked off.
    pub outage: Option<Fault>,
    /// Whether more may be due already.
    pub has_more: bool,
}

/// Mails claimed by one run.
const BATCH: usize = 256;

/// Outcomes committed at once, at most.
const GROUP: usize = 64;

/// How long a claim lasts: longer than the slowest send of a whole batch over one connection.
const LEASE: Duration = Duration::hours(2);

/// Claims what is due, up to a batch, and sends it. After `stop` no further mail is begun.
pub async fn run<T: Transport + 'static>(
    store: &Store,
    transport: &Arc<T>,
    settings: &Settings,
    clock: &Clock,
    stop: &CancellationToken,
) -> Result<Report, StoreError> {
    let claims = store.claim(clock.now(), BATCH, LEASE)?;
    let mut report = Report::default();
    if claims.is_empty() {
        // A whole batch may have been dropped.
        report.has_more = is_more_due(store, clock)?;
        return Ok(report);
    }
    let mails = letter::Writer::new(store.clone(), settings.sender.clone());
    let queue = Arc::new(Mutex::new(VecDeque::from(claims)));
    let halt = stop.child_token();
    let (outcomes, mut finished) = mpsc::channel(GROUP);
    let mut workers = JoinSet::new();
    for _ in 0..settings.connections.max(1) {
        let worker = Worker {
            store: store.clone(),
            queue: queue.clone(),
            transport: transport.clone(),
            mails: mails.clone(),
            clock: clock.clone(),
            halt: halt.clone(),
            outcomes: outcomes.clone(),
        };
        workers.spawn(worker.work());
    }
    drop(outcomes);

    let mut group = Vec::with_capacity(GROUP);
    let mut unrecorded: Vec<Recorded> = Vec::new();
    while finished.recv_many(&mut group, GROUP).await > 0 {
        let (records, waiting): (Vec<Recorded>, Vec<oneshot::Sender<()>>) = group.drain(..).unzip();
        records.iter().for_each(|recorded| count(&mut report, recorded));
        match store.record(&records) {
            // A worker that has stopped waiting has been stopped itself.
            Ok(()) => waiting.into_iter().for_each(|worker| {
                let _ = worker.send(());
            }),
            Err(error) => {
                // What is out is out: no further mail is begun, and those in hand are finished, so that all can be
                // recorded once more below.
                tracing::error!(%error, "could not record what was sent");
                halt.cancel();
                unrecorded.extend(records);
            }
        }
    }
    if !unrecorded.is_empty() {
        store.record(&unrecorded)?;
    }
    // A worker that panicked leaves its claim to the lease; that is a fault in the program, and is said.
    while let Some(ended) = workers.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a mail could not be made");
        }
    }
    let left: Vec<(i64, u32)> = lock(&queue).drain(..).map(|claim| (claim.mailing.edition, claim.attempt)).collect();
    if left.is_empty() {
        // Whoever could not connect has left the work to the others, and they have done it.
        if report.sent > 0 {
            report.outage = None;
        }
        report.has_more = is_more_due(store, clock)?;
    } else {
        store.release(&left, clock.now())?;
    }
    Ok(report)
}

fn is_more_due(store: &Store, clock: &Clock) -> Result<bool, StoreError> {
    Ok(store.next_delivery()?.is_some_and(|due| due <= clock.now()))
}

fn count(report: &mut Report, recorded: &Recorded) {
    match recorded.outcome {
        Outcome::Sent => report.sent += 1,
        Outcome::Retry(_) => report.retried += 1,
        Outcome::Failed => report.failed += 1,
    }
    if let Err(error) = &recorded.result {
        let again = match recorded.outcome {
            Outcome::Retry(at) => at.to_rfc3339(),
            _ => "never".to_owned(),
        };
        tracing::warn!(edition = recorded.edition, attempt = recorded.attempt, kind = error.kind(), again, %error, "not sent");
        if is_outage(error) && report.outage.is_none() {
            report.outage = Some(error.fault().clone());
        }
    }
}

/// Whether the fault lies with the session, so that the next mail would meet it too.
fn is_outage(error: &SendError) -> bool {
    matches!(error, SendError::Transient(_))
        && matches!(error.fault().phase, "connect" | "greeting" | "ehlo" | "starttls" | "tls" | "auth")
}

/// One of those who send at the same time.
struct Worker<T> {
    store: Store,
    queue: Arc<Mutex<VecDeque<Claim>>>,
    transport: Arc<T>,
    mails: letter::Writer,
    clock: Clock,
    halt: CancellationToken,
    /// An outcome, and whom to tell that it is committed.
    outcomes: mpsc::Sender<(Recorded, oneshot::Sender<()>)>,
}

impl<T: Transport> Worker<T> {
    /// Whether the subscriber left since the claim. Then it is given back, for the next claim to drop it; and so it is
    /// at the end of the lease, should giving it back fail.
    fn has_left(&self, claim: &Claim) -> bool {
        if self.store.is_welcome(claim.mailing.edition).unwrap_or(true) {
            return false;
        }
        if let Err(error) = self.store.release(&[(claim.mailing.edition, claim.attempt)], self.clock.now()) {
            tracing::warn!(edition = claim.mailing.edition, %error, "could not give back a claim");
        }
        true
    }

    async fn work(self) {
        while !self.halt.is_cancelled() {
            let Some(claim) = lock(&self.queue).pop_front() else { return };
            if self.has_left(&claim) {
                continue;
            }
            let result = match self.mails.write(&claim.mailing) {
                Ok(bytes) => {
                    let mail = Mail {
                        from: Some(self.mails.return_path(&claim.mailing)),
                        to: claim.mailing.subscription.address.clone(),
                        message_id: claim.mailing.message_id.clone(),
                        bytes,
                    };
                    self.transport.send(&mail).await
                }
                // What can't be read now may be readable again once the disk or the program is mended.
                Err(error) => Err(SendError::Transient(Fault::new("render", error.to_string()))),
            };
            let has_no_session = result.as_ref().is_err_and(is_outage);
            let now = self.clock.now();
            let unknowns = claim.unknowns + u32::from(matches!(result, Err(SendError::Unknown(_))));
            // Delays grow with what was said about this mail; of a session's fault it knows nothing.
            let attempts = if has_no_session { 1 } else { claim.attempt };
            let outcome = outcome(&result, attempts, unknowns, claim.queued, now, fastrand::f64());
            let edition = claim.mailing.edition;
            let recorded = Recorded { edition, attempt: claim.attempt, at: now, result, outcome };
            let (told, committed) = oneshot::channel();
            // Without a session this one leaves; others may have one: a server can allow fewer than are asked for.
            if self.outcomes.send((recorded, told)).await.is_err() || has_no_session || committed.await.is_err() {
                return;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
