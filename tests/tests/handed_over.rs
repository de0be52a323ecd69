//! aws's and gh's own configuration files: what was judged is what the tool reads, whatever becomes of the files meanwhile.

use acceptance::http::{Body, Request, Response, Server};
use acceptance::race::{self, turns};
use acceptance::session::Scratch;
use acceptance::tools;
use serde_json::json;
use std::path::Path;

/// What the site allows: reads in one region, by one profile, of one host.
fn govern(scratch: &mut Scratch, rules: &str) {
    let policy = format!("apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nrules:\n{rules}");
    scratch.govern(&["--level", "L2"], &[("governance-L2.yaml", &policy)]);
}

/// The tool rewrites its own files before it reads them, which is later than anybody else could.
#[test]
fn a_file_that_changes_after_the_judgement_is_not_what_the_tool_reads() {
    let mut scratch = Scratch::new();
    let script = "#!/bin/sh\nfor file in ~/.aws/config ~/.aws/credentials ~/.config/gh/config.yml ~/.config/gh/hosts.yml; do echo other >$file; done\n\
        case $0 in *aws) cat $AWS_CONFIG_FILE $AWS_SHARED_CREDENTIALS_FILE;; *) cat $GH_CONFIG_DIR/config.yml $GH_CONFIG_DIR/hosts.yml;; esac >>read\n\
        chmod u+w $AWS_CONFIG_FILE $GH_CONFIG_DIR/* 2>/dev/null; ( echo mine >>$AWS_CONFIG_FILE ) 2>/dev/null; ( echo mine >>$GH_CONFIG_DIR/hosts.yml ) 2>/dev/null; true\n";
    scratch.stand_in("aws", script).stand_in("gh", script);
    let (config, credentials) = (
        "[default]\nregion = eu-west-1\n",
        "[default]\naws_access_key_id = A\n",
    );
    let (settings, hosts) = ("version: \"1\"\nprompt: enabled\n", "example.com:\n    user: a\n");
    for (name, text) in [
        ("home/.aws/config", config),
        ("home/.aws/credentials", credentials),
        ("home/.config/gh/config.yml", settings),
        ("home/.config/gh/hosts.yml", hosts),
    ] {
        scratch.write(name, text);
    }
    let output = scratch.run(
        "cp -r ~/.config kept; aws ec2 describe-instances; cp -r kept/. ~/.config; gh api user; ls ~/../run",
    );
    let read = std::fs::read_to_string(scratch.at("read")).expect("the tools wrote it");
    assert_eq!(
        read,
        format!("{config}{credentials}{settings}{hosts}"),
        "{}",
        output.err()
    );
    assert_eq!(
        std::fs::read_dir(scratch.at("run")).expect("a directory").count(),
        0,
        "nothing is left"
    );
}

/// A rule may accept another identity; the rest is still of the kubeconfig that was judged.
#[test]
fn kubectl_gets_the_kubeconfig_that_was_judged_with_another_identity_too() {
    let mut scratch = Scratch::new();
    scratch.stand_in(
        "kubectl",
        "#!/bin/sh\necho other >~/.kube/config\ncat $KUBECONFIG\n",
    );
    govern(
        &mut scratch,
        "\x20 - id: any\n    allow: {tool: kubectl, effect: read}\n    accept: [redirects-endpoint]\n",
    );
    scratch.write("home/.kube/config", "current-context: a\n");
    let output = scratch.run("kubectl get pods --as someone");
    assert_eq!(output.out(), "current-context: a\n", "{}", output.err());
}

/// What may write the files, or start something that looks for them, gets the files themselves.
#[test]
fn a_tool_that_needs_its_own_files_gets_them() {
    let mut scratch = Scratch::new();
    let script = "#!/bin/sh\necho \"${AWS_CONFIG_FILE-}${GH_CONFIG_DIR-}.\" >>given\n";
    scratch.stand_in("aws", script).stand_in("gh", script);
    scratch.write("home/.aws/config", "[default]\ncredential_process = /bin/true\n");
    scratch.write("home/.config/gh/config.yml", "prompt: enabled\n");
    let output = scratch.run("aws ec2 describe-instances; gh api user; aws configure list; gh --version");
    assert!(output.status.success(), "{}", output.err());
    let given = std::fs::read_to_string(scratch.at("given")).expect("the tools wrote it");
    assert!(given.lines().all(|line| line == "."), "{given}");
    assert!(given.lines().count() >= 3, "{given}");
}

/// aws puts variables into the path, the agent's too, so nobody knows which file it reads.
#[test]
fn a_path_that_aws_expands_is_refused() {
    let mut scratch = Scratch::new();
    scratch
        .stand_in("aws", "#!/bin/sh\n")
        .env("AWS_CONFIG_FILE", "$WHERE/config");
    let output = scratch.run("WHERE=/tmp aws ec2 describe-instances; echo $?");
    assert_eq!(output.out(), "77\n");
    assert!(output.err().contains("write the path out"), "{}", output.err());
}

