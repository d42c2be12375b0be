//! What a mail's end says about its recipient.

use crate::core::bounce::{self, Class, Meaning, Verdict};
use crate::core::delivery::{Phase, Receipt, SendError};

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
        /// Whether it is said of all our mail beyond doubt. Else it may be about this one mailbox.
        is_plain: bool,
        /// The other side's words.
        words: String,
    },
    /// Refused because of our configuration or reputation.
    Refused {
        /// As for [`Ending::Deferred`].
        by_domain: bool,
        /// As for [`Ending::Deferred`].
        is_plain: bool,
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
        let words = fault.to_string();
        let verdict = bounce::refusal(fault);
        let Some(code) = fault.code else {
            return match (fault.phase, verdict.map(|verdict| verdict.class)) {
                (_, Some(Class::Hard)) => Self::NoMailbox { words },
                (_, Some(Class::Sender)) => Self::refused(verdict, words),
                // What is final is our own word, before anything was said: no server takes such an address, say.
                (Phase::Mail | Phase::Rcpt | Phase::Data | Phase::Body, _)
                    if matches!(error, SendError::Transient(_)) =>
                {
                    Self::Lost
                }
                (Phase::Mail | Phase::Rcpt | Phase::Data | Phase::Body | Phase::Sendmail, _) => Self::OwnTrouble,
                _ => Self::Untried,
            };
        };
        match (fault.phase, verdict) {
            // Nothing is said of the recipient yet. What is final speaks of this mail, which is too large, say.
            (Phase::Mail, _) if matches!(error, SendError::Permanent(_)) => Self::OwnTrouble,
            (Phase::Mail, _) if code < 500 => Self::Deferred { by_domain: false, is_plain: true, words },
            (Phase::Mail, _) => Self::Refused { by_domain: false, is_plain: true, words },
            // DATA speaks of no recipient.
            (Phase::Rcpt | Phase::Data | Phase::Body, Some(verdict)) if code >= 500 && verdict.is_limit() => {
                Self::Deferred { by_domain: fault.phase != Phase::Data, is_plain: true, words }
            }
            (Phase::Rcpt | Phase::Data | Phase::Body, Some(verdict)) if verdict.class == Class::Sender => {
                match verdict.said {
                    // Another mail may be smaller.
                    Meaning::Large => Self::OwnTrouble,
                    _ if code < 500 => Self::Deferred { by_domain: true, is_plain: verdict.is_plain, words },
                    // Who has to log in, has to do so for every domain.
                    _ if matches!(code, 503 | 530 | 534 | 535 | 538) => {
                        Self::Refused { by_domain: false, is_plain: true, words }
                    }
                    _ => Self::refused(Some(verdict), words),
                }
            }
            (Phase::Rcpt | Phase::Data | Phase::Body, _) if code < 500 => Self::OwnTrouble,
            (Phase::Rcpt | Phase::Data | Phase::Body, Some(Verdict { class: Class::Hard, .. })) => {
                Self::NoMailbox { words }
            }
            // A full mailbox says nothing of any other.
            (Phase::Rcpt | Phase::Data | Phase::Body, _) if matches!(error, SendError::Transient(_)) => {
                Self::OwnTrouble
            }
            (Phase::Rcpt | Phase::Data | Phase::Body, Some(Verdict { said: Meaning::Full | Meaning::Busy, .. })) => {
                Self::OwnTrouble
            }
            (Phase::Rcpt | Phase::Data | Phase::Body, _) if fault.enhanced.as_deref() == Some("5.2.2") => {
                Self::OwnTrouble
            }
            (Phase::Rcpt | Phase::Data | Phase::Body, _) => Self::Rejected { words },
            _ => Self::Untried,
        }
    }

    /// Whether the recipient's domain says it, or this one mailbox: which of them is not yet known.
    pub(super) fn is_of_the_domain(&self) -> bool {
        matches!(self, Self::Deferred { by_domain: true, .. } | Self::Refused { by_domain: true, .. })
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Deferred { is_plain: true, .. } | Self::Refused { is_plain: true, .. })
    }

    /// The same, said of the mailbox.
    pub(super) fn of_the_mailbox(self) -> Self {
        match self {
            Self::Deferred { .. } => Self::OwnTrouble,
            Self::Refused { words, .. } => Self::Rejected { words },
            other => other,
        }
    }

    fn refused(verdict: Option<Verdict>, words: String) -> Self {
        Self::Refused { by_domain: true, is_plain: verdict.is_some_and(|verdict| verdict.is_plain), words }
    }
}
