//! Sinks against receivers that die, hang, answer slowly, answer garbage and refuse parts: afterwards each has every record
//! of the ledger. `REEVE_SINK_EVENTS` raises the number.

use acceptance::http::{self, Response};
use acceptance::sinks::forward::{Mood, Server};
use acceptance::sinks::{Received, Sidecar, events};
use serde_json::{Value, json};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

/// So many messages are treated badly, each in its turn.
const BAD: u64 = 18;

fn moods() -> acceptance::sinks::forward::Moods {
    Arc::new(|number| match (number < BAD, number % 6) {
        (true, 0) => Mood::Forgetful,
        (true, 1) => Mood::Abrupt,
        (true, 2) => Mood::Garbled,
        (true, 3) => Mood::Slow(Duration::from_millis(200)),
        (true, 4) if number < 6 => Mood::Silent(Duration::from_millis(1500)),
        _ => Mood::Good,
    })
}

#[test]
fn forward_loses_nothing_and_repeats_only_what_was_not_acknowledged() {
    let server = Server::new(None, moods());
    let mut sidecar = Sidecar::new(
        events(),
        &format!(
            "  f:\n    to: forward+tcp://127.0.0.1:{}\n    batch: 100\n    timeout_seconds: 1\n",
            server.port
        ),
    );
    sidecar.start();
    sidecar.wait_for("f");
    sidecar.assert_received(&server.received);
    let repeats = server.received.repeats();
    assert!(repeats > 0 && repeats <= BAD * 100, "{repeats}");
    assert!(sidecar.metric("reeve_sink_failures_total{sink=\"f\"}") >= 5.0);
    println!(
        "forward: {} records, {repeats} repeated",
        server.received.records().len()
    );
}

#[test]
fn forward_survives_the_death_of_the_sidecar_itself() {
    let slow = Arc::new(|_| Mood::Slow(Duration::from_millis(5)));
    let server = Server::new(None, slow);
    let mut sidecar = Sidecar::new(
        events(),
        &format!(
            "  f:\n    to: forward+tcp://127.0.0.1:{}\n    batch: 50\n",
            server.port
        ),
    );
    for _ in 0..4 {
        sidecar.start();
        std::thread::sleep(Duration::from_millis(250));
        sidecar.kill();
    }
    sidecar.start();
    sidecar.wait_for("f");
    sidecar.assert_received(&server.received);
}

#[test]
fn a_shared_key_opens_and_a_wrong_one_is_named() {
    let server = Server::new(Some("sesame"), Arc::new(|_| Mood::Good));
    let mut sidecar = Sidecar::new(50, "  x:\n    to: stdout:\n");
    for (file, text) in [("good", "sesame\n"), ("bad", "wrong\n"), ("pass", "pass\n")] {
        std::fs::write(sidecar.at(file), text).expect("a file can be written");
    }
    let sink = |name: &str, key: &str| {
        format!(
            "  {name}:\n    to: forward+tcp://127.0.0.1:{}\n    shared_key: {{file: {}}}\n    user: agent\n    password: {{file: {}}}\n",
            server.port,
            sidecar.at(key).display(),
            sidecar.at("pass").display()
        )
    };
    sidecar.configure(&(sink("good", "good") + &sink("bad", "bad")));
    sidecar.start();
    sidecar.wait_for("good");
    sidecar.assert_received(&server.received);
    let (code, said) = sidecar.reeve(&["sinks"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("check `shared_key`"), "{said}");
    assert!(!said.contains("sesame") && !said.contains("wrong\n") && !sidecar.metrics().contains("sesame"));
    sidecar.stop();
    let output = acceptance::session::finish(sidecar.command().arg("--check"), &[]);
    assert_eq!(output.code(), 69, "{}", output.err());
    assert!(
        output.err().contains("sink `bad`") && !output.err().contains("sink `good`"),
        "{}",
        output.err()
    );
}

#[test]
fn files_have_each_record_exactly_once_whenever_the_sidecar_dies() {
    let mut sidecar = Sidecar::new(events(), "  x:\n    to: stdout:\n");
    let path = sidecar.at("out.ndjson");
    sidecar.configure(&format!(
        "  file:\n    to: file://{}\n    batch: 20\n    rotate_bytes: 500000\n    keep: 100000\n",
        path.display()
    ));
    for round in 0..6 {
        sidecar.start();
        std::thread::sleep(Duration::from_millis(60 + 40 * round));
        sidecar.kill();
    }
    sidecar.start();
    sidecar.wait_for("file");
    // In order, so that nothing is added while the files are read; the SEAL is in them too.
    sidecar.stop();
    let received = Received::default();
    let mut files = 0;
    for entry in std::fs::read_dir(path.parent().expect("a parent")).expect("a directory can be read") {
        let path = entry.expect("an entry").path();
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("out.ndjson"))
        {
            files += 1;
            let text = std::fs::read_to_string(path).expect("a file can be read");
            text.lines()
                .for_each(|line| received.add_json(&serde_json::from_str(line).expect("JSON")));
        }
    }
    sidecar.assert_received(&received);
    assert_eq!(received.repeats(), 0);
    assert!(files > 2, "{files}");
}

