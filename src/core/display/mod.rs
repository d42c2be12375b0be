//! From a source's text to what a reader sees: LaTeX becomes Unicode.
//!
//! The database keeps what the source wrote. Everything else works with the text that [`display`] makes of it: words are
//! cut from it, marks are ranges of it, mails and commands show it. Query words go through the same step, so that a name
//! copied from either place finds the paper.
//!
//! A text becomes readable in pieces: a formula between dollar signs, a command with its arguments, a group, a script. A
//! piece is turned whole or left as it was, because half a formula says something else. Money (`$5 and $10`), file names
//! (`float8_e4m3`) and addresses are no pieces.
//!
//! It takes linear time, with bounds on depth (`MAX_DEPTH`) and on the length of a formula (`MAX_SPAN`), and never
//! panics. What is *not* here: macros that a paper defines, environments, tables.

use std::borrow::Cow;
use std::ops::Range;

use super::clean::clean_text;
use prose::Prose;

mod bounds;
mod letters;
mod math;
mod prose;
mod symbols;

/// How deep groups may nest; a deeper one is left as it was.
const MAX_DEPTH: usize = 12;

/// The longest formula, quotation or verbatim argument that is looked for, in bytes.
const MAX_SPAN: usize = 600;

/// `source` as a reader should see it. What was clean stays clean, see [`clean_text`].
pub fn display(source: &str) -> Cow<'_, str> {
    if is_plain(source) {
        return Cow::Borrowed(source);
    }
    let latex = Latex::new(source);
    let shown = Prose::new(&latex, 0..source.len(), 0).run().text;
    if shown == source { Cow::Borrowed(source) } else { Cow::Owned(clean_text(&shown)) }
}

/// Whether nothing in the text could be LaTeX: nearly all titles.
fn is_plain(text: &str) -> bool {
    let has_sign = text.bytes().any(|b| matches!(b, b'\\' | b'$' | b'^' | b'_' | b'{' | b'~' | b'`'));
    !has_sign && !text.contains("--")
}

/// A text and where its braces close.
struct Latex<'a> {
    text: &'a str,
    /// Bytes of each pair of braces, by the opening one.
    braces: Vec<(usize, usize)>,
}

impl<'a> Latex<'a> {
    fn new(text: &'a str) -> Self {
        let (mut braces, mut open) = (Vec::new(), Vec::new());
        let mut bytes = text.bytes().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                // Whatever follows is escaped.
                b'\\' => drop(bytes.next()),
                b'{' => open.push(at),
                b'}' => braces.extend(open.pop().map(|open| (open, at))),
                _ => {}
            }
        }
        braces.sort_unstable();
        Self { text, braces }
    }

    /// What is in the braces that open at `at`, when they close before `end`.
    fn group(&self, at: usize, end: usize) -> Option<Range<usize>> {
        let found = self.braces.binary_search_by_key(&at, |(open, _)| *open).ok()?;
        let (open, close) = self.braces[found];
        (close < end).then_some(open + 1..close)
    }
}

