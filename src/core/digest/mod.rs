//! From facts to the mail that a reader sees.
//!
//! A job gathers [`Facts`]; [`compose`] words them as a [`templates::Digest`]; [`render`] makes a subject, HTML and text
//! of them that no receiver clips. [`fits`] tells at publish time how many papers are certain to fit, so that the rest
//! stays owed and nothing chosen is ever left out of the mail it was chosen for.
//!
//! Texts of papers come clean ([`super::clean::clean_text`]); they are untrusted all the same: templates escape them,
//! and links are only made of addresses that [`Href`] takes.

mod encoded;
mod excerpt;
mod renderer;
mod size;
mod words;

use std::sync::Arc;

use crate::core::zone::Zone;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use templates::{Brief, Card, Code, Contact, Digest, Href, SourceLine};

use super::candidate::Candidate;
use super::clean::clean_text;
use super::matching::Reasons;
use super::paper::{Paper, Route};
pub use encoded::{Encoded, EncodedPaper, encode, encode_over};
pub use renderer::RENDERER;
pub use size::{
    MAX_BYTES, MAX_ENCODED, Room, fits, heading_room, quoted_printable_len, reasons_room, titles_with_room,
};
pub use words::trend;

/// Characters of each abstract, from what everyone gets down to none: a long digest shrinks step by step.
pub const ABSTRACT_LIMITS: [usize; 5] = [600, 400, 250, 120, 0];

/// The longest texts that are shown, in characters. Longer ones are cut at a word; addresses are left out.
const MAX_TITLE: usize = 300;
const MAX_BRIEF: usize = 160;
const MAX_NAME: usize = 60;
const MAX_ORGANIZATION: usize = 80;
const MAX_QUERY: usize = 80;
const MAX_SENTENCE: usize = 200;
const MAX_SIDE_LINK: usize = 500;

/// What stands where a title should.
const NO_TITLE: &str = "(no title)";

/// The longest lists that are shown.
const MAX_AUTHORS: usize = 3;
const MAX_QUERIES: usize = 4;
const MAX_FOLLOWS: usize = 12;
const MAX_ALSO: usize = 5;

/// The most papers that are told by title.
pub const MAX_TOLD: usize = 20;

const MAX_SOURCES: usize = 12;

/// All that one edition of one subscription shows.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The subscriber's name.
    pub name: Option<&'a str>,
    /// The subscriber's zone: days and times are told in it.
    pub zone: Zone,
    /// The day on which it is made for its reader, in that zone.
    pub today: NaiveDate,
    /// The chosen papers, a section for each profile.
    pub sections: Vec<Section<'a>>,
    /// Papers that trend but were not chosen, best first; the first few are shown.
    pub also: Vec<&'a Candidate>,
    /// Papers that are owed and come in a later edition, or are told there.
    pub owed: usize,
    /// Papers that will not come: the first of those that are told by title.
    pub told: Vec<&'a Candidate>,
    /// How many are told by title or would be, were there room for it.
    pub left: usize,
    /// How many a first edition has no room for.
    pub cut: usize,
    /// How many are given up, since two mails with them were refused.
    pub refused: usize,
    /// For a first mail without papers.
    pub welcome: Option<Welcome>,
    /// Papers that were looked at for this edition.
    pub looked_at: usize,
    /// What is known of each source.
    pub sources: Vec<SourceNote<'a>>,
    /// The schedule in words: `daily at 08:00 (Europe/Berlin)`.
    pub schedule: &'a str,
    /// How to change what comes: an address (http, https, mailto) or a sentence.
    pub change: Option<&'a str>,
    /// How to stop it: an address or a sentence.
    pub stop: Option<&'a str>,
}

/// What a first mail says that has no paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// Over how many days was looked back.
    pub days: u32,
    /// The expressions that are followed, as their owner wrote them; none for every paper.
    pub follows: Vec<String>,
    /// When the next edition is due.
    pub next: Option<NaiveDateTime>,
}

/// The chosen papers of one profile.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    /// The profile's name; may be empty.
    pub name: &'a str,
    /// Its papers, best first.
    pub papers: Vec<Chosen<'a>>,
}

/// A chosen paper.
#[derive(Clone, Debug)]
pub struct Chosen<'a> {
    /// The paper.
    pub candidate: &'a Candidate,
    /// Why it was chosen.
    pub reasons: Reasons,
    /// How its votes grew, in the words of [`trend`].
    pub trend: Option<String>,
}

