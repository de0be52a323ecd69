//! `reeve install` on a host of the test's own, with the real tools, and an agent that is another user than root.

use acceptance::http::{Body, Request, Response, Server};
use acceptance::kube_api::Cluster;
use acceptance::session::Output;
use acceptance::{host, host::Host, tools};
use serde_json::{Value, json};
use std::path::Path;

/// What only the gate may have, and what shows up wherever it is leaked.
const TOKEN: &str = "token-that-the-agent-must-not-have";
/// How it is installed in most tests.
const INSTALL: &str = "install --agent-user agent --env-file /etc/reeve-credentials/environment";

/// A host with the real tools and credentials for them, nothing installed yet.
fn fresh(server: &str) -> Host {
    let host = Host::new();
    host.put(&tools::real("kubectl"), Path::new("/usr/local/bin/kubectl"));
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
    });
    host.write(
        "/etc/reeve-credentials/kubeconfig",
        &kubeconfig.to_string(),
        "0600",
    );
    host.write(
        "/etc/reeve-credentials/gh/config.yml",
        "http_unix_socket: /srv/shared/gh.sock\n",
        "0644",
    );
    let hosts = format!("github.com:\n    oauth_token: {TOKEN}\n    user: octo\n");
    host.write("/etc/reeve-credentials/gh/hosts.yml", &hosts, "0600");
    let aws = format!("[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = {TOKEN}\n");
    host.write("/etc/reeve-credentials/aws", &aws, "0600");
    let environment = "# What the tools get.\nKUBECONFIG=/etc/reeve-credentials/kubeconfig\n\
        AWS_SHARED_CREDENTIALS_FILE=/etc/reeve-credentials/aws\nAWS_DEFAULT_REGION=us-east-1\n\
        AWS_EC2_METADATA_DISABLED=true\nAWS_MAX_ATTEMPTS=1\n\
        GH_CONFIG_DIR=/etc/reeve-credentials/gh\nGH_NO_UPDATE_NOTIFIER=1\n";
    host.write("/etc/reeve-credentials/environment", environment, "0600");
    host
}

fn address(cluster: &Cluster) -> String {
    format!("http://127.0.0.1:{}", cluster.server.port)
}

fn installed(server: &str) -> Host {
    let mut host = fresh(server);
    let output = host.reeve(INSTALL);
    assert_eq!(output.code(), 0, "{}{}", output.out(), output.err());
    host.start_sidecar();
    host
}

fn says(output: &Output, text: &str) -> bool {
    output.out().contains(text) || output.err().contains(text)
}

/// Our own L2, and an endpoint on the command line: Debian's aws takes one from nowhere else.
fn site(host: &Host) {
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/../governance");
    for (name, place) in [
        ("governance-L1.yaml", "governance-L1.yaml"),
        ("governance-L2.yaml", "ours.yaml"),
    ] {
        let text = std::fs::read_to_string(format!("{ours}/{name}")).expect("ours is there");
        host.write(&format!("/etc/site/{place}"), &text, "0644");
    }
    let text = "apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nextends: ours.yaml\nrules:\n  - id: site-endpoint\n    \
        allow: {tool: aws, effect: [local, read]}\n    accept: [redirects-endpoint]\n";
    host.write("/etc/site/governance-L2.yaml", text, "0644");
}

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

    let before = host.agent("/opt/reeve/reeve doctor --json");
    assert_eq!(before.code(), 1, "{}", before.err());
    for open in [
        "/usr/local/bin/kubectl can be started",
        "/usr/bin/aws can be started",
        "/usr/bin/gh can be started",
    ] {
        assert!(before.out().contains(open), "{open}: {}", before.out());
    }
    let output = host.reeve(&format!("{INSTALL} --governance /etc/site --profile tested"));
    assert_eq!(output.code(), 0, "{}{}", output.out(), output.err());
    host.start_sidecar();

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
    for file in ["kubeconfig", "aws", "gh/hosts.yml", "environment"] {
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
        "/run/reeve/reeved.sock",
    ] {
        assert_ne!(host.agent(&format!("cat {file}")).code(), 0, "{file}");
    }
    assert_ne!(host.agent("ls /var/lib/reeve /var/lib/reeve-home").code(), 0);

    let doctor = host.agent("reeve doctor --json");
    assert_eq!(
        (doctor.code(), doctor.out().as_str()),
        (0, ""),
        "doctor finds nothing"
    );

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

    host.stop_sidecar();
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

