//! When each job runs. Nothing else knows about time, signals or tasks.
//!
//! One task a source reads it by its schedule, one publishes what is due, one delivers what is queued; they wake each
//! other and share nothing but the database. A task's loop only waits and calls a step, so stopping is dropping the
//! wait: a read under way is given up (it has written nothing), a publish ends its batch, mails in flight are finished.
//! Being killed instead costs no more than the mails in flight, again (I10).

mod files;
mod manager;
pub mod signals;
mod tickers;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::SubscriptionFiles;
use crate::jobs::inbox::Inbox;
use crate::jobs::{bounce, deliver, publish};
use crate::mail::Transport;
use crate::source::Source;
use crate::source::fetch::Client;
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
    /// What is read.
    pub sources: Vec<Source>,
    /// How mails leave.
    pub transport: Arc<T>,
    /// What publishing depends on.
    pub publish: publish::Settings,
    /// What delivering depends on.
    pub deliver: deliver::Settings,
    /// Where the pages are served, if anywhere.
    pub web: Option<(TcpListener, Web)>,
    /// What comes back, if anybody is to look for it.
    pub bounces: Option<Bounces>,
    /// How many days the address of who left is kept.
    pub keep_days: u32,
    /// How long publishing waits for the first reads; see [`FIRST_READS`].
    pub first_reads: Duration,
    /// Where subscriptions are.
    pub files: SubscriptionFiles,
}

/// What comes back, and how often it is looked for.
pub struct Bounces {
    /// Where it arrives, if not by a mail server's pipe alone.
    pub inbox: Option<Inbox>,
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

/// Works until `stop`; `reload` asks for the subscription files to be taken in anew. An error ends the daemon: a task that
/// panicked, or a database that fails at the start.
pub async fn run<T: Transport + 'static>(
    mut parts: Parts<T>,
    stop: CancellationToken,
    reload: mpsc::Receiver<()>,
) -> anyhow::Result<()> {
    let taken = files::take_in(&parts.store, &parts.files, &parts.clock)?;
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
    tasks.spawn(files::run(shared.clone(), taken, reload));
    tasks.spawn(tickers::bounces(shared.clone()));
    if let Some((listener, web)) = web {
        tasks.spawn(web::serve(listener, web, web::Limits::default(), stop.clone()));
    }
    shared.parts.store.note_daemon(true)?;
    tracing::info!(sources, "running");
    manager::ready();

    let mut watchdog = manager::watchdog();
    let failed = loop {
        tokio::select! {
            () = stop.cancelled() => break None,
            _ = watchdog.tick() => manager::alive(),
            // A task ends only when it is told to, or by a panic.
            Some(ended) = tasks.join_next() => if let Err(error) = ended { break Some(error) },
        }
    };
    manager::stopping();
    stop.cancel();
    tracing::info!("stopping: finishing the work in hand");
    let finish = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finish).await.is_err() {
        tracing::warn!("the work in hand took too long; what was in flight is sent again at the next start");
    }
    // Who looks for a daemon asks for the database's lock as well, so this is not worth failing for.
    let _ = shared.parts.store.note_daemon(false);
    match failed {
        None => Ok(()),
        Some(error) => Err(anyhow::anyhow!("a task failed, which is a fault in paperpost: {error}")),
    }
}
