//! The files that a command reads: names stay names, the tool gets the content that was judged, and what is in a manifest is what
//! the real kubectl finds in it.

use acceptance::kube_api::Cluster;
use acceptance::session::{Scratch, finish};
use acceptance::tools;
use std::collections::BTreeSet;
use std::process::Stdio;

/// A site that takes everything that is about files.
const POLICY: &str = "apiVersion: reeve/v1\nkind: Governance\nlevel: L4\ntrack: track-c\nrules:\n\
    \x20 - id: all\n    allow: {tool: [kubectl, aws, gh], effect: [local, read, write, delete, execute]}\n    accept: [reads-files, reveals-credentials]\n";

fn site() -> Scratch {
    let mut scratch = Scratch::new();
    let level = ["--level", "L4", "--track", "track-c"];
    scratch.govern(&level, &[("governance-L4-track-c.yaml", POLICY)]);
    scratch
}

/// A stand-in that has the files rewritten first, then says its words, with the content in place of what it can open of them.
const READER: &str = "#!/usr/bin/python3\nimport os, re, subprocess, sys\nfor name in ('a', 'd/a', 'a.graphql'):\n    open(name, 'w').write('CHANGED')\n\
def shown(match):\n    return '<' + open(match.group(0)).read() + '>'\n\
print(*[re.sub('/proc/self/fd/[0-9]+', shown, word) for word in sys.argv[1:]])\n";

/// A line, and its words as the tool gets them: what was in the file when it was judged stands in brackets.
const LINES: &[(&str, &str)] = &[
    (
        "kubectl patch deploy a --patch-file a",
        "patch deploy a --patch-file <x: y>",
    ),
    (
        "kubectl patch deploy a --patch-file=a",
        "patch deploy a --patch-file=<x: y>",
    ),
    (
        "kubectl create configmap a --from-file=a",
        "create configmap a --from-file=a=<x: y>",
    ),
    (
        "kubectl create configmap a --from-file d/a",
        "create configmap a --from-file a=<x: y>",
    ),
    (
        "kubectl create configmap a --from-file=k=a",
        "create configmap a --from-file=k=<x: y>",
    ),
    (
        "kubectl create configmap a --from-env-file=a",
        "create configmap a --from-env-file=<x: y>",
    ),
    (
        "kubectl create secret generic a --from-file=a",
        "create secret generic a --from-file=a=<x: y>",
    ),
    (
        "kubectl get cm a -o jsonpath-file=a",
        "get cm a -o jsonpath-file=<x: y>",
    ),
    (
        "aws s3api put-object --bucket a --key a --body a",
        "s3api put-object --bucket a --key a --body <x: y>",
    ),
    (
        "aws ec2 run-instances --user-data file://a",
        "ec2 run-instances --user-data file://<x: y>",
    ),
    (
        "aws lambda update-function-code --function-name a --zip-file fileb://d/a",
        "lambda update-function-code --function-name a --zip-file fileb://<x: y>",
    ),
    (
        "aws ec2 run-instances --cli-input-json file://a",
        "ec2 run-instances --cli-input-json file://<x: y>",
    ),
    (
        "aws ec2 run-instances --cli-input-yaml file://a",
        "ec2 run-instances --cli-input-yaml file://<x: y>",
    ),
    ("aws s3 cp a s3://b/", "s3 cp a s3://b/"),
    (
        "gh api repos/o/r/issues -F body=@a",
        "api repos/o/r/issues -F body=@<x: y>",
    ),
    (
        "gh api repos/o/r/issues -f body=@a",
        "api repos/o/r/issues -f body=@a",
    ),
    (
        "gh api repos/o/r/issues --input a",
        "api repos/o/r/issues --input <x: y>",
    ),
    (
        "gh api graphql -F query=@a.graphql",
        "api graphql -F query=@<{ viewer { login } }>",
    ),
    (
        "gh issue create -R o/r -t a --body-file a",
        "issue create -R o/r -t a --body-file <x: y>",
    ),
    ("gh release upload v1 a -R o/r", "release upload v1 a -R o/r"),
];

