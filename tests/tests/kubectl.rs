//! The real kubectl against a cluster on loopback, with and without the gate.

use acceptance::kube_api::{BIG_LOG, Cluster};
use acceptance::race::{self, turns};
use acceptance::session::{Scratch, finish, summary};
use acceptance::{http, sha256, wire};
use std::process::Stdio;

fn with_cluster() -> (Scratch, Cluster) {
    let cluster = Cluster::start();
    let mut scratch = Scratch::new();
    cluster.kubeconfig(&scratch.at("kubeconfig"));
    let kubeconfig = scratch.at("kubeconfig");
    scratch.real("kubectl").env("KUBECONFIG", kubeconfig);
    (scratch, cluster)
}

#[test]
fn an_allowed_read_prints_what_kubectl_prints_byte_for_byte() {
    let (scratch, cluster) = with_cluster();
    for words in [
        "get pods",
        "get pods -n prod -o wide",
        "get pod web-1 -o yaml",
        "get pods -A -o name",
        "get nothing",
        "get pods --no-such-flag",
    ] {
        let direct = scratch.directly("kubectl", words);
        if words.contains("no-such-flag") {
            // What kubectl itself would not understand, the gate does not either; the tool is then not asked.
            assert_ne!(direct.code(), 0);
            continue;
        }
        scratch.assert_runs_as(&direct, &format!("kubectl {words}"));
    }
    assert!(
        cluster
            .server
            .requests()
            .iter()
            .any(|request| request.target.contains("/namespaces/prod/pods"))
    );
    assert_eq!(cluster.mutations(), Vec::<String>::new());
}

/// `delete pod x`, as an agent might spell it. `SHIM` is the gate's own absolute path.
const DELETIONS: &[&str] = &[
    "kubectl delete pod x",
    "kubectl delete pods x",
    "kubectl delete po x",
    "kubectl delete Pod x",
    "kubectl delete pod/x",
    "kubectl delete pods.v1. x",
    "kubectl delete pods/x configmaps/y",
    "kubectl -n prod delete pod x",
    "kubectl --namespace=prod delete pod x",
    "kubectl --namespace prod delete pod x",
    "kubectl delete -n prod pod x",
    "kubectl delete pod x -nprod",
    "kubectl delete pod x --now",
    "kubectl delete pod x --grace-period=0 --force",
    "kubectl --grace-period 0 delete pod x",
    "kubectl delete pod -l app=x",
    "kubectl delete pods --all",
    "kubectl delete -- pod x",
    "kubectl delete pod x --help=false",
    "kubectl delete pod x --dry-run=none",
    "kubectl delete pod x --dry-run=false",
    "kubectl delete pod x --dry-run=client --dry-run=none",
    "kubectl -n delete delete pod x",
    "kubectl -n get delete pod x",
    "kubectl --request-timeout get delete pod x",
    "kubectl delete --raw /api/v1/namespaces/default/pods/x",
    "kubectl delete --grace_period=0 pod x",
    "kubectl -o name delete pod x",
    "kubectl delete -f pod.yaml",
    "kubectl --filename pod.yaml delete",
    "kubectl delete pod x -- --help",
    "SHIM delete pod x",
    "env kubectl delete pod x",
    "env -i SHIM delete pod x",
    "sh -c 'kubectl delete pod x'",
    "echo x | xargs kubectl delete pod",
    "command kubectl delete pod x",
    "exec kubectl delete pod x",
    "nohup kubectl delete pod x",
    "timeout 20 kubectl delete pod x",
    "(cd / && kubectl delete pod x)",
    "V=delete; kubectl $V pod x",
    "HERMES_LAB_GOVERNANCE=L4 kubectl delete pod x",
    "kubectl replace --force -f pod.yaml",
    "kubectl drain node-1",
    "kubectl exec x -- rm -rf /",
    "kubectl scale deployment web --replicas=0",
    "kubectl rollout restart deployment web",
    "kubectl patch pod x -p '{}'",
    "kubectl label pod x a=b",
    "kubectl apply -f pod.yaml",
    "kubectl create -f pod.yaml",
    "kubectl create namespace x",
    "kubectl run x --image=y",
    "kubectl create --raw /api/v1/namespaces/default/pods -f pod.yaml",
];

