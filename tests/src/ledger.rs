//! A ledger from outside: read with the operator's binary, as text, and begun upon by another sidecar.

use crate::binaries;
use crate::load::Sidecar;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// `reeve WORDS RECORD`.
pub fn reeve(words: &[&str], record: &Path) -> Output {
    let mut command = Command::new(binaries::reeve());
    command.args(words).arg(record).output().expect("reeve starts")
}

/// All that a program printed.
pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Asserts that the verifier finds a ledger whole and sealed.
pub fn assert_whole(record: &Path) {
    let verified = reeve(&["audit", "verify"], record);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
}

/// What the verifier says of a ledger that is sealed.
///
/// # Panics
/// When it is not.
pub fn sealed(record: &Path) -> Value {
    let output = reeve(&["audit", "verify", "--json"], record);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["verify"], "sealed", "{report}");
    report
}

/// The first segment's file.
pub fn first_segment(record: &Path) -> std::path::PathBuf {
    record.join("ledger-000001.ndjson")
}

/// The records of a segment as text, without the room behind them.
pub fn records_of(segment: &Path) -> String {
    let found = std::fs::read(segment).expect("the segment");
    let (records, _) = audit_event::room::split(&found);
    String::from_utf8(records.to_vec()).expect("records are text")
}

/// The event ids in the ledger, in order.
pub fn stored(record: &Path) -> Vec<String> {
    let output = reeve(&["audit", "export"], record);
    assert!(output.status.success(), "{}", text(&output));
    of_kind(&output.stdout, "event")
        .map(|line| line["event_id"].as_str().expect("text").to_owned())
        .collect()
}

/// The records of this kind, as exported, when there are enough of them or time is up.
pub fn exported(sidecar: &Sidecar, kind: &str, enough: usize) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let output = reeve(&["audit", "export"], &sidecar.ledger());
        let found: Vec<Value> = of_kind(&output.stdout, kind).collect();
        if found.len() >= enough || begun.elapsed() > Duration::from_secs(20) {
            return found;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// One after the other: all of them together would be gigabytes after a thousand rounds.
fn of_kind(lines: &[u8], kind: &str) -> impl Iterator<Item = Value> {
    lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice::<Value>(line).expect("each line is JSON"))
        .filter(move |line| line["kind"] == kind)
}

/// Another `reeved` over a sidecar's ledger, with a socket of this name beside it and these flags; run to its end, which
/// comes at once where it starts at all and `--until-stdin-closes` is among them.
pub fn another(sidecar: &Sidecar, socket: &str, flags: &[&str]) -> Output {
    let home = sidecar.home.path();
    Command::new(binaries::reeved())
        .arg("--dir")
        .arg(sidecar.ledger())
        .arg("--socket")
        .arg(home.join(socket))
        .arg("--identity")
        .arg(home.join("identity.json"))
        .args(["--http", "127.0.0.1:0"])
        .args(flags)
        .stdin(Stdio::null())
        .output()
        .expect("reeved starts")
}
