//! What a server has to prove and what it is shown: TLS and logins.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use paperpost::core::server::{Credential, Login, Mechanism, Tls};
use paperpost::mail::Transport;
use paperpost::mail::smtp::SmtpSettings;

use crate::mail::{mail, smtp, word};
use crate::smtp::{Act, Offer, SmtpServer};

#[tokio::test]
async fn mail_goes_over_verified_tls() {
    for tls in [Tls::Implicit, Tls::StartTls] {
        let server = SmtpServer::offering(Offer { tls, ..Offer::default() }).await;
        let smtp = smtp(server.settings(tls));
        smtp.check().await.expect("a session");
        for id in ["1", "2"] {
            assert_eq!(word(&smtp.send(&mail(id)).await), "sent", "{tls:?}");
        }
        assert_eq!((server.mails().len(), server.connections()), (2, 2), "the check's and the mails'");
        smtp.close().await;
        server.all_closed().await;
    }
}

#[tokio::test]
async fn nothing_is_said_to_a_server_that_cannot_prove_its_name() {
    let stranger = SmtpServer::start().await;
    for tls in [Tls::Implicit, Tls::StartTls] {
        let server = SmtpServer::offering(Offer { tls, ..Offer::default() }).await;
        let mut unknown_authority = server.settings(tls);
        unknown_authority.ca_file = Some(stranger.ca_file());
        let mut other_name = server.settings(tls);
        other_name.host = "127.0.0.1".into();
        for settings in [unknown_authority, other_name] {
            assert_eq!(word(&smtp(settings).send(&mail("1")).await), "transient certificate", "{tls:?}");
        }
        assert!(
            server.lines().iter().all(|line| line.starts_with("EHLO") || line == "STARTTLS"),
            "{:?}",
            server.lines()
        );
    }
}

#[tokio::test]
async fn there_is_no_falling_back_to_the_clear() {
    let server = SmtpServer::start().await;
    assert_eq!(word(&smtp(server.settings(Tls::StartTls)).send(&mail("1")).await), "transient starttls");

    let server = SmtpServer::offering(Offer { tls: Tls::StartTls, ..Offer::default() }).await;
    server.will("starttls", Act::Say("454 4.7.0 not now"));
    let smtp = smtp(server.settings(Tls::StartTls));
    assert_eq!(word(&smtp.send(&mail("1")).await), "transient starttls");
    assert!(!server.lines().iter().any(|line| line.starts_with("MAIL")));
}

#[tokio::test]
async fn what_is_slipped_in_before_tls_is_refused() {
    let injected = "250-injected.example.org\r\n250 AUTH PLAIN";
    let server = SmtpServer::offering(Offer { tls: Tls::StartTls, injected, ..Offer::default() }).await;
    let smtp = smtp(server.settings(Tls::StartTls));
    assert_eq!(word(&smtp.send(&mail("1")).await), "transient starttls");
    assert_eq!(server.mails().len(), 0);
}

#[tokio::test]
async fn logins_are_made_as_the_server_offers_them() {
    let password = || Login::new("digest", "hunter2");
    let by = |mechanism| Login { mechanism, ..password() };
    let token = Login { mechanism: Mechanism::XOAuth2, ..Login::new("digest@example.org", "t0ken") };
    for (offered, login, said) in [
        ("AUTH LOGIN PLAIN", password(), vec!["AUTH PLAIN AGRpZ2VzdABodW50ZXIy"]),
        ("AUTH=LOGIN", password(), vec!["AUTH LOGIN", "ZGlnZXN0", "aHVudGVyMg=="]),
        ("AUTH SCRAM-SHA-256 PLAIN", by(Mechanism::Plain), vec!["AUTH PLAIN AGRpZ2VzdABodW50ZXIy"]),
        ("AUTH PLAIN LOGIN", by(Mechanism::Login), vec!["AUTH LOGIN", "ZGlnZXN0", "aHVudGVyMg=="]),
        (
            "AUTH PLAIN XOAUTH2",
            token,
            vec!["AUTH XOAUTH2 dXNlcj1kaWdlc3RAZXhhbXBsZS5vcmcBYXV0aD1CZWFyZXIgdDBrZW4BAQ=="],
        ),
    ] {
        let login_lines = said.iter().map(ToString::to_string).collect();
        let offer = Offer { tls: Tls::Implicit, login: login_lines, ..Offer::default().with(offered) };
        let server = SmtpServer::offering(offer).await;
        let mut settings = server.settings(Tls::Implicit);
        settings.login = Some(login);
        assert_eq!(word(&smtp(settings).send(&mail("1")).await), "sent", "{offered}");
    }
}

