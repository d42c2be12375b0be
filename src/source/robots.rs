//! What a host's robots.txt lets a crawler read: RFC 9309, parsed and matched without I/O.
//!
//! Only web pages are asked about; an API is meant for programs and has its own limits. Who fetches the file, and for
//! how long its answer holds, is in [`super::fetch`].

use url::Url;

/// What is read of a file; the rest is cut off (RFC 9309 section 2.5 asks for at least 500 KiB).
pub const MAX_BYTES: usize = 500 * 1024;

/// The rules of one host for one crawler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Robots {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    allow: bool,
    /// Normalised: see [`normalized`].
    pattern: String,
}

impl Robots {
    /// Nothing is forbidden: the host has no robots.txt (section 2.3.1.3: any 4xx).
    pub fn allow_all() -> Self {
        Self::default()
    }

    /// The rules of `body` for the crawler named `agent`, a product token like `paperpost`. All groups that name it
    /// are one; when none does, those for `*` hold (section 2.2.1).
    pub fn parse(body: &[u8], agent: &str) -> Self {
        let text = String::from_utf8_lossy(&body[..body.len().min(MAX_BYTES)]);
        let (mut own, mut others, mut named) = (Vec::new(), Vec::new(), false);
        // Whose group the line is in, and whether its list of user agents is still open.
        let (mut for_us, mut for_all, mut in_head) = (false, false, false);
        for line in text.trim_start_matches('\u{FEFF}').split(['\n', '\r']) {
            let line = line.split('#').next().unwrap_or_default();
            let Some((key, value)) = line.split_once(':') else { continue };
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
            match key.as_str() {
                "user-agent" => {
                    if !in_head {
                        (for_us, for_all, in_head) = (false, false, true);
                    }
                    for_all |= value == "*";
                    for_us |= product_token(value).eq_ignore_ascii_case(agent);
                    named |= for_us;
                }
                "allow" | "disallow" => {
                    in_head = false;
                    // An empty pattern matches nothing: `Disallow:` alone forbids nothing.
                    if value.is_empty() {
                        continue;
                    }
                    let rule = Rule { allow: key == "allow", pattern: normalized(value) };
                    if for_us {
                        own.push(rule.clone());
                    }
                    if for_all {
                        others.push(rule);
                    }
                }
                // Other records (Sitemap) don't end a group's head (section 2.2.4).
                _ => {}
            }
        }
        Self { rules: if named { own } else { others } }
    }

    /// Whether the page may be read: the longest pattern that matches decides, and of two equally long ones the one
    /// that allows (section 2.2.2).
    pub fn allows(&self, url: &Url) -> bool {
        let target = match url.query() {
            Some(query) => normalized(&format!("{}?{query}", url.path())),
            None => normalized(url.path()),
        };
        if target == "/robots.txt" {
            return true;
        }
        let matching = self.rules.iter().filter(|rule| matches(&rule.pattern, &target));
        matching.max_by_key(|rule| (rule.pattern.len(), rule.allow)).is_none_or(|rule| rule.allow)
    }
}

/// The product token that a user agent begins with: letters, `-` and `_` (section 2.2.1).
pub fn product_token(user_agent: &str) -> &str {
    let end = user_agent.find(|c: char| !(c.is_ascii_alphabetic() || c == '-' || c == '_'));
    &user_agent[..end.unwrap_or(user_agent.len())]
}

