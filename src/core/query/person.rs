//! Names of people: whom `author:` finds.
//!
//! A name is its folded words in any order, and an initial may stand for a word. Words that a hyphen or an apostrophe joins
//! may be written as one or apart, and words that follow each other may be written as one where a further word stands beside
//! them: `Bea-Lou Sample`, `Bealou Sample` and `Bea Lou Sample` are the same person. Two words alone are not run together:
//! `Li Wei` is not every `Liwei`.

use std::borrow::Cow;

use crate::core::text;

/// The words of a person's name, folded; the last one may be a beginning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    words: Vec<Word>,
    prefix: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Word {
    folded: String,
    /// A hyphen or an apostrophe joins it to the word before.
    is_joined: bool,
}

/// The most words of a name that are compared as one.
const MAX_RUN: usize = 3;

impl Name {
    /// Cuts a name; `prefix` says that its last word is only a beginning.
    pub fn new(name: &str, prefix: bool) -> Self {
        let name = with_plain_apostrophes(name);
        let mut words = Vec::new();
        let mut end = 0;
        for word in text::words(&name).into_iter().filter(|word| word.length == 1) {
            let mut between = name[end..word.range.start].chars();
            let is_joined = !words.is_empty() && between.next().is_some_and(joins) && between.next().is_none();
            end = word.range.end;
            let folded = text::fold(&name[word.range]);
            if !folded.is_empty() {
                words.push(Word { folded, is_joined });
            }
        }
        Self { words, prefix }
    }

    /// Whether the last word is only a beginning.
    pub fn is_prefix(&self) -> bool {
        self.prefix
    }

    /// The words, and what they become where several in a row are written as one. A name that [`Name::finds`] another shares
    /// one of them with it, unless it ends in a beginning.
    pub fn spellings(&self) -> impl Iterator<Item = String> {
        let runs = (0..self.words.len()).flat_map(move |first| {
            let last = self.words.len().min(first + MAX_RUN);
            (first..last).map(move |at| run_together(&self.words[first..=at]))
        });
        runs.chain(self.closed().into_iter().map(Cow::into_owned))
    }

    /// Whether it is the name `other`: each word is there, in any order, or as its initial, and at least one is there in full.
    /// An initial of the other name stands for a word of this one only where nothing in full is left that the word could have
    /// been: "Bea S. Other" is no Bea Sample.
    pub fn finds(&self, other: &Self) -> bool {
        let (own, theirs) = (self.spelled_as(other), other.spelled_as(self));
        // One initial may stand for what a hyphen joins: "B. Sample" for "Bea-Lou Sample".
        has_all(&own, self.prefix, &theirs) || self.is_compound() && has_all(&self.closed(), self.prefix, &theirs)
    }

    /// Whether it has initials alone, and so is nobody's.
    pub(in crate::core) fn is_of_initials(&self) -> bool {
        self.words.iter().all(|word| is_letter(&word.folded))
    }

    fn is_compound(&self) -> bool {
        self.words.iter().any(|word| word.is_joined)
    }

    /// The words, those that are joined as one.
    fn closed(&self) -> Vec<Cow<'_, str>> {
        let groups = self.words.chunk_by(|_, next| next.is_joined);
        groups.map(|group| Cow::Owned(run_together(group))).collect()
    }

    /// The words, those in a row as one that `other` writes as one.
    fn spelled_as(&self, other: &Self) -> Vec<Cow<'_, str>> {
        let mut words = Vec::with_capacity(self.words.len());
        let mut at = 0;
        while at < self.words.len() {
            let longest = MAX_RUN.min(self.words.len() - at);
            let run = (2..=longest).rev().find_map(|length| {
                let run = &self.words[at..at + length];
                if !self.may_be_one(run) {
                    return None;
                }
                let is_begun = self.prefix && at + length == self.words.len();
                let joined = run_together(run);
                other.writes(&joined, &run[0].folded, is_begun).then_some((joined, length))
            });
            let (word, length) = run.map_or((Cow::Borrowed(self.words[at].folded.as_str()), 1), |(joined, length)| {
                (Cow::Owned(joined), length)
            });
            words.push(word);
            at += length;
        }
        words
    }

    /// Whether some words in a row may be one word: they are joined, or they are no initials and not the whole name.
    fn may_be_one(&self, run: &[Word]) -> bool {
        let is_joined = run[1..].iter().all(|word| word.is_joined);
        is_joined || run.len() < self.words.len() && !run.iter().any(|word| is_letter(&word.folded))
    }

    /// Whether one of its words is `joined`, or begins so if `is_begun`. Its own beginning must reach beyond the `first` word
    /// of what is joined, else it is a beginning of that one alone.
    fn writes(&self, joined: &str, first: &str, is_begun: bool) -> bool {
        let last = self.words.len().wrapping_sub(1);
        self.words.iter().enumerate().any(|(at, Word { folded, .. })| {
            folded == joined
                || is_begun && folded.starts_with(joined)
                || self.prefix && at == last && folded.len() > first.len() && joined.starts_with(folded.as_str())
        })
    }
}