#[test]
fn filters_and_samples_keep_out_what_they_say_and_nothing_else() {
    let server = Server::new(None, Arc::new(|_| Mood::Good));
    let sampled = Server::new(None, Arc::new(|_| Mood::Good));
    let mut sidecar = Sidecar::new(
        900,
        &format!(
            "  only:\n    to: forward+tcp://127.0.0.1:{}\n    only: {{kind: [event], decision: [BLOCKED], tool: [kubectl]}}\n  \
             some:\n    to: forward+tcp://127.0.0.1:{}\n    sample_allowed_reads: 0.1\n",
            server.port, sampled.port
        ),
    );
    sidecar.start();
    sidecar.wait_for("only");
    sidecar.wait_for("some");
    let got = server.received.records();
    assert_eq!(got.len(), 300);
    assert!(got.keys().all(|seq| seq % 3 == 1), "BLOCKED ones");
    let got = sampled.received.records();
    let all = sidecar.records();
    assert!(
        all.keys()
            .filter(|seq| **seq == 0 || *seq % 3 != 0)
            .all(|seq| got.contains_key(seq))
    );
    let reads = got
        .keys()
        .filter(|seq| **seq > 0 && *seq % 3 == 0 && **seq <= 900)
        .count();
    assert!((10..60).contains(&reads), "{reads} of 300");
}

