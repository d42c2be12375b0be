//! How close papers are to those that a `like:` names.
//!
//! Papers are vectors of terms ([`crate::core::terms`]), weighed by TF-IDF (Manning, Raghavan, Schütze: "Introduction to
//! Information Retrieval", section 6.3) with the document frequencies of all papers ever seen. All papers that a `like:` names
//! are one model, Rocchio's (the same, section 9.1.1): their mean, less the mean of the candidates, less a share of the mean of
//! what the reader was shown and did not like. A candidate is as close as its vector points that way.
//!
//! What is found is relative: the nearest share of the candidates, if they are nearer than the average at all. No similarity
//! has to be known for that, which differs from paper to paper, and the number of papers found stays the same whatever is
//! liked.

use foldhash::{HashMap, HashSet};

use crate::core::candidate::Candidate;
use crate::core::paper::{Paper, PaperKey};
use crate::core::query::Likes;
use crate::core::terms::{Counted, Statistics, Term, counted, each_term, rarity};

/// What a pair of words weighs beside a single one.
const PAIR: f32 = 0.7;
/// How much the mean of what was shown and not liked counts.
const SHOWN: f32 = 0.1;
/// The terms that are named for a paper.
const TERMS: usize = 3;

/// The papers that can be compared, as vectors.
#[derive(Debug)]
pub(super) struct Vectors {
    /// The numbers of the terms that have a weight.
    terms: HashMap<Term, u32>,
    /// By candidate.
    candidates: Vec<Vector>,
    /// By arXiv identifier: the papers that a `like:` may name.
    known: HashMap<String, TermVector>,
    liked: Vec<Vector>,
    /// By number of a term: the sum over the candidates.
    sum: Vec<f32>,
}

/// Numbers of terms and their weights; of unit length.
type Vector = Vec<(u32, f32)>;

#[derive(Clone, Copy, Debug)]
enum TermVector {
    Candidate(usize),
    Liked(usize),
}

/// How close each candidate is to the papers that one `like:` names.
#[derive(Debug)]
pub(super) struct Closeness {
    /// By candidate; 0 for the liked papers themselves.
    scores: Vec<f32>,
    /// The scores, best first.
    sorted: Vec<f32>,
    /// What is found is as close as this.
    least: f32,
    /// By number of a term: what it counts.
    model: Vec<f32>,
}

impl Vectors {
    pub(super) fn new(candidates: &[Candidate], liked: &[Paper], statistics: &Statistics) -> Self {
        let of_candidates: Vec<Counted> = candidates.iter().map(|candidate| counted(&candidate.paper)).collect();
        // A candidate that is liked is known as a candidate, and counted once.
        let keys: HashSet<&PaperKey> = candidates.iter().map(|candidate| &candidate.paper.key).collect();
        let liked: Vec<&Paper> = liked.iter().filter(|paper| !keys.contains(&paper.key)).collect();
        let of_liked: Vec<Counted> = liked.iter().map(|paper| counted(paper)).collect();
        let all = || of_candidates.iter().chain(&of_liked);
        let own = Own::of(all());
        // Until most papers are counted the candidates tell more.
        let rarity = |term: Term| match statistics.papers() as usize >= candidates.len() && statistics.papers() > 0 {
            // What is liked may be too new to be counted.
            true => rarity(statistics.papers(), statistics.found(term).max(own.found(term))),
            false => rarity(own.papers, own.found(term)),
        };
        let mut terms: HashMap<Term, u32> = HashMap::default();
        let mut vector = |counted: &Counted| {
            let words = counted.words.iter().map(|entry| (entry, 1.0));
            let mut vector: Vector = words
                .chain(counted.pairs.iter().map(|entry| (entry, PAIR)))
                .filter_map(|((term, count), weight)| {
                    let weight = weight * (1.0 + count.ln()) * rarity(*term)?;
                    let next = terms.len() as u32;
                    Some((*terms.entry(*term).or_insert(next), weight))
                })
                .collect();
            vector.sort_unstable_by_key(|(term, _)| *term);
            let length = vector.iter().map(|(_, weight)| weight * weight).sum::<f32>().sqrt();
            vector.iter_mut().for_each(|(_, weight)| *weight /= length.max(f32::MIN_POSITIVE));
            vector
        };
        let of_candidates: Vec<Vector> = of_candidates.iter().map(&mut vector).collect();
        let of_liked: Vec<Vector> = of_liked.iter().map(&mut vector).collect();
        let mut known = HashMap::default();
        let liked_ids = liked.iter().enumerate().map(|(at, paper)| (&paper.key, TermVector::Liked(at)));
        let ids =
            candidates.iter().enumerate().map(|(at, candidate)| (&candidate.paper.key, TermVector::Candidate(at)));
        for (key, place) in liked_ids.chain(ids) {
            key.arxiv_id().and_then(|id| known.insert(id.to_owned(), place));
        }
        let mut sum = vec![0.0; terms.len()];
        of_candidates.iter().for_each(|vector| add(&mut sum, vector, 1.0));
        Self { terms, candidates: of_candidates, known, liked: of_liked, sum }
    }

