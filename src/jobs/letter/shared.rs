//! What the mails of a run share: the papers as they were known after a read, and the cards made of them.
//!
//! Both are bounded, and neither shows in a mail: what is not here any more is read or made again, to the same octets.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use chrono::NaiveDate;
use foldhash::fast::RandomState;

use crate::core::candidate::Candidate;
use crate::core::digest::{Chosen, EncodedCard};
use crate::core::matching::{Reasoner, Reasons};
use crate::core::query::walk::Document;
use crate::store::{Result, SourceStatus, Store};

/// Reads that are remembered: nearly all mails of a run name the last one.
const READS: usize = 2;

/// Cards in a generation; two are kept. A card is about 4 KB.
const CARDS: usize = 512;

/// See the module's page.
#[derive(Default)]
pub(super) struct Shared {
    known: Mutex<BTreeMap<i64, Known>>,
    cards: Mutex<Cards>,
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
    /// Why a profile chose it.
    pub(super) fn reasons(&self, reasoner: &Reasoner) -> Reasons {
        reasoner.reasons(self.document.get_or_init(|| Document::new(self.candidate.clone())))
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

    /// The card of a paper as it was known after `read`.
    pub(super) fn card(&self, read: i64, chosen: &Chosen<'_>, today: NaiveDate, limit: usize) -> Arc<EncodedCard> {
        let Chosen { candidate, reasons, trend } = chosen;
        let key = Key { read, paper: candidate.id, today, limit, trend: trend.as_deref(), reasons };
        if let Some(card) = lock(&self.cards).get(&key) {
            return card;
        }
        // Not under the lock: two may make the same card at once, which are alike.
        let card = Arc::new(EncodedCard::new(chosen, today, limit));
        lock(&self.cards).keep(&key, card.clone());
        card
    }
}

/// All that a card depends on.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    read: i64,
    paper: u32,
    today: NaiveDate,
    limit: usize,
    trend: Option<&'a str>,
    reasons: &'a Reasons,
}

/// A card with its key's parts.
struct Kept {
    read: i64,
    paper: u32,
    today: NaiveDate,
    limit: usize,
    trend: Option<String>,
    reasons: Reasons,
    card: Arc<EncodedCard>,
}

impl Kept {
    fn key(&self) -> Key<'_> {
        let Self { read, paper, today, limit, trend, reasons, card: _ } = self;
        Key { read: *read, paper: *paper, today: *today, limit: *limit, trend: trend.as_deref(), reasons }
    }
}

/// Cards by the hash of their key, in two generations: when the young one is full, it becomes the old one, and what was
/// the old one goes. A card that is asked for stays young.
#[derive(Default)]
struct Cards {
    hasher: RandomState,
    young: HashMap<u64, Kept, RandomState>,
    old: HashMap<u64, Kept, RandomState>,
}

impl Cards {
    fn get(&mut self, key: &Key<'_>) -> Option<Arc<EncodedCard>> {
        let hash = self.hasher.hash_one(key);
        if let Some(kept) = self.young.get(&hash) {
            return (kept.key() == *key).then(|| kept.card.clone());
        }
        let kept = self.old.remove(&hash).filter(|kept| kept.key() == *key)?;
        let card = kept.card.clone();
        self.insert(hash, kept);
        Some(card)
    }

    fn keep(&mut self, key: &Key<'_>, card: Arc<EncodedCard>) {
        let Key { read, paper, today, limit, trend, reasons } = *key;
        let (trend, reasons) = (trend.map(str::to_owned), reasons.clone());
        self.insert(self.hasher.hash_one(key), Kept { read, paper, today, limit, trend, reasons, card });
    }

    fn insert(&mut self, hash: u64, kept: Kept) {
        if self.young.len() >= CARDS {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, kept);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::paper::{Paper, PaperKey};

    #[test]
    fn cards_are_shared_until_others_push_them_out_and_are_never_another_ones() {
        let key = PaperKey::arxiv("2611.00001").expect("a key");
        let candidate = Candidate {
            id: 1,
            paper: Paper::new(key, "Retrieval", "https://example.org/1"),
            listings: Vec::new(),
            votes: Vec::new(),
        };
        let chosen = |trend: usize| {
            let trend = Some(format!("+{trend}"));
            Chosen { candidate: &candidate, reasons: Reasons::default(), trend }
        };
        let shared = Shared::default();
        let today = NaiveDate::MIN;
        let first = shared.card(1, &chosen(0), today, 600);
        assert!(Arc::ptr_eq(&first, &shared.card(1, &chosen(0), today, 600)));
        for other in [shared.card(2, &chosen(0), today, 600), shared.card(1, &chosen(1), today, 600)] {
            assert!(!Arc::ptr_eq(&first, &other));
        }
        for n in 0..CARDS {
            shared.card(1, &chosen(n), today, 120);
        }
        assert!(Arc::ptr_eq(&first, &shared.card(1, &chosen(0), today, 600)), "old, but asked for");
        for n in 0..2 * CARDS {
            shared.card(1, &chosen(n), today, 400);
        }
        assert!(!Arc::ptr_eq(&first, &shared.card(1, &chosen(0), today, 600)));
        let cards = lock(&shared.cards);
        assert!(cards.young.len() <= CARDS && cards.old.len() <= CARDS);
    }
}
