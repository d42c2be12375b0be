//! One paper, several describers: what each source says of it, and what is shown.
//!
//! Every source keeps what it said, whatever another says (I14); what is shown and matched is [`merge`]d from all of them, field by
//! field. The order of the reads does not matter, and to read a source again changes nothing.
//!
//! | field | what is shown |
//! |---|---|
//! | title, abstract, address, organisation, day, code, project | of the first source by rank that has one |
//! | authors | the longest list; of equal ones the first by rank |
//! | number of authors | the largest |
//! | keywords, categories | those of the first source by rank, then what the others add |
//!
//! The rank is by [`Authority`], then by the source's name. A field that a source leaves empty never wins. Votes are no part of
//! this: they stay with their source ([`Listing`](super::Listing)), and so do the stars of a repository.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::{Paper, PaperKey, SourceId};
use crate::core::word_enum;

word_enum! {
    /// How near a source is to the papers that it lists; the nearest first.
    #[derive(Default, PartialOrd, Ord, Hash)]
    pub enum Authority {
        /// It publishes them: arXiv, a journal.
        Publisher,
        /// It collects whole records of papers that others have published.
        #[default]
        Index,
        /// It passes snippets on: a feed, an alert.
        Feed,
    }
}

/// What one source says of a paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The source's rank.
    pub authority: Authority,
    /// Its words; the key is the paper's, whatever the source calls it.
    pub paper: Paper,
}

/// What every source says of a paper.
pub type Descriptions = BTreeMap<SourceId, Description>;

/// What is shown of a paper under `key`; `None` when nobody describes it.
pub fn merge(key: &PaperKey, said: &Descriptions) -> Option<Paper> {
    let mut ranked: Vec<(Authority, &SourceId, &Paper)> =
        said.iter().map(|(source, said)| (said.authority, source, &said.paper)).collect();
    ranked.sort_unstable_by_key(|(authority, source, _)| (*authority, *source));
    let papers: Vec<&Paper> = ranked.into_iter().map(|(_, _, paper)| paper).collect();
    let best = papers.first()?;
    let text = |of: fn(&Paper) -> &String| {
        papers.iter().map(|paper| of(paper)).find(|text| !text.is_empty()).cloned().unwrap_or_default()
    };
    let link = |of: fn(&Paper) -> &Option<String>| papers.iter().find_map(|paper| of(paper).clone());
    // `max_by_key` takes the last of equals.
    let authors = papers.iter().rev().max_by_key(|paper| paper.authors.len()).unwrap_or(best);
    Some(Paper {
        key: key.clone(),
        title: text(|paper| &paper.title),
        abstract_text: text(|paper| &paper.abstract_text),
        authors: authors.authors.clone(),
        author_count: papers.iter().filter_map(|paper| paper.author_count).max(),
        organization: link(|paper| &paper.organization),
        published: papers.iter().find_map(|paper| paper.published),
        url: text(|paper| &paper.url),
        code: link(|paper| &paper.code),
        stars: None,
        project: link(|paper| &paper.project),
        keywords: union(papers.iter().map(|paper| &paper.keywords)),
        categories: union(papers.iter().map(|paper| &paper.categories)),
    })
}

/// What `said` says otherwise than what is `shown`: these fields only, empty ones too. Most sources say what is shown, and then there is
/// nothing to keep.
pub fn otherwise(said: &Paper, shown: &Paper) -> serde_json::Result<Map<String, Value>> {
    let (mut fields, shown) = (fields(said)?, fields(shown)?);
    fields.retain(|name, value| name != "key" && shown.get(name) != Some(value));
    Ok(fields)
}

/// What a source says, from what it says otherwise than what is `shown`.
pub fn said(shown: &Paper, otherwise: Map<String, Value>) -> serde_json::Result<Paper> {
    let mut fields = fields(shown)?;
    fields.extend(otherwise);
    serde_json::from_value(Value::Object(fields))
}

