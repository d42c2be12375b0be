//! Whatever a source says of papers, a digest of them is made, and is no longer than a mail may be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paperpost::core::candidate::Candidate;
use paperpost::core::digest::{Chosen, Facts, MAX_BYTES, Room, Section, fits, render};
use paperpost::core::matching::Reasons;
use paperpost::core::clean::clean_text;
use paperpost::core::paper::{Paper, PaperKey};
use paperpost::core::zone::Zone;

fuzz_target!(|text: &str| {
    let candidates: Vec<Candidate> = (0u32..)
        .zip(text.split('\n').take(40))
        .map(|(id, line)| {
            let mut fields = line.split('\t').map(clean_text);
            let mut field = || fields.next().unwrap_or_default();
            let key = PaperKey::arxiv(&format!("2611.{id:05}")).expect("an id");
            let mut paper = Paper::new(key, &field(), &field());
            paper.abstract_text = field();
            (paper.code, paper.project, paper.organization) = (Some(field()), Some(field()), Some(field()));
            paper.authors = vec![field(), field()];
            Candidate { id, first_seen: chrono::DateTime::UNIX_EPOCH, paper, listings: Vec::new(), votes: Vec::new() }
        })
        .collect();
    let chosen = |candidate| Chosen { candidate, reasons: Reasons::default(), trend: None };
    let words = text.get(..20).unwrap_or_default();
    let section = |count| Section {
        name: words,
        papers: candidates.iter().take(count).map(chosen).collect(),
    };
    let fitting = fits(&[section(candidates.len())], Room::default());
    let rendered = render(&Facts {
        name: None,
        zone: Zone::UTC,
        today: chrono::NaiveDate::default(),
        sections: vec![section(fitting)],
        also: candidates.iter().collect(),
        owed: 0,
        told: Vec::new(),
        left: 0,
        cut: 0,
        refused: 0,
        welcome: None,
        looked_at: candidates.len(),
        sources: Vec::new(),
        schedule: words,
        change: Some(words),
        stop: Some(words),
    });
    assert!(rendered.html.len() <= MAX_BYTES && rendered.text.len() <= MAX_BYTES);
});
