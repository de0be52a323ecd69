//! Signals: sent, inherited, deadly.

use super::{script, scripts};
use crate::transparency::Situation;

pub(super) fn all() -> Vec<Situation> {
    [scripts(SIGNALS), inherited_signals(), deaths()].concat()
}

const SIGNALS: &[(&str, &str)] = &[
    (
        "to the whole group, counted",
        "set -m; for s in 2 15 10 1 28 40; do rm -f ready; K count-$s & while [ ! -s ready ]; do sleep .02; done; sleep .1; kill -$s -- -$!; wait $!; echo $?; done",
    ),
    (
        "to the whole group and to one, in turn",
        "set -m; K counts-10 & while [ ! -s ready ]; do sleep .02; done; for i in 1 2 3; do sleep .1; kill -10 -- -$!; sleep .1; kill -10 $!; done; wait $!; echo $?",
    ),
    (
        "python, to the group",
        "python3 -c 'import os, signal, subprocess, time; p = subprocess.Popen([\"kubectl\", \"get\", \"pods\", \"count-2\"], start_new_session=True); [time.sleep(.02) for i in range(500) if not os.path.exists(\"ready\")]; time.sleep(.1); os.killpg(p.pid, signal.SIGINT); print(p.wait())'",
    ),
    (
        "one signal, to the process",
        "set -m; K count-15 & while [ ! -s ready ]; do sleep .02; done; kill -TERM $!; wait $!; echo $?",
    ),
    (
        "one signal, queued",
        "set -m; K count-40 & while [ ! -s ready ]; do sleep .02; done; kill -40 $!; wait $!; echo $?",
    ),
    (
        "the last signal",
        "set -m; K count-64 & while [ ! -s ready ]; do sleep .02; done; kill -64 $!; wait $!; echo $?",
    ),
    ("timeout", "timeout 1 kubectl get pods wait; echo $?"),
    (
        "timeout in the foreground",
        "timeout --foreground 1 kubectl get pods wait; echo $?",
    ),
    (
        "timeout by interrupt",
        "timeout -s INT 1 kubectl get pods wait; echo $?",
    ),
    (
        "timeout and then kill",
        "timeout -k 1 -s URG 1 kubectl get pods wait; echo $?",
    ),
    (
        "to the whole group",
        "set -m; K wait & while [ ! -s ready ]; do sleep .02; done; kill -TERM -- -$!; wait $!; echo $?",
    ),
    (
        "stops itself",
        "exec 2>/dev/null; set -m; K stop-19 & said_stopped; kill -CONT -- -$!; wait $!; echo $?",
    ),
    (
        "stops itself as by Ctrl-Z",
        "exec 2>/dev/null; set -m; K stop-20 & said_stopped; kill -CONT -- -$!; wait $!; echo $?",
    ),
    (
        "stops itself where that is ignored",
        "exec 2>/dev/null; set -m; with ignore=20 -- K stop-20 & said_stopped; kill -CONT -- -$!; wait $!; echo $?",
    ),
    (
        "stopped by tstp, continued alone",
        "exec 2>/dev/null; set -m; K wait & while [ ! -s ready ]; do sleep .02; done; kill -TSTP $!; said_stopped; kill -CONT $!; until_state S; jobs >said; grep -c Running said; kill $!; wait $!; echo $?",
    ),
    (
        "killed",
        "set -m; K wait & while [ ! -s ready ]; do sleep .02; done; kill -KILL $!; wait $!; echo $?; sleep .2; is_gone $(cat ready)",
    ),
    ("nohup", "nohup kubectl get pods see </dev/null 2>&1 | cat"),
    (
        "nohup, hung up",
        "nohup kubectl get pods count-1 >out 2>&1 & while [ ! -s ready ]; do sleep .02; done; kill -HUP $!; wait $!; cat out",
    ),
    (
        "caller ignores its children",
        "trap '' CHLD; timeout 10 kubectl get pods exit-3; echo $?",
    ),
];

/// Signals that are ignored, blocked, or wait when the tool begins.
fn inherited_signals() -> Vec<Situation> {
    let mut all = Vec::new();
    for signal in [1, 2, 3, 10, 12, 13, 14, 15, 17, 18, 20, 21, 22, 28, 34, 40, 64] {
        all.push(script(
            &format!("{signal} is ignored"),
            format!("with ignore={signal} -- K see; with ignore={signal} -- K exit-5; echo $?"),
        ));
    }
    for signal in [2, 10, 13, 15, 17, 18, 20, 28, 34, 64] {
        all.push(script(
            &format!("{signal} is blocked"),
            format!("with block={signal} -- K see; with block={signal} -- K exit-5; echo $?"),
        ));
    }
    for signal in [10, 15, 34] {
        all.push(script(
            &format!("{signal} waits"),
            format!("with pend={signal} -- K late"),
        ));
    }
    all
}

/// Every signal that kills.
fn deaths() -> Vec<Situation> {
    let deadly = (1..=64).filter(|signal| ![17, 18, 19, 20, 21, 22, 23, 28, 32, 33].contains(signal));
    let list: Vec<String> = deadly.map(|signal| signal.to_string()).collect();
    vec![script(
        "death by every signal",
        format!(
            "ulimit -c 0; for s in {}; do (K die-$s; echo $s $?) 2>/dev/null; done",
            list.join(" ")
        ),
    )]
}
