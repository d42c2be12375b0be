//! A database of every version there ever was, brought up to date: nothing in it is lost, and no paper comes twice.

use std::path::Path;

use paperpost::core::paper::{PaperKey, Route};
use paperpost::core::subscription::Consent;
use paperpost::store::OutboxState;
use rusqlite::ToSql;

use crate::database::{Database, VERSIONS};
use crate::site::{day, paper};
use crate::world::{World, utc};

const READERS: [&str; 3] = ["ada@example.org", "bob@example.org", "cyd@example.org"];

fn block(reader: &str) -> String {
    format!("email = \"{reader}\"\nkeywords = [\"retrieval\"]\nschedule = \"daily at 08:00\"\nzone = \"UTC\"")
}

fn content(number: u32, title: &str) -> String {
    let id = format!("2611.{number:05}");
    let url = format!("https://example.org/papers/{id}");
    format!(r#"{{"key":"arxiv:{id}","title":"{title}","abstract_text":"An abstract about {title}.","url":"{url}"}}"#)
}

/// What the readers ordered, and its hash.
async fn definition() -> (Vec<u8>, String) {
    let mut world = World::new().await;
    world.subscribe(&block(READERS[0]));
    world.database().rows("SELECT hash, text FROM definitions").remove(0)
}

/// A database as the program of `version` left it. Paper 1 was sent to Ada, and is in a mail to Bob that waits; paper 2 is owed
/// to both; paper 3 came after that, and so did another title of paper 1. Cyd has left.
fn old_database(path: &Path, version: usize, (hash, text): &(Vec<u8>, String)) {
    let database = Database::of_version(path, 1);
    let run = |sql: &str, parameters: &[&dyn ToSql]| assert_eq!(database.change(sql, parameters), 1, "{sql}");
    let at = |time: &str| utc(time).timestamp();
    run("INSERT INTO meta (key, value) VALUES ('database', randomblob(16))", &[]);
    run("INSERT INTO definitions (id, hash, text) VALUES (1, ?, ?)", &[hash, text]);
    for (read, time) in [(1, "2026-11-22 07:00"), (2, "2026-11-22 09:00")] {
        let sql =
            "INSERT INTO reads (id, source, at, outcome, route, items) VALUES (?, 'huggingface', ?, 'fresh', 'api', 3)";
        run(sql, &[&read, &at(time)]);
    }
    for (number, title, read) in
        [(1, "Retrieval at any scale", 1), (2, "Retrieval that is owed", 1), (3, "Retrieval that came later", 2)]
    {
        let (key, content) = (format!("arxiv:2611.{number:05}"), content(number, title));
        let sql = "INSERT INTO papers (id, key, content, read, first_seen) VALUES (?, ?, ?, ?, ?)";
        run(sql, &[&number, &key, &content, &read, &at("2026-11-22 07:00")]);
        let sql = "INSERT INTO listings (paper, source, day, rank, upvotes, read) VALUES (?, 'huggingface', '2026-11-22', ?, 9, ?)";
        run(sql, &[&number, &number, &read]);
        let sql = "INSERT INTO votes (paper, source, read, at, upvotes) VALUES (?, 'huggingface', ?, ?, 9)";
        run(sql, &[&number, &read, &at("2026-11-22 07:00")]);
    }
    run("INSERT INTO revisions (paper, read, content) VALUES (1, 2, ?)", &[&content(1, "Retrieval at scale")]);
    run("INSERT INTO stars (paper, read, stars) VALUES (1, 1, 152)", &[]);
    for (id, reader) in (1..).zip(READERS) {
        let consent = if id == 3 { "withdrawn" } else { "confirmed" };
        let sql = "INSERT INTO subscriptions (id, token, address, address_key, definition, origin, consent, created, since, last_slot, next_at)
                   VALUES (?1, randomblob(16), ?2, ?2, 1, 'file', ?3, ?4, '2026-11-20', '2026-11-22T08:00', ?5)";
        run(sql, &[&id, &reader, &consent, &at("2026-11-20 12:00"), &at("2026-11-23 08:00")]);
    }
    for (id, state, message) in [(1, "sent", "one@example.org"), (2, "queued", "two@example.org")] {
        let sql = "INSERT INTO editions (id, subscription, slot, definition, read, decided, papers, also, owed, newest, looked_at)
                   VALUES (?1, ?1, '2026-11-22T08:00', 1, 1, ?2, '[[1]]', '[]', '[2]', 2, 2)";
        run(sql, &[&id, &at("2026-11-22 08:00")]);
        let sql =
            "INSERT INTO outbox (edition, state, message_id, queued, due, attempts) VALUES (?1, ?2, ?3, ?4, ?4, ?5)";
        run(sql, &[&id, &state, &message, &at("2026-11-22 08:00"), &(2 - id)]);
    }
    let sql = "INSERT INTO attempts (edition, at, outcome, reply) VALUES (1, ?, 'sent', '250 2.0.0 queued')";
    run(sql, &[&at("2026-11-22 08:00")]);
    database.upgrade(1, version);
    if version >= 2 {
        let mail = if version < 21 { "edition" } else { "mail" };
        let sql = format!(
            "INSERT INTO bounces (message, subscription, {mail}, at, class, status, reply)
             VALUES (x'01', 1, 1, ?, 'soft', '4.2.2', 'full')"
        );
        run(&sql, &[&at("2026-11-22 10:00")]);
    }
    if version >= 6 {
        run("INSERT INTO reloads (asked) VALUES (?)", &[&at("2026-11-22 10:00")]);
    }
    if version >= 8 {
        run("INSERT INTO kept_messages (received, message) VALUES (?, x'0d0a')", &[&at("2026-11-22 10:00")]);
    }
    if (9..13).contains(&version) {
        let packed = zstd::bulk::compress(content(2, "Retrieval that is owed").as_bytes(), 9).expect("compressed");
        run("INSERT INTO archive (paper, content) VALUES (2, ?)", &[&packed]);
        run("UPDATE papers SET content = '' WHERE id = 2", &[]);
        run("UPDATE revisions SET read = 2 WHERE paper = 1", &[]);
    }
}

#[tokio::test]
async fn the_days_that_an_older_program_has_read_are_known() {
    let definition = definition().await;
    let world = World::upon(|path| old_database(path, 22, &definition)).await;
    let unread = world.store.unread_days(&world.source.id, utc("2026-11-24 12:00")).expect("days");
    assert!(unread.contains(&day("2026-11-21")) && unread.contains(&day("2026-11-23")), "{unread:?}");
    assert!(!unread.contains(&day("2026-11-22")), "{unread:?}");
}

#[tokio::test]
async fn a_pause_of_a_reader_who_came_by_the_web_stays_theirs() {
    let definition = definition().await;
    let mut world = World::upon(|path| {
        old_database(path, 19, &definition);
        Database::open(path).run("UPDATE subscriptions SET origin = 'web', paused = 1 WHERE id = 2");
    })
    .await;
    for reader in READERS {
        world.add(&block(reader));
    }
    assert_eq!(world.sync().both, 1);
    let subscribers = world.store.subscribers().expect("subscribers");
    let paused: Vec<_> = subscribers.iter().map(|reader| (reader.paused, reader.reader_paused)).collect();
    assert_eq!(paused, [(false, false), (true, true), (false, false)]);
}

#[tokio::test]
async fn a_database_of_every_older_version_loses_nothing_and_sends_no_paper_twice() {
    let definition = definition().await;
    for version in 1..VERSIONS.len() {
        let mut world = World::upon(|path| old_database(path, version, &definition)).await;
        let store = &world.store;
        let routes: Vec<_> = store.sources().expect("sources").iter().map(|source| source.route).collect();
        assert_eq!(routes, [Some(Route::Main)], "{version}");
        let subscribers = store.subscribers().expect("subscribers");
        let consents: Vec<_> =
            subscribers.iter().map(|subscriber| (&*subscriber.address, subscriber.consent)).collect();
        let expected = [Consent::Confirmed, Consent::Confirmed, Consent::Withdrawn];
        assert_eq!(consents, READERS.into_iter().zip(expected).collect::<Vec<_>>(), "{version}");
        let states: Vec<_> = store.outbox(&OutboxState::ALL, 9).expect("mails").iter().map(|mail| mail.state).collect();
        assert_eq!(states.len(), 2, "{version}: {states:?}");
        for (number, title) in [(1, "Retrieval at any scale"), (2, "Retrieval that is owed")] {
            let key = PaperKey::arxiv(&format!("2611.{number:05}")).expect("an id");
            let known = store.paper(&key).expect("a database").expect("the paper").candidate;
            assert_eq!((&*known.paper.title, known.upvotes()), (title, Some(9)), "{version}");
            assert_eq!(known.paper.stars, (number == 1).then_some(152), "{version}");
        }
        // The mail that waited is made of what was known then.
        for reader in READERS {
            world.add(&block(reader));
        }
        world.sync();
        let waiting = world.store.reload_requests().expect("requests");
        assert_eq!(waiting, None, "{version}: who asked an older program for the files has an answer");
        world.deliver().await;
        assert_eq!(world.inbox("bob@example.org"), ["Retrieval at scale"], "{version}");
        // What was owed comes, and what came later, and nothing again.
        for number in 1..=4 {
            let title =
                ["Retrieval at any scale", "Retrieval that is owed", "Retrieval that came later", "Retrieval of today"];
            world.site.list(day("2026-11-22"), paper(&format!("2611.{number:05}"), title[number - 1]));
        }
        world.once().await;
        let mut later =
            ["Retrieval of today", "Retrieval that came later", "Retrieval that is owed"].map(str::to_owned).to_vec();
        let sorted = |mut titles: Vec<String>| {
            titles.sort();
            titles
        };
        assert_eq!(sorted(world.inbox("ada@example.org")), later, "{version}");
        later.insert(0, "Retrieval at scale".to_owned());
        assert_eq!(sorted(world.inbox("bob@example.org")), later, "{version}");
        assert!(world.mails("cyd@example.org").is_empty(), "{version}");
    }
}
