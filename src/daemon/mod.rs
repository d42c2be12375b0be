//! When each job runs. Nothing else knows about time, signals or tasks.
//!
//! One task a source reads it by its schedule, one publishes what is due, one delivers what is queued; they wake each
//! other and share nothing but the database and the parts that they work with ([`App`]). A reload replaces the parts: each task
//! takes the new ones for its next step. A task's loop only waits and calls a step, so stopping is dropping the
//! wait: a read under way is given up (it has written nothing), a publish ends its batch, mails in flight are finished.
//! Being killed instead costs no more than the mails in flight, again (I10).

mod deliver;
mod files;
mod manager;
mod scrape;
pub mod signals;
mod tickers;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::app::{App, Current};
use crate::clock::Clock;
use crate::core::paper::SourceId;
use crate::store::{SettingsReport, Store};
use crate::web;

/// Everything the daemon works with; the command line puts it together.
pub struct Parts {
    /// The database, whose lock the caller holds.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// What the jobs work with, until a reload replaces it.
    pub app: App,
    /// The settings that it was built by, to be read anew; `None` where a reload takes in the subscription files alone.
    pub settings: Option<Current>,
    /// Where the pages are served, if anywhere.
    pub listener: Option<TcpListener>,
    /// How long publishing waits for the first reads; see [`FIRST_READS`].
    pub first_reads: Duration,
}

/// What the tasks share, and how they wake each other.
struct Shared {
    store: Store,
    clock: Clock,
    app: watch::Sender<Arc<App>>,
    stop: CancellationToken,
    /// There may be something new to publish.
    publish: Notify,
    /// There may be something new to deliver.
    deliver: Notify,
    /// The sources that have been neither read nor found fresh since the start: publishing waits for all of them for a while,
    /// so that a daemon that was down for days doesn't publish what it knew before.
    awaited: watch::Sender<BTreeSet<SourceId>>,
    /// How long it waits.
    first_reads: Duration,
}

impl Shared {
    /// The parts to work with now.
    fn app(&self) -> Arc<App> {
        self.app.borrow().clone()
    }
}

/// How long publishing waits for the first read of every source. One that doesn't answer must not keep back for long what
/// the others brought; the digest says how old what it knows of each is.
pub const FIRST_READS: Duration = Duration::from_secs(300);

/// How long a stop waits for work in hand.
const GRACE: Duration = Duration::from_secs(60);

/// Works until `stop`; `reload` asks for the settings and the subscription files to be read anew. An error ends the daemon:
/// a task that panicked, or a database that fails at the start.
pub async fn run(parts: Parts, stop: CancellationToken, reload: mpsc::Receiver<()>) -> anyhow::Result<()> {
    let Parts { store, clock, app, settings, listener, first_reads } = parts;
    // What a former daemon was asked for is done by this start.
    store.answer_settings(&SettingsReport::default(), i64::MAX)?;
    let taken = files::take_in(&store, &app.files, &clock)?;
    let recovered = store.recover_claims(clock.now())?;
    if recovered > 0 {
        tracing::warn!(mails = recovered, "the last run ended with mails in flight; they are sent again");
    }
    if let Some(settings) = &settings {
        store.note_settings(&settings.in_force(clock.now()))?;
    }

    let sources = app.sources.len();
    let shared = Arc::new(Shared {
        store,
        clock,
        awaited: watch::Sender::new(app.sources.iter().map(|source| source.id.clone()).collect()),
        app: watch::Sender::new(Arc::new(app)),
        stop: stop.clone(),
        publish: Notify::new(),
        deliver: Notify::new(),
        first_reads,
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(scrape::run(shared.clone()));
    tasks.spawn(tickers::publish(shared.clone()));
    tasks.spawn(deliver::run(shared.clone()));
    tasks.spawn(tickers::prune(shared.clone()));
    tasks.spawn(files::run(shared.clone(), taken, settings, reload));
    tasks.spawn(tickers::bounces(shared.clone()));
    if let Some(listener) = listener {
        let shared = shared.clone();
        let web = move || shared.app.borrow().web.clone();
        tasks.spawn(web::serve(listener, web, web::Limits::default(), stop.clone()));
    }
    shared.store.note_daemon(true)?;
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
    let _ = shared.store.note_daemon(false);
    match failed {
        None => Ok(()),
        Some(error) => Err(anyhow::anyhow!("a task failed, which is a fault in paperpost: {error}")),
    }
}

/// Goes on with the panic of a task that ended by one, and so ends the daemon.
fn no_panic<T>(ended: Result<T, JoinError>) -> T {
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
