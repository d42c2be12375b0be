//! Changes to a subscription file that keep the rest of it.
//!
//! The file belongs to a person: comments, order, blank lines and line ends stay as they are. So a change is a splice
//! into the text at places that the TOML parser gave, and not a document printed again (`toml_edit` turns CRLF into
//! LF). Each function is pure, from text to text; [`write()`] then puts the text into the file in one step.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use toml_edit::{ArrayOfTables, Document, Item, Table};

use crate::core::address::Address;
use crate::core::query::Query;
use crate::core::schedule::Schedule;

/// A subscription to be added; what is `None` or empty is left out of the file and takes its default.
#[derive(Clone, Debug)]
pub struct NewSubscription {
    /// Where the digest goes.
    pub email: Address,
    /// The person's name.
    pub name: Option<String>,
    /// The expressions of the one, unnamed profile.
    pub keywords: Vec<Query>,
    /// What is never chosen.
    pub exclude: Vec<Query>,
    /// The votes a paper needs.
    pub min_upvotes: Option<u32>,
    /// Papers in one edition.
    pub max_papers: Option<u32>,
    /// When it goes out.
    pub schedule: Option<Schedule>,
    /// In whose local time.
    pub zone: Option<Tz>,
}

impl NewSubscription {
    /// One with an address and nothing else.
    pub fn new(email: Address) -> Self {
        let (name, min_upvotes, max_papers, schedule, zone) = (None, None, None, None, None);
        Self { email, name, keywords: Vec::new(), exclude: Vec::new(), min_upvotes, max_papers, schedule, zone }
    }
}

/// Why a file can't be changed. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file isn't TOML as it stands.
    #[error("line {line}: this is not TOML: {message}")]
    Syntax {
        /// Where.
        line: usize,
        /// In the parser's words.
        message: String,
    },
    /// The address is there.
    #[error("the address already has a subscription in line {line}")]
    AlreadyThere {
        /// Where.
        line: usize,
    },
    /// The file is valid but written in a way that can't be changed here without touching something else.
    #[error("line {line}: this subscription isn't a [[subscription]] block of its own; change it by hand")]
    ByHand {
        /// Where.
        line: usize,
    },
}

/// Adds a subscription at the end of the file.
///
/// # Errors
/// The file isn't TOML, has the address, or lists subscriptions in some other way than `[[subscription]]` blocks.
pub fn subscribe(text: &str, new: &NewSubscription) -> Result<String, EditError> {
    let document = parse(text)?;
    if let Some(blocks) = blocks(text, &document)?
        && let Some((_, span)) = find(blocks, &new.email)
    {
        return Err(EditError::AlreadyThere { line: line_of(text, span.start) });
    }

    let mut lines = vec!["[[subscription]]".to_owned(), format!("email = {}", quoted(&new.email.reveal()))];
    let mut add = |key: &str, value: Option<String>| lines.extend(value.map(|value| format!("{key} = {value}")));
    add("name", new.name.as_deref().map(quoted));
    add("keywords", list(&new.keywords));
    add("exclude", list(&new.exclude));
    add("min_upvotes", new.min_upvotes.map(|number| number.to_string()));
    add("max_papers", new.max_papers.map(|number| number.to_string()));
    add("schedule", new.schedule.as_ref().map(|schedule| quoted(&schedule.to_string())));
    add("zone", new.zone.map(|zone| quoted(zone.name())));

    let newline = newline(text);
    let mut changed = text.to_owned();
    let ends_its_line = text.is_empty() || text.ends_with('\n');
    if !ends_its_line {
        changed += newline;
    }
    if !text.is_empty() {
        changed += newline;
    }
    changed += &lines.join(newline);
    // A file without a newline at its end stays so: then taking the block out again gives the same file.
    if ends_its_line {
        changed += newline;
    }
    parse(&changed)?;
    Ok(changed)
}

