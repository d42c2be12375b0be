//! Requests to a running daemon to read its files anew, its answers, and which settings it has in force.
//!
//! A request names what is to be read: the subscription files, or the settings too. A command that has changed a subscription
//! file asks for the files alone, since half an edit of the settings may be on the disk.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::removals::Accepted;
use super::{Result, Store, from_json, hex, to_json};
use crate::config::Fingerprint;
use crate::config::listing::FileHash;
use crate::core::address::Address;
use crate::core::subscription::Consent;

/// Answers are kept this long, for the commands that wait for them.
const KEPT: chrono::Duration = chrono::Duration::days(1);

/// Requests that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReloadRequests {
    /// The newest one's number.
    pub newest: i64,
    /// Whether one of them asks for the settings.
    pub with_settings: bool,
}

/// How reading the settings anew ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsReport {
    /// The errors in them, one line each; with any, the old ones stay in force.
    pub errors: Vec<String>,
    /// The keys that were changed and keep their value until a restart.
    pub fixed: Vec<String>,
}

/// What taking in the files changed, and what is wrong with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncReport {
    /// Subscriptions that are right.
    pub subscriptions: usize,
    /// Those that are new or listed again.
    pub added: usize,
    /// Those whose order changed.
    pub changed: usize,
    /// Subscriptions that the files no longer list.
    pub retired: usize,
    /// Subscribers who are missing from the files and held until somebody says that they were removed on purpose.
    pub held: usize,
    /// Subscriptions that stay as they were, because what the files say of them is wrong or can't be read.
    pub kept: usize,
    /// Readers who came by the web and are in a file as well: the file's entry is in force.
    #[serde(default)]
    pub both: usize,
    /// The errors in the files, one line each.
    pub errors: Vec<String>,
    /// Listed, but not to be written to.
    #[serde(skip)]
    pub withheld: Vec<Withheld>,
}

impl SyncReport {
    /// How many subscriptions are in force: those that are right, and those that stay as they were.
    pub fn in_force(&self) -> usize {
        self.subscriptions + self.kept
    }

    /// Whether nobody is held and nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.held == 0 && self.errors.is_empty()
    }
}

/// An address that the file lists and that must not be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The address.
    pub address: Address,
    /// `withdrawn` or `suppressed`.
    pub consent: Consent,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadAnswer {
    /// What taking in the subscription files did.
    pub files: SyncReport,
    /// How reading the settings ended, if that was asked for.
    pub settings: Option<SettingsReport>,
}

/// The settings that a daemon works by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// The path of their file from the root, if they have one.
    pub file: Option<String>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What the file said.
    pub fingerprint: Fingerprint,
}

impl Store {
    /// Asks the daemon on this database to take in the subscription files, and before that the settings if it is to; returns
    /// the request's number. `accepts` are the files, with their contents, in which removals are meant.
    pub fn request_reload(
        &self,
        with_settings: bool,
        accepts: Option<&[(String, Option<FileHash>)]>,
        now: DateTime<Utc>,
    ) -> Result<i64> {
        let accepts: Option<Vec<_>> =
            accepts.map(|files| files.iter().map(|(path, hash)| (path, hash.map(|hash| hex(&hash)))).collect());
        let accepts = accepts.map(|files| to_json("list of files", &files)).transpose()?;
        self.write(|tx| {
            tx.execute("DELETE FROM reloads WHERE answered < ?", [(now - KEPT).timestamp()])?;
            let sql = "INSERT INTO reloads (asked, settings, accepts) VALUES (?, ?, ?)";
            tx.execute(sql, params![now.timestamp(), with_settings, accepts])?;
            Ok(tx.last_insert_rowid())
        })
    }

    /// The requests that wait, if there are any.
    pub fn reload_requests(&self) -> Result<Option<ReloadRequests>> {
        self.read(|tx| {
            let sql = "SELECT max(id), max(settings = 1 AND outcome IS NULL) FROM reloads WHERE answered IS NULL";
            let (newest, with_settings): (Option<i64>, Option<bool>) =
                tx.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(newest.map(|newest| ReloadRequests { newest, with_settings: with_settings == Some(true) }))
        })
    }

