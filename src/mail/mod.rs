//! How a finished mail is composed, and how it leaves.
//!
//! [`mime`] makes the bytes; a [`Transport`] hands them over: [`smtp`] to a server, [`mod@file`] into a folder, [`sendmail`]
//! to a program. Every way ends in a receipt or in a [`SendError`], which says whether another attempt makes sense.

mod connect;
pub mod dkim;
pub mod file;
mod handover;
pub mod imap;
pub mod inbound;
mod login;
mod message;
pub mod mime;
pub mod sendmail;
pub mod smtp;

use std::fmt;
use std::sync::OnceLock;

pub use handover::{Gate, Handover};

pub use connect::ServerError;
pub use message::Message;

use crate::core::address::Address;
use crate::core::delivery::{Fault, Phase, Receipt, SendError};

/// A finished mail: an envelope of one recipient and the bytes of the message.
#[derive(Clone)]
pub struct Mail {
    /// The return path; `None` for the null path.
    pub from: Option<Address>,
    /// The recipient.
    pub to: Address,
    /// The Message-ID with its angle brackets, for logs and file names.
    pub message_id: String,
    /// The message.
    pub message: Message,
}

/// Without the message, which holds addresses and tokens.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail {} to {}, {} octets", self.message_id, self.to, self.message.octets().len())
    }
}

/// A way for a mail to leave. Implementations are cheap to share and safe to call from many tasks; a call that is
/// cancelled or fails leaves nothing behind that could harm the next one.
pub trait Transport: Send + Sync {
    /// Hands the mail over when its turn has come. A receipt means that the other side has taken responsibility for it;
    /// `None` that the gate refused, and that the mail was not handed over.
    fn send_with_handover(
        &self,
        mail: &Mail,
        turn: Handover<'_>,
    ) -> impl Future<Output = Result<Option<Receipt>, SendError>> + Send;

    /// Hands over a mail that is no part of a run.
    fn send(&self, mail: &Mail) -> impl Future<Output = Result<Receipt, SendError>> + Send {
        async {
            let alone = Handover { gate: Gate::open(), next: &OnceLock::new() };
            let receipt = self.send_with_handover(mail, alone).await?;
            receipt.ok_or_else(|| SendError::Transient(Fault::new(Phase::Crash, "an open gate refused the mail")))
        }
    }
}

/// The transport that the configuration chose.
#[derive(Clone)]
pub enum AnyTransport {
    /// To a server.
    Smtp(smtp::Smtp),
    /// Into a folder.
    Files(file::Files),
    /// To a program.
    Sendmail(sendmail::Sendmail),
}

impl AnyTransport {
    /// Closes all connections gracefully. What is sent afterwards is refused as transient, where that matters.
    pub async fn close(&self) {
        if let AnyTransport::Smtp(smtp) = self {
            smtp.close().await;
        }
    }
}

impl Transport for AnyTransport {
    async fn send_with_handover(&self, mail: &Mail, turn: Handover<'_>) -> Result<Option<Receipt>, SendError> {
        match self {
            AnyTransport::Smtp(smtp) => smtp.send_with_handover(mail, turn).await,
            AnyTransport::Files(files) => files.send_with_handover(mail, turn).await,
            AnyTransport::Sendmail(sendmail) => sendmail.send_with_handover(mail, turn).await,
        }
    }
}

/// What another program or machine said, fit for a [`Fault`](crate::core::delivery::Fault), a log and a table: one line
/// without control characters, at most 500 characters. Servers like to repeat an address; it is masked.
fn quoted(text: &str, mail: &Mail) -> String {
    if !text.contains('@') {
        return one_line(text);
    }
    let mut text = text.to_owned();
    for address in [Some(&mail.to), mail.from.as_ref()].into_iter().flatten() {
        for spelling in [address.reveal(), address.normalized()] {
            text = text.replace(&spelling, &address.to_string());
        }
    }
    one_line(&text)
}

/// Line breaks become spaces, other control characters vanish, 500 characters stay.
fn one_line(text: &str) -> String {
    let spaced = text.trim().chars().map(|c| if matches!(c, '\r' | '\n' | '\t') { ' ' } else { c });
    spaced.filter(|c| !c.is_control()).take(500).collect()
}
