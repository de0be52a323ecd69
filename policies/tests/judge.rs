//! The decision model, rule by rule: deny > escalate > allow > nothing, ceilings, hazards, what is unknown.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, outside the test functions that clippy exempts"
)]

mod common;

use argv::{Effect, Hazard, Invocation, Namespace, Operation, Resource, Tool};
use common::{decision, rules, rules_at, shipped};
use policies::{Governance, Level, Reason, Verdict};

const READS: &str = "  - {id: reads, allow: {tool: kubectl}}\n";

/// `kubectl VERB pods -n NAMESPACE`.
fn operation(effect: Effect, verb: &str, kind: &str, namespace: Namespace) -> Operation {
    let mut operation = Operation::new(effect, verb);
    operation.resource = Some(Resource::kind(kind));
    operation.scope.namespace = namespace;
    operation
}

fn kubectl(operation: Operation) -> Invocation {
    let command = operation.verb.clone();
    Invocation::simple(Tool::Kubectl, command, operation)
}

fn get(kind: &str, namespace: Namespace) -> Invocation {
    kubectl(operation(Effect::Read, "get", kind, namespace))
}

fn named(name: &str) -> Namespace {
    Namespace::Named(name.to_owned())
}

fn judged(governance: &Governance, invocation: &Invocation) -> &'static str {
    decision(&governance.evaluate(invocation)).0
}

