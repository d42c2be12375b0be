//! The settings of the program: `paperpost.toml` as it is meant.
//!
//! Plain structs of parsed types, a struct for each section; a value that exists needs no further check.
//! `docs/configuration.md` has the keys with their units and defaults.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::on_disk::OnDisk;
use super::problem::{Problem, Problems, ValuePlace};
use crate::core::address::{Address, Mailbox};
use crate::core::pacing::Policy;
use crate::core::schedule::Schedule;
use crate::core::secret::Secret;
use crate::core::server::{Login, Pipelining, Tls};
use crate::core::subscription::WhenEmpty;
use crate::core::zone::Zone;
use crate::source::Source;

/// Everything that `paperpost.toml`, the environment and the command line say together.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file that was read; `None` when there was none and all is default or from the environment.
    pub file: Option<PathBuf>,
    /// Where the database is.
    pub database: Database,
    /// Where subscriptions are: paths, or patterns that are looked up anew at each load.
    pub subscriptions: Vec<FilePattern>,
    /// The share of a file's subscribers that may leave it at once; of more it is asked whether that is meant.
    pub max_removed: f64,
    /// The sources by name, those that are not enabled too.
    pub sources: Vec<Source>,
    /// How pages are fetched.
    pub http: Http,
    /// What mails say of us, and how they leave.
    pub mail: Mail,
    /// What a digest is when a subscription doesn't say otherwise.
    pub digest: Digest,
    /// How mails are signed.
    pub dkim: Dkim,
    /// Where readers reach us.
    pub web: Web,
    /// The secrets that tokens are made with, the signing one first; none when the database's own is to be used.
    pub tokens: Vec<Secret>,
    /// What comes back.
    pub bounces: Bounces,
    /// What is kept of whom.
    pub privacy: Privacy,
    /// How fast mails may leave.
    pub pacing: Policy,
    /// What is logged.
    pub log: Log,
    /// Secrets that could not be read. Only the commands that need them fail for it.
    pub missing_secrets: Vec<MissingSecret>,
    /// What can be used but was probably not meant.
    pub warnings: Vec<Problem>,
    /// What the file said, to tell whether it has changed.
    pub on_disk: OnDisk,
}

impl Settings {
    /// The secrets that could not be read, as problems that stop what needs them all; `None` when there are none.
    pub fn missing(&self) -> Option<Problems> {
        let missing = self.missing_secrets.iter().map(|missing| missing.problem.clone().into_error());
        Some(Problems::new(missing.collect())).filter(|problems| !problems.is_empty())
    }

    /// What only the use of the settings shows: a key that is none, say.
    pub fn problem(&self, message: &str) -> Problems {
        let place = self.file.clone().map_or(ValuePlace::Default, ValuePlace::Path);
        Problems::new(vec![Problem::error(place, message)])
    }
}

/// A secret that the settings name and that could not be read here.
#[derive(Clone, Debug)]
pub struct MissingSecret {
    /// Its key, such as `smtp.password`.
    pub key: String,
    /// Why; a warning where another user or the service may well have it.
    pub problem: Problem,
}

/// `[database]`
#[derive(Clone, Debug)]
pub struct Database {
    /// The SQLite file.
    pub path: PathBuf,
    /// Where the program once made it when no setting named it: in the working directory.
    pub former: Option<PathBuf>,
}

/// One entry of `subscriptions.files`.
#[derive(Clone, Debug)]
pub struct FilePattern {
    /// The path, or a pattern with `*`, `?` or `[…]`; already taken from the right folder.
    pub pattern: String,
    /// Whether it is a pattern: the folder of a plain path may have such characters in its name.
    pub is_glob: bool,
    pub(super) place: ValuePlace,
}

/// `[http]`
#[derive(Clone, Debug)]
pub struct Http {
    /// A web or mail address for the User-Agent.
    pub contact: Option<String>,
    /// To connect, TLS included.
    pub connect_timeout: Duration,
    /// For a whole answer.
    pub timeout: Duration,
    /// The longest answer that is read, in bytes after decompression.
    pub max_body: u64,
    /// How often a failed fetch is tried again at once.
    pub retries: u32,
}

/// `[mail]`
#[derive(Clone, Debug)]
pub struct Mail {
    /// The From header, and the return path.
    pub from: Mailbox,
    /// The Reply-To header.
    pub reply_to: Option<Mailbox>,
    /// The mailbox for what comes back: the return path is made of it, and a token for each subscriber.
    pub bounce: Option<Address>,
    /// The identifier in the List-Id header, without brackets (RFC 2919).
    pub list_id: String,
    /// How mails leave.
    pub transport: Transport,
}

