//! Programs that a compiler makes and ones that it doesn't, evaluated over sets of papers.

use proptest::prelude::*;

use super::super::compile::LANGUAGE;
use super::super::weight::MOST_WEIGHT;
use super::*;
use crate::core::matching::Vocabulary;
use crate::core::paper::SourceId;
use crate::core::query::Query;
use crate::core::query::tests::expressions;
use crate::core::subscription::{Keyword, Profile};

/// Random sets for the literals of a random profile, and what is chosen of them and counted: as this machine does it,
/// and in the narrow form.
fn both_forms<const W: usize>(profile: &Profile, papers: usize, seed: u64) -> Result<(), TestCaseError> {
    let mut vocabulary = Vocabulary::default();
    let compiled = CompiledProfile::new(profile, &mut vocabulary);
    let mut state = seed | 1;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut sets = Sets::<W>::new(papers);
    let literals = vocabulary.len() as u32;
    for literal in 0..literals {
        let share = random(4);
        if share == 0 && random(2) == 0 {
            continue;
        }
        let has: Vec<u16> = (0..papers as u16).filter(|_| random(4) < share).collect();
        let scores: Vec<(LiteralScore, u64)> = has
            .into_iter()
            .map(|paper| (LiteralScore { paper, points: random(1 << 16) as u16 }, random(u64::MAX)))
            .collect();
        sets.insert(literal, &mut scores.into_iter());
    }
    let skip: [u64; BLOCK / 64] = std::array::from_fn(|_| random(u64::MAX) & random(u64::MAX));
    let day = |paper: usize| 739_000 + (paper % 9) as i32;
    // What asks for everything, so that it leaves a trace where a shorter one could find it.
    let pairs = (0..literals).flat_map(|literal| [literal, literals - 1 - literal]);
    let longest: Vec<u32> = (0..literals).chain(pairs).collect();
    let longest = from_words(literals, literals, &longest);
    for skip in [None, Some(&skip)] {
        let (mut wide, mut narrow) = (Scratch::default(), Scratch::default());
        sets.select(&longest, usize::MAX, None, &day, &mut wide);
        let count = sets.count(&compiled, skip, &mut wide);
        let chosen = sets.said(&compiled, &mut narrow).chosen(skip);
        prop_assert_eq!(count, chosen.iter().map(|word| word.count_ones() as usize).sum::<usize>());
        let mut all = Vec::new();
        for most in [usize::MAX, 3] {
            sets.select(&compiled, most, skip, &day, &mut wide);
            sets.choose(&compiled, most, skip, &day, &mut narrow);
            let of = |scratch: &Scratch| scratch.best.sorted().collect::<Vec<_>>();
            prop_assert_eq!(of(&wide), of(&narrow));
            if most == usize::MAX {
                all = of(&wide);
                prop_assert_eq!(all.len(), count);
            }
            prop_assert_eq!(&of(&wide)[..], &all[..count.min(most)]);
        }
    }
    Ok(())
}

fn from_words(singles: u32, pairs: u32, rest: &[u32]) -> CompiledProfile<'static> {
    let words: Vec<u32> = [LANGUAGE << 16, singles << 16 | pairs].iter().chain(rest).copied().collect();
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    CompiledProfile::from_bytes(&bytes).expect("a compiled profile")
}

#[test]
fn no_score_exceeds_the_greatest() {
    let mut sets = Sets::<1>::new(3);
    for literal in 0..2 {
        let scores = [(0, u16::MAX), (literal, 1)].map(|(paper, points)| (LiteralScore { paper, points }, 0));
        sets.insert(literal.into(), &mut scores.into_iter().take(1 + usize::from(literal)));
    }
    let weighted = [Op::Push(0), Op::Keyword, Op::Points(MOST_WEIGHT)].map(Op::encode);
    let profiles = [
        (32, vec![0; 32], 32 * i32::from(u16::MAX)),
        (33, vec![0; 33], MOST_SCORE),
        (u32::from(u16::MAX), vec![0; usize::from(u16::MAX)], MOST_SCORE),
        (1, [&[1][..], &weighted, &[0]].concat(), MOST_SCORE),
    ];
    for (singles, rest, score) in profiles {
        let mut scratch = Scratch::default();
        sets.select(&from_words(singles, 0, &rest), 3, None, &|_| 0, &mut scratch);
        let (first, score_of_first) = scratch.best.sorted().next().expect("the paper of literal 0");
        assert_eq!((first, score_of_first), (0, score), "{singles} singles");
    }
}

proptest! {
    #[test]
    fn the_wide_form_chooses_and_counts_as_the_narrow_one_does(
        keywords in prop::collection::vec((expressions(), prop::sample::select(vec![1.0f32, 0.5])), 0..4),
        exclude in prop::option::of(expressions()),
        rank in prop::sample::select(vec![Rank::Relevance, Rank::Trending, Rank::Newest]),
        seed in any::<u64>(),
        share in 1usize..=64,
    ) {
        let query = |expr: &crate::core::query::Expr| Query::parse(&expr.to_string()).expect("an expression");
        let keyword = |(expr, weight): &(_, f32)| Keyword { query: query(expr), weight: *weight };
        let profile = Profile {
            name: String::new(),
            keywords: keywords.iter().map(keyword).collect(),
            exclude: exclude.iter().map(query).collect(),
            must: Vec::new(),
            min_upvotes: 1,
            sources: vec![SourceId::parse("graph").expect("a name")],
            max_papers: 20,
            rank,
        };
        both_forms::<1>(&profile, share, seed)?;
        both_forms::<2>(&profile, 64 + share, seed)?;
        both_forms::<4>(&profile, 192 + share, seed)?;
        both_forms::<8>(&profile, 448 + share, seed)?;
        both_forms::<16>(&profile, 960 + share, seed)?;
    }
}
