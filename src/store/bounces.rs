//! What came back: bounces and complaints, and what follows from them.
//!
//! A report is taken in by one transaction: whose it is, its row, and the suppression that follows. The row's key is a
//! hash of the message, so a report that is read again - after a crash, from two mailboxes - changes nothing.
//!
//! A refusal in our own SMTP session means the same as a report of it, and is taken in with the attempt's outcome. And a
//! report of a fault of ours holds the domain as a refusal does: behind a relay nothing else tells.

use chrono::{DateTime, Duration, Utc};
use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use super::suppressions::suppress_address;
use super::suspicions::{self, Refusal};
use super::{Reason, Recorded, Result, Store, StoreError, holds, instant, reports};
use crate::core::address::Address;
use crate::core::bounce::{self, Class, Meaning};
use crate::core::delivery::{Fault, Outcome, SendError};
use crate::core::pacing::{self, Change};
use crate::core::token::SubscriberId;
use crate::core::word_enum;

word_enum! {
    /// What a report, or a refusal, comes to. The words are those of the table `bounces` and of the metrics.
    pub enum BounceClass {
        /// There is no such mailbox.
        Hard,
        /// A passing trouble.
        Soft,
        /// Refused because of our configuration or reputation.
        Sender,
        /// The reader called the mail spam.
        Complaint,
        /// A report that can't be understood.
        Unclear,
    }
}

impl From<Class> for BounceClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Hard => Self::Hard,
            Class::Soft => Self::Soft,
            Class::Sender => Self::Sender,
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
    /// The addresses that the report names. Without a token, one of them has to be the subscriber's: the Message-ID alone
    /// is known to everybody whom a mail was forwarded to.
    pub recipients: Vec<Address>,
    /// When the report was read.
    pub at: DateTime<Utc>,
    /// What it comes to.
    pub class: BounceClass,
    /// Whether it is said of all our mail beyond doubt.
    pub is_plain: bool,
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
    /// It is recorded, and counts once it shows that not everybody's mails came back.
    Doubted,
    /// It is recorded, and the subscriber gets no more.
    Suppressed,
}

