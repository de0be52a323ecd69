//! A tool that only data describes, behind the gate. helm itself is not packaged by Debian, so a script stands in its place: what is
//! shown here is the gate's way from the name to the program; that the description fits helm is shown by its cases.

use acceptance::session::Scratch;

const RULES: &str = "apiVersion: reeve/v1
kind: Governance
level: L2
rules:
  - id: helm-reads
    allow: {tool: helm, effect: [local, read]}
  - id: helm-in-prod
    deny: {tool: helm, namespace: prod}
    reason: prod is for people
";
const STAND_IN: &str = "#!/bin/sh\necho \"helm got: $*\"\nenv | grep -E '^(HELM_|FROB_)' | sort\n";

fn scratch(tools: bool) -> Scratch {
    let mut scratch = Scratch::new();
    scratch.govern(&["--level", "L2"], &[("governance-L2.yaml", RULES)]);
    if tools {
        let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/../governance/tools/helm.yaml");
        let text = std::fs::read_to_string(ours).expect("ours is there");
        let text = text.replace("environment: [", "environment: [\"FROB_*\", ");
        scratch.write("governance/tools/helm.yaml", &text);
    }
    scratch.stand_in("helm", STAND_IN);
    scratch
}

#[test]
fn the_gate_stands_before_a_described_tool() {
    let scratch = scratch(true);
    let output = scratch
        .run("helm list -n dev; echo $?; helm uninstall web -n dev; echo $?; helm list -n prod; echo $?");
    assert_eq!(
        output.out(),
        "helm got: list -n dev\n0\n77\n77\n",
        "{}",
        output.err()
    );
    assert!(output.err().contains("prod is for people"), "{}", output.err());
    let output = scratch.run("helm frobnicate; echo $?; helm instal x; echo $?");
    assert_eq!(output.out(), "77\n77\n");
    assert!(
        output.err().contains("did you mean `install`"),
        "{}",
        output.err()
    );
    let events = scratch.events();
    assert_eq!(events[0]["wrapper"], "helm");
    assert_eq!(events[0]["decision"], "ALLOWED");
    assert_eq!(events[0]["rule"], "helm-reads");
    assert_eq!(events[1]["decision"], "BLOCKED");
}

#[test]
fn the_agents_variables_for_it_do_not_reach_it() {
    let mut scratch = scratch(true);
    scratch.env("HELM_DRIVER", "secret");
    let output = scratch.run("HELM_DRIVER=evil HELM_PLUGINS=/evil FROB_X=evil helm list -n dev");
    assert_eq!(
        output.out(),
        "helm got: list -n dev\nHELM_DRIVER=secret\n",
        "{}",
        output.err()
    );
}

#[test]
fn check_knows_described_tools_and_a_missing_description_is_a_fault() {
    let scratch = scratch(true);
    let governance = scratch.at("governance");
    let governance = governance.to_str().expect("text");
    let words = [
        "check",
        "--level",
        "L2",
        "--governance",
        governance,
        "--",
        "helm",
        "get",
        "values",
        "web",
    ];
    let output = scratch.reeve(&words);
    assert_eq!(output.code(), 77, "{}", output.err());
    assert!(output.out().contains("reveals-credentials"), "{}", output.out());
    let output = self::scratch(false).run("helm list");
    assert_eq!(output.code(), 78, "{}", output.err());
    assert!(
        output.err().contains("governance-L2.yaml:6") && output.err().contains("tools/NAME.yaml"),
        "{}",
        output.err()
    );
}

#[test]
fn a_name_that_no_rule_speaks_about_runs_nothing() {
    // A link by such a name is a mistake of whoever made it; nothing may run through it.
    let scratch = scratch(true);
    let output =
        scratch.run("ln -s \"$(dirname \"$(command -v helm)\")/.reeve\" ./frob; ./frob list; echo $?");
    assert!(
        output.out().starts_with("77") || output.out().starts_with("78"),
        "{}{}",
        output.out(),
        output.err()
    );
}
