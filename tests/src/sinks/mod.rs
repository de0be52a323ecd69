//! A sidecar with sinks over a ledger of any size, and honest receivers that misbehave on purpose.

pub mod certificates;
pub mod fluent;
pub mod forward;
pub mod measure;
pub mod programs;
pub mod receivers;
pub mod syslog;

use crate::binaries;
use audit_event::chain::{Draft, Hash, Kind, Line, Peer, write_line};
use audit_event::note::SecretKey;
use audit_event::records::{self, Open, Place, Signed};
use audit_event::tree::{self, Tree};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How many events a round sends: `REEVE_SINK_EVENTS`, or few.
pub fn events() -> u64 {
    let asked = std::env::var("REEVE_SINK_EVENTS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(3000)
}

/// No wait is longer.
pub fn patience() -> Duration {
    Duration::from_secs(60 + events() / 200)
}

/// What a receiver has: each record's hash by number, and how often records came again.
#[derive(Debug, Default, Clone)]
pub struct Received(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    records: BTreeMap<u64, String>,
    repeats: u64,
}

impl Received {
    /// One more.
    pub fn add(&self, seq: u64, hash: &str) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.records.insert(seq, hash.to_owned()).is_some() {
            inner.repeats += 1;
        }
    }

    /// One more, from a native record.
    pub fn add_json(&self, record: &serde_json::Value) {
        self.add(
            record["seq"].as_u64().expect("a record has seq"),
            record["hash"].as_str().expect("a record has hash"),
        );
    }

    /// All.
    pub fn records(&self) -> BTreeMap<u64, String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .records
            .clone()
    }

    /// Whether this one is there.
    pub fn has(&self, seq: u64) -> bool {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.records.contains_key(&seq)
    }

    /// How many came more than once.
    pub fn repeats(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).repeats
    }
}

/// `reeved` in a scratch directory.
pub struct Sidecar {
    directory: TempDir,
    child: Option<Child>,
    http: String,
    /// Waits are so many times shorter.
    pub pace: u32,
}

impl Sidecar {
    /// A ledger with so many events, and a section `sinks`; not started.
    pub fn new(events: u64, sinks: &str) -> Sidecar {
        let directory = tempfile::tempdir().expect("a scratch directory can be made");
        let sidecar = Sidecar {
            directory,
            child: None,
            http: String::new(),
            pace: 100,
        };
        std::fs::create_dir(sidecar.ledger()).expect("a directory can be made");
        fill(&sidecar.ledger(), events);
        sidecar.configure(sinks);
        let uid = nix::unistd::geteuid().as_raw();
        let identity = format!(r#"{{"identities":[{{"uid":{uid},"profile":"p","level":"L2"}}]}}"#);
        std::fs::write(sidecar.at("identity.json"), identity).expect("a file can be written");
        sidecar
    }

    /// Replaces the section `sinks`.
    pub fn configure(&self, sinks: &str) {
        std::fs::write(self.at("reeved.yaml"), format!("sinks:\n{sinks}")).expect("a file can be written");
    }

    /// A path inside.
    pub fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The ledger's directory.
    pub fn ledger(&self) -> PathBuf {
        self.at("ledger")
    }

    /// The socket that gates connect to.
    pub fn socket(&self) -> PathBuf {
        self.at("s")
    }

    /// `host:port` of metrics and probes.
    pub fn http(&self) -> &str {
        &self.http
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// The command that starts it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(binaries::reeved());
        command
            .arg("--dir")
            .arg(self.ledger())
            .arg("--socket")
            .arg(self.socket())
            .arg("--identity")
            .arg(self.at("identity.json"))
            .arg("--config")
            .arg(self.at("reeved.yaml"))
            .args(["--http", "127.0.0.1:0"])
            .env("REEVED_SINK_PACE", self.pace.to_string())
            // Measurements ask for more than one user may.
            .env("REEVED_RATE", "1000000")
            .stdin(Stdio::null());
        command
    }

    /// Starts it, and waits until it is ready.
    pub fn start(&mut self) {
        let log = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.at("log"))
            .expect("a file can be opened");
        self.start_with(log.into());
    }

