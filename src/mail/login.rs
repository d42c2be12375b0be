//! The secret of a login, as it is at this moment.

use std::fmt;

use crate::core::delivery::{Fault, Phase, SendError};
use crate::core::secret::Secret;
use crate::core::server::Credential;

/// The secret. One that is in a file is read there.
pub(super) async fn secret(credential: &Credential) -> Result<Secret, SendError> {
    let path = match credential {
        Credential::Given(secret) => return Ok(secret.clone()),
        Credential::File(path) => path,
    };
    let unreadable = |why: &dyn fmt::Display| {
        SendError::Transient(Fault::new(Phase::Auth, format!("can't read {}: {why}", path.display())))
    };
    let text = tokio::fs::read_to_string(path).await.map_err(|error| unreadable(&error))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(unreadable(&"it is empty")),
        text => Ok(Secret::new(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_secret_in_a_file_is_the_one_that_stands_there_now() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let credential = Credential::File(file.path().to_owned());
        for (text, expected) in [("t1\n", Some("t1")), ("t2", Some("t2")), ("\n", None)] {
            std::fs::write(file.path(), text).expect("written");
            assert_eq!(secret(&credential).await.ok().as_ref().map(Secret::reveal), expected);
        }
        drop(file);
        let error = secret(&credential).await.expect_err("no file");
        assert!(error.is_outage() && error.to_string().starts_with("auth: can't read /"), "{error}");
    }
}
