//! `events.ndjson`: the events and outcomes of the ledger, flat, one line each, for a log shipper to tail.
//!
//! Each line is the JSON as received with `kind`, `seq` and `hash` put in front. The file is derived: it is not synced,
//! and at the start it is cut to its last whole line and completed from the ledger, so each record is in it exactly once.

use crate::exit::Failure;
use crate::ledger::io_failure;
use crate::ledger::reader::Reader;
use audit_event::chain::{Hash, Kind};
use serde::Deserialize;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A line is at most a frame and a little.
const MAX_LINE: u64 = 2 * audit_event::frame::MAX_FRAME as u64;
/// While completing from the ledger, so much is collected before it is written.
const CHUNK: usize = 1 << 20;
/// So much may wait for a disk that takes nothing.
const MAX_PENDING: usize = 16 << 20;

/// The file.
#[derive(Debug)]
pub struct EventsFile {
    file: File,
    pending: Vec<u8>,
    /// Too much could not be written: nothing more is, because a hole must not be hidden by later lines.
    behind: bool,
}

#[derive(Deserialize)]
struct Place {
    seq: u64,
}

impl EventsFile {
    /// Opens it, cuts a torn end, and writes what the ledger has beyond it.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn catch_up(directory: &Path, durable: u64) -> Result<EventsFile, Failure> {
        let path = directory.join("events.ndjson");
        let failed = |error: io::Error| io_failure(&path, &error);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o640)
            .open(&path)
            .map_err(failed)?;
        let last = cut_to_last_line(&mut file).map_err(failed)?;
        let mut events = EventsFile {
            file,
            pending: Vec::new(),
            behind: false,
        };
        let mut reader = Reader::open(directory, last)?;
        reader.not_beyond(durable);
        loop {
            let records = reader.read(usize::MAX, CHUNK)?;
            if records.is_empty() {
                return Ok(events);
            }
            for record in &records {
                if matches!(record.kind, Kind::Event | Kind::Exit) {
                    events.add(&record.data, record.kind.name(), record.seq, &record.hash);
                }
            }
            events.flush().map_err(failed)?;
        }
    }

    /// Adds a record; [`EventsFile::flush`] writes it.
    pub fn add(&mut self, raw: &str, kind: &str, seq: u64, hash: &Hash) {
        if self.behind || self.pending.len() > MAX_PENDING {
            self.behind = true;
            self.pending = Vec::new();
            return;
        }
        let body = raw.strip_prefix('{').unwrap_or(raw);
        self.pending.extend_from_slice(
            format!("{{\"kind\":\"{kind}\",\"seq\":{seq},\"hash\":\"{hash}\",{body}\n").as_bytes(),
        );
    }

    /// Writes what was added. What could not be written waits for the next time, up to a bound; beyond it the file stays
    /// as it is until the next start completes it.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.behind {
            return Err(io::Error::other("too much waits to be written"));
        }
        if self.pending.is_empty() {
            return Ok(());
        }
        let begin = self.file.seek(SeekFrom::End(0))?;
        match self.file.write_all(&self.pending) {
            Ok(()) => {
                self.pending.clear();
                Ok(())
            }
            Err(error) => {
                self.file.set_len(begin)?; // no half lines for the shipper
                Err(error)
            }
        }
    }
}

/// The sequence number of the last whole line; what follows it is cut off.
fn cut_to_last_line(file: &mut File) -> io::Result<Option<u64>> {
    let length = file.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(MAX_LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    Read::by_ref(file).take(MAX_LINE).read_to_end(&mut tail)?;
    let Some(end) = tail.iter().rposition(|b| *b == b'\n') else {
        file.set_len(from)?;
        return Ok(None);
    };
    let whole = end.saturating_add(1);
    file.set_len(from.saturating_add(whole as u64))?;
    let line = tail
        .get(..end)
        .unwrap_or_default()
        .rsplit(|b| *b == b'\n')
        .next()
        .unwrap_or_default();
    serde_json::from_slice::<Place>(line)
        .map(|place| Some(place.seq))
        .map_err(io::Error::other)
}
