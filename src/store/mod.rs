//! All SQL: one SQLite database, coarse methods, one transaction each.
//!
//! The jobs meet only here. A method that writes is one `BEGIN IMMEDIATE … COMMIT` with no `.await` in it; when it has
//! returned, what it says is on the disk (`synchronous=FULL`), and when it has not, nothing happened. The write-ahead log
//! is never truncated while running: to extend a file costs milliseconds a commit, to overwrite it a tenth of one.
//!
//! Everything is written over one connection, first come, first served, so that a publish of a million editions lets a
//! claim in after each of its batches. Reads have connections of their own and wait for nobody.
//!
//! What is *not* here: schedules, matching, rendering. Decisions come in by argument.

mod bounces;
mod claims;
mod clock;
mod content;
mod days;
mod definition;
mod departures;
mod describe;
mod editions;
mod enqueue;
mod enums;
mod files;
mod follow;
mod history;
mod holds;
mod hosts;
mod ingest;
mod inputs;
mod joined;
mod kept;
mod ledger;
mod lock;
mod mail;
mod names;
mod orders;
mod outbox;
mod papers;
mod prune;
mod reloads;
mod removals;
mod reports;
mod space;
mod sqlite;
mod status;
mod subscriptions;
mod suppressions;
mod suspicions;
mod tally;
mod terms;
mod thin;
mod web_orders;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use parking_lot::Mutex;
use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use bounces::{Bounce, BounceClass, BounceStatus, Taken};
pub use claims::{Claim, Claimed};
pub use clock::{FAR_AHEAD, STEP};
pub use departures::Departure;
pub use editions::{Batch, Decision, Due, Edition, Published, Standing, Undecided};
pub use enqueue::Recipient;
use enums::UnknownWord;
pub use files::{Difference, FileStatus};
pub use history::{History, KnownPaper, PastEdition};
pub use holds::{Lane, Sent};
pub use ingest::{Ingested, ReadRecord};
pub use inputs::{Content, Mailing, TransactionalInputs};
pub use joined::Joined;
pub use lock::{Lock, LockError};
pub use mail::OutboxState;
pub use outbox::{OutboxEntry, Recorded};
pub use prune::Pruned;
pub use reloads::{InForce, ReloadAnswer, ReloadRequests, SettingsReport, SyncReport, Withheld};
pub use status::{EditionStatus, QueueStatus, SourceStatus, SubscriberCounts, SubscriberStatus};
pub use suppressions::{AddressHash, Imported, Reason, Suppression};
pub use suspicions::{FOR_A_PERSON, Suspicion};
use tally::Tally;

use crate::core::delivery::AttemptOutcome;
pub use thin::{Ages, Thinned};

/// The database. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Store {
    /// For writers. The lock is a fair one (parking_lot's is, after a millisecond): with the standard library's a
    /// job that writes batch after batch can take it again before anyone who waits has woken up.
    writer: Arc<Mutex<Connection>>,
    /// For readers; `None` for a database in memory, which has one connection only.
    readers: Option<Arc<Readers>>,
    tally: Arc<Tally>,
}

/// Connections that only read: as many as there are reads at once.
#[derive(Debug)]
struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// Connections that are kept when no read needs them.
const IDLE: usize = 4;

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
    /// The file has nothing in it: somebody made it, or the first start was cut short.
    #[error("the database is empty: `paperpost run` or `paperpost once` fills it")]
    Empty,
    /// The file was made by an older program and may not be changed now.
    #[error("the database is of an older paperpost: `paperpost run` or `paperpost once` brings it up to date")]
    Older,
    /// The file may be read and not written, which in WAL mode is not enough even for looking at it.
    #[error("reading a WAL database needs write permission: run this as its owner")]
    Unwritable,
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
        UnknownWord::of(&error).unwrap_or(Self::Sqlite(error))
    }
}

