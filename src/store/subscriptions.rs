//! Subscriptions as the database has them, and the config file brought into it.
//!
//! The file is the truth about what its subscribers want; the database about whether they may be written to. Syncing
//! upserts the file's subscriptions and retires those it no longer lists. It never touches what came by the web and
//! never revives an address that was withdrawn or suppressed (I6): those are reported, so that the file's owner knows.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::suppressions::Suppressed;
use super::{Result, Store, StoreError, claims, from_json, to_json};
use crate::core::address::Address;
use crate::core::schedule::Schedule;
use crate::core::subscription::{Profile, Subscription, WhenEmpty};

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
    pub(super) zone: Tz,
    /// What an edition without papers does.
    pub(super) when_empty: WhenEmpty,
}

impl Definition {
    fn of(subscription: &Subscription) -> Self {
        Self {
            name: subscription.name.clone(),
            profiles: subscription.profiles.clone(),
            schedule: subscription.schedule.clone(),
            zone: subscription.zone,
            when_empty: subscription.when_empty,
        }
    }
}

/// What syncing the file changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// Subscriptions that are new or listed again.
    pub added: usize,
    /// Subscriptions whose order changed.
    pub changed: usize,
    /// Subscriptions that the file no longer lists.
    pub retired: usize,
    /// Listed, but not to be written to.
    pub withheld: Vec<Withheld>,
}

/// An address that the file lists and that must not be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The address.
    pub address: Address,
    /// `withdrawn` or `suppressed`.
    pub consent: String,
}

impl Store {
    /// Makes the database agree with the file's subscriptions.
    pub fn sync(&self, subscriptions: &[Subscription], now: DateTime<Utc>) -> Result<SyncReport> {
        self.write(|tx| {
            let mut report = SyncReport::default();
            let suppressed = Suppressed::load(tx)?;
            tx.execute_batch("CREATE TEMP TABLE IF NOT EXISTS in_file (id INTEGER PRIMARY KEY); DELETE FROM in_file;")?;
            for subscription in subscriptions {
                let id = upsert(tx, subscription, &suppressed, now, &mut report)?;
                tx.prepare_cached("INSERT INTO in_file (id) VALUES (?)")?.execute([id])?;
            }
            report.retired = tx.execute(
                "UPDATE subscriptions SET listed = 0
                 WHERE origin = 'file' AND listed = 1 AND id NOT IN (SELECT id FROM in_file)",
                [],
            )?;
            Ok(report)
        })
    }
}

/// Inserts or updates one of the file's subscriptions; returns its number.
fn upsert(
    tx: &Transaction<'_>,
    subscription: &Subscription,
    suppressed: &Suppressed,
    now: DateTime<Utc>,
    report: &mut SyncReport,
) -> Result<i64> {
    let definition = definition_id(tx, &Definition::of(subscription))?;
    let key = subscription.address.normalized();
    let since = first_day(subscription, now);
    let withheld = suppressed.consent(tx, &key)?;
    if let Some(consent) = withheld {
        report.withheld.push(Withheld { address: subscription.address.clone(), consent: consent.to_owned() });
    }
    let known: Option<(i64, i64, bool, bool, String, String)> = tx
        .prepare_cached(
            "SELECT id, definition, paused, listed, consent, address FROM subscriptions WHERE address_key = ?",
        )?
        .query_row([&key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)))
        .optional()?;
    let Some((id, old_definition, paused, listed, consent, old_address)) = known else {
        tx.prepare_cached(
            "INSERT INTO subscriptions
             (token, address, address_key, definition, origin, consent, paused, created, since, next_at)
             VALUES (randomblob(16), ?, ?, ?, 'file', ?, ?, ?, ?, 0)",
        )?
        .execute(params![
            subscription.address.reveal(),
            key,
            definition,
            withheld.unwrap_or("confirmed"),
            subscription.paused,
            now.timestamp(),
            since.to_string()
        ])?;
        report.added += 1;
        return Ok(tx.last_insert_rowid());
    };
    if withheld.is_none() && (consent == "withdrawn" || consent == "suppressed") {
        report.withheld.push(Withheld { address: subscription.address.clone(), consent });
    }
    if !listed {
        tx.prepare_cached("UPDATE subscriptions SET listed = 1, origin = 'file', since = ?2 WHERE id = ?1")?
            .execute(params![id, since.to_string()])?;
        report.added += 1;
    }
    let is_reordered = old_definition != definition || paused != subscription.paused;
    if is_reordered || !listed {
        // The next slot is found anew at the next publish, from the newest one that has its edition.
        tx.prepare_cached(
            "UPDATE subscriptions SET definition = ?2, paused = ?3, next_at = 0, fault = NULL WHERE id = ?1",
        )?
        .execute(params![id, definition, subscription.paused])?;
        if paused && !subscription.paused {
            claims::unpark(tx, id, now)?;
        }
    }
    // Upper and lower case make no other subscriber, but the local part is written as its owner has it.
    let address = subscription.address.reveal();
    let is_respelt = address != old_address;
    if is_respelt {
        tx.prepare_cached("UPDATE subscriptions SET address = ?2 WHERE id = ?1")?.execute(params![id, address])?;
    }
    report.changed += usize::from(listed && (is_reordered || is_respelt));
    Ok(id)
}

/// The first day whose papers are for a subscription made at `now`: a first edition looks back one day, for older papers
/// would be a flood.
pub(super) fn first_day(subscription: &Subscription, now: DateTime<Utc>) -> NaiveDate {
    now.with_timezone(&subscription.zone).date_naive() - Days::new(1)
}

/// The day after, UTC: what is first seen from then on is new to a subscription made at `created`. Not what is seen on the same
/// day, for the first read of a fresh database sees the lists of many days at once.
pub(super) fn next_day(created: DateTime<Utc>) -> DateTime<Utc> {
    (created.date_naive() + Days::new(1)).and_time(NaiveTime::MIN).and_utc()
}

/// The number of a definition, which is stored once however many have it.
fn definition_id(tx: &Transaction<'_>, definition: &Definition) -> Result<i64> {
    let text = to_json("definition", definition)?;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let found = tx
        .prepare_cached("SELECT id FROM definitions WHERE hash = ?")?
        .query_row([hash.as_ref()], |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    tx.prepare_cached("INSERT INTO definitions (hash, text) VALUES (?, ?)")?.execute(params![hash.as_ref(), text])?;
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
        paused,
        when_empty: definition.when_empty,
    })
}
