//! The commands that work: run, once, scrape, publish, deliver.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::bounce::tell_of_a_person;
use super::files;
use super::format::{local, plural};
use super::json::CommandReport;
use super::output::spinner;
use super::progress::{listener, telling};
use crate::app::{self, App, Current, Origin};
use crate::clock::Clock;
use crate::config::{self, Settings};
use crate::core::paper::Route;
use crate::daemon::{self, Parts, signals};
use crate::jobs;
use crate::jobs::deliver::pace;
use crate::source::Source;
use crate::source::fetch::Client;
use crate::store::{Lock, OutboxState, Store};

/// How long a run that ends by itself waits for a limit.
const PATIENCE: chrono::Duration = chrono::Duration::minutes(1);

/// How long it waits altogether for mails that were put off: a greylist lets them in at the third time, after six or seven
/// minutes. A run from cron would else ask again when the next edition is due.
const PUT_OFF: chrono::Duration = chrono::Duration::minutes(8);

const SHORTEST_WAIT: Duration = Duration::from_millis(20);

/// The daemon.
pub(super) async fn run(settings: Settings, origin: Origin) -> anyhow::Result<ExitCode> {
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    if let Some(warning) = app::old_zones(Clock::System.now().date_naive()) {
        tracing::warn!("{warning}");
    }
    let (_lock, store) = app::open(&settings)?;
    config::clear_leftovers(&settings);
    let (stop, reload) = signals::listen()?;
    let app = match App::build(&settings, &store) {
        Ok(app) => app,
        Err(problems) => anyhow::bail!("{problems}"),
    };
    let listener = match settings.web.listen {
        Some(address) => {
            let bound = TcpListener::bind(address).await;
            Some(bound.with_context(|| format!("web.listen: can't listen on {address}"))?)
        }
        None => None,
    };
    let parts = Parts {
        app,
        settings: Some(Current::new(origin, settings, &store)?),
        store,
        clock: Clock::System,
        listener,
        first_reads: daemon::FIRST_READS,
    };
    daemon::run(parts, stop, reload).await?;
    Ok(ExitCode::SUCCESS)
}

/// Everything once. Fails when the bounce mailbox or a source could not be read or a mail could not be sent, after doing
/// the rest.
pub(super) async fn once(settings: &Settings, json: bool) -> anyhow::Result<ExitCode> {
    let work = Work::begin(settings, json)?;
    // First, so that nothing more goes to whose mail comes back.
    let returned = work.take_in(settings).await?;
    let read = work.scrape(settings, &[]).await?;
    if work.stop.is_cancelled() {
        return work.end(false);
    }
    let published = work.publish(settings)?;
    if work.stop.is_cancelled() {
        return work.end(false);
    }
    let sent = work.deliver(settings).await?;
    jobs::leave::forget(&work.store, settings.privacy.keep_days, work.clock.now())?;
    jobs::prune::run(&work.store, app::publish(settings).window, work.clock.now(), &work.stop)?;
    work.end(returned && read && published && sent)
}

/// Reads sources. Fails when one of them could not be read.
pub(super) async fn scrape(settings: &Settings, names: &[String], json: bool) -> anyhow::Result<ExitCode> {
    for name in names {
        if !settings.sources.iter().any(|source| source.id.as_str() == name) {
            let known: Vec<&str> = settings.sources.iter().map(|source| source.id.as_str()).collect();
            anyhow::bail!("there is no source `{name}`; the settings have: {}", known.join(", "));
        }
    }
    let (lock, store) = app::open(settings)?;
    let work = Work {
        _lock: lock,
        store,
        clock: Clock::System,
        stop: stop_at_interrupt(),
        is_complete: true,
        told: CommandReport::new(json),
    };
    let read = work.scrape(settings, names).await?;
    work.end(read)
}

/// Decides what is due. Fails when a subscription could not be decided.
pub(super) fn publish(settings: &Settings, json: bool) -> anyhow::Result<ExitCode> {
    let work = Work::begin(settings, json)?;
    let published = work.publish(settings)?;
    work.end(published)
}

/// Sends what is queued. Fails when something could not be sent.
pub(super) async fn deliver(settings: &Settings, json: bool) -> anyhow::Result<ExitCode> {
    let work = Work::begin(settings, json)?;
    let sent = work.deliver(settings).await?;
    work.end(sent)
}

/// The database, held by this process.
struct Work {
    _lock: Lock,
    store: Store,
    clock: Clock,
    /// Ctrl-C and SIGTERM let the step in hand finish and begin no other.
    stop: CancellationToken,
    /// Nothing is wrong in the subscription files, and nobody is held.
    is_complete: bool,
    told: CommandReport,
}

