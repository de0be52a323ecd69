//! The walk along the chain: whether each line continues the one before it.

use super::{Broken, Fields, Hash, Kind};

/// Where a walk along the chain stands.
#[derive(Debug, Clone)]
pub struct Cursor {
    /// The number the next record must have.
    pub next: u64,
    /// The hash the next record must name.
    pub head: Hash,
    /// The epoch of the last record.
    pub epoch: u64,
    /// The last record's kind; `None` before the first.
    pub last: Option<Kind>,
    /// The ledger's writer; `None` before the first.
    pub writer: Option<String>,
}

impl Cursor {
    /// Before `open`, the OPEN of the first segment that is left.
    pub fn before(open: &Fields<'_>) -> Self {
        Cursor {
            next: open.seq,
            head: open.previous,
            epoch: open.epoch.saturating_sub(1),
            last: None,
            writer: None,
        }
    }

    /// Before the first record.
    pub fn start() -> Self {
        Cursor {
            next: 0,
            head: Hash::ZERO,
            epoch: 0,
            last: None,
            writer: None,
        }
    }

    /// Whether `line` continues the chain here.
    ///
    /// # Errors
    /// Names how it does not.
    pub fn check(&self, line: &Fields<'_>) -> Result<(), Broken> {
        let seq = line.seq;
        if seq != self.next {
            return Err(Broken::Gap {
                expected: self.next,
                found: seq,
            });
        }
        if line.previous != self.head {
            return Err(Broken::Unlinked { seq });
        }
        if self.writer.as_deref().is_some_and(|writer| writer != line.writer) {
            return Err(Broken::Writer { seq });
        }
        let expected = if line.kind == Kind::Open {
            self.epoch.saturating_add(1)
        } else {
            self.epoch
        };
        if line.epoch != expected {
            return Err(Broken::Epoch {
                seq,
                expected,
                found: line.epoch,
            });
        }
        Ok(())
    }

    /// Takes the step over `line`.
    ///
    /// # Errors
    /// As [`Cursor::check`]; the cursor is then unchanged.
    pub fn step(&mut self, line: &Fields<'_>) -> Result<(), Broken> {
        self.check(line)?;
        self.next = self.next.saturating_add(1);
        self.head = line.hash;
        self.epoch = line.epoch;
        self.last = Some(line.kind);
        if self.writer.is_none() {
            self.writer = Some(line.writer.to_owned());
        }
        Ok(())
    }

    /// Whether the ledger ends with a SEAL.
    pub fn is_sealed(&self) -> bool {
        self.last == Some(Kind::Seal)
    }
}
