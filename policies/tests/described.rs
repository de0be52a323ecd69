//! The shipped descriptions of helm and terraform, and what a description may not say.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, outside the test functions that clippy exempts"
)]

mod common;

use argv::described::{Command, Description};
use argv::{Effect, Hazard, Invocation, Surroundings, Tool, Unreadable};
use common::{Directory, decision, words};
use policies::{Documents, Governance, Level, read_description};
use std::ffi::OsString;
use std::sync::Arc;

fn shipped(name: &str) -> Arc<Description> {
    let document = format!("tools/{name}.yaml");
    let text = Directory::shipped().document(&document).unwrap().unwrap();
    Arc::new(read_description(&document, &text).unwrap_or_else(|faults| panic!("{faults:?}")))
}

fn read(line: &str) -> Result<Invocation, Unreadable> {
    let words = words(line);
    let around = Surroundings {
        description: Some(shipped(&words[0])),
        ..Surroundings::default()
    };
    let args: Vec<OsString> = words[1..].iter().map(Into::into).collect();
    argv::parse(Tool::of_name(&words[0]).unwrap(), &args, &around)
}

#[track_caller]
fn is(line: &str, effect: Effect, hazards: &[Hazard]) {
    let found = read(line).unwrap_or_else(|fault| panic!("{line}: {fault}"));
    let mut brought: Vec<Hazard> = found.hazards.iter().map(|fact| fact.hazard).collect();
    brought.sort();
    brought.dedup();
    assert_eq!(
        (found.operations[0].effect, brought.as_slice()),
        (effect, hazards),
        "{line}"
    );
}

#[test]
fn helm_is_read_as_helm_reads() {
    use Hazard::{
        ReadsFiles, RedirectsEndpoint, RemoteInput, RevealsCredentials, RunsLocalCode, SkipsChecks,
    };
    for line in [
        "helm list",
        "helm ls -A",
        "helm list -Aq -n prod",
        "helm list -nprod",
        "helm -n prod list",
        "helm --namespace=prod list",
        "helm --namespace prod list -o json",
        "helm list -ojson --max 5",
        "helm history web",
        "helm hist web --max=3",
        "helm status web -- ",
        "helm get notes web",
        "helm get metadata web -o yaml",
        "helm list -f delete",
        "helm --kube-context dev list",
    ] {
        is(line, Effect::Read, &[]);
    }
    for line in [
        "helm",
        "helm help install",
        "helm install --help",
        "helm -h",
        "helm get",
        "helm uninstall web -h",
        "helm repo --help",
    ] {
        assert_eq!(read(line).unwrap().command, "help", "{line}");
    }
    is("helm version --short", Effect::Local, &[]);
    is("helm uninstall web", Effect::Delete, &[]);
    is("helm del web --no-hooks", Effect::Delete, &[SkipsChecks]);
    is("helm uninstall web --help=false", Effect::Delete, &[]);
    is("helm rollback web 3", Effect::Write, &[]);
    is(
        "helm upgrade web ./chart -i",
        Effect::Write,
        &[ReadsFiles, RemoteInput],
    );
    is(
        "helm upgrade web ./chart --post-renderer ./x",
        Effect::Write,
        &[RunsLocalCode, ReadsFiles, RemoteInput],
    );
    is("helm get values web", Effect::Read, &[RevealsCredentials]);
    is("helm status web -o json", Effect::Read, &[RevealsCredentials]);
    is(
        "helm status web --output=yaml",
        Effect::Read,
        &[RevealsCredentials],
    );
    is("helm env HELM_KUBETOKEN", Effect::Local, &[RevealsCredentials]);
    is(
        "helm upgrade web ./chart -ojson",
        Effect::Write,
        &[RevealsCredentials, ReadsFiles, RemoteInput],
    );
    is(
        "helm list --kube-apiserver https://evil",
        Effect::Read,
        &[RedirectsEndpoint],
    );
    is("helm --kubeconfig=x list", Effect::Read, &[RedirectsEndpoint]);
    is("helm list --debug", Effect::Read, &[RevealsCredentials]);
    is("helm list --debug=false", Effect::Read, &[]);
    is("helm test web", Effect::Execute, &[Hazard::RunsRemoteCode]);
    for line in [
        "helm frobnicate",
        "helm get frobnicate web",
        "helm list --frobnicate",
        "helm list -Z",
        "helm -nprod list",
        "helm -- list",
        "helm --namespace list list",
        "helm list --max",
        "helm list --debug=maybe",
        "helm ---debug list",
        "helm --wait upgrade web x",
    ] {
        assert!(read(line).is_err(), "{line}: {:?}", read(line));
    }
    assert!(
        read("helm instal web x")
            .unwrap_err()
            .hint
            .unwrap()
            .contains("install")
    );
    let found = read("helm uninstall web -n a --namespace b").unwrap();
    assert_eq!(
        found.operations[0].scope.namespace,
        argv::Namespace::Named("b".into())
    );
    assert_eq!(found.operations[0].name.as_deref(), Some("web"));
}

