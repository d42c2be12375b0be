//! A Postfix of one's own, which takes every mail onto its disk, throws it away, and logs what it was.
//!
//! It lives in one folder, on a port that the kernel chose, and ends with the value. Its master process must be started by
//! root.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) struct Postfix {
    folder: TempDir,
    pub(crate) port: u16,
    /// How much of the log was read, and how many mails had been taken by then.
    read: Cell<(usize, usize)>,
}

impl Postfix {
    /// Starts it, and waits until it answers.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("open to all");
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
        configure(folder.path(), port);
        let started = postfix(folder.path(), "start").output().expect("Postfix (Debian: postfix)");
        assert!(started.status.success(), "Postfix has to be started by root: {started:?}");
        let postfix = Self { folder, port, read: Cell::default() };
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "Postfix does not answer:\n{}", postfix.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        postfix
    }

    /// How many mails it has taken.
    pub(crate) fn taken(&self) -> usize {
        let (begin, taken) = self.read.get();
        let mut log = std::fs::File::open(self.folder.path().join("log")).expect("a log");
        let mut news = String::new();
        log.seek(SeekFrom::Start(begin as u64)).and_then(|_| log.read_to_string(&mut news)).expect("read");
        let lines = &news[..news.rfind('\n').map_or(0, |end| end + 1)];
        self.read.set((begin + lines.len(), taken + lines.matches("(queue active)").count()));
        self.read.get().1
    }

    /// The Message-IDs of the mails that it has taken, by recipient. Waits until it has dealt with all of them.
    pub(crate) fn received(&self) -> HashMap<String, Vec<String>> {
        let is_empty = |queue: &str| {
            let files = std::fs::read_dir(self.folder.path().join("queue").join(queue));
            files.expect("a queue").next().is_none()
        };
        while !(is_empty("incoming") && is_empty("active")) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = self.log();
        let mut ids = HashMap::new();
        let mut received = HashMap::<String, Vec<String>>::new();
        // … postfix/cleanup[1]: 4XQ: message-id=<1@example.org>
        // … postfix/discard[1]: 4XQ: to=<ada@example.net>, relay=none, …, status=sent (…)
        for line in log.lines() {
            let Some((_, (mail, what))) =
                line.split_once("]: ").and_then(|(a, rest)| Some((a, rest.split_once(": ")?)))
            else {
                continue;
            };
            if let Some(id) = what.strip_prefix("message-id=") {
                ids.insert(mail, id);
            } else if let Some((to, _)) = what.strip_prefix("to=").and_then(|to| to.split_once(", "))
                && what.contains("status=sent")
            {
                received.entry(to.to_owned()).or_default().push(ids[mail].to_owned());
            }
        }
        received
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        postfix(self.folder.path(), "stop").status().ok();
    }
}

fn configure(folder: &Path, port: u16) {
    let at = folder.display();
    for name in ["queue", "data"] {
        std::fs::create_dir(folder.join(name)).expect("a folder");
    }
    let id = Command::new("id").args(["-u", "postfix"]).output().expect("id");
    let id = String::from_utf8_lossy(&id.stdout).trim().parse().expect("a user `postfix` (Debian: postfix)");
    chown(folder.join("data"), Some(id), None).expect("owned");
    // Long queue names are never used again.
    let main = format!(
        "compatibility_level = 3.6\nqueue_directory = {at}/queue\ndata_directory = {at}/data\n\
         daemon_directory = /usr/lib/postfix/sbin\ncommand_directory = /usr/sbin\n\
         maillog_file = {at}/log\nmaillog_file_prefixes = {at}\nenable_long_queue_ids = yes\n\
         myhostname = mx.example.org\nmydestination =\nmynetworks = 127.0.0.0/8\n\
         inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nsmtpd_peername_lookup = no\n\
         alias_maps =\nbiff = no\ndefault_transport = discard:\nin_flow_delay = 0\n"
    );
    let master: String = [
        &format!("127.0.0.1:{port} inet n - n - - smtpd") as &str,
        "cleanup unix n - n - 0 cleanup",
        "qmgr unix n - n 300 1 qmgr",
        "rewrite unix - - n - - trivial-rewrite",
        "bounce unix - - n - 0 bounce",
        "defer unix - - n - 0 bounce",
        "proxymap unix - - n - - proxymap",
        "discard unix - - n - - discard",
        "anvil unix - - n - 1 anvil",
        "postlog unix-dgram n - n - 1 postlogd",
    ]
    .map(|line| format!("{line}\n"))
    .concat();
    std::fs::write(folder.join("main.cf"), main).expect("written");
    std::fs::write(folder.join("master.cf"), master).expect("written");
}

fn postfix(folder: &Path, verb: &str) -> Command {
    let mut postfix = Command::new("postfix");
    // Debian keeps it where only root looks.
    postfix.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").arg("-c").arg(folder).arg(verb);
    postfix.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    postfix
}
