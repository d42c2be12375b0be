//! From settings to the parts that the jobs work with.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use chrono::{Duration, NaiveDate};
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::config::settings::{self, Settings, Transport};
use crate::core::address::Address;
use crate::core::paper::SourceId;
use crate::core::token::Keyring;
use crate::core::zone::Zones;
use crate::daemon::Bounces;
use crate::jobs::inbox::Inbox;
use crate::jobs::letter::Sender;
use crate::jobs::pace::Pace;
use crate::jobs::returns::Returns;
use crate::jobs::{bounce, deliver, publish};
use crate::mail::dkim::{Algorithm, Key, Signer};
use crate::mail::imap::{Imap, ImapSettings};
use crate::mail::smtp::{Smtp, SmtpSettings, Timeouts};
use crate::mail::{AnyTransport, file::Files, sendmail::Sendmail};
use crate::source::fetch::{Client, Options};
use crate::store::{Lock, Store, StoreError};
use crate::web::Web;

/// The database, and the lock on it: for commands that do the daemon's work.
pub(super) fn open(settings: &Settings) -> anyhow::Result<(Lock, Store)> {
    let path = database(settings)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("can't make the folder {}", folder.display()))?;
    }
    let lock = Lock::acquire(path)?;
    let store = write(settings)?;
    // The last daemon may have been killed.
    store.note_daemon(false)?;
    Ok((lock, store))
}

/// The database without the lock: for commands that write beside a daemon.
pub(super) fn write(settings: &Settings) -> anyhow::Result<Store> {
    let path = database(settings)?;
    Store::open(path).with_context(|| path.display().to_string())
}

/// Whether a daemon works on the database.
pub(super) fn has_daemon(settings: &Settings, store: &Store) -> bool {
    Lock::is_held(&settings.database.path) && store.is_daemon_noted().unwrap_or(false)
}

/// The database for looking at; `None` when there is none yet, or nothing in it.
pub(super) fn look(settings: &Settings) -> anyhow::Result<Option<Store>> {
    let path = database(settings)?;
    if !path.exists() {
        return Ok(None);
    }
    match Store::open_read_only(path) {
        Err(StoreError::Empty) => Ok(None),
        opened => Ok(Some(opened.with_context(|| path.display().to_string())?)),
    }
}

/// Where the database is. A second one would send everything again, so one at the place where the program once made it
/// is not passed over.
fn database(settings: &Settings) -> anyhow::Result<&Path> {
    let path = settings.database.path.as_path();
    let former = settings.database.former.as_deref().filter(|former| !path.exists() && former.exists());
    if let Some(former) = former {
        anyhow::bail!(
            "there is no database at {path}, where it is by default, but one at {former}, where it once was: move it \
             there, with {former}-wal if there is one, or set database.path",
            path = path.display(),
            former = former.display(),
        );
    }
    Ok(path)
}

/// What in the settings looks right and can't be used: keys, certificates. The daemon would end at its start.
pub(super) fn unusable(settings: &Settings) -> Vec<String> {
    let dkim = signer(settings).err().map(|error| format!("{error:#}"));
    let smtp = match &settings.mail.transport {
        Transport::Smtp(smtp) => Smtp::new(self::smtp(smtp, settings)).err().map(|error| error.to_string()),
        _ => None,
    };
    let imap = match &settings.bounces.inbox {
        Some(settings::Inbox::Imap(imap)) => Imap::new(self::imap(imap)).err().map(|error| format!("imap.{error}")),
        _ => None,
    };
    [dkim, smtp, imap].into_iter().flatten().collect()
}

/// A warning when the rules of time zones are so old that some of them have probably changed since.
pub(super) fn old_zones(today: NaiveDate) -> Option<String> {
    let zones = Zones::in_use();
    zones.version().is_old(today).then(|| {
        let (version, place) = (zones.version(), zones.place());
        format!(
            "the time zones are of {version} (from {place}), over a year old: some digests may come an hour off; a newer \
             tzdata of the system is used by itself"
        )
    })
}

/// What reads sources.
pub(super) fn client(settings: &Settings) -> anyhow::Result<Client> {
    let http = &settings.http;
    let contact = http.contact.as_deref().map(|contact| format!("; {contact}")).unwrap_or_default();
    let agent = format!("paperpost/{} (email digests of papers{contact})", env!("CARGO_PKG_VERSION"));
    let options = Options {
        connect_timeout: http.connect_timeout,
        timeout: http.timeout,
        max_body: usize::try_from(http.max_body).unwrap_or(usize::MAX),
        tries: http.retries + 1,
        ..Options::new(agent)
    };
    Client::new(options).context("can't set up HTTP")
}

