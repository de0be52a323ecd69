//! The tools' own configuration files: what was judged is what the tool finds in them.

use acceptance::kube_api::Cluster;
use acceptance::race::{self, turns};
use acceptance::session::{Scratch, summary};

#[test]
fn a_configuration_that_the_agent_changed_is_not_used() {
    let mut scratch = Scratch::new();
    for name in ["kubectl", "aws", "gh"] {
        scratch.stand_in(name, "#!/bin/bash\necho ran >>ran\n");
    }
    std::fs::create_dir_all(scratch.at("home/.kube")).expect("a directory can be made");
    std::fs::write(scratch.at("home/.kube/config"), "current-context: a\n").expect("it can be written");
    let output = scratch.run(
        "kubectl get pods; aws ec2 describe-instances; gh pr list -R o/r; cat ran; rm ran\n\
         mkdir -p ~/.aws/cli ~/.aws/models/ec2/2016-11-15 ~/.config/gh\n\
         echo 'users: [{name: u, user: {exec: {command: /tmp/x}}}]' >>~/.kube/config\n\
         kubectl get pods 2>>err; echo $?\n\
         printf '[toplevel]\\nec2 = !touch pwned\\n' >~/.aws/cli/alias\n\
         aws ec2 describe-instances 2>>err; echo $?; rm ~/.aws/cli/alias\n\
         echo '{}' >~/.aws/models/ec2/2016-11-15/service-2.json\n\
         aws ec2 describe-instances 2>>err; echo $?; rm -r ~/.aws/models\n\
         printf '[default]\\ncredential_process = touch pwned\\n' >~/.aws/config\n\
         aws ec2 describe-instances 2>>err; echo $?; rm ~/.aws/config\n\
         printf 'aliases:\\n  pr: \"!touch pwned\"\\n' >~/.config/gh/config.yml\n\
         gh pr list -R o/r 2>>err; echo $?; rm ~/.config/gh/config.yml\n\
         aws ec2 describe-instances; gh pr list -R o/r; cat ran\n",
    );
    assert_eq!(output.out(), "ran\nran\nran\n77\n77\n77\n77\n77\nran\nran\n");
    let err = std::fs::read_to_string(scratch.at("err")).expect("the script wrote it");
    for said in [
        "config` was changed",
        "alias` was made",
        "models` was made",
        "config` was made",
        "config.yml` was made",
    ] {
        assert!(err.contains(said), "{said}: {err}");
    }
    assert_eq!(summary(&output)["blocked"], 5);
    assert!(
        scratch
            .events()
            .iter()
            .filter(|it| it["decision"] == "BLOCKED")
            .all(|it| it["reason"] == "configuration")
    );
}

/// A site's L2: nothing in the context `prod`, and only the namespace `dev` elsewhere.
const SITE: &str = "apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nrules:\n\
    \x20 - id: reads\n    allow: {tool: kubectl, effect: read, namespace: dev}\n\
    \x20 - id: not-prod\n    deny: {tool: kubectl, context: prod}\n";

#[test]
fn what_the_line_does_not_say_is_taken_from_the_kubeconfig() {
    let cluster = Cluster::start();
    let mut scratch = Scratch::new();
    let server = format!("http://127.0.0.1:{}", cluster.server.port);
    let config = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: dev\nclusters:\n- name: c\n  cluster: {{server: '{server}'}}\nusers:\n- name: u\n  user: {{}}\ncontexts:\n- name: dev\n  context: {{cluster: c, user: u, namespace: dev}}\n- name: plain\n  context: {{cluster: c, user: u}}\n- name: prod\n  context: {{cluster: c, user: u, namespace: dev}}\n"
    );
    scratch.write("home/.kube/config", &config);
    scratch
        .real("kubectl")
        .govern(&["--level", "L2"], &[("governance-L2.yaml", SITE)]);
    let output = scratch.run(
        "for words in '' '-n dev' '-n other' '--context plain' '--context plain -n dev' '--context prod'; do\n\
         kubectl get pods $words >>printed 2>>err; echo $?; done\n\
         reeve check -- kubectl get pods >/dev/null; echo $?; reeve check -- kubectl get pods --context prod >/dev/null; echo $?\n",
    );
    assert_eq!(output.out(), "0\n0\n77\n77\n0\n77\n0\n77\n", "{}", output.err());
    let events = scratch.events();
    assert_eq!(events[0]["operations"][0]["scope"]["context"], "dev");
    assert!(
        cluster
            .server
            .requests()
            .iter()
            .all(|request| !request.target.contains("/pods")
                || request.target.contains("/namespaces/dev/pods")),
        "what was judged is where it went"
    );
}

