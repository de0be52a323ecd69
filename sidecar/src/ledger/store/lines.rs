//! What is written: the lines for some records, and before them what must stand there, made of what the store knows and no more.

use super::{CommitError, Item, Store, Written};
use crate::ledger::file::Volume;
use crate::ledger::recovery::MAX_LINE;
use audit_event::chain::{Cursor, Draft, Kind, write_line};
use audit_event::records::{self, Open, Place, Prune, Seal, Signed};
use audit_event::tree::{self, Tree};
use std::io;
use std::time::{Duration, Instant};

/// So long may records stand without a signature.
const SIGN_DIRTY: Duration = Duration::from_secs(5);
/// So often is signed when nothing happens.
const SIGN_IDLE: Duration = Duration::from_secs(60);
/// So many records may stand without a signature.
const SIGN_RECORDS: u64 = 10_000;

/// What a line is made from. The signed ones depend on what stands before them.
pub(super) enum Entry<'a> {
    Plain(&'a Item),
    Open,
    Checkpoint,
    Seal,
    Prune(u64),
}

impl<V: Volume> Store<V> {
    /// The lines for `entries`, and before each what must stand there: OPEN after a SEAL, and CHECKPOINT when a plain record
    /// would be too late or too many. That is judged by the instant that the lines bear: the process may have been stopped
    /// until just now.
    pub(super) fn lines(&self, entries: &[Entry<'_>]) -> Result<Lines, CommitError> {
        let mut lines = Lines {
            bytes: Vec::with_capacity(entries.iter().map(Entry::size).sum()),
            written: Vec::with_capacity(entries.len()),
            cursor: self.cursor.clone(),
            tree: self.tree.clone(),
            at: Instant::now(),
            wall: format!("{:.6}", jiff::Timestamp::now()),
            signed: self.last_signed,
            has_opened: false,
            note: None,
        };
        for entry in entries {
            if needs_open(&lines.cursor) && !matches!(entry, Entry::Open) {
                self.line(&Entry::Open, &mut lines)?;
            }
            if matches!(entry, Entry::Plain(_)) && lines.must_sign() {
                self.line(&Entry::Checkpoint, &mut lines)?;
            }
            self.line(entry, &mut lines)?;
        }
        Ok(lines)
    }

    fn line(&self, entry: &Entry<'_>, lines: &mut Lines) -> Result<(), CommitError> {
        if matches!(entry, Entry::Open) {
            lines.cursor.epoch = lines.cursor.epoch.saturating_add(1);
        }
        let own = self.compose(entry, lines)?;
        let (kind, peer, data) = match (&own, entry) {
            (Some((kind, data)), _) => (*kind, None, data.as_str()),
            (None, Entry::Plain(item)) => (item.kind, item.peer, item.data.as_str()),
            (None, _) => return Ok(()),
        };
        let since = lines.at.saturating_duration_since(self.started);
        let wall = lines.wall.clone();
        let draft = Draft {
            writer: &self.writer,
            epoch: lines.cursor.epoch,
            seq: lines.cursor.next,
            wall: &wall,
            monotonic_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            kind,
            peer,
            data,
        };
        lines.write(&draft, own.is_some())?;
        lines.has_opened |= matches!(entry, Entry::Open);
        Ok(())
    }

    /// The kind and data of a signed record.
    fn compose(&self, entry: &Entry<'_>, lines: &mut Lines) -> Result<Option<(Kind, String)>, CommitError> {
        let place = Place {
            writer: &self.writer,
            tree: &lines.tree,
            head: lines.cursor.head,
            epoch: lines.cursor.epoch,
        };
        let no_key = || CommitError::Broken("there is no key to sign with".to_owned());
        // After an OPEN in the same batch the new key signs already.
        let key = if lines.has_opened {
            self.next_key.as_ref()
        } else {
            self.key.as_ref()
        };
        let (kind, data) = match entry {
            Entry::Plain(_) => return Ok(None),
            Entry::Open => {
                let new = self.next_key.as_ref().ok_or_else(no_key)?;
                let old = self.key.as_ref().unwrap_or(new);
                let version = env!("CARGO_PKG_VERSION");
                let open = Open::new(
                    &place,
                    self.segment,
                    version,
                    std::process::id(),
                    &new.public(),
                    old,
                );
                (Kind::Open, serde_json::to_string(&open))
            }
            Entry::Checkpoint => {
                let note = records::note(Kind::Checkpoint, &place, &[], key.ok_or_else(no_key)?);
                lines.note = Some(note.clone());
                (Kind::Checkpoint, serde_json::to_string(&Signed { note }))
            }
            Entry::Seal => {
                let note = records::note(Kind::Seal, &place, &[], key.ok_or_else(no_key)?);
                let records = lines.cursor.next;
                lines.note = Some(note.clone());
                (Kind::Seal, serde_json::to_string(&Seal { records, note }))
            }
            Entry::Prune(through) => {
                let more = [("through", through.to_string())];
                let note = records::note(Kind::Prune, &place, &more, key.ok_or_else(no_key)?);
                (
                    Kind::Prune,
                    serde_json::to_string(&Prune {
                        through: *through,
                        note,
                    }),
                )
            }
        };
        let data = data.map_err(|error| CommitError::Write(io::Error::other(error)))?;
        Ok(Some((kind, data)))
    }
}

impl Entry<'_> {
    /// About how many bytes its line takes.
    fn size(&self) -> usize {
        match self {
            Entry::Plain(item) => item.data.len().saturating_add(400),
            _ => 2048,
        }
    }
}

