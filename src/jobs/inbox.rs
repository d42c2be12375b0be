//! Inbox: what arrived for the bounce mailbox, or was kept for the daemon by the command for a mail server's pipe →
//! [`bounce`], message by message.
//!
//! A message is marked only after what it says is in the database, and one that is judged again changes nothing. So a
//! crash in between costs nothing, and neither does a second reader of the same mailbox: what it has taken away is passed
//! over. What can't be read, or not be marked, holds up no other: the first such trouble is told at the end, and the entry
//! is tried again at the next look. A message that breaks the connection to a server is passed over, tried once more at
//! the end, and then set aside, flagged, for a person: provided that others could be read, since else it is the server.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::bounce::{self, Settings};
use crate::clock::Clock;
use crate::mail::imap::{Imap, ImapError, Mailbox, Mark};
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

/// A message that broke the connection twice, and is flagged for a person.
#[derive(Debug, thiserror::Error)]
#[error("message {uid} is set aside, flagged, for a person: {error}")]
pub struct SetAside {
    /// Its number (UID).
    pub uid: u32,
    /// What happened the second time.
    pub error: ImapError,
}

/// So many messages in a row may break the connection before it is the server that is out of order.
const BROKEN_IN_A_ROW: usize = 8;

/// What came of one look.
#[derive(Debug, Default)]
pub struct Report {
    /// How many messages were taken in.
    pub messages: usize,
    /// The first trouble with a single entry, which is tried again.
    pub trouble: Option<InboxError>,
    /// The messages that were set aside: nobody tries them again.
    pub set_aside: Vec<SetAside>,
    /// How many messages are there, flagged and unread, for a person; `None` without an inbox, and where they can't be counted.
    pub flagged: Option<usize>,
}

impl Report {
    fn trouble(&mut self, error: impl Into<InboxError>) {
        self.trouble.get_or_insert(error.into());
    }
}

/// Takes in everything that is new, with or without an inbox beside the kept messages. Fails where nothing further can be had: the folder, the server or the database fails.
/// Cancelled, it leaves the rest for the next time.
pub async fn run(
    store: &Store,
    settings: &Settings,
    inbox: Option<&Inbox>,
    clock: &Clock,
) -> Result<Report, InboxError> {
    let judge = {
        let (store, settings, clock) = (store.clone(), settings.clone(), clock.clone());
        move |message: &[u8]| Ok(bounce::run(&store, &settings, message, clock.now())?.is_for_a_person())
    };
    let kept = {
        let (store, judge) = (store.clone(), judge.clone());
        blocking(move || kept_run(&store, judge)).await?
    };
    let report = match inbox {
        None => Report::default(),
        Some(Inbox::Maildir(maildir)) => {
            let maildir = maildir.clone();
            blocking(move || maildir_run(&maildir, judge)).await?
        }
        Some(Inbox::Imap(imap)) => imap_run(imap, judge).await?,
    };
    if report.flagged.is_some() || inbox.is_none() {
        store.note_flagged(report.flagged)?;
    }
    Ok(Report { messages: report.messages + kept, ..report })
}

/// Takes in what `paperpost bounce` kept; how many messages.
fn kept_run(store: &Store, judge: impl Fn(&[u8]) -> Result<bool, InboxError>) -> Result<usize, InboxError> {
    let mut messages = 0;
    while let Some((number, message)) = store.kept_message()? {
        if judge(&message)? {
            tracing::warn!("a message that came by the pipe says nothing that can be attributed: it is dropped");
        }
        store.forget_message(number)?;
        messages += 1;
    }
    Ok(messages)
}

fn maildir_run(maildir: &Path, judge: impl Fn(&[u8]) -> Result<bool, InboxError>) -> Result<Report, InboxError> {
    let (new, cur) = (maildir.join("new"), maildir.join("cur"));
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| InboxError::File { path, error }
    };
    let entries = std::fs::read_dir(&new).map_err(at(&new))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>().map_err(at(&new))?;
    files.sort();
    let mut report = Report::default();
    for path in &files {
        let moved = match first_of(path) {
            Ok(message) => {
                let flag = if judge(&message)? { 'F' } else { 'S' };
                std::fs::rename(path, read_name(path, &cur, flag))
            }
            Err(error) => Err(error),
        };
        match moved {
            Ok(()) => report.messages += 1,
            // Another reader of the folder was faster.
            Err(_) if std::fs::symlink_metadata(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound) => {}
            Err(error) => report.trouble(at(path)(error)),
        }
    }
    report.flagged = flagged_in(&cur).ok();
    Ok(report)
}

