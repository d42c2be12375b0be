//! A file's text as it may be shown: secrets are covered.
//!
//! A problem shows the line it is about, and that line may hold a password: unquoted, half-quoted, under a mistyped key.
//! So the text is not parsed here, since what is wrong with it is why it is shown. Whatever follows a key that is secret, or
//! that sounds like one, is covered, and in a section with secrets whatever follows an unknown key. So are the user part and the
//! query of a web address. Every byte keeps its place.

use super::keys;

/// `text` with asterisks over its secrets, each as long in bytes as what it covers.
pub(super) fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut covered = Covered::Nothing;
    let mut is_secret: IsSecret = keys::sounds_secret;
    for line in text.split_inclusive('\n') {
        if let (Covered::Nothing | Covered::NextLine, Some(section)) = (covered, line.trim_start().strip_prefix('[')) {
            let has_secrets = SECTIONS.iter().any(|name| section.trim_start().starts_with(name));
            is_secret = if has_secrets { keys::may_be_secret } else { keys::sounds_secret };
        }
        covered = match covered {
            Covered::UntilQuotes(quotes) => inside(line, quotes, is_secret, &mut masked),
            Covered::NextLine if !begins_something(line) => {
                value(line, is_secret, &mut masked);
                if line.trim().is_empty() { Covered::NextLine } else { Covered::Nothing }
            }
            Covered::NextLine | Covered::Nothing => outside(line, is_secret, &mut masked),
        };
    }
    masked
}

/// How the names of sections begin that have secrets.
const SECTIONS: [&str; 5] = ["smtp", "imap", "dkim", "tokens", "sources"];

/// Tells whether a key may be secret.
type IsSecret = fn(&str) -> bool;

/// What a line leaves open.
#[derive(Clone, Copy)]
enum Covered {
    Nothing,
    /// A string of several lines.
    UntilQuotes(&'static str),
    /// A secret key without its value.
    NextLine,
}

/// A line within a string of several lines.
fn inside(line: &str, quotes: &'static str, is_secret: IsSecret, out: &mut String) -> Covered {
    match line.find(quotes) {
        Some(end) => {
            cover(&line[..end], out);
            out.push_str(quotes);
            outside(&line[end + quotes.len()..], is_secret, out)
        }
        None => {
            cover(line, out);
            Covered::UntilQuotes(quotes)
        }
    }
}

/// A line that begins outside of any secret.
fn outside(line: &str, is_secret: IsSecret, out: &mut String) -> Covered {
    let Some(start) = secret_value(line, is_secret) else {
        web_addresses(line, out);
        return Covered::Nothing;
    };
    out.push_str(&line[..start]);
    value(&line[start..], is_secret, out)
}

/// What follows a secret key. The signs before the value stay, so that a missing quote still shows.
fn value(rest: &str, is_secret: IsSecret, out: &mut String) -> Covered {
    let text = rest.trim_start_matches([' ', '\t', '=', '"', '\'', '\r', '\n']);
    let (signs, text) = rest.split_at(rest.len() - text.len());
    out.push_str(signs);
    let quotes = ["\"\"\"", "'''"].into_iter().find(|quotes| signs.contains(quotes));
    match quotes {
        Some(quotes) => inside(text, quotes, is_secret, out),
        None => {
            cover(text, out);
            if text.is_empty() && !signs.contains(['"', '\'']) { Covered::NextLine } else { Covered::Nothing }
        }
    }
}

/// Covers all but line ends.
fn cover(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(c),
            _ => out.extend(std::iter::repeat_n('*', c.len_utf8())),
        }
    }
}

