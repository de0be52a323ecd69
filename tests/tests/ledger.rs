//! The ledger from outside: killed under load, pruned, proved, queried; and read by a second program that shares no code.

use acceptance::ledger::{
    another, assert_whole, exported, first_segment, records_of, reeve, sealed, stored, text,
};
use acceptance::load::{Client, Sidecar, press};
use acceptance::session::{Scratch, finish};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Killed at some moment under load, again and again: what was acknowledged is there, once, in each client's order. More
/// rounds with `REEVE_KILL_ROUNDS`; 1 000 take some minutes.
#[test]
fn killed_at_random_moments_it_loses_nothing() {
    let rounds: u64 = std::env::var("REEVE_KILL_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(60);
    let mut sidecar = Sidecar::start(&["--segment-bytes", "60000"]);
    let acknowledged = Mutex::new(Vec::new());
    let mut seed = 88_172_645_463_325_252_u64;
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let socket = sidecar.socket();
        std::thread::scope(|scope| {
            for number in 0..4 {
                let (acknowledged, socket) = (&acknowledged, &socket);
                scope.spawn(move || {
                    let mut mine = Vec::new();
                    if let Ok(mut client) = Client::connect(socket, round * 4 + number + 1) {
                        while let Ok(id) = client.record() {
                            mine.push(id.to_string());
                        }
                    }
                    acknowledged.lock().expect("no client panics").push(mine);
                });
            }
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            std::thread::sleep(Duration::from_micros(seed % 60_000));
            sidecar.kill();
        });
        slowest = slowest.max(sidecar.restart());
    }
    sidecar.stop();
    let found = stored(&sidecar.ledger());
    let place: std::collections::HashMap<&str, usize> = found
        .iter()
        .enumerate()
        .map(|(place, id)| (id.as_str(), place))
        .collect();
    assert_eq!(place.len(), found.len(), "an event stands twice");
    let mut count = 0;
    for mine in acknowledged.lock().expect("no client panics").iter() {
        let places: Vec<usize> = mine
            .iter()
            .map(|id| *place.get(id.as_str()).expect("it was acknowledged"))
            .collect();
        assert!(places.is_sorted(), "a client's events are out of order");
        count += places.len();
    }
    assert!(count > 0, "nothing was acknowledged in {rounds} rounds");
    assert_whole(&sidecar.ledger());
    assert!(slowest < Duration::from_secs(5), "a restart took {slowest:?}");
}

/// What the program in the other language says of a ledger.
fn checked_by_another(ledger: &Path) -> std::process::Output {
    Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/verify_ledger.py"))
        .arg(ledger)
        .output()
        .expect("python3 starts")
}

