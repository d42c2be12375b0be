//! What is wanted: profiles and the expressions in them.

use super::super::node::{self, Node, Wrong};
use super::super::problem::{Problem, Severity};
use super::super::{keys, values};
use super::{Common, Defaults, Fields, Lints, Reading};
use crate::core::lint::{Lint, Role, lint, lint_profile};
use crate::core::paper::SourceId;
use crate::core::query::Query;
use crate::core::subscription::{Keyword, Profile};

/// The most that a keyword can weigh.
const MOST_WEIGHT: f64 = 100.0;

/// The most votes that a profile can wait for.
const MOST_UPVOTES: u32 = 1_000_000;

impl Reading<'_> {
    /// The profiles of an entry: shared ones that it names, then its own tables; else the one of its own keys. `None` when a shared
    /// one is wrong, which is told where that is.
    pub(super) fn profiles(
        &mut self,
        block: &Node,
        fields: &Fields<'_>,
        common: &mut Common,
        errors: usize,
    ) -> Option<Vec<Profile>> {
        let (names, own) = (fields.get("profiles"), fields.get("profile"));
        let beside = match (own, names) {
            (Some(_), _) => ("[[subscription.profile]]", "move it into the profiles"),
            (None, Some(_)) => ("profiles", "move it into a [[subscription.profile]]"),
            (None, None) => return Some(vec![self.profile(fields, String::new(), block, &common.defaults, errors)]),
        };
        for entry in fields.entries.iter().filter(|entry| keys::PROFILE.contains(&entry.key.as_str())) {
            let message = format!("{}: is beside {}, and would count for none", entry.key, beside.0);
            self.push(Problem::error(entry.key_place.clone(), message).hint(beside.1.to_owned()));
        }
        let shared = match names {
            Some(names) => self.shared(names, &mut common.shared),
            None => Some(Vec::new()),
        };
        let is_right = shared.is_some();
        let mut profiles = shared.unwrap_or_default();
        if let Some(list) = own {
            self.own_profiles(list, &common.defaults, &mut profiles);
        }
        is_right.then_some(profiles)
    }

    /// The entry's own, named profiles, added to those that it has.
    fn own_profiles(&mut self, list: &Node, defaults: &Defaults, profiles: &mut Vec<Profile>) {
        let tables = match list.list() {
            Ok(tables) => tables,
            Err(_) => {
                let wrong = Wrong::new("expected a list of tables").hint("write [[subscription.profile]]".to_owned());
                self.wrong(list, "profile", wrong);
                return;
            }
        };
        if tables.iter().any(|table| table.text().is_ok()) {
            let wrong =
                Wrong::new("expected tables, found names").hint("profiles = [\"…\"] names shared ones".to_owned());
            self.wrong(list, "profile", wrong);
            return;
        }
        if tables.is_empty() {
            self.wrong(list, "profile", Wrong::new("expected at least one table"));
        }
        for table in &tables {
            let errors = self.errors;
            let fields = self.fields(table, "profile", &[&["name"], keys::PROFILE]);
            let name = self.get(&fields, "name", |node| Ok(node.line()?.to_owned()));
            match (&name, fields.get("name")) {
                (None, None) => {
                    let problem = Problem::error(table.place.clone(), "profile: name is missing");
                    self.push(problem.hint("it is the section's heading in the mail".to_owned()));
                }
                (Some(name), Some(node)) if profiles.iter().any(|profile| profile.name == *name) => {
                    self.wrong(node, "name", Wrong::new("another profile of this subscription has the same name"));
                }
                _ => {}
            }
            profiles.push(self.profile(&fields, name.unwrap_or_default(), table, defaults, errors));
        }
    }

    /// `errors` is how many there were before this table: only one without any gets a warning, since a misspelt
    /// `keywords` is no lack of them.
    pub(super) fn profile(
        &mut self,
        fields: &Fields<'_>,
        name: String,
        table: &Node,
        defaults: &Defaults,
        errors: usize,
    ) -> Profile {
        let profile = Profile {
            name,
            keywords: self.keywords(fields),
            exclude: self.queries(fields, Role::Exclude),
            must: self.queries(fields, Role::Must),
            min_upvotes: self.get(fields, "min_upvotes", min_upvotes).unwrap_or(defaults.min_upvotes),
            sources: self.sources(fields).unwrap_or_else(|| defaults.sources.clone()),
            max_papers: self.get(fields, "max_papers", values::max_papers).unwrap_or(defaults.max_papers),
            rank: self.get(fields, "rank", values::rank).unwrap_or(defaults.rank),
        };
        let takes_all = profile.keywords.is_empty() && profile.must.is_empty() && profile.min_upvotes == 0;
        if takes_all && self.errors == errors {
            let place = fields.get("keywords").unwrap_or(table).place.clone();
            let problem = Problem::warning(place, "keywords: there is none, so every paper matches");
            let hint = "add keywords = [\"retrieval\", \"language model\"], or min_upvotes for the most liked papers";
            self.push(problem.hint(hint.to_owned()));
        }
        if matches!(self.lints, Lints::On(_)) && self.errors == errors {
            self.warn_of_what_is_ruled_out(fields, &profile);
        }
        profile
    }

    /// Warns of expressions that the rest of their profile leaves nothing of.
    fn warn_of_what_is_ruled_out(&mut self, fields: &Fields<'_>, profile: &Profile) {
        for (role, at, lint) in lint_profile(profile) {
            let nodes = fields.get(key(role)).and_then(|list| list.list().ok()).unwrap_or_default();
            let Some(node) = nodes.get(at) else { continue };
            // One with a weight is a table.
            let entries = node.table().unwrap_or_default();
            self.warn(Fields { entries }.get("query").unwrap_or(node), role, lint);
        }
    }

    fn warn(&mut self, node: &Node, role: Role, lint: Lint) {
        let wrong = Wrong::new(lint.message).hint(lint.hint).inside(lint.span);
        self.push(Problem { severity: Severity::Warning, ..node.problem(key(role), wrong) });
    }

    /// Expressions, each a text or a table with a weight.
    fn keywords(&mut self, fields: &Fields<'_>) -> Vec<Keyword> {
        let nodes = self.get(fields, "keywords", expressions).unwrap_or_default();
        let mut keywords = Vec::with_capacity(nodes.len());
        keywords.extend(nodes.iter().filter_map(|node| self.keyword(node)));
        keywords
    }

    fn keyword(&mut self, node: &Node) -> Option<Keyword> {
        if node.table().is_err() {
            return Some(Keyword { query: self.query(node, Role::Keyword)?, weight: 1.0 });
        }
        let fields = self.fields(node, "keywords", &[&["query", "weight"]]);
        // An f32 is plenty for a share in a score.
        let weight = self.get(&fields, "weight", |node| node.positive(MOST_WEIGHT)).unwrap_or(1.0) as f32;
        let Some(query) = fields.get("query") else {
            self.wrong(node, "keywords", Wrong::new("query is missing in this table"));
            return None;
        };
        Some(Keyword { query: self.query(query, Role::Keyword)?, weight })
    }

    fn queries(&mut self, fields: &Fields<'_>, role: Role) -> Vec<Query> {
        let nodes = self.get(fields, key(role), expressions).unwrap_or_default();
        nodes.iter().filter_map(|node| self.query(node, role)).collect()
    }

    fn query(&mut self, node: &Node, role: Role) -> Option<Query> {
        let query = values::query(node).map_err(|wrong| self.wrong(node, "query", wrong)).ok()?;
        if let Lints::On(holdings) = self.lints {
            lint(&query, role, holdings).into_iter().for_each(|lint| self.warn(node, role, lint));
        }
        Some(query)
    }

    pub(super) fn sources(&mut self, fields: &Fields<'_>) -> Option<Vec<SourceId>> {
        let nodes = self.get(fields, "sources", Node::list)?;
        let sources = nodes.iter().filter_map(|node| match self.source(node) {
            Ok(source) => Some(source),
            Err(wrong) => {
                self.wrong(node, "sources", wrong);
                None
            }
        });
        Some(sources.collect())
    }

    fn source(&mut self, node: &Node) -> Result<SourceId, Wrong> {
        let text = node.text()?;
        let Some(source) = self.sources.iter().find(|source| source.id.as_str() == text) else {
            let names: Vec<_> = self.sources.iter().map(|source| source.id.as_str()).collect();
            let hint = node::did_you_mean(text, names.iter().copied());
            let hint = hint.unwrap_or_else(|| format!("there are: {}", names.join(", ")));
            return Err(Wrong::new(format!("there is no source {text:?}")).hint(hint));
        };
        if !source.enabled {
            let problem = Problem::warning(node.place.clone(), format!("sources: {text:?} is not enabled"));
            self.push(problem.hint(format!("set sources.{text}.enabled = true")));
        }
        Ok(source.id.clone())
    }
}

/// The key that has the expressions of a role.
fn key(role: Role) -> &'static str {
    match role {
        Role::Keyword => "keywords",
        Role::Must => "must",
        Role::Exclude => "exclude",
    }
}

pub(super) fn min_upvotes(node: &Node) -> Result<u32, Wrong> {
    values::whole(node, 0, MOST_UPVOTES)
}

/// A list of expressions; one that is alone is shown in brackets.
fn expressions(node: &Node) -> Result<Vec<Node>, Wrong> {
    node.list().map_err(|wrong| {
        let alone = node.text().ok().map(|text| format!("write [{}]", toml_edit::Value::from(text)));
        wrong.hint(alone)
    })
}
