//! How close two papers are, by the words of their titles and abstracts.
//!
//! The cosine of their TF-IDF vectors (Manning, Raghavan, Schütze: "Introduction to Information Retrieval", section 6.3):
//! a stem that stands `n` times in a paper and in `d` of `N` papers weighs `(1 + ln n) · ln((N + 1) / d)`. Words in nearly
//! every paper so weigh nearly nothing, and no list of stop words is needed.

use std::collections::hash_map::Entry;

use super::words::{Words, Zone};
use super::{Hit, Map};
use crate::core::paper::PaperKey;

/// The words of all papers, counted.
#[derive(Debug, Default)]
pub(super) struct Likeness {
    /// By arXiv identifier: a paper's number.
    known: Map<String, usize>,
    papers: usize,
    /// By paper, the candidates first: its stems and their weights, by number; of unit length.
    vectors: Vec<Vec<(u32, f32)>>,
    candidates: usize,
}

impl Likeness {
    /// Counts a candidate.
    pub(super) fn add(&mut self, key: &PaperKey) {
        if let Some(id) = key.arxiv_id() {
            self.known.insert(id.to_owned(), self.papers);
        }
        self.papers += 1;
    }

    /// Counts a paper that a `like:` names; its number, unless it is known already.
    pub(super) fn add_liked(&mut self, key: &PaperKey) -> Option<u32> {
        match self.known.entry(key.arxiv_id()?.to_owned()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(new) => {
                let number = *new.insert(self.papers);
                self.papers += 1;
                Some(number as u32)
            }
        }
    }

    /// Weighs the words of all papers; so many of them, the first ones, are candidates.
    pub(super) fn weigh(&mut self, words: &Words, candidates: usize) {
        self.candidates = candidates;
        self.vectors = vec![Vec::new(); self.papers];
        for (stem, places) in (0u32..).zip(words.places_by_stem()) {
            let mut found = Vec::new();
            let zones = [Zone::Title, Zone::Abstract, Zone::Liked];
            // What is joined by a hyphen is counted by its parts.
            for place in places.filter(|place| place.end - place.start == 1 && zones.contains(&place.zone)) {
                match self.vectors[place.paper as usize].last_mut() {
                    Some((last, count)) if *last == stem => *count += 1.0,
                    _ => {
                        self.vectors[place.paper as usize].push((stem, 1.0));
                        found.push(place.paper as usize);
                    }
                }
            }
            let rarity = ((self.papers as f32 + 1.0) / found.len() as f32).ln();
            for paper in found {
                if let Some((_, weight)) = self.vectors[paper].last_mut() {
                    *weight = (1.0 + weight.ln()) * rarity;
                }
            }
        }
        for vector in &mut self.vectors {
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
