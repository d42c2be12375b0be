//! The commands that change the subscriptions file.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use chrono::NaiveDate;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use strum::VariantNames;

use super::format::plural;
use super::{expression, files, output, parse_address, preview, reload};
use crate::config::edit::{self, Change, EditError, NewSubscription, Setting, Values};
use crate::config::{self, Settings};
use crate::core::address::Address;
use crate::core::lint::{Role, lint_profile};
use crate::core::paper::SourceId;
use crate::core::query::Query;
use crate::core::schedule::Schedule;
use crate::core::subscription::{Keyword, Profile, Rank, WhenEmpty};
use crate::core::zone::Zone;
use crate::store::History;

/// What `subscribe` takes.
#[derive(Debug, Args)]
pub(super) struct Subscribe {
    /// The address that gets the digests
    address: String,
    /// Keyword expressions; a paper is chosen when any of them matches
    #[arg(required = true, value_name = "EXPRESSION")]
    keywords: Vec<String>,
    #[command(flatten)]
    order: Order,
}

/// What `edit` takes.
#[derive(Debug, Args)]
pub(super) struct Edit {
    /// A subscribed address
    address: String,
    /// Adds a keyword expression; may be given several times
    #[arg(long, value_name = "EXPRESSION")]
    add: Vec<String>,
    /// Takes a keyword expression out
    #[arg(long, value_name = "EXPRESSION")]
    remove: Vec<String>,
    /// Takes an exclusion out
    #[arg(long, value_name = "EXPRESSION")]
    remove_exclude: Vec<String>,
    /// Takes an expression out that papers must match as well
    #[arg(long, value_name = "EXPRESSION")]
    remove_must: Vec<String>,
    /// The profile, where the subscription has several
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    #[command(flatten)]
    order: Order,
    /// Takes a setting out, so that the default holds again; may be given several times
    #[arg(long, value_name = "KEY", value_parser = PossibleValuesParser::new(Setting::VARIANTS).try_map(|key| key.parse::<Setting>()))]
    unset: Vec<Setting>,
}

