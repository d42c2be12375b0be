//! The systemd units, as systemd itself reads them: 252 or whatever this machine has.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::process::{Home, said};
use crate::site::Site;
use crate::smtp::SmtpServer;

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

/// `systemctl reload` runs this line of the unit, and fails when it fails.
#[tokio::test]
async fn the_units_reload_waits_for_the_daemon_and_fails_with_a_wrong_file() {
    let unit = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/paperpost.service"));
    let unit = unit.expect("the unit");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecReload=/usr/bin/paperpost ")).expect("a line");
    let reload: Vec<&str> = line
        .split(' ')
        .map(|word| if word == "/etc/paperpost/paperpost.toml" { "paperpost.toml" } else { word })
        .collect();

    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    let entry = |address: &str| format!("[[subscription]]\nemail = \"{address}\"\nkeywords = [\"rag\"]\n");
    let home = Home::new(&site, &smtp, &entry("ada@example.org"));
    let socket = UnixDatagram::bind(home.path("notify")).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit");
    let mut daemon = home.command(&["run"]);
    daemon.env("NOTIFY_SOCKET", home.path("notify")).stderr(Stdio::null());
    let mut daemon = tokio::process::Command::from(daemon).kill_on_drop(true).spawn().expect("the program");
    let told = |word: &'static str| {
        let socket = socket.try_clone().expect("a socket");
        tokio::task::spawn_blocking(move || {
            let mut message = [0; 4096];
            loop {
                let length = socket.recv(&mut message).expect("a message in time");
                if String::from_utf8_lossy(&message[..length]).lines().any(|line| line == word) {
                    return;
                }
            }
        })
    };
    told("READY=1").await.expect("ready");
    home.write("subscriptions.toml", &[entry("ada@example.org"), entry("bob@example.org")].concat());
    let output = home.run(&reload).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&home.run(&["list"]).await).contains("bob@example.org"));
    home.write("subscriptions.toml", "[[subscription]\n");
    let output = home.run(&reload).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&home.run(&["list"]).await).contains("bob@example.org"), "the old ones stay in force");
    let process = daemon.id().expect("a process").to_string();
    assert!(Command::new("kill").args(["-TERM", &process]).status().expect("kill").success());
    told("STOPPING=1").await.expect("it says that it stops");
    assert!(daemon.wait().await.expect("an end").success());
}
