//! What a clause looks for, once its words are cut, folded and stemmed.
//!
//! Two clauses with equal [`Literal`]s find the same papers: `Transformers` and `transformer` are one literal. Both
//! evaluators, the index and the walker, start from here.

use super::{Clause, Comparison, Extra, Field, Kind, Likes, Measure, Name};
use crate::core::display::display;
use crate::core::text::{self, Form};

/// A clause, resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Literal {
    /// Words in the title, abstract, organisation or keywords.
    Text {
        /// Where.
        field: Field,
        /// What.
        pattern: Pattern,
    },
    /// Words of one author's name.
    Author(Name),
    /// A subject category, lower-case.
    Category(Label),
    /// A source that lists the paper.
    Source(Label),
    /// A number.
    Number(Measure, Comparison, u32),
    /// Something beside the text.
    Has(Extra),
    /// Closeness to papers, whose identifiers are in order and each there once.
    Like(Likes),
}

/// Words and how they are together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// One for each word or compound; at least one. Those of a nearness are all different.
    pub units: Vec<Unit>,
    /// Other words allowed among them, in any order; `None` when they follow each other as written. Then a parenthesis of one
    /// word may be in each gap.
    pub near: Option<u8>,
}

/// A word, or a compound: its parts one after the other, or run together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unit {
    /// The parts, in order; empty when only the whole counts.
    pub parts: Vec<Part>,
    /// The whole, for a compound.
    pub whole: Option<Part>,
    /// A sentence may end before it, as one does in the phrase that was asked for: a title has two at times.
    pub after_end: bool,
}

/// What one word of a text is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The stem, and a second one if the word may be something else.
    Stem(String, Option<String>),
    /// The root of the stem, and of the second one if it is another.
    Root(String, Option<String>),
    /// The beginning of the folded word.
    Prefix(String),
    /// The word as written.
    Exact(String),
}

/// A name compared as a whole, or by its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// Lower-case.
    pub name: String,
    /// Whether it is only the beginning.
    pub prefix: bool,
}

impl Clause {
    /// What it looks for.
    pub fn literal(&self) -> Literal {
        match self {
            Clause::Text { field: Field::Author, kind, text } => {
                Literal::Author(Name::new(&display(text), *kind == Kind::Prefix))
            }
            Clause::Text { field: Field::Category, kind, text } => Literal::Category(Label::new(text, *kind)),
            Clause::Text { field: Field::Source, kind, text } => Literal::Source(Label::new(text, *kind)),
            Clause::Text { field, kind, text } => Literal::Text { field: *field, pattern: Pattern::new(text, *kind) },
            Clause::Number { measure, comparison, value } => Literal::Number(*measure, *comparison, *value),
            Clause::Has(extra) => Literal::Has(*extra),
            Clause::Like(Likes { ids, share }) => {
                let mut ids = ids.clone();
                ids.sort_unstable();
                ids.dedup();
                Literal::Like(Likes { ids, share: *share })
            }
        }
    }
}

impl Literal {
    /// Whether it is one word, or the same one several times over.
    pub(in crate::core) fn is_of_one_word(&self) -> bool {
        matches!(self, Self::Text { pattern, .. } if pattern.units.len() == 1)
    }
}

impl Pattern {
    fn new(written: &str, kind: Kind) -> Self {
        // Papers' texts went the same way.
        let text = &*display(written);
        let near = match kind {
            Kind::Near(words) => Some(words),
            _ => None,
        };
        let part = |word: &str| match kind {
            Kind::Exact | Kind::ExactPhrase => Part::Exact(word.to_owned()),
            Kind::Relatives => {
                let form = Form::of(word);
                let root = text::root(&form.stem);
                let second = form.second.map(|stem| text::root(&stem)).filter(|second| *second != root);
                Part::Root(root, second)
            }
            _ => {
                let form = Form::of(word);
                Part::Stem(form.stem, form.second)
            }
        };
        let mut units: Vec<Unit> = Vec::new();
        let (mut end_of_word, mut end_of_compound) = (0, 0);
        for word in text::words(text) {
            let written = &text[word.range.clone()];
            if word.length == 1 {
                let between = &text[end_of_word..word.range.start];
                let after_end = !units.is_empty() && near.is_none() && between.contains(text::is_end_mark);
                units.push(Unit { parts: vec![part(written)], whole: None, after_end });
                end_of_word = word.range.end;
            } else if word.range.end > end_of_compound {
                // The largest compound comes first; the pairs within it add nothing.
                end_of_compound = word.range.end;
                let single = units.split_off(units.len() - word.length as usize);
                let after_end = single.first().is_some_and(|unit| unit.after_end);
                let exact = matches!(kind, Kind::Exact | Kind::ExactPhrase);
                let parts = if exact { Vec::new() } else { single.into_iter().flat_map(|unit| unit.parts).collect() };
                units.push(Unit { parts, whole: Some(part(written)), after_end });
            }
        }
        if kind != Kind::Prefix {
            units = joined(units);
        }
        if kind == Kind::Prefix {
            // The last word is only begun: `state-sp*`.
            let last = text::words(text).into_iter().rev().find(|word| word.length == 1);
            if let (Some(unit), Some(last)) = (units.last_mut(), last) {
                unit.parts.pop();
                unit.parts.push(Part::Prefix(text::fold(&text[last.range])));
                unit.whole = unit.whole.is_some().then(|| Part::Prefix(text::fold(text)));
            }
        }
        if near.is_some() {
            // Else one word of a text would be near itself.
            let mut known: Vec<String> = Vec::new();
            units.retain(|unit| {
                let is_new = !known.contains(unit.name());
                known.extend(is_new.then(|| unit.name().clone()));
                is_new
            });
        }
        Self { units, near }
    }

