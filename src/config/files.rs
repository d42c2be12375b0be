//! The subscription files as they are at one time: found, read, and then understood.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::listing::{FileHash, FileState, ListedFile, Listing};
use super::problem::{Problem, Problems, SourceFile, ValuePlace};
use super::settings::{Digest, FilePattern, Settings};
use super::subscriptions::{Lints, Reading};
use crate::source::Source;

/// Where subscriptions are, and what they mean where they don't say.
#[derive(Clone, Debug)]
pub struct SubscriptionFiles {
    patterns: Vec<FilePattern>,
    digest: Digest,
    sources: Vec<Source>,
    max_removed: f64,
}

/// What all files are at one time.
#[derive(Debug)]
pub struct Snapshot {
    files: Vec<FileText>,
}

#[derive(Debug)]
struct FileText {
    path: PathBuf,
    hash: Option<FileHash>,
    text: Result<Arc<SourceFile>, (FileState, Problem)>,
}

/// What tells that files have changed without reading them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp(Vec<(PathBuf, Option<Outside>)>);

/// When a file was changed (seconds and nanoseconds), its length and its inode.
type Outside = (i64, i64, u64, u64);

impl SubscriptionFiles {
    /// Those that the settings name.
    pub fn of(settings: &Settings) -> Self {
        Self {
            patterns: settings.subscriptions.clone(),
            digest: settings.digest.clone(),
            sources: settings.sources.clone(),
            max_removed: settings.max_removed,
        }
    }

    /// Reads them.
    pub fn read(&self) -> Snapshot {
        let mut files: Vec<FileText> = Vec::new();
        for pattern in &self.patterns {
            match pattern.paths() {
                Ok(paths) => {
                    for path in paths {
                        // A file that two patterns match is read once.
                        if !files.iter().any(|file| file.path == path) {
                            files.push(FileText::read(path));
                        }
                    }
                }
                Err((state, problem)) => {
                    let path = PathBuf::from(&pattern.pattern);
                    files.push(FileText { path, hash: None, text: Err((state, *problem)) });
                }
            }
        }
        Snapshot { files }
    }

    /// What they look like from outside.
    pub fn stamp(&self) -> Stamp {
        let paths = self.patterns.iter().flat_map(FilePattern::files);
        let stamp = |metadata: Metadata| (metadata.mtime(), metadata.mtime_nsec(), metadata.len(), metadata.ino());
        Stamp(paths.map(|path| (path.clone(), fs::metadata(path).ok().map(stamp))).collect())
    }

    /// The folders in which something happens when they change: theirs, and those of what symbolic links lead to.
    pub fn folders(&self) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        for path in self.patterns.iter().flat_map(|pattern| {
            let is_literal = |part: &Path| !pattern.is_glob || !part.to_string_lossy().contains(['*', '?', '[']);
            let path = PathBuf::from(&pattern.pattern);
            let literal = path.ancestors().skip(1).find(|folder| is_literal(folder)).map(|folder| folder.join("*"));
            literal.into_iter().chain(pattern.files())
        }) {
            let path = std::path::absolute(&path).unwrap_or(path);
            folders.extend(path.parent().map(Path::to_owned));
            folders.extend(fs::canonicalize(&path).ok().and_then(|real| Some(real.parent()?.to_owned())));
        }
        folders.sort_unstable();
        folders.dedup();
        folders
    }
}

impl Snapshot {
    /// Each file by its path from the root, with the SHA-256 of its bytes; without one it can't be read or isn't there.
    pub fn hashes(&self) -> Vec<(PathBuf, Option<FileHash>)> {
        self.files.iter().map(|file| (absolute(&file.path), file.hash)).collect()
    }

    /// What the files say.
    pub fn listing(&self, files: &SubscriptionFiles) -> Listing {
        self.read(files, Lints::Off)
    }

    /// The same, with warnings of what was probably not meant.
    pub(super) fn read(&self, files: &SubscriptionFiles, lints: Lints<'_>) -> Listing {
        let mut reading = Reading::new(&files.digest, &files.sources, lints);
        let mut listed = Vec::with_capacity(self.files.len());
        for (index, file) in self.files.iter().enumerate() {
            let before = reading.problems.len();
            let state = match &file.text {
                Ok(text) => reading.file(text, index),
                Err((state, problem)) => {
                    reading.push(problem.clone());
                    *state
                }
            };
            let errors = reading.problems[before..].iter().filter(|problem| problem.is_error());
            let errors = errors.map(|problem| problem.to_string().replace('\n', "; ")).collect();
            listed.push(ListedFile { path: absolute(&file.path), hash: file.hash, state, errors });
        }
        Listing {
            subscriptions: reading.subscriptions,
            faulty: reading.faulty,
            files: listed,
            problems: Problems::new(reading.problems),
            max_removed: files.max_removed,
        }
    }

    /// The same with `text` in the file at `path`, which may be there or not.
    fn with(mut self, path: &Path, text: &str) -> Self {
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| absolute(path));
        let source = |path: &Path| Ok(Arc::new(SourceFile::new(path, text)));
        match self.files.iter_mut().find(|file| real(&file.path) == real(path)) {
            Some(file) => file.text = source(&file.path),
            None => self.files.push(FileText { path: path.to_owned(), hash: None, text: source(path) }),
        }
        self
    }
}

