//! What is left of the tool, its children, its caller.

use super::scripts;
use crate::transparency::Situation;

pub(super) fn all() -> Vec<Situation> {
    scripts(ENDS)
}

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
