//! The command that tries an expression on the papers of the last days, before anyone subscribes to it.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use clap::Args;
use serde_json::json;

use super::format::plural;
use super::work;
use super::{expression, json, output, progress};
use crate::app;
use crate::clock::Clock;
use crate::config::Settings;
use crate::core::candidate::Candidate;
use crate::core::lint::Role;
use crate::core::matching::{Explainer, Percent, Pool};
use crate::core::query::{Clause, Likes, Literal};
use crate::core::subscription::{Keyword, Profile, Rank};
use crate::jobs;
use crate::store::Store;

/// The most days that a fresh read asks the sources for.
const MOST_FRESH_DAYS: u32 = 30;

/// What `try` takes.
#[derive(Debug, Args)]
pub(super) struct Try {
    /// A keyword expression (paperpost help queries)
    #[arg(value_name = "EXPRESSION")]
    expression: String,
    /// How many days to look back, today included
    #[arg(long, value_name = "N", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// How many of the papers to list, newest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Only papers with at least this many votes
    #[arg(long, value_name = "N", default_value_t = 0)]
    min_upvotes: u32,
    /// Reads the sources now, into memory, instead of using the database
    #[arg(long)]
    fresh: bool,
    /// As JSON, for scripts
    #[arg(long)]
    json: bool,
}

impl Try {
    /// Whether the sources are read.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh
    }
}