    /// Says how the settings were read, to the requests up to number `newest`. They are answered once the files are taken in.
    pub fn answer_settings(&self, report: &SettingsReport, newest: i64) -> Result<()> {
        let outcome = to_json("answer", report)?;
        self.write(|tx| {
            let sql = "UPDATE reloads SET outcome = ? WHERE id <= ? AND settings = 1 AND answered IS NULL";
            tx.execute(sql, params![outcome, newest])?;
            Ok(())
        })
    }

    /// The answer to a request; `None` as long as there is none.
    pub fn reload_answer(&self, request: i64) -> Result<Option<ReloadAnswer>> {
        self.read(|tx| {
            let sql = "SELECT answer, outcome FROM reloads WHERE id = ?";
            let row: Option<(Option<String>, Option<String>)> =
                tx.query_row(sql, [request], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            let Some((Some(files), settings)) = row else { return Ok(None) };
            let settings = settings.map(|text| from_json("answer", &text)).transpose()?;
            Ok(Some(ReloadAnswer { files: from_json("answer", &files)?, settings }))
        })
    }

    /// Notes whether the holder of the database's lock is a daemon, which answers requests.
    pub fn note_daemon(&self, runs: bool) -> Result<()> {
        self.write(|tx| {
            tx.execute("DELETE FROM meta WHERE key = 'daemon'", [])?;
            if runs {
                tx.execute("INSERT INTO meta (key, value) VALUES ('daemon', x'01')", [])?;
            }
            Ok(())
        })
    }

    /// Whether the last one to hold the lock was a daemon that has not ended in good order.
    pub fn is_daemon_noted(&self) -> Result<bool> {
        self.read(|tx| {
            Ok(tx.query_row("SELECT EXISTS (SELECT 1 FROM meta WHERE key = 'daemon')", [], |row| row.get(0))?)
        })
    }

    /// Notes which settings are in force.
    pub fn note_settings(&self, settings: &InForce) -> Result<()> {
        let text = to_json("settings in force", settings)?;
        self.write(|tx| {
            let sql = "INSERT INTO meta (key, value) VALUES ('settings', ?)
                       ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            tx.execute(sql, [text.as_bytes()])?;
            Ok(())
        })
    }

    /// The settings that the last daemon had in force.
    pub fn settings_in_force(&self) -> Result<Option<InForce>> {
        self.read(|tx| {
            let sql = "SELECT value FROM meta WHERE key = 'settings'";
            let value: Option<Vec<u8>> = tx.query_row(sql, [], |row| row.get(0)).optional()?;
            value.map(|value| from_json("settings in force", &String::from_utf8_lossy(&value))).transpose()
        })
    }
}

/// Answers the requests that wait for the subscription files alone. One that asks for the settings and was made since they
/// were read goes on waiting.
pub(super) fn answer(tx: &Transaction<'_>, report: &SyncReport, now: DateTime<Utc>) -> Result<()> {
    let answer = to_json("answer", report)?;
    let sql = "UPDATE reloads SET answered = ?, answer = ?
               WHERE answered IS NULL AND (settings = 0 OR outcome IS NOT NULL)";
    tx.execute(sql, params![now.timestamp(), answer])?;
    Ok(())
}

/// What the requests that wait say of removals.
pub(super) fn accepted(tx: &Transaction<'_>) -> Result<Accepted> {
    let mut rows = tx.prepare_cached("SELECT accepts FROM reloads WHERE answered IS NULL AND accepts IS NOT NULL")?;
    let texts = rows.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let mut accepted = Accepted::default();
    for text in texts {
        let files: Vec<(String, Option<String>)> = from_json("list of files", &text)?;
        accepted.0.extend(files);
    }
    Ok(accepted)
}
