//! A digest: its shape, and how it looks as HTML.
//!
//! Everything in these types is ready to be shown: numbers that are unknown are absent, lists are cut, names are in
//! order. Only escaping is left to do, and `maud` does that. What may be written from right to left is in an element
//! of its own with `dir="auto"`, so that it disorders nothing around it; `bdi` and `mark` would say more, but Gmail and
//! Yahoo drop them.

use maud::{Markup, PreEscaped, html};

use crate::{Href, layout, style};

/// What one mail shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The title of the page; the mail's subject.
    pub subject: String,
    /// What a list of mails shows beside the subject: 40 to 90 characters.
    pub preheader: String,
    /// Whose mail it is: `Paperpost for Ada`.
    pub masthead: String,
    /// The day of the edition, in the reader's zone: `Monday, 23 November 2026`.
    pub date: String,
    /// The one main heading: `3 new papers`.
    pub heading: String,
    /// A sentence under the heading, for an edition that needs one.
    pub lead: Option<String>,
    /// The papers, a section for each profile.
    pub sections: Vec<Section>,
    /// What else is trending, though it did not match.
    pub also: Vec<Brief>,
    /// Papers that did not fit and come later.
    pub waiting: usize,
    /// Papers that will not come, by their titles.
    pub told: Vec<Brief>,
    /// How many more of them are not named.
    pub told_more: usize,
    /// Sentences about further papers that will not come.
    pub notes: Vec<String>,
    /// What is known of each source.
    pub sources: Vec<SourceLine>,
    /// Why this mail came, in a sentence.
    pub why: String,
    /// How to change what comes.
    pub change: Option<Contact>,
    /// How to stop it.
    pub stop: Option<Contact>,
}

/// The papers of one profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The profile's name; empty for a digest that needs no headings.
    pub name: String,
    /// Its papers, best first.
    pub cards: Vec<Card>,
}

/// One paper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// The title.
    pub title: Vec<Run>,
    /// Where the title leads.
    pub href: Option<Href>,
    /// `A. Author, B. Author, C. Author + 4 more`; empty when no author is known.
    pub authors: String,
    /// The organisation, in its full name.
    pub organization: Option<String>,
    /// The day it was listed, in words.
    pub listed: Option<String>,
    /// Votes so far.
    pub upvotes: Option<u32>,
    /// How the votes grew, shown beside them: `+41 since yesterday`.
    pub trend: Option<String>,
    /// Comments so far.
    pub comments: Option<u32>,
    /// The abstract, or its beginning; empty when there is none or no room for it.
    pub abstract_text: Vec<Run>,
    /// The expressions that chose it, as their owner wrote them.
    pub because: Vec<String>,
    /// How many more expressions chose it.
    pub because_more: usize,
    /// Its code.
    pub code: Option<Code>,
    /// Its own page.
    pub project: Option<Href>,
}

/// A stretch of text that is highlighted as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The text.
    pub text: String,
    /// Whether a keyword matched it.
    pub matched: bool,
}

/// A code repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Where it is.
    pub href: Href,
    /// Its stars.
    pub stars: Option<u32>,
}

/// A paper in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// The title.
    pub title: String,
    /// Where it leads.
    pub href: Option<Href>,
    /// Votes so far.
    pub upvotes: Option<u32>,
}

/// How one source is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    /// The source's name.
    pub name: String,
    /// When and how it was last read, or what troubles it.
    pub state: String,
}

/// How the reader reaches the person who can change something: a link where there is one, else a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contact {
    /// A page, or a mailbox that understands.
    Link(Href),
    /// A sentence, as the person who runs it wrote it.
    Words(String),
}

/// The digest as one HTML document.
pub fn html(digest: &Digest) -> String {
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
    layout::head(&digest.subject, &digest.preheader) + &head_rows(digest)
}

