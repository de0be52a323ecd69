//! The shipped governance files decide as the cases beside them say.
//!
//! `DECISION command` is a case; `MANIFEST file apiVersion Kind name` says what a file holds that the commands name, as
//! the gate finds it out by reading the file; `#` begins a comment.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, outside the test functions that clippy exempts"
)]

mod common;

use argv::kubectl::Manifest;
use common::{Directory, decide, read, shipped};
use policies::Level;
use std::collections::{BTreeMap, BTreeSet};

/// One line of a file of cases.
struct Case {
    place: String,
    expected: String,
    command: String,
}

/// What a file of cases says.
struct Cases {
    cases: Vec<Case>,
    manifests: BTreeMap<String, Manifest>,
}

fn cases(stem: &str) -> Cases {
    let name = format!("{stem}.cases");
    let path = Directory::shipped().0.join("cases").join(&name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut cases = Vec::new();
    let mut manifests = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", index + 1);
        match line.split_once(' ') {
            None if line.is_empty() => {}
            _ if line.starts_with('#') => {}
            Some(("MANIFEST", rest)) => {
                let words: Vec<&str> = rest.split_whitespace().collect();
                let [file, api_version, kind, name] = words.as_slice() else {
                    panic!("{place}: not a manifest");
                };
                let manifest = Manifest {
                    api_version: (*api_version).to_owned(),
                    kind: (*kind).to_owned(),
                    namespace: None,
                    name: Some((*name).to_owned()),
                };
                manifests.insert((*file).to_owned(), manifest);
            }
            Some((expected @ ("ALLOWED" | "BLOCKED" | "ESCALATED"), command)) => cases.push(Case {
                place,
                expected: expected.to_owned(),
                command: command.trim().to_owned(),
            }),
            _ => panic!("{place}: neither a case nor a manifest"),
        }
    }
    Cases { cases, manifests }
}

fn check(level: Level, track: Option<&str>, tool: &str, at_least: usize) {
    let governance = shipped(level, track);
    let stem = track.map_or_else(
        || format!("governance-{level}"),
        |track| format!("governance-{level}-{track}"),
    );
    let Cases { cases, manifests } = cases(&stem);
    let cases = cases
        .iter()
        .filter(|case| case.command.split(' ').next() == Some(tool));
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for case in cases {
        let (decision, why) = decide(&governance, &case.command, &manifests);
        if decision != case.expected {
            wrong.push(format!(
                "{}: {} is {decision}, not {}: {why}",
                case.place, case.command, case.expected
            ));
        }
        // What ought to run must also have been understood, and so must what is held.
        if case.expected != "BLOCKED" && read(&case.command, &manifests).is_err() {
            wrong.push(format!("{}: {} is not understood", case.place, case.command));
        }
        assert!(
            seen.insert(case.command.clone()),
            "{}: said twice: {}",
            case.place,
            case.command
        );
    }
    assert!(
        seen.len() >= at_least,
        "{stem}: {} cases for {tool}; at least {at_least} are wanted",
        seen.len()
    );
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
fn every_governance_file_has_cases() {
    for entry in std::fs::read_dir(Directory::shipped().0).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(stem) = name.strip_suffix(".yaml") {
            assert!(!cases(stem).cases.is_empty(), "{name}");
        }
    }
}
