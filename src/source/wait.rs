//! How long a server asks to be left alone, read from the headers of its answer.
//!
//! Three headers say it, best first: `RateLimit: "api";r=0;t=55` (what Hugging Face sends; `t` is the seconds until the
//! window ends), `Retry-After` (RFC 9110 section 10.2.3: seconds or a date) and `RateLimit-Policy: …;w=300` (the
//! window's whole length, in seconds, so the longest that the wait can be).

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// The wait that a 429 or a 503 asks for; `None` when it asks for none that can be understood.
pub(super) fn asked_for(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // One second more than `t`: the server rounds down.
    let rate_limit = text("ratelimit").and_then(|value| parameter(value, "t")).map(|t| t.saturating_add(1));
    let seconds = rate_limit
        .or_else(|| retry_after(text(RETRY_AFTER.as_str())?, text(DATE.as_str())))
        .or_else(|| text("ratelimit-policy").and_then(|value| parameter(value, "w")))?;
    Some(Duration::from_secs(seconds))
}

/// A date is taken relative to the server's own `Date`, so that a wrong clock on either side does no harm.
fn retry_after(value: &str, date: Option<&str>) -> Option<u64> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(seconds);
    }
    let until = httpdate::parse_http_date(value.trim()).ok()?;
    let now = httpdate::parse_http_date(date?.trim()).ok()?;
    Some(until.duration_since(now).unwrap_or_default().as_secs())
}

/// The number after `name=` in `"api";r=0;t=55`.
fn parameter(value: &str, name: &str) -> Option<u64> {
    value.split([';', ',']).find_map(|part| {
        let (key, number) = part.split_once('=')?;
        (key.trim() == name).then(|| number.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(headers: &[(&'static str, &'static str)]) -> Option<u64> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect::<HeaderMap>();
        asked_for(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn the_window_that_ends_first_known_is_the_wait() {
        let policy = ("ratelimit-policy", "\"fixed window\";\"api\";q=500;w=300");
        assert_eq!(seconds(&[("ratelimit", "\"api\";r=0;t=55"), policy, ("retry-after", "9")]), Some(56));
        assert_eq!(seconds(&[("ratelimit", "\"api\" ; r = 0 ; t = 55")]), Some(56));
        assert_eq!(seconds(&[("retry-after", "9"), policy]), Some(9));
        assert_eq!(seconds(&[policy]), Some(300));
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
