//! Made-up readers: how well `like:` ranks what they would want to read, beside two plain rankings.
//!
//! Papers are drawn about topics that share most of their words; a tenth of what tells a topic are pairs of everyday words. A
//! reader has one topic, has liked ten papers of it and was shown others, and wants those of the same topic among later
//! papers. The measure is average precision over the later papers, where what isn't found counts as never. Made-up text is
//! easier than real text for every ranking, so only the ratios mean something.

use std::collections::HashMap;

use chrono::{DateTime, TimeZone, Utc};
use fastrand::Rng;
use paperpost::core::candidate::Candidate;
use paperpost::core::matching::{CompiledProfile, Pool, Scratch, Skip, Vocabulary};
use paperpost::core::paper::{Paper, PaperKey};
use paperpost::core::query::Query;
use paperpost::core::subscription::{Keyword, Profile, Rank};

const TOPICS: usize = 40;
const LIKED: usize = 10;

/// A paper and what it is about.
struct About {
    paper: Paper,
    topics: Vec<String>,
}

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 23, 12, 0, 0).single().expect("a valid time")
}

fn paper(number: usize, title: String, abstract_text: String) -> Paper {
    let key = PaperKey::arxiv(&format!("2611.{number:05}")).expect("an arXiv id");
    Paper { abstract_text, ..Paper::new(key, &title, "https://example.org/paper") }
}

/// Words by Zipf's law: the first ones by far the most often.
fn zipf<'a>(words: &'a [String], rng: &mut Rng) -> &'a str {
    let at = (words.len() as f64).powf(rng.f64()) - 1.0;
    &words[at as usize]
}

fn made_up(count: usize, rng: &mut Rng) -> Vec<About> {
    let mut word = || {
        (0..rng.usize(2..4))
            .map(|_| ["ba", "ke", "lo", "mi", "nu", "ra", "so", "te", "vi", "zu", "dor", "fin"][rng.usize(0..12)])
            .collect::<String>()
            + "k"
    };
    let everyday: Vec<String> = (0..4_000).map(|_| word()).collect();
    let own: Vec<Vec<String>> = (0..TOPICS).map(|_| (0..30).map(|_| word()).collect()).collect();
    let pairs: Vec<Vec<String>> = (0..TOPICS)
        .map(|_| (0..4).map(|_| format!("{} {}", zipf(&everyday, rng), zipf(&everyday, rng))).collect())
        .collect();
    (0..count)
        .map(|number| {
            let topic = rng.usize(0..TOPICS);
            // In a hundred words: so many of the topic, and so many pairs of its own.
            let mut text = |words: usize, own_words: u32, own_pairs: u32| {
                let neighbors = own_words / 3;
                let mut text = String::new();
                for _ in 0..words {
                    let word = match rng.u32(0..100) {
                        at if at < own_words => zipf(&own[topic], rng),
                        at if at < own_words + own_pairs => zipf(&pairs[topic], rng),
                        // The next topic has some of its words, and any other one at times.
                        at if at < own_words + own_pairs + neighbors => zipf(&own[(topic + 1) % TOPICS], rng),
                        at if at < own_words + own_pairs + neighbors + 6 => zipf(&own[rng.usize(0..TOPICS)], rng),
                        _ => zipf(&everyday, rng),
                    };
                    text = text + " " + word;
                }
                text.trim().to_owned()
            };
            let paper = paper(number, text(8, 8, 2), text(110, 3, 1));
            About { paper, topics: vec![topic.to_string()] }
        })
        .collect()
}

/// Average precision of a ranking over `wanted` papers.
fn average_precision(ranked: &[usize], wanted: impl Fn(usize) -> bool, count: usize) -> f64 {
    let places = ranked.iter().enumerate().filter(|(_, at)| wanted(**at)).map(|(place, _)| place + 1);
    let precision = places.enumerate().map(|(before, place)| (before + 1) as f64 / place as f64);
    precision.sum::<f64>() / count as f64
}

