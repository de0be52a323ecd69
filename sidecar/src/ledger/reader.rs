//! Reads the ledger's records in order, across segments, for those who pass them on.
//!
//! A sink keeps the number of the last record that it has delivered in `DIR/cursors/NAME`, as decimal digits; a segment is
//! not removed while a cursor points before its end ([`first_needed`]).

use super::io_failure;
use super::recovery::{MAX_LINE, segments};
use crate::exit::{Exit, Failure};
use audit_event::chain::{Fields, Hash, Kind};
use audit_event::room::{self, Next};
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A record as it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub seq: u64,
    /// Its hash in the chain.
    pub hash: Hash,
    /// What it is about.
    pub kind: Kind,
    /// Its data: one line of JSON, as received.
    pub data: String,
    /// Its segment's number.
    pub segment: u64,
    /// Where its line begins in the segment, in bytes.
    pub offset: u64,
}

/// A place in the ledger.
#[derive(Debug)]
pub struct Reader {
    directory: PathBuf,
    /// The number of the next record that is wanted.
    next: u64,
    /// No record beyond this number is given; `None` for no limit.
    limit: Option<u64>,
    at: Option<At>,
}

#[derive(Debug)]
struct At {
    segment: u64,
    path: PathBuf,
    file: BufReader<File>,
    offset: u64,
}

