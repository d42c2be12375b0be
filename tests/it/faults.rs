//! Every step of a session and of a mail × every way to fail, in one table.

use paperpost::core::delivery::AttemptOutcome;
use paperpost::core::server::{Login, Mechanism, Tls};
use paperpost::mail::Transport;

use crate::mail::{mail, smtp, word};
use crate::smtp::{Act, Offer, SmtpServer};

/// Where a server fails, and what a session must be like to come there.
#[derive(Clone, Copy, Debug)]
struct Step {
    phase: &'static str,
    tls: Tls,
    by: Option<Mechanism>,
}

const fn step(phase: &'static str, tls: Tls, by: Option<Mechanism>) -> Step {
    Step { phase, tls, by }
}

const STEPS: [Step; 23] = [
    step("connect", Tls::None, None),
    step("greeting", Tls::None, None),
    step("ehlo", Tls::None, None),
    step("tls", Tls::Implicit, None),
    step("greeting", Tls::Implicit, None),
    step("starttls", Tls::StartTls, None),
    step("tls", Tls::StartTls, None),
    step("ehlo again", Tls::StartTls, None),
    step("auth", Tls::StartTls, Some(Mechanism::Plain)),
    step("auth", Tls::StartTls, Some(Mechanism::Login)),
    step("auth 2", Tls::StartTls, Some(Mechanism::Login)),
    step("auth 3", Tls::StartTls, Some(Mechanism::Login)),
    step("auth", Tls::StartTls, Some(Mechanism::ScramSha256)),
    step("auth 2", Tls::StartTls, Some(Mechanism::ScramSha256)),
    step("auth 3", Tls::StartTls, Some(Mechanism::ScramSha256)),
    step("auth", Tls::StartTls, Some(Mechanism::XOAuth2)),
    step("auth 2", Tls::StartTls, Some(Mechanism::XOAuth2)),
    step("mail", Tls::None, None),
    step("rcpt", Tls::None, None),
    step("data", Tls::None, None),
    step("body", Tls::None, None),
    step("rset", Tls::None, None),
    step("quit", Tls::None, None),
];

