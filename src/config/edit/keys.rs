//! Changes to the keys of one subscription.

use std::ops::Range;

use toml_edit::{Array, Item, Table, Value};

use super::settings::{Setting, Values};
use super::{EditError, Found, Lines, blocks, find, line_of, newline, parse, quoted, shared, split};
use crate::core::address::Address;
use crate::core::query::Query;

/// What is to be changed; what is `None` or empty stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// The profile that keywords, exclusions and limits are of, where there are several.
    pub profile: Option<String>,
    /// Keywords to add.
    pub keywords: Vec<Query>,
    /// Keywords to take out, as the file has them or as they print.
    pub remove: Vec<String>,
    /// Exclusions to add.
    pub exclude: Vec<Query>,
    /// Exclusions to take out.
    pub remove_exclude: Vec<String>,
    /// What each paper must match as well, to add.
    pub must: Vec<Query>,
    /// The same, to take out.
    pub remove_must: Vec<String>,
    /// Keys to set.
    pub values: Values,
    /// Keys to take out, so that the defaults hold again.
    pub unset: Vec<Setting>,
}

impl Change {
    /// Whether something in it is a profile's.
    fn is_of_profile(&self) -> bool {
        let added = [&self.keywords, &self.exclude, &self.must];
        let removed = [&self.remove, &self.remove_exclude, &self.remove_must];
        let mut settings = self.values.in_toml().map(|(setting, _)| setting).chain(self.unset.iter().copied());
        added.iter().any(|list| !list.is_empty())
            || removed.iter().any(|list| !list.is_empty())
            || settings.any(Setting::is_of_profile)
    }

    /// A key that is both to be changed and to be taken out.
    pub fn contradiction(&self) -> Option<Setting> {
        let is_changed = |setting: &Setting| match setting {
            Setting::Exclude => !self.exclude.is_empty() || !self.remove_exclude.is_empty(),
            Setting::Must => !self.must.is_empty() || !self.remove_must.is_empty(),
            setting => self.values.in_toml().any(|(changed, _)| changed == *setting),
        };
        self.unset.iter().copied().find(is_changed)
    }
}

/// Changes keys of a subscription, and of nobody who has the entry with it. `None` when the address isn't there.
///
/// # Errors
/// The file isn't TOML, the subscription isn't a block of its own, it has no such profile or expression, or shares the profile.
pub fn edit(text: &str, address: &Address, change: &Change) -> Result<Option<String>, EditError> {
    let document = parse(text)?;
    let Some(found) = blocks(text, &document)?.and_then(|blocks| find(blocks, address)) else { return Ok(None) };
    if change.is_of_profile() {
        shared::refuse(text, &document, found.block, change.profile.as_deref())?;
    }
    let own = split(text, address)?;
    let mut edited = Edited { text: own.clone(), address, profile: change.profile.as_deref() };
    // Each new key goes right below the address: the last one first.
    for (setting, value) in change.values.in_toml().rev() {
        edited.set(setting, &value)?;
    }
    for (key, added, removed) in [
        ("must", &change.must, &change.remove_must),
        ("exclude", &change.exclude, &change.remove_exclude),
        ("keywords", &change.keywords, &change.remove),
    ] {
        // Added first: a list that is emptied in between would be one of its own kind.
        added.iter().try_for_each(|query| edited.add(key, &query.to_string()))?;
        removed.iter().try_for_each(|expression| edited.remove(key, expression))?;
    }
    change.unset.iter().try_for_each(|setting| edited.unset(*setting))?;
    // An entry that stays as it is stays shared.
    Ok(Some(if edited.text == own { text.to_owned() } else { edited.text }))
}

struct Edited<'a> {
    text: String,
    address: &'a Address,
    profile: Option<&'a str>,
}

