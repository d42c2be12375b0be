//! The evaluation of compiled profiles over a pool: sets of papers as bits.
//!
//! A [`Matcher`] holds, for every literal of a vocabulary, the set of the papers it finds, in blocks of at most
//! [`BLOCK`] papers so that the sets of a large vocabulary stay in the cache. A literal that finds nothing, which is most
//! of them, shares one empty set. A profile is then a few ORs of rows. The loops run over `[u64; W]` with `W` known to the
//! compiler, which unrolls and vectorises them for the machine it builds for (`-C target-cpu=x86-64-v3` gives AVX2).
//!
//! Papers are numbered by momentum, best first, so that equal scores are resolved by the order of the bits. What a literal
//! is worth in a paper is kept beside its set, and added up for matching profiles alone.

use super::compile::{CompiledProfile, NEGATED, Op, Vocabulary, WEIGHT_ONE};
use super::{Match, Pool};
use crate::core::index::Hit;
use crate::core::subscription::Rank;

/// The most papers in a block.
pub(super) const BLOCK: usize = 1_024;

/// The sets of papers that the literals of one vocabulary find in one pool.
#[derive(Debug)]
pub struct Matcher<'a> {
    pool: &'a Pool,
    blocks: Vec<Box<dyn Block>>,
}

/// Candidates to leave out, such as those that a subscriber was sent already.
#[derive(Clone, Debug, Default)]
pub struct Skip {
    /// By block and, within it, by paper.
    bits: Vec<[u64; BLOCK / 64]>,
}

/// Memory that one evaluation after another uses again.
#[derive(Debug, Default)]
pub struct Scratch {
    scores: Vec<u32>,
    rows: Vec<u32>,
    stack: Vec<u64>,
    best: Best,
    matches: Vec<Match>,
}

impl Skip {
    /// Leaves out the candidates with these indexes.
    pub fn new(pool: &Pool, indexes: impl IntoIterator<Item = usize>) -> Self {
        let mut skip = Self::default();
        for place in indexes.into_iter().filter_map(|index| pool.place_of(index)) {
            let (block, paper) = (place / BLOCK, place % BLOCK);
            if skip.bits.len() <= block {
                skip.bits.resize(block + 1, [0; BLOCK / 64]);
            }
            skip.bits[block][paper / 64] |= 1 << (paper % 64);
        }
        skip
    }
}

impl<'a> Matcher<'a> {
    pub(super) fn new(pool: &'a Pool, vocabulary: &Vocabulary) -> Self {
        let papers = pool.candidates().len();
        let mut blocks: Vec<Box<dyn Block>> =
            (0..papers).step_by(BLOCK).map(|first| block((papers - first).min(BLOCK), vocabulary.len())).collect();
        for (literal, number) in vocabulary.literals() {
            let hits = pool.index().find(literal);
            let rarity = rarity(papers, hits.len());
            let worth = |hit: &Hit| Worth {
                paper: (hit.paper as usize % BLOCK) as u16,
                points: (hit.place as f32 * rarity).round().min(f32::from(u16::MAX)) as u16,
            };
            for of_block in hits.chunk_by(|a, b| a.paper as usize / BLOCK == b.paper as usize / BLOCK) {
                blocks[of_block[0].paper as usize / BLOCK].insert(number, &mut of_block.iter().map(worth));
            }
        }
        Self { pool, blocks }
    }

    /// The `most` best of what `profile` chooses, best first, without those to skip. The memory in `scratch` is used
    /// again.
    pub fn select<'s>(
        &self,
        profile: &CompiledProfile,
        most: usize,
        skip: &Skip,
        scratch: &'s mut Scratch,
    ) -> &'s [Match] {
        scratch.best.start(most);
        for (number, block) in self.blocks.iter().enumerate() {
            block.select(profile, skip.bits.get(number), self.pool, number * BLOCK, scratch);
        }
        let Scratch { best, matches, .. } = scratch;
        matches.clear();
        matches.extend(best.finish().iter().map(|key| self.pool.as_match(place(*key), score(*key), profile.rank())));
        matches
    }
}

/// The inverse document frequency, as BM25 has it (Robertson, Zaragoza: "The Probabilistic Relevance Framework", 2009,
/// section 3.1, with the 1 that keeps it above zero). At least 0.1, so that a word of every paper still tells a title from
/// an abstract.
fn rarity(papers: usize, found: usize) -> f32 {
    let (papers, found) = (papers as f32, found as f32);
    (1.0 + (papers - found + 0.5) / (found + 0.5)).ln().max(0.1)
}

