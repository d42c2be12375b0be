//! The rules of the house that no compiler checks: who may name whom, what the core may name, how a file begins, and that
//! the documents speak of what is there.
//!
//! Each rule is a function from file contents to complaints. So every rule has a test that plants what it forbids: a
//! rule that can't complain is no rule. The one test at the end lets them all loose on the real files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The modules of `src/`, lowest first. A module may name those on lower layers, and itself; never one beside it.
/// Lower than all is the crate `templates`, which `templates_depend_on_maud_alone` keeps there.
const LAYERS: [&[&str]; 11] = [
    &["core"],
    &["clock", "metrics", "telemetry", "threads", "zones"],
    &["source"],
    &["config"],
    &["store", "mail"],
    &["compose"],
    &["jobs"],
    &["explain", "web"],
    &["app"],
    &["daemon"],
    &["cli"],
];

/// Modules on different layers that don't know each other all the same.
const STRANGERS: [(&str, &str); 2] = [("store", "source"), ("mail", "source")];

/// What the core and the templates must not name: I/O, clocks, randomness and tasks come in by argument or not at all.
const IMPURE: [&[&str]; 15] = [
    &["tokio"],
    &["reqwest"],
    &["rusqlite"],
    &["rand"],
    &["fastrand"],
    &["SystemTime"],
    &["std", "fs"],
    &["std", "io"],
    &["std", "net"],
    &["std", "env"],
    &["std", "process"],
    &["std", "thread"],
    &["Instant", "now"],
    &["Utc", "now"],
    &["Local", "now"],
];

/// Lines of a file, at most: one idea has room in fewer. A file of tests is a list, and may be longer.
const MAX_LINES: usize = 600;
const MAX_LINES_OF_TESTS: usize = 800;

/// What marks SQL that only SQLite speaks.
const SQLITE_ONLY: [&str; 14] = [
    "PRAGMA",
    "pragma_",
    "VACUUM",
    "INSERT OR ",
    "INDEXED BY",
    "NOT INDEXED",
    "json_each",
    "json_tree",
    "json_extract",
    "json_valid",
    "unixepoch",
    "strftime",
    "randomblob",
    "sqlite_s",
];

/// The files of the store that are about SQLite. Migrations are its own too.
const ABOUT_SQLITE: [&str; 3] = ["src/store/sqlite.rs", "src/store/space.rs", "src/store/content.rs"];

/// The only file with code that the compiler can't vouch for.
const UNSAFE: &str = "src/core/matching/simd.rs";

/// A file of the repository: its path from the root, with slashes, and what is in it.
struct File {
    path: String,
    text: String,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The modules that lead to the file: `src/store/outbox.rs` is `store`, `outbox`.
    fn modules(&self) -> Vec<&str> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        path.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main")).collect()
    }
}

/// Modules of `src/` that are named from where they must not be, and modules that have no layer.
fn upward_references(file: &File) -> Vec<String> {
    let layer = |module: &str| LAYERS.iter().position(|modules| modules.contains(&module));
    let modules = file.modules();
    let Some(&own) = modules.first() else { return Vec::new() };
    let Some(own_layer) = layer(own) else { return vec![format!("{}: `{own}` has no place in LAYERS", file.path)] };
    let mut complaints = Vec::new();
    for path in paths(&file.text) {
        let Some(named) = path.absolute(&modules) else { continue };
        let wrong = match named.first().map(|module| (module.as_str(), layer(module))) {
            // What the root itself holds is nothing but the modules.
            None | Some((_, None)) => Some("is no module of the library".to_owned()),
            Some((module, Some(layer))) if module != own && layer >= own_layer => Some(format!("is not below `{own}`")),
            Some((module, _)) if STRANGERS.contains(&(own, module)) => {
                Some(format!("is none of the business of `{own}`"))
            }
            Some(_) => None,
        };
        complaints
            .extend(wrong.map(|wrong| format!("{}:{}: `{}` {wrong}", file.path, path.line, path.segments.join("::"))));
    }
    complaints
}

