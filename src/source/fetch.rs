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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use url::Url;

use super::FetchError;
use super::answer::text;
pub use super::answer::{Answer, BearerToken, Fetched, Validators};
use super::hosts::{Host, Hosts};
use super::progress::{Listener, Wait};
use super::redirect;
use super::robots::{Robots, product_token};
use super::wait;
use crate::clock::Clock;
use crate::core::clean::clean_text;

/// How a [`Client`] behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name, version and a way to reach its operator: `paperpost/0.1 (+https://example.org; papers@example.org)`.
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
    /// The least time between two requests to one host; `None` for what the kind of source asks for.
    pub pause: Option<Duration>,
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
            pause: None,
            slow: Duration::from_secs(5),
        }
    }
}

/// How long a robots.txt holds (RFC 9309 section 2.4: no more than a day)…
const ROBOTS_HOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// …and how long a host that could not give it is left alone.
const ROBOTS_RETRY: Duration = Duration::from_secs(10 * 60);

/// The one HTTP client of all sources. Clones share connections, and what is known of hosts.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    options: Options,
    clock: Clock,
    hosts: Hosts,
    robots: Arc<Mutex<Rules>>,
    listener: Option<Listener>,
}

/// The rules of each origin and until when they hold; `None` where they could not be read.
type Rules = HashMap<url::Origin, (Instant, Option<Robots>)>;

impl Client {
    /// Builds the client. Fails when the user agent can't be in a header, or the system has no certificates.
    pub fn new(options: Options) -> Result<Self, FetchError> {
        let http = builder(&options).build().map_err(|error| FetchError::Network(root_cause(&error)))?;
        let (hosts, robots) = (Hosts::default(), Arc::default());
        Ok(Self { http, options, clock: Clock::System, hosts, robots, listener: None })
    }

    /// The client with somebody who is told what it waits for.
    #[must_use]
    pub fn with_listener(self, listener: Listener) -> Self {
        Self { listener: Some(listener), ..self }
    }

    /// The client by another clock, which tells how long hosts are left alone. For tests.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The client with what another one knows of hosts.
    #[must_use]
    pub fn with_hosts(self, hosts: Hosts) -> Self {
        Self { hosts, ..self }
    }

    /// The client with so much time between two requests to a host, if its options don't say how much.
    #[must_use]
    pub fn spaced(&self, least: Duration) -> Self {
        let mut client = self.clone();
        client.options.pause.get_or_insert(least);
        client
    }

    /// What is known of hosts.
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Reads an address of an API or a feed. `validators` are those that the same address gave before.
    pub async fn get(
        &self,
        url: &Url,
        validators: Option<&Validators>,
        token: Option<&BearerToken>,
    ) -> Result<Fetched, FetchError> {
        let (server, least) = (self.hosts.of(url), self.options.pause.unwrap_or_default());
        let mut deadline = None;
        let mut attempt = 1;
        loop {
            let mut turn = server.turn.lock().await;
            // Waiting for other sources costs no patience.
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.options.patience);
            if let Some(wait) = self.left_alone(&server, deadline)? {
                drop(turn);
                tokio::time::sleep(wait).await;
                continue;
            }
            let is_probe = server.state().is_broken();
            if let Some(at) = turn.next(least) {
                tokio::time::sleep_until(at.into()).await;
            }
            let attempt_made = self.attempt(url, validators, token, deadline);
            let result = self.telling(url, attempt_made).await;
            turn.end(least);
            let failure = match result {
                Ok(fetched) => {
                    server.state().worked();
                    return Ok(fetched);
                }
                Err(failure) => failure,
            };
            let pause = failure.wait.unwrap_or_default().max(self.backoff(attempt));
            let is_last = is_probe || attempt >= self.options.tries || Instant::now() + pause > deadline;
            if !failure.may_pass() || is_last {
                self.note(&server, &failure);
                return Err(failure.error);
            }
            turn.hold(failure.wait);
            drop(turn);
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
        token: Option<&BearerToken>,
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
        token: Option<&BearerToken>,
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

    /// Remembers of a server how a request to it ended, for good.
    fn note(&self, server: &Host, failure: &Failure) {
        let (now, mut state) = (self.clock.now(), server.state());
        match &failure.error {
            // It works, and says when it will answer again.
            FetchError::RateLimited { retry_after: Some(_) } => {}
            _ if failure.is_of_the_host() => state.failed(now),
            _ => state.worked(),
        }
        if let Some(wait) = failure.wait.and_then(|wait| TimeDelta::from_std(wait).ok()) {
            state.asked(now, wait);
        }
    }

    /// How long to wait for a host that asked to be left alone; an error when that is too long, or when it fails.
    fn left_alone(&self, host: &Host, deadline: Instant) -> Result<Option<Duration>, FetchError> {
        let (now, state) = (self.clock.now(), host.state());
        let Some(until) = state.closed_until(now) else { return Ok(None) };
        let wait = (until - now).to_std().unwrap_or_default();
        let failures = if state.is_broken() { state.failures } else { 0 };
        if failures > 0 || Instant::now() + wait > deadline {
            return Err(FetchError::LeftAlone { until, wait, failures });
        }
        Ok(Some(wait))
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

    /// Whether the host fails or refuses us, rather than the one address. A wait that it asked for is no failure.
    fn is_of_the_host(&self) -> bool {
        match self.error {
            FetchError::RateLimited { retry_after } => retry_after.is_none(),
            FetchError::Server { .. } | FetchError::Timeout | FetchError::Network(_) | FetchError::Blocked { .. } => {
                true
            }
            _ => false,
        }
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

/// The innermost cause, which says what happened: the layers around it only repeat the address.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    clean_text(&cause.to_string())
}
