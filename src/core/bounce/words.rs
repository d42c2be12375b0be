//! What the words of a refusal say, apart from any code: a small pattern language and the table of phrases.
//!
//! A pattern is matched against whole words in lower case, so "blocked" in "the recipient's account is blocked" and in
//! "your IP is blocked" are two phrases and not one. Names of hosts and addresses are no words: they may contain anything.
//! No table is complete. So a phrase speaks against a mailbox only where it names the mailbox, and where phrases contradict
//! each other the words are [`Meaning::Mixed`], which nobody is given up for.

/// What is read of a refusal's words, characters: what matters comes early, and the words may be a stranger's.
const LONGEST: usize = 4_000;

/// So many words may lie in a gap of a pattern.
const GAP: usize = 6;

/// What a refusal is about, as far as its words say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The mailbox does not exist, is closed for good, or its domain takes no mail.
    Missing,
    /// The mailbox is full.
    Full,
    /// The mailbox gets more than it may at the moment, from anybody.
    Busy,
    /// The mailbox is meant, but not that it is gone.
    Mailbox,
    /// The recipient's server can't be found or reached.
    Away,
    /// A greylist wants the mail to come again.
    Greylisted,
    /// The trouble passes.
    Later,
    /// The mail is too large.
    Large,
    /// The recipient takes mail from certain senders only.
    Restricted,
    /// The sender, the server it uses, or the mail: policy, standing, authentication.
    Ours,
    /// A limit on how much we may send.
    Limit,
    /// The words contradict each other.
    Mixed,
    /// Nothing that is known.
    Nothing,
}

/// The phrases. ` ` separates words, `|` alternatives, a final `*` stands for any ending, `..` for up to [`GAP`] words of
/// the same sentence.
mod phrases {
    pub(super) const GREYLISTED: &[&str] = &["greylist*|graylist*", "grey|gray list|listed|listing"];

    /// A limit on what is sent, beyond doubt.
    pub(super) const LIMIT_ON_SENDING: &[&str] = &[
        "sending|send|sender|sent|relay|relaying|outgoing|outbound|submission|delivery quota|quotas|limit|limits|rate",
        "submissionquota*",
        "rate limit*|exceeded|control*",
        "throttl*",
        "max emails|messages|mails",
        "sent .. too many",
        "your|you|youve .. daily|hourly .. limit|quota",
        "exceeded .. daily|hourly .. sending",
        "daily|hourly .. sending",
        "slow down",
        "unusual rate",
        "too many connections|sessions|concurrent",
    ];

    /// The same, where it is not said of a mailbox.
    pub(super) const LIMIT: &[&str] = &[
        "too many|much .. hour|day|minute|today|recently",
        "too many messages|emails|mails .. from",
        "too many .. recipients|errors",
        "you|youve|your .. per hour|day|minute|second",
        "exceeded .. per hour|day|minute|second",
        "too fast|quickly|frequently|often",
        "unusual sending|volume|activity",
        "volume of mail|email|messages .. exceeded",
    ];

    pub(super) const BUSY: &[&str] = &[
        "receiving .. rate|quickly|fast|often",
        "receive|receiving|inbound limit|quota|rate",
        "user|mailbox|account .. receiving|received .. too many|much",
    ];

    pub(super) const FULL: &[&str] = &[
        "mailbox|mailboxes|inbox|maildir|quota|mailfolder|folder|storage|disk|account|box .. full",
        "full mailbox|inbox",
        "over|overdrawn|out quota",
        "overquota|quotaexceeded*|mailboxfull",
        "quota .. exceeded|exceeds|full|reached|violation",
        "exceeded|exceeds|exceeding|over .. storage|disk|mailbox|quota",
        "mailbox|mailboxes|user|users|recipient|recipients|account|box|maildir .. exceed*|over|oversize|overfull .. limit|size|allowed|quota|space|storage|maximum",
        "mailbox .. exceeds|exceeded",
        "mailbox size limit",
        "insufficient|lack|no disk|quota|space|storage",
        "not enough|sufficient disk|mailbox|quota|space|storage",
        "disk|storage|mailbox quota|space",
        "doesnt|not have enough .. space|storage",
        "recipient|user|mailbox .. out of .. space|storage|quota",
        "boite|boîte pleine",
        "postfach|mailbox .. voll",
    ];