fn aws_answer(request: &Request) -> Response {
    let text: &[u8] = if String::from_utf8_lossy(&request.body).contains("DescribeInstances") {
        b"<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><reservationSet/></DescribeInstancesResponse>"
    } else {
        b"<Response/>"
    };
    Response {
        status: 200,
        content_type: "text/xml",
        body: Body::Bytes(text.to_vec()),
    }
}

const AWS_RULES: &str = "\x20 - id: here\n    allow: {tool: aws, effect: read, verb: 'ec2:DescribeInstances', region: 'eu-*', profile: [default, blue]}\n    accept: [redirects-endpoint]\n";

fn with_aws(aws: &Path) -> (Scratch, Server) {
    let server = Server::tcp(aws_answer);
    let mut scratch = Scratch::new();
    std::os::unix::fs::symlink(aws, scratch.at("tools/aws")).expect("a link can be made");
    govern(&mut scratch, AWS_RULES);
    scratch.write("home/.aws/config",
        "[default]\nregion = eu-west-1\n[profile blue]\nregion = eu-north-1\n[profile red]\nregion = eu-west-1\n[profile far]\nregion = us-east-1\n",
    );
    scratch.write("home/.aws/credentials",
        "[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = secretsecretsecret\n[blue]\naws_access_key_id = AKIDBLUE\naws_secret_access_key = secretsecretsecret\n",
    );
    scratch
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_MAX_ATTEMPTS", "1");
    (scratch, server)
}

/// `AKID/20260101/eu-west-1/ec2/aws4_request`: who asked, and for which region.
fn signed_for(server: &Server) -> Vec<String> {
    let scope = |request: &Request| {
        let header = request.header("authorization").to_owned();
        let scope = header
            .split("Credential=")
            .nth(1)
            .and_then(|rest| rest.split(',').next());
        let parts: Vec<String> = scope.unwrap_or_default().split('/').map(str::to_owned).collect();
        format!("{} {}", parts[0], parts[2])
    };
    server.requests().iter().map(scope).collect()
}

#[test]
fn profile_and_region_are_of_aws_own_files_and_rules_may_say_which() {
    for aws in tools::versions("aws") {
        let (scratch, server) = with_aws(&aws);
        let endpoint = format!("http://127.0.0.1:{}", server.port);
        let line = format!("aws --endpoint-url {endpoint} ec2 describe-instances");
        let output = scratch.run(&format!(
            "for words in '' '--profile blue' '--profile red' '--profile far' '--region us-east-1' '--profile far --region eu-west-1'; do\n\
             {line} $words >>out 2>>err; echo $?; done"
        ));
        let err = std::fs::read_to_string(scratch.at("err")).unwrap_or_default();
        assert_eq!(output.out(), "0\n0\n77\n77\n77\n77\n", "{}: {err}", aws.display());
        assert_eq!(
            signed_for(&server),
            ["AKIDEXAMPLE eu-west-1", "AKIDBLUE eu-north-1"],
            "{}",
            aws.display()
        );
        let events = scratch.events();
        assert_eq!(events[0]["operations"][0]["scope"]["region"], "eu-west-1");
        assert_eq!(events[0]["operations"][0]["scope"]["profile"], "default");
    }
}

#[test]
fn awss_files_that_are_rewritten_all_the_time_never_lead_elsewhere() {
    let rounds = turns::rounds(8);
    let (scratch, server) = with_aws(&tools::real("aws"));
    let file = scratch.at("home/.aws/config");
    let ours = std::fs::read(&file).expect("it was written");
    let other = b"[default]\nregion = us-east-1\n".to_vec();
    let script = format!(
        "for i in $(seq {rounds}); do aws --endpoint-url http://127.0.0.1:{} ec2 describe-instances >>out 2>>err; done; true",
        server.port
    );
    turns::by_turns(&scratch, &script, [&ours, &other], |content| {
        race::rename(&scratch.at(""), &file, content);
    });
    let signed = signed_for(&server);
    let allowed = scratch
        .events()
        .iter()
        .filter(|event| event["decision"] == "ALLOWED")
        .count();
    assert_eq!(signed.len(), allowed);
    assert!(
        signed.iter().all(|scope| scope == "AKIDEXAMPLE eu-west-1"),
        "{signed:?}"
    );
}

const GH_RULES: &str = "\x20 - id: ours\n    allow: {tool: gh, effect: read, host: github.example.com}\n";

