//! The sources: what all have, read here, and what their kinds have, read by those.

use std::ops::RangeInclusive;

use url::Url;

use super::super::node::{Node, Wrong};
use super::super::problem::{Problem, ValuePlace};
use super::super::{keys, values};
use super::Reader;
use crate::core::paper::SourceId;
use crate::source::fetch::BearerToken;
use crate::source::{About, KINDS, Source, Table};

impl Reader {
    pub(super) fn sources(&mut self) -> Vec<Source> {
        let names: Vec<_> = self.merged.sources.iter().map(|(name, place)| (name.clone(), place.clone())).collect();
        let sources: Vec<_> = names.iter().filter_map(|(name, place)| self.source(name, place)).collect();
        if !sources.iter().any(|source| source.enabled)
            && let Some((name, place)) = names.first()
        {
            let place = self.place(&format!("sources.{name}.enabled")).unwrap_or_else(|| place.clone());
            self.merged.problems.push(Problem::warning(place, "sources: none is enabled, so no paper will ever come"));
        }
        sources
    }

    fn source(&mut self, name: &str, place: &ValuePlace) -> Option<Source> {
        let key = format!("sources.{name}.kind");
        let kinds: Vec<(&str, &About)> = KINDS.iter().map(|about| (about.word, *about)).collect();
        let found = self.get(&key, |node| node.choice(&kinds)).or_else(|| About::of_preset(name));
        if found.is_none() && !self.merged.found.contains_key(&key) {
            let problem = Problem::error(place.clone(), format!("{key}: is missing"));
            self.merged.problems.push(problem.hint(format!("add kind = {:?} or another kind", KINDS[0].word)));
        }
        let about = found.unwrap_or(KINDS[0]);
        if found.is_some() {
            self.refuse_keys_of_others(name, about);
        }
        let id = SourceId::parse(name)?;
        let enabled = self.need(&format!("sources.{name}.enabled"), Node::boolean);
        let mut fields = Fields { reader: self, name, about, place };
        let kind = (about.read)(&id, &mut fields);
        let schedule = fields.need("schedule", values::schedule)?;
        self.warn_of_schedule(&format!("sources.{name}.schedule"), &schedule);
        Some(Source { id, about, enabled, schedule, kind })
    }

    /// Reports keys that only sources of other kinds have.
    fn refuse_keys_of_others(&mut self, name: &str, about: &About) {
        for key in keys::of_kinds().filter(|key| about.default_of(key).is_none()) {
            let key = format!("sources.{name}.{key}");
            if let Some(place) = self.place(&key) {
                let known: Vec<_> = about.keys.iter().map(|(key, _)| *key).collect();
                let problem =
                    Problem::error(place, format!("{key}: a source of kind {:?} has no such key", about.word));
                self.merged.problems.push(problem.hint(format!("it has: {}", known.join(", "))));
            }
        }
    }
}

/// `[sources.NAME]`, as its kind sees it.
struct Fields<'a> {
    reader: &'a mut Reader,
    name: &'a str,
    about: &'static About,
    /// Where the source is first named.
    place: &'a ValuePlace,
}

impl Fields<'_> {
    fn key(&self, last: &str) -> String {
        format!("sources.{}.{last}", self.name)
    }

    /// The value, or the default; one that has none and is not set is reported.
    fn need<T>(&mut self, last: &str, parse: impl Fn(&Node) -> Result<T, Wrong>) -> Option<T> {
        let key = self.key(last);
        let default = self.about.default_of(last).filter(|default| !default.is_empty());
        if default.is_none() && !self.reader.merged.found.contains_key(&key) {
            self.reader.merged.problems.push(Problem::error(self.place.clone(), format!("{key}: is missing")));
        }
        self.reader.get(&key, &parse).or_else(|| super::default(default?, parse))
    }
}

impl Table for Fields<'_> {
    fn base_url(&mut self, key: &str) -> Url {
        self.need(key, values::base_url).unwrap_or_else(|| Url::parse("http://localhost").expect("an address"))
    }

    fn whole(&mut self, key: &str, range: RangeInclusive<u32>) -> u32 {
        let least = *range.start();
        self.need(key, |node| values::whole(node, *range.start(), *range.end())).unwrap_or(least)
    }

    fn token(&mut self, key: &str, credential: &str, base: &Url) -> Option<BearerToken> {
        let key = self.key(key);
        let secret = self.reader.secret(&key, credential)?;
        let token = BearerToken::new(secret.reveal(), base);
        if token.is_none() {
            let place = [key.clone(), format!("{key}_file")].into_iter().find_map(|key| self.reader.place(&key));
            let message = format!("{key}: has characters that a token can't have");
            self.reader.merged.problems.push(Problem::error(place.unwrap_or(ValuePlace::Default), message));
        }
        token
    }
}
