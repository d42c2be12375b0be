//! The papers of one run, turned inside out: from a word to the papers that have it.
//!
//! Each distinct written word is folded and stemmed once, then known by a number; everything else is sorted lists of
//! where it is. [`Index::find`] turns a literal into the papers it finds with what it is worth in each. What is *not*
//! here: expressions, profiles, order, and what papers are to each other. They meet these sets in [`super::matching`].

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use foldhash::fast::FixedState;

use super::candidate::Candidate;
use super::query::walk::number;
use super::query::{Extra, Label, Literal, Measure, Name};
use words::{WordIndex, Zone};

mod words;

type Map<K, V> = HashMap<K, V, FixedState>;

/// The words and facts of up to some thousands of papers.
#[derive(Debug)]
pub struct Index {
    papers: usize,
    words: WordIndex,
    /// Folded word of a name, or several of them run together → papers, for a first look.
    names: Map<String, Vec<u32>>,
    authors: Vec<Vec<Name>>,
    categories: Map<String, Vec<u32>>,
    sources: Map<String, Vec<u32>>,
    numbers: [Vec<u32>; 4],
    extras: [Vec<u32>; 2],
}

/// A paper that a literal finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The paper's place in the index.
    pub paper: u32,
    /// What it is worth there, in hundredths of a plain mention before rarity: 200 for the title, 100 for the abstract.
    pub place: u32,
    /// Where its words stand, roughly: a bit for each stretch of six positions, those of the title first.
    pub stretches: u64,
}

impl Hit {
    /// Whether two literals occur near each other in a paper: in the same stretch or in two that touch, so never more than
    /// a dozen words apart.
    pub fn near(a: u64, b: u64) -> bool {
        a & (b | b << 1 | b >> 1) != 0
    }
}

impl Index {
    /// Indexes papers in the order given.
    pub fn new<'a>(candidates: impl ExactSizeIterator<Item = &'a Candidate>, now: DateTime<Utc>) -> Self {
        let mut index = Self {
            papers: candidates.len(),
            words: WordIndex::default(),
            names: Map::default(),
            authors: Vec::with_capacity(candidates.len()),
            categories: Map::default(),
            sources: Map::default(),
            numbers: Default::default(),
            extras: Default::default(),
        };
        for (paper, candidate) in (0u32..).zip(candidates) {
            index.add(paper, candidate, now);
        }
        index.words.finish();
        index
    }

    /// The papers that `literal` finds, in order; none for `like:`.
    pub fn find(&self, literal: &Literal) -> Vec<Hit> {
        match literal {
            Literal::Text { field, pattern } => self.words.find(*field, pattern),
            Literal::Author(name) => {
                score(self.candidates_by_name(name).filter(|paper| self.has_author(*paper, name)), 200)
            }
            Literal::Category(label) => score(labelled(&self.categories, label).into_iter(), 0),
            Literal::Source(label) => score(labelled(&self.sources, label).into_iter(), 0),
            Literal::Number(measure, comparison, value) => {
                let numbers = (0u32..).zip(&self.numbers[measure_slot(*measure)]);
                score(numbers.filter(|(_, number)| comparison.holds(**number, *value)).map(|(paper, _)| paper), 0)
            }
            Literal::Has(extra) => score(self.extras[extra_slot(*extra)].iter().copied(), 0),
            // That is told by the papers beside each other.
            Literal::Like(_) => Vec::new(),
        }
    }

    fn add(&mut self, paper: u32, candidate: &Candidate, now: DateTime<Utc>) {
        let known = &candidate.paper;
        self.words.add(paper, Zone::Title, [known.title.as_str()]);
        self.words.add(paper, Zone::Abstract, [known.abstract_text.as_str()]);
        self.words.add(paper, Zone::Org, known.organization.as_deref());
        self.words.add(paper, Zone::Keyword, known.keywords.iter().map(String::as_str));

        let authors: Vec<Name> = known.authors.iter().map(|name| Name::new(name, false)).collect();
        authors.iter().flat_map(Name::spellings).for_each(|word| note(&mut self.names, word, paper));
        self.authors.push(authors);
        known.categories.iter().for_each(|name| note(&mut self.categories, name.to_lowercase(), paper));
        candidate
            .listings
            .iter()
            .for_each(|listing| note(&mut self.sources, listing.source.as_str().to_owned(), paper));
        for measure in [Measure::Upvotes, Measure::Comments, Measure::Stars] {
            self.numbers[measure_slot(measure)].push(number(candidate, measure));
        }
        self.numbers[measure_slot(Measure::Age)].push(candidate.age(now));
        for (extra, there) in [(Extra::Code, known.code.is_some()), (Extra::Project, known.project.is_some())] {
            if there {
                self.extras[extra_slot(extra)].push(paper);
            }
        }
    }

    /// The papers that have one of the words of `name`, of those the fewest.
    fn candidates_by_name(&self, name: &Name) -> impl Iterator<Item = u32> {
        // An initial may stand for a word, but one word must be there in full: which one is not known beforehand.
        let mut papers: Vec<u32> = match name.is_prefix() {
            true => (0..self.papers as u32).collect(),
            false => name.spellings().filter_map(|word| self.names.get(&word)).flatten().copied().collect(),
        };
        papers.sort_unstable();
        papers.dedup();
        papers.into_iter()
    }

    fn has_author(&self, paper: u32, name: &Name) -> bool {
        self.authors[paper as usize].iter().any(|author| name.finds(author))
    }
}

/// Adds `paper` to a list that is filled in order of papers.
fn note(lists: &mut Map<String, Vec<u32>>, key: String, paper: u32) {
    let list = lists.entry(key).or_default();
    if list.last() != Some(&paper) {
        list.push(paper);
    }
}

fn labelled(lists: &Map<String, Vec<u32>>, label: &Label) -> Vec<u32> {
    let mut papers: Vec<u32> =
        lists.iter().filter(|(name, _)| label.finds(name)).flat_map(|(_, list)| list).copied().collect();
    papers.sort_unstable();
    papers.dedup();
    papers
}

fn score(papers: impl Iterator<Item = u32>, place: u32) -> Vec<Hit> {
    papers.map(|paper| Hit { paper, place, stretches: 0 }).collect()
}

fn measure_slot(measure: Measure) -> usize {
    match measure {
        Measure::Upvotes => 0,
        Measure::Comments => 1,
        Measure::Stars => 2,
        Measure::Age => 3,
    }
}

fn extra_slot(extra: Extra) -> usize {
    match extra {
        Extra::Code => 0,
        Extra::Project => 1,
    }
}
