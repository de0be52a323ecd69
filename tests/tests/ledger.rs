//! The ledger from outside: killed under load, pruned, proved, queried; and read by a second program that shares no code.

use acceptance::load::{Client, Sidecar, press};
use acceptance::session::{Scratch, finish};
use audit_event::chain::{Cursor, Draft, Kind, write_line};
use audit_event::frame::{announced_length, decode_response, encode_request};
use audit_event::{Request, Response};
use serde_json::Value;
use serde_json::value::RawValue;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::time::{Duration, Instant};

fn reeve(words: &[&str], record: &Path) -> Output {
    let mut command = Command::new(acceptance::binaries::reeve());
    command.args(words).arg(record).output().expect("reeve starts")
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The event ids in the ledger, in order.
fn stored(record: &Path) -> Vec<String> {
    let output = reeve(&["audit", "export"], record);
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"))
        .filter(|line| line["kind"] == "event")
        .map(|line| line["event_id"].as_str().expect("text").to_owned())
        .collect()
}

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
    let verified = reeve(&["audit", "verify"], &sidecar.ledger());
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
    assert!(slowest < Duration::from_secs(5), "a restart took {slowest:?}");
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
    let check = || {
        Command::new("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/verify_ledger.py"))
            .arg(sidecar.ledger())
            .output()
            .expect("python3 starts")
    };
    let report: Value =
        serde_json::from_slice(&reeve(&["audit", "verify", "--json"], &sidecar.ledger()).stdout)
            .expect("JSON");
    assert_eq!(report["verify"], "sealed", "{report}");
    let other = check();
    assert_eq!(other.status.code(), Some(0), "{}", text(&other));
    let other: Value = serde_json::from_slice(&other.stdout).expect("JSON");
    for field in ["records", "head", "root", "epoch"] {
        assert_eq!(other[field], report[field], "{field}");
    }
    let file = sidecar.ledger().join("ledger-000001.ndjson");
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
    let first = sidecar.ledger().join("ledger-000001.ndjson");
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
    let report: Value =
        serde_json::from_slice(&reeve(&["audit", "verify", "--json"], &sidecar.ledger()).stdout)
            .expect("JSON");
    assert_eq!(report["verify"], "sealed", "{report}");
    assert!(report["first"].as_u64() > Some(0), "{report}");
}

