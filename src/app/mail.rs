//! From settings to the ways of mail: out by a transport, signed; back by a mailbox.

use anyhow::Context;

use crate::config::settings::{self, Settings, Transport};
use crate::mail::dkim::{Algorithm, Key, Signer};
use crate::mail::imap::ImapSettings;
use crate::mail::smtp::{Smtp, SmtpSettings, Timeouts};
use crate::mail::{AnyTransport, file::Files, sendmail::Sendmail};

/// How mails leave.
pub(crate) fn transport(settings: &Settings) -> anyhow::Result<AnyTransport> {
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

pub(super) fn smtp(smtp: &settings::Smtp, settings: &Settings) -> SmtpSettings {
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
pub(crate) fn way_out(settings: &Settings) -> String {
    match &settings.mail.transport {
        Transport::Files { folder } => format!("into the folder {}", folder.display()),
        Transport::Sendmail { command } => format!("through {}", command.display()),
        Transport::Smtp(smtp) => format!("through {}:{}", smtp.host, smtp.port),
    }
}

pub(super) fn imap(imap: &settings::Imap) -> ImapSettings {
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

/// What signs mails; `None` when the settings have no key.
pub(crate) fn signer(settings: &Settings) -> anyhow::Result<Option<Signer>> {
    let keys = dkim_keys(&settings.dkim)?;
    if keys.is_empty() {
        return Ok(None);
    }
    Ok(Some(Signer::new(&settings.dkim.domain, keys)?))
}

/// The keys of `[dkim]`, RSA first: who knows only one algorithm often reads only the first signature.
pub(crate) fn dkim_keys(dkim: &settings::Dkim) -> anyhow::Result<Vec<Key>> {
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
