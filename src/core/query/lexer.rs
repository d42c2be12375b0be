//! From characters to tokens.
//!
//! Everything that is decided inside one word is decided here: signs (`=`, `*`, `^`, `~`), fields, numbers. What is left
//! to the parser is how tokens are together. A sign that means something elsewhere, or in another place, is refused: read
//! as part of a word it would find nothing, or the opposite.

use std::ops::Range;

use super::error::{cut, quoted};
use super::names::{condition, field, is_known, measure};
use super::signs::{
    is_comma, is_comparison, is_dash, is_end, is_end_of_value, is_quote, is_single_quote, is_space, is_starred,
    is_weighable, last_closing, refuse_signs,
};
use super::{Clause, Comparison, Field, Kind, Measure, QueryError};
use crate::core::display::display;
use crate::core::text;

/// The largest number a paper's votes, stars or days are compared with.
const MAX_NUMBER: u32 = 100_000_000;

/// A token and its bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lexeme {
    pub(super) kind: TokenKind,
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    Open,
    Close,
    And,
    Or,
    /// `NOT`, or a minus right before a term.
    Not,
    /// `title:`; its words or a parenthesis come right after.
    Field(Field),
    /// Words, whose field the parser knows, and how many they are.
    Words(Kind, String, usize),
    /// A clause that stands for itself.
    Clause(Clause),
    /// `^2`
    Weight(f32),
}

/// What a caret with a number is behind a word with a capital or a digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caret {
    /// A part of the name: `OPD^2`.
    Name,
    /// A weight, as everywhere: so it was once, see [`crate::core::lint::reread`].
    Weight,
}

/// The tokens of `text`.
pub(super) fn tokens(text: &str, caret: Caret) -> Result<Vec<Lexeme>, QueryError> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new(), caret, last_closing: last_closing(text) };
    while lexer.token()? {}
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Lexeme>,
    caret: Caret,
    /// See [`last_closing`].
    last_closing: usize,
}

