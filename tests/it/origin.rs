//! Readers who came by the web and readers in files: whose word is in force, and who is told.

use paperpost::config::listing::FileHash;
use paperpost::core::subscription::{Consent, Origin};
use paperpost::store::{Reason, SubscriberStatus};

use crate::database::Database;
use crate::leaving::{ADA, address};
use crate::process::{Home, said};
use crate::site::{Site, day, paper};
use crate::smtp::SmtpServer;
use crate::world::World;
use paperpost::clock::Clock;

fn entry(reader: &str, keyword: &str) -> String {
    format!("[[subscription]]\nemail = \"{reader}\"\nkeywords = [\"{keyword}\"]\n")
}

/// Runs SQL for a reader, as the page to subscribe by would.
fn change(world: &World, reader: &str, sql: &str) {
    let sql = format!("UPDATE subscriptions SET {sql} WHERE address_key = ?");
    assert_eq!(world.database().change(&sql, &[&reader]), 1, "{sql}");
}

/// Subscribes readers by the web: to papers on speech.
fn by_web(world: &World, readers: &[&str], consent: Consent) {
    let text: String = readers.iter().map(|reader| entry(reader, "speech")).collect();
    world.take_in(&text);
    for reader in readers {
        change(world, reader, &format!("origin = 'web', file = NULL, consent = '{consent}'"));
    }
}

/// Lists two papers of a day, one on speech and one on retrieval, and lets all jobs run at noon.
async fn a_day(world: &World, date: &str) {
    world.at(&format!("{date} 12:00"));
    let number = &date[8..];
    world.site.list(day(date), paper(&format!("2611.000{number}"), &format!("Speech {number}")));
    world.site.list(day(date), paper(&format!("2611.001{number}"), &format!("Retrieval {number}")));
    world.once().await;
}

fn status(world: &World, reader: &str) -> SubscriberStatus {
    let all = world.store.subscribers().expect("a list");
    all.into_iter().find(|status| status.address == reader).expect("a subscriber")
}

/// What the requests of a person who accepts all removals say of the files as they are.
fn accept_removals(world: &World) {
    let hashes: Vec<(String, Option<FileHash>)> =
        world.files().read().hashes().into_iter().map(|(path, hash)| (path.display().to_string(), hash)).collect();
    world.store.request_reload(false, Some(&hashes), world.clock.now()).expect("a request");
}

#[tokio::test]
async fn a_file_wins_over_the_web_for_as_long_as_it_names_a_reader() {
    let world = World::new().await;
    by_web(&world, &[ADA], Consent::Confirmed);
    assert!(world.take_in("").is_good(), "a file that never named her says nothing of her");
    let report = world.take_in(&entry(ADA, "retrieval"));
    assert_eq!((report.added, report.changed, report.both, report.retired), (0, 1, 1, 0), "{report:?}");
    a_day(&world, "2026-11-23").await;
    assert_eq!(world.inbox(ADA), ["Retrieval 23"]);
    let report = world.take_in(&entry(ADA, "retrieval"));
    assert_eq!((report.changed, report.both), (0, 1), "{report:?}");
    assert!(status(&world, ADA).both);

    let report = world.take_in("");
    assert_eq!((report.retired, report.held, report.changed, report.both), (0, 0, 1, 0), "{report:?}");
    let ada = status(&world, ADA);
    assert!(ada.listed && !ada.both && ada.origin == Origin::Web, "{ada:?}");
    world.take_in("");
    a_day(&world, "2026-11-24").await;
    let inbox = world.inbox(ADA);
    assert!(inbox.contains(&"Speech 24".to_owned()) && !inbox.contains(&"Retrieval 24".to_owned()), "{inbox:?}");
}

#[tokio::test]
async fn a_file_neither_retires_nor_holds_who_came_by_the_web() {
    let world = World::new().await;
    let readers = ["ada@example.org", "bob@example.org", "cyd@example.org", "dee@example.org"];
    by_web(&world, &readers, Consent::Confirmed);
    let listed: String = readers.iter().map(|reader| entry(reader, "retrieval")).collect();
    world.take_in(&listed);
    // In doubt, what is in force stays so.
    for text in ["[[subscription]]\nemail = ", ""] {
        let report = world.take_in(text);
        assert_eq!((report.retired, report.held, report.kept, report.both), (0, 0, 4, 4), "{report:?}");
    }
    let text = std::fs::read_to_string(world.database_file().with_file_name("subscriptions.toml")).expect("the file");
    assert_eq!(text, "");
    a_day(&world, "2026-11-23").await;
    assert_eq!(world.inbox("bob@example.org"), ["Retrieval 23"]);
    let listing = world.files().read().listing(&world.files());
    assert!(world.store.differences(&listing).expect("differences").is_empty(), "nobody will be held or retired");
    accept_removals(&world);
    let report = world.take_in("");
    assert_eq!((report.retired, report.changed, report.both), (0, 4, 0), "{report:?}");
    a_day(&world, "2026-11-24").await;
    assert!(world.inbox("bob@example.org").contains(&"Speech 24".to_owned()));
}

