//! What a subscription orders, compiled: all that choosing its editions depends on, in a hundred bytes or so.
//!
//! An [`Order`] is derived from a subscription's profiles and can be made anew from them at any time; a store keeps its
//! bytes so that a million of them can be read, and not a million texts parsed. Its literals are numbers of one
//! [`Vocabulary`], which only grows. Names, and what a digest shows of the keywords, are *not* in it: just how much room
//! they take at most.
//!
//! ```text
//! word 0   LANGUAGE << 16 | LIKE | NOTE
//! word 1   the least number of literals that the vocabulary has
//! then for each section
//!     max_papers, room of its heading, room of its reasons
//!     number of sources, number of words
//!     the sources' literals, the words of the compiled profile
//! ```

use super::digest::{heading_room, reasons_room};
use super::matching::{CompiledProfile, LANGUAGE, Stale, Vocabulary, source_clause};
use super::subscription::{Profile, WhenEmpty};

/// In word 0: an edition without papers is a note.
const NOTE: u32 = 1;
/// In word 0: some profile has a `like:`.
const LIKE: u32 = 2;
/// Words of a section before its sources.
const HEAD: usize = 5;

/// What a subscription orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    words: Vec<u32>,
    /// Where each section begins.
    sections: Vec<usize>,
}

/// What one profile orders.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    /// What is chosen.
    pub profile: CompiledProfile<'a>,
    /// Papers in one edition.
    pub max_papers: usize,
    /// The sources looked at, by their literals' numbers; empty for all.
    pub sources: &'a [u32],
    /// Bytes that the section's name takes at most.
    pub heading_room: usize,
    /// Bytes that naming the keywords takes at most in one card.
    pub reasons_room: usize,
}

impl Order {
    /// Compiles profiles, adding to the vocabulary what is new in them.
    pub fn new(profiles: &[Profile], when_empty: WhenEmpty, vocabulary: &mut Vocabulary) -> Self {
        let note = if when_empty == WhenEmpty::Note { NOTE } else { 0 };
        let is_liking = profiles.iter().flat_map(Profile::queries).any(|query| query.liked().next().is_some());
        let mut words = vec![LANGUAGE << 16 | note | if is_liking { LIKE } else { 0 }, 0];
        let mut sections = Vec::with_capacity(profiles.len());
        for profile in profiles {
            let compiled = CompiledProfile::new(profile, vocabulary);
            let sources: Vec<u32> = profile.sources.iter().map(|id| vocabulary.number(&source_clause(id))).collect();
            sections.push(words.len());
            words.extend([profile.max_papers, heading_room(profile) as u32, reasons_room(profile) as u32]);
            words.extend([sources.len() as u32, compiled.words().len() as u32]);
            words.extend(sources);
            words.extend_from_slice(compiled.words());
        }
        words[1] = vocabulary.len() as u32;
        Self { words, sections }
    }

    /// From bytes. Fails when another version wrote them or they are damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Stale> {
        let (words, rest) = bytes.as_chunks::<4>();
        let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        if !rest.is_empty() || words.len() < 2 || words[0] >> 16 != LANGUAGE {
            return Err(Stale);
        }
        let (mut sections, mut at) = (Vec::with_capacity(1), 2);
        while at < words.len() {
            sections.push(at);
            let head = words[at..].first_chunk::<HEAD>().ok_or(Stale)?;
            let profile = at + HEAD + head[3] as usize;
            at = profile + head[4] as usize;
            CompiledProfile::from_words(words.get(profile..at).ok_or(Stale)?)?;
        }
        Ok(Self { words, sections })
    }

    /// As bytes, four a word, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// How many literals a vocabulary must have to evaluate this.
    pub fn literals(&self) -> usize {
        self.words[1] as usize
    }

    /// Whether some profile has a `like:`.
    pub fn is_liking(&self) -> bool {
        self.words[0] & LIKE != 0
    }

    /// What happens when nothing matched.
    pub fn when_empty(&self) -> WhenEmpty {
        if self.words[0] & NOTE == 0 { WhenEmpty::Skip } else { WhenEmpty::Note }
    }

    /// The numbers of the literals that its profiles look at, some of them several times.
    pub fn used_literals(&self) -> Vec<u32> {
        self.sections().flat_map(|section| section.profile.literals().collect::<Vec<u32>>()).collect()
    }

    /// What each profile orders, in their order.
    pub fn sections(&self) -> impl Iterator<Item = Section<'_>> {
        self.sections.iter().filter_map(|&at| {
            let [max_papers, heading, reasons, sources, length] = *self.words[at..].first_chunk::<HEAD>()?;
            let (sources, profile) = self.words[at + HEAD..].split_at(sources as usize);
            Some(Section {
                profile: CompiledProfile::from_words(&profile[..length as usize]).ok()?,
                max_papers: max_papers as usize,
                sources,
                heading_room: heading as usize,
                reasons_room: reasons as usize,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::paper::SourceId;
    use crate::core::query::Query;
    use crate::core::subscription::{Keyword, Rank};

    fn profile(keyword: &str) -> Profile {
        Profile {
            name: "Search".into(),
            keywords: vec![Keyword { query: Query::parse(keyword).expect(keyword), weight: 1.0 }],
            exclude: Vec::new(),
            must: Vec::new(),
            min_upvotes: 0,
            sources: vec![SourceId::parse("example").expect("a source")],
            max_papers: 7,
            rank: Rank::Relevance,
        }
    }

    #[test]
    fn an_order_comes_back_from_its_bytes_and_damage_is_stale() {
        let mut vocabulary = Vocabulary::default();
        let profiles = [profile("graph"), profile("a b OR -c")];
        let order = Order::new(&profiles, WhenEmpty::Note, &mut vocabulary);
        let bytes = order.to_bytes();
        assert_eq!(Order::from_bytes(&bytes), Ok(order.clone()));
        assert_eq!((order.literals(), order.when_empty()), (vocabulary.len(), WhenEmpty::Note));
        let sections: Vec<Section<'_>> = order.sections().collect();
        assert_eq!(sections.iter().map(|section| section.max_papers).collect::<Vec<_>>(), [7, 7]);
        assert_eq!(sections[1].profile, CompiledProfile::new(&profiles[1], &mut vocabulary));
        assert_eq!(sections[0].sources, sections[1].sources);

        for at in 0..bytes.len() {
            // Cut between two sections it is an order still, of one profile; anywhere else it is none.
            assert!(Order::from_bytes(&bytes[..at]).is_err() || [8, 4 * order.sections[1]].contains(&at), "{at}");
        }
        let mut newer = bytes;
        newer[2] = newer[2].wrapping_add(1);
        assert_eq!(Order::from_bytes(&newer), Err(Stale));
    }

    /// Bytes that a store keeps must not change their meaning: a change of what is compiled here, or of the room that
    /// the digest's templates need, has to raise [`LANGUAGE`] as well.
    #[test]
    fn the_encoding_is_that_of_this_version_of_the_language() {
        let order = Order::new(&[profile("graph")], WhenEmpty::Skip, &mut Vocabulary::default());
        assert_eq!(LANGUAGE, 6);
        let head = [6 << 16, 2, 7, heading_room(&profile("graph")) as u32, reasons_room(&profile("graph")) as u32];
        let rest = [1, 5, 1, 6 << 16, 1 << 16, 0, 1, 6 << 28];
        assert_eq!(order.words, head.into_iter().chain(rest).collect::<Vec<_>>());
        assert_eq!((heading_room(&profile("graph")), reasons_room(&profile("graph"))), (16, 15));
    }
}