/// What is known of one source.
#[derive(Clone, Debug)]
pub struct SourceNote<'a> {
    /// Its name for readers.
    pub name: &'a str,
    /// When it was last read.
    pub last_read: Option<DateTime<Utc>>,
    /// How it was read then.
    pub route: Option<Route>,
    /// How many papers it listed then.
    pub items: usize,
    /// What troubles it now, in a few words.
    pub trouble: Option<&'a str>,
}

/// A digest, ready to become a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The subject, at most 120 characters.
    pub subject: String,
    /// The HTML alternative.
    pub html: String,
    /// The plain-text alternative, lines ended by `\n`.
    pub text: String,
}

/// Words the facts, with at most `abstract_limit` characters of each abstract.
pub fn compose(facts: &Facts<'_>, abstract_limit: usize) -> Digest {
    let today = facts.today;
    let mut digest = frame(facts);
    digest.told = titles(facts).iter().map(|candidate| brief(candidate)).collect();
    digest.also = facts.also.iter().take(MAX_ALSO).map(|candidate| brief(candidate)).collect();
    for (section, shown) in filled(facts).zip(&mut digest.sections) {
        shown.cards = section.papers.iter().map(|chosen| card(chosen, today, abstract_limit)).collect();
    }
    digest
}

fn without_extras(digest: Digest) -> Digest {
    Digest { also: Vec::new(), sources: Vec::new(), ..digest }
}

/// The sections that have a paper.
fn filled<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = &'a Section<'a>> {
    facts.sections.iter().filter(|section| !section.papers.is_empty())
}

/// The papers that are told by title, as far as there is room.
fn titles<'a>(facts: &'a Facts<'_>) -> &'a [&'a Candidate] {
    let rooms = facts.told.iter().take(MAX_TOLD).map(|candidate| Room::of_brief(candidate));
    &facts.told[..titles_with_room(rooms).0]
}

/// What else will not come.
fn notes(facts: &Facts<'_>) -> Vec<String> {
    let cut = match facts.cut {
        0 => None,
        1 => Some(
            "1 more paper of these days matched. A first digest has the best; from now on what has no room waits."
                .into(),
        ),
        n => Some(format!(
            "{n} more papers of these days matched. A first digest has the best; from now on what has no room waits."
        )),
    };
    let refused = match facts.refused {
        0 => None,
        1 => Some("1 paper could not be delivered: two mails with it were refused. It will not come again.".into()),
        n => Some(format!(
            "{n} papers could not be delivered: two mails with each were refused. They will not come again."
        )),
    };
    [cut, refused].into_iter().flatten().collect()
}

/// A digest's words but for those of papers: its sections are named and empty.
fn frame(facts: &Facts<'_>) -> Digest {
    let today = facts.today;
    let sections: Vec<&Section<'_>> = filled(facts).collect();
    let count: usize = sections.iter().map(|section| section.papers.len()).sum();
    let heading = match count {
        0 if facts.welcome.is_some() => "Welcome".to_owned(),
        0 => "Nothing new".to_owned(),
        _ => words::counted(count, "new paper"),
    };
    let named = |section: &&Section<'_>| templates::Section {
        name: excerpt::clip(&clean_text(section.name), MAX_NAME),
        cards: Vec::new(),
    };
    Digest {
        subject: subject(facts, &sections, count),
        preheader: preheader(facts, &sections),
        masthead: match facts.name.map(|name| excerpt::clip(&clean_text(name), MAX_NAME)) {
            Some(name) if !name.is_empty() => format!("Paperpost for {name}"),
            _ => "Paperpost".to_owned(),
        },
        date: words::long_day(today),
        heading,
        lead: (count == 0).then(|| facts.welcome.as_ref().map_or_else(|| nothing_new(facts), |it| welcome(facts, it))),
        sections: sections.iter().map(named).collect(),
        also: Vec::new(),
        waiting: facts.owed,
        told: Vec::new(),
        told_more: facts.left.saturating_sub(titles(facts).len()),
        notes: notes(facts),
        sources: facts.sources.iter().take(MAX_SOURCES).map(|source| source_line(source, today, facts.zone)).collect(),
        why: why(facts),
        change: facts.change.and_then(contact),
        stop: facts.stop.and_then(contact),
    }
}

