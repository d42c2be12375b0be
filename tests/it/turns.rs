//! Mails in a run: all of the next one but its last step is done while the outcome of the last one is being committed.

use std::sync::{Arc, Mutex, OnceLock};

use paperpost::core::delivery::{Receipt, SendError};
use paperpost::jobs::deliver;
use paperpost::mail::file::Files;
use paperpost::mail::sendmail::Sendmail;
use paperpost::mail::smtp::{Smtp, Tls};
use paperpost::mail::{Gate, Mail, Transport, Turn};
use tokio_util::sync::CancellationToken;

use crate::mail::mail;
use crate::site::{day, paper};
use crate::smtp::{Offer, SmtpServer};
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
            let (sent, ()) = tokio::join!(smtp.send_in_turn(&mail, Turn { gate, next: &next }), async {
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

#[tokio::test]
async fn a_gate_that_refuses_leaves_no_file_and_runs_no_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = Files::new(folder.path().join("out")).expect("a folder");
    let sendmail = Sendmail::new("/no/such/program", std::time::Duration::from_secs(1));
    let refusing = || {
        let (answer, gate) = Gate::waiting();
        drop(answer);
        gate
    };
    let next = OnceLock::new();
    let kept = files.send_in_turn(&mail("1"), Turn { gate: refusing(), next: &next }).await;
    assert_eq!(kept, Ok(None));
    assert!(!files.path("<1@example.org>").exists());
    assert_eq!(sendmail.send_in_turn(&mail("1"), Turn { gate: refusing(), next: &next }).await, Ok(None));
}

/// Takes the database's write lock as soon as the first mail is being sent.
struct LocksTheDatabase {
    inner: Arc<Smtp>,
    database: Mutex<rusqlite::Connection>,
}

impl Transport for LocksTheDatabase {
    async fn send_in_turn(&self, mail: &Mail, turn: Turn<'_>) -> Result<Option<Receipt>, SendError> {
        // Fails for the second mail, because it holds already.
        self.database.lock().expect("no panic").execute_batch("BEGIN IMMEDIATE").ok();
        self.inner.send_in_turn(mail, turn).await
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
    let database = rusqlite::Connection::open(world.database()).expect("the database");
    database.busy_timeout(std::time::Duration::from_secs(5)).expect("set");
    let transport = Arc::new(LocksTheDatabase { inner: world.transport.clone(), database: Mutex::new(database) });
    let stop = CancellationToken::new();
    let run = deliver::run(&world.store, &transport, &world.deliver, &world.clock, &stop);
    let (report, ()) = tokio::join!(run, async {
        world.smtp.has_mails(1).await;
        let lines = world.smtp.mails()[0].bytes.split(|&b| b == b'\n').count() - 1;
        // Nearly all of the second one: it is as long as the first, give or take its reader's name.
        world.smtp.has_message_lines(2 * lines - 3).await;
        assert_eq!(world.smtp.mails().len(), 1, "nothing is committed, so the second one waits");
        transport.database.lock().expect("no panic").execute_batch("ROLLBACK").expect("let go");
    });
    assert_eq!(report.expect("a working database").sent, 2);
    assert_eq!((world.smtp.mails().len(), world.smtp.connections()), (2, 1));
}
