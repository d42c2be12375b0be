//! SQLite's own: how a connection is opened and migrated, and the SQL that only SQLite understands.
//!
//! All other SQL in the store is common to databases, but for the files that are about SQLite's file ([`super::space`]) and its
//! functions ([`super::content`]). `tests/tidy.rs` keeps it so. Another database would need this file, those two, and types for its columns.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};

use super::{Result, StoreError, content, space};
use crate::core::mailing::Urgency;

/// 16 random bytes.
pub(super) const RANDOM_ID: &str = "randomblob(16)";

/// 24 random hexadecimal digits.
pub(super) const RANDOM_HEX: &str = "lower(hex(randomblob(12)))";

/// All numbers `j.value` in the lists of papers that edition `e` has, where each of them can be read.
pub(super) const PAPERS_OF_EDITION: &str = "json_tree(json_array(json(e.papers), json(e.also), json(e.owed), json(e.told))) j
     WHERE j.type = 'integer' AND json_valid(e.papers) AND json_valid(e.also) AND json_valid(e.owed) AND json_valid(e.told)";

/// The largest `min_upvotes` in the profiles of definitions `d`, as far as they can be read.
pub(super) const HIGHEST_MINIMUM: &str = "SELECT coalesce(max(json_extract(p.value, '$.min_upvotes')), 0)
     FROM definitions d, json_each(CASE WHEN json_valid(d.text) THEN d.text ELSE '{}' END, '$.profiles') p";

/// Whether definition `d` has a name.
pub(super) const HAS_NAME: &str = "json_extract(d.text, '$.name') IS NOT NULL";

/// `refused.value`: the papers that edition `later` told its reader it gave up.
pub(super) const GIVEN_UP: &str = "json_each(iif(json_valid(later.told), later.told, '{}'), '$.refused') refused";

/// Whether `refused.value` is in edition `own`.
pub(super) const IS_IN_EDITION: &str = "refused.value IN (
     SELECT value FROM json_tree(json_array(json(own.papers), json(own.also))) WHERE type = 'integer')";

/// How many papers edition `e` has.
pub(super) const PAPERS_COUNT: &str = "(SELECT sum(json_array_length(value)) FROM json_each(e.papers))";

/// How many papers edition `e` owes.
pub(super) const OWED_COUNT: &str = "json_array_length(e.owed)";

/// The zone in definition `d`.
pub(super) const ZONE: &str = "CASE WHEN json_valid(d.text) THEN json_extract(d.text, '$.zone') END";

/// The index with the lanes of one urgency. It is named, because the planner would rather sort all that waits.
pub(super) fn lanes_of(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Prompt => "INDEXED BY outbox_prompt",
        Urgency::Bulk => "INDEXED BY outbox_lanes",
    }
}

/// Keeps the planner from an index where rows are read by number, page by page.
pub(super) const BY_NUMBER: &str = "NOT INDEXED";

/// The number of the newest mail there ever was.
pub(super) fn last_mail(tx: &Transaction<'_>) -> Result<i64> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'";
    Ok(tx.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(0))
}

pub(super) const MIGRATIONS: [&str; 23] = [
    include_str!("migrations/0001_start.sql"),
    include_str!("migrations/0002_leaving.sql"),
    include_str!("migrations/0003_faults.sql"),
    include_str!("migrations/0004_pacing.sql"),
    include_str!("migrations/0005_tries.sql"),
    include_str!("migrations/0006_files.sql"),
    include_str!("migrations/0007_suspicions.sql"),
    include_str!("migrations/0008_kept_messages.sql"),
    include_str!("migrations/0009_growth.sql"),
    include_str!("migrations/0010_terms.sql"),
    include_str!("migrations/0011_owed.sql"),
    include_str!("migrations/0012_departures.sql"),
    include_str!("migrations/0013_compressed.sql"),
    include_str!("migrations/0014_doubted.sql"),
    include_str!("migrations/0015_routes.sql"),
    include_str!("migrations/0016_describers.sql"),
    include_str!("migrations/0017_near.sql"),
    include_str!("migrations/0018_renderer.sql"),
    include_str!("migrations/0019_hosts.sql"),
    include_str!("migrations/0020_settings.sql"),
    include_str!("migrations/0021_mails.sql"),
    include_str!("migrations/0022_web_orders.sql"),
    include_str!("migrations/0023_read_days.sql"),
];

/// Opens the file at `path`, makes it when it isn't there, and brings it up to this program's version.
pub(super) fn open(path: &Path) -> Result<Connection> {
    let mut connection = Connection::open(path)?;
    space::prepare(&connection)?;
    configure(&mut connection)?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// A connection to an existing database that can't change it. In WAL mode even reading needs leave to write the file.
pub(super) fn connect_for_reading(path: &Path) -> Result<Connection> {
    let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    configure(&mut connection)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// How long another process may keep the database from us.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is asked for. SQLite's own handler sleeps up to a tenth of a second between two tries, and would hardly
/// ever meet the instant between two batches of a large publish.
const ASK_EVERY: Duration = Duration::from_millis(2);

fn ask_again(asked: i32) -> bool {
    std::thread::sleep(ASK_EVERY);
    ASK_EVERY * asked.unsigned_abs() < PATIENCE
}

pub(super) fn configure(connection: &mut Connection) -> Result<()> {
    connection.busy_handler(Some(ask_again))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Else SQLite, built with its detailed statistics, prepares a statement anew whenever its parameters change.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

pub(super) fn check_version(connection: &Connection) -> Result<usize> {
    let found: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > MIGRATIONS.len() {
        return Err(StoreError::Newer { found, known: MIGRATIONS.len() });
    }
    Ok(found)
}

pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    let found = check_version(connection)?;
    content::teach(connection)?;
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
