//! What is valid but hardly meant: expressions that match nearly everything, or nothing.

use std::ops::Range;
use std::sync::Arc;

use super::query::{Clause, Field, Kind, Label, Likes, Literal, Query, is_old_similarity, quoted};
use crate::core::matching::Pool;
use crate::core::paper::SourceId;
use strength::{Strength, strength};

mod implied;
mod profile;
mod reread;
mod strength;

pub use profile::lint_profile;
pub use reread::reread;

/// A warning about an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// Bytes of the expression's text it is about.
    pub span: Range<usize>,
    /// What is odd, in one clause.
    pub message: String,
    /// What to do about it.
    pub hint: String,
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

/// What is known where an expression is to be used. What isn't known is not warned of.
#[derive(Default)]
pub struct Holdings {
    /// The papers that the next editions would look at: they show when nearly all match.
    pub recent: Option<Arc<Pool>>,
    /// Whether a paper is known, however old.
    pub has_paper: Option<HasPaper>,
    /// Every source that is configured or was ever read.
    pub sources: Option<Vec<SourceId>>,
    /// Whether any source says what a paper is filed under.
    pub tells_categories: Option<bool>,
}

/// Says of an arXiv identifier whether its paper is known.
pub type HasPaper = Box<dyn Fn(&str) -> bool>;

/// A share of recent papers above which an expression chooses hardly anything.
const BROAD: f64 = 0.4;
/// Fewer recent papers than this say nothing about a share.
const ENOUGH: usize = 50;

/// Warnings about an expression, as far as the holdings tell.
pub fn lint(query: &Query, role: Role, holdings: &Holdings) -> Vec<Lint> {
    let mut linter = Linter { query, role, holdings, lints: Vec::new() };
    linter.clauses();
    linter.lints.extend(reread(query));
    linter.logic();
    linter.share();
    linter.lints
}

struct Linter<'a> {
    query: &'a Query,
    role: Role,
    holdings: &'a Holdings,
    lints: Vec<Lint>,
}

impl Linter<'_> {
    fn warn(&mut self, span: Range<usize>, message: impl Into<String>, hint: &str) {
        self.lints.push(Lint { span, message: message.into(), hint: hint.to_owned() });
    }

    fn likes(&mut self, span: Range<usize>, likes: &Likes) {
        let has_paper = self.holdings.has_paper.as_ref();
        for id in likes.ids.iter().filter(|id| has_paper.is_some_and(|has_paper| !has_paper(id))) {
            let message = format!("the paper {id} is not known here, so nothing is like it");
            self.warn(span.clone(), message, "only papers that a source has listed can be named");
        }
        let written = self.query.text().get(span.clone()).unwrap_or_default();
        if written.split_once('~').is_some_and(|(_, share)| is_old_similarity(share)) {
            let message = format!("a least similarity no longer counts: the closest {} % are found", likes.share);
            self.warn(span, message, "say how many of the papers are close enough: `like:2503.02130~2%`");
        }
    }

    /// Each clause for itself.
    fn clauses(&mut self) {
        let query = self.query;
        for (clause, span) in query.expr().clauses().into_iter().zip(query.spans()) {
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
                Clause::Text { kind: Kind::Near(_), .. } if clause.literal().is_of_one_word() => {
                    let message = "this is one word, so there is nothing for it to be near";
                    self.warn(span.clone(), message, "name another: `\"graph retrieval\"~5`");
                }
                Clause::Text { kind: Kind::Phrase | Kind::Near(_), text, .. } if has_inner_star(text) => {
                    let message = "in quotes \"*\" means nothing: the word is looked for as it is";
                    self.warn(span.clone(), message, "write a beginning without quotes: `graph retr*`");
                }
                Clause::Like(likes) => self.likes(span.clone(), likes),
                Clause::Text { field: Field::Category, .. } if self.holdings.tells_categories == Some(false) => {
                    let message = "no source here says what a paper is filed under, so this finds nothing";
                    self.warn(span.clone(), message, "look for its words: `\"reinforcement learning\"`");
                }
                Clause::Text { field: Field::Source | Field::Author, .. } => match clause.literal() {
                    Literal::Source(label) => self.source(span.clone(), &label),
                    Literal::Author(name) if name.is_of_initials() => {
                        let message = "initials alone find nobody: one word of the name must be there in full";
                        self.warn(span.clone(), message, "write `author:\"B. Sample\"`");
                    }
                    _ => {}
                },
                _ => {}
            }
        }
    }

    fn source(&mut self, span: Range<usize>, label: &Label) {
        let Some(sources) = &self.holdings.sources else { return };
        let names = || sources.iter().map(SourceId::as_str);
        if names().any(|name| label.finds(name)) {
            return;
        }
        let nearest = names().map(|name| (strsim::damerau_levenshtein(name, &label.name), name)).min();
        let hint = match nearest {
            Some((1..=2, name)) => format!("did you mean `{name}`?"),
            _ => format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
        };
        self.warn(span, format!("there is no source {}", quoted(&label.name)), &hint);
    }

    /// What the expression can and cannot match, whatever the papers are.
    fn logic(&mut self) {
        let (message, hint) = match (strength(self.query.expr()), self.role) {
            (Strength::Nothing, Role::Keyword | Role::Must) => {
                ("nothing can match this: it asks for something and its opposite", "for either of two things, write OR")
            }
            (Strength::Nothing, Role::Exclude) => {
                ("this excludes nothing: it asks for something and its opposite", "for either of two things, write OR")
            }
            (Strength::Everything, Role::Keyword) => {
                ("every paper matches this", "add a word to look for, or leave it out")
            }
            (Strength::Everything, Role::Must) => ("every paper matches this, so it changes nothing", "leave it out"),
            (Strength::Everything, Role::Exclude) => ("this excludes every paper", "leave it out"),
            (Strength::Negative, Role::Keyword) => (
                "this only says what a paper must not have, so it matches nearly every paper",
                "put it under `exclude`, or add a word to look for",
            ),
            (Strength::Negative, Role::Exclude) => (
                "this excludes every paper that does not have it, so nearly all",
                "`exclude` leaves out what it matches: write it without the NOT",
            ),
            (Strength::Common, Role::Keyword) => (
                "words this common match nearly every paper",
                "make it a phrase, or add a word that only your papers have",
            ),
            (Strength::Common, Role::Exclude) => {
                ("words this common exclude nearly every paper", "make it a phrase, or add a word with AND")
            }
            (Strength::Specific, _) | (Strength::Negative | Strength::Common, Role::Must) => return,
        };
        self.warn(whole(self.query), message, hint);
    }

    fn share(&mut self) {
        let recent = self.holdings.recent.as_deref();
        let Some(pool) = recent.filter(|pool| pool.candidates().len() >= ENOUGH) else { return };
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
    query.spans().first().map_or(0, |span| span.start)..query.spans().last().map_or(0, |span| span.end)
}

