//! The settings of its two kinds.

use std::time::Duration;

use super::{HuggingFace, Lists};
use crate::core::paper::SourceId;
use crate::source::{About, Kind, Table};

/// The daily papers: one list a day.
pub static DAILY: About = About {
    word: "huggingface-daily",
    title: "Hugging Face Daily Papers",
    keys: KEYS,
    preset: Some(("huggingface", true)),
    tells_categories: false,
    has_votes: true,
    interval: INTERVAL,
    read: |id, table| {
        let days = table.whole("days", 1..=30);
        read(id, table, Lists::Daily { days })
    },
};

/// The trending papers: one rolling list.
pub static TRENDING: About = About {
    word: "huggingface-trending",
    title: "Hugging Face Trending Papers",
    keys: KEYS,
    preset: Some(("huggingface-trending", false)),
    tells_categories: false,
    // Every read has all there is.
    has_votes: false,
    interval: INTERVAL,
    read: |id, table| {
        // Of no use here, but it must be right: a change of `kind` would bring it into force.
        table.whole("days", 1..=30);
        read(id, table, Lists::Trending)
    },
};

/// The site allows 500 requests in five minutes.
const INTERVAL: Duration = Duration::from_millis(100);

const KEYS: &[(&str, &str)] = &[
    ("base_url", r#""https://huggingface.co""#),
    ("days", "5"),
    ("schedule", r#""0 */3 * * *""#),
    ("token", ""),
    ("token_file", ""),
];

fn read(id: &SourceId, table: &mut dyn Table, lists: Lists) -> Kind {
    let base = table.base_url("base_url");
    let token = table.token("token", "huggingface-token", &base);
    Kind::HuggingFace(HuggingFace { id: id.clone(), base, lists, token })
}
