//! What the settings file says, to tell later whether it has changed.
//!
//! Key by key, so that a comment, another order or a value of the environment is no change. Of the values nothing is kept but
//! salted hashes: secrets are among them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::node::{Node, Value};

/// Bytes of a hash: enough to tell that a value is another one.
const HASH: usize = 8;

/// The values of the settings file as they are written there, and what is in the files that they name.
#[derive(Clone, Default)]
pub struct OnDisk {
    values: BTreeMap<String, String>,
    contents: BTreeMap<String, String>,
}

/// There are passwords among the values.
impl fmt::Debug for OnDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl OnDisk {
    pub(super) fn value(&mut self, key: &str, node: &Node) {
        let mut text = String::new();
        write(&node.value, &mut text);
        self.values.insert(key.to_owned(), text);
    }

    /// Notes what is in the file that belongs to a key.
    pub(super) fn content(&mut self, key: &str, text: &str) {
        self.contents.insert(key.to_owned(), text.to_owned());
    }

    /// Hashes of all values, made with `salt`.
    pub fn fingerprint(&self, salt: &[u8]) -> Fingerprint {
        let hashes = |texts: &BTreeMap<String, String>| {
            texts.iter().map(|(key, text)| (key.clone(), hash(salt, key, text))).collect()
        };
        Fingerprint { values: hashes(&self.values), contents: hashes(&self.contents) }
    }
}

/// What a settings file said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    values: BTreeMap<String, String>,
    contents: BTreeMap<String, String>,
}

impl Fingerprint {
    /// The keys that have another value in `other`. Of a file that only one of the two could read nothing is known.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let keys: BTreeSet<&String> = self.values.keys().chain(other.values.keys()).collect();
        let values = keys.into_iter().filter(|key| self.values.get(*key) != other.values.get(*key));
        let contents = self.contents.iter().filter(|(key, hash)| other.contents.get(*key).is_some_and(|o| o != *hash));
        let mut differences: Vec<String> = values.chain(contents.map(|(key, _)| key)).cloned().collect();
        differences.sort_unstable();
        differences.dedup();
        differences
    }

    /// The same, with what `before` says of these keys.
    pub fn keep(&mut self, before: &Self, keys: &[&str]) {
        for key in keys {
            match before.values.get(*key) {
                Some(hash) => drop(self.values.insert((*key).to_owned(), hash.clone())),
                None => drop(self.values.remove(*key)),
            }
        }
    }
}

fn hash(salt: &[u8], key: &str, text: &str) -> String {
    let mut context = Context::new(&SHA256);
    for part in [salt, key.as_bytes(), b"\0", text.as_bytes()] {
        context.update(part);
    }
    context.finish().as_ref()[..HASH].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A value as text that is the same for the same value.
fn write(value: &Value, out: &mut String) {
    match value {
        Value::Text(text) => *out += &format!("{text:?}"),
        Value::Integer(number) => *out += &number.to_string(),
        Value::Float(number) => *out += &number.to_string(),
        Value::Boolean(truth) => *out += &truth.to_string(),
        Value::Date => out.push_str("date"),
        Value::List(nodes) => {
            out.push('[');
            for node in nodes {
                write(&node.value, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Table(entries) => {
            out.push('{');
            for entry in entries {
                *out += &format!("{:?}=", entry.key);
                write(&entry.node.value, out);
                out.push(',');
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::layers::Layers;
    use super::super::node;
    use super::super::problem::SourceFile;
    use super::*;

    fn on_disk(text: &str) -> OnDisk {
        let file = Arc::new(SourceFile::new("paperpost.toml", text));
        let mut layers = Layers::default();
        layers.file(Some(&node::parse(&file).expect("valid TOML")));
        layers.environment([("PAPERPOST__LOG__LEVEL", "debug")].into_iter());
        layers.merge().on_disk
    }

    fn differences(before: &str, after: &str) -> Vec<String> {
        let print = |text| on_disk(text).fingerprint(b"salt");
        print(before).differences(&print(after))
    }

    #[test]
    fn what_a_file_says_is_compared_key_by_key() {
        let before = "[smtp]\nport = 25\npassword = \"hunter2\"\n[subscriptions]\nfiles = [\"a.toml\", \"b.toml\"]\n";
        let same = "# Moved.\n[subscriptions]\nfiles = [\n  \"a.toml\",\n  \"b.toml\",\n]\n[smtp]\npassword = 'hunter2'\nport = 25\n";
        assert_eq!(differences(before, same), [""; 0]);
        assert_eq!(differences(before, &before.replace("hunter2", "hunter3")), ["smtp.password"]);
        assert_eq!(differences(before, &before.replace("b.toml", "c.toml")), ["subscriptions.files"]);
        assert_eq!(differences(before, "[smtp]\nport = 25\n"), ["smtp.password", "subscriptions.files"]);
        assert_eq!(differences("", "[log]\nlevel = \"debug\"\n"), ["log.level"], "whatever the environment says");
    }

    #[test]
    fn a_file_that_only_one_can_read_is_no_difference() {
        let (mut one, other) = (on_disk(""), on_disk(""));
        one.content("dkim.rsa_key", "a key");
        let [mut print, other] = [&one, &other].map(|disk| disk.fingerprint(b"salt"));
        assert_eq!((print.differences(&other), other.differences(&print)), (Vec::new(), Vec::new()));
        let before = print.clone();
        one.content("dkim.rsa_key", "another key");
        print = one.fingerprint(b"salt");
        assert_eq!(before.differences(&print), ["dkim.rsa_key"]);
    }

    #[test]
    fn no_value_shows() {
        let disk = on_disk("[smtp]\npassword = \"hunter2\"\n");
        let print = serde_json::to_string(&disk.fingerprint(b"salt")).expect("JSON");
        assert!(!format!("{disk:?} {print}").contains("hunter2"));
        assert_ne!(disk.fingerprint(b"salt"), disk.fingerprint(b"another"), "nor is it the same in another database");
    }

    #[test]
    fn a_key_that_is_kept_goes_on_to_differ() {
        let [before, mut after] = ["web.listen = 1\n", "web.listen = 2\n"].map(|text| on_disk(text).fingerprint(b""));
        let on_disk = after.clone();
        after.keep(&before, &["web.listen", "database.path"]);
        assert_eq!(after.differences(&on_disk), ["web.listen"]);
    }
}
