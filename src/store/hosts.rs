//! What is remembered of the hosts that papers are read from.

use std::collections::BTreeMap;

use rusqlite::params;

use super::{Result, Store, instant};
use crate::core::politeness::HostState;

impl Store {
    /// The hosts that failed of late or are to be left alone, by name and port.
    pub fn hosts(&self) -> Result<BTreeMap<String, HostState>> {
        self.read(|tx| {
            let mut hosts = tx.prepare_cached("SELECT name, failures, until FROM hosts")?;
            let row = |row: &rusqlite::Row<'_>| {
                let until = row.get::<_, Option<i64>>(2)?.map(instant);
                Ok((row.get(0)?, HostState { failures: row.get(1)?, until }))
            };
            Ok(hosts.query_map([], row)?.collect::<Result<_, _>>()?)
        })
    }

    /// Keeps these and no others.
    pub fn keep_hosts(&self, hosts: &BTreeMap<String, HostState>) -> Result<()> {
        self.write(|tx| {
            tx.execute("DELETE FROM hosts", [])?;
            let mut insert = tx.prepare_cached("INSERT INTO hosts (name, failures, until) VALUES (?, ?, ?)")?;
            for (name, state) in hosts {
                // Rounded up: an end within a second is not before it.
                let until = state.until.map(|until| until.timestamp() + i64::from(until.timestamp_subsec_nanos() > 0));
                insert.execute(params![name, state.failures, until])?;
            }
            Ok(())
        })
    }
}
