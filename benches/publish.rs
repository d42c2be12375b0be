//! How long a publish takes that is due for everyone at once, and what memory it needs.
//!
//! ```text
//! cargo bench --bench publish               a hundred thousand subscriptions, then a million; some minutes, 4 GB of disk
//! cargo bench --bench publish -- --quick    two thousand, then twenty thousand; fails where a ratio is missed
//! ```
//! Subscriptions are taken in as the config file's are, a hundred papers as a source's; see `made_up`. Then two mornings
//! are published, from the database to the outbox, each in a process of its own so that its peak memory is its own: a
//! first one, for which every definition is compiled, and the next day's, with a hundred more papers and a ledger that
//! says what was sent. Absolute times depend on the machine and its disk; only ratios within one run are asserted.

#![expect(clippy::print_stdout, reason = "a benchmark's output is its purpose")]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use chrono::{DateTime, Duration, TimeZone, Utc};
use fastrand::Rng;
use made_up::MadeUp;
use paperpost::core::address::Address;
use paperpost::core::paper::describe::Authority;
use paperpost::core::paper::{Listed, ReadOutcome, Route, Snapshot, SourceId};
use paperpost::core::schedule::Schedule;
use paperpost::core::subscription::{Subscription, WhenEmpty};
use paperpost::core::zone::Zone;
use paperpost::jobs::publish;
use paperpost::store::{ReadRecord, Store};
use tokio_util::sync::CancellationToken;

mod made_up;

/// Papers that come each day.
const PAPERS: usize = 100;

/// Subscriptions taken in at once.
const CHUNK: usize = 20_000;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, step, database, day] = args.as_slice()
        && flag == "--step"
    {
        return run_step(step, Path::new(database), day.parse().expect("a number of days"));
    }
    let quick = args.iter().any(|arg| arg == "--quick" || arg == "--test");
    let (few, many) = if quick { (2_000, 20_000) } else { (100_000, 1_000_000) };
    let (small, large) = (measure(few), measure(many));
    let mut missed = Vec::new();
    let mut expect = |what: &str, value: f64, most: f64| {
        println!("  {what:<52} {value:>8.1}   (at most {most})");
        if value > most {
            missed.push(format!("{what}: {value:.1}, at most {most} expected"));
        }
    };
    for (name, small, large) in [
        ("compile", &small.compile, &large.compile),
        ("first morning", &small.first, &large.first),
        ("next morning", &small.next, &large.next),
    ] {
        println!("{name}");
        // A short run on a busy machine has noise that a long one has not.
        let growth = if quick { 20.0 } else { 11.5 };
        expect("ten times the subscriptions take, times as long", large.seconds / small.seconds, growth);
        if name != "compile" {
            // What compiling takes grows with the different words there are, which thin out as profiles become many.
            let bytes = (large.peak - small.peak) / (many - few) as f64;
            expect("bytes of memory for each further subscription", bytes, 128.0);
        }
        expect("megabytes of memory", large.peak / 1e6, 64.0 + 128.0 * many as f64 / 1e6);
    }
    assert!(missed.is_empty(), "missed: {}", missed.join("; "));
}

/// What one step took.
struct Taken {
    seconds: f64,
    /// Bytes of resident memory, at most.
    peak: f64,
}

struct Measured {
    compile: Taken,
    first: Taken,
    next: Taken,
}

fn measure(subscriptions: usize) -> Measured {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("paperpost.db");
    fill(&database, subscriptions);
    println!("{subscriptions} subscriptions, {PAPERS} new papers a day");
    let step = |name: &str, day: i64| {
        let program = std::env::current_exe().expect("this program");
        let output = Command::new(program)
            .args(["--step", name, &database.to_string_lossy(), &day.to_string()])
            .output()
            .expect("this program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        let mut words = text.split_whitespace();
        let mut number = || words.next().and_then(|word| word.parse::<f64>().ok()).expect("a number");
        let (seconds, peak) = (number(), number());
        println!("  {name:<10} {seconds:>8.2} s {:>8.1} MB {text}", peak / 1e6);
        Taken { seconds, peak }
    };
    Measured { compile: step("compile", 0), first: step("publish", 0), next: step("publish", 1) }
}

fn morning(day: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 4, 8, 0, 0).single().expect("a valid time") + Duration::days(day)
}

/// Takes in the subscriptions and the papers of two days, of which a publish on the first sees only its own.
fn fill(database: &Path, subscriptions: usize) {
    let mut rng = Rng::with_seed(7);
    let made_up = MadeUp::new(&mut rng);
    let store = Store::open(database).expect("a database");
    let schedule = Schedule::parse("daily at 08:00").expect("a schedule");
    let zones =
        [Zone::UTC, Zone::named("Europe/London").expect("a zone"), Zone::named("Africa/Accra").expect("a zone")];
    for first in (0..subscriptions).step_by(CHUNK) {
        let chunk: Vec<Subscription> = (first..subscriptions.min(first + CHUNK))
            .map(|number| Subscription {
                address: Address::parse(&format!("reader{number}@example.org")).expect("an address"),
                name: None,
                profiles: vec![made_up.profile(&mut rng)],
                schedule: schedule.clone(),
                zone: zones[number % zones.len()],
                since: None,
                paused: false,
                when_empty: WhenEmpty::Skip,
            })
            .collect();
        store.sync(&chunk, morning(0)).expect("synced");
    }
    drop(store);
    // Each chunk retired the one before it, as a file without it would.
    let connection = rusqlite::Connection::open(database).expect("the database");
    connection.execute("UPDATE subscriptions SET listed = 1", []).expect("all listed");
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
}

/// One step in a process of its own: prints seconds, peak memory in bytes and what came of it.
fn run_step(step: &str, database: &Path, day: i64) {
    let store = Store::open(database).expect("the database");
    let settings = publish::Settings { window: Duration::days(14), also: 5, domain: "example.org".into() };
    let now = morning(day);
    if step == "publish" {
        let made_up = MadeUp::new(&mut Rng::with_seed(7));
        // The second day's are other papers under other numbers.
        let mut items: Vec<Listed> = made_up.papers(PAPERS * (day as usize + 1), now);
        items.drain(..PAPERS * day as usize);
        let source = SourceId::parse("bench").expect("a source");
        let snapshot = Snapshot {
            source: source.clone(),
            authority: Authority::Index,
            taken: now,
            route: Route::Main,
            items,
            skipped: 0,
        };
        let record =
            ReadRecord { source, at: now, outcome: ReadOutcome::Fresh, message: None, unchanged: 0, days: Vec::new() };
        store.ingest(&snapshot, &record, "{}").expect("taken in");
    }
    let (stop, start) = (CancellationToken::new(), Instant::now());
    let report = match step {
        "compile" => publish::compile(&store, &stop).map(|()| publish::Report::default()),
        _ => publish::run(&store, &settings, now, &stop, |_| {}),
    };
    let seconds = start.elapsed().as_secs_f64();
    println!("{seconds} {} {:?}", peak_memory(), report.expect("a working database"));
}

/// The most resident memory that this process ever had, in bytes; 0 where the system doesn't tell.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1_024
}
