//! What holds for all rules and all commands.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, outside the test functions that clippy exempts"
)]

mod common;

use argv::{Effect, Hazard, Invocation, Namespace, Operation, Resource, Tool};
use common::{Texts, decision, rules_at, shipped};
use policies::{Governance, Kind, Level, Verdict};
use proptest::prelude::*;
use std::sync::LazyLock;

const VERBS: [&str; 4] = ["get", "logs", "apply", "delete"];
const KINDS: [&str; 4] = ["pods", "secrets", "deployments.apps", "*"];
const NAMESPACES: [&str; 3] = ["dev", "prod", "team-a"];
const EFFECTS: [Effect; 6] = [
    Effect::Local,
    Effect::Read,
    Effect::Write,
    Effect::Delete,
    Effect::Execute,
    Effect::Connect,
];

fn operations() -> impl Strategy<Value = Operation> {
    let namespace = prop_oneof![
        Just(Namespace::Ambient),
        Just(Namespace::All),
        Just(Namespace::Cluster),
        prop::sample::select(&NAMESPACES[..]).prop_map(|name| Namespace::Named(name.to_owned())),
    ];
    (
        prop::sample::select(&EFFECTS[..]),
        prop::sample::select(&VERBS[..]),
        prop::option::of(prop::sample::select(&KINDS[..])),
        namespace,
        prop::option::of("[ab]"),
    )
        .prop_map(|(effect, verb, kind, namespace, name)| {
            let mut operation = Operation::new(effect, verb);
            operation.resource = kind.map(Resource::kind);
            operation.name = name;
            operation.scope.namespace = namespace;
            operation
        })
}

fn invocations() -> impl Strategy<Value = Invocation> {
    (
        prop::sample::select(&Tool::ALL[..]),
        prop::sample::select(&VERBS[..]),
        prop::collection::vec(operations(), 1..4),
        prop::collection::vec(prop::sample::select(&Hazard::ALL[..]), 0..3),
    )
        .prop_map(|(tool, command, operations, hazards)| {
            let mut invocation = Invocation::simple(tool, command, Operation::new(Effect::Read, "x"));
            invocation.operations = operations;
            for hazard in hazards {
                invocation.add_hazard(hazard, "because");
            }
            invocation
        })
}

/// The facets of a rule, as YAML.
fn facets() -> impl Strategy<Value = String> {
    let one = |key: &'static str, words: &'static [&'static str]| {
        prop::option::of(prop::sample::subsequence(words, 1..=words.len())).prop_map(move |words| {
            words.map_or(String::new(), |words| {
                let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                format!(", {key}: [{}]", quoted.join(", "))
            })
        })
    };
    (
        one(
            "effect",
            &["local", "read", "write", "delete", "execute", "connect"],
        ),
        one("verb", &["get", "logs", "apply", "delete", "*"]),
        one("resource", &["pods", "secrets", "deploy*", "*"]),
        one("namespace", &["dev", "prod", "team-?", "*"]),
    )
        .prop_map(|(effect, verb, resource, namespace)| {
            // Verbs that change things are only named with an effect; otherwise the file has a fault.
            let effect = if effect.is_empty() && (verb.contains("apply") || verb.contains("delete")) {
                ", effect: [read, write, delete]".to_owned()
            } else {
                effect
            };
            format!("{{tool: kubectl{effect}{verb}{resource}{namespace}}}")
        })
}

fn rule(id: usize, action: &str, facets: &str, accept: &[Hazard]) -> String {
    let mut rule = format!("  - id: r{id}\n    {action}: {facets}\n");
    if action == "allow" && !accept.is_empty() {
        let names: Vec<&str> = accept.iter().map(|hazard| hazard.name()).collect();
        rule.push_str(&format!("    accept: [{}]\n", names.join(", ")));
    }
    rule
}

fn rule_lists() -> impl Strategy<Value = String> {
    let one = (
        prop::sample::select(&["allow", "allow", "allow", "deny", "escalate"][..]),
        facets(),
        prop::sample::subsequence(&Hazard::ALL[..], 0..4),
    );
    prop::collection::vec(one, 0..6).prop_map(|rules| {
        let rules: String = rules
            .iter()
            .enumerate()
            .map(|(id, (action, facets, accept))| rule(id, action, facets, accept))
            .collect();
        if rules.is_empty() {
            "  []\n".to_owned()
        } else {
            rules
        }
    })
}

fn load(rules: &str) -> Governance {
    rules_at(Level::L4, rules).unwrap_or_else(|faults| panic!("{faults}\n{rules}"))
}

/// How much a verdict lets happen.
fn freedom(governance: &Governance, invocation: &Invocation) -> u8 {
    match governance.evaluate(invocation) {
        Verdict::Deny(_) => 0,
        Verdict::Escalate(_) => 1,
        Verdict::Allow(_) => 2,
    }
}

