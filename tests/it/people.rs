//! Entries with several people, and profiles that several entries share.

use paperpost::store::OutboxState;

use crate::leaving::header;
use crate::process::{Home, said};
use crate::site::{Site, day, paper};
use crate::smtp::SmtpServer;
use crate::world::World;

const ADA: &str = "ada@example.org";
const BOB: &str = "bob@example.org";

fn entry(readers: &[&str], more: &str) -> String {
    let readers: Vec<String> = readers.iter().map(|reader| format!("{reader:?}")).collect();
    format!("[[subscription]]\nemail = [{}]\n{more}\n", readers.join(", "))
}

#[tokio::test]
async fn each_person_of_an_entry_has_their_own_ledger_cap_and_link() {
    let world = World::new().await;
    let wanted = "keywords = [\"retrieval\"]\nmax_papers = 1";
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval 1"));
    let report = world.take_in(&entry(&[ADA], wanted));
    assert_eq!((report.subscriptions, report.added), (1, 1));
    world.once().await;
    world.begin();
    // Bob comes later, into the same entry: his first mail is of what he has not had.
    let report = world.take_in(&entry(&[ADA, BOB], wanted));
    assert_eq!((report.subscriptions, report.added, report.changed), (2, 1, 0));
    world.at("2026-11-24 12:00");
    for number in 2..=3 {
        world.site.list(day("2026-11-24"), paper(&format!("2611.0000{number}"), &format!("Retrieval {number}")));
    }
    world.once().await;
    assert_eq!((world.inbox(ADA).len(), world.inbox(BOB).len()), (2, 1));
    let owed = || {
        let of = |status: &paperpost::store::SubscriberStatus| status.last.as_ref().map_or(0, |last| last.owed);
        world.store.subscribers().expect("a list").iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(owed(), [1, 0], "hers is owed; what a first mail has no room for is counted");
    let link = |reader: &str| header(world.mails(reader).last().expect("a mail"), "List-Unsubscribe").expect("a link");
    assert_ne!(link(ADA), link(BOB));
    world.at("2026-11-25 12:00");
    world.once().await;
    let (ada, bob) = (world.inbox(ADA), world.inbox(BOB));
    assert_eq!((ada.len(), bob.len()), (3, 1), "{ada:?} {bob:?}");
    assert_eq!(world.store.outbox(&[OutboxState::Sent], 9).expect("an outbox").len(), 4);
}

#[tokio::test]
async fn who_is_taken_out_of_an_entry_is_removed_and_many_are_held() {
    let world = World::new().await;
    let readers: Vec<String> = (0..6).map(|number| format!("reader{number}@example.org")).collect();
    let readers: Vec<&str> = readers.iter().map(String::as_str).collect();
    let wanted = "keywords = [\"retrieval\"]";
    assert_eq!(world.take_in(&entry(&readers, wanted)).added, 6);
    let report = world.take_in(&entry(&readers[..5], wanted));
    assert_eq!((report.retired, report.held, report.changed), (1, 0, 0), "{report:?}");
    let report = world.take_in(&entry(&readers[..1], wanted));
    assert_eq!((report.retired, report.held), (0, 4), "{report:?}");
    // Into an entry of their own they have not gone missing.
    let split = entry(&readers[..3], wanted) + &entry(&readers[3..4], wanted) + &entry(&readers[4..5], wanted);
    let report = world.take_in(&split);
    assert_eq!((report.retired, report.held, report.added), (0, 0, 0), "{report:?}");
}

#[tokio::test]
async fn a_fault_in_an_address_or_in_a_shared_profile_harms_who_has_it() {
    let world = World::new().await;
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    let shared = |keyword: &str| {
        format!("[shared.lab]\nkeywords = [\"{keyword}\"]\n[shared.other]\nkeywords = [\"retrieval\"]\n")
    };
    let cyd = "cyd@example.org";
    let entries = entry(&[ADA], "profiles = [\"lab\"]") + &entry(&[BOB, cyd], "profiles = [\"other\"]");
    world.take_in(&(shared("retrieval") + &entries));
    let report = world.take_in(&(shared("(retrieval") + &entries));
    assert_eq!((report.errors.len(), report.kept, report.subscriptions), (1, 1, 2), "{report:?}");
    assert!(report.errors[0].contains("subscriptions.toml:2:"), "{report:?}");
    let entries = entry(&[ADA], "profiles = [\"lab\"]") + &entry(&[BOB, "cyd@"], "profiles = [\"other\"]");
    let report = world.take_in(&(shared("speech") + &entries));
    assert_eq!((report.errors.len(), report.kept, report.subscriptions), (1, 1, 2), "{report:?}");
    assert_eq!((report.retired, report.held), (0, 0), "who is meant by half an address can't be told: {report:?}");
    world.once().await;
    let inboxes = [ADA, BOB, cyd].map(|reader| world.inbox(reader).len());
    assert_eq!(inboxes, [0, 1, 1], "hers is on speech now; the others' are as before");
}

#[tokio::test]
async fn a_command_for_one_person_of_an_entry_leaves_the_others_alone() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    let lab = "# The lab.\n[[subscription]]\nemail = [\n  \"ada@example.org\", # first\n  \"bob@example.org\",\n  \"cyd@example.org\",\n]\n\
               keywords = [\"retrieval\"]\nschedule = \"daily at 08:00\" # early\n";
    let text = format!(
        "[shared.lab]\nname = \"The lab\"\nkeywords = [\"speech\"]\n\n{lab}\n[[subscription]]\nemail = [\"dee@example.org\", \"eve@example.org\"]\nprofiles = [\"lab\"]\n"
    );
    let home = Home::new(&site, &smtp, &text);
    let file = || home.read("subscriptions.toml");
    let known = home.run(&["subscribe", ADA, "speech"]).await;
    assert!(!known.status.success() && said(&known).contains("is subscribed already"), "{}", said(&known));

    let paused = home.run(&["pause", BOB]).await;
    assert!(paused.status.success(), "{}", said(&paused));
    assert!(said(&paused).contains("had an entry with 2 others, and now has one of their own"), "{}", said(&paused));
    let own = "[[subscription]]\nemail = \"bob@example.org\"\npaused = true\nkeywords = [\"retrieval\"]\nschedule = \"daily at 08:00\" # early\n";
    let without = lab.replace("  \"bob@example.org\",\n", "");
    assert_eq!(file(), text.replace(lab, &format!("{without}\n{own}")));
    let edited = home.run(&["edit", "cyd@example.org", "--add", "agents", "--name", "Cyd"]).await;
    assert!(edited.status.success() && said(&edited).contains("with 1 other,"), "{}", said(&edited));
    let gone = home.run(&["unsubscribe", "eve@example.org"]).await;
    assert!(gone.status.success() && !said(&gone).contains("one of their own"), "{}", said(&gone));
    let now = file();
    for part in [
        "email = [\n  \"ada@example.org\", # first\n]\nkeywords = [\"retrieval\"]\n",
        "email = \"cyd@example.org\"\nname = \"Cyd\"\nkeywords = [\"retrieval\", \"agents\"]\n",
        "email = [\"dee@example.org\"]\nprofiles = [\"lab\"]\n",
    ] {
        assert!(now.contains(part), "{part}: {now}");
    }
    let check = home.run(&["check"]).await;
    assert!(check.status.success() && said(&check).contains("4 subscriptions"), "{}", said(&check));

    // What is shared is changed for all or for nobody.
    let refused = home.run(&["edit", "dee@example.org", "--add", "agents"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("[shared.lab] in line 1 is for 1 subscription of this file"), "{}", said(&refused));
    assert_eq!(file(), now);
    let edited = home.run(&["edit", "dee@example.org", "--schedule", "weekdays at 09:00"]).await;
    assert!(edited.status.success(), "{}", said(&edited));
    assert!(file().contains("email = [\"dee@example.org\"]\nschedule = \"weekdays at 09:00\"\nprofiles"), "{}", file());
}
