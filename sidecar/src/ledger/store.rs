//! The ledger's state over its files: what is durable, and the step to more. No threads, no clocks but what it is given.
//!
//! INVARIANT: `length`, `cursor` and `tree` describe bytes that a successful sync has covered, and nothing else is ever
//! acknowledged.

mod lines;

use self::lines::{Entry, must_sign, needs_open};
use super::file::{LedgerFile, Volume};
use super::recovery::Torn;
use audit_event::chain::{Cursor, Hash, Kind, Peer};
use audit_event::note::SecretKey;
use audit_event::room::ROOM;
use audit_event::tree::Tree;
use std::io;
use std::time::{Duration, Instant};
use thiserror::Error;

/// A record to be written.
#[derive(Debug, Clone)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Who sent it.
    pub peer: Option<Peer>,
    /// One line of JSON.
    pub data: String,
}

impl Item {
    /// A record of the writer's own.
    pub fn own(kind: Kind, data: &serde_json::Value) -> Item {
        Item {
            kind,
            peer: None,
            data: data.to_string(),
        }
    }
}

/// A record that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Its place.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

/// Why a batch is not durable; none of it is.
#[derive(Debug, Error)]
pub enum CommitError {
    /// The write failed and was undone; a later one may succeed (the disk may have room again).
    #[error("the ledger cannot be written: {0}")]
    Write(io::Error),
    /// What is on disk is not known any more; only a restart, which reads it, can tell.
    #[error("the ledger is broken until the sidecar restarts: {0}")]
    Broken(String),
}

/// What is known of a ledger before it is written to.
#[derive(Debug)]
pub struct Beginning {
    /// The live segment's number.
    pub segment: u64,
    /// Its intact bytes.
    pub length: u64,
    /// Where the chain stands.
    pub cursor: Cursor,
    /// The tree so far.
    pub tree: Tree,
    /// The last epoch's key; none before the first.
    pub key: Option<SecretKey>,
    /// The ledger's id.
    pub writer: String,
}

/// The ledger over a directory.
#[derive(Debug)]
pub struct Store<V: Volume> {
    volume: V,
    file: V::File,
    segment: u64,
    length: u64,
    cursor: Cursor,
    tree: Tree,
    key: Option<SecretKey>,
    /// The key of the epoch that begins with the next OPEN.
    next_key: Option<SecretKey>,
    writer: String,
    started: Instant,
    segment_began: Instant,
    last_signed: (u64, Instant),
    /// Whether more than one record was written at once since room was last asked for.
    had_several: bool,
    broken: Option<String>,
}

impl<V: Volume> Store<V> {
    /// Continues `file` in `volume`.
    pub fn new(volume: V, file: V::File, beginning: Beginning) -> Store<V> {
        Store {
            volume,
            file,
            segment: beginning.segment,
            length: beginning.length,
            cursor: beginning.cursor,
            tree: beginning.tree,
            key: beginning.key,
            next_key: None,
            writer: beginning.writer,
            started: Instant::now(),
            segment_began: Instant::now(),
            last_signed: (0, Instant::now()),
            had_several: false,
            broken: None,
        }
    }

    /// Begins a new epoch: OPEN, RECOVER when a torn line was cut, and CONFIG.
    pub fn open_epoch(
        &mut self,
        torn: Option<&Torn>,
        account: &serde_json::Value,
    ) -> Result<(), CommitError> {
        self.make_next_key().map_err(CommitError::Write)?;
        let recover = torn.map(|torn| {
            let what =
                serde_json::json!({ "bytes": torn.bytes, "sha256": torn.sha256, "acknowledged": false });
            Item::own(Kind::Recover, &what)
        });
        let config = Item::own(Kind::Config, account);
        let entries: Vec<Entry<'_>> = [Entry::Open]
            .into_iter()
            .chain(recover.iter().chain([&config]).map(Entry::Plain))
            .collect();
        self.append(&entries)?;
        self.had_several = false; // nobody sent these
        Ok(())
    }

    /// Ends the epoch in order.
    pub fn seal(&mut self) -> Result<(), CommitError> {
        if self.needs_open() {
            return Ok(()); // a rotation was interrupted: it is sealed already
        }
        self.append(&[Entry::Seal]).map(drop)
    }

    /// Makes all of `items` durable, in order, with one write and one sync; or none of them.
    pub fn commit(&mut self, items: &[Item]) -> Result<Vec<Written>, CommitError> {
        let entries: Vec<Entry<'_>> = items.iter().map(Entry::Plain).collect();
        self.append(&entries)
    }

    /// Signs what stands unsigned, when it is time, or will be when it is asked again. A record that comes later than that has to be
    /// preceded by a signature, and two lines have no use for room.
    pub fn sign(&mut self, again: Duration) -> Result<(), CommitError> {
        let (seq, when) = self.last_signed;
        let unsigned = self.cursor.next.saturating_sub(seq.saturating_add(1));
        if !self.needs_open() && must_sign(unsigned, when.elapsed().saturating_add(again)) {
            self.append(&[Entry::Checkpoint]).map(drop)
        } else {
            Ok(())
        }
    }

    /// Says that the segments up to `through` are removed, then removes them.
    pub fn prune(&mut self, through: u64, first: u64) -> Result<(), CommitError> {
        self.append(&[Entry::Prune(through)])?;
        (first..=through)
            .try_for_each(|segment| self.volume.remove(segment))
            .map_err(CommitError::Write)
    }

    /// Seals this segment and begins the next. When the disk takes no new file, this one goes on.
    pub fn rotate(&mut self) -> Result<(), CommitError> {
        if self.needs_open() {
            return Ok(()); // begun already
        }
        self.seal_into_next()?;
        self.append(&[Entry::Open]).map(drop)
    }

