//! The systemd units, as systemd itself reads them: 252 or whatever this machine has.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The most exposure that `systemd-analyze security` may find, in tenths.
const EXPOSURE: &str = "13";

/// The units in a folder of their own, with the program where it was built instead of where it is installed.
fn units() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().expect("a folder");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let mut units = Vec::new();
    for entry in std::fs::read_dir(source).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|kind| kind == "service" || kind == "timer") {
            let text = std::fs::read_to_string(&path).expect("a unit");
            let unit = folder.path().join(path.file_name().expect("a name"));
            let text = text.replace("/usr/bin/paperpost", env!("CARGO_BIN_EXE_paperpost"));
            std::fs::write(&unit, text).expect("written");
            units.push(unit);
        }
    }
    assert!(units.len() >= 3, "{units:?}");
    (folder, units)
}

fn analyze(arguments: &[&str], units: &[PathBuf]) -> Output {
    Command::new("systemd-analyze").args(arguments).args(units).output().expect("systemd-analyze: tests/install has it")
}

#[test]
fn systemd_has_nothing_to_say_of_the_units() {
    let (_folder, units) = units();
    let output = analyze(&["verify", "--man=no"], &units);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

#[test]
fn the_services_are_hardly_exposed() {
    let (folder, units) = units();
    let services = units.iter().filter(|unit| unit.extension().is_some_and(|kind| kind == "service"));
    for service in services {
        let arguments = ["security", "--offline=true", "--no-pager", "--threshold", EXPOSURE];
        let output = analyze(&arguments, std::slice::from_ref(service));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    // The check is one that can fail.
    let bare = folder.path().join("bare.service");
    std::fs::write(&bare, "[Service]\nExecStart=/bin/true\n").expect("written");
    assert!(!analyze(&["security", "--offline=true", "--threshold", EXPOSURE], &[bare]).status.success());
}
