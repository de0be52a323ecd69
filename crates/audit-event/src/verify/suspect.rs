//! A line that does not continue the one before it, and what the line after it shows was done.

use super::{Attack, Fault, State, Verifier};
use crate::chain::{Broken, Fields, Hash};

/// A line that does not continue the one before it; the next line tells what was done.
#[derive(Debug)]
pub(super) struct Suspect {
    pub(super) broken: Broken,
    pub(super) line: u64,
    pub(super) file: String,
    pub(super) seq: u64,
    pub(super) hash: Hash,
    pub(super) is_first_of_segment: bool,
}

impl Verifier {
    /// Says what was done, now that the line after the suspect is known.
    pub(super) fn convict(&mut self, suspect: Suspect, next: Option<&Fields<'_>>) {
        let expected = self.cursor.next;
        let (attack, what) = match &suspect.broken {
            Broken::Gap { found, .. } if *found > expected => {
                if next.is_some_and(|next| next.seq == expected) {
                    (
                        Attack::Swapped,
                        format!("; record {expected} follows it: they changed places"),
                    )
                } else if suspect.is_first_of_segment && suspect.line == 1 && expected > 0 {
                    let attack = if self.cursor.is_sealed() {
                        Attack::SegmentRemoved
                    } else {
                        Attack::Cut
                    };
                    (
                        attack,
                        format!(", in a new segment; the records before it are gone since record {expected}"),
                    )
                } else {
                    (Attack::Dropped, String::new())
                }
            }
            Broken::Gap { found, .. } => {
                if suspect.hash == self.cursor.head || found.saturating_add(1) < expected {
                    (
                        Attack::Duplicated,
                        format!("; record {found} stands there for a second time"),
                    )
                } else {
                    (
                        Attack::Inserted,
                        format!("; two different records claim the number {found}"),
                    )
                }
            }
            Broken::Unlinked { .. } if next.is_some_and(|next| next.seq == expected) => {
                (Attack::Inserted, "; the record that does follows it".to_owned())
            }
            Broken::Unlinked { .. } => (Attack::Edited, "; one of the two was written anew".to_owned()),
            Broken::Writer { .. } => (Attack::Foreign, String::new()),
            Broken::Epoch { .. } => (Attack::Stripped, "; an OPEN is missing".to_owned()),
            Broken::Malformed(_) | Broken::Edited { .. } => (Attack::Edited, String::new()),
        };
        let fault = Fault {
            file: suspect.file,
            line: suspect.line,
            seq: suspect.seq.min(expected),
            attack: Some(attack),
            what: format!("{}{what}", suspect.broken),
        };
        self.fault = Some((State::Tampered, fault));
    }
}