    /// A rotation of which the last step failed.
    #[cfg(test)]
    pub fn rotate_without_open(&mut self) -> Result<(), CommitError> {
        self.seal_into_next()
    }

    /// Whether there should be more room for records that come one by one, which are durable sooner there. Where many came at
    /// once since this was last asked there would be no use for it.
    pub fn lacks_room(&mut self) -> bool {
        !std::mem::take(&mut self.had_several) && self.may_have_room() && self.file.room() <= ROOM / 2
    }

    /// Makes some more room, and makes it durable, so that no record has to wait for that. Whether there may be more still.
    ///
    /// # Errors
    /// When the disk takes no more; records are written without it then.
    pub fn make_room(&mut self) -> Result<bool, CommitError> {
        if self.had_several || !self.may_have_room() {
            return Ok(false);
        }
        let may_be_more = self.file.make_room().map_err(CommitError::Write)?;
        match self.file.sync() {
            Ok(()) => Ok(may_be_more),
            // Records share a page with the room behind them.
            Err(error) => Err(self.give_up(format!("fdatasync failed: {error}"))),
        }
    }

    fn may_have_room(&self) -> bool {
        !self.needs_open() && self.broken.is_none()
    }

    fn seal_into_next(&mut self) -> Result<(), CommitError> {
        self.refuse_when_broken()?;
        self.make_next_key().map_err(CommitError::Write)?;
        let next = self.segment.saturating_add(1);
        let file = self.volume.create(next).map_err(CommitError::Write)?;
        if let Err(error) = self.append(&[Entry::Seal]) {
            return match self.volume.remove(next) {
                Ok(()) => Err(error),
                Err(worse) => {
                    Err(self.give_up(format!("{error}; segment {next} cannot be removed: {worse}")))
                }
            };
        }
        self.file = file;
        self.segment = next;
        self.length = 0;
        self.segment_began = Instant::now();
        Ok(())
    }

    /// Whether the next record must be an OPEN.
    fn needs_open(&self) -> bool {
        needs_open(&self.cursor)
    }

    fn make_next_key(&mut self) -> io::Result<()> {
        if self.next_key.is_none() {
            let seed = self.volume.random()?;
            self.volume.keep_next_key(&seed)?;
            self.next_key = Some(SecretKey::from_seed(&seed));
        }
        Ok(())
    }

    fn refuse_when_broken(&self) -> Result<(), CommitError> {
        match &self.broken {
            Some(why) => Err(CommitError::Broken(why.clone())),
            None => Ok(()),
        }
    }

    fn append(&mut self, entries: &[Entry<'_>]) -> Result<Vec<Written>, CommitError> {
        self.refuse_when_broken()?;
        let lines = self.lines(entries)?;
        // In room a power loss may keep the later of several lines and lose the earlier; at the end of a file it cannot. And room
        // behind a SEAL would never be used.
        let are_several = lines.cursor.next.saturating_sub(self.cursor.next) > 1;
        self.had_several |= are_several;
        let ready = if are_several || lines.cursor.is_sealed() {
            self.file.cut_room()
        } else {
            Ok(())
        };
        if let Err(error) = ready.and_then(|()| self.file.append(&lines.bytes)) {
            return Err(self.undo(error));
        }
        if let Err(error) = self.file.sync() {
            // The kernel may have dropped the pages and forgotten the error: a second sync would lie.
            return Err(self.give_up(format!("fdatasync failed: {error}")));
        }
        self.length = self.length.saturating_add(lines.bytes.len() as u64);
        self.cursor = lines.cursor;
        self.tree = lines.tree;
        self.last_signed = lines.signed;
        if lines.has_opened {
            self.key = self.next_key.take();
            // Without this the old key would stay usable; and the next start could not tell which one is ours.
            if let Err(error) = self.volume.promote_key() {
                return Err(self.give_up(format!(
                    "the new key cannot be put in the old one's place: {error}"
                )));
            }
        }
        if let Some(note) = lines.note
            && let Err(error) = self.volume.show_checkpoint(&note)
        {
            // The same checkpoint is in the ledger; the file beside it is a convenience.
            tracing::warn!(%error, "the file `checkpoint` cannot be written");
        }
        Ok(lines.written)
    }

    /// Takes back a write of which some part may have arrived.
    fn undo(&mut self, error: io::Error) -> CommitError {
        match self.file.truncate(self.length) {
            Ok(()) => CommitError::Write(error),
            Err(worse) => self.give_up(format!(
                "{error}, and the part that was written cannot be cut off: {worse}"
            )),
        }
    }

    /// Nothing can be recorded any more.
    pub fn give_up(&mut self, why: String) -> CommitError {
        self.broken = Some(why.clone());
        CommitError::Broken(why)
    }

    /// Why nothing can be recorded any more, if so.
    pub fn why_broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// Where the chain stands.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Durable bytes of the live segment.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The live segment's number.
    pub fn segment(&self) -> u64 {
        self.segment
    }

    /// How long this process has been writing the live segment.
    pub fn segment_age(&self) -> Duration {
        self.segment_began.elapsed()
    }

    /// How long ago the last checkpoint was signed.
    pub fn checkpoint_age(&self) -> Duration {
        self.last_signed.1.elapsed()
    }

    /// As if so much time had passed since everything so far.
    #[cfg(test)]
    pub fn grow_older(&mut self, by: Duration) {
        for instant in [&mut self.started, &mut self.last_signed.1] {
            *instant = instant.checked_sub(by).unwrap_or(*instant);
        }
    }

    /// The file, for checks.
    pub fn file(&self) -> &V::File {
        &self.file
    }
}
