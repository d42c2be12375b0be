//! Kinds of mail, and what those are made from that carry no edition.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::word_enum;

word_enum! {
    /// What a mail is.
    pub enum MailKind {
        /// An edition of a subscription.
        Edition,
        /// Asks whether an address wants a subscription.
        Confirmation,
        /// Shows an operator that mail arrives.
        Test,
    }
}

/// How soon a mail has to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Somebody waits for it: it goes before all bulk mail, within limits of its own.
    Prompt,
    /// It may wait for its turn.
    Bulk,
}

impl MailKind {
    /// How soon mails of this kind have to leave.
    pub fn urgency(self) -> Urgency {
        match self {
            Self::Edition => Urgency::Bulk,
            Self::Confirmation | Self::Test => Urgency::Prompt,
        }
    }
}

/// What a mail about one matter is made from. It never changes, so every attempt is the same mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transactional {
    /// When it was asked for: the mail's Date.
    pub at: DateTime<Utc>,
    /// The matter.
    pub matter: Matter,
}

/// What a transactional mail is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Matter {
    /// Asks whether its reader wants a subscription.
    Confirmation {
        /// The page that confirms it.
        link: String,
    },
    /// Shows that mail arrives.
    Test {
        /// How it leaves: `by SMTP through mail.example.org:465`.
        route: String,
    },
}

impl Transactional {
    /// What kind of mail it makes.
    pub fn kind(&self) -> MailKind {
        match self.matter {
            Matter::Confirmation { .. } => MailKind::Confirmation,
            Matter::Test { .. } => MailKind::Test,
        }
    }
}
