//! The papers of one run, turned inside out: from a word to the papers that have it.
//!
//! Each distinct written word is folded and stemmed once, then known by a number; everything else is sorted lists of
//! where it stands. [`Index::find`] turns a literal into the papers it finds with what it is worth in each. What is *not*
//! here: expressions, profiles, order. They meet these sets in [`super::matching`].

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chrono::{DateTime, Utc};
use foldhash::fast::FixedState;

use super::candidate::Candidate;
use super::paper::Paper;
use super::query::walk::number;
use super::query::{Extra, Field, Label, Literal, Measure, Name, Part, Pattern, Unit, name_words};
use super::text::{self, Form};
use likeness::Likeness;

mod likeness;

type Map<K, V> = HashMap<K, V, FixedState>;

/// The words and facts of up to some thousands of papers.
#[derive(Debug)]
pub struct Index {
    papers: usize,
    words: Words,
    /// Folded word of a name → papers, for a first look.
    names: Map<String, Vec<u32>>,
    authors: Vec<Vec<Vec<String>>>,
    categories: Map<String, Vec<u32>>,
    sources: Map<String, Vec<u32>>,
    numbers: [Vec<u32>; 4],
    extras: [Vec<u32>; 2],
    likeness: Likeness,
}

/// A paper that a literal finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The paper's place in the index.
    pub paper: u32,
    /// What it is worth there, in hundredths of a plain mention before rarity: 200 for the title, 100 for the abstract.
    pub place: u32,
    /// Where its words stand, roughly: a bit for each `STRETCH` positions, those of the title first.
    pub stretches: u64,
}

/// Positions to a bit of [`Hit::stretches`].
const STRETCH: u32 = 6;
/// Bits of [`Hit::stretches`] for the title; one more keeps it apart from the abstract.
const TITLE_STRETCHES: u32 = 8;

impl Hit {
    /// Whether two literals stand near each other in a paper: in the same stretch or in two that touch, so never more than
    /// a dozen words apart.
    pub fn near(a: u64, b: u64) -> bool {
        a & (b | b << 1 | b >> 1) != 0
    }
}

/// The words of one zone of a paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Zone {
    Title,
    Abstract,
    Org,
    Keyword,
}

/// Where a word, or several in a row, stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    paper: u32,
    zone: Zone,
    start: u32,
    end: u32,
}