/// What failed, in words that are before SQLite's own.
fn file(error: &rusqlite::Error) -> &'static str {
    // The file that readers share has no room: what a start meets first on a full disk.
    let has_no_room = |error: &rusqlite::ffi::Error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
    match error.sqlite_error_code() {
        _ if error.sqlite_error().is_some_and(has_no_room) => "the disk is full",
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

impl Store {
    /// Opens the database at `path`, makes it when it isn't there, and brings it up to this program's version.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self::over(sqlite::open(path)?, path))
    }

    /// A database of its own that lives in memory and ends with the last clone.
    pub fn in_memory() -> Result<Self> {
        Self::open(Path::new(IN_MEMORY))
    }

    /// Opens an existing database for looking at it: nothing is made, migrated or written.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        // To open it would write to it.
        if std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
            return Err(StoreError::Empty);
        }
        let connection = sqlite::connect_for_reading(path).map_err(|error| match error {
            StoreError::Sqlite(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ReadOnly) => {
                StoreError::Unwritable
            }
            error => error,
        })?;
        match sqlite::check_version(&connection)? {
            0 => Err(StoreError::Empty),
            found if found < sqlite::MIGRATIONS.len() => Err(StoreError::Older),
            _ => Ok(Self::over(connection, path)),
        }
    }

    fn over(writer: Connection, path: &Path) -> Self {
        let readers = Readers { path: path.to_owned(), idle: Mutex::default() };
        let readers = (path != Path::new(IN_MEMORY)).then(|| Arc::new(readers));
        Self { writer: Arc::new(Mutex::new(writer)), readers, tally: Arc::default() }
    }

    /// What tells this database from every other: 16 random bytes.
    pub fn id(&self) -> Result<Vec<u8>> {
        self.read(|tx| Ok(tx.query_row("SELECT value FROM meta WHERE key = 'database'", [], |row| row.get(0))?))
    }

    /// Attempts that this process has recorded, by how they ended.
    pub fn recorded(&self) -> [(AttemptOutcome, u64); 4] {
        self.tally.counts()
    }

    /// Asks `refuse` at every commit; `true` turns it into a rollback. For tests of what a crash leaves behind.
    #[cfg(feature = "testing")]
    pub fn refuse_commits(&self, refuse: impl FnMut() -> bool + Send + 'static) -> Result<()> {
        Ok(self.writer.lock().commit_hook(Some(refuse))?)
    }

    /// Runs `job` in one transaction that takes the write lock at once.
    fn write<T>(&self, job: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        // A panic rolls the transaction back, and the connection stays sound.
        let mut connection = self.writer.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = job(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// Runs `job` on one consistent view of the database: what was committed before, whatever is being written.
    fn read<T>(&self, job: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let Some(readers) = &self.readers else { return view(&mut self.writer.lock(), job) };
        let idle = readers.idle.lock().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => sqlite::connect_for_reading(&readers.path)?,
        };
        let result = view(&mut connection, job);
        let mut idle = readers.idle.lock();
        if idle.len() < IDLE {
            idle.push(connection);
        }
        result
    }
}

const IN_MEMORY: &str = ":memory:";

fn view<T>(connection: &mut Connection, job: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
    job(&connection.transaction_with_behavior(TransactionBehavior::Deferred)?)
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_also_at_the_start() {
        for code in [rusqlite::ffi::SQLITE_FULL, rusqlite::ffi::SQLITE_IOERR_SHMSIZE] {
            let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            let told = StoreError::from(error).to_string();
            assert!(told.starts_with("the disk is full: "), "{told}");
        }
    }

    #[test]
    fn an_empty_file_is_no_database_of_an_older_version() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p.db");
        std::fs::write(&path, "").expect("written");
        assert!(matches!(Store::open_read_only(&path).map(drop), Err(StoreError::Empty)));
        assert_eq!(std::fs::metadata(&path).expect("a file").len(), 0, "and a look leaves it as it is");
        Store::open(&path).expect("a start fills it");
        Store::open_read_only(&path).expect("a database");
    }
}
