//! Running text: what is between formulas, and where they begin and end.

use std::ops::Range;

use super::bounds::{closing_escape, closing_quote, dollar_in, is_formula};
use super::math::Math;
use super::symbols::{self, Script};
use super::{Latex, MAX_DEPTH, MAX_SPAN, command_name, letters};

/// Commands that only change how their argument looks.
const STYLES: [&str; 15] = [
    "textbf",
    "textit",
    "texttt",
    "textsc",
    "textrm",
    "textsf",
    "textsl",
    "textup",
    "textmd",
    "textnormal",
    "emph",
    "underline",
    "uline",
    "mbox",
    "text",
];

/// Commands that change how the rest of a group looks, as in `{\it most}`.
const DECLARATIONS: [&str; 19] = [
    "it",
    "bf",
    "em",
    "rm",
    "tt",
    "sc",
    "sf",
    "sl",
    "itshape",
    "bfseries",
    "ttfamily",
    "scshape",
    "tiny",
    "footnotesize",
    "small",
    "normalsize",
    "large",
    "Large",
    "centering",
];

/// Commands whose backslash a site drops at times: no word ends so right before a brace.
const MANGLED: [&str; 14] = [
    "textbf", "textit", "texttt", "textsc", "textrm", "textsf", "emph", "text", "mathcal", "mathbb", "mathbf",
    "mathrm", "mathsf", "sqrt",
];

/// What may follow the apostrophe of `don\'t` and `GPT\'s`.
const CONTRACTIONS: [&str; 7] = ["s", "t", "re", "ve", "ll", "d", "m"];

/// A stretch of running text, read from left to right.
pub(super) struct Prose<'s, 'a> {
    latex: &'s Latex<'a>,
    at: usize,
    end: usize,
    depth: usize,
    out: Shown,
    /// Where the last piece that was left as it was ends: a script there belongs to it.
    left: usize,
}

/// What became of a text.
pub(super) struct Shown {
    pub(super) text: String,
    /// Whether nothing of it had to be left as it was.
    pub(super) is_whole: bool,
}

impl<'s, 'a> Prose<'s, 'a> {
    pub(super) fn new(latex: &'s Latex<'a>, range: Range<usize>, depth: usize) -> Self {
        let text = String::with_capacity(range.len());
        let out = Shown { text, is_whole: true };
        Self { latex, at: range.start, end: range.end, depth, out, left: usize::MAX }
    }

    pub(super) fn run(mut self) -> Shown {
        loop {
            let sign = |b: &u8| matches!(b, b'\\' | b'$' | b'^' | b'_' | b'{' | b'~' | b'`' | b'-' | b':');
            let plain = self.rest().bytes().take_while(|b| !sign(b)).count();
            self.copy(plain);
            let rest = self.rest();
            let Some(&sign) = rest.as_bytes().first() else { return self.out };
            match sign {
                b'\\' => self.command(),
                b'$' => self.dollar(),
                b'^' => self.script(Script::Super),
                b'_' => self.script(Script::Sub),
                b'{' => self.braces(),
                b'~' => self.tie(),
                b'`' => self.quote(),
                b'-' => self.dashes(),
                _ => self.colon(),
            }
        }
    }

