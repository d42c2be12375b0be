//! Where time zones are read from: the operating system's copy of the IANA database, if it is newer than the compiled one.
//!
//! Decided once, at the start, so that a run has one set of rules. A long-running daemon takes up new rules when it is
//! restarted.

use std::path::{Path, PathBuf};

use crate::core::zone::{Version, Zone, Zones};

/// Where systems keep the database.
const FOLDERS: [&str; 3] = ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];

/// The longest that a zone's file is.
const LONGEST_FILE: u64 = 1 << 20;

/// Chooses the rules for this process: the system's, where `tzdir` (the variable TZDIR) or else the system says that they are,
/// or the compiled ones.
pub fn choose(tzdir: Option<&Path>) {
    let folder = match tzdir {
        Some(folder) => Some(folder.to_owned()),
        None => FOLDERS.iter().map(PathBuf::from).find(|folder| folder.is_dir()),
    };
    let zones = match folder {
        Some(folder) => of_folder(folder),
        None => Zones::compiled(),
    };
    zones.set_in_use();
}

fn of_folder(folder: PathBuf) -> Zones {
    let (version, place) = (version(&folder), folder.display().to_string());
    Zones::newer(version, place, Box::new(move |name| read(&folder.join(name))))
}

/// What the folder says of its version: in `+VERSION`, or in the first line of `tzdata.zi`.
fn version(folder: &Path) -> Option<Version> {
    let text = |name: &str| read(&folder.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if let Some(version) = text("+VERSION").and_then(|text| Version::parse(&text)) {
        return Some(version);
    }
    Version::parse(text("tzdata.zi")?.lines().next()?.strip_prefix("# version ")?)
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let is_small = std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= LONGEST_FILE);
    is_small.then(|| std::fs::read(path).ok()).flatten()
}

/// The zone of the machine's own clock, by the variable TZ or by what the system is set to.
pub fn of_machine(tz: Option<&str>) -> Option<Zone> {
    match tz.map(|tz| tz.trim_start_matches(':')) {
        Some("") => Some(Zone::UTC),
        Some(name) => Zone::named(name),
        None => match iana_time_zone::get_timezone().ok()?.as_str() {
            "Etc/UTC" => Some(Zone::UTC),
            name => Zone::named(name),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_in_one_of_two_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let version = || version(folder.path()).map(|version| version.to_string());
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        assert_eq!(version(), None);
        write("tzdata.zi", "# version 2031c\nR d 1916 o\n");
        assert_eq!(version().as_deref(), Some("2031c"));
        write("+VERSION", "2031d\n");
        assert_eq!(version().as_deref(), Some("2031d"));
        write("+VERSION", "");
        assert_eq!(version().as_deref(), Some("2031c"));
        write("tzdata.zi", "# a comment\n");
        assert_eq!(version(), None);
    }

    #[test]
    fn the_machines_zone_is_what_the_variable_says() {
        assert_eq!(of_machine(Some(":Europe/Paris")).map(Zone::name), Some("Europe/Paris"));
        assert_eq!(of_machine(Some("")), Some(Zone::UTC));
        assert_eq!(of_machine(Some("CET-1CEST")), None);
    }
}
