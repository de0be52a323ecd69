//! The original format keeps working, and means what it says: `"get pods"` is a verb and a resource, not a beginning.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, outside the test functions that clippy exempts"
)]

mod common;

use common::{Directory, Manifests, Texts, decide, read};
use policies::{Governance, Level, Track};

fn original(level: Level, track: Option<&str>) -> Governance {
    let track: Option<Track> = track.map(|track| track.parse().unwrap());
    Governance::load(level, track.as_ref(), &Directory::original())
        .unwrap_or_else(|faults| panic!("{faults}"))
}

fn faults(text: &str) -> String {
    Governance::load(Level::L2, None, &Texts::new([("governance-L2.yaml", text)]))
        .unwrap_err()
        .to_string()
}

fn check(governance: &Governance, cases: &[(&str, &str)]) {
    for (command, expected) in cases {
        let (decision, why) = decide(governance, command, &Manifests::new());
        assert_eq!(decision, *expected, "{command}: {why}");
    }
}

#[test]
fn l1_runs_nothing_whatever_its_entries_say() {
    check(
        &original(Level::L1, None),
        &[
            ("kubectl get --help", "ALLOWED"),
            ("kubectl get pods", "BLOCKED"),
            ("aws sts get-caller-identity", "BLOCKED"),
        ],
    );
}

#[test]
fn l2_reads_what_its_entries_name_in_every_spelling() {
    check(
        &original(Level::L2, None),
        &[
            ("kubectl get pods", "ALLOWED"),
            ("kubectl -n prod get po -o wide", "ALLOWED"),
            ("kubectl get pod/web", "ALLOWED"),
            ("kubectl get deployments.apps", "ALLOWED"),
            ("kubectl get svc,po", "ALLOWED"),
            ("kubectl describe pods web", "ALLOWED"),
            ("kubectl logs web", "ALLOWED"),
            ("kubectl top pods", "ALLOWED"),
            ("kubectl top nodes", "ALLOWED"),
            ("kubectl rollout status deploy/web", "ALLOWED"),
            ("kubectl config current-context", "ALLOWED"),
            ("kubectl get nodes", "ALLOWED"),
            ("aws ec2 describe-instances --region eu-west-1", "ALLOWED"),
            ("aws --region eu-west-1 ec2 describe-vpcs", "ALLOWED"),
            ("aws rds describe-db-instances", "ALLOWED"),
            ("aws sts get-caller-identity", "ALLOWED"),
            ("gh pr list --state all", "ALLOWED"),
            ("gh -R octo/app pr view 12", "ALLOWED"),
        ],
    );
}

#[test]
fn l3_proposes_when_an_entry_says_so() {
    let propose = "gh pr create --head fix --title t --body b";
    check(&original(Level::L2, None), &[(propose, "BLOCKED")]);
    check(
        &original(Level::L3, None),
        &[
            (propose, "ALLOWED"),
            ("gh pr merge 12", "BLOCKED"),
            ("gh pr list", "ALLOWED"),
        ],
    );
}

#[test]
fn l2_does_not_read_what_merely_begins_like_an_entry() {
    check(
        &original(Level::L2, None),
        &[
            ("kubectl get podsecuritypolicies", "BLOCKED"),
            ("kubectl get podmetrics", "BLOCKED"),
            ("kubectl get secrets", "BLOCKED"),
            ("kubectl get pods,secrets", "BLOCKED"),
            ("kubectl get all", "BLOCKED"),
            ("kubectl get --raw /api/v1/secrets", "BLOCKED"),
            ("kubectl rollout history deploy/web", "BLOCKED"),
            ("kubectl describe nodes", "BLOCKED"),
            ("aws s3 ls", "BLOCKED"),
            ("aws iam list-users", "BLOCKED"),
            ("gh pr checks 12", "BLOCKED"),
            ("gh issue list", "BLOCKED"),
        ],
    );
}

#[test]
fn entries_accept_no_hazard() {
    check(
        &original(Level::L2, None),
        &[
            (
                "kubectl get pods --server=https://collector.example.net",
                "BLOCKED",
            ),
            ("kubectl get pods -o go-template-file=x", "BLOCKED"),
            ("kubectl get pods -v=9", "BLOCKED"),
            (
                "aws ec2 describe-instances --endpoint-url http://collector.example.net",
                "BLOCKED",
            ),
        ],
    );
}

#[test]
fn below_l4_the_ceiling_holds_whatever_entries_name() {
    for level in [Level::L2, Level::L3] {
        check(
            &original(level, None),
            &[
                ("kubectl apply -f x.yaml", "BLOCKED"),
                (
                    "aws ec2 create-tags --resources i-1 --tags Key=a,Value=b",
                    "BLOCKED",
                ),
                ("aws rds delete-db-instance --db-instance-identifier x", "BLOCKED"),
                ("kubectl delete pod web", "BLOCKED"),
            ],
        );
    }
}

#[test]
fn at_l4_an_entry_names_its_effect_and_the_rest_is_held() {
    check(
        &original(Level::L4, Some("track-c")),
        &[
            ("kubectl get secrets", "ALLOWED"),
            ("kubectl rollout undo deploy/web", "ALLOWED"),
            ("kubectl rollout status deploy/web", "ALLOWED"),
            ("kubectl scale deploy/web --replicas=2", "ALLOWED"),
            ("kubectl delete pod web", "ALLOWED"),
            ("kubectl delete pods --all", "ESCALATED"),
            ("kubectl delete pod web --force", "ESCALATED"),
            ("kubectl delete deploy web", "ESCALATED"),
            ("kubectl scale sts/web --replicas=2", "ESCALATED"),
            ("kubectl get secrets -o yaml", "ESCALATED"),
            ("kubectl apply -f x.yaml", "ESCALATED"),
            ("kubectl exec web -- date", "ESCALATED"),
            ("aws ec2 terminate-instances --instance-ids i-1", "ESCALATED"),
            ("kubectl frobnicate", "BLOCKED"),
        ],
    );
}

