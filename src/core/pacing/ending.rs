//! What a mail's end says about whoever it was for.

use crate::core::bounce::{self, Class};
use crate::core::delivery::{Fault, Receipt, SendError};

/// What a mail's end says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The other side has it.
    Taken,
    /// Nobody knows whether the other side has it.
    Unknown,
    /// Come later: not this mailbox, all of us.
    Deferred {
        /// Whether the recipient's side says so, as far as can be told, or the server we speak to.
        by_domain: bool,
        /// The other side's words.
        words: String,
    },
    /// Refused for a reason of ours.
    Refused {
        /// As for [`Ending::Deferred`].
        by_domain: bool,
        /// The other side's words.
        words: String,
    },
    /// There is no such mailbox.
    NoMailbox {
        /// The other side's words.
        words: String,
    },
    /// It was tried, and what came of it concerns that mailbox or that mail alone.
    OwnTrouble,
    /// Nobody was asked.
    Untried,
}

impl Ending {
    /// What an attempt's result says.
    pub fn of(result: &Result<Receipt, SendError>) -> Self {
        let error = match result {
            Ok(_) => return Self::Taken,
            Err(SendError::Unknown(_)) => return Self::Unknown,
            Err(error) => error,
        };
        let fault = error.fault();
        let words = || fault.to_string();
        let Some(code) = fault.code else {
            return match (fault.phase, bounce::refusal(fault)) {
                (_, Some(Class::Hard)) => Self::NoMailbox { words: words() },
                ("rcpt" | "data" | "body" | "sendmail", _) => Self::OwnTrouble,
                _ => Self::Untried,
            };
        };
        match fault.phase {
            // Nothing is said of the recipient yet. What is final speaks of this mail, which is too large, say.
            "mail" if matches!(error, SendError::Permanent(_)) => Self::OwnTrouble,
            "mail" if code < 500 => Self::Deferred { by_domain: false, words: words() },
            "mail" => Self::Refused { by_domain: false, words: words() },
            "rcpt" | "data" | "body" if code < 500 && is_about_us(fault) => {
                Self::Deferred { by_domain: true, words: words() }
            }
            "rcpt" | "data" | "body" if code >= 500 => match bounce::refusal(fault) {
                // Who has to log in, has to do so for every domain.
                Some(Class::Sender) => {
                    Self::Refused { by_domain: !matches!(code, 503 | 530 | 534 | 535 | 538), words: words() }
                }
                Some(Class::Hard) => Self::NoMailbox { words: words() },
                _ => Self::OwnTrouble,
            },
            "rcpt" | "data" | "body" => Self::OwnTrouble,
            _ => Self::Untried,
        }
    }
}

/// Whether a 4yz reply is about how we send, and not about one mailbox (4.1.x, 4.2.x), one mail (4.5.x, 4.6.x) or a
/// greylist, which wants every first mail to come again and is pleased by none that waits. Without a status code the words
/// have to tell: a provider that has had enough of us often has no other.
fn is_about_us(fault: &Fault) -> bool {
    const SLOWER: [&str; 9] = [
        "throttl",
        "rate limit",
        "sending rate",
        "rate exceeded",
        "limit exceeded",
        "too many",
        "too much",
        "too fast",
        "slow down",
    ];
    let words = fault.text.to_ascii_lowercase();
    let says = |some: &[&str]| some.iter().any(|word| words.contains(word));
    if fault.code == Some(421) {
        return true;
    }
    if says(&["greylist", "graylist", "grey-list", "gray-list"]) {
        return false;
    }
    match fault.enhanced.as_deref() {
        Some(code) => matches!(code.split('.').nth(1), Some("0" | "3" | "4" | "7")),
        None if says(&SLOWER) => true,
        None if says(&["mailbox", "quota", "full"]) => false,
        None => fault.phase != "rcpt" || matches!(fault.code, Some(450 | 451)),
    }
}