impl Index {
    /// Indexes papers in the order given. `liked` are further papers that `like:` may name.
    pub fn new<'a>(
        candidates: impl ExactSizeIterator<Item = &'a Candidate>,
        liked: &[Paper],
        now: DateTime<Utc>,
    ) -> Self {
        let mut index = Self {
            papers: candidates.len(),
            words: Words::default(),
            names: Map::default(),
            authors: Vec::with_capacity(candidates.len()),
            categories: Map::default(),
            sources: Map::default(),
            numbers: Default::default(),
            extras: Default::default(),
            likeness: Likeness::default(),
        };
        for (paper, candidate) in (0u32..).zip(candidates) {
            index.add(paper, candidate, now);
        }
        index.words.finish();
        index.likeness.finish(liked);
        index
    }

    /// The papers that `literal` finds, in order.
    pub fn find(&self, literal: &Literal) -> Vec<Hit> {
        match literal {
            Literal::Text { field, pattern } => self.words.find(*field, pattern),
            Literal::Author(name) => {
                worth(self.candidates_by_name(name).filter(|paper| self.has_author(*paper, name)), 200)
            }
            Literal::Category(label) => worth(labelled(&self.categories, label).into_iter(), 0),
            Literal::Source(label) => worth(labelled(&self.sources, label).into_iter(), 0),
            Literal::Number(measure, comparison, value) => {
                let numbers = (0u32..).zip(&self.numbers[measure_slot(*measure)]);
                worth(numbers.filter(|(_, number)| comparison.holds(**number, *value)).map(|(paper, _)| paper), 0)
            }
            Literal::Has(extra) => worth(self.extras[extra_slot(*extra)].iter().copied(), 0),
            Literal::Like(id, threshold) => self.likeness.find(id, *threshold),
        }
    }

    /// How close the paper at this place is to another, by its arXiv identifier; `None` to itself and to an unknown one.
    pub fn likeness(&self, paper: u32, id: &str) -> Option<f32> {
        self.likeness.of(paper as usize, id)
    }

    /// Whether the text of the paper that a `like:` names is known.
    pub fn knows(&self, id: &str) -> bool {
        self.likeness.knows(id)
    }

    fn add(&mut self, paper: u32, candidate: &Candidate, now: DateTime<Utc>) {
        let known = &candidate.paper;
        self.words.add(paper, Zone::Title, [known.title.as_str()]);
        self.words.add(paper, Zone::Abstract, [known.abstract_text.as_str()]);
        self.words.add(paper, Zone::Org, known.organization.as_deref());
        self.words.add(paper, Zone::Keyword, known.keywords.iter().map(String::as_str));
        self.likeness.add(known);

        let authors: Vec<Vec<String>> = known.authors.iter().map(|name| name_words(name)).collect();
        authors.iter().flatten().for_each(|word| note(&mut self.names, word.clone(), paper));
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
        let full = name.words.iter().enumerate().filter(|(at, _)| !(name.prefix && *at == name.words.len() - 1));
        // An initial may stand for a word, but one word must be there in full: which one is not known beforehand.
        let mut papers: Vec<u32> = match name.prefix {
            true => (0..self.papers as u32).collect(),
            false => full.flat_map(|(_, word)| self.names.get(word).into_iter().flatten().copied()).collect(),
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

fn worth(papers: impl Iterator<Item = u32>, place: u32) -> Vec<Hit> {
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

/// Every written word, by number, and where it stands.
#[derive(Debug, Default)]
struct Words {
    written: Map<String, u32>,
    by_stem: Map<String, Vec<u32>>,
    /// Sorted once all papers are in.
    by_folded: Vec<(String, u32)>,
    /// By word: sorted, since papers and positions come in order, and compounds are sorted in at the end.
    places: Vec<Vec<Place>>,
}

/// Positions between two texts of one zone: more than any window reaches.
const TEXT_GAP: u32 = 10_000;

impl Words {
    fn add<'a>(&mut self, paper: u32, zone: Zone, texts: impl IntoIterator<Item = &'a str>) {
        let mut offset = 0;
        for text in texts {
            let words = text::words(text);
            for word in &words {
                let number = self.number(&text[word.range.clone()]);
                let start = offset + word.position;
                self.places[number as usize].push(Place { paper, zone, start, end: start + word.length });
            }
            offset += words.iter().map(|word| word.position).max().unwrap_or(0) + TEXT_GAP;
        }
    }

    /// The number of a written word; folds and stems it the first time.
    fn number(&mut self, written: &str) -> u32 {
        if let Some(number) = self.written.get(written) {
            return *number;
        }
        let number = self.places.len() as u32;
        let form = Form::of(written);
        self.by_stem.entry(form.stem).or_default().push(number);
        if let Some(singular) = form.singular {
            self.by_stem.entry(singular).or_default().push(number);
        }
        self.by_folded.push((form.folded, number));
        self.written.insert(written.to_owned(), number);
        self.places.push(Vec::new());
        number
    }

    fn finish(&mut self) {
        self.by_folded.sort_unstable();
        self.places.iter_mut().for_each(|places| places.sort_unstable());
    }

    fn find(&self, field: Field, pattern: &Pattern) -> Vec<Hit> {
        let zones = |place: &Place| match field {
            Field::Any => place.zone <= Zone::Abstract,
            Field::Title => place.zone == Zone::Title,
            Field::Abstract => place.zone == Zone::Abstract,
            Field::Org => place.zone == Zone::Org,
            _ => place.zone == Zone::Keyword,
        };
        let places = match (pattern.units.as_slice(), pattern.near) {
            ([only], None) => self.unit(only),
            (units, None) => units[1..].iter().fold(self.unit(&units[0]), |open, unit| match open.is_empty() {
                true => open,
                false => Cow::Owned(follow(&open, &self.unit(unit), unit.after_end)),
            }),
            (units, Some(_)) => {
                let found: Vec<Cow<'_, [Place]>> = units.iter().map(|unit| self.unit(unit)).collect();
                Cow::Owned(near(&found, pattern.window()))
            }
        };
        hits(places.iter().copied().filter(zones))
    }

    fn unit(&self, unit: &Unit) -> Cow<'_, [Place]> {
        let mut parts = unit.parts.iter();
        let mut places = parts.next().map(|part| self.part(part)).unwrap_or_default();
        for part in parts {
            if places.is_empty() {
                break;
            }
            places = Cow::Owned(follow(&places, &self.part(part), false));
        }
        if let Some(whole) = &unit.whole {
            let whole = self.part(whole);
            if !whole.is_empty() {
                let places = places.to_mut();
                places.extend_from_slice(&whole);
                places.sort_unstable();
                places.dedup();
            }
        }
        places
    }

    fn part(&self, part: &Part) -> Cow<'_, [Place]> {
        let stemmed = |stem: &str| self.by_stem.get(stem).into_iter().flatten().copied();
        let numbers: Vec<u32> = match part {
            Part::Stem(stem, None) => stemmed(stem).collect(),
            Part::Stem(stem, Some(singular)) => stemmed(stem).chain(stemmed(singular)).collect(),
            Part::Exact(written) => self.written.get(written).copied().into_iter().collect(),
            Part::Prefix(prefix) => {
                let from = self.by_folded.partition_point(|(folded, _)| folded.as_str() < prefix.as_str());
                let begun = self.by_folded[from..].iter().take_while(|(folded, _)| folded.starts_with(prefix.as_str()));
                begun.map(|(_, number)| *number).collect()
            }
        };
        match numbers.as_slice() {
            [] => Cow::default(),
            [only] => Cow::Borrowed(self.places[*only as usize].as_slice()),
            several => {
                let mut places: Vec<Place> =
                    several.iter().flat_map(|word| &self.places[*word as usize]).copied().collect();
                places.sort_unstable();
                places.dedup();
                Cow::Owned(places)
            }
        }
    }
}

