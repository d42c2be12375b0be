//! Transactional mails on their way into the outbox. An edition's mail is queued by [`super::Store::commit`].

use chrono::{DateTime, Duration, Utc};
use rusqlite::{Transaction, params};

use super::claims::{Claim, claim_of};
use super::mail::{OutboxState, rename};
use super::{Result, Store, to_json};
use crate::core::address::Address;
use crate::core::mailing::Transactional;

/// Who gets a transactional mail.
#[derive(Clone, Copy, Debug)]
pub enum Recipient<'a> {
    /// A subscriber, by the number of the subscription.
    Subscriber(i64),
    /// An address, which may have no subscription.
    Address(&'a Address),
}

impl Store {
    /// Queues a transactional mail, which goes before all editions. `domain` is the right side of its Message-ID. Returns the
    /// mail's number.
    pub fn enqueue(&self, to: Recipient<'_>, mail: &Transactional, domain: &str) -> Result<i64> {
        self.write(|tx| insert(tx, OutboxState::Queued, to, mail, domain, mail.at))
    }

    /// The same for a caller that sends the mail itself, at once: its first attempt has begun, and nobody else takes it up.
    pub fn enqueue_claimed(
        &self,
        to: Recipient<'_>,
        mail: &Transactional,
        domain: &str,
        lease: Duration,
    ) -> Result<Claim> {
        self.write(|tx| {
            let number = insert(tx, OutboxState::Claimed, to, mail, domain, mail.at + lease)?;
            claim_of(tx, number)
        })
    }
}

fn insert(
    tx: &Transaction<'_>,
    state: OutboxState,
    to: Recipient<'_>,
    mail: &Transactional,
    domain: &str,
    due: DateTime<Utc>,
) -> Result<i64> {
    let (subscription, address, lane) = match to {
        Recipient::Subscriber(id) => {
            let sql = "SELECT domain FROM subscriptions WHERE id = ?";
            (Some(id), None, tx.prepare_cached(sql)?.query_row([id], |row| row.get(0))?)
        }
        Recipient::Address(address) => (None, Some(address.reveal()), address.domain().to_owned()),
    };
    tx.prepare_cached(
        "INSERT INTO outbox (kind, content, subscription, address, domain, state, message_id, queued, due, attempts)
         VALUES (?, ?, ?, ?, ?, ?, '@' || ? || '>', ?, ?, ?)",
    )?
    .execute(params![
        mail.kind(),
        to_json("matter of a mail", mail)?,
        subscription,
        address,
        lane,
        state,
        domain,
        mail.at.timestamp(),
        due.timestamp(),
        state == OutboxState::Claimed
    ])?;
    let number = tx.last_insert_rowid();
    rename(tx, number)?;
    Ok(number)
}
