//! The known ways past a command gate that are not about words: the environment, files, programs around the tool, repetition.
//! Each with the real tool where one is needed, and each first without the gate, where it does harm: so it is the gate that stops it.
//! The classes that are about words are in `policies/tests/bypasses.rs`, under the numbers of the same list.

use acceptance::http::{Response, Server};
use acceptance::kube_api::Cluster;
use acceptance::session::{Scratch, finish, summary};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

/// A script that leaves a mark named `pwned`.
fn with_mark(scratch: &Scratch) -> String {
    let mark = scratch.at("mark");
    let text = format!(
        "#!/bin/sh\n: >{}\necho '{{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}}'\n",
        scratch.at("pwned").display()
    );
    std::fs::write(&mark, text).expect("a script can be written");
    std::fs::set_permissions(&mark, std::fs::Permissions::from_mode(0o755)).expect("a mode can be set");
    mark.display().to_string()
}

/// Runs the script without the gate, where it leaves the mark, undoes it, and runs it in a session, where it must not.
#[track_caller]
fn only_without_the_gate(scratch: &Scratch, script: &str, undo: &str) {
    let mark = scratch.at("pwned");
    let bash = |script: &str| {
        let mut command = scratch.command("bash");
        finish(command.args(["-c", script]).stdin(Stdio::null()), &[])
    };
    let bare = bash(script);
    assert!(
        mark.exists(),
        "without the gate this does nothing: {script}: {bare:?}"
    );
    std::fs::remove_file(&mark).expect("our mark can be removed");
    assert_eq!(bash(undo).code(), 0, "{undo}");
    if scratch.record().exists() {
        std::fs::remove_dir_all(scratch.record()).expect("the record can be removed");
    }
    let gated = scratch.run(script);
    assert!(!mark.exists(), "{script}: {}", gated.err());
}

/// kubectl, its cluster, and a kubeconfig that runs a program, beside the operator's.
fn kubectl() -> (Scratch, Cluster) {
    let cluster = Cluster::start();
    let mut scratch = Scratch::new();
    let config = scratch.at("kubeconfig");
    cluster.kubeconfig(&config);
    let evil = json!({"apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": with_mark(&scratch)}}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]});
    std::fs::write(scratch.at("evil"), evil.to_string()).expect("a file can be written");
    scratch.real("kubectl").env("KUBECONFIG", &config);
    (scratch, cluster)
}

fn aws() -> Scratch {
    let mut scratch = Scratch::new();
    let evil = format!(
        "[default]\nregion = us-east-1\ncredential_process = {}\n",
        with_mark(&scratch)
    );
    std::fs::write(scratch.at("evil"), evil).expect("a file can be written");
    // Nobody listens there: no request gets any further.
    for (name, value) in [
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_MAX_ATTEMPTS", "1"),
    ] {
        scratch.env(name, value);
    }
    scratch.real("aws");
    scratch
}

fn gh() -> (Scratch, Server) {
    let mut scratch = Scratch::new();
    let socket = scratch.at("gh.sock");
    let server = Server::unix(&socket, |_| Response::json(&json!({"login": "octo"})));
    let config = scratch.at("gh-config");
    std::fs::create_dir(&config).expect("a directory can be made");
    let text = format!("http_unix_socket: {}\n", socket.display());
    std::fs::write(config.join("config.yml"), &text).expect("a file can be written");
    let evil = scratch.at("evil");
    std::fs::create_dir(&evil).expect("a directory can be made");
    let aliases = format!("{text}aliases:\n    zz: '!{}'\n", with_mark(&scratch));
    std::fs::write(evil.join("config.yml"), aliases).expect("a file can be written");
    scratch
        .real("gh")
        .env("GH_CONFIG_DIR", config)
        .env("GH_TOKEN", "gho_0123456789abcdef0123456789abcdef0123");
    (scratch, server)
}

#[test]
fn row_14_config_carries_code_kubectl() {
    let (scratch, _cluster) = kubectl();
    only_without_the_gate(&scratch, "kubectl --kubeconfig evil get pods", ":");
    let script = "cp evil kubeconfig; kubectl get pods";
    std::fs::copy(scratch.at("kubeconfig"), scratch.at("operators")).expect("a file can be copied");
    only_without_the_gate(&scratch, script, "cp operators kubeconfig");
}

#[test]
fn row_14_config_carries_code_aws() {
    let scratch = aws();
    let script = "mkdir -p ~/.aws; cp evil ~/.aws/config; aws sts get-caller-identity";
    only_without_the_gate(&scratch, script, "rm -r ~/.aws");
    let script =
        "rm -rf ~/.aws; mkdir -p ~/.aws/cli; printf '[toplevel]\\nzz = !./mark\\n' >~/.aws/cli/alias; aws zz";
    only_without_the_gate(&scratch, script, "rm -r ~/.aws");
}