#[test]
fn a_deletion_never_reaches_the_cluster_in_any_spelling() {
    let (scratch, cluster) = with_cluster();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{name: a, image: b}]}\n";
    std::fs::write(scratch.at("pod.yaml"), pod).expect("a file can be written");
    let mut script = String::from("SHIM=$(command -v kubectl)\n");
    for (index, line) in DELETIONS.iter().enumerate() {
        let line = line.replace("SHIM", "$SHIM");
        script.push_str(&format!(
            "( {line} ) >/dev/null 2>err.{index} </dev/null; echo \"{index} $?\" >>codes\n"
        ));
    }
    let output = scratch.run(&script);
    let codes = std::fs::read_to_string(scratch.at("codes")).expect("the script wrote it");
    for (line, code) in DELETIONS.iter().zip(codes.lines()) {
        let code = code.split(' ').nth(1).expect("index and code");
        // xargs says 123 when a command fails.
        let expected = if line.contains("xargs") { "123" } else { "77" };
        assert_eq!(code, expected, "{line}");
    }
    assert_eq!(codes.lines().count(), DELETIONS.len());
    assert_eq!(cluster.mutations(), Vec::<String>::new());
    let account = summary(&output);
    assert_eq!(account["blocked"], DELETIONS.len() as u64);
    assert_eq!(account["allowed"], 0);
    assert_eq!(scratch.verify().0, 0);
    for event in scratch.events() {
        assert_eq!(event["decision"], "BLOCKED");
        assert_eq!(event["allowlist_hit"], false);
        assert_eq!(event["governance_level"], "L2");
        assert_eq!(event["wrapper"], "kubectl");
    }
}

#[test]
fn without_the_gate_the_same_deletions_do_reach_it() {
    // The stand-in is no proof of anything if it could not be reached.
    let (scratch, cluster) = with_cluster();
    let mut direct = scratch.command(scratch.at("tools").join("kubectl"));
    finish(
        direct
            .args(["delete", "pod", "x", "--wait=false"])
            .stdin(Stdio::null()),
        &[],
    );
    assert_eq!(cluster.mutations(), ["DELETE /api/v1/namespaces/default/pods/x"]);
}

#[test]
fn events_metrics_and_the_verifier_agree() {
    let (scratch, _cluster) = with_cluster();
    let output = scratch.run(
        "for i in 1 2 3; do kubectl get pods >/dev/null; done
         for i in 1 2; do kubectl delete pod x 2>/dev/null; done
         kubectl no-such-verb 2>/dev/null
         echo $REEVE_METRICS >metrics; python3 -c 'import os,urllib.request as u; print(u.urlopen(os.environ[\"REEVE_METRICS\"]+\"/metrics\").read().decode())' >text",
    );
    let text = std::fs::read_to_string(scratch.at("text")).expect("the script wrote it");
    let value = |series: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(series)?.trim().parse::<u64>().ok())
            .unwrap_or_else(|| panic!("{series} is not in:\n{text}"))
    };
    let labels = |last: &str| format!("{{{last},level=\"L2\",profile=\"default\"");
    let decisions = |decision: &str| {
        format!(
            "hermes_governance_decisions_total{},tool=\"kubectl\",track=\"\"}}",
            labels(&format!("decision=\"{decision}\""))
        )
    };
    assert_eq!(value(&decisions("ALLOWED")), 3);
    assert_eq!(value(&decisions("BLOCKED")), 3);
    assert_eq!(value(&decisions("ESCALATED")), 0);
    let denied = |reason: &str| {
        format!(
            "hermes_governance_denied_total{{level=\"L2\",profile=\"default\",reason=\"{reason}\",tool=\"kubectl\",track=\"\"}}"
        )
    };
    assert_eq!(value(&denied("denied_by_rule")), 2);
    assert_eq!(value(&denied("unreadable")), 1);
    let account = summary(&output);
    assert_eq!((&account["allowed"], &account["blocked"]), (&3.into(), &3.into()));
    let (code, findings) = scratch.verify();
    assert_eq!(
        (code, &findings["verify"], &findings["events"]),
        (0, &"sealed".into(), &6.into())
    );
    assert_eq!(scratch.events().len(), 6);
    assert_eq!(scratch.outcomes().len(), 3);
}

#[test]
fn a_hundred_megabytes_of_logs_come_through_unchanged() {
    let (scratch, _cluster) = with_cluster();
    let output = scratch.run("kubectl logs big | sha256sum");
    let expected: Vec<u8> = (0..BIG_LOG).map(http::pattern).collect();
    assert_eq!(output.out().split(' ').next(), Some(sha256(&expected).as_str()));
}

#[test]
fn a_hundred_megabytes_of_input_reach_the_cluster_unchanged() {
    let (mut scratch, cluster) = with_cluster();
    // L2 would refuse this; the plumbing is the same at a level whose rules allow it.
    let rules = "apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nrules:\n  - id: raw\n    allow: {tool: kubectl, effect: write}\n    accept: [reads-files]\n";
    scratch.govern(&["--level", "L2"], &[("governance-L2.yaml", rules)]);
    let input: Vec<u8> = (0..100 * 1024 * 1024).map(http::pattern).collect();
    let output = scratch.run_with_input(
        "kubectl create --raw /api/v1/namespaces/default/configmaps -f -",
        &input,
    );
    assert!(output.status.success(), "{output:?}");
    let request = cluster
        .server
        .requests()
        .into_iter()
        .find(|request| request.method == "POST")
        .expect("it was sent");
    assert_eq!(
        (request.body_length, request.body_sha256),
        (input.len() as u64, sha256(&input))
    );
}