/// After this only an OPEN may stand.
pub(super) fn needs_open(cursor: &Cursor) -> bool {
    cursor.last.is_none() || cursor.is_sealed()
}

/// Whether it is time to sign, with so many records unsigned and the last signature so old.
pub(super) fn must_sign(unsigned: u64, age: Duration) -> bool {
    unsigned >= SIGN_RECORDS || age >= SIGN_IDLE || (unsigned > 0 && age >= SIGN_DIRTY)
}

/// Lines that are not written yet, and what will be so when they are.
pub(super) struct Lines {
    pub(super) bytes: Vec<u8>,
    /// The plain ones' places.
    pub(super) written: Vec<Written>,
    pub(super) cursor: Cursor,
    pub(super) tree: Tree,
    pub(super) at: Instant,
    pub(super) wall: String,
    /// The last signed record, and when.
    pub(super) signed: (u64, Instant),
    pub(super) has_opened: bool,
    pub(super) note: Option<String>,
}

impl Lines {
    fn must_sign(&self) -> bool {
        let (seq, when) = self.signed;
        let unsigned = self.cursor.next.saturating_sub(seq.saturating_add(1));
        must_sign(unsigned, self.at.saturating_duration_since(when))
    }

    /// Adds a line, unless it is one that no reader would take.
    fn write(&mut self, draft: &Draft<'_>, is_signed: bool) -> Result<(), CommitError> {
        let start = self.bytes.len();
        let hash = write_line(&mut self.bytes, self.cursor.head, draft);
        let length = self.bytes.len().saturating_sub(start);
        if length as u64 >= MAX_LINE {
            let why = format!("a record of {length} bytes is longer than a line may be");
            return Err(CommitError::Write(io::Error::other(why)));
        }
        let line = self.bytes.get(start..self.bytes.len().saturating_sub(1));
        self.tree.push(tree::leaf(line.unwrap_or_default()));
        if is_signed {
            self.signed = (draft.seq, self.at);
        } else {
            self.written.push(Written { seq: draft.seq, hash });
        }
        self.cursor.next = draft.seq.saturating_add(1);
        self.cursor.head = hash;
        self.cursor.last = Some(draft.kind);
        Ok(())
    }
}
