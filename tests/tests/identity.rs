//! The agent cannot raise its level, and cannot change what the tool will do, by anything it sets.

use acceptance::session::{Scratch, summary};

/// Prints what it was given; any program will do here.
const SHOW: &str = "#!/bin/bash\necho \"ran $*\"\nenv >>child-environment\n";

fn with_show() -> Scratch {
    let mut scratch = Scratch::new();
    scratch
        .stand_in("kubectl", SHOW)
        .stand_in("aws", SHOW)
        .stand_in("gh", SHOW);
    scratch
}

#[test]
fn a_higher_level_in_the_environment_does_not_raise() {
    let scratch = with_show();
    let output = scratch.run("HERMES_LAB_GOVERNANCE=L4 kubectl apply -f x; echo $?; export HERMES_LAB_GOVERNANCE=L3; gh pr create -t x -b y; echo $?");
    assert_eq!(output.out(), "77\n77\n");
    assert!(
        scratch
            .events()
            .iter()
            .all(|event| event["governance_level"] == "L2")
    );
}

#[test]
fn a_lower_level_in_the_environment_lowers() {
    let scratch = with_show();
    let output = scratch.run("kubectl get pods; HERMES_LAB_GOVERNANCE=L1 kubectl get pods; echo $?");
    assert_eq!(output.out(), "ran get pods\n77\n");
    let levels: Vec<_> = scratch
        .events()
        .iter()
        .map(|event| event["governance_level"].clone())
        .collect();
    assert_eq!(levels, ["L2", "L1"]);
}

#[test]
fn what_is_no_level_ends_with_78_and_is_recorded() {
    let scratch = with_show();
    let output = scratch.run("HERMES_LAB_GOVERNANCE=admin kubectl get pods; echo $?; HERMES_LAB_TRACK=track-c kubectl get pods; echo $?");
    assert_eq!(output.out(), "78\n78\n");
    assert!(
        output.err().contains("HERMES_LAB_GOVERNANCE is `admin`"),
        "{}",
        output.err()
    );
    assert!(
        scratch
            .events()
            .iter()
            .all(|event| event["reason"] == "configuration")
    );
    assert_eq!(summary(&output)["blocked"], 2);
}

#[test]
fn a_lower_level_that_the_site_has_no_file_for_is_refused() {
    let mut scratch = with_show();
    let text = "apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nrules:\n  - id: a\n    allow: {tool: kubectl, effect: read}\n";
    scratch.govern(&["--level", "L2"], &[("governance-L2.yaml", text)]);
    let output = scratch.run("kubectl get pods; HERMES_LAB_GOVERNANCE=L1 kubectl get pods; echo $?");
    assert_eq!(output.out(), "ran get pods\n78\n");
    assert!(
        output.err().contains("no policy for level L1"),
        "{}",
        output.err()
    );
}

#[test]
fn an_empty_environment_is_still_governed() {
    let scratch = with_show();
    let output = scratch.run(
        "env -i $(command -v kubectl) delete pod x; echo $?; env -i $(command -v kubectl) get pods; echo $?",
    );
    assert_eq!(output.out(), "77\nran get pods\n0\n");
}

#[test]
fn variables_that_change_the_tool_are_put_back_or_removed() {
    let mut scratch = with_show();
    scratch
        .env("KUBECONFIG", "/operators/config")
        .env("AWS_PROFILE", "operators")
        .env("AWS_SECRET_ACCESS_KEY", "pinned-secret");
    let output = scratch.run(
        "export KUBECONFIG=/evil KUBECTL_EXTERNAL_DIFF='sh -c id' HOME=/evil LD_PRELOAD= PAGER=evil HTTPS_PROXY=http://evil PATH=/evil:$PATH
         export HARMLESS=kept LANG=en_US.UTF-8
         kubectl get pods
         export AWS_ENDPOINT_URL=http://evil AWS_PROFILE=evil PYTHONPATH=/evil AWS_SECRET_ACCESS_KEY=other
         aws sts get-caller-identity
         export GH_PAGER='sh -c id' GH_HOST=evil GIT_CONFIG_COUNT=1
         gh pr list -R octo/app",
    );
    assert!(output.status.success(), "{output:?}");
    let seen = std::fs::read_to_string(scratch.at("child-environment")).expect("the tools ran");
    for line in seen.lines() {
        assert!(!line.contains("evil") || line.starts_with("HARMLESS"), "{line}");
        assert!(!line.starts_with("AWS_SECRET_ACCESS_KEY=other"), "{line}");
    }
    assert!(seen.contains("KUBECONFIG=/operators/config") && seen.contains("AWS_PROFILE=operators"));
    assert!(seen.contains("HARMLESS=kept") && seen.contains("LANG=en_US.UTF-8"));
    assert!(seen.contains(&format!("HOME={}", scratch.at("home").display())));
    let events = scratch.events();
    let changed = events[0]["environment_changed"].to_string();
    for name in [
        "KUBECONFIG",
        "KUBECTL_EXTERNAL_DIFF",
        "HOME",
        "PAGER",
        "HTTPS_PROXY",
    ] {
        assert!(changed.contains(name), "{name} in {changed}");
    }
    assert!(!changed.contains("evil"), "values are not recorded: {changed}");
}

