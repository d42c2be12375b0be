//! A month and a half of every kind of schedule, cap, pause and fault: what was sent, owed and told is what matched.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, Utc};
use paperpost::store::{OutboxState, Store};

use crate::site::{day, paper};
use crate::smtp::Act;
use crate::world::{Received, World, written_title};

/// A reader: each has a domain of their own, so that what one is refused holds nobody else back.
struct Reader {
    name: &'static str,
    schedule: &'static str,
    max: u32,
    min_upvotes: u32,
    /// Days of the pause, if any.
    pause: Option<(u64, u64)>,
}

const READERS: [Reader; 11] = [
    Reader { name: "daily", schedule: "daily at 08:00", max: 2, min_upvotes: 0, pause: None },
    Reader { name: "one", schedule: "daily at 08:00", max: 1, min_upvotes: 0, pause: None },
    Reader { name: "wide", schedule: "daily at 08:00", max: 50, min_upvotes: 0, pause: None },
    Reader { name: "votes", schedule: "daily at 08:00", max: 3, min_upvotes: 10, pause: None },
    Reader { name: "weekdays", schedule: "weekdays at 07:00", max: 2, min_upvotes: 0, pause: None },
    Reader { name: "weekly", schedule: "weekly on mon at 08:00", max: 5, min_upvotes: 0, pause: None },
    Reader { name: "monthly", schedule: "0 8 1 * *", max: 5, min_upvotes: 0, pause: None },
    Reader { name: "fortnight", schedule: "0 8 1,15 * *", max: 30, min_upvotes: 0, pause: None },
    Reader { name: "paused", schedule: "daily at 08:00", max: 3, min_upvotes: 0, pause: Some((6, 36)) },
    Reader { name: "breather", schedule: "daily at 08:00", max: 2, min_upvotes: 0, pause: Some((10, 14)) },
    Reader { name: "away", schedule: "weekly on fri at 08:00", max: 2, min_upvotes: 0, pause: Some((3, 40)) },
];

impl Reader {
    fn address(&self) -> String {
        format!("ada@{}.example", self.name)
    }

    fn block(&self, date: u64) -> String {
        let is_paused = self.pause.is_some_and(|(from, to)| (from..to).contains(&date));
        format!(
            "email = \"{}\"\nkeywords = [\"retrieval\"]\nschedule = \"{}\"\nmax_papers = {}\nmin_upvotes = {}\npaused = {is_paused}",
            self.address(),
            self.schedule,
            self.max,
            self.min_upvotes
        )
    }
}

/// What a reader can tell from their mails.
#[derive(Default)]
struct Seen {
    cards: BTreeSet<String>,
    /// Papers that are named or counted as left out, given up or cut.
    told: usize,
}

fn seen(mails: Vec<Received>) -> Seen {
    let by_id: BTreeMap<String, Received> = mails.into_iter().map(|mail| (mail.message_id.clone(), mail)).collect();
    let mut seen = Seen::default();
    for mail in by_id.into_values() {
        for title in mail.titles {
            assert!(seen.cards.insert(title.clone()), "twice: {title}");
        }
        let text = mail.text.replace('\n', " ");
        let left = text.split("Left out:").nth(1).unwrap_or_default();
        let left = left.split("Also trending:").next().unwrap_or_default();
        seen.told += left.matches("/papers/").count();
        let number = |before: &str| -> usize {
            let words = text.split(before).next().filter(|head| head.len() < text.len());
            words.and_then(|head| head.split_whitespace().last()).map_or(0, |word| word.parse().expect("a number"))
        };
        let unnamed = left.split("and ").filter_map(|rest| rest.split_once(" more")?.0.parse::<usize>().ok());
        seen.told += unnamed.sum::<usize>();
        for words in [" more papers of these days matched", " more paper of these days matched"] {
            seen.told += number(words);
        }
        for words in [" papers could not be delivered", " paper could not be delivered"] {
            seen.told += number(words);
        }
    }
    seen
}

/// Numbers and titles of the papers that a reader's keywords match and that were known at `at`.
fn matching(world: &World, reader: &Reader, at: DateTime<Utc>) -> BTreeMap<u32, String> {
    let (at, least) = (at.timestamp(), reader.min_upvotes);
    let known: Vec<(u32, Vec<u8>)> = world.database().rows(&format!(
        "SELECT p.id, p.content FROM papers p
         WHERE p.first_seen <= {at} AND (SELECT max(v.upvotes) FROM votes v WHERE v.paper = p.id AND v.at <= {at}) >= {least}"
    ));
    let papers = known.into_iter().map(|(number, content)| (number, written_title(&content)));
    papers.filter(|(_, title)| title.starts_with("Retrieval")).collect()
}

