//! The best few of a block's papers.
//!
//! A score and its paper make one number, a *key*, so that the best are the greatest keys. Few keys are sorted by counting,
//! which hardly has a branch to mispredict. Of many, those that can't be among the best are left out first: the scores are
//! taken as columns, and what enough columns exceed is exceeded by enough papers. The loops are written so that the compiler
//! turns them into vector instructions.

/// The most papers in a block.
pub(super) const BLOCK: usize = 1_024;
/// Up to so many keys are sorted by counting.
const FEW: usize = 64;
/// Keys in a vector.
const LANES: usize = 8;
/// A column has the papers that are the same bit in their words.
const COLUMNS: usize = u64::BITS as usize;
/// Bits of a key that name the paper.
const PAPER_BITS: u32 = BLOCK.ilog2();
/// The greatest score there is, in hundredths; beyond it all are alike.
pub(super) const MOST_SCORE: i32 = (1 << (31 - PAPER_BITS)) - 1;
/// Less than any key.
const NONE: i32 = -1;

/// Memory that one choice after another uses again.
#[derive(Debug)]
pub(super) struct Best {
    /// Those that may be among the best, in no order.
    found: Box<[i32; BLOCK]>,
    sorted: Box<[i32; BLOCK]>,
    /// By key of a few: its place among the sorted. Kept in memory, from where one after another is taken with less effort
    /// than out of vectors.
    places: [i32; FEW],
    len: usize,
}

impl Default for Best {
    fn default() -> Self {
        Self { found: Box::new([NONE; BLOCK]), sorted: Box::new([NONE; BLOCK]), places: [0; FEW], len: 0 }
    }
}

impl Best {
    /// Forgets what was chosen last.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Chooses the `most` best of the papers in `chosen`: those with the highest scores, the first of equal ones. Scores are
    /// at most [`MOST_SCORE`], and 0 for papers that are not chosen.
    #[inline(always)]
    pub(super) fn choose<const W: usize>(&mut self, chosen: &[u64; W], scores: &[i32; BLOCK], most: usize) {
        let count: usize = chosen.iter().map(|word| word.count_ones() as usize).sum();
        let best = if count > FEW && most <= FEW / 2 { self.find_the_best::<W>(scores, most) } else { None };
        let found = best.unwrap_or_else(|| self.find_all(chosen, scores));
        if found <= FEW {
            self.sort_few(found);
        } else {
            let sorted = &mut self.sorted[..found];
            sorted.copy_from_slice(&self.found[..found]);
            sorted.sort_unstable_by(|a, b| b.cmp(a));
        }
        self.len = found.min(most);
    }

    /// The papers with their scores, the best first.
    pub(super) fn sorted(&self) -> impl Iterator<Item = (usize, i32)> {
        let paper = |key: i32| BLOCK - 1 - key as usize % BLOCK;
        self.sorted[..self.len].iter().map(move |key| (paper(*key), *key >> PAPER_BITS))
    }

    /// Leaves all keys in `found`; how many there are.
    #[inline(always)]
    fn find_all<const W: usize>(&mut self, chosen: &[u64; W], scores: &[i32; BLOCK]) -> usize {
        let mut found = 0;
        let mut first = 0;
        for mut bits in *chosen {
            while bits != 0 {
                let paper = first + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                self.found[found % BLOCK] = key(scores[paper % BLOCK], paper);
                found += 1;
            }
            first += COLUMNS;
        }
        found
    }

    /// Leaves at least the `most` best keys in `found`, and hardly more; how many there are. `None` where too few columns have
    /// a score above 0.
    #[inline(always)]
    fn find_the_best<const W: usize>(&mut self, scores: &[i32; BLOCK], most: usize) -> Option<usize> {
        let rows: &[[i32; COLUMNS]; W] = scores.as_chunks::<COLUMNS>().0.first_chunk()?;
        let mut columns = [0; COLUMNS];
        for row in rows {
            (0..COLUMNS).for_each(|column| columns[column] = columns[column].max(row[column]));
        }
        let floor = floor(&columns, 0, most)?;
        let mut above = [0; COLUMNS];
        for (number, row) in rows.iter().enumerate() {
            (0..COLUMNS).for_each(|column| above[column] |= i32::from(row[column] > floor) << number);
        }
        let mut found = 0;
        for (pair, [a, b]) in above.as_chunks::<2>().0.iter().enumerate() {
            let mut bits = a.cast_unsigned() | b.cast_unsigned() << 16;
            while bits != 0 {
                let bit = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let paper = COLUMNS * (bit % 16) + 2 * pair + bit / 16;
                self.found[found % BLOCK] = key(scores[paper % BLOCK], paper);
                found += 1;
            }
        }
        Some(if found <= FEW { found } else { self.narrow(found, most) })
    }

    /// Leaves the `most` best of so many in `found`, or hardly more; how many there are.
    fn narrow(&mut self, count: usize, most: usize) -> usize {
        let Some(floor) = floor(&self.found[..count], NONE, most) else { return count };
        let mut found = 0;
        for number in 0..count {
            let key = self.found[number];
            self.found[found] = key;
            found += usize::from(key > floor);
        }
        found
    }

