//! Letters as LaTeX writes them: with accents, as `\"o` and `\v{C}`, or by a name, as in `S\o{}rensen` and `$\epsilon$`.
//!
//! Accents are taken off, as they are everywhere; a Greek letter alone is its English name.

/// Commands that put an accent on the letter after them. A sign needs nothing between; a name needs a brace or a space.
const ACCENTS: [&str; 15] = ["\"", "'", "`", "^", "~", "=", ".", "b", "c", "d", "H", "k", "r", "u", "v"];

/// A letter at the start of `text` that is a command, in braces or not: what it is read as, and the bytes that it takes.
pub(super) fn letter(text: &str) -> Option<(&str, usize)> {
    let braced = text.strip_prefix('{');
    let command = braced.unwrap_or(text).strip_prefix('\\')?;
    let length = match command.bytes().take_while(u8::is_ascii_alphabetic).count() {
        0 => command.chars().next()?.len_utf8(),
        letters => letters,
    };
    let (name, rest) = command.split_at(length);
    let (letter, rest) = match named(name) {
        Some(letters) => (letters, after_name(rest)),
        None => accented(name, rest)?,
    };
    let rest = if braced.is_some() { rest.strip_prefix('}')? } else { rest };
    Some((letter, text.len() - rest.len()))
}

/// The letter that an accent of this name stands on, and what follows it.
fn accented<'a>(name: &str, rest: &'a str) -> Option<(&'a str, &'a str)> {
    if !ACCENTS.contains(&name) {
        return None;
    }
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

/// What a letter with a name is read as.
fn named(name: &str) -> Option<&'static str> {
    Some(match name {
        "o" | "O" => "o",
        "l" | "L" => "l",
        "i" => "i",
        "j" => "j",
        "aa" | "AA" => "a",
        "ae" | "AE" => "ae",
        "oe" | "OE" => "oe",
        "ss" => "ss",
        "dh" | "DH" | "dj" | "DJ" => "d",
        "th" | "TH" => "th",
        "ng" | "NG" => "ng",
        _ => return None,
    })
}

/// `word` with its letters written out.
pub(super) fn written_out(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        match letter(rest) {
            Some((letters, length)) => {
                out.push_str(letters);
                rest = &rest[length..];
            }
            None => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

const GREEK: [(&str, &str); 24] = [
    ("α", "alpha"),
    ("β", "beta"),
    ("γ", "gamma"),
    ("δ", "delta"),
    ("ε", "epsilon"),
    ("ζ", "zeta"),
    ("η", "eta"),
    ("θ", "theta"),
    ("ι", "iota"),
    ("κ", "kappa"),
    ("λ", "lambda"),
    ("μ", "mu"),
    ("ν", "nu"),
    ("ξ", "xi"),
    ("ο", "omicron"),
    ("π", "pi"),
    ("ρ", "rho"),
    ("σ", "sigma"),
    ("τ", "tau"),
    ("υ", "upsilon"),
    ("φ", "phi"),
    ("χ", "chi"),
    ("ψ", "psi"),
    ("ω", "omega"),
];

/// The English name of a lower-case Greek letter.
pub(super) fn greek_name(letter: &str) -> Option<&'static str> {
    GREEK.iter().find(|(greek, _)| *greek == letter).map(|(_, name)| *name)
}

/// The English name of the Greek letter that a command is: `\epsilon`, `\varepsilon`, `\Omega`.
pub(super) fn greek(command: &str) -> Option<&'static str> {
    let name = command.strip_prefix('\\')?.trim_start_matches("var");
    GREEK.iter().find(|(_, greek)| greek.eq_ignore_ascii_case(name)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_read_and_other_commands_are_not() {
        for (text, expected) in [
            (r#"\"oder"#, Some(("o", 3))),
            (r"\'{e}e", Some(("e", 5))),
            (r#"{\"o}"#, Some(("o", 5))),
            (r"\v{C}ech", Some(("C", 5))),
            (r"{\v C}", Some(("C", 6))),
            (r"\H os", Some(("o", 4))),
            (r"\c{c}", Some(("c", 5))),
            (r"\'{\i}a", Some(("i", 6))),
            (r"\'\i", Some(("i", 4))),
            (r"\o{}rensen", Some(("o", 4))),
            (r"\o rensen", Some(("o", 3))),
            (r"{\o}rensen", Some(("o", 4))),
            (r"\aa", Some(("a", 3))),
            (r"\ss", Some(("ss", 3))),
            (r"\omega", None),
            (r"\in x", None),
            (r"\'{\int}", None),
            (r"\v{vec}", None),
            (r"\vec", None),
            (r"\v", None),
            (r"\mathcal{O}", None),
            (r"{\bf x}", None),
            (r"{\o x}", None),
            (r"\", None),
            (r"\é", None),
            ("o", None),
        ] {
            assert_eq!(letter(text), expected, "{text}");
        }
    }
}
