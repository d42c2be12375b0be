//! From a place inside a string's value back to the place in the TOML file that wrote it.

use std::ops::Range;

/// Maps bytes of the decoded `value` to bytes of the TOML `literal` that was decoded, quotes and all. Exact through
/// escapes, trimmed line ends and all four kinds of string (TOML 1.1, section "String"). An empty range stays empty;
/// one at the end of the value maps to the closing quote.
pub(super) fn locate(literal: &str, value: &str, inside: Range<usize>) -> Range<usize> {
    let quotes = if literal.starts_with("\"\"\"") || literal.starts_with("'''") { 3 } else { 1 };
    let has_escapes = literal.starts_with('"');
    let closing = literal.len().saturating_sub(quotes);
    let mut at = quotes;
    if quotes == 3 {
        // A newline right after the opening quotes is no part of the value.
        let newline = ["\r\n", "\n"].into_iter().find(|newline| literal[at..].starts_with(newline));
        at += newline.map_or(0, str::len);
    }

    let mut start = None;
    let mut end = None;
    let mut last_end = at;
    for (decoded, c) in value.char_indices() {
        if end.is_none() && decoded >= inside.end {
            end = Some(last_end);
        }
        while has_escapes && let Some(length) = literal.get(at..closing).and_then(line_continuation) {
            at += length;
        }
        if start.is_none() && decoded >= inside.start {
            start = Some(at);
        }
        let Some(written) = literal.get(at..closing) else { break };
        at += if has_escapes && written.starts_with('\\') {
            escape_length(written)
        } else if c == '\n' && written.starts_with("\r\n") {
            2
        } else {
            c.len_utf8()
        };
        last_end = at;
    }
    let start = start.unwrap_or(closing).min(closing);
    start..end.unwrap_or(last_end).clamp(start, closing)
}

/// The length of a backslash at a line's end with all the white space it swallows.
fn line_continuation(written: &str) -> Option<usize> {
    let after = written.strip_prefix('\\')?;
    let rest = after.trim_start_matches([' ', '\t', '\r', '\n']);
    after[..after.len() - rest.len()].contains('\n').then(|| written.len() - rest.len())
}

/// The length of the escape sequence that `written` begins with.
fn escape_length(written: &str) -> usize {
    match written.as_bytes().get(1) {
        Some(b'x') => 4,
        Some(b'u') => 6,
        Some(b'U') => 10,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds `needle` in the decoded value of `literal` and says what the mapping points at in the literal.
    fn points_at<'a>(literal: &'a str, needle: &str) -> &'a str {
        let text = format!("a = {literal}");
        let document = toml_edit::Document::parse(text.as_str()).expect("valid TOML");
        let value = document["a"].as_str().expect("a string").to_owned();
        let start = value.find(needle).expect("the needle in the value");
        &literal[locate(literal, &value, start..start + needle.len())]
    }

    #[test]
    fn plain_strings_map_byte_for_byte() {
        assert_eq!(points_at("\"retrieval AND\"", "AND"), "AND");
        assert_eq!(points_at("'a \\ AND'", "AND"), "AND");
        assert_eq!(points_at("\"größe AND ü\"", "ü"), "ü");
    }

    #[test]
    fn escapes_are_walked_over_whole() {
        assert_eq!(points_at(r#""\"knowledge graph\" AND""#, "AND"), "AND");
        assert_eq!(points_at(r#""\"knowledge graph\" AND""#, "\"know"), r#"\"know"#);
        assert_eq!(points_at(r#""\x41\u00e9\U0001F600\t AND""#, "é"), r"\u00e9");
        assert_eq!(points_at(r#""\x41\u00e9\U0001F600\t AND""#, "AND"), "AND");
    }

    #[test]
    fn multi_line_strings_lose_their_first_newline_and_their_continuations() {
        assert_eq!(points_at("\"\"\"\nrag AND\n  x\"\"\"", "x"), "x");
        assert_eq!(points_at("\"\"\"\r\nrag AND\r\n  x\"\"\"", "x"), "x");
        assert_eq!(points_at("\"\"\"\\\n   rag \\\n\n   AND\"\"\"", "rag"), "rag");
        assert_eq!(points_at("\"\"\"\\\n   rag \\\n\n   AND\"\"\"", "AND"), "AND");
        assert_eq!(points_at("'''\nit's AND'''", "AND"), "AND");
    }

    #[test]
    fn the_end_of_the_value_is_the_closing_quote() {
        assert_eq!(locate("\"a AND\"", "a AND", 5..5), 6..6);
        assert_eq!(locate("\"\"", "", 0..0), 1..1);
        assert_eq!(locate(r#""a\n""#, "a\n", 2..2), 4..4);
        assert_eq!(locate("\"ab\"", "ab", 0..99), 1..3, "a span past the end is cut");
    }
}
