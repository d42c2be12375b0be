//! From tokens to an expression.
//!
//! ```text
//! expr    = all { "OR" all }
//! all     = unary { [ "AND" ] unary }
//! unary   = ( "NOT" | "-" ) unary | primary
//! primary = ( "(" expr ")" | clause | field "(" expr ")" ) [ "^" weight ]
//! ```
//! Behind a word with a capital or a digit "^" is part of the word: the lexer knows.
//! By recursive descent without looking back, so in linear time; the depth is counted.

use std::ops::Range;

use super::clean::Clean;
use super::error::quoted;
use super::lexer::{Caret, Lexeme, TokenKind, tokens};
use super::{Clause, Expr, Field, Kind, Literal, MAX_DEPTH, MAX_NEAR, MAX_TERMS, QueryError};

/// The expression in `text`, and the bytes of each of its clauses.
pub(super) fn parse(text: &str) -> Result<(Expr, Vec<Range<usize>>), QueryError> {
    parse_with(text, Caret::Name)
}

/// What `text` meant while a caret was a weight behind names too.
pub(in crate::core) fn parse_old_carets(text: &str) -> Result<Expr, QueryError> {
    parse_with(text, Caret::Weight).map(|(expr, _)| expr)
}

/// The same, by another rule for carets.
fn parse_with(text: &str, caret: Caret) -> Result<(Expr, Vec<Range<usize>>), QueryError> {
    let clean = Clean::new(text);
    match parse_clean(&clean.text, caret) {
        Ok((expr, spans)) => Ok((expr, spans.into_iter().map(|span| clean.written(span)).collect())),
        Err(error) => Err(QueryError { span: clean.written(error.span), ..error }),
    }
}

