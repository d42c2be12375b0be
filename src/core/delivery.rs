//! What a server's answer means, and when to try again.
//!
//! A transport ends every send in a [`Receipt`] or a [`SendError`]; [`outcome`] turns that into what the outbox does
//! next. The retry table holds for answers about one mail; it is no loop: the next attempt is a time in the database.

use chrono::{DateTime, Duration, Utc};

/// The server took responsibility for the mail (RFC 5321 section 6.1: the 250 after the final dot).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The server's own words.
    pub reply: String,
}

/// Why a mail did not leave, or may not have left.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// 4yz, a refused connection, a timeout before the final dot: the same mail may be taken later.
    #[error("{0}")]
    Transient(Fault),
    /// 5yz, or something no later attempt can mend: the same mail will never be taken.
    #[error("{0}")]
    Permanent(Fault),
    /// No answer after the final dot: the server may have the mail (RFC 5321 section 4.5.3.2.6).
    #[error("{0}")]
    Unknown(Fault),
}

impl SendError {
    /// What went wrong.
    pub fn fault(&self) -> &Fault {
        match self {
            SendError::Transient(fault) | SendError::Permanent(fault) | SendError::Unknown(fault) => fault,
        }
    }

    /// The word for it in tables and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            SendError::Transient(_) => "transient",
            SendError::Permanent(_) => "permanent",
            SendError::Unknown(_) => "unknown",
        }
    }
}

/// Where and how a send failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The step that failed: `connect`, `tls`, `greeting`, `ehlo`, `starttls`, `auth`, `mail`, `rcpt`, `data`, `body`,
    /// or a word of another transport.
    pub phase: &'static str,
    /// The reply code, when a server gave one.
    pub code: Option<u16>,
    /// The enhanced status code (RFC 3463), such as `5.1.1`.
    pub enhanced: Option<String>,
    /// The server's or the system's own words, without control characters, at most 500 characters.
    pub text: String,
}

impl Fault {
    /// A fault with no reply code.
    pub fn new(phase: &'static str, text: impl Into<String>) -> Self {
        Self { phase, code: None, enhanced: None, text: text.into() }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.phase)?;
        if let Some(code) = self.code {
            write!(f, "{code} ")?;
        }
        if let Some(enhanced) = &self.enhanced {
            write!(f, "{enhanced} ")?;
        }
        f.write_str(&self.text)
    }
}

/// What the outbox does about one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Sent,
    /// Again at this time.
    Retry(DateTime<Utc>),
    /// Ended as a visible failure.
    Failed,
}

/// Delays after the first, second, … transient answer, in minutes; the last one repeats until [`GIVE_UP`].
const DELAYS_MINUTES: [i64; 6] = [1, 5, 30, 120, 360, 720];

/// How long after it was queued a mail is still tried.
const GIVE_UP: Duration = Duration::hours(48);

/// How long an unknown outcome rests before its one retry: a server that is slow, not deaf, has written its log by then.
const UNKNOWN_PAUSE: Duration = Duration::minutes(30);

/// What follows from an attempt at `now`. `attempts` counts the ones made, this one included; `unknowns` the ones among
/// them that ended unknown, this one included; `jitter` in 0..1 spreads retries over a fifth of the delay.
pub fn outcome(
    result: &Result<Receipt, SendError>,
    attempts: u32,
    unknowns: u32,
    queued: DateTime<Utc>,
    now: DateTime<Utc>,
    jitter: f64,
) -> Outcome {
    let delay = match result {
        Ok(_) => return Outcome::Sent,
        Err(SendError::Permanent(_)) => return Outcome::Failed,
        // Once with the same Message-ID, never in a loop: a second silence ends it.
        Err(SendError::Unknown(_)) if unknowns > 1 => return Outcome::Failed,
        Err(SendError::Unknown(_)) => UNKNOWN_PAUSE,
        Err(SendError::Transient(_)) => {
            let index = (attempts.max(1) as usize - 1).min(DELAYS_MINUTES.len() - 1);
            Duration::minutes(DELAYS_MINUTES[index])
        }
    };
    let spread = Duration::milliseconds((delay.num_milliseconds() as f64 * 0.2 * jitter.clamp(0.0, 1.0)) as i64);
    let at = now + delay + spread;
    if at > queued + GIVE_UP { Outcome::Failed } else { Outcome::Retry(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::minutes(minutes)
    }

    fn transient() -> Result<Receipt, SendError> {
        Err(SendError::Transient(Fault::new("rcpt", "greylisted")))
    }

    #[test]
    fn a_greylisted_mail_is_tried_for_two_days_and_then_fails() {
        let (mut now, mut waits) = (at(0), Vec::new());
        for attempt in 1.. {
            match outcome(&transient(), attempt, 0, at(0), now, 0.0) {
                Outcome::Retry(next) => {
                    waits.push((next - now).num_minutes());
                    now = next;
                }
                end => {
                    assert_eq!(end, Outcome::Failed);
                    break;
                }
            }
        }
        assert_eq!(waits, [1, 5, 30, 120, 360, 720, 720, 720]);
    }

    #[test]
    fn an_unknown_outcome_is_retried_once() {
        let unknown = Err(SendError::Unknown(Fault::new("body", "no answer")));
        assert_eq!(outcome(&unknown, 1, 1, at(0), at(0), 0.0), Outcome::Retry(at(30)));
        assert_eq!(outcome(&unknown, 2, 2, at(0), at(30), 0.0), Outcome::Failed);
        assert_eq!(outcome(&unknown, 3, 1, at(0), at(0), 0.0), Outcome::Retry(at(30)), "earlier 4yz don't count");
    }

    #[test]
    fn a_permanent_answer_is_final_and_jitter_only_delays() {
        let permanent = Err(SendError::Permanent(Fault::new("rcpt", "no such user")));
        assert_eq!(outcome(&permanent, 1, 0, at(0), at(0), 0.5), Outcome::Failed);
        assert_eq!(outcome(&transient(), 2, 0, at(0), at(0), 1.0), Outcome::Retry(at(6)));
    }
}
