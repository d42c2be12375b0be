//! From merged layers to [`Settings`].
//!
//! Reading never stops at a problem: where a value is wrong the problem is filed, its default takes its place, and the rest
//! is read, so that a person sees everything at once. Settings with a stand-in in them never leave [`super`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::access::is_open;
use super::keys;
use super::layers::Merged;
use super::node::{self, Node, Wrong};
use super::problem::{Problem, Severity, ValuePlace};
use super::settings::{
    Bounces, Database, Digest, FilePattern, Http, Log, LogFormat, Mail, MissingSecret, Privacy, Settings, Smtp,
    Transport,
};
use super::values;
use crate::core::host::is_loopback;
use crate::core::schedule::Schedule;
use crate::core::secret::Secret;
use crate::core::server::{Credential, Login, Mechanism, Pipelining, Tls};

mod leaving;
mod pacing;
mod sources;

/// Reads settings out of merged layers. `folder` is the config file's: relative paths in the file start there.
/// `credentials` is systemd's folder of secrets.
pub(super) fn read(
    merged: Merged,
    file: Option<PathBuf>,
    folder: &Path,
    credentials: Option<PathBuf>,
) -> (Settings, Vec<Problem>) {
    let is_service = file.as_deref().is_some_and(is_below_etc);
    let state = if is_service { PathBuf::from(SERVICE_STATE) } else { folder.to_owned() };
    let missing_secrets = Vec::new();
    let mut reader = Reader { merged, folder: folder.to_owned(), is_service, state, credentials, missing_secrets };
    let from = reader.need("mail.from", values::mailbox);
    let list_id = reader.get("mail.list_id", values::list_id);
    let dkim = reader.dkim(from.address.domain());
    let settings = Settings {
        file,
        database: reader.database(),
        subscriptions: reader.patterns("subscriptions.files"),
        max_removed: reader.need("subscriptions.max_removed", |node| node.positive(1.0)),
        sources: reader.sources(),
        http: Http {
            contact: reader.get("http.contact", values::contact),
            connect_timeout: reader.duration("http.connect_timeout"),
            timeout: reader.duration("http.timeout"),
            max_body: reader.need("http.max_body", |node| node.size(64 << 10..=1 << 30)),
            retries: reader.whole("http.retries", 0, 10),
        },
        mail: Mail {
            list_id: list_id.unwrap_or_else(|| format!("paperpost.{}", from.address.domain())),
            from,
            reply_to: reader.get("mail.reply_to", values::mailbox),
            bounce: reader.bounce_address(),
            transport: reader.transport(),
        },
        digest: Digest {
            window_days: reader.whole("digest.window_days", 1, 90),
            max_papers: reader.need("digest.max_papers", values::max_papers),
            schedule: reader.schedule("digest.schedule"),
            zone: reader.need("digest.zone", values::zone),
            also_trending: reader.whole("digest.also_trending", 0, 5),
            when_empty: reader.need("digest.when_empty", values::when_empty),
        },
        dkim,
        web: reader.web(),
        tokens: reader.tokens(),
        bounces: Bounces {
            inbox: reader.inbox(),
            interval: reader.duration("bounces.interval"),
            soft_limit: reader.whole("bounces.soft_limit", 1, 100),
            soft_days: reader.whole("bounces.soft_days", 0, 60),
        },
        privacy: Privacy { keep_days: reader.whole("privacy.keep_days", 7, 3650) },
        pacing: reader.pacing(),
        log: Log {
            format: reader
                .need("log.format", |node| node.choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)])),
            level: reader.need("log.level", values::log_level),
        },
        missing_secrets: std::mem::take(&mut reader.missing_secrets),
        warnings: Vec::new(),
        on_disk: std::mem::take(&mut reader.merged.on_disk),
    };
    let (warnings, errors) = reader.merged.problems.into_iter().partition(|problem| !problem.is_error());
    (Settings { warnings, ..settings }, errors)
}

struct Reader {
    merged: Merged,
    folder: PathBuf,
    /// Whether the settings are a system service's.
    is_service: bool,
    /// Where the database and the mails are by default: beside the settings file, or where a service may write. The same
    /// for the service and for a command run beside it, whatever directory either works in.
    state: PathBuf,
    credentials: Option<PathBuf>,
    missing_secrets: Vec<MissingSecret>,
}

