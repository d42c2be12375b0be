//! From characters to tokens.
//!
//! Everything that is decided inside one word is decided here: signs (`=`, `*`, `^`, `~`), fields, numbers. What is left
//! to the parser is how tokens stand together.

use std::ops::Range;

use super::{Clause, Comparison, Extra, Field, Kind, Measure, QueryError};
use crate::core::paper::PaperKey;
use crate::core::text;

/// The similarity that `like:` asks for when it isn't given, in hundredths.
pub(super) const DEFAULT_LIKENESS: u8 = 20;

/// The largest number a paper's votes, stars or days are compared with.
const MAX_NUMBER: u32 = 100_000_000;

/// A token and its bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
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
    /// Words, whose field the parser knows.
    Words(Kind, String),
    /// A clause that stands for itself.
    Clause(Clause),
    /// `^2`
    Weight(f32),
}

/// The tokens of `text`.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, QueryError> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new() };
    while lexer.token()? {}
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„')
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
            '-' | '−' if self.rest()[c.len_utf8()..].starts_with(|c| !is_space(c) && c != ')') => {
                self.at += c.len_utf8();
                self.push(start, TokenKind::Not);
            }
            '-' | '−' => {
                return Err(self.error(c, format!("expected a word right after \"{c}\"")).hint(
                    "`-word` leaves out papers with that word; inside a word no space is needed: `state-space`",
                ));
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
        self.tokens.push(Token { kind, span: start..self.at });
    }

    fn error(&self, c: char, message: impl Into<String>) -> QueryError {
        QueryError::new(self.at..self.at + c.len_utf8(), message)
    }

    /// Something that begins like a word: an operator, a field, a number or a word.
    fn bare(&mut self) -> Result<(), QueryError> {
        let start = self.at;
        let name = &self.rest()[..self.rest().bytes().take_while(u8::is_ascii_alphabetic).count()];
        let after = &self.rest()[name.len()..];
        if let Some(kind) = operator(name).filter(|_| !after.starts_with(is_inside_word)) {
            self.at += name.len();
            self.push(start, kind);
            return Ok(());
        }
        if let Some(value) = after.strip_prefix(':').filter(|_| !name.is_empty()) {
            return self.field(name, value);
        }
        let spaced = after.trim_start_matches(is_space);
        let compares = spaced.starts_with(['<', '>'])
            || spaced
                .strip_prefix('=')
                .is_some_and(|value| value.trim_start().starts_with(|c: char| c.is_ascii_digit()));
        if let Some(measure) = measure(name).filter(|_| compares) {
            return self.number(start, measure, self.text.len() - spaced.len());
        }
        if let Some(sign) = after.chars().next().filter(|c| matches!(c, '<' | '>' | '≤' | '≥')) {
            let message = "expected a word: only upvotes, comments, stars and age can be compared";
            let span = start..start + name.len() + sign.len_utf8();
            return Err(QueryError::new(span, message).hint("write `upvotes>=20` or `age<7d`"));
        }
        self.word(start, Kind::Word)
    }

    /// What follows `name:`.
    fn field(&mut self, name: &str, value: &str) -> Result<(), QueryError> {
        let start = self.at;
        let span = start..start + name.len() + 1;
        self.at = span.end;
        let lower = name.to_ascii_lowercase();
        let glued = !value.is_empty() && !value.starts_with(is_space) && !value.starts_with(')');
        if !glued {
            return Err(QueryError::new(span, format!("expected a word right after \"{name}:\"")));
        }
        if let Some(field) = field(&lower) {
            self.push(start, TokenKind::Field(field));
            // An operator's name right after a field is a word like any other.
            if !value.starts_with(['(', '"', '“', '”', '„', '=', '-', '−']) {
                self.word(self.at, Kind::Word)?;
            }
            return Ok(());
        }
        let value = &value[..value.find(|c| is_space(c) || c == ')' || c == '(' || c == '^').unwrap_or(value.len())];
        let value_span = self.at..self.at + value.len();
        self.at = value_span.end;
        let clause = match lower.as_str() {
            "has" => Clause::Has(match value {
                "code" => Extra::Code,
                "project" => Extra::Project,
                _ => return Err(QueryError::new(value_span, "expected \"code\" or \"project\" after \"has:\"")),
            }),
            "like" => like(value, value_span)?,
            _ if measure(&lower).is_some() => {
                let hint = format!("write `{lower}>={value}`");
                return Err(QueryError::new(span, format!("expected a comparison after \"{name}\"")).hint(hint));
            }
            _ => {
                let hint = match closest(&lower) {
                    Some(known) => format!("did you mean `{known}:`? A colon inside a word needs quotes"),
                    None => {
                        "the fields are title, abstract, author, org, category, source and keyword; a colon inside a \
                             word needs quotes"
                            .to_owned()
                    }
                };
                return Err(QueryError::new(span, format!("there is no field \"{name}:\"")).hint(hint));
            }
        };
        self.push(start, TokenKind::Clause(clause));
        Ok(())
    }

    /// `upvotes >= 20`, with `operator` where the comparison begins.
    fn number(&mut self, start: usize, measure: Measure, operator: usize) -> Result<(), QueryError> {
        let rest = &self.text[operator..];
        let (comparison, length) = match rest.as_bytes() {
            [b'<', b'=', ..] => (Comparison::AtMost, 2),
            [b'>', b'=', ..] => (Comparison::AtLeast, 2),
            [b'<', ..] => (Comparison::Less, 1),
            [b'>', ..] => (Comparison::Greater, 1),
            _ => (Comparison::Equal, 1),
        };
        let value = rest[length..].trim_start_matches(is_space);
        let begin = self.text.len() - value.len();
        let value = &value[..value.find(|c| is_space(c) || c == ')' || c == '(' || c == '^').unwrap_or(value.len())];
        self.at = begin + value.len();
        let error = |message: &str| QueryError::new(begin..begin + value.len(), message);
        let digits = value.bytes().take_while(u8::is_ascii_digit).count();
        let days = match (measure, &value[digits..]) {
            _ if digits == 0 => return Err(error("expected a whole number").hint("write `upvotes>=20` or `age<7d`")),
            (Measure::Age, "w") => 7,
            (Measure::Age, "d") => 1,
            (Measure::Age, _) => {
                return Err(error("expected an age in days or weeks").hint("write `age<7d` or `age<2w`"));
            }
            (_, "") => 1,
            (_, _) => return Err(error("expected a whole number, without a unit")),
        };
        let number =
            value[..digits].parse::<u64>().ok().and_then(|number| u32::try_from(number.checked_mul(days)?).ok());
        let Some(value) = number.filter(|number| *number <= MAX_NUMBER) else {
            return Err(error("the number is too large"));
        };
        self.push(start, TokenKind::Clause(Clause::Number { measure, comparison, value }));
        Ok(())
    }

    /// A plain word, a prefix or an exact word, up to the next space or sign; the token begins at `start`.
    fn word(&mut self, start: usize, kind: Kind) -> Result<(), QueryError> {
        let begin = self.at;
        let rest = self.rest();
        let end =
            rest.find(|c| is_space(c) || is_quote(c) || matches!(c, '(' | ')' | '^' | ',' | ';')).unwrap_or(rest.len());
        let word = &rest[..end];
        self.at += end;
        let span = start..self.at;
        let next = self.rest().chars().next();
        if matches!(next, Some(',' | ';')) {
            let span = self.at..self.at + 1;
            return Err(QueryError::new(span, "expected a space or an operator, not punctuation")
                .hint("write `a OR b` for either, `a b` for both, or list them as separate keywords"));
        }
        if let Some(tilde) = word.find('~') {
            return Err(QueryError::new(
                begin + tilde..self.at,
                "expected \"~\" only after a quoted phrase or `like:`",
            )
            .hint("write `\"graph retrieval\"~5` for words that stand near each other"));
        }
        let (kind, word) = match word.strip_suffix('*') {
            Some(stem) if kind == Kind::Word => (Kind::Prefix, stem),
            _ => (kind, word),
        };
        if let Some(star) = word.find('*') {
            return Err(QueryError::new(begin + star..begin + star + 1, "expected \"*\" only at the end of a word")
                .hint("`diffus*` finds every word that begins so"));
        }
        self.words(span, kind, word)
    }

    /// A quoted phrase, with its nearness; the token begins at `start`.
    fn phrase(&mut self, start: usize, kind: Kind) -> Result<(), QueryError> {
        let open = self.rest().chars().next().map_or(0, char::len_utf8);
        let inner = &self.rest()[open..];
        let Some(length) = inner.find(is_quote) else {
            return Err(QueryError::new(start..self.text.len(), "this quote is never closed")
                .hint("close the phrase with another quote"));
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
                    Ok(1..=100) => return Err(QueryError::new(span, "an exact phrase can't be loosened with \"~\"")),
                    _ => {
                        return Err(QueryError::new(span, "expected a number of words from 1 to 100 after \"~\"")
                            .hint("`\"graph retrieval\"~5` allows five other words between"));
                    }
                }
            }
            None => kind,
        };
        let words: Vec<&str> = inner[..length].split(is_space).filter(|word| !word.is_empty()).collect();
        self.words(start..self.at, kind, &words.join(" "))
    }

    fn words(&mut self, span: Range<usize>, kind: Kind, words: &str) -> Result<(), QueryError> {
        let cut = text::words(words);
        if cut.iter().all(|word| text::fold(&words[word.range.clone()]).is_empty()) {
            let found = &self.text[span.clone()];
            let error = QueryError::new(span, format!("expected a word, found {found:?}"));
            return Err(match found {
                "|" | "||" | "/" => error.hint("write `OR` for either"),
                "&" | "&&" | "+" => error.hint("write `AND`, or nothing: words side by side must all be there"),
                "!" => error.hint("write `NOT` or `-` right before the word"),
                _ => error.hint("only letters and digits can be looked for"),
            });
        }
        if kind == Kind::Prefix && text::fold(words).chars().count() < 2 {
            return Err(QueryError::new(span, "expected at least two letters before \"*\""));
        }
        self.push(span.start, TokenKind::Words(kind, words.to_owned()));
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
            _ => Err(QueryError::new(start..self.at, "expected a weight from 0.01 to 100 after \"^\"")
                .hint("`diffusion^2` counts twice")),
        }
    }
}

