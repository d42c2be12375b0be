//! What `--json` prints: one object on one line, once the work is done.
//!
//! Times are UTC, as RFC 3339 has them, but for slots, which are what a clock on the subscriber's wall shows. What there isn't is
//! null. Progress and log still go to standard error.

use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::output;
use crate::config::{Problem, Problems};
use crate::core::candidate::Candidate;

/// What a command has done so far: said in words at once, or kept for the object at the end.
pub(super) struct CommandReport(Option<Mutex<Map<String, Value>>>);

impl CommandReport {
    /// In words, or as an object.
    pub(super) fn new(as_json: bool) -> Self {
        Self(as_json.then(Mutex::default))
    }

    /// One part of what was done.
    pub(super) fn part(&self, key: &str, value: Value, words: impl FnOnce()) {
        match &self.0 {
            Some(parts) => {
                parts.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), value);
            }
            None => words(),
        }
    }

    /// One of several of the same kind.
    pub(super) fn item(&self, key: &str, value: Value, words: impl FnOnce()) {
        match &self.0 {
            Some(parts) => {
                let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
                if let Value::Array(items) = parts.entry(key).or_insert_with(|| json!([])) {
                    items.push(value);
                }
            }
            None => words(),
        }
    }

    /// Prints the object, if that is what was asked for.
    pub(super) fn end(&self, is_good: bool) -> anyhow::Result<()> {
        let Some(parts) = &self.0 else { return Ok(()) };
        let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.insert("ok".to_owned(), json!(is_good));
        output::json(&*parts)
    }
}

/// Problems, each with its place. The message is the one of the log: it repeats no secret.
pub(super) fn problems(problems: &Problems) -> Vec<Value> {
    problems.iter().map(problem).collect()
}

fn problem(problem: &Problem) -> Value {
    let (line, column) = problem.place.line_column().unzip();
    json!({
        "severity": if problem.is_error() { "error" } else { "warning" },
        "place": problem.place.to_string(),
        "file": problem.place.path().map(|path| path.display().to_string()),
        "line": line,
        "column": column,
        "message": problem.message,
        "hint": problem.hint,
    })
}

/// A paper in a list.
pub(super) fn paper(candidate: &Candidate) -> Value {
    json!({
        "key": candidate.paper.key,
        "title": candidate.paper.title,
        "url": candidate.paper.url,
        "day": candidate.day(),
        "upvotes": candidate.upvotes(),
    })
}
