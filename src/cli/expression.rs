//! Keyword expressions given on the command line: parsed, and judged before they are used.

use std::io::IsTerminal;
use std::sync::Arc;

use super::wiring;
use crate::clock::Clock;
use crate::config::problem::SourceFile;
use crate::config::{Place, Problem, Settings, Severity};
use crate::core::matching::Pool;
use crate::core::query::{Lint, Query, Role, lint};

/// Parses an expression; what is wrong is shown with a caret under it.
pub(super) fn parse(text: &str) -> anyhow::Result<Query> {
    Query::parse(text).map_err(|error| {
        let problem = at(text, error.span, Severity::Error, error.message, Some(error.hint));
        anyhow::anyhow!("this is no keyword expression\n{}", pretty(&problem))
    })
}

/// Prints what was probably not meant.
pub(super) fn warn(query: &Query, text: &str, role: Role, recent: Option<&Pool>) {
    lint(query, role, recent).into_iter().for_each(|lint| show(lint, text));
}

/// Prints one warning about an expression.
pub(super) fn show(Lint { span, message, hint }: Lint, text: &str) {
    eprintln!("{}", pretty(&at(text, span, Severity::Warning, message, hint)));
}

/// The papers that the next editions would look at, when there is a database that can be read.
pub(super) fn recent(settings: &Settings) -> Option<Pool> {
    let store = wiring::look(settings).ok()??;
    let now = Clock::System.now();
    let (_, candidates) = store.candidates(now - wiring::publish(settings).window).ok()?;
    Some(Pool::with_liked(candidates, &store.liked_papers().ok()?, now))
}

fn at(text: &str, span: std::ops::Range<usize>, severity: Severity, message: String, hint: Option<String>) -> Problem {
    let place = Place::Text(Arc::new(SourceFile::new("expression", text)), span);
    Problem { severity, place, message, hint }
}

fn pretty(problem: &Problem) -> String {
    problem.pretty(std::io::stderr().is_terminal())
}
