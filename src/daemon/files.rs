//! Changed subscription files, and requests to read them and the settings anew.
//!
//! The folders are watched, and looked at now and then where nothing can be watched. A file that changes may be half
//! written, so a change is taken in when two reads two seconds apart are the same. A request (`paperpost reload`, SIGHUP)
//! is obeyed at once. Such a request alone has the settings read anew, never a change of their file: half an edit of them may be
//! valid. What is wrong in the files harms its owner only, see `Store::take_in`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, sleep_until};

use super::{Shared, manager, no_panic};
use crate::app::Current;
use crate::clock::Clock;
use crate::config::listing::FileHash;
use crate::config::{Stamp, SubscriptionFiles};
use crate::store::{ReloadRequests, SettingsReport, Store, StoreError, SyncReport};
use crate::telemetry;

/// Two reads so far apart must be the same.
const SETTLED: Duration = Duration::from_secs(2);

/// How often the files are looked at, whatever a watch says: some file systems tell nothing.
const LOOK: Duration = Duration::from_secs(10);

/// How often the database is asked for requests.
const ASK: Duration = Duration::from_millis(500);

/// Several events of one change make one look. The database may be in the same folder, and is written to often.
const TOGETHER: Duration = Duration::from_millis(250);

type Hashes = Vec<(PathBuf, Option<FileHash>)>;

/// What was taken in last, and what it looked like from outside.
#[derive(Default)]
pub(super) struct Taken {
    hashes: Hashes,
    stamp: Stamp,
}

/// Takes the files in as they are.
pub(super) fn take_in(store: &Store, files: &SubscriptionFiles, clock: &Clock) -> Result<Taken, StoreError> {
    // Looked at first: what changes while they are read is then seen as a change.
    let stamp = files.stamp();
    let snapshot = files.read();
    let hashes = snapshot.hashes();
    tell(&store.take_in(&snapshot.listing(files), clock.now())?);
    Ok(Taken { hashes, stamp })
}

/// Takes the files in whenever they have changed, or somebody asks for it; reads the settings when somebody asks for it.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut taken: Taken,
    settings: Option<Current>,
    mut reload: mpsc::Receiver<()>,
) {
    let settings = settings.map(|settings| Arc::new(Mutex::new(settings)));
    let changed = Arc::new(Notify::new());
    let mut _watched = watch(&shared.app().files, &changed);
    let mut ask = tokio::time::interval(ASK);
    ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look_at = Instant::now() + LOOK;
    // A change that has been seen once, and when.
    let mut seen: Option<(Hashes, Instant)> = None;
    loop {
        let asked = tokio::select! {
            () = shared.stop.cancelled() => return,
            () = changed.notified(), if seen.is_none() => {
                look_at = look_at.min(Instant::now() + TOGETHER);
                None
            }
            _ = ask.tick() => requests(&shared).await,
            Some(()) = reload.recv() => {
                let newest = requests(&shared).await.map_or(0, |requests| requests.newest);
                Some(ReloadRequests { newest, with_settings: true })
            }
            () = sleep_until(look_at) => {
                look_at = Instant::now() + LOOK;
                let Some(hashes) = look(&shared, &mut taken, seen.is_some()).await else {
                    seen = None;
                    continue;
                };
                match &seen {
                    Some((before, at)) if *before == hashes && at.elapsed() >= SETTLED => {
                        tracing::info!("the subscription files have changed");
                        manager::reloading();
                        taken = reload_now(&shared).await;
                        seen = None;
                    }
                    _ => {
                        look_at = Instant::now() + SETTLED;
                        seen = Some((hashes, Instant::now()));
                    }
                }
                None
            }
        };
        let Some(asked) = asked else { continue };
        manager::reloading();
        if asked.with_settings {
            renew(&shared, settings.as_ref(), asked.newest).await;
            // The old watch ends after the new one has begun, so nothing is missed in between.
            _watched = watch(&shared.app().files, &changed);
        }
        taken = reload_now(&shared).await;
        seen = None;
    }
}

/// What the files are, if that is not what was taken in. `is_certain` reads them even if they look the same.
async fn look(shared: &Arc<Shared>, taken: &mut Taken, is_certain: bool) -> Option<Hashes> {
    let files = shared.app().files.clone();
    let known = (!is_certain).then(|| taken.stamp.clone());
    let step = move || {
        let stamp = files.stamp();
        (known.as_ref() != Some(&stamp)).then(|| (files.read().hashes(), stamp))
    };
    let (hashes, stamp) = blocking(step).await?;
    if hashes == taken.hashes {
        taken.stamp = stamp;
        return None;
    }
    Some(hashes)
}

