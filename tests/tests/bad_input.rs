//! Bad input of every kind: a clear error inside a deadline, nothing lost, nothing hung, no panic.

use acceptance::session::{DEADLINE, Scratch, appears, finish, summary, wait};
use acceptance::wire;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

fn with_echo() -> Scratch {
    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", "#!/bin/sh\necho ran\n");
    scratch
}

/// A session that stays open while the test talks to its sidecar.
fn open(scratch: &Scratch) -> (Open, std::path::PathBuf) {
    let mut session = scratch.session("echo $REEVE_SOCKET >socket.new; mv socket.new socket; while [ ! -e done ]; do sleep 0.02; done; kubectl get pods");
    let child = session
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    assert!(appears(&scratch.at("socket")));
    let socket = std::fs::read_to_string(scratch.at("socket")).expect("the script wrote it");
    (Open(child), socket.trim().into())
}

/// Ends with the test, also when the test fails.
struct Open(Child);

impl Drop for Open {
    fn drop(&mut self) {
        // Ended already when the test went well.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Ends the session; its last command must still have been governed and recorded.
fn close(scratch: &Scratch, mut open: Open) {
    let child = &mut open.0;
    std::fs::write(scratch.at("done"), "").expect("a file can be written");
    assert!(wait(child, DEADLINE).success());
    let mut out = String::new();
    child
        .stdout
        .take()
        .expect("piped")
        .read_to_string(&mut out)
        .expect("text");
    assert_eq!(out, "ran\n");
    assert_eq!(scratch.events().len(), 1);
    assert_eq!(scratch.verify().0, 0);
}

fn assert_says(answer: &serde_json::Value, what: &str) {
    let message = answer["message"].as_str().unwrap_or_default();
    assert!(message.contains(what), "{what}: {answer}");
}

#[test]
fn frames_that_are_no_frames_get_one_clear_error() {
    let scratch = with_echo();
    let (child, socket) = open(&scratch);
    for (body, code, says) in [
        (&b"not json"[..], "bad_request", "not a message"),
        (b"", "bad_request", "not a message"),
        (b"[]", "bad_request", "not a message"),
        (b"{\"v\":1,\"type\":\"steal\"}", "bad_request", "`steal`"),
        (b"{\"v\":2,\"type\":\"status\"}", "version", "protocol version 2"),
        (
            b"{\"v\":1,\"type\":\"record\",\"event\":{}}",
            "bad_request",
            "missing field",
        ),
        (
            b"{\"v\":1,\"type\":\"record\",\"event\":\n{\"a\":\n1}}",
            "bad_request",
            "missing field",
        ),
        (
            b"{\"v\":1,\"type\":\"outcome\",\"outcome\":{\"event_id\":\"../x\"}}",
            "bad_request",
            "is not an event id",
        ),
        (&[0xff, 0xfe, 0x00], "bad_request", "not a message"),
    ] {
        let answer = wire::ask(&socket, body).expect("an answer");
        assert_eq!(answer["code"], code, "{answer}");
        assert_says(&answer, says);
    }
    let mut deep = b"{\"v\":1,\"type\":\"record\",\"event\":".to_vec();
    deep.extend(std::iter::repeat_n(b'[', 500_000));
    assert_eq!(
        wire::ask(&socket, &deep).expect("an answer")["code"],
        "bad_request"
    );
    close(&scratch, child);
}

#[test]
fn a_frame_too_long_is_refused_before_it_is_read() {
    let scratch = with_echo();
    let (child, socket) = open(&scratch);
    let mut stream = wire::connect(&socket);
    stream.write_all(&[0x7f, 0xff, 0xff, 0xff]).expect("four bytes");
    let answer = wire::receive(&mut stream).expect("an answer");
    assert_eq!(answer["code"], "too_large");
    assert!(
        wire::receive(&mut stream).is_none(),
        "and then the connection is closed"
    );
    close(&scratch, child);
}

#[test]
fn half_a_frame_and_a_client_that_stalls_are_dropped() {
    let scratch = with_echo();
    let (child, socket) = open(&scratch);
    let begun = Instant::now();
    let mut silent = wire::connect(&socket);
    let mut half = wire::connect(&socket);
    half.write_all(&[0, 0, 1, 0, b'{']).expect("five bytes");
    let mut cut = wire::connect(&socket);
    cut.write_all(&[0, 0]).expect("two bytes");
    drop(cut);
    let answer = wire::receive(&mut half).expect("an answer");
    assert_says(&answer, "not finished within 5 s");
    assert!(wire::receive(&mut silent).is_none());
    assert!(begun.elapsed() < Duration::from_secs(15));
    close(&scratch, child);
}

#[test]
fn a_thousand_connections_at_once_are_all_served_and_commands_go_on() {
    let scratch = with_echo();
    let (child, socket) = open(&scratch);
    let mut streams: Vec<_> = (0..1000).map(|_| wire::connect(&socket)).collect();
    for stream in &mut streams {
        wire::send(stream, b"{\"v\":1,\"type\":\"status\"}").expect("it takes a frame");
    }
    for stream in &mut streams {
        assert_eq!(wire::receive(stream).expect("an answer")["type"], "status");
    }
    // All of them stay open while a governed command runs.
    close(&scratch, child);
    drop(streams);
}

#[test]
fn an_event_that_claims_another_identity_is_not_recorded() {
    let scratch = with_echo();
    let (child, socket) = open(&scratch);
    let uid = nix::unistd::getuid().as_raw();
    let event = |level: &str, uid: u32, extra: &str| {
        format!(
            r#"{{"v":1,"type":"record","event":{{"ts":"2026-01-01T00:00:00Z","wrapper":"kubectl","command":"kubectl delete","governance_level":"{level}","track":"","allowlist_hit":true,"decision":"ALLOWED","caller_profile":"default","caller_agent_run_id":"","schema":1,"event_id":"0192f0c1-7b3e-7a10-8b1e-0123456789ab","request_id":"r","argv":[],"argv_bytes":0,"argv_sha256":"","operation":"","operations":[],"hazards":[],"reason":"allowed","message":"","rule":null,"policy_digest":"00","binary":null,"environment_changed":[],"cwd":"/","uid":{uid},"gid":0,"pid":1,"ppid":1,"parent":"x","host":"h"{extra}}}}}"#
        )
    };
    for (body, code, says) in [
        (event("L4", uid, ""), "identity", "above the pinned"),
        (event("L9", uid, ""), "identity", "above the pinned"),
        (event("L2", uid + 1, ""), "identity", "but the connection is from"),
        (event("L2", uid, ""), "identity", "policy"),
        (event("L2", uid, ",\"seq\":5"), "bad_request", "the ledger's own"),
    ] {
        let answer = wire::ask(&socket, body.as_bytes()).expect("an answer");
        assert_eq!(answer["code"], code, "{answer}");
        assert_says(&answer, says);
    }
    close(&scratch, child);
}

#[test]
fn words_that_are_not_text_and_lines_without_end_are_refused() {
    let scratch = with_echo();
    let output = scratch.run(
        "kubectl get $'p\\xffods'; echo $?; kubectl get $'po\\e[2Jds'; echo $?
         long=$(head -c 100000 /dev/zero | tr '\\0' a)
         kubectl get $long $long $long $long $long $long $long $long $long $long $long $long $long $long $long $long $long $long $long; echo $?",
    );
    assert_eq!(output.out(), "77\n77\n77\n");
    assert!(output.err().contains("is not valid UTF-8"), "{}", output.err());
    assert!(
        output.err().contains("at most 262144 are read"),
        "{}",
        output.err()
    );
    assert!(
        !output.err().contains('\u{1b}'),
        "no control characters reach the terminal"
    );
    let events = scratch.events();
    assert_eq!(events.len(), 3);
    assert!(
        events[2]["argv_bytes"]
            .as_u64()
            .is_some_and(|bytes| bytes > 1_800_000),
        "{}",
        events[2]["argv_bytes"]
    );
    assert_eq!(scratch.verify().0, 0);
}

#[test]
fn the_largest_command_line_the_kernel_takes_is_refused_in_time() {
    let scratch = with_echo();
    let mut session = scratch.command(acceptance::binaries::reeve());
    session
        .args(["run", "--level", "L2", "--json", "--record"])
        .arg(scratch.record())
        .args(["--", "kubectl", "get"]);
    session
        .args(std::iter::repeat_n("a".repeat(100_000), 15))
        .arg(OsString::from_vec(vec![0xc3, 0x28]));
    let begun = Instant::now();
    let output = finish(session.stdin(Stdio::null()), &[]);
    assert_eq!(output.code(), 77);
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(summary(&output)["blocked"], 1);
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    // A file size limit stands in for a full disk where no small file system can be mounted: both fail the write half way.
    let scratch = with_echo();
    let mut session = scratch.session(
        "prlimit --fsize=3000:unlimited --pid $(cat record/lock); for i in 1 2 3 4 5 6; do kubectl get pods >/dev/null 2>>err; echo $?; done
         prlimit --fsize=unlimited:unlimited --pid $(cat record/lock); kubectl get pods",
    );
    let output = finish(session.stdin(Stdio::null()), &[]);
    let codes: Vec<String> = output.out().lines().map(str::to_owned).collect();
    assert_eq!(codes.first().map(String::as_str), Some("0"), "{codes:?}");
    assert!(codes.contains(&"69".to_owned()), "{codes:?}");
    assert_eq!(
        codes.last().map(String::as_str),
        Some("ran"),
        "it goes on when there is room: {codes:?}\n{}",
        output.err()
    );
    assert_eq!(scratch.verify().0, 0);
    let said = std::fs::read_to_string(scratch.at("err")).expect("the script wrote it");
    assert!(said.contains("the ledger cannot be written"), "{said}");
}

/// A small file system that goes away with the test; `None` where only root could mount one and we are not.
fn small_disk(at: &std::path::Path) -> Option<Mounted> {
    std::fs::create_dir(at).expect("a directory can be made");
    let status = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs"])
        .arg(at)
        .stderr(Stdio::null())
        .status();
    status
        .is_ok_and(|status| status.success())
        .then(|| Mounted(at.to_owned()))
}

struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let status = std::process::Command::new("umount").arg(&self.0).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "{} can be unmounted",
            self.0.display()
        );
    }
}

