//! All SQL: one SQLite database, coarse methods, one transaction each.
//!
//! The jobs meet only here. A method that writes is one `BEGIN IMMEDIATE … COMMIT` with no `.await` in it; when it has
//! returned, what it says is on the disk (`synchronous=FULL`), and when it has not, nothing happened. The write-ahead log
//! is never truncated while running: to extend a file costs milliseconds a commit, to overwrite it a tenth of one.
//!
//! What is *not* here: schedules, matching, rendering. Decisions come in by argument.

mod bounces;
mod editions;
mod history;
mod holds;
mod ingest;
mod lock;
mod orders;
mod outbox;
mod papers;
mod status;
mod subscriptions;
mod suppressions;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

pub use bounces::{Bounce, BounceStatus, Taken, Verdict};
pub use editions::{Batch, Decision, Due, Edition, Published, Standing};
pub use history::{History, KnownPaper, PastEdition};
pub use holds::{Lane, Sent};
pub use ingest::{Ingested, ReadRecord};
pub use lock::{Lock, LockError};
pub use outbox::{Claim, Claimed, Mailing, OutboxEntry, OutboxState, Recorded};
pub use status::{EditionStatus, QueueStatus, SourceStatus, SubscriberStatus};
pub use subscriptions::{SyncReport, Withheld};
pub use suppressions::{AddressHash, Imported, Reason, Suppression};

/// The database. Clones share one connection.
#[derive(Clone, Debug)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
}

/// Why the database could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite's own answer: a full disk, a missing folder, a damaged file.
    #[error("{what}: {0}", what = file(.0))]
    Sqlite(rusqlite::Error),
    /// The file was made by a newer program.
    #[error("the database has version {found}, this program knows up to {known}: it was used by a newer paperpost")]
    Newer {
        /// The file's version.
        found: usize,
        /// This program's.
        known: usize,
    },
    /// The file was made by an older program and may not be changed now.
    #[error("the database is of an older paperpost: `paperpost run` or `paperpost once` brings it up to date")]
    Older,
    /// A value that this program did not write.
    #[error("the database holds a {what} that can't be read: {why}")]
    Unreadable {
        /// What it should have been.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

// Not `#[from]`: the message holds SQLite's already, and a chain of errors would print it twice.
impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// What failed, in words that stand before SQLite's own.
fn file(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => "the disk is full",
        Some(rusqlite::ErrorCode::CannotOpen) => "the database can't be opened",
        Some(rusqlite::ErrorCode::ReadOnly) => "the database can't be written to",
        Some(rusqlite::ErrorCode::DatabaseBusy) => "the database is busy",
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => "the database is damaged",
        _ => "the database failed",
    }
}

/// Results of the store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

const MIGRATIONS: [&str; 3] = [
    include_str!("migrations/0001_start.sql"),
    include_str!("migrations/0002_leaving.sql"),
    include_str!("migrations/0003_pacing.sql"),
];

impl Store {
    /// Opens the database at `path`, makes it when it isn't there, and brings it up to this program's version.
    pub fn open(path: &Path) -> Result<Self> {
        let mut connection = Connection::open(path)?;
        configure(&connection)?;
        migrate(&mut connection)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// A database of its own that lives in memory and ends with the last clone.
    pub fn in_memory() -> Result<Self> {
        Self::open(Path::new(":memory:"))
    }

    /// Opens an existing database for looking at it: nothing is made, migrated or written.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        configure(&connection)?;
        if check_version(&connection)? < MIGRATIONS.len() {
            return Err(StoreError::Older);
        }
        connection.pragma_update(None, "query_only", true)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// What tells this database from every other: 16 random bytes.
    pub fn id(&self) -> Result<Vec<u8>> {
        self.read(|tx| Ok(tx.query_row("SELECT value FROM meta WHERE key = 'database'", [], |row| row.get(0))?))
    }

    /// Asks `refuse` at every commit; `true` turns it into a rollback. For tests of what a crash leaves behind.
    #[doc(hidden)]
    pub fn refuse_commits(&self, refuse: impl FnMut() -> bool + Send + 'static) -> Result<()> {
        Ok(self.connection().commit_hook(Some(refuse))?)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic while the lock was held has rolled its transaction back; the connection is sound.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `job` in one transaction that takes the write lock at once.
    fn write<T>(&self, job: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = job(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// Runs `job` on one consistent view of the database.
    fn read<T>(&self, job: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
        job(&transaction)
    }
}

fn configure(connection: &Connection) -> Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn check_version(connection: &Connection) -> Result<usize> {
    let found: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > MIGRATIONS.len() {
        return Err(StoreError::Newer { found, known: MIGRATIONS.len() });
    }
    Ok(found)
}

fn migrate(connection: &mut Connection) -> Result<()> {
    let found = check_version(connection)?;
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(found) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been here between the look and the lock.
        let now: usize = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if now == index {
            transaction.execute_batch(sql)?;
            if index == 0 {
                transaction.execute("INSERT INTO meta (key, value) VALUES ('database', randomblob(16))", [])?;
            }
            transaction.pragma_update(None, "user_version", index + 1)?;
            transaction.commit()?;
        }
    }
    Ok(())
}

/// A stored JSON value.
fn from_json<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| StoreError::Unreadable { what, why: e.to_string() })
}

/// A value as JSON; the types stored so can't fail to serialise.
fn to_json<T: serde::Serialize>(what: &'static str, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| StoreError::Unreadable { what, why: e.to_string() })
}

fn instant(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::UNIX_EPOCH)
}

const SLOT: &str = "%Y-%m-%dT%H:%M";

fn slot_text(slot: NaiveDateTime) -> String {
    slot.format(SLOT).to_string()
}

fn slot(text: &str) -> Result<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text, SLOT)
        .map_err(|e| StoreError::Unreadable { what: "slot", why: format!("{text}: {e}") })
}

fn day(text: &str) -> Result<NaiveDate> {
    text.parse().map_err(|e| StoreError::Unreadable { what: "day", why: format!("{text}: {e}") })
}
