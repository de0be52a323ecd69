//! The battery of transparency: each situation directly and through the gate, and nothing that can be observed differs but
//! what `docs/transparency.md` says.

use acceptance::binaries;
use acceptance::http::Server;
use acceptance::kube_api::{self, Cluster};
use acceptance::session::{Scratch, finish};
use acceptance::transparency::{compare, run, situations};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long a group may take, one way.
const DEADLINE: Duration = Duration::from_secs(150);
/// The user `nobody`.
const NOBODY: u32 = 65_534;

/// A scratch directory in whose PATH the probe plays these parts.
fn with_probe(names: &[&str]) -> Scratch {
    let scratch = Scratch::new();
    for name in names {
        let place = scratch.at("tools").join(name);
        std::fs::copy(env!("CARGO_BIN_EXE_transparency"), place).expect("it can be copied");
    }
    scratch
}

/// Runs a group both ways; returns how many situations there were. `start` makes a command of a program's path.
fn both_ways(scratch: &Scratch, group: &str, reeve: &Path, start: impl Fn(&Path) -> Command) -> usize {
    let runner = scratch.at("tools/runner");
    let mut direct = start(&runner);
    direct.arg(group);
    let direct = run::observed(direct, DEADLINE);
    std::fs::remove_dir_all(scratch.at("work")).expect("the situations' directories can be removed");
    let mut through = start(reeve);
    through.args(["run", "--level", "L2", "--record"]);
    through.arg(scratch.record()).arg("--").arg(runner).arg(group);
    let through = run::observed(through, DEADLINE);
    let found = compare::all(&direct, &through);
    assert!(found.is_empty(), "{} differ:\n{}", found.len(), found.join("\n"));
    assert_eq!(scratch.verify().0, 0, "the record is whole");
    let count = situations::group(group).len();
    assert_eq!(
        (direct.len(), through.len()),
        (count, count),
        "no name is there twice"
    );
    count
}

macro_rules! groups {
    ($($name:ident: $least:literal)*) => {
        $(#[test]
        fn $name() {
            let scratch = with_probe(&["kubectl", "with", "runner"]);
            let count = both_ways(&scratch, stringify!($name), &binaries::reeve(), |program| scratch.command(program));
            assert!(count >= $least, "{count}");
        })*
    };
}

groups! {
    surroundings: 25
    environment: 14
    descriptors: 16
    limits: 12
    signals: 40
    streams: 15
    shells: 18
    ends: 5
    terminal: 15
}

/// With the real tools, against a cluster that is slow where it is asked for the pod `slow`.
#[test]
fn real_tools() {
    let server = Server::tcp(|request| {
        if request.path().ends_with("/pods/slow") {
            std::thread::sleep(Duration::from_secs(3));
        }
        kube_api::answer(request)
    });
    let cluster = Cluster { server };
    let mut scratch = with_probe(&["with", "runner"]);
    let kubeconfig = scratch.at("kubeconfig");
    cluster.kubeconfig(&kubeconfig);
    scratch
        .real("kubectl")
        .real("aws")
        .real("gh")
        .env("KUBECONFIG", kubeconfig);
    let count = both_ways(&scratch, "tools", &binaries::reeve(), |program| {
        scratch.command(program)
    });
    assert!(count >= 20, "{count}");
    assert!(cluster.server.requests().len() > 60, "the cluster was asked");
}

/// As a user who is not root: permissions and limits hold for that one only. Where the tests themselves are run by such a user,
/// as that one.
#[test]
fn ordinary_user() {
    let scratch = with_probe(&["kubectl", "with", "runner"]);
    let mut reeve = binaries::reeve();
    let is_root = nix::unistd::geteuid().is_root();
    if is_root {
        for binary in [binaries::reeve(), binaries::reeved()] {
            let name = binary.file_name().expect("a binary has a name");
            std::fs::copy(&binary, scratch.at("run").join(name)).expect("it can be copied");
        }
        reeve = scratch.at("run/reeve");
        give(&scratch.at(""));
    }
    let start = |program: &Path| {
        let setpriv = [
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--inh-caps=-all",
        ];
        let mut command = scratch.command(if is_root {
            OsStr::new("setpriv")
        } else {
            program.as_os_str()
        });
        if is_root {
            command.args(setpriv).arg(program);
        }
        command
    };
    assert!(both_ways(&scratch, "user", &reeve, start) >= 7);
    // Directly, the tool takes the place of its caller; behind the gate it is one process more.
    std::fs::remove_dir_all(scratch.record()).expect("the record can be removed");
    let mut session = start(&reeve);
    session
        .args(["run", "--level", "L2", "--record"])
        .arg(scratch.record());
    session.args([
        "--",
        "bash",
        "-c",
        "with limit=NPROC:1:1 -- kubectl get pods; echo $?",
    ]);
    let output = finish(session.stdin(Stdio::null()), &[]);
    assert_eq!(output.out(), "126\n", "{}", output.err());
    let why = scratch.outcomes()[0]["not_started"].clone();
    assert_eq!(why, "Try again", "the system's own word for no more processes");
}

/// Where the sidecar is gone, the spool is the caller's to read and write, whatever the caller's umask; the tool has that umask.
#[test]
fn the_spool_has_its_own_umask() {
    use std::os::unix::fs::PermissionsExt;
    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", "#!/bin/sh\numask\n");
    let output = scratch.run(
        "for i in 1 2 3 4 5 6; do kill -KILL $(cat record/lock); sleep 0.5; done; umask 0777; kubectl get pods; kubectl get nodes",
    );
    assert_eq!(output.out(), "0777\n0777\n", "{}", output.err());
    let spool = scratch.record().join("spool");
    let file = spool.join(format!("{}.spool", nix::unistd::getuid()));
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&spool), mode(&file)), (0o700, 0o600));
    let lines = std::fs::read_to_string(&file).expect("the spool can be read");
    assert_eq!(lines.lines().count(), 4, "two decisions and two outcomes");
}

