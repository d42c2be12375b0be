//! Messages that came by the pipe of a mail server and could not be judged there; how many wait for a person in the mailbox.
//!
//! `paperpost bounce` runs as the mail server's user, who may not be able to read the key of the tokens. What it can't
//! attribute for that reason waits here for the daemon, which can.

use chrono::{DateTime, Utc};
use rusqlite::OptionalExtension;

use super::{Result, Store};

/// How many messages wait at most. Anyone can send some here, and they must not fill the disk.
const MOST: usize = 1_000;

impl Store {
    /// Keeps a message for the daemon; `false` when too many wait already.
    pub fn keep_message(&self, message: &[u8], now: DateTime<Utc>) -> Result<bool> {
        self.write(|tx| {
            let kept = tx.execute(
                "INSERT INTO kept_messages (received, message)
                 SELECT ?, ? WHERE (SELECT count(*) FROM kept_messages) < ?",
                (now.timestamp(), message, MOST),
            )?;
            Ok(kept == 1)
        })
    }

    /// The oldest kept message, with its number.
    pub fn kept_message(&self) -> Result<Option<(i64, Vec<u8>)>> {
        self.read(|tx| {
            let mut oldest = tx.prepare_cached("SELECT id, message FROM kept_messages ORDER BY id LIMIT 1")?;
            let mut rows = oldest.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.next().transpose()?)
        })
    }

    /// Lets go of a kept message, which has been judged.
    pub fn forget_message(&self, number: i64) -> Result<()> {
        self.write(|tx| {
            tx.execute("DELETE FROM kept_messages WHERE id = ?", [number])?;
            Ok(())
        })
    }

    /// Notes how many messages of the bounce mailbox are flagged and wait for a person; `None` where there is no mailbox.
    pub fn note_flagged(&self, count: Option<usize>) -> Result<()> {
        if self.flagged()? == count {
            return Ok(());
        }
        self.write(|tx| {
            tx.execute("DELETE FROM meta WHERE key = 'flagged'", [])?;
            if let Some(count) = count {
                // As text, so that it can be read by eye.
                tx.execute("INSERT INTO meta (key, value) VALUES ('flagged', CAST(? AS BLOB))", [count.to_string()])?;
            }
            Ok(())
        })
    }

    /// How many there were at the last look; `None` when nobody has looked, or there is no mailbox.
    pub fn flagged(&self) -> Result<Option<usize>> {
        self.read(|tx| {
            let sql = "SELECT CAST(CAST(value AS TEXT) AS INTEGER) FROM meta WHERE key = 'flagged'";
            Ok(tx.query_row(sql, [], |row| row.get(0)).optional()?)
        })
    }
}
