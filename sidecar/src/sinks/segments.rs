//! The ledger's segment files as a [`Source`]: `ledger-NNNNNN.ndjson`, in order. Reads only what is durable: lines up to
//! the sequence number that the writer has reported, so bytes that a failed write may take back are never sent.

use super::record::{Record, Source};
use crate::shared::Shared;
use audit_event::chain::Fields;
use audit_event::room;
use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Read at once from a file.
const BUFFER: usize = 256 * 1024;
/// A line is at most a frame and a little.
const MAX_LINE: usize = 2 * audit_event::frame::MAX_FRAME;

/// A hash in hex digits.
const HASH: usize = 64;

/// The last sequence number that is durable; `None` before the writer has said so for the first time.
pub type Durable = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

/// As the ledger's writer reports it.
pub fn durable(shared: &Arc<Shared>) -> Durable {
    let shared = Arc::clone(shared);
    Arc::new(move || shared.durable())
}

/// The segments of a directory.
pub struct Segments {
    directory: PathBuf,
    durable: Durable,
    place: Option<Place>,
}

/// Where the next line is read.
struct Place {
    path: PathBuf,
    reader: BufReader<File>,
    /// The last line's number.
    last: Option<u64>,
    /// The end of that line, in bytes from the file's start.
    offset: u64,
    line: Vec<u8>,
}

impl Segments {
    /// Over the ledger in `directory`.
    pub fn new(directory: &Path, durable: Durable) -> Segments {
        Segments {
            directory: directory.to_owned(),
            durable,
            place: None,
        }
    }

    /// Goes to the segment that holds the record after `after`.
    fn seek(&mut self, after: Option<u64>) -> io::Result<()> {
        let is_there = self.place.as_ref().is_some_and(|place| place.last == after);
        if is_there {
            return Ok(());
        }
        self.place = None;
        let wanted = after.map_or(0, |after| after.saturating_add(1));
        // The last segment that does not begin beyond it.
        let mut chosen = None;
        for path in segments(&self.directory)? {
            match first_seq(&path)? {
                Some(first) if first > wanted && chosen.is_some() => break,
                Some(first) if first > wanted => {
                    return Err(io::Error::other(format!(
                        "the ledger begins with record {first}, but this sink needs {wanted}: the records between \
                         were removed before it had them; write {} into its cursor to go on without them",
                        first.saturating_sub(1)
                    )));
                }
                first => chosen = Some((path, first)),
            }
        }
        let Some((path, first)) = chosen else {
            return Ok(());
        };
        let mut place = Place::open(path)?;
        if first != Some(wanted) {
            place.skip_to(after)?;
        }
        place.last = after;
        self.place = Some(place);
        Ok(())
    }
}

impl Source for Segments {
    fn read(
        &mut self,
        after: Option<u64>,
        most_records: usize,
        most_bytes: usize,
    ) -> io::Result<Vec<Record>> {
        let Some(durable) = (self.durable)() else {
            return Ok(Vec::new());
        };
        if after.is_some_and(|after| after >= durable) {
            return Ok(Vec::new());
        }
        self.seek(after)?;
        if let Some(place) = self.place.as_mut() {
            place.refresh()?;
        }
        let mut records: Vec<Record> = Vec::new();
        let mut bytes = 0_usize;
        while records.len() < most_records && bytes < most_bytes {
            let Some(place) = self.place.as_mut() else { break };
            if place.last.is_some_and(|last| last >= durable) {
                break;
            }
            match place.next()? {
                Some(record) => {
                    let expected = records.last().map(|record| record.seq).or(after);
                    let expected = expected.map_or(0, |seq| seq.saturating_add(1));
                    if record.seq != expected {
                        return Err(io::Error::other(format!(
                            "{}: record {expected} is missing, {} stands in its place; run `reeve audit verify`",
                            place.path.display(),
                            record.seq
                        )));
                    }
                    bytes = bytes.saturating_add(record.data.len());
                    records.push(record);
                }
                None => match following(&self.directory, &place.path)? {
                    Some(path) => {
                        let last = place.last;
                        let mut next = Place::open(path)?;
                        next.last = last;
                        self.place = Some(next);
                    }
                    None => break,
                },
            }
        }
        Ok(records)
    }
}

impl Place {
    fn open(path: PathBuf) -> io::Result<Place> {
        let file = File::open(&path).map_err(|error| named(&path, &error))?;
        Ok(Place {
            path,
            reader: BufReader::with_capacity(BUFFER, file),
            last: None,
            offset: 0,
            line: Vec::new(),
        })
    }

    /// Forgets what was read ahead: bytes beyond the durable ones may have been taken back and written anew.
    fn refresh(&mut self) -> io::Result<()> {
        self.reader
            .seek(SeekFrom::Start(self.offset))
            .map(drop)
            .map_err(|error| named(&self.path, &error))
    }

    /// Passes every record up to and including `after`.
    fn skip_to(&mut self, after: Option<u64>) -> io::Result<()> {
        while after.is_some() && self.last < after {
            if self.next()?.is_none() {
                break; // the next segment begins with it
            }
        }
        Ok(())
    }