/// Counts and lists what an expression would have matched. Nothing moves.
pub(super) async fn run(settings: &Settings, arguments: &Try) -> anyhow::Result<ExitCode> {
    let query = expression::parse(&arguments.expression)?;
    let now = Clock::System.now();
    let store = if arguments.fresh {
        fresh(settings, arguments.days, now).await?
    } else if let Some(store) = app::look(settings)? {
        store
    } else {
        let path = settings.database.path.display();
        anyhow::bail!(
            "there is no database at {path} yet: --fresh reads the sources now, `paperpost scrape` keeps them"
        );
    };
    let first = now.date_naive() - Days::new(u64::from(arguments.days) - 1);
    let mut liked = store.papers_by_arxiv(query.liked())?;
    if let (true, Ok(Some(kept))) = (arguments.fresh, app::look(settings)) {
        liked.extend(kept.papers_by_arxiv(query.liked())?);
    }
    let mut pool = Pool::with_liked(store.listed_since(first)?, &liked, now);
    if let (false, Some(statistics)) = (liked.is_empty(), store.term_statistics()?) {
        pool = pool.with_statistics(Arc::new(statistics));
    }
    let pool = Arc::new(pool);
    let all = pool.candidates().len();
    let days = format!("{} {}", arguments.days, plural(arguments.days as usize, "day"));
    if all == 0 && !arguments.json {
        say!("no papers of the last {days} are known: --days looks further back, --fresh reads the sources now");
        return Ok(ExitCode::FAILURE);
    }
    let holdings = expression::holdings_of(settings, &store, &pool);
    expression::warn(&query, &arguments.expression, Role::Keyword, &holdings);
    let profile = Profile {
        name: String::new(),
        keywords: vec![Keyword { query, weight: 1.0 }],
        exclude: Vec::new(),
        must: Vec::new(),
        min_upvotes: arguments.min_upvotes,
        sources: Vec::new(),
        max_papers: u32::MAX,
        rank: Rank::Newest,
    };
    let chosen = pool.select(&profile);
    let closeness = Closeness::new(&pool, &profile);
    let chosen: Vec<usize> = chosen.iter().map(|found| found.index).collect();
    let candidates = || chosen.iter().map(|index| &pool.candidates()[*index]);
    if arguments.json {
        let days = by_day(pool.candidates(), candidates());
        output::json(&json!({
            "expression": arguments.expression, "days": arguments.days, "papers": all, "matching": chosen.len(),
            "by_day": days.iter().map(|(day, (matching, papers))| {
                json!({"day": day, "matching": matching, "papers": papers})
            }).collect::<Vec<_>>(),
            "listed": candidates().take(arguments.limit).map(json::paper).collect::<Vec<_>>(),
            "ok": all > 0,
        }))?;
        return Ok(if all > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    histogram(&by_day(pool.candidates(), candidates()), output::width().unwrap_or(80));
    let share = 100.0 * chosen.len() as f64 / all as f64;
    say!("{} of {all} {} of the last {days} ({share:.1} %)", chosen.len(), plural(all, "paper"));
    for (index, candidate) in chosen.iter().zip(candidates()).take(arguments.limit) {
        let day = candidate.day().map(|day| day.to_string()).unwrap_or_default();
        let title = &candidate.paper.title;
        row!("  {day}  {:>4}  {}{title}", candidate.upvotes().unwrap_or(0), closeness.column(*index));
        closeness.terms(*index).for_each(|line| row!("{line}"));
    }
    if chosen.len() > arguments.limit {
        say!("  and {} older (--limit {})", chosen.len() - arguments.limit, chosen.len());
    }
    closeness.next(&chosen).for_each(|line| row!("{line}"));
    Ok(ExitCode::SUCCESS)
}

/// How close papers are to those that an expression names: what a share is chosen by.
struct Closeness<'a> {
    pool: &'a Pool,
    explainer: Explainer<'a>,
    likes: Vec<Likes>,
}

impl<'a> Closeness<'a> {
    fn new(pool: &'a Pool, profile: &'a Profile) -> Self {
        let literals = profile.queries().flat_map(|query| query.expr().clauses()).map(Clause::literal);
        let likes = literals.filter_map(|literal| match literal {
            Literal::Like(likes) => Some(likes),
            _ => None,
        });
        Self { pool, explainer: pool.explainer(profile, &[]), likes: likes.collect() }
    }

    /// The share that a paper is in, of the `like:` that it is closest to; nothing for an expression that has none.
    fn column(&self, index: usize) -> String {
        let shares = self.likes.iter().filter_map(|likes| self.explainer.share(likes, index));
        match shares.min_by(f32::total_cmp) {
            Some(share) => format!("{:>6}  ", Percent(share).to_string()),
            None if self.likes.is_empty() => String::new(),
            None => " ".repeat(8),
        }
    }

    /// By what a paper is close.
    fn terms(&self, index: usize) -> impl Iterator<Item = String> {
        let terms = self.likes.iter().filter_map(move |likes| self.explainer.terms(likes, index));
        terms.filter(|terms| !terms.is_empty()).map(|terms| format!("{}by {}", " ".repeat(28), terms.join(", ")))
    }

    /// For each `like:`, the closest that was not found.
    fn next(&self, found: &[usize]) -> impl Iterator<Item = String> {
        let mut is_found = vec![false; self.pool.candidates().len()];
        found.iter().for_each(|index| is_found[*index] = true);
        self.likes.iter().filter_map(move |likes| {
            let others = (0..is_found.len()).filter(|index| !is_found[*index]);
            let closest = others.filter_map(|index| Some((self.explainer.share(likes, index)?, index)));
            let (share, index) = closest.min_by(|(a, _), (b, _)| a.total_cmp(b))?;
            let title = &self.pool.candidates()[index].paper.title;
            Some(format!("the closest to {} that is not found: {}  {title}", likes.ids.join(", "), Percent(share)))
        })
    }
}

/// What the sources list now, in a database that ends with this process.
async fn fresh(settings: &Settings, days: u32, now: DateTime<Utc>) -> anyhow::Result<Store> {
    let store = Store::in_memory()?;
    let spinner = output::spinner("reading …".to_owned());
    let client = app::client(settings)?.with_listener(progress::listener(&spinner));
    let mut is_any_good = false;
    for source in settings.sources.iter().filter(|source| source.enabled) {
        let source = source.clone().looking_back(days.min(MOST_FRESH_DAYS));
        spinner.set_message(format!("reading {} …", source.id));
        let report = jobs::scrape::run(&store, &client, &source, TimeDelta::zero(), now).await;
        let report = report?;
        if !report.is_good() {
            spinner.suspend(|| note!("{}", work::describe(&report)));
        }
        is_any_good |= report.is_good();
    }
    spinner.finish_and_clear();
    anyhow::ensure!(is_any_good, "no source could be read");
    Ok(store)
}

/// By the day they were first listed: how many papers match, of how many.
fn by_day<'a>(all: &[Candidate], chosen: impl Iterator<Item = &'a Candidate>) -> BTreeMap<NaiveDate, (usize, usize)> {
    let mut days: BTreeMap<NaiveDate, (usize, usize)> = BTreeMap::new();
    for day in all.iter().filter_map(Candidate::day) {
        days.entry(day).or_default().1 += 1;
    }
    for day in chosen.filter_map(Candidate::day) {
        days.entry(day).or_default().0 += 1;
    }
    days
}

/// A line for each day that has papers.
fn histogram(days: &BTreeMap<NaiveDate, (usize, usize)>, width: usize) {
    let most = days.values().map(|(chosen, _)| *chosen).max().unwrap_or(0);
    // Day, count and total take 27 columns.
    let room = width.saturating_sub(27).clamp(8, 40);
    for (day, (chosen, all)) in days {
        say!("  {day}  {:>3} of {all:<3}  {}", chosen, bar(*chosen, most, room));
    }
}

/// A bar of `room` columns for `most`, in eighths of a column; what is above nothing is never invisible.
fn bar(count: usize, most: usize, room: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (count * room * 8).checked_div(most).unwrap_or(0).max(usize::from(count > 0));
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_count() {
        assert_eq!(bar(4, 4, 2), "██");
        assert_eq!(bar(3, 4, 2), "█▌");
        assert_eq!(bar(1, 1000, 2), "▏", "little is not nothing");
        assert_eq!(bar(0, 4, 2), "");
        assert_eq!(bar(0, 0, 2), "");
    }
}
