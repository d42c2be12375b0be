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
pub mod page;

use std::collections::HashMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use url::Url;

use super::fetch::{Client, Fetched, Token, Validators};
use super::{DayOutcome, DayReport, Reading, SourceError, ValidatorMap};
use crate::core::paper::{Listed, Listing, Paper, PaperKey, Route, Snapshot, SourceId};

/// The lists and where they are.
#[derive(Clone, Debug)]
pub struct HuggingFace {
    /// The source's name.
    pub id: SourceId,
    /// `https://huggingface.co`, or a mirror of it.
    pub base: Url,
    /// Which lists are read.
    pub kind: Kind,
    /// Raises the limit on requests; not needed.
    pub token: Option<Token>,
}

/// Which lists of Hugging Face are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The daily papers of this many days, today (UTC) first.
    Daily {
        /// At least 1; 5 is enough for nearly all late additions.
        days: u32,
    },
    /// The trending list, in its own order; its papers are listed under the day they were seen, UTC.
    Trending,
}

/// The items of one list, in its order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Items {
    /// What could be understood, each paper once.
    pub items: Vec<Item>,
    /// How many could not be understood.
    pub skipped: u32,
}

/// One item of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The paper.
    pub paper: Paper,
    /// The day it says it is listed under.
    pub day: Option<NaiveDate>,
    /// Votes.
    pub upvotes: Option<u32>,
    /// Comments.
    pub comments: Option<u32>,
}

/// The most pages of a day that are asked for, 100 papers each; the longest day seen had 77.
const MAX_PAGES: u32 = 5;

