//! One paper, several describers: what each says stays, and papers that turn out to be one are one for every reader.

use chrono::Duration;
use paperpost::core::paper::describe::Authority;
use paperpost::core::paper::{Listed, Listing, Paper, PaperKey, ReadOutcome, Route, Snapshot, SourceId};
use paperpost::core::terms::each_term;
use paperpost::jobs;
use paperpost::store::{Ingested, ReadRecord};
use tokio_util::sync::CancellationToken;

use crate::world::World;

fn key(name: &str) -> PaperKey {
    PaperKey::named(name).unwrap_or_else(|| PaperKey::from_stored(name.to_owned()))
}

/// A source, and its rank.
#[derive(Clone, Copy)]
struct Describer(&'static str, Authority);

const HUB: Describer = Describer("huggingface", Authority::Index);
const FEED: Describer = Describer("huggingface-trending", Authority::Feed);
const JOURNAL: Describer = Describer("journal", Authority::Publisher);

impl Describer {
    /// Lists one paper, under its names, with these votes and stars.
    fn lists(self, world: &World, names: &[&str], title: &str, count: u32) -> Ingested {
        self.reads(world, &[(names, title)], count)
    }

    fn reads(self, world: &World, papers: &[(&[&str], &str)], count: u32) -> Ingested {
        let source = SourceId::parse(self.0).expect("a name");
        let now = world.clock.now();
        let listed = |(rank, (names, title)): (u32, &(&[&str], &str))| {
            let names: Vec<PaperKey> = names.iter().map(|name| key(name)).collect();
            let url = format!("https://example.org/papers/{}", title.replace(' ', "-"));
            let mut paper = Paper::new(names[0].clone(), title, &url);
            paper.abstract_text = format!("{} says that this is about retrieval.", self.0);
            paper.stars = Some(count);
            let (day, upvotes) = (now.date_naive(), Some(count));
            let listing = Listing { source: source.clone(), day, rank, upvotes, comments: None };
            Listed { paper, aliases: names[1..].to_vec(), listing }
        };
        let items = (1..).zip(papers).map(listed).collect();
        let snapshot =
            Snapshot { source: source.clone(), authority: self.1, taken: now, route: Route::Main, items, skipped: 0 };
        let record =
            ReadRecord { source, at: now, outcome: ReadOutcome::Fresh, message: None, unchanged: 0, days: Vec::new() };
        world.store.ingest(&snapshot, &record, "{}").expect("taken in")
    }
}

fn count(world: &World, sql: &str) -> i64 {
    world.database().one(sql)
}

fn shown(world: &World, name: &str) -> Paper {
    world.store.paper(&key(name)).expect("a database").expect("the paper").candidate.paper
}

fn block(reader: &str, more: &str) -> String {
    format!("email = \"{reader}@example.org\"\nkeywords = [\"retrieval\"]\n{more}")
}

fn got(world: &World, reader: &str) -> Vec<String> {
    world.inbox(&format!("{reader}@example.org"))
}

async fn publish_and_deliver(world: &World, time: &str) {
    world.at(time);
    world.publish();
    world.deliver().await;
}

#[tokio::test]
async fn two_sources_that_differ_rewrite_nothing_however_often_they_are_read() {
    let world = World::new().await;
    let rows = |table: &str| count(&world, &format!("SELECT count(*) FROM {table}"));
    let read = |describer: Describer, title, count| describer.lists(&world, &["2611.00001"], title, count);
    let mut random = 7u32;
    for number in 0..1_000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let ingested = match random >> 30 {
            0 | 1 => read(HUB, "Retrieval at Scale", 30),
            2 => read(FEED, "Retrieval at scale …", 28),
            _ => read(JOURNAL, "Retrieval at scale", 29),
        };
        assert!(number < 20 || ingested.revised.is_empty(), "read {number}");
    }
    assert_eq!((rows("papers"), rows("descriptions")), (1, 2));
    assert!(rows("revisions") <= 2, "{} revisions", rows("revisions"));
    assert_eq!((rows("votes"), rows("stars")), (3, 3), "each source has its own");
    let paper = shown(&world, "2611.00001");
    assert_eq!((&*paper.title, paper.stars), ("Retrieval at scale", Some(30)));
    assert_eq!(paper.abstract_text, "journal says that this is about retrieval.");
    // The words of the others are still there: the journal's change takes none of them away.
    read(JOURNAL, "Retrieval at any scale", 29);
    read(HUB, "Retrieval at Any Scale", 30);
    assert_eq!(shown(&world, "2611.00001").title, "Retrieval at any scale");
    let kept: Vec<(String,)> = world.database().rows("SELECT source FROM descriptions ORDER BY source");
    let kept: Vec<String> = kept.into_iter().map(|(source,)| source).collect();
    assert_eq!(kept, ["huggingface", "huggingface-trending"], "what says what is shown takes no room");
}

