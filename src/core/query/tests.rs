//! The language as a whole: errors, printing, hostile input.

use proptest::prelude::*;

use super::*;

/// Random clauses over few words, so that they meet.
fn clauses() -> impl Strategy<Value = Clause> {
    let words = || {
        prop::sample::select(vec![
            "graph",
            "graphs",
            "retrieval",
            "state-space",
            "statespace",
            "LLMs",
            "llms",
            "RAG",
            "rag",
            "GPT-4o",
            "c++",
            "深度",
            "a",
            "b",
            "c-a-b",
            "upvotes",
            "age",
            "3D",
            "b.",
            "OR",
            "OPD^2",
            "x^n",
            "M^3Eval",
            "A*",
            "π_{0.5}",
        ])
    };
    let field = prop::sample::select(vec![
        Field::Any,
        Field::Any,
        Field::Any,
        Field::Title,
        Field::Abstract,
        Field::Author,
        Field::Org,
        Field::Category,
        Field::Source,
        Field::Keyword,
    ]);
    let kind = prop_oneof![
        4 => words().prop_map(|word| (Kind::Word, word.to_owned())),
        1 => words().prop_map(|word| (Kind::Exact, word.to_owned())),
        1 => words().prop_filter("a star is no letter", |word| !word.contains('*')).prop_map(|word| (Kind::Relatives, word.to_owned())),
        1 => words().prop_filter("two letters at least", |word| word.trim_end_matches('.').chars().count() > 1 && !word.contains('*'))
            .prop_map(|word| (Kind::Prefix, word.to_owned())),
        2 => prop::collection::vec(words(), 1..4).prop_map(|words| (Kind::Phrase, words.join(" "))),
        1 => prop::collection::vec(words(), 1..3).prop_map(|words| (Kind::ExactPhrase, words.join(" "))),
        2 => (prop::collection::vec(words(), 1..4), 1u8..9).prop_map(|(words, n)| (Kind::Near(n), words.join(" "))),
    ];
    let measure = prop::sample::select(vec![Measure::Upvotes, Measure::Comments, Measure::Stars, Measure::Age]);
    let comparison = prop::sample::select(vec![
        Comparison::Less,
        Comparison::AtMost,
        Comparison::Equal,
        Comparison::AtLeast,
        Comparison::Greater,
    ]);
    prop_oneof![
        8 => (field, kind).prop_map(|(field, (kind, text))| Clause::Text { field, kind, text })
            .prop_filter("an operator alone is no word, and names have no signs", can_be_parsed),
        1 => (measure, comparison, 0u32..5).prop_map(|(measure, comparison, value)| Clause::Number { measure, comparison, value }),
        1 => prop::sample::select(vec![Clause::Has(Extra::Code), Clause::Has(Extra::Project)]),
        1 => (prop::collection::vec(0u32..6, 1..3), 1u8..=50).prop_map(|(numbers, share)| {
            Clause::Like(Likes { ids: numbers.iter().map(|n| format!("2603.{n:05}")).collect(), share })
        }),
    ]
}

fn can_be_parsed(clause: &Clause) -> bool {
    match clause {
        Clause::Text { field: Field::Any, kind: Kind::Word, text } => text != "OR",
        Clause::Text { field: Field::Author | Field::Category | Field::Source, kind, .. } => {
            matches!(kind, Kind::Word | Kind::Phrase | Kind::Prefix)
        }
        _ => true,
    }
}

/// Random expressions, as the parser could have made them.
pub(crate) fn expressions() -> impl Strategy<Value = Expr> {
    clauses().prop_map(Expr::Clause).prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| Expr::Not(Box::new(inner))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            (inner, prop::sample::select(vec![0.5f32, 2.0, 10.0, 0.012_345_6]))
                .prop_map(|(inner, weight)| Expr::Weighted(Box::new(inner), weight)),
        ]
    })
}

