//! Keyword expressions and schedules that are wrong, as the configuration reports them.

use std::fs;

use paperpost::config;
use paperpost::core::lint::Holdings;

/// What a check says of one subscription with these lines, without the folder's name.
fn check(lines: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("paperpost.toml");
    fs::write(&path, "").expect("a file");
    let text = format!("[[subscription]]\nemail = \"ada@example.org\"\n{lines}\n");
    fs::write(folder.path().join("subscriptions.toml"), text).expect("a file");
    let report = config::check(Some(&path), &[], std::iter::empty(), |_| Holdings::default());
    let folder = format!("{}/", folder.path().display());
    let problems = report.problems.iter().map(|problem| problem.to_string().replace(&folder, ""));
    problems.map(|problem| problem.lines().next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_fault_in_an_expression_is_reported_at_its_own_column() {
    let lines = r#"keywords = [
  "(retrieval AND rag",
  { query = "rag AND", weight = 2 },
  "\"large model\" AND (\u0072ag",
]
exclude = ['survey)']
must = ["""
rag OR
"""]"#;
    let problems = check(lines);
    let columns: Vec<_> = problems.iter().map(|problem| problem.split(": ").next().unwrap_or_default()).collect();
    assert!(problems.iter().all(|problem| problem.contains(": query: ")), "{problems:#?}");
    assert_eq!(
        columns,
        [
            "subscriptions.toml:4:4",
            "subscriptions.toml:5:21",
            "subscriptions.toml:6:24",
            "subscriptions.toml:8:19",
            "subscriptions.toml:10:7"
        ],
        "{problems:#?}"
    );
}

#[test]
fn a_schedule_that_can_never_be_due_is_an_error() {
    for schedule in ["99 * * * *", "daily at 25:00", "sometimes"] {
        let problems = check(&format!("keywords = [\"rag\"]\nschedule = \"{schedule}\""));
        assert_eq!(problems.len(), 1, "{schedule}: {problems:?}");
        assert!(problems[0].starts_with("subscriptions.toml:4:12: schedule: "), "{problems:?}");
    }
}
