//! The numbers of literals.
//!
//! Profiles are compiled to numbers, and a pool finds the papers of each number once. A vocabulary only grows, so what was
//! compiled by it stays right; and it can be made anew from the clauses that its literals were met in.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::core::query::{Clause, Literal};

/// The numbers of literals, from 0 in the order they were first met.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    numbers: HashMap<Literal, u32, FixedState>,
    /// What was asked before, so that a clause that many profiles share is stemmed once.
    asked: HashMap<Clause, u32, FixedState>,
    /// By number: the clause it was first met in.
    clauses: Vec<Clause>,
}

impl Vocabulary {
    /// How many literals it has.
    pub fn len(&self) -> usize {
        self.clauses.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    /// The number of a literal that it has.
    pub fn get(&self, literal: &Literal) -> Option<u32> {
        self.numbers.get(literal).copied()
    }

    /// By number: the clause that each literal was first met in. Numbering these in order makes the vocabulary anew.
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// The literals with their numbers, in no order.
    pub(super) fn literals(&self) -> impl Iterator<Item = (&Literal, u32)> {
        self.numbers.iter().map(|(literal, number)| (literal, *number))
    }

    /// The number of a clause's literal, a new one if it is new.
    pub fn number(&mut self, clause: &Clause) -> u32 {
        if let Some(number) = self.asked.get(clause) {
            return *number;
        }
        let next = self.clauses.len() as u32;
        let number = *self.numbers.entry(clause.literal()).or_insert(next);
        if number == next {
            self.clauses.push(clause.clone());
        }
        self.asked.insert(clause.clone(), number);
        number
    }
}