#[test]
fn a_damaged_or_foreign_directory_is_refused() {
    let mut sidecar = Sidecar::start(&[]);
    press(&sidecar.socket(), 1, 1, Duration::from_millis(200));
    let second = |sidecar: &Sidecar| {
        Command::new(acceptance::binaries::reeved())
            .arg("--dir")
            .arg(sidecar.ledger())
            .arg("--socket")
            .arg(sidecar.home.path().join("second"))
            .arg("--identity")
            .arg(sidecar.home.path().join("identity.json"))
            .args(["--http", "127.0.0.1:0"])
            .output()
            .expect("reeved starts")
    };
    let refused = second(&sidecar);
    assert_eq!(refused.status.code(), Some(69), "{}", text(&refused));
    assert!(
        text(&refused).contains("is in use by another sidecar"),
        "{}",
        text(&refused)
    );
    sidecar.stop();
    let file = sidecar.ledger().join("ledger-000001.ndjson");
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
    let accepted = Command::new(acceptance::binaries::reeved())
        .arg("--dir")
        .arg(sidecar.ledger())
        .arg("--socket")
        .arg(sidecar.home.path().join("third"))
        .arg("--identity")
        .arg(sidecar.home.path().join("identity.json"))
        .args(["--http", "127.0.0.1:0", "--until-stdin-closes"])
        .args(["--accept-loss", "restored from Monday's backup"])
        .stdin(std::process::Stdio::null())
        .output()
        .expect("reeved starts");
    assert_eq!(accepted.status.code(), Some(0), "{}", text(&accepted));
    let verified = reeve(&["audit", "verify"], &sidecar.ledger());
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
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

/// Records after the last signature are gone, but a sink has had them, or the log shippers' file has: their numbers are not
/// given away without a word, and afterwards nobody is further than the ledger.
#[test]
fn records_that_were_passed_on_are_missed() {
    let mut sidecar = Sidecar::start(&[]);
    press(&sidecar.socket(), 1, 1, Duration::from_millis(300));
    sidecar.kill();
    let file = sidecar.ledger().join("ledger-000001.ndjson");
    let whole = std::fs::read_to_string(&file).expect("the segment");
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let left = lines.len() - 3;
    std::fs::write(&file, lines[..left].concat()).expect("a file can be written");
    let (events, cursors) = (
        sidecar.ledger().join("events.ndjson"),
        sidecar.ledger().join("cursors"),
    );
    std::fs::create_dir(&cursors).expect("a directory can be made");
    std::fs::write(cursors.join("slow"), "1\n").expect("a file can be written");
    let start = |words: &[&str]| {
        Command::new(acceptance::binaries::reeved())
            .arg("--dir")
            .arg(sidecar.ledger())
            .arg("--socket")
            .arg(sidecar.socket())
            .arg("--identity")
            .arg(sidecar.home.path().join("identity.json"))
            .args(["--http", "127.0.0.1:0", "--until-stdin-closes"])
            .args(words)
            .stdin(std::process::Stdio::null())
            .output()
            .expect("reeved starts")
    };
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

    let secret = scratch
        .command(acceptance::binaries::reeve())
        .args(["audit", "find-secret", record])
        .stdin(std::process::Stdio::piped())
        .output_with(b"hunter2hunter2\n");
    assert!(
        secret.out().contains("1 records with [redacted:"),
        "{}",
        secret.out()
    );
    let raw = std::fs::read_to_string(scratch.record().join("ledger-000001.ndjson")).expect("the segment");
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

/// The number `n` as an event's id.
fn id(n: usize) -> String {
    format!("ffffffff-0000-7000-8000-{n:012}")
}

/// A decision of this user's gate, as process 1 says it.
fn decided(n: usize, decision: &str) -> String {
    let uid = nix::unistd::getuid().as_raw();
    serde_json::json!({
        "ts": "2026-04-07T14:32:01.123456Z", "wrapper": "kubectl", "command": "kubectl get pods",
        "governance_level": "L2", "track": "", "allowlist_hit": false, "decision": decision,
        "caller_profile": "load", "caller_agent_run_id": "", "schema": 1, "event_id": id(n), "request_id": id(n),
        "argv": [], "argv_bytes": 0, "argv_sha256": "", "operation": "get", "operations": [], "hazards": [],
        "reason": "", "message": "", "rule": null, "policy_digest": "", "binary": null,
        "environment_changed": [], "cwd": "/", "uid": uid, "gid": 0, "pid": 1, "ppid": 1, "parent": "", "host": ""
    })
    .to_string()
}

fn ended(n: usize, more: &str) -> String {
    let id = id(n);
    format!(
        r#"{{"ts":"2026-04-07T14:32:02Z","event_id":"{id}","exit_code":0,"signal":null,"not_started":null,"duration_us":1{more}}}"#
    )
}

fn ask(stream: &mut UnixStream, request: &Request) -> Response {
    let frame = encode_request(request).expect("a request is JSON");
    stream.write_all(&frame).expect("the sidecar reads");
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).expect("the sidecar answers");
    let mut bytes = vec![0; announced_length(prefix).expect("a length")];
    stream.read_exact(&mut bytes).expect("the sidecar answers");
    decode_response(&bytes).expect("a response")
}

fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).expect("JSON")
}

fn connect(sidecar: &Sidecar) -> UnixStream {
    let stream = UnixStream::connect(sidecar.socket()).expect("the sidecar listens");
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).expect("a time can be set");
    stream
}

