//! What `like:` finds, and by what.

use super::*;

/// Papers about scans, about robots, and about neither.
fn shelf() -> Vec<Candidate> {
    let scan = "Selective state spaces scan long sequences in linear time, and no attention is needed.";
    let robot = "A robot arm folds laundry in a kitchen; grasp planning takes a minute.";
    let mut papers = vec![
        candidate(1, "Mamba scans", scan),
        candidate(2, "Scans of state spaces", "Linear time is what selective state spaces need for long sequences."),
        candidate(3, "Folding laundry", robot),
        candidate(4, "Grasp planning", "A robot arm plans its grasp in a kitchen full of laundry."),
    ];
    let other =
        |n: u32| candidate(n, &format!("Subject number {n}"), "Words about something else altogether, in a row.");
    papers.extend((5..=40).map(other));
    papers
}

fn likes(ids: &[&str], share: u8) -> Likes {
    Likes { ids: ids.iter().map(|id| (*id).to_owned()).collect(), share }
}

#[test]
fn like_finds_what_is_nearest_however_far_and_never_the_paper_itself() {
    let elsewhere = candidate(99, "Linear time sequences", "Selective state spaces, again, for sequences.").paper;
    let pool = Pool::with_liked(shelf(), &[elsewhere], now());
    assert_eq!(chosen(&pool, &profile(&["like:2603.00001"]))[0], 2);
    assert_eq!(chosen(&pool, &profile(&["like:2603.00003~1%"])), [4]);
    let mut both = chosen(&pool, &profile(&["like:2603.00099"]));
    both.sort_unstable();
    assert_eq!(both, [1, 2]);
    assert_eq!(chosen(&pool, &profile(&["like:2603.00077"])), [0u32; 0], "nothing is like the unknown");
    assert!(pool.knows("2603.00099") && !pool.knows("2603.00077"));
    assert_eq!(chosen(&pool, &profile(&["like:2603.00001 laundry"])), [0u32; 0]);
    assert_eq!(chosen(&pool, &Profile { exclude: queries(&["like:2603.00001"]), ..profile(&["scan"]) }), [1]);
}

#[test]
fn several_likes_of_a_profile_find_as_many_papers_as_one() {
    let pool = Pool::new(shelf(), now());
    let (apart, together) =
        (profile(&["like:2603.00001", "like:2603.00003"]), profile(&["like:2603.00001,2603.00003"]));
    assert_eq!(pool.select(&apart), pool.select(&together));
    let mut found = chosen(&pool, &apart);
    found.sort_unstable();
    assert_eq!(found, [2, 4], "the nearest 5 % of 38 papers are two");
    let finding = &pool.explain(&apart, 1).expect("a candidate").findings[0];
    assert_eq!((finding.text.as_str(), finding.matches), ("like:2603.00001,2603.00003", true));
    let weighed = profile(&["like:2603.00001^2", "like:2603.00003"]);
    assert_eq!(likes::joined(&weighed).len(), 2, "what has another weight is another model");
    assert_eq!(likes::joined(&profile(&["scan", "like:2603.00001", "like:2603.00003~2%"])).len(), 3);
}

#[test]
fn what_was_shown_and_not_liked_counts_against_its_like_once_something_later_was_liked() {
    let mut papers = shelf();
    papers.push(candidate(41, "Scans of laundry", "Selective scans of laundry in linear time."));
    papers.push(candidate(42, "State space models", "Selective state spaces in linear time."));
    let pool = Pool::new(papers, now());
    let liked = likes(&["2603.00001", "2603.00042"], 5);
    assert_eq!(pool.judged(&liked, &[3, 41]), [0usize; 0], "nothing liked was shown");
    assert_eq!(pool.judged(&liked, &[1, 2, 3]), [0usize; 0], "they came after what was liked");
    assert_eq!(pool.judged(&liked, &[3, 4, 41, 42]), [2, 3, 40]);
    let score = |judged: &[usize]| pool.closeness(&liked, judged).score(40);
    assert!(score(&[2, 3]) < score(&[]));

    // The matcher does the same, and is afterwards what it was.
    let wanted = profile(&["like:2603.00001,2603.00042~50%", "subject"]);
    let mut vocabulary = Vocabulary::default();
    let compiled = CompiledProfile::new(&wanted, &mut vocabulary);
    let mut matcher = pool.prepare(&vocabulary);
    let found =
        |matcher: &Matcher| matcher.select(&compiled, usize::MAX, &Skip::default(), &mut Scratch::default()).to_vec();
    let before = found(&matcher);
    let adapted = matcher.adapt(&pool, compiled.literals(), &[3, 4, 42]);
    let (during, index) = (found(&matcher), 40);
    matcher.put_back(adapted);
    assert_eq!(found(&matcher), before);
    let of = |matches: &[Match]| matches.iter().find(|found| found.index == index).map(|found| found.score);
    assert!(of(&during) < of(&before), "{:?} {:?}", of(&during), of(&before));
}

#[test]
fn three_terms_say_what_makes_a_paper_close() {
    let pool = Pool::new(shelf(), now());
    let reasons = pool.reasons(&profile(&["like:2603.00001", "scan"]), 1);
    let named: Vec<&str> = reasons.queries.iter().map(|query| &**query).collect();
    assert_eq!(named, ["like: state spaces, scans, linear time", "scan"]);
    let reasons = pool.reasons(&profile(&["scan like:2603.00001"]), 1);
    assert_eq!(&*reasons.queries[0], "scan like:2603.00001 (state spaces, scans, linear time)");
    let explained = pool.explain(&profile(&["like:2603.00001"]), 1).expect("a candidate").to_string();
    assert!(explained.contains("(among the closest 2.6 %: state spaces, scans, linear time)"), "{explained}");
}

#[test]
fn all_papers_ever_seen_say_how_rare_a_word_is() {
    let mut statistics = Statistics::default();
    let everyday = |n| candidate(n, "Laundry", "Laundry, and more laundry.").paper;
    (0..500).for_each(|n| statistics.add(&everyday(n)));
    shelf().iter().for_each(|candidate| statistics.add(&candidate.paper));
    let pool = Pool::new(shelf(), now()).with_statistics(Arc::new(statistics));
    let wanted = profile(&["like:2603.00003"]);
    let terms = pool.explainer(&wanted, &[]).terms(&likes(&["2603.00003"], 5), 3).expect("close");
    assert!(!terms.concat().contains("laundry"), "what everybody writes of says nothing: {terms:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_like_finds_its_share_and_what_is_as_close(papers in papers(1..=60), share in 1u8..=50) {
        let pool = Pool::new(papers, now());
        let wanted = likes(&["2603.00000"], share);
        let closeness = pool.closeness(&wanted, &[]);
        let count = |least: f32| (0..pool.candidates().len()).filter(|at| closeness.score(*at) > least).count();
        let found: Vec<usize> = (0..pool.candidates().len()).filter(|at| closeness.finds(*at)).collect();
        let most = ((pool.candidates().len() - 1) * usize::from(share)).div_ceil(100);
        let least = found.iter().map(|at| closeness.score(*at)).fold(f32::INFINITY, f32::min);
        prop_assert!(found.len() >= most.min(count(0.0)));
        prop_assert!(found.is_empty() || count(least) < most, "no more than its share but for equals");
        for at in 0..pool.candidates().len() {
            prop_assert!((0.0..=1.0 + 1e-5).contains(&closeness.score(at)));
            let is_in = closeness.share(at).is_some_and(|own| own <= f32::from(share));
            prop_assert!(!is_in || closeness.finds(at));
        }
    }
}
