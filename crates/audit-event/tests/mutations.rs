//! Every way of tampering that the ledger's design names, done to a ledger of several segments and epochs, at every place
//! where it can be done: each is found, and called by its name.

#![expect(
    clippy::unwrap_used,
    reason = "a test asserts by panicking; the helpers here are part of the tests"
)]

use audit_event::chain::{Cursor, Draft, Fields, Hash, Kind, Line, write_line};
use audit_event::note::{Checkpoint, SecretKey};
use audit_event::records::{self, Open, Place, Prune, Seal, Signed};
use audit_event::tree::{self, Tree};
use audit_event::verify::{Anchor, Attack, Checked, Report, State, Verifier};

const WRITER: &str = "w1";
type Lines = Vec<Vec<u8>>;

/// A ledger in memory, written as the sidecar writes it.
#[derive(Clone)]
struct Ledger {
    segments: Vec<Lines>,
    cursor: Cursor,
    tree: Tree,
    seeds: u8,
    at: u64,
    note: String,
}

impl Ledger {
    fn new() -> Ledger {
        Ledger {
            segments: vec![Vec::new()],
            cursor: Cursor::start(),
            tree: Tree::default(),
            seeds: 0,
            at: 0,
            note: String::new(),
        }
    }

    fn key(&self, epoch: u64) -> SecretKey {
        SecretKey::from_seed(&[u8::try_from(epoch).unwrap().wrapping_add(self.seeds); 32])
    }

    fn push(&mut self, kind: Kind, data: &str) -> &mut Self {
        self.at += 1_000_000_000;
        let mut line = Vec::new();
        let draft = Draft {
            writer: WRITER,
            epoch: self.cursor.epoch,
            seq: self.cursor.next,
            wall: "2026-04-07T14:32:01Z",
            monotonic_ns: self.at,
            kind,
            peer: None,
            data,
        };
        self.cursor.head = write_line(&mut line, self.cursor.head, &draft);
        self.cursor.next += 1;
        self.cursor.last = Some(kind);
        line.pop();
        self.tree.push(tree::leaf(&line));
        self.segments.last_mut().unwrap().push(line);
        self
    }

    fn place(&self) -> Place<'_> {
        Place {
            writer: WRITER,
            tree: &self.tree,
            head: self.cursor.head,
            epoch: self.cursor.epoch,
        }
    }

    fn open(&mut self) -> &mut Self {
        self.cursor.epoch += 1;
        let epoch = self.cursor.epoch;
        let (new, old) = (self.key(epoch), self.key(if epoch == 1 { 1 } else { epoch - 1 }));
        let segment = self.segments.len() as u64;
        let open = Open::new(&self.place(), segment, "0", 1, &new.public(), &old);
        self.push(Kind::Open, &serde_json::to_string(&open).unwrap())
    }

    fn events(&mut self, count: u64) -> &mut Self {
        for i in 0..count {
            let data = format!(
                r#"{{"decision":"BLOCKED","i":{i},"epoch":{}}}"#,
                self.cursor.epoch
            );
            self.push(Kind::Event, &data);
        }
        self
    }

    fn signed(&mut self, kind: Kind) -> &mut Self {
        let note = records::note(kind, &self.place(), &[], &self.key(self.cursor.epoch));
        self.note = note.clone();
        let data = match kind {
            Kind::Seal => serde_json::to_string(&Seal {
                records: self.cursor.next,
                note,
            }),
            _ => serde_json::to_string(&Signed { note }),
        };
        self.push(kind, &data.unwrap())
    }

    fn prune(&mut self, through: u64) -> &mut Self {
        let more = [("through", through.to_string())];
        let note = records::note(Kind::Prune, &self.place(), &more, &self.key(self.cursor.epoch));
        self.push(
            Kind::Prune,
            &serde_json::to_string(&Prune { through, note }).unwrap(),
        )
    }

    fn rotate(&mut self) -> &mut Self {
        self.signed(Kind::Seal);
        self.segments.push(Vec::new());
        self.open()
    }

    /// Three segments; in the second the writer was killed and came back. Sealed at the end.
    fn sample() -> Ledger {
        let mut ledger = Ledger::new();
        ledger
            .open()
            .events(3)
            .signed(Kind::Checkpoint)
            .events(3)
            .rotate()
            .events(3);
        ledger
            .signed(Kind::Checkpoint)
            .events(1)
            .open()
            .events(3)
            .rotate()
            .events(4);
        ledger.signed(Kind::Checkpoint).events(2).signed(Kind::Seal);
        ledger
    }
}

