//! What the reader sees, compared with snapshots. CONTRIBUTING.md says how to accept new ones; `paperpost preview` shows one in
//! a browser.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone, Utc};
use mail_parser::MessageParser;
use paperpost::compose::Writer;
use paperpost::core::candidate::Candidate;
use paperpost::core::digest::{Chosen, Facts, Rendered, Section, SourceNote, encode, render, trend};
use paperpost::core::matching::Reasons;
use paperpost::core::paper::{Listing, Paper, PaperKey, Route, SourceId};
use paperpost::core::trend::Vote;
use paperpost::mail::mime::{Letter, compose};
use templates::Notice;

use crate::site::{day, paper};
use crate::world::World;
use paperpost::core::zone::Zone;

#[test]
fn a_digest_looks_as_it_was_agreed() {
    let papers = papers();
    check("digest", &render(&facts(&papers)));
}

#[test]
fn an_edition_without_papers_says_what_was_looked_at() {
    let papers = papers();
    let facts =
        Facts { sections: vec![Section { name: "", papers: Vec::new() }], owed: 0, name: None, ..facts(&papers) };
    let rendered = render(&facts);
    assert_eq!(rendered.subject, "Nothing new among 41 papers");
    check("digest_nothing_new", &rendered);
}

#[test]
fn a_test_mail_looks_like_a_digest() {
    let notice = Notice::test_mail("by SMTP through mail.example.org:465", "on Monday, 23 November 2026 at 08:00 UTC");
    check("digest_test_mail", &Rendered { html: notice.html(), text: notice.text(), subject: notice.subject });
}