#[tokio::test]
async fn papers_that_are_found_to_be_one_come_to_nobody_who_got_either() {
    let mut world = World::new().await;
    FEED.lists(&world, &["doi:10.1000/x"], "Retrieval by DOI", 5);
    HUB.lists(&world, &["2611.00001"], "Retrieval by arXiv", 9);
    world.subscribe(&block("ada", "sources = [\"huggingface-trending\"]"));
    world.subscribe(&block("bob", "sources = [\"huggingface\"]"));
    world.subscribe(&block("cyd", "max_papers = 1"));
    world.begin();
    publish_and_deliver(&world, "2026-11-23 14:00").await;
    assert_eq!(got(&world, "ada"), ["Retrieval by DOI"]);
    assert_eq!(got(&world, "bob"), ["Retrieval by arXiv"]);
    let first = got(&world, "cyd");
    assert_eq!(first.len(), 1, "and the other is owed");
    // One whose mail waits when it is found out.
    world.subscribe(&block("dan", "sources = [\"huggingface\"]"));
    world.publish();
    let mail = || world.store.mailing(4).expect("a database").expect("a mailing");
    assert_eq!(mail().papers, [[2]]);

    world.at("2026-11-23 15:00");
    let ingested = HUB.lists(&world, &["2611.00001", "doi:10.1000/x"], "Retrieval by arXiv", 9);
    assert_eq!((ingested.joined, ingested.added.len(), ingested.revised.len()), (1, 0, 1));
    world.deliver().await;
    assert_eq!(got(&world, "dan"), ["Retrieval by arXiv"], "the mail is as it was decided");
    world.subscribe(&block("eve", ""));
    publish_and_deliver(&world, "2026-11-24 09:00").await;
    publish_and_deliver(&world, "2026-11-25 09:00").await;
    assert_eq!(got(&world, "ada").len(), 1);
    assert_eq!(got(&world, "bob").len(), 1);
    assert_eq!(got(&world, "cyd"), first, "what was owed is the paper that came");
    assert_eq!(got(&world, "dan").len(), 1);
    assert_eq!(got(&world, "eve"), ["Retrieval by arXiv"], "one paper");

    // It goes by every name, with what both sources know of it.
    for name in ["2611.00001", "doi:10.1000/x"] {
        let known = world.store.paper(&key(name)).expect("a database").expect("the paper").candidate;
        assert_eq!((known.id, known.paper.key.as_str()), (1, "arxiv:2611.00001"));
        let votes: Vec<_> = known.listings.iter().map(|listing| (listing.source.as_str(), listing.upvotes)).collect();
        assert_eq!(votes, [("huggingface", Some(9)), ("huggingface-trending", Some(5))]);
    }
    assert_eq!(world.store.papers_by_arxiv(["2611.00001"].into_iter()).expect("a database").len(), 1, "like: finds it");
    assert_eq!(world.store.papers_titled("retrieval").expect("a database").len(), 1);
    let again = FEED.lists(&world, &["doi:10.1000/x"], "Retrieval by DOI", 5);
    assert_eq!((again.added.len(), again.revised.len(), again.joined), (0, 0, 0));
}

