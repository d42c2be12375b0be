//! Stems: what a word and its inflections have in common, and nothing else does.
//!
//! A plural, a possessive, what -s, -ed and -ing make of a verb, a comparative, a superlative and another spelling of the
//! same word have its stem: `matrices` is `matrix`, `learnt` is `learn`, `behaviour` is `behavior`. A derivation has its own:
//! a tokenizer is no token. The stem is the word as a dictionary lists it, in American spelling.
//!
//! `stem/rules.txt` says how, by the endings of words; `stem/generate.py` makes it from dictionaries. A word that they don't
//! have is stemmed like those that end as it does. Decision 28 has the reasons.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::FixedState;
use rust_stemmers::{Algorithm, Stemmer};

type Map<K, V> = HashMap<K, V, FixedState>;

/// The stem of a word, and a second one if it may be a form of either: `axes`.
pub(super) type Stems = (String, Option<String>);

/// How many letters of a word go, and what takes their place.
#[derive(Clone, Copy)]
struct Change {
    cut: usize,
    end: &'static str,
}

/// By ending: what becomes of a word that has it, in one way or in two. `^` is the beginning of the word.
static RULES: LazyLock<Map<&'static str, (Change, Option<Change>)>> = LazyLock::new(|| {
    let mut rules = Map::default();
    for line in include_str!("rules.txt").lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split(' ');
        let mut changes = fields.next().into_iter().flat_map(|changes| changes.split('|')).map(Change::read);
        if let Some(first) = changes.next() {
            let rule = (first, changes.next());
            rules.extend(fields.map(|ending| (ending, rule)));
        }
    }
    rules
});

impl Change {
    /// Reads `3y`: three letters go, a y comes.
    fn read(text: &'static str) -> Self {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        Self { cut: text[..digits].parse().unwrap_or(0), end: &text[digits..] }
    }

    fn of(self, word: &str) -> String {
        word[..word.len().saturating_sub(self.cut)].to_owned() + self.end
    }
}

/// The stem of a folded word, by inflection. A word with digits, signs or other scripts is its own.
pub(super) fn stem(folded: &str) -> Stems {
    if !is_english(folded) {
        return (folded.to_owned(), None);
    }
    // Papers and keywords have the same words again and again.
    const MANY: usize = 8_192;
    thread_local! {
        static STEMS: RefCell<Map<String, Stems>> = RefCell::default();
    }
    STEMS.with_borrow_mut(|stems| {
        if let Some(stem) = stems.get(folded) {
            return stem.clone();
        }
        if stems.len() >= MANY {
            stems.clear();
        }
        let stem = by_rules(folded);
        stems.insert(folded.to_owned(), stem.clone());
        stem
    })
}

/// The stem of a name in capitals: without the s of a plural, if it is read as a word and so is what is left: `SAMS`, but
/// not `RLS`. It is no form of a verb: LED is not led.
pub(super) fn stem_of_name(folded: &str) -> String {
    match folded.strip_suffix('s') {
        Some(singular) if is_english(folded) && stem(folded) == (singular.to_owned(), None) => singular.to_owned(),
        _ => folded.to_owned(),
    }
}

/// What the relatives of a word have in common: what is left of its stem when the endings of derivations are taken off too
/// (Snowball, <https://snowballstem.org/algorithms/english/stemmer.html>). Equal stems have equal roots.
pub fn root(stem: &str) -> String {
    if is_english(stem) { Stemmer::create(Algorithm::English).stem(stem).into_owned() } else { stem.to_owned() }
}

fn is_english(folded: &str) -> bool {
    folded.len() >= 3 && folded.bytes().all(|b| b.is_ascii_lowercase())
}

fn by_rules(word: &str) -> Stems {
    if let Some(stems) = by_whole(word) {
        return stems;
    }
    // "tunings" is of "tuning", and that of "tune".
    const STEPS: usize = 4;
    let mut stem = word.to_owned();
    for _ in 0..STEPS {
        let next = match by_whole(&stem) {
            Some((only, None)) => only,
            Some(_) => break,
            None => by_ending(&stem),
        };
        if next == stem {
            break;
        }
        stem = next;
    }
    (stem, None)
}

/// What the rule for the whole word makes of it, if there is one.
fn by_whole(word: &str) -> Option<Stems> {
    let (first, second) = RULES.get(format!("^{word}").as_str())?;
    Some((first.of(word), second.map(|change| change.of(word))))
}