/// Modules beside each other, in this folder or below, that name each other, be it by way of others. Tests may.
fn circles(files: &[File], folder: &str) -> Vec<String> {
    let is_in = |path: &str| path.starts_with(folder) && !path.contains("tests");
    let modules: BTreeSet<String> = files.iter().map(|file| file.modules().join("::")).collect();
    let mut named: BTreeSet<(String, String)> = BTreeSet::new();
    for file in files.iter().filter(|file| is_in(&file.path)) {
        let own = file.modules();
        let of_code = paths(&file.text).into_iter().filter(|path| path.depth == 0);
        for path in of_code.filter_map(|path| path.absolute(&own)) {
            let shared = own.iter().zip(&path).take_while(|(own, named)| *own == named).count();
            if own.len() > shared && path.len() > shared {
                named.insert((own[..=shared].join("::"), path[..=shared].join("::")));
            }
        }
    }
    named.retain(|(from, to)| modules.contains(from) && modules.contains(to));
    // Each pair and what its second names makes another pair.
    loop {
        let further = |(from, by): &(String, String)| {
            let of = named.iter().filter(move |(from, _)| from == by);
            of.map(|(_, to)| (from.clone(), to.clone())).collect::<Vec<_>>()
        };
        let more: Vec<_> = named.iter().flat_map(further).filter(|pair| !named.contains(pair)).collect();
        if more.is_empty() {
            break;
        }
        named.extend(more);
    }
    let both = named.iter().filter(|(from, to)| from < to && named.contains(&(to.clone(), from.clone())));
    both.map(|(from, to)| format!("`{from}` and `{to}` name each other")).collect()
}

/// Names in the file that bring the world into pure code.
fn impurities(file: &File) -> Vec<String> {
    let names = |path: &Named| {
        let has = |words: &&&[&str]| path.segments.windows(words.len()).any(|some| some == **words);
        let found = IMPURE.iter().find(has)?;
        Some(format!("{}:{}: pure code names `{}`", file.path, path.line, found.join("::")))
    };
    paths(&file.text).iter().filter_map(names).collect()
}

/// What every file keeps to: it begins with what it is, it is short, and nothing in it is switched off.
fn habits(file: &File) -> Vec<String> {
    let (opening, kind) = if file.path.ends_with(".sql") { ("-- ", "comment") } else { ("//! ", "`//!` comment") };
    let mut complaints = Vec::new();
    if !file.text.starts_with(opening) {
        complaints.push(format!("{}:1: must begin with a {kind} that says what it is", file.path));
    }
    let lines = file.text.lines().count();
    let most = if file.path.starts_with("tests/") { MAX_LINES_OF_TESTS } else { MAX_LINES };
    if lines > most {
        complaints.push(format!("{}: {lines} lines are more than {most}: it holds more than one idea", file.path));
    }
    for (number, line) in (1..).zip(code(&file.text).lines()) {
        let line: String = line.split_whitespace().collect();
        for (sign, instead) in [
            ("[allow(", "use #[expect(lint, reason = \"…\")]"),
            ("[ignore", "a test runs or isn't there"),
            ("todo!(", "write it or leave it out"),
            ("expect(unsafe_code", "has one place, which is safe to see"),
        ] {
            if line.contains(sign) && (sign, file.path.as_str()) != ("expect(unsafe_code", UNSAFE) {
                complaints.push(format!("{}:{number}: `{}`: {instead}", file.path, sign.trim_start_matches('[')));
            }
        }
    }
    complaints
}

/// Migrations that are out of order, or that the store doesn't run in this order.
fn migrations(names: &[&str], store: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, name) in (1..).zip(names) {
        let rest = name.strip_prefix(&format!("{number:04}_")).and_then(|rest| rest.strip_suffix(".sql"));
        if !rest.is_some_and(|words| words.chars().all(|c| c.is_ascii_lowercase() || c == '_')) {
            complaints.push(format!("{name}: expected a name like {number:04}_what_it_does.sql"));
        }
    }
    let run: Vec<&str> = store.text.split("migrations/").skip(1).filter_map(|s| s.split('"').next()).collect();
    if run != names {
        complaints.push(format!("{}: runs {run:?}, but the folder has {names:?}", store.path));
    }
    complaints
}

