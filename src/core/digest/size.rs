//! Staying below the size at which receivers clip a mail.
//!
//! Gmail shows about 102 KB of a message and hides the rest behind a link; what it counts depends on the encoding, so
//! both the bytes and their quoted-printable form (RFC 2045 section 6.7) have a limit. A title can be cut and an
//! abstract can go, but a chosen paper can't: [`fits`] says beforehand how many are certain to have room.

use chrono::NaiveDate;
use templates::{digest, text};

use super::{
    Chosen, MAX_AUTHORS, MAX_NAME, MAX_ORGANIZATION, MAX_QUERIES, MAX_QUERY, MAX_SIDE_LINK, MAX_TITLE, Section, brief,
    card, excerpt,
};
use crate::core::candidate::Candidate;
use crate::core::clean::clean_text;
use crate::core::matching::{MAX_TERMS, Reasons};
use crate::core::subscription::Profile;
use crate::core::text::words;

/// The most that either alternative takes, in bytes.
pub const MAX_BYTES: usize = 80_000;

/// The most that either alternative takes, in bytes, once it is quoted-printable.
pub const MAX_ENCODED: usize = 100_000;

/// What everything around the papers takes at most, less the extras that go first: both limits keep it free.
const FRAME_BYTES: usize = 18_000;
const FRAME_ENCODED: usize = 24_000;

/// What a card without an abstract takes beside the texts that the paper brings: tags, labels, numbers.
const CARD_TAGS: usize = 1_600;

/// What a byte of text becomes at most: `"` is written `&quot;`; a byte beyond ASCII is three when encoded.
const GROWTH: usize = 6;

/// What highlighting one term takes.
const MARK: usize = 110;

/// What highlighting one term in a title takes, with its part of the line breaks.
const TITLE_MARK: usize = 60;

/// What a paragraph of reasons takes beside the keywords that it names, and a heading beside its name.
const REASONS_TAGS: usize = 500;
const HEADING_TAGS: usize = 700;

/// What is said around the titles of papers that will not come, and what the notes below them take.
const TOLD_TAGS: usize = 2_600;

/// The most that those titles take in all: a mail is for what comes.
const MAX_TOLD_ROOM: usize = 30_000;

/// The longest text of [`super::trend`], and more.
const TREND: &str = "+4,294,967,295 since Wednesday, 30 September, long ago";

/// How much of a mail something takes at most. A digest whose parts come to no more than a mail has room for needs not be
/// measured: see [`Room::is_enough`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    bytes: usize,
    encoded: usize,
}

impl Room {
    /// What a paper's card takes without an abstract and without the keywords that it names.
    pub fn of_card(candidate: &Candidate) -> Self {
        let chosen = Chosen { candidate, reasons: Reasons::default(), trend: Some(TREND.to_owned()) };
        let card = card(&chosen, NaiveDate::MIN, 0);
        let (html, text) = (digest::card(&card), text::card(&card));
        let reasons = REASONS_TAGS + words(&candidate.paper.title).len() * TITLE_MARK;
        Self {
            bytes: html.len().max(text.len()) + reasons,
            encoded: quoted_printable_len(&html).max(quoted_printable_len(&text)) + reasons,
        }
    }

    /// What a paper takes in one line, with its title.
    pub fn of_brief(candidate: &Candidate) -> Self {
        let brief = brief(candidate);
        let (html, text) = (digest::brief(&brief), text::brief(&brief));
        Self {
            bytes: html.len().max(text.len()),
            encoded: quoted_printable_len(&html).max(quoted_printable_len(&text)),
        }
    }

    /// Whether it is no more than another.
    pub fn is_within(self, other: Self) -> bool {
        self.bytes <= other.bytes && self.encoded <= other.encoded
    }

    /// Adds the heading of a section, see [`heading_room`].
    pub fn add_heading(&mut self, room: usize) {
        self.bytes += HEADING_TAGS + room;
        self.encoded += HEADING_TAGS + room;
    }

    /// Adds a card, and the room of the keywords that it names, see [`reasons_room`].
    pub fn add_card(&mut self, card: Room, reasons_room: usize) {
        self.bytes += card.bytes + reasons_room;
        self.encoded += card.encoded + reasons_room;
    }

    /// Whether a mail is certain to have it. Otherwise [`fits`] tells how much of it a mail has.
    pub fn is_enough(self) -> bool {
        self.bytes <= MAX_BYTES - FRAME_BYTES && self.encoded <= MAX_ENCODED - FRAME_ENCODED
    }
}

/// Bytes that a profile's name takes at most as a heading.
pub fn heading_room(profile: &Profile) -> usize {
    text_room(&clean_text(&profile.name))
}

