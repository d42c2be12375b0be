//! Every key of `paperpost.toml` and its default: the one list that layering, checks and documentation share.

use crate::source::KINDS;

/// The keys with their defaults as TOML; an empty default means that there is none, or that it depends on another key.
/// `*` stands for a source's name or a domain. What only some kinds of source have is in [`KINDS`].
pub(super) const SETTINGS: &[(&str, &str)] = &[
    ("database.path", r#""paperpost.db""#),
    ("subscriptions.files", r#"["subscriptions.toml"]"#),
    ("subscriptions.max_removed", "0.5"),
    ("sources.*.kind", ""),
    ("sources.*.enabled", "true"),
    ("http.contact", ""),
    ("http.connect_timeout", r#""10s""#),
    ("http.timeout", r#""60s""#),
    ("http.max_body", r#""16MiB""#),
    ("http.retries", "3"),
    ("mail.from", r#""Paperpost <paperpost@localhost>""#),
    ("mail.reply_to", ""),
    ("mail.bounce", ""),
    ("mail.list_id", ""),
    ("mail.transport", r#""files""#),
    ("smtp.host", ""),
    ("smtp.port", ""),
    ("smtp.tls", r#""implicit""#),
    ("smtp.auth", r#""password""#),
    ("smtp.username", ""),
    ("smtp.password", ""),
    ("smtp.password_file", ""),
    ("smtp.ca_file", ""),
    ("smtp.connections", "2"),
    ("smtp.mails_per_connection", "100"),
    ("smtp.pipelining", r#""commands""#),
    ("smtp.dsn", "true"),
    ("smtp.connect_timeout", r#""30s""#),
    ("smtp.timeout", r#""5m""#),
    ("smtp.final_timeout", r#""10m""#),
    ("smtp.ehlo", ""),
    ("files.folder", r#""mails""#),
    ("sendmail.command", r#""/usr/sbin/sendmail""#),
    ("pacing.rate", ""),
    ("pacing.per_day", ""),
    ("pacing.start_per_day", ""),
    ("pacing.growth", "1.5"),
    ("pacing.domain_rate", ""),
    ("pacing.domain_per_day", ""),
    ("pacing.domain_connections", "20"),
    ("pacing.backoff", r#""1m""#),
    ("pacing.backoff_max", r#""1h""#),
    ("pacing.domains.*.rate", ""),
    ("pacing.domains.*.per_day", ""),
    ("pacing.domains.*.connections", ""),
    ("digest.window_days", "14"),
    ("digest.max_papers", "20"),
    ("digest.schedule", r#""daily at 08:00""#),
    ("digest.zone", r#""UTC""#),
    ("digest.also_trending", "5"),
    ("digest.when_empty", r#""skip""#),
    ("dkim.domain", ""),
    ("dkim.rsa_selector", ""),
    ("dkim.rsa_key", ""),
    ("dkim.rsa_key_file", ""),
    ("dkim.ed25519_selector", ""),
    ("dkim.ed25519_key", ""),
    ("dkim.ed25519_key_file", ""),
    ("web.listen", ""),
    ("web.base_url", ""),
    ("tokens.key", ""),
    ("tokens.key_file", ""),
    ("bounces.maildir", ""),
    ("bounces.interval", r#""5m""#),
    ("bounces.soft_limit", "5"),
    ("bounces.soft_days", "10"),
    ("privacy.keep_days", "30"),
    ("imap.host", ""),
    ("imap.port", ""),
    ("imap.tls", r#""implicit""#),
    ("imap.auth", r#""password""#),
    ("imap.username", ""),
    ("imap.password", ""),
    ("imap.password_file", ""),
    ("imap.ca_file", ""),
    ("imap.mailbox", r#""INBOX""#),
    ("imap.delete", "false"),
    ("imap.timeout", r#""60s""#),
    ("log.format", r#""text""#),
    ("log.level", r#""info""#),
];

/// The keys that say what is wanted: of a `[[subscription.profile]]`, or of a `[[subscription]]` with just one profile.
pub(super) const PROFILE: &[&str] = &["keywords", "exclude", "must", "min_upvotes", "sources", "max_papers", "rank"];

/// The other keys of a `[[subscription]]`.
pub(super) const SUBSCRIPTION: &[&str] =
    &["email", "name", "schedule", "zone", "since", "paused", "when_empty", "profiles", "profile"];

/// The keys of `[defaults]`.
pub(super) const DEFAULTS: &[&str] =
    &["schedule", "zone", "max_papers", "min_upvotes", "rank", "when_empty", "sources"];

/// The last parts of the keys whose values are secret.
const SECRETS: &[&str] = &["password", "token", "key", "rsa_key", "ed25519_key"];

/// Whether a key is secret, or so like one that it may be a secret's key mistyped.
pub(super) fn sounds_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if name.ends_with("_file") {
        return false;
    }
    let sounds = ["pass", "pwd", "secret", "token", "credential", "_key"].iter().any(|part| name.contains(part));
    let is_near = |secret: &&str| strsim::damerau_levenshtein(secret, &name) <= secret.len() / 4;
    sounds || SECRETS.iter().any(is_near)
}

/// Whether a key of a section with secrets is none that is known to be harmless, nor such a one mistyped.
pub(super) fn may_be_secret(name: &str) -> bool {
    let is_near = |known: &str| strsim::damerau_levenshtein(known, name) <= known.len() / 4;
    sounds_secret(name) || !name.is_empty() && !all().any(|(key, _)| key.rsplit('.').next().is_some_and(is_near))
}

/// The default of a key such as `log.level` or `sources.NAME.days`; `None` for a key that nobody knows.
pub(super) fn find(key: &str) -> Option<&'static str> {
    let own = SETTINGS.iter().find(|(known, _)| matches(known, key)).map(|(_, default)| *default);
    own.or_else(|| {
        let (_, last) = key.strip_prefix("sources.")?.split_once('.')?;
        KINDS.iter().find_map(|about| about.default_of(last))
    })
}

/// The keys that kinds of source have, each once.
pub(super) fn of_kinds() -> impl Iterator<Item = &'static str> {
    let mut keys: Vec<&str> = KINDS.iter().flat_map(|about| about.keys).map(|(key, _)| *key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
}

/// Every key there is, with its default.
pub(super) fn all() -> impl Iterator<Item = (String, &'static str)> {
    let own = SETTINGS.iter().map(|(key, default)| ((*key).to_owned(), *default));
    let of_kinds = of_kinds().map(|key| format!("sources.*.{key}"));
    own.chain(of_kinds.map(|key| (key.clone(), find(&key).unwrap_or_default())))
}

/// The keys that may come right under `section` (`smtp`, `sources.NAME`, or nothing for the top), each once.
/// Empty when there is no such section.
pub(super) fn below(section: &str) -> Vec<&'static str> {
    let mut below: Vec<_> = SETTINGS
        .iter()
        .filter_map(|(known, _)| {
            if section.is_empty() {
                return known.split('.').next();
            }
            let depth = parts(section).count();
            let (cut, _) = known.match_indices('.').nth(depth - 1)?;
            matches(&known[..cut], section).then(|| known[cut + 1..].split('.').next())?
        })
        .collect();
    if section.strip_prefix("sources.").is_some_and(|name| !name.contains('.')) {
        below.extend(of_kinds());
    }
    below.dedup();
    below
}

fn matches(known: &str, key: &str) -> bool {
    let mut known = known.split('.');
    parts(key).all(|part| known.next().is_some_and(|known| known == "*" || known == part)) && known.next().is_none()
}

/// What the dots of a key separate; those of a domain, in its quotes, don't.
pub(super) fn parts(key: &str) -> impl Iterator<Item = &str> {
    let mut in_quotes = false;
    key.split(move |c: char| {
        in_quotes ^= c == '"';
        c == '.' && !in_quotes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_may_have_any_name() {
        assert_eq!(find("sources.any.days"), Some("5"));
        assert!(find("sources.huggingface").is_none());
        assert!(find("pacing.domains.\"example.org\".rate").is_some());
        assert!(find("pacing.domains.example.org.rate").is_none());
        assert_eq!(below("pacing.domains.\"example.org\""), ["rate", "per_day", "connections"]);
        assert!(find("smtp.prot").is_none());
        assert_eq!(below("log"), ["format", "level"]);
        assert_eq!(below("sources"), ["*"]);
        assert_eq!(below("sources.x")[..2], ["kind", "enabled"]);
        assert_eq!(below("")[..3], ["database", "subscriptions", "sources"]);
        assert!(below("nothing").is_empty() && below("smtp.port").is_empty());
    }

    #[test]
    fn what_may_be_in_a_file_of_its_own_is_secret() {
        for (key, _) in all() {
            let has_file = all().any(|(other, _)| other.strip_suffix("_file") == Some(&key));
            let name = key.rsplit('.').next().unwrap_or(&key);
            assert_eq!(SECRETS.contains(&name), has_file, "{key}");
            assert_eq!(sounds_secret(name), has_file, "{key}");
        }
        assert!(["pasword", "passwrod", "tokn", "Password"].into_iter().all(sounds_secret));
    }

    #[test]
    fn every_default_is_toml() {
        for (key, default) in all().filter(|(_, default)| !default.is_empty()) {
            assert!(super::super::node::parse_default(default).is_some(), "{key}");
        }
    }

    #[test]
    fn the_example_shows_every_key_with_its_default() {
        let example = include_str!("../../config/paperpost.toml");
        // `# text` is prose; `#key = value` is a key that is commented out.
        let is_key = |line: &str| line.starts_with('#') && line[1..].starts_with(|c: char| c.is_ascii_lowercase());
        let lines = example.lines().map(|line| if is_key(line) { &line[1..] } else { line });
        let text = lines.collect::<Vec<_>>().join("\n");
        let document = toml_edit::Document::parse(text.as_str()).expect("still TOML with all keys in");
        for (key, default) in all() {
            let path = key.replace('*', if key.starts_with("sources") { "huggingface" } else { "\"example.com\"" });
            let found = parts(&path).try_fold(document.as_item(), |item, part| item.get(part.trim_matches('"')));
            let found = found.unwrap_or_else(|| panic!("config/paperpost.toml doesn't show {key}"));
            // What the example sets on purpose, in the open, may differ.
            let name = key.rsplit('.').next().unwrap_or(&key);
            if !default.is_empty() && !example.contains(&format!("\n{name} = ")) {
                assert_eq!(found.to_string().trim(), default, "{key}");
            }
        }
    }

    #[test]
    fn the_documents_mention_every_key() {
        let guide = include_str!("../../docs/configuration.md");
        for (key, _) in all() {
            let key = key.replace('*', "<name>");
            assert!(guide.contains(&format!("`{key}`")), "docs/configuration.md doesn't mention `{key}`");
        }
        let example = include_str!("../../config/subscriptions.toml");
        for key in [SUBSCRIPTION, PROFILE, DEFAULTS].into_iter().flatten() {
            assert!(guide.contains(&format!("`{key}`")), "docs/configuration.md doesn't mention `{key}`");
            let shown = example.contains(&format!("{key} = ")) || example.contains(&format!("[[subscription.{key}]]"));
            assert!(shown, "config/subscriptions.toml doesn't show {key}");
        }
    }
}
