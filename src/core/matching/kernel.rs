//! The evaluation of compiled profiles over a pool: sets of papers as bits.
//!
//! A [`Matcher`] holds, for every literal of a vocabulary, the set of the papers it finds, in blocks of at most
//! [`BLOCK`] papers so that the sets of a large vocabulary stay in the cache. A literal that finds nothing, which is most
//! of them, shares one empty set. A profile is then a few ORs of rows. The loops run over `[u64; W]` with `W` known to the
//! compiler, which unrolls them and turns them into vectors, of two widths (`simd.rs`).
//!
//! Papers are numbered by momentum, best first, so that equal scores are resolved by the order of the bits. What a literal
//! is worth in a paper is kept apart from its set, and added up for matching profiles alone.

use std::collections::HashMap;
use std::sync::Arc;

use super::best::BLOCK;
use super::compile::CompiledProfile;
use super::scratch::Scratch;
use super::sets::{Block, LiteralScore, block};
use super::{Match, Pool, PoolPlace, as_match, day_number};
use crate::core::index::Hit;
use crate::core::query::{Likes, Literal};

/// The sets of papers that the literals of one vocabulary find in one pool.
#[derive(Debug)]
pub struct Matcher {
    order: Arc<[PoolPlace]>,
    blocks: Vec<Box<dyn Block>>,
    literals: usize,
    /// By number: what each `like:` names.
    likes: HashMap<u32, Likes>,
}

/// What a matcher found before it was made one reader's, to be put back.
#[derive(Debug, Default)]
#[must_use = "what was adapted is to be put back"]
pub struct Adapted {
    /// The literals in the order in which they were replaced, with their rows by block.
    rows: Vec<(u32, Vec<u32>)>,
}

/// Candidates to leave out, such as those that a subscriber was sent already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skip {
    /// By block and, within it, by paper.
    bits: Vec<[u64; BLOCK / 64]>,
}

impl Skip {
    /// Leaves out the candidates with these indexes.
    pub fn new(pool: &Pool, indexes: impl IntoIterator<Item = usize>) -> Self {
        let mut skip = Self::default();
        indexes.into_iter().for_each(|index| skip.insert(pool, index));
        skip
    }

    /// Leaves out the candidate with this index too.
    pub fn insert(&mut self, pool: &Pool, index: usize) {
        if let Some(place) = pool.place_of(index) {
            self.block(place / BLOCK)[place % BLOCK / 64] |= 1 << (place % 64);
        }
    }

    /// Whether the candidate with this index is left out.
    pub fn contains(&self, pool: &Pool, index: usize) -> bool {
        let bits =
            |place: usize| self.bits.get(place / BLOCK).map(|block| block[place % BLOCK / 64] >> (place % 64) & 1);
        pool.place_of(index).and_then(bits) == Some(1)
    }

    fn block(&mut self, number: usize) -> &mut [u64; BLOCK / 64] {
        if self.bits.len() <= number {
            self.bits.resize(number + 1, [0; BLOCK / 64]);
        }
        &mut self.bits[number]
    }
}

impl Matcher {
    pub(super) fn new(pool: &Pool) -> Self {
        let papers = pool.candidates().len();
        let blocks = (0..papers).step_by(BLOCK).map(|first| block((papers - first).min(BLOCK))).collect();
        Self { order: pool.order.clone(), blocks, literals: 0, likes: HashMap::default() }
    }

    /// Finds the papers of the literal with this number. `pool` is the one that this was made for.
    pub fn insert(&mut self, pool: &Pool, number: u32, literal: &Literal) {
        self.literals = self.literals.max(number as usize + 1);
        if let Literal::Like(likes) = literal {
            self.likes.insert(number, likes.clone());
        }
        let hits = pool.find(literal);
        let score = literal_scores(self.order.len(), hits.len());
        for of_block in hits.chunk_by(|a, b| a.paper as usize / BLOCK == b.paper as usize / BLOCK) {
            self.blocks[of_block[0].paper as usize / BLOCK].insert(number, &mut of_block.iter().map(&score));
        }
    }

    /// Whether any literal is a `like:`.
    pub fn has_likes(&self) -> bool {
        !self.likes.is_empty()
    }

