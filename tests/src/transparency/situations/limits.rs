//! Limits of resources.

use super::scripts;
use crate::transparency::Situation;

pub(super) fn all() -> Vec<Situation> {
    scripts(LIMITS)
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
