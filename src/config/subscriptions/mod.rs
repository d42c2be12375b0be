//! Subscription files: who gets which papers, and when.
//!
//! A file is a list of `[[subscription]]` tables, after an optional `[defaults]` and profiles that several of them share. An
//! entry with several addresses is a subscription for each of them. Every problem of every file is found in one go; a
//! subscription is only made of values that are right. Of an entry with a fault it is told whose it is, and of a file
//! whether there are entries of which that can't be told.
//!
//! Files can be long, and what a parser makes of one is twenty times its size. So a file is read a block at a time, and
//! as a whole only when its pieces are not TOML by themselves.

mod profile;
mod shared;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::NaiveDate;

use self::shared::Shared;
use super::keys;
use super::listing::{Faulty, FileState, Listed};
use super::node::{self, Entry, Node, Value, Wrong};
use super::problem::{Problem, Severity, SourceFile, ValuePlace};
use super::settings::Digest;
use super::values;
use crate::core::address::Address;
use crate::core::lint::Holdings;
use crate::core::paper::SourceId;
use crate::core::schedule::Schedule;
use crate::core::subscription::{Profile, Rank, Subscription, WhenEmpty};
use crate::core::zone::Zone;
use crate::source::Source;

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
    places: HashMap<Address, ValuePlace>,
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

/// What a file says once, for its entries.
struct Common {
    defaults: Defaults,
    shared: Vec<Shared>,
}

/// One of an entry's addresses.
struct Addressee {
    address: Address,
    /// Another entry has it.
    is_taken: bool,
}

/// What an entry orders, for each of its addresses.
struct Order {
    name: Option<String>,
    profiles: Vec<Profile>,
    schedule: Schedule,
    zone: Zone,
    since: Option<NaiveDate>,
    paused: bool,
    when_empty: WhenEmpty,
}

