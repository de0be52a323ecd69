//! The walk over the ledger at the start: its chain is checked, a torn last line is cut, the recent ids are remembered.

use super::io_failure;
use crate::exit::{Exit, Failure};
use crate::window::{Key, Known, Window, digest};
use audit_event::chain::{Cursor, Kind, Line};
use audit_event::{Decision, EventId};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// What the walk found.
#[derive(Debug)]
pub struct Recovered {
    /// The live segment.
    pub path: PathBuf,
    /// Its intact bytes.
    pub length: u64,
    /// Where the chain stands.
    pub cursor: Cursor,
    /// The recent ids.
    pub window: Window,
    /// What was cut off.
    pub torn: Option<Torn>,
}

/// A last line without its end: it was being written when the sidecar died, and was never acknowledged.
#[derive(Debug)]
pub struct Torn {
    /// Its length.
    pub bytes: usize,
    /// Its SHA-256, hex.
    pub sha256: String,
}

/// Walks all segments of `directory`.
///
/// # Errors
/// When a record is damaged anywhere but at the very end: the ledger is evidence then, and nothing is added to it.
pub fn recover(directory: &Path) -> Result<Recovered, Failure> {
    let segments = segments(directory)?;
    let path = segments
        .last()
        .cloned()
        .unwrap_or_else(|| directory.join("ledger-000001.ndjson"));
    let mut recovered = Recovered {
        path,
        length: 0,
        cursor: Cursor::start(),
        window: Window::default(),
        torn: None,
    };
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index.saturating_add(1) == segments.len();
        walk(segment, is_last, &mut recovered)?;
    }
    if recovered.torn.is_some() {
        let cut = OpenOptions::new().write(true).open(&recovered.path);
        cut.and_then(|file| file.set_len(recovered.length).and_then(|()| file.sync_all()))
            .map_err(|error| io_failure(&recovered.path, &error))?;
    }
    Ok(recovered)
}

/// The segments, in order.
pub fn segments(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|error| io_failure(directory, &error))? {
        let path = entry.map_err(|error| io_failure(directory, &error))?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with("ledger-") && name.ends_with(".ndjson") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn walk(segment: &Path, is_last: bool, recovered: &mut Recovered) -> Result<(), Failure> {
    let file = File::open(segment).map_err(|error| io_failure(segment, &error))?;
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut bytes = Vec::new();
    let mut number = 0_u64;
    recovered.length = 0;
    loop {
        bytes.clear();
        if reader
            .read_until(b'\n', &mut bytes)
            .map_err(|error| io_failure(segment, &error))?
            == 0
        {
            return Ok(());
        }
        number = number.saturating_add(1);
        let Some(line) = bytes.strip_suffix(b"\n") else {
            if is_last {
                let sha256 = Sha256::digest(&bytes)
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                tracing::warn!(
                    bytes = bytes.len(),
                    "a torn last line is cut off; it was never acknowledged"
                );
                recovered.torn = Some(Torn {
                    bytes: bytes.len(),
                    sha256,
                });
                return Ok(());
            }
            return Err(damaged(
                segment,
                number,
                "the line is torn, and it is not the last",
            ));
        };
        let line = Line::read(line).map_err(|broken| damaged(segment, number, &broken.to_string()))?;
        recovered
            .cursor
            .step(&line)
            .map_err(|broken| damaged(segment, number, &broken.to_string()))?;
        remember(&line, &mut recovered.window);
        recovered.length = recovered.length.saturating_add(bytes.len() as u64);
    }
}

fn damaged(segment: &Path, line: u64, what: &str) -> Failure {
    let message = format!(
        "{}:{line}: {what}; this ledger is evidence now: move its directory aside and start with an empty one",
        segment.display()
    );
    Failure::new(Exit::Damaged, message)
}

/// What of an event is needed to know it again.
#[derive(Deserialize)]
struct Recorded {
    event_id: EventId,
    decision: Option<Decision>,
    #[serde(default)]
    wrapper: String,
    #[serde(default)]
    operation: String,
}

fn remember(line: &Line, window: &mut Window) {
    if !matches!(line.kind, Kind::Event | Kind::Exit) {
        return;
    }
    let Ok(recorded) = serde_json::from_str::<Recorded>(line.data.get()) else {
        return;
    };
    let key = match line.kind {
        Kind::Event => Key::decision(&recorded.event_id),
        _ => Key::outcome(&recorded.event_id),
    };
    let known = Known {
        seq: line.seq,
        hash: line.hash,
        digest: digest(line.data.get().as_bytes()),
        decision: recorded.decision,
        is_apply: is_apply(&recorded.wrapper, &recorded.operation),
    };
    window.insert(key, known);
}

/// `kubectl apply` has a counter of its own.
pub fn is_apply(wrapper: &str, operation: &str) -> bool {
    wrapper == "kubectl" && operation == "apply"
}
