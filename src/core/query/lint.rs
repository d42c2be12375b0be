//! What is valid but hardly meant: expressions that match nearly everything, or nothing.

use std::ops::Range;

use super::{Clause, Field, Kind, Query};
use crate::core::matching::Pool;
use worth::{Worth, worth};

mod implied;
mod profile;
mod worth;

pub use profile::lint_profile;

/// A warning about an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// Bytes of the expression's text it is about.
    pub span: Range<usize>,
    /// What is odd, in one clause.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What an expression of a profile is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// One that matches is enough.
    Keyword,
    /// Every one must match, so each may be as broad as it likes.
    Must,
    /// None may match.
    Exclude,
}

/// A share of recent papers above which an expression chooses hardly anything.
const BROAD: f64 = 0.4;
/// Fewer recent papers than this say nothing about a share.
const ENOUGH: usize = 50;

/// Warnings about an expression; with a pool of recent papers also when nearly all of them match it, and when a paper that
/// `like:` names is unknown.
pub fn lint(query: &Query, role: Role, recent: Option<&Pool>) -> Vec<Lint> {
    let mut linter = Linter { query, role, recent, lints: Vec::new() };
    linter.clauses();
    linter.logic();
    linter.share();
    linter.lints
}

struct Linter<'a> {
    query: &'a Query,
    role: Role,
    recent: Option<&'a Pool>,
    lints: Vec<Lint>,
}

impl Linter<'_> {
    fn warn(&mut self, span: Range<usize>, message: impl Into<String>, hint: &str) {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.lints.push(Lint { span, message: message.into(), hint });
    }

    /// Each clause for itself.
    fn clauses(&mut self) {
        let query = self.query;
        for (clause, span) in query.expr.clauses().into_iter().zip(&*query.spans) {
            match clause {
                Clause::Text { kind: Kind::Word, text, field: Field::Any }
                    if matches!(text.as_str(), "and" | "or" | "not") =>
                {
                    let message = format!("\"{text}\" in small letters is looked for as a word");
                    self.warn(span.clone(), message, "operators are written AND, OR and NOT");
                }
                Clause::Text { kind: Kind::Word, text, field: Field::Any } if is_lone_letter(text) => {
                    let hint = format!("`={}` finds only the capital", text.to_uppercase());
                    self.warn(span.clone(), format!("\"{text}\" also finds variables and initials"), &hint);
                }
                Clause::Like { id, .. } if self.recent.is_some_and(|pool| !pool.knows(id)) => {
                    self.warn(span.clone(), format!("the paper {id} is not known here, so nothing is like it"), "");
                }
                _ => {}
            }
        }
    }

    /// What the expression can and cannot match, whatever the papers are.
    fn logic(&mut self) {
        let (message, hint) = match (worth(&self.query.expr), self.role) {
            (Worth::Nothing, Role::Keyword | Role::Must) => {
                ("nothing can match this: it asks for something and its opposite", "for either of two things, write OR")
            }
            (Worth::Nothing, Role::Exclude) => {
                ("this excludes nothing: it asks for something and its opposite", "for either of two things, write OR")
            }
            (Worth::Everything, Role::Keyword) => {
                ("every paper matches this", "add a word to look for, or leave it out")
            }
            (Worth::Everything, Role::Must) => ("every paper matches this, so it changes nothing", "leave it out"),
            (Worth::Everything, Role::Exclude) => ("this excludes every paper", "leave it out"),
            (Worth::Negative, Role::Keyword) => (
                "this only says what a paper must not have, so it matches nearly every paper",
                "put it under `exclude`, or add a word to look for",
            ),
            (Worth::Negative, Role::Exclude) => (
                "this excludes every paper that does not have it, so nearly all",
                "`exclude` leaves out what it matches: write it without the NOT",
            ),
            (Worth::Common, Role::Keyword) => (
                "words this common match nearly every paper",
                "make it a phrase, or add a word that only your papers have",
            ),
            (Worth::Common, Role::Exclude) => {
                ("words this common exclude nearly every paper", "make it a phrase, or add a word with AND")
            }
            (Worth::Specific, _) | (Worth::Negative | Worth::Common, Role::Must) => return,
        };
        self.warn(whole(self.query), message, hint);
    }

    fn share(&mut self) {
        let Some(pool) = self.recent.filter(|pool| pool.candidates().len() >= ENOUGH) else { return };
        let (found, all) = (pool.count(self.query), pool.candidates().len());
        if self.role != Role::Must && found as f64 > BROAD * all as f64 && self.lints.is_empty() {
            let verb = if self.role == Role::Exclude { "excludes" } else { "matches" };
            let message = format!("this {verb} {} % of the recent papers, {found} of {all}", 100 * found / all);
            self.warn(whole(self.query), message, "add a word with AND, or make it a phrase");
        }
    }
}