/// Gives a directory and all in it to `nobody`.
fn give(place: &Path) {
    std::os::unix::fs::chown(place, Some(NOBODY), Some(NOBODY)).expect("root can give away");
    if place.is_dir() {
        for entry in std::fs::read_dir(place).expect("a directory can be read") {
            give(&entry.expect("an entry can be read").path());
        }
    }
}

/// What the gate does not pass on as it is, it refuses, and says so; the tool never sees it.
#[test]
fn what_cannot_be_judged_is_refused_and_not_bent() {
    let scratch = with_probe(&["kubectl"]);
    let output = scratch.run(
        "for w in $'\\xff\\xfe' \"$(printf 'p%0130000d ' 1 2 3)\" \"$(seq -f p%g 1001)\"; do\n\
         kubectl get pods see $w 2>>err; echo $?; done",
    );
    assert_eq!(output.out(), "77\n77\n77\n", "{}", output.err());
    let said = std::fs::read_to_string(scratch.at("err")).expect("the script wrote it");
    for why in ["UTF-8", "at most", "split the command"] {
        assert!(said.contains(why), "{why} in {said}");
    }
    assert_eq!(scratch.outcomes().len(), 0, "nothing ran");
}

/// The gate hands kubectl its kubeconfig in a memory file. Where no file may ever grow, there can be none: it says so, and no
/// signal kills it.
#[test]
fn where_no_file_may_grow_the_gate_says_so() {
    let cluster = Cluster::start();
    let mut scratch = with_probe(&["with"]);
    let kubeconfig = scratch.at("kubeconfig");
    cluster.kubeconfig(&kubeconfig);
    scratch.real("kubectl").env("KUBECONFIG", kubeconfig);
    let output =
        scratch.run("with limit=FSIZE:100:100 -- kubectl get pods 2>&1 | cat; echo ${PIPESTATUS[0]}");
    assert!(
        output.out().ends_with("69\n") && output.out().contains("ulimit -f"),
        "{}",
        output.out()
    );
    assert_eq!(cluster.server.requests().len(), 0, "nothing ran");
}

/// With few descriptors of which none is free, a call is refused or runs, and what is recorded is what happened.
#[test]
fn without_descriptors_nothing_runs_and_the_record_says_so() {
    let scratch = with_probe(&["kubectl", "with"]);
    let output = scratch.run(
        "for n in 4 5 6 7 8 9 10 11 12 14 16; do with limit=NOFILE:$n:$n -- kubectl get pods exit-3 >>out 2>>err; echo $?; done",
    );
    let codes: Vec<i32> = output
        .out()
        .lines()
        .map(|line| line.parse().expect("a status"))
        .collect();
    let ran = codes.iter().filter(|code| **code == 3).count();
    assert!(ran > 0 && codes[0] != 3, "{codes:?}");
    let outcomes = scratch.outcomes();
    let ended = outcomes
        .iter()
        .filter(|outcome| outcome["exit_code"] == 3)
        .count();
    let allowed = scratch.events().len();
    assert_eq!(ended, ran, "{codes:?}");
    assert_eq!(
        allowed,
        outcomes.len(),
        "each that was allowed has its outcome: {codes:?}"
    );
}

/// The probe itself is honest: two situations that differ are told apart.
#[test]
fn the_battery_sees_differences() {
    let scratch = with_probe(&["kubectl", "with"]);
    let see = |script: &str| {
        let mut bash = scratch.command("bash");
        let output = finish(bash.args(["-c", script]).stdin(Stdio::null()), &[]);
        let observed = |stdout: String| acceptance::transparency::Observed {
            ended: format!("{:?}", output.status.code()),
            stdout,
            stderr: String::new(),
        };
        std::collections::BTreeMap::from([("it".to_owned(), observed(output.out()))])
    };
    let groups = [
        "surroundings",
        "environment",
        "descriptors",
        "limits",
        "signals",
        "streams",
        "shells",
        "ends",
        "terminal",
        "user",
        "tools",
    ];
    let count: usize = groups.iter().map(|group| situations::group(group).len()).sum();
    assert!(count > 200, "{count}");
    let plain = see("exec kubectl get pods see");
    for other in [
        "umask 7; exec kubectl get pods see",
        "ulimit -n 77; exec kubectl get pods see",
        "exec kubectl get pods see 5</dev/null",
        "trap '' USR1; exec kubectl get pods see",
        "exec with block=10 -- kubectl get pods see",
        "exec with oom=300 -- kubectl get pods see",
        "exec with slack=70000 -- kubectl get pods see",
        "A=1 exec kubectl get pods see",
        "exec kubectl get pods see more",
        "cd tools; exec kubectl get pods see",
        "exec nice -n 3 kubectl get pods see",
        "exec kubectl get pods exit-3",
        "exec setsid --wait kubectl get pods see >/dev/null",
    ] {
        // The second one stands in the gate's place, where the tool is expected to die with the gate.
        let as_through = |text: &str| text.replace("\"parent_death_signal\":0", "\"parent_death_signal\":9");
        let mut seen = see(other);
        for observed in seen.values_mut() {
            observed.stdout =
                as_through(&observed.stdout).replace("\"leads_its_group\":true", "\"leads_its_group\":false");
        }
        assert_ne!(compare::all(&plain, &seen), Vec::<String>::new(), "{other}");
    }
}
