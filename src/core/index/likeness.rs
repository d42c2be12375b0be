//! How close two papers are, by the words of their titles and abstracts.
//!
//! The cosine of their TF-IDF vectors (Manning, Raghavan, Schütze: "Introduction to Information Retrieval", section 6.3):
//! a stem that stands `n` times in a paper and in `d` of `N` papers weighs `(1 + ln n) · ln((N + 1) / d)`. Words in nearly
//! every paper so weigh nearly nothing, and no list of stop words is needed.

use super::{Entry, Form, Hit, Map, Paper, text};

/// The words of all papers, counted.
#[derive(Debug, Default)]
pub(super) struct Likeness {
    numbers: Map<String, u32>,
    stems: Map<String, u32>,
    /// How many papers have a stem.
    papers: Vec<u32>,
    /// By paper: its words and their weights, by number; of unit length once finished.
    vectors: Vec<Vec<(u32, f32)>>,
    /// By arXiv identifier: a vector's place.
    known: Map<String, usize>,
    candidates: usize,
}

impl Likeness {
    /// Counts the words of a candidate.
    pub(super) fn add(&mut self, paper: &Paper) {
        self.candidates += 1;
        self.count(paper);
    }

    /// Adds papers that are no candidates and weighs all words.
    pub(super) fn finish(&mut self, liked: &[Paper]) {
        for paper in liked {
            if paper.key.arxiv_id().is_some_and(|id| !self.known.contains_key(id)) {
                self.count(paper);
            }
        }
        let all = self.vectors.len() as f32 + 1.0;
        for vector in &mut self.vectors {
            for (stem, weight) in vector.iter_mut() {
                *weight = (1.0 + weight.ln()) * (all / self.papers[*stem as usize] as f32).ln();
            }
            let length = vector.iter().map(|(_, weight)| weight * weight).sum::<f32>().sqrt();
            vector.iter_mut().for_each(|(_, weight)| *weight /= length.max(f32::MIN_POSITIVE));
        }
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.known.contains_key(id)
    }

    /// How close a candidate is to a paper; `None` to itself and to an unknown one.
    pub(super) fn of(&self, candidate: usize, id: &str) -> Option<f32> {
        let own = *self.known.get(id)?;
        (own != candidate).then(|| cosine(&self.vectors[own], &self.vectors[candidate]))
    }

    /// The candidates whose likeness to a paper is at least so many hundredths; never the paper itself.
    pub(super) fn find(&self, id: &str, threshold: u8) -> Vec<Hit> {
        let Some(&own) = self.known.get(id) else { return Vec::new() };
        let liked = &self.vectors[own];
        let others = self.vectors[..self.candidates].iter().enumerate().filter(|(at, _)| *at != own);
        others
            .map(|(at, vector)| (at, cosine(liked, vector)))
            .filter(|(_, likeness)| *likeness >= f32::from(threshold) / 100.0)
            .map(|(at, likeness)| Hit { paper: at as u32, place: (likeness * 400.0) as u32, stretches: 0 })
            .collect()
    }

    fn count(&mut self, paper: &Paper) {
        let mut counts: Map<u32, f32> = Map::default();
        for text in [&paper.title, &paper.abstract_text] {
            for word in text::words(text).into_iter().filter(|word| word.length == 1) {
                *counts.entry(self.stem(&text[word.range])).or_default() += 1.0;
            }
        }
        let mut vector: Vec<(u32, f32)> = counts.into_iter().collect();
        vector.sort_unstable_by_key(|(stem, _)| *stem);
        vector.iter().for_each(|(stem, _)| self.papers[*stem as usize] += 1);
        if let Some(id) = paper.key.arxiv_id() {
            self.known.insert(id.to_owned(), self.vectors.len());
        }
        self.vectors.push(vector);
    }

    /// The number of a written word's stem.
    fn stem(&mut self, written: &str) -> u32 {
        if let Some(number) = self.stems.get(written) {
            return *number;
        }
        let next = self.papers.len() as u32;
        let number = match self.numbers.entry(Form::of(written).stem) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.papers.push(0);
                *new.insert(next)
            }
        };
        self.stems.insert(written.to_owned(), number);
        number
    }
}

/// The sum over the numbers that two sorted vectors share.
fn cosine(a: &[(u32, f32)], b: &[(u32, f32)]) -> f32 {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut sum = 0.0;
    while let (Some((left, x)), Some((right, y))) = (a.peek(), b.peek()) {
        match left.cmp(right) {
            std::cmp::Ordering::Less => drop(a.next()),
            std::cmp::Ordering::Greater => drop(b.next()),
            std::cmp::Ordering::Equal => {
                sum += x * y;
                a.next();
                b.next();
            }
        }
    }
    sum
}
