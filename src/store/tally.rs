//! What this process has recorded of attempts since its start, for whoever watches: a counter must not forget, as the
//! database does.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::core::delivery::{Receipt, SendError};

/// Attempts by how they ended.
#[derive(Debug, Default)]
pub(super) struct Tally([AtomicU64; 4]);

/// The words for them, as in tables.
const OUTCOMES: [&str; 4] = ["sent", "transient", "permanent", "unknown"];

impl Tally {
    pub(super) fn count(&self, result: &Result<Receipt, SendError>) {
        let word = result.as_ref().map_or_else(SendError::kind, |_| "sent");
        if let Some(at) = OUTCOMES.iter().position(|known| *known == word) {
            self.0[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn counts(&self) -> [(&'static str, u64); 4] {
        std::array::from_fn(|at| (OUTCOMES[at], self.0[at].load(Ordering::Relaxed)))
    }
}