#[test]
fn the_tool_gets_the_content_that_was_there_and_every_name_as_it_was_typed() {
    let mut scratch = site();
    for name in ["kubectl", "aws", "gh"] {
        scratch.stand_in(name, READER);
    }
    std::fs::create_dir(scratch.at("d")).expect("a directory can be made");
    let script: String = LINES
        .iter()
        .map(|(line, _)| {
            format!("printf 'x: y' >a; printf 'x: y' >d/a; printf '{{ viewer {{ login }} }}' >a.graphql; {line} 2>>err || echo refused\n")
        })
        .collect();
    let output = scratch.run(&script);
    let err = std::fs::read_to_string(scratch.at("err")).unwrap_or_default();
    let out = output.out();
    let got: Vec<&str> = out.lines().collect();
    let expected: Vec<&str> = LINES.iter().map(|(_, words)| *words).collect();
    assert_eq!(got, expected, "{err}");
    let events = scratch.events();
    for (event, (line, words)) in events.iter().zip(LINES) {
        let digests = event["files"].as_array().map_or(0, Vec::len);
        assert_eq!(
            digests > 0,
            words.contains('<'),
            "{line}: what was read is in the record: {event}"
        );
    }
}

/// A pipe is read by the tool, and by nobody before it; a file that is too large is a hazard, and not a copy in memory.
#[test]
fn pipes_and_large_files_are_left_to_the_tool() {
    let mut scratch = site();
    scratch.stand_in(
        "gh",
        "#!/bin/sh\nwhile [ $# -gt 1 ]; do shift; done\nwc -c <\"$1\"\n",
    );
    let output = scratch.run(
        "mkfifo pipe; ( echo through >pipe ) & gh api repos/o/r/issues --input pipe; wait\n\
         head -c 9000000 /dev/zero >large; gh api repos/o/r/issues --input large\n",
    );
    assert_eq!(output.out(), "8\n9000000\n", "{}", output.err());
    assert!(scratch.events().iter().all(|event| event["files"].is_null()));
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: dev\nspec: {containers: [{name: a, image: 'a:1'}]}\n";
const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: dev}\n";

/// What it shows, the files of a directory by name, and whether they are judged at all.
type Form = (&'static str, Vec<(&'static str, String)>, bool);

/// Manifests in every form that matters.
fn forms() -> Vec<Form> {
    let one = |text: String| vec![("a.yaml", text)];
    vec![
        ("plain", one(POD.to_owned()), true),
        ("crlf", one(POD.replace('\n', "\r\n")), true),
        ("two documents", one(format!("{POD}---\n{MAP}---\n")), true),
        ("a comment behind the separator", one(format!("{POD}---  # next\n{MAP}")), false),
        ("a list", one(format!("apiVersion: v1\nkind: List\nitems:\n- {}\n- {}\n", POD.trim().replace('\n', "\n  "), MAP.trim().replace('\n', "\n  "))), true),
        ("json", vec![("a.json", "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"j\",\"namespace\":\"dev\"}}".to_owned())], true),
        ("json values in a row", vec![("a.json", "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"j\",\"namespace\":\"dev\"}}\n{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"k\",\"namespace\":\"dev\"}}".to_owned())], true),
        ("several files", vec![("a.yaml", POD.to_owned()), ("b.yml", MAP.to_owned()), ("c.txt", "kind: Secret".to_owned())], true),
        ("below", vec![("a.yaml", POD.to_owned()), ("below/b.yaml", MAP.to_owned())], true),
        ("a separator inside a text", one(format!("{MAP}data:\n  x: |\n    ---\n    kind: Secret\n")), true),
        ("a byte order mark", one(format!("\u{feff}{POD}")), false),
        ("an anchor", one("apiVersion: v1\nkind: ConfigMap\nmetadata: &m {name: x, namespace: dev}\nx: *m\n".to_owned()), false),
        ("a key twice", one(format!("{POD}kind: Secret\n")), false),
        ("a key in another case", one(format!("{POD}Kind: Secret\n")), false),
        ("a merge key", one(format!("{POD}<<: {{kind: Secret}}\n")), false),
        ("a tag", one(POD.replace("Pod", "!!str Pod")), false),
        ("an end of document", one(format!("{POD}...\n{MAP}")), false),
        ("a directive", one(format!("%YAML 1.1\n---\n{POD}")), false),
        ("a carriage return in a line", one(POD.replace("web", "web\rx")), false),
        ("utf-16", one("\u{0}".to_owned() + POD), false),
    ]
}

