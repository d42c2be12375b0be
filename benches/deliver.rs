//! How many mails of twenty papers leave in a second, from the outbox to the outcome on the disk.
//!
//! ```text
//! cargo bench --bench deliver                     everything; some minutes
//! cargo bench --bench deliver -- sink dkim        some parts: sink dkim rsa peers latency growth
//! cargo bench --bench deliver -- --quick sink     small; fails where a floor is missed
//! ```
//! Ours is `jobs::deliver::run` in a process of its own, on a database with `synchronous=FULL`. Absolute rates depend on the
//! machine, so each is measured in turns with a counterpart, and the median of the ratios of the turns is what counts:
//!
//! - **sink**: to Postfix's `smtp-sink`, against its `smtp-source` with mails of that size, 4 connections each;
//! - **dkim**: the same signed with Ed25519;
//! - **rsa**: whole mails signed on one core, against the bare signatures of `openssl speed rsa2048`;
//! - **peers**: against `benches/peers/plain.py`, which needs python3;
//! - **latency**: to a sink that answers 20 ms late, 50 connections, against lettre's pool;
//! - **growth**: ten times the mails, in time and in peak memory.
//!
//! What is not installed is named, and its part left out.

#![expect(clippy::print_stdout, reason = "a benchmark's output is its purpose")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use paperpost::clock::Clock;
use paperpost::compose::Writer;
use paperpost::core::pacing::Policy;
use paperpost::core::server::Pipelining;
use paperpost::jobs::deliver;
use paperpost::jobs::deliver::pace::Pace;
use paperpost::mail::dkim::{Algorithm, Key, Signer, new_key};
use paperpost::mail::smtp::{Smtp, SmtpSettings};
use paperpost::store::{OutboxState, Store};
use tokio_util::sync::CancellationToken;

mod made_up;
mod queue;
mod sender;
mod sink;

/// Later than any answer of the simulated distance.
const DELAY: Duration = Duration::from_millis(20);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, rest @ ..] = args.as_slice()
        && flag == "--step"
    {
        return step(rest);
    }
    let quick = args.iter().any(|arg| arg == "--quick" || arg == "--test");
    let parts: Vec<&str> = args.iter().filter(|arg| !arg.starts_with("--")).map(String::as_str).collect();
    let mut bench = Bench { quick, folder: tempfile::tempdir().expect("a folder"), missed: Vec::new() };
    type Part = fn(&mut Bench);
    let all: [(&str, Part); 6] = [
        ("sink", Bench::sink),
        ("dkim", Bench::dkim),
        ("rsa", Bench::rsa),
        ("peers", Bench::peers),
        ("latency", Bench::latency),
        ("growth", Bench::growth),
    ];
    assert!(
        parts.iter().all(|part| all.iter().any(|(name, _)| name == part)),
        "parts: sink dkim rsa peers latency growth"
    );
    for (name, run) in all {
        if parts.is_empty() || parts.contains(&name) {
            println!("{name}");
            run(&mut bench);
        }
    }
    assert!(bench.missed.is_empty(), "missed: {}", bench.missed.join("; "));
}

struct Bench {
    quick: bool,
    folder: tempfile::TempDir,
    missed: Vec<String>,
}

/// What a run of ours took.
struct Ours {
    seconds: f64,
    mails: f64,
    /// Bytes of resident memory, at most.
    peak: f64,
}

impl Ours {
    fn rate(&self) -> f64 {
        self.mails / self.seconds
    }
}

impl Bench {
    fn sink(&mut self) {
        let Some(sink) = postfix_sink() else { return };
        self.against_source("no signature", "none", &sink, 0.70, 1.05);
    }

    fn dkim(&mut self) {
        let Some(sink) = postfix_sink() else { return };
        self.against_source("Ed25519", "ed25519", &sink, 0.62, 0.90);
    }

    fn rsa(&mut self) {
        let (database, _) = self.queue(50);
        let store = Store::open(&database).expect("the database");
        let mailings: Vec<_> = (1..=50).filter_map(|edition| store.mailing(edition).expect("a database")).collect();
        let plain = Writer::new(store, sender::sender(None));
        let mails: Vec<_> = mailings.iter().map(|mailing| plain.write(mailing).expect("a mail")).collect();
        let signer = signer("rsa").expect("a key");
        let mut ratios = Vec::new();
        for _ in 0..if self.quick { 3 } else { 9 } {
            let Some(openssl) = openssl_signs() else {
                return println!("  left out: openssl is not installed, or says something unknown");
            };
            let ours = signed_a_second(&signer, &mails);
            println!("  whole mails {ours:.0}/s, openssl's bare signatures {openssl:.0}/s, one core each");
            ratios.push(ours / openssl);
        }
        self.expect("mails signed with RSA-2048 a second on a core, of openssl's", median(ratios), 0.80, 0.95);
    }

