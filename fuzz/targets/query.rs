//! No expression makes the parser panic, recurse without bound or take long; and printing loses no meaning.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paperpost::core::lint::{Holdings, Role, lint};
use paperpost::core::query::{Clause, Expr, Query};

fuzz_target!(|text: &str| {
    match Query::parse(text) {
        Ok(query) => {
            let again: Expr = query.canonical().parse().expect("the canonical spelling can be read back");
            assert_eq!(&again, query.expr());
            for clause in query.expr().clauses() {
                let again: Clause = clause.to_string().parse().expect("so can each clause alone");
                assert_eq!(&again, clause);
            }
            for role in [Role::Keyword, Role::Must, Role::Exclude] {
                for found in lint(&query, role, &Holdings::default()) {
                    assert!(text.get(found.span).is_some(), "a lint points into the text");
                }
            }
        }
        Err(error) => {
            assert!(text.get(error.span).is_some(), "an error points into the text");
            assert!(!error.hint.is_empty(), "and says how to mend it");
        }
    }
    match Query::parse_lenient(text) {
        Ok(query) => {
            let again = Query::try_from(String::from(query.clone())).expect("what is kept of a query can be read back");
            assert_eq!(again.expr(), query.expr());
        }
        Err(error) => assert!(text.get(error.span).is_some(), "an error points into the text"),
    }
});
