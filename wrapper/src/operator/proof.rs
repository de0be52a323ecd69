//! `reeve audit prove` and `check-proof`: that a record is in the ledger that a checkpoint signs, and that one checkpoint's
//! ledger is the beginning of another's. A proof is one JSON object and needs nothing else to be checked but a root that is
//! trusted: from an anchor, or signed with a key that is.

use super::audit::record;
use super::cli::{CheckProof, Prove};
use super::query::each;
use super::{Failure, print};
use crate::exit::Exit;
use audit_event::chain::{Fields, Hash, Kind};
use audit_event::note::{Checkpoint, PublicKey};
use audit_event::tree::{self, Collector, Tree};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A proof.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Proof {
    /// That `line` is record `seq` of the `size` records with this root.
    Inclusion {
        seq: u64,
        line: String,
        size: u64,
        root: String,
        proof: Vec<String>,
        /// The signed checkpoint over `size` records, when there is one.
        checkpoint: Option<String>,
    },
    /// That the first `old_size` of `size` records have the root `old_root`.
    Consistency {
        old_size: u64,
        old_root: String,
        size: u64,
        root: String,
        proof: Vec<String>,
        checkpoint: Option<String>,
    },
}

/// What the first walk tells.
#[derive(Default)]
struct Extent {
    records: u64,
    signed: Option<(u64, String)>,
}