/// How many mails came back in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BounceStatus {
    /// In which way.
    pub class: BounceClass,
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
            let Some((subscription, address_key, mail)) = whose(tx, bounce)? else { return Ok(Taken::Unproven) };
            let is_held = suspicions::is_held(tx, &address_key)?;
            let inserted = tx.execute(
                "INSERT INTO bounces (message, subscription, mail, at, class, status, reply, is_held)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                params![
                    bounce.message,
                    subscription,
                    mail,
                    bounce.at.timestamp(),
                    bounce.class,
                    bounce.status,
                    bounce.reply,
                    is_held
                ],
            )?;
            if inserted == 0 {
                return Ok(Taken::Again);
            }
            if bounce.class == BounceClass::Sender && is_of_the_domain(tx, subscription, &address_key, mail, bounce)? {
                hold(tx, &address_key, mail, bounce)?;
            }
            let reason = match bounce.class {
                BounceClass::Complaint => Some(Reason::Complained),
                // Whatever is said while we are refused because of our configuration or reputation.
                _ if is_held => None,
                BounceClass::Hard => Some(Reason::Bounced),
                BounceClass::Soft if is_lasting(&came_back(tx, subscription, 0)?) => Some(Reason::Bounced),
                BounceClass::Soft | BounceClass::Sender | BounceClass::Unclear => None,
            };
            let Some(reason) = reason else { return Ok(Taken::Noted) };
            if reason == Reason::Bounced && reports::waits(tx, sent(tx, mail, bounce.at)?)? {
                tx.prepare_cached("UPDATE bounces SET doubted = 1 WHERE message = ?")?.execute([&bounce.message])?;
                return Ok(Taken::Doubted);
            }
            suppress_address(tx, &address_key, reason, Some(&bounce.reply), bounce.at)?;
            Ok(Taken::Suppressed)
        })
    }

    /// Removes what came back before `before` from mails that are gone; returns how many rows.
    pub fn prune_bounces(&self, before: DateTime<Utc>) -> Result<usize> {
        self.write(|tx| {
            let sql = "DELETE FROM bounces WHERE at < ? AND NOT EXISTS (SELECT 1 FROM outbox WHERE id = mail)";
            tx.execute("DELETE FROM suspicions WHERE at < ?", [before.timestamp()])?;
            Ok(tx.execute(sql, [before.timestamp()])?)
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

/// When the mail left that a report is about, in seconds; where nobody knows which, just now.
fn sent(tx: &Transaction<'_>, mail: Option<i64>, now: DateTime<Utc>) -> Result<i64> {
    let sql = "SELECT due FROM outbox WHERE id = ? AND state = 'sent'";
    let sent = tx.prepare_cached(sql)?.query_row([mail], |row| row.get(0)).optional()?;
    Ok(sent.unwrap_or(now.timestamp()))
}

/// Whether a report of a reason of ours is about the domain, and not about this one mailbox: it is beyond doubt, or the same
/// was said of another mailbox there; but not where it was said of this one before, and mail to others was taken since.
fn is_of_the_domain(
    tx: &Transaction<'_>,
    subscription: i64,
    address_key: &str,
    mail: Option<i64>,
    bounce: &Bounce,
) -> Result<bool> {
    let domain = address_key.rsplit_once('@').map_or("", |(_, domain)| domain);
    let others = "SELECT EXISTS (SELECT 1 FROM bounces b JOIN subscriptions s ON s.id = b.subscription
                  WHERE b.class = 'sender' AND b.at >= ?1 AND s.domain = ?2 AND b.subscription <> ?3)";
    let lately = (bounce.at - Duration::hours(24)).timestamp();
    if tx.prepare_cached(others)?.query_row(params![lately, domain, subscription], |row| row.get(0))? {
        return Ok(true);
    }
    let alone =
        "SELECT EXISTS (SELECT 1 FROM bounces b WHERE b.class = 'sender' AND b.subscription = ?1 AND b.mail < ?2
                 AND EXISTS (SELECT 1 FROM outbox o
                             WHERE o.state = 'sent' AND o.due > b.at AND o.domain = ?3 AND o.subscription <> ?1))";
    let is_alone: bool = tx.prepare_cached(alone)?.query_row(params![subscription, mail, domain], |row| row.get(0))?;
    Ok(bounce.is_plain && !is_alone)
}

/// Makes the domain rest that refused one of our mails; a report of a mail from before the rest is no news.
fn hold(tx: &Transaction<'_>, address_key: &str, mail: Option<i64>, bounce: &Bounce) -> Result<()> {
    let Some((_, domain)) = address_key.rsplit_once('@') else { return Ok(()) };
    let sent = tx
        .prepare_cached("SELECT due FROM outbox WHERE id = ? AND state = 'sent'")?
        .query_row([mail], |row| row.get(0))
        .optional()?
        // Nobody knows which mail is meant: it begins a rest, and deepens none.
        .map_or(DateTime::<Utc>::MIN_UTC, instant);
    let known = holds::holds(tx)?.into_iter().find(|change| change.domain.as_deref() == Some(domain));
    let mut hold = known.and_then(|change| change.hold);
    if pacing::refuse(&mut hold, sent, bounce.at, &bounce.reply) {
        holds::keep(tx, &[Change { domain: Some(domain.to_owned()), hold }])?;
    }
    Ok(())
}

/// What a refusal says of the recipient: no such mailbox suppresses the address, unless the domain, or the relay, says so of
/// everybody ([`suspicions`]); a passing trouble counts when the mail is given up for it. A fault of ours says nothing of
/// them, and while we are refused for one, nothing does.
pub(super) fn refused(
    tx: &Transaction<'_>,
    recorded: &Recorded,
    is_lasting: impl Fn(&[DateTime<Utc>]) -> bool,
) -> Result<()> {
    let Err(SendError::Transient(fault) | SendError::Permanent(fault)) = &recorded.result else { return Ok(()) };
    let Some(verdict) = bounce::refusal(fault).filter(|verdict| verdict.class != Class::Sender) else { return Ok(()) };
    let class = if recorded.is_doubtful { Class::Soft } else { verdict.class };
    let whose: Option<(i64, String)> = tx
        .prepare_cached(
            "SELECT s.id, s.address_key FROM outbox o JOIN subscriptions s ON s.id = o.subscription WHERE o.id = ?",
        )?
        .query_row([recorded.mail], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((subscription, address_key)) = whose else { return Ok(()) };
    if suspicions::is_held(tx, &address_key)? {
        return Ok(());
    }
    let Recorded { mail, at, .. } = *recorded;
    let is_final = recorded.outcome == Outcome::Failed;
    let words = bounce::masked(&fault.to_string());
    if is_final {
        keep(tx, subscription, mail, at, class, fault.enhanced.as_deref(), &words)?;
    }
    if class == Class::Hard {
        let refusal = Refusal { subscription, address_key: &address_key, mail, at, words: &words };
        return if is_final { suspicions::refused(tx, &refusal) } else { Ok(()) };
    }
    // A relay that takes nothing from us may say anything but that a mailbox is full.
    let is_believed = || {
        let is_full = matches!(verdict.said, Meaning::Full | Meaning::Busy);
        Ok::<_, StoreError>(is_full || suspicions::last_taken(tx, subscription, at)?.is_some())
    };
    // Those before it, where this one may yet be taken.
    if is_lasting(&came_back(tx, subscription, mail)?) && is_believed()? {
        suppress_address(tx, &address_key, Reason::Bounced, Some(&words), at)?;
    }
    Ok(())
}

/// A mail that gave way to a newer one was refused before, if its last attempt was: else a mailbox that is full for weeks
/// would never count as such, because no mail to it is ever given up.
pub(super) fn gave_way(tx: &Transaction<'_>, subscription: i64, mail: i64, at: DateTime<Utc>) -> Result<()> {
    let mut last = tx.prepare_cached(
        "SELECT phase, code, enhanced, reply FROM attempts
         WHERE id = (SELECT max(id) FROM attempts WHERE mail = ?)
           AND outcome = 'transient' AND phase IN ('rcpt', 'body') AND code >= 400",
    )?;
    let last = last.query_row([mail], |row| {
        Ok(Fault { phase: row.get(0)?, code: row.get(1)?, enhanced: row.get(2)?, text: row.get(3)? })
    });
    let is_ours = |fault: &Fault| bounce::refusal(fault).is_some_and(|verdict| verdict.class == Class::Sender);
    let Some(fault) = last.optional()?.filter(|fault| !is_ours(fault)) else {
        return Ok(());
    };
    let sql = "SELECT address_key FROM subscriptions WHERE id = ?";
    let address_key: String = tx.prepare_cached(sql)?.query_row([subscription], |row| row.get(0))?;
    if suspicions::is_held(tx, &address_key)? {
        return Ok(());
    }
    keep(tx, subscription, mail, at, Class::Soft, fault.enhanced.as_deref(), &bounce::masked(&fault.to_string()))
}

/// A row for a refusal; one for a mail.
fn keep(
    tx: &Transaction<'_>,
    subscription: i64,
    mail: i64,
    at: DateTime<Utc>,
    class: Class,
    status: Option<&str>,
    words: &str,
) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO bounces (message, subscription, mail, at, class, status, reply)
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (message) DO UPDATE
         SET at = excluded.at, class = excluded.class, status = excluded.status, reply = excluded.reply",
    )?
    .execute(params![
        format!("our session, {mail}").into_bytes(),
        subscription,
        mail,
        at.timestamp(),
        BounceClass::from(class),
        status,
        words
    ])?;
    Ok(())
}