/// Sets of one width or another.
trait Block: std::fmt::Debug + Send + Sync {
    /// Gives `literal` a set: the papers with a worth, in order.
    fn insert(&mut self, literal: u32, worths: &mut dyn Iterator<Item = Worth>);

    /// Adds what `profile` chooses in this block to the best in `scratch`. The block's first paper has the place `first`.
    fn select(
        &self,
        profile: &CompiledProfile,
        skip: Option<&[u64; BLOCK / 64]>,
        pool: &Pool,
        first: usize,
        scratch: &mut Scratch,
    );
}

/// An empty block for so many papers, of the least width that holds them.
fn block(papers: usize, literals: usize) -> Box<dyn Block> {
    match papers {
        0..=64 => Box::new(Sets::<1>::new(papers, literals)),
        65..=128 => Box::new(Sets::<2>::new(papers, literals)),
        129..=256 => Box::new(Sets::<4>::new(papers, literals)),
        257..=512 => Box::new(Sets::<8>::new(papers, literals)),
        _ => Box::new(Sets::<16>::new(papers, literals)),
    }
}

/// The sets of one block, of `W` times 64 papers at most.
#[derive(Debug)]
struct Sets<const W: usize> {
    papers: usize,
    /// By literal: its row, 0 if it finds nothing here.
    row_of: Vec<u32>,
    /// Row 0 is empty.
    rows: Vec<[u64; W]>,
    /// By row: where its worths begin; they end where those of the next row begin.
    begins: Vec<u32>,
    worths: Vec<Worth>,
}

/// What a literal is worth in a paper, in hundredths.
#[derive(Clone, Copy, Debug)]
struct Worth {
    paper: u16,
    points: u16,
}

impl<const W: usize> Sets<W> {
    fn new(papers: usize, literals: usize) -> Self {
        let row_of = vec![0; literals];
        Self { papers, row_of, rows: vec![[0; W]], begins: vec![0, 0], worths: Vec::new() }
    }

    /// The row of a literal; that of nothing for a number that the vocabulary doesn't have.
    fn row(&self, literal: u32) -> u32 {
        self.row_of.get(literal as usize).copied().unwrap_or(0)
    }

    fn set(&self, literal: u32) -> &[u64; W] {
        &self.rows[self.row(literal) as usize]
    }

    fn worths(&self, row: u32) -> &[Worth] {
        &self.worths[self.begins[row as usize] as usize..self.begins[row as usize + 1] as usize]
    }

    /// All papers of the block.
    fn everything(&self) -> [u64; W] {
        std::array::from_fn(|word| match self.papers.saturating_sub(64 * word) {
            0 => 0,
            papers @ 1..64 => (1 << papers) - 1,
            _ => !0,
        })
    }

    /// What the keywords of `profile` choose. Notes the rows of the singles that find something.
    fn chosen(&self, profile: &CompiledProfile, rows: &mut Vec<u32>) -> [u64; W] {
        if profile.wants_every_paper() {
            return self.everything();
        }
        let (singles, pairs, _) = profile.sections();
        let mut chosen = [0; W];
        for literal in singles {
            let row = self.row(*literal);
            if row != 0 {
                unite(&mut chosen, &self.rows[row as usize]);
                rows.push(row);
            }
        }
        for [a, b] in pairs {
            unite(&mut chosen, &self.pair(*a, *b));
        }
        chosen
    }

    fn pair(&self, a: u32, b: u32) -> [u64; W] {
        let flip = if b & NEGATED == 0 { 0 } else { !0 };
        let (a, b) = (self.set(a), self.set(b & !NEGATED));
        std::array::from_fn(|word| a[word] & (b[word] ^ flip))
    }