    fn rest(&self) -> &'a str {
        &self.latex.text[self.at..self.end]
    }

    /// The last character that will be seen.
    fn last(&self) -> Option<char> {
        self.out.text.chars().next_back()
    }

    /// So many bytes as they are.
    fn copy(&mut self, bytes: usize) {
        self.out.text.push_str(&self.rest()[..bytes]);
        self.at += bytes;
    }

    /// Something else instead of so many bytes.
    fn put(&mut self, shown: &str, bytes: usize) {
        self.out.text.push_str(shown);
        self.at += bytes;
    }

    /// So many bytes as they were, with the arguments behind them: they can't be turned.
    fn leave(&mut self, bytes: usize) {
        self.copy(bytes);
        while let Some(group) = self.latex.group(self.at, self.end) {
            self.copy(group.end + 1 - self.at);
        }
        self.out.is_whole = false;
        self.left = self.at;
    }

    /// What is in a group, when all of it can be turned.
    fn inner(&self, group: Range<usize>) -> Option<String> {
        if self.depth == MAX_DEPTH {
            return None;
        }
        let shown = Prose::new(self.latex, group, self.depth + 1).run();
        shown.is_whole.then_some(shown.text)
    }

    fn formula(&self, range: Range<usize>) -> Option<String> {
        Math::new(self.latex, range, self.depth).run().map(|shown| shown.trim().to_owned())
    }

    /// The `~` that keeps two words on a line.
    fn tie(&mut self) {
        let next = self.rest()[1..].chars().next();
        let is_tie = match (self.last(), next) {
            (Some(last), Some(next)) if last.is_ascii_digit() && next.is_ascii_digit() => false,
            (Some(last), Some(next)) => {
                !next.is_whitespace() && (last.is_alphanumeric() || ".,;:)]}’”'\"%".contains(last))
            }
            _ => false,
        };
        if is_tie { self.put(" ", 1) } else { self.copy(1) }
    }

    /// `--` in a range or between words, `---` anywhere; options such as `--help` are neither.
    fn dashes(&mut self) {
        let count = self.rest().bytes().take_while(|b| *b == b'-').count();
        let is_gap = |c: Option<char>| c.is_none_or(char::is_whitespace);
        let (before, after) = (is_gap(self.last()), is_gap(self.rest()[count..].chars().next()));
        match count {
            2 if before == after => self.put("–", 2),
            3 if before == after => self.put("—", 3),
            _ => self.copy(count),
        }
    }

    /// The address behind `https:` has signs of its own.
    fn colon(&mut self) {
        let is_address =
            self.rest().starts_with("://") && (self.out.text.ends_with("http") || self.out.text.ends_with("https"));
        let rest = self.rest();
        let length = if is_address { rest.find(char::is_whitespace).unwrap_or(rest.len()) } else { 1 };
        self.copy(length);
    }

    /// ``` ``so'' ``` and `` `so' ``; a pair of backticks is code.
    fn quote(&mut self) {
        let rest = self.rest();
        let count = rest.bytes().take_while(|b| *b == b'`').count();
        let inner = &rest[count..];
        let window = &inner[..inner.floor_char_boundary(MAX_SPAN)];
        let window = &window[..window.find('`').unwrap_or(window.len())];
        let closing = match count {
            1 => closing_quote(window).map(|at| (at, 1, ["‘", "’"])),
            2 => window.find("''").map(|at| (at, 2, ["“", "”"])).or_else(|| Some((window.find('"')?, 1, ["“", "”"]))),
            _ => None,
        };
        let Some((length, closing, [open, close])) = closing.filter(|(length, ..)| *length > 0) else {
            return self.copy(count);
        };
        let start = self.at + count;
        // What is quoted may have anything in it but the end of this quotation.
        let shown = Prose { at: start, end: start + length, ..Prose::new(self.latex, 0..0, self.depth) }.run();
        self.out.is_whole &= shown.is_whole;
        self.put(&format!("{open}{}{close}", shown.text), count + length + closing);
    }

    fn dollar(&mut self) {
        let count = if self.rest().starts_with("$$") { 2 } else { 1 };
        let inner = &self.rest()[count..];
        let window = &inner[..inner.floor_char_boundary(MAX_SPAN)];
        let Some(length) = dollar_in(window) else { return self.copy(count) };
        let behind = &inner[length..];
        let closes = behind.len() >= count && behind.as_bytes()[count - 1] == b'$';
        if !closes || !is_formula(&inner[..length], &behind[count..]) {
            return self.copy(count);
        }
        let start = self.at + count;
        match self.formula(start..start + length) {
            Some(shown) => self.put(&shown, length + 2 * count),
            None => self.leave_formula(length + 2 * count),
        }
    }

    fn leave_formula(&mut self, bytes: usize) {
        self.copy(bytes);
        self.out.is_whole = false;
        self.left = self.at;
    }

    /// `^2` and `_0` outside of formulas, which many sites and authors drop the dollars of.
    fn script(&mut self, kind: Script) {
        let base = self.last().filter(|_| self.left != self.at);
        if !base.is_some_and(|c| c.is_alphanumeric() || matches!(c, ')' | ']' | '\'' | '’')) {
            return self.copy(1);
        }
        if let Some(group) = self.latex.group(self.at + 1, self.end) {
            let inner = &self.latex.text[group.clone()];
            let shown = match symbols::mangled_script(inner) {
                Some(sign) => Some(sign.to_owned()),
                None => self.formula(group.clone()),
            };
            let length = group.end + 1 - self.at;
            return match shown.and_then(|shown| symbols::script(kind, &shown)) {
                Some(shown) => self.put(&shown, length),
                None => self.leave(1),
            };
        }
        let after = &self.rest()[1..];
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        match (kind, after.as_bytes().first()) {
            (Script::Super, Some(b'0'..=b'9')) => self.put_script(kind, digits),
            (Script::Super, Some(b'*' | b'+' | b'-')) if ends(&after[1..]) => self.put_script(kind, 1),
            (Script::Super, Some(b'\\')) => {
                let mut math = Math::new(self.latex, self.at + 1..self.end, self.depth);
                let shown = math.argument().and_then(|shown| symbols::script(kind, &shown));
                match shown {
                    Some(shown) => self.put(&shown, math.at() - self.at),
                    None => self.leave(2 + command_name(after).len()),
                }
            }
            // `x_0`, and no file names.
            (Script::Sub, Some(b'0'..=b'9')) if self.has_letter_alone() && ends(&after[digits..]) => {
                self.put_script(kind, digits);
            }
            _ => self.copy(1),
        }
    }

    fn put_script(&mut self, kind: Script, length: usize) {
        let written = &self.rest()[1..1 + length];
        match symbols::script(kind, written) {
            Some(shown) => self.put(&shown, 1 + length),
            None => self.copy(1 + length),
        }
    }

    /// Whether the last character is a letter that belongs to no word.
    fn has_letter_alone(&self) -> bool {
        let mut before = self.out.text.chars().rev();
        before.next().is_some_and(char::is_alphabetic)
            && !before.next().is_some_and(|c| c.is_alphanumeric() || c == '_')
    }

    /// `{,}`, `{\it so}`, `{beta}`, and `textit{so}` whose backslash is gone; other braces are braces.
    fn braces(&mut self) {
        let Some(group) = self.latex.group(self.at, self.end) else { return self.copy(1) };
        let inner = &self.latex.text[group.clone()];
        let length = group.len() + 2;
        if matches!(inner, "," | "." | "-" | "=" | ":" | "/") {
            return self.put(inner, length);
        }
        if inner.starts_with('\\') {
            return match self.inner(group) {
                Some(shown) => self.put(&shown, length),
                None => self.leave(0),
            };
        }
        if let Some(letter) = symbols::greek(inner) {
            return self.put(letter, length);
        }
        let letters = self.out.text.bytes().rev().take_while(u8::is_ascii_alphabetic).count();
        let begin = self.out.text.len() - letters;
        let name = &self.out.text[begin..];
        if MANGLED.contains(&name) && !self.out.text[..begin].ends_with('\\') {
            let name = name.to_owned();
            let shown = match STYLES.contains(&name.as_str()) {
                true => self.inner(group),
                false => Math::new(self.latex, self.at..self.end, self.depth).with_argument(&name),
            };
            // What was tried and can't be turned is not tried again from its inside: that would double with every brace.
            let Some(shown) = shown else { return self.leave(0) };
            self.out.text.truncate(begin);
            return self.put(&shown, length);
        }
        self.copy(1);
    }

    fn command(&mut self) {
        let rest = self.rest();
        let name = command_name(rest);
        if name.is_empty() {
            return self.sign();
        }
        if let Some((letter, length)) = letters::letter(rest) {
            return self.put(&letter, length);
        }
        let length = 1 + name.len();
        let after = self.at + length;
        let argument = self.latex.group(after, self.end);
        match (name, argument.clone()) {
            (name, Some(group)) if STYLES.contains(&name) => self.put_argument(group, "", ""),
            ("footnote" | "thanks", Some(group)) => self.put_argument(group, " (", ")"),
            ("url" | "path", Some(group)) => {
                let address = &self.latex.text[group.clone()];
                self.put(address, group.end + 1 - self.at);
            }
            ("href" | "textcolor", Some(group)) => match self.latex.group(group.end + 1, self.end) {
                Some(second) => self.put_argument(second, "", ""),
                None => self.leave(length),
            },
            ("ensuremath", Some(group)) => match self.formula(group.clone()) {
                Some(shown) => self.put(&shown, group.end + 1 - self.at),
                None => self.leave(length),
            },
            ("textsuperscript" | "textsubscript", Some(group)) => {
                let kind = if name == "textsuperscript" { Script::Super } else { Script::Sub };
                let shown = self.inner(group.clone()).and_then(|shown| symbols::script(kind, &shown));
                match shown {
                    Some(shown) => self.put(&shown, group.end + 1 - self.at),
                    None => self.leave(length),
                }
            }
            // A reference to a list that no reader has.
            ("cite" | "citep" | "citet" | "citealp" | "label", Some(group)) => {
                if self.last() == Some(' ') {
                    self.out.text.pop();
                }
                self.at = group.end + 1;
            }
            (name, None) if self.depth > 0 && DECLARATIONS.contains(&name) => {
                self.at = after;
                self.at += self.rest().len() - self.rest().trim_start().len();
            }
            (name, _) => {
                match symbols::prose(name).or_else(|| symbols::symbol(name).map(|symbol| symbol.shown(name))) {
                    Some(shown) => {
                        self.put(shown, length);
                        self.at += if self.rest().starts_with("{}") { 2 } else { 0 };
                    }
                    None => {
                        let mut math = Math::new(self.latex, after..self.end, self.depth);
                        match argument.and_then(|_| math.with_argument(name)) {
                            Some(shown) => self.put(&shown, math.at() - self.at),
                            None => self.leave(length),
                        }
                    }
                }
            }
        }
    }

    fn put_argument(&mut self, group: Range<usize>, before: &str, after: &str) {
        let length = group.end + 1 - self.at;
        match self.inner(group) {
            Some(shown) => self.put(&format!("{before}{shown}{after}"), length),
            None => self.leave(1 + command_name(self.rest()).len()),
        }
    }

    /// A backslash before something that is no letter.
    fn sign(&mut self) {
        let rest = self.rest();
        let Some(sign) = rest[1..].chars().next() else { return self.leave(1) };
        match sign {
            '%' | '&' | '$' | '_' | '#' | '{' | '}' => self.put(&rest[1..2], 2),
            ' ' | ',' | ';' | ':' | '\\' => self.put(" ", 2),
            '!' | '-' => self.put("", 2),
            '(' | '[' => {
                let window = &rest[2..2 + rest[2..].floor_char_boundary(MAX_SPAN)];
                let Some(length) = window.find(if sign == '(' { "\\)" } else { "\\]" }) else { return self.leave(2) };
                let start = self.at + 2;
                match self.formula(start..start + length) {
                    Some(shown) => self.put(&shown, length + 4),
                    None => self.leave_formula(length + 4),
                }
            }
            '\'' if self.is_apostrophe(&rest[2..]) => self.put("'", 2),
            '"' if closing_escape(&rest[2..]).is_some() => {
                let length = closing_escape(&rest[2..]).unwrap_or(0);
                let start = self.at + 2;
                let shown = Prose { at: start, end: start + length, ..Prose::new(self.latex, 0..0, self.depth) }.run();
                self.out.is_whole &= shown.is_whole;
                self.put(&format!("\"{}\"", shown.text), length + 4);
            }
            _ => match letters::letter(rest) {
                Some((letter, length)) => self.put(&letter, length),
                None => self.leave(1 + sign.len_utf8()),
            },
        }
    }

    /// Whether the `\'` before `after` is the apostrophe of a possessive or a contraction.
    fn is_apostrophe(&self, after: &str) -> bool {
        let word = &after[..after.bytes().take_while(u8::is_ascii_alphabetic).count()];
        let ends = !after[word.len()..].starts_with(char::is_alphanumeric) && !after.starts_with(['{', '\\']);
        self.last().is_some_and(char::is_alphanumeric) && ends && (word.is_empty() || CONTRACTIONS.contains(&word))
    }
}
