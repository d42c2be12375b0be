//! What a refusal means for the mail: later, or never.
//!
//! The code's first digit decides (RFC 5321 section 4.2.1), with exceptions that all lean to "later": what is wrong with
//! the sender must not count against a recipient. So nothing before RCPT is final for the mail, be it a wrong password,
//! an expired certificate or a sender the server dislikes; only what it says of this very message is: that it is too
//! large, that its addresses are of a kind that it doesn't take. Nor is a limit on what we send, whatever its code.

use super::reply::Reply;
use crate::core::bounce;
use crate::core::delivery::SendError;

/// The error that a refusal in this phase amounts to.
pub(super) fn refusal(phase: &'static str, reply: &Reply) -> SendError {
    let fault = reply.fault(phase);
    if is_final(phase, reply) && !bounce::is_limit(&fault) {
        SendError::Permanent(fault)
    } else {
        SendError::Transient(fault)
    }
}

fn is_final(phase: &str, reply: &Reply) -> bool {
    let enhanced = reply.enhanced.as_deref();
    match (phase, reply.code) {
        (_, ..500) => false,
        // Authentication is required, expired or too weak (RFC 4954 section 6); the connection is out of step.
        (_, 503 | 530 | 534 | 535 | 538) => false,
        // "Too many recipients" by its old code (RFC 5321 section 4.5.3.1.10); 5.2.2 is a full mailbox.
        ("rcpt", 552) => enhanced.is_some_and(|code| code != "5.5.3"),
        ("rcpt" | "data" | "body", _) => true,
        ("mail", 552) => true,
        ("mail", _) => matches!(enhanced, Some("5.3.4" | "5.6.7")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_later_attempt_can_mend_is_final() {
        for (phase, code, enhanced, expected) in [
            ("greeting", 554, None, "transient"),
            ("ehlo", 550, None, "transient"),
            ("auth", 535, Some("5.7.8"), "transient"),
            ("mail", 451, None, "transient"),
            ("mail", 550, Some("5.7.1"), "transient"),
            ("mail", 530, Some("5.7.0"), "transient"),
            ("mail", 552, Some("5.3.4"), "permanent"),
            ("rcpt", 450, Some("4.7.1"), "transient"),
            ("rcpt", 550, None, "permanent"),
            ("rcpt", 550, Some("5.1.1"), "permanent"),
            ("rcpt", 552, None, "transient"),
            ("rcpt", 552, Some("5.5.3"), "transient"),
            ("rcpt", 552, Some("5.2.2"), "permanent"),
            ("rcpt", 503, None, "transient"),
            ("data", 554, None, "permanent"),
            ("body", 554, Some("5.7.1"), "permanent"),
            ("body", 452, None, "transient"),
        ] {
            let reply = Reply { code, enhanced: enhanced.map(Into::into), lines: vec![] };
            assert_eq!(refusal(phase, &reply).kind(), expected, "{phase} {code} {enhanced:?}");
        }
        let text = "Daily user sending limit exceeded";
        let limit = Reply { code: 550, enhanced: Some("5.4.5".into()), lines: vec![text.into()] };
        assert_eq!(refusal("data", &limit).kind(), "transient");
    }
}