    /// Whether a word in parentheses may be between its words: not where they are to stand as written.
    pub fn steps_over_asides(&self) -> bool {
        let mut parts = self.units.iter().flat_map(|unit| unit.parts.iter().chain(&unit.whole));
        self.near.is_none() && self.units.len() > 1 && !parts.any(|part| matches!(part, Part::Exact(_)))
    }

    /// How many positions of the text the words of a nearness may span.
    pub fn window(&self) -> u32 {
        let own: usize = self.units.iter().map(|unit| unit.parts.len().max(1)).sum();
        own as u32 + u32::from(self.near.unwrap_or(0))
    }
}

/// Compounds that are written apart as often as together, by their stems: the whole and its two parts.
const COMPOUNDS: [(&str, [&str; 2]); 9] = [
    ("chatbot", ["chat", "bot"]),
    ("codebase", ["code", "base"]),
    ("dataset", ["data", "set"]),
    ("finetune", ["fine", "tune"]),
    ("healthcare", ["health", "care"]),
    ("keyframe", ["key", "frame"]),
    ("pretrain", ["pre", "train"]),
    ("timestep", ["time", "step"]),
    ("tradeoff", ["trade", "off"]),
];

/// Units in which such a compound is one, however it was written.
fn joined(units: Vec<Unit>) -> Vec<Unit> {
    fn stem(unit: &Unit) -> Option<&str> {
        match (unit.parts.as_slice(), &unit.whole) {
            ([Part::Stem(stem, None)], None) => Some(stem),
            _ => None,
        }
    }
    let compound = |(whole, parts): &(&str, [&str; 2]), after_end| Unit {
        parts: parts.iter().map(|part| Part::Stem((*part).to_owned(), None)).collect(),
        whole: Some(Part::Stem((*whole).to_owned(), None)),
        after_end,
    };
    let mut out: Vec<Unit> = Vec::with_capacity(units.len());
    for unit in units {
        let known = COMPOUNDS.iter().find(|(whole, _)| stem(&unit) == Some(*whole));
        let both = [out.last().and_then(stem), stem(&unit).filter(|_| !unit.after_end)];
        let apart = COMPOUNDS.iter().find(|(_, parts)| both == parts.map(Some));
        match (known, apart) {
            (Some(known), _) => out.push(compound(known, unit.after_end)),
            (None, Some(known)) => {
                let after_end = out.pop().is_some_and(|first| first.after_end);
                out.push(compound(known, after_end));
            }
            (None, None) => out.push(unit),
        }
    }
    out
}

impl Unit {
    /// What tells it from another: `LLM` and `llms` are one, and so are `state-space` and `statespace`.
    fn name(&self) -> &String {
        match self.whole.as_ref().or(self.parts.first()) {
            Some(Part::Stem(_, Some(name)) | Part::Stem(name, None)) => name,
            Some(Part::Root(name, _) | Part::Prefix(name) | Part::Exact(name)) => name,
            None => const { &String::new() },
        }
    }
}

impl Part {
    /// Whether it finds a word, as `written` in a text and with the form it has.
    pub fn finds(&self, written: &str, form: &Form) -> bool {
        match self {
            Part::Stem(stem, second) => form.stems().any(|own| own == stem || Some(own) == second.as_deref()),
            Part::Root(root, second) => {
                form.stems().map(text::root).any(|own| own == *root || Some(&own) == second.as_ref())
            }
            Part::Prefix(prefix) => form.folded.starts_with(prefix.as_str()),
            Part::Exact(exact) => written == exact,
        }
    }
}

impl Label {
    fn new(text: &str, kind: Kind) -> Self {
        Self { name: text.trim().to_lowercase(), prefix: kind == Kind::Prefix }
    }

    /// Whether it is the lower-case `name`. A category's archive stands for all its categories: `cs` finds `cs.LG`.
    pub fn finds(&self, name: &str) -> bool {
        match name.strip_prefix(self.name.as_str()) {
            Some(rest) => self.prefix || rest.is_empty() || rest.starts_with('.'),
            None => false,
        }
    }
}
