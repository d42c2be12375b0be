//! A value and its place: what files, environment and overrides are all read into.
//!
//! A [`Node`] is asked for what is meant (`node.integer(1..=65535)`), and answers with that or with what is [`Wrong`];
//! the asker adds the key and gets a [`Problem`] at the right place. A value from a file must have the type that TOML
//! gives it; one from the environment or an override is text and is read as what is asked for.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use toml_edit::{Item, TableLike};

use super::literal;
use super::problem::{Problem, SourceFile, ValuePlace};

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: ValuePlace,
}

/// What TOML can say, as far as a configuration needs it.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Date,
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table and what it stands for.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: ValuePlace,
    pub(super) node: Node,
}

/// Why a value isn't what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    /// The bytes at fault inside a text's value; `None` for all of it.
    pub(super) inside: Option<Range<usize>>,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, inside: None }
    }

    pub(super) fn hint(self, hint: impl Into<Option<String>>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    pub(super) fn inside(self, span: Range<usize>) -> Self {
        Self { inside: Some(span), ..self }
    }
}

/// Reads the text of a TOML file: a table, or the problem that keeps it from being TOML. `toml_edit` stops at the
/// first, since what follows a syntax error is a guess.
pub(super) fn parse(file: &Arc<SourceFile>) -> Result<Node, Problem> {
    parse_piece(file, 0..file.text.len())
}

/// Reads a piece of a file that is TOML by itself.
pub(super) fn parse_piece(file: &Arc<SourceFile>, piece: Range<usize>) -> Result<Node, Problem> {
    let origin = Origin { file, start: piece.start };
    match toml_edit::Document::parse(&file.text[piece]) {
        Ok(document) => Ok(origin.table(document.as_table(), 0..0)),
        Err(error) => {
            let place = origin.place(error.span().unwrap_or(0..0));
            Err(Problem::error(place, format!("this is not TOML: {}", error.message())))
        }
    }
}

/// Reads a TOML value that the program itself wrote: a default.
pub(super) fn parse_default(toml: &str) -> Option<Node> {
    let value: toml_edit::Value = toml.parse().ok()?;
    let file = Arc::new(SourceFile::new("", ""));
    let mut node = Origin { file: &file, start: 0 }.value(&value, 0..0);
    if let Value::List(entries) = &mut node.value {
        entries.iter_mut().for_each(|entry| entry.place = ValuePlace::Default);
    }
    node.place = ValuePlace::Default;
    Some(node)
}

/// Where the parsed text stands. Of spans, those passed as `around` are in for the span of what has none of its own,
/// such as a table made of dotted keys.
struct Origin<'f> {
    file: &'f Arc<SourceFile>,
    start: usize,
}

impl Origin<'_> {
    fn place(&self, span: Range<usize>) -> ValuePlace {
        ValuePlace::Text(self.file.clone(), self.start + span.start..self.start + span.end)
    }

    fn table(&self, table: &dyn TableLike, span: Range<usize>) -> Node {
        let entry = |(key, value): (&str, &Item)| {
            let key_span = table.key(key).and_then(|key| key.span()).or(value.span()).unwrap_or(span.clone());
            let key_place = self.place(key_span.clone());
            Entry { key: key.to_owned(), key_place, node: self.item(value, key_span) }
        };
        Node { value: Value::Table(table.iter().map(entry).collect()), place: self.place(span.clone()) }
    }

    fn item(&self, item: &Item, around: Range<usize>) -> Node {
        let span = item.span().filter(|span| !span.is_empty()).unwrap_or(around);
        match item {
            Item::Value(value) => self.value(value, span),
            Item::Table(inner) => self.table(inner, span),
            Item::ArrayOfTables(tables) => {
                let one = |table: &toml_edit::Table| self.table(table, table.span().unwrap_or(span.clone()));
                Node { value: Value::List(tables.iter().map(one).collect()), place: self.place(span.clone()) }
            }
            Item::None => Node { value: Value::Date, place: self.place(span) },
        }
    }

    fn value(&self, value: &toml_edit::Value, around: Range<usize>) -> Node {
        let span = value.span().filter(|span| !span.is_empty()).unwrap_or(around);
        let read = match value {
            toml_edit::Value::String(text) => Value::Text(text.value().clone()),
            toml_edit::Value::Integer(number) => Value::Integer(*number.value()),
            toml_edit::Value::Float(number) => Value::Float(*number.value()),
            toml_edit::Value::Boolean(truth) => Value::Boolean(*truth.value()),
            toml_edit::Value::Array(array) => {
                Value::List(array.iter().map(|value| self.value(value, span.clone())).collect())
            }
            toml_edit::Value::InlineTable(inline) => return self.table(inline, span),
            toml_edit::Value::Datetime(_) => Value::Date,
        };
        Node { value: read, place: self.place(span) }
    }
}

