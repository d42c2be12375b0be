//! The values that have a meaning of their own: addresses, schedules, zones, expressions, hosts.
//!
//! Each function takes a [`Node`] and gives the parsed type, or what is [`Wrong`] in words that never repeat an address
//! or a secret.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use chrono::NaiveDate;
use url::{Host, Url};

use super::node::{Node, Wrong, nearest, parse_duration};
use crate::core::address::{Address, Mailbox};
use crate::core::host::is_dns_name;
use crate::core::pacing::Rate;
use crate::core::query::Query;
use crate::core::schedule::Schedule;
use crate::core::subscription::{Rank, WhenEmpty};
use crate::core::zone::{self, Zone};

pub(super) fn address(node: &Node) -> Result<Address, Wrong> {
    parse_address(node.text()?)
}

fn parse_address(text: &str) -> Result<Address, Wrong> {
    Address::parse(text).map_err(|error| Wrong::new(format!("the address {error}")))
}

/// Who mails are from, or answers go to: `Name <name@example.org>` or a bare address; the name may be in quotes.
pub(super) fn mailbox(node: &Node) -> Result<Mailbox, Wrong> {
    let text = node.line()?;
    let Some((name, rest)) = text.rsplit_once('<') else {
        return Ok(Mailbox { name: None, address: plain_address(text)? });
    };
    let address = rest.strip_suffix('>').ok_or_else(|| Wrong::new("expected a closing > after the address"))?;
    let name = name.trim();
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name).trim();
    Ok(Mailbox { name: (!name.is_empty()).then(|| name.to_owned()), address: plain_address(address)? })
}

/// An address of ours is in every mail: one server on the way that lacks SMTPUTF8 would refuse them all, for good.
fn plain_address(text: &str) -> Result<Address, Wrong> {
    let address = parse_address(text)?;
    if address.is_internationalized() {
        let hint = "others need SMTPUTF8 (RFC 6531) of every server on the way; the domain may have any letters";
        return Err(Wrong::new("expected plain characters before the @").hint(hint.to_owned()));
    }
    Ok(address)
}

pub(super) fn schedule(node: &Node) -> Result<Schedule, Wrong> {
    Schedule::parse(node.text()?).map_err(|error| Wrong::new(error.message).hint(error.hint))
}

pub(super) fn zone(node: &Node) -> Result<Zone, Wrong> {
    let text = node.text()?.trim();
    Zone::named(text).ok_or_else(|| {
        let wrong = Wrong::new(format!("{text:?} is no time zone; expected an IANA name such as \"Europe/Paris\""));
        wrong.hint(nearest_zone(text).map(|zone| format!("did you mean \"{zone}\"?")))
    })
}

/// A day, as text.
pub(super) fn day(node: &Node) -> Result<NaiveDate, Wrong> {
    let text = node.text()?.trim();
    text.parse().map_err(|_| Wrong::new(format!("{text:?} is no day; expected one such as \"2026-11-16\"")))
}

/// The zone a person probably meant: its city alone (`Berlin`), or a name misspelt.
pub fn nearest_zone(text: &str) -> Option<&'static str> {
    let text = text.replace(' ', "_");
    let city =
        zone::names().find(|name| name.rsplit_once('/').is_some_and(|(_, city)| city.eq_ignore_ascii_case(&text)));
    city.or_else(|| nearest(&text, zone::names()))
}

pub(super) fn query(node: &Node) -> Result<Query, Wrong> {
    Query::parse(node.text()?).map_err(|error| Wrong::new(error.message).hint(error.hint).inside(error.span))
}

pub(super) fn rank(node: &Node) -> Result<Rank, Wrong> {
    node.choice(&[("relevance", Rank::Relevance), ("trending", Rank::Trending), ("newest", Rank::Newest)])
}

pub(super) fn when_empty(node: &Node) -> Result<WhenEmpty, Wrong> {
    node.choice(&[("skip", WhenEmpty::Skip), ("note", WhenEmpty::Note)])
}