#[tokio::test]
async fn what_like_weighs_words_by_counts_a_paper_once() {
    let world = World::new().await;
    FEED.lists(&world, &["doi:10.1000/x"], "Retrieval by DOI", 5);
    HUB.lists(&world, &["2611.00001"], "Retrieval by arXiv", 9);
    let counted = |papers| {
        assert_eq!(world.store.count_terms(10).expect("counted"), papers);
        let statistics = world.store.term_statistics().expect("a database").expect("some");
        let mut found = 0;
        each_term("retrieval", |term, _, _| found = statistics.found(term));
        (statistics.papers(), found)
    };
    assert_eq!(counted(2), (2, 2));
    HUB.lists(&world, &["2611.00001", "doi:10.1000/x"], "Retrieval by arXiv", 9);
    assert_eq!(counted(0), (1, 1));
    JOURNAL.lists(&world, &["2611.00002"], "Something else", 9);
    FEED.lists(&world, &["doi:10.1000/y"], "Something else", 9);
    FEED.lists(&world, &["2611.00002", "doi:10.1000/y"], "Something else", 9);
    assert_eq!(counted(1), (2, 2), "and one that was joined before is not counted");
}

/// A generator of small numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Three sources list twelve works under some of their names, in any order, while readers get mails and the database is pruned. What
/// counts as one paper is asked of the database, as of the read that an edition was decided after.
#[tokio::test]
async fn whatever_is_joined_when_no_reader_gets_a_paper_that_was_known_to_be_one_that_they_had() {
    let mut joins = 0;
    for seed in 1..=6 {
        let mut random = Random(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15));
        let mut world = World::new().await;
        for n in 0..4 {
            let more = ["", "max_papers = 1", "sources = [\"huggingface\"]", "max_papers = 2"][n];
            world.subscribe(&block(&format!("reader{n}"), more));
        }
        for hour in 0..60 {
            let at = world.clock.now() + Duration::hours(8);
            world.clock.set(at);
            let describer = [HUB, FEED, JOURNAL][random.below(3) as usize];
            let work = random.below(12);
            let mut names =
                [format!("2611.{:05}", work + 1), format!("doi:10.1000/{work}"), format!("{}:{work}", describer.0)];
            names.rotate_left(random.below(3) as usize);
            let names: Vec<&str> = names[..=random.below(3) as usize].iter().map(String::as_str).collect();
            describer.lists(&world, &names, &format!("Retrieval {work}"), random.below(9) as u32);
            match random.below(3) {
                0 => drop(world.publish()),
                1 => drop(world.deliver().await),
                _ => {}
            }
            if hour % 20 == 19 {
                let stop = CancellationToken::new();
                jobs::prune::run(&world.store, world.publish.window, world.clock.now(), &stop).expect("pruned");
            }
        }
        let database = world.database();
        let rows = |sql: &str| -> Vec<[i64; 3]> {
            database.rows::<(i64, i64, i64)>(sql).into_iter().map(<[i64; 3]>::from).collect()
        };
        let joined = rows("SELECT paper, target, read FROM joined");
        joins += joined.len();
        let one = |mut paper: i64, read: i64| {
            while let Some([_, target, _]) = joined.iter().find(|[of, _, at]| *of == paper && *at <= read) {
                paper = *target;
            }
            paper
        };
        // Papers of mails that gave way come with the newer one.
        let sent = rows(
            "SELECT e.subscription, j.value, e.read FROM editions e JOIN outbox o ON o.edition = e.id,
             json_tree(e.papers) j WHERE j.type = 'integer' AND o.state <> 'merged' ORDER BY e.id",
        );
        assert!(sent.len() > 10, "{seed}: {}", sent.len());
        for (at, [reader, paper, read]) in sent.iter().enumerate() {
            let had = sent[..at].iter().find(|[to, of, _]| to == reader && one(*of, *read) == one(*paper, *read));
            assert_eq!(had, None, "{seed}: reader {reader} gets paper {paper} after read {read}");
        }
    }
    assert!(joins > 6, "{joins} joins: else this tests nothing");
}

