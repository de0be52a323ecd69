//! The ledger over a disk that fails as it is told, and then loses power. Whatever happens: what was acknowledged is there
//! after the restart, once and in order, and the ledger goes on.

use super::Ledger;
use super::file::{LedgerFile, Volume, segment_name};
use super::reader::Reader;
use super::store::{Beginning, CommitError, Item, Store};
use audit_event::chain::{Cursor, Kind};
use audit_event::tree::Tree;
use audit_event::verify::{Checked, State, Verifier};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::rc::Rc;

const WRITER: &str = "0123456789abcdef";

/// What goes wrong with the next operation of the kind it is about.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    ShortWrite(usize),
    NoSpace,
    SyncFails,
    /// A short write that cannot be cut off again.
    TruncateFails(usize),
    /// The new segment cannot be made.
    CreateFails,
    /// The new segment is made, but its directory entry cannot be made durable.
    EntryLost,
    KeepKeyFails,
    PromoteFails,
    /// After so many more operations nothing works any more; the one at the end is half done.
    PowerLoss(usize),
}

/// So much of a segment reaches the disk as a whole. Smaller than a page, so that records have several.
const PIECE: usize = 100;
/// So much room is made.
const ROOM: usize = 3000;

#[derive(Debug, Default)]
struct Segment {
    bytes: Vec<u8>,
    /// Where the records end; room follows.
    end: usize,
    /// What is on the disk for certain.
    durable: Vec<u8>,
    /// The least length since then.
    cut: Option<usize>,
    /// Whether its directory entry is durable.
    is_named: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Keys {
    present: Option<[u8; 32]>,
    next: Option<[u8; 32]>,
}

#[derive(Debug, Default)]
struct Disk {
    segments: BTreeMap<u64, Segment>,
    keys: Keys,
    durable_keys: Keys,
    seeds: u8,
    fault: Option<Fault>,
    power: Option<usize>,
}

fn eio() -> io::Error {
    io::Error::other("EIO")
}

impl Disk {
    /// Counts an operation; an error when the power is gone, `true` when it goes just now.
    fn operate(&mut self) -> io::Result<bool> {
        match &mut self.power {
            None => Ok(false),
            Some(0) => Err(eio()),
            Some(left) => {
                *left -= 1;
                Ok(*left == 0)
            }
        }
    }

    fn fails(&mut self, fault: Fault) -> bool {
        let hit = self.fault == Some(fault);
        if hit {
            self.fault = None;
        }
        hit
    }
}

#[derive(Debug, Clone)]
struct FaultyVolume(Rc<RefCell<Disk>>);

#[derive(Debug)]
struct FaultyFile(Rc<RefCell<Disk>>, u64);

impl LedgerFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let disk = &mut *self.0.borrow_mut();
        let dies = disk.operate()?;
        let fault = disk.fault;
        let Some(segment) = disk.segments.get_mut(&self.1) else {
            return Err(eio());
        };
        let part = match fault {
            _ if dies => bytes.len() / 2,
            Some(Fault::ShortWrite(part) | Fault::TruncateFails(part)) => part % bytes.len(),
            Some(Fault::NoSpace) => 0,
            _ => {
                segment.write(bytes);
                segment.end += bytes.len();
                return Ok(());
            }
        };
        segment.write(&bytes[..part]);
        if matches!(fault, Some(Fault::ShortWrite(_) | Fault::NoSpace)) {
            disk.fault = None;
        }
        Err(io::ErrorKind::StorageFull.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        let disk = &mut *self.0.borrow_mut();
        if disk.operate()? || disk.fails(Fault::SyncFails) {
            return Err(eio());
        }
        let Some(segment) = disk.segments.get_mut(&self.1) else {
            return Err(eio());
        };
        segment.durable = segment.bytes.clone();
        segment.cut = None;
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let disk = &mut *self.0.borrow_mut();
        if disk.operate()? || matches!(disk.fault, Some(Fault::TruncateFails(_))) {
            return Err(eio());
        }
        let Some(segment) = disk.segments.get_mut(&self.1) else {
            return Err(eio());
        };
        segment.truncate(usize::try_from(length).unwrap());
        Ok(())
    }

    fn cut_room(&mut self) -> io::Result<()> {
        let end = self
            .0
            .borrow()
            .segments
            .get(&self.1)
            .map_or(0, |segment| segment.end);
        self.truncate(end as u64)
    }

    fn room(&self) -> u64 {
        let disk = self.0.borrow();
        let room = disk
            .segments
            .get(&self.1)
            .map_or(0, |segment| segment.bytes.len() - segment.end);
        room as u64
    }

    fn make_room(&mut self) -> io::Result<bool> {
        let disk = &mut *self.0.borrow_mut();
        if disk.operate()? || disk.fails(Fault::NoSpace) {
            return Err(eio());
        }
        let segment = disk.segments.get_mut(&self.1).ok_or_else(eio)?;
        segment.bytes.resize(segment.end + ROOM, 0);
        Ok(false)
    }
}