#[tokio::test]
async fn who_has_not_confirmed_gets_no_mail_but_by_the_authority_of_a_file() {
    let world = World::new().await;
    by_web(&world, &[ADA], Consent::Pending);
    let counts = || world.store.count_subscribers().expect("counts");
    assert_eq!((counts().active, counts().pending, counts().web), (0, 1, 1));
    a_day(&world, "2026-11-23").await;
    assert!(world.mails(ADA).is_empty());
    let report = world.take_in(&entry(ADA, "retrieval"));
    assert_eq!((report.changed, report.both), (1, 1), "{report:?}");
    assert_eq!((counts().active, counts().pending, counts().both), (1, 0, 1));
    a_day(&world, "2026-11-24").await;
    assert_eq!(world.inbox(ADA).len(), 2, "{:?}", world.inbox(ADA));
    // A mail is queued when the file's word ends, and with it the leave to write.
    world.at("2026-11-25 12:00");
    world.site.list(day("2026-11-25"), paper("2611.00125", "Retrieval 25"));
    world.scrape().await;
    world.publish();
    world.take_in("");
    assert_eq!((counts().active, counts().pending, counts().both), (0, 1, 0));
    world.deliver().await;
    a_day(&world, "2026-11-26").await;
    assert_eq!(world.inbox(ADA).len(), 2, "{:?}", world.inbox(ADA));
}

#[tokio::test]
async fn a_readers_own_pause_and_leaving_win_over_a_file() {
    let world = World::new().await;
    by_web(&world, &[ADA], Consent::Confirmed);
    let bob = "bob@example.org";
    let listed = entry(ADA, "retrieval") + &entry(bob, "retrieval");
    world.take_in(&listed);
    for reader in [ADA, bob] {
        change(&world, reader, "paused = 1, reader_paused = 1");
    }
    assert_eq!(world.take_in(&listed).changed, 0);
    a_day(&world, "2026-11-23").await;
    assert!(world.mails(ADA).is_empty() && world.mails(bob).is_empty(), "both have paused their mails themselves");
    let listing = world.files().read().listing(&world.files());
    assert!(world.store.differences(&listing).expect("differences").is_empty());
    for reader in [ADA, bob] {
        change(&world, reader, "reader_paused = 0");
    }
    assert_eq!(world.take_in(&listed).changed, 2);
    world.once().await;
    assert_eq!((world.inbox(ADA).len(), world.inbox(bob).len()), (1, 1));

    let ada = address(ADA);
    world.store.suppress(&ada, Reason::Unsubscribed, None, world.clock.now()).expect("she left");
    for text in ["", &listed, ""] {
        let report = world.take_in(text);
        assert_eq!(report.withheld.len(), usize::from(!text.is_empty()), "{report:?}");
        assert_eq!(status(&world, ADA).consent, Consent::Withdrawn);
    }
    a_day(&world, "2026-11-24").await;
    assert_eq!(world.inbox(ADA).len(), 1);
}

#[tokio::test]
async fn what_a_person_lifts_is_the_files_word_and_no_opt_in() {
    let world = World::new().await;
    by_web(&world, &[ADA], Consent::Confirmed);
    world.take_in(&entry(ADA, "retrieval"));
    let (ada, now) = (address(ADA), world.clock.now());
    world.store.suppress(&ada, Reason::Unsubscribed, None, now).expect("she left");
    assert!(world.store.lift_suppression(&ada, now).expect("a database"));
    assert_eq!(status(&world, ADA).consent, Consent::Confirmed);
    world.take_in("");
    assert_eq!(status(&world, ADA).consent, Consent::Pending, "her opt-in ended when she left");
}

