//! The situations, in groups that are tests of their own.

mod descriptors;
mod ends;
mod environment;
mod limits;
mod shells;
mod signals;
mod streams;
mod surroundings;
mod terminal;
mod tools;
mod user;

use super::{Situation, What};

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
        "surroundings" => surroundings::all(),
        "environment" => environment::all(),
        "descriptors" => descriptors::all(),
        "limits" => limits::all(),
        "signals" => signals::all(),
        "streams" => streams::all(),
        "shells" => shells::all(),
        "ends" => ends::all(),
        "terminal" => terminal::all(),
        "user" => user::all(),
        "tools" => tools::all(),
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
