//! The plain evaluator: walks an expression over the words of one paper.
//!
//! It says where the words are, so reasons and explanations come from it. It shares nothing with the index beyond the
//! literals, so it is also the oracle that the index is tested against, and the naive counterpart in the benchmark.

use std::borrow::Borrow;
use std::ops::Range;
use std::sync::OnceLock;

use chrono::{DateTime, Utc};
use foldhash::HashMap;

use super::sieve::{Hole, Sieve};
use super::{Expr, Extra, Field, Likes, Literal, Measure, Name, Part, Pattern, Unit};
use crate::core::candidate::Candidate;
use crate::core::text::{self, Form};

/// A candidate, borrowed or shared, whose words are cut and folded.
#[derive(Debug)]
pub struct Document<C> {
    candidate: C,
    /// Of the title and the abstract.
    sieve: Sieve,
    title: TextWords,
    abstract_text: TextWords,
    org: TextWords,
    keywords: Vec<TextWords>,
    authors: Vec<Name>,
}

/// The words of one text, in order, and where each may be found.
#[derive(Debug)]
struct TextWords {
    tokens: Vec<WrittenWord>,
    /// By stem, and by the second one: indexes into the tokens.
    stems: HashMap<String, Vec<usize>>,
    /// By the roots of these. Made when it is first needed.
    roots: OnceLock<HashMap<String, Vec<usize>>>,
    /// By the word as written.
    written: HashMap<String, Vec<usize>>,
    /// Indexes into the tokens in the order of their folded words, so that those with one beginning are together.
    folded: Vec<usize>,
    /// Parentheses of one word: where each begins, and the position after it.
    asides: Vec<(u32, u32)>,
}

#[derive(Debug)]
struct WrittenWord {
    written: String,
    form: Form,
    range: Range<usize>,
    start: u32,
    end: u32,
}

/// An expression whose clauses are resolved: what there is to walk over many papers with.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// One clause, and the holes that it needs in the sieve of a document.
    Clause(Literal, Box<[Hole]>),
    /// What must not match.
    Not(Box<Resolved>),
    /// All of them.
    And(Vec<Resolved>),
    /// One of them at least.
    Or(Vec<Resolved>),
}

impl Resolved {
    /// Resolves every clause. Weights count for nothing here.
    pub fn of(expr: &Expr) -> Self {
        match expr {
            Expr::Clause(clause) => Self::of_literal(clause.literal()),
            Expr::Not(inner) => Self::Not(Box::new(Self::of(inner))),
            Expr::Weighted(inner, _) => Self::of(inner),
            Expr::And(all) => Self::And(all.iter().map(Self::of).collect()),
            Expr::Or(any) => Self::Or(any.iter().map(Self::of).collect()),
        }
    }

    /// The same of one literal.
    pub fn of_literal(literal: Literal) -> Self {
        let holes = Hole::of(&literal);
        Self::Clause(literal, holes)
    }
}

/// What is known beyond the paper itself.
#[derive(Clone, Copy, Default)]
pub struct WalkContext<'a> {
    /// The time, for ages.
    pub now: Option<DateTime<Utc>>,
    /// Whether the candidate is close to other papers.
    pub like: Option<&'a IsLike<'a>>,
}

/// The terms that make a candidate close to what a `like:` names; `None` when it is not close enough.
pub type IsLike<'a> = dyn Fn(&Likes) -> Option<Vec<String>> + 'a;

/// Where a clause was found in what a reader sees.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// Byte ranges in the title, as found.
    pub title: Vec<Range<usize>>,
    /// Byte ranges in the abstract, as found.
    pub abstract_text: Vec<Range<usize>>,
}

impl Marks {
    fn len(&self) -> usize {
        self.title.len() + self.abstract_text.len()
    }
}

impl<C: Borrow<Candidate>> Document<C> {
    /// Cuts and folds all words of `candidate`.
    pub fn new(candidate: C) -> Self {
        let paper = &candidate.borrow().paper;
        let (title, abstract_text) = (TextWords::of(&paper.title), TextWords::of(&paper.abstract_text));
        Self {
            sieve: Sieve::of(title.stems.keys().chain(abstract_text.stems.keys())),
            title,
            abstract_text,
            org: TextWords::of(paper.organization.as_deref().unwrap_or_default()),
            keywords: paper.keywords.iter().map(|keyword| TextWords::of(keyword)).collect(),
            authors: paper.authors.iter().map(|name| Name::new(name, false)).collect(),
            candidate,
        }
    }

