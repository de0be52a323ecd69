//! What only a user meets who is not root.

use super::scripts;
use crate::transparency::Situation;

pub(super) fn all() -> Vec<Situation> {
    scripts(ORDINARY_USER)
}

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
