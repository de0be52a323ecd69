//! kubectl: lines from argv's tables, run against [`cluster`], compared by verb, type, namespace and name.

mod words;

use super::cluster::{self, Cluster};
use super::lines::{Flag, Takes, chance, pick, spell, weave};
use super::sandbox::{FILE_CONTENT, SECRET, Sandbox};
use super::{Observed, Sent, Subject};
use crate::http::{Response, Server};
use crate::score::kubectl::{Request, changes, covers};
use crate::tools;
use argv::{Effect, Invocation, Surroundings, Tool};
use fastrand::Rng;
use serde_json::{Value, json};
use std::path::PathBuf;

const COMMANDS: &str = include_str!("../../../crates/argv/data/kubectl_commands.tsv");
const FLAGS: &str = include_str!("../../../crates/argv/data/kubectl_flags.tsv");
const RESOURCES: &str = include_str!("../../../crates/argv/data/kubectl_resources.tsv");

/// Commands that come more often than others.
const OFTEN: &[&str] = &[
    "get",
    "get",
    "get",
    "get",
    "describe",
    "delete",
    "delete",
    "logs",
    "apply",
    "label",
    "annotate",
    "patch",
    "scale",
    "create",
    "set env",
    "rollout status",
    "config view",
    "exec",
    "top pod",
    "wait",
    "diff",
];
/// Commands that only wait here: they listen, or ask a person.
const SELDOM: &[&str] = &["proxy", "port-forward", "attach", "edit", "plugin", "plugin list"];

const NAMESPACES: &[&str] = &["team", "prod", "kube-system", "get", "delete", "default", ""];

/// The tool, its cluster, another cluster that it should not talk to.
pub(super) struct Kubectl {
    program: PathBuf,
    sandbox: Sandbox,
    cluster: Cluster,
    other: Server,
    commands: Vec<(String, Vec<String>)>,
    flags: Vec<(String, Flag)>,
    types: Vec<String>,
}

impl Kubectl {
    pub(super) fn start() -> Kubectl {
        let cluster = Cluster::start();
        let other = Server::tcp(|_| Response::error(403, &json!({"kind": "Status", "code": 403})));
        let program = tools::real("kubectl");
        let version = version(&program);
        let mut kubectl = Kubectl {
            sandbox: Sandbox::new(files(cluster.server.port, other.port)),
            program,
            cluster,
            other,
            commands: rows(COMMANDS, 2, &version)
                .map(|row| (row[0].to_owned(), list(row[1])))
                .collect(),
            flags: rows(FLAGS, 4, &version)
                .map(|row| (row[0].to_owned(), flag(&row)))
                .collect(),
            types: rows(RESOURCES, 9, &version)
                .flat_map(|row| spellings(&row))
                .collect(),
        };
        let editor = kubectl.sandbox.marker();
        kubectl
            .sandbox
            .environment
            .insert("KUBE_EDITOR".to_owned(), editor);
        // What the server can do is learned once.
        kubectl.observe(&["get".to_owned(), "pods".to_owned()]);
        kubectl
    }
}

/// The version's minor number, to leave out what this kubectl does not have.
fn version(program: &std::path::Path) -> u32 {
    let output = std::process::Command::new(program)
        .args(["version", "--client", "-o", "json"])
        .output()
        .expect("kubectl starts");
    let version: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("kubectl's version is JSON");
    let minor = version["clientVersion"]["minor"].as_str().unwrap_or_default();
    minor
        .trim_end_matches('+')
        .parse()
        .expect("a minor version is a number")
}

fn list(words: &str) -> Vec<String> {
    words
        .split([',', ' '])
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The rows of a table that hold for this minor version; `column` has the versions.
fn rows<'t>(table: &'t str, column: usize, version: &u32) -> impl Iterator<Item = Vec<&'t str>> {
    let minor = |version: &str| version.split('.').nth(1).and_then(|it| it.parse::<u32>().ok());
    let version = *version;
    table
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(move |row| {
            let range = row.get(column).and_then(|range| range.split_once('-'));
            range.is_none_or(|(first, last)| {
                minor(first).is_none_or(|it| it <= version) && minor(last).is_none_or(|it| version <= it)
            })
        })
}

