//! Renderer threads: turn claimed outbox rows into finished messages, one thread per core.
//!
//! They work ahead of the delivery workers, which then never wait for a thread to wake: as many made mails as there are
//! connections lie ready, and a few for each renderer.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::events::WorkerEvent;
use super::{Dispatched, Ready, ended};
use crate::clock::Clock;
use crate::compose::{WriteError, Writer};
use crate::core::delivery::{Fault, Phase, SendError};
use crate::mail::Mail;
use crate::store::{Claim, StoreError};

/// Mails that a renderer makes one after the other, once there is room for them: a thread that wakes for each mail finds the
/// core's caches full of what others did meanwhile.
pub(super) const IN_A_ROW: usize = 4;

/// See the module's page.
#[derive(Clone)]
pub(super) struct Renderer {
    /// What the dispatcher has claimed.
    pub(super) claims: Arc<Mutex<mpsc::Receiver<Dispatched>>>,
    /// To the delivery workers.
    pub(super) ready: mpsc::Sender<Ready>,
    pub(super) mails: Writer,
    pub(super) clock: Clock,
    pub(super) halt: CancellationToken,
    pub(super) told: mpsc::Sender<WorkerEvent>,
}

/// Nothing comes of it, and it closes when the last renderer has ended.
pub(super) type AtWork = mpsc::Receiver<Infallible>;

impl Renderer {
    /// Lets so many work, each on a thread of its own. Fewer where the system has no more threads.
    ///
    /// # Panics
    /// Where it has none at all.
    pub(super) fn start(self, renderers: usize) -> AtWork {
        let (working, at_work) = mpsc::channel(1);
        for (number, renderer) in std::iter::repeat_n(self, renderers).enumerate() {
            let (working, runtime) = (working.clone(), Handle::current());
            let thread = std::thread::Builder::new().name("renderer".to_owned()).spawn(move || {
                renderer.work(&runtime);
                drop(working);
            });
            match thread {
                Ok(_) => {}
                Err(error) if number == 0 => panic!("no thread for who makes the mails: {error}"),
                Err(error) => tracing::warn!(%error, renderers = number, "too few threads: fewer make mails"),
            }
        }
        at_work
    }

    /// Works until nothing more is claimed, no further mail is to be begun, or nobody is left to send one. Blocks.
    fn work(self, runtime: &Handle) {
        while let Ok(places) = runtime.block_on(self.ready.reserve_many(IN_A_ROW)) {
            for place in places {
                let Some(handed) = runtime.block_on(self.next_claim()) else { return };
                match make(&self.mails, &handed.0) {
                    Ok(mail) => place.send((handed, mail)),
                    Err(error) => {
                        let ended = ended(&handed.0, Err(error), self.clock.now());
                        self.told.blocking_send(WorkerEvent::Ended(ended)).ok();
                    }
                }
            }
        }
    }

    async fn next_claim(&self) -> Option<Dispatched> {
        tokio::select! {
            biased;
            () = self.halt.cancelled() => None,
            () = self.ready.closed() => None,
            claim = async { self.claims.lock().await.recv().await } => claim,
        }
    }
}

/// The mail of a claim.
pub(super) fn make(mails: &Writer, claim: &Claim) -> Result<Mail, SendError> {
    let write = || -> Result<Mail, WriteError> { mails.mail(&claim.content()?) };
    let fault = |error: &dyn std::fmt::Display| Fault::new(Phase::Render, error.to_string());
    match catch_unwind(AssertUnwindSafe(write)) {
        Ok(Ok(mail)) => Ok(mail),
        // An order that this program can't read any more: it holds no other mail, and can be retried by hand.
        Ok(Err(WriteError::Store(error @ StoreError::Unreadable { .. }))) => Err(SendError::Permanent(fault(&error))),
        // What can't be read now may be readable again once the disk or the program is mended.
        Ok(Err(error)) => Err(SendError::Transient(fault(&error))),
        Err(_) => Err(SendError::Transient(fault(&"bug: a renderer thread panicked"))),
    }
}
