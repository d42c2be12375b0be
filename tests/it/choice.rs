//! Which papers a mail has, in which section, and which wait for the next.

use crate::pipeline::{ADA, one_paper};
use crate::site::{day, paper};
use crate::world::World;

#[tokio::test]
async fn what_is_like_a_paper_comes_long_after_that_paper_has_left_the_window() {
    let mut world = World::new().await;
    let about = |id: &str, title: &str, text: &str| {
        let mut entry = paper(id, title);
        entry.abstract_text = text.to_owned();
        entry
    };
    let text = "Selective state spaces scan long sequences in linear time without attention.";
    world.site.list(day("2026-11-23"), about("2611.00001", "Selective scans", text));
    world.scrape().await;
    world.at("2026-12-20 12:00");
    world.subscribe("email = \"ada@example.org\"\nkeywords = [\"Like:2611.00001\"]");
    let similar = "Linear time scans of long sequences with selective state spaces, and no attention.";
    world.site.list(day("2026-12-20"), about("2612.00001", "Scanning state spaces", similar));
    world
        .site
        .list(day("2026-12-20"), about("2612.00002", "Robots", "Robots fold laundry in twelve kitchens all year."));
    world.once().await;
    assert_eq!(world.inbox(ADA), ["Scanning state spaces"]);
}

#[tokio::test]
async fn a_mail_gives_no_reason_that_does_not_hold() {
    let mut world = World::new().await;
    world.site.list(day("2026-11-22"), paper("2611.00001", "Speech for everybody"));
    world.site.list(day("2026-11-23"), paper("2611.00002", "Robots at home"));
    world.subscribe("email = \"ada@example.org\"\nkeywords = [\"speech\", \"robots like:2611.00002\", \"age<1d\"]");
    world.once().await;
    let mails = world.mails(ADA);
    let because: Vec<&str> = mails[0].text.lines().filter(|line| line.contains("Because")).map(str::trim).collect();
    assert_eq!(because, ["Because it matches speech", "Because it matches age<1d"]);
}

#[tokio::test]
async fn what_a_maximum_cuts_is_owed_and_comes_in_the_next_edition() {
    let mut world = World::new().await;
    world.subscribe("email = \"ada@example.org\"\nkeywords = [\"retrieval\"]\nmax_papers = 3");
    world.begin();
    for n in 0..5 {
        world.site.list(day("2026-11-23"), paper(&format!("2611.0010{n}"), &format!("Retrieval number {n}")));
    }
    world.once().await;
    assert_eq!(world.inbox(ADA).len(), 3);
    assert!(world.mails(ADA)[0].text.contains("2 more papers wait"), "{}", world.mails(ADA)[0].text);
    world.at("2026-11-24 12:00");
    world.once().await;
    world.at("2026-11-25 12:00");
    world.once().await;
    let mut titles = world.inbox(ADA);
    titles.sort();
    titles.dedup();
    assert_eq!((titles.len(), world.inbox(ADA).len()), (5, 5), "each once");
}

#[tokio::test]
async fn a_mail_that_would_be_clipped_carries_papers_over() {
    let mut world = World::new().await;
    world.subscribe("email = \"ada@example.org\"\nkeywords = [\"retrieval\"]\nmax_papers = 100");
    world.begin();
    for n in 0..90 {
        let mut entry =
            paper(&format!("2611.{n:05}"), &format!("Retrieval {n} {}", "with a rather long title ".repeat(11)));
        entry.abstract_text = "A sentence about 检索 and retrieval that goes on. ".repeat(30);
        world.site.list(day("2026-11-23"), entry);
    }
    let mut seen = Vec::new();
    for date in 23..30 {
        world.at(&format!("2026-11-{date} 12:00"));
        world.once().await;
        for mail in world.mails(ADA).iter().skip(seen.len()) {
            assert!(mail.html.len() <= 80_000, "{}", mail.html.len());
            seen.push(mail.titles.len());
        }
    }
    assert!(seen.len() > 1 && seen.iter().sum::<usize>() == 90, "{seen:?}");
    let mut titles = world.inbox(ADA);
    titles.sort();
    titles.dedup();
    assert_eq!(titles.len(), 90, "none twice, none lost");
}

