//! Who is missing from the files, and what that means.
//!
//! A file that is empty, half-written or gone for a while looks like one whose subscribers have all left. So when many
//! are missing at once they are held: they get nothing and lose nothing, until they are back or a person says that they
//! were removed on purpose.

use std::collections::HashMap;

use rusqlite::Transaction;

use super::Result;
use super::web_orders::IN_FILE;
use crate::config::listing::{FileState, Listing};
use crate::core::subscription::Origin;

/// More than this many must be missing before anybody is held.
const FEW: usize = 2;

/// A subscriber that is in force and that no file has.
#[derive(Clone, Debug)]
pub(super) struct Missing {
    pub(super) id: i64,
    /// The file that had it; `None` in a database of before files were written down.
    pub(super) file: Option<String>,
    pub(super) is_held: bool,
    /// Our own command took it out.
    pub(super) is_removed: bool,
    /// Whether it may be written to at all: who has left is missed by nobody.
    pub(super) is_confirmed: bool,
    /// Who came by the web is never held: what they ordered there is in force again, or the file's entry stays.
    pub(super) origin: Origin,
}

/// What becomes of one that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stays as it is: it may be in a part of its file that can't be read, or it may be missing by accident and came
    /// by the web.
    Stay,
    /// It gets nothing and loses nothing.
    Hold,
    /// It is no longer subscribed, or only by the web.
    Retire,
}

/// What a person has said about removals: the files in which they are meant, by their contents.
#[derive(Clone, Debug, Default)]
pub(super) struct Accepted(pub(super) Vec<(String, Option<String>)>);

impl Accepted {
    fn has(&self, path: &str, hash: Option<&str>) -> bool {
        // A path may be spelled in two ways, the same contents can't.
        self.0.iter().any(|(file, accepted)| match (accepted, hash) {
            (Some(accepted), Some(hash)) => accepted == hash,
            (None, None) => file == path,
            _ => false,
        })
    }
}

/// Decides for each that is missing. `listed` is how many subscribers each file had before.
pub(super) fn decide(
    missing: &[Missing],
    listed: &HashMap<Option<String>, usize>,
    listing: &Listing,
    accepted: &Accepted,
) -> Vec<Fate> {
    let files: HashMap<String, (FileState, Option<String>)> = listing
        .files
        .iter()
        .map(|file| (file.path.display().to_string(), (file.state, file.hash.map(|hash| super::hex(&hash)))))
        .collect();
    let is_missed = |one: &&Missing| one.is_confirmed && !one.is_removed;
    let mut by_file: HashMap<&Option<String>, usize> = HashMap::new();
    missing.iter().filter(is_missed).for_each(|one| *by_file.entry(&one.file).or_default() += 1);
    let is_many = |missing: usize, of: usize| missing > FEW && missing as f64 > listing.max_removed * of as f64;
    let all_many = is_many(by_file.values().sum(), listed.values().sum());
    let any = |state| files.values().any(|(other, _)| *other == state);
    let is_obscure = any(FileState::Unreadable) || any(FileState::Incomplete);

    let fate = |one: &Missing| {
        let file = one.file.as_ref().and_then(|path| Some((path, files.get(path)?)));
        let state = file.map(|(_, (state, _))| *state);
        // One of a file that is unknown, or no longer named, may have moved to where nothing can be read.
        if matches!(state, Some(FileState::Unreadable | FileState::Incomplete)) || state.is_none() && is_obscure {
            return Fate::Stay;
        }
        let is_accepted = match (&one.file, file) {
            (_, Some((path, (_, hash)))) => accepted.has(path, hash.as_deref()),
            (Some(path), None) => accepted.has(path, None) || accepts_all(accepted, &files),
            (None, None) => accepts_all(accepted, &files),
        };
        if !is_missed(&one) || is_accepted {
            return Fate::Retire;
        }
        let is_gone = state == Some(FileState::Missing) || state.is_none() && any(FileState::Missing);
        let file_many = is_many(by_file[&one.file], listed.get(&one.file).copied().unwrap_or(0));
        match one.origin {
            _ if !(one.is_held || is_gone || file_many || all_many) => Fate::Retire,
            Origin::File => Fate::Hold,
            Origin::Web => Fate::Stay,
        }
    };
    missing.iter().map(fate).collect()
}

/// Whether every file is as it was when the removals were accepted.
fn accepts_all(accepted: &Accepted, files: &HashMap<String, (FileState, Option<String>)>) -> bool {
    !accepted.0.is_empty() && files.iter().all(|(path, (_, hash))| accepted.has(path, hash.as_deref()))
}