fn reason(governance: &Governance, invocation: &Invocation) -> Reason {
    match governance.evaluate(invocation) {
        Verdict::Deny(denial) => denial.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_allows_nothing() {
    let none = rules("  []\n").unwrap();
    assert_eq!(reason(&none, &get("pods", Namespace::All)), Reason::NoRule);
    assert_eq!(judged(&none, &Invocation::help(Tool::Kubectl)), "BLOCKED");
}

#[test]
fn an_invocation_that_does_nothing_is_not_allowed() {
    let mut empty = get("pods", Namespace::All);
    empty.operations.clear();
    assert_eq!(judged(&rules(READS).unwrap(), &empty), "BLOCKED");
}

#[test]
fn every_operation_must_be_covered() {
    let governance = rules("  - {id: pods, allow: {tool: kubectl, resource: pods}}\n").unwrap();
    let mut both = get("pods", Namespace::All);
    both.operations.extend(get("secrets", Namespace::All).operations);
    assert_eq!(judged(&governance, &get("pods", Namespace::All)), "ALLOWED");
    assert_eq!(judged(&governance, &both), "BLOCKED");
    both.operations.reverse();
    assert_eq!(judged(&governance, &both), "BLOCKED");
}

#[test]
fn a_denied_operation_denies_the_whole_in_any_order() {
    let text =
        format!("{READS}  - {{id: no, deny: {{tool: kubectl, resource: secrets}}, reason: not these}}\n");
    let governance = rules(&text).unwrap();
    for order in [
        ["pods", "secrets", "nodes"],
        ["nodes", "pods", "secrets"],
        ["secrets", "x", "y"],
    ] {
        let mut invocation = get("pods", Namespace::All);
        invocation.operations = order
            .iter()
            .flat_map(|kind| get(kind, Namespace::All).operations)
            .collect();
        let Verdict::Deny(denial) = governance.evaluate(&invocation) else {
            panic!("{order:?}");
        };
        assert_eq!(
            (denial.rule.as_deref(), denial.message.as_str()),
            (Some("no"), "not these")
        );
        assert_eq!(denial.reason.label(), "denied_by_rule");
    }
}

#[test]
fn every_hazard_must_be_accepted_for_every_operation() {
    let text = "  - {id: reads, allow: {tool: kubectl}}
  - {id: diff, allow: {tool: kubectl, effect: read, verb: diff}, accept: reads-files}\n";
    let governance = rules(text).unwrap();
    let mut diff = kubectl(operation(Effect::Read, "diff", "pods", Namespace::All));
    diff.add_hazard(Hazard::ReadsFiles, "`-f`");
    let Verdict::Allow(permit) = governance.evaluate(&diff) else {
        panic!("not allowed");
    };
    // Both are needed to explain it: the first covers, the second accepts.
    assert_eq!(permit.rules(), ["reads", "diff"]);

    let mut mixed = diff.clone();
    mixed.operations.extend(get("pods", Namespace::All).operations);
    assert_eq!(reason(&governance, &mixed), Reason::Hazard);

    let mut two = diff;
    two.add_hazard(Hazard::RemoteInput, "a URL");
    assert_eq!(reason(&governance, &two), Reason::Hazard);
}

/// A hazard is told in a sentence: `unbounded` is no verb.
#[test]
fn a_hazard_that_nothing_accepts_is_told_in_a_sentence() {
    let governance = rules("  - {id: reads, allow: {tool: kubectl}}\n").unwrap();
    let told = |hazard: Hazard| {
        let mut invocation = get("pods", Namespace::All);
        invocation.add_hazard(hazard, "because");
        match governance.evaluate(&invocation) {
            Verdict::Deny(denial) => denial.message,
            other => panic!("{other:?}"),
        }
    };
    for hazard in Hazard::ALL {
        let message = told(hazard);
        let verb = message.split(' ').nth(1).unwrap_or_default();
        assert!(verb.ends_with('s'), "{message}");
    }
    assert_eq!(
        told(Hazard::Unbounded),
        "it is unbounded, which no rule for it accepts: because"
    );
}

#[test]
fn above_the_ceiling_the_effect_must_be_named() {
    let write = kubectl(operation(Effect::Write, "apply", "pods", named("dev")));
    let broad = rules_at(Level::L4, READS).unwrap();
    assert_eq!(reason(&broad, &write), Reason::AboveCeiling);
    let named = rules_at(
        Level::L4,
        "  - {id: apply, allow: {tool: kubectl, effect: write, verb: apply}}\n",
    )
    .unwrap();
    assert_eq!(judged(&named, &write), "ALLOWED");
    let delete = kubectl(operation(Effect::Delete, "apply", "pods", Namespace::All));
    assert_eq!(judged(&named, &delete), "BLOCKED");
}

#[test]
fn escalate_stands_between_deny_and_allow_and_above_nothing() {
    let text = format!(
        "{READS}  - {{id: ask, escalate: {{tool: kubectl, namespace: prod}}, reason: ask first}}
  - {{id: never, deny: {{tool: kubectl, namespace: prod, resource: secrets}}}}\n"
    );
    let governance = rules(&text).unwrap();
    let Verdict::Escalate(hold) = governance.evaluate(&get("pods", named("prod"))) else {
        panic!("not held");
    };
    assert_eq!(
        (hold.rule.as_deref(), hold.message.as_str()),
        (Some("ask"), "ask first")
    );
    assert_eq!(judged(&governance, &get("secrets", named("prod"))), "BLOCKED");
    assert_eq!(judged(&governance, &get("pods", named("dev"))), "ALLOWED");
    // No rule allows a scale; where the escalate rule certainly speaks, a person is asked, elsewhere nobody is.
    let scale = |namespace| kubectl(operation(Effect::Write, "scale", "pods", namespace));
    assert_eq!(judged(&governance, &scale(named("prod"))), "ESCALATED");
    assert_eq!(judged(&governance, &scale(named("dev"))), "BLOCKED");
    assert_eq!(judged(&governance, &scale(Namespace::Ambient)), "BLOCKED");
    // What is allowed but may be in prod is held.
    assert_eq!(judged(&governance, &get("pods", Namespace::Ambient)), "ESCALATED");
}

#[test]
fn one_uncovered_operation_is_not_saved_by_another_that_is_held() {
    let governance = rules("  - {id: ask, escalate: {tool: kubectl, resource: pods}}\n").unwrap();
    let mut both = get("pods", Namespace::All);
    assert_eq!(judged(&governance, &both), "ESCALATED");
    both.operations.extend(get("secrets", Namespace::All).operations);
    assert_eq!(judged(&governance, &both), "BLOCKED");
}

#[test]
fn what_is_unknown_is_denied_and_not_allowed() {
    let deny = rules(&format!(
        "{READS}  - {{id: no, deny: {{tool: kubectl, namespace: prod}}}}\n"
    ))
    .unwrap();
    let allow = rules("  - {id: dev, allow: {tool: kubectl, namespace: [dev, \"team-*\"]}}\n").unwrap();
    for (namespace, when_denied, when_allowed) in [
        (named("prod"), "BLOCKED", "BLOCKED"),
        (named("dev"), "ALLOWED", "ALLOWED"),
        (named("team-a"), "ALLOWED", "ALLOWED"),
        (named("production"), "ALLOWED", "BLOCKED"),
        (Namespace::Ambient, "BLOCKED", "BLOCKED"),
        (Namespace::All, "BLOCKED", "BLOCKED"),
        (Namespace::Cluster, "ALLOWED", "BLOCKED"),
    ] {
        let pods = get("pods", namespace.clone());
        assert_eq!(judged(&deny, &pods), when_denied, "deny, {namespace:?}");
        assert_eq!(judged(&allow, &pods), when_allowed, "allow, {namespace:?}");
    }
}

#[test]
fn a_namespace_is_in_itself_for_rules_that_restrict() {
    let governance = rules_at(
        Level::L4,
        "  - {id: delete, allow: {tool: kubectl, effect: delete}}
  - {id: no, deny: {tool: kubectl, namespace: prod}}\n",
    )
    .unwrap();
    let delete = |name: Option<&str>| {
        let mut operation = operation(Effect::Delete, "delete", "namespaces", Namespace::Cluster);
        operation.name = name.map(str::to_owned);
        kubectl(operation)
    };
    assert_eq!(judged(&governance, &delete(Some("prod"))), "BLOCKED");
    assert_eq!(judged(&governance, &delete(None)), "BLOCKED");
    assert_eq!(judged(&governance, &delete(Some("dev"))), "ALLOWED");
}

#[test]
fn an_exception_needs_certainty() {
    let governance = rules(&format!(
        "{READS}  - {{id: no, deny: {{tool: kubectl, verb: get}}, unless: {{namespace: dev}}}}\n"
    ))
    .unwrap();
    assert_eq!(judged(&governance, &get("pods", named("dev"))), "ALLOWED");
    assert_eq!(judged(&governance, &get("pods", named("prod"))), "BLOCKED");
    assert_eq!(judged(&governance, &get("pods", Namespace::Ambient)), "BLOCKED");
}

#[test]
fn rules_may_deny_and_escalate_hazards() {
    let governance = rules_at(
        Level::L4,
        "  - {id: apply, allow: {tool: kubectl, effect: write}, accept: [skips-checks, reads-files]}
  - {id: ask, escalate: {hazard: skips-checks}}
  - {id: no, deny: {hazard: [remote-input, redirects-endpoint]}}\n",
    )
    .unwrap();
    let apply = kubectl(operation(Effect::Write, "apply", "pods", named("dev")));
    assert_eq!(judged(&governance, &apply), "ALLOWED");
    let mut forced = apply.clone();
    forced.add_hazard(Hazard::SkipsChecks, "`--force`");
    assert_eq!(judged(&governance, &forced), "ESCALATED");
    forced.add_hazard(Hazard::RemoteInput, "a URL");
    assert_eq!(judged(&governance, &forced), "BLOCKED");
}

#[test]
fn wildcards_stay_within_a_word() {
    let governance = rules(
        "  - {id: g, allow: {tool: kubectl, verb: \"rollout s*\"}}
  - {id: a, allow: {tool: aws, command: \"ec2 describe-*\"}}\n",
    )
    .unwrap();
    let verb = |verb: &str| kubectl(operation(Effect::Read, verb, "pods", Namespace::All));
    assert_eq!(judged(&governance, &verb("rollout status")), "ALLOWED");
    assert_eq!(judged(&governance, &verb("rollout status x")), "BLOCKED");
    assert_eq!(judged(&governance, &verb("rollout")), "BLOCKED");
    let aws = |command: &str| Invocation::simple(Tool::Aws, command, Operation::new(Effect::Read, "x:Y"));
    assert_eq!(judged(&governance, &aws("ec2 describe-vpcs")), "ALLOWED");
    assert_eq!(judged(&governance, &aws("ec2 describe-vpcs more")), "BLOCKED");
    assert_eq!(
        judged(&governance, &aws("ec2-instance-connect describe-vpcs")),
        "BLOCKED"
    );
}

#[test]
fn rules_may_spell_resources_as_command_lines_do() {
    let governance = rules(&format!(
        "{READS}  - {{id: no, deny: {{tool: kubectl, resource: [deploy, Secret, rolebindings]}}}}\n"
    ))
    .unwrap();
    for kind in [
        "deployments.apps",
        "secrets",
        "rolebindings.rbac.authorization.k8s.io",
    ] {
        assert_eq!(judged(&governance, &get(kind, named("dev"))), "BLOCKED", "{kind}");
    }
    assert_eq!(judged(&governance, &get("pods", named("dev"))), "ALLOWED");
    // An unread manifest may hold one.
    assert_eq!(judged(&governance, &get("*", named("dev"))), "BLOCKED");
}

#[test]
fn refusals_say_what_to_do_instead() {
    let governance = shipped(Level::L2, None);
    let nearest = |line: &str| {
        let invocation = common::read(line, &common::Manifests::new()).unwrap();
        match governance.evaluate(&invocation) {
            Verdict::Deny(denial) => denial.nearest,
            other => panic!("{line}: {other:?}"),
        }
    };
    let delete = nearest("kubectl delete pod web -n prod");
    assert_eq!(
        delete[..2],
        [
            "kubectl get pods web -n prod",
            "kubectl describe pods web -n prod"
        ]
    );
    assert!(
        delete[2].starts_with("kubectl: get, describe, logs, "),
        "{delete:?}"
    );
    let secret = nearest("kubectl get secrets -o yaml");
    assert!(secret[0].starts_with("the same without this: "), "{secret:?}");
    assert_eq!(secret[1], "kubectl get secrets");
    assert_eq!(
        nearest("aws ec2 terminate-instances --instance-ids i-1")[0],
        "aws ec2 describe-instances"
    );
    assert_eq!(
        nearest("aws secretsmanager get-secret-value --secret-id s")[1],
        "aws secretsmanager describe-secret"
    );
    assert_eq!(nearest("gh pr merge 12")[..2], ["gh pr view", "gh pr list"]);
    assert!(
        nearest("aws s3 rm s3://b/k")
            .iter()
            .any(|line| line.starts_with("aws: "))
    );
}

#[test]
fn the_unreadable_is_refused_at_every_level_with_the_word() {
    for (level, track) in [(Level::L1, None), (Level::L2, None), (Level::L4, Some("track-c"))] {
        let governance = shipped(level, track);
        let (tool, fault) = common::read("kubectl frobnicate", &common::Manifests::new()).unwrap_err();
        let denial = governance.refuse_unreadable(tool, &fault);
        assert_eq!(denial.reason.label(), "unreadable");
        assert!(denial.message.contains("`frobnicate`"), "{}", denial.message);
        assert!(!denial.nearest.is_empty());
    }
}

#[test]
fn an_explanation_has_every_rule_for_every_operation() {
    let governance = shipped(Level::L2, None);
    let invocation = common::read("kubectl get po,svc", &common::Manifests::new()).unwrap();
    let explanation = governance.explain(&invocation);
    assert_eq!(explanation.operations.len(), 2);
    for operation in &explanation.operations {
        let applies: Vec<&str> = operation
            .rules
            .iter()
            .filter(|rule| rule.applies)
            .map(|rule| rule.id.as_str())
            .collect();
        assert_eq!(applies, ["kubectl-reads"]);
        assert!(
            operation
                .rules
                .iter()
                .any(|rule| rule.id == "for-people-only" && rule.because == "verb does not fit")
        );
    }
}

/// What is unknown may turn out right; what is denied, or allowed to nobody, stays so.
#[test]
fn what_might_be_allowed_is_worth_a_look_and_nothing_else_is() {
    let policy = rules(
        "  - {id: pods, allow: {tool: kubectl, effect: read, verb: get, resource: pods, namespace: dev}}\n\
         \x20 - {id: held, escalate: {tool: kubectl, effect: delete, verb: delete, resource: pods}}\n\
         \x20 - {id: never, deny: {tool: kubectl, verb: describe}}\n\
         \x20 - {id: secret, deny: {tool: kubectl, resource: secrets}}\n",
    )
    .unwrap();
    let unknown = get("*", Namespace::Ambient);
    assert_eq!(judged(&policy, &unknown), "BLOCKED");
    assert!(policy.might_allow(&unknown));
    assert!(!policy.might_allow(&get("pods", named("prod"))));
    assert!(!policy.might_allow(&get("secrets", named("dev"))));
    let of = |effect, verb| kubectl(operation(effect, verb, "*", Namespace::Ambient));
    assert!(policy.might_allow(&of(Effect::Delete, "delete")));
    assert!(!policy.might_allow(&of(Effect::Read, "describe")));
    assert!(!policy.might_allow(&of(Effect::Write, "apply")));
    let mut hazardous = get("*", Namespace::Ambient);
    hazardous.add_hazard(Hazard::Unbounded, "x");
    assert!(!policy.might_allow(&hazardous));
}
