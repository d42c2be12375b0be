//! Delivers, with the parts of the time.
//!
//! When a reload brings new parts, the loop that works with the old ones begins no further mail and finishes the mails in hand
//! over its own connections. That takes no time, or as long as a mail server likes; so the loop with the new parts begins
//! after [`HANDOVER`] at the latest. What the old loop has in hand is claimed, so the new one leaves it alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Shared, no_panic};
use crate::app::App;
use crate::core::delivery::Fault;
use crate::jobs;
use crate::jobs::deliver::Settings;

const LONGEST_WAIT: Duration = Duration::from_secs(60);

const SHORTEST_WAIT: Duration = Duration::from_millis(20);

/// A wait that is long enough to say what was done before it.
const PAUSE: Duration = Duration::from_secs(2);

/// Mails that are worth a line in the log while more go out.
const MANY: usize = 1_000;

/// The longest pause between two logins that are refused.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How long the loop with new parts waits for the mails that the one before has in hand. If it waited for all, a server that
/// doesn't answer would delay the change to another one.
const HANDOVER: Duration = Duration::from_secs(3);

/// Claims that a run left behind when the database failed.
#[derive(Default)]
struct LeftClaims {
    are_there: AtomicBool,
    /// The loops at work.
    loops: AtomicUsize,
}

impl LeftClaims {
    /// Takes them back, unless another loop has mails in hand: those are claimed too, and would be sent twice.
    fn take_back(&self, shared: &Shared) {
        if self.loops.load(Ordering::SeqCst) > 1 || !self.are_there.load(Ordering::SeqCst) {
            return;
        }
        match shared.store.recover_claims(shared.clock.now()) {
            Ok(_) => self.are_there.store(false, Ordering::SeqCst),
            Err(error) => tracing::error!(%error, "could not take back the claims"),
        }
    }
}

/// Delivers until the stop.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut apps = shared.app.subscribe();
    let left = Arc::new(LeftClaims::default());
    let mut loops = JoinSet::new();
    let mut pace = shared.app().deliver.pace.clone();
    while !shared.stop.is_cancelled() {
        let app = apps.borrow_and_update().clone();
        // What has gone out is known best by the pace that let it go, when that is complete.
        if !loops.is_empty() || !pace.has_limits_of(&app.deliver.pace) {
            pace = app.deliver.pace.clone();
        }
        let settings = Settings { pace: pace.clone(), ..app.deliver.clone() };
        let halt = shared.stop.child_token();
        loops.spawn({
            let (shared, left, halt) = (shared.clone(), left.clone(), halt.clone());
            left.loops.fetch_add(1, Ordering::SeqCst);
            async move {
                deliver(&shared, &app, settings, &left, &halt).await;
                left.loops.fetch_sub(1, Ordering::SeqCst);
                app.transport.close().await;
            }
        });
        loop {
            tokio::select! {
                () = shared.stop.cancelled() => break,
                _ = apps.changed() => break,
                // A former loop, or a panic.
                Some(ended) = loops.join_next() => no_panic(ended),
            }
        }
        halt.cancel();
        tokio::time::timeout(HANDOVER, finish(&mut loops)).await.ok();
    }
    finish(&mut loops).await;
}

async fn finish(loops: &mut JoinSet<()>) {
    while let Some(ended) = loops.join_next().await {
        no_panic(ended);
    }
}

/// Delivers with these parts whenever something is queued and due, until `halt`. While the login is refused the pauses grow:
/// a server that is shown a wrong password every minute locks the account.
async fn deliver(shared: &Shared, app: &App, settings: Settings, left: &LeftClaims, halt: &CancellationToken) {
    let mut sum = jobs::deliver::Report::default();
    let mut pause = LONGEST_WAIT;
    loop {
        left.take_back(shared);
        let step = jobs::deliver::run(&shared.store, &app.transport, &settings, &shared.clock, halt);
        let result = step.await;
        if let Ok(report) = &result {
            sum.sent += report.sent;
            sum.retried += report.retried;
            sum.failed += report.failed;
        }
        let outage = result.as_ref().ok().and_then(|report| report.outage.clone());
        let refused = outage.filter(Fault::is_refused_login);
        if let Some(fault) = &refused {
            tracing::error!(error = %fault, again = ?pause, "the mail server refuses the login");
        }
        let wait = match result {
            Ok(_) if refused.is_some() => pause,
            Ok(report) if report.outage.is_some() => LONGEST_WAIT,
            Ok(report) if report.has_more => Duration::ZERO,
            Ok(report) => until_next(report.next, shared.clock.now()),
            Err(error) => {
                tracing::error!(%error, "could not deliver; tried again in a minute");
                left.are_there.store(true, Ordering::SeqCst);
                LONGEST_WAIT
            }
        };
        pause = if refused.is_some() { (pause * 2).min(LONGEST_PAUSE) } else { LONGEST_WAIT };
        // A pace of so many a second makes many small runs: they are told together.
        let jobs::deliver::Report { sent, retried, failed, .. } = sum;
        if sent + retried + failed > 0 && (wait >= PAUSE || sent >= MANY || halt.is_cancelled()) {
            tracing::info!(sent, retried, failed, "delivered");
            sum = jobs::deliver::Report::default();
        }
        // New mails are no reason to show a wrong password again.
        let is_asked = async {
            match refused {
                Some(_) => std::future::pending().await,
                None => shared.deliver.notified().await,
            }
        };
        tokio::select! {
            () = halt.cancelled() => return,
            () = is_asked => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// How long until mails may go. Where a limit lets one go every few milliseconds, some go together.
fn until_next(next: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Duration {
    let wait = next.map_or(LONGEST_WAIT, |next| (next - now).to_std().unwrap_or_default());
    wait.clamp(SHORTEST_WAIT, LONGEST_WAIT)
}
