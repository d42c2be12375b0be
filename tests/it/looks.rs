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

/// A declaration, or a query by `@media`, and the element that has it; none when it is in the sheet.
struct Style<'a> {
    element: Option<&'a str>,
    property: &'a str,
    value: &'a str,
}

impl<'a> Style<'a> {
    /// Those of an attribute or of a rule.
    fn all(element: Option<&'a str>, text: &'a str) -> impl Iterator<Item = Self> {
        let pairs = text.split(';').filter_map(|declaration| declaration.split_once(':'));
        pairs.map(move |(property, value)| Self { element, property: property.trim(), value: value.trim() })
    }

    /// All that a page has.
    fn of(page: &'a Html) -> Vec<Self> {
        let selected = |selector| {
            let selector = Selector::parse(selector).expect("a selector");
            page.select(&selector).collect::<Vec<_>>()
        };
        let mut styles = Vec::new();
        for element in selected("[style]") {
            styles.extend(Self::all(Some(element.value().name()), element.attr("style").unwrap_or_default()));
        }
        for text in selected("style").iter().flat_map(|sheet| sheet.text()) {
            // What is before a brace that closes, back to the one that opened.
            let rules = text.split('}').filter_map(|rule| rule.rsplit_once('{'));
            styles.extend(rules.flat_map(|(_, declarations)| Self::all(None, declarations)));
            let queries = text.split("@media").skip(1).filter_map(|query| query.split_once('{'));
            styles.extend(queries.map(|(value, _)| Self { element: None, property: "@media", value }));
        }
        styles
    }

    fn has_units(&self, units: &[&str]) -> bool {
        units.iter().any(|unit| self.value.split([' ', '!']).any(|size| size.ends_with(unit)))
    }
}

/// Who lacks what, or has it in part in a way that is not known to do no harm to this mail.
async fn complaints(html: &str) -> Vec<String> {
    let found: BTreeMap<String, Support> = asked("check.mjs", None, html).await;
    let page = Html::parse_document(html);
    let styles = Style::of(&page);
    let is_there = |selector| page.select(&Selector::parse(selector).expect("a selector")).next().is_some();
    let mut complaints = Vec::new();
    for (program, Support { lacking, partial }) in found {
        let is_accepted =
            |lack: &String| LACKING.iter().any(|(name, known)| program.starts_with(name) && known == lack);
        complaints
            .extend(lacking.iter().filter(|lack| !is_accepted(lack)).map(|lack| format!("{program} has no {lack}")));
        for part in partial {
            let element = PARTIAL_ELEMENTS.iter().find(|(known, _)| *known == part).map(|(_, at)| is_there(at));
            let style = PARTIAL_STYLES.iter().find(|(known, _)| *known == part).map(|(_, at)| styles.iter().any(at));
            if element.or(style) != Some(false) {
                complaints.push(format!("{program} has {part} in part"));
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

/// What some programs can do in part, and where a mail comes to the other part.
const PARTIAL_ELEMENTS: [(&str, &str); 6] = [
    ("<style> element", "body style"),
    // A `div` in its place has no ground; the table right inside has.
    ("<body> element", "body > table, body > p"),
    ("display:none", "[style*='display:none'] table, img"),
    ("dir attribute", "a[dir]"),
    ("align attribute", "table[align]"),
    ("width attribute", "img"),
];

/// Whether a style is of the part that a program can't do.
type Harm = fn(&Style) -> bool;

/// Of styles likewise. That of the hidden line, which has no room, is hidden by mso-hide where it isn't by these.
const PARTIAL_STYLES: [(&str, Harm); 13] = [
    // Where queries are dropped, a mail is light and its margins wide.
    ("@media", |it| it.property == "@media" && it.value.contains("height")),
    ("margin", |it| it.property.starts_with("margin") && (it.value.contains(['-', 'a']) || it.element == Some("span"))),
    ("padding", |it| it.property.starts_with("padding") && it.value != "0" && !matches!(it.element, Some("td") | None)),
    ("background", |it| it.property.starts_with("background") && !it.value.starts_with('#')),
    ("display", |it| it.property == "display" && it.value != "none"),
    ("overflow", |it| it.property.starts_with("overflow") && it.value != "hidden"),
    ("width property", |it| it.property == "width" && it.element != Some("table")),
    // On a telephone that doesn't know it for tables there is no more room than that.
    ("max-width", |it| it.property == "max-width" && it.element != Some("table")),
    ("height property", |it| it.property == "height"),
    ("text-decoration", |it| it.property.starts_with("text-decoration") && it.value != "none"),
    ("font-size", |it| it.property.starts_with("font") && it.has_units(&["em", "%"])),
    ("line-height", |it| it.property == "line-height" && it.has_units(&["em", "px"])),
    ("font-weight", |it| it.property == "font-weight" && it.value != "bold"),
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
    let sheet = "<head><style>.a{margin:-4px} @media (min-height:9px){.a{color:red}}</style></head>";
    let found =
        complaints(&format!("{sheet}<p style=\"padding:9px\">x</p><div style=\"object-fit:cover\">x</div>")).await;
    for expected in [
        "outlook.windows has padding in part",
        "gmail.ios has margin in part",
        "gmail.ios has @media in part",
        "gmail.ios has object-fit in part",
    ] {
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
