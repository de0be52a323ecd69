//! The situations, in groups that are tests of their own.

use super::{Situation, Step, What};
use Step::{Appears, Expect, Foreground, HangUp, Keys, Resize};

/// Functions for scripts: whether a process is gone (one that nobody waits for stays as a zombie where the first process does not
/// reap), and waiting for a state of the last job, which the shell then knows. (It says so by itself too, sometimes: those
/// situations do without its messages. And it leaves a loop when a job stops, so another shell has the loop.)
pub const FUNCTIONS: &str = "is_gone() { grep -qs '^State:.[^ZX]' /proc/$1/status && echo still there || echo gone; }\n\
    until_state() { sh -c 'for i in $(seq 400); do grep -qs ^State:.$2 /proc/$1/status && exit; sleep .02; done; echo never' x $! $1; }\n\
    said_stopped() { until_state T; sleep .1; jobs >said; grep -c Stopped said; }\n";

/// The situations of a group.
///
/// # Panics
/// When there is no such group.
pub fn group(name: &str) -> Vec<Situation> {
    match name {
        "surroundings" => scripts(SURROUNDINGS),
        "environment" => scripts(ENVIRONMENT),
        "descriptors" => [scripts(DESCRIPTORS), closed()].concat(),
        "limits" => scripts(LIMITS),
        "signals" => [scripts(SIGNALS), inherited_signals(), deaths()].concat(),
        "streams" => [scripts(STREAMS), statuses()].concat(),
        "shells" => scripts(SHELLS),
        "ends" => scripts(ENDS),
        "terminal" => [scripts(ON_NO_TERMINAL), terminals()].concat(),
        "user" => scripts(ORDINARY_USER),
        "tools" => scripts(REAL_TOOLS),
        other => panic!("there is no group `{other}`"),
    }
}

fn scripts(table: &[(&str, &str)]) -> Vec<Situation> {
    table.iter().map(|(name, text)| script(name, *text)).collect()
}

fn script(name: &str, text: impl Into<String>) -> Situation {
    Situation {
        name: name.to_owned(),
        what: What::Script(text.into()),
    }
}

/// What a process inherits, beside descriptors, limits, signals and the environment.
const SURROUNDINGS: &[(&str, &str)] = &[
    ("plain", "K see"),
    (
        "by its path",
        "$(type -P kubectl) get pods see | sed 's/\"arguments\":\\[\"[^\"]*\"/\"arguments\":[\"(path)\"/'",
    ),
    ("umask 0", "umask 0; K file; K see; stat -c %a view"),
    ("umask 0777", "umask 0777; K file; K see; stat -c %a view"),
    ("nice", "nice -n 10 K see"),
    ("batch", "chrt --batch 0 K see"),
    ("idle", "chrt --idle 0 K see"),
    ("real time", "chrt --fifo 7 K see"),
    ("disk priority", "ionice -c 2 -n 6 K see; ionice -c 3 K see"),
    ("one processor", "taskset -c 0 K see"),
    ("first to be killed for memory", "with oom=500 -- K see"),
    ("timer slack", "with slack=123456 -- K see"),
    (
        "personality",
        "with personality=262144 -- K see; setarch -B K see",
    ),
    ("reaper of orphans", "with subreaper -- K see"),
    ("no huge pages", "with nothp -- K see"),
    ("no new privileges", "with nonewprivs -- K see"),
    ("core dump filter", "with coredump=0x7f -- K see"),
    ("an alarm is set", "with alarm=15 -- K see"),
    ("an alarm goes off", "with alarm=1 -- K wait; echo $?"),
    ("working directory is gone", "with gone -- K see"),
    (
        "working directory is a link",
        "mkdir real; ln -s real link; cd link; K see",
    ),
    ("groups", "setpriv --groups 1,2,3 K see"),
    (
        "fewer capabilities",
        "setpriv --bounding-set -sys_time,-mknod --inh-caps -all K see",
    ),
    (
        "ambient capabilities",
        "setpriv --inh-caps +chown --ambient-caps +chown K see",
    ),
    ("secure bits", "setpriv --securebits +no_setuid_fixup K see"),
    (
        "a namespace of its own",
        "unshare --uts --ipc K see | sed 's/\\(uts\\|ipc\\):.[0-9]*/\\1/g'",
    ),
    (
        "a network of its own",
        "unshare --net K see | sed 's/net:.[0-9]*/net/g'",
    ),
    ("a session of its own", "setsid --wait K see"),
];

