//! The evaluation of compiled profiles over a pool: sets of papers as bits.
//!
//! A [`Matcher`] holds, for every literal of a vocabulary, the set of the papers it finds, in blocks of at most
//! [`BLOCK`] papers so that the sets of a large vocabulary stay in the cache. A literal that finds nothing, which is most
//! of them, shares one empty set. A profile is then a few ORs of rows. The loops run over `[u64; W]` with `W` known to the
//! compiler, which unrolls and vectorises them for the machine it builds for (`-C target-cpu=x86-64-v3` gives AVX2).
//!
//! Papers are numbered by momentum, best first, so that equal scores are resolved by the order of the bits. What a literal
//! is worth in a paper is kept beside its set, and added up for matching profiles alone.

use std::sync::Arc;

use super::compile::{CompiledProfile, NEGATED, Op, WEIGHT_ONE};
use super::{Match, Place, Pool, as_match, day_number};
use crate::core::index::Hit;
use crate::core::query::Literal;
use crate::core::subscription::Rank;

/// The most papers in a block.
pub(super) const BLOCK: usize = 1_024;

/// The sets of papers that the literals of one vocabulary find in one pool.
#[derive(Debug)]
pub struct Matcher {
    order: Arc<[Place]>,
    blocks: Vec<Box<dyn Block>>,
    literals: usize,
}

