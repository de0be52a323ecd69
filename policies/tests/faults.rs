//! What is wrong with a governance file is said all at once, with its place and the nearest word that would do.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, outside the test functions that clippy exempts"
)]

mod common;

use common::{Texts, rules};
use policies::{Governance, Level, Track};

const HEAD: &str = "apiVersion: reeve/v1\nkind: Governance\nlevel: L2\n";

fn faults_of(documents: &Texts) -> String {
    Governance::load(Level::L2, None, documents)
        .unwrap_err()
        .to_string()
}

/// The faults of a whole document.
fn document(text: &str) -> String {
    faults_of(&Texts::new([("governance-L2.yaml", text)]))
}

/// The faults of one rule, whose body starts at line 5.
fn rule(text: &str) -> String {
    rules(text)
        .err()
        .map_or_else(String::new, |faults| faults.to_string())
}

#[test]
fn all_faults_at_once_with_line_column_and_the_nearest_key() {
    let said = document(
        "apiVersion: reeve/v2
kind: Governance
level: L3
otherwize: hold
rules:
  - id: one
    alow: {tool: kubectl}
  - id: two
    allow: {tool: kubetcl, verb: [], efect: read}
    accept: [read-files]
  - id: two
    deny: {tool: aws, effect: writes}
    accept: reads-files
  - allow: {}
  - id: three
    allow: {tool: kubectl, name: \"a[\", namespace: \"/(/\"}
    unless: {namespace: x}
",
    );
    for expected in [
        "governance-L2.yaml:1:13: apiVersion must be `reeve/v1`",
        "governance-L2.yaml:3:8: level must be `L2`",
        "governance-L2.yaml:4:1: unknown key `otherwize`; did you mean `otherwise`?",
        "governance-L2.yaml:7:5: unknown key `alow`; did you mean `allow`?",
        "governance-L2.yaml:6:5: a rule has exactly one of allow, deny and escalate",
        "governance-L2.yaml:9:19: `kubetcl` is not a governed tool; did you mean `kubectl`?",
        "governance-L2.yaml:9:34: verb is an empty list",
        "governance-L2.yaml:9:38: unknown key `efect`; did you mean `effect`?",
        "governance-L2.yaml:10:14: `read-files` is not a hazard; did you mean `reads-files`?",
        "governance-L2.yaml:12:31: `writes` is not an effect; did you mean `write`?",
        "governance-L2.yaml:13:13: accept belongs to allow rules",
        "governance-L2.yaml:14:5: a rule needs an id",
        "governance-L2.yaml:14:12: allow names nothing",
        "name `a[` is not a glob",
        "namespace `/(/` is not a regular expression",
        "governance-L2.yaml:17:13: unless belongs to deny and escalate rules",
    ] {
        assert!(said.contains(expected), "{expected}\nis not in\n{said}");
    }
    assert!(
        said.lines().all(|line| line.starts_with("governance-L2.yaml:")),
        "one line per fault:
{said}"
    );
}

#[test]
fn ids_are_unique_over_all_layers() {
    let said = faults_of(&Texts::new([
        (
            "governance-L2.yaml",
            &format!("{HEAD}extends: base.yaml\nrules:\n  - {{id: a, allow: {{tool: gh}}}}\n"),
        ),
        (
            "base.yaml",
            "apiVersion: reeve/v1\nkind: Governance\nrules:\n  - {id: a, deny: {tool: gh}}\n",
        ),
    ]));
    assert!(
        said.contains("the id `a` is taken by the rule at base.yaml:4"),
        "{said}"
    );
}

#[test]
fn nothing_stands_behind_the_document() {
    for tail in [
        "---\nrules: [{id: d, deny: {tool: gh}}]\n",
        "...\n{a: b}\n",
        "--- {a: b}\n",
    ] {
        let said = document(&format!("{HEAD}rules: []\n{tail}"));
        assert!(
            said.contains("governance-L2.yaml:5:1: stands behind the end"),
            "{said}"
        );
    }
    let said = document("{apiVersion: reeve/v1, kind: Governance, level: L2}\nrules: []\n");
    assert!(said.contains(":2:1: stands behind the end"), "{said}");
    let said = document("  apiVersion: reeve/v1\n  kind: Governance\n  level: L2\nrules: []\n");
    assert!(said.contains(":4:1: stands behind the end"), "{said}");
    for fine in [
        format!("---\n{HEAD}rules: []\n# the end\n\n"),
        "{apiVersion: reeve/v1, kind: Governance, level: L2} # é\n\n# the end".to_owned(),
    ] {
        let loaded = Governance::load(Level::L2, None, &Texts::new([("governance-L2.yaml", &fine)]));
        assert!(loaded.is_ok(), "{fine}: {loaded:?}");
    }
}

#[test]
fn yaml_is_kept_simple() {
    for (text, expected) in [
        ("rules: &a []\n", "anchors and aliases are not accepted"),
        ("rules: !x []\n", "tags (`!…`) are not accepted"),
        ("rules: []\nrules: []\n", "the key `rules` is given twice"),
        ("rules: {}\n", "rules must be a list"),
        ("? [a]\n: b\n", "a key must be a plain word"),
        ("rules: [\n", "is not YAML"),
    ] {
        let said = document(&format!("{HEAD}{text}"));
        assert!(said.contains(expected), "{text}: {said}");
    }
    assert!(document("- a\n").contains("a mapping of keys to values"));
    assert!(document("").contains("apiVersion is missing"));
}

#[test]
fn too_much_is_refused_before_it_is_read() {
    let said = document(&format!("{HEAD}# {}\n", "x".repeat(1 << 20)));
    assert!(said.contains("at most 1048576 are read"), "{said}");
    for (open, times) in [("[", 100_000), ("- ", 100_000), ("{a: ", 50_000), ("? ", 100_000)] {
        let said = document(&format!("{HEAD}rules: \n  {}", open.repeat(times)));
        assert!(said.contains("nests deeper"), "{open}: {said}");
    }
    // Brackets that close only for the eye.
    let eye = format!("{HEAD}rules:\n{}", "  [ # ]\n".repeat(50_000));
    assert!(!document(&eye).is_empty());
    let indented: String = (0..1000)
        .map(|level| format!("{}a:\n", " ".repeat(level)))
        .collect();
    assert!(document(&format!("{HEAD}rules:\n{indented}")).contains("nests deeper"));
}

#[test]
fn a_rule_that_can_allow_nothing_is_a_fault() {
    for (body, expected) in [
        (
            "allow: {tool: kubectl, verb: [get, apply]}",
            "`apply` changes things",
        ),
        (
            "allow: {tool: kubectl, verb: rollout undo}",
            "`rollout undo` changes things",
        ),
        (
            "allow: {tool: aws, command: ec2 create-tags}",
            "`ec2 create-tags` changes things",
        ),
        (
            "allow: {tool: gh, command: [pr list, pr merge]}",
            "`pr merge` changes things",
        ),
    ] {
        let said = rule(&format!("  - {{id: a, {body}}}\n"));
        assert!(
            said.contains(expected) && said.contains("name the effect too, as in `effect: write`"),
            "{body}: {said}"
        );
    }
    assert_eq!(
        rule("  - {id: a, allow: {tool: kubectl, effect: write, verb: apply}}\n"),
        ""
    );
    assert_eq!(rule("  - {id: a, deny: {tool: kubectl, verb: apply}}\n"), "");
}

#[test]
fn a_name_that_can_match_nothing_is_a_fault() {
    for (body, expected) in [
        (
            "{tool: kubectl, verb: delet}",
            "`delet`: is not a kubectl command",
        ),
        ("{tool: kubectl, verb: top pods}", "is the command `top pod`"),
        ("{tool: kubectl, command: get pods}", "is the command `get`"),
        ("{tool: kubectl, verb: [get, \"  get\"]}", "two spaces in a row"),
        ("{tool: kubectl, verb: \"{get,rollout undo}\"}", "is not a glob"),
        (
            "{tool: kubectl, resource: pods/log}",
            "write `resource: pods` and `subresource: log`",
        ),
        (
            "{tool: aws, command: \"ec3 describe-*\"}",
            "`ec3`: is not a service",
        ),
        (
            "{tool: aws, command: ec2 describe-instance}",
            "`describe-instance`: is not an operation",
        ),
        ("{tool: gh, command: pr lst}", "`lst`"),
        ("{tool: gh, verb: \"prs *\"}", "`prs`"),
        ("{tool: aws, namespace: prod}", "namespace is kubectl's"),
        ("{tool: [kubectl, gh], region: eu-west-1}", "region is aws's"),
        ("{tool: kubectl, repo: octo/app}", "repo is gh's"),
    ] {
        for action in ["deny", "allow", "escalate"] {
            let said = rule(&format!("  - {{id: a, {action}: {body}}}\n"));
            assert!(said.contains(expected), "{action}: {body}: {said}");
        }
    }
    for fine in [
        "{tool: kubectl, verb: \"apply --dry-run=server\"}",
        "{tool: kubectl, verb: \"rollout *\"}",
        "{tool: [kubectl, aws, gh], verb: [help, version]}",
        "{tool: aws, command: [\"ec2 describe-*\", \"s3api get-object\", \"s3 cp\", \"* list-*\"]}",
        "{tool: aws, verb: \"ec2:Describe*\"}",
        "{tool: gh, verb: [api get, pr view, \"issue *\"]}",
        "{tool: kubectl, resource: widgets.example.com}",
        "{verb: delete}",
    ] {
        assert_eq!(rule(&format!("  - {{id: a, deny: {fine}}}\n")), "", "{fine}");
    }
}

#[test]
fn layers_are_there_and_end_and_are_not_above() {
    let with = |extends: &str, name: &str, text: &str| {
        faults_of(&Texts::new([
            ("governance-L2.yaml", &format!("{HEAD}extends: {extends}\n")),
            (name, text),
        ]))
    };
    assert!(with("governance-L1.yaml", "x", "").contains("governance-L1.yaml: is missing"));
    assert!(with("../secret.yaml", "x", "").contains("is not a file name"));
    let back = "apiVersion: reeve/v1\nkind: Governance\nextends: governance-L2.yaml\n";
    assert!(with("a.yaml", "a.yaml", back).contains("extends itself"));
    let above = HEAD.replace("L2", "L3");
    assert!(with("governance-L3.yaml", "governance-L3.yaml", &above).contains("L2 may only extend"));
    let other = HEAD.replace("L2", "L3");
    assert!(with("governance-L1.yaml", "governance-L1.yaml", &other).contains("level must be `L1`"));
    // A fault in a lower layer is a fault of the whole.
    let bad = HEAD.replace("L2", "L1") + "rulez: []\n";
    assert!(
        with("governance-L1.yaml", "governance-L1.yaml", &bad)
            .contains("governance-L1.yaml:4:1: unknown key")
    );

    let mut long = Texts::default();
    for layer in 0..20 {
        let name = if layer == 0 {
            "governance-L2.yaml".to_owned()
        } else {
            format!("{layer}.yaml")
        };
        let text = format!("{HEAD}extends: {}.yaml\n", layer + 1);
        long.0.insert(name, text);
    }
    assert!(faults_of(&long).contains("at most 8 are read"));
}

#[test]
fn a_level_four_file_says_its_track() {
    let track: Track = "track-c".parse().unwrap();
    let load = |text: &str| {
        Governance::load(
            Level::L4,
            Some(&track),
            &Texts::new([("governance-L4-track-c.yaml", text)]),
        )
        .map_or_else(|faults| faults.to_string(), |_| String::new())
    };
    let head = HEAD.replace("L2", "L4");
    assert!(load(&head).contains("track is missing; it must be `track-c`"));
    assert!(
        load(&format!("{head}track: track-b\n")).contains("governance-L4-track-c.yaml:4:8: track must be")
    );
    assert_eq!(load(&format!("{head}track: track-c\n")), "");
    assert!(document(&format!("{HEAD}track: track-c\n")).contains("a file for L2 has no track"));
}

#[test]
fn a_directory_that_cannot_be_read_is_said_so() {
    struct Broken;
    impl policies::Documents for Broken {
        fn document(&self, _: &str) -> Result<Option<String>, String> {
            Err("permission denied".to_owned())
        }
    }
    let faults = Governance::load(Level::L1, None, &Broken).unwrap_err();
    assert_eq!(
        faults.to_string(),
        "governance-L1.yaml: cannot be read: permission denied"
    );
}

#[test]
fn a_snapshot_that_is_not_one_is_refused() {
    let good = common::shipped(Level::L2, None).snapshot();
    for bad in [
        String::new(),
        "{}".to_owned(),
        good.replacen("\"snapshot\":1", "\"snapshot\":2", 1),
        good.replacen("\"level\":\"L2\"", "\"level\":\"L5\"", 1),
        good.replacen("\"level\":\"L2\"", "\"level\":\"L4\"", 1),
        good.replacen("\"facets\":{", "\"facets\":{\"sort\":[],", 1),
        good.replacen("\"action\":\"allow\"", "\"action\":\"allow\",\"when\":1", 1),
        good.replacen("\"accept\":[", "\"accept\":[\"everything\",", 1)
            .replacen("\"action\":\"deny\"", "\"action\":\"permit\"", 1),
    ] {
        assert_ne!(bad, good);
        assert!(Governance::from_snapshot(&bad).is_err(), "{bad}");
    }
}