/// Whether a character right after `AND` makes it part of a longer word.
fn is_inside_word(c: char) -> bool {
    !(is_space(c) || is_quote(c) || matches!(c, '(' | ')' | '^'))
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

/// The number of this name, in any case.
pub(super) fn measure(name: &str) -> Option<Measure> {
    match name.to_ascii_lowercase().as_str() {
        "upvotes" => Some(Measure::Upvotes),
        "comments" => Some(Measure::Comments),
        "stars" => Some(Measure::Stars),
        "age" => Some(Measure::Age),
        _ => None,
    }
}

/// A field by its name, or by the short one that arXiv's own search taught people.
fn field(name: &str) -> Option<Field> {
    match name {
        "title" | "ti" => Some(Field::Title),
        "abstract" | "abs" => Some(Field::Abstract),
        "author" | "au" => Some(Field::Author),
        "org" | "organization" | "organisation" => Some(Field::Org),
        "category" | "cat" => Some(Field::Category),
        "source" | "src" => Some(Field::Source),
        "keyword" | "kw" => Some(Field::Keyword),
        _ => None,
    }
}

fn closest(name: &str) -> Option<&'static str> {
    ["title", "abstract", "author", "org", "category", "source", "keyword", "has", "like"]
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, _)| *distance <= 2 && *distance < name.len())
        .min()
        .map(|(_, known)| known)
}

/// `2503.02130` or `2503.02130~0.3`.
fn like(value: &str, span: Range<usize>) -> Result<Clause, QueryError> {
    let (id, threshold) = value.split_once('~').map_or((value, None), |(id, threshold)| (id, Some(threshold)));
    let Some(key) = PaperKey::arxiv(id) else {
        return Err(
            QueryError::new(span, "expected an arXiv identifier after \"like:\"").hint("write `like:2503.02130`")
        );
    };
    let threshold = match threshold.map(str::parse::<f32>) {
        None => DEFAULT_LIKENESS,
        Some(Ok(share)) if (0.01..=1.0).contains(&share) => (share * 100.0).round() as u8,
        Some(_) => {
            return Err(QueryError::new(span, "expected a similarity from 0.01 to 1 after \"~\"")
                .hint("write `like:2503.02130~0.3`"));
        }
    };
    Ok(Clause::Like { id: key.arxiv_id().unwrap_or(id).to_owned(), threshold })
}
