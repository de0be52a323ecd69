//! The ledger's state over a file: what is durable, and the step to more. No threads, no clocks but what it is given.
//!
//! INVARIANT: `length`, `cursor` describe bytes that a successful sync has covered, and nothing else is ever acknowledged.

use super::file::LedgerFile;
use super::recovery::Torn;
use audit_event::chain::{Cursor, Draft, Hash, Kind, Peer, write_line};
use std::io;
use std::time::Instant;
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

/// The ledger over a file.
#[derive(Debug)]
pub struct Store<F> {
    file: F,
    length: u64,
    cursor: Cursor,
    writer: String,
    started: Instant,
    broken: Option<String>,
}

impl<F: LedgerFile> Store<F> {
    /// Continues after `cursor`, `length` bytes into the file.
    pub fn new(file: F, length: u64, cursor: Cursor, writer: String) -> Store<F> {
        Store {
            file,
            length,
            cursor,
            writer,
            started: Instant::now(),
            broken: None,
        }
    }

    /// Begins a new epoch: OPEN, and RECOVER when a torn line was cut.
    pub fn open_epoch(&mut self, torn: Option<&Torn>) -> Result<(), CommitError> {
        self.cursor.epoch = self.cursor.epoch.saturating_add(1);
        let open = serde_json::json!({
            "format": "audit-chain/1",
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "previous": self.cursor.head.to_string(),
        });
        let mut items = vec![own(Kind::Open, &open)];
        if let Some(torn) = torn {
            let what =
                serde_json::json!({ "bytes": torn.bytes, "sha256": torn.sha256, "acknowledged": false });
            items.push(own(Kind::Recover, &what));
        }
        self.commit(&items).map(drop)
    }

    /// Ends the epoch in order.
    pub fn seal(&mut self) -> Result<(), CommitError> {
        let what = serde_json::json!({ "records": self.cursor.next });
        self.commit(&[own(Kind::Seal, &what)]).map(drop)
    }

    /// Makes all of `items` durable, in order, with one write and one sync; or none of them.
    pub fn commit(&mut self, items: &[Item]) -> Result<Vec<Written>, CommitError> {
        if let Some(why) = &self.broken {
            return Err(CommitError::Broken(why.clone()));
        }
        let (bytes, written) = self.lines(items);
        if let Err(error) = self.file.append(&bytes) {
            return Err(self.undo(error));
        }
        if let Err(error) = self.file.sync() {
            // The kernel may have dropped the pages and forgotten the error: a second sync would lie.
            return Err(self.give_up(format!("fdatasync failed: {error}")));
        }
        self.length = self.length.saturating_add(bytes.len() as u64);
        if let Some(last) = written.last() {
            self.cursor.next = last.seq.saturating_add(1);
            self.cursor.head = last.hash;
            self.cursor.last = items.last().map(|item| item.kind);
        }
        Ok(written)
    }

    fn lines(&self, items: &[Item]) -> (Vec<u8>, Vec<Written>) {
        let mut bytes =
            Vec::with_capacity(items.iter().map(|item| item.data.len().saturating_add(400)).sum());
        let mut head = self.cursor.head;
        let mut seq = self.cursor.next;
        let mut written = Vec::with_capacity(items.len());
        let wall = format!("{:.6}", jiff::Timestamp::now());
        let monotonic_ns = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        for item in items {
            let draft = Draft {
                writer: &self.writer,
                epoch: self.cursor.epoch,
                seq,
                wall: &wall,
                monotonic_ns,
                kind: item.kind,
                peer: item.peer,
                data: &item.data,
            };
            head = write_line(&mut bytes, head, &draft);
            written.push(Written { seq, hash: head });
            seq = seq.saturating_add(1);
        }
        (bytes, written)
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

    /// Where the chain stands.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Durable bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The file, for checks.
    pub fn file(&self) -> &F {
        &self.file
    }
}

fn own(kind: Kind, data: &serde_json::Value) -> Item {
    Item {
        kind,
        peer: None,
        data: data.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use audit_event::Line;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    /// A disk that fails as it is told, and keeps after a crash only what was synced, and perhaps more.
    #[derive(Debug, Default)]
    struct Faulty {
        bytes: Vec<u8>,
        synced: usize,
        plan: VecDeque<Fault>,
    }

    #[derive(Debug, Clone, Copy)]
    enum Fault {
        None,
        ShortWrite(usize),
        NoSpace,
        SyncFails,
        /// A short write that cannot be cut off again.
        TruncateFails(usize),
    }

    impl LedgerFile for Faulty {
        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            match self.plan.front() {
                Some(Fault::ShortWrite(part) | Fault::TruncateFails(part)) => {
                    self.bytes.extend_from_slice(&bytes[..part % bytes.len()]);
                    Err(io::ErrorKind::StorageFull.into())
                }
                Some(Fault::NoSpace) => Err(io::ErrorKind::StorageFull.into()),
                _ => {
                    self.bytes.extend_from_slice(bytes);
                    Ok(())
                }
            }
        }

        fn sync(&mut self) -> io::Result<()> {
            if matches!(self.plan.front(), Some(Fault::SyncFails)) {
                return Err(io::Error::other("EIO"));
            }
            self.synced = self.bytes.len();
            Ok(())
        }

        fn truncate(&mut self, length: u64) -> io::Result<()> {
            if matches!(self.plan.front(), Some(Fault::TruncateFails(_))) {
                return Err(io::Error::other("EIO"));
            }
            self.bytes.truncate(usize::try_from(length).unwrap());
            Ok(())
        }
    }

    fn faults() -> impl Strategy<Value = Vec<Fault>> {
        let fault = prop_oneof![
            6 => Just(Fault::None),
            1 => (1_usize..500).prop_map(Fault::ShortWrite),
            1 => Just(Fault::NoSpace),
            1 => Just(Fault::SyncFails),
            1 => (1_usize..500).prop_map(Fault::TruncateFails),
        ];
        proptest::collection::vec(fault, 1..40)
    }

    proptest! {
        /// Whatever the disk does, what was acknowledged is in the synced part, in order, in an intact chain.
        #[test]
        fn acknowledged_is_durable(plan in faults(), sizes in proptest::collection::vec(1_usize..5, 40)) {
            let mut store = Store::new(Faulty::default(), 0, Cursor::start(), "w".to_owned());
            store.open_epoch(None).unwrap();
            let mut acknowledged = Vec::new();
            for (round, (fault, size)) in plan.iter().zip(&sizes).enumerate() {
                store.file.plan = VecDeque::from([*fault]);
                let items: Vec<Item> = (0..*size)
                    .map(|i| Item { kind: Kind::Event, peer: None, data: format!("{{\"r\":{round},\"i\":{i}}}") })
                    .collect();
                if let Ok(written) = store.commit(&items) {
                    acknowledged.extend(written.into_iter().zip(items));
                }
            }
            let durable = &store.file.bytes[..store.file.synced];
            let mut cursor = Cursor::start();
            let mut stored = Vec::new();
            for bytes in durable.split_inclusive(|b| *b == b'\n') {
                let line = Line::read(bytes.strip_suffix(b"\n").unwrap()).unwrap();
                cursor.step(&line).unwrap();
                stored.push((Written { seq: line.seq, hash: line.hash }, line.data.get().to_owned()));
            }
            let expected: Vec<_> = acknowledged.into_iter().map(|(written, item)| (written, item.data)).collect();
            prop_assert_eq!(&stored[1..], &expected[..]);
        }
    }
}
