//! The command that answers "why did I get this?", "why didn't I?" and "why was it empty?".

mod as_json;

use std::process::ExitCode;

use chrono::{DateTime, NaiveDateTime, Utc};

use super::format::plural;
use super::{files, output};
use crate::app;
use crate::clock::Clock;
use crate::config::Settings;
use crate::core::address::Address;
use crate::core::matching::{Check, Explanation, Finding, Judged, ProfileVerdict};
use crate::core::subscription::WhenEmpty;
use crate::core::zone::Zone;
use crate::explain::{
    self, Case, EditionReport, Fate, Found, Next, Obstacle, Outlook, PaperReport, Role, SectionReport,
};
use crate::source::health;
use crate::store::{KnownPaper, OutboxState, Store};

/// More papers than this of one name are not listed.
const MOST_NAMESAKES: usize = 10;
/// Titles shown for one fate.
const MOST_TITLES: usize = 3;

/// Explains a paper, or the last edition. Nothing moves.
pub(super) fn explain(
    settings: &Settings,
    address: &Address,
    paper: Option<&str>,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let listing = files::read(settings);
    let Some(store) = app::look(settings)? else {
        anyhow::bail!("no papers are known yet: `paperpost scrape` reads them");
    };
    let publish = app::publish(settings);
    let in_file = files::order(&listing, &store, address)?;
    let Some(case) = Case::open(&store, &publish, address, in_file, Clock::System.now())? else {
        anyhow::bail!("{} is not subscribed: `paperpost subscribe` adds it", address.reveal());
    };
    let Some(name) = paper else {
        match as_json {
            true => output::json(&as_json::edition(&case, address)?)?,
            false => explain_edition(&case, address)?,
        }
        return files::code_with(&listing, &store);
    };
    match explain::find(&store, name)? {
        Found::One(paper) if as_json => output::json(&as_json::paper(&case, address, &paper)?)?,
        Found::Nothing(_) if as_json => {
            output::json(&as_json::unclear(address, name, &[]))?;
            return Ok(ExitCode::FAILURE);
        }
        Found::Several(papers) if as_json => {
            output::json(&as_json::unclear(address, name, &papers))?;
            return Ok(ExitCode::FAILURE);
        }
        Found::One(paper) => explain_paper(&case, address, &paper)?,
        Found::Nothing(key) => {
            match key {
                Some(key) => say!("{key} is in no list that was read, so nobody was sent it"),
                None => say!("no paper that was read has \"{name}\" in its title"),
            }
            describe_sources(&store)?;
            return Ok(ExitCode::FAILURE);
        }
        Found::Several(papers) => {
            say!("{} papers have \"{name}\" in their titles; say which:", papers.len());
            for (key, title) in papers.iter().take(MOST_NAMESAKES) {
                row!("  {}  {title}", key.arxiv_id().unwrap_or(key.as_str()));
            }
            if papers.len() > MOST_NAMESAKES {
                say!("  and {} more", papers.len() - MOST_NAMESAKES);
            }
            return Ok(ExitCode::FAILURE);
        }
    }
    files::code_with(&listing, &store)
}

