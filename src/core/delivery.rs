//! What a server's answer means, and when to try again.
//!
//! A transport ends every send in a [`Receipt`] or a [`SendError`]; [`outcome`] turns that into what the outbox does
//! next. The retry table holds for what is said of one mail ([`RetryState`]): neither an outage nor a limit, however long, uses
//! any of it up. It is no loop: the next attempt is a time in the database.

use chrono::{DateTime, Duration, Utc};

use crate::core::word_enum;

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

    /// Whether the fault lies with the session, or with this machine, so that the next mail would meet it too.
    pub fn is_outage(&self) -> bool {
        matches!(self, SendError::Transient(fault) if fault.phase.is_of_the_session())
    }

    /// Whether it says something of this very mail. What a session meets before the recipient is named does not, unless it
    /// is final.
    pub fn concerns_the_mail(&self) -> bool {
        let is_said_of_us = matches!(self, SendError::Transient(fault) if fault.phase == Phase::Mail);
        !self.is_outage() && !is_said_of_us
    }

    /// What the attempt's outcome is.
    pub fn kind(&self) -> AttemptOutcome {
        match self {
            SendError::Transient(_) => AttemptOutcome::Transient,
            SendError::Permanent(_) => AttemptOutcome::Permanent,
            SendError::Unknown(_) => AttemptOutcome::Unknown,
        }
    }
}

word_enum! {
    /// How an attempt ended, or what ended a mail without one. The words are those of the table `attempts`, of the log and
    /// of the metrics.
    pub enum AttemptOutcome {
        /// Taken.
        Sent,
        /// [`SendError::Transient`].
        Transient,
        /// [`SendError::Permanent`].
        Permanent,
        /// [`SendError::Unknown`].
        Unknown,
        /// Not attempted: a newer mail has its papers.
        Merged,
        /// Not attempted: its subscriber left, or the operator dropped it.
        Dropped,
    }
}

word_enum! {
    /// The step of a send at which it failed. The words are those of the table `attempts` and of the log.
    pub enum Phase {
        /// Rendering, before any transport.
        Render,
        /// TCP.
        Connect,
        /// TLS, from the first byte or after STARTTLS.
        Tls,
        /// The server's certificate, within TLS.
        Certificate,
        /// SMTP's greeting.
        Greeting,
        /// EHLO.
        Ehlo,
        /// STARTTLS.
        StartTls,
        /// AUTH, or a password that could not be read.
        Auth,
        /// MAIL FROM.
        Mail,
        /// RCPT TO.
        Rcpt,
        /// DATA.
        Data,
        /// The message, up to the reply to its final dot.
        Body,
        /// sendmail could not be run.
        Program,
        /// What sendmail said.
        Sendmail,
        /// Writing a mail to a file.
        File,
        /// A bug: the attempt panicked.
        Crash,
    }
}

impl Phase {
    /// Whether a failure here lies with the session or with this machine, and says nothing of the mail.
    fn is_of_the_session(self) -> bool {
        match self {
            Self::Connect | Self::Greeting | Self::Ehlo | Self::StartTls | Self::Tls => true,
            Self::Certificate | Self::Auth | Self::Program | Self::File => true,
            Self::Render | Self::Mail | Self::Rcpt | Self::Data | Self::Body | Self::Sendmail | Self::Crash => false,
        }
    }
}

/// Where and how a send failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The step that failed.
    pub phase: Phase,
    /// The reply code, when a server gave one.
    pub code: Option<u16>,
    /// The enhanced status code (RFC 3463), such as `5.1.1`.
    pub enhanced: Option<String>,
    /// The server's or the system's own words, without control characters, at most 500 characters.
    pub text: String,
}

impl Fault {
    /// A fault with no reply code.
    pub fn new(phase: Phase, text: impl Into<String>) -> Self {
        Self { phase, code: None, enhanced: None, text: text.into() }
    }

    /// Whether the server knows us not, so that asking again soon does harm.
    pub fn is_refused_login(&self) -> bool {
        self.phase == Phase::Auth && self.code.is_some_and(|code| code >= 500)
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

/// What the attempts that concern the mail itself have come to ([`SendError::concerns_the_mail`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryState {
    /// How many there were.
    pub count: u32,
    /// Those among them that ended unknown.
    pub unknowns: u32,
    /// When the first of them ended, or, while there is none, when its domain first put the mail off.
    pub first: Option<DateTime<Utc>>,
}

impl RetryState {
    /// With the attempt that ended at `now`.
    pub fn and(self, result: &Result<Receipt, SendError>, now: DateTime<Utc>) -> Self {
        if result.as_ref().is_err_and(|error| !error.concerns_the_mail()) {
            return self;
        }
        let is_unknown = matches!(result, Err(SendError::Unknown(_)));
        let first = self.first.filter(|_| self.count > 0).or(Some(now));
        Self { count: self.count + 1, unknowns: self.unknowns + u32::from(is_unknown), first }
    }

