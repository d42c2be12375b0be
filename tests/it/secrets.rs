//! Secrets and permissions: what is never printed, what a command does without, and who can read what is written.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;

use crate::process::{Home, command_in, said};
use crate::site::{Site, paper};
use crate::smtp::SmtpServer;
use paperpost::clock::Clock;

/// A folder with these files, and the program's output in it: both streams together.
struct Folder(TempDir);

impl Folder {
    fn new(settings: &str) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        folder.write("paperpost.toml", settings);
        folder.write("subscriptions.toml", "[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"rag\"]\n");
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("written");
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = command_in(self.path(), arguments).output().expect("the program");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    }

    fn mode(&self, name: &str) -> u32 {
        std::fs::metadata(self.path().join(name)).expect(name).permissions().mode() & 0o777
    }
}

const SMTP: &str = "[sources.huggingface]\nenabled = false\n[mail]\nfrom = \"papers@example.org\"\ntransport = \"smtp\"\n\
                    [smtp]\nhost = \"127.0.0.1\"\nport = 9\ntls = \"none\"\nusername = \"papers\"\n";

#[test]
fn no_command_prints_a_secret_however_its_line_is_written() {
    for line in [
        "password = hunter2",
        "password = \"hunter2",
        "password \"hunter2\"",
        "pasword = \"hunter2\"",
        "password = [\"hunter2\"]",
        "password = \"hunter2\" # in a file that everybody can read",
        "password = \"hunter2\"\npassword_file = \"also\"",
        "x=1 password=hunter2",
        "pass = \"hunter2\"",
        "password = \"\"\"hunter2\nhunter2\"\"\"\nhost = 1",
    ] {
        let folder = Folder::new(&format!("{SMTP}{line}\n"));
        // The wrong key keeps a daemon from starting where the line is only worth a warning.
        for arguments in [&["check"][..], &["--set", "log.format=none", "run"], &["once"], &["status"], &["list"]] {
            let (_, text) = folder.run(arguments);
            assert!(!text.contains("hunter2"), "{arguments:?} with {line}: {text}");
        }
        let (_, text) = folder.run(&["check"]);
        assert!(text.contains("paperpost.toml:"), "{line} is no problem: {text}");
    }
    let folder = Folder::new("[web]\nbase_url = \"https://ada:hunter2@example.org\"\n");
    let (code, text) = folder.run(&["check"]);
    assert!(code == Some(1) && !text.contains("hunter2") && text.contains("a user or password"), "{text}");
    let folder = Folder::new("[web]\nbase_url = \"https://example.org/?token=hunter2\"\n");
    let (code, text) = folder.run(&["check"]);
    assert!(code == Some(1) && !text.contains("hunter2") && text.contains("base_url"), "{text}");
}

#[test]
fn only_what_sends_mail_needs_the_mails_secrets() {
    // Not there rather than forbidden: the tests run as root, who may read all.
    let folder = Folder::new(&format!(
        "{SMTP}password_file = \"gone\"\n[tokens]\nkey_file = \"gone too\"\n\
        [dkim]\nrsa_selector = \"s1\"\nrsa_key_file = \"gone as well\"\n"
    ));
    assert_eq!(folder.run(&["publish"]).0, Some(0), "a database");
    let (_, text) = folder.run(&["preview", "ada@example.org", "--format", "eml"]);
    assert!(text.contains("this mail is not signed, since dkim.rsa_key can't be read"), "{text}");
    for arguments in [
        &["status"][..],
        &["list"],
        &["outbox"],
        &["preview", "ada@example.org"],
        &["pause", "ada@example.org"],
        &["resume", "ada@example.org"],
        &["suppress", "list"],
    ] {
        let (code, text) = folder.run(arguments);
        assert_eq!((code, text.contains("gone")), (Some(0), false), "{arguments:?}: {text}");
    }
    for arguments in [&["run"][..], &["once"], &["deliver"], &["test-mail", "ada@example.org"]] {
        let (code, text) = folder.run(arguments);
        assert!(code == Some(1) && text.contains("smtp.password: can't read"), "{arguments:?}: {text}");
    }
    let (code, text) = folder.run(&["check"]);
    assert!(code == Some(1) && text.contains("smtp.password: can't read") && text.contains("tokens.key"), "{text}");
}

