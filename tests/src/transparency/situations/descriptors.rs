//! Descriptors: open, shared, closed.

use super::{script, scripts};
use crate::transparency::Situation;

pub(super) fn all() -> Vec<Situation> {
    [scripts(DESCRIPTORS), closed()].concat()
}

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
