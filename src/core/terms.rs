//! Words and pairs of words as terms: how a paper is counted for `like:`.
//!
//! A term is the stem of a word, or those of two words in a row. It is known by a number that depends on nothing but the
//! stems, so that counts can be kept: [`Statistics`] says in how many of all papers ever seen a term occurs. It has a fixed
//! number of places, which rare terms share, so that its size doesn't grow with the papers: among a hundred thousand papers
//! whatever is rarer than one in some thousands counts as equally rare.

use std::ops::Range;

use super::paper::Paper;
use super::text::{self, Form};

/// The number of a term.
pub type Term = u32;

/// Places of [`Statistics`], as a power of two.
const BITS: u32 = 20;

/// Terms that are in more than this share of the papers say nothing of any, but in a small number of papers.
const COMMON: f32 = 0.1;
/// So many papers that [`COMMON`] is told by.
const FEW: u32 = 200;

/// In how many papers each term occurs.
#[derive(Clone, PartialEq, Eq)]
pub struct Statistics {
    papers: u32,
    /// By the upper bits of a term.
    counts: Vec<u32>,
}

/// Calls `each` with every term of a text: its number, its bytes, and whether it is a pair.
pub fn each_term(text: &str, mut each: impl FnMut(Term, Range<usize>, bool)) {
    let mut last: Option<(u32, Term, usize)> = None;
    for word in text::words(text).into_iter().filter(|word| word.length == 1) {
        let term = number(START, Form::of(&text[word.range.clone()]).stem.as_bytes());
        each(term, word.range.clone(), false);
        if let Some((position, before, start)) = last
            && position + 1 == word.position
        {
            each(number(before, &term.to_le_bytes()), start..word.range.end, true);
        }
        last = Some((word.position, term, word.range.start));
    }
}

/// The terms of a paper with how often they occur in it, by number; the title counts twice, and pairs are the greater numbers
/// of their own list.
pub fn counted(paper: &Paper) -> Counted {
    let (mut words, mut pairs) = (Vec::new(), Vec::new());
    for (text, weight) in [(&paper.title, 2), (&paper.abstract_text, 1)] {
        each_term(text, |term, _, is_pair| {
            let list = if is_pair { &mut pairs } else { &mut words };
            list.extend(std::iter::repeat_n(term, weight));
        });
    }
    let count = |mut list: Vec<Term>| {
        list.sort_unstable();
        list.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f32)).collect()
    };
    Counted { words: count(words), pairs: count(pairs) }
}

/// The terms of one paper, each once, with how often they occur there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    /// Single words.
    pub words: Vec<(Term, f32)>,
    /// Two in a row.
    pub pairs: Vec<(Term, f32)>,
}

impl Counted {
    /// Every term, each once.
    pub fn terms(&self) -> impl Iterator<Item = Term> {
        self.words.iter().chain(&self.pairs).map(|(term, _)| *term)
    }
}

/// What a term weighs that is in `found` of `papers` papers: the logarithm of how rare it is. `None` for one that is too
/// common to say anything, and for one of a single paper, by which no other can be like it.
pub fn rarity(papers: u32, found: u32) -> Option<f32> {
    let is_common = papers > FEW && found as f32 > COMMON * papers as f32;
    (found > 1 && !is_common).then(|| ((papers as f32 + 1.0) / found as f32).ln())
}

impl Statistics {
    /// Counts one more paper.
    pub fn add(&mut self, paper: &Paper) {
        self.papers += 1;
        counted(paper).terms().for_each(|term| self.counts[place(term)] += 1);
    }

    /// Takes back what [`Statistics::add`] counted of a paper.
    pub fn remove(&mut self, paper: &Paper) {
        self.papers = self.papers.saturating_sub(1);
        for term in counted(paper).terms() {
            let count = &mut self.counts[place(term)];
            *count = count.saturating_sub(1);
        }
    }

