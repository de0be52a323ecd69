//! A sidecar under load: clients that each send one event, wait for its acknowledgement, and send the next.

use crate::{binaries, wire};
use audit_event::{Decision, Event, EventId, Request, Response};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A sidecar in a directory of its own.
pub struct Sidecar {
    /// The directory; removed at the end.
    pub home: TempDir,
    child: Child,
    flags: Vec<String>,
}

impl Sidecar {
    /// Starts one and waits until it is ready.
    pub fn start(flags: &[&str]) -> Sidecar {
        Sidecar::start_in(&std::env::temp_dir(), flags)
    }

    /// Starts one below `parent`: on the disk that is meant.
    pub fn start_in(parent: &Path, flags: &[&str]) -> Sidecar {
        let home = tempfile::tempdir_in(parent).expect("a directory can be made");
        let uid = nix::unistd::getuid();
        let pins = format!(r#"{{"identities":[{{"uid":{uid},"profile":"load","level":"L2"}}]}}"#);
        std::fs::write(home.path().join("identity.json"), pins).expect("a file can be written");
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let child = launch(home.path(), &flags);
        Sidecar { home, child, flags }
    }

    /// The ledger's directory.
    pub fn ledger(&self) -> PathBuf {
        self.home.path().join("ledger")
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.home.path().join("socket")
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it where it stands.
    pub fn kill(&mut self) {
        self.child.kill().expect("our own child can be killed");
        self.child.wait().expect("our own child can be waited for");
    }

    /// Starts it again over the same ledger; returns how long that took.
    pub fn restart(&mut self) -> Duration {
        let begun = Instant::now();
        self.child = launch(self.home.path(), &self.flags);
        begun.elapsed()
    }

    /// Lets it seal and end.
    pub fn stop(&mut self) {
        drop(self.child.stdin.take());
        crate::session::wait(&mut self.child, Duration::from_secs(30));
    }

    /// Resident memory, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn launch(home: &Path, flags: &[String]) -> Child {
    let mut child = Command::new(binaries::reeved())
        .arg("--dir")
        .arg(home.join("ledger"))
        .arg("--socket")
        .arg(home.join("socket"))
        .arg("--identity")
        .arg(home.join("identity.json"))
        .args([
            "--http",
            "127.0.0.1:0",
            "--until-stdin-closes",
            "--rate",
            "4000000000",
        ])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the sidecar starts");
    let line = crate::session::first_line(child.stdout.take().expect("stdout is piped"));
    assert!(
        line.contains("\"ready\":true"),
        "the sidecar does not get ready: {line}"
    );
    child
}

/// One client.
pub struct Client {
    stream: UnixStream,
    event: Event,
    id: u64,
    sent: u64,
}

impl Client {
    /// Connects as client number `id`; ids must differ between all clients of one ledger.
    pub fn connect(socket: &Path, id: u64) -> std::io::Result<Client> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Client {
            stream,
            event: event(),
            id,
            sent: 0,
        })
    }

    /// Sends one event and waits for its acknowledgement; returns its id.
    pub fn record(&mut self) -> std::io::Result<EventId> {
        let (high, low) = (self.id >> 16, self.id & 0xffff);
        let id = format!("{high:08x}-{low:04x}-7000-8000-{:012x}", self.sent);
        self.sent += 1;
        self.event.event_id = id.parse().map_err(std::io::Error::other)?;
        id.clone_into(&mut self.event.request_id);
        let event = serde_json::value::to_raw_value(&self.event)?;
        match wire::exchange(&mut self.stream, &Request::Record { event })? {
            Response::Recorded { event_id, .. } if event_id == self.event.event_id => Ok(event_id),
            other => Err(std::io::Error::other(format!("{other:?}"))),
        }
    }
}

/// An event as a gate sends it, of usual size.
fn event() -> Event {
    let words = ["get", "pods", "-n", "payments", "-o", "json"];
    let value = serde_json::json!({
        "ts": "2026-04-07T14:32:01.123456Z", "wrapper": "kubectl", "command": words.join(" "),
        "governance_level": "L2", "track": "", "allowlist_hit": false, "decision": "BLOCKED",
        "caller_profile": "load", "caller_agent_run_id": "run-1", "schema": 1,
        "event_id": "00000000-0000-7000-8000-000000000000",
        "request_id": "00000000-0000-7000-8000-000000000000",
        "argv": words, "argv_bytes": 25, "argv_sha256": "0".repeat(64), "operation": "get",
        "operations": [{"effect": "read", "verb": "get", "resource": "pods", "scope": {"namespace": "payments"}}],
        "hazards": [], "reason": "no_rule", "message": "", "rule": null, "policy_digest": "",
        "binary": "/usr/local/bin/kubectl", "environment_changed": [], "cwd": "/home/agent",
        "uid": nix::unistd::getuid().as_raw(), "gid": 0, "pid": 1, "ppid": 1, "parent": "bash", "host": "h"
    });
    let event: Event = serde_json::from_value(value).expect("it has every field");
    assert_eq!(event.decision, Decision::Blocked);
    event
}

/// What a load came to.
#[derive(Debug)]
pub struct Measured {
    /// Acknowledged events per second.
    pub rate: f64,
    /// From sending to acknowledgement, sorted.
    pub latencies: Vec<Duration>,
}

impl Measured {
    /// The latency below which this share (0 to 1) of all lies.
    pub fn quantile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index within the list"
        )]
        let at = (share * last as f64) as usize;
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

/// `clients` threads send for this long.
pub fn press(socket: &Path, clients: u64, first_id: u64, how_long: Duration) -> Measured {
    let stop = AtomicBool::new(false);
    let begun = Instant::now();
    let mut latencies: Vec<Duration> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..clients)
            .map(|number| {
                let stop = &stop;
                scope.spawn(move || {
                    let mut client = Client::connect(socket, first_id + number).expect("the sidecar listens");
                    let mut latencies = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let sent = Instant::now();
                        client.record().expect("it is recorded");
                        latencies.push(sent.elapsed());
                    }
                    latencies
                })
            })
            .collect();
        std::thread::sleep(how_long);
        stop.store(true, Ordering::Relaxed);
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a client ends"))
            .collect()
    });
    let rate = latencies.len() as f64 / begun.elapsed().as_secs_f64();
    latencies.sort_unstable();
    Measured { rate, latencies }
}