impl Edited<'_> {
    /// Does `act` with the table that has a subscription's own keys, or those of its profile, and with where a new key goes:
    /// below its address or its name.
    fn with<T>(
        &self,
        of_profile: bool,
        act: impl FnOnce(&str, &Table, usize) -> Result<T, EditError>,
    ) -> Result<T, EditError> {
        let text = self.text.as_str();
        let document = parse(text)?;
        let by_hand = |at| EditError::ByHand { line: line_of(text, at) };
        let blocks = blocks(text, &document)?;
        let Some(Found { block, email, .. }) = blocks.and_then(|blocks| find(blocks, self.address)) else {
            return Err(by_hand(0));
        };
        let profiles = match block.get("profile").filter(|_| of_profile) {
            None if of_profile && self.profile.is_some() => return Err(EditError::NoProfiles),
            None => return act(text, block, email.end),
            Some(Item::ArrayOfTables(profiles)) => profiles,
            Some(_) => return Err(by_hand(email.start)),
        };
        let name = |profile: &Table| profile.get("name").and_then(Item::as_str).unwrap_or_default().to_owned();
        let mut found = profiles.iter().filter(|profile| self.profile.is_none_or(|wanted| name(profile) == wanted));
        let (Some(profile), None) = (found.next(), found.next()) else {
            return Err(EditError::WhichProfile { names: profiles.iter().map(name).collect() });
        };
        let below = profile.get("name").and_then(Item::span).or(profile.span()).ok_or(by_hand(email.start))?;
        act(text, profile, below.end)
    }

    fn set(&mut self, setting: Setting, value: &str) -> Result<(), EditError> {
        let key: &'static str = setting.into();
        self.text = self.with(setting.is_of_profile(), |text, table, below| match table.get(key) {
            Some(item) => {
                let span = item.span().ok_or(EditError::ByHand { line: line_of(text, below) })?;
                Ok(splice(text, span, value))
            }
            None => Ok(insert_line(text, below, &format!("{key} = {value}"))),
        })?;
        parse(&self.text).map(drop)
    }

    /// Takes a key out, with the comment on its line.
    fn unset(&mut self, setting: Setting) -> Result<(), EditError> {
        let key: &'static str = setting.into();
        self.text = self.with(setting.is_of_profile(), |text, table, below| {
            let (name, item) = table.get_key_value(key).ok_or(EditError::NotSet { key })?;
            let (Some(name), Some(value)) = (name.span(), item.span()) else {
                return Err(EditError::ByHand { line: line_of(text, below) });
            };
            let lines = Lines::of(text);
            let (first, last) = (lines.0[lines.at(name.start)].clone(), lines.0[lines.at(value.end - 1)].clone());
            Ok(splice(text, first.start..last.end, ""))
        })?;
        parse(&self.text).map(drop)
    }

    /// Adds an expression to a list, unless it is there.
    fn add(&mut self, key: &str, expression: &str) -> Result<(), EditError> {
        let value = quoted(expression);
        self.text = self.with(true, |text, table, below| {
            let Some(item) = table.get(key) else {
                return Ok(insert_line(text, below, &format!("{key} = [{value}]")));
            };
            let (array, span) = list(text, item, below)?;
            if array.iter().any(|element| is(element, expression)) {
                return Ok(text.to_owned());
            }
            let Some(last) = array.iter().last() else {
                return Ok(splice(text, span.start + 1..span.start + 1, &value));
            };
            let end = last.span().map_or(span.start + 1, |last| last.end);
            if !text[end..span.end].contains('\n') {
                return Ok(splice(text, end..end, &format!(", {value}")));
            }
            // On a line of its own, below the comment that the last one may have.
            let lines = Lines::of(text);
            let line = lines.0[lines.at(end)].clone();
            let line_end = line.start + text[line.clone()].trim_end_matches(['\r', '\n']).len();
            let indent: String = text[line].chars().take_while(|c| c.is_whitespace()).collect();
            let has_comma = after(text, end).is_some_and(|at| text[at..].starts_with(','));
            let (comma, own_comma) = if has_comma { ("", ",") } else { (",", "") };
            let more = format!("{}{indent}{value}{own_comma}", newline(text));
            Ok(splice(&splice(text, line_end..line_end, &more), end..end, comma))
        })?;
        parse(&self.text).map(drop)
    }

    /// Takes an expression out of a list.
    fn remove(&mut self, key: &str, expression: &str) -> Result<(), EditError> {
        self.text = self.with(true, |text, table, below| {
            let absent = || EditError::NoExpression { key: key.to_owned(), expression: expression.to_owned() };
            let (array, _) = list(text, table.get(key).ok_or_else(absent)?, below)?;
            let element = array.iter().find(|element| is(element, expression)).ok_or_else(absent)?;
            let span = element.span().ok_or(EditError::ByHand { line: line_of(text, below) })?;
            Ok(without(text, span))
        })?;
        parse(&self.text).map(drop)
    }
}

pub(super) fn splice(text: &str, at: Range<usize>, insert: &str) -> String {
    format!("{}{insert}{}", &text[..at.start], &text[at.end..])
}

/// Adds a line below the one with this byte, indented like it.
pub(super) fn insert_line(text: &str, below: usize, line: &str) -> String {
    let lines = Lines::of(text);
    let Range { start, end } = lines.0[lines.at(below.saturating_sub(1))].clone();
    let above = &text[start..end];
    let indent = &above[..above.len() - above.trim_start().len()];
    let newline = newline(text);
    let line = match above.ends_with('\n') {
        true => format!("{indent}{line}{newline}"),
        false => format!("{newline}{indent}{line}"),
    };
    splice(text, end..end, &line)
}

