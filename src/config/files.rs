//! The subscription files as they are at one time: found, read, and not yet understood.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::problem::{Place, Problem, Problems, SourceFile};
use super::settings::{FilePattern, Settings};
use super::subscriptions::{Lints, Reading};
use crate::core::subscription::Subscription;

/// What all files say at one time.
pub(super) struct Snapshot {
    files: Vec<FileText>,
    /// What keeps a pattern from naming files.
    problems: Vec<Problem>,
}

struct FileText {
    path: PathBuf,
    text: Result<Arc<SourceFile>, Problem>,
}

impl Snapshot {
    /// Reads the files that the settings name.
    pub(super) fn read(settings: &Settings) -> Self {
        let mut snapshot = Self { files: Vec::new(), problems: Vec::new() };
        for pattern in &settings.subscriptions {
            match pattern.paths() {
                Ok(paths) => paths.into_iter().for_each(|path| snapshot.add(path)),
                Err(problem) => snapshot.problems.push(*problem),
            }
        }
        snapshot
    }

    /// A file that two patterns match is read once.
    fn add(&mut self, path: PathBuf) {
        if !self.files.iter().any(|file| file.path == path) {
            self.files.push(FileText { text: read_file(&path), path });
        }
    }

    /// The same with `text` in the file at `path`, which may be there or not.
    fn with(mut self, path: &Path, text: &str) -> Self {
        let real = |path: &Path| fs::canonicalize(path).or_else(|_| std::path::absolute(path)).ok();
        let source = |path: &Path| Ok(Arc::new(SourceFile::new(path, text)));
        match self.files.iter_mut().find(|file| real(&file.path) == real(path)) {
            Some(file) => file.text = source(&file.path),
            None => self.files.push(FileText { path: path.to_owned(), text: source(path) }),
        }
        self
    }

    /// What the files say, and what is wrong with it.
    pub(super) fn subscriptions(&self, settings: &Settings, lints: Lints<'_>) -> (Vec<Subscription>, Problems) {
        let mut reading = Reading::new(&settings.digest, &settings.sources, lints);
        self.problems.iter().for_each(|problem| reading.push(problem.clone()));
        for file in &self.files {
            match &file.text {
                Ok(text) => reading.file(text),
                Err(problem) => reading.push(problem.clone()),
            }
        }
        (reading.subscriptions, Problems::new(reading.problems))
    }
}

/// The errors that the text `after` in the place of `before` brings into the subscription files, by the rules of a check.
/// An error that was there before is somebody else's.
pub(super) fn new_errors(settings: &Settings, path: &Path, before: &str, after: &str) -> Vec<Problem> {
    let errors = |text: &str| {
        let (_, problems) = Snapshot::read(settings).with(path, text).subscriptions(settings, Lints::Off);
        problems.iter().filter(|problem| problem.is_error()).cloned().collect::<Vec<_>>()
    };
    let mut errors_after = errors(after);
    if !errors_after.is_empty() {
        // Lines move with a change, so an error is known by its file and its words.
        let mut known: HashMap<(Option<PathBuf>, String), usize> = HashMap::new();
        let key = |problem: &Problem| (problem.place.path().map(Path::to_owned), problem.message.clone());
        errors(before).iter().for_each(|problem| *known.entry(key(problem)).or_default() += 1);
        errors_after.retain(|problem| match known.get_mut(&key(problem)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        });
    }
    errors_after
}

impl FilePattern {
    /// The files, sorted by name. None is an error: whoever mistypes a pattern would otherwise unsubscribe everybody.
    fn paths(&self) -> Result<Vec<PathBuf>, Box<Problem>> {
        let problem = |message: String| {
            let place = match &self.place {
                Place::Default => Place::Path(PathBuf::from(&self.pattern)),
                place => place.clone(),
            };
            let hint = match &self.place {
                Place::Default => {
                    "`paperpost subscribe ADDRESS EXPRESSION` makes it; subscriptions.files names another"
                }
                _ => "relative paths start at the folder of the file that names them; an empty list reads none",
            };
            Box::new(Problem::error(place, format!("subscriptions.files: {message}")).hint(hint.to_owned()))
        };
        if !self.is_glob {
            let path = PathBuf::from(&self.pattern);
            let missing = || problem(format!("there is no file {}", path.display()));
            return path.is_file().then(|| vec![path.clone()]).ok_or_else(missing);
        }
        // Editors and `super::edit` keep hidden files beside those that they work on.
        let visible = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
        let found = glob::glob_with(&self.pattern, visible);
        let found = found.map_err(|error| problem(format!("{}: {error}", self.pattern)))?;
        // A folder that can't be looked into may hold subscriptions.
        let paths: Result<Vec<_>, _> = found.collect();
        let mut paths = paths.map_err(|error| problem(error.to_string()))?;
        paths.retain(|path| path.is_file());
        if paths.is_empty() { Err(problem(format!("no file matches {}", self.pattern))) } else { Ok(paths) }
    }

    /// The files that are there, and a plain path also when there is none yet.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        if self.is_glob { self.paths().unwrap_or_default() } else { vec![PathBuf::from(&self.pattern)] }
    }
}

/// Reads a settings or subscription file.
pub(super) fn read_file(path: &Path) -> Result<Arc<SourceFile>, Problem> {
    let problem = |message: String| Problem::error(Place::Path(path.to_owned()), message);
    let bytes = fs::read(path).map_err(|error| problem(format!("can't be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..valid].iter().filter(|&&byte| byte == b'\n').count();
        problem(format!("line {line} is not UTF-8")).hint("save the file as UTF-8".to_owned())
    })?;
    let text = text.strip_prefix('\u{FEFF}').map(str::to_owned).unwrap_or(text);
    Ok(Arc::new(SourceFile::new(path, text)))
}