/// Bytes that the keywords of a profile take at most in one card that names them.
pub fn reasons_room(profile: &Profile) -> usize {
    let mut rooms: Vec<usize> = profile
        .keywords
        .iter()
        .map(|keyword| {
            // The terms that make a paper close are not known yet: letters and what is between, escaped as need be.
            let of_terms =
                if keyword.query.liked().next().is_some() { text_room(&"é".repeat(MAX_TERMS / 2 + 4)) } else { 0 };
            text_room(&excerpt::clip(&keyword.query.to_string(), MAX_QUERY)) + of_terms
        })
        .collect();
    rooms.sort_unstable_by(|a, b| b.cmp(a));
    rooms.iter().take(MAX_QUERIES).sum()
}

/// Bytes that a short text takes at most, escaped, encoded and with its part of the line breaks.
fn text_room(text: &str) -> usize {
    let byte = |byte: u8| match byte {
        b'"' => "&quot;".len(),
        b'&' => "&amp;".len(),
        b'<' | b'>' => "&lt;".len(),
        b'=' => "=3D".len(),
        b' ' | b'!'..=b'~' => 1,
        _ => "=C3".len(),
    };
    text.bytes().map(byte).sum::<usize>() * 5 / 4 + 9
}

/// How many papers can be told by title, of those that take so much each, and what they take with what is said around them.
pub fn titles_with_room(titles: impl IntoIterator<Item = Room>) -> (usize, Room) {
    let mut room = Room { bytes: TOLD_TAGS, encoded: TOLD_TAGS };
    let mut count = 0;
    for title in titles {
        let more = Room { bytes: room.bytes + title.bytes, encoded: room.encoded + title.encoded };
        if !more.is_within(Room { bytes: MAX_TOLD_ROOM, encoded: MAX_TOLD_ROOM }) {
            break;
        }
        (count, room) = (count + 1, more);
    }
    (count, room)
}