    /// How close every candidate is. `judged` are candidates that the reader was shown and did not like.
    pub(super) fn closeness(&self, likes: &Likes, judged: &[usize]) -> Closeness {
        let liked: Vec<TermVector> = likes.ids.iter().filter_map(|id| self.known.get(id)).copied().collect();
        let own = |at: &usize| liked.iter().any(|known| matches!(known, TermVector::Candidate(own) if own == at));
        let others = (0..self.candidates.len()).filter(|at| !own(at)).count();
        let mut closeness = Closeness {
            scores: vec![0.0; self.candidates.len()],
            sorted: Vec::new(),
            least: f32::INFINITY,
            model: Vec::new(),
        };
        if liked.is_empty() || others == 0 {
            return closeness;
        }
        let mut model: Vec<f32> = self.sum.iter().map(|sum| -sum / others as f32).collect();
        for known in &liked {
            let vector = self.vector(*known);
            // The mean is that of the others.
            if matches!(known, TermVector::Candidate(_)) {
                add(&mut model, vector, 1.0 / others as f32);
            }
            add(&mut model, vector, 1.0 / liked.len() as f32);
        }
        let judged: Vec<&Vector> = judged.iter().filter(|at| !own(at)).map(|at| &self.candidates[*at]).collect();
        judged.iter().for_each(|vector| add(&mut model, vector, -SHOWN / judged.len() as f32));
        let length = model.iter().map(|weight| weight * weight).sum::<f32>().sqrt().max(1e-3);
        for (at, vector) in self.candidates.iter().enumerate().filter(|(at, _)| !own(at)) {
            let product: f32 = vector.iter().map(|(term, weight)| model[*term as usize] * weight).sum();
            // It is compared with the mean of the others, not with itself.
            let own = if vector.is_empty() { 0.0 } else { 1.0 / others as f32 };
            closeness.scores[at] = ((product + own) / length).clamp(0.0, 1.0);
            closeness.sorted.push(closeness.scores[at]);
        }
        closeness.sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let most = (others * usize::from(likes.share)).div_ceil(100).max(1);
        closeness.least = closeness.sorted[most - 1].max(f32::MIN_POSITIVE);
        closeness.model = model;
        closeness
    }

    /// The candidate that a `like:` names; `None` when it is none, or unknown.
    pub(super) fn candidate(&self, id: &str) -> Option<usize> {
        match self.known.get(id) {
            Some(TermVector::Candidate(at)) => Some(*at),
            _ => None,
        }
    }