/// `reeve audit prove`.
///
/// # Errors
/// When the record cannot be read, or is too short.
pub fn prove(options: &Prove) -> Result<i32, Failure> {
    let record = record(options.record.as_deref())?;
    let least = options
        .seq
        .map(|seq| seq.saturating_add(1))
        .or(options.from)
        .unwrap_or(1);
    let extent = extent(&record, options.size)?;
    let size = match (options.size, &extent.signed) {
        (Some(size), _) => size,
        (None, Some((size, _))) if *size >= least => *size,
        _ => extent.records,
    };
    if size < least || size > extent.records {
        let message = format!(
            "the record has {} records; the proof would need {}",
            extent.records,
            size.max(least)
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    let checkpoint = extent
        .signed
        .filter(|(signed, _)| *signed == size)
        .map(|(_, note)| note);
    let proof = match (options.seq, options.from) {
        (Some(seq), _) => inclusion(&record, seq, size, checkpoint)?,
        (None, Some(old)) if old > 0 => consistency(&record, old, size, checkpoint)?,
        _ => {
            return Err(Failure::new(
                Exit::Usage,
                "name a record's number, or --from SIZE of at least 1",
            ));
        }
    };
    let json =
        serde_json::to_string(&proof).map_err(|error| Failure::new(Exit::Unreadable, error.to_string()))?;
    print(&format!("{json}\n"))?;
    Ok(Exit::Ok.code())
}

/// How long the record is, and the last checkpoint (over exactly `wanted` records, when that is named).
fn extent(record: &Path, wanted: Option<u64>) -> Result<Extent, Failure> {
    #[derive(Deserialize)]
    struct Noted {
        note: String,
    }
    let mut extent = Extent::default();
    each(record, |line, _| {
        if line.seq != extent.records {
            let message = format!("record {} is missing, so nothing can be proved", extent.records);
            return Err(Failure::new(Exit::Unreadable, message));
        }
        extent.records = line.seq.saturating_add(1);
        let is_signed = matches!(line.kind, Kind::Checkpoint | Kind::Seal);
        if is_signed && wanted.is_none_or(|wanted| wanted == line.seq) {
            let noted: Option<Noted> = serde_json::from_str(line.data).ok();
            extent.signed = noted.map(|noted| (line.seq, noted.note));
        }
        Ok(())
    })?;
    Ok(extent)
}

fn inclusion(record: &Path, seq: u64, size: u64, checkpoint: Option<String>) -> Result<Proof, Failure> {
    let mut text = String::new();
    let (proof, root, _) = walk(
        record,
        size,
        0,
        tree::inclusion_ranges(seq, size),
        |line, bytes| {
            if line.seq == seq {
                text = String::from_utf8_lossy(bytes).into_owned();
            }
        },
    )?;
    Ok(Proof::Inclusion {
        seq,
        line: text,
        size,
        root,
        proof,
        checkpoint,
    })
}

fn consistency(
    record: &Path,
    old_size: u64,
    size: u64,
    checkpoint: Option<String>,
) -> Result<Proof, Failure> {
    let ranges = tree::consistency_ranges(old_size, size);
    let (proof, root, old_root) = walk(record, size, old_size, ranges, |_, _| {})?;
    Ok(Proof::Consistency {
        old_size,
        old_root,
        size,
        root,
        proof,
        checkpoint,
    })
}

/// One walk over the first `size` records: the subtrees' hashes, the root, and the root at `old`.
fn walk(
    record: &Path,
    size: u64,
    old: u64,
    ranges: Vec<std::ops::Range<u64>>,
    mut see: impl FnMut(&Fields<'_>, &[u8]),
) -> Result<(Vec<String>, String, String), Failure> {
    let mut collector = Collector::new(ranges);
    let mut all = Tree::default();
    let mut old_root = all.root();
    each(record, |line, bytes| {
        if line.seq < size {
            let leaf = tree::leaf(bytes);
            collector.push(leaf);
            all.push(leaf);
            see(line, bytes);
            if all.size() == old {
                old_root = all.root();
            }
        }
        Ok(())
    })?;
    let hashes = collector
        .finish()
        .ok_or_else(|| Failure::new(Exit::Unreadable, "records are missing, so nothing can be proved"))?;
    Ok((
        hashes.iter().map(ToString::to_string).collect(),
        all.root().to_string(),
        old_root.to_string(),
    ))
}

/// `reeve audit check-proof`.
///
/// # Errors
/// When the file cannot be read (3); a proof that does not hold is exit 2.
pub fn check(options: &CheckProof) -> Result<i32, Failure> {
    let text = std::fs::read_to_string(&options.proof)
        .map_err(|error| Failure::new(Exit::Unreadable, format!("{}: {error}", options.proof.display())))?;
    let proof: Proof = serde_json::from_str(&text)
        .map_err(|error| Failure::new(Exit::Unreadable, format!("{}: {error}", options.proof.display())))?;
    match judge(&proof, options) {
        Ok(says) => {
            print(&format!("holds: {says}\n"))?;
            Ok(Exit::Ok.code())
        }
        Err(why) => Err(Failure::new(Exit::Tampered, format!("does not hold: {why}"))),
    }
}

fn judge(proof: &Proof, options: &CheckProof) -> Result<String, String> {
    let (size, root, checkpoint, says) = match proof {
        Proof::Inclusion {
            seq,
            line,
            size,
            root,
            proof,
            checkpoint,
        } => {
            let fields = Fields::read(line.as_bytes()).map_err(|broken| broken.to_string())?;
            if fields.seq != *seq {
                return Err(format!("the line is record {}, not {seq}", fields.seq));
            }
            if !tree::includes(
                tree::leaf(line.as_bytes()),
                *seq,
                *size,
                &hashes(proof)?,
                hash(root)?,
            ) {
                return Err("the hashes do not lead from the line to the root".to_owned());
            }
            (
                *size,
                root,
                checkpoint,
                format!("record {seq} is among the first {size} records"),
            )
        }
        Proof::Consistency {
            old_size,
            old_root,
            size,
            root,
            proof,
            checkpoint,
        } => {
            if !tree::extends(*old_size, hash(old_root)?, *size, hash(root)?, &hashes(proof)?) {
                return Err("the hashes do not lead from the old root to the new one".to_owned());
            }
            let says = format!(
                "the first {old_size} records (root {old_root}) are the beginning of the first {size}"
            );
            (*size, root, checkpoint, says)
        }
    };
    trusted(size, hash(root)?, checkpoint.as_deref(), options).map(|by| format!("{says}; the root is {by}"))
}

/// Where the root is known from, besides the proof itself.
fn trusted(size: u64, root: Hash, note: Option<&str>, options: &CheckProof) -> Result<String, String> {
    if let Some(path) = &options.anchor {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let anchor = Checkpoint::read(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        if (anchor.size, anchor.root) != (size, root) {
            return Err(format!(
                "the anchor is over {} records with root {}",
                anchor.size, anchor.root
            ));
        }
        return Ok("the anchor's".to_owned());
    }
    let Some(key) = &options.key else {
        return Ok("not compared with anything; give --anchor or --key".to_owned());
    };
    let (_, key) = PublicKey::read(key).map_err(|error| error.to_string())?;
    let note = note.ok_or("the proof carries no signed checkpoint")?;
    let signed = Checkpoint::open(note, &key).map_err(|error| error.to_string())?;
    if (signed.size, signed.root) == (size, root) {
        Ok("signed with that key".to_owned())
    } else {
        Err(format!(
            "the checkpoint is over {} records with root {}",
            signed.size, signed.root
        ))
    }
}

fn hash(text: &str) -> Result<Hash, String> {
    Hash::from_hex(text).ok_or_else(|| {
        format!(
            "`{}` is not 64 hex digits",
            text.chars().take(80).collect::<String>()
        )
    })
}

fn hashes(texts: &[String]) -> Result<Vec<Hash>, String> {
    texts.iter().map(|text| hash(text)).collect()
}