fn explain_paper(case: &Case<'_>, address: &Address, paper: &KnownPaper) -> anyhow::Result<()> {
    let report = case.paper(paper)?;
    let zone = case.subscription().zone;
    let candidate = &paper.candidate;
    say!("{}", candidate.paper.title);
    let listings = candidate.listings.iter().map(|listing| format!("{} of {}", listing.source, listing.day));
    let upvotes = candidate.upvotes().unwrap_or(0);
    say!(
        "{}, on the {} {}, {upvotes} {}, first seen {}",
        candidate.paper.key,
        plural(candidate.listings.len(), "list"),
        listings.collect::<Vec<_>>().join(", "),
        plural(upvotes as usize, "upvote"),
        local(paper.first_seen, zone),
    );
    say!("\n{}: {}", address.reveal(), outlook(case, &report));
    for appearance in &report.appearances {
        let edition = format!("the edition of {}", slot(appearance.slot, zone));
        match &appearance.role {
            Role::Sent(section) if section.is_empty() => say!("  in {edition}: {}", mail(appearance.mail, zone)),
            Role::Sent(section) => say!("  in {edition}, section \"{section}\": {}", mail(appearance.mail, zone)),
            Role::Owed => say!("  owed by {edition}, which was full: over the maximum or the size of a mail"),
            Role::LeftOut => say!("  named as left out by {edition}: {}", mail(appearance.mail, zone)),
            Role::CutAtFirst => {
                say!("  counted by {edition}, a first one, which was full: {}", mail(appearance.mail, zone))
            }
            Role::GivenUp => say!("  given up by {edition}: two mails with it were refused"),
            Role::Also => say!("  under \"also trending\" of {edition}: {}", mail(appearance.mail, zone)),
        }
        if appearance.comes_again {
            say!("    that mail was not delivered: the next edition takes it over");
        }
    }
    describe_absence(case, paper, &report)?;
    if report.is_also_next {
        say!("  the next edition would show its title under \"also trending\"");
    }
    describe_obstacles(case);
    for (name, explanation) in &report.findings {
        let profile = if name.is_empty() { "The profile".to_owned() } else { format!("Section \"{name}\"") };
        say!("\n{profile}: {}", explanation.to_string().trim_end());
    }
    Ok(())
}

/// Why the last edition did not have the paper, where that is a question.
fn describe_absence(case: &Case<'_>, paper: &KnownPaper, report: &PaperReport) -> anyhow::Result<()> {
    let Some(last) = case.last_edition()? else { return Ok(()) };
    if report.outlook == Outlook::Sent || report.appearances.iter().any(|a| a.edition == last.edition.edition) {
        return Ok(());
    }
    let edition = format!("the last edition, of {}", slot(last.edition.slot, last.edition.order.zone));
    match last.fate_of(paper.candidate.id) {
        Some((fate, section)) => say!("  not in {edition}: it {}", fate_words(fate, section, 1)),
        None if paper.first_seen > last.edition.decided => say!("  not in {edition}: it was first seen later"),
        None => say!("  not in {edition}: it was outside the window"),
    }
    Ok(())
}

/// The answer, in one sentence.
fn outlook(case: &Case<'_>, report: &PaperReport) -> String {
    let zone = case.subscription().zone;
    let days = case.window().num_days();
    match report.outlook {
        Outlook::Sent => {
            let sent = report.appearances.iter().find(|appearance| matches!(appearance.role, Role::Sent(_)));
            match sent.and_then(|appearance| appearance.mail) {
                Some((OutboxState::Queued | OutboxState::Claimed, _)) => "chosen, and on its way",
                Some((OutboxState::Failed, _)) => "chosen, but the mail failed, and it does not come again by itself",
                Some((OutboxState::Dropped, _)) => "chosen, but the mail was dropped",
                Some((OutboxState::Merged, _)) => "chosen, and in a newer mail instead",
                Some((OutboxState::Sent, _)) | None => "already sent, and no paper is sent twice",
            }
            .to_owned()
        }
        Outlook::Settled => "settled: it was left out or given up, and never comes".to_owned(),
        Outlook::NotChosen => {
            let reason = |explanation: &Explanation| {
                let lacks_votes = explanation.verdict == ProfileVerdict::TooFewVotes;
                let hope = |until| format!("; it comes once it has them, until {}", local(until, zone));
                let hope = report.waits_until.filter(|_| lacks_votes).map(hope).unwrap_or_default();
                because(explanation) + &hope
            };
            match report.findings.as_slice() {
                [(_, explanation)] => format!("not chosen: {}", reason(explanation)),
                several => {
                    let of_section = |(name, explanation)| format!("\n  section \"{name}\": {}", reason(explanation));
                    let sections: String = several.iter().map(|(name, why)| of_section((name, why))).collect();
                    format!("not chosen by any of the {} sections{sections}", several.len())
                }
            }
        }
        Outlook::BeforeStart { listed, since } => {
            format!("chosen, but listed {listed}, before the subscription's first day {since}")
        }
        Outlook::OutsideWindow => {
            format!(
                "chosen, but outside the window: it was first seen over {days} days ago (digest.window_days, and the schedule)"
            )
        }
        Outlook::Next(place) => format!("chosen. It is number {place} of the next edition, {}", next(case)),
        Outlook::Waits => format!("chosen, but the next edition, {}, is full before it; it stays owed", next(case)),
        Outlook::LeftOut => format!("owed, but the next edition, {}, can only name it as left out", next(case)),
        Outlook::CutAtFirst => {
            format!("chosen, but the first edition, {}, is full before it; it is only counted there", next(case))
        }
    }
}

