//! Staying below the size at which receivers clip a mail.
//!
//! Gmail shows about 102 KB of a message and hides the rest behind a link; what it counts depends on the encoding, so
//! both the bytes and their quoted-printable form (RFC 2045 section 6.7) have a limit. A title can be cut and an
//! abstract can go, but a chosen paper can't: [`fits`] says beforehand how many are certain to have room.

use chrono::NaiveDate;
use templates::{digest, text};

use super::{
    Chosen, MAX_AUTHORS, MAX_NAME, MAX_ORGANIZATION, MAX_QUERIES, MAX_QUERY, MAX_SIDE_LINK, MAX_TITLE, Section, card,
    excerpt,
};
use crate::core::paper::clean_text;

/// The most that either alternative takes, in bytes.
pub const MAX_BYTES: usize = 80_000;

/// The most that either alternative takes, in bytes, once it is quoted-printable.
pub const MAX_ENCODED: usize = 100_000;

/// What everything around the papers takes at most, less the extras that go first: both limits keep it free.
const FRAME_BYTES: usize = 18_000;
const FRAME_ENCODED: usize = 24_000;

/// What a card without an abstract takes beside the texts that the paper brings: tags, labels, numbers.
const CARD_TAGS: usize = 3_000;

/// What a byte of text becomes at most: `"` is written `&quot;`; a byte beyond ASCII is three when encoded.
const GROWTH: usize = 6;

/// What highlighting one term takes.
const MARK: usize = 110;

/// How many of the papers in `sections`, counted through in order, are certain to fit one digest, whatever the day, the
/// schedule or the sources add to it. At least 1, if there is any paper: a single one always fits.
pub fn fits(sections: &[Section<'_>]) -> usize {
    let papers = || sections.iter().flat_map(|section| section.papers.iter());
    let bound: usize = sections.iter().map(|section| CARD_TAGS + section.name.len() * GROWTH).sum::<usize>()
        + papers().map(upper_bound).sum::<usize>();
    if bound <= (MAX_BYTES - FRAME_BYTES).min(MAX_ENCODED - FRAME_ENCODED) {
        return papers().count();
    }
    measured(sections)
}

/// How many bytes `text` takes at most as quoted-printable with CRLF line breaks: every byte beyond printable ASCII,
/// every `=`, and a space, dot or `F` at the edge of a line, where encoders are careful, as three; and a soft break
/// after every 64, the least that fits into 76 without splitting a character.
pub fn quoted_printable_len(text: &str) -> usize {
    text.split('\n').map(encoded_line_len).sum()
}

/// Whether one alternative of a mail is within both limits.
pub(super) fn is_within_limits(alternative: &str) -> bool {
    alternative.len() <= MAX_BYTES && quoted_printable_len(alternative) <= MAX_ENCODED
}

fn encoded_line_len(line: &str) -> usize {
    const EDGES_AND_BREAK: usize = 2 + 2 + 2;
    const SOFT_BREAK: usize = 3;
    let escaped = line.bytes().filter(|&b| b == b'=' || !(b == b' ' || b.is_ascii_graphic())).count();
    let length = line.len() + 2 * escaped;
    length + length / 64 * SOFT_BREAK + EDGES_AND_BREAK
}

/// More than a paper's card without an abstract can take, from nothing but the lengths of its texts.
fn upper_bound(chosen: &Chosen<'_>) -> usize {
    let paper = &chosen.candidate.paper;
    let text = |text: &str, max_chars: usize| text.len().min(4 * max_chars + 3);
    let option = |part: &Option<String>, max_chars: usize| part.as_deref().map_or(0, |part| text(part, max_chars));
    let texts = text(&paper.title, MAX_TITLE)
        + paper.authors.iter().take(MAX_AUTHORS).map(|name| text(name, MAX_NAME)).sum::<usize>()
        + option(&paper.organization, MAX_ORGANIZATION)
        + chosen.reasons.queries.iter().take(MAX_QUERIES).map(|query| text(query, MAX_QUERY)).sum::<usize>()
        + option(&chosen.trend, MAX_NAME);
    let addresses = paper.url.len().min(templates::href::MAX_BYTES)
        + option(&paper.code, MAX_SIDE_LINK)
        + option(&paper.project, MAX_SIDE_LINK);
    let bound = CARD_TAGS + (texts + addresses) * GROWTH + chosen.reasons.title.len().min(MAX_TITLE) * MARK;
    // Soft line breaks: three bytes after every 64.
    bound + bound / 20
}

/// Renders card after card, without abstracts, until the room is used up.
fn measured(sections: &[Section<'_>]) -> usize {
    let (bytes, encoded) = (MAX_BYTES - FRAME_BYTES, MAX_ENCODED - FRAME_ENCODED);
    // Seen from so far away every day is told with its year.
    let today = NaiveDate::MIN;
    let (mut bytes_used, mut encoded_used, mut count) = (0, 0, 0);
    let mut take = |html: &str, text: &str| {
        bytes_used += html.len().max(text.len());
        encoded_used += quoted_printable_len(html).max(quoted_printable_len(text));
        bytes_used <= bytes && encoded_used <= encoded
    };
    for section in sections.iter().filter(|section| !section.papers.is_empty()) {
        let name = excerpt::clip(&clean_text(section.name), MAX_NAME);
        if !take(&digest::section_heading(&name), &text::section_heading(&name)) {
            return count.max(1);
        }
        for chosen in &section.papers {
            let card = card(chosen, today, 0);
            if !take(&digest::card(&card), &text::card(&card)) {
                return count.max(1);
            }
            count += 1;
        }
    }
    count
}
