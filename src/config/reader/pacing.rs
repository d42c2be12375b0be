//! The settings about how fast mails may leave.

use std::collections::BTreeMap;

use chrono::Duration;

use super::super::layers::DOMAINS;
use super::super::node::{Node, Wrong};
use super::super::{keys, values};
use super::Reader;
use crate::core::pacing::{Limits, Policy, Ramp};

/// A day's mails; more than anybody sends.
const MOST_PER_DAY: u32 = 100_000_000;

impl Reader {
    pub(super) fn pacing(&mut self) -> Policy {
        let growth = self.need("pacing.growth", values::growth);
        let start = self.get("pacing.start_per_day", per_day);
        let domain = Limits {
            rate: self.get("pacing.domain_rate", values::rate),
            per_day: self.get("pacing.domain_per_day", per_day),
            connections: self.whole("pacing.domain_connections", 1, 1_000),
        };
        let backoff = self.backoff("pacing.backoff");
        Policy {
            rate: self.get("pacing.rate", values::rate),
            per_day: self.get("pacing.per_day", per_day),
            ramp: start.map(|start| Ramp { start, growth }),
            domains: self.domains(&domain),
            domain,
            backoff,
            backoff_max: self.backoff("pacing.backoff_max").max(backoff),
            ..Policy::default()
        }
    }

    /// The limits of some domains; what one of them doesn't say is as for all.
    fn domains(&mut self, all: &Limits) -> BTreeMap<String, Limits> {
        let prefix = format!("{DOMAINS}.");
        let mut names: Vec<(String, Node)> = Vec::new();
        for (key, node) in &self.merged.found {
            let name = key.strip_prefix(&prefix).and_then(|rest| keys::parts(rest).next());
            if let Some(name) = name.filter(|name| names.last().is_none_or(|(last, _)| last != name)) {
                names.push((name.to_owned(), node.clone()));
            }
        }
        let mut domains = BTreeMap::new();
        for (name, node) in names {
            let key = |last: &str| format!("{prefix}{name}.{last}");
            let limits = Limits {
                rate: self.get(&key("rate"), values::rate).or(all.rate),
                per_day: self.get(&key("per_day"), per_day).or(all.per_day),
                connections: self
                    .get(&key("connections"), |node| values::whole(node, 1, 1_000))
                    .unwrap_or(all.connections),
            };
            match idna::domain_to_ascii_strict(name.trim_matches('"')) {
                Ok(domain) if !domain.is_empty() => drop(domains.insert(domain, limits)),
                _ => {
                    let wrong = Wrong::new("expected a domain such as \"example.org\"");
                    self.merged.problems.push(node.problem(&format!("{prefix}{name}"), wrong));
                }
            }
        }
        domains
    }

    fn backoff(&mut self, key: &str) -> Duration {
        let longest = std::time::Duration::from_secs(86_400);
        let rest = self.need(key, |node| node.duration(std::time::Duration::from_secs(1)..=longest));
        Duration::from_std(rest).unwrap_or(Duration::days(1))
    }
}

fn per_day(node: &Node) -> Result<u32, Wrong> {
    values::whole(node, 1, MOST_PER_DAY)
}
