//! SCRAM-SHA-256 (RFC 5802, RFC 7677): a login that never sends the password, and in which the server proves that it knows it.
//!
//! Without channel binding: the login is only ever made over verified TLS or on this machine. The password is taken as it is,
//! without SASLprep, like the user name: a server whose stored keys were made from another spelling refuses it.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2, rand};
use base64::prelude::{BASE64_STANDARD, Engine as _};

/// The mechanism's name.
pub(super) const NAME: &str = "SCRAM-SHA-256";

/// Rounds that a server may ask for. RFC 7677 section 4 wants 4096 at least; a million take some tenths of a second.
const ROUNDS: std::ops::RangeInclusive<u32> = 4096..=1_000_000;

/// The client's side of one login, after its first message.
pub(super) struct Scram {
    nonce: String,
    /// The first message without its GS2 header.
    first: String,
}

/// What the server must say in the end.
#[derive(Debug)]
pub(super) struct ServerSignature(String);

/// Why a login can't go on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScramError {
    #[error("no random numbers are to be had")]
    Randomness,
    #[error("the server's part of the SCRAM login makes no sense")]
    Nonsense,
    #[error("the server does not know the password that it lets us in with")]
    Impostor,
}

impl Scram {
    /// Begins a login: the client's first message.
    pub(super) fn begin(user: &str) -> Result<(Self, String), ScramError> {
        let mut nonce = [0; 18];
        rand::fill(&mut nonce).map_err(|_| ScramError::Randomness)?;
        Ok(Self::begin_with(user, &BASE64_STANDARD.encode(nonce)))
    }

    fn begin_with(user: &str, nonce: &str) -> (Self, String) {
        let first = format!("n={},r={nonce}", user.replace('=', "=3D").replace(',', "=2C"));
        let message = format!("{GS2}{first}");
        (Self { nonce: nonce.to_owned(), first }, message)
    }

    /// Answers the server's first message: the client's final one, and what must come back.
    pub(super) fn answer(self, server_first: &str, password: &str) -> Result<(String, ServerSignature), ScramError> {
        let mut fields = server_first.split(',');
        let mut field =
            |name: &str| fields.next().and_then(|field| field.strip_prefix(name)).ok_or(ScramError::Nonsense);
        let (nonce, salt, rounds) = (field("r=")?, field("s=")?, field("i=")?);
        let salt = BASE64_STANDARD.decode(salt).map_err(|_| ScramError::Nonsense)?;
        let rounds = rounds.parse().ok().filter(|rounds| ROUNDS.contains(rounds)).and_then(NonZeroU32::new);
        let rounds = rounds.ok_or(ScramError::Nonsense)?;
        // The server adds to our nonce; one that repeats it plays back an old login.
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramError::Nonsense);
        }
        let mut salted = [0; digest::SHA256_OUTPUT_LEN];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &mut salted);
        let without_proof = format!("c={},r={nonce}", BASE64_STANDARD.encode(GS2));
        let auth = format!("{},{server_first},{without_proof}", self.first);
        let client_key = mac(&salted, "Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let signature = mac(stored_key.as_ref(), &auth);
        let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(key, mask)| key ^ mask).collect();
        let server_signature = mac(mac(&salted, "Server Key").as_ref(), &auth);
        Ok((
            format!("{without_proof},p={}", BASE64_STANDARD.encode(proof)),
            ServerSignature(format!("v={}", BASE64_STANDARD.encode(server_signature))),
        ))
    }
}

impl ServerSignature {
    /// Whether the server's final message proves that it knows the password. Nothing secret is compared: the message is
    /// the server's, and a wrong one ends the login.
    pub(super) fn verify(&self, server_final: &str) -> Result<(), ScramError> {
        if server_final.split(',').next() == Some(self.0.as_str()) { Ok(()) } else { Err(ScramError::Impostor) }
    }
}

/// No channel binding, and none that the server could offer is known; no other identity.
const GS2: &str = "n,,";

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn begun() -> Scram {
        let (scram, first) = Scram::begin_with("user", "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(first, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        scram
    }

    #[test]
    fn the_example_of_rfc_7677_section_3_comes_out() {
        let (last, signature) = begun().answer(SERVER_FIRST, "pencil").expect("an answer");
        assert_eq!(
            last,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(signature.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
        for forged in ["v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "v=", "", "e=other-error"] {
            assert_eq!(signature.verify(forged), Err(ScramError::Impostor), "{forged}");
        }
    }

    #[test]
    fn a_server_that_plays_back_or_weakens_a_login_gets_no_answer() {
        for said in [
            "",
            "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=another%hvYDpWUa2RaTCAfuxFIlj,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqO%h,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1",
            "r=rOprNGfwEbeRWgbNEkqO%h,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4294967295",
            "r=rOprNGfwEbeRWgbNEkqO%h,s=?,i=4096",
            "m=x,r=rOprNGfwEbeRWgbNEkqO%h,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        ] {
            assert_eq!(begun().answer(said, "pencil").err(), Some(ScramError::Nonsense), "{said}");
        }
    }

    #[test]
    fn a_user_name_cannot_add_a_field() {
        let (_, first) = Scram::begin_with("a=b,r=c", "x");
        assert_eq!(first, "n,,n=a=3Db=2Cr=3Dc,r=x");
    }
}
