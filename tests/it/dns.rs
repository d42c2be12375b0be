//! A name server of one's own: TXT and address records over UDP, and nothing else exists.

use std::net::Ipv4Addr;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// What a name has.
#[derive(Clone)]
pub(crate) enum Record {
    Txt(String),
    A(Ipv4Addr),
}

/// A server that answers until it is dropped.
pub(crate) struct Dns {
    pub(crate) port: u16,
    answering: JoinHandle<()>,
}

const TXT: u16 = 16;
const A: u16 = 1;

impl Dns {
    /// Serves these records; a name is written without its last dot. Text of more than 255 octets is cut into strings, as
    /// RSA keys need it (RFC 6376 section 3.6.2.2).
    pub(crate) async fn start(records: impl IntoIterator<Item = (String, Record)>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let port = socket.local_addr().expect("an address").port();
        let records: Vec<(String, Record)> = records.into_iter().collect();
        let answering = tokio::spawn(async move {
            let mut query = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                if let Some(answer) = answer(&query[..length], &records) {
                    socket.send_to(&answer, from).await.ok();
                }
            }
        });
        Self { port, answering }
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

/// RFC 1035 section 4: the header, the one question, and at most one answer to it.
fn answer(query: &[u8], records: &[(String, Record)]) -> Option<Vec<u8>> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
    let question = query.get(12..at + 4)?;
    let name = labels.join(".");
    let mut known = records.iter().filter(|(known, _)| *known == name).map(|(_, record)| record).peekable();
    let exists = known.peek().is_some();
    let data = known.find_map(|record| match record {
        Record::Txt(text) if kind == TXT => {
            let strings = text.as_bytes().chunks(255);
            Some(strings.flat_map(|string| [&[u8::try_from(string.len()).unwrap_or(0)], string].concat()).collect())
        }
        Record::A(address) if kind == A => Some(address.octets().to_vec()),
        _ => None,
    });
    let data: Vec<u8> = data.unwrap_or_default();
    // A response, authoritative, recursion as it was asked for and available; NXDOMAIN for a name that has nothing.
    let flags = [0x84 | (query[2] & 1), 0x80 | if exists { 0 } else { 3 }];
    let count = [0, 1, 0, u8::from(!data.is_empty()), 0, 0, 0, 0];
    let mut answer = [&query[..2], &flags, &count, question].concat();
    if !data.is_empty() {
        let length = u16::try_from(data.len()).ok()?.to_be_bytes();
        // The name is the question's; class IN, for a minute.
        answer.extend([&[0xC0, 12], &kind.to_be_bytes()[..], &[0, 1, 0, 0, 0, 60], &length, &data].concat());
    }
    Some(answer)
}
