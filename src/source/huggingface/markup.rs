//! A page cut into the few pieces that are worth an HTML parser.
//!
//! Building a document takes time that grows with the square of how deep its elements are nested, and some constructions
//! multiply them: half a megabyte that was made for it takes minutes. So the page goes through a tokenizer first, which
//! takes the same time for every byte, and only cards of a size that cards have go on to the parser.

use html5gum::{DefaultEmitter, Token, Tokenizer};

/// The most cards that are looked at; the longest list that was seen had 105.
const MAX_CARDS: usize = 500;

/// The most bytes of a card; those that were seen have up to 5,000, pictures by address.
const MAX_BYTES: usize = 64 << 10;

/// The most elements in a card; those that were seen have up to 40, and twice as many where a card is in the page twice.
const MAX_ELEMENTS: usize = 400;

/// The most attributes of an element in a card.
const MAX_ATTRIBUTES: usize = 50;

/// What is of use in a page.
#[derive(Debug, Default)]
pub(super) struct Pieces<'a> {
    /// The decoded `data-props` of the list's element, empty if it has none; `None` without such an element.
    pub(super) props: Option<String>,
    /// Cards, each from `<article` to its end.
    pub(super) cards: Vec<&'a str>,
    /// Articles that are too large for cards.
    pub(super) oversized: u32,
    /// Whether there were more than are looked at.
    pub(super) has_more: bool,
}

/// Cuts a page. An article in an article is one of its own: cards are not nested.
pub(super) fn cut(html: &str) -> Pieces<'_> {
    let mut emitter = DefaultEmitter::<usize>::new_with_span();
    // What is in a script is no element.
    emitter.naively_switch_states(true);
    let mut pieces = Pieces::default();
    let mut card: Option<Card> = None;
    for token in Tokenizer::new_with_emitter(html, emitter).flatten() {
        match token {
            Token::StartTag(tag) => {
                if tag.name.as_slice() == b"article" {
                    if let Some(card) = card.take() {
                        pieces.keep(html, card, tag.span.start);
                    }
                    card = Some(Card { start: tag.span.start, elements: 0, attributes: 0 });
                }
                if let Some(card) = &mut card {
                    card.elements += 1;
                    card.attributes = card.attributes.max(tag.attributes.len());
                }
                let value = |name: &[u8]| tag.attributes.get(name).map(|value| value.as_slice());
                // The name must match as a whole: `DailyPapersBannerSubscribe` is before it.
                if pieces.props.is_none() && value(b"data-target") == Some(b"DailyPapers") {
                    pieces.props = Some(String::from_utf8_lossy(value(b"data-props").unwrap_or_default()).into_owned());
                }
            }
            Token::EndTag(tag) if tag.name.as_slice() == b"article" => {
                if let Some(card) = card.take() {
                    pieces.keep(html, card, tag.span.end);
                }
            }
            _ => {}
        }
    }
    if let Some(card) = card {
        pieces.keep(html, card, html.len());
    }
    pieces
}

struct Card {
    /// Where it begins, in bytes.
    start: usize,
    elements: usize,
    /// The most that an element has.
    attributes: usize,
}

impl<'a> Pieces<'a> {
    fn keep(&mut self, html: &'a str, card: Card, end: usize) {
        let text = html.get(card.start..end).unwrap_or_default();
        if text.len() > MAX_BYTES || card.elements > MAX_ELEMENTS || card.attributes > MAX_ATTRIBUTES {
            self.oversized += 1;
        } else if self.cards.len() == MAX_CARDS {
            self.has_more = true;
        } else {
            self.cards.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_cut_where_they_begin_and_end() {
        let html = "<!doctype html>\r\n<p>é&amp;</p><ARTICLE class='a'>one\r\n<p>é</p></article >two<article><p>three\
                    <article>four<script>'<article>five'</script></article></div><article>six";
        let pieces = cut(html);
        assert_eq!(
            pieces.cards,
            [
                "<ARTICLE class='a'>one\r\n<p>é</p></article >",
                "<article><p>three",
                "<article>four<script>'<article>five'</script></article>",
                "<article>six"
            ]
        );
        assert_eq!((pieces.props, pieces.oversized, pieces.has_more), (None, 0, false));
    }

    #[test]
    fn an_article_that_is_no_card_is_left_out_and_counted() {
        let deep = "<div>".repeat(MAX_ELEMENTS);
        let long = "x".repeat(MAX_BYTES);
        let wide: String = (0..=MAX_ATTRIBUTES).map(|n| format!(" a{n}")).collect();
        let html = format!("<article>{deep}</article><article>{long}</article><article><p{wide}></article><article>ok");
        let pieces = cut(&html);
        assert_eq!((pieces.cards, pieces.oversized), (vec!["<article>ok"], 3));
        let many = "<article>".repeat(MAX_CARDS + 1);
        assert_eq!((cut(&many).cards.len(), cut(&many).has_more), (MAX_CARDS, true));
    }
}
