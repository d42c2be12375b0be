//! A digest as the two bodies of a mail, put together from encoded pieces.
//!
//! The cards are most of a digest, and one card stands in many: an [`EncodedCard`] is rendered and encoded once, and
//! copied from then on. The bodies are the same, octet for octet, whether a card was made just now or long ago, and they
//! decode to what [`render`](super::render) gives.

use std::sync::Arc;

use chrono::NaiveDate;
use templates::Digest;

use super::size::Size;
use super::{ABSTRACT_LIMITS, Chosen, Facts, card, filled, frame};
use crate::core::quoted::QuotedPrintable;

/// A digest, ready to be the body of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The subject, at most 120 characters.
    pub subject: String,
    /// The HTML alternative.
    pub html: QuotedPrintable,
    /// The plain-text alternative.
    pub text: QuotedPrintable,
}

/// A part of a digest in both alternatives. It begins and ends at line breaks.
#[derive(Debug)]
struct Piece {
    html: Part,
    text: Part,
}

#[derive(Debug)]
struct Part {
    encoded: QuotedPrintable,
    size: Size,
}

/// A paper's card, rendered and encoded.
#[derive(Debug)]
pub struct EncodedCard(Piece);

impl EncodedCard {
    /// The card of a chosen paper for a reader whose day is `today`, with at most `abstract_limit` characters of the
    /// abstract. It depends on nothing else.
    pub fn new(chosen: &Chosen<'_>, today: NaiveDate, abstract_limit: usize) -> Self {
        let card = card(chosen, today, abstract_limit);
        Self(Piece::new(&templates::digest::card(&card), &templates::text::card(&card)))
    }
}

/// Renders and encodes the facts, with as much of each abstract as [`render`](super::render) shows. `card` gives the
/// [`EncodedCard`] of a paper for the day of the facts and an `abstract_limit`.
pub fn encode(facts: &Facts<'_>, mut card: impl FnMut(&Chosen<'_>, usize) -> Arc<EncodedCard>) -> Encoded {
    let frame = frame(facts);
    let before = Piece::new(&templates::digest::head(&frame), &templates::text::head(&frame));
    let headings: Vec<Piece> = frame.sections.iter().map(|section| heading(&section.name)).collect();
    let after = tail(&frame);
    for limit in ABSTRACT_LIMITS {
        let pieces = pieces(facts, &before, &headings, &after, limit, &mut card);
        if pieces.is_within_limits() {
            return pieces.joined(frame.subject);
        }
    }
    let after = tail(&Digest { also: Vec::new(), sources: Vec::new(), ..frame.clone() });
    pieces(facts, &before, &headings, &after, 0, &mut card).joined(frame.subject)
}

fn heading(name: &str) -> Piece {
    Piece::new(&templates::digest::section_heading(name), &templates::text::section_heading(name))
}

fn tail(digest: &Digest) -> Piece {
    Piece::new(&templates::digest::tail(digest), &templates::text::tail(digest))
}

/// The pieces of a digest in their order.
fn pieces<'a>(
    facts: &Facts<'_>,
    before: &'a Piece,
    headings: &'a [Piece],
    after: &'a Piece,
    limit: usize,
    card: &mut impl FnMut(&Chosen<'_>, usize) -> Arc<EncodedCard>,
) -> Pieces<'a> {
    let mut pieces = vec![Held::Own(before)];
    for (section, heading) in filled(facts).zip(headings) {
        pieces.push(Held::Own(heading));
        pieces.extend(section.papers.iter().map(|chosen| Held::Card(card(chosen, limit))));
    }
    pieces.push(Held::Own(after));
    Pieces(pieces)
}

struct Pieces<'a>(Vec<Held<'a>>);

enum Held<'a> {
    Own(&'a Piece),
    Card(Arc<EncodedCard>),
}

impl Pieces<'_> {
    fn iter(&self) -> impl Iterator<Item = &Piece> + Clone {
        self.0.iter().map(|held| match held {
            Held::Own(piece) => piece,
            Held::Card(card) => &card.0,
        })
    }

    fn is_within_limits(&self) -> bool {
        let (mut html, mut text) = (Size::default(), Size::default());
        for piece in self.iter() {
            html.add(piece.html.size);
            text.add(piece.text.size);
        }
        html.is_within_limits() && text.is_within_limits()
    }

    fn joined(&self, subject: String) -> Encoded {
        Encoded {
            subject,
            html: QuotedPrintable::joined(self.iter().map(|piece| &piece.html.encoded)),
            text: QuotedPrintable::joined(self.iter().map(|piece| &piece.text.encoded)),
        }
    }
}

impl Piece {
    fn new(html: &str, text: &str) -> Self {
        Self { html: Part::new(html), text: Part::new(text) }
    }
}

impl Part {
    fn new(part: &str) -> Self {
        Self { encoded: QuotedPrintable::encode(part), size: Size::of(part) }
    }
}
