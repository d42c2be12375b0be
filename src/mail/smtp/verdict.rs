//! What a refusal means for the mail: later, or never.
//!
//! The code's first digit decides (RFC 5321 section 4.2.1), with exceptions that all lean to "later": what is wrong with
//! the sender must not count against a recipient. So nothing before RCPT is final for the mail, be it a wrong password,
//! an expired certificate or a sender the server dislikes; only what it says of this very message is: that it is too
//! large, that its addresses are of a kind that it doesn't take. Nor is a limit on what we send, whatever its code.

use super::reply::Reply;
use super::wire::Trouble;
use crate::core::bounce;
use crate::core::delivery::{Fault, Phase, SendError};
use crate::mail::one_line;

/// The error that a refusal in this phase amounts to.
pub(super) fn refusal(phase: Phase, reply: &Reply) -> SendError {
    let fault = reply.fault(phase);
    if is_final(phase, reply) && !bounce::is_limit(&fault) {
        SendError::Permanent(fault)
    } else {
        SendError::Transient(fault)
    }
}

fn is_final(phase: Phase, reply: &Reply) -> bool {
    let enhanced = reply.enhanced.as_deref();
    match (phase, reply.code) {
        (_, ..500) => false,
        // Authentication is required, expired or too weak (RFC 4954 section 6); the connection is out of step.
        (_, 503 | 530 | 534 | 535 | 538) => false,
        // "Too many recipients" by its old code (RFC 5321 section 4.5.3.1.10); 5.2.2 is a full mailbox.
        (Phase::Rcpt, 552) => enhanced.is_some_and(|code| code != "5.5.3"),
        (Phase::Rcpt | Phase::Data | Phase::Body, _) => true,
        (Phase::Mail, 552) => true,
        (Phase::Mail, _) => matches!(enhanced, Some("5.3.4" | "5.6.7")),
        _ => false,
    }
}

/// A connection that failed in this phase.
pub(super) fn trouble(phase: Phase, trouble: &Trouble) -> SendError {
    fault(phase, &trouble.to_string())
}

/// A failure of ours in this phase, which may pass.
pub(super) fn fault(phase: Phase, text: &str) -> SendError {
    SendError::Transient(Fault::new(phase, one_line(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::delivery::AttemptOutcome;

    #[test]
    fn only_what_no_later_attempt_can_mend_is_final() {
        for (phase, code, enhanced, expected) in [
            (Phase::Greeting, 554, None, AttemptOutcome::Transient),
            (Phase::Ehlo, 550, None, AttemptOutcome::Transient),
            (Phase::Auth, 535, Some("5.7.8"), AttemptOutcome::Transient),
            (Phase::Mail, 451, None, AttemptOutcome::Transient),
            (Phase::Mail, 550, Some("5.7.1"), AttemptOutcome::Transient),
            (Phase::Mail, 530, Some("5.7.0"), AttemptOutcome::Transient),
            (Phase::Mail, 552, Some("5.3.4"), AttemptOutcome::Permanent),
            (Phase::Rcpt, 450, Some("4.7.1"), AttemptOutcome::Transient),
            (Phase::Rcpt, 550, None, AttemptOutcome::Permanent),
            (Phase::Rcpt, 550, Some("5.1.1"), AttemptOutcome::Permanent),
            (Phase::Rcpt, 552, None, AttemptOutcome::Transient),
            (Phase::Rcpt, 552, Some("5.5.3"), AttemptOutcome::Transient),
            (Phase::Rcpt, 552, Some("5.2.2"), AttemptOutcome::Permanent),
            (Phase::Rcpt, 503, None, AttemptOutcome::Transient),
            (Phase::Data, 554, None, AttemptOutcome::Permanent),
            (Phase::Body, 554, Some("5.7.1"), AttemptOutcome::Permanent),
            (Phase::Body, 452, None, AttemptOutcome::Transient),
        ] {
            let reply = Reply { code, enhanced: enhanced.map(Into::into), lines: vec![] };
            assert_eq!(refusal(phase, &reply).kind(), expected, "{phase} {code} {enhanced:?}");
        }
        let text = "Daily user sending limit exceeded";
        let limit = Reply { code: 550, enhanced: Some("5.4.5".into()), lines: vec![text.into()] };
        assert_eq!(refusal(Phase::Data, &limit).kind(), AttemptOutcome::Transient);
    }
}
