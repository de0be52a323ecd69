//! The freeze switch: what is frozen does not run, is recorded as refused, and stays frozen over the sidecar's death.

use acceptance::binaries;
use acceptance::session::{Output, Scratch};
use acceptance::sinks::programs::free_port;
use serde_json::{Value, json};

/// A session of the profile `sre`, with a tool that says when it runs.
fn scratch(port: u16) -> Scratch {
    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", "#!/bin/sh\necho ran\n");
    let http = format!("127.0.0.1:{port}");
    scratch.flags(&["--level", "L2", "--profile", "sre", "--http", &http]);
    scratch
}

/// Runs a script in which `operator` is `reeve` and `metric` prints the gauge.
fn run(scratch: &Scratch, port: u16, script: &str) -> Output {
    let reeve = binaries::reeve();
    scratch.run(&format!(
        "export REEVED_DIR=$PWD/record
         operator() {{ '{}' \"$@\"; }}
         metric() {{
           exec 3<>/dev/tcp/127.0.0.1/{port}
           printf 'GET /metrics HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n' >&3
           grep '^reeve_agent_frozen' <&3
           exec 3>&-
         }}
         {script}",
        reeve.display()
    ))
}

/// Each decision about a tool: command, decision, reason.
fn decisions(scratch: &Scratch) -> Vec<[String; 3]> {
    let text = |event: &Value, key: &str| event[key].as_str().expect("text").to_owned();
    scratch
        .events()
        .iter()
        .map(|event| ["command", "decision", "reason"].map(|key| text(event, key)))
        .collect()
}

#[test]
fn a_frozen_profile_runs_nothing_until_an_operator_ends_it_although_the_sidecar_died() {
    let port = free_port();
    let scratch = scratch(port);
    let output = run(
        &scratch,
        port,
        "kubectl get pods; echo $?
         metric
         operator freeze --profile sre --why 'INC-7, wait for me'; echo $?
         metric
         kubectl get pods; echo $?
         kubectl delete pod x; echo $?
         kill -KILL $(cat record/lock); sleep 0.5
         kubectl get pods; echo $?
         operator frozen >frozen; echo $?
         operator unfreeze --profile sre --why 'it was the deploy'; echo $?
         kubectl get pods; echo $?
         metric; operator frozen; echo $?",
    );
    let gauge = |value: u8| format!("reeve_agent_frozen{{profile=\"sre\"}} {value}\n");
    let expected = format!(
        "ran\n0\n{}sre: frozen\n0\n{}77\n77\n77\n1\nsre: free again\n0\nran\n0\n{}0\n",
        gauge(0),
        gauge(1),
        gauge(0)
    );
    assert_eq!(output.out(), expected, "{}", output.err());
    let frozen = std::fs::read_to_string(scratch.at("frozen")).expect("the script wrote it");
    assert!(
        frozen.starts_with("sre ") && frozen.contains("INC-7, wait for me"),
        "{frozen}"
    );
    let said = output.err();
    for part in [
        "reeve: refused: kubectl get pods\n  why:     frozen by an operator since 20",
        ": INC-7, wait for me; nothing runs until one says `reeve unfreeze --profile sre`\n",
        "  rule:    none counts while it is frozen\n",
        "(profile sre)",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let expected = [
        ["kubectl get pods", "ALLOWED", "allowed"],
        ["reeve freeze --profile sre", "ALLOWED", "allowed"],
        ["kubectl get pods", "BLOCKED", "frozen"],
        ["kubectl delete pod x", "BLOCKED", "denied_by_rule"],
        ["kubectl get pods", "BLOCKED", "frozen"],
        ["reeve unfreeze --profile sre", "ALLOWED", "allowed"],
        ["kubectl get pods", "ALLOWED", "allowed"],
    ];
    assert_eq!(decisions(&scratch), expected);
    let events = scratch.events();
    assert_eq!(events[1]["why"], "INC-7, wait for me");
    assert_eq!(events[1]["profiles"], json!(["sre"]));
    assert_eq!(events[1]["uid"], nix::unistd::getuid().as_raw());
    assert_eq!(scratch.outcomes().len(), 2, "what was refused has no outcome");
    // The second start's CONFIG says that it began frozen.
    let record = std::fs::read_to_string(scratch.record().join("ledger-000001.ndjson")).expect("the record");
    let starts: Vec<&str> = record
        .lines()
        .filter(|line| line.contains("\"k\":\"CONFIG\""))
        .collect();
    assert_eq!(starts.len(), 2);
    assert!(starts[0].contains("\"frozen\":{\"all\":null,\"profiles\":{}}"));
    assert!(starts[1].contains("INC-7, wait for me"));
    let (code, findings) = scratch.verify();
    assert_eq!((code, &findings["verify"]), (0, &"sealed".into()), "{findings}");
}

#[test]
fn nothing_is_allowed_after_the_freeze_was_answered() {
    let port = free_port();
    let scratch = scratch(port);
    let output = run(
        &scratch,
        port,
        "for worker in 1 2 3 4; do
           ( for i in $(seq 100); do kubectl get pods >>ran 2>>err; echo $? >>codes; [ -e stop ] && break; done ) &
         done
         while [ $(wc -l <codes 2>/dev/null || echo 0) -lt 20 ]; do sleep 0.01; done
         operator freeze --all --why drill
         operator freeze --profile sre --why 'the mark'
         sleep 0.5; touch stop; wait",
    );
    assert_eq!(
        output.out(),
        "everything: frozen\nsre: frozen\n",
        "{}",
        output.err()
    );
    let decisions = decisions(&scratch);
    let mark = decisions
        .iter()
        .position(|[command, ..]| command == "reeve freeze --profile sre")
        .expect("the mark is in the ledger");
    let allowed = |part: &[[String; 3]]| {
        part.iter()
            .filter(|[command, decision, _]| command == "kubectl get pods" && decision == "ALLOWED")
            .count()
    };
    let (before, after) = decisions.split_at(mark);
    assert!(allowed(before) >= 16, "{decisions:?}");
    assert_eq!(allowed(after), 0, "{decisions:?}");
    assert!(after.len() > 4, "{decisions:?}");
    let ran = std::fs::read_to_string(scratch.at("ran")).expect("the tool ran");
    assert_eq!(ran.lines().count(), allowed(before));
}

#[test]
fn a_file_that_cannot_be_read_freezes_everything_until_it_is_replaced() {
    for bad in [
        "",
        "{\"v\":1,\"all\":null,\"profi",
        "{\"v\":9,\"all\":null,\"profiles\":{}}",
    ] {
        let port = free_port();
        let scratch = scratch(port);
        std::fs::create_dir(scratch.record()).expect("a directory can be made");
        std::fs::write(scratch.record().join("frozen.json"), bad).expect("a file can be written");
        let output = run(
            &scratch,
            port,
            "kubectl get pods; echo $?; metric; operator unfreeze --all; kubectl get pods; echo $?",
        );
        assert_eq!(
            output.out(),
            "77\nreeve_agent_frozen{profile=\"sre\"} 1\neverything: free again\nran\n0\n",
            "{}",
            output.err()
        );
        let said = output.err();
        assert!(
            said.contains("frozen.json cannot be read") && said.contains("`reeve unfreeze --all`"),
            "{said}"
        );
    }
}

#[test]
fn what_ran_without_a_sidecar_is_taken_in_although_its_profile_is_frozen() {
    let port = free_port();
    let scratch = scratch(port);
    let output = run(
        &scratch,
        port,
        "for i in 1 2 3 4 5 6; do kill -KILL $(cat record/lock); sleep 0.5; done; kubectl get pods; echo $?",
    );
    assert_eq!(output.out(), "ran\n0\n", "{}", output.err());
    let order =
        json!({"v": 1, "all": {"why": "INC-8", "since": "2026-04-07T14:32:01Z", "by": 0}, "profiles": {}});
    std::fs::write(scratch.record().join("frozen.json"), order.to_string()).expect("a file can be written");
    let output = run(&scratch, port, "sleep 1.5; kubectl get nodes; echo $?");
    assert_eq!(output.out(), "77\n", "{}", output.err());
    let expected = [
        ["kubectl get pods", "ALLOWED", "allowed"],
        ["kubectl get nodes", "BLOCKED", "frozen"],
    ];
    assert_eq!(decisions(&scratch), expected);
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    let port = free_port();
    let scratch = scratch(port);
    let output = run(
        &scratch,
        port,
        "operator freeze --profile rse --why x; echo $?
         operator freeze --profile sre --why ' '; echo $?
         operator freeze --profile sre --why $'two\\nlines'; echo $?
         operator unfreeze --profile sre; echo $?
         operator unfreeze --all; echo $?
         operator freeze --why x 2>/dev/null; echo $?
         operator freeze --all --profile sre --why x 2>/dev/null; echo $?
         operator freeze --all --why x
         operator unfreeze --profile sre; echo $?
         REEVED_DIR=$PWD operator frozen; echo $?",
    );
    assert_eq!(
        output.out(),
        "1\n1\n1\n1\n1\n64\n64\neverything: frozen\n1\n69\n",
        "{}",
        output.err()
    );
    let said = output.err();
    for part in [
        "no identity has the profile `rse`; there are: sre",
        "say why",
        "a reason is one line of at most 400 characters",
        "`sre` is not frozen",
        "nothing is frozen",
        "`sre` is frozen with everything else; `reeve unfreeze --all` ends that",
        "is a sidecar running there",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let recorded = decisions(&scratch);
    assert_eq!(
        recorded,
        [["reeve freeze --all", "ALLOWED", "allowed"]],
        "only what was done"
    );
}
