//! The server's side of one connection.

use std::time::Duration;

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use paperpost::core::server::Tls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Act, Log, Offer, Taken};

/// One connection.
pub(super) struct Client {
    log: watch::Sender<Log>,
    offer: Offer,
    number: usize,
    inbox: Vec<u8>,
}

/// What follows a step.
enum Next {
    /// It was answered.
    Said,
    /// It was agreed to and wants an answer.
    Agree,
    /// The connection is over.
    Gone,
    /// It is over, and the mail was taken.
    GoneWithMail,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Makes closing a reset.
    fn reset(&self);
}

impl Stream for TcpStream {
    fn reset(&self) {
        self.set_zero_linger().expect("a socket");
    }
}

impl Stream for TlsStream<TcpStream> {
    fn reset(&self) {
        self.get_ref().0.reset();
    }
}

impl Client {
    pub(super) fn new(log: watch::Sender<Log>, offer: Offer, number: usize) -> Self {
        Self { log, offer, number, inbox: Vec::new() }
    }

    /// From the first octet to the last.
    pub(super) async fn serve(mut self, mut tcp: TcpStream, acceptor: TlsAcceptor) {
        tcp.set_nodelay(true).ok();
        match self.step("connect", &mut tcp).await {
            Next::Agree | Next::Said => {}
            Next::Gone | Next::GoneWithMail => return,
        }
        if self.offer.tls != Tls::Implicit && !self.talk(&mut tcp, false).await {
            return;
        }
        // The answer to the client's hello: what came before would be part of the clear.
        tcp.peek(&mut [0]).await.ok();
        match self.step("tls", &mut tcp).await {
            Next::Agree | Next::Said => {}
            Next::Gone | Next::GoneWithMail => return,
        }
        if let Ok(mut stream) = acceptor.accept(tcp).await {
            self.talk(&mut stream, true).await;
        }
    }

    /// Whether the client asked for STARTTLS and got it; then the clear part is over.
    async fn talk(&mut self, stream: &mut dyn Stream, encrypted: bool) -> bool {
        if !(encrypted && self.offer.tls == Tls::StartTls) {
            match self.step("greeting", stream).await {
                Next::Agree => self.say(stream, "220 server.example.org ESMTP").await,
                Next::Said => {}
                Next::Gone | Next::GoneWithMail => return false,
            }
        }
        let (mut from, mut to) = (String::new(), Vec::new());
        while let Some(line) = self.line(stream).await {
            self.log.send_modify(|log| log.lines.push(line.clone()));
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            if verb == "MAIL" {
                let group = format!("{line}\n{}", String::from_utf8_lossy(&self.inbox));
                self.log.send_modify(|log| log.groups.push(group));
            }
            let is_again = verb == "EHLO" && encrypted && self.offer.tls == Tls::StartTls;
            let phase = if is_again { "ehlo again".into() } else { verb.to_ascii_lowercase() };
            match self.step(&phase, stream).await {
                Next::Agree => {}
                Next::Said => continue,
                Next::Gone | Next::GoneWithMail => return false,
            }
            let reply = match verb.as_str() {
                "EHLO" => self.ehlo(encrypted),
                "STARTTLS" => {
                    self.say(stream, format!("220 go ahead\r\n{}", self.offer.injected).trim_end()).await;
                    return true;
                }
                "AUTH" => match self.auth(stream, line).await {
                    Ok(reply) => reply,
                    Err(Next::Said) => continue,
                    Err(_) => return false,
                },
                "MAIL" => {
                    (from, to) = (line, Vec::new());
                    "250 2.1.0 ok".into()
                }
                "RCPT" if from.is_empty() => "503 5.5.1 MAIL first".into(),
                "RCPT" => {
                    let refusals = self.log.borrow().refusals.clone();
                    match refusals.iter().find(|(text, _)| line.contains(text)) {
                        Some((_, reply)) => (*reply).to_owned(),
                        None => {
                            to.push(line);
                            "250 2.1.5 ok".into()
                        }
                    }
                }
                "DATA" if to.is_empty() => "503 5.5.1 RCPT first".into(),
                "DATA" => {
                    self.say(stream, "354 go ahead").await;
                    let Some(bytes) = self.message(stream).await else { return false };
                    let (from, to) = (std::mem::take(&mut from), std::mem::take(&mut to));
                    let taken = Taken { from, to, bytes, connection: self.number };
                    match self.step("body", stream).await {
                        Next::Agree => {}
                        Next::Said => continue,
                        Next::Gone => return false,
                        Next::GoneWithMail => {
                            self.log.send_modify(|log| log.taken.push(taken));
                            return false;
                        }
                    }
                    self.log.send_modify(|log| log.taken.push(taken));
                    format!("250 2.0.0 queued as {}", self.log.borrow().taken.len())
                }
                "RSET" => {
                    (from, to) = (String::new(), Vec::new());
                    "250 2.0.0 ok".into()
                }
                "QUIT" => {
                    self.say(stream, "221 2.0.0 bye").await;
                    return false;
                }
                _ => "500 5.5.2 what?".into(),
            };
            self.say(stream, &reply).await;
        }
        false
    }

