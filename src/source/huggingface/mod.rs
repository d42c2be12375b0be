//! Hugging Face's daily papers and its trending list.
//!
//! A day's list grows for days after it began, so every read asks for the last few days again; what is new is for the
//! store to say. Each list is asked of the JSON API, which carries everything ([`api`]); if that fails, of the web page,
//! whose `data-props` hold the same items ([`page`]); and if those can't be read either, of the page's cards ([`cards`]),
//! which lack abstracts and authors. Everything but an item's id may be missing.
//!
//! A page is believed only about the period it says it shows: for a day without a list the site redirects to the latest
//! one, and those papers are not that day's.

pub mod api;
pub mod cards;
mod items;
mod markup;
pub mod page;
mod plan;
mod settings;

use chrono::{DateTime, Days, NaiveDate, Utc};
use url::Url;

use super::fetch::{BearerToken, Client, Fetched, Validators};
use super::{DayOutcome, DayReport, Further, Kind, Lost, Reading, Source, SourceError, Visit, Visits};
use crate::core::paper::describe::Authority;
use crate::core::paper::{PaperKey, Route, Snapshot, SourceId};
use crate::core::schedule::Schedule;
use crate::threads::off_thread;
use items::Collected;
pub use items::{Item, Items};
pub use settings::{DAILY, TRENDING};

/// The lists and where they are.
#[derive(Clone, Debug)]
pub struct HuggingFace {
    /// The source's name.
    pub id: SourceId,
    /// `https://huggingface.co`, or a mirror of it.
    pub base: Url,
    /// Which of them are read.
    pub lists: Lists,
    /// Raises the limit on requests; not needed.
    pub token: Option<BearerToken>,
}

/// Which lists of Hugging Face are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// The daily papers of some days, today (UTC) first.
    Daily {
        /// How many are read every time. At least 1; 5 is enough for nearly all late additions.
        days: u32,
    },
    /// The trending list, in its own order; its papers are listed under the day they were seen, UTC.
    Trending,
}

/// The most pages of a day that are asked for: 3,000 papers. The longest day seen had 77.
const MAX_PAGES: usize = 30;

/// Reads the lists. `visits` are those of the last reading that was stored; `now` tells which days. Of
/// those `further` back the unread ones are read as well, and of the followed ones those whose turn it is. An error means
/// that no list could be read at all; it is the first list's.
pub async fn read(
    client: &Client,
    source: &HuggingFace,
    visits: &Visits,
    further: &Further,
    now: DateTime<Utc>,
) -> Result<Reading, SourceError> {
    let today = now.date_naive();
    let mut collected = Collected::default();
    let mut days = Vec::new();
    let mut first_error = None;
    // Set once another request would only be rude.
    let mut turned_away: Option<SourceError> = None;
    let mut longest_page = 0;

    let mut lists = source.lists(today);
    if let Lists::Daily { .. } = source.lists {
        let is_recent = |day: &NaiveDate| lists.iter().any(|list| list.day == Some(*day));
        let unread: Vec<_> =
            further.unread.iter().filter(|day| !is_recent(day)).map(|day| source.list_of(*day)).collect();
        lists.extend(unread);
    }
    let is_recent = |day: &NaiveDate| lists.iter().any(|list| list.day == Some(*day));
    let older: Vec<_> = further.followed.iter().filter(|day| !is_recent(day)).map(|day| source.list_of(*day)).collect();
    // What is not read anew keeps its validators: they still describe what the store has.
    let is_of_use = |url: &str| lists.iter().chain(&older).any(|list| list.api.as_str() == url);
    let mut next_visits: Visits = visits.clone().into_iter().filter(|(url, _)| is_of_use(url)).collect();
    let last = |list: &List| visits.get(list.api.as_str()).and_then(|visit| visit.at);
    lists.extend(plan::due(older, today, now, |list| list.day, last));

    for list in lists {
        // One that doesn't know what was on the list can't say what an unchanged one has.
        let kept = visits.get(list.api.as_str()).filter(|visit| visit.items.is_some());
        let result = match &turned_away {
            Some(error) => Err(error.clone()),
            None => source.read_list(client, &list, kept, &mut longest_page).await,
        };
        days.push(match result {
            Ok(Answer::Unchanged) => {
                let visit = next_visits.entry(list.api.to_string()).or_default();
                visit.at = Some(now);
                DayReport { items: visit.items.unwrap_or(0), ..list.report(Route::Main, DayOutcome::Unchanged) }
            }
            Ok(Answer::Read { route, items: Items { items, lost, cut, .. }, visit }) => {
                let outcome = if items.is_empty() { DayOutcome::Empty } else { DayOutcome::Listed };
                let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
                next_visits.insert(list.api.to_string(), Visit { at: Some(now), items: Some(count), ..*visit });
                collected.add(items, &source.id, list.day, today);
                DayReport { items: count, lost, cut, ..list.report(route, outcome) }
            }
            Err(error) => {
                first_error.get_or_insert_with(|| error.clone());
                if turned_away.is_none() && turns_us_away(&error) {
                    turned_away = Some(error.clone());
                }
                match &error {
                    SourceError::EveryRoute(errors)
                        if matches!(errors.last(), Some((_, SourceError::OtherPeriod(_)))) =>
                    {
                        list.report(Route::Fallback, DayOutcome::OtherPeriod)
                    }
                    SourceError::EveryRoute(_) => list.report(Route::Fallback, DayOutcome::Failed(error)),
                    _ => list.report(Route::Main, DayOutcome::Failed(error)),
                }
            }
        });
    }

    let was_read = |report: &&DayReport| !matches!(report.outcome, DayOutcome::Failed(_) | DayOutcome::OtherPeriod);
    match (days.iter().filter(was_read).map(|report| report.route).max(), first_error) {
        (None, Some(error)) => Err(error),
        (route, _) => {
            let snapshot = Snapshot {
                source: source.id.clone(),
                authority: Authority::Index,
                taken: now,
                route: route.unwrap_or(Route::Main),
                items: collected.listed,
                skipped: days.iter().map(|report| report.lost.count).fold(0, u32::saturating_add),
            };
            Ok(Reading { snapshot, days, visits: next_visits })
        }
    }
}