/// How many subscribers that may be written to each file has had.
pub(super) fn listed_by_file(tx: &Transaction<'_>) -> Result<HashMap<Option<String>, usize>> {
    let mut rows = tx.prepare(&format!(
        "SELECT file, count(*) FROM subscriptions WHERE {IN_FILE} AND listed = 1 AND consent = 'confirmed' GROUP BY file",
    ))?;
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::listing::ListedFile;

    fn file(path: &str, state: FileState, hash: Option<u8>) -> ListedFile {
        ListedFile { path: path.into(), hash: hash.map(|byte| [byte; 32]), state, errors: Vec::new() }
    }

    fn listing(files: Vec<ListedFile>) -> Listing {
        Listing { files, max_removed: 0.5, ..Listing::of(&[]) }
    }

    fn missing(count: usize, file: &str) -> Vec<Missing> {
        let one = |id| Missing {
            id,
            file: Some(file.to_owned()),
            is_held: false,
            is_removed: false,
            is_confirmed: true,
            origin: Origin::File,
        };
        (0..count as i64).map(one).collect()
    }

    fn listed(files: &[(&str, usize)]) -> HashMap<Option<String>, usize> {
        files.iter().map(|(file, count)| (Some((*file).to_owned()), *count)).collect()
    }

    #[test]
    fn many_that_are_missing_at_once_are_held_and_few_are_not() {
        let read = listing(vec![file("a", FileState::Read, Some(1)), file("b", FileState::Read, Some(2))]);
        let nothing = Accepted::default();
        let fates = |missing: &[Missing], a, b| decide(missing, &listed(&[("a", a), ("b", b)]), &read, &nothing);
        assert_eq!(fates(&missing(3, "a"), 5, 0), [Fate::Hold; 3]);
        assert_eq!(fates(&missing(2, "a"), 2, 0), [Fate::Retire; 2], "two are few");
        assert_eq!(fates(&missing(5, "a"), 10, 0), [Fate::Retire; 5], "just the share");
        assert_eq!(fates(&missing(6, "a"), 10, 1000), [Fate::Hold; 6], "each file by itself");
        // Of which each file has few: together they are many.
        let both = [missing(2, "a"), missing(2, "b")].concat();
        assert_eq!(fates(&both, 2, 2), [Fate::Hold; 4]);
    }

    #[test]
    fn who_left_and_whom_our_own_command_removed_is_not_missed() {
        let read = listing(vec![file("a", FileState::Read, Some(1))]);
        let mut gone = missing(6, "a");
        gone.iter_mut().take(2).for_each(|one| one.is_removed = true);
        gone.iter_mut().skip(2).take(2).for_each(|one| one.is_confirmed = false);
        assert_eq!(decide(&gone, &listed(&[("a", 6)]), &read, &Accepted::default()), [Fate::Retire; 6]);
        gone[5].is_held = true;
        assert_eq!(decide(&gone, &listed(&[("a", 600)]), &read, &Accepted::default())[5], Fate::Hold, "until told");
    }

    #[test]
    fn who_came_by_the_web_is_not_held() {
        let mut gone = missing(4, "a");
        gone[1].origin = Origin::Web;
        for (state, others) in [(FileState::Read, Fate::Hold), (FileState::Missing, Fate::Hold)] {
            let listing = listing(vec![file("a", state, Some(1))]);
            let fates = decide(&gone, &listed(&[("a", 4)]), &listing, &Accepted::default());
            assert_eq!(fates, [others, Fate::Stay, others, others]);
        }
        let read = listing(vec![file("a", FileState::Read, Some(1))]);
        let accepted = Accepted(vec![("a".to_owned(), Some(super::super::hex(&[1; 32])))]);
        assert_eq!(decide(&gone, &listed(&[("a", 4)]), &read, &accepted), [Fate::Retire; 4]);
        assert_eq!(decide(&gone[1..2], &listed(&[("a", 9)]), &read, &Accepted::default()), [Fate::Retire]);
    }

    #[test]
    fn what_cannot_be_read_retires_nobody_and_what_is_not_there_holds() {
        for (state, fate) in
            [(FileState::Unreadable, Fate::Stay), (FileState::Incomplete, Fate::Stay), (FileState::Missing, Fate::Hold)]
        {
            let listing = listing(vec![file("a", state, None), file("b", FileState::Read, Some(2))]);
            let decide = |missing: &[Missing]| {
                decide(missing, &listed(&[("a", 1), ("b", 9), ("old", 3)]), &listing, &Accepted::default())
            };
            assert_eq!(decide(&missing(1, "a")), [fate], "{state:?}");
            assert_eq!(decide(&missing(1, "b")), [Fate::Retire], "{state:?}: another file's");
            assert_eq!(decide(&missing(1, "old")), [fate], "{state:?}: of a file that is not named any more");
        }
    }

    #[test]
    fn removals_are_accepted_for_one_content() {
        let accepted =
            |hash: Option<u8>| Accepted(vec![("a".to_owned(), hash.map(|byte| super::super::hex(&[byte; 32])))]);
        let decide = |file: ListedFile, accepted: Accepted| {
            decide(&missing(3, "a"), &listed(&[("a", 3)]), &listing(vec![file]), &accepted)
        };
        assert_eq!(decide(file("a", FileState::Read, Some(1)), accepted(Some(1))), [Fate::Retire; 3]);
        assert_eq!(decide(file("a", FileState::Read, Some(2)), accepted(Some(1))), [Fate::Hold; 3], "it has changed");
        assert_eq!(decide(file("a", FileState::Missing, None), accepted(None)), [Fate::Retire; 3]);
        assert_eq!(decide(file("a", FileState::Unreadable, Some(1)), accepted(Some(1))), [Fate::Stay; 3]);
    }
}
