//! How long a server asks to be left alone, read from the headers of its answer.
//!
//! After a 429 three headers may say it, best first: `RateLimit: "api";r=0;t=55` (what Hugging Face sends; `r` requests
//! are left for the next `t` seconds), `Retry-After` (RFC 9110 section 10.2.3: seconds or a date) and
//! `RateLimit-Policy: …;w=300` (the window's whole length in seconds, so the longest that the wait can be). After a 5xx
//! only `Retry-After` means anything: the others come with every answer.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// The longest wait that is believed: a day. A header can say a number that no clock can add, or a year.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The wait that a 429 asks for; `None` when it asks for none that can be understood.
pub(super) fn after_429(headers: &HeaderMap) -> Option<Duration> {
    // One second more than `t`: the server rounds down.
    let window = text(headers, "ratelimit").and_then(window_end).map(|t| Duration::from_secs(t.saturating_add(1)));
    let policy = || text(headers, "ratelimit-policy").and_then(|value| parameter(value, "w")).map(Duration::from_secs);
    window.or_else(|| after_5xx(headers)).or_else(policy).map(|wait| wait.min(LONGEST))
}

/// The wait that a 5xx asks for. A date is taken relative to the server's own `Date`, so that a wrong clock on either
/// side does no harm.
pub(super) fn after_5xx(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, RETRY_AFTER.as_str())?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds).min(LONGEST));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = httpdate::parse_http_date(text(headers, DATE.as_str())?.trim()).ok()?;
    Some(until.duration_since(now).unwrap_or_default().min(LONGEST))
}

/// The latest end among the windows that have nothing left.
fn window_end(value: &str) -> Option<u64> {
    let spent = value.split(',').filter(|window| parameter(window, "r") == Some(0));
    spent.filter_map(|window| parameter(window, "t")).max()
}

/// The number after `name=` in `"api";r=0;t=55`.
fn parameter(value: &str, name: &str) -> Option<u64> {
    value.split([';', ',']).find_map(|part| {
        let (key, number) = part.split_once('=')?;
        (key.trim() == name).then(|| number.trim().parse().ok())?
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderName;

    use super::*;

    fn map(headers: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"))
        };
        headers.iter().map(pair).collect()
    }

    fn seconds(headers: &[(&str, &str)]) -> Option<u64> {
        after_429(&map(headers)).map(|wait| wait.as_secs())
    }

    #[test]
    fn the_end_of_the_spent_window_is_the_wait() {
        let policy = ("ratelimit-policy", "\"fixed window\";\"api\";q=500;w=300");
        assert_eq!(seconds(&[("ratelimit", "\"api\";r=0;t=55"), policy, ("retry-after", "9")]), Some(56));
        assert_eq!(seconds(&[("ratelimit", "\"api\" ; r = 0 ; t = 55")]), Some(56));
        assert_eq!(seconds(&[("ratelimit", "\"api\";r=0;t=5, \"pages\";r=9;t=99")]), Some(6));
        assert_eq!(seconds(&[("retry-after", "9"), policy]), Some(9));
        assert_eq!(seconds(&[policy]), Some(300));
    }

    #[test]
    fn a_window_with_room_left_says_nothing_about_a_broken_server() {
        let window = ("ratelimit", "\"api\";r=487;t=16");
        assert_eq!(after_5xx(&map(&[window])), None);
        assert_eq!(after_5xx(&map(&[window, ("retry-after", "3")])), Some(Duration::from_secs(3)));
        assert_eq!(seconds(&[window]), None);
    }

    #[test]
    fn no_wait_is_longer_than_a_day() {
        let most = u64::MAX.to_string();
        assert_eq!(seconds(&[("retry-after", &most)]), Some(86_400));
        assert_eq!(seconds(&[("ratelimit", &format!("\"api\";r=0;t={most}"))]), Some(86_400));
        assert_eq!(after_5xx(&map(&[("retry-after", "9999999999999")])), Some(LONGEST));
    }

    #[test]
    fn a_date_is_read_against_the_servers_own_clock() {
        let until = ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(seconds(&[until, ("date", "Sun, 06 Nov 1994 08:49:30 GMT")]), Some(7));
        assert_eq!(seconds(&[until, ("date", "Sun, 06 Nov 1994 09:00:00 GMT")]), Some(0));
        assert_eq!(seconds(&[until]), None);
    }

    #[test]
    fn headers_that_cannot_be_understood_ask_for_nothing() {
        for value in ["", "soon", "-5", "t=", "\"api\";t=x"] {
            assert_eq!(seconds(&[("ratelimit", value), ("retry-after", value)]), None, "{value:?}");
        }
    }
}