fn flag(row: &[&str]) -> Flag {
    Flag {
        name: row[1].to_owned(),
        short: row[2].chars().next(),
        takes: match row[3] {
            "b" => Takes::Nothing,
            "o" => Takes::Attached,
            _ => Takes::Value,
        },
    }
}

/// The names of a type, and its name with the group.
fn spellings(row: &[&str]) -> Vec<String> {
    let mut all = vec![row[0].to_owned(), row[1].to_owned()];
    all.extend(list(row[2]));
    if !row[3].is_empty() {
        all.push(format!("{}.{}", row[0], row[3]));
        all.push(format!("{}.v1.{}", row[0], row[3]));
    } else {
        all.push(format!("{}.v1.", row[0]));
    }
    all
}

fn files(port: u16, other: u16) -> Vec<(&'static str, String)> {
    let context = |name: &str, namespace: &str| json!({"name": name, "context": {"cluster": "c", "user": "u", "namespace": namespace}});
    let cluster = |name: &str, port: u16| json!({"name": name, "cluster": {"server": format!("http://127.0.0.1:{port}")}});
    let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [cluster("c", port), cluster("other", other)],
        "users": [{"name": "u", "user": {"token": SECRET}}],
        "contexts": [context("here", ""), context("prod", "payments"), context("get", "payments"), context("staging", "staging")]});
    let object = |kind: &str, name: &str| {
        format!("apiVersion: v1\nkind: {kind}\nmetadata:\n  name: {name}\n  labels:\n    app: web\n")
    };
    vec![
        ("home/.kube/config", config.to_string()),
        ("cwd/cm.yaml", object("ConfigMap", "web")),
        ("cwd/secret.yaml", object("Secret", "db")),
        (
            "cwd/two.yaml",
            format!(
                "{}---\n{}",
                object("Pod", "web-1"),
                object("ConfigMap", "cfg").replace("labels:", "namespace: team\n  labels:")
            ),
        ),
        ("cwd/dir/cm.yaml", object("ConfigMap", "inner")),
        ("cwd/kustomization.yaml", "resources:\n- cm.yaml\n".to_owned()),
        ("cwd/note.txt", FILE_CONTENT.to_owned()),
        ("cwd/env.txt", format!("A={FILE_CONTENT}\n")),
    ]
}

impl Subject for Kubectl {
    fn tool(&self) -> Tool {
        Tool::Kubectl
    }

    fn line(&mut self, random: &mut Rng) -> Vec<String> {
        let path = match random.u8(..10) {
            0..=5 => pick(random, OFTEN).to_owned(),
            _ => {
                let path = self.commands[random.usize(..self.commands.len())].0.clone();
                if SELDOM.contains(&path.as_str()) && chance(random, 80) {
                    "get".to_owned()
                } else {
                    path
                }
            }
        };
        let mut words: Vec<String> = path.split(' ').map(str::to_owned).collect();
        let verb = words.len();
        if chance(random, 10)
            && let Some((_, aliases)) = self
                .commands
                .iter()
                .find(|(known, aliases)| *known == path && !aliases.is_empty())
        {
            words[verb - 1] = aliases[random.usize(..aliases.len())].clone();
        }
        words.extend(self.arguments(random, &path));
        let own: Vec<Flag> = self.of(&path).cloned().collect();
        let global: Vec<Flag> = self.of("*").cloned().collect();
        let mut options = Vec::new();
        for _ in 0..random.u8(..4) {
            let from = if own.is_empty() || chance(random, 25) {
                &global
            } else {
                &own
            };
            let flag = &from[random.usize(..from.len())];
            let value = self.value(random, flag);
            options.push(spell(random, flag, &value, true));
            if chance(random, 8) {
                let value = self.value(random, flag);
                options.push(spell(random, flag, &value, true));
            }
        }
        if chance(random, 35) {
            let namespace = Flag {
                name: "namespace".to_owned(),
                short: Some('n'),
                takes: Takes::Value,
            };
            let value = pick(random, NAMESPACES);
            options.push(spell(random, &namespace, value, true));
        }
        if chance(random, 5) {
            let raw = [
                "/api/v1/namespaces/team/secrets/db",
                "/api/v1/pods",
                "/apis/apps/v1/namespaces/x/deployments/web",
                "/api/v1/namespaces/x/pods/web-1/exec?command=id",
                "/api/v1/nodes/n/proxy/run",
                "/api/v1/../v1/secrets",
                "/healthz",
                "api/v1/pods/",
                "/api/v1/namespaces/x/pods?watch=1",
                "http://other/api/v1/%73ecrets",
                "/version",
                "//api/v1/secrets",
            ];
            let raw = pick(random, &raw);
            options.push(if random.bool() {
                vec![format!("--raw={raw}")]
            } else {
                vec!["--raw".to_owned(), raw.to_owned()]
            });
        }
        weave(random, words, verb, options)
    }

