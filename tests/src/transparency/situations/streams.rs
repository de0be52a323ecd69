//! Bytes through standard input and output, and exit statuses.

use super::{script, scripts};
use crate::transparency::Situation;

pub(super) fn all() -> Vec<Situation> {
    [scripts(STREAMS), statuses()].concat()
}

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
