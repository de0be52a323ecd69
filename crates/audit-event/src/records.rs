//! What the writer's own records say, and how each is signed.
//!
//! | kind | data |
//! |---|---|
//! | OPEN | `{"format","version","pid","segment","tree","key","note"}` |
//! | CHECKPOINT | `{"note"}` |
//! | SEAL | `{"records","note"}` |
//! | PRUNE | `{"through","note"}` |
//! | RECOVER | `{"bytes","sha256","acknowledged"}` |
//! | CONFIG, GAP, SPOOL | for reading; chained like all, not signed by themselves |
//!
//! Each `note` is a checkpoint ([`crate::note`]) of the tree *before* its record, so its size is the record's sequence
//! number. Extension lines, in this order:
//!
//! | word | in | value |
//! |---|---|---|
//! | `kind` | all | the record's kind: a signature for one purpose serves no other |
//! | `epoch` | all | the record's epoch |
//! | `head` | all | hex of the chain's head before the record |
//! | `segment` | OPEN | the segment's number, from 1 |
//! | `key` | OPEN | the verifier key of the epoch that begins |
//! | `through` | PRUNE | the highest segment that was removed |
//!
//! An OPEN is signed with the key of the epoch *before* it, the first one with its own. `tree` holds the tree's perfect
//! subtrees before the record (hex, the largest first): a walk may begin at any segment.

use crate::chain::{Fields, Hash, Kind};
use crate::note::{Checkpoint, NoteError, PublicKey, SecretKey};
use crate::tree::Tree;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The format that OPEN names.
pub const FORMAT: &str = "audit-chain/1";

/// The name of a ledger, as its checkpoints have it.
pub fn origin(writer: &str) -> String {
    format!("reeve/ledger/{writer}")
}

/// Where a note stands.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The ledger's id.
    pub writer: &'a str,
    /// The tree before the record.
    pub tree: &'a Tree,
    /// The chain's head before the record.
    pub head: Hash,
    /// The record's epoch.
    pub epoch: u64,
}

/// The data of OPEN.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Open {
    /// [`FORMAT`].
    pub format: String,
    /// The program's version.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// The segment's number, from 1.
    pub segment: u64,
    /// The tree's perfect subtrees before this record, hex.
    pub tree: Vec<String>,
    /// The verifier key of this epoch.
    pub key: String,
    /// Signed with the key of the epoch before.
    pub note: String,
}

/// The data of CHECKPOINT.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Signed {
    /// The note.
    pub note: String,
}

/// The data of SEAL.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Seal {
    /// How many records there are before it.
    pub records: u64,
    /// The note.
    pub note: String,
}

/// The data of PRUNE.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Prune {
    /// The highest segment that was removed; all before it were removed earlier.
    pub through: u64,
    /// The note.
    pub note: String,
}

/// The note of a record of this kind.
pub fn note(kind: Kind, place: &Place<'_>, more: &[(&str, String)], key: &SecretKey) -> String {
    let own = [
        ("kind", kind.name().to_owned()),
        ("epoch", place.epoch.to_string()),
        ("head", place.head.to_string()),
    ];
    let checkpoint = Checkpoint {
        origin: origin(place.writer),
        size: place.tree.size(),
        root: place.tree.root(),
        extensions: own
            .iter()
            .chain(more)
            .map(|(word, value)| ((*word).to_owned(), value.clone()))
            .collect(),
    };
    checkpoint.sign(key)
}

impl Open {
    /// OPEN of `segment`, naming the key `new`, signed with `old`.
    pub fn new(
        place: &Place<'_>,
        segment: u64,
        version: &str,
        pid: u32,
        new: &PublicKey,
        old: &SecretKey,
    ) -> Open {
        let key = new.text(&origin(place.writer));
        let more = [("segment", segment.to_string()), ("key", key.clone())];
        Open {
            format: FORMAT.to_owned(),
            version: version.to_owned(),
            pid,
            segment,
            tree: place.tree.peaks().iter().map(ToString::to_string).collect(),
            note: note(Kind::Open, place, &more, old),
            key,
        }
    }

    /// The tree before this record.
    pub fn tree(&self, size: u64) -> Option<Tree> {
        let peaks: Option<Vec<Hash>> = self.tree.iter().map(|peak| Hash::from_hex(peak)).collect();
        Tree::from_parts(size, peaks?)
    }

    /// The key of this epoch.
    ///
    /// # Errors
    /// When it is not a verifier key.
    pub fn key(&self) -> Result<PublicKey, NoteError> {
        PublicKey::read(&self.key).map(|(_, key)| key)
    }
}

/// Why a signed record is not one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unsigned {
    /// Its note is not one, or not signed with the right key.
    #[error("{0}")]
    Note(#[from] NoteError),
    /// Its note is about something else.
    #[error("its note says {what} `{said}` where `{expected}` is")]
    Differs {
        /// Which line of the note.
        what: &'static str,
        /// What the note says.
        said: String,
        /// What is so.
        expected: String,
    },
    /// The tree's root is another.
    #[error("its note signs root {signed} of {size} records, but these records have root {computed}")]
    Root {
        /// How many.
        size: u64,
        /// In the note.
        signed: Hash,
        /// Of the records.
        computed: Hash,
    },
}

/// Checks the note of a signed record against what stands before it.
///
/// # Errors
/// Names what does not fit.
pub fn check(
    note: &str,
    line: &Fields<'_>,
    tree: &Tree,
    more: &[(&'static str, &str)],
    key: &PublicKey,
) -> Result<Checkpoint, Unsigned> {
    let checkpoint = Checkpoint::open(note, key)?;
    let same = |what: &'static str, said: &str, expected: &str| {
        if said == expected {
            return Ok(());
        }
        Err(Unsigned::Differs {
            what,
            said: said.chars().take(120).collect(),
            expected: expected.to_owned(),
        })
    };
    same("origin", &checkpoint.origin, &origin(line.writer))?;
    same("size", &checkpoint.size.to_string(), &line.seq.to_string())?;
    let said = |word| checkpoint.extension(word).unwrap_or("nothing");
    same("kind", said("kind"), line.kind.name())?;
    same("epoch", said("epoch"), &line.epoch.to_string())?;
    same("head", said("head"), &line.previous.to_string())?;
    for (word, expected) in more {
        same(word, said(word), expected)?;
    }
    let computed = tree.root();
    if checkpoint.root == computed {
        Ok(checkpoint)
    } else {
        Err(Unsigned::Root {
            size: checkpoint.size,
            signed: checkpoint.root,
            computed,
        })
    }
}
