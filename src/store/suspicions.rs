//! Mailboxes that a server says are missing, while nothing shows yet that it says so of them alone.
//!
//! A relay that is set up wrongly says "no such user" of everybody, and so does a mail program with exit code 67. So a hard
//! refusal in a session of ours suppresses an address only when other mail goes through: mail to others was taken shortly
//! before or after, with hardly anybody refused in between, or on an earlier day since this one was first refused. Until
//! then the mailbox is suspected: it is tried with its next edition, and after [`FOR_A_PERSON`] days a person has to decide.
//! While a domain, or everything, is held because of our configuration or reputation, nobody is even suspected.

use chrono::{DateTime, Duration, Utc};
use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use super::suppressions::suppress_address;
use super::{Reason, Result, Store, instant};

/// Other mail that was taken so long before a refusal belongs to the same state of the relay …
const BEFORE: Duration = Duration::hours(1);

/// … and so long after it: the relay may have been mended since.
const AFTER: Duration = Duration::minutes(10);

/// Mail that was taken longer ago says nothing of the relay.
const LATELY: Duration = Duration::hours(24);

/// From so many mailboxes that are missing in a row, with no mail taken in between, it may be the relay.
const IN_A_ROW: u32 = 3;

/// On so many different days a mailbox has to be refused until a person is told.
pub const FOR_A_PERSON: u32 = 3;

/// A mailbox that may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suspicion {
    /// In clear: it is shown to the operator who asked.
    pub address: String,
    /// On how many different days it was refused, with no mail taken since.
    pub days: u32,
    /// The last time.
    pub last: DateTime<Utc>,
    /// The other side's words then, without addresses.
    pub words: String,
}

impl Suspicion {
    /// Whether a person has to decide.
    pub fn is_for_a_person(&self) -> bool {
        self.days >= FOR_A_PERSON
    }
}

