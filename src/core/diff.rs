//! What one snapshot changes in what is known.
//!
//! [`diff`] is a pure function over the known state of the snapshot's papers; the store reads that state and applies the
//! result in one transaction. Three laws hold, whatever a source does: the diff of what was just applied is empty; the
//! order of the items does not matter; a repeated ingest changes nothing. And whatever other sources said of a paper stays as
//! it is (I14): what is shown is merged from all of them.
//!
//! Papers come in under their present keys ([`Snapshot::renamed`]).
//!
//! "New" means "not known", never "dated today": a day's list grows for days.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::paper::describe::{Description, Descriptions, merge};
use super::paper::{Listing, Paper, PaperKey, Snapshot, SourceId};

/// A paper as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPaper {
    /// What is shown of it, without its stars.
    pub shown: Paper,
    /// What each source says.
    pub said: Descriptions,
}

/// What is known of the papers in a snapshot: no more is needed to tell what changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownPapers {
    /// The papers, as last revised.
    pub papers: BTreeMap<PaperKey, KnownPaper>,
    /// Their listings.
    pub listings: BTreeMap<(PaperKey, SourceId, NaiveDate), Listing>,
}

/// What a snapshot changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Papers seen for the first time.
    pub added: Vec<Paper>,
    /// Papers whose words or links changed, as they are shown now.
    pub revised: Vec<Paper>,
    /// KnownPapers papers of which some source now says something else, shown or not: with what each says.
    pub said: Vec<(PaperKey, Descriptions)>,
    /// Papers that are as they were; their votes may have moved.
    pub unchanged: Vec<PaperKey>,
    /// Listings that are new or have moved: rank, votes or comments.
    pub listings: Vec<(PaperKey, Listing)>,
    /// Stars of the papers' code, as the snapshot has them. They move daily and are no revision; whether they moved is
    /// for the keeper of their history.
    pub stars: Vec<(PaperKey, u32)>,
}

impl Diff {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.revised.is_empty() && self.said.is_empty() && self.listings.is_empty()
    }
}

/// One paper's copies in a snapshot, by day and rank.
type Sightings<'a> = BTreeMap<(NaiveDate, u32), (&'a Paper, &'a Listing)>;

/// What `snapshot` changes in `known`.
pub fn diff(known: &KnownPapers, snapshot: &Snapshot) -> Diff {
    let mut sightings: BTreeMap<&PaperKey, Sightings<'_>> = BTreeMap::new();
    for item in &snapshot.items {
        let days = sightings.entry(&item.paper.key).or_default();
        days.insert((item.listing.day, item.listing.rank), (&item.paper, &item.listing));
    }
    let mut diff = Diff::default();
    for (key, days) in sightings {
        // The copy of the latest day has the last word.
        let copies = days.values().map(|(paper, _)| (*paper).clone());
        let read = copies.reduce(|older, newer| older.updated_by(&newer));
        let Some(mut read) = read else { continue };
        diff.stars.extend(read.stars.take().map(|stars| (key.clone(), stars)));
        let old = known.papers.get(key);
        let mut said = old.map(|old| old.said.clone()).unwrap_or_default();
        if let Some(before) = said.get(&snapshot.source) {
            read = before.paper.updated_by(&read);
        }
        read.key = key.clone();
        said.insert(snapshot.source.clone(), Description { authority: snapshot.authority, paper: read });
        let Some(shown) = merge(key, &said) else { continue };
        match old {
            None => diff.added.push(shown),
            Some(old) => {
                let is_shown = old.shown != shown;
                if is_shown || old.said != said {
                    diff.said.push((key.clone(), said));
                }
                match is_shown {
                    true => diff.revised.push(shown),
                    false => diff.unchanged.push(key.clone()),
                }
            }
        }
        // One listing a day: the best rank, if a source names a paper twice.
        let mut listings: BTreeMap<NaiveDate, &Listing> = BTreeMap::new();
        for (_, listing) in days.values() {
            listings.entry(listing.day).or_insert(listing);
        }
        for (day, listing) in listings {
            let old = known.listings.get(&(key.clone(), listing.source.clone(), day));
            let new = old.map_or_else(|| listing.clone(), |old| moved(old, listing));
            if old != Some(&new) {
                diff.listings.push((key.clone(), new));
            }
        }
    }
    diff
}

