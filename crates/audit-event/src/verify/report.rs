//! What the walk says: the ledger's state, what was done to it and where, and the report of it all.

use serde::Serialize;

/// What the walk says of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Whole, and ends with a signed SEAL.
    Sealed,
    /// Whole as far as it is signed; nothing signed stands at its end.
    Unsealed,
    /// Changed after it was written.
    Tampered,
    /// Not something that this version can judge.
    Unreadable,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// Bytes of a record were changed.
    Edited,
    /// Records are missing.
    Dropped,
    /// A record stands twice.
    Duplicated,
    /// Two records changed places.
    Swapped,
    /// A record was put in that was not written there.
    Inserted,
    /// A record of another ledger.
    Foreign,
    /// Whole segments are missing.
    SegmentRemoved,
    /// The end is missing.
    Cut,
    /// An older state was put back.
    RolledBack,
    /// Records were changed and the chain computed anew: a signed root does not fit.
    Rewritten,
    /// Signed with a key that is not this epoch's.
    WrongKey,
    /// A signed record whose signature does not fit.
    BadSignature,
    /// Signatures were left out.
    Stripped,
    /// Another history than the anchor's.
    Forked,
}

/// Where a ledger is not whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Which file, as the caller named it.
    pub file: String,
    /// Which line, from 1.
    pub line: u64,
    /// The number of the record at fault, or that should be there.
    pub seq: u64,
    /// What was done; absent when nothing was (unsealed, unreadable).
    pub attack: Option<Attack>,
    /// The same in words.
    pub what: String,
}

/// What the walk found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The state.
    pub verify: State,
    /// What is wrong, and where; absent when sealed.
    pub fault: Option<Fault>,
    /// The ledger's id.
    pub writer: String,
    /// Records that were read and are intact.
    pub records: u64,
    /// Decisions among them.
    pub events: u64,
    /// `ALLOWED`
    pub allowed: u64,
    /// `BLOCKED`
    pub blocked: u64,
    /// `ESCALATED`
    pub escalated: u64,
    /// Records after the last signed one.
    pub unsigned_tail: u64,
    /// The last epoch.
    pub epoch: u64,
    /// The first record's number; not 0 when old segments were removed lawfully.
    pub first: u64,
    /// The chain's head, hex.
    pub head: String,
    /// The tree's size.
    pub size: u64,
    /// The tree's root, hex.
    pub root: String,
    /// How many anchors were compared.
    pub anchors: u64,
}
