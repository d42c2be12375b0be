//! Letters as LaTeX writes them: with accents, as `\"o` and `\v{C}`, or by a name, as in `S\o{}rensen`.

/// Commands that put an accent on the letter after them, each with its combining character. A sign needs nothing between;
/// a name needs a brace or a space.
const ACCENTS: [(&str, char); 15] = [
    ("\"", '\u{308}'),
    ("'", '\u{301}'),
    ("`", '\u{300}'),
    ("^", '\u{302}'),
    ("~", '\u{303}'),
    ("=", '\u{304}'),
    (".", '\u{307}'),
    ("b", '\u{331}'),
    ("c", '\u{327}'),
    ("d", '\u{323}'),
    ("H", '\u{30B}'),
    ("k", '\u{328}'),
    ("r", '\u{30A}'),
    ("u", '\u{306}'),
    ("v", '\u{30C}'),
];

/// The letter that the command at the start of `text` makes, with its accent behind it, and the bytes that it takes.
pub(super) fn letter(text: &str) -> Option<(String, usize)> {
    let command = text.strip_prefix('\\')?;
    let length = match command.bytes().take_while(u8::is_ascii_alphabetic).count() {
        0 => command.chars().next()?.len_utf8(),
        letters => letters,
    };
    let (name, rest) = command.split_at(length);
    let (letter, rest) = match named(name) {
        Some(letter) => (letter.to_owned(), after_name(rest)),
        None => {
            let (_, accent) = ACCENTS.iter().find(|(command, _)| *command == name)?;
            let (letter, rest) = accented(name, rest)?;
            (format!("{letter}{accent}"), rest)
        }
    };
    Some((letter, text.len() - rest.len()))
}

/// The letter that an accent of this name stands on, and what follows it.
fn accented<'a>(name: &str, rest: &'a str) -> Option<(&'a str, &'a str)> {
    let braced = rest.strip_prefix('{');
    let is_sign = !name.starts_with(|c: char| c.is_ascii_alphabetic());
    let inner = match braced {
        Some(inner) => inner,
        None if is_sign => rest,
        None => rest.strip_prefix(' ')?,
    };
    // An i or a j gives up its dot to the accent: `\'{\i}`.
    let dotless = inner.strip_prefix('\\').filter(|letter| letter.starts_with(['i', 'j']));
    let letter = dotless.unwrap_or(inner);
    if !letter.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let (letter, after) = letter.split_at(1);
    if dotless.is_some() && after.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    Some((letter, if braced.is_some() { after.strip_prefix('}')? } else { after }))
}

/// What follows a command, without what ends it: a pair of braces, or the space before the rest of the word.
fn after_name(rest: &str) -> &str {
    let within = rest.strip_prefix(' ').filter(|word| word.starts_with(char::is_alphabetic));
    rest.strip_prefix("{}").or(within).unwrap_or(rest)
}

/// A letter with a name.
fn named(name: &str) -> Option<&'static str> {
    Some(match name {
        "o" => "ø",
        "O" => "Ø",
        "l" => "ł",
        "L" => "Ł",
        "i" => "ı",
        "j" => "ȷ",
        "aa" => "å",
        "AA" => "Å",
        "ae" => "æ",
        "AE" => "Æ",
        "oe" => "œ",
        "OE" => "Œ",
        "ss" => "ß",
        "dh" => "ð",
        "DH" => "Ð",
        "dj" => "đ",
        "DJ" => "Đ",
        "th" => "þ",
        "TH" => "Þ",
        "ng" => "ŋ",
        "NG" => "Ŋ",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_read_and_other_commands_are_not() {
        for (text, expected) in [
            (r#"\"oder"#, Some(("o\u{308}", 3))),
            (r"\'{e}e", Some(("e\u{301}", 5))),
            (r"\v{C}ech", Some(("C\u{30C}", 5))),
            (r"\H os", Some(("o\u{30B}", 4))),
            (r"\c{c}", Some(("c\u{327}", 5))),
            (r"\'{\i}a", Some(("i\u{301}", 6))),
            (r"\'\i", Some(("i\u{301}", 4))),
            (r"\o{}rensen", Some(("ø", 4))),
            (r"\o rensen", Some(("ø", 3))),
            (r"\aa", Some(("å", 3))),
            (r"\ss", Some(("ß", 3))),
            (r"\omega", None),
            (r"\in x", None),
            (r"\'{\int}", None),
            (r"\v{vec}", None),
            (r"\vec", None),
            (r"\v", None),
            (r"\mathcal{O}", None),
            (r"\", None),
            (r"\é", None),
            ("o", None),
        ] {
            let expected = expected.map(|(letter, length)| (letter.to_owned(), length));
            assert_eq!(letter(text), expected, "{text}");
        }
    }
}
