//! What is wrong in a configuration, and where.
//!
//! A [`Problem`] names its place as exactly as it can: file, line and column; an environment variable; an override. It
//! prints as one line, for a log, or with the source line and a caret, for a person at a terminal. The one-line form
//! never quotes what may be personal or secret.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::mask;
use crate::core::printable::printable;

/// A file that was read, kept so that a problem can show its line.
pub struct SourceFile {
    /// The path as it was given: relative when the configuration was named so.
    pub path: PathBuf,
    /// The text, without a byte order mark.
    pub text: String,
    /// Where each line starts: a file may have as many problems as lines.
    line_starts: Vec<usize>,
    /// The text without its secrets, once it has been asked for.
    masked: OnceLock<String>,
}

impl SourceFile {
    /// Keeps a file that was read.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(newline, _)| newline + 1)).collect();
        Self { path, text, line_starts, masked: OnceLock::new() }
    }

    /// The text as it may be shown: secrets are covered, and every byte keeps its place.
    fn masked(&self) -> &str {
        self.masked.get_or_init(|| mask::masked(&self.text))
    }

    /// Line and column of a byte offset, both from 1; the column counts characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.line_starts.partition_point(|&start| start <= offset);
        let start = self.line_starts[line - 1];
        (line, self.text[start..offset].chars().count() + 1)
    }
}

// The text may hold passwords and addresses.
impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Where a value came from.
#[derive(Clone, Debug)]
pub enum ValuePlace {
    /// Some bytes of a file.
    Text(Arc<SourceFile>, Range<usize>),
    /// A file or folder as a whole: it can't be read, or isn't there.
    Path(PathBuf),
    /// An environment variable.
    Variable(String),
    /// An override given by the caller, usually on the command line.
    Override(String),
    /// The built-in default.
    Default,
}

impl ValuePlace {
    /// The file, for a place in one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            ValuePlace::Text(file, _) => Some(&file.path),
            ValuePlace::Path(path) => Some(path),
            _ => None,
        }
    }

    /// Line and column, both from 1, for a place in a file's text.
    pub fn line_column(&self) -> Option<(usize, usize)> {
        match self {
            ValuePlace::Text(file, span) => Some(file.line_column(span.start)),
            _ => None,
        }
    }

    /// `file:line`, for pointing at it from another problem.
    pub(super) fn file_and_line(&self) -> String {
        match self {
            ValuePlace::Text(file, span) => format!("{}:{}", file.path.display(), file.line_column(span.start).0),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for ValuePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValuePlace::Text(file, span) => {
                let (line, column) = file.line_column(span.start);
                write!(f, "{}:{line}:{column}", file.path.display())
            }
            ValuePlace::Path(path) => write!(f, "{}", path.display()),
            ValuePlace::Variable(name) => write!(f, "environment variable {name}"),
            ValuePlace::Override(key) => write!(f, "override {key}"),
            ValuePlace::Default => f.write_str("default"),
        }
    }
}

/// Whether a problem stops the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration can't be used.
    Error,
    /// It can, but probably says something that wasn't meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Whether it stops the program.
    pub severity: Severity,
    /// Where it is.
    pub place: ValuePlace,
    /// What is wrong and what was expected, after the key it is about.
    pub message: String,
    /// How to mend it, when that is known.
    pub hint: Option<String>,
}

