//! Limits of rules, from command lines and manifests: objects, replicas, images, hours.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, outside the test functions that clippy exempts"
)]

mod common;

use argv::Surroundings;
use argv::kubectl::Manifest;
use common::{decide, decision, rules_at};
use policies::{Governance, Level, Manifests, Moment, Reason, Verdict};

fn governance(rest: &str) -> Governance {
    let rule = format!(
        "  - id: changes\n    allow: {{tool: kubectl, effect: [read, write]{rest}\n    accept: [reads-files]\n    reason: x\n"
    );
    rules_at(Level::L4, &rule).unwrap_or_else(|faults| panic!("{faults}"))
}

fn check(governance: &Governance, cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        let (decision, why) = decide(governance, line, &Manifests::new());
        assert_eq!(decision, *expected, "{line}: {why}");
    }
}

/// The decision on `kubectl apply -f x` when the file was read and holds `text`.
fn apply(governance: &Governance, text: &str) -> &'static str {
    let around = Surroundings {
        manifests: Some(Manifest::read(text.as_bytes()).unwrap()),
        ..Surroundings::default()
    };
    let words = ["apply", "-f", "x.yaml"].map(Into::into);
    let invocation = argv::parse(argv::Tool::Kubectl, &words, &around).unwrap();
    decision(&governance.evaluate(&invocation)).0
}

#[test]
fn replicas() {
    let governance = governance("}\n    at-most: {replicas: 5}");
    check(
        &governance,
        &[
            ("kubectl scale deploy/web --replicas=5", "ALLOWED"),
            ("kubectl scale deploy/web --replicas=6", "BLOCKED"),
            ("kubectl scale --replicas 1 deploy/web --replicas 100", "BLOCKED"),
            ("kubectl scale deploy/web --replicas=-1", "BLOCKED"),
            ("kubectl autoscale deploy/web --min=1 --max=5", "ALLOWED"),
            ("kubectl autoscale deploy/web --min=1 --max=50", "BLOCKED"),
            (
                "kubectl create deployment web --image=nginx --replicas=5",
                "ALLOWED",
            ),
            (
                "kubectl create deployment web --image=nginx --replicas=500",
                "BLOCKED",
            ),
            ("kubectl label deploy/web a=b", "ALLOWED"),
            ("kubectl patch deploy/web -p '{}'", "BLOCKED"),
            ("kubectl edit deploy/web", "BLOCKED"),
            ("kubectl apply -f unread.yaml", "BLOCKED"),
        ],
    );
    let deployment = |replicas: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  replicas: {replicas}\n  template: {{spec: {{containers: [{{name: a, image: nginx}}]}}}}\n"
        )
    };
    for (replicas, expected) in [
        ("5", "ALLOWED"),
        ("6", "BLOCKED"),
        ("\"6\"", "BLOCKED"),
        ("1e1", "BLOCKED"),
        ("0x6", "BLOCKED"),
        ("[1]", "BLOCKED"),
    ] {
        assert_eq!(apply(&governance, &deployment(replicas)), expected, "{replicas}");
    }
    let second = format!("{}---\n{}", deployment("1"), deployment("9"));
    assert_eq!(apply(&governance, &second), "BLOCKED");
    let unknown = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 100}\n";
    assert_eq!(apply(&governance, unknown), "BLOCKED");
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: w}\ndata: {replicas: \"100\"}\n";
    assert_eq!(apply(&governance, map), "ALLOWED");
}

#[test]
fn objects() {
    let governance = governance("}\n    at-most: {objects: 2}");
    check(
        &governance,
        &[
            ("kubectl label pods a b x=y", "ALLOWED"),
            ("kubectl label pods a b c x=y", "BLOCKED"),
            ("kubectl label pods a b a x=y", "ALLOWED"),
            ("kubectl label pods -l app=web x=y", "BLOCKED"),
            ("kubectl label pods --all x=y", "BLOCKED"),
            ("kubectl apply -f unread.yaml", "BLOCKED"),
            ("kubectl get pods -A", "ALLOWED"),
        ],
    );
}

