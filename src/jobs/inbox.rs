//! Inbox: what arrived for the bounce mailbox → [`bounce`], message by message.
//!
//! A message is marked only after what it says is in the database, and one that is judged again changes nothing. So a
//! crash in between costs nothing, and neither does a second reader of the same mailbox. One that can't be had holds up no
//! other: it is told at the end.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::bounce::{self, Settings};
use crate::clock::Clock;
use crate::mail::imap::{Imap, ImapError, Mark};
use crate::mail::inbound::LONGEST_MESSAGE;
use crate::store::{Store, StoreError};

/// Where bounces, complaints and mails that ask to leave arrive.
#[derive(Clone)]
pub enum Inbox {
    /// A Maildir on this machine: each message of `new` is taken in and moved to `cur`, as seen (`S`), or flagged (`F`)
    /// when a person should read it.
    Maildir(PathBuf),
    /// A mailbox on a server: what is unread is taken in and marked as read or deleted, or flagged and left unread when
    /// a person should read it.
    Imap(Imap),
}

/// Why an inbox can't be worked through.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder can't be read, or a file in it not be moved.
    #[error("{}: {error}", path.display())]
    File {
        /// What could not be read or moved.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// The server can't be reached, or does not do as asked.
    #[error(transparent)]
    Imap(#[from] ImapError),
}

/// Takes in everything that is new. Returns how many messages there were. Cancelled, it leaves the rest for the next time.
pub async fn run(store: &Store, settings: &Settings, inbox: &Inbox, clock: &Clock) -> Result<usize, InboxError> {
    let judge = {
        let (store, settings, clock) = (store.clone(), settings.clone(), clock.clone());
        move |message: &[u8]| Ok(bounce::run(&store, &settings, message, clock.now())?.is_for_a_person())
    };
    match inbox {
        Inbox::Maildir(maildir) => {
            let maildir = maildir.clone();
            blocking(move || maildir_run(&maildir, judge)).await
        }
        Inbox::Imap(imap) => imap_run(imap, judge).await,
    }
}

fn maildir_run(maildir: &Path, judge: impl Fn(&[u8]) -> Result<bool, InboxError>) -> Result<usize, InboxError> {
    let (new, cur) = (maildir.join("new"), maildir.join("cur"));
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| InboxError::File { path, error }
    };
    let entries = std::fs::read_dir(&new).map_err(at(&new))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>().map_err(at(&new))?;
    files.sort();
    let (mut count, mut trouble) = (0, None);
    for path in &files {
        let message = match first_of(path) {
            Ok(message) => message,
            Err(error) => {
                trouble.get_or_insert(at(path)(error));
                continue;
            }
        };
        let flag = if judge(&message)? { "F" } else { "S" };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A name may have flags already (https://cr.yp.to/proto/maildir.html).
        let name = name.split(":2,").next().unwrap_or_default();
        std::fs::rename(path, cur.join(format!("{name}:2,{flag}"))).map_err(at(path))?;
        count += 1;
    }
    trouble.map_or(Ok(count), Err)
}

/// As much of a message as is read of one on a server.
fn first_of(path: &Path) -> io::Result<Vec<u8>> {
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is no message"));
    }
    let mut message = Vec::new();
    file.take(LONGEST_MESSAGE as u64).read_to_end(&mut message)?;
    Ok(message)
}

async fn imap_run<J>(imap: &Imap, judge: J) -> Result<usize, InboxError>
where
    J: Fn(&[u8]) -> Result<bool, InboxError> + Clone + Send + 'static,
{
    let mut mailbox = imap.open().await?;
    let (mut count, mut trouble) = (0, None);
    for uid in mailbox.unread().await? {
        let message = match mailbox.fetch(uid).await {
            Ok(Some(message)) => message,
            // Another reader of the mailbox was faster.
            Ok(None) => continue,
            Err(error) if error.is_refusal() => {
                trouble.get_or_insert(error);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let judge = judge.clone();
        let is_for_a_person = blocking(move || judge(&message)).await?;
        mailbox.mark(uid, if is_for_a_person { Mark::ForAPerson } else { Mark::Done }).await?;
        count += 1;
    }
    mailbox.close().await;
    trouble.map_or(Ok(count), |error| Err(error.into()))
}

/// Work on files and the database, beside the tasks.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