/// Reads the lists. `validators` are those of the last reading that was stored; `now` tells which days. An error means
/// that no list could be read at all; it is the first list's.
pub async fn read(
    client: &Client,
    source: &HuggingFace,
    validators: &ValidatorMap,
    now: DateTime<Utc>,
) -> Result<Reading, SourceError> {
    let today = now.date_naive();
    let mut collected = Collected::default();
    let mut days = Vec::new();
    let mut next_validators = ValidatorMap::new();
    let mut first_error = None;
    // Set once another request would only be rude.
    let mut turned_away: Option<SourceError> = None;

    for list in source.lists(today) {
        // What is not read anew keeps its validators: they still stand for what the store has.
        let kept = validators.get_key_value(list.api.as_str()).map(|(url, kept)| (url.clone(), kept.clone()));
        let result = match &turned_away {
            Some(error) => Err(error.clone()),
            None => source.read_list(client, &list, kept.as_ref().map(|(_, kept)| kept)).await,
        };
        days.push(match result {
            Ok(Answer::Unchanged) => {
                next_validators.extend(kept);
                list.report(Route::Api, DayOutcome::Unchanged)
            }
            Ok(Answer::Read { route, items: Items { items, skipped }, validators }) => {
                next_validators.extend(validators.map(|given| (list.api.to_string(), given)));
                let outcome = if items.is_empty() { DayOutcome::Empty } else { DayOutcome::Listed };
                let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
                collected.add(items, &source.id, list.day, today);
                DayReport { items: count, skipped, ..list.report(route, outcome) }
            }
            Err(error) => {
                next_validators.extend(kept);
                first_error.get_or_insert_with(|| error.clone());
                if turned_away.is_none() && turns_us_away(&error) {
                    turned_away = Some(error.clone());
                }
                match &error {
                    SourceError::Both { page, .. } if matches!(**page, SourceError::OtherPeriod(_)) => {
                        list.report(Route::Page, DayOutcome::OtherPeriod)
                    }
                    SourceError::Both { .. } => list.report(Route::Page, DayOutcome::Failed(error)),
                    _ => list.report(Route::Api, DayOutcome::Failed(error)),
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
                taken: now,
                route: route.unwrap_or(Route::Api),
                items: collected.listed,
                skipped: days.iter().map(|report| report.skipped).sum(),
            };
            Ok(Reading { snapshot, days, validators: next_validators })
        }
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
        DayReport { day: self.day, route, items: 0, skipped: 0, outcome }
    }
}

enum Answer {
    Unchanged,
    Read { route: Route, items: Items, validators: Option<Validators> },
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

    fn lists(&self, today: NaiveDate) -> Vec<List> {
        let api = |name: &str, value: &str| {
            let mut url = self.address(&["api", "daily_papers"]);
            url.query_pairs_mut().append_pair(name, value).append_pair("limit", &api::PAGE_SIZE.to_string());
            url
        };
        match self.kind {
            Kind::Trending => {
                vec![List { day: None, api: api("sort", "trending"), page: self.address(&["papers", "trending"]) }]
            }
            Kind::Daily { days } => (0..u64::from(days.max(1)))
                .filter_map(|ago| today.checked_sub_days(Days::new(ago)))
                .map(|day| {
                    let text = day.to_string();
                    List { day: Some(day), api: api("date", &text), page: self.address(&["papers", "date", &text]) }
                })
                .collect(),
        }
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
        validators: Option<&Validators>,
    ) -> Result<Answer, SourceError> {
        let api = match self.read_api(client, list, validators).await {
            // The page is on the same host: it would only add to what is too much already.
            Err(error) if !error.is_rate_limited() => error,
            end => return end,
        };
        tracing::info!(source = %self.id, day = ?list.day, error = %api, "the API failed: reading the page");
        self.read_page(client, list)
            .await
            .map_err(|page| SourceError::Both { api: Box::new(api), page: Box::new(page) })
    }

    /// Pages are asked for until one is short. The trending list has no end, so its first page is all of it.
    async fn read_api(
        &self,
        client: &Client,
        list: &List,
        validators: Option<&Validators>,
    ) -> Result<Answer, SourceError> {
        let mut all = Items::default();
        let mut given = None;
        for number in 0..MAX_PAGES {
            let mut url = list.api.clone();
            url.query_pairs_mut().append_pair("p", &number.to_string());
            let validators = validators.filter(|_| number == 0);
            let answer = match client.get(&url, validators, self.token.as_ref()).await? {
                Fetched::NotModified => return Ok(Answer::Unchanged),
                Fetched::Answer(answer) => answer,
            };
            let (items, length) = api::parse(&answer.body, self)?;
            // Validators speak for one page, so a day keeps them only if it is no longer than that; and not if a later
            // version may understand more of it. The trending list needs none: unchanged, it is still a new listing
            // tomorrow.
            let keep = number == 0 && items.skipped == 0 && list.day.is_some();
            given = answer.validators.filter(|_| keep);
            let before = all.items.len();
            all.append(items);
            if length < api::PAGE_SIZE || list.day.is_none() || all.items.len() == before {
                break;
            }
        }
        Ok(Answer::Read { route: Route::Api, items: all, validators: given })
    }

    async fn read_page(&self, client: &Client, list: &List) -> Result<Answer, SourceError> {
        let answer = client.get_page(&list.page).await?;
        let page = page::parse(&String::from_utf8_lossy(&answer.body), self)?;
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
        Ok(Answer::Read { route: page.route, items: page.items, validators: None })
    }
}

impl Items {
    /// Adds an item, unless the list has its paper already.
    pub(super) fn push(&mut self, item: Item) {
        if !self.items.iter().any(|known| known.paper.key == item.paper.key) {
            self.items.push(item);
        }
    }

    fn append(&mut self, other: Items) {
        self.skipped += other.skipped;
        other.items.into_iter().for_each(|item| self.push(item));
    }
}

/// Whether the next request would meet the same answer by the server's own will.
fn turns_us_away(error: &SourceError) -> bool {
    error.is_rate_limited() || matches!(error, SourceError::Both { api, page } if api.is_blocked() && page.is_blocked())
}

/// The listings of several lists. A paper that was listed again says its new day in the old list too; then the list of
/// that very day knows its rank.
#[derive(Default)]
struct Collected {
    listed: Vec<Listed>,
    /// Where a paper's listing of a day is, and whether that day's own list brought it.
    places: HashMap<(PaperKey, NaiveDate), (usize, bool)>,
}

impl Collected {
    fn add(&mut self, items: Vec<Item>, source: &SourceId, asked: Option<NaiveDate>, today: NaiveDate) {
        for (item, rank) in items.into_iter().zip(1..) {
            let day = match asked {
                Some(asked) => item.day.unwrap_or(asked),
                None => today,
            };
            let own = asked.is_none_or(|asked| asked == day);
            let key = (item.paper.key.clone(), day);
            let (upvotes, comments) = (item.upvotes, item.comments);
            let listing = Listing { source: source.clone(), day, rank, upvotes, comments };
            let listed = Listed { paper: item.paper, listing };
            match self.places.get(&key) {
                None => {
                    self.places.insert(key, (self.listed.len(), own));
                    self.listed.push(listed);
                }
                Some(&(place, false)) if own => {
                    self.listed[place] = listed;
                    self.places.insert(key, (place, true));
                }
                Some(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that is never asked.
    pub(super) fn source() -> HuggingFace {
        HuggingFace {
            id: SourceId::parse("huggingface").expect("a name"),
            base: Url::parse("https://papers.example").expect("an address"),
            kind: Kind::Daily { days: 2 },
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
