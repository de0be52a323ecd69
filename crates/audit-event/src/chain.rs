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

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::fmt;
use thiserror::Error;

/// Domain separation, and the version of the format.
pub const DOMAIN: &[u8] = b"audit-chain/1";
/// `,"h":"` + 64 hex digits + `"}`.
const TAIL: usize = 6 + 64 + 2;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A decision.
    Event,
    /// How an allowed command ended.
    Exit,
    /// An approval or a refusal by a person.
    Approval,
    /// The writer started.
    #[serde(rename = "OPEN")]
    Open,
    /// The writer stopped in order; the ledger ends here until the next OPEN.
    #[serde(rename = "SEAL")]
    Seal,
    /// A torn last line was cut at the start; its bytes' length and hash are in the data.
    #[serde(rename = "RECOVER")]
    Recover,
    /// The tree so far, signed ([`crate::records`]).
    #[serde(rename = "CHECKPOINT")]
    Checkpoint,
    /// Old segments were removed lawfully; signed.
    #[serde(rename = "PRUNE")]
    Prune,
    /// What the sidecar was told at its start.
    #[serde(rename = "CONFIG")]
    Config,
    /// Something is known to be missing: records of a spool that were never delivered.
    #[serde(rename = "GAP")]
    Gap,
    /// A spool was taken in up to a number.
    #[serde(rename = "SPOOL")]
    Spool,
}

impl Kind {
    /// The name in the line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Event => "event",
            Kind::Exit => "exit",
            Kind::Approval => "approval",
            Kind::Open => "OPEN",
            Kind::Seal => "SEAL",
            Kind::Recover => "RECOVER",
            Kind::Checkpoint => "CHECKPOINT",
            Kind::Prune => "PRUNE",
            Kind::Config => "CONFIG",
            Kind::Gap => "GAP",
            Kind::Spool => "SPOOL",
        }
    }

    /// The kind with this name in the line.
    pub fn from_name(name: &str) -> Option<Kind> {
        KINDS.into_iter().find(|kind| kind.name() == name)
    }
}

const KINDS: [Kind; 11] = [
    Kind::Event,
    Kind::Exit,
    Kind::Approval,
    Kind::Open,
    Kind::Seal,
    Kind::Recover,
    Kind::Checkpoint,
    Kind::Prune,
    Kind::Config,
    Kind::Gap,
    Kind::Spool,
];

/// A hash in the chain.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What comes before the first record.
    pub const ZERO: Hash = Hash([0; 32]);

    /// Reads 64 lower-case hex digits.
    pub fn from_hex(text: &str) -> Option<Hash> {
        let bytes = text.as_bytes();
        if bytes.len() != 64 {
            return None;
        }
        let mut out = [0_u8; 32];
        for (byte, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = (digit(*high)? << 4) | digit(*low)?;
        }
        Some(Hash(out))
    }
}

