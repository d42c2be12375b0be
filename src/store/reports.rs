//! Reports of missing mailboxes, believed once it shows that they are about their mailbox and not about us.
//!
//! A relay may accept every mail and then report of each that there is no such mailbox, or that we may not send it. The first
//! of these reports looks like that of a single dead mailbox. So a report waits ([`waits`]) until its mail is an hour old; then
//! it is weighed against the mails that were sent at about the same time ([`Store::weigh_reports`]). If more than half of at
//! least three came back, nobody is suppressed: the mailboxes are tried with their next editions, and after
//! [`super::FOR_A_PERSON`] days a person decides. Where no two others were sent to, there is nothing to weigh, and a report
//! counts at once.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use rusqlite::{Transaction, params};

use super::suppressions::suppress_address;
use super::{Reason, Result, Store, suspicions};

/// Seconds: mails that were sent within this time of each other belong to the same state of the relay, and a mail that is older
/// has come back if it ever does.
const HOUR: i64 = 3_600;

/// From so many mails on, more than half of them is everybody.
const SEVERAL: u32 = 3;

/// Reports that are older were weighed often enough: what keeps them in doubt is for a person.
const WEIGHED_FOR: Duration = Duration::hours(24);

/// Whether a report about a mail that was sent at `sent` (seconds) has to wait: others were sent at about that time.
pub(super) fn waits(tx: &Transaction<'_>, sent: i64) -> Result<bool> {
    let mut mails = tx.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE state = 'sent' AND due BETWEEN ? AND ? LIMIT ?)",
    )?;
    let count: u32 = mails.query_row(params![sent - HOUR, sent + HOUR, SEVERAL], |row| row.get(0))?;
    Ok(count >= SEVERAL)
}

impl Store {
    /// Weighs the reports that wait and whose mails are an hour old. Returns how many addresses are suppressed for it.
    pub fn weigh_reports(&self, now: DateTime<Utc>) -> Result<usize> {
        if !self.read(|tx| any_waits(tx, now))? {
            return Ok(0);
        }
        self.write(|tx| {
            let mut suppressed = 0;
            let mut is_everybody = BTreeMap::new();
            for report in waiting(tx, now)? {
                let hour = report.sent / HOUR;
                if let std::collections::btree_map::Entry::Vacant(entry) = is_everybody.entry(hour) {
                    entry.insert(came_back_for_everybody(tx, hour * HOUR)?);
                }
                if is_everybody[&hour] || suspicions::is_held(tx, &report.address_key)? {
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

const WAITING: &str = "FROM bounces b JOIN subscriptions s ON s.id = b.subscription
     LEFT JOIN outbox o ON o.edition = b.edition AND o.state = 'sent'
     WHERE b.doubted = 1 AND b.at >= ?1 AND coalesce(o.due, b.at) <= ?2 AND s.consent = 'confirmed'";

fn any_waits(tx: &Transaction<'_>, now: DateTime<Utc>) -> Result<bool> {
    let sql = format!("SELECT EXISTS (SELECT 1 {WAITING})");
    let between = params![(now - WEIGHED_FOR).timestamp(), now.timestamp() - HOUR];
    Ok(tx.prepare_cached(&sql)?.query_row(between, |row| row.get(0))?)
}

fn waiting(tx: &Transaction<'_>, now: DateTime<Utc>) -> Result<Vec<Waiting>> {
    let sql = format!("SELECT s.address_key, b.reply, coalesce(o.due, b.at) {WAITING}");
    let mut waiting = tx.prepare_cached(&sql)?;
    let between = params![(now - WEIGHED_FOR).timestamp(), now.timestamp() - HOUR];
    let rows = waiting
        .query_map(between, |row| Ok(Waiting { address_key: row.get(0)?, reply: row.get(1)?, sent: row.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether more than half of the mails that were sent in the hour that begins at `start`, or in the one before or after it, came
/// back for good or for a reason of ours.
fn came_back_for_everybody(tx: &Transaction<'_>, start: i64) -> Result<bool> {
    let mut mails = tx.prepare_cached(
        "SELECT count(*), coalesce(sum(EXISTS (
                 SELECT 1 FROM editions e JOIN bounces b ON b.subscription = e.subscription AND b.edition = e.id
                 WHERE e.id = o.edition AND b.class IN ('hard', 'sender'))), 0)
         FROM outbox o WHERE o.state = 'sent' AND o.due BETWEEN ? AND ?",
    )?;
    let (sent, back): (u32, u32) =
        mails.query_row([start - HOUR, start + 2 * HOUR], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(sent >= SEVERAL && back > sent / 2)
}

/// The address is in no doubt any more.
pub(super) fn believe(tx: &Transaction<'_>, address_key: &str) -> Result<()> {
    let sql = "UPDATE bounces SET doubted = 0
               WHERE doubted = 1 AND subscription = (SELECT id FROM subscriptions WHERE address_key = ?)";
    tx.prepare_cached(sql)?.execute([address_key])?;
    Ok(())
}
