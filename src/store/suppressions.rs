//! Suppressions: addresses that must not be written to, whatever files list them.
//!
//! A suppression is a hash of the address, so it outlives the subscriber's row and says nothing about who they are. It
//! and the consent of the subscription move in one transaction; syncing asks the suppressions about every address that
//! a file adds, and publishing and claiming look at the consent. So leaving wins over the file and over what is queued
//! (I6).

use std::collections::HashSet;

use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use super::sqlite::RANDOM_ID;
use super::{Result, Store, hex, instant};
use crate::core::address::Address;
use crate::core::subscription::Consent;
use crate::core::token::SubscriberId;
use crate::core::word_enum;

word_enum! {
    /// Why an address must not be written to.
    pub enum Reason {
        /// The subscriber said so.
        Unsubscribed,
        /// Mail to it comes back.
        Bounced,
        /// The subscriber called a mail spam.
        Complained,
        /// The operator said so.
        Operator,
    }
}

impl Reason {
    /// The consent of a subscription to a suppressed address.
    fn consent(self) -> Consent {
        if self == Self::Unsubscribed { Consent::Withdrawn } else { Consent::Suppressed }
    }
}

/// The keyed hash of an address.
pub type AddressHash = [u8; 32];

/// One suppressed address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suppression {
    /// The hash of the address, in hexadecimal.
    pub hash: String,
    /// The address in clear, as long as a subscription still has it: it is shown to the operator who asked.
    pub address: Option<String>,
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub at: DateTime<Utc>,
    /// What is known beyond the reason.
    pub note: Option<String>,
}

/// One suppressed address of another list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// By its address.
    Address(Address),
    /// By the hash that a database with the same key gave it.
    Hash(AddressHash),
}

impl Store {
    /// The secret of this database that tokens are made with, when the settings name none. `None` in a database that
    /// no newer program has opened for writing yet.
    pub fn token_key(&self) -> Result<Option<Vec<u8>>> {
        self.read(|tx| {
            let sql = "SELECT value FROM meta WHERE key = 'token-key'";
            Ok(tx.query_row(sql, [], |row| row.get(0)).optional()?)
        })
    }

    /// Tells this database's hashes from those of any other: eight hexadecimal digits made from the key.
    pub fn suppression_key_id(&self) -> Result<String> {
        self.read(|tx| {
            let tag = hmac::sign(&key(tx)?, b"paperpost suppression key");
            Ok(hex(&tag.as_ref()[..4]))
        })
    }

    /// Suppresses an address: nothing more is sent to it, not even what is queued. Returns whether that is news. What a
    /// subscriber said stands above what a server or the operator said.
    pub fn suppress(&self, address: &Address, reason: Reason, note: Option<&str>, now: DateTime<Utc>) -> Result<bool> {
        self.write(|tx| suppress_address(tx, &address.normalized(), reason, note, now))
    }

    /// The same for the subscriber that a token names; `None` when there is none.
    pub fn suppress_subscriber(
        &self,
        subscriber: &SubscriberId,
        reason: Reason,
        note: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Option<bool>> {
        self.write(|tx| {
            let sql = "SELECT address_key FROM subscriptions WHERE token = ?";
            let key: Option<String> = tx.query_row(sql, [subscriber.as_slice()], |row| row.get(0)).optional()?;
            key.map(|key| suppress_address(tx, &key, reason, note, now)).transpose()
        })
    }

    /// Every suppression, newest first.
    pub fn suppressions(&self) -> Result<Vec<Suppression>> {
        self.read(|tx| {
            let key = key(tx)?;
            let mut subscribers =
                tx.prepare("SELECT address, address_key FROM subscriptions WHERE consent <> 'confirmed'")?;
            let known = subscribers
                .query_map([], |row| Ok((hash(&key, &row.get::<_, String>(1)?), row.get(0)?)))?
                .collect::<Result<std::collections::HashMap<AddressHash, String>, _>>()?;
            let mut rows = tx.prepare("SELECT hash, reason, at, note FROM suppressions ORDER BY at DESC, hash")?;
            let mut rows = rows.query([])?;
            let mut out = Vec::new();
            while let Some(row) = rows.next()? {
                let hash: AddressHash = row.get(0)?;
                out.push(Suppression {
                    hash: hex(&hash),
                    address: known.get(&hash).cloned(),
                    reason: row.get(1)?,
                    at: instant(row.get(2)?),
                    note: row.get(3)?,
                });
            }
            Ok(out)
        })
    }

    /// Takes in another list's suppressions, all in one commit; returns how many are news.
    pub fn import_suppressions(&self, imported: &[(Imported, Reason, DateTime<Utc>)]) -> Result<usize> {
        self.write(|tx| {
            let key = key(tx)?;
            let mut news = 0;
            for (who, reason, at) in imported {
                let hash = match who {
                    Imported::Address(address) => hash(&key, &address.normalized()),
                    Imported::Hash(hash) => *hash,
                };
                news += usize::from(insert(tx, &hash, *reason, Some("imported"), *at)?);
            }
            let suppressed = Suppressed::load(tx)?;
            let mut subscribers =
                tx.prepare("SELECT id, address_key FROM subscriptions WHERE consent IN ('confirmed', 'pending')")?;
            let listed = subscribers
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<Vec<(i64, String)>, _>>()?;
            for (id, address_key) in listed {
                if let Some(consent) = suppressed.consent(tx, &address_key)? {
                    tx.execute("UPDATE subscriptions SET consent = ?2 WHERE id = ?1", params![id, consent])?;
                }
            }
            Ok(news)
        })
    }
}

/// The suppressed addresses, for asking about many.
pub(super) struct Suppressed {
    key: hmac::Key,
    hashes: HashSet<AddressHash>,
}

impl Suppressed {
    pub(super) fn load(tx: &Transaction<'_>) -> Result<Self> {
        let mut rows = tx.prepare("SELECT hash FROM suppressions")?;
        let hashes = rows.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(Self { key: key(tx)?, hashes })
    }