fn digit(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(b.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

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

/// A line that was read and is whole in itself; whether it fits its neighbours is [`Line::follows`].
#[derive(Debug)]
pub struct Line {
    /// `w`
    pub writer: String,
    /// `e`
    pub epoch: u64,
    /// `n`
    pub seq: u64,
    /// `t`
    pub wall: String,
    /// `m`
    pub monotonic_ns: u64,
    /// `k`
    pub kind: Kind,
    /// `c`
    pub peer: Option<Peer>,
    /// `p`
    pub previous: Hash,
    /// `d`, as stored.
    pub data: Box<RawValue>,
    /// `h`
    pub hash: Hash,
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

/// A line's fields where they stand; whole in itself, but whether `data` is JSON was not looked at.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    /// `w`
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
    /// `p`
    pub previous: Hash,
    /// `d`, as stored.
    pub data: &'a str,
    /// `h`
    pub hash: Hash,
}

impl<'a> Fields<'a> {
    /// Finds the fields of one line (without its LF) and checks its own hash. The writer has one form for each record, so
    /// any other form is not a record: this reads faster than a JSON parser, and leaves nothing to interpret.
    ///
    /// # Errors
    /// [`Broken::Malformed`] or [`Broken::Edited`].
    pub fn read(bytes: &'a [u8]) -> Result<Fields<'a>, Broken> {
        let (fields, hashed) = Fields::split(bytes)?;
        if link(fields.previous, fields.seq, hashed.as_bytes()) == fields.hash {
            Ok(fields)
        } else {
            Err(Broken::Edited { seq: fields.seq })
        }
    }

    /// The same without looking at the hash: for readers that pass records on together with it.
    ///
    /// # Errors
    /// [`Broken::Malformed`].
    pub fn read_unchecked(bytes: &'a [u8]) -> Result<Fields<'a>, Broken> {
        Fields::split(bytes).map(|(fields, _)| fields)
    }

    /// The fields, and the part of the line that is hashed.
    fn split(bytes: &'a [u8]) -> Result<(Fields<'a>, &'a str), Broken> {
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("not UTF-8"))?;
        let split = text
            .len()
            .checked_sub(TAIL)
            .ok_or_else(|| malformed("too short"))?;
        let (hashed, tail) = text
            .split_at_checked(split)
            .ok_or_else(|| malformed("no hash at its end"))?;
        let hash = tail
            .strip_prefix(",\"h\":\"")
            .and_then(|tail| tail.strip_suffix("\"}"))
            .and_then(Hash::from_hex)
            .ok_or_else(|| malformed("no hash of 64 hex digits at its end"))?;
        let mut rest = Rest(hashed);
        let fields = Fields {
            writer: rest.string("{\"w\":\"")?,
            epoch: rest.number(",\"e\":")?,
            seq: rest.number(",\"n\":")?,
            wall: rest.string(",\"t\":\"")?,
            monotonic_ns: rest.number(",\"m\":")?,
            kind: Kind::from_name(rest.string(",\"k\":\"")?)
                .ok_or_else(|| malformed("an unknown kind; a newer version may know it"))?,
            peer: rest.peer()?,
            previous: Hash::from_hex(rest.string(",\"p\":\"")?)
                .ok_or_else(|| malformed("`p` is not 64 hex digits"))?,
            data: rest.data()?,
            hash,
        };
        Ok((fields, hashed))
    }
}

/// What of a line is still to be read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn expect(&mut self, literal: &str) -> Result<(), Broken> {
        let rest = self.0.strip_prefix(literal);
        self.0 = rest.ok_or_else(|| Broken::Malformed(format!("`{literal}` was expected")))?;
        Ok(())
    }

    /// A string without escapes, after `opening` (which ends with its quote).
    fn string(&mut self, opening: &str) -> Result<&'a str, Broken> {
        self.expect(opening)?;
        let end = self.0.find('"').ok_or_else(|| malformed("a string has no end"))?;
        let (text, rest) = self.0.split_at(end);
        if text.bytes().any(|b| b == b'\\' || b.is_ascii_control()) {
            return Err(malformed("a string has an escape where none can be"));
        }
        self.0 = rest.get(1..).unwrap_or_default();
        Ok(text)
    }

    /// A decimal number, after `opening`.
    fn number(&mut self, opening: &str) -> Result<u64, Broken> {
        self.expect(opening)?;
        let end = self
            .0
            .bytes()
            .position(|b| !b.is_ascii_digit())
            .unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        let number = digits.parse().map_err(|_| malformed("a number was expected"))?;
        if digits.len() > 1 && digits.starts_with('0') {
            return Err(malformed("a number begins with 0"));
        }
        self.0 = rest;
        Ok(number)
    }

    fn peer(&mut self) -> Result<Option<Peer>, Broken> {
        self.expect(",\"c\":")?;
        if let Some(rest) = self.0.strip_prefix("null") {
            self.0 = rest;
            return Ok(None);
        }
        let out_of_range = |_| malformed("an id is out of range");
        let uid = u32::try_from(self.number("{\"uid\":")?).map_err(out_of_range)?;
        let gid = u32::try_from(self.number(",\"gid\":")?).map_err(out_of_range)?;
        let pid = i32::try_from(self.number(",\"pid\":")?).map_err(out_of_range)?;
        self.expect("}")?;
        Ok(Some(Peer { uid, gid, pid }))
    }

    /// All that is left.
    fn data(&mut self) -> Result<&'a str, Broken> {
        self.expect(",\"d\":")?;
        Ok(std::mem::take(&mut self.0))
    }
}