#[tokio::test]
async fn a_publish_knows_of_no_join_that_its_candidates_do_not_know_of() {
    let mut world = World::new().await;
    FEED.lists(&world, &["doi:10.1000/x"], "Retrieval by DOI", 5);
    HUB.lists(&world, &["2611.00001"], "Retrieval by arXiv", 9);
    world.subscribe(&block("bob", "sources = [\"huggingface\"]"));
    publish_and_deliver(&world, "2026-11-23 14:00").await;
    let (read, _) = world.store.candidates(world.clock.now() - Duration::days(14)).expect("candidates");
    HUB.lists(&world, &["2611.00001", "doi:10.1000/x"], "Retrieval by arXiv", 9);
    world.at("2026-11-24 14:00");
    for (read, sent) in [(read, 2), (read + 1, 1)] {
        let due = world.store.due(world.clock.now(), 9, read).expect("a database");
        let ledgers = world.store.ledgers(&[(&due[0], 0)]).expect("a database");
        assert_eq!(ledgers[0].as_ref().expect("a ledger").sent, [sent]);
    }
}

#[tokio::test]
async fn what_is_remembered_of_old_editions_holds_for_papers_that_are_joined_later() {
    let mut world = World::new().await;
    HUB.lists(&world, &["2611.00001"], "Retrieval by arXiv", 9);
    FEED.lists(&world, &["doi:10.1000/x"], "Retrieval by DOI", 5);
    world.subscribe(&block("ada", "sources = [\"huggingface-trending\"]"));
    publish_and_deliver(&world, "2026-11-23 14:00").await;
    assert_eq!(got(&world, "ada"), ["Retrieval by DOI"]);
    // Past the time that editions are kept, with a window wide enough for the paper to be a candidate still.
    for day in 1..=120 {
        let at = world.clock.now() + Duration::days(1);
        world.clock.set(at);
        FEED.reads(&world, &[], 0);
        if day % 10 == 0 {
            world.publish();
        }
    }
    jobs::prune::run(&world.store, world.publish.window, world.clock.now(), &CancellationToken::new()).expect("pruned");
    assert_eq!(count(&world, "SELECT count(*) FROM editions WHERE id = 1"), 0, "only the ledger has it");
    HUB.lists(&world, &["2611.00001", "doi:10.1000/x"], "Retrieval by arXiv", 9);
    world.publish.window = Duration::days(400);
    world.change("ada", Some(&block("ada", "")));
    publish_and_deliver(&world, "2027-04-01 09:00").await;
    assert_eq!(got(&world, "ada").len(), 1);
}

#[tokio::test]
async fn a_mail_that_waits_is_the_same_though_its_papers_were_joined_and_thinned_out() {
    let mut world = World::new().await;
    FEED.lists(&world, &["doi:10.1000/x"], "Retrieval by DOI", 5);
    for (hour, votes) in [(10, 2), (11, 7), (12, 9)] {
        world.at(&format!("2026-11-23 {hour}:00"));
        HUB.lists(&world, &["2611.00001"], "Retrieval by arXiv", votes);
    }
    world.subscribe(&block("ada", ""));
    world.publish();
    let papers = |edition| {
        let mailing = world.store.mailing(edition).expect("a database").expect("a mailing");
        let ids: Vec<u32> = mailing.papers.concat();
        let known = world.store.papers_as_of(&ids, mailing.read).expect("a database");
        ids.iter().map(|id| known[id].clone()).map(|c| (c.paper, c.listings, c.votes)).collect::<Vec<_>>()
    };
    let before = papers(1);
    assert_eq!(before.len(), 2);
    world.at("2026-11-23 13:00");
    HUB.lists(&world, &["2611.00001", "doi:10.1000/x"], "Retrieval by all", 11);
    assert_eq!(papers(1), before);
    for _ in 0..150 {
        world.clock.set(world.clock.now() + Duration::days(1));
        FEED.reads(&world, &[], 0);
    }
    jobs::prune::run(&world.store, world.publish.window, world.clock.now(), &CancellationToken::new()).expect("pruned");
    assert_eq!(papers(1), before);
}