#[test]
fn approvals_off_refuses_the_rest() {
    check(
        &original(Level::L4, Some("track-d")),
        &[
            ("kubectl rollout undo deploy/web", "ALLOWED"),
            ("kubectl apply -f x.yaml", "BLOCKED"),
        ],
    );
}

#[test]
fn l4_needs_its_track() {
    let faults = Governance::load(Level::L4, None, &Directory::original()).unwrap_err();
    assert!(faults.to_string().contains("L4 needs a track"), "{faults}");
}

#[test]
fn faults_are_said_all_at_once_with_their_places() {
    let said = faults(
        "approvals: {mode: sometimes, timeout: soon}\nwrapper_alowlist: {}\nwrapper_allowlist:\n  kubectl: \
         [\"\", \"get pods -n prod\", \"get *\"]\n  kubctl: [\"get pods\"]\n",
    );
    for expected in [
        "governance-L2.yaml:1:19: `sometimes` is not a mode",
        "governance-L2.yaml:1:39: timeout must be a number of seconds",
        "governance-L2.yaml:2:1: unknown key `wrapper_alowlist`; did you mean `wrapper_allowlist`?",
        "governance-L2.yaml:4:13: kubectl: `` is empty",
        "governance-L2.yaml:4:17: kubectl: `get pods -n prod` has a flag",
        "governance-L2.yaml:4:37: kubectl: `get *` has a wildcard",
        "governance-L2.yaml:5:3: `kubctl` is not a governed tool; did you mean `kubectl`?",
    ] {
        assert!(said.contains(expected), "{expected}\nis not in\n{said}");
    }
}

/// Over every recorded line: nothing harmful is allowed at any level below L4, and what is allowed sent, on the wire,
/// nothing but what an entry names.
#[test]
fn over_the_corpora_an_entry_allows_every_spelling_of_itself_and_nothing_else() {
    let levels = [Level::L1, Level::L2, Level::L3].map(|level| (level, original(level, None)));
    let mut allowed = 0;
    let mut spellings_of_get_pods = 0;
    for tool in ["kubectl", "aws", "gh"] {
        let path = format!("{}/../tests/corpora/wire_{tool}.json", env!("CARGO_MANIFEST_DIR"));
        let cases: Vec<serde_json::Value> =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for case in &cases {
            let words: Vec<String> = serde_json::from_value(case["argv"].clone()).unwrap();
            let line = shlex::try_join(words.iter().map(String::as_str)).unwrap();
            // What the environment and configuration files bring is judged elsewhere.
            let surroundings_matter = ["env", "files"]
                .iter()
                .any(|key| case[*key].as_object().is_some_and(|map| !map.is_empty()));
            for (level, governance) in &levels {
                let (decision, _) = decide(governance, &line, &Manifests::new());
                if decision != "ALLOWED" || surroundings_matter {
                    continue;
                }
                let command = read(&line, &Manifests::new()).unwrap().command;
                // What L3 is for: an entry names the proposal.
                if *level == Level::L3 && command == "pr create" {
                    continue;
                }
                assert_ne!(case["class"], "harmful", "{level}: {line}");
                allowed += 1;
                for request in case["truth"]["requests"].as_array().unwrap() {
                    assert!(is_named(tool, &command, request), "{level}: {line}: {request}");
                }
                let one_list = case["truth"]["requests"].as_array().is_some_and(|requests| {
                    requests.len() == 1 && requests[0]["verb"] == "list" && requests[0]["resource"] == "pods"
                });
                spellings_of_get_pods += usize::from(tool == "kubectl" && one_list);
            }
        }
    }
    assert!(allowed > 150, "{allowed}");
    assert!(spellings_of_get_pods > 5, "{spellings_of_get_pods}");
}

/// Whether the entries of the fixtures name what a request asks for.
fn is_named(tool: &str, command: &str, request: &serde_json::Value) -> bool {
    let text = |key: &str| request[key].as_str().unwrap_or_default();
    match tool {
        "kubectl" => {
            let reads = matches!(text("verb"), "get" | "list" | "watch");
            let named = [
                "pods",
                "deployments",
                "services",
                "nodes",
                "events",
                "replicasets",
                "statefulsets",
                "daemonsets",
            ];
            // Entries for `get` and `describe` name their resources; the others (`logs `, `top `, `rollout status`) do not.
            let is_open = !matches!(command, "get" | "describe") && text("resource") != "secrets";
            reads && (is_open || named.contains(&text("resource")) || text("resource").is_empty())
                || text("verb") == "create" && text("resource").ends_with("reviews")
        }
        "aws" => match (text("service"), text("op")) {
            ("ec2", op) => op.starts_with("Describe"),
            ("rds", _) => matches!(text("access_level"), "Read" | "List"),
            // A profile with a role takes it before any call.
            ("sts", op) => matches!(op, "GetCallerIdentity" | "AssumeRole"),
            _ => false,
        },
        _ => text("graphql") == "query" || text("method") == "GET",
    }
}