#[test]
fn an_error_says_where_what_and_how_to_mend_it() {
    #[rustfmt::skip]
    let cases = [
        // expression, bytes at fault, message, a part of the hint
        ("", 0..0, "expected a word", "such as `diffusion`"),
        ("graph AND", 9..9, "expected a word after \"AND\"", "both sides"),
        ("NOT", 3..3, "expected a word after \"NOT\"", "`NOT survey`"),
        ("OR graph", 0..2, "expected a word, found \"OR\"", "quote it"),
        ("OR^2", 0..2, "expected a word, found \"OR\"", "quote it"),
        ("agents ANDNOT survey", 7..13, "expected a word, found \"ANDNOT\"", "`AND NOT`"),
        ("(graph", 0..1, "this \"(\" is never closed", "add a \")\""),
        ("(", 1..1, "expected a word after \"(\"", "`(llm OR agents)`"),
        ("graph)", 5..6, "nothing is open that this \")\" could close", "take it out"),
        ("()", 1..2, "expected a word after \"(\", found \")\"", "`(llm OR agents)`"),
        ("\"graph", 0..6, "this quote is never closed", "another quote"),
        ("'graph retrieval'", 0..1, "single quotes make no phrase", "`\"graph retrieval\"`"),
        ("``graph retrieval''", 0..1, "single quotes make no phrase", "double quotes"),
        ("graph - survey", 6..7, "expected a word right after \"-\"", "`-word`"),
        ("graph — survey", 6..9, "expected a word right after \"—\"", "`-word`"),
        ("!survey", 0..1, "expected a word, found \"!\"", "`-survey` or `NOT survey`"),
        ("agents title:！survey", 13..16, "expected a word, found \"!\"", "`-survey`"),
        ("SE(3)-equivariant", 5..6, "expected a space before \"-\"", "`\"SE(3)-equivariant\"`"),
        ("\"state space\"-model", 13..14, "expected a space before \"-\"", "quotes"),
        ("\"a b\"~3–model", 7..10, "expected a space before \"–\"", "`agents -survey`"),
        ("titel:graph", 0..6, "there is no field \"titel:\"", "did you mean `title:`?"),
        ("title: graph", 0..6, "expected a word right after \"title:\"", "`title:graph`"),
        ("title:", 0..6, "expected a word right after \"title:\"", "without a space"),
        ("Mamba: linear time", 0..6, "there is no field \"Mamba:\"", "into quotes"),
        ("Age: 7d", 0..4, "expected a comparison after \"Age\"", "`age<7d`"),
        ("upvotes>=1,000", 9..14, "expected a whole number, without a unit or signs", "`upvotes>=1000`"),
        ("stars>5k", 6..8, "expected a whole number, without a unit or signs", "`stars>5`"),
        ("title:-graph", 0..6, "expected a word right after \"title:\"", "minus before the field"),
        ("title:author:graph", 6..13, "expected a word after \"title:\", found another condition", "one field"),
        ("title:upvotes≥3", 6..16, "expected a word after \"title:\", found another condition", "one field"),
        ("title:upvotes>3", 6..14, "expected a word after \"title:\", found another condition", "one field"),
        ("has:data", 4..8, "expected \"code\" or \"project\" after \"has:\"", "has:project"),
        ("like:mamba", 5..10, "expected an arXiv identifier after \"like:\"", "like:2503.02130"),
        ("like:2503.02130,", 5..16, "expected an arXiv identifier after \"like:\"", "like:2503.02130,2504.00001"),
        ("like:2503.02130~2", 5..17, "expected a share from 1% to 50% after \"~\"", "~2%"),
        ("like:2503.02130~60%", 5..19, "expected a share from 1% to 50% after \"~\"", "~2%"),
        ("upvotes>=many", 9..13, "expected a whole number", "upvotes>=20"),
        ("upvotes>=1.5", 9..12, "expected a whole number, without a unit or signs", "`upvotes>=1`"),
        ("upvotes=>3", 7..9, "expected \">=\", found \"=>\"", "`upvotes>=20`"),
        ("age == 3d", 4..6, "expected \"=\", found \"==\"", "`age=7d`"),
        ("upvotes:>20", 0..8, "expected a comparison after \"upvotes\"", "`upvotes>20`"),
        ("upvotes:20", 0..8, "expected a comparison after \"upvotes\"", "`upvotes>=20`"),
        ("age:7d", 0..4, "expected a comparison after \"age\"", "`age<7d`"),
        ("age<7", 4..5, "expected an age in days or weeks", "age<7d"),
        ("stars>99999999999", 6..17, "the number is too large", "100000000"),
        ("likes>5", 0..6, "expected a word: only upvotes, comments, stars and age can be compared", "upvotes>=20"),
        ("upvotes=(20)", 8..8, "expected a whole number", "upvotes>=20"),
        ("likes==5", 0..6, "expected a word: only upvotes, comments, stars and age can be compared", "upvotes>=20"),
        ("likes=5", 0..6, "expected a word: only upvotes, comments, stars and age can be compared", "upvotes>=20"),
        ("gr*ph", 2..3, "expected \"*\" only at the end of a word", "`diffus*`"),
        ("=RAG*", 0..5, "an exact word can't be a beginning", "`RAG*`"),
        ("gr?ph", 2..3, "expected no \"?\" inside a word", "`diffus*`"),
        ("3*", 0..2, "expected at least two letters before \"*\"", "`\"3*\"`"),
        ("a *", 2..3, "expected a word, found \"*\"", "`diffus*`"),
        ("a = 5", 2..3, "expected a word, found \"=\"", "`=RAG`"),
        ("graph~3", 5..7, "expected \"~\" only at the end of a word, after a quoted phrase or `like:`", "~5"),
        ("\"a b\"~0", 5..7, "expected a number of words from 1 to 100 after \"~\"", "~5"),
        ("x2 author:=sample", 3..17, "expected a name without \"=\" or \"~\"", "author:sample"),
        ("author:\"sample Bea\"~5", 0..21, "expected a name without \"=\" or \"~\"", "author:\"Bea Sample\""),
        ("=\"a b\"~3", 6..8, "an exact phrase can't be loosened with \"~\"", "leave out"),
        ("graph^0", 5..7, "expected a weight from 0.01 to 100 after \"^\"", "^2"),
        ("graph^", 5..6, "expected a weight from 0.01 to 100 after \"^\"", "^2"),
        ("RAG^0.001", 3..9, "expected a weight from 0.01 to 100 after \"^\"", "^2"),
        ("graph ^2", 6..8, "expected a word after \"graph\", found \"^2\"", "without a space"),
        ("llm, agents", 3..4, "expected a space or an operator, not punctuation", "OR"),
        ("llm、agents", 3..6, "expected a space or an operator, not punctuation", "OR"),
        ("llm || agents", 4..6, "expected a word, found \"||\"", "`OR`"),
        ("llm|agents", 3..4, "expected a space or an operator, not \"|\"", "`a OR b`"),
        ("llm&&agents", 3..5, "expected a space or an operator, not \"&&\"", "`a AND b`"),
        ("???", 0..3, "expected a word, found \"???\"", "letters and digits"),
    ];
    for (text, span, message, hint) in cases {
        let error = Query::parse(text).expect_err(text);
        assert_eq!((error.span.clone(), error.message.as_str()), (span, message), "{text}");
        assert!(!hint.is_empty() && error.hint.contains(hint), "{text}: {}", error.hint);
    }
    let long = Query::parse(&"\\".repeat(1_999)).expect_err("no word");
    assert!(long.message.len() < 130 && long.message.ends_with("…\""), "{}", long.message);
}

