//! Measures the forward sink and what sinks cost the gate, on this machine, in one run:
//!
//! ```text
//! cargo build --release -p reeved && REEVE_BIN_DIR=target/release cargo run --release -p acceptance --bin sink_bench [EVENTS]
//! ```
//!
//! 1. the receiver's own ceiling: chunks of the sink's kind from a client that does nothing else;
//! 2. the sink: events per second from the first byte to the last acknowledgement, out of a ledger on disk;
//! 3. recording: events per second, latency and resident memory, alone, with a sink that drains a backlog, and with two
//!    sinks whose receivers are dead.

use acceptance::sinks::{Sidecar, event};
use rmpv::Value;
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Connections that record at once.
const GATES: u64 = 4;
/// What each records.
const EACH: u64 = 2000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let events = words
        .first()
        .and_then(|word| word.parse().ok())
        .unwrap_or(200_000);
    let receiver = Receiver::start();
    println!("receiver's ceiling: {:.0} events/s", ceiling(&receiver));
    let sink = format!("  f:\n    to: forward+tcp://127.0.0.1:{}\n", receiver.port);
    println!(
        "forward sink: {:.0} events/s acknowledged, of {events}",
        forward(&receiver, &sink, events)
    );
    let dead = "  d1:\n    to: forward+tcp://127.0.0.1:1\n  d2:\n    to: loki+http://127.0.0.1:1\n";
    for round in 1..=2 {
        println!("round {round}");
        record("recording alone", "", 10);
        record("recording, a sink drains a backlog", &sink, events);
        record("recording, two dead sinks", dead, 10);
    }
}

/// A forward server that counts and acknowledges.
struct Receiver {
    port: u16,
    count: Arc<AtomicU64>,
    times: Arc<Mutex<Option<(Instant, Instant)>>>,
}

impl Receiver {
    fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let receiver = Receiver {
            port: listener.local_addr().expect("it is bound").port(),
            count: Arc::default(),
            times: Arc::default(),
        };
        let (count, times) = (Arc::clone(&receiver.count), Arc::clone(&receiver.times));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (count, times) = (Arc::clone(&count), Arc::clone(&times));
                std::thread::spawn(move || serve(&stream, &count, &times));
            }
        });
        receiver
    }

    fn forget(&self) {
        self.count.store(0, Ordering::Relaxed);
        *self.times.lock().expect("no panic") = None;
    }

    fn rate(&self) -> f64 {
        let times = self.times.lock().expect("no panic");
        let (first, last) = times.expect("something came");
        self.count.load(Ordering::Relaxed) as f64 / (last - first).as_secs_f64()
    }
}

fn serve(stream: &TcpStream, count: &AtomicU64, times: &Mutex<Option<(Instant, Instant)>>) {
    let mut reader = BufReader::with_capacity(1 << 20, stream);
    let mut first = [0_u8; 1];
    while reader.read_exact(&mut first).is_ok() {
        let begun = Instant::now();
        let Ok(message) = rmpv::decode::read_value(&mut (&first[..]).chain(&mut reader)) else {
            return;
        };
        let options = message[2].as_map().expect("options");
        let (chunk, size) = (&options[0].1, &options[1].1);
        let mut out = Vec::new();
        rmpv::encode::write_value(&mut out, &Value::Map(vec![("ack".into(), chunk.clone())])).expect("a Vec");
        count.fetch_add(size.as_u64().expect("a size"), Ordering::Relaxed);
        if (&mut &*stream).write_all(&out).is_err() {
            return;
        }
        let mut times = times.lock().expect("no panic");
        let first = times.map_or(begun, |(first, _)| first);
        *times = Some((first, Instant::now()));
    }
}

