//! A site that answers as Hugging Face does, on a socket of its own, and fails when a test says so.
//!
//! It speaks HTTP/1.1 by hand, one request a connection: a truncated body, a lie about its length and a silent close
//! are things that no server library lets one do.

mod page;

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::NaiveDate;
use paperpost::cli::demo::site::{Entry, Lists, daily_papers};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::{Position, Url};

pub(crate) use page::Markup;

/// An invented paper with votes, an abstract and two authors, to be changed by the test that lists it.
pub(crate) fn paper(id: &str, title: &str) -> Entry {
    Entry {
        abstract_text: format!("An abstract about {title}."),
        authors: vec!["A. Author".into(), "B. Author".into()],
        upvotes: 10,
        comments: 1,
        ..Entry::new(id, title)
    }
}

/// A day, written as the site writes it.
pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day like 2026-01-05")
}

/// What goes wrong with an answer.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Another status and a short text.
    Status(u16),
    /// A status with these headers, and no body.
    Headers(u16, Vec<(&'static str, &'static str)>),
    /// 200 with this body; `leak` one that is made.
    Body(&'static str),
    /// 200 with this gzipped body.
    Gzip(&'static [u8]),
    /// As many bytes of JSON white space.
    Big(usize),
    /// A pause before the usual answer.
    Delay(Duration),
    /// The usual answer's first half, then the end of the connection.
    Truncate,
    /// The usual answer's head, and then nothing for ever.
    Stall,
    /// The end of the connection, without a word.
    Hangup,
    /// 202 and the header of a web application firewall.
    Challenge,
    /// A redirect to this address.
    Redirect(String),
}

/// One request that the site saw.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Path and query.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// A header's value, by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The running site; it stops when dropped.
pub(crate) struct Site {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct State {
    lists: Lists,
    faults: Vec<(String, Fault, Lasting)>,
    requests: Vec<Request>,
    robots: Option<String>,
    etags: bool,
    /// The most papers that are given at once, whatever is asked for.
    most: Option<usize>,
    markup: Markup,
}

#[derive(PartialEq)]
enum Lasting {
    Once,
    UntilMended,
}

impl Site {
    /// An empty site on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state, server }
    }

    /// Where it is.
    pub(crate) fn base(&self) -> Url {
        self.url("/")
    }

    /// The address of a path on it.
    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).expect("an address")
    }

    /// Lists a paper on a day, in place of what was listed under its id there.
    pub(crate) fn list(&self, day: NaiveDate, entry: Entry) {
        let item = entry.on(day);
        let mut state = self.state();
        let list = state.lists.entry(day).or_default();
        list.retain(|known| known["paper"]["id"] != item["paper"]["id"]);
        list.push(item);
    }

    /// Puts JSON on a day's list as it is.
    pub(crate) fn list_raw(&self, day: NaiveDate, item: Value) {
        self.state().lists.entry(day).or_default().push(item);
    }

    /// The next request whose path and query begin with `prefix` fails so. Faults for the same prefix queue up.
    pub(crate) fn fail_next(&self, prefix: &str, fault: Fault) {
        self.state().faults.push((prefix.to_owned(), fault, Lasting::Once));
    }

    /// All such requests fail so, until mended.
    pub(crate) fn fail(&self, prefix: &str, fault: Fault) {
        self.state().faults.push((prefix.to_owned(), fault, Lasting::UntilMended));
    }

    /// Nothing fails any more.
    pub(crate) fn mend(&self) {
        self.state().faults.clear();
    }

    /// From now on there is a robots.txt.
    pub(crate) fn robots(&self, text: &str) {
        self.state().robots = Some(text.to_owned());
    }

    /// From now on answers have an ETag, and 304 is given for it.
    pub(crate) fn etags(&self) {
        self.state().etags = true;
    }

    /// From now on no answer of the API has more papers than this.
    pub(crate) fn give_at_most(&self, papers: usize) {
        self.state().most = Some(papers);
    }

    /// From now on pages are marked up so.
    pub(crate) fn markup(&self, markup: Markup) {
        self.state().markup = markup;
    }

    /// Every request so far, in order.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// How many requests so far began with `prefix`.
    pub(crate) fn asked(&self, prefix: &str) -> usize {
        self.state().requests.iter().filter(|request| request.target.starts_with(prefix)).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the site")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A whole answer, before anything goes wrong with it.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("content-type".into(), media_type.into())], body: body.into() }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn head(&self) -> String {
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<String>();
        format!(
            "HTTP/1.1 {} -\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
            self.status,
            self.body.len()
        )
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let Some(request) = read_request(&mut stream).await else { return };
    let (mut answer, fault) = {
        let mut state = state.lock().expect("no test panics while it holds the site");
        state.requests.push(request.clone());
        let found = state.faults.iter().position(|(prefix, ..)| request.target.starts_with(prefix));
        let fault = found.map(|at| match state.faults[at].2 {
            Lasting::Once => state.faults.remove(at).1,
            Lasting::UntilMended => state.faults[at].1.clone(),
        });
        (state.answer(&request), fault)
    };
    let mut sent = usize::MAX;
    match fault {
        None => {}
        Some(Fault::Status(status)) => answer = Answer::new(status, "text/plain", format!("status {status}")),
        Some(Fault::Headers(status, headers)) => {
            answer = headers.iter().fold(Answer::new(status, "text/plain", ""), |a, (name, value)| a.with(name, value));
        }
        Some(Fault::Body(body)) => answer = Answer::new(200, "text/plain", body),
        Some(Fault::Gzip(body)) => {
            answer = Answer::new(200, "application/json", body).with("content-encoding", "gzip");
        }
        Some(Fault::Big(length)) => answer = Answer::new(200, "application/json", vec![b' '; length]),
        // A real wait: the client has to wait as long.
        Some(Fault::Delay(pause)) => tokio::time::sleep(pause).await,
        Some(Fault::Truncate) => sent = answer.body.len() / 2,
        Some(Fault::Stall) => {
            let _ = stream.write_all(answer.head().as_bytes()).await;
            return std::future::pending().await;
        }
        Some(Fault::Hangup) => return,
        Some(Fault::Challenge) => {
            answer = Answer::new(202, "text/html", "").with("x-amzn-waf-action", "challenge");
        }
        Some(Fault::Redirect(to)) => answer = Answer::new(302, "text/plain", "").with("location", &to),
    }
    // A client that has seen enough may be gone by now.
    let _ = stream.write_all(answer.head().as_bytes()).await;
    let _ = stream.write_all(&answer.body[..answer.body.len().min(sent)]).await;
    let _ = stream.shutdown().await;
}

