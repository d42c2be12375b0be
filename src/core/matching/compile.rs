//! Profiles as arrays of literal numbers.
//!
//! A [`Vocabulary`] numbers every distinct literal of all profiles; a [`CompiledProfile`] is one profile in those numbers,
//! some fifty bytes for a dozen keywords. A store may keep both as bytes and stream a million profiles past a pool; both
//! begin with [`LANGUAGE`] and are to be made anew from the profiles' text when it, or the vocabulary, changed.
//!
//! ```text
//! word 0   LANGUAGE << 16 | rank | EVERY_PAPER
//! word 1   number of singles << 16 | number of pairs
//! singles  literal                          keywords of one clause and of weight 1: nearly all there are
//! pairs    literal, literal | NEGATED?      those of the forms `a b` and `a -b`
//! program  postfix, see `Op`                everything else, `must` and `exclude`
//! ```

use std::borrow::Cow;

use super::Vocabulary;
use super::likes::joined;
use super::weight::{MOST_WEIGHT, WEIGHT_ONE, hundredths};
use crate::core::paper::SourceId;
use crate::core::query::{Clause, Comparison, Expr, Field, Kind, Measure, Query};
use crate::core::subscription::{Profile, Rank};

/// The version of the query language, of the literals and of this encoding, together.
pub const LANGUAGE: u32 = 6;

/// In word 0: the profile has no keywords and so wants every paper.
pub(super) const EVERY_PAPER: u32 = 1 << 8;
/// On a pair's second literal, and on its row.
pub(super) const NEGATED: u32 = 1 << 31;

/// A profile, ready to be evaluated: words of its own, or borrowed from an array of many profiles, which is the faster to
/// walk through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledProfile<'a> {
    code: Cow<'a, [u32]>,
}

/// Why bytes are no vocabulary or compiled profile: another version wrote them, or they are damaged. Compile again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("compiled by another version, or damaged")]
pub struct Stale;

/// One step of a program: the operation in the upper four bits, its argument below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// Push the papers of a literal.
    Push(u32),
    /// Push all but the papers of a literal.
    PushNot(u32),
    /// Of the two sets on top, what is in both.
    And,
    /// Of the two sets on top, what is in either.
    Or,
    /// Pop a keyword's papers: they are chosen, and the `Points` that follow go to them alone.
    Keyword,
    /// Add what a literal is worth, times a weight in hundredths; the literal is the next word.
    Points(u32),
    /// Add half of what two literals are worth, each times its weight, where they occur near each other; the literals are
    /// the next two words.
    Near([u32; 2]),
    /// Pop a set: only what is in it may be chosen.
    Must,
    /// Pop a set: nothing in it may be chosen.
    Exclude,
}

const ARGUMENT: u32 = (1 << 28) - 1;
/// Bits for a weight, of which an argument can hold two.
const WEIGHT_BITS: u32 = 14;
const _: () = assert!(MOST_WEIGHT < 1 << WEIGHT_BITS && 2 * WEIGHT_BITS <= ARGUMENT.count_ones());

impl Op {
    pub(super) fn encode(self) -> u32 {
        match self {
            Op::Push(literal) => literal,
            Op::PushNot(literal) => 1 << 28 | literal,
            Op::And => 2 << 28,
            Op::Or => 3 << 28,
            Op::Keyword => 4 << 28,
            Op::Points(weight) => 5 << 28 | weight,
            Op::Must => 6 << 28,
            Op::Exclude => 7 << 28,
            Op::Near([a, b]) => 8 << 28 | a << WEIGHT_BITS | b,
        }
    }

    pub(super) fn decode(word: u32) -> Option<Self> {
        Some(match (word >> 28, word & ARGUMENT) {
            (0, literal) => Op::Push(literal),
            (1, literal) => Op::PushNot(literal),
            (2, 0) => Op::And,
            (3, 0) => Op::Or,
            (4, 0) => Op::Keyword,
            (5, weight) => Op::Points(weight),
            (6, 0) => Op::Must,
            (7, 0) => Op::Exclude,
            (8, weights) => Op::Near([weights >> WEIGHT_BITS, weights & ((1 << WEIGHT_BITS) - 1)]),
            _ => return None,
        })
    }
}

