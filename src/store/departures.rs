//! Who left by themselves: what they are told, how they take it back, and what is forgotten of them.
//!
//! For a week the page that confirmed a leaving can undo it, by an id that was made with the suppression. Only a reader's
//! own leaving can be undone: never one that a complaint, a bounce or the operator came before. After some weeks the address
//! and the name go. What stays is pseudonymous: the id that old links name, the ledger, and the keyed hash of the address,
//! by which a return finds its ledger.

use chrono::{DateTime, Days, Duration, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::definition::{Definition, definition_id};
use super::sqlite::HAS_NAME;
use super::suppressions::{self, forgotten_key};
use super::web_orders::{self, IN_FILE};
use super::{Reason, Result, Store, from_json, instant};
use crate::core::address::Address;
use crate::core::token::SubscriberId;

/// How long a leaving can be undone.
const UNDO: Duration = Duration::days(7);

/// Stands for an address that was forgotten. Nobody gets mail there (RFC 2606 section 2).
const FORGOTTEN: &str = "forgotten@left.invalid";

/// What a page says to who has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// When they left.
    pub at: DateTime<Utc>,
    /// Names this leaving, while it can be undone.
    pub undo: Option<[u8; 16]>,
}

impl Store {
    /// Withdraws the consent of the subscriber that a token names; `None` when there is none.
    pub fn leave(&self, subscriber: &SubscriberId, note: &str, now: DateTime<Utc>) -> Result<Option<Departure>> {
        self.write(|tx| {
            let Some(key) = address_key(tx, subscriber)? else { return Ok(None) };
            suppressions::suppress_address(tx, &key, Reason::Unsubscribed, Some(note), now)?;
            Ok(departure(tx, &key, now)?.map(|(departure, _)| departure))
        })
    }

    /// The leaving of a subscriber who has left or complained; `None` for anybody else.
    pub fn departure(&self, subscriber: &SubscriberId, now: DateTime<Utc>) -> Result<Option<Departure>> {
        self.read(|tx| {
            let Some(key) = address_key(tx, subscriber)? else { return Ok(None) };
            let own = |reason| matches!(reason, Reason::Unsubscribed | Reason::Complained);
            Ok(departure(tx, &key, now)?.filter(|(_, reason)| own(*reason)).map(|(departure, _)| departure))
        })
    }

    /// Takes back the leaving that `undo` names. Whether the subscriber gets mails now: a second time changes nothing.
    pub fn undo_leaving(&self, subscriber: &SubscriberId, undo: &[u8; 16], now: DateTime<Utc>) -> Result<bool> {
        self.write(|tx| {
            let Some(key) = address_key(tx, subscriber)? else { return Ok(false) };
            let lifted = tx.execute(
                "DELETE FROM suppressions WHERE hash = ?1 AND undo = ?2 AND reason = 'unsubscribed' AND at > ?3",
                params![suppressions::hash_of(tx, &key)?, undo, (now - UNDO).timestamp()],
            )?;
            if lifted > 0 {
                let sql = "UPDATE subscriptions SET consent = 'confirmed' WHERE token = ? AND consent = 'withdrawn'";
                tx.execute(sql, [subscriber.as_slice()])?;
            }
            let sql = "SELECT consent = 'confirmed' FROM subscriptions WHERE token = ?";
            Ok(tx.query_row(sql, [subscriber.as_slice()], |row| row.get(0))?)
        })
    }

    /// Lifts a suppression, for somebody who wants mails again. A subscription that a file lists is in force at once and
    /// begins like a new one; one that came by the web needs a new opt-in. Returns whether there was a suppression.
    pub fn lift_suppression(&self, address: &Address, now: DateTime<Utc>) -> Result<bool> {
        self.write(|tx| {
            remember(tx, address)?;
            let address_key = address.normalized();
            let removed =
                tx.execute("DELETE FROM suppressions WHERE hash = ?", [suppressions::hash_of(tx, &address_key)?])?;
            let since = now.date_naive() - Days::new(1);
            let revived = tx.execute(
                &format!(
                    "UPDATE subscriptions SET consent = 'confirmed', since = max(since, ?2), next_at = 0
                     WHERE address_key = ?1 AND {IN_FILE} AND consent IN ('withdrawn', 'suppressed')"
                ),
                params![address_key, since.to_string()],
            )?;
            // The file vouches for them; what they once confirmed by the web no longer counts.
            tx.execute(
                "UPDATE web_orders SET consent = 'pending'
                 WHERE subscription = (SELECT id FROM subscriptions WHERE address_key = ?)",
                [&address_key],
            )?;
            suppressions::end_doubts(tx, &address_key)?;
            Ok(removed + revived > 0)
        })
    }

