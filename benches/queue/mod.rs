//! A database with mails to be sent, from a fixed seed: each of twenty papers and about 40 KB.

use std::path::Path;

use chrono::{DateTime, Duration, TimeZone, Utc};
use fastrand::Rng;
use paperpost::core::address::Address;
use paperpost::core::paper::describe::Authority;
use paperpost::core::paper::{ReadOutcome, Route, Snapshot, SourceId};
use paperpost::core::schedule::Schedule;
use paperpost::core::subscription::{Subscription, WhenEmpty};
use paperpost::jobs::publish;
use paperpost::store::{ReadRecord, Store};
use tokio_util::sync::CancellationToken;

use crate::made_up::MadeUp;
use paperpost::core::zone::Zone;

/// Papers to choose from: enough for most profiles to find twenty.
const PAPERS: usize = 400;

/// What the profiles are drawn from.
pub(crate) const SEED: u64 = 7;

/// When all is due.
pub(crate) fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 4, 8, 0, 0).single().expect("a valid time")
}

/// A new database with so many mails in its outbox.
pub(crate) fn fill(database: &Path, mails: usize) -> Store {
    let mut rng = Rng::with_seed(SEED);
    let made_up = MadeUp::new(&mut rng);
    let store = Store::open(database).expect("a database");
    let schedule = Schedule::parse("daily at 08:00").expect("a schedule");
    let subscription = |number| Subscription {
        address: address(&format!("reader{number}@example.org")),
        name: None,
        profiles: vec![made_up.profile(&mut rng)],
        schedule: schedule.clone(),
        zone: Zone::UTC,
        since: None,
        paused: false,
        when_empty: WhenEmpty::Skip,
    };
    let subscriptions: Vec<Subscription> = (0..mails).map(subscription).collect();
    store.sync(&subscriptions, now()).expect("synced");
    let mut items = made_up.papers(PAPERS, now());
    for (number, item) in items.iter_mut().enumerate() {
        // Of a real abstract some 600 characters are shown.
        let words: Vec<&str> = item.paper.abstract_text.split(' ').take(40).collect();
        item.paper.abstract_text = words.join(" ");
        item.paper.authors = (0..4).map(|n| format!("A. Author{number} B{n}")).collect();
        item.paper.organization = Some("An Institute of Example Studies".into());
        item.paper.code = Some(format!("https://example.org/code/{number}"));
    }
    let source = SourceId::parse("bench").expect("a source");
    let snapshot = Snapshot {
        source: source.clone(),
        authority: Authority::Index,
        taken: now(),
        route: Route::Main,
        items,
        skipped: 0,
    };
    let record =
        ReadRecord { source, at: now(), outcome: ReadOutcome::Fresh, message: None, unchanged: 0, days: Vec::new() };
    store.ingest(&snapshot, &record, "{}").expect("taken in");
    let settings = publish::Settings { window: Duration::days(14), also: 5, domain: "example.org".into() };
    publish::run(&store, &settings, now(), &CancellationToken::new(), |_| {}).expect("published");
    store
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}