#[test]
fn signs_of_other_keyboards_are_read_as_what_they_stand_for() {
    let same =
        |a: &str, b: &str| assert_eq!(Query::parse(a).unwrap().expr(), Query::parse(b).unwrap().expr(), "{a} {b}");
    for dash in ["\u{2010}", "\u{2011}", "\u{2012}", "–", "—", "\u{2015}", "−", "－"] {
        same(&format!("agents {dash}survey"), "agents -survey");
    }
    for [open, close] in [["“", "”"], ["„", "“"], ["«", "»"], ["「", "」"], ["『", "』"], ["＂", "＂"]]
    {
        same(&format!("{open}a b{close}"), "\"a b\"");
    }
    same("upvotes≥20 stars ≤ 5", "upvotes>=20 stars<=5");
    same("title：（a OR b） upvotes＞3", "title:(a OR b) upvotes>3");
    same("like:arxiv:2503.02130v2~3%", "like:2503.02130~3%");
    same("like:2503.02130v2,hf.co/papers/2503.02131~5%", "like:2503.02130,2503.02131");
    same("like:https://arxiv.org/abs/2503.02130 like:hf.co/papers/2503.02131", "like:2503.02130 like:2503.02131");
    // Apostrophes are none.
    for text in ["'graph", "models' errors", "'graph'", "the '90s", "O’Brien's"] {
        assert!(Query::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn limits_are_told_and_never_hurt() {
    let message = |text: String| Query::parse(&text).expect_err("too much").message;
    assert!(message("(".repeat(1_000)).contains("deep"));
    assert!(message("-".repeat(1_000) + "a").contains("deep"));
    assert!(message("a ".repeat(201)).contains("200"));
    assert!(message(format!("\"{}\" b", "a ".repeat(200))).contains("200"));
    assert!(message("upvotes>3 ".repeat(100) + &"state-space ".repeat(51)).contains("200"));
    assert!(
        message(format!("x2 \"{}\"~9", ('a'..='k').map(|c| format!("{c}{c} ")).collect::<String>())).contains("10")
    );
    assert!(Query::parse(&format!("\"{}\"~9", "the ".repeat(199))).is_ok(), "one word");
    assert!(message("é".repeat(1_001)).contains("2000"));
    assert!(Query::parse(&format!("{}a{}", "(".repeat(64), ")".repeat(64))).is_ok());
}

#[test]
fn operators_bind_as_documented() {
    let same =
        |a: &str, b: &str| assert_eq!(Query::parse(a).unwrap().expr(), Query::parse(b).unwrap().expr(), "{a} {b}");
    same("a OR b c", "a OR (b AND c)");
    same("a b AND c", "(a b c)");
    same("-a b", "(NOT a) AND b");
    same("title:(a OR \"b c\")", "title:a OR title:\"b c\"");
    same("-a^2", "-(a^2)");
    same("upvotes >= 20", "upvotes>=20");
    same("age<1w ti:a", "age<7d title:a");
    same("“a b”", "\"a b\"");
}

#[test]
fn a_caret_is_a_weight_or_part_of_a_name_by_what_stands_before_it() {
    let same =
        |a: &str, b: &str| assert_eq!(Query::parse(a).unwrap().expr(), Query::parse(b).unwrap().expr(), "{a} {b}");
    let weighs = |text: &str| matches!(Query::parse(text).expect(text).expr(), Expr::Weighted(..));
    for weight in
        ["graph^2", "(OPD)^2", "\"OPD\"^2", "OPD^2.0", "OPD^0.5", "c++^2", "深度^2", "diffus*^2", "Diffus*^2", "x^2"]
    {
        assert!(weighs(weight), "{weight}");
    }
    for name in
        ["OPD^2", "H^2SD", "M^3Eval", "gpt4^2", "τ^2-Bench", "tau^2-bench", "$\\tau^2$-bench", "TC^0", "A^*", "x^n"]
    {
        let query = Query::parse(name).expect(name);
        assert!(matches!(query.expr(), Expr::Clause(Clause::Text { kind: Kind::Word, text, .. }) if text == name));
    }
    same("(OPD^2 x) y^2", "((OPD^2) AND x) (y)^2");
    same("title:(OPD^2)", "title:OPD^2");
    assert_eq!(Query::parse("(OPD)^2 (graph)^2 (a b)^3").unwrap().canonical(), "(OPD)^2 graph^2 (a b)^3");
}

#[test]
fn one_letter_with_a_star_is_a_name_and_two_are_a_beginning() {
    let literal = |text: &str| Query::parse(text).expect(text).expr().clauses()[0].literal();
    for name in ["\"A*\"", "A^*", "$A^\\star$", "A⋆", "A∗", "a*", "$A^*$"] {
        assert_eq!(literal(name), literal("A*"), "{name}");
    }
    assert_ne!(literal("A*"), literal("A"));
    let kind = |text: &str| match Query::parse(text).expect(text).expr().clauses()[0] {
        Clause::Text { kind, .. } => *kind,
        _ => panic!("{text}"),
    };
    assert_eq!([kind("A*"), kind("AB*"), kind("=A*")], [Kind::Word, Kind::Prefix, Kind::Exact]);
}

#[test]
fn words_that_look_like_something_else_are_printed_so_that_they_are_words_still() {
    for text in
        ["SE=(2S) a", "(age) =3D", "age AND =3D^2 x", "-(age) =3D", "title:(age OR b)", "(=3D) =RAG", "\"OR\" =OR OR*"]
    {
        let expr = Query::parse(text).expect(text).expr().clone();
        assert_eq!(expr.to_string().parse(), Ok(expr), "{text}");
    }
    let operator = Clause::Text { field: Field::Any, kind: Kind::Word, text: "OR".into() };
    let again: Clause = operator.to_string().parse().expect("a clause");
    assert_eq!(again.literal(), operator.literal());
    assert!("a b".parse::<Clause>().is_err() && "".parse::<Clause>().is_err());
}

#[test]
fn what_is_printed_may_be_longer_than_what_can_be_typed() {
    for text in [format!("ti:{}", "x".repeat(1_996)), format!("title:({})", "word ".repeat(200).trim_end())] {
        let query = Query::parse(&text).expect("short enough");
        let printed = query.canonical();
        assert!(printed.len() > MAX_BYTES && Query::parse(&printed).is_err());
        assert_eq!(printed.parse().as_ref(), Ok(query.expr()));
        let kept = serde_json::to_string(&printed).expect("text");
        assert_eq!(serde_json::from_str::<Query>(&kept).expect("a query").expr(), query.expr());
    }
}

#[test]
fn a_form_takes_what_people_type() {
    let reads = |text: &str, as_if: &str| {
        let (lenient, strict) = (Query::parse_lenient(text).expect(text), Query::parse(as_if).unwrap());
        assert_eq!(lenient.canonical(), strict.canonical(), "{text}");
    };
    reads("graph retrieval", "graph retrieval");
    reads("llm, diffusion models", "llm OR (diffusion models)");
    reads("llm agents\nspeech", "(llm agents) OR speech");
    reads("what is RAG? (and why))", "\"what\" \"is\" \"RAG\" \"and\" \"why\"");
    reads("vision & language!", "\"vision\" \"language\"");
    reads("AND then", "\"then\"");
    reads("agents, -survey", "agents -survey");
    reads("llm agents; rl\n-survey -(review news)\n", "(llm agents OR rl) (-survey -(review news))");
    reads("-survey, -review", "-survey -review");
    reads("\"graph, retrieval\", speech", "\"graph, retrieval\" OR speech");
    reads("\"graph\nretrieval, speech", "\"graph\" OR retrieval OR speech");
    reads("llm，agents、rl", "llm OR agents OR rl");
    reads("graph\u{93}x", "\"graph x\"");
    assert!(Query::parse_lenient("?!").is_err());
    // What it takes to make an expression of it is not the typist's fault.
    let long = "abcdefg:hijklmnop, ".repeat(100);
    assert!(long.len() <= MAX_BYTES && Query::parse_lenient(&long).expect("long").to_string().len() > MAX_BYTES);
    let many = "a, ".repeat(201);
    let error = Query::parse_lenient(&many).expect_err("too many");
    assert_eq!((error.span, error.message.contains("200")), (0..many.len(), true));
    assert!(Query::parse_lenient(&"x2 ".repeat(700)).expect_err("too long").message.contains("2000"));
}

#[test]
fn what_cannot_be_seen_means_nothing() {
    let same = |a: &str, b: &str| {
        let literals = |text: &str| Query::parse(text).unwrap().expr().clauses()[0].literal();
        assert_eq!(literals(a), literals(b), "{a:?}");
    };
    same("gr\u{200B}aph", "graph");
    same("gra\u{AD}ph", "graph");
    same("graph\u{200D}", "graph");
    same("\u{FEFF}graph", "graph");
    same("\u{1100}\u{1175}\u{1100}\u{1168}", "기계");
    same("\u{93}graph retrieval\u{94}", "\"graph retrieval\"");
    assert_eq!(Query::parse("\u{200B}-survey").unwrap().canonical(), "-survey");
    let error = Query::parse("agents gr\u{200B}*ph").expect_err("a star inside");
    assert_eq!(error.span, 12..13);
    let spans = Query::parse("e\u{301}te\u{301} x2").unwrap().spans().to_vec();
    assert_eq!(spans, [0..7, 8..10]);
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back_as_the_same(expr in expressions()) {
        is_read_back(&expr)?;
        let spans = Query::parse(&expr.to_string()).map(|query| query.spans().len());
        prop_assert_eq!(spans, Ok(expr.clauses().len()));
    }

    #[test]
    fn no_text_makes_it_panic_and_spans_are_in_bounds(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn nothing_made_of_signs_makes_it_panic(text in "(\\(|\\)|\"|-| |a|b:|title:|like:2503\\.02130|.|AND|OR|NOT|\\^|2|~|\\*|=|>|age<|≥|upvotes|SE|3D|'|!|\\|\\?|&|–|ANDNOT|\\u{200B}|\\u{301}|＝|é|,|深|\\\\){0,40}") {
        check(&text)?;
    }
}

/// Checks an expression, and each of its clauses alone.
fn is_read_back(expr: &Expr) -> Result<(), TestCaseError> {
    let text = expr.to_string();
    prop_assert_eq!(text.parse(), Ok(expr.clone()), "{}", text);
    for clause in expr.clauses() {
        prop_assert_eq!(clause.to_string().parse(), Ok(clause.clone()), "{}", clause);
    }
    Ok(())
}

fn check(text: &str) -> Result<(), TestCaseError> {
    match Query::parse(text) {
        Ok(query) => {
            is_read_back(query.expr())?;
            prop_assert!(query.spans().iter().all(|span| text.get(span.clone()).is_some()));
        }
        Err(error) => {
            prop_assert!(text.get(error.span.clone()).is_some(), "{:?}", error);
            prop_assert!(!error.message.is_empty() && !error.hint.is_empty());
        }
    }
    match Query::parse_lenient(text) {
        Ok(query) => {
            let again = Query::try_from(String::from(query.clone()));
            prop_assert_eq!(again.as_ref().map(Query::expr), Ok(query.expr()));
        }
        Err(error) => {
            prop_assert!(text.get(error.span.clone()).is_some(), "{:?}", error);
            // A digit is always a word.
            prop_assert!(text.len() > 300 || !text.contains(|c: char| c.is_ascii_digit()), "{:?}", error);
        }
    }
    Ok(())
}