    /// Sorts so many of `found`.
    #[inline(always)]
    fn sort_few(&mut self, count: usize) {
        // What follows the last key in the vectors that are sorted, of which the last may have none, and one more to end at.
        self.found[count..][..2 * LANES].fill(NONE);
        // So the compiler knows how many vectors there are, and keeps places in registers.
        match count.div_ceil(LANES) {
            0..=1 => self.sort_vectors::<1>(),
            2 => self.sort_vectors::<2>(),
            3 => self.sort_vectors::<3>(),
            4 => self.sort_vectors::<4>(),
            5..=6 => self.sort_vectors::<6>(),
            _ => self.sort_vectors::<8>(),
        }
    }

    /// Sorts the keys in the first vectors of `found`. The place of a key is the number of greater ones.
    #[inline(always)]
    fn sort_vectors<const N: usize>(&mut self) {
        let Some(vectors) = self.found.as_chunks::<LANES>().0.first_chunk::<N>().copied() else { return };
        let mut places = [[0; LANES]; N];
        // Ends at the first that is none, and doesn't count: a loop that counts would be turned into vectors of these keys,
        // whose lanes have to be added up for each place.
        for key in self.found.iter().take_while(|key| **key != NONE) {
            for (places, vector) in places.iter_mut().zip(&vectors) {
                (0..LANES).for_each(|lane| places[lane] += i32::from(*key > vector[lane]));
            }
        }
        self.places.as_chunks_mut::<LANES>().0[..N].copy_from_slice(&places);
        for (key, place) in vectors.as_flattened().iter().zip(&self.places) {
            self.sorted[*place as usize % BLOCK] = *key;
        }
    }
}

/// A number from `least` on that at least `most` of `numbers` exceed, and not many more unless they are alike; `None` where
/// fewer exceed even `least`. Bisects, since counting is cheaper than sorting.
#[inline(always)]
fn floor(numbers: &[i32], least: i32, most: usize) -> Option<i32> {
    let exceeding = |floor: i32| numbers.iter().map(|number| i32::from(*number > floor)).sum::<i32>() as usize;
    if exceeding(least) < most {
        return None;
    }
    let (mut low, mut high) = (least, numbers.iter().copied().fold(least, i32::max));
    while low + 1 < high {
        let middle = low.midpoint(high);
        let count = exceeding(middle);
        if count < most {
            high = middle;
        } else if count > most + most / 4 {
            low = middle;
        } else {
            return Some(middle);
        }
    }
    Some(low)
}

/// A paper with its score: the greater the better, and among equal scores the lower place.
#[inline(always)]
fn key(score: i32, paper: usize) -> i32 {
    score << PAPER_BITS | (BLOCK - 1 - paper % BLOCK) as i32
}

#[cfg(test)]
mod tests {
    use super::super::simd::with_simd;
    use super::*;
    use proptest::prelude::*;

    /// Papers chosen and their scores: few scores, so that many are equal, or any there are.
    fn papers() -> impl Strategy<Value = Vec<Option<i32>>> {
        let score = prop_oneof![0..5, 0..2_000, 0..=MOST_SCORE];
        proptest::collection::vec(proptest::option::weighted(0.5, score), 0..=BLOCK)
    }

    #[test]
    fn of_greatest_scores_the_first_are_best() {
        let mut best = Best::default();
        best.choose(&[!0; BLOCK / 64], &[MOST_SCORE; BLOCK], 3);
        assert_eq!(best.sorted().collect::<Vec<_>>(), [(0, MOST_SCORE), (1, MOST_SCORE), (2, MOST_SCORE)]);
    }

    #[test]
    fn what_was_chosen_before_leaves_no_trace() {
        let mut best = Best::default();
        for count in (0..=FEW + 1).flat_map(|count| [FEW + 1, count]) {
            let chosen = std::array::from_fn(|word| match count.saturating_sub(64 * word) {
                papers @ 0..64 => (1 << papers) - 1,
                _ => !0,
            });
            let scores = std::array::from_fn(|paper| if paper < count { 1 + paper as i32 * 7 % 31 } else { 0 });
            let mut expected: Vec<_> = (0..count).map(|paper| (paper, scores[paper])).collect();
            expected.sort_by_key(|(paper, score)| (std::cmp::Reverse(*score), *paper));
            best.choose::<{ BLOCK / 64 }>(&chosen, &scores, usize::MAX);
            assert_eq!(best.sorted().collect::<Vec<_>>(), expected, "{count} keys");
        }
    }

    proptest! {
        #[test]
        fn the_best_are_those_that_sorting_all_finds(papers in papers(), most in prop_oneof![0..40usize, Just(usize::MAX)]) {
            let mut chosen = [0; BLOCK / 64];
            let mut scores = [0; BLOCK];
            let mut expected = Vec::new();
            for (paper, score) in papers.iter().enumerate() {
                if let Some(score) = score {
                    chosen[paper / 64] |= 1u64 << (paper % 64);
                    scores[paper] = *score;
                    expected.push((paper, *score));
                }
            }
            expected.sort_by_key(|(paper, score)| (std::cmp::Reverse(*score), *paper));
            expected.truncate(most);
            let mut best = Best::default();
            best.choose(&chosen, &scores, most);
            prop_assert_eq!(best.sorted().collect::<Vec<_>>(), &expected[..]);
            best.clear();
            with_simd(|| best.choose(&chosen, &scores, most));
            prop_assert_eq!(best.sorted().collect::<Vec<_>>(), expected);
        }
    }
}