/// At least one: an edition that may hold nothing would owe everything for ever.
pub(super) fn max_papers(node: &Node) -> Result<u32, Wrong> {
    let wrong = |wrong: Wrong| match node.integer(0..=0) {
        Ok(_) => wrong.hint("to stop the mails of a subscription, set `paused = true`".to_owned()),
        Err(_) => wrong,
    };
    whole(node, 1, 500).map_err(wrong)
}

pub(super) fn whole(node: &Node, least: u32, most: u32) -> Result<u32, Wrong> {
    let number = node.integer(least.into()..=most.into())?;
    u32::try_from(number).map_err(|error| Wrong::new(error.to_string()))
}

/// So many mails in so long: `10/s`, `100/m`, `2000/h`, `30/10s`.
pub(super) fn rate(node: &Node) -> Result<Rate, Wrong> {
    let expected = "a rate such as \"10/s\", \"100/m\" or \"2000/h\"";
    let text = node.text().map_err(|_| node.expected(expected))?.trim();
    let parsed = text.split_once('/').and_then(|(mails, per)| {
        let per = per.trim();
        // `s` is `1s`.
        let counted =
            if per.starts_with(|c: char| c.is_ascii_alphabetic()) { format!("1{per}") } else { per.to_owned() };
        Some((mails.trim().parse::<u32>().ok()?, parse_duration(&counted)?))
    });
    let Some((mails, per)) = parsed else { return Err(Wrong::new(format!("expected {expected}, found {text:?}"))) };
    if !(1..=1_000_000).contains(&mails) {
        return Err(Wrong::new(format!("expected from 1 to 1000000 mails, found {mails}")));
    }
    if !(Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&per) {
        return Err(Wrong::new(format!("expected mails in a time from 1s to 1d, found {per:?}")));
    }
    Ok(Rate { mails, per: chrono::Duration::from_std(per).unwrap_or(chrono::Duration::days(1)) })
}

/// By how much something grows: above 1, at most 10.
pub(super) fn growth(node: &Node) -> Result<f64, Wrong> {
    let growth = node.positive(10.0)?;
    if growth > 1.0 { Ok(growth) } else { Err(Wrong::new(format!("expected a number above 1, found {growth}"))) }
}

/// An absolute http or https address.
pub(super) fn web_address(node: &Node) -> Result<Url, Wrong> {
    let expected = || Wrong::new("expected an address that begins with https:// or http://");
    let url = Url::parse(node.line()?).map_err(|_| expected())?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(expected()) }
}

/// A web address that paths are put after.
pub(super) fn base_url(node: &Node) -> Result<Url, Wrong> {
    let url = web_address(node)?;
    let more = [
        ("a user or password before the host", !url.username().is_empty() || url.password().is_some()),
        ("a query after `?`", url.query().is_some()),
        ("a fragment after `#`", url.fragment().is_some()),
    ];
    match more.iter().find(|(_, is_there)| *is_there) {
        Some((what, _)) => Err(Wrong::new(format!("expected an address that paths can follow, found {what}"))),
        None => Ok(url),
    }
}

/// Where the keeper of a site that we read can complain: a web or mail address.
pub(super) fn contact(node: &Node) -> Result<String, Wrong> {
    let text = node.line()?;
    let is_mail = Address::parse(text.strip_prefix("mailto:").unwrap_or(text)).is_ok();
    if is_mail || web_address(node).is_ok() {
        Ok(text.to_owned())
    } else {
        Err(Wrong::new("expected a web address that begins with https://, or a mail address"))
    }
}

/// An address of this machine with a port.
pub(super) fn socket_address(node: &Node) -> Result<SocketAddr, Wrong> {
    node.line()?.parse().map_err(|_| Wrong::new("expected an IP address and a port such as \"127.0.0.1:8035\""))
}

