//! The command for a mail server's pipe: bounce.

use std::io::Read;
use std::process::ExitCode;

use super::wiring;
use crate::clock::Clock;
use crate::config::Settings;
use crate::jobs::bounce::{self, Outcome};
use crate::store::Store;

/// The exit codes that a mail server understands (sysexits.h).
const EX_NOUSER: u8 = 67;
pub(super) const EX_TEMPFAIL: u8 = 75;

/// A message longer than this is none that a mail server makes; octets.
const MAX_MESSAGE: u64 = 32 << 20;

/// Takes in the message on standard input. What is wrong with us is for the server to try again later; what a person
/// wrote is refused, so that they learn that nobody reads it.
pub(super) fn bounce(settings: &Settings) -> ExitCode {
    match take(settings) {
        Ok(Outcome::Unknown) => {
            eprintln!("paperpost: no bounce, no complaint, no request to leave: nobody reads mails to this address");
            ExitCode::from(EX_NOUSER)
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("paperpost: {error:#}");
            ExitCode::from(EX_TEMPFAIL)
        }
    }
}

fn take(settings: &Settings) -> anyhow::Result<Outcome> {
    let mut message = Vec::new();
    std::io::stdin().take(MAX_MESSAGE).read_to_end(&mut message)?;
    let store = Store::open(&settings.database.path)?;
    Ok(bounce::run(&store, &wiring::bounces(settings, &store)?, &message, Clock::System.now())?)
}
