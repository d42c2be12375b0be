//! What is derived from the definitions: compiled orders, and the literals that their numbers mean.
//!
//! Definitions are only ever added, and compiled in the order of their numbers; so those yet to be compiled are those
//! beyond the last order. Nothing here is needed for correctness: an edition whose order is not there yet, or means
//! literals that a run does not know, is decided from the definition's text.

use rusqlite::{OptionalExtension, Transaction, params};

use super::subscriptions::Definition;
use super::{Result, Store, StoreError, from_json};
use crate::core::matching::{LANGUAGE, Vocabulary};
use crate::core::order::Order;
use crate::core::query::{Clause, Expr, Query};

impl Store {
    /// Compiles up to `limit` definitions that are new: one transaction. `vocabulary` is an empty one, or what the last
    /// call left; not what a call that failed left. Returns how many were compiled; no more are left when it is fewer than
    /// `limit`.
    pub fn compile(&self, vocabulary: &mut Vocabulary, limit: usize) -> Result<usize> {
        // Nearly always there is nothing to do, and then nothing is written.
        if self.read(|tx| Ok(is_of_this_version(tx)? && uncompiled(tx, 1)?.is_empty()))? {
            return Ok(0);
        }
        self.write(|tx| {
            if !is_of_this_version(tx)? {
                tx.execute_batch("DELETE FROM orders; DELETE FROM literals;")?;
                tx.execute(
                    "INSERT OR REPLACE INTO meta (key, value) VALUES ('language', ?)",
                    [LANGUAGE.to_le_bytes()],
                )?;
            }
            let stored: usize = tx.query_row("SELECT count(*) FROM literals", [], |row| row.get(0))?;
            if stored != vocabulary.len() {
                *vocabulary = Vocabulary::default();
                each_literal(tx, |number, clause| match vocabulary.number(clause) == number {
                    true => Ok(()),
                    false => Err(unreadable("a literal is there twice")),
                })?;
            }
            let definitions = uncompiled(tx, limit)?;
            for (id, text) in &definitions {
                // One that can't be read any more still has its place, or it would be tried for ever; whoever it concerns
                // learns of it when an edition is due.
                let (rhythm, order) = match from_json::<Definition>("definition", text) {
                    Ok(Definition { profiles, schedule, zone, when_empty, .. }) => {
                        let order = Order::new(&profiles, when_empty, vocabulary);
                        (format!("{schedule} {zone}"), order.to_bytes())
                    }
                    Err(_) => Default::default(),
                };
                tx.prepare_cached("INSERT INTO orders (definition, rhythm, compiled) VALUES (?, ?, ?)")?
                    .execute(params![id, rhythm, order])?;
            }
            for (number, clause) in vocabulary.clauses().iter().enumerate().skip(stored) {
                tx.prepare_cached("INSERT INTO literals (number, clause) VALUES (?, ?)")?
                    .execute(params![number, clause.to_string()])?;
            }
            Ok(definitions.len())
        })
    }

    /// Hands over every literal that orders may mean, by number.
    pub fn each_literal(&self, mut each: impl FnMut(u32, &Clause)) -> Result<()> {
        self.read(|tx| {
            each_literal(tx, |number, clause| {
                each(number, clause);
                Ok(())
            })
        })
    }
}

fn is_of_this_version(tx: &Transaction<'_>) -> Result<bool> {
    let sql = "SELECT value = ? FROM meta WHERE key = 'language'";
    Ok(tx.query_row(sql, [LANGUAGE.to_le_bytes()], |row| row.get(0)).optional()?.unwrap_or(false))
}

/// The next definitions to be compiled, with their texts.
fn uncompiled(tx: &Transaction<'_>, limit: usize) -> Result<Vec<(i64, String)>> {
    let mut definitions = tx.prepare_cached(
        "SELECT id, text FROM definitions WHERE id > (SELECT coalesce(max(definition), 0) FROM orders)
         ORDER BY id LIMIT ?",
    )?;
    Ok(definitions.query_map([limit], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

fn each_literal(tx: &Transaction<'_>, mut each: impl FnMut(u32, &Clause) -> Result<()>) -> Result<()> {
    let mut literals = tx.prepare_cached("SELECT number, clause FROM literals ORDER BY number")?;
    let mut rows = literals.query([])?;
    while let Some(row) = rows.next()? {
        let query = Query::parse(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?);
        match query.as_ref().map(Query::expr) {
            Ok(Expr::Clause(clause)) => each(row.get(0)?, clause)?,
            _ => return Err(unreadable("a literal is no clause")),
        }
    }
    Ok(())
}

fn unreadable(why: &str) -> StoreError {
    StoreError::Unreadable { what: "compiled order", why: why.to_owned() }
}
