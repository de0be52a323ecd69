//! The battery of transparency: situations that are run twice, directly and through the gate, and all that can be observed
//! of them.
//!
//! One program (`src/bin/transparency.rs`) plays every part. Called `kubectl` it is the tool ([`probe`]): it says what it sees
//! ([`view`]) or does what its last word asks for. Called `with` it prepares a process in an odd way and then becomes
//! another program ([`odd`]). Called `runner` it runs situations ([`run`]) and prints what was observed as JSON. The test
//! starts the runner once as it is and once inside of `reeve run`; both in the same directory, so that even paths are equal.

pub mod compare;
pub mod odd;
pub mod probe;
pub mod run;
pub mod situations;
pub mod terminal;
pub mod view;

/// Something to be run, directly and through the gate.
#[derive(Debug, Clone)]
pub struct Situation {
    /// Its name, also that of its directory.
    pub name: String,
    /// What runs.
    pub what: What,
}

/// What runs in a situation. `K` in scripts and keys stands for a command line that is allowed: `kubectl get pods`.
#[derive(Debug, Clone)]
pub enum What {
    /// A script, by `bash -c`.
    Script(String),
    /// Things done to an interactive bash with job control on a terminal. What it and the tool write to the file
    /// `facts` is compared.
    Terminal(Vec<Step>),
}

/// One thing done to a terminal.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Typed.
    Keys(&'static str),
    /// Waited for, in what the terminal showed since the last wait.
    Expect(&'static str),
    /// Waited for: a file with something in it.
    Appears(&'static str),
    /// Waited for: the tool, whose process id is in `ready`, runs in the foreground.
    Foreground,
    /// Another size, rows and columns.
    Resize(u16, u16),
    /// The terminal goes away.
    HangUp,
}

/// What was observed of one situation.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Observed {
    /// How it ended: `exit 0`, `signal 9`.
    pub ended: String,
    /// Standard output; beyond 64 KiB its size and SHA-256. The facts, on a terminal.
    pub stdout: String,
    /// Standard error, the same. The whole screen, on a terminal; not compared then.
    pub stderr: String,
}
