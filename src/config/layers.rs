//! Defaults, file, environment, overrides: each layer's keys checked, then laid over one another by the `config` crate.
//!
//! The crate carries an origin with every value. Here it is the number of a [`Node`], so that the value which wins
//! still knows its place, and a problem found long after the merge points at the line or variable that caused it. A
//! value that a higher layer replaces is not looked at any further; an unknown key is reported from every layer.
//!
//! A domain with dots keeps its quotes in a key (`pacing.domains."example.org".rate`). The crate takes such a key, which is no
//! path to it, as one name.

use std::collections::BTreeMap;

use ::config::{Config, ConfigError, Map, Source, ValueKind};

use super::keys;
use super::node::{self, Node, Value};
use super::on_disk::OnDisk;
use super::problem::{Problem, ValuePlace};
use crate::core::paper::SourceId;
use crate::source::KINDS;

/// What an environment variable of ours begins with; two underscores then stand for each dot of the key.
const VARIABLE_PREFIX: &str = "PAPERPOST__";

/// The section whose keys are domains.
pub(super) const DOMAINS: &str = "pacing.domains";

/// The layers as they are gathered, lowest first, and the problems met on the way.
#[derive(Default)]
pub(super) struct Layers {
    nodes: Vec<Node>,
    layers: Vec<Layer>,
    sources: BTreeMap<String, ValuePlace>,
    problems: Vec<Problem>,
    on_disk: OnDisk,
}

/// What the layers come to.
pub(super) struct Merged {
    /// Every key that is set, with the value that wins.
    pub(super) found: BTreeMap<String, Node>,
    /// The sources and where each is first named.
    pub(super) sources: BTreeMap<String, ValuePlace>,
    /// What was wrong with keys; values are checked by who asks for them.
    pub(super) problems: Vec<Problem>,
    /// What the file says of them.
    pub(super) on_disk: OnDisk,
}

