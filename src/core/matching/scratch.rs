//! What evaluating a profile needs besides the sets: memory, kept from one profile to the next.

use super::Match;
use super::best::Best;

/// Memory that one evaluation after another uses again.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) scores: Vec<i32>,
    /// Begins with the rows of the singles that find something; behind them are those of earlier profiles.
    pub(super) singles: Vec<u32>,
    /// The same for the pairs that may; the second of them is `NEGATED` if it must not be there.
    pub(super) pairs: Vec<[u32; 2]>,
    pub(super) stack: Vec<u64>,
    pub(super) best: Best,
    pub(super) matches: Vec<Match>,
}