    /// The next whole line; `None` at the end, for now. Room is the end, and so is a line that is being written into it.
    fn next(&mut self) -> io::Result<Option<Record>> {
        let limit = MAX_LINE.saturating_add(1);
        room::read_line(&mut self.reader, limit as u64, &mut self.line)
            .map_err(|error| named(&self.path, &error))?;
        let Some(line) = room::line(&self.line) else {
            if self.line.len() >= limit && !self.line.contains(&0) {
                return Err(io::Error::other(format!(
                    "{}: a line is longer than {MAX_LINE} bytes; run `reeve audit verify`",
                    self.path.display()
                )));
            }
            return Ok(None);
        };
        let fields = Fields::read_unchecked(line).map_err(|error| {
            io::Error::other(format!(
                "{}: {error}; run `reeve audit verify`",
                self.path.display()
            ))
        })?;
        // The line ends with `"h":"…"}`: the hash as text stands there.
        let hash = line
            .len()
            .checked_sub(HASH + 2)
            .and_then(|begin| line.get(begin..begin.saturating_add(HASH)));
        let record = Record {
            seq: fields.seq,
            hash: String::from_utf8_lossy(hash.unwrap_or_default()).into_owned(),
            kind: fields.kind.name().to_owned(),
            wall: fields.wall.to_owned(),
            data: fields.data.to_owned(),
        };
        self.offset = self.offset.saturating_add(self.line.len() as u64);
        self.last = Some(record.seq);
        Ok(Some(record))
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn segments(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|error| named(directory, &error))? {
        let path = entry?.path();
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

fn following(directory: &Path, path: &Path) -> io::Result<Option<PathBuf>> {
    Ok(segments(directory)?
        .into_iter()
        .find(|candidate| candidate.as_path() > path))
}

/// The first record's number; `None` for a segment without a whole line.
fn first_seq(path: &Path) -> io::Result<Option<u64>> {
    Ok(Place::open(path.to_owned())?.next()?.map(|record| record.seq))
}

#[cfg(test)]
mod tests {
    use super::*;
    use audit_event::chain::{Draft, Hash, Kind, write_line};
    use std::io::Write;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn write(directory: &Path, segment: u32, from: u64, to: u64) {
        let mut bytes = Vec::new();
        for seq in from..to {
            let data = format!("{{\"i\":{seq}}}");
            let draft = Draft {
                writer: "w",
                epoch: 1,
                seq,
                wall: "2026-01-01T00:00:00Z",
                monotonic_ns: 0,
                kind: if seq == 0 { Kind::Open } else { Kind::Event },
                peer: None,
                data: &data,
            };
            write_line(&mut bytes, Hash::ZERO, &draft);
        }
        File::create(directory.join(format!("ledger-{segment:06}.ndjson")))
            .unwrap()
            .write_all(&bytes)
            .unwrap();
    }

    fn over(directory: &Path, last: u64) -> (Segments, Arc<AtomicU64>) {
        let durable = Arc::new(AtomicU64::new(last));
        let told = Arc::clone(&durable);
        let segments = Segments::new(directory, Arc::new(move || Some(told.load(Ordering::Relaxed))));
        (segments, durable)
    }

    fn numbers(records: &[Record]) -> Vec<u64> {
        records.iter().map(|record| record.seq).collect()
    }

    #[test]
    fn records_are_read_over_the_segments_border_and_only_durable_ones() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), 1, 0, 5);
        write(directory.path(), 2, 5, 9);
        let (mut source, durable) = over(directory.path(), 6);
        assert_eq!(numbers(&source.read(None, 3, usize::MAX).unwrap()), [0, 1, 2]);
        assert_eq!(
            numbers(&source.read(Some(2), 100, usize::MAX).unwrap()),
            [3, 4, 5, 6]
        );
        assert!(source.read(Some(6), 100, usize::MAX).unwrap().is_empty());
        durable.store(8, Ordering::Relaxed);
        assert_eq!(numbers(&source.read(Some(6), 100, usize::MAX).unwrap()), [7, 8]);
        // Anywhere, at once; and at least one record whatever its size.
        assert_eq!(numbers(&source.read(Some(4), 100, 1).unwrap()), [5]);
        assert_eq!(numbers(&source.read(Some(0), 2, usize::MAX).unwrap()), [1, 2]);
    }

    #[test]
    fn a_torn_line_waits_for_its_end() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), 1, 0, 3);
        let path = directory.path().join("ledger-000001.ndjson");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 10]).unwrap();
        let (mut source, _) = over(directory.path(), 2);
        assert_eq!(numbers(&source.read(None, 10, usize::MAX).unwrap()), [0, 1]);
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&whole[whole.len() - 10..]).unwrap();
        assert_eq!(numbers(&source.read(Some(1), 10, usize::MAX).unwrap()), [2]);
    }

    #[test]
    fn a_removed_beginning_is_said_and_not_skipped() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), 2, 5, 9);
        let (mut source, _) = over(directory.path(), 8);
        let error = source.read(Some(1), 10, usize::MAX).unwrap_err().to_string();
        assert!(
            error.contains("begins with record 5, but this sink needs 2"),
            "{error}"
        );
        assert_eq!(
            numbers(&source.read(Some(4), 10, usize::MAX).unwrap()),
            [5, 6, 7, 8]
        );
    }
}
