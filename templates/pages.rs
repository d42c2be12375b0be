//! The pages of the web: few, plain, without a script, and readable on any device.
//!
//! Everything a page loads is in it: one style sheet, [`SHEET`], so that a policy can allow that and forbid the rest.
//! Nothing here tells who the reader is; a page that is cached, shared or looked at by a scanner gives nothing away.

use maud::{DOCTYPE, PreEscaped, html};

/// The style sheet of every page, just as it is between the tags of its `style` element.
pub const SHEET: &str = "\
:root{color-scheme:light dark}\
body{margin:0;padding:12vh 24px 24px;font:18px/1.55 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;\
background:#f2f1ed;color:#24282d}\
main{max-width:34em;margin:0 auto}\
h1{font:bold 28px/1.2 Charter,'Iowan Old Style',Georgia,serif}\
button{font:inherit;padding:.6em 1.4em;border:0;border-radius:6px;background:#14567f;color:#fdfdfb;cursor:pointer}\
button:focus-visible{outline:3px solid #86c3ea;outline-offset:2px}\
.mu{color:#5d646c;font-size:15px}\
@media (prefers-color-scheme:dark){body{background:#16181b;color:#e2e4e7}.mu{color:#a0a7af}\
button{background:#86c3ea;color:#16181b}}";

/// Asks whether to stop. Its one button sends the form of RFC 8058 to the page's own address; nothing happens before.
/// `sender` is who writes the mails, as their From says.
pub fn leave(sender: &str) -> String {
    page(
        "Stop the digest?",
        &html! {
            p { "You get digests of new papers from " (sender) ". One press, and no more are sent; only one that is \
                 under way already may still arrive." }
            form method="post" {
                input type="hidden" name="List-Unsubscribe" value="One-Click";
                button { "Stop the digest" }
            }
            p class="mu" { "To get other papers or another schedule instead, answer one of the mails." }
        },
    )
}

/// The field of the form that takes a leaving back; its value is a token.
pub const UNDO: &str = "undo";

/// Says that it is done, and since when. With a token, a button takes it back: it sends that to the page's own address.
pub fn left(at: &str, undo: Option<&str>) -> String {
    page(
        "You have left",
        &html! {
            p { "No more digests are sent to you. You left on " (at) "." }
            @if let Some(token) = undo {
                form method="post" {
                    input type="hidden" name=(UNDO) value=(token);
                    button { "That was a mistake: keep them coming" }
                }
                p class="mu" { "The button works for seven days after you left." }
            } @else {
                p class="mu" { "If that was a mistake, answer one of the mails you have, and ask to be added again." }
            }
        },
    )
}

/// Says that the leaving was taken back.
pub fn back() -> String {
    page("You are subscribed", &html! { p { "Digests are sent to you as before." } })
}

/// Says why a request can't be followed, in a few plain sentences.
pub fn trouble(heading: &str, text: &str) -> String {
    page(heading, &html! { p { (text) } })
}

/// A paper of the demo, which is nowhere else: where the links of its mails lead.
pub fn sample(title: &str, authors: &str, abstract_text: &str) -> String {
    page(
        title,
        &html! {
            p class="mu" { (authors) }
            p { (abstract_text) }
            p class="mu" { "This paper is invented, for the demo of Paperpost. In a real mail the link leads to the paper." }
        },
    )
}

fn page(heading: &str, content: &maud::Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" dir="ltr" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="robots" content="noindex";
                title { (heading) }
                style { (PreEscaped(SHEET)) }
            }
            body { main { h1 { (heading) } (content) } }
        }
    }
    .into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_asks_once_and_loads_nothing() {
        let page = leave("<b>Papers</b>");
        assert_eq!(page.matches("<button").count(), 1);
        assert_eq!(page.matches("<form").count(), 1);
        assert!(page.contains("&lt;b&gt;Papers") && page.contains("name=\"List-Unsubscribe\" value=\"One-Click\""));
        for page in [
            page,
            left("1 May 2026, 08:00 UTC", Some("AAAA")),
            left("", None),
            back(),
            trouble("No", "Not <here>."),
            sample("A", "B", "<c>"),
        ] {
            for forbidden in ["<script", "src=", "http:", "https:", "url(", "style=\"", "onload", "@import"] {
                assert!(!page.contains(forbidden), "{forbidden} in {page}");
            }
            assert_eq!(page.matches("<h1").count(), 1);
        }
    }
}