#[test]
fn a_connection_may_have_so_many_commands_without_an_outcome() {
    let mut sidecar = Sidecar::start(&[]);
    let mut stream = connect(&sidecar);
    let record = |n| Request::Record {
        event: raw(decided(n, "ALLOWED")),
    };
    let is_recorded = |response: &Response| matches!(response, Response::Recorded { .. });
    for n in 0..64 {
        let response = ask(&mut stream, &record(n));
        assert!(is_recorded(&response), "{n}: {response:?}");
    }
    let refused = ask(&mut stream, &record(64));
    assert!(
        format!("{refused:?}").contains("have no outcome yet"),
        "{refused:?}"
    );
    assert!(
        is_recorded(&ask(&mut stream, &record(3))),
        "a repeat is no other command"
    );
    let outcome = raw(ended(3, ""));
    assert!(is_recorded(&ask(&mut stream, &Request::Outcome { outcome })));
    assert!(is_recorded(&ask(&mut stream, &record(64))));
    sidecar.stop();
    assert_eq!(
        reeve(&["audit", "verify"], &sidecar.ledger()).status.code(),
        Some(0)
    );
}

/// A spool of this user's with these lines.
fn spool(directory: &Path, lines: impl Iterator<Item = (Kind, String)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut cursor = Cursor::start();
    for (kind, data) in lines {
        let draft = Draft {
            writer: "spool",
            epoch: 0,
            seq: cursor.next,
            wall: "2026-04-07T14:32:01Z",
            monotonic_ns: 0,
            kind,
            peer: None,
            data: &data,
        };
        cursor.head = write_line(&mut bytes, cursor.head, &draft);
        cursor.next += 1;
    }
    std::fs::create_dir_all(directory).expect("a directory can be made");
    let path = directory.join(format!("{}.spool", nix::unistd::getuid()));
    std::fs::write(path, &bytes).expect("a file can be written");
    bytes
}

