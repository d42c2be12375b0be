//! Reports as programs write them, one by one: `tests/reports/FAMILY.RESULT.….eml`.
//!
//! Each is taken in by a database of its own, with a reader's own return path, Message-ID or link in the places that are
//! left for them, and once more with those of nobody. `hard` and `complaint` suppress; `soft` and `sender` are only noted;
//! `nothing` changes nothing; `unclear` and `unknown` are for a person. `PAPERPOST_CASES` names a folder with more.

use std::collections::BTreeMap;
use std::path::Path;

use crate::process::recorded;
use chrono::DateTime;
use paperpost::jobs::bounce::Outcome;
use paperpost::store::Taken;

use crate::bounces::{sent, take};
use crate::leaving::{ADA, header, return_path};

/// What a message came to, in a word.
async fn result(message: &str, is_proven: bool) -> &'static str {
    let world = sent().await;
    let mail = &world.mails(ADA)[0];
    let link = header(mail, "List-Unsubscribe").expect("a header").replace(['<', '>'], "");
    let (path, id, link) = match is_proven {
        true => (return_path(&world), mail.message_id.clone(), link),
        false => ("bounces+AAAA@example.org".into(), "1.00@example.org".into(), "https://example.org/u/AAAA".into()),
    };
    let message = message.replace("@RETURN_PATH@", &path).replace("@MESSAGE_ID@", &id);
    let message = message.replace("@LINK@", &link).replace("https://papers.example.org/u/@UNSUBSCRIBE_TOKEN@", &link);
    let outcome = take(&world, &message.replace("\r\n", "\n").replace('\n', "\r\n"));
    let noted = world.store.bounces(DateTime::UNIX_EPOCH).expect("a list");
    let suppressed = world.store.suppressions().expect("a list").len();
    match (outcome, noted.first().map(|status| status.class.as_str()), suppressed) {
        (Outcome::Report(Taken::Suppressed), Some("hard"), 1) => "hard",
        (Outcome::Report(Taken::Suppressed), Some("complaint"), 1) => "complaint",
        (Outcome::Report(Taken::Noted), Some("soft"), 0) => "soft",
        (Outcome::Report(Taken::Noted), Some("sender"), 0) => "sender",
        (Outcome::Report(Taken::Unproven), None, 0) => "unproven",
        (Outcome::Ignored, None, 0) => "nothing",
        (Outcome::Unclear, _, 0) => "unclear",
        (Outcome::Unknown, None, 0) => "unknown",
        other => panic!("{other:?}"),
    }
}

/// Takes in each message: a table of how many of each family were understood, and a list of those that were not.
async fn judge(folder: &Path, expected: impl Fn(&str) -> Option<(String, String)>) -> (String, Vec<String>) {
    let mut table = BTreeMap::<String, (usize, Vec<String>)>::new();
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("an entry").path()).collect();
    files.sort();
    for path in files {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let Some((family, expected)) = expected(&name) else { continue };
        let message = std::fs::read_to_string(&path).expect("a message");
        let (right, wrong) = table.entry(family).or_default();
        let (proven, forged) = (result(&message, true).await, result(&message, false).await);
        let has_changed = matches!(forged, "hard" | "soft" | "sender" | "complaint");
        match proven == expected && !has_changed {
            true => *right += 1,
            false => wrong.push(format!("{name}: {proven}, and {forged} when nothing is proven")),
        }
    }
    let line = |(family, (right, wrong)): (&String, &(usize, Vec<String>))| {
        format!("{family:<16} {right:>3} right {:>3} wrong\n", wrong.len())
    };
    (table.iter().map(line).collect(), table.into_values().flat_map(|(_, wrong)| wrong).collect())
}

#[tokio::test]
async fn reports_in_words_alone_mean_what_they_say_and_only_with_proof() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reports");
    let (table, wrong) = judge(&folder, |name| {
        let mut parts = name.split('.');
        Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
    })
    .await;
    println!("{table}");
    assert!(wrong.is_empty() && table.lines().count() > 20, "{wrong:#?}");
}

#[tokio::test]
async fn reports_that_were_misread_once_are_understood() {
    let Some(folder) = recorded("PAPERPOST_CASES") else { return };
    let (table, wrong) = judge(&folder.join("reports"), |name| {
        let expected = match name {
            _ if name.starts_with("text-only") || name.starts_with("dead-mailbox") => "hard",
            _ if name.starts_with("status-511") => "sender",
            "gmail-receiving-rate.eml" => "soft",
            "jmrp-complaint.eml" => "complaint",
            _ => return None,
        };
        Some((expected.to_owned(), expected.to_owned()))
    })
    .await;
    println!("{table}");
    assert!(wrong.is_empty() && !table.is_empty(), "{wrong:#?}");
}