impl Reader {
    /// The value, when it is set and right.
    fn get<T>(&mut self, key: &str, parse: impl Fn(&Node) -> Result<T, Wrong>) -> Option<T> {
        let node = self.merged.found.get(key)?;
        match parse(node) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.merged.problems.push(node.problem(key, wrong));
                None
            }
        }
    }

    /// The value of a key that has a default, which replaces a wrong one.
    fn need<T>(&mut self, key: &str, parse: impl Fn(&Node) -> Result<T, Wrong>) -> T {
        self.get(key, &parse).or_else(|| default(keys::find(key)?, parse)).expect("a default that a test has parsed")
    }

    /// A schedule, and a warning of what is hardly meant in it.
    fn schedule(&mut self, key: &str) -> Schedule {
        let schedule = self.need(key, values::schedule);
        self.warn_of_schedule(key, &schedule);
        schedule
    }

    fn warn_of_schedule(&mut self, key: &str, schedule: &Schedule) {
        if let Some(node) = self.merged.found.get(key) {
            let warning =
                |text: &String| Problem { severity: Severity::Warning, ..node.problem(key, Wrong::new(text)) };
            let warnings: Vec<_> = schedule.warnings().iter().map(warning).collect();
            self.merged.problems.extend(warnings);
        }
    }

    fn whole(&mut self, key: &str, least: u32, most: u32) -> u32 {
        self.need(key, |node| values::whole(node, least, most))
    }

    fn duration(&mut self, key: &str) -> Duration {
        self.need(key, |node| node.duration(Duration::from_millis(1)..=Duration::from_secs(3600)))
    }

    fn path(&mut self, key: &str) -> Option<PathBuf> {
        let folder = self.folder.clone();
        self.get(key, |node| Ok(from_folder(&folder, node, node.line()?)))
    }

    /// The path of something that the program writes.
    fn state_path(&mut self, key: &str) -> PathBuf {
        let path = self.path(key).unwrap_or_default();
        if self.place(key).is_some_and(|place| matches!(place, ValuePlace::Default)) {
            self.state.join(path)
        } else {
            path
        }
    }

    fn database(&mut self) -> Database {
        let path = self.state_path("database.path");
        let former = self.path("database.path").filter(|former| *former != path);
        Database { path, former }
    }

    fn patterns(&mut self, key: &str) -> Vec<FilePattern> {
        let mut patterns = Vec::new();
        for node in self.need(key, Node::list) {
            match node.line() {
                Ok(text) => patterns.push(self.pattern(text, node.place.clone())),
                Err(wrong) => self.merged.problems.push(node.problem(key, wrong)),
            }
        }
        patterns
    }

    /// The folder is no part of the pattern, whatever characters its name has.
    fn pattern(&self, text: &str, place: ValuePlace) -> FilePattern {
        let from_file = matches!(place, ValuePlace::Text(..) | ValuePlace::Default);
        let is_glob = text.contains(['*', '?', '[']);
        let folder = match is_glob {
            true => PathBuf::from(glob::Pattern::escape(&self.folder.to_string_lossy())),
            false => self.folder.clone(),
        };
        let path = if from_file { folder.join(text) } else { PathBuf::from(text) };
        FilePattern { pattern: path.to_string_lossy().into_owned(), is_glob, place }
    }

    /// Reads all three sections, so that a fault in one that isn't used now shows before it is.
    fn transport(&mut self) -> Transport {
        let smtp = self.smtp();
        let files = Transport::Files { folder: self.state_path("files.folder") };
        let folder = self.folder.clone();
        let command = self.need("sendmail.command", |node| match node.line()? {
            // A bare name is looked up in PATH, as a shell does.
            name if !name.contains('/') => Ok(PathBuf::from(name)),
            path => Ok(from_folder(&folder, node, path)),
        });
        let word = self.need("mail.transport", |node| {
            node.choice(&[("files", "files"), ("smtp", "smtp"), ("sendmail", "sendmail")])
        });
        let place = self.place("mail.transport").unwrap_or(ValuePlace::Default);
        if word != "files" && matches!(self.place("mail.from"), Some(ValuePlace::Default)) {
            let problem = Problem::error(place.clone(), "mail.from: is missing, and mails that leave need a sender");
            let hint = "add from = \"Papers <papers@example.org>\" to [mail], with an address of yours";
            self.merged.problems.push(problem.hint(hint.to_owned()));
        }
        match (word, smtp) {
            ("smtp", Some(smtp)) => Transport::Smtp(smtp),
            ("smtp", None) => {
                if !self.merged.found.contains_key("smtp.host") {
                    let problem = Problem::error(place, "smtp.host: is missing, and mail.transport is \"smtp\"");
                    let hint = "add host = \"smtp.example.org\" to [smtp], with the name of your server";
                    self.merged.problems.push(problem.hint(hint.to_owned()));
                }
                files
            }
            ("sendmail", _) => {
                if command.is_absolute() && !command.exists() {
                    let place = self.place("sendmail.command").unwrap_or(place);
                    let message = format!("sendmail.command: there is no {}", command.display());
                    self.merged.problems.push(Problem::warning(place, message));
                }
                Transport::Sendmail { command }
            }
            _ => files,
        }
    }

    fn smtp(&mut self) -> Option<Smtp> {
        let host = self.get("smtp.host", values::host);
        let tls = self.tls("smtp", host.as_deref());
        let port = self.port("smtp.port");
        let default_port = match tls {
            Tls::Implicit => 465,
            Tls::StartTls => 587,
            Tls::None => 25,
        };
        self.warn_of_port("smtp", port, tls, &[(465, Tls::Implicit), (587, Tls::StartTls), (25, Tls::StartTls)]);
        let login = self.login("smtp");
        let ca_file = self.ca_file("smtp.ca_file");
        let smtp = Smtp {
            host: String::new(),
            port: port.unwrap_or(default_port),
            tls,
            login,
            ca_file,
            connections: self.whole("smtp.connections", 1, 64),
            mails_per_connection: self.whole("smtp.mails_per_connection", 1, 100_000),
            pipelining: self.need("smtp.pipelining", |node| {
                let words =
                    [("off", Pipelining::Off), ("commands", Pipelining::Commands), ("mails", Pipelining::Mails)];
                node.choice(&words)
            }),
            dsn: self.need("smtp.dsn", Node::boolean),
            connect_timeout: self.duration("smtp.connect_timeout"),
            timeout: self.duration("smtp.timeout"),
            final_timeout: self.duration("smtp.final_timeout"),
            ehlo: self.get("smtp.ehlo", values::ehlo),
        };
        host.map(|host| Smtp { host, ..smtp })
    }

    /// How a server's connection is protected; in clear only on this machine.
    fn tls(&mut self, section: &str, host: Option<&str>) -> Tls {
        let key = format!("{section}.tls");
        let tls = self.need(&key, |node| {
            node.choice(&[("implicit", Tls::Implicit), ("starttls", Tls::StartTls), ("none", Tls::None)])
        });
        if tls == Tls::None
            && host.is_some_and(|host| !is_loopback(host))
            && let Some(node) = self.merged.found.get(&key)
        {
            let wrong = Wrong::new("\"none\" leaves everything in clear, so it is only for a host on this machine");
            let wrong = wrong.hint("use \"implicit\" or \"starttls\"".to_owned());
            self.merged.problems.push(node.problem(&key, wrong));
        }
        tls
    }

    /// A port that by custom begins the other way: each side would wait for the other to begin.
    fn warn_of_port(&mut self, section: &str, port: Option<u16>, tls: Tls, customs: &[(u16, Tls)]) {
        let word = |tls| if tls == Tls::Implicit { "implicit" } else { "starttls" };
        let custom = port.and_then(|port| customs.iter().find(|(known, _)| *known == port));
        let key = format!("{section}.port");
        if let (Some((port, usual)), Some(place)) = (custom, self.place(&key))
            && tls != Tls::None
            && tls != *usual
        {
            let message = format!("{key}: servers speak {section}.tls = \"{}\" on port {port}", word(*usual));
            let hint = format!("{section}.tls is \"{}\" now", word(tls));
            self.merged.problems.push(Problem::warning(place, message).hint(hint));
        }
    }

    fn port(&mut self, key: &str) -> Option<u16> {
        self.get(key, |node| u16::try_from(node.integer(1..=65_535)?).map_err(|error| Wrong::new(error.to_string())))
    }

    fn ca_file(&mut self, key: &str) -> Option<PathBuf> {
        let path = self.path(key);
        if let (Some(path), Some(place)) = (&path, self.place(key))
            && let Err(error) = std::fs::metadata(path)
        {
            let message = format!("{key}: can't read {}: {error}", path.display());
            self.merged.problems.push(Problem::error(place, message));
        }
        if let Some(text) = path.as_ref().and_then(|path| std::fs::read_to_string(path).ok()) {
            self.merged.on_disk.content(key, &text);
        }
        path
    }

    /// The user name and password of a section, both or neither.
    fn login(&mut self, section: &str) -> Option<Login> {
        let mechanism = self.need(&format!("{section}.auth"), |node| match section {
            "smtp" => node.choice(&[
                ("password", Mechanism::Best),
                ("xoauth2", Mechanism::XOAuth2),
                ("scram-sha-256", Mechanism::ScramSha256),
                ("plain", Mechanism::Plain),
                ("login", Mechanism::Login),
            ]),
            _ => node.choice(&[("password", Mechanism::Best), ("xoauth2", Mechanism::XOAuth2)]),
        });
        let [username_key, key] = ["username", "password"].map(|last| format!("{section}.{last}"));
        let credential = format!("{section}-password");
        let user = self.get(&username_key, |node| Ok(node.line()?.to_owned()));
        let errors = self.merged.problems.len();
        let password = self.secret_and_file(&key, &credential);
        match (user, password) {
            (Some(user), Some((password, file))) => {
                let secret = file.map_or(Credential::Given(password), Credential::File);
                return Some(Login { user, secret, mechanism });
            }
            (Some(user), None) if self.merged.problems.len() == errors => {
                if self.missing_secrets.iter().all(|missing| missing.key != key) {
                    let place = self.place(&username_key).unwrap_or(ValuePlace::Default);
                    let variable = format!("PAPERPOST__{}__PASSWORD", section.to_uppercase());
                    let message = format!("{username_key}: there is no password to it");
                    let hint = format!("set {key}_file, {variable} or the credential {credential}");
                    self.miss(key, place, message, hint);
                }
                // Nobody logs in with it: the commands that would refuse to start.
                return Some(Login { user, secret: "".into(), mechanism });
            }
            // A credential that the service manager offers and nobody asks for is no mistake.
            (None, Some(_)) => {
                let place = [key.clone(), format!("{key}_file")].into_iter().find_map(|key| self.place(&key));
                if let (Some(place), None) = (place, self.place(&username_key)) {
                    let message = format!("{username_key}: is missing, and there is a password");
                    self.merged.problems.push(Problem::error(place, message));
                }
            }
            _ => {}
        }
        None
    }

    /// A secret: given outright (`key`), in a file (`key` with `_file`), or as a credential of the service manager. The
    /// higher layer wins between the first two; in one file they exclude each other. One that can't be read is missed
    /// only by the commands that need it.
    fn secret(&mut self, key: &str, credential: &str) -> Option<Secret> {
        let (secret, _) = self.secret_and_file(key, credential)?;
        if matches!(self.place(&format!("{key}_file")), Some(ValuePlace::Text(..))) {
            self.merged.on_disk.content(key, secret.reveal());
        }
        Some(secret)
    }

    /// The same with the file that it was read from, if it was.
    fn secret_and_file(&mut self, key: &str, credential: &str) -> Option<(Secret, Option<PathBuf>)> {
        let file_key = format!("{key}_file");
        if let (Some(value), Some(file)) = (self.place(key), self.place(&file_key)) {
            if matches!((&value, &file), (ValuePlace::Text(..), ValuePlace::Text(..))) {
                let message = format!("{key}: is set, and {file_key} as well; only one can count");
                self.merged.problems.push(Problem::error(value.clone(), message));
            }
            if rank(&file) > rank(&value) {
                self.merged.found.remove(key);
            }
        }
        if let Some(place) = self.place(key) {
            self.warn_of_eyes(key, &place);
            return self.get(key, |node| match node.text()? {
                "" => Err(Wrong::new("expected a secret, found an empty string")),
                text => Ok((Secret::without_newline(text), None)),
            });
        }
        let (path, place) = match (self.path(&file_key), self.place(&file_key)) {
            (Some(path), Some(place)) => (path, place),
            (None, Some(_)) => return None,
            (_, None) => {
                let path = self.credentials.as_ref()?.join(credential);
                if !path.exists() {
                    return None;
                }
                (path.clone(), ValuePlace::Path(path))
            }
        };
        match std::fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => Some((Secret::without_newline(&text), Some(path))),
            Ok(_) => {
                let problem = Problem::error(place, format!("{key}: {} is empty", path.display()));
                self.missing_secrets.push(MissingSecret { key: key.to_owned(), problem });
                None
            }
            Err(error) => {
                let message = format!("{key}: can't read {}: {error}", path.display());
                // The service may be another user, who can.
                let problem = match error.kind() {
                    std::io::ErrorKind::PermissionDenied => Problem::warning(place, message),
                    _ => Problem::error(place, message),
                };
                self.missing_secrets.push(MissingSecret { key: key.to_owned(), problem });
                None
            }
        }
    }

    /// Files a secret that nothing here gives. A service may have it as a credential, which no other process sees.
    fn miss(&mut self, key: String, place: ValuePlace, message: String, hint: String) {
        let problem = match self.is_service {
            true => Problem::warning(place, format!("{message} here; the service may have it as a credential")),
            false => Problem::error(place, message),
        };
        self.missing_secrets.push(MissingSecret { key, problem: problem.hint(hint) });
    }

    /// A secret in a file that everybody can read, or on the command line, which every user can list.
    fn warn_of_eyes(&mut self, key: &str, place: &ValuePlace) {
        let (message, hint) = match place {
            ValuePlace::Text(file, _) if is_open(&file.path) => (
                format!("{key}: is in a file that every user of this machine can read"),
                format!("chmod o-r {}, or use {key}_file", file.path.display()),
            ),
            ValuePlace::Override(_) => (
                format!("{key}: is on the command line, which every user of this machine can read"),
                format!("use {key}_file or the environment"),
            ),
            _ => return,
        };
        self.merged.problems.push(Problem::warning(place.clone(), message).hint(hint));
    }

    fn place(&self, key: &str) -> Option<ValuePlace> {
        self.merged.found.get(key).map(|node| node.place.clone())
    }
}

