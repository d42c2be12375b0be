//! A server's reply (RFC 5321 section 4.2), read from bytes as they come.
//!
//! Pure: [`Parser::feed`] takes whatever arrived and says how much of it the reply took. What comes out is the same for
//! any cutting of the same bytes. A reply is bounded, in lines and in octets, so a hostile server can't fill the memory;
//! what is no reply is an error, after which the connection is of no use.

use crate::core::delivery::{Fault, Phase};
use crate::mail::one_line;

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// The three digits, 200 to 599.
    pub code: u16,
    /// The enhanced status code (RFC 2034), when there is one whose class agrees with the code.
    pub enhanced: Option<String>,
    /// The text of each line without code, enhanced code and control characters.
    pub lines: Vec<String>,
}

impl Reply {
    /// 2yz: done.
    pub(super) fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 4yz or 5yz: refused.
    pub(super) fn is_negative(&self) -> bool {
        self.code >= 400
    }

    /// The lines as one.
    pub(super) fn text(&self) -> String {
        self.lines.join(" ").trim().to_owned()
    }

    /// What a log or a table shows of it.
    pub(super) fn fault(&self, phase: Phase) -> Fault {
        Fault { phase, code: Some(self.code), enhanced: self.enhanced.clone(), text: one_line(&self.text()) }
    }
}

/// Why bytes are no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Garbage {
    #[error("the server answered with something that is no SMTP reply")]
    NoReply,
    #[error("the server's reply changed its code from line to line")]
    MixedCodes,
    #[error("the server's reply is too long")]
    TooLong,
}

/// A reply in the making.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// The line so far that has no end yet.
    line: Vec<u8>,
    code: Option<u16>,
    enhanced: Option<String>,
    lines: Vec<String>,
}

/// Octets of a line, CRLF included. RFC 5321 section 4.5.3.1.5 allows 512; servers write longer ones.
const MAX_LINE: usize = 2048;

/// Lines of one reply. EHLO's are the longest: a few dozen.
const MAX_LINES: usize = 128;

impl Parser {
    /// Takes what belongs to this reply from the front of `bytes`: how many octets that were, and the reply when they
    /// end it. The parser is then ready for the next one.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(usize, Option<Reply>), Garbage> {
        let mut taken = 0;
        while taken < bytes.len() {
            let rest = &bytes[taken..];
            let end = memchr::memchr(b'\n', rest).map(|at| at + 1);
            let piece = &rest[..end.unwrap_or(rest.len())];
            // Garbage is told as soon as it can't become a code any more, not when a line end comes that may never; and before
            // its length, which in small pieces is met later.
            if !self.line.iter().chain(piece).take(3).all(u8::is_ascii_digit) {
                return Err(Garbage::NoReply);
            }
            if self.line.len() + piece.len() > MAX_LINE {
                return Err(Garbage::TooLong);
            }
            self.line.extend_from_slice(piece);
            taken += piece.len();
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                if self.end_line(&line)? {
                    let done = std::mem::take(self);
                    let code = done.code.ok_or(Garbage::NoReply)?;
                    return Ok((taken, Some(Reply { code, enhanced: done.enhanced, lines: done.lines })));
                }
            }
        }
        Ok((taken, None))
    }

    /// Takes one line with its end; whether it was the reply's last.
    fn end_line(&mut self, line: &[u8]) -> Result<bool, Garbage> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (digits, rest) = line.split_at_checked(3).ok_or(Garbage::NoReply)?;
        let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit.wrapping_sub(b'0')));
        if !digits.iter().all(u8::is_ascii_digit) || !(200..600).contains(&code) {
            return Err(Garbage::NoReply);
        }
        if *self.code.get_or_insert(code) != code {
            return Err(Garbage::MixedCodes);
        }
        let last = match rest.first() {
            None | Some(b' ') => true,
            Some(b'-') => false,
            Some(_) => return Err(Garbage::NoReply),
        };
        if self.lines.len() == MAX_LINES {
            return Err(Garbage::TooLong);
        }
        let text = String::from_utf8_lossy(rest.get(1..).unwrap_or_default());
        let (enhanced, text) = split_enhanced(code, &text);
        if let Some(enhanced) = enhanced {
            self.enhanced = Some(enhanced.to_owned());
        }
        self.lines.push(clean(text));
        Ok(last)
    }
}

/// The codes of all replies in `bytes`, which come in pieces of at most `piece` octets, and what ended the reading: the
/// end, or garbage. For fuzzing.
#[cfg(feature = "testing")]
pub fn reply_codes(bytes: &[u8], piece: usize) -> (Vec<u16>, Option<String>) {
    let (mut codes, mut parser) = (Vec::new(), Parser::default());
    for mut rest in bytes.chunks(piece.max(1)) {
        while !rest.is_empty() {
            match parser.feed(rest) {
                Ok((taken, reply)) => {
                    codes.extend(reply.map(|reply| reply.code));
                    rest = &rest[taken..];
                }
                Err(garbage) => return (codes, Some(garbage.to_string())),
            }
        }
    }
    (codes, None)
}