#[test]
fn what_is_written_is_for_its_owner_alone_whatever_the_umask() {
    let folder = Folder::new("[sources.huggingface]\nenabled = false\n[mail]\nfrom = \"papers@example.org\"\n");
    let script = "umask 0; \"$0\" once; \"$0\" --set subscriptions.files=subscriptions.toml,more.toml subscribe bob@example.org rag --file more.toml; \"$0\" suppress export out.csv";
    let mut command = std::process::Command::new("sh");
    command.current_dir(folder.path()).env_clear().args(["-c", script, env!("CARGO_BIN_EXE_paperpost")]);
    command.output().expect("a shell");
    for file in ["paperpost.db", "paperpost.db-wal", "paperpost.db.lock", "more.toml", "out.csv"] {
        let path = folder.path().join(file);
        // The last connection to a database removes its log.
        if path.exists() || file != "paperpost.db-wal" {
            assert_eq!(folder.mode(file), 0o600, "{file}");
        }
    }
    assert_eq!(folder.mode("mails"), 0o700);
}

#[test]
fn a_new_file_is_for_the_group_of_its_folder_where_that_is_another() {
    let folder = Folder::new(SETTINGS);
    let shared = folder.path().join("shared");
    std::fs::create_dir(&shared).expect("a folder");
    const OTHER: u32 = 12_345;
    if std::os::unix::fs::chown(&shared, None, Some(OTHER)).is_err() {
        eprintln!("skipped: only root can give a folder to a group that it isn't in");
        return;
    }
    for (file, mode) in [("one.toml", 0o750), ("two.toml", 0o2750)] {
        std::fs::set_permissions(&shared, PermissionsExt::from_mode(mode)).expect("set");
        let files = format!("subscriptions.files=shared/{file}");
        let (code, text) = folder.run(&["subscribe", "bob@example.org", "rag", "--set", &files]);
        assert!(shared.join(file).exists(), "{code:?} {text}");
        let metadata = std::fs::metadata(shared.join(file)).expect("a file");
        let group = std::os::unix::fs::MetadataExt::gid(&metadata);
        assert_eq!((folder.mode(&format!("shared/{file}")), group), (0o640, OTHER), "{mode:o}");
    }
}

#[test]
fn check_warns_of_files_that_everybody_can_read() {
    let folder = Folder::new("[mail]\nfrom = \"papers@example.org\"\n");
    let set =
        |mode| std::fs::set_permissions(folder.path().join("subscriptions.toml"), PermissionsExt::from_mode(mode));
    set(0o644).expect("a mode");
    let warning = "every user of this machine can read it";
    assert!(folder.run(&["check"]).1.contains(warning));
    set(0o640).expect("a mode");
    let (code, text) = folder.run(&["check"]);
    assert!(code == Some(0) && !text.contains(warning), "{text}");
    let (_, text) = folder.run(&["--set", "smtp.password=hunter2", "check"]);
    assert!(text.contains("on the command line") && !text.contains("hunter2"), "{text}");
}

#[test]
fn a_web_address_that_paths_cannot_follow_is_refused() {
    for (address, what) in [
        ("https://example.org/?list=1", "a query"),
        ("https://example.org/#top", "a fragment"),
        ("https://ada@example.org/", "a user"),
    ] {
        let (code, text) = Folder::new(&format!("[web]\nbase_url = \"{address}\"\n")).run(&["check"]);
        assert!(code == Some(1) && text.contains(what), "{address}: {text}");
    }
}

