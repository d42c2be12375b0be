//! What the mails of a run share: the papers as they were known after a read, and the cards made of them.
//!
//! Both are bounded, and neither shows in a mail: what is not here any more is read or made again, to the same octets.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use chrono::{DateTime, Utc};
use foldhash::fast::RandomState;

use crate::core::candidate::Candidate;
use crate::core::digest::{CardPart, Chosen, Piece};
use crate::core::matching::{Reasoner, Reasons};
use crate::core::query::walk::Document;
use crate::store::{Result, SourceStatus, Store};

/// Reads that are remembered: nearly all mails of a run name the last one.
const READS: usize = 2;

/// What the pieces of a generation take in memory, in bytes; two are kept.
const GENERATION: usize = 6 << 20;

/// What a piece's key takes in memory, about, in bytes.
const KEY: usize = 160;

/// See the module's page.
#[derive(Default)]
pub(super) struct Shared {
    known: Mutex<BTreeMap<i64, Known>>,
    parts: Mutex<Parts>,
}

/// A paper as it was known after a read.
pub(super) struct KnownPaper {
    pub(super) candidate: Arc<Candidate>,
    /// Its words, cut when someone asks why it was chosen.
    document: OnceLock<Document<Arc<Candidate>>>,
}

pub(super) type Papers = HashMap<u32, Arc<KnownPaper>>;

/// What was known after one read.
#[derive(Default)]
struct Known {
    papers: Papers,
    sources: Option<Arc<Vec<SourceStatus>>>,
}

impl KnownPaper {
    /// Why a profile chose it, at that time.
    pub(super) fn reasons(&self, reasoner: &Reasoner, at: DateTime<Utc>) -> Reasons {
        reasoner.reasons(self.document.get_or_init(|| Document::new(self.candidate.clone())), at)
    }
}

impl Shared {
    /// The papers with these numbers and the sources, as they were known after `read`.
    pub(super) fn known(&self, store: &Store, ids: &[u32], read: i64) -> Result<(Papers, Arc<Vec<SourceStatus>>)> {
        let mut reads = lock(&self.known);
        if !reads.contains_key(&read) && reads.len() == READS {
            reads.pop_first();
        }
        let known = reads.entry(read).or_default();
        let missing: Vec<u32> = ids.iter().filter(|id| !known.papers.contains_key(id)).copied().collect();
        if !missing.is_empty() {
            for (id, candidate) in store.papers_as_of(&missing, read)? {
                let paper = KnownPaper { candidate: Arc::new(candidate), document: OnceLock::new() };
                known.papers.insert(id, Arc::new(paper));
            }
        }
        let sources = match &known.sources {
            Some(sources) => sources.clone(),
            None => known.sources.insert(Arc::new(store.sources_as_of(read)?)).clone(),
        };
        let papers = ids.iter().filter_map(|id| Some((*id, known.papers.get(id)?.clone()))).collect();
        Ok((papers, sources))
    }

    /// A part of the card of a paper as it was known after `read`.
    pub(super) fn part(&self, read: i64, chosen: &Chosen<'_>, part: CardPart<'_>) -> Arc<Piece> {
        let key = (read, part);
        if let Some(piece) = lock(&self.parts).get(&key) {
            return piece;
        }
        // Not under the lock: two may make the same at once, which are alike.
        let piece = Arc::new(key.1.encode(chosen));
        lock(&self.parts).keep(key, piece.clone());
        piece
    }
}

/// The read and the part.
type Key<'a> = (i64, CardPart<'a>);

/// Pieces in two generations: when the young one is full, it becomes the old one, and what was the old one goes. What is
/// asked for stays young.
#[derive(Default)]
struct Parts {
    young: HashMap<Key<'static>, Arc<Piece>, RandomState>,
    old: HashMap<Key<'static>, Arc<Piece>, RandomState>,
    /// What the young ones take in memory, in bytes.
    weight: usize,
}

impl Parts {
    fn get(&mut self, key: &Key<'_>) -> Option<Arc<Piece>> {
        if let Some(piece) = found(&self.young, key) {
            return Some(piece);
        }
        let piece = found(&self.old, key)?;
        self.keep(key.clone(), piece.clone());
        Some(piece)
    }

    fn keep(&mut self, (read, part): Key<'_>, piece: Arc<Piece>) {
        if self.weight > GENERATION {
            (self.old, self.weight) = (std::mem::take(&mut self.young), 0);
        }
        self.weight += KEY + piece.weight();
        self.young.insert((read, part.into_owned()), piece);
    }
}

/// Looks up a key that borrows among keys that own.
fn found<'a>(pieces: &HashMap<Key<'a>, Arc<Piece>, RandomState>, key: &Key<'a>) -> Option<Arc<Piece>> {
    pieces.get(key).cloned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::paper::{Paper, PaperKey};

    #[test]
    fn parts_are_shared_until_others_push_them_out_and_are_never_another_ones() {
        let key = PaperKey::arxiv("2611.00001").expect("a key");
        let candidate = Candidate {
            id: 1,
            paper: Paper::new(key, "Retrieval", "https://example.org/1"),
            listings: Vec::new(),
            votes: Vec::new(),
        };
        let chosen = Chosen { candidate: &candidate, reasons: Reasons::default(), trend: None };
        let queries = |number: usize| CardPart::Reasons { queries: vec![format!("query {number}")].into() };
        let title = |end| CardPart::Title { paper: 1, marks: vec![0..1, 2..end].into() };
        let shared = Shared::default();
        let part = |read, part| shared.part(read, &chosen, part);
        let first = part(1, title(9));
        assert!(Arc::ptr_eq(&first, &part(1, title(9))));
        for other in [part(2, title(9)), part(1, title(3)), part(1, CardPart::Links { paper: 1 })] {
            assert!(!Arc::ptr_eq(&first, &other));
        }
        let many = GENERATION / (KEY + first.weight());
        (0..many).for_each(|number| drop(part(1, queries(number))));
        assert!(Arc::ptr_eq(&first, &part(1, title(9))), "old, but asked for");
        (many..9 * many).for_each(|number| drop(part(1, queries(number))));
        assert!(!Arc::ptr_eq(&first, &part(1, title(9))));
    }
}
