//! Names of papers: which paper a key means, and what a read makes known of that.

use rusqlite::{OptionalExtension, Transaction, params};

use super::Result;
use crate::core::paper::PaperKey;
use crate::core::paper::identity::{Identity, Items, Meaning, Register, Resolved};

/// The paper that a name means.
pub(super) fn find(tx: &Transaction<'_>, name: &PaperKey) -> Result<Option<u32>> {
    Ok(match meaning(tx, name)? {
        Some(Meaning::Own(paper) | Meaning::Claimed(paper)) => Some(paper),
        Some(Meaning::Disputed) | None => None,
    })
}

fn meaning(tx: &Transaction<'_>, name: &PaperKey) -> Result<Option<Meaning>> {
    let mut own = tx.prepare_cached("SELECT id FROM papers WHERE key = ?")?;
    if let Some(paper) = own.query_row([name.as_str()], |row| row.get(0)).optional()? {
        return Ok(Some(Meaning::Own(paper)));
    }
    let mut alias = tx.prepare_cached("SELECT paper, is_own FROM aliases WHERE alias = ?")?;
    let found: Option<(Option<u32>, bool)> =
        alias.query_row([name.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.map(|(paper, is_own)| match paper {
        None => Meaning::Disputed,
        Some(paper) if is_own => Meaning::Own(paper),
        Some(paper) => Meaning::Claimed(paper),
    }))
}

/// What is known of the names of these items.
pub(super) fn register(tx: &Transaction<'_>, items: &Items<'_>) -> Result<Register> {
    let mut register = Register::default();
    for name in items.iter().flat_map(|(key, aliases)| aliases.iter().copied().chain([*key])) {
        if register.names.contains_key(name) {
            continue;
        }
        let Some(meaning) = meaning(tx, name)? else { continue };
        register.names.insert(name.clone(), meaning);
        if let Meaning::Own(paper) | Meaning::Claimed(paper) = meaning
            && !register.keys.contains_key(&paper)
        {
            register.keys.insert(paper, keys(tx, paper)?);
        }
    }
    Ok(register)
}

/// The keys that a paper has and had, the present one first.
fn keys(tx: &Transaction<'_>, paper: u32) -> Result<Vec<PaperKey>> {
    let mut query = tx.prepare_cached(
        "SELECT key, 0 FROM papers WHERE id = ?1
         UNION ALL SELECT alias, 1 FROM aliases WHERE paper = ?1 AND is_own ORDER BY 2, 1",
    )?;
    let rows = query.query_map([paper], |row| Ok(PaperKey::from_stored(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Joins the known papers of a read that are one, and gives those their keys that have better ones now.
pub(super) fn settle(tx: &Transaction<'_>, resolved: &Resolved, read: i64) -> Result<()> {
    for (key, Identity { papers, .. }) in &resolved.identities {
        let Some((first, others)) = papers.split_first() else { continue };
        for other in others {
            keep_key(tx, *other, *first)?;
            // No source's key begins so.
            tx.prepare_cached("UPDATE papers SET key = '#' || id WHERE id = ?")?.execute([other])?;
            tx.prepare_cached("UPDATE aliases SET paper = ? WHERE paper = ?")?.execute([first, other])?;
            tx.prepare_cached("INSERT INTO joined (paper, target, read) VALUES (?, ?, ?)")?
                .execute(params![other, first, read])?;
        }
        let has_key = "SELECT EXISTS (SELECT 1 FROM papers WHERE id = ? AND key = ?)";
        if !tx.prepare_cached(has_key)?.query_row(params![first, key.as_str()], |row| row.get::<_, bool>(0))? {
            keep_key(tx, *first, *first)?;
            tx.prepare_cached("DELETE FROM aliases WHERE alias = ?")?.execute([key.as_str()])?;
            tx.prepare_cached("UPDATE papers SET key = ?2 WHERE id = ?1")?.execute(params![first, key.as_str()])?;
        }
    }
    Ok(())
}

/// Keeps the key of a paper as a name that means `target` for ever.
fn keep_key(tx: &Transaction<'_>, paper: u32, target: u32) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO aliases (alias, paper, is_own) SELECT key, ?2, 1 FROM papers WHERE id = ?1
         ON CONFLICT (alias) DO UPDATE SET paper = excluded.paper, is_own = excluded.is_own",
    )?
    .execute([paper, target])?;
    Ok(())
}

/// Keeps the names that a read claims for its papers, all of which are known by now, and those that are disputed.
pub(super) fn keep_claims(tx: &Transaction<'_>, resolved: &Resolved) -> Result<()> {
    let mut claim = tx.prepare_cached(
        "INSERT INTO aliases (alias, paper, is_own) SELECT ?1, id, 0 FROM papers WHERE key = ?2 ON CONFLICT DO NOTHING",
    )?;
    for (key, identity) in &resolved.identities {
        for name in &identity.claims {
            claim.execute([name.as_str(), key.as_str()])?;
        }
    }
    let mut dispute = tx.prepare_cached(
        "INSERT INTO aliases (alias, paper, is_own) VALUES (?, NULL, 0)
         ON CONFLICT (alias) DO UPDATE SET paper = NULL WHERE NOT is_own",
    )?;
    resolved.disputed.iter().try_for_each(|name| dispute.execute([name.as_str()]).map(drop))?;
    Ok(())
}
