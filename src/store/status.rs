//! What a person asks: how are the sources, what waits, who gets what when.

use chrono::{DateTime, NaiveDateTime, Utc};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use super::papers::source;
use super::sqlite::{OWED_COUNT, PAPERS_COUNT, ZONE};
use super::{OutboxState, Result, Store, instant, slot};
use crate::core::paper::{ReadOutcome, Route, SourceId};
use crate::core::subscription::{Consent, Origin};
use crate::core::zone::Zone;

/// How a source's reads went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceStatus {
    /// The source.
    pub source: SourceId,
    /// The newest read.
    pub last_read: DateTime<Utc>,
    /// How it ended.
    pub outcome: ReadOutcome,
    /// What went wrong in it, for a person.
    pub message: Option<String>,
    /// The newest read that brought a listing, even an empty one.
    pub last_good: Option<DateTime<Utc>>,
    /// How that one was made.
    pub route: Option<Route>,
    /// Papers in that one.
    pub items: u32,
    /// Reads since then that brought nothing.
    pub failures: u32,
    /// When and how many papers were last new.
    pub last_new: Option<(DateTime<Utc>, u32)>,
}

/// How many mails are in each state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueStatus {
    /// Count by state; states without mails are left out.
    pub counts: Vec<(OutboxState, u64)>,
    /// When the next one is tried.
    pub next: Option<DateTime<Utc>>,
}

/// One subscriber, as an operator sees them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubscriberStatus {
    /// In clear: it is shown to the operator who asked.
    pub address: String,
    /// Whether they want mail.
    pub consent: Consent,
    /// Where they came from.
    pub origin: Origin,
    /// Whether they came by the web and a file names them as well: the file's entry is in force.
    pub both: bool,
    /// Whether the file or the reader pauses it.
    pub paused: bool,
    /// Whether the reader does.
    pub reader_paused: bool,
    /// Whether the file still lists it.
    pub listed: bool,
    /// Whether it is missing from its file and gets nothing until somebody has said why.
    pub held: bool,
    /// Whose local time their slots are in.
    pub zone: Zone,
    /// Whether their next slot is yet to be found, at the next publish: for who is new, or changed their schedule.
    #[serde(rename = "open")]
    pub is_open: bool,
    /// When the next slot is due; the past when it is due now. `None` for who gets nothing, for who is to get nothing more,
    /// and while it is yet to be found.
    pub next: Option<DateTime<Utc>>,
    /// Why its last edition could not be decided.
    pub fault: Option<String>,
    /// The newest edition.
    pub last: Option<EditionStatus>,
}

/// How many subscribers are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SubscriberCounts {
    /// They may be written to.
    pub active: u64,
    /// They asked by the web for digests and have not confirmed that yet: they get none.
    pub pending: u64,
    /// They are missing from their file.
    pub held: u64,
    /// They came by the web.
    pub web: u64,
    /// They did, and a file names them as well.
    pub both: u64,
}

/// What became of an edition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EditionStatus {
    /// The edition's number.
    pub edition: i64,
    /// Its mail's number.
    pub mail: Option<i64>,
    /// The local slot.
    pub slot: NaiveDateTime,
    /// In whose local time it was.
    pub zone: Zone,
    /// When it was decided.
    pub decided: DateTime<Utc>,
    /// When its mail was sent.
    pub sent: Option<DateTime<Utc>>,
    /// Papers in it.
    pub papers: u32,
    /// Candidates it was chosen from.
    pub looked_at: u32,
    /// Papers that wait for the next.
    pub owed: u32,
    /// Its mail's state; `None` when it had nothing to send.
    pub state: Option<OutboxState>,
}

impl Store {
    /// Every source that was ever read, as of now.
    pub fn sources(&self) -> Result<Vec<SourceStatus>> {
        self.sources_as_of(i64::MAX)
    }

