//! What an edition decides beside its papers: what stays owed, and what its reader is told will not come.
//!
//! A paper is *owed* when it matched at a publish, while in its window, and was not sent. It stays owed until it is sent
//! or told (I8). It is told by title when it leaves the window, or no longer matches what its reader follows, and there
//! was no room before; by number when a first edition has no room for it, or two mails with it were refused. What was told
//! is settled once that mail is delivered: it never comes (I4). If the mail is not delivered, the next one tells it again.
//!
//! A mail that was refused for good returns its papers, *once*: [`Ledger::again`] has those that came back.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Choice, Chooser, Ledger, Waiting};

/// Papers that an edition says will not come, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// There was no room for them while they matched and were in the window; told by title, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<u32>,
    /// A first edition had no room for them; told by their number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<u32>,
    /// Two mails with them were refused; told by their number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<u32>,
}

impl LeftOut {
    /// Every paper in it.
    pub fn papers(&self) -> impl Iterator<Item = u32> {
        self.left.iter().chain(&self.cut).chain(&self.refused).copied()
    }

    /// The same with every list as `each` makes it.
    pub fn map(self, each: impl Fn(Vec<u32>) -> Vec<u32>) -> Self {
        Self { left: each(self.left), cut: each(self.cut), refused: each(self.refused) }
    }

    /// Whether nothing is told.
    pub fn is_empty(&self) -> bool {
        self.papers().next().is_none()
    }
}

/// What an edition decides beside its papers. By paper number, where nothing else is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// Papers that come in a later edition, or are told then.
    pub owed: Vec<u32>,
    /// Papers that will not come.
    pub told: LeftOut,
    /// Papers in the edition, owed or told, that a refused mail has returned: a second refusal settles them.
    pub again: Vec<u32>,
    /// Editions whose mails were not delivered and whose papers this one takes over.
    pub returned: Vec<i64>,
    /// Papers that are given up now, since their second mail was refused; they are in `told` too.
    pub given_up: Vec<u32>,
    /// Whether the mail welcomes its reader: it would be the first, and has no paper.
    pub welcome: bool,
    /// Whether there is a mail.
    pub mail: bool,
}

/// What a [`Settlement`] depends on beside the choice.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Papers first seen earlier are outside the subscription's own window.
    pub window: DateTime<Utc>,
    /// Whether an edition without papers is a mail too.
    pub is_note: bool,
}

impl Chooser {
    /// What the edition that has `choice` decides beside its papers.
    pub fn settle(&self, choice: &Choice, ledger: &Ledger, terms: Terms) -> Settlement {
        let candidates = self.pool().candidates();
        let given: HashSet<u32> = choice.sections.iter().flatten().map(|index| candidates[*index].id).collect();
        let is_first = ledger.last.is_none();
        let mut settled = Settlement::default();
        for candidate in choice.owed.iter().map(|index| &candidates[*index]) {
            match () {
                () if is_first => settled.told.cut.push(candidate.id),
                () if candidate.first_seen >= terms.window => settled.owed.push(candidate.id),
                () => settled.told.left.push(candidate.id),
            }
        }

        let gone = || {
            let merged = ledger.waiting.iter().filter(|waiting| choice.merged.contains(&waiting.edition));
            merged.chain(&ledger.returned)
        };
        let mut dealt_with: HashSet<u32> = given.iter().chain(&settled.owed).copied().collect();
        dealt_with.extend(settled.told.papers());
        dealt_with.extend(ledger.sent.iter().chain(&ledger.settled));
        // What was refused twice is given up, in whatever way the mail had it.
        for waiting in gone() {
            settled.given_up.extend(waiting.struck().filter(|paper| dealt_with.insert(*paper)));
            settled.told.refused.extend(waiting.told.refused.iter().filter(|paper| dealt_with.insert(**paper)));
        }
        settled.told.refused.extend(&settled.given_up);
        // What was promised and can't be chosen any more. A reader who has changed what they follow has taken back what
        // would still be in the window.
        let is_taken_back = |paper: &u32| {
            ledger.is_reordered
                && self.indexes_of(std::slice::from_ref(paper)).any(|at| candidates[at].first_seen >= terms.window)
        };
        let promised = ledger.owed.iter().chain(gone().flat_map(|waiting| &waiting.papers));
        let promised = promised.filter(|paper| !is_taken_back(paper));
        let untold = gone().flat_map(|waiting| &waiting.told.left);
        settled.told.left.extend(promised.chain(untold).filter(|paper| dealt_with.insert(**paper)));
        settled
            .told
            .cut
            .extend(gone().flat_map(|waiting| &waiting.told.cut).filter(|paper| dealt_with.insert(**paper)));

        settled.welcome = given.is_empty() && (is_first || gone().any(|waiting| waiting.welcome));
        settled.mail = !given.is_empty() || terms.is_note || settled.welcome || !settled.told.left.is_empty();
        if settled.mail {
            settled.returned = ledger.returned.iter().map(|waiting| waiting.edition).collect();
        } else if choice.merged.is_empty() {
            // Nobody is told without a mail; the next one has it.
            (settled.told, settled.given_up) = Default::default();
        } else {
            settled.mail = !settled.told.is_empty();
        }

        let back: HashSet<u32> = gone().flat_map(Waiting::comes_back).chain(ledger.again.iter().copied()).collect();
        let has = given.iter().copied().chain(settled.owed.iter().copied()).chain(settled.told.papers());
        settled.again = has.filter(|paper| back.contains(paper)).collect();
        settled.again.sort_unstable();
        settled
    }
}

