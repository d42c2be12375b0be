//! The settings in force, and reading them anew.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::App;
use crate::config::{self, Fingerprint, Problems, Settings};
use crate::store::{InForce, Store, StoreError};

/// Keys that keep their value until a restart.
pub const FIXED: [&str; 3] = ["database.path", "web.listen", "log.format"];

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The file; `None` to look for one in the usual places.
    pub file: Option<PathBuf>,
    /// Keys and values of the command line.
    pub overrides: Vec<(String, String)>,
    /// The environment of the process.
    pub environment: Vec<(String, String)>,
}

impl Origin {
    /// Reads the settings as they are now.
    ///
    /// # Errors
    /// Every problem in them.
    pub fn read(&self) -> Result<Settings, Problems> {
        config::load(self.file.as_deref(), &self.overrides, self.environment.iter().cloned())
    }
}

/// The settings that a process works by.
pub struct Current {
    origin: Origin,
    settings: Settings,
    fingerprint: Fingerprint,
    salt: Vec<u8>,
}

impl Current {
    /// Settings that were read from `origin`. The file they are of is the one that is read again, whatever else there is by
    /// then.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn new(origin: Origin, settings: Settings, store: &Store) -> Result<Self, StoreError> {
        let salt = store.id()?;
        let file = settings.file.clone().or(origin.file);
        let fingerprint = settings.on_disk.fingerprint(&salt);
        Ok(Self { origin: Origin { file, ..origin }, settings, fingerprint, salt })
    }

    /// Reads the settings anew and builds all parts by them; also says which of [`FIXED`] were changed and stay as they were.
    ///
    /// # Errors
    /// Every problem in the settings; those before then stay current.
    pub fn renew(&mut self, store: &Store) -> Result<(App, Vec<&'static str>), Problems> {
        let mut settings = self.origin.read()?;
        let app = App::build(&settings, store)?;
        let mut fingerprint = settings.on_disk.fingerprint(&self.salt);
        fingerprint.keep(&self.fingerprint, &FIXED);
        let before = &self.settings;
        let is_changed = |key: &&str| match *key {
            "database.path" => settings.database.path != before.database.path,
            "web.listen" => settings.web.listen != before.web.listen,
            _ => settings.log.format != before.log.format,
        };
        let fixed = FIXED.into_iter().filter(is_changed).collect();
        settings.database = before.database.clone();
        settings.web.listen = before.web.listen;
        settings.log.format = before.log.format;
        (self.settings, self.fingerprint) = (settings, fingerprint);
        Ok((app, fixed))
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What others may know of them.
    pub fn in_force(&self, now: DateTime<Utc>) -> InForce {
        let file = self.settings.file.as_ref();
        let file = file.map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone()).display().to_string());
        InForce { file, since: now, fingerprint: self.fingerprint.clone() }
    }
}
