//! Mails handed to the machine's own mail program: `sendmail -i -f FROM -- TO`, as Postfix, Exim, OpenSMTPD, msmtp and
//! others have it.
//!
//! The program is run directly, never through a shell. lettre's transport for it is not used because it keeps the exit
//! code to itself, and the code is what tells "later" from "never" (sysexits.h).

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{Handover, Mail, Transport, one_line, quoted};
use crate::core::address::Address;
use crate::core::delivery::{Fault, Phase, Receipt, SendError};

/// A program that takes a mail on its standard input.
#[derive(Clone, Debug)]
pub struct Sendmail {
    program: PathBuf,
    limit: Duration,
}

impl Sendmail {
    /// A path such as `/usr/sbin/sendmail`, or a name to be looked up in `PATH`. A run that takes longer than `limit` is
    /// ended.
    pub fn new(program: impl Into<PathBuf>, limit: Duration) -> Self {
        Self { program: program.into(), limit }
    }
}

impl Transport for Sendmail {
    async fn send_with_handover(&self, mail: &Mail, mut turn: Handover<'_>) -> Result<Option<Receipt>, SendError> {
        if !turn.gate.passed().await {
            return Ok(None);
        }
        let mut child = Command::new(&self.program)
            .arg("-i")
            .arg("-f")
            .arg(mail.from.as_ref().map_or_else(|| "<>".to_owned(), Address::reveal))
            .arg("--")
            .arg(mail.to.reveal())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| unusable(error.to_string()))?;
        let stdin = child.stdin.take();
        let message = local_lines(mail.message.octets());
        // Both at once: a program that complains before it has read everything would else wait for us, and we for it.
        let mut handed_over = false;
        let run = async {
            let feed = async {
                if let Some(mut stdin) = stdin {
                    stdin.write_all(&message).await?;
                    stdin.shutdown().await?;
                }
                handed_over = true;
                std::io::Result::Ok(())
            };
            tokio::join!(feed, child.wait_with_output())
        };
        let ended = tokio::time::timeout(self.limit, run).await;
        // Before the end of the message the program can't have accepted it.
        let lost = |text: String| {
            if handed_over { SendError::Unknown(fault(text)) } else { SendError::Transient(fault(text)) }
        };
        let (_, output) = ended.map_err(|_| lost(format!("did not end within {} s", self.limit.as_secs_f64())))?;
        let output = output.map_err(|error| lost(error.to_string()))?;
        let said = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
        let said = quoted(&String::from_utf8_lossy(said), mail);
        let said_so = format!("{}: {said}", output.status);
        Err(match verdict(output.status) {
            ExitMeaning::Taken => return Ok(Some(Receipt { reply: said })),
            ExitMeaning::Unusable => unusable(said_so),
            ExitMeaning::Later => SendError::Transient(fault(said_so)),
            ExitMeaning::Never(status) => {
                SendError::Permanent(Fault { enhanced: status.map(str::to_owned), ..fault(said_so) })
            }
            ExitMeaning::Nobody => lost(said_so),
        })
    }
}

