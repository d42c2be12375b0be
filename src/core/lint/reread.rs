//! Expressions that once meant something else.
//!
//! A caret with a number was a weight behind every word. Now it is part of a name, as in `OPD^2` and `M^3Eval`, unless the
//! word is in lower case. So a person who wrote `RAG^2` has to be told.

use std::ops::Range;

use super::Lint;
use crate::core::query::{Query, cut, parse_old_carets, quoted};

/// What to tell the owner of an expression in which a caret was a weight once and is none now.
pub fn reread(query: &Query) -> Option<Lint> {
    if !query.text().contains('^') {
        return None;
    }
    let before = parse_old_carets(query.text()).ok()?;
    if before == *query.expr() {
        return None;
    }
    // Spans are of what was written, which may have had what nobody sees: then all of it is named.
    let weighed = |span: &Range<usize>| query.text().get(span.clone()).filter(|text| text.contains('^'));
    let span = query.spans().iter().find(|span| weighed(span).is_some()).or(query.spans().first())?.clone();
    let name = weighed(&span).unwrap_or(query.text());
    let message = format!("{} is looked for as a name: behind a capital or a digit \"^\" is no weight", quoted(name));
    let hint = format!("for the weight write `{}`; in quotes the name is clear", cut(&before.to_string()));
    Some(Lint { span, message, hint })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<String> {
        reread(&Query::parse(text).expect(text)).map(|lint| lint.hint)
    }

    #[test]
    fn who_weighed_a_name_is_told_how_to_do_it_now() {
        for (text, now) in [
            ("OPD^2", "`(OPD)^2`"),
            ("speech title:RAG^3", "`speech (title:RAG)^3`"),
            ("=RAG^2 OR x", "`(=RAG)^2 OR x`"),
            ("gpt-4^10", "`(gpt-4)^10`"),
            ("M^3Eval", "`(M)^3 Eval`"),
        ] {
            assert!(told(text).is_some_and(|hint| hint.contains(now)), "{text}: {:?}", told(text));
        }
        for same in
            ["graph^2", "(OPD)^2", "\"OPD\"^2", "\"OPD^2\"", "OPD^2.5", "Diffus*^2", "TC^0", "has:code^2", "x^n"]
        {
            assert_eq!(told(same), None, "{same}");
        }
    }

    #[test]
    fn what_nobody_sees_before_a_name_does_no_harm() {
        for text in ["\r2^2", "\u{200B}OPD^2", "\u{AD}\u{AD}\u{AD}OPD^2"] {
            assert!(told(text).is_some(), "{text:?}");
        }
    }

    #[test]
    fn what_is_told_to_write_means_what_it_meant() {
        for text in ["OPD^2", "a -(RAG^2 OR title:B2^0.5)", "=GPT-4^3 x2"] {
            let before = parse_old_carets(text).expect(text);
            assert_eq!(before.to_string().parse(), Ok(before));
        }
    }
}
