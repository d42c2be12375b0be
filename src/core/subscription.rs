//! Who wants what, and when.
//!
//! A [`Subscription`] is one person's standing order: an address, one or more [`Profile`]s (each a section of the
//! digest), a schedule in a zone. The config file or, later, a web form makes them; they are valid by construction.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::address::Address;
use super::paper::SourceId;
use super::query::Query;
use super::schedule::Schedule;
use super::word_enum;
use super::zone::Zone;

/// One person's order for digests.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    /// Where the digest goes; one subscription an address.
    pub address: Address,
    /// The person's name, for the To header.
    pub name: Option<String>,
    /// What they want; at least one, with distinct names.
    pub profiles: Vec<Profile>,
    /// When they want it, in local time.
    pub schedule: Schedule,
    /// Whose local time.
    pub zone: Zone,
    /// The first day whose papers are for it, where that was said; it counts until the first edition is decided.
    pub since: Option<NaiveDate>,
    /// Nothing is published while set; what is new then waits.
    pub paused: bool,
    /// What happens when nothing matched.
    pub when_empty: WhenEmpty,
}

word_enum! {
    /// Whether a subscriber wants mail. The words are those of the table `subscriptions`.
    pub enum Consent {
        /// Asked by mail and not yet answered.
        Pending,
        /// Yes.
        Confirmed,
        /// They left.
        Withdrawn,
        /// Their address bounced, they complained, or the operator said so.
        Suppressed,
    }
}

word_enum! {
    /// Where a subscription came from.
    pub enum Origin {
        /// A subscriptions file.
        File,
        /// The web; a file may name its address as well, and is then in force.
        Web,
    }
}

/// What a subscriber gets for an edition without papers.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum WhenEmpty {
    /// No mail.
    #[default]
    Skip,
    /// A short "nothing new" that says how many papers were looked at.
    Note,
}

/// A standing interest: weighted queries and limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The section's heading; empty for an unnamed single profile.
    pub name: String,
    /// A paper is chosen when any of these matches. None at all means every paper.
    pub keywords: Vec<Keyword>,
    /// A paper that any of these matches is never chosen.
    #[serde(default)]
    pub exclude: Vec<Query>,
    /// A paper is chosen only when all of these match as well.
    #[serde(default)]
    pub must: Vec<Query>,
    /// Fewer votes than this keep a paper back until it has them. A source without votes counts as 0.
    #[serde(default)]
    pub min_upvotes: u32,
    /// The sources looked at; empty for all.
    #[serde(default)]
    pub sources: Vec<SourceId>,
    /// Papers in one edition; what is over is owed to later ones. At least 1.
    pub max_papers: u32,
    /// The order, and so what the maximum cuts.
    #[serde(default)]
    pub rank: Rank,
}

impl Profile {
    /// Every expression in it.
    pub fn queries(&self) -> impl Iterator<Item = &Query> {
        self.keywords.iter().map(|keyword| &keyword.query).chain(&self.must).chain(&self.exclude)
    }
}

/// One keyword expression with its weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Keyword {
    /// The expression.
    pub query: Query,
    /// Its share in the relevance; 1 when not given, above 0.
    pub weight: f32,
}

/// How a profile's papers are ordered.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Rank {
    /// By how well the paper fits the profile.
    #[default]
    Relevance,
    /// By how fast the votes come in.
    Trending,
    /// By the day listed, newest first.
    Newest,
}