/// Zeros behind the records of a segment that is being written are room for more. Both verifiers tell it from a record that a
/// power loss cut, and neither lets anything hide in it.
#[test]
fn room_is_no_record_and_hides_none() {
    let mut sidecar = Sidecar::start(&[]);
    press(&sidecar.socket(), 1, 1, Duration::from_millis(1300));
    let live = reeve(&["audit", "verify"], &sidecar.ledger());
    assert_eq!(live.status.code(), Some(4), "{}", text(&live));
    sidecar.kill();
    let file = first_segment(&sidecar.ledger());
    let found = std::fs::read(&file).expect("the first segment");
    let (records, room) = audit_event::room::split(&found);
    assert!(
        room.len() > 100_000 && room.iter().all(|byte| *byte == 0),
        "{}",
        room.len()
    );
    let starts: Vec<usize> = (0..records.len())
        .filter(|at| *at == 0 || records[at - 1] == b'\n')
        .collect();
    let (middle, last) = (
        starts[starts.len() / 2],
        *starts.last().expect("there are records"),
    );
    let line = &records[last..];
    let zeroed = |from: usize, to: usize| {
        let mut bytes = found.clone();
        bytes[from..to].fill(0);
        bytes
    };
    let verdicts: [(&str, Vec<u8>, i32); 8] = [
        ("as it was left", found.clone(), 4),
        ("torn in room", [records, &line[..40], room].concat(), 4),
        ("its first page missing", zeroed(last, last + 30), 4),
        ("a page in its middle missing", zeroed(last + 30, last + 60), 4),
        ("a record in the middle is zeros", zeroed(middle, middle + 30), 2),
        (
            "two records behind zeros",
            [records, &room[..9], line, line, room].concat(),
            2,
        ),
        (
            "text behind a torn record",
            [&found[..last + 30], &room[..9], line, b"x", room].concat(),
            2,
        ),
        (
            "more room than is ever made",
            [&found[..], &vec![0; 2 << 20][..]].concat(),
            2,
        ),
    ];
    for (what, bytes, expected) in verdicts {
        std::fs::write(&file, bytes).expect("a file can be written");
        let ours = reeve(&["audit", "verify"], &sidecar.ledger());
        assert_eq!(ours.status.code(), Some(expected), "{what}: {}", text(&ours));
        let other = checked_by_another(&sidecar.ledger());
        assert_eq!(other.status.code(), Some(expected), "{what}: {}", text(&other));
    }
    // A start cuts what was torn, and says so; a seal leaves no room.
    std::fs::write(&file, [records, &line[..40], room].concat()).expect("a file can be written");
    sidecar.restart();
    sidecar.stop();
    assert_whole(&sidecar.ledger());
    let after = std::fs::read(&file).expect("the first segment");
    assert!(!after.contains(&0) && after.starts_with(records));
    let after = String::from_utf8(after).expect("JSON lines");
    assert!(after.contains(r#""k":"RECOVER""#) && after.contains(r#""bytes":40"#));
}

/// A program of about a hundred lines in another language, written from the format's description alone.
#[test]
fn an_independent_verifier_agrees() {
    let mut sidecar = Sidecar::start(&["--segment-bytes", "20000"]);
    press(&sidecar.socket(), 4, 1, Duration::from_millis(1500));
    sidecar.kill();
    sidecar.restart();
    press(&sidecar.socket(), 2, 100, Duration::from_millis(1200));
    sidecar.stop();
    let check = || checked_by_another(&sidecar.ledger());
    let report = sealed(&sidecar.ledger());
    let other = check();
    assert_eq!(other.status.code(), Some(0), "{}", text(&other));
    let other: Value = serde_json::from_slice(&other.stdout).expect("JSON");
    for field in ["records", "head", "root", "epoch"] {
        assert_eq!(other[field], report[field], "{field}");
    }
    let file = first_segment(&sidecar.ledger());
    let whole = std::fs::read_to_string(&file).expect("the first segment");
    for changed in [
        whole.replacen("payments", "paymentz", 1),
        whole.replacen("epoch 1", "epoch 2", 1),
    ] {
        std::fs::write(&file, changed).expect("a file can be written");
        assert_eq!(check().status.code(), Some(2));
        assert_eq!(
            reeve(&["audit", "verify"], &sidecar.ledger()).status.code(),
            Some(2)
        );
    }
}

#[test]
fn old_segments_go_only_when_every_sink_has_them() {
    let mut sidecar = Sidecar::start(&["--segment-bytes", "20000", "--keep-bytes", "30000"]);
    let cursors = sidecar.ledger().join("cursors");
    std::fs::create_dir(&cursors).expect("a directory can be made");
    std::fs::write(cursors.join("siem"), "0").expect("a file can be written");
    press(&sidecar.socket(), 4, 1, Duration::from_millis(4500));
    let first = first_segment(&sidecar.ledger());
    assert!(
        sidecar.ledger().join("ledger-000002.ndjson").exists(),
        "it has rotated"
    );
    assert!(first.exists(), "the sink has not got it yet");
    let last = exported(&sidecar, "event", 1).pop().expect("an event")["seq"].to_string();
    std::fs::write(cursors.join("siem"), last).expect("a file can be written");
    let begun = Instant::now();
    while first.exists() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is never removed");
        std::thread::sleep(Duration::from_millis(50));
    }
    press(&sidecar.socket(), 1, 50, Duration::from_millis(300));
    sidecar.kill();
    sidecar.restart();
    sidecar.stop();
    let report = sealed(&sidecar.ledger());
    assert!(report["first"].as_u64() > Some(0), "{report}");
}

#[test]
fn a_damaged_or_foreign_directory_is_refused() {
    let mut sidecar = Sidecar::start(&[]);
    press(&sidecar.socket(), 1, 1, Duration::from_millis(200));
    let second = |sidecar: &Sidecar| another(sidecar, "second", &[]);
    let refused = second(&sidecar);
    assert_eq!(refused.status.code(), Some(69), "{}", text(&refused));
    assert!(
        text(&refused).contains("is in use by another sidecar"),
        "{}",
        text(&refused)
    );
    sidecar.stop();
    let file = first_segment(&sidecar.ledger());
    let whole = std::fs::read_to_string(&file).expect("the segment");
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let cut = lines[..lines.len() - 3].concat();
    for (what, content, says) in [
        ("edited", whole.replacen("payments", "paymentz", 1), "was edited"),
        ("cut", cut.clone(), "were signed, but only"),
        (
            "newer",
            whole.replacen("audit-chain/1", "audit-chain/9", 1),
            "was edited",
        ),
    ] {
        std::fs::write(&file, content).expect("a file can be written");
        let refused = second(&sidecar);
        assert_eq!(refused.status.code(), Some(65), "{what}: {}", text(&refused));
        assert!(text(&refused).contains(says), "{what}: {}", text(&refused));
    }
    std::fs::write(&file, &whole).expect("a file can be written");
    std::fs::copy(sidecar.ledger().join("key"), sidecar.home.path().join("key")).expect("a copy of the key");
    std::fs::remove_file(sidecar.ledger().join("key")).expect("a file can be removed");
    let refused = second(&sidecar);
    assert_eq!(refused.status.code(), Some(65), "{}", text(&refused));
    assert!(text(&refused).contains("the key of epoch"), "{}", text(&refused));
    std::fs::rename(sidecar.home.path().join("key"), sidecar.ledger().join("key")).expect("the key is back");
    lost_records_are_accepted_with_a_reason(&sidecar, &file, &cut);
}

/// Signed records are gone, and an operator says why: the ledger goes on, and says so itself.
fn lost_records_are_accepted_with_a_reason(sidecar: &Sidecar, file: &Path, cut: &str) {
    std::fs::write(file, cut).expect("a file can be written");
    let reason = [
        "--until-stdin-closes",
        "--accept-loss",
        "restored from Monday's backup",
    ];
    let accepted = another(sidecar, "third", &reason);
    assert_eq!(accepted.status.code(), Some(0), "{}", text(&accepted));
    assert_whole(&sidecar.ledger());
    let exported = text(&reeve(&["audit", "export"], &sidecar.ledger()));
    let gap = exported
        .lines()
        .find(|line| line.contains("accepted_by_operator"))
        .unwrap_or_else(|| panic!("no GAP: {exported}"));
    assert!(
        gap.contains("restored from Monday's backup") && gap.contains("\"GAP\""),
        "{gap}"
    );
}

/// Its line does not wait for the outcome: a tool may run for hours.
#[test]
fn a_log_shipper_gets_a_decision_while_its_tool_runs() {
    let mut scratch = Scratch::new();
    let look = "#!/bin/sh\nfor i in $(seq 200); do grep -c '\"kind\":\"event\"' record/events.ndjson && exit; sleep 0.02; done\n";
    scratch.stand_in("kubectl", look);
    let output = scratch.run("kubectl get pods");
    assert_eq!(output.out(), "1\n", "{}", output.err());
}

/// Records after the last signature are gone, but a sink has had them, or the log shippers' file has: their numbers are not
/// given away without a word, and afterwards nobody is further than the ledger.
#[test]
fn records_that_were_passed_on_are_missed() {
    let mut sidecar = Sidecar::start(&[]);
    press(&sidecar.socket(), 1, 1, Duration::from_millis(300));
    sidecar.kill();
    let file = first_segment(&sidecar.ledger());
    let whole = records_of(&file);
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let left = lines.len() - 3;
    std::fs::write(&file, lines[..left].concat()).expect("a file can be written");
    let (events, cursors) = (
        sidecar.ledger().join("events.ndjson"),
        sidecar.ledger().join("cursors"),
    );
    std::fs::create_dir(&cursors).expect("a directory can be made");
    std::fs::write(cursors.join("slow"), "1\n").expect("a file can be written");
    let start = |words: &[&str]| another(&sidecar, "socket", &[&["--until-stdin-closes"], words].concat());
    let refused = start(&[]);
    assert_eq!(refused.status.code(), Some(65), "{}", text(&refused));
    assert!(
        text(&refused).contains("records were written"),
        "{}",
        text(&refused)
    );
    std::fs::rename(&events, sidecar.home.path().join("shipped")).expect("a log shipper may take it");
    std::fs::write(cursors.join("siem"), (lines.len() - 1).to_string()).expect("a file can be written");
    let refused = start(&[]);
    assert_eq!(refused.status.code(), Some(65), "{}", text(&refused));
    assert!(
        text(&refused).contains("records were delivered"),
        "{}",
        text(&refused)
    );
    std::fs::rename(sidecar.home.path().join("shipped"), &events).expect("back again");
    let accepted = start(&["--accept-loss", "a disk was replaced"]);
    assert_eq!(accepted.status.code(), Some(0), "{}", text(&accepted));
    let cursor = |name| std::fs::read_to_string(cursors.join(name)).expect("a cursor");
    assert_eq!(cursor("siem"), format!("{}\n", left - 1));
    assert_eq!(cursor("slow"), "1\n");
    assert!(sidecar.ledger().join("events.ndjson.aside-1").exists());
    sidecar.restart();
    press(&sidecar.socket(), 1, 50, Duration::from_millis(200));
    sidecar.stop();
    let shipped = std::fs::read_to_string(&events).expect("events.ndjson");
    let numbers: Vec<Value> = shipped
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["seq"].clone())
        .collect();
    let recorded: Vec<Value> = exported(&sidecar, "event", 1)
        .iter()
        .map(|event| event["seq"].clone())
        .collect();
    assert_eq!(numbers, recorded);
}

