//! The dispatcher of a run: the only one who writes to the database meanwhile, on a thread of its own.
//!
//! Workers tell it things in order. It takes what has come in together, commits the outcomes in one transaction, and only
//! then answers who asked whether a claim may be sent. So a worker that reports an outcome and then asks is answered when that
//! outcome is on the disk; and what is asked is answered by the state of that moment: who has left since the claim gets
//! nothing.
//!
//! It keeps the pace as well: what it hands out may begin at once, so workers know nothing of limits. What it has claimed for
//! a domain that has as many mails under way as it may have waits here until one of them has ended; as much as a domain
//! has under way may wait, so that a slow one doesn't fill the desk. What has to wait longer is given back untried.
//!
//! When a commit fails, what is out is out: nobody is let through any more, the mails that are past their gate come to their
//! end, and at the end of the run everything is recorded once more. Of a worker that panicked the
//! dispatcher knows what it had: a mail past its gate may be out, and counts as unknown; any other as tried and put off.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::events::{self, WorkerEvent};
use super::holds::Holds;
use super::{Dispatched, Report, Settings, ended, ended_as};
use crate::clock::Clock;
use crate::core::bounce;
use crate::core::delivery::{Fault, Outcome, Phase, SendError};
use crate::core::pacing::{Change, Ending, Pacer, Room};
use crate::store::{Claim, Recorded, Store, StoreError};

/// A claim, and where the worker that asks whether it may be sent gets the answer.
type SendRequest = ((i64, u32), oneshot::Sender<bool>);

/// What was handed out and has not ended.
struct Out {
    claim: Arc<Claim>,
    begun: DateTime<Utc>,
    /// Whether its gate was opened.
    is_let_through: bool,
}

/// Things taken in at once, at most.
pub(super) const GROUP: usize = 64;

/// How long a mail waits that met an outage together with others.
const OUTAGE: Duration = Duration::minutes(1);

/// Mails claimed by one run, about. Then it ends, so that who is in charge sees how it goes, and workers that had lost
/// their session begin anew.
pub(super) const RUN: usize = 8192;

/// Mails claimed at once; as many more may wait for a worker.
const BATCH: usize = 64;

/// How long a claim lasts: longer than the slowest send of all that wait over one connection. Should it end all the same
/// and be taken over, the gate does not open for the first one.
const LEASE: Duration = Duration::hours(2);

/// See the module's page.
pub(super) struct Dispatcher {
    store: Store,
    clock: Clock,
    halt: CancellationToken,
    /// To the workers; `None` once nothing more is claimed.
    claims: Option<mpsc::Sender<Dispatched>>,
    claimed: usize,
    settings: Settings,
    pacer: Pacer,
    /// For the workers, who have mails in hand already.
    holds: Arc<Holds>,
    /// Claimed, and not to begin yet.
    waiting: VecDeque<Arc<Claim>>,
    /// Dispatched out and not ended.
    out: HashMap<(i64, u32), Out>,
    /// Whether some of it never will be.
    is_broken: bool,
    /// The lane that was asked last.
    lane: String,
    /// Whether there may be more to claim in this run.
    may_claim: bool,
    /// Holds that have changed and are not written down.
    changes: Vec<Change>,
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

impl Dispatcher {
    /// A dispatcher, and where workers find what it claims.
    pub(super) fn new(
        store: Store,
        settings: Settings,
        clock: Clock,
        halt: CancellationToken,
        holds: Arc<Holds>,
    ) -> Result<(Self, mpsc::Receiver<Dispatched>), StoreError> {
        let (claims, taken_up) = mpsc::channel(2 * BATCH);
        let (pacer, lane) = settings.pace.take(&store, clock.now())?;
        let dispatcher = Self {
            pacer,
            lane,
            store,
            clock,
            halt,
            claims: Some(claims),
            claimed: 0,
            workers: settings.connections.max(1),
            settings,
            holds,
            waiting: VecDeque::new(),
            out: HashMap::new(),
            is_broken: false,
            may_claim: true,
            changes: Vec::new(),
            report: Report::default(),
            unrecorded: Vec::new(),
            untried: Vec::new(),
            error: None,
        };
        Ok((dispatcher, taken_up))
    }

