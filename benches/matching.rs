//! How fast a million profiles meet a day's papers, from their texts to the best twenty, next to other ways of doing it.
//!
//! ```text
//! cargo bench --bench matching               a million profiles; about two minutes
//! cargo bench --bench matching -- --quick    a hundred thousand; fails where a ratio is missed
//! ```
//! Papers and profiles are made up, see `made_up`; about a quarter of all pairs match.
//! Absolute times depend on the machine, so only ratios within one run are asserted.
//!
//! The counterparts are done well, not badly: *word by word* has its papers cut and stemmed and its queries resolved
//! beforehand, and walks over the words of every paper for every keyword; *one by one* has the words indexed as well, and
//! looks for every keyword in every paper, as the program does to explain a choice; and *percolator* is what search engines
//! do with stored queries, postings of each keyword's rarest term and then a check of the rest. All must agree with the
//! program on how many match, and the percolator chooses the best twenty as well. Before that, what is done once a
//! run: cutting the papers into words and finding every term's papers, next to searching the texts for each term; and
//! reading the profiles in their compiled form, next to parsing and compiling what their owners wrote.

#![expect(clippy::print_stdout, reason = "a benchmark's output is its purpose")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeZone, Utc};
use fastrand::Rng;
use made_up::{MadeUp, TOP};
use paperpost::core::candidate::Candidate;
use paperpost::core::matching::{CompiledProfile, Matcher, Pool, Scratch, Skip, Vocabulary};
use paperpost::core::paper::Listed;
use paperpost::core::query::walk::{Document, WalkContext};
use paperpost::core::query::{Clause, Expr, Field, Literal, Part, Pattern, Query};
use paperpost::core::subscription::{Keyword, Profile};
use paperpost::core::text::{self, Form};

mod made_up;

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick" || arg == "--test");
    let profiles = if quick { 100_000 } else { 1_000_000 };
    let world = World::new(profiles);
    println!("{profiles} profiles, {} keywords, {} literals", world.numbered.len(), world.vocabulary.len());
    let mut missed = Vec::new();
    let mut expect = |what: &str, value: f64, floor: f64| {
        println!("  {what:<44} {value:>10.1}   (at least {floor})");
        if value < floor {
            missed.push(format!("{what}: {value:.1}, at least {floor} expected"));
        }
    };

    compile(&world, &mut expect);
    for papers in if quick { vec![100] } else { vec![100, 1_000] } {
        println!("{papers} papers");
        let (tokenise, pool) = timed(|| world.pool(papers));
        let (prepare, matcher) = timed(|| pool.prepare(&world.vocabulary));
        println!("  cut and stem the papers {:>30.4} s", tokenise.as_secs_f64());
        println!("  find every literal's papers {:>26.4} s", prepare.as_secs_f64());
        let searched = search(&pool, &world.vocabulary);
        println!("  search the texts for every literal {:>19.4} s", searched);
        expect("times searching the texts", searched / (tokenise + prepare).as_secs_f64(), 5.0);
        let (matching, pairs) = best_of(5, || count_all(&matcher, &world.compiled, profiles));
        println!("  match {:>48.4} s", matching.as_secs_f64());
        let (ours, chosen) = best_of(5, || select_all(&matcher, world.compiled.first(profiles)));
        println!("  match and choose {TOP} {:>34.4} s", ours.as_secs_f64());
        println!("  {:.1} % of all pairs match", 100.0 * pairs as f64 / (papers * profiles) as f64);

        // What is done once for all profiles is not taken times what there are of them.
        let sample = profiles / 1_000;
        let some = &world.specs[..sample];
        let (indexing, documents) = timed(|| pool.candidates().iter().map(Document::new).collect::<Vec<_>>());
        let (looked_up, agreed) = timed(|| one_by_one(&documents, some));
        let looked_up = (indexing + looked_up * (profiles / sample) as u32).as_secs_f64();
        assert_eq!(agreed, count_all(&matcher, &world.compiled, sample), "one by one the same are found");
        println!("  one by one, from {sample} profiles {looked_up:>26.1} s");
        expect("times one by one, choosing too", looked_up / ours.as_secs_f64(), 100.0);
        let some = &some[..sample / 10];
        let (cutting, walked) = timed(|| pool.candidates().iter().map(walked).collect::<Vec<_>>());
        let (walking, agreed) = timed(|| word_by_word(&walked, some));
        let walking = (cutting + walking * (profiles / some.len()) as u32).as_secs_f64();
        assert_eq!(agreed, count_all(&matcher, &world.compiled, some.len()), "word by word the same are found");
        println!("  word by word, from {} profiles {walking:>25.1} s", some.len());
        expect("times word by word, choosing too", walking / ours.as_secs_f64(), 1_000.0);

        let percolator = Percolator::new(&world.numbered, world.vocabulary.len(), profiles);
        let literals = pool.literals_by_paper(&world.vocabulary);
        let (theirs, found) = best_of(3, || percolator.run::<false>(&literals));
        assert_eq!(found.0, pairs, "the percolator finds the same matches");
        println!("  percolator {:>43.4} s", theirs.as_secs_f64());
        expect("times percolator", theirs.as_secs_f64() / matching.as_secs_f64(), 1.0);
        let (theirs, found) = best_of(3, || percolator.run::<true>(&literals));
        assert_eq!(found.1, chosen, "the percolator chooses as many");
        println!("  percolator, choosing too {:>29.4} s", theirs.as_secs_f64());
        // The fewer the profiles, the better the percolator's tables fit into the cache.
        // A short run on a busy machine has noise that a long one has not.
        let floor = if quick { 2.0 } else { 5.0 };
        expect("times percolator, choosing too", theirs.as_secs_f64() / ours.as_secs_f64(), floor);

        let growth = growth(&matcher, &world.compiled, profiles);
        println!("  ten times the profiles take {growth:>26.1} times as long");
        let limit = if quick { 15.0 } else { 11.0 };
        expect("of the growth that is allowed", limit / growth, 1.0);
    }
    assert!(missed.is_empty(), "missed: {}", missed.join("; "));
}