/// Why a profile doesn't choose a paper, naming what is in the way.
fn because(explanation: &Explanation) -> String {
    let texts = |check, matches| {
        let at_fault = explanation.findings.iter().filter(|f| f.check == check && f.matches == matches);
        at_fault.map(in_short).collect::<Vec<_>>().join(", ")
    };
    match explanation.verdict {
        ProfileVerdict::Chosen => "it is chosen".to_owned(),
        ProfileVerdict::Excluded => format!("it is excluded by {}", texts(Check::Exclude, true)),
        ProfileVerdict::Lacking => format!("it lacks {}, which it must have", texts(Check::Must, false)),
        ProfileVerdict::NoKeyword => format!("no keyword matches: {}", texts(Check::Keyword, false)),
        ProfileVerdict::OtherSource => format!("none of the chosen sources lists it: {}", texts(Check::Sources, false)),
        ProfileVerdict::TooFewVotes => format!("it has too few votes so far for {}", texts(Check::MinUpvotes, false)),
    }
}

/// An expression, and what of it the paper has or lacks, where only some of its clauses decide.
fn in_short(finding: &Finding) -> String {
    let text = &finding.text;
    match finding.clauses.as_slice() {
        [only] if finding.check == Check::MinUpvotes => return only.to_string(),
        [Judged { value: Some(value), .. }] => return format!("`{text}` ({value})"),
        _ => {}
    }
    let named = |clause: &Judged| Judged { is_negated: false, ..clause.clone() }.to_string();
    let at_fault: Vec<&Judged> = finding.clauses.iter().filter(|clause| clause.is_met() == finding.matches).collect();
    if at_fault.len() == finding.clauses.len() {
        return format!("`{text}`");
    }
    // Under a NOT, what the paper has is what speaks against it.
    let (has, lacks): (Vec<&Judged>, Vec<&Judged>) = at_fault.into_iter().partition(|clause| clause.holds);
    let [has, lacks] = [has, lacks].map(|clauses| clauses.into_iter().map(named).collect::<Vec<_>>());
    let has = (!has.is_empty()).then(|| format!("has {}", has.join(", ")));
    let lacks = (!lacks.is_empty()).then(|| format!("lacks {}", lacks.join(", ")));
    match [has, lacks].into_iter().flatten().collect::<Vec<_>>() {
        parts if parts.is_empty() => format!("`{text}`"),
        parts => format!("`{text}` (it {})", parts.join(" and ")),
    }
}

