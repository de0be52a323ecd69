//! Sinks against receivers that are not ours: rsyslog over TCP and TLS, NATS JetStream, killed and started again meanwhile.

use acceptance::session::finish;
use acceptance::sinks::programs::{Program, find, free_port};
use acceptance::sinks::receivers::{lines, settled, takes_nothing_without_a_certificate};
use acceptance::sinks::syslog::{self, has_everything_after_restarts};
use acceptance::sinks::{Received, Sidecar, certificates, events, patience};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// rsyslog that listens on TCP; `driver` is what TLS needs.
fn rsyslog(directory: &Path, port: u16, driver: &str, mode: u8) -> (Program, PathBuf) {
    let tls = if driver.is_empty() {
        String::new()
    } else {
        format!(
            "streamDriver.name=\"gtls\" streamDriver.mode=\"{mode}\" streamDriver.authMode=\"x509/certvalid\""
        )
    };
    let inputs =
        format!("module(load=\"imtcp\" {tls})\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")");
    syslog::rsyslog(directory, driver, &inputs)
}

#[test]
fn rsyslog_over_tcp_has_everything_although_it_was_restarted() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let port = free_port();
    let (mut program, out) = rsyslog(directory.path(), port, "", 0);
    has_everything_after_restarts(&mut program, port, &out);
}

#[test]
fn rsyslog_over_tls_with_a_client_certificate() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let at = |name: &str| directory.path().join(name).display().to_string();
    certificates::make(directory.path());
    let driver = format!(
        "defaultNetstreamDriverCAFile=\"{}\" defaultNetstreamDriverCertFile=\"{}\" defaultNetstreamDriverKeyFile=\"{}\"",
        at("ca.pem"),
        at("server.pem"),
        at("server.key")
    );
    let port = free_port();
    let (mut program, out) = rsyslog(directory.path(), port, &driver, 1);
    program.start(port);
    let good = format!(
        "    to: syslog+tls://127.0.0.1:{port}\n{}",
        certificates::client(directory.path())
    );
    let stranger = format!("    to: syslog+tls://127.0.0.1:{port}\n");
    let plain = format!(
        "    to: splunk-hec+https://127.0.0.1:{port}\n    token: {{env: HOME}}\n    tls: {{ca: /nonexistent}}\n"
    );
    let mut sidecar = Sidecar::new(
        events().min(5000),
        &format!("  good:\n{good}  stranger:\n{stranger}  noca:\n{plain}"),
    );
    sidecar.start();
    sidecar.wait_for("good");
    settled(&sidecar, || lines(&out).records());
    sidecar.assert_received_by(|| lines(&out));
    let (_, said) = sidecar.reeve(&["sinks"]);
    assert!(said.contains("certificate is not accepted"), "{said}");
    assert!(said.contains("`tls`, /nonexistent"), "{said}");
}

#[test]
fn an_expired_certificate_and_a_receiver_of_another_kind_are_named_by_check() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    certificates::make(directory.path());
    let port = free_port();
    let mut command = Command::new(find("openssl"));
    command.current_dir(directory.path()).args([
        "s_server",
        "-quiet",
        "-accept",
        &format!("127.0.0.1:{port}"),
        "-cert",
        "expired.pem",
        "-key",
        "server.key",
    ]);
    let mut program = Program::new(command);
    program.start(port);
    let ca = directory.path().join("ca.pem").display().to_string();
    let sidecar = Sidecar::new(
        1,
        &format!(
            "  old:\n    to: forward+tls://127.0.0.1:{port}\n    tls: {{ca: {ca}}}\n  other:\n    to: nats://127.0.0.1:{port}\n    timeout_seconds: 2\n"
        ),
    );
    let output = finish(sidecar.command().arg("--check"), &[]);
    assert_eq!(output.code(), 69, "{}", output.err());
    output.assert_said(&[
        "sink `old`",
        "certificate is not accepted",
        "xpired",
        "sink `other`",
    ]);
}

