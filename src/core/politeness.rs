//! When a host that papers are read from is left alone: because it asked for that, or because it fails (a circuit breaker).
//!
//! After [`MOST_FAILURES`] failed requests in a row the breaker is open: nothing is asked for a while, which doubles with each
//! further failure. Then one request is the probe. If it works, the breaker is closed.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

/// So many requests in a row may fail.
pub const MOST_FAILURES: u32 = 5;

/// How long the breaker is open at first…
const SHORTEST: TimeDelta = TimeDelta::minutes(5);

/// …and at most.
const LONGEST: TimeDelta = TimeDelta::hours(1);

/// The longest time that a host can ask for. What ends later was written by a clock that was ahead.
const LONGEST_ASKED: TimeDelta = TimeDelta::hours(24);

/// What is remembered of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HostState {
    /// Requests in a row that failed.
    pub failures: u32,
    /// When it may be asked again.
    pub until: Option<DateTime<Utc>>,
}

impl HostState {
    /// When it may be asked, if not at `now`.
    pub fn closed_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.until.filter(|until| now < *until && *until <= now + LONGEST_ASKED)
    }

    /// Whether its failures are the reason to leave it alone; else it asked for that.
    pub fn is_broken(&self) -> bool {
        self.failures >= MOST_FAILURES
    }

    /// A request was answered.
    pub fn worked(&mut self) {
        *self = Self::default();
    }

    /// A request failed, all its attempts included.
    pub fn failed(&mut self, now: DateTime<Utc>) {
        self.failures = self.failures.saturating_add(1);
        if let Some(more) = self.failures.checked_sub(MOST_FAILURES) {
            self.until = Some(now + (SHORTEST * 2i32.pow(more.min(10))).min(LONGEST));
        }
    }

    /// It asked to be left alone for so long.
    pub fn asked(&mut self, now: DateTime<Utc>, wait: TimeDelta) {
        let until = now + wait.min(LONGEST_ASKED);
        self.until = Some(self.closed_until(now).map_or(until, |known| known.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    #[test]
    fn the_breaker_opens_after_failures_in_a_row_for_longer_each_time_and_a_probe_closes_it() {
        let mut host = HostState::default();
        (1..MOST_FAILURES).for_each(|_| host.failed(at(0)));
        assert_eq!(host.closed_until(at(0)), None, "not yet");
        host.failed(at(0));
        assert_eq!((host.closed_until(at(4)), host.closed_until(at(5))), (Some(at(5)), None));
        host.failed(at(5));
        assert_eq!(host.closed_until(at(5)), Some(at(15)), "the probe failed");
        (0..40).for_each(|_| host.failed(at(15)));
        assert_eq!(host.closed_until(at(15)), Some(at(15) + LONGEST));
        host.worked();
        assert_eq!(host, HostState::default());
    }

    #[test]
    fn a_host_is_left_alone_for_as_long_as_it_asks_and_no_longer_than_a_day() {
        let mut host = HostState::default();
        host.asked(at(0), TimeDelta::minutes(3));
        host.asked(at(1), TimeDelta::minutes(1));
        assert_eq!((host.closed_until(at(1)), host.is_broken()), (Some(at(3)), false), "the later end counts");
        host.asked(at(0), TimeDelta::days(400));
        assert_eq!(host.closed_until(at(0)), Some(at(24 * 60)));
        let by_a_clock_that_was_ahead = HostState { failures: 9, until: Some(at(60 * 24 * 365)) };
        assert_eq!(by_a_clock_that_was_ahead.closed_until(at(0)), None);
    }
}