fn check(world: &World, reader: &Reader, seed: u64) {
    let address = reader.address();
    let standing = world.store.standing(&address, 0).expect("a database").expect("a subscription");
    let ledger = standing.ledger;
    let Some(last) = ledger.last else { panic!("{address} never had an edition") };
    let what = format!("seed {seed}, {}", reader.name);
    let matched = matching(world, reader, last);
    let set = |papers: &[u32]| papers.iter().copied().collect::<BTreeSet<u32>>();
    let (sent, told, owed) = (set(&ledger.sent), set(&ledger.settled), set(&ledger.owed));
    let back: BTreeSet<u32> =
        ledger.returned.iter().flat_map(|mail| mail.papers.iter().copied().chain(mail.told.papers())).collect();
    assert_eq!(sent.len(), ledger.sent.len(), "{what}: nothing is sent twice");
    for (one, other) in [(&sent, &told), (&sent, &owed), (&told, &owed)] {
        assert!(one.is_disjoint(other), "{what}: {:?}", one.intersection(other).collect::<Vec<_>>());
    }
    let all: BTreeSet<u32> = sent.iter().chain(&told).chain(&owed).chain(&back).copied().collect();
    let expected: BTreeSet<u32> = matched.keys().copied().collect();
    assert_eq!(all, expected, "{what}: what was sent, told and owed is what matched");
    // And the reader can tell the same from the mails. Of editions that were pruned nobody knows which papers were told.
    let seen = seen(world.mails(&address));
    let titles: BTreeSet<String> = sent.iter().chain(&told).map(|paper| matched[paper].clone()).collect();
    assert!(seen.cards.is_subset(&titles), "{what}: {:?}", seen.cards.difference(&titles).collect::<Vec<_>>());
    assert_eq!(seen.cards.len() + seen.told, sent.len() + told.len(), "{what}: {} cards", seen.cards.len());
    assert!(!seen.cards.is_empty(), "{what}");
}

#[tokio::test]
async fn over_a_month_of_every_schedule_cap_pause_and_fault_what_was_sent_owed_and_told_is_what_matched() {
    for seed in 0..3 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut world = World::new().await;
        let start = day("2026-10-05");
        world.at("2026-10-05 09:00");
        world.subscribe_all(READERS.iter().map(|reader| reader.block(0)).collect());
        let mut votes: Vec<(u64, String, String)> = Vec::new();
        let mut listed = 0;
        for date in 0..46 {
            let today = start + Days::new(date);
            for reader in READERS.iter().filter(|reader| reader.pause.is_some_and(|(a, b)| date == a || date == b)) {
                world.change(&reader.address(), Some(&reader.block(date)));
            }
            for _ in 0..dice.u32(0..9) {
                listed += 1;
                let (id, title) = (format!("2610.{listed:05}"), format!("Retrieval {listed}"));
                let mut entry = paper(&id, &title);
                entry.upvotes = dice.u32(0..15);
                world.site.list(today, entry);
                votes.push((date + 2, id, title));
            }
            // Some get their votes late.
            for (_, id, title) in votes.extract_if(.., |(at, ..)| *at == date).filter(|_| dice.bool()) {
                let mut entry = paper(&id, &title);
                entry.upvotes = 20;
                world.site.list(today - Days::new(2), entry);
            }
            let is_outage = (20..23).contains(&date);
            for hour in ["09:00", "18:00"] {
                world.at(&format!("{today} {hour}"));
                world.scrape().await;
                world.publish();
                if is_outage {
                    world.smtp.will("connect", Act::Close);
                    world.deliver().await;
                    continue;
                }
                if date < 42 {
                    trouble(&mut world, &mut dice, date);
                }
                for _ in 0..5 {
                    if !world.deliver().await.has_more {
                        break;
                    }
                }
                world.smtp.forgives();
            }
            prune_early(&world.store, world.clock.now());
        }
        // What was put off comes.
        for hours in 1..4 {
            world.at(&format!("{} {:02}:30", start + Days::new(45), 18 + hours));
            while world.deliver().await.has_more {}
        }
        READERS.iter().for_each(|reader| check(&world, reader, seed));
    }
}

/// What a mail server says now and then.
fn trouble(world: &mut World, dice: &mut fastrand::Rng, date: u64) {
    let reader = &READERS[dice.usize(..READERS.len())];
    match dice.u32(0..8) {
        0 => world.smtp.refuses(reader.name, "450 4.2.1 busy"),
        // For good: the papers come once more. Two days in a row, for some of the time, so that it happens twice.
        1 => world.smtp.refuses(reader.name, "552 5.2.2 mailbox full"),
        2 => world.smtp.will("body", Act::TakeAndClose),
        3 => world.smtp.will("connect", Act::Close),
        4 => drop_one(world),
        _ if (28..30).contains(&date) => world.smtp.refuses("daily.example", "552 5.2.2 mailbox full"),
        _ => {}
    }
}

/// An operator drops what is first in the queue.
fn drop_one(world: &World) {
    let queued = world.store.outbox(&[OutboxState::Queued], 1).expect("an outbox");
    let numbers: Vec<i64> = queued.iter().map(|entry| entry.mail).collect();
    world.store.drop_mails(&numbers, world.clock.now()).expect("dropped");
}

/// Prunes what is only a week old, so that the ledger has to remember it.
fn prune_early(store: &Store, now: DateTime<Utc>) {
    let before = now - chrono::Duration::days(7);
    store.prune(now, before, 0, 2_000).expect("pruned");
}
