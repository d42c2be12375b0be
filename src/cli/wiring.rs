//! From settings to the parts that the jobs work with.

use std::collections::HashMap;

use anyhow::Context;
use chrono::Duration;

use crate::config::settings::{self, Mailbox, Settings, SourceKind, SourceSettings, Transport};
use crate::core::paper::SourceId;
use crate::jobs::letter::Sender;
use crate::jobs::{deliver, publish};
use crate::mail::smtp::{Login, Smtp, SmtpSettings, Timeouts, Tls};
use crate::mail::{AnyTransport, file::Files, mime, sendmail::Sendmail};
use crate::source::fetch::{Client, Options, Token};
use crate::source::huggingface::{HuggingFace, Kind};
use crate::store::{Lock, Store};

/// The database, and the lock on it: for commands that write.
pub(super) fn open(settings: &Settings) -> anyhow::Result<(Lock, Store)> {
    let path = &settings.database.path;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("can't make the folder {}", folder.display()))?;
    }
    let lock = Lock::acquire(path)?;
    let store = Store::open(path).with_context(|| path.display().to_string())?;
    Ok((lock, store))
}

/// The database for looking at; `None` when there is none yet.
pub(super) fn look(settings: &Settings) -> anyhow::Result<Option<Store>> {
    let path = &settings.database.path;
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(Store::open_read_only(path).with_context(|| path.display().to_string())?))
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

/// A source as the settings describe it.
pub(super) fn source(settings: &SourceSettings) -> HuggingFace {
    HuggingFace {
        id: settings.id.clone(),
        base: settings.base_url.clone(),
        kind: match settings.kind {
            SourceKind::HuggingFaceDaily => Kind::Daily { days: settings.days },
            SourceKind::HuggingFaceTrending => Kind::Trending,
        },
        token: settings.token.as_ref().and_then(|token| Token::new(token.reveal(), &settings.base_url)),
    }
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
        tls: match smtp.tls {
            settings::Tls::Implicit => Tls::Implicit,
            settings::Tls::StartTls => Tls::StartTls,
            settings::Tls::None => Tls::None,
        },
        ca_file: smtp.ca_file.clone(),
        login: smtp
            .login
            .as_ref()
            .map(|login| Login::Password { user: login.username.clone(), password: login.password.reveal().into() }),
        connections: smtp.connections as usize,
        mails_per_connection: smtp.mails_per_connection,
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
pub(super) fn deliver(settings: &Settings) -> deliver::Settings {
    let connections = match &settings.mail.transport {
        Transport::Smtp(smtp) => smtp.connections as usize,
        _ => 1,
    };
    deliver::Settings { sender: sender(settings), connections }
}

/// Who writes.
pub(super) fn sender(settings: &Settings) -> Sender {
    let mail = &settings.mail;
    let contact = mail.reply_to.as_ref().unwrap_or(&mail.from).address.reveal();
    Sender {
        from: mailbox(&mail.from),
        reply_to: mail.reply_to.as_ref().map(mailbox),
        list_id: ("Paperpost digest".to_owned(), mail.list_id.clone()),
        change: Some(format!(
            "Your keywords and schedule stand in the subscriptions file; write to {contact} to have them changed."
        )),
        stop: Some(format!("mailto:{contact}?subject=unsubscribe")),
        sources: source_names(settings),
    }
}

/// What readers call each source.
fn source_names(settings: &Settings) -> HashMap<SourceId, String> {
    let name = |source: &SourceSettings| match source.kind {
        SourceKind::HuggingFaceDaily => "Hugging Face Daily Papers",
        SourceKind::HuggingFaceTrending => "Hugging Face Trending Papers",
    };
    let enabled = settings.sources.iter().filter(|source| source.enabled);
    enabled.map(|source| (source.id.clone(), name(source).to_owned())).collect()
}

pub(super) fn mailbox(mailbox: &Mailbox) -> mime::Mailbox {
    mime::Mailbox { name: mailbox.name.clone(), address: mailbox.address.clone() }
}