    /// Does what the script has for this phase.
    async fn step(&mut self, phase: &str, stream: &mut dyn Stream) -> Next {
        let mut act = None;
        self.log.send_if_modified(|log| {
            let at = log.script.iter().position(|(wanted, _)| wanted == phase);
            act = at.and_then(|at| log.script.remove(at)).map(|(_, act)| act);
            at.is_some()
        });
        let Some(act) = act else { return Next::Agree };
        match act {
            Act::Say(reply) => {
                self.say(stream, reply).await;
                Next::Said
            }
            Act::Write(bytes) => {
                stream.write_all(&bytes).await.ok();
                stream.flush().await.ok();
                Next::Said
            }
            Act::WriteAndHang(bytes) => {
                stream.write_all(&bytes).await.ok();
                stream.flush().await.ok();
                self.hang(stream).await
            }
            Act::SayAndClose(reply) => {
                self.say(stream, reply).await;
                stream.shutdown().await.ok();
                Next::Gone
            }
            Act::Close => {
                stream.shutdown().await.ok();
                Next::Gone
            }
            Act::TakeAndClose => {
                stream.shutdown().await.ok();
                Next::GoneWithMail
            }
            Act::Reset => {
                stream.reset();
                Next::Gone
            }
            Act::Hang => self.hang(stream).await,
            Act::SayAndIgnore(reply) => {
                self.say(stream, reply).await;
                std::future::pending().await
            }
            Act::Drip(reply) => {
                for byte in reply.bytes().cycle() {
                    if stream.write_all(&[byte]).await.is_err() || stream.flush().await.is_err() {
                        break;
                    }
                    // A real wait: slowness is the matter.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Next::Gone
            }
            Act::After(pause) => {
                // A real wait: the client has to wait as long.
                tokio::time::sleep(pause).await;
                Next::Agree
            }
            Act::WhenTold(told) => {
                told.notified().await;
                Next::Agree
            }
        }
    }

    /// Says nothing until the client has gone.
    async fn hang(&mut self, stream: &mut dyn Stream) -> Next {
        let mut sink = [0; 4096];
        while matches!(stream.read(&mut sink).await, Ok(read) if read > 0) {}
        Next::Gone
    }

    fn ehlo(&self, encrypted: bool) -> String {
        let mut lines = vec!["server.example.org".to_owned()];
        if self.offer.tls == Tls::StartTls && !encrypted {
            lines.push("STARTTLS".into());
        }
        lines.extend(self.offer.keywords.iter().cloned());
        let last = lines.pop().unwrap_or_default();
        lines.iter().map(|line| format!("250-{line}\r\n")).collect::<String>() + &format!("250 {last}")
    }

    /// Compares what the client says with what is right.
    async fn auth(&mut self, stream: &mut dyn Stream, first: String) -> Result<String, Next> {
        let (mut said, right) = (first, self.offer.login.clone());
        if let Some(first) = said.strip_prefix("AUTH SCRAM-SHA-256 ") {
            return self.scram(stream, &unbase64(first), &right[0]).await;
        }
        for (at, expected) in right.iter().enumerate() {
            if said != *expected {
                return Ok("535 5.7.8 wrong".into());
            }
            if at + 1 < right.len() {
                said = self.ask(stream, "VXNlcm5hbWU6", &format!("auth {}", at + 2)).await?;
            }
        }
        Ok(if right.is_empty() { "535 5.7.8 wrong".into() } else { "235 2.7.0 welcome".into() })
    }

    /// The server's side of RFC 5802, which has the salted password and not the password.
    async fn scram(&mut self, stream: &mut dyn Stream, first: &str, password: &str) -> Result<String, Next> {
        let bare = first.strip_prefix("n,,").expect("no channel binding");
        let nonce = format!("{}server", bare.split_once(",r=").expect("a nonce").1);
        let server_first = format!("r={nonce},s={},i=4096", BASE64_STANDARD.encode("salt"));
        let last = unbase64(&self.ask(stream, &BASE64_STANDARD.encode(&server_first), "auth 2").await?);
        let (without_proof, proof) = last.split_once(",p=").unwrap_or((&last, ""));
        let mut salted = [0; 32];
        let rounds = std::num::NonZeroU32::new(4096).expect("not zero");
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, b"salt", password.as_bytes(), &mut salted);
        let mac = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
        let stored = digest::digest(&digest::SHA256, mac(&salted, "Client Key").as_ref());
        let auth = format!("{bare},{server_first},{without_proof}");
        let proof = BASE64_STANDARD.decode(proof).unwrap_or_default();
        let mask = mac(stored.as_ref(), &auth);
        let key: Vec<u8> = proof.iter().zip(mask.as_ref()).map(|(proof, mask)| proof ^ mask).collect();
        if digest::digest(&digest::SHA256, &key).as_ref() != stored.as_ref() {
            return Ok("535 5.7.8 wrong".into());
        }
        let signature = BASE64_STANDARD.encode(mac(mac(&salted, "Server Key").as_ref(), &auth));
        self.ask(stream, &BASE64_STANDARD.encode(format!("v={signature}")), "auth 3").await?;
        Ok("235 2.7.0 welcome".into())
    }

