//! How a site is asked: politely, with limits, again where that helps, and as its robots.txt has it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use paperpost::source::FetchError;
use paperpost::source::fetch::{BearerToken, Client, Fetched, Options};
use paperpost::source::progress::{Listener, Wait};

use crate::process::until;
use crate::site::{Fault, Site, day, paper};

/// A client that loses no time.
fn options() -> Options {
    Options {
        tries: 3,
        backoff: Duration::from_millis(1),
        patience: Duration::from_secs(20),
        pause: None,
        ..Options::new("paperpost/0.1 (+https://example.org; papers@example.org)")
    }
}

pub(crate) fn client() -> Client {
    Client::new(options()).expect("a client")
}

async fn get(site: &Site, path: &str) -> Result<Fetched, FetchError> {
    client().get(&site.url(path), None, None).await
}
#[tokio::test]
async fn what_may_pass_is_asked_for_again() {
    for fault in [Fault::Status(503), Fault::Hangup, Fault::Truncate, Fault::Headers(429, vec![("retry-after", "0")])] {
        let site = Site::start().await;
        site.list(day("2026-01-05"), paper("2601.90001", "Sheep"));
        site.fail_next("/api", fault.clone());
        site.fail_next("/api", fault.clone());
        let fetched = get(&site, "/api/daily_papers").await;
        assert!(
            matches!(&fetched, Ok(Fetched::Answer(answer)) if answer.body.ends_with(b"]")),
            "{fault:?}: {fetched:?}"
        );
        assert_eq!(site.asked("/api"), 3, "{fault:?}");
    }
}

#[tokio::test]
async fn what_will_not_pass_is_asked_for_once() {
    let status = |status: u16| FetchError::Status { status, detail: format!("status {status}") };
    let challenged = FetchError::Blocked { status: 202, challenge: true };
    for (fault, error) in [
        (Fault::Status(404), status(404)),
        (Fault::Status(410), status(410)),
        (Fault::Status(403), FetchError::Blocked { status: 403, challenge: false }),
        (Fault::Status(202), FetchError::Blocked { status: 202, challenge: false }),
        (Fault::Challenge, challenged),
    ] {
        let site = Site::start().await;
        site.fail("/api", fault);
        assert_eq!(get(&site, "/api/daily_papers").await, Err(error));
        assert_eq!(site.asked("/api"), 1);
    }
}

#[tokio::test]
async fn a_server_that_keeps_failing_is_given_up() {
    let site = Site::start().await;
    site.fail("/api", Fault::Status(503));
    assert_eq!(get(&site, "/api/daily_papers").await, Err(FetchError::Server { status: 503 }));
    assert_eq!(site.asked("/api"), 3);
    site.mend();
    site.fail("/api", Fault::Truncate);
    site.list(day("2026-01-05"), paper("2601.90001", "Sheep"));
    assert!(matches!(get(&site, "/api/daily_papers").await, Err(FetchError::Network(_))));
}

#[tokio::test]
async fn a_server_that_never_finishes_is_a_timeout() {
    let site = Site::start().await;
    site.list(day("2026-01-05"), paper("2601.90001", "Sheep"));
    site.fail("/api", Fault::Stall);
    let hasty = Client::new(Options { timeout: Duration::from_millis(50), ..options() }).expect("a client");
    assert_eq!(hasty.get(&site.url("/api/daily_papers"), None, None).await, Err(FetchError::Timeout));
    assert_eq!(site.asked("/api"), 3);
    site.mend();
    site.fail("/api", Fault::Delay(Duration::from_millis(50)));
    assert!(get(&site, "/api/daily_papers").await.is_ok(), "slow is not too slow");
}

#[tokio::test]
async fn a_host_that_nobody_listens_on_is_a_network_error() {
    let gone = Site::start().await.url("/api");
    tokio::task::yield_now().await;
    assert!(matches!(client().get(&gone, None, None).await, Err(FetchError::Network(_))));
}

#[tokio::test]
async fn a_wait_beyond_our_patience_is_reported_and_not_begun() {
    let site = Site::start().await;
    let window = [("ratelimit", "\"api\";r=0;t=55"), ("ratelimit-policy", "\"fixed window\";\"api\";q=500;w=300")];
    site.fail("/api", Fault::Headers(429, window.to_vec()));
    let error = get(&site, "/api/daily_papers").await;
    assert_eq!(error, Err(FetchError::RateLimited { retry_after: Some(Duration::from_secs(56)) }));
    assert_eq!(site.asked("/api"), 1);
}

#[tokio::test]
async fn the_wait_that_is_asked_for_is_kept() {
    let site = Site::start().await;
    site.fail_next("/api", Fault::Headers(429, vec![("ratelimit", "\"api\";r=0;t=0")]));
    let began = Instant::now();
    assert!(get(&site, "/api/daily_papers").await.is_ok());
    assert!(began.elapsed() >= Duration::from_secs(1), "one second more than t");
}

