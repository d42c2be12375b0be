//! Definitions: what was ordered, stored once however many subscriptions have it.

use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{Result, StoreError, from_json, to_json};
use crate::core::address::Address;
use crate::core::schedule::Schedule;
use crate::core::subscription::{Profile, Subscription, WhenEmpty};
use crate::core::zone::Zone;

/// What was ordered, without whose order it is: the part of a subscription that an edition keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Definition {
    /// The subscriber's name.
    pub(super) name: Option<String>,
    /// The sections.
    pub(super) profiles: Vec<Profile>,
    /// When.
    pub(super) schedule: Schedule,
    /// Whose local time.
    pub(super) zone: Zone,
    /// What an edition without papers does.
    pub(super) when_empty: WhenEmpty,
}

impl Definition {
    pub(super) fn of(subscription: &Subscription) -> Self {
        Self {
            name: subscription.name.clone(),
            profiles: subscription.profiles.clone(),
            schedule: subscription.schedule.clone(),
            zone: subscription.zone,
            when_empty: subscription.when_empty,
        }
    }

    /// Its SHA-256, and the text that it is of.
    pub(super) fn hash(&self) -> Result<(Vec<u8>, String)> {
        let text = to_json("definition", self)?;
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        Ok((hash.as_ref().to_vec(), text))
    }
}

/// `None` for one that was written by another version and can't be read any more.
pub(super) fn read_definition(text: String) -> Option<Definition> {
    from_json("definition", &text).ok()
}

/// The number of a definition, which is stored once however many have it.
pub(super) fn definition_id(tx: &Transaction<'_>, definition: &Definition) -> Result<i64> {
    let (hash, text) = definition.hash()?;
    let found = tx
        .prepare_cached("SELECT id FROM definitions WHERE hash = ?")?
        .query_row([&hash], |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    tx.prepare_cached("INSERT INTO definitions (hash, text) VALUES (?, ?)")?.execute(params![hash, text])?;
    Ok(tx.last_insert_rowid())
}

/// The subscription that a row's address and definition make.
pub(super) fn restore(address: &str, definition: &str, paused: bool) -> Result<Subscription> {
    let address =
        Address::parse(address).map_err(|e| StoreError::Unreadable { what: "address", why: e.to_string() })?;
    let definition: Definition = from_json("definition", definition)?;
    Ok(Subscription {
        address,
        name: definition.name,
        profiles: definition.profiles,
        schedule: definition.schedule,
        zone: definition.zone,
        since: None,
        paused,
        when_empty: definition.when_empty,
    })
}
