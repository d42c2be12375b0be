//! Recorded days of the real source, played back one run a day: no paper twice to anyone, none lost.
//!
//! The recordings are not part of the project: `PAPERPOST_CORPUS` names their folder.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde_json::Value;

use crate::process::recorded;
use crate::world::World;

#[tokio::test]
async fn recorded_days_reach_every_reader_whole_and_once() {
    let Some(corpus) = recorded("PAPERPOST_CORPUS") else { return };
    let mut days: Vec<(NaiveDate, Vec<Value>)> = std::fs::read_dir(corpus.join("huggingface/daily_papers"))
        .expect("the recorded days")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let day = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok()).expect("a day's file");
            let items = serde_json::from_slice(&std::fs::read(&path).expect("readable")).expect("a list");
            (day, items)
        })
        .collect();
    days.sort_by_key(|(day, _)| *day);
    assert!(days.len() >= 5, "{} days", days.len());

    let mut world = World::new().await;
    world.at(&format!("{} 06:00", days[0].0));
    world.subscribe("email = \"all@example.org\"\nkeywords = []\nmax_papers = 100");
    world.subscribe("email = \"few@example.org\"\nkeywords = [\"model\", \"learning\"]\nmax_papers = 5");
    let mut ids = BTreeSet::new();
    for (day, items) in &days {
        // The half of the list that a day has in the morning, and all of it in the evening and the day after.
        for (time, count) in [("12:00", items.len() / 2), ("20:00", items.len())] {
            for item in &items[..count] {
                ids.insert(item["paper"]["id"].as_str().expect("an id").to_owned());
                world.site.list_raw(*day, item.clone());
            }
            world.at(&format!("{day} {time}"));
            world.once().await;
        }
        for later in 1..=8 {
            world.at(&format!("{} 12:00", *day + chrono::Days::new(later)));
            world.once().await;
        }
    }

    let cards = |to: &str| -> Vec<String> {
        let mails = world.mails(to);
        let links = mails.iter().flat_map(|mail| {
            let document = scraper::Html::parse_document(&mail.html);
            let card = scraper::Selector::parse("h2 a[href*='/papers/']").expect("a selector");
            document.select(&card).map(|a| a.attr("href").unwrap_or_default().to_owned()).collect::<Vec<_>>()
        });
        links.filter_map(|link| link.rsplit('/').next().map(str::to_owned)).collect()
    };
    let all = cards("all@example.org");
    assert_eq!(all.len(), ids.len(), "none twice");
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), ids, "none lost");
    let few = cards("few@example.org");
    let distinct: BTreeSet<&String> = few.iter().collect();
    assert!(few.len() > 20 && distinct.len() == few.len(), "{} of {} distinct", distinct.len(), few.len());
}