#[tokio::test]
async fn what_was_ordered_by_the_web_is_forgotten_with_its_reader() {
    let world = World::new().await;
    world.take_in(&(entry(ADA, "speech") + "name = \"Ada Example\"\n"));
    change(&world, ADA, "origin = 'web', file = NULL");
    world.take_in(&entry(ADA, "retrieval"));
    let now = world.clock.now();
    world.store.suppress(&address(ADA), Reason::Unsubscribed, None, now).expect("she left");
    let later = now + chrono::Duration::days(40);
    assert_eq!(world.store.forget_departed(later).expect("a database"), 1);
    let count = |sql: &str| world.database().one::<i64>(sql);
    assert_eq!(count("SELECT count(*) FROM web_orders"), 0);
    assert_eq!(count("SELECT count(*) FROM definitions WHERE text LIKE '%Ada Example%'"), 0);
    // The file still names her, and a person may ask her back.
    assert_eq!(world.take_in(&entry(ADA, "retrieval")).withheld.len(), 1);
    assert!(world.store.lift_suppression(&address(ADA), now).expect("a database"));
    assert_eq!(status(&world, ADA).consent, Consent::Confirmed);
}

#[tokio::test]
async fn commands_tell_who_came_by_the_web_who_is_in_both_and_who_is_pending() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
    let lasting = |readers: &[&str]| {
        let entries = readers.iter().map(|reader| entry(&format!("{reader}@example.org"), "retrieval"));
        entries.map(|entry| entry + "schedule = \"0 8 29 2 *\"\n").collect::<String>()
    };
    let home = Home::new(&site, &smtp, &lasting(&["ada", "bob", "cyd"]));
    assert!(home.run(&["once"]).await.status.success());
    let database = Database::open(&home.path("p.db"));
    let by_web = "UPDATE subscriptions SET origin = 'web', file = NULL WHERE address_key IN ('bob@example.org', 'cyd@example.org')";
    database.change(by_web, &[]);
    let pending = "UPDATE subscriptions SET consent = 'pending', paused = 0 WHERE address_key = 'cyd@example.org'";
    database.change(pending, &[]);
    home.write("subscriptions.toml", &lasting(&["ada", "bob"]));

    let both = "1 reader who came by the web is in the files as well";
    assert!(said(&home.run(&["check"]).await).contains(both));
    let list = said(&home.run(&["list"]).await);
    for part in [
        "cyd@example.org\n  next: none: pending: they have not confirmed yet",
        "  came by the web\n  the file has it too, which is not taken in yet",
        "3 subscribers, 1 of them pending: not confirmed yet",
    ] {
        assert!(list.contains(part), "{part}: {list}");
    }
    let once = home.run(&["once"]).await;
    assert!(once.status.success() && said(&once).contains(both), "{}", said(&once));
    let list = said(&home.run(&["list"]).await);
    assert!(list.contains("came by the web, and is in a file as well: what the file says is in force"), "{list}");
    let status = said(&home.run(&["status"]).await);
    for part in [both, "Subscribers\n  2 active\n  1 pending: they have not confirmed", "  2 came by the web\n"] {
        assert!(status.contains(part), "{part}: {status}");
    }
    let json = async |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&home.run(arguments).await.stdout).expect("JSON")
    };
    let counts = json(&["status", "--json"]).await["subscribers"].clone();
    let count = |name: &str| counts[name].as_u64().expect("a count");
    assert_eq!((count("active"), count("pending"), count("web"), count("both")), (2, 1, 2, 1), "{counts}");
    let list = json(&["list", "--json"]).await;
    assert_eq!((&list[1]["origin"], &list[1]["both"]), (&"web".into(), &true.into()), "{list}");
    assert_eq!(list[2]["consent"], "pending", "{list}");
    assert_eq!(json(&["check", "--json"]).await["both"], 1);

    // Commands change files, and say what that means for who came by the web.
    let refused = home.run(&["pause", "cyd@example.org"]).await;
    assert!(refused.status.code() == Some(1) && said(&refused).contains("but by the web"), "{}", said(&refused));
    let gone = home.run(&["unsubscribe", "bob@example.org"]).await;
    assert!(gone.status.success() && said(&gone).contains("stays in force"), "{}", said(&gone));
    let list = said(&home.run(&["list"]).await);
    assert!(list.contains("then what they ordered by the web is in force again"), "{list}");
    let preview = said(&home.run(&["preview", "cyd@example.org"]).await);
    assert!(!preview.contains("can't be read"), "{preview}");
    database.change("UPDATE subscriptions SET paused = 1, reader_paused = 1 WHERE origin = 'web'", &[]);
    let preview = said(&home.run(&["preview", "bob@example.org"]).await);
    assert!(preview.contains("has paused their mails"), "{preview}");
    assert!(said(&home.run(&["list"]).await).contains("none: paused by the reader"));
    let added = home.run(&["subscribe", "cyd@example.org", "retrieval"]).await;
    assert!(added.status.success() && said(&added).contains("came by the web as well"), "{}", said(&added));
}