impl Node {
    /// A value of the environment or of an override.
    pub(super) fn text_at(text: &str, place: ValuePlace) -> Self {
        Self { value: Value::Text(text.to_owned()), place }
    }

    /// The problem that `wrong` is, under the name of its key, at the exact bytes where they are known.
    pub(super) fn problem(&self, key: &str, wrong: Wrong) -> Problem {
        let place = match (&self.place, &self.value, wrong.inside) {
            (ValuePlace::Text(file, span), Value::Text(value), Some(inside)) => {
                let inside = literal::locate(&file.text[span.clone()], value, inside);
                ValuePlace::Text(file.clone(), span.start + inside.start..span.start + inside.end)
            }
            (place, _, _) => place.clone(),
        };
        Problem::error(place, format!("{key}: {}", wrong.message)).hint(wrong.hint)
    }

    /// Whether the value is untyped text, as the environment and the command line give it.
    fn is_loose(&self) -> bool {
        matches!(self.place, ValuePlace::Variable(_) | ValuePlace::Override(_))
    }

    pub(super) fn expected(&self, what: &str) -> Wrong {
        let found = match &self.value {
            Value::Text(_) if self.is_loose() => return Wrong::new(format!("expected {what}")),
            Value::Text(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
            Value::Date => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        };
        Wrong::new(format!("expected {what}, found {found}"))
    }

    pub(super) fn text(&self) -> Result<&str, Wrong> {
        match &self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.expected("a string in quotes")),
        }
    }

    /// A text of one line that says something.
    pub(super) fn line(&self) -> Result<&str, Wrong> {
        let text = self.text()?.trim();
        if text.is_empty() {
            return Err(Wrong::new("expected some text, found an empty string"));
        }
        if text.contains(char::is_control) {
            return Err(Wrong::new("expected one line without control characters"));
        }
        Ok(text)
    }

    pub(super) fn integer(&self, range: RangeInclusive<i64>) -> Result<i64, Wrong> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let number = match &self.value {
            Value::Integer(number) => *number,
            Value::Text(text) if self.is_loose() => text.trim().parse().map_err(|_| self.expected(&expected))?,
            _ => return Err(self.expected(&expected)),
        };
        if !range.contains(&number) {
            return Err(Wrong::new(format!("expected {expected}, found {number}")));
        }
        Ok(number)
    }

    /// A number above 0 and at most `most`, whole or not.
    pub(super) fn positive(&self, most: f64) -> Result<f64, Wrong> {
        let expected = format!("a number above 0, at most {most}");
        let number = match &self.value {
            Value::Integer(number) => *number as f64,
            Value::Float(number) => *number,
            Value::Text(text) if self.is_loose() => text.trim().parse().map_err(|_| self.expected(&expected))?,
            _ => return Err(self.expected(&expected)),
        };
        if number > 0.0 && number <= most {
            Ok(number)
        } else {
            Err(Wrong::new(format!("expected {expected}, found {number}")))
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, Wrong> {
        match &self.value {
            Value::Boolean(truth) => Ok(*truth),
            Value::Text(text) if self.is_loose() => {
                text.trim().to_ascii_lowercase().parse().map_err(|_| self.expected("true or false"))
            }
            _ => Err(self.expected("true or false")),
        }
    }

    /// A list; loose text is one with commas between.
    pub(super) fn list(&self) -> Result<Vec<Node>, Wrong> {
        match &self.value {
            Value::List(nodes) => Ok(nodes.clone()),
            Value::Text(text) if self.is_loose() => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Ok(parts.map(|part| Node::text_at(part, self.place.clone())).collect())
            }
            _ => Err(self.expected("a list in square brackets")),
        }
    }

    pub(super) fn table(&self) -> Result<&[Entry], Wrong> {
        match &self.value {
            Value::Table(entries) => Ok(entries),
            _ => Err(self.expected("a table")),
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, Wrong> {
        let words = choices.iter().map(|(word, _)| *word);
        let listed = words.clone().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let text = self.text().map_err(|_| self.expected(&format!("one of {listed}")))?.trim();
        let found = choices.iter().find(|(word, _)| *word == text);
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            Wrong::new(format!("expected one of {listed}, found {text:?}")).hint(did_you_mean(text, words))
        })
    }

    /// A span of time: `"90s"`, `"2m"`, `"1h30m"`, `"500ms"`, or a whole number of seconds.
    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Result<Duration, Wrong> {
        let duration = match &self.value {
            Value::Integer(seconds) if *seconds >= 0 => Some(Duration::from_secs(seconds.unsigned_abs())),
            Value::Text(text) => parse_duration(text.trim()),
            _ => None,
        };
        let duration = duration.ok_or_else(|| self.expected("a duration such as \"30s\", \"2m\" or \"1h30m\""))?;
        if !range.contains(&duration) {
            let (least, most) = (range.start(), range.end());
            return Err(Wrong::new(format!("expected a duration from {least:?} to {most:?}, found {duration:?}")));
        }
        Ok(duration)
    }

    /// A number of bytes: `"16MiB"`, `"512KiB"`, `"4MB"`, or a whole number.
    pub(super) fn size(&self, range: RangeInclusive<u64>) -> Result<u64, Wrong> {
        let size = match &self.value {
            Value::Integer(bytes) => u64::try_from(*bytes).ok(),
            Value::Text(text) => parse_size(text.trim()),
            _ => None,
        };
        let size = size.ok_or_else(|| self.expected("a size such as \"16MiB\" or \"512KiB\""))?;
        if !range.contains(&size) {
            let (least, most) = (range.start(), range.end());
            return Err(Wrong::new(format!("expected a size from {least} to {most} bytes, found {size}")));
        }
        Ok(size)
    }
}