async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(1..) if head.len() > 100_000 => return None,
            Ok(length @ 1..) => head.extend_from_slice(&buffer[..length]),
            _ => return None,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let target = lines.next()?.strip_prefix("GET ")?.split(' ').next()?;
    // Who takes this site for a proxy names another one (RFC 9112 section 3.2.2).
    let target = match Url::parse(target) {
        Ok(url) => url[Position::BeforePath..Position::AfterQuery].to_owned(),
        Err(_) => target.to_owned(),
    };
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Some(Request { target, headers })
}

impl State {
    fn answer(&self, request: &Request) -> Answer {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let html = |text: String| Answer::new(200, "text/html; charset=utf-8", text);
        let answer = match path {
            "/api/daily_papers" => {
                let query = match self.most {
                    Some(most) => query.replace("limit=100", &format!("limit={most}")),
                    None => query.to_owned(),
                };
                let (status, body) = daily_papers(&self.lists, &query);
                Answer::new(status, "application/json; charset=utf-8", body)
            }
            "/papers/trending" => {
                html(page::of(self.markup, None, &self.lists.values().flatten().cloned().collect::<Vec<_>>()))
            }
            "/robots.txt" => match &self.robots {
                Some(text) => Answer::new(200, "text/plain", text.as_str()),
                None => Answer::new(404, "text/plain", "not found"),
            },
            _ => match path.strip_prefix("/papers/date/").and_then(|day| day.parse::<NaiveDate>().ok()) {
                None => Answer::new(404, "text/html", "<p>not found"),
                // A day that is not there yet becomes the latest one.
                Some(day) => match self.lists.keys().next_back() {
                    Some(latest) if day > *latest => {
                        Answer::new(307, "text/plain", "").with("location", &format!("/papers/date/{latest}"))
                    }
                    _ => html(page::of(self.markup, Some(day), self.lists.get(&day).map_or(&[], Vec::as_slice))),
                },
            },
        };
        if !self.etags || answer.status != 200 {
            return answer;
        }
        let mut hasher = DefaultHasher::new();
        answer.body.hash(&mut hasher);
        let etag = format!("W/\"{:x}\"", hasher.finish());
        if request.header("if-none-match") == Some(&etag) {
            return Answer::new(304, "text/plain", "").with("etag", &etag);
        }
        answer.with("etag", &etag)
    }
}