/// How many messages in `cur` are flagged, and neither seen nor deleted.
fn flagged_in(cur: &Path) -> io::Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(cur)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let flags = name.rsplit_once(":2,").map_or("", |(_, flags)| flags);
        count += usize::from(flags.contains('F') && !flags.contains(['S', 'T']));
    }
    Ok(count)
}

/// As much of a message as is read of one on a server.
fn first_of(path: &Path) -> io::Result<Vec<u8>> {
    // Looked at before it is opened: a pipe would be waited for.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("is no message"));
    }
    let mut message = Vec::new();
    std::fs::File::open(path)?.take(LONGEST_MESSAGE as u64).read_to_end(&mut message)?;
    Ok(message)
}

/// Where a message goes that was read. A move takes the place of what has the name; two of `new` may differ in their flags
/// alone (<https://cr.yp.to/proto/maildir.html>), so then it gets a number.
fn read_name(path: &Path, cur: &Path, flag: char) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.split(":2,").next().unwrap_or_default();
    let numbered = (1..).map(|number| format!("{name}.{number}"));
    let mut paths = std::iter::once(name.to_owned()).chain(numbered).map(|name| cur.join(format!("{name}:2,{flag}")));
    paths.find(|path| std::fs::symlink_metadata(path).is_err()).unwrap_or_default()
}

async fn imap_run<J>(imap: &Imap, judge: J) -> Result<Report, InboxError>
where
    J: Fn(&[u8]) -> Result<bool, InboxError> + Clone + Send + 'static,
{
    let mut mailbox = imap.open().await?;
    let mut report = Report::default();
    let (mut broken, mut in_a_row) = (Vec::new(), 0);
    for uid in mailbox.unread().await? {
        match imap_step(&mut mailbox, uid, judge.clone(), &mut report).await {
            Err(InboxError::Imap(error)) if error.is_refusal() => report.trouble(error),
            Err(InboxError::Imap(error)) => {
                in_a_row += 1;
                if in_a_row == BROKEN_IN_A_ROW {
                    return Err(error.into());
                }
                // What it said tells more than that it is not there any more.
                let Ok(fresh) = imap.open().await else { return Err(error.into()) };
                mailbox = fresh;
                broken.push((uid, error));
            }
            ended => {
                ended?;
                in_a_row = 0;
            }
        }
    }
    if report.messages == 0 {
        // Where nothing could be read, it may well be the server.
        broken.drain(..).for_each(|(_, error)| report.trouble(error));
    }
    for (uid, _) in broken {
        match imap_step(&mut mailbox, uid, judge.clone(), &mut report).await {
            Err(InboxError::Imap(error)) if error.is_refusal() => report.trouble(error),
            Err(InboxError::Imap(error)) => {
                let Ok(fresh) = imap.open().await else { return Err(error.into()) };
                mailbox = fresh;
                match mailbox.mark(uid, Mark::ForAPerson).await {
                    Ok(()) => report.set_aside.push(SetAside { uid, error }),
                    Err(unmarked) => report.trouble(unmarked),
                }
            }
            ended => ended?,
        }
    }
    // Everything is done: where they can't be counted, the next look does it.
    report.flagged = mailbox.flagged().await.ok();
    mailbox.close().await;
    Ok(report)
}

async fn imap_step<J>(mailbox: &mut Mailbox, uid: u32, judge: J, report: &mut Report) -> Result<(), InboxError>
where
    J: FnOnce(&[u8]) -> Result<bool, InboxError> + Send + 'static,
{
    // Another reader of the mailbox was faster.
    let Some(message) = mailbox.fetch(uid).await? else { return Ok(()) };
    let is_for_a_person = blocking(move || judge(&message)).await?;
    mailbox.mark(uid, if is_for_a_person { Mark::ForAPerson } else { Mark::Done }).await?;
    // What is marked is not looked at again, even where it can't be removed.
    report.messages += 1;
    if !is_for_a_person {
        mailbox.remove(uid).await?;
    }
    Ok(())
}

/// Work on files and the database, beside the tasks.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