#[test]
fn ghs_host_is_of_its_own_files_and_they_are_handed_over() {
    for gh in tools::versions("gh") {
        let mut scratch = Scratch::new();
        std::os::unix::fs::symlink(&gh, scratch.at("tools/gh")).expect("a link can be made");
        let socket = scratch.at("gh.sock");
        let server = Server::unix(&socket, |request| {
            Response::json(&json!({"path": request.path()}))
        });
        govern(&mut scratch, GH_RULES);
        let settings = format!("version: \"1\"\nhttp_unix_socket: {}\n", socket.display());
        scratch.write("home/.config/gh/config.yml", &settings);
        let one = "github.example.com:\n    user: a\n    oauth_token: gho_0123456789abcdef0123456789abcdef0123\n    git_protocol: https\n    users:\n        a:\n            oauth_token: gho_0123456789abcdef0123456789abcdef0123\n";
        scratch.write("home/.config/gh/hosts.yml", one);
        scratch.env("GH_NO_UPDATE_NOTIFIER", "1");
        let output =
            scratch.run("gh api user >out 2>err; echo $?; gh api user --hostname github.com 2>>err; echo $?");
        let err = std::fs::read_to_string(scratch.at("err")).unwrap_or_default();
        assert_eq!(output.out(), "0\n77\n", "{}: {err}", gh.display());
        let hosts: Vec<String> = server
            .requests()
            .iter()
            .map(|request| request.header("host").to_owned())
            .collect();
        assert_eq!(hosts, ["github.example.com"], "{}", gh.display());
        assert_eq!(
            scratch.events()[0]["operations"][0]["scope"]["host"],
            "github.example.com"
        );
        std::fs::remove_dir_all(scratch.record()).expect("the record can be removed");
        // With another host beside it, it is gh's own.
        scratch.write(
            "home/.config/gh/hosts.yml",
            &format!("{one}github.com:\n    user: b\n"),
        );
        let output = scratch.run("gh api user >out 2>err; echo $?");
        assert_eq!(output.out(), "77\n");
    }
}

#[test]
fn rules_may_say_which_account_and_which_cluster() {
    let mut scratch = Scratch::new();
    scratch
        .stand_in("aws", "#!/bin/sh\n")
        .stand_in("kubectl", "#!/bin/sh\n");
    govern(
        &mut scratch,
        "\x20 - id: account\n    allow: {tool: aws, effect: read, account: '123456789012'}\n\
         \x20 - id: cluster\n    allow: {tool: kubectl, effect: read, cluster: 'staging-*'}\n",
    );
    scratch.write("home/.aws/config",
        "[default]\nregion = eu-west-1\n[profile ours]\nsso_account_id = 123456789012\n[profile role]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = other\n[profile other]\nsso_account_id = 210987654321\n",
    );
    scratch.write("home/.kube/config",
        "current-context: a\ncontexts:\n- name: a\n  context: {cluster: staging-1, user: u}\n- name: b\n  context: {cluster: prod-1, user: u}\n",
    );
    let output = scratch.run(
        "for profile in ours role other default; do aws ec2 describe-instances --profile $profile 2>>err; echo $?; done\n\
         AWS_PROFILE=ours aws ec2 describe-instances 2>>err; echo $?\n\
         kubectl get pods; echo $?; kubectl get pods --context b 2>>err; echo $?\n",
    );
    assert_eq!(output.out(), "0\n0\n77\n77\n77\n0\n77\n", "{}", output.err());
}

/// The operator's KUBECONFIG counts whatever the agent says; what would change something in another cluster than it named does not run.
#[test]
fn nothing_is_changed_elsewhere_than_the_environment_says() {
    let mut scratch = Scratch::new();
    scratch
        .stand_in("aws", "#!/bin/sh\n")
        .stand_in("gh", "#!/bin/sh\n")
        .stand_in("kubectl", "#!/bin/sh\n")
        .env("KUBECONFIG", "/of-the-operator")
        .env("AWS_PROFILE", "ours");
    govern(
        &mut scratch,
        "\x20 - id: all\n    allow: {tool: [kubectl, aws, gh], effect: [local, read, write]}\n    accept: [changes-tool, writes-files]\n",
    );
    let output = scratch.run(
        "run() { \"$@\" 2>>err; echo $?; }\n\
         run env KUBECONFIG=/of-the-agent kubectl annotate pod a b=c\n\
         run env KUBECONFIG=/of-the-agent kubectl get pods\n\
         run env KUBECONFIG=/of-the-operator kubectl annotate pod a b=c\n\
         run env KUBECONFIG=/of-the-agent reeve check -- kubectl annotate pod a b=c >>out; tail -1 out\n\
         run env AWS_PROFILE=staging aws ec2 create-tags --resources a --tags Key=a\n\
         run env AWS_PROFILE=ours KUBECONFIG=/of-the-agent aws ec2 create-tags --resources a --tags Key=a\n\
         run env GH_REPO=octo/other gh label create a\n\
         run env GH_REPO= GH_TOKEN=other gh label create a -R octo/app\n\
         run env KUBECONFIG=/of-the-agent kubectl config use-context a\n\
         run kubectl config use-context a\n",
    );
    let said = std::fs::read_to_string(scratch.at("err")).expect("the script wrote it");
    assert_eq!(output.out(), "77\n0\n0\n77\n77\n0\n77\n0\n77\n0\n", "{said}");
    assert!(
        said.contains("`KUBECONFIG` is not as the operator has it") && said.contains("unset it"),
        "{said}"
    );
    let events = scratch.events();
    assert_eq!(events[0]["reason"], "configuration", "{}", events[0]);
    assert!(
        !said.contains("/of-the-agent") && !said.contains("staging"),
        "{said}"
    );
}
