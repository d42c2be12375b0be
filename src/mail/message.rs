//! A message, and what is to be known of its octets before they go over a wire.
//!
//! To know it takes a look at each octet, and a core that has not made the message would have to fetch all of it for that
//! while a server waits. So it is looked at once, where it is made.

use std::borrow::Cow;

/// The octets of a message as RFC 5322 has them: CRLF lines, no dot-stuffing.
#[derive(Clone)]
pub struct Message {
    octets: Vec<u8>,
    lines: Lines,
    is_head_ascii: bool,
    is_body_ascii: bool,
}

/// What the lines are for DATA (RFC 5321 section 4.5.2).
#[derive(Clone, Copy)]
enum Lines {
    /// They may be as they are.
    Fit,
    /// One begins with a dot, or the last one has no end.
    Unfit,
    /// A CR or LF is alone: servers differ on whether it ends a line, and that difference smuggles mails.
    Stray,
}

impl Message {
    /// The message itself.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Whether the header section is ASCII (RFC 6532 allows others).
    pub(super) fn is_head_ascii(&self) -> bool {
        self.is_head_ascii
    }

    /// Whether the body is.
    pub(super) fn is_body_ascii(&self) -> bool {
        self.is_body_ascii
    }

    /// The message as DATA takes it, but for the final dot: dots stuffed, a line end at its end. `None` when a CR or LF
    /// is alone in it.
    pub(super) fn wire_form(&self) -> Option<Cow<'_, [u8]>> {
        match self.lines {
            Lines::Fit => Some(Cow::Borrowed(&self.octets)),
            Lines::Unfit => Some(Cow::Owned(stuffed(&self.octets))),
            Lines::Stray => None,
        }
    }
}

impl From<Vec<u8>> for Message {
    fn from(octets: Vec<u8>) -> Self {
        let (head, body) = octets.split_at(memchr::memmem::find(&octets, b"\r\n\r\n").unwrap_or(octets.len()));
        Self { lines: Lines::of(&octets), is_head_ascii: head.is_ascii(), is_body_ascii: body.is_ascii(), octets }
    }
}

impl Lines {
    fn of(message: &[u8]) -> Self {
        // Over every pair of neighbours, without a branch: a mail has a thousand lines, and hardly ever a dot to stuff.
        let pairs = message.iter().zip(message.get(1..).unwrap_or_default());
        let (stray, dots) = pairs.fold((0, 0), |(stray, dots), (a, b)| {
            let stray = stray | u8::from((*a == b'\r') != (*b == b'\n'));
            (stray, dots | (u8::from(*a == b'\n') & u8::from(*b == b'.')))
        });
        if stray != 0 || message.first() == Some(&b'\n') || message.last() == Some(&b'\r') {
            return Self::Stray;
        }
        let is_whole = message.is_empty() || message.ends_with(b"\r\n");
        if dots == 0 && message.first() != Some(&b'.') && is_whole { Self::Fit } else { Self::Unfit }
    }
}

fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        wire.extend(line.starts_with(b".").then_some(b'.'));
        wire.extend_from_slice(line);
    }
    if !message.ends_with(b"\r\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_stuffed_and_stray_line_ends_refused() {
        for (message, expected) in [
            ("", Some("")),
            ("a\r\n", Some("a\r\n")),
            ("a", Some("a\r\n")),
            (".\r\n..b\r\nc.\r\n", Some("..\r\n...b\r\nc.\r\n")),
            ("a\n.\nb", None),
            ("a\r", None),
            ("a\r.\r\n", None),
            ("a\r\r\n", None),
        ] {
            let known = Message::from(message.as_bytes().to_vec());
            assert_eq!(known.wire_form().as_deref(), expected.map(str::as_bytes), "{message:?}");
            assert_eq!(known.octets(), message.as_bytes());
        }
    }

    #[test]
    fn head_and_body_are_told_apart() {
        for (message, expected) in [
            ("To: a\r\n\r\nb\r\n", [true, true]),
            ("To: é\r\n\r\nb\r\n", [false, true]),
            ("To: a\r\n\r\né\r\n", [true, false]),
            ("To: é\r\n", [false, true]),
        ] {
            let known = Message::from(message.as_bytes().to_vec());
            assert_eq!([known.is_head_ascii(), known.is_body_ascii()], expected, "{message:?}");
        }
    }
}
