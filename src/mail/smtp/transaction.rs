//! One mail over one session: MAIL, RCPT, DATA, the message (RFC 5321 section 3.3).
//!
//! Whatever happens, replies never get out of step with commands: either every command was answered, then the session
//! can be used again, or the connection is given up. With PIPELINING (RFC 2920) the three commands go out in one write;
//! their replies come in order all the same. The mail that follows may be announced with the final dot of the one before:
//! then its commands are out, and its transaction begins with their replies. Before the final dot is written, the server can't have taken the mail; after
//! it, only a 2yz says that it has, and silence means that nobody knows.

use tokio::time::Instant;

use super::reply::Reply;
use super::session::{Announced, Session};
use super::verdict::{fault, refusal, trouble};
use super::wire::Trouble;
use super::{DOT, SmtpSettings};
use crate::core::address::Address;
use crate::core::delivery::{Fault, Phase, Receipt, SendError};
use crate::core::server::Pipelining;
use crate::mail::{Handover, Mail, quoted};

/// How a transaction ended.
pub(super) struct Ended {
    /// `None` when the gate refused.
    pub(super) result: Result<Option<Receipt>, SendError>,
    /// The session, when it is fit for another mail.
    pub(super) session: Option<Session>,
    /// The connection went away before MAIL was answered: nothing has happened yet, and on a session that had been
    /// idle it only means that the server had tired of waiting.
    pub(super) unanswered: bool,
}

/// Why a transaction stopped.
enum Stop {
    /// It never began.
    Unfit(SendError),
    /// The server said no; every command has its answer.
    Refused(SendError),
    /// The connection is of no use any more.
    Lost(SendError),
    /// The same, before MAIL was answered.
    Unanswered(SendError),
    /// The gate refused. The server waits for the rest of the message: hanging up tells it that there is none.
    Withheld,
    /// The server has it, but the connection is of no use any more.
    Taken(Receipt),
}

impl Session {
    /// Sends one mail. On a session at which another one was announced, it counts as unanswered.
    pub(super) async fn send(mut self, mail: &Mail, turn: &mut Handover<'_>, settings: &SmtpSettings) -> Ended {
        self.mails += 1;
        let announced = self.announced.take();
        let ended = self.transact(mail, announced.as_ref(), turn, settings).await;
        let (result, usable, unanswered) = match ended {
            Ok(receipt) => (Ok(Some(receipt)), true, false),
            Err(Stop::Withheld) => (Ok(None), false, false),
            Err(Stop::Taken(receipt)) => (Ok(Some(receipt)), false, false),
            Err(Stop::Unfit(error)) => (Err(error), announced.is_none(), false),
            // What was announced already comes after the refusal, and does RSET's work.
            Err(Stop::Refused(error)) => (Err(error), self.announced.is_some() || self.reset().await, false),
            Err(Stop::Lost(error)) => (Err(error), false, false),
            Err(Stop::Unanswered(error)) => (Err(error), false, true),
        };
        self.used = Instant::now();
        let result = match result {
            Ok(receipt) => Ok(receipt.map(|receipt| Receipt { reply: quoted(&receipt.reply, mail) })),
            Err(error) => Err(quoted_error(error, mail)),
        };
        let in_step = usable && (self.announced.is_some() || self.wire.is_quiet());
        Ended { result, session: in_step.then_some(self), unanswered }
    }

    async fn transact(
        &mut self,
        mail: &Mail,
        announced: Option<&Announced>,
        turn: &mut Handover<'_>,
        settings: &SmtpSettings,
    ) -> Result<Receipt, Stop> {
        let message = mail.message.wire_form().ok_or_else(|| {
            Stop::Unfit(SendError::Permanent(Fault::new(Phase::Body, "the message has a line end that is no CRLF")))
        })?;
        let envelope = self.envelope(mail, settings.dsn).map_err(Stop::Unfit)?;
        match announced {
            None if self.pipelines(settings) => self.say(&envelope).await.map_err(|t| lost(Phase::Mail, &t))?,
            Some(said) if said.envelope != envelope => {
                return Err(Stop::Unanswered(fault(Phase::Mail, "another mail was announced")));
            }
            _ => {}
        }
        self.announce(&envelope, announced.is_some() || self.pipelines(settings)).await?;

        let limits = self.timeouts;
        self.hand_over(&message, turn, settings).await?;
        match self.wire.reply(limits.end_of_data).await {
            Ok(reply) if reply.is_positive() => Ok(Receipt { reply: receipt(&reply) }),
            Ok(reply) if reply.code == 421 => Err(Stop::Lost(refusal(Phase::Body, &reply))),
            Ok(reply) if reply.is_negative() => Err(Stop::Refused(refusal(Phase::Body, &reply))),
            Ok(reply) => Err(Stop::Lost(SendError::Unknown(reply.fault(Phase::Body)))),
            Err(silence) => Err(Stop::Lost(SendError::Unknown(Fault::new(Phase::Body, silence.to_string())))),
        }
    }

