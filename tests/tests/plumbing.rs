//! An allowed command behaves as if the gate were not there: bytes, statuses, signals, terminals. Where the tool itself does
//! not matter, a script stands in for it.

use acceptance::binaries;
use acceptance::http::pattern;
use acceptance::pty::OnTerminal;
use acceptance::session::{Scratch, appears, finish};
use acceptance::sha256;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::time::Duration;

fn with(script: &str) -> Scratch {
    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", script);
    scratch
}

#[test]
fn a_hundred_megabytes_pass_through_both_ways_unchanged() {
    let scratch = with("#!/bin/sh\nexec cat\n");
    let input: Vec<u8> = (0..100 * 1024 * 1024).map(pattern).collect();
    let output = scratch.run_with_input("kubectl get pods", &input);
    assert_eq!(output.stdout.len(), input.len());
    assert_eq!(sha256(&output.stdout), sha256(&input));
}

#[test]
fn output_streams_and_is_not_collected() {
    let scratch = with("#!/bin/sh\necho first\nwhile [ ! -e go ]; do sleep 0.02; done\necho second\n");
    // The first line must be readable while the tool still waits for what is done after reading it.
    let output = scratch.run("kubectl get pods | { read a; echo \"got $a\"; touch go; cat; }");
    assert_eq!(output.out(), "got first\nsecond\n");
}

#[test]
fn exit_statuses_are_the_tools() {
    let scratch = with("#!/bin/sh\nexit $(cat code)\n");
    let output = scratch.run(
        "for i in 0 1 2 3 42 75 77 78 126 127 128 200 255; do echo $i >code; kubectl get pods; echo $?; done",
    );
    assert_eq!(
        output.out().split_whitespace().collect::<Vec<_>>(),
        [
            "0", "1", "2", "3", "42", "75", "77", "78", "126", "127", "128", "200", "255"
        ]
    );
}

#[test]
fn death_by_a_signal_is_the_same_death() {
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGKILL,
        Signal::SIGSEGV,
        Signal::SIGPIPE,
        Signal::SIGHUP,
    ] {
        let scratch = with(&format!("#!/bin/sh\nkill -{} $$\nsleep 5\n", signal as i32));
        let mut session = scratch.command(binaries::reeve());
        session
            .args(["run", "--level", "L2", "--record"])
            .arg(scratch.record())
            .args(["--", "kubectl", "get", "pods"]);
        let output = finish(session.stdin(Stdio::null()), &[]);
        // The gate dies so, and the session around it too.
        assert_eq!(
            output.status.signal(),
            Some(signal as i32),
            "{signal}: {output:?}"
        );
        assert_eq!(scratch.outcomes()[0]["signal"], signal as i32);
        assert_eq!(scratch.verify().0, 0);
    }
}

/// A signal that reaches only the gate is passed on to the tool.
#[test]
fn a_signal_sent_to_the_gate_reaches_the_tool() {
    for name in ["TERM", "INT", "HUP", "USR1", "USR2", "QUIT", "WINCH", "CONT"] {
        let scratch = with(&format!(
            "#!/bin/bash\ntrap 'echo got {name}; exit 9' {name}\ntouch ready\nfor i in $(seq 400); do sleep 0.05; done\n"
        ));
        let script = format!(
            "kubectl get pods & gate=$!; while [ ! -e ready ]; do sleep 0.02; done; kill -{name} $gate; wait $gate; echo status $?"
        );
        // `bash -c` starts background jobs with SIGINT and SIGQUIT ignored, with and without us; -m does not.
        let output = scratch.run(&format!("set -m; {script}"));
        assert_eq!(output.out(), format!("got {name}\nstatus 9\n"), "{name}");
    }
}

#[test]
fn the_gate_killed_leaves_no_tool_running() {
    let scratch = with("#!/bin/sh\necho $$ >pid\nexec sleep 60\n");
    let output = scratch.run(
        "kubectl get pods & gate=$!; while [ ! -s pid ]; do sleep 0.02; done; kill -KILL $gate; wait $gate; echo $?
         for i in $(seq 100); do kill -0 $(cat pid) 2>/dev/null || { echo gone; break; }; sleep 0.05; done",
    );
    assert_eq!(output.out(), "137\ngone\n");
}

