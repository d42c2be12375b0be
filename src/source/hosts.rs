//! Politeness to each host, shared by all sources: one request at a time, a least time between two, and when it is left alone.
//!
//! A host is a name and a port. What is to survive the process leaves as [`Hosts::states`] and comes back by [`Hosts::recall`].

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use url::Url;

use crate::core::politeness::HostState;

/// The hosts that were asked; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Arc<Mutex<HashMap<String, Arc<Host>>>>);

/// One of them.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// Held while it is asked.
    pub(super) turn: tokio::sync::Mutex<HostPace>,
    state: Mutex<HostState>,
}

/// When the next request may begin.
#[derive(Debug, Default)]
pub(super) struct HostPace {
    /// When the last one ended, and the least time that is to pass after it.
    last: Option<(Instant, Duration)>,
    /// The end of a wait that it asked for, short enough to be waited for.
    hold: Option<Instant>,
}

impl HostPace {
    /// The time for a source that leaves at least so much between two.
    pub(super) fn next(&self, least: Duration) -> Option<Instant> {
        self.last.map(|(ended, other)| ended + other.max(least)).into_iter().chain(self.hold).max()
    }

    pub(super) fn end(&mut self, least: Duration) {
        self.last = Some((Instant::now(), least));
    }

    pub(super) fn hold(&mut self, wait: Option<Duration>) {
        self.hold = wait.map(|wait| Instant::now() + wait);
    }
}

impl Hosts {
    pub(super) fn of(&self, url: &Url) -> Arc<Host> {
        self.lock().entry(key(url)).or_default().clone()
    }

    /// Remembers what another process knew; what this one knows already is newer.
    pub fn recall(&self, states: BTreeMap<String, HostState>) {
        let mut hosts = self.lock();
        for (name, state) in states {
            hosts.entry(name).or_insert_with(|| Arc::new(Host { state: Mutex::new(state), ..Host::default() }));
        }
    }

    /// What is to be remembered: hosts with failures, or that are to be left alone.
    pub fn states(&self) -> BTreeMap<String, HostState> {
        let hosts = self.lock();
        let states = hosts.iter().map(|(name, host)| (name.clone(), host.state().clone()));
        states.filter(|(_, state)| *state != HostState::default()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Host>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    pub(super) fn state(&self) -> MutexGuard<'_, HostState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}
