//! A digest as plain text.
//!
//! It says what the HTML says and holds the same addresses. Written for eyes and for screen readers: lines of at most
//! [`WIDTH`] columns, an address alone on its line and never broken, no rules or boxes of punctuation; a paper's title
//! stands at the margin and the rest of it is indented.

use crate::digest::{ALSO, Brief, Card, Contact, Digest, Run, TOLD, TOLD_LEAD, contacts, counted, told_more, waiting};

/// The longest line, in columns; wide (East Asian) characters take two. Only an address or a longer word goes beyond.
pub const WIDTH: usize = 72;

const INDENT: &str = "  ";

/// The digest as one text, lines ended by `\n`.
pub fn text(digest: &Digest) -> String {
    let mut out = head(digest);
    for section in &digest.sections {
        out.push_str(&section_heading(&section.name));
        for paper in &section.cards {
            out.push_str(&card(paper));
        }
    }
    out.push_str(&tail(digest));
    out
}

/// Everything above the first section.
pub fn head(digest: &Digest) -> String {
    let mut out = String::new();
    wrap(&mut out, &format!("{}, {}", digest.masthead, digest.date), "");
    wrap(&mut out, &digest.heading, "");
    if let Some(lead) = &digest.lead {
        out.push('\n');
        wrap(&mut out, lead, "");
    }
    out
}

/// The heading of a section; nothing for a section without a name.
pub fn section_heading(name: &str) -> String {
    let mut out = String::new();
    if !name.is_empty() {
        out.push_str("\n\n");
        wrap(&mut out, &format!("{name}:"), "");
    }
    out
}

/// One paper. Its parts, in this order, hang on different things; each ends a line.
pub fn card(card: &Card) -> String {
    [card_paper(card), card_reasons(card), card_links(card)].concat()
}

