//! What a kind of source says of itself, and how it reads its settings.

use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use super::fetch::BearerToken;
use super::{KINDS, Kind};
use crate::core::paper::SourceId;

/// A row of [`KINDS`].
#[derive(Debug)]
pub struct About {
    /// The word after `kind =`.
    pub word: &'static str,
    /// What readers of digests call it.
    pub title: &'static str,
    /// Its keys in `[sources.NAME]`, beside `kind` and `enabled`, with their defaults as TOML; an empty default is none. Each
    /// kind has a `schedule`.
    pub keys: &'static [(&'static str, &'static str)],
    /// The name of the source of this kind that is there when the settings name no source, and whether it is read. A source
    /// of this name needs no `kind`.
    pub preset: Option<(&'static str, bool)>,
    /// Whether it says what a paper is filed under, which is what `category:` looks at.
    pub tells_categories: bool,
    /// Whether votes change, so that older days are worth another look.
    pub has_votes: bool,
    /// The least time between two requests to its host.
    pub interval: Duration,
    /// Reads its settings. What is wrong in them is reported by the table.
    pub read: fn(&SourceId, &mut dyn Table) -> Kind,
}

impl About {
    /// The kind that a source has by its name alone.
    pub fn of_preset(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|about| about.preset.is_some_and(|(preset, _)| preset == name)).copied()
    }

    /// The default of a key, as TOML.
    pub fn default_of(&self, key: &str) -> Option<&'static str> {
        self.keys.iter().find(|(known, _)| *known == key).map(|(_, default)| *default)
    }
}

/// The table `[sources.NAME]`. Each method gives the value of a key; where that is missing or wrong it gives the default.
pub trait Table {
    /// A web address that paths are put after.
    fn base_url(&mut self, key: &str) -> Url;

    /// A whole number.
    fn whole(&mut self, key: &str, range: RangeInclusive<u32>) -> u32;

    /// A secret for `base` alone: by the key, by a file (the key with `_file`), or as a credential of the service manager.
    fn token(&mut self, key: &str, credential: &str, base: &Url) -> Option<BearerToken>;
}