/// Orders as an agent would write them: everything allowed, by a sidecar and with tools of its own.
const FORGED: &str = "mkdir -p ~/own/bin && cd ~/own &&\n\
    printf '#!/usr/bin/python3\\nimport os\\nprint(\"ran\", os.getegid(), os.popen(\"cat /etc/reeve-credentials/aws\").read())\\n' >evil &&\n\
    chmod +x evil && mkdir -p tools && cp evil tools/kubectl &&\n\
    cat >session.json <<END\n\
    {\"version\": 1, \"session\": \"s\", \"socket\": \"$HOME/own/sock\", \"pins\": {\"identities\": [{\"uid\": $(id -u), \"profile\": \"p\", \"level\": \"L2\"}]},\n\
     \"policies\": {}, \"path\": \"$HOME/own/tools\", \"environment\": {}}\n\
    END\n";

#[test]
fn a_copy_or_a_link_of_the_gate_has_no_power() {
    if host::is_left_out() {
        return;
    }
    let cluster = Cluster::start();
    let host = installed(&address(&cluster));
    assert!(host.agent(FORGED).status.success());
    let group = host.must("getent group reeve | cut -d: -f3").trim().to_owned();
    let gate = "/usr/lib/reeve/bin/reeve";

    // A copy has not the group: with forged orders it is a gate of the agent's own, over what the agent has anyway.
    let copied = host.agent(&format!(
        "cp {gate} own/bin/kubectl; own/bin/kubectl get pods; stat -c %a own/bin/kubectl"
    ));
    assert!(
        !says(&copied, TOKEN) && !says(&copied, &format!("ran {group}")),
        "{copied:?}"
    );
    assert!(
        copied.out().ends_with("755\n") || copied.out().ends_with("700\n"),
        "{}",
        copied.out()
    );
    let copied = host.agent(&format!(
        "mkdir -p far/away; cp {gate} far/away/kubectl; far/away/kubectl get pods"
    ));
    assert_eq!(copied.code(), 78, "{}", copied.err());
    assert!(says(&copied, "not readable for this gate"), "{}", copied.err());

    // A hard link has the group. Where the kernel forbids it (fs.protected_hardlinks), root makes it here for the agent.
    host.must(&format!(
        "rm -f /home/agent/own/bin/kubectl; mkdir -p /usr/lib/own/bin; cp -r /home/agent/own/tools /home/agent/own/session.json /usr/lib/own/; \
         chown -R agent /usr/lib/own; ln {gate} /usr/lib/own/bin/kubectl"
    ));
    let linked = host.agent("sed -i \"s#$HOME/own#/usr/lib/own#g\" /usr/lib/own/session.json; /usr/lib/own/bin/kubectl get pods -o name");
    assert_eq!(
        linked.code(),
        0,
        "the host's orders hold, wherever the link is: {linked:?}"
    );
    assert!(
        linked.out().contains("pod/web-1") && !says(&linked, "ran"),
        "{linked:?}"
    );
    assert_eq!(host.agent("/usr/lib/own/bin/kubectl delete pod web-1").code(), 77);

    // A symbolic link, and any name that it may be called by.
    let named = host.agent(&format!(
        "ln -sf {gate} own/bin/kubectl; own/bin/kubectl get pods -o name; echo $?; own/bin/kubectl delete pod x; echo $?\n\
         for name in '' / . .. git ungroup less -bash '../../kubectl' '/home/agent/own/tools/evil' reeve .reeve; do\n\
         (exec -a \"$name\" {gate} /etc/reeve-credentials/aws) </dev/null; done\n\
         (exec -a kubectl {gate} delete pod x); echo $?"
    ));
    assert!(named.out().starts_with("pod/web-1"), "{named:?}");
    assert!(
        named.out().contains("\n0\n77\n") && named.out().ends_with("77\n"),
        "{named:?}"
    );
    assert!(!says(&named, TOKEN) && !says(&named, "ran"), "{named:?}");

    // Where the kernel ignores the bit there is no group, and so no orders.
    let ignored = host.agent(&format!(
        "setpriv --no-new-privs {gate} --version; setpriv --no-new-privs kubectl get pods"
    ));
    assert_eq!(ignored.code(), 78, "{ignored:?}");
    assert!(says(&ignored, "no_new_privs"), "{}", ignored.err());
    let namespaced = host.agent(
        "unshare --user --map-root-user bash -c 'mount --bind own /etc 2>/dev/null; kubectl get pods' && echo it ran",
    );
    assert!(
        !says(&namespaced, "it ran") && !says(&namespaced, TOKEN),
        "{namespaced:?}"
    );
    assert_eq!(cluster.mutations(), Vec::<String>::new());
}

