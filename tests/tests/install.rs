//! `reeve install` on a host of the test's own, with the real tools, and an agent that is another user than root.

use acceptance::host::{self, Host};
use acceptance::http::{Body, Request, Response, Server};
use acceptance::installed::{INSTALL, TOKEN, address, fresh, installed};
use acceptance::kube_api::Cluster;
use serde_json::{Value, json};
use std::os::unix::process::ExitStatusExt;

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

#[test]
fn a_second_run_changes_nothing_and_uninstall_puts_everything_back() {
    if host::is_left_out() {
        return;
    }
    let mut host = fresh("http://127.0.0.1:9");
    // What packages' files were told before must be told again.
    host.must("dpkg-statoverride --update --add root daemon 0755 /usr/bin/gh; mkdir -p /run/systemd/system");
    let before = host.listing();
    let planned = host.reeve(&format!("{INSTALL} --dry-run --json"));
    assert_eq!(planned.code(), 0, "{}", planned.err());
    assert_eq!(
        different(&before, &host.listing()),
        Vec::<String>::new(),
        "--dry-run changes nothing"
    );
    let changes = |output: &acceptance::session::Output| {
        let lines = output.out();
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"));
        lines.filter(|line| line["action"] == "change").count()
    };

    let first = host.reeve(&format!("{INSTALL} --json"));
    assert_eq!(first.code(), 0, "{}", first.err());
    assert_eq!(changes(&first), changes(&planned), "what was planned was done");
    let installed = host.listing();
    assert_ne!(installed, before);
    let again = host.reeve(&format!("{INSTALL} --json"));
    assert_eq!((again.code(), changes(&again)), (0, 0), "{}", again.out());
    assert!(host.reeve(INSTALL).out().contains("nothing to change"));
    assert_eq!(different(&installed, &host.listing()), Vec::<String>::new());
    let told = host.must("dpkg-statoverride --list /usr/bin/gh /usr/bin/aws");
    assert_eq!(told, "root reeve 750 /usr/bin/gh\nroot reeve 750 /usr/bin/aws\n");
    host.must("systemd-analyze verify --man=no /etc/systemd/system/reeved.service");

    // One tool less: it is opened again.
    let fewer = host.reeve(&format!("{INSTALL} --tools kubectl,aws"));
    assert_eq!(fewer.code(), 0, "{}", fewer.err());
    assert_eq!(host.must("stat -c '%U:%G %a' /usr/bin/gh"), "root:daemon 755\n");

    host.start_sidecar();
    let refused = host.reeve("uninstall");
    assert_eq!(refused.code(), 73, "{}", refused.out());
    assert!(
        refused.err().contains("the sidecar is running"),
        "{}",
        refused.err()
    );
    host.stop_sidecar();

    let undone = host.reeve("uninstall");
    assert_eq!(undone.code(), 0, "{}", undone.err());
    assert_eq!(
        host.must("stat -c '%U:%G %a' /var/lib/reeve"),
        "reeved:reeved 750\n",
        "the record stays"
    );
    let purged = host.reeve("uninstall --purge");
    assert_eq!(purged.code(), 0, "{}", purged.err());
    host.must("rm -rf /run/reeve");
    assert_eq!(different(&before, &host.listing()), Vec::<String>::new());
    assert!(
        host.reeve("uninstall")
            .out()
            .contains("nothing is installed here")
    );
}

/// The lines that are in one of them only.
fn different(one: &str, other: &str) -> Vec<String> {
    let lines = |text: &str| {
        text.lines()
            .map(str::to_owned)
            .collect::<std::collections::BTreeSet<_>>()
    };
    lines(one).symmetric_difference(&lines(other)).cloned().collect()
}