#[tokio::test]
async fn a_mail_that_waits_keeps_the_votes_that_its_papers_had_under_other_numbers() {
    let mut world = World::new().await;
    FEED.lists(&world, &["doi:10.1000/x"], "Retrieval by DOI", 5);
    for (hour, votes) in [(10, 2), (11, 7), (12, 9)] {
        world.at(&format!("2026-11-23 {hour}:00"));
        HUB.lists(&world, &["2611.00001"], "Retrieval by arXiv", votes);
    }
    world.at("2026-11-23 13:00");
    HUB.lists(&world, &["2611.00001", "doi:10.1000/x"], "Retrieval by all", 11);
    world.subscribe(&block("ada", ""));
    world.publish();
    let votes = || {
        let read = world.store.mailing(1).expect("a database").expect("a mailing").read;
        let paper = world.store.papers_as_of(&[1], read).expect("a database").remove(&1).expect("the paper");
        paper.votes.iter().map(|vote| vote.upvotes).collect::<Vec<_>>()
    };
    assert_eq!(votes(), [2, 7, 9, 11], "of both numbers");
    for _ in 0..150 {
        world.clock.set(world.clock.now() + Duration::days(1));
        FEED.reads(&world, &[], 0);
    }
    jobs::prune::run(&world.store, world.publish.window, world.clock.now(), &CancellationToken::new()).expect("pruned");
    assert_eq!(votes(), [2, 7, 9, 11]);
}

#[tokio::test]
async fn a_doi_that_two_arxiv_ids_claim_joins_no_papers() {
    let world = World::new().await;
    let both: [(&[&str], &str); 2] =
        [(&["2611.00001", "doi:10.1000/x"], "Retrieval"), (&["2611.00002", "doi:10.1000/x"], "Retrieval, too")];
    let ingested = HUB.reads(&world, &both, 5);
    assert_eq!((ingested.added.len(), ingested.apart.len()), (2, 1));
    let third = JOURNAL.lists(&world, &["doi:10.1000/x"], "Retrieval", 5);
    assert_eq!((third.added.len(), third.joined), (1, 0));
    let again = HUB.reads(&world, &both, 5);
    assert_eq!((again.added.len(), again.joined, again.unchanged), (0, 0, 2));
    assert_eq!(count(&world, "SELECT count(*) FROM joined"), 0);
}

#[tokio::test]
async fn a_paper_that_gets_a_better_name_stays_the_same_paper() {
    let mut world = World::new().await;
    FEED.lists(&world, &["huggingface-trending:17"], "Retrieval", 5);
    world.subscribe(&block("ada", ""));
    publish_and_deliver(&world, "2026-11-23 14:00").await;
    let renamed = FEED.lists(&world, &["doi:10.1000/x", "huggingface-trending:17"], "Retrieval", 5);
    assert_eq!((renamed.added.len(), renamed.revised.len()), (0, 1));
    JOURNAL.lists(&world, &["2611.00001", "doi:10.1000/x"], "Retrieval", 5);
    for name in ["huggingface-trending:17", "doi:10.1000/x", "2611.00001"] {
        assert_eq!(shown(&world, name).key.as_str(), "arxiv:2611.00001", "{name}");
    }
    assert_eq!(count(&world, "SELECT count(*) FROM papers"), 1);
    publish_and_deliver(&world, "2026-11-24 09:00").await;
    assert_eq!(got(&world, "ada").len(), 1);
}

#[tokio::test]
async fn a_read_that_is_not_committed_joins_nothing() {
    let world = World::new().await;
    FEED.lists(&world, &["doi:10.1000/x"], "Retrieval by DOI", 5);
    HUB.lists(&world, &["2611.00001"], "Retrieval by arXiv", 9);
    let state = || {
        let tables = ["papers", "joined", "aliases", "revisions", "descriptions", "reads", "votes", "listings"];
        tables.map(|table| count(&world, &format!("SELECT count(*) FROM {table}")))
    };
    let before = state();
    world.store.refuse_commits(|| true).expect("a hook");
    let join = || HUB.lists(&world, &["2611.00001", "doi:10.1000/x"], "Retrieval by all", 9);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(join)).is_err());
    world.store.refuse_commits(|| false).expect("a hook");
    assert_eq!(state(), before);
    assert_eq!(join().joined, 1);
    assert_eq!(count(&world, "SELECT count(*) FROM joined"), 1);
}