/// Reads some profiles as the store keeps them, and from what their owners wrote.
fn compile(world: &World, expect: &mut impl FnMut(&str, f64, f64)) {
    let profiles = world.texts.len();
    let mut vocabulary = world.vocabulary.clone();
    let (from_text, words) = best_of(3, || {
        let keyword = |text: &String| Keyword { query: Query::parse(text).expect("a keyword"), weight: 1.0 };
        let profile = |texts: &Vec<String>| Profile {
            keywords: texts.iter().map(keyword).collect(),
            ..world.made_up.profile(&mut Rng::with_seed(1))
        };
        let length = |texts| CompiledProfile::new(&profile(texts), &mut vocabulary).words().len();
        world.texts.iter().map(length).sum::<usize>()
    });
    let bytes: Vec<Vec<u8>> = world.compiled.first(profiles).map(|profile| profile.to_bytes()).collect();
    let (from_bytes, same) = best_of(3, || {
        bytes.iter().map(|bytes| CompiledProfile::from_bytes(bytes).expect("compiled").words().len()).sum::<usize>()
    });
    assert_eq!(words, same, "both give the same profiles");
    println!("{profiles} profiles");
    println!("  parse and compile what was written {:>19.4} s", from_text.as_secs_f64());
    println!("  read the compiled form {:>31.4} s", from_bytes.as_secs_f64());
    expect("times parsing and compiling", from_text.as_secs_f64() / from_bytes.as_secs_f64(), 5.0);
}

/// How many seconds it takes to look for the text of every literal in the text of every paper, by some of the literals.
fn search(pool: &Pool, vocabulary: &Vocabulary) -> f64 {
    const SAMPLE: usize = 200;
    let text =
        |candidate: &Candidate| format!("{} {}", candidate.paper.title, candidate.paper.abstract_text).to_lowercase();
    let term = |clause: &Clause| clause.to_string().trim_start_matches("title:").replace('"', "");
    let step = vocabulary.len().div_ceil(SAMPLE);
    let terms: Vec<String> = vocabulary.clauses().iter().step_by(step).map(term).collect();
    let (searched, _) = timed(|| {
        let texts: Vec<String> = pool.candidates().iter().map(text).collect();
        terms.iter().map(|term| texts.iter().filter(|text| text.contains(term.as_str())).count()).sum::<usize>()
    });
    searched.as_secs_f64() * vocabulary.len() as f64 / terms.len() as f64
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let value = black_box(work());
    (start.elapsed(), value)
}

