//! Subscription files: who gets which papers, and when.
//!
//! A file is a list of `[[subscription]]` tables, after an optional `[defaults]`. Every problem of every file is found
//! in one go; a subscription is only made of values that are right. Of an entry with a fault it is told whose it is, and
//! of a file whether there are entries of which that can't be told.
//!
//! Files can be long, and what a parser makes of one is twenty times its size. So a file is read a block at a time, and
//! as a whole only when its pieces are not TOML by themselves.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use super::keys;
use super::listing::{Faulty, FileState, Listed};
use super::node::{self, Entry, Node, Value, Wrong};
use super::problem::{Place, Problem, Severity, SourceFile};
use super::settings::Digest;
use super::values;
use crate::core::address::Address;
use crate::core::lint::{Holdings, Lint, Role, lint, lint_profile};
use crate::core::paper::SourceId;
use crate::core::query::Query;
use crate::core::schedule::Schedule;
use crate::core::subscription::{Keyword, Profile, Rank, Subscription, WhenEmpty};
use crate::core::zone::Zone;
use crate::source::Source;

/// The most that a keyword can weigh.
const MOST_WEIGHT: f64 = 100.0;

/// The most votes that a profile can wait for.
const MOST_UPVOTES: u32 = 1_000_000;

/// Whether expressions that are hardly meant so are warned of: to a person who asks, not at every start.
#[derive(Clone, Copy)]
pub(super) enum Lints<'a> {
    /// They are not.
    Off,
    /// They are, as far as these tell.
    On(&'a Holdings),
}

/// Reads files one after the other and gathers what they say.
pub(super) struct Reading<'a> {
    digest: &'a Digest,
    sources: &'a [Source],
    lints: Lints<'a>,
    places: HashMap<Address, Place>,
    /// By their texts: most subscriptions have one of a few.
    schedules: HashMap<String, Schedule>,
    /// The index of the file that is being read.
    file: usize,
    /// It has an entry of which nobody can say whose it is.
    is_incomplete: bool,
    /// Its `[defaults]` are wrong, and so is whatever depends on them.
    has_wrong_defaults: bool,
    /// The subscriptions, in the order of the files.
    pub(super) subscriptions: Vec<Listed>,
    /// The entries with a fault, and whose they are.
    pub(super) faulty: Vec<Faulty>,
    /// Errors and warnings.
    pub(super) problems: Vec<Problem>,
    /// How many of them are errors, counted along: a subscription is only made when none was added meanwhile.
    errors: usize,
}

/// What a subscription is when it doesn't say otherwise: the file's `[defaults]` over the settings' `[digest]`.
#[derive(Clone)]
struct Defaults {
    schedule: Schedule,
    zone: Zone,
    when_empty: WhenEmpty,
    max_papers: u32,
    min_upvotes: u32,
    rank: Rank,
    sources: Vec<SourceId>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(digest: &'a Digest, sources: &'a [Source], lints: Lints<'a>) -> Self {
        Self {
            digest,
            sources,
            lints,
            places: HashMap::new(),
            schedules: HashMap::new(),
            file: 0,
            is_incomplete: false,
            has_wrong_defaults: false,
            subscriptions: Vec::new(),
            faulty: Vec::new(),
            problems: Vec::new(),
            errors: 0,
        }
    }

    /// Reads one file, and says how much of it could be understood.
    pub(super) fn file(&mut self, file: &Arc<SourceFile>, index: usize) -> FileState {
        (self.file, self.is_incomplete) = (index, false);
        let (subscriptions, faulty) = (self.subscriptions.len(), self.faulty.len());
        let (problems, errors) = (self.problems.len(), self.errors);
        if !self.pieces(file) {
            self.subscriptions.truncate(subscriptions);
            self.faulty.truncate(faulty);
            self.problems.truncate(problems);
            (self.errors, self.is_incomplete) = (errors, false);
            self.places.retain(|_, place| !matches!(place, Place::Text(other, _) if Arc::ptr_eq(other, file)));
            if !self.whole(file) {
                return FileState::Unreadable;
            }
        }
        if self.is_incomplete { FileState::Incomplete } else { FileState::Read }
    }