#[test]
fn both_alternatives_link_to_the_same_addresses() {
    let papers = papers();
    let rendered = render(&facts(&papers));
    let in_html: BTreeSet<String> = rendered
        .html
        .split("href=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap_or_default().replace("&amp;", "&"))
        .collect();
    let in_text: BTreeSet<String> = rendered
        .text
        .split_whitespace()
        .filter(|word| word.starts_with("http") || word.starts_with("mailto:"))
        .map(str::to_owned)
        .collect();
    assert_eq!(in_html, in_text);
    assert!(in_html.len() > 6, "{in_html:?}");
}

#[test]
fn a_mail_loads_nothing_and_has_one_main_heading() {
    let papers = papers();
    let html = render(&facts(&papers)).html;
    for remote in ["src=", "url(", "@import", "<link", "<img", "<script", "background="] {
        assert!(!html.contains(remote), "{remote}");
    }
    assert_eq!(html.matches("<h1").count(), 1);
    assert_eq!(html.matches("<h2").count(), 3 + 2 + 1, "papers, sections and what else is trending");
    let preheader = html.split("overflow:hidden\">").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default();
    assert!((40..=90).contains(&preheader.chars().count()), "{preheader}");
}

#[test]
fn what_was_scraped_cannot_break_out() {
    let mut evil = candidate(9, "<script>alert(1)</script> & \"friends\"", "https://example.org/9");
    evil.paper.project = Some("javascript:alert(1)".into());
    evil.paper.code = Some("https://arxiv.org@evil.example/".into());
    evil.paper.authors = vec!["<img src=x onerror=alert(1)>".into()];
    evil.paper.abstract_text = "</td></tr></table><a href=\"https://evil.example/\">".into();
    evil.paper.organization = Some("\"><b>".into());
    let reasons = Reasons { queries: vec!["\"<i>\"".into()], title: vec![0..8, 9..14], abstract_text: Vec::new() };
    let papers = papers();
    let mut facts = facts(&papers);
    facts.sections = vec![Section { name: "<u>", papers: vec![Chosen { candidate: &evil, reasons, trend: None }] }];
    facts.also = vec![&evil];
    facts.name = Some("<s>\r\nBcc: x");
    facts.stop = Some("javascript:alert(2)");
    let rendered = render(&facts);
    for tag in [
        "<script",
        "<img",
        "<i>",
        "<u>",
        "<s>",
        "<b>",
        "href=\"javascript",
        "href=\"https://arxiv.org@",
        "evil.example/\">",
    ] {
        assert!(!rendered.html.contains(tag), "{tag}");
    }
    assert!(rendered.html.contains("&lt;script&gt;"));
    assert!(!rendered.subject.contains(char::is_control) && !rendered.html.contains('\r'));
    assert!(!rendered.text.contains("arxiv.org@") && !rendered.text.contains('\r'));
}

#[test]
fn what_is_put_together_from_encoded_cards_is_what_is_rendered() {
    let papers = papers();
    let usual = facts(&papers);
    let empty = Facts { sections: Vec::new(), ..usual.clone() };
    let mut evil = candidate(9, "<b>=?utf-8?q?x?= & 検索", "https://example.org/9?a=b&c==");
    evil.paper.abstract_text = "From here on. . .dots \u{e9}= ".repeat(40);
    let chosen = |candidate| Chosen { candidate, reasons: Reasons::default(), trend: None };
    // So many that abstracts are cut, then that none is left, then that no mail has room for them.
    let crowds = [25, 60, 90, 200].map(|count| {
        let papers = std::iter::repeat_n(chosen(&evil), count).collect();
        Facts { sections: vec![Section { name: "\u{e9} = e", papers }], ..usual.clone() }
    });
    let mut lengths = BTreeSet::new();
    for facts in [usual, empty].iter().chain(&crowds) {
        let made = encode(facts, |_| Arc::default());
        let rendered = render(facts);
        let letter = Letter { text: made.text, html: made.html, ..crate::letter::letter() };
        let bytes = compose(&letter);
        let message = MessageParser::default().parse(&bytes).expect("a message");
        assert_eq!(made.subject, rendered.subject);
        assert_eq!(message.body_html(0).expect("HTML").replace("\r\n", "\n"), rendered.html);
        assert_eq!(message.body_text(0).expect("a text").replace("\r\n", "\n"), rendered.text);
        for line in std::str::from_utf8(&bytes).expect("ASCII").split("\r\n") {
            assert!(line.len() <= 76 && !line.starts_with('.') && !line.starts_with("From "), "{line:?}");
        }
        lengths.insert(rendered.html.len() / facts.sections.iter().map(|s| s.papers.len()).sum::<usize>().max(1));
    }
    assert!(lengths.len() > 4, "abstracts of several lengths: {lengths:?}");
}

#[tokio::test]
async fn a_mail_is_the_same_whatever_was_written_before_it() {
    let mut world = World::new().await;
    for (name, keywords) in [("ada", "\"retrieval\""), ("bob", "\"retrieval\", \"scale\""), ("eve", "\"retrieval\"")] {
        world.subscribe(&format!("email = \"{name}@example.org\"\nkeywords = [{keywords}]"));
    }
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    world.site.list(day("2026-11-23"), paper("2611.00002", "Retrieval at home"));
    world.scrape().await;
    world.publish();
    let writer = || Writer::new(world.store.clone(), world.deliver.sender.clone());
    let mailings: Vec<_> =
        (1..=3).map(|edition| world.store.mailing(edition).expect("a database").expect("one")).collect();
    let cold: Vec<Vec<u8>> = mailings.iter().map(|mailing| writer().write(mailing).expect("a mail")).collect();
    let warm = writer();
    for _ in 0..2 {
        for (mailing, cold) in mailings.iter().zip(&cold) {
            assert!(warm.write(mailing).expect("a mail") == *cold);
        }
    }
    assert!(cold[0] != cold[1] && cold[0] != cold[2]);
}

fn facts(papers: &[Candidate]) -> Facts<'_> {
    let zone = Zone::named("Europe/Berlin").expect("a zone");
    let chosen = |index: usize, queries: &[&str], terms: &[&str]| {
        let candidate = &papers[index];
        let reasons = Reasons {
            queries: queries.iter().map(|&query| query.into()).collect(),
            title: occurrences(&candidate.paper.title, terms),
            abstract_text: occurrences(&candidate.paper.abstract_text, terms),
        };
        Chosen { candidate, reasons, trend: trend(&candidate.votes, slot().date(), zone) }
    };
    Facts {
        name: Some("Ada"),
        zone,
        today: slot().date(),
        sections: vec![
            Section {
                name: "Retrieval",
                papers: vec![
                    chosen(
                        0,
                        &["sparse AND retriev*", "ti:\"inverted index\""],
                        &["Sparse", "retrieval", "retrieve", "inverted index"],
                    ),
                    chosen(1, &["rerank*"], &["rerank", "Rerank"]),
                ],
            },
            Section { name: "Translation", papers: vec![chosen(2, &["机器翻译"], &["机器翻译"])] },
        ],
        also: vec![&papers[3], &papers[4]],
        owed: 2,
        told: Vec::new(),
        left: 0,
        cut: 0,
        refused: 0,
        welcome: None,
        looked_at: 41,
        sources: vec![
            SourceNote {
                name: "Hugging Face",
                last_read: Some(at(23, 6, 40)),
                route: Some(Route::Main),
                items: 38,
                trouble: None,
            },
            SourceNote {
                name: "arXiv cs.IR",
                last_read: Some(at(20, 5, 10)),
                route: Some(Route::Main),
                items: 3,
                trouble: Some("the feed answered 503"),
            },
        ],
        schedule: "weekdays at 08:00 (Europe/Berlin)",
        change: Some("https://papers.example.org/settings?t=1.abc&lang=en"),
        stop: Some("https://papers.example.org/unsubscribe?t=1.abc"),
    }
}