/// L1 to L3, then L4 of each track.
static SHIPPED: LazyLock<Vec<Governance>> = LazyLock::new(|| {
    let mut all: Vec<Governance> = [Level::L1, Level::L2, Level::L3]
        .map(|level| shipped(level, None))
        .into();
    all.extend(["track-a", "track-b", "track-c"].map(|track| shipped(Level::L4, Some(track))));
    all
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A deny rule more, wherever it stands, never lets more happen.
    #[test]
    fn a_deny_only_takes_away(rules in rule_lists(), deny in facets(), invocation in invocations()) {
        let more = rule(99, "deny", &deny, &[]);
        let (before, after) = if rules == "  []\n" {
            (load(&rules), load(&more))
        } else {
            (load(&rules), load(&format!("{rules}{more}")))
        };
        prop_assert!(freedom(&after, &invocation) <= freedom(&before, &invocation));
    }

    /// An allow rule more never takes away.
    #[test]
    fn an_allow_only_gives(rules in rule_lists(), allow in facets(), invocation in invocations()) {
        prop_assume!(rules != "  []\n");
        let after = load(&format!("{rules}{}", rule(99, "allow", &allow, &[])));
        prop_assert!(freedom(&after, &invocation) >= freedom(&load(&rules), &invocation));
    }

    /// The order of rules does not matter to the decision.
    #[test]
    fn order_is_no_matter(list in prop::collection::vec((facets(), 0..3_usize), 1..6), invocation in invocations()) {
        let render = |rules: &[String]| load(&rules.concat());
        let mut rules: Vec<String> = list
            .iter()
            .enumerate()
            .map(|(id, (facets, action))| rule(id, ["allow", "deny", "escalate"][*action], facets, &[]))
            .collect();
        let forward = freedom(&render(&rules), &invocation);
        rules.reverse();
        prop_assert_eq!(forward, freedom(&render(&rules), &invocation));
    }

    /// A rule that the linter calls dead or redundant can go, and nothing changes.
    #[test]
    fn what_the_linter_would_remove_decides_nothing(
        list in prop::collection::vec((facets(), 0..3_usize, prop::sample::subsequence(&Hazard::ALL[..3], 0..3)), 2..9),
        invocations in prop::collection::vec(invocations(), 8),
    ) {
        let rules: Vec<String> = list
            .iter()
            .enumerate()
            .map(|(id, (facets, action, accept))| rule(id, ["allow", "deny", "escalate"][*action], facets, accept))
            .collect();
        let all = load(&rules.concat());
        for finding in all.lint() {
            if !matches!(finding.kind, Kind::Dead | Kind::Redundant) {
                continue;
            }
            let id: usize = finding.rule[1..].parse().unwrap();
            let rest: String = rules.iter().enumerate().filter(|(at, _)| *at != id).map(|(_, rule)| rule.as_str()).collect();
            let without = load(&rest);
            for invocation in &invocations {
                prop_assert_eq!(freedom(&all, invocation), freedom(&without, invocation), "{}", finding);
            }
        }
    }

    /// What is suggested loads, allows what was wanted, and of other commands only those whose every operation was wanted.
    #[test]
    fn a_suggestion_allows_exactly_what_was_wanted(
        mut wanted in prop::collection::vec(invocations(), 1..6),
        mut other in invocations(),
    ) {
        // The verbs are kubectl's; for another tool they would be faults.
        other.tool = Tool::Kubectl;
        wanted.iter_mut().for_each(|invocation| invocation.tool = Tool::Kubectl);
        let nothing = load("  []\n");
        let suggestion = nothing.suggest(&wanted, "for a test\nof two lines");
        prop_assert!(suggestion.hopeless.is_empty());
        let documents = Texts::new([
            ("governance-L4-track-c.yaml", "apiVersion: reeve/v1\nkind: Governance\nlevel: L4\ntrack: track-c\n"),
            ("suggested.yaml", &suggestion.document),
        ]);
        let track = "track-c".parse().unwrap();
        let new = Governance::load_document("suggested.yaml", Level::L4, Some(&track), &documents)
            .unwrap_or_else(|faults| panic!("{faults}\n{}", suggestion.document));
        for invocation in &wanted {
            prop_assert_eq!(freedom(&new, invocation), 2, "{}", suggestion.document);
        }
        // Facets that were not known are not named, so only a command that knows all of them is compared.
        let knows_all = |operation: &Operation| {
            operation.name.is_some()
                && operation.resource.as_ref().is_some_and(|resource| resource.kind != "*")
                && matches!(operation.scope.namespace, Namespace::Named(_))
        };
        let all_known = wanted.iter().flat_map(|invocation| &invocation.operations).all(knows_all);
        if all_known && freedom(&new, &other) == 2 {
            for operation in &other.operations {
                prop_assert!(wanted.iter().any(|invocation| {
                    invocation.tool == other.tool
                        && other.hazards.iter().all(|fact| invocation.has_hazard(fact.hazard))
                        && invocation.operations.contains(operation)
                }), "{operation:?}\n{}", suggestion.document);
            }
        }
    }

    /// What is allowed is covered, operation by operation, by rules that the permit names, and every hazard with it.
    #[test]
    fn a_permit_names_what_covers(rules in rule_lists(), invocation in invocations()) {
        let governance = load(&rules);
        if let Verdict::Allow(permit) = governance.evaluate(&invocation) {
            for operation in &invocation.operations {
                let mut alone = invocation.clone();
                alone.operations = vec![operation.clone()];
                let Verdict::Allow(part) = governance.evaluate(&alone) else {
                    panic!("an operation of what is allowed is not allowed alone");
                };
                prop_assert!(!part.rules().is_empty());
                prop_assert!(part.rules().iter().all(|id| permit.rules().contains(id)));
            }
            let mut calm = invocation.clone();
            calm.hazards.clear();
            prop_assert_eq!(decision(&governance.evaluate(&calm)).0, "ALLOWED");
        }
    }

    /// A hazard more never lets more happen, unless a rule escalates by it.
    #[test]
    fn a_hazard_only_takes_away(rules in rule_lists(), invocation in invocations(), hazard in prop::sample::select(&Hazard::ALL[..])) {
        let governance = load(&rules);
        let mut worse = invocation.clone();
        worse.add_hazard(hazard, "worse");
        prop_assert!(freedom(&governance, &worse) <= freedom(&governance, &invocation));
    }

    /// Through its snapshot, the governance is the same.
    #[test]
    fn a_snapshot_is_the_same(rules in rule_lists(), invocation in invocations()) {
        let governance = load(&rules);
        let again = Governance::from_snapshot(&governance.snapshot()).unwrap();
        prop_assert_eq!(&again, &governance);
        prop_assert_eq!(again.digest(), governance.digest());
        prop_assert_eq!(freedom(&again, &invocation), freedom(&governance, &invocation));
    }

    /// What is shipped: a higher level allows what a lower one allows, and L1 denies everywhere.
    #[test]
    fn shipped_levels_are_a_ladder(invocation in invocations()) {
        let ladder = &SHIPPED[..3];
        for pair in ladder.windows(2) {
            prop_assert!(freedom(&pair[0], &invocation) <= freedom(&pair[1], &invocation));
        }
        for above in &SHIPPED[3..] {
            prop_assert!(freedom(&ladder[2], &invocation) <= freedom(above, &invocation));
            let people = invocation.tool == Tool::Kubectl && invocation.operations.iter().any(|o| o.verb == "delete");
            if people {
                prop_assert_eq!(freedom(above, &invocation), 0);
            }
        }
    }

    /// Arbitrary text is refused or read; nothing panics.
    #[test]
    fn any_text_is_an_answer(text in "\\PC{0,200}") {
        answers(&text);
    }

    /// Text that looks like YAML.
    #[test]
    fn any_yaml_is_an_answer(words in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60)) {
        answers(&words.concat());
    }
}

