//! The table of log lines in `docs/operations.md` has every line that the program writes.

use std::path::{Path, PathBuf};

/// The files below `folder` that are part of the program.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

/// The messages of the lines of this level: the last text within each macro's brackets.
fn messages(source: &str, level: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let opening = format!("tracing::{level}!(");
    source.split(&opening).skip(1).filter_map(last_text).collect()
}

/// The last text in quotes before the bracket that closes.
fn last_text(call: &str) -> Option<String> {
    let (mut depth, mut texts, mut text) = (1, Vec::new(), None::<String>);
    let mut characters = call.chars();
    while let Some(c) = characters.next() {
        match (&mut text, c) {
            (Some(_), '"') => texts.extend(text.take()),
            (Some(inside), '\\') => inside.extend(characters.next()),
            (Some(inside), _) => inside.push(c),
            (None, '"') => text = Some(String::new()),
            (None, '(' | '{') => depth += 1,
            (None, ')' | '}') => depth -= 1,
            (None, _) => {}
        }
        if depth == 0 {
            break;
        }
    }
    texts.pop()
}

#[test]
fn the_table_of_the_log_has_every_line_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("docs/operations.md")).expect("the manual");
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    let (mut count, mut missing) = (0, Vec::new());
    for path in files.iter().filter(|path| !path.starts_with(root.join("src/cli/demo"))) {
        let source = std::fs::read_to_string(path).expect("a source");
        for level in ["error", "warn", "info"] {
            // What is told in the words of a problem is in the list of problems.
            for message in messages(&source, level).into_iter().filter(|message| !message.starts_with('{')) {
                let beginning = message.split([':', ';', '(']).next().unwrap_or_default().trim();
                count += 1;
                if !table.contains(&format!("`{beginning}")) {
                    missing.push(format!("{}: {level} {beginning:?}", path.display()));
                }
            }
        }
    }
    assert!(count > 40, "{count} lines");
    assert!(missing.is_empty(), "docs/operations.md lacks {missing:#?}");
}

#[test]
fn the_message_of_a_line_is_its_last_text() {
    let source = "tracing::warn!(error = f(\"x\"), \"it \\\"failed\\\": tried again\"); tracing::warn!(a, \"b\");";
    assert_eq!(messages(source, "warn"), ["it \"failed\": tried again", "b"]);
    assert!(messages(source, "info").is_empty());
}
