//! The two standard streams: everything that a command prints goes through here, and nothing else names them.
//!
//! - **Printing never stops work.** A reader that has gone (`| head`) ends the printing, not the command: what is left to do is
//!   done, and the exit code tells how that went. If the output can't be written for another reason, such as a full disk, the
//!   command does its work too, then says so on standard error and ends with 1. What can't be said on standard error is lost.
//! - **Foreign text is harmless**: it has no escape, control or bidirectional character ([`printable`]).
//! - **Colors** are for terminals: `--color` decides, else `NO_COLOR` and `TERM=dumb` turn them off. Rows of lists are cut to
//!   the width of the terminal; a pipe or a file gets them whole.

#![expect(clippy::disallowed_methods, reason = "the only place that names the standard streams")]

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::config::Problems;
use crate::core::printable::{printable, printable_json, printable_line};

/// Prints a line of the result: [`println!`] that never panics.
macro_rules! say {
    ($($words:tt)*) => { $crate::cli::output::line(format_args!($($words)*)) };
}

/// Prints a row of a list: on a terminal it is cut to the width.
macro_rules! row {
    ($($words:tt)*) => { $crate::cli::output::fitted_line(format_args!($($words)*)) };
}

/// Prints a line on standard error: [`eprintln!`] that never panics.
macro_rules! note {
    ($($words:tt)*) => { $crate::cli::output::note_line(format_args!($($words)*)) };
}

/// When there are colors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Also into pipes and files
    Always,
    /// Nowhere
    Never,
}

static COLOR: OnceLock<Color> = OnceLock::new();
static OUTPUT: Mutex<Out> = Mutex::new(Out { state: State::Open });

/// Decides when there are colors; the first call counts.
pub(super) fn set_color(color: Color) {
    let _ = COLOR.set(color);
}

/// What a command line says of colors that can't be parsed further.
pub(super) fn wanted_color(arguments: &[OsString]) -> Color {
    let words: Vec<Cow<'_, str>> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let named = words.windows(2).filter(|pair| pair[0] == "--color").map(|pair| pair[1].as_ref());
    let joined = words.iter().filter_map(|word| word.strip_prefix("--color="));
    named.chain(joined).find_map(|word| Color::from_str(word, false).ok()).unwrap_or_default()
}

/// Prints a line; see `say!`.
pub(super) fn line(words: fmt::Arguments<'_>) {
    text(&format!("{words}\n"));
}

/// Prints a line as it fits the terminal; see `row!`.
pub(super) fn fitted_line(words: fmt::Arguments<'_>) {
    let words = words.to_string();
    let words = printable_line(&words);
    text(&match width() {
        Some(width) => fitted(&words, width) + "\n",
        None => format!("{words}\n"),
    });
}

/// Prints text of several lines.
pub(super) fn text(text: &str) {
    output().write(&mut io::stdout().lock(), printable(text).as_bytes());
}

/// Prints a value as one line of JSON.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    text(&(printable_json(&serde_json::to_string(value)?).into_owned() + "\n"));
    Ok(())
}

/// Prints a document: for a pipe or a file byte by byte, for a terminal what is printable of it.
pub(super) fn document(bytes: &[u8]) {
    if io::stdout().is_terminal() {
        text(&String::from_utf8_lossy(bytes));
    } else {
        output().write(&mut io::stdout().lock(), bytes);
    }
}

/// Prints problems as the result of a command.
pub(super) fn problems(problems: &Problems) {
    let shown = problems.pretty(has_color(&io::stdout())) + "\n";
    output().write(&mut io::stdout().lock(), shown.as_bytes());
}

/// Prints a line on standard error; see `note!`.
pub(super) fn note_line(words: fmt::Arguments<'_>) {
    let words = format!("{words}\n");
    let _ = io::stderr().lock().write_all(printable(&words).as_bytes());
}

/// Prints problems, or one of them, on standard error. `pretty` gives them with colors or without.
pub(super) fn note_problems(pretty: impl FnOnce(bool) -> String) {
    let shown = pretty(has_color(&io::stderr())) + "\n";
    let _ = io::stderr().lock().write_all(shown.as_bytes());
}

/// Prints what clap has to say: help and version as a result, what it doesn't understand on standard error.
pub(super) fn usage(error: &clap::Error) {
    let shown = error.render();
    let shown = |color: bool| if color { shown.ansi().to_string() } else { shown.to_string() };
    if error.use_stderr() {
        let _ = io::stderr().lock().write_all(shown(has_color(&io::stderr())).as_bytes());
    } else {
        output().write(&mut io::stdout().lock(), shown(has_color(&io::stdout())).as_bytes());
    }
}

/// Whether anybody reads: what only prints can end when nobody does.
pub(super) fn is_open() -> bool {
    matches!(output().state, State::Open)
}