fn parse_clean(text: &str, caret: Caret) -> Result<(Expr, Vec<Range<usize>>), QueryError> {
    let mut parser = Parser {
        text,
        tokens: tokens(text, caret)?.into_iter().peekable(),
        last: 0..0,
        depth: 0,
        terms: 0,
        spans: Vec::new(),
    };
    let expr = parser.expr(Field::Any)?;
    match parser.tokens.next() {
        None => Ok((expr, parser.spans)),
        Some(token) if token.kind == TokenKind::Close => {
            let message = "nothing is open that this \")\" could close";
            Err(QueryError::new(token.span, message, "take it out, or add a \"(\" where the group begins"))
        }
        Some(token) => Err(parser.expected(Some(token))),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: std::iter::Peekable<std::vec::IntoIter<Lexeme>>,
    /// The bytes of the token read last.
    last: Range<usize>,
    depth: usize,
    /// Words and conditions so far.
    terms: usize,
    spans: Vec<Range<usize>>,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<Lexeme> {
        let token = self.tokens.next()?;
        self.last = token.span.clone();
        Some(token)
    }

    fn next_is(&mut self, kind: TokenKind) -> bool {
        self.tokens.peek().is_some_and(|token| token.kind == kind)
    }

    fn expr(&mut self, field: Field) -> Result<Expr, QueryError> {
        let mut any = vec![self.all(field)?];
        while self.next_is(TokenKind::Or) {
            self.next();
            any.push(self.all(field)?);
        }
        Ok(one_or(any, Expr::Or))
    }

    fn all(&mut self, field: Field) -> Result<Expr, QueryError> {
        let mut all = vec![self.unary(field)?];
        loop {
            match self.tokens.peek().map(|token| &token.kind) {
                None | Some(TokenKind::Or | TokenKind::Close) => return Ok(one_or(all, Expr::And)),
                Some(TokenKind::And) => {
                    self.next();
                }
                Some(_) => {}
            }
            all.push(self.unary(field)?);
        }
    }

    fn unary(&mut self, field: Field) -> Result<Expr, QueryError> {
        if !self.next_is(TokenKind::Not) {
            return self.primary(field);
        }
        self.next();
        self.deeper()?;
        let inner = self.unary(field)?;
        self.depth -= 1;
        Ok(Expr::Not(Box::new(inner)))
    }

    fn primary(&mut self, field: Field) -> Result<Expr, QueryError> {
        let expr = match self.tokens.next() {
            Some(Lexeme { kind: TokenKind::Open, span }) => self.group(span, field)?,
            Some(Lexeme { kind: TokenKind::Field(field), span }) => match self.tokens.next() {
                Some(Lexeme { kind: TokenKind::Open, span }) => self.group(span, field)?,
                Some(Lexeme { kind: TokenKind::Words(kind, text, count), span: words }) => {
                    self.clause(span.start..words.end, Clause::Text { field, kind, text }, count)?
                }
                _ => {
                    let message = format!("expected a word right after {:?}", &self.text[span.clone()]);
                    return Err(QueryError::new(span, message, "put the minus before the field: `-title:survey`"));
                }
            },
            Some(Lexeme { kind: TokenKind::Words(kind, text, count), span }) => {
                self.clause(span, Clause::Text { field, kind, text }, count)?
            }
            Some(Lexeme { kind: TokenKind::Clause(clause), span }) => self.clause(span, clause, 1)?,
            token => return Err(self.expected(token)),
        };
        match self.tokens.peek() {
            Some(Lexeme { kind: TokenKind::Weight(weight), span }) if span.start == self.last.end => {
                let weight = *weight;
                self.next();
                Ok(Expr::Weighted(Box::new(expr), weight))
            }
            _ => Ok(expr),
        }
    }

    /// What is after the parenthesis at `open`, and the one that closes it.
    fn group(&mut self, open: Range<usize>, field: Field) -> Result<Expr, QueryError> {
        self.last = open.clone();
        self.deeper()?;
        let inner = self.expr(field)?;
        self.depth -= 1;
        if !self.next_is(TokenKind::Close) {
            return match self.tokens.next() {
                None => Err(QueryError::new(open, "this \"(\" is never closed", "add a \")\" where the group ends")),
                token => Err(self.expected(token)),
            };
        }
        self.next();
        Ok(inner)
    }

    /// A clause of so many words.
    fn clause(&mut self, span: Range<usize>, clause: Clause, words: usize) -> Result<Expr, QueryError> {
        self.terms += words;
        if self.terms > MAX_TERMS {
            let message = format!("more than {MAX_TERMS} words and conditions");
            return Err(QueryError::new(span, message, "split it into several keywords"));
        }
        if let Clause::Text { field: Field::Author | Field::Category | Field::Source, kind, .. } = clause
            && matches!(kind, Kind::Exact | Kind::ExactPhrase | Kind::Near(_) | Kind::Relatives)
        {
            let message = "expected a name without \"=\" or \"~\"";
            return Err(QueryError::new(span, message, "write `author:sample` or `author:\"Bea Sample\"`"));
        }
        if let Clause::Text { kind: Kind::Near(_), .. } = clause
            && let Literal::Text { pattern, .. } = clause.literal()
            && pattern.units.len() > MAX_NEAR
        {
            let message = format!("more than {MAX_NEAR} words near each other");
            return Err(QueryError::new(span, message, "without the \"~\" a phrase may have more"));
        }
        self.last = span.clone();
        self.spans.push(span);
        Ok(Expr::Clause(clause))
    }

    fn deeper(&mut self) -> Result<(), QueryError> {
        self.depth += 1;
        match self.depth <= MAX_DEPTH {
            true => Ok(()),
            false => {
                let message = format!("nested more than {MAX_DEPTH} deep");
                Err(QueryError::new(self.last.clone(), message, "take out parentheses that change nothing"))
            }
        }
    }

    /// A word was expected and `found` is there.
    fn expected(&self, found: Option<Lexeme>) -> QueryError {
        let last = &self.text[self.last.clone()];
        let after = if last.is_empty() { String::new() } else { format!(" after {}", quoted(last)) };
        let Some(found) = found else {
            let end = self.text.trim_end().len();
            let hint = match last {
                "" => "write a word to look for, such as `diffusion`",
                "AND" | "OR" => "both sides need a word: `llm OR agents`",
                "(" => "a group has words in it: `(llm OR agents)`",
                _ => "what is not to be there follows: `NOT survey`",
            };
            return QueryError::new(end..end, format!("expected a word{after}"), hint);
        };
        let word = &self.text[found.span.clone()];
        let hint = match found.kind {
            TokenKind::And | TokenKind::Or | TokenKind::Not => {
                format!("to look for the word itself, quote it: `\"{word}\"`")
            }
            TokenKind::Weight(_) => "a weight comes right after its word, without a space, and once".to_owned(),
            _ => "a group has words in it: `(llm OR agents)`".to_owned(),
        };
        QueryError::new(found.span, format!("expected a word{after}, found {}", quoted(word)), hint)
    }
}

fn one_or(mut items: Vec<Expr>, many: impl FnOnce(Vec<Expr>) -> Expr) -> Expr {
    match items.pop() {
        Some(only) if items.is_empty() => only,
        Some(last) => {
            items.push(last);
            many(items)
        }
        None => many(items),
    }
}