#[test]
fn an_installation_that_was_killed_is_completed_or_taken_back() {
    if host::is_left_out() {
        return;
    }
    let rounds: u32 = std::env::var("REEVE_INSTALL_KILLS").map_or(4, |text| text.parse().expect("a number"));
    let host = fresh("http://127.0.0.1:9");
    let before = host.listing();
    let mut killed = 0;
    for round in 0..rounds {
        // The whole takes about a second here; the first tenth of it changes nothing.
        let after = 0.1 + f64::from(round) * 0.15;
        let output = host.root(&format!(
            "timeout --signal=KILL {after} /opt/reeve/reeve {INSTALL}"
        ));
        killed += u32::from(output.status.signal() == Some(9));
        if round % 2 == 1 {
            let undone = host.reeve("uninstall --purge");
            assert_eq!(undone.code(), 0, "round {round}: {}", undone.err());
            assert_eq!(
                different(&before, &host.listing()),
                Vec::<String>::new(),
                "round {round}"
            );
        }
        let opened = host.agent("cat /etc/reeve-credentials/aws");
        assert_ne!(opened.code(), 0, "round {round}");
    }
    assert!(killed > 0, "some were killed on the way");
    assert_eq!(host.reeve("uninstall --purge").code(), 0);
    host.must("mv /usr/sbin/useradd /usr/sbin/useradd.away");
    let failed = host.reeve(INSTALL);
    assert_eq!(failed.code(), 73, "{}", failed.out());
    for said in [
        "`useradd",
        "it is not installed",
        "run `reeve install` again to go on",
    ] {
        assert!(failed.err().contains(said), "{said}: {}", failed.err());
    }
    host.must("mv /usr/sbin/useradd.away /usr/sbin/useradd");
    let two = host.root(&format!("flock /etc/reeve /opt/reeve/reeve {INSTALL}"));
    assert_eq!(two.code(), 73, "{}", two.out());
    assert!(two.err().contains("another `reeve install`"), "{}", two.err());
    let done = host.reeve(INSTALL);
    assert_eq!(done.code(), 0, "{}", done.err());
    assert!(host.reeve(INSTALL).out().contains("nothing to change"));
    assert_ne!(host.agent("/usr/local/bin/kubectl version").code(), 0);
    assert_eq!(host.reeve("uninstall --purge").code(), 0);
    assert_eq!(different(&before, &host.listing()), Vec::<String>::new());
}

#[test]
fn what_would_make_an_installation_worthless_forbids_it() {
    if host::is_left_out() {
        return;
    }
    let host = fresh("http://127.0.0.1:9");
    host.must(
        "useradd --groups sudo mighty; groupadd --system reeve; useradd --groups reeve insider; useradd --gid reeve native; \
         install -d -o agent /home/agent/keys; echo x >/home/agent/keys/key; chmod 0755 /home/agent; mkdir -m 0700 /srv/closed; \
         echo x >/srv/closed/key; mkdir -m 0777 /srv/open; echo 'x: y' >/srv/open/key; cp /bin/true /srv/open/aws; \
         printf 'a: &x b\\nc: *x\\n' >/etc/odd-kubeconfig; echo GH_TOKEN=x >/etc/open-environment; chmod 0644 /etc/open-environment; \
         printf '#!/usr/bin/env bash\nexec aws\n' >/opt/aws; chmod 0755 /opt/aws; ln -s /usr/bin/env /usr/local/bin/psql",
    );
    let before = host.listing();
    let refused = |words: &str, exit: i32, said: &str| {
        let output = host.reeve(&format!("install {words}"));
        assert_eq!(output.code(), exit, "{words}: {output:?}");
        assert!(output.err().contains(said), "{words}: {}", output.err());
    };
    refused(
        "--agent-user root",
        77,
        "`root` is root, from whom nothing can be kept",
    );
    refused("--agent-user nobody-there", 77, "there is no user `nobody-there`");
    refused("--agent-user mighty", 77, "in the group `sudo`");
    refused("--agent-user insider", 77, "in the group `reeve`");
    refused("--agent-user native", 77, "in the group `reeve`");
    refused(
        "--agent-user agent --tools no-such-tool",
        127,
        "there is no no-such-tool in",
    );
    refused(
        "--agent-user agent --tools aws=/srv/open/aws",
        78,
        "somebody besides root can write",
    );
    refused("--agent-user agent", 78, "starts other programs too"); // psql, above
    refused(
        "--agent-user agent --tools aws=/opt/aws",
        78,
        "is a script for bash",
    );
    let tools = "--agent-user agent --tools kubectl,aws,gh";
    refused(
        &format!("{tools} --credentials /home/agent/keys/key"),
        78,
        "the agent's own home",
    );
    refused(
        &format!("{tools} --credentials /srv/closed/key"),
        78,
        "cannot enter",
    );
    refused(
        &format!("{tools} --credentials /srv/open/key"),
        78,
        "somebody besides root can write",
    );
    refused(&format!("{tools} --credentials /nowhere"), 78, "No such file");
    refused(
        &format!("{tools} --env KUBECONFIG=/srv/open/key"),
        78,
        "somebody besides root can write",
    );
    refused(
        &format!("{tools} --env KUBECONFIG=/etc/odd-kubeconfig"),
        78,
        "is not understood",
    );
    refused(
        &format!("{tools} --env GH_TOKEN=x"),
        64,
        "every user of this host can see",
    );
    refused(
        &format!("{tools} --env PATH=/tmp"),
        64,
        "the installation needs it",
    );
    refused(
        &format!("{tools} --env-file /etc/open-environment"),
        64,
        "must be root's, mode 0600",
    );
    refused(&format!("{tools} --level L4"), 78, "track");
    refused(
        &format!("{tools} --minimum-version kubectl=999.1"),
        78,
        "and 999.1 is asked for",
    );
    let as_agent = host
        .agent("/opt/reeve/reeve install --agent-user agent; echo $?; /opt/reeve/reeve uninstall; echo $?");
    assert_eq!(as_agent.out(), "77\n77\n", "{}", as_agent.err());
    host.must("test ! -e /etc/reeve/gate.json; /opt/reeve/reeve uninstall --purge");
    assert_eq!(different(&before, &host.listing()), Vec::<String>::new());

    host.must("mkdir -m 0755 /etc/reeve; echo mine >/etc/reeve/gate.json");
    let in_the_way = host.reeve(&format!("install {tools}"));
    assert_eq!(in_the_way.code(), 73, "{in_the_way:?}");
    assert_eq!(
        host.must("cat /etc/reeve/gate.json"),
        "mine\n",
        "an operator's own file is left alone"
    );
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
    assert!(
        says_both(&low.err(), "is version 2.", "99.1 is asked for"),
        "{}",
        low.err()
    );
    host.must("touch /usr/bin/aws; chmod 0750 /usr/bin/aws");
    let changed = host.agent("aws --version");
    assert_eq!(changed.code(), 126, "{changed:?}");
    assert!(
        says_both(
            &changed.err(),
            "it was changed since it was version 2.",
            "run `reeve install` again"
        ),
        "{}",
        changed.err()
    );
    host.must("sed -i '/\"versions\": {/,/^  },/d' /etc/reeve/gate.json");
    let unknown = host.agent("kubectl version --client");
    assert!(
        says_both(
            &unknown.err(),
            "version 1.10 is asked for",
            "its version is not known"
        ),
        "{}",
        unknown.err()
    );
    host.stop_sidecar();
    let again = host.reeve(&format!("{INSTALL} --tools kubectl,aws,gh {floors} --checksums"));
    assert_eq!(again.code(), 0, "{}", again.err());
    host.start_sidecar();
    let runs = host.agent("gh --version && aws --version && kubectl version --client");
    assert_eq!(runs.code(), 0, "{}", runs.err());
    host.stop_sidecar();
}