#[test]
fn whatever_the_caller_names_is_read_with_the_callers_own_rights() {
    if host::is_left_out() {
        return;
    }
    let cluster = Cluster::start();
    let mut host = installed(&address(&cluster));
    let secret = "/etc/reeve-credentials/kubeconfig";
    for line in [
        format!("kubectl diff -f {secret}"),
        format!("kubectl apply --dry-run=server -f {secret}"),
        format!("kubectl get -f {secret}"),
        format!("kubectl get pods --kubeconfig {secret}"),
        format!("kubectl get pods -o go-template-file={secret}"),
        format!("kubectl get -k {secret}"),
        "aws logs describe-log-groups --log-group-name-prefix file:///etc/reeve-credentials/aws".to_owned(),
        "gh api repos/o/r/issues -F body=@/etc/reeve-credentials/gh/hosts.yml".to_owned(),
        format!("reeve check -- kubectl diff -f {secret}"),
        format!("reeve policy test --governance {secret}"),
        format!("reeve audit verify {secret}"),
        format!("reeve audit find-secret --key {secret} /var/lib/reeve </dev/null"),
        "reeve policy show --governance /etc/reeve-credentials".to_owned(),
        "reeve run -- bash -c 'cat /etc/reeve-credentials/aws; kubectl config view --raw; id -gn'".to_owned(),
        format!("reeve install --dry-run --agent-user agent --env-file {secret}"),
        "reeve uninstall".to_owned(),
    ] {
        let output = host.agent(&line);
        assert!(!says(&output, TOKEN), "{line}: {output:?}");
        let has_run_a_session = line.starts_with("reeve run");
        assert!(
            output.code() != 0 || has_run_a_session && output.out().contains("agent\n"),
            "{line}: {output:?}"
        );
    }
    let said = host.agent(&format!("kubectl diff -f {secret}"));
    assert!(says(&said, "ermission denied"), "{}", said.err());
    assert_eq!(cluster.server.requests().len(), 0);
    host.stop_sidecar();
    let recorded = host.must("cat /var/lib/reeve/events.ndjson");
    let digest = host.must(&format!("sha256sum {secret} | cut -c1-64"));
    assert!(!recorded.contains(TOKEN) && !recorded.contains(digest.trim()));
}

/// Says its groups, starts what tools start, and shows what these have.
const PROBE: &str = "#!/usr/bin/python3
import os, subprocess
print('tool', os.getgid() == os.getegid(), open('/etc/reeve-credentials/aws').read().count('token'), flush=True)
show = 'id -G; cat /etc/reeve-credentials/aws'
for words in ['git', '--no-pager', 'status', '--short'], ['less', '/etc/reeve-credentials/aws'], ['sh', '-c', show], ['bash', '-c', show]:
    subprocess.run(words, stdin=subprocess.DEVNULL)
";

#[test]
fn what_a_tool_starts_for_the_agent_has_not_the_group() {
    if host::is_left_out() {
        return;
    }
    let cluster = Cluster::start();
    let mut host = fresh(&address(&cluster));
    host.write("/usr/local/bin/gh", PROBE, "0755");
    let output = host.reeve(&format!(
        "{INSTALL} --tools kubectl,gh=/usr/local/bin/gh --credentials /etc/reeve-credentials/aws"
    ));
    assert_eq!(output.code(), 0, "{}{}", output.out(), output.err());
    host.start_sidecar();
    let output = host.agent(
        "git init --quiet repository && cd repository && touch a\n\
         printf '#!/bin/bash -p\\n(id -G; cat /etc/reeve-credentials/aws; ls -l /proc/self/fd) >>~/monitored 2>&1\\n' >~/monitor\n\
         chmod +x ~/monitor; git config core.fsmonitor ~/monitor\n\
         GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.pager GIT_CONFIG_VALUE_0=~/monitor gh pr list -R o/r",
    );
    assert_eq!(output.code(), 0, "{output:?}");
    assert!(
        output.out().starts_with("tool False 1\n"),
        "the tool has the group: {}",
        output.out()
    );
    let own = host.must("id -G agent");
    let shells = output.out().lines().filter(|line| *line == own.trim()).count();
    assert_eq!(shells, 2, "shells give it up: {output:?}");
    assert!(!says(&output, TOKEN), "{output:?}");
    let monitored = host.must("cat /home/agent/monitored");
    assert!(
        monitored.starts_with(&own),
        "what git runs has the agent's groups only: {monitored}"
    );
    assert!(
        !monitored.contains(TOKEN) && !monitored.contains("memfd"),
        "{monitored}"
    );
}