    /// The candidate.
    pub fn candidate(&self) -> &Candidate {
        self.candidate.borrow()
    }

    /// Whether `expr` matches; `None` when that hangs on something that isn't known.
    pub fn matches(&self, expr: &Expr, known: WalkContext<'_>) -> Option<bool> {
        self.admits(&Resolved::of(expr), known)
    }

    /// The same for an expression that is resolved already.
    pub fn admits(&self, expr: &Resolved, known: WalkContext<'_>) -> Option<bool> {
        match expr {
            Resolved::Clause(_, holes) if !self.sieve.has(holes) => Some(false),
            Resolved::Clause(literal, _) => self.holds(literal, known),
            Resolved::Not(inner) => self.admits(inner, known).map(|truth| !truth),
            Resolved::And(all) => settle(all.iter().map(|inner| self.admits(inner, known)), false),
            Resolved::Or(any) => settle(any.iter().map(|inner| self.admits(inner, known)), true),
        }
    }

    /// Whether one literal holds; `None` when that hangs on something that isn't known.
    pub fn holds(&self, literal: &Literal, known: WalkContext<'_>) -> Option<bool> {
        let candidate = self.candidate();
        let paper = &candidate.paper;
        Some(match literal {
            Literal::Text { field, pattern } => self.sections(*field).any(|words| words.have(pattern)),
            Literal::Author(name) => self.authors.iter().any(|author| name.finds(author)),
            Literal::Category(label) => paper.categories.iter().any(|name| label.finds(&name.to_lowercase())),
            Literal::Source(label) => candidate.listings.iter().any(|listing| label.finds(listing.source.as_str())),
            Literal::Number(Measure::Age, comparison, days) => comparison.holds(candidate.age(known.now?), *days),
            Literal::Number(measure, comparison, value) => comparison.holds(number(candidate, *measure), *value),
            Literal::Has(Extra::Code) => paper.code.is_some(),
            Literal::Has(Extra::Project) => paper.project.is_some(),
            Literal::Like(likes) => known.like?(likes).is_some(),
        })
    }

    /// Whether `expr` matches, as [`Document::admits`] says; if it does, adds to `marks` what [`Document::mark`] would.
    pub fn find(&self, expr: &Resolved, known: WalkContext<'_>, marks: &mut Marks) -> Option<bool> {
        // Of words that a reader sees, what is found is the answer.
        if let Resolved::Clause(Literal::Text { field: Field::Any | Field::Title | Field::Abstract, .. }, _) = expr {
            let before = marks.len();
            self.mark(expr, marks);
            return Some(marks.len() > before);
        }
        let truth = self.admits(expr, known);
        if truth == Some(true) {
            self.mark(expr, marks);
        }
        truth
    }

    /// Adds to `marks` where the words of `expr` stand that speak for the paper; those under a NOT don't.
    pub fn mark(&self, expr: &Resolved, marks: &mut Marks) {
        match expr {
            Resolved::Clause(_, holes) if !self.sieve.has(holes) => {}
            Resolved::Clause(
                Literal::Text { field: field @ (Field::Any | Field::Title | Field::Abstract), pattern },
                _,
            ) => {
                if *field != Field::Abstract {
                    find(pattern, &self.title, &mut marks.title);
                }
                if *field != Field::Title {
                    find(pattern, &self.abstract_text, &mut marks.abstract_text);
                }
            }
            Resolved::Clause(..) | Resolved::Not(_) => {}
            Resolved::And(all) | Resolved::Or(all) => all.iter().for_each(|inner| self.mark(inner, marks)),
        }
    }

    /// The texts of a field; words never are together across two of them.
    fn sections(&self, field: Field) -> impl Iterator<Item = &TextWords> {
        let (title, abstract_text) =
            (matches!(field, Field::Any | Field::Title), matches!(field, Field::Any | Field::Abstract));
        let one = |wanted: bool, words| wanted.then_some(words).into_iter();
        let keywords = if field == Field::Keyword { self.keywords.as_slice() } else { &[] };
        one(title, &self.title)
            .chain(one(abstract_text, &self.abstract_text))
            .chain(one(field == Field::Org, &self.org))
            .chain(keywords)
    }
}

/// A number of a paper that doesn't hang on the time; 0 where it isn't known. (An age is [`Candidate::age`].)
pub(in crate::core) fn number(candidate: &Candidate, measure: Measure) -> u32 {
    match measure {
        Measure::Upvotes => candidate.upvotes().unwrap_or(0),
        Measure::Comments => candidate.comments().unwrap_or(0),
        Measure::Stars => candidate.paper.stars.unwrap_or(0),
        Measure::Age => 0,
    }
}

