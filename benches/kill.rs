//! What is lost and what comes twice when the program is killed again and again.
//!
//! ```text
//! cargo bench --bench kill               twenty thousand mails, two hundred kills; three minutes
//! cargo bench --bench kill -- --quick    two thousand mails, twenty kills
//! cargo bench --bench kill -- --postfix  to a Postfix, which needs root; slower
//! ```
//! The real program delivers to a server over TCP, over four connections, and gets a SIGKILL at a random instant, over
//! and over. At the end it may finish. Then everybody must have their mail, at most one mail a connection may have come
//! again for each kill, and whatever came again must be the same mail: octet for octet, as a small server of our own tells, or
//! by its Message-ID, as Postfix logs it. The instants are drawn from a seed that is printed; `-- --seed N` draws them again.

#![expect(clippy::print_stdout, reason = "a benchmark's output is its purpose")]

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use made_up::MadeUp;
use postfix::Postfix;

mod made_up;
mod postfix;
mod queue;

const CONNECTIONS: usize = 4;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let quick = args.iter().any(|arg| arg == "--quick" || arg == "--test");
    let seed = args.iter().skip_while(|arg| *arg != "--seed").nth(1).map_or(17, |seed| seed.parse().expect("a number"));
    let (wanted, kills) = if quick { (2_000, 20) } else { (20_000, 200) };
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("p.db");
    drop(queue::fill(&database, wanted));
    let count =
        |database: rusqlite::Connection| database.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0));
    let mails: usize = rusqlite::Connection::open(&database).and_then(count).expect("a number");
    let server: Box<dyn Server> =
        if args.iter().any(|arg| arg == "--postfix") { Box::new(Postfix::start()) } else { Box::new(Hasher::start()) };
    configure(folder.path(), server.port(), wanted);

    println!("{mails} mails, {kills} kills, seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let mut killed = 0;
    while killed < kills {
        let mut child = deliver(folder.path()).spawn().expect("the program");
        // Some while it starts, most after some mails, and then a moment later.
        let enough = server.taken() + rng.usize(0..120);
        let at_start = rng.u32(0..10) == 0;
        while !at_start && server.taken() < enough {
            assert!(child.try_wait().expect("a child").is_none(), "all was sent after {killed} kills");
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(Duration::from_micros(rng.u64(0..if at_start { 500_000 } else { 3_000 })));
        child.kill().expect("killed");
        child.wait().expect("ended");
        killed += 1;
    }
    let left = mails - server.received().len();
    let last = deliver(folder.path()).status().expect("the program");
    assert!(last.success(), "{last}");

    let received = server.received();
    let lost = mails - received.len();
    let again: usize = received.values().map(|copies| copies.len() - 1).sum();
    let changed = received.values().filter(|copies| copies.iter().any(|copy| copy != &copies[0])).count();
    println!("  {left} were left after the last kill");
    println!("  lost {lost}, came again {again} (at most {}), came changed {changed}", CONNECTIONS * killed);
    assert!(lost == 0 && again <= CONNECTIONS * killed && changed == 0, "missed");
}

fn configure(folder: &Path, port: u16, subscriptions: usize) {
    let settings = format!(
        "[database]\npath = \"p.db\"\n[mail]\nfrom = \"Paperpost <papers@example.org>\"\ntransport = \"smtp\"\n\
         [smtp]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nconnections = {CONNECTIONS}\n\
         [log]\nlevel = \"error\"\n"
    );
    std::fs::write(folder.join("paperpost.toml"), settings).expect("written");
    // Those that the database has: a subscriber who isn't in the file gets nothing.
    let mut rng = Rng::with_seed(queue::SEED);
    let made_up = MadeUp::new(&mut rng);
    let subscription = |number: usize| {
        let keywords = made_up.profile(&mut rng).keywords;
        let keywords: Vec<String> = keywords.iter().map(|keyword| format!("'{}'", keyword.query)).collect();
        format!(
            "[[subscription]]\nemail = \"reader{number}@example.org\"\nschedule = \"daily at 08:00\"\nzone = \"UTC\"\n\
             max_papers = {}\nwhen_empty = \"skip\"\nkeywords = [{}]\n",
            made_up::TOP,
            keywords.join(", ")
        )
    };
    let subscriptions: String = (0..subscriptions).map(subscription).collect();
    std::fs::write(folder.join("subscriptions.toml"), subscriptions).expect("written");
}

fn deliver(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paperpost"));
    command.arg("deliver").current_dir(folder).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// What takes the mails.
trait Server {
    fn port(&self) -> u16;

    /// How many mails it has taken.
    fn taken(&self) -> usize;

    /// What it has taken, by recipient: what tells one mail from another, for each copy.
    fn received(&self) -> HashMap<String, Vec<String>>;
}

impl Server for Postfix {
    fn port(&self) -> u16 {
        self.port
    }

    fn taken(&self) -> usize {
        self.taken()
    }

    fn received(&self) -> HashMap<String, Vec<String>> {
        self.received()
    }
}

/// A server that remembers a hash of each mail.
struct Hasher {
    port: u16,
    taken: Arc<AtomicUsize>,
    received: Arc<Mutex<HashMap<String, Vec<String>>>>,
}

impl Hasher {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let received = Arc::<Mutex<HashMap<String, Vec<String>>>>::default();
        let taken = Arc::<AtomicUsize>::default();
        let (all, count) = (received.clone(), taken.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (all, count) = (all.clone(), count.clone());
                // A client that was killed ends the conversation; that is no trouble.
                std::thread::spawn(move || converse(&stream, &all, &count).ok());
            }
        });
        Self { port, taken, received }
    }
}

impl Server for Hasher {
    fn port(&self) -> u16 {
        self.port
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    fn received(&self) -> HashMap<String, Vec<String>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn converse(stream: &TcpStream, all: &Mutex<HashMap<String, Vec<String>>>, count: &AtomicUsize) -> std::io::Result<()> {
    // Three short replies in a row would else wait for the client's acknowledgements.
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    writer.write_all(b"220 sink.example.org ready\r\n")?;
    let (mut line, mut to) = (Vec::new(), String::new());
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        match line.first_chunk::<4>() {
            Some(b"EHLO") => writer.write_all(b"250-sink.example.org\r\n250 PIPELINING\r\n")?,
            Some(b"RCPT") => {
                to = String::from_utf8_lossy(&line).into_owned();
                writer.write_all(b"250 ok\r\n")?;
            }
            Some(b"DATA") => {
                writer.write_all(b"354 go on\r\n")?;
                let mut hasher = DefaultHasher::new();
                loop {
                    line.clear();
                    if reader.read_until(b'\n', &mut line)? == 0 {
                        return Ok(());
                    }
                    if line == b".\r\n" {
                        break;
                    }
                    line.hash(&mut hasher);
                }
                // Taken is taken, whether or not anybody is there to hear it.
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                all.entry(to.clone()).or_default().push(hasher.finish().to_string());
                drop(all);
                count.fetch_add(1, Ordering::Relaxed);
                writer.write_all(b"250 taken\r\n")?;
            }
            Some(b"QUIT") => return writer.write_all(b"221 bye\r\n"),
            _ => writer.write_all(b"250 ok\r\n")?,
        }
    }
}
