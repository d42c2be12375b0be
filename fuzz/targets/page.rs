//! Whatever a site answers, it is papers or an error.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use paperpost::core::paper::SourceId;
use paperpost::source::huggingface::{HuggingFace, Lists, api, cards, page};

static SOURCE: LazyLock<HuggingFace> = LazyLock::new(|| HuggingFace {
    id: SourceId::parse("huggingface").expect("a name"),
    base: "https://papers.example".parse().expect("an address"),
    lists: Lists::Trending,
    token: None,
});

fuzz_target!(|body: &[u8]| {
    let _ = api::parse(body, &SOURCE);
    let html = String::from_utf8_lossy(body);
    let _ = page::parse(&html, &SOURCE);
    let _ = cards::parse(&html, &SOURCE);
});
