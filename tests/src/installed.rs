//! A host of a test's own (`host`) with the real tools, credentials for them, and Reeve installed or about to be.

use crate::host::Host;
use crate::kube_api::Cluster;
use crate::session::Output;
use crate::tools;
use serde_json::json;
use std::path::Path;

/// What only the gate may have, and what shows up wherever it is leaked.
pub const TOKEN: &str = "token-that-the-agent-must-not-have";
/// How it is installed in most tests.
pub const INSTALL: &str = "install --agent-user agent --env-file /etc/reeve-credentials/environment";

/// A host with the real tools and credentials for them, nothing installed yet.
pub fn fresh(server: &str) -> Host {
    let host = Host::new();
    host.put(&tools::real("kubectl"), Path::new("/usr/local/bin/kubectl"));
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": TOKEN, "client-key": "/etc/reeve-credentials/key.pem"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
    });
    host.write(
        "/etc/reeve-credentials/kubeconfig",
        &kubeconfig.to_string(),
        "0600",
    );
    host.write("/etc/reeve-credentials/key.pem", TOKEN, "0644");
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

/// Our own L2, and an endpoint on the command line: Debian's aws takes one from nowhere else.
pub fn site(host: &Host) {
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

/// Where a cluster is.
pub fn address(cluster: &Cluster) -> String {
    format!("http://127.0.0.1:{}", cluster.server.port)
}

/// The same, installed, with the sidecar running.
///
/// # Panics
/// When it does not work.
pub fn installed(server: &str) -> Host {
    let mut host = fresh(server);
    let output = host.reeve(INSTALL);
    assert_eq!(output.code(), 0, "{}{}", output.out(), output.err());
    host.start_sidecar();
    host
}

/// Whether a program printed this, anywhere.
pub fn says(output: &Output, text: &str) -> bool {
    output.out().contains(text) || output.err().contains(text)
}