impl CompiledProfile<'static> {
    /// Compiles a profile, adding to the vocabulary what is new in it.
    pub fn new(profile: &Profile, vocabulary: &mut Vocabulary) -> Self {
        let mut compiler = Compiler::new(vocabulary);
        for keyword in joined(profile) {
            compiler.keyword(keyword.query.expr(), keyword.weight);
        }
        for query in &profile.must {
            compiler.gate(query.expr(), Op::Must);
        }
        for query in &profile.exclude {
            compiler.gate(query.expr(), Op::Exclude);
        }
        for clause in limits(profile) {
            compiler.gate(&clause, Op::Must);
        }
        let rank = match profile.rank {
            Rank::Relevance => 0,
            Rank::Trending => 1,
            Rank::Newest => 2,
        };
        compiler.finish(rank | if profile.keywords.is_empty() { EVERY_PAPER } else { 0 })
    }

    /// Compiles a profile of one keyword and nothing else.
    pub(super) fn of_query(query: &Query, vocabulary: &mut Vocabulary) -> Self {
        let mut compiler = Compiler::new(vocabulary);
        compiler.keyword(query.expr(), 1.0);
        compiler.finish(0)
    }

    /// From bytes. Fails when another version wrote them or they are damaged; what it returns can be evaluated.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Stale> {
        let (words, rest) = bytes.as_chunks::<4>();
        let code: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let sound = rest.is_empty() && CompiledProfile::from_words(&code).is_ok();
        if sound { Ok(Self { code: Cow::Owned(code) }) } else { Err(Stale) }
    }
}

impl<'a> CompiledProfile<'a> {
    /// From the words of one profile, which it borrows. Fails when another version wrote them or they are damaged; what it
    /// returns can be evaluated.
    pub fn from_words(words: &'a [u32]) -> Result<Self, Stale> {
        let profile = Self { code: Cow::Borrowed(words) };
        let sound = words.len() >= 2 && words[0] >> 16 == LANGUAGE && profile.is_sound();
        if sound { Ok(profile) } else { Err(Stale) }
    }

    /// Its words.
    pub fn words(&self) -> &[u32] {
        &self.code
    }

    /// As bytes, four a word, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.code.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(super) fn rank(&self) -> Rank {
        match self.code[0] & 0xFF {
            0 => Rank::Relevance,
            1 => Rank::Trending,
            _ => Rank::Newest,
        }
    }

    pub(super) fn wants_every_paper(&self) -> bool {
        self.code[0] & EVERY_PAPER != 0
    }

    pub(super) fn has_program(&self) -> bool {
        !self.sections().2.is_empty()
    }

    /// Singles, pairs and program.
    pub(super) fn sections(&self) -> (&[u32], &[[u32; 2]], &[u32]) {
        let (singles, pairs) = ((self.code[1] >> 16) as usize, (self.code[1] & 0xFFFF) as usize);
        let (singles, rest) = self.code[2..].split_at(singles);
        let (pairs, program) = rest.split_at(2 * pairs);
        (singles, pairs.as_chunks::<2>().0, program)
    }

    /// The numbers of its literals, some of them several times.
    pub(in crate::core) fn literals(&self) -> impl Iterator<Item = u32> {
        let (singles, pairs, program) = self.sections();
        let mut program = program.iter();
        let mut open = 0;
        let of_program = std::iter::from_fn(move || {
            loop {
                let word = program.next()?;
                if open > 0 {
                    open -= 1;
                    return Some(*word);
                }
                match Op::decode(*word) {
                    Some(Op::Push(literal) | Op::PushNot(literal)) => return Some(literal),
                    Some(Op::Points(_)) => open = 1,
                    Some(Op::Near(_)) => open = 2,
                    _ => {}
                }
            }
        });
        let of_pairs = pairs.iter().flatten().map(|literal| literal & !NEGATED);
        singles.iter().copied().chain(of_pairs).chain(of_program)
    }

    /// Whether its sections have the length they claim and its program leaves the stack as it found it.
    fn is_sound(&self) -> bool {
        let claimed = 2 + (self.code[1] >> 16) as usize + 2 * (self.code[1] & 0xFFFF) as usize;
        if self.code.len() < claimed {
            return false;
        }
        let mut program = self.sections().2.iter();
        let mut depth = 0usize;
        while let Some(word) = program.next() {
            let (taken, left) = match Op::decode(*word) {
                Some(Op::Push(_) | Op::PushNot(_)) => (0, 1),
                Some(Op::And | Op::Or) => (2, 1),
                Some(Op::Keyword | Op::Must | Op::Exclude) => (1, 0),
                Some(Op::Points(weight)) if weight <= MOST_WEIGHT && program.next().is_some() => (0, 0),
                Some(Op::Near([a, b])) if a.max(b) <= MOST_WEIGHT && program.nth(1).is_some() => (0, 0),
                _ => return false,
            };
            let Some(rest) = depth.checked_sub(taken) else { return false };
            depth = rest + left;
        }
        depth == 0
    }
}