fn explain_edition(case: &Case<'_>, address: &Address) -> anyhow::Result<()> {
    let zone = case.subscription().zone;
    let Some(report) = case.last_edition()? else {
        say!("{}: no edition yet; the next is {}", address.reveal(), next(case));
        describe_obstacles(case);
        return Ok(());
    };
    let edition = &report.edition;
    say!("{}: the last edition, of {}", address.reveal(), slot(edition.slot, edition.order.zone));
    match edition.mail {
        Some(_) => say!("  {}", mail(edition.mail, zone)),
        None if edition.order.when_empty == WhenEmpty::Skip => say!("  no mail: there was nothing new"),
        None => say!("  no mail"),
    }
    say!(
        "  {} {} looked at when it was decided, {}",
        edition.looked_at,
        if edition.looked_at == 1 { "paper was" } else { "papers were" },
        local(edition.decided, zone),
    );
    for section in &report.sections {
        describe_section(section, report.sections.len() > 1);
    }
    if !edition.also.is_empty() {
        say!("  {} more shown under \"also trending\"", edition.also.len());
    }
    if report.counted != edition.looked_at as usize {
        say!("  counted over {} papers: digest.window_days has changed since then", report.counted);
    }
    describe_trouble(&report);
    say!("The next edition is {}", next(case));
    describe_obstacles(case);
    say!("`paperpost explain {} PAPER` explains one paper", address.reveal());
    Ok(())
}

fn describe_section(section: &SectionReport, is_one_of_several: bool) {
    if is_one_of_several {
        say!("  Section \"{}\"", section.name);
    }
    for (fate, papers) in &section.fates {
        say!("  {:>5} {}", papers.len(), fate_words(*fate, section, papers.len()));
        // What was sent is in the mails; what matched nothing is of no interest.
        if !matches!(fate, Fate::Sent | Fate::SentBefore | Fate::ToldBefore | Fate::NoKeyword) {
            for (_, title) in papers.iter().take(MOST_TITLES) {
                row!("          {title}");
            }
            if papers.len() > MOST_TITLES {
                say!("          and {} more", papers.len() - MOST_TITLES);
            }
        }
    }
}

/// What became of so many papers, in words that follow "it" or a number.
fn fate_words(fate: Fate, section: &SectionReport, count: usize) -> String {
    let (was, is) = if count == 1 { ("was", "is") } else { ("were", "are") };
    match fate {
        Fate::Sent => "sent".to_owned(),
        Fate::Owed => {
            format!("matched, and {is} owed to later editions: this one was full")
        }
        Fate::LeftOut => format!("matched, but {was} left out, and the mail says so"),
        Fate::ToldBefore => format!("matched, but {was} left out or given up before"),
        Fate::SentBefore => format!("matched, but {was} already sent"),
        Fate::OtherSection => format!("matched, and {is} in another section"),
        Fate::BeforeStart => format!("matched, but {was} listed before the subscription's first day"),
        Fate::TooFewVotes => format!("matched, but had fewer than {} upvotes then", section.min_upvotes),
        Fate::Excluded => format!("matched, but {was} excluded"),
        Fate::Lacking => {
            "matched, but lacked what they must have".replace("they", if count == 1 { "it" } else { "they" })
        }
        Fate::OtherSource => format!("matched, but {was} in none of the chosen sources"),
        Fate::NotThen => {
            format!("match{} by today's settings, but {was} not chosen then", if count == 1 { "es" } else { "" })
        }
        Fate::NoKeyword => "matched no keyword".to_owned(),
    }
}

/// What the sources had to say for themselves then.
fn describe_trouble(report: &EditionReport) {
    for status in &report.sources {
        if let Some(note) = health::note(status.outcome, status.last_good, status.route) {
            say!("  {}, at that time: {note}", status.source);
        }
    }
}

fn describe_sources(store: &Store) -> anyhow::Result<()> {
    for status in store.sources()? {
        let good = status.last_good.map_or("never".to_owned(), |at| local(at, Zone::UTC));
        say!("  {}: last read {good}, {} papers", status.source, status.items);
    }
    Ok(())
}

fn describe_obstacles(case: &Case<'_>) {
    for obstacle in case.obstacles() {
        match obstacle {
            Obstacle::Paused => say!("but nothing is sent: the subscription is paused"),
            Obstacle::Held => say!("but nothing is sent: it is missing from its file, and held"),
            Obstacle::NotListed => say!("but nothing is sent: the subscriptions file no longer has this address"),
            Obstacle::Consent(word) => say!("but nothing is sent: the subscription is {word}"),
        }
    }
}

