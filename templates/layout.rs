//! The page around the content: document head, preheader, a sheet of 600 pixels on a calm ground, a foot below it.
//!
//! Tables with `role="presentation"` hold the layout, because the Word engine in classic Outlook lays out nothing else;
//! screen readers see one article with headings and paragraphs.

use std::borrow::Cow;
use std::sync::LazyLock;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::style;

/// From the doctype to the point where the first row of the sheet belongs. `preheader` is the line that a list of mails
/// shows beside the subject: 40 to 90 characters.
pub fn head(title: &str, preheader: &str) -> String {
    head_parts(title, preheader).concat()
}

/// The same in parts, each of whole lines. The first, the third and the last are the same in every mail.
pub fn head_parts(title: &str, preheader: &str) -> [Cow<'static, str>; 5] {
    static BEGIN: LazyLock<String> = LazyLock::new(|| {
        let begin = html! {
            (DOCTYPE) "\n"
            (PreEscaped("<html lang=\"en\" dir=\"ltr\">\n<head>\n"))
            meta charset="utf-8"; "\n"
            meta name="viewport" content="width=device-width,initial-scale=1"; "\n"
            meta name="color-scheme" content="light dark"; "\n"
            meta name="supported-color-schemes" content="light dark"; "\n"
            meta name="format-detection" content="telephone=no,date=no,address=no,email=no"; "\n"
            meta name="x-apple-disable-message-reformatting" content=""; "\n"
        };
        begin.into_string()
    });
    static STYLE: LazyLock<String> = LazyLock::new(|| {
        let style = html! {
            style { "\n" (PreEscaped(style::SHEET)) }
            (PreEscaped("\n</head>\n<body class=\"pg\" style=\"")) (style::BODY) (PreEscaped("\">\n"))
        };
        style.into_string()
    });
    static SHEET: LazyLock<String> = LazyLock::new(|| {
        let sheet = html! {
            (open_table("class=\"pg\"", "width:100%"))
            (PreEscaped("<tr><td class=\"pg\" align=\"center\" style=\"")) (style::PAGE) (PreEscaped("\">\n"))
            (PreEscaped(OUTLOOK_OPEN))
            (open_table("width=\"600\" class=\"sh\"", style::SHEET_TABLE))
        };
        sheet.into_string()
    });
    let named = html! {
        meta name="description" content=(preheader); "\n"
        title { (title) } "\n"
    };
    let opened = html! {
        div style=(style::PREHEADER) { (preheader) } "\n"
        (PreEscaped("<div role=\"article\" aria-roledescription=\"email\" lang=\"en\" dir=\"ltr\" aria-label=\""))
        (title)
        (PreEscaped("\">\n"))
    };
    [
        Cow::Borrowed(&**BEGIN),
        Cow::Owned(named.into_string()),
        Cow::Borrowed(&**STYLE),
        Cow::Owned(opened.into_string()),
        Cow::Borrowed(&**SHEET),
    ]
}

/// From the end of the sheet's last row to the end of the document; `foot` is what is below the sheet, in whole lines.
pub fn tail(foot: &Markup) -> String {
    let [begin, end] = tail_parts();
    [begin, &foot.0, end].concat()
}

/// The same in parts: what is before the foot and what is after it, in every mail.
pub fn tail_parts() -> [&'static str; 2] {
    static BEGIN: LazyLock<String> = LazyLock::new(|| {
        let begin = html! {
            (PreEscaped("</table>\n"))
            (open_table("width=\"600\"", style::FOOT_TABLE))
            (PreEscaped("<tr>\n<td class=\"in\" style=\"")) (style::FOOT) (PreEscaped("\">\n"))
        };
        begin.into_string()
    });
    static END: LazyLock<String> = LazyLock::new(|| {
        let rest = "</td></tr>\n</table>\n</div>\n</body>\n</html>\n";
        ["</td></tr>\n</table>\n", OUTLOOK_CLOSE, rest].concat()
    });
    [&**BEGIN, &**END]
}

/// Classic Outlook knows no `max-width`: it gets a table of fixed width around everything.
const OUTLOOK_OPEN: &str = "<!--[if mso]><table role=\"presentation\" width=\"600\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\"><tr><td><![endif]-->\n";
const OUTLOOK_CLOSE: &str = "<!--[if mso]></td></tr></table><![endif]-->\n";

fn open_table(attributes: &str, style: &str) -> PreEscaped<String> {
    PreEscaped(format!(
        "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" {attributes} style=\"{style}\">\n"
    ))
}