/// The shortest of some runs: what disturbs a run only ever makes it longer.
fn best_of<T>(runs: usize, mut work: impl FnMut() -> T) -> (Duration, T) {
    let mut best = timed(&mut work);
    for _ in 1..runs {
        let run = timed(&mut work);
        if run.0 < best.0 {
            best = run;
        }
    }
    best
}

/// Counts the pairs of profile and paper that match.
fn count_all(matcher: &Matcher, compiled: &Compiled, profiles: usize) -> usize {
    let (skip, mut scratch) = (Skip::default(), Scratch::default());
    compiled.first(profiles).map(|profile| matcher.count(&profile, &skip, &mut scratch)).sum()
}

/// Chooses for some profiles; the number of papers chosen.
fn select_all<'a>(matcher: &Matcher, profiles: impl Iterator<Item = CompiledProfile<'a>>) -> usize {
    let (skip, mut scratch) = (Skip::default(), Scratch::default());
    profiles.map(|profile| matcher.select(&profile, TOP, &skip, &mut scratch).len()).sum()
}

/// How many times as long all take as a tenth of them alone. All are run through in ten laps, each of which is timed by
/// itself and in turns with the tenth: a long run is disturbed more often than a short one, a lap is not.
fn growth(matcher: &Matcher, compiled: &Compiled, profiles: usize) -> f64 {
    const LAPS: usize = 10;
    let (mut laps, mut alone) = ([Duration::MAX; LAPS], Duration::MAX);
    for _ in 0..7 {
        let mut rest = compiled.first(profiles);
        for lap in &mut laps {
            *lap = timed(|| select_all(matcher, rest.by_ref().take(profiles / LAPS))).0.min(*lap);
        }
        let (short, _) = best_of(2, || select_all(matcher, compiled.first(profiles / LAPS)));
        alone = alone.min(short);
    }
    laps.iter().sum::<Duration>().as_secs_f64() / alone.as_secs_f64()
}

/// Compiled profiles, one after the other.
#[derive(Default)]
struct Compiled {
    words: Vec<u32>,
    /// Where each ends and the next begins.
    ends: Vec<usize>,
}

impl Compiled {
    /// The first so many profiles.
    fn first(&self, profiles: usize) -> impl Iterator<Item = CompiledProfile<'_>> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends[..profiles]).map(|(start, end)| {
            CompiledProfile::from_words(&self.words[*start..*end]).expect("words that were compiled just now")
        })
    }
}

/// One keyword, resolved: a literal, and perhaps another that must or must not be there.
struct Spec {
    first: Literal,
    second: Option<(Literal, bool)>,
}

/// Terms, profiles and what papers are made from.
struct World {
    made_up: MadeUp,
    vocabulary: Vocabulary,
    compiled: Compiled,
    /// The keywords of the first profiles, to be looked up one by one.
    specs: Vec<Vec<Spec>>,
    /// What was written in a tenth of the profiles, the first ones.
    texts: Vec<Vec<String>>,
    /// The keywords of all profiles, by number, for the percolator.
    numbered: Vec<Numbered>,
}

impl World {
    fn new(profiles: usize) -> Self {
        let mut rng = Rng::with_seed(7);
        let mut world = Self {
            made_up: MadeUp::new(&mut rng),
            vocabulary: Vocabulary::default(),
            compiled: Compiled::default(),
            specs: Vec::new(),
            texts: Vec::new(),
            numbered: Vec::new(),
        };
        for profile in 0..profiles {
            let wanted = world.made_up.profile(&mut rng);
            if profile < profiles / 1_000 {
                world.specs.push(wanted.keywords.iter().map(|keyword| spec(keyword.query.expr())).collect());
            }
            if profile < profiles / 10 {
                world.texts.push(wanted.keywords.iter().map(|keyword| keyword.query.to_string()).collect());
            }
            for keyword in &wanted.keywords {
                let (first, rest) = numbered(keyword.query.expr(), &mut world.vocabulary);
                world.numbered.push(Numbered { profile: profile as u32, first, rest });
            }
            let compiled = CompiledProfile::new(&wanted, &mut world.vocabulary);
            world.compiled.words.extend_from_slice(compiled.words());
            world.compiled.ends.push(world.compiled.words.len());
        }
        world
    }