impl From<HuggingFace> for Source {
    /// The source as the settings make it when they say no more.
    fn from(lists: HuggingFace) -> Self {
        let about = match lists.lists {
            Lists::Daily { .. } => &DAILY,
            Lists::Trending => &TRENDING,
        };
        let schedule = Schedule::parse("0 */3 * * *").expect("a schedule");
        Self { id: lists.id.clone(), about, enabled: true, schedule, kind: Kind::HuggingFace(lists) }
    }
}

/// One list: where the API has it and where the page is.
struct List {
    day: Option<NaiveDate>,
    api: Url,
    page: Url,
}

impl List {
    fn report(&self, route: Route, outcome: DayOutcome) -> DayReport {
        DayReport { day: self.day, route, items: 0, lost: Lost::default(), cut: None, outcome }
    }
}

/// One page of a list, as the API gives it.
struct ApiPage {
    items: Items,
    /// Items on it, lost ones and copies included.
    length: usize,
    validators: Option<Validators>,
}

enum Answer {
    Unchanged,
    Read { route: Route, items: Items, visit: Box<Visit> },
}

impl HuggingFace {
    /// Where a reader finds a paper.
    pub fn paper_url(&self, id: &str) -> Url {
        self.address(&["papers", id])
    }

    /// The key of the paper that the site calls `id`: arXiv's when it is an arXiv identifier, as nearly all are.
    pub fn paper_key(&self, id: &str) -> PaperKey {
        PaperKey::arxiv(id).unwrap_or_else(|| PaperKey::of_source(&self.id, id))
    }

    /// Reads so many days at each read; the trending list has none.
    pub(super) fn look_back(&mut self, back: u32) {
        if let Lists::Daily { days } = &mut self.lists {
            *days = back;
        }
    }

    /// The lists that are read every time.
    fn lists(&self, today: NaiveDate) -> Vec<List> {
        match self.lists {
            Lists::Trending => {
                let page = self.address(&["papers", "trending"]);
                vec![List { day: None, api: self.api("sort", "trending"), page }]
            }
            Lists::Daily { days } => (0..u64::from(days.max(1)))
                .filter_map(|ago| today.checked_sub_days(Days::new(ago)))
                .map(|day| self.list_of(day))
                .collect(),
        }
    }

    fn list_of(&self, day: NaiveDate) -> List {
        let text = day.to_string();
        List { day: Some(day), api: self.api("date", &text), page: self.address(&["papers", "date", &text]) }
    }

    fn api(&self, name: &str, value: &str) -> Url {
        let mut url = self.address(&["api", "daily_papers"]);
        url.query_pairs_mut().append_pair(name, value).append_pair("limit", &api::PAGE_SIZE.to_string());
        url
    }