    fn peers(&mut self) {
        let Some(sink) = postfix_sink() else { return };
        let (count, rounds) = if self.quick { (1_000, 3) } else { (8_000, 5) };
        let (database, size) = self.queue(count);
        let papers = self.folder.path().join("papers.json");
        std::fs::write(&papers, papers_for_python(size)).expect("written");
        let plain = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/plain.py");
        let mut ratios = Vec::new();
        for _ in 0..rounds {
            let ours = self.ours(&database, sink.port, 4, "none", "commands");
            let mails = count / 20;
            let args = [plain.as_os_str().to_owned(), sink.port.to_string().into(), mails.to_string().into()];
            let Ok(output) = Command::new("python3").args(args).arg(&papers).output() else {
                return println!("  left out: python3 is not installed");
            };
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let mut numbers = text.split_whitespace().filter_map(|word| word.parse::<f64>().ok());
            let (seconds, octets) = (numbers.next().expect("seconds"), numbers.next().expect("octets"));
            let rate = mails as f64 / seconds;
            let note = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            println!("  ours {:.0}/s of {size} octets, plain.py {rate:.0}/s of {octets} {note}", ours.rate());
            ratios.push(ours.rate() / rate);
        }
        self.expect("times as many mails as plain.py", median(ratios), 15.0, 25.0);
    }

    fn latency(&mut self) {
        let sink = sink::Sink::start(DELAY);
        let (count, rounds) = if self.quick { (2_000, 1) } else { (6_000, 3) };
        let (database, size) = self.queue(count);
        let mut ratios = Vec::new();
        for _ in 0..rounds {
            let theirs = lettre_pool(sink.port(), count / 8, size);
            let commands = self.ours(&database, sink.port(), 50, "none", "commands").rate();
            let mails = self.ours(&database, sink.port(), 50, "none", "mails").rate();
            println!(
                "  20 ms late: lettre's pool {theirs:.0}/s, ours {commands:.0}/s, pipelining \"mails\" {mails:.0}/s"
            );
            ratios.push((commands / theirs, mails / theirs));
        }
        let (commands, mails) = ratios.into_iter().unzip();
        self.expect("times as many mails as lettre's pool", median(commands), 3.0, 3.4);
        self.expect("the same with pipelining = \"mails\"", median(mails), 3.0, 6.0);
    }

    fn growth(&mut self) {
        let sink = sink::Sink::start(Duration::ZERO);
        let count = if self.quick { 1_000 } else { 10_000 };
        let (few, many) = (self.queue(count).0, self.queue(10 * count).0);
        let mut ratios = Vec::new();
        let mut peaks = (0.0_f64, 0.0_f64);
        for _ in 0..3 {
            let few = self.ours(&few, sink.port(), 4, "none", "commands");
            let many = self.ours(&many, sink.port(), 4, "none", "commands");
            println!("  {} mails {:.2} s, {:.1} MB", few.mails, few.seconds, few.peak / 1e6);
            println!("  {} mails {:.2} s, {:.1} MB", many.mails, many.seconds, many.peak / 1e6);
            ratios.push(10.0 * few.rate() / many.rate());
            peaks = (peaks.0.max(few.peak), peaks.1.max(many.peak));
        }
        self.expect_at_most("ten times the mails take, times as long", median(ratios), 11.0, 10.3);
        self.expect_at_most("megabytes of memory at most", peaks.1 / 1e6, 100.0, 40.0);
    }

    /// Rounds of ours and of `smtp-source` in turns.
    fn against_source(&mut self, what: &str, signer: &str, sink: &PostfixSink, floor: f64, aim: f64) {
        let (count, rounds) = if self.quick { (2_000, 3) } else { (20_000, 5) };
        let (database, size) = self.queue(count);
        let mut ratios = Vec::new();
        for _ in 0..rounds {
            let Some(source) = postfix_source(sink.port, count, size) else { return };
            let ours = self.ours(&database, sink.port, 4, signer, "commands").rate();
            println!("  {what}: smtp-source {source:.0}/s, ours {ours:.0}/s of {size} octets");
            ratios.push(ours / source);
        }
        self.expect(&format!("mails a second of smtp-source's, {what}"), median(ratios), floor, aim);
    }