    /// Starts it with this standard error, and waits until it is ready.
    pub fn start_with(&mut self, stderr: Stdio) {
        let mut child = self
            .command()
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("reeved starts");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("stdout is piped"));
        out.read_line(&mut line).expect("a pipe can be read");
        let ready: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line} {}", self.log()));
        self.http = ready["http"].as_str().expect("it says its address").to_owned();
        // What a sink writes to standard output is kept.
        let file = self.at("stdout");
        std::thread::spawn(move || {
            let mut file = std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(file)
                .expect("a file can be opened");
            std::io::copy(&mut out, &mut file).ok()
        });
        self.child = Some(child);
    }

    /// Ends it in order; `None` when it did not run.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.signal(nix::sys::signal::Signal::SIGTERM)
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.signal(nix::sys::signal::Signal::SIGKILL);
    }

    fn signal(&mut self, signal: nix::sys::signal::Signal) -> Option<ExitStatus> {
        let mut child = self.child.take()?;
        Some(crate::session::end(&mut child, signal))
    }

    /// What it said on standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.at("log")).unwrap_or_default()
    }

    /// The exposition.
    pub fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(&self.http).expect("the http address answers");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a socket can be set");
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .expect("a request can be sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer can be read");
        text
    }

    /// One sample; −1 when it is not there.
    pub fn metric(&self, series: &str) -> f64 {
        let text = self.metrics();
        text.lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
            .unwrap_or(-1.0)
    }

    /// Waits until the sink's cursor stands at the ledger's head.
    pub fn wait_for(&self, sink: &str) {
        let begun = Instant::now();
        let path = self.ledger().join("cursors").join(sink);
        loop {
            let head = self.metric("reeve_ledger_head_seq");
            let at = std::fs::read_to_string(&path).unwrap_or_default();
            if at.trim_end().parse::<f64>().is_ok_and(|at| at >= head) {
                return;
            }
            assert!(
                begun.elapsed() < patience(),
                "{sink} stands at {at} of {head}\n{}",
                self.log().lines().rev().take(15).collect::<Vec<_>>().join("\n")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Every record of the ledger up to its present head, of all segments: hash by number.
    pub fn records(&self) -> BTreeMap<u64, String> {
        let mut segments: Vec<PathBuf> = std::fs::read_dir(self.ledger())
            .expect("the ledger is there")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| {
                let name = path.file_name().and_then(|name| name.to_str());
                name.is_some_and(|name| name.starts_with("ledger-"))
            })
            .collect();
        segments.sort();
        segments
            .iter()
            .flat_map(|path| {
                let file = std::fs::File::open(path).expect("a segment can be opened");
                let lines = BufReader::new(file).split(b'\n');
                lines
                    .map(|line| line.expect("the ledger can be read"))
                    .take_while(|line| !line.contains(&0)) // room for more
            })
            .map(|line| {
                let line = Line::read(&line).expect("a record is whole");
                (line.seq, line.hash.to_string())
            })
            .collect()
    }

    /// `reeve WORDS --dir LEDGER`: exit status and everything that it said.
    pub fn reeve(&self, words: &[&str]) -> (i32, String) {
        let mut command = Command::new(binaries::reeve());
        command
            .args(words)
            .arg("--dir")
            .arg(self.ledger())
            .stdin(Stdio::null());
        let output = crate::session::finish(&mut command, &[]);
        (output.code(), output.out() + &output.err())
    }

    /// Asserts that a receiver has each record, unaltered, and nothing else.
    pub fn assert_received(&self, received: &Received) {
        self.assert_received_by(|| received.clone());
    }

    /// The same of one that must be asked each time what it has.
    pub fn assert_received_by(&self, read: impl Fn() -> Received) {
        // A checkpoint may be added at any moment; it is on its way then. Theirs first: what they have, the ledger has.
        let begun = Instant::now();
        let (ours, theirs, missing) = loop {
            let theirs = read().records();
            let ours = self.records();
            let missing: Vec<u64> = ours
                .keys()
                .filter(|seq| !theirs.contains_key(seq))
                .copied()
                .collect();
            if missing.is_empty() || begun.elapsed() > Duration::from_secs(20) {
                break (ours, theirs, missing);
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        assert!(
            missing.is_empty(),
            "{} missing, the first: {:?}",
            missing.len(),
            &missing[..missing.len().min(5)]
        );
        let altered: Vec<(&u64, &String)> = theirs
            .iter()
            .filter(|(seq, hash)| ours.get(*seq) != Some(*hash))
            .collect();
        assert!(
            altered.is_empty(),
            "{} are not ours, the first: {:?}; the ledger's last is {:?}",
            altered.len(),
            altered.first(),
            ours.last_key_value()
        );
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The test has failed or is over; only our own child is ended.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// The key of the ledgers that tests write.
const SEED: [u8; 32] = [7; 32];
/// The ledger's id.
const WRITER: &str = "01234567-89ab-7cde-8f01-23456789abcd";

/// Writes a ledger with an OPEN and so many events, signed as the sidecar signs them.
pub fn fill(directory: &Path, events: u64) {
    std::fs::write(directory.join("writer"), WRITER).expect("a file can be written");
    std::fs::write(directory.join("key"), SEED).expect("a file can be written");
    let file = std::fs::File::create(directory.join("ledger-000001.ndjson")).expect("a file can be made");
    let mut file = std::io::BufWriter::new(file);
    let key = SecretKey::from_seed(&SEED);
    let mut tree = Tree::default();
    let mut head = Hash::ZERO;
    let mut line = Vec::new();
    for seq in 0..=events {
        let place = Place {
            writer: WRITER,
            tree: &tree,
            head,
            epoch: 1,
        };
        let (kind, data) = match seq {
            0 => {
                let open = Open::new(&place, 1, "0", 1, &key.public(), &key);
                (Kind::Open, serde_json::to_string(&open).expect("it becomes JSON"))
            }
            seq if seq % 10_000 == 0 => {
                let note = records::note(Kind::Checkpoint, &place, &[], &key);
                let signed = serde_json::to_string(&Signed { note }).expect("it becomes JSON");
                (Kind::Checkpoint, signed)
            }
            seq => (Kind::Event, event(seq)),
        };
        let draft = Draft {
            writer: WRITER,
            epoch: 1,
            seq,
            wall: "2026-04-07T14:32:01.000000Z",
            monotonic_ns: seq,
            kind,
            peer: (kind == Kind::Event).then_some(Peer {
                uid: 0,
                gid: 0,
                pid: 1,
            }),
            data: &data,
        };
        line.clear();
        head = write_line(&mut line, head, &draft);
        file.write_all(&line).expect("a file can be written");
        line.pop();
        tree.push(tree::leaf(&line));
    }
    file.flush().expect("a file can be written");
}

/// An event such as the gate sends, with the usual length.
pub fn event(seq: u64) -> String {
    let decision = ["ALLOWED", "BLOCKED", "ESCALATED"][usize::try_from(seq % 3).expect("below three")];
    let (effect, verb) = if decision == "ALLOWED" {
        ("read", "get")
    } else {
        ("delete", "delete")
    };
    format!(
        r#"{{"ts":"2026-04-07T14:32:{:02}.{:06}Z","wrapper":"kubectl","command":"kubectl {verb} pods web-{seq} -n prod -o json","governance_level":"L2","track":"track-c","allowlist_hit":false,"decision":"{decision}","caller_profile":"sre","caller_agent_run_id":"run-{}","schema":1,"event_id":"0192f0c1-7b3e-7a10-8b1e-{seq:012x}","request_id":"0192f0c1-7b3e-7a10-8b1e-{seq:012x}","argv":["{verb}","pods","web-{seq}","-n","prod","-o","json"],"argv_bytes":34,"argv_sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","operation":"{verb}","operations":[{{"effect":"{effect}","verb":"{verb}","resource":"pods","name":"web-{seq}","scope":"prod"}}],"hazards":[],"reason":"no_rule","message":"no rule of L2 allows `kubectl {verb} pods`","rule":null,"policy_digest":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","binary":"/usr/bin/kubectl","environment_changed":[],"cwd":"/home/agent","uid":1000,"gid":1000,"pid":4242,"ppid":4241,"parent":"bash","host":"node-1"}}"#,
        seq / 1_000_000 % 60,
        seq % 1_000_000,
        seq % 7
    )
}