/// Takes a subscription out, with its profiles, the comment lines right above it and one blank line between it and its
/// neighbour. `None` when the address isn't there.
///
/// # Errors
/// The file isn't TOML, or the block can't be told from its surroundings.
pub fn unsubscribe(text: &str, address: &Address) -> Result<Option<String>, EditError> {
    let document = parse(text)?;
    let Some(blocks) = blocks(text, &document)? else { return Ok(None) };
    let Some((block, _)) = find(blocks, address) else { return Ok(None) };
    let span = table_span(block);
    let by_hand = EditError::ByHand { line: line_of(text, span.start) };

    let lines = Lines::of(text);
    let mut first = lines.at(span.start);
    let mut last = lines.at(span.end.saturating_sub(1).max(span.start));
    while first > 0 && lines.is_comment(first - 1) {
        first -= 1;
    }
    // Comments right below are its own, such as keys commented out, unless they lead straight to the next header.
    let below = (last + 1..lines.len()).take_while(|&line| lines.is_comment(line)).last().unwrap_or(last);
    if below + 1 >= lines.len() || lines.is_blank(below + 1) {
        last = below;
    }
    if first > 0 && lines.is_blank(first - 1) {
        first -= 1;
    } else if first == 0 && last + 1 < lines.len() && lines.is_blank(last + 1) {
        last += 1;
    }

    let mut before = &text[..lines.0[first].start];
    let after = &text[lines.0[last].end..];
    if after.is_empty() && !text.ends_with('\n') {
        before = before.strip_suffix('\n').map(|b| b.strip_suffix('\r').unwrap_or(b)).unwrap_or(before);
    }
    let changed = format!("{before}{after}");
    // The parser has the last word on whether just this one block is gone.
    let left = parse(&changed).map_err(|_| by_hand.clone())?;
    let count = self::blocks(&changed, &left)?.map_or(0, ArrayOfTables::len);
    let others = |document: &Document<&str>| document.iter().filter(|(key, _)| *key != "subscription").count();
    if count + 1 == blocks.len() && others(&left) == others(&document) { Ok(Some(changed)) } else { Err(by_hand) }
}

/// Sets `paused` of a subscription. `None` when the address isn't there.
///
/// # Errors
/// The file isn't TOML, or the subscription isn't a block of its own.
pub fn pause(text: &str, address: &Address, paused: bool) -> Result<Option<String>, EditError> {
    let document = parse(text)?;
    let Some(blocks) = blocks(text, &document)? else { return Ok(None) };
    let Some((block, email)) = find(blocks, address) else { return Ok(None) };
    let (at, insert) = match block.get("paused").map(Item::span) {
        Some(Some(span)) => (span, paused.to_string()),
        Some(None) => return Err(EditError::ByHand { line: line_of(text, email.start) }),
        None if !paused => return Ok(Some(text.to_owned())),
        None => {
            let lines = Lines::of(text);
            let Range { start, end } = lines.0[lines.at(email.end)].clone();
            let line = &text[start..end];
            let indent = &line[..line.len() - line.trim_start().len()];
            let newline = newline(text);
            let insert = match line.ends_with('\n') {
                true => format!("{indent}paused = true{newline}"),
                false => format!("{newline}{indent}paused = true"),
            };
            (end..end, insert)
        }
    };
    let changed = format!("{}{insert}{}", &text[..at.start], &text[at.end..]);
    parse(&changed)?;
    Ok(Some(changed))
}

/// Puts `text` into the file at `path` in one step: whoever reads meanwhile, and whoever reads after a power cut, sees
/// the old file or the new one. The permissions stay, and a symbolic link stays a link.
///
/// # Errors
/// What the system says; the file is then as it was.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}.new", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        if let Ok(metadata) = fs::metadata(&target) {
            file.set_permissions(metadata.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &target)
    })();
    if let Err(error) = written {
        // Nothing can be done about a leftover, and the first error says more.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // Some file systems can't sync a folder; the rename has happened all the same.
    let _ = File::open(&folder).and_then(|folder| folder.sync_all());
    Ok(())
}

