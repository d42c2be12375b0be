//! The sets of papers that literals find, in one block, as bits.

use std::hint::black_box;

use super::best::{BLOCK, MOST_SCORE};
use super::compile::{CompiledProfile, NEGATED, Op};
use super::scratch::Scratch;
use super::simd::with_simd;
use super::weight::WEIGHT_ONE;
use crate::core::index::Hit;
use crate::core::subscription::Rank;

/// Sets of one width or another.
pub(super) trait Block: std::fmt::Debug + Send + Sync {
    /// Gives `literal` a set: the papers with what it is worth in each, in order and each once.
    fn insert(&mut self, literal: u32, literal_scores: &mut dyn Iterator<Item = (LiteralScore, u64)>);

    /// Gives `literal` another set; the number of the one that it had, for [`Block::put_back`].
    fn replace(&mut self, literal: u32, literal_scores: &mut dyn Iterator<Item = (LiteralScore, u64)>) -> u32;

    /// Gives `literal` the set back that it had before the last [`Block::replace`].
    fn put_back(&mut self, literal: u32, row: u32);

    /// Whether a paper is in the set of `literal`.
    fn finds(&self, literal: u32, paper: usize) -> bool;

    /// Adds the papers that the keywords of `profile` ask for, and those that it excludes.
    fn settled(&self, profile: &CompiledProfile<'_>, into: &mut [u64; BLOCK / 64], scratch: &mut Scratch);

    /// How many papers of this block `profile` chooses.
    fn count(&self, profile: &CompiledProfile<'_>, skip: Option<&[u64; BLOCK / 64]>, scratch: &mut Scratch) -> usize;

    /// Leaves the `most` best of what `profile` chooses in this block in `scratch`. `day` numbers a paper's day.
    fn select(
        &self,
        profile: &CompiledProfile<'_>,
        most: usize,
        skip: Option<&[u64; BLOCK / 64]>,
        day: &dyn Fn(usize) -> i32,
        scratch: &mut Scratch,
    );
}

/// An empty block for so many papers, of the least width that holds them.
pub(super) fn block(papers: usize) -> Box<dyn Block> {
    match papers {
        0..=64 => Box::new(Sets::<1>::new(papers)),
        65..=128 => Box::new(Sets::<2>::new(papers)),
        129..=256 => Box::new(Sets::<4>::new(papers)),
        257..=512 => Box::new(Sets::<8>::new(papers)),
        _ => Box::new(Sets::<16>::new(papers)),
    }
}

/// The sets of one block, of `W` times 64 papers at most.
#[derive(Debug)]
struct Sets<const W: usize> {
    /// Every paper of the block; bits beyond the last are never set.
    all: [u64; W],
    /// By literal: its row, 0 if it finds nothing here.
    row_of: Vec<u32>,
    /// By row: the papers that its literal finds. Row 0 is empty.
    rows: Vec<[u64; W]>,
    /// By row, and one more: where its scores begin, one for each paper. They end where those of the next row begin.
    begins: Vec<u32>,
    literal_scores: Vec<LiteralScore>,
    /// By worth, see [`Hit::stretches`]; apart, since few look at it.
    stretches: Vec<u64>,
}

/// What a profile says of the papers of a block.
struct ProfileSets<const W: usize> {
    /// A keyword asks for them.
    wanted: [u64; W],
    /// `exclude` has them.
    excluded: [u64; W],
    /// `must`, `exclude` and the limits leave them.
    open: [u64; W],
    /// How many singles find something.
    singles: usize,
    /// How many pairs may find something.
    pairs: usize,
}

/// What a literal is worth in a paper, in hundredths.
#[derive(Clone, Copy, Debug)]
pub(super) struct LiteralScore {
    /// Within its block.
    pub paper: u16,
    pub points: u16,
}

impl<const W: usize> Sets<W> {
    fn new(papers: usize) -> Self {
        let all = std::array::from_fn(|word| match papers.saturating_sub(64 * word) {
            papers @ 0..64 => (1 << papers) - 1,
            _ => !0,
        });
        Self {
            all,
            row_of: Vec::new(),
            rows: vec![[0; W]],
            begins: vec![0, 0],
            literal_scores: Vec::new(),
            stretches: Vec::new(),
        }
    }

    /// The row of a literal; that of nothing for a number that the vocabulary doesn't have.
    #[inline(always)]
    fn row(&self, literal: u32) -> u32 {
        self.row_of.get(literal as usize).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn set(&self, literal: u32) -> &[u64; W] {
        &self.rows[self.row(literal) as usize]
    }

    #[inline(always)]
    fn begin(&self, row: u32) -> usize {
        self.begins[row as usize] as usize
    }

    #[inline(always)]
    fn literal_scores(&self, row: u32) -> &[LiteralScore] {
        &self.literal_scores[self.begin(row)..self.begin(row + 1)]
    }

    /// What `profile` says. Leaves the rows of its singles and pairs that it counts in `scratch`, and what its program has to
    /// score, if the scores there have room.
    #[inline(always)]
    fn said(&self, profile: &CompiledProfile<'_>, scratch: &mut Scratch) -> ProfileSets<W> {
        let Scratch { scores, singles, pairs, stack, .. } = scratch;
        let (all_singles, all_pairs, program) = profile.sections();
        let single = |literal: &u32| {
            let row = self.row(*literal);
            (row, row != 0)
        };
        let pair = |[a, b]: &[u32; 2]| {
            let (negated, a, b) = (b & NEGATED, self.row(*a), self.row(b & !NEGATED));
            ([a, b | negated], a != 0 && b | negated != 0)
        };
        let mut said = ProfileSets {
            wanted: if profile.wants_every_paper() { self.all } else { [0; W] },
            excluded: [0; W],
            open: self.all,
            singles: keep(all_singles.iter().map(single), singles),
            pairs: keep(all_pairs.iter().map(pair), pairs),
        };
        for row in &singles[..said.singles] {
            unite(&mut said.wanted, &self.rows[*row as usize]);
        }
        for pair in &pairs[..said.pairs] {
            unite(&mut said.wanted, &self.pair(*pair));
        }
        if !program.is_empty() {
            stack.clear();
            self.run(program, &mut said, scores, stack);
        }
        said
    }

    /// Adds what the singles and pairs that find something are worth, by their rows.
    #[inline(always)]
    fn score(&self, profile: &CompiledProfile<'_>, singles: &[u32], pairs: &[[u32; 2]], scores: &mut [i32; BLOCK]) {
        // So many rows can't add up to more than a number has room for, and so few not to more than the greatest score, unless
        // a program has scored before.
        const MANY: usize = 1 << 14;
        const FEW: usize = MOST_SCORE as usize / u16::MAX as usize;
        // Worths are scattered over more memory than the cache holds, and how many a row has can't be foretold: all rows
        // are asked for their first before any is waited for.
        let first = |row: &u32| self.literal_scores.get(self.begin(*row)).map_or(0, |score| score.points);
        black_box(singles.iter().fold(0, |asked, row| asked ^ first(row)));
        for rows in singles.chunks(MANY) {
            for row in rows {
                for score in self.literal_scores(*row) {
                    scores[usize::from(score.paper) % BLOCK] += i32::from(score.points);
                }
            }
            if profile.has_program() || singles.len() > FEW {
                scores[..64 * W].iter_mut().for_each(|score| *score = (*score).min(MOST_SCORE));
            }
        }
        for [a, b] in pairs {
            let both = self.pair([*a, *b]);
            if b & NEGATED != 0 {
                self.add(*a, &both, WEIGHT_ONE, scores);
            } else if both != [0; W] {
                self.each_score(&both, [*a, *b], |paper, [a, b]| {
                    let (sum, near) = (self.points(a) + self.points(b), self.near(a, b));
                    scores[paper % BLOCK] =
                        (scores[paper % BLOCK] + sum + if near { sum / 2 } else { 0 }).min(MOST_SCORE);
                });
            }
        }
    }

    #[inline(always)]
    fn choose(
        &self,
        profile: &CompiledProfile<'_>,
        most: usize,
        skip: Option<&[u64; BLOCK / 64]>,
        day: &dyn Fn(usize) -> i32,
        scratch: &mut Scratch,
    ) {
        scratch.best.clear();
        scratch.scores.resize(BLOCK, 0);
        scratch.scores[..64 * W].fill(0);
        let said = self.said(profile, scratch);
        let mut chosen = said.chosen(skip);
        if chosen == [0; W] {
            return;
        }
        let Scratch { scores, singles, pairs, best, .. } = scratch;
        // An array of known length, so that no index is checked.
        let Some(scores) = scores.first_chunk_mut::<BLOCK>() else { return };
        match profile.rank() {
            Rank::Relevance => {
                self.score(profile, &singles[..said.singles], &pairs[..said.pairs], scores);
                let refused: [u64; W] = each_word(|word| said.wanted[word] & !chosen[word]);
                each_paper(&refused, |paper| scores[paper % BLOCK] = 0);
            }
            Rank::Trending => {
                scores[..64 * W].fill(0);
                keep_first(&mut chosen, most);
            }
            Rank::Newest => {
                scores[..64 * W].fill(0);
                each_paper(&chosen, |paper| scores[paper % BLOCK] = day(paper).min(MOST_SCORE));
            }
        }
        best.choose(&chosen, scores, most);
    }

    /// What a pair finds, by its rows.
    #[inline(always)]
    fn pair(&self, [a, b]: [u32; 2]) -> [u64; W] {
        let flip = if b & NEGATED == 0 { 0 } else { !0 };
        let [a, b] = [a, b & !NEGATED].map(|row| &self.rows[row as usize]);
        each_word(|word| a[word] & (b[word] ^ flip))
    }

    /// Runs a program: adds to what is `said`, and to `scores` what its keywords are worth.
    #[inline(always)]
    fn run(&self, program: &[u32], said: &mut ProfileSets<W>, scores: &mut [i32], stack: &mut Vec<u64>) {
        let mut keyword = [0; W];
        let mut words = program.iter();
        while let Some(op) = words.next().and_then(|word| Op::decode(*word)) {
            match op {
                Op::Push(literal) => stack.extend_from_slice(self.set(literal)),
                Op::PushNot(literal) => stack.extend(self.set(literal).iter().map(|word| !word)),
                Op::And => {
                    let (top, below) = (pop::<W>(stack), pop::<W>(stack));
                    stack.extend((0..W).map(|word| below[word] & top[word]));
                }
                Op::Or => {
                    let (top, below) = (pop::<W>(stack), pop::<W>(stack));
                    stack.extend((0..W).map(|word| below[word] | top[word]));
                }
                Op::Keyword => {
                    keyword = pop(stack);
                    unite(&mut said.wanted, &keyword);
                }
                Op::Points(weight) => {
                    let literal = words.next().copied().unwrap_or(u32::MAX);
                    self.add(self.row(literal), &keyword, weight, scores);
                }
                Op::Near(weights) => {
                    let pair = [(); 2].map(|()| self.row(words.next().copied().unwrap_or(u32::MAX)));
                    self.add_nearness(pair, &keyword, weights, scores);
                }
                Op::Must => {
                    let set = pop::<W>(stack);
                    (0..W).for_each(|word| said.open[word] &= set[word]);
                }
                Op::Exclude => unite(&mut said.excluded, &pop(stack)),
            }
        }
        (0..W).for_each(|word| said.open[word] &= !said.excluded[word]);
    }

    /// Adds what a row is worth to the papers that are in `among`.
    #[inline(always)]
    fn add(&self, row: u32, among: &[u64; W], weight: u32, scores: &mut [i32]) {
        self.each_score(among, [row], |paper, [place]| {
            if let Some(score) = scores.get_mut(paper) {
                *score = (*score + weighted(self.points(place), weight)).min(MOST_SCORE);
            }
        });
    }

    /// Adds half of what two rows are worth, each by its weight, to the papers that are in `among` and where they are near
    /// each other.
    #[inline(always)]
    fn add_nearness(&self, pair: [u32; 2], among: &[u64; W], weights: [u32; 2], scores: &mut [i32]) {
        self.each_score(among, pair, |paper, [a, b]| {
            if self.near(a, b)
                && let Some(score) = scores.get_mut(paper)
            {
                let both = weighted(self.points(a), weights[0]) + weighted(self.points(b), weights[1]);
                *score = (*score + both / 2).min(MOST_SCORE);
            }
        });
    }

    /// Goes through the papers of `among` that all these rows find, with the places of their scores there.
    #[inline(always)]
    fn each_score<const N: usize>(&self, among: &[u64; W], rows: [u32; N], mut each: impl FnMut(usize, [usize; N])) {
        // The scores of a row are in the order of its bits.
        let mut places = rows.map(|row| self.begin(row));
        let rows = rows.map(|row| &self.rows[row as usize]);
        for (word, among) in among.iter().enumerate() {
            let mut papers = rows.iter().fold(*among, |papers, row| papers & row[word]);
            while papers != 0 {
                let bit = papers & papers.wrapping_neg();
                papers ^= bit;
                let before = |number: usize| (rows[number][word] & (bit - 1)).count_ones() as usize;
                let literal_scores = std::array::from_fn(|number| places[number] + before(number));
                each(64 * word + bit.trailing_zeros() as usize, literal_scores);
            }
            (0..N).for_each(|number| places[number] += rows[number][word].count_ones() as usize);
        }
    }

    #[inline(always)]
    fn points(&self, place: usize) -> i32 {
        i32::from(self.literal_scores[place].points)
    }

    #[inline(always)]
    fn near(&self, a: usize, b: usize) -> bool {
        Hit::near(self.stretches[a], self.stretches[b])
    }
}

impl<const W: usize> ProfileSets<W> {
    /// What is chosen of all papers but those to skip.
    #[inline(always)]
    fn chosen(&self, skip: Option<&[u64; BLOCK / 64]>) -> [u64; W] {
        let skipped = |word: usize| skip.map_or(0, |skip| skip[word]);
        each_word(|word| self.wanted[word] & self.open[word] & !skipped(word))
    }
}

/// At most 2^16 points and 10,000 hundredths, so that the sum of two has room.
#[inline(always)]
fn weighted(points: i32, weight: u32) -> i32 {
    (points.cast_unsigned() * weight / WEIGHT_ONE).cast_signed()
}

/// A set by its words. The closure of `array::from_fn` is not always inlined, and then stays narrow.
#[inline(always)]
fn each_word<const W: usize>(word: impl Fn(usize) -> u64) -> [u64; W] {
    let mut set = [0; W];
    (0..W).for_each(|number| set[number] = word(number));
    set
}

#[inline(always)]
fn each_paper<const W: usize>(set: &[u64; W], mut each: impl FnMut(usize)) {
    let mut first = 0;
    for mut bits in *set {
        while bits != 0 {
            each(first + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
        first += 64;
    }
}

/// Leaves those that are to be kept at the beginning of `kept`; how many there are. Whether one is can't be foretold, so
/// there is no branch on it.
#[inline(always)]
fn keep<T: Copy + Default>(each: impl ExactSizeIterator<Item = (T, bool)>, kept: &mut Vec<T>) -> usize {
    if kept.len() < each.len() {
        kept.resize(each.len(), T::default());
    }
    let kept = kept.as_mut_slice();
    let mut count = 0;
    for (one, is_kept) in each {
        kept[count] = one;
        count += usize::from(is_kept);
    }
    count
}

/// Keeps the first `most` papers of a set.
fn keep_first<const W: usize>(set: &mut [u64; W], most: usize) {
    let mut left = most;
    for bits in set {
        let mut rest = *bits;
        while rest != 0 && left > 0 {
            rest &= rest - 1;
            left -= 1;
        }
        *bits ^= rest;
    }
}

impl<const W: usize> Block for Sets<W> {
    fn insert(&mut self, literal: u32, literal_scores: &mut dyn Iterator<Item = (LiteralScore, u64)>) {
        let mut set = [0; W];
        for (score, stretches) in literal_scores {
            set[usize::from(score.paper) / 64] |= 1 << (score.paper % 64);
            self.literal_scores.push(score);
            self.stretches.push(stretches);
        }
        if self.row_of.len() <= literal as usize {
            self.row_of.resize(literal as usize + 1, 0);
        }
        self.row_of[literal as usize] = self.rows.len() as u32;
        self.rows.push(set);
        self.begins.push(self.literal_scores.len() as u32);
    }

    fn replace(&mut self, literal: u32, literal_scores: &mut dyn Iterator<Item = (LiteralScore, u64)>) -> u32 {
        let row = self.row(literal);
        self.insert(literal, literal_scores);
        row
    }

    fn put_back(&mut self, literal: u32, row: u32) {
        self.row_of[literal as usize] = row;
        self.rows.pop();
        self.begins.pop();
        let end = self.begins.last().map_or(0, |end| *end as usize);
        self.literal_scores.truncate(end);
        self.stretches.truncate(end);
    }

    fn finds(&self, literal: u32, paper: usize) -> bool {
        self.set(literal)[paper / 64] >> (paper % 64) & 1 == 1
    }

    fn settled(&self, profile: &CompiledProfile<'_>, into: &mut [u64; BLOCK / 64], scratch: &mut Scratch) {
        scratch.scores.clear();
        let ProfileSets { wanted, excluded, .. } = self.said(profile, scratch);
        (0..W).for_each(|word| into[word] |= wanted[word] | excluded[word]);
    }

    fn count(&self, profile: &CompiledProfile<'_>, skip: Option<&[u64; BLOCK / 64]>, scratch: &mut Scratch) -> usize {
        scratch.scores.clear();
        with_simd(|| self.said(profile, scratch).chosen(skip).iter().map(|word| word.count_ones() as usize).sum())
    }

    fn select(
        &self,
        profile: &CompiledProfile<'_>,
        most: usize,
        skip: Option<&[u64; BLOCK / 64]>,
        day: &dyn Fn(usize) -> i32,
        scratch: &mut Scratch,
    ) {
        with_simd(
            #[inline(always)]
            || self.choose(profile, most, skip, day, scratch),
        );
    }
}

fn unite<const W: usize>(set: &mut [u64; W], other: &[u64; W]) {
    (0..W).for_each(|word| set[word] |= other[word]);
}

/// Takes a set off the stack. A program that was checked never finds it empty.
fn pop<const W: usize>(stack: &mut Vec<u64>) -> [u64; W] {
    match stack.split_last_chunk::<W>() {
        Some((rest, top)) => {
            let (left, top) = (rest.len(), *top);
            stack.truncate(left);
            top
        }
        None => [0; W],
    }
}

#[cfg(test)]
mod tests;
