//! Who can read the files: too many users, or not the one who has to.

use std::path::{Path, PathBuf};

use super::problem::{Problem, ValuePlace};
use super::settings::{Settings, Transport};

/// Warnings about files that are open to every user, and about files that the owner of the database can't read: that is
/// the user who sends. `files` are the subscription files.
pub(super) fn problems(settings: &Settings, files: &[PathBuf]) -> Vec<Problem> {
    let mails = match &settings.mail.transport {
        Transport::Files { folder } => Some(folder),
        _ => None,
    };
    let with_addresses = files.iter().chain([&settings.database.path]).chain(mails).filter(|path| is_open(path));
    let open = with_addresses.map(|path| {
        let message = "every user of this machine can read it, and it has addresses in it";
        Problem::warning(ValuePlace::Path(path.clone()), message).hint(format!("chmod o-rwx {}", path.display()))
    });
    let unreadable = settings.file.iter().chain(files).filter(|path| !can_owner_read(&settings.database.path, path));
    let unreadable = unreadable.map(|path| {
        let message = format!("the user who owns {} can't read it", settings.database.path.display());
        let hint = "the service runs as that user: give it the file, or its group leave to read it (chown, chmod g+r)";
        Problem::warning(ValuePlace::Path(path.clone()), message).hint(hint.to_owned())
    });
    open.chain(unreadable).collect()
}

/// Whether every user of the machine can read a file or folder. False where files have no such modes.
pub(super) fn is_open(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Whether the owner of `database` can read `file`, as far as modes tell: of groups, only the one that the database
/// belongs to is known. True when either isn't there.
fn can_owner_read(database: &Path, file: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (Ok(owner), Ok(file)) = (std::fs::metadata(database), std::fs::metadata(file)) else { return true };
        const ROOT: u32 = 0;
        let bit = match () {
            () if owner.uid() == ROOT => return true,
            () if owner.uid() == file.uid() => 0o400,
            () if owner.gid() == file.gid() => 0o040,
            () => 0o004,
        };
        file.mode() & bit != 0
    }
    #[cfg(not(unix))]
    {
        let _ = (database, file);
        true
    }
}