/// Columns of the terminal; `None` where the output is no terminal.
pub(super) fn width() -> Option<usize> {
    let (terminal_size::Width(width), _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(usize::from(width))
}

/// The exit code at the end: a result that could not be written is no success.
pub(super) fn end(code: ExitCode) -> ExitCode {
    let Some(error) = output().failure() else { return code };
    note!("paperpost: can't write to standard output: {error}");
    if code == ExitCode::SUCCESS { ExitCode::FAILURE } else { code }
}

/// Where the log goes: standard error, each event whole and printable.
pub(super) struct Log;

impl Write for Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        // The log's own colors are the only escapes in it.
        let text = if has_color(&io::stderr()) { printable_in_color(&text) } else { printable(&text).into_owned() };
        let _ = io::stderr().lock().write_all(text.as_bytes());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the log has colors.
pub(super) fn log_has_color() -> bool {
    has_color(&io::stderr())
}

/// A sign of life on a terminal; nothing anywhere else.
pub(super) fn spinner(message: String) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{spinner} {msg} {pos}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::new_spinner().with_style(style).with_message(message);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn output() -> MutexGuard<'static, Out> {
    OUTPUT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn has_color(stream: &impl IsTerminal) -> bool {
    COLOR.get().copied().unwrap_or_default().is_on(stream.is_terminal(), |name| std::env::var_os(name))
}

impl Color {
    fn is_on(self, is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let is_unwanted = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
                is_terminal && !is_unwanted && variable("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }
}

/// What became of standard output. After the first trouble nothing more is written.
struct Out {
    state: State,
}

enum State {
    Open,
    /// The reader has gone, which is its right.
    Closed,
    Failed(io::Error),
}

impl Out {
    fn write(&mut self, stream: &mut impl Write, bytes: &[u8]) {
        if !matches!(self.state, State::Open) {
            return;
        }
        match stream.write_all(bytes).and_then(|()| stream.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.state = State::Closed,
            Err(error) => self.state = State::Failed(error),
        }
    }

    fn failure(&self) -> Option<String> {
        match &self.state {
            State::Failed(error) => Some(error.to_string()),
            State::Open | State::Closed => None,
        }
    }
}

/// What is printable, and the sequences that set colors.
fn printable_in_color(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let mut out = pieces.next().map(|first| printable(first).into_owned()).unwrap_or_default();
    for piece in pieces {
        let parameters = piece.len() - piece.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').len();
        if piece[parameters..].starts_with('m') {
            out.push_str("\u{1b}[");
        }
        out.push_str(&printable(piece));
    }
    out
}

/// At most `width` columns, the last an ellipsis where something is cut.
fn fitted(line: &str, width: usize) -> String {
    if line.width() <= width {
        return line.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let kept = line.chars().take_while(|c| {
        let columns = c.width().unwrap_or(0);
        let fits = columns <= room;
        room = room.saturating_sub(columns);
        fits
    });
    kept.collect::<String>().trim_end().to_owned() + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then fails.
    struct Small(usize, ErrorKind);

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(self.1.into());
            }
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure_and_a_full_disk_is_one() {
        for (kind, failure) in [(ErrorKind::BrokenPipe, false), (ErrorKind::StorageFull, true)] {
            let mut out = Out { state: State::Open };
            let mut stream = Small(3, kind);
            out.write(&mut stream, b"ab");
            assert!(matches!(out.state, State::Open));
            out.write(&mut stream, b"cd");
            assert!(!matches!(out.state, State::Open));
            assert_eq!(out.failure().is_some(), failure, "{kind}");
            stream.0 = 100;
            out.write(&mut stream, b"ef");
            assert_eq!(stream.0, 100, "nothing is written behind a gap");
        }
    }

    #[test]
    fn a_long_line_says_that_it_goes_on() {
        assert_eq!(fitted("a title", 7), "a title");
        assert_eq!(fitted("a long title", 7), "a long…");
        assert_eq!(fitted("机器学习", 8), "机器学习");
        assert_eq!(fitted("机器学习", 7), "机器学…", "three letters of two columns each");
        assert_eq!(fitted("机器学习", 6), "机器…");
    }

    #[test]
    fn a_log_in_color_has_no_other_escapes() {
        let event =
            "\u{1b}[2m2026-11-30\u{1b}[0m \u{1b}[1;31mERROR\u{1b}[0m title=\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}abc\n";
        let shown = "\u{1b}[2m2026-11-30\u{1b}[0m \u{1b}[1;31mERROR\u{1b}[0m title=2J]0;xabc\n";
        assert_eq!(printable_in_color(event), shown);
    }

    #[test]
    fn colors_are_for_terminals_and_for_who_asks() {
        for (color, is_terminal, name, value, is_on) in [
            (Color::Auto, true, "LANG", "C", true),
            (Color::Auto, false, "LANG", "C", false),
            (Color::Auto, true, "NO_COLOR", "1", false),
            (Color::Auto, true, "NO_COLOR", "", true),
            (Color::Auto, true, "TERM", "dumb", false),
            (Color::Always, false, "NO_COLOR", "1", true),
            (Color::Never, true, "LANG", "C", false),
        ] {
            let variable = |asked: &str| (asked == name).then(|| OsString::from(value));
            assert_eq!(color.is_on(is_terminal, variable), is_on, "{color:?} {is_terminal} {name}={value}");
        }
    }

    #[test]
    fn colors_are_known_from_a_command_line_that_is_wrong_elsewhere() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        for (line, color) in [
            ("paperpost stauts", Color::Auto),
            ("paperpost --color never stauts", Color::Never),
            ("paperpost stauts --color=always", Color::Always),
            ("paperpost --color pink", Color::Auto),
        ] {
            assert_eq!(wanted_color(&words(line)), color, "{line}");
        }
    }
}