fn verify(segments: &[Lines], anchors: Vec<Anchor>) -> Report {
    let mut verifier = Verifier::new(anchors);
    for (index, segment) in segments.iter().enumerate() {
        verifier.begin_segment(&format!("{}", index + 1));
        segment
            .iter()
            .for_each(|line| verifier.record(&Checked::of(line)));
    }
    verifier.end(None)
}

fn anchor(ledger: &Ledger) -> Vec<Anchor> {
    vec![Anchor::Checkpoint(Checkpoint::read(&ledger.note).unwrap())]
}

#[track_caller]
fn finds(what: &str, segments: &[Lines], anchors: Vec<Anchor>, expected: &[Attack]) {
    let report = verify(segments, anchors);
    assert_eq!(report.verify, State::Tampered, "{what}: {report:?}");
    let fault = report.fault.unwrap();
    let attack = fault.attack.unwrap();
    assert!(
        expected.contains(&attack),
        "{what}: {expected:?} expected, but {fault:?}"
    );
    assert!(!fault.file.is_empty() && !fault.what.is_empty(), "{fault:?}");
}

/// Calls `act` with every segment and line index, and a fresh copy.
fn everywhere(segments: &[Lines], mut act: impl FnMut(usize, usize, Vec<Lines>)) {
    for (s, lines) in segments.iter().enumerate() {
        for l in 0..lines.len() {
            act(s, l, segments.to_vec());
        }
    }
}

#[test]
fn an_untouched_ledger_is_sealed_and_knows_its_anchors() {
    let ledger = Ledger::sample();
    let report = verify(&ledger.segments, anchor(&ledger));
    assert_eq!(
        (report.verify, report.fault, report.anchors),
        (State::Sealed, None, 1)
    );
    assert_eq!(
        (report.records, report.events, report.epoch),
        (ledger.cursor.next, 19, 4)
    );
    assert_eq!(report.root, ledger.tree.root().to_string());
}

#[test]
fn an_edited_byte() {
    let ledger = Ledger::sample();
    everywhere(&ledger.segments, |s, l, copy| {
        for at in (l % 5..copy[s][l].len()).step_by(5) {
            let mut copy = copy.clone();
            copy[s][l][at] ^= 1;
            finds(&format!("byte {at} of {s}:{l}"), &copy, vec![], &[Attack::Edited]);
        }
    });
}