#[test]
fn a_kubeconfig_that_is_rewritten_all_the_time_never_leads_elsewhere() {
    let rounds = turns::rounds(60);
    let (cluster, elsewhere) = (Cluster::start(), Cluster::start());
    let mut scratch = Scratch::new();
    let file = scratch.at("kubeconfig");
    elsewhere.kubeconfig(&file);
    let other = std::fs::read(&file).expect("it was written");
    cluster.kubeconfig(&file);
    let ours = std::fs::read(&file).expect("it was written");
    scratch.real("kubectl").env("KUBECONFIG", &file);
    let script = format!("for i in $(seq {rounds}); do kubectl get pods >>printed 2>>err; done; true");
    turns::by_turns(&scratch, &script, [&ours, &other], |content| {
        race::rename(&scratch.at(""), &file, content);
    });
    assert_eq!(
        elsewhere.server.requests().len(),
        0,
        "no call went to the other server"
    );
    let allowed = turns::allowed_of(&scratch, rounds);
    let asked = cluster.server.requests();
    let asked = asked
        .iter()
        .filter(|request| request.target.contains("/pods"))
        .count();
    assert_eq!(asked, allowed);
}

#[test]
fn another_program_in_the_place_of_the_tool_is_not_executed() {
    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", "#!/bin/bash\necho real\n");
    std::fs::create_dir(scratch.at("before")).expect("a directory can be made");
    let path = format!(
        "{}:{}",
        scratch.at("before").display(),
        scratch.path().to_string_lossy()
    );
    scratch.env("PATH", path);
    let output = scratch.run(
        "kubectl get pods; echo $?\n\
         printf '#!/bin/bash\\necho fake\\n' >before/kubectl; chmod +x before/kubectl; kubectl get pods 2>>err; echo $?; rm before/kubectl\n\
         kubectl get pods; echo $?\n\
         cp -p tools/kubectl kept; printf '#!/bin/bash\\necho fake\\n' >tools/kubectl; kubectl get pods 2>>err; echo $?\n\
         cp -p kept tools/kubectl; kubectl get pods 2>>err; echo $?\n\
         printf '#!/bin/bash\\necho fake\\n' >before/aws; chmod +x before/aws; aws ec2 describe-instances 2>>err; echo $?\n",
    );
    let err = std::fs::read_to_string(scratch.at("err")).expect("the script wrote it");
    assert_eq!(output.out(), "real\n0\n126\nreal\n0\n126\n126\n126\n", "{err}");
    for said in ["stands before", "was changed since"] {
        assert!(err.contains(said), "{said}: {err}");
    }
    let outcomes = scratch.outcomes();
    let not_started = outcomes.iter().filter(|it| it["not_started"].is_string()).count();
    assert_eq!(not_started, 4, "that nothing ran is in the record");
}

/// Copies of two programs that tell each other apart by their exit status, swapped all the time.
#[test]
fn a_tool_that_is_replaced_all_the_time_is_never_the_other_one() {
    let rounds = turns::rounds(100);
    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", "");
    let (tool, kept, other) = (
        scratch.at("tools/kubectl"),
        scratch.at("kept"),
        scratch.at("other"),
    );
    std::fs::remove_file(&tool).expect("the stand-in can be removed");
    std::fs::copy("/bin/true", &kept).expect("it can be copied");
    std::fs::copy("/bin/false", &other).expect("it can be copied");
    std::os::unix::fs::symlink(&kept, &tool).expect("it can be linked");
    let script = format!("for i in $(seq {rounds}); do kubectl get pods 2>/dev/null; echo $? >>codes; done");
    turns::by_turns(&scratch, &script, [&kept, &other], |target| {
        race::link(&scratch.at(""), &tool, target);
    });
    let codes = std::fs::read_to_string(scratch.at("codes")).expect("the script wrote it");
    let count = |code: &str| codes.lines().filter(|line| *line == code).count();
    assert_eq!(count("1"), 0, "the other program never ran");
    assert_eq!(count("0") + count("126"), rounds);
    assert!(count("0") > 0 && count("126") > 0, "both were met");
}
