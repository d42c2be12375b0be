//! HTTP in: the page on which a reader leaves, and what a watchman asks.
//!
//! `GET` changes nothing, because scanners follow links (I7); leaving is a `POST`, by the page's button or by a mail program's
//! one click (RFC 8058). No cookie is set or read, no address is ever shown, and a wrong link is told nothing about right
//! ones. `/metrics` and `/healthz` are for the machine's own network: a web server in front passes on `/u/` alone.
//!
//! A slow client holds up nobody: heads, bodies and answers have their time, and connections a most at once.
//!
//! What is *not* here: TLS and rate limits, which are that web server's work.

mod leave;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use templates::pages;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::core::token::Keyring;
use crate::store::Store;

/// What the pages work with.
#[derive(Clone, Debug)]
pub struct Web {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Knows the tokens of links.
    pub keyring: Arc<Keyring>,
    /// Who writes the mails, as their From says.
    pub sender: String,
}

/// What gives each request the [`Web`] of its time.
#[derive(Clone)]
struct Pages(Arc<dyn Fn() -> Web + Send + Sync>);

impl FromRef<Pages> for Web {
    fn from_ref(pages: &Pages) -> Self {
        (pages.0)()
    }
}

/// The largest body that is read, in bytes; the form of RFC 8058 has fewer than 300.
const MAX_BODY: usize = 8 * 1024;

/// How long one request may take, its body included.
const LIMIT: Duration = Duration::from_secs(10);

/// The longest head that is read, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// How long a stop waits for requests in hand.
const GRACE: Duration = Duration::from_secs(5);

/// How long nothing is accepted after the system could not, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a request's head to arrive, from the connection's start or from the answer before it.
    pub head: Duration,
    /// Connections at once; further ones wait.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: Duration::from_secs(10), connections: 256 }
    }
}

/// Serves until `stop`; requests in hand are finished. Each request is answered by what `web` gives when it comes.
pub async fn serve(
    listener: TcpListener,
    web: impl Fn() -> Web + Send + Sync + 'static,
    limits: Limits,
    stop: CancellationToken,
) {
    let service = TowerToHyperService::new(router(Pages(Arc::new(web))));
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(MAX_HEAD);
    let open = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let next = async {
            // It is never closed.
            let place = places.clone().acquire_owned().await.ok()?;
            Some((place, listener.accept().await))
        };
        let (place, accepted) = tokio::select! {
            next = next => match next { Some(next) => next, None => return },
            () = stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let connection = open.watch(server.serve_connection(TokioIo::new(stream), service.clone()));
        tokio::spawn(async move {
            // A client that breaks off or is too slow needs no line in the log.
            let _ = connection.await;
            drop(place);
        });
    }
    let _ = tokio::time::timeout(GRACE, open.shutdown()).await;
}

fn router(pages: Pages) -> Router {
    let policy = policy();
    Router::new()
        .route("/u/{token}", get(leave::show).post(leave::leave))
        .route("/u/{token}/", get(leave::show).post(leave::leave))
        .route("/healthz", get(watch::health))
        .route("/metrics", get(watch::metrics))
        .fallback(|| async { not_found() })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(within_limit))
        .layer(from_fn_with_state(policy, guarded))
        .with_state(pages)
}

/// The Content-Security-Policy: nothing but our own style sheet and our own form.
fn policy() -> HeaderValue {
    let sheet = BASE64_STANDARD.encode(digest(&SHA256, pages::SHEET.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{sheet}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// Adds the headers that every answer has.
async fn guarded(State(policy): State<HeaderValue>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::HeaderName::from_static("x-robots-tag"), "noindex"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn within_limit(request: Request, next: Next) -> Response {
    match tokio::time::timeout(LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => page(StatusCode::REQUEST_TIMEOUT, pages::trouble("Too slow", "The request took too long.")),
    }
}

fn page(status: StatusCode, html: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

/// The same for every wrong link and every wrong address.
fn not_found() -> Response {
    let text = "This link is not complete, or was never ours. Take it from the foot of one of the mails once more.";
    page(StatusCode::NOT_FOUND, pages::trouble("Nothing here", text))
}

/// The database could not do it; the log says why.
fn unavailable() -> Response {
    let text = "That did not work just now. Please try again in a few minutes.";
    page(StatusCode::SERVICE_UNAVAILABLE, pages::trouble("Not now", text))
}

/// Runs a job of the database where waiting holds up nobody.
async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, crate::store::StoreError> + Send + 'static,
) -> Option<T> {
    match tokio::task::spawn_blocking(job).await {
        Ok(Ok(value)) => Some(value),
        Ok(Err(error)) => {
            tracing::error!(%error, "a page could not reach the database");
            None
        }
        Err(error) => {
            tracing::error!(%error, "a page failed, which is a fault in paperpost");
            None
        }
    }
}
