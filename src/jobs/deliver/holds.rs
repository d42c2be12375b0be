//! Which holds have begun in this run: the dispatcher's word to the workers.
//!
//! What the dispatcher hands out may begin, but some of it waits in a worker's hands when a server says no. Such a mail is not
//! sent: it would only be refused as well, and a refusal because of our configuration or reputation would end it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

/// When the hold of each domain began; `None` is the server that we speak to.
#[derive(Debug, Default)]
pub(super) struct Holds(Mutex<HashMap<Option<String>, DateTime<Utc>>>);

impl Holds {
    /// Takes note of a hold that began at `now`.
    pub(super) fn begin(&self, whose: Option<String>, now: DateTime<Utc>) {
        self.lock().insert(whose, now);
    }

    /// Whether a mail that was handed out at `begun` should wait after all. One that is handed out after a hold may go.
    pub(super) fn stops(&self, domain: &str, begun: DateTime<Utc>) -> bool {
        let holds = self.lock();
        // Nearly always there is none.
        !holds.is_empty()
            && [None, Some(domain.to_owned())].iter().any(|whose| holds.get(whose).is_some_and(|at| begun <= *at))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Option<String>, DateTime<Utc>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