impl Segment {
    /// Behind the records.
    fn write(&mut self, bytes: &[u8]) {
        let behind = self.end + bytes.len();
        if self.bytes.len() < behind {
            self.bytes.resize(behind, 0);
        }
        self.bytes[self.end..behind].copy_from_slice(bytes);
    }

    fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
        self.end = self.end.min(length);
        self.cut = Some(self.cut.map_or(length, |before| before.min(length)));
    }

    /// What is there after the power was lost. Of what is beyond the durable end a beginning is kept; of what was written over,
    /// any of its pieces; and a cut may not have been.
    fn after_power_loss(&self, mut chance: usize) -> Vec<u8> {
        let mut draw = |sides: usize| {
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (chance >> 33) % sides
        };
        if self.cut.is_some_and(|cut| cut < self.durable.len()) && draw(2) == 0 {
            return self.durable.clone();
        }
        let old = self
            .durable
            .len()
            .min(self.cut.unwrap_or(usize::MAX))
            .min(self.bytes.len());
        let mut kept = self.bytes[..old].to_vec();
        for (kept, before) in kept.chunks_mut(PIECE).zip(self.durable[..old].chunks(PIECE)) {
            if draw(2) == 0 {
                kept.copy_from_slice(before);
            }
        }
        let beyond = &self.bytes[old..];
        kept.extend_from_slice(&beyond[..draw(beyond.len() + 1)]);
        kept
    }
}

impl Volume for FaultyVolume {
    type File = FaultyFile;

    fn create(&mut self, number: u64) -> io::Result<FaultyFile> {
        let disk = &mut *self.0.borrow_mut();
        if disk.operate()? || disk.fails(Fault::CreateFails) {
            return Err(eio());
        }
        let is_named = !disk.fails(Fault::EntryLost);
        let segment = disk.segments.entry(number).or_default();
        segment.is_named |= is_named;
        if is_named {
            Ok(FaultyFile(Rc::clone(&self.0), number))
        } else {
            Err(eio())
        }
    }

    fn remove(&mut self, segment: u64) -> io::Result<()> {
        let disk = &mut *self.0.borrow_mut();
        if disk.operate()? {
            return Err(eio());
        }
        disk.segments.remove(&segment);
        Ok(())
    }

    fn keep_next_key(&mut self, seed: &[u8; 32]) -> io::Result<()> {
        let disk = &mut *self.0.borrow_mut();
        disk.keys.next = Some(*seed);
        if disk.operate()? || disk.fails(Fault::KeepKeyFails) {
            return Err(eio());
        }
        disk.durable_keys.next = Some(*seed);
        Ok(())
    }

    fn promote_key(&mut self) -> io::Result<()> {
        let disk = &mut *self.0.borrow_mut();
        let dies = disk.operate()?;
        // The old key is erased in place first, then the name changes; either may be the last that happens.
        disk.keys.present = Some([0; 32]);
        disk.durable_keys.present = Some([0; 32]);
        if dies {
            return Err(eio());
        }
        disk.keys = Keys {
            present: disk.keys.next,
            next: None,
        };
        if disk.fails(Fault::PromoteFails) {
            return Err(eio());
        }
        disk.durable_keys = disk.keys;
        Ok(())
    }

    fn show_checkpoint(&mut self, _note: &str) -> io::Result<()> {
        Ok(())
    }

    fn random(&mut self) -> io::Result<[u8; 32]> {
        let disk = &mut *self.0.borrow_mut();
        disk.seeds += 1;
        Ok([disk.seeds; 32])
    }
}

/// What is on the disk after the power is back: all that was synced, and of the rest what chance has kept.
fn crash_into(disk: &Disk, directory: &Path, kept: usize) {
    for (number, segment) in &disk.segments {
        if !segment.is_named && kept.is_multiple_of(2) {
            continue;
        }
        let found = segment.after_power_loss(kept);
        std::fs::write(directory.join(segment_name(*number)), found).unwrap();
    }
    let keys = if kept.is_multiple_of(3) {
        disk.keys
    } else {
        disk.durable_keys
    };
    for (name, seed) in [("key", keys.present), ("key.next", keys.next)] {
        if let Some(seed) = seed {
            std::fs::write(directory.join(name), seed).unwrap();
        }
    }
    std::fs::write(directory.join("writer"), WRITER).unwrap();
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Commit(usize),
    Rotate,
    MakeRoom,
}

fn steps() -> impl Strategy<Value = Vec<(Fault, Step)>> {
    let fault = prop_oneof![
        8 => Just(Fault::None),
        1 => (1_usize..900).prop_map(Fault::ShortWrite),
        1 => Just(Fault::NoSpace),
        1 => Just(Fault::SyncFails),
        1 => (1_usize..900).prop_map(Fault::TruncateFails),
        1 => Just(Fault::CreateFails),
        1 => Just(Fault::EntryLost),
        1 => Just(Fault::KeepKeyFails),
        1 => Just(Fault::PromoteFails),
        2 => (1_usize..12).prop_map(Fault::PowerLoss),
    ];
    let step = prop_oneof![
        4 => Just(Step::Commit(1)),
        2 => (2_usize..5).prop_map(Step::Commit),
        1 => Just(Step::Rotate),
        2 => Just(Step::MakeRoom),
    ];
    proptest::collection::vec((fault, step), 1..40)
}

