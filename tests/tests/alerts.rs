//! Prometheus scrapes the sidecar of a real session; refusals of the real gate make the packaged alert fire, and
//! Alertmanager delivers it. Every expression of the packaged dashboard is asked of that Prometheus.

use acceptance::http::{Body, Response, Server};
use acceptance::session::{Scratch, finish, wait};
use acceptance::sinks::programs::{Program, find, free_port};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging")
}

#[test]
fn each_rule_passes_its_unit_test() {
    let folder = packaging().join("prometheus");
    for words in [
        vec!["check", "rules", "reeve-rules.yml"],
        vec!["check", "config", "prometheus.yml"],
        vec!["test", "rules", "reeve-rules-test.yml"],
    ] {
        let output = finish(
            Command::new(find("promtool")).args(&words).current_dir(&folder),
            &[],
        );
        assert_eq!(output.code(), 0, "{words:?}: {} {}", output.out(), output.err());
    }
    let rules = std::fs::read_to_string(folder.join("reeve-rules.yml")).expect("the rules");
    let tests = std::fs::read_to_string(folder.join("reeve-rules-test.yml")).expect("their tests");
    for line in rules.lines() {
        if let Some(name) = line.trim().strip_prefix("- alert: ") {
            assert!(
                tests.contains(&format!("alertname: {name}\n        exp_alerts")),
                "{name} has no case that fires"
            );
        }
    }
}

/// An HTTP GET whose answer is JSON.
fn get(port: u16, target: &str) -> Value {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a socket can be set");
    // HTTP/1.0, so that the answer is not chunked.
    write!(stream, "GET {target} HTTP/1.0\r\nHost: x\r\n\r\n").expect("a request can be sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer can be read");
    let (_, body) = text.split_once("\r\n\r\n").expect("an answer has a body");
    serde_json::from_str(body).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

fn query(port: u16, expression: &str) -> Value {
    let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
    get(port, &format!("/api/v1/query?query={encoded}"))
}

#[test]
fn refusals_of_the_gate_become_an_alert_that_is_delivered_and_the_dashboard_shows_them() {
    let hook = Server::tcp(|_| Response {
        status: 200,
        content_type: "text/plain",
        body: Body::Bytes(Vec::new()),
    });
    let directory = tempfile::tempdir().expect("a scratch directory");
    let at = |name: &str| directory.path().join(name);
    let (web, prometheus, manager) = (free_port(), free_port(), free_port());
    // The packaged rules, except that they fire without waiting.
    let rules = std::fs::read_to_string(packaging().join("prometheus/reeve-rules.yml")).expect("the rules");
    let quick: String = rules
        .lines()
        .filter(|line| !line.trim_start().starts_with("for: "))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(at("reeve-rules.yml"), quick).expect("a file can be written");
    let configuration = std::fs::read_to_string(packaging().join("prometheus/prometheus.yml"))
        .expect("the configuration")
        .replace("15s", "500ms")
        .replace("127.0.0.1:9464", &format!("127.0.0.1:{web}"))
        .replace("127.0.0.1:9093", &format!("127.0.0.1:{manager}"));
    std::fs::write(at("prometheus.yml"), configuration).expect("a file can be written");
    let routing = format!(
        "route: {{receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s}}\nreceivers:\n- name: hook\n  webhook_configs:\n  - url: http://127.0.0.1:{}/hook\n",
        hook.port
    );
    std::fs::write(at("alertmanager.yml"), routing).expect("a file can be written");
    let checked = finish(
        Command::new(find("amtool"))
            .arg("check-config")
            .arg(at("alertmanager.yml")),
        &[],
    );
    assert_eq!(checked.code(), 0, "{}", checked.err());
    let mut command = Command::new(find("prometheus-alertmanager"));
    command.arg(format!("--config.file={}", at("alertmanager.yml").display()));
    command.arg(format!("--storage.path={}", at("am").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{manager}"));
    command.arg("--cluster.listen-address=");
    let mut alertmanager = Program::new(command);
    alertmanager.start(manager);
    let mut command = Command::new(find("prometheus"));
    command.arg(format!("--config.file={}", at("prometheus.yml").display()));
    command.arg(format!("--storage.tsdb.path={}", at("tsdb").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{prometheus}"));
    let mut server = Program::new(command);
    server.start(prometheus);

    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", "#!/bin/sh\nexit 0\n");
    scratch.flags(&[
        "--level",
        "L2",
        "--profile",
        "sre",
        "--http",
        &format!("127.0.0.1:{web}"),
    ]);
    let mut session = scratch
        .session(
            "kubectl get pods; kubectl delete pod x; sleep 2
             for i in $(seq 150); do kubectl delete pod x; sleep 0.02; done; while [ ! -e done ]; do sleep 0.1; done",
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a session starts");
    let begun = Instant::now();
    let delivered = loop {
        let found = hook.requests().into_iter().find_map(|request| {
            let body: Value = serde_json::from_slice(&request.body).expect("JSON");
            let alerts = body["alerts"].as_array().cloned().unwrap_or_default();
            alerts
                .into_iter()
                .find(|alert| alert["labels"]["alertname"] == "ReeveDeniedRateSpike")
        });
        if let Some(alert) = found {
            break alert;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(90),
            "no alert came: {}",
            query(prometheus, "ALERTS")
        );
        std::thread::sleep(Duration::from_millis(200));
    };
    println!(
        "the alert was delivered {:?} after the session's start",
        begun.elapsed()
    );
    assert_eq!(delivered["labels"]["profile"], "sre");
    assert_eq!(delivered["status"], "firing");

    let dashboard =
        std::fs::read_to_string(packaging().join("grafana/reeve-governance.json")).expect("it is there");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("JSON");
    let mut shown = 0;
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().expect("targets") {
            let expression = target["expr"].as_str().expect("an expression");
            let answer = query(prometheus, expression);
            assert_eq!(
                answer["status"], "success",
                "{}: {expression}: {answer}",
                panel["title"]
            );
            shown += usize::from(
                answer["data"]["result"]
                    .as_array()
                    .is_some_and(|list| !list.is_empty()),
            );
        }
    }
    assert!(
        shown >= 9,
        "only {shown} expressions have data in a session without sinks and applies"
    );
    // The alert may come before the burst is over, so what is counted is waited for.
    let counted = || {
        let denied = query(prometheus, "sum(hermes_governance_denied_total{profile=\"sre\"})");
        denied["data"]["result"][0]["value"][1]
            .as_str()
            .and_then(|text| text.parse::<f64>().ok())
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while counted().is_none_or(|count| count < 151.0) {
        assert!(
            Instant::now() < deadline,
            "only {:?} refusals are counted",
            counted()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    std::fs::write(scratch.at("done"), "").expect("a file can be written");
    wait(&mut session, Duration::from_secs(60));
}
