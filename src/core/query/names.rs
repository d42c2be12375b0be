//! The names that mean something in an expression: operators, fields, numbers, papers.

use std::ops::Range;

use super::error::cut;
use super::{Clause, Extra, Field, Likes, Measure, QueryError};
use crate::core::paper::PaperKey;

/// The share of the candidates that `like:` finds when it isn't given, in percent.
pub(super) const DEFAULT_SHARE: u8 = 5;
/// The greatest one.
const MAX_SHARE: u8 = 50;

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

/// A field by its name, in any case, or by the short one that arXiv's own search taught people.
pub(super) fn field(name: &str) -> Option<Field> {
    match name.to_ascii_lowercase().as_str() {
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

/// Whether a name with a colon begins a condition.
pub(super) fn is_known(name: &str) -> bool {
    field(name).is_some() || name.eq_ignore_ascii_case("has") || name.eq_ignore_ascii_case("like")
}

/// What `name:value` says, where the name is no field that words are looked for in. `name` are the bytes of the name with
/// its colon, `span` those of the value.
pub(super) fn condition(
    named: &str,
    name: Range<usize>,
    value: &str,
    span: Range<usize>,
) -> Result<Clause, QueryError> {
    let lower = named.to_ascii_lowercase();
    match lower.as_str() {
        "has" => match value.to_ascii_lowercase().as_str() {
            "code" => Ok(Clause::Has(Extra::Code)),
            "project" => Ok(Clause::Has(Extra::Project)),
            _ => {
                let message = "expected \"code\" or \"project\" after \"has:\"";
                Err(QueryError::new(span, message, "write `has:code` or `has:project`"))
            }
        },
        "like" => like(value, span),
        _ => {
            let unknown = |hint: String| QueryError::new(name.clone(), format!("there is no field \"{named}:\""), hint);
            Err(match (measure(&lower), closest(&lower)) {
                (Some(measure), _) => {
                    let sign = match measure {
                        _ if value.starts_with(['<', '>', '=']) => "",
                        Measure::Age => "<",
                        _ => ">=",
                    };
                    let message = format!("expected a comparison after \"{named}\"");
                    let value = match measure {
                        _ if !value.is_empty() => cut(value),
                        Measure::Age => "7d".into(),
                        _ => "20".into(),
                    };
                    QueryError::new(name, message, format!("write `{lower}{sign}{value}`"))
                }
                // As in a title that was pasted.
                (None, None) if value.is_empty() => {
                    unknown("put what has a colon into quotes: `\"Graphs: a survey\"`".to_owned())
                }
                (None, Some(known)) => unknown(format!("did you mean `{known}:`? A colon inside a word needs quotes")),
                (None, None) => unknown(
                    "the fields are title, abstract, author, org, category, source and keyword; a colon inside a word \
                     needs quotes"
                        .to_owned(),
                ),
            })
        }
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

/// `2503.02130` or `2503.02130,2504.00001~2%`; also the papers' addresses.
fn like(value: &str, span: Range<usize>) -> Result<Clause, QueryError> {
    let (names, share) = value.split_once('~').map_or((value, None), |(names, share)| (names, Some(share)));
    let id = |name: &str| PaperKey::named(name).and_then(|key| key.arxiv_id().map(ToOwned::to_owned));
    let Some(ids) = names.split(',').map(id).collect::<Option<Vec<String>>>() else {
        let message = "expected an arXiv identifier after \"like:\"";
        return Err(QueryError::new(
            span,
            message,
            "write `like:2503.02130`, or several: `like:2503.02130,2504.00001`",
        ));
    };
    let percent = |share: &str| share.strip_suffix('%')?.parse().ok().filter(|share| (1..=MAX_SHARE).contains(share));
    let share = match share {
        None => DEFAULT_SHARE,
        // A least similarity, as it was asked for once: no number fits two papers.
        Some(share) if is_old_similarity(share) => DEFAULT_SHARE,
        Some(share) => percent(share).ok_or_else(|| {
            let message = format!("expected a share from 1% to {MAX_SHARE}% after \"~\"");
            QueryError::new(span, message, "`like:2503.02130~2%` finds the closest 2 in 100 papers")
        })?,
    };
    Ok(Clause::Like(Likes { ids, share }))
}

/// Whether what follows a `~` is a least similarity, such as 0.3.
pub(in crate::core) fn is_old_similarity(share: &str) -> bool {
    share.parse::<f32>().is_ok_and(|share| (0.01..=1.0).contains(&share))
}