#[test]
fn images() {
    let governance = governance(", image: [\"registry.example.com/**\", nginx]}");
    check(
        &governance,
        &[
            (
                "kubectl set image deploy/web a=registry.example.com/team/app:1",
                "ALLOWED",
            ),
            ("kubectl set image deploy/web a=nginx", "ALLOWED"),
            (
                "kubectl set image deploy/web a=nginx b=evil.example.net/x",
                "BLOCKED",
            ),
            ("kubectl set image deploy/web a=nginx:latest", "BLOCKED"),
            (
                "kubectl create deployment web --image=nginx --image=evil.example.net/x",
                "BLOCKED",
            ),
            (
                "kubectl create deployment web --image=nginx,evil.example.net/x",
                "BLOCKED",
            ),
            ("kubectl create job j --image=nginx", "ALLOWED"),
            ("kubectl create job j --from=cronjob/x", "BLOCKED"),
            ("kubectl patch deploy/web -p '{}'", "BLOCKED"),
            ("kubectl label deploy/web a=b", "BLOCKED"),
        ],
    );
    let pod = |rest: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n{rest}");
    for (rest, expected) in [
        ("  containers: [{name: a, image: nginx}]\n", "ALLOWED"),
        ("  containers: [{name: a, image: evil}]\n", "BLOCKED"),
        (
            "  containers: [{name: a, image: nginx}]\n  initContainers: [{name: b, image: evil}]\n",
            "BLOCKED",
        ),
        (
            "  containers: [{name: a, image: nginx}]\n  volumes: [{name: v, image: {reference: evil}}]\n",
            "BLOCKED",
        ),
        ("  containers: [{name: a, Image: evil}]\n", "BLOCKED"),
        ("  containers: [{name: a, image: [nginx]}]\n", "BLOCKED"),
        ("  containers: [{name: a, image: 1.5}]\n", "BLOCKED"),
    ] {
        assert_eq!(apply(&governance, &pod(rest)), expected, "{rest}");
    }
}

#[test]
fn one_image_is_enough_for_what_restricts() {
    let text = "  - {id: all, allow: {tool: kubectl, effect: [read, write]}, accept: [reads-files]}\n  - {id: evil, deny: {tool: kubectl, image: \"evil*/**\"}, reason: x}\n";
    let governance = rules_at(Level::L4, text).unwrap();
    check(
        &governance,
        &[
            (
                "kubectl set image deploy/web a=nginx b=evil.example.net/x",
                "BLOCKED",
            ),
            ("kubectl set image deploy/web a=nginx", "ALLOWED"),
            ("kubectl label deploy/web a=b", "ALLOWED"),
            ("kubectl patch deploy/web -p '{}'", "BLOCKED"),
            ("kubectl apply -f unread.yaml", "BLOCKED"),
        ],
    );
}

#[test]
fn hours() {
    let text = "  - {id: day, allow: {tool: kubectl, verb: get}, during: Mon-Fri 08:00-18:00}\n  - {id: freeze, deny: {tool: kubectl, verb: get, namespace: prod}, during: Fri 12:00-24:00, reason: x}\n";
    let governance = rules_at(Level::L2, text).unwrap();
    for (day, hour, line, expected) in [
        (0, 9, "kubectl get pods -n prod", "ALLOWED"),
        (0, 19, "kubectl get pods -n prod", "BLOCKED"),
        (5, 9, "kubectl get pods -n prod", "BLOCKED"),
        (4, 13, "kubectl get pods -n prod", "BLOCKED"),
        (4, 13, "kubectl get pods -n dev", "ALLOWED"),
    ] {
        let now = governance.clone().at(Moment {
            day,
            minute: hour * 60,
        });
        assert_eq!(
            decide(&now, line, &Manifests::new()).0,
            expected,
            "{day} {hour} {line}"
        );
    }
}

#[test]
fn a_limit_that_is_passed_is_said() {
    let governance = governance("}\n    at-most: {replicas: 5}");
    let words = ["scale", "deploy/web", "--replicas=9"].map(Into::into);
    let invocation = argv::parse(argv::Tool::Kubectl, &words, &Surroundings::default()).unwrap();
    let Verdict::Deny(denial) = governance.evaluate(&invocation) else {
        panic!("allowed");
    };
    assert_eq!(denial.reason, Reason::OverLimit);
    assert_eq!(
        denial.message,
        "it sets 9 replicas; at most 5 may be by the rule `changes`"
    );
}

#[test]
fn wrong_limits_are_faults() {
    for (rule, wanted) in [
        (
            "allow: {tool: kubectl}, at-most: {object: 1}",
            "did you mean `objects`?",
        ),
        (
            "allow: {tool: kubectl}, at-most: {objects: many}",
            "objects must be a whole number",
        ),
        (
            "allow: {tool: kubectl}, at-most: {objects: -1}",
            "objects must be a whole number",
        ),
        (
            "deny: {tool: kubectl}, at-most: {objects: 1}",
            "at-most belongs to allow rules",
        ),
        (
            "allow: {tool: kubectl}, during: nights",
            "is no time: days and hours in UTC",
        ),
        ("allow: {tool: gh, image: x}", "image is kubectl's"),
    ] {
        let faults = rules_at(Level::L2, &format!("  - {{id: a, {rule}}}\n"))
            .unwrap_err()
            .to_string();
        assert!(faults.contains(wanted), "{rule}: {faults}");
    }
}