/// Renders the facts, with as much of each abstract as the mail has room for: see [`encode`].
pub fn render(facts: &Facts<'_>) -> Rendered {
    let mut digest = match encode(facts, |_| Arc::default()).extent {
        Extent::Abstracts(limit) => compose(facts, limit),
        Extent::NoExtras => without_extras(compose(facts, 0)),
    };
    let (html, text) = (templates::digest::html(&digest), templates::text::text(&digest));
    Rendered { html, text, subject: std::mem::take(&mut digest.subject) }
}

/// How much of a digest a mail has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many characters of each abstract.
    Abstracts(usize),
    /// No abstract, and none of the extras: what else is trending, the state of the sources.
    NoExtras,
}

fn card(chosen: &Chosen<'_>, today: NaiveDate, abstract_limit: usize) -> Card {
    let Chosen { candidate, trend, .. } = chosen;
    let paper = &candidate.paper;
    let (because, because_more) = because(&chosen.reasons.queries);
    Card {
        title: runs_of_title(chosen),
        href: Href::web(&paper.url),
        authors: authors(paper),
        organization: paper.organization.as_deref().map(|name| excerpt::clip(name, MAX_ORGANIZATION)),
        listed: candidate.day().map(|day| words::day(day, today)),
        upvotes: candidate.upvotes(),
        trend: trend.as_deref().map(|trend| excerpt::clip(trend, MAX_NAME)),
        comments: candidate.comments(),
        abstract_text: runs_of_abstract(chosen, abstract_limit),
        because,
        because_more,
        code: paper.code.as_deref().and_then(side_link).map(|href| Code { href, stars: paper.stars }),
        project: paper.project.as_deref().and_then(side_link),
    }
}

fn runs_of_title(chosen: &Chosen<'_>) -> Vec<templates::Run> {
    let title = &chosen.candidate.paper.title;
    match excerpt::cut(title, MAX_TITLE) {
        (0, _) if title.is_empty() => vec![templates::Run { text: NO_TITLE.to_owned(), matched: false }],
        cut => excerpt::runs(title, &chosen.reasons.title, cut),
    }
}

fn runs_of_abstract(chosen: &Chosen<'_>, limit: usize) -> Vec<templates::Run> {
    let text = &chosen.candidate.paper.abstract_text;
    excerpt::runs(text, &chosen.reasons.abstract_text, excerpt::cut(text, limit))
}

/// The first expressions that chose a paper, and how many more there are.
fn because(queries: &[Arc<str>]) -> (Vec<String>, usize) {
    let shown = queries.iter().take(MAX_QUERIES).map(|query| excerpt::clip(query, MAX_QUERY)).collect();
    (shown, queries.len().saturating_sub(MAX_QUERIES))
}

/// A link beside the one to the paper: worth showing only when it is no burden.
fn side_link(address: &str) -> Option<Href> {
    Href::web(address).filter(|href| href.as_str().len() <= MAX_SIDE_LINK)
}

/// `A. Author, B. Author, C. Author + 4 more`, or `12 authors` when only their number is known.
fn authors(paper: &Paper) -> String {
    let named = paper.authors.len().min(MAX_AUTHORS);
    let count = paper.authors.len().max(paper.author_count.map_or(0, |count| count as usize));
    if named == 0 {
        return if count == 0 { String::new() } else { words::counted(count, "author") };
    }
    let names: Vec<String> = paper.authors[..named].iter().map(|name| excerpt::clip(name, MAX_NAME)).collect();
    match count - named {
        0 => names.join(", "),
        more => format!("{} + {more} more", names.join(", ")),
    }
}

fn brief(candidate: &Candidate) -> Brief {
    Brief {
        title: excerpt::clip(&candidate.paper.title, MAX_BRIEF),
        href: side_link(&candidate.paper.url),
        upvotes: candidate.upvotes(),
    }
}

fn subject(facts: &Facts<'_>, sections: &[&Section<'_>], count: usize) -> String {
    let Some(top) = sections.first().and_then(|section| section.papers.first()) else {
        return match facts.welcome {
            Some(_) => "Welcome to Paperpost: nothing matched yet".to_owned(),
            None => format!("Nothing new among {}", words::counted(facts.looked_at, "paper")),
        };
    };
    let name = if facts.sections.len() == 1 { clean_text(sections[0].name) } else { String::new() };
    words::subject(count, &clean_text(&top.candidate.paper.title), &name)
}

