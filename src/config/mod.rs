//! From files to settings: what is meant, or every problem at once.
//!
//! Two kinds of file are read. `paperpost.toml` says how the program works; it lies under the environment
//! (`PAPERPOST__SMTP__HOST`) and the overrides of the command line, and over the defaults. Subscription files say who
//! gets what. Both come out as parsed types ([`Settings`], [`Subscription`]) that need no further check, or as
//! [`Problems`]: all of them, over all files, each with its line and column.
//!
//! Nothing here writes but [`edit`], and nothing here knows what the settings are for.

mod access;
pub mod edit;
mod files;
mod keys;
mod layers;
pub mod listing;
mod literal;
mod mask;
mod node;
mod on_disk;
pub mod problem;
mod reader;
pub mod settings;
mod subscriptions;
mod values;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub use files::{Snapshot, Stamp, SubscriptionFiles};
pub use listing::Listing;
pub use on_disk::{Fingerprint, OnDisk};
pub use problem::{Problem, Problems, Severity, ValuePlace};
pub use settings::Settings;
pub use values::nearest_zone;

use crate::core::lint::Holdings;
use crate::core::subscription::Subscription;
use layers::Layers;
use settings::FilePattern;
use subscriptions::Lints;

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
    let missing = settings.missing_secrets.into_iter().map(|missing| missing.problem);
    Err(Problems::new(errors.into_iter().chain(settings.warnings).chain(missing).collect()))
}

/// Reads the subscriptions from all files that the settings name, with what was probably not meant.
///
/// # Errors
/// Every problem in all files, with the warnings among them.
pub fn load_subscriptions(settings: &Settings) -> Result<(Vec<Subscription>, Problems), Problems> {
    let files = SubscriptionFiles::of(settings);
    let listing = files.read().listing(&files);
    if !listing.is_right() {
        return Err(listing.problems);
    }
    Ok((listing.subscriptions.into_iter().map(|listed| listed.subscription).collect(), listing.problems))
}

/// The subscription files that the settings name, a plain path also when there is no such file yet.
pub fn subscription_files(settings: &Settings) -> Vec<PathBuf> {
    settings.subscriptions.iter().flat_map(FilePattern::files).collect()
}

/// Removes what killed commands have left beside the files that commands change.
pub fn clear_leftovers(settings: &Settings) {
    subscription_files(settings).iter().chain(&settings.file).for_each(|path| edit::tidy(path));
}

/// Whether the file at `path`, which need not be there yet, is one of the subscription files that the settings name.
pub fn is_subscription_file(settings: &Settings, path: &Path) -> bool {
    settings.subscriptions.iter().any(|pattern| pattern.names(path))
}

/// Whether the subscription files may become what they are with the text `after` in the file at `path`.
///
/// # Errors
/// What a check of them would find that it doesn't find with `before`: a fault that is there already keeps nobody from
/// changing something else.
pub fn check_change(settings: &Settings, path: &Path, before: &str, after: &str) -> Result<(), Problems> {
    let errors = files::new_errors(settings, path, before, after);
    if errors.is_empty() { Ok(()) } else { Err(Problems::new(errors)) }
}

/// What a check of the whole configuration found.
#[derive(Debug)]
pub struct CheckReport {
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// The settings, when nothing is wrong with them.
    pub settings: Option<Settings>,
    /// What the subscription files say.
    pub listing: Listing,
    /// Everything that is not, in settings and subscriptions.
    pub problems: Problems,
}

impl CheckReport {
    /// Adds warnings about who can read the files that the settings name, and who can't.
    pub fn add_access(&mut self) {
        if let Some(settings) = &self.settings {
            let found = access::problems(settings, &subscription_files(settings));
            self.problems = Problems::new(self.problems.iter().cloned().chain(found).collect());
        }
    }

    /// Adds what the database tells.
    pub fn add_warnings(&mut self, warnings: Vec<Problem>) {
        self.problems = Problems::new(self.problems.iter().cloned().chain(warnings).collect());
    }

    /// Adds what only the users of the settings can tell: a key that is none, say.
    pub fn add(&mut self, problems: Vec<String>) {
        let place = self.file.clone().map_or(ValuePlace::Default, ValuePlace::Path);
        let all = self.problems.iter().cloned();
        let problems = problems.into_iter().map(|message| Problem::error(place.clone(), message));
        self.problems = Problems::new(all.chain(problems).collect());
    }

    /// Adds warnings that the files alone don't show.
    pub fn warn(&mut self, warnings: impl IntoIterator<Item = String>) {
        let place = self.file.clone().map_or(ValuePlace::Default, ValuePlace::Path);
        let all = self.problems.iter().cloned();
        let warnings = warnings.into_iter().map(|message| Problem::warning(place.clone(), message));
        self.problems = Problems::new(all.chain(warnings).collect());
    }
}

/// Reads settings and subscriptions and reports on both: a fault in the settings hides none in the subscriptions.
/// Expressions that are hardly meant so are warned of; `holdings` finds what shows which.
pub fn check(
    path: Option<&Path>,
    overrides: &[(String, String)],
    environment: impl Iterator<Item = (String, String)>,
    holdings: impl FnOnce(&Settings) -> Holdings,
) -> CheckReport {
    let (mut settings, mut all) = read_settings(path, overrides, environment);
    let is_right = all.is_empty();
    all.append(&mut settings.warnings);
    all.extend(settings.missing_secrets.iter().map(|missing| missing.problem.clone()));
    let files = SubscriptionFiles::of(&settings);
    let listing = files.read().read(&files, Lints::On(&holdings(&settings)));
    all.extend(listing.problems.iter().cloned());
    CheckReport {
        file: settings.file.clone(),
        settings: is_right.then_some(settings),
        listing,
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
        let root = files::read_file(path).and_then(|file| node::parse(&file));
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
        problems.retain(|problem| !matches!(problem.place, ValuePlace::Default));
        settings.subscriptions.retain(|pattern| !matches!(pattern.place, ValuePlace::Default));
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