/// Three-valued any (`target` true) and all (`target` false).
fn settle(truths: impl Iterator<Item = Option<bool>>, target: bool) -> Option<bool> {
    let mut unknown = false;
    for truth in truths {
        match truth {
            Some(truth) if truth == target => return Some(target),
            Some(_) => {}
            None => unknown = true,
        }
    }
    (!unknown).then_some(!target)
}

impl TextWords {
    fn of(text: &str) -> Self {
        let words = text::words(text);
        let asides = text::asides(text, &words);
        let mut tokens: Vec<WrittenWord> = words
            .into_iter()
            .map(|word| WrittenWord {
                written: text[word.range.clone()].to_owned(),
                form: Form::of(&text[word.range.clone()]),
                range: word.range,
                start: word.position,
                end: word.position + word.length,
            })
            .collect();
        tokens.sort_by_key(|token| token.start);
        let (mut stems, mut written) = (HashMap::default(), HashMap::default());
        let add = |map: &mut HashMap<String, Vec<usize>>, word: &str, index: usize| match map.get_mut(word) {
            Some(indexes) => indexes.push(index),
            None => drop(map.insert(word.to_owned(), vec![index])),
        };
        for (index, token) in tokens.iter().enumerate() {
            add(&mut stems, &token.form.stem, index);
            if let Some(second) = &token.form.second {
                add(&mut stems, second, index);
            }
            add(&mut written, &token.written, index);
        }
        let mut folded: Vec<usize> = (0..tokens.len()).collect();
        folded.sort_by(|a, b| tokens[*a].form.folded.cmp(&tokens[*b].form.folded));
        Self { tokens, stems, roots: OnceLock::new(), written, folded, asides }
    }

    fn roots(&self) -> &HashMap<String, Vec<usize>> {
        self.roots.get_or_init(|| {
            let mut roots: HashMap<String, Vec<usize>> = HashMap::default();
            for (stem, tokens) in &self.stems {
                roots.entry(text::root(stem)).or_default().extend(tokens);
            }
            roots
        })
    }

    /// Whether `pattern` is found.
    fn have(&self, pattern: &Pattern) -> bool {
        match single(pattern) {
            Some(part) => self.finds(part),
            None => {
                let mut found = Vec::new();
                find(pattern, self, &mut found);
                !found.is_empty()
            }
        }
    }

    /// Whether a part finds any token.
    fn finds(&self, part: &Part) -> bool {
        self.lists(part).into_iter().any(|list| !list.is_empty())
    }

    /// Whether every word that `pattern` can't do without is there, wherever it is. Most texts lack one.
    fn may_have(&self, pattern: &Pattern) -> bool {
        pattern.units.iter().all(|unit| {
            let has_parts = !unit.parts.is_empty() && unit.parts.iter().all(|part| self.finds(part));
            has_parts || unit.whole.as_ref().is_some_and(|whole| self.finds(whole))
        })
    }

    /// The tokens that a part finds, in order.
    fn find(&self, part: &Part) -> Vec<usize> {
        let [found, more] = self.lists(part);
        let mut all = found.to_vec();
        if !more.is_empty() || matches!(part, Part::Prefix(_) | Part::Root(..)) {
            all.extend_from_slice(more);
            all.sort_unstable();
            all.dedup();
        }
        all
    }

    /// The tokens that a part finds, in two lists that may overlap; those of a beginning and of a root are in no order.
    fn lists(&self, part: &Part) -> [&[usize]; 2] {
        fn at<'a>(map: &'a HashMap<String, Vec<usize>>, word: &str) -> &'a [usize] {
            map.get(word).map_or(&[], Vec::as_slice)
        }
        match part {
            Part::Stem(stem, None) => [at(&self.stems, stem), &[]],
            Part::Stem(stem, Some(second)) => [at(&self.stems, stem), at(&self.stems, second)],
            Part::Root(root, second) => {
                let second = second.as_ref().map_or(&[][..], |second| at(self.roots(), second));
                [at(self.roots(), root), second]
            }
            Part::Exact(exact) => [at(&self.written, exact), &[]],
            Part::Prefix(prefix) => {
                let word = |index: &usize| self.tokens[*index].form.folded.as_str();
                let first = self.folded.partition_point(|index| word(index) < prefix.as_str());
                let begin = &self.folded[first..];
                [&begin[..begin.partition_point(|index| word(index).starts_with(prefix.as_str()))], &[]]
            }
        }
    }

    /// The positions at which a unit may begin, in order.
    fn starts(&self, unit: &Unit) -> Vec<u32> {
        let parts = unit.parts.first().into_iter().chain(&unit.whole);
        let mut starts: Vec<u32> =
            parts.flat_map(|part| self.find(part)).map(|index| self.tokens[index].start).collect();
        starts.sort_unstable();
        starts.dedup();
        starts
    }
}

