//! Enums as words of the database. A word that this program doesn't know is unreadable, never a default: it was written by
//! something else, and to guess what it means could lose a mail or send one twice.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};

use super::StoreError;
use super::outbox::OutboxState;
use super::suppressions::Reason;
use crate::core::delivery::{AttemptOutcome, Phase};
use crate::core::paper::describe::Authority;
use crate::core::paper::{ReadOutcome, Route};
use crate::core::subscription::{Consent, Origin};

/// A word in the database that names no variant.
#[derive(Debug, thiserror::Error)]
#[error("{word:?} is no {what}")]
pub(super) struct UnknownWord {
    pub(super) what: &'static str,
    word: String,
}

macro_rules! stored_as_words {
    ($($type:ty => $what:literal),* $(,)?) => {$(
        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let word = value.as_str()?;
                let unknown = |_| UnknownWord { what: $what, word: word.to_owned() };
                word.parse().map_err(unknown).map_err(|unknown| FromSqlError::Other(Box::new(unknown)))
            }
        }

        impl ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(<&'static str>::from(*self)))
            }
        }
    )*};
}

stored_as_words! {
    AttemptOutcome => "outcome of an attempt",
    Authority => "rank of a source",
    Consent => "consent",
    Origin => "origin of a subscription",
    OutboxState => "state of a mail",
    Phase => "phase of an attempt",
    ReadOutcome => "outcome of a read",
    Route => "route of a read",
    Reason => "reason of a suppression",
}

impl UnknownWord {
    /// The error, if it is one of a word.
    pub(super) fn of(error: &rusqlite::Error) -> Option<StoreError> {
        let rusqlite::Error::FromSqlConversionFailure(_, _, cause) = error else { return None };
        let unknown = cause.downcast_ref::<Self>()?;
        Some(StoreError::Unreadable { what: unknown.what, why: unknown.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use strum::VariantNames;

    use super::*;
    use crate::store::Store;

    /// The words that a CHECK of the schema lists for `column`.
    fn checked(schema: &str, column: &str) -> BTreeSet<String> {
        let list = schema.split_once(&format!("CHECK ({column} IN (")).expect("a check").1;
        let list = list.split_once(')').expect("its end").0;
        list.split(',').map(|word| word.trim().trim_matches('\'').to_owned()).collect()
    }

    #[test]
    fn the_schema_and_the_enums_have_the_same_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("p.db")).expect("a database");
        let schema = |table: &str| {
            let sql = "SELECT sql FROM sqlite_schema WHERE name = ?";
            store.read(|tx| Ok(tx.query_row(sql, [table], |row| row.get::<_, String>(0))?)).expect("a table")
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(checked(&schema("outbox"), "state"), names(OutboxState::VARIANTS));
        assert_eq!(checked(&schema("subscriptions"), "consent"), names(Consent::VARIANTS));
        assert_eq!(checked(&schema("subscriptions"), "origin"), names(Origin::VARIANTS));
        assert_eq!(checked(&schema("suppressions"), "reason"), names(Reason::VARIANTS));
    }

    #[test]
    fn an_unknown_word_is_unreadable_and_never_a_default() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("p.db")).expect("a database");
        let read = store.read(|tx| Ok(tx.query_row("SELECT 'postponed'", [], |row| row.get::<_, OutboxState>(0))?));
        let told = read.expect_err("unreadable").to_string();
        assert_eq!(
            told,
            "the database holds a state of a mail that can't be read: \"postponed\" is no state of a mail"
        );
    }
}