impl Store {
    /// The mailboxes that are suspected, by a refusal or by a report that is in doubt, those of most days first.
    pub fn suspicions(&self) -> Result<Vec<Suspicion>> {
        self.read(|tx| {
            // SQLite takes the bare columns from the row of the maximum.
            let mut suspicions = tx.prepare_cached(
                "SELECT s.address, count(DISTINCT p.at / 86400), max(p.at), p.words
                 FROM (SELECT subscription, at, words FROM suspicions
                       UNION ALL SELECT subscription, at, reply FROM bounces WHERE doubted = 1) p JOIN subscriptions s ON s.id = p.subscription
                 WHERE s.consent = 'confirmed' AND s.listed = 1
                 GROUP BY p.subscription ORDER BY 2 DESC, 3 DESC, s.address",
            )?;
            let rows = suspicions.query_map([], |row| {
                Ok(Suspicion {
                    address: row.get(0)?,
                    days: row.get(1)?,
                    last: instant(row.get(2)?),
                    words: row.get(3)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// A refusal that says of this subscription's mailbox that there is none.
pub(super) struct Refusal<'x> {
    pub(super) subscription: i64,
    pub(super) address_key: &'x str,
    pub(super) mail: i64,
    pub(super) at: DateTime<Utc>,
    /// The other side's, without addresses.
    pub(super) words: &'x str,
}

/// Takes in a refusal: suppresses the address if that is beyond doubt, else suspects it.
pub(super) fn refused(tx: &Transaction<'_>, refusal: &Refusal<'_>) -> Result<()> {
    if is_beyond_doubt(tx, refusal)? {
        suppress_address(tx, refusal.address_key, Reason::Bounced, Some(refusal.words), refusal.at)?;
        return Ok(());
    }
    tx.prepare_cached(
        "INSERT INTO suspicions (subscription, mail, at, is_open, words) VALUES (?, ?, ?, 1, ?)
         ON CONFLICT (subscription, mail) DO UPDATE SET at = excluded.at, is_open = 1, words = excluded.words",
    )?
    .execute(params![refusal.subscription, refusal.mail, refusal.at.timestamp(), refusal.words])?;
    let sql = "SELECT count(DISTINCT at / 86400) FROM suspicions WHERE subscription = ?";
    let days: u32 = tx.prepare_cached(sql)?.query_row([refusal.subscription], |row| row.get(0))?;
    if days >= FOR_A_PERSON {
        tracing::error!(
            subscription = refusal.subscription,
            days,
            words = refusal.words,
            "a mailbox is said not to exist, and nothing shows whether that is so: a person has to decide (paperpost status)",
        );
    }
    Ok(())
}

/// This mail was taken: its own mailbox is there, and the one that was refused just before it is refused alone.
pub(super) fn taken(tx: &Transaction<'_>, mail: i64, at: DateTime<Utc>) -> Result<()> {
    let any: bool = tx.prepare_cached("SELECT EXISTS (SELECT 1 FROM suspicions)")?.query_row([], |row| row.get(0))?;
    if !any {
        return Ok(());
    }
    tx.prepare_cached("DELETE FROM suspicions WHERE subscription = (SELECT subscription FROM outbox WHERE id = ?)")?
        .execute([mail])?;
    if open_besides(tx, 0)? < IN_A_ROW {
        let mut open = tx.prepare_cached(
            // Who has another mail waiting, because a person queued it again, will be told by that.
            "SELECT s.address_key, p.words FROM suspicions p JOIN subscriptions s ON s.id = p.subscription
             WHERE p.is_open = 1 AND p.at >= ? AND NOT EXISTS (
                 SELECT 1 FROM editions e JOIN outbox o ON o.edition = e.id
                 WHERE e.subscription = p.subscription AND o.state IN ('queued', 'claimed'))",
        )?;
        let rows = open.query_map([(at - AFTER).timestamp()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for (address_key, words) in rows.collect::<Result<Vec<(String, String)>, _>>()? {
            if !is_held(tx, &address_key)? {
                suppress_address(tx, &address_key, Reason::Bounced, Some(&words), at)?;
            }
        }
    }
    tx.prepare_cached("UPDATE suspicions SET is_open = 0 WHERE is_open = 1")?.execute([])?;
    Ok(())
}

/// Whether a domain, or everything, is held because of our configuration or reputation: then nobody is counted, whatever is said of them.
pub(super) fn is_held(tx: &Transaction<'_>, address_key: &str) -> Result<bool> {
    let domain = address_key.rsplit_once('@').map_or("", |(_, domain)| domain);
    let sql = "SELECT EXISTS (SELECT 1 FROM holds WHERE cause = 'refused' AND domain IN ('', ?))";
    Ok(tx.prepare_cached(sql)?.query_row([domain], |row| row.get(0))?)
}

/// When mail to anybody else was last taken, within [`LATELY`].
pub(super) fn last_taken(tx: &Transaction<'_>, subscription: i64, at: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
    let mut last = tx.prepare_cached(
        "SELECT o.due FROM outbox o
         WHERE o.state = 'sent' AND o.due BETWEEN ?1 AND ?2 AND o.subscription <> ?3 ORDER BY o.due DESC LIMIT 1",
    )?;
    let last = last.query_row(params![(at - LATELY).timestamp(), at.timestamp(), subscription], |row| row.get(0));
    Ok(last.optional()?.map(instant))
}

fn is_beyond_doubt(tx: &Transaction<'_>, refusal: &Refusal<'_>) -> Result<bool> {
    let Refusal { subscription, at, .. } = *refusal;
    let Some(last) = last_taken(tx, subscription, at)? else { return Ok(false) };
    if at - last <= BEFORE && open_besides(tx, subscription)? + 1 < IN_A_ROW {
        return Ok(true);
    }
    // Refused on an earlier day, and mail to others was taken since.
    let mut before = tx.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM suspicions
         WHERE subscription = ? AND at <= ? AND at / 86400 < ? / 86400)",
    )?;
    Ok(before.query_row([subscription, last.timestamp(), at.timestamp()], |row| row.get(0))?)
}

/// How many others were refused since the last mail that was taken.
fn open_besides(tx: &Transaction<'_>, subscription: i64) -> Result<u32> {
    let sql = "SELECT count(DISTINCT subscription) FROM suspicions WHERE is_open = 1 AND subscription <> ?";
    Ok(tx.prepare_cached(sql)?.query_row([subscription], |row| row.get(0))?)
}