/// The text without an element of a list, with its line and comment if it has one to itself.
pub(super) fn without(text: &str, span: Range<usize>) -> String {
    let mut end = span.end;
    if let Some(comma) = after(text, end).filter(|at| text[*at..].starts_with(',')) {
        end = comma + 1;
    }
    let lines = Lines::of(text);
    let (first, last) = (lines.0[lines.at(span.start)].clone(), lines.0[lines.at(end - 1)].clone());
    let rest = text[end..last.end].trim_start();
    let is_alone = text[first.start..span.start].trim().is_empty() && (rest.is_empty() || rest.starts_with('#'));
    if is_alone {
        return splice(text, first.start..last.end, "");
    }
    // The spaces before the next one; before the bracket, the comma of the one before.
    let spaces = text[end..].len() - text[end..].trim_start_matches([' ', '\t']).len();
    let is_last = text[end + spaces..].starts_with(']');
    let before = text[..span.start].trim_end_matches([' ', '\t']);
    match before.strip_suffix(',') {
        Some(before) if is_last => splice(text, before.len()..end, ""),
        _ => splice(text, span.start..end + spaces, ""),
    }
}

/// A list, and where it is.
fn list<'a>(text: &str, item: &'a Item, below: usize) -> Result<(&'a Array, Range<usize>), EditError> {
    item.as_array().zip(item.span()).ok_or(EditError::ByHand { line: line_of(text, below) })
}

/// Whether an element is this expression, as it is written or as it prints; one with a weight is a table.
fn is(element: &Value, expression: &str) -> bool {
    let table = element.as_inline_table().and_then(|table| table.get("query"));
    let Some(written) = table.unwrap_or(element).as_str() else { return false };
    let printed = |text: &str| Query::parse(text).map(|query| query.to_string()).ok();
    written == expression || printed(written).is_some_and(|written| Some(written) == printed(expression))
}

