//! The sidecar killed in mid-load: no command has run whose record is not in the ledger.

use acceptance::session::{Scratch, summary};
use std::collections::HashSet;

#[test]
fn a_killed_sidecar_loses_nothing_and_comes_back() {
    let mut scratch = Scratch::new();
    // Each run of the tool leaves its request id: appends of one short line are atomic.
    scratch.stand_in("kubectl", "#!/bin/sh\necho $REEVE_REQUEST_ID >>ran\n");
    let output = scratch.run(
        "for worker in 1 2 3 4 5 6 7 8; do
           ( for i in $(seq 40); do timeout 20 kubectl get pods 2>>err; echo $? >>codes; done ) &
         done
         for round in 1 2 3 4; do
           while [ $(wc -l <codes 2>/dev/null || echo 0) -lt $((round * 60)) ]; do sleep 0.01; done
           kill -KILL $(cat record/lock)
           sleep 0.1
         done
         wait",
    );
    let codes = std::fs::read_to_string(scratch.at("codes")).expect("the script wrote it");
    assert_eq!(codes.lines().count(), 8 * 40);
    for code in codes.lines() {
        assert!(matches!(code, "0" | "69"), "{code}");
    }
    let ran = std::fs::read_to_string(scratch.at("ran")).expect("tools ran");
    let ran: Vec<&str> = ran.lines().collect();
    assert_eq!(
        ran.len(),
        ran.iter().collect::<HashSet<_>>().len(),
        "each request ran once"
    );
    let allowed: HashSet<String> = scratch
        .events()
        .iter()
        .filter(|event| event["decision"] == "ALLOWED")
        .map(|event| event["request_id"].as_str().expect("text").to_owned())
        .collect();
    for id in &ran {
        assert!(allowed.contains(*id), "{id} ran without a record");
    }
    assert_eq!(codes.lines().filter(|code| *code == "0").count(), ran.len());
    let (code, findings) = scratch.verify();
    assert_eq!(
        (code, &findings["verify"]),
        (0, &"sealed".into()),
        "{findings} {}",
        output.err()
    );
    assert_eq!(summary(&output)["verify"], "sealed");
    let record =
        std::fs::read_to_string(scratch.record().join("ledger-000001.ndjson")).expect("the record is there");
    assert_eq!(
        record.matches("\"k\":\"OPEN\"").count(),
        5,
        "four kills, five starts"
    );
}

#[test]
fn without_a_sidecar_only_reads_run_and_are_recorded_later() {
    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", "#!/bin/sh\necho ran\n");
    let output = scratch.run(
        "for i in 1 2 3 4 5 6; do kill -KILL $(cat record/lock); sleep 0.5; done
         kubectl get pods; echo $?; kubectl get nodes; echo $?; kubectl delete pod x; echo $?",
    );
    assert_eq!(output.out(), "ran\n0\nran\n0\n69\n");
    assert!(
        output
            .err()
            .contains("the decision cannot be recorded, so nothing ran"),
        "{}",
        output.err()
    );
    let spool = scratch
        .record()
        .join("spool")
        .join(format!("{}.spool", nix::unistd::getuid()));
    let spooled = std::fs::read_to_string(&spool).expect("the spool is there");
    assert_eq!(spooled.lines().count(), 4, "two decisions and two outcomes");
    // The next session over the same record takes it in, once and in order; a torn end is said, not swallowed.
    std::fs::write(&spool, format!("{spooled}{{\"w\":")).expect("a file can be written");
    let output = scratch.run("sleep 1.5; kubectl get services");
    assert_eq!(output.out(), "ran\n", "{}", output.err());
    let commands: Vec<String> = scratch
        .events()
        .iter()
        .map(|event| event["command"].as_str().expect("text").to_owned())
        .collect();
    assert_eq!(
        commands,
        ["kubectl get pods", "kubectl get nodes", "kubectl get services"]
    );
    assert_eq!(scratch.outcomes().len(), 3);
    assert_eq!(std::fs::read(&spool).expect("the spool is there"), b"");
    let record = std::fs::read_to_string(scratch.record().join("ledger-000001.ndjson")).expect("the record");
    assert_eq!(record.matches("\"k\":\"SPOOL\"").count(), 1);
    assert_eq!(record.matches("\"k\":\"GAP\"").count(), 1);
    assert_eq!(scratch.verify().0, 0);
}

#[test]
fn a_sidecar_that_hangs_is_not_waited_for_beyond_the_deadline() {
    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", "#!/bin/sh\necho ran\n");
    let output = scratch.run(
        "pid=$(cat record/lock); kill -STOP $pid; SECONDS=0; kubectl get pods; echo $?; [ $SECONDS -le 8 ] && echo in time; kill -CONT $pid",
    );
    assert_eq!(output.out(), "69\nin time\n");
    assert!(
        output.err().contains("did not answer within 5000 ms"),
        "{}",
        output.err()
    );
}

#[test]
fn two_hundred_commands_at_once_are_two_hundred_records() {
    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", "#!/bin/sh\nexit 0\n");
    let output = scratch.run("for i in $(seq 200); do kubectl get pods & done; wait");
    assert_eq!(summary(&output)["allowed"], 200);
    assert_eq!(scratch.outcomes().len(), 200);
    assert_eq!(scratch.verify().0, 0);
}

#[test]
fn tampering_is_found_and_named() {
    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", "#!/bin/sh\nexit 0\n");
    scratch.run("for i in 1 2 3 4; do kubectl get pods; done; kubectl delete pod x");
    let file = scratch.record().join("ledger-000001.ndjson");
    let whole = std::fs::read_to_string(&file).expect("the record is there");
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let join = |lines: &[&str]| lines.concat();
    let mut swapped = lines.clone();
    swapped.swap(3, 4);
    let mut doubled = lines.clone();
    doubled.insert(3, lines[3]);
    let mut dropped = lines.clone();
    dropped.remove(4);
    for (what, text, code, says) in [
        (
            "a changed word",
            whole.replacen("BLOCKED", "ALLOWED", 1),
            2,
            "was edited",
        ),
        ("two lines swapped", join(&swapped), 2, "is missing"),
        ("a line twice", join(&doubled), 2, "stands in its place"),
        ("a line dropped", join(&dropped), 2, "is missing"),
        (
            "the first line dropped",
            join(&lines[1..]),
            2,
            "record 0 is missing",
        ),
        (
            "the end cut at a line",
            join(&lines[..lines.len() - 2]),
            2,
            "the end was cut off",
        ),
        (
            "the end cut in a line",
            whole[..whole.len() - 7].to_owned(),
            4,
            "torn",
        ),
    ] {
        std::fs::write(&file, &text).expect("a file can be written");
        let (found, findings) = scratch.verify();
        assert_eq!(found, code, "{what}: {findings}");
        assert!(
            findings["fault"]["what"]
                .as_str()
                .is_some_and(|fault| fault.contains(says)),
            "{what}: {findings}"
        );
    }
    // Without any later word on the record, a cut at a line is still not taken for a whole one.
    std::fs::remove_file(scratch.record().join("checkpoint")).expect("a file can be removed");
    std::fs::write(&file, join(&lines[..lines.len() - 2])).expect("a file can be written");
    let (found, findings) = scratch.verify();
    assert_eq!(found, 4, "{findings}");
    std::fs::remove_file(&file).expect("a file can be removed");
    assert_eq!(scratch.verify().0, 3);
}
