//! A sieve: says at once of most words that a text does not have them.
//!
//! Nearly all keywords of a reader are about something else than the paper in hand, and one look at a few octets says so:
//! a Bloom filter (Bloom 1970) of one hash. Of the two to three hundred words of an abstract it wrongly lets through one in
//! fifteen, which are then looked up.

use foldhash::quality::FixedState;
use std::hash::BuildHasher;

use super::{Field, Literal, Part};

/// The words of a text, by their hashes.
#[derive(Debug)]
pub(super) struct Sieve([u64; HOLES / 64]);

/// Where a word falls through.
#[derive(Clone, Copy, Debug)]
pub struct Hole(usize);

const HOLES: usize = 4_096;

impl Sieve {
    /// A sieve for these stems.
    pub(super) fn of<'a>(stems: impl Iterator<Item = &'a String>) -> Self {
        let mut bits = [0; HOLES / 64];
        stems.map(|stem| Hole::at(stem)).for_each(|Hole(at)| bits[at / 64] |= 1 << (at % 64));
        Self(bits)
    }

    /// Whether the text may have the words that fall through there.
    pub(super) fn has(&self, holes: &[Hole]) -> bool {
        holes.iter().all(|Hole(at)| self.0[at / 64] >> (at % 64) & 1 == 1)
    }
}

impl Hole {
    fn at(stem: &str) -> Self {
        Self(FixedState::default().hash_one(stem) as usize % HOLES)
    }

    /// Of the stems in title or abstract that the literal can't be found without.
    pub(super) fn of(literal: &Literal) -> Box<[Self]> {
        let Literal::Text { field: Field::Any | Field::Title | Field::Abstract, pattern } = literal else {
            return Box::default();
        };
        let needed = pattern.units.iter().filter(|unit| unit.whole.is_none()).flat_map(|unit| &unit.parts);
        needed.filter_map(|part| if let Part::Stem(stem, None) = part { Some(Self::at(stem)) } else { None }).collect()
    }
}
