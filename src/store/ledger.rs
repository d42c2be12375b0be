//! The ledger: what a subscriber has had, was told, or is owed, read backwards from their editions.
//!
//! It is read by paper numbers, not by times: an edition that could hold a candidate holds a paper at least as new as the
//! oldest candidate. A clock that steps back hides nothing.
//!
//! Editions are removed after a while, and then their papers are folded into one blob a subscription, in the same
//! transaction: the numbers in order, each as its distance from the one before it, seven bits a byte (LEB128). A paper of
//! every day for ten years takes five kilobytes. So a paper that was sent or told is remembered as long as it exists (I4).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::definition::Definition;
use super::subscriptions;
use super::{Joined, Result, StoreError, day, from_json};
use crate::core::edition::{Ledger, LeftOut, Waiting};

/// Since when a subscription is one, and what it had.
#[derive(Clone, Debug)]
pub(super) struct Began {
    /// Its first day, as text.
    pub(super) since: String,
    pub(super) created: DateTime<Utc>,
    /// When its newest edition was decided.
    pub(super) decided: Option<DateTime<Utc>>,
    /// Its present definition.
    pub(super) definition: i64,
}

/// What becomes of an edition's papers. The numbers are those of [`FATE`]; any other one says that they come back.
const MERGED: u8 = 0;
const WAITS: u8 = 1;
const REFUSED: u8 = 3;
const SENT: u8 = 4;

/// What became of the papers of edition `e` with mail `o`. A mail that was dropped before anybody could have it was never
/// sent: its papers are to come. One that gave way to a newer one has left its papers to that. One that waits may be taken
/// back, as long as nobody can have it.
const FATE: &str = "CASE WHEN o.state IS NULL THEN 4
    WHEN o.state = 'merged' THEN 0
    WHEN o.comes_again AND o.state = 'failed' THEN 3
    WHEN o.comes_again THEN 2
    WHEN o.in_doubt THEN 4
    WHEN o.state = 'dropped' THEN 0
    WHEN o.state = 'queued' THEN 1
    ELSE 4 END";

/// The ledger of a subscription, as far as it touches papers from number `oldest` on. `merging` sets apart what waits and
/// may be taken back; else it counts as sent.
/// Papers that are another one go by that one's number.
pub(super) fn read(
    tx: &Transaction<'_>,
    id: i64,
    began: &Began,
    oldest: u32,
    merging: bool,
    joined: &Joined,
) -> Result<Ledger> {
    let mut ledger = Ledger {
        since: day(&began.since)?,
        late: subscriptions::next_day(began.created),
        last: began.decided,
        ..Ledger::default()
    };
    let mut editions = tx.prepare_cached(&format!(
        "SELECT e.id, newest, papers, also, owed, told, again, welcome, definition, {FATE}
         FROM editions e LEFT JOIN outbox o ON o.edition = e.id WHERE e.subscription = ?"
    ))?;
    let mut rows = editions.query([id])?;
    let (mut last, mut definition) = (0, began.definition);
    while let Some(row) = rows.next()? {
        let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        let list = |column| Ok::<_, StoreError>(joined.list(from_json("list of papers", text(column)?)?));
        let papers = |column| Ok::<_, StoreError>(joined.list(papers(text(column)?)?));
        let told = |column| Ok::<_, StoreError>(told(text(column)?)?.map(|papers| joined.list(papers)));
        let edition: i64 = row.get(0)?;
        let fate = match row.get::<_, u8>(9)? {
            WAITS if !merging => SENT,
            fate => fate,
        };
        if fate == SENT && row.get::<_, u32>(1)? >= oldest {
            ledger.sent.extend(papers(2)?);
            ledger.shown.extend(list(3)?);
            ledger.settled.extend(told(5)?.papers());
        } else if fate != SENT && fate != MERGED {
            let waiting = Waiting {
                edition,
                papers: papers(2)?,
                shown: list(3)?,
                told: told(5)?,
                again: list(6)?,
                welcome: row.get::<_, u32>(7)? > 0,
                is_refused: fate == REFUSED,
            };
            if fate == WAITS { &mut ledger.waiting } else { &mut ledger.returned }.push(waiting);
        }
        // Only the last edition says what is owed, whatever became of its mail.
        if edition > last {
            (last, definition) = (edition, row.get(8)?);
            (ledger.owed, ledger.again) = (list(4)?, list(6)?);
        }
    }
    let is_owed = !ledger.owed.is_empty() || !ledger.returned.is_empty();
    ledger.is_reordered = is_owed && definition != began.definition && is_reordered(tx, definition, began.definition)?;
    remembered(tx, id, oldest, joined, &mut ledger)?;
    Ok(ledger)
}

fn papers(text: &str) -> Result<Vec<u32>> {
    Ok(from_json::<Vec<Vec<u32>>>("list of papers", text)?.concat())
}

