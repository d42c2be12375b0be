//! Mails in a run: all of the next one but its last step is done while the outcome of the last one is being committed.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use paperpost::core::delivery::{AttemptOutcome, Phase, Receipt, SendError};
use paperpost::core::server::{Pipelining, Tls};
use paperpost::jobs::deliver;
use paperpost::mail::file::Files;
use paperpost::mail::sendmail::Sendmail;
use paperpost::mail::smtp::{Smtp, SmtpSettings};
use paperpost::mail::{Gate, Handover, Mail, Transport};
use tokio_util::sync::CancellationToken;

use crate::database::Database;
use crate::faults::faults;
use crate::mail::{mail, mail_with, word};
use crate::site::{day, paper};
use crate::smtp::{Act, Offer, SmtpServer};
use crate::world::World;

/// Lines of the small mail.
const LINES: usize = 5;

#[tokio::test]
async fn everything_but_the_final_dot_goes_out_before_the_gate_opens() {
    for offer in [Offer::default(), Offer::default().without("PIPELINING")] {
        let server = SmtpServer::offering(offer).await;
        let smtp = Smtp::new(server.settings(Tls::None)).expect("settings");
        let next = OnceLock::new();
        for (id, opens) in [("1", true), ("2", false), ("3", true)] {
            let (answer, gate) = Gate::waiting();
            let (mail, taken) = (mail(id), server.mails().len());
            let lines = LINES * id.parse::<usize>().expect("a number");
            let (sent, ()) = tokio::join!(smtp.send_with_handover(&mail, Handover { gate, next: &next }), async {
                server.has_message_lines(lines).await;
                assert_eq!(server.mails().len(), taken, "the server can't have it yet");
                answer.send(opens).expect("someone waits");
            });
            assert_eq!(sent.expect("no fault").is_some(), opens, "{id}");
        }
        assert_eq!(server.message_ids(), ["<1@example.org>", "<3@example.org>"]);
        assert_eq!(server.connections(), 2, "a message without its end ends with the connection");
    }
}

/// Every step of a mail that was announced with the end of the one before × every way to fail: what becomes of the mail
/// before, of the mail itself, and that the one after is not harmed. Faults at `body` are the answer to the first mail's end.
#[tokio::test]
async fn a_fault_after_a_mail_was_announced_has_its_outcome_and_lands_on_the_right_mail() {
    let mut runs = tokio::task::JoinSet::new();
    for phase in ["body", "mail", "rcpt", "data"] {
        for (name, act) in faults() {
            runs.spawn(async move {
                let outcome = two_in_turn(phase, act).await;
                let expected = expected(phase, name);
                (outcome != expected).then(|| format!("{phase}, {name}: {outcome}, not {expected}"))
            });
        }
    }
    let wrong: Vec<String> = runs.join_all().await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn expected(phase: &str, fault: &str) -> &'static str {
    match (phase, fault) {
        // The end of the first mail is answered; the second is the first one's no longer.
        ("body", "4yz" | "421") => "transient body, sent",
        ("body", "5yz") => "permanent body, sent",
        // A reply too many is seen when DATA is answered by a 250 that was meant for another command.
        (_, "two replies") => "sent, transient data",
        ("body", _) => "unknown body, sent",
        // Gone before MAIL was answered: nothing was said about the second mail, so it is announced anew.
        ("mail", "421" | "close" | "reset") => "sent, sent",
        ("mail", _) => "sent, transient mail",
        ("rcpt", "5yz") => "sent, permanent rcpt",
        ("rcpt", _) => "sent, transient rcpt",
        ("data", "5yz") => "sent, permanent data",
        _ => "sent, transient data",
    }
}

#[tokio::test]
async fn a_mail_that_was_announced_and_does_not_come_keeps_no_connection_from_others() {
    let server = SmtpServer::start().await;
    let mut settings = server.settings(Tls::None);
    (settings.pipelining, settings.connections) = (Pipelining::Mails, 1);
    let smtp = Smtp::new(settings).expect("settings");
    let next = OnceLock::from(mail("second"));
    smtp.send_with_handover(&mail("first"), Handover { gate: Gate::open(), next: &next }).await.expect("no fault");
    smtp.send(&mail("third")).await.expect("no fault");
    assert_eq!((server.message_ids().len(), server.connections()), (2, 2));
    tokio::time::timeout(Duration::from_secs(5), server.has_open(1)).await.expect("the other one is gone");
}

#[tokio::test]
async fn a_server_that_stops_reading_in_the_midst_of_a_message_has_not_taken_it() {
    for pipelining in [Pipelining::Off, Pipelining::Commands, Pipelining::Mails] {
        let server = SmtpServer::start().await;
        server.will("data", Act::SayAndIgnore("354 go ahead"));
        let mut settings = server.settings(Tls::None);
        settings.pipelining = pipelining;
        let smtp = Smtp::new(settings).expect("settings");
        // More than the buffers between the two hold.
        let large = mail_with("large", &"A line of a very long message.\r\n".repeat(300_000));
        let next = OnceLock::from(mail("next"));
        let result = smtp.send_with_handover(&large, Handover { gate: Gate::open(), next: &next }).await;
        let error = result.expect_err("nobody has it");
        assert_eq!(
            (error.kind(), error.fault().phase),
            (AttemptOutcome::Transient, Phase::Body),
            "{pipelining:?}: {error}"
        );
    }
}

