//! An expression in its one fixed spelling: reading back what is printed here gives the same expression.

use std::fmt::{self, Display, Formatter, Write};

use super::lexer::operator;
use super::names::{DEFAULT_SHARE, measure};
use super::signs::is_weighable;
use super::{Clause, Comparison, Expr, Extra, Field, Kind, Likes, Measure};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Clause(clause) => clause.fmt(f),
            Expr::Not(inner) => write!(f, "-{}", Tight(inner)),
            Expr::And(all) => list(f, all, between, |inner| matches!(inner, Expr::And(_) | Expr::Or(_))),
            Expr::Or(any) => list(f, any, |_, _| " OR ", |inner| matches!(inner, Expr::Or(_))),
            Expr::Weighted(inner, weight) => match **inner {
                Expr::Clause(Clause::Text { kind: Kind::Word | Kind::Exact, ref text, .. }) if !is_weighable(text) => {
                    write!(f, "({inner})^{weight}")
                }
                Expr::Clause(_) => write!(f, "{inner}^{weight}"),
                _ => write!(f, "({inner})^{weight}"),
            },
        }
    }
}

/// An expression in parentheses where it needs them to be one term.
struct Tight<'a>(&'a Expr);

impl Display for Tight<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Expr::And(_) | Expr::Or(_) => write!(f, "({})", self.0),
            tight => tight.fmt(f),
        }
    }
}

/// What is between two that must both match: a space, unless the first would then be compared with the second.
fn between(first: &Expr, second: &Expr) -> &'static str {
    fn is_countable(expr: &Expr) -> bool {
        match expr {
            Expr::Clause(Clause::Text { field: Field::Any, kind: Kind::Word, text }) => measure(text).is_some(),
            Expr::Not(inner) => is_countable(inner),
            _ => false,
        }
    }
    let exact = match second {
        Expr::Weighted(inner, _) => inner,
        other => other,
    };
    // As in `(age) =3D`: words both.
    let is_value = matches!(exact, Expr::Clause(Clause::Text { field: Field::Any, kind: Kind::Exact, .. }));
    if is_value && is_countable(first) { " AND " } else { " " }
}

fn list(
    f: &mut Formatter<'_>,
    items: &[Expr],
    separator: impl Fn(&Expr, &Expr) -> &'static str,
    loose: impl Fn(&Expr) -> bool,
) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(separator(&items[at - 1], item))?;
        }
        match loose(item) {
            true => write!(f, "({item})")?,
            false => item.fmt(f)?,
        }
    }
    Ok(())
}

impl Display for Clause {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Clause::Text { field, kind, text } => {
                field.fmt(f)?;
                match kind {
                    // Bare it would be an operator.
                    Kind::Word if *field == Field::Any && operator(text).is_some() => write!(f, "\"{text}\""),
                    Kind::Word => f.write_str(text),
                    Kind::Phrase => write!(f, "\"{text}\""),
                    Kind::Near(distance) => write!(f, "\"{text}\"~{distance}"),
                    Kind::Relatives => write!(f, "{text}~"),
                    Kind::Prefix => write!(f, "{text}*"),
                    Kind::Exact => write!(f, "={text}"),
                    Kind::ExactPhrase => write!(f, "=\"{text}\""),
                }
            }
            Clause::Number { measure, comparison, value } => {
                write!(f, "{measure}{comparison}{value}")?;
                if *measure == Measure::Age { f.write_char('d') } else { Ok(()) }
            }
            Clause::Has(Extra::Code) => f.write_str("has:code"),
            Clause::Has(Extra::Project) => f.write_str("has:project"),
            Clause::Like(Likes { ids, share }) => {
                write!(f, "like:{}", ids.join(","))?;
                if *share == DEFAULT_SHARE { Ok(()) } else { write!(f, "~{share}%") }
            }
        }
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::Any => "",
            Field::Title => "title:",
            Field::Abstract => "abstract:",
            Field::Author => "author:",
            Field::Org => "org:",
            Field::Category => "category:",
            Field::Source => "source:",
            Field::Keyword => "keyword:",
        })
    }
}

impl Display for Measure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Measure::Upvotes => "upvotes",
            Measure::Comments => "comments",
            Measure::Stars => "stars",
            Measure::Age => "age",
        })
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
            Comparison::Equal => "=",
            Comparison::AtLeast => ">=",
            Comparison::Greater => ">",
        })
    }
}
