//! The web pages of the site, in the structure of the real ones: several hydrated elements, one of them with a name that
//! begins like the list's, comments between the nodes, and a card for each paper.

use chrono::NaiveDate;
use serde_json::{Value, json};

/// How pages are marked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Markup {
    /// As in 2026: Svelte 5, `periodType` and `dateString` in the JSON, each card twice.
    #[default]
    Of2026,
    /// As in 2024: Svelte 4, `date` in the JSON.
    Of2024,
    /// As in 2026, but the JSON is in a shape that nobody knows.
    CardsOf2026,
    /// As in 2024, but without the JSON's element.
    CardsOf2024,
}

/// The page of a day, or the trending page.
pub(super) fn of(markup: Markup, day: Option<NaiveDate>, items: &[Value]) -> String {
    let mut items = items.to_vec();
    items.sort_by_key(|item| std::cmp::Reverse(item["paper"]["upvotes"].as_u64()));
    let old = matches!(markup, Markup::Of2024 | Markup::CardsOf2024);
    let props = match (markup, day) {
        (Markup::CardsOf2026, _) => Some(json!({"papers": {}})),
        (Markup::CardsOf2024, _) => None,
        (Markup::Of2024, Some(day)) => Some(json!({"date": format!("{day}T00:00:00.000Z"), "dailyPapers": items})),
        (Markup::Of2026, Some(day)) => Some(
            json!({"dailyPapers": items, "dateString": day, "periodType": "day", "query": {"date": day}, "isTrending": false}),
        ),
        (_, None) => Some(json!({"canSubmit": false, "dailyPapers": items, "query": {}, "isTrending": true})),
    };
    let cards = items.iter().map(if old { card_of_2024 } else { card_of_2026 }).collect::<String>();
    let list = match props {
        Some(props) => hydrated("DailyPapers", &props, &cards),
        None => cards,
    };
    let header = hydrated("MainHeader", &json!({"isWide": false}), "<nav><a href=\"/papers\">Daily Papers</a></nav>");
    let banner = hydrated("DailyPapersBannerSubscribe", &json!({"isLoggedIn": false, "dailyPapers": []}), "Subscribe");
    let (open, close) = if old { ("", "") } else { ("<!--[0-->", "<!--]-->") };
    format!(
        "<!doctype html><html><head><title>Daily Papers</title><script src=\"/challenge.js\" defer></script></head><body>{header}\
         <main class=\"flex flex-col\">{open}{banner}{close} {list}</main></body></html>"
    )
}

fn hydrated(target: &str, props: &Value, inside: &str) -> String {
    let props = escaped(&props.to_string());
    format!(r#"<div class="SVELTE_HYDRATER contents" data-target="{target}" data-props="{props}">{inside}</div>"#)
}

/// As the real site escapes attributes: nothing but these two.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;")
}

fn in_text(text: &str) -> String {
    escaped(text).replace('<', "&lt;")
}

fn parts(item: &Value) -> (&str, String, &Value, usize) {
    let paper = &item["paper"];
    let id = paper["id"].as_str().unwrap_or("unknown");
    (
        id,
        in_text(paper["title"].as_str().unwrap_or("")),
        &paper["upvotes"],
        paper["authors"].as_array().map_or(0, Vec::len),
    )
}

fn card_of_2024(item: &Value) -> String {
    let (id, title, votes, authors) = parts(item);
    let comments = &item["numComments"];
    format!(
        r#"<div><article class="relative flex"><a href="/papers/{id}" class="peer block"><img src="/{id}.png" alt=""></a>
        <div class="absolute text-xs leading-none">Submitted by <img alt="" class="rounded-full"> user7</div>
        <a href="/login?next=%2Fpapers%2F{id}" class="self-start"><div><input disabled type="checkbox"><svg></svg>
        <div class="leading-none">{votes}</div></div></a><div><h3 class="mb-1"><a href="/papers/{id}" class="line-clamp-3">{title}</a></h3>
        <a href="/papers/{id}" class="flex"><ul><li title="user7"><img></li><li class="order-first"><div>·</div> {authors} authors </li></ul></a>
        <a href="/papers/{id}#community" class="text-md"><svg></svg> {comments} </a></div></article></div>"#
    )
}

fn card_of_2026(item: &Value) -> String {
    let (id, title, votes, authors) = parts(item);
    let comments = &item["numComments"];
    let votes = if *votes == 0 { "-".to_owned() } else { votes.to_string() };
    let card = |class: &str| {
        format!(
            r#"<div class="{class}"><h3 class="mb-1.5"><!--[--><a href="/papers/{id}" class="line-clamp-2">{title}</a><!--]--></h3>
            <!--[0--><div><p>A sentence by a model.</p></div><!--]--><span>{authors} authors</span><div role="checkbox"><input type="checkbox"/>
            <svg></svg> Upvote <div class="font-semibold">{votes}</div></div><a href="/papers/{id}#community"><svg></svg> <!---->{comments}</a></div>"#
        )
    };
    format!("<article class=\"relative\">{}{}</article>", card("hidden md:flex"), card("flex md:hidden"))
}
