//! What commands and scripts are in Unicode.

/// A sign with a name.
#[derive(Clone, Copy)]
pub(super) enum Symbol {
    /// A letter or a sign that stands for itself.
    Plain(&'static str),
    /// A sign between two others, with a space on both sides or on none.
    Between(&'static str),
    /// A function, shown by its own name.
    Function,
}

impl Symbol {
    /// What is shown for a command of this name.
    pub(super) fn shown(self, name: &str) -> &str {
        match self {
            Self::Plain(sign) | Self::Between(sign) => sign,
            Self::Function => name,
        }
    }
}

/// Letters of another shape.
#[derive(Clone, Copy)]
pub(super) enum Font {
    /// ℝ
    Double,
    /// 𝒪
    Script,
    /// 𝔤
    Fraktur,
}

/// Above or below the line.
#[derive(Clone, Copy)]
pub(super) enum Script {
    Super,
    Sub,
}

/// The Greek letter of this name.
pub(super) fn greek(name: &str) -> Option<&'static str> {
    Some(match name {
        "alpha" => "α",
        "beta" => "β",
        "gamma" => "γ",
        "delta" => "δ",
        "epsilon" | "varepsilon" => "ε",
        "zeta" => "ζ",
        "eta" => "η",
        "theta" => "θ",
        "vartheta" => "ϑ",
        "iota" => "ι",
        "kappa" => "κ",
        "lambda" => "λ",
        "mu" => "μ",
        "nu" => "ν",
        "xi" => "ξ",
        "omicron" => "ο",
        "pi" => "π",
        "rho" | "varrho" => "ρ",
        "sigma" => "σ",
        "varsigma" => "ς",
        "tau" => "τ",
        "upsilon" => "υ",
        "phi" | "varphi" => "φ",
        "chi" => "χ",
        "psi" => "ψ",
        "omega" => "ω",
        "Gamma" => "Γ",
        "Delta" => "Δ",
        "Theta" => "Θ",
        "Lambda" => "Λ",
        "Xi" => "Ξ",
        "Pi" => "Π",
        "Sigma" => "Σ",
        "Upsilon" => "Υ",
        "Phi" => "Φ",
        "Psi" => "Ψ",
        "Omega" => "Ω",
        _ => return None,
    })
}

/// The sign of this name.
pub(super) fn symbol(name: &str) -> Option<Symbol> {
    use Symbol::{Between, Function, Plain};
    if let Some(letter) = greek(name) {
        return Some(Plain(letter));
    }
    Some(match name {
        "times" => Between("×"),
        "cdot" => Between("·"),
        "pm" => Between("±"),
        "mp" => Between("∓"),
        "div" => Between("÷"),
        "ast" => Between("∗"),
        "star" => Between("⋆"),
        "circ" => Between("∘"),
        "bullet" => Between("•"),
        "oplus" => Between("⊕"),
        "otimes" => Between("⊗"),
        "odot" => Between("⊙"),
        "cup" => Between("∪"),
        "cap" => Between("∩"),
        "setminus" => Between("∖"),
        "wedge" | "land" => Between("∧"),
        "vee" | "lor" => Between("∨"),
        "leq" | "le" | "leqslant" => Between("≤"),
        "geq" | "ge" | "geqslant" => Between("≥"),
        "lesssim" => Between("≲"),
        "gtrsim" => Between("≳"),
        "ll" => Between("≪"),
        "gg" => Between("≫"),
        "lt" => Between("<"),
        "gt" => Between(">"),
        "neq" | "ne" => Between("≠"),
        "approx" => Between("≈"),
        "sim" => Between("∼"),
        "simeq" => Between("≃"),
        "cong" => Between("≅"),
        "equiv" => Between("≡"),
        "propto" => Between("∝"),
        "in" => Between("∈"),
        "notin" => Between("∉"),
        "ni" => Between("∋"),
        "subset" => Between("⊂"),
        "subseteq" => Between("⊆"),
        "supset" => Between("⊃"),
        "supseteq" => Between("⊇"),
        "mid" => Between("∣"),
        "parallel" => Between("∥"),
        "perp" => Between("⊥"),
        "to" | "rightarrow" | "longrightarrow" => Between("→"),
        "gets" | "leftarrow" => Between("←"),
        "leftrightarrow" => Between("↔"),
        "Rightarrow" | "implies" => Between("⇒"),
        "Leftarrow" => Between("⇐"),
        "Leftrightarrow" | "iff" => Between("⇔"),
        "mapsto" => Between("↦"),
        "uparrow" => Plain("↑"),
        "downarrow" => Plain("↓"),
        "nearrow" => Plain("↗"),
        "searrow" => Plain("↘"),
        "infty" => Plain("∞"),
        "partial" => Plain("∂"),
        "nabla" => Plain("∇"),
        "ell" => Plain("ℓ"),
        "hbar" => Plain("ℏ"),
        "Re" => Plain("ℜ"),
        "Im" => Plain("ℑ"),
        "aleph" => Plain("ℵ"),
        "emptyset" | "varnothing" => Plain("∅"),
        "forall" => Plain("∀"),
        "exists" => Plain("∃"),
        "neg" | "lnot" => Plain("¬"),
        "sum" => Plain("∑"),
        "prod" => Plain("∏"),
        "int" => Plain("∫"),
        "angle" => Plain("∠"),
        "triangle" => Plain("△"),
        "square" | "Box" => Plain("□"),
        "top" => Plain("⊤"),
        "bot" => Plain("⊥"),
        "prime" => Plain("′"),
        "dagger" | "dag" => Plain("†"),
        "ddagger" | "ddag" => Plain("‡"),
        "langle" => Plain("⟨"),
        "rangle" => Plain("⟩"),
        "lfloor" => Plain("⌊"),
        "rfloor" => Plain("⌋"),
        "lceil" => Plain("⌈"),
        "rceil" => Plain("⌉"),
        "vert" | "lvert" | "rvert" => Plain("|"),
        "Vert" | "lVert" | "rVert" => Plain("‖"),
        "lbrace" => Plain("{"),
        "rbrace" => Plain("}"),
        "ldots" | "dots" | "dotsc" => Plain("…"),
        "cdots" | "dotsb" => Plain("⋯"),
        "degree" => Plain("°"),
        "checkmark" => Plain("✓"),
        "colon" => Plain(":"),
        "log" | "ln" | "lg" | "exp" | "min" | "max" | "sup" | "inf" | "lim" | "limsup" | "liminf" | "arg"
        | "argmin" | "argmax" | "sin" | "cos" | "tan" | "sinh" | "cosh" | "tanh" | "arctan" | "det" | "dim" | "ker"
        | "deg" | "gcd" | "Pr" | "mod" => Function,
        _ => return None,
    })
}

/// What a command of this name is in running text.
pub(super) fn prose(name: &str) -> Option<&'static str> {
    Some(match name {
        "LaTeX" => "LaTeX",
        "TeX" => "TeX",
        "BibTeX" => "BibTeX",
        "eg" => "e.g.",
        "ie" => "i.e.",
        "aka" => "a.k.a.",
        "etal" => "et al.",
        "etc" => "etc.",
        "cf" => "cf.",
        "vs" => "vs.",
        "wrt" => "w.r.t.",
        "S" => "§",
        "P" => "¶",
        "copyright" => "©",
        "pounds" => "£",
        "euro" => "€",
        "par" | "newline" | "linebreak" | "quad" | "qquad" | "newpage" => " ",
        "xspace" | "noindent" | "protect" => "",
        "textellipsis" => "…",
        "textendash" => "–",
        "textemdash" => "—",
        "textquoteleft" | "lq" => "‘",
        "textquoteright" | "rq" => "’",
        "textquotedblleft" => "“",
        "textquotedblright" => "”",
        "textless" => "<",
        "textgreater" => ">",
        "textbar" => "|",
        "textbackslash" => "\\",
        "textasciitilde" => "~",
        "textasciicircum" => "^",
        "textunderscore" => "_",
        "textdollar" => "$",
        "textdegree" => "°",
        "texttimes" => "×",
        "textpm" => "±",
        "textmu" => "μ",
        "texttrademark" => "™",
        "textregistered" => "®",
        _ => return None,
    })
}