impl Line {
    /// Reads one line (without its LF), checks its own hash, and that its data is JSON.
    ///
    /// # Errors
    /// [`Broken::Malformed`] or [`Broken::Edited`].
    pub fn read(bytes: &[u8]) -> Result<Line, Broken> {
        let fields = Fields::read(bytes)?;
        let data = RawValue::from_string(fields.data.to_owned())
            .map_err(|error| Broken::Malformed(format!("its data is not JSON: {error}")))?;
        Ok(Line {
            writer: fields.writer.to_owned(),
            epoch: fields.epoch,
            seq: fields.seq,
            wall: fields.wall.to_owned(),
            monotonic_ns: fields.monotonic_ns,
            kind: fields.kind,
            peer: fields.peer,
            previous: fields.previous,
            data,
            hash: fields.hash,
        })
    }

    /// The fields as [`Fields::read`] gives them.
    pub fn fields(&self) -> Fields<'_> {
        Fields {
            writer: &self.writer,
            epoch: self.epoch,
            seq: self.seq,
            wall: &self.wall,
            monotonic_ns: self.monotonic_ns,
            kind: self.kind,
            peer: self.peer,
            previous: self.previous,
            data: self.data.get(),
            hash: self.hash,
        }
    }
}

fn malformed(what: &str) -> Broken {
    Broken::Malformed(what.to_owned())
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ledger(count: u64) -> Vec<Vec<u8>> {
        let mut previous = Hash::ZERO;
        (0..count)
            .map(|seq| {
                let mut out = Vec::new();
                let data = format!(r#"{{"i":{seq},"text":"a \",\"h\":\" b"}}"#);
                let kind = if seq == 0 { Kind::Open } else { Kind::Event };
                let draft = Draft {
                    writer: "w1",
                    epoch: 1,
                    seq,
                    wall: "2026-04-07T14:32:01Z",
                    monotonic_ns: seq,
                    kind,
                    peer: Some(Peer {
                        uid: 1,
                        gid: 2,
                        pid: 3,
                    }),
                    data: &data,
                };
                previous = write_line(&mut out, previous, &draft);
                assert_eq!(out.pop(), Some(b'\n'));
                out
            })
            .collect()
    }

    fn walk(lines: &[Vec<u8>]) -> Result<Cursor, Broken> {
        let mut cursor = Cursor::start();
        for bytes in lines {
            cursor.step(&Line::read(bytes)?.fields())?;
        }
        Ok(cursor)
    }

    #[test]
    fn an_untouched_ledger_verifies() {
        let cursor = walk(&ledger(20)).unwrap();
        assert_eq!((cursor.next, cursor.epoch), (20, 1));
    }

    /// A test vector, so that another program can check its reading of the format.
    #[test]
    fn test_vector() {
        let mut out = Vec::new();
        let draft = Draft {
            writer: "w",
            epoch: 1,
            seq: 0,
            wall: "2026-01-01T00:00:00Z",
            monotonic_ns: 5,
            kind: Kind::Open,
            peer: None,
            data: "{}",
        };
        write_line(&mut out, Hash::ZERO, &draft);
        let zeros = "0".repeat(64);
        let head = format!(
            r#"{{"w":"w","e":1,"n":0,"t":"2026-01-01T00:00:00Z","m":5,"k":"OPEN","c":null,"p":"{zeros}","d":{{}}"#
        );
        let mut hasher = Sha256::new();
        hasher.update(b"audit-chain/1");
        hasher.update([0_u8; 32]);
        hasher.update([0_u8; 8]);
        hasher.update((head.len() as u64).to_be_bytes());
        hasher.update(head.as_bytes());
        let hex: String = hasher.finalize().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!("{head},\"h\":\"{hex}\"}}\n")
        );
    }

    #[test]
    fn dropping_doubling_and_swapping_are_named() {
        let whole = ledger(6);
        let mut dropped = whole.clone();
        dropped.remove(3);
        assert_eq!(
            walk(&dropped).unwrap_err(),
            Broken::Gap {
                expected: 3,
                found: 4
            }
        );
        let mut doubled = whole.clone();
        doubled.insert(3, whole[2].clone());
        assert_eq!(
            walk(&doubled).unwrap_err(),
            Broken::Gap {
                expected: 3,
                found: 2
            }
        );
        let mut swapped = whole.clone();
        swapped.swap(2, 3);
        assert_eq!(
            walk(&swapped).unwrap_err(),
            Broken::Gap {
                expected: 2,
                found: 3
            }
        );
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_found(line in 0_usize..8, at in 0_usize..10_000, flip in 1_u8..=255) {
            let mut lines = ledger(8);
            let target = &mut lines[line];
            let at = at % target.len();
            target[at] ^= flip;
            prop_assert!(walk(&lines).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Line::read(&bytes).is_err());
        }
    }
}
