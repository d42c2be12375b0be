//! Who we are to a mail server: a user, a way to show it, and a secret.
//!
//! A secret that stands in a file is read at each login, not once: an access token lives for an hour, and whoever renews
//! it writes the new one there while the program runs.

use std::fmt;
use std::path::PathBuf;

use crate::core::delivery::{Fault, Phase, SendError};

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

/// Where a secret is.
#[derive(Clone, Debug)]
pub enum Credential {
    /// In the settings.
    Given(Password),
    /// In this file, which has it and at most a line end behind it.
    File(PathBuf),
}

impl<S: Into<String>> From<S> for Credential {
    fn from(secret: S) -> Self {
        Self::Given(secret.into().into())
    }
}

impl Credential {
    /// The secret as it is now.
    pub(super) async fn read(&self) -> Result<Password, SendError> {
        let path = match self {
            Self::Given(password) => return Ok(password.clone()),
            Self::File(path) => path,
        };
        let unreadable = |why: &dyn fmt::Display| {
            SendError::Transient(Fault::new(Phase::Auth, format!("can't read {}: {why}", path.display())))
        };
        let text = tokio::fs::read_to_string(path).await.map_err(|error| unreadable(&error))?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(unreadable(&"it is empty")),
            secret => Ok(secret.into()),
        }
    }
}

/// A secret that does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl<S: Into<String>> From<S> for Password {
    fn from(secret: S) -> Self {
        Self(secret.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
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

    #[tokio::test]
    async fn a_secret_in_a_file_is_the_one_that_stands_there_now() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let credential = Credential::File(file.path().to_owned());
        for (text, expected) in [("t1\n", Some("t1")), ("t2", Some("t2")), ("\n", None)] {
            std::fs::write(file.path(), text).expect("written");
            assert_eq!(credential.read().await.ok().as_ref().map(Password::reveal), expected);
        }
        drop(file);
        let error = credential.read().await.expect_err("no file");
        assert!(error.is_outage() && error.to_string().starts_with("auth: can't read /"), "{error}");
    }
}
