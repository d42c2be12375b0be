//! Words whose stems are not left to the stemmer.
//!
//! It takes endings off until words meet that a reader of papers keeps apart: a transformer is no transformation, and what
//! is comprehensive needs no comprehension. So the forms of such a word have a stem of their own here; what else the stemmer
//! brings together stays so. `tests/judged.txt` has a case for and a case against each.

use std::sync::LazyLock;

use foldhash::HashMap;

/// Stems, and the folded words that have them. The point in `organ.` is there because "organization" stems to "organ".
const APART: [(&str, &[&str]); 85] = [
    (
        "activation",
        &["activate", "activated", "activates", "activating", "activation", "activations", "activator", "activators"],
    ),
    ("activity", &["activities", "activity"]),
    ("adapter", &["adapter", "adapters"]),
    ("additive", &["additive", "additives"]),
    ("affinity", &["affinities", "affinity"]),
    ("alternative", &["alternative", "alternatively", "alternatives"]),
    ("analogy", &["analogical", "analogies", "analogy"]),
    ("animal", &["animal", "animals"]),
    ("collective", &["collective", "collectively"]),
    ("comprehensive", &["comprehensive", "comprehensively"]),
    ("computer", &["computer", "computers"]),
    ("continual", &["continual", "continually"]),
    ("continuous", &["continuity", "continuous", "continuously"]),
    ("contrastive", &["contrastive", "contrastively"]),
    ("conversation", &["conversation", "conversational", "conversations"]),
    ("covariate", &["covariate", "covariates"]),
    ("critical", &["critical", "critically"]),
    ("customer", &["customer", "customers"]),
    ("derivative", &["derivative", "derivatives"]),
    ("digital", &["digital", "digitally"]),
    ("direction", &["direction", "directional", "directions"]),
    ("distribution", &["distribution", "distributional", "distributions"]),
    ("edition", &["edition", "editions"]),
    ("effective", &["effective", "effectively", "effectiveness"]),
    ("electronic", &["electronic", "electronically", "electronics"]),
    ("emergency", &["emergencies", "emergency"]),
    ("experienc", &["experience", "experiences"]),
    ("experiment", &["experiment", "experimented", "experimenting", "experiments"]),
    ("expressive", &["expressive", "expressiveness", "expressivity"]),
    ("extensive", &["extensive", "extensively"]),
    ("factorize", &["factorization", "factorizations", "factorize", "factorized", "factorizes", "factorizing"]),
    ("federal", &["federal"]),
    ("functional", &["functional", "functionalities", "functionality", "functionally", "functionals"]),
    ("identical", &["identical", "identically"]),
    ("importance", &["importance", "important", "importantly"]),
    ("information", &["information", "informational"]),
    (
        "initialize",
        &[
            "initialization",
            "initializations",
            "initialize",
            "initialized",
            "initializer",
            "initializers",
            "initializes",
            "initializing",
        ],
    ),
    ("integral", &["integral", "integrals"]),
    ("intelligible", &["intelligibility", "intelligible"]),
    ("international", &["international", "internationally"]),
    ("interpreter", &["interpreter", "interpreters"]),
    (
        "localize",
        &[
            "localization",
            "localizations",
            "localize",
            "localized",
            "localizer",
            "localizers",
            "localizes",
            "localizing",
        ],
    ),
    ("majority", &["majorities", "majority"]),
    (
        "marginal",
        &[
            "marginal",
            "marginalization",
            "marginalize",
            "marginalized",
            "marginalizes",
            "marginalizing",
            "marginally",
            "marginals",
        ],
    ),
    ("meaning", &["meaning", "meanings"]),
    ("mechanism", &["mechanism", "mechanisms"]),
    (
        "modulation",
        &["modulate", "modulated", "modulates", "modulating", "modulation", "modulations", "modulator", "modulators"],
    ),
    ("multiplication", &["multiplication", "multiplications", "multiplicative", "multiplicatively"]),
    ("natural", &["natural", "naturally", "naturalness"]),
    (
        "normalize",
        &[
            "normalization",
            "normalizations",
            "normalize",
            "normalized",
            "normalizer",
            "normalizers",
            "normalizes",
            "normalizing",
        ],
    ),
    ("numerous", &["numerous"]),
    ("objective", &["objective", "objectives"]),
    ("operator", &["operator", "operators"]),
    ("optimal", &["optimal", "optimality", "optimally"]),
    ("optional", &["optional", "optionally"]),
    ("organ.", &["organ", "organs"]),
    ("organic", &["organic", "organically"]),
    ("organism", &["organism", "organisms"]),
    ("original", &["original", "originally"]),
    ("personal", &["personal", "personally"]),
    ("personality", &["personalities", "personality"]),
    (
        "personalize",
        &["personalization", "personalizations", "personalize", "personalized", "personalizes", "personalizing"],
    ),
    ("positive", &["positive", "positively", "positives"]),
    ("presentation", &["presentation", "presentations"]),
    ("production", &["production", "productions"]),
    ("projection", &["projected", "projecting", "projection", "projections", "projective"]),
    ("proposal", &["proposal", "proposals"]),
    ("publication", &["publication", "publications"]),
    ("reasonable", &["reasonable", "reasonably"]),
    (
        "regularize",
        &[
            "regularization",
            "regularizations",
            "regularize",
            "regularized",
            "regularizer",
            "regularizers",
            "regularizes",
            "regularizing",
        ],
    ),
    ("relation", &["relation", "relational", "relations"]),
    ("relative", &["relative", "relatively"]),
    ("relativity", &["relativistic", "relativity"]),
    ("responsible", &["responsibilities", "responsibility", "responsible", "responsibly"]),
    ("several", &["several"]),
    ("specification", &["specification", "specifications"]),
    ("subjective", &["subjective", "subjectively", "subjectivity"]),
    ("terminal", &["terminal", "terminals"]),
    ("transformer", &["transformer", "transformers"]),
    ("universe", &["universe", "universes"]),
    ("university", &["universities", "university"]),
    ("utility", &["utilities", "utility"]),
    ("variational", &["variational", "variationally"]),
    ("vertex", &["vertices"]),
    (
        "visualize",
        &[
            "visualization",
            "visualizations",
            "visualize",
            "visualized",
            "visualizer",
            "visualizers",
            "visualizes",
            "visualizing",
        ],
    ),
];

/// Plurals of acronyms that the stemmer leaves alone, as they stand where all is in capitals. Others may end in an S.
const ACRONYMS: [&str; 12] =
    ["cnns", "cpus", "dnns", "gnns", "gpus", "llms", "lstms", "mllms", "mlps", "rnns", "tpus", "vlms"];

/// The stem of a folded word that the stemmer would take for another's.
pub(super) fn stem(folded: &str) -> Option<&str> {
    static STEMS: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
        let apart = APART.iter().flat_map(|(stem, words)| words.iter().map(|word| (*word, *stem)));
        apart.chain(ACRONYMS.iter().map(|plural| (*plural, &plural[..plural.len() - 1]))).collect()
    });
    STEMS.get(folded).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A verb that is left out in one form is found by it no more.
    #[test]
    fn what_ends_in_ize_is_apart_in_all_its_forms() {
        let verbs = APART.iter().filter_map(|(stem, _)| Some((*stem, stem.strip_suffix("ize")?)));
        let forms = ["ize", "izes", "ized", "izing", "ization"];
        for (stem, form) in verbs.flat_map(|(apart, begin)| forms.map(|end| (apart, format!("{begin}{end}")))) {
            assert_eq!(super::stem(&form), Some(stem), "{form}");
        }
    }
}