#[test]
fn a_small_disk_that_fills_up_refuses_and_goes_on_when_there_is_room() {
    let scratch = with_echo();
    let Some(_disk) = small_disk(&scratch.record()) else {
        return;
    };
    let output = scratch.run(
        "for i in $(seq 100); do kubectl get pods >>ran 2>>err; code=$?; [ $code = 0 ] || break; done; echo $code
         kubectl get pods 2>/dev/null; echo $?; : >record/reeved.log; : >record/events.ndjson; kubectl get pods; echo $?",
    );
    assert_eq!(output.out(), "69\n69\nran\n0\n", "{}", output.err());
    let said = std::fs::read_to_string(scratch.at("err")).expect("the script wrote it");
    assert!(said.contains("No space left on device"), "{said}");
    let ran = std::fs::read_to_string(scratch.at("ran")).expect("some ran");
    let (code, findings) = scratch.verify();
    assert_eq!(
        findings["allowed"].as_u64(),
        Some(ran.lines().count() as u64 + 1),
        "what ran is what is recorded"
    );
    // Whether the seal still found room is not the point; that the chain holds is.
    assert!(matches!(code, 0 | 4), "{findings}");
}

#[test]
fn a_record_that_cannot_be_made_starts_nothing() {
    let scratch = with_echo();
    std::fs::write(scratch.record(), "a file, not a directory").expect("a file can be written");
    let output = scratch.run("touch agent-ran");
    assert_eq!(output.code(), 73, "{output:?}");
    assert!(!scratch.at("agent-ran").exists());
    std::fs::remove_file(scratch.record()).expect("a file can be removed");
    // A directory that others can write is no place for a record.
    std::fs::create_dir(scratch.record()).expect("a directory can be made");
    std::fs::set_permissions(scratch.record(), std::fs::Permissions::from_mode(0o777))
        .expect("a mode can be set");
    let output = scratch.run("touch agent-ran");
    assert_eq!(output.code(), 69, "{output:?}");
    assert!(
        output.err().contains("others can put files into it"),
        "{}",
        output.err()
    );
    assert!(!scratch.at("agent-ran").exists());
}