impl<'a> Lexer<'a> {
    /// Reads one token; false at the end.
    fn token(&mut self) -> Result<bool, QueryError> {
        self.at += self.rest().len() - self.rest().trim_start_matches(is_space).len();
        let Some(c) = self.rest().chars().next() else { return Ok(false) };
        let start = self.at;
        match c {
            '(' => self.sign(TokenKind::Open),
            ')' => self.sign(TokenKind::Close),
            c if is_dash(c) => self.minus(c)?,
            '!' => {
                let hint = "`-survey` or `NOT survey` leaves out papers with that word";
                return Err(self.error(c, "expected a word, found \"!\"", hint));
            }
            '^' => self.weight()?,
            '=' => {
                self.at += 1;
                match self.rest().chars().next() {
                    Some(c) if is_quote(c) => self.phrase(start, Kind::ExactPhrase)?,
                    _ => self.word(start, Kind::Exact)?,
                }
            }
            c if is_quote(c) => self.phrase(start, Kind::Phrase)?,
            c if is_single_quote(c) && self.opens_a_phrase() => {
                let hint = "write double quotes: `\"graph retrieval\"`";
                return Err(self.error(c, "single quotes make no phrase", hint));
            }
            _ => self.bare()?,
        }
        Ok(true)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn sign(&mut self, kind: TokenKind) {
        self.at += 1;
        self.push(self.at - 1, kind);
    }

    fn push(&mut self, start: usize, kind: TokenKind) {
        self.tokens.push(Lexeme { kind, span: start..self.at });
    }

    fn error(&self, c: char, message: impl Into<String>, hint: impl Into<String>) -> QueryError {
        QueryError::new(self.at..self.at + c.len_utf8(), message, hint)
    }

    /// Whether the single quote here is closed behind a later word.
    fn opens_a_phrase(&self) -> bool {
        let word = &self.rest()[..self.rest().find(is_end).unwrap_or(self.rest().len())];
        let inside = word.trim_start_matches(is_single_quote);
        // `'90s` has left something out.
        let is_year = inside.starts_with(|c: char| c.is_ascii_digit());
        !inside.is_empty()
            && !is_year
            && !inside.ends_with(is_single_quote)
            && self.last_closing >= self.at + word.len()
    }

    /// A minus right before a term.
    fn minus(&mut self, c: char) -> Result<(), QueryError> {
        let after = &self.rest()[c.len_utf8()..];
        let is_glued = self.tokens.last().is_some_and(|last| {
            let is_term = !matches!(last.kind, TokenKind::Open | TokenKind::Not | TokenKind::Field(_));
            is_term && last.span.end == self.at
        });
        if is_glued {
            let hint = "with a space it leaves papers out: `agents -survey`; what belongs together needs quotes: \
                        `\"SE(3)-equivariant\"`";
            return Err(self.error(c, format!("expected a space before \"{c}\""), hint));
        }
        if !after.starts_with(|c| !is_space(c) && c != ')') {
            let hint = "`-word` leaves out papers with that word; inside a word no space is needed: `state-space`";
            return Err(self.error(c, format!("expected a word right after \"{c}\""), hint));
        }
        self.at += c.len_utf8();
        self.push(self.at - c.len_utf8(), TokenKind::Not);
        Ok(())
    }

    /// Something that begins like a word: an operator, a field, a number or a word.
    fn bare(&mut self) -> Result<(), QueryError> {
        let start = self.at;
        let name = &self.rest()[..self.rest().bytes().take_while(u8::is_ascii_alphabetic).count()];
        let after = &self.rest()[name.len()..];
        let is_whole = !after.starts_with(|c| !is_end(c) || is_comma(c));
        if let Some(kind) = operator(name).filter(|_| is_whole) {
            self.at += name.len();
            self.push(start, kind);
            return Ok(());
        }
        if name == "ANDNOT" && is_whole {
            let hint = "write `AND NOT`, or `-` right before the word; to look for the word itself, quote it";
            return Err(QueryError::new(start..start + name.len(), "expected a word, found \"ANDNOT\"", hint));
        }
        if let Some(value) = after.strip_prefix(':').filter(|_| !name.is_empty()) {
            return self.field(name, value);
        }
        let spaced = after.trim_start_matches(is_space);
        let is_number = |value: &str| value.starts_with(|c: char| c.is_ascii_digit());
        if let Some(measure) = measure(name) {
            let turned =
                [("=>", ">="), ("=<", "<="), ("==", "=")].into_iter().find(|(sign, _)| spaced.starts_with(sign));
            if let Some((sign, right)) = turned {
                let begin = self.text.len() - spaced.len();
                let message = format!("expected \"{right}\", found \"{sign}\"");
                let value = if measure == Measure::Age { "7d" } else { "20" };
                return Err(QueryError::new(begin..begin + 2, message, format!("write `{name}{right}{value}`")));
            }
            // `age = 3d` is a number, but `age =RAG` are two words.
            let is_equal = spaced.strip_prefix('=').is_some_and(|value| is_number(value.trim_start_matches(is_space)));
            if after.starts_with('=') || is_equal || spaced.starts_with(is_comparison) {
                return self.number(start, name, measure, self.text.len() - spaced.len());
            }
        } else if after.starts_with(is_comparison)
            || (name.len() > 1 && after.starts_with('=') && is_number(after.trim_start_matches('=')))
        {
            let message = "expected a word: only upvotes, comments, stars and age can be compared";
            let sign = after.chars().next().map_or(0, char::len_utf8);
            let span = start..start + name.len() + sign;
            return Err(QueryError::new(span, message, "write `upvotes>=20` or `age<7d`"));
        }
        self.word(start, Kind::Word)
    }

    /// What follows `name:`.
    fn field(&mut self, name: &str, value: &str) -> Result<(), QueryError> {
        let start = self.at;
        let span = start..start + name.len() + 1;
        self.at = span.end;
        let is_alone = value.is_empty() || value.starts_with(is_space) || value.starts_with(')');
        if is_alone && is_known(name) {
            let message = format!("expected a word right after \"{name}:\"");
            return Err(QueryError::new(span, message, "write `title:graph`, without a space"));
        }
        if let Some(field) = field(name) {
            let inner = &value[..value.bytes().take_while(u8::is_ascii_alphabetic).count()];
            let behind = &value[inner.len()..];
            let is_field = behind.starts_with(':') && is_known(inner);
            if is_field || (measure(inner).is_some() && behind.starts_with(is_comparison)) {
                let sign = behind.chars().next().map_or(0, char::len_utf8);
                let span = self.at..self.at + inner.len() + sign;
                let message = format!("expected a word after \"{name}:\", found another condition");
                return Err(QueryError::new(span, message, "one field for a word: `title:graph author:sample`"));
            }
            self.push(start, TokenKind::Field(field));
            // An operator's name right after a field is a word like any other.
            if !value.starts_with(|c| is_quote(c) || is_dash(c) || matches!(c, '(' | '=' | '!')) {
                self.word(self.at, Kind::Word)?;
            }
            return Ok(());
        }
        let value = &value[..value.find(is_end_of_value).unwrap_or(value.len())];
        self.at += value.len();
        let clause = condition(name, span.clone(), value, span.end..self.at)?;
        self.push(start, TokenKind::Clause(clause));
        Ok(())
    }

    /// `upvotes >= 20`, with `operator` where the comparison begins.
    fn number(&mut self, start: usize, name: &str, measure: Measure, operator: usize) -> Result<(), QueryError> {
        let rest = &self.text[operator..];
        let (comparison, length) = match rest.chars().next() {
            _ if rest.starts_with("<=") => (Comparison::AtMost, 2),
            _ if rest.starts_with(">=") => (Comparison::AtLeast, 2),
            Some('<') => (Comparison::Less, 1),
            Some('>') => (Comparison::Greater, 1),
            Some('≤') => (Comparison::AtMost, '≤'.len_utf8()),
            Some('≥') => (Comparison::AtLeast, '≥'.len_utf8()),
            _ => (Comparison::Equal, 1),
        };
        let value = rest[length..].trim_start_matches(is_space);
        let begin = self.text.len() - value.len();
        let value = &value[..value.find(is_end_of_value).unwrap_or(value.len())];
        self.at = begin + value.len();
        let error = |message: &str, hint: &str| QueryError::new(begin..begin + value.len(), message, hint);
        let digits = value.bytes().take_while(u8::is_ascii_digit).count();
        let days = match (measure, &value[digits..]) {
            _ if digits == 0 => return Err(error("expected a whole number", "write `upvotes>=20` or `age<7d`")),
            (Measure::Age, "w") => 7,
            (Measure::Age, "d") => 1,
            (Measure::Age, _) => {
                return Err(error("expected an age in days or weeks", "write `age<7d` or `age<2w`"));
            }
            (_, "") => 1,
            (_, rest) => {
                let grouped: String = value.chars().filter(char::is_ascii_digit).collect();
                let number = if rest.starts_with([',', '_', '\'']) { &grouped } else { &value[..digits] };
                let hint = format!("write `{name}{comparison}{}`", cut(number));
                return Err(error("expected a whole number, without a unit or signs", &hint));
            }
        };
        let number =
            value[..digits].parse::<u64>().ok().and_then(|number| u32::try_from(number.checked_mul(days)?).ok());
        let Some(value) = number.filter(|number| *number <= MAX_NUMBER) else {
            return Err(error("the number is too large", &format!("the largest is {MAX_NUMBER}")));
        };
        self.push(start, TokenKind::Clause(Clause::Number { measure, comparison, value }));
        Ok(())
    }

    /// A plain word, a prefix or an exact word, up to the next space or sign; the token begins at `start`.
    fn word(&mut self, start: usize, kind: Kind) -> Result<(), QueryError> {
        let begin = self.at;
        let word = self.whole_word();
        self.at += word.len();
        let span = start..self.at;
        let (kind, word) = match word.strip_suffix('~') {
            Some(word) if kind == Kind::Word && !word.ends_with('*') => (Kind::Relatives, word),
            _ => (kind, word),
        };
        if let Some(comma) = self.rest().chars().next().filter(|c| is_comma(*c)) {
            let hint = "write `a OR b` for either, `a b` for both, or list them as separate keywords";
            return Err(self.error(comma, "expected a space or an operator, not punctuation", hint));
        }
        refuse_signs(word, begin)?;
        if is_starred(&display(word)) {
            return self.words(span, kind, word);
        }
        let (kind, word) = match (word.strip_suffix('*'), kind) {
            (Some(stem), Kind::Word) => (Kind::Prefix, stem),
            (Some(stem), _) if !stem.is_empty() => {
                let stem = stem.trim_end_matches('*');
                let hint = format!("write `{stem}*` for what begins so, or `={stem}` for that word alone");
                return Err(QueryError::new(span, "an exact word can't be a beginning", hint));
            }
            _ => (kind, word),
        };
        if let Some(star) = word.find('*') {
            let message = "expected \"*\" only at the end of a word";
            let hint = "`diffus*` finds every word that begins so";
            return Err(QueryError::new(begin + star..begin + star + 1, message, hint));
        }
        self.words(span, kind, word)
    }

    /// What belongs to the word that begins here. A caret with a number is a weight behind a word in lower case, and part of
    /// the name behind any other: `graph^2`, but `OPD^2`, `M^3Eval`.
    fn whole_word(&self) -> &'a str {
        let rest = self.rest();
        let mut length = 0;
        loop {
            length += rest[length..].find(is_end).unwrap_or(rest.len() - length);
            let (word, after) = rest.split_at(length);
            let Some(power) = after.strip_prefix('^') else { return word };
            let number = power.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
            let is_number = number > 0 && !power[number..].starts_with(|c| !is_end(c));
            let is_name = match is_number {
                true => !power[..number].contains('.') && !is_weighable(word),
                false => power.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '*' | '{' | '\\')),
            };
            if word.is_empty() || !is_name || self.caret == Caret::Weight {
                return word;
            }
            length += 1 + number;
        }
    }

    /// A quoted phrase, with its nearness; the token begins at `start`.
    fn phrase(&mut self, start: usize, kind: Kind) -> Result<(), QueryError> {
        let open = self.rest().chars().next().map_or(0, char::len_utf8);
        let inner = &self.rest()[open..];
        let Some(length) = inner.find(is_quote) else {
            let hint = "close the phrase with another quote";
            return Err(QueryError::new(start..self.text.len(), "this quote is never closed", hint));
        };
        self.at += open + length + inner[length..].chars().next().map_or(0, char::len_utf8);
        let kind = match self.rest().strip_prefix('~') {
            Some(rest) => {
                let digits = &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()];
                let tilde = self.at;
                self.at += 1 + digits.len();
                let span = tilde..self.at;
                match digits.parse::<u8>() {
                    Ok(distance @ 1..=100) if kind == Kind::Phrase => Kind::Near(distance),
                    Ok(1..=100) => {
                        let message = "an exact phrase can't be loosened with \"~\"";
                        return Err(QueryError::new(span, message, "leave out the \"=\" or the \"~\""));
                    }
                    _ => {
                        let message = "expected a number of words from 1 to 100 after \"~\"";
                        let hint = "`\"graph retrieval\"~5` allows five other words between";
                        return Err(QueryError::new(span, message, hint));
                    }
                }
            }
            None => kind,
        };
        let words: Vec<&str> = inner[..length].split(is_space).filter(|word| !word.is_empty()).collect();
        self.words(start..self.at, kind, &words.join(" "))
    }

    fn words(&mut self, span: Range<usize>, kind: Kind, words: &str) -> Result<(), QueryError> {
        let shown = display(words);
        let cut = text::words(&shown);
        if cut.iter().all(|word| text::fold(&shown[word.range.clone()]).is_empty()) {
            let found = &self.text[span.clone()];
            let hint = match found {
                "|" | "||" | "/" => "write `OR` for either",
                "&" | "&&" | "+" => "write `AND`, or nothing: words side by side must all be there",
                "=" => "`=RAG` finds a word exactly as written; without a space",
                "*" => "`diffus*` finds every word that begins so",
                _ => "only letters and digits can be looked for",
            };
            return Err(QueryError::new(span.clone(), format!("expected a word, found {}", quoted(found)), hint));
        }
        if kind == Kind::Prefix && text::fold(&shown).chars().count() < 2 {
            let hint = format!("to look for the name, quote it: `\"{words}*\"`");
            return Err(QueryError::new(span, "expected at least two letters before \"*\"", hint));
        }
        let count = cut.iter().filter(|word| word.length == 1).count();
        self.push(span.start, TokenKind::Words(kind, words.to_owned(), count));
        Ok(())
    }

    fn weight(&mut self) -> Result<(), QueryError> {
        let start = self.at;
        let rest = &self.rest()[1..];
        let length = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        self.at += 1 + length;
        match rest[..length].parse::<f32>() {
            Ok(weight) if (0.01..=100.0).contains(&weight) => {
                self.push(start, TokenKind::Weight(weight));
                Ok(())
            }
            _ => {
                let message = "expected a weight from 0.01 to 100 after \"^\"";
                Err(QueryError::new(start..self.at, message, "`diffusion^2` counts twice"))
            }
        }
    }
}

/// The operator of this name.
pub(super) fn operator(name: &str) -> Option<TokenKind> {
    match name {
        "AND" => Some(TokenKind::And),
        "OR" => Some(TokenKind::Or),
        "NOT" => Some(TokenKind::Not),
        _ => None,
    }
}