    /// Every source that was ever read, as it was known after `read`.
    pub fn sources_as_of(&self, read: i64) -> Result<Vec<SourceStatus>> {
        self.read(|tx| {
            let mut names = tx.prepare_cached("SELECT DISTINCT source FROM reads WHERE id <= ? ORDER BY source")?;
            let names = names.query_map([read], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
            names.into_iter().map(|name| source_status(tx, &name, read)).collect()
        })
    }

    /// How many mails are in each state.
    pub fn queue(&self) -> Result<QueueStatus> {
        let next = self.next_delivery()?;
        self.read(|tx| {
            let mut states = tx.prepare_cached("SELECT state, count(*) FROM outbox GROUP BY state")?;
            let rows = states.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut counts: Vec<(OutboxState, u64)> = rows.collect::<Result<_, _>>()?;
            counts.sort_by_key(|(state, _)| OutboxState::ALL.iter().position(|other| other == state));
            Ok(QueueStatus { counts, next })
        })
    }

    /// How many subscribers there are, by what they are.
    pub fn count_subscribers(&self) -> Result<SubscriberCounts> {
        self.read(|tx| {
            let sql =
                "SELECT coalesce(sum(paused = 0 AND consent = 'confirmed'), 0), coalesce(sum(consent = 'pending'), 0),
                              coalesce(sum(held IS NOT NULL), 0), coalesce(sum(origin = 'web'), 0),
                              (SELECT count(*) FROM web_orders)
                       FROM subscriptions WHERE listed = 1";
            let counts = tx.prepare_cached(sql)?.query_row([], |row| {
                let (active, pending, held) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(SubscriberCounts { active, pending, held, web: row.get(3)?, both: row.get(4)? })
            });
            Ok(counts?)
        })
    }

    /// Every subscriber with their newest edition, by address.
    pub fn subscribers(&self) -> Result<Vec<SubscriberStatus>> {
        self.read(|tx| {
            let mut query = tx.prepare_cached(&format!(
                "SELECT s.address, s.consent, s.paused, s.listed, s.next_at,
                        e.id, e.slot, {PAPERS_COUNT},
                        e.looked_at, {OWED_COUNT}, o.state, s.fault, s.held IS NOT NULL,
                        e.decided, o.due, {ZONE}, o.id,
                        s.origin, s.reader_paused, EXISTS (SELECT 1 FROM web_orders WHERE subscription = s.id),
                        (SELECT {ZONE} FROM definitions d WHERE d.id = e.definition)
                 FROM subscriptions s
                 JOIN definitions d ON d.id = s.definition
                 LEFT JOIN editions e ON e.id = (SELECT max(id) FROM editions WHERE subscription = s.id)
                 LEFT JOIN outbox o ON o.edition = e.id
                 ORDER BY s.address_key",
            ))?;
            let mut rows = query.query([])?;
            let mut out = Vec::new();
            while let Some(row) = rows.next()? {
                let (consent, paused, listed): (Consent, bool, bool) = (row.get(1)?, row.get(2)?, row.get(3)?);
                let held: bool = row.get(12)?;
                let is_active = consent == Consent::Confirmed && listed && !paused && !held;
                let next: Option<i64> = row.get::<_, Option<i64>>(4)?.filter(|_| is_active);
                let zone: Option<String> = row.get(15)?;
                out.push(SubscriberStatus {
                    address: row.get(0)?,
                    consent,
                    origin: row.get(17)?,
                    both: row.get(19)?,
                    paused,
                    reader_paused: row.get(18)?,
                    listed,
                    held,
                    zone: zone.as_deref().and_then(Zone::named).unwrap_or(Zone::UTC),
                    is_open: next == Some(0),
                    next: next.filter(|at| *at > 0).map(instant),
                    fault: row.get(11)?,
                    last: edition(row)?,
                });
            }
            Ok(out)
        })
    }
}

/// The edition in columns 5 to 10, 13, 14, 16 and 20.
fn edition(row: &Row<'_>) -> Result<Option<EditionStatus>> {
    let Some(number) = row.get(5)? else { return Ok(None) };
    let state: Option<OutboxState> = row.get(10)?;
    Ok(Some(EditionStatus {
        edition: number,
        mail: row.get(16)?,
        slot: slot(&row.get::<_, String>(6)?)?,
        zone: row.get::<_, Option<String>>(20)?.as_deref().and_then(Zone::named).unwrap_or(Zone::UTC),
        decided: instant(row.get(13)?),
        sent: row.get::<_, Option<i64>>(14)?.filter(|_| state == Some(OutboxState::Sent)).map(instant),
        papers: row.get::<_, Option<u32>>(7)?.unwrap_or(0),
        looked_at: row.get(8)?,
        owed: row.get(9)?,
        state,
    }))
}

fn source_status(tx: &Transaction<'_>, name: &str, read: i64) -> Result<SourceStatus> {
    let (last_read, outcome, message): (i64, ReadOutcome, Option<String>) = tx
        .prepare_cached("SELECT at, outcome, message FROM reads WHERE source = ? AND id <= ? ORDER BY id DESC LIMIT 1")?
        .query_row(params![name, read], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let good: Option<(i64, i64, Route, u32)> = tx
        .prepare_cached(
            "SELECT id, at, route, items FROM reads
             WHERE source = ? AND id <= ? AND route IS NOT NULL ORDER BY id DESC LIMIT 1",
        )?
        .query_row(params![name, read], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let failures = tx
        .prepare_cached("SELECT count(*) FROM reads WHERE source = ? AND id <= ? AND id > ?")?
        .query_row(params![name, read, good.as_ref().map_or(0, |g| g.0)], |row| row.get(0))?;
    let last_new: Option<(i64, u32)> = tx
        .prepare_cached(
            "SELECT at, added FROM reads WHERE source = ? AND id <= ? AND added > 0 ORDER BY id DESC LIMIT 1",
        )?
        .query_row(params![name, read], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(SourceStatus {
        source: source(name.to_owned())?,
        last_read: instant(last_read),
        outcome,
        message,
        last_good: good.as_ref().map(|g| instant(g.1)),
        route: good.as_ref().map(|g| g.2),
        items: good.as_ref().map_or(0, |g| g.3),
        failures,
        last_new: last_new.map(|(at, added)| (instant(at), added)),
    })
}