fn parse(text: &str) -> Result<Document<&str>, EditError> {
    Document::parse(text).map_err(|error| EditError::Syntax {
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })
}

/// The `[[subscription]]` blocks, if there are any.
fn blocks<'a>(text: &str, document: &'a Document<&str>) -> Result<Option<&'a ArrayOfTables>, EditError> {
    match document.get("subscription") {
        None => Ok(None),
        Some(Item::ArrayOfTables(blocks)) => Ok(Some(blocks)),
        Some(item) => Err(EditError::ByHand { line: line_of(text, item.span().map_or(0, |span| span.start)) }),
    }
}

/// The block with this address, and where the address stands.
fn find<'a>(blocks: &'a ArrayOfTables, address: &Address) -> Option<(&'a Table, Range<usize>)> {
    blocks.iter().find_map(|block| {
        let email = block.get("email")?;
        let found = Address::parse(email.as_str()?).ok()?;
        (found == *address).then_some((block, email.span()?))
    })
}

/// From a table's header to the end of its last value, in the tables below it as well.
fn table_span(table: &Table) -> Range<usize> {
    let mut span = table.span().unwrap_or_default();
    for (_, item) in table.iter() {
        let spans: Vec<_> = match item {
            Item::Table(inner) => vec![table_span(inner)],
            Item::ArrayOfTables(inner) => inner.iter().map(table_span).collect(),
            value => value.span().into_iter().collect(),
        };
        span.end = spans.into_iter().map(|inner| inner.end).fold(span.end, usize::max);
    }
    span
}

/// The lines of a text as byte ranges, line ends included.
struct Lines<'a>(Vec<Range<usize>>, &'a str);

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let mut start = 0;
        let range = |line: &str| {
            start += line.len();
            start - line.len()..start
        };
        Self(text.split_inclusive('\n').map(range).collect(), text)
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    /// The line with this byte.
    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|line| line.end <= offset).min(self.len().saturating_sub(1))
    }

    fn is_comment(&self, line: usize) -> bool {
        self.1[self.0[line].clone()].trim_start().starts_with('#')
    }

    fn is_blank(&self, line: usize) -> bool {
        self.1[self.0[line].clone()].trim().is_empty()
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

fn list(queries: &[Query]) -> Option<String> {
    let queries: Vec<_> = queries.iter().map(|query| quoted(&query.to_string())).collect();
    (!queries.is_empty()).then(|| format!("[{}]", queries.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            name: Some("Dee \"D\"".into()),
            keywords: vec![Query::parse("\"large model\"").expect("a query")],
            zone: Some(Tz::Asia__Tokyo),
            max_papers: Some(3),
            ..NewSubscription::new(address("dee@example.org"))
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
        let torn =
            "[[subscription]]\nemail = \"ada@example.org\"\n[defaults]\n[[subscription.profile]]\nname = \"x\"\n";
        assert_eq!(unsubscribe(torn, &address("ada@example.org")), Err(EditError::ByHand { line: 1 }));
        assert!(matches!(subscribe("a = \n", &new()), Err(EditError::Syntax { line: 1, .. })));
    }

    #[cfg(unix)]
    #[test]
    fn writing_keeps_the_mode_and_follows_a_link() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("a.toml"), folder.path().join("link.toml"));
        fs::write(&file, "old").expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("a mode");
        symlink(&file, &link).expect("a link");
        write(&link, "new").expect("a write");
        assert_eq!(fs::read_to_string(&file).expect("the file"), "new");
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
        assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 2, "no leftover");
        let fresh = folder.path().join("fresh.toml");
        write(&fresh, "text").expect("a write");
        assert_eq!(fs::read_to_string(&fresh).expect("the file"), "text");
        assert!(write(&folder.path().join("none/a.toml"), "text").is_err());
    }
}