#[test]
fn the_database_is_beside_the_settings_whatever_the_working_directory() {
    let (folder, elsewhere) = (Folder::new(SETTINGS), tempfile::tempdir().expect("a folder"));
    let settings = folder.path().join("paperpost.toml");
    let run = |directory: &Path, command: &str| {
        let output = command_in(directory, &["--config", &settings.to_string_lossy(), command]).output();
        let output = output.expect("the program");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    assert_eq!(run(elsewhere.path(), "publish").0, Some(0));
    assert!(folder.path().join("paperpost.db").exists());
    assert!(!elsewhere.path().join("paperpost.db").exists());

    // One at the old place, and none at the new: it is not passed over.
    std::fs::rename(folder.path().join("paperpost.db"), elsewhere.path().join("paperpost.db")).expect("moved");
    for command in ["publish", "status"] {
        let (code, text) = run(elsewhere.path(), command);
        assert!(code == Some(1) && text.contains("move it there"), "{command}: {text}");
    }
    assert!(!folder.path().join("paperpost.db").exists());
}

const SETTINGS: &str = "[mail]\nfrom = \"papers@example.org\"\n";

#[test]
fn a_symlink_to_a_database_takes_the_same_lock() {
    let folder = Folder::new(SETTINGS);
    assert_eq!(folder.run(&["publish"]).0, Some(0));
    symlink(folder.path().join("paperpost.db"), folder.path().join("link.db")).expect("a link");
    let _lock = paperpost::store::Lock::acquire(&folder.path().join("paperpost.db")).expect("free");
    let (code, text) = folder.run(&["--set", "database.path=link.db", "publish"]);
    assert!(code == Some(1) && text.contains("another paperpost"), "{text}");
}

/// A mail server's pipe runs as a user who may not read the token key, by its mode or because it is the service's
/// credential.
#[tokio::test]
async fn what_the_pipe_cannot_attribute_waits_for_who_has_the_key() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
    let ada = "[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"retrieval\"]\n";
    let home = Home::new(&site, &smtp, ada);
    home.write("key", "a key that is long enough for its tokens\n");
    let with_key = ["--set", "tokens.key_file=key"];
    assert!(home.run(&[&with_key[..], &["once"]].concat()).await.status.success());
    let mail = smtp.mails().pop().expect("a mail");
    let mail = String::from_utf8_lossy(&mail.bytes).into_owned();
    let (_, token) = mail.split_once("subject=unsubscribe%20").expect("a way to leave");
    let token = token.split(['>', '"', '=']).next().expect("a token").to_owned();

    let bounce = |settings: &'static [&'static str]| {
        let mut command = home.command(&[settings, &["bounce"]].concat());
        let message = format!("From: ada@example.org\r\nSubject: unsubscribe {token}\r\n\r\n");
        std::fs::write(home.path("message"), message).expect("written");
        command.stdin(std::fs::File::open(home.path("message")).expect("a message"));
        command.output().expect("the program").status.code()
    };
    let suppressed = async || said(&home.run(&["suppress", "list"]).await).contains("ada@example.org");
    for settings in [&["--set", "tokens.key_file=gone"][..], &[]] {
        assert_eq!(bounce(settings), Some(0), "{settings:?}");
        assert!(!suppressed().await, "{settings:?}");
    }
    let output = home.run(&[&with_key[..], &["once"]].concat()).await;
    assert!(said(&output).contains("took in 2 messages"), "{}", said(&output));
    assert!(suppressed().await);
    // What no key could attribute is refused as before.
    std::fs::write(home.path("message"), "Subject: Hello\r\n\r\nHello?\r\n").expect("written");
    let mut command = home.command(&["bounce"]);
    command.stdin(std::fs::File::open(home.path("message")).expect("a message"));
    assert_eq!(command.output().expect("the program").status.code(), Some(67), "EX_NOUSER");
}

#[test]
fn a_command_that_has_nothing_to_write_makes_no_database() {
    for command in [
        "list",
        "status",
        "status --json",
        "check",
        "try rag",
        "outbox",
        "outbox show 1",
        "outbox export",
        "outbox eml 1",
        "outbox retry --all",
        "outbox wake",
        "outbox drop 1",
        "preview ada@example.org",
        "explain ada@example.org",
        "suppress list",
        "suppress list --json",
        "suppress export list.csv",
        "suppress remove ada@example.org",
        "dkim record",
        "pause ada@example.org",
        "resume ada@example.org",
        "edit ada@example.org --add speech",
        "reload",
        "bounce --inbox",
        "unsubscribe ada@example.org",
    ] {
        let folder = Folder::new("");
        let (code, told) = folder.run(&command.split(' ').collect::<Vec<_>>());
        assert!(code.is_some_and(|code| code < 2), "{command}: {told}");
        let mut files: Vec<_> = std::fs::read_dir(folder.path())
            .expect("the folder")
            .map(|entry| entry.expect("a file").file_name())
            .collect();
        files.sort();
        assert_eq!(files, ["paperpost.toml", "subscriptions.toml"], "{command}: {told}");
    }
}