#[test]
fn terraform_is_read_as_terraform_reads() {
    use Hazard::{
        ReadsFiles, RedirectsEndpoint, RevealsCredentials, RunsLocalCode, SkipsChecks, Unbounded, WritesFiles,
    };
    for line in ["terraform state list", "terraform workspace list"] {
        is(
            line,
            Effect::Read,
            &[RedirectsEndpoint, RunsLocalCode, ReadsFiles],
        );
    }
    for line in [
        "terraform version",
        "terraform workspace show",
        "terraform metadata functions -json",
    ] {
        is(line, Effect::Local, &[]);
    }
    is("terraform modules", Effect::Local, &[ReadsFiles]);
    is("terraform -chdir=x version", Effect::Local, &[ReadsFiles]);
    is("terraform plan", Effect::Read, &[RunsLocalCode, ReadsFiles]);
    is(
        "terraform plan -var a=b -target=x -lock=false",
        Effect::Read,
        &[RunsLocalCode, ReadsFiles],
    );
    is(
        "terraform plan --out=x",
        Effect::Read,
        &[RunsLocalCode, ReadsFiles, WritesFiles],
    );
    is(
        "terraform apply -auto-approve",
        Effect::Write,
        &[RunsLocalCode, ReadsFiles, SkipsChecks],
    );
    is(
        "terraform apply x.plan",
        Effect::Write,
        &[RunsLocalCode, ReadsFiles],
    );
    is(
        "terraform destroy",
        Effect::Delete,
        &[RunsLocalCode, ReadsFiles, Unbounded],
    );
    is(
        "terraform state rm a.b",
        Effect::Delete,
        &[RedirectsEndpoint, RunsLocalCode, ReadsFiles],
    );
    is(
        "terraform output -json",
        Effect::Read,
        &[RevealsCredentials, RedirectsEndpoint, RunsLocalCode, ReadsFiles],
    );
    is(
        "terraform providers schema -json",
        Effect::Local,
        &[RunsLocalCode, ReadsFiles],
    );
    is(
        "terraform providers",
        Effect::Local,
        &[RedirectsEndpoint, RunsLocalCode, ReadsFiles],
    );
    for line in [
        "terraform",
        "terraform -help",
        "terraform plan -help",
        "terraform plan -h",
        "terraform state",
    ] {
        assert_eq!(read(line).unwrap().command, "help", "{line}");
    }
    for line in [
        "terraform frobnicate",
        "terraform plan -frobnicate",
        "terraform state rm a.b -dry-run",
        "terraform -lock=false plan",
        "terraform plan -lock=maybe",
        "terraform state frob",
    ] {
        assert!(read(line).is_err(), "{line}: {:?}", read(line));
    }
}

#[test]
fn what_opens_terraforms_state_runs_and_asks_what_the_directory_names() {
    for command in [
        "state list",
        "state mv a b",
        "state pull",
        "state push x",
        "state replace-provider a b",
        "state rm a",
        "state show a",
        "workspace list",
        "workspace new x",
        "workspace select x",
        "workspace delete x",
        "output",
        "show",
        "taint a",
        "untaint a",
        "force-unlock 1",
        "providers",
    ] {
        let found = read(&format!("terraform {command}")).unwrap();
        for hazard in [
            Hazard::RunsLocalCode,
            Hazard::RedirectsEndpoint,
            Hazard::ReadsFiles,
        ] {
            assert!(found.has_hazard(hazard), "{command}: {hazard:?}");
        }
    }
}

#[test]
fn both_names_of_terraforms_configuration_file_are_withheld() {
    for name in ["TF_CLI_CONFIG_FILE", "TERRAFORM_CONFIG"] {
        assert!(shipped("terraform").is_withheld(name), "{name}");
    }
}

#[test]
fn every_name_is_judged() {
    let names = |line: &str| -> Vec<String> {
        let found = read(line).unwrap();
        let names = found
            .operations
            .into_iter()
            .filter_map(|operation| operation.name);
        names.collect()
    };
    assert_eq!(names("helm uninstall dev-a prod-b dev-a"), ["dev-a", "prod-b"]);
    assert_eq!(
        names("terraform state rm module.dev prod"),
        ["module.dev", "prod"]
    );
    assert_eq!(names("terraform state mv a b"), ["a", "b"]);
    assert_eq!(names("helm upgrade web ./chart"), ["web"]);
    assert_eq!(names("helm rollback web 3"), ["web"]);
    assert_eq!(read("helm list").unwrap().operations.len(), 1);
    let rules = "apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nrules:\n  - id: dev\n    allow: {tool: helm, effect: delete, name: [dev-*]}\n";
    let governance = Governance::load(Level::L2, None, &Site(rules)).unwrap();
    for (line, expected) in [
        ("helm uninstall dev-a", "ALLOWED"),
        ("helm uninstall dev-a dev-b", "ALLOWED"),
        ("helm uninstall dev-a prod-b", "BLOCKED"),
    ] {
        assert_eq!(decide(&governance, line), expected, "{line}");
    }
}