#[tokio::test]
async fn a_token_that_is_renewed_while_the_program_runs_is_the_one_that_is_shown() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let offer = Offer { tls: Tls::Implicit, ..Offer::default().with("AUTH XOAUTH2") };
    let server = SmtpServer::offering(offer).await;
    let mut settings = server.settings(Tls::Implicit);
    settings.login =
        Some(Login { mechanism: Mechanism::XOAuth2, ..Login::new("digest", Credential::File(file.path().to_owned())) });
    let smtp = smtp(settings);
    for token in ["first", "second"] {
        std::fs::write(file.path(), format!("{token}\n")).expect("written");
        smtp.send(&mail("1")).await.expect_err("the server knows neither");
        let shown = server.lines().into_iter().rfind(|line| line.starts_with("AUTH")).expect("a login");
        let shown = BASE64_STANDARD.decode(shown.trim_start_matches("AUTH XOAUTH2 ")).expect("base64");
        assert_eq!(String::from_utf8_lossy(&shown), format!("user=digest\x01auth=Bearer {token}\x01\x01"));
    }
}

#[tokio::test]
async fn scram_is_preferred_shows_no_password_and_is_not_fallen_back_from() {
    for (password, expected) in [("hunter2", "sent"), ("hunter3", "transient auth")] {
        let offer = Offer { tls: Tls::Implicit, login: vec!["hunter2".into()], ..Offer::default() };
        let server = SmtpServer::offering(offer.with("AUTH PLAIN LOGIN SCRAM-SHA-256")).await;
        let mut settings = server.settings(Tls::Implicit);
        settings.login = Some(Login::new("digest", password));
        assert_eq!(word(&smtp(settings).send(&mail("1")).await), expected);
        let lines = server.lines();
        assert!(!lines.iter().any(|line| line.starts_with("AUTH PLAIN") || line == "AUTH LOGIN"), "{lines:?}");
    }
    // One that lets everybody in has not shown that it knows the password.
    let offer = Offer { tls: Tls::Implicit, ..Offer::default().with("AUTH SCRAM-SHA-256") };
    let server = SmtpServer::offering(offer).await;
    server.will("auth", Act::Say("235 2.7.0 come in"));
    let mut settings = server.settings(Tls::Implicit);
    settings.login = Some(Login::new("digest", "hunter2"));
    assert_eq!(word(&smtp(settings).send(&mail("1")).await), "transient auth");
}

#[tokio::test]
async fn a_wrong_password_is_no_mails_fault_and_is_never_shown() {
    let offer = Offer { tls: Tls::Implicit, ..Offer::default().with("AUTH PLAIN LOGIN") };
    let server = SmtpServer::offering(offer).await;
    let mut settings = server.settings(Tls::Implicit);
    settings.login = Some(Login::new("digest", "hunter2"));
    assert!(!format!("{settings:?}").contains("hunter2"));
    let error = smtp(settings.clone()).send(&mail("1")).await.expect_err("refused");
    assert_eq!(error.to_string(), "auth: 535 5.7.8 wrong");
    assert!(error.is_outage(), "no mail's fault");

    let server = SmtpServer::offering(Offer { tls: Tls::Implicit, ..Offer::default() }).await;
    let settings = SmtpSettings { login: settings.login, ..server.settings(Tls::Implicit) };
    assert_eq!(word(&smtp(settings).send(&mail("1")).await), "transient auth", "no way to log in is offered");
}