/// SQL that only SQLite speaks, where it need not be.
fn sqlite_only(file: &File) -> Vec<String> {
    let code = file.text.split("#[cfg(test)]").next().unwrap_or_default();
    let found = SQLITE_ONLY.iter().filter(|word| code.contains(**word));
    found.map(|word| format!("{}: `{word}` is SQLite's own and belongs in src/store/sqlite.rs", file.path)).collect()
}

/// Sleeps in tests without a word on why no event and no paused clock will do.
fn unexplained_sleeps(file: &File) -> Vec<String> {
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    let is_unexplained = |(number, line): &(usize, &&str)| {
        line.contains("sleep(")
            && !number.checked_sub(1).is_some_and(|above| lines[above].starts_with("// A real wait: "))
    };
    let unexplained = lines.iter().enumerate().filter(is_unexplained);
    unexplained.map(|(number, _)| format!("{}:{}: sleeps and does not say why", file.path, number + 1)).collect()
}

/// Dependencies of the templates besides `maud`; those of its tests don't count.
fn foreign_to_templates(manifest: &str) -> Vec<String> {
    let mut section = "";
    let mut complaints = Vec::new();
    for line in manifest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if section.ends_with("dependencies") && section != "dev-dependencies" && !line.starts_with("maud") {
            complaints.push(format!("templates/Cargo.toml: [{section}] has `{line}`"));
        }
    }
    complaints
}

/// Files that the code map lacks, and files that it has and that aren't there. In the map a heading ``### `src/store/` ``
/// names a folder, and each row below it begins with a file in it.
fn unmapped(map: &str, files: &BTreeSet<String>) -> Vec<String> {
    let mut folder = String::new();
    let mut mapped = BTreeSet::new();
    for line in map.lines() {
        if line.starts_with('#') {
            folder = code_spans(line).next().unwrap_or_default().to_owned();
        } else if line.starts_with("| `") && folder.ends_with('/') {
            mapped.extend(code_spans(line).take(1).map(|name| format!("{folder}{name}")));
        }
    }
    let absent = mapped.difference(files).map(|path| format!("docs/architecture.md: there is no {path}"));
    let missing = files.difference(&mapped).map(|path| format!("docs/architecture.md: {path} has no line in the map"));
    absent.chain(missing).collect()
}

/// Tests that a document names and that aren't there: words of at least four parts, `like_this_one_here`.
fn unknown_tests(document: &File, sources: &[File]) -> Vec<String> {
    let is_test = |name: &&str| {
        name.matches('_').count() >= 3 && name.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
    };
    let is_there = |name: &str| sources.iter().any(|file| file.text.contains(&format!("fn {name}(")));
    let named: BTreeSet<&str> = document.text.lines().flat_map(code_spans).filter(is_test).collect();
    named
        .into_iter()
        .filter(|name| !is_there(name))
        .map(|name| format!("{}: there is no test {name}", document.path))
        .collect()
}

/// Links from a document to files that aren't there; `is_there` is asked for paths from the root.
fn dead_links(document: &File, is_there: impl Fn(&Path) -> bool) -> Vec<String> {
    let folder = Path::new(&document.path).parent().unwrap_or(Path::new(""));
    let links = document.text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let local = links.filter(|link| !link.is_empty() && !link.contains(':'));
    let dead = local.filter(|link| !is_there(&folder.join(link)));
    dead.map(|link| format!("{}: there is no {link} to link to", document.path)).collect()
}

/// The texts between backticks in a line.
fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// A path in the code, such as `crate::store::Store` or `Utc::now`.
#[derive(Debug, PartialEq)]
struct Named {
    line: usize,
    /// How many modules written out in the file it is in, such as `mod tests { … }`.
    depth: usize,
    segments: Vec<String>,
}

