//! Reads the record's files: all segments in order, line by line, with bounded memory.

use audit_event::chain::Broken;
use audit_event::note::NoteError;
use audit_event::room::{self, Next};
use audit_event::verify::{Anchor, Checked, Report, Verifier};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// A record is at most a frame and its envelope.
const MAX_LINE: usize = 2 * audit_event::frame::MAX_FRAME;
/// So much is read before it is judged.
const CHUNK: usize = 2 << 20;
/// So many looks at a tail that is another each time.
const LOOKS: usize = 1000;
/// Between two looks at a tail that a sidecar may be writing.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
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
        let tail = judge(file, &mut verifier)?;
        let is_last = index.saturating_add(1) == files.len();
        match room::torn(&tail) {
            _ if tail.is_empty() => {}
            Ok([]) if is_last => {} // room
            Ok(line) if is_last && line.len() < MAX_LINE => torn = Some(line.len()),
            Ok(line) => {
                let broken = Broken::Malformed(format!("the line is torn after {} bytes", line.len()));
                verifier.record(&Err(broken));
            }
            Err(strange) => verifier.record(&Err(Broken::Malformed(strange.to_string()))),
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

/// Reads one segment in chunks and has its lines judged; returns the tail ([`room`]), or nothing when what comes before it
/// decides already.
fn judge(file: &Path, verifier: &mut Verifier) -> Result<Vec<u8>, LedgerError> {
    let io = |cause| LedgerError::Io {
        path: file.to_owned(),
        cause,
    };
    let mut source = File::open(file).map_err(io)?;
    let mut buffer = Vec::with_capacity(CHUNK.saturating_add(MAX_LINE));
    let mut offset = 0_u64;
    loop {
        let read = Read::by_ref(&mut source)
            .take(CHUNK as u64)
            .read_to_end(&mut buffer)
            .map_err(io)?;
        let (lines, tail) = room::split(&buffer);
        judge_lines(lines, verifier);
        let whole = lines.len();
        offset = offset.saturating_add(whole as u64);
        if verifier.is_over() {
            return Ok(Vec::new());
        }
        if read == 0 || tail.len() > MAX_LINE || tail.contains(&0) {
            return tail_at(&mut source, offset, verifier).map_err(io);
        }
        buffer.drain(..whole);
    }
}

/// The tail from `offset` on. A sidecar may be writing there: what is neither room nor nothing counts when it looks the same
/// twice, and lines that have become whole are judged.
fn tail_at(source: &mut File, mut offset: u64, verifier: &mut Verifier) -> std::io::Result<Vec<u8>> {
    let most = (MAX_LINE as u64).saturating_add(room::ROOM).saturating_add(1);
    let mut before: Option<Vec<u8>> = None;
    for _ in 0..LOOKS {
        let mut found = Vec::new();
        source.seek(SeekFrom::Start(offset))?;
        Read::by_ref(source).take(most).read_to_end(&mut found)?;
        let (lines, tail) = room::split(&found);
        judge_lines(lines, verifier);
        offset = offset.saturating_add(lines.len() as u64);
        if verifier.is_over() {
            return Ok(Vec::new());
        }
        if room::torn(tail) == Ok(&[]) || before.as_deref() == Some(tail) {
            return Ok(tail.to_vec());
        }
        before = Some(tail.to_vec());
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(before.unwrap_or_default())
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

/// The whole lines of one file.
pub struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    offset: u64,
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
            offset: 0,
            buffer: Vec::new(),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next line, without its LF; `None` at the end of what is there now, and there is more when more was written.
    ///
    /// # Errors
    /// When reading fails.
    pub fn next(&mut self) -> Result<Option<&[u8]>, LedgerError> {
        let found = self.read().map_err(|cause| LedgerError::Io {
            path: self.path.clone(),
            cause,
        })?;
        Ok(found.then(|| room::line(&self.buffer)).flatten())
    }

    fn read(&mut self) -> std::io::Result<bool> {
        if room::read_line(&mut self.reader, MAX_LINE as u64, &mut self.buffer)? == Next::Line {
            self.offset = self.offset.saturating_add(self.buffer.len() as u64);
            return Ok(true);
        }
        // What was read ahead may be another by the next look.
        self.reader.seek(SeekFrom::Start(self.offset))?;
        Ok(false)
    }
}