#[test]
fn what_is_judged_in_a_manifest_is_what_kubectl_finds_in_it() {
    for kubectl in tools::versions("kubectl") {
        let cluster = Cluster::start();
        let mut scratch = site();
        cluster.kubeconfig(&scratch.at("kubeconfig"));
        let kubeconfig = scratch.at("kubeconfig");
        scratch.env("KUBECONFIG", kubeconfig);
        std::os::unix::fs::symlink(&kubectl, scratch.at("tools/kubectl")).expect("a link can be made");
        let mut script = String::new();
        let forms = forms();
        for (index, (_, files, _)) in forms.iter().enumerate() {
            for (name, text) in files {
                let path = scratch.at(&format!("form{index}/{name}"));
                std::fs::create_dir_all(path.parent().expect("it is below")).expect("made");
                std::fs::write(path, text).expect("it can be written");
            }
            script.push_str(&format!(
                "kubectl create --dry-run=client --validate=false -o name -R -f form{index} >out.{index} 2>err.{index}; echo $? >>codes\n"
            ));
        }
        let output = scratch.run(&script.replace(" --validate=false", ""));
        assert!(output.status.success(), "{output:?}");
        let read = |name: String| std::fs::read_to_string(scratch.at(&name)).expect("the script wrote it");
        let codes = read("codes".to_owned());
        let events = scratch.events();
        for (index, ((what, _, is_judged), code)) in forms.iter().zip(codes.lines()).enumerate() {
            let err = read(format!("err.{index}"));
            assert_eq!(
                code,
                if *is_judged { "0" } else { "77" },
                "{}: {what}: {err}",
                kubectl.display()
            );
            if !is_judged {
                continue;
            }
            let found: BTreeSet<String> = read(format!("out.{index}")).lines().map(str::to_owned).collect();
            let operations = events[index]["operations"].as_array().expect("a list");
            let judged: BTreeSet<String> = operations
                .iter()
                .map(|it| {
                    let kind = it["resource"]["kind"]
                        .as_str()
                        .or(it["resource"].as_str())
                        .unwrap_or_default();
                    format!(
                        "{}/{}",
                        kind.trim_end_matches('s'),
                        it["name"].as_str().unwrap_or_default()
                    )
                })
                .collect();
            assert_eq!(
                judged,
                found,
                "{}: {what}: {}",
                kubectl.display(),
                events[index]["operations"]
            );
        }
    }
}

/// The key of a file is its name, with the gate too.
#[test]
fn a_generated_object_is_the_same_with_and_without_the_gate() {
    let mut scratch = site();
    scratch.real("kubectl");
    std::fs::write(scratch.at("app.conf"), "a = b\n").expect("it can be written");
    std::fs::write(scratch.at("binary"), [0_u8, 159, 146, 150]).expect("it can be written");
    for words in [
        "create configmap app.conf --from-file=app.conf --dry-run=client -o yaml",
        "create configmap x --from-file app.conf --from-file=binary --from-file=k=app.conf --dry-run=client -o yaml",
        "create secret generic x --from-file=app.conf --dry-run=client -o yaml",
    ] {
        let mut direct = scratch.command(scratch.at("tools/kubectl"));
        let direct = finish(direct.args(words.split(' ')).stdin(Stdio::null()), &[]);
        let output = scratch.run(&format!("kubectl {words}"));
        assert_eq!(
            (output.out(), output.code()),
            (direct.out(), 0),
            "{words}: {}",
            output.err()
        );
        std::fs::remove_dir_all(scratch.record()).expect("the record can be removed");
    }
}
