//! A whole run of Paperpost on one machine, without a network or an account.
//!
//! The demo is the real pipeline: it serves two days of sample listings on loopback, reads them over HTTP, diffs,
//! publishes and delivers, with the clock set to yesterday and then to today. Only the samples and the clock are its own.
//! What it leaves behind is a folder with the mails, and with settings and a database that every other command can look
//! at.

pub mod sample;
pub mod site;

use std::cmp::Reverse;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, Days, Duration, Utc};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::format::plural;
use super::output::spinner;
use super::work::describe;
use crate::app;
use crate::clock::Clock;
use crate::compose::Writer;
use crate::config::{self, Settings};
use crate::core::display::display;
use crate::core::matching::reasons;
use crate::core::paper::Paper;
use crate::jobs;
use crate::mail::file::Files;
use crate::source::fetch::Client;
use crate::store::{Mailing, OutboxState, Store};

/// The folder with a page for each paper that a mail links to.
const PAPERS: &str = "papers";

const SUBSCRIPTIONS: &str = include_str!("../../../config/demo.toml");

/// Runs the demo into `folder`. An earlier demo in it is replaced; other files stay.
pub(super) async fn run(folder: &Path) -> anyhow::Result<ExitCode> {
    let today = Clock::System.now().date_naive();
    let yesterday = today - Days::new(1);
    let site = site::DemoSite::start(sample::first(yesterday), sample::second(yesterday, today)).await?;
    prepare(folder, &site.base()).with_context(|| format!("can't write to {}", folder.display()))?;
    let settings = config::load(Some(&folder.join("paperpost.toml")), &[], std::iter::empty())
        .map_err(|problems| anyhow::anyhow!("the demo's own settings are wrong: {problems}"))?;
    let (subscriptions, _) = config::load_subscriptions(&settings)
        .map_err(|problems| anyhow::anyhow!("the demo's own subscriptions are wrong: {problems}"))?;
    let (_lock, store) = app::open(&settings)?;
    let demo = Demo { client: app::client(&settings)?, clock: Clock::fixed(noon(yesterday)), store, settings };
    demo.store.sync(&subscriptions, demo.clock.now())?;

    say!(
        "Paperpost's demo: two days of sample papers, {} subscribers, nothing leaves this machine.",
        subscriptions.len()
    );
    demo.day("Day 1", &folder.join("day-1")).await?;
    site.advance();
    demo.clock.set(noon(today));
    demo.day("Day 2", &folder.join("day-2")).await?;

    let settings = folder.join("paperpost.toml");
    say!("\nThe mails are in {}/day-1 and day-2, as .eml and .html.", folder.display());
    say!("Look further:  paperpost --config {} list", settings.display());
    Ok(ExitCode::SUCCESS)
}

/// After every subscriber's slot of the day, whatever their zone.
fn noon(day: chrono::NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc() + Duration::hours(12)
}

/// The folder with the demo's settings, without what an earlier demo left in it.
fn prepare(folder: &Path, base: &str) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let absent = |result: std::io::Result<()>| match result {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    for name in ["demo.db", "demo.db-wal", "demo.db-shm"] {
        absent(fs::remove_file(folder.join(name)))?;
    }
    for name in ["day-1", "day-2", PAPERS] {
        absent(fs::remove_dir_all(folder.join(name)))?;
        fs::create_dir_all(folder.join(name))?;
    }
    fs::write(folder.join("subscriptions.toml"), SUBSCRIPTIONS)?;
    fs::write(
        folder.join("paperpost.toml"),
        format!(
            "# Made by `paperpost demo`.\n[database]\npath = \"demo.db\"\n\n[subscriptions]\nfiles = [\"subscriptions.toml\"]\n\n\
             [sources.huggingface]\nbase_url = \"{base}\"\ndays = 2\n\n[mail]\nfrom = \"Paperpost <papers@example.org>\"\n\
             transport = \"files\"\n\n[files]\nfolder = \"day-2\"\n"
        ),
    )
}

struct Demo {
    settings: Settings,
    store: Store,
    client: Client,
    clock: Clock,
}

