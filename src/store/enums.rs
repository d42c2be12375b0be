//! Enums as words of the database. A word that this program doesn't know is unreadable, never a default: it was written by
//! something else, and to guess what it means could lose a mail or send one twice.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};

use super::StoreError;
use super::bounces::BounceClass;
use super::mail::OutboxState;
use super::suppressions::Reason;
use crate::config::listing::FileState;
use crate::core::delivery::{AttemptOutcome, Phase};
use crate::core::mailing::MailKind;
use crate::core::pacing::Cause;
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
                Ok(ToSqlOutput::from(self.as_str()))
            }
        }
    )*};
}

stored_as_words! {
    AttemptOutcome => "outcome of an attempt",
    Authority => "rank of a source",
    BounceClass => "class of a bounce",
    Cause => "cause of a hold",
    Consent => "consent",
    FileState => "state of a file",
    MailKind => "kind of mail",
    Origin => "origin of a subscription",
    OutboxState => "state of a mail",
    Phase => "phase of an attempt",
    ReadOutcome => "outcome of a read",
    Reason => "reason of a suppression",
    Route => "route of a read",
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
        let has = |table: &str, column: &str, words: &[&str]| {
            let sql = "SELECT sql FROM sqlite_schema WHERE name = ?";
            let schema = store.read(|tx| Ok(tx.query_row(sql, [table], |row| row.get::<_, String>(0))?));
            let words: BTreeSet<_> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(checked(&schema.expect("a table"), column), words);
        };
        has("bounces", "class", &BounceClass::ALL.map(BounceClass::as_str));
        has("holds", "cause", &Cause::ALL.map(Cause::as_str));
        has("outbox", "kind", &MailKind::ALL.map(MailKind::as_str));
        has("outbox", "state", &OutboxState::ALL.map(OutboxState::as_str));
        has("subscriptions", "consent", &Consent::ALL.map(Consent::as_str));
        has("subscriptions", "origin", &Origin::ALL.map(Origin::as_str));
        has("suppressions", "reason", &Reason::ALL.map(Reason::as_str));
    }

    /// What is said of a word that a value of this type can't be.
    fn said_of_an_unknown_word<T: FromSql>(store: &Store) -> String {
        let read = store.read(|tx| Ok(tx.query_row("SELECT 'strange'", [], |row| row.get::<_, T>(0))?));
        read.err().expect("unreadable").to_string()
    }

    #[test]
    fn an_unknown_word_is_unreadable_and_never_a_default() {
        let store = Store::in_memory().expect("a database");
        let said = |what: &str| format!("the database holds a {what} that can't be read: \"strange\" is no {what}");
        assert_eq!(said_of_an_unknown_word::<BounceClass>(&store), said("class of a bounce"));
        assert_eq!(said_of_an_unknown_word::<Cause>(&store), said("cause of a hold"));
        assert_eq!(said_of_an_unknown_word::<FileState>(&store), said("state of a file"));
        assert_eq!(said_of_an_unknown_word::<OutboxState>(&store), said("state of a mail"));
        // As is what others wrote: nothing is counted under a class that nobody knows.
        let careless = "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF;
             INSERT INTO bounces (message, subscription, at, class, reply) VALUES (x'00', 1, 0, 'strange', '')";
        store.writer.lock().execute_batch(careless).expect("a row");
        let read = store.bounces(chrono::DateTime::UNIX_EPOCH).expect_err("unreadable").to_string();
        assert_eq!(read, said("class of a bounce"));
    }
}