/// Whether the words of a name, the last of which may be a beginning, are those of `name`.
fn has_all(words: &[Cow<'_, str>], prefix: bool, name: &[Cow<'_, str>]) -> bool {
    let mut free: Vec<&str> = name.iter().map(AsRef::as_ref).collect();
    let mut open: Vec<&str> = Vec::new();
    let last = words.len().wrapping_sub(1);
    let (mut is_named, mut is_shortened) = (false, false);
    for (at, word) in words.iter().enumerate() {
        let full = |other: &&str| *other == word || (prefix && at == last && other.starts_with(word.as_ref()));
        match free.iter().position(full) {
            Some(found) => {
                is_named |= !is_letter(word);
                free.swap_remove(found);
            }
            None => open.push(word),
        }
    }
    for word in open {
        let Some(found) = free.iter().position(|other| is_initial(word, other)) else { return false };
        is_shortened |= is_letter(free.swap_remove(found)) && !is_letter(word);
    }
    is_named && !(is_shortened && free.into_iter().any(|other| !is_letter(other)))
}

/// The apostrophes that names are written with, all as one that joins.
fn with_plain_apostrophes(name: &str) -> Cow<'_, str> {
    const APOSTROPHES: [char; 5] = ['\u{2018}', '\u{2BB}', '\u{2BC}', '\u{B4}', '\u{FF07}'];
    if name.contains(APOSTROPHES) { Cow::Owned(name.replace(APOSTROPHES, "’")) } else { Cow::Borrowed(name) }
}

/// Whether it joins two words to one name.
fn joins(c: char) -> bool {
    matches!(c, '-' | '\'' | '’' | '\u{2010}'..='\u{2013}' | '−')
}

fn run_together(words: &[Word]) -> String {
    words.iter().map(|word| word.folded.as_str()).collect()
}

/// Whether a word of a name is just a letter; characters of scripts without case are words.
fn is_letter(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(char::is_lowercase) && chars.next().is_none()
}

/// Whether one of two words is the initial of the other.
fn is_initial(a: &str, b: &str) -> bool {
    let initial = |short: &str, long: &str| short.chars().count() == 1 && long.starts_with(short);
    initial(a, b) || initial(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(query: &str, author: &str) -> bool {
        let prefix = query.strip_suffix('*');
        Name::new(prefix.unwrap_or(query), prefix.is_some()).finds(&Name::new(author, false))
    }

    #[test]
    fn a_hyphen_or_an_apostrophe_makes_no_other_person() {
        for [a, b] in [
            ["Bea-Lou Sample", "Bealou Sample"],
            ["Bea Lou Sample", "Bealou Sample"],
            ["Bea Lou Sample", "Bea-Lou Sample"],
            ["Sample, Bea-Lou", "Bealou Sample"],
            ["Bea\u{2010}Lou Sample", "B. Sample"],
            ["Carl N'Other", "Carl NOther"],
            ["Carl N'Other", "Carl N’Other"],
            ["Carl NOther", "Carl Nʼother"],
            ["Bealou Sample-Other", "Bea-Lou SampleOther"],
            ["Bea-Lou-Ann Sample", "Bealouann Sample"],
        ] {
            assert!(finds(a, b) && finds(b, a), "{a} and {b}");
        }
        for [part, whole] in [
            ["Bealou Sample", "Bea-Lou Sample-Other"],
            ["N'Other", "Carl NOther"],
            ["bealo*", "Bea-Lou Sample"],
            ["Bea-Lo*", "Bealou Sample"],
            ["Lou Be*", "Bea-Lou Sample"],
        ] {
            assert!(finds(part, whole), "{part} finds {whole}");
        }
        for [a, b] in [
            ["Li Wei", "Liwei Zhang"],
            ["Liwei", "Li Wei"],
            ["A. B. Sample", "Ab Sample"],
            ["Bea-Lou Sample", "Bea-Ann Sample"],
            ["Lou-Bea Sample", "Bealou Sample"],
            ["Beal Ou Sample", "Bea-Lou Sample"],
        ] {
            assert!(!finds(a, b), "{a} does not find {b}");
        }
    }
}