/// The combining character of an accent in formulas.
pub(super) fn accent(name: &str) -> Option<char> {
    Some(match name {
        "hat" | "widehat" => '\u{302}',
        "tilde" | "widetilde" => '\u{303}',
        "bar" | "overline" => '\u{304}',
        "dot" => '\u{307}',
        "ddot" => '\u{308}',
        "check" => '\u{30C}',
        "breve" => '\u{306}',
        "acute" => '\u{301}',
        "grave" => '\u{300}',
        "mathring" => '\u{30A}',
        "vec" => '\u{20D7}',
        _ => return None,
    })
}

/// The font that a command asks for; others than these look like plain letters.
pub(super) fn font(name: &str) -> Option<Font> {
    match name {
        "mathbb" | "mathds" | "Bbb" => Some(Font::Double),
        "mathcal" | "mathscr" => Some(Font::Script),
        "mathfrak" => Some(Font::Fraktur),
        _ => None,
    }
}

/// A text with its letters in a font.
pub(super) fn in_font(font: Font, text: &str) -> String {
    text.chars().map(|c| letter_in_font(font, c)).collect()
}

fn letter_in_font(font: Font, c: char) -> char {
    // Some were in Unicode before the rest, at other places.
    let first = match (font, c) {
        (Font::Double, 'C') => return 'ℂ',
        (Font::Double, 'H') => return 'ℍ',
        (Font::Double, 'N') => return 'ℕ',
        (Font::Double, 'P') => return 'ℙ',
        (Font::Double, 'Q') => return 'ℚ',
        (Font::Double, 'R') => return 'ℝ',
        (Font::Double, 'Z') => return 'ℤ',
        (Font::Script, 'B') => return 'ℬ',
        (Font::Script, 'E') => return 'ℰ',
        (Font::Script, 'F') => return 'ℱ',
        (Font::Script, 'H') => return 'ℋ',
        (Font::Script, 'I') => return 'ℐ',
        (Font::Script, 'L') => return 'ℒ',
        (Font::Script, 'M') => return 'ℳ',
        (Font::Script, 'R') => return 'ℛ',
        (Font::Script, 'e') => return 'ℯ',
        (Font::Script, 'g') => return 'ℊ',
        (Font::Script, 'o') => return 'ℴ',
        (Font::Fraktur, 'C') => return 'ℭ',
        (Font::Fraktur, 'H') => return 'ℌ',
        (Font::Fraktur, 'I') => return 'ℑ',
        (Font::Fraktur, 'R') => return 'ℜ',
        (Font::Fraktur, 'Z') => return 'ℨ',
        (Font::Double, 'A'..='Z') => '𝔸',
        (Font::Double, 'a'..='z') => '𝕒',
        (Font::Double, '0'..='9') => '𝟘',
        (Font::Script, 'A'..='Z') => '𝒜',
        (Font::Script, 'a'..='z') => '𝒶',
        (Font::Fraktur, 'A'..='Z') => '𝔄',
        (Font::Fraktur, 'a'..='z') => '𝔞',
        _ => return c,
    };
    let base = if c.is_ascii_digit() {
        '0'
    } else if c.is_ascii_uppercase() {
        'A'
    } else {
        'a'
    };
    char::from_u32(u32::from(first) + u32::from(c) - u32::from(base)).unwrap_or(c)
}

