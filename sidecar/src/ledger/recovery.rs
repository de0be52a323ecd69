//! The walk at the start: the last two segments are verified, a torn last line is cut, and what the writer must remember is
//! remembered. Older segments are sealed and not read, so a start takes as long for a large ledger as for a small one.

use super::file::{segment_name, segment_number};
use super::io_failure;
use super::orphans::Orphans;
use super::writer::OPERATOR;
use crate::exit::{Exit, Failure};
use crate::window::{Key, Known, Window, digest};
use audit_event::chain::{Cursor, Fields, Kind};
use audit_event::note::PublicKey;
use audit_event::room;
use audit_event::tree::Tree;
use audit_event::verify::{Checked, Verifier};
use audit_event::{Decision, EventId};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The most segments that are read at the start.
const WALKED: usize = 2;
/// The longest line that is read: a frame and its envelope.
pub const MAX_LINE: u64 = 2 * audit_event::frame::MAX_FRAME as u64;

/// What the walk found.
#[derive(Debug)]
pub struct Recovered {
    /// The live segment's number.
    pub segment: u64,
    /// Its path.
    pub path: PathBuf,
    /// Its intact bytes.
    pub length: u64,
    /// Where the chain stands.
    pub cursor: Cursor,
    /// The tree so far.
    pub tree: Tree,
    /// The last epoch's key; `None` for a new ledger.
    pub key: Option<PublicKey>,
    /// The recent ids.
    pub window: Window,
    /// What was allowed and has not ended.
    pub orphans: Orphans,
    /// Per spool: what was taken in, the last number and hash.
    pub spools: BTreeMap<String, (u64, String)>,
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

/// Walks the newest segments of `directory`.
///
/// # Errors
/// When a record is damaged anywhere but at the very end: the ledger is evidence then, and nothing is added to it.
pub fn recover(directory: &Path) -> Result<Recovered, Failure> {
    let mut segments = segments(directory)?;
    let begun = take_empty_last(&mut segments)?;
    let (mut segment, mut path) = segments
        .last()
        .cloned()
        .unwrap_or_else(|| (1, directory.join(segment_name(1))));
    let mut walk = Walk {
        verifier: Verifier::new(Vec::new()),
        window: Window::default(),
        orphans: Orphans::default(),
        spools: BTreeMap::new(),
        length: 0,
        has_tail: false,
        torn: None,
    };
    for (_, file) in segments.iter().skip(segments.len().saturating_sub(WALKED)) {
        walk.segment(file, *file == path)?;
    }
    if walk.has_tail {
        let cut = OpenOptions::new().write(true).open(&path);
        cut.and_then(|file| file.set_len(walk.length).and_then(|()| file.sync_all()))
            .map_err(|error| io_failure(&path, &error))?;
    }
    if let Some((number, file)) = begun {
        if walk.verifier.cursor().is_sealed() {
            (segment, path, walk.length) = (number, file, 0);
        } else {
            // It was made, but the one before it was not sealed any more: that one goes on.
            std::fs::remove_file(&file).map_err(|error| io_failure(&file, &error))?;
        }
    }
    Ok(Recovered {
        segment,
        path,
        length: walk.length,
        cursor: walk.verifier.cursor().clone(),
        tree: walk.verifier.tree().clone(),
        key: walk.verifier.key().cloned(),
        window: walk.window,
        orphans: walk.orphans,
        spools: walk.spools,
        torn: walk.torn,
    })
}

/// The segments by number.
pub fn segments(directory: &Path) -> Result<Vec<(u64, PathBuf)>, Failure> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|error| io_failure(directory, &error))? {
        let path = entry.map_err(|error| io_failure(directory, &error))?.path();
        if let Some(number) = segment_number(&path) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Takes a last segment without a byte out of the list: its first record was never written.
fn take_empty_last(segments: &mut Vec<(u64, PathBuf)>) -> Result<Option<(u64, PathBuf)>, Failure> {
    let Some((_, path)) = segments.last().filter(|_| segments.len() > 1) else {
        return Ok(None);
    };
    let metadata = path.metadata().map_err(|error| io_failure(path, &error))?;
    Ok(if metadata.len() == 0 { segments.pop() } else { None })
}

struct Walk {
    verifier: Verifier,
    window: Window,
    orphans: Orphans,
    spools: BTreeMap<String, (u64, String)>,
    length: u64,
    /// Something follows the records of the last segment: room, or a torn line.
    has_tail: bool,
    torn: Option<Torn>,
}

impl Walk {
    fn segment(&mut self, segment: &Path, is_last: bool) -> Result<(), Failure> {
        let file = File::open(segment).map_err(|error| io_failure(segment, &error))?;
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let mut bytes = Vec::new();
        self.verifier.begin_segment(&segment.display().to_string());
        self.length = 0;
        loop {
            bytes.clear();
            let read = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut bytes);
            if read.map_err(|error| io_failure(segment, &error))? == 0 {
                break;
            }
            let Some(line) = room::line(&bytes) else {
                let most = MAX_LINE.saturating_add(room::ROOM).saturating_add(1);
                let read = (&mut reader).take(most).read_to_end(&mut bytes);
                read.map_err(|error| io_failure(segment, &error))?;
                self.tail(segment, &bytes, is_last)?;
                break;
            };
            let checked = Checked::of(line);
            self.verifier.record(&checked);
            if self.verifier.is_over() {
                break;
            }
            if let Ok(checked) = &checked {
                self.remember(checked.fields());
            }
            self.length = self.length.saturating_add(bytes.len() as u64);
        }
        match self.verifier.settle() {
            Some(fault) => Err(damaged(segment, fault.line, &fault.what)),
            None => Ok(()),
        }
    }

    fn tail(&mut self, segment: &Path, tail: &[u8], is_last: bool) -> Result<(), Failure> {
        let torn = room::torn(tail)
            .ok()
            .filter(|torn| is_last && (torn.len() as u64) < MAX_LINE);
        let Some(torn) = torn else {
            return Err(damaged(
                segment,
                0,
                "a line without its end stands where none can",
            ));
        };
        self.has_tail = true;
        if !torn.is_empty() {
            let bytes = torn.len();
            tracing::warn!(bytes, "a torn last line is cut off; it was never acknowledged");
            let sha256 = base16ct::lower::encode_string(&Sha256::digest(torn));
            self.torn = Some(Torn { bytes, sha256 });
        }
        Ok(())
    }

    fn remember(&mut self, line: &Fields<'_>) {
        match line.kind {
            Kind::Event | Kind::Exit => self.remember_event(line),
            Kind::Spool => {
                if let Ok(taken) = serde_json::from_str::<Taken>(line.data) {
                    self.spools.insert(taken.spool, (taken.last, taken.head));
                }
            }
            _ => {}
        }
    }

    fn remember_event(&mut self, line: &Fields<'_>) {
        let Ok(recorded) = serde_json::from_str::<Recorded>(line.data) else {
            return;
        };
        let key = match line.kind {
            Kind::Event => Key::decision(&recorded.event_id),
            _ => Key::outcome(&recorded.event_id),
        };
        if line.kind == Kind::Exit {
            self.orphans.ended(&recorded.event_id);
        } else if recorded.decision == Some(Decision::Allowed) && recorded.wrapper != OPERATOR {
            let pid = line.peer.map_or(0, |peer| peer.pid);
            self.orphans.allowed(&recorded.event_id, pid);
        }
        if recorded.incomplete.is_some() {
            return; // the true outcome may still come
        }
        let known = Known {
            seq: line.seq,
            hash: line.hash,
            digest: digest(line.data.as_bytes()),
            decision: recorded.decision,
            is_apply: is_apply(&recorded.wrapper, &recorded.operation),
        };
        self.window.insert(key, known);
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
    #[serde(default)]
    incomplete: Option<serde::de::IgnoredAny>,
}

/// What a SPOOL record says.
#[derive(Deserialize)]
struct Taken {
    spool: String,
    last: u64,
    head: String,
}

/// `kubectl apply` has a counter of its own.
pub fn is_apply(wrapper: &str, operation: &str) -> bool {
    wrapper == "kubectl" && operation == "apply"
}