/// The next byte that is no space and in no comment.
fn after(text: &str, mut at: usize) -> Option<usize> {
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        if !text[at..].starts_with('#') {
            return (at < text.len()).then_some(at);
        }
        at += text[at..].find('\n')?;
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::core::paper::SourceId;
    use crate::core::schedule::Schedule;
    use crate::core::subscription::{Rank, WhenEmpty};
    use crate::core::zone::Zone;

    const FILE: &str = "[[subscription]]\n\
        email = \"ada@example.org\" # hers\n\
        keywords = [\n\
        \x20 \"retrieval\", # her field\n\
        \x20 { query = \"rag\", weight = 2 } # and this\n\
        ]\n\
        exclude = [\"survey\", 'dataset']\n\
        max_papers = 5 # enough\n\
        \n\
        [[subscription]]\n\
        \x20 email = \"bob@example.org\"\n\
        [[subscription.profile]]\n\
        name = \"Vision\"\n\
        keywords = [\"vision\"]\n\
        [[subscription.profile]]\n\
        name = \"Sound\"\n";

    #[test]
    fn a_setting_is_taken_out_with_its_lines_and_nothing_else() {
        for (who, profile, setting, gone) in [
            ("ada", None, Setting::MaxPapers, "max_papers = 5 # enough\n"),
            ("ada", None, Setting::Exclude, "exclude = [\"survey\", 'dataset']\n"),
        ] {
            let change = Change { profile, unset: vec![setting], ..Change::default() };
            assert_eq!(edited(who, &change).expect("changed"), FILE.replace(gone, ""));
        }
        let absent = Change { unset: vec![Setting::Zone], ..Change::default() };
        assert_eq!(edited("ada", &absent).expect_err("refused").to_string(), "it has no zone of its own");
    }

    fn edited(who: &str, change: &Change) -> Result<String, EditError> {
        let address = Address::parse(&format!("{who}@example.org")).expect("an address");
        edit(FILE, &address, change).map(|text| text.expect("the address is there"))
    }

    fn at_most(papers: u32) -> Values {
        Values { max_papers: Some(papers), ..Values::default() }
    }

    #[test]
    fn what_is_changed_and_taken_out_is_a_contradiction() {
        let changes = [
            Change { values: at_most(3), ..Change::default() },
            Change { exclude: queries(&["survey"]), ..Change::default() },
            Change { remove_exclude: removals(&["survey"]), ..Change::default() },
            Change { must: queries(&["speech"]), ..Change::default() },
            Change { remove_must: removals(&["speech"]), ..Change::default() },
        ];
        let keys = [Setting::MaxPapers, Setting::Exclude, Setting::Exclude, Setting::Must, Setting::Must];
        for (change, key) in changes.into_iter().zip(keys) {
            let unset = |unset: Setting| Change { unset: vec![unset], ..change.clone() }.contradiction();
            assert_eq!((unset(key), unset(Setting::Zone)), (Some(key), None));
        }
    }

    fn queries(texts: &[&str]) -> Vec<Query> {
        texts.iter().map(|text| Query::parse(text).expect("an expression")).collect()
    }

    fn removals(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_value_is_replaced_and_a_new_key_stands_below_the_address() {
        let values = Values {
            max_papers: Some(7),
            min_upvotes: Some(2),
            schedule: Some(Schedule::parse("weekly on mon at 08:00").expect("a schedule")),
            zone: Zone::named("Asia/Tokyo"),
            name: Some("Ada".to_owned()),
            since: NaiveDate::from_ymd_opt(2026, 11, 1),
            when_empty: Some(WhenEmpty::Note),
            sources: ["huggingface", "trending"].map(|name| SourceId::parse(name).expect("a name")).to_vec(),
            rank: Some(Rank::Newest),
        };
        let change = Change { values, must: queries(&["speech"]), ..Change::default() };
        let expected = FILE.replace("max_papers = 5", "max_papers = 7").replace(
            "# hers\n",
            "# hers\nmust = [\"speech\"]\nname = \"Ada\"\nmin_upvotes = 2\nsources = [\"huggingface\", \"trending\"]\n\
             rank = \"newest\"\nschedule = \"weekly on mon at 08:00\"\nzone = \"Asia/Tokyo\"\nsince = \"2026-11-01\"\n\
             when_empty = \"note\"\n",
        );
        assert_eq!(edited("ada", &change), Ok(expected));
    }

    #[test]
    fn expressions_come_and_go_and_comments_stay_with_theirs() {
        let add = Change {
            keywords: queries(&["agents", "retrieval"]),
            exclude: queries(&["benchmark"]),
            ..Change::default()
        };
        let expected = FILE
            .replace("} # and this\n", "}, # and this\n  \"agents\"\n")
            .replace("'dataset']", "'dataset', \"benchmark\"]");
        assert_eq!(edited("ada", &add), Ok(expected));
        let rest = |keywords: &[&str], exclude: &[&str]| {
            edited(
                "ada",
                &Change { remove: removals(keywords), remove_exclude: removals(exclude), ..Change::default() },
            )
        };
        assert_eq!(
            rest(&["retrieval"], &["survey"]),
            Ok(FILE.replace("  \"retrieval\", # her field\n", "").replace("\"survey\", ", ""))
        );
        assert_eq!(
            rest(&["rag"], &["dataset"]),
            Ok(FILE.replace("  { query = \"rag\", weight = 2 } # and this\n", "").replace(", 'dataset'", ""))
        );
        assert_eq!(rest(&[], &["survey", "dataset"]), Ok(FILE.replace("\"survey\", 'dataset'", "")));
        let absent = rest(&["nothing"], &[]).expect_err("absent").to_string();
        assert!(absent.contains("nothing"), "{absent}");
    }

    #[test]
    fn a_profile_is_named_where_there_are_several() {
        let change = |profile: Option<&str>| Change {
            profile: profile.map(str::to_owned),
            keywords: queries(&["audio"]),
            values: at_most(3),
            ..Change::default()
        };
        let sound = FILE.replace("name = \"Sound\"\n", "name = \"Sound\"\nkeywords = [\"audio\"]\nmax_papers = 3\n");
        assert_eq!(edited("bob", &change(Some("Sound"))), Ok(sound));
        let vision = FILE.replace("keywords = [\"vision\"]\n", "max_papers = 3\nkeywords = [\"vision\", \"audio\"]\n");
        assert_eq!(edited("bob", &change(Some("Vision"))), Ok(vision));
        for profile in [None, Some("Smell")] {
            let refused = edited("bob", &change(profile)).expect_err("which one?").to_string();
            assert!(refused.contains("Vision") && refused.contains("Sound"), "{refused}");
        }
        assert_eq!(edited("ada", &change(Some("Vision"))), Err(EditError::NoProfiles));
    }

    #[test]
    fn line_ends_and_empty_lists_are_kept() {
        let address = Address::parse("ada@example.org").expect("an address");
        let text = "[[subscription]]\r\nemail = \"ada@example.org\"\r\nkeywords = [\r\n\t\"a\",\r\n]\r\nexclude = [ # none\r\n]";
        let (keywords, exclude) = (queries(&["b"]), queries(&["c"]));
        let change = Change { keywords, exclude, values: at_most(1), ..Change::default() };
        let expected = "[[subscription]]\r\nemail = \"ada@example.org\"\r\nmax_papers = 1\r\nkeywords = [\r\n\t\"a\",\r\n\t\"b\",\r\n]\r\n\
            exclude = [\"c\" # none\r\n]";
        assert_eq!(edit(text, &address, &change), Ok(Some(expected.to_owned())));
        assert_eq!(edit("", &address, &change), Ok(None));
    }
}
