//! A digest as the two bodies of a mail, put together from encoded pieces.
//!
//! The cards are most of a digest, and what they show stands in many: a card is cut into parts that hang on few things
//! each ([`CardPart`]), a part is rendered and encoded once ([`Piece`]), and copied from then on. The bodies are the same,
//! octet for octet, whether a part was made just now or long ago, and they decode to what [`render`](super::render) gives.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use chrono::NaiveDate;
use templates::{Card, Digest, digest, layout, text};

use super::size::Size;
use super::{ABSTRACT_LIMITS, Chosen, Facts, because, card, filled, frame, runs_of_abstract, runs_of_title};
use crate::core::quoted::QuotedPrintable;

/// A digest, ready to be the body of a mail.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The subject, at most 120 characters.
    pub subject: String,
    /// The HTML alternative.
    pub html: QuotedPrintable,
    /// The plain-text alternative.
    pub text: QuotedPrintable,
}

/// A part of a digest in both alternatives, either of which may be empty. It begins and ends at line breaks.
#[derive(Debug)]
pub struct Piece {
    html: Part,
    text: Part,
}

#[derive(Debug)]
struct Part {
    encoded: QuotedPrintable,
    size: Size,
}

/// A part of a card, with all that it depends on besides what is known of its paper.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CardPart<'a> {
    /// The marked title in HTML.
    Title {
        /// The paper's number.
        paper: u32,
        /// Byte ranges of matched terms.
        marks: Cow<'a, [Range<usize>]>,
    },
    /// Authors and numbers, and all of the paper as plain text, which shows no marks.
    Facts {
        /// The paper's number.
        paper: u32,
        /// The reader's day.
        today: NaiveDate,
        /// How its votes grew.
        trend: Option<Cow<'a, str>>,
        /// Characters of the abstract.
        limit: usize,
    },
    /// The marked abstract in HTML.
    Abstract {
        /// The paper's number.
        paper: u32,
        /// Its characters.
        limit: usize,
        /// Byte ranges of matched terms.
        marks: Cow<'a, [Range<usize>]>,
    },
    /// Why it was chosen, which is no matter of the paper.
    Reasons {
        /// The expressions that chose it.
        queries: Cow<'a, [String]>,
    },
    /// Further links.
    Links {
        /// The paper's number.
        paper: u32,
    },
}

impl<'a> CardPart<'a> {
    /// The parts of a card in their order, for a reader whose day is `today`, with at most `limit` characters of the
    /// abstract.
    fn of(chosen: &'a Chosen<'_>, today: NaiveDate, limit: usize) -> [Self; 5] {
        let Chosen { candidate, reasons, trend } = chosen;
        let paper = candidate.id;
        [
            Self::Title { paper, marks: Cow::Borrowed(&reasons.title) },
            Self::Facts { paper, today, trend: trend.as_deref().map(Cow::Borrowed), limit },
            Self::Abstract { paper, limit, marks: Cow::Borrowed(&reasons.abstract_text) },
            Self::Reasons { queries: Cow::Borrowed(&reasons.queries) },
            Self::Links { paper },
        ]
    }

    /// The same, borrowing nothing.
    pub fn into_owned(self) -> CardPart<'static> {
        let owned = |marks: Cow<'_, [Range<usize>]>| Cow::Owned(marks.into_owned());
        match self {
            Self::Title { paper, marks } => CardPart::Title { paper, marks: owned(marks) },
            Self::Facts { paper, today, trend, limit } => {
                CardPart::Facts { paper, today, trend: trend.map(|trend| Cow::Owned(trend.into_owned())), limit }
            }
            Self::Abstract { paper, limit, marks } => CardPart::Abstract { paper, limit, marks: owned(marks) },
            Self::Reasons { queries } => CardPart::Reasons { queries: Cow::Owned(queries.into_owned()) },
            Self::Links { paper } => CardPart::Links { paper },
        }
    }

    /// Renders and encodes the part of this paper's card.
    pub fn encode(&self, chosen: &Chosen<'_>) -> Piece {
        let paper = &chosen.candidate.paper;
        match self {
            Self::Title { .. } => {
                let href = templates::Href::web(&paper.url);
                let card = Card { title: runs_of_title(chosen), href, ..Card::default() };
                Piece::new(&digest::card_title(&card), "")
            }
            Self::Facts { today, limit, .. } => {
                let card = card(chosen, *today, *limit);
                Piece::new(&digest::card_facts(&card), &text::card_paper(&card))
            }
            Self::Abstract { limit, .. } => {
                let card = Card { abstract_text: runs_of_abstract(chosen, *limit), ..Card::default() };
                Piece::new(&digest::card_abstract(&card), "")
            }
            Self::Reasons { .. } => {
                let (because, because_more) = because(chosen);
                let card = Card { because, because_more, ..Card::default() };
                Piece::new(&digest::card_reasons(&card), &text::card_reasons(&card))
            }
            Self::Links { .. } => {
                let card = card(chosen, NaiveDate::MIN, 0);
                Piece::new(&digest::card_links(&card), &text::card_links(&card))
            }
        }
    }
}

