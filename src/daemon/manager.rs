//! What systemd is told (sd_notify(3)); without systemd, nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

pub(super) fn ready() {
    say(&[NotifyState::Ready]);
}

pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => say(&[NotifyState::Reloading, now]),
        Err(_) => say(&[NotifyState::Reloading]),
    }
}

pub(super) fn stopping() {
    say(&[NotifyState::Stopping]);
}

pub(super) fn alive() {
    say(&[NotifyState::Watchdog]);
}

/// Ticks twice in systemd's watchdog interval; once an hour when there is none.
pub(super) fn watchdog() -> tokio::time::Interval {
    let interval = sd_notify::watchdog_enabled().map_or(Duration::from_secs(3600), |limit| limit / 2);
    tokio::time::interval(interval.max(Duration::from_millis(100)))
}

/// A manager that doesn't listen is no trouble of ours.
fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "could not notify the service manager");
    }
}