    /// What the client answers to a challenge, when the script has nothing else to say to the answer.
    async fn ask(&mut self, stream: &mut dyn Stream, challenge: &str, phase: &str) -> Result<String, Next> {
        self.say(stream, &format!("334 {challenge}")).await;
        let said = self.line(stream).await.ok_or(Next::Gone)?;
        self.log.send_modify(|log| log.lines.push(said.clone()));
        match self.step(phase, stream).await {
            Next::Agree => Ok(said),
            next => Err(next),
        }
    }

    async fn say(&self, stream: &mut dyn Stream, reply: &str) {
        stream.write_all(format!("{reply}\r\n").as_bytes()).await.ok();
        stream.flush().await.ok();
    }

    /// The next line without its CRLF.
    async fn line(&mut self, stream: &mut dyn Stream) -> Option<String> {
        let line = self.raw_line(stream).await?;
        Some(String::from_utf8_lossy(&line).trim_end_matches("\r\n").to_owned())
    }

    /// The message up to its final dot. A line that does not end in CRLF would make it another message somewhere.
    async fn message(&mut self, stream: &mut dyn Stream) -> Option<Vec<u8>> {
        let mut message = Vec::new();
        loop {
            let line = self.raw_line(stream).await?;
            if !line.ends_with(b"\r\n") || line.len() > 1000 || line[..line.len() - 2].contains(&b'\r') {
                self.log.send_modify(|log| log.wrong.push(String::from_utf8_lossy(&line).into_owned()));
            }
            if line == b".\r\n" {
                return Some(message);
            }
            self.log.send_modify(|log| log.message_lines += 1);
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }

    async fn raw_line(&mut self, stream: &mut dyn Stream) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.inbox.iter().position(|&b| b == b'\n') {
                return Some(self.inbox.drain(..=end).collect());
            }
            self.inbox.reserve(8192);
            if stream.read_buf(&mut self.inbox).await.ok()? == 0 {
                return None;
            }
        }
    }
}

fn unbase64(text: &str) -> String {
    String::from_utf8(BASE64_STANDARD.decode(text).unwrap_or_default()).unwrap_or_default()
}