/// From each of `first` to each of `then` that begins right where it ends, or behind the end of a sentence there.
fn follow(first: &[Place], then: &[Place], after_end: bool) -> Vec<Place> {
    let mut places = Vec::new();
    let gaps = if after_end { &[0, text::SENTENCE_GAP][..] } else { &[0] };
    for (place, gap) in first.iter().flat_map(|place| gaps.iter().map(move |gap| (place, gap))) {
        let key = (place.paper, place.zone, place.end + gap);
        let from = then.partition_point(|next| (next.paper, next.zone, next.start) < key);
        let next = then[from..].iter().take_while(|next| (next.paper, next.zone, next.start) == key);
        places.extend(next.map(|next| Place { end: next.end, ..*place }));
    }
    places.sort_unstable();
    places.dedup();
    places
}

/// The beginnings of all windows of so many positions that hold one place of each list.
fn near(found: &[Cow<'_, [Place]>], window: u32) -> Vec<Place> {
    if found.iter().any(|list| list.is_empty()) {
        return Vec::new();
    }
    let holds = |begin: &Place, list: &[Place]| {
        let from = list
            .partition_point(|place| (place.paper, place.zone, place.start) < (begin.paper, begin.zone, begin.start));
        list[from..]
            .iter()
            .take_while(|place| {
                place.paper == begin.paper && place.zone == begin.zone && place.start < begin.start + window
            })
            .any(|place| place.end <= begin.start + window)
    };
    let mut begins: Vec<Place> = found
        .iter()
        .flat_map(|list| list.iter())
        .filter(|begin| found.iter().all(|list| holds(begin, list)))
        .copied()
        .collect();
    begins.sort_unstable();
    begins.dedup();
    begins
}

/// Sorted places as papers: the title counts twice what the abstract does, and each once.
fn hits(places: impl Iterator<Item = Place>) -> Vec<Hit> {
    let mut hits: Vec<Hit> = Vec::new();
    let mut last = None;
    for place in places {
        let worth = match place.zone {
            _ if last == Some((place.paper, place.zone)) => 0,
            Zone::Title => 200,
            _ => 100,
        };
        last = Some((place.paper, place.zone));
        match hits.last_mut() {
            Some(hit) if hit.paper == place.paper => {
                hit.place += worth;
                hit.stretches |= stretch(&place);
            }
            _ => hits.push(Hit { paper: place.paper, place: worth, stretches: stretch(&place) }),
        }
    }
    hits
}

/// The bit for where a place begins; none far down a long abstract.
fn stretch(place: &Place) -> u64 {
    let number = place.start / STRETCH;
    match place.zone {
        Zone::Title if number < TITLE_STRETCHES => 1 << number,
        Zone::Abstract => 1u64.checked_shl(TITLE_STRETCHES + 1 + number).unwrap_or(0),
        _ => 0,
    }
}