    pub(super) const MISSING: &[&str] = &[
        // No such mailbox.
        "user|users|usr|recipient|recipients|mailbox|addressee|account|userid|username|alias|localpart unknown|nonexistent|inexistent|invalid",
        "user|recipient|mailbox|addressee|account|address|alias .. is|are|isnt|was|been unknown|nonexistent|invalid",
        "unknown|nonexistent|inexistent|invalid|unrouteable|unroutable|undeliverable|bad|illegal user|users|recipient|recipients|mailbox|address|addresses|account|rcpt|addressee|alias|local|destination|email|username|userid",
        "unknown or illegal|invalid .. alias|user|address|mailbox|recipient",
        "no such .. user|users|mailbox|recipient|address|account|person|alias|addressee|box|customer|inbox",
        "nosuchuser|usernotfound|recipnotfound|exrecipnotfound|recipientnotfound|nosuchmailbox|userunknown",
        "no mailbox|account|user|recipient .. here|by|with|name|named|called",
        "no mailbox|valid mailbox",
        "address|user|mailbox .. marked as invalid",
        "user|users|recipient|recipients|mailbox|account|address|addressee|alias|box|inbox|customer .. not exist|found|known|valid|recognized|recognised|listed",
        "user|users|recipient|mailbox|account|address|addressee|alias|box .. doesnt|didnt|dont exist",
        "user|users|recipient|mailbox|account|address|addressee|alias|box .. cannot|couldnt be found",
        "user|users|recipient|mailbox|account|address|addressee|alias|box .. not be found",
        "user|recipient|mailbox|account|address|addressee .. isnt|wasnt|arent found|known|valid|recognized|listed",
        "account not available",
        "not a|an|our valid|known|local|existing|active|customer .. user|mailbox|recipient|address|account|customer",
        "not a valid|known user|mailbox|recipient|address|account",
        "not our customer|user",
        "doesnt|not have .. account|mailbox",
        "has no .. mailbox|account",
        "not listed in .. directory|book",
        "nobody|no one|noone .. by|with .. name",
        "recipient name is not recognized",
        "address|addressee|mailbox|account|user|recipient|person .. no longer",
        "badrcptto|badrcpt*",
        "000c05a6",
        "empfänger|empfaenger|benutzer|adressat unbekannt",
        "mailbox|postfach|adresse|empfänger .. existiert nicht",
        "destinataire|utilisateur .. inconnu",
        // It is there no more, or takes nothing.
        "account|mailbox|user|recipient|addressee|inbox .. disabled|deactivated|inactive|suspended|terminated|closed|deleted|discontinued|cancelled|canceled|frozen",
        "disabled|deactivated|inactive|suspended|terminated|deleted|expired user|mailbox|account|recipient|address",
        "account|mailbox|user is|has|was expired",
        // RFC 7505: the domain says that it takes no mail.
        "nullmx",
        "null mx",
        "domain .. not|doesnt accept|receive .. mail|email",
    ];

    /// The mailbox again, not we.
    pub(super) const MAILBOX_BLOCKED: &[&str] =
        &["account|mailbox|user|recipient is|was|been blocked|locked|banned", "account|mailbox blocked|locked"];

    /// The same as [`MISSING`] without naming the mailbox: where nothing is said of a host that can't be found.
    pub(super) const MISSING_BY_ITSELF: &[&str] = &[
        "not|doesnt|dont|didnt exist",
        "unknown in|to .. table|directory|server",
        "no longer available|active|valid|here",
    ];

