//! A short mail about one thing: a heading, a few paragraphs, perhaps one link.

use maud::html;

use crate::{Href, layout, style, text};

/// What a notice shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The title of the page; the mail's subject.
    pub subject: String,
    /// What a list of mails shows beside the subject: 40 to 90 characters.
    pub preheader: String,
    /// The one heading.
    pub heading: String,
    /// What there is to say.
    pub paragraphs: Vec<String>,
    /// The one thing to do, with the words of its link.
    pub link: Option<(String, Href)>,
    /// The line below: why this mail came.
    pub why: String,
}

impl Notice {
    /// The mail that proves that mails arrive. `transport` says how it left: `by SMTP through mail.example.org:465`;
    /// `time` when, in the words of the person who asked for it.
    pub fn test_mail(transport: &str, time: &str) -> Self {
        Self {
            subject: "Paperpost: a test mail".to_owned(),
            preheader: "This mail arrived, and so will the digests that leave the same way.".to_owned(),
            heading: "It works".to_owned(),
            paragraphs: vec![
                "This mail arrived, and so will the digests: they leave the same way and look much the same."
                    .to_owned(),
                format!("It left {transport}, {time}."),
                "If it landed in the spam folder, mark it as wanted, and let the sender check SPF, DKIM and DMARC of \
                 the From address."
                    .to_owned(),
            ],
            link: None,
            why: "You get this because someone who runs Paperpost asked it for a test mail to this address.".to_owned(),
        }
    }

    /// The mail that asks whether its reader wants a subscription. It says nothing that a stranger could have chosen.
    pub fn confirmation(link: Href) -> Self {
        Self {
            subject: "Please confirm your subscription to Paperpost".to_owned(),
            preheader: "One click, and new papers come by mail. Else nothing comes.".to_owned(),
            heading: "Do you want new papers by mail?".to_owned(),
            paragraphs: vec![
                "Somebody, probably you, entered this address at Paperpost, which mails digests of new research papers."
                    .to_owned(),
                "If it was you, open the page below and confirm. If it was not, do nothing: no other mail comes, unless \
                 somebody asks again."
                    .to_owned(),
            ],
            link: Some(("Open the page to confirm".to_owned(), link)),
            why: "You get this because this address was entered in a form. It is on no list yet.".to_owned(),
        }
    }

    /// The notice as one HTML document.
    pub fn html(&self) -> String {
        let rows = html! {
            tr {
                td class="in" style=(style::HEAD) {
                    "\n" p class="mu" style=(style::MASTHEAD) { "Paperpost" }
                    "\n" h1 class="tx" style=(style::HEADING) { (self.heading) }
                    @for paragraph in &self.paragraphs { "\n" p class="tx" style=(style::TEXT) { (paragraph) } }
                    @if let Some((label, href)) = &self.link {
                        "\n" p style=(style::TEXT) { a class="ac" href=(href) style=(style::LINK) { (label) } }
                    }
                    "\n"
                }
            }
            "\n"
        };
        let foot = html! { p class="mu" style=(style::SMALL) { (self.why) } "\n" };
        layout::head(&self.subject, &self.preheader) + &rows.into_string() + &layout::tail(&foot)
    }

    /// The notice as plain text.
    pub fn text(&self) -> String {
        let mut out = String::new();
        text::wrap(&mut out, "Paperpost", "");
        text::wrap(&mut out, &self.heading, "");
        for paragraph in &self.paragraphs {
            out.push('\n');
            text::wrap(&mut out, paragraph, "");
        }
        if let Some((label, href)) = &self.link {
            out.push('\n');
            text::wrap(&mut out, &format!("{label}:"), "");
            text::address(&mut out, "", href.as_str());
        }
        out.push_str("\n\n");
        text::wrap(&mut out, &self.why, "");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_says_the_same_twice_and_escapes_it() {
        let mut notice = Notice::test_mail("by <b>carrier pigeon</b>", "today at noon");
        notice.link = Href::parse("https://example.org/a?b&c").map(|href| ("Open the page".to_owned(), href));
        let (html, text) = (notice.html(), notice.text());
        assert!(html.contains("by &lt;b&gt;carrier pigeon&lt;/b&gt;, today at noon."));
        assert!(text.contains("by <b>carrier pigeon</b>, today at noon."));
        assert!(
            html.contains("href=\"https://example.org/a?b&amp;c\"") && text.contains("  https://example.org/a?b&c\n")
        );
        assert_eq!(html.matches("<h1").count(), 1);
        assert!((40..=90).contains(&notice.preheader.chars().count()));
    }
}
