//! The bounce mailbox on a server: Dovecot's, and servers that no one should trust.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use paperpost::clock::Clock;
use paperpost::core::server::{Login, Mechanism, Tls};
use paperpost::core::subscription::Consent;
use paperpost::jobs::bounce::{self, Outcome::Report};
use paperpost::jobs::inbox::{self, Inbox};
use paperpost::mail::imap::{Imap, ImapSettings};
use paperpost::mail::inbound::LONGEST_MESSAGE;
use paperpost::store::Taken;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::bounces::{Dsn, consent, sent, settings};
use crate::leaving::return_path;
use crate::postoffice::{ASCII_PASSWORD, PASSWORD, PostOffice, free_ports};
use crate::process::{Home, said, until};
use crate::site::{Site, paper};
use crate::smtp::{Identity, SmtpServer, tls};
use crate::world::World;

const LETTER: &str = "From: a@example.net\r\nSubject: A question\r\n\r\nHello?\r\n";

/// Works through a mailbox once; how many messages there were.
async fn read(world: &World, imap: ImapSettings) -> usize {
    let inbox = Inbox::Imap(Imap::new(imap).expect("settings"));
    inbox::run(&world.store, &settings(world), Some(&inbox), &world.clock).await.expect("a mailbox").messages
}

#[tokio::test]
async fn what_is_unread_is_taken_in_once_and_a_letter_stays_unread_for_a_person() {
    let office = PostOffice::open().await;
    for tls in [Tls::Implicit, Tls::StartTls, Tls::None] {
        let world = sent().await;
        let report = Dsn { to: &return_path(&world), ..Dsn::default() }.text();
        let user = format!("{tls:?}").to_lowercase();
        office.put("bounces", &format!("1.{user}"), &report);
        office.put("bounces", &format!("2.{user}"), LETTER);
        // What follows the first mebibyte is not read, whatever it is.
        let long = format!("{}{}", Dsn::default().text(), "a long line of text\r\n".repeat(LONGEST_MESSAGE / 10));
        office.put("bounces", &format!("3.{user}"), &long);
        let imap = office.imap("bounces", tls);
        assert_eq!((read(&world, imap.clone()).await, read(&world, imap).await), (3, 0), "{tls:?}");
        assert_eq!(consent(&world), Consent::Suppressed);
        let flags = |name| office.flags("bounces", &format!("{name}.{user}"));
        assert_eq!((flags(1), flags(2), flags(3)), (Some("S".into()), Some("F".into()), Some("F".into())), "{tls:?}");
    }
}