    pub(super) const AWAY: &[&str] = &[
        "host|hosts|domain|domains|name|server|servers|mx|hostname .. not found|resolve*|exist|reachable|responding",
        "host|domain|server|hostname|nameserver|network|destination unknown|unreachable|unavailable",
        "host|domain|server|hostname|mx|hosts .. doesnt|cannot|couldnt|wasnt exist|resolve|found",
        "host|domain|server|hostname|mx|hosts .. cannot|couldnt|not be found",
        "unknown|unresolvable|unreachable|unrouteable|unroutable host|domain|mail|hostname|destination|network",
        "unrouteable mail domain",
        "timed out",
        "timeout|timedout",
        "connection|connect .. refused|reset|lost|closed|dropped|failed|error",
        "no route",
        "no mx",
        "dns .. error|fail*|lookup",
        "name service|lookup",
        "unable|couldnt|failed|cannot|wasnt .. connect|resolve|reach|establish|find .. host|server|connection|domain|mx",
        "find any host",
        "message|mail|delivery .. expired",
        "all hosts|servers .. failing|fail*|down",
    ];

    pub(super) const WENT_ASTRAY: &[&str] =
        &["too many hops", "loops back", "mail|routing|message loop|looping", "queue too long"];

    pub(super) const LARGE: &[&str] = &[
        "message|mail|email|messages|content|attachment|size|it .. too|very large|big|long",
        "too large|big .. message|mail",
        "max*|maximal|maximum .. message|mail|email size|length",
        "message|mail|email size|length",
        "size limit",
        "sizelimit|sendsizelimit|recvsizelimit",
        "exceed* .. message|maximum|max|size",
    ];

    pub(super) const RESTRICTED: &[&str] = &[
        "only accepts|accept|receives|takes|allows .. from",
        "not accept|accepting|receive .. from",
        "doesnt accept|receive .. from",
        "allowed|approved|trusted|authorized senders",
        "not in .. allowed|list .. senders|permitted",
        "authrequired",
        "not .. permission .. post|send",
        "not allowed|permitted|authorized|authorised .. post|group|recipient",
        "moderated|moderator|moderators",
        "members only",
        "restricted|restriction|restrictions",
        "blocked|rejected|refused by .. recipient|user|owner",
    ];

    /// The same as [`OURS`], where a word that follows would speak of the mailbox by itself: another server was asked
    /// for ours.
    pub(super) const OUR_ADDRESS: &[&str] = &[
        "sender verify|verification|callout",
        "verification failed",
        "sender address rejected|invalid",
        "your account",
    ];

    /// What is said of the sender, of its servers, or of the mail.
    pub(super) const OURS: &[&str] = &[
        "blacklist*|blocklist*|denylist*|blackhole*|blackholed|rbl|rbls|dnsbl|dnsbls|rblsmtpd",
        "black|block|deny listed|list|lists|listing",
        "ip|host|client|server|sender|network .. listed|rejected|refused|denied|prohibited|disallowed",
        "spam*|antispam|junk|ube|unsolicited|phish*|bulk",
        "virus|viruses|malware|infected|trojan|worm",
        "policy|policies",
        "reputation|senderscore|score",
        "spf|dkim|dmarc|ptr|rdns|fcrdns|helo|ehlo|arc|starttls|tls|encryption",
        "reverse dns|lookup|record",
        "authenti*|unauthenti*|authoriz*|unauthoriz*|authoris*|unauthoris*|login|password|credentials",
        "sender|originator .. rejected|denied|refused|invalid|unknown|verif*|unverified|domain|exist|not|address|blocked|disabled",
        "senderdenied|sendas*|badmailfrom|rcpthosts",
        "not allowed|permitted|able to|for .. send|relay|use",
        "not .. verified",
        "your domain|ip|server|host|network|provider|address",
        "your message|mail|email .. rejected|blocked|refused|suspicious|denied",
        "relay* access|denied|not|prohibited|refused|attempt|disallowed|restricted",
        "not|no|unable|cannot|dont|wont .. relay|relays|relaying",
        "open relay",
        "access denied",
        "denied",
        "content|attachment|attachments|header|headers|url|urls|link|links|subject .. rejected|blocked|unacceptable|prohibited|forbidden|denied|illegal|not|filter*",
        "content rejected|filter*|restrictions",
        "rejected .. content",
        "malformed|rfc822|rfc2822|rfc5322|mime",
        "suspicious|suspected|suspect|abuse|abusive|complaint|complaints|unwanted",
        "bad|poor|low|untrusted reputation|sender|ip|host",
        "dynamic ip|address|ips",
        "too many|much",
        "exceeded the max",
        "unusual|suspicious .. activity|sending",
    ];

