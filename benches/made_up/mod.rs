//! Papers and profiles from a fixed seed, for benchmarks.
//!
//! 50,000 terms, a third of them phrases; papers of about 1,900 bytes; profiles of 1 to 20 keywords, 80 % of one term, 10 %
//! `a b`, 5 % `a -b`, 5 % in the title, drawn by Zipf's law. Papers draw their terms by a flatter law and the rest of
//! their words from elsewhere.

use chrono::{DateTime, Utc};
use fastrand::Rng;
use paperpost::core::paper::{Listed, Listing, Paper, PaperKey, SourceId};
use paperpost::core::query::Query;
use paperpost::core::subscription::{Keyword, Profile, Rank};

/// Papers chosen for each profile.
pub(crate) const TOP: usize = 20;

/// Where papers and profiles come from.
pub(crate) struct MadeUp {
    terms: Vec<String>,
    zipf: Zipf,
}

impl MadeUp {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let terms = terms(50_000, rng);
        Self { zipf: Zipf::new(terms.len(), 0), terms }
    }

    pub(crate) fn profile(&self, rng: &mut Rng) -> Profile {
        Profile {
            name: String::new(),
            keywords: (0..rng.usize(1..=20)).map(|_| self.keyword(rng)).collect(),
            exclude: Vec::new(),
            must: Vec::new(),
            min_upvotes: 0,
            sources: Vec::new(),
            max_papers: TOP as u32,
            rank: Rank::Relevance,
        }
    }

    fn keyword(&self, rng: &mut Rng) -> Keyword {
        let mut term = || {
            let term = &self.terms[self.zipf.draw(rng)];
            if term.contains(' ') { format!("\"{term}\"") } else { term.clone() }
        };
        let (a, b) = (term(), term());
        let text = match rng.u32(0..100) {
            0..80 => a,
            80..90 => format!("{a} {b}"),
            90..95 => format!("{a} -{b}"),
            _ => format!("title:{a}"),
        };
        Keyword { query: Query::parse(&text).expect("a made-up keyword"), weight: 1.0 }
    }

    /// So many papers, listed on the day of `now`.
    pub(crate) fn papers(&self, papers: usize, now: DateTime<Utc>) -> Vec<Listed> {
        let mut rng = Rng::with_seed(11);
        let source = SourceId::parse("bench").expect("a source");
        let flatter = Zipf::new(self.terms.len(), 500);
        let other: Vec<String> = terms(2_000, &mut Rng::with_seed(13)).iter().map(|term| format!("j{term}")).collect();
        let text = |words: usize, rng: &mut Rng| {
            let word = |rng: &mut Rng| match rng.u32(0..3) {
                0 => self.terms[flatter.draw(rng)].as_str(),
                _ => other[rng.usize(0..other.len())].as_str(),
            };
            (0..words).map(|_| word(rng)).collect::<Vec<_>>().join(" ")
        };
        let listed = |number: usize| {
            let key = PaperKey::arxiv(&format!("{}.{number:05}", now.format("%y%m"))).expect("an arXiv id");
            let mut paper = Paper::new(key, &text(8, &mut rng), "https://example.org/paper");
            paper.abstract_text = text(180, &mut rng);
            let upvotes = Some(rng.u32(0..200));
            let (day, rank) = (now.date_naive(), number as u32 + 1);
            Listed {
                paper,
                aliases: Vec::new(),
                listing: Listing { source: source.clone(), day, rank, upvotes, comments: None },
            }
        };
        (0..papers).map(listed).collect()
    }
}

/// Ranks by the law of Zipf and Mandelbrot: the n-th is drawn with a probability in proportion to 1/(n + offset).
struct Zipf {
    sums: Vec<f64>,
}

impl Zipf {
    fn new(ranks: usize, offset: usize) -> Self {
        let mut sum = 0.0;
        Self {
            sums: (1..=ranks)
                .map(|rank| {
                    sum += 1.0 / (rank + offset) as f64;
                    sum
                })
                .collect(),
        }
    }

    fn draw(&self, rng: &mut Rng) -> usize {
        let at = rng.f64() * self.sums[self.sums.len() - 1];
        self.sums.partition_point(|sum| *sum < at).min(self.sums.len() - 1)
    }
}

/// Made-up terms, all different: words, and phrases of two or three of them.
fn terms(count: usize, rng: &mut Rng) -> Vec<String> {
    const SYLLABLES: [&str; 20] = [
        "ba", "ce", "di", "fo", "gu", "ha", "ki", "lo", "mu", "na", "po", "qui", "ra", "so", "tu", "va", "we", "xo",
        "ya", "zu",
    ];
    let word = |rng: &mut Rng| (0..rng.usize(2..5)).map(|_| SYLLABLES[rng.usize(0..20)]).collect::<String>();
    let mut terms = Vec::with_capacity(count);
    let mut seen = std::collections::HashSet::new();
    while terms.len() < count {
        let words = if rng.u32(0..100) < 65 { 1 } else { rng.usize(2..4) };
        let term = (0..words).map(|_| word(rng)).collect::<Vec<_>>().join(" ");
        if seen.insert(term.clone()) {
            terms.push(term);
        }
    }
    terms
}