#[test]
fn a_reader_that_goes_away_ends_the_tool_by_sigpipe() {
    let scratch = with("#!/bin/bash\nwhile echo y; do :; done 2>/dev/null\n");
    let output = scratch.run("kubectl get pods | head -n 1; echo ${PIPESTATUS[0]}");
    let mut direct = Command::new("bash");
    let direct = finish(
        direct
            .args([
                "-c",
                "bash -c 'while echo y; do :; done 2>/dev/null' | head -n 1; echo ${PIPESTATUS[0]}",
            ])
            .stdin(Stdio::null()),
        &[],
    );
    assert_eq!(output.out(), direct.out());
}

/// The gate holds none of the tool's pipes open.
#[test]
fn a_pipe_that_the_tool_closes_is_closed() {
    let scratch = with("#!/bin/bash\nexec <&- >&-\nwhile [ ! -e done ]; do sleep 0.02; done\n");
    let output = scratch.run(
        "kubectl get pods | { cat; touch done; }; yes | timeout 20 kubectl get pods; echo ${PIPESTATUS[0]}",
    );
    assert_eq!(output.out().trim(), "141");
}

const BATTERY: &str = r#"#!/bin/bash
echo "args: $# [$1] [$2] [$3]"
umask; ulimit -n; nice; pwd
echo "fds: $(cd /proc/self/fd && for f in 0 1 2 3 4 5 6 7 8 9; do [ -e $f ] && printf '%s ' $f; done)"
# 32 and 33 are the C library's own; whoever started us may have left them either way
grep -E '^(SigBlk|SigIgn|SigCgt)' /proc/self/status | while read k v; do printf '%s %x\n' $k $((0x$v & ~0x180000000)); done
readlink /proc/self/fd/0 | sed 's/[0-9][0-9]*/N/'
ps -o pgid= -p $$ | tr -d ' ' | { read g; [ "$g" = "$(ps -o pgid= -p $PPID | tr -d ' ')" ] && echo same group; }
"#;

/// The same program sees the same surroundings, with and without the gate.
#[test]
fn the_tool_finds_everything_as_without_us() {
    let variants = [
        "kubectl get pods",
        "umask 077; kubectl get pods",
        "ulimit -n 100; kubectl get pods",
        "nice -n 5 kubectl get pods",
        "kubectl get pods </dev/null",
        "kubectl get pods <&-",
        "kubectl get pods 3</etc/hostname 5</etc/hostname",
        "trap '' PIPE HUP; kubectl get pods",
        "mkdir -p gone; cd gone; rmdir ../gone; kubectl get pods 2>&1",
    ];
    let scratch = with(BATTERY);
    for variant in variants {
        let through = scratch.run(variant);
        std::fs::remove_dir_all(scratch.record()).expect("the record can be removed");
        let mut direct = scratch.command("bash");
        let direct = finish(direct.args(["-c", variant]).stdin(Stdio::null()), &[]);
        assert_eq!(through.out(), direct.out(), "{variant}\n{}", through.err());
    }
}

fn on_terminal(scratch: &Scratch, script: &str) -> OnTerminal {
    let mut command = scratch.command(binaries::reeve());
    command
        .args(["run", "--level", "L2", "--record"])
        .arg(scratch.record())
        .args(["--", "bash", "--norc", "-c", script]);
    OnTerminal::start(command)
}

#[test]
fn an_interactive_program_keeps_its_terminal() {
    let scratch = with(
        "#!/bin/bash\ntest -t 0 && test -t 1 && test -t 2 && echo all terminals\nstty size\nread -p 'name? ' name\necho \"hello $name\"\ntest \"$(ps -o tpgid= -p $$ | tr -d ' ')\" = \"$(ps -o pgid= -p $$ | tr -d ' ')\" && echo foreground\n",
    );
    let mut terminal = on_terminal(&scratch, "kubectl get pods; echo status $?");
    terminal.expect("name? ");
    terminal.keys("reeve\n");
    terminal.expect("status 0");
    let (status, screen) = terminal.end();
    assert!(status.success());
    for text in ["all terminals", "24 80", "hello reeve", "foreground"] {
        assert!(screen.contains(text), "{text} in\n{screen}");
    }
}