#[test]
fn row_14_config_carries_code_gh() {
    let (scratch, _server) = gh();
    std::fs::copy(scratch.at("gh-config/config.yml"), scratch.at("operators")).expect("a file can be copied");
    let script = "cp evil/config.yml gh-config/; gh zz";
    only_without_the_gate(&scratch, script, "cp operators gh-config/config.yml");
}

#[test]
fn row_15_environment_kubectl() {
    let (scratch, _cluster) = kubectl();
    only_without_the_gate(&scratch, "KUBECONFIG=$PWD/evil kubectl get pods", ":");
}

#[test]
fn row_15_environment_aws() {
    let scratch = aws();
    only_without_the_gate(
        &scratch,
        "AWS_CONFIG_FILE=$PWD/evil aws sts get-caller-identity",
        ":",
    );
}

#[test]
fn row_15_environment_gh() {
    let (scratch, _server) = gh();
    only_without_the_gate(&scratch, "GH_FORCE_TTY=1 GH_PAGER=$PWD/mark gh api user", ":");
    only_without_the_gate(&scratch, "GH_CONFIG_DIR=$PWD/evil gh zz", ":");
}

/// A site with these rules at L2, and none at L1.
fn govern(scratch: &mut Scratch, rules: &str) {
    let head = "apiVersion: reeve/v1\nkind: Governance\n";
    scratch.govern(
        &["--level", "L2"],
        &[
            ("governance-L1.yaml", &format!("{head}level: L1\nrules: []\n")),
            ("governance-L2.yaml", &format!("{head}level: L2\nrules:\n{rules}")),
        ],
    );
}

#[test]
fn row_24_ambient_target() {
    let (mut scratch, cluster) = kubectl();
    govern(
        &mut scratch,
        "  - {id: r, allow: {tool: kubectl, effect: read, namespace: dev}}\n",
    );
    // The context's namespace is `default`, whatever a line leaves out.
    let output =
        scratch.run("for w in '' '-n dev' '-n prod' -A; do kubectl get pods $w >>out 2>>err; echo $?; done");
    assert_eq!(output.out(), "77\n0\n77\n77\n");
    let asked: Vec<String> = cluster
        .server
        .requests()
        .iter()
        .map(|it| it.path().to_owned())
        .collect();
    assert!(
        asked.contains(&"/api/v1/namespaces/dev/pods".to_owned()),
        "{asked:?}"
    );
    assert!(
        asked
            .iter()
            .all(|path| !path.contains("pods") || path.contains("/dev/")),
        "{asked:?}"
    );
}

#[test]
fn row_26_wrapper_around_the_cli() {
    let mut scratch = Scratch::new();
    for name in ["kubectl", "aws", "gh"] {
        scratch.stand_in(name, "#!/bin/bash\necho ran >>ran\n");
    }
    let lines = [
        "bash -c 'kubectl delete pod x'",
        "sh -c \"kubectl delete pod x; true\"; false",
        "eval 'kubectl delete pod x'",
        "command kubectl delete pod x",
        "exec -a kubectl $(command -v kubectl) delete pod x",
        "$(command -v kubectl) delete pod x",
        "echo x | xargs kubectl delete pod",
        "nohup kubectl delete pod x",
        "timeout 5 kubectl delete pod x",
        "nice kubectl delete pod x",
        "env X=1 aws ec2 terminate-instances --instance-ids i-1",
        "env -i $(command -v aws) ec2 terminate-instances --instance-ids i-1",
        "hash -r; command gh pr merge 1",
        "ln -s $(command -v gh) gh; ./gh pr merge 1",
        "find . -maxdepth 0 -exec gh pr merge 1 ';'",
        "python3 -c 'import subprocess; subprocess.run([\"gh\", \"pr\", \"merge\", \"1\"])'",
    ];
    let script: String = lines
        .iter()
        .map(|line| format!("( {line} ) >>out 2>>err\n"))
        .collect();
    let output = scratch.run(&script);
    assert!(!scratch.at("ran").exists(), "a tool was run: {output:?}");
    assert_eq!(summary(&output)["blocked"], lines.len() as u64, "{output:?}");
}

#[test]
fn row_29_approval_laundering() {
    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", "#!/bin/bash\necho \"ran $*\" >>ran\n");
    govern(
        &mut scratch,
        "  - {id: reads, allow: {tool: kubectl, effect: read, name: web}}\n  - {id: held, escalate: {tool: kubectl, verb: delete}}\n",
    );
    // Asking again is no answer; and a `*` that an agent types is a name like any other.
    let script = "for n in 1 2 3; do kubectl delete pod web >>out 2>>err && echo ran; done
        kubectl get pod '*' >>out 2>>err && echo ran
        kubectl get pod web web2 >>out 2>>err && echo ran
        kubectl get pod web";
    let output = scratch.run(script);
    assert!(!output.out().contains("ran"), "{output:?}");
    let ran = std::fs::read_to_string(scratch.at("ran")).expect("the last one ran");
    assert_eq!(ran, "ran get pod web\n");
}