/// Every way to fail.
pub(crate) fn faults() -> [(&'static str, Act); 12] {
    [
        ("3yz", Act::Say("334 Z28gb24=")),
        ("4yz", Act::Say("451 4.3.0 later")),
        ("5yz", Act::Say("550 5.1.1 never")),
        ("421", Act::SayAndClose("421 4.3.2 closing")),
        ("close", Act::Close),
        ("reset", Act::Reset),
        ("silence", Act::Hang),
        ("garbage", Act::Write(b"\x80\xffwhat is this\r\n".to_vec())),
        ("half a line", Act::WriteAndHang(b"250-half".to_vec())),
        ("a megabyte", Act::WriteAndHang([b"250 ".as_slice(), &[b'x'; 1 << 20]].concat())),
        ("a drip", Act::Drip("250-a drip\r\n")),
        ("two replies", Act::Write(b"250 one\r\n250 two\r\n".to_vec())),
    ]
}

#[tokio::test]
async fn every_fault_at_every_step_has_its_outcome_and_never_harms_the_next_mail() {
    let mut wrong = Vec::new();
    // One fault at a time: all at once would wait for the machine, and not for the servers.
    for (name, act) in faults() {
        let mut runs = tokio::task::JoinSet::new();
        for step in STEPS {
            for pipelining in [true, false] {
                let act = act.clone();
                runs.spawn(async move {
                    let outcome = one_fault(step, act, pipelining).await;
                    let expected = expected(step, name);
                    (outcome != expected).then(|| format!("{step:?}, {name}, {pipelining}: {outcome}, not {expected}"))
                });
            }
        }
        wrong.extend(runs.join_all().await.into_iter().flatten());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn expected(step: Step, fault: &str) -> &'static str {
    match (step.phase, fault) {
        // Not part of the mail: RSET follows a refusal that is told already, QUIT follows everything.
        ("rset", _) => "permanent rcpt",
        ("quit", _) => "sent",
        // Before TLS stands there are no replies, and what is none of TLS ends it.
        ("tls", _) => "transient tls",
        // A server that lets us in before it has shown that it knows the password is another.
        ("auth" | "auth 2", _) if step.by == Some(Mechanism::ScramSha256) => "transient auth",
        // A reply too many is seen at the latest when DATA is answered by a 250 that was meant for another command.
        ("data", "two replies") => "transient data",
        ("body", "two replies") => "sent",
        (
            "connect" | "greeting" | "ehlo" | "ehlo again" | "auth" | "auth 2" | "auth 3" | "mail" | "rcpt",
            "two replies",
        ) => "transient data",
        ("connect" | "greeting", _) => "transient greeting",
        ("ehlo" | "ehlo again", _) => "transient ehlo",
        ("starttls", _) => "transient starttls",
        ("auth" | "auth 2" | "auth 3", _) => "transient auth",
        // A sender that is refused must not cost recipients their subscription.
        ("mail", _) => "transient mail",
        ("rcpt", "5yz") => "permanent rcpt",
        ("rcpt", _) => "transient rcpt",
        ("data", "5yz") => "permanent data",
        ("data", _) => "transient data",
        ("body", "5yz") => "permanent body",
        ("body", "4yz" | "421") => "transient body",
        ("body", _) => "unknown body",
        _ => unreachable!("{step:?}, {fault}"),
    }
}

/// Meets one fault with one mail, then sends a second one, which must be taken, once and whole.
async fn one_fault(step: Step, act: Act, pipelining: bool) -> String {
    let plain = if pipelining { Offer::default() } else { Offer::default().without("PIPELINING") };
    let offer = Offer { tls: step.tls, ..step.by.map_or(plain.clone(), |mechanism| with_login(plain, mechanism)) };
    let server = SmtpServer::offering(offer.clone()).await;
    if step.phase == "rset" {
        server.will("rcpt", Act::Say("550 5.1.1 never"));
    }
    server.will(step.phase, act);
    let mut settings = server.settings(step.tls);
    settings.login = step.by.map(|mechanism| Login { mechanism, ..Login::new("a", "b") });
    let smtp = smtp(settings);
    let first = smtp.send(&mail("first")).await;
    let second = smtp.send(&mail("second")).await;
    smtp.close().await;

    let ids = server.message_ids();
    let count = |id: &str| ids.iter().filter(|taken| **taken == format!("<{id}@example.org>")).count();
    if word(&second) != "sent" || count("second") != 1 {
        return format!("{}, but the second mail: {}, {ids:?}", word(&first), word(&second));
    }
    if server.is_waiting() {
        return format!("{}, but nobody came to the fault", word(&first));
    }
    let taken = count("first") == 1;
    match &first {
        Ok(_) if !taken && step.phase != "body" => format!("sent, but not taken: {ids:?}"),
        Err(error) if taken && error.kind() != AttemptOutcome::Unknown => format!("{error}, but taken"),
        _ => word(&first),
    }
}

/// A server that lets `a` in with the password or the token `b`.
fn with_login(offer: Offer, mechanism: Mechanism) -> Offer {
    let (name, login): (&str, &[&str]) = match mechanism {
        Mechanism::ScramSha256 => ("SCRAM-SHA-256", &["b"]),
        Mechanism::Login => ("LOGIN", &["AUTH LOGIN", "YQ==", "Yg=="]),
        // It asks once more, as for a token that it refuses, and is content with the empty answer.
        Mechanism::XOAuth2 => ("XOAUTH2", &["AUTH XOAUTH2 dXNlcj1hAWF1dGg9QmVhcmVyIGIBAQ==", ""]),
        Mechanism::Plain | Mechanism::Best => ("PLAIN", &["AUTH PLAIN AGEAYg=="]),
    };
    Offer { login: login.iter().map(ToString::to_string).collect(), ..offer.with(&format!("AUTH {name}")) }
}