/// TF-IDF vectors of single words, as any textbook has them.
fn vectors(papers: &[&Paper]) -> Vec<HashMap<String, f64>> {
    let counts: Vec<HashMap<String, f64>> = papers
        .iter()
        .map(|paper| {
            let mut counts = HashMap::new();
            for word in
                format!("{} {}", paper.title, paper.abstract_text).to_lowercase().split(|c: char| !c.is_alphanumeric())
            {
                *counts.entry(word.to_owned()).or_insert(0.0) += 1.0;
            }
            counts.remove("");
            counts
        })
        .collect();
    let mut found: HashMap<&str, f64> = HashMap::new();
    counts.iter().flat_map(HashMap::keys).for_each(|word| *found.entry(word).or_default() += 1.0);
    let weigh = |counts: &HashMap<String, f64>| {
        let weights = counts.iter().map(|(word, count)| {
            (word, (1.0 + count.ln()) * ((papers.len() as f64 + 1.0) / found[word.as_str()]).ln())
        });
        let weights: Vec<(&String, f64)> = weights.collect();
        let length = weights.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt();
        weights.into_iter().map(|(word, weight)| (word.clone(), weight / length)).collect()
    };
    counts.iter().map(weigh).collect()
}

fn dot(a: &HashMap<String, f64>, b: &HashMap<String, f64>) -> f64 {
    a.iter().map(|(word, weight)| weight * b.get(word).copied().unwrap_or(0.0)).sum()
}

fn ranked(scored: impl Iterator<Item = (usize, f64)>) -> Vec<usize> {
    let mut scored: Vec<(usize, f64)> = scored.collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scored.into_iter().map(|(at, _)| at).collect()
}

/// As `like:` once was: whatever has a cosine of 0.2 to one of the liked papers.
fn by_threshold(vectors: &[HashMap<String, f64>], liked: &[usize], later: &[usize]) -> Vec<usize> {
    let found = later.iter().map(|at| {
        let cosines = liked.iter().map(|own| dot(&vectors[*at], &vectors[*own])).filter(|cosine| *cosine >= 0.2);
        (*at, cosines.sum::<f64>())
    });
    ranked(found.filter(|(_, score)| *score > 0.0))
}

/// Logistic regression with C = 10 and balanced classes, of what was liked against everything else that was there.
fn by_regression(vectors: &[HashMap<String, f64>], liked: &[usize], earlier: &[usize], later: &[usize]) -> Vec<usize> {
    let mut model: HashMap<String, f64> = HashMap::new();
    let mut bias = 0.0;
    let (count, rounds) = (earlier.len() as f64, 30);
    for round in 0..rounds {
        let rate = 4.0 / (1.0 + f64::from(round) / 5.0);
        let mut gradient: HashMap<&str, f64> = HashMap::new();
        let mut of_bias = 0.0;
        for at in earlier {
            let is_liked = liked.contains(at);
            let share = if is_liked { 0.5 / liked.len() as f64 } else { 0.5 / (count - liked.len() as f64) };
            let error = f64::from(u8::from(is_liked)) - 1.0 / (1.0 + (-dot(&vectors[*at], &model) - bias).exp());
            of_bias += share * error;
            vectors[*at].iter().for_each(|(word, weight)| *gradient.entry(word).or_default() += share * error * weight);
        }
        bias += rate * of_bias;
        for (word, gradient) in gradient {
            let weight = model.entry(word.to_owned()).or_default();
            *weight += rate * (gradient - *weight / (10.0 * count));
        }
    }
    ranked(later.iter().map(|at| (*at, dot(&vectors[*at], &model))))
}

