//! What the linter finds, and what it lets be.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, outside the test functions that clippy exempts"
)]

mod common;

use common::{Directory, rules, rules_at, shipped};
use policies::{Cases, Kind, Level, Severity, schema};

/// The kinds and rules that are found in the rules of an L2 file, notes left out.
fn warnings(text: &str) -> Vec<(Kind, String)> {
    let governance = rules(text).unwrap_or_else(|faults| panic!("{faults}"));
    governance
        .lint()
        .into_iter()
        .filter(|finding| finding.severity == Severity::Warning)
        .map(|finding| (finding.kind, finding.rule))
        .collect()
}

/// A test per line: name, rules, the kind that is found of the rule `b` (or nothing).
macro_rules! lints {
    ($($name:ident: $a:literal, $b:literal => $found:expr;)*) => {
        $(#[test]
        fn $name() {
            let found: Option<Kind> = $found;
            let expected: Vec<(Kind, String)> = found.into_iter().map(|kind| (kind, "b".to_owned())).collect();
            assert_eq!(warnings(concat!("  - {id: a, ", $a, "}\n  - {id: b, ", $b, "}\n")), expected);
        })*
    };
}

lints! {
    an_allow_that_another_says: "allow: {tool: kubectl, verb: [get, logs]}", "allow: {tool: kubectl, verb: get, namespace: dev}" => Some(Kind::Redundant);
    a_glob_says_its_words: "allow: {tool: aws, command: \"ec2 describe-*\"}", "allow: {tool: aws, command: ec2 describe-instances}" => Some(Kind::Redundant);
    the_same_twice_is_said_once: "allow: {tool: kubectl, verb: get}", "allow: {tool: kubectl, verb: get}" => Some(Kind::Redundant);
    a_word_does_not_say_its_glob: "allow: {tool: aws, command: ec2 describe-instances}", "allow: {tool: aws, command: \"ec2 describe-v*\"}" => None;
    another_tool_is_another_rule: "allow: {tool: aws, effect: read}", "allow: {tool: gh, effect: read}" => None;
    accepting_more_is_more: "allow: {tool: kubectl, verb: get}, accept: [reads-files]", "allow: {tool: kubectl, verb: get}" => Some(Kind::Redundant);
    accepting_other_hazards_is_not: "allow: {tool: kubectl, verb: get}, accept: [reads-files]", "allow: {tool: kubectl, verb: get}, accept: [unbounded]" => None;
    a_deny_kills_an_allow: "deny: {tool: kubectl, resource: secrets}, reason: x", "allow: {tool: kubectl, verb: get, resource: secret}" => Some(Kind::Dead);
    a_deny_with_an_exception_does_not: "deny: {tool: kubectl, resource: secrets}, unless: {namespace: dev}, reason: x", "allow: {tool: kubectl, verb: get, resource: secrets}" => None;
    a_narrow_deny_does_not: "deny: {tool: kubectl, resource: secrets, namespace: prod}, reason: x", "allow: {tool: kubectl, verb: get, resource: secrets}" => None;
    a_deny_by_hazard_does_not: "deny: {tool: kubectl, hazard: unbounded}, reason: x", "allow: {tool: kubectl, verb: get}" => None;
    a_deny_kills_an_escalate: "deny: {tool: gh}, reason: x", "escalate: {tool: gh, verb: pr merge}, reason: y" => Some(Kind::Dead);
    an_exception_that_cannot_be: "allow: {tool: aws, effect: read}", "deny: {tool: kubectl, namespace: prod}, unless: {namespace: dev}, reason: x" => Some(Kind::EmptyException);
    an_exception_that_can_be: "allow: {tool: aws, effect: read}", "deny: {tool: kubectl, namespace: \"p*\"}, unless: {namespace: play}, reason: x" => None;
}

#[test]
fn going_above_the_ceiling_is_noted() {
    let governance = rules_at(
        Level::L4,
        "  - {id: a, allow: {tool: kubectl, verb: apply, effect: [read, write]}, accept: [reads-files]}\n",
    )
    .unwrap();
    let found = governance.lint();
    let [finding] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(
        (finding.kind, finding.severity),
        (Kind::AboveCeiling, Severity::Note)
    );
    assert_eq!(
        finding.to_string(),
        "governance-L4-track-c.yaml:6: note: rule `a`: goes above the ceiling of L4 (read) by name: write, reads-files"
    );
}

#[test]
fn shipped_files_have_no_warning() {
    for (level, track) in [
        (Level::L1, None),
        (Level::L2, None),
        (Level::L3, None),
        (Level::L4, Some("track-a")),
        (Level::L4, Some("track-b")),
        (Level::L4, Some("track-c")),
    ] {
        let warnings: Vec<String> = shipped(level, track)
            .lint()
            .iter()
            .filter(|finding| finding.severity == Severity::Warning)
            .map(ToString::to_string)
            .collect();
        assert!(warnings.is_empty(), "{level}: {}", warnings.join("\n"));
    }
}

#[test]
fn a_rule_that_decides_no_case_is_found() {
    let governance = rules(
        "  - {id: a, allow: {tool: kubectl, verb: get}}\n  - {id: b, allow: {tool: gh, effect: read}}\n",
    )
    .unwrap();
    let cases = Cases::read("x.cases", "ALLOWED kubectl get pods\n").unwrap();
    let found = governance.untested(&cases.run(&governance));
    let ids: Vec<&str> = found.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(ids, ["b"]);
}

/// What loads has the schema's shape, and what has an unknown key has not.
#[test]
fn files_have_the_shape_of_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let as_json = |text: &str| -> serde_json::Value { serde_norway::from_str(text).unwrap() };
    let mut files = 0;
    for directory in [Directory::shipped(), Directory::original()] {
        for entry in std::fs::read_dir(directory.0).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                let faults: Vec<String> = validator
                    .iter_errors(&as_json(&text))
                    .map(|error| error.to_string())
                    .collect();
                assert!(faults.is_empty(), "{}: {faults:?}", path.display());
                let wrong = format!("{text}\nno-such-key: 1\n");
                assert!(!validator.is_valid(&as_json(&wrong)), "{}", path.display());
                files += 1;
            }
        }
    }
    assert!(files >= 10, "{files}");
}

/// `reeve policy schema > governance/governance.schema.json` brings it up to date.
#[test]
fn the_schema_that_is_checked_in_is_the_one_that_is_generated() {
    let path = Directory::shipped().0.join("governance.schema.json");
    let text = std::fs::read_to_string(path).unwrap();
    let checked_in: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(checked_in, schema());
}