/// Where a unit ends: the position after it, and its last byte.
type End = (u32, usize);

/// The only part of a pattern that is one plain word.
fn single(pattern: &Pattern) -> Option<&Part> {
    match (pattern.units.as_slice(), pattern.near) {
        ([Unit { parts, whole: None, .. }], None) => match parts.as_slice() {
            [part] => Some(part),
            _ => None,
        },
        _ => None,
    }
}

/// Adds the byte ranges at which `pattern` is found.
fn find(pattern: &Pattern, words: &TextWords, found: &mut Vec<Range<usize>>) {
    let tokens = &words.tokens;
    if let Some(part) = single(pattern) {
        // In no order and some of them twice, which doesn't matter to ranges.
        return words.lists(part).into_iter().for_each(|list| {
            found.extend(list.iter().map(|index| tokens[*index].range.clone()));
        });
    }
    if !words.may_have(pattern) {
        return;
    }
    if pattern.near.is_some() {
        return found.extend(find_near(pattern, words));
    }
    let steps = pattern.steps_over_asides();
    let over = |end: End| {
        let asides = if steps { words.asides.as_slice() } else { &[] };
        asides.iter().find(|(begin, _)| *begin == end.0).map(|(_, after)| (*after, end.1))
    };
    found.extend(words.starts(&pattern.units[0]).into_iter().filter_map(|position| {
        let start = tokens[tokens.partition_point(|token| token.start < position)].range.start;
        let mut ends: Vec<End> = vec![(position, start)];
        for (at, unit) in pattern.units.iter().enumerate() {
            let gap = unit.after_end.then_some(text::SENTENCE_GAP);
            let aside = |end: End| [Some(end), over(end).filter(|_| at > 0)].into_iter().flatten();
            let next = |end: End| [Some(end), gap.map(|gap| (end.0 + gap, end.1))].into_iter().flatten();
            let begins = ends.into_iter().flat_map(aside).flat_map(next);
            ends = begins.flat_map(|end| unit_ends(unit, tokens, end)).collect();
            ends.sort_unstable();
            ends.dedup();
        }
        ends.last().map(|end| start..end.1)
    }));
}

/// Where `unit` ends if it begins at a position.
fn unit_ends(unit: &Unit, words: &[WrittenWord], begin: End) -> Vec<End> {
    let step = |part: &Part, begin: End| -> Vec<End> {
        let at = words.partition_point(|word| word.start < begin.0);
        let here = words[at..].iter().take_while(|word| word.start == begin.0);
        here.filter(|word| part.finds(&word.written, &word.form)).map(|word| (word.end, word.range.end)).collect()
    };
    let mut ends = Vec::new();
    if !unit.parts.is_empty() {
        let mut open = vec![begin];
        for part in &unit.parts {
            open = open.into_iter().flat_map(|end| step(part, end)).collect();
            open.sort_unstable();
            open.dedup();
        }
        ends.extend(open);
    }
    ends.extend(unit.whole.iter().flat_map(|whole| step(whole, begin)));
    ends
}

/// The words of a nearness, wherever a window holds all of them.
fn find_near(pattern: &Pattern, words: &TextWords) -> Vec<Range<usize>> {
    let tokens = &words.tokens;
    let found: Vec<Vec<(u32, End, usize)>> = pattern
        .units
        .iter()
        .map(|unit| {
            let places = words.starts(unit).into_iter().flat_map(|position| {
                let byte = tokens[tokens.partition_point(|token| token.start < position)].range.start;
                unit_ends(unit, tokens, (position, byte)).into_iter().map(move |end| (position, end, byte))
            });
            places.collect()
        })
        .collect();
    let window = pattern.window();
    let mut ranges = Vec::new();
    for start in found.iter().flatten().map(|(start, ..)| *start) {
        let inside = |(begin, end, _): &&(u32, End, usize)| *begin >= start && end.0 <= start + window;
        if found.iter().all(|unit| unit.iter().any(|place| inside(&place))) {
            ranges.extend(found.iter().flatten().filter(inside).map(|(_, end, byte)| *byte..end.1));
        }
    }
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    ranges.dedup();
    ranges
}
