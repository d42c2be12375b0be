//! The best few of a block's papers.
//!
//! A score and its paper make one number, a *key*, so that the best are the greatest keys. Few keys are sorted by counting,
//! which has no branch to mispredict. Of many, those that can't be among the best are left out first: the keys are laid out
//! in columns, and a number that enough columns exceed is exceeded by enough keys. All loops are over arrays of known
//! length without branches, which the compiler turns into vector instructions.

use super::kernel::BLOCK;

/// Up to so many keys are sorted by counting.
const FEW: usize = 64;
/// Columns that many keys are laid out in.
const COLUMNS: usize = 128;
/// Bits of a key that name the paper.
const PAPER_BITS: u32 = BLOCK.ilog2();
/// The greatest score there is, in hundredths; beyond it all are alike.
pub(super) const MOST_SCORE: u32 = (1 << (31 - PAPER_BITS)) - 1;
/// Less than any key.
const NONE: i32 = -1;

/// Memory that one choice after another uses again.
#[derive(Debug)]
pub(super) struct Best {
    /// By paper, when all are laid out: its key, or [`NONE`].
    laid_out: Box<[i32; BLOCK]>,
    /// Those that may be among the best, in no order.
    found: Box<[i32; BLOCK + 8]>,
    sorted: Box<[i32; BLOCK + 8]>,
    len: usize,
}

impl Default for Best {
    fn default() -> Self {
        Self {
            laid_out: Box::new([NONE; BLOCK]),
            found: Box::new([NONE; BLOCK + 8]),
            sorted: Box::new([NONE; BLOCK + 8]),
            len: 0,
        }
    }
}

impl Best {
    /// Forgets what was chosen last.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Chooses the `most` best of the papers in `chosen`: those with the highest scores, the first of equal ones. No score
    /// exceeds [`MOST_SCORE`].
    #[inline(always)]
    pub(super) fn choose<const W: usize>(&mut self, chosen: &[u64; W], scores: &[u32; BLOCK], most: usize) {
        let count: usize = chosen.iter().map(|word| word.count_ones() as usize).sum();
        let found = if count > FEW && most <= FEW / 2 {
            self.find_the_best(chosen, scores, most)
        } else {
            self.find_all(chosen, scores)
        };
        match found {
            0..=FEW => self.sort_few(found),
            _ => {
                let sorted = &mut self.sorted[..found];
                sorted.copy_from_slice(&self.found[..found]);
                sorted.sort_unstable_by(|a, b| b.cmp(a));
            }
        }
        self.len = found.min(most);
    }

    /// The papers with their scores, the best first.
    pub(super) fn sorted(&self) -> impl Iterator<Item = (usize, u32)> {
        let paper = |key: i32| BLOCK - 1 - key as usize % BLOCK;
        self.sorted[..self.len].iter().map(move |key| (paper(*key), (*key >> PAPER_BITS).cast_unsigned()))
    }

    /// Leaves all keys in `found`; how many there are.
    #[inline(always)]
    fn find_all<const W: usize>(&mut self, chosen: &[u64; W], scores: &[u32; BLOCK]) -> usize {
        let mut found = 0;
        for (word, mut bits) in chosen.iter().copied().enumerate() {
            while bits != 0 {
                let paper = 64 * word + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                self.found[found % BLOCK] = key(scores[paper % BLOCK], paper);
                found += 1;
            }
        }
        found
    }

    /// Leaves at least the `most` best keys in `found`, and hardly more; how many there are.
    #[inline(always)]
    fn find_the_best<const W: usize>(&mut self, chosen: &[u64; W], scores: &[u32; BLOCK], most: usize) -> usize {
        let laid_out = &mut self.laid_out[..64 * W.max(2)];
        for (byte, (keys, scores)) in
            laid_out.as_chunks_mut::<8>().0.iter_mut().zip(scores.as_chunks::<8>().0).enumerate()
        {
            let bits = chosen.get(byte / 8).map_or(0, |word| word >> (8 * (byte % 8)) & 0xFF) as i32;
            for lane in 0..8 {
                let bit = 1 << lane;
                let is_chosen = i32::from(bits & bit == bit);
                keys[lane] = key(scores[lane], 8 * byte + lane) | (is_chosen - 1);
            }
        }
        let (rows, _) = laid_out.as_chunks::<COLUMNS>();
        let mut columns = [NONE; COLUMNS];
        for row in rows {
            (0..COLUMNS).for_each(|column| columns[column] = columns[column].max(row[column]));
        }
        let floor = floor(&columns, most);
        let mut high = [0; COLUMNS + 1];
        let mut highs = 0;
        for (column, best) in columns.iter().enumerate() {
            high[highs] = column;
            highs += usize::from(*best > floor);
        }
        let mut found = 0;
        for column in &high[..highs] {
            for row in rows {
                self.found[found] = row[*column];
                found += usize::from(row[*column] > floor);
            }
        }
        found
    }

    /// Sorts so many of `found`. The place of a key is the number of greater ones.
    #[inline(always)]
    fn sort_few(&mut self, count: usize) {
        self.found[count..count.next_multiple_of(8)].fill(NONE);
        let (eights, _) = self.found[..count.next_multiple_of(8)].as_chunks::<8>();
        for eight in eights {
            let mut places = [0; 8];
            for key in &self.found[..count] {
                (0..8).for_each(|lane| places[lane] += i32::from(*key > eight[lane]));
            }
            (0..8).for_each(|lane| self.sorted[places[lane] as usize % (BLOCK + 8)] = eight[lane]);
        }
    }
}

/// A number that at least `most` of `columns` exceed and not many more, or one that no paper's key falls below. Bisects
/// between the least and the greatest, since counting is cheaper than sorting.
#[inline(always)]
fn floor(columns: &[i32; COLUMNS], most: usize) -> i32 {
    let (mut low, mut high) = (NONE, columns.iter().copied().fold(NONE, i32::max));
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let above: i32 = columns.iter().map(|best| i32::from(*best > middle)).sum();
        if (above as usize) < most {
            high = middle;
        } else {
            low = middle;
            if above as usize <= most + most / 4 {
                break;
            }
        }
    }
    low
}

/// A paper with its score: the greater the better, and among equal scores the lower place.
#[inline(always)]
fn key(score: u32, paper: usize) -> i32 {
    (score << PAPER_BITS | (BLOCK - 1 - paper) as u32).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::super::wide::wide;
    use super::*;
    use proptest::prelude::*;

    /// Papers chosen and their scores: few scores, so that many are equal, or any there are.
    fn papers() -> impl Strategy<Value = Vec<Option<u32>>> {
        let score = prop_oneof![0..5u32, 0..2_000u32, 0..=MOST_SCORE];
        proptest::collection::vec(proptest::option::weighted(0.5, score), 0..=BLOCK)
    }

    proptest! {
        #[test]
        fn the_best_are_those_that_sorting_all_finds(papers in papers(), most in prop_oneof![0..40usize, Just(usize::MAX)]) {
            let mut chosen = [0; BLOCK / 64];
            let mut scores = [7; BLOCK];
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
            wide(|| best.choose(&chosen, &scores, most));
            prop_assert_eq!(best.sorted().collect::<Vec<_>>(), expected);
        }
    }
}
