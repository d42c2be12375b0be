//! What a DKIM signature is computed over: fields and body in their relaxed canonical forms (RFC 6376 section 3.4), which
//! survive the refolding and respacing that mail servers do.

/// One header field as it is: name, colon, value, its folds inside, without its last line end.
pub(super) type Field<'a> = &'a [u8];

/// The header section and the body, at the first empty line.
pub(super) fn split(message: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memmem::find(message, b"\r\n\r\n") {
        Some(at) => (&message[..at + 2], &message[at + 4..]),
        None => (message, &[]),
    }
}

/// The fields in their order.
pub(super) fn headers(head: &[u8]) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut start = 0;
    for end in memchr::memmem::find_iter(head, b"\r\n") {
        if !matches!(head.get(end + 2), Some(b' ' | b'\t')) {
            fields.push(&head[start..end]);
            start = end + 2;
        }
    }
    fields
}

pub(super) fn name(field: Field<'_>) -> &[u8] {
    field.split(|&b| b == b':').next().unwrap_or_default().trim_ascii_end()
}

/// What the signature is made over (RFC 6376 section 3.7): the named fields, a repeated name standing for the next one
/// up from the bottom and for nothing when there is none left, then the signature's own field with an empty `b=`.
pub(super) fn signed_data(headers: &[Field<'_>], names: &[&str], signature: Field<'_>) -> Vec<u8> {
    let mut data = Vec::with_capacity(2048);
    let mut used = vec![false; headers.len()];
    for wanted in names {
        let next =
            (0..headers.len()).rev().find(|&i| !used[i] && name(headers[i]).eq_ignore_ascii_case(wanted.as_bytes()));
        if let Some(index) = next {
            used[index] = true;
            relaxed_header(&mut data, headers[index]);
            data.extend_from_slice(b"\r\n");
        }
    }
    relaxed_header(&mut data, signature);
    data
}

/// RFC 6376 section 3.4.2: the name in lower case, the value unfolded, its white space single and not at its ends.
fn relaxed_header(out: &mut Vec<u8>, field: Field<'_>) {
    let name = name(field);
    out.extend(name.iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let value = memchr::memchr(b':', field).map_or(&[][..], |at| &field[at + 1..]);
    let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// RFC 6376 section 3.4.4: white space single and not at line ends, no empty lines at the end, a line end at the end of
/// anything else.
pub(super) fn relaxed_body(body: &[u8]) -> Vec<u8> {
    /// Bytes that are looked at together, about.
    const BLOCK: usize = 1_024;
    let mut out = Vec::with_capacity(body.len() + 2);
    let mut rest = body;
    while !rest.is_empty() {
        let near = memchr::memrchr(b'\n', &rest[..rest.len().min(BLOCK)]);
        let end = near.or_else(|| memchr::memchr(b'\n', rest)).map_or(rest.len(), |end| end + 1);
        let (lines, next) = rest.split_at(end);
        rest = next;
        if is_relaxed(lines) {
            out.extend_from_slice(lines);
            continue;
        }
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            relaxed_line(&mut out, line.strip_suffix(b"\r").unwrap_or(line));
            out.extend_from_slice(b"\r\n");
        }
    }
    while out.ends_with(b"\r\n\r\n") || out == b"\r\n" {
        out.truncate(out.len() - 2);
    }
    out
}

/// Whether whole lines stay as they are; most do. Over every pair of neighbours, without a branch.
fn is_relaxed(lines: &[u8]) -> bool {
    let changes = |(a, b): (&u8, &u8)| {
        (*a == b'\t')
            | ((*a == b' ') & ((*b == b' ') | (*b == b'\r')))
            | (*b == b'\t')
            | ((*a == b'\r') != (*b == b'\n'))
    };
    let pairs = lines.iter().zip(lines.get(1..).unwrap_or_default());
    !pairs.fold(false, |any, pair| any | changes(pair)) && lines.first() != Some(&b'\n') && lines.ends_with(b"\n")
}

fn relaxed_line(out: &mut Vec<u8>, line: &[u8]) {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let end = line.iter().rposition(|byte| !is_blank(byte)).map_or(0, |last| last + 1);
    let mut rest = &line[..end];
    // Over every pair of neighbours, without a branch: hardly any line has a gap but at its beginning.
    let has_gap = |rest: &[u8]| {
        let wide = |(a, b): (&u8, &u8)| (*a == b'\t') | ((*a == b' ') & (*b == b' ')) | (*b == b'\t');
        rest.iter().zip(rest.get(1..).unwrap_or_default()).fold(false, |gap, pair| gap | wide(pair))
    };
    while has_gap(rest) {
        let gap = rest.iter().position(is_blank).unwrap_or(rest.len());
        let next = rest[gap..].iter().position(|byte| !is_blank(byte)).map_or(rest.len(), |length| gap + length);
        out.extend_from_slice(&rest[..gap]);
        out.push(b' ');
        rest = &rest[next..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn canonical_forms_are_those_of_rfc_6376() {
        // The example of section 3.4.5.
        let message = b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n";
        let (head, body) = split(message);
        let mut canonical = Vec::new();
        for field in headers(head) {
            relaxed_header(&mut canonical, field);
            canonical.extend_from_slice(b"\r\n");
        }
        assert_eq!(canonical, b"a:X\r\nb:Y Z\r\n");
        assert_eq!(relaxed_body(body), b" C\r\nD E\r\n");
        for (body, expected) in [
            ("", ""),
            ("\r\n\r\n", ""),
            (" \t\r\n", ""),
            ("a", "a\r\n"),
            ("\r\na\r\n", "\r\na\r\n"),
            ("  a b  c\td \r\n\te\r\n", " a b c d\r\n e\r\n"),
            ("a\t", "a\r\n"),
        ] {
            assert_eq!(relaxed_body(body.as_bytes()), expected.as_bytes(), "{body:?}");
        }
    }

    /// The rule of the RFC, octet by octet: the oracle.
    fn plain(body: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(body).replace("\r\n", "\n");
        let mut lines: Vec<String> = text
            .split('\n')
            .map(|line| {
                let mut out = String::new();
                for c in line.chars().map(|c| if c == '\t' { ' ' } else { c }) {
                    if c != ' ' || !out.ends_with(' ') {
                        out.push(c);
                    }
                }
                out.trim_end_matches(' ').to_owned()
            })
            .collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines.iter().map(|line| format!("{line}\r\n")).collect::<String>().into_bytes()
    }

    proptest! {
        #[test]
        fn any_body_is_relaxed_as_the_rfc_has_it(body in "([a-c]| |  |\t|\r\n|\n|d{300}|(efg\r\n){90}){0,60}") {
            prop_assert_eq!(relaxed_body(body.as_bytes()), plain(body.as_bytes()));
        }
    }

    #[test]
    fn a_repeated_name_goes_from_the_bottom_up() {
        let fields: [Field<'_>; 2] = [b"A: upper", b"a: lower"];
        assert_eq!(signed_data(&fields, &["a", "A", "a"], b"S:"), b"a:lower\r\na:upper\r\ns:");
    }
}
