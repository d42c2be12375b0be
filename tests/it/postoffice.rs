//! A post office of one's own: Postfix, which takes mails in, and Dovecot, which keeps them.
//!
//! ```ignore
//! let office = PostOffice::open().await;
//! // … a program sends to ada@example.org through office.submission …
//! let mails = office.mails("ada", 1).await;
//! ```
//!
//! Postfix asks for STARTTLS and a login, believes whatever recipient it is given, and hands everything to Dovecot by
//! LMTP. Dovecot knows `ada`, `bounces` and `paperpost`, whose password is [`PASSWORD`], and `mary`; for others Postfix sends a
//! report to the return path. `zoë@example.org` has a Maildir of Postfix's own, because Dovecot's LMTP has no SMTPUTF8.
//! All of it lives in one folder, on ports that the kernel chose, and ends with the value.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use paperpost::core::server::{Login, Tls};
use paperpost::mail::imap::{Imap, ImapSettings};
use tempfile::TempDir;

use crate::process::{answer, listens};
use crate::smtp::Identity;

/// Everybody's password. It has what a careless client forgets to quote.
pub(crate) const PASSWORD: &str = "pä\"ss \\w0rd";

/// That of `mary`, in ASCII.
pub(crate) const ASCII_PASSWORD: &str = "pa\"ss \\w0rd";

/// Debian's `nobody` and `nogroup`, who own the mails.
const NOBODY: u32 = 65_534;

pub(crate) struct PostOffice {
    folder: TempDir,
    dovecot: Child,
    /// Postfix, with STARTTLS and a login.
    pub(crate) submission: u16,
    imap: u16,
    imaps: u16,
}

