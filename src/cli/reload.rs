//! `reload`: what a running daemon is asked to read anew, and what it answers; which changes of the settings wait for that.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::files;
use crate::app::{self, FIXED};
use crate::clock::Clock;
use crate::config::{Settings, SubscriptionFiles};
use crate::store::{InForce, ReloadAnswer, SettingsReport, Store, SyncReport};

/// How long `reload` waits for its answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a command that has changed a file waits: the daemon takes the file in anyway.
const SHORT_PATIENCE: Duration = Duration::from_secs(5);

/// Asks the daemon to read everything anew, and waits for what it says.
pub(super) fn reload(settings: &Settings, accept_removals: bool) -> anyhow::Result<ExitCode> {
    let Some(store) = app::look(settings)? else {
        anyhow::bail!(
            "there is no database at {}: `paperpost once` or `paperpost run` makes it. A daemon that was started with another \
             database.path keeps that one until a restart",
            settings.database.path.display()
        );
    };
    let has_daemon = app::has_daemon(settings, &store);
    if !accept_removals && !has_daemon {
        say!("no daemon is running: the next `paperpost once` or `paperpost run` reads the files");
        return Ok(ExitCode::FAILURE);
    }
    let request = request(settings, has_daemon, accept_removals)?;
    if !has_daemon {
        say!(
            "noted: the next `paperpost once` or `paperpost run` removes who is missing, if the files are still these"
        );
        return Ok(ExitCode::SUCCESS);
    }
    let Some(ReloadAnswer { files: report, settings }) = answer(&store, request, PATIENCE)? else {
        say!("the daemon has not answered within a minute: its log may say why (the request waits for it)");
        return Ok(ExitCode::FAILURE);
    };
    let SettingsReport { errors, fixed } = settings.unwrap_or_default();
    errors.iter().for_each(|error| say!("{error}"));
    match errors.is_empty() {
        true => say!("the settings are in force"),
        false => say!("the settings stay as they were until this is mended (paperpost check)"),
    }
    fixed.iter().for_each(|key| say!("{key} stays as it was until a restart"));
    let SyncReport { added, changed, retired, .. } = report;
    let subscriptions = report.in_force();
    say!(
        "{subscriptions} {}: {added} added, {changed} changed, {retired} removed",
        if subscriptions == 1 { "subscription is in force" } else { "subscriptions are in force" }
    );
    report.errors.iter().for_each(|error| say!("{error}"));
    files::tell(&report);
    if accept_removals && report.held > 0 {
        say!("the files have changed since, or name others: nothing more was removed");
    }
    Ok(if report.is_good() && errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Has the daemon take in a change, and says whether it has. A daemon that doesn't answer is no fault of the change.
pub(super) fn take_up(settings: &Settings) -> String {
    let next = "the next `paperpost run` or `paperpost once` takes it in";
    let taken = (|| {
        let Some(store) = app::look(settings)? else { return Ok(format!("there is no database yet: {next}")) };
        if !app::has_daemon(settings, &store) {
            return Ok(format!("no daemon is running: {next}"));
        }
        // The settings are not read anew: somebody may be in the midst of changing them.
        let request = request(settings, false, false)?;
        anyhow::Ok(match answer(&store, request, SHORT_PATIENCE)? {
            Some(_) => "the daemon has taken it in".to_owned(),
            None => "the daemon has not taken it in yet; it does by itself".to_owned(),
        })
    })();
    taken.unwrap_or_else(|error| format!("whether a daemon takes it in can't be told: {error:#}"))
}

/// Writes a request into the database, bound to what the files are now.
fn request(settings: &Settings, with_settings: bool, accept_removals: bool) -> anyhow::Result<i64> {
    let files = accept_removals.then(|| SubscriptionFiles::of(settings).read().hashes());
    let files: Option<Vec<_>> =
        files.map(|files| files.into_iter().map(|(path, hash)| (path.display().to_string(), hash)).collect());
    Ok(app::write(settings)?.request_reload(with_settings, files.as_deref(), Clock::System.now())?)
}

fn answer(store: &Store, request: i64, patience: Duration) -> anyhow::Result<Option<ReloadAnswer>> {
    let start = Instant::now();
    loop {
        let answer = store.reload_answer(request)?;
        if answer.is_some() || start.elapsed() > patience {
            return Ok(answer);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the settings file says that the running daemon doesn't go by.
#[derive(Debug, Serialize)]
pub(super) struct Waiting {
    /// The file that the daemon has read.
    file: Option<String>,
    /// Whether these settings are of another file, so that nothing can be said of a change.
    is_other_file: bool,
    /// The keys with another value, or whose file has, that `paperpost reload` brings into force.
    reload: Vec<String>,
    /// The keys that a restart brings into force.
    restart: Vec<String>,
}

/// What waits; `None` where no daemon is running.
pub(super) fn waiting(settings: &Settings, store: &Store) -> anyhow::Result<Option<Waiting>> {
    if !app::has_daemon(settings, store) {
        return Ok(None);
    }
    let Some(InForce { file, fingerprint, .. }) = store.settings_in_force()? else { return Ok(None) };
    let own = settings.file.as_ref().map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone()));
    let is_other_file = file != own.map(|own| own.display().to_string());
    let changed = match is_other_file {
        true => Vec::new(),
        false => fingerprint.differences(&settings.on_disk.fingerprint(&store.id()?)),
    };
    let (restart, reload) = changed.into_iter().partition(|key| FIXED.contains(&key.as_str()));
    Ok(Some(Waiting { file, is_other_file, reload, restart }))
}

/// Prints it, if there is anything.
pub(super) fn tell(waiting: &Waiting) {
    let Waiting { file, is_other_file, reload, restart } = waiting;
    let file = file.as_deref().unwrap_or("no file");
    if *is_other_file || !reload.is_empty() || !restart.is_empty() {
        say!("Settings");
    }
    if *is_other_file {
        say!("  the daemon goes by {file}");
    }
    for (keys, remedy) in [(reload, "paperpost reload"), (restart, "a restart")] {
        if !keys.is_empty() {
            say!("  {file}: changed on disk, not in force: {} ({remedy})", keys.join(", "));
        }
    }
}