/// What a profile demands beside its expressions, as expressions.
pub(super) fn limits(profile: &Profile) -> Vec<Expr> {
    let mut limits = Vec::new();
    if profile.min_upvotes > 0 {
        let (measure, comparison) = (Measure::Upvotes, Comparison::AtLeast);
        limits.push(Expr::Clause(Clause::Number { measure, comparison, value: profile.min_upvotes }));
    }
    if !profile.sources.is_empty() {
        limits.push(Expr::Or(profile.sources.iter().map(|id| Expr::Clause(source_clause(id))).collect()));
    }
    limits
}

/// The clause that finds what a source lists.
pub fn source_clause(id: &SourceId) -> Clause {
    // As a phrase, so that a source named `or` is a name still.
    Clause::Text { field: Field::Source, kind: Kind::Phrase, text: id.as_str().to_owned() }
}

struct Compiler<'a> {
    vocabulary: &'a mut Vocabulary,
    /// The literals of keywords of one clause, each with the greatest weight that it was given, in hundredths.
    words: Vec<(u32, u32)>,
    pairs: Vec<[u32; 2]>,
    program: Vec<u32>,
}

/// The most singles and pairs that word 1 can count.
const MOST: usize = u16::MAX as usize;

impl<'a> Compiler<'a> {
    fn new(vocabulary: &'a mut Vocabulary) -> Self {
        Self { vocabulary, words: Vec::new(), pairs: Vec::new(), program: Vec::new() }
    }