    fn observe(&mut self, words: &[String]) -> Observed {
        self.cluster.forget();
        self.other.forget();
        let ran = self.sandbox.run(&self.program, words);
        let requests = self.cluster.server.requests();
        let elsewhere = self.other.requests();
        Observed {
            ran,
            sent: requests.iter().filter_map(cluster::sent).collect(),
            elsewhere: elsewhere
                .iter()
                .map(|it| format!("{} {}", it.method, it.target))
                .collect(),
            wire: requests
                .iter()
                .chain(&elsewhere)
                .map(|it| format!("{} {}\n", it.target, String::from_utf8_lossy(&it.body)))
                .collect(),
        }
    }

    fn surroundings(&self) -> Surroundings {
        self.sandbox.surroundings()
    }

    fn other_address(&self) -> String {
        format!("http://127.0.0.1:{}", self.other.port)
    }

    fn is_named(&self, sent: &Sent, read: &Invocation) -> Result<(), String> {
        // Another context is another cluster for all we know; that it is another one is what the hazard says.
        let operations = serde_json::to_value(&read.operations).expect("operations are JSON");
        let operations = operations.as_array().cloned().unwrap_or_default();
        if sent.fact("kind").is_empty() {
            let changes = read
                .operations
                .iter()
                .any(|operation| operation.effect > Effect::Read);
            return if changes || !sent.changes {
                Ok(())
            } else {
                Err("sent, but not named".to_owned())
            };
        }
        let request = Request {
            kind: sent.fact("kind").to_owned(),
            subresource: sent.fact("subresource"),
            namespace: sent.fact("namespace"),
            name: sent.fact("name"),
            changes: sent.changes,
        };
        let same: Vec<_> = operations
            .iter()
            .filter(|operation| covers(operation, &request))
            .collect();
        if same.is_empty() && !request.changes && is_companion(&request, &operations) {
            return Ok(());
        }
        if same.is_empty() {
            return Err(format!("names another target than {}", what(&request)));
        }
        if request.changes && !same.iter().any(|operation| changes(operation)) {
            return Err("is more than a read".to_owned());
        }
        Ok(())
    }
}

/// Types that commands look at beside the object they are about: what belongs to it, what happened to it.
const COMPANIONS: &[&str] = &[
    "pods",
    "events",
    "endpoints",
    "limitranges",
    "resourcequotas",
    "replicationcontrollers",
    "replicasets.apps",
    "daemonsets.apps",
    "controllerrevisions.apps",
    "leases.coordination.k8s.io",
];
/// `describe ingress` looks for it in kube-system, whether anything names it or not.
const DEFAULT_BACKEND: &str = "default-http-backend";

/// Whether this is a look at the very object whose subresource is named, or at what belongs to a named object: in the same
/// namespace, or anywhere for an object that has none.
fn is_companion(request: &Request<'_>, operations: &[Value]) -> bool {
    operations.iter().any(|operation| {
        let mut whole = operation.clone();
        whole["resource"]["subresource"] = Value::Null;
        if covers(&whole, request) {
            return true;
        }
        let mut anything = whole;
        anything["resource"]["kind"] = json!("*");
        anything["name"] = Value::Null;
        let here = operation["scope"]["namespace"] == "cluster"
            || request.name == DEFAULT_BACKEND
            || covers(
                &anything,
                &Request {
                    subresource: "",
                    kind: String::new(),
                    ..*request
                },
            );
        let belongs = COMPANIONS.contains(&request.kind.as_str()) || request.name == DEFAULT_BACKEND;
        belongs && operation["resource"].is_object() && here
    })
}

fn what(request: &Request<'_>) -> String {
    match request.subresource {
        "" => request.kind.clone(),
        subresource => format!("{}/{subresource}", request.kind),
    }
}
