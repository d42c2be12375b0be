//! Clean text: NFC, one space between words, nothing invisible. Sources call it on everything they read.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// `text` in NFC, white space (line breaks too) collapsed to single spaces, without control characters, bidi controls
/// and other invisible ones, trimmed. C1 controls are read as windows-1252, which is what they nearly always were; Gmail
/// cuts a mail off at a stray one.
pub fn clean_text(text: &str) -> String {
    if is_clean_ascii(text.as_bytes()) || is_clean(text) { text.to_owned() } else { cleaned(text) }
}

fn cleaned(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    // Before letters are put together, or one that hides between two pieces would keep them apart.
    for c in text.chars().filter_map(visible).nfc() {
        if c.is_whitespace() {
            gap = true;
        } else {
            if gap && !out.is_empty() {
                out.push(' ');
            }
            gap = false;
            out.push(c);
        }
    }
    out
}

/// What is to be seen of a character: a C1 control as it was meant, and nothing of controls and invisible ones.
pub(in crate::core) fn visible(c: char) -> Option<char> {
    let c = windows_1252(c);
    (c.is_whitespace() || !(c.is_control() || is_invisible(c))).then_some(c)
}

/// Whether the text is printable ASCII whose spaces are alone and inside: nearly all texts, and none to clean.
fn is_clean_ascii(text: &[u8]) -> bool {
    let inside = text.first() != Some(&b' ') && text.last() != Some(&b' ');
    // Without a branch in the loops, which makes them vector instructions.
    let other = text.iter().fold(false, |other, byte| other | !matches!(byte, b' '..=b'~'));
    let pairs = text.iter().zip(text.get(1..).unwrap_or_default());
    inside && !pairs.fold(other, |other, (a, b)| other | ((*a == b' ') & (*b == b' ')))
}

/// Whether the text is as [`cleaned`] would leave it, as far as one look at each character tells: most of the others.
fn is_clean(text: &str) -> bool {
    let mut is_gap = true;
    let has_changes = text.chars().any(|c| {
        let was_gap = std::mem::replace(&mut is_gap, c.is_whitespace());
        visible(c) != Some(c) || is_gap && (was_gap || c != ' ')
    });
    !has_changes && !is_gap && is_nfc_quick(text.chars()) == IsNormalized::Yes
}

/// Characters that show nothing but reorder, hide or tag text: bidi controls, zero-width ones (joiners stay: scripts
/// need them), tags, interlinear annotation and the byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}'
        | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E007F}')
}

/// A C1 control read as the windows-1252 character of the same byte.
fn windows_1252(c: char) -> char {
    const TABLE: [char; 32] = [
        '€', ' ', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', ' ', 'Ž', ' ', ' ', '‘', '’', '“', '”', '•',
        '–', '—', '˜', '™', 'š', '›', 'œ', ' ', 'ž', 'Ÿ',
    ];
    match c {
        '\u{85}' => ' ',
        '\u{80}'..='\u{9F}' => TABLE[c as usize - 0x80],
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_taken_for_clean_is_clean(text in "[ -~]{0,40}|[ a]{0,6}|[ -~\t\n\u{7F}é]{0,20}|[ aé…e\u{301}\u{327}\u{85}\u{96}\u{A0}\u{200B}\u{200D}\u{2028}\u{212B}각\u{1100}\u{1161}]{0,8}|.{0,8}") {
            prop_assert_eq!(clean_text(&text), cleaned(&text));
        }
    }

    #[test]
    fn cleaning_folds_breaks_and_drops_what_cannot_be_seen() {
        assert_eq!(clean_text(" Serving with\n  PagedAttention\t"), "Serving with PagedAttention");
        assert_eq!(clean_text("a\u{202E}b\u{200B}c\u{0}d"), "abcd");
        assert_eq!(clean_text("it\u{92}s"), "it’s");
        assert_eq!(clean_text("e\u{301}"), "é");
        assert_eq!(clean_text("e\u{200B}\u{301}"), "é");
    }
}