impl Named {
    /// The path from the crate's root, when it leads through the crate; `modules` is where its file stands.
    fn absolute(&self, modules: &[&str]) -> Option<Vec<String>> {
        if self.segments.len() == 1 {
            // The `crate` of `pub(crate)` leads nowhere.
            return None;
        }
        let ups = self.segments.iter().take_while(|segment| *segment == "super").count();
        match self.segments.first()?.as_str() {
            "crate" | "paperpost" => Some(self.segments[1..].to_vec()),
            "super" => {
                let here = modules.iter().map(|module| (*module).to_owned());
                let inner = std::iter::repeat_n("(inner)".to_owned(), self.depth);
                let mut path: Vec<String> = here.chain(inner).collect();
                path.truncate(path.len().saturating_sub(ups));
                path.extend(self.segments[ups..].iter().cloned());
                Some(path)
            }
            _ => None,
        }
    }
}

/// Every path in a Rust text, trees in braces taken apart; words that are alone too.
fn paths(text: &str) -> Vec<Named> {
    let code = code(text);
    let tokens = tokens(&code);
    let word = |index: usize| tokens.get(index).map_or("", |(_, word)| *word);
    let (mut found, mut braces, mut inner) = (Vec::new(), 0usize, Vec::new());
    let mut index = 0;
    while index < tokens.len() {
        match word(index) {
            "{" => braces += 1,
            "}" => {
                braces = braces.saturating_sub(1);
                inner.retain(|depth| *depth < braces + 1);
            }
            "mod" if word(index + 2) == "{" => inner.push(braces + 1),
            first if is_name(first) => {
                index = tree(&tokens, index, &[], inner.len(), &mut found);
                continue;
            }
            _ => {}
        }
        index += 1;
    }
    found
}

/// Reads the path that begins at `index`, or the branches of one; returns where it ends.
fn tree(tokens: &[(usize, &str)], mut index: usize, stem: &[String], depth: usize, found: &mut Vec<Named>) -> usize {
    let line = tokens[index].0;
    let word = |index: usize| tokens.get(index).map_or("", |(_, word)| *word);
    let mut segments = stem.to_vec();
    while is_name(word(index)) || word(index) == "*" {
        segments.push(word(index).to_owned());
        index += 1;
        if word(index) != "::" {
            break;
        }
        index += 1;
        if word(index) == "{" {
            index += 1;
            while !matches!(word(index), "}" | "") {
                index = match word(index) {
                    // A new name says nothing about where it comes from.
                    "as" => index + 2,
                    _ => tree(tokens, index, &segments, depth, found).max(index + 1),
                };
            }
            return index + 1;
        }
    }
    if segments.len() > stem.len() {
        found.push(Named { line, depth, segments });
    }
    index
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_') && word != "mod"
}

/// Names, `::`, and single signs, each with its line.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    for (number, line) in (1..).zip(code.lines()) {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                _ if rest.starts_with("::") => 2,
                c if c.is_alphanumeric() || c == '_' => {
                    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
                }
                c => c.len_utf8(),
            };
            tokens.push((number, &rest[..length]));
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// The text with comments and the insides of texts taken out; lines stay lines.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            'r' | '"' => literal(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.extend(rest[..length].chars().filter(|c| *c == '\n'));
            out.push(' ');
            rest = &rest[length..];
        }
    }
    out
}

/// How long the text literal at the start is; 0 when there is none.
fn literal(rest: &str) -> usize {
    if let Some(raw) = rest.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let closing = format!("\"{}", &raw[..hashes]);
        let Some(inside) = raw[hashes..].strip_prefix('"') else { return 0 };
        return 1 + hashes + 1 + inside.find(&closing).map_or(inside.len(), |end| end + closing.len());
    }
    let mut is_escaped = false;
    for (index, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !is_escaped => return index + 1,
            _ => is_escaped = c == '\\' && !is_escaped,
        }
    }
    rest.len()
}

/// How long the character literal at the start is; 0 for a lifetime.
fn character(rest: &str) -> usize {
    let inside = &rest[1..];
    let second = inside.chars().next().map_or(0, char::len_utf8);
    match inside.strip_prefix('\\') {
        Some(escaped) => escaped.get(1..).and_then(|rest| rest.find('\'')).map_or(0, |end| end + 4),
        None if inside.get(second..).is_some_and(|rest| rest.starts_with('\'')) => second + 2,
        None => 0,
    }
}