#[tokio::test]
async fn a_crash_before_the_mark_changes_nothing_twice() {
    let office = PostOffice::open().await;
    let world = sent().await;
    let (status, words) = ("4.2.2", "452 4.2.2 mailbox full");
    office.put("bounces", "1.x", &Dsn { to: &return_path(&world), status, words, ..Dsn::default() }.text());
    let imap = office.imap("bounces", Tls::Implicit);
    let mut mailbox = Imap::new(imap.clone()).expect("settings").open().await.expect("a session");
    let unread = mailbox.unread().await.expect("numbers");
    let message = mailbox.fetch(unread[0]).await.expect("an answer").expect("a message");
    let judge = || bounce::run(&world.store, &settings(&world), &message, world.clock.now()).expect("a database");
    assert_eq!(judge(), Report(Taken::Noted));
    drop(mailbox);

    assert_eq!(judge(), Report(Taken::Again), "the same octets come at the second time");
    assert_eq!((read(&world, imap.clone()).await, read(&world, imap).await), (1, 0));
    let counts = world.store.bounces(chrono::DateTime::UNIX_EPOCH).expect("a list");
    assert_eq!(counts.iter().map(|status| status.count).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn what_was_taken_in_is_deleted_where_that_is_wanted_and_nothing_else_is() {
    let office = PostOffice::open().await;
    let world = sent().await;
    office.put("bounces", "1.x", &Dsn { to: &return_path(&world), ..Dsn::default() }.text());
    office.put("bounces", "2.x", LETTER);
    let imap = ImapSettings { delete: true, ..office.imap("bounces", Tls::Implicit) };
    assert_eq!((read(&world, imap.clone()).await, read(&world, imap).await), (2, 0));
    assert_eq!((office.flags("bounces", "1.x"), office.flags("bounces", "2.x")), (None, Some("F".into())));
}

#[tokio::test]
async fn a_password_of_any_characters_logs_in() {
    let office = PostOffice::open().await;
    for (user, password) in [("ada", PASSWORD), ("mary", ASCII_PASSWORD)] {
        let settings = ImapSettings { login: Login::new(user, password), ..office.imap(user, Tls::StartTls) };
        Imap::new(settings).expect("settings").open().await.expect("a session").close().await;
    }
}

/// Why a mailbox can't be opened.
async fn refusal(imap: ImapSettings) -> String {
    match Imap::new(imap).expect("settings").open().await {
        Ok(_) => panic!("it can be opened"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn every_trouble_is_said_in_words_that_help() {
    let office = PostOffice::open().await;
    let right = office.imap("bounces", Tls::Implicit);
    let [nobody] = free_ports();
    let stranger = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(stranger.path(), Identity::new().authority).expect("written");
    let imaps = right.port;
    let starttls = office.imap("bounces", Tls::StartTls).port;
    for (settings, expected) in [
        (
            ImapSettings { login: Login::new("bounces", "guessed"), ..right.clone() },
            format!("localhost:{imaps}: log in: [AUTHENTICATIONFAILED] Authentication failed."),
        ),
        (
            ImapSettings { mailbox: "Bounces \"2\"".into(), ..right.clone() },
            format!("localhost:{imaps}: select the mailbox: Mailbox doesn't exist: Bounces \"2\""),
        ),
        (ImapSettings { port: nobody, ..right.clone() }, format!("localhost:{nobody}: connect: Connection refused")),
        (
            ImapSettings { ca_file: Some(stranger.path().to_owned()), ..right.clone() },
            format!("localhost:{imaps}: tls: invalid peer certificate"),
        ),
        (ImapSettings { host: "127.0.0.1".into(), ..right.clone() }, format!("127.0.0.1:{imaps}: tls: invalid peer")),
        (ImapSettings { port: starttls, ..right.clone() }, format!("localhost:{starttls}: tls: received corrupt")),
    ] {
        let said = refusal(settings).await;
        assert!(said.starts_with(&expected), "{said}\nis not\n{expected}");
    }
}

/// A server that does as it was told, once.
struct Scripted {
    settings: ImapSettings,
    /// The lines that it was told in the clear.
    heard: Arc<Mutex<Vec<String>>>,
    _authority: tempfile::NamedTempFile,
}

/// Answers each line with the next of `answers`, `TAG` standing for its tag; an empty answer is silence. After one to
/// STARTTLS that has an OK it goes on in TLS, and after a BYE not at all.
async fn scripted(greeting: &str, answers: &[&'static str]) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let (acceptor, authority) = tls();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), authority).expect("written");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (lines, greeting, answers) = (heard.clone(), greeting.to_owned(), answers.to_vec());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        stream.write_all(greeting.as_bytes()).await.ok();
        let done = talk(&mut stream, &answers, |line| lines.lock().expect("no panic").push(line)).await;
        let (said, rest) = answers.split_at(done.min(answers.len()));
        if said.last().is_some_and(|answer| answer.contains("BYE")) {
            return;
        }
        if let Ok(mut stream) = acceptor.accept(stream).await {
            talk(&mut stream, rest, |_| {}).await;
        }
    });
    let settings = ImapSettings {
        host: "localhost".into(),
        port,
        tls: Tls::None,
        ca_file: Some(file.path().to_owned()),
        login: Login::new("bounces", "hunter2"),
        mailbox: "INBOX".into(),
        delete: false,
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_millis(300),
    };
    Scripted { settings, heard, _authority: file }
}

/// How many answers were given, when the client hung up or TLS is to begin.
async fn talk(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    answers: &[&'static str],
    mut hear: impl FnMut(String),
) -> usize {
    let mut stream = BufReader::new(stream);
    let (mut line, mut done) = (String::new(), 0);
    while stream.read_line(&mut line).await.is_ok_and(|octets| octets > 0) {
        hear(line.trim_end().to_owned());
        let answer = answers.get(done).copied().unwrap_or_default();
        done += 1;
        stream.write_all(answer.replace("TAG", line.split(' ').next().unwrap_or_default()).as_bytes()).await.ok();
        if line.contains("STARTTLS") && answer.contains("OK") || answer.contains("BYE") {
            break;
        }
        line.clear();
    }
    done
}

#[tokio::test]
async fn a_password_is_never_said_in_the_clear_to_a_server_without_tls() {
    const REFUSED: &[&str] = &["TAG BAD what?\r\n"];
    const LEFT_OPEN: &[&str] = &["TAG NO you are in already\r\n"];
    for (greeting, answers) in
        [("* OK welcome\r\n", REFUSED), ("* PREAUTH welcome\r\n", LEFT_OPEN), ("* OK welcome\r\n", &[])]
    {
        let server = scripted(greeting, answers).await;
        let said = refusal(ImapSettings { tls: Tls::StartTls, ..server.settings }).await;
        assert!(said.contains(": starttls: "), "{said}");
        assert_eq!(*server.heard.lock().expect("no panic"), ["A0001 STARTTLS"]);
    }
}

#[tokio::test]
async fn what_is_slipped_in_before_tls_is_no_answer() {
    // The first tag after the change is A0001 again.
    let injected = "TAG OK go\r\nA0001 OK welcome\r\n* CAPABILITY IMAP4rev1\r\n";
    for (password, answers) in [
        ("hunter2", [injected, "A0001 NO who are you?\r\n", ""]),
        ("hünter2", [injected, "+ \r\n", "A0001 NO who are you?\r\n"]),
    ] {
        let server = scripted("* OK welcome\r\n", &answers).await;
        let login = Login::new("bounces", password);
        let said = refusal(ImapSettings { tls: Tls::StartTls, login, ..server.settings }).await;
        assert!(said.ends_with(": log in: who are you?"), "{said}");
    }
}

/// What a server says while a mailbox is opened.
const OPEN: [&str; 3] = ["TAG OK in\r\n", "* CAPABILITY IMAP4rev1\r\nTAG OK\r\n", "* 1 EXISTS\r\nTAG OK\r\n"];

#[tokio::test]
async fn a_token_is_shown_as_google_and_microsoft_want_it() {
    let login = Login { mechanism: Mechanism::XOAuth2, ..Login::new("bounces@example.org", "t0ken") };
    let welcomed = scripted("* OK welcome\r\n", &[&["+ \r\n", "A0001 OK in\r\n"], &OPEN[1..]].concat()).await;
    let settings = ImapSettings { login: login.clone(), ..welcomed.settings };
    Imap::new(settings).expect("settings").open().await.expect("a session");
    let shown = "dXNlcj1ib3VuY2VzQGV4YW1wbGUub3JnAWF1dGg9QmVhcmVyIHQwa2VuAQE=";
    assert_eq!(welcomed.heard.lock().expect("no panic")[..2], ["A0001 AUTHENTICATE XOAUTH2", shown]);
    // A refusal is explained before it is said, and the explanation wants an answer.
    let refused =
        scripted("* OK welcome\r\n", &["+ \r\n", "+ eyJzdGF0dXMiOiI0MDAifQ==\r\n", "A0001 NO expired\r\n"]).await;
    let said = refusal(ImapSettings { login, ..refused.settings }).await;
    assert!(said.ends_with(": log in: expired"), "{said}");
}

/// Works through the mailbox of a server that says this once it is open: how many messages there were, the trouble, and
/// what the server heard.
async fn look(world: &World, delete: bool, answers: &[&'static str]) -> (usize, String, Vec<String>) {
    const OPEN: [&str; 3] =
        ["TAG OK in\r\n", "* CAPABILITY IMAP4rev1 UIDPLUS\r\nTAG OK\r\n", "* 1 EXISTS\r\nTAG OK\r\n"];
    let server = scripted("* OK welcome\r\n", &[&OPEN[..], answers].concat()).await;
    let inbox = Inbox::Imap(Imap::new(ImapSettings { delete, ..server.settings }).expect("settings"));
    let (messages, trouble) = match inbox::run(&world.store, &settings(world), Some(&inbox), &world.clock).await {
        Ok(inbox::Report { messages, trouble, .. }) => {
            (messages, trouble.map(|error| error.to_string()).unwrap_or_default())
        }
        Err(error) => (0, error.to_string()),
    };
    let heard = server.heard.lock().expect("no panic").clone();
    (messages, trouble, heard)
}

/// The answer that hands out a message.
fn handed(uid: u32, message: &str) -> &'static str {
    format!("* 1 FETCH (UID {uid} BODY[]<0> {{{}}}\r\n{message})\r\nTAG OK\r\n", message.len()).leak()
}

const FOUND: &str = "* SEARCH 7 8\r\nTAG OK\r\n";
const DONE: &str = "TAG OK\r\n";

/// A server that says this to one connection after the other, each opened first; and the lines that it heard.
async fn sessions(scripts: Vec<Vec<&'static str>>) -> (ImapSettings, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let lines = heard.clone();
    tokio::spawn(async move {
        for script in scripts {
            let (mut stream, _) = listener.accept().await.expect("a client");
            stream.write_all(b"* OK welcome\r\n").await.ok();
            let answers = [&OPEN[..], &script].concat();
            // Hangs up at the end of its script, in the midst of an answer where that has no end.
            for answer in answers {
                let mut line = String::new();
                if BufReader::with_capacity(1, &mut stream).read_line(&mut line).await.is_ok_and(|octets| octets > 0) {
                    lines.lock().expect("no panic").push(line.trim_end().to_owned());
                    let tag = line.split(' ').next().unwrap_or_default();
                    stream.write_all(answer.replace("TAG", tag).as_bytes()).await.ok();
                }
            }
        }
    });
    let settings = ImapSettings {
        host: "localhost".into(),
        port,
        tls: Tls::None,
        ca_file: None,
        login: Login::new("bounces", "hunter2"),
        mailbox: "INBOX".into(),
        delete: false,
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_millis(300),
    };
    (settings, heard)
}

#[tokio::test]
async fn a_message_that_breaks_the_connection_holds_up_no_later_one_and_is_set_aside_after_two_tries() {
    let oversized: &'static str = format!("* 1 FETCH (UID 7 BODY[]<0> {{99999999}}\r\n{}", "x".repeat(3 << 20)).leak();
    let cut_off = "* 1 FETCH (UID 7 BODY[]<0> {900}\r\nSubj";
    for breaks in
        ["", cut_off, "* 1 FETCH (UID 7 BODY[]<0> {\r\n", "\0\0\0 what?\r\n", oversized, "* BYE not that one\r\n"]
    {
        let world = sent().await;
        let report = handed(8, Dsn { to: &return_path(&world), ..Dsn::default() }.text().leak());
        let scripts =
            vec![vec![FOUND, breaks], vec![report, DONE, breaks], vec!["TAG OK flagged\r\n", "* BYE\r\nTAG OK\r\n"]];
        let (imap, heard) = sessions(scripts).await;
        let inbox = Inbox::Imap(Imap::new(imap).expect("settings"));
        let inbox::Report { messages, set_aside, .. } =
            inbox::run(&world.store, &settings(&world), Some(&inbox), &world.clock).await.expect("a mailbox");
        assert_eq!((messages, consent(&world)), (1, Consent::Suppressed), "{breaks:.40}");
        assert_eq!(set_aside.len(), 1, "a person hears of it");
        let trouble = set_aside[0].to_string();
        assert!(trouble.starts_with("message 7 is set aside, flagged, for a person: localhost"), "{trouble}");
        let heard = heard.lock().expect("no panic").clone();
        assert_eq!(heard.iter().filter(|line| line.contains("UID FETCH 7 ")).count(), 2, "{heard:?}");
        assert!(heard.iter().any(|line| line.contains(r"UID STORE 7 +FLAGS.SILENT (\Flagged)")), "{heard:?}");
    }
}

#[tokio::test]
async fn each_message_that_is_set_aside_is_told_and_so_is_how_many_wait() {
    let world = sent().await;
    let report = handed(9, Dsn { to: &return_path(&world), ..Dsn::default() }.text().leak());
    let scripts = vec![
        vec!["* SEARCH 7 8 9\r\nTAG OK\r\n", ""],
        vec![""],
        vec![report, DONE, ""],
        vec![DONE, ""],
        vec![DONE, "* SEARCH 3 7 8\r\nTAG OK\r\n", DONE],
    ];
    let (imap, heard) = sessions(scripts).await;
    let inbox = Inbox::Imap(Imap::new(imap).expect("settings"));
    let report = inbox::run(&world.store, &settings(&world), Some(&inbox), &world.clock).await.expect("a mailbox");
    let heard = heard.lock().expect("no panic").clone();
    let set_aside: Vec<_> = report.set_aside.iter().map(|message| message.uid).collect();
    assert_eq!((report.messages, set_aside, report.flagged), (1, vec![7, 8], Some(3)), "{heard:?}");
    assert!(report.trouble.is_none(), "{:?}", report.trouble);
    assert!(heard.iter().any(|line| line.ends_with("UID SEARCH UNSEEN FLAGGED UNDELETED")), "{heard:?}");
    assert_eq!(world.store.flagged().expect("a working database"), Some(3));
    // Without a mailbox nothing waits in it.
    inbox::run(&world.store, &settings(&world), None, &world.clock).await.expect("nothing");
    assert_eq!(world.store.flagged().expect("a working database"), None);
}

#[tokio::test]
async fn a_server_that_breaks_off_at_every_message_sets_none_aside() {
    let world = sent().await;
    let (imap, heard) = sessions(vec![vec![FOUND, ""], vec![""], vec![""]]).await;
    let inbox = Inbox::Imap(Imap::new(imap).expect("settings"));
    let report = inbox::run(&world.store, &settings(&world), Some(&inbox), &world.clock).await.expect("a mailbox");
    assert!(report.messages == 0 && report.trouble.is_some(), "{report:?}");
    assert!(!heard.lock().expect("no panic").iter().any(|line| line.contains("STORE")));
}

#[tokio::test]
async fn a_server_that_says_good_bye_at_once_is_told_in_its_words() {
    for (greeting, expected) in [
        ("* BYE [UNAVAILABLE] Too many connections from bounces@example.org\r\n", "Too many connections from ***"),
        ("* BYE\r\n", ": greeting: "),
        ("* NO come back tomorrow\r\n", ": greeting: come back tomorrow"),
    ] {
        let server = scripted(greeting, &[]).await;
        let said = refusal(server.settings).await;
        assert!(
            said.contains(": greeting: ") && said.ends_with(expected)
                || expected == ": greeting: " && said.contains(expected),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_good_bye_while_logging_in_is_told_in_the_servers_words() {
    const CAPABLE: &str = "* CAPABILITY IMAP4rev1\r\nTAG OK\r\n";
    for (answers, expected) in [
        (vec!["* BYE Too many logins for bounces@example.org\r\n"], "log in: Too many logins for ***"),
        (vec!["* BYE Down for repairs\r\nTAG NO\r\n"], "log in: "),
        (vec!["TAG OK in\r\n", "* BYE Idle for too long\r\n"], ": Idle for too long"),
        (vec!["TAG OK in\r\n", CAPABLE, "* BYE No such home\r\n"], "select the mailbox: No such home"),
    ] {
        let server = scripted("* OK ready\r\n", &answers).await;
        let said = refusal(server.settings).await;
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn one_message_that_cannot_be_had_holds_up_no_other() {
    let world = sent().await;
    let answers = [FOUND, "TAG NO it is broken\r\n", handed(8, LETTER), DONE, DONE];
    let (messages, trouble, heard) = look(&world, false, &answers).await;
    assert!(messages == 1 && trouble.ends_with("UID FETCH: it is broken"), "{messages} {trouble}");
    assert!(heard.iter().any(|line| line.contains("UID STORE 8")), "{heard:?}");
}

#[tokio::test]
async fn one_message_that_cannot_be_marked_holds_up_no_other_and_counts_once() {
    let world = sent().await;
    let to = return_path(&world);
    let report = |status| handed(7, &Dsn { to: &to, status, ..Dsn::default() }.text());
    for _ in 0..2 {
        let answers = [FOUND, report("4.2.2"), "TAG NO the mailbox is read-only\r\n", handed(8, LETTER), DONE, DONE];
        let (messages, trouble, heard) = look(&world, false, &answers).await;
        assert!(messages == 1 && trouble.ends_with("UID STORE: the mailbox is read-only"), "{messages} {trouble}");
        assert!(heard.iter().any(|line| line.contains("UID STORE 8")), "{heard:?}");
    }
    let counts = world.store.bounces(chrono::DateTime::UNIX_EPOCH).expect("a list");
    assert_eq!(counts.iter().map(|status| status.count).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn what_cannot_be_removed_holds_up_none_behind_it() {
    const NO: &str = "TAG NO it is not for you to remove\r\n";
    let world = sent().await;
    let to = return_path(&world);
    let report = |uid, status| handed(uid, &Dsn { to: &to, status, ..Dsn::default() }.text());
    let answers = [FOUND, report(7, "5.7.1"), DONE, NO, report(8, "5.1.1"), DONE, NO, DONE];
    let (messages, trouble, heard) = look(&world, true, &answers).await;
    assert!(messages == 2 && trouble.ends_with("UID EXPUNGE: it is not for you to remove"), "{messages} {trouble}");
    assert!(heard.iter().any(|line| line.contains(r"UID STORE 8 +FLAGS.SILENT (\Seen \Deleted)")), "{heard:?}");
    assert_eq!(consent(&world), Consent::Suppressed);
}

#[tokio::test]
async fn a_refusal_in_the_midst_is_no_empty_mailbox() {
    const FOUND: &str = "* SEARCH 7\r\nTAG OK\r\n";
    let world = sent().await;
    for (answers, expected) in [
        (vec!["TAG NO not now\r\n"], "UID SEARCH: not now"),
        (vec![FOUND, "TAG BAD what?\r\n", DONE], "UID FETCH: what?"),
        (vec![FOUND, handed(7, LETTER), "* BYE enough\r\n"], "UID STORE: enough"),
    ] {
        let (messages, trouble, _) = look(&world, false, &answers).await;
        assert!(messages == 0 && trouble.ends_with(expected), "{trouble}\nis not\n{expected}");
    }
}

#[tokio::test]
async fn a_server_that_stalls_talks_nonsense_or_never_ends_is_given_up() {
    let soon = Duration::from_millis(300);
    for (greeting, timeout, expected) in [
        (String::new(), soon, "greeting: no answer within 0.3 s"),
        ("HTTP/1.1 400 Bad\r\n".into(), soon, "greeting: the server's answer is no IMAP"),
        (
            format!("* 1 FETCH (BODY[] {{3000000}}\r\n{}", "x".repeat(3_000_000)),
            Duration::from_secs(60),
            "greeting: the answer is too long",
        ),
        ("* OK welcome\r\n".into(), soon, "log in: no answer within 0.3 s"),
    ] {
        let server = scripted(&greeting, &[]).await;
        let said = refusal(ImapSettings { timeout, ..server.settings }).await;
        assert!(said.ends_with(expected), "{said}\nis not\n{expected}");
    }
}

#[tokio::test]
async fn a_daemon_that_cannot_read_its_mailbox_says_so_once_and_goes_on() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    site.list(Clock::System.now().date_naive(), paper("2611.00001", "Retrieval at scale"));
    let home = Home::new(&site, &smtp, "[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"retrieval\"]\n");
    let broken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = broken.local_addr().expect("an address").port();
    let tries = Arc::new(AtomicUsize::new(0));
    let count = tries.clone();
    tokio::spawn(async move {
        while broken.accept().await.is_ok() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let imap = format!(
        "[bounces]\ninterval = \"10ms\"\n[imap]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
         username = \"bounces\"\npassword = \"hunter2\"\n"
    );
    home.write("paperpost.toml", &(home.read("paperpost.toml") + &imap));
    let mut daemon = home.daemon("log");
    until("the mailbox was tried some times", || tries.load(Ordering::Relaxed) >= 5).await;
    until("the edition is sent all the same", || smtp.mails().len() == 1).await;
    let by_hand = home.run(&["bounce", "--inbox"]).await;
    assert_eq!(by_hand.status.code(), Some(1));
    assert!(said(&by_hand).starts_with(&format!("paperpost: 127.0.0.1:{port}: greeting: ")), "{}", said(&by_hand));
    daemon.signal("-TERM");
    assert_eq!(daemon.ended().await, Some(0));
    let log = home.read("log");
    assert_eq!(log.matches("could not read the bounce mailbox").count(), 1, "{log}");
    assert!(log.contains("the server closed the connection") && !log.contains("hunter2"), "{log}");
}

#[test]
fn another_machine_is_never_asked_in_the_clear() {
    let settings = ImapSettings {
        host: "imap.example.org".into(),
        port: 143,
        tls: Tls::None,
        ca_file: None,
        login: Login::new("bounces", "hunter2"),
        mailbox: "INBOX".into(),
        delete: false,
        connect_timeout: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
    };
    assert_eq!(format!("{settings:?}"), "ImapSettings imap.example.org:143 None \"INBOX\"");
    assert!(Imap::new(settings).is_err());
}