    /// With an attempt in which its domain, or the server, put all our mail off: no try, but it can't go on for ever.
    pub fn put_off(self, now: DateTime<Utc>) -> Self {
        Self { first: self.first.or(Some(now)), ..self }
    }
}

/// Delays after the first, second, … transient answer, in minutes; the last one repeats until [`GIVE_UP`].
const DELAYS_MINUTES: [i64; 6] = [1, 5, 30, 120, 360, 720];

/// How long a mail is tried, from the first answer to it on.
const GIVE_UP: Duration = Duration::hours(48);

/// How long an unknown outcome waits before its one retry: a server that is slow, not deaf, has written its log by then.
const UNKNOWN_PAUSE: Duration = Duration::minutes(30);

/// What follows from an attempt at `now`, which is counted in `tries`. `jitter` in 0..1 spreads retries over a fifth of the
/// delay.
pub fn outcome(result: &Result<Receipt, SendError>, tries: RetryState, now: DateTime<Utc>, jitter: f64) -> Outcome {
    let minutes = |count: u32| Duration::minutes(DELAYS_MINUTES[(count.max(1) as usize).min(DELAYS_MINUTES.len()) - 1]);
    let (delay, may_end) = match result {
        Ok(_) => return Outcome::Sent,
        Err(SendError::Permanent(_)) => return Outcome::Failed,
        // Once with the same Message-ID, never in a loop: a second silence ends it.
        Err(SendError::Unknown(_)) if tries.unknowns > 1 => return Outcome::Failed,
        Err(SendError::Unknown(_)) => (UNKNOWN_PAUSE, true),
        Err(error) if error.concerns_the_mail() => (minutes(tries.count), true),
        Err(_) => (minutes(1), false),
    };
    let spread = Duration::milliseconds((delay.num_milliseconds() as f64 * 0.2 * jitter.clamp(0.0, 1.0)) as i64);
    let at = now + delay + spread;
    match tries.first.map(|first| first + GIVE_UP).filter(|_| may_end) {
        Some(end) if now >= end => Outcome::Failed,
        // The last time is at the end of the two days, not a whole delay before.
        Some(end) => Outcome::Retry(at.min(end)),
        None => Outcome::Retry(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::minutes(minutes)
    }

    fn transient(phase: Phase) -> Result<Receipt, SendError> {
        Err(SendError::Transient(Fault::new(phase, "later")))
    }

    fn tries(count: u32, unknowns: u32) -> RetryState {
        RetryState { count, unknowns, first: Some(at(0)) }
    }

    #[test]
    fn an_outage_of_three_days_fails_no_mail_not_even_one_that_was_tried_before_it() {
        let session = [Phase::Connect, Phase::Greeting, Phase::Ehlo, Phase::StartTls, Phase::Tls, Phase::Certificate];
        for phase in session.into_iter().chain([Phase::Auth, Phase::Mail, Phase::Program, Phase::File]) {
            let outage = transient(phase);
            for tries in [tries(1, 0), tries(9, 1), RetryState::default()] {
                let after = tries.and(&outage, at(3 * 1_440));
                assert_eq!(after, tries, "{phase}: it is no attempt at the mail");
                assert_eq!(outcome(&outage, after, at(3 * 1_440), 0.0), Outcome::Retry(at(3 * 1_440 + 1)), "{phase}");
            }
        }
        // The mail's own fault ends it.
        assert_eq!(outcome(&transient(Phase::Rcpt), tries(2, 0), at(3 * 1_440), 0.0), Outcome::Failed);
    }

    #[test]
    fn a_greylisted_mail_is_tried_for_two_days_and_then_fails() {
        let (mut now, mut tries, mut waits) = (at(0), RetryState::default(), Vec::new());
        loop {
            tries = tries.and(&transient(Phase::Rcpt), now);
            match outcome(&transient(Phase::Rcpt), tries, now, 0.0) {
                Outcome::Retry(next) => {
                    waits.push((next - now).num_minutes());
                    assert!(waits.len() < 20, "it ends: {waits:?}");
                    now = next;
                }
                end => {
                    assert_eq!(end, Outcome::Failed);
                    break;
                }
            }
        }
        assert_eq!(waits, [1, 5, 30, 120, 360, 720, 720, 720, 204]);
        assert_eq!(now, at(48 * 60));
    }

    #[test]
    fn jitter_takes_nothing_from_the_two_days() {
        for jitter in [0.0, 0.3, 1.0] {
            let (mut now, mut tries) = (at(0), RetryState::default());
            for _ in 0..20 {
                tries = tries.and(&transient(Phase::Rcpt), now);
                let Outcome::Retry(next) = outcome(&transient(Phase::Rcpt), tries, now, jitter) else { break };
                assert!(next > now);
                now = next;
            }
            assert_eq!(now, at(48 * 60), "{jitter}");
            assert_eq!(outcome(&transient(Phase::Rcpt), tries, now, jitter), Outcome::Failed);
        }
    }

    #[test]
    fn who_was_put_off_with_all_others_has_no_try_and_two_days_for_its_own() {
        let mut tries = RetryState::default();
        for hour in 0..47 {
            tries = tries.put_off(at(hour * 60));
        }
        assert_eq!(tries, RetryState { first: Some(at(0)), ..RetryState::default() });
        assert_eq!(outcome(&transient(Phase::Rcpt), tries, at(48 * 60), 0.0), Outcome::Failed, "not for ever");
        let own = tries.and(&transient(Phase::Rcpt), at(47 * 60));
        assert_eq!(own, RetryState { count: 1, unknowns: 0, first: Some(at(47 * 60)) });
        assert_eq!(outcome(&transient(Phase::Rcpt), own, at(47 * 60), 0.0), Outcome::Retry(at(47 * 60 + 1)));
        assert_eq!(own.put_off(at(90 * 60)), own);
    }

    #[test]
    fn an_outage_of_a_week_uses_up_nothing() {
        let mut tries = RetryState::default();
        for day in 0..7 {
            let now = at(day * 1_440);
            for phase in [Phase::Connect, Phase::Auth, Phase::Mail, Phase::Program, Phase::File] {
                tries = tries.and(&transient(phase), now);
                assert_eq!(outcome(&transient(phase), tries, now, 0.0), Outcome::Retry(now + Duration::minutes(1)));
            }
        }
        assert_eq!(tries, RetryState::default());
        let now = at(8 * 1_440);
        tries = tries.and(&transient(Phase::Rcpt), now);
        assert_eq!(outcome(&transient(Phase::Rcpt), tries, now, 0.0), Outcome::Retry(now + Duration::minutes(1)));
    }

    #[test]
    fn an_unknown_outcome_is_retried_once() {
        let unknown = Err(SendError::Unknown(Fault::new(Phase::Body, "no answer")));
        let mut tries_so_far = RetryState::default();
        assert_eq!(outcome(&unknown, tries(1, 1), at(0), 0.0), Outcome::Retry(at(30)));
        assert_eq!(outcome(&unknown, tries(2, 2), at(30), 0.0), Outcome::Failed);
        assert_eq!(outcome(&unknown, tries(3, 1), at(0), 0.0), Outcome::Retry(at(30)), "earlier 4yz don't count");
        let counted = [&unknown, &transient(Phase::Rcpt), &unknown].map(|result| {
            tries_so_far = tries_so_far.and(result, at(0));
            (tries_so_far.count, tries_so_far.unknowns)
        });
        assert_eq!(counted, [(1, 1), (2, 1), (3, 2)]);
    }

    #[test]
    fn only_a_final_answer_to_auth_is_a_refused_login() {
        let fault = |phase, code| Fault { code, ..Fault::new(phase, "no") };
        assert!(fault(Phase::Auth, Some(535)).is_refused_login() && fault(Phase::Auth, Some(500)).is_refused_login());
        for (phase, code) in [(Phase::Auth, Some(454)), (Phase::Auth, None), (Phase::Rcpt, Some(550))] {
            assert!(!fault(phase, code).is_refused_login(), "{phase} {code:?}");
        }
    }

    #[test]
    fn a_permanent_answer_is_final_and_jitter_only_delays() {
        let permanent = Err(SendError::Permanent(Fault::new(Phase::Rcpt, "no such user")));
        assert_eq!(outcome(&permanent, tries(1, 0), at(0), 0.5), Outcome::Failed);
        assert_eq!(outcome(&transient(Phase::Rcpt), tries(2, 0), at(0), 1.0), Outcome::Retry(at(6)));
    }
}