/// Letters, digits and hyphens between dots: a DKIM selector, or the domain that signs.
pub(super) fn dns_name(node: &Node) -> Result<String, Wrong> {
    let text = node.line()?;
    if is_dns_name(text) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(Wrong::new("expected a name of letters, digits and hyphens such as \"s2026\" or \"example.org\""))
    }
}

/// A host name or an IP address.
pub(super) fn host(node: &Node) -> Result<String, Wrong> {
    let text = node.line()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<IpAddr>().is_ok() {
        return Ok(bare.to_owned());
    }
    let wrong = || Wrong::new("expected a host name such as \"smtp.example.org\", or an IP address");
    match Host::parse(text).map_err(|_| wrong())? {
        Host::Domain(name) => Ok(name),
        Host::Ipv4(_) | Host::Ipv6(_) => Err(wrong()),
    }
}

/// What EHLO says we are (RFC 5321 section 4.1.1.1): a host name, or an address as a literal, `[192.0.2.1]` or
/// `[IPv6:2001:db8::1]`, whether or not it is written as one.
pub(super) fn ehlo(node: &Node) -> Result<String, Wrong> {
    let text = node.line()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let bare = bare.strip_prefix("IPv6:").unwrap_or(bare);
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Ok(format!("[{address}]")),
        Ok(IpAddr::V6(address)) => Ok(format!("[IPv6:{address}]")),
        Err(_) => idna::domain_to_ascii_strict(text).ok().filter(|name| !name.is_empty()).ok_or_else(|| {
            Wrong::new("expected a host name such as \"mail.example.org\", or an IP address")
                .hint("a host name has letters, digits and hyphens between its dots".to_owned())
        }),
    }
}

/// The identifier of a List-Id (RFC 2919 section 2): a label and a domain, at most 255 octets, without the brackets.
pub(super) fn list_id(node: &Node) -> Result<String, Wrong> {
    let text = node.line()?;
    let atom = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    if text.len() <= 255 && text.contains('.') && text.split('.').all(atom) {
        Ok(text.to_owned())
    } else {
        Err(Wrong::new("expected a label and a domain such as \"papers.example.org\", at most 255 characters"))
    }
}

/// A level, or directives such as `info,paperpost::source=debug`.
pub(super) fn log_level(node: &Node) -> Result<String, Wrong> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let text = node.line()?;
    // A lone word that is no level would be taken for the name of a module.
    let lone = !text.contains(['=', ',']);
    let fits = if lone { LEVELS.contains(&text) } else { tracing_subscriber::EnvFilter::try_new(text).is_ok() };
    if fits {
        return Ok(text.to_owned());
    }
    let wrong = Wrong::new("expected off, error, warn, info, debug or trace, or directives with = and commas");
    Err(wrong.hint(super::node::did_you_mean(text, LEVELS)))
}

#[cfg(test)]
mod tests {
    use super::super::problem::ValuePlace;
    use super::*;
    use crate::core::host::is_loopback;

    fn node(text: &str) -> Node {
        Node::text_at(text, ValuePlace::Default)
    }

    #[test]
    fn a_mailbox_has_a_name_or_none() {
        let read = |text: &str| mailbox(&node(text)).map(|m| (m.name, m.address.reveal())).map_err(|w| w.message);
        let address = || "papers@example.org".to_owned();
        assert_eq!(read("Papers <papers@example.org>"), Ok((Some("Papers".into()), address())));
        assert_eq!(read("\"Papers, daily\" <papers@example.org>"), Ok((Some("Papers, daily".into()), address())));
        assert_eq!(read("<papers@example.org>"), Ok((None, address())));
        assert_eq!(read("papers@example.org"), Ok((None, address())));
        assert_eq!(read("pépé@example.org"), Err("expected plain characters before the @".into()));
        assert!(read("Papers <papers@example.org").is_err_and(|m| m.contains("closing >")));
        assert!(read("Papers <papers>").is_err_and(|m| m == "the address has no @ between a name and a domain"));
        assert!(read("A\r\nBcc: x@example.org <papers@example.org>").is_err());
    }

