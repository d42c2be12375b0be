//! What a mail is made from. It never changes, so every attempt is the same mail.

use chrono::{DateTime, NaiveDateTime, Utc};
use rusqlite::{OptionalExtension, Transaction};

use super::definition::restore;
use super::{Result, Store, StoreError, from_json, instant, slot};
use crate::core::address::Address;
use crate::core::edition::LeftOut;
use crate::core::mailing::Transactional;
use crate::core::matching::NearTerms;
use crate::core::subscription::Subscription;
use crate::core::token::SubscriberId;

/// What a mail is made from.
#[derive(Clone, Debug)]
pub enum Content {
    /// An edition.
    Edition(Box<Mailing>),
    /// A transactional mail.
    Transactional(Box<TransactionalInputs>),
}

/// The immutable inputs of a transactional mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionalInputs {
    /// To whom.
    pub to: Address,
    /// How the outside names the subscriber; `None` for an address alone.
    pub subscriber: Option<SubscriberId>,
    /// What it says.
    pub says: Transactional,
    /// With angle brackets; the same at every attempt.
    pub message_id: String,
}

/// The immutable inputs of an edition's mail.
#[derive(Clone, Debug)]
pub struct Mailing {
    /// The edition's number.
    pub edition: i64,
    /// Whose it is and what was ordered when it was decided.
    pub subscription: Subscription,
    /// How the outside names the subscriber.
    pub subscriber: SubscriberId,
    /// The local slot.
    pub slot: NaiveDateTime,
    /// What was known: see [`Store::papers_as_of`].
    pub read: i64,
    /// When it was decided: the mail's Date.
    pub decided: DateTime<Utc>,
    /// Paper numbers by profile.
    pub papers: Vec<Vec<u32>>,
    /// Papers shown by title only.
    pub also: Vec<u32>,
    /// How many papers wait for the next edition.
    pub owed: usize,
    /// Papers that will not come, and whose reader is told so.
    pub told: LeftOut,
    /// For a first mail without papers: over how many days was looked back; else 0.
    pub welcome: u32,
    /// Why its papers are close to what its reader likes.
    pub near: NearTerms,
    /// Candidates there were.
    pub looked_at: u32,
    /// With angle brackets; the same at every attempt.
    pub message_id: String,
}

/// What a mail is made from, as texts and numbers.
#[derive(Clone, Debug)]
pub(super) enum Inputs {
    Edition(Box<EditionInputs>),
    Transactional { to: String, subscriber: Option<SubscriberId>, says: String, message_id: String },
}

#[derive(Clone, Debug)]
pub(super) struct EditionInputs {
    edition: i64,
    slot: String,
    read: i64,
    decided: i64,
    papers: String,
    also: String,
    owed: String,
    looked_at: u32,
    told: String,
    welcome: u32,
    near: String,
    address: String,
    token: SubscriberId,
    is_paused: bool,
    definition: String,
    message_id: String,
}

/// The columns of [`Inputs`], in their order.
const INPUTS: &str = "e.slot, e.read, e.decided, e.papers, e.also, e.owed, e.looked_at, e.told, e.welcome, e.near,
    coalesce(o.address, s.address), s.token, s.paused, d.text, o.message_id, e.id, o.content
    FROM outbox o
    LEFT JOIN editions e ON e.id = o.edition
    LEFT JOIN subscriptions s ON s.id = o.subscription
    LEFT JOIN definitions d ON d.id = e.definition";

impl Store {
    /// The inputs of an edition's mail, whatever its state; `None` when the edition has none.
    pub fn mailing(&self, edition: i64) -> Result<Option<Mailing>> {
        self.read(|tx| {
            let sql = "SELECT id FROM outbox WHERE edition = ?";
            let mail: Option<i64> = tx.query_row(sql, [edition], |row| row.get(0)).optional()?;
            Ok(match mail.map(|mail| inputs(tx, mail)?.read()).transpose()? {
                Some(Content::Edition(mailing)) => Some(*mailing),
                _ => None,
            })
        })
    }

    /// One mail's content, whatever its state; `None` when there is none of this number.
    pub fn content(&self, mail: i64) -> Result<Option<Content>> {
        self.read(|tx| {
            let known = tx.query_row("SELECT 1 FROM outbox WHERE id = ?", [mail], |_| Ok(())).optional()?;
            known.map(|()| inputs(tx, mail)?.read()).transpose()
        })
    }
}

pub(super) fn inputs(tx: &Transaction<'_>, mail: i64) -> Result<Inputs> {
    let mut query = tx.prepare_cached(&format!("SELECT {INPUTS} WHERE o.id = ?"))?;
    Ok(query.query_row([mail], |row| {
        if let Some(says) = row.get(16)? {
            let (to, subscriber, message_id) = (row.get(10)?, row.get(11)?, row.get(14)?);
            return Ok(Inputs::Transactional { to, subscriber, says, message_id });
        }
        Ok(Inputs::Edition(Box::new(EditionInputs {
            edition: row.get(15)?,
            slot: row.get(0)?,
            read: row.get(1)?,
            decided: row.get(2)?,
            papers: row.get(3)?,
            also: row.get(4)?,
            owed: row.get(5)?,
            looked_at: row.get(6)?,
            told: row.get(7)?,
            welcome: row.get(8)?,
            near: row.get(9)?,
            address: row.get(10)?,
            token: row.get(11)?,
            is_paused: row.get(12)?,
            definition: row.get(13)?,
            message_id: row.get(14)?,
        })))
    })?)
}

impl Inputs {
    pub(super) fn read(&self) -> Result<Content> {
        Ok(match self {
            Self::Edition(inputs) => Content::Edition(Box::new(inputs.read()?)),
            Self::Transactional { to, subscriber, says, message_id } => {
                Content::Transactional(Box::new(TransactionalInputs {
                    to: address(to)?,
                    subscriber: *subscriber,
                    says: from_json("matter of a mail", says)?,
                    message_id: message_id.clone(),
                }))
            }
        })
    }
}

fn address(text: &str) -> Result<Address> {
    Address::parse(text).map_err(|error| StoreError::Unreadable { what: "address", why: error.to_string() })
}

impl EditionInputs {
    fn read(&self) -> Result<Mailing> {
        let list = "list of papers";
        let owed: Vec<u32> = from_json(list, &self.owed)?;
        Ok(Mailing {
            edition: self.edition,
            subscription: restore(&self.address, &self.definition, self.is_paused)?,
            subscriber: self.token,
            slot: slot(&self.slot)?,
            read: self.read,
            decided: instant(self.decided),
            papers: from_json(list, &self.papers)?,
            also: from_json(list, &self.also)?,
            owed: owed.len(),
            told: from_json(list, &self.told)?,
            welcome: self.welcome,
            near: from_json("terms of papers", &self.near)?,
            looked_at: self.looked_at,
            message_id: self.message_id.clone(),
        })
    }
}
