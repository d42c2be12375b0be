//! No expression makes the parser panic, recurse without bound or take long; and printing loses no meaning.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paperpost::core::query::{Query, lint};

fuzz_target!(|text: &str| {
    match Query::parse(text) {
        Ok(query) => {
            let canonical = query.canonical();
            let again = Query::parse(&canonical).expect("the canonical spelling parses");
            assert_eq!(again.canonical(), canonical);
            for found in lint(&query, None) {
                assert!(text.get(found.span).is_some(), "a lint points into the text");
            }
        }
        Err(error) => assert!(text.get(error.span).is_some(), "an error points into the text"),
    }
    let _ = Query::parse_lenient(text);
});
