//! The program as a process: its binary, a folder of its own, and signals.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use paperpost::store::Store;
use tempfile::TempDir;

use crate::site::Site;
use crate::smtp::SmtpServer;

/// A folder with settings and subscriptions, and the program to run in it.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    /// Settings that read from `site` and send through `smtp`.
    pub(crate) fn new(site: &Site, smtp: &SmtpServer, subscriptions: &str) -> Self {
        let home = Self { folder: tempfile::tempdir().expect("a folder") };
        home.write(
            "paperpost.toml",
            &format!(
                "[database]\npath = \"p.db\"\n[sources.huggingface]\nbase_url = \"{}\"\n[http]\nretries = 0\ntimeout = \"3s\"\n\
                 [mail]\nfrom = \"Paperpost <papers@example.org>\"\ntransport = \"smtp\"\n\
                 [smtp]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nconnections = 2\n",
                site.base(),
                smtp.port()
            ),
        );
        home.write("subscriptions.toml", subscriptions);
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
        // As the program would have made it: what others can read is warned of.
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o600)).expect("a file of our own");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a text file")
    }

    /// Changes a piece of a file.
    pub(crate) fn replace(&self, name: &str, before: &str, after: &str) {
        let text = self.read(name);
        assert!(text.contains(before), "{text}");
        self.write(name, &text.replace(before, after));
    }

    /// The database, to look into.
    pub(crate) fn store(&self) -> Store {
        Store::open_read_only(&self.path("p.db")).expect("a database")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command_in(self.folder.path(), arguments)
    }

    /// As if the time were over for which failing hosts are left alone.
    pub(crate) fn forget_hosts(&self) {
        let store = Store::open(&self.path("p.db")).expect("a database");
        store.keep_hosts(&Default::default()).expect("a working database");
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = tokio::process::Command::from(self.command(arguments));
        command.kill_on_drop(true).output().await.expect("the program")
    }

    /// Starts the daemon, its log in `name`.
    pub(crate) fn daemon(&self, name: &str) -> Daemon {
        self.start(&["run"], name)
    }

    /// Starts the program, all that it says in `name`.
    pub(crate) fn start(&self, arguments: &[&str], name: &str) -> Daemon {
        let log = std::fs::File::create(self.path(name)).expect("a log");
        let out = log.try_clone().expect("the same file");
        let child = self.command(arguments).stderr(log).stdout(out).spawn().expect("the program");
        Daemon { child }
    }
}

/// The program with `arguments`, started in `folder` with nothing of this machine's own settings.
pub(crate) fn command_in(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paperpost"));
    command.args(arguments).current_dir(folder).env_clear().env("HOME", folder).stdin(Stdio::null());
    command
}

/// A running daemon; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
}

impl Daemon {
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().expect("kill");
        assert!(sent.success(), "{name}");
    }

    /// Its exit code, once it has ended; `None` after a signal that it did not handle.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let child = &mut self.child;
        let mut code = None;
        until("the daemon ends", || {
            code = child.try_wait().expect("a child");
            code.is_some()
        })
        .await;
        code.and_then(|status| status.code())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds; a minute is for ever here.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    answer(async || holds().then_some(()), || format!("waited for ever until {what}")).await;
}

/// Asks until there is an answer; after a minute it fails in the words of `trouble`.
pub(crate) async fn answer<T>(mut ask: impl AsyncFnMut() -> Option<T>, trouble: impl FnOnce() -> String) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        if start.elapsed() > Duration::from_secs(60) {
            panic!("{}", trouble());
        }
        // A real wait: other programs tell nobody when they are ready.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until another program listens.
pub(crate) async fn listens(port: u16, trouble: impl FnOnce() -> String) {
    answer(async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok(), trouble).await;
}

/// Both streams of a finished program.
pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The folder of recorded inputs that a variable names. Where it names none, the test is skipped, and says so: past what the
/// test runner keeps to itself.
#[expect(clippy::disallowed_methods, reason = "what is printed through macros nobody sees")]
pub(crate) fn recorded(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        writeln!(std::io::stderr(), "{test}: skipped, since {variable} is not set").expect("a line");
    }
    folder
}
