//! Foreign text made safe to print: titles, names, answers of servers, lines of files.
//!
//! A title must not move the cursor, change colors, reverse the line or hide a part of it. Printable text has no
//! escape sequence, no control character except line feed and tab, and no invisible or bidirectional control. Joiners stay:
//! scripts need them. What a reader sees of honest text is unchanged.

use std::borrow::Cow;
use std::fmt::Write;

use crate::core::clean::visible;

/// The text without what does something to a terminal besides being read. Line feeds and tabs stay; other line ends and
/// spaces with an effect become spaces.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| shown(c) == Some(c)) {
        return Cow::Borrowed(text);
    }
    // A line end of two characters is one.
    Cow::Owned(text.replace("\r\n", "\n").chars().filter_map(shown).collect())
}

/// The same on one line, for a row of a list.
pub fn printable_line(text: &str) -> Cow<'_, str> {
    match printable(text) {
        text if !text.contains(['\n', '\t']) => text,
        text => Cow::Owned(text.replace(['\n', '\t'], " ")),
    }
}

/// JSON that prints like any text: inside its strings, what isn't printable is written as `\uXXXX`, so nothing is lost.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    if json.chars().all(|c| shown(c) == Some(c)) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if shown(c) == Some(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    Cow::Owned(out)
}

fn shown(c: char) -> Option<char> {
    match c {
        '\n' | '\t' => Some(c),
        '\u{2028}' | '\u{2029}' => Some(' '),
        c => visible(c).map(|c| if c.is_control() { ' ' } else { c }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_in_a_title_acts_on_the_terminal() {
        for (foreign, shown) in [
            ("Scaling laws", "Scaling laws"),
            ("\u{1b}[2J\u{1b}]0;owned\u{7}Scaling", "[2J]0;ownedScaling"),
            ("safe\u{202e}gnp.exe\u{202c}", "safegnp.exe"),
            ("a\u{9b}31mb", "a›31mb"),
            ("over\rwritten\u{8}", "over written"),
            ("two\r\nlines\u{2028}three\ttabs", "two\nlines three\ttabs"),
            ("na\u{200d}mes \u{928}\u{94d}\u{200d}ज 机器 é", "na\u{200d}mes \u{928}\u{94d}\u{200d}ज 机器 é"),
        ] {
            assert_eq!(printable(foreign), shown, "{foreign:?}");
        }
        assert_eq!(printable_line("two\nlines\tor three"), "two lines or three");
    }

    #[test]
    fn json_says_the_same_as_before() {
        let text = "\u{7f}\u{9b}\u{202e}\u{e0041}é\n";
        let json = serde_json::to_string(text).expect("JSON");
        let safe = printable_json(&json);
        assert_eq!(safe, "\"\\u007f\\u009b\\u202e\\udb40\\udc41é\\n\"");
        assert_eq!(serde_json::from_str::<String>(&safe).expect("JSON"), text);
    }

    proptest! {
        #[test]
        fn printable_text_has_no_controls_and_is_left_alone(foreign in "(\\PC|\\p{C}){0,30}") {
            let text = printable(&foreign).into_owned();
            prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{:?}", text);
            prop_assert!(matches!(printable(&text), Cow::Borrowed(_)), "{:?}", text);
        }
    }
}
