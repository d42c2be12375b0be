//! Changes to a subscription file that keep the rest of it.
//!
//! The file belongs to a person: comments, order, blank lines and line ends stay as they are. So a change is a splice
//! into the text at places that the TOML parser gave, and not a document printed again (`toml_edit` turns CRLF into
//! LF). Each function is pure, from text to text; [`change()`] then applies one to a file, safely against others.
//!
//! A change is one person's. Where an entry has several addresses, it leaves the others' alone: the person gets an entry of
//! their own with the same text, and that is changed.

mod file;
mod keys;
mod settings;
mod shared;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use file::{FileError, change, tidy};
pub use keys::{Change, edit};
pub use settings::{Setting, Values};
use toml_edit::{ArrayOfTables, Document, Item, Table, Value};

use crate::core::address::Address;
use crate::core::query::Query;

/// A subscription to be added; what is empty is left out of the file and takes its default.
#[derive(Clone, Debug)]
pub struct NewSubscription {
    /// Where the digest goes.
    pub email: Address,
    /// The expressions of the one, unnamed profile.
    pub keywords: Vec<Query>,
    /// What is never chosen.
    pub exclude: Vec<Query>,
    /// What each paper must match as well.
    pub must: Vec<Query>,
    /// The other keys.
    pub values: Values,
}

