//! Asides: a parenthesis of one word, as in "Vision-Language-Action (VLA) models", which a phrase steps over.
//!
//! The word has a letter, so years and numbers of equations are none, and nothing stands beside it in the parenthesis. A
//! compound is one word here.

use super::Word;

/// The asides among the `words` of `text`: the position at which each begins and the one after it, in order.
pub fn asides(text: &str, words: &[Word]) -> Vec<(u32, u32)> {
    if !text.contains(is_open) {
        return Vec::new();
    }
    // By where it begins and ends: a compound covers its parts.
    let mut by_start: Vec<&Word> = words.iter().collect();
    by_start.sort_unstable_by_key(|word| (word.range.start, word.range.end));
    let opened = text.match_indices(is_open).filter_map(|(at, open)| {
        // `\(` begins a formula.
        let inside = &text[at + open.len()..];
        let length = inside.find(|c: char| is_open(c) || is_close(c) || c.is_whitespace())?;
        let token = &inside[..length];
        if !inside[length..].starts_with(is_close) || text[..at].ends_with('\\') || !token.contains(char::is_alphabetic)
        {
            return None;
        }
        let (start, end) = (at + open.len(), at + open.len() + length);
        let first = by_start.partition_point(|word| word.range.start < start);
        let all = || by_start[first..].iter().take_while(|word| word.range.start < end);
        let whole = all().filter(|word| word.range.end <= end).max_by_key(|word| word.length)?;
        let is_alone = all().all(|word| (whole.position..whole.position + whole.length).contains(&word.position));
        is_alone.then_some((whole.position, whole.position + whole.length))
    });
    opened.collect()
}

fn is_open(c: char) -> bool {
    matches!(c, '(' | '（')
}

fn is_close(c: char) -> bool {
    matches!(c, ')' | '）')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::text::words;

    #[test]
    fn one_word_in_a_parenthesis_is_an_aside() {
        let found = |text: &str| asides(text, &words(text));
        for (text, expected) in [
            ("a (VLA) model", vec![(1, 2)]),
            ("a (VLAs) model", vec![(1, 2)]),
            ("a (GPT-4o) model", vec![(1, 3)]),
            ("a (state-space-like) model (SSM)", vec![(1, 4), (5, 6)]),
            ("模型（VLA）", vec![(2, 3)]),
            ("model(s) of (2024) and (see Section) and (w/o)", vec![(1, 2)]),
            ("a (3) (12.5) () ( ) (VLA, VLM) model", vec![]),
            (r"\(x\) and ((x)) and (x", vec![(2, 3)]),
            ("a (VLA model) (VLA", vec![]),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }
}
