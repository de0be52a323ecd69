//! `reeved`'s configuration file: defaults give way to it, it gives way to the environment and to flags, and each of its
//! faults is said with its line.

use acceptance::binaries;
use acceptance::session::{end, finish, first_line};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn reeved(directory: &Path, file: &str) -> Command {
    std::fs::write(directory.join("reeved.yaml"), file).expect("a file can be written");
    let mut command = Command::new(binaries::reeved());
    command
        .env_clear()
        .env("REEVED_CONFIG", directory.join("reeved.yaml"))
        .current_dir(directory)
        .stdin(Stdio::null());
    command
}

/// Starts it; returns what it says when it is ready.
fn start(command: &mut Command) -> (Child, Value) {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("reeved starts");
    let line = first_line(child.stdout.take().expect("stdout is piped"));
    let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("not ready: {error}: {line}"));
    (child, ready)
}

fn identity(directory: &Path) {
    let uid = nix::unistd::geteuid().as_raw();
    let pins = format!(r#"{{"identities":[{{"uid":{uid},"profile":"p","level":"L2"}}]}}"#);
    std::fs::write(directory.join("identity.json"), pins).expect("a file can be written");
}

#[test]
fn flags_count_more_than_the_environment_and_that_more_than_the_file() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    identity(directory.path());
    let at = |name: &str| directory.path().join(name);
    let file = "dir: ledger\nsocket: file.sock\nsocket_mode: '0600'\nidentity: identity.json\nhttp: 127.0.0.1:0\n\
                segment_hours: 5\nkeep_days: 400\nrate: 77\nsinks:\n  a:\n    to: file:///dev/null/no\n";
    let mut command = reeved(directory.path(), file);
    command.env("REEVED_KEEP_DAYS", "30").env("REEVED_RATE", "88");
    command.args(["--rate", "99", "--socket", "flag.sock"]);
    let (mut child, ready) = start(&mut command);
    assert_eq!(ready["socket"], "flag.sock");
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(at("flag.sock"))
        .expect("the socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!at("file.sock").exists());
    assert!(end(&mut child, Signal::SIGTERM).success());
    let ledger = std::fs::read_to_string(at("ledger/ledger-000001.ndjson")).expect("the ledger");
    let told = ledger
        .lines()
        .find(|line| line.contains("\"k\":\"CONFIG\""))
        .expect("CONFIG");
    let told: Value = serde_json::from_str(told).expect("JSON");
    let told = &told["d"];
    assert_eq!(
        (
            &told["segment_hours"],
            &told["keep_days"],
            &told["rate"],
            &told["segment_bytes"]
        ),
        (&5.into(), &30.into(), &99.into(), &(32_u64 << 20).into()),
        "file, environment, flag, default: {told}"
    );
}

#[test]
fn operators_reach_a_sidecar_whose_directory_has_a_long_name() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    identity(directory.path());
    let long = directory.path().join("l".repeat(150));
    let file = "socket: s\nidentity: identity.json\nhttp: 127.0.0.1:0\n";
    let mut command = reeved(directory.path(), file);
    let (mut child, ready) = start(command.arg("--dir").arg(&long));
    assert_eq!(ready["ready"], true, "{ready}");
    let reeve = |words: &[&str]| {
        let mut command = Command::new(binaries::reeve());
        finish(
            command.args(words).arg("--dir").arg(&long).stdin(Stdio::null()),
            &[],
        )
    };
    let output = reeve(&["freeze", "--profile", "p", "--why", "drill"]);
    assert_eq!(
        (output.code(), output.out().as_str()),
        (0, "p: frozen\n"),
        "{}",
        output.err()
    );
    assert_eq!(reeve(&["frozen"]).code(), 1);
    assert!(end(&mut child, Signal::SIGTERM).success());
    assert!(!long.join("sinks.sock").exists());
}

#[test]
fn every_fault_is_said_with_its_line_and_nothing_starts() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let file = "http: nowhere\nrat: 5\nsocket_mode: '999'\nkeep_days: soon\nsegment_bytes: 1\ncheck: true\n\
                spool: [a]\nsinks:\n  a:\n    to: gopher://x\n  B: {}\n";
    for words in [&["--check"][..], &[]] {
        let output = finish(reeved(directory.path(), file).args(words), &[]);
        assert_eq!(output.code(), 78, "{}", output.err());
        output.assert_said(&[
            "reeved.yaml: line 1: `http`: `nowhere` is not right here: invalid socket address",
            "reeved.yaml: line 2: unknown key `rat`; did you mean `rate`?",
            "reeved.yaml: line 3: `socket_mode`: `999` is not right here: `999` is not a mode",
            "reeved.yaml: line 4: `keep_days`: `soon` is not right here: invalid digit",
            "reeved.yaml: line 5: `segment_bytes`: `1` is not right here: 1 is not in 4096..",
            "reeved.yaml: line 6: unknown key `check`",
            "reeved.yaml: line 7: `spool` is expected to be one value",
            "sink `a`, line 10: `to`",
            "reeved.yaml: line 11: `B` is not a sink's name",
        ]);
    }
    assert!(!directory.path().join("ledger").exists());
}

#[test]
fn check_names_the_identity_file_and_the_sinks_together() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let file =
        "identity: missing.json\nsinks:\n  a:\n    to: gopher://x\n  b:\n    to: forward+tcp://127.0.0.1:1\n";
    let output = finish(reeved(directory.path(), file).arg("--check"), &[]);
    assert_eq!(output.code(), 78, "{}", output.err());
    output.assert_said(&[
        "missing.json: No such file",
        "sink `a`, line 4",
        "sink `b`, forward+tcp",
    ]);
}
