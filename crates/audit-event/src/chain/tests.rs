//! The line's format, by a test vector and by what any change to a ledger does.

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
