//! What became of one paper, and what becomes of it.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::Case;
use crate::core::matching::{Explanation, Pool, ProfileVerdict};
use crate::core::subscription::Profile;
use crate::jobs::publish::{Plan, Planner, pool};
use crate::store::{KnownPaper, OutboxState, PastEdition, StoreError};

/// All that explains why a subscriber did or did not get a paper.
#[derive(Clone, Debug)]
pub struct PaperReport {
    /// Where the ledger has it, newest edition first.
    pub appearances: Vec<Appearance>,
    /// What each profile, by its name, makes of it now.
    pub findings: Vec<(String, Explanation)>,
    /// What becomes of it.
    pub outlook: Outlook,
    /// For a paper that too few votes keep back: until when it comes as soon as it has them.
    pub waits_until: Option<DateTime<Utc>>,
    /// Whether the next edition would show it under "also trending".
    pub is_also_next: bool,
}

/// A paper in a past edition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appearance {
    /// The edition's number.
    pub edition: i64,
    /// The local slot.
    pub slot: NaiveDateTime,
    /// In what way.
    pub role: Role,
    /// What became of the edition's mail.
    pub mail: Option<(OutboxState, DateTime<Utc>)>,
    /// Whether that mail was not delivered, so that its papers come again.
    pub comes_again: bool,
}

/// In what way an edition has a paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sent, in the section of this name.
    Sent(String),
    /// Chosen, cut by a cap and owed to a later edition.
    Owed,
    /// Named as left out: there was no room while it was new.
    LeftOut,
    /// Counted as one that a first edition had no room for.
    CutAtFirst,
    /// Counted as one that was given up, since two mails with it were refused.
    GivenUp,
    /// Shown by its title under "also trending".
    Also,
}

/// What becomes of a paper; the first that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It was sent, and never is again.
    Sent,
    /// Its reader was told that it would not come, or it was given up: it never comes.
    Settled,
    /// No profile chooses it.
    NotChosen,
    /// It was listed before the first day of the subscription.
    BeforeStart {
        /// When it was listed.
        listed: NaiveDate,
        /// The first day.
        since: NaiveDate,
    },
    /// It was first seen too long ago to be a candidate.
    OutsideWindow,
    /// It comes with the next edition, at this place from 1.
    Next(usize),
    /// It is chosen, but the next edition is full before it: it is owed.
    Waits,
    /// It is owed, and the next edition names it as left out.
    LeftOut,
    /// It is chosen, but a first edition is full before it: it is counted there, and does not come.
    CutAtFirst,
}

impl Case<'_> {
    /// What became of a paper, and what becomes of it.
    pub fn paper(&self, paper: &KnownPaper) -> Result<PaperReport, StoreError> {
        let id = paper.candidate.id;
        let profiles = &self.subscription().profiles;
        let planner = Planner::for_one(self.store, self.settings, &self.standing, self.now)?;
        let candidates = planner.pool().candidates();
        let sent = &self.standing.ledger.sent;
        let index = candidates.iter().position(|candidate| candidate.id == id);
        let findings: Vec<(String, Explanation)> = match index {
            Some(index) => explain(planner.pool(), index, profiles, sent),
            None => {
                // Beside the candidates, so that what hangs on other papers comes out as it would among them.
                let with_it = candidates.iter().chain([&paper.candidate]).cloned().collect();
                let pool = pool(self.store, with_it, profiles, self.now)?;
                explain(&pool, candidates.len(), profiles, sent)
            }
        };
        let Plan { choice, settlement, .. } = planner.plan(self.store, &self.standing)?;
        let told = &settlement.told;
        let place = index.and_then(|index| choice.sections.iter().flatten().position(|chosen| *chosen == index));
        let since = self.standing.ledger.since;
        let is_before = self.standing.ledger.is_before_start(&paper.candidate);
        let listed = paper.candidate.day().filter(|_| is_before);
        let outlook = match () {
            () if self.standing.ledger.sent.contains(&id) => Outlook::Sent,
            () if self.standing.ledger.settled.contains(&id) || told.refused.contains(&id) => Outlook::Settled,
            () if told.left.contains(&id) => Outlook::LeftOut,
            () if told.cut.contains(&id) => Outlook::CutAtFirst,
            () if findings.iter().all(|(_, explanation)| explanation.verdict != ProfileVerdict::Chosen) => {
                Outlook::NotChosen
            }
            () => match (place, listed) {
                (Some(place), _) => Outlook::Next(place + 1),
                (None, Some(listed)) => Outlook::BeforeStart { listed, since },
                (None, None) if index.is_none() => Outlook::OutsideWindow,
                (None, None) => Outlook::Waits,
            },
        };
        let lacks_votes = findings.iter().any(|(_, explanation)| explanation.verdict == ProfileVerdict::TooFewVotes);
        let may_come = outlook == Outlook::NotChosen && lacks_votes && !is_before;
        let waits_until = index.filter(|_| may_come).map(|_| paper.first_seen + self.window());
        let is_also_next = index.is_some_and(|index| choice.also.contains(&index));
        Ok(PaperReport { appearances: self.appearances(id), findings, outlook, waits_until, is_also_next })
    }

    fn appearances(&self, id: u32) -> Vec<Appearance> {
        let Some(history) = &self.history else { return Vec::new() };
        let has = |papers: &[u32]| papers.iter().any(|paper| history.joined.of(*paper) == id);
        let roles = history.editions.iter().filter_map(|edition| {
            let section = edition.papers.iter().position(|papers| has(papers));
            let role = match section {
                Some(at) => Role::Sent(edition.order.profiles.get(at).map_or_else(String::new, |p| p.name.clone())),
                None if has(&edition.owed) => Role::Owed,
                None if has(&edition.told.left) => Role::LeftOut,
                None if has(&edition.told.cut) => Role::CutAtFirst,
                None if has(&edition.told.refused) => Role::GivenUp,
                None if has(&edition.also) => Role::Also,
                None => return None,
            };
            let PastEdition { edition, slot, mail, comes_again, .. } = *edition;
            Some(Appearance { edition, slot, role, mail, comes_again })
        });
        roles.collect()
    }
}

fn explain(pool: &Pool, index: usize, profiles: &[Profile], sent: &[u32]) -> Vec<(String, Explanation)> {
    let of = |profile: &Profile| Some((profile.name.clone(), pool.explainer(profile, sent).explain(index)?));
    profiles.iter().filter_map(of).collect()
}
