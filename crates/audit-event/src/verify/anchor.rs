//! Anchors: later words on a ledger from elsewhere, how one is read, and how the walk compares them with what it finds.

use super::{Attack, Fault, State, Verifier};
use crate::chain::{Fields, Hash};
use crate::note::{Checkpoint, NoteError};
use crate::records::origin;
use serde::Deserialize;

/// A later word on the ledger, from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anchor {
    /// A signed checkpoint.
    Checkpoint(Checkpoint),
    /// A record's number and hash, as each exported event carries them.
    Row {
        /// `n`
        seq: u64,
        /// `h`
        hash: Hash,
    },
}

impl Anchor {
    /// Reads a file with one anchor: a note, or a JSON object with `seq` and `hash`. Of several JSON lines, the last.
    ///
    /// # Errors
    /// When it is neither.
    pub fn read(text: &str) -> Result<Anchor, NoteError> {
        #[derive(Deserialize)]
        struct Row {
            seq: u64,
            hash: String,
        }
        if !text.trim_start().starts_with('{') {
            return Checkpoint::read(text).map(Anchor::Checkpoint);
        }
        let last = text
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        serde_json::from_str::<Row>(last)
            .ok()
            .and_then(|row| {
                Some(Anchor::Row {
                    seq: row.seq,
                    hash: Hash::from_hex(&row.hash)?,
                })
            })
            .ok_or(NoteError::Malformed(
                "a JSON line with `seq` and `hash` was expected",
            ))
    }

    /// How many records the ledger must have at least.
    fn size(&self) -> u64 {
        match self {
            Anchor::Checkpoint(checkpoint) => checkpoint.size,
            Anchor::Row { seq, .. } => seq.saturating_add(1),
        }
    }
}

impl Verifier {
    pub(super) fn compare_checkpoints(&mut self) -> Result<(), (State, Box<Fault>)> {
        for anchor in &self.anchors {
            let Anchor::Checkpoint(checkpoint) = anchor else {
                continue;
            };
            if checkpoint.size != self.tree.size() {
                continue;
            }
            let root = self.tree.root();
            if checkpoint.root != root {
                let what = format!(
                    "the anchor has root {} for the first {} records, but here they have root {root}",
                    checkpoint.root, checkpoint.size
                );
                return Err(self.tampered(Attack::Forked, self.cursor.next, what));
            }
            self.compared = self.compared.saturating_add(1);
        }
        Ok(())
    }

    pub(super) fn compare_rows(&mut self, line: &Fields<'_>) -> Result<(), (State, Box<Fault>)> {
        for anchor in &self.anchors {
            let Anchor::Row { seq, hash } = anchor else {
                continue;
            };
            if *seq != line.seq {
                continue;
            }
            if *hash != line.hash {
                let what = format!(
                    "the anchor has hash {hash} for record {seq}, but here it is {}",
                    line.hash
                );
                return Err(self.tampered(Attack::Forked, *seq, what));
            }
            self.compared = self.compared.saturating_add(1);
        }
        Ok(())
    }

    pub(super) fn judge_anchors(&mut self) -> Option<(State, Fault)> {
        if let Err((state, fault)) = self.compare_checkpoints() {
            return Some((state, *fault));
        }
        let own = origin(self.cursor.writer.as_deref().unwrap_or_default());
        for anchor in &self.anchors {
            let mut newer = self.cursor.is_sealed();
            if let Anchor::Checkpoint(checkpoint) = anchor {
                if checkpoint.origin != own {
                    let what = format!(
                        "the anchor is a checkpoint of `{}`, but this ledger is `{own}`",
                        checkpoint.origin
                    );
                    return Some((State::Unreadable, self.fault(None, 0, what)));
                }
                let epoch = checkpoint
                    .extension("epoch")
                    .and_then(|epoch| epoch.parse::<u64>().ok());
                newer |= epoch.is_some_and(|epoch| epoch > self.cursor.epoch);
            }
            if anchor.size() > self.cursor.next {
                let attack = if newer { Attack::RolledBack } else { Attack::Cut };
                let what = format!(
                    "the anchor knows {} records, but here are {}: {}",
                    anchor.size(),
                    self.cursor.next,
                    if newer {
                        "an older state was put back, or the last segments removed"
                    } else {
                        "the end was cut off"
                    }
                );
                return Some((State::Tampered, self.fault(Some(attack), self.cursor.next, what)));
            }
        }
        None
    }
}