/// The name of the command at the start of `text`, behind its backslash; empty when it is a sign.
fn command_name(text: &str) -> &str {
    let name = text.strip_prefix('\\').unwrap_or_default();
    &name[..name.bytes().take_while(u8::is_ascii_alphabetic).count()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(cases: &[(&str, &str)]) {
        for (source, shown) in cases {
            assert_eq!(display(source), *shown, "{source}");
        }
    }

    #[test]
    fn escaped_signs_spaces_and_dashes_are_what_they_stand_for() {
        all(&[
            (r"97.3\% of 131{,}072 \& more", "97.3% of 131,072 & more"),
            (r"\$TenThousand-Bench, \#1 of a\_b", "$TenThousand-Bench, #1 of a_b"),
            ("Falcon~2.0, e.g.~10% by an Extractor~(TE)", "Falcon 2.0, e.g. 10% by an Extractor (TE)"),
            (
                "about ~20 km, 3~5 of them, https://example.org/~ada",
                "about ~20 km, 3~5 of them, https://example.org/~ada",
            ),
            ("pages 1--10 --- all -- are read", "pages 1–10 — all – are read"),
            ("run --help, or i-- and ---- here", "run --help, or i-- and ---- here"),
            (r"10\,000 words\\and lines", "10 000 words and lines"),
        ]);
    }

    #[test]
    fn quotes_come_in_pairs_or_not_at_all() {
        all(&[
            ("``success'' and ``failure'' clusters", "“success” and “failure” clusters"),
            ("so called ``inference based evaluation\" of", "so called “inference based evaluation” of"),
            ("the `Little Blue Dots' of old", "the ‘Little Blue Dots’ of old"),
            ("the `code` and ``nothing closes", "the `code` and ``nothing closes"),
            (r#"he said \"attention is all\" twice"#, "he said \"attention is all\" twice"),
        ]);
    }

    #[test]
    fn accents_are_letters_and_possessives_are_apostrophes() {
        all(&[
            (r#"Schr\"odinger, Fr\'echet, {\"U}st\"un"#, "Schrödinger, Fréchet, Üstün"),
            (r"\v{C}ech, S\o rensen, Erd\H{o}s, na\'{\i}ve, \AA ngstr\u{o}m", "Čech, Sørensen, Erdős, naíve, Ångstrŏm"),
            (r"BERT-9\'s scores, the models\' errors, don\'t", "BERT-9's scores, the models' errors, don't"),
        ]);
    }

    #[test]
    fn styles_vanish_and_links_stay() {
        all(&[
            (r"\textbf{Ventor}, \emph{1.46 \textit{at}} {\it most}", "Ventor, 1.46 at most"),
            (r"textit{O}bstacles and textbf{bold}", "Obstacles and bold"),
            (r"see \url{https://example.org/a_b~c} and \href{https://example.org}{our page}", {
                "see https://example.org/a_b~c and our page"
            }),
            (r"as BERT~\cite{ada2019} and {\small\texttt{x}} show\footnote{Or not.}", {
                "as BERT and x show (Or not.)"
            }),
            (r"Humans \vs machines, \eg, dogs \etal", "Humans vs. machines, e.g., dogs et al."),
        ]);
    }

    #[test]
    fn formulas_become_unicode_without_their_dollars() {
        all(&[
            (r"in $\mathcal{O}(\sqrt{T})$ and \(\tilde{O}(n^{2}\log n)\)", "in 𝒪(√T) and Õ(n² log n)"),
            (r"$x^2$, $x_0$, $10^{-3}$, $x_{i,j}^{T}$", "x², x₀, 10⁻³, xᵢ,ⱼᵀ"),
            (r"$1.13\times$ faster, $\sim$10\%, $\alpha \leq \beta$", "1.13× faster, ∼10%, α ≤ β"),
            (r"$\epsilon$-greedy in $\mathbb{R}^n$ for $p < 0.05$", "ε-greedy in ℝⁿ for p < 0.05"),
            (r"From $r$ to $Q^*$ and $A^\star$", "From r to Q* and A*"),
            (r"$\frac{1}{2}$ and $\frac{a+b}{2n}$, $\sqrt{a+b}$", "1/2 and (a+b)/(2n), √(a+b)"),
            (r"$\pi_{0.5}$, $\tau^2$-bench, $M^3$Eval, $^{11}$Be, 5$^\circ$C", "π₀.₅, τ²-bench, M³Eval, ¹¹Be, 5°C"),
            (r"$f\left(x\right) \to \infty$, $\mathrm{SO}(3)$, $\{0,1\}^n$", "f(x) → ∞, SO(3), {0,1}ⁿ"),
            (r"$\arg\max_i \hat{y}_i \pm 0.1$, $a \cdot b \ldots$", "arg maxᵢ ŷᵢ ± 0.1, a · b …"),
        ]);
    }

    #[test]
    fn commands_and_scripts_outside_of_formulas_are_read_too() {
        all(&[
            (r"\alpha-stable, 2\times faster, \mathcal{O}(n)", "α-stable, 2× faster, 𝒪(n)"),
            ("τ^2-Bench, M^3Eval, OPD^2, O(n^2), 10^12, 10^{-6}", "τ²-Bench, M³Eval, OPD², O(n²), 10¹², 10⁻⁶"),
            ("x_0 and π_{0.5} and x_0 of Q^*, Q^{star}", "x₀ and π₀.₅ and x₀ of Q*, Q*"),
            ("{beta}-amyloid, PTP{sigma}, {\\Psi}", "β-amyloid, PTPσ, Ψ"),
            ("10^{-6} M_{odot} a year", "10⁻⁶ M⊙ a year"),
        ]);
    }

    #[test]
    fn what_cannot_be_turned_is_left_as_it_was() {
        for text in [
            "$5 and $10",
            "costs $5 and 10$ more",
            "$5-$10 a month",
            "$TenThousand-Bench costs $9",
            "US$ 5",
            r"under $\int_{\mathbb{R}^N}u=\ourloss$ only",
            r"$x_b \leq \alpha$",
            r"\ourmethod{97\%} and $\foo$",
            r"\textbf{a \foo{b} c\%}",
            r"\textbf{never closed",
            r"$\foo never closed",
            r"\(\foo never closed",
            r"\frac{1}",
            "float8_e4m3 of G_{stack}, file_0, M_sun, x_0_1",
            "{BoolQ, SST2}",
            "^_^ and a^b and x^",
            "https://example.org/a_{b}^2--c~d`e",
            "C:\\new\\bin",
        ] {
            assert_eq!(display(text), text);
        }
    }

    #[test]
    fn long_and_deep_texts_take_linear_time() {
        // A search from each of these signs to the end would take hours.
        for piece in [
            r"\(",
            "$x",
            "{",
            r"\textbf{",
            "``",
            "`",
            r#"\"a"#,
            "x^{",
            r"$\sqrt{",
            r"{\it ",
            "http://",
            r"\'",
            r"\frac{",
        ] {
            let text = piece.repeat(400_000 / piece.len());
            assert!(!display(&text).is_empty(), "{piece}");
        }
        let deep = format!("{}x{}", r"\emph{".repeat(20_000), "}".repeat(20_000));
        assert_eq!(display(&deep), deep);
    }

    #[test]
    fn what_cannot_be_turned_is_not_tried_again_from_its_inside() {
        // Tries that double with every brace would take years.
        for name in ["text", "textbf", "sqrt", "mathrm"] {
            let deep = format!("{}\\zz{}", format!("{name}{{").repeat(60), "}".repeat(60));
            assert_eq!(display(&deep), deep, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_clean_text_stays_clean(text in any::<String>()) {
            let text = clean_text(&text);
            let shown = display(&text);
            prop_assert_eq!(clean_text(&shown), shown);
        }

        #[test]
        fn nothing_made_of_latex_makes_it_panic(text in r#"(\\|\$|\{|\}|\^|_|~|`|'|"|-|--|,| |a|x|5|é|α|\\alpha|\\textbf|\\mathcal|\\frac|\\sqrt|\\"|\\'|\\\(|\\\)|\\left|\\foo|\\cite|\\cal|\\hat|beta|textit|https://){0,40}"#) {
            let shown = display(&text);
            prop_assert!(matches!(shown, Cow::Borrowed(_)) || clean_text(&shown) == shown, "{}", shown);
        }

        #[test]
        fn a_formula_with_an_unknown_command_is_left_whole(before in r"[a-z(+=^_{}\\]{0,8}", after in r"[a-z)+=]{0,8}") {
            let formula = format!(r"$x{before}\foo{after}$");
            let text = format!("so {formula} it is 5\\%");
            let expected = format!("so {formula} it is 5%");
            prop_assert_eq!(display(&text), expected);
        }

        #[test]
        fn a_text_without_latex_is_shown_as_it_is(text in r"[a-zA-Z0-9 .,;:()'é深-]{0,60}") {
            prop_assume!(!text.contains("--"));
            prop_assert_eq!(display(&text), text.as_str());
        }
    }
}