/// A secret of the operator's reaches the tool, but never the session's files or the record.
#[test]
fn credentials_pass_and_are_not_written_down() {
    let mut scratch = with_show();
    scratch
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI-K7MDENG-bPxRfiCY")
        .env("GH_TOKEN", "gho_0123456789abcdef0123456789abcdef0123");
    let output = scratch.run(
        "aws sts get-caller-identity; cat $(dirname $(dirname $(command -v aws)))/* 2>/dev/null | cat -v",
    );
    let seen = std::fs::read_to_string(scratch.at("child-environment")).expect("the tool ran");
    assert!(seen.contains("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI-K7MDENG-bPxRfiCY"));
    assert!(!output.out().contains("wJalr") && !output.out().contains("gho_"));
    let record =
        std::fs::read_to_string(scratch.record().join("ledger-000001.ndjson")).expect("the record is there");
    assert!(!record.contains("wJalr") && !record.contains("gho_"));
}

#[test]
fn secrets_on_the_command_line_are_not_recorded_or_shown() {
    let scratch = with_show();
    let output = scratch.run("kubectl get pods --token=hunter2hunter2 ; kubectl create secret generic x --from-literal=a=hunter2hunter2; gh api -H 'Authorization: Bearer hunter2hunter2hunter2' x");
    let record =
        std::fs::read_to_string(scratch.record().join("ledger-000001.ndjson")).expect("the record is there");
    assert!(!record.contains("hunter2"), "{record}");
    assert!(!output.err().contains("hunter2"), "{}", output.err());
    assert_eq!(scratch.events().len(), 3);
}

#[test]
fn a_session_inside_a_session_is_refused() {
    let scratch = with_show();
    let reeve = acceptance::binaries::reeve();
    let output = scratch.run(&format!(
        "{0} run --level L4 --track track-c -- kubectl delete pod x; echo $?; env -i {0} run -- kubectl get pods; echo $?; reeve run -- true; echo $?",
        reeve.display()
    ));
    assert_eq!(output.out(), "77\n77\n77\n");
}

/// The sidecar has the identity pinned: a session file that the agent rewrote (it has the same user) gets nothing recorded.
#[test]
fn a_rewritten_session_file_gets_nothing_recorded_and_nothing_run() {
    let scratch = with_show();
    let output = scratch.run(
        "dir=$(dirname $(dirname $(command -v kubectl)))
         sed 's/\"level\":\"L2\"/\"level\":\"L3\"/; s/\"L2\":\"policy-L2.json\"/\"L2\":\"policy-L2.json\",\"L3\":\"policy-L2.json\"/' $dir/session.json >$dir/new
         chmod 400 $dir/new; mv -f $dir/new $dir/session.json; unset HERMES_LAB_GOVERNANCE; kubectl get pods; echo $?",
    );
    assert!(!output.out().contains("ran"), "{}", output.out());
    assert!(output.err().contains("pinned"), "{}", output.err());
}

#[test]
fn a_rewritten_policy_runs_nothing() {
    let scratch = with_show();
    let output = scratch.run(
        "dir=$(dirname $(dirname $(command -v kubectl)))
         sed 's/\"deny\"/\"allow\"/' $dir/policy-L2.json >$dir/new; chmod 400 $dir/new; mv -f $dir/new $dir/policy-L2.json
         kubectl get pods; echo $?",
    );
    assert_eq!(output.out(), "78\n");
    assert!(
        output.err().contains("changed since it was pinned"),
        "{}",
        output.err()
    );
}

#[test]
fn check_inside_a_session_uses_the_sessions_rules() {
    let scratch = with_show();
    let output = scratch.run("reeve check --json -- kubectl get pods; echo; reeve check -- kubectl delete pod x >/dev/null; echo $?");
    assert!(
        output.out().contains("\"decision\":\"ALLOWED\""),
        "{}",
        output.out()
    );
    assert!(output.out().ends_with("77\n"));
    assert_eq!(summary(&output)["events"], 0, "checking records nothing");
}
