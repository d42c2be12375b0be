//! How we speak to a mail server: what the settings say, and what SMTP and IMAP do.

use std::fmt;
use std::path::PathBuf;

use super::secret::Secret;

/// When TLS begins. There is no "if possible".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// With the first octet (RFC 8314 section 3.3), as on ports 465 and 993.
    Implicit,
    /// After STARTTLS, without which nothing goes on (RFC 3207, RFC 9051 section 6.2.1), as on ports 587 and 143.
    StartTls,
    /// Never; only to this machine.
    None,
}

/// What goes out in one write, where the server offers PIPELINING (RFC 2920). The fewer writes, the fewer times a mail waits
/// for the way there and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipelining {
    /// Each command waits for the answer to the one before: four waits a mail.
    Off,
    /// MAIL, RCPT and DATA together: two waits.
    Commands,
    /// The end of a mail and the commands of the next together, in a run of mails: one wait.
    Mails,
}

/// How to log in.
#[derive(Clone)]
pub struct Login {
    /// The user name.
    pub user: String,
    /// The password, or for [`Mechanism::XOAuth2`] an access token.
    pub secret: Credential,
    /// How the two are shown.
    pub mechanism: Mechanism,
}

impl Login {
    /// A user with a password, by the best way there is.
    pub fn new(user: impl Into<String>, secret: impl Into<Credential>) -> Self {
        Self { user: user.into(), secret: secret.into(), mechanism: Mechanism::Best }
    }
}

/// Without the user, who often is an address.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login by {:?}", self.mechanism)
    }
}

/// A SASL mechanism (RFC 4422), or the choice of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// For a password: SCRAM-SHA-256, PLAIN or LOGIN, the first of them that the server has.
    Best,
    /// RFC 7677: the password is proven and not shown.
    ScramSha256,
    /// RFC 4616.
    Plain,
    /// What some servers have instead of PLAIN.
    Login,
    /// An OAuth 2.0 access token, as Google and Microsoft have it.
    XOAuth2,
}

/// Where a secret is.
#[derive(Clone, Debug)]
pub enum Credential {
    /// In the settings.
    Given(Secret),
    /// In this file, which has it and at most a line end behind it. It is read at each login: an access token lives for an
    /// hour, and what renews it writes the new one there while the program runs.
    File(PathBuf),
}

impl<S: Into<Secret>> From<S> for Credential {
    fn from(secret: S) -> Self {
        Self::Given(secret.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_does_not_print() {
        let login = Login::new("digest", "hunter2");
        assert_eq!(format!("{login:?} {:?}", login.secret), "Login by Best Given(***)");
    }
}
