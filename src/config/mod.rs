//! From files to settings: what is meant, or every problem at once.
//!
//! Two kinds of file are read. `paperpost.toml` says how the program works; it lies under the environment
//! (`PAPERPOST__SMTP__HOST`) and the overrides of the command line, and over the defaults. Subscription files say who
//! gets what. Both come out as parsed types ([`Settings`], [`Subscription`]) that need no further check, or as
//! [`Problems`]: all of them, over all files, each with its line and column.
//!
//! Nothing here writes but [`edit`], and nothing here knows what the settings are for.

pub mod edit;
mod keys;
mod layers;
mod literal;
mod node;
pub mod problem;
mod reader;
mod secret;
pub mod settings;
mod subscriptions;
mod values;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use problem::{Place, Problem, Problems, Severity};
pub use secret::Secret;
pub use settings::Settings;
pub use values::nearest_zone;

use crate::core::query::Holdings;
use crate::core::subscription::Subscription;
use layers::Layers;
use problem::SourceFile;
use subscriptions::{Lints, Reading};

/// The name that is looked for when no path is given.
const FILE_NAME: &str = "paperpost.toml";

/// Reads the settings from the file at `path`, or from the first of `./paperpost.toml`,
/// `$XDG_CONFIG_HOME/paperpost/paperpost.toml` and `/etc/paperpost/paperpost.toml` that is there; without any, all is
/// default. `environment` covers the file, `overrides` (a dotted key and a value) cover both.
///
/// # Errors
/// Every problem in the layers; warnings alone don't fail and are in [`Settings::warnings`].
pub fn load(
    path: Option<&Path>,
    overrides: &[(String, String)],
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Settings, Problems> {
    let (settings, errors) = read_settings(path, overrides, environment);
    if errors.is_empty() {
        return Ok(settings);
    }
    Err(Problems::new(errors.into_iter().chain(settings.warnings).collect()))
}

/// Reads the subscriptions from all files that the settings name, with what was probably not meant.
///
/// # Errors
/// Every problem in all files, with the warnings among them.
pub fn load_subscriptions(settings: &Settings) -> Result<(Vec<Subscription>, Problems), Problems> {
    let (subscriptions, problems) = read_subscriptions(settings, Lints::Off);
    if problems.errors() == 0 { Ok((subscriptions, problems)) } else { Err(problems) }
}

/// The subscription files that the settings name, a plain path also when there is no such file yet.
pub fn subscription_files(settings: &Settings) -> Vec<PathBuf> {
    let files = settings.subscriptions.iter().map(|pattern| match pattern.is_glob {
        true => pattern.paths().unwrap_or_default(),
        false => vec![PathBuf::from(&pattern.pattern)],
    });
    files.flatten().collect()
}

/// What a check of the whole configuration found.
#[derive(Debug)]
pub struct Report {
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// The settings, when nothing is wrong with them.
    pub settings: Option<Settings>,
    /// Subscriptions that are right.
    pub subscriptions: usize,
    /// Everything that is not, in settings and subscriptions.
    pub problems: Problems,
}

impl Report {
    /// Adds what only those who use the settings can tell: a key that is none, say.
    pub fn add(&mut self, problems: Vec<String>) {
        let place = self.file.clone().map_or(Place::Default, Place::Path);
        let all = self.problems.iter().cloned();
        let problems = problems.into_iter().map(|message| Problem::error(place.clone(), message));
        self.problems = Problems::new(all.chain(problems).collect());
    }
}

/// Reads settings and subscriptions and reports on both: a fault in the settings hides none in the subscriptions.
/// Expressions that are hardly meant so are warned of; `holdings` finds what shows which.
pub fn check(
    path: Option<&Path>,
    overrides: &[(String, String)],
    environment: impl Iterator<Item = (String, String)>,
    holdings: impl FnOnce(&Settings) -> Holdings,
) -> Report {
    let (mut settings, mut all) = read_settings(path, overrides, environment);
    let is_right = all.is_empty();
    all.append(&mut settings.warnings);
    let (subscriptions, problems) = read_subscriptions(&settings, Lints::On(&holdings(&settings)));
    all.extend(problems.iter().cloned());
    Report {
        file: settings.file.clone(),
        settings: is_right.then_some(settings),
        subscriptions: subscriptions.len(),
        problems: Problems::new(all),
    }
}

/// Settings with defaults in place of what is wrong, and the errors.
fn read_settings(
    path: Option<&Path>,
    overrides: &[(String, String)],
    environment: impl Iterator<Item = (String, String)>,
) -> (Settings, Vec<Problem>) {
    let environment: HashMap<String, String> = environment.collect();
    let path = path.map(Path::to_owned).or_else(|| find(&environment));
    let mut errors = Vec::new();
    let root = path.as_ref().and_then(|path| {
        let root = read_file(path).and_then(|file| node::parse(&file));
        root.map_err(|problem| errors.push(problem)).ok()
    });
    let mut layers = Layers::default();
    layers.file(root.as_ref());
    // Sorted, so that two runs report problems in the same order.
    let mut variables: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    variables.sort_unstable();
    layers.environment(variables.into_iter());
    layers.overrides(overrides);

    let folder = path.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    let credentials = environment.get("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let unreadable = !errors.is_empty();
    let (mut settings, mut problems) = reader::read(layers.merge(), path, &folder, credentials);
    if unreadable {
        // What is missing is missing because the file couldn't be read.
        problems.retain(|problem| !matches!(problem.place, Place::Default));
        settings.subscriptions.retain(|pattern| !matches!(pattern.place, Place::Default));
    }
    errors.append(&mut problems);
    (settings, errors)
}

/// The first place with a `paperpost.toml`.
fn find(environment: &HashMap<String, String>) -> Option<PathBuf> {
    let user = match (environment.get("XDG_CONFIG_HOME"), environment.get("HOME")) {
        (Some(folder), _) if Path::new(folder).is_absolute() => Some(PathBuf::from(folder)),
        (_, Some(home)) => Some(Path::new(home).join(".config")),
        _ => None,
    };
    let user = user.map(|folder| folder.join("paperpost").join(FILE_NAME));
    let system = Path::new("/etc/paperpost").join(FILE_NAME);
    [Some(PathBuf::from(FILE_NAME)), user, Some(system)].into_iter().flatten().find(|path| path.is_file())
}

fn read_subscriptions(settings: &Settings, lints: Lints<'_>) -> (Vec<Subscription>, Problems) {
    let mut reading = Reading::new(&settings.digest, &settings.sources, lints);
    let mut seen: Vec<PathBuf> = Vec::new();
    for pattern in &settings.subscriptions {
        let paths = match pattern.paths() {
            Ok(paths) => paths,
            Err(problem) => {
                reading.push(*problem);
                continue;
            }
        };
        for path in paths {
            // A file that two patterns match is read once.
            if seen.contains(&path) {
                continue;
            }
            match read_file(&path) {
                Ok(file) => reading.file(&file),
                Err(problem) => reading.push(problem),
            }
            seen.push(path);
        }
    }
    (reading.subscriptions, Problems::new(reading.problems))
}

impl settings::FilePattern {
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
        let found = glob::glob(&self.pattern).map_err(|error| problem(format!("{}: {error}", self.pattern)))?;
        // A folder that can't be looked into may hold subscriptions.
        let paths: Result<Vec<_>, _> = found.collect();
        let mut paths = paths.map_err(|error| problem(error.to_string()))?;
        paths.retain(|path| path.is_file());
        if paths.is_empty() { Err(problem(format!("no file matches {}", self.pattern))) } else { Ok(paths) }
    }
}

fn read_file(path: &Path) -> Result<Arc<SourceFile>, Problem> {
    let problem = |message: String| Problem::error(Place::Path(path.to_owned()), message);
    let bytes = std::fs::read(path).map_err(|error| problem(format!("can't be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..valid].iter().filter(|&&byte| byte == b'\n').count();
        problem(format!("line {line} is not UTF-8")).hint("save the file as UTF-8".to_owned())
    })?;
    let text = text.strip_prefix('\u{FEFF}').map(str::to_owned).unwrap_or(text);
    Ok(Arc::new(SourceFile::new(path, text)))
}