    /// Reads the head, and then block after block. Says whether that is the same as reading the whole: it is when each
    /// piece is TOML by itself and blocks are all there is below the head. A line inside a longer value that only looks
    /// like the start of a block leaves a piece before it that isn't TOML.
    fn pieces(&mut self, file: &Arc<SourceFile>) -> bool {
        let text = file.text.as_str();
        let mut starts: Vec<usize> = text
            .match_indices("[[subscription]]")
            .map(|(at, _)| at)
            .filter(|at| text[..*at].rsplit('\n').next().is_some_and(|before| before.trim().is_empty()))
            .collect();
        starts.push(text.len());
        let Ok(head) = node::parse_piece(file, 0..starts[0]) else { return false };
        let top = self.top(&head);
        if top.get("subscription").is_some() || starts.len() == 1 {
            return false;
        }
        let defaults = self.defaults(top.get("defaults"));
        for bounds in starts.windows(2) {
            let Ok(piece) = node::parse_piece(file, bounds[0]..bounds[1]) else { return false };
            let Ok([Entry { key, node, .. }]) = piece.table() else { return false };
            let (true, Value::List(blocks)) = (key == "subscription", &node.value) else { return false };
            blocks.iter().for_each(|block| self.subscription(block, &defaults));
        }
        true
    }

    /// Reads the file in one piece; `false` when nothing in it can be understood.
    fn whole(&mut self, file: &Arc<SourceFile>) -> bool {
        let root = match node::parse(file) {
            Ok(root) => root,
            Err(problem) => {
                self.push(problem);
                return false;
            }
        };
        let top = self.top(&root);
        let defaults = self.defaults(top.get("defaults"));
        let Some(list) = top.get("subscription") else {
            self.push(Problem::warning(Place::Path(file.path.clone()), "there is no [[subscription]] in it"));
            return true;
        };
        let Value::List(blocks) = &list.value else {
            let wrong = Wrong::new("expected a list of tables").hint("write [[subscription]]".to_owned());
            self.wrong(list, "subscription", wrong);
            return false;
        };
        for block in blocks {
            self.subscription(block, &defaults);
        }
        true
    }