#[test]
fn the_namespace_is_the_one_that_helm_takes() {
    use argv::Namespace::{All, Ambient, Named};
    for (line, expected) in [
        ("helm list", Ambient),
        ("helm list -n dev", Named("dev".into())),
        ("helm list -n dev -n ''", Ambient),
        ("helm list -n dev --namespace=", Ambient),
        ("helm list -n '' -n dev", Named("dev".into())),
        ("helm list -n dev -A", All),
        ("helm list -A -n dev", All),
        ("helm list -A -n dev --all-namespaces=false", Named("dev".into())),
        ("helm list --all-namespaces=false -A", All),
    ] {
        let found = read(line).unwrap();
        assert_eq!(found.operations[0].scope.namespace, expected, "{line}");
    }
    let found = read("helm list --kube-context dev --kube-context ''").unwrap();
    assert_eq!(found.operations[0].scope.context, None);
}

#[test]
fn what_is_suggested_for_a_described_tool_is_for_its_namespace_and_context_alone() {
    let rules = "apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nrules:\n  - id: x\n    allow: {tool: helm, command: version}\n";
    let governance = Governance::load(Level::L2, None, &Site(rules)).unwrap();
    let wanted = read("helm list -n dev --kube-context one").unwrap();
    let document = governance.suggest(&[wanted], "").document;
    for facet in ["namespace: [\"dev\"]", "context: [\"one\"]"] {
        assert!(document.contains(facet), "{facet}: {document}");
    }
}

/// Every command in a tree, with its path.
fn leaves(commands: &[Command], path: &str, found: &mut Vec<String>) {
    for command in commands {
        let path = format!("{path} {}", command.name);
        if command.effect.is_some() {
            found.push(path.clone());
        }
        leaves(&command.commands, &path, found);
    }
}

#[test]
fn every_described_command_is_found_by_its_words_and_stops_at_help() {
    for (name, at_least) in [("helm", 40), ("terraform", 40)] {
        let description = shipped(name);
        let mut paths = Vec::new();
        leaves(&description.commands, name, &mut paths);
        assert!(paths.len() >= at_least, "{name}: {}", paths.len());
        for path in paths {
            assert_eq!(format!("{name} {}", read(&path).unwrap().command), path);
            assert_eq!(read(&format!("{path} --help")).unwrap().command, "help", "{path}");
            assert!(read(&format!("{path} --zz-unknown")).is_err(), "{path}");
        }
    }
}

/// Files of a site, and the shipped descriptions.
struct Site(&'static str);

impl Documents for Site {
    fn document(&self, name: &str) -> Result<Option<String>, String> {
        match name {
            "governance-L2.yaml" => Ok(Some(self.0.to_owned())),
            name if name.starts_with("tools/") => Directory::shipped().document(name),
            _ => Ok(None),
        }
    }
}

fn decide(governance: &Governance, line: &str) -> &'static str {
    let words = words(line);
    let tool = Tool::of_name(&words[0]).unwrap();
    let args: Vec<OsString> = words[1..].iter().map(Into::into).collect();
    let around = Surroundings {
        description: governance.description(tool),
        ..Surroundings::default()
    };
    match argv::parse(tool, &args, &around) {
        Ok(invocation) => decision(&governance.evaluate(&invocation)).0,
        Err(_) => "BLOCKED",
    }
}