/// The files below a folder of the repository whose names end so, by path.
fn read(folder: &str, endings: &[&str]) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut files, mut folders) = (Vec::new(), vec![root.join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| path.extension().is_some_and(|e| e == *ending)) {
                let name = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
                files.push(File { path: name, text: fs::read_to_string(&path).expect("text") });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn modules_reach_down_and_never_up() {
    none(read("src", &["rs"]).iter().flat_map(upward_references).collect());
}

#[test]
fn modules_beside_each_other_make_no_circle() {
    let files = read("src", &["rs"]);
    // Prose holds formulas, and formulas hold prose.
    let is_natural = |said: &String| said.contains("`core::display::math` and `core::display::prose`");
    none(circles(&files, "src/").into_iter().filter(|said| !is_natural(said)).collect());
}

#[test]
fn the_core_and_the_templates_are_pure() {
    none(read("src/core", &["rs"]).iter().chain(&read("templates", &["rs"])).flat_map(impurities).collect());
}

#[test]
fn a_test_that_sleeps_says_why() {
    none(read("tests/it", &["rs"]).iter().flat_map(unexplained_sleeps).collect());
}

#[test]
fn templates_depend_on_maud_alone() {
    none(foreign_to_templates(&read("templates", &["toml"])[0].text));
}

#[test]
fn every_file_keeps_the_habits() {
    let folders = ["src", "templates", "tests", "benches"];
    none(folders.iter().flat_map(|folder| read(folder, &["rs", "sql"])).flat_map(|file| habits(&file)).collect());
}

/// A kind of source is one folder; nothing else names it but the demo, which is a site of that kind.
#[test]
fn only_its_own_folder_and_the_demo_name_a_kind_of_source() {
    let is_elsewhere = |file: &File| !file.path.starts_with("src/source/") && !file.path.starts_with("src/cli/demo/");
    let code = |file: File| file.text.split("#[cfg(test)]").next().unwrap_or_default().to_lowercase();
    let files: Vec<_> = read("src", &["rs"]).into_iter().filter(is_elsewhere).collect();
    assert!(files.len() > 100, "they were looked at");
    let named = files.into_iter().map(|file| (file.path.clone(), code(file)));
    let named = named.filter(|(path, code)| !path.contains("tests") && code.contains("hugging"));
    none(named.map(|(path, _)| format!("{path} names a kind of source")).collect());
}

#[test]
fn what_only_sqlite_understands_is_in_one_place() {
    let files = read("src", &["rs"]).into_iter().filter(|file| !ABOUT_SQLITE.contains(&&file.path[..]));
    none(files.flat_map(|file| sqlite_only(&file)).collect());
}

#[test]
fn sql_that_only_sqlite_speaks_is_reported() {
    let file = |text: &str| sqlite_only(&File::new("src/store/votes.rs", text)).len();
    assert_eq!(file("SELECT 1 FROM votes ON CONFLICT DO NOTHING"), 0);
    assert_eq!(file("INSERT OR REPLACE INTO votes VALUES (unixepoch())"), 2);
    assert_eq!(file("fn f() {}\n#[cfg(test)]\nmod tests { const A: &str = \"PRAGMA x\"; }"), 0);
}

#[test]
fn migrations_run_in_the_order_of_their_numbers() {
    let files = read("src/store/migrations", &["sql"]);
    let names: Vec<&str> = files.iter().filter_map(|file| file.path.rsplit('/').next()).collect();
    for (folder, path) in [("src/store", "src/store/sqlite.rs"), ("tests/it", "tests/it/database.rs")] {
        let runner = read(folder, &["rs"]).into_iter().find(|file| file.path == path);
        none(migrations(&names, &runner.expect("what runs them")));
    }
}

#[test]
fn the_documents_speak_of_what_is_there() {
    let documents = read("docs", &["md"]);
    let map = documents.iter().find(|file| file.path == "docs/architecture.md").expect("the map");
    let mapped = read("src", &["rs", "sql"]).into_iter().chain(read("templates", &["rs"]));
    none(unmapped(&map.text, &mapped.map(|file| file.path).collect()));
    let sources: Vec<File> = ["src", "templates", "tests"].iter().flat_map(|folder| read(folder, &["rs"])).collect();
    none(documents.iter().flat_map(|document| unknown_tests(document, &sources)).collect());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let front =
        ["README.md", "CHANGELOG.md"].map(|name| File::new(name, &fs::read_to_string(root.join(name)).expect("text")));
    none(
        documents
            .iter()
            .chain(&front)
            .flat_map(|document| dead_links(document, |path| root.join(path).exists()))
            .collect(),
    );
}

#[test]
fn an_import_from_above_or_beside_is_reported() {
    let in_source = |text: &str| upward_references(&File::new("src/source/fetch.rs", text));
    assert_eq!(
        in_source("use crate::jobs::{deliver, publish};"),
        [
            "src/source/fetch.rs:1: `crate::jobs::deliver` is not below `source`",
            "src/source/fetch.rs:1: `crate::jobs::publish` is not below `source`",
        ]
    );
    let strangers = upward_references(&File::new("src/store/ingest.rs", "use crate::source::Source;"));
    assert_eq!(strangers, ["src/store/ingest.rs:1: `crate::source::Source` is none of the business of `store`"]);
    for text in [
        "\n\nuse crate::{\n    core::paper::{self, Paper},\n    store::Store,\n};",
        "fn f() { let _ = crate::mail::mime::compose; }",
        "use super::super::cli as below;",
        "use crate::{daemon as d};",
        "mod tests { use super::super::super::web::Page; }",
        "pub(in crate::jobs) fn f() {}",
        "use crate::Store;",
    ] {
        assert_eq!(in_source(text).len(), 1, "{text}: {:?}", in_source(text));
    }
    for text in [
        "use crate::core::paper::Paper; use crate::clock::Clock; use super::wait; use templates::Href;",
        "mod tests { use super::*; use super::super::SourceError; }",
        "// use crate::jobs::run;\n/// [`crate::jobs`]\npub(crate) const TEXT: &str = \"crate::jobs::run\";",
        "const QUOTE: char = '\"'; // crate::jobs\nconst RAW: &str = r#\"crate::\"jobs\"#;",
    ] {
        assert_eq!(in_source(text), [""; 0], "{text}");
    }
    let elsewhere = upward_references(&File::new("src/queue/mod.rs", ""));
    assert_eq!(elsewhere, ["src/queue/mod.rs: `queue` has no place in LAYERS"]);
}

#[test]
fn a_circle_of_modules_is_reported() {
    let of = |a: &str, b: &str, c: &str| {
        let files = [("src/mail/a.rs", a), ("src/mail/b/c.rs", b), ("src/mail/b.rs", ""), ("src/mail/d.rs", c)];
        circles(&files.map(|(path, text)| File::new(path, text)), "src/mail/")
    };
    assert_eq!(of("use super::b::B;", "use super::super::d::D;", "use crate::store::a;"), [""; 0]);
    assert_eq!(of("use super::b::B;", "use super::super::a::A;", ""), ["`mail::a` and `mail::b` name each other"]);
    assert_eq!(of("use super::b::B;", "use super::super::d::D;", "use crate::mail::a::A;").len(), 3);
    let in_tests = "mod tests { use super::super::super::a::A; }";
    assert_eq!(of("use super::b::B;", in_tests, ""), [""; 0], "of tests nothing is asked");
}

#[test]
fn the_world_in_pure_code_is_reported() {
    let in_core = |text: &str| impurities(&File::new("src/core/trend.rs", text));
    assert_eq!(in_core("\nuse tokio::time::sleep;"), ["src/core/trend.rs:2: pure code names `tokio`"]);
    for text in [
        "use std::{collections::HashMap, fs};",
        "fn f() { std::env::var(\"HOME\"); }",
        "fn f() -> i64 { chrono::Utc::now().timestamp() }",
        "use std::time::{Duration, SystemTime};",
        "fn f() { let seed = fastrand::u64(..); }",
    ] {
        assert_eq!(in_core(text).len(), 1, "{text}: {:?}", in_core(text));
    }
    assert_eq!(in_core("//! No `tokio`.\nuse std::time::Duration; use chrono::{DateTime, Utc}; let now = 1;"), [""; 0]);
}

#[test]
fn what_is_switched_off_or_unexplained_is_reported() {
    let complaints = |text: &str| habits(&File::new("src/x.rs", text));
    assert_eq!(complaints("//! What it is.\nfn f() { \"todo!()\" }\n"), [""; 0]);
    assert_eq!(complaints("use std::fmt;").len(), 1);
    assert_eq!(complaints(&format!("//! Long.\n{}", "\n".repeat(MAX_LINES))).len(), 1);
    let off = "//! Off.\n#![allow(dead_code)]\n#[ allow (unused)]\n#[ignore = \"slow\"]\nfn f() { todo!() }";
    assert_eq!(complaints(off).len(), 4);
    let vouched = "//! Wide.\n#[expect(unsafe_code, reason = \"asked\")]\nfn f() {}";
    assert_eq!((habits(&File::new(UNSAFE, vouched)).len(), complaints(vouched).len()), (0, 1));
    assert_eq!(habits(&File::new("a.sql", "CREATE TABLE t (a);")).len(), 1);
}

#[test]
fn a_sleep_that_nobody_explains_is_reported() {
    let complaints = |text: &str| unexplained_sleeps(&File::new("tests/it/x.rs", text)).len();
    assert_eq!(complaints("// A real wait: slowness is the matter.\nsleep(pause).await;"), 0);
    assert_eq!(complaints("// Wait a little.\nsleep(pause).await;"), 1);
    assert_eq!(complaints("sleep(pause).await;"), 1);
}

#[test]
fn a_migration_out_of_order_is_reported() {
    let store = File::new(
        "mod.rs",
        "[include_str!(\"migrations/0001_start.sql\"), include_str!(\"migrations/0002_more.sql\")]",
    );
    assert_eq!(migrations(&["0001_start.sql", "0002_more.sql"], &store), [""; 0]);
    assert_eq!(migrations(&["0001_start.sql"], &store).len(), 1);
    assert_eq!(migrations(&["0001_start.sql", "0003_more.sql"], &store).len(), 2);
}

#[test]
fn a_template_that_could_reach_further_is_reported() {
    let manifest = "[dependencies]\n# Why.\nmaud.workspace = true\n[dev-dependencies]\nproptest.workspace = true\n";
    assert_eq!(foreign_to_templates(manifest), [""; 0]);
    assert_eq!(foreign_to_templates(&format!("{manifest}[build-dependencies]\ncc = \"1\"\n")).len(), 1);
    assert_eq!(foreign_to_templates(&manifest.replace("# Why.", "chrono = \"0.4\"")).len(), 1);
}

#[test]
fn a_document_that_lags_is_reported() {
    let files = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let map = "### `src/store/`\n| `outbox.rs` | `x.rs` is elsewhere |\n## Else\n| `a.rs` |\n";
    assert_eq!(unmapped(map, &files(&["src/store/outbox.rs"])), [""; 0]);
    assert_eq!(unmapped(map, &files(&["src/store/editions.rs"])).len(), 2);
    let document = File::new("docs/a.md", "tested by `a_test_that_is_there`, `a_test_that_is_gone`, not `some_word`");
    let sources = [File::new("tests/it/a.rs", "fn a_test_that_is_there() {}")];
    assert_eq!(unknown_tests(&document, &sources), ["docs/a.md: there is no test a_test_that_is_gone"]);
    let document =
        File::new("docs/a.md", "[b](b.md#part), [there](https://example.org), [here](#part), [gone](../gone.md)");
    let dead = dead_links(&document, |path| path == Path::new("docs/b.md"));
    assert_eq!(dead, ["docs/a.md: there is no ../gone.md to link to"]);
}