    /// Writes the message, and its final dot once the gate is passed; in one write when it is open already. With the dot
    /// goes the announcement of the next mail, when that is wanted and the mail is known.
    async fn hand_over(
        &mut self,
        message: &[u8],
        turn: &mut Handover<'_>,
        settings: &SmtpSettings,
    ) -> Result<(), Stop> {
        let mut rest = message;
        if turn.gate.known().is_none() {
            self.write_message(rest, b"").await?;
            rest = b"";
        }
        if !turn.gate.passed().await {
            return Err(Stop::Withheld);
        }
        let mut end = DOT.to_vec();
        let next = turn.next.get().filter(|_| self.may_announce(settings));
        let announced = next.and_then(|next| {
            let envelope = self.envelope(next, settings.dsn).ok()?;
            end.extend_from_slice(group(&envelope).as_bytes());
            Some(Announced { message_id: next.message_id.clone(), envelope })
        });
        self.write_message(rest, &end).await?;
        self.announced = announced;
        Ok(())
    }

    fn pipelines(&self, settings: &SmtpSettings) -> bool {
        self.capabilities.pipelining && settings.pipelining != Pipelining::Off
    }

    /// Whether the next mail may be announced with the end of this one.
    fn may_announce(&self, settings: &SmtpSettings) -> bool {
        self.pipelines(settings) && settings.pipelining == Pipelining::Mails && !self.is_spent(settings)
    }

    /// Writes the message, or what is left of it, and `end`: nothing, or the final dot and what goes out with it.
    async fn write_message(&mut self, message: &[u8], end: &[u8]) -> Result<(), Stop> {
        // What the server says before it has the message can't be about the message; a 250 would pass for it.
        if !self.wire.is_quiet() {
            return Err(self.broken_off(&Trouble::Unasked).await);
        }
        let Err((broken, written)) = self.wire.write_both(message, end, self.timeouts.message).await else {
            return Ok(());
        };
        if end.is_empty() || written < message.len() + DOT.len() {
            // The final dot is not out.
            return Err(self.broken_off(&broken).await);
        }
        // It may have broken behind the dot: the server may have the message, and may have said so.
        Err(match self.wire.reply(self.timeouts.quit).await {
            Ok(reply) if reply.is_positive() => Stop::Taken(Receipt { reply: receipt(&reply) }),
            Ok(reply) if reply.is_negative() => Stop::Lost(refusal(Phase::Body, &reply)),
            _ => Stop::Lost(SendError::Unknown(Fault::new(Phase::Body, broken.to_string()))),
        })
    }

    /// The message is not whole. A server that refuses in the midst of it may have said why.
    async fn broken_off(&mut self, broken: &Trouble) -> Stop {
        Stop::Lost(match self.wire.reply(self.timeouts.quit).await {
            Ok(reply) if reply.is_negative() => refusal(Phase::Body, &reply),
            _ => trouble(Phase::Body, broken),
        })
    }

    /// MAIL, RCPT and DATA in one write.
    async fn say(&mut self, envelope: &[String; 2]) -> Result<(), Trouble> {
        self.wire.write(group(envelope).as_bytes(), self.timeouts.command).await
    }

    /// MAIL, RCPT and DATA, one by one unless they are said already, and the replies to them; `Ok` when the server waits
    /// for the message.
    async fn announce(&mut self, [from, to]: &[String; 2], is_said: bool) -> Result<(), Stop> {
        let limits = self.timeouts;
        let mut refused: Option<SendError> = None;
        for (phase, line) in [(Phase::Mail, from.as_str()), (Phase::Rcpt, to), (Phase::Data, "DATA\r\n")] {
            if !is_said {
                if let Some(error) = refused {
                    return Err(Stop::Refused(error));
                }
                self.wire.write(line.as_bytes(), limits.command).await.map_err(|t| lost(phase, &t))?;
            }
            let limit = if phase == Phase::Data { limits.data } else { limits.command };
            let reply = match self.wire.reply(limit).await {
                Ok(reply) => reply,
                // The first refusal is what the server had to say; that the connection broke later changes nothing.
                Err(broken) => return Err(refused.map_or_else(|| lost(phase, &broken), Stop::Lost)),
            };
            match reply.code {
                421 => {
                    let error = refused.unwrap_or_else(|| refusal(phase, &reply));
                    return Err(if phase == Phase::Mail { Stop::Unanswered(error) } else { Stop::Lost(error) });
                }
                400.. => {
                    refused.get_or_insert_with(|| refusal(phase, &reply));
                }
                200..300 if phase != Phase::Data => {}
                354 if phase == Phase::Data => {
                    if let Some(error) = refused {
                        let in_step = self.send_nothing().await;
                        return Err(if in_step { Stop::Refused(error) } else { Stop::Lost(error) });
                    }
                }
                // An acceptance out of place: replies and commands are out of step.
                code => {
                    let text = format!("the server's {code} does not answer the command");
                    return Err(Stop::Lost(refused.unwrap_or_else(|| fault(phase, &text))));
                }
            }
        }
        refused.map_or(Ok(()), |error| Err(Stop::Refused(error)))
    }