impl Reader {
    /// After record `after_seq`; from the first that is left when `None`.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn open(directory: &Path, after_seq: Option<u64>) -> Result<Reader, Failure> {
        segments(directory)?;
        Ok(Reader {
            directory: directory.to_owned(),
            next: after_seq.map_or(0, |seq| seq.saturating_add(1)),
            limit: None,
            at: None,
        })
    }

    /// Gives nothing beyond `seq`: a line may stand in the file before it is durable, and what is not durable must not be
    /// told to others.
    pub fn not_beyond(&mut self, seq: u64) {
        self.limit = Some(seq);
    }

    /// The next records: at most so many, and about so many bytes of data, but one at least when there is one. Empty when
    /// there is nothing more yet.
    ///
    /// # Errors
    /// When a segment cannot be read, or a line in it is not a record.
    pub fn read(&mut self, most_records: usize, most_bytes: usize) -> Result<Vec<Record>, Failure> {
        let mut records = Vec::new();
        let mut bytes = 0_usize;
        let mut line = Vec::new();
        while records.len() < most_records && (bytes < most_bytes || records.is_empty()) {
            if self.limit.is_some_and(|limit| self.next > limit) {
                break;
            }
            let next = self.next;
            let Some(at) = self.at()? else { break };
            let begin = at.offset;
            let found = room::read_line(&mut at.file, MAX_LINE, &mut line);
            let found = found.map_err(|error| io_failure(&at.path, &error))?;
            let Some(whole) = room::line(&line) else {
                at.file
                    .seek(SeekFrom::Start(begin))
                    .map_err(|error| io_failure(&at.path, &error))?;
                if found == Next::End && self.advance()? {
                    continue;
                }
                break;
            };
            at.offset = begin.saturating_add(line.len() as u64);
            let fields = Fields::read(whole).map_err(|broken| {
                Failure::new(
                    Exit::Damaged,
                    format!("{}: byte {begin}: {broken}", at.path.display()),
                )
            })?;
            if fields.seq < next {
                continue;
            }
            bytes = bytes.saturating_add(fields.data.len());
            records.push(Record {
                seq: fields.seq,
                hash: fields.hash,
                kind: fields.kind,
                data: fields.data.to_owned(),
                segment: at.segment,
                offset: begin,
            });
            self.next = fields.seq.saturating_add(1);
        }
        Ok(records)
    }

    /// The open segment; at first the last one that begins at or before the wanted record.
    fn at(&mut self) -> Result<Option<&mut At>, Failure> {
        if self.at.is_none() {
            let mut found = None;
            for (segment, path) in segments(&self.directory)?.into_iter().rev() {
                let first = first_seq(&path)?;
                if first.is_some() {
                    found = Some((segment, path));
                }
                if first.is_some_and(|first| first <= self.next) {
                    break;
                }
            }
            self.at = found.map(|(segment, path)| open_at(segment, path)).transpose()?;
        }
        Ok(self.at.as_mut())
    }

    /// On to the next segment, when there is one with records in it.
    fn advance(&mut self) -> Result<bool, Failure> {
        let Some(at) = &self.at else { return Ok(false) };
        let next = segments(&self.directory)?
            .into_iter()
            .find(|(segment, _)| *segment > at.segment);
        match next {
            Some((segment, path)) if first_seq(&path)?.is_some() => {
                self.at = Some(open_at(segment, path)?);
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

fn open_at(segment: u64, path: PathBuf) -> Result<At, Failure> {
    let file = File::open(&path).map_err(|error| io_failure(&path, &error))?;
    Ok(At {
        segment,
        path,
        file: BufReader::with_capacity(1 << 16, file),
        offset: 0,
    })
}

/// The number of a segment's first record; `None` while it has none.
pub fn first_seq(path: &Path) -> Result<Option<u64>, Failure> {
    let file = File::open(path).map_err(|error| io_failure(path, &error))?;
    let mut line = Vec::new();
    room::read_line(&mut BufReader::new(file), MAX_LINE, &mut line)
        .map_err(|error| io_failure(path, &error))?;
    let fields = room::line(&line).and_then(|line| Fields::read(line).ok().map(|fields| fields.seq));
    Ok(fields)
}

/// The first record that some sink still needs, by the cursors in `DIR/cursors`; `None` when there is no sink. A sink that has
/// delivered nothing yet has an empty cursor, and needs everything.
///
/// # Errors
/// When a cursor cannot be read or is not a number: nothing may be removed then.
pub fn first_needed(directory: &Path) -> Result<Option<u64>, Failure> {
    let needed = cursors(directory)?
        .into_iter()
        .map(|(_, last)| last.map_or(0, |last| last.saturating_add(1)));
    Ok(needed.min())
}

/// Every sink's cursor: its file, and the last record that is delivered.
///
/// # Errors
/// When one cannot be read or is not a number.
pub fn cursors(directory: &Path) -> Result<Vec<(PathBuf, Option<u64>)>, Failure> {
    let cursors = directory.join("cursors");
    let entries = match std::fs::read_dir(&cursors) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_failure(&cursors, &error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| io_failure(&cursors, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "new") {
            continue; // one that is being written; the old one still stands
        }
        let text = std::fs::read_to_string(&path).map_err(|error| io_failure(&path, &error))?;
        let last = match text.trim() {
            "" => None,
            number => Some(number.parse::<u64>().map_err(|_| {
                let why = "does not hold a sequence number; write the last delivered one there";
                Failure::new(Exit::Damaged, format!("{} {why}", path.display()))
            })?),
        };
        found.push((path, last));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::file::segment_name;
    use audit_event::chain::{Draft, write_line};

    /// Three segments of four records each, the last line torn.
    fn ledger(directory: &Path) {
        let mut head = Hash::ZERO;
        for segment in 1..=3_u64 {
            let mut bytes = Vec::new();
            for seq in (segment - 1) * 4..segment * 4 {
                let data = format!("{{\"n\":{seq}}}");
                let draft = Draft {
                    writer: "w",
                    epoch: 1,
                    seq,
                    wall: "t",
                    monotonic_ns: 0,
                    kind: Kind::Event,
                    peer: None,
                    data: &data,
                };
                head = write_line(&mut bytes, head, &draft);
            }
            if segment == 3 {
                bytes.extend_from_slice(b"{\"w\":");
            }
            std::fs::write(directory.join(segment_name(segment)), bytes).unwrap();
        }
    }

    fn numbers(records: &[Record]) -> Vec<u64> {
        records.iter().map(|record| record.seq).collect()
    }

    #[test]
    fn records_come_in_order_across_segments_and_stop_before_a_torn_line() {
        let directory = tempfile::tempdir().unwrap();
        ledger(directory.path());
        let mut reader = Reader::open(directory.path(), None).unwrap();
        assert_eq!(numbers(&reader.read(5, usize::MAX).unwrap()), [0, 1, 2, 3, 4]);
        assert_eq!(numbers(&reader.read(1, 0).unwrap()), [5]);
        assert_eq!(
            numbers(&reader.read(99, usize::MAX).unwrap()),
            [6, 7, 8, 9, 10, 11]
        );
        assert!(reader.read(99, usize::MAX).unwrap().is_empty());
    }

    #[test]
    fn it_begins_after_what_was_delivered_and_gives_nothing_beyond_what_is_durable() {
        let directory = tempfile::tempdir().unwrap();
        ledger(directory.path());
        let mut reader = Reader::open(directory.path(), Some(5)).unwrap();
        reader.not_beyond(8);
        let records = reader.read(99, usize::MAX).unwrap();
        assert_eq!(numbers(&records), [6, 7, 8]);
        assert_eq!((records[0].segment, records[2].segment), (2, 3));
        assert_eq!(records[2].data, "{\"n\":8}");
        let segment = std::fs::read(directory.path().join(segment_name(2))).unwrap();
        let at = usize::try_from(records[0].offset).unwrap();
        assert!(segment[at..].starts_with(b"{\"w\":\"w\",\"e\":1,\"n\":6,"));
    }

    #[test]
    fn the_slowest_sink_counts_and_a_bad_cursor_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(first_needed(directory.path()).unwrap(), None);
        let cursors = directory.path().join("cursors");
        std::fs::create_dir(&cursors).unwrap();
        for (name, text) in [("a", "17\n"), ("b", "9"), ("c.new", "")] {
            std::fs::write(cursors.join(name), text).unwrap();
        }
        assert_eq!(first_needed(directory.path()).unwrap(), Some(10));
        std::fs::write(cursors.join("new"), "").unwrap();
        assert_eq!(first_needed(directory.path()).unwrap(), Some(0));
        std::fs::write(cursors.join("b"), "nine").unwrap();
        assert!(first_needed(directory.path()).is_err());
    }
}
