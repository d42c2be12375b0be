//! What a reader sees.
//!
//! A [`Digest`] is everything one mail shows, in the words it shows; this crate turns it into HTML and into plain text,
//! the two alternatives of one message. It owns the shape: a caller fills these types and nothing else.
//! It knows neither papers nor subscribers nor the time, and depends on `maud` alone, so that a template can't reach
//! for any of them.
//!
//! Promises, each with a test: both alternatives say the same and link to the same addresses; no address but http,
//! https and mailto is ever linked ([`Href`]); no remote resource of any kind is loaded; every pair of text and
//! background colours has a contrast of at least 4.5 to 1 in the light and in the dark scheme.
//!
//! A digest is rendered in parts that can be put together by plain concatenation: `head`, then for each section its
//! `section` line and one `card` a paper, then `tail`. Every part begins at the start of a line and ends with a line
//! break, so a card can be rendered (and encoded for mail) once and spliced into many digests.

pub mod digest;
pub mod href;
pub mod layout;
pub mod notice;
pub mod pages;
pub mod style;
pub mod text;

pub use digest::{Brief, Card, Code, Contact, Digest, Run, Section, SourceLine};
pub use href::Href;
pub use notice::Notice;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(cards: Vec<Card>, stop: Option<Contact>) -> Digest {
        Digest {
            subject: "2 papers".into(),
            preheader: "What a list of mails shows beside the subject".into(),
            masthead: "Paperpost".into(),
            date: "Monday, 23 November 2026".into(),
            heading: "2 new papers".into(),
            lead: None,
            sections: vec![Section { name: "Retrieval".into(), cards }],
            also: vec![Brief { title: "Also".into(), href: Href::parse("https://example.org/also"), upvotes: Some(1) }],
            waiting: 1,
            told: Vec::new(),
            told_more: 0,
            notes: Vec::new(),
            sources: vec![SourceLine { name: "Example".into(), state: "not read yet".into() }],
            why: "Because.".into(),
            change: None,
            stop,
        }
    }

    #[test]
    fn every_part_begins_and_ends_at_a_line_break() {
        let card = Card { title: vec![Run { text: "Title".into(), matched: false }], ..Card::default() };
        let digest = digest(vec![card.clone()], None);
        let html = [digest::head(&digest), digest::section_heading("Name"), digest::card(&card), digest::tail(&digest)];
        let text = [text::head(&digest), text::section_heading("Name"), text::card(&card), text::tail(&digest)];
        for part in html.iter().chain(&text) {
            assert!(part.ends_with('\n') && !part.contains('\r'), "{part}");
        }
        assert!(html[2].starts_with("<tr>"));
    }

    #[test]
    fn what_is_unknown_leaves_no_trace() {
        let card = Card { title: vec![Run { text: "Title".into(), matched: false }], ..Card::default() };
        assert_eq!(text::card(&card), "\n\nTitle\n");
        let html = digest::card(&card);
        assert_eq!((html.matches("<p").count(), html.matches("<a ").count()), (0, 0), "{html}");
    }

    #[test]
    fn a_way_to_stop_without_an_address_is_told_in_words() {
        let digest = digest(Vec::new(), Some(Contact::Words("Ask <the> operator.".into())));
        assert!(digest::html(&digest).contains("Ask &lt;the&gt; operator."));
        assert!(text::text(&digest).ends_with("Ask <the> operator.\n"));
    }

    proptest! {
        #[test]
        fn both_alternatives_hold_the_same_addresses(
            links in prop::collection::vec(prop::option::of("https://[a-z]{1,9}\\.example/[a-z&=?%\"é]{0,90}"), 6),
            title in "[a-z<>&\"論 ]{0,80}",
        ) {
            let hrefs: Vec<Option<Href>> = links.iter().map(|link| link.as_deref().and_then(Href::parse)).collect();
            let cards = hrefs[..4].chunks(2).map(|pair| Card {
                title: vec![Run { text: title.clone(), matched: true }],
                href: pair[0].clone(),
                code: pair[1].clone().map(|href| Code { href, stars: None }),
                project: hrefs[4].clone(),
                ..Card::default()
            });
            let digest = digest(cards.collect(), hrefs[5].clone().map(Contact::Link));
            let html = digest::html(&digest);
            let mut in_html: Vec<String> = html
                .split("href=\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
                .map(|href| href.replace("&amp;", "&"))
                .collect();
            let text = text::text(&digest);
            let mut in_text: Vec<&str> = text.split_whitespace().filter(|word| word.starts_with("https://")).collect();
            in_html.sort();
            in_text.sort();
            prop_assert_eq!(in_html, in_text);
        }
    }
}
