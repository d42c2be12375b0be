//! Room in the file: what pruning leaves empty goes back to the file system.
//!
//! SQLite fills empty pages before it asks for new ones, so a file that prunes as much as it takes in stays as it is. Only
//! where much is empty the file is made smaller, some pages at a time. A file of an older version can't do that and is
//! written anew, once.

use rusqlite::Connection;

use super::{Result, Store};

/// Empty pages that are left for what comes: a twentieth of the file, and at least so many.
const LEFT: i64 = 1_000;

/// Pages that are given back in one transaction.
const AT_ONCE: i64 = 1_000;

/// `auto_vacuum = INCREMENTAL`.
const INCREMENTAL: i64 = 2;

impl Store {
    /// Overwrites the log of the file, whose older pages may still have what was deleted. Where somebody reads, the next time does it.
    pub(super) fn empty_log(&self) -> Result<()> {
        let connection = self.writer.lock();
        Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }

    /// Gives back the next pages that are empty and many. Returns whether there are more.
    pub fn give_back(&self) -> Result<bool> {
        let connection = self.writer.lock();
        let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let (pages, empty) = (number("page_count")?, number("freelist_count")?);
        let spare = empty - (pages / 20).max(LEFT);
        if spare <= 0 {
            return Ok(false);
        }
        if number("auto_vacuum")? == INCREMENTAL {
            let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({})", spare.min(AT_ONCE)))?;
            let mut freed = vacuum.query([])?;
            while freed.next()?.is_some() {}
            return Ok(spare > AT_ONCE);
        }
        // To write it anew takes as long as to copy it, so it must be worth it.
        if empty > pages / 3 {
            connection.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
            connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")?;
        }
        Ok(false)
    }
}

/// To be called on a connection before anything else: a file that has nothing yet will be able to give back room, and what is
/// deleted is overwritten, since it may name a person.
pub(super) fn prepare(connection: &Connection) -> Result<()> {
    connection.pragma_update(None, "secure_delete", true)?;
    let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    if pages == 0 {
        connection.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(store: &Store) -> i64 {
        store.writer.lock().pragma_query_value(None, "page_count", |row| row.get(0)).expect("a number")
    }

    fn fill_and_empty(store: &Store) {
        let connection = store.writer.lock();
        connection
            .execute_batch(
                "CREATE TABLE filler (x BLOB);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
                 INSERT INTO filler SELECT zeroblob(4000) FROM n;
                 DROP TABLE filler",
            )
            .expect("filled");
    }

    #[test]
    fn a_file_that_is_mostly_empty_gets_smaller() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("p.db")).expect("a database");
        fill_and_empty(&store);
        let before = pages(&store);
        while store.give_back().expect("given back") {}
        assert!(before > 3_000 && pages(&store) < 1_200, "{before}, {}", pages(&store));
    }

    #[test]
    fn a_file_of_an_older_version_is_written_anew_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p.db");
        let older = Connection::open(&path).expect("a file");
        older.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE filler (x); DROP TABLE filler").expect("made");
        drop(older);
        let store = Store::open(&path).expect("a database");
        fill_and_empty(&store);
        assert!(!store.give_back().expect("given back"));
        assert!(pages(&store) < 300, "{}", pages(&store));
        fill_and_empty(&store);
        while store.give_back().expect("given back") {}
        assert!(pages(&store) < 1_300, "from now on it is done in steps: {}", pages(&store));
    }
}
