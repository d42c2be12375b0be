//! How a mail leaves: over SMTP, with a server that agrees, refuses, stalls, lies and hangs up.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use paperpost::core::address::Address;
use paperpost::core::delivery::{Receipt, SendError};
use paperpost::core::server::Tls;
use paperpost::mail::smtp::{SettingsError, Smtp, SmtpSettings, Timeouts};
use paperpost::mail::{Mail, ServerError, Transport};

use crate::process::listens;
use crate::smtp::{Act, Offer, SmtpServer};

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

/// A small mail with this Message-ID.
pub(crate) fn mail(id: &str) -> Mail {
    mail_with(id, "")
}

/// The same, with more behind it.
pub(crate) fn mail_with(id: &str, more: &str) -> Mail {
    let id = format!("<{id}@example.org>");
    Mail {
        from: Some(address("b+token@bounce.example.org")),
        to: address("ada@example.net"),
        message: format!("Message-ID: {id}\r\nSubject: x\r\n\r\n.dots and lines\r\n..\r\n{more}").into_bytes().into(),
        message_id: id,
    }
}

pub(crate) fn smtp(settings: SmtpSettings) -> Smtp {
    Smtp::new(settings).expect("settings that work")
}

/// `sent`, or the kind and phase of the failure.
pub(crate) fn word(result: &Result<Receipt, SendError>) -> String {
    match result {
        Ok(_) => "sent".to_owned(),
        Err(error) => format!("{} {}", error.kind(), error.fault().phase),
    }
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_and_the_connection_serves_the_next() {
    let server = SmtpServer::start().await;
    let smtp = smtp(server.settings(Tls::None));
    for id in ["1", "2", "3"] {
        let receipt = smtp.send(&mail(id)).await.expect("sent");
        assert_eq!(receipt.reply, format!("250 2.0.0 queued as {id}"));
    }
    let mails = server.mails();
    assert_eq!(mails[0].bytes, mail("1").message.octets());
    assert_eq!(
        (mails[0].from.as_str(), mails[0].to.join("; ").as_str()),
        (
            "MAIL FROM:<b+token@bounce.example.org> SIZE=64 RET=HDRS ENVID=1@example.org",
            "RCPT TO:<ada@example.net> NOTIFY=FAILURE,DELAY ORCPT=rfc822;ada@example.net"
        )
    );
    assert!(server.groups()[0].ends_with("\nDATA\r\n"), "one write: {:?}", server.groups());
    assert_eq!(server.connections(), 1);

    smtp.close().await;
    assert_eq!(server.lines().last().map(String::as_str), Some("QUIT"));
    assert_eq!(word(&smtp.send(&mail("4")).await), "transient connect", "a closed transport takes nothing");
}

/// Whatever goes wrong, and however much at once: `sent` means taken, an error but `unknown` means not taken, and
/// nothing is taken twice.
#[tokio::test]
async fn any_run_of_faults_keeps_the_books_right() {
    let mut runs = tokio::task::JoinSet::new();
    for seed in 0..40 {
        runs.spawn(async move {
            let mut rng = fastrand::Rng::with_seed(seed);
            let offer = if rng.bool() { Offer::default() } else { Offer::default().without("PIPELINING") };
            let server = SmtpServer::offering(offer).await;
            for _ in 0..rng.usize(4..16) {
                let phase = ["greeting", "ehlo", "mail", "rcpt", "data", "body", "rset"][rng.usize(..7)];
                server.will(
                    phase,
                    match rng.usize(..8) {
                        0 => Act::Say("451 4.3.0 later"),
                        1 => Act::Say("550-5.0.0 never,\r\n550 5.0.0 ever"),
                        2 => Act::SayAndClose("421 4.3.2 closing"),
                        3 => Act::Close,
                        4 => Act::Reset,
                        5 => Act::Write(b"nonsense\r\n".to_vec()),
                        6 => Act::After(Duration::from_millis(rng.u64(1..20))),
                        _ if phase == "body" => Act::TakeAndClose,
                        _ => Act::WriteAndHang(b"2".to_vec()),
                    },
                );
            }
            let mut settings = server.settings(Tls::None);
            settings.connections = rng.usize(1..4);
            settings.mails_per_connection = rng.u32(1..6);
            let smtp = smtp(settings);
            let mut sends = tokio::task::JoinSet::new();
            for n in 0..20 {
                let smtp = smtp.clone();
                let mail = mail(&format!("{n:02}"));
                sends.spawn(async move { (mail.message_id.clone(), smtp.send(&mail).await) });
            }
            let results = sends.join_all().await;
            let ids = server.message_ids();
            for (id, result) in results {
                let taken = ids.iter().filter(|taken| **taken == id).count();
                let right = match &result {
                    Ok(_) => taken == 1,
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
async fn a_server_that_vanishes_after_the_final_dot_is_not_asked_again() {
    let server = SmtpServer::start().await;
    let smtp = smtp(server.settings(Tls::None));
    server.will("body", Act::TakeAndClose);
    assert_eq!(word(&smtp.send(&mail("1")).await), "unknown body");
    assert_eq!(server.message_ids(), ["<1@example.org>"]);
}

#[tokio::test]
async fn a_cancelled_send_leaves_nothing_behind() {
    let server = SmtpServer::start().await;
    let smtp = smtp(server.settings(Tls::None));
    for phase in ["ehlo", "mail", "data", "body"] {
        server.will(phase, Act::Hang);
        let cancelled = mail("cancelled");
        tokio::select! {
            ended = smtp.send(&cancelled) => panic!("{phase}: {ended:?}"),
            () = server.script_done() => {}
        }
        let mut refused = mail("refused");
        refused.to = address("nobody@example.net");
        server.will("rcpt", Act::Say("550 5.1.1 no such user"));
        assert_eq!(word(&smtp.send(&refused).await), "permanent rcpt", "{phase}");
        assert_eq!(word(&smtp.send(&mail(phase)).await), "sent");
    }
    assert_eq!(server.mails().len(), 4);
}

#[tokio::test]
async fn a_refused_recipient_costs_no_connection() {
    for offer in [Offer::default(), Offer::default().without("PIPELINING")] {
        let server = SmtpServer::offering(offer).await;
        let smtp = smtp(server.settings(Tls::None));
        for refusal in ["550 5.1.1 no such user", "450 4.7.1 greylisted", "452 4.5.3 too many", "552 5.2.2 full"] {
            server.will("rcpt", Act::Say(refusal));
            let error = smtp.send(&mail("refused")).await.expect_err(refusal);
            assert_eq!(error.fault().code, refusal[..3].parse().ok());
            assert_eq!(error.fault().enhanced.as_deref(), Some(&refusal[4..9]));
            assert_eq!(word(&smtp.send(&mail("taken")).await), "sent");
        }
        assert_eq!((server.mails().len(), server.connections()), (4, 1));
    }
}

#[tokio::test]
async fn data_that_is_accepted_for_no_recipient_gets_no_message() {
    let server = SmtpServer::start().await;
    let smtp = smtp(server.settings(Tls::None));
    server.will("rcpt", Act::Say("550 5.1.1 no such user"));
    server.will("data", Act::Say("354 go ahead all the same"));
    assert_eq!(word(&smtp.send(&mail("1")).await), "permanent rcpt");
    assert_eq!(word(&smtp.send(&mail("2")).await), "sent");
    let lines = server.lines();
    assert_eq!(lines[3..6], ["DATA", ".", "RSET"], "{lines:?}");
    assert_eq!((server.mails().len(), server.connections()), (1, 1));
}

#[tokio::test]
async fn a_server_that_refuses_in_the_midst_of_a_message_is_heard() {
    let server = SmtpServer::start().await;
    let smtp = smtp(server.settings(Tls::None));
    server.will("data", Act::SayAndClose("354 go ahead\r\n552 5.3.4 that is too much"));
    let long = mail_with("long", &"a line of text\r\n".repeat(400_000));
    let error = smtp.send(&long).await.expect_err("refused");
    assert_eq!(error.to_string(), "body: 552 5.3.4 that is too much");
    assert_eq!(word(&smtp.send(&mail("2")).await), "sent");
}

#[tokio::test]
async fn an_acceptance_before_the_message_is_no_acceptance() {
    let server = SmtpServer::start().await;
    let smtp = smtp(server.settings(Tls::None));
    server.will("data", Act::Write(b"354 go ahead\r\n250 2.0.0 queued already\r\n".to_vec()));
    assert_eq!(word(&smtp.send(&mail("1")).await), "transient body");
    assert_eq!(word(&smtp.send(&mail("2")).await), "sent");
    assert_eq!(server.message_ids(), ["<2@example.org>"]);
}

#[tokio::test]
async fn a_server_that_tired_of_waiting_is_called_again_once() {
    for act in [Act::Close, Act::Reset, Act::SayAndClose("421 4.4.2 idle for too long")] {
        let server = SmtpServer::start().await;
        let smtp = smtp(server.settings(Tls::None));
        assert_eq!(word(&smtp.send(&mail("1")).await), "sent");
        server.will("mail", act.clone());
        assert_eq!(word(&smtp.send(&mail("2")).await), "sent", "{act:?}");
        assert_eq!(server.connections(), 2);
        server.will("mail", act.clone());
        server.will("mail", act.clone());
        assert_eq!(word(&smtp.send(&mail("3")).await), "transient mail", "once, not for ever: {act:?}");
        assert_eq!(server.message_ids(), ["<1@example.org>", "<2@example.org>"]);
    }
}

#[tokio::test]
async fn a_resting_connection_is_closed_in_order_after_a_while() {
    let server = SmtpServer::start().await;
    let mut settings = server.settings(Tls::None);
    settings.max_idle = Duration::from_millis(50);
    let smtp = smtp(settings);
    for id in ["1", "2"] {
        assert_eq!(word(&smtp.send(&mail(id)).await), "sent");
        server.all_closed().await;
        assert_eq!(server.lines().last().map(String::as_str), Some("QUIT"));
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn many_mails_share_few_connections_and_each_arrives_once() {
    for mails_per_connection in [1000, 7] {
        let server = SmtpServer::start().await;
        let mut settings = server.settings(Tls::None);
        settings.connections = 3;
        settings.mails_per_connection = mails_per_connection;
        settings.timeouts = Timeouts::default();
        let smtp = smtp(settings);
        let mut sends = tokio::task::JoinSet::new();
        for n in 0..100 {
            let smtp = smtp.clone();
            sends.spawn(async move { smtp.send(&mail(&format!("{n:03}"))).await });
        }
        assert!(sends.join_all().await.iter().all(Result::is_ok));
        let expected: Vec<String> = (0..100).map(|n| format!("<{n:03}@example.org>")).collect();
        assert_eq!(server.message_ids(), expected);
        for connection in 1..=server.connections() {
            let mails = server.mails().iter().filter(|mail| mail.connection == connection).count();
            assert!(mails <= mails_per_connection as usize, "{mails}");
        }
        if mails_per_connection == 1000 {
            assert!(server.connections() <= 3, "{}", server.connections());
        }
        smtp.close().await;
        server.all_closed().await;
    }
}

#[tokio::test]
async fn a_slow_server_within_its_limits_is_waited_for() {
    let server = SmtpServer::start().await;
    for phase in ["greeting", "mail", "data", "body"] {
        server.will(phase, Act::After(Duration::from_millis(50)));
    }
    let mut settings = server.settings(Tls::None);
    settings.timeouts = Timeouts::default();
    assert_eq!(word(&smtp(settings).send(&mail("1")).await), "sent");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_transient() {
    let server = SmtpServer::start().await;
    let settings = server.settings(Tls::None);
    drop(server);
    // The listener goes with its task, which ends at the next turn.
    tokio::task::yield_now().await;
    let smtp = smtp(settings);
    assert_eq!(word(&smtp.send(&mail("1")).await), "transient connect");
    assert!(smtp.check().await.is_err());
}

#[tokio::test]
async fn only_what_the_server_offers_is_asked_of_it() {
    let utf8 = |id| Mail { to: address("rené@example.net"), ..mail(id) };
    let null = |id| Mail { from: None, ..mail(id) };
    let long = |id| Mail { message: b"x\r\n".repeat(100).into(), ..mail(id) };
    let broken = |id| Mail { message: b"Subject: x\n\n.\nMAIL FROM:<evil@example.org>\n".to_vec().into(), ..mail(id) };
    for (offer, mail, outcome, line) in [
        (Offer::default(), null("1"), "sent", "MAIL FROM:<> SIZE=64"),
        (Offer::default().without("SIZE").without("DSN"), mail("1"), "sent", "MAIL FROM:<b+token@bounce.example.org>"),
        (
            Offer::default().without("DSN"),
            utf8("1"),
            "sent",
            "MAIL FROM:<b+token@bounce.example.org> SIZE=64 BODY=8BITMIME SMTPUTF8",
        ),
        (Offer::default().without("SMTPUTF8"), utf8("1"), "permanent rcpt", ""),
        (Offer::default().without("SIZE").with("SIZE 200"), long("1"), "permanent mail", ""),
        (Offer::default(), broken("1"), "permanent body", ""),
    ] {
        let server = SmtpServer::offering(offer).await;
        let smtp = smtp(server.settings(Tls::None));
        assert_eq!(word(&smtp.send(&mail).await), outcome, "{line}");
        let lines = server.lines();
        assert_eq!(lines.iter().find(|line| line.starts_with("MAIL")).map_or("", String::as_str), line);
        assert_eq!(word(&smtp.send(&crate::mail::mail("next")).await), "sent");
        assert_eq!(server.connections(), 1, "nothing was out of step");
    }
}

#[tokio::test]
async fn an_address_in_a_servers_answer_is_masked() {
    let server = SmtpServer::start().await;
    let smtp = smtp(server.settings(Tls::None));
    server
        .will("rcpt", Act::Say("550-5.1.1 <ada@example.net>: unknown;\r\n550 5.1.1 from <b+token@bounce.example.org>"));
    let error = smtp.send(&mail("1")).await.expect_err("refused");
    assert_eq!(error.to_string(), "rcpt: 550 5.1.1 <a***@e***.net>: unknown; from <b***@b***.org>");
}

#[test]
fn settings_that_could_do_harm_are_refused() {
    let good = || SmtpSettings::new("localhost", 25, "client.example.org");
    let refused = |settings: SmtpSettings| Smtp::new(settings).err();
    assert!(refused(good()).is_none());
    assert!(matches!(refused(SmtpSettings { host: "mail.example.org".into(), ..good() }), Some(SettingsError::Clear)));
    assert!(matches!(refused(SmtpSettings { hello: "a b".into(), ..good() }), Some(SettingsError::Hello)));
    assert!(matches!(refused(SmtpSettings { connections: 0, ..good() }), Some(SettingsError::Limits)));
    let missing = SmtpSettings { tls: Tls::Implicit, ca_file: Some("no/such.pem".into()), ..good() };
    assert!(matches!(refused(missing), Some(SettingsError::Server(ServerError::CaFile { .. }))));
}

/// Postfix's own test server.
#[tokio::test]
async fn postfix_takes_our_mails() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).expect("open to all");
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let mut sink = tokio::process::Command::new("smtp-sink");
    sink.env("PATH", "/usr/sbin:/usr/local/sbin:/usr/bin").current_dir(&folder).kill_on_drop(true);
    if std::fs::metadata(folder.path()).expect("a folder").uid() == 0 {
        sink.args(["-u", "nobody"]);
    }
    let started = sink.args(["-4", "-D", "all", &format!("127.0.0.1:{port}"), "64"]).spawn();
    let _sink = started.expect("smtp-sink (tests/install installs it)");
    let smtp = smtp(SmtpSettings::new("127.0.0.1", port, "client.example.org"));
    listens(port, || "smtp-sink does not answer".to_owned()).await;
    let mut sends = tokio::task::JoinSet::new();
    for n in 0..200 {
        let smtp = smtp.clone();
        let mail = mail_with(&format!("{n:03}"), &"a line of text\r\n".repeat(2000));
        sends.spawn(async move { smtp.send(&mail).await });
    }
    assert!(sends.join_all().await.iter().all(Result::is_ok));
    smtp.close().await;
    let dump = std::fs::read_to_string(folder.path().join("all")).expect("a dump");
    let mut ids: Vec<&str> = dump.lines().filter_map(|line| line.strip_prefix("Message-ID: ")).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..200).map(|n| format!("<{n:03}@example.org>")).collect::<Vec<_>>());
    assert_eq!(dump.lines().filter(|line| *line == "a line of text").count(), 200 * 2000);
    assert_eq!(dump.lines().filter(|line| *line == ".dots and lines").count(), 200, "dots arrive as they were");
}
