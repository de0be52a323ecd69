//! What an installation does, with the real tools on a host of the test's own and an agent that is another user than root.

use acceptance::host::{self, Host};
use acceptance::http::{Body, Request, Response, Server};
use acceptance::installed::{INSTALL, TOKEN, address, fresh, installed, site};
use acceptance::kube_api::Cluster;
use serde_json::{Value, json};

#[test]
fn the_agent_gets_to_the_tools_through_the_gate_only() {
    if host::is_left_out() {
        return;
    }
    let cluster = Cluster::start();
    let mut host = fresh(&address(&cluster));
    site(&host);
    let aws = Server::tcp(|_: &Request| Response {
        status: 200,
        content_type: "text/xml",
        body: Body::Bytes(b"<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>".to_vec()),
    });
    let github = Server::unix(&host.shared().join("gh.sock"), |request: &Request| {
        Response::json(&json!({"path": request.path(), "full_name": "octo/app"}))
    });
    host.must("chmod 0666 /srv/shared/gh.sock; chmod 0755 /srv/shared");

    doctor_says_what_is_open(&host);
    let output = host.reeve(&format!("{INSTALL} --governance /etc/site --profile tested"));
    assert_eq!(output.code(), 0, "{}{}", output.out(), output.err());
    host.start_sidecar();
    nothing_is_open(&host);
    kubectl_goes_through_the_gate(&host, &cluster);
    aws_goes_through_the_gate(&host, &aws);
    gh_goes_through_the_gate(&host, &github);
    host.stop_sidecar();
    the_record_has_each_decision(&host);
}

fn doctor_says_what_is_open(host: &Host) {
    let before = host.agent("/opt/reeve/reeve doctor --json");
    assert_eq!(before.code(), 1, "{}", before.err());
    for open in [
        "/usr/local/bin/kubectl can be started",
        "/usr/bin/aws can be started",
        "/usr/bin/gh can be started",
    ] {
        assert!(before.out().contains(open), "{open}: {}", before.out());
    }
}

/// Neither a tool, nor a credential, nor the gate's orders, nor the sidecar.
fn nothing_is_open(host: &Host) {
    for tool in [
        "/usr/local/bin/kubectl",
        "/usr/bin/aws",
        "/usr/bin/gh",
        "/usr/lib/reeve/tools/kubectl",
    ] {
        let tried = host.agent(&format!("{tool} --version"));
        assert_eq!(tried.code(), 126, "{tool}: {tried:?}");
        assert_ne!(
            host.agent(&format!("cat {tool}")).code(),
            0,
            "{tool} cannot be copied either"
        );
    }
    for file in ["kubeconfig", "key.pem", "aws", "gh/hosts.yml", "environment"] {
        assert_ne!(
            host.agent(&format!("cat /etc/reeve-credentials/{file}")).code(),
            0,
            "{file}"
        );
    }
    for file in [
        "/etc/reeve/gate.json",
        "/etc/reeve/redaction.key",
        "/etc/reeve/install.json",
    ] {
        assert_ne!(host.agent(&format!("cat {file}")).code(), 0, "{file}");
    }
    assert_ne!(host.agent("ls /var/lib/reeve /var/lib/reeve-home").code(), 0);
    let asked = host.agent(
        "python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"/run/reeve/reeved.sock\")' 2>&1 | tail -n 1",
    );
    assert!(
        asked.out().contains("Permission denied"),
        "only the gate asks the sidecar: {}",
        asked.out()
    );

    let doctor = host.agent("reeve doctor --json");
    assert_eq!(
        (doctor.code(), doctor.out().as_str()),
        (0, ""),
        "doctor finds nothing"
    );
}

fn kubectl_goes_through_the_gate(host: &Host, cluster: &Cluster) {
    let got = host.agent("kubectl get pods -o name");
    assert_eq!(got.code(), 0, "{}", got.err());
    assert!(got.out().contains("pod/web-1"), "{}", got.out());
    // kubectl sends no token over plain HTTP; but only the kubeconfig knows where the server is.
    assert!(
        cluster
            .server
            .requests()
            .iter()
            .any(|request| request.path().ends_with("/pods"))
    );
    let refused = host.agent("kubectl delete pod web-1");
    assert_eq!(refused.code(), 77, "{}", refused.err());
    assert_eq!(cluster.mutations(), Vec::<String>::new());
}