    /// DATA was accepted although every recipient was refused: then there is no message but its final dot (RFC 2920
    /// section 3.1). Whether the server answered.
    async fn send_nothing(&mut self) -> bool {
        self.wire.write(DOT, self.timeouts.message).await.is_ok()
            && self.wire.reply(self.timeouts.end_of_data).await.is_ok()
    }

    /// The MAIL and RCPT lines, or why this server can't take such a mail.
    fn envelope(&self, mail: &Mail, dsn: bool) -> Result<[String; 2], SendError> {
        let offered = &self.capabilities;
        let never = |phase, enhanced: &str, text: &str| {
            let fault = Fault { phase, code: None, enhanced: Some(enhanced.into()), text: text.into() };
            Err(SendError::Permanent(fault))
        };
        let size = mail.message.octets().len();
        let ascii_addresses =
            !mail.to.is_internationalized() && !mail.from.as_ref().is_some_and(Address::is_internationalized);
        let needs_utf8 = !ascii_addresses || !mail.message.is_head_ascii();
        let needs_eight_bit = needs_utf8 || !mail.message.is_body_ascii();
        if needs_utf8 && !offered.smtputf8 {
            return never(
                Phase::Rcpt,
                "5.6.7",
                "an address is not ASCII, and the server takes no such address (SMTPUTF8)",
            );
        }
        if needs_eight_bit && !offered.eight_bit {
            return never(Phase::Mail, "5.6.3", "the message is not ASCII, and the server takes no other (8BITMIME)");
        }
        if offered.size.is_some_and(|limit| size as u64 > limit) {
            return never(Phase::Mail, "5.3.4", "the message is larger than the server takes");
        }

        let mut from = format!("MAIL FROM:<{}>", mail.from.as_ref().map(Address::reveal).unwrap_or_default());
        let mut to = format!("RCPT TO:<{}>", mail.to.reveal());
        if offered.size.is_some() {
            from.push_str(&format!(" SIZE={size}"));
        }
        if needs_eight_bit {
            from.push_str(" BODY=8BITMIME");
        }
        if needs_utf8 {
            from.push_str(" SMTPUTF8");
        }
        // Nobody reads a bounce to the null path.
        if dsn && offered.dsn && mail.from.is_some() {
            from.push_str(" RET=HDRS");
            let id = xtext(mail.message_id.trim_matches(['<', '>']));
            if (1..=100).contains(&id.len()) {
                from.push_str(&format!(" ENVID={id}"));
            }
            to.push_str(" NOTIFY=FAILURE,DELAY");
            if !mail.to.is_internationalized() {
                to.push_str(&format!(" ORCPT=rfc822;{}", xtext(&mail.to.reveal())));
            }
        }
        Ok([from + "\r\n", to + "\r\n"])
    }

    /// RSET after a refusal; whether the session can be used again.
    async fn reset(&mut self) -> bool {
        self.wire.is_quiet()
            && matches!(self.wire.command("RSET", self.timeouts.command).await, Ok(reply) if reply.is_positive())
    }
}

/// The commands of a mail as they go out together.
fn group([from, to]: &[String; 2]) -> String {
    format!("{from}{to}DATA\r\n")
}

/// A connection that broke in this phase.
fn lost(phase: Phase, broken: &Trouble) -> Stop {
    let error = trouble(phase, broken);
    match broken {
        Trouble::Closed | Trouble::Broken(_) if phase == Phase::Mail => Stop::Unanswered(error),
        _ => Stop::Lost(error),
    }
}

/// The server's own words: they name the mail in its queue.
fn receipt(reply: &Reply) -> String {
    match &reply.enhanced {
        Some(enhanced) => format!("{} {enhanced} {}", reply.code, reply.text()),
        None => format!("{} {}", reply.code, reply.text()),
    }
}

/// The error without addresses in it.
fn quoted_error(error: SendError, mail: &Mail) -> SendError {
    let quote = |fault: Fault| Fault { text: quoted(&fault.text, mail), ..fault };
    match error {
        SendError::Transient(fault) => SendError::Transient(quote(fault)),
        SendError::Permanent(fault) => SendError::Permanent(quote(fault)),
        SendError::Unknown(fault) => SendError::Unknown(quote(fault)),
    }
}

/// RFC 3461 section 4: printable ASCII less `+` and `=`, the rest as `+XX`.
fn xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'+' && byte != b'=' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("+{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_escapes_what_a_parameter_cannot_hold() {
        assert_eq!(xtext("a+b=c d@example.org"), "a+2Bb+3Dc+20d@example.org");
        assert_eq!(xtext("é"), "+C3+A9");
    }
}