fn next(case: &Case<'_>) -> String {
    match case.next() {
        Next::Now(at) => format!("that of {}, due now", slot(at, case.subscription().zone)),
        Next::At(at, _) => format!("due {}", slot(at, case.subscription().zone)),
        Next::Never => "never due: the schedule has no further slot".to_owned(),
    }
}

/// What became of a mail.
fn mail(mail: Option<(OutboxState, DateTime<Utc>)>, zone: Zone) -> String {
    match mail {
        Some((OutboxState::Sent, at)) => format!("its mail was sent {}", local(at, zone)),
        Some((OutboxState::Queued, at)) => format!("its mail is queued, next try {}", local(at, zone)),
        Some((OutboxState::Claimed, _)) => "its mail is being sent".to_owned(),
        Some((OutboxState::Failed, at)) => {
            format!("its mail failed {} (paperpost outbox --state failed)", local(at, zone))
        }
        Some((OutboxState::Dropped, at)) => {
            format!("its mail was dropped {} (paperpost outbox show)", local(at, zone))
        }
        Some((OutboxState::Merged, at)) => {
            format!("its mail was not out {}, when the next edition was decided, which has its papers", local(at, zone))
        }
        None => "it had no mail".to_owned(),
    }
}

/// A slot, and whose clock it is on.
fn slot(slot: NaiveDateTime, zone: Zone) -> String {
    format!("{} {zone}", slot.format("%Y-%m-%d %H:%M"))
}

/// A time as the subscriber's clock shows it.
fn local(at: DateTime<Utc>, zone: Zone) -> String {
    format!("{} {zone}", at.with_timezone(&zone).format("%Y-%m-%d %H:%M"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_an_expression_is_what_it_wants_and_misses_or_shuns_and_finds() {
        let short = |check, text: &str, matches, clauses: &[(&str, bool)]| {
            let judged = |(clause, holds): &(&str, bool)| Judged {
                clause: clause.trim_start_matches('-').to_owned(),
                is_negated: clause.starts_with('-'),
                holds: *holds,
                value: clause.contains('>').then(|| "it has 3".to_owned()),
            };
            let clauses = clauses.iter().map(judged).collect();
            in_short(&Finding { check, text: text.to_owned(), matches, clauses })
        };
        let keyword = |text, clauses: &[(&str, bool)]| short(Check::Keyword, text, false, clauses);
        assert_eq!(keyword("mamba", &[]), "`mamba`");
        assert_eq!(
            keyword("agents -survey", &[("agents", false), ("-survey", false)]),
            "`agents -survey` (it lacks agents)"
        );
        assert_eq!(keyword("a2c OR ppo", &[("a2c", false), ("ppo", false)]), "`a2c OR ppo`");
        assert_eq!(
            keyword("agents -survey", &[("agents", true), ("-survey", true)]),
            "`agents -survey` (it has survey)"
        );
        assert_eq!(
            keyword("(a2c OR ppo) -survey", &[("a2c", false), ("ppo", false), ("-survey", true)]),
            "`(a2c OR ppo) -survey`"
        );
        assert_eq!(keyword("upvotes>5", &[("upvotes>5", false)]), "`upvotes>5` (it has 3)");
        assert_eq!(
            keyword("a2c upvotes>5", &[("a2c", true), ("upvotes>5", false)]),
            "`a2c upvotes>5` (it lacks upvotes>5 (it has 3))"
        );
        assert_eq!(
            short(Check::Exclude, "survey OR review", true, &[("survey", true), ("review", false)]),
            "`survey OR review` (it has survey)"
        );
        assert_eq!(short(Check::MinUpvotes, "upvotes>=5", false, &[("upvotes>=5", false)]), "upvotes>=5 (it has 3)");
    }
}