    /// The terms that make a candidate close, as its text has them, most of all first; none of them shares a word with another.
    pub(super) fn terms(&self, closeness: &Closeness, at: usize, paper: &Paper) -> Vec<String> {
        let vector = &self.candidates[at];
        let score = |term: Term| {
            let number = *self.terms.get(&term)?;
            let own = vector.binary_search_by_key(&number, |(term, _)| *term).ok()?;
            Some(vector[own].1 * closeness.model.get(number as usize)?)
        };
        let mut found: Vec<(f32, String)> = Vec::new();
        for text in [&paper.title, &paper.abstract_text] {
            // What the last two words are worth by themselves.
            let mut words = [0.0f32; 2];
            each_term(text, |term, range, is_pair| {
                let own = score(term).unwrap_or(0.0);
                if is_pair {
                    // Who reads "state space" needs neither "state" nor "space".
                    let parts = words[0].max(0.0) + words[1].max(0.0);
                    if own > 0.0 {
                        found.push((own + parts, plainly(&text[range])));
                    }
                } else {
                    if own > 0.0 {
                        found.push((own, plainly(&text[range])));
                    }
                    words = [words[1], own];
                }
            });
        }
        // Stable, so that of equals the first in the text is named.
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut named: Vec<String> = Vec::new();
        let mut taken: Vec<Term> = Vec::new();
        for (_, words) in found {
            let mut own = Vec::new();
            each_term(&words, |term, _, is_pair| own.extend((!is_pair).then_some(term)));
            if named.len() < TERMS && !own.iter().any(|term| taken.contains(term)) {
                taken.extend(own);
                named.push(words);
            }
        }
        named
    }

    fn vector(&self, known: TermVector) -> &Vector {
        match known {
            TermVector::Candidate(at) => &self.candidates[at],
            TermVector::Liked(at) => &self.liked[at],
        }
    }
}

impl Closeness {
    /// How close a candidate is, from 0 to 1.
    #[cfg(test)]
    pub(super) fn score(&self, at: usize) -> f32 {
        self.scores[at]
    }

    /// What a candidate is worth by being close, in hundredths: 300 for the closest, and less for others in proportion.
    pub(super) fn points(&self, at: usize) -> u32 {
        let best = self.sorted.first().copied().unwrap_or(0.0).max(f32::MIN_POSITIVE);
        (300.0 * self.scores[at] / best) as u32
    }

    /// Whether a candidate is among the nearest.
    pub(super) fn finds(&self, at: usize) -> bool {
        self.scores[at] >= self.least
    }

    /// The share of the candidates, in percent, that a `like:` has to ask for to find this one; `None` for one that is no
    /// closer than the average.
    pub(super) fn share(&self, at: usize) -> Option<f32> {
        let score = self.scores[at];
        let closer = self.sorted.partition_point(|other| *other > score);
        (score > 0.0).then(|| (closer + 1) as f32 * 100.0 / self.sorted.len() as f32)
    }
}

/// In how many of some papers each term occurs.
struct Own {
    papers: u32,
    counts: HashMap<Term, u32>,
}

impl Own {
    fn of<'a>(papers: impl Iterator<Item = &'a Counted>) -> Self {
        let mut own = Self { papers: 0, counts: HashMap::default() };
        for counted in papers {
            own.papers += 1;
            counted.terms().for_each(|term| *own.counts.entry(term).or_default() += 1);
        }
        own
    }

    fn found(&self, term: Term) -> u32 {
        self.counts.get(&term).copied().unwrap_or(0)
    }
}

fn add(to: &mut [f32], vector: &Vector, factor: f32) {
    vector.iter().for_each(|(term, weight)| to[*term as usize] += factor * weight);
}

/// Words without the capital that a title or the begin of a sentence gives them.
fn plainly(words: &str) -> String {
    let plain = |word: &str| {
        let capitals = word.chars().filter(|c| c.is_uppercase()).count();
        let is_first = word.chars().next().is_some_and(char::is_uppercase);
        if is_first && capitals == 1 && word.chars().count() > 1 { word.to_lowercase() } else { word.to_owned() }
    };
    words.split_whitespace().map(plain).collect::<Vec<_>>().join(" ")
}