/// From the first clause of an expression to the last.
fn whole(query: &Query) -> Range<usize> {
    query.spans.first().map_or(0, |span| span.start)..query.spans.last().map_or(0, |span| span.end)
}

fn is_lone_letter(text: &str) -> bool {
    text.len() == 1 && text.bytes().all(|b| b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        messages_as(Role::Keyword, text)
    }

    fn messages_as(role: Role, text: &str) -> Vec<String> {
        lint(&Query::parse(text).expect(text), role, None).into_iter().map(|lint| lint.message).collect()
    }

    #[test]
    fn what_matches_nearly_everything_is_told() {
        for broad in
            ["model", "Learning", "the", "\"of the\"", "new methods", "agents OR model", "(data)^2", "state-of-the-art"]
        {
            let told = messages(broad);
            assert!(told.len() == 1 && told[0].contains("common"), "{broad}: {told:?}");
        }
        for negative in ["-survey", "NOT (survey OR review)", "agents OR -survey"] {
            assert!(messages(negative).concat().contains("must not have"), "{negative}");
        }
        for every in ["upvotes>=0", "agents OR age>=0d", "-age<0d"] {
            assert!(messages(every).concat().contains("every paper matches"), "{every}: {:?}", messages(every));
        }
        for fine in [
            "mamba",
            "\"language model\"",
            "model -survey agents",
            "title:model",
            "--mamba",
            "=AI",
            "upvotes>5",
            "-upvotes>5",
            "-(a2c -ppo) -(ppo -a2c)",
        ] {
            assert!(!messages(fine).concat().contains("common"), "{fine}: {:?}", messages(fine));
        }
        assert_eq!(messages("-upvotes>5"), [""; 0], "so few votes are asked for");
    }

    #[test]
    fn what_is_odd_depends_on_what_an_expression_is_there_for() {
        let told = |text: &str| [Role::Keyword, Role::Must, Role::Exclude].map(|role| messages_as(role, text).concat());
        let [keyword, must, exclude] = told("-survey");
        assert!(keyword.contains("must not have") && must.is_empty() && exclude.contains("does not have it"));
        let [keyword, must, exclude] = told("model");
        assert!(keyword.contains("match nearly") && must.is_empty() && exclude.contains("exclude nearly"));
        let [keyword, must, exclude] = told("upvotes>=0");
        assert!(keyword.contains("matches") && must.contains("changes nothing") && exclude.contains("excludes every"));
        let [keyword, must, exclude] = told("graph -graphs");
        assert!(keyword == must && must.contains("nothing can match") && exclude.contains("excludes nothing"));
    }

    #[test]
    fn however_deep_an_expression_nests_it_is_judged_in_a_moment() {
        for (open, close) in [("(b2b ", ")"), ("-(b2b OR ", ")"), ("-(b2b ", ")")] {
            let text = format!("{}c3p{}", open.repeat(30), close.repeat(30));
            assert_eq!(messages(&text).len(), usize::from(open == "-(b2b "), "{text}");
        }
    }

    #[test]
    fn what_never_matches_is_told() {
        for never in [
            "graph -graphs",
            "upvotes>5 upvotes<3",
            "a2c (upvotes=1 upvotes=2)",
            "age<0d",
            "rl stars>4 stars<5",
            "x2 -x2^3",
            "title:graph -graph",
            "=RAG -rag",
            "\"graph retrieval\" -retrieval",
            "=\"Graph Retrieval\" -\"graph retrieval\"",
            "\"graph retrieval\"~3 -\"graph retrieval\"~5",
            "diffus* -di*",
            "LLM -llms",
            "=GPT-4o -gpt-4o",
            "upvotes>5 -upvotes>3",
            "graph -(survey OR graph)",
            "rag (agents (mamba -(graph OR rag)))",
            "category:cs.LG -category:cs",
            "like:2503.02130~0.5 -like:2503.02130~0.3",
        ] {
            assert!(messages(never).concat().contains("opposite"), "{never}: {:?}", messages(never));
        }
        for may in [
            "upvotes>5 upvotes<7",
            "graph OR -graph x2",
            "graph -title:graph",
            "stars>4 OR stars<3",
            "rag -=RAG",
            "graph -\"graph retrieval\"",
            "title:graph -abstract:graph",
            "org:graph -graph",
            "state-space -state",
            "upvotes>3 -upvotes>5",
            "di* -diffus*",
            "category:cs -category:cs.LG",
            "graph -(survey graph)",
            "\"graph retrieval\"~5 -\"graph retrieval\"",
        ] {
            assert!(!messages(may).concat().contains("opposite"), "{may}");
        }
    }

    #[test]
    fn slips_are_told_where_they_stand() {
        let query = Query::parse("cats or R").expect("an expression");
        let spans: Vec<_> = lint(&query, Role::Keyword, None).into_iter().map(|lint| lint.span).collect();
        assert_eq!(spans, [5..7, 8..9]);
    }
}
