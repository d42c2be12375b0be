//! How a finished mail is composed, and how it leaves.
//!
//! [`mime`] makes the bytes; a [`Transport`] hands them over: [`smtp`] to a server, [`file`] into a folder, [`sendmail`]
//! to a program. Every way ends in a receipt or in a [`SendError`], which says whether another attempt makes sense.

pub mod mime;
mod qp;
pub mod smtp;

use crate::core::address::Address;
use crate::core::delivery::{Receipt, SendError};

/// A finished mail: an envelope of one recipient and the bytes of the message.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The return path; `None` for the null path.
    pub from: Option<Address>,
    /// The recipient.
    pub to: Address,
    /// The Message-ID with its angle brackets, for logs and file names.
    pub message_id: String,
    /// The message as RFC 5322 has it: CRLF lines, no dot-stuffing.
    pub bytes: Vec<u8>,
}

/// A way for a mail to leave. Implementations are cheap to share and safe to call from many tasks; a call that is
/// cancelled or fails leaves nothing behind that could harm the next one.
pub trait Transport: Send + Sync {
    /// Hands the mail over. `Ok` means that the other side has taken responsibility for it.
    fn send(&self, mail: &Mail) -> impl Future<Output = Result<Receipt, SendError>> + Send;
}
