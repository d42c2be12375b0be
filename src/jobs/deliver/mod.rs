//! Deliver: claim → render → send → outcome.
//!
//! A claimed mail is made from what its edition froze: the papers as they were known then, the order as it was then, the
//! Date, the Message-ID and the boundary. So a second attempt is the same mail.
//!
//! No stage waits unless it has to. The renderers make mails ahead of the workers, each of which begins to send its next one while
//! the outcome of the last one is being committed; only the step by which the other side takes the mail waits for that
//! commit, at a [`Gate`]. The dispatcher commits outcomes in groups, opens the gates, and claims more before the renderers run dry.
//! So nothing is marked sent before the server has taken it, and a crash repeats at most one mail a worker.
//!
//! ```text
//!  dispatcher ──claims──▶ renderers ──mails──▶ workers ──outcome, "may I?"──▶ dispatcher
//!    └──────────────────────────────────gate──────┘
//! ```
//!
//! How fast mails leave, and which domain has to wait, is the dispatcher's matter ([`crate::core::pacing`]). A run never sleeps:
//! when nothing may go now, it ends and says when something may.
//!
//! A fault of the session (no connection, no greeting, no login) is no fault of any mail: the worker that met it leaves its
//! work to the others. When the last one has left, untried claims are given back, and the caller waits before it asks again.

pub mod at_once;
mod dispatcher;
mod events;
mod holds;
pub mod pace;
mod renderer;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::compose::{Sender, Shared, Writer};
use crate::core::delivery::{Fault, Outcome, Receipt, SendError, outcome};
use crate::core::pacing::Ending;
use crate::mail::{Gate, Handover, Mail, Transport};
use crate::store::{Claim, Recorded, Store, StoreError};
use dispatcher::Dispatcher;
use events::WorkerEvent;
use holds::Holds;
use pace::Pace;
use renderer::{AtWork, Renderer};

/// What delivering depends on besides the database.
#[derive(Clone)]
pub struct Settings {
    /// Who writes, and what every mail says of the list.
    pub sender: Sender,
    /// What was read and made of papers, from one run to the next as long as more is due.
    pub shared: Arc<Shared>,
    /// Mails sent at once.
    pub connections: usize,
    /// How fast mails may leave.
    pub pace: Arc<Pace>,
    /// So many editions in a row have to be refused for a passing trouble …
    pub soft_limit: u32,
    /// … over so many days, before an address gets no more.
    pub soft_days: u32,
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
    /// Without more: when the next mail may go, if any waits.
    pub next: Option<DateTime<Utc>>,
}

