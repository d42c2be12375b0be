//! What mails share, from run to run while more is due: the papers as they were known after a read, and what is
//! encoded of them.
//!
//! Neither shows in a mail: what is not here any more is read or made again, to the same octets. Both are bounded by the
//! papers of the last reads, of which there are some hundred.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use chrono::{DateTime, Utc};
use foldhash::HashMap;

use crate::core::candidate::Candidate;
use crate::core::digest::EncodedPaper;
use crate::core::matching::{Reasoner, Reasons};
use crate::core::query::walk::Document;
use crate::store::{Result, SourceStatus, Store};

/// Reads that are remembered: nearly all mails of a run name the last one.
const READS: usize = 2;

/// See the module's page.
#[derive(Default)]
pub struct Shared {
    known: Mutex<BTreeMap<i64, KnownAfterRead>>,
}

/// A paper as it was known after a read.
pub(super) struct KnownPaper {
    pub(super) candidate: Arc<Candidate>,
    pub(super) encoded: Arc<EncodedPaper>,
    /// Its words, cut when someone asks why it was chosen.
    document: OnceLock<Document<Arc<Candidate>>>,
}

/// Papers of one mail, by their numbers, in order.
pub(super) struct Papers(Vec<(u32, Arc<KnownPaper>)>);

/// What was known after one read.
#[derive(Default)]
struct KnownAfterRead {
    papers: HashMap<u32, Arc<KnownPaper>>,
    sources: Option<Arc<Vec<SourceStatus>>>,
}

impl KnownPaper {
    fn new(candidate: Candidate) -> Self {
        Self { candidate: Arc::new(candidate), encoded: Arc::default(), document: OnceLock::new() }
    }

    /// Why a profile chose it, at that time.
    pub(super) fn reasons(
        &self,
        reasoner: &Reasoner<'_>,
        at: DateTime<Utc>,
        near: &BTreeMap<usize, Vec<String>>,
    ) -> Reasons {
        reasoner.reasons(self.document.get_or_init(|| Document::new(self.candidate.clone())), at, near)
    }
}

impl Papers {
    pub(super) fn get(&self, id: u32) -> Option<&KnownPaper> {
        let at = self.0.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(&self.0[at].1)
    }
}

impl Shared {
    /// Lets go of everything, to be read again when it is asked for.
    pub fn forget(&self) {
        lock(&self.known).clear();
    }

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
                known.papers.insert(id, Arc::new(KnownPaper::new(candidate)));
            }
        }
        let sources = match &known.sources {
            Some(sources) => sources.clone(),
            None => known.sources.insert(Arc::new(store.sources_as_of(read)?)).clone(),
        };
        let mut papers: Vec<_> = ids.iter().filter_map(|id| Some((*id, known.papers.get(id)?.clone()))).collect();
        drop(reads);
        papers.sort_unstable_by_key(|(id, _)| *id);
        Ok((Papers(papers), sources))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