/// The subscription, its address and the mail that a report is about, when it proves to be about one of ours.
fn whose(tx: &Transaction<'_>, bounce: &Bounce) -> Result<Option<(i64, String, Option<i64>)>> {
    let mut by_id = tx.prepare_cached(
        "SELECT s.id, s.address_key, o.id, s.token FROM outbox o JOIN subscriptions s ON s.id = o.subscription
         WHERE o.id = ?1 AND o.message_id = '<' || ?2 || '>'",
    )?;
    let mut mails: Vec<(i64, String, i64, SubscriberId)> = Vec::new();
    // A report names one mail, in two or three places; more are somebody's game.
    for id in bounce.message_ids.iter().take(8) {
        // The left side of our Message-IDs begins with the mail's number.
        let Some(number) = id.split('.').next().and_then(|number| number.parse::<i64>().ok()) else { continue };
        let row = by_id.query_row(params![number, id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
        mails.extend(row.optional()?);
    }
    let Some(subscriber) = &bounce.subscriber else {
        let named = |address_key: &str| bounce.recipients.iter().any(|address| address.normalized() == address_key);
        let mail = mails.into_iter().find(|(_, address_key, _, _)| named(address_key));
        return Ok(mail.map(|(subscription, address_key, mail, _)| (subscription, address_key, Some(mail))));
    };
    if let Some((subscription, address_key, mail, _)) = mails.into_iter().find(|mail| mail.3 == *subscriber) {
        return Ok(Some((subscription, address_key, Some(mail))));
    }
    // The token says whose it is, and the newest mail that left is the one meant.
    let row = tx
        .prepare_cached(
            "SELECT s.id, s.address_key,
                    (SELECT max(o.id) FROM editions e JOIN outbox o ON o.edition = e.id
                     WHERE e.subscription = s.id AND o.state = 'sent')
             FROM subscriptions s WHERE s.token = ?",
        )?
        .query_row([subscriber.as_slice()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    Ok(row.optional()?)
}

/// When the newest editions in a row were sent, or given up, that all came back softly. One that was sent and did not come
/// back ends the row; those after the newest that came back, and after `mail`, may still be under way and count for
/// nothing, and so do those that were never taken for another reason, and those from before the subscription began, or began anew.
fn came_back(tx: &Transaction<'_>, subscription: i64, mail: i64) -> Result<Vec<DateTime<Utc>>> {
    let mut sent = tx.prepare_cached(
        "SELECT o.due, o.state = 'sent', EXISTS (SELECT 1 FROM bounces b WHERE b.mail = o.id AND b.class = 'soft'
                                                AND b.is_held = 0), s.since
         FROM editions e JOIN outbox o ON o.edition = e.id JOIN subscriptions s ON s.id = e.subscription
         WHERE e.subscription = ?1 AND o.state IN ('sent', 'failed', 'merged')
           AND o.id <= max(?2, (SELECT max(mail) FROM bounces WHERE subscription = ?1 AND class = 'soft' AND is_held = 0))
         ORDER BY o.id DESC",
    )?;
    let mut rows = sent.query([subscription, mail])?;
    let mut times = Vec::new();
    while let Some(row) = rows.next()? {
        let (due, since): (_, String) = (instant(row.get(0)?), row.get(3)?);
        match (row.get(1)?, row.get(2)?) {
            _ if due.date_naive().to_string() < since => {}
            (_, true) => times.push(due),
            (true, false) => break,
            (false, false) => {}
        }
    }
    Ok(times)
}