/// How many of the papers in `sections`, counted through in order, are certain to fit one digest, whatever the day, the
/// schedule or the sources add to it, and whatever else takes the room of `beside`. At least 1, if there is any paper: a single
/// one always fits.
pub fn fits(sections: &[Section<'_>], beside: Room) -> usize {
    let papers = || sections.iter().flat_map(|section| section.papers.iter());
    let bound: usize = sections.iter().map(|section| CARD_TAGS + section.name.len() * GROWTH).sum::<usize>()
        + papers().map(upper_bound).sum::<usize>();
    let beside_of_both = beside.bytes.max(beside.encoded);
    if bound + beside_of_both <= (MAX_BYTES - FRAME_BYTES).min(MAX_ENCODED - FRAME_ENCODED) {
        return papers().count();
    }
    measured(sections, beside)
}

/// How many bytes `text` takes at most as quoted-printable with CRLF line breaks: every byte beyond printable ASCII,
/// every `=`, and a space, dot or `F` at the edge of a line, where encoders are careful, as three; and a soft break
/// after every 64, the least that fits into 76 without splitting a character.
pub fn quoted_printable_len(text: &str) -> usize {
    text.split('\n').map(encoded_line_len).sum()
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
fn measured(sections: &[Section<'_>], beside: Room) -> usize {
    let (bytes, encoded) = (MAX_BYTES - FRAME_BYTES, MAX_ENCODED - FRAME_ENCODED);
    // Seen from so far away every day is told with its year.
    let today = NaiveDate::MIN;
    let (mut bytes_used, mut encoded_used, mut count) = (beside.bytes, beside.encoded, 0);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::NaiveDate;
    use proptest::prelude::*;

    use super::*;
    use crate::core::digest::{Facts, SourceNote, compose, encode, render};
    use crate::core::paper::{Listing, Paper, PaperKey, SourceId};
    use crate::core::query::Query;
    use crate::core::subscription::{Keyword, Rank};
    use crate::core::zone::Zone;

    #[test]
    fn the_encoded_length_counts_every_escape_and_every_break() {
        let line = |length: usize| length + 6;
        assert_eq!(quoted_printable_len("plain text"), line(10));
        assert_eq!(quoted_printable_len("a=é\n"), line(1 + 3 + 6) + line(0));
        assert_eq!(quoted_printable_len(&"a".repeat(128)), line(128 + 2 * 3));
    }

    #[test]
    fn ordinary_papers_fit_without_being_rendered() {
        let mut candidate = candidate("A Title of Ordinary Length, as Most of Them Have One".into(), String::new());
        candidate.paper.authors = vec!["A. Author".into(); 8];
        let section = section(&candidate, 12);
        assert!(section.papers.iter().map(upper_bound).sum::<usize>() <= MAX_BYTES - FRAME_BYTES);
        assert_eq!(fits(&[section], Room::default()), 12);
    }

    #[test]
    fn twenty_ordinary_papers_are_certain_to_fit() {
        let title = "A Title of Ordinary Length, as Most of Them Have One, and a Subtitle".into();
        let mut candidate = candidate(title, String::new());
        candidate.paper.authors = vec!["A. Author".into(); 8];
        candidate.paper.organization = Some("Some University".into());
        candidate.paper.code = Some("https://example.org/somebody/something".into());
        let keywords = ["retrieval", "\"state space\"", "graph -survey", "title:agents"].map(Arc::from);
        let profile = profile("Search", &keywords);
        let mut room = Room::default();
        room.add_heading(heading_room(&profile));
        (0..20).for_each(|_| room.add_card(Room::of_card(&candidate), reasons_room(&profile)));
        assert!(room.is_enough(), "{room:?}");
    }

    #[test]
    fn the_bound_holds_for_the_barest_and_for_a_full_card_of_short_texts() {
        let mut candidate = candidate("T".into(), String::new());
        let mut holds = |full: bool| {
            if full {
                let paper = &mut candidate.paper;
                (paper.authors, paper.organization) = (vec!["A".into(); 9], Some("O".into()));
                (paper.code, paper.project) = (Some("https://a.example".into()), Some("https://b.example".into()));
                paper.stars = Some(u32::MAX);
            }
            let reasons = Reasons { queries: vec!["q".into(); 9], ..Reasons::default() };
            let chosen = Chosen { candidate: &candidate, reasons, trend: Some("+1".into()) };
            let encoded = quoted_printable_len(&digest::card(&card(&chosen, NaiveDate::MIN, 0)));
            assert!(encoded <= upper_bound(&chosen), "{encoded} of {}", upper_bound(&chosen));
        };
        holds(false);
        holds(true);
    }

    #[test]
    fn what_does_not_fit_is_told_beforehand() {
        let candidate = candidate("論".repeat(300), String::new());
        let fitting = fits(&[section(&candidate, 100)], Room::default());
        assert!((10..60).contains(&fitting), "{fitting}");
        assert_eq!(fits(&[], Room::default()), 0);
    }

    fn section(candidate: &Candidate, papers: usize) -> Section<'_> {
        let reasons = Reasons { queries: vec!["sparse AND retrieval".into()], ..Reasons::default() };
        Section { name: "Section", papers: vec![Chosen { candidate, reasons, trend: None }; papers] }
    }

    fn candidate(title: String, abstract_text: String) -> Candidate {
        let source = SourceId::parse("example").unwrap();
        let mut paper = Paper::new(PaperKey::of_source(&source, "1"), "", "https://example.org/papers/2503.02130");
        (paper.title, paper.abstract_text) = (title, abstract_text);
        let day = NaiveDate::from_ymd_opt(2026, 9, 23).unwrap();
        let listing = Listing { source, day, rank: 1, upvotes: Some(u32::MAX), comments: Some(u32::MAX) };
        Candidate { id: 1, paper, first_seen: chrono::DateTime::UNIX_EPOCH, listings: vec![listing], votes: Vec::new() }
    }

    fn divided<'a>(papers: &[Chosen<'a>], per_section: usize, name: &'a str) -> Vec<Section<'a>> {
        papers.chunks(per_section).map(|papers| Section { name, papers: papers.to_vec() }).collect()
    }

    /// Text of `chars` characters in one of the ways that cost most: plain, escaped, encoded, or words to wrap.
    fn text(chars: std::ops::Range<usize>) -> impl Strategy<Value = String> {
        let unit = prop::sample::select(vec!["a", "\"", "論", "é", "\u{1F600}", "&", "= ", "word ", "論。"]);
        (unit, chars).prop_map(|(unit, chars)| unit.chars().cycle().take(chars).collect())
    }

    fn any_candidate() -> impl Strategy<Value = Candidate> {
        let address = || {
            prop::option::of((0usize..400, any::<bool>())).prop_map(|length| {
                let (length, escaped) = length?;
                Some(format!("https://example.org/{}", if escaped { "&=" } else { "ab" }.repeat(length)))
            })
        };
        let authors = (text(0..70), 0usize..300);
        (text(0..301), text(0..1_500), authors, prop::option::of(text(0..90)), address(), address()).prop_map(
            |(title, abstract_text, (author, authors), organization, code, project)| {
                let mut candidate = candidate(title, abstract_text);
                let paper = &mut candidate.paper;
                paper.authors = vec![author; authors];
                (paper.organization, paper.code, paper.project) = (organization, code, project);
                paper.stars = Some(u32::MAX);
                candidate
            },
        )
    }

    /// A profile of these keywords, as far as they are keywords.
    fn profile(name: &str, keywords: &[Arc<str>]) -> Profile {
        let keyword = |text: &Arc<str>| Some(Keyword { query: Query::parse(text).ok()?, weight: 1.0 });
        Profile {
            name: name.to_owned(),
            keywords: keywords.iter().filter_map(keyword).collect(),
            exclude: Vec::new(),
            must: Vec::new(),
            min_upvotes: 0,
            sources: Vec::new(),
            max_papers: 20,
            rank: Rank::Relevance,
        }
    }

    fn any_reasons() -> impl Strategy<Value = Reasons> {
        (prop::collection::vec(text(1..90), 0..6), 0usize..40).prop_map(|(queries, marks)| {
            let marks: Vec<_> = (0..marks).map(|i| i * 12..i * 12 + 3).collect();
            let queries = queries.into_iter().map(Arc::from).collect();
            Reasons { queries, title: marks.clone(), abstract_text: marks }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn papers_that_fit_are_rendered_within_both_limits(
            papers in prop::collection::vec((any_candidate(), any_reasons()), 1..8),
            count in 1usize..101,
            sections in 1usize..12,
            name in text(0..90),
            trouble in text(0..250),
            words in text(0..250),
        ) {
            let chosen: Vec<Chosen<'_>> = papers
                .iter()
                .cycle()
                .take(count)
                .map(|(candidate, reasons)| Chosen { candidate, reasons: reasons.clone(), trend: Some("+41 since yesterday".into()) })
                .collect();
            for paper in &chosen {
                let card = card(paper, NaiveDate::MIN, 0);
                prop_assert!(quoted_printable_len(&digest::card(&card)) <= upper_bound(paper));
                prop_assert!(quoted_printable_len(&text::card(&card)) <= upper_bound(paper));
            }
            for (candidate, reasons) in &papers {
                // What can be marked in a title are its words.
                let title = crate::core::text::words(&candidate.paper.title).into_iter().map(|word| word.range);
                let profile = profile(&name, &reasons.queries);
                let queries = profile.keywords.iter().map(|keyword| keyword.query.to_string().into()).collect();
                let reasons = Reasons { title: title.step_by(2).collect(), queries, abstract_text: Vec::new() };
                let mut room = Room::default();
                room.add_card(Room::of_card(candidate), reasons_room(&profile));
                let card = card(&Chosen { candidate, reasons, trend: Some("+4,294,967,295 since 30 September".into()) }, NaiveDate::MIN, 0);
                for shown in [digest::card(&card), text::card(&card)] {
                    prop_assert!(shown.len() <= room.bytes, "{} of {}", shown.len(), room.bytes);
                    let encoded = quoted_printable_len(&shown);
                    prop_assert!(encoded <= room.encoded, "{encoded} of {}", room.encoded);
                }
                let mut room = Room::default();
                room.add_heading(heading_room(&profile));
                let name = excerpt::clip(&clean_text(&name), MAX_NAME);
                prop_assert!(quoted_printable_len(&digest::section_heading(&name)) <= room.bytes);
                prop_assert!(quoted_printable_len(&text::section_heading(&name)) <= room.bytes);
            }
            let per_section = count.div_ceil(sections);
            let fitting = fits(&divided(&chosen, per_section, &name), Room::default());
            prop_assert!(fitting >= 1);
            let source = SourceNote { name: &name, last_read: None, route: None, items: 1, trouble: Some(&trouble) };
            let facts = Facts {
                name: Some(&name),
                zone: Zone::UTC,
                today: NaiveDate::from_ymd_opt(2027, 1, 6).unwrap(),
                sections: divided(&chosen[..fitting], per_section, &name),
                also: papers.iter().map(|(candidate, _)| candidate).collect(),
                owed: count - fitting,
                told: Vec::new(),
                left: 0,
                cut: 0,
                refused: 0,
                welcome: None,
                looked_at: count,
                sources: vec![source; 20],
                schedule: &words,
                change: Some(&words),
                stop: Some(&words),
            };
            let preheader = compose(&facts, 0).preheader.chars().count();
            prop_assert!((40..=90).contains(&preheader), "a preheader of {}", preheader);
            let rendered = render(&facts);
            let encoded = encode(&facts, |_| Arc::default());
            for (alternative, encoded) in [(&rendered.html, encoded.html), (&rendered.text, encoded.text)] {
                prop_assert!(alternative.len() <= MAX_BYTES, "{} bytes", alternative.len());
                prop_assert!(encoded.len() <= MAX_ENCODED, "{} bytes encoded", encoded.len());
            }
            prop_assert!(rendered.subject.chars().count() <= 120);
            prop_assert_eq!(rendered.html.matches("<h2 class=\"ac\"").count(), fitting, "a paper for each");
        }
    }
}
