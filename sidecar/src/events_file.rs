//! `events.ndjson`: the events and outcomes of the ledger, flat, one line each, for a log shipper to tail.
//!
//! Each line is the JSON as received with `kind`, `seq` and `hash` put in front. The file is derived: it is not synced,
//! and at the start it is cut to its last whole line and completed from the ledger, so each record is in it exactly once.

use crate::exit::Failure;
use crate::ledger::io_failure;
use crate::ledger::reader::Reader;
use audit_event::chain::{Hash, Kind};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A line is at most a frame and a little.
const MAX_LINE: u64 = 2 * audit_event::frame::MAX_FRAME as u64;
/// While completing from the ledger, so much is collected before it is written.
const CHUNK: usize = 1 << 20;
/// So much may wait for a disk that takes nothing.
const MAX_PENDING: usize = 16 << 20;

/// The file.
#[derive(Debug)]
pub struct EventsFile {
    path: PathBuf,
    file: File,
    /// The number in its last line, when it was opened.
    last: Option<u64>,
    pending: Vec<u8>,
    /// Too much could not be written: nothing more is, because a hole must not be hidden by later lines.
    behind: bool,
}

/// What the end of the file is.
enum End {
    /// The last whole line has this number; `None` when there is no line.
    Line(Option<u64>),
    /// Not something that was written here.
    Strange,
}

impl EventsFile {
    /// Opens it and cuts a torn end. A file with an end that was not written here is set aside, and another begun: it is
    /// derived, so nothing is lost.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(directory: &Path) -> Result<EventsFile, Failure> {
        let path = directory.join("events.ndjson");
        let failed = |error: io::Error| io_failure(&path, &error);
        let mut file = create(&path).map_err(failed)?;
        let end = cut_to_last_line(&mut file).map_err(failed)?;
        let mut events = EventsFile {
            path,
            file,
            last: None,
            pending: Vec::new(),
            behind: false,
        };
        match end {
            End::Line(last) => events.last = last,
            End::Strange => events.begin_anew("its last line is not one that was written here")?,
        }
        Ok(events)
    }

    /// The number of its last record, when it was opened.
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// Sets the file aside and begins another.
    ///
    /// # Errors
    /// When the directory does not let us.
    pub fn begin_anew(&mut self, why: &str) -> Result<(), Failure> {
        let aside = (1_u64..)
            .map(|number| self.path.with_extension(format!("ndjson.aside-{number}")))
            .find(|aside| !aside.exists())
            .unwrap_or_default();
        let begun = std::fs::rename(&self.path, &aside).and_then(|()| create(&self.path));
        self.file = begun.map_err(|error| io_failure(&self.path, &error))?;
        self.last = None;
        tracing::warn!(why, aside = %aside.display(), "events.ndjson is set aside and written anew from the ledger");
        Ok(())
    }

    /// Writes what the ledger has beyond it.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn catch_up(&mut self, directory: &Path, durable: u64) -> Result<(), Failure> {
        let mut reader = Reader::open(directory, self.last)?;
        reader.not_beyond(durable);
        loop {
            let records = reader.read(usize::MAX, CHUNK)?;
            if records.is_empty() {
                return Ok(());
            }
            for record in &records {
                if matches!(record.kind, Kind::Event | Kind::Exit) {
                    self.add(&record.data, record.kind.name(), record.seq, &record.hash);
                }
            }
            self.flush().map_err(|error| io_failure(&self.path, &error))?;
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

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

/// What the last whole line is; what follows it is cut off.
fn cut_to_last_line(file: &mut File) -> io::Result<End> {
    let length = file.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(MAX_LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    Read::by_ref(file).take(MAX_LINE).read_to_end(&mut tail)?;
    let Some(end) = tail.iter().rposition(|b| *b == b'\n') else {
        if from > 0 {
            return Ok(End::Strange);
        }
        file.set_len(0)?;
        return Ok(End::Line(None));
    };
    let line = tail
        .get(..end)
        .unwrap_or_default()
        .rsplit(|b| *b == b'\n')
        .next()
        .unwrap_or_default();
    let Some(seq) = number(line) else {
        return Ok(End::Strange);
    };
    let whole = end.saturating_add(1);
    file.set_len(from.saturating_add(whole as u64))?;
    Ok(End::Line(Some(seq)))
}

/// The number of a line as [`EventsFile::add`] writes it. Only what stands in front was written here; the rest is the
/// sender's.
fn number(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?;
    let rest = [Kind::Event, Kind::Exit]
        .into_iter()
        .find_map(|kind| line.strip_prefix(&format!("{{\"kind\":\"{}\",\"seq\":", kind.name())))?;
    rest.split_once(',')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_strange_end_is_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.ndjson");
        let aside = directory.path().join("events.ndjson.aside-1");
        let line = "{\"kind\":\"exit\",\"seq\":7,\"hash\":\"0\",\"seq\":3}\n";
        for (content, last) in [
            (String::new(), None),
            ("{\"kin".to_owned(), None),
            (line.to_owned(), Some(7)),
            (format!("{line}{{\"kind\":"), Some(7)),
        ] {
            std::fs::write(&path, &content).unwrap();
            assert_eq!(
                EventsFile::open(directory.path()).unwrap().last(),
                last,
                "{content}"
            );
            assert!(!aside.exists());
        }
        std::fs::write(&path, "{\"seq\":1,\"seq\":2}\n").unwrap();
        assert_eq!(EventsFile::open(directory.path()).unwrap().last(), None);
        assert!(aside.exists());
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }
}