/// The sign that a script is whose backslash a site dropped: `M_{odot}`.
pub(super) fn mangled_script(name: &str) -> Option<&'static str> {
    match name {
        "star" | "ast" => Some("*"),
        "odot" => Some("⊙"),
        "circ" => Some("°"),
        "top" => Some("⊤"),
        "prime" => Some("′"),
        "dagger" => Some("†"),
        _ => None,
    }
}

/// A text above or below the line; `None` when Unicode lacks a character for it.
pub(super) fn script(kind: Script, text: &str) -> Option<String> {
    if let (Script::Sub, "⊙") = (kind, text) {
        return Some(text.to_owned());
    }
    let chars: Vec<char> = text.chars().filter(|c| *c != ' ').collect();
    let raise = |at: usize| match (kind, chars[at]) {
        // A point or a comma between two others is where it is everywhere.
        (_, mark @ ('.' | ',')) if at > 0 && at + 1 < chars.len() => Some(mark),
        (Script::Super, c) => superscript(c),
        (Script::Sub, c) => subscript(c),
    };
    (0..chars.len()).map(raise).collect::<Option<String>>().filter(|shown| !shown.is_empty())
}

/// Whether a character belongs to the letter before it: an accent or a script.
pub(super) fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{20D7}' | '²' | '³' | '¹' | '⁰'..='ⁿ' | '₀'..='ₜ' | '′' | 'ᴬ'..='ᵪ')
}