/// The same without the document's head: the masthead and the heading.
pub fn head_rows(digest: &Digest) -> String {
    let rows = html! {
        tr {
            td class="in" style=(style::HEAD) {
                "\n" p class="mu" style=(style::MASTHEAD) { span dir="auto" { (digest.masthead) } " · " (digest.date) }
                "\n" h1 class="tx" style=(style::HEADING) { (digest.heading) }
                @if let Some(lead) = &digest.lead { "\n" p class="tx" style=(style::TEXT) { (lead) } }
                "\n"
            }
        }
        "\n"
    };
    rows.into_string()
}

/// The heading of a section; nothing for a section without a name.
pub fn section_heading(name: &str) -> String {
    if name.is_empty() {
        return String::new();
    }
    let row = html! {
        tr { td class="in gr" style=(style::SECTION) { h2 class="tx" style=(style::SECTION_HEADING) { span dir="auto" { (name) } } } }
        "\n"
    };
    row.into_string()
}

/// One paper, as a row of the sheet. Its parts, in this order, hang on different things; each ends a line.
pub fn card(card: &Card) -> String {
    [card_title(card), card_facts(card), card_abstract(card), card_reasons(card), card_links(card)].concat()
}

/// The beginning of a card, with its title.
pub fn card_title(card: &Card) -> String {
    let [before, after] = title_parts(card.href.as_ref());
    before + &runs(&card.title) + &after
}

/// What is before and after the words of a title.
pub fn title_parts(href: Option<&Href>) -> [String; 2] {
    let begin = html! {
        (PreEscaped("<tr><td class=\"in\" style=\"")) (style::CARD) (PreEscaped("\">\n"))
        (PreEscaped("<h2 class=\"ac\" style=\"")) (style::TITLE) (PreEscaped("\" dir=\"auto\">"))
        @if let Some(href) = href {
            (PreEscaped("<a class=\"ac\" href=\"")) (href) (PreEscaped("\" style=\"")) (style::TITLE_LINK) (PreEscaped("\">"))
        }
    };
    [begin.into_string(), format!("{}</h2>\n", if href.is_some() { "</a>" } else { "" })]
}

/// Who wrote a paper, and its numbers.
pub fn card_facts(card: &Card) -> String {
    let facts = html! {
        @if !card.authors.is_empty() || card.organization.is_some() {
            p class="mu" style=(style::SMALL) { (byline(card)) } "\n"
        }
        @if let Some(numbers) = numbers(card) { p class="mu" style=(style::SMALL) { (numbers) } "\n" }
    };
    facts.into_string()
}

/// The abstract.
pub fn card_abstract(card: &Card) -> String {
    if card.abstract_text.is_empty() {
        return String::new();
    }
    let [before, after] = abstract_parts();
    before + &runs(&card.abstract_text) + &after
}

/// What is before and after the words of an abstract.
pub fn abstract_parts() -> [String; 2] {
    [format!("<p class=\"tx\" style=\"{}\" dir=\"auto\">", style::TEXT), "</p>\n".to_owned()]
}

/// What is before and after words that matched.
pub fn mark_parts() -> [String; 2] {
    [format!("<span class=\"hl\" style=\"{}\">", style::HIGHLIGHT), "</span>".to_owned()]
}

/// A text as HTML wants it.
pub fn escaped(text: &str) -> String {
    html! { (text) }.into_string()
}

/// Why a paper is there.
pub fn card_reasons(card: &Card) -> String {
    if card.because.is_empty() {
        return String::new();
    }
    let [mut reasons, after] = reasons_parts(card.because_more);
    for (number, query) in card.because.iter().enumerate() {
        reasons.push_str(&reason(query, number == 0));
    }
    reasons + &after
}

/// What is before and after the expressions that chose a paper, of which so many more are not named.
pub fn reasons_parts(more: usize) -> [String; 2] {
    let before = format!("<p class=\"mu\" style=\"{}\">Because it matches ", style::SMALL_APART);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    [before, more + "</p>\n"]
}

/// One of them, the first or a further one.
pub fn reason(query: &str, is_first: bool) -> String {
    let reason = html! {
        @if !is_first { ", " }
        span class="tx" dir="auto" style=(style::QUERY) { (query) }
    };
    reason.into_string()
}