/// The paper itself: title, facts, abstract.
pub fn card_paper(card: &Card) -> String {
    let mut out = String::from("\n\n");
    wrap(&mut out, &joined(&card.title), "");
    if let Some(href) = &card.href {
        address(&mut out, "", href.as_str());
    }
    let byline: Vec<&str> = [card.authors.as_str(), card.organization.as_deref().unwrap_or_default()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    wrap(&mut out, &byline.join(" · "), INDENT);
    wrap(&mut out, &numbers(card), INDENT);
    if !card.abstract_text.is_empty() {
        out.push('\n');
        wrap(&mut out, &joined(&card.abstract_text), INDENT);
    }
    out
}

/// Why a paper is there.
pub fn card_reasons(card: &Card) -> String {
    let mut out = String::new();
    if !card.because.is_empty() {
        let more = match card.because_more {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        out.push('\n');
        wrap(&mut out, &format!("Because it matches {}{more}", card.because.join(", ")), INDENT);
    }
    out
}

/// Its further links.
pub fn card_links(card: &Card) -> String {
    let mut out = String::new();
    if card.code.is_some() || card.project.is_some() {
        out.push('\n');
    }
    if let Some(code) = &card.code {
        let stars = code.stars.map(|stars| format!(" ({})", counted(stars, "star"))).unwrap_or_default();
        address(&mut out, &format!("Code{stars}: "), code.href.as_str());
    }
    if let Some(project) = &card.project {
        address(&mut out, "Project page: ", project.as_str());
    }
    out
}

/// Everything below the last section.
pub fn tail(digest: &Digest) -> String {
    let mut out = waiting_line(digest.waiting);
    if !digest.told.is_empty() {
        out.push_str(&told_heading());
        digest.told.iter().for_each(|one| out.push_str(&brief(one)));
        out.push_str(&told_end(digest.told_more));
    }
    out.push_str(&notes(&digest.notes));
    if !digest.also.is_empty() {
        out.push_str(&also_heading());
        digest.also.iter().for_each(|one| out.push_str(&brief(one)));
    }
    out + &foot(digest)
}

/// What waits; nothing when nothing does.
pub fn waiting_line(count: usize) -> String {
    let mut out = String::new();
    if count > 0 {
        out.push_str("\n\n");
        wrap(&mut out, &waiting(count), "");
    }
    out
}

/// The heading of papers that will not come.
pub fn told_heading() -> String {
    let mut out = section_heading(TOLD);
    wrap(&mut out, TOLD_LEAD, "");
    out
}

/// What is below their titles; nothing when all are named.
pub fn told_end(more: usize) -> String {
    let mut out = String::new();
    if more > 0 {
        out.push('\n');
        wrap(&mut out, &told_more(more), "");
    }
    out
}

/// Sentences about what else will not come.
pub fn notes(notes: &[String]) -> String {
    let mut out = String::new();
    for note in notes {
        out.push_str("\n\n");
        wrap(&mut out, note, "");
    }
    out
}

/// The heading of what trends as well.
pub fn also_heading() -> String {
    section_heading(ALSO)
}

/// A paper that does.
pub fn brief(brief: &Brief) -> String {
    let mut out = String::from("\n");
    let votes = brief.upvotes.map(|votes| format!(" · {}", counted(votes, "upvote"))).unwrap_or_default();
    wrap(&mut out, &format!("{}{votes}", brief.title), "");
    if let Some(href) = &brief.href {
        address(&mut out, "", href.as_str());
    }
    out
}

/// What is at the end: the sources, why the mail came, how to change or to stop it.
pub fn foot(digest: &Digest) -> String {
    let mut out = String::from("\n\n");
    for source in &digest.sources {
        wrap(&mut out, &format!("{}: {}", source.name, source.state), "");
    }
    if !digest.sources.is_empty() {
        out.push('\n');
    }
    wrap(&mut out, &digest.why, "");
    for (contact, label) in contacts(digest) {
        match contact {
            Contact::Link(href) => {
                wrap(&mut out, &format!("{label}:"), "");
                address(&mut out, "", href.as_str());
            }
            Contact::Words(words) => wrap(&mut out, words, ""),
        }
    }
    out
}

/// An address, whole, at the end of an indented line of its own.
pub(crate) fn address(out: &mut String, label: &str, href: &str) {
    for part in [INDENT, label, href, "\n"] {
        out.push_str(part);
    }
}

/// Appends `text` in lines of at most [`WIDTH`] columns, each begun by `indent` and ended by a line break; nothing when
/// it is blank. Lines break at white space and beside wide characters, but not before a closing mark.
pub(crate) fn wrap(out: &mut String, text: &str, indent: &str) {
    // Of the line that is begun; 0 before the first word.
    let mut columns = 0;
    for word in text.split_whitespace() {
        for (i, piece) in pieces(word).enumerate() {
            let width = width_of(piece);
            let gap = usize::from(i == 0);
            if columns == 0 || columns + gap + width > WIDTH {
                out.push_str(if columns == 0 { "" } else { "\n" });
                out.push_str(indent);
                columns = indent.len();
            } else if gap > 0 {
                out.push(' ');
                columns += 1;
            }
            out.push_str(piece);
            columns += width;
        }
    }
    if columns > 0 {
        out.push('\n');
    }
}

/// A word cut where a line may break inside it: around wide characters.
fn pieces(word: &str) -> impl Iterator<Item = &str> {
    // Nearly all words.
    let is_narrow = word.is_ascii();
    let mut rest = word;
    std::iter::from_fn(move || {
        if is_narrow {
            return Some(std::mem::take(&mut rest)).filter(|whole| !whole.is_empty());
        }
        let mut chars = rest.char_indices();
        let (_, mut before) = chars.next()?;
        let cut = chars.find_map(|(i, c)| {
            let breaks = (is_wide(before) || is_wide(c)) && !is_closing(c) && !is_opening(before);
            before = c;
            breaks.then_some(i)
        });
        let (piece, tail) = rest.split_at(cut.unwrap_or(rest.len()));
        rest = tail;
        Some(piece)
    })
}

/// In columns.
fn width_of(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum() }
}

/// The blocks of Unicode's East Asian Width that are wide as a whole (UAX #11), near enough for breaking lines.
fn is_wide(c: char) -> bool {
    matches!(c,
        '\u{1100}'..='\u{115F}' | '\u{2E80}'..='\u{A4CF}' | '\u{AC00}'..='\u{D7A3}' | '\u{F900}'..='\u{FAFF}'
        | '\u{FE30}'..='\u{FE4F}' | '\u{FF00}'..='\u{FF60}' | '\u{FFE0}'..='\u{FFE6}' | '\u{1F300}'..='\u{1FAFF}'
        | '\u{20000}'..='\u{3FFFD}')
}

fn is_closing(c: char) -> bool {
    matches!(
        c,
        '.' | ','
            | ';'
            | ':'
            | '!'
            | '?'
            | ')'
            | ']'
            | '。'
            | '，'
            | '、'
            | '；'
            | '：'
            | '！'
            | '？'
            | '）'
            | '」'
            | '』'
            | '】'
            | '》'
    )
}

fn is_opening(c: char) -> bool {
    matches!(c, '(' | '[' | '（' | '「' | '『' | '【' | '《')
}

fn joined(runs: &[Run]) -> String {
    runs.iter().map(|run| run.text.as_str()).collect()
}

fn numbers(card: &Card) -> String {
    let votes = card.upvotes.map(|upvotes| {
        let trend = card.trend.as_ref().map(|trend| format!(", {trend}")).unwrap_or_default();
        counted(upvotes, "upvote") + &trend
    });
    let known = [
        votes,
        card.comments.map(|comments| counted(comments, "comment")),
        card.listed.as_ref().map(|day| format!("listed {day}")),
    ];
    known.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrapped(text: &str, indent: &str) -> String {
        let mut out = String::new();
        wrap(&mut out, text, indent);
        out
    }

    #[test]
    fn lines_break_at_spaces_and_between_wide_characters() {
        assert_eq!(
            wrapped(&"word ".repeat(20), "  ").lines().next(),
            Some("  word word word word word word word word word word word word word word")
        );
        assert_eq!(wrapped("", "  "), "");
        let wide = wrapped(&"論文".repeat(30), "");
        assert_eq!(wide.lines().map(|line| line.chars().count()).collect::<Vec<_>>(), [36, 24]);
        let closing = wrapped(&("論".repeat(36) + "。終"), "");
        assert_eq!(closing.lines().nth(1), Some("論。終"), "a full stop never begins a line");
    }

    proptest! {
        #[test]
        fn wrapping_loses_no_character_and_keeps_lines_short(text in "[a-z論。， ]{0,300}") {
            let out = wrapped(&text, "  ");
            let visible = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(visible(&out), visible(&text));
            for line in out.lines() {
                let columns = width_of(line);
                prop_assert!(columns <= WIDTH || pieces(line.trim()).count() == 1, "{}", line);
            }
        }
    }
}
