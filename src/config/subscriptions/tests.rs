//! One file, read in two ways, with faults in it.

use super::*;

/// What a way of reading makes of a text: subscriptions and problems, as they print.
fn read(
    settings: &crate::config::Settings,
    text: &str,
    way: impl Fn(&mut Reading<'_>, &Arc<SourceFile>),
) -> (String, Vec<String>) {
    let mut reading = Reading::new(&settings.digest, &settings.sources, Lints::Off);
    way(&mut reading, &Arc::new(SourceFile::new("a.toml", text)));
    (
        format!("{:?} {:?}", reading.subscriptions, reading.faulty),
        reading.problems.iter().map(ToString::to_string).collect(),
    )
}

#[test]
fn a_file_means_the_same_in_pieces_and_as_a_whole() {
    let settings = crate::config::load(None, &[], std::iter::empty()).expect("defaults");
    let block = |name: &str, more: &str| {
        format!("[[subscription]]\nemail = \"{name}@example.org\"\nkeywords = [\"rag\"]\n{more}\n")
    };
    let profiles = "[[subscription]]\nemail = \"d@example.org\"\n[[subscription.profile]]\nname = \"A\"\n\
        keywords = [\n\"a b\",\n]\n  [[subscription]] # indented\nemail = \"e@example.org\"\nkeywords = [\"(\"]\n";
    for (is_in_pieces, text) in [
        (true, format!("# Us.\n[defaults]\nmax_papers = 3\n\n{}{}", block("a", ""), block("b", "rank = \"newest\""))),
        (true, format!("{}{profiles}{}", block("a", "max_papers = 0"), block("A", "schedule = \"no\""))),
        (true, format!("{}{}", block("a", "schedul = 1"), block("b", "schedule = \"daily at 07:00\""))),
        (
            true,
            format!(
                "[shared.x]\nkeywords = [\"(\"]\n[shared.y]\nmust = [\"z\"]\n{}[[subscription]]\nemail = [\"b@example.org\", \"c@\"]\nprofiles = [\"x\"]\n",
                block("a", "")
            ),
        ),
        (false, format!("{}[shared.x]\nkeywords = [\"rag\"]\n", block("a", ""))),
        (false, format!("{}[defaults]\nmax_papers = 3\n", block("a", ""))),
        (false, block("a", "name = \"\"\"\n[[subscription]]\nemail = 1\n\"\"\"")),
        (false, format!("{}{}", block("a", ""), block("b", "name = "))),
        (false, format!("subscription = []\n{}", block("a", ""))),
        (false, "subscription = [{ email = \"a@example.org\", keywords = [\"rag\"] }]\n".to_owned()),
        (false, "# Nobody yet.\n".to_owned()),
    ] {
        let whole = read(&settings, &text, |reading, file| _ = reading.whole(file));
        assert_eq!(read(&settings, &text, |reading, file| _ = reading.file(file, 0)), whole, "{text}");
        read(&settings, &text, |reading, file| assert_eq!(reading.pieces(file), is_in_pieces, "{text}"));
    }
}

#[test]
fn a_fault_is_its_owners_and_one_without_an_owner_is_everybodys() {
    let settings = crate::config::load(None, &[], std::iter::empty()).expect("defaults");
    let block = |name: &str, more: &str| format!("[[subscription]]\nemail = \"{name}@example.org\"\n{more}\n");
    let (ada, bob) = (block("ada", ""), block("bob", "keywords = [\"rag\"]"));
    for (text, right, faulty, state) in [
        (format!("{ada}{}", block("bob", "keyword = [\"rag\"]")), "ada", "bob", FileState::Read),
        (format!("{ada}{}", block("bob", "max_papers = 0\npaused = true")), "ada", "bob paused", FileState::Read),
        (format!("{ada}{}", block("bob", "paused = \"yes\"")), "ada", "bob", FileState::Read),
        (format!("{ada}{}", block("ADA", "paused = true")), "ada", "ada paused", FileState::Read),
        (format!("[defaults]\nzone = \"Nowhere\"\n{ada}{bob}"), "", "ada bob", FileState::Read),
        (format!("{ada}[[subscription]]\nkeywords = [\"rag\"]\n"), "ada", "", FileState::Incomplete),
        (format!("{ada}[[subscription]]\nemail = \"bob\"\n"), "ada", "", FileState::Incomplete),
        (format!("{ada}[[subscripton]]\nemail = \"bob@example.org\"\n"), "ada", "", FileState::Incomplete),
        (
            block("ada", "").replace("\"ada@example.org\"", "[\"ada@example.org\", \"bob@example.org\"]"),
            "ada bob",
            "",
            FileState::Read,
        ),
        (
            block("x", "rank = 1").replace("\"x@example.org\"", "[\"ada@example.org\", \"bob@example.org\"]"),
            "",
            "ada bob",
            FileState::Read,
        ),
        (
            block("x", "").replace("\"x@example.org\"", "[\"ada@example.org\", \"bob\", \"ADA@example.org\"]"),
            "ada",
            "ada",
            FileState::Incomplete,
        ),
        (block("x", "").replace("\"x@example.org\"", "[]"), "", "", FileState::Incomplete),
        (format!("[shared.a]\nrank = 1\n{ada}{}", block("bob", "profiles = [\"a\"]")), "ada", "bob", FileState::Read),
        (format!("shared = 1\n{ada}{}", block("bob", "profiles = [\"a\"]")), "ada", "bob", FileState::Read),
        (format!("{ada}{bob}paused = "), "", "", FileState::Unreadable),
        ("subscription = 1\n".to_owned(), "", "", FileState::Unreadable),
        (String::new(), "", "", FileState::Read),
    ] {
        let mut reading = Reading::new(&settings.digest, &settings.sources, Lints::Off);
        assert_eq!(reading.file(&Arc::new(SourceFile::new("a.toml", text.as_str())), 0), state, "{text}");
        let name = |address: &Address| address.normalized().replace("@example.org", "");
        let listed = |listed: &Listed| name(&listed.subscription.address);
        let fault = |faulty: &Faulty| name(&faulty.address) + if faulty.is_paused { " paused" } else { "" };
        assert_eq!(reading.subscriptions.iter().map(listed).collect::<Vec<_>>().join(" "), right, "{text}");
        assert_eq!(reading.faulty.iter().map(fault).collect::<Vec<_>>().join(" "), faulty, "{text}");
    }
}