#[tokio::test]
async fn a_session_that_grew_too_old_at_rest_takes_no_further_mail() {
    let server = SmtpServer::start().await;
    let mut settings = server.settings(Tls::None);
    settings.max_age = Duration::from_secs(20);
    let smtp = Smtp::new(settings).expect("settings");
    smtp.send(&mail("young")).await.expect("no fault");
    // No socket is waited for meanwhile.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(20)).await;
    tokio::time::resume();
    smtp.send(&mail("old")).await.expect("no fault");
    assert_eq!((server.message_ids().len(), server.connections()), (2, 2));
}

/// Sends a mail that announces a second one, meets one fault, sends the second and then a third, which must be taken.
async fn two_in_turn(phase: &'static str, act: Act) -> String {
    let server = SmtpServer::start().await;
    if phase != "body" {
        // The first mail's own.
        server.will(phase, Act::After(Duration::ZERO));
    }
    server.will(phase, act);
    let mut settings = server.settings(Tls::None);
    settings.pipelining = Pipelining::Mails;
    let smtp = Smtp::new(settings).expect("settings");
    let (next, nothing) = (OnceLock::from(mail("second")), OnceLock::new());
    let first = smtp.send_with_handover(&mail("first"), Handover { gate: Gate::open(), next: &next }).await;
    let second = smtp.send_with_handover(&mail("second"), Handover { gate: Gate::open(), next: &nothing }).await;
    let third = smtp.send(&mail("third")).await;
    smtp.close().await;

    let ids = server.message_ids();
    let count = |id: &str| ids.iter().filter(|taken| **taken == format!("<{id}@example.org>")).count();
    let [first, second] = [("first", first), ("second", second)].map(|(id, result)| {
        let result = result.map(|receipt| receipt.expect("the gate is open"));
        match (&result, count(id)) {
            (Ok(_), 1) | (Err(_), 0) => word(&result),
            // The server of the test keeps no mail that it answers out of its script.
            (Ok(_), 0) if phase == "body" => word(&result),
            (_, taken) => format!("{id} was taken {taken} times: {result:?}"),
        }
    });
    match (word(&third).as_str(), count("third")) {
        ("sent", 1) => format!("{first}, {second}"),
        _ => format!("{first}, {second}, but the third mail: {third:?}, {ids:?}"),
    }
}

#[tokio::test]
async fn a_mail_announced_with_the_end_of_the_one_before_takes_one_write() {
    for (pipelining, offer, grouped) in [
        (Pipelining::Mails, Offer::default(), true),
        (Pipelining::Commands, Offer::default(), false),
        (Pipelining::Mails, Offer::default().without("PIPELINING"), false),
    ] {
        let server = SmtpServer::offering(offer).await;
        let settings = SmtpSettings { pipelining, ..server.settings(Tls::None) };
        let smtp = Smtp::new(settings).expect("settings");
        for n in 1..=3 {
            let next = OnceLock::from(mail(&format!("{}", n + 1)));
            // A group that came with the dot is in the server's hands before it answers the dot.
            server.will("body", Act::After(Duration::from_millis(30)));
            let sent =
                smtp.send_with_handover(&mail(&format!("{n}")), Handover { gate: Gate::open(), next: &next }).await;
            assert!(sent.expect("no fault").is_some());
        }
        assert_eq!(server.message_ids(), ["<1@example.org>", "<2@example.org>", "<3@example.org>"]);
        assert_eq!(server.connections(), 1);
        smtp.close().await;
        server.all_closed().await;
        let mails = server.lines().iter().filter(|line| line.starts_with("MAIL")).count();
        assert_eq!(mails, if grouped { 4 } else { 3 }, "the fourth is announced and never comes");
        assert_eq!(server.mails().len(), 3);
    }
}