/// A path as it is meant: one in the file starts at the file's folder, any other at the working directory.
fn from_folder(folder: &Path, node: &Node, text: &str) -> PathBuf {
    match node.place {
        ValuePlace::Text(..) => folder.join(text),
        _ => PathBuf::from(text),
    }
}

/// Where a service writes, whose settings are below `/etc`.
const SERVICE_STATE: &str = "/var/lib/paperpost";

fn is_below_etc(file: &Path) -> bool {
    std::path::absolute(file).is_ok_and(|file| file.starts_with("/etc"))
}

/// A default as it is read.
fn default<T>(toml: &str, parse: impl Fn(&Node) -> Result<T, Wrong>) -> Option<T> {
    parse(&node::parse_default(toml)?).ok()
}

/// The layer of a place, from the lowest.
fn rank(place: &ValuePlace) -> u8 {
    match place {
        ValuePlace::Default => 0,
        ValuePlace::Text(..) | ValuePlace::Path(_) => 1,
        ValuePlace::Variable(_) => 2,
        ValuePlace::Override(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::layers::Layers;
    use super::super::problem::SourceFile;
    use super::*;

    fn read_text(text: String) -> (Settings, Vec<Problem>) {
        let file = Arc::new(SourceFile::new("paperpost.toml", text));
        let mut layers = Layers::default();
        layers.file(Some(&node::parse(&file).expect("valid TOML")));
        read(layers.merge(), None, Path::new(""), None)
    }

    #[test]
    fn every_key_is_looked_at_and_has_something_to_stand_in_when_it_is_wrong() {
        for (key, _) in keys::all() {
            let key = key.replace('*', "huggingface");
            for wrong in ["2026-01-01", "{ x = 1 }"] {
                let (_, problems) = read_text(format!("{key} = {wrong}\n"));
                let start = format!("{key}: expected ");
                let found = problems.iter().any(|problem| problem.message.starts_with(&start));
                assert!(found, "{key} = {wrong}: {problems:?}");
            }
        }
    }

    #[test]
    fn no_enabled_source_is_worth_a_warning() {
        let (settings, errors) = read_text("[sources.huggingface]\nenabled = false\n".into());
        assert!(errors.is_empty());
        let warnings: Vec<_> = settings.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, ["paperpost.toml:2:11: warning: sources: none is enabled, so no paper will ever come"]);
    }

    #[test]
    fn a_bare_command_is_looked_up_in_the_path() {
        let command = |line: &str| match read_text(format!(
            "mail.from = \"a@example.org\"\nmail.transport = \"sendmail\"\n{line}\n"
        )) {
            (Settings { mail: Mail { transport: Transport::Sendmail { command }, .. }, .. }, _) => command,
            (settings, _) => panic!("expected sendmail, found {:?}", settings.mail.transport),
        };
        assert_eq!(command(""), Path::new("/usr/sbin/sendmail"));
        assert_eq!(command("sendmail.command = \"msmtp\""), Path::new("msmtp"));
    }
}