    pub(super) const BLOCKED: &[&str] = &["blocked|blocking|block|banned|ban"];

    /// It passes, or is only a guess.
    pub(super) const PASSING: &[&str] = &["temporar*|transient", "deferred|postponed", "may|might not"];

    /// Something may come of another attempt; of a mailbox that is missing it is said out of politeness.
    pub(super) const AGAIN: &[&str] = &["try|retry|send .. again|later"];

    pub(super) const MAILBOX: &[&str] = &["mailbox|inbox|quota|full|account"];
}

/// Labels of the names of lists of bad senders, and of pages about them: who is sent there is meant.
const BLOCKLISTS: [&str; 21] = [
    "spamhaus",
    "spamcop",
    "barracudacentral",
    "sorbs",
    "uceprotect",
    "abusix",
    "spamrats",
    "mailspike",
    "invaluement",
    "backscatterer",
    "senderbase",
    "senderscore",
    "talosintelligence",
    "blocklist",
    "cloudmark",
    "ipcheck",
    "dnsbl",
    "rbl",
    "surbl",
    "lashback",
    "unsubscore",
];

/// What the words say.
pub(super) fn said(words: &str) -> Meaning {
    use phrases as p;
    let (tokens, is_sent_to_a_list) = tokens(words);
    let any = |patterns: &[&str]| patterns.iter().any(|pattern| is_in(pattern, &tokens));
    let is_away = any(p::AWAY);
    let is_blocked = any(p::MAILBOX_BLOCKED);
    let is_missing = || is_blocked || any(p::MISSING) || !is_away && any(p::MISSING_BY_ITSELF);
    let is_ours = || is_sent_to_a_list || any(p::OURS) || !is_blocked && any(p::BLOCKED);
    match () {
        () if any(p::GREYLISTED) => Meaning::Greylisted,
        () if any(p::WENT_ASTRAY) => Meaning::Away,
        () if any(p::OUR_ADDRESS) => Meaning::Ours,
        () if any(p::BUSY) => Meaning::Busy,
        () if any(p::LIMIT_ON_SENDING) => Meaning::Limit,
        () if any(p::FULL) => Meaning::Full,
        () if any(p::LIMIT) => Meaning::Limit,
        () if is_missing() && any(p::RESTRICTED) => Meaning::Restricted,
        () if is_missing() && (is_ours() || any(p::PASSING)) => Meaning::Mixed,
        () if is_missing() => Meaning::Missing,
        () if any(p::LARGE) => Meaning::Large,
        () if any(p::RESTRICTED) => Meaning::Restricted,
        () if is_ours() => Meaning::Ours,
        () if is_away => Meaning::Away,
        () if any(p::PASSING) || any(p::AGAIN) => Meaning::Later,
        () if any(p::MAILBOX) => Meaning::Mailbox,
        () => Meaning::Nothing,
    }
}

/// Whether the words are those of a directory that knows the recipient not, which say of others that they may not send.
pub(super) fn denies_the_recipient(words: &str) -> bool {
    let (tokens, _) = tokens(words);
    is_in("recipient address rejected", &tokens) && is_in("access denied", &tokens)
}

/// The words in lower case, `.` between sentences and clauses, without names of hosts and addresses; and whether one of
/// those is the name of a list of bad senders.
fn tokens(words: &str) -> (Vec<String>, bool) {
    const END: [char; 6] = ['.', ':', ';', '!', '?', '|'];
    let end = words.char_indices().nth(LONGEST).map_or(words.len(), |(at, _)| at);
    let (mut tokens, mut is_sent_to_a_list) = (Vec::new(), false);
    for word in words[..end].split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        if is_name(bare) {
            let labels = bare.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            is_sent_to_a_list |= labels.map(str::to_ascii_lowercase).any(|label| BLOCKLISTS.contains(&&label[..]));
        } else {
            // "e-mail" and "doesn't" are one word each.
            let joined = bare.replace(['\'', '’', '`'], "").to_lowercase().replace("e-mail", "email");
            tokens.extend(joined.split(|c: char| !c.is_alphanumeric()).filter(|t| !t.is_empty()).map(str::to_owned));
        }
        if word.ends_with(END) && tokens.last().is_some_and(|last| last != ".") {
            tokens.push(".".to_owned());
        }
    }
    (tokens, is_sent_to_a_list)
}

