//! Papers and where they were listed.
//!
//! A [`Paper`] is the work itself, the same over all sources; a [`Listing`] is one sighting of it: on one source, for
//! one day. A [`Snapshot`] is what one read of one source brought. Sources fill these types, the store keeps them, and
//! nothing here knows how either does it.
//!
//! Every text in these types is *clean*: one line or paragraph of NFC text without control or bidi characters, white
//! space collapsed. [`clean_text`] makes it so; sources call it on everything they read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::clean::clean_text;
use super::display::display;
use super::word_enum;
use describe::Authority;

pub mod describe;
pub mod identity;
mod name;

/// A paper's canonical identity over all sources: `arxiv:2503.02130` (never with a version), else `doi:10.1000/x`, else
/// `<source>:<id>`. The ledger is kept by it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PaperKey(String);

impl PaperKey {
    /// The key of an arXiv paper. `id` is the bare identifier, `2503.02130` or `cs/0112017`, with or without a version:
    /// `v2` of a paper is the same paper. `None` when it isn't an arXiv identifier
    /// (<https://info.arxiv.org/help/arxiv_identifier.html>).
    pub fn arxiv(id: &str) -> Option<Self> {
        let bare = match id.rfind('v') {
            Some(v) if v + 1 < id.len() && id[v + 1..].bytes().all(|b| b.is_ascii_digit()) => &id[..v],
            _ => id,
        };
        let new_style = bare.split_once('.').is_some_and(|(month, number)| {
            month.len() == 4
                && (4..=5).contains(&number.len())
                && month.bytes().chain(number.bytes()).all(|b| b.is_ascii_digit())
        });
        let old_style = bare.split_once('/').is_some_and(|(archive, number)| {
            !archive.is_empty()
                && archive.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-' || b == b'.')
                && number.len() == 7
                && number.bytes().all(|b| b.is_ascii_digit())
        });
        (new_style || old_style).then(|| Self(format!("arxiv:{bare}")))
    }

    /// The key of a work with a DOI, compared case-folded (DOI Handbook 2.4). An arXiv DOI (`10.48550/arXiv.…`) names
    /// the arXiv paper.
    pub fn doi(doi: &str) -> Option<Self> {
        let doi = doi.trim().to_ascii_lowercase();
        if let Some(id) = doi.strip_prefix("10.48550/arxiv.") {
            return Self::arxiv(id);
        }
        (doi.starts_with("10.") && doi.contains('/') && !doi.contains(char::is_whitespace))
            .then(|| Self(format!("doi:{doi}")))
    }

    /// The key of a paper that only its source can name.
    pub fn of_source(source: &SourceId, id: &str) -> Self {
        Self(format!("{source}:{id}"))
    }

    /// A key as the store returns it.
    pub fn from_stored(key: String) -> Self {
        Self(key)
    }

