//! `docs/query-language.md` as `paperpost help queries` shows it: one text, so that the two never differ.
//!
//! A terminal wants lines of its own width and no pipes. Headings are set apart, tables become lists of terms, and
//! paragraphs are filled; of the rest of Markdown the document uses nothing.

use super::output;

const DOCUMENT: &str = include_str!("../../docs/query-language.md");

/// Columns of the text at most: what nearly every terminal has.
const WIDTH: usize = 80;

/// A table's first column is this wide, unless it needs more.
const TERM: usize = 28;

/// The document for a terminal.
pub(super) fn queries() -> String {
    plain(DOCUMENT, output::width().unwrap_or(WIDTH).clamp(2 * TERM, WIDTH))
}

fn plain(document: &str, width: usize) -> String {
    let mut out = String::new();
    let mut paragraph = String::new();
    let mut is_code = false;
    let mut lines = document.lines().peekable();
    while let Some(line) = lines.next() {
        let is_text = !is_code && !line.is_empty() && !line.starts_with(['#', '|', ' ']) && !line.starts_with("```");
        if is_text {
            paragraph += if paragraph.is_empty() { "" } else { " " };
            paragraph += line;
            continue;
        }
        fill(&mut out, &std::mem::take(&mut paragraph), 0, width);
        if line.starts_with("```") {
            is_code = !is_code;
        } else if is_code {
            out += &format!("  {line}\n");
        } else if let Some(heading) = line.strip_prefix('#') {
            out += &format!("{}\n", heading.trim_start_matches('#').trim().to_uppercase());
        } else if line.starts_with('|') {
            // The line after a table's head is dashes; the head says nothing that the terms don't.
            if lines.peek().is_some_and(|next| next.starts_with("|---")) {
                lines.next();
            } else {
                row(&mut out, line, width);
            }
        } else {
            out += line;
            out.push('\n');
        }
    }
    fill(&mut out, &paragraph, 0, width);
    out
}

/// A table's row as a term and what it means.
fn row(out: &mut String, line: &str, width: usize) {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let Some((term, meaning)) = cells.split_first() else { return };
    let meaning = meaning.join(" - ");
    let term = format!("  {term}");
    let length = term.chars().count();
    out.push_str(&term);
    if length >= TERM {
        out.push('\n');
    }
    let mut filled = String::new();
    fill(&mut filled, &meaning, TERM, width);
    // The first line goes on after the term.
    out.push_str(if length < TERM { &filled[length..] } else { &filled });
}

/// Appends the words, filled to lines that begin `indent` columns in.
fn fill(out: &mut String, words: &str, indent: usize, width: usize) {
    let mut column = 0;
    for word in words.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            out.push('\n');
            column = 0;
        }
        if column == 0 {
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    if column > 0 {
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_text_for_a_terminal() {
        let document = "# A title\nSome words\nin lines.\n\n## Terms\n| you write | it means |\n|---|---|\n| `a b` | both |\n\n```text\na   b\n```\n";
        let expected = "A TITLE\nSome words in lines.\n\nTERMS\n  `a b`                     both\n\n  a   b\n";
        assert_eq!(plain(document, WIDTH), expected);
    }

    #[test]
    fn no_line_is_wider_than_a_terminal_and_no_markup_is_left() {
        let text = queries();
        let wide: Vec<_> =
            text.lines().filter(|line| line.chars().count() > WIDTH && !line.starts_with("  ")).collect();
        assert_eq!(wide, [""; 0]);
        assert!(!text.lines().any(|line| line.starts_with(['#', '|']) || line.starts_with("```")), "{text}");
    }
}
