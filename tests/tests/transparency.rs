//! The battery of transparency: each situation directly and through the gate, and nothing that can be observed differs but
//! what `docs/transparency.md` says.

use acceptance::binaries;
use acceptance::session::Scratch;
use acceptance::transparency::{compare, run, situations};
use std::time::Duration;

/// Runs a group both ways; returns how many situations there were.
fn both_ways(group: &str) -> usize {
    let scratch = Scratch::new();
    for name in ["kubectl", "with", "runner"] {
        std::fs::copy(env!("CARGO_BIN_EXE_transparency"), scratch.at("tools").join(name))
            .expect("it can be copied");
    }
    let runner = scratch.at("tools/runner");
    let deadline = Duration::from_secs(150);
    let mut direct = scratch.command(&runner);
    direct.arg(group);
    let direct = run::observed(direct, deadline);
    std::fs::remove_dir_all(scratch.at("work")).expect("the situations' directories can be removed");
    let mut through = scratch.command(binaries::reeve());
    through.args(["run", "--level", "L2", "--record"]);
    through.arg(scratch.record()).arg("--").arg(runner).arg(group);
    let through = run::observed(through, deadline);
    let found = compare::all(&direct, &through);
    assert!(found.is_empty(), "{} differ:\n{}", found.len(), found.join("\n"));
    assert_eq!(scratch.verify().0, 0, "the record is whole");
    let count = situations::group(group).len();
    assert_eq!(
        (direct.len(), through.len()),
        (count, count),
        "no name is there twice"
    );
    count
}

macro_rules! groups {
    ($($name:ident: $least:literal)*) => {
        $(#[test]
        fn $name() {
            assert!(both_ways(stringify!($name)) >= $least);
        })*
    };
}

groups! {
    surroundings: 25
    environment: 14
    descriptors: 16
    limits: 12
    signals: 40
    streams: 15
    shells: 18
    ends: 5
    terminal: 15
}
