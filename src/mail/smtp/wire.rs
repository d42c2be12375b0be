//! A connection as SMTP sees it: lines go out, replies come in, each within its time.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};

use super::super::connect::Stream;
use super::reply::{Garbage, Parser, Reply};

/// A connection with what it has read ahead.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    /// Read but not yet part of a reply.
    inbox: Vec<u8>,
    parser: Parser,
}

/// Why nothing came, or nothing that makes sense. The connection is then of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("no answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    #[error("the server closed the connection")]
    Closed,
    #[error("the server spoke before it was asked, or closed the connection")]
    Unasked,
    #[error(transparent)]
    Broken(#[from] io::Error),
    #[error(transparent)]
    Garbage(#[from] Garbage),
}

impl Wire {
    pub(super) fn new(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), inbox: Vec::with_capacity(1024), parser: Parser::default() }
    }

    /// The bare stream, for TLS to begin on. `None` when the server has said more than it was asked: what came in the
    /// clear must not be read as if it had come encrypted (RFC 3207 section 6).
    pub(super) fn into_stream(self) -> Option<Box<dyn Stream>> {
        self.inbox.is_empty().then_some(self.stream)
    }

    /// Writes everything within `limit`.
    pub(super) async fn write(&mut self, bytes: &[u8], limit: Duration) -> Result<(), Trouble> {
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        Ok(tokio::time::timeout(limit, write).await.map_err(|_| Trouble::TimedOut(limit))??)
    }

    /// Says one command and waits for its reply, each within `limit`.
    pub(super) async fn command(&mut self, line: &str, limit: Duration) -> Result<Reply, Trouble> {
        self.write(format!("{line}\r\n").as_bytes(), limit).await?;
        self.reply(limit).await
    }

    /// Writes two things one after the other, in one write where the stream can: a small one behind a large one would else be
    /// a packet of its own. When it fails, with the number of octets that may be out.
    pub(super) async fn write_both(
        &mut self,
        first: &[u8],
        then: &[u8],
        limit: Duration,
    ) -> Result<(), (Trouble, usize)> {
        let mut out = 0;
        let write = async {
            let mut slices = [IoSlice::new(first), IoSlice::new(then)];
            let mut left = &mut slices[..];
            // Past what is empty already.
            IoSlice::advance_slices(&mut left, 0);
            while !left.is_empty() {
                match self.stream.write_vectored(left).await? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    written => {
                        out += written;
                        IoSlice::advance_slices(&mut left, written);
                    }
                }
            }
            self.stream.flush().await
        };
        let written = match tokio::time::timeout(limit, write).await {
            Ok(written) => written.map_err(Trouble::from),
            Err(_) => Err(Trouble::TimedOut(limit)),
        };
        written.map_err(|trouble| (trouble, out))
    }

    /// Reads one reply; the whole of it within `limit`, so that one octet at a time wins a server nothing.
    pub(super) async fn reply(&mut self, limit: Duration) -> Result<Reply, Trouble> {
        tokio::time::timeout(limit, self.next_reply()).await.map_err(|_| Trouble::TimedOut(limit))?
    }

    async fn next_reply(&mut self) -> Result<Reply, Trouble> {
        loop {
            let (taken, reply) = self.parser.feed(&self.inbox)?;
            self.inbox.drain(..taken);
            if let Some(reply) = reply {
                return Ok(reply);
            }
            if self.stream.read_buf(&mut self.inbox).await? == 0 {
                return Err(Trouble::Closed);
            }
        }
    }

    /// Whether the server has neither closed the connection nor said anything unasked, as far as is known without
    /// waiting. A reply too many would be taken for the answer to the next command.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut bytes = [0; 512];
        let mut bytes = ReadBuf::new(&mut bytes);
        let poll = Pin::new(&mut self.stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut bytes);
        self.inbox.extend_from_slice(bytes.filled());
        poll.is_pending() && self.inbox.is_empty()
    }

    /// Ends the stream in order: TLS says that this is the end.
    pub(super) async fn shutdown(&mut self) {
        // Whatever comes of it, the connection is dropped next.
        self.stream.shutdown().await.ok();
    }
}
