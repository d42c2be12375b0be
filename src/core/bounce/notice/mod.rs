//! A report of a failed delivery in words alone.
//!
//! About half of all reports have no `message/delivery-status` part. Which program wrote one, [`super::families`] knows; what
//! is found in it is found in the same way for all: the addresses, each with the words that follow it up to the next, and
//! the place where the mail that came back begins. Pure, in one pass over the text. What the words mean, [`super::judge()`]
//! says, as for any other refusal.

use super::families::{ARRIVALS, DELAYS, ENDS, FAILURES, FAMILIES, Family, Mark, RETURNED, SERVERS};
use super::{Action, Context, Meaning, Recipient, judge, read};

/// What is read of a report, octets: its words come early.
const LONGEST: usize = 32 << 10;

/// So many addresses are read of one: we send to one at a time, and more are somebody's game.
const RECIPIENTS: usize = 8;

/// A message that may be a report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Notice<'x> {
    /// Who wrote it.
    pub from: &'x str,
    /// Its subject.
    pub subject: &'x str,
    /// The program that wrote it, where the header says so.
    pub program: &'x str,
    /// The failed addresses, where the header names them.
    pub failed: &'x [String],
    /// Its text.
    pub text: &'x str,
}

/// What a report says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// The program that wrote it.
    pub family: &'static str,
    /// The addresses and what became of them. None when it is a report, but can't be understood.
    pub recipients: Vec<Recipient>,
    /// Where the mail that came back begins in the text; its end when it does not.
    pub returned: usize,
}

/// Reads a report; `None` when the message is none.
pub fn read_notice(notice: &Notice<'_>) -> Option<Reported> {
    let text = &notice.text[..floor(notice.text, LONGEST)];
    let (report, returned) = split(text);
    let seen = Seen { notice, text: lower(text), from: lower(notice.from), subject: lower(notice.subject) };
    let family = FAMILIES.iter().find(|family| family.marks.iter().all(|mark| seen.has(mark)))?;
    let returned = if returned == text.len() { notice.text.len() } else { returned };
    Some(Reported { family: family.name, recipients: recipients(&seen, family, report), returned })
}

/// A notice, in lower case.
struct Seen<'x> {
    notice: &'x Notice<'x>,
    text: String,
    from: String,
    subject: String,
}

impl Seen<'_> {
    fn has(&self, mark: &Mark) -> bool {
        let any = |text: &str, some: &[&str]| some.iter().any(|some| text.contains(some));
        match mark {
            Mark::Text(some) => self.text.contains(some),
            Mark::AnyText(some) => any(&self.text, some),
            Mark::Program(some) => lower(self.notice.program).contains(some),
            Mark::NamesFailed => !self.notice.failed.is_empty(),
            Mark::IsFromServer => {
                !self.notice.failed.is_empty() || any(&self.from, SERVERS) || any(&self.subject, FAILURES)
            }
        }
    }

    /// What became of the mail.
    fn action(&self, report: &str) -> Action {
        let says = |some: &[&str]| some.iter().any(|some| self.subject.contains(some) || report.contains(some));
        match () {
            () if says(DELAYS) => Action::Delayed,
            () if says(ARRIVALS) => Action::Delivered,
            () => Action::Failed,
        }
    }
}

fn recipients(seen: &Seen<'_>, family: &Family, report: &str) -> Vec<Recipient> {
    let folded = lower(report);
    let action = seen.action(&folded);
    let fielded = if folded.contains("final-recipient:") { fields(report) } else { Vec::new() };
    if !fielded.is_empty() {
        return fielded;
    }
    let begin = family.begins.iter().find_map(|begin| Some(folded.find(begin)? + begin.len())).unwrap_or_default();
    let mut found = addressed(&report[begin..]);
    let named = seen.notice.failed.iter().flat_map(|line| addresses(line));
    if found.is_empty() {
        let first = if seen.notice.failed.is_empty() { addresses(report).next() } else { None };
        found.push((first.unwrap_or_default(), report[begin..].to_owned()));
    }
    for name in named.take(RECIPIENTS) {
        match found.iter_mut().find(|(address, _)| address.is_empty() || address.eq_ignore_ascii_case(&name)) {
            Some((address, _)) => *address = name,
            // It is another one's words that say why.
            None => {
                let words = found[0].1.clone();
                found.push((name, words));
            }
        }
    }
    let recipients = found.into_iter().take(RECIPIENTS).map(|(address, words)| Recipient {
        final_recipient: address,
        original_recipient: String::new(),
        action,
        status: String::new(),
        diagnostic: words.split_whitespace().collect::<Vec<_>>().join(" "),
    });
    recipients.filter(|recipient| action != Action::Failed || is_understood(&recipient.diagnostic)).collect()
}

/// Whether the words say anything, or a code among them does.
fn is_understood(words: &str) -> bool {
    judge(None, "", words, Context::Report).said != Meaning::Nothing || super::judge::has_code(words)
}

/// The fields of a delivery status, where they are in the text.
fn fields(report: &str) -> Vec<Recipient> {
    let lines: Vec<&str> = report.lines().map(str::trim).collect();
    let (_, mut recipients) = read(&lines.join("\n"));
    recipients.truncate(RECIPIENTS);
    recipients
}

/// The report, and where the mail that came back begins.
fn split(text: &str) -> (&str, usize) {
    let mut position = 0;
    for line in text.split_inclusive('\n') {
        let bare = lower(line.trim().trim_matches(['-', '=', '*', '_', '#', '+', ' ', '\t']));
        if ENDS.iter().any(|end| bare.starts_with(end)) {
            return (&text[..position], position + line.len());
        }
        if RETURNED.iter().any(|field| bare.starts_with(field)) {
            return (&text[..position], position);
        }
        position += line.len();
    }
    (text, text.len())
}

/// Each address that has a line of its own, with the words that follow it; where none follow, with those before the first
/// one. Without any such line, the first address of the text and all of it.
fn addressed(report: &str) -> Vec<(String, String)> {
    let (mut found, mut before) = (Vec::<(String, String)>::new(), String::new());
    for line in report.lines() {
        match own_line(line) {
            Some(address) if found.len() < RECIPIENTS => found.push((address, String::new())),
            _ => {
                let words = found.last_mut().map_or(&mut before, |(_, words)| words);
                words.push_str(line);
                words.push('\n');
            }
        }
    }
    if found.is_empty() {
        return addresses(report).next().map(|address| (address, before)).into_iter().collect();
    }
    for (_, words) in &mut found {
        if !is_understood(words) {
            words.insert_str(0, &before);
        }
    }
    found
}

/// `<ada@example.org>:`, `"ada@example.org"`, `** ada@example.org`.
fn own_line(line: &str) -> Option<String> {
    let bare = line.trim().trim_matches(['<', '>', '"', '\'', ':', '*', '(', ')', ',', '-', '.', ' ']);
    (!bare.contains(char::is_whitespace)).then(|| address(bare)).flatten()
}

fn addresses(text: &str) -> impl Iterator<Item = String> {
    let is_around =
        |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\'' | '(' | ')' | '[' | ']' | ',' | ';' | ':');
    text.split(is_around).filter_map(address)
}

fn address(word: &str) -> Option<String> {
    let word = word.trim_end_matches('.');
    let (local, domain) = word.rsplit_once('@')?;
    (!local.is_empty() && domain.contains('.')).then(|| word.to_owned())
}

/// Of the same length, so that a place in it is one in the text.
fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

/// The largest length up to `most` that cuts no character.
fn floor(text: &str, most: usize) -> usize {
    (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
