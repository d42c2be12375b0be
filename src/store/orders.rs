//! What is derived from the definitions: compiled orders, and the literals that their numbers mean.
//!
//! Definitions are only ever added, and compiled in the order of their numbers; so those yet to be compiled are those
//! beyond the last order. Nothing here is needed for correctness: an edition whose order is not there yet, or means
//! literals that a run does not know, is decided from the definition's text. So what can't be read is no reason to stop:
//! all of it is forgotten and compiled anew.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Transaction, params};

use super::definition::Definition;
use super::{Result, Store, from_json};
use crate::core::matching::{LANGUAGE, Vocabulary};
use crate::core::order::Order;
use crate::core::query::Clause;
use crate::core::subscription::Profile;

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
                forget(tx)?;
                tx.execute(
                    "INSERT INTO meta (key, value) VALUES ('language', ?)
                     ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    [LANGUAGE.to_le_bytes()],
                )?;
            }
            let mut stored: usize = tx.query_row("SELECT count(*) FROM literals", [], |row| row.get(0))?;
            if stored != vocabulary.len() {
                *vocabulary = Vocabulary::default();
                if !each_literal(tx, |number, clause| vocabulary.number(clause) == number)? {
                    forget(tx)?;
                    (*vocabulary, stored) = (Vocabulary::default(), 0);
                }
            }
            let definitions = uncompiled(tx, limit)?;
            for (id, text) in &definitions {
                // One that can't be read any more still has its place, or it would be tried for ever; the subscription that it concerns
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

    /// Hands over every literal that orders may mean, by number from 0. Stops at one that can't be read, and then says
    /// `false`.
    pub fn each_literal(&self, mut each: impl FnMut(u32, &Clause)) -> Result<bool> {
        self.read(|tx| {
            each_literal(tx, |number, clause| {
                each(number, clause);
                true
            })
        })
    }

    /// The expressions that are in force now and have this sign in them, each with how many subscriptions have it.
    pub fn expressions_with(&self, sign: char) -> Result<BTreeMap<String, usize>> {
        self.read(|tx| {
            let mut orders = tx.prepare_cached(
                "SELECT d.text, count(*) FROM subscriptions s JOIN definitions d ON d.id = s.definition
                 WHERE s.listed = 1 AND s.consent = 'confirmed' AND instr(d.text, ?) > 0 GROUP BY d.id",
            )?;
            let mut rows = orders.query([sign.to_string()])?;
            let mut expressions = BTreeMap::new();
            while let Some(row) = rows.next()? {
                // One that can't be read fails by itself, when an edition of it is due.
                let text = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
                let Ok(definition) = from_json::<Definition>("definition", text) else { continue };
                let texts = definition.profiles.iter().flat_map(Profile::queries).map(|query| query.text().to_string());
                for text in texts.filter(|text| text.contains(sign)).collect::<BTreeSet<_>>() {
                    *expressions.entry(text).or_default() += row.get::<_, usize>(1)?;
                }
            }
            Ok(expressions)
        })
    }

    /// Forgets every order and literal, so that all are compiled anew.
    pub fn forget_orders(&self) -> Result<()> {
        self.write(forget)
    }
}

fn forget(tx: &Transaction<'_>) -> Result<()> {
    Ok(tx.execute_batch("DELETE FROM orders; DELETE FROM literals;")?)
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

/// Hands over one literal after the other, while `each` takes them; whether it took them all.
fn each_literal(tx: &Transaction<'_>, mut each: impl FnMut(u32, &Clause) -> bool) -> Result<bool> {
    let mut literals = tx.prepare_cached("SELECT number, clause FROM literals ORDER BY number")?;
    let mut rows = literals.query([])?;
    for expected in 0.. {
        let Some(row) = rows.next()? else { break };
        let clause = row.get_ref(1)?.as_str().ok().and_then(|text| text.parse().ok());
        let is_taken = clause.is_some_and(|clause| row.get(0) == Ok(expected) && each(expected, &clause));
        if !is_taken {
            return Ok(false);
        }
    }
    Ok(true)
}
