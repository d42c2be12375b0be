//! Reports that a mailbox is missing, or lastingly in trouble, believed once it shows that they are about that mailbox and not
//! about us.
//!
//! A relay may accept every mail and then report of each that there is no such mailbox, or that nothing could be delivered. The
//! first of these reports looks like that of a single dead mailbox. So a report waits ([`waits`]) until its mail is
//! [`MAIL_AGE`] old and itself [`REPORT_AGE`]; then it is weighed against the mails that were sent at about the same time
//! ([`Store::weigh_reports`]). If more than half of at least three came back, of all or of those to its domain, nobody is
//! suppressed: the mailboxes are tried with their next editions, and after [`super::FOR_A_PERSON`] days a person decides. A later mail
//! that does not come back ends the doubt. Where no two others were sent to, there is nothing to weigh, and a report counts at once.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use rusqlite::{Transaction, params};

use super::suppressions::suppress_address;
use super::{Reason, Result, Store, suspicions};

/// Seconds. Mails that were sent within this time of each other belong to the same state of the relay.
const HOUR: i64 = 3_600;

/// By then most of what comes back has come back, also where a relay takes its time.
const MAIL_AGE: Duration = Duration::hours(6);

/// Reports of one relay come close together.
const REPORT_AGE: Duration = Duration::hours(1);

/// A mail that has not come back for so long was delivered.
const DELIVERED: Duration = Duration::hours(12);

/// From so many mails on, more than half of them is everybody.
const SEVERAL: u32 = 3;

/// Reports that are older were weighed often enough: what keeps them in doubt is for a person, or ends with a later mail.
const WEIGHED_FOR: Duration = Duration::hours(48);

/// Whether a report about a mail that was sent at `sent` (seconds) has to wait: others were sent at about that time.
pub(super) fn waits(tx: &Transaction<'_>, sent: i64) -> Result<bool> {
    let mut mails = tx.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE state = 'sent' AND due BETWEEN ? AND ? LIMIT ?)",
    )?;
    let count: u32 = mails.query_row(params![sent - HOUR, sent + HOUR, SEVERAL], |row| row.get(0))?;
    Ok(count >= SEVERAL)
}

impl Store {
    /// Weighs the reports that have waited long enough. Returns how many addresses are suppressed for it.
    pub fn weigh_reports(&self, now: DateTime<Utc>) -> Result<usize> {
        let any = |tx: &Transaction<'_>| {
            let sql = "SELECT EXISTS (SELECT 1 FROM bounces WHERE doubted = 1)";
            Ok(tx.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
        };
        if !self.read(any)? {
            return Ok(0);
        }
        self.write(|tx| {
            end_doubts(tx, now)?;
            let mut suppressed = 0;
            let mut weighed = BTreeMap::new();
            for report in waiting(tx, now)? {
                let hour = report.sent / HOUR;
                let domain = report.address_key.rsplit_once('@').map_or("", |(_, domain)| domain);
                let mut is_everybody = false;
                for domain in [None, Some(domain)] {
                    let key = (hour, domain.map(str::to_owned));
                    if !weighed.contains_key(&key) {
                        weighed.insert(key.clone(), came_back_for_everybody(tx, hour * HOUR, domain)?);
                    }
                    is_everybody |= weighed[&key];
                }
                if is_everybody || suspicions::is_held(tx, &report.address_key)? {
                    continue;
                }
                suppress_address(tx, &report.address_key, Reason::Bounced, Some(&report.reply), now)?;
                suppressed += 1;
            }
            Ok(suppressed)
        })
    }
}

/// A report that waits.
struct Waiting {
    address_key: String,
    reply: String,
    /// When its mail was sent, seconds.
    sent: i64,
}

/// Doubt ends with a later mail that has not come back.
fn end_doubts(tx: &Transaction<'_>, now: DateTime<Utc>) -> Result<()> {
    let sql = "UPDATE bounces SET doubted = 0 WHERE doubted = 1 AND EXISTS (
                   SELECT 1 FROM editions e JOIN outbox o ON o.edition = e.id
                   WHERE e.subscription = bounces.subscription AND o.state = 'sent'
                     AND o.due > bounces.at AND o.due <= ?
                     AND NOT EXISTS (SELECT 1 FROM bounces b WHERE b.subscription = e.subscription AND b.mail = o.id))";
    tx.prepare_cached(sql)?.execute([(now - DELIVERED).timestamp()])?;
    Ok(())
}

const WAITING: &str = "FROM bounces b JOIN subscriptions s ON s.id = b.subscription
     LEFT JOIN outbox o ON o.id = b.mail AND o.state = 'sent'
     WHERE b.doubted = 1 AND b.at BETWEEN ?1 AND ?2 AND coalesce(o.due, b.at) <= ?3 AND s.consent = 'confirmed'";

fn waiting(tx: &Transaction<'_>, now: DateTime<Utc>) -> Result<Vec<Waiting>> {
    let sql = format!("SELECT s.address_key, b.reply, coalesce(o.due, b.at) {WAITING}");
    let mut waiting = tx.prepare_cached(&sql)?;
    let ages = [now - WEIGHED_FOR, now - REPORT_AGE, now - MAIL_AGE].map(|at| at.timestamp());
    let rows = waiting
        .query_map(ages, |row| Ok(Waiting { address_key: row.get(0)?, reply: row.get(1)?, sent: row.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether more than half of the mails came back, whatever was said of them, that were sent in the hour that begins at `start`, or in
/// the one before or after it: of all, or of those to a domain.
fn came_back_for_everybody(tx: &Transaction<'_>, start: i64, domain: Option<&str>) -> Result<bool> {
    let mut mails = tx.prepare_cached(
        "SELECT count(*), coalesce(sum(EXISTS (
                 SELECT 1 FROM bounces b WHERE b.subscription = o.subscription AND b.mail = o.id AND b.class IN ('hard', 'sender', 'soft'))), 0)
         FROM outbox o WHERE o.state = 'sent' AND o.due BETWEEN ?1 AND ?2 AND (?3 IS NULL OR o.domain = ?3)",
    )?;
    let (sent, back): (u32, u32) =
        mails.query_row(params![start - HOUR, start + 2 * HOUR, domain], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(sent >= SEVERAL && back > sent / 2)
}
