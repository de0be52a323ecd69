//! A forward server with acknowledgements, with or without a shared key, honest or not.

use super::Received;
use rmpv::Value;
use sha2::{Digest, Sha512};
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What it does with one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Stores and acknowledges.
    Good,
    /// Stores, and closes without acknowledging.
    Forgetful,
    /// Closes after a part of the message.
    Abrupt,
    /// Stores, and answers something else.
    Garbled,
    /// Stores, and says nothing for so long.
    Silent(Duration),
    /// Stores, and acknowledges late.
    Slow(Duration),
}

/// The server.
pub struct Server {
    /// Where it listens.
    pub port: u16,
    /// What it has.
    pub received: Received,
    /// Messages so far.
    pub messages: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

/// What the server does with message number n, from 0.
pub type Moods = Arc<dyn Fn(u64) -> Mood + Send + Sync>;

impl Server {
    /// Listens on a free port.
    pub fn new(key: Option<&'static str>, moods: Moods) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let received = Received::default();
        let (messages, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (kept, counted, told) = (received.clone(), Arc::clone(&messages), Arc::clone(&stop));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                if told.load(Ordering::Relaxed) {
                    break;
                }
                let (kept, counted, moods) = (kept.clone(), Arc::clone(&counted), Arc::clone(&moods));
                std::thread::spawn(move || {
                    // A broken conversation ends; the client comes again.
                    drop(converse(&stream, key, &kept, &counted, &moods));
                });
            }
        });
        Server {
            port,
            received,
            messages,
            stop,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

type Done = Result<(), Box<dyn std::error::Error>>;

fn converse(
    stream: &TcpStream,
    key: Option<&str>,
    kept: &Received,
    counted: &AtomicU64,
    moods: &Moods,
) -> Done {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(1 << 18, stream);
    if let Some(key) = key {
        shake_hands(stream, &mut reader, key)?;
    }
    loop {
        let mut first = [0_u8; 1];
        reader.read_exact(&mut first)?;
        let mood = moods(counted.fetch_add(1, Ordering::Relaxed));
        if mood == Mood::Abrupt {
            reader.read_exact(&mut [0_u8; 100])?;
            return Ok(());
        }
        let message = rmpv::decode::read_value(&mut (&first[..]).chain(&mut reader))?;
        let chunk = store(&message, kept)?;
        let mut out = stream;
        match mood {
            Mood::Good => acknowledge(out, &chunk)?,
            Mood::Slow(wait) => {
                std::thread::sleep(wait);
                acknowledge(out, &chunk)?;
            }
            Mood::Garbled => out.write_all(b"\xc1HTTP/1.1 400 Bad Request\r\n\r\n")?,
            Mood::Silent(wait) => {
                std::thread::sleep(wait);
                return Ok(());
            }
            Mood::Forgetful | Mood::Abrupt => return Ok(()),
        }
    }
}

fn store(message: &Value, kept: &Received) -> Result<String, Box<dyn std::error::Error>> {
    let list = message.as_array().ok_or("a message is an array")?;
    let mut entries = list
        .get(1)
        .and_then(Value::as_slice)
        .ok_or("entries are packed")?;
    let options = list.get(2).and_then(Value::as_map).ok_or("options are a map")?;
    let option = |name: &str| {
        options
            .iter()
            .find(|(key, _)| key.as_str() == Some(name))
            .map(|(_, value)| value)
    };
    let mut count = 0;
    while !entries.is_empty() {
        let entry = rmpv::decode::read_value(&mut entries)?;
        let entry = entry.as_array().ok_or("an entry is an array")?;
        assert!(
            matches!(entry[0], Value::Ext(0, ref time) if time.len() == 8),
            "an EventTime"
        );
        let record = entry[1].as_map().ok_or("a record is a map")?;
        let field = |name: &str| {
            record
                .iter()
                .find(|(key, _)| key.as_str() == Some(name))
                .map(|(_, value)| value)
        };
        let seq = field("seq").and_then(Value::as_u64).ok_or("seq")?;
        let hash = field("hash").and_then(Value::as_str).ok_or("hash")?;
        kept.add(seq, hash);
        count += 1;
    }
    assert_eq!(option("size").and_then(Value::as_u64), Some(count));
    Ok(option("chunk")
        .and_then(Value::as_str)
        .ok_or("a chunk's id")?
        .to_owned())
}

fn acknowledge(mut out: impl Write, chunk: &str) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let answer = Value::Map(vec![("ack".into(), chunk.into())]);
    rmpv::encode::write_value(&mut bytes, &answer).map_err(std::io::Error::other)?;
    out.write_all(&bytes)
}

/// The server's side of HELO, PING, PONG; a user is asked for, too.
fn shake_hands(mut out: &TcpStream, reader: &mut impl Read, key: &str) -> Done {
    let nonce = [0xff_u8, 0, 1, 2, 0x80, 9, 8, 7];
    let mut bytes = Vec::new();
    let options = Value::Map(vec![
        ("nonce".into(), Value::Binary(nonce.to_vec())),
        ("auth".into(), Value::Binary(b"salty".to_vec())),
        ("keepalive".into(), true.into()),
    ]);
    rmpv::encode::write_value(&mut bytes, &Value::Array(vec!["HELO".into(), options]))?;
    out.write_all(&bytes)?;
    let ping = rmpv::decode::read_value(reader)?;
    let ping = ping.as_array().ok_or("PING is an array")?;
    let text = |at: usize| {
        ping.get(at)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .as_bytes()
    };
    let expected = digest(&[text(2), text(1), &nonce, key.as_bytes()]);
    let password = digest(&[b"salty", b"agent", b"pass"]);
    let ok = text(3) == expected.as_bytes() && text(4) == b"agent" && text(5) == password.as_bytes();
    let ours = digest(&[text(2), b"server", &nonce, key.as_bytes()]);
    let reason = if ok { "" } else { "shared_key mismatch" };
    let pong = vec![
        "PONG".into(),
        ok.into(),
        reason.into(),
        "server".into(),
        ours.into(),
    ];
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &Value::Array(pong))?;
    out.write_all(&bytes)?;
    if ok { Ok(()) } else { Err("refused".into()) }
}

fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha512::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