fn aws_goes_through_the_gate(host: &Host, aws: &Server) {
    let endpoint = format!("--endpoint-url http://127.0.0.1:{}", aws.port);
    let allowed = host.agent(&format!("aws s3api list-buckets {endpoint}"));
    assert_eq!(allowed.code(), 0, "{}", allowed.err());
    let asked = aws.requests().len();
    assert!(
        asked > 0
            && aws
                .requests()
                .iter()
                .all(|request| request.header("authorization").contains("AKIDEXAMPLE"))
    );
    let refused = host.agent(&format!("aws s3api delete-bucket --bucket b {endpoint}"));
    assert_eq!(
        (refused.code(), aws.requests().len()),
        (77, asked),
        "{}",
        refused.err()
    );
}

fn gh_goes_through_the_gate(host: &Host, github: &Server) {
    let allowed = host.agent("gh api repos/octo/app");
    assert_eq!(allowed.code(), 0, "{}", allowed.err());
    assert!(
        github
            .requests()
            .iter()
            .all(|request| request.header("authorization").contains(TOKEN))
            && !github.requests().is_empty()
    );
    let asked = github.requests().len();
    let refused = host.agent("gh api -X DELETE repos/octo/app");
    assert_eq!(
        (refused.code(), github.requests().len()),
        (77, asked),
        "{}",
        refused.err()
    );
}

fn the_record_has_each_decision(host: &Host) {
    let verified = host.root("/opt/reeve/reeve audit verify /var/lib/reeve");
    assert_eq!(verified.code(), 0, "{}{}", verified.out(), verified.err());
    let recorded = host.must("cat /var/lib/reeve/events.ndjson");
    let events: Vec<Value> = recorded
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .filter(|line: &Value| line["kind"] == "event")
        .collect();
    let decisions: Vec<&str> = events
        .iter()
        .filter_map(|event| event["decision"].as_str())
        .collect();
    assert_eq!(
        decisions,
        ["ALLOWED", "BLOCKED", "ALLOWED", "BLOCKED", "ALLOWED", "BLOCKED"]
    );
    assert!(events.iter().all(|event| event["caller_profile"] == "tested"));
    assert!(!recorded.contains(TOKEN));
}

#[test]
fn without_a_sidecar_nothing_runs_and_nothing_hangs() {
    if host::is_left_out() {
        return;
    }
    let cluster = Cluster::start();
    let mut host = installed(&address(&cluster));
    host.stop_sidecar();
    let output = host.agent("kubectl get pods");
    assert_eq!(output.code(), 69, "{}", output.err());
    assert_eq!(cluster.server.requests().len(), 0);
}

#[test]
fn a_tool_below_its_least_version_or_changed_since_is_not_executed() {
    if host::is_left_out() {
        return;
    }
    let mut host = fresh("http://127.0.0.1:9");
    let floors = "--minimum-version gh=2.1 --minimum-version aws=2.0 --minimum-version kubectl=1.10";
    let output = host.reeve(&format!("{INSTALL} --tools kubectl,aws,gh {floors}"));
    assert_eq!(output.code(), 0, "{}", output.err());
    host.start_sidecar();
    // The tool is not asked for its version at each call: it would leave a trace in what it is asked.
    let runs = host.agent("gh --version; aws --version; kubectl version --client");
    assert_eq!(runs.code(), 0, "{}", runs.err());
    host.must("sed -i 's/\"gh\": \"2.1\"/\"gh\": \"99.1\"/' /etc/reeve/gate.json");
    let low = host.agent("gh --version");
    assert_eq!(low.code(), 126, "{low:?}");
    low.assert_said(&["is version 2.", "99.1 is asked for"]);
    host.must("touch /usr/bin/aws; chmod 0750 /usr/bin/aws");
    let changed = host.agent("aws --version");
    assert_eq!(changed.code(), 126, "{changed:?}");
    changed.assert_said(&[
        "it was changed since it was version 2.",
        "run `reeve install` again",
    ]);
    host.must("sed -i '/\"versions\": {/,/^  },/d' /etc/reeve/gate.json");
    let unknown = host.agent("kubectl version --client");
    unknown.assert_said(&["version 1.10 is asked for", "its version is not known"]);
    host.stop_sidecar();
    let again = host.reeve(&format!("{INSTALL} --tools kubectl,aws,gh {floors} --checksums"));
    assert_eq!(again.code(), 0, "{}", again.err());
    host.start_sidecar();
    let runs = host.agent("gh --version && aws --version && kubectl version --client");
    assert_eq!(runs.code(), 0, "{}", runs.err());
    host.stop_sidecar();
}