    /// A database with so many mails, and their average size.
    fn queue(&self, mails: usize) -> (PathBuf, usize) {
        let path = self.folder.path().join(format!("{mails}.db"));
        let store = if path.exists() { Store::open(&path).expect("the database") } else { queue::fill(&path, mails) };
        let writer = Writer::new(store.clone(), sender::sender(None));
        let some = (1..=100.min(mails as i64)).filter_map(|edition| store.mailing(edition).expect("a database"));
        let sizes: Vec<usize> = some.map(|mailing| writer.write(&mailing).expect("a mail").len()).collect();
        (path, sizes.iter().sum::<usize>() / sizes.len())
    }

    /// Sends a copy of the queue.
    fn ours(&self, database: &Path, port: u16, connections: usize, signer: &str, pipelining: &str) -> Ours {
        let copy = self.folder.path().join("copy.db");
        for suffix in ["-wal", "-shm"] {
            std::fs::remove_file(self.folder.path().join(format!("copy.db{suffix}"))).ok();
        }
        std::fs::copy(database, &copy).expect("a copy");
        let output = Command::new(std::env::current_exe().expect("this program"))
            .args(["--step", &copy.to_string_lossy(), &port.to_string(), &connections.to_string(), signer, pipelining])
            .output()
            .expect("this program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<f64> = text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        Ours { seconds: numbers[0], mails: numbers[1], peak: numbers[2] }
    }

    fn expect(&mut self, what: &str, value: f64, floor: f64, aim: f64) {
        println!("  {what:<58} {value:>8.2}   (at least {floor}, aim {aim})");
        if value < floor {
            self.missed.push(format!("{what}: {value:.2}, at least {floor} expected"));
        }
    }

    fn expect_at_most(&mut self, what: &str, value: f64, most: f64, aim: f64) {
        println!("  {what:<58} {value:>8.2}   (at most {most}, aim {aim})");
        if value > most {
            self.missed.push(format!("{what}: {value:.2}, at most {most} expected"));
        }
    }
}

/// One run of ours in a process of its own: prints seconds, mails and peak memory in bytes.
fn step(args: &[String]) {
    let [database, port, connections, signer, pipelining] = args else { panic!("five arguments") };
    let store = Store::open(Path::new(database)).expect("the database");
    let connections = connections.parse().expect("a number");
    let pipelining = if pipelining == "mails" { Pipelining::Mails } else { Pipelining::Commands };
    let smtp = SmtpSettings {
        connections,
        pipelining,
        mails_per_connection: 100_000,
        ..SmtpSettings::new("127.0.0.1", port.parse().expect("a port"), "bench.example.org")
    };
    let transport = Arc::new(Smtp::new(smtp).expect("settings"));
    // One relay for all: no domain is paced.
    let mut policy = Policy::default();
    policy.domain.connections = u32::MAX;
    let settings = deliver::Settings {
        sender: sender::sender(self::signer(signer)),
        shared: Arc::default(),
        connections,
        pace: Arc::new(Pace::new(policy)),
        soft_limit: 5,
        soft_days: 10,
    };
    let clock = Clock::fixed(queue::now());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let start = Instant::now();
    runtime.block_on(async {
        let stop = CancellationToken::new();
        loop {
            let report = deliver::run(&store, &transport, &settings, &clock, &stop).await.expect("a working database");
            assert!(report.outage.is_none() && report.failed + report.retried == 0, "{report:?}");
            if !report.has_more {
                break;
            }
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let counts = store.queue().expect("a queue").counts;
    assert_eq!(counts.len(), 1, "all sent: {counts:?}");
    assert_eq!(counts[0].0, OutboxState::Sent);
    println!("{seconds} {} {}", counts[0].1, peak_memory());
}

fn signer(kind: &str) -> Option<Signer> {
    let algorithm = match kind {
        "rsa" => Algorithm::Rsa,
        "ed25519" => Algorithm::Ed25519,
        _ => return None,
    };
    let key = Key::from_pem("s1", &new_key(algorithm).expect("a key")).expect("a key");
    Some(Signer::new("example.org", vec![key]).expect("a signer"))
}

/// Mails a second through lettre's pool as it is released, 50 connections.
fn lettre_pool(port: u16, mails: usize, size: usize) -> f64 {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let pool = lettre::transport::smtp::PoolConfig::new().max_size(50);
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1").port(port);
        let transport = builder.pool_config(pool).build();
        let addresses = ("papers@example.org".parse().ok(), vec!["reader@example.org".parse().expect("an address")]);
        let envelope = lettre::address::Envelope::new(addresses.0, addresses.1).expect("an envelope");
        let message: Vec<u8> = b"Subject: x\r\n\r\n".iter().chain(LINE.iter().cycle()).take(size).copied().collect();
        let message = Arc::new(message);
        let start = Instant::now();
        let workers: tokio::task::JoinSet<()> = (0..50)
            .map(|worker| {
                let (transport, envelope, message) = (transport.clone(), envelope.clone(), message.clone());
                async move {
                    for _ in (worker..mails).step_by(50) {
                        transport.send_raw(&envelope, &message).await.expect("taken");
                    }
                }
            })
            .collect();
        workers.join_all().await;
        mails as f64 / start.elapsed().as_secs_f64()
    })
}

const LINE: &[u8] = b"A line of seventy-six characters, more or less, such as mails are made of.\r\n";

/// Postfix's sink on a port of its own, ended with this value.
struct PostfixSink {
    process: Child,
    port: u16,
}

impl Drop for PostfixSink {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn postfix_sink() -> Option<PostfixSink> {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let mut command = Command::new("smtp-sink");
    command.env("PATH", "/usr/sbin:/usr/local/sbin:/usr/bin:/bin").stderr(Stdio::null());
    // It refuses to stay root, and takes no user from anybody else.
    if std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        command.args(["-u", "nobody"]);
    }
    let Ok(process) = command.args([&format!("127.0.0.1:{port}"), "1000"]).spawn() else {
        println!("  left out: smtp-sink is not installed (Debian: postfix)");
        return None;
    };
    let sink = PostfixSink { process, port };
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(sink)
}

/// Mails a second that `smtp-source` sends over 4 connections that it keeps.
fn postfix_source(port: u16, mails: usize, size: usize) -> Option<f64> {
    let start = Instant::now();
    let ended = Command::new("smtp-source")
        .env("PATH", "/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
        .args(["-d", "-s", "4", "-m", &mails.to_string(), "-l", &size.to_string(), &format!("127.0.0.1:{port}")])
        .status();
    let Ok(ended) = ended else {
        println!("  left out: smtp-source is not installed (Debian: postfix)");
        return None;
    };
    assert!(ended.success());
    Some(mails as f64 / start.elapsed().as_secs_f64())
}

/// Mails signed in a second of time on the core, as openssl counts it: what else the machine does is not in it.
fn signed_a_second(signer: &Signer, mails: &[Vec<u8>]) -> f64 {
    let start = time_on_core();
    let mut signed = 0;
    for mail in mails.iter().cycle() {
        signer.sign(mail, queue::now()).expect("signed");
        signed += 1;
        if time_on_core() - start >= 1.0 {
            break;
        }
    }
    f64::from(signed) / (time_on_core() - start)
}

/// RSA-2048 signatures a second on one core, as openssl measures itself.
fn openssl_signs() -> Option<f64> {
    let output = Command::new("openssl").args(["speed", "-seconds", "1", "rsa2048"]).stderr(Stdio::null()).output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    // "rsa 2048 bits 0.000668s 0.000020s   1496.2  50894.3": the bits, two times with their unit, signs, verifications.
    let line = text.lines().find(|line| line.trim_start().starts_with("rsa 2048 bits"))?;
    line.split_whitespace().filter_map(|word| word.parse().ok()).nth(1)
}

/// Twenty papers of such a length that plain.py makes mails of about `size` octets.
fn papers_for_python(size: usize) -> String {
    let words = "retrieval of sparse passages at scale with an index that fits in memory and ";
    let text: String = words.chars().cycle().take((size / 20).saturating_sub(1_300) / 2).collect();
    let paper = |n: usize| {
        serde_json::json!({
            "title": format!("Sparse retrieval at scale, part {n}: an index that fits in memory"),
            "url": format!("https://example.org/papers/2603.{n:05}"),
            "authors": "A. Author, B. Author, C. Author + 1 more",
            "organization": "An Institute of Example Studies",
            "upvotes": 40 + n,
            "abstract": text,
            "because": "sparse retrieval, index",
            "code": format!("https://example.org/code/{n}"),
        })
    };
    serde_json::Value::from((0..20).map(paper).collect::<Vec<_>>()).to_string()
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

/// Seconds that this thread has spent on a core.
fn time_on_core() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanoseconds: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).expect("nanoseconds");
    nanoseconds / 1e9
}

/// The most resident memory that this process ever had, in bytes; 0 where the system doesn't tell.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1_024
}
