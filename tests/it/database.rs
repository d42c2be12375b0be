//! The one way past the store: to look at what it wrote, to damage it, and to make databases of older versions.

use std::path::Path;
use std::time::Duration;

use rusqlite::functions::FunctionFlags;
use rusqlite::types::FromSql;
use rusqlite::{Connection, Row};

/// All migrations, oldest first. `tests/tidy.rs` compares them with the folder.
pub(crate) const VERSIONS: [&str; 23] = [
    include_str!("../../src/store/migrations/0001_start.sql"),
    include_str!("../../src/store/migrations/0002_leaving.sql"),
    include_str!("../../src/store/migrations/0003_faults.sql"),
    include_str!("../../src/store/migrations/0004_pacing.sql"),
    include_str!("../../src/store/migrations/0005_tries.sql"),
    include_str!("../../src/store/migrations/0006_files.sql"),
    include_str!("../../src/store/migrations/0007_suspicions.sql"),
    include_str!("../../src/store/migrations/0008_kept_messages.sql"),
    include_str!("../../src/store/migrations/0009_growth.sql"),
    include_str!("../../src/store/migrations/0010_terms.sql"),
    include_str!("../../src/store/migrations/0011_owed.sql"),
    include_str!("../../src/store/migrations/0012_departures.sql"),
    include_str!("../../src/store/migrations/0013_compressed.sql"),
    include_str!("../../src/store/migrations/0014_doubted.sql"),
    include_str!("../../src/store/migrations/0015_routes.sql"),
    include_str!("../../src/store/migrations/0016_describers.sql"),
    include_str!("../../src/store/migrations/0017_near.sql"),
    include_str!("../../src/store/migrations/0018_renderer.sql"),
    include_str!("../../src/store/migrations/0019_hosts.sql"),
    include_str!("../../src/store/migrations/0020_settings.sql"),
    include_str!("../../src/store/migrations/0021_mails.sql"),
    include_str!("../../src/store/migrations/0022_web_orders.sql"),
    include_str!("../../src/store/migrations/0023_read_days.sql"),
];

/// A database file, open for SQL.
pub(crate) struct Database(Connection);

impl Database {
    pub(crate) fn open(path: &Path) -> Self {
        let database = Connection::open(path).expect("a database");
        database.busy_timeout(Duration::from_secs(5)).expect("set");
        Self(database)
    }

    /// A new file as the program of `version` made it.
    pub(crate) fn of_version(path: &Path, version: usize) -> Self {
        let database = Self::open(path);
        database.run("PRAGMA journal_mode = wal");
        database.upgrade(0, version);
        database
    }

    /// From version to version, by the migrations in between.
    pub(crate) fn upgrade(&self, from: usize, to: usize) {
        self.0
            .create_scalar_function("compressed", 1, FunctionFlags::SQLITE_DETERMINISTIC, |context| {
                let text = context.get_raw(0).as_str()?;
                Ok(zstd::bulk::compress(text.as_bytes(), 9).expect("compressed"))
            })
            .expect("a function");
        for migration in &VERSIONS[from..to] {
            self.run(migration);
        }
        self.0.pragma_update(None, "user_version", to).expect("a version");
    }

    /// Runs statements that return no rows.
    pub(crate) fn run(&self, sql: &str) {
        self.0.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Runs one statement; returns how many rows it changed.
    pub(crate) fn change(&self, sql: &str, parameters: &[&dyn rusqlite::ToSql]) -> usize {
        self.0.execute(sql, parameters).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The only value of a query.
    pub(crate) fn one<T: FromSql>(&self, sql: &str) -> T {
        self.0.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The rows of a query, as tuples.
    pub(crate) fn rows<T>(&self, sql: &str) -> Vec<T>
    where
        T: for<'a> TryFrom<&'a Row<'a>, Error = rusqlite::Error>,
    {
        let mut query = self.0.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let rows = query.query_map([], |row| T::try_from(row)).expect("rows");
        rows.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Tries to take the write lock, and holds it until [`Database::let_go`].
    pub(crate) fn try_to_lock(&self) {
        self.0.execute_batch("BEGIN IMMEDIATE").ok();
    }

    pub(crate) fn let_go(&self) {
        self.run("ROLLBACK");
    }
}