#[test]
fn operators_see_test_and_drop_and_it_is_recorded() {
    let server = Server::new(None, Arc::new(|_| Mood::Good));
    let mut sidecar = Sidecar::new(
        20,
        &format!(
            "  good:\n    to: forward+tcp://127.0.0.1:{}\n  wrong:\n    to: gopher://x\n  gone:\n    to: nats://127.0.0.1:1\n",
            server.port
        ),
    );
    sidecar.start();
    sidecar.wait_for("good");
    let (code, said) = sidecar.reeve(&["sinks"]);
    assert_eq!(code, 0, "{said}");
    for part in [
        "good",
        "closed",
        "wrong",
        "the scheme `gopher` is not known",
        "gone",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let (code, said) = sidecar.reeve(&["sinks", "test", "good"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("acknowledged by the forward server"), "{said}");
    let (code, said) = sidecar.reeve(&["sinks", "test", "gone"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("connecting to 127.0.0.1:1"), "{said}");
    let (code, said) = sidecar.reeve(&["sinks", "test", "nobody"]);
    assert!(code != 0 && said.contains("there is no sink `nobody`"), "{said}");
    sidecar.wait_for("good");
    let ledger = std::fs::read_to_string(sidecar.ledger().join("ledger-000001.ndjson")).expect("a ledger");
    assert_eq!(ledger.matches("\"command\":\"reeve sinks test").count(), 2);
}

#[test]
fn a_full_box_of_dead_letters_stops_the_sink_and_repeats_nothing() {
    let received = Received::default();
    let kept = received.clone();
    let server = http::Server::tcp(move |request| {
        let lines = request.objects();
        let items: Vec<Value> = lines
            .chunks(2)
            .map(|pair| {
                if pair[1]["seq"] == 17 {
                    return json!({"create": {"status": 400, "error": {"type": "mapper_parsing_exception", "reason": "no"}}});
                }
                kept.add_json(&pair[1]);
                json!({"create": {"status": 201}})
            })
            .collect();
        Response::json(&json!({"errors": true, "items": items}))
    });
    let mut sidecar = Sidecar::new(300, "  x:\n    to: stdout:\n");
    sidecar.configure(&format!(
        "  es:\n    to: elasticsearch+http://127.0.0.1:{}\n    batch: 100\n    timeout_seconds: 1\n",
        server.port
    ));
    let folder = sidecar.ledger().join("sinks/es");
    std::fs::create_dir_all(&folder).expect("a directory can be made");
    let letters: String = (1_000_000..1_010_000)
        .map(|seq| {
            let letter = json!({"v": 1, "seq": seq, "id": "i", "kind": "event", "hash": "00", "wall": "w", "at": "a",
                "reason": "r", "data": "{}"});
            format!("{letter}\n")
        })
        .collect();
    std::fs::write(folder.join("dead.ndjson"), letters).expect("a file can be written");
    sidecar.start();
    let begun = std::time::Instant::now();
    let full = "dead letters: there are 10000 dead letters already";
    while !sidecar.reeve(&["sinks"]).1.contains(full) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", sidecar.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    while sidecar.metric("reeve_sink_failures_total{sink=\"es\"}") < 5.0 {
        assert!(begun.elapsed() < Duration::from_secs(90), "{}", sidecar.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(received.repeats(), 0);
    assert_eq!(sidecar.metric("reeve_sink_dead_letters{sink=\"es\"}"), 10_000.0);
    // An operator makes room, and nothing is missing.
    let (code, said) = sidecar.reeve(&["dlq", "drop", "es", "--all"]);
    assert_eq!(code, 0, "{said}");
    sidecar.wait_for("es");
    let mut expected = sidecar.records();
    expected.remove(&17);
    assert_eq!(received.records(), expected);
}

#[test]
fn standard_error_that_takes_nothing_ends_nobody() {
    let full = || {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        Stdio::from(full.expect("it is there"))
    };
    let gone = || {
        let (reader, writer) = std::io::pipe().expect("a pipe can be made");
        drop(reader);
        Stdio::from(writer)
    };
    for (what, stderr) in [("a full disk", full()), ("a reader that is gone", gone())] {
        // Its receiver is not there: there is something to log all the time.
        let mut sidecar = Sidecar::new(20, "  gone:\n    to: nats://127.0.0.1:1\n");
        sidecar.start_with(stderr);
        let begun = std::time::Instant::now();
        while sidecar.metric("reeve_sink_failures_total{sink=\"gone\"}") < 3.0 {
            assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(
            sidecar.stop().map(|status| status.code()),
            Some(Some(0)),
            "{what}"
        );
    }
}

#[test]
fn a_file_whose_place_is_of_a_lost_ledger_goes_on_from_the_cursor() {
    // The place names a record that the ledger gave another content, and one that it does not have.
    for (ledger, place) in [(300, 250), (300, 5000)] {
        let mut sidecar = Sidecar::new(ledger, "  x:\n    to: stdout:\n");
        let path = sidecar.at("out.ndjson");
        sidecar.configure(&format!("  file:\n    to: file://{}\n", path.display()));
        let lost = format!("{}\n", json!({"seq": place, "hash": "00".repeat(32)}));
        std::fs::write(&path, &lost).expect("a file can be written");
        let folder = sidecar.ledger().join("sinks/file");
        std::fs::create_dir_all(&folder).expect("a directory can be made");
        let stored =
            json!({"v": 1, "rolled": 0, "offset": lost.len(), "seq": place, "hash": "00".repeat(32)});
        std::fs::write(folder.join("place.json"), stored.to_string()).expect("a file can be written");
        std::fs::create_dir_all(sidecar.ledger().join("cursors")).expect("a directory can be made");
        std::fs::write(sidecar.ledger().join("cursors/file"), "100\n").expect("a file can be written");
        sidecar.start();
        sidecar.wait_for("file");
        let text = std::fs::read_to_string(&path).expect("a file can be read");
        let rest = text
            .strip_prefix(&lost)
            .expect("what is lost elsewhere stays here");
        let received = Received::default();
        rest.lines()
            .for_each(|line| received.add_json(&serde_json::from_str(line).expect("JSON")));
        let expected = sidecar.records().split_off(&101);
        assert_eq!(received.records(), expected, "{place}");
        assert_eq!(received.repeats(), 0);
    }
}