/// Whether a `*` stands where it would make a beginning of a word; `A*` is a name.
fn has_inner_star(phrase: &str) -> bool {
    phrase.split_whitespace().filter_map(|word| word.strip_suffix('*')).any(|word| word.chars().count() > 1)
}

fn is_lone_letter(text: &str) -> bool {
    text.len() == 1 && text.bytes().all(|b| b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_warning_points_into_its_expression_and_has_a_hint(
            text in "[a-cA-C0-9^~*\"():<>=. -]{0,40}|(a|OPD\\^2|NOT|OR|AND|author:|votes>5|like:2503.02130|~3| ){0,9}|\\PC{0,30}",
        ) {
            for role in [Role::Keyword, Role::Must, Role::Exclude] {
                if let Ok(query) = Query::parse(&text) {
                    let lints = lint(&query, role, &Holdings::default());
                    prop_assert!(lints.iter().all(|lint| text.get(lint.span.clone()).is_some() && !lint.hint.is_empty()));
                }
            }
        }
    }

    fn messages(text: &str) -> Vec<String> {
        messages_as(Role::Keyword, text)
    }

    fn messages_as(role: Role, text: &str) -> Vec<String> {
        lint(&Query::parse(text).expect(text), role, &Holdings::default())
            .into_iter()
            .map(|lint| lint.message)
            .collect()
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
            "x2 -(x2)^3",
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
            "like:2503.02130~2% -like:2503.02130~3%",
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
    fn what_nothing_here_can_match_is_told() {
        let holdings = Holdings {
            recent: None,
            has_paper: Some(Box::new(|id| id == "2603.00001")),
            sources: ["huggingface", "arxiv-cs"].map(|name| SourceId::parse(name).expect("a name")).to_vec().into(),
            tells_categories: Some(false),
        };
        let told = |text: &str, holdings: &Holdings| {
            let lints = lint(&Query::parse(text).expect(text), Role::Keyword, holdings).into_iter();
            lints.map(|lint| (lint.span, format!("{}; {}", lint.message, lint.hint))).collect::<Vec<_>>()
        };
        for (text, span, part) in [
            ("speech category:cs.LG", 7..21, "filed under, so this finds nothing"),
            ("source:hugginface", 0..17, "there is no source \"hugginface\"; did you mean `huggingface`?"),
            ("x2 source:openreview*", 3..21, "there is no source \"openreview\"; there are: huggingface, arxiv-cs"),
            ("like:2603.00002", 0..15, "the paper 2603.00002 is not known here"),
            ("like:2603.00001,2603.00002", 0..26, "the paper 2603.00002 is not known here"),
        ] {
            let found = told(text, &holdings);
            assert!(found.len() == 1 && found[0].0 == span && found[0].1.contains(part), "{text}: {found:?}");
            assert_eq!(told(text, &Holdings::default()), [], "{text}");
        }
        for fine in ["source:huggingface", "source:arxiv*", "like:2603.00001"] {
            assert_eq!(told(fine, &holdings), [], "{fine}");
        }
        assert_eq!(told("category:cs", &Holdings { tells_categories: Some(true), ..holdings }), []);
    }

    #[test]
    fn slips_are_told_where_they_stand() {
        let query = Query::parse("cats or R").expect("an expression");
        let spans: Vec<_> =
            lint(&query, Role::Keyword, &Holdings::default()).into_iter().map(|lint| lint.span).collect();
        assert_eq!(spans, [5..7, 8..9]);
        assert!(messages("author:\"Y. L.\"").concat().contains("initials alone"));
        assert!(messages("like:2603.00001~0.3").concat().contains("the closest 5 % are found"));
        assert!(messages("\"graph graphs\"~3").concat().contains("this is one word"));
        assert!(messages("x2 \"graph retr*\"").concat().contains("in quotes \"*\" means nothing"));
        for fine in
            ["author:\"Y. Lee\"", "author:李", "\"graph retrieval\"~3", "\"A* search\"", "\"LLM llms agents\"~3"]
        {
            assert_eq!(messages(fine), [""; 0], "{fine}");
        }
    }
}