    /// Works until the last worker has hung up. Blocks.
    pub(super) fn keep_books(mut self, mut hears: mpsc::Receiver<WorkerEvent>) -> Result<Report, StoreError> {
        let mut group = Vec::with_capacity(GROUP);
        self.claim();
        while hears.blocking_recv_many(&mut group, GROUP) > 0 {
            let mut asking = Vec::new();
            let mut ended = Vec::new();
            let mut barriers = Vec::new();
            for told in group.drain(..) {
                match told {
                    WorkerEvent::MaySend(claim, answer) => asking.push((claim, answer)),
                    WorkerEvent::Ended(recorded) => ended.push(recorded),
                    WorkerEvent::Barrier(answer) => barriers.push(answer),
                    WorkerEvent::Untried(claim) => self.give_back(claim),
                    WorkerEvent::Broken => self.is_broken = true,
                }
            }
            self.record(ended, asking);
            for answer in barriers {
                answer.send(()).ok();
            }
            self.claim();
        }
        self.close()
    }

    /// Hands out what may begin, and claims more when there is room for it.
    fn claim(&mut self) {
        if self.halt.is_cancelled() {
            self.claims = None;
        }
        self.hand_out();
        if self.claims.as_ref().is_some_and(|claims| claims.capacity() >= BATCH) && self.waiting.len() < BATCH {
            self.claim_more();
            self.hand_out();
        }
        // Without anything under way, nothing that waits can change.
        if self.out.is_empty() || !self.may_claim && self.waiting.is_empty() {
            self.claims = None;
        }
    }

    fn claim_more(&mut self) {
        let now = self.clock.now();
        if self.claimed >= RUN || !self.may_claim {
            self.may_claim = false;
            return;
        }
        // A report that came back may have begun a hold, a person may have ended one. What is not written down yet is
        // newer than what is.
        if self.changes.is_empty() {
            match self.store.holds() {
                Ok(holds) => self.pacer.set_holds(holds),
                Err(error) => return self.end(error),
            }
        }
        let limit = match self.pacer.room(now) {
            Room::Open(mails) => BATCH.min(mails as usize).saturating_sub(self.waiting.len()),
            Room::Closed(None) => 0,
            Room::Closed(Some(at)) => {
                self.report.next = Some(at);
                self.may_claim = false;
                0
            }
        };
        if limit == 0 {
            return;
        }
        let mut waiting: HashMap<&str, u32> = HashMap::new();
        for claim in &self.waiting {
            *waiting.entry(&claim.domain).or_default() += 1;
        }
        let pacer = &mut self.pacer;
        let room = |domain: &str, urgency| match pacer.room_for(domain, urgency, now) {
            Room::Open(mails) => {
                // As many as may be under way may wait behind them.
                let waiting = waiting.get(domain).copied().unwrap_or(0);
                match (2 * pacer.connections_for(domain)).saturating_sub(pacer.running_for(domain) + waiting) {
                    0 => Room::Closed(None),
                    more => Room::Open(mails.min(more)),
                }
            }
            closed => closed,
        };
        let is_held = |mail| {
            let held = self.out.keys().map(|key| key.0).chain(self.waiting.iter().map(|claim| claim.mail));
            held.into_iter().any(|held| held == mail)
        };
        match self.store.claim(now, limit, LEASE, &self.lane, room, is_held) {
            Ok(batch) => {
                if batch.is_all {
                    self.report.next = batch.next;
                    self.may_claim = batch.waits;
                }
                self.lane = batch.last;
                self.claimed += batch.claims.len();
                self.waiting.extend(batch.claims.into_iter().map(Arc::new));
            }
            Err(error) => self.end(error),
        }
    }