    /// Makes those of `literals` that are a `like:` find what is close for one reader, who was `sent` these papers: what they
    /// did not like of them counts too. [`Matcher::put_back`] undoes it.
    pub fn adapt(&mut self, pool: &Pool, literals: impl IntoIterator<Item = u32>, sent: &[u32]) -> Adapted {
        let mut adapted = Adapted::default();
        for number in literals {
            let is_done = adapted.rows.iter().any(|(done, _)| *done == number);
            let Some(likes) = self.likes.get(&number).filter(|_| !is_done) else { continue };
            let judged = pool.judged(likes, sent);
            if judged.is_empty() {
                continue;
            }
            let hits = pool.close_ones(likes, &judged);
            let score = literal_scores(self.order.len(), hits.len());
            let of_block = |block: usize| {
                let end = |block: usize| hits.partition_point(|hit| (hit.paper as usize) < block * BLOCK);
                &hits[end(block)..end(block + 1)]
            };
            let blocks = self.blocks.iter_mut().enumerate();
            let rows = blocks.map(|(at, block)| block.replace(number, &mut of_block(at).iter().map(&score)));
            adapted.rows.push((number, rows.collect()));
        }
        adapted
    }

    /// Puts back what [`Matcher::adapt`] replaced last.
    pub fn put_back(&mut self, adapted: Adapted) {
        for (number, rows) in adapted.rows.into_iter().rev() {
            self.blocks.iter_mut().zip(rows).for_each(|(block, row)| block.put_back(number, row));
        }
    }

    /// How many literals it knows. A profile that was compiled when there were more can't be evaluated.
    pub fn literals(&self) -> usize {
        self.literals
    }

    /// The `most` best of what `profile` chooses, best first, without those to skip. The memory in `scratch` is used
    /// again.
    pub fn select<'s>(
        &self,
        profile: &CompiledProfile<'_>,
        most: usize,
        skip: &Skip,
        scratch: &'s mut Scratch,
    ) -> &'s [Match] {
        scratch.matches.clear();
        let rank = profile.rank();
        for (number, block) in self.blocks.iter().enumerate() {
            let first = number * BLOCK;
            block.select(
                profile,
                most,
                skip.bits.get(number),
                &|paper| day_number(&self.order[first + paper]),
                scratch,
            );
            let Scratch { best, matches, .. } = &mut *scratch;
            matches.extend(best.sorted().map(|(paper, score)| as_match(&self.order[first + paper], score, rank)));
        }
        if self.blocks.len() > 1 {
            // Stable, so that equal scores stay in the order of the blocks, which is that of momentum.
            scratch.matches.sort_by(|a, b| b.score.total_cmp(&a.score));
            scratch.matches.truncate(most);
        }
        &scratch.matches
    }

    /// How many candidates `profile` chooses, without those to skip; takes a fraction of what choosing the best does.
    pub fn count(&self, profile: &CompiledProfile<'_>, skip: &Skip, scratch: &mut Scratch) -> usize {
        self.blocks.iter().enumerate().map(|(number, block)| block.count(profile, skip.bits.get(number), scratch)).sum()
    }

    /// Adds to `skip` the candidates that `profile` has settled: those that its keywords ask for, whether or not they pass
    /// its limits, and those that it excludes.
    pub fn skip_settled(&self, profile: &CompiledProfile<'_>, skip: &mut Skip, scratch: &mut Scratch) {
        for (number, block) in self.blocks.iter().enumerate() {
            block.settled(profile, skip.block(number), scratch);
        }
    }

    /// Whether the literal with this number finds the candidate with this index.
    pub fn finds(&self, pool: &Pool, literal: u32, index: usize) -> bool {
        pool.place_of(index).is_some_and(|place| self.blocks[place / BLOCK].finds(literal, place % BLOCK))
    }
}

/// What the papers that a literal finds, so many of all, are worth.
fn literal_scores(papers: usize, found: usize) -> impl Fn(&Hit) -> (LiteralScore, u64) {
    let rarity = rarity(papers, found);
    move |hit| {
        let points = (hit.place as f32 * rarity).round().min(f32::from(u16::MAX)) as u16;
        (LiteralScore { paper: (hit.paper as usize % BLOCK) as u16, points }, hit.stretches)
    }
}

/// The inverse document frequency, as BM25 has it (Robertson, Zaragoza: "The Probabilistic Relevance Framework", 2009,
/// section 3.1, with the 1 that keeps it above zero). At least 0.1, so that a word of every paper still tells a title from
/// an abstract.
fn rarity(papers: usize, found: usize) -> f32 {
    let (papers, found) = (papers as f32, found as f32);
    (1.0 + (papers - found + 0.5) / (found + 0.5)).ln().max(0.1)
}
