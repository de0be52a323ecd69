//! The shipped governance files decide as the cases beside them say.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, outside the test functions that clippy exempts"
)]

mod common;

use common::{Directory, shipped};
use policies::{Cases, Level};

fn cases(stem: &str) -> Cases {
    let name = format!("{stem}.cases");
    let path = Directory::shipped().0.join("cases").join(&name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    Cases::read(&name, &text).unwrap_or_else(|faults| panic!("{faults}"))
}

fn check(level: Level, track: Option<&str>, tool: &str, at_least: usize) {
    let governance = shipped(level, track);
    let stem = track.map_or_else(
        || format!("governance-{level}"),
        |track| format!("governance-{level}-{track}"),
    );
    let mut cases = cases(&stem);
    cases.cases.retain(|case| case.command.tool.name() == tool);
    assert!(
        cases.cases.len() >= at_least,
        "{stem}: {} cases for {tool}; at least {at_least} are wanted",
        cases.cases.len()
    );
    let wrong: Vec<String> = cases
        .run(&governance)
        .into_iter()
        .filter(|outcome| !outcome.passed)
        .map(|outcome| {
            format!(
                "{}:{}: {} is {}, not {}: {}",
                outcome.document,
                outcome.line,
                outcome.command,
                outcome.decision,
                outcome.expected,
                outcome.message
            )
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A test per file and tool: `l2_kubectl`.
macro_rules! case_files {
    ($($file:ident($level:expr, $track:expr, $kubectl:expr, $aws:expr, $gh:expr);)*) => {
        $(mod $file {
            use super::{Level, check};

            #[test]
            fn kubectl() {
                check($level, $track, "kubectl", $kubectl);
            }

            #[test]
            fn aws() {
                check($level, $track, "aws", $aws);
            }

            #[test]
            fn gh() {
                check($level, $track, "gh", $gh);
            }
        })*
    };
}

case_files! {
    l1(Level::L1, None, 10, 4, 4);
    l2(Level::L2, None, 60, 30, 30);
    l3(Level::L3, None, 10, 3, 4);
    l4_track_a(Level::L4, Some("track-a"), 4, 5, 1);
    l4_track_b(Level::L4, Some("track-b"), 4, 5, 1);
    l4_track_c(Level::L4, Some("track-c"), 20, 1, 1);
}

#[test]
fn psql_is_for_the_track_of_databases() {
    check(Level::L1, None, "psql", 2);
    check(Level::L2, None, "psql", 2);
    check(Level::L4, Some("track-a"), "psql", 35);
}

#[test]
fn every_governance_file_has_cases() {
    for entry in std::fs::read_dir(Directory::shipped().0).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(stem) = name.strip_suffix(".yaml") {
            assert!(!cases(stem).cases.is_empty(), "{name}");
        }
    }
}