fn beginning() -> Beginning {
    Beginning {
        segment: 1,
        length: 0,
        cursor: Cursor::start(),
        tree: Tree::default(),
        key: None,
        writer: WRITER.to_owned(),
    }
}

/// Runs the steps; returns the data that was acknowledged.
fn run(disk: &Rc<RefCell<Disk>>, plan: &[(Fault, Step)]) -> Vec<String> {
    let mut volume = FaultyVolume(Rc::clone(disk));
    let file = volume.create(1).unwrap();
    let mut store = Store::new(volume, file, beginning());
    store.open_epoch(None, &serde_json::json!({})).unwrap();
    let mut acknowledged = Vec::new();
    for (round, (fault, step)) in plan.iter().enumerate() {
        match fault {
            Fault::PowerLoss(after) if disk.borrow().power.is_none() => {
                disk.borrow_mut().power = Some(*after)
            }
            fault => disk.borrow_mut().fault = Some(*fault),
        }
        match step {
            Step::Commit(count) => {
                let items: Vec<Item> = (0..*count)
                    .map(|i| Item {
                        kind: Kind::Event,
                        peer: None,
                        data: format!(r#"{{"decision":"BLOCKED","r":{round},"i":{i}}}"#),
                    })
                    .collect();
                if let Ok(written) = store.commit(&items) {
                    assert_eq!(written.len(), items.len());
                    acknowledged.extend(items.into_iter().map(|item| item.data));
                }
            }
            Step::Rotate => match store.rotate() {
                Ok(()) | Err(CommitError::Write(_) | CommitError::Broken(_)) => {}
            },
            Step::MakeRoom => match store.make_room() {
                Ok(_) | Err(_) => {} // records go on without it
            },
        }
    }
    acknowledged
}

/// All events that stand in the ledger, in order.
fn stored(directory: &Path) -> Vec<String> {
    let mut reader = Reader::open(directory, None).unwrap();
    let records = reader.read(usize::MAX, usize::MAX).unwrap();
    records
        .into_iter()
        .filter(|record| record.kind == Kind::Event)
        .map(|record| record.data)
        .collect()
}

fn verify(directory: &Path) -> audit_event::verify::Report {
    let mut verifier = Verifier::new(Vec::new());
    for (number, path) in super::recovery::segments(directory).unwrap() {
        verifier.begin_segment(&segment_name(number));
        for line in std::fs::read(path).unwrap().split_inclusive(|b| *b == b'\n') {
            verifier.record(&Checked::of(line.strip_suffix(b"\n").unwrap()));
        }
    }
    verifier.end(None)
}

/// Each case syncs real files; more of them with `REEVE_FAULT_CASES`.
fn cases() -> u32 {
    std::env::var("REEVE_FAULT_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn acknowledged_is_there_after_the_power_is_back(plan in steps(), kept in 0_usize..10_000) {
        let disk = Rc::new(RefCell::new(Disk::default()));
        let acknowledged = run(&disk, &plan);
        let directory = tempfile::tempdir().unwrap();
        crash_into(&disk.borrow(), directory.path(), kept);
        let ledger = Ledger::open(directory.path(), &serde_json::json!({}), None);
        prop_assert!(ledger.is_ok(), "{:?}", ledger.err());
        let found = stored(directory.path());
        let mut rest = found.iter();
        for one in &acknowledged {
            prop_assert!(rest.any(|stored| stored == one), "{one} was acknowledged; the ledger has {found:?}");
        }
        let distinct: std::collections::BTreeSet<_> = found.iter().collect();
        prop_assert_eq!(distinct.len(), found.len(), "a record stands twice");
        let report = verify(directory.path());
        prop_assert_eq!(report.verify, State::Unsealed, "{:?}", report.fault);
    }
}

/// Records share a page with the room behind them, and the kernel may have dropped it.
#[test]
fn room_that_is_not_durable_breaks_the_ledger() {
    let disk = Rc::new(RefCell::new(Disk::default()));
    let mut volume = FaultyVolume(Rc::clone(&disk));
    let file = volume.create(1).unwrap();
    let mut store = Store::new(volume, file, beginning());
    store.open_epoch(None, &serde_json::json!({})).unwrap();
    assert_eq!(store.why_broken(), None);
    disk.borrow_mut().fault = Some(Fault::SyncFails);
    assert!(matches!(store.make_room(), Err(CommitError::Broken(_))));
    disk.borrow_mut().fault = None;
    assert!(store.why_broken().is_some());
    let item = Item::own(Kind::Event, &serde_json::json!({ "decision": "BLOCKED" }));
    assert!(matches!(store.commit(&[item]), Err(CommitError::Broken(_))));
}