/// The other titles, else how many papers were looked at: never what the subject says already.
fn preheader(facts: &Facts<'_>, sections: &[&Section<'_>]) -> String {
    let looked_at =
        format!("{} looked at for {}", words::counted(facts.looked_at, "paper"), words::long_day(facts.today));
    let titles: Vec<&str> = sections
        .iter()
        .flat_map(|section| &section.papers)
        .skip(1)
        .take(3)
        .map(|chosen| chosen.candidate.paper.title.as_str())
        .collect();
    let preheader = match titles.as_slice() {
        [] => looked_at.clone(),
        titles => format!("Also: {}", titles.join("; ")),
    };
    // Below 40 characters a list of mails goes on with whatever is first in the body; and a title with a very long
    // word is cut before it.
    match excerpt::clip(&preheader, 90) {
        clipped if clipped.chars().count() >= 40 => clipped,
        _ => excerpt::clip(&format!("{looked_at}. {preheader}"), 90),
    }
}

fn nothing_new(facts: &Facts<'_>) -> String {
    match facts.looked_at {
        0 => "No source listed a paper that you have not had. What each of them said is below.".to_owned(),
        1 => "1 paper was looked at, and it is not new to you or does not match what you follow.".to_owned(),
        n => format!("{n} papers were looked at, and none that is new to you matches what you follow."),
    }
}