    /// Whose letter it is that is from `from`: the subscriber of that address, if a token in it or a mail that it answers is
    /// theirs.
    pub fn whose_letter(
        &self,
        from: &Address,
        tokens: &[SubscriberId],
        answers: &[String],
    ) -> Result<Option<SubscriberId>> {
        self.read(|tx| {
            let sql = "SELECT id, token FROM subscriptions WHERE address_key = ?";
            let known: Option<(i64, SubscriberId)> =
                tx.query_row(sql, [from.normalized()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            let Some((id, token)) = known else { return Ok(None) };
            let mut sent = tx.prepare_cached(
                "SELECT 1 FROM outbox o WHERE o.id = ?1 AND o.subscription = ?2 AND o.message_id = '<' || ?3 || '>'",
            )?;
            let mut is_theirs = tokens.contains(&token);
            // The left side of our Message-IDs begins with the mail's number.
            let numbered = |answer: &String| Some((answer.split('.').next()?.parse::<i64>().ok()?, answer.clone()));
            for (mail, answer) in answers.iter().filter_map(numbered) {
                is_theirs = is_theirs || sent.exists(params![mail, id, answer])?;
            }
            Ok(is_theirs.then_some(token))
        })
    }

    /// Forgets the address and the name of everybody who left before `before`; returns how many.
    pub fn forget_departed(&self, before: DateTime<Utc>) -> Result<usize> {
        // Mostly nobody, and then nobody who writes has to wait.
        if self.read(|tx| departed(tx, before))?.is_empty() {
            return Ok(0);
        }
        let forgotten = self.write(|tx| {
            // Somebody may have come back meanwhile.
            let departed = departed(tx, before)?;
            for (id, key) in &departed {
                forget(tx, *id, key)?;
            }
            // What nobody has any more may name somebody.
            let unused = format!(
                "FROM definitions d WHERE NOT EXISTS (SELECT 1 FROM subscriptions WHERE definition = d.id)
                 AND NOT EXISTS (SELECT 1 FROM editions WHERE definition = d.id)
                 AND NOT EXISTS (SELECT 1 FROM web_orders WHERE definition = d.id) AND {HAS_NAME}"
            );
            tx.execute(&format!("DELETE FROM orders WHERE definition IN (SELECT d.id {unused})"), [])?;
            tx.execute(&format!("DELETE FROM definitions WHERE id IN (SELECT d.id {unused})"), [])?;
            Ok(departed.len())
        })?;
        self.empty_log()?;
        Ok(forgotten)
    }
}

/// Gives a forgotten subscription its address back, and with it its ledger.
pub(super) fn remember(tx: &Transaction<'_>, address: &Address) -> Result<()> {
    let key = address.normalized();
    tx.execute(
        "UPDATE subscriptions SET address = ?1, address_key = ?2 WHERE address_key = ?3",
        params![address.reveal(), key, forgotten_key(tx, &key)?],
    )?;
    Ok(())
}

/// When an address was suppressed and why, and how its reader takes that back.
fn departure(tx: &Transaction<'_>, address_key: &str, now: DateTime<Utc>) -> Result<Option<(Departure, Reason)>> {
    let sql = "SELECT at, undo, reason FROM suppressions WHERE hash = ?";
    let row: Option<(i64, Option<[u8; 16]>, Reason)> = tx
        .query_row(sql, [suppressions::hash_of(tx, address_key)?], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    Ok(row.map(|(at, undo, reason)| {
        let at = instant(at);
        let can_undo = reason == Reason::Unsubscribed && now - at < UNDO;
        (Departure { at, undo: undo.filter(|_| can_undo) }, reason)
    }))
}

fn address_key(tx: &Transaction<'_>, subscriber: &SubscriberId) -> Result<Option<String>> {
    let sql = "SELECT address_key FROM subscriptions WHERE token = ?";
    Ok(tx.query_row(sql, [subscriber.as_slice()], |row| row.get(0)).optional()?)
}

/// Subscriptions whose readers left before `before` and whose addresses are still known.
fn departed(tx: &Transaction<'_>, before: DateTime<Utc>) -> Result<Vec<(i64, String)>> {
    let mut left =
        tx.prepare("SELECT id, address_key FROM subscriptions WHERE consent = 'withdrawn' AND address <> ?")?;
    let left = left.query_map([FORGOTTEN], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let left = left.collect::<Result<Vec<(i64, String)>, _>>()?;
    let mut is_past = tx.prepare("SELECT 1 FROM suppressions WHERE hash = ? AND reason = 'unsubscribed' AND at < ?")?;
    let mut departed = Vec::new();
    for (id, key) in left {
        let hash = suppressions::hash_of(tx, &key)?;
        if is_past.exists(params![hash, before.timestamp()])? {
            departed.push((id, key));
        }
    }
    Ok(departed)
}

fn forget(tx: &Transaction<'_>, id: i64, key: &str) -> Result<()> {
    web_orders::forget(tx, id)?;
    tx.execute(
        "UPDATE subscriptions SET address = ?2, address_key = ?3 WHERE id = ?1",
        params![id, FORGOTTEN, forgotten_key(tx, key)?],
    )?;
    // Mails of theirs that can still be shown have ended: nobody gets another one for the other name in it.
    let sql = "SELECT id, text FROM definitions WHERE id IN (SELECT definition FROM subscriptions WHERE id = ?1
               UNION SELECT definition FROM editions WHERE subscription = ?1)";
    let definitions: Vec<(i64, String)> =
        tx.prepare_cached(sql)?.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (old, text) in definitions {
        let definition: Definition = from_json("definition", &text)?;
        if definition.name.is_some() {
            let nameless = definition_id(tx, &Definition { name: None, ..definition })?;
            for table in
                ["subscriptions SET definition = ?2 WHERE id", "editions SET definition = ?2 WHERE subscription"]
            {
                tx.execute(&format!("UPDATE {table} = ?1 AND definition = ?3"), params![id, nameless, old])?;
            }
        }
    }
    Ok(())
}