    fn pool(&self, papers: usize) -> Pool {
        let candidates = (0u32..).zip(self.made_up.papers(papers, now()));
        let candidate = |(id, listed): (u32, Listed)| Candidate {
            id,
            paper: listed.paper,
            first_seen: now(),
            listings: vec![listed.listing],
            votes: Vec::new(),
        };
        Pool::new(candidates.map(candidate).collect(), now())
    }
}

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 4, 12, 0, 0).single().expect("a valid time")
}

/// The same by number: the literal, and the other one, marked if unwanted.
fn numbered(expr: &Expr, vocabulary: &mut Vocabulary) -> (u32, u32) {
    let mut number = |expr: &Expr| match expr {
        Expr::Clause(clause) => vocabulary.number(clause),
        _ => panic!("a made-up keyword has one or two clauses"),
    };
    match expr {
        Expr::And(all) => match &all[1] {
            Expr::Not(b) => (number(&all[0]), number(b) | UNWANTED),
            b => (number(&all[0]), number(b)),
        },
        single => (number(single), NONE),
    }
}

fn spec(expr: &Expr) -> Spec {
    let literal = |expr: &Expr| match expr {
        Expr::Clause(clause) => clause.literal(),
        _ => panic!("a made-up keyword has one or two clauses"),
    };
    match expr {
        Expr::And(all) => match &all[1] {
            Expr::Not(b) => Spec { first: literal(&all[0]), second: Some((literal(b), false)) },
            b => Spec { first: literal(&all[0]), second: Some((literal(b), true)) },
        },
        single => Spec { first: literal(single), second: None },
    }
}

/// Pairs of profile and paper that match, found by looking for every keyword in every paper.
fn one_by_one(documents: &[Document<&Candidate>], profiles: &[Vec<Spec>]) -> usize {
    let holds = |document: &Document<&Candidate>, literal: &Literal| {
        document.holds(literal, WalkContext::default()) == Some(true)
    };
    let matches = |document: &Document<&Candidate>, spec: &Spec| {
        holds(document, &spec.first)
            && spec.second.as_ref().is_none_or(|(literal, wanted)| holds(document, literal) == *wanted)
    };
    let chosen = |specs: &Vec<Spec>| {
        documents.iter().filter(|document| specs.iter().any(|spec| matches(document, spec))).count()
    };
    profiles.iter().map(chosen).sum()
}

/// The same, found by walking over the words of every paper for every keyword.
fn word_by_word(papers: &[[Vec<Walked>; 2]], profiles: &[Vec<Spec>]) -> usize {
    let holds = |[title, abstract_text]: &[Vec<Walked>; 2], literal: &Literal| match literal {
        Literal::Text { field: Field::Title, pattern } => is_found(pattern, title),
        Literal::Text { pattern, .. } => is_found(pattern, title) || is_found(pattern, abstract_text),
        _ => panic!("a made-up keyword is words"),
    };
    let matches = |paper: &[Vec<Walked>; 2], spec: &Spec| {
        holds(paper, &spec.first)
            && spec.second.as_ref().is_none_or(|(literal, wanted)| holds(paper, literal) == *wanted)
    };
    let chosen =
        |specs: &Vec<Spec>| papers.iter().filter(|paper| specs.iter().any(|spec| matches(paper, spec))).count();
    profiles.iter().map(chosen).sum()
}

/// A word of a text, stemmed.
struct Walked {
    form: Form,
    position: u32,
}

