//! A tool is executed while its record is being written, and held before its first instruction: whatever becomes of the record, of the
//! sidecar or of the gate, nothing of it runs sooner than it may.

use acceptance::session::{Output, Scratch};
use std::collections::HashSet;

/// A session in which kubectl is a program that leaves its request's id in `ran`.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    std::fs::copy(env!("CARGO_BIN_EXE_stand_in"), scratch.at("tools/kubectl")).expect("it can be copied");
    scratch
}

/// Whether a gate that is started here traces nothing: under a filter for system calls, as root without `CAP_SYS_PTRACE`, or where Yama
/// forbids it.
fn is_not_traced() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| Some(line.strip_prefix(name)?.trim()))
    };
    let rights = field("CapEff:").and_then(|rights| u64::from_str_radix(rights, 16).ok());
    let may_trace = rights.is_some_and(|rights| rights >> 19 & 1 == 1);
    let yama = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let is_not = field("Seccomp:") != Some("0")
        || nix::unistd::geteuid().is_root() && !may_trace
        || matches!(yama.trim(), "2" | "3");
    if is_not {
        eprintln!("not tried: nothing can be traced here");
    }
    is_not
}

/// Runs a script in a session whose sidecar hangs while kubectl is started: `gate` and `tool` are the two processes then, and the
/// tool is held. `go_on` lets the sidecar go on; `ran` says how often the tool has run. Nothing where no tool is held.
fn while_held(script: &str) -> Option<(Scratch, Output)> {
    if is_not_traced() {
        return None;
    }
    let scratch = scratch();
    let output = scratch.run(&format!(
        "sidecar=$(cat record/lock)
         ran() {{ cat ran 2>/dev/null | wc -l; }}
         go_on() {{ kill -CONT $sidecar; }}
         ends() {{ for i in $(seq 500); do [ -e /proc/$1 ] || return 0; sleep 0.01; done; return 1; }}
         state() {{ sed 's/.*) //; s/ .*//' /proc/$tool/stat 2>/dev/null; }}
         kill -STOP $sidecar
         kubectl get pods 2>err & gate=$!
         for i in $(seq 500); do
           read -r tool </proc/$gate/task/$gate/children
           [ \"$(state)\" = t ] && break
           sleep 0.01
         done
         readlink /proc/$tool/exe | sed 's|.*/||'
         sleep 0.2
         echo held: $(state), ran: $(ran)
         {script}"
    ));
    Some((scratch, output))
}

const HELD: &str = "kubectl\nheld: t, ran: 0\n";

#[test]
fn it_runs_when_its_record_is_durable() {
    let Some((scratch, output)) = while_held("go_on; wait $gate; echo $?; ran") else {
        return;
    };
    assert_eq!(output.out(), format!("{HELD}0\n1\n"), "{}", output.err());
    let outcomes = scratch.outcomes();
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0]["exit_code"], 0, "{outcomes:?}");
    assert_eq!(scratch.verify().0, 0);
}

#[test]
fn it_does_not_run_when_its_record_does_not_become_durable_in_time() {
    let script = "wait $gate; echo $?; ends $tool && echo gone; go_on; sleep 0.5; ran; cat err >&2";
    let Some((_, output)) = while_held(script) else {
        return;
    };
    assert_eq!(output.out(), format!("{HELD}69\ngone\n0\n"), "{}", output.err());
    assert!(output.err().contains("did not answer within"), "{}", output.err());
}

#[test]
fn it_dies_with_its_gate_by_whatever_signal() {
    for signal in ["KILL", "TERM", "HUP"] {
        let script = format!("kill -{signal} $gate; ends $tool && echo gone; go_on; sleep 0.5; ran");
        let Some((scratch, output)) = while_held(&script) else {
            return;
        };
        assert_eq!(
            output.out(),
            format!("{HELD}gone\n0\n"),
            "{signal}: {}",
            output.err()
        );
        // The decision may have arrived. Then its outcome says that nobody knows; it is not that of a tool that ran.
        assert!(
            scratch
                .outcomes()
                .iter()
                .all(|outcome| outcome["exit_code"].is_null()),
            "{signal}"
        );
        assert_eq!(scratch.verify().0, 0);
    }
}

#[test]
fn nobody_else_can_let_it_go() {
    let script = "for signal in CONT USR1 STOP CONT TRAP; do kill -$signal $tool; done; sleep 0.2; echo $(state) $(ran)
         kill -KILL $gate; ends $tool && echo gone; go_on; ran";
    let Some((_, output)) = while_held(script) else {
        return;
    };
    assert_eq!(output.out(), format!("{HELD}t 0\ngone\n0\n"), "{}", output.err());
}

