//! Whether a letter asks to leave, and by what it may prove whose it is.
//!
//! Readers write all kinds of things to the bounce mailbox, and their answers quote our mail with its links. So a letter
//! asks to leave only if its subject, or the first line that its writer wrote, is nothing but a word for leaving.

/// Words for leaving, folded to lower case, without marks at their ends. An entry of several words is matched whole.
const WORDS: [&str; 33] = [
    "unsubscribe",
    "unsubscribe me",
    "please unsubscribe",
    "please unsubscribe me",
    "stop",
    "stop the digest",
    "please stop",
    "leave",
    "remove",
    "remove me",
    "please remove me",
    "cancel",
    "cancel my subscription",
    "opt out",
    "opt-out",
    "optout",
    "signoff",
    "abmelden",
    "bitte abmelden",
    "abbestellen",
    "bitte abbestellen",
    "austragen",
    "désabonner",
    "me désabonner",
    "désabonnez-moi",
    "désinscription",
    "désinscrire",
    "baja",
    "darme de baja",
    "cancelar",
    "disiscrivimi",
    "退订",
    "取消订阅",
];

/// Whether `line` is just a word for leaving. `is_token` tells a token of ours, which may follow it, as in the subject that
/// our mails suggest; signs around and marks of an answer (`Re:`) before it don't matter.
pub fn is_request(line: &str, is_token: impl Fn(&str) -> bool) -> bool {
    let mut text = line.trim();
    while let Some((mark, rest)) = text.split_once(':')
        && ["re", "fwd", "fw", "aw", "sv", "antw", "tr", "rv"].contains(&mark.trim().to_lowercase().as_str())
    {
        text = rest.trim_start();
    }
    let words: Vec<&str> = text.split_whitespace().filter(|word| !is_token(word)).collect();
    let is_edge = |c: char| !c.is_alphanumeric();
    let asked = words.join(" ").to_lowercase();
    WORDS.contains(&asked.trim_matches(is_edge))
}

/// The first line of a letter that its writer wrote: not empty, and neither quoted nor what introduces a quotation.
pub fn first_line(text: &str) -> Option<&str> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.next().filter(|line| !line.starts_with('>') && !line.starts_with("--") && !line.ends_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_word_for_leaving_and_nothing_else() {
        let is_token = |word: &str| word == "TOKEN";
        for line in
            ["unsubscribe", "Unsubscribe TOKEN", "Re: STOP", "Please unsubscribe me.", "\"stop\"!", "Abmelden", "退订"]
        {
            assert!(is_request(line, is_token), "{line}");
        }
        for line in [
            "",
            "thanks!",
            "Re: 3 new papers: Zetta",
            "How do I unsubscribe?",
            "Don't unsubscribe me",
            "Stop words in retrieval",
            "TOKEN",
            "unsubscribe my colleague",
        ] {
            assert!(!is_request(line, is_token), "{line}");
        }
    }

    #[test]
    fn what_is_quoted_is_not_the_writers() {
        assert_eq!(first_line("\n  Stop \n> On Monday"), Some("Stop"));
        assert_eq!(first_line("> unsubscribe\nThanks"), None);
        assert_eq!(first_line("On Monday, Paperpost wrote:\n> unsubscribe"), None);
        assert_eq!(first_line("-- \nunsubscribe"), None);
        assert_eq!(first_line(" \n"), None);
    }
}