    /// What an address's suppression makes of a subscription's consent.
    pub(super) fn consent(&self, tx: &Transaction<'_>, address_key: &str) -> Result<Option<Consent>> {
        if self.hashes.is_empty() {
            return Ok(None);
        }
        let hash = hash(&self.key, address_key);
        if self.hashes.contains(&hash) { Ok(Some(reason_of(tx, &hash)?.consent())) } else { Ok(None) }
    }
}

/// Suppresses the address and its subscription; returns whether that is news.
pub(super) fn suppress_address(
    tx: &Transaction<'_>,
    address_key: &str,
    reason: Reason,
    note: Option<&str>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let hash = hash(&key(tx)?, address_key);
    let news = insert(tx, &hash, reason, note, now)?;
    tx.prepare_cached("UPDATE subscriptions SET consent = ?2 WHERE address_key = ?1")?
        .execute(params![address_key, reason_of(tx, &hash)?.consent()])?;
    end_doubts(tx, address_key)?;
    Ok(news)
}

/// A subscriber's own word replaces what a server or the operator said, and a complaint replaces that they left. Whatever comes after
/// a leaving makes that one final. Returns whether the row is new or says something stronger than before.
fn insert(
    tx: &Transaction<'_>,
    hash: &AddressHash,
    reason: Reason,
    note: Option<&str>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let changed = tx
        .prepare_cached(&format!(
            "INSERT INTO suppressions (hash, reason, at, note, undo)
             VALUES (?1, ?2, ?3, ?4, CASE ?2 WHEN 'unsubscribed' THEN {RANDOM_ID} END)
             ON CONFLICT (hash) DO UPDATE SET reason = ?2, at = ?3, note = ?4
             WHERE (reason IN ('bounced', 'operator') AND ?2 IN ('unsubscribed', 'complained'))
                OR (reason = 'unsubscribed' AND ?2 = 'complained')",
        ))?
        .execute(params![hash, reason, now.timestamp(), note])?;
    if reason != Reason::Unsubscribed {
        tx.prepare_cached("UPDATE suppressions SET undo = NULL WHERE hash = ?")?.execute([hash])?;
    }
    Ok(changed > 0)
}

fn reason_of(tx: &Transaction<'_>, hash: &AddressHash) -> Result<Reason> {
    Ok(tx.prepare_cached("SELECT reason FROM suppressions WHERE hash = ?")?.query_row([hash], |row| row.get(0))?)
}

fn key(tx: &Transaction<'_>) -> Result<hmac::Key> {
    let sql = "SELECT value FROM meta WHERE key = 'suppression-key'";
    let secret: Vec<u8> = tx.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &secret))
}

/// The keyed hash of an address, by its key in the subscriptions.
pub(super) fn hash_of(tx: &Transaction<'_>, address_key: &str) -> Result<AddressHash> {
    Ok(hash(&key(tx)?, address_key))
}

fn hash(key: &hmac::Key, address_key: &str) -> AddressHash {
    if let Some(hash) = hash_of_forgotten(address_key) {
        return hash;
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(hmac::sign(key, address_key.as_bytes()).as_ref());
    hash
}

/// Ends what is suspected of an address whose mailbox is there, or is not written to any more.
pub(super) fn end_doubts(tx: &Transaction<'_>, address_key: &str) -> Result<()> {
    for sql in [
        "DELETE FROM suspicions WHERE subscription = ",
        "UPDATE bounces SET doubted = 0 WHERE doubted = 1 AND subscription = ",
    ] {
        let sql = format!("{sql}(SELECT id FROM subscriptions WHERE address_key = ?)");
        tx.prepare_cached(&sql)?.execute([address_key])?;
    }
    Ok(())
}

/// The key of an address once it is forgotten.
pub(super) fn forgotten_key(tx: &Transaction<'_>, address_key: &str) -> Result<String> {
    Ok(format!("{LEFT}{}", hex(&hash_of(tx, address_key)?)))
}

/// The hash in such a key; `None` for that of an address.
pub(super) fn hash_of_forgotten(address_key: &str) -> Option<AddressHash> {
    let digits = address_key.strip_prefix(LEFT)?.as_bytes();
    let mut hash = AddressHash::default();
    for (byte, digits) in hash.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}

/// Begins the key of a forgotten address. No address begins so: a colon needs quotes there.
const LEFT: &str = "left:";