#[test]
fn ctrl_c_reaches_the_tool_once_and_the_gate_lives_to_tell() {
    let scratch = with(
        "#!/bin/bash\ntrap 'echo INT; n=$((n+1))' INT\necho ready\nfor i in $(seq 20); do sleep 0.1; done\necho \"count $n\"\nexit 5\n",
    );
    let mut terminal = on_terminal(&scratch, "trap : INT; kubectl get pods; echo status $?");
    terminal.expect("ready");
    terminal.keys("\u{3}");
    terminal.expect("status 5");
    let (_, screen) = terminal.end();
    assert!(screen.contains("count 1"), "{screen}");
    assert_eq!(scratch.outcomes()[0]["exit_code"], 5);
}

#[test]
fn a_new_window_size_reaches_the_tool() {
    let scratch = with(
        "#!/bin/bash\ntrap 'stty size; exit 0' WINCH\necho ready\nfor i in $(seq 200); do sleep 0.05; done\nexit 1\n",
    );
    let terminal = on_terminal(&scratch, "kubectl get pods; echo status $?");
    terminal.expect("ready");
    terminal.resize(40, 100);
    terminal.expect("status 0");
    assert!(terminal.screen().contains("40 100"), "{}", terminal.screen());
    terminal.end();
}

/// Ctrl-Z in an interactive shell inside the session, then `fg`: as without us.
#[test]
fn ctrl_z_stops_and_fg_continues() {
    let scratch = with("#!/bin/bash\necho started\nread -t 30 line\necho \"read $line\"\nexit 6\n");
    let mut command = scratch.command(binaries::reeve());
    command
        .args(["run", "--level", "L2", "--record"])
        .arg(scratch.record())
        .args(["--", "bash", "--norc", "-i"]);
    command.env("PS1", "prompt> ");
    let mut terminal = OnTerminal::start(command);
    terminal.expect("prompt> ");
    terminal.keys("kubectl get pods\n");
    terminal.expect("started");
    std::thread::sleep(Duration::from_millis(200));
    terminal.keys("\u{1a}");
    terminal.expect("Stopped");
    terminal.keys("echo in between\n");
    terminal.expect("\nin between");
    terminal.keys("fg\n");
    std::thread::sleep(Duration::from_millis(200));
    terminal.keys("again\n");
    terminal.expect("read again");
    terminal.keys("echo status $?\n");
    terminal.expect("status 6");
    terminal.keys("exit\n");
    let (status, screen) = terminal.end();
    assert!(status.success(), "{screen}");
    assert_eq!(scratch.verify().0, 0);
}

#[test]
fn a_stop_signal_to_the_gate_alone_stops_both() {
    let scratch =
        with("#!/bin/bash\ntouch ready\nfor i in $(seq 600); do [ -e done ] && exit 4; sleep 0.05; done\n");
    let mut session = scratch.session("kubectl get pods & echo $! >gate; wait %1; echo status $?");
    let child = session
        // The kernel does not stop an orphaned process group by SIGTSTP; one whose parent is this test is none.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    assert!(appears(&scratch.at("ready")) && appears(&scratch.at("gate")));
    let gate: i32 = std::fs::read_to_string(scratch.at("gate"))
        .expect("written")
        .trim()
        .parse()
        .expect("a process id");
    let state = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().next().map(str::to_owned))
            .unwrap_or_default()
    };
    kill(Pid::from_raw(gate), Signal::SIGTSTP).expect("our own gate");
    let reached = |wanted: &[&str]| {
        (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            wanted.contains(&state(gate).as_str())
        })
    };
    assert!(
        reached(&["T"]),
        "the gate stops with its tool, it is `{}`",
        state(gate)
    );
    kill(Pid::from_raw(gate), Signal::SIGCONT).expect("our own gate");
    assert!(reached(&["S", "R"]), "the gate goes on, it is `{}`", state(gate));
    std::fs::write(scratch.at("done"), "").expect("a file can be written");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "status 4\n");
}

/// Ignoring SIGCHLD is inherited; a gate that kept it so would wait for ever for an end that nobody tells it.
#[test]
fn a_caller_that_ignores_the_ends_of_its_children_does_not_make_the_gate_hang() {
    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", "#!/bin/bash\ntrap -p CHLD\nexit 7\n");
    let output = scratch.run("trap '' CHLD; kubectl get pods; echo $?");
    assert_eq!(
        output.out(),
        "trap -- '' SIGCHLD\n7\n",
        "the tool finds it as without the gate: {}",
        output.err()
    );
    assert_eq!(scratch.outcomes().len(), 1);
}