/// The values of one layer under their dotted keys.
#[derive(Clone, Debug, Default)]
struct Layer(Map<String, ::config::Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, ::config::Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

impl Layers {
    /// Adds the tables of a file, the lowest layer. When it names no source, the default ones are there.
    pub(super) fn file(&mut self, root: Option<&Node>) {
        let mut layer = Layer::default();
        if let Some(root) = root {
            self.table("", root, &mut layer);
        }
        for (key, value) in &layer.0 {
            if let Some(node) = self.node(value) {
                self.on_disk.value(key, &node);
            }
        }
        if self.sources.is_empty() {
            for (source, enabled) in KINDS.iter().filter_map(|about| about.preset) {
                self.sources.insert(source.to_owned(), ValuePlace::Default);
                self.set_default(&format!("sources.{source}.enabled"), &enabled.to_string(), &mut layer);
            }
        }
        self.layers.push(layer);
    }

    /// Adds the variables that begin with `PAPERPOST__`; an empty one counts as not set.
    pub(super) fn environment<'a>(&mut self, variables: impl Iterator<Item = (&'a str, &'a str)>) {
        let mut layer = Layer::default();
        for (name, value) in variables.filter(|(_, value)| !value.is_empty()) {
            let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else { continue };
            let mut parts: Vec<_> = rest.split("__").map(str::to_ascii_lowercase).collect();
            if let [section, source, ..] = parts.as_mut_slice()
                && section == "sources"
            {
                // A variable's name can't hold the hyphen of a source's name, which in turn can't hold an underscore.
                *source = source.replace('_', "-");
            }
            let place = ValuePlace::Variable(name.to_owned());
            self.leaf(&parts.join("."), &place.clone(), Node::text_at(value, place), &mut layer);
        }
        self.layers.push(layer);
    }

    /// Adds `key=value` pairs; of two for one key the later wins.
    pub(super) fn overrides(&mut self, overrides: &[(String, String)]) {
        let mut layer = Layer::default();
        for (key, value) in overrides {
            let place = ValuePlace::Override(key.clone());
            self.leaf(key, &place.clone(), Node::text_at(value, place), &mut layer);
        }
        self.layers.push(layer);
    }

    /// Lays the defaults under all layers and merges them.
    pub(super) fn merge(mut self) -> Merged {
        let mut builder = Config::builder().add_source(self.defaults());
        for layer in &self.layers {
            builder = builder.add_source(layer.clone());
        }
        let mut found = BTreeMap::new();
        match builder.build().and_then(|merged| merged.collect()) {
            Ok(tree) => self.flatten("", tree, &mut found),
            Err(error) => self.problems.push(Problem::error(ValuePlace::Default, error.to_string())),
        }
        Merged { found, sources: self.sources, problems: self.problems, on_disk: self.on_disk }
    }

    fn table(&mut self, section: &str, table: &Node, layer: &mut Layer) {
        let entries = match table.table() {
            Ok(entries) => entries,
            Err(wrong) => return self.problems.push(table.problem(section, wrong)),
        };
        for entry in entries {
            let is_domain = section == DOMAINS && entry.key.contains('.');
            let key = match section {
                "" => entry.key.clone(),
                // As it is in the file: its dots separate nothing.
                _ if is_domain => format!("{section}.\"{}\"", entry.key),
                _ => format!("{section}.{}", entry.key),
            };
            let is_section = !keys::below(&key).is_empty() && (is_domain || !entry.key.contains('.'));
            if is_section {
                if section == "sources" && !self.source(&entry.key, &entry.key_place) {
                    continue;
                }
                self.table(&key, &entry.node, layer);
            } else {
                self.leaf(&key, &entry.key_place, entry.node.clone(), layer);
            }
        }
    }

    fn leaf(&mut self, key: &str, key_place: &ValuePlace, node: Node, layer: &mut Layer) {
        if keys::find(key).is_none() {
            self.problems.push(unknown(key, key_place));
        } else if source_of(key).is_none_or(|source| self.source(source, key_place)) {
            self.set(key, node, layer);
        }
    }

    /// Takes note of a source; whether its name is one.
    fn source(&mut self, name: &str, place: &ValuePlace) -> bool {
        let fits = SourceId::parse(name).is_some();
        if fits {
            self.sources.entry(name.to_owned()).or_insert_with(|| place.clone());
        } else {
            let message = format!("sources.{name}: expected a name of lower-case letters, digits and hyphens");
            self.problems.push(Problem::error(place.clone(), message));
        }
        fits
    }

    fn set(&mut self, key: &str, node: Node, layer: &mut Layer) {
        let kind = match &node.value {
            Value::Text(text) => ValueKind::String(text.clone()),
            Value::Integer(number) => ValueKind::I64(*number),
            Value::Float(number) => ValueKind::Float(*number),
            Value::Boolean(truth) => ValueKind::Boolean(*truth),
            // Opaque to the merge: a list replaces a list as a whole.
            Value::List(_) | Value::Table(_) | Value::Date => ValueKind::Nil,
        };
        let origin = self.nodes.len().to_string();
        self.nodes.push(node);
        layer.0.insert(key.to_owned(), ::config::Value::new(Some(&origin), kind));
    }

    fn defaults(&mut self) -> Layer {
        let mut layer = Layer::default();
        let sources: Vec<_> = self.sources.keys().cloned().collect();
        for (key, default) in keys::SETTINGS.iter().filter(|(_, default)| !default.is_empty()) {
            match key.strip_prefix("sources.*.") {
                None => self.set_default(key, default, &mut layer),
                Some(last) => {
                    for source in &sources {
                        self.set_default(&format!("sources.{source}.{last}"), default, &mut layer);
                    }
                }
            }
        }
        layer
    }

    fn set_default(&mut self, key: &str, toml: &str, layer: &mut Layer) {
        if let Some(node) = node::parse_default(toml) {
            self.set(key, node, layer);
        }
    }

    fn node(&self, value: &::config::Value) -> Option<Node> {
        self.nodes.get(value.origin()?.parse::<usize>().ok()?).cloned()
    }

    /// Finds the nodes of the winning values again; only leaves have an origin.
    fn flatten(&self, section: &str, tree: Map<String, ::config::Value>, found: &mut BTreeMap<String, Node>) {
        for (key, value) in tree {
            let key = if section.is_empty() { key } else { format!("{section}.{key}") };
            match (self.node(&value), value.kind) {
                (Some(node), _) => {
                    found.insert(key, node);
                }
                (None, ValueKind::Table(below)) => self.flatten(&key, below, found),
                (None, _) => {}
            }
        }
    }
}

fn source_of(key: &str) -> Option<&str> {
    key.strip_prefix("sources.")?.split('.').next()
}

