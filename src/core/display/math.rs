//! Formulas: read as LaTeX, written as one line of Unicode, or not at all.

use std::ops::Range;

use super::prose::Prose;
use super::symbols::{self, Font, Script, Symbol};
use super::{Latex, MAX_DEPTH, command_name};

/// A formula, or a part of one, read from left to right. Each step says `None` when it meets what can't be turned.
pub(super) struct Math<'s, 'a> {
    latex: &'s Latex<'a>,
    at: usize,
    end: usize,
    depth: usize,
    out: String,
}

impl<'s, 'a> Math<'s, 'a> {
    pub(super) fn new(latex: &'s Latex<'a>, range: Range<usize>, depth: usize) -> Self {
        Self { latex, at: range.start, end: range.end, depth, out: String::new() }
    }

    /// All of it.
    pub(super) fn run(mut self) -> Option<String> {
        while let Some(c) = self.rest().chars().next() {
            match c {
                '\\' => self.command()?,
                '{' => {
                    let group = self.group()?;
                    self.out.push_str(&group);
                }
                '^' => self.script(Script::Super)?,
                '_' => self.script(Script::Sub)?,
                '}' | '$' | '&' | '#' => return None,
                '\'' => self.put("′", 1),
                c if c.is_whitespace() || c == '~' => self.space(c.len_utf8()),
                c => {
                    self.out.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
        Some(self.out)
    }

    /// Where the next step begins.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a str {
        &self.latex.text[self.at..self.end]
    }

    fn put(&mut self, shown: &str, bytes: usize) {
        self.out.push_str(shown);
        self.at += bytes;
    }

    /// One space, unless there is one.
    fn space(&mut self, bytes: usize) {
        let has_one = self.out.is_empty() || self.out.ends_with(' ');
        self.put(if has_one { "" } else { " " }, bytes);
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Another part of the same text.
    fn part(&self, range: Range<usize>) -> Option<Self> {
        (self.depth < MAX_DEPTH).then(|| Self::new(self.latex, range, self.depth + 1))
    }

    /// The group that begins here.
    fn group(&mut self) -> Option<String> {
        let group = self.raw_group()?;
        self.part(group)?.run()
    }

    fn raw_group(&mut self) -> Option<Range<usize>> {
        let group = self.latex.group(self.at, self.end)?;
        self.at = group.end + 1;
        Some(group)
    }

    /// A group, a command, a number or one character.
    pub(super) fn argument(&mut self) -> Option<String> {
        self.skip_spaces();
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let c = self.rest().chars().next()?;
        match c {
            '{' => self.group(),
            '\\' => {
                let mut part = self.part(self.at..self.end)?;
                part.command()?;
                self.at = part.at;
                Some(part.out)
            }
            '^' | '_' | '}' | '$' | '&' | '#' => None,
            c => {
                let length = digits.max(c.len_utf8());
                let written = &self.rest()[..length];
                self.at += length;
                Some(written.to_owned())
            }
        }
    }

    fn script(&mut self, kind: Script) -> Option<()> {
        self.at += 1;
        let written = self.argument()?;
        let shown = symbols::script(kind, &written)?;
        self.out.truncate(self.out.trim_end().len());
        self.out.push_str(&shown);
        Some(())
    }

    /// The command that begins here.
    fn command(&mut self) -> Option<()> {
        let rest = self.rest();
        let name = command_name(rest);
        if name.is_empty() {
            match rest[1..].chars().next()? {
                '%' | '&' | '$' | '_' | '#' | '{' | '}' => self.put(&rest[1..2], 2),
                ',' | ';' | ':' | ' ' => self.space(2),
                '!' => self.at += 2,
                '|' => self.put("‖", 2),
                _ => return None,
            }
            return Some(());
        }
        self.at += 1 + name.len();
        if let Some(symbol) = symbols::symbol(name) {
            self.symbol(symbol, name);
            return Some(());
        }
        match name {
            "left" | "right" | "middle" | "big" | "Big" | "bigg" | "Bigg" | "bigl" | "bigr" | "Bigl" | "Bigr"
            | "biggl" | "biggr" | "Biggl" | "Biggr" => {
                self.skip_spaces();
                self.at += usize::from(self.rest().starts_with('.'));
            }
            "rm" | "bf" | "it" | "sf" | "tt" | "displaystyle" | "textstyle" | "scriptstyle" | "limits" | "nolimits" => {
                self.skip_spaces();
            }
            "cal" if self.rest().starts_with('{') => {
                let shown = self.argument()?;
                self.out.push_str(&symbols::in_font(Font::Script, &shown));
            }
            "cal" => {
                let shown = self.part(self.at..self.end)?.run()?;
                self.at = self.end;
                self.out.push_str(&symbols::in_font(Font::Script, shown.trim_start()));
            }
            "quad" | "qquad" | "enspace" | "thinspace" => self.space(0),
            "not" => {
                self.skip_spaces();
                if !self.rest().starts_with('=') {
                    return None;
                }
                self.put("≠", 1);
            }
            "operatorname" => {
                self.at += usize::from(self.rest().starts_with('*'));
                let function = self.argument()?;
                self.function(&function);
            }
            _ => {
                let shown = self.with_argument(name)?;
                self.out.push_str(&shown);
            }
        }
        Some(())
    }

    /// What a command of this name makes of the arguments that begin here.
    pub(super) fn with_argument(&mut self, name: &str) -> Option<String> {
        if let Some(font) = symbols::font(name) {
            return Some(symbols::in_font(font, &self.argument()?));
        }
        if let Some(accent) = symbols::accent(name) {
            let mut letter = self.argument()?;
            let mut chars = letter.chars();
            let is_letter = chars.next().is_some_and(char::is_alphabetic)
                && chars.all(|c| matches!(c, '\u{300}'..='\u{36F}' | '\u{20D7}'));
            letter.push(accent);
            return is_letter.then_some(letter);
        }
        match name {
            "mathrm" | "mathbf" | "mathit" | "mathsf" | "mathtt" | "mathnormal" | "boldsymbol" | "bm" | "pmb"
            | "operatorname" => self.argument(),
            "text" | "textrm" | "textbf" | "textit" | "textsf" | "texttt" | "textsc" | "textnormal" | "mbox"
            | "hbox" | "emph" => {
                let group = self.raw_group()?;
                let shown = Prose::new(self.latex, group, self.depth + 1);
                let shown = (self.depth < MAX_DEPTH).then(|| shown.run())?;
                shown.is_whole.then_some(shown.text)
            }
            "frac" | "tfrac" | "dfrac" => {
                let (above, below) = (self.argument()?, self.argument()?);
                Some(format!("{}/{}", in_parentheses(&above, is_product), in_parentheses(&below, is_atom)))
            }
            "sqrt" => {
                let radicand = self.argument()?;
                Some(format!("√{}", in_parentheses(&radicand, is_atom)))
            }
            _ => None,
        }
    }

    fn symbol(&mut self, symbol: Symbol, name: &str) {
        let spaced = self.rest().starts_with(char::is_whitespace);
        match symbol {
            Symbol::Function => self.function(name),
            Symbol::Between(sign) => {
                let has_gap = (spaced || self.out.ends_with(' ')) && !self.out.is_empty();
                self.space(0);
                if !has_gap {
                    self.out.truncate(self.out.trim_end().len());
                }
                self.out.push_str(sign);
                self.skip_spaces();
                self.space(0);
                if !has_gap {
                    self.out.truncate(self.out.trim_end().len());
                }
            }
            Symbol::Plain(sign) => {
                self.out.push_str(sign);
                // The space that ends the command is none, but one that sets off an operator is.
                let next = self.rest().trim_start().chars().next();
                if next.is_some_and(|c| c.is_alphanumeric() || matches!(c, '\\' | '^' | '_' | '(')) {
                    self.skip_spaces();
                }
            }
        }
    }

    /// The name of a function, apart from what is beside it.
    fn function(&mut self, name: &str) {
        if self.out.ends_with(|c: char| c.is_alphanumeric() || c == ')') {
            self.out.push(' ');
        }
        self.out.push_str(name);
        let rest = self.rest();
        let is_apart = rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '{' | '\\'));
        if is_apart && !rest.starts_with("\\left") && !rest.starts_with("\\big") {
            self.out.push(' ');
        }
    }
}

fn in_parentheses(text: &str, is_one: impl Fn(&str) -> bool) -> String {
    if is_one(text) { text.to_owned() } else { format!("({text})") }
}

/// Whether nothing in a text could be taken for something outside of it: letters and numbers only.
fn is_product(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || c == '.' || symbols::is_mark(c))
}

/// Whether a text is a number, or one letter with its marks.
fn is_atom(text: &str) -> bool {
    let mut chars = text.chars();
    let is_number = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    is_number || (chars.next().is_some_and(char::is_alphabetic) && chars.all(symbols::is_mark))
}