fn papers() -> Vec<Candidate> {
    let mut sparse = candidate(
        1,
        "Sparse Retrieval at the Scale of the Web, with an Inverted Index That Fits in Memory",
        "https://example.org/papers/1",
    );
    sparse.paper.authors = ["A. Author", "B. Author", "C. Author", "D. Author"].map(String::from).to_vec();
    sparse.paper.author_count = Some(7);
    sparse.paper.organization = Some("Example Institute".into());
    sparse.paper.abstract_text =
        "Dense retrieval needs a machine with much memory for a collection of any size. Sparse \
        retrieval needs an inverted index, and the index is what people already run. We train an encoder whose terms \
        are few and whose weights are integers, so that an inverted index of a billion passages fits in the memory of \
        one ordinary machine, e.g. a laptop. On nine collections it is as good as dense retrieval and answers in 4.2 \
        ms. We also show which terms it learns to retrieve by, and why they are fewer for longer passages. Fig. 3 \
        of the paper tells the rest. This sentence is beyond what a digest has room for, and nobody will miss it here."
            .into();
    sparse.paper.code = Some("https://code.example.org/sparse?tab=readme&ref=main".into());
    sparse.paper.stars = Some(1234);
    sparse.paper.project = Some("https://sparse.example.org/".into());
    sparse.votes = vec![Vote { at: at(22, 6, 30), upvotes: 37 }, Vote { at: at(23, 6, 40), upvotes: 78 }];
    voted(&mut sparse, 78, 12);
    let mut rerank = candidate(2, "To Rerank or Not to Rerank", "https://example.org/papers/2");
    rerank.paper.author_count = Some(3);
    rerank.paper.abstract_text = "We ask when it pays to rerank. It rarely does.".into();
    voted(&mut rerank, 1, 1);
    let mut chinese = candidate(3, "面向低资源语言的机器翻译：一种简单的方法", "https://example.org/papers/3");
    chinese.paper.authors = vec!["甲".into(), "乙".into()];
    chinese.paper.abstract_text = "我们提出一种面向低资源语言的机器翻译方法。它不需要平行语料，只需要一部词典，而且在六种语言上都优于以往的方法。".into();
    let mut fourth = candidate(4, "A Survey of Surveys", "https://example.org/papers/4");
    voted(&mut fourth, 231, 9);
    let fifth = candidate(5, "Small Models, Long Contexts & <Big> Claims", "https://example.org/papers/5");
    vec![sparse, rerank, chinese, fourth, fifth]
}

fn candidate(id: u32, title: &str, url: &str) -> Candidate {
    let source = SourceId::parse("example").expect("a source id");
    let paper = Paper::new(PaperKey::of_source(&source, &id.to_string()), title, url);
    let day = NaiveDate::from_ymd_opt(2026, 11, 22).expect("a day");
    let listings = vec![Listing { source, day, rank: id, upvotes: None, comments: None }];
    Candidate { id, paper, first_seen: chrono::DateTime::UNIX_EPOCH, listings, votes: Vec::new() }
}

fn voted(candidate: &mut Candidate, upvotes: u32, comments: u32) {
    candidate.listings[0].upvotes = Some(upvotes);
    candidate.listings[0].comments = Some(comments);
}

fn slot() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 11, 23).and_then(|day| day.and_hms_opt(8, 0, 0)).expect("a time")
}

fn at(day: u32, hour: u32, minute: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, day, hour, minute, 0).single().expect("a time")
}

fn occurrences(text: &str, terms: &[&str]) -> Vec<std::ops::Range<usize>> {
    let mut ranges: Vec<_> =
        terms.iter().flat_map(|term| text.match_indices(term).map(|(i, found)| i..i + found.len())).collect();
    ranges.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    ranges.dedup_by(|next, kept| next.start < kept.end);
    ranges
}

/// Compares both alternatives with `tests/snapshots/<name>.html.snap` and `.txt.snap`.
fn check(name: &str, rendered: &Rendered) {
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::assert_snapshot!(format!("{name}.html"), rendered.html);
        insta::assert_snapshot!(format!("{name}.txt"), rendered.text);
    });
}
