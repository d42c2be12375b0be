//! Weights of keywords, in hundredths: whole numbers, so that a sum is the same in whatever order it is added up.

/// A keyword's weight is given in hundredths.
pub(super) const WEIGHT_ONE: u32 = 100;

/// The most that a keyword's and a clause's weight come to together.
pub(super) const MOST_WEIGHT: u32 = 100 * WEIGHT_ONE;

/// A weight in hundredths, at least one.
pub(super) fn hundredths(weight: f32) -> u32 {
    (weight * WEIGHT_ONE as f32).round().clamp(1.0, MOST_WEIGHT as f32) as u32
}
