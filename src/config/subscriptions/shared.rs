//! Profiles that several entries of a file share: `[shared.NAME]` tables, and `profiles = ["NAME"]` in an entry.
//!
//! A fault in one is told once, where it is, and harms only the subscriptions that use it.

use super::super::keys;
use super::super::node::{self, Node, Wrong};
use super::super::problem::{Problem, ValuePlace};
use super::{Common, Defaults, Reading};
use crate::core::subscription::Profile;

/// One of them.
pub(super) struct Shared {
    name: String,
    place: ValuePlace,
    /// `None` when something in it is wrong.
    profile: Option<Profile>,
    is_used: bool,
}

impl Reading<'_> {
    /// Reads the `[shared.NAME]` tables of a file.
    pub(super) fn read_shared(&mut self, tables: &Node, defaults: &Defaults) -> Vec<Shared> {
        let named = |wrong: Wrong| wrong.hint("write [shared.NAME]".to_owned());
        let entries = match tables.table() {
            Ok(entries) => entries,
            Err(wrong) => {
                self.wrong(tables, "shared", named(wrong));
                return Vec::new();
            }
        };
        let mut shared = Vec::with_capacity(entries.len());
        for entry in entries {
            let errors = self.errors;
            let profile = match entry.node.table() {
                Ok(_) => Some(self.shared_profile(&entry.key, &entry.node, defaults)),
                Err(wrong) => {
                    self.wrong(&entry.node, &format!("shared.{}", entry.key), named(wrong));
                    None
                }
            };
            let profile = profile.filter(|_| self.errors == errors);
            shared.push(Shared { name: entry.key.clone(), place: entry.key_place.clone(), profile, is_used: false });
        }
        shared
    }

    fn shared_profile(&mut self, key: &str, table: &Node, defaults: &Defaults) -> Profile {
        let errors = self.errors;
        let fields = self.fields(table, "shared", &[keys::PROFILE, keys::SUBSCRIPTION]);
        for entry in fields.entries {
            let hint = match entry.key.as_str() {
                "name" => continue,
                "email" => format!("addresses are in the [[subscription]] tables, which say profiles = [{key:?}]"),
                known if keys::SUBSCRIPTION.contains(&known) => "it is a key of [[subscription]]".to_owned(),
                _ => continue,
            };
            let message = format!("{}: a shared profile has none", entry.key);
            self.push(Problem::error(entry.key_place.clone(), message).hint(hint));
        }
        let name = self.get(&fields, "name", |node| Ok(node.line()?.to_owned()));
        self.profile(&fields, name.unwrap_or_else(|| key.to_owned()), table, defaults, errors)
    }

    /// The shared profiles that an entry names. `None` when one of them is wrong.
    pub(super) fn shared(&mut self, names: &Node, shared: &mut [Shared]) -> Option<Vec<Profile>> {
        let nodes = match names.list() {
            Ok(nodes) if nodes.iter().all(|node| node.table().is_err()) => nodes,
            Ok(_) => {
                let wrong = Wrong::new("expected names of shared profiles, found tables");
                self.wrong(names, "profiles", wrong.hint("an entry's own are [[subscription.profile]]".to_owned()));
                return None;
            }
            Err(wrong) => {
                let alone = names.text().ok().map(|text| format!("write [{}]", toml_edit::Value::from(text)));
                self.wrong(names, "profiles", wrong.hint(alone));
                return None;
            }
        };
        if nodes.is_empty() {
            self.wrong(names, "profiles", Wrong::new("expected at least one name"));
        }
        let mut profiles: Vec<Profile> = Vec::with_capacity(nodes.len());
        let mut is_right = true;
        for node in &nodes {
            let found = node.text().and_then(|name| find(name, shared));
            let found = match found {
                Ok(found) => found,
                Err(wrong) => {
                    self.wrong(node, "profiles", wrong);
                    continue;
                }
            };
            found.is_used = true;
            match &found.profile {
                None => is_right = false,
                Some(profile) if profiles.iter().any(|other| other.name == profile.name) => {
                    self.wrong(node, "profiles", Wrong::new("another profile of this subscription has the same name"));
                }
                Some(profile) => profiles.push(profile.clone()),
            }
        }
        is_right.then_some(profiles)
    }

    /// Warns of shared profiles that no entry names.
    pub(super) fn warn_of_unused(&mut self, common: &Common) {
        for shared in common.shared.iter().filter(|shared| !shared.is_used) {
            let problem = Problem::warning(shared.place.clone(), format!("shared.{}: nobody uses it", shared.name));
            self.push(problem.hint(format!("a [[subscription]] does with profiles = [{:?}]", shared.name)));
        }
    }
}

fn find<'s>(name: &str, shared: &'s mut [Shared]) -> Result<&'s mut Shared, Wrong> {
    let names: Vec<String> = shared.iter().map(|shared| shared.name.clone()).collect();
    let found = shared.iter_mut().find(|shared| shared.name == name);
    found.ok_or_else(|| {
        let hint = node::did_you_mean(name, names.iter().map(String::as_str));
        let hint = hint.unwrap_or_else(|| match names.as_slice() {
            [] => format!("add [shared.{}] to this file", toml_edit::Key::new(name).display_repr()),
            names => format!("this file has: {}", names.join(", ")),
        });
        Wrong::new(format!("there is no shared profile {name:?}")).hint(hint)
    })
}
