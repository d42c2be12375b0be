//! What the settings allow: how many mails, in how long, to whom.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};

/// So many mails in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Mails; at least one.
    pub mails: u32,
    /// The length of the window.
    pub per: Duration,
}

/// What one recipient domain gets at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Mails in a length of time.
    pub rate: Option<Rate>,
    /// Mails that are taken within 24 hours.
    pub per_day: Option<u32>,
    /// Mails under way at once.
    pub connections: u32,
}

/// How the day's limit of a new sender grows: `start` on the first day, `growth` times as many on each day after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp {
    /// Mails on the first day.
    pub start: u32,
    /// The factor from a day to the next; above 1.
    pub growth: f64,
}

/// Every limit there is.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Mails in a length of time, to everybody together.
    pub rate: Option<Rate>,
    /// Mails that are taken within 24 hours, by everybody together.
    pub per_day: Option<u32>,
    /// The ramp-up of a new sender, below `per_day`.
    pub ramp: Option<Ramp>,
    /// Prompt mails in a length of time, to everybody together.
    pub prompt: Rate,
    /// What a domain gets that has no limits of its own.
    pub domain: Limits,
    /// The limits of some domains, by A-labels in lower case.
    pub domains: BTreeMap<String, Limits>,
    /// How long a domain is held that asked us to slow down, the first time …
    pub backoff: Duration,
    /// … and at most.
    pub backoff_max: Duration,
}

impl Default for Policy {
    /// No limits but on mails under way to one domain, and on prompt mails.
    fn default() -> Self {
        Self {
            rate: None,
            per_day: None,
            ramp: None,
            prompt: Rate { mails: 600, per: Duration::hours(1) },
            domain: Limits { rate: None, per_day: None, connections: 20 },
            domains: BTreeMap::new(),
            backoff: Duration::minutes(1),
            backoff_max: Duration::hours(1),
        }
    }
}

impl Policy {
    /// Whether what was sent in the past matters for what may be sent now.
    pub fn looks_back(&self) -> bool {
        let limits = |limits: &Limits| limits.rate.is_some() || limits.per_day.is_some();
        self.rate.is_some() || self.day_limit(None, DateTime::UNIX_EPOCH).is_some() || {
            std::iter::once(&self.domain).chain(self.domains.values()).any(limits)
        }
    }

    /// What may be taken in the 24 hours before `now`, when the first mail ever was taken at `first`.
    pub fn day_limit(&self, first: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<u32> {
        let ramped = self.ramp.map(|ramp| {
            let days = first.map_or(0, |first| (now - first).num_days().max(0));
            let days = i32::try_from(days).unwrap_or(i32::MAX);
            // A float that is too large becomes the largest number.
            (f64::from(ramp.start) * ramp.growth.powi(days)) as u32
        });
        ramped.into_iter().chain(self.per_day).min()
    }

    pub(super) fn limits(&self, domain: &str) -> &Limits {
        self.domains.get(domain).unwrap_or(&self.domain)
    }
}