/// A line that says nothing secret, but for a name and password before the host of a web address, and what is in its query.
fn web_addresses(line: &str, out: &mut String) {
    let mut rest = line;
    while let Some(scheme) = rest.find("://") {
        let (before, after) = rest.split_at(scheme + 3);
        out.push_str(before);
        let authority = after.find(['/', '?', '#', '"', '\'', ' ', '\t', '\r', '\n']).unwrap_or(after.len());
        let user = after[..authority].rfind('@').unwrap_or(0);
        cover(&after[..user], out);
        rest = &after[user..];
        let end = rest.find(['"', '\'', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
        if let Some(query) = rest[..end].find('?') {
            out.push_str(&rest[..=query]);
            cover(&rest[query + 1..end], out);
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
}

/// Where the value of the first secret key in `line` starts.
fn secret_value(line: &str, is_secret: IsSecret) -> Option<usize> {
    let mut quote = None;
    let mut is_key_due = true;
    let mut is_first = true;
    let mut at = 0;
    while let Some(c) = line[at..].chars().next() {
        if is_key_due && quote.is_none() && !c.is_whitespace() {
            let (name, end) = last_part(line, at);
            let is_assigned = line[end..].trim_start().starts_with('=');
            // In the middle of a line only an assignment tells a key from a value.
            if is_secret(name) && (is_first || is_assigned) {
                return Some(end);
            }
            (is_key_due, is_first) = (false, false);
            if is_assigned {
                at = end;
                continue;
            }
        }
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '{' | ',' | ' ' | '\t') => is_key_due = true,
            _ => {}
        }
        at += c.len_utf8();
    }
    None
}

/// The last part of the dotted key at `start`, without quotes, and where the key ends.
fn last_part(line: &str, start: usize) -> (&str, usize) {
    let mut at = start;
    loop {
        let rest = &line[at..];
        let (name, length) = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => match rest[1..].find(quote) {
                Some(end) => (&rest[1..=end], end + 2),
                None => (rest, rest.len()),
            },
            _ => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
                let end = end.unwrap_or(rest.len());
                (&rest[..end], end)
            }
        };
        let after = line[at + length..].trim_start_matches([' ', '\t']);
        match after.strip_prefix('.') {
            Some(next) if length > 0 => at = line.len() - next.trim_start_matches([' ', '\t']).len(),
            _ => return (name, at + length),
        }
    }
}

/// Whether a line begins a key, a table or a comment, and so goes on with no value of the line before.
fn begins_something(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with(['[', '#']) || line.contains('=')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whatever_follows_a_secret_key_is_covered() {
        for (line, shown) in [
            ("password = \"hunter2\"", "password = \"********"),
            ("password = hunter2", "password = *******"),
            ("password hunter2", "password *******"),
            ("password: hunter2", "password*********"),
            ("  pasword=\"hunter2", "  pasword=\"*******"),
            ("smtp.password = 'hunter2' # mine", "smtp.password = '***************"),
            ("smtp . \"password\" = 'hunter2'", "smtp . \"password\" = '********"),
            ("smtp = { host = \"a\", password = \"hunter2\" }", "smtp = { host = \"a\", password = \"**********"),
            ("auth = \"plain\", password = \"hunter2\"", "auth = \"plain\", password = \"********"),
            ("token = \"hf_é\"", "token = \"******"),
            ("api_key = 1", "api_key = *"),
            ("password =\n  hunter2\nhost = \"a\"", "password =\n  *******\nhost = \"a\""),
            ("password = \"\"\"\nhunter2\n\"\"\"\nhost = 1", "password = \"\"\"\n*******\n\"\"\"\nhost = 1"),
            ("rsa_key = '''a\nb", "rsa_key = '''*\n*"),
            ("username=u password=hunter2", "username=u password=*******"),
            ("username = \"u\" password = \"hunter2\"", "username = \"u\" password = \"********"),
            ("username\tu\tapi_key=hunter2", "username\tu\tapi_key=*******"),
            ("[smtp]\npass = \"hunter2\"", "[smtp]\npass = \"********"),
            ("smtp.pass = \"hunter2\"", "smtp.pass = \"********"),
            ("[ imap ]\nlogin = \"ada:hunter2\"", "[ imap ]\nlogin = \"************"),
            ("[sources.lab]\nbearer = 'hunter2'", "[sources.lab]\nbearer = '********"),
            ("url = \"https://example.org/?token=hunter2\"", "url = \"https://example.org/?*************\""),
            ("url = \"https://ada:hunter2@example.org/x\"", "url = \"https://***********@example.org/x\""),
        ] {
            assert_eq!(masked(line), shown, "{line}");
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for line in [
            "password_file = \"smtp-password\"",
            "tokens.key_file = \"key\"",
            "keywords = [\"token AND\", '\"key-value cache\"', \"password\"]",
            "name = \"password = hunter\"",
            "[tokens]",
            "[smtp]\nhots = \"mail.example.org\"\nusername = \"papers\"",
            "rsa_selector = \"key\"",
            "base_url = \"https://example.org/@ada\"",
            "from = \"Papers <papers@example.org>\"",
        ] {
            assert_eq!(masked(line), line);
        }
    }

    proptest! {
        #[test]
        fn every_line_and_byte_keeps_its_place(text in "(password|token|a|\\.|=| |\"|'|é|\n|\\{|,|://|@){0,20}") {
            let masked = masked(&text);
            prop_assert_eq!(masked.len(), text.len());
            let ends = |text: &str| text.match_indices('\n').map(|(at, _)| at).collect::<Vec<_>>();
            prop_assert_eq!(ends(&masked), ends(&text));
        }
    }
}
