//! The keys of a subscription that commands set and take out.

use chrono::NaiveDate;

use super::quoted;
use crate::core::paper::SourceId;
use crate::core::schedule::Schedule;
use crate::core::subscription::{Rank, WhenEmpty};
use crate::core::zone::Zone;

/// A key that a subscription can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Setting {
    /// The person's name.
    Name,
    /// When it goes out.
    Schedule,
    /// In whose local time.
    Zone,
    /// The first day whose papers count.
    Since,
    /// What an edition without papers does.
    WhenEmpty,
    /// All exclusions.
    Exclude,
    /// All that each paper must match.
    Must,
    /// The votes a paper needs.
    MinUpvotes,
    /// Which sources count.
    Sources,
    /// Papers in one edition.
    MaxPapers,
    /// The order of papers.
    Rank,
}

impl Setting {
    /// Whether it is a profile's, where a subscription has profiles.
    pub(super) fn is_of_profile(self) -> bool {
        match self {
            Self::Name | Self::Schedule | Self::Zone | Self::Since | Self::WhenEmpty => false,
            Self::Exclude | Self::Must | Self::MinUpvotes | Self::Sources | Self::MaxPapers | Self::Rank => true,
        }
    }
}

/// Values for keys of a subscription; a key whose value is `None` or empty is not set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// The person's name.
    pub name: Option<String>,
    /// The votes a paper needs.
    pub min_upvotes: Option<u32>,
    /// Papers in one edition.
    pub max_papers: Option<u32>,
    /// Which sources count.
    pub sources: Vec<SourceId>,
    /// The order of papers.
    pub rank: Option<Rank>,
    /// When it goes out.
    pub schedule: Option<Schedule>,
    /// In whose local time.
    pub zone: Option<Zone>,
    /// The first day whose papers are for it.
    pub since: Option<NaiveDate>,
    /// What an edition without papers does.
    pub when_empty: Option<WhenEmpty>,
}

impl Values {
    /// The keys that are set, with their values in TOML, in the order of a new subscription.
    pub(super) fn in_toml(&self) -> impl DoubleEndedIterator<Item = (Setting, String)> {
        let number = |value: Option<u32>| value.map(|value| value.to_string());
        let sources: Vec<String> = self.sources.iter().map(|source| quoted(source.as_str())).collect();
        let values = [
            (Setting::Name, self.name.as_deref().map(quoted)),
            (Setting::MinUpvotes, number(self.min_upvotes)),
            (Setting::MaxPapers, number(self.max_papers)),
            (Setting::Sources, (!sources.is_empty()).then(|| format!("[{}]", sources.join(", ")))),
            (Setting::Rank, self.rank.map(|rank| quoted(rank.into()))),
            (Setting::Schedule, self.schedule.as_ref().map(|schedule| quoted(&schedule.to_string()))),
            (Setting::Zone, self.zone.map(|zone| quoted(zone.name()))),
            (Setting::Since, self.since.map(|day| quoted(&day.to_string()))),
            (Setting::WhenEmpty, self.when_empty.map(|what| quoted(what.into()))),
        ];
        values.into_iter().filter_map(|(setting, value)| Some((setting, value?)))
    }
}