fn profile(liked: impl Iterator<Item = String>) -> Profile {
    let keyword = |id| Keyword { query: Query::parse(&format!("like:{id}")).expect("a keyword"), weight: 1.0 };
    Profile {
        name: String::new(),
        keywords: liked.map(keyword).collect(),
        exclude: Vec::new(),
        must: Vec::new(),
        min_upvotes: 0,
        sources: Vec::new(),
        max_papers: 20,
        rank: Rank::Relevance,
    }
}

/// Threshold, regression, and `like:` as it is: average precision, over all readers.
fn measure(papers: &[About], pool: &Pool, readers: &[(Vec<usize>, Vec<usize>, String)]) -> [f64; 3] {
    let vectors = vectors(&papers.iter().map(|about| &about.paper).collect::<Vec<_>>());
    let mut sums = [0.0; 3];
    for (liked, shown, topic) in readers {
        let begin = liked.iter().chain(shown).max().expect("something was shown") + 1;
        let (earlier, later): (Vec<usize>, Vec<usize>) = (0..papers.len()).partition(|at| *at < begin);
        let wanted = |at: usize| papers[at].topics.contains(topic);
        let count = later.iter().filter(|at| wanted(**at)).count();
        let profile = profile(liked.iter().map(|at| papers[*at].paper.key.arxiv_id().expect("an id").to_owned()));
        let mut vocabulary = Vocabulary::default();
        let compiled = CompiledProfile::new(&profile, &mut vocabulary);
        let mut matcher = pool.prepare(&vocabulary);
        let sent: Vec<u32> = liked.iter().chain(shown).map(|at| *at as u32).collect();
        let adapted = matcher.adapt(pool, 0..vocabulary.len() as u32, &sent);
        let skip = Skip::new(pool, earlier.iter().copied());
        let mut scratch = Scratch::default();
        let found = matcher.select(&compiled, usize::MAX, &skip, &mut scratch);
        let found: Vec<usize> = found.iter().map(|found| found.index).collect();
        matcher.put_back(adapted);
        let rankings = [by_threshold(&vectors, liked, &later), by_regression(&vectors, liked, &earlier, &later), found];
        for (sum, ranking) in sums.iter_mut().zip(rankings) {
            *sum += average_precision(&ranking, wanted, count) / readers.len() as f64;
        }
    }
    sums
}

fn candidates(papers: &[About]) -> Vec<Candidate> {
    let candidate = |(id, about): (u32, &About)| Candidate {
        id,
        first_seen: now(),
        paper: about.paper.clone(),
        listings: Vec::new(),
        votes: Vec::new(),
    };
    (0u32..).zip(papers).map(candidate).collect()
}

#[test]
fn like_ranks_as_well_as_a_regression_and_far_better_than_a_threshold() {
    let papers = made_up(1_400, &mut Rng::with_seed(3));
    let begin = 700;
    let readers = (0..TOPICS).step_by(2).filter_map(|topic| {
        let about = |at: &usize| papers[*at].topics[0] == topic.to_string();
        let liked: Vec<usize> = (0..begin).filter(about).take(LIKED).collect();
        // What a digest would have had of other topics: of the one that shares words with it, before something was liked.
        let other = (topic + TOPICS - 1) % TOPICS;
        let shown = (0..begin).filter(|at| papers[*at].topics[0] == other.to_string()).take(8);
        let shown: Vec<usize> = shown.chain([begin - 1]).collect();
        (liked.len() == LIKED && (begin..papers.len()).any(|at| about(&at))).then(|| (liked, shown, topic.to_string()))
    });
    let readers: Vec<_> = readers.collect();
    let pool = Pool::new(candidates(&papers), now());
    let [threshold, regression, like] = measure(&papers, &pool, &readers);
    println!(
        "{} readers, average precision: threshold {threshold:.3}, regression {regression:.3}, like {like:.3}",
        readers.len()
    );
    assert!(readers.len() >= 15, "{}", readers.len());
    assert!(like >= regression, "{like:.3} is below {regression:.3}");
    assert!(like >= 4.0 * threshold, "{like:.3} is less than four times {threshold:.3}");
}
