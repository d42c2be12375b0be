//! Quoted-printable text (RFC 2045 section 6.7), made to be joined and marked.
//!
//! A [`QuotedPrintable`] begins and ends at the start of a line, so pieces encoded once (a paper's card) can be joined
//! by copying bytes: the join decodes to the joined texts, with no soft break to mend. Beyond the RFC it promises that
//! no line begins with a dot, so SMTP has nothing to stuff, nor with `From `, which mailbox files would quote and a
//! signature would not survive, and that no character is split over two lines. A [`Stretchable`] can also be cut: it knows
//! where each of its bytes has come to stand.

use std::ops::Range;

/// A text in quoted-printable: ASCII, CRLF line ends, lines of at most 76 characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotedPrintable(Vec<u8>);

impl QuotedPrintable {
    /// Encodes a text. Its line ends (LF, CRLF or CR) become CRLF; other C0 controls but the tab are dropped, because
    /// nothing in a mail can mean them.
    pub fn encode(text: &str) -> Self {
        let mut encoded = Self(Vec::with_capacity(text.len() + text.len() / 16 + 16));
        encoded.push_str(text);
        encoded
    }

    /// Makes room for so many octets more.
    pub fn reserve(&mut self, octets: usize) {
        self.0.reserve(octets);
    }

    /// Encodes a text and appends it.
    pub fn push_str(&mut self, text: &str) {
        encode_into(&mut self.0, text);
    }

    /// Appends what is encoded already.
    pub fn push(&mut self, other: &QuotedPrintable) {
        self.0.extend_from_slice(&other.0);
    }

    /// Appends what is encoded already, with `marks`, ranges in its text in order and apart, each set between two pieces.
    /// Returns how many marks there were.
    pub fn push_marked(
        &mut self,
        text: &Stretchable,
        marks: impl Iterator<Item = Range<usize>>,
        [open, close]: [&QuotedPrintable; 2],
    ) -> usize {
        let (mut at, mut count) = (0, 0);
        for mark in marks {
            self.push_stretch(text, at..mark.start);
            self.push(open);
            self.push_stretch(text, mark.clone());
            self.push(close);
            (at, count) = (mark.end, count + 1);
        }
        self.push_stretch(text, at..text.len());
        count
    }

    /// Appends a stretch of a text, which begins and ends at the start of a line wherever it did so before.
    fn push_stretch(&mut self, text: &Stretchable, range: Range<usize>) {
        let (mut from, to) = (text.places[range.start] as usize, text.places[range.end] as usize);
        let encoded = &text.encoded.0;
        // What was in the midst of a line may not begin one.
        while from < to && (encoded[from] == b'.' || encoded[from..to].starts_with(b"From ")) {
            escape(&mut self.0, encoded[from]);
            self.0.extend_from_slice(SOFT_BREAK);
            from += 1;
        }
        self.0.extend_from_slice(&encoded[from..to]);
        if from < to && encoded[to - 1] != b'\n' {
            self.0.extend_from_slice(SOFT_BREAK);
        }
    }

    /// A writer at the end of a text needs no soft break at its end, which lets pieces join.
    pub fn whole(&self) -> &[u8] {
        self.0.strip_suffix(SOFT_BREAK).unwrap_or(&self.0)
    }

    /// Octets of the encoded form, the ones that Gmail counts before it clips.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps the first so many octets, which end where a line ends.
    pub fn truncate(&mut self, octets: usize) {
        self.0.truncate(octets);
    }
}

impl From<&str> for QuotedPrintable {
    fn from(text: &str) -> Self {
        Self::encode(text)
    }
}

impl From<String> for QuotedPrintable {
    fn from(text: String) -> Self {
        Self::encode(&text)
    }
}

/// An encoded text any stretch of which can be copied.
#[derive(Clone, Debug, Default)]
pub struct Stretchable {
    encoded: QuotedPrintable,
    /// By byte of the text, and once more for its end: where it is in the encoded form.
    places: Vec<u32>,
}

impl Stretchable {
    /// Encodes a text of one line, each character as `written` has it: `&amp;` for `&`, say.
    pub fn new(text: &str, written: impl Fn(&str) -> String) -> Self {
        let mut encoded = Vec::with_capacity(text.len() + text.len() / 16 + 16);
        let mut places = Vec::with_capacity(text.len() + 1);
        let mut column = 0;
        for (at, character) in text.char_indices() {
            let written =
                if character.is_ascii_control() { String::new() } else { written(character.encode_utf8(&mut [0; 4])) };
            let width: usize = written.bytes().map(|byte| if LITERAL[byte as usize] { 1 } else { 3 }).sum();
            if column + width > WIDTH {
                encoded.extend_from_slice(SOFT_BREAK);
                column = 0;
            }
            places.resize(at + character.len_utf8(), encoded.len() as u32);
            let is_unfit = column == 0 && (character == '.' || text[at..].starts_with("From "));
            for byte in written.bytes() {
                if LITERAL[byte as usize] && !is_unfit {
                    encoded.push(byte);
                    column += 1;
                } else {
                    column += escape(&mut encoded, byte);
                }
            }
        }
        places.push(encoded.len() as u32);
        if column > 0 {
            encoded.extend_from_slice(SOFT_BREAK);
        }
        Self { encoded: QuotedPrintable(encoded), places }
    }