/// `5.1.1 No such user` in its two parts. The class must be the code's first digit (RFC 2034 section 4).
fn split_enhanced(code: u16, text: &str) -> (Option<&str>, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut numbers = word.split('.');
    let is_number =
        |n: Option<&str>| n.is_some_and(|n| (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()));
    let class = numbers.next();
    let fits = class.is_some_and(|c| c.parse() == Ok(code / 100))
        && is_number(numbers.next())
        && is_number(numbers.next())
        && numbers.next().is_none();
    if fits { (Some(word), rest) } else { (None, text) }
}

/// Without control characters, which a terminal or a log would obey.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(bytes: &[u8]) -> Result<(usize, Option<Reply>), Garbage> {
        Parser::default().feed(bytes)
    }

    fn reply(code: u16, enhanced: Option<&str>, lines: &[&str]) -> Reply {
        Reply { code, enhanced: enhanced.map(Into::into), lines: lines.iter().map(|l| l.to_string()).collect() }
    }

    #[test]
    fn replies_that_servers_send_are_read() {
        for (bytes, expected) in [
            ("250 OK\r\n", reply(250, None, &["OK"])),
            ("250\r\n", reply(250, None, &[""])),
            ("250 lf only\n", reply(250, None, &["lf only"])),
            ("250 2.1.5 Ok\r\n", reply(250, Some("2.1.5"), &["Ok"])),
            ("550 5.1.1\r\n", reply(550, Some("5.1.1"), &[""])),
            ("550 4.1.1 mismatch\r\n", reply(550, None, &["4.1.1 mismatch"])),
            ("250 10.0.0.1 hello\r\n", reply(250, None, &["10.0.0.1 hello"])),
            ("550-5.7.26 blocked\r\n550 5.7.26 for ever\r\n", reply(550, Some("5.7.26"), &["blocked", "for ever"])),
            ("250-\r\n250-SIZE 10\r\n250 x\u{7}\u{1b}[2J\r\n", reply(250, None, &["", "SIZE 10", "x[2J"])),
        ] {
            assert_eq!(parse(bytes.as_bytes()), Ok((bytes.len(), Some(expected))), "{bytes:?}");
        }
        assert_eq!(parse(b"250 a\r\n354 b\r\n"), Ok((7, Some(reply(250, None, &["a"])))), "one at a time");
        assert_eq!(parse(b"250-a\r\n25"), Ok((9, None)));
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        let long = [b"250 ".as_slice(), &[b'x'; MAX_LINE]].concat();
        let many = b"250-x\r\n".repeat(MAX_LINES + 1);
        for (bytes, expected) in [
            (b"garbage".as_slice(), Garbage::NoReply),
            (b"25x", Garbage::NoReply),
            (b"\r\n", Garbage::NoReply),
            (b"25\r\n", Garbage::NoReply),
            (b"250x\r\n", Garbage::NoReply),
            (b"100 \r\n", Garbage::NoReply),
            (b"999 \r\n", Garbage::NoReply),
            (b"250-a\r\n550 b\r\n", Garbage::MixedCodes),
            (&long, Garbage::TooLong),
            (&many, Garbage::TooLong),
        ] {
            assert_eq!(parse(bytes), Err(expected));
        }
    }

    #[test]
    fn what_is_wrong_with_a_long_line_does_not_depend_on_its_pieces() {
        for (begin, expected) in [
            ("no", Garbage::NoReply),
            ("25x", Garbage::NoReply),
            ("250 ", Garbage::TooLong),
            ("250x", Garbage::TooLong),
        ] {
            for end in ["", "\r\n"] {
                let line = format!("{begin}{}{end}", "x".repeat(MAX_LINE));
                for piece in [1, 2, 3, 100, MAX_LINE, line.len()] {
                    let (codes, told) = reply_codes(line.as_bytes(), piece);
                    assert_eq!((codes, told), (Vec::new(), Some(expected.to_string())), "{begin} by {piece}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_cutting_of_any_bytes_reads_the_same(
            bytes in "([245][05][0-4][- ]([245]\\.1\\.1 )?[a-z\u{0}é]{0,8}\r?\n|[ -~]{0,4}){0,6}",
            cuts in prop::collection::vec(0usize..80, 0..6),
        ) {
            let bytes = bytes.as_bytes();
            let whole = Parser::default().feed(bytes);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let mut parser = Parser::default();
            let mut taken = 0;
            for cut in cuts.windows(2) {
                match parser.feed(&bytes[cut[0]..cut[1]]) {
                    Ok((used, None)) => taken += used,
                    Ok((used, Some(reply))) => {
                        prop_assert_eq!(&whole, &Ok((taken + used, Some(reply))));
                        return Ok(());
                    }
                    Err(garbage) => {
                        prop_assert_eq!(whole, Err(garbage));
                        return Ok(());
                    }
                }
            }
            prop_assert_eq!(whole, Ok((bytes.len(), None)));
        }
    }
}
