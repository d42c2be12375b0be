//! What it takes to make one mail of twenty papers, next to the plain way.
//!
//! ```text
//! cargo bench --bench compose               some seconds
//! cargo bench --bench compose -- --quick    fails where the ratio is missed
//! ```
//! Both ways start from the same edition. *Ours* is what delivering does: reasons, cards copied, headers, no signature. The
//! *plain* way renders all with maud and has lettre build, encode and format a `Message`. The mails are those of many made-up
//! profiles, so their highlights and reasons differ. Each is made once before the clock starts: cards and papers are at hand, as
//! they are for nearly all mails of a run.

#![expect(clippy::print_stdout, reason = "a benchmark's output is its purpose")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use lettre::Message;
use lettre::message::{MultiPart, SinglePart, header};
use paperpost::jobs::letter::Writer;
use paperpost::store::{Mailing, Store};

mod made_up;
mod queue;

/// Mails made in turn: as many as leave their cards in the cache.
const MAILS: usize = 48;

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick" || arg == "--test");
    let folder = tempfile::tempdir().expect("a folder");
    let store = queue::fill(&folder.path().join("paperpost.db"), 4 * MAILS);
    let mailings = mailings(&store);
    let writer = Writer::new(store, queue::sender(None));
    let bytes: usize = mailings.iter().map(|mailing| ours(&writer, mailing)).sum();
    println!("{MAILS} mails of twenty papers, {} octets each", bytes / MAILS);
    let rounds = if quick { 5 } else { 40 };
    let ours = best_of(rounds, || mailings.iter().map(|mailing| ours(&writer, mailing)).sum());
    let plain = best_of(rounds, || mailings.iter().map(|mailing| plain(&writer, mailing)).sum());
    let each = |time: Duration| time.as_secs_f64() * 1e6 / MAILS as f64;
    println!("  ours  {:>10.1} us", each(ours));
    println!("  plain {:>10.1} us", each(plain));
    let ratio = plain.as_secs_f64() / ours.as_secs_f64();
    println!("  the plain way takes, times as long {ratio:>10.1}   (at least 20)");
    assert!(ratio >= 20.0, "missed: {ratio:.1}, at least 20 expected");
}

/// The first mails that have all their papers.
fn mailings(store: &Store) -> Vec<Mailing> {
    let all = (1..=4 * MAILS as i64).filter_map(|edition| store.mailing(edition).expect("a database"));
    let full = all.filter(|mailing| mailing.papers.iter().map(Vec::len).sum::<usize>() == made_up::TOP);
    let mailings: Vec<Mailing> = full.take(MAILS).collect();
    assert_eq!(mailings.len(), MAILS);
    mailings
}

fn ours(writer: &Writer, mailing: &Mailing) -> usize {
    black_box(writer.write(mailing).expect("a mail")).len()
}

fn plain(writer: &Writer, mailing: &Mailing) -> usize {
    let rendered = writer.render(mailing).expect("a digest");
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