fn fields(paper: &Paper) -> serde_json::Result<Map<String, Value>> {
    match serde_json::to_value(paper)? {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}

/// The first list that isn't empty as it is, and what the others have beside it, in any case.
fn union<'a>(lists: impl Iterator<Item = &'a Vec<String>>) -> Vec<String> {
    let mut lists = lists.filter(|list| !list.is_empty());
    let mut all = lists.next().cloned().unwrap_or_default();
    let mut known: HashSet<String> = all.iter().map(|word| word.to_lowercase()).collect();
    all.extend(lists.flatten().filter(|word| known.insert(word.to_lowercase())).cloned());
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> PaperKey {
        PaperKey::arxiv("2611.00001").expect("an id")
    }

    fn source(name: &str) -> SourceId {
        SourceId::parse(name).expect("a name")
    }

    fn paper() -> impl Strategy<Value = Paper> {
        let word = || "[ab]{0,2}";
        let words = || proptest::collection::vec("[abAB]{1,2}", 0..4);
        let texts = (word(), word(), word(), proptest::option::of("[ab]"), proptest::option::of("[ab]"));
        (texts, words(), words(), words(), proptest::option::of(0u32..9)).prop_map(
            |((title, abstract_text, url, code, project), authors, keywords, categories, author_count)| Paper {
                abstract_text,
                authors,
                author_count,
                code,
                project,
                keywords,
                categories,
                ..Paper::new(key(), &title, &url)
            },
        )
    }

    fn authority() -> impl Strategy<Value = Authority> {
        prop_oneof![Just(Authority::Publisher), Just(Authority::Index), Just(Authority::Feed)]
    }

    fn descriptions() -> impl Strategy<Value = Descriptions> {
        let said = (authority(), paper()).prop_map(|(authority, paper)| Description { authority, paper });
        proptest::collection::btree_map("[a-d]".prop_map(|name| source(&name)), said, 1..5)
    }

    fn merged(said: &Descriptions) -> Paper {
        merge(&key(), said).expect("a paper")
    }

    #[test]
    fn the_publishers_abstract_wins_over_a_feeds_snippet_and_the_longest_list_of_authors_over_both() {
        let url = "https://example.org/1";
        let feed = Paper {
            abstract_text: "We show …".into(),
            authors: vec!["Bo".into(), "Cy".into()],
            ..Paper::new(key(), "A Title", url)
        };
        let publisher = Paper {
            abstract_text: "We show all of it.".into(),
            authors: vec!["Bo et al.".into()],
            code: Some("https://example.org/code".into()),
            ..Paper::new(key(), "A title", "https://example.org/2")
        };
        let said = |authority, paper| Description { authority, paper };
        let said = Descriptions::from([
            (source("a-feed"), said(Authority::Feed, feed)),
            (source("journal"), said(Authority::Publisher, publisher)),
        ]);
        let Paper { title, abstract_text, authors, url, code, .. } = merged(&said);
        assert_eq!((title.as_str(), abstract_text.as_str()), ("A title", "We show all of it."));
        assert_eq!((authors, url.as_str()), (vec!["Bo".to_owned(), "Cy".to_owned()], "https://example.org/2"));
        assert_eq!(code.as_deref(), Some("https://example.org/code"));
    }

    proptest! {
        #[test]
        fn what_one_source_says_alone_is_shown_as_it_is(paper in paper(), authority in authority()) {
            let said = Descriptions::from([(source("a"), Description { authority, paper: paper.clone() })]);
            prop_assert_eq!(merged(&said), paper);
        }

        #[test]
        fn to_merge_what_was_merged_changes_nothing(said in descriptions(), authority in authority()) {
            let shown = merged(&said);
            let again = said.keys().map(|source| (source.clone(), Description { authority, paper: shown.clone() })).collect();
            prop_assert_eq!(merged(&again), shown);
        }

        #[test]
        fn what_a_source_says_is_kept_beside_what_is_shown(shown in paper(), one in paper()) {
            let kept = otherwise(&one, &shown).expect("JSON");
            prop_assert_eq!(kept.is_empty(), one == shown);
            prop_assert!(otherwise(&one, &one).expect("JSON").is_empty());
            prop_assert_eq!(said(&shown, kept).expect("a paper"), one);
        }

        /// I14: whatever another source comes to say, of a source's words those that no better source overrules stay.
        #[test]
        fn a_change_by_one_source_never_takes_away_what_a_better_one_says(said in descriptions(), other in paper()) {
            let rank = |source: &SourceId| (said[source].authority, source.clone());
            let changed = said.keys().max_by_key(|source| rank(source)).expect("one").clone();
            let mut after = said.clone();
            after.get_mut(&changed).expect("one").paper = other;
            let (before, now) = (merged(&said), merged(&after));
            let others = || said.iter().filter(|(source, _)| **source != changed).map(|(_, said)| &said.paper);
            prop_assert!(!others().any(|paper| !paper.title.is_empty()) || now.title == before.title);
            prop_assert!(!others().any(|paper| !paper.abstract_text.is_empty()) || now.abstract_text == before.abstract_text);
            prop_assert!(!others().any(|paper| !paper.url.is_empty()) || now.url == before.url);
            prop_assert!(!others().any(|paper| paper.code.is_some()) || now.code == before.code);
            let has = |word: &String| now.keywords.iter().any(|known| known.to_lowercase() == word.to_lowercase());
            prop_assert!(others().flat_map(|paper| &paper.keywords).all(has));
            prop_assert!(others().all(|paper| paper.authors.len() <= now.authors.len()));
        }
    }
}