#[tokio::test]
async fn requests_to_one_host_keep_their_distance() {
    let site = Site::start().await;
    let pause = Duration::from_millis(40);
    let polite = Client::new(Options { pause: Some(pause), ..options() }).expect("a client");
    let began = Instant::now();
    for _ in 0..3 {
        polite.get(&site.url("/api/daily_papers"), None, None).await.expect("an answer");
    }
    assert!(began.elapsed() >= pause * 2);
}

#[tokio::test]
async fn a_body_past_the_limit_is_refused_however_it_comes() {
    let bomb = include_bytes!("fixtures/spaces.json.gz");
    for (fault, limit) in [(Fault::Big(100_001), 100_000), (Fault::Gzip(bomb), 100_000)] {
        let site = Site::start().await;
        site.fail("/api", fault);
        let strict = Client::new(Options { max_body: limit, ..options() }).expect("a client");
        let error = strict.get(&site.url("/api/daily_papers"), None, None).await;
        assert_eq!(error, Err(FetchError::TooLarge { limit }));
        assert_eq!(site.asked("/api"), 1);
        assert!(get(&site, "/api/daily_papers").await.is_ok(), "within another limit it is read");
    }
}

#[tokio::test]
async fn validators_go_back_only_where_they_came_from() {
    let site = Site::start().await;
    let Ok(Fetched::Answer(answer)) = get(&site, "/api/daily_papers").await else { panic!("an answer") };
    assert_eq!(answer.validators, None, "the site gave none");
    site.etags();
    let Ok(Fetched::Answer(answer)) = get(&site, "/api/daily_papers").await else { panic!("an answer") };
    let validators = answer.validators.expect("validators");
    let again = client().get(&site.url("/api/daily_papers"), Some(&validators), None).await;
    assert_eq!(again, Ok(Fetched::NotModified));
    let conditional: Vec<_> = site.requests().iter().map(|r| r.header("if-none-match").map(str::to_owned)).collect();
    assert_eq!(conditional, [None, None, validators.etag]);
}