    /// Hands out what may begin.
    fn hand_out(&mut self) {
        let now = self.clock.now();
        let Some(claims) = self.claims.clone() else { return };
        for claim in std::mem::take(&mut self.waiting) {
            if claims.capacity() == 0 {
                self.waiting.push_back(claim);
                continue;
            }
            match self.pacer.begin(&claim.domain, claim.kind.urgency(), now) {
                Ok(()) => {
                    let key = super::key(&claim);
                    self.out.insert(key, Out { claim: claim.clone(), begun: now, is_let_through: false });
                    if claims.try_send((claim, now)).is_err() {
                        // Every worker has left.
                        self.give_back(key);
                    }
                }
                Err(Room::Closed(Some(_))) => self.untried.push(super::key(&claim)),
                Err(_) => self.waiting.push_back(claim),
            }
        }
    }

    /// A claim that was handed out has come to its end. Returns the domains whose hold that began or deepened.
    fn is_back(&mut self, claim: (i64, u32), now: DateTime<Utc>, ending: &Ending) -> Vec<String> {
        let Some(Out { claim: known, begun, .. }) = self.out.remove(&claim) else { return Vec::new() };
        let changes = self.pacer.end(&known.domain, known.kind.urgency(), begun, now, ending);
        let mut met = Vec::new();
        for change in &changes {
            if change.hold.as_ref().is_some_and(|hold| hold.since == now) {
                self.holds.begin(change.domain.clone(), now);
                met.push(change.domain.clone().unwrap_or_default());
            }
            events::holds(change, claim.0, now);
        }
        self.changes.extend(changes);
        met
    }

    /// Whether what is said of this claim's domain is said of it, or of one mailbox.
    fn weigh(&mut self, claim: &Claim, ending: Ending, now: DateTime<Utc>) -> Ending {
        let may_be_alone = matches!(ending, Ending::Deferred { .. } | Ending::Refused { .. });
        let is_alone = may_be_alone
            && self.store.stands_alone(claim.mail, now).unwrap_or_else(|error| {
                self.end(error);
                false
            });
        self.pacer.weigh(&claim.domain, super::mailbox(claim), is_alone, ending)
    }

    /// For another run to claim.
    fn give_back(&mut self, claim: (i64, u32)) {
        self.is_back(claim, self.clock.now(), &Ending::Untried);
        self.untried.push(claim);
    }

    /// Commits the outcomes, then answers who asked, by the state of that moment.
    fn record(&mut self, mut ended: Vec<Recorded>, asking: Vec<SendRequest>) {
        for recorded in &mut ended {
            let key = (recorded.mail, recorded.attempt);
            let claim = self.out.get(&key).map(|out| out.claim.clone());
            let mut ending = Ending::of(&recorded.result);
            if let Some(claim) = &claim {
                let weighed = self.weigh(claim, ending.clone(), recorded.at);
                if weighed != ending {
                    *recorded = ended_as(claim, recorded.result.clone(), recorded.at, &weighed);
                    ending = weighed;
                }
            }
            recorded.met = self.is_back(key, recorded.at, &ending);
            if let Some(claim) = claim {
                recorded.is_doubtful = self.pacer.disbelieves(&claim.domain);
                if self.pacer.hears_of(claim.mail, &ending) && ending == Ending::Lost {
                    // An outage, of which no mail pays.
                    recorded.tries = claim.tries;
                    recorded.outcome = Outcome::Retry(recorded.at + OUTAGE);
                }
            }
            self.count(recorded);
        }
        if self.pacer.is_cut_off() {
            self.end_cut_off(&ended);
        }
        let claims: Vec<(i64, u32)> = asking.iter().map(|(claim, _)| *claim).collect();
        let may = if !self.unrecorded.is_empty() {
            // What came to its end after a commit failed is committed at the close, and nobody is let through.
            self.unrecorded.extend(ended);
            Vec::new()
        } else if !ended.is_empty() {
            self.write_down(&ended, &claims).unwrap_or_else(|error| {
                tracing::error!(%error, "could not record what was sent");
                self.unrecorded = ended;
                self.halt.cancel();
                Vec::new()
            })
        } else if !claims.is_empty() {
            self.store.may_send(&claims).unwrap_or_else(|error| {
                self.end(error);
                Vec::new()
            })
        } else {
            Vec::new()
        };
        self.answer(asking, &may);
    }

