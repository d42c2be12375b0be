//! When each job runs. Nothing else knows about time, signals or tasks.
//!
//! One task a source reads it by its schedule, one publishes what is due, one delivers what is queued; they wake each
//! other and share nothing but the database. A task's loop only waits and calls a step, so stopping is dropping the
//! wait: a read under way is given up (it has written nothing), a publish ends its batch, mails in flight are finished.
//! Being killed instead costs no more than the mails in flight, again (I10).

mod notify;
pub mod signals;
mod tickers;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::core::schedule::Schedule;
use crate::core::subscription::Subscription;
use crate::jobs::inbox::Inbox;
use crate::jobs::{bounce, deliver, publish};
use crate::mail::Transport;
use crate::source::fetch::Client;
use crate::source::huggingface::HuggingFace;
use crate::store::Store;
use crate::web::{self, Web};

/// Everything the daemon works with; the command line puts it together.
pub struct Parts<T> {
    /// The database, whose lock the caller holds.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// For reading sources.
    pub client: Client,
    /// What is read, and when, in UTC.
    pub sources: Vec<(HuggingFace, Schedule)>,
    /// How mails leave.
    pub transport: Arc<T>,
    /// What publishing depends on.
    pub publish: publish::Settings,
    /// What delivering depends on.
    pub deliver: deliver::Settings,
    /// Where the pages are served, if anywhere.
    pub web: Option<(TcpListener, Web)>,
    /// Where bounces arrive, if anywhere.
    pub bounces: Option<Bounces>,
    /// How long publishing waits for the first reads; see [`FIRST_READS`].
    pub first_reads: Duration,
    /// The subscriptions as the files have them at the start.
    pub subscriptions: Vec<Subscription>,
    /// Reads the subscription files anew; an error lists every problem in them.
    pub reread: Box<dyn Fn() -> Result<Vec<Subscription>, String> + Send + Sync>,
}

/// What comes back, and how often it is looked for.
pub struct Bounces {
    /// Where it arrives.
    pub inbox: Inbox,
    /// What it is judged by.
    pub settings: bounce::Settings,
    /// The pause between two looks.
    pub interval: Duration,
}

/// What the tasks share: the parts, and how they wake each other.
struct Shared<T> {
    parts: Parts<T>,
    stop: CancellationToken,
    /// There may be something new to publish.
    publish: Notify,
    /// There may be something new to deliver.
    deliver: Notify,
    /// How many sources have been read, or found fresh, since the start: publishing waits for all of them for a while, so
    /// that a daemon that was down for days doesn't publish what it knew before.
    first_reads: watch::Sender<usize>,
}

/// How long publishing waits for the first read of every source. One that doesn't answer must not keep back for long what
/// the others brought; the digest says how old what it knows of each is.
pub const FIRST_READS: Duration = Duration::from_secs(300);

/// How long a stop waits for work in hand.
const GRACE: Duration = Duration::from_secs(60);

/// Works until `stop`; `reload` asks for the subscription files to be read anew. An error ends the daemon: a task that
/// panicked, or a database that fails at the start.
pub async fn run<T: Transport + 'static>(
    mut parts: Parts<T>,
    stop: CancellationToken,
    mut reload: mpsc::Receiver<()>,
) -> anyhow::Result<()> {
    // In the database from here on: a hundred thousand of them need not stay in memory as well.
    let subscriptions = std::mem::take(&mut parts.subscriptions);
    let count = subscriptions.len();
    sync(&parts.store, subscriptions, &parts.clock)?;
    let recovered = parts.store.recover_claims(parts.clock.now())?;
    if recovered > 0 {
        tracing::warn!(mails = recovered, "the last run ended with mails in flight; they are sent again");
    }

    let sources = parts.sources.len();
    let web = parts.web.take();
    let shared = Arc::new(Shared {
        parts,
        stop: stop.clone(),
        publish: Notify::new(),
        deliver: Notify::new(),
        first_reads: watch::Sender::new(0),
    });
    let mut tasks = JoinSet::new();
    for index in 0..sources {
        tasks.spawn(tickers::scrape(shared.clone(), index));
    }
    tasks.spawn(tickers::publish(shared.clone()));
    tasks.spawn(tickers::deliver(shared.clone()));
    tasks.spawn(tickers::prune(shared.clone()));
    if shared.parts.bounces.is_some() {
        tasks.spawn(tickers::bounces(shared.clone()));
    }
    if let Some((listener, web)) = web {
        tasks.spawn(web::serve(listener, web, web::Limits::default(), stop.clone()));
    }
    tracing::info!(sources, subscriptions = count, "running");
    notify::ready();

    let mut watchdog = notify::watchdog();
    let failed = loop {
        tokio::select! {
            () = stop.cancelled() => break None,
            Some(()) = reload.recv() => reread(shared.clone()).await,
            _ = watchdog.tick() => notify::alive(),
            // A task ends only when it is told to, or by a panic.
            Some(ended) = tasks.join_next() => if let Err(error) = ended { break Some(error) },
        }
    };
    notify::stopping();
    stop.cancel();
    tracing::info!("stopping: finishing the work in hand");
    let finish = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finish).await.is_err() {
        tracing::warn!("the work in hand took too long; what was in flight is sent again at the next start");
    }
    match failed {
        None => Ok(()),
        Some(error) => Err(anyhow::anyhow!("a task failed, which is a fault in paperpost: {error}")),
    }
}

/// Reads the subscription files anew; keeps what was, loudly, when they are wrong.
async fn reread<T: Transport + 'static>(shared: Arc<Shared<T>>) {
    notify::reloading();
    // A hundred thousand of them take a second or two, in which the other tasks go on.
    let step = move || match (shared.parts.reread)() {
        Ok(subscriptions) => match sync(&shared.parts.store, subscriptions, &shared.parts.clock) {
            Ok(()) => shared.publish.notify_one(),
            Err(error) => tracing::error!(%error, "could not take in the subscriptions: the old ones stay in force"),
        },
        Err(problems) => {
            for problem in problems.lines() {
                tracing::error!(problem, "subscriptions");
            }
            tracing::error!("the subscriptions are wrong: the old ones stay in force until they are mended");
        }
    };
    if let Err(panic) = tokio::task::spawn_blocking(step).await {
        std::panic::resume_unwind(panic.into_panic());
    }
    notify::ready();
}

fn sync(store: &Store, subscriptions: Vec<Subscription>, clock: &Clock) -> Result<(), crate::store::StoreError> {
    let report = store.sync(&subscriptions, clock.now())?;
    for withheld in &report.withheld {
        tracing::warn!(
            address = %withheld.address, consent = withheld.consent,
            "the file lists an address that must not be written to; it gets nothing",
        );
    }
    tracing::info!(
        subscriptions = subscriptions.len(),
        added = report.added,
        changed = report.changed,
        retired = report.retired,
        "subscriptions are in force",
    );
    Ok(())
}
