//! What senders may say to the sidecar, by the socket and by a spool, and that none of it is lost, held up or taken for more.

use acceptance::ledger::{assert_whole, exported};
use acceptance::load::{Sidecar, press};
use acceptance::sender::{decided, ended, id, raw, spool, spool_file};
use acceptance::wire;
use audit_event::chain::Kind;
use audit_event::{Request, Response};
use serde_json::Value;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use tempfile::TempDir;

fn ask(stream: &mut UnixStream, request: &Request) -> Response {
    wire::exchange(stream, request).expect("the sidecar answers")
}

/// A sidecar that takes in what is spooled in this directory.
fn with_spools() -> (TempDir, Sidecar) {
    let spools = tempfile::tempdir().expect("a directory can be made");
    let sidecar = Sidecar::start(&["--spool", spools.path().to_str().expect("text")]);
    (spools, sidecar)
}

#[test]
fn a_connection_may_have_so_many_commands_without_an_outcome() {
    let mut sidecar = Sidecar::start(&[]);
    let mut stream = wire::connect(&sidecar.socket());
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
    assert_whole(&sidecar.ledger());
}

/// More commands without an outcome than may be remembered, all of process 1, which lives: the ledger closes them, with
/// signatures between, and can be opened again.
#[test]
fn thousands_of_commands_without_an_outcome_are_closed() {
    let (spools, mut sidecar) = with_spools();
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
    assert_whole(&sidecar.ledger());
}

/// What a sender writes cannot pass for another record, neither by the socket nor by a spool, and a refusal does not grow
/// with what it quotes.
#[test]
fn an_outcome_says_what_an_outcome_may() {
    let (spools, mut sidecar) = with_spools();
    for more in [
        r#","seq":3"#,
        r#","kind":"event","decision":"ALLOWED""#,
        r#","note":1"#,
    ] {
        let outcome = raw(ended(1, more));
        let refused = ask(
            &mut wire::connect(&sidecar.socket()),
            &Request::Outcome { outcome },
        );
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
    assert_whole(&sidecar.ledger());
}

/// What cannot be recorded is kept, each time, and the GAP says where: lines of another identity, a spool whose first line
/// is damaged and then another such, one that is too long.
#[test]
fn what_a_spool_loses_is_kept() {
    let (spools, sidecar) = with_spools();
    let path = spool_file(spools.path());
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
    let (spools, sidecar) = with_spools();
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
