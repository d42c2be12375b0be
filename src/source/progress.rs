//! What a read waits for, for a person who watches it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::FetchError;

/// A wait that is worth a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A host takes its time with an answer.
    Answer {
        /// Its name.
        host: String,
        /// How long it has taken so far.
        so_far: Duration,
    },
    /// A host is asked again after a pause.
    Again {
        /// Its name.
        host: String,
        /// How the last try ended.
        why: FetchError,
        /// The pause that begins now.
        pause: Duration,
    },
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wait::Answer { host, so_far } => write!(f, "waiting for {host} ({} s)", so_far.as_secs()),
            Wait::Again { host, why, pause } => {
                write!(f, "waiting for {host} (")?;
                match why {
                    FetchError::RateLimited { .. } => f.write_str("429")?,
                    FetchError::Server { status } => write!(f, "{status}")?,
                    why => write!(f, "{why}")?,
                }
                write!(f, ", retry in {:.0} s)", pause.as_secs_f64().ceil())
            }
        }
    }
}

/// Who is told of waits.
#[derive(Clone)]
pub struct Listener(Arc<dyn Fn(&Wait) + Send + Sync>);

impl Listener {
    /// Calls `hear` for each wait, in the middle of a read: it must not take long.
    pub fn new(hear: impl Fn(&Wait) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    pub(super) fn hear(&self, wait: &Wait) {
        (self.0)(wait);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}