#[test]
fn one_that_is_killed_meanwhile_has_ended_by_that() {
    let Some((scratch, output)) = while_held("kill -KILL $tool; go_on; wait $gate; echo $?; ran") else {
        return;
    };
    assert_eq!(output.out(), format!("{HELD}137\n0\n"), "{}", output.err());
    assert_eq!(scratch.outcomes()[0]["signal"], 9, "{:?}", scratch.outcomes());
}

#[test]
fn signals_that_wait_for_it_reach_it() {
    let Some((_, output)) = while_held("kill -USR1 $tool; go_on; wait $gate; echo $?; ran") else {
        return;
    };
    assert_eq!(output.out(), format!("{HELD}138\n0\n"), "{}", output.err());
}

#[test]
fn a_frozen_profile_runs_nothing() {
    let scratch = scratch();
    let reeve = acceptance::binaries::reeve();
    let output = scratch.run(&format!(
        "REEVED_DIR=$PWD/record '{}' freeze --all --why 'INC-7' >&2
         kubectl get pods; echo $?; ls ran",
        reeve.display()
    ));
    assert_eq!(output.out(), "77\n", "{}", output.err());
}

#[test]
fn what_is_refused_or_held_for_approval_is_not_executed() {
    let scratch = scratch();
    let output = scratch.run("kubectl delete pod x; echo $?; kubectl apply -f none.yaml; echo $?; ls ran");
    assert_eq!(output.out(), "77\n77\n", "{}", output.err());
}

#[test]
fn where_tracing_kills_it_is_started_as_ever() {
    let mut scratch = scratch();
    scratch.env("STAND_IN", env!("CARGO_BIN_EXE_stand_in"));
    let output = scratch.run("$STAND_IN --without-ptrace kubectl get pods; echo $?; wc -l <ran");
    assert_eq!(output.out(), "0\n1\n", "{}", output.err());
}

/// Gates killed after any time from their start on: what ran is in the record, whatever moment it was.
#[test]
fn whenever_its_gate_is_killed_nothing_has_run_without_a_record() {
    let scratch = scratch();
    let output = scratch.run(
        "for i in $(seq 400); do
           timeout -s KILL 0.0$(printf %04d $((i * 137 % 2000)))1 kubectl get pods
         done 2>/dev/null
         kubectl get pods; echo $?",
    );
    assert_eq!(output.out(), "0\n", "{}", output.err());
    let ran = std::fs::read_to_string(scratch.at("ran")).expect("the last one ran");
    let events = scratch.events();
    let allowed: HashSet<&str> = events
        .iter()
        .filter_map(|event| event["request_id"].as_str())
        .collect();
    for id in ran.lines() {
        assert!(allowed.contains(id), "{id} ran without a record");
    }
    eprintln!("{} decisions, {} ran", allowed.len(), ran.lines().count());
    assert_eq!(scratch.verify().0, 0);
}

#[test]
fn two_hundred_at_once_run_once_each_with_a_record() {
    let scratch = scratch();
    let output = scratch.run(
        "for worker in 1 2 3 4 5 6 7 8; do
           ( for i in $(seq 25); do timeout 20 kubectl get pods 2>>err; echo $? >>codes; done ) &
         done
         for round in 1 2 3; do
           while [ $(wc -l <codes 2>/dev/null || echo 0) -lt $((round * 40)) ]; do sleep 0.01; done
           kill -KILL $(cat record/lock)
           sleep 0.1
         done
         wait",
    );
    let read = |name: &str| std::fs::read_to_string(scratch.at(name)).expect("the script wrote it");
    let codes = read("codes");
    assert_eq!(codes.lines().count(), 200, "{}", output.err());
    assert!(codes.lines().all(|code| matches!(code, "0" | "69")), "{codes}");
    let ran = read("ran");
    let ids: HashSet<&str> = ran.lines().collect();
    assert_eq!(ids.len(), ran.lines().count(), "each request ran once");
    assert_eq!(ids.len(), codes.lines().filter(|code| *code == "0").count());
    let events = scratch.events();
    let allowed: HashSet<&str> = events
        .iter()
        .filter(|event| event["decision"] == "ALLOWED")
        .filter_map(|event| event["request_id"].as_str())
        .collect();
    assert!(ids.is_subset(&allowed), "something ran without a record");
    assert_eq!(scratch.verify().0, 0);
}