    /// Bytes of the text.
    pub fn len(&self) -> usize {
        self.places.len() - 1
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Octets that it takes in memory, about.
    pub fn weight(&self) -> usize {
        self.encoded.len() + size_of_val(self.places.as_slice())
    }
}

/// Characters of a line before its soft break's `=`.
const WIDTH: usize = 75;

/// What ends a line whose text goes on (RFC 2045 section 6.7, rule 5).
const SOFT_BREAK: &[u8] = b"=\r\n";

/// The bytes that stand for themselves: printable ASCII less `=`, and the space and tab that no line end follows.
const LITERAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b' ';
    while byte < 0x7F {
        table[byte as usize] = byte != b'=';
        byte += 1;
    }
    table[b'\t' as usize] = true;
    table
};

/// Appends `text` to `out`, which stands at the start of a line and does so again afterwards: a text without a final
/// line end ends in a soft break.
fn encode_into(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut column = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if column == 0 && (byte == b'.' || bytes[at..].starts_with(b"From ")) {
            column += escape(out, byte);
            at += 1;
        }
        let rest = &bytes[at..];
        let room = rest.len().min(WIDTH - column);
        let run = literals(&rest[..room]);
        out.extend_from_slice(&rest[..run]);
        column += run;
        at += run;
        match bytes.get(at) {
            None => break,
            Some(b'\n' | b'\r') => {
                escape_final_blank(out, column);
                out.extend_from_slice(b"\r\n");
                at += if bytes[at..].starts_with(b"\r\n") { 2 } else { 1 };
                column = 0;
            }
            Some(0..0x20 | 0x7F) if bytes[at] != b'\t' => at += 1,
            Some(&byte) => {
                let literal = LITERAL[byte as usize];
                let octets = if literal { 1 } else { character_len(byte) };
                if column + if literal { 1 } else { 3 * octets } > WIDTH {
                    out.extend_from_slice(SOFT_BREAK);
                    column = 0;
                } else {
                    column += bytes[at..at + octets].iter().map(|&b| escape(out, b)).sum::<usize>();
                    at += octets;
                }
            }
        }
    }
    if column > 0 {
        escape_final_blank(out, column);
        out.extend_from_slice(SOFT_BREAK);
    }
}

/// How many of these bytes stand for themselves, from the first on.
fn literals(bytes: &[u8]) -> usize {
    let (chunks, _) = bytes.as_chunks::<16>();
    let all = |chunk: &&[u8; 16]| chunk.iter().fold(true, |all, &b| all & (b' '..0x7F).contains(&b) & (b != b'='));
    let whole = 16 * chunks.iter().take_while(all).count();
    whole + bytes[whole..].iter().position(|&b| !LITERAL[b as usize]).unwrap_or(bytes.len() - whole)
}

/// Octets of the UTF-8 character that begins with this one.
fn character_len(first: u8) -> usize {
    match first {
        0..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0.. => 4,
    }
}

