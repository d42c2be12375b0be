//! What the last edition made of every paper it looked at.
//!
//! The edition's row says what was sent and what is owed. The rest is counted anew, over the papers as they were known
//! when it was decided and by what was ordered then.

use std::collections::{BTreeMap, HashSet};

use super::{Case, publish};
use crate::core::matching::{Check, Explanation, ProfileVerdict};
use crate::jobs::publish::pool;
use crate::store::{Joined, PastEdition, SourceStatus, StoreError};

/// The last edition, and what it made of the papers it looked at.
#[derive(Clone, Debug)]
pub struct EditionReport {
    /// The edition.
    pub edition: PastEdition,
    /// By profile: which papers met which fate.
    pub sections: Vec<SectionReport>,
    /// Papers counted. Another number than the edition looked at, when the settings have changed since.
    pub counted: usize,
    /// The sources as they were then.
    pub sources: Vec<SourceStatus>,
    /// Papers that have turned out to be another one since.
    joined: Joined,
}

/// What one profile made of the papers.
#[derive(Clone, Debug)]
pub struct SectionReport {
    /// The profile's name; empty for one that has none.
    pub name: String,
    /// The fewest votes it takes.
    pub min_upvotes: u32,
    /// Numbers and titles of the papers that met a fate; fates that none met are left out.
    pub fates: BTreeMap<Fate, Vec<(u32, String)>>,
}

impl EditionReport {
    /// What became of one paper, with the section that gave it the best fate; `None` when the edition did not look at it.
    pub fn fate_of(&self, paper: u32) -> Option<(Fate, &SectionReport)> {
        let fates = self.sections.iter().flat_map(|section| section.fates.iter().map(move |fate| (fate, section)));
        let of_it = fates.filter(|((_, papers), _)| papers.iter().any(|(id, _)| self.joined.of(*id) == paper));
        of_it.map(|((fate, _), section)| (*fate, section)).min_by_key(|(fate, _)| *fate)
    }
}

/// What became of a paper that an edition looked at, in the order in which a person wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// It is in the edition.
    Sent,
    /// It was chosen and cut by a cap, and is owed.
    Owed,
    /// It matched, and its reader was told that it would not come.
    LeftOut,
    /// It matched and had been sent before.
    SentBefore,
    /// It matched, and an earlier edition said that it would not come.
    ToldBefore,
    /// It matched and is in an earlier section.
    OtherSection,
    /// It matched and was listed before the subscription's first day.
    BeforeStart,
    /// It matched and had too few votes.
    TooFewVotes,
    /// It matched and was excluded.
    Excluded,
    /// It matched and lacked what it had to have.
    Lacking,
    /// It matched and none of the chosen sources listed it.
    OtherSource,
    /// It matches by today's reading, but was not chosen then.
    NotThen,
    /// No keyword matched it.
    NoKeyword,
}

impl Case<'_> {
    /// The last edition; `None` when there is none yet.
    pub fn last_edition(&self) -> Result<Option<EditionReport>, StoreError> {
        let Some(history) = &self.history else { return Ok(None) };
        let Some((edition, earlier)) = history.editions.split_first() else { return Ok(None) };
        let mut then = self.standing.clone();
        then.subscription = (*edition.order).clone();
        then.ledger.last = earlier.first().map(|earlier| earlier.decided);
        let back = publish::look_back(self.settings, &then, edition.decided);
        let candidates = self.store.candidates_as_of(edition.decided - back, edition.read)?;
        let pool = pool(self.store, candidates, &edition.order.profiles, edition.decided)?;
        // As of that edition: what was joined later were several candidates then.
        let joined = history.joined.until(edition.read);
        let before: HashSet<u32> =
            earlier.iter().flat_map(|edition| edition.papers.iter().flatten()).map(|paper| joined.of(*paper)).collect();
        let sent: Vec<u32> = before.iter().copied().collect();
        let told_before: HashSet<u32> =
            earlier.iter().flat_map(|edition| edition.told.papers()).map(|paper| joined.of(paper)).collect();
        let told: HashSet<u32> = edition.told.papers().collect();
        let mut taken = HashSet::new();
        let sections = edition.order.profiles.iter().zip(&edition.papers).map(|(profile, papers)| {
            let mut fates: BTreeMap<Fate, Vec<(u32, String)>> = BTreeMap::new();
            let explainer = pool.explainer(profile, &sent);
            for (index, candidate) in pool.candidates().iter().enumerate() {
                let Some(explanation) = explainer.explain(index) else { continue };
                let fate = unwanted(&explanation).unwrap_or_else(|| match candidate.id {
                    id if papers.contains(&id) => Fate::Sent,
                    id if before.contains(&id) => Fate::SentBefore,
                    id if told_before.contains(&id) => Fate::ToldBefore,
                    id if told.contains(&id) => Fate::LeftOut,
                    _ if self.standing.ledger.is_before_start(candidate) => Fate::BeforeStart,
                    id if taken.contains(&id) => Fate::OtherSection,
                    id if edition.owed.contains(&id) => Fate::Owed,
                    _ => Fate::NotThen,
                });
                if matches!(fate, Fate::Sent | Fate::Owed) {
                    taken.insert(candidate.id);
                }
                fates.entry(fate).or_default().push((candidate.id, candidate.paper.title.clone()));
            }
            SectionReport { name: profile.name.clone(), min_upvotes: profile.min_upvotes, fates }
        });
        Ok(Some(EditionReport {
            sections: sections.collect(),
            counted: pool.candidates().len(),
            sources: self.store.sources_as_of(edition.read)?,
            edition: edition.clone(),
            joined: history.joined.clone(),
        }))
    }
}

/// Why a profile doesn't choose a paper; `None` when it does. That no keyword matches comes first: who asks thinks of the
/// papers that they would have wanted.
fn unwanted(explanation: &Explanation) -> Option<Fate> {
    let mut keywords = explanation.findings.iter().filter(|finding| finding.check == Check::Keyword).peekable();
    if keywords.peek().is_some() && !keywords.any(|finding| finding.matches) {
        return Some(Fate::NoKeyword);
    }
    match explanation.verdict {
        ProfileVerdict::Chosen => None,
        ProfileVerdict::OtherSource => Some(Fate::OtherSource),
        ProfileVerdict::TooFewVotes => Some(Fate::TooFewVotes),
        ProfileVerdict::Excluded => Some(Fate::Excluded),
        ProfileVerdict::Lacking => Some(Fate::Lacking),
        ProfileVerdict::NoKeyword => Some(Fate::NoKeyword),
    }
}
