//! How a source is doing, in words.
//!
//! A [`Health`] is what the store keeps of a source between two reads: [`Health::after`] makes the next one from a read's
//! end. It decides nothing; it tells an operator what happened ([`Health::words`]) and a reader why papers may be missing
//! ([`Health::note`]).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{DayOutcome, Reading, SourceError};
use crate::core::paper::Route;

/// How a source is doing, as of its last read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// How the last read went.
    pub state: State,
    /// The worst route that the last read needed; `None` when none worked.
    pub route: Option<Route>,
    /// What went wrong; empty when nothing did.
    #[serde(default)]
    pub message: String,
    /// Reads in a row, the last included, that brought nothing because of an error.
    #[serde(default)]
    pub failures: u32,
    /// When the last read began.
    pub checked: DateTime<Utc>,
    /// When the last read that worked, at least in part, began.
    #[serde(default)]
    pub worked: Option<DateTime<Utc>>,
}

/// How one read of a source went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Every list was read, and there are papers.
    Fresh,
    /// Every list was read, and there are no papers, as on weekends.
    Quiet,
    /// Some lists could not be read.
    Partial,
    /// The source takes us for a robot it doesn't want.
    Blocked,
    /// No list could be read.
    Failed,
}

impl State {
    /// The word in logs, tables and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Fresh => "fresh",
            State::Quiet => "quiet",
            State::Partial => "partial",
            State::Blocked => "blocked",
            State::Failed => "failed",
        }
    }
}

impl Health {
    /// The health after a read that began at `now`.
    pub fn after(previous: Option<&Health>, result: &Result<Reading, SourceError>, now: DateTime<Utc>) -> Self {
        match result {
            Ok(reading) => {
                let (state, message) = judge(reading);
                let route = Some(reading.snapshot.route);
                Self { state, route, message, failures: 0, checked: now, worked: Some(now) }
            }
            Err(error) => Self {
                state: if error.is_blocked() { State::Blocked } else { State::Failed },
                route: None,
                message: error.to_string(),
                failures: previous.map_or(0, |health| health.failures).saturating_add(1),
                checked: now,
                worked: previous.and_then(|health| health.worked),
            },
        }
    }

    /// One line for an operator: `fresh, read by page`, `failed 3 times in a row: timed out`.
    pub fn words(&self) -> String {
        let mut words = self.state.as_str().to_owned();
        if self.failures > 1 {
            words += &format!(" {} times in a row", self.failures);
        }
        if let Some(route @ (Route::Page | Route::Cards)) = self.route {
            words += &format!(", read by {}", route.as_str());
        }
        if !self.message.is_empty() {
            words += &format!(": {}", self.message);
        }
        words
    }

    /// One sentence for a reader of digests, when they should know that papers may be missing.
    pub fn note(&self) -> Option<String> {
        let since = || self.worked.map(|at| format!(" since {}", at.format("%-d %B, %H:%M UTC"))).unwrap_or_default();
        match (self.state, self.route) {
            (State::Blocked | State::Failed, _) => {
                Some(format!("The list could not be read{}; its new papers come once it can.", since()))
            }
            (State::Partial, _) => Some("Some days of the list could not be read; their papers come later.".to_owned()),
            (_, Some(Route::Cards)) => {
                Some("Only titles could be read, so papers that fit by their abstract may be missing.".to_owned())
            }
            _ => None,
        }
    }
}

fn judge(reading: &Reading) -> (State, String) {
    let failed: Vec<_> = reading.failed().collect();
    if let Some((_, error)) = failed.first() {
        let days: Vec<_> = failed.iter().filter_map(|(report, _)| report.day).map(|day| day.to_string()).collect();
        return (State::Partial, format!("{} could not be read: {error}", days.join(", ")));
    }
    let quiet = reading.days.iter().all(|r| matches!(r.outcome, DayOutcome::Empty | DayOutcome::OtherPeriod));
    let message = match reading.snapshot.skipped {
        0 => String::new(),
        1 => "1 item could not be understood".to_owned(),
        n => format!("{n} items could not be understood"),
    };
    (if quiet { State::Quiet } else { State::Fresh }, message)
}

#[cfg(test)]
mod tests {
    use super::super::{DayReport, FetchError};
    use super::*;
    use crate::core::paper::{Snapshot, SourceId};

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::Duration::hours(hours)
    }

    fn reading(route: Route, outcomes: &[DayOutcome]) -> Result<Reading, SourceError> {
        let source = SourceId::parse("huggingface").expect("a name");
        let report = |(days, outcome): (usize, &DayOutcome)| DayReport {
            day: at(24 * days as i64).date_naive().into(),
            route,
            items: 0,
            skipped: 0,
            outcome: outcome.clone(),
        };
        Ok(Reading {
            snapshot: Snapshot { source, taken: at(0), route, items: Vec::new(), skipped: 0 },
            days: outcomes.iter().enumerate().map(report).collect(),
            validators: Default::default(),
        })
    }

    #[test]
    fn each_end_of_a_read_has_its_words() {
        use DayOutcome::*;
        let timeout = || Failed(SourceError::Fetch(FetchError::Timeout));
        for (route, outcomes, words) in [
            (Route::Api, vec![Listed, Empty], "fresh"),
            (Route::Api, vec![Unchanged, Unchanged], "fresh"),
            (Route::Page, vec![OtherPeriod, Listed], "fresh, read by page"),
            (Route::Api, vec![Empty, Empty], "quiet"),
            (Route::Cards, vec![Listed, timeout()], "partial, read by cards: 1970-01-02 could not be read: timed out"),
        ] {
            assert_eq!(Health::after(None, &reading(route, &outcomes), at(0)).words(), words);
        }
        let blocked = Err(SourceError::Challenge);
        assert_eq!(Health::after(None, &blocked, at(0)).state, State::Blocked);
    }

    #[test]
    fn failures_count_up_until_a_read_works() {
        let error = Err(SourceError::Fetch(FetchError::Server { status: 503 }));
        let good = Health::after(None, &reading(Route::Api, &[DayOutcome::Listed]), at(1));
        let once = Health::after(Some(&good), &error, at(2));
        let twice = Health::after(Some(&once), &error, at(3));
        assert_eq!(twice.words(), "failed 2 times in a row: the server failed with 503");
        assert_eq!(
            twice.note().as_deref(),
            Some("The list could not be read since 1 January, 01:00 UTC; its new papers come once it can.")
        );
        let again = Health::after(Some(&twice), &reading(Route::Api, &[DayOutcome::Listed]), at(4));
        assert_eq!((again.failures, again.note()), (0, None));
    }

    #[test]
    fn the_store_gets_back_what_it_kept() {
        let health = Health::after(None, &reading(Route::Cards, &[DayOutcome::Listed]), at(0));
        let kept = serde_json::to_string(&health).expect("json");
        assert_eq!(serde_json::from_str::<Health>(&kept).ok(), Some(health));
    }
}
