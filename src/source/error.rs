//! Why a GET brought nothing, and why a list could not be read.
//!
//! The kinds differ in what can be done about them: a failing server is asked again, a busy one left alone for a while,
//! one that blocks us needs a person, and an answer in an unknown shape needs a new version of this program.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Why a GET brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// 403, 202 or a challenge of a web application firewall: the host takes us for a robot it doesn't want.
    #[error("the host blocks us ({status}{})", if *.challenge { ", a challenge for browsers" } else { "" })]
    Blocked {
        /// The status code.
        status: u16,
        /// Whether it said so in `x-amzn-waf-action`.
        challenge: bool,
    },
    /// 429, and the wait is longer than our patience.
    #[error("too many requests{}", .retry_after.map(|wait| format!(", asked to wait {} s", wait.as_secs())).unwrap_or_default())]
    RateLimited {
        /// How long the server wants to be left alone, when it said.
        retry_after: Option<Duration>,
    },
    /// Not asked at all: the host failed too often, or asked to be left alone for longer than our patience.
    #[error("left alone until {}, because {}", .until.format("%Y-%m-%d %H:%M UTC"), match .failures {
        0 => "it asked for that".to_owned(),
        failures => format!("{failures} requests in a row failed"),
    })]
    LeftAlone {
        /// When it is asked again.
        until: DateTime<Utc>,
        /// How long that is.
        wait: Duration,
        /// Requests in a row that failed; none when it asked for the wait.
        failures: u32,
    },
    /// 5xx, on the last try too.
    #[error("the server failed with {status}")]
    Server {
        /// The status code.
        status: u16,
    },
    /// Any other status that brings no body to read: 404, 410, 204, …
    #[error("unexpected status {status}{}{detail}", if .detail.is_empty() { "" } else { ": " })]
    Status {
        /// The status code.
        status: u16,
        /// The beginning of what the server said to it: one line, at most 200 characters.
        detail: String,
    },
    /// No whole answer in time, on the last try too.
    #[error("timed out")]
    Timeout,
    /// The body is longer than allowed.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// What was allowed, in bytes.
        limit: usize,
    },
    /// No connection, or one that broke off, on the last try too.
    #[error("{0}")]
    Network(String),
    /// More than five redirects, one from https to http, or one to where no source may send us.
    #[error("redirected {0}")]
    Redirect(String),
    /// The host's robots.txt forbids this page, or could not be read, which forbids every page.
    #[error("robots.txt {}", if *.known { "forbids it" } else { "could not be read, so no page may be read" })]
    Robots {
        /// Whether it was read.
        known: bool,
    },
}

/// Why a list, or a whole source, could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The GET brought nothing.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// An error in place of papers, in the source's own words.
    #[error("answered with an error: {0}")]
    Answer(String),
    /// Something that holds no list of papers in any known shape.
    #[error("can't read the answer: {0}")]
    Unreadable(String),
    /// A page without papers where a list was expected: most likely a challenge for browsers.
    #[error("got a page without a list of papers, as hosts show to robots")]
    Challenge,
    /// A page that shows another period than the one that was asked for.
    #[error("the page shows {0}")]
    OtherPeriod(String),
    /// Every route failed: what each is called, in the order they were tried, and why it failed.
    #[error("{}", .0.iter().map(|(route, error)| format!("{route}: {error}")).collect::<Vec<_>>().join("; "))]
    EveryRoute(Vec<(&'static str, SourceError)>),
}

impl SourceError {
    /// Whether the source turns us away as a robot, on any route.
    pub fn is_blocked(&self) -> bool {
        match self {
            SourceError::Fetch(FetchError::Blocked { .. }) | SourceError::Challenge => true,
            SourceError::EveryRoute(errors) => errors.iter().any(|(_, error)| error.is_blocked()),
            _ => false,
        }
    }

    /// Whether the source has had enough requests for now, on any route.
    pub fn is_rate_limited(&self) -> bool {
        match self {
            SourceError::Fetch(FetchError::RateLimited { .. } | FetchError::LeftAlone { .. }) => true,
            SourceError::EveryRoute(errors) => errors.iter().any(|(_, error)| error.is_rate_limited()),
            _ => false,
        }
    }

    /// How long the source asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            SourceError::Fetch(FetchError::RateLimited { retry_after }) => *retry_after,
            SourceError::Fetch(FetchError::LeftAlone { wait, .. }) => Some(*wait),
            SourceError::EveryRoute(errors) => errors.iter().filter_map(|(_, error)| error.retry_after()).max(),
            _ => None,
        }
    }
}
