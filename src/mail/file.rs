//! Mails as files: each becomes `<Message-ID>.eml` in a folder.
//!
//! A file appears whole or not at all and survives a power cut once [`send`](Transport::send) returned: it is written
//! beside its place, synced, renamed, and the folder synced. The same mail again replaces its file.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Handover, Mail, Transport};
use crate::core::delivery::{Fault, Phase, Receipt, SendError};

/// A folder to write mails into.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
}

impl Files {
    /// The folder, made when it is not there. What a process left unfinished that was killed is removed.
    pub fn new(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        remove_leftovers(&folder);
        Ok(Self { folder })
    }

    /// Where the mail with this Message-ID is or will be.
    pub fn path(&self, message_id: &str) -> PathBuf {
        self.folder.join(file_name(message_id))
    }
}

impl Transport for Files {
    /// The receipt names the file. A full disk or a folder without permission is an outage.
    async fn send_with_handover(&self, mail: &Mail, mut turn: Handover<'_>) -> Result<Option<Receipt>, SendError> {
        if !turn.gate.passed().await {
            return Ok(None);
        }
        let path = self.path(&mail.message_id);
        let bytes = mail.message.octets().to_vec();
        let write = tokio::task::spawn_blocking(move || write_durably(&path, &bytes).map(|()| path));
        match write.await.map_err(io::Error::other).flatten() {
            Ok(path) => Ok(Some(Receipt { reply: path.display().to_string() })),
            Err(error) => Err(SendError::Transient(Fault::new(Phase::File, error.to_string()))),
        }
    }
}

/// A name that is one in any folder: what a Message-ID may hold less `/` and the like. When something had to be left out
/// or cut off, a checksum of the whole keeps two ids apart.
fn file_name(message_id: &str) -> String {
    let id = message_id.trim_matches(['<', '>']);
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '+' | '=');
    let mut name: String = id.chars().filter(|&c| safe(c)).skip_while(|&c| c == '.').take(160).collect();
    if name != id || name.is_empty() {
        // FNV-1a, which will give the same name after any upgrade.
        let sum =
            id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, b| (sum ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        name.push_str(&format!("~{sum:016x}"));
    }
    name + ".eml"
}

/// Removes the unfinished files of processes that are no more. Where there is no telling who lives, they stay.
fn remove_leftovers(folder: &Path) {
    let is_alive = |pid: &str| Path::new("/proc").join(pid).exists();
    if !is_alive("self") {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let unfinished = name.to_str().and_then(|name| name.strip_prefix('.')?.strip_suffix(".tmp")?.split_once('-'));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if unfinished.is_some_and(|(pid, count)| is_number(pid) && is_number(count) && !is_alive(pid)) {
            // In the way of nothing, if it can't be.
            fs::remove_file(entry.path()).ok();
        }
    }
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    /// Two sends of one mail at once must not write into one another's file.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let folder = path.parent().unwrap_or(Path::new("."));
    let unfinished = folder.join(format!(".{}-{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    let written = File::create(&unfinished)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&unfinished, path))
        .and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        // What matters is why the write failed.
        fs::remove_file(&unfinished).ok();
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::address::Address;
    use crate::core::delivery::AttemptOutcome;

    fn mail(message_id: &str, bytes: &[u8]) -> Mail {
        let to = Address::parse("ada@example.org").expect("an address");
        Mail { from: None, to, message_id: message_id.into(), message: bytes.to_vec().into() }
    }

    #[tokio::test]
    async fn the_same_mail_again_replaces_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::new(folder.path().join("out")).expect("a folder");
        for bytes in [b"one".as_slice(), b"two"] {
            let receipt = files.send(&mail("<e1.s7@example.org>", bytes)).await.expect("written");
            assert!(receipt.reply.ends_with("e1.s7@example.org.eml"));
        }
        let names: Vec<_> = fs::read_dir(folder.path().join("out")).expect("a folder").collect();
        assert_eq!(names.len(), 1, "no unfinished file stays behind");
        assert_eq!(fs::read(files.path("<e1.s7@example.org>")).expect("a file"), b"two");
    }

    #[test]
    fn what_a_killed_process_left_unfinished_goes_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = format!(".{}-0.tmp", std::process::id());
        // No process has a number as large.
        for name in [".4999999-3.tmp", &own, ".notes.tmp", "4999999-3.tmp", ".4999999-3.eml"] {
            fs::write(folder.path().join(name), "x").expect("written");
        }
        Files::new(folder.path()).expect("a folder");
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("a file").file_name()).collect();
        left.sort();
        let mut expected = [own.as_str(), ".notes.tmp", "4999999-3.tmp", ".4999999-3.eml"];
        expected.sort_unstable();
        assert_eq!(left, expected);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_to_is_transient() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::new(folder.path().join("out")).expect("a folder");
        fs::remove_dir(folder.path().join("out")).expect("removed");
        let error = files.send(&mail("<a@example.org>", b"x")).await.expect_err("no folder");
        assert_eq!((error.kind(), error.fault().phase), (AttemptOutcome::Transient, Phase::File));
    }

    #[test]
    fn no_message_id_leaves_the_folder_or_takes_anothers_place() {
        assert_eq!(file_name("<2025-12-01.s7@example.org>"), "2025-12-01.s7@example.org.eml");
        let long = "x".repeat(300);
        let evil =
            ["", ".", "..", "../../etc/passwd", "a/b", "a\\b", "ab", ".ab", "a\u{0}b", &long, &long[1..], "con:x"];
        let names: std::collections::BTreeSet<String> = evil.iter().map(|id| file_name(id)).collect();
        assert_eq!(names.len(), evil.len(), "{names:?}");
        for name in names {
            assert!(!name.starts_with('.') && !name.contains(['/', '\\', '\0']) && name.len() < 255, "{name:?}");
        }
    }
}
