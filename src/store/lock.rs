//! One program a database: who writes holds the lock.
//!
//! The lock is the operating system's, on a file beside the database: it ends with the process that holds it, however
//! that ends. The file says who that is.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Held as long as it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the lock can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("another paperpost{who} already works on this database ({path}): stop it first, or leave the work to it")]
    Held {
        /// ` (process 123)`, when it is known.
        who: String,
        /// The lock's file.
        path: PathBuf,
    },
    /// The file can't be made.
    #[error("can't open the lock {path}: {error}{hint}", hint = hint(error))]
    File {
        /// The lock's file.
        path: PathBuf,
        /// The system's answer.
        error: std::io::Error,
    },
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => ": run this as the owner of the database",
        _ => "",
    }
}

impl Lock {
    /// Takes the lock of the database at `path`, at once or not at all. A symlink to a database has the database's lock.
    pub fn acquire(path: &Path) -> Result<Self, LockError> {
        let path = beside(path);
        let failed = |error| LockError::File { path: path.clone(), error };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match try_often(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let known = file.read_to_string(&mut holder).is_ok() && holder.trim().parse::<u32>().is_ok();
                let who = if known { format!(" (process {})", holder.trim()) } else { String::new() };
                return Err(LockError::Held { who, path });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Only to name the holder to a process that is refused: the lock holds without it.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }

    /// Whether a process holds the lock of the database at `path`.
    pub fn is_held(path: &Path) -> bool {
        File::open(beside(path)).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

fn beside(database: &Path) -> PathBuf {
    let mut name = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned()).into_os_string();
    name.push(".lock");
    PathBuf::from(name)
}

/// Who asks [`Lock::is_held`] has it for an instant.
fn try_often(file: &File) -> Result<(), TryLockError> {
    for _ in 0..10 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            result => return result,
        }
    }
    file.try_lock()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_by_name_and_the_third_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p.db");
        let first = Lock::acquire(&path).expect("free");
        let refused = Lock::acquire(&path).expect_err("held").to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        assert!(Lock::is_held(&path));
        #[cfg(unix)]
        {
            // With the file there: SQLite follows the link as well.
            std::fs::write(&path, "").expect("a database");
            let link = folder.path().join("link.db");
            std::os::unix::fs::symlink(&path, &link).expect("a link");
            Lock::acquire(&link).expect_err("held under its other name");
        }
        drop(first);
        assert!(!Lock::is_held(&path) && !Lock::is_held(&folder.path().join("other.db")));
        Lock::acquire(&path).expect("free again");
    }
}
