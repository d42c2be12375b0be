//! What mail programs and a browser make of a digest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use scraper::{Html, Selector};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::judges::{Post, judged};

/// What a script in `tests/clients/` prints about HTML.
async fn asked<T: DeserializeOwned>(script: &str, folder: Option<&Path>, html: &str) -> T {
    let mut node = Command::new("node");
    node.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script)).args(folder);
    let output = judged(node, html.as_bytes().to_vec()).await;
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn html_of(mail: &[u8]) -> String {
    let message = mail_parser::MessageParser::default().parse(mail).expect("a message");
    message.body_html(0).expect("HTML").into_owned()
}

/// What a mail program can't do of what a mail has.
#[derive(Deserialize)]
struct Support {
    lacking: Vec<String>,
    partial: Vec<String>,
}

/// Who lacks what, or has it in part in a way that is not known to do no harm to this mail.
async fn complaints(html: &str) -> Vec<String> {
    let found: BTreeMap<String, Support> = asked("check.mjs", None, html).await;
    let document = Html::parse_document(html);
    let is_there = |selector| document.select(&Selector::parse(selector).expect("a selector")).next().is_some();
    let mut complaints = Vec::new();
    for (program, Support { lacking, partial }) in found {
        let is_accepted =
            |lack: &String| LACKING.iter().any(|(name, known)| program.starts_with(name) && known == lack);
        complaints
            .extend(lacking.iter().filter(|lack| !is_accepted(lack)).map(|lack| format!("{program} has no {lack}")));
        for part in partial {
            match PARTIAL.iter().find(|(known, _)| *known == part) {
                None => complaints.push(format!("{program} has {part} in part")),
                Some((_, harmed)) if is_there(harmed) => {
                    complaints.push(format!("{program} has no {part} at {harmed}"))
                }
                Some(_) => {}
            }
        }
    }
    complaints
}

/// What some programs can't do and a digest has all the same, because it does no harm there.
const LACKING: [(&str, &str); 5] = [
    // Its window is wide, and its dark scheme is its own.
    ("outlook.windows", "@media"),
    // It belongs to the hidden line, which mso-hide hides there.
    ("outlook.windows", "overflow"),
    // Tables are read out as tables then, and the heading says what the label would.
    ("outlook.windows-mail", "role attribute"),
    ("outlook.windows-mail", "aria-label attribute"),
    // The table right inside has the same ground.
    ("outlook.macos", "<body> element"),
];

/// Finds nothing.
const NOWHERE: &str = ":not(*)";

/// What some programs can do in part, and where a digest would come to the other part.
const PARTIAL: [(&str, &str); 19] = [
    // Nothing asks for a window's height, and nothing is nested. Where it is dropped, a mail is light and its margins wide.
    ("@media", NOWHERE),
    ("<style> element", "body style"),
    // A `div` in its place has no ground; the table right inside has.
    ("<body> element", "body > table, body > p"),
    ("margin", "[style*='margin:-'], [style*=' auto'], span[style*='margin']"),
    ("padding", ":not(td):not(body)[style*='padding']"),
    ("background", "[style*='background:']:not([style*='background:#'])"),
    ("display", "[style*='display:']:not([style*='display:none'])"),
    ("display:none", "[style*='display:none'] table, img"),
    ("overflow", "[style*='overflow']:not([style*='display:none'])"),
    ("dir attribute", "a[dir]"),
    ("align attribute", "table[align]"),
    ("width attribute", "img"),
    ("width property", ":not(table)[style*='width:']"),
    // On a telephone that doesn't know it for tables there is no more room than that.
    ("max-width", ":not(table)[style*='max-width']"),
    // That of the hidden line.
    ("height property", "[style*=';height:']"),
    ("text-decoration", "[style*='text-decoration:']:not([style*='text-decoration:none'])"),
    ("font-size", "[style*='font-size:']:not([style*='px'])"),
    ("line-height", "[style*='line-height:'][style*='em;']"),
    ("font-weight", "[style*='font-weight:']:not([style*='font-weight:bold'])"),
];

#[tokio::test]
async fn no_mail_program_that_matters_lacks_what_a_digest_needs() {
    for mail in &Post::new().await.mails {
        // Gmail clips a mail near 102 KB.
        assert!(mail.len() < 100_000, "{} octets", mail.len());
        assert_eq!(complaints(&html_of(mail)).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_mail_that_programs_cannot_show_is_found() {
    let flexible = "<div style=\"display:flex\"><p style=\"position:fixed\">x</p></div>";
    let found = complaints(flexible).await;
    for expected in ["outlook.windows has no position", "gmail.desktop-webmail has no position"] {
        assert!(found.iter().any(|it| it.starts_with(expected)), "{expected}: {found:#?}");
    }
    let found = complaints("<p style=\"padding:9px;margin:-4px\">x</p><div style=\"object-fit:cover\">x</div>").await;
    for expected in
        ["outlook.windows has no padding at", "gmail.ios has no margin at", "gmail.ios has object-fit in part"]
    {
        assert!(found.iter().any(|it| it.starts_with(expected)), "{expected}: {found:#?}");
    }
}

/// What is wrong with a mail in each of four windows, whose pictures are left in a folder of the build's.
async fn seen(name: &str, html: &str) -> BTreeMap<String, Vec<String>> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("looks").join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    let found: BTreeMap<String, Vec<String>> = asked("look.mjs", Some(&folder), html).await;
    assert_eq!(found.len(), 4, "{found:?}");
    for window in found.keys() {
        let picture = std::fs::metadata(folder.join(window).with_extension("png")).expect("a picture");
        assert!(picture.len() > 1000, "{window}: {} octets", picture.len());
    }
    found
}

#[tokio::test]
async fn a_digest_is_good_to_look_at_narrow_and_wide_by_day_and_by_night() {
    for (mail, name) in Post::new().await.mails.iter().zip(["long", "single", "empty"]) {
        let found = seen(name, &html_of(mail)).await;
        assert!(found.values().all(Vec::is_empty), "{name}: {found:#?}");
    }
}

#[tokio::test]
async fn a_mail_that_is_bad_to_look_at_is_found() {
    let html = "<!DOCTYPE html><html lang=\"en\"><title>x</title><body style=\"background:#fff\"><h1>x</h1>\
                <p style=\"color:#bbb\">pale</p><table style=\"width:900px\"><tr><td>wide</td></tr></table>\
                <img src=\"http://example.org/seen.gif\"></body></html>";
    let found = seen("bad", html).await;
    for window in ["400-light", "400-dark", "800-light", "800-dark"] {
        let wrong = found[window].join("; ");
        for expected in ["asks for http://example.org/seen.gif", "pixels wider", "color-contrast: p", "image-alt: img"]
        {
            assert!(wrong.contains(expected), "{window}: {wrong}");
        }
        assert_eq!(wrong.contains("its ground is"), window.ends_with("dark"), "{window}: {wrong}");
    }
}