/// The records of this kind, as exported, when there are enough of them or time is up.
fn exported(sidecar: &Sidecar, kind: &str, enough: usize) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let output = reeve(&["audit", "export"], &sidecar.ledger());
        let found: Vec<Value> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"))
            .filter(|line| line["kind"] == kind)
            .collect();
        if found.len() >= enough || begun.elapsed() > Duration::from_secs(20) {
            return found;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// More commands without an outcome than may be remembered, all of process 1, which lives: the ledger closes them, with
/// signatures between, and can be opened again.
#[test]
fn thousands_of_commands_without_an_outcome_are_closed() {
    let spools = tempfile::tempdir().expect("a directory can be made");
    let directory = spools.path().to_str().expect("text");
    let mut sidecar = Sidecar::start(&["--spool", directory]);
    spool(
        spools.path(),
        (0..11_000).map(|n| (Kind::Event, decided(n, "ALLOWED"))),
    );
    let closed = exported(&sidecar, "exit", 11_000 - 4096);
    assert_eq!(closed.len(), 11_000 - 4096);
    assert_eq!(closed[0]["event_id"], id(0));
    sidecar.kill();
    sidecar.restart();
    sidecar.stop();
    assert_eq!(exported(&sidecar, "exit", 11_000).len(), 11_000);
    let verified = reeve(&["audit", "verify"], &sidecar.ledger());
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
}

/// What a sender writes cannot pass for another record, neither by the socket nor by a spool, and a refusal does not grow
/// with what it quotes.
#[test]
fn an_outcome_says_what_an_outcome_may() {
    let spools = tempfile::tempdir().expect("a directory can be made");
    let directory = spools.path().to_str().expect("text");
    let mut sidecar = Sidecar::start(&["--spool", directory]);
    for more in [
        r#","seq":3"#,
        r#","kind":"event","decision":"ALLOWED""#,
        r#","note":1"#,
    ] {
        let outcome = raw(ended(1, more));
        let refused = ask(&mut connect(&sidecar), &Request::Outcome { outcome });
        assert!(format!("{refused:?}").contains("has no key"), "{refused:?}");
    }
    let array = format!(r#"["2026-04-07T14:32:02Z","{}",0,null,null,1]"#, id(2));
    let quoted = (0..100).map(|n| (Kind::Event, decided(n, &"X".repeat(50_000))));
    let sly = [
        (Kind::Exit, array),
        (Kind::Exit, format!(" {}", ended(3, ""))),
        (Kind::Exit, ended(4, r#","seq":3"#)),
        (Kind::Event, decided(200, "BLOCKED")),
    ];
    spool(spools.path(), sly.into_iter().chain(quoted));
    let gaps = exported(&sidecar, "GAP", 1);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert!(
        gaps[0].to_string().len() < 40_000,
        "{}",
        gaps[0].to_string().len()
    );
    assert!(exported(&sidecar, "exit", 0).is_empty());
    assert_eq!(exported(&sidecar, "event", 1)[0]["event_id"], id(200));
    sidecar.stop();
    assert_eq!(
        reeve(&["audit", "verify"], &sidecar.ledger()).status.code(),
        Some(0)
    );
}

/// What cannot be recorded is kept, each time, and the GAP says where: lines of another identity, a spool whose first line
/// is damaged and then another such, one that is too long.
#[test]
fn what_a_spool_loses_is_kept() {
    let spools = tempfile::tempdir().expect("a directory can be made");
    let directory = spools.path().to_str().expect("text");
    let sidecar = Sidecar::start(&["--spool", directory]);
    let path = spools.path().join(format!("{}.spool", nix::unistd::getuid()));
    let kept = |gap: &Value, what: &str| {
        let file = gap[what]["file"]
            .as_str()
            .unwrap_or_else(|| panic!("no file: {gap}"));
        std::fs::read(sidecar.ledger().join(file)).expect("what is kept")
    };
    let other = |n| {
        (
            Kind::Event,
            decided(n, "BLOCKED").replace("\"load\"", "\"other\""),
        )
    };
    spool(spools.path(), (0..150).map(other));
    let gap = exported(&sidecar, "GAP", 1).pop().expect("a GAP");
    assert_eq!(gap["refused"]["lines"], 150, "{gap}");
    let lines: Vec<u8> = (0..150).flat_map(|n| (other(n).1 + "\n").into_bytes()).collect();
    assert_eq!(kept(&gap, "refused"), lines);
    for (count, garbage) in [(2, "not a record\n"), (3, "nor is this\n"), (4, "nor is this\n")] {
        std::fs::write(&path, garbage).expect("a file can be written");
        let gap = exported(&sidecar, "GAP", count).pop().expect("a GAP");
        assert_eq!(kept(&gap, "damaged"), garbage.as_bytes(), "{gap}");
    }
    let long = std::fs::File::create(&path).expect("a file can be made");
    long.set_len((32 << 20) + 1).expect("a hole needs no room");
    assert_eq!(exported(&sidecar, "GAP", 5).len(), 5);
    std::thread::sleep(Duration::from_millis(2500)); // two more looks at it
    assert_eq!(exported(&sidecar, "GAP", 5).len(), 5, "said once");
    assert_eq!(long.metadata().expect("it is there").len(), (32 << 20) + 1);
}

/// Who asks by the socket is served between the lines of a long spool.
#[test]
fn a_spool_does_not_hold_up_the_socket() {
    let spools = tempfile::tempdir().expect("a directory can be made");
    let directory = spools.path().to_str().expect("text");
    let sidecar = Sidecar::start(&["--spool", directory]);
    spool(
        spools.path(),
        (0..11_000).map(|n| (Kind::Event, decided(n, "BLOCKED"))),
    );
    press(&sidecar.socket(), 1, 1, Duration::from_secs(3));
    exported(&sidecar, "SPOOL", 1);
    let events = exported(&sidecar, "event", 11_000);
    let is_spooled = |event: &Value| {
        event["event_id"]
            .as_str()
            .is_some_and(|id| id.starts_with("ffff"))
    };
    let first = events.iter().position(is_spooled).expect("the spool is taken in");
    let last = events
        .iter()
        .rposition(is_spooled)
        .expect("the spool is taken in");
    let between = events[first..last]
        .iter()
        .filter(|event| !is_spooled(event))
        .count();
    assert_eq!(events.iter().filter(|event| is_spooled(event)).count(), 11_000);
    assert!(between > 20, "{between} requests were served meanwhile");
}

/// Runs a command with this input.
trait WithInput {
    fn output_with(&mut self, input: &[u8]) -> acceptance::session::Output;
}

impl WithInput for Command {
    fn output_with(&mut self, input: &[u8]) -> acceptance::session::Output {
        finish(self, input)
    }
}