#[test]
fn an_edited_record_with_its_hash_made_anew() {
    let ledger = Ledger::sample();
    everywhere(&ledger.segments, |s, l, mut copy| {
        let line = Line::read(&copy[s][l]).unwrap();
        let is_last = s + 1 == copy.len() && l + 1 == copy[s].len();
        if line.kind != Kind::Event || is_last {
            return;
        }
        copy[s][l] = with_data(&line.fields(), r#"{"decision":"ALLOWED"}"#, line.previous);
        finds(&format!("{s}:{l}"), &copy, vec![], &[Attack::Edited]);
    });
}

fn with_data(line: &Fields<'_>, data: &str, previous: Hash) -> Vec<u8> {
    let mut out = Vec::new();
    let draft = Draft {
        writer: line.writer,
        epoch: line.epoch,
        seq: line.seq,
        wall: line.wall,
        monotonic_ns: line.monotonic_ns,
        kind: line.kind,
        peer: line.peer,
        data,
    };
    write_line(&mut out, previous, &draft);
    out.pop();
    out
}

/// All lines from `from` on chained anew, with the signatures as they were.
fn rechain(segments: &mut [Lines], from: (usize, usize), change: impl Fn(&Fields<'_>) -> Option<String>) {
    let mut head = Hash::ZERO;
    for (s, lines) in segments.iter_mut().enumerate() {
        for (l, bytes) in lines.iter_mut().enumerate() {
            let line = Line::read(bytes).unwrap();
            if (s, l) >= from {
                let data = (s, l) == from;
                let data = data.then(|| change(&line.fields())).flatten();
                *bytes = with_data(&line.fields(), data.as_deref().unwrap_or(line.data.get()), head);
            }
            head = Line::read(bytes).unwrap().hash;
        }
    }
}

#[test]
fn an_edited_record_with_the_whole_chain_made_anew() {
    let ledger = Ledger::sample();
    everywhere(&ledger.segments, |s, l, mut copy| {
        if Line::read(&copy[s][l]).unwrap().kind != Kind::Event {
            return;
        }
        rechain(&mut copy, (s, l), |_| {
            Some(r#"{"decision":"ALLOWED"}"#.to_owned())
        });
        finds(&format!("{s}:{l}"), &copy, vec![], &[Attack::Rewritten]);
    });
}

#[test]
fn a_dropped_line() {
    let ledger = Ledger::sample();
    everywhere(&ledger.segments, |s, l, mut copy| {
        let is_last_of_segment = l + 1 == copy[s].len();
        let is_last = is_last_of_segment && s + 1 == copy.len();
        copy[s].remove(l);
        let expected: &[Attack] = match (is_last, is_last_of_segment) {
            (true, _) => return, // a cut: the next test
            (_, true) => &[Attack::Cut],
            _ => &[Attack::Dropped, Attack::SegmentRemoved],
        };
        finds(&format!("{s}:{l}"), &copy, vec![], expected);
    });
}

#[test]
fn a_doubled_line() {
    let ledger = Ledger::sample();
    everywhere(&ledger.segments, |s, l, mut copy| {
        let line = copy[s][l].clone();
        copy[s].insert(l, line);
        finds(&format!("{s}:{l}"), &copy, vec![], &[Attack::Duplicated]);
    });
    everywhere(&ledger.segments, |s, l, mut copy| {
        let line = copy[s][l].clone();
        if l < 3 {
            copy[s].insert(l + 2, line);
            finds(
                &format!("{s}:{l} two later"),
                &copy,
                vec![],
                &[Attack::Duplicated],
            );
        }
    });
}

#[test]
fn swapped_lines() {
    let ledger = Ledger::sample();
    everywhere(&ledger.segments, |s, l, mut copy| {
        if l + 1 == copy[s].len() {
            return;
        }
        copy[s].swap(l, l + 1);
        finds(&format!("{s}:{l}"), &copy, vec![], &[Attack::Swapped]);
    });
}

#[test]
fn an_inserted_line() {
    let ledger = Ledger::sample();
    everywhere(&ledger.segments, |s, l, copy| {
        let next = Line::read(&copy[s][l]).unwrap();
        for previous in [next.previous, Hash([9; 32])] {
            let mut copy = copy.clone();
            let draft = Draft {
                writer: WRITER,
                epoch: next.epoch,
                seq: next.seq,
                wall: "t",
                monotonic_ns: next.monotonic_ns,
                kind: Kind::Event,
                peer: None,
                data: r#"{"decision":"ALLOWED"}"#,
            };
            let mut forged = Vec::new();
            write_line(&mut forged, previous, &draft);
            forged.pop();
            copy[s].insert(l, forged);
            let expected = [Attack::Inserted, Attack::Dropped, Attack::Stripped];
            finds(&format!("{s}:{l}"), &copy, vec![], &expected);
        }
    });
}

#[test]
fn a_cut_at_every_line() {
    let ledger = Ledger::sample();
    everywhere(&ledger.segments, |s, l, mut copy| {
        copy.truncate(s + 1);
        copy[s].truncate(l + 1);
        let kept = copy.iter().map(Vec::len).sum::<usize>() as u64;
        if kept >= ledger.cursor.next - 1 {
            return; // all that the anchor knows is there
        }
        let what = format!("{s}:{l}");
        finds(&what, &copy, anchor(&ledger), &[Attack::Cut, Attack::RolledBack]);
        // Without any word from elsewhere it is never taken for sealed, unless a whole SEAL ends it.
        let sealed = Line::read(copy[s].last().unwrap()).unwrap().kind == Kind::Seal;
        let state = verify(&copy, vec![]).verify;
        assert_eq!(
            state,
            if sealed { State::Sealed } else { State::Unsealed },
            "{what}"
        );
    });
}

#[test]
fn a_removed_segment() {
    let ledger = Ledger::sample();
    for s in 0..ledger.segments.len() - 1 {
        let mut copy = ledger.segments.clone();
        copy.remove(s);
        finds(&format!("segment {s}"), &copy, vec![], &[Attack::SegmentRemoved]);
    }
    let mut copy = ledger.segments.clone();
    copy.pop();
    finds("the last", &copy, anchor(&ledger), &[Attack::RolledBack]);
}

#[test]
fn a_pruned_ledger_is_whole_only_with_its_prune() {
    let mut ledger = Ledger::sample();
    ledger.segments.push(Vec::new());
    ledger.open().events(2).prune(2).events(2).signed(Kind::Seal);
    assert_eq!(verify(&ledger.segments, vec![]).verify, State::Sealed);
    let lawful = &ledger.segments[2..];
    let report = verify(lawful, anchor(&ledger));
    assert_eq!((report.verify, report.anchors), (State::Sealed, 1), "{report:?}");
    assert!(report.first > 0);
    finds(
        "one more than pruned",
        &ledger.segments[3..],
        vec![],
        &[Attack::SegmentRemoved],
    );
}

#[test]
fn an_older_state_put_back() {
    let mut ledger = Ledger::sample();
    let older = ledger.segments.clone();
    ledger.open().events(5).signed(Kind::Checkpoint);
    finds(
        "the checkpoint is of a later epoch",
        &older,
        anchor(&ledger),
        &[Attack::RolledBack],
    );
    let row = Line::read(ledger.segments.last().unwrap().last().unwrap()).unwrap();
    let row = format!(r#"{{"kind":"event","seq":{},"hash":"{}"}}"#, row.seq, row.hash);
    finds(
        "an exported row",
        &older,
        vec![Anchor::read(&row).unwrap()],
        &[Attack::RolledBack],
    );
}

#[test]
fn signed_anew_with_a_later_key() {
    // The key of the last epoch is known; what earlier epochs have signed is signed anew with it.
    let ledger = Ledger::sample();
    let last = ledger.key(ledger.cursor.epoch);
    everywhere(&ledger.segments, |s, l, mut copy| {
        let line = Line::read(&copy[s][l]).unwrap();
        if line.epoch == ledger.cursor.epoch || !matches!(line.kind, Kind::Checkpoint | Kind::Seal) {
            return;
        }
        rechain(&mut copy, (s, l), |line| {
            let mut data: serde_json::Value = serde_json::from_str(line.data).unwrap();
            let note = Checkpoint::read(data["note"].as_str().unwrap()).unwrap();
            data["note"] = note.sign(&last).into();
            Some(data.to_string())
        });
        finds(&format!("{s}:{l}"), &copy, vec![], &[Attack::WrongKey]);
    });
}

#[test]
fn signatures_moved_or_changed() {
    let ledger = Ledger::sample();
    everywhere(&ledger.segments, |s, l, copy| {
        let line = Line::read(&copy[s][l]).unwrap();
        if !matches!(line.kind, Kind::Checkpoint | Kind::Seal | Kind::Open) {
            return;
        }
        let mut broken = copy.clone();
        rechain(&mut broken, (s, l), |line| {
            Some(line.data.replacen("\\nepoch", "\\nepoch ", 1))
        });
        let expected = [Attack::BadSignature, Attack::Rewritten];
        finds(&format!("text {s}:{l}"), &broken, vec![], &expected);
        let mut empty = copy;
        rechain(&mut empty, (s, l), |_| {
            Some(r#"{"note":"","format":"audit-chain/1"}"#.to_owned())
        });
        finds(&format!("none {s}:{l}"), &empty, vec![], &[Attack::Stripped]);
    });
}

/// A writer that was stopped, or whose disk took nothing for a while, signs first when it goes on.
#[test]
fn a_pause_that_a_signature_ends_is_no_fault() {
    for kind in [Kind::Checkpoint, Kind::Seal] {
        let mut paused = Ledger::new();
        paused.open().events(2);
        paused.at += 3_600_000_000_000;
        paused.signed(Kind::Checkpoint).events(2);
        paused.at += 95_000_000_000;
        paused.signed(kind);
        if kind == Kind::Checkpoint {
            paused.signed(Kind::Seal);
        }
        let report = verify(&paused.segments, vec![]);
        assert_eq!(report.verify, State::Sealed, "{:?}", report.fault);
    }
}

#[test]
fn signatures_left_out() {
    // Everything after the first OPEN written anew without any signature, as an attacker without keys must.
    let mut late = Ledger::new();
    late.open().events(80);
    late.at += 11_000_000_000;
    late.events(1);
    finds(
        "nothing signed for 91 s",
        &late.segments,
        vec![],
        &[Attack::Stripped],
    );
    let mut none = Ledger::new();
    none.cursor.epoch = 0;
    none.events(3);
    finds("no OPEN at all", &none.segments, vec![], &[Attack::Stripped]);
    let mut unkeyed = Ledger::new();
    unkeyed.cursor.epoch = 1;
    unkeyed
        .push(Kind::Open, r#"{"format":"audit-chain/1","version":"0","pid":1}"#)
        .events(2);
    finds(
        "an OPEN without a key",
        &unkeyed.segments,
        vec![],
        &[Attack::Stripped],
    );
}

#[test]
fn a_forked_history() {
    let mut ours = Ledger::sample();
    let mut other = ours.clone();
    ours.open().events(5).signed(Kind::Checkpoint).signed(Kind::Seal);
    other
        .open()
        .events(2)
        .push(Kind::Event, r#"{"decision":"ALLOWED"}"#)
        .events(2)
        .signed(Kind::Checkpoint)
        .signed(Kind::Seal);
    assert_eq!(verify(&other.segments, vec![]).verify, State::Sealed);
    finds("a fork", &other.segments, anchor(&ours), &[Attack::Forked]);
    // The whole ledger made anew with keys of the attacker's own.
    let mut forged = Ledger::new();
    forged.seeds = 100;
    forged.open().events(60).signed(Kind::Seal);
    assert_eq!(verify(&forged.segments, vec![]).verify, State::Sealed);
    finds("all forged", &forged.segments, anchor(&ours), &[Attack::Forked]);
}

#[test]
fn a_record_of_another_ledger() {
    let ledger = Ledger::sample();
    let mut copy = ledger.segments.clone();
    let line = String::from_utf8(copy[0][2].clone()).unwrap();
    let line = Line::read(line.as_bytes()).unwrap();
    let fields = Fields {
        writer: "w2",
        ..line.fields()
    };
    copy[0][2] = with_data(&fields, line.data.get(), line.previous);
    finds("a foreign record", &copy, vec![], &[Attack::Foreign]);
}

#[test]
fn what_cannot_be_judged_is_unreadable() {
    let mut newer = Ledger::new();
    newer.cursor.epoch = 1;
    newer.push(Kind::Open, r#"{"format":"audit-chain/2"}"#);
    let report = verify(&newer.segments, vec![]);
    assert_eq!(report.verify, State::Unreadable);
    assert!(report.fault.unwrap().what.contains("audit-chain/2"));
    let ledger = Ledger::sample();
    let mut other = Checkpoint::read(&ledger.note).unwrap();
    other.origin = "reeve/ledger/another".to_owned();
    let report = verify(
        &ledger.segments,
        vec![Anchor::Checkpoint(Checkpoint {
            size: 1 << 40,
            ..other
        })],
    );
    assert_eq!(report.verify, State::Unreadable);
    assert!(report.fault.unwrap().what.contains("reeve/ledger/another"));
}