    /// Runs a program: adds to `chosen` what its keywords choose, to `scores` what that is worth, and returns what `must`
    /// and `exclude` leave.
    fn run(&self, program: &[u32], chosen: &mut [u64; W], scores: &mut [u32], stack: &mut Vec<u64>) -> [u64; W] {
        let mut open = self.everything();
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
                    unite(chosen, &keyword);
                }
                Op::Points(weight) => {
                    let literal = words.next().copied().unwrap_or(u32::MAX);
                    self.add(self.row(literal), &keyword, weight, scores);
                }
                Op::Must => {
                    let set = pop::<W>(stack);
                    (0..W).for_each(|word| open[word] &= set[word]);
                }
                Op::Exclude => {
                    let set = pop::<W>(stack);
                    (0..W).for_each(|word| open[word] &= !set[word]);
                }
            }
        }
        open
    }

    /// Adds what a row is worth to the papers that are in `among`.
    fn add(&self, row: u32, among: &[u64; W], weight: u32, scores: &mut [u32]) {
        for worth in self.worths(row) {
            let paper = usize::from(worth.paper);
            if among[paper / 64] >> (paper % 64) & 1 == 1 {
                let points = u64::from(worth.points) * u64::from(weight) / u64::from(WEIGHT_ONE);
                scores[paper] = scores[paper].saturating_add(u32::try_from(points).unwrap_or(u32::MAX));
            }
        }
    }
}

impl<const W: usize> Block for Sets<W> {
    fn insert(&mut self, literal: u32, worths: &mut dyn Iterator<Item = Worth>) {
        let mut set = [0; W];
        for worth in worths {
            set[usize::from(worth.paper) / 64] |= 1 << (worth.paper % 64);
            if worth.points > 0 {
                self.worths.push(worth);
            }
        }
        self.row_of[literal as usize] = self.rows.len() as u32;
        self.rows.push(set);
        self.begins.push(self.worths.len() as u32);
    }

    fn select(
        &self,
        profile: &CompiledProfile,
        skip: Option<&[u64; BLOCK / 64]>,
        pool: &Pool,
        first: usize,
        scratch: &mut Scratch,
    ) {
        let Scratch { scores, rows, stack, best, .. } = scratch;
        rows.clear();
        stack.clear();
        scores.clear();
        scores.resize(self.papers, 0);
        let (_, pairs, program) = profile.sections();
        let mut chosen = self.chosen(profile, rows);
        let open = self.run(program, &mut chosen, scores, stack);
        let all = self.everything();
        for word in 0..W {
            chosen[word] &= open[word] & all[word] & !skip.map_or(0, |skip| skip[word]);
        }
        if chosen == [0; W] {
            return;
        }
        let rank = profile.rank();
        if rank == Rank::Relevance {
            for worth in rows.iter().flat_map(|row| self.worths(*row)) {
                let score = &mut scores[usize::from(worth.paper)];
                *score = score.saturating_add(u32::from(worth.points));
            }
            for [a, b] in pairs {
                let both = self.pair(*a, *b);
                if both != [0; W] {
                    self.add(self.row(*a), &both, WEIGHT_ONE, scores);
                    if b & NEGATED == 0 {
                        self.add(self.row(*b), &both, WEIGHT_ONE, scores);
                    }
                }
            }
        }
        for (word, mut bits) in chosen.into_iter().enumerate() {
            while bits != 0 {
                let paper = 64 * word + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let score = match rank {
                    Rank::Relevance => scores[paper],
                    Rank::Trending => 0,
                    Rank::Newest => pool.day_number(first + paper),
                };
                best.offer(key(score, first + paper));
            }
        }
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

/// A paper with its score, as one number that is the greater the better: among equal scores, the lower place.
fn key(score: u32, place: usize) -> u64 {
    u64::from(score) << 32 | u64::from(!(place as u32))
}

fn score(key: u64) -> u32 {
    (key >> 32) as u32
}

fn place(key: u64) -> usize {
    !(key as u32) as usize
}

/// The greatest of the keys that are offered.
#[derive(Debug, Default)]
struct Best {
    most: usize,
    keys: Vec<u64>,
    /// What a key must exceed to be among them.
    floor: u64,
}

impl Best {
    fn start(&mut self, most: usize) {
        self.most = most;
        self.keys.clear();
        self.floor = 0;
    }

    fn offer(&mut self, key: u64) {
        if key > self.floor {
            self.keys.push(key);
            // At twice as many as are wanted, half are let go: cheaper than keeping them in order.
            if self.keys.len() / 2 >= self.most.max(16) {
                self.prune();
            }
        }
    }

    fn prune(&mut self) {
        if self.most < self.keys.len() {
            let (_, least, _) = self.keys.select_nth_unstable_by(self.most, |a, b| b.cmp(a));
            self.floor = *least;
            self.keys.truncate(self.most);
        }
    }

    /// All of them, the greatest first.
    fn finish(&mut self) -> &[u64] {
        self.prune();
        self.keys.sort_unstable_by(|a, b| b.cmp(a));
        &self.keys
    }
}