/// Variables, names and words. `STRICT` has the comparison look at the order too.
const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "in order",
        "with environment=STRICT=1,Z=1,PATH=$PATH,B=2,HOME=$HOME,TMPDIR=$TMPDIR,XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR,A=3,M= -- K see",
    ),
    (
        "named twice",
        "with environment=STRICT=1,PATH=$PATH,A=first,HOME=$HOME,TMPDIR=$TMPDIR,XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR,A=second -- K see",
    ),
    (
        "without a value",
        "with environment=STRICT=1,PATH=$PATH,HOME=$HOME,TMPDIR=$TMPDIR,XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR,E=,=odd,nothing -- K see",
    ),
    (
        "not text",
        "with 'environment=STRICT=1,A=\\xff\\xfe,B\\xc3=1,PATH='$PATH,HOME=$HOME,TMPDIR=$TMPDIR,XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR -- K see",
    ),
    (
        "empty",
        "env -i $(type -P kubectl) get pods | sed 's/\"arguments\":\\[\"[^\"]*\"/\"arguments\":[\"(path)\"/; s/\"HOME=[^\"]*\",*//; s/\"PATH=[^\"]*\",*//; s/\"TMPDIR=[^\"]*\",*//; s/\"XDG[^\"]*\",*//g'",
    ),
    ("no locale", "unset LANG LC_ALL; K see"),
    ("the locale C", "LC_ALL=C K see"),
    (
        "a locale that is not there",
        "LC_ALL=xx_YY.UTF-8 LANGUAGE=xx K see",
    ),
    (
        "a time zone, colours, a width",
        "TZ=Asia/Tokyo COLUMNS=33 LINES=7 NO_COLOR=1 CLICOLOR_FORCE=1 TERM=xterm-256color K see",
    ),
    (
        "a function",
        "f() { :; }; export -f f; K see | sed 's/\"BASH_FUNC[^\"]*\",*//'",
    ),
    (
        "a long value",
        "A=$(head -c 130000 /dev/zero | tr '\\0' a) K digest </dev/null; echo $?",
    ),
    (
        "much",
        "for i in $(seq 1500); do printf -v V$i %0900d $i; export V$i; done; K digest </dev/null; echo $?",
    ),
    (
        "a long word",
        "K words -l a=$(head -c 130000 /dev/zero | tr '\\0' a)",
    ),
    (
        "many words",
        "K words $(for i in $(seq 900); do printf 'p%0240d ' $i; done)",
    ),
    ("an empty word", "K see -l ''"),
    (
        "words with everything in them",
        "K see -l $'a in (b,c)' -o 'jsonpath={.items[*]}\"\\n\\t$x `y` \u{e9}\u{1f600}'",
    ),
];

const DESCRIPTORS: &[(&str, &str)] = &[
    (
        "files",
        "printf 12345 >in; exec 8<in; read -n 2 -u 8; K see <&8 >out 2>err; cat out err",
    ),
    ("appended to", "echo before >out; K see >>out 2>&1; cat out"),
    ("read and written", "echo x >both; K see 0<>both | cat"),
    ("all one pipe", "K see 2>&1 | cat"),
    ("three to two hundred", "with descriptors -- K see"),
    ("beyond", "exec 900</etc/passwd; K see"),
    ("not blocking", "with descriptors -- bash -c 'K see 6<&4'"),
    ("both at once", "K both >out 2>&1; cat out"),
    ("a directory as input", "K see </dev"),
];

/// Each of the eight ways in which standard descriptors can be closed.
fn closed() -> Vec<Situation> {
    (0..8)
        .map(|set| {
            let closes: Vec<&str> = ["<&-", ">&-", "2>&-"]
                .into_iter()
                .enumerate()
                .filter(|(bit, _)| set & (1 << bit) != 0)
                .map(|(_, close)| close)
                .collect();
            let closes = closes.join(" ");
            script(
                &format!("closed {closes}"),
                format!(
                    "K file {closes}; K touched {closes}; s=$?; cat view touched; echo $s; K cat {closes}; echo $?; K exit-7 {closes}; echo $?"
                ),
            )
        })
        .collect()
}

