//! SMTP submission (RFC 5321, RFC 6409): a bounded pool of sessions to one server.
//!
//! Written because a durable sender needs what lettre's client lacks (`docs/decisions/0003`): a time limit on every
//! step, sessions that are never used again after a cancelled or failed command, PIPELINING, one write for the message,
//! a connection that outlives a refused recipient. What it does not do: several recipients in one transaction, BDAT,
//! routing by MX. A relay does that.
//!
//! ```text
//! pool ──▶ session ──▶ transaction ──▶ verdict
//!   connect, EHLO,       MAIL RCPT       what a refusal
//!   TLS, AUTH            DATA message    means for the mail
//!            └───────┬───────┘
//!                  wire, reply: bytes in time
//! ```

mod auth;
mod capabilities;
mod pool;
mod reply;
mod scram;
mod session;
mod transaction;
mod verdict;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

pub use pool::Smtp;
#[cfg(feature = "testing")]
pub use reply::reply_codes;

use super::connect::ServerError;
use crate::core::host::is_loopback;
use crate::core::server::{Login, Pipelining, Tls};

/// How to reach the server and how to behave towards it.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// A host name or an IP address; the certificate must be for it.
    pub host: String,
    /// 465 for implicit TLS, 587 for STARTTLS.
    pub port: u16,
    /// When TLS begins.
    pub tls: Tls,
    /// A PEM file with the authorities to trust instead of the system's, for a server with a private one.
    pub ca_file: Option<PathBuf>,
    /// How to log in; `None` when the server trusts where we come from.
    pub login: Option<Login>,
    /// Our name in EHLO: a fully qualified domain name or an address literal such as `[192.0.2.1]`.
    pub hello: String,
    /// Connections open at once; at least 1. More sends than that wait.
    pub connections: usize,
    /// Mails on one connection; at least 1.
    pub mails_per_connection: u32,
    /// A connection older than this takes no further mail.
    pub max_age: Duration,
    /// A connection unused for longer than this is closed: servers hang up after a while themselves.
    pub max_idle: Duration,
    /// What goes out together, where the server offers PIPELINING.
    pub pipelining: Pipelining,
    /// Ask for delivery status notifications with headers only, where the server can (RFC 3461).
    pub dsn: bool,
    /// Limits for every step.
    pub timeouts: Timeouts,
}

impl SmtpSettings {
    /// The defaults for a server: implicit TLS on port 465, STARTTLS elsewhere, in the clear on this machine.
    pub fn new(host: impl Into<String>, port: u16, hello: impl Into<String>) -> Self {
        let host = host.into();
        let tls = match port {
            465 => Tls::Implicit,
            _ if is_loopback(&host) => Tls::None,
            _ => Tls::StartTls,
        };
        Self {
            host,
            port,
            tls,
            ca_file: None,
            login: None,
            hello: hello.into(),
            connections: 4,
            mails_per_connection: 100,
            max_age: Duration::from_secs(300),
            max_idle: Duration::from_secs(30),
            pipelining: Pipelining::Commands,
            dsn: true,
            timeouts: Timeouts::default(),
        }
    }
}

/// How long each step may take. The defaults are RFC 5321's, section 4.5.3.2; a shorter `end_of_data` makes duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Finding and reaching the host; the TLS handshake has as long again.
    pub connect: Duration,
    /// The 220.
    pub greeting: Duration,
    /// EHLO, STARTTLS, AUTH, MAIL, RCPT, RSET.
    pub command: Duration,
    /// The 354.
    pub data: Duration,
    /// Writing the message. RFC 5321 gives three minutes to each block; the whole of a digest must do with this.
    pub message: Duration,
    /// The answer to the final dot.
    pub end_of_data: Duration,
    /// QUIT's answer, which nothing depends on.
    pub quit: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            greeting: Duration::from_secs(300),
            command: Duration::from_secs(300),
            data: Duration::from_secs(120),
            message: Duration::from_secs(600),
            end_of_data: Duration::from_secs(600),
            quit: Duration::from_secs(2),
        }
    }
}

/// Why settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Where the server is or whom to trust.
    #[error("smtp.{0}")]
    Server(#[from] ServerError),
    /// TLS is off, but the host is another machine.
    #[error("smtp.tls: may be off only for a server on this machine (localhost, 127.0.0.1, ::1)")]
    Clear,
    /// The EHLO name would break the command.
    #[error("smtp.ehlo: must be a host name like mail.example.org or an address like [192.0.2.1]")]
    Hello,
    /// A limit of zero.
    #[error("smtp.connections and smtp.mails_per_connection: must be at least 1")]
    Limits,
}

/// The line that ends a message.
const DOT: &[u8] = b".\r\n";