#[test]
fn doctor_names_what_is_open_around_an_installation() {
    if host::is_left_out() {
        return;
    }
    let host = fresh("http://127.0.0.1:9");
    host.must("chmod 0644 /etc/reeve-credentials/kubeconfig");
    let output = host.reeve(INSTALL);
    assert_eq!(output.code(), 0, "{}", output.err());
    assert!(
        output
            .out()
            .contains("kubeconfig could be read by the agent until now"),
        "{}",
        output.out()
    );
    let nothing = host.agent("reeve doctor");
    assert_eq!(nothing.code(), 0, "{}", nothing.out());
    assert!(
        nothing.out().contains("169.254.169.254"),
        "it says what it does not look at: {}",
        nothing.out()
    );
    for (opened, said, closed) in [
        (
            "cp /usr/bin/env /usr/local/bin/enver; chmod u+s /usr/local/bin/enver",
            "enver runs with the rights of user 0",
            "rm /usr/local/bin/enver",
        ),
        (
            "cp /usr/bin/env /usr/local/bin/enver; chgrp reeve /usr/local/bin/enver; chmod g+s /usr/local/bin/enver",
            "enver gives the gate's group to whoever starts it",
            "rm /usr/local/bin/enver",
        ),
        (
            "cp /usr/local/bin/kubectl /opt/k; install -m 755 /opt/k /usr/local/bin/kubectl-1.30",
            "kubectl-1.30 can be started",
            "rm /usr/local/bin/kubectl-1.30",
        ),
        (
            "mkdir -p /etc/cron.d; chmod o+w /etc/cron.d",
            "/etc/cron.d can be written",
            "chmod o-w /etc/cron.d",
        ),
        (
            "chmod o+w /usr/lib/python3/dist-packages",
            "dist-packages can be written",
            "chmod o-w /usr/lib/python3/dist-packages",
        ),
        (
            "gpasswd -a agent staff",
            "in the group `staff`",
            "gpasswd -d agent staff",
        ),
        (
            "gpasswd -a agent reeve",
            "in the group `reeve`, whose members may start the real tools",
            "gpasswd -d agent reeve",
        ),
        (
            "install -D -o agent /etc/reeve-credentials/aws /home/agent/.aws/credentials",
            ".aws/credentials can be read",
            "rm -r /home/agent/.aws",
        ),
        (
            "chmod o+w /etc/reeve",
            "/etc/reeve can be written, so /etc/reeve/gate.json can be replaced",
            "chmod o-w /etc/reeve",
        ),
        (
            "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"/run/docker.sock\")'; chmod 0666 /run/docker.sock",
            "docker.sock takes orders",
            "rm /run/docker.sock",
        ),
        (
            "echo 'agent ALL=(ALL) NOPASSWD: /usr/bin/true' >/etc/sudoers.d/agent; chmod 0440 /etc/sudoers.d/agent",
            "sudo lets this user run something",
            "rm /etc/sudoers.d/agent",
        ),
    ] {
        host.must(opened);
        let output = host.agent("reeve doctor");
        assert_eq!(output.code(), 1, "{opened}: {}", output.out());
        assert!(output.out().contains(said), "{opened}: {}", output.out());
        host.must(closed);
        let output = host.agent("reeve doctor");
        assert_eq!(output.code(), 0, "{closed}: {}", output.out());
    }
    let bound = host.agent("setpriv --no-new-privs /usr/lib/reeve/shims/reeve doctor");
    assert!(
        bound.out().contains("no_new_privs is set here"),
        "{}",
        bound.out()
    );
    let open = host.agent("GH_TOKEN=x reeve doctor");
    assert!(
        open.out().contains("the variable GH_TOKEN holds a credential"),
        "{}",
        open.out()
    );
}