/// The end of a card, with its further links.
pub fn card_links(card: &Card) -> String {
    let links = html! {
        @if card.code.is_some() || card.project.is_some() {
            p class="mu" style=(style::SMALL_APART) { (links(card)) } "\n"
        }
        (PreEscaped("</td></tr>\n"))
    };
    links.into_string()
}

/// Everything below the last section.
pub fn tail(digest: &Digest) -> String {
    let mut out = waiting_row(digest.waiting);
    if !digest.told.is_empty() {
        let [before, after] = told_parts();
        out.push_str(&before);
        digest.told.iter().for_each(|one| out.push_str(&brief(one)));
        out.push_str(&told_end(digest.told_more));
        out.push_str(&after);
    }
    out.push_str(&notes_row(&digest.notes));
    if !digest.also.is_empty() {
        let [before, after] = also_parts();
        out.push_str(&before);
        digest.also.iter().for_each(|one| out.push_str(&brief(one)));
        out.push_str(&after);
    }
    out + &layout::tail(&PreEscaped(foot(digest)))
}

/// A row that tells what waits; nothing when nothing does.
pub fn waiting_row(count: usize) -> String {
    if count == 0 {
        return String::new();
    }
    let row = html! {
        tr { td class="in" style=(style::NOTE) { p class="mu" style=(style::SMALL) { (waiting(count)) } } }
        "\n"
    };
    row.into_string()
}

/// What is before and after the titles of papers that will not come.
pub fn told_parts() -> [String; 2] {
    let before = html! {
        (PreEscaped("<tr><td class=\"in\" style=\"")) (style::NOTE) (PreEscaped("\">\n"))
        p class="mu" style=(style::SMALL) { (TOLD_LEAD) } "\n"
    };
    [section_heading(TOLD) + &before.into_string(), "</td></tr>\n".to_owned()]
}

/// What is below those titles; nothing when all are named.
pub fn told_end(more: usize) -> String {
    if more == 0 {
        return String::new();
    }
    html! { p class="mu" style=(style::BRIEF) { (told_more(more)) } "\n" }.into_string()
}

/// Rows that tell in a sentence what else will not come.
pub fn notes_row(notes: &[String]) -> String {
    let rows = html! {
        @for note in notes {
            tr { td class="in" style=(style::NOTE) { p class="mu" style=(style::SMALL) { (note) } } }
            "\n"
        }
    };
    rows.into_string()
}

/// What is before and after the papers that trend as well.
pub fn also_parts() -> [String; 2] {
    let before = format!("<tr><td class=\"in\" style=\"{}\">\n", style::NOTE);
    [section_heading(ALSO) + &before, "</td></tr>\n".to_owned()]
}

/// One of them, in a line.
pub fn brief(brief: &Brief) -> String {
    let line = html! {
        p class="mu" style=(style::BRIEF) {
            (linked(brief.href.as_ref(), style::LINK, &html! { span dir="auto" { (brief.title) } }))
            @if let Some(upvotes) = brief.upvotes { " · " (counted(upvotes, "upvote")) }
        }
        "\n"
    };
    line.into_string()
}

/// What is below the sheet.
pub fn foot(digest: &Digest) -> String {
    let foot = html! {
        @for source in &digest.sources {
            p class="mu" style=(style::SMALL) { span dir="auto" { (source.name) } ": " (source.state) } "\n"
        }
        p class="mu" style=(style::SMALL_APART) { (digest.why) }
        // A sentence is alone; after its full stop, a link behind a dot would look lost.
        @for words in contacts(digest).filter_map(words) {
            "\n" p class="mu" style=(style::SMALL_APART) { (words) }
        }
        @if let Some(links) = joined(contacts(digest).filter_map(link)) {
            "\n" p class="mu" style=(style::SMALL_APART) { (links) }
        }
        "\n"
    };
    foot.into_string()
}