/// The word changed as others with its ending are, if that leaves a word.
fn by_ending(word: &str) -> String {
    let rule = (0..word.len()).find_map(|at| RULES.get(&word[at..]));
    let changed = rule.filter(|_| word.len() > 3).map(|(first, _)| first.of(word));
    changed
        .filter(|stem| stem.len() > 1 && stem.contains(['a', 'e', 'i', 'o', 'u', 'y']))
        .unwrap_or_else(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that have one stem, line by line; the first is that stem.
    const ONE: &str = "
        analyze analyse analysed analyzing
        behavior behaviour behaviors behaviours
        bias biases biased
        build building buildings built
        bus buses
        class classes
        color colour colours coloring colouring
        criterion criteria
        dataset datasets
        dialog dialogue dialogs dialogues
        embed embeds embedded embedding embeddings
        finetune finetuned finetuning finetunings finetunes
        gas gases
        hypothesis hypotheses
        index indices indexes indexed indexing
        large larger largest
        learn learned learnt learning learns
        lens lenses
        man men
        matrix matrices
        model models modelling modeling modelled modeled
        optimization optimisation optimizations optimisations
        optimize optimise optimised optimizing
        pretrain pretrained pretraining
        process processes processed processing
        query queries querying queried
        run ran running runs
        string strings
        study studies studied studying
        token tokens
        tokenize tokenise tokenised tokenizing
        tokenizer tokenizers tokeniser tokenisers
        train trained training trainings
        virus viruses
        llm llms
        woman women
        policeman policemen
        craftsman craftsmen
        congresswoman congresswomen
        foot feet
        goose geese
        tooth teeth
        alga algae
        bacterium bacteria
        fungus fungi
        simplex simplices";

    /// Words that are their own stems, and so have each another.
    const APART: &str = "
        token tokenizer tokenization container contain integrity integrate performer perform performance generalization
        generalize general humanity human agentic agent physics physical optimization optimize optimizer red reed sing thing
        king during species series statistic news lens left leave better good best data datum meaning mean agreement agree
        activity active activation activate robotics robotic semantics semantic organ organic organization string us status
        corpus bus gas analysis bed embed speed need feed evening even later late thought think ground grind shot shoot media
        medium nas sat bit bite human person people german roman specimen abdomen omen lumen putamen ramen";

    #[test]
    fn inflections_have_one_stem() {
        for line in ONE.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.split(' ');
            let expected = words.clone().next().unwrap_or_default();
            words.all(|word| {
                assert_eq!(stem(word), (expected.to_owned(), None), "{word}");
                true
            });
        }
    }

    #[test]
    fn derivations_and_words_that_only_look_inflected_keep_their_own() {
        for word in APART.split_whitespace() {
            assert_eq!(stem(word), (word.to_owned(), None), "{word}");
        }
    }

    #[test]
    fn a_form_of_two_words_has_two_stems() {
        let two = |word: &str| stem(word).1.map(|second| (stem(word).0, second));
        assert_eq!(two("analyses"), Some(("analysis".to_owned(), "analyze".to_owned())));
        assert_eq!(two("axes"), Some(("axis".to_owned(), "ax".to_owned())));
        assert_eq!(two("leaves"), Some(("leaf".to_owned(), "leave".to_owned())));
    }

    #[test]
    fn a_stem_is_its_own_stem_and_has_the_root_of_its_words() {
        for ending in RULES.keys() {
            let word = ending.trim_start_matches('^');
            let (first, second) = stem(word);
            for stem_of_word in [Some(first), second].into_iter().flatten().filter(|stem| is_english(stem)) {
                let (again, other) = stem(&stem_of_word);
                let is_own = again == stem_of_word || other.as_ref() == Some(&stem_of_word);
                assert!(is_own, "{word} is {stem_of_word}, and that is {again}");
            }
        }
        for (a, b) in
            [("generalization", "general"), ("tokenizer", "tokens"), ("agentic", "agents"), ("physics", "physical")]
        {
            assert_eq!(root(&stem(a).0), root(&stem(b).0), "{a} {b}");
        }
    }

    #[test]
    fn a_name_in_capitals_is_no_verb() {
        for (name, expected) in [("led", "led"), ("sams", "sam"), ("rls", "rls"), ("llms", "llm"), ("bert", "bert")] {
            assert_eq!(stem_of_name(name), expected);
        }
    }
}