/// What both can say of a subscription, and where it is.
#[derive(Debug, Args)]
struct Order {
    /// The subscriber's name
    #[arg(long)]
    name: Option<String>,
    /// Never a paper that this matches; may be given several times
    #[arg(long, value_name = "EXPRESSION")]
    exclude: Vec<String>,
    /// Only papers that this matches as well; may be given several times
    #[arg(long, value_name = "EXPRESSION")]
    must: Vec<String>,
    /// Only papers with at least this many votes
    #[arg(long, value_name = "N")]
    min_upvotes: Option<u32>,
    /// At most this many papers in a digest
    #[arg(long, value_name = "N")]
    max_papers: Option<u32>,
    /// Only papers from this source, by its name in paperpost.toml; may be given several times
    #[arg(long, value_name = "SOURCE", value_parser = source)]
    sources: Vec<SourceId>,
    /// The order of papers, and so what the maximum cuts
    #[arg(long, value_parser = PossibleValuesParser::new(Rank::VARIANTS).try_map(|word| word.parse::<Rank>()))]
    rank: Option<Rank>,
    /// When it goes out, such as `daily at 08:00`
    #[arg(long, long_help = SCHEDULES)]
    schedule: Option<String>,
    /// The time zone of the schedule, such as Europe/Paris
    #[arg(long)]
    zone: Option<String>,
    /// The first day whose papers are wanted, such as 2026-11-01; by default a first digest looks back a week
    #[arg(long, value_name = "DAY")]
    since: Option<NaiveDate>,
    /// What is sent when there is no paper: nothing, or a short note
    #[arg(long, value_parser = PossibleValuesParser::new(WhenEmpty::VARIANTS).try_map(|word| word.parse::<WhenEmpty>()))]
    when_empty: Option<WhenEmpty>,
    /// The file to change, when several are configured
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Each form of a schedule that `docs/configuration.md` has.
const SCHEDULES: &str = "When it goes out, in the local time of the zone:
`daily at 08:00`, `8am`, `@daily` (at midnight)
`07:30, 18:00`
`weekdays at 07:30`, `weekends at noon`
`mon,wed,fri at 08:00`, `fri-sun`, `weekly on mon at 08:00`
`monthly on 1 at 08:00`, `monthly on 1, 15 at 08:00`, `monthly on last at 08:00`
`30 7 * * 1-5` (minute, hour, day, month, weekday, as cron has them)
Without a time it is 08:00. docs/configuration.md has more under \"Schedules\".";

impl Order {
    fn values(&self) -> anyhow::Result<Values> {
        Ok(Values {
            name: self.name.clone(),
            min_upvotes: self.min_upvotes,
            max_papers: self.max_papers,
            sources: self.sources.clone(),
            rank: self.rank,
            schedule: schedule(self.schedule.as_deref())?,
            zone: self.zone.as_deref().map(zone).transpose()?,
            since: self.since,
            when_empty: self.when_empty,
        })
    }
}

fn source(name: &str) -> Result<SourceId, String> {
    SourceId::parse(name).ok_or_else(|| "no source can have this name".to_owned())
}

/// Changes keys of a subscription.
pub(super) fn edit(settings: &Settings, arguments: &Edit) -> anyhow::Result<ExitCode> {
    let (address, order) = (parse_address(&arguments.address)?, &arguments.order);
    let wanted = Change {
        profile: arguments.profile.clone(),
        keywords: queries(&arguments.add)?,
        remove: arguments.remove.clone(),
        exclude: queries(&order.exclude)?,
        remove_exclude: arguments.remove_exclude.clone(),
        must: queries(&order.must)?,
        remove_must: arguments.remove_must.clone(),
        values: order.values()?,
        unset: arguments.unset.clone(),
    };
    let nothing = Change { profile: wanted.profile.clone(), ..Change::default() };
    anyhow::ensure!(wanted != nothing, "say what to change, such as --add EXPRESSION (paperpost edit --help)");
    if let Some(key) = wanted.contradiction() {
        let key: &str = key.into();
        anyhow::bail!("--unset {key} contradicts another option, which changes {key}: give only one of the two");
    }
    let (path, others) =
        change_listed(settings, &address, order.file.clone(), |text| edit::edit(text, &address, &wanted))?;
    warn(
        settings,
        [
            (&wanted.keywords, &arguments.add, Role::Keyword),
            (&wanted.must, &order.must, Role::Must),
            (&wanted.exclude, &order.exclude, Role::Exclude),
        ],
    );
    say!("{} is changed in {}", address.reveal(), path.display());
    tell_split(&address, others);
    foretell(settings, &address);
    say!("{}", reload::take_up(settings));
    Ok(ExitCode::SUCCESS)
}

fn queries(texts: &[String]) -> anyhow::Result<Vec<Query>> {
    texts.iter().map(|text| expression::parse(text)).collect()
}

fn schedule(text: Option<&str>) -> anyhow::Result<Option<Schedule>> {
    let schedule = text.map(Schedule::parse).transpose().map_err(|error| {
        let hint = error.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        anyhow::anyhow!("--schedule: {error}{hint}")
    })?;
    for warning in schedule.iter().flat_map(Schedule::warnings) {
        note!("warning: --schedule: {warning}");
    }
    Ok(schedule)
}

/// Adds a subscription to the file.
pub(super) fn subscribe(settings: &Settings, arguments: &Subscribe) -> anyhow::Result<ExitCode> {
    let order = &arguments.order;
    let new = NewSubscription {
        email: parse_address(&arguments.address)?,
        keywords: queries(&arguments.keywords)?,
        exclude: queries(&order.exclude)?,
        must: queries(&order.must)?,
        values: order.values()?,
    };
    let path = file(settings, &new.email, order.file.clone())?;
    let who = new.email.reveal();
    // The first subscription makes the file.
    change(settings, &path, |text| edit::subscribe(text, &new).map(Some)).map_err(|error| {
        match error.chain().any(|cause| matches!(cause.downcast_ref(), Some(EditError::AlreadyThere { .. }))) {
            true => error.context(known(&who)),
            false => error,
        }
    })?;
    let profile = profile(settings, &new);
    warn(
        settings,
        [
            (&new.keywords, &arguments.keywords, Role::Keyword),
            (&new.must, &order.must, Role::Must),
            (&new.exclude, &order.exclude, Role::Exclude),
        ],
    );
    for (_, at, lint) in lint_profile(&profile) {
        expression::show(lint, &arguments.keywords[at]);
    }
    say!("{who} is subscribed in {}", path.display());
    if by_web(settings, &new.email) {
        say!("{who} came by the web as well: what the file says is in force from now on");
    }
    foretell(settings, &new.email);
    say!("{}; `paperpost preview {who}` shows the next digest", reload::take_up(settings));
    Ok(ExitCode::SUCCESS)
}

/// Says what the next digest would bring. The file is changed already, so a database that can't be read is no failure.
fn foretell(settings: &Settings, address: &Address) {
    match preview::outlook(settings, address) {
        Ok(outlook) => say!("{outlook}"),
        Err(error) => note!("what the next digest would bring can't be said: {error:#}"),
    }
}

/// What to do about an address that has a subscription.
fn known(who: &str) -> String {
    format!(
        "{who} is subscribed already: `paperpost edit {who} --add EXPRESSION` adds keywords (paperpost edit --help)"
    )
}

/// Prints what was probably not meant with expressions, each as it was written.
fn warn(settings: &Settings, expressions: [(&[Query], &[String], Role); 3]) {
    let holdings = expression::holdings(settings);
    for (queries, texts, role) in expressions {
        queries.iter().zip(texts).for_each(|(query, text)| expression::warn(query, text, role, &holdings));
    }
}

/// The profile of a new subscription.
fn profile(settings: &Settings, new: &NewSubscription) -> Profile {
    Profile {
        name: String::new(),
        keywords: new.keywords.iter().map(|query| Keyword { query: query.clone(), weight: 1.0 }).collect(),
        exclude: new.exclude.clone(),
        must: new.must.clone(),
        min_upvotes: new.values.min_upvotes.unwrap_or(0),
        sources: new.values.sources.clone(),
        max_papers: new.values.max_papers.unwrap_or(settings.digest.max_papers),
        rank: new.values.rank.unwrap_or_default(),
    }
}

/// Removes a subscription from the file.
pub(super) fn unsubscribe(settings: &Settings, address: &Address, only: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let (path, _) = change_listed(settings, address, only, |text| edit::unsubscribe(text, address))?;
    let who = address.reveal();
    say!("{who} is no longer subscribed in {}", path.display());
    if by_web(settings, address) {
        say!("{who} came by the web as well, and that stays in force (paperpost suppress add {who} ends it)");
    }
    if let Err(error) = files::note_removal(settings, address) {
        note!("could not note in the database that this was meant, which matters if many go at once: {error:#}");
    }
    say!("{}", reload::take_up(settings));
    Ok(ExitCode::SUCCESS)
}

/// Begins or ends a pause.
pub(super) fn pause(
    settings: &Settings,
    address: &Address,
    only: Option<PathBuf>,
    paused: bool,
) -> anyhow::Result<ExitCode> {
    let (path, others) = change_listed(settings, address, only, |text| edit::pause(text, address, paused))?;
    let state = if paused { "is paused" } else { "is not paused" };
    say!("{} {state} in {}", address.reveal(), path.display());
    tell_split(address, others);
    if !paused && history(settings, address).is_some_and(|history| history.is_reader_paused) {
        say!("{} has paused their mails as well: they stay paused until the reader resumes them", address.reveal());
    }
    say!("{}", reload::take_up(settings));
    Ok(ExitCode::SUCCESS)
}

fn zone(text: &str) -> anyhow::Result<Zone> {
    let nearest = || config::nearest_zone(text).map(|near| format!("\nhint: did you mean `{near}`?"));
    Zone::named(text)
        .ok_or_else(|| anyhow::anyhow!("--zone: there is no time zone `{text}`{}", nearest().unwrap_or_default()))
}

/// Says that a person has left the entry that they had together with others.
fn tell_split(address: &Address, others: usize) {
    if others > 0 {
        let others = format!("{others} {}", plural(others, "other"));
        say!("{} had an entry with {others}, and now has one of their own: the others' is unchanged", address.reveal());
    }
}

/// Whether a reader came by the web, as far as the database can be looked at.
fn by_web(settings: &Settings, address: &Address) -> bool {
    history(settings, address).is_some_and(|history| history.is_from_web)
}

fn history(settings: &Settings, address: &Address) -> Option<History> {
    crate::app::look(settings).ok()??.history(&address.normalized()).ok()?
}

/// Changes the file that lists the address; returns which one that is, and how many others had the entry with it.
fn change_listed(
    settings: &Settings,
    address: &Address,
    only: Option<PathBuf>,
    changed: impl Fn(&str) -> Result<Option<String>, EditError>,
) -> anyhow::Result<(PathBuf, usize)> {
    let others = Cell::new(0);
    let changed = |before: &str| {
        let after = changed(before)?;
        let is_changed = after.as_deref().is_some_and(|after| after != before);
        others.set(if is_changed { edit::others(before, address)? } else { 0 });
        Ok(after)
    };
    let paths = match only {
        Some(path) => vec![one_of(settings, path)?],
        None => config::subscription_files(settings),
    };
    // A file that can't be changed matters only if no other one lists the address.
    let mut failed = None;
    for path in paths {
        let is_changed = match path.is_file() {
            true => change(settings, &path, changed),
            false => Err(anyhow::anyhow!("there is no file {}", path.display())),
        };
        match is_changed {
            Ok(true) => return Ok((path, others.get())),
            Ok(false) => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    Err(failed.unwrap_or_else(|| {
        let who = address.reveal();
        match by_web(settings, address) {
            true => anyhow::anyhow!(
                "{who} is not subscribed in any file, but by the web: what is ordered there is the reader's to change \
                 (paperpost suppress add {who} ends it)"
            ),
            false => anyhow::anyhow!("{who} is not subscribed in any file"),
        }
    }))
}

/// Changes one file, if what it is then is as right as what it was; returns whether there was something to change.
fn change(
    settings: &Settings,
    path: &Path,
    changed: impl Fn(&str) -> Result<Option<String>, EditError>,
) -> anyhow::Result<bool> {
    let there = edit::change(path, |before| {
        let after = changed(before).with_context(|| path.display().to_string())?;
        if let Some(after) = after.as_deref().filter(|after| *after != before)
            && let Err(problems) = config::check_change(settings, path, before, after)
        {
            output::note_problems(|color| problems.pretty(color));
            anyhow::bail!("{} would be wrong after this, and was not changed", path.display());
        }
        anyhow::Ok(after)
    })?;
    Ok(there.is_some())
}

/// The file that a new subscription goes into.
fn file(settings: &Settings, new: &Address, only: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let files = config::subscription_files(settings);
    for path in &files {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        // A file with a fault is told of when it is to be changed.
        if let Ok(Some(line)) = edit::line_of_address(&text, new) {
            anyhow::bail!("{}, in {}:{line}", known(&new.reveal()), path.display());
        }
    }
    match (only, files.as_slice()) {
        (Some(path), _) => one_of(settings, path),
        (None, [path]) => Ok(path.clone()),
        (None, []) => anyhow::bail!("no subscriptions file is configured: say which with --file"),
        (None, _) => anyhow::bail!("several subscription files are configured: say which with --file"),
    }
}

/// A file that was named, if it is a subscriptions file at all.
fn one_of(settings: &Settings, path: PathBuf) -> anyhow::Result<PathBuf> {
    anyhow::ensure!(
        config::is_subscription_file(settings, &path),
        "{} is none of the subscription files that the settings name (subscriptions.files), so nobody would read it",
        path.display()
    );
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_forms_of_schedules_that_there_are() {
        let forms: Vec<&str> = SCHEDULES.split('`').skip(1).step_by(2).collect();
        assert!(forms.len() > 10, "{forms:?}");
        for form in forms {
            assert!(Schedule::parse(form).is_ok(), "{form}");
        }
    }
}