/// Candidates to leave out, such as those that a subscriber was sent already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
        Self { order: pool.order.clone(), blocks, literals: 0 }
    }

    /// Finds the papers of the literal with this number. `pool` is the one that this was made for.
    pub fn insert(&mut self, pool: &Pool, number: u32, literal: &Literal) {
        self.literals = self.literals.max(number as usize + 1);
        let hits = pool.index().find(literal);
        let rarity = rarity(self.order.len(), hits.len());
        let worth = |hit: &Hit| {
            let points = (hit.place as f32 * rarity).round().min(f32::from(u16::MAX)) as u16;
            (Worth { paper: (hit.paper as usize % BLOCK) as u16, points }, hit.stretches)
        };
        for of_block in hits.chunk_by(|a, b| a.paper as usize / BLOCK == b.paper as usize / BLOCK) {
            self.blocks[of_block[0].paper as usize / BLOCK].insert(number, &mut of_block.iter().map(worth));
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
            matches
                .extend(best.sorted().iter().map(|key| as_match(&self.order[first + paper(*key)], score(*key), rank)));
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

    /// Adds to `skip` the candidates that the keywords of `profile` ask for, whether or not they pass its limits.
    pub fn skip_wanted(&self, profile: &CompiledProfile<'_>, skip: &mut Skip, scratch: &mut Scratch) {
        for (number, block) in self.blocks.iter().enumerate() {
            block.wanted(profile, skip.block(number), scratch);
        }
    }

    /// Whether the literal with this number finds the candidate with this index.
    pub fn finds(&self, pool: &Pool, literal: u32, index: usize) -> bool {
        pool.place_of(index).is_some_and(|place| self.blocks[place / BLOCK].finds(literal, place % BLOCK))
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
    fn insert(&mut self, literal: u32, worths: &mut dyn Iterator<Item = (Worth, u64)>);

    /// Whether a paper is in the set of `literal`.
    fn finds(&self, literal: u32, paper: usize) -> bool;

    /// Adds the papers that the keywords of `profile` ask for.
    fn wanted(&self, profile: &CompiledProfile<'_>, into: &mut [u64; BLOCK / 64], scratch: &mut Scratch);

    /// How many papers of this block `profile` chooses.
    fn count(&self, profile: &CompiledProfile<'_>, skip: Option<&[u64; BLOCK / 64]>, scratch: &mut Scratch) -> usize;

    /// Leaves the `most` best of what `profile` chooses in this block in `scratch`. `day` numbers a paper's day.
    fn select(
        &self,
        profile: &CompiledProfile<'_>,
        most: usize,
        skip: Option<&[u64; BLOCK / 64]>,
        day: &dyn Fn(usize) -> u32,
        scratch: &mut Scratch,
    );
}

/// An empty block for so many papers, of the least width that holds them.
fn block(papers: usize) -> Box<dyn Block> {
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
    papers: usize,
    /// Every paper of the block; bits beyond the last are never set.
    all: [u64; W],
    /// By literal: its row, 0 if it finds nothing here.
    row_of: Vec<u32>,
    /// Row 0 is empty.
    rows: Vec<Row<W>>,
    worths: Vec<Worth>,
    /// By worth, see [`Hit::stretches`]; apart, since few look at it.
    stretches: Vec<u64>,
}

/// What a literal finds: the papers as a set, and which of the block's worths are its own.
#[derive(Clone, Copy, Debug)]
struct Row<const W: usize> {
    set: [u64; W],
    begin: u32,
    end: u32,
}

/// What a literal is worth in a paper, in hundredths.
#[derive(Clone, Copy, Debug)]
struct Worth {
    paper: u16,
    points: u16,
}

impl<const W: usize> Sets<W> {
    fn new(papers: usize) -> Self {
        let all = std::array::from_fn(|word| match papers.saturating_sub(64 * word) {
            papers @ 0..64 => (1 << papers) - 1,
            _ => !0,
        });
        Self {
            papers,
            all,
            row_of: Vec::new(),
            rows: vec![Row { set: [0; W], begin: 0, end: 0 }],
            worths: Vec::new(),
            stretches: Vec::new(),
        }
    }

    /// The row of a literal; that of nothing for a number that the vocabulary doesn't have.
    fn row(&self, literal: u32) -> u32 {
        self.row_of.get(literal as usize).copied().unwrap_or(0)
    }

    fn set(&self, literal: u32) -> &[u64; W] {
        &self.rows[self.row(literal) as usize].set
    }

    fn worths(&self, row: u32) -> &[Worth] {
        let row = &self.rows[row as usize];
        &self.worths[row.begin as usize..row.end as usize]
    }

    /// What `profile` chooses, see [`Self::wanted_and_open`].
    fn chosen(
        &self,
        profile: &CompiledProfile<'_>,
        skip: Option<&[u64; BLOCK / 64]>,
        scratch: &mut Scratch,
    ) -> [u64; W] {
        let (wanted, open) = self.wanted_and_open(profile, scratch);
        match skip {
            Some(skip) => std::array::from_fn(|word| wanted[word] & open[word] & !skip[word]),
            None => std::array::from_fn(|word| wanted[word] & open[word]),
        }
    }

    /// What the keywords of `profile` ask for, and what its limits leave. Leaves the rows of the singles that find
    /// something in `scratch`, and what its program has to score, if the scores there have room.
    fn wanted_and_open(&self, profile: &CompiledProfile<'_>, scratch: &mut Scratch) -> ([u64; W], [u64; W]) {
        let Scratch { scores, rows, stack, .. } = scratch;
        rows.clear();
        let (singles, pairs, program) = profile.sections();
        let mut wanted = if profile.wants_every_paper() { self.all } else { [0; W] };
        for literal in singles {
            let row = self.row(*literal);
            if row != 0 {
                unite(&mut wanted, &self.rows[row as usize].set);
                rows.push(row);
            }
        }
        for [a, b] in pairs {
            unite(&mut wanted, &self.pair(*a, *b));
        }
        if program.is_empty() {
            return (wanted, self.all);
        }
        stack.clear();
        let open = self.run(program, &mut wanted, scores, stack);
        (wanted, open)
    }

    fn pair(&self, a: u32, b: u32) -> [u64; W] {
        let flip = if b & NEGATED == 0 { 0 } else { !0 };
        let (a, b) = (self.set(a), self.set(b & !NEGATED));
        std::array::from_fn(|word| a[word] & (b[word] ^ flip))
    }

    /// Runs a program: adds to `chosen` what its keywords choose, to `scores` what that is worth, and returns what `must`
    /// and `exclude` leave.
    fn run(&self, program: &[u32], chosen: &mut [u64; W], scores: &mut [u32], stack: &mut Vec<u64>) -> [u64; W] {
        let mut open = self.all;
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
            if among[paper / 64] >> (paper % 64) & 1 == 1
                && let Some(score) = scores.get_mut(paper)
            {
                // At most 2^16 points and 10,000 hundredths.
                *score = score.saturating_add(u32::from(worth.points) * weight / WEIGHT_ONE);
            }
        }
    }

    /// Adds half of what two rows are worth to the papers where they stand near each other.
    fn add_nearness(&self, a: u32, b: u32, scores: &mut [u32]) {
        let (a, b) = (self.rows[a as usize], self.rows[b as usize]);
        let mut other = b.begin as usize;
        for own in a.begin as usize..a.end as usize {
            let Worth { paper, points } = self.worths[own];
            while other < b.end as usize && self.worths[other].paper < paper {
                other += 1;
            }
            if other < b.end as usize
                && self.worths[other].paper == paper
                && Hit::near(self.stretches[own], self.stretches[other])
            {
                let score = &mut scores[usize::from(paper)];
                *score = score.saturating_add((u32::from(points) + u32::from(self.worths[other].points)) / 2);
            }
        }
    }
}

impl<const W: usize> Block for Sets<W> {
    fn insert(&mut self, literal: u32, worths: &mut dyn Iterator<Item = (Worth, u64)>) {
        let begin = self.worths.len() as u32;
        let mut set = [0; W];
        for (worth, stretches) in worths {
            set[usize::from(worth.paper) / 64] |= 1 << (worth.paper % 64);
            if worth.points > 0 {
                self.worths.push(worth);
                self.stretches.push(stretches);
            }
        }
        if self.row_of.len() <= literal as usize {
            self.row_of.resize(literal as usize + 1, 0);
        }
        self.row_of[literal as usize] = self.rows.len() as u32;
        self.rows.push(Row { set, begin, end: self.worths.len() as u32 });
    }

    fn finds(&self, literal: u32, paper: usize) -> bool {
        self.set(literal)[paper / 64] >> (paper % 64) & 1 == 1
    }

    fn wanted(&self, profile: &CompiledProfile<'_>, into: &mut [u64; BLOCK / 64], scratch: &mut Scratch) {
        scratch.scores.clear();
        let chosen = self.wanted_and_open(profile, scratch).0;
        (0..W).for_each(|word| into[word] |= chosen[word]);
    }

    fn count(&self, profile: &CompiledProfile<'_>, skip: Option<&[u64; BLOCK / 64]>, scratch: &mut Scratch) -> usize {
        scratch.scores.clear();
        self.chosen(profile, skip, scratch).iter().map(|word| word.count_ones() as usize).sum()
    }

    fn select(
        &self,
        profile: &CompiledProfile<'_>,
        most: usize,
        skip: Option<&[u64; BLOCK / 64]>,
        day: &dyn Fn(usize) -> u32,
        scratch: &mut Scratch,
    ) {
        scratch.best.start(most);
        scratch.scores.resize(BLOCK, 0);
        scratch.scores[..self.papers].fill(0);
        let chosen = self.chosen(profile, skip, scratch);
        if chosen == [0; W] {
            return;
        }
        let Scratch { scores, rows, best, .. } = scratch;
        let (_, pairs, _) = profile.sections();
        let rank = profile.rank();
        if rank == Rank::Relevance {
            // An array of known length, so that no index is checked: this loop is half of all the time.
            if let Some(scores) = scores.first_chunk_mut::<BLOCK>() {
                for row in rows {
                    for worth in self.worths(*row) {
                        let score = &mut scores[usize::from(worth.paper) % BLOCK];
                        *score = score.saturating_add(u32::from(worth.points));
                    }
                }
            }
            for [a, b] in pairs {
                let both = self.pair(*a, *b);
                if both != [0; W] {
                    self.add(self.row(*a), &both, WEIGHT_ONE, scores);
                    if b & NEGATED == 0 {
                        self.add(self.row(*b), &both, WEIGHT_ONE, scores);
                        self.add_nearness(self.row(*a), self.row(*b), scores);
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
                    Rank::Newest => day(paper),
                };
                best.keys.push(key(score, paper));
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

/// A paper with its score, as one number that is the greater the better: among equal scores, the lower place. Ten bits
/// for the paper leave 21 for the score, in hundredths; beyond that all are alike.
fn key(score: u32, paper: usize) -> i32 {
    (score.min((1 << 21) - 1) << 10 | (BLOCK - 1 - paper) as u32).cast_signed()
}

fn score(key: i32) -> u32 {
    (key >> 10).cast_unsigned()
}

fn paper(key: i32) -> usize {
    BLOCK - 1 - (key & (BLOCK as i32 - 1)) as usize
}

/// The greatest of some keys, all different.
#[derive(Debug, Default)]
struct Best {
    most: usize,
    keys: Vec<i32>,
    sorted: Vec<i32>,
}

/// Up to so many keys are sorted by counting.
const FEW: usize = 64;

impl Best {
    fn start(&mut self, most: usize) {
        self.most = most;
        self.keys.clear();
    }

    /// The best, the greatest first.
    fn sorted(&mut self) -> &[i32] {
        if self.keys.len() > self.most.max(FEW) {
            let floor = self.floor();
            self.keys.retain(|key| *key > floor);
        }
        if self.keys.len() > FEW {
            self.keys.sort_unstable_by(|a, b| b.cmp(a));
            self.keys.truncate(self.most);
            return &self.keys;
        }
        // The place of a key is the number of greater ones. Counting has no branch to mispredict and is done eight at a
        // time, so for few keys it is faster than any sort.
        let count = self.keys.len();
        self.keys.resize(count.next_multiple_of(8), i32::MIN);
        self.sorted.clear();
        self.sorted.resize(count, 0);
        for key in &self.keys[..count] {
            self.sorted[greater(&self.keys, *key)] = *key;
        }
        self.sorted.truncate(self.most);
        &self.sorted
    }

    /// A number that at least `most` keys exceed, and not many more. Bisects between the least and the greatest, since
    /// counting is far cheaper than moving keys about; gives up when the keys are too uneven for that.
    fn floor(&self) -> i32 {
        let (mut low, mut high) = (-1, self.keys.iter().copied().max().unwrap_or(0));
        for _ in 0..12 {
            let middle = low + (high - low) / 2;
            let found = greater(&self.keys, middle);
            if found < self.most {
                high = middle;
            } else {
                low = middle;
                if found <= self.most.max(FEW) {
                    break;
                }
            }
        }
        low
    }
}

/// How many of `keys` exceed `key`.
fn greater(keys: &[i32], key: i32) -> usize {
    let (eights, rest) = keys.as_chunks::<8>();
    let mut lanes = [0; 8];
    for eight in eights {
        (0..8).for_each(|lane| lanes[lane] += i32::from(eight[lane] > key));
    }
    let rest = rest.iter().filter(|other| **other > key).count();
    lanes.iter().sum::<i32>() as usize + rest
}
