//! A site that answers as Hugging Face's API does, on the loopback address.
//!
//! It shows one state of its lists until [`DemoSite::advance`], and the next one from then on, as if a day had passed. The
//! answers have the API's own shape, so the demo reads them with the very code that reads the real site;
//! [`daily_papers`] makes them, and the tests' site uses it too.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use chrono::NaiveDate;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What the site lists on each day: items in the API's shape, in any order.
pub type Lists = BTreeMap<NaiveDate, Vec<Value>>;

/// A paper on a list, to be turned into the API's shape.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The arXiv identifier.
    pub id: String,
    /// The title.
    pub title: String,
    /// The abstract.
    pub abstract_text: String,
    /// Names, in order.
    pub authors: Vec<String>,
    /// An organisation's short and full name.
    pub organization: Option<(String, String)>,
    /// Votes so far.
    pub upvotes: u32,
    /// Comments so far.
    pub comments: u32,
    /// A code repository and its stars.
    pub code: Option<(String, u32)>,
    /// A project page.
    pub project: Option<String>,
    /// Keywords, as a model would give them.
    pub keywords: Vec<String>,
}

impl Entry {
    /// A paper with a title and nothing else.
    pub fn new(id: &str, title: &str) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            abstract_text: String::new(),
            authors: Vec::new(),
            organization: None,
            upvotes: 0,
            comments: 0,
            code: None,
            project: None,
            keywords: Vec::new(),
        }
    }

    /// The item that the API gives for this paper on the list of `day`. As there, what a paper lacks is left out, and
    /// the outer `publishedAt` is of little use.
    pub fn on(&self, day: NaiveDate) -> Value {
        let authors = self.authors.iter().map(|name| json!({"name": name, "hidden": false}));
        let published = format!("{}T00:00:00.000Z", day.pred_opt().unwrap_or(day));
        let mut item = json!({
            "paper": {
                "id": self.id, "authors": authors.collect::<Vec<_>>(), "publishedAt": published,
                "submittedOnDailyAt": format!("{day}T00:00:00.000Z"), "title": self.title,
                "summary": self.abstract_text, "upvotes": self.upvotes,
            },
            "publishedAt": published, "title": self.title, "summary": self.abstract_text,
            "numComments": self.comments, "isAuthorParticipating": false,
        });
        let paper = &mut item["paper"];
        if let Some((name, fullname)) = &self.organization {
            paper["organization"] = json!({"name": name, "fullname": fullname});
        }
        if let Some((address, stars)) = &self.code {
            paper["githubRepo"] = json!(address);
            paper["githubStars"] = json!(stars);
        }
        if let Some(address) = &self.project {
            paper["projectPage"] = json!(address);
        }
        if !self.keywords.is_empty() {
            paper["ai_keywords"] = json!(self.keywords);
        }
        item
    }
}

/// The answer to `GET /api/daily_papers?query`: a status and a JSON body. A day's list comes with the most votes first;
/// `sort=trending` takes the papers of all days so. A limit over 100 and a date that is none are errors, as on the real
/// site; a day without papers is an empty list.
pub fn daily_papers(lists: &Lists, query: &str) -> (u16, String) {
    let parameters: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let number = |name: &str, default: usize| match parameters.get(name) {
        Some(text) => text.parse().ok(),
        None => Some(default),
    };
    let refusal = |text: &str| (400, json!({"error": text}).to_string());
    let (limit, page) = match (number("limit", 50), number("p", 0)) {
        (Some(limit @ 1..=100), Some(page)) => (limit, page),
        (Some(_), Some(_)) => return refusal("✖ Too big: expected number to be <=100\n  → at limit"),
        _ => return refusal("✖ Invalid input: expected number"),
    };
    let trending = parameters.get("sort").is_some_and(|sort| sort == "trending");
    let mut items: Vec<&Value> = match parameters.get("date").filter(|_| !trending).map(|date| date.parse()) {
        None => lists.values().flatten().collect(),
        Some(Ok(day)) => lists.get(&day).into_iter().flatten().collect(),
        Some(Err(_)) => return refusal("✖ Invalid ISO date\n  → at date"),
    };
    items.sort_by_key(|item| std::cmp::Reverse(item["paper"]["upvotes"].as_u64()));
    let page: Vec<_> = items.into_iter().skip(page.saturating_mul(limit)).take(limit).collect();
    (200, json!(page).to_string())
}

/// The running site; it stops when this is dropped.
#[derive(Debug)]
pub struct DemoSite {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    before: Lists,
    after: Lists,
    advanced: AtomicBool,
}

impl DemoSite {
    /// Listens on a free port of 127.0.0.1 and shows `before`.
    pub async fn start(before: Lists, after: Lists) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { before, after, advanced: AtomicBool::new(false) });
        let router = Router::new().route("/api/daily_papers", get(answer)).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the demo's site stopped");
            }
        });
        Ok(Self { address, shared, server })
    }

    /// Where the site is: the `base` of a source that reads it.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on shows `after`.
    pub fn advance(&self) {
        self.shared.advanced.store(true, Ordering::Release);
    }
}

impl Drop for DemoSite {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let lists = if shared.advanced.load(Ordering::Acquire) { &shared.after } else { &shared.before };
    let (status, body) = daily_papers(lists, &query.unwrap_or_default());
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists() -> Lists {
        let day = NaiveDate::from_ymd_opt(2026, 1, 5).expect("a day");
        let entry = |n: u32| Entry { upvotes: n, ..Entry::new(&format!("2601.{n:05}"), "A title") }.on(day);
        BTreeMap::from([(day, (0..120).map(entry).collect())])
    }

    #[test]
    fn pages_are_cut_as_the_real_site_cuts_them() {
        let lists = lists();
        let ids = |query: &str| {
            let (status, body) = daily_papers(&lists, query);
            assert_eq!(status, 200, "{query}");
            let items: Vec<Value> = serde_json::from_str(&body).expect("a list");
            (items.len(), items.first().and_then(|item| item["paper"]["id"].as_str().map(str::to_owned)))
        };
        assert_eq!(ids("date=2026-01-05"), (50, Some("2601.00119".into())));
        assert_eq!(ids("date=2026-01-05&limit=100&p=1"), (20, Some("2601.00019".into())));
        assert_eq!(ids("date=2026-01-06&limit=100"), (0, None));
        assert_eq!(ids("sort=trending&date=x&limit=1").0, 1);
    }

    #[test]
    fn what_the_real_site_refuses_is_refused() {
        for query in ["limit=101", "limit=x", "date=2026-13-40"] {
            let (status, body) = daily_papers(&lists(), query);
            assert!(status == 400 && body.contains("\"error\""), "{query}: {body}");
        }
    }
}