/// An address, a host name, a URL, a number with points.
fn is_name(word: &str) -> bool {
    // Exchange's own words have points between them.
    const WORDS: [&str; 5] = ["RESOLVER.", "STOREDRV.", "ROUTING.", "SMTPSEND.", "QUEUE."];
    let is_of_labels = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '[' | ']');
    let is_words = WORDS.iter().any(|known| word.starts_with(known));
    !is_words && (word.contains('@') || word.contains("://") || word.contains('.') && word.chars().all(is_of_labels))
}

fn is_in(pattern: &str, tokens: &[String]) -> bool {
    let parts: Vec<&str> = pattern.split(' ').collect();
    (0..tokens.len()).any(|from| begins(&parts, &tokens[from..]))
}

fn begins(parts: &[&str], tokens: &[String]) -> bool {
    match parts.split_first() {
        None => true,
        Some((&"..", rest)) => {
            let ends = tokens.iter().take(GAP).take_while(|token| *token != ".").count();
            (0..=ends).any(|gap| begins(rest, &tokens[gap..]))
        }
        Some((part, rest)) => tokens.split_first().is_some_and(|(token, tail)| is(part, token) && begins(rest, tail)),
    }
}

fn is(part: &str, token: &str) -> bool {
    part.split('|').any(|word| match word.strip_suffix('*') {
        Some(start) => token.starts_with(start),
        None => token == word,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_whole_and_gaps_end_with_the_sentence() {
        let is_in = |pattern, words| is_in(pattern, &tokens(words).0);
        assert!(is_in("user unknown", "550 User unknown"));
        assert!(!is_in("block", "the blockade"));
        assert!(is_in("block*", "the blockade"));
        assert!(is_in("your .. blocked", "your mail server was blocked"));
        assert!(!is_in("your .. blocked", "it is your host. Blocked"));
        assert!(!is_in("your .. blocked", "your one two three four five six seven blocked"));
        assert!(is_in("doesnt exist", "it doesn't exist") && is_in("email", "e-mail"));
        assert!(!is_in("spam", "mx.spam.example.org spam@example.org http://spam.example.org/spam [192.0.2.1]"));
    }

    #[test]
    fn one_word_means_one_thing_of_a_mailbox_and_another_of_us() {
        for (words, expected) in [
            ("The recipient account is blocked", Meaning::Missing),
            ("Your IP is blocked", Meaning::Ours),
            ("Mailbox disabled", Meaning::Missing),
            ("Your account is disabled", Meaning::Ours),
            ("Sender address rejected: undeliverable address: User unknown", Meaning::Ours),
            ("No such user, or it only accepts mail from members", Meaning::Restricted),
            ("No such user, and your IP is on a block list", Meaning::Mixed),
            ("The mailbox is temporarily disabled", Meaning::Mixed),
            ("No such user: check the address and try again", Meaning::Missing),
            ("Try again later", Meaning::Later),
            ("The user is over the quota of the mailbox", Meaning::Full),
            ("You are over your sending quota", Meaning::Limit),
            ("Mailbox unavailable", Meaning::Mailbox),
            ("Host unknown", Meaning::Away),
            ("Host or domain name not found", Meaning::Away),
            ("does not exist", Meaning::Missing),
            ("The domain example.org does not exist", Meaning::Away),
            ("see https://www.spamhaus.org/query/ip/192.0.2.1", Meaning::Ours),
            ("mx.spam-filter.example.org: no", Meaning::Nothing),
        ] {
            assert_eq!(said(words), expected, "{words}");
        }
    }

    proptest! {
        #[test]
        fn no_words_are_too_odd(words in "(\\PC|[.:;@ /'-]|user|unknown|[\\r\\n]){0,200}") {
            let _ = said(&words);
        }
    }
}