/// How mails leave: `mail.transport` with the section that it names.
#[derive(Clone, Debug)]
pub enum Transport {
    /// Through a mail server.
    Smtp(Smtp),
    /// Into a folder, one file a mail: nothing leaves the machine.
    Files {
        /// The folder; made when it isn't there.
        folder: PathBuf,
    },
    /// Through the machine's own `sendmail`.
    Sendmail {
        /// The program.
        command: PathBuf,
    },
}

/// `[smtp]`
#[derive(Clone, Debug)]
pub struct Smtp {
    /// A host name or an IP address.
    pub host: String,
    /// 465, 587 or 25 by `tls`, when the file doesn't say.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// Who we are to the server; `None` for a relay that asks nobody.
    pub login: Option<Login>,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Connections open at once.
    pub connections: u32,
    /// Mails over one connection before a new one is made.
    pub mails_per_connection: u32,
    /// What goes out together.
    pub pipelining: Pipelining,
    /// Whether the server is asked what reports should hold, where it can be (RFC 3461).
    pub dsn: bool,
    /// For finding and reaching the server; TLS has as long again.
    pub connect_timeout: Duration,
    /// For each answer but the last (RFC 5321 section 4.5.3.2), and for writing the whole of a mail.
    pub timeout: Duration,
    /// For the answer after the final dot; too short a time makes duplicates (RFC 5321 section 4.5.3.2.6).
    pub final_timeout: Duration,
    /// What EHLO says, a name or an address literal; the domain of `mail.from` when `None`.
    pub ehlo: Option<String>,
}

/// `[digest]`
#[derive(Clone, Debug)]
pub struct Digest {
    /// How many days back a paper still counts as new for a subscriber.
    pub window_days: u32,
    /// The default of a profile's `max_papers`.
    pub max_papers: u32,
    /// The default of a subscription's `schedule`.
    pub schedule: Schedule,
    /// The default of a subscription's `zone`.
    pub zone: Zone,
    /// How many papers outside the profile are shown below it, by votes.
    pub also_trending: u32,
    /// The default of a subscription's `when_empty`.
    pub when_empty: WhenEmpty,
}

/// `[dkim]`: mails are signed with each key that is there.
#[derive(Clone, Debug)]
pub struct Dkim {
    /// The domain that signs; that of `mail.from` when the file doesn't say.
    pub domain: String,
    /// The RSA key.
    pub rsa: Option<DkimKey>,
    /// The Ed25519 key.
    pub ed25519: Option<DkimKey>,
}

/// A private key under its selector.
#[derive(Clone, Debug)]
pub struct DkimKey {
    /// The name of its record: `<selector>._domainkey.<domain>`.
    pub selector: String,
    /// The key in PEM.
    pub pem: Secret,
}

/// `[bounces]`
#[derive(Clone, Debug)]
pub struct Bounces {
    /// Where bounces and mails for leaving arrive, if anywhere.
    pub inbox: Option<Inbox>,
    /// The pause between two looks.
    pub interval: Duration,
    /// So many editions in a row have to come back …
    pub soft_limit: u32,
    /// … over so many days, before an address with a passing trouble gets no more.
    pub soft_days: u32,
}

/// `[privacy]`
#[derive(Clone, Copy, Debug)]
pub struct Privacy {
    /// How many days the address and the name of who left are kept. At least as many as a leaving can be undone.
    pub keep_days: u32,
}

/// Where bounces arrive: `bounces.maildir` or `[imap]`.
#[derive(Clone, Debug)]
pub enum Inbox {
    /// A Maildir.
    Maildir(PathBuf),
    /// A mailbox on a server.
    Imap(Imap),
}

/// `[imap]`
#[derive(Clone, Debug)]
pub struct Imap {
    /// A host name or an IP address.
    pub host: String,
    /// 993 or 143 by `tls`, when the file doesn't say.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// Who we are to the server.
    pub login: Login,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The mailbox, as the server spells it.
    pub mailbox: String,
    /// Whether what was taken in is deleted.
    pub delete: bool,
    /// For each step: reaching the server, TLS, each answer.
    pub timeout: Duration,
}

/// `[web]`
#[derive(Clone, Debug)]
pub struct Web {
    /// Where the daemon serves its pages; `None` for nowhere.
    pub listen: Option<SocketAddr>,
    /// The address under which readers reach us, for links in mails.
    pub base_url: Option<Url>,
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// A level, or directives as `tracing_subscriber::EnvFilter` has them.
    pub level: String,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
