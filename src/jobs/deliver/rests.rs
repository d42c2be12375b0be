//! What this run has heard: domains that want no more mail now.
//!
//! The clerk hands out what may begin, but some of it waits in a worker's hands when a server says no. Such a mail is not
//! sent: it would only be refused as well, and a refusal for a reason of ours would end it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::core::pacing::Ending;

/// When whom was heard to say no; `None` is the server that we speak to.
#[derive(Debug, Default)]
pub(super) struct Rests(Mutex<HashMap<Option<String>, DateTime<Utc>>>);

impl Rests {
    /// Takes note of how a mail to this domain ended.
    pub(super) fn hear(&self, domain: &str, ending: &Ending, now: DateTime<Utc>) {
        let whose = match ending {
            Ending::Deferred { by_domain, .. } | Ending::Refused { by_domain, .. } => {
                by_domain.then(|| domain.to_owned())
            }
            _ => return,
        };
        self.begin(whose, now);
    }

    /// Takes note of a rest that began at `now`.
    pub(super) fn begin(&self, whose: Option<String>, now: DateTime<Utc>) {
        self.lock().insert(whose, now);
    }

    /// Whether a mail that was handed out at `begun` should wait after all. One that is handed out after a rest may go.
    pub(super) fn hold(&self, domain: &str, begun: DateTime<Utc>) -> bool {
        let heard = self.lock();
        // Nearly always nobody has said anything.
        !heard.is_empty()
            && [None, Some(domain.to_owned())].iter().any(|whose| heard.get(whose).is_some_and(|at| begun <= *at))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Option<String>, DateTime<Utc>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