#[test]
fn a_gate_that_dies_leaves_an_incomplete_outcome() {
    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", "#!/bin/sh\nkill -KILL $PPID\nsleep 0.2\n");
    scratch.run("kubectl get pods; sleep 1");
    let outcomes = scratch.outcomes();
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    assert!(
        outcomes[0]["incomplete"]
            .as_str()
            .is_some_and(|why| why.contains("gate")),
        "{outcomes:?}"
    );
    assert_eq!(scratch.verify().0, 0);
}

#[test]
fn the_record_can_be_queried_proved_and_searched() {
    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", "#!/bin/sh\nexit 0\n");
    scratch
        .run("kubectl get pods -n shop; kubectl delete pod web-1; kubectl get nodes --token hunter2hunter2");
    let record = scratch.record();
    let record = record.to_str().expect("a scratch path is text");
    let lines = |words: &[&str]| -> Vec<Value> {
        let output = scratch.reeve(&[words, &[record]].concat());
        assert_eq!(output.code(), 0, "{words:?}: {}", output.err());
        output
            .out()
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    };
    let query = |words: &[&str]| lines(&[&["audit", "query", "--json"], words].concat());
    assert_eq!(
        query(&["--decision", "blocked"])[0]["command"],
        "kubectl delete pod web-1"
    );
    assert_eq!(query(&["--resource", "web-1"]).len(), 1);
    assert_eq!(query(&["--tool", "aws"]).len(), 0);
    assert_eq!(
        query(&["--text", "shop"]).len(),
        2,
        "the decision and its outcome"
    );
    assert_eq!(query(&["--since", "2099-01-01T00:00:00Z"]).len(), 0);
    let event = &query(&["--text", "shop"])[0];
    let id = event["event_id"].as_str().expect("text");
    assert_eq!(lines(&["audit", "show", "--json", id]).len(), 2);

    let mut command = scratch.command(acceptance::binaries::reeve());
    command
        .args(["audit", "find-secret", record])
        .stdin(Stdio::piped());
    let secret = finish(&mut command, b"hunter2hunter2\n");
    assert!(
        secret.out().contains("1 records with [redacted:"),
        "{}",
        secret.out()
    );
    let raw = std::fs::read_to_string(first_segment(&scratch.record())).expect("the segment");
    assert!(!raw.contains("hunter2"));

    let seq = event["seq"].to_string();
    let proof = scratch.reeve(&["audit", "prove", "--seq", &seq, record]);
    assert_eq!(proof.code(), 0, "{}", proof.err());
    let file = scratch.at("proof");
    let anchor = scratch.record().join("checkpoint");
    let holds = |text: &str| {
        std::fs::write(&file, text).expect("a file can be written");
        let words = [
            "audit",
            "check-proof",
            "--anchor",
            anchor.to_str().expect("text"),
            file.to_str().expect("text"),
        ];
        scratch.reeve(&words).code()
    };
    assert_eq!(holds(&proof.out()), 0);
    assert_eq!(holds(&proof.out().replacen("shop", "shoq", 1)), 2);
    let grown = scratch.reeve(&["audit", "prove", "--from", "2", record]);
    assert_eq!(holds(&grown.out()), 0, "{}", grown.err());
    let old_root = serde_json::from_str::<Value>(&grown.out()).expect("JSON")["old_root"].to_string();
    assert_eq!(holds(&grown.out().replacen(&old_root[1..9], "00000000", 1)), 2);
}