    fn finish(mut self, flags: u32) -> CompiledProfile<'static> {
        let mut singles = Vec::with_capacity(self.words.len());
        for (literal, weight) in std::mem::take(&mut self.words) {
            if weight == WEIGHT_ONE && singles.len() < MOST {
                singles.push(literal);
            } else {
                let points = Op::Points(weight).encode();
                self.program.extend([Op::Push(literal).encode(), Op::Keyword.encode(), points, literal]);
            }
        }
        let head = [LANGUAGE << 16 | flags, (singles.len() as u32) << 16 | self.pairs.len() as u32];
        let pairs = self.pairs.into_iter().flatten();
        CompiledProfile { code: head.into_iter().chain(singles).chain(pairs).chain(self.program).collect() }
    }

    fn keyword(&mut self, expr: &Expr, weight: f32) {
        let (expr, weight) = unweighted(expr, weight);
        match expr {
            Expr::Clause(clause) => {
                let (literal, weight) = (self.vocabulary.number(clause), hundredths(weight));
                // Keywords that ask for the same, `LLM` and `LLMs`, are one.
                match self.words.iter_mut().find(|(known, _)| *known == literal) {
                    Some((_, greatest)) => *greatest = weight.max(*greatest),
                    None => self.words.push((literal, weight)),
                }
            }
            Expr::And(all) => match all.as_slice() {
                [a, b] => self.both(expr, a, b, weight),
                _ => self.any(expr, weight),
            },
            _ => self.any(expr, weight),
        }
    }

    /// A keyword of two, which may be two words, or a word and a negation.
    fn both(&mut self, expr: &Expr, a: &Expr, b: &Expr, weight: f32) {
        let has_room = self.pairs.len() < MOST;
        match (unweighted(a, weight), unweighted(b, weight)) {
            ((Expr::Clause(a), weight_a), (Expr::Clause(b), weight_b)) => {
                let weights = [hundredths(weight_a), hundredths(weight_b)];
                let pair = [self.vocabulary.number(a), self.vocabulary.number(b)];
                if has_room && weights == [WEIGHT_ONE; 2] {
                    self.pairs.push(pair);
                } else {
                    self.any(expr, weight);
                    self.program.extend([Op::Near(weights).encode(), pair[0], pair[1]]);
                }
            }
            ((Expr::Clause(a), of_a), (Expr::Not(b), _)) | ((Expr::Not(b), _), (Expr::Clause(a), of_a))
                if has_room && hundredths(of_a) == WEIGHT_ONE =>
            {
                match unweighted(b, 1.0).0 {
                    Expr::Clause(b) => {
                        let pair = [self.vocabulary.number(a), self.vocabulary.number(b) | NEGATED];
                        self.pairs.push(pair);
                    }
                    _ => self.any(expr, weight),
                }
            }
            _ => self.any(expr, weight),
        }
    }

    /// Any keyword, as a program.
    fn any(&mut self, expr: &Expr, weight: f32) {
        self.set(expr, false);
        self.program.push(Op::Keyword.encode());
        self.points(expr, weight, false);
    }

    fn gate(&mut self, expr: &Expr, gate: Op) {
        self.set(expr, false);
        self.program.push(gate.encode());
    }

    /// Code that leaves the papers of `expr`, or with `negate` all others, on the stack. Negations end at the literals.
    fn set(&mut self, expr: &Expr, negate: bool) {
        match expr {
            Expr::Clause(clause) => {
                let literal = self.vocabulary.number(clause);
                self.program.push(if negate { Op::PushNot(literal) } else { Op::Push(literal) }.encode());
            }
            Expr::Not(inner) => self.set(inner, !negate),
            Expr::Weighted(inner, _) => self.set(inner, negate),
            Expr::And(all) | Expr::Or(all) => {
                // De Morgan: not (a and b) = not a or not b.
                let op = if matches!(expr, Expr::And(_)) != negate { Op::And } else { Op::Or };
                for (at, inner) in all.iter().enumerate() {
                    self.set(inner, negate);
                    if at > 0 {
                        self.program.push(op.encode());
                    }
                }
            }
        }
    }

    /// Code that adds what the clauses of `expr` that speak for a paper are worth.
    fn points(&mut self, expr: &Expr, weight: f32, negate: bool) {
        match expr {
            Expr::Clause(_) if negate => {}
            Expr::Clause(clause) => {
                let literal = self.vocabulary.number(clause);
                self.program.extend([Op::Points(hundredths(weight)).encode(), literal]);
            }
            Expr::Not(inner) => self.points(inner, weight, !negate),
            Expr::Weighted(inner, factor) => self.points(inner, weight * factor, negate),
            Expr::And(all) | Expr::Or(all) => all.iter().for_each(|inner| self.points(inner, weight, negate)),
        }
    }
}

/// An expression without the weights around it, and the weight that it has by them.
fn unweighted(expr: &Expr, weight: f32) -> (&Expr, f32) {
    match expr {
        Expr::Weighted(inner, factor) => unweighted(inner, weight * factor),
        _ => (expr, weight),
    }
}
