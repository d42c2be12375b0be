//! One polite GET.
//!
//! A [`Client`] says who it is, takes its time and its share, and gives up in bounded time: every answer has a size
//! limit, every try a timeout, and all tries with the pauses between them an end. What may pass is tried again - 5xx,
//! timeouts, broken connections, and 429 after the wait that the server asks for; what will not - any other 4xx, a
//! challenge for browsers - is returned at once, in an error that tells these cases apart.
//!
//! It neither parses nor remembers. Validators (RFC 9110 section 8.8) come in by argument and go out with the answer: only
//! the caller knows when what was read is safe, and a validator kept any earlier would lose papers.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED,
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::FetchError;
use super::progress::{Listener, Wait};
use super::redirect;
use super::robots::{Robots, product_token};
use super::wait;
use crate::core::paper::clean_text;

/// How a [`Client`] behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name, version and a way to reach whoever runs it: `paperpost/0.1 (+https://example.org; papers@example.org)`.
    /// The name before the slash is what robots.txt files address.
    pub user_agent: String,
    /// For the connection, TLS included.
    pub connect_timeout: Duration,
    /// For one try, from the request to the last byte of the body.
    pub timeout: Duration,
    /// Bytes of a body, after decompression.
    pub max_body: usize,
    /// Tries of one GET, the first included; at least 1.
    pub tries: u32,
    /// The pause after the first failed try; it doubles with each, give or take a half.
    pub backoff: Duration,
    /// For one GET with all its tries and pauses. A server that asks for a longer wait is left alone instead.
    pub patience: Duration,
    /// The least time between two requests to one host; zero for none, as suits the few that one read of a list needs.
    pub pause: Duration,
    /// How long a host may take for an answer until the listener is told, and again after each such time.
    pub slow: Duration,
}

impl Options {
    /// What suits a daemon that polls a few pages every few hours. The patience outlasts the five-minute window in
    /// which Hugging Face counts requests.
    pub fn new(user_agent: impl Into<String>) -> Self {
        Self {
            user_agent: user_agent.into(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            max_body: 16 << 20,
            tries: 4,
            backoff: Duration::from_secs(1),
            patience: Duration::from_secs(360),
            pause: Duration::ZERO,
            slow: Duration::from_secs(5),
        }
    }
}

/// A bearer token (RFC 6750) and the one origin it is meant for. Prints masked.
#[derive(Clone)]
pub struct Token {
    header: HeaderValue,
    origin: url::Origin,
}

impl Token {
    /// The token for `base` and nothing else: no other host, scheme or port ever sees it. `None` when it has characters
    /// that no header can carry.
    pub fn new(secret: &str, base: &Url) -> Option<Self> {
        let mut header = HeaderValue::from_str(&format!("Bearer {}", secret.trim())).ok()?;
        header.set_sensitive(true);
        Some(Self { header, origin: base.origin() })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// What a server gave to ask "has it changed?" with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// Sent back as If-None-Match, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Sent back as If-Modified-Since, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// How a GET ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The server has nothing newer than the validators that were sent (304).
    NotModified,
    /// A body.
    Answer(Answer),
}

/// A body and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The address after redirects.
    pub url: Url,
    /// The media type as the server gave it.
    pub content_type: Option<String>,
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// What to ask with next time, if the server gave anything.
    pub validators: Option<Validators>,
}

/// How long a robots.txt holds (RFC 9309 section 2.4: no more than a day)…
const ROBOTS_HOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// …and how long a host that could not give it is left alone.
const ROBOTS_RETRY: Duration = Duration::from_secs(10 * 60);

/// The one HTTP client of all sources. Cheap to share by reference; connections are kept and reused.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    options: Options,
    /// When the next request to a host may start.
    turns: Mutex<HashMap<String, Instant>>,
    /// The rules of each origin and until when they hold; `None` where they could not be read.
    robots: Mutex<HashMap<url::Origin, (Instant, Option<Robots>)>>,
    listener: Option<Listener>,
}

impl Client {
    /// Builds the client. Fails when the user agent can't stand in a header, or the system has no certificates.
    pub fn new(options: Options) -> Result<Self, FetchError> {
        let http = builder(&options).build().map_err(|error| FetchError::Network(root_cause(&error)))?;
        Ok(Self { http, options, turns: Mutex::default(), robots: Mutex::default(), listener: None })
    }

