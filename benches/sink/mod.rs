//! A mail server that takes everything and keeps nothing, and answers as late as a distant one.
//!
//! Every answer comes `delay` after what it answers, however much came in one write: that is how a round trip looks to a client.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A sink on a thread of its own, for as long as this value is there.
pub(crate) struct Sink {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Sink {
    pub(crate) fn start(delay: Duration) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("a socket");
                tokio::spawn(serve(stream, delay));
            }
        });
        Self { address, _runtime: runtime }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

async fn serve(stream: TcpStream, delay: Duration) {
    let (mut reader, mut writer) = stream.into_split();
    let (answers, mut waiting) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, answer)) = waiting.recv().await {
            tokio::time::sleep_until(due.into()).await;
            if writer.write_all(&answer).await.is_err() {
                return;
            }
        }
    });
    let answer = |text: &[u8]| drop(answers.send((Instant::now() + delay, text.to_vec())));
    answer(b"220 sink.example.org ESMTP\r\n");
    let mut inbox = Vec::with_capacity(1 << 17);
    let mut in_message = false;
    while matches!(reader.read_buf(&mut inbox).await, Ok(read) if read > 0) {
        let mut at = 0;
        let mut said = Vec::new();
        loop {
            let rest = &inbox[at..];
            let end: &[u8] = if in_message { b"\r\n.\r\n" } else { b"\r\n" };
            let Some(found) = memchr::memmem::find(rest, end) else {
                // What can't be part of the end any more needs no second look.
                at += if in_message { rest.len().saturating_sub(end.len() - 1) } else { 0 };
                break;
            };
            let line = &rest[..found];
            at += found + end.len();
            let is_data = !in_message && line.eq_ignore_ascii_case(b"DATA");
            said.extend_from_slice(match line.get(..4) {
                _ if in_message => b"250 2.0.0 taken\r\n",
                _ if is_data => b"354 go ahead\r\n",
                Some(b"EHLO") => b"250-sink.example.org\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
                Some(b"QUIT") => b"221 2.0.0 bye\r\n",
                _ => b"250 2.0.0 ok\r\n",
            });
            in_message = is_data;
        }
        inbox.drain(..at);
        if !said.is_empty() {
            answer(&said);
        }
    }
}
