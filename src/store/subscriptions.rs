//! Subscriptions as the database has them, and the config file brought into it.
//!
//! The file is the truth about what its subscribers want; the database about whether they may be written to. Taking the
//! files in upserts their subscriptions and retires those they no longer list, unless so many are missing that it may be
//! an accident ([`super::removals`]). An entry that is wrong leaves its subscription as it was. It keeps what a reader ordered by
//! the web ([`super::web_orders`]) and never revives an address that was withdrawn or suppressed (I6): both are reported, so
//! that the file's owner knows.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::definition::{Definition, definition_id, read_definition};
use super::reloads::{SyncReport, Withheld};
use super::removals::{self, Fate, Missing};
use super::sqlite::RANDOM_ID;
use super::suppressions::Suppressed;
use super::web_orders::{self, IN_FILE};
use super::{Result, Store, claims, files, instant, reloads, slot, slot_text, suppressions};
use crate::config::listing::{Faulty, Listing};
use crate::core::schedule::Schedule;
use crate::core::subscription::{Consent, Origin, Subscription};
use crate::core::zone::Zone;

/// Days that a first edition looks back.
pub(super) const LOOK_BACK: u64 = 7;

impl Store {
    /// Makes the database agree with these subscriptions, as if one file had them.
    pub fn sync(&self, subscriptions: &[Subscription], now: DateTime<Utc>) -> Result<SyncReport> {
        self.take_in(&Listing::of(subscriptions), now)
    }

    /// Makes the database agree with the files, as far as they are right, and answers the requests to do so.
    pub fn take_in(&self, listing: &Listing, now: DateTime<Utc>) -> Result<SyncReport> {
        self.write(|tx| {
            let errors = listing.problems.iter().filter(|problem| problem.is_error());
            let mut report = SyncReport {
                subscriptions: listing.subscriptions.len(),
                errors: errors.map(|problem| problem.to_string().replace('\n', "; ")).collect(),
                ..SyncReport::default()
            };
            let accepted = reloads::accepted(tx)?;
            let before = removals::listed_by_file(tx)?;
            let suppressed = Suppressed::load(tx)?;
            let paths: Vec<String> = listing.files.iter().map(|file| file.path.display().to_string()).collect();
            tx.execute_batch("CREATE TEMP TABLE IF NOT EXISTS in_file (id INTEGER PRIMARY KEY); DELETE FROM in_file;")?;
            let mut insert = tx.prepare_cached("INSERT INTO in_file (id) VALUES (?) ON CONFLICT DO NOTHING")?;
            for listed in &listing.subscriptions {
                let id = upsert(tx, &listed.subscription, &paths[listed.file], &suppressed, now, &mut report)?;
                insert.execute([id])?;
            }
            for faulty in &listing.faulty {
                if let Some(id) = keep(tx, faulty, &paths[faulty.file], now)? {
                    report.kept += insert.execute([id])?;
                }
            }
            let missing = missing(tx)?;
            for (one, fate) in missing.iter().zip(removals::decide(&missing, &before, listing, &accepted)) {
                apply(tx, one, fate, now, &mut report)?;
            }
            let sql = "SELECT count(*) FROM subscriptions WHERE held IS NOT NULL AND listed = 1";
            report.held = tx.query_row(sql, [], |row| row.get(0))?;
            report.both = tx.query_row("SELECT count(*) FROM web_orders", [], |row| row.get(0))?;
            files::record(tx, listing, &report, now)?;
            Ok(report)
        })
    }
}

