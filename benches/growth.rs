//! How large the database is after three years, and how long a run takes in it.
//!
//! ```text
//! cargo bench --bench growth               three years of a hundred papers a day; some minutes
//! cargo bench --bench growth -- --quick    two months; fails where a ratio is missed
//! ```
//! Papers are of the size that real ones have, 2,000 bytes. Each is read over five days, its votes rise at every read, its
//! content is revised twice; twenty subscribers get a daily digest, and once a week is pruned. Then `paperpost once` reads one
//! day more from a site on this machine and sends what is new into files. Quick or not, the second half of the time must add
//! no more than the papers themselves.

#![expect(clippy::print_stdout, reason = "a benchmark's output is its purpose")]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use chrono::{DateTime, Days, Duration, NaiveDate, Utc};
use fastrand::Rng;
use paperpost::cli::demo::site::{DemoSite, Entry, Lists};
use paperpost::clock::Clock;
use paperpost::core::address::Address;
use paperpost::core::paper::describe::Authority;
use paperpost::core::paper::{Listed, Listing, Paper, PaperKey, ReadOutcome, Route, Snapshot, SourceId};
use paperpost::core::query::Query;
use paperpost::core::schedule::Schedule;
use paperpost::core::subscription::{Keyword, Profile, Rank, Subscription, WhenEmpty};
use paperpost::core::zone::Zone;
use paperpost::jobs::{prune, publish};
use paperpost::store::{ReadRecord, Store};
use tokio_util::sync::CancellationToken;

/// Papers that are listed each day.
const PAPERS: u32 = 100;

/// Days that a list is read over.
const DAYS: u32 = 5;

/// Reads a day, at the end of the time; before that two, since what they leave is thinned out anyway. In two months nothing is.
const READS: u32 = 8;

/// Bytes a paper, with all that is kept of it after three years.
const MOST_A_PAPER: f64 = 1_900.0;

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick" || arg == "--test");
    let days = if quick { 60 } else { 3 * 365 };
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("p.db");
    let mut world = World::new(&database);
    let mut sizes = Vec::new();
    for day in 0..days {
        world.live(day, if quick || day + 30 > days { READS } else { 2 });
        if day + 1 == days / 2 || day + 1 == days {
            world.checkpoint();
            sizes.push(std::fs::metadata(&database).expect("a file").len() as f64);
            println!("{:>5} days {:>8.1} MB", day + 1, sizes[sizes.len() - 1] / 1e6);
        }
    }
    for line in world.tables() {
        println!("      {line}");
    }
    let papers = world.papers;
    drop(world);
    let a_paper = sizes[1] / f64::from(papers);
    println!("{papers} papers, {a_paper:.0} bytes each (at most {MOST_A_PAPER})");
    let seconds = once(folder.path(), days);
    println!("once with a day's new papers: {seconds:.2} s");
    // In two months everything is still kept as it was.
    assert!(quick || a_paper <= MOST_A_PAPER, "{a_paper:.0} bytes a paper");
    assert!(sizes[1] <= 2.1 * sizes[0], "the second half of the time adds more than the first");
}

struct World {
    store: Store,
    database: rusqlite::Connection,
    rng: Rng,
    words: Vec<String>,
    source: SourceId,
    /// Papers of the last days with their votes, newest day last.
    listed: Vec<(NaiveDate, Vec<(Paper, u32)>)>,
    papers: u32,
    /// Reads a day at present.
    reads: u32,
}

fn first_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2023, 11, 1).expect("a day")
}

fn settings() -> publish::Settings {
    publish::Settings { window: Duration::days(14), also: 5, domain: "example.org".into() }
}

impl World {
    fn new(database: &Path) -> Self {
        let mut rng = Rng::with_seed(7);
        let store = Store::open(database).expect("a database");
        let syllables = ["ra", "to", "ne", "li", "mu", "ker", "san", "vo", "tri", "pel", "ing", "est"];
        let mut word = || (0..rng.usize(1..5)).map(|_| syllables[rng.usize(0..syllables.len())]).collect::<String>();
        let words: Vec<String> = (0..5_000).map(|_| word()).collect();
        let subscribers = (0..20).map(|number| subscriber(number, &words)).collect::<Vec<_>>();
        store.sync(&subscribers, at(0, 0, 1)).expect("synced");
        let source = SourceId::parse("huggingface").expect("a name");
        let own = rusqlite::Connection::open(database).expect("the file");
        Self { store, database: own, rng, words, source, listed: Vec::new(), papers: 0, reads: READS }
    }

    /// One day: so many reads, one publish, and the night.
    fn live(&mut self, day: u32, reads: u32) {
        let today = first_day() + Days::new(day.into());
        let papers = (0..PAPERS).map(|number| (self.paper(day, number), 0)).collect();
        self.listed.push((today, papers));
        if self.listed.len() > DAYS as usize {
            self.listed.remove(0);
        }
        self.papers += PAPERS;
        self.reads = reads;
        for read in 0..reads {
            self.read(at(day, read, reads));
        }
        let stop = CancellationToken::new();
        publish::run(&self.store, &settings(), at(day, reads, reads), &stop, |_| {}).expect("published");
        self.database
            .execute("UPDATE outbox SET state = 'sent', reply = '250 2.0.0 Ok: queued' WHERE state = 'queued'", [])
            .expect("sent");
        if day.is_multiple_of(7) {
            prune::run(&self.store, settings().window, at(day, reads, reads), &stop).expect("pruned");
        }
    }