fn words<'a>((contact, _): (&'a Contact, &str)) -> Option<&'a str> {
    match contact {
        Contact::Words(words) => Some(words),
        Contact::Link(_) => None,
    }
}

fn link((contact, label): (&Contact, &str)) -> Option<Markup> {
    match contact {
        Contact::Link(href) => Some(html! { a class="ac" href=(href) style=(style::LINK) { (label) } }),
        Contact::Words(_) => None,
    }
}

/// The ways to change and to stop the digest, with the words for a link.
pub(crate) fn contacts(digest: &Digest) -> impl Iterator<Item = (&Contact, &'static str)> {
    let change = digest.change.iter().map(|contact| (contact, "Change what you get"));
    change.chain(digest.stop.iter().map(|contact| (contact, "Unsubscribe")))
}

/// The heading of what did not match.
pub(crate) const ALSO: &str = "Also trending";

/// The heading of papers that will not come, and the sentence below it.
pub(crate) const TOLD: &str = "Left out";
pub(crate) const TOLD_LEAD: &str =
    "These matched, and there was no room for them while they were new. They will not come again.";

/// `and 31 more`.
pub(crate) fn told_more(count: usize) -> String {
    format!("and {} more", grouped(u32::try_from(count).unwrap_or(u32::MAX)))
}

/// `1 upvote`, `1,234 upvotes`.
pub(crate) fn counted(count: u32, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// `3 more papers wait: they come in later editions, or are named there as left out.`
pub(crate) fn waiting(count: usize) -> String {
    match count {
        1 => "1 more paper waits: it comes in a later edition, or is named there as left out.".to_owned(),
        _ => format!("{count} more papers wait: they come in later editions, or are named there as left out."),
    }
}

/// Digits in groups of three.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn linked(href: Option<&Href>, style: &str, content: &Markup) -> Markup {
    html! {
        @match href {
            Some(href) => { a class="ac" href=(href) style=(style) { (content) } }
            None => { (content) }
        }
    }
}

fn runs(runs: &[Run]) -> String {
    let [open, close] = mark_parts();
    let mut out = String::new();
    for run in runs {
        let text = escaped(&run.text);
        match run.matched {
            true => [&open, text.as_str(), &close].iter().for_each(|part| out.push_str(part)),
            false => out.push_str(&text),
        }
    }
    out
}

fn byline(card: &Card) -> Markup {
    html! {
        @if !card.authors.is_empty() { span dir="auto" { (card.authors) } }
        @if let Some(organization) = &card.organization {
            @if !card.authors.is_empty() { " · " }
            span dir="auto" { (organization) }
        }
    }
}

/// Votes, growth, comments and day, as far as they are known.
fn numbers(card: &Card) -> Option<Markup> {
    let votes = card.upvotes.map(|upvotes| {
        html! {
            (counted(upvotes, "upvote"))
            @if let Some(trend) = &card.trend { ", " span class="ac" style=(style::STRONG) { (trend) } }
        }
    });
    let known = [
        votes,
        card.comments.map(|comments| html! { (counted(comments, "comment")) }),
        card.listed.as_ref().map(|day| html! { "listed " (day) }),
    ];
    joined(known.into_iter().flatten())
}

fn links(card: &Card) -> Markup {
    let code = card.code.as_ref().map(|code| {
        html! {
            a class="ac" href=(code.href) style=(style::LINK) { "Code" }
            @if let Some(stars) = code.stars { " (" (counted(stars, "star")) ")" }
        }
    });
    let project =
        card.project.as_ref().map(|href| html! { a class="ac" href=(href) style=(style::LINK) { "Project page" } });
    joined([code, project].into_iter().flatten()).unwrap_or_default()
}

fn joined(parts: impl Iterator<Item = Markup>) -> Option<Markup> {
    let parts: Vec<Markup> = parts.collect();
    (!parts.is_empty()).then(|| {
        html! {
            @for (i, part) in parts.iter().enumerate() {
                @if i > 0 { " · " }
                (part)
            }
        }
    })
}
