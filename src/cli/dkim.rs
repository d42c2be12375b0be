//! The commands about signatures: dkim keygen, dkim record.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Subcommand, ValueEnum};

use crate::app;
use crate::config::Settings;
use crate::mail::dkim::{Algorithm, Key, new_key};

/// What `dkim` does.
#[derive(Debug, Subcommand)]
pub(super) enum DkimAction {
    /// Makes a key: writes it to a file, and prints the DNS record and the settings to go with it
    Keygen {
        /// The kind of key; with one of each, every mail gets two signatures
        #[arg(long, value_enum, default_value_t = KeyType::Rsa)]
        r#type: KeyType,
        /// A name for the key, new for each key, such as r2026
        #[arg(long)]
        selector: String,
        /// Where to write the key [default: dkim-<selector>.pem]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Prints the DNS records of the configured keys, as lines of a zone file
    Record,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum KeyType {
    /// 2048 bits: every receiver knows it
    Rsa,
    /// Shorter and faster; not every receiver knows it yet
    Ed25519,
}

/// Runs one of them.
pub(super) fn dkim(settings: &Settings, action: DkimAction) -> anyhow::Result<ExitCode> {
    match action {
        DkimAction::Keygen { r#type, selector, output } => keygen(settings, r#type, &selector, output),
        DkimAction::Record => record(settings),
    }
}

fn keygen(settings: &Settings, kind: KeyType, selector: &str, output: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let (algorithm, name) = match kind {
        KeyType::Rsa => (Algorithm::Rsa, "rsa"),
        KeyType::Ed25519 => (Algorithm::Ed25519, "ed25519"),
    };
    let pem = new_key(algorithm)?;
    let key = Key::from_pem(selector, &pem)?;
    let path = output.unwrap_or_else(|| format!("dkim-{selector}.pem").into());
    // In the settings a relative path would start at their own folder.
    let path = std::path::absolute(&path).with_context(|| path.display().to_string())?;
    write_secret(&path, &pem).with_context(|| format!("can't write {}", path.display()))?;
    say!("wrote the key to {}; it signs once the settings name it and the DNS has its record\n", path.display());
    let quoted = toml_edit::Value::from(path.to_string_lossy().into_owned());
    say!("[dkim]\n{name}_selector = \"{selector}\"\n{name}_key_file = {quoted}\n");
    say!("{}", key.zone_line(&settings.dkim.domain)?);
    Ok(ExitCode::SUCCESS)
}

fn record(settings: &Settings) -> anyhow::Result<ExitCode> {
    let keys = app::dkim_keys(&settings.dkim)?;
    anyhow::ensure!(!keys.is_empty(), "the settings have no key in [dkim]: `paperpost dkim keygen` makes one");
    for key in keys {
        say!("{}", key.zone_line(&settings.dkim.domain)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// A new file that only its owner can read, whole or not there at all; one that is there already stays as it is.
fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::Builder::new().prefix(".dkim-").suffix(".new").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    Ok(())
}

/// Says that a mail which is shown has no signature, where the one that is sent has one.
pub(super) fn note_unsigned(settings: &Settings) {
    if let Some(missing) = settings.missing_secrets.iter().find(|missing| missing.key.starts_with("dkim.")) {
        note!("warning: this mail is not signed, since {} can't be read here; the one that is sent is", missing.key);
    }
}