impl Waiting {
    /// The papers whose second refusal this is.
    pub(super) fn struck(&self) -> impl Iterator<Item = u32> {
        let papers = self.papers.iter().copied().chain(self.told.left.iter().chain(&self.told.cut).copied());
        papers.filter(|paper| self.is_refused && self.again.contains(paper))
    }

    /// The papers that were refused once, with this mail or before it.
    fn comes_back(&self) -> impl Iterator<Item = u32> {
        let all = self.papers.iter().copied().chain(self.told.papers()).filter(|_| self.is_refused);
        all.chain(self.again.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use chrono::{Duration, NaiveDate};

    use super::*;
    use crate::core::candidate::Candidate;
    use crate::core::matching::Pool;
    use crate::core::paper::{Paper, PaperKey, SourceId};

    fn day(days: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::days(days)
    }

    /// Papers 10, 11, …, one first seen on each day; the window begins on day 2.
    fn chooser() -> Chooser {
        let source = SourceId::parse("example").unwrap();
        let candidate = |n: u32| Candidate {
            id: 10 + n,
            paper: Paper::new(PaperKey::of_source(&source, &n.to_string()), "A title", "https://example.org/1"),
            first_seen: day(n.into()),
            listings: Vec::new(),
            votes: Vec::new(),
        };
        Chooser::new(Pool::new((0..6).map(candidate).collect(), day(6)), 0)
    }

    fn settle(choice: &Choice, ledger: &Ledger) -> Settlement {
        chooser().settle(choice, ledger, Terms { window: day(2), is_note: false })
    }

    fn choice(papers: &[usize], owed: &[usize]) -> Choice {
        Choice { sections: vec![papers.to_vec()], owed: owed.to_vec(), ..Choice::default() }
    }

    fn ledger() -> Ledger {
        Ledger { last: Some(day(5)), since: NaiveDate::MIN, ..Ledger::default() }
    }

    fn refused(edition: i64, papers: &[u32], again: &[u32]) -> Waiting {
        Waiting { edition, papers: papers.to_vec(), again: again.to_vec(), is_refused: true, ..Waiting::default() }
    }

    #[test]
    fn what_has_no_room_stays_owed_and_what_leaves_the_window_is_told() {
        // Papers 5 and 12 were owed; 5 is no candidate any more, and 12 is in the edition.
        let settled = settle(&choice(&[2], &[4, 1]), &Ledger { owed: vec![5, 12], ..ledger() });
        assert_eq!((settled.owed, settled.told.left), (vec![14], vec![11, 5]));
        assert!(settled.mail);
        let told_alone = settle(&choice(&[], &[]), &Ledger { owed: vec![5], ..ledger() });
        assert!(told_alone.mail && told_alone.told.left == [5] && !told_alone.welcome);
        let sent_before = settle(&choice(&[], &[]), &Ledger { owed: vec![5], sent: vec![5], ..ledger() });
        assert_eq!(sent_before, Settlement::default());
    }

    #[test]
    fn an_edition_with_a_paper_is_a_mail_though_nothing_is_owed_or_told() {
        let settled = settle(&choice(&[2], &[]), &ledger());
        assert_eq!(settled, Settlement { mail: true, ..Settlement::default() });
    }

    #[test]
    fn a_first_edition_owes_nothing_and_welcomes_when_it_is_empty() {
        let first = Ledger { last: None, ..ledger() };
        let settled = settle(&choice(&[2], &[4, 1]), &first);
        assert_eq!((settled.owed, settled.told.left, settled.told.cut), (vec![], vec![], vec![14, 11]));
        let empty = settle(&choice(&[], &[]), &first);
        assert!(empty.welcome && empty.mail);
    }

    #[test]
    fn a_changed_order_takes_back_what_is_in_the_window() {
        let owed = Ledger { owed: vec![5, 13], ..ledger() };
        assert_eq!(settle(&choice(&[2], &[]), &owed).told.left, [5, 13]);
        assert_eq!(settle(&choice(&[2], &[]), &Ledger { is_reordered: true, ..owed }).told.left, [5]);
    }

    #[test]
    fn a_refused_mail_returns_its_papers_once() {
        let once = Ledger { returned: vec![refused(7, &[12, 5], &[])], ..ledger() };
        let settled = settle(&choice(&[2], &[]), &once);
        assert_eq!((&settled.told.left, &settled.returned), (&vec![5], &vec![7]));
        assert_eq!(settled.again, [5, 12]);
        let twice = Ledger { returned: vec![refused(8, &[12, 13], &[12])], ..ledger() };
        let settled = settle(&choice(&[3], &[]), &twice);
        assert_eq!((&settled.told.refused, &settled.given_up, settled.again), (&vec![12], &vec![12], vec![12, 13]));
    }

    #[test]
    fn what_was_given_up_is_told_by_the_next_mail_and_by_none_of_its_own() {
        let twice = Ledger { returned: vec![refused(8, &[12], &[12])], ..ledger() };
        let settled = settle(&choice(&[], &[]), &twice);
        assert_eq!(settled, Settlement::default(), "the refused mail keeps its papers until then");
    }

    #[test]
    fn a_mail_that_gives_way_leaves_what_it_told_to_the_newer_one() {
        let told = LeftOut { left: vec![5], cut: vec![6], refused: vec![7] };
        let waiting = Waiting { edition: 9, told: told.clone(), welcome: true, ..Waiting::default() };
        let ledger = Ledger { waiting: vec![waiting], ..ledger() };
        let merged = Choice { merged: vec![9], ..choice(&[], &[]) };
        let settled = settle(&merged, &ledger);
        assert_eq!((settled.told, settled.welcome, settled.mail), (told, true, true));
        assert_eq!(settle(&choice(&[], &[]), &ledger).told, LeftOut::default(), "it goes out by itself");
    }

    #[test]
    fn a_mail_that_gives_way_has_a_successor_only_if_there_is_something_to_say() {
        let merge = |told: LeftOut, papers: &[u32]| {
            let waiting = Waiting { edition: 9, papers: papers.to_vec(), told, ..Waiting::default() };
            let ledger = Ledger { waiting: vec![waiting], settled: vec![5], ..ledger() };
            settle(&Choice { merged: vec![9], ..choice(&[], &[]) }, &ledger).mail
        };
        let numbers = LeftOut { cut: vec![6], ..LeftOut::default() };
        assert!(merge(numbers, &[]));
        assert!(!merge(LeftOut::default(), &[5]), "all of it is settled");
    }

    #[test]
    fn each_list_of_what_is_told_is_changed_by_itself() {
        let told = LeftOut { left: vec![1, 2], cut: vec![3], refused: vec![4, 6] };
        let even = told.map(|papers| papers.into_iter().filter(|paper| paper % 2 == 0).collect());
        assert_eq!(even, LeftOut { left: vec![2], cut: vec![], refused: vec![4, 6] });
        assert!(!even.is_empty() && LeftOut::default().is_empty());
    }
}