#[test]
fn rules_of_both_formats_speak_about_described_tools() {
    let ours = "apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nrules:\n  - id: helm\n    allow: {tool: helm, effect: [local, read], namespace: [dev]}\n  - id: plan\n    allow: {tool: terraform, effect: read, command: plan}\n    accept: [runs-local-code, reads-files]\n";
    let original = "wrapper_allowlist:\n  helm: [\"list\", \"get notes\", \"history\", \"show\"]\n  terraform: [\"state list\", \"workspace\"]\n";
    for (text, cases) in [
        (
            ours,
            &[
                ("helm -n dev list", "ALLOWED"),
                ("helm list -ndev", "ALLOWED"),
                ("helm list", "BLOCKED"),
                ("helm list -n dev -A", "BLOCKED"),
                ("helm list -n dev -n ''", "BLOCKED"),
                ("helm list -n prod", "BLOCKED"),
                ("helm get values web -n dev", "BLOCKED"),
                ("helm uninstall web -n dev", "BLOCKED"),
                ("terraform plan", "ALLOWED"),
                ("terraform plan -out x", "BLOCKED"),
                ("terraform apply", "BLOCKED"),
            ][..],
        ),
        (
            original,
            &[
                ("helm ls", "ALLOWED"),
                ("helm list --debug", "BLOCKED"),
                ("helm get notes web", "ALLOWED"),
                ("helm get values web", "BLOCKED"),
                ("helm uninstall list", "BLOCKED"),
                ("terraform state list", "BLOCKED"),
                ("terraform state rm list", "BLOCKED"),
                ("terraform workspace list", "BLOCKED"),
                ("terraform workspace show", "ALLOWED"),
                ("terraform workspace delete x", "BLOCKED"),
                ("terraform version", "ALLOWED"),
                ("terraform --version", "ALLOWED"),
                ("terraform plan", "BLOCKED"),
                ("terraform -help", "ALLOWED"),
            ][..],
        ),
    ] {
        let governance =
            Governance::load(Level::L2, None, &Site(text)).unwrap_or_else(|faults| panic!("{faults}"));
        let again = Governance::from_snapshot(&governance.snapshot()).unwrap();
        for (line, expected) in cases {
            assert_eq!(decide(&governance, line), *expected, "{line}");
            assert_eq!(decide(&again, line), *expected, "{line}, from the snapshot");
        }
    }
}

#[test]
fn a_rule_for_what_is_not_described_is_a_fault() {
    for (rules, problem) in [
        ("  - id: x\n    allow: {tool: frob}\n", "not a governed tool"),
        ("  - id: x\n    allow: {tool: helmm}\n", "did you mean `helm`"),
        (
            "  - id: x\n    allow: {tool: helm, command: frobnicate}\n",
            "not a command of helm",
        ),
        (
            "  - id: x\n    allow: {tool: helm, command: ls}\n",
            "is the command `list`",
        ),
        ("  - id: x\n    allow: {tool: helm, command: get}\n", "is a group"),
        (
            "  - id: x\n    deny: {tool: helm, region: eu}\n",
            "can match nothing",
        ),
    ] {
        let text = format!("apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nrules:\n{rules}");
        let faults = Governance::load(Level::L2, None, &Site(text.leak()))
            .unwrap_err()
            .to_string();
        assert!(faults.contains(problem), "{rules}: {faults}");
    }
}

#[test]
fn a_faulty_description_is_faulted_with_its_place_and_the_nearest_word() {
    let head = "apiVersion: reeve/v1\nkind: Tool\nname: frob\ngrammar: pflag\n";
    for (text, line, problem) in [
        ("commands:\n  list: raed\n", 6, "did you mean `read`"),
        ("commands:\n  list: {efect: read}\n", 6, "did you mean `effect`"),
        (
            "commands:\n  list: {effect: read, hazard: reads-file}\n",
            6,
            "did you mean `reads-files`",
        ),
        (
            "commands:\n  list: {effect: read, flags: {all: nothin}}\n",
            6,
            "did you mean `nothing`",
        ),
        (
            "commands:\n  list: {effect: read, flags: {all: {short: ab}}}\n",
            6,
            "is not one letter",
        ),
        (
            "commands:\n  list: {effect: read, flags: {--all: nothing}}\n",
            6,
            "without dashes",
        ),
        (
            "commands:\n  list: {effect: read, flags: {a: {short: x}, b: {short: x}}}\n",
            6,
            "another flag's too",
        ),
        (
            "commands:\n  list: {effect: read, aliases: [ls]}\n  ls: read\n",
            7,
            "a word for two commands",
        ),
        ("commands:\n  -x: read\n", 6, "cannot be a command's word"),
        ("commands:\n  list: {}\n", 6, "neither an effect nor commands"),
        (
            "commands:\n  list: {effect: read, flags: {all: {means: reads}}}\n",
            6,
            "takes nothing",
        ),
        (
            "commands:\n  list: {effect: read, names: frist}\n",
            6,
            "did you mean `first`",
        ),
        (
            "commands:\n  list: {effect: read, flags: {all: {takes: value, means: all-namespaces}}}\n",
            6,
            "so it takes nothing",
        ),
        ("comands:\n  list: read\n", 5, "did you mean `commands`"),
    ] {
        let faults = read_description("tools/frob.yaml", &format!("{head}{text}")).unwrap_err();
        let found = faults.iter().find(|fault| fault.message.contains(problem));
        let found = found.unwrap_or_else(|| panic!("{text}: {faults:?}"));
        assert_eq!(
            (found.line, found.document.as_str()),
            (line, "tools/frob.yaml"),
            "{text}: {faults:?}"
        );
    }
    let builtin = head.replace("frob", "kubectl") + "commands: {get: read}\n";
    assert!(
        read_description("x", &builtin).unwrap_err()[0]
            .message
            .contains("built in")
    );
}