/// Why a file can't be changed. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file isn't TOML as it is.
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
    /// No profile has this name, or none was named.
    #[error("say which profile with --profile: {}", .names.join(", "))]
    WhichProfile {
        /// Those there are.
        names: Vec<String>,
    },
    /// The profile is one that several subscriptions share.
    #[error(
        "[shared.{name}] in line {line} is for {users} of this file: change it there for all of them, or give this one a [[subscription.profile]] of its own"
    )]
    Shared {
        /// Which.
        name: String,
        /// Where.
        line: usize,
        /// How many subscriptions name it, in words.
        users: String,
    },
    /// A profile was named, and there are none.
    #[error("the subscription has no profiles: leave --profile out")]
    NoProfiles,
    /// The setting that is to be taken out isn't there.
    #[error("it has no {key} of its own")]
    NotSet {
        /// The key.
        key: &'static str,
    },
    /// What is to be taken out isn't there.
    #[error("{key} has no `{expression}`")]
    NoExpression {
        /// The list.
        key: String,
        /// What it doesn't have.
        expression: String,
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
        && let Some(found) = find(blocks, &new.email)
    {
        return Err(EditError::AlreadyThere { line: line_of(text, found.address.start) });
    }

    let mut lines = vec!["[[subscription]]".to_owned(), format!("email = {}", quoted(&new.email.reveal()))];
    let values: Vec<(&str, String)> = new.values.in_toml().map(|(setting, value)| (setting.into(), value)).collect();
    let (name, others): (Vec<_>, Vec<_>) = values.into_iter().partition(|(key, _)| *key == "name");
    let lists = [("keywords", &new.keywords), ("exclude", &new.exclude), ("must", &new.must)];
    let lists = lists.into_iter().filter_map(|(key, queries)| Some((key, list(queries)?)));
    lines.extend(name.into_iter().chain(lists).chain(others).map(|(key, value)| format!("{key} = {value}")));

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

/// The line of an address's subscription, from 1.
///
/// # Errors
/// The file isn't TOML, or lists subscriptions in some other way than `[[subscription]]` blocks.
pub fn line_of_address(text: &str, address: &Address) -> Result<Option<usize>, EditError> {
    let document = parse(text)?;
    let blocks = blocks(text, &document)?;
    Ok(blocks.and_then(|blocks| find(blocks, address)).map(|found| line_of(text, found.address.start)))
}

/// How many other addresses the entry of this address has; 0 when it has none, or is not there.
///
/// # Errors
/// The file isn't TOML, or lists subscriptions in some other way than `[[subscription]]` blocks.
pub fn others(text: &str, address: &Address) -> Result<usize, EditError> {
    let document = parse(text)?;
    let blocks = blocks(text, &document)?;
    Ok(blocks.and_then(|blocks| find(blocks, address)).map_or(0, |found| found.others))
}

/// Takes an address out: of its entry where that has others, else the entry with its profiles, the comment lines right above
/// it and one blank line between it and its neighbour. `None` when the address isn't there.
///
/// # Errors
/// The file isn't TOML, or the block can't be told from its surroundings.
pub fn unsubscribe(text: &str, address: &Address) -> Result<Option<String>, EditError> {
    let mut changed = None;
    // Once is usual. But of an address that is there twice the other entry would be in force then.
    while let Some(without) = take_out(changed.as_deref().unwrap_or(text), address)? {
        changed = Some(without);
    }
    Ok(changed)
}

fn take_out(text: &str, address: &Address) -> Result<Option<String>, EditError> {
    let document = parse(text)?;
    let Some(blocks) = blocks(text, &document)? else { return Ok(None) };
    let Some(found) = find(blocks, address) else { return Ok(None) };
    if found.others > 0 {
        let changed = keys::without(text, found.address);
        parse(&changed)?;
        return Ok(Some(changed));
    }
    let span = table_span(found.block);
    let by_hand = EditError::ByHand { line: line_of(text, span.start) };

    let lines = Lines::of(text);
    let (mut first, mut last) = lines.of_block(&span);
    while first > 0 && lines.is_comment(first - 1) {
        first -= 1;
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
    if count + 1 == blocks.len() && tables(&left) == tables(&document) { Ok(Some(changed)) } else { Err(by_hand) }
}

/// Gives an address that has its entry together with others an entry of its own, right below and with the same text. One that has
/// its own, or isn't there, leaves the text as it is.
fn split(text: &str, address: &Address) -> Result<String, EditError> {
    let document = parse(text)?;
    let Some(blocks) = blocks(text, &document)? else { return Ok(text.to_owned()) };
    let Some(found) = find(blocks, address).filter(|found| found.others > 0) else { return Ok(text.to_owned()) };
    let span = table_span(found.block);
    let by_hand = EditError::ByHand { line: line_of(text, span.start) };
    let lines = Lines::of(text);
    let (first, last) = lines.of_block(&span);
    let (start, end) = (lines.0[first].start, lines.0[last].end);
    let newline = newline(text);
    let between = if text[..end].ends_with('\n') { newline.to_owned() } else { newline.repeat(2) };
    let own = [&text[start..found.email.start], &text[found.address], &text[found.email.end..end]].concat();
    let mut changed = keys::splice(text, end..end, &(between + &own));
    loop {
        let left = parse(&changed).map_err(|_| by_hand.clone())?;
        let all = self::blocks(&changed, &left)?.ok_or(by_hand.clone())?;
        let found = find(all, address).ok_or(by_hand.clone())?;
        if found.others > 0 {
            changed = keys::without(&changed, found.address);
            continue;
        }
        // The parser has the last word here as well.
        let is_split = all.len() == blocks.len() + 1 && tables(&left) == tables(&document);
        return if is_split { Ok(changed) } else { Err(by_hand) };
    }
}

/// How many tables and keys there are beside the subscriptions.
fn tables(document: &Document<&str>) -> usize {
    document.iter().filter(|(key, _)| *key != "subscription").count()
}

/// Sets `paused` of a subscription, and of nobody who has the entry with it. `None` when the address isn't there.
///
/// # Errors
/// The file isn't TOML, or the subscription isn't a block of its own.
pub fn pause(text: &str, address: &Address, paused: bool) -> Result<Option<String>, EditError> {
    let document = parse(text)?;
    let Some(blocks) = blocks(text, &document)? else { return Ok(None) };
    let Some(Found { block, email, others, .. }) = find(blocks, address) else { return Ok(None) };
    let old = block.get("paused");
    if old.map_or(Some(false), Item::as_bool) == Some(paused) {
        return Ok(Some(text.to_owned()));
    }
    if others > 0 {
        return pause(&split(text, address)?, address, paused);
    }
    let changed = match old.map(Item::span) {
        Some(Some(span)) => keys::splice(text, span, &paused.to_string()),
        Some(None) => return Err(EditError::ByHand { line: line_of(text, email.start) }),
        None => keys::insert_line(text, email.end, &format!("paused = {paused}")),
    };
    parse(&changed)?;
    Ok(Some(changed))
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

/// The entry of an address.
struct Found<'a> {
    block: &'a Table,
    /// Where its `email` is.
    email: Range<usize>,
    /// Where the address is; in a list, one of its elements.
    address: Range<usize>,
    /// How many other addresses it has.
    others: usize,
}

/// The first entry with this address.
fn find<'a>(blocks: &'a ArrayOfTables, address: &Address) -> Option<Found<'a>> {
    let is_it = |text: &str| Address::parse(text).is_ok_and(|other| other == *address);
    blocks.iter().find_map(|block| {
        let value = block.get("email")?;
        let email = value.span()?;
        let Some(list) = value.as_array() else {
            return is_it(value.as_str()?).then(|| Found { block, address: email.clone(), email, others: 0 });
        };
        let is_theirs = |element: &&Value| element.as_str().is_some_and(is_it);
        let address = list.iter().find(is_theirs)?.span()?;
        Some(Found { block, email, address, others: list.len() - list.iter().filter(is_theirs).count() })
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

    /// The first and the last line of a block. Comments right below are its own, such as keys commented out, unless they lead
    /// straight to the next header.
    fn of_block(&self, span: &Range<usize>) -> (usize, usize) {
        let last = self.at(span.end.saturating_sub(1).max(span.start));
        let below = (last + 1..self.len()).take_while(|&line| self.is_comment(line)).last().unwrap_or(last);
        let is_own = below + 1 >= self.len() || self.is_blank(below + 1);
        (self.at(span.start), if is_own { below } else { last })
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