impl Demo {
    /// One day: read, publish, deliver, tell.
    async fn day(&self, name: &str, folder: &Path) -> anyhow::Result<()> {
        let now = self.clock.now();
        say!("\n{name}, {}", now.format("%A, %-d %B %Y"));
        let progress = spinner(format!("{name}: reading, matching, sending …"));
        for source in self.settings.sources.iter().filter(|source| source.enabled) {
            let report = jobs::scrape::run(&self.store, &self.client, source, Duration::zero(), now).await?;
            progress.suspend(|| {
                say!("  {}", describe(&report));
                report.added.iter().for_each(|paper| row!("    + {}", display(&paper.title)));
                report.revised.iter().for_each(|paper| row!("    ~ {}", display(&paper.title)));
            });
        }
        let (mut editions, stop) = (Vec::new(), CancellationToken::new());
        jobs::publish::run(&self.store, &app::publish(&self.settings), now, &stop, |batch| {
            editions.extend_from_slice(&batch.published);
        })?;
        let transport = Arc::new(Files::new(folder)?);
        let deliver = app::deliver(&self.settings, &self.store)?;
        jobs::deliver::run(&self.store, &transport, &deliver, &self.clock, &stop).await?;
        progress.finish_and_clear();
        for edition in &editions {
            let Some(mailing) = self.store.mailing(edition.edition)? else { continue };
            self.tell(&mailing, edition.owed, transport.as_ref(), folder)?;
        }
        let queue = self.store.outbox(&[OutboxState::Queued, OutboxState::Failed], 100)?;
        anyhow::ensure!(queue.is_empty(), "{} mails of the demo could not be written", queue.len());
        Ok(())
    }

    /// A mail to look at, as HTML and as a message, whose links lead to pages beside it: the site that the papers are from
    /// ends with the demo. A message has whole addresses: a mail program doesn't know where its file is.
    fn linked(&self, writer: &Writer, mailing: &Mailing, folder: &Path) -> anyhow::Result<(String, Vec<u8>)> {
        let pages = folder.with_file_name(PAPERS).canonicalize()?;
        let address = |page: &str| {
            let url = Url::from_file_path(pages.join(page));
            url.map_err(|()| anyhow::anyhow!("{} has no address", pages.display()))
        };
        let shown = mailing.papers.iter().flatten().chain(&mailing.also).chain(&mailing.told.left);
        let mut links: Vec<(String, String)> = Vec::new();
        for candidate in self.store.papers_as_of(&shown.copied().collect::<Vec<_>>(), mailing.read)?.into_values() {
            let Paper { key, title, authors, abstract_text, url, code, project, .. } = candidate.paper;
            let page = format!("{}.html", key.arxiv_id().unwrap_or_default());
            fs::write(pages.join(&page), templates::pages::sample(&title, &authors.join(", "), &abstract_text))?;
            links.extend([Some(url), code, project].into_iter().flatten().map(|link| (link, page.clone())));
        }
        // One that begins another goes after it.
        links.sort_by_key(|(link, _)| Reverse(link.len()));
        let mut message = writer.render(mailing)?;
        let mut html = message.html.clone();
        for (link, page) in links {
            let (address, link_in_html) = (address(&page)?, format!("href=\"{link}\""));
            html = html.replace(&link_in_html, &format!("href=\"../{PAPERS}/{page}\""));
            let escaped = address.as_str().replace('&', "&amp;");
            message.html = message.html.replace(&link_in_html, &format!("href=\"{escaped}\""));
            message.text = message.text.replace(&link, address.as_str());
        }
        Ok((html, writer.write_as(mailing, message)?))
    }

    /// Says what one subscriber got and why, and puts the mail where it is found.
    fn tell(&self, mailing: &Mailing, owed: usize, files: &Files, folder: &Path) -> anyhow::Result<()> {
        let writer = Writer::new(self.store.clone(), app::sender(&self.settings, &self.store)?);
        let address = &mailing.subscription.address;
        let count: usize = mailing.papers.iter().map(Vec::len).sum();
        let waiting = if owed > 0 { format!(", {owed} more are owed to later editions") } else { String::new() };
        say!("  {}: {count} {}{waiting}", address.reveal(), plural(count, "paper"));
        let ids: Vec<u32> = mailing.papers.iter().flatten().copied().collect();
        let papers = self.store.papers_as_of(&ids, mailing.read)?;
        for (profile, ids) in mailing.subscription.profiles.iter().zip(&mailing.papers) {
            for candidate in ids.iter().filter_map(|id| papers.get(id)) {
                let because = reasons(profile, candidate).queries.join(", ");
                say!("    • {}\n      because it matches {because}", candidate.paper.title);
            }
        }
        let mail = folder.join(format!("{}.eml", address.local()));
        let (html, message) = self.linked(&writer, mailing, folder)?;
        fs::remove_file(files.path(&mailing.message_id))?;
        fs::write(&mail, message)?;
        fs::write(mail.with_extension("html"), html)?;
        say!("    {} and .html", mail.display());
        Ok(())
    }
}