/// Renders and encodes the facts, with as much of each abstract as [`render`](super::render) shows. `part` gives what
/// [`CardPart::encode`] gives.
pub fn encode(facts: &Facts<'_>, mut part: impl FnMut(&Chosen<'_>, CardPart<'_>) -> Arc<Piece>) -> Encoded {
    let frame = frame(facts);
    let before = head(&frame);
    let headings: Vec<Arc<Piece>> = frame.sections.iter().map(|section| heading(&section.name)).collect();
    let after = tail(&frame);
    for limit in ABSTRACT_LIMITS {
        let pieces = pieces(facts, &before, &headings, after.clone(), limit, &mut part);
        if pieces.is_within_limits() {
            return pieces.joined(frame.subject);
        }
    }
    let after = tail(&Digest { also: Vec::new(), sources: Vec::new(), ..frame.clone() });
    pieces(facts, &before, &headings, after, 0, &mut part).joined(frame.subject)
}

/// Everything above the first section. Most of the HTML is the same in every mail.
fn head(frame: &Digest) -> Vec<Arc<Piece>> {
    static SAME: LazyLock<[Arc<Piece>; 3]> = LazyLock::new(|| {
        let [begin, _, style, _, sheet] = layout::head_parts("", "");
        [begin, style, sheet].map(|part| Arc::new(Piece::new(&part, "")))
    });
    let [begin, style, sheet] = SAME.clone();
    let [_, named, _, opened, _] = layout::head_parts(&frame.subject, &frame.preheader);
    let own = |html: &str, text: &str| Arc::new(Piece::new(html, text));
    let rows = own(&digest::head_rows(frame), &text::head(frame));
    vec![begin, own(&named, ""), style, own(&opened, ""), sheet, rows]
}

fn heading(name: &str) -> Arc<Piece> {
    Arc::new(Piece::new(&digest::section_heading(name), &text::section_heading(name)))
}

/// Everything below the last section.
fn tail(frame: &Digest) -> [Arc<Piece>; 4] {
    static SAME: LazyLock<[Arc<Piece>; 2]> =
        LazyLock::new(|| layout::tail_parts().map(|part| Arc::new(Piece::new(part, ""))));
    let [begin, end] = SAME.clone();
    let own = |html: &str, text: &str| Arc::new(Piece::new(html, text));
    [own(&digest::tail_rows(frame), &text::tail(frame)), begin, own(&digest::foot(frame), ""), end]
}

/// The pieces of a digest in their order.
fn pieces(
    facts: &Facts<'_>,
    before: &[Arc<Piece>],
    headings: &[Arc<Piece>],
    after: [Arc<Piece>; 4],
    limit: usize,
    part: &mut impl FnMut(&Chosen<'_>, CardPart<'_>) -> Arc<Piece>,
) -> Pieces {
    let today = facts.slot.date();
    let mut pieces = before.to_vec();
    for (section, heading) in filled(facts).zip(headings) {
        pieces.push(heading.clone());
        for chosen in &section.papers {
            pieces.extend(CardPart::of(chosen, today, limit).map(|wanted| part(chosen, wanted)));
        }
    }
    pieces.extend(after);
    Pieces(pieces)
}

struct Pieces(Vec<Arc<Piece>>);

impl Pieces {
    fn is_within_limits(&self) -> bool {
        let (mut html, mut text) = (Size::default(), Size::default());
        for piece in &self.0 {
            html.add(piece.html.size);
            text.add(piece.text.size);
        }
        html.is_within_limits() && text.is_within_limits()
    }

    fn joined(&self, subject: String) -> Encoded {
        Encoded {
            subject,
            html: QuotedPrintable::joined(self.0.iter().map(|piece| &piece.html.encoded)),
            text: QuotedPrintable::joined(self.0.iter().map(|piece| &piece.text.encoded)),
        }
    }
}

impl Piece {
    fn new(html: &str, text: &str) -> Self {
        Self { html: Part::new(html), text: Part::new(text) }
    }

    /// What it takes in memory, about, in bytes.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.html.encoded.len() + self.text.encoded.len()
    }
}

impl Part {
    fn new(part: &str) -> Self {
        Self { encoded: QuotedPrintable::encode(part), size: Size::of(part) }
    }
}