/// What an exit means.
#[derive(Debug, PartialEq, Eq)]
enum ExitMeaning {
    Taken,
    /// The program, this machine or its configuration: the next mail would fare no better.
    Unusable,
    Later,
    /// With the status code that says the same (RFC 3463), where there is one.
    Never(Option<&'static str>),
    /// Killed by a signal.
    Nobody,
}

/// sysexits.h: EX_DATAERR 65, EX_NOUSER 67 and EX_NOHOST 68 are about the mail or its recipient; from EX_UNAVAILABLE 69 on,
/// but for EX_TEMPFAIL 75 and EX_PROTOCOL 76, it is what someone here can mend, as are 126 and 127 of a shell.
fn verdict(status: ExitStatus) -> ExitMeaning {
    match status.code() {
        Some(0) => ExitMeaning::Taken,
        Some(65) => ExitMeaning::Never(None),
        Some(67) => ExitMeaning::Never(Some("5.1.1")),
        Some(68) => ExitMeaning::Never(Some("5.1.2")),
        Some(64 | 69..=74 | 77 | 78 | 126 | 127) => ExitMeaning::Unusable,
        Some(_) => ExitMeaning::Later,
        None => ExitMeaning::Nobody,
    }
}

/// The message with the line ends of this machine, as programs expect it; on the wire they are CRLF again.
fn local_lines(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    for line in message.split_inclusive(|&b| b == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

fn fault(text: String) -> Fault {
    Fault::new(Phase::Sendmail, one_line(&text))
}

fn unusable(text: String) -> SendError {
    SendError::Transient(Fault::new(Phase::Program, one_line(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use crate::core::delivery::AttemptOutcome;

    /// A program that does what the script says.
    fn program(folder: &Path, script: &str) -> Sendmail {
        let (draft, path) = (folder.join("draft"), folder.join("sendmail"));
        std::fs::write(&draft, format!("#!/bin/sh\n{script}\n")).expect("written");
        std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o755)).expect("made executable");
        // A copy made by another process: a file that a fork of this one may still hold open can't be run.
        let copied = std::process::Command::new("cp").arg(&draft).arg(&path).status().expect("cp runs");
        assert!(copied.success());
        Sendmail::new(path, Duration::from_secs(20))
    }

    fn mail() -> Mail {
        Mail {
            from: Address::parse("b+1@example.org").ok(),
            to: Address::parse("-ada@example.net").expect("an address"),
            message_id: "<1@example.org>".into(),
            message: b"Subject: x\r\n\r\n.\r\n".to_vec().into(),
        }
    }

    #[tokio::test]
    async fn the_program_gets_the_envelope_as_arguments_and_the_message_as_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let record = folder.path().join("record");
        let script = format!("{{ printf '%s|' \"$@\"; cat; }} > {}", record.display());
        program(folder.path(), &script).send(&mail()).await.expect("taken");
        let expected = "-i|-f|b+1@example.org|--|-ada@example.net|Subject: x\n\n.\n";
        assert_eq!(std::fs::read_to_string(record).expect("a record"), expected);
    }

    #[tokio::test]
    async fn exit_codes_tell_later_from_never() {
        let folder = tempfile::tempdir().expect("a folder");
        for (script, expected, phase) in [
            (
                "cat >/dev/null; echo 'no user -ada@example.net' >&2; exit 67",
                AttemptOutcome::Permanent,
                Phase::Sendmail,
            ),
            ("exit 68", AttemptOutcome::Permanent, Phase::Sendmail),
            ("exit 65", AttemptOutcome::Permanent, Phase::Sendmail),
            ("cat >/dev/null; exit 75", AttemptOutcome::Transient, Phase::Sendmail),
            ("exit 1", AttemptOutcome::Transient, Phase::Sendmail),
            ("exit 78", AttemptOutcome::Transient, Phase::Program),
            ("exit 127", AttemptOutcome::Transient, Phase::Program),
            ("cat >/dev/null; kill -9 $$", AttemptOutcome::Unknown, Phase::Sendmail),
        ] {
            let error = program(folder.path(), script).send(&mail()).await.expect_err(script);
            assert_eq!((error.kind(), error.fault().phase), (expected, phase), "{script}");
            assert_eq!(error.is_outage(), phase == Phase::Program);
            assert!(!error.to_string().contains("ada@"), "{error}");
        }
        let missing = Sendmail::new(folder.path().join("nothing"), Duration::from_secs(1));
        assert!(missing.send(&mail()).await.expect_err("no program").is_outage());
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_leaves_the_outcome_unknown() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut sendmail = program(folder.path(), "cat >/dev/null; exec sleep 60");
        sendmail.limit = Duration::from_millis(300);
        assert_eq!(sendmail.send(&mail()).await.expect_err("a silence").kind(), AttemptOutcome::Unknown);
    }
}
