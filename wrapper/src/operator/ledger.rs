//! Reads the record's files: all segments in order, line by line, with bounded memory.

use audit_event::chain::{Broken, Cursor, Kind, Line};
use audit_event::{Decision, Event};
use serde::Serialize;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A record is at most a frame and its envelope.
const MAX_LINE: u64 = 2 * audit_event::frame::MAX_FRAME as u64;

/// Why files are not read.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// Nothing there.
    #[error("{0} has no ledger-*.ndjson")]
    Empty(PathBuf),
    /// The system says no.
    #[error("{path}: {cause}")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
}

/// What a walk over a whole record found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Findings {
    /// `sealed`, `unsealed` or `tampered`.
    pub verify: &'static str,
    /// What is wrong, and where; absent when sealed.
    pub fault: Option<Fault>,
    /// Records that were read and are intact.
    pub records: u64,
    /// Decisions among them.
    pub events: u64,
    /// `ALLOWED`
    pub allowed: u64,
    /// `BLOCKED`
    pub blocked: u64,
    /// `ESCALATED`
    pub escalated: u64,
    /// The chain's head, hex.
    pub head: String,
}

/// Where a record is not intact.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    /// Which file.
    pub file: PathBuf,
    /// Which line, from 1.
    pub line: u64,
    /// What.
    pub what: String,
}

/// The segments of a record, in order.
///
/// # Errors
/// When there is none, or the directory cannot be read.
pub fn segments(record: &Path) -> Result<Vec<PathBuf>, LedgerError> {
    let io = |cause| LedgerError::Io {
        path: record.to_owned(),
        cause,
    };
    if std::fs::metadata(record).map_err(io)?.is_file() {
        return Ok(vec![record.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(record).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with("ledger-") && name.ends_with(".ndjson") {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() {
        Err(LedgerError::Empty(record.to_owned()))
    } else {
        Ok(found)
    }
}

/// Walks the whole chain.
///
/// # Errors
/// Only when files cannot be read; what is wrong *in* them is in the findings.
pub fn verify(record: &Path) -> Result<Findings, LedgerError> {
    let mut findings = Findings::default();
    let mut cursor = Cursor::start();
    let files = segments(record)?;
    for (index, file) in files.iter().enumerate() {
        let is_last = index.saturating_add(1) == files.len();
        let mut lines = Lines::open(file)?;
        while let Some(bytes) = lines.next()? {
            match step(&mut cursor, &mut findings, bytes) {
                Ok(()) => {}
                Err(Wrong::Torn(length)) if is_last => {
                    let what =
                        format!("the last line is torn after {length} bytes; it was never acknowledged");
                    findings.fault = Some(lines.fault(what));
                    return Ok(findings.conclude("unsealed", &cursor));
                }
                Err(wrong) => {
                    findings.fault = Some(lines.fault(wrong.to_string()));
                    return Ok(findings.conclude("tampered", &cursor));
                }
            }
        }
        if is_last && !cursor.is_sealed() {
            let what =
                "the record does not end with a SEAL: it is still being written, or its end was cut off";
            findings.fault = Some(lines.fault(what.to_owned()));
            return Ok(findings.conclude("unsealed", &cursor));
        }
    }
    Ok(findings.conclude("sealed", &cursor))
}

#[derive(Debug, Error)]
enum Wrong {
    #[error("the line is torn after {0} bytes")]
    Torn(usize),
    #[error("{0}")]
    Broken(#[from] Broken),
    #[error("the event cannot be read: {0}")]
    Event(#[from] serde_json::Error),
}

fn step(cursor: &mut Cursor, findings: &mut Findings, bytes: &[u8]) -> Result<(), Wrong> {
    let line = bytes.strip_suffix(b"\n").ok_or(Wrong::Torn(bytes.len()))?;
    let line = Line::read(line)?;
    cursor.step(&line)?;
    findings.records = findings.records.saturating_add(1);
    if line.kind == Kind::Event {
        let event: Event = serde_json::from_str(line.data.get())?;
        let counter = match event.decision {
            Decision::Allowed => &mut findings.allowed,
            Decision::Blocked => &mut findings.blocked,
            Decision::Escalated => &mut findings.escalated,
        };
        *counter = counter.saturating_add(1);
        findings.events = findings.events.saturating_add(1);
    }
    Ok(())
}

impl Findings {
    fn conclude(mut self, verify: &'static str, cursor: &Cursor) -> Findings {
        self.verify = verify;
        self.head = cursor.head.to_string();
        self
    }
}

/// The lines of one file, each with its LF if it has one; a line beyond [`MAX_LINE`] comes in parts without one.
pub struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    buffer: Vec<u8>,
    number: u64,
}

impl Lines {
    /// Opens a file at its beginning.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Lines, LedgerError> {
        let file = File::open(path).map_err(|cause| LedgerError::Io {
            path: path.to_owned(),
            cause,
        })?;
        Ok(Lines {
            path: path.to_owned(),
            reader: BufReader::with_capacity(1 << 18, file),
            buffer: Vec::new(),
            number: 0,
        })
    }

    /// The next line; `None` at the end of what is there now.
    ///
    /// # Errors
    /// When reading fails.
    pub fn next(&mut self) -> Result<Option<&[u8]>, LedgerError> {
        self.buffer.clear();
        let read = (&mut self.reader)
            .take(MAX_LINE)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|cause| LedgerError::Io {
                path: self.path.clone(),
                cause,
            })?;
        self.number = self.number.saturating_add(1);
        Ok((read > 0).then_some(self.buffer.as_slice()))
    }

    fn fault(&self, what: String) -> Fault {
        Fault {
            file: self.path.clone(),
            line: self.number,
            what,
        }
    }
}