/// How mails leave.
pub(super) fn transport(settings: &Settings) -> anyhow::Result<AnyTransport> {
    Ok(match &settings.mail.transport {
        Transport::Files { folder } => {
            let made = Files::new(folder.clone());
            AnyTransport::Files(made.with_context(|| format!("can't make the folder {}", folder.display()))?)
        }
        Transport::Sendmail { command } => AnyTransport::Sendmail(Sendmail::new(command.clone(), SENDMAIL_LIMIT)),
        Transport::Smtp(smtp) => AnyTransport::Smtp(Smtp::new(self::smtp(smtp, settings))?),
    })
}

/// How long the machine's own mail program may take for one mail.
const SENDMAIL_LIMIT: std::time::Duration = std::time::Duration::from_secs(120);

fn smtp(smtp: &settings::Smtp, settings: &Settings) -> SmtpSettings {
    // A name of our own is better than none: servers look it up. The sender's domain exists at least.
    let hello = smtp.ehlo.clone().unwrap_or_else(|| settings.mail.from.address.domain().to_owned());
    let timeouts = Timeouts {
        connect: smtp.connect_timeout,
        greeting: smtp.timeout,
        command: smtp.timeout,
        data: smtp.timeout,
        message: smtp.timeout,
        end_of_data: smtp.final_timeout,
        ..Timeouts::default()
    };
    SmtpSettings {
        tls: smtp.tls,
        ca_file: smtp.ca_file.clone(),
        login: smtp.login.clone(),
        connections: smtp.connections as usize,
        mails_per_connection: smtp.mails_per_connection,
        pipelining: smtp.pipelining,
        dsn: smtp.dsn,
        timeouts,
        ..SmtpSettings::new(&smtp.host, smtp.port, hello)
    }
}

/// Where mails go, in words that follow "sends".
pub(super) fn way_out(settings: &Settings) -> String {
    match &settings.mail.transport {
        Transport::Files { folder } => format!("into the folder {}", folder.display()),
        Transport::Sendmail { command } => format!("through {}", command.display()),
        Transport::Smtp(smtp) => format!("through {}:{}", smtp.host, smtp.port),
    }
}

/// What publishing depends on.
pub(super) fn publish(settings: &Settings) -> publish::Settings {
    publish::Settings {
        window: Duration::days(settings.digest.window_days.into()),
        also: settings.digest.also_trending as usize,
        domain: settings.mail.from.address.domain().to_owned(),
    }
}

/// What delivering depends on.
pub(super) fn deliver(settings: &Settings, store: &Store) -> anyhow::Result<deliver::Settings> {
    let connections = match &settings.mail.transport {
        Transport::Smtp(smtp) => smtp.connections as usize,
        _ => 1,
    };
    Ok(deliver::Settings {
        sender: sender(settings, store)?,
        shared: Arc::default(),
        connections,
        pace: Arc::new(Pace::new(settings.pacing.clone())),
        soft_limit: settings.bounces.soft_limit,
        soft_days: settings.bounces.soft_days,
    })
}

/// Who writes.
pub(super) fn sender(settings: &Settings, store: &Store) -> anyhow::Result<Sender> {
    let mail = &settings.mail;
    let contact = person(settings).reveal();
    Ok(Sender {
        from: mail.from.clone(),
        reply_to: mail.reply_to.clone(),
        list_id: ("Paperpost digest".to_owned(), mail.list_id.clone()),
        change: Some(format!(
            "Your keywords and schedule stand in the subscriptions file; write to {contact} to have them changed."
        )),
        returns: returns(settings, Some(store))?,
        signer: signer(settings)?.map(Arc::new),
        sources: source_names(settings),
    })
}

/// Says that a mail which is shown has no signature, where the one that is sent has one.
pub(super) fn note_unsigned(settings: &Settings) {
    if let Some(missing) = settings.missing_secrets.iter().find(|missing| missing.key.starts_with("dkim.")) {
        note!("warning: this mail is not signed, since {} can't be read here; the one that is sent is", missing.key);
    }
}

/// How a mail comes back; without a database to nobody in particular.
pub(super) fn returns(settings: &Settings, store: Option<&Store>) -> anyhow::Result<Returns> {
    let mail = &settings.mail;
    let person = person(settings);
    Ok(Returns {
        keyring: Arc::new(keyring(settings, store)?),
        base_url: settings.web.base_url.clone(),
        mailbox: mail.bounce.clone().unwrap_or_else(|| person.clone()),
        person,
        bounce: mail.bounce.clone(),
    })
}