#[tokio::test]
async fn what_one_mail_has_room_for_is_shared_by_owed_and_new_papers_and_by_the_sections() {
    let mut world = World::new().await;
    world.subscribe(
        "email = \"ada@example.org\"\n[[subscription.profile]]\nname = \"Search\"\nkeywords = [\"retrieval\"]\n\
         rank = \"newest\"\nmax_papers = 500\n\
         [[subscription.profile]]\nname = \"Machines\"\nkeywords = [\"robots\"]",
    );
    world.begin();
    for date in 23..25 {
        for n in 0..90 {
            let words = "with a rather long title ".repeat(11);
            let entry = paper(&format!("2611.{date}{n:03}"), &format!("Retrieval {date} {n} {words}"));
            world.site.list(day(&format!("2026-11-{date}")), entry);
        }
        let robots = paper(&format!("2611.{date}900"), &format!("Robots of {date}"));
        world.site.list(day(&format!("2026-11-{date}")), robots);
        world.at(&format!("2026-11-{date} 12:00"));
        world.once().await;
    }
    let mails = world.mails(ADA);
    let of = |mail: usize, words: &str| mails[mail].titles.iter().filter(|title| title.starts_with(words)).count();
    assert!(of(0, "Retrieval 23") > 10 && of(1, "Retrieval 23") > 10, "{:?}", mails[1].titles);
    assert!(of(1, "Retrieval 24").abs_diff(of(1, "Retrieval 23")) <= 2, "half of the places each");
    assert_eq!((of(0, "Robots of 23"), of(1, "Robots of 24")), (1, 1), "a long section takes no other one's place");
}

#[tokio::test]
async fn a_paper_in_two_sections_stands_in_the_first() {
    let mut world = World::new().await;
    world.subscribe(
        "email = \"ada@example.org\"\n[[subscription.profile]]\nname = \"Search\"\nkeywords = [\"retrieval\"]\n\
         [[subscription.profile]]\nname = \"Machines\"\nkeywords = [\"robot OR retrieval\"]",
    );
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval for robots"));
    world.site.list(day("2026-11-23"), paper("2611.00002", "Robots at home"));
    world.once().await;
    let mails = world.mails(ADA);
    assert_eq!(mails[0].titles, ["Retrieval for robots", "Robots at home"]);
    assert!(mails[0].text.contains("Search") && mails[0].text.contains("Machines"));
}

#[tokio::test]
async fn also_trending_shows_no_paper_twice_and_none_that_was_asked_for() {
    let mut world = one_paper().await;
    // It waits for its votes, so it is not "also" anything.
    world.change(
        "retrieval",
        Some("email = \"ada@example.org\"\nkeywords = [\"retrieval\", \"waiting\"]\nmin_upvotes = 10"),
    );
    let mut waiting = paper("2611.00003", "Waiting for votes");
    waiting.upvotes = 1;
    world.site.list(day("2026-11-23"), waiting);
    world.once().await;
    world.at("2026-11-24 12:00");
    world.site.list(day("2026-11-24"), paper("2611.00004", "Retrieval again"));
    world.once().await;
    let mails = world.mails(ADA);
    assert!(mails[0].html.contains("Robots at home") && !mails[0].html.contains("Waiting for votes"));
    assert!(!mails[1].html.contains("Robots at home"), "shown yesterday");
}

#[tokio::test]
async fn also_trending_shows_nothing_that_any_section_excludes() {
    let mut world = one_paper().await;
    world.site.list(day("2026-11-23"), paper("2611.00003", "A survey of kittens"));
    world.site.list(day("2026-11-23"), paper("2611.00004", "Kittens at play"));
    let section = |name: &str, keyword: &str, exclude: &str| {
        format!("[[subscription.profile]]\nname = \"{name}\"\nkeywords = [\"{keyword}\"]\nexclude = [{exclude}]\n")
    };
    let sections = section("One", "retrieval", "\"survey\", \"dogs\"") + &section("Two", "memory", "");
    world.change("retrieval", Some(&format!("email = \"ada@example.org\"\n{sections}")));
    world.once().await;
    let mail = &world.mails(ADA)[0];
    assert!(mail.html.contains("Kittens at play") && mail.text.contains("Robots at home"), "{}", mail.text);
    assert!(!mail.html.contains("survey") && !mail.text.contains("survey"), "{}", mail.text);
}