/// Those in force that `in_file` doesn't have.
fn missing(tx: &Transaction<'_>) -> Result<Vec<Missing>> {
    let mut rows = tx.prepare(&format!(
        "SELECT id, file, held IS NOT NULL, removed, consent = 'confirmed', origin FROM subscriptions
         WHERE {IN_FILE} AND listed = 1 AND id NOT IN (SELECT id FROM in_file)",
    ))?;
    let rows = rows.query_map([], |row| {
        let (id, file, is_held) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Missing { id, file, is_held, is_removed: row.get(3)?, is_confirmed: row.get(4)?, origin: row.get(5)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn apply(
    tx: &Transaction<'_>,
    missing: &Missing,
    fate: Fate,
    now: DateTime<Utc>,
    report: &mut SyncReport,
) -> Result<()> {
    let sql = match fate {
        Fate::Stay => {
            report.kept += 1;
            return Ok(());
        }
        // It is paused meanwhile, so whatever a pause keeps from being lost is kept for it as well.
        Fate::Hold => "UPDATE subscriptions SET held = paused, paused = 1 WHERE id = ? AND held IS NULL",
        Fate::Retire if missing.origin == Origin::Web => {
            report.changed += 1;
            if let Some((file, own)) = web_orders::restore(tx, missing.id, now)?
                // One that can't be read fails by itself, when an edition of it is due.
                && let Some(own) = read_definition(own)
            {
                begin_tomorrow(tx, missing.id, file, &own.schedule, own.zone)?;
            }
            return Ok(());
        }
        Fate::Retire => {
            report.retired += 1;
            "UPDATE subscriptions SET listed = 0, removed = 0, paused = coalesce(held, paused), held = NULL WHERE id = ?"
        }
    };
    tx.prepare_cached(sql)?.execute([missing.id])?;
    Ok(())
}

/// Leaves a subscription whose entry is wrong as it was, but for a pause, which is obeyed. Returns its number, if it is in
/// force.
fn keep(tx: &Transaction<'_>, faulty: &Faulty, file: &str, now: DateTime<Utc>) -> Result<Option<i64>> {
    let sql = format!("SELECT id, held FROM subscriptions WHERE address_key = ? AND {IN_FILE} AND listed = 1");
    let key = faulty.address.normalized();
    let known = tx.prepare_cached(&sql)?.query_row([key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((id, held)): Option<(i64, Option<bool>)> = known else { return Ok(None) };
    tx.prepare_cached(
        "UPDATE subscriptions SET paused = CASE WHEN ?2 THEN 1 ELSE coalesce(held, paused) END, removed = 0,
                file = ?3, next_at = CASE WHEN held IS NULL THEN next_at ELSE 0 END, held = NULL
         WHERE id = ?1",
    )?
    .execute(params![id, faulty.is_paused, file])?;
    if held == Some(false) && !faulty.is_paused {
        claims::unpark(tx, id, now)?;
    }
    Ok(Some(id))
}

/// A subscription as the database knows it.
struct KnownSubscription {
    id: i64,
    origin: Origin,
    definition: i64,
    is_paused: bool,
    /// Whether the reader has paused it, so that no file can end that.
    is_reader_paused: bool,
    is_held: bool,
    is_listed: bool,
    is_removed: bool,
    consent: Consent,
    address: String,
    file: Option<String>,
}

fn known(tx: &Transaction<'_>, address_key: &str) -> Result<Option<KnownSubscription>> {
    let mut query = tx.prepare_cached(
        "SELECT id, definition, paused, held IS NOT NULL, listed, removed, consent, address, file, origin, reader_paused
         FROM subscriptions WHERE address_key = ?",
    )?;
    let known = query.query_row([address_key], |row| {
        Ok(KnownSubscription {
            id: row.get(0)?,
            definition: row.get(1)?,
            is_paused: row.get(2)?,
            is_held: row.get(3)?,
            is_listed: row.get(4)?,
            is_removed: row.get(5)?,
            consent: row.get(6)?,
            address: row.get(7)?,
            file: row.get(8)?,
            origin: row.get(9)?,
            is_reader_paused: row.get(10)?,
        })
    });
    Ok(known.optional()?)
}

/// Inserts or updates one of the file's subscriptions; returns its number.
fn upsert(
    tx: &Transaction<'_>,
    subscription: &Subscription,
    file: &str,
    suppressed: &Suppressed,
    now: DateTime<Utc>,
    report: &mut SyncReport,
) -> Result<i64> {
    let definition = definition_id(tx, &Definition::of(subscription))?;
    let key = subscription.address.normalized();
    let withheld = suppressed.consent(tx, &key)?;
    if let Some(consent) = withheld {
        report.withheld.push(Withheld { address: subscription.address.clone(), consent });
    }
    let Some(known) = known(tx, &key)? else {
        // Who has left is in no new row, though their address was forgotten.
        if withheld.is_some()
            && let Some(departed) = self::known(tx, &suppressions::forgotten_key(tx, &key)?)?
        {
            return Ok(departed.id);
        }
        tx.prepare_cached(&format!(
            "INSERT INTO subscriptions
             (token, address, address_key, definition, origin, consent, paused, created, since, next_at, file)
             VALUES ({RANDOM_ID}, ?, ?, ?, 'file', ?, ?, ?, ?, 0, ?)",
        ))?
        .execute(params![
            subscription.address.reveal(),
            key,
            definition,
            withheld.unwrap_or(Consent::Confirmed),
            subscription.paused,
            now.timestamp(),
            first_day(subscription, now).to_string(),
            file
        ])?;
        report.added += 1;
        return Ok(tx.last_insert_rowid());
    };
    let id = known.id;
    if withheld.is_none() && matches!(known.consent, Consent::Withdrawn | Consent::Suppressed) {
        report.withheld.push(Withheld { address: subscription.address.clone(), consent: known.consent });
    }
    if !known.is_listed {
        // It goes on where it stopped: what it had and since when it counts are kept.
        tx.prepare_cached("UPDATE subscriptions SET listed = 1, origin = 'file' WHERE id = ?1")?.execute([id])?;
        report.added += 1;
    }
    if known.origin == Origin::Web && known.is_listed {
        web_orders::keep(tx, id)?;
    }
    if known.definition != definition {
        begin_tomorrow(tx, id, known.definition, &subscription.schedule, subscription.zone)?;
    }
    let is_vouched_for = known.consent == Consent::Pending && withheld.is_none();
    if is_vouched_for {
        // What came before they were listed is not for them, however long ago they asked.
        tx.prepare_cached(
            "UPDATE subscriptions SET consent = 'confirmed', next_at = 0,
                    since = CASE WHEN decided IS NULL THEN max(since, ?2) ELSE since END
             WHERE id = ?1",
        )?
        .execute(params![id, first_day(subscription, now).to_string()])?;
    }
    let is_paused = subscription.paused || known.is_reader_paused;
    let is_reordered = known.definition != definition || known.is_paused != is_paused || known.is_held;
    if is_reordered || !known.is_listed {
        // The next slot is found anew at the next publish, from the newest one that has its edition.
        tx.prepare_cached(
            "UPDATE subscriptions SET definition = ?2, paused = ?3, held = NULL, next_at = 0, fault = NULL WHERE id = ?1",
        )?
        .execute(params![id, definition, is_paused])?;
        if known.is_paused && !is_paused {
            claims::unpark(tx, id, now)?;
        }
    }
    if let Some(day) = subscription.since {
        tx.prepare_cached("UPDATE subscriptions SET since = ?2 WHERE id = ?1 AND decided IS NULL AND since <> ?2")?
            .execute(params![id, day.to_string()])?;
    }
    // Upper and lower case make no other subscriber, but the local part is written as its owner has it: who came by the
    // web has written it themselves.
    let address = match known.origin {
        Origin::Web => known.address.clone(),
        Origin::File => subscription.address.reveal(),
    };
    let is_respelt = address != known.address;
    if is_respelt || known.is_removed || known.file.as_deref() != Some(file) {
        tx.prepare_cached("UPDATE subscriptions SET address = ?2, file = ?3, removed = 0 WHERE id = ?1")?
            .execute(params![id, address, file])?;
    }
    report.changed += usize::from(known.is_listed && (is_reordered || is_respelt || is_vouched_for));
    Ok(id)
}

/// The first day whose papers are for a subscription made at `now`: a first edition looks back a week, so that it has
/// something to show for rare keywords, and on a Monday.
pub(super) fn first_day(subscription: &Subscription, now: DateTime<Utc>) -> NaiveDate {
    let by_itself = || now.with_timezone(&subscription.zone).date_naive() - Days::new(LOOK_BACK);
    subscription.since.unwrap_or_else(by_itself)
}

/// The day after, UTC: what is first seen from then on is new to a subscription made at `created`. Not what is seen on the same
/// day, for the first read of a fresh database sees the lists of many days at once.
pub(super) fn next_day(created: DateTime<Utc>) -> DateTime<Utc> {
    (created.date_naive() + Days::new(1)).and_time(NaiveTime::MIN).and_utc()
}

/// After a change of schedule or zone, takes every slot up to the end of the last edition's day for settled: a subscriber who moves
/// their digest from the morning to the evening does not want another one today.
fn begin_tomorrow(tx: &Transaction<'_>, id: i64, old: i64, schedule: &Schedule, zone: Zone) -> Result<()> {
    let mut text = tx.prepare_cached("SELECT text FROM definitions WHERE id = ?")?;
    let old: Option<Definition> = text.query_row([old], |row| row.get(0)).optional()?.and_then(read_definition);
    if old.is_some_and(|old| old.schedule == *schedule && old.zone == zone) {
        return Ok(());
    }
    let last: Option<(String, i64, String)> = tx
        .prepare_cached(
            "SELECT e.slot, e.decided, d.text FROM editions e JOIN definitions d ON d.id = e.definition
             WHERE e.subscription = ? ORDER BY e.id DESC LIMIT 1",
        )?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((last, decided, definition)) = last else { return Ok(()) };
    // An edition may come days after its slot; its day is that of the wall it was made for.
    let zone = read_definition(definition).map_or(zone, |definition| definition.zone);
    let day = slot(&last)?.date().max(instant(decided).with_timezone(&zone).date_naive());
    let end = day.and_hms_opt(23, 59, 0).unwrap_or_default();
    tx.prepare_cached("UPDATE subscriptions SET last_slot = max(last_slot, ?2) WHERE id = ?1")?
        .execute(params![id, slot_text(end)])?;
    Ok(())
}