/// Sends what is due, up to some thousand mails. After `stop` no further mail is begun.
pub async fn run<T: Transport + 'static>(
    store: &Store,
    transport: &Arc<T>,
    settings: &Settings,
    clock: &Clock,
    stop: &CancellationToken,
) -> Result<Report, StoreError> {
    let halt = stop.child_token();
    let connections = settings.connections.max(1);
    let holds = Arc::new(Holds::default());
    let (dispatcher, claims) =
        Dispatcher::new(store.clone(), settings.clone(), clock.clone(), halt.clone(), holds.clone())?;
    let (told, hears) = mpsc::channel(dispatcher::GROUP);
    let claims = Arc::new(tokio::sync::Mutex::new(claims));
    let renderers = std::thread::available_parallelism().map_or(1, usize::from).min(connections);
    let (made, ready) = mpsc::channel(connections + renderers * renderer::IN_A_ROW);
    let renderer = Renderer {
        claims: claims.clone(),
        ready: made,
        mails: Writer::sharing(store.clone(), settings.sender.clone(), settings.shared.clone()),
        clock: clock.clone(),
        halt: halt.clone(),
        told: told.clone(),
    };
    let at_work = renderer.start(renderers);
    // Not before there is somebody to claim for.
    let dispatcher = tokio::task::spawn_blocking(move || dispatcher.keep_books(hears));
    let worker = Worker {
        ready: Arc::new(tokio::sync::Mutex::new(ready)),
        passed_on: Arc::default(),
        holds,
        transport: transport.clone(),
        clock: clock.clone(),
        halt: halt.clone(),
        told,
    };
    let mut workers: JoinSet<()> = (0..connections).map(|_| worker.clone().work()).collect();
    while let Some(ended) = workers.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "bug: a delivery worker panicked");
            worker.tell(WorkerEvent::Broken).await;
            // What waits for its mail's end would wait for ever.
            halt.cancel();
        }
    }
    worker.give_back_the_rest(&claims, at_work).await;
    match dispatcher.await {
        Ok(report) => {
            if !report.as_ref().is_ok_and(|report| report.has_more) {
                settings.shared.forget();
            }
            report
        }
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// One of the workers that send at the same time.
struct Worker<T> {
    /// From the renderers.
    ready: Arc<tokio::sync::Mutex<mpsc::Receiver<Ready>>>,
    /// Mails of workers that have left, for the others to send, and the news of them.
    passed_on: Arc<(Mutex<Vec<Ready>>, Notify)>,
    holds: Arc<Holds>,
    transport: Arc<T>,
    clock: Clock,
    halt: CancellationToken,
    told: mpsc::Sender<WorkerEvent>,
}

/// A claim, and when it was handed out.
type Dispatched = (Arc<Claim>, DateTime<Utc>);

/// The same and its mail.
type Ready = (Dispatched, Mail);

impl<T: Transport> Worker<T> {
    async fn work(self) {
        let mut ready = self.take_up().await;
        while let Some((handed, mail)) = ready {
            let (claim, begun) = &handed;
            if self.halt.is_cancelled() {
                return self.tell(WorkerEvent::Untried(key(claim))).await;
            }
            if self.holds.stops(mail.to.domain(), *begun) {
                self.tell(WorkerEvent::Untried(key(claim))).await;
                ready = self.take_up().await;
                continue;
            }
            let following = OnceLock::new();
            let (may_go_on, next) = tokio::join!(self.deliver(claim, &mail, &following), async {
                let (handed, mail) = self.take_up().await?;
                following.set(mail).ok();
                Some(handed)
            });
            ready = next.zip(following.into_inner());
            if !may_go_on {
                self.passed_on().extend(ready);
                return self.passed_on.1.notify_one();
            }
            if ready.is_none() {
                ready = self.passed_on().pop();
            }
        }
    }

    /// Sends a mail and tells the dispatcher how that ended. Whether this worker may go on.
    async fn deliver(&self, claim: &Claim, mail: &Mail, next: &OnceLock<Mail>) -> bool {
        let (answer, gate) = Gate::waiting();
        self.tell(WorkerEvent::MaySend(key(claim), answer)).await;
        let result = match self.transport.send_with_handover(mail, Handover { gate, next }).await {
            Ok(Some(receipt)) => Ok(receipt),
            // The dispatcher refused, and has taken the claim back.
            Ok(None) => return true,
            Err(error) => Err(error),
        };
        // Without a session this one leaves; others may have one: a server can allow fewer than are asked for.
        let (has_failed, has_no_session) = (result.is_err(), result.as_ref().is_err_and(SendError::is_outage));
        if result.as_ref().is_err_and(|error| error.fault().is_refused_login()) {
            // The others would be refused as well, and too many refusals lock an account.
            self.halt.cancel();
        }
        self.tell(WorkerEvent::Ended(ended(claim, result, self.clock.now()))).await;
        if has_failed {
            // The dispatcher may make a rest of it, which the next mail has to keep.
            let (answer, noted) = oneshot::channel();
            self.tell(WorkerEvent::Barrier(answer)).await;
            noted.await.ok();
        }
        !has_no_session
    }

    /// Takes up a mail; `None` when none is left or no further one is to be begun.
    async fn take_up(&self) -> Option<Ready> {
        loop {
            tokio::select! {
                biased;
                () = self.halt.cancelled() => return None,
                // Others may wait for its end: it has its part in what a domain may have under way.
                () = self.passed_on.1.notified() => if let Some(ready) = self.passed_on().pop() {
                    self.passed_on.1.notify_one();
                    return Some(ready);
                },
                ready = async { self.ready.lock().await.recv().await } => return ready,
            }
        }
    }

    /// Gives back what nobody will send, and hangs up on the dispatcher.
    async fn give_back_the_rest(self, claims: &tokio::sync::Mutex<mpsc::Receiver<Dispatched>>, mut at_work: AtWork) {
        let passed_on = std::mem::take(&mut *self.passed_on());
        for (handed, _) in passed_on {
            self.tell(WorkerEvent::Untried(key(&handed.0))).await;
        }
        let mut ready = self.ready.lock().await;
        ready.close();
        while let Some((handed, _)) = ready.recv().await {
            self.tell(WorkerEvent::Untried(key(&handed.0))).await;
        }
        at_work.recv().await;
        let mut claims = claims.lock().await;
        claims.close();
        while let Some((claim, _)) = claims.recv().await {
            self.tell(WorkerEvent::Untried(key(&claim))).await;
        }
    }

    fn passed_on(&self) -> MutexGuard<'_, Vec<Ready>> {
        self.passed_on.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The dispatcher listens until the last worker has hung up.
    async fn tell(&self, told: WorkerEvent) {
        self.told.send(told).await.ok();
    }
}

/// What follows from the end of an attempt.
fn ended(claim: &Claim, result: Result<Receipt, SendError>, now: DateTime<Utc>) -> Recorded {
    let ending = Ending::of(&result);
    ended_as(claim, result, now, &ending)
}

/// The same, if it means what `ending` says.
fn ended_as(claim: &Claim, result: Result<Receipt, SendError>, now: DateTime<Utc>, ending: &Ending) -> Recorded {
    let tries = match ending {
        // Before a recipient was named, or of how much we send to all: the mail has no part in it.
        Ending::Deferred { by_domain: false, .. } => claim.tries,
        Ending::Deferred { by_domain: true, .. } => claim.tries.put_off(now),
        _ => claim.tries.and(&result, now),
    };
    let outcome = match (outcome(&result, tries, now, fastrand::f64()), ending) {
        // The domain holds, not the mail, which keeps its place; after the rest another one asks first.
        (Outcome::Retry(_), Ending::Deferred { .. }) => Outcome::Retry(claim.queued.min(now)),
        (outcome, _) => outcome,
    };
    let (mail, attempt) = key(claim);
    Recorded { mail, attempt, at: now, result, tries, outcome, met: Vec::new(), is_doubtful: false }
}

/// The mail and the attempt: what names a claim.
fn key(claim: &Claim) -> (i64, u32) {
    (claim.mail, claim.attempt)
}

/// What tells a claim's mailbox from others: the subscription's number; a number of its own for an address without one.
fn mailbox(claim: &Claim) -> i64 {
    claim.subscription.unwrap_or(-claim.mail)
}

impl<T> Clone for Worker<T> {
    fn clone(&self) -> Self {
        Self {
            ready: self.ready.clone(),
            passed_on: self.passed_on.clone(),
            holds: self.holds.clone(),
            transport: self.transport.clone(),
            clock: self.clock.clone(),
            halt: self.halt.clone(),
            told: self.told.clone(),
        }
    }
}
