//! Starts, pauses and interruptions over a real directory: the ledger goes on, and verifies.

use super::file::{Directory, LedgerFile, SegmentFile, Volume, segment_name};
use super::store::{Beginning, Item, Store};
use super::{Ledger, recovery};
use audit_event::chain::{Cursor, Kind};
use audit_event::tree::Tree;
use audit_event::verify::{Checked, Report, State, Verifier};
use std::path::Path;
use std::time::Duration;

fn store(directory: &Path) -> Store<Directory> {
    let mut volume = Directory(directory.to_owned());
    let file = volume.create(1).unwrap();
    let beginning = Beginning {
        segment: 1,
        length: 0,
        cursor: Cursor::start(),
        tree: Tree::default(),
        key: None,
        writer: "0123456789abcdef".to_owned(),
    };
    std::fs::write(directory.join("writer"), &beginning.writer).unwrap();
    let mut store = Store::new(volume, file, beginning);
    store.open_epoch(None, &serde_json::json!({})).unwrap();
    store
}

fn events(count: usize) -> Vec<Item> {
    let item = |i| Item {
        kind: Kind::Event,
        peer: None,
        data: format!(r#"{{"decision":"BLOCKED","i":{i}}}"#),
    };
    (0..count).map(item).collect()
}

fn verify(directory: &Path) -> Report {
    let mut verifier = Verifier::new(Vec::new());
    for (number, path) in recovery::segments(directory).unwrap() {
        verifier.begin_segment(&segment_name(number));
        for line in std::fs::read(path).unwrap().split_inclusive(|b| *b == b'\n') {
            verifier.record(&Checked::of(line.strip_suffix(b"\n").unwrap()));
        }
    }
    verifier.end(None)
}

fn open(directory: &Path) -> Ledger {
    Ledger::open(directory, &serde_json::json!({}), None).unwrap()
}

#[test]
fn a_writer_that_was_stopped_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(directory.path());
    store.commit(&events(3)).unwrap();
    for minutes in [2, 200] {
        store.grow_older(Duration::from_secs(60 * minutes));
        assert_eq!(store.commit(&events(2)).unwrap().len(), 2);
        store.grow_older(Duration::from_secs(60 * minutes));
        store.sign(Duration::ZERO).unwrap();
    }
    store.grow_older(Duration::from_secs(600));
    store.seal().unwrap();
    let report = verify(directory.path());
    assert_eq!(report.verify, State::Sealed, "{:?}", report.fault);
    drop(open(directory.path()));
}

/// A record before which a signature is due is two lines, and those go where the file ends, not into its room.
#[test]
fn who_signs_in_time_keeps_the_room() {
    for (again, is_kept) in [(Duration::from_secs(1), true), (Duration::ZERO, false)] {
        let directory = tempfile::tempdir().unwrap();
        let mut store = store(directory.path());
        assert!(store.lacks_room());
        while store.make_room().unwrap() {}
        assert!(!store.lacks_room());
        store.commit(&events(1)).unwrap();
        store.grow_older(Duration::from_millis(4500));
        store.sign(again).unwrap();
        store.grow_older(Duration::from_millis(600));
        store.commit(&events(1)).unwrap();
        let segment = std::fs::read(directory.path().join(segment_name(1))).unwrap();
        let (_, room) = audit_event::room::split(&segment);
        assert_eq!(room.len() > 1 << 19, is_kept, "{again:?}: {}", room.len());
        store.seal().unwrap();
        assert_eq!(verify(directory.path()).verify, State::Sealed);
    }
}

#[test]
fn many_records_at_once_are_signed_between() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(directory.path());
    assert_eq!(store.commit(&events(45_000)).unwrap().len(), 45_000);
    store.seal().unwrap();
    let report = verify(directory.path());
    assert_eq!(report.verify, State::Sealed, "{:?}", report.fault);
    assert_eq!(report.events, 45_000);
}

#[test]
fn a_line_that_no_reader_would_take_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(directory.path());
    let long = Item::own(Kind::Gap, &serde_json::json!({ "why": "x".repeat(3 << 20) }));
    assert!(store.commit(&[long]).is_err());
    store.commit(&events(1)).unwrap();
    store.seal().unwrap();
    assert_eq!(verify(directory.path()).verify, State::Sealed);
}

/// The SEAL was written, the next segment's OPEN was not: what comes first then is an OPEN, whatever was asked for.
#[test]
fn removal_after_an_interrupted_rotation_begins_with_an_open() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store(directory.path());
    store.commit(&events(3)).unwrap();
    store.rotate().unwrap();
    store.commit(&events(3)).unwrap();
    store.rotate_without_open().unwrap();
    store.prune(1, 1).unwrap();
    store.commit(&events(1)).unwrap();
    store.seal().unwrap();
    assert!(!directory.path().join(segment_name(1)).exists());
    let report = verify(directory.path());
    assert_eq!(report.verify, State::Sealed, "{:?}", report.fault);
    drop(open(directory.path()));
}

/// Killed between the OPEN's sync and the key's promotion, twice: the key that signs is never the one that is overwritten.
#[test]
fn a_key_that_was_not_promoted_is_not_lost() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = store(directory.path());
    first.commit(&events(1)).unwrap();
    drop(first);
    let at = |name: &str| directory.path().join(name);
    std::fs::rename(at("key"), at("key.next")).unwrap();
    std::fs::write(at("key"), [0; 32]).unwrap();
    let recovered = recovery::recover(directory.path()).unwrap();
    let mut volume = Directory(directory.path().to_owned());
    let mut file = SegmentFile::open(&recovered.path).unwrap();
    file.sync().unwrap();
    super::signing_key(&mut volume, &mut file, &recovered).unwrap();
    // The start that fails: its own next key is written, its OPEN never is.
    volume.keep_next_key(&[9; 32]).unwrap();
    drop(open(directory.path()));
    let report = verify(directory.path());
    assert_eq!(report.verify, State::Unsealed, "{:?}", report.fault);
}