const LIMITS: &[(&str, &str)] = &[
    ("64 descriptors", "with limit=NOFILE:64:64 -- K see"),
    ("64 descriptors for now", "with limit=NOFILE:64:4096 -- K see"),
    ("12 descriptors for now", "with limit=NOFILE:12:4096 -- K see"),
    ("12 descriptors", "with limit=NOFILE:12:12 -- K see"),
    (
        "few descriptors, many open",
        "exec 3</dev/null 4</dev/null 5</dev/null 6</dev/null 7</dev/null 8</dev/null; with limit=NOFILE:12:4096 -- K see",
    ),
    ("no file may grow", "with limit=FSIZE:0:0 -- K see"),
    ("small files", "with limit=FSIZE:4096:4096 -- K see"),
    ("little memory", "with limit=AS:300000000:300000000 -- K see"),
    ("little data", "with limit=DATA:50000000:50000000 -- K see"),
    (
        "a stack without end",
        "with limit=STACK:unlimited:unlimited -- K see",
    ),
    ("a small stack", "with limit=STACK:262144:262144 -- K see"),
    ("no locked memory", "with limit=MEMLOCK:0:0 -- K see"),
    (
        "no pending signals",
        "with limit=SIGPENDING:0:0 -- K see; with limit=SIGPENDING:0:0 -- K die-15; echo $?",
    ),
    ("a minute of processor", "with limit=CPU:60:60 -- K see"),
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

const STREAMS: &[(&str, &str)] = &[
    ("64 MiB out", "K flood-64 | sha256sum"),
    ("64 MiB in", "head -c 67108864 /dev/zero | K digest"),
    ("64 MiB through", "K flood-64 | K cat | sha256sum"),
    (
        "every byte",
        "printf \"$(printf '\\\\x%02x' $(seq 0 255))\" | K cat | od -An -c",
    ),
    (
        "one line at a time",
        "coproc K answer; for i in $(seq 300); do echo $i >&${COPROC[1]}; read -u ${COPROC[0]} a; echo \"$a\"; done; eval \"exec ${COPROC[1]}>&-\"; wait $COPROC_PID; echo $?",
    ),
    (
        "the reader goes",
        "K flood-64 | head -c 10 | od -An -c; echo ${PIPESTATUS[*]}",
    ),
    (
        "the reader goes and nobody says",
        "trap '' PIPE; K flood-64 2>err | head -c 10 >/dev/null; echo ${PIPESTATUS[0]}; cat err",
    ),
    (
        "no reader at all",
        "mkfifo f; (exec 3<f; sleep .1) & K flood-1 >f; echo $?; wait",
    ),
    ("a full disk", "K flood-1 >/dev/full; echo $?"),
    ("command substitution", "a=$(K see); echo \"$a\"; echo $?"),
    (
        "process substitution",
        "cat <(K see) | cat; K cat < <(echo in); K see > >(cat); wait",
    ),
    ("here-document", "K cat <<<hello"),
    ("a fifo", "mkfifo f; K see >f & cat f; wait"),
    (
        "files",
        "head -c 300000 /dev/urandom >in; K cat <in >out; cmp in out && echo same",
    ),
    (
        "several readers of one file",
        "printf 'a\\nb\\nc\\n' >in; { read x; K cat; read y; echo $x $y; } <in",
    ),
];

fn statuses() -> Vec<Situation> {
    vec![script(
        "every exit status",
        "for i in $(seq 0 255); do K exit-$i; [ $? = $i ] || echo \"$i is $?\"; done; echo all",
    )]
}

const SHELLS: &[(&str, &str)] = &[
    (
        "a pipeline of gates",
        "echo x | K cat | K cat | K cat; echo ${PIPESTATUS[*]}",
    ),
    (
        "with set -e and pipefail",
        "set -eo pipefail; K exit-0 | cat; K exit-3 | cat; echo never",
    ),
    (
        "xargs",
        "seq 12 | xargs -P 4 -I N bash -c 'K exit-N; echo $?' | sort -n",
    ),
    (
        "xargs, which ends at 255",
        "echo 1 | xargs -I N kubectl get pods exit-255; echo $?",
    ),
    ("exec", "exec kubectl get pods exit-9"),
    (
        "exec with an end",
        "trap 'echo end' EXIT; (exec kubectl get pods see); exec kubectl get pods exit-4",
    ),
    ("in the background", "K exit-6 & wait $!; echo $?"),
    (
        "many in the background",
        "for i in 1 2 3 4 5 6 7 8; do K exit-$i & p[$i]=$!; done; for i in 1 2 3 4 5 6 7 8; do wait ${p[$i]}; echo $?; done",
    ),
    (
        "find",
        "touch a b c; find . -name '[abc]' -exec kubectl get pods exit-2 \\; ; echo $?",
    ),
    ("env", "env A=1 kubectl get pods see"),
    (
        "sh",
        "sh -c 'kubectl get pods exit-8'; echo $?; dash -c 'kubectl get pods see'",
    ),
    (
        "python",
        "python3 -c 'import subprocess; p = subprocess.run([\"kubectl\", \"get\", \"pods\", \"see\"], capture_output=True, start_new_session=True); print(p.stdout.decode(), p.stderr, p.returncode)'",
    ),
    (
        "python, timed out",
        "python3 -c '\nimport subprocess\ntry: subprocess.run([\"kubectl\", \"get\", \"pods\", \"wait\"], timeout=1)\nexcept subprocess.TimeoutExpired as e: print(\"late\")'; sleep .2; is_gone $(cat ready)",
    ),
    ("perl", "perl -e 'print `kubectl get pods see`, $? >> 8'"),
    (
        "perl with an alarm",
        "perl -e 'alarm 1; exec @ARGV' kubectl get pods wait; echo $?",
    ),
    ("time", "TIMEFORMAT=done; time K exit-1; echo $?"),
    (
        "script",
        "script -qec 'kubectl get pods see' /dev/null </dev/null; echo $?",
    ),
    ("lock", "flock lock kubectl get pods see"),
    (
        "buffers",
        "stdbuf -oL echo; stdbuf -oL kubectl get pods exit-0; echo $?",
    ),
];

/// What is left of the tool, its children, its caller.
const ENDS: &[(&str, &str)] = &[
    ("a child that keeps the output", "K daemon; echo $?"),
    (
        "a child that keeps the output of a substitution",
        "a=$(K daemon); echo \"$? $a\"",
    ),
    (
        "the caller is killed",
        "bash -c 'echo $$ >caller; K count-15; echo $? >after' & while [ ! -s ready ]; do sleep .02; done; kill -KILL $(cat caller); wait; sleep .2; kill -0 $(cat ready) && echo lives; kill -TERM $(cat ready); sleep .6; is_gone $(cat ready); ls",
    ),
    (
        "the caller is gone before",
        "(K see >out; echo $? >code) & disown; for i in $(seq 300); do [ -s code ] && break; sleep .02; done; cat out code",
    ),
    (
        "the tool is killed",
        "K wait & while [ ! -s ready ]; do sleep .02; done; kill -KILL $(cat ready); wait $!; echo $?",
    ),
    ("no such directory", "mkdir d; cd d; rmdir ../d; K see"),
];

/// No terminal, or one that only some descriptors are.
const ON_NO_TERMINAL: &[(&str, &str)] = &[
    (
        "script, input elsewhere",
        "script -qec 'kubectl get pods see </dev/null' /dev/null </dev/null",
    ),
    (
        "script, output elsewhere",
        "script -qec 'kubectl get pods see >out; cat out' /dev/null </dev/null",
    ),
    (
        "script, own session",
        "script -qec 'setsid --wait kubectl get pods see' /dev/null </dev/null",
    ),
];

fn terminals() -> Vec<Situation> {
    let table: &[(&str, &[Step])] = &[
        (
            "everything on a terminal",
            &[
                Expect("> "),
                Keys(
                    "stty -echo intr ^A; K see >>facts; K see | tee -a facts >/dev/null; K file; cat view >>facts; echo over\n",
                ),
                Expect("\nover"),
                Keys("exit\n"),
            ],
        ),
        (
            "interrupted",
            &[
                Expect("> "),
                Keys("K wait; echo \"status $?\" >>facts\n"),
                Appears("ready"),
                Keys("\u{3}"),
                Expect("> "),
                Keys("echo \"then $?\" >>facts; exit\n"),
            ],
        ),
        (
            "an interrupt that is counted",
            &[
                Expect("> "),
                Keys("K count-2 >>facts; echo \"status $?\" >>facts\n"),
                Appears("ready"),
                Keys("\u{3}"),
                Appears("facts"),
                Keys("\n\nexit\n"),
            ],
        ),
        (
            "quit",
            &[
                Expect("> "),
                Keys("ulimit -c 0; K wait\n"),
                Appears("ready"),
                Keys("\u{1c}"),
                Expect("> "),
                Keys("echo \"then $?\" >>facts; exit\n"),
            ],
        ),
        (
            "suspended and continued",
            &[
                Expect("> "),
                Keys("K line\n"),
                Appears("ready"),
                Keys("\u{1a}"),
                Expect("Stopped"),
                Expect("> "),
                Keys("echo \"stopped $?\" >>facts; jobs | sed 's/  */ /g' >>facts; fg\n"),
                Expect("fg\r\n"),
                Foreground,
                Keys("again\n"),
                Appears("facts"),
                Expect("> "),
                Keys("echo \"then $?\" >>facts; exit\n"),
            ],
        ),
        (
            "suspended twice, continued in the background, killed",
            &[
                Expect("> "),
                Keys("K wait\n"),
                Appears("ready"),
                Keys("\u{1a}"),
                Expect("Stopped"),
                Expect("> "),
                Keys("fg\n"),
                Expect("fg\r\n"),
                Foreground,
                Keys("\u{1a}"),
                Expect("Stopped"),
                Expect("> "),
                Keys(
                    "bg; sleep .6; jobs | sed 's/  */ /g' >>facts; kill %1; wait %1; echo \"then $?\" >>facts; exit\n",
                ),
            ],
        ),
        (
            "reads in the background",
            &[
                Expect("> "),
                Keys("K line &\n"),
                Appears("ready"),
                Keys("sleep 1.2; jobs | sed 's/  */ /g' >>facts; fg\n"),
                Expect("fg\r\n"),
                Foreground,
                Keys("for you\n"),
                Expect("> "),
                Keys("echo \"then $?\" >>facts; exit\n"),
            ],
        ),
        (
            "writes in the background where that stops",
            &[
                Expect("> "),
                Keys("stty tostop; K see &\n"),
                Keys("sleep 1.2; jobs | sed 's/  */ /g' >>facts; fg; echo \"then $?\" >>facts; exit\n"),
            ],
        ),
        (
            "another size",
            &[
                Expect("> "),
                Keys("K count-28 >>facts; stty size >>facts; exit\n"),
                Appears("ready"),
                Resize(41, 133),
            ],
        ),
        (
            "the terminal goes away",
            &[
                Expect("> "),
                Keys(
                    "nohup bash -c 'echo >watching; while [ ! -s ready ]; do sleep .02; done; p=$(cat ready); while grep -qs '^State:.[^ZX]' /proc/$p/status; do sleep .02; done; echo over >facts' >/dev/null 2>&1 & K wait\n",
                ),
                Appears("watching"),
                Appears("ready"),
                HangUp,
                Appears("facts"),
            ],
        ),
        (
            "the terminal goes away from a count",
            &[
                Expect("> "),
                Keys("K some-1 >>facts\n"),
                Appears("ready"),
                HangUp,
                Appears("facts"),
            ],
        ),
        (
            "a pipeline in the foreground",
            &[
                Expect("> "),
                Keys("K wait | cat; echo \"${PIPESTATUS[*]}\" >>facts\n"),
                Appears("ready"),
                Keys("\u{1a}"),
                Expect("Stopped"),
                Expect("> "),
                Keys("fg\n"),
                Expect("fg\r\n"),
                Foreground,
                Keys("\u{3}"),
                Expect("> "),
                Keys("echo \"then $?\" >>facts; exit\n"),
            ],
        ),
        (
            "end of input",
            &[
                Expect("> "),
                Keys("K lines >>facts; exit\n"),
                Appears("ready"),
                Foreground,
                Keys("a line\n\u{4}"),
            ],
        ),
        (
            "raw keys",
            &[
                Expect("> "),
                Keys("stty -icanon -echo; K see >>facts; stty sane; echo over\n"),
                Expect("\nover"),
                Keys("exit\n"),
            ],
        ),
    ];
    table
        .iter()
        .map(|(name, steps)| Situation {
            name: (*name).to_owned(),
            what: What::Terminal(steps.to_vec()),
        })
        .collect()
}

/// What only a user meets who is not root.
const ORDINARY_USER: &[(&str, &str)] = &[
    ("plain", "K see"),
    (
        "an unreadable directory",
        "mkdir d; cd d; chmod 0300 .; K see; chmod 0 .; K see; chmod 700 .",
    ),
    ("umask 0777", "umask 0777; K see"),
    ("a real user of one's own", "K exit-3; echo $?"),
    ("200 processes", "with limit=NPROC:4000:4000 -- K see"),
    ("a low priority", "nice -n 19 K see"),
    (
        "low priority and few descriptors",
        "nice -n 5 with limit=NOFILE:64:64 -- K see",
    ),
];

/// The tools themselves. A kubeconfig is there, so the gate hands them files of its own.
const REAL_TOOLS: &[(&str, &str)] = &[
    (
        "kubectl",
        "kubectl get pods; echo $?; kubectl get pods -o name; kubectl get pods -n other web-1 -o json; echo $?",
    ),
    (
        "kubectl, not found",
        "kubectl get nothing; echo $?; kubectl get pods --context nowhere; echo $?",
    ),
    (
        "kubectl, help",
        "kubectl get --help | head -n 3; kubectl version --client; echo $?",
    ),
    (
        "kubectl, into nothing",
        "kubectl get pods >&-; echo $?; kubectl get pods >/dev/full; echo $?; kubectl get pods <&- 2>&-; echo $?",
    ),
    (
        "kubectl, ten lines of many",
        "kubectl logs big | head -c 1000 | sha256sum; echo ${PIPESTATUS[0]}",
    ),
    ("kubectl, 100 MiB", "kubectl logs big | sha256sum"),
    (
        "kubectl, little of everything",
        "(ulimit -n 64; umask 0777; nice -n 5 kubectl get pods; echo $?)",
    ),
    (
        "kubectl, no file may grow for now",
        "with limit=FSIZE:0:unlimited -- kubectl get pods; echo $?",
    ),
    (
        "kubectl, files that may hardly grow",
        "with limit=FSIZE:100:unlimited -- kubectl get pods; echo $?",
    ),
    (
        "kubectl, from a directory that is gone",
        "with gone -- kubectl get pods; echo $?",
    ),
    (
        "kubectl, many at once",
        "seq 6 | xargs -P 3 -I N kubectl get pods web-N -o name | sort",
    ),
    ("kubectl, timed out", "timeout 1 kubectl get pod slow; echo $?"),
    (
        "kubectl, interrupted",
        "timeout -s INT 1 kubectl get pod slow; echo $?",
    ),
    (
        "kubectl, in C",
        "LC_ALL=C kubectl get pods; env -u LANG kubectl get pods",
    ),
    (
        "kubectl, on a terminal",
        "script -qec 'kubectl get pods' /dev/null </dev/null",
    ),
    ("gh", "gh --version; echo $?; gh pr list --help | head -n 5;"),
    ("gh, not signed in", "gh pr list -R o/r; echo $?"),
    (
        "gh, on a terminal",
        "script -qec 'gh pr list -R o/r' /dev/null </dev/null; echo $?",
    ),
    (
        "gh, into nothing",
        "gh --version >&-; echo $?; gh --version >/dev/full; echo $?",
    ),
    ("aws", "aws --version; echo $?"),
    (
        "aws, without credentials",
        "AWS_EC2_METADATA_DISABLED=true aws ec2 describe-instances --region eu-west-1; echo $?",
    ),
    (
        "aws, into nothing",
        "aws --version >/dev/full; echo $?; aws --version <&-; echo $?",
    ),
];
