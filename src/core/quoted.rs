//! Quoted-printable text (RFC 2045 section 6.7), made to be joined.
//!
//! A [`QuotedPrintable`] begins and ends at the start of a line, so pieces encoded once (a paper's card) can be joined
//! by copying bytes: the join decodes to the joined texts, with no soft break to mend. Beyond the RFC it promises that
//! no line begins with a dot, so SMTP has nothing to stuff, nor with `From `, which mailbox files would quote and a
//! signature would not survive, and that no character is split over two lines.

use std::sync::Arc;

/// A text in quoted-printable: ASCII, CRLF line ends, lines of at most 76 characters. Clones and joins share its bytes.
#[derive(Clone, Debug, Default)]
pub struct QuotedPrintable {
    pieces: Vec<Arc<[u8]>>,
}

impl QuotedPrintable {
    /// Encodes a text. Its line ends (LF, CRLF or CR) become CRLF; other C0 controls but the tab are dropped, because
    /// nothing in a mail can mean them.
    pub fn encode(text: &str) -> Self {
        let mut encoded = Vec::with_capacity(text.len() + text.len() / 16 + 16);
        encode_into(&mut encoded, text);
        Self { pieces: if encoded.is_empty() { Vec::new() } else { vec![encoded.into()] } }
    }

    /// What is encoded already, one after another.
    pub fn joined<'a>(parts: impl Iterator<Item = &'a QuotedPrintable>) -> Self {
        Self { pieces: parts.flat_map(|part| part.pieces.iter().cloned()).collect() }
    }

    /// Appends the encoded bytes of a text that nothing follows: the soft break that lets pieces join has nothing to join
    /// with.
    pub fn write_whole(&self, out: &mut Vec<u8>) {
        self.pieces.iter().for_each(|piece| out.extend_from_slice(piece));
        if self.pieces.last().is_some_and(|last| last.ends_with(SOFT_BREAK)) {
            out.truncate(out.len() - SOFT_BREAK.len());
        }
    }

    /// Octets of the encoded form, the ones that Gmail counts before it clips.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
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
        String::from_utf8(QuotedPrintable::encode(text).pieces.concat()).expect("ASCII")
    }

    /// A decoder as simple as can be: the oracle.
    fn decoded(encoded: &QuotedPrintable) -> String {
        let text = String::from_utf8(encoded.pieces.concat()).expect("ASCII").replace("=\r\n", "");
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

    proptest! {
        #[test]
        fn any_pieces_join_to_the_joined_text(pieces in prop::collection::vec("[ -~\té€𝄞\n.=F]{0,90}|(From |\\.| ){1,40}", 0..5)) {
            let encoded: Vec<QuotedPrintable> = pieces.iter().map(|piece| QuotedPrintable::encode(piece)).collect();
            let joined = QuotedPrintable::joined(encoded.iter());
            prop_assert_eq!(decoded(&joined), pieces.concat());
            let lines = String::from_utf8(joined.pieces.concat()).expect("ASCII");
            prop_assert!(lines.is_empty() || lines.ends_with("\r\n"));
            for line in lines.split("\r\n") {
                prop_assert!(line.len() <= 76 && !line.starts_with('.') && !line.starts_with("From "), "{line:?}");
                prop_assert!(!line.ends_with([' ', '\t']), "{line:?}");
                prop_assert!(line.bytes().all(|b| (b' '..0x7F).contains(&b) || b == b'\t'), "{line:?}");
            }
        }
    }
}