/// Whatever goes wrong in whole runs, the books are right: no mail twice but where nobody knew, none lost.
#[tokio::test]
async fn runs_of_announced_mails_keep_the_books_right_whatever_fails() {
    let mut runs = tokio::task::JoinSet::new();
    for seed in 0..30 {
        runs.spawn(async move {
            let mut rng = fastrand::Rng::with_seed(seed);
            let server = SmtpServer::start().await;
            for _ in 0..rng.usize(4..16) {
                let phase = ["mail", "rcpt", "data", "body", "rset"][rng.usize(..5)];
                server.will(
                    phase,
                    match rng.usize(..7) {
                        0 => Act::Say("451 4.3.0 later"),
                        1 => Act::Say("550 5.0.0 never"),
                        2 => Act::SayAndClose("421 4.3.2 closing"),
                        3 => Act::Close,
                        4 => Act::Write(b"nonsense\r\n".to_vec()),
                        5 => Act::After(Duration::from_millis(rng.u64(1..20))),
                        _ if phase == "body" => Act::TakeAndClose,
                        _ => Act::WriteAndHang(b"2".to_vec()),
                    },
                );
            }
            let mut settings = server.settings(Tls::None);
            settings.pipelining = Pipelining::Mails;
            settings.mails_per_connection = rng.u32(1..6);
            let smtp = Smtp::new(settings).expect("settings");
            let refused = rng.usize(0..20);
            let mut results = Vec::new();
            for n in 0..20 {
                let next = OnceLock::from(mail(&format!("{:02}", n + 1)));
                let (answer, gate) = Gate::waiting();
                answer.send(n != refused).expect("someone waits");
                let mail = mail(&format!("{n:02}"));
                results.push((
                    mail.message_id.clone(),
                    smtp.send_with_handover(&mail, Handover { gate, next: &next }).await,
                ));
            }
            let ids = server.message_ids();
            for (n, (id, result)) in results.into_iter().enumerate() {
                let taken = ids.iter().filter(|taken| **taken == id).count();
                let right = match &result {
                    Ok(Some(_)) => taken == 1,
                    Ok(None) => taken == 0 && n == refused,
                    Err(SendError::Unknown(_)) => taken <= 1,
                    Err(_) => taken == 0,
                };
                assert!(right, "seed {seed}: {id} was taken {taken} times: {result:?}");
            }
        });
    }
    runs.join_all().await;
}

#[tokio::test]
async fn a_gate_that_refuses_leaves_no_file_and_runs_no_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = Files::new(folder.path().join("out")).expect("a folder");
    let sendmail = Sendmail::new("/no/such/program", Duration::from_secs(1));
    let refusing = || {
        let (answer, gate) = Gate::waiting();
        drop(answer);
        gate
    };
    let next = OnceLock::new();
    let kept = files.send_with_handover(&mail("1"), Handover { gate: refusing(), next: &next }).await;
    assert_eq!(kept, Ok(None));
    assert!(!files.path("<1@example.org>").exists());
    assert_eq!(sendmail.send_with_handover(&mail("1"), Handover { gate: refusing(), next: &next }).await, Ok(None));
}

#[tokio::test]
async fn one_run_claims_more_before_its_workers_run_dry() {
    let mut world = World::new().await;
    let blocks = |n| format!("email = \"reader{n}@example.org\"\nkeywords = [\"retrieval\"]\n\n[[subscription]]\n");
    let last = "email = \"last@example.org\"\nkeywords = [\"retrieval\"]";
    world.subscribe(&((0..199).map(blocks).collect::<String>() + last));
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    world.scrape().await;
    world.publish();
    let report = world.deliver().await;
    assert_eq!((report.sent, report.has_more), (200, false), "{report:?}");
    let mut ids = world.smtp.message_ids();
    ids.dedup();
    assert_eq!(ids.len(), 200, "each once");
}

/// Takes the database's write lock as soon as the first mail is being sent.
struct LocksTheDatabase {
    inner: Arc<Smtp>,
    database: Mutex<Database>,
}

impl Transport for LocksTheDatabase {
    async fn send_with_handover(&self, mail: &Mail, turn: Handover<'_>) -> Result<Option<Receipt>, SendError> {
        // Fails for the second mail, because it holds already.
        self.database.lock().expect("no panic").try_to_lock();
        self.inner.send_with_handover(mail, turn).await
    }
}

#[tokio::test]
async fn while_an_outcome_is_being_committed_the_next_mail_is_on_its_way_but_not_handed_over() {
    let mut world = World::new().await;
    for name in ["ada", "bob"] {
        world.subscribe(&format!("email = \"{name}@example.org\"\nkeywords = [\"retrieval\"]"));
    }
    world.site.list(day("2026-11-23"), paper("2611.00001", "Retrieval at scale"));
    world.scrape().await;
    world.publish();
    world.deliver.connections = 1;
    let database = world.database();
    let transport = Arc::new(LocksTheDatabase { inner: world.transport.clone(), database: Mutex::new(database) });
    let stop = CancellationToken::new();
    let run = deliver::run(&world.store, &transport, &world.deliver, &world.clock, &stop);
    let (report, ()) = tokio::join!(run, async {
        world.smtp.has_mails(1).await;
        let lines = world.smtp.mails()[0].bytes.split(|&b| b == b'\n').count() - 1;
        // Nearly all of the second one: it is as long as the first, give or take its reader's name.
        world.smtp.has_message_lines(2 * lines - 3).await;
        assert_eq!(world.smtp.mails().len(), 1, "nothing is committed, so the second one waits");
        transport.database.lock().expect("no panic").let_go();
    });
    assert_eq!(report.expect("a working database").sent, 2);
    assert_eq!((world.smtp.mails().len(), world.smtp.connections()), (2, 1));
}
