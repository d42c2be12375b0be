//! The changes, text by text.

use super::*;
use crate::core::zone::Zone;

const FILE: &str = "# Who gets what.\n\
    \n\
    [defaults]\n\
    zone = \"Europe/Paris\" # for all\n\
    \n\
    # Ada, from the lab.\n\
    [[subscription]]\n\
    email = \"ada@example.org\"\n\
    keywords = [\n\
    \x20 \"retrieval\", # her field\n\
    ]\n\
    # max_papers = 5\n\
    \n\
    # --- the others ---\n\
    \n\
    # Bob.\n\
    [[subscription]]\n\
    \x20 email = \"bob@example.org\"  # private\n\
    [[subscription.profile]]\n\
    name = \"Vision\"\n\
    keywords = [\"vision\"]\n\
    # Cyd wants all.\n\
    [[subscription]]\n\
    email = \"cyd@example.org\"\n\
    \n\
    # The end.\n";

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

fn new() -> NewSubscription {
    NewSubscription {
        email: address("dee@example.org"),
        keywords: vec![Query::parse("\"large model\"").expect("a query")],
        exclude: Vec::new(),
        must: Vec::new(),
        values: Values {
            name: Some("Dee \"D\"".into()),
            zone: Zone::named("Asia/Tokyo"),
            max_papers: Some(3),
            ..Values::default()
        },
    }
}

/// [`FILE`] as different hands would have written it.
fn variants() -> Vec<String> {
    let mut variants = vec![String::new(), "# Nobody yet.\n".into(), "\n".into()];
    for text in [FILE.to_owned(), format!("{FILE}\n\n"), FILE.replace("\n\n", "\n")] {
        variants.extend([text.trim_end().to_owned(), text.replace('\n', "\r\n"), text]);
    }
    variants.push("[[subscription]]\nemail = \"ada@example.org\"".into());
    variants
}

#[test]
fn whoever_joins_and_leaves_leaves_no_trace() {
    for text in variants() {
        let joined = subscribe(&text, &new()).expect("room for one more");
        assert!(joined.starts_with(&text), "what was there stays: {joined}");
        assert_eq!(joined.replace("\r\n", "").contains('\n'), !text.contains("\r\n"), "one kind of line end");
        let line = text.lines().count() + if text.is_empty() { 2 } else { 3 };
        assert_eq!(subscribe(&joined, &new()), Err(EditError::AlreadyThere { line }), "{joined}");
        let left = unsubscribe(&joined, &address("DEE@example.org")).expect("a change").expect("the address");
        assert_eq!(left, text);
    }
}

#[test]
fn what_is_written_reads_back() {
    let text = subscribe("", &new()).expect("a change");
    assert_eq!(
        text,
        "[[subscription]]\nemail = \"dee@example.org\"\nname = 'Dee \"D\"'\nkeywords = ['\"large model\"']\n\
         max_papers = 3\nzone = \"Asia/Tokyo\"\n"
    );
}

#[test]
fn a_block_goes_with_its_own_comments_and_no_others() {
    let left = |who: &str| unsubscribe(FILE, &address(who)).expect("a change").expect("the address");
    let ada = left("ada@example.org");
    assert_eq!(ada, FILE.replace(&FILE[FILE.find("\n# Ada").unwrap()..FILE.find("\n# ---").unwrap()], ""));
    let bob = left("bob@example.org");
    assert_eq!(bob, FILE.replace(&FILE[FILE.find("\n# Bob").unwrap()..FILE.find("# Cyd").unwrap()], ""));
    let cyd = left("cyd@example.org");
    assert_eq!(cyd, FILE.replace("# Cyd wants all.\n[[subscription]]\nemail = \"cyd@example.org\"\n", ""));
    assert_eq!(unsubscribe(FILE, &address("eve@example.org")), Ok(None));
}

#[test]
fn removing_everybody_in_any_order_leaves_the_rest() {
    let people = ["ada@example.org", "bob@example.org", "cyd@example.org"];
    for text in variants().iter().filter(|text| text.contains("cyd")) {
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
            let mut left = text.clone();
            for person in order.map(|i| people[i]) {
                left = unsubscribe(&left, &address(person)).expect("a change").expect("the address");
            }
            assert!(left.contains("[defaults]") && !left.contains("[[subscription"), "{left}");
            assert!(!left.contains("Bob."), "{left}");
        }
    }
}

#[test]
fn pausing_changes_one_line() {
    let bob = address("bob@example.org");
    let paused = pause(FILE, &bob, true).expect("a change").expect("the address");
    assert_eq!(paused, FILE.replace("# private\n", "# private\n  paused = true\n"));
    let resumed = pause(&paused, &bob, false).expect("a change").expect("the address");
    assert_eq!(resumed, paused.replace("paused = true", "paused = false"));
    assert_eq!(pause(FILE, &bob, false), Ok(Some(FILE.to_owned())), "nothing to resume");
    assert_eq!(pause(FILE, &address("eve@example.org"), true), Ok(None));
    let short = "[[subscription]]\r\nemail = \"bob@example.org\"";
    assert_eq!(pause(short, &bob, true), Ok(Some(format!("{short}\r\npaused = true"))));
}

#[test]
fn what_cannot_be_changed_safely_is_left_to_a_person() {
    let inline = "subscription = [{ email = \"ada@example.org\" }]\n";
    assert_eq!(unsubscribe(inline, &address("ada@example.org")), Err(EditError::ByHand { line: 1 }));
    assert_eq!(subscribe(inline, &new()), Err(EditError::ByHand { line: 1 }));
    let torn = "[[subscription]]\nemail = \"ada@example.org\"\n[defaults]\n[[subscription.profile]]\nname = \"x\"\n";
    assert_eq!(unsubscribe(torn, &address("ada@example.org")), Err(EditError::ByHand { line: 1 }));
    assert!(matches!(subscribe("a = \n", &new()), Err(EditError::Syntax { line: 1, .. })));
}

