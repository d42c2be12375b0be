//! What goes into one edition: matches less what was sent, cut by the caps.
//!
//! What a cap cuts stays owed (I8). Owed papers get up to half of a section's places before new ones do, and whatever
//! places are left after them: so nothing that was promised starves, and a profile that is always over its maximum still
//! brings the day's papers. A paper that several sections choose stands in the first one.

use std::collections::HashSet;

use chrono::NaiveDate;

use super::matching::{Candidate, Pool};
use super::paper::SourceId;
use super::subscription::{Profile, Rank, Subscription};

/// What a subscriber has had, as far as it touches the candidates.
#[derive(Clone, Copy, Debug)]
pub struct Ledger<'a> {
    /// Papers that were sent.
    pub sent: &'a HashSet<u32>,
    /// Papers that were shown by title only.
    pub shown: &'a HashSet<u32>,
    /// Papers that the last edition chose and a cap cut.
    pub owed: &'a [u32],
    /// Papers listed before this day are not for this subscriber.
    pub since: NaiveDate,
}

/// What one edition holds. Everything is by index into the pool's candidates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Papers by profile, best first.
    pub sections: Vec<Vec<usize>>,
    /// Papers chosen and cut by a maximum.
    pub owed: Vec<usize>,
    /// Trending papers that no profile asked for.
    pub also: Vec<usize>,
}

/// The pool's papers as everyone sees them, most trending first: what "also trending" is taken from.
pub fn trending(pool: &Pool) -> Vec<usize> {
    let everything = Profile {
        name: String::new(),
        keywords: Vec::new(),
        exclude: Vec::new(),
        must: Vec::new(),
        min_upvotes: 0,
        sources: Vec::new(),
        max_papers: u32::MAX,
        rank: Rank::Trending,
    };
    pool.select(&everything).into_iter().map(|chosen| chosen.index).collect()
}

/// Chooses an edition. `trending` is [`trending`] of the same pool, `also` how many of it are shown.
pub fn choose(pool: &Pool, trending: &[usize], subscription: &Subscription, ledger: Ledger<'_>, also: usize) -> Choice {
    let is_open = |index: usize| {
        let candidate = &pool.candidates()[index];
        !ledger.sent.contains(&candidate.id) && candidate.day().is_some_and(|day| day >= ledger.since)
    };
    let mut choice = Choice::default();
    let mut taken = HashSet::new();
    for profile in &subscription.profiles {
        let matches: Vec<usize> =
            pool.select(profile).into_iter().map(|m| m.index).filter(|i| is_open(*i) && taken.insert(*i)).collect();
        let is_owed = |index: &usize| ledger.owed.contains(&pool.candidates()[*index].id);
        let (papers, rest) = cut(&matches, is_owed, profile.max_papers as usize);
        choice.sections.push(papers);
        choice.owed.extend(rest);
    }
    if also > 0 {
        let wanted = wanted(pool, &subscription.profiles);
        let others = trending.iter().copied().filter(|&index| {
            let candidate = &pool.candidates()[index];
            is_open(index)
                && !wanted.contains(&index)
                && !ledger.shown.contains(&candidate.id)
                && subscription.profiles.iter().any(|profile| is_listed_in(candidate, &profile.sources))
        });
        choice.also = others.take(also).collect();
    }
    choice
}

/// The first `max` of `matches`, owed ones favoured, in their order; and the rest.
fn cut(matches: &[usize], is_owed: impl Fn(&usize) -> bool, max: usize) -> (Vec<usize>, Vec<usize>) {
    let (owed, new): (Vec<usize>, Vec<usize>) = matches.iter().partition(|index| is_owed(index));
    let promised = owed.len().min(max.div_ceil(2));
    let fresh = new.len().min(max - promised);
    let more = (owed.len() - promised).min(max - promised - fresh);
    let kept: HashSet<usize> = owed[..promised + more].iter().chain(&new[..fresh]).copied().collect();
    matches.iter().partition(|index| kept.contains(index))
}

/// What the profiles ask for, whether or not it passes their limits: a paper that waits for its votes is not "also"
/// anything, or it would come twice.
fn wanted(pool: &Pool, profiles: &[Profile]) -> HashSet<usize> {
    let without_limits = profiles.iter().map(|profile| Profile {
        exclude: Vec::new(),
        must: Vec::new(),
        min_upvotes: 0,
        sources: Vec::new(),
        ..profile.clone()
    });
    without_limits.flat_map(|profile| pool.select(&profile)).map(|chosen| chosen.index).collect()
}

fn is_listed_in(candidate: &Candidate, sources: &[SourceId]) -> bool {
    sources.is_empty() || candidate.listings.iter().any(|listing| sources.contains(&listing.source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owed_papers_get_half_the_places_and_then_what_is_left() {
        let is_owed = |index: &usize| *index >= 10;
        let cut = |matches: &[usize], max| cut(matches, is_owed, max);
        assert_eq!(cut(&[1, 2, 3, 10, 11, 12], 4), (vec![1, 2, 10, 11], vec![3, 12]));
        assert_eq!(cut(&[1, 10, 11, 12, 13], 4), (vec![1, 10, 11, 12], vec![13]));
        assert_eq!(cut(&[1, 2, 3, 4, 10], 4), (vec![1, 2, 3, 10], vec![4]));
        assert_eq!(cut(&[10, 1], 1), (vec![10], vec![1]));
        assert_eq!(cut(&[1, 2], 5), (vec![1, 2], vec![]));
    }
}
