//! What this process has recorded of attempts since its start, for monitoring: a counter must not forget, as the
//! database does.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::core::delivery::{AttemptOutcome, Receipt, SendError};

/// Attempts by how they ended.
#[derive(Debug, Default)]
pub(super) struct Tally([AtomicU64; 4]);

/// What an attempt can end in.
const OUTCOMES: [AttemptOutcome; 4] =
    [AttemptOutcome::Sent, AttemptOutcome::Transient, AttemptOutcome::Permanent, AttemptOutcome::Unknown];

impl Tally {
    pub(super) fn count(&self, result: &Result<Receipt, SendError>) {
        let outcome = result.as_ref().map_or_else(SendError::kind, |_| AttemptOutcome::Sent);
        if let Some(at) = OUTCOMES.iter().position(|known| *known == outcome) {
            self.0[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn counts(&self) -> [(AttemptOutcome, u64); 4] {
        std::array::from_fn(|at| (OUTCOMES[at], self.0[at].load(Ordering::Relaxed)))
    }
}
