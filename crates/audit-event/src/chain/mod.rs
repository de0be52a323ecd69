//! The ledger's lines and their hash chain (format `audit-chain/1`).
//!
//! One record is one line of JSON with a fixed key order, ended by LF:
//!
//! ```text
//! {"w":writer,"e":epoch,"n":seq,"t":wall,"m":monotonic,"k":kind,"c":peer,"p":prev,"d":data,"h":hash}
//! ```
//!
//! | key | value |
//! |---|---|
//! | `w` | the writer: a string that stays with the ledger's directory |
//! | `e` | the epoch: rises by one at each start of the writer |
//! | `n` | sequence number: 0 for the first record ever, then +1 without gaps |
//! | `t` | wall clock, RFC 3339 UTC |
//! | `m` | monotonic clock, nanoseconds |
//! | `k` | [`Kind`] |
//! | `c` | `{"uid":…,"gid":…,"pid":…}` as the kernel gave them for the peer, or `null` for the writer's own records |
//! | `p` | hex of the previous record's hash; 64 zeros for the first |
//! | `d` | the event's JSON exactly as received (one line), or the writer's own |
//! | `h` | hex of this record's hash |
//!
//! `hash = SHA-256("audit-chain/1" ‖ previous hash (32 bytes) ‖ u64(seq) ‖ u64(length) ‖ bytes)`, integers
//! big-endian, where `bytes` is the line up to and not including `,"h":`. Stored bytes are hashed; JSON is
//! never written anew to check it.

mod cursor;
mod hash;
mod kind;
mod line;
mod rest;
#[cfg(test)]
mod tests;

pub use cursor::Cursor;
pub use hash::Hash;
pub use kind::Kind;
pub use line::{Fields, Line};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Domain separation, and the version of the format.
pub const DOMAIN: &[u8] = b"audit-chain/1";

/// Who sent a record, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Process id, in the sidecar's namespace; 0 when it cannot be seen from there.
    pub pid: i32,
}

/// A record about to be written.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// See the module's table for each.
    pub writer: &'a str,
    /// `e`
    pub epoch: u64,
    /// `n`
    pub seq: u64,
    /// `t`
    pub wall: &'a str,
    /// `m`
    pub monotonic_ns: u64,
    /// `k`
    pub kind: Kind,
    /// `c`
    pub peer: Option<Peer>,
    /// `d`: one line of JSON, already checked.
    pub data: &'a str,
}

/// Writes `draft` as a whole line (LF included) onto `out` and returns its hash.
pub fn write_line(out: &mut Vec<u8>, previous: Hash, draft: &Draft<'_>) -> Hash {
    let start = out.len();
    let peer = draft.peer.map_or_else(
        || "null".to_owned(),
        |peer| format!(r#"{{"uid":{},"gid":{},"pid":{}}}"#, peer.uid, peer.gid, peer.pid),
    );
    let head = format!(
        r#"{{"w":{},"e":{},"n":{},"t":{},"m":{},"k":"{}","c":{peer},"p":"{previous}","d":"#,
        json_string(draft.writer),
        draft.epoch,
        draft.seq,
        json_string(draft.wall),
        draft.monotonic_ns,
        draft.kind.name(),
    );
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(draft.data.as_bytes());
    let hash = link(previous, draft.seq, out.get(start..).unwrap_or_default());
    out.extend_from_slice(format!(",\"h\":\"{hash}\"}}\n").as_bytes());
    hash
}

fn json_string(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

/// The chain's step.
pub fn link(previous: Hash, seq: u64, bytes: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(DOMAIN);
    hasher.update(previous.0);
    hasher.update(seq.to_be_bytes());
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
    Hash(hasher.finalize().into())
}

/// Why a line is not part of an intact ledger.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Broken {
    /// Not this format.
    #[error("not a ledger record: {0}")]
    Malformed(String),
    /// The line's own hash does not fit its bytes.
    #[error("record {seq} was edited: its hash does not fit its bytes")]
    Edited {
        /// `n` as the line has it.
        seq: u64,
    },
    /// The sequence jumps.
    #[error("record {expected} is missing: record {found} stands in its place")]
    Gap {
        /// The number that should be here.
        expected: u64,
        /// The number that is.
        found: u64,
    },
    /// The number is right, but the line does not continue the one before.
    #[error("record {seq} does not continue the record before it")]
    Unlinked {
        /// `n`
        seq: u64,
    },
    /// The epoch fell, or rose without an OPEN.
    #[error("record {seq} has epoch {found} where {expected} was expected")]
    Epoch {
        /// `n`
        seq: u64,
        /// The epoch that should be here.
        expected: u64,
        /// The epoch that is.
        found: u64,
    },
    /// Another writer's record.
    #[error("record {seq} is from another ledger")]
    Writer {
        /// `n`
        seq: u64,
    },
}
