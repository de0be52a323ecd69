//! What measurements of sinks are made of: a forward receiver that counts and can be held, gates that record, and what the
//! kernel knows of a process.

use super::event;
use crate::wire::{connect, receive, send};
use rmpv::Value;
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A forward server that counts and acknowledges, or that takes nothing while it is held.
pub struct Receiver {
    /// Where it listens.
    pub port: u16,
    count: Arc<AtomicU64>,
    held: Arc<AtomicBool>,
    times: Arc<Mutex<Option<(Instant, Instant)>>>,
}

impl Receiver {
    /// Listens on a free port.
    pub fn start(is_held: bool) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let receiver = Receiver {
            port: listener.local_addr().expect("it is bound").port(),
            count: Arc::default(),
            held: Arc::new(AtomicBool::new(is_held)),
            times: Arc::default(),
        };
        let (count, held, times) = (
            Arc::clone(&receiver.count),
            Arc::clone(&receiver.held),
            Arc::clone(&receiver.times),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (count, held, times) = (Arc::clone(&count), Arc::clone(&held), Arc::clone(&times));
                let serving = move || serve(&stream, &count, &held, &times);
                let thread = std::thread::Builder::new().name("receiver".to_owned());
                thread.spawn(serving).expect("a thread can be started");
            }
        });
        receiver
    }

    /// Takes nothing from now on, or goes on.
    pub fn hold(&self, yes: bool) {
        self.held.store(yes, Ordering::Relaxed);
    }

    /// Events that were acknowledged.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Events per second from the first byte to the last acknowledgement.
    pub fn rate(&self) -> f64 {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = times.expect("something came");
        self.count() as f64 / (last - first).as_secs_f64()
    }

    /// The rate of chunks of 1 MiB with 800 events each, three under way, from a client that does nothing else.
    pub fn ceiling() -> f64 {
        let receiver = Receiver::start(false);
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
}

fn serve(
    stream: &TcpStream,
    count: &AtomicU64,
    held: &AtomicBool,
    times: &Mutex<Option<(Instant, Instant)>>,
) {
    let mut reader = BufReader::with_capacity(1 << 20, stream);
    let mut first = [0_u8; 1];
    loop {
        while held.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if reader.read_exact(&mut first).is_err() {
            return;
        }
        let begun = Instant::now();
        let Ok(message) = rmpv::decode::read_value(&mut (&first[..]).chain(&mut reader)) else {
            return;
        };
        let options = message[2].as_map().expect("options");
        let (chunk, size) = (&options[0].1, &options[1].1);
        let mut out = Vec::new();
        rmpv::encode::write_value(&mut out, &Value::Map(vec![("ack".into(), chunk.clone())])).expect("a Vec");
        if (&mut &*stream).write_all(&out).is_err() {
            return;
        }
        count.fetch_add(size.as_u64().expect("a size"), Ordering::Relaxed);
        let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
        let first = times.map_or(begun, |(first, _)| first);
        *times = Some((first, Instant::now()));
    }
}

/// Gates that record one command after the other: each over a connection of its own, with its outcome.
pub struct Gates {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Decided>>>,
}

/// One decision that was recorded.
#[derive(Debug, Clone, Copy)]
pub struct Decided {
    /// When its gate had the answer.
    pub at: Instant,
    /// How long that took from the connection on.
    pub took: Duration,
}

/// Numbers of events, none used twice in this process.
static NEXT: AtomicU64 = AtomicU64::new(1 << 40);

impl Gates {
    /// So many at once, each waiting `pause` between two commands.
    pub fn start(socket: &Path, gates: usize, pause: Duration) -> Gates {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..gates).map(|_| {
            let (socket, stop) = (socket.to_owned(), Arc::clone(&stop));
            std::thread::spawn(move || work(&socket, pause, &stop))
        });
        Gates {
            threads: threads.collect(),
            stop,
        }
    }

    /// Ends them.
    pub fn stop(self) -> Vec<Decided> {
        self.stop.store(true, Ordering::Relaxed);
        let gates = self.threads.into_iter();
        gates.flat_map(|gate| gate.join().expect("no panic")).collect()
    }
}

fn work(socket: &Path, pause: Duration, stop: &AtomicBool) -> Vec<Decided> {
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        times.push(command(socket));
        std::thread::sleep(pause);
    }
    times
}

fn command(socket: &Path) -> Decided {
    let number = NEXT.fetch_add(3, Ordering::Relaxed);
    let number = number - number % 3; // an allowed one
    let uid = nix::unistd::geteuid().as_raw();
    let event = event(number)
        .replace("\"track\":\"track-c\"", "\"track\":\"\"")
        .replace("\"caller_profile\":\"sre\"", "\"caller_profile\":\"p\"")
        .replace("\"uid\":1000", &format!("\"uid\":{uid}"));
    let record = format!("{{\"v\":1,\"type\":\"record\",\"event\":{event}}}");
    let outcome = format!(
        r#"{{"v":1,"type":"outcome","outcome":{{"ts":"2026-04-07T14:32:02Z","event_id":"0192f0c1-7b3e-7a10-8b1e-{number:012x}","exit_code":0,"signal":null,"not_started":null,"duration_us":1}}}}"#
    );
    let begun = Instant::now();
    let mut stream = connect(socket);
    let mut ask = |body: &str| {
        send(&mut stream, body.as_bytes()).expect("it takes a request");
        let answer = receive(&mut stream).expect("an answer");
        assert_eq!(answer["type"], "recorded", "{answer}");
    };
    ask(&record);
    let decided = Decided {
        at: Instant::now(),
        took: begun.elapsed(),
    };
    ask(&outcome);
    decided
}

/// So many thousandths of the decisions took no longer, in microseconds.
pub fn micros(decided: &[Decided], thousandths: usize) -> f64 {
    let mut times: Vec<Duration> = decided.iter().map(|one| one.took).collect();
    times.sort();
    let at = (times.len() * thousandths / 1000).min(times.len().saturating_sub(1));
    times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

/// The middle one.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Processor time of a process's threads of this name, in seconds: what a busy machine does not distort.
pub fn processor_seconds(pid: u32, thread: &str) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok())
        .filter(|stat| stat.contains(&format!("({thread})")))
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

/// Resident memory of a process, in KiB.
pub fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .strip_suffix(" kB")?
                .trim()
                .parse()
                .ok()
        })
        .expect("the kernel says it")
}