/// `1h30m`: numbers with units, largest first or not; a bare number is seconds.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let number: u32 = number.parse().ok()?;
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        let unit = match unit {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "" if after.is_empty() && total.is_zero() => Duration::from_secs(1),
            "m" | "min" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            "d" => Duration::from_secs(86_400),
            _ => return None,
        };
        total = total.checked_add(unit.checked_mul(number)?)?;
        rest = after.trim_start();
    }
    (!text.is_empty()).then_some(total)
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// "did you mean …?" for the known word nearest to `word`, when one is near.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|nearest| format!("did you mean `{nearest}`?"))
}

/// The known word nearest to `word`, case aside: one slip of a finger away, or alike enough (Jaro-Winkler 0.8 or
/// better).
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let score = |known: &str| {
        let known = known.to_lowercase();
        // Jaro-Winkler alone makes little of `lgo` for `log`.
        let one_slip = word.len() > 2 && strsim::damerau_levenshtein(&word, &known) <= 1;
        strsim::jaro_winkler(&word, &known).max(if one_slip { 0.9 } else { 0.0 })
    };
    known
        .into_iter()
        .map(|known| (score(known), known))
        .filter(|(score, _)| *score >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_file(toml: &str) -> Node {
        let file = Arc::new(SourceFile::new("a.toml", format!("key = {toml}\n")));
        let root = parse(&file).expect("valid TOML");
        root.table().expect("a table")[0].node.clone()
    }

    fn in_environment(text: &str) -> Node {
        Node::text_at(text, ValuePlace::Variable("PAPERPOST__KEY".into()))
    }

    fn message<T: std::fmt::Debug>(result: Result<T, Wrong>) -> String {
        result.expect_err("a refusal").message
    }

    #[test]
    fn a_file_must_have_the_right_type_and_the_environment_is_text() {
        assert_eq!(in_file("25").integer(1..=99), Ok(25));
        assert_eq!(in_environment("25").integer(1..=99), Ok(25));
        assert_eq!(message(in_file("\"25\"").integer(1..=99)), "expected a whole number from 1 to 99, found a string");
        assert_eq!(message(in_environment("x").integer(1..=99)), "expected a whole number from 1 to 99");
        assert_eq!(message(in_file("100").integer(1..=99)), "expected a whole number from 1 to 99, found 100");
        assert_eq!(in_environment("TRUE").boolean(), Ok(true));
        assert_eq!(message(in_file("1").boolean()), "expected true or false, found an integer");
        assert_eq!(in_environment("a, b,").list().expect("a list").len(), 2);
        assert_eq!(message(in_file("\"a\"").list()), "expected a list in square brackets, found a string");
    }

    #[test]
    fn durations_are_written_as_people_write_them() {
        let any = || Duration::ZERO..=Duration::from_secs(1_000_000);
        for (text, millis) in [
            ("10s", 10_000),
            ("2m", 120_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("250ms", 250),
            ("1d", 86_400_000),
            ("15", 15_000),
        ] {
            let toml = format!("\"{text}\"");
            assert_eq!(in_file(&toml).duration(any()), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(in_file("90").duration(any()), Ok(Duration::from_secs(90)));
        for wrong in ["\"\"", "\"s\"", "\"10 parsecs\"", "\"1h5\"", "-1", "1.5", "\"99999999999s\""] {
            assert!(in_file(wrong).duration(any()).is_err(), "{wrong}");
        }
        assert_eq!(
            message(in_file("0").duration(Duration::from_secs(1)..=Duration::from_secs(60))),
            "expected a duration from 1s to 60s, found 0ns"
        );
    }

    #[test]
    fn sizes_have_units_of_bytes() {
        for (toml, bytes) in [("\"16MiB\"", 16 << 20), ("\"4 MB\"", 4_000_000), ("1024", 1024), ("\"7\"", 7)] {
            assert_eq!(in_file(toml).size(0..=u64::MAX), Ok(bytes), "{toml}");
        }
        for wrong in ["\"16 mib\"", "\"MiB\"", "-1", "\"\"", "\"99999999999999GiB\""] {
            assert!(in_file(wrong).size(0..=u64::MAX).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_word_gets_the_nearest_right_one() {
        let choices = [("implicit", 1), ("starttls", 2)];
        let wrong = in_file("\"startls\"").choice(&choices).expect_err("no such word");
        assert_eq!(wrong.message, "expected one of \"implicit\", \"starttls\", found \"startls\"");
        assert_eq!(wrong.hint.as_deref(), Some("did you mean `starttls`?"));
        assert_eq!(nearest("xyz", ["implicit"]), None);
        assert_eq!(nearest("lgo", ["log", "web"]), Some("log"));
        assert_eq!(nearest("keyword", ["email", "keywords"]), Some("keywords"));
    }

    #[test]
    fn a_fault_inside_a_text_has_its_own_column() {
        let node = in_file(r#""\"a b\" AND""#);
        let problem = node.problem("query", Wrong::new("expected a word after \"AND\"").inside(6..9));
        assert_eq!(problem.to_string(), "a.toml:1:16: query: expected a word after \"AND\"");
        let problem = in_environment("x").problem("key", Wrong::new("no").inside(0..1));
        assert_eq!(problem.to_string(), "environment variable PAPERPOST__KEY: key: no");
    }
}