impl FileText {
    fn read(path: PathBuf) -> Self {
        match read_bytes(&path) {
            Ok(bytes) => {
                let mut hash = FileHash::default();
                hash.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes).as_ref());
                let text = decode(&path, bytes).map_err(|problem| (FileState::Unreadable, problem));
                Self { path, hash: Some(hash), text }
            }
            Err(problem) => Self { path, hash: None, text: Err((FileState::Unreadable, problem)) },
        }
    }
}

/// From the root, symbolic links not followed: a link that is turned to another file is still the same name.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The errors that the text `after` in the place of `before` brings into the subscription files, by the rules of a check.
/// An error that was there before is somebody else's.
pub(super) fn new_errors(settings: &Settings, path: &Path, before: &str, after: &str) -> Vec<Problem> {
    let files = SubscriptionFiles::of(settings);
    let errors = |text: &str| {
        let problems = files.read().with(path, text).listing(&files).problems;
        problems.iter().filter(|problem| problem.is_error()).cloned().collect::<Vec<_>>()
    };
    let mut errors_after = errors(after);
    if !errors_after.is_empty() {
        // Lines move with a change, so an error is known by its file and its words, without the
        // numbers of lines in them.
        let mut known: HashMap<(Option<PathBuf>, String), usize> = HashMap::new();
        let words = |message: &str| message.replace(|c: char| c.is_ascii_digit(), "");
        let key = |problem: &Problem| (problem.place.path().map(Path::to_owned), words(&problem.message));
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
    /// The files, sorted by name. None is an error: a mistyped pattern would otherwise unsubscribe everybody.
    fn paths(&self) -> Result<Vec<PathBuf>, (FileState, Box<Problem>)> {
        let problem = |state, message: String| {
            let place = match &self.place {
                ValuePlace::Default => ValuePlace::Path(PathBuf::from(&self.pattern)),
                place => place.clone(),
            };
            let hint = match &self.place {
                ValuePlace::Default => {
                    "`paperpost subscribe ADDRESS EXPRESSION` makes it; subscriptions.files names another"
                }
                _ => "relative paths start at the folder of the file that names them; an empty list reads none",
            };
            let problem = Problem::error(place, format!("subscriptions.files: {message}"));
            (state, Box::new(problem.hint(hint.to_owned())))
        };
        if !self.is_glob {
            let path = PathBuf::from(&self.pattern);
            return match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => Ok(vec![path]),
                // Who can't look into a folder doesn't know what is there.
                Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    Err(problem(FileState::Unreadable, format!("{}: {error}", path.display())))
                }
                _ => Err(problem(FileState::Missing, format!("there is no file {}", path.display()))),
            };
        }
        // Editors and `super::edit` keep hidden files beside those that they work on.
        let visible = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
        let found = glob::glob_with(&self.pattern, visible);
        let found = found.map_err(|error| problem(FileState::Unreadable, format!("{}: {error}", self.pattern)))?;
        // A folder that can't be looked into may hold subscriptions.
        let paths: Result<Vec<_>, _> = found.collect();
        let mut paths = paths.map_err(|error| problem(FileState::Unreadable, error.to_string()))?;
        paths.retain(|path| path.is_file());
        let missing = || problem(FileState::Missing, format!("no file matches {}", self.pattern));
        if paths.is_empty() { Err(missing()) } else { Ok(paths) }
    }

    /// The files that are there, and a plain path also when there is none yet.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        if self.is_glob { self.paths().unwrap_or_default() } else { vec![PathBuf::from(&self.pattern)] }
    }

    /// Whether the file at `path`, which need not be there yet, is one of them.
    pub(super) fn names(&self, path: &Path) -> bool {
        let place = |path: &Path| {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Some(folder.canonicalize().ok()?.join(path.file_name()?))
        };
        let is_same = |own: &PathBuf| own == path || place(own).is_some_and(|own| Some(own) == place(path));
        let separate = glob::MatchOptions {
            require_literal_separator: true,
            require_literal_leading_dot: true,
            ..glob::MatchOptions::new()
        };
        let fits = |pattern: PathBuf, path: PathBuf| {
            let pattern = pattern.to_str().and_then(|pattern| glob::Pattern::new(pattern).ok());
            pattern.is_some_and(|pattern| pattern.matches_path_with(&path, separate))
        };
        let whole = |path: &Path| std::path::absolute(path).ok();
        self.files().iter().any(is_same)
            || self.is_glob
                && whole(Path::new(&self.pattern)).zip(whole(path)).is_some_and(|(own, path)| fits(own, path))
    }
}

/// Reads a settings file.
pub(super) fn read_file(path: &Path) -> Result<Arc<SourceFile>, Problem> {
    decode(path, read_bytes(path)?)
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, Problem> {
    fs::read(path).map_err(|error| Problem::error(ValuePlace::Path(path.to_owned()), format!("can't be read: {error}")))
}

fn decode(path: &Path, bytes: Vec<u8>) -> Result<Arc<SourceFile>, Problem> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..valid].iter().filter(|&&byte| byte == b'\n').count();
        let problem = Problem::error(ValuePlace::Path(path.to_owned()), format!("line {line} is not UTF-8"));
        problem.hint("save the file as UTF-8".to_owned())
    })?;
    let text = text.strip_prefix('\u{FEFF}').map(str::to_owned).unwrap_or(text);
    Ok(Arc::new(SourceFile::new(path, text)))
}