impl Work {
    /// Takes the lock, brings the subscriptions into force, as far as they are right, and frees what a killed process had
    /// claimed.
    fn begin(settings: &Settings, json: bool) -> anyhow::Result<Self> {
        let (lock, store) = app::open(settings)?;
        config::clear_leftovers(settings);
        let (clock, stop) = (Clock::System, stop_at_interrupt());
        let report = store.take_in(&files::read(settings), clock.now())?;
        let told = CommandReport::new(json);
        told.part("files", files::as_json(&report), || files::tell(&report));
        store.recover_claims(clock.now())?;
        Ok(Self { _lock: lock, store, clock, stop, is_complete: report.is_good(), told })
    }

    /// The exit code; a command that was stopped has not done what it was asked to.
    fn end(&self, is_good: bool) -> anyhow::Result<ExitCode> {
        let is_stopped = self.stop.is_cancelled();
        let is_good = is_good && self.is_complete && !is_stopped;
        self.told.part("stopped", json!(is_stopped), || {
            if is_stopped {
                say!("stopped before the end: the next run goes on from here");
            }
        });
        self.told.end(is_good)?;
        Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Whether the bounce mailbox could be read, if there is one.
    async fn take_in(&self, settings: &Settings) -> anyhow::Result<bool> {
        let bounces = app::bounces(settings, &self.store)?;
        let taken_in = tokio::select! {
            taken_in = jobs::inbox::run(&self.store, &bounces.settings, bounces.inbox.as_ref(), &self.clock) => taken_in,
            () = self.stop.cancelled() => return Ok(false),
        };
        match taken_in {
            Ok(report) if bounces.inbox.is_none() && report.messages == 0 => {}
            Ok(report) => {
                let trouble = report.trouble.as_ref().map(ToString::to_string);
                let set_aside: Vec<_> = report.set_aside.iter().map(ToString::to_string).collect();
                let counts = json!({
                    "messages": report.messages, "trouble": trouble, "set_aside": set_aside, "flagged": report.flagged,
                });
                self.told.part("bounces", counts, || {
                    say!("took in {} {} from the bounce mailbox", report.messages, plural(report.messages, "message"));
                    // An entry that is no message stays there; that is no reason to fail at every run.
                    if let Some(error) = &trouble {
                        say!("something in the bounce mailbox could not be taken in: {error}");
                    }
                    tell_of_a_person(&report);
                });
            }
            Err(error) => {
                self.told.part("bounces", json!({"error": error.to_string()}), || {
                    say!("the bounce mailbox could not be read: {error}");
                });
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether every source could be read.
    async fn scrape(&self, settings: &Settings, names: &[String]) -> anyhow::Result<bool> {
        let spinner = spinner("reading …".to_owned());
        let client = app::client(settings)?.with_listener(listener(&spinner));
        let wanted = settings.sources.iter().filter(|source| match names {
            [] => source.enabled,
            names => names.iter().any(|name| name == source.id.as_str()),
        });
        let mut all_good = true;
        for source in wanted {
            let window = app::publish(settings).window;
            tokio::select! {
                read = self.read(&client, source, window, &spinner) => all_good &= read?,
                () = self.stop.cancelled() => all_good = false,
            }
            if self.stop.is_cancelled() {
                break;
            }
        }
        spinner.finish_and_clear();
        Ok(all_good)
    }

    async fn read(
        &self,
        client: &Client,
        source: &Source,
        window: chrono::Duration,
        spinner: &ProgressBar,
    ) -> anyhow::Result<bool> {
        spinner.set_message(format!("reading {} …", source.id));
        // Dropped half-way, it has written nothing.
        let report = jobs::scrape::run(&self.store, client, source, window, self.clock.now()).await;
        let report = report?;
        spinner.suspend(|| self.told.item("sources", as_json(&report), || say!("{}", describe(&report))));
        Ok(report.is_good())
    }

    /// Whether everything could be decided.
    fn publish(&self, settings: &Settings) -> anyhow::Result<bool> {
        let spinner = spinner("publishing …".to_owned());
        let settings = app::publish(settings);
        let report = jobs::publish::run(&self.store, &settings, self.clock.now(), &self.stop, |batch| {
            spinner.inc(batch.published.len() as u64);
        })?;
        spinner.finish_and_clear();
        let jobs::publish::Report { editions, queued, papers, owed, told, faults, is_waiting, is_stopped, .. } = report;
        let counts = json!({
            "editions": editions, "mails": queued, "papers": papers, "owed": owed, "left_out": told, "faults": faults,
            "waits_for_sources": is_waiting,
        });
        self.told.part("published", counts, || {
            match editions {
                _ if is_waiting => say!("published nothing: no source could be read yet"),
                0 if is_stopped || faults > 0 => {}
                0 => say!("published nothing: no edition is due"),
                due => {
                    let waiting =
                        if owed > 0 { format!(", {owed} more are owed to later ones") } else { String::new() };
                    let left_out = if told > 0 { format!(", {told} are told as left out") } else { String::new() };
                    say!(
                        "published {due} {}: {queued} with mail, {papers} {} in them{waiting}{left_out}",
                        plural(due, "edition"),
                        plural(papers, "paper"),
                    );
                }
            }
            if faults > 0 {
                say!("{faults} {} could not be decided (paperpost list)", plural(faults, "edition"));
            }
        });
        Ok(faults == 0)
    }

    /// Whether nothing was given up and nothing is in the way.
    async fn deliver(&self, settings: &Settings) -> anyhow::Result<bool> {
        let transport = Arc::new(app::transport(settings)?);
        let way_out = app::way_out(settings);
        let deliver = app::deliver(settings, &self.store)?;
        let stop = &self.stop;
        let spinner = spinner(format!("sending {way_out} …"));
        let mut sum = jobs::deliver::Report::default();
        let began = self.clock.now();
        loop {
            let run = jobs::deliver::run(&self.store, &transport, &deliver, &self.clock, stop);
            let report = telling(&spinner, &format!("still sending {way_out}"), run).await?;
            sum.sent += report.sent;
            sum.retried += report.retried;
            sum.failed += report.failed;
            sum.outage = sum.outage.or(report.outage);
            sum.next = report.next;
            spinner.set_position(sum.sent as u64);
            if sum.outage.is_some() || stop.is_cancelled() {
                break;
            }
            if !report.has_more {
                // A limit of so many a minute is kept by waiting; what is held for longer is left for the next run.
                let now = self.clock.now();
                let held = pace::held(&self.store, &settings.pacing, now)?;
                let held = held.iter().filter(|held| held.mails > 0).map(|held| held.until).min();
                let put_off = self.store.next_retry(now)?.filter(|at| *at <= began + PUT_OFF);
                let Some(next) = held.filter(|at| *at <= now + PATIENCE).into_iter().chain(put_off).min() else {
                    break;
                };
                let wait = (next - now).to_std().unwrap_or_default().max(SHORTEST_WAIT);
                if put_off == Some(next) {
                    let until = local(next);
                    spinner.suspend(|| {
                        note!("some mails were put off by their servers: waiting until {until} to try them again")
                    });
                    spinner.set_message(format!("some are put off until {}, sending {way_out} …", local(next)));
                }
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = stop.cancelled() => break,
                }
            }
        }
        spinner.finish_and_clear();
        transport.close().await;
        let queue = self.store.queue()?;
        let still_queued = queue.counts.iter().find(|(state, _)| *state == OutboxState::Queued);
        let put_off = sum.retried.min(still_queued.map_or(0, |(_, mails)| *mails as usize));
        let held = pace::held(&self.store, &settings.pacing, self.clock.now())?;
        let held = held.iter().filter(|held| held.mails > 0).map(|held| held.until).min();
        let outage = sum.outage.as_ref().map(ToString::to_string);
        let counts = json!({
            "way": way_out, "sent": sum.sent, "put_off": put_off, "failed": sum.failed, "held_until": held, "outage": outage,
        });
        self.told.part("delivered", counts, || {
            say!("sent {} {} {way_out}", sum.sent, plural(sum.sent, "mail"));
            if put_off > 0 {
                say!("{put_off} could not be sent now and will be tried again (paperpost outbox)");
            }
            if sum.failed > 0 {
                say!("{} failed for good (paperpost outbox --state failed)", sum.failed);
            }
            if let Some(next) = held {
                say!("some are held back, the first until {} (paperpost status)", local(next));
            }
            if let Some(fault) = &outage {
                say!("nothing can be sent {way_out}: {fault}");
            }
        });
        let is_stuck = sum.sent == 0 && put_off > 0;
        Ok(sum.failed == 0 && sum.outage.is_none() && !is_stuck)
    }
}

fn as_json(report: &jobs::scrape::Report) -> Value {
    json!({
        "source": report.source,
        "outcome": report.state.as_str(),
        "route": report.route.map(Route::as_str),
        "added": report.added.len(),
        "revised": report.revised.len(),
        "unchanged": report.unchanged,
        "skipped": report.skipped,
        "message": report.message,
    })
}

/// One line on a read: what came, or why nothing did.
pub(super) fn describe(report: &jobs::scrape::Report) -> String {
    let mut line = match report.route {
        Some(_) => format!(
            "{}: {} added, {} revised, {} unchanged",
            report.source,
            report.added.len(),
            report.revised.len(),
            report.unchanged
        ),
        None => format!("{}: {}", report.source, report.state.as_str()),
    };
    if let Some(route) = report.route.filter(|route| *route != Route::Main) {
        line += &format!(" (by the route \"{}\", because a better one failed)", route.as_str());
    }
    if let Some(message) = &report.message {
        line += &format!(": {message}");
    }
    line
}

fn stop_at_interrupt() -> CancellationToken {
    match signals::listen() {
        Ok((stop, _)) => stop,
        Err(_) => CancellationToken::new(),
    }
}