/// What a stream holds: each message's payload, read by a client of our own that knows only GET.
fn stored(port: u16, last: u64) -> Received {
    use std::io::{BufRead, BufReader, Read, Write};
    let received = Received::default();
    let stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    let mut reader = BufReader::new(stream.try_clone().expect("a socket can be shared"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("INFO");
    let mut out = &stream;
    out.write_all(b"CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB in 1\r\n")
        .expect("a socket");
    for seq in 1..=last {
        let ask = format!("{{\"seq\":{seq}}}");
        let text = format!("PUB $JS.API.DIRECT.GET.AUDIT in {}\r\n{ask}\r\n", ask.len());
        out.write_all(text.as_bytes()).expect("a socket");
        loop {
            line.clear();
            reader.read_line(&mut line).expect("a message");
            if line.starts_with("PING") {
                out.write_all(b"PONG\r\n").expect("a socket");
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words[0], "HMSG", "{line}");
            let (head, total): (usize, usize) = (
                words[words.len() - 2].parse().expect("a length"),
                words[words.len() - 1].parse().expect("a length"),
            );
            let mut body = vec![0; total + 2];
            reader.read_exact(&mut body).expect("a message");
            let record: serde_json::Value = serde_json::from_slice(&body[head..total]).expect("JSON");
            received.add_json(&record);
            break;
        }
    }
    received
}

/// Asks JetStream's API.
fn jetstream(port: u16, subject: &str, ask: &str) -> serde_json::Value {
    use std::io::{BufRead, BufReader, Read, Write};
    let stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a socket can be set");
    let mut reader = BufReader::new(stream.try_clone().expect("a socket can be shared"));
    let text = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB in 1\r\nPUB {subject} in {}\r\n{ask}\r\n",
        ask.len()
    );
    (&stream).write_all(text.as_bytes()).expect("a socket");
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("an answer");
        if line.starts_with("MSG") {
            let length: usize = line
                .split_whitespace()
                .last()
                .and_then(|word| word.parse().ok())
                .expect("a length");
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a payload");
            return serde_json::from_slice(&body).expect("JSON");
        }
    }
}

/// A stream that keeps everything below `audit`, and remembers ids for two minutes.
fn create_stream(port: u16) {
    let made = jetstream(
        port,
        "$JS.API.STREAM.CREATE.AUDIT",
        r#"{"name":"AUDIT","subjects":["audit.>"],"storage":"file","retention":"limits","discard":"old","max_msgs":-1,"max_bytes":-1,"max_age":0,"num_replicas":1,"allow_direct":true,"duplicate_window":120000000000}"#,
    );
    assert!(made["error"].is_null(), "{made}");
}

fn stored_all(port: u16) -> Received {
    let info = jetstream(port, "$JS.API.STREAM.INFO.AUDIT", "");
    stored(port, info["state"]["last_seq"].as_u64().expect("a number"))
}

#[test]
fn jetstream_has_everything_once_although_it_was_killed() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let port = free_port();
    let mut command = Command::new(find("nats-server"));
    command
        .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
        .arg(directory.path());
    let mut program = Program::new(command);
    program.start(port);
    let mut sidecar = Sidecar::new(
        events(),
        &format!(
            "  n:\n    to: nats://127.0.0.1:{port}\n    subject: audit.reeve\n    batch: 100\n    timeout_seconds: 5\n"
        ),
    );
    sidecar.start();
    let begun = Instant::now();
    loop {
        let (_, said) = sidecar.reeve(&["sinks"]);
        if said.contains("no stream takes this subject") {
            break;
        }
        assert!(begun.elapsed() < patience(), "{said}");
        std::thread::sleep(Duration::from_millis(100));
    }
    create_stream(port);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(400));
        program.kill();
        program.start(port);
    }
    sidecar.wait_for("n");
    let received = stored_all(port);
    println!(
        "nats: {} records, {} repeated",
        received.records().len(),
        received.repeats()
    );
    sidecar.assert_received_by(|| stored_all(port));
    assert_eq!(received.repeats(), 0, "the server drops repeats by Nats-Msg-Id");
}

#[test]
fn jetstream_over_tls_wants_a_client_certificate() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let at = |name: &str| directory.path().join(name).display().to_string();
    certificates::make(directory.path());
    let port = free_port();
    // The test's own questions go without TLS; whoever begins it must have a certificate.
    let configuration = format!(
        "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\" }}\nallow_non_tls: true\n\
         tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true }}\n",
        at("store"),
        at("server.pem"),
        at("server.key"),
        at("ca.pem")
    );
    std::fs::write(at("nats.conf"), configuration).expect("a file can be written");
    let mut command = Command::new(find("nats-server"));
    command.args(["-c", &at("nats.conf")]);
    let mut program = Program::new(command);
    program.start(port);
    create_stream(port);
    let address =
        format!("    to: nats+tls://127.0.0.1:{port}\n    subject: audit.reeve\n    timeout_seconds: 5\n");
    let read = || stored_all(port);
    takes_nothing_without_a_certificate(
        directory.path(),
        events(),
        &address,
        "refuses the handshake",
        read,
    );
}