fn told(text: &str) -> Result<LeftOut> {
    // Nearly all.
    if text == "{}" { Ok(LeftOut::default()) } else { from_json("list of papers", text) }
}

/// Whether two definitions want other papers.
fn is_reordered(tx: &Transaction<'_>, one: i64, other: i64) -> Result<bool> {
    let profiles = |id: i64| {
        let text: String =
            tx.prepare_cached("SELECT text FROM definitions WHERE id = ?")?.query_row([id], |row| row.get(0))?;
        Ok::<_, StoreError>(from_json::<Definition>("definition", &text)?.profiles)
    };
    Ok(profiles(one)? != profiles(other)?)
}

/// Adds what is remembered of editions that are gone.
fn remembered(tx: &Transaction<'_>, id: i64, oldest: u32, joined: &Joined, ledger: &mut Ledger) -> Result<()> {
    let mut known = tx.prepare_cached("SELECT floor, papers FROM ledgers WHERE subscription = ? AND newest >= ?")?;
    let known: Option<(u32, Vec<u8>)> =
        known.query_row(params![id, oldest], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((floor, blob)) = known {
        ledger.floor = floor;
        ledger.settled.extend(joined.list(unpacked(&blob)?).into_iter().filter(|paper| *paper >= oldest));
    }
    Ok(())
}

/// Remembers the papers of an edition that is about to be removed, as far as they were sent or told.
pub(super) fn fold(tx: &Transaction<'_>, edition: i64) -> Result<()> {
    let mut query = tx.prepare_cached(&format!(
        "SELECT e.subscription, papers, told, {FATE} FROM editions e LEFT JOIN outbox o ON o.edition = e.id WHERE e.id = ?"
    ))?;
    let row = query
        .query_row([edition], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, u8>(3)?))
        })
        .optional()?;
    let Some((subscription, listed, told_of, SENT)) = row else { return Ok(()) };
    let mut all: BTreeSet<u32> = papers(&listed)?.into_iter().chain(told(&told_of)?.papers()).collect();
    let Some(newest) = all.last().copied() else { return Ok(()) };
    let known: Option<Vec<u8>> = tx
        .prepare_cached("SELECT papers FROM ledgers WHERE subscription = ?")?
        .query_row([subscription], |row| row.get(0))
        .optional()?;
    all.extend(known.map(|blob| unpacked(&blob)).transpose()?.unwrap_or_default());
    tx.prepare_cached(
        "INSERT INTO ledgers (subscription, newest, papers) VALUES (?1, ?2, ?3)
         ON CONFLICT (subscription) DO UPDATE SET newest = max(newest, excluded.newest), papers = excluded.papers",
    )?
    .execute(params![subscription, newest, packed(&all)])?;
    Ok(())
}

fn packed(papers: &BTreeSet<u32>) -> Vec<u8> {
    let (mut bytes, mut before) = (Vec::with_capacity(2 * papers.len()), 0);
    for paper in papers {
        let mut step = paper - before;
        while step >= 0x80 {
            bytes.push(step as u8 | 0x80);
            step >>= 7;
        }
        bytes.push(step as u8);
        before = *paper;
    }
    bytes
}

fn unpacked(bytes: &[u8]) -> Result<Vec<u32>> {
    let unreadable = || StoreError::Unreadable { what: "ledger", why: "it is cut off or damaged".to_owned() };
    let (mut papers, mut before, mut step, mut shift) = (Vec::new(), 0u32, 0u32, 0);
    for byte in bytes {
        step |= u32::from(byte & 0x7f).checked_shl(shift).ok_or_else(unreadable)?;
        shift += 7;
        if byte & 0x80 == 0 {
            before = before.checked_add(step).ok_or_else(unreadable)?;
            papers.push(before);
            (step, shift) = (0, 0);
        }
    }
    if shift == 0 { Ok(papers) } else { Err(unreadable()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_paper_a_day_for_ten_years_takes_a_few_kilobytes() {
        let papers: BTreeSet<u32> = (0..3_650).map(|day| day * 100 + day % 97).collect();
        assert!(packed(&papers).len() < 5_200, "{}", packed(&papers).len());
    }

    #[test]
    fn a_ledger_that_is_cut_off_is_not_read_as_a_shorter_one() {
        let bytes = packed(&BTreeSet::from([5, 1_000]));
        assert!(unpacked(&bytes[..bytes.len() - 1]).is_err());
        assert!(unpacked(&[0xff; 7]).is_err());
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(papers in proptest::collection::btree_set(any::<u32>(), 0..200)) {
            prop_assert_eq!(unpacked(&packed(&papers)).unwrap(), papers.into_iter().collect::<Vec<_>>());
        }
    }
}
