//! The database of the settings: made, opened, looked at.

use std::path::Path;

use anyhow::Context;

use crate::config::Settings;
use crate::store::{Lock, Store, StoreError};

/// The database, and the lock on it: for commands that do the daemon's work.
pub(crate) fn open(settings: &Settings) -> anyhow::Result<(Lock, Store)> {
    let path = database(settings)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("can't make the folder {}", folder.display()))?;
    }
    let lock = Lock::acquire(path)?;
    let store = write(settings)?;
    // The last daemon may have been killed.
    store.note_daemon(false)?;
    Ok((lock, store))
}

/// The database without the lock: for commands that write beside a daemon.
pub(crate) fn write(settings: &Settings) -> anyhow::Result<Store> {
    let path = database(settings)?;
    Store::open(path).with_context(|| path.display().to_string())
}

/// Whether a daemon works on the database.
pub(crate) fn has_daemon(settings: &Settings, store: &Store) -> bool {
    Lock::is_held(&settings.database.path) && store.is_daemon_noted().unwrap_or(false)
}

/// The database for looking at; `None` when there is none yet, or nothing in it.
pub(crate) fn look(settings: &Settings) -> anyhow::Result<Option<Store>> {
    let path = database(settings)?;
    if !path.exists() {
        return Ok(None);
    }
    match Store::open_read_only(path) {
        Err(StoreError::Empty) => Ok(None),
        opened => Ok(Some(opened.with_context(|| path.display().to_string())?)),
    }
}

/// Where the database is. A second one would send everything again, so one at the place where the program once made it
/// is not passed over.
fn database(settings: &Settings) -> anyhow::Result<&Path> {
    let path = settings.database.path.as_path();
    let former = settings.database.former.as_deref().filter(|former| !path.exists() && former.exists());
    if let Some(former) = former {
        anyhow::bail!(
            "there is no database at {path}, where it is by default, but one at {former}, where it once was: move it \
             there, with {former}-wal if there is one, or set database.path",
            path = path.display(),
            former = former.display(),
        );
    }
    Ok(path)
}