const PIECES: [&str; 36] = [
    "apiVersion: reeve/v1\n",
    "kind: Governance\n",
    "level: L2\n",
    "rules:\n",
    "wrapper_allowlist:\n",
    "  - ",
    "- ",
    "  ",
    "\n",
    ": ",
    ":",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "id: a",
    "allow: ",
    "deny: ",
    "{tool: kubectl}",
    "verb",
    "get*",
    "/(/",
    "*",
    "&a ",
    "*a",
    "!t ",
    "---\n",
    "...\n",
    "'",
    "\"",
    "|\n",
    "#",
    "? ",
    "é",
    "extends: governance-L2.yaml\n",
];

fn answers(text: &str) {
    let documents = Texts::new([("governance-L2.yaml", text)]);
    if let Err(faults) = Governance::load(Level::L2, None, &documents) {
        assert!(!faults.0.is_empty());
        let lines = text.lines().count();
        for fault in &faults.0 {
            assert!(fault.line <= lines + 1, "{fault}\n{text}");
            assert!(!fault.to_string().is_empty());
        }
    }
    // As the rest of a file that begins well.
    let behind = format!("apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nrules:\n{text}");
    let documents = Texts::new([("governance-L2.yaml", &behind)]);
    drop(Governance::load(Level::L2, None, &documents));
    drop(Governance::from_snapshot(text));
}