#[tokio::test]
async fn a_token_is_for_one_origin_and_is_never_printed() {
    let (own, other) = (Site::start().await, Site::start().await);
    let token = BearerToken::new("hf_secret", &own.base()).expect("a token");
    assert!(!format!("{token:?}").contains("secret"));
    own.fail_next("/moved", Fault::Redirect(other.url("/api/daily_papers").into()));
    for url in [own.url("/api/daily_papers"), own.url("/moved"), other.url("/api/daily_papers")] {
        client().get(&url, None, Some(&token)).await.expect("an answer");
    }
    let sent =
        |site: &Site| site.requests().iter().map(|r| r.header("authorization").map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(sent(&own), [Some("Bearer hf_secret".to_owned()), Some("Bearer hf_secret".to_owned())]);
    assert_eq!(sent(&other), [None, None]);
    assert_eq!(
        own.requests()[0].header("user-agent"),
        Some("paperpost/0.1 (+https://example.org; papers@example.org)")
    );
    assert!(BearerToken::new("two\nlines", &own.base()).is_none());
}

#[tokio::test]
async fn redirects_are_followed_and_told_and_come_to_an_end() {
    let site = Site::start().await;
    site.fail_next("/start", Fault::Redirect(site.url("/api/daily_papers?date=2026-01-05").into()));
    let Ok(Fetched::Answer(answer)) = get(&site, "/start").await else { panic!("an answer") };
    assert_eq!(answer.url, site.url("/api/daily_papers?date=2026-01-05"));
    site.fail("/round", Fault::Redirect(site.url("/round").into()));
    assert!(matches!(get(&site, "/round").await, Err(FetchError::Redirect(_))));
    assert_eq!(site.asked("/round"), 6, "five redirects");
}

#[tokio::test]
async fn pages_obey_robots_txt_which_is_asked_for_once_and_the_api_needs_none() {
    let site = Site::start().await;
    site.list(day("2026-01-05"), paper("2601.90001", "Sheep"));
    site.robots("User-agent: paperpost\nDisallow: /papers/date\nUser-agent: *\nAllow: /");
    let client = client();
    let allowed = client.get_page(&site.url("/papers/trending")).await;
    let forbidden = client.get_page(&site.url("/papers/date/2026-01-05")).await;
    assert!(allowed.is_ok(), "{allowed:?}");
    assert_eq!(forbidden, Err(FetchError::Robots { known: true }));
    assert_eq!((site.asked("/robots.txt"), site.asked("/papers/date")), (1, 0));
    client.get(&site.url("/api/daily_papers"), None, None).await.expect("an answer");
    assert_eq!(site.asked("/robots.txt"), 1);
}

#[tokio::test]
async fn a_host_without_robots_txt_allows_pages_and_one_that_cannot_say_does_not() {
    for (fault, allowed) in [
        (Fault::Status(404), true),
        (Fault::Status(403), true),
        (Fault::Status(202), false),
        (Fault::Status(500), false),
        (Fault::Challenge, false),
    ] {
        let site = Site::start().await;
        site.fail("/robots.txt", fault.clone());
        let page = client().get_page(&site.url("/papers/trending")).await;
        let refused = page.as_ref().err() == Some(&FetchError::Robots { known: false });
        assert_eq!((page.is_ok(), refused), (allowed, !allowed), "{fault:?}");
    }
}

#[tokio::test]
async fn whoever_waits_for_a_site_is_told_while_it_lasts() {
    let site = Site::start().await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = {
        let heard = Arc::clone(&heard);
        Listener::new(move |wait| heard.lock().expect("no panic").push(wait.to_string()))
    };
    let slow = Duration::from_millis(40);
    let client = Client::new(Options { slow, ..options() }).expect("a client").with_listener(listener);
    site.fail_next("/api", Fault::Headers(429, vec![("retry-after", "1")]));
    site.fail_next("/api", Fault::Status(503));
    site.fail_next("/api", Fault::Delay(slow * 5));
    client.get(&site.url("/api/daily_papers"), None, None).await.expect("an answer");
    let heard = heard.lock().expect("no panic").clone();
    assert_eq!(heard[..2], ["waiting for 127.0.0.1 (429, retry in 1 s)", "waiting for 127.0.0.1 (503, retry in 1 s)"]);
    assert!(heard.len() > 3 && heard[2..].iter().all(|line| line == "waiting for 127.0.0.1 (0 s)"), "{heard:?}");
    let wait = Wait::Answer { host: "example.org".into(), so_far: Duration::from_secs(12) };
    assert_eq!(wait.to_string(), "waiting for example.org (12 s)");
}

#[tokio::test]
async fn a_source_on_a_local_address_may_send_us_to_another() {
    let (site, other) = (Site::start().await, Site::start().await);
    let named = other.url("/api/daily_papers").to_string().replace("127.0.0.1", "localhost");
    site.fail_next("/moved", Fault::Redirect(named.clone()));
    let Ok(Fetched::Answer(answer)) = get(&site, "/moved").await else { panic!("an answer") };
    assert_eq!(answer.url.as_str(), named);
}

#[tokio::test]
async fn two_sources_on_one_host_never_overlap_and_keep_the_longer_interval() {
    let site = Site::start().await;
    site.fail("/api", Fault::Delay(Duration::from_millis(30)));
    let first = Client::new(options()).expect("a client");
    let second = first.spaced(Duration::from_millis(60));
    let ask = async |client: Client, lines: &Mutex<Vec<(Instant, Instant)>>| {
        for _ in 0..4 {
            client.get(&site.url("/api/daily_papers"), None, None).await.expect("an answer");
            // The answer took that long at least.
            let ended = Instant::now();
            lines.lock().expect("a lock").push((ended - Duration::from_millis(30), ended));
        }
    };
    let lines = Mutex::default();
    tokio::join!(ask(first, &lines), ask(second, &lines));
    let mut lines = lines.into_inner().expect("a lock");
    lines.sort();
    assert_eq!(lines.len(), 8);
    for pair in lines.windows(2) {
        assert!(pair[1].0 >= pair[0].1, "one at a time: {pair:?}");
    }
    // Of eight requests, at least four have the second source's interval before or after them.
    let whole = lines[7].1 - lines[0].0;
    assert!(whole >= Duration::from_millis(8 * 30 + 4 * 60), "{whole:?}");
}

#[tokio::test]
async fn a_wait_that_one_source_was_asked_for_holds_the_other() {
    let site = Site::start().await;
    site.robots("User-agent: *\nAllow: /\n");
    let first = client();
    let second = first.clone();
    site.fail_next("/api/daily_papers", Fault::Headers(429, vec![("retry-after", "1")]));
    let url = site.url("/api/daily_papers");
    let began = Instant::now();
    let other = async {
        until("the first has asked", || site.asked("/api") > 0).await;
        second.get(&site.url("/robots.txt"), None, None).await.expect("an answer");
        began.elapsed()
    };
    let (answer, waited) = tokio::join!(first.get(&url, None, None), other);
    assert!(answer.is_ok() && waited >= Duration::from_secs(1), "{waited:?}");

    // One that is too long for our patience is remembered, and no request is made.
    site.fail_next("/api/daily_papers", Fault::Headers(429, vec![("retry-after", "600")]));
    let error = first.get(&url, None, None).await.expect_err("a long wait");
    assert_eq!(error, FetchError::RateLimited { retry_after: Some(Duration::from_secs(600)) });
    let asked = site.requests().len();
    let error = second.get(&site.url("/robots.txt"), None, None).await.expect_err("the same host");
    assert!(matches!(error, FetchError::LeftAlone { failures: 0, .. }), "{error}");
    assert!(error.to_string().ends_with("because it asked for that"), "{error}");
    assert_eq!(site.requests().len(), asked);
}
