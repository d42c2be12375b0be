//! What pacing has to remember: holds, and how much was sent of late.
//!
//! A hold is written in the commit of the outcome that caused it ([`Store::record`]), or of the report, so the two never
//! disagree.

use chrono::{DateTime, Duration, Utc};
use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use super::{Result, Store, instant};
use crate::core::pacing::{Change, Hold};

/// What was sent to a domain within a few minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The recipients' domain.
    pub domain: String,
    /// When the last of them ended, or up to a second later.
    pub at: DateTime<Utc>,
    /// Attempts that reached a server.
    pub tried: u32,
    /// Those among them whose mail was taken, or may have been.
    pub taken: u32,
}

/// Mails of one domain that wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lane {
    /// The recipients' domain.
    pub domain: String,
    /// Mails that could go now.
    pub due: u64,
}

/// An older refusal says nothing of the one at hand.
const ALONE: Duration = Duration::days(7);

impl Store {
    /// The holds there are, also those that are over and not yet made good.
    pub fn holds(&self) -> Result<Vec<Change>> {
        self.read(holds)
    }

    /// Ends the rest of a domain, or all of them; returns how many there were.
    pub fn end_holds(&self, domain: Option<&str>) -> Result<usize> {
        self.write(|tx| {
            tx.execute("DELETE FROM probes WHERE ?1 IS NULL OR domain = ?1", [domain])?;
            Ok(tx.execute("DELETE FROM holds WHERE ?1 IS NULL OR domain = ?1", [domain])?)
        })
    }

    /// Whether what is said of this mail is said of its recipient alone: it was refused or put off before, and since
    /// then mail to others in its domain was taken.
    pub fn stands_alone(&self, mail: i64, now: DateTime<Utc>) -> Result<bool> {
        self.read(|tx| {
            let mut before = tx.prepare_cached(
                "SELECT EXISTS (
                     SELECT 1 FROM outbox o JOIN editions own ON own.subscription = o.subscription
                     JOIN outbox former ON former.edition = own.id JOIN attempts a ON a.mail = former.id
                     WHERE o.id = ?1 AND a.at >= ?2 AND a.outcome IN ('transient', 'permanent')
                       AND a.phase IN ('rcpt', 'data', 'body')
                       AND EXISTS (
                           SELECT 1 FROM outbox others
                           WHERE others.state = 'sent' AND others.due > a.at AND others.domain = o.domain
                             AND others.subscription <> o.subscription))",
            )?;
            Ok(before.query_row(params![mail, (now - ALONE).timestamp()], |row| row.get(0))?)
        })
    }

    /// When the first mail ever was taken by the other side.
    pub fn first_mail(&self) -> Result<Option<DateTime<Utc>>> {
        self.read(|tx| {
            let sql = "SELECT CAST(CAST(value AS TEXT) AS INTEGER) FROM meta WHERE key = 'first-mail'";
            Ok(tx.query_row(sql, [], |row| row.get(0)).optional()?.map(instant))
        })
    }

    /// What was sent from `since` until `until`, by domain and in order of time.
    pub fn sent_between(&self, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<Vec<Sent>> {
        self.read(|tx| {
            let mut sent = tx.prepare_cached(
                "SELECT domain, max(at), count(*), sum(taken) FROM (
                     SELECT domain, due AS at, 1 AS taken FROM outbox WHERE state = 'sent' AND due BETWEEN ?1 AND ?2
                     UNION ALL
                     SELECT o.domain, a.at, a.outcome = 'unknown' FROM attempts a JOIN outbox o ON o.id = a.mail
                     WHERE a.at BETWEEN ?1 AND ?2 AND (a.outcome = 'unknown' OR a.phase IN ('mail', 'rcpt', 'data', 'body')))
                 GROUP BY domain, at / 300 ORDER BY 2",
            )?;
            let rows = sent.query_map([since.timestamp(), until.timestamp()], |row| {
                // What is written is cut to the second.
                let at = instant(row.get::<_, i64>(1)? + 1);
                Ok(Sent { domain: row.get(0)?, at, tried: row.get(2)?, taken: row.get(3)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The domain of the last mail that was sent, as far as the second tells; empty when there is none.
    pub fn last_lane(&self) -> Result<String> {
        self.read(|tx| {
            let sql = "SELECT domain FROM outbox WHERE state = 'sent' ORDER BY due DESC LIMIT 1";
            let lane = tx.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
            Ok(lane.unwrap_or_default())
        })
    }

    /// The domains with mails that are due at `now`.
    pub fn lanes(&self, now: DateTime<Utc>) -> Result<Vec<Lane>> {
        self.read(|tx| {
            let mut lanes = tx.prepare_cached(
                // What is claimed is due when its lease ends.
                "SELECT domain, count(*) FROM outbox WHERE state IN ('queued', 'claimed') AND due <= ? GROUP BY domain ORDER BY domain",
            )?;
            let rows = lanes.query_map([now.timestamp()], |row| Ok(Lane { domain: row.get(0)?, due: row.get(1)? }))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

pub(super) fn holds(tx: &Transaction<'_>) -> Result<Vec<Change>> {
    let mut holds = tx.prepare_cached("SELECT domain, cause, level, since, until, words FROM holds ORDER BY domain")?;
    let mut rows = holds.query([])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        let domain: String = row.get(0)?;
        let hold = Hold {
            cause: row.get(1)?,
            level: row.get(2)?,
            since: instant(row.get(3)?),
            until: instant(row.get(4)?),
            words: row.get(5)?,
        };
        out.push(Change { domain: Some(domain).filter(|domain| !domain.is_empty()), hold: Some(hold) });
    }
    Ok(out)
}

/// Notes whose mail began or deepened the hold of this domain (of everything, when it is empty): others ask first.
pub(super) fn met(tx: &Transaction<'_>, domain: &str, mail: i64) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO probes (domain, subscription)
         SELECT ?, subscription FROM outbox WHERE id = ? AND subscription IS NOT NULL ON CONFLICT DO NOTHING",
    )?
    .execute(params![domain, mail])?;
    Ok(())
}

/// Begins a new round, since everybody who waits for this domain has asked.
pub(super) fn all_have_asked(tx: &Transaction<'_>, domain: &str) -> Result<()> {
    tx.prepare_cached("DELETE FROM probes WHERE domain IN ('', ?)")?.execute([domain])?;
    Ok(())
}

/// Writes down what has changed.
pub(super) fn keep(tx: &Transaction<'_>, changes: &[Change]) -> Result<()> {
    for Change { domain, hold } in changes {
        let domain = domain.as_deref().unwrap_or_default();
        match hold {
            None => {
                tx.prepare_cached("DELETE FROM probes WHERE domain = ?")?.execute([domain])?;
                tx.prepare_cached("DELETE FROM holds WHERE domain = ?")?.execute([domain])?
            }
            Some(hold) => tx
                .prepare_cached(
                    "INSERT INTO holds (domain, cause, level, since, until, words) VALUES (?, ?, ?, ?, ?, ?)
                     ON CONFLICT (domain) DO UPDATE SET cause = excluded.cause, level = excluded.level,
                         since = excluded.since, until = excluded.until, words = excluded.words",
                )?
                .execute(params![
                    domain,
                    hold.cause,
                    hold.level,
                    hold.since.timestamp(),
                    hold.until.timestamp(),
                    hold.words
                ])?,
        };
    }
    Ok(())
}