impl Order {
    fn of(&self, address: Address) -> Subscription {
        Subscription {
            address,
            name: self.name.clone(),
            profiles: self.profiles.clone(),
            schedule: self.schedule.clone(),
            zone: self.zone,
            since: self.since,
            paused: self.paused,
            when_empty: self.when_empty,
        }
    }
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
            self.places.retain(|_, place| !matches!(place, ValuePlace::Text(other, _) if Arc::ptr_eq(other, file)));
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
        let mut common = self.common(&top);
        for bounds in starts.windows(2) {
            let Ok(piece) = node::parse_piece(file, bounds[0]..bounds[1]) else { return false };
            let Ok([Entry { key, node, .. }]) = piece.table() else { return false };
            let (true, Value::List(blocks)) = (key == "subscription", &node.value) else { return false };
            blocks.iter().for_each(|block| self.subscription(block, &mut common));
        }
        self.warn_of_unused(&common);
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
        let mut common = self.common(&top);
        let Some(list) = top.get("subscription") else {
            self.push(Problem::warning(ValuePlace::Path(file.path.clone()), "there is no [[subscription]] in it"));
            return true;
        };
        let Value::List(blocks) = &list.value else {
            let wrong = Wrong::new("expected a list of tables").hint("write [[subscription]]".to_owned());
            self.wrong(list, "subscription", wrong);
            return false;
        };
        for block in blocks {
            self.subscription(block, &mut common);
        }
        self.warn_of_unused(&common);
        true
    }

    /// The keys of the whole file. One that isn't known may be a misspelt `[[subscription]]`.
    fn top<'n>(&mut self, root: &'n Node) -> Fields<'n> {
        let errors = self.errors;
        let top = self.fields(root, "", &[&["defaults", "shared", "subscription"]]);
        self.is_incomplete |= self.errors > errors;
        top
    }

    fn common(&mut self, top: &Fields<'_>) -> Common {
        let defaults = self.defaults(top.get("defaults"));
        let shared = top.get("shared").map(|tables| self.read_shared(tables, &defaults)).unwrap_or_default();
        Common { defaults, shared }
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
            min_upvotes: self.get(&fields, "min_upvotes", profile::min_upvotes).unwrap_or(0),
            rank: self.get(&fields, "rank", values::rank).unwrap_or_default(),
            sources: self.sources(&fields).unwrap_or_default(),
        }
    }

    /// An entry: one subscription for each of its addresses.
    fn subscription(&mut self, block: &Node, common: &mut Common) {
        let errors = self.errors;
        let fields = self.fields(block, "subscription", &[keys::SUBSCRIPTION, keys::PROFILE]);
        let before = self.errors;
        let addressees = self.addressees(block, &fields);
        // What is wrong with one address is no fault of the others.
        let errors = errors + (self.errors - before);
        let name = self.name(&fields, addressees.len());
        let schedule = self.schedule(&fields);
        let zone = self.get(&fields, "zone", values::zone);
        let since = self.get(&fields, "since", values::day);
        let paused = self.get(&fields, "paused", Node::boolean).unwrap_or(false);
        let when_empty = self.get(&fields, "when_empty", values::when_empty);
        let profiles = self.profiles(block, &fields, common, errors);
        let is_right = self.errors == errors && !self.has_wrong_defaults;
        let defaults = &common.defaults;
        let order = profiles.filter(|_| is_right).map(|profiles| Order {
            name,
            profiles,
            schedule: schedule.unwrap_or_else(|| defaults.schedule.clone()),
            zone: zone.unwrap_or(defaults.zone),
            since,
            paused,
            when_empty: when_empty.unwrap_or(defaults.when_empty),
        });
        let file = self.file;
        for Addressee { address, is_taken } in addressees {
            match order.as_ref().filter(|_| !is_taken) {
                Some(order) => self.subscriptions.push(Listed { subscription: order.of(address), file }),
                None => self.faulty.push(Faulty { address, is_paused: paused, file }),
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

    /// The addresses that can be read. That another subscription has one is an error: two would be two mails to one person.
    fn addressees(&mut self, block: &Node, fields: &Fields<'_>) -> Vec<Addressee> {
        let Some(email) = fields.get("email") else {
            let problem = Problem::error(block.place.clone(), "email: is missing");
            self.push(problem.hint("add email = \"name@example.org\"".to_owned()));
            self.is_incomplete = true;
            return Vec::new();
        };
        let nodes = match &email.value {
            Value::List(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(email),
        };
        if nodes.is_empty() {
            self.wrong(email, "email", Wrong::new("expected at least one address"));
            self.is_incomplete = true;
        }
        let mut addressees = Vec::with_capacity(nodes.len());
        for node in nodes {
            let address = match values::address(node) {
                Ok(address) => address,
                Err(wrong) => {
                    self.wrong(node, "email", wrong);
                    self.is_incomplete = true;
                    continue;
                }
            };
            let other = self.places.get(&address).map(ValuePlace::file_and_line);
            if let Some(other) = &other {
                let wrong = Wrong::new(format!("this address already has a subscription at {other}"));
                let hint = "one subscription an address; several interests are [[subscription.profile]] tables of it";
                self.wrong(node, "email", wrong.hint(hint.to_owned()));
            } else {
                self.places.insert(address.clone(), node.place.clone());
            }
            addressees.push(Addressee { address, is_taken: other.is_some() });
        }
        addressees
    }

    /// The person's name; several people have none in common.
    fn name(&mut self, fields: &Fields<'_>, addressees: usize) -> Option<String> {
        let name = self.get(fields, "name", |node| Ok(node.line()?.to_owned()))?;
        if addressees > 1
            && let Some(node) = fields.get("name")
        {
            let wrong = Wrong::new("an entry with several addresses can't have one");
            let hint =
                "leave it out, or give that person an entry of their own; profiles = [\"…\"] shares what is wanted";
            self.wrong(node, "name", wrong.hint(hint.to_owned()));
        }
        Some(name)
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