fn superscript(c: char) -> Option<char> {
    Some(match c {
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4'..='9' => char::from_u32(u32::from('⁴') + u32::from(c) - u32::from('4'))?,
        '+' => '⁺',
        '-' | '−' => '⁻',
        '=' => '⁼',
        '(' => '⁽',
        ')' => '⁾',
        '*' | '⋆' | '∗' => '*',
        '∘' | '°' => '°',
        '′' | '†' | '‡' => c,
        '⊤' => 'ᵀ',
        'a'..='z' => letter_of("ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖ ʳˢᵗᵘᵛʷˣʸᶻ", c, 'a')?,
        'A'..='Z' => letter_of("ᴬᴮ ᴰᴱ ᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾ ᴿ ᵀᵁⱽᵂ   ", c, 'A')?,
        'β' => 'ᵝ',
        'γ' => 'ᵞ',
        'δ' => 'ᵟ',
        'θ' => 'ᶿ',
        'φ' => 'ᵠ',
        'χ' => 'ᵡ',
        _ => return None,
    })
}

fn subscript(c: char) -> Option<char> {
    Some(match c {
        '0'..='9' => char::from_u32(u32::from('₀') + u32::from(c) - u32::from('0'))?,
        '+' => '₊',
        '-' | '−' => '₋',
        '=' => '₌',
        '(' => '₍',
        ')' => '₎',
        'a'..='z' => letter_of("ₐ   ₑ  ₕᵢⱼₖₗₘₙₒₚ ᵣₛₜᵤᵥ ₓ  ", c, 'a')?,
        'β' => 'ᵦ',
        'γ' => 'ᵧ',
        'ρ' => 'ᵨ',
        'φ' => 'ᵩ',
        'χ' => 'ᵪ',
        _ => return None,
    })
}

/// The character at the place of `c` in an alphabet, in which a space is a letter that Unicode lacks.
fn letter_of(alphabet: &str, c: char, first: char) -> Option<char> {
    alphabet.chars().nth(c as usize - first as usize).filter(|c| *c != ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_fonts_fold_back_to_the_letters_they_are_of() {
        use unicode_normalization::UnicodeNormalization;
        for c in ('a'..='z').chain('A'..='Z').chain('0'..='9').chain("αβγδθφχ+=()".chars()) {
            for kind in [Script::Super, Script::Sub] {
                let folded = script(kind, &c.to_string()).map(|shown| shown.nfkd().collect::<String>());
                assert!(folded.is_none_or(|folded| folded == c.to_string()), "{c}");
            }
            for font in [Font::Double, Font::Script, Font::Fraktur] {
                assert_eq!(in_font(font, &c.to_string()).nfkd().collect::<String>(), c.to_string());
            }
        }
        assert_eq!(script(Script::Sub, "b"), None);
        assert_eq!(script(Script::Super, "").is_none(), script(Script::Super, ".").is_none());
    }
}
