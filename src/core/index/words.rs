//! Where every written word occurs.

use std::borrow::Cow;
use std::sync::OnceLock;

use super::{Hit, Map};
use crate::core::query::{Field, Part, Pattern, Unit};
use crate::core::text::{self, Form};

/// The words of one zone of a paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Zone {
    Title,
    Abstract,
    Org,
    Keyword,
}

/// Where a word, or several in a row, stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) paper: u32,
    pub(super) zone: Zone,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// Positions to a bit of [`Hit::stretches`].
const STRETCH: u32 = 6;
/// Bits of [`Hit::stretches`] for the title; one more keeps it apart from the abstract.
const TITLE_STRETCHES: u32 = 8;

/// Every written word, by number, and where it is.
#[derive(Debug, Default)]
pub(super) struct WordIndex {
    written: Map<String, u32>,
    /// The number of a stem, and of what else a word may mean.
    stems: Map<String, u32>,
    /// By root: the numbers of the stems that have it. Made when it is first needed.
    roots: OnceLock<Map<String, Vec<u32>>>,
    /// By stem: the words that it finds.
    by_stem: Vec<Vec<u32>>,
    /// Sorted once all papers are in.
    by_folded: Vec<(String, u32)>,
    /// Parentheses of one word, sorted once all papers are in.
    asides: Vec<Position>,
    /// By word: sorted, since papers and positions come in order, and compounds are sorted in at the end.
    places: Vec<Vec<Position>>,
}

/// Positions between two texts of one zone: more than any window reaches.
const TEXT_GAP: u32 = 10_000;

impl WordIndex {
    /// Adds the words of some texts. Papers come in order.
    pub(super) fn add<'a>(&mut self, paper: u32, zone: Zone, texts: impl IntoIterator<Item = &'a str>) {
        let mut offset = 0;
        for text in texts {
            let words = text::words(text);
            for word in &words {
                let number = self.number(&text[word.range.clone()]);
                let start = offset + word.position;
                self.places[number as usize].push(Position { paper, zone, start, end: start + word.length });
            }
            let aside = |(start, end)| Position { paper, zone, start: offset + start, end: offset + end };
            self.asides.extend(text::asides(text, &words).into_iter().map(aside));
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
        let stem = self.stem(form.stem);
        self.by_stem[stem as usize].push(number);
        if let Some(second) = form.second {
            let second = self.stem(second);
            self.by_stem[second as usize].push(number);
        }
        self.by_folded.push((form.folded, number));
        self.written.insert(written.to_owned(), number);
        self.places.push(Vec::new());
        number
    }

    fn stem(&mut self, stem: String) -> u32 {
        let next = self.by_stem.len() as u32;
        let number = *self.stems.entry(stem).or_insert(next);
        if number == next {
            self.by_stem.push(Vec::new());
        }
        number
    }

    /// To be called when all texts are in, before anything is looked for.
    pub(super) fn finish(&mut self) {
        self.by_folded.sort_unstable();
        self.asides.sort_unstable();
        self.places.iter_mut().for_each(|places| places.sort_unstable());
    }

    /// The papers that have what `pattern` asks for, in order.
    pub(super) fn find(&self, field: Field, pattern: &Pattern) -> Vec<Hit> {
        let zones = |place: &Position| match field {
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
                false if pattern.steps_over_asides() => {
                    let over = [&open[..], &follow(&open, &self.asides, false)].concat();
                    Cow::Owned(follow(&over, &self.unit(unit), unit.after_end))
                }
                false => Cow::Owned(follow(&open, &self.unit(unit), unit.after_end)),
            }),
            (units, Some(_)) => {
                let found: Vec<Cow<'_, [Position]>> = units.iter().map(|unit| self.unit(unit)).collect();
                Cow::Owned(near(&found, pattern.window()))
            }
        };
        hits(places.iter().copied().filter(zones))
    }

    fn unit(&self, unit: &Unit) -> Cow<'_, [Position]> {
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

    fn part(&self, part: &Part) -> Cow<'_, [Position]> {
        let stemmed = |stem: &str| {
            let number = self.stems.get(stem).map(|number| *number as usize);
            number.into_iter().flat_map(|number| self.by_stem[number].iter().copied())
        };
        let numbers: Vec<u32> = match part {
            Part::Stem(stem, None) => stemmed(stem).collect(),
            Part::Stem(stem, Some(second)) => stemmed(stem).chain(stemmed(second)).collect(),
            Part::Root(root, second) => {
                let roots = self.roots.get_or_init(|| roots(&self.stems));
                let stems = [Some(root), second.as_ref()].into_iter().flatten().filter_map(|root| roots.get(root));
                stems.flatten().flat_map(|stem| self.by_stem[*stem as usize].iter().copied()).collect()
            }
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
                let mut places: Vec<Position> =
                    several.iter().flat_map(|word| &self.places[*word as usize]).copied().collect();
                places.sort_unstable();
                places.dedup();
                Cow::Owned(places)
            }
        }
    }
}

