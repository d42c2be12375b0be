//! What holds wherever something else does: `title:graph` is a `graph`, and more than five votes are more than three.
//!
//! What is said here is certain; that nothing is said proves nothing.

use std::ops::RangeInclusive;

use crate::core::query::{Comparison, Field, Literal, Part, Pattern, Unit};
use crate::core::text::{self, Form};

/// Whether every paper that has `a` has `b`.
pub(super) fn implies(a: &Literal, b: &Literal) -> bool {
    match (a, b) {
        (Literal::Text { field, pattern: a }, Literal::Text { field: outer, pattern: b }) => {
            let is_inside = field == outer || (*outer == Field::Any && matches!(field, Field::Title | Field::Abstract));
            is_inside && has_pattern(a, b)
        }
        (Literal::Number(measure, a, value), Literal::Number(other, b, limit)) => {
            let (a, b) = (bounds(*a, *value), bounds(*b, *limit));
            measure == other && b.contains(a.start()) && b.contains(a.end())
        }
        (Literal::Category(a), Literal::Category(b)) | (Literal::Source(a), Literal::Source(b)) => {
            (b.prefix || !a.prefix) && b.finds(&a.name)
        }
        (Literal::Like(a), Literal::Like(b)) => a.ids == b.ids && a.share <= b.share,
        _ => a == b,
    }
}

/// The numbers that stand so to `value`; none, with the end below the start, where no number does.
pub(super) fn bounds(comparison: Comparison, value: u32) -> RangeInclusive<u64> {
    let value = u64::from(value);
    match comparison {
        // Nothing is below zero.
        Comparison::Less if value == 0 => RangeInclusive::new(1, 0),
        Comparison::Less => 0..=value - 1,
        Comparison::AtMost => 0..=value,
        Comparison::Equal => value..=value,
        Comparison::AtLeast => value..=u64::MAX,
        Comparison::Greater => value + 1..=u64::MAX,
    }
}

/// Whether a text with `a` has `b`: the same words more exactly, or more words.
fn has_pattern(a: &Pattern, b: &Pattern) -> bool {
    let each = || {
        let mut pairs = a.units.iter().zip(&b.units);
        a.units.len() == b.units.len() && pairs.all(|(a, b)| has_unit(a, b) && (b.after_end || !a.after_end))
    };
    match (b.units.as_slice(), b.near) {
        ([only], _) => a.units.iter().any(|unit| has_unit(unit, only)),
        // A word in parentheses may be long.
        (_, Some(within)) => a.near.map_or(!a.steps_over_asides(), |near| near <= within) && each(),
        (_, None) => a.near.is_none() && each(),
    }
}

fn has_unit(a: &Unit, b: &Unit) -> bool {
    (&a.parts, &a.whole) == (&b.parts, &b.whole)
        || match (a.parts.as_slice(), &a.whole) {
            ([only], None) => matches!(b.parts.as_slice(), [part] if has_part(only, part)),
            // A compound as it is written.
            ([], Some(whole)) => b.whole.as_ref().is_some_and(|part| has_part(whole, part)),
            _ => false,
        }
}

fn has_part(a: &Part, b: &Part) -> bool {
    match (a, b) {
        (Part::Exact(word), b) => b.finds(word, &Form::of(word)),
        (Part::Prefix(a), Part::Prefix(b)) => a.starts_with(b.as_str()),
        (Part::Stem(stem, second), Part::Stem(other, of_other))
        | (Part::Root(stem, second), Part::Root(other, of_other)) => {
            let is_one = |stem: &String| stem == other || Some(stem) == of_other.as_ref();
            is_one(stem) && second.as_ref().is_none_or(is_one)
        }
        (Part::Stem(stem, second), Part::Root(root, of_other)) => {
            let is_one = |stem: &String| [Some(root), of_other.as_ref()].contains(&Some(&text::root(stem)));
            is_one(stem) && second.as_ref().is_none_or(is_one)
        }
        _ => false,
    }
}
