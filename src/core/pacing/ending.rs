//! What a mail's end says about whoever it was for.

use crate::core::bounce::{self, Class};
use crate::core::delivery::{Receipt, SendError};

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
    /// Refused for good, for a reason of that mailbox or that mail, as far as can be told.
    Rejected {
        /// The other side's words.
        words: String,
    },
    /// The server fell silent or hung up in the midst of it, and said nothing of why.
    Lost,
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
                // What is final is our own word, before anything was said: no server takes such an address, say.
                ("mail" | "rcpt" | "data" | "body", _) if matches!(error, SendError::Transient(_)) => Self::Lost,
                ("mail" | "rcpt" | "data" | "body" | "sendmail", _) => Self::OwnTrouble,
                _ => Self::Untried,
            };
        };
        match fault.phase {
            // Nothing is said of the recipient yet. What is final speaks of this mail, which is too large, say.
            "mail" if matches!(error, SendError::Permanent(_)) => Self::OwnTrouble,
            "mail" if code < 500 => Self::Deferred { by_domain: false, words: words() },
            "mail" => Self::Refused { by_domain: false, words: words() },
            // DATA speaks of no recipient.
            "data" if code >= 500 && bounce::is_limit(fault) => Self::Deferred { by_domain: false, words: words() },
            "rcpt" | "body" if code >= 500 && bounce::is_limit(fault) => {
                Self::Deferred { by_domain: true, words: words() }
            }
            "rcpt" | "data" | "body" if code < 500 && bounce::is_about_us(fault) => {
                Self::Deferred { by_domain: true, words: words() }
            }
            "rcpt" | "data" | "body" if code >= 500 => match bounce::refusal(fault) {
                // Who has to log in, has to do so for every domain.
                Some(Class::Sender) => {
                    Self::Refused { by_domain: !matches!(code, 503 | 530 | 534 | 535 | 538), words: words() }
                }
                Some(Class::Hard) => Self::NoMailbox { words: words() },
                // A full mailbox says nothing of any other.
                _ if matches!(error, SendError::Transient(_)) || fault.enhanced.as_deref() == Some("5.2.2") => {
                    Self::OwnTrouble
                }
                _ => Self::Rejected { words: words() },
            },
            "rcpt" | "data" | "body" => Self::OwnTrouble,
            _ => Self::Untried,
        }
    }
}