    fn read(&mut self, now: DateTime<Utc>) {
        let mut items = Vec::new();
        for (day, papers) in &mut self.listed {
            for (rank, (paper, votes)) in (1..).zip(papers) {
                *votes += self.rng.u32(0..3);
                // Twice, over all reads that it has.
                if self.rng.u32(0..DAYS * self.reads) < 2 {
                    paper.keywords.push(self.words[self.rng.usize(0..self.words.len())].clone());
                }
                let listing = Listing {
                    source: self.source.clone(),
                    day: *day,
                    rank,
                    upvotes: Some(*votes),
                    comments: Some(*votes / 8),
                };
                items.push(Listed { paper: paper.clone(), aliases: Vec::new(), listing });
            }
        }
        let snapshot = Snapshot {
            source: self.source.clone(),
            authority: Authority::Index,
            taken: now,
            route: Route::Main,
            items,
            skipped: 0,
        };
        let (source, outcome) = (self.source.clone(), ReadOutcome::Fresh);
        let record = ReadRecord { source, at: now, outcome, message: None, unchanged: 0, days: Vec::new() };
        self.store.ingest(&snapshot, &record, "{}").expect("taken in");
    }

    fn paper(&mut self, day: u32, number: u32) -> Paper {
        let id = format!("{:04}.{:05}", 2401 + day / 30, (day % 30) * PAPERS + number);
        let key = PaperKey::arxiv(&id).expect("an id");
        let mut text = |words: usize| {
            // A few words make most of a text.
            let word = |rng: &mut Rng| (self.words.len() as f64 * rng.f64().powi(4)) as usize;
            (0..words).map(|_| self.words[word(&mut self.rng)].as_str()).collect::<Vec<_>>().join(" ")
        };
        let mut paper = Paper::new(key, &text(12), &format!("https://huggingface.co/papers/{id}"));
        paper.abstract_text = text(190);
        paper.authors = (0..8).map(|_| text(2)).collect();
        paper.keywords = (0..8).map(|_| text(2)).collect();
        paper.organization = Some(text(3));
        paper.code = Some(format!("https://example.org/code/{id}"));
        paper
    }

    fn checkpoint(&self) {
        self.database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("a checkpoint");
    }

    fn tables(&self) -> Vec<String> {
        let mut rows = self.database.prepare("SELECT count(*), sum(length(content)) FROM papers").expect("a query");
        let mut out = vec![
            rows.query_row([], |row| {
                Ok(format!("papers {} of {} bytes", row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?.unwrap_or(0)))
            })
            .expect("a row"),
        ];
        for (name, bytes) in
            [("former", "content"), ("revisions", "''"), ("votes", "''"), ("named", "''"), ("editions", "papers")]
        {
            let sql = format!("SELECT count(*), coalesce(sum(length({bytes})), 0) FROM {name}");
            let row = |row: &rusqlite::Row<'_>| {
                Ok(format!("{name} {} of {} bytes", row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            };
            out.push(self.database.query_row(&sql, [], row).expect("a row"));
        }
        out
    }
}

/// The hour of a read, of so many a day.
fn at(day: u32, read: u32, reads: u32) -> DateTime<Utc> {
    (first_day() + Days::new(day.into())).and_hms_opt(1, 0, 0).expect("an hour").and_utc()
        + Duration::minutes((22 * 60 * read / reads).into())
}

fn subscriber(number: usize, words: &[String]) -> Subscription {
    let keyword = |n: usize| Keyword { query: Query::parse(&words[30 + number * 5 + n]).expect("a word"), weight: 1.0 };
    Subscription {
        address: Address::parse(&format!("reader{number}@example.org")).expect("an address"),
        name: None,
        profiles: vec![Profile {
            name: String::new(),
            keywords: (0..3).map(keyword).collect(),
            exclude: Vec::new(),
            must: Vec::new(),
            min_upvotes: 5,
            sources: Vec::new(),
            max_papers: 20,
            rank: Rank::Relevance,
        }],
        schedule: Schedule::parse("daily at 08:00").expect("a schedule"),
        zone: Zone::UTC,
        since: None,
        paused: false,
        when_empty: WhenEmpty::Skip,
    }
}

/// How long the program takes with a day more, in seconds.
fn once(folder: &Path, days: u32) -> f64 {
    let today = Clock::System.now().date_naive();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut lists = Lists::new();
    for ago in 0..u64::from(DAYS) {
        let day = today - Days::new(ago);
        let entries = (0..PAPERS).map(|n| {
            let id = format!("2699.{:05}", ago * u64::from(PAPERS) + u64::from(n));
            Entry { abstract_text: "rato neli muker sanvo ".repeat(60), ..Entry::new(&id, "A tripel of keringest") }
                .on(day)
        });
        lists.insert(day, entries.collect());
    }
    let site = runtime.block_on(DemoSite::start(lists.clone(), lists)).expect("a site");
    let blocks: String = (0..20)
        .map(|n| {
            format!("[[subscription]]\nemail = \"reader{n}@example.org\"\nkeywords = [\"tripel\"]\nmax_papers = 20\n")
        })
        .collect();
    std::fs::write(folder.join("subscriptions.toml"), blocks).expect("written");
    let settings = format!(
        "[database]\npath = \"p.db\"\n[sources.huggingface]\nbase_url = \"{}\"\n[mail]\nfrom = \"papers@example.org\"\n",
        site.base()
    );
    std::fs::write(folder.join("paperpost.toml"), settings).expect("written");
    let mut seconds = f64::MAX;
    for _ in 0..3 {
        let began = Instant::now();
        let output =
            Command::new(env!("CARGO_BIN_EXE_paperpost")).arg("once").current_dir(folder).output().expect("run");
        seconds = seconds.min(began.elapsed().as_secs_f64());
        assert!(output.status.success(), "after {days} days: {}", String::from_utf8_lossy(&output.stdout));
    }
    seconds
}