impl PostOffice {
    /// Starts both, and waits until they answer.
    pub(crate) async fn open() -> Self {
        let me = std::fs::metadata("/proc/self").map(|it| std::os::unix::fs::MetadataExt::uid(&it));
        assert_eq!(me.ok(), Some(0), "Postfix's master process must be started by root: run this test as root");
        let folder = tempfile::tempdir().expect("a folder");
        open_to_all(folder.path());
        let [submission, imap, imaps, lmtp, auth] = free_ports();
        let identity = Identity::new();
        let users = [("ada", PASSWORD), ("bounces", PASSWORD), ("paperpost", PASSWORD), ("mary", ASCII_PASSWORD)];
        let users = users.map(|(user, password)| format!("{user}:{{PLAIN}}{password}::::::\n")).concat();
        for (name, text) in [
            ("ca.pem", identity.authority),
            ("server.pem", identity.certificate.pem()),
            ("server.key", identity.key.serialize_pem()),
            ("users", users),
        ] {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        let mut office =
            Self { dovecot: start_dovecot(folder.path(), [imap, imaps, lmtp, auth]), folder, submission, imap, imaps };
        start_postfix(office.folder.path(), submission, lmtp, auth);
        office.wait_for(&[submission, imap, imaps, lmtp, auth]).await;
        office
    }

    /// A file with the authority that signed the certificate of both.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The port for IMAP with this kind of TLS.
    pub(crate) fn imap_port(&self, tls: Tls) -> u16 {
        if tls == Tls::Implicit { self.imaps } else { self.imap }
    }

    /// How somebody reads their mails.
    pub(crate) fn imap(&self, user: &str, tls: Tls) -> ImapSettings {
        ImapSettings {
            host: "localhost".into(),
            port: self.imap_port(tls),
            tls,
            ca_file: Some(self.ca_file()),
            login: Login::new(user, PASSWORD),
            mailbox: "INBOX".into(),
            delete: false,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
        }
    }

    /// Puts a message into somebody's mailbox, as if it had just arrived.
    pub(crate) fn put(&self, user: &str, name: &str, message: &str) {
        let maildir = self.folder.path().join("mails").join(user);
        for folder in ["", "new", "cur", "tmp"] {
            std::fs::create_dir_all(maildir.join(folder)).expect("a folder");
            own(&maildir.join(folder));
        }
        let path = maildir.join("new").join(name);
        std::fs::write(&path, message).expect("written");
        own(&path);
    }

    /// Somebody's unread mails, read by IMAP, as soon as there are so many.
    pub(crate) async fn mails(&self, user: &str, count: usize) -> Vec<Vec<u8>> {
        let unread = async || {
            let mut mailbox =
                Imap::new(self.imap(user, Tls::Implicit)).expect("settings").open().await.expect("a session");
            let unread = mailbox.unread().await.expect("numbers");
            (unread.len() >= count).then_some((mailbox, unread))
        };
        let trouble = || format!("no {count} mails for {user}:\n{}", self.log());
        let (mut mailbox, unread) = answer(unread, trouble).await;
        let mut mails = Vec::new();
        for uid in unread {
            mails.extend(mailbox.fetch(uid).await.expect("a message"));
        }
        mails
    }

    /// The Maildir flags of a message that was put into somebody's mailbox; `None` when it has gone.
    pub(crate) fn flags(&self, user: &str, name: &str) -> Option<String> {
        let cur = self.folder.path().join("mails").join(user).join("cur");
        let names = std::fs::read_dir(cur).expect("a Maildir").map(|entry| entry.expect("an entry").file_name());
        let mut names = names.map(|name| name.into_string().expect("text"));
        // Dovecot adds sizes to the name.
        names.find(|known| known.starts_with(name))?.split_once(":2,").map(|(_, flags)| flags.to_owned())
    }

    /// The messages in a Maildir, new ones and old ones; `zoe` is Postfix's own.
    pub(crate) fn maildir(&self, name: &str) -> Vec<Vec<u8>> {
        let maildir = self.folder.path().join("mails").join(name);
        // A folder that isn't there yet has none.
        let entries = ["new", "cur"].into_iter().filter_map(|folder| std::fs::read_dir(maildir.join(folder)).ok());
        entries.flatten().map(|entry| std::fs::read(entry.expect("an entry").path()).expect("a file")).collect()
    }

    /// What both servers logged.
    pub(crate) fn log(&self) -> String {
        let read = |name| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        read("postfix.log") + &read("dovecot.log")
    }

    async fn wait_for(&mut self, ports: &[u16]) {
        for port in ports {
            listens(*port, || format!("port {port} does not answer:\n{}", self.log())).await;
        }
    }
}

impl Drop for PostOffice {
    fn drop(&mut self) {
        let folder = self.folder.path();
        postfix(&folder.join("postfix"), "stop").status().ok();
        Command::new("kill").args(["-TERM", &self.dovecot.id().to_string()]).status().ok();
        self.dovecot.wait().ok();
    }
}

fn start_dovecot(folder: &Path, [imap, imaps, lmtp, auth]: [u16; 4]) -> Child {
    let at = folder.display();
    let mails = folder.join("mails");
    std::fs::create_dir(&mails).expect("a folder");
    own(&mails);
    let listener = |name: &str, port: u16| format!("inet_listener {name} {{\naddress = 127.0.0.1\nport = {port}\n}}\n");
    let config = format!(
        "base_dir = {at}/base\nstate_dir = {at}/state\nlog_path = {at}/dovecot.log\nprotocols = imap lmtp\n\
         ssl = yes\nssl_cert = <{at}/server.pem\nssl_key = <{at}/server.key\n\
         auth_mechanisms = plain login\nauth_username_format = %Ln\nfirst_valid_uid = 1\n\
         mail_location = maildir:{at}/mails/%n\nrecipient_delimiter = +\n\
         passdb {{\ndriver = passwd-file\nargs = {at}/users\n}}\n\
         userdb {{\ndriver = passwd-file\nargs = {at}/users\n\
         default_fields = uid={NOBODY} gid={NOBODY} home={at}/mails/%n\n}}\n\
         service imap-login {{\nchroot =\n{}{}}}\nservice lmtp {{\n{}}}\n\
         service auth {{\n{}}}\nservice anvil {{\nchroot =\n}}\nservice stats {{\nchroot =\n}}\n",
        listener("imap", imap),
        listener("imaps", imaps).replace("port =", "ssl = yes\nport ="),
        listener("lmtp", lmtp),
        listener("sasl", auth),
    );
    let file = folder.join("dovecot.conf");
    std::fs::write(&file, config).expect("written");
    let said = std::fs::File::create(folder.join("dovecot.log")).expect("a log");
    std::fs::set_permissions(folder.join("dovecot.log"), PermissionsExt::from_mode(0o666)).expect("open to all");
    let mut dovecot = server("dovecot");
    dovecot.arg("-F").arg("-c").arg(file).stdin(Stdio::null()).stderr(said);
    dovecot.spawn().expect("Dovecot (tests/install installs it)")
}

fn start_postfix(folder: &Path, submission: u16, lmtp: u16, auth: u16) {
    let at = folder.display();
    let home = folder.join("postfix");
    for name in ["", "queue", "data"] {
        std::fs::create_dir(home.join(name)).expect("a folder");
    }
    let id = Command::new("id").args(["-u", "postfix"]).output().expect("id");
    let id = String::from_utf8_lossy(&id.stdout).trim().parse().expect("a user `postfix` (tests/install installs it)");
    chown(home.join("data"), Some(id), None).expect("owned");
    let main = format!(
        "compatibility_level = 3.6\nqueue_directory = {at}/postfix/queue\ndata_directory = {at}/postfix/data\n\
         daemon_directory = /usr/lib/postfix/sbin\ncommand_directory = /usr/sbin\n\
         maillog_file = {at}/postfix.log\nmaillog_file_prefixes = {at}\n\
         myhostname = mx.example.org\nmydestination =\nmynetworks =\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n\
         local_recipient_maps =\nalias_maps =\nbiff = no\nrecipient_delimiter = +\n\
         virtual_mailbox_domains = example.org bounce.example.org\nvirtual_transport = lmtp:inet:127.0.0.1:{lmtp}\n\
         transport_maps = inline:{{ {{zoë@example.org = virtual:}} }}\n\
         virtual_mailbox_base = {at}/mails\nvirtual_mailbox_maps = inline:{{ {{zoë@example.org = zoe/}} }}\n\
         virtual_uid_maps = static:{NOBODY}\nvirtual_gid_maps = static:{NOBODY}\n\
         smtpd_reject_unlisted_recipient = no\nsmtputf8_enable = yes\n\
         smtpd_tls_cert_file = {at}/server.pem\nsmtpd_tls_key_file = {at}/server.key\n\
         smtpd_tls_security_level = encrypt\nsmtpd_tls_auth_only = yes\n\
         smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:127.0.0.1:{auth}\n\
         smtpd_relay_restrictions = permit_sasl_authenticated, reject\n"
    );
    let master: String = [
        &format!("127.0.0.1:{submission} inet n - n - - smtpd") as &str,
        "pickup unix n - n 60 1 pickup",
        "cleanup unix n - n - 0 cleanup",
        "qmgr unix n - n 300 1 qmgr",
        "tlsmgr unix - - n 1000? 1 tlsmgr",
        "rewrite unix - - n - - trivial-rewrite",
        "bounce unix - - n - 0 bounce",
        "defer unix - - n - 0 bounce",
        "trace unix - - n - 0 bounce",
        "verify unix - - n - 1 verify",
        "flush unix n - n 1000? 0 flush",
        "proxymap unix - - n - - proxymap",
        "showq unix n - n - - showq",
        "error unix - - n - - error",
        "retry unix - - n - - error",
        "virtual unix - n n - - virtual",
        "lmtp unix - - n - - lmtp",
        "anvil unix - - n - 1 anvil",
        "scache unix - - n - 1 scache",
        "postlog unix-dgram n - n - 1 postlogd",
    ]
    .map(|line| format!("{line}\n"))
    .concat();
    std::fs::write(home.join("main.cf"), main).expect("written");
    std::fs::write(home.join("master.cf"), master).expect("written");
    let started = postfix(&home, "start").output().expect("Postfix (tests/install installs it)");
    let said = [started.stdout, started.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(started.status.success(), "{said}");
}

fn postfix(home: &Path, verb: &str) -> Command {
    let mut postfix = server("postfix");
    postfix.arg("-c").arg(home).arg(verb).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    postfix
}

/// A program that Debian keeps where only root looks.
fn server(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

fn open_to_all(folder: &Path) {
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).expect("open to all");
}

fn own(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).expect("owned");
}

/// Ports that were free a moment ago.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [_; N] = std::array::from_fn(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}