    /// The client with somebody who is told what it waits for.
    #[must_use]
    pub fn with_listener(self, listener: Listener) -> Self {
        Self { listener: Some(listener), ..self }
    }

    /// Reads an address of an API or a feed. `validators` are those that the same address gave before.
    pub async fn get(
        &self,
        url: &Url,
        validators: Option<&Validators>,
        token: Option<&Token>,
    ) -> Result<Fetched, FetchError> {
        let deadline = Instant::now() + self.options.patience;
        let mut attempt = 1;
        loop {
            self.take_turn(url).await;
            let attempt_made = self.attempt(url, validators, token, deadline);
            let failure = match self.telling(url, attempt_made).await {
                Ok(fetched) => return Ok(fetched),
                Err(failure) => failure,
            };
            let pause = failure.wait.unwrap_or_default().max(self.backoff(attempt));
            if !failure.may_pass() || attempt >= self.options.tries || Instant::now() + pause > deadline {
                return Err(failure.error);
            }
            tracing::debug!(%url, attempt, error = %failure.error, pause_ms = pause.as_millis(), "will ask again");
            self.tell(|| Wait::Again { host: host(url), why: failure.error.clone(), pause });
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// Reads a web page, if the robots.txt of its host lets us.
    pub async fn get_page(&self, url: &Url) -> Result<Answer, FetchError> {
        self.may_read(url).await?;
        match self.get(url, None, None).await? {
            Fetched::Answer(answer) => Ok(answer),
            Fetched::NotModified => Err(FetchError::Status { status: 304, detail: String::new() }),
        }
    }

    async fn attempt(
        &self,
        url: &Url,
        validators: Option<&Validators>,
        token: Option<&Token>,
        deadline: Instant,
    ) -> Result<Fetched, Failure> {
        let mut response = self.send(url, validators, token, deadline).await?;

        let status = response.status();
        let wait = match status {
            StatusCode::TOO_MANY_REQUESTS => wait::after_429(response.headers()),
            _ => wait::after_5xx(response.headers()),
        };
        let challenge = response.headers().contains_key("x-amzn-waf-action");
        let error = match status {
            _ if challenge || status == StatusCode::ACCEPTED || status == StatusCode::FORBIDDEN => {
                FetchError::Blocked { status: status.as_u16(), challenge }
            }
            StatusCode::OK => return self.read(response).await.map(Fetched::Answer),
            StatusCode::NOT_MODIFIED if validators.is_some() => return Ok(Fetched::NotModified),
            StatusCode::TOO_MANY_REQUESTS => FetchError::RateLimited { retry_after: wait },
            _ if status.is_server_error() => FetchError::Server { status: status.as_u16() },
            _ => {
                // A broken body takes nothing away from the status.
                let start = response.chunk().await.ok().flatten().unwrap_or_default();
                let detail = clean_text(&String::from_utf8_lossy(&start)).chars().take(200).collect();
                FetchError::Status { status: status.as_u16(), detail }
            }
        };
        Err(Failure { error, wait })
    }

    /// Sends the request, and sends it on where the answer says so.
    async fn send(
        &self,
        url: &Url,
        validators: Option<&Validators>,
        token: Option<&Token>,
        deadline: Instant,
    ) -> Result<reqwest::Response, Failure> {
        let mut trail = redirect::Trail::new(url);
        let mut http = self.http.clone();
        loop {
            let at = trail.url();
            let timeout = self.options.timeout.min(deadline.saturating_duration_since(Instant::now()));
            let mut request = http.get(at.clone()).timeout(timeout).header(ACCEPT, "*/*");
            if let Some(token) = token.filter(|token| token.origin == at.origin()) {
                request = request.header(AUTHORIZATION, token.header.clone());
            }
            for (name, value) in validators.map(Validators::headers).into_iter().flatten() {
                request = request.header(name, value);
            }
            let response = request.send().await.map_err(Failure::of_transport)?;
            match trail.follow(&response).await? {
                redirect::Step::Arrived => return Ok(response),
                redirect::Step::On => http = self.http.clone(),
                // Nobody may answer otherwise between the look-up and the connection.
                redirect::Step::OnTo(name, addresses) => {
                    let pinned = builder(&self.options).resolve_to_addrs(&name, &addresses).build();
                    http = pinned.map_err(Failure::of_transport)?;
                }
            }
        }
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Answer, Failure> {
        let limit = self.options.max_body;
        let too_large = || Failure { error: FetchError::TooLarge { limit }, wait: None };
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(Failure::of_transport)? {
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        let content_type = text(response.headers(), CONTENT_TYPE);
        Ok(Answer { url: response.url().clone(), content_type, body, validators: Validators::of(response.headers()) })
    }

    /// Waits until the next request to the host may start, and takes that slot.
    async fn take_turn(&self, url: &Url) {
        if self.options.pause.is_zero() {
            return;
        }
        let turn = {
            let mut turns = lock(&self.turns);
            let next = turns.entry(url.authority().to_owned()).or_insert_with(Instant::now);
            let turn = (*next).max(Instant::now());
            *next = turn + self.options.pause;
            turn
        };
        tokio::time::sleep_until(turn.into()).await;
    }

    /// Waits for the end of a request, and says so while it takes long.
    async fn telling<T>(&self, url: &Url, request: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let mut request = std::pin::pin!(request);
        loop {
            match tokio::time::timeout(self.options.slow, &mut request).await {
                Ok(end) => return end,
                Err(_) => self.tell(|| Wait::Answer { host: host(url), so_far: began.elapsed() }),
            }
        }
    }

    fn tell(&self, wait: impl FnOnce() -> Wait) {
        if let Some(listener) = &self.listener {
            listener.hear(&wait());
        }
    }

    fn backoff(&self, attempt: u32) -> Duration {
        let doubled = self.options.backoff.saturating_mul(1 << (attempt - 1).min(16));
        doubled.mul_f64(0.5 + fastrand::f64())
    }

    async fn may_read(&self, url: &Url) -> Result<(), FetchError> {
        let known = lock(&self.robots).get(&url.origin()).filter(|(until, _)| Instant::now() < *until).cloned();
        let rules = match known {
            Some((_, rules)) => rules,
            None => {
                let rules = self.read_robots(url).await;
                let hold = if rules.is_some() { ROBOTS_HOLD } else { ROBOTS_RETRY };
                lock(&self.robots).insert(url.origin(), (Instant::now() + hold, rules.clone()));
                rules
            }
        };
        match rules {
            Some(rules) if rules.allows(url) => Ok(()),
            Some(_) => Err(FetchError::Robots { known: true }),
            None => Err(FetchError::Robots { known: false }),
        }
    }

    /// The rules for a page's host; `None` when it could not say, which forbids everything (RFC 9309 section 2.3.1.4).
    async fn read_robots(&self, page: &Url) -> Option<Robots> {
        let mut url = page.clone();
        url.set_path("/robots.txt");
        url.set_query(None);
        match self.get(&url, None, None).await {
            Ok(Fetched::Answer(answer)) => Some(Robots::parse(&answer.body, product_token(&self.options.user_agent))),
            Err(
                FetchError::Status { status: 400..=499, .. } | FetchError::Blocked { status: 403, challenge: false },
            ) => Some(Robots::allow_all()),
            Ok(Fetched::NotModified) | Err(_) => None,
        }
    }
}

impl Validators {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let found = Self { etag: text(headers, ETAG), last_modified: text(headers, LAST_MODIFIED) };
        (found != Self::default()).then_some(found)
    }

    fn headers(&self) -> Vec<(HeaderName, &str)> {
        let etag = self.etag.as_deref().map(|value| (IF_NONE_MATCH, value));
        let date = self.last_modified.as_deref().map(|value| (IF_MODIFIED_SINCE, value));
        etag.into_iter().chain(date).collect()
    }
}

/// How every request is sent. Redirects are followed by hand: see [`redirect`].
fn builder(options: &Options) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(&options.user_agent)
        .connect_timeout(options.connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// One try that failed.
struct Failure {
    error: FetchError,
    /// The wait that the server asked for.
    wait: Option<Duration>,
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self { error, wait: None }
    }
}

impl Failure {
    fn of_transport(error: reqwest::Error) -> Self {
        let error = if error.is_timeout() { FetchError::Timeout } else { FetchError::Network(root_cause(&error)) };
        Self { error, wait: None }
    }

    /// Whether the same request may be answered later.
    fn may_pass(&self) -> bool {
        matches!(
            self.error,
            FetchError::RateLimited { .. } | FetchError::Server { .. } | FetchError::Timeout | FetchError::Network(_)
        )
    }
}

/// A panic elsewhere leaves these maps whole, so a poisoned lock is taken all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The innermost cause, which says what happened: the layers around it only repeat the address.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    clean_text(&cause.to_string())
}