#[test]
fn probes_answer_inside_a_session() {
    let (scratch, _cluster) = with_cluster();
    let mut child = scratch.session("echo $REEVE_METRICS >address; while [ ! -e done ]; do sleep 0.05; done");
    let mut child = child
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    assert!(acceptance::session::appears(&scratch.at("address")));
    std::thread::sleep(std::time::Duration::from_millis(100));
    let address = std::fs::read_to_string(scratch.at("address")).expect("the script wrote it");
    for path in [
        "/healthz",
        "/readyz",
        "/startupz",
        "/health",
        "/ready",
        "/startup",
        "/health/live",
        "/health/ready",
        "/health/startup",
    ] {
        let (status, body) = wire::get(address.trim(), path);
        assert_eq!((status, body.trim()), (200, "{\"status\":\"ok\"}"), "{path}");
    }
    assert_eq!(wire::get(address.trim(), "/secret").0, 404);
    std::fs::write(scratch.at("done"), "").expect("a file can be written");
    assert!(acceptance::session::wait(&mut child, acceptance::session::DEADLINE).success());
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web-1, namespace: default}\n";
const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: token, namespace: default}\n";

#[test]
fn a_manifest_is_judged_by_what_is_in_it_and_read_once() {
    let (scratch, cluster) = with_cluster();
    let write = |name: &str, text: &str| std::fs::write(scratch.at(name), text).expect("it can be written");
    write("pod.yaml", POD);
    write("both.yaml", &format!("{POD}---\n{SECRET}"));
    write("twice.yaml", &format!("{POD}kind: Secret\n"));
    let output = scratch.run(
        "kubectl get -f pod.yaml -o yaml >out 2>err; echo $? >code1\n\
         kubectl get -f both.yaml -o yaml 2>>err; echo $? >code2\n\
         kubectl get -f twice.yaml 2>>err; echo $? >code3\n\
         kubectl get -f absent.yaml 2>>err; echo $? >code4\n\
         kubectl get -o name -f - <pod.yaml >out5 2>>err; echo $? >code5\n",
    );
    assert!(output.status.success());
    let read = |name: &str| std::fs::read_to_string(scratch.at(name)).expect("the script wrote it");
    let err = read("err");
    assert_eq!(
        ["code1", "code2", "code3", "code4", "code5"].map(|name| read(name).trim().to_owned()),
        ["0", "77", "77", "77", "0"],
        "{err}"
    );
    assert!(read("out").contains("web-1"), "{}", read("out"));
    assert_eq!(read("out5").trim(), "pod/web-1");
    for said in ["reveals credentials", "Duplicate key", "No such file"] {
        assert!(err.contains(said), "{said}: {err}");
    }
    assert!(
        !cluster
            .server
            .requests()
            .iter()
            .any(|request| request.target.contains("secret"))
    );
    let events = scratch.events();
    let digest = sha256(POD.as_bytes());
    assert_eq!(events[0]["files"][0]["sha256"], serde_json::json!(digest));
    assert_eq!(events[0]["files"][0]["path"], serde_json::json!("pod.yaml"));
}

#[test]
fn a_manifest_that_is_rewritten_all_the_time_never_becomes_another_one() {
    let rounds = turns::rounds(60);
    let (scratch, cluster) = with_cluster();
    let file = scratch.at("m.yaml");
    std::fs::write(&file, POD).expect("it can be written");
    let script =
        format!("for i in $(seq {rounds}); do kubectl get -o yaml -f m.yaml >>out 2>>err; done; true");
    // In place and by renaming; half-written files included.
    turns::by_turns(&scratch, &script, [POD, SECRET], |text| {
        race::rename(&scratch.at(""), &file, text.as_bytes());
        std::fs::write(&file, text).expect("it can be written");
    });
    let requests = cluster.server.requests();
    let of = |part: &str| {
        requests
            .iter()
            .filter(|request| request.target.contains(part))
            .count()
    };
    assert_eq!(of("secret"), 0, "what was not judged was asked for");
    let allowed = turns::allowed_of(&scratch, rounds);
    assert_eq!(
        of("/pods/web-1"),
        allowed,
        "what was judged is what was asked for"
    );
}

/// What is a secret by where it stands is one in every field of the record.
#[test]
fn a_secret_is_nowhere_in_the_record() {
    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", "#!/bin/sh\n");
    scratch.stand_in("gh", "#!/bin/sh\n");
    let token = format!("ghp_{}", "A1b2C3d4E5".repeat(3));
    let script = format!(
        "kubectl get pods --password --token hunter2hunter2; kubectl get pods -n {token}; kubectl get pods --context {token}; \
         gh api repos/{token}/x; kubectl config set users.u.token hunter2hunter2; true"
    );
    let output = scratch.run(&script);
    assert_eq!(output.code(), 0, "{output:?}");
    assert_eq!(scratch.events().len(), 5);
    for entry in std::fs::read_dir(scratch.record()).expect("a record") {
        let path = entry.expect("an entry").path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).expect("readable")).into_owned();
        for secret in ["hunter2", "A1b2C3d4E5"] {
            assert!(!text.contains(secret), "{secret} in {}", path.display());
        }
    }
}