/// A known listing as a newer read has it; counts that the read lacks stay.
fn moved(old: &Listing, new: &Listing) -> Listing {
    Listing { upvotes: new.upvotes.or(old.upvotes), comments: new.comments.or(old.comments), ..new.clone() }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::core::paper::describe::Authority;
    use crate::core::paper::{Listed, Route};

    fn source() -> SourceId {
        SourceId::parse("huggingface").expect("a name")
    }

    fn listed(number: u32, day: u32, rank: u32, upvotes: Option<u32>, title: &str) -> Listed {
        let id = format!("2611.{number:05}");
        let key = PaperKey::arxiv(&id).expect("an id");
        let day = NaiveDate::from_ymd_opt(2026, 11, day).expect("a day");
        Listed {
            paper: Paper::new(key, title, &format!("https://example.org/{id}")),
            aliases: Vec::new(),
            listing: Listing { source: source(), day, rank, upvotes, comments: None },
        }
    }

    fn snapshot(items: Vec<Listed>) -> Snapshot {
        Snapshot {
            source: source(),
            authority: Authority::Index,
            taken: DateTime::UNIX_EPOCH,
            route: Route::Main,
            items,
            skipped: 0,
        }
    }

    /// The same, read from another source.
    fn from(name: &str, authority: Authority, mut snapshot: Snapshot) -> Snapshot {
        snapshot.source = SourceId::parse(name).expect("a name");
        snapshot.authority = authority;
        for item in &mut snapshot.items {
            item.listing.source = snapshot.source.clone();
        }
        snapshot
    }

    /// What the store does with a diff.
    fn apply(known: &mut KnownPapers, snapshot: &Snapshot, diff: &Diff) {
        for shown in &diff.added {
            let said = Description { authority: snapshot.authority, paper: shown.clone() };
            let said = Descriptions::from([(snapshot.source.clone(), said)]);
            known.papers.insert(shown.key.clone(), KnownPaper { shown: shown.clone(), said });
        }
        for (key, said) in &diff.said {
            known.papers.get_mut(key).expect("a known paper").said = said.clone();
        }
        for shown in &diff.revised {
            known.papers.get_mut(&shown.key).expect("a known paper").shown = shown.clone();
        }
        for (key, listing) in &diff.listings {
            known.listings.insert((key.clone(), listing.source.clone(), listing.day), listing.clone());
        }
    }

    fn known_after(snapshot: &Snapshot) -> KnownPapers {
        let mut known = KnownPapers::default();
        let change = diff(&known, snapshot);
        apply(&mut known, snapshot, &change);
        known
    }

    #[test]
    fn added_revised_and_unchanged_are_told_apart() {
        let known = known_after(&snapshot(vec![listed(1, 20, 1, Some(5), "One"), listed(2, 20, 2, Some(3), "Two")]));
        let second = snapshot(vec![
            listed(1, 20, 1, Some(9), "One"),
            listed(2, 20, 2, Some(3), "Two, corrected"),
            listed(3, 21, 1, None, "Three"),
        ]);
        let got = diff(&known, &second);
        let titles = |papers: &[Paper]| papers.iter().map(|p| p.title.clone()).collect::<Vec<_>>();
        assert_eq!(titles(&got.added), ["Three"]);
        assert_eq!(titles(&got.revised), ["Two, corrected"]);
        assert_eq!(got.unchanged.len(), 1);
        assert_eq!(got.listings.len(), 2, "moved votes and a new listing");
    }

    #[test]
    fn stars_that_move_are_no_revision() {
        let with = |stars| {
            let mut item = listed(1, 20, 1, None, "One");
            item.paper.stars = Some(stars);
            snapshot(vec![item])
        };
        let known = known_after(&with(5));
        let change = diff(&known, &with(6));
        assert!(change.is_empty());
        assert_eq!(change.stars.iter().map(|(_, stars)| *stars).collect::<Vec<_>>(), [6]);
    }

    #[test]
    fn counts_that_a_degraded_read_lacks_stay() {
        let mut full = listed(1, 20, 1, Some(5), "One");
        full.listing.comments = Some(2);
        let known = known_after(&snapshot(vec![full]));
        assert!(diff(&known, &snapshot(vec![listed(1, 20, 1, None, "One")])).is_empty());
    }

    #[test]
    fn a_diff_is_empty_only_if_nothing_is_added_revised_said_or_listed() {
        let item = listed(1, 20, 1, Some(5), "One");
        let paper = item.paper;
        let key = paper.key.clone();
        for diff in [
            Diff { added: vec![paper.clone()], ..Diff::default() },
            Diff { revised: vec![paper], ..Diff::default() },
            Diff { said: vec![(key.clone(), Descriptions::new())], ..Diff::default() },
            Diff { listings: vec![(key.clone(), item.listing)], ..Diff::default() },
        ] {
            assert!(!diff.is_empty(), "{diff:?}");
        }
        assert!(Diff { unchanged: vec![key], ..Diff::default() }.is_empty());
    }

    #[test]
    fn what_another_source_says_is_kept_and_shown_where_it_ranks_first() {
        let mut known = known_after(&snapshot(vec![listed(1, 20, 1, None, "One")]));
        let feed = from("a-feed", Authority::Feed, snapshot(vec![listed(1, 20, 1, None, "One …")]));
        let change = diff(&known, &feed);
        assert_eq!((change.revised.len(), change.said.len(), change.unchanged.len()), (0, 1, 1));
        apply(&mut known, &feed, &change);
        let publisher = from("journal", Authority::Publisher, snapshot(vec![listed(1, 20, 1, None, "One, corrected")]));
        let change = diff(&known, &publisher);
        assert_eq!(change.revised[0].title, "One, corrected");
        apply(&mut known, &publisher, &change);
        for read in [&feed, &publisher, &snapshot(vec![listed(1, 20, 1, None, "One")])] {
            assert!(diff(&known, read).is_empty(), "{}", read.source);
        }
    }

    fn any_source() -> impl Strategy<Value = (&'static str, Authority)> {
        prop_oneof![
            Just(("huggingface", Authority::Index)),
            Just(("a-feed", Authority::Feed)),
            Just(("journal", Authority::Publisher)),
        ]
    }

    /// What is shown and said after these reads.
    fn after(reads: &[Snapshot]) -> KnownPapers {
        let mut known = KnownPapers::default();
        for read in reads {
            let change = diff(&known, read);
            apply(&mut known, read, &change);
        }
        known
    }

    fn any_snapshot() -> impl Strategy<Value = Snapshot> {
        let item = (0u32..6, 18u32..22, 1u32..5, proptest::option::of(0u32..4), "[ab]{1,2}")
            .prop_map(|(number, day, rank, votes, title)| listed(number, day, rank, votes, &title));
        // A source lists a paper once a day at most, and a rank once.
        proptest::collection::vec(item, 0..20).prop_map(|items| {
            let unique: BTreeMap<_, _> = items.into_iter().map(|i| ((i.paper.key.clone(), i.listing.day), i)).collect();
            snapshot(unique.into_values().collect())
        })
    }

    proptest! {
        #[test]
        fn the_diff_of_what_was_just_applied_is_empty(before in any_snapshot(), now in any_snapshot()) {
            let mut known = known_after(&before);
            let change = diff(&known, &now);
            apply(&mut known, &now, &change);
            let again = diff(&known, &now);
            prop_assert!(again.is_empty(), "{again:?}");
            prop_assert_eq!(again.unchanged.len(), change.added.len() + change.revised.len() + change.unchanged.len());
        }

        /// Each source says the same at every read; whatever the order, and however often, what is shown is the same.
        #[test]
        fn the_order_of_the_reads_of_several_sources_does_not_matter(
            said in proptest::collection::btree_map(any_source(), any_snapshot(), 1..4),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let reads: Vec<Snapshot> =
                said.into_iter().map(|((name, authority), snapshot)| from(name, authority, snapshot)).collect();
            let mixed: Vec<Snapshot> = order.iter().map(|at| reads[at.index(reads.len())].clone()).collect();
            let known = after(&[mixed, reads.clone()].concat());
            prop_assert_eq!(&known, &after(&reads));
            for read in &reads {
                prop_assert!(diff(&known, read).is_empty());
            }
        }

        #[test]
        fn the_order_of_the_items_does_not_matter(before in any_snapshot(), now in any_snapshot(), seed in any::<u64>()) {
            let known = known_after(&before);
            let mut shuffled = now.clone();
            let mut state = seed;
            for i in (1..shuffled.items.len()).rev() {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                shuffled.items.swap(i, (state >> 33) as usize % (i + 1));
            }
            prop_assert_eq!(diff(&known, &now), diff(&known, &shuffled));
        }
    }
}
