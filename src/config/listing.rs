//! What the subscription files say, and how much of it could be understood.
//!
//! A fault in a file harms its owner only: what is right is in force, and of what is wrong it is known whose it is. Who
//! takes the files in (`store::take_in`) keeps for those what was right before.

use std::path::PathBuf;

use super::problem::Problems;
use crate::core::address::Address;
use crate::core::subscription::Subscription;
use crate::core::word_enum;

/// The SHA-256 of a file's bytes.
pub type FileHash = [u8; 32];

/// What all subscription files say at one time.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The subscriptions that are right, in the order of the files.
    pub subscriptions: Vec<Listed>,
    /// The entries that are wrong, and whose they are.
    pub faulty: Vec<Faulty>,
    /// The files. A pattern without any file is one that is missing.
    pub files: Vec<ListedFile>,
    /// Everything that is wrong, with the warnings.
    pub problems: Problems,
    /// `subscriptions.max_removed`: the share of a file's subscribers that may leave it at once.
    pub max_removed: f64,
}

/// A subscription that is right.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What was ordered.
    pub subscription: Subscription,
    /// The index of its file.
    pub file: usize,
}

/// An entry that is wrong, with an address that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faulty {
    /// Whose it is.
    pub address: Address,
    /// Whether it says that it is paused, which is obeyed.
    pub is_paused: bool,
    /// The index of its file.
    pub file: usize,
}

/// One file.
#[derive(Clone, Debug)]
pub struct ListedFile {
    /// Its path from the root, symbolic links not followed.
    pub path: PathBuf,
    /// What its bytes were; `None` when they could not be read.
    pub hash: Option<FileHash>,
    /// How much of it is understood.
    pub state: FileState,
    /// The errors in it, one line each, without anything personal.
    pub errors: Vec<String>,
}

word_enum! {
    /// How much of a file could be understood.
    pub enum FileState {
        /// All of it, or at least whose each entry is.
        Read,
        /// It has entries of which nobody can say whose they are.
        Incomplete,
        /// Nothing: it can't be read, or is not TOML.
        Unreadable,
        /// It isn't there.
        Missing,
    }
}

impl Listing {
    /// These subscriptions, as if one file had them.
    pub fn of(subscriptions: &[Subscription]) -> Self {
        let listed = |subscription: &Subscription| Listed { subscription: subscription.clone(), file: 0 };
        Self {
            subscriptions: subscriptions.iter().map(listed).collect(),
            faulty: Vec::new(),
            files: vec![ListedFile {
                path: "subscriptions.toml".into(),
                hash: None,
                state: FileState::Read,
                errors: Vec::new(),
            }],
            problems: Problems::default(),
            max_removed: 1.0,
        }
    }

    /// Whether nothing is wrong; warnings are no errors.
    pub fn is_right(&self) -> bool {
        self.problems.errors() == 0
    }

    /// The subscription of an address, if the files have a right one.
    pub fn find(&self, address: &Address) -> Option<&Subscription> {
        self.subscriptions
            .iter()
            .map(|listed| &listed.subscription)
            .find(|subscription| subscription.address == *address)
    }

    /// Whether the files have an entry of this address that is wrong.
    pub fn is_faulty(&self, address: &Address) -> bool {
        self.faulty.iter().any(|faulty| faulty.address == *address)
    }
}
