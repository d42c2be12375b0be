//! HTTP in: the page on which a reader leaves, and what a watchman asks.
//!
//! `GET` changes nothing, whoever follows a link (I7); leaving is a `POST`, by the page's button or by a mail program's
//! one click (RFC 8058). No cookie is set or read, no address is ever shown, and a wrong link is told nothing about right
//! ones. `/metrics` and `/healthz` are for the machine's own network: a web server in front passes on `/u/` alone.
//!
//! What is *not* here: TLS and rate limits, which are that web server's work.

mod leave;
mod watch;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use templates::pages;
use tokio::net::TcpListener;
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

/// The largest body that is read, in bytes; the form of RFC 8058 has fewer than 300.
const MAX_BODY: usize = 8 * 1024;

/// How long one request may take, its body included.
const LIMIT: Duration = Duration::from_secs(10);

/// How long a stop waits for requests in hand.
const GRACE: Duration = Duration::from_secs(5);

/// Serves until `stop`; requests in hand are finished.
pub async fn serve(listener: TcpListener, web: Web, stop: CancellationToken) -> std::io::Result<()> {
    let service = router(web);
    let served = axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = served => result,
        () = overdue => Ok(()),
    }
}

#[derive(Clone)]
struct Shared {
    web: Web,
    counted: Arc<Mutex<watch::Counted>>,
}

fn router(web: Web) -> Router {
    let policy = policy();
    let mut counted = watch::Counted::default();
    if let Err(error) = counted.look(&web.store) {
        tracing::warn!(%error, "attempts are counted from the first look at /metrics");
    }
    let shared = Shared { web, counted: Arc::new(Mutex::new(counted)) };
    Router::new()
        .route("/u/{token}", get(leave::show).post(leave::leave))
        .route("/healthz", get(watch::health))
        .route("/metrics", get(watch::metrics))
        .fallback(|| async { not_found() })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(within_limit))
        .layer(from_fn_with_state(policy, guarded))
        .with_state(shared)
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