/// Takes the files in as they are now. What can't be written down is tried again at the next look.
async fn reload_now(shared: &Arc<Shared>) -> Taken {
    let step = {
        let shared = shared.clone();
        // A hundred thousand of them take a second or two, in which the other tasks go on.
        move || take_in(&shared.store, &shared.app().files, &shared.clock)
    };
    let taken = match blocking(step).await {
        Ok(taken) => {
            shared.publish.notify_one();
            taken
        }
        Err(error) => {
            tracing::error!(%error, "could not take in the subscriptions: the old ones stay in force");
            Taken::default()
        }
    };
    manager::ready();
    taken
}

/// The requests that wait.
async fn requests(shared: &Arc<Shared>) -> Option<ReloadRequests> {
    let store = shared.store.clone();
    blocking(move || store.reload_requests()).await.unwrap_or_else(|error| {
        tracing::error!(%error, "could not look for requests to reload");
        None
    })
}

/// Reads the settings anew and puts the parts that they make in place of the old ones; answers the requests up to `newest`.
/// Settings with an error in them change nothing.
async fn renew(shared: &Arc<Shared>, settings: Option<&Arc<Mutex<Current>>>, newest: i64) {
    let step = {
        let (shared, settings) = (shared.clone(), settings.cloned());
        move || {
            let report = settings.map_or_else(SettingsReport::default, |settings| {
                renew_by(&shared, &mut settings.lock().unwrap_or_else(PoisonError::into_inner))
            });
            shared.store.answer_settings(&report, newest)
        }
    };
    if let Err(error) = blocking(step).await {
        tracing::error!(%error, "could not note that the settings were read");
    }
}

fn renew_by(shared: &Shared, settings: &mut Current) -> SettingsReport {
    let problems = match settings.renew(&shared.store) {
        Ok((app, fixed)) => {
            settings.settings().warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            telemetry::set_level(&settings.settings().log.level);
            let app = app.after(&shared.app());
            shared.app.send_replace(Arc::new(app));
            for key in &fixed {
                tracing::warn!(key, "this setting stays as it was until a restart");
            }
            if let Err(error) = shared.store.note_settings(&settings.in_force(shared.clock.now())) {
                tracing::error!(%error, "could not note that the settings were read");
            }
            tracing::info!("the settings were read anew and are in force");
            return SettingsReport { errors: Vec::new(), fixed: fixed.into_iter().map(str::to_owned).collect() };
        }
        Err(problems) => problems,
    };
    let errors = problems.iter().filter(|problem| problem.is_error());
    let errors: Vec<String> = errors.map(|problem| problem.to_string().replace('\n', "; ")).collect();
    for problem in &errors {
        tracing::error!(problem, "settings");
    }
    tracing::error!("the settings have errors: the old ones stay in force");
    SettingsReport { errors, fixed: Vec::new() }
}

async fn blocking<R: Send + 'static>(step: impl FnOnce() -> R + Send + 'static) -> R {
    no_panic(tokio::task::spawn_blocking(step).await)
}

/// Wakes `changed` when something happens in the files' folders; watches as long as it lives. Folders rather than files,
/// because an editor puts another file in a file's place.
fn watch(files: &SubscriptionFiles, changed: &Arc<Notify>) -> Option<RecommendedWatcher> {
    let changed = changed.clone();
    let wake = move |event: Result<notify::Event, notify::Error>| {
        // Our own looking at them is no change.
        if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(kind) if kind != CLOSED)) {
            changed.notify_one();
        }
    };
    let failed = |error: notify::Error| {
        tracing::warn!(%error, every = ?LOOK, "the subscription files can't be watched; they are looked at now and then");
    };
    let mut watcher = notify::recommended_watcher(wake).map_err(failed).ok()?;
    for folder in files.folders() {
        if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive) {
            failed(error);
        }
    }
    Some(watcher)
}

/// Somebody has finished writing a file.
const CLOSED: AccessKind = AccessKind::Close(AccessMode::Write);

/// Logs what was changed, and what is wrong.
fn tell(report: &SyncReport) {
    for withheld in &report.withheld {
        tracing::warn!(
            address = %withheld.address, consent = %withheld.consent,
            "the file lists an address that must not be written to; it gets nothing",
        );
    }
    for problem in &report.errors {
        tracing::error!(problem, "subscriptions");
    }
    if !report.errors.is_empty() {
        tracing::error!(
            kept = report.kept,
            "what is wrong in the subscription files stays as it was until it is mended"
        );
    }
    if report.held > 0 {
        tracing::error!(
            held = report.held,
            "so many are missing from the subscription files that they are held; if they were removed on purpose: paperpost reload --accept-removals",
        );
    }
    if report.both > 0 {
        tracing::info!(
            readers = report.both,
            "came by the web and are in a file as well: what the file says is in force"
        );
    }
    let SyncReport { added, changed, retired, .. } = report;
    let subscriptions = report.in_force();
    tracing::info!(subscriptions, added, changed, retired, "subscriptions are in force");
}
