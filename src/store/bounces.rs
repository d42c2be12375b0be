//! What came back: bounces and complaints, and what follows from them.
//!
//! A report is taken in by one transaction: whose it is, its row, and the suppression that follows. The row's key is a
//! hash of the message, so a report that is read again - after a crash, from two mailboxes - changes nothing.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use super::suppressions::suppress_address;
use super::{Reason, Result, Store, instant};
use crate::core::address::Address;
use crate::core::bounce::Class;
use crate::core::token::SubscriberId;

/// What a report comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A failed delivery.
    Failed(Class),
    /// The reader called the mail spam.
    Complaint,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Failed(Class::Hard) => "hard",
            Self::Failed(Class::Soft) => "soft",
            Self::Failed(Class::Sender) => "sender",
            Self::Complaint => "complaint",
        }
    }
}

/// A report, as far as it is believed.
#[derive(Clone, Debug)]
pub struct Bounce {
    /// SHA-256 of the message.
    pub message: Vec<u8>,
    /// Whose mail it is, by a token that was verified.
    pub subscriber: Option<SubscriberId>,
    /// Message-IDs, without angle brackets, by which the mail may be known.
    pub message_ids: Vec<String>,
    /// The addresses that the report names. Without a token, one of them has to be the subscriber's: a Message-ID alone
    /// can be made up by whoever has got one of our mails.
    pub recipients: Vec<Address>,
    /// When the report was read.
    pub at: DateTime<Utc>,
    /// What it comes to.
    pub verdict: Verdict,
    /// The status code.
    pub status: String,
    /// The other side's words, addresses masked.
    pub reply: String,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It proves nothing about any mail of ours: nothing changed.
    Unproven,
    /// It was taken in before.
    Again,
    /// It is recorded; the subscriber gets further mails.
    Noted,
    /// It is recorded, and the subscriber gets no more.
    Suppressed,
}

/// How many mails came back in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BounceStatus {
    /// `hard`, `soft`, `sender` or `complaint`.
    pub class: String,
    /// How many.
    pub count: u64,
    /// The newest one.
    pub last: DateTime<Utc>,
    /// Its words.
    pub reply: String,
}

impl Store {
    /// Takes in a report. `is_lasting` gets the times of the newest editions in a row that all came back with a passing
    /// trouble, this one among them, and says whether that has gone on for too long.
    pub fn take_bounce(&self, bounce: &Bounce, is_lasting: impl Fn(&[DateTime<Utc>]) -> bool) -> Result<Taken> {
        self.write(|tx| {
            let Some((subscription, address_key, edition)) = whose(tx, bounce)? else { return Ok(Taken::Unproven) };
            let inserted = tx.execute(
                "INSERT OR IGNORE INTO bounces (message, subscription, edition, at, class, status, reply)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
                params![
                    bounce.message,
                    subscription,
                    edition,
                    bounce.at.timestamp(),
                    bounce.verdict.as_str(),
                    bounce.status,
                    bounce.reply
                ],
            )?;
            if inserted == 0 {
                return Ok(Taken::Again);
            }
            let reason = match bounce.verdict {
                Verdict::Complaint => Some(Reason::Complained),
                Verdict::Failed(Class::Hard) => Some(Reason::Bounced),
                Verdict::Failed(Class::Soft) if is_lasting(&came_back(tx, subscription)?) => Some(Reason::Bounced),
                Verdict::Failed(_) => None,
            };
            let Some(reason) = reason else { return Ok(Taken::Noted) };
            suppress_address(tx, &address_key, reason, Some(&bounce.reply), bounce.at)?;
            Ok(Taken::Suppressed)
        })
    }

    /// What came back since `since`, by class.
    pub fn bounces(&self, since: DateTime<Utc>) -> Result<Vec<BounceStatus>> {
        self.read(|tx| {
            // SQLite takes the bare column from the row of the maximum.
            let sql = "SELECT class, count(*), max(at), reply FROM bounces WHERE at >= ? GROUP BY class ORDER BY class";
            let mut classes = tx.prepare_cached(sql)?;
            let rows = classes.query_map([since.timestamp()], |row| {
                Ok(BounceStatus {
                    class: row.get(0)?,
                    count: row.get(1)?,
                    last: instant(row.get(2)?),
                    reply: row.get(3)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// The subscription, its address and the edition that a report is about, when it proves to be about one of ours.
fn whose(tx: &Transaction<'_>, bounce: &Bounce) -> Result<Option<(i64, String, Option<i64>)>> {
    let mut by_id = tx.prepare_cached(
        "SELECT s.id, s.address_key, e.id, s.token FROM outbox o
         JOIN editions e ON e.id = o.edition JOIN subscriptions s ON s.id = e.subscription
         WHERE o.edition = ?1 AND o.message_id = '<' || ?2 || '>'",
    )?;
    let mut mails: Vec<(i64, String, i64, SubscriberId)> = Vec::new();
    // A report names one mail, in two or three places; more are somebody's game.
    for id in bounce.message_ids.iter().take(8) {
        // The left side of our Message-IDs begins with the edition's number.
        let Some(edition) = id.split('.').next().and_then(|number| number.parse::<i64>().ok()) else { continue };
        let row = by_id.query_row(params![edition, id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
        mails.extend(row.optional()?);
    }
    let Some(subscriber) = &bounce.subscriber else {
        let named = |address_key: &str| bounce.recipients.iter().any(|address| address.normalized() == address_key);
        let mail = mails.into_iter().find(|(_, address_key, _, _)| named(address_key));
        return Ok(mail.map(|(subscription, address_key, edition, _)| (subscription, address_key, Some(edition))));
    };
    if let Some((subscription, address_key, edition, _)) = mails.into_iter().find(|mail| mail.3 == *subscriber) {
        return Ok(Some((subscription, address_key, Some(edition))));
    }
    // The token says whose it is, and the newest mail that left is the one meant.
    let row = tx
        .prepare_cached(
            "SELECT s.id, s.address_key,
                    (SELECT max(e.id) FROM editions e JOIN outbox o ON o.edition = e.id
                     WHERE e.subscription = s.id AND o.state = 'sent')
             FROM subscriptions s WHERE s.token = ?",
        )?
        .query_row([subscriber.as_slice()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    Ok(row.optional()?)
}

/// When the newest editions in a row were sent that all came back softly. One that did not come back ends the row; those
/// after the newest that came back may still be under way and count for nothing.
fn came_back(tx: &Transaction<'_>, subscription: i64) -> Result<Vec<DateTime<Utc>>> {
    let mut sent = tx.prepare_cached(
        "SELECT o.due, EXISTS (SELECT 1 FROM bounces b WHERE b.edition = e.id AND b.class = 'soft')
         FROM editions e JOIN outbox o ON o.edition = e.id
         WHERE e.subscription = ?1 AND o.state = 'sent'
           AND e.id <= (SELECT max(edition) FROM bounces WHERE subscription = ?1 AND class = 'soft')
         ORDER BY e.id DESC",
    )?;
    let mut rows = sent.query([subscription])?;
    let mut times = Vec::new();
    while let Some(row) = rows.next()? {
        if !row.get::<_, bool>(1)? {
            break;
        }
        times.push(instant(row.get(0)?));
    }
    Ok(times)
}