const TOGETHER: &str = "[defaults]\nzone = \"UTC\"\n\n\
    # The lab.\n\
    [[subscription]] # together\n\
    email = [\"ada@example.org\", 'Bob@example.org', \"cyd@example.org\"] # three\n\
    # max_papers = 5\n\
    [[subscription.profile]]\n\
    name = \"Vision\"\n\
    keywords = [\"vision\"]\n\
    # rank = \"newest\"\n\
    \n\
    # Dee.\n\
    [[subscription]]\n\
    email = [\"dee@example.org\"]\n";

#[test]
fn a_pause_of_one_person_is_nobody_elses() {
    let bob = address("bob@example.org");
    for text in
        [TOGETHER.to_owned(), TOGETHER.replace('\n', "\r\n"), TOGETHER.split("\n# Dee").next().unwrap().to_owned()]
    {
        assert_eq!((others(&text, &bob), others(&text, &address("dee@example.org"))), (Ok(2), Ok(0)));
        let newline = newline(&text);
        let entry = TOGETHER[TOGETHER.find("[[").unwrap()..TOGETHER.find("\n# Dee").unwrap()].replace('\n', newline);
        let entry = if text.contains(&entry) { entry } else { entry.trim_end().to_owned() };
        let list = "[\"ada@example.org\", 'Bob@example.org', \"cyd@example.org\"]";
        let left = entry.replace(", 'Bob@example.org'", "");
        let own =
            entry.replace(list, "'Bob@example.org'").replace("# three", &format!("# three{newline}paused = true"));
        let between = if entry.ends_with('\n') { newline.to_owned() } else { newline.repeat(2) };
        let paused = pause(&text, &bob, true).expect("a change").expect("the address");
        assert_eq!(paused, text.replace(&entry, &format!("{left}{between}{own}")));
        assert_eq!(others(&paused, &bob), Ok(0));
        assert_eq!(pause(&text, &bob, false), Ok(Some(text.clone())), "nothing to resume, so nothing to split");
        let resumed = pause(&paused, &bob, false).expect("a change").expect("the address");
        assert_eq!(resumed, paused.replace("paused = true", "paused = false"));
    }
}

#[test]
fn who_leaves_an_entry_leaves_it_to_the_others() {
    let left = |text: &str, who: &str| unsubscribe(text, &address(who)).expect("a change").expect("the address");
    let mut text = TOGETHER.to_owned();
    for (who, list) in [("ada", "['Bob@example.org', \"cyd@example.org\"]"), ("cyd", "['Bob@example.org']")] {
        text = left(&text, &format!("{who}@example.org"));
        let whole = "[\"ada@example.org\", 'Bob@example.org', \"cyd@example.org\"]";
        assert_eq!(text, TOGETHER.replace(whole, list));
    }
    let text = left(&text, "bob@example.org");
    assert_eq!(
        text,
        TOGETHER.replace(&TOGETHER[TOGETHER.find("\n# The lab").unwrap()..TOGETHER.find("\n# Dee").unwrap()], "")
    );
    assert!(!left(&text, "dee@example.org").contains("[[subscription"));
    // Of an address that is there twice nothing is left.
    let twice = "[[subscription]]\nemail = [\"ada@example.org\", \"ADA@example.org\"]\n[[subscription]]\nemail = [\"ada@example.org\", \"bob@example.org\"]\n";
    assert_eq!(left(twice, "ada@example.org"), "[[subscription]]\nemail = [\"bob@example.org\"]\n");
}

#[test]
fn what_is_shared_is_changed_for_all_or_for_nobody() {
    let text = "[shared.lab]\nname = \"The lab\"\nkeywords = [\"speech\"]\n\
        [[subscription]]\nemail = [\"ada@example.org\", \"bob@example.org\"]\nprofiles = [\"lab\"]\n\
        [[subscription]]\nemail = \"cyd@example.org\"\nprofiles = [\"lab\"]\n\
        [[subscription.profile]]\nname = \"Own\"\nkeywords = [\"vision\"]\n";
    let add = |who: &str, profile: Option<&str>| {
        let keywords = vec![Query::parse("agents").expect("a query")];
        let change = Change { profile: profile.map(str::to_owned), keywords, ..Change::default() };
        edit(text, &address(who), &change).map(|changed| changed.expect("the address"))
    };
    let shared = EditError::Shared { name: "lab".into(), line: 1, users: "3 subscriptions".into() };
    assert_eq!(add("ada@example.org", None), Err(shared.clone()));
    assert_eq!(add("cyd@example.org", Some("lab")), Err(shared.clone()));
    assert_eq!(add("cyd@example.org", Some("The lab")), Err(shared));
    let which = EditError::WhichProfile { names: vec!["Own".into(), "lab".into()] };
    assert_eq!(add("cyd@example.org", None), Err(which));
    assert_eq!(add("cyd@example.org", Some("Own")), Ok(text.replace("[\"vision\"]", "[\"vision\", \"agents\"]")));
    let zone = Change { values: Values { zone: Zone::named("Asia/Tokyo"), ..Values::default() }, ..Change::default() };
    let cyd = text.replace("email = \"cyd@example.org\"\n", "email = \"cyd@example.org\"\nzone = \"Asia/Tokyo\"\n");
    assert_eq!(edit(text, &address("cyd@example.org"), &zone), Ok(Some(cyd)));
}