/// Chunks of 1 MiB with 800 events each, three under way.
fn ceiling(receiver: &Receiver) -> f64 {
    receiver.forget();
    let mut bytes = Vec::new();
    let options = Value::Map(vec![("chunk".into(), "x".into()), ("size".into(), 800.into())]);
    let message = Value::Array(vec!["t".into(), Value::Binary(vec![1; 1 << 20]), options]);
    rmpv::encode::write_value(&mut bytes, &message).expect("a Vec");
    let mut stream = TcpStream::connect(("127.0.0.1", receiver.port)).expect("it listens");
    let mut ack = [0_u8; 7];
    for round in 0..400 {
        stream.write_all(&bytes).expect("it takes all");
        if round >= 2 {
            stream.read_exact(&mut ack).expect("an acknowledgement");
        }
    }
    receiver.rate()
}

fn forward(receiver: &Receiver, sink: &str, events: u64) -> f64 {
    receiver.forget();
    let mut sidecar = Sidecar::new(events, sink);
    sidecar.start();
    while receiver.count.load(Ordering::Relaxed) < events {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (rate, cpu) = (receiver.rate(), sinks_cpu(sidecar.pid()));
    println!(
        "the sinks' thread used {cpu:.2} s of processor time: {:.0} events per second of it",
        events as f64 / cpu
    );
    rate
}

/// Processor time of the thread `sinks`, in seconds: what a busy machine does not distort.
fn sinks_cpu(pid: u32) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok())
        .filter(|stat| stat.contains("(sinks)"))
        .map(|stat| {
            let (_, rest) = stat.rsplit_once(')').expect("a name");
            // utime and stime, in hundredths.
            let ticks = rest.split_whitespace().skip(11).take(2);
            ticks
                .map(|ticks| ticks.parse::<f64>().expect("a number"))
                .sum::<f64>()
                / 100.0
        })
        .sum()
}

fn record(what: &str, sinks: &str, backlog: u64) {
    let mut sidecar = Sidecar::new(
        backlog,
        if sinks.is_empty() {
            "  none: {to: 'stdout:', only: {kind: [none]}}\n"
        } else {
            sinks
        },
    );
    sidecar.pace = 1;
    sidecar.start();
    let begun = Instant::now();
    let gates: Vec<_> = (0..GATES)
        .map(|gate| {
            let socket = sidecar.socket();
            std::thread::spawn(move || {
                let stream = UnixStream::connect(socket).expect("it listens");
                (0..EACH)
                    .map(|at| once(&stream, (1 << 40) + gate * EACH + at))
                    .collect::<Vec<Duration>>()
            })
        })
        .collect();
    let mut times: Vec<Duration> = gates
        .into_iter()
        .flat_map(|gate| gate.join().expect("no panic"))
        .collect();
    let rate = (GATES * EACH) as f64 / begun.elapsed().as_secs_f64();
    times.sort();
    let at = |part: usize| times[(times.len() * part / 1000).min(times.len() - 1)];
    let status = std::fs::read_to_string(format!("/proc/{}/status", sidecar.pid())).expect("it runs");
    let rss = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap_or_default()
        .to_owned();
    println!(
        "{what}: {rate:.0} events/s, p50 {:?}, p99 {:?}, {rss}",
        at(500),
        at(990)
    );
}

fn once(mut stream: &UnixStream, seq: u64) -> Duration {
    let uid = nix::unistd::geteuid().as_raw();
    let event = event(seq)
        .replace("\"track\":\"track-c\"", "\"track\":\"\"")
        .replace("\"caller_profile\":\"sre\"", "\"caller_profile\":\"p\"")
        .replace("\"uid\":1000", &format!("\"uid\":{uid}"));
    let body = format!("{{\"v\":1,\"type\":\"record\",\"event\":{event}}}");
    let begun = Instant::now();
    stream
        .write_all(&u32::try_from(body.len()).expect("small").to_be_bytes())
        .expect("a socket");
    stream.write_all(body.as_bytes()).expect("a socket");
    let mut length = [0_u8; 4];
    stream.read_exact(&mut length).expect("an answer");
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).expect("an answer");
    assert!(
        answer.windows(10).any(|part| part == b"\"recorded\""),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    begun.elapsed()
}
