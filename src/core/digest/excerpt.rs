//! Cutting text to a length that reads well, and marking what matched in the part that is left.

use std::ops::Range;

use templates::Run;

/// What stands for a part that was cut off.
const ELLIPSIS: char = '…';

/// Words that end in a full stop without ending a sentence; compared in lower case, without that stop.
const ABBREVIATIONS: [&str; 38] = [
    "al", "approx", "app", "apps", "ca", "cf", "ch", "def", "defs", "dr", "e.g", "ed", "eds", "eq", "eqs", "fig",
    "figs", "i.e", "incl", "mr", "mrs", "ms", "no", "nos", "p", "pp", "prof", "ref", "refs", "resp", "sec", "secs",
    "sect", "st", "tab", "viz", "vol", "vs",
];

/// The beginning of `text` in at most `limit` characters: all of it, or up to the last end of a sentence in the second
/// half, or up to the last word and an ellipsis. The length is in bytes of `text`; the flag asks for the ellipsis.
pub(super) fn cut(text: &str, limit: usize) -> (usize, bool) {
    let Some((end, _)) = text.char_indices().nth(limit) else { return (text.len(), false) };
    if limit == 0 {
        return (0, false);
    }
    let half = text.char_indices().nth(limit / 2).map_or(0, |(i, _)| i);
    // The end of a sentence shows only in what follows it, so the search may look beyond the limit.
    match sentence_ends(text).take_while(|&i| i <= end).filter(|&i| i >= half).last() {
        Some(sentence) => (sentence, false),
        None => (word_end(text, limit - 1), true),
    }
}

/// `text` in at most `limit` characters, cut at a word.
pub(super) fn clip(text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    let mut clipped = text[..word_end(text, limit.saturating_sub(1))].to_owned();
    clipped.push(ELLIPSIS);
    clipped
}

/// What a cut leaves of a text.
pub(super) fn shown(text: &str, (end, ellipsis): (usize, bool)) -> String {
    let mut shown = text[..end].to_owned();
    shown.extend(ellipsis.then_some(ELLIPSIS));
    shown
}

/// The ranges to highlight in `text` up to byte `end`, in order and apart. A range that does not fit the text, as when a
/// later version of it replaced the one that matched, is clipped to it or left out.
pub(super) fn marks<'a>(
    text: &'a str,
    matched: &'a [Range<usize>],
    end: usize,
) -> impl Iterator<Item = Range<usize>> + 'a {
    let shown = &text[..end];
    let mut at = 0;
    matched.iter().filter_map(move |range| {
        let (start, stop) = (range.start.max(at), range.end.min(end));
        if start >= stop || !shown.is_char_boundary(start) || !shown.is_char_boundary(stop) {
            return None;
        }
        at = stop;
        Some(start..stop)
    })
}

/// `text` up to byte `end` as runs, where `matched` gives the byte ranges to highlight, see [`marks`].
pub(super) fn runs(text: &str, matched: &[Range<usize>], (end, ellipsis): (usize, bool)) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut push = |text: &str, matched: bool| {
        if !text.is_empty() {
            runs.push(Run { text: text.to_owned(), matched });
        }
    };
    let mut at = 0;
    for mark in marks(text, matched, end) {
        push(&text[at..mark.start], false);
        push(&text[mark.clone()], true);
        at = mark.end;
    }
    push(&text[at..end], false);
    if ellipsis {
        match runs.last_mut() {
            Some(last) if !last.matched => last.text.push(ELLIPSIS),
            _ => runs.push(Run { text: ELLIPSIS.to_string(), matched: false }),
        }
    }
    runs
}

/// The last place, in bytes, where `text` may be cut to at most `limit` characters: after a word, or between any two
/// characters when there is no space in the second half (East Asian text, an endless word).
fn word_end(text: &str, limit: usize) -> usize {
    let end = text.char_indices().nth(limit).map_or(text.len(), |(i, _)| i);
    let whole = text[end..].starts_with(char::is_whitespace) || end == text.len();
    let cut = if whole { Some(end) } else { text[..end].rfind(char::is_whitespace) };
    let cut = cut.filter(|&i| i >= end / 2).unwrap_or(end);
    text[..cut].trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '–' | '—')).len()
}

