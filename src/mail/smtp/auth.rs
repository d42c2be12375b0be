//! AUTH (RFC 4954): by the mechanism that the settings name, or by the best that the server offers.
//!
//! Only ever reached over verified TLS or on this machine. A server that refuses one mechanism is not tried with a weaker
//! one: the settings can name it.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::Timeouts;
use super::capabilities::Capabilities;
use super::reply::Reply;
use super::scram::{self, Scram, ScramError};
use super::verdict::{fault, trouble};
use super::wire::Wire;
use crate::core::delivery::{Phase, SendError};
use crate::core::server::{Login, Mechanism};
use crate::mail::login;

/// Logs in. Every failure is transient: none says anything about a mail.
pub(super) async fn log_in(
    wire: &mut Wire,
    login: &Login,
    offered: &Capabilities,
    timeouts: &Timeouts,
) -> Result<(), SendError> {
    let accepted = match login.mechanism {
        Mechanism::Best => &[Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login][..],
        ref named => std::slice::from_ref(named),
    };
    let offers = |mechanism: &&Mechanism| offered.auth.iter().any(|offer| offer == name(**mechanism));
    let Some(mechanism) = accepted.iter().find(offers) else {
        return Err(fault(Phase::Auth, "the server offers no way to log in that fits the settings"));
    };
    let (user, password) = (&login.user, login::secret(&login.secret).await?);
    let (password, mut dialogue) = (password.reveal(), Dialogue { wire, timeouts });
    match mechanism {
        Mechanism::ScramSha256 => dialogue.scram(user, password).await,
        Mechanism::Plain | Mechanism::Best => {
            let token = BASE64_STANDARD.encode(format!("\0{user}\0{password}"));
            dialogue.run(&[format!("AUTH PLAIN {token}")]).await
        }
        Mechanism::Login => {
            let [user, password] = [user, password].map(|answer| BASE64_STANDARD.encode(answer));
            dialogue.run(&["AUTH LOGIN".into(), user, password]).await
        }
        Mechanism::XOAuth2 => {
            let token = BASE64_STANDARD.encode(format!("user={user}\x01auth=Bearer {password}\x01\x01"));
            // A refused token is explained in a 334, which an empty line answers.
            dialogue.run(&[format!("AUTH XOAUTH2 {token}"), String::new()]).await
        }
    }
}

/// As servers offer it.
fn name(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::ScramSha256 => scram::NAME,
        Mechanism::Plain | Mechanism::Best => "PLAIN",
        Mechanism::Login => "LOGIN",
        Mechanism::XOAuth2 => "XOAUTH2",
    }
}

/// Challenges and answers.
struct Dialogue<'a> {
    wire: &'a mut Wire,
    timeouts: &'a Timeouts,
}

impl Dialogue<'_> {
    async fn say(&mut self, line: &str) -> Result<Reply, SendError> {
        self.wire.command(line, self.timeouts.command).await.map_err(|t| trouble(Phase::Auth, &t))
    }

    /// Says the lines one after another, as long as the server asks for more.
    async fn run(&mut self, lines: &[String]) -> Result<(), SendError> {
        let (last, first) = lines.split_last().ok_or_else(|| fault(Phase::Auth, "there is nothing to say"))?;
        for line in first {
            let reply = self.say(line).await?;
            if reply.code != 334 {
                return welcome(&reply);
            }
        }
        welcome(&self.say(last).await?)
    }

    async fn scram(&mut self, user: &str, password: &str) -> Result<(), SendError> {
        let broken = |error: ScramError| fault(Phase::Auth, &error.to_string());
        let (scram, first) = Scram::begin(user).map_err(broken)?;
        let first = format!("AUTH {} {}", scram::NAME, BASE64_STANDARD.encode(first));
        let challenge = self.say(&first).await?;
        if challenge.code != 334 {
            return welcome(&challenge).and(Err(broken(ScramError::Impostor)));
        }
        let (last, signature) = scram.answer(&decoded(&challenge), password).map_err(broken)?;
        let proof = self.say(&BASE64_STANDARD.encode(last)).await?;
        if proof.code != 334 {
            return welcome(&proof).and(Err(broken(ScramError::Impostor)));
        }
        signature.verify(&decoded(&proof)).map_err(broken)?;
        welcome(&self.say("").await?)
    }
}

/// Whether the server lets us in.
fn welcome(reply: &Reply) -> Result<(), SendError> {
    if reply.is_positive() { Ok(()) } else { Err(SendError::Transient(reply.fault(Phase::Auth))) }
}

/// What a challenge says; nothing when it is no base64, which fits no message.
fn decoded(challenge: &Reply) -> String {
    let bytes = BASE64_STANDARD.decode(challenge.text()).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}
