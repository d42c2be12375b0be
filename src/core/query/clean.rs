//! An expression as it looks: without what nobody sees, so that it is compared with papers whose texts are clean too.
//!
//! What is pasted has zero-width spaces, soft hyphens, letters in several pieces; what is typed on a keyboard for Chinese or
//! Japanese has signs of full width. Whatever is said of the clean text is said in bytes of what was written.

use std::borrow::Cow;
use std::ops::Range;

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::core::clean::visible;

/// A text in NFC, of visible characters only.
pub(super) struct Clean<'a> {
    pub(super) text: Cow<'a, str>,
    /// Where each piece of it begins, here and in what was written, and where both end. Empty when they are the same.
    pieces: Vec<(usize, usize)>,
}

impl<'a> Clean<'a> {
    pub(super) fn new(written: &'a str) -> Self {
        let is_plain = |b: u8| matches!(b, b' '..=b'~') || b.is_ascii_whitespace();
        if written.bytes().all(is_plain) {
            return Self { text: Cow::Borrowed(written), pieces: Vec::new() };
        }
        let (mut text, mut pieces) = (String::with_capacity(written.len()), Vec::new());
        let mut piece = String::new();
        let mut begin = 0;
        for (at, c) in written.char_indices() {
            let Some(c) = visible(c).map(of_half_width) else { continue };
            if !piece.is_empty() && stands_alone(c) {
                pieces.push((text.len(), begin));
                text.extend(piece.nfc());
                piece.clear();
            }
            if piece.is_empty() {
                begin = at;
            }
            piece.push(c);
        }
        pieces.push((text.len(), begin));
        text.extend(piece.nfc());
        pieces.push((text.len(), written.len()));
        Self { text: Cow::Owned(text), pieces }
    }

    /// The bytes of what was written that became these.
    pub(super) fn written(&self, span: Range<usize>) -> Range<usize> {
        if self.pieces.is_empty() {
            return span;
        }
        let first = self.pieces.partition_point(|(begin, _)| *begin <= span.start).saturating_sub(1);
        let behind = self.pieces.partition_point(|(begin, _)| *begin < span.end).min(self.pieces.len() - 1);
        let (start, end) = (self.pieces[first].1, self.pieces[behind].1);
        start.min(end)..end
    }
}

/// Whether a character joins with none before it, when a text is put into NFC.
fn stands_alone(c: char) -> bool {
    canonical_combining_class(c) == 0 && is_nfc_quick(std::iter::once(c)) == IsNormalized::Yes
}

/// The sign of ASCII that a sign of full width is; letters and digits stay, since words are folded later.
fn of_half_width(c: char) -> char {
    match c {
        '！'..='～' if !c.is_alphanumeric() => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::clean::clean_text;

    #[test]
    fn what_is_said_of_the_clean_text_is_said_of_what_was_written() {
        let written = "gr\u{200B}aph e\u{301}t\u{AD}é 기계";
        let clean = Clean::new(written);
        assert_eq!(clean.text, "graph été 기계");
        let back = |span: Range<usize>| &written[clean.written(span)];
        assert_eq!(back(0..5), "gr\u{200B}aph");
        assert_eq!(back(6..11), "e\u{301}t\u{AD}é");
        assert_eq!(back(12..18), "기계");
        assert_eq!(back(12..15), "기");
        assert_eq!(clean.written(18..18), written.len()..written.len());
        assert_eq!(Clean::new("a  b\n").written(1..3), 1..3);
    }

    proptest! {
        #[test]
        fn it_is_as_clean_as_the_texts_of_papers(written in "(\\PC|[a\u{301}\u{200B}\u{AD}\u{338}=<\u{1100}\u{1161}\u{11A8}\u{37E}\u{92}\u{0}\n ]){0,30}") {
            let clean = Clean::new(&written);
            let plain: String = written.chars().filter(|c| of_half_width(*c) == *c).collect();
            if plain == written {
                prop_assert_eq!(clean_text(&clean.text), clean_text(&written));
            }
            prop_assert_eq!(&Clean::new(&clean.text).text, &clean.text);
            for (at, _) in clean.text.char_indices() {
                for (end, _) in clean.text.char_indices().filter(|(end, _)| *end >= at) {
                    prop_assert!(written.get(clean.written(at..end)).is_some());
                }
            }
        }
    }
}