/// The byte positions just after each sentence of `text`, closing quotes and brackets included.
fn sentence_ends(text: &str) -> impl Iterator<Item = usize> {
    text.char_indices().filter_map(|(i, c)| match c {
        '。' | '！' | '？' | '｡' => Some(after_closing(text, i + c.len_utf8())),
        '.' | '!' | '?' => {
            let end = after_closing(text, i + 1);
            let mut rest = text[end..].chars();
            let ends = match (rest.next(), rest.next()) {
                (None, _) => true,
                (Some(space), next) if space.is_whitespace() => {
                    !(next.is_some_and(char::is_lowercase) || c == '.' && is_abbreviated(&text[..i]))
                }
                _ => false,
            };
            ends.then_some(end)
        }
        _ => None,
    })
}

fn after_closing(text: &str, from: usize) -> usize {
    let closing = |c: char| matches!(c, ')' | ']' | '"' | '\'' | '’' | '”' | '»' | '」' | '』' | '）' | '】');
    text.len() - text[from..].trim_start_matches(closing).len()
}

/// Whether the full stop after `before` belongs to its last word: a known abbreviation or an initial.
fn is_abbreviated(before: &str) -> bool {
    let word = before.rsplit(|c: char| c.is_whitespace() || matches!(c, '(' | '[' | '"')).next().unwrap_or_default();
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    is_initial || ABBREVIATIONS.contains(&word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str, limit: usize) -> String {
        let shown = super::shown(text, cut(text, limit));
        assert_eq!(runs(text, &[], cut(text, limit)).into_iter().map(|run| run.text).collect::<String>(), shown);
        shown
    }

    #[test]
    fn text_is_cut_after_a_sentence() {
        for (text, limit, expected) in [
            ("Short. Text.", 50, "Short. Text."),
            ("One two three. Four five six seven.", 25, "One two three."),
            ("We reach 3.5 points. Then more follows here.", 30, "We reach 3.5 points."),
            ("A new loss, e.g. Hinge loss, wins. It is fast.", 40, "A new loss, e.g. Hinge loss, wins."),
            ("As Author et al. Showed it, in Fig. 3 and Eq. 4, fine. More text.", 60, {
                "As Author et al. Showed it, in Fig. 3 and Eq. 4, fine."
            }),
            ("Is it (really so?) Yes it is indeed.", 24, "Is it (really so?)"),
            ("我们提出一种方法。它很快，而且准确。还有更多。", 18, "我们提出一种方法。它很快，而且准确。"),
        ] {
            assert_eq!(shown(text, limit), expected);
        }
    }

    #[test]
    fn without_a_sentence_end_it_is_cut_after_a_word() {
        for (text, limit, expected) in [
            ("Short. Then a long sentence without an end", 30, "Short. Then a long sentence…"),
            ("We use 3.5 points, e.g. Here, and so on", 25, "We use 3.5 points, e.g.…"),
            ("我们提出一种方法它很快而且准确", 8, "我们提出一种方…"),
            ("anything", 0, ""),
        ] {
            assert_eq!(shown(text, limit), expected);
        }
    }

    #[test]
    fn highlights_end_with_what_is_shown() {
        let text = "Sparse retrieval is fast and sparse";
        let marked = runs(text, &[0..6, 7..16, 29..35], (11, true));
        let expect = |text: &str, matched| Run { text: text.to_owned(), matched };
        assert_eq!(marked, [expect("Sparse", true), expect(" ", false), expect("retr", true), expect("…", false)]);
    }

    #[test]
    fn ranges_of_another_text_do_no_harm() {
        let text = "é";
        for range in [0..1, 1..2, 5..9, 1..1] {
            let marked = runs(text, std::slice::from_ref(&range), (text.len(), false));
            assert_eq!(marked, [Run { text: text.to_owned(), matched: false }], "{range:?}");
        }
    }

    proptest! {
        #[test]
        fn a_cut_stays_within_the_limit(text in "[a-zA-Z論。.,é ]{0,120}", limit in 0usize..80) {
            prop_assert!(shown(&text, limit).chars().count() <= limit);
            prop_assert!(clip(&text, limit.max(1)).chars().count() <= limit.max(1));
        }
    }
}
