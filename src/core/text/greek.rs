//! Greek letters by their English names: `τ2` and `tau2` are one word, and so are `ε` and `\epsilon`.

const GREEK: [(char, &str); 24] = [
    ('α', "alpha"),
    ('β', "beta"),
    ('γ', "gamma"),
    ('δ', "delta"),
    ('ε', "epsilon"),
    ('ζ', "zeta"),
    ('η', "eta"),
    ('θ', "theta"),
    ('ι', "iota"),
    ('κ', "kappa"),
    ('λ', "lambda"),
    ('μ', "mu"),
    ('ν', "nu"),
    ('ξ', "xi"),
    ('ο', "omicron"),
    ('π', "pi"),
    ('ρ', "rho"),
    ('σ', "sigma"),
    ('τ', "tau"),
    ('υ', "upsilon"),
    ('φ', "phi"),
    ('χ', "chi"),
    ('ψ', "psi"),
    ('ω', "omega"),
];

/// The English name of a lower-case Greek letter.
fn name(letter: char) -> Option<&'static str> {
    GREEK.iter().find(|(greek, _)| *greek == letter).map(|(_, name)| *name)
}

/// The English name of the Greek letter that a command is: `\epsilon`, `\varepsilon`, `\Omega`.
pub(super) fn command(command: &str) -> Option<&'static str> {
    let name = command.strip_prefix('\\')?.trim_start_matches("var");
    GREEK.iter().find(|(_, greek)| greek.eq_ignore_ascii_case(name)).map(|(_, name)| *name)
}

/// A folded word with each Greek letter that stands beside no other by its name. Two in a row are a Greek word.
pub(super) fn spelled(folded: String) -> String {
    let is_greek = |c: Option<&char>| c.is_some_and(|c| name(*c).is_some());
    if folded.is_ascii() || !folded.chars().any(|c| is_greek(Some(&c))) {
        return folded;
    }
    let chars: Vec<char> = folded.chars().collect();
    let mut spelled = String::with_capacity(folded.len() + 8);
    for (at, c) in chars.iter().enumerate() {
        let has_neighbor = is_greek(chars.get(at + 1)) || at > 0 && is_greek(chars.get(at - 1));
        match name(*c).filter(|_| !has_neighbor) {
            Some(name) => spelled.push_str(name),
            None => spelled.push(*c),
        }
    }
    spelled
}