/// The words of a paper's title and abstract.
fn walked(candidate: &Candidate) -> [Vec<Walked>; 2] {
    [&candidate.paper.title, &candidate.paper.abstract_text].map(|text| {
        let words = text::words(text).into_iter();
        words.map(|word| Walked { form: Form::of(&text[word.range.clone()]), position: word.position }).collect()
    })
}

/// Whether plain words follow each other somewhere.
fn is_found(pattern: &Pattern, words: &[Walked]) -> bool {
    let units: Vec<&Part> = pattern.units.iter().map(|unit| &unit.parts[0]).collect();
    words.windows(units.len()).any(|window| {
        let follows = |(at, word): (usize, &Walked)| word.position == window[0].position + at as u32;
        units.iter().zip(window).all(|(part, word)| part.finds("", &word.form))
            && window.iter().enumerate().all(follows)
    })
}

/// Stored queries by the rarest literal that a paper must have to match one.
struct Percolator {
    /// By literal: the profiles to look at, each with the rest of the condition: another literal and whether it must be
    /// there, or `NONE`.
    postings: Vec<Vec<Posting>>,
    profiles: usize,
}

/// A keyword of a profile: a literal and the rest of its condition.
struct Numbered {
    profile: u32,
    first: u32,
    rest: u32,
}

#[derive(Clone, Copy)]
struct Posting {
    profile: u32,
    rest: u32,
}

const NONE: u32 = u32::MAX;
const UNWANTED: u32 = 1 << 31;

impl Percolator {
    fn new(keywords: &[Numbered], literals: usize, profiles: usize) -> Self {
        let mut frequency = vec![0u32; literals];
        keywords.iter().for_each(|keyword| frequency[keyword.first as usize] += 1);
        let mut postings = vec![Vec::new(); literals];
        for &Numbered { profile, first, rest } in keywords {
            // How often a term is asked for says how common it is, since both follow one law.
            let swap = rest & UNWANTED == 0 && frequency[rest as usize] < frequency[first as usize];
            let (key, rest) = if swap { (rest, first) } else { (first, rest) };
            let list: &mut Vec<Posting> = &mut postings[key as usize];
            if !list.iter().rev().take_while(|posting| posting.profile == profile).any(|posting| posting.rest == rest) {
                list.push(Posting { profile, rest });
            }
        }
        Self { postings, profiles }
    }

    /// The pairs that match, and with `CHOOSE` how many papers are chosen when each profile takes its best few.
    fn run<const CHOOSE: bool>(&self, literals: &[Vec<u32>]) -> (usize, usize) {
        let mut stamp = vec![0u32; self.profiles];
        let mut score = vec![0u32; self.profiles];
        let mut chosen: Vec<Vec<(u32, u32)>> = vec![Vec::new(); self.profiles];
        let mut there = vec![false; self.postings.len()];
        let mut pairs = 0;
        for (paper, present) in (1u32..).zip(literals) {
            present.iter().for_each(|literal| there[*literal as usize] = true);
            let mut hit = Vec::new();
            for literal in present {
                for posting in &self.postings[*literal as usize] {
                    let rest = posting.rest;
                    if rest == NONE || there[(rest & !UNWANTED) as usize] == (rest & UNWANTED == 0) {
                        let profile = posting.profile as usize;
                        if stamp[profile] != paper {
                            stamp[profile] = paper;
                            pairs += 1;
                            if CHOOSE {
                                score[profile] = 0;
                                hit.push(posting.profile);
                            }
                        }
                        if CHOOSE {
                            score[profile] += 1;
                        }
                    }
                }
            }
            for profile in hit {
                let best = &mut chosen[profile as usize];
                best.push((score[profile as usize], !paper));
                if best.len() == 2 * TOP {
                    best.select_nth_unstable_by(TOP, |a, b| b.cmp(a));
                    best.truncate(TOP);
                }
            }
            present.iter().for_each(|literal| there[*literal as usize] = false);
        }
        let finish = |mut best: Vec<(u32, u32)>| {
            best.sort_unstable_by(|a, b| b.cmp(a));
            best.len().min(TOP)
        };
        (pairs, chosen.into_iter().map(finish).sum())
    }
}