fn roots(stems: &Map<String, u32>) -> Map<String, Vec<u32>> {
    let mut roots: Map<String, Vec<u32>> = Map::default();
    for (stem, number) in stems {
        roots.entry(text::root(stem)).or_default().push(*number);
    }
    roots
}

/// From each of `first` to each of `then` that begins right where it ends, or behind the end of a sentence there.
fn follow(first: &[Position], then: &[Position], after_end: bool) -> Vec<Position> {
    let mut places = Vec::new();
    let gaps = if after_end { &[0, text::SENTENCE_GAP][..] } else { &[0] };
    for (place, gap) in first.iter().flat_map(|place| gaps.iter().map(move |gap| (place, gap))) {
        let key = (place.paper, place.zone, place.end + gap);
        let from = then.partition_point(|next| (next.paper, next.zone, next.start) < key);
        let next = then[from..].iter().take_while(|next| (next.paper, next.zone, next.start) == key);
        places.extend(next.map(|next| Position { end: next.end, ..*place }));
    }
    places.sort_unstable();
    places.dedup();
    places
}

/// The beginnings of all windows of so many positions that hold one place of each list.
fn near(found: &[Cow<'_, [Position]>], window: u32) -> Vec<Position> {
    if found.iter().any(|list| list.is_empty()) {
        return Vec::new();
    }
    let holds = |begin: &Position, list: &[Position]| {
        let from = list
            .partition_point(|place| (place.paper, place.zone, place.start) < (begin.paper, begin.zone, begin.start));
        list[from..]
            .iter()
            .take_while(|place| {
                place.paper == begin.paper && place.zone == begin.zone && place.start < begin.start + window
            })
            .any(|place| place.end <= begin.start + window)
    };
    let mut begins: Vec<Position> = found
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
fn hits(places: impl Iterator<Item = Position>) -> Vec<Hit> {
    let mut hits: Vec<Hit> = Vec::new();
    let mut last = None;
    for place in places {
        let score = match place.zone {
            _ if last == Some((place.paper, place.zone)) => 0,
            Zone::Title => 200,
            _ => 100,
        };
        last = Some((place.paper, place.zone));
        match hits.last_mut() {
            Some(hit) if hit.paper == place.paper => {
                hit.place += score;
                hit.stretches |= stretch(&place);
            }
            _ => hits.push(Hit { paper: place.paper, place: score, stretches: stretch(&place) }),
        }
    }
    hits
}

/// The bit for where a place begins; none far down a long abstract.
fn stretch(place: &Position) -> u64 {
    let number = place.start / STRETCH;
    match place.zone {
        Zone::Title if number < TITLE_STRETCHES => 1 << number,
        Zone::Abstract => 1u64.checked_shl(TITLE_STRETCHES + 1 + number).unwrap_or(0),
        _ => 0,
    }
}
