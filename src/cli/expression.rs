//! Keyword expressions given on the command line: parsed, and judged before they are used.

use std::collections::HashSet;
use std::sync::Arc;

use super::format::plural;
use super::output;
use crate::app;
use crate::clock::Clock;
use crate::config::problem::SourceFile;
use crate::config::{self, Problem, Settings, Severity, ValuePlace};
use crate::core::lint::{Holdings, Lint, Role, lint, reread};
use crate::core::matching::Pool;
use crate::core::paper::PaperKey;
use crate::core::query::Query;
use crate::core::subscription::Profile;
use crate::store::Store;

/// Parses an expression; what is wrong is shown with a caret under it.
pub(super) fn parse(text: &str) -> anyhow::Result<Query> {
    Query::parse(text).map_err(|error| {
        let problem = at(text, error.span, Severity::Error, error.message, error.hint);
        anyhow::anyhow!("this is no keyword expression\n{}", problem.pretty(false))
    })
}

/// Prints what was probably not meant.
pub(super) fn warn(query: &Query, text: &str, role: Role, holdings: &Holdings) {
    lint(query, role, holdings).into_iter().for_each(|lint| show(lint, text));
}

/// Prints one warning about an expression.
pub(super) fn show(Lint { span, message, hint }: Lint, text: &str) {
    let problem = at(text, span, Severity::Warning, message, hint);
    output::note_problems(|color| problem.pretty(color));
}

/// What is known of papers and sources: by the settings, and by the database when there is one that can be read.
pub(super) fn holdings(settings: &Settings) -> Holdings {
    let mut holdings = by_settings(settings);
    let Ok(Some(store)) = app::look(settings) else { return holdings };
    let now = Clock::System.now();
    let recent = store.candidates(now - app::publish(settings).window).ok().zip(store.liked_papers().ok());
    holdings.recent = recent.map(|((_, candidates), liked)| Arc::new(Pool::with_liked(candidates, &liked, now)));
    add_sources(&mut holdings, &store);
    let is_known = move |id: &str| PaperKey::arxiv(id).is_some_and(|key| matches!(store.paper(&key), Ok(Some(_))));
    Holdings { has_paper: Some(Box::new(is_known)), ..holdings }
}

/// The same of papers that are at hand, and of the sources that listed them.
pub(super) fn holdings_of(settings: &Settings, store: &Store, pool: &Arc<Pool>) -> Holdings {
    let mut holdings = by_settings(settings);
    add_sources(&mut holdings, store);
    let known = pool.clone();
    Holdings { recent: Some(pool.clone()), has_paper: Some(Box::new(move |id| known.knows(id))), ..holdings }
}

fn by_settings(settings: &Settings) -> Holdings {
    Holdings {
        sources: Some(settings.sources.iter().map(|source| source.id.clone()).collect()),
        tells_categories: Some(settings.sources.iter().any(|source| source.enabled && source.about.tells_categories)),
        ..Holdings::default()
    }
}

/// Sources that were read once have papers still, whatever the settings say now.
fn add_sources(holdings: &mut Holdings, store: &Store) {
    let sources = holdings.sources.get_or_insert_default();
    for status in store.sources().unwrap_or_default() {
        if !sources.contains(&status.source) {
            sources.push(status.source);
        }
    }
}

/// Warnings of what the database has in force, no file lists any more, and once meant something else.
pub(super) fn reread_in_database(settings: &Settings) -> Vec<Problem> {
    let in_force = app::look(settings).ok().flatten().and_then(|store| store.expressions_with('^').ok());
    let Some(in_force) = in_force.filter(|expressions| !expressions.is_empty()) else { return Vec::new() };
    let listed = config::load_subscriptions(settings).map(|(listed, _)| listed).unwrap_or_default();
    let profiles = listed.iter().flat_map(|subscription| &subscription.profiles);
    let listed: HashSet<&str> = profiles.flat_map(Profile::queries).map(|query| query.text().as_ref()).collect();
    let stored = in_force.into_iter().filter(|(text, _)| !listed.contains(text.as_str()));
    let warned = stored.filter_map(|(text, count)| {
        let Lint { message, hint, .. } = reread(&Query::try_from(text).ok()?)?;
        let message = format!("in force for {count} {}: {message}", plural(count, "subscription"));
        let place = ValuePlace::Path(settings.database.path.clone());
        Some(Problem { severity: Severity::Warning, place, message, hint: Some(hint) })
    });
    warned.collect()
}

fn at(text: &str, span: std::ops::Range<usize>, severity: Severity, message: String, hint: String) -> Problem {
    let place = ValuePlace::Text(Arc::new(SourceFile::new("expression", text)), span);
    Problem { severity, place, message, hint: Some(hint) }
}