    /// The server falls silent in the midst of one mail after the other: the others needn't meet that too.
    fn end_cut_off(&mut self, ended: &[Recorded]) {
        let is_silence = |recorded: &&Recorded| matches!(Ending::of(&recorded.result), Ending::Lost | Ending::Unknown);
        if let Some(Recorded { result: Err(error), .. }) = ended.iter().rev().find(is_silence) {
            self.report.outage.get_or_insert_with(|| error.fault().clone());
            self.halt.cancel();
        }
    }

    fn write_down(&mut self, ended: &[Recorded], asking: &[(i64, u32)]) -> Result<Vec<bool>, StoreError> {
        let Settings { soft_limit, soft_days, .. } = self.settings;
        let is_lasting = |times: &[DateTime<Utc>]| bounce::is_lasting(times, soft_limit, soft_days);
        let may = self.store.record(ended, &self.changes, is_lasting, asking)?;
        self.changes.clear();
        Ok(may)
    }

    /// `may` is by place in `asking`; a claim without an answer may not be sent.
    fn answer(&mut self, asking: Vec<SendRequest>, may: &[bool]) {
        let mut refused = Vec::new();
        for (index, (claim, answer)) in asking.into_iter().enumerate() {
            let yes = may.get(index).copied().unwrap_or(false);
            if !yes {
                refused.push(claim);
            } else if let Some(out) = self.out.get_mut(&claim) {
                out.is_let_through = true;
            }
            // A worker that has stopped waiting has been stopped itself.
            answer.send(yes).ok();
        }
        for claim in &refused {
            self.is_back(*claim, self.clock.now(), &Ending::Untried);
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
        if self.is_broken {
            let now = self.clock.now();
            let lost = self.out.values().map(|out| {
                let fault = Fault::new(Phase::Crash, "bug: the attempt panicked");
                let error = if out.is_let_through { SendError::Unknown(fault) } else { SendError::Transient(fault) };
                ended(&out.claim, Err(error), now)
            });
            self.record(lost.collect(), Vec::new());
        }
        if !self.unrecorded.is_empty() {
            let unrecorded = std::mem::take(&mut self.unrecorded);
            self.write_down(&unrecorded, &[])?;
        }
        self.untried.extend(std::mem::take(&mut self.waiting).iter().map(|claim| super::key(claim)));
        if !self.untried.is_empty() {
            self.store.release(&self.untried, self.clock.now())?;
        }
        if let Some(error) = self.error {
            return Err(error);
        }
        // Workers that could not connect left the work to the others, which have done it.
        if self.workers > 0 && self.report.sent > 0 && !self.pacer.is_cut_off() {
            self.report.outage = None;
        }
        // In an outage another run would only meet it again.
        let is_able = self.report.outage.is_none() && self.workers > 0;
        self.report.has_more = is_able && (self.may_claim || self.claimed >= RUN);
        // What was dropped in the midst of it.
        for claim in self.out.keys().copied().collect::<Vec<_>>() {
            self.is_back(claim, self.clock.now(), &Ending::Unknown);
        }
        self.settings.pace.put_back(self.pacer, self.lane);
        Ok(self.report)
    }

    fn count(&mut self, recorded: &Recorded) {
        match recorded.outcome {
            Outcome::Sent => self.report.sent += 1,
            Outcome::Retry(_) => self.report.retried += 1,
            Outcome::Failed => self.report.failed += 1,
        }
        if let Err(error) = &recorded.result {
            events::not_sent(recorded, error);
            if error.is_outage() {
                self.workers = self.workers.saturating_sub(1);
                self.report.outage.get_or_insert_with(|| error.fault().clone());
            }
        }
    }
}