    /// How many papers were counted.
    pub fn papers(&self) -> u32 {
        self.papers
    }

    /// In how many papers a term occurs; at times a few more, never less.
    pub fn found(&self, term: Term) -> u32 {
        self.counts[place(term)]
    }

    /// As bytes, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.papers].iter().chain(&self.counts).flat_map(|count| count.to_le_bytes()).collect()
    }

    /// From bytes; `None` for what [`Statistics::to_bytes`] never makes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<4>();
        let mut counts = words.iter().map(|word| u32::from_le_bytes(*word));
        let (papers, counts) = (counts.next()?, counts.collect::<Vec<u32>>());
        (rest.is_empty() && counts.len() == 1 << BITS).then_some(Self { papers, counts })
    }
}

impl Default for Statistics {
    fn default() -> Self {
        Self { papers: 0, counts: vec![0; 1 << BITS] }
    }
}

impl std::fmt::Debug for Statistics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statistics").field("papers", &self.papers).finish_non_exhaustive()
    }
}

fn place(term: Term) -> usize {
    (term >> (32 - BITS)) as usize
}

const START: u32 = 0x811C_9DC5;

/// FNV-1a (Fowler, Noll, Vo), mixed at the end so that the upper bits are as good as the lower ones. It is written here because
/// its results are kept.
fn number(start: u32, bytes: &[u8]) -> Term {
    let hash = bytes.iter().fold(start, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let hash = (hash ^ hash >> 16).wrapping_mul(0x85EB_CA6B);
    (hash ^ hash >> 13).wrapping_mul(0xC2B2_AE35) ^ hash >> 16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::paper::PaperKey;

    fn paper(title: &str, text: &str) -> Paper {
        let mut paper = Paper::new(PaperKey::arxiv("2611.00001").expect("an id"), title, "https://example.org/paper");
        paper.abstract_text = text.to_owned();
        paper
    }

    #[test]
    fn terms_are_words_and_pairs_that_no_sentence_parts() {
        let mut found = Vec::new();
        let text = "State-space models scan. Models learn";
        each_term(text, |_, range, is_pair| found.push((&text[range], is_pair)));
        let pairs: Vec<&str> = found.iter().filter(|(_, is_pair)| *is_pair).map(|(words, _)| *words).collect();
        assert_eq!(pairs, ["State-space", "space models", "models scan", "Models learn"]);
        assert_eq!(found.len() - pairs.len(), 6);
    }

    #[test]
    fn a_term_is_the_same_however_it_is_written_and_counts_twice_in_a_title() {
        let (a, b) = (counted(&paper("State-space model", "")), counted(&paper("", "state space models")));
        let terms = |counted: &Counted| counted.terms().collect::<Vec<_>>();
        assert_eq!(terms(&a), terms(&b));
        assert!(a.words.iter().all(|(_, count)| *count == 2.0) && b.pairs.iter().all(|(_, count)| *count == 1.0));
    }

    #[test]
    fn statistics_count_papers_and_come_back_from_their_bytes() {
        let mut statistics = Statistics::default();
        statistics.add(&paper("Scans", "Linear scans and more scans."));
        statistics.add(&paper("Robots", "Robots scan rooms."));
        let scan = counted(&paper("", "scan")).words[0].0;
        assert_eq!((statistics.papers(), statistics.found(scan)), (2, 2), "once a paper");
        let bytes = statistics.to_bytes();
        assert_eq!(Statistics::from_bytes(&bytes), Some(statistics));
        assert_eq!(Statistics::from_bytes(&bytes[..bytes.len() - 4]), None);
    }

    #[test]
    fn what_stands_everywhere_or_once_has_no_weight() {
        assert_eq!((rarity(1_000, 101), rarity(1_000, 1)), (None, None));
        assert!(rarity(1_000, 2) > rarity(1_000, 100) && rarity(3, 3) > Some(0.0));
    }
}