/// The problem of a key that nobody knows, with the nearest one that is known at the deepest section that exists.
fn unknown(key: &str, place: &ValuePlace) -> Problem {
    let mut section = "";
    for (dot, _) in key.match_indices('.') {
        if keys::below(&key[..dot]).is_empty() {
            break;
        }
        section = &key[..dot];
    }
    let rest = &key[if section.is_empty() { 0 } else { section.len() + 1 }..];
    let wrong = rest.split('.').next().unwrap_or(rest);
    let known = keys::below(section);
    if known.contains(&wrong) && section.is_empty() {
        return Problem::error(place.clone(), format!("{wrong}: is a section, not a key"));
    }
    let what = if section.is_empty() { "section" } else { "key" };
    let hint = node::did_you_mean(wrong, known.iter().copied().filter(|key| *key != "*"));
    let hint = hint.unwrap_or_else(|| match section.starts_with(DOMAINS) {
        true => "write a name with dots in quotes: [pacing.domains.\"example.org\"]".to_owned(),
        false => format!("known here: {}", known.join(", ")),
    });
    let message = if section.is_empty() { String::new() } else { format!("{section}: ") };
    Problem::error(place.clone(), format!("{message}unknown {what} `{wrong}`")).hint(hint)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::problem::SourceFile;
    use super::*;

    fn file(layers: &mut Layers, text: &str) {
        let file = Arc::new(SourceFile::new("paperpost.toml", text));
        layers.file(Some(&node::parse(&file).expect("valid TOML")));
    }

    #[test]
    fn each_layer_covers_the_ones_below_and_the_winner_knows_its_place() {
        let mut layers = Layers::default();
        file(&mut layers, "[log]\nlevel = \"warn\"\n[digest]\nmax_papers = 5\nwindow_days = 7\n");
        let environment = [("PAPERPOST__LOG__LEVEL", "debug"), ("PAPERPOST__DIGEST__MAX_PAPERS", "6"), ("HOME", "/")];
        layers.environment(environment.into_iter());
        layers.overrides(&[("log.level".into(), "error".into())]);
        let Merged { found, problems, .. } = layers.merge();
        assert!(problems.is_empty(), "{problems:?}");
        let place = |key: &str| found[key].place.to_string();
        assert_eq!(place("log.level"), "override log.level");
        assert_eq!(place("digest.max_papers"), "environment variable PAPERPOST__DIGEST__MAX_PAPERS");
        assert_eq!(place("digest.window_days"), "paperpost.toml:5:15");
        assert_eq!(place("log.format"), "default");
    }

    #[test]
    fn both_default_sources_are_there_until_the_file_names_one() {
        let enabled = |text: &str, variable: &str| {
            let mut layers = Layers::default();
            file(&mut layers, text);
            layers.environment([(variable, "true")].into_iter());
            let Merged { found, problems, .. } = layers.merge();
            assert!(problems.is_empty(), "{problems:?}");
            let enabled = found.iter().filter_map(|(key, node)| {
                let source = key.strip_prefix("sources.")?.strip_suffix(".enabled")?;
                Some(format!("{source} {}", node.boolean().expect("a boolean")))
            });
            let mut enabled: Vec<_> = enabled.collect();
            enabled.sort();
            enabled
        };
        assert_eq!(enabled("", ""), ["huggingface true", "huggingface-trending false"]);
        let variable = "PAPERPOST__SOURCES__HUGGINGFACE_TRENDING__ENABLED";
        assert_eq!(enabled("", variable), ["huggingface true", "huggingface-trending true"]);
        assert_eq!(enabled("[sources.mirror]\ndays = 1", ""), ["mirror true"]);
    }

    #[test]
    fn unknown_keys_are_reported_from_every_layer() {
        let mut layers = Layers::default();
        file(&mut layers, "[smtp]\nprot = 25\n[stmp]\n[sources.a]\nday = 1\n[sources.A]\n[mail.from]\nx = 1\n");
        layers.environment([("PAPERPOST__SMTP__PASWORD", "x"), ("PAPERPOST__SMTP", "x")].into_iter());
        layers.overrides(&[("log.colour".into(), "x".into())]);
        let problems: Vec<_> = layers.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "paperpost.toml:2:1: smtp: unknown key `prot`\nhint: did you mean `port`?",
                "paperpost.toml:3:2: unknown section `stmp`\nhint: did you mean `smtp`?",
                "paperpost.toml:5:1: sources.a: unknown key `day`\nhint: did you mean `days`?",
                "paperpost.toml:6:10: sources.A: expected a name of lower-case letters, digits and hyphens",
                "environment variable PAPERPOST__SMTP__PASWORD: smtp: unknown key `pasword`\nhint: did you mean \
                 `password`?",
                "environment variable PAPERPOST__SMTP: smtp: is a section, not a key",
                "override log.colour: log: unknown key `colour`\nhint: known here: format, level",
            ]
        );
    }
}
