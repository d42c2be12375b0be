//! What it takes to make one mail of twenty papers, next to the plain way.
//!
//! ```text
//! cargo bench --bench compose               some seconds
//! cargo bench --bench compose -- --quick    fails where the ratio is missed
//! ```
//! Both ways start from the same facts: the papers, and why they were chosen. *Ours* copies encoded cards and encodes the rest;
//! the *plain* way renders all with maud and has lettre build, encode and format a `Message`. Neither signs. The mails are those
//! of many made-up profiles, so their highlights and reasons differ; their cards are at hand, as they are where subscribers share
//! a profile. What delivering takes for a mail in all, reasons and headers for leaving with it, is told beside.

#![expect(clippy::print_stdout, reason = "a benchmark's output is its purpose")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;
use lettre::Message;
use lettre::message::{MultiPart, SinglePart, header};
use paperpost::compose::Writer;
use paperpost::core::address::Mailbox;
use paperpost::core::candidate::Candidate;
use paperpost::core::digest::{self, Chosen, EncodedPaper, Facts, Section};
use paperpost::core::matching::{Reasons, reasons};
use paperpost::core::zone::Zone;
use paperpost::mail::mime::{self, Letter, Letterhead};
use paperpost::store::{Mailing, Store};

mod made_up;
mod queue;
mod sender;

/// Mails made in turn: as many as leave their cards in the cache.
const MAILS: usize = 48;

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick" || arg == "--test");
    let folder = tempfile::tempdir().expect("a folder");
    let store = queue::fill(&folder.path().join("paperpost.db"), 4 * MAILS);
    let mailings = mailings(&store);
    let contents: Vec<Content> = mailings.iter().map(|mailing| Content::of(&store, mailing)).collect();
    let facts: Vec<Facts<'_>> = contents.iter().map(Content::facts).collect();
    let ids = contents.iter().flat_map(|content| &content.papers).map(|(candidate, _)| candidate.id);
    let papers: Papers = ids.map(|id| (id, Arc::default())).collect();
    let from = Mailbox { name: Some("Paperpost".into()), address: mailings[0].subscription.address.clone() };
    let letterhead = Arc::new(Letterhead::new(&from, None, None, Vec::new()));
    let all = || facts.iter().zip(&mailings);
    let bytes: usize = all().map(|(facts, mailing)| ours(facts, mailing, &papers, &letterhead)).sum();
    println!("{MAILS} mails of twenty papers, {} octets each", bytes / MAILS);
    let rounds = if quick { 50 } else { 100 };
    let ours = best_of(rounds, || all().map(|(facts, mailing)| ours(facts, mailing, &papers, &letterhead)).sum());
    let plain = best_of(rounds / 5, || all().map(|(facts, mailing)| plain(facts, mailing)).sum());
    let writer = Writer::new(store.clone(), sender::sender(None));
    let whole = best_of(rounds, || mailings.iter().map(|mailing| writer.write(mailing).expect("a mail").len()).sum());
    let each = |time: Duration| time.as_secs_f64() * 1e6 / MAILS as f64;
    println!("  ours  {:>10.1} us", each(ours));
    println!("  plain {:>10.1} us", each(plain));
    println!("  whole {:>10.1} us: what delivering takes, signature aside", each(whole));
    let ratio = plain.as_secs_f64() / ours.as_secs_f64();
    println!("  the plain way takes, times as long {ratio:>10.1}   (at least 20, aim 80)");
    assert!(ratio >= 20.0, "missed: {ratio:.1}, at least 20 expected");
}

/// What a mail shows.
struct Content {
    papers: Vec<(Candidate, Reasons)>,
    stop: String,
}

impl Content {
    fn of(store: &Store, mailing: &Mailing) -> Self {
        let known = store.papers_as_of(&mailing.papers[0], mailing.read).expect("a database");
        let profile = &mailing.subscription.profiles[0];
        let paper = |id: &u32| (known[id].clone(), reasons(profile, &known[id]));
        Self {
            papers: mailing.papers[0].iter().map(paper).collect(),
            stop: format!("https://papers.example.org/u/{}", mailing.edition),
        }
    }

    fn facts(&self) -> Facts<'_> {
        let chosen = |(candidate, reasons)| Chosen { candidate, reasons: Reasons::clone(reasons), trend: None };
        let papers = self.papers.iter().map(|(candidate, reasons)| chosen((candidate, reasons)));
        Facts {
            name: None,
            zone: Zone::UTC,
            today: queue::now().date_naive(),
            sections: vec![Section { name: "", papers: papers.collect() }],
            also: Vec::new(),
            owed: 3,
            told: Vec::new(),
            left: 0,
            cut: 0,
            refused: 0,
            welcome: None,
            looked_at: 400,
            sources: Vec::new(),
            schedule: "daily at 08:00 (UTC)",
            change: None,
            stop: Some(&self.stop),
        }
    }
}

/// What is encoded of each paper, made once.
type Papers = HashMap<u32, Arc<EncodedPaper>, FixedState>;

/// The first mails that have all their papers.
fn mailings(store: &Store) -> Vec<Mailing> {
    let all = (1..=4 * MAILS as i64).filter_map(|edition| store.mailing(edition).expect("a database"));
    let full = all.filter(|mailing| mailing.papers.iter().map(Vec::len).sum::<usize>() == made_up::TOP);
    let mailings: Vec<Mailing> = full.take(MAILS).collect();
    assert_eq!(mailings.len(), MAILS);
    mailings
}

fn ours(facts: &Facts<'_>, mailing: &Mailing, papers: &Papers, letterhead: &Arc<Letterhead>) -> usize {
    let body = digest::encode(facts, |candidate| papers[&candidate.id].clone());
    let address = &mailing.subscription.address;
    let letter = Letter {
        letterhead: letterhead.clone(),
        to: Mailbox { name: None, address: address.clone() },
        subject: body.subject,
        date: mailing.decided,
        message_id: mailing.message_id.clone(),
        boundary: mailing.message_id.clone(),
        extra: Vec::new(),
        text: body.text,
        html: body.html,
    };
    black_box(mime::compose(&letter)).len()
}

fn plain(facts: &Facts<'_>, mailing: &Mailing) -> usize {
    let rendered = digest::render(facts);
    let part = |kind, body: String| SinglePart::builder().header(kind).body(body);
    let message = Message::builder()
        .from("Paperpost <papers@example.org>".parse().expect("a mailbox"))
        .to(mailing.subscription.address.reveal().parse().expect("a mailbox"))
        .subject(rendered.subject)
        .message_id(Some(mailing.message_id.clone()))
        .date(std::time::SystemTime::from(mailing.decided));
    let bodies = MultiPart::alternative()
        .singlepart(part(header::ContentType::TEXT_PLAIN, rendered.text))
        .singlepart(part(header::ContentType::TEXT_HTML, rendered.html));
    black_box(message.multipart(bodies).expect("a message").formatted()).len()
}

fn best_of(rounds: usize, mut run: impl FnMut() -> usize) -> Duration {
    (0..rounds)
        .map(|_| {
            let start = Instant::now();
            black_box(run());
            start.elapsed()
        })
        .min()
        .expect("a round")
}