/// What is followed, where it is looked for, and when it comes.
fn welcome(facts: &Facts<'_>, Welcome { days, follows, next }: &Welcome) -> String {
    let follows = match follows.as_slice() {
        [] => "every paper".to_owned(),
        all => {
            let shown: Vec<String> =
                all.iter().take(MAX_FOLLOWS).map(|query| excerpt::clip(&clean_text(query), MAX_QUERY)).collect();
            let more = match all.len().saturating_sub(MAX_FOLLOWS) {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            format!("{}{more}", shown.join(", "))
        }
    };
    let sources: Vec<String> = facts.sources.iter().take(MAX_SOURCES).map(|source| clean_text(source.name)).collect();
    let sources = match sources.as_slice() {
        [] => String::new(),
        names => format!(" on {}", excerpt::clip(&names.join(", "), MAX_SENTENCE)),
    };
    let next = match next {
        Some(next) => {
            format!(
                "The next digest is due on {} at {} ({}).",
                words::long_day(next.date()),
                next.format("%H:%M"),
                facts.zone
            )
        }
        None => "The schedule has no further date.".to_owned(),
    };
    format!(
        "This address follows {follows}. Nothing that matches was listed{sources} in the last {}. {next}",
        words::counted(*days as usize, "day")
    )
}

fn why(facts: &Facts<'_>) -> String {
    let names: Vec<String> = facts
        .sections
        .iter()
        .map(|section| clean_text(section.name))
        .filter(|name| !name.is_empty())
        .map(|name| format!("“{name}”"))
        .collect();
    let follows = match names.as_slice() {
        [] => "new papers".to_owned(),
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        names => names.concat(),
    };
    let follows = excerpt::clip(&follows, MAX_SENTENCE);
    let schedule = excerpt::clip(&clean_text(facts.schedule), MAX_NAME);
    let ask = match (facts.change, facts.stop) {
        (None, None) => " To change or to stop it, ask the person who runs this Paperpost.",
        _ => "",
    };
    format!("This mail comes {schedule}, because this address follows {follows}.{ask}")
}

fn contact(how: &str) -> Option<Contact> {
    match Href::parse(how) {
        Some(href) => Some(Contact::Link(href)),
        None => {
            let words = excerpt::clip(&clean_text(how), MAX_SENTENCE);
            (!words.is_empty()).then_some(Contact::Words(words))
        }
    }
}

/// `41 papers, read today at 07:40 (UTC)`; with the fallback that was needed, or with the trouble first.
fn source_line(source: &SourceNote<'_>, today: NaiveDate, zone: Zone) -> SourceLine {
    let read = source.last_read.map(|at| words::read_at(at, today, zone));
    let state = match (source.trouble, read) {
        (Some(trouble), read) => {
            let trouble = excerpt::clip(&clean_text(trouble), MAX_SENTENCE);
            let read = read.map_or("not read yet".to_owned(), |read| format!("last read {read}"));
            format!("{trouble}; {read}")
        }
        (None, None) => "not read yet".to_owned(),
        (None, Some(read)) => {
            let route = match source.route {
                None | Some(Route::Main | Route::Fallback) => "",
                Some(Route::TitlesOnly) => ", titles only",
            };
            format!("{}, read {read}{route}", words::counted(source.items, "paper"))
        }
    };
    SourceLine { name: excerpt::clip(&clean_text(source.name), MAX_NAME), state }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;
    use crate::core::paper::{Listing, PaperKey, SourceId};

    fn candidate(title: &str) -> Candidate {
        let source = SourceId::parse("example").unwrap();
        let paper = Paper::new(PaperKey::of_source(&source, title), title, "https://example.org/1");
        let day = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
        let listings = vec![Listing { source, day, rank: 1, upvotes: None, comments: None }];
        Candidate { id: 1, paper, first_seen: chrono::DateTime::UNIX_EPOCH, listings, votes: Vec::new() }
    }

    fn facts<'a>(name: &'a str, candidates: &'a [Candidate]) -> Facts<'a> {
        let chosen = |candidate| Chosen { candidate, reasons: Reasons::default(), trend: None };
        Facts {
            name: None,
            zone: Zone::UTC,
            today: NaiveDate::from_ymd_opt(2026, 11, 23).unwrap(),
            sections: vec![Section { name, papers: candidates.iter().map(chosen).collect() }],
            also: Vec::new(),
            owed: 0,
            told: Vec::new(),
            left: 0,
            cut: 0,
            refused: 0,
            welcome: None,
            looked_at: 41,
            sources: Vec::new(),
            schedule: "daily at 08:00",
            change: None,
            stop: None,
        }
    }

    #[test]
    fn a_long_digest_gives_up_words_before_papers() {
        let mut candidates = vec![candidate("A title"); 75];
        for candidate in &mut candidates {
            candidate.paper.abstract_text = "This is one sentence of the abstract. ".repeat(40);
        }
        let facts = facts("", &candidates);
        assert_eq!(fits(&facts.sections, Room::default()), 75);
        let html = render(&facts).html;
        assert!(html.len() <= MAX_BYTES && html.len() > MAX_BYTES / 2, "{}", html.len());
        assert_eq!(html.matches("A title</a>").count(), 75);
        let sentences = html.matches("one sentence").count() / 75;
        assert!((3..15).contains(&sentences), "{sentences} of the 15 that 600 characters hold");
    }

    #[test]
    fn a_fallback_and_a_trouble_are_told() {
        let at = Utc.with_ymd_and_hms(2026, 11, 22, 6, 40, 0).unwrap();
        let note = |route, trouble, last_read| {
            let source = SourceNote { name: "Example", last_read, route, items: 3, trouble };
            source_line(&source, NaiveDate::from_ymd_opt(2026, 11, 23).unwrap(), Zone::UTC).state
        };
        assert_eq!(note(Some(Route::Main), None, Some(at)), "3 papers, read yesterday at 06:40 (UTC)");
        assert_eq!(
            note(Some(Route::TitlesOnly), None, Some(at)),
            "3 papers, read yesterday at 06:40 (UTC), titles only"
        );
        assert_eq!(note(None, Some("HTTP 503"), Some(at)), "HTTP 503; last read yesterday at 06:40 (UTC)");
        assert_eq!(note(None, None, None), "not read yet");
    }

    #[test]
    fn authors_are_three_and_a_number() {
        let mut paper = candidate("A title").paper;
        assert_eq!(authors(&paper), "");
        paper.author_count = Some(12);
        assert_eq!(authors(&paper), "12 authors");
        paper.authors = ["A", "B", "C", "D"].map(String::from).to_vec();
        assert_eq!(authors(&paper), "A, B, C + 9 more");
        (paper.author_count, paper.authors) = (None, vec!["A".into()]);
        assert_eq!(authors(&paper), "A");
    }

    #[test]
    fn the_subject_names_a_profile_that_stands_alone() {
        let candidates = [candidate("A title"), candidate("Another")];
        assert_eq!(render(&facts("Search", &candidates)).subject, "Search, 2 papers: A title, and 1 more");
        assert_eq!(render(&facts("", &candidates[..1])).subject, "1 paper: A title");
    }

    #[test]
    fn how_to_stop_is_a_link_or_a_sentence_and_never_missing() {
        let candidates = [candidate("A title")];
        let mut facts = facts("", &candidates);
        assert!(compose(&facts, 0).why.ends_with("ask the person who runs this Paperpost."));
        facts.stop = Some("mailto:stop@example.org?subject=stop");
        assert!(matches!(compose(&facts, 0).stop, Some(Contact::Link(_))));
        facts.stop = Some("Reply with the word stop.");
        assert_eq!(compose(&facts, 0).stop, Some(Contact::Words("Reply with the word stop.".into())));
    }
}
