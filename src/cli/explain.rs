//! The command that answers "why did I get this?", "why didn't I?" and "why was it empty?".

use std::process::ExitCode;

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;

use super::work::plural;
use super::{refuse, subscriptions, wiring};
use crate::clock::Clock;
use crate::config::Settings;
use crate::core::address::Address;
use crate::core::matching::{Check, Explanation, Verdict};
use crate::core::subscription::WhenEmpty;
use crate::jobs::explain::{
    self, Case, EditionReport, Fate, Found, Next, Obstacle, Outlook, PaperReport, Role, SectionReport,
};
use crate::source::health;
use crate::store::{KnownPaper, OutboxState, Store};

/// More papers than this of one name are not listed.
const MOST_NAMESAKES: usize = 10;

/// Explains a paper, or the last edition. Nothing moves.
pub(super) fn explain(settings: &Settings, address: &Address, paper: Option<&str>) -> anyhow::Result<ExitCode> {
    let in_file = match subscriptions(settings) {
        Ok(subscriptions) => subscriptions.into_iter().find(|subscription| subscription.address == *address),
        Err(problems) => return Ok(refuse(&problems)),
    };
    let Some(store) = wiring::look(settings)? else {
        anyhow::bail!("no papers are known yet: `paperpost scrape` reads them");
    };
    let publish = wiring::publish(settings);
    let Some(case) = Case::open(&store, &publish, address, in_file, Clock::System.now())? else {
        anyhow::bail!("{} is not subscribed: `paperpost subscribe` adds it", address.reveal());
    };
    let Some(name) = paper else {
        explain_edition(&case, address)?;
        return Ok(ExitCode::SUCCESS);
    };
    match explain::find(&store, name)? {
        Found::One(paper) => explain_paper(&case, address, &paper)?,
        Found::Nothing(key) => {
            let known = key.map_or(format!("no paper that was read has \"{name}\" in its title"), |key| {
                format!("{key} is in no list that was read")
            });
            println!("{known}, so nobody was sent it");
            describe_sources(&store)?;
            return Ok(ExitCode::FAILURE);
        }
        Found::Several(papers) => {
            println!("{} papers have \"{name}\" in their titles; say which:", papers.len());
            for (key, title) in papers.iter().take(MOST_NAMESAKES) {
                println!("  {}  {title}", key.arxiv_id().unwrap_or(key.as_str()));
            }
            if papers.len() > MOST_NAMESAKES {
                println!("  and {} more", papers.len() - MOST_NAMESAKES);
            }
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn explain_paper(case: &Case<'_>, address: &Address, paper: &KnownPaper) -> anyhow::Result<()> {
    let report = case.paper(paper)?;
    let zone = case.subscription().zone;
    let candidate = &paper.candidate;
    println!("{}", candidate.paper.title);
    let listings = candidate.listings.iter().map(|listing| format!("{} of {}", listing.source, listing.day));
    println!(
        "{}, on the {} {}, {} upvotes, first seen {}",
        candidate.paper.key,
        plural(candidate.listings.len(), "list"),
        listings.collect::<Vec<_>>().join(", "),
        candidate.upvotes().unwrap_or(0),
        local(paper.first_seen, zone),
    );
    println!("\n{}: {}", address.reveal(), outlook(case, paper, &report));
    for appearance in &report.appearances {
        let edition = format!("the edition of {}", slot(appearance.slot));
        match &appearance.role {
            Role::Sent(section) if section.is_empty() => println!("  in {edition}: {}", mail(appearance.mail, zone)),
            Role::Sent(section) => println!("  in {edition}, section \"{section}\": {}", mail(appearance.mail, zone)),
            Role::Owed => println!("  owed by {edition}, which was full: over the maximum or the size of a mail"),
            Role::Also => println!("  under \"also trending\" of {edition}: {}", mail(appearance.mail, zone)),
        }
    }
    if report.is_also_next {
        println!("  the next edition would show its title under \"also trending\"");
    }
    describe_obstacles(case);
    for (name, explanation) in &report.findings {
        if report.findings.len() > 1 {
            println!("\nSection \"{name}\": {explanation}");
        } else {
            println!("\nThe profile: {explanation}");
        }
    }
    Ok(())
}

/// The answer, in one sentence.
fn outlook(case: &Case<'_>, paper: &KnownPaper, report: &PaperReport) -> String {
    let zone = case.subscription().zone;
    let days = case.window().num_days();
    match report.outlook {
        Outlook::Sent => "already sent, and no paper is sent twice".to_owned(),
        Outlook::NotChosen => {
            let reasons = report.findings.iter().map(|(name, explanation)| match report.findings.len() {
                1 => because(explanation),
                _ => format!("{name}: {}", because(explanation)),
            });
            let until = paper.first_seen + case.window();
            let waits = report.findings.iter().any(|(_, found)| found.verdict == Verdict::TooFewVotes);
            let hope = match waits && until > Clock::System.now() {
                true => format!("; it comes once it has them, until {}", local(until, zone)),
                false => String::new(),
            };
            format!("not chosen. {}{hope}", reasons.collect::<Vec<_>>().join("; "))
        }
        Outlook::BeforeStart { listed, since } => {
            format!("chosen, but listed {listed}, before the subscription's first day {since}")
        }
        Outlook::OutsideWindow => {
            format!("chosen, but outside the window: it was first seen over {days} days ago (digest.window_days)")
        }
        Outlook::Next(place) => format!("chosen. It is number {place} of the next edition, {}", next(case)),
        Outlook::Waits => format!("chosen, but the next edition, {}, is full before it; it stays owed", next(case)),
    }
}

/// Why a profile doesn't choose a paper, naming what is in the way.
fn because(explanation: &Explanation) -> String {
    let texts = |check, matches| {
        let at_fault = explanation.findings.iter().filter(|f| f.check == check && f.matches == matches);
        at_fault.map(|finding| format!("`{}`", finding.text)).collect::<Vec<_>>().join(", ")
    };
    match explanation.verdict {
        Verdict::Chosen => "it is chosen".to_owned(),
        Verdict::Excluded => format!("It is excluded by {}", texts(Check::Exclude, true)),
        Verdict::Lacking => format!("It lacks {}, which it must have", texts(Check::Must, false)),
        Verdict::NoKeyword => format!("No keyword matches: {}", texts(Check::Keyword, false)),
        Verdict::OtherSource => format!("None of its sources lists it: {}", texts(Check::Sources, false)),
        Verdict::TooFewVotes => format!("It has too few votes so far for {}", texts(Check::MinUpvotes, false)),
    }
}

fn explain_edition(case: &Case<'_>, address: &Address) -> anyhow::Result<()> {
    let zone = case.subscription().zone;
    let Some(report) = case.last_edition()? else {
        println!("{}: no edition yet; the next is {}", address.reveal(), next(case));
        describe_obstacles(case);
        return Ok(());
    };
    let edition = &report.edition;
    println!("{}: the last edition, of {} ({zone})", address.reveal(), slot(edition.slot));
    match edition.mail {
        Some(_) => println!("  {}", mail(edition.mail, zone)),
        None if edition.order.when_empty == WhenEmpty::Skip => println!("  no mail: there was nothing new"),
        None => println!("  no mail"),
    }
    println!(
        "  {} {} looked at when it was decided, {}",
        edition.looked_at,
        if edition.looked_at == 1 { "paper was" } else { "papers were" },
        local(edition.decided, zone),
    );
    for section in &report.sections {
        describe_section(section, report.sections.len() > 1);
    }
    if !edition.also.is_empty() {
        println!("  {} more shown under \"also trending\"", edition.also.len());
    }
    if report.counted != edition.looked_at as usize {
        println!("  counted over {} papers: digest.window_days has changed since then", report.counted);
    }
    describe_trouble(&report);
    println!("The next edition is {}", next(case));
    describe_obstacles(case);
    println!("`paperpost explain {} PAPER` explains one paper", address.reveal());
    Ok(())
}

fn describe_section(section: &SectionReport, is_one_of_several: bool) {
    if is_one_of_several {
        println!("  Section \"{}\"", section.name);
    }
    for (fate, count) in &section.fates {
        let words = match fate {
            Fate::Sent => "sent".to_owned(),
            Fate::Owed => "matched, and wait for the next edition: this one was full".to_owned(),
            Fate::SentBefore => "matched, but were already sent".to_owned(),
            Fate::OtherSection => "matched, and stand in another section".to_owned(),
            Fate::BeforeStart => "matched, but were listed before the subscription's first day".to_owned(),
            Fate::TooFewVotes => format!("matched, but had fewer than {} upvotes", section.min_upvotes),
            Fate::Excluded => "matched, but were excluded".to_owned(),
            Fate::Lacking => "matched, but lacked what they must have".to_owned(),
            Fate::OtherSource => "matched, but were in none of the chosen sources".to_owned(),
            Fate::NotThen => "match by today's settings, but were not chosen then".to_owned(),
            Fate::NoKeyword => "matched no keyword".to_owned(),
        };
        println!("  {count:>5} {words}");
    }
}

/// What the sources had to say for themselves then.
fn describe_trouble(report: &EditionReport) {
    for status in &report.sources {
        if let Some(note) = health::note(&status.outcome, status.last_good, status.route) {
            println!("  {}, at that time: {note}", status.source);
        }
    }
}

fn describe_sources(store: &Store) -> anyhow::Result<()> {
    for status in store.sources()? {
        let good = status.last_good.map_or("never".to_owned(), |at| local(at, Tz::UTC) + " UTC");
        println!("  {}: last read {good}, {} papers", status.source, status.items);
    }
    Ok(())
}

fn describe_obstacles(case: &Case<'_>) {
    for obstacle in case.obstacles() {
        match obstacle {
            Obstacle::Paused => println!("but nothing is sent: the subscription is paused"),
            Obstacle::NotListed => println!("but nothing is sent: the subscriptions file no longer has this address"),
            Obstacle::Consent(word) => println!("but nothing is sent: the subscription is {word}"),
        }
    }
}

fn next(case: &Case<'_>) -> String {
    match case.next() {
        Next::Now(at) => format!("that of {}, due now", slot(at)),
        Next::At(at, _) => format!("due {} ({})", slot(at), case.subscription().zone),
        Next::Never => "never due: the schedule has no further slot".to_owned(),
    }
}

/// What became of a mail.
fn mail(mail: Option<(OutboxState, DateTime<Utc>)>, zone: Tz) -> String {
    match mail {
        Some((OutboxState::Sent, at)) => format!("its mail was sent {}", local(at, zone)),
        Some((OutboxState::Queued, at)) => format!("its mail is queued, next try {}", local(at, zone)),
        Some((OutboxState::Claimed, _)) => "its mail is being sent".to_owned(),
        Some((OutboxState::Failed, at)) => {
            format!("its mail failed {} (paperpost outbox --state failed)", local(at, zone))
        }
        Some((OutboxState::Dropped, at)) => {
            format!("its mail was dropped {}: the subscriber had left", local(at, zone))
        }
        None => "it had no mail".to_owned(),
    }
}

fn slot(slot: NaiveDateTime) -> String {
    slot.format("%Y-%m-%d %H:%M").to_string()
}

/// A time as the subscriber's clock shows it.
fn local(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string()
}