fn says_both(text: &str, one: &str, other: &str) -> bool {
    text.contains(one) && text.contains(other)
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

#[test]
fn a_packages_next_version_does_not_open_its_tool_again() {
    if host::is_left_out() {
        return;
    }
    let mut host = fresh("http://127.0.0.1:9");
    host.must(
        "mkdir -p /opt/p/DEBIAN /opt/p/opt/bin; mv /usr/local/bin/kubectl /opt/p/opt/bin/\n\
         for version in 1 2; do\n\
         printf 'Package: a-tool-of-a-test\\nVersion: '$version'\\nArchitecture: all\\nMaintainer: A <a@example.org>\\nDescription: a tool\\n' \
         >/opt/p/DEBIAN/control; dpkg-deb -Znone --build /opt/p /opt/$version.deb >/dev/null; done; dpkg --install /opt/1.deb",
    );
    let words = format!("{INSTALL} --tools kubectl=/opt/bin/kubectl --minimum-version kubectl=1.10");
    let output = host.reeve(&words);
    assert_eq!(output.code(), 0, "{}", output.err());
    host.start_sidecar();
    let closed = || host.must("stat -c '%U:%G %a' /opt/bin/kubectl");
    assert_eq!(closed(), "root:reeve 750\n");
    let before = host.must("stat -c %i /opt/bin/kubectl");
    host.must("dpkg --install /opt/2.deb");
    assert_ne!(
        host.must("stat -c %i /opt/bin/kubectl"),
        before,
        "it is another file"
    );
    assert_eq!(closed(), "root:reeve 750\n");
    let changed = host.agent("kubectl version --client");
    assert_eq!(changed.code(), 126, "{changed:?}");
    assert!(
        changed.err().contains("it was changed since it was version"),
        "{}",
        changed.err()
    );
    assert_eq!(host.reeve(&words).code(), 0);
    let again = host.agent("kubectl version --client");
    assert_eq!(again.code(), 0, "{}", again.err());
    host.stop_sidecar();
    assert_eq!(host.reeve("uninstall").code(), 0);
    assert_eq!(
        host.must("stat -c '%U:%G %a' /opt/bin/kubectl"),
        "root:root 755\n"
    );
    host.must("dpkg --install /opt/1.deb");
    assert_eq!(
        host.must("stat -c '%U:%G %a' /opt/bin/kubectl"),
        "root:root 755\n"
    );
}
