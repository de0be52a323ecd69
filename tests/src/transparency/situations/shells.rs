//! Shells and other programs that start the tool.

use super::scripts;
use crate::transparency::Situation;

pub(super) fn all() -> Vec<Situation> {
    scripts(SHELLS)
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