    #[test]
    fn an_unknown_zone_gets_the_nearest_name() {
        let hint = |text: &str| zone(&node(text)).expect_err("no zone").hint;
        assert_eq!(zone(&node("Europe/Berlin")), Ok(Zone::named("Europe/Berlin").expect("a zone")));
        assert_eq!(hint("Europe/Berln").as_deref(), Some("did you mean \"Europe/Berlin\"?"));
        assert_eq!(hint("berlin").as_deref(), Some("did you mean \"Europe/Berlin\"?"));
        assert_eq!(hint("New York").as_deref(), Some("did you mean \"America/New_York\"?"));
        assert_eq!(hint("!!"), None);
    }

    #[test]
    fn a_rate_is_mails_in_a_time() {
        let read = |text: &str| rate(&node(text)).map(|rate| (rate.mails, rate.per.num_seconds()));
        for (text, expected) in [
            ("10/s", (10, 1)),
            (" 100 / m ", (100, 60)),
            ("2000/h", (2_000, 3_600)),
            ("5/d", (5, 86_400)),
            ("30/10s", (30, 10)),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        for wrong in ["", "10", "10/", "/s", "0/s", "-1/s", "1.5/s", "10/parsec", "1/2d", "1/10ms", "9999999/s"] {
            assert!(read(wrong).is_err_and(|wrong| wrong.message.starts_with("expected ")), "{wrong}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses_and_some_are_loopback() {
        for (text, loopback) in [
            ("smtp.example.org", false),
            ("localhost", true),
            ("mail.localhost", true),
            ("127.0.0.9", true),
            ("[::1]", true),
            ("192.0.2.1", false),
            ("localhost.example.org", false),
        ] {
            assert_eq!(host(&node(text)).map(|host| is_loopback(&host)), Ok(loopback), "{text}");
        }
        for wrong in ["", "smtp example", "smtp://x", "127.1"] {
            assert!(host(&node(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_in_ehlo_is_a_literal() {
        for (text, expected) in [
            ("mail.example.org", "mail.example.org"),
            ("Bücher.example", "xn--bcher-kva.example"),
            ("192.0.2.1", "[192.0.2.1]"),
            ("[192.0.2.1]", "[192.0.2.1]"),
            ("2001:db8::1", "[IPv6:2001:db8::1]"),
            ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
        ] {
            assert_eq!(ehlo(&node(text)).as_deref(), Ok(expected), "{text}");
        }
        for wrong in ["", "bad_name", "-x.example.org", "a b", "[mail.example.org]", "x\r\nMAIL"] {
            assert!(ehlo(&node(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_contact_is_an_address_of_the_web_or_of_mail() {
        for right in ["https://example.org/bot", "mailto:ops@example.org", "ops@example.org"] {
            assert!(contact(&node(right)).is_ok(), "{right}");
        }
        for wrong in ["", "ops", "ftp://example.org", "https://"] {
            assert!(contact(&node(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_misspelt_level_is_not_taken_for_a_module() {
        assert!(log_level(&node("debug")).is_ok() && log_level(&node("info,paperpost::source=debug")).is_ok());
        assert_eq!(log_level(&node("inof")).expect_err("no level").hint.as_deref(), Some("did you mean `info`?"));
        assert!(log_level(&node("paperpost=loud")).is_err());
    }

    #[test]
    fn a_list_id_is_a_label_and_a_domain() {
        assert!(list_id(&node("papers.example.org")).is_ok());
        for wrong in ["papers", "papers..org", "<papers.example.org>", "pap ers.example.org", "pépers.example.org"] {
            assert!(list_id(&node(wrong)).is_err(), "{wrong}");
        }
    }
}
