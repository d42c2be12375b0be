//! How fast the votes come in.
//!
//! The momentum of a paper is its number of votes, each counted less the older it is: a vote of age `a` counts
//! `2^(-a / 24 h)`. With the votes `v₁ ≤ v₂ ≤ …` recorded at the times `t₁ < t₂ < …`,
//!
//! ```text
//! momentum(now) = Σᵢ (vᵢ - vᵢ₋₁) · 2^(-(now - tᵢ) / 24 h)        v₀ = 0
//! ```
//! This is the exponentially decayed count (Cormode, Shkapenyuk, Srivastava, Xu: "Forward Decay: A Practical Time Decay
//! Model for Streaming Systems", ICDE 2009, section III). The gravity of Hacker News, `votes / (age + 2)^1.8`, ages all
//! votes of an item by the item's age; here each ages for itself, so a paper that is found again on its tenth day trends
//! again. It never falls when a vote comes in, and falls while none does.
//!
//! ```
//! # use chrono::{Duration, TimeZone, Utc};
//! # use paperpost::core::trend::{Vote, momentum};
//! let noon = Utc.with_ymd_and_hms(2026, 3, 4, 12, 0, 0).unwrap();
//! let votes = [
//!     Vote { at: noon - Duration::hours(48), upvotes: 40 }, // 40 votes, two days old: 40 / 4
//!     Vote { at: noon - Duration::hours(24), upvotes: 60 }, // 20 more, a day old:     20 / 2
//!     Vote { at: noon, upvotes: 65 },                       //  5 more, now:            5 / 1
//! ];
//! assert_eq!(momentum(&votes, noon), 25.0);
//! ```

use chrono::{DateTime, Utc};

/// Hours after which a vote counts half.
const HALF_LIFE_HOURS: f64 = 24.0;

/// The votes of a paper at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// When they were read.
    pub at: DateTime<Utc>,
    /// How many there were.
    pub upvotes: u32,
}

/// The momentum of votes recorded over time, oldest first: in votes, 0 without any. A record below an earlier one
/// (votes taken back) adds nothing; one from after `now` counts as new.
pub fn momentum(votes: &[Vote], now: DateTime<Utc>) -> f64 {
    let mut most = 0;
    let mut sum = 0.0;
    for vote in votes {
        let hours = (now - vote.at).num_seconds().max(0) as f64 / 3600.0;
        sum += f64::from(vote.upvotes.saturating_sub(most)) * (-hours / HALF_LIFE_HOURS).exp2();
        most = most.max(vote.upvotes);
    }
    sum
}

#[cfg(test)]
mod tests {
    use chrono::{Duration, TimeZone};
    use proptest::prelude::*;

    use super::*;

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 3, 4, 12, 0, 0).single().expect("a valid time")
    }

    /// Records at distinct hours before now, oldest first.
    fn records() -> impl Strategy<Value = Vec<Vote>> {
        proptest::collection::btree_map(0i64..2_000, 0u32..10_000, 1..12).prop_map(|records| {
            let vote = |(hours, upvotes)| Vote { at: now() - Duration::hours(hours), upvotes };
            records.into_iter().rev().map(vote).collect()
        })
    }

    #[test]
    fn a_paper_without_votes_has_no_momentum() {
        assert_eq!(momentum(&[], now()), 0.0);
    }

    proptest! {
        #[test]
        fn a_vote_more_never_lowers_it(votes in records(), from in any::<prop::sample::Index>()) {
            let mut more = votes.clone();
            let from = from.index(votes.len());
            more[from..].iter_mut().for_each(|vote| vote.upvotes += 1);
            prop_assert!(momentum(&more, now()) >= momentum(&votes, now()) - 1e-9);
        }

        #[test]
        fn it_falls_by_half_a_day_while_no_vote_comes_and_never_exceeds_the_votes(
            votes in records(),
            hours in 1i64..1_000,
        ) {
            let (before, after) = (momentum(&votes, now()), momentum(&votes, now() + Duration::hours(hours)));
            let expected = before * 0.5f64.powf(hours as f64 / 24.0);
            prop_assert!((after - expected).abs() <= 1e-9 * expected, "{} is not {}", after, expected);
            prop_assert!(before <= f64::from(votes.iter().map(|vote| vote.upvotes).max().unwrap_or(0)) + 1e-9);
        }
    }
}
