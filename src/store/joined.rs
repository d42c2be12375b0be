//! Papers that turned out to be one.
//!
//! To join them is one row, in the transaction of the read that found it out: no list of papers is written anew. What is known of
//! the paper that was given up stays under its number, so that a mail that waits is made of what it was decided by (I5). From that read
//! on, a query for the other one returns both; and a query of the ledger finds the other one's number wherever the lists have either
//! (I4). The other one has the smaller number, so that an edition never looks too old to have it.

use std::collections::BTreeMap;

use rusqlite::{Transaction, params};

use super::Result;

/// Which papers are another one.
#[derive(Clone, Debug, Default)]
pub struct Joined(BTreeMap<u32, (u32, i64)>);

impl Joined {
    /// As of a read.
    pub(super) fn as_of(tx: &Transaction<'_>, read: i64) -> Result<Self> {
        let mut query = tx.prepare_cached("SELECT paper, target, read FROM joined WHERE read <= ?")?;
        let rows = query.query_map([read], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
        Ok(Self(rows.collect::<Result<_, _>>()?))
    }

    /// What was known after an earlier read.
    pub fn until(&self, read: i64) -> Self {
        Self(self.0.iter().filter(|(_, (_, at))| *at <= read).map(|(paper, to)| (*paper, *to)).collect())
    }

    /// The number under which a paper goes.
    pub fn of(&self, mut paper: u32) -> u32 {
        while let Some((target, _)) = self.0.get(&paper) {
            paper = *target;
        }
        paper
    }

    /// A list of papers under their numbers, each once.
    pub(super) fn list(&self, mut papers: Vec<u32>) -> Vec<u32> {
        if !self.0.is_empty() {
            let mut known = std::collections::HashSet::new();
            papers = papers.into_iter().map(|paper| self.of(paper)).filter(|paper| known.insert(*paper)).collect();
        }
        papers
    }
}

/// The numbers under which something is known of a paper after `read`, its own first.
pub(super) fn members(tx: &Transaction<'_>, paper: u32, read: i64) -> Result<Vec<u32>> {
    let mut query = tx.prepare_cached("SELECT paper FROM joined WHERE target = ? AND read <= ? ORDER BY paper")?;
    let mut all = vec![paper];
    let mut at = 0;
    while let Some(paper) = all.get(at).copied() {
        let rows = query.query_map(params![paper, read], |row| row.get(0))?;
        all.extend(rows.collect::<Result<Vec<u32>, _>>()?);
        at += 1;
    }
    Ok(all)
}