/// Writes `=XX`; its width.
fn escape(out: &mut Vec<u8>, byte: u8) -> usize {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(&[b'=', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    3
}

/// A space or tab at the end of a line is lost on the way (rule 3): it is written as an escape, on a line of its own
/// when this one has no room.
fn escape_final_blank(out: &mut Vec<u8>, column: usize) {
    if column > 0
        && let Some(&blank @ (b' ' | b'\t')) = out.last()
    {
        out.pop();
        if column + 2 > WIDTH {
            out.extend_from_slice(SOFT_BREAK);
        }
        escape(out, blank);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(text: &str) -> String {
        String::from_utf8(QuotedPrintable::encode(text).0).expect("ASCII")
    }

    /// A decoder as simple as can be: the oracle.
    fn decoded(encoded: &QuotedPrintable) -> String {
        let text = String::from_utf8(encoded.0.clone()).expect("ASCII").replace("=\r\n", "");
        let mut out = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, tail @ ..] = rest {
            if *first == b'=' {
                let hex = std::str::from_utf8(&tail[..2]).expect("two digits");
                out.push(u8::from_str_radix(hex, 16).expect("hexadecimal"));
                rest = &tail[2..];
            } else {
                out.push(*first);
                rest = tail;
            }
        }
        String::from_utf8(out).expect("UTF-8").replace("\r\n", "\n")
    }

    /// Complains of lines that the module's page forbids.
    fn check_lines(encoded: &QuotedPrintable) -> Result<(), TestCaseError> {
        let lines = std::str::from_utf8(&encoded.0).expect("ASCII");
        prop_assert!(lines.is_empty() || lines.ends_with("\r\n"));
        for line in lines.split("\r\n") {
            prop_assert!(line.len() <= 76 && !line.starts_with('.') && !line.starts_with("From "), "{line:?}");
            prop_assert!(!line.ends_with([' ', '\t']), "{line:?}");
            prop_assert!(line.bytes().all(|b| (b' '..0x7F).contains(&b) || b == b'\t'), "{line:?}");
        }
        Ok(())
    }

    #[test]
    fn the_rules_of_rfc_2045_hold() {
        for (text, expected) in [
            ("", ""),
            ("a\n", "a\r\n"),
            ("a", "a=\r\n"),
            ("1 = 2\r\n", "1 =3D 2\r\n"),
            ("é€\n", "=C3=A9=E2=82=AC\r\n"),
            ("blank \ntab\t\n", "blank=20\r\ntab=09\r\n"),
            (" ", "=20=\r\n"),
            (".\n..a\n", "=2E\r\n=2E.a\r\n"),
            ("From me\nFrom: you\n", "=46rom me\r\nFrom: you\r\n"),
            ("a\rb\r\nc\n\n", "a\r\nb\r\nc\r\n\r\n"),
            ("a\u{0}\u{7}\u{7f}b\n", "ab\r\n"),
        ] {
            assert_eq!(encoded(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_long_line_breaks_softly_and_between_characters() {
        let text = encoded(&format!("{}é.\n", "x".repeat(72)));
        assert_eq!(text, format!("{}=\r\n=C3=A9.\r\n", "x".repeat(72)));
        let text = encoded(&format!("{}.b\n", "x".repeat(75)));
        assert_eq!(text, format!("{}=\r\n=2Eb\r\n", "x".repeat(75)), "the dot begins a line");
    }

    #[test]
    fn what_stood_in_the_midst_of_a_line_is_cut_out_as_if_it_had_begun_one() {
        let text = Stretchable::new(&format!("{}..From b", "x".repeat(50)), str::to_owned);
        let mut out = QuotedPrintable::default();
        out.push_stretch(&text, 50..53);
        out.push_stretch(&text, 52..57);
        assert_eq!(String::from_utf8(out.0).expect("ASCII"), "=2E=\r\n=2E=\r\nF=\r\n=46=\r\nrom =\r\n");
    }

    proptest! {
        #[test]
        fn any_pieces_join_to_the_joined_text(pieces in prop::collection::vec("[ -~\té€𝄞\n.=F]{0,90}|(From |\\.| ){1,40}", 0..5)) {
            let mut joined = QuotedPrintable::default();
            for (number, piece) in pieces.iter().enumerate() {
                match number % 2 {
                    0 => joined.push(&QuotedPrintable::encode(piece)),
                    _ => joined.push_str(piece),
                }
            }
            prop_assert_eq!(decoded(&joined), pieces.concat());
            check_lines(&joined)?;
        }

        #[test]
        fn any_stretches_can_be_marked(
            text in "[ -~é€𝄞.=F&]{0,200}|(From |\\.|&| ){1,60}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let html = |character: &str| character.replace('&', "&amp;").replace('"', "&quot;");
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| text.floor_char_boundary(cut.index(text.len() + 1))).collect();
            cuts.sort_unstable();
            let marks: Vec<Range<usize>> = cuts.chunks_exact(2).map(|cut| cut[0]..cut[1]).collect();
            let (open, close) = (QuotedPrintable::encode("<b a=\"1\">"), QuotedPrintable::encode("</b>"));
            let mut marked = QuotedPrintable::encode("before\n");
            let count = marked.push_marked(&Stretchable::new(&text, html), marks.iter().cloned(), [&open, &close]);
            prop_assert_eq!(count, marks.len());
            let (mut expected, mut at) = ("before\n".to_owned(), 0);
            for mark in marks {
                let part = |range: Range<usize>| html(&text[range]);
                expected.push_str(&format!("{}<b a=\"1\">{}</b>", part(at..mark.start), part(mark.clone())));
                at = mark.end;
            }
            prop_assert_eq!(decoded(&marked), expected + &html(&text[at..]));
            check_lines(&marked)?;
        }
    }
}