/// `text` with one spelling for each octet, so that patterns and paths compare as the RFC's table in section 2.2.2 has
/// it: unreserved characters in clear, anything outside ASCII percent-encoded, upper-case hexadecimal digits.
fn normalized(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < bytes.len() {
        let escaped = match bytes[i..] {
            [b'%', high, low, ..] => hex(high).zip(hex(low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        i += if escaped.is_some() { 3 } else { 1 };
        match escaped.unwrap_or(bytes[i - 1]) {
            octet if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) => out.push(octet.into()),
            octet if escaped.is_none() && octet.is_ascii_graphic() => out.push(octet.into()),
            octet => out.push_str(&format!("%{octet:02X}")),
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Whether `pattern` matches the beginning of `path`; `*` stands for any octets, a `$` at the end for the path's end.
/// Each piece between the stars is taken where it first occurs, so no pattern can make this slow.
fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, to_the_end) = match pattern.strip_suffix('$') {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let mut pieces = pattern.split('*');
    let Some(mut rest) = path.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return !to_the_end || rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if to_the_end && pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(robots: &str, path: &str) -> bool {
        let url = Url::parse("https://example.org").and_then(|base| base.join(path)).expect("a path");
        Robots::parse(robots.as_bytes(), "paperpost").allows(&url)
    }

    #[test]
    fn the_longest_rule_decides_and_a_tie_allows() {
        let robots = "user-agent: *\ndisallow: /papers\nallow: /papers/date\n";
        assert!(!allows(robots, "/papers/trending"));
        assert!(allows(robots, "/papers/date/2026-01-02"));
        assert!(allows("user-agent: *\ndisallow: /a\nallow: /a\n", "/a"));
        assert!(allows("user-agent: *\ndisallow: /\n", "/robots.txt"));
    }

    #[test]
    fn our_own_groups_count_together_and_replace_the_stars() {
        let robots = "User-Agent: PaperPost/1.0 # us\nDisallow: /a\n\nUser-agent: *\nDisallow: /\n\n\
                      User-agent: other\nUser-agent: paperpost\nSitemap: /s\nDisallow: /b\n";
        assert!(!allows(robots, "/a") && !allows(robots, "/b") && allows(robots, "/c"));
        assert!(allows("User-agent: paperpost\nDisallow:\n\nUser-agent: *\nDisallow: /\n", "/a"));
        assert!(allows("User-agent: paperpost-images\nDisallow: /\n", "/a"));
        assert!(allows("User-agent: other\nDisallow: /\n", "/a"), "no group is ours");
    }

    #[test]
    fn stars_and_the_dollar_match_as_the_rfc_says() {
        for (pattern, path, matched) in [
            ("/", "/a", true),
            ("/a*c", "/abbcd", true),
            ("/a*c$", "/abbcd", false),
            ("/a*c$", "/acc", true),
            ("/*.html$", "/x.html.html", true),
            ("/*.html$", "/x.html?y", false),
            ("*b", "/a/b", true),
            ("/a$", "/ab", false),
            ("/a**", "/a", true),
            ("/a/*/c", "/a/c", false),
            ("/papers?q=", "/papers?q=x", true),
            ("/b", "/a/b", false),
        ] {
            assert_eq!(!allows(&format!("user-agent: *\ndisallow: {pattern}"), path), matched, "{pattern} on {path}");
        }
    }

    #[test]
    fn an_octet_has_one_spelling() {
        for (pattern, path) in [
            ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https://foo.bar"),
            ("/ツ", "/%E3%83%84"),
            ("/%e3%83%84", "/ツ"),
            ("/%62", "/b"),
        ] {
            assert!(!allows(&format!("user-agent: *\ndisallow: {pattern}"), path), "{pattern} on {path}");
        }
        assert!(allows("user-agent: *\ndisallow: /a%2Fb", "/a/b"), "an encoded slash is another octet");
    }

    #[test]
    fn line_ends_marks_and_junk_are_no_trouble() {
        assert!(!allows("\u{FEFF}User-agent: *\rDisallow : /a\r\n<html>\ngarbage", "/a"));
        let long = format!("{}\nuser-agent: *\ndisallow: /", "#".repeat(MAX_BYTES));
        assert!(allows(&long, "/a"), "what lies past the limit is not read");
        assert!(
            Robots::parse(&[0xFF, 0xFE, b'\n'], "paperpost")
                .allows(&Url::parse("https://example.org/").expect("a url"))
        );
    }
}