    /// The arXiv identifier without its version, for a paper that has one.
    pub fn arxiv_id(&self) -> Option<&str> {
        self.0.strip_prefix("arxiv:")
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PaperKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PaperKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A source's name as the configuration gives it: `arxiv`, `openreview-2026`. Lower-case letters, digits
/// and hyphens.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(String);

impl SourceId {
    /// Parses a source's name; `None` when it has another character or none at all.
    pub fn parse(name: &str) -> Option<Self> {
        let fits = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        fits.then(|| Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A paper, as far as its sources tell. Anything but the key and the title may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paper {
    /// The canonical identity.
    pub key: PaperKey,
    /// The title, one line.
    pub title: String,
    /// The abstract, one paragraph; empty when the source gave none.
    #[serde(default)]
    pub abstract_text: String,
    /// Names in the order of the paper; hidden ones left out. Up to several hundred.
    #[serde(default)]
    pub authors: Vec<String>,
    /// How many authors the source counts, when it gave the number without the names.
    #[serde(default)]
    pub author_count: Option<u32>,
    /// The organisation the source shows, in its full name.
    #[serde(default)]
    pub organization: Option<String>,
    /// The day the paper itself was published, UTC.
    #[serde(default)]
    pub published: Option<NaiveDate>,
    /// Where a reader goes: an absolute http(s) address.
    pub url: String,
    /// The code repository, an absolute address.
    #[serde(default)]
    pub code: Option<String>,
    /// Stars of that repository.
    #[serde(default)]
    pub stars: Option<u32>,
    /// The project's page, an absolute address.
    #[serde(default)]
    pub project: Option<String>,
    /// Keywords given by the source (often made by a model: a bonus, never relied upon).
    #[serde(default)]
    pub keywords: Vec<String>,
    /// Subject categories, as arXiv names them (`cs.LG`), the primary one first.
    #[serde(default)]
    pub categories: Vec<String>,
}

impl Paper {
    /// A paper of which only key, title and address are known.
    pub fn new(key: PaperKey, title: &str, url: &str) -> Self {
        Self {
            key,
            title: clean_text(title),
            abstract_text: String::new(),
            authors: Vec::new(),
            author_count: None,
            organization: None,
            published: None,
            url: url.to_owned(),
            code: None,
            stars: None,
            project: None,
            keywords: Vec::new(),
            categories: Vec::new(),
        }
    }

    /// This paper as a reader sees it: its texts as [`display`] makes them of the source's. Everything but taking papers in
    /// works with this.
    pub fn displayed(mut self) -> Paper {
        let texts = [&mut self.title, &mut self.abstract_text].into_iter();
        for text in texts.chain(&mut self.authors).chain(&mut self.organization).chain(&mut self.keywords) {
            if let Cow::Owned(shown) = display(text) {
                *text = shown;
            }
        }
        self
    }

    /// This paper with what `newer` knows: a field that `newer` leaves empty keeps its value, so that a degraded read
    /// (cards without abstracts) never erases what a better one brought.
    pub fn updated_by(&self, newer: &Paper) -> Paper {
        fn text(old: &str, new: &str) -> String {
            if new.is_empty() { old } else { new }.to_owned()
        }
        fn list(old: &[String], new: &[String]) -> Vec<String> {
            if new.is_empty() { old } else { new }.to_vec()
        }
        Paper {
            key: self.key.clone(),
            title: text(&self.title, &newer.title),
            abstract_text: text(&self.abstract_text, &newer.abstract_text),
            authors: list(&self.authors, &newer.authors),
            author_count: newer.author_count.or(self.author_count),
            organization: newer.organization.clone().or_else(|| self.organization.clone()),
            published: newer.published.or(self.published),
            url: text(&self.url, &newer.url),
            code: newer.code.clone().or_else(|| self.code.clone()),
            stars: newer.stars.or(self.stars),
            project: newer.project.clone().or_else(|| self.project.clone()),
            keywords: list(&self.keywords, &newer.keywords),
            categories: list(&self.categories, &newer.categories),
        }
    }
}

/// One paper seen on one source for one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Where it was seen.
    pub source: SourceId,
    /// The day it is listed under, as the source counts days.
    pub day: NaiveDate,
    /// Its place in that list, from 1.
    pub rank: u32,
    /// Votes so far; `None` when the source shows none.
    pub upvotes: Option<u32>,
    /// Comments so far.
    pub comments: Option<u32>,
}

/// A paper with one listing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The paper.
    pub paper: Paper,
    /// Other names that the source gives it, such as a DOI.
    pub aliases: Vec<PaperKey>,
    /// Where and when it was listed.
    pub listing: Listing,
}

word_enum! {
    /// How one read of a source ended. The words are those of the table `reads`, of the log and of the metrics.
    pub enum ReadOutcome {
        /// Every list was read, and there are papers.
        Fresh,
        /// Every list was read, and there are no papers, as on weekends.
        Quiet,
        /// Some lists, or some of a list, could not be read.
        Partial,
        /// The source refuses us as a robot.
        Blocked,
        /// No list could be read.
        Failed,
    }
}

word_enum! {
    /// How a source was read: each is the fallback of the one before it. Which way that is, is for the kind of source to
    /// say. The words are those of the table `reads` and of the log.
    #[derive(PartialOrd, Ord)]
    pub enum Route {
        /// The way that is tried first.
        Main,
        /// Another way, which brings as much.
        Fallback,
        /// One that brings no abstracts.
        #[serde(rename = "titles")]
        #[strum(serialize = "titles")]
        TitlesOnly,
    }
}

/// What one read of one source brought.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The source.
    pub source: SourceId,
    /// How much its descriptions count.
    pub authority: Authority,
    /// When the read began.
    pub taken: DateTime<Utc>,
    /// The worst route that any of its days needed.
    pub route: Route,
    /// Everything listed. A paper may come twice, on two days; never twice on one day.
    pub items: Vec<Listed>,
    /// Items that could not be understood and were left out.
    pub skipped: u32,
}

impl Snapshot {
    /// The same with every paper under the key that `keys` has for its own.
    pub fn renamed(&self, keys: &BTreeMap<PaperKey, PaperKey>) -> Cow<'_, Self> {
        let present = |item: &Listed| keys.get(&item.paper.key).filter(|key| **key != item.paper.key).cloned();
        if self.items.iter().all(|item| present(item).is_none()) {
            return Cow::Borrowed(self);
        }
        let mut renamed = self.clone();
        for item in &mut renamed.items {
            if let Some(key) = present(item) {
                item.paper.key = key;
            }
        }
        Cow::Owned(renamed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_never_changes_the_key() {
        let key = |id| PaperKey::arxiv(id).map(|k| k.to_string());
        assert_eq!(key("2503.02130v2"), key("2503.02130"));
        assert_eq!(key("cs/0112017v1").as_deref(), Some("arxiv:cs/0112017"));
        assert_eq!(key("2503.2130"), Some("arxiv:2503.2130".into()), "four digits until 2014");
        for old in ["cs/9901001", "hep-th/9901001", "math.GT/9901001"] {
            assert_eq!(key(old), Some(format!("arxiv:{old}")));
        }
        for wrong in ["", "2503.0213x", "250.02130", "2503.021301", "submit", "v2", "2503.02130v"] {
            assert_eq!(key(wrong), None, "{wrong}");
        }
        for wrong in ["cs/990100", "cs/99010011", "cs/990100x", "c5/9901001", "/9901001", "papers/list"] {
            assert_eq!(key(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_snapshot_is_renamed_where_a_paper_has_another_key_and_borrowed_where_none_has() {
        let source = SourceId::parse("example").expect("a name");
        let key = |id: &str| PaperKey::of_source(&source, id);
        let listed = |id: &str| Listed {
            paper: Paper::new(key(id), "Title", "https://example.org/1"),
            aliases: Vec::new(),
            listing: Listing { source: source.clone(), day: NaiveDate::MIN, rank: 1, upvotes: None, comments: None },
        };
        let snapshot = Snapshot {
            source: source.clone(),
            authority: Authority::Index,
            taken: DateTime::UNIX_EPOCH,
            route: Route::Main,
            items: vec![listed("a"), listed("b")],
            skipped: 0,
        };
        let same = BTreeMap::from([(key("a"), key("a"))]);
        assert!(matches!(snapshot.renamed(&same), Cow::Borrowed(_)));
        let renamed = snapshot.renamed(&BTreeMap::from([(key("a"), key("c")), (key("b"), key("b"))]));
        let keys: Vec<String> = renamed.items.iter().map(|item| format!("{:?}", item.paper.key)).collect();
        assert_eq!(keys, ["example:c", "example:b"]);
    }

    #[test]
    fn an_arxiv_doi_is_the_arxiv_paper() {
        assert_eq!(PaperKey::doi("10.48550/arXiv.2503.02130"), PaperKey::arxiv("2503.02130"));
        assert_eq!(PaperKey::doi("10.1000/ABC").map(|k| k.to_string()), Some("doi:10.1000/abc".into()));
        assert_eq!(PaperKey::doi("https://example.org"), None);
    }

    #[test]
    fn a_degraded_read_erases_nothing() {
        let key = PaperKey::arxiv("2503.02130").expect("an arXiv id");
        let mut full = Paper::new(key.clone(), "Title", "https://example.org/2503.02130");
        full.abstract_text = "Text.".into();
        full.authors = vec!["Ada".into()];
        let card = Paper::new(key, "Better title", "https://example.org/2503.02130");
        let merged = full.updated_by(&card);
        assert_eq!(merged.title, "Better title");
        assert_eq!((merged.abstract_text, merged.authors), (full.abstract_text, full.authors));
    }
}