/// Who answers readers.
fn person(settings: &Settings) -> Address {
    settings.mail.reply_to.as_ref().unwrap_or(&settings.mail.from).address.clone()
}

/// The keys of tokens: those of the settings, and the database's own, which came first and stays good.
pub(super) fn keyring(settings: &Settings, store: Option<&Store>) -> anyhow::Result<Keyring> {
    // A database that is only looked at may have no key yet; then links are for show.
    let own = store.map(Store::token_key).transpose()?.flatten().unwrap_or_else(|| vec![0; 32]);
    let keys: Vec<&[u8]> =
        settings.tokens.iter().map(|secret| secret.reveal().as_bytes()).chain([own.as_slice()]).collect();
    Ok(Keyring::new(keys[0], keys[1..].iter().copied()))
}

/// What bounces are judged by.
pub(super) fn judging(settings: &Settings, store: &Store) -> anyhow::Result<bounce::Settings> {
    Ok(bounce::Settings {
        keyring: Arc::new(keyring(settings, Some(store))?),
        soft_limit: settings.bounces.soft_limit,
        soft_days: settings.bounces.soft_days,
    })
}

/// Where bounces arrive, and what they are judged by.
pub(super) fn bounces(settings: &Settings, store: &Store) -> anyhow::Result<Bounces> {
    let inbox = match &settings.bounces.inbox {
        None => None,
        Some(settings::Inbox::Maildir(path)) => Some(Inbox::Maildir(path.clone())),
        Some(settings::Inbox::Imap(imap)) => {
            Some(Inbox::Imap(Imap::new(self::imap(imap)).map_err(|e| anyhow!("imap.{e}"))?))
        }
    };
    Ok(Bounces { inbox, settings: judging(settings, store)?, interval: settings.bounces.interval })
}

fn imap(imap: &settings::Imap) -> ImapSettings {
    ImapSettings {
        host: imap.host.clone(),
        port: imap.port,
        tls: imap.tls,
        ca_file: imap.ca_file.clone(),
        login: imap.login.clone(),
        mailbox: imap.mailbox.clone(),
        delete: imap.delete,
        connect_timeout: imap.timeout,
        timeout: imap.timeout,
    }
}

/// The daemon's pages, and where they are served; `None` when the settings say nowhere.
pub(super) async fn web(settings: &Settings, store: &Store) -> anyhow::Result<Option<(TcpListener, Web)>> {
    let Some(address) = settings.web.listen else { return Ok(None) };
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("web.listen: can't listen on {address}"))?;
    let from = &settings.mail.from;
    let sender = from.name.clone().unwrap_or_else(|| from.address.reveal());
    let keyring = Arc::new(keyring(settings, Some(store))?);
    Ok(Some((listener, Web { store: store.clone(), clock: Clock::System, keyring, sender })))
}

/// What signs mails; `None` when the settings have no key.
pub(super) fn signer(settings: &Settings) -> anyhow::Result<Option<Signer>> {
    let keys = dkim_keys(&settings.dkim)?;
    if keys.is_empty() {
        return Ok(None);
    }
    Ok(Some(Signer::new(&settings.dkim.domain, keys)?))
}

/// The keys of `[dkim]`, RSA first: who knows only one algorithm often reads only the first signature.
pub(super) fn dkim_keys(dkim: &settings::Dkim) -> anyhow::Result<Vec<Key>> {
    let keys = [("dkim.rsa_key", &dkim.rsa, Algorithm::Rsa), ("dkim.ed25519_key", &dkim.ed25519, Algorithm::Ed25519)];
    let mut out = Vec::new();
    for (name, key, algorithm) in keys {
        let Some(key) = key else { continue };
        let key = Key::from_pem(&key.selector, key.pem.reveal()).context(name)?;
        anyhow::ensure!(key.algorithm() == algorithm, "{name}: is a key of the other kind");
        out.push(key);
    }
    Ok(out)
}

/// What readers call each source.
fn source_names(settings: &Settings) -> HashMap<SourceId, String> {
    let enabled = settings.sources.iter().filter(|source| source.enabled);
    enabled.map(|source| (source.id.clone(), source.about.title.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_of_over_a_year_ago_are_warned_of() {
        let day = |year| NaiveDate::from_ymd_opt(year, 1, 1).expect("a day");
        assert_eq!(old_zones(day(2026)), None);
        let warning = old_zones(day(2099)).expect("a warning");
        let version = Zones::compiled().version().to_string();
        assert!(warning.contains(&version) && warning.contains("over a year old"), "{warning}");
    }
}
