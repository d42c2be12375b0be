//! From settings to single parts, for commands that need no others: reading sources needs no password of the mail server.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use chrono::{Duration, NaiveDate};

use super::{Bounces, mail};
use crate::clock::Clock;
use crate::compose::Sender;
use crate::compose::returns::Returns;
use crate::config::settings::{self, Settings, Transport};
use crate::core::address::Address;
use crate::core::paper::SourceId;
use crate::core::token::Keyring;
use crate::core::zone::Zones;
use crate::jobs::deliver::pace::Pace;
use crate::jobs::inbox::Inbox;
use crate::jobs::{bounce, deliver, publish};
use crate::mail::imap::Imap;
use crate::mail::smtp::Smtp;
use crate::source::fetch::{Client, Options};
use crate::store::Store;
use crate::web::Web;

/// What in the settings looks right and can't be used: keys, certificates. The daemon would end at its start.
pub(crate) fn unusable(settings: &Settings) -> Vec<String> {
    let dkim = mail::signer(settings).err().map(|error| format!("{error:#}"));
    let smtp = match &settings.mail.transport {
        Transport::Smtp(smtp) => Smtp::new(mail::smtp(smtp, settings)).err().map(|error| error.to_string()),
        _ => None,
    };
    let imap = match &settings.bounces.inbox {
        Some(settings::Inbox::Imap(imap)) => Imap::new(mail::imap(imap)).err().map(|error| format!("imap.{error}")),
        _ => None,
    };
    [dkim, smtp, imap].into_iter().flatten().collect()
}

/// A warning when the rules of time zones are so old that some of them have probably changed since.
pub(crate) fn old_zones(today: NaiveDate) -> Option<String> {
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
pub(crate) fn client(settings: &Settings) -> anyhow::Result<Client> {
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

/// What publishing depends on.
pub(crate) fn publish(settings: &Settings) -> publish::Settings {
    publish::Settings {
        window: Duration::days(settings.digest.window_days.into()),
        also: settings.digest.also_trending as usize,
        domain: settings.mail.from.address.domain().to_owned(),
    }
}

/// What delivering depends on.
pub(crate) fn deliver(settings: &Settings, store: &Store) -> anyhow::Result<deliver::Settings> {
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
pub(crate) fn sender(settings: &Settings, store: &Store) -> anyhow::Result<Sender> {
    let mail = &settings.mail;
    let contact = person(settings).reveal();
    Ok(Sender {
        from: mail.from.clone(),
        reply_to: mail.reply_to.clone(),
        list_id: ("Paperpost digest".to_owned(), mail.list_id.clone()),
        change: Some(format!(
            "Your keywords and schedule are in the subscriptions file; write to {contact} to have them changed."
        )),
        returns: returns(settings, Some(store))?,
        signer: mail::signer(settings)?.map(Arc::new),
        sources: source_names(settings),
    })
}

/// How a mail comes back; without a database to nobody in particular.
pub(crate) fn returns(settings: &Settings, store: Option<&Store>) -> anyhow::Result<Returns> {
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
pub(crate) fn keyring(settings: &Settings, store: Option<&Store>) -> anyhow::Result<Keyring> {
    // A database that is only looked at may have no key yet; then links are for show.
    let own = store.map(Store::token_key).transpose()?.flatten().unwrap_or_else(|| vec![0; 32]);
    let keys: Vec<&[u8]> =
        settings.tokens.iter().map(|secret| secret.reveal().as_bytes()).chain([own.as_slice()]).collect();
    Ok(Keyring::new(keys[0], keys[1..].iter().copied()))
}

/// What bounces are judged by.
pub(crate) fn judging(settings: &Settings, store: &Store) -> anyhow::Result<bounce::Settings> {
    Ok(bounce::Settings {
        keyring: Arc::new(keyring(settings, Some(store))?),
        soft_limit: settings.bounces.soft_limit,
        soft_days: settings.bounces.soft_days,
    })
}

/// Where bounces arrive, and what they are judged by.
pub(crate) fn bounces(settings: &Settings, store: &Store) -> anyhow::Result<Bounces> {
    let inbox = match &settings.bounces.inbox {
        None => None,
        Some(settings::Inbox::Maildir(path)) => Some(Inbox::Maildir(path.clone())),
        Some(settings::Inbox::Imap(imap)) => {
            Some(Inbox::Imap(Imap::new(mail::imap(imap)).map_err(|e| anyhow!("imap.{e}"))?))
        }
    };
    Ok(Bounces { inbox, settings: judging(settings, store)?, interval: settings.bounces.interval })
}

/// What readers call each source.
fn source_names(settings: &Settings) -> HashMap<SourceId, String> {
    let enabled = settings.sources.iter().filter(|source| source.enabled);
    enabled.map(|source| (source.id.clone(), source.about.title.to_owned())).collect()
}

/// What the daemon's pages work with.
pub(crate) fn web(settings: &Settings, store: &Store) -> anyhow::Result<Web> {
    let from = &settings.mail.from;
    let sender = from.name.clone().unwrap_or_else(|| from.address.reveal());
    let keyring = Arc::new(keyring(settings, Some(store))?);
    Ok(Web { store: store.clone(), clock: Clock::System, keyring, sender })
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
