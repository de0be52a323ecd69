//! The forward sink against a forward server that is not ours (npm's `@fluent-org/logger`): acknowledgements, shared key
//! and users, TLS, a Unix socket.

use acceptance::session::finish;
use acceptance::sinks::fluent::server;
use acceptance::sinks::programs::free_port;
use acceptance::sinks::receivers::{
    has_everything, has_everything_after_restarts, lines, settled, takes_nothing_without_a_certificate,
};
use acceptance::sinks::{Sidecar, certificates, events};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Listens on loopback.
fn on(port: u16) -> Value {
    json!({"host": "127.0.0.1", "port": port})
}

#[test]
fn with_acknowledgements_it_has_everything_although_it_was_restarted() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let port = free_port();
    let (mut program, out) = server(directory.path(), json!({"listen": on(port)}));
    let sink = format!(
        "    to: forward+tcp://127.0.0.1:{port}\n    batch: 100\n    timeout_seconds: 5\n    tag: audit.reeve\n"
    );
    let spell = Duration::from_millis(200);
    has_everything_after_restarts(&mut program, port, &sink, spell, &out);
    assert_each_event_has_its_time_and_tag(&out);
}

/// The time of an entry is its event's own, to the microsecond.
fn assert_each_event_has_its_time_and_tag(out: &Path) {
    let text = std::fs::read_to_string(out).expect("what it got");
    let mut checked = 0;
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(record["_tag"], "audit.reeve", "{line}");
        // 2026-04-07T14:32:01.000042Z: the tests' events differ below the minute.
        let Some(ts) = record["ts"]
            .as_str()
            .filter(|ts| ts.starts_with("2026-04-07T14:32:"))
        else {
            continue; // the ledger's own
        };
        let (second, micros) = ts[17..26].split_once('.').expect("a fraction");
        let second: u64 = second.parse().expect("a number");
        let micros: u64 = micros.parse().expect("a number");
        assert_eq!(
            record["_time"],
            json!([1_775_572_320 + second, micros * 1000]),
            "{line}"
        );
        checked += 1;
    }
    assert!(checked > 1000, "{checked}");
}

#[test]
fn a_shared_key_and_a_user_open_it_and_wrong_ones_are_named() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let port = free_port();
    let security =
        json!({"serverHostname": "receiver", "sharedKey": "sesame", "userDict": {"agent": "hunter2"}});
    let (mut program, out) = server(
        directory.path(),
        json!({"listen": on(port), "security": security}),
    );
    program.start(port);
    let mut sidecar = Sidecar::new(events(), "  x:\n    to: 'stdout:'\n");
    for (name, text) in [
        ("key", "sesame"),
        ("not-key", "pumpkin"),
        ("word", "hunter2"),
        ("not-word", "swordfish"),
    ] {
        std::fs::write(sidecar.at(name), text).expect("a file can be written");
    }
    let sink = |name: &str, key: &str, word: &str| {
        format!(
            "  {name}:\n    to: forward+tcp://127.0.0.1:{port}\n    shared_key: {{file: {}}}\n    user: agent\n    password: {{file: {}}}\n",
            sidecar.at(key).display(),
            sidecar.at(word).display()
        )
    };
    let (good, key, word) = (
        sink("good", "key", "word"),
        sink("wrong-key", "not-key", "word"),
        sink("wrong-word", "key", "not-word"),
    );
    sidecar.configure(&format!("{key}{word}"));
    let output = finish(sidecar.command().arg("--check"), &[]);
    assert_eq!(output.code(), 69, "{}", output.err());
    output.assert_said(&["sink `wrong-key`", "sink `wrong-word`", "shared key", "user"]);
    sidecar.configure(&good);
    let output = finish(sidecar.command().arg("--check"), &[]);
    assert_eq!(output.code(), 0, "{}", output.err());
    sidecar.configure(&format!("{good}{key}{word}"));
    sidecar.start();
    sidecar.wait_for("good");
    settled(&sidecar, || lines(&out).records());
    let received = lines(&out);
    sidecar.assert_received_by(|| lines(&out));
    assert_eq!(received.repeats(), 0, "nobody else got in");
    for wrong in ["wrong-key", "wrong-word"] {
        let series = format!("reeve_sink_delivered_total{{sink=\"{wrong}\"}}");
        assert!(sidecar.metric(&series) <= 0.0, "{wrong}");
    }
}

#[test]
fn over_tls_with_a_client_certificate() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let at = |name: &str| directory.path().join(name).display().to_string();
    certificates::make(directory.path());
    let port = free_port();
    let tls = json!({"key": at("server.key"), "cert": at("server.pem"), "ca": at("ca.pem")});
    let (mut program, out) = server(directory.path(), json!({"listen": on(port), "tls": tls}));
    program.start(port);
    let address = format!("    to: forward+tls://127.0.0.1:{port}\n");
    takes_nothing_without_a_certificate(
        directory.path(),
        events(),
        &address,
        "CertificateRequired",
        || lines(&out),
    );
}

#[test]
fn over_a_unix_socket() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let socket = directory.path().join("forward.sock");
    let (mut program, out) = server(
        directory.path(),
        json!({"listen": {"path": socket.display().to_string()}}),
    );
    program.start_until(|| socket.exists());
    let received = has_everything(
        events(),
        &format!("    to: forward+unix:{}\n", socket.display()),
        &out,
    );
    assert_eq!(received.repeats(), 0);
}
