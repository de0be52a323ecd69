//! Reads the record's files: all segments in order, line by line, with bounded memory.

use audit_event::chain::Broken;
use audit_event::note::NoteError;
use audit_event::verify::{Anchor, Checked, Report, Verifier};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A record is at most a frame and its envelope.
const MAX_LINE: usize = 2 * audit_event::frame::MAX_FRAME;
/// So much is read before it is judged.
const CHUNK: usize = 2 << 20;
/// How many threads judge lines by themselves; putting them in order is one thread's work and takes less.
const JUDGES: usize = 2;

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
    /// An anchor is not one.
    #[error("{path}: {cause}")]
    Anchor {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: NoteError,
    },
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

/// Walks the whole record and compares it with `anchors` (files), and with the checkpoint that lies beside it.
///
/// # Errors
/// Only when files cannot be read; what is wrong *in* them is in the report.
pub fn verify(record: &Path, anchors: &[PathBuf]) -> Result<Report, LedgerError> {
    let files = segments(record)?;
    let own = record.join("checkpoint");
    let own = own.is_file().then_some(own);
    let anchors = anchors
        .iter()
        .chain(&own)
        .map(|path| anchor(path))
        .collect::<Result<_, _>>()?;
    let mut verifier = Verifier::new(anchors);
    let mut torn = None;
    for (index, file) in files.iter().enumerate() {
        verifier.begin_segment(&file.display().to_string());
        let rest = judge(file, &mut verifier)?;
        let is_last = index.saturating_add(1) == files.len();
        match rest {
            Some(length) if is_last && length < MAX_LINE => torn = Some(length),
            Some(length) => {
                let broken = Broken::Malformed(format!("the line is torn after {length} bytes"));
                verifier.record(&Err(broken));
            }
            None => {}
        }
        if verifier.is_over() {
            break;
        }
    }
    Ok(verifier.end(torn))
}

fn anchor(path: &Path) -> Result<Anchor, LedgerError> {
    let path = path.to_owned();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(cause) => return Err(LedgerError::Io { path, cause }),
    };
    Anchor::read(&text).map_err(|cause| LedgerError::Anchor { path, cause })
}

/// Reads one segment in chunks and has its lines judged; returns the length of a last line without its LF.
fn judge(file: &Path, verifier: &mut Verifier) -> Result<Option<usize>, LedgerError> {
    let io = |cause| LedgerError::Io {
        path: file.to_owned(),
        cause,
    };
    let mut source = File::open(file).map_err(io)?;
    let mut buffer = Vec::with_capacity(CHUNK.saturating_add(MAX_LINE));
    loop {
        let wanted = CHUNK.max(1) as u64;
        let read = Read::by_ref(&mut source)
            .take(wanted)
            .read_to_end(&mut buffer)
            .map_err(io)?;
        let whole = buffer
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at.saturating_add(1));
        let (lines, rest) = buffer.split_at(whole);
        judge_lines(lines, verifier);
        let left = rest.len();
        if read == 0 || verifier.is_over() || left > MAX_LINE {
            return Ok((left > 0 && !verifier.is_over()).then_some(left));
        }
        buffer.drain(..whole);
    }
}

fn check<'a>(lines: &[&'a [u8]]) -> Vec<Result<Checked<'a>, Broken>> {
    lines.iter().map(|line| Checked::of(line)).collect()
}

/// Each thread takes a part of the lines; then they go by in order.
fn judge_lines(bytes: &[u8], verifier: &mut Verifier) {
    let lines: Vec<&[u8]> = bytes
        .split_inclusive(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\n").unwrap_or(line))
        .collect();
    let part = lines.len().div_ceil(JUDGES).max(1);
    std::thread::scope(|scope| {
        let mut parts = lines.chunks(part);
        let first = parts.next().unwrap_or_default();
        let others: Vec<_> = parts.map(|part| scope.spawn(move || check(part))).collect();
        for checked in check(first) {
            verifier.record(&checked);
        }
        for other in others {
            match other.join() {
                Ok(checked) => checked.iter().for_each(|checked| verifier.record(checked)),
                Err(_) => verifier.record(&Err(Broken::Malformed("its judge panicked".to_owned()))),
            }
        }
    });
}

/// The lines of one file, each with its LF if it has one; a line beyond [`MAX_LINE`] comes in parts without one.
pub struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    buffer: Vec<u8>,
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
        })
    }

    /// The next line; `None` at the end of what is there now.
    ///
    /// # Errors
    /// When reading fails.
    pub fn next(&mut self) -> Result<Option<&[u8]>, LedgerError> {
        self.buffer.clear();
        let read = (&mut self.reader)
            .take(MAX_LINE as u64)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|cause| LedgerError::Io {
                path: self.path.clone(),
                cause,
            })?;
        Ok((read > 0).then_some(self.buffer.as_slice()))
    }
}
