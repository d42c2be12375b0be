//! The commands about addresses that must not be written to: suppress list, add, remove, export, import.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::{Subcommand, ValueEnum};

use super::format::plural;
use super::{output, parse_address, show};
use crate::app;
use crate::clock::Clock;
use crate::config::Settings;
use crate::core::address::Address;
use crate::store::{AddressHash, Imported, Reason, Store};

/// What `suppress` does.
#[derive(Debug, Subcommand)]
pub(super) enum SuppressAction {
    /// Lists the suppressed addresses, newest first
    List {
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Suppresses an address: it gets nothing more, whatever lists it and whatever is queued
    Add {
        /// The address
        address: String,
        /// Why
        #[arg(long, value_enum, default_value_t = ReasonWord::Operator)]
        reason: ReasonWord,
        /// What else there is to know
        #[arg(long)]
        note: Option<String>,
    },
    /// Lifts a suppression, for somebody who asked for mails again
    Remove {
        /// The address
        address: String,
    },
    /// Writes all suppressions to a file: hash, reason and date of each
    ///
    /// Hashes are good only for a copy of the database that made them: they are no substitute for a backup of it.
    Export {
        /// A CSV file
        file: PathBuf,
        /// Addresses in clear, good for any database, of those that the database still knows
        #[arg(long)]
        addresses: bool,
    },
    /// Takes in an export, or a file with an address a line
    ///
    /// Lines are `hash,reason,date` as an export has them, `address,reason,date`, or an address alone, which counts as
    /// suppressed by the operator. Hashes are good only for a copy of the database that made them.
    Import {
        /// The file
        file: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ReasonWord {
    Unsubscribed,
    Bounced,
    Complained,
    Operator,
}

impl ReasonWord {
    fn reason(self) -> Reason {
        match self {
            Self::Unsubscribed => Reason::Unsubscribed,
            Self::Bounced => Reason::Bounced,
            Self::Complained => Reason::Complained,
            Self::Operator => Reason::Operator,
        }
    }
}

/// Runs one of them. The daemon may be running: it sees the change before its next mail. What has nothing to write makes
/// no database.
pub(super) fn suppress(settings: &Settings, action: SuppressAction) -> anyhow::Result<ExitCode> {
    let is_adding = matches!(action, SuppressAction::Add { .. } | SuppressAction::Import { .. });
    let is_json = matches!(action, SuppressAction::List { json: true });
    if !is_adding && show::existing(settings, is_json)?.is_none() {
        return Ok(if matches!(action, SuppressAction::List { .. }) { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let store = app::write(settings)?;
    let now = Clock::System.now();
    match action {
        SuppressAction::List { json } => list(&store, json)?,
        SuppressAction::Add { address, reason, note } => {
            let news = store.suppress(&parse_address(&address)?, reason.reason(), note.as_deref(), now)?;
            say!("{address} {}", if news { "gets nothing more" } else { "was suppressed already" });
        }
        SuppressAction::Remove { address } => {
            if !store.lift_suppression(&parse_address(&address)?, now)? {
                say!("{address} is not suppressed");
                return Ok(ExitCode::FAILURE);
            }
            say!("{address} may be written to again");
        }
        SuppressAction::Export { file, addresses } => export(&store, &file, addresses)?,
        SuppressAction::Import { file } => {
            let count = import(&store, &file, now)?;
            say!("{count} new {} from {}", plural(count, "suppression"), file.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(store: &Store, json: bool) -> anyhow::Result<()> {
    let suppressions = store.suppressions()?;
    if json {
        return output::json(&suppressions);
    }
    for entry in &suppressions {
        // Who is no subscriber any more is known by the hash alone.
        let who = entry.address.clone().unwrap_or_else(|| format!("(unknown: {}…)", &entry.hash[..16]));
        let note = entry.note.as_ref().map(|note| format!("  {note}")).unwrap_or_default();
        say!("{}  {:12} {who}{note}", entry.at.format("%Y-%m-%d"), entry.reason.as_str());
    }
    say!("{} {}", suppressions.len(), plural(suppressions.len(), "suppression"));
    Ok(())
}

/// Begins the first line of an export of hashes; the id of the key that made them follows.
const KEY_LINE: &str = "# paperpost suppressions, hashed with key ";

/// The line above the first suppression of an export, of hashes or of addresses.
const HEADINGS: [&str; 2] = ["hash,reason,date", "address,reason,date"];

/// Who left the subscriptions is known by the hash alone, and is in no export of addresses.
fn export(store: &Store, file: &Path, addresses: bool) -> anyhow::Result<()> {
    let suppressions = store.suppressions()?;
    let mut text = match addresses {
        true => format!("{}\n", HEADINGS[1]),
        false => format!("{KEY_LINE}{}\n{}\n", store.suppression_key_id()?, HEADINGS[0]),
    };
    let mut count = 0;
    for entry in &suppressions {
        let who = if addresses { entry.address.as_ref() } else { Some(&entry.hash) };
        let Some(who) = who else { continue };
        text.push_str(&format!("{who},{},{}\n", entry.reason.as_str(), entry.at.format("%Y-%m-%d")));
        count += 1;
    }
    std::fs::write(file, text).with_context(|| format!("can't write {}", file.display()))?;
    say!("wrote {count} {} to {}", plural(count, "suppression"), file.display());
    match suppressions.len() - count {
        0 => {}
        1 => say!("1 more is known by its hash alone"),
        more => say!("{more} more are known by their hashes alone"),
    }
    Ok(())
}

/// All lines or none: a wrong one is reported with its number.
fn import(store: &Store, file: &Path, now: DateTime<Utc>) -> anyhow::Result<usize> {
    let text = std::fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
    let own_key = store.suppression_key_id()?;
    let mut same_key = false;
    let mut entries = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        if let Some(key) = line.strip_prefix(KEY_LINE) {
            same_key = key == own_key;
            continue;
        }
        if line.is_empty() || line.starts_with('#') || HEADINGS.contains(&line) {
            continue;
        }
        let entry = read_line(line, now).with_context(|| format!("{}:{number}", file.display()))?;
        if matches!(entry.0, Imported::Hash(_)) && !same_key {
            bail!(
                "{}:{number}: the hashes were made by another database, so they would never be found",
                file.display()
            );
        }
        entries.push(entry);
    }
    Ok(store.import_suppressions(&entries)?)
}

fn read_line(line: &str, now: DateTime<Utc>) -> anyhow::Result<(Imported, Reason, DateTime<Utc>)> {
    let mut fields = line.split(',').map(str::trim);
    let who = fields.next().unwrap_or_default();
    let who = match hash(who) {
        Some(hash) => Imported::Hash(hash),
        None => Imported::Address(Address::parse(who).map_err(|error| anyhow::anyhow!("the address {error}"))?),
    };
    let reason = match fields.next().filter(|word| !word.is_empty()) {
        Some(word) => word.parse().ok().with_context(|| {
            format!("{word:?} is no reason: expected {}", Reason::ALL.map(Reason::as_str).join(", "))
        })?,
        None => Reason::Operator,
    };
    let at = match fields.next().filter(|word| !word.is_empty()) {
        Some(word) => {
            let date: NaiveDate = word.parse().with_context(|| format!("{word:?} is no date like 2026-11-24"))?;
            date.and_time(NaiveTime::MIN).and_utc()
        }
        None => now,
    };
    Ok((who, reason, at))
}

fn hash(text: &str) -> Option<AddressHash> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut hash = [0; 32];
    for (octet, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        *octet = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(folder: &Path) -> Store {
        Store::open(&folder.join("p.db")).expect("a database")
    }

    #[test]
    fn addresses_and_hashes_are_taken_in_and_a_wrong_line_takes_in_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, file) = (store(folder.path()), folder.path().join("list.csv"));
        let now = DateTime::UNIX_EPOCH;
        std::fs::write(&file, "ada@example.org\n\nbob@example.org,bounced,2026-11-01\nnobody\n").expect("written");
        let error = import(&store, &file, now).expect_err("a wrong line");
        assert!(
            format!("{error:#}").ends_with("list.csv:4: the address has no @ between a name and a domain"),
            "{error:#}"
        );
        assert_eq!(store.suppressions().expect("a list"), []);

        std::fs::write(&file, "ada@example.org\nbob@example.org,bounced,2026-11-01\n").expect("written");
        assert_eq!(import(&store, &file, now).expect("right"), 2);
        assert_eq!(import(&store, &file, now).expect("right"), 0);
        let reasons: Vec<_> = store.suppressions().expect("a list").iter().map(|s| s.reason).collect();
        assert_eq!(reasons, [Reason::Bounced, Reason::Operator]);
    }

    #[test]
    fn hashes_of_another_database_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, file) = (store(folder.path()), folder.path().join("list.csv"));
        let ada = Address::parse("ada@example.org").expect("an address");
        store.suppress(&ada, Reason::Bounced, None, DateTime::UNIX_EPOCH).expect("suppressed");
        export(&store, &file, false).expect("written");
        store.lift_suppression(&ada, DateTime::UNIX_EPOCH).expect("lifted");
        assert_eq!(import(&store, &file, DateTime::UNIX_EPOCH).expect("its own"), 1);

        let other = Store::open(&folder.path().join("other.db")).expect("a database");
        let error = import(&other, &file, DateTime::UNIX_EPOCH).expect_err("another key");
        assert!(error.to_string().contains("another database"), "{error:#}");
    }
}
