//! The clerk of a run: the only one who writes to the database meanwhile, on a thread of its own.
//!
//! Workers tell it things in order. It takes what has come in together, commits the outcomes in one transaction, and only
//! then answers who asked whether a claim may be sent. So whoever tells an outcome and then asks is answered when that
//! outcome is on the disk; and what is asked is answered by the state of that moment: who has left since the claim gets
//! nothing.
//!
//! When a commit fails, what is out is out: nobody is let through any more, the mails that are past their gate come to their
//! end, and at the close of the books everything is recorded once more.

use chrono::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Report, is_outage};
use crate::clock::Clock;
use crate::core::delivery::Outcome;
use crate::store::{Claim, Recorded, Store, StoreError};

/// What a worker tells the clerk.
pub(super) enum Told {
    /// May this claim be sent? Answered once everything told before is committed.
    MaySend((i64, u32), oneshot::Sender<bool>),
    /// An attempt has ended.
    Ended(Recorded),
    /// A claim that nobody will try.
    Untried((i64, u32)),
}

/// Things taken in at once, at most.
pub(super) const GROUP: usize = 64;

/// Mails claimed by one run, about. Then it ends, so that who is in charge sees how it goes, and workers that had lost
/// their session begin anew.
pub(super) const RUN: usize = 8192;

/// Mails claimed at once; as many more may wait for a worker.
const BATCH: usize = 64;

/// How long a claim lasts: longer than the slowest send of all that wait over one connection. Should it end all the same
/// and be taken over, the gate does not open for the first one.
const LEASE: Duration = Duration::hours(2);

/// See the module's page.
pub(super) struct Clerk {
    store: Store,
    clock: Clock,
    halt: CancellationToken,
    /// To the workers; `None` once nothing more is claimed.
    claims: Option<mpsc::Sender<Claim>>,
    claimed: usize,
    /// Workers that still have a session, as far as is known.
    workers: usize,
    report: Report,
    /// Outcomes that could not be committed.
    unrecorded: Vec<Recorded>,
    /// Claims to be given back.
    untried: Vec<(i64, u32)>,
    /// What ended the run.
    error: Option<StoreError>,
}

impl Clerk {
    /// A clerk for so many workers, and where they find what it claims.
    pub(super) fn new(
        store: Store,
        clock: Clock,
        halt: CancellationToken,
        workers: usize,
    ) -> (Self, mpsc::Receiver<Claim>) {
        let (claims, taken_up) = mpsc::channel(2 * BATCH);
        let clerk = Self {
            store,
            clock,
            halt,
            claims: Some(claims),
            claimed: 0,
            workers,
            report: Report::default(),
            unrecorded: Vec::new(),
            untried: Vec::new(),
            error: None,
        };
        (clerk, taken_up)
    }

    /// Works until the last worker has hung up. Blocks.
    pub(super) fn keep_books(mut self, mut hears: mpsc::Receiver<Told>) -> Result<Report, StoreError> {
        let mut group = Vec::with_capacity(GROUP);
        self.claim();
        while hears.blocking_recv_many(&mut group, GROUP) > 0 {
            let mut asking = Vec::new();
            let mut ended = Vec::new();
            for told in group.drain(..) {
                match told {
                    Told::MaySend(claim, answer) => asking.push((claim, answer)),
                    Told::Ended(recorded) => ended.push(recorded),
                    Told::Untried(claim) => self.untried.push(claim),
                }
            }
            self.record(ended);
            self.answer(asking);
            self.claim();
        }
        self.close()
    }

    /// Claims more, when there is room for it.
    fn claim(&mut self) {
        if self.halt.is_cancelled() || self.claimed >= RUN {
            self.claims = None;
        }
        let Some(claims) = self.claims.as_ref().filter(|claims| claims.capacity() >= BATCH) else { return };
        match self.store.claim(self.clock.now(), BATCH, LEASE) {
            Ok(batch) if batch.is_empty() => self.claims = None,
            Ok(batch) => {
                self.claimed += batch.len();
                for claim in batch {
                    if let Err(nobody) = claims.try_send(claim) {
                        self.untried.push(super::key(&nobody.into_inner()));
                    }
                }
            }
            Err(error) => self.end(error),
        }
    }

    fn record(&mut self, ended: Vec<Recorded>) {
        ended.iter().for_each(|recorded| self.count(recorded));
        if !self.unrecorded.is_empty() {
            self.unrecorded.extend(ended);
        } else if !ended.is_empty()
            && let Err(error) = self.store.record(&ended)
        {
            tracing::error!(%error, "could not record what was sent");
            self.unrecorded = ended;
            self.halt.cancel();
        }
    }

    fn answer(&mut self, asking: Vec<((i64, u32), oneshot::Sender<bool>)>) {
        if asking.is_empty() {
            return;
        }
        let claims: Vec<(i64, u32)> = asking.iter().map(|(claim, _)| *claim).collect();
        let may = if self.unrecorded.is_empty() { self.store.may_send(&claims) } else { Ok(Vec::new()) };
        let may = may.unwrap_or_else(|error| {
            self.end(error);
            Vec::new()
        });
        let mut refused = Vec::new();
        for (index, (claim, answer)) in asking.into_iter().enumerate() {
            let yes = may.get(index).copied().unwrap_or(false);
            if !yes {
                refused.push(claim);
            }
            // A worker that has stopped waiting has been stopped itself.
            answer.send(yes).ok();
        }
        // Given back at once, for the next claim to drop it.
        if !refused.is_empty() && (may.is_empty() || self.store.release(&refused, self.clock.now()).is_err()) {
            self.untried.extend(refused);
        }
    }

    /// Begins no further mail.
    fn end(&mut self, error: StoreError) {
        self.error.get_or_insert(error);
        self.claims = None;
        self.halt.cancel();
    }

    fn close(mut self) -> Result<Report, StoreError> {
        if !self.unrecorded.is_empty() {
            self.store.record(&self.unrecorded)?;
        }
        if !self.untried.is_empty() {
            self.store.release(&self.untried, self.clock.now())?;
        }
        if let Some(error) = self.error {
            return Err(error);
        }
        // Whoever could not connect has left the work to the others, and they have done it.
        if self.workers > 0 && self.report.sent > 0 {
            self.report.outage = None;
        }
        // Else it would only meet the outage again.
        if self.report.outage.is_none() {
            let next = self.store.next_delivery()?;
            self.report.has_more = next.is_some_and(|due| due <= self.clock.now());
        }
        Ok(self.report)
    }

    fn count(&mut self, recorded: &Recorded) {
        match recorded.outcome {
            Outcome::Sent => self.report.sent += 1,
            Outcome::Retry(_) => self.report.retried += 1,
            Outcome::Failed => self.report.failed += 1,
        }
        if let Err(error) = &recorded.result {
            let again = match recorded.outcome {
                Outcome::Retry(at) => at.to_rfc3339(),
                _ => "never".to_owned(),
            };
            let Recorded { edition, attempt, .. } = recorded;
            tracing::warn!(edition, attempt, kind = error.kind(), again, %error, "not sent");
            if is_outage(error) {
                self.workers = self.workers.saturating_sub(1);
                self.report.outage.get_or_insert_with(|| error.fault().clone());
            }
        }
    }
}