#[test]
fn a_deleted_ledger_is_noticed_and_nothing_runs() {
    let scratch = with_echo();
    let output = scratch.run("kubectl get pods; mv record/ledger-000001.ndjson record/aside; kubectl get pods; echo $?; sleep 1.5; python3 -c 'import os,urllib.request as u\ntry: u.urlopen(os.environ[\"REEVE_METRICS\"]+\"/readyz\")\nexcept Exception as e: print(e.code)'");
    assert_eq!(output.out(), "ran\n69\n503\n");
    assert!(output.err().contains("is gone"), "{}", output.err());
}

#[test]
fn odd_paths_find_the_tool_or_say_what_is_missing() {
    let mut scratch = Scratch::new();
    let (us, loops, locked) = (scratch.at("us"), scratch.at("loops"), scratch.at("locked"));
    for directory in [&us, &loops, &locked] {
        std::fs::create_dir(directory).expect("a directory can be made");
    }
    symlink(acceptance::binaries::reeve(), us.join("kubectl")).expect("a link can be made");
    symlink(loops.join("kubectl"), loops.join("kubectl")).expect("a link can be made");
    std::fs::write(locked.join("gh"), "").expect("a file can be written");
    let path = format!(
        "{}:{}::.:{}:{}",
        loops.display(),
        us.display(),
        locked.display(),
        scratch.path().to_string_lossy()
    );
    scratch
        .stand_in("kubectl", "#!/bin/sh\necho ran\n")
        .env("PATH", path);
    let output = scratch.run("kubectl get pods; aws sts get-caller-identity; echo $?; gh --version; echo $?");
    let expected_aws = if std::path::Path::new("/usr/bin/aws").exists() {
        None
    } else {
        Some("127")
    };
    let lines: Vec<String> = output.out().lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "ran");
    if let Some(code) = expected_aws {
        assert_eq!(lines[1], code);
    }
}