    /// The keys of the whole file. One that isn't known may be a misspelt `[[subscription]]`.
    fn top<'n>(&mut self, root: &'n Node) -> Fields<'n> {
        let errors = self.errors;
        let top = self.fields(root, "", &[&["defaults", "subscription"]]);
        self.is_incomplete |= self.errors > errors;
        top
    }

    fn defaults(&mut self, table: Option<&Node>) -> Defaults {
        let errors = self.errors;
        let defaults = self.read_defaults(table);
        self.has_wrong_defaults = self.errors > errors;
        defaults
    }

    fn read_defaults(&mut self, table: Option<&Node>) -> Defaults {
        let fields = table.map(|table| self.fields(table, "defaults", &[keys::DEFAULTS])).unwrap_or_default();
        Defaults {
            schedule: self.slots(&fields).unwrap_or_else(|| self.digest.schedule.clone()),
            zone: self.get(&fields, "zone", values::zone).unwrap_or(self.digest.zone),
            when_empty: self.get(&fields, "when_empty", values::when_empty).unwrap_or(self.digest.when_empty),
            max_papers: self.get(&fields, "max_papers", values::max_papers).unwrap_or(self.digest.max_papers),
            min_upvotes: self.get(&fields, "min_upvotes", min_upvotes).unwrap_or(0),
            rank: self.get(&fields, "rank", values::rank).unwrap_or_default(),
            sources: self.sources(&fields).unwrap_or_default(),
        }
    }

    fn subscription(&mut self, block: &Node, defaults: &Defaults) {
        let errors = self.errors;
        let fields = self.fields(block, "subscription", &[keys::SUBSCRIPTION, keys::PROFILE]);
        let address = self.email(block, &fields);
        let name = self.get(&fields, "name", |node| Ok(node.line()?.to_owned()));
        let schedule = self.schedule(&fields);
        let zone = self.get(&fields, "zone", values::zone);
        let since = self.get(&fields, "since", values::day);
        let paused = self.get(&fields, "paused", Node::boolean).unwrap_or(false);
        let when_empty = self.get(&fields, "when_empty", values::when_empty);
        let profiles = match fields.get("profile") {
            Some(list) => self.profiles(list, &fields, defaults),
            None => vec![self.profile(&fields, String::new(), block, defaults, errors)],
        };
        let file = self.file;
        match address {
            None => self.is_incomplete = true,
            Some(address) if self.errors > errors || self.has_wrong_defaults => {
                self.faulty.push(Faulty { address, is_paused: paused, file });
            }
            Some(address) => {
                let subscription = Subscription {
                    address,
                    name,
                    profiles,
                    schedule: schedule.unwrap_or_else(|| defaults.schedule.clone()),
                    zone: zone.unwrap_or(defaults.zone),
                    since,
                    paused,
                    when_empty: when_empty.unwrap_or(defaults.when_empty),
                };
                self.subscriptions.push(Listed { subscription, file });
            }
        }
    }

    fn schedule(&mut self, fields: &Fields<'_>) -> Option<Schedule> {
        let text = fields.get("schedule")?.text().unwrap_or_default();
        if let Some(known) = self.schedules.get(text) {
            return Some(known.clone());
        }
        let schedule = self.slots(fields)?;
        self.schedules.insert(text.to_owned(), schedule.clone());
        Some(schedule)
    }

    /// The address. That another subscription has it is an error: two would be two mails to one person.
    fn email(&mut self, block: &Node, fields: &Fields<'_>) -> Option<Address> {
        let Some(node) = fields.get("email") else {
            let problem = Problem::error(block.place.clone(), "email: is missing");
            self.push(problem.hint("add email = \"name@example.org\"".to_owned()));
            return None;
        };
        let address = self.get(fields, "email", values::address)?;
        if let Some(other) = self.places.get(&address) {
            let wrong = Wrong::new(format!("this address already has a subscription at {}", other.file_and_line()));
            let hint = "one subscription an address; several interests are [[subscription.profile]] tables of it";
            self.wrong(node, "email", wrong.hint(hint.to_owned()));
        } else {
            self.places.insert(address.clone(), node.place.clone());
        }
        Some(address)
    }

    /// Several named profiles; the keys of one may then not stand beside them.
    fn profiles(&mut self, list: &Node, fields: &Fields<'_>, defaults: &Defaults) -> Vec<Profile> {
        for entry in fields.entries.iter().filter(|entry| keys::PROFILE.contains(&entry.key.as_str())) {
            let message = format!("{}: stands beside [[subscription.profile]], and would count for none", entry.key);
            let hint = "move it into the profiles";
            self.push(Problem::error(entry.key_place.clone(), message).hint(hint.to_owned()));
        }
        let tables = match list.list() {
            Ok(tables) => tables,
            Err(_) => {
                let wrong = Wrong::new("expected a list of tables").hint("write [[subscription.profile]]".to_owned());
                self.wrong(list, "profile", wrong);
                return Vec::new();
            }
        };
        if tables.is_empty() {
            self.wrong(list, "profile", Wrong::new("expected at least one table"));
        }
        let mut profiles: Vec<Profile> = Vec::new();
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
        profiles
    }

    /// `errors` is how many there were before this table: only one without any gets a warning, since a misspelt
    /// `keywords` is no lack of them.
    fn profile(
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

    /// When a subscription's editions come, and a warning of what is hardly meant in it.
    fn slots(&mut self, fields: &Fields<'_>) -> Option<Schedule> {
        let schedule = self.get(fields, "schedule", values::schedule)?;
        if let Some(node) = fields.get("schedule") {
            for warning in schedule.warnings() {
                let problem = node.problem("schedule", Wrong::new(warning.clone()));
                self.push(Problem { severity: Severity::Warning, ..problem });
            }
        }
        Some(schedule)
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

    fn sources(&mut self, fields: &Fields<'_>) -> Option<Vec<SourceId>> {
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

    /// The keys of a table; those that are in none of the lists are problems.
    fn fields<'n>(&mut self, table: &'n Node, name: &str, known: &[&[&str]]) -> Fields<'n> {
        let entries = match table.table() {
            Ok(entries) => entries,
            Err(wrong) => {
                self.wrong(table, name, wrong);
                return Fields::default();
            }
        };
        let known: Vec<&str> = known.iter().copied().flatten().copied().collect();
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let hint = node::did_you_mean(&entry.key, known.iter().copied());
            let hint = hint.unwrap_or_else(|| format!("known here: {}", known.join(", ")));
            let message = format!("unknown key `{}`", entry.key);
            self.push(Problem::error(entry.key_place.clone(), message).hint(hint));
        }
        Fields { entries }
    }

    fn get<T>(&mut self, fields: &Fields<'_>, key: &str, parse: impl Fn(&Node) -> Result<T, Wrong>) -> Option<T> {
        let node = fields.get(key)?;
        parse(node).map_err(|wrong| self.wrong(node, key, wrong)).ok()
    }

    fn wrong(&mut self, node: &Node, key: &str, wrong: Wrong) {
        self.push(node.problem(key, wrong));
    }

    pub(super) fn push(&mut self, problem: Problem) {
        self.errors += usize::from(problem.is_error());
        self.problems.push(problem);
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

fn min_upvotes(node: &Node) -> Result<u32, Wrong> {
    values::whole(node, 0, MOST_UPVOTES)
}

/// The entries of one table.
#[derive(Default)]
struct Fields<'n> {
    entries: &'n [Entry],
}

impl<'n> Fields<'n> {
    fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }
}

/// A list of expressions; one that stands alone is shown in brackets.
fn expressions(node: &Node) -> Result<Vec<Node>, Wrong> {
    node.list().map_err(|wrong| {
        let alone = node.text().ok().map(|text| format!("write [{}]", toml_edit::Value::from(text)));
        wrong.hint(alone)
    })
}
