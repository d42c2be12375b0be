//! A change to a file that others may be changing too.
//!
//! Commands wait for each other: they lock a sibling file, `.subscriptions.toml.lock`, which goes when the last of them has
//! finished. An editor takes no lock, so right before the new text takes the file's place the file is read again: when it
//! has changed meanwhile, the change is made again from its new text. The new text takes its place in one step (write,
//! sync, rename, sync), with owner, group and mode of the old file; a symbolic link stays a link. What fails has changed
//! nothing.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

/// Why a file could not be changed. It is as it was.
#[derive(Debug, thiserror::Error)]
#[error("can't {what} {path}: {error}", path = path.display())]
pub struct FileError {
    /// What was tried.
    what: &'static str,
    path: PathBuf,
    error: io::Error,
}

/// An editor that saves faster than this is no editor.
const TRIES: u32 = 10;

/// Links to links end here, as in the kernel.
const MOST_LINKS: u32 = 40;

/// Changes the file at `path` to what `change` makes of its text; one that isn't there is empty. `change` may be called
/// again, with a newer text. `None` from it changes nothing; the same text isn't written. Returns the path with
/// symbolic links followed, if the file was there to be changed.
///
/// # Errors
/// Those of `change`, and what the system says.
pub fn change<E: From<FileError>>(
    path: &Path,
    mut change: impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<Option<PathBuf>, E> {
    let failed = |what, error| FileError { what, path: path.to_owned(), error };
    let target = follow(path).map_err(|error| failed("find", error))?;
    let lock = Lock::acquire(&target)?;
    for _ in 0..TRIES {
        let before = read(&target).map_err(|error| failed("read", error))?;
        let text = before.as_deref().unwrap_or_default();
        let Some(after) = change(text)? else { return Ok(None) };
        if before.as_deref() == Some(after.as_str()) || write(&lock, &target, before.as_deref(), &after)? {
            return Ok(Some(target));
        }
    }
    Err(failed("change", io::Error::other("somebody else keeps changing it")).into())
}

/// Removes what a command that was killed while it changed the file at `path` has left beside it. Nothing depends on that: the lock
/// of a dead process is free, and no half-written text is ever read. While another command changes the file, nothing happens.
pub fn tidy(path: &Path) {
    let Ok(target) = follow(path) else { return };
    let (folder, name) = parts(&target);
    let is_left = |ending: &str| fs::symlink_metadata(sibling(&folder, &name, ending)).is_ok();
    if !is_left("lock") && !is_left("new") {
        return;
    }
    // Who may not write to the folder leaves it to another command.
    if let Ok(Some(lock)) = Lock::try_acquire(&target) {
        let _ = fs::remove_file(lock.sibling("new"));
    }
}

/// The file that a path means, which need not be there; its folder must.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        path = folder.canonicalize()?.join(name);
        match fs::read_link(&path) {
            // A relative one starts at the link's folder.
            Ok(link) => path = path.parent().unwrap_or(Path::new("/")).join(link),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// `None` when there is no such file.
fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// Puts `after` in the place of `before`; `false` when the file no longer is `before`.
fn write(lock: &Lock, target: &Path, before: Option<&str>, after: &str) -> Result<bool, FileError> {
    let failed = |what, error| FileError { what, path: target.to_owned(), error };
    // What a command that was killed has left behind. Nobody else is at work: we hold the lock.
    let temporary = lock.sibling("new");
    let _ = fs::remove_file(&temporary);
    let written = (|| {
        let old = match before {
            Some(_) => Some(fs::metadata(target).map_err(|error| failed("read", error))?),
            None => None,
        };
        // Nobody reads along before it has its owner, group and mode.
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
        let mut file = opened.map_err(|error| failed("write beside", error))?;
        match old {
            Some(old) => {
                keep_owner(&file, &old).map_err(|error| failed("keep the owner and group of", error))?;
                file.set_permissions(old.permissions()).map_err(|error| failed("keep the mode of", error))?;
            }
            None => share_with_group(&file, &lock.folder),
        }
        let result = file.write_all(after.as_bytes()).and_then(|()| file.sync_all());
        result.map_err(|error| failed("write beside", error))?;
        if read(target).map_err(|error| failed("read", error))?.as_deref() != before {
            return Ok(false);
        }
        fs::rename(&temporary, target).map_err(|error| failed("write", error))?;
        Ok(true)
    })();
    if !matches!(written, Ok(true)) {
        // Nothing can be done about a leftover; the next change removes it.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    // Some file systems can't sync a folder; the rename has happened all the same.
    let _ = File::open(&lock.folder).and_then(|folder| folder.sync_all());
    written
}

/// Gives a new file the owner and group of the old one.
fn keep_owner(file: &File, old: &fs::Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    let differs = |old, new| (old != new).then_some(old);
    let (owner, group) = (differs(old.uid(), new.uid()), differs(old.gid(), new.gid()));
    if owner.is_none() && group.is_none() { Ok(()) } else { fchown(file, owner, group) }
}

/// Lets the group of the folder read a new file, where that is not the writer's own: a service's, say. In a folder with the setgid bit
/// the file has that group already. Where it may not be given, the file is the writer's alone, and `check` says who can't read it.
fn share_with_group(file: &File, folder: &Path) {
    let groups = fs::metadata(folder).and_then(|folder| Ok((folder.gid(), file.metadata()?.gid())));
    if let Ok((folder, given)) = groups
        && folder != rustix::process::getegid().as_raw()
        && (folder == given || fchown(file, None, Some(folder)).is_ok())
    {
        let _ = file.set_permissions(fs::Permissions::from_mode(0o640));
    }
}

/// The right to change a file, as long as it lives.
struct Lock {
    _file: File,
    path: PathBuf,
    folder: PathBuf,
    name: String,
}

impl Lock {
    /// Waits until it is free.
    fn acquire(target: &Path) -> Result<Self, FileError> {
        let (folder, name) = parts(target);
        let path = sibling(&folder, &name, "lock");
        let file = locked(&path, Wait::Yes).and_then(|file| file.ok_or_else(|| io::ErrorKind::WouldBlock.into()));
        let file = file.map_err(|error| FileError { what: "lock", path: path.clone(), error })?;
        Ok(Self { _file: file, path, folder, name })
    }

    /// `None` when somebody has it.
    fn try_acquire(target: &Path) -> io::Result<Option<Self>> {
        let (folder, name) = parts(target);
        let path = sibling(&folder, &name, "lock");
        Ok(locked(&path, Wait::No)?.map(|file| Self { _file: file, path, folder, name }))
    }

    fn sibling(&self, ending: &str) -> PathBuf {
        sibling(&self.folder, &self.name, ending)
    }
}

/// The folder of a file, and its name.
fn parts(target: &Path) -> (PathBuf, String) {
    let folder = target.parent().unwrap_or(Path::new("/")).to_owned();
    (folder, target.file_name().unwrap_or_default().to_string_lossy().into_owned())
}

fn sibling(folder: &Path, name: &str, ending: &str) -> PathBuf {
    folder.join(format!(".{name}.{ending}"))
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Still locked, so nobody but us can hold it. Who waits for it finds that it is gone, and makes another.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether to wait for a lock that somebody has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Yes,
    No,
}

/// The file, locked; `None` when somebody has it and that is not waited for.
fn locked(path: &Path, wait: Wait) -> io::Result<Option<File>> {
    loop {
        // Reading is enough for a lock, and may be all that is allowed on another user's.
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
                // Whatever the umask: another user who waits for it has to open it.
                file.set_permissions(fs::Permissions::from_mode(0o644))?;
                file
            }
            opened => opened?,
        };
        match wait {
            Wait::Yes => file.lock()?,
            Wait::No => match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            },
        }
        let mine = file.metadata()?;
        match fs::metadata(path) {
            Ok(there) if (there.dev(), there.ino()) == (mine.dev(), mine.ino()) => return Ok(Some(file)),
            // Its last owner has removed it.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn put(path: &Path, text: &str) -> Result<Option<PathBuf>, FileError> {
        change(path, |_| Ok(Some(text.to_owned())))
    }

    fn entries(folder: &Path) -> usize {
        fs::read_dir(folder).expect("the folder").count()
    }

    #[test]
    fn writing_keeps_mode_and_owner_and_follows_links() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = |name: &str| folder.path().join(name);
        fs::write(place("a.toml"), "old").expect("a file");
        fs::set_permissions(place("a.toml"), fs::Permissions::from_mode(0o640)).expect("a mode");
        // Only root can give a file away; anybody else keeps what is theirs.
        let is_given = std::os::unix::fs::chown(place("a.toml"), Some(12), Some(34)).is_ok();
        symlink("a.toml", place("b.toml")).expect("a link");
        symlink(place("b.toml"), place("c.toml")).expect("a link");
        put(&place("c.toml"), "new").expect("a write");
        assert_eq!(fs::read_to_string(place("a.toml")).expect("the file"), "new");
        assert!(fs::symlink_metadata(place("c.toml")).expect("the link").is_symlink());
        let metadata = fs::metadata(place("a.toml")).expect("the file");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o640);
        assert!(!is_given || (metadata.uid(), metadata.gid()) == (12, 34), "{metadata:?}");
        assert_eq!(entries(folder.path()), 3, "no leftover");
        // A link to what isn't there yet makes it there.
        symlink("fresh.toml", place("d.toml")).expect("a link");
        put(&place("d.toml"), "text").expect("a write");
        assert_eq!(fs::read_to_string(place("fresh.toml")).expect("the file"), "text");
        assert!(put(&place("none/a.toml"), "text").is_err());
        symlink("loop.toml", place("loop.toml")).expect("a link");
        assert!(put(&place("loop.toml"), "text").is_err());
    }

    #[test]
    fn what_an_editor_saves_meanwhile_is_not_lost() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.toml");
        fs::write(&path, "one\n").expect("a file");
        let mut saves = 0;
        let appended = |text: &str| Ok::<_, FileError>(Some(format!("{text}ours\n")));
        change(&path, |text| {
            saves += 1;
            if saves < 3 {
                fs::write(&path, format!("{text}theirs\n")).expect("saved");
            }
            appended(text)
        })
        .expect("a change");
        assert_eq!(fs::read_to_string(&path).expect("the file"), "one\ntheirs\ntheirs\nours\n");
        let restless = change(&path, |text| {
            saves += 1;
            fs::write(&path, format!("{saves}")).expect("saved");
            appended(text)
        });
        assert!(restless.expect_err("refused").to_string().contains("keeps changing"));
        assert_eq!(fs::read_to_string(&path).expect("the file"), saves.to_string(), "theirs, untouched");
        assert_eq!(entries(folder.path()), 1, "no leftover");
    }

    #[test]
    fn what_a_killed_command_left_behind_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.toml");
        fs::write(&path, "old").expect("a file");
        fs::write(folder.path().join(".a.toml.new"), "half a te").expect("a leftover");
        fs::write(folder.path().join(".a.toml.lock"), "").expect("a leftover");
        put(&path, "new").expect("a write");
        assert_eq!((fs::read_to_string(&path).expect("the file").as_str(), entries(folder.path())), ("new", 1));
    }

    #[test]
    fn leftovers_are_cleared_away_unless_somebody_is_at_work() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.toml");
        fs::write(&path, "text").expect("a file");
        for left in [&["lock"][..], &["new"], &["new", "lock"]] {
            for ending in left {
                fs::write(folder.path().join(format!(".a.toml.{ending}")), "half").expect("a leftover");
            }
            tidy(&path);
            assert_eq!(entries(folder.path()), 1, "{left:?}");
        }
        change(&path, |text| {
            fs::write(folder.path().join(".a.toml.new"), "at work").expect("a file");
            tidy(&path);
            assert_eq!(entries(folder.path()), 3, "another command is at work");
            Ok::<_, FileError>(Some(format!("{text}, more")))
        })
        .expect("a change");
        assert_eq!((fs::read_to_string(&path).expect("the file").as_str(), entries(folder.path())), ("text, more", 1));
    }

    #[test]
    fn changes_at_the_same_time_wait_for_each_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.toml");
        let add = |number: usize| {
            change(&path, |text| Ok::<_, FileError>(Some(format!("{text}{number}\n")))).expect("a change");
        };
        std::thread::scope(|scope| {
            for thread in 0..8 {
                scope.spawn(move || (0..20).for_each(|round| add(thread * 20 + round)));
                scope.spawn(|| (0..50).for_each(|_| tidy(&path)));
            }
        });
        let text = fs::read_to_string(&path).expect("the file");
        let mut numbers: Vec<usize> = text.lines().map(|line| line.parse().expect("a number")).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..160).collect::<Vec<_>>());
        assert_eq!(entries(folder.path()), 1, "no leftover");
    }
}