#[test]
fn a_missing_tool_is_127_with_its_package_and_an_unusable_one_126() {
    let mut scratch = Scratch::new();
    let only = scratch.at("only");
    std::fs::create_dir(&only).expect("a directory can be made");
    for name in ["bash", "sh"] {
        symlink(format!("/bin/{name}"), only.join(name)).expect("a link can be made");
    }
    std::fs::write(only.join("gh"), "").expect("a file can be written");
    std::fs::write(only.join("aws"), "neither a script nor a program").expect("a file can be written");
    std::fs::set_permissions(only.join("aws"), std::fs::Permissions::from_mode(0o755))
        .expect("a mode can be set");
    scratch.env("PATH", only.as_os_str());
    let output = scratch.run("kubectl get pods; echo $?; gh --version; echo $?; aws --version; echo $?");
    assert_eq!(output.out(), "127\n126\n126\n");
    assert!(
        output
            .err()
            .contains("Debian has it in the package `kubernetes-client`"),
        "{}",
        output.err()
    );
    let outcomes = scratch.outcomes();
    assert_eq!(outcomes.len(), 3);
    assert!(outcomes.iter().all(|outcome| outcome["not_started"].is_string()));
}

#[test]
fn a_refusal_says_what_a_model_needs_in_words_and_in_json() {
    let scratch = with_echo();
    let output =
        scratch.run("kubectl delete pod web -n prod; REEVE_OUTPUT=json kubectl delete pod web -n prod");
    let err = output.err();
    for part in [
        "reeve: refused: kubectl delete pod web -n prod",
        "why:",
        "rule:    for-people-only",
        "level:   L2",
        "allowed: kubectl get pods web -n prod",
        "event:   ",
    ] {
        assert!(err.contains(part), "{part} in\n{err}");
    }
    let json = err
        .lines()
        .find(|line| line.starts_with("{\"decision\""))
        .expect("one line of JSON");
    let report: serde_json::Value = serde_json::from_str(json).expect("it is JSON");
    let events = scratch.events();
    assert_eq!(report["decision"], "BLOCKED");
    assert_eq!(report["event_id"], events[1]["event_id"]);
    assert_eq!(
        (&report["rule"], &report["level"], &report["exit_code"]),
        (&"for-people-only".into(), &"L2".into(), &77.into())
    );
    assert!(
        report["nearest"]
            .as_array()
            .is_some_and(|nearest| !nearest.is_empty())
    );
}