impl Problem {
    /// An error, without a hint.
    pub(super) fn error(place: ValuePlace, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, place, message: message.into(), hint: None }
    }

    /// A warning, without a hint.
    pub(super) fn warning(place: ValuePlace, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, message) }
    }

    /// The same with a hint, when there is one.
    pub(super) fn hint(self, hint: impl Into<Option<String>>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// The same as one that stops the program.
    pub(crate) fn into_error(self) -> Self {
        Self { severity: Severity::Error, ..self }
    }

    /// Whether it stops the program.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The source line with a caret under the fault, over several lines; with ANSI colours when `colour` is set. It
    /// shows what the file says, less its secrets: for the person who asked, not for a log.
    pub fn pretty(&self, colour: bool) -> String {
        let level = if self.is_error() { Level::ERROR } else { Level::WARNING };
        let group = match &self.place {
            ValuePlace::Text(file, span) => level.primary_title(self.message.as_str()).element(
                Snippet::source(file.masked())
                    .path(file.path.display().to_string())
                    .annotation(AnnotationKind::Primary.span(span.clone())),
            ),
            place => Group::with_title(level.primary_title(format!("{place}: {}", self.message))),
        };
        let group = match &self.hint {
            // The renderer makes a title and the lines of a file harmless, and trusts a message.
            Some(hint) => group.element(Level::HELP.with_name(Some("hint")).message(printable(hint))),
            None => group,
        };
        if colour { Renderer::styled() } else { Renderer::plain() }.render(&[group])
    }
}

/// `file:line:column: message`, and the hint on a second line.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warning = if self.is_error() { "" } else { "warning: " };
        write!(f, "{}: {warning}{}", self.place, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Every problem of a configuration, ordered by place; never just the first.
#[derive(Clone, Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| match &problem.place {
            ValuePlace::Text(file, span) => (0, file.path.clone(), span.start),
            ValuePlace::Path(path) => (0, path.clone(), 0),
            _ => (1, PathBuf::new(), 0),
        });
        Self(problems)
    }

    /// The problems in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many errors.
    pub fn errors(&self) -> usize {
        self.iter().filter(|problem| problem.is_error()).count()
    }

    /// How many warnings.
    pub fn warnings(&self) -> usize {
        self.0.len() - self.errors()
    }

    /// All of them as [`Problem::pretty`] shows one, a blank line between them.
    pub fn pretty(&self, colour: bool) -> String {
        self.iter().map(|problem| problem.pretty(colour)).collect::<Vec<_>>().join("\n\n")
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, span: Range<usize>) -> Problem {
        let file = SourceFile::new("config/a.toml", text);
        Problem::error(ValuePlace::Text(Arc::new(file), span), "query: expected a word")
            .hint("quote a phrase to match it whole".to_owned())
    }

    #[test]
    fn a_line_counts_from_one_and_a_column_counts_characters() {
        let problem = at("a = 1\r\nü = \"é AND\"\n", 17..20);
        assert_eq!(
            problem.to_string(),
            "config/a.toml:2:9: query: expected a word\nhint: quote a phrase to match it whole"
        );
        assert_eq!(at("a", 99..99).place.line_column(), Some((1, 2)), "past the end is the end");
    }

    #[test]
    fn the_pretty_form_shows_the_line_and_a_caret() {
        let pretty = at("a = 1\nkeywords = [\"rag AND\"]\n", 20..23).pretty(false);
        let lines: Vec<_> = pretty.lines().map(str::trim_end).collect();
        assert_eq!(
            lines,
            [
                "error: query: expected a word",
                " --> config/a.toml:2:15",
                "  |",
                "2 | keywords = [\"rag AND\"]",
                "  |               ^^^",
                "  |",
                "  = hint: quote a phrase to match it whole",
            ]
        );
        let place = ValuePlace::Variable("PAPERPOST__LOG__LEVEL".into());
        let pretty = Problem::warning(place, "log.level: odd").pretty(false);
        assert_eq!(pretty, "warning: environment variable PAPERPOST__LOG__LEVEL: log.level: odd");
    }

    #[test]
    fn a_span_at_the_very_end_can_still_be_shown() {
        assert!(at("a = \"x", 6..6).pretty(false).contains("a.toml:1:7"));
        assert!(at("", 0..0).pretty(true).contains("query"));
    }

    #[test]
    fn a_file_never_prints_its_text_by_accident() {
        assert!(!format!("{:?}", at("password = \"hunter2\"", 0..3)).contains("hunter2"));
    }
}
