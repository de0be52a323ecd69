//! Sinks against receivers that are not ours: rsyslog over TCP and TLS, NATS JetStream, killed and started again meanwhile.

use acceptance::session::finish;
use acceptance::sinks::programs::{Program, find, free_port};
use acceptance::sinks::{Received, Sidecar, events, patience};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// rsyslog that writes each message's text to a file; `driver` is what TLS needs.
fn rsyslog(directory: &Path, port: u16, driver: &str, mode: u8) -> (Program, PathBuf) {
    let out = directory.join("received");
    let configuration = format!(
        "global(workDirectory=\"{d}\" maxMessageSize=\"64k\" {driver})\nmodule(load=\"imtcp\" {tls})\n\
         input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\ntemplate(name=\"t\" type=\"string\" string=\"%msg%\\n\")\n\
         action(type=\"omfile\" file=\"{o}\" template=\"t\" asyncWriting=\"off\")\n",
        d = directory.display(),
        o = out.display(),
        tls = if driver.is_empty() {
            String::new()
        } else {
            format!(
                "streamDriver.name=\"gtls\" streamDriver.mode=\"{mode}\" streamDriver.authMode=\"x509/certvalid\""
            )
        },
    );
    let file = directory.join("rsyslog.conf");
    std::fs::write(&file, configuration).expect("a file can be written");
    let checked = finish(
        Command::new(find("rsyslogd")).arg("-N1").arg("-f").arg(&file),
        &[],
    );
    assert_eq!(checked.code(), 0, "{}", checked.err());
    let mut command = Command::new(find("rsyslogd"));
    command
        .arg("-n")
        .arg("-f")
        .arg(&file)
        .arg("-i")
        .arg(directory.join("pid"));
    (Program::new(command), out)
}

fn lines(path: &Path) -> Received {
    let received = Received::default();
    let text = std::fs::read(path).unwrap_or_default();
    for line in text.split(|byte| *byte == b'\n') {
        // A line that the receiver was writing when it died is not one.
        if let Ok(record) = serde_json::from_slice::<serde_json::Value>(line) {
            received.add_json(&record);
        }
    }
    received
}

/// Waits until the receiver, which works behind its socket, has written as many as the ledger has.
fn settled(sidecar: &Sidecar, read: impl Fn() -> BTreeMap<u64, String>) -> BTreeMap<u64, String> {
    let (begun, expected) = (Instant::now(), sidecar.records().len());
    loop {
        let records = read();
        if records.len() >= expected || begun.elapsed() > patience() {
            return records;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn rsyslog_over_tcp_has_everything_although_it_was_restarted() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let port = free_port();
    let (mut program, out) = rsyslog(directory.path(), port, "", 0);
    let mut sidecar = Sidecar::new(
        events(),
        &format!("  s:\n    to: syslog+tcp://127.0.0.1:{port}\n    batch: 50\n"),
    );
    sidecar.start();
    for _ in 0..3 {
        program.start(port);
        std::thread::sleep(Duration::from_millis(300));
        program.stop();
    }
    program.start(port);
    sidecar.wait_for("s");
    let records = settled(&sidecar, || lines(&out).records());
    let received = lines(&out);
    println!(
        "rsyslog: {} records, {} repeated",
        records.len(),
        received.repeats()
    );
    sidecar.assert_received(&received);
}

fn openssl(directory: &Path, words: &str) {
    let mut command = Command::new(find("openssl"));
    command.args(words.split(' ')).current_dir(directory);
    let output = finish(&mut command, &[]);
    assert_eq!(output.code(), 0, "openssl {words}: {}", output.err());
}

/// An authority, a server's certificate that is good, one that has expired, and a client's.
fn certificates(directory: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(
        directory,
        &format!("req -x509 {key} -keyout ca.key -out ca.pem -days 30 -subj /CN=test-ca"),
    );
    std::fs::write(directory.join("ext"), "subjectAltName=IP:127.0.0.1\n").expect("a file can be written");
    for name in ["server", "client"] {
        openssl(
            directory,
            &format!("req -new {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"),
        );
        openssl(
            directory,
            &format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile ext -out {name}.pem"
            ),
        );
    }
    std::fs::write(directory.join("index.txt"), "").expect("a file can be written");
    std::fs::write(directory.join("serial"), "1000").expect("a file can be written");
    let ca = "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n";
    std::fs::write(directory.join("ca.cnf"), ca).expect("a file can be written");
    openssl(
        directory,
        "ca -batch -config ca.cnf -cert ca.pem -keyfile ca.key -in server.csr -out expired.pem -extfile ext \
         -startdate 20200101000000Z -enddate 20200201000000Z -notext",
    );
}

#[test]
fn rsyslog_over_tls_with_a_client_certificate() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let at = |name: &str| directory.path().join(name).display().to_string();
    certificates(directory.path());
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
        "    to: syslog+tls://127.0.0.1:{port}\n    tls: {{ca: {}, certificate: {}, key: {}}}\n",
        at("ca.pem"),
        at("client.pem"),
        at("client.key")
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
    sidecar.assert_received(&lines(&out));
    let (_, said) = sidecar.reeve(&["sinks"]);
    assert!(said.contains("certificate is not accepted"), "{said}");
    assert!(said.contains("`tls`, /nonexistent"), "{said}");
}

#[test]
fn an_expired_certificate_and_a_receiver_of_another_kind_are_named_by_check() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    certificates(directory.path());
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
    let said = output.err();
    for part in [
        "sink `old`",
        "certificate is not accepted",
        "xpired",
        "sink `other`",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
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
    std::thread::sleep(Duration::from_millis(300));
    let (_, said) = sidecar.reeve(&["sinks"]);
    assert!(said.contains("no stream takes this subject"), "{said}");
    let made = jetstream(
        port,
        "$JS.API.STREAM.CREATE.AUDIT",
        r#"{"name":"AUDIT","subjects":["audit.>"],"storage":"file","retention":"limits","discard":"old","max_msgs":-1,"max_bytes":-1,"max_age":0,"num_replicas":1,"allow_direct":true,"duplicate_window":120000000000}"#,
    );
    assert!(made["error"].is_null(), "{made}");
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(400));
        program.kill();
        program.start(port);
    }
    sidecar.wait_for("n");
    let info = jetstream(port, "$JS.API.STREAM.INFO.AUDIT", "");
    let messages = info["state"]["last_seq"].as_u64().expect("a number");
    let received = stored(port, messages);
    println!(
        "nats: {} records, {} repeated",
        received.records().len(),
        received.repeats()
    );
    sidecar.assert_received(&received);
    assert_eq!(received.repeats(), 0, "the server drops repeats by Nats-Msg-Id");
}