    fn address(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn read_list(
        &self,
        client: &Client,
        list: &List,
        kept: Option<&Visit>,
        longest_page: &mut usize,
    ) -> Result<Answer, SourceError> {
        let api = match self.read_api(client, list, kept, longest_page).await {
            // The page is on the same host: it would only add to what is too much already.
            Err(error) if !error.is_rate_limited() => error,
            end => return end,
        };
        tracing::info!(source = %self.id, day = ?list.day, error = %api, "the API failed: reading the page");
        self.read_page(client, list).await.map_err(|page| SourceError::EveryRoute(vec![("api", api), ("page", page)]))
    }

    /// Pages are asked for until one is the last. A server may give fewer papers at once than it is asked for, so a page is
    /// the last only if it is empty, or shorter than another that the server gave in this read (`longest_page`). The trending
    /// list has no end, so its first page is all of it.
    async fn read_api(
        &self,
        client: &Client,
        list: &List,
        kept: Option<&Visit>,
        longest_page: &mut usize,
    ) -> Result<Answer, SourceError> {
        let mut first = self.read_api_page(client, list, 0, kept.map(|visit| &visit.validators)).await?;
        if first.is_none() && kept.is_some_and(|visit| visit.may_go_on) {
            let second = self.read_api_page(client, list, 1, None).await;
            if !second.is_ok_and(|page| page.is_some_and(|page| page.length == 0)) {
                first = self.read_api_page(client, list, 0, None).await?;
            }
        }
        let Some(first) = first else { return Ok(Answer::Unchanged) };
        let (mut all, mut length, mut total) = (first.items, first.length, first.length);
        for number in 1.. {
            let is_last = list.day.is_none() || length == 0 || length < *longest_page;
            *longest_page = length.max(*longest_page);
            if is_last {
                break;
            }
            if number == MAX_PAGES {
                all.cut = Some("there are more than are asked for".to_owned());
                break;
            }
            // What came before it is good.
            let next = match self.read_api_page(client, list, number, None).await {
                Ok(next) => next,
                Err(error) => {
                    all.cut = Some(error.to_string());
                    break;
                }
            };
            let Some(next) = next else { break };
            let before = (all.items.len(), all.lost.count);
            length = next.length;
            total += length;
            all.append(next.items);
            if length > 0 && before == (all.items.len(), all.lost.count) {
                all.cut = Some("the server gives the same again".to_owned());
                break;
            }
        }
        // Validators speak for one page, so a day keeps them only if it was no longer than that; and not if a later version may
        // understand more of it. The trending list needs none: unchanged, it is still a new listing tomorrow.
        let keep = total == first.length && all.lost.count == 0 && all.cut.is_none() && list.day.is_some();
        let validators = first.validators.filter(|_| keep).unwrap_or_default();
        let may_go_on = first.length == *longest_page;
        let visit = Visit { validators, may_go_on, ..Visit::default() };
        Ok(Answer::Read { route: Route::Main, items: all, visit: Box::new(visit) })
    }

    /// One page of the API's answer; `None` when it is as it was.
    async fn read_api_page(
        &self,
        client: &Client,
        list: &List,
        number: usize,
        validators: Option<&Validators>,
    ) -> Result<Option<ApiPage>, SourceError> {
        let mut url = list.api.clone();
        url.query_pairs_mut().append_pair("p", &number.to_string());
        let validators = validators.filter(|known| **known != Validators::default());
        let answer = match client.get(&url, validators, self.token.as_ref()).await? {
            Fetched::NotModified => return Ok(None),
            Fetched::Answer(answer) => answer,
        };
        let source = self.clone();
        let (items, length) = off_thread(move || api::parse(&answer.body, &source)).await?;
        Ok(Some(ApiPage { items, length, validators: answer.validators }))
    }

    async fn read_page(&self, client: &Client, list: &List) -> Result<Answer, SourceError> {
        let answer = client.get_page(&list.page).await?;
        let source = self.clone();
        let page = off_thread(move || page::parse(&String::from_utf8_lossy(&answer.body), &source)).await?;
        let as_asked = match (&page.period, list.day) {
            (page::Period::Day(shown), Some(day)) => *shown == day,
            (page::Period::Trending, None) => true,
            // A page that doesn't say what it shows: at least it must not have sent us elsewhere.
            (page::Period::Unsaid, _) => answer.url.path() == list.page.path(),
            _ => false,
        };
        if !as_asked {
            return Err(SourceError::OtherPeriod(match page.period {
                page::Period::Unsaid => answer.url.path().to_owned(),
                period => period.to_string(),
            }));
        }
        Ok(Answer::Read { route: page.route, items: page.items, visit: Box::default() })
    }
}

/// Whether the next request would meet the same answer by the server's own will.
fn turns_us_away(error: &SourceError) -> bool {
    let is_blocked_everywhere = |error: &SourceError| match error {
        SourceError::EveryRoute(errors) => errors.iter().all(|(_, error)| error.is_blocked()),
        _ => false,
    };
    error.is_rate_limited() || is_blocked_everywhere(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that is never asked.
    pub(super) fn source() -> HuggingFace {
        HuggingFace {
            id: SourceId::parse("huggingface").expect("a name"),
            base: Url::parse("https://papers.example").expect("an address"),
            lists: Lists::Daily { days: 2 },
            token: None,
        }
    }

    #[test]
    fn today_is_asked_for_first() {
        let today = NaiveDate::from_ymd_opt(2026, 3, 1).expect("a day");
        let lists: Vec<_> =
            source().lists(today).into_iter().map(|l| (l.api.to_string(), l.page.to_string())).collect();
        let list = |day: &str| {
            (
                format!("https://papers.example/api/daily_papers?date={day}&limit=100"),
                format!("https://papers.example/papers/date/{day}"),
            )
        };
        assert_eq!(lists, [list("2026-03-01"), list("2026-02-28")]);
    }
}
