//! The expressions of a profile beside each other: one can leave nothing of another.

use super::strength::{Strength, strength, strength_of_all};
use super::{Lint, Role, whole};
use crate::core::query::{Clause, Comparison, Expr, Measure, Query};
use crate::core::subscription::Profile;

/// Warnings about what the other conditions of a profile leave nothing of: its role, its place among those of that role,
/// and what is odd.
pub fn lint_profile(profile: &Profile) -> Vec<(Role, usize, Lint)> {
    let keywords = profile.keywords.iter().map(|keyword| &keyword.query).enumerate();
    let musts = profile.must.iter().enumerate();
    let keywords =
        keywords.filter_map(|(at, query)| Some((Role::Keyword, at, ruled_out(query, profile, &profile.must)?)));
    let musts = musts.filter_map(|(at, query)| Some((Role::Must, at, ruled_out(query, profile, &[])?)));
    keywords.chain(musts).collect()
}

/// What rules out all that `query` could match, when it could match something by itself.
fn ruled_out(query: &Query, profile: &Profile, musts: &[Query]) -> Option<Lint> {
    let says_something = |other: &Expr| !matches!(strength(other), Strength::Nothing | Strength::Everything);
    if strength(query.expr()) == Strength::Nothing {
        return None;
    }
    let rules_out =
        |other: &Expr, negate| strength_of_all([(query.expr(), false), (other, negate)]) == Strength::Nothing;
    let excluding = profile.exclude.iter().find(|other| says_something(other.expr()) && rules_out(other.expr(), true));
    let demanding = musts.iter().find(|other| says_something(other.expr()) && rules_out(other.expr(), false));
    let (measure, comparison) = (Measure::Upvotes, Comparison::AtLeast);
    let votes = Expr::Clause(Clause::Number { measure, comparison, value: profile.min_upvotes });
    let why = match (excluding, demanding) {
        (Some(other), _) => format!("exclude has `{other}`"),
        (None, Some(other)) => format!("must asks for `{other}`"),
        (None, None) if rules_out(&votes, false) => format!("min_upvotes is {}", profile.min_upvotes),
        (None, None) => return None,
    };
    let hint = "take one of the two out".to_owned();
    Some(Lint { span: whole(query), message: format!("nothing can match this here: {why}"), hint })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::subscription::{Keyword, Rank};

    #[test]
    fn what_the_rest_of_a_profile_leaves_nothing_of_is_told() {
        let queries = |texts: &[&str]| texts.iter().map(|text| Query::parse(text).expect(text)).collect::<Vec<_>>();
        let told = |keywords: &[&str], must: &[&str], exclude: &[&str]| {
            let keywords = queries(keywords).into_iter().map(|query| Keyword { query, weight: 1.0 });
            let found = lint_profile(&Profile {
                name: String::new(),
                keywords: keywords.collect(),
                must: queries(must),
                exclude: queries(exclude),
                min_upvotes: 10,
                sources: Vec::new(),
                max_papers: 20,
                rank: Rank::Relevance,
            });
            found.into_iter().map(|(role, at, lint)| (role, at, lint.message)).collect::<Vec<_>>()
        };
        let here = |why: &str| format!("nothing can match this here: {why}");
        let keyword = |at, why| (Role::Keyword, at, here(why));
        assert_eq!(told(&["agents", "RAG"], &[], &["survey", "rag"]), [keyword(1, "exclude has `rag`")]);
        assert_eq!(told(&["title:rag agents"], &[], &["rag OR x2"]), [keyword(0, "exclude has `rag OR x2`")]);
        assert_eq!(told(&["agents"], &["-agent"], &[]), [keyword(0, "must asks for `-agent`")]);
        assert_eq!(told(&["rag upvotes<5"], &[], &[]), [keyword(0, "min_upvotes is 10")]);
        let must = (Role::Must, 0, here("exclude has `mamba`"));
        assert_eq!(told(&["agents"], &["title:mamba"], &["mamba"]), [must]);
        for (keywords, must, exclude) in [
            (["rag"], ["agents"], ["\"rag agents\""]),
            (["rag OR mamba"], ["agents"], ["rag"]),
            (["upvotes<50"], ["upvotes>20"], ["upvotes>90"]),
            (["graph -graph"], ["graph"], ["upvotes>=0"]),
        ] {
            assert_eq!(told(&keywords, &must, &exclude), [], "{keywords:?}");
        }
    }
}
