//! kubectl: lines from argv's tables, run against [`cluster`], compared by verb, type, namespace and name.

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

const NAMES: &[&str] = &["web-1", "web-2", "db", "delete", "get", "secrets", "a.b", "x"];
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
        Surroundings {
            environment: self.sandbox.environment.clone(),
            ..Surroundings::default()
        }
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

impl Kubectl {
    fn of<'k>(&'k self, path: &'k str) -> impl Iterator<Item = &'k Flag> {
        self.flags
            .iter()
            .filter(move |(command, _)| command == path)
            .map(|(_, flag)| flag)
    }

    fn resource(&self, random: &mut Rng) -> String {
        let common = [
            "pods",
            "po",
            "pod",
            "deploy",
            "deployments.apps",
            "secrets",
            "secret",
            "svc",
            "nodes",
            "cm",
            "Pods",
            "wd",
            "delete",
            "all",
            "secrets.v1.",
            "pods,secrets",
            "widgets.example.com",
            "ns",
            "sa",
            "deploy,svc",
            "SECRETS",
            "ev",
            "cj",
            "ing",
        ];
        match random.u8(..3) {
            0 => self.types[random.usize(..self.types.len())].clone(),
            _ => pick(random, &common).to_owned(),
        }
    }

    /// `TYPE`, `TYPE NAME…`, `TYPE/NAME…`.
    fn targets(&self, random: &mut Rng) -> Vec<String> {
        let kind = self.resource(random);
        match random.u8(..8) {
            0 => vec![kind],
            1..=3 => vec![kind, pick(random, NAMES).to_owned()],
            4 => vec![
                kind,
                pick(random, NAMES).to_owned(),
                pick(random, NAMES).to_owned(),
            ],
            5 => vec![
                format!("{kind}/{}", pick(random, NAMES)),
                format!("{}/{}", self.resource(random), pick(random, NAMES)),
            ],
            _ => vec![format!("{kind}/{}", pick(random, NAMES))],
        }
    }

    /// What a command wants besides its options, more or less.
    fn arguments(&self, random: &mut Rng, path: &str) -> Vec<String> {
        let of = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let name = pick(random, NAMES).to_owned();
        let workload = format!(
            "{}/{name}",
            pick(
                random,
                &[
                    "deploy",
                    "deployment",
                    "sts",
                    "ds",
                    "rs",
                    "job",
                    "deployments.apps",
                    "pod",
                    "rc"
                ]
            )
        );
        let mut words = match path {
            "apply"
            | "create"
            | "replace"
            | "diff"
            | "apply view-last-applied"
            | "auth reconcile"
            | "apply set-last-applied" => {
                if chance(random, 10) {
                    return of(&["-k", "."]);
                }
                let file = pick(
                    random,
                    &["cm.yaml", "secret.yaml", "two.yaml", "dir", "nothing.yaml", "-"],
                );
                return match random.u8(..4) {
                    0 => of(&[&format!("-f{file}")]),
                    1 => of(&[&format!("--filename={file}")]),
                    _ => of(&["-f", file]),
                };
            }
            "kustomize" => vec![".".to_owned()],
            "logs" | "attach" => {
                if random.bool() {
                    vec![name]
                } else {
                    vec![workload]
                }
            }
            "exec" => of(&[&name, "--", "id"]),
            "port-forward" => of(&[&name, "0:80"]),
            "cp" => match random.u8(..3) {
                0 => of(&["note.txt", &format!("{name}:/x")]),
                1 => of(&[&format!("team/{name}:/x"), "out"]),
                _ => of(&[&format!("{name}:/x"), "note.txt"]),
            },
            "debug" => of(&[&name, "--image=i"]),
            "run" => of(&[&name, "--image=i"]),
            "taint" => of(&["nodes", &name, "k=v:NoSchedule"]),
            "cordon"
            | "uncordon"
            | "drain"
            | "top node"
            | "top pod"
            | "certificate approve"
            | "certificate deny"
            | "create namespace"
            | "create serviceaccount"
            | "create quota"
            | "create token" => vec![name],
            "create configmap" | "create secret generic" => {
                let from = pick(
                    random,
                    &[
                        "--from-literal=a=b",
                        "--from-file=note.txt",
                        "--from-file=k=note.txt",
                        "--from-env-file=env.txt",
                    ],
                );
                of(&[&name, from])
            }
            "create deployment" => of(&[&name, "--image=i"]),
            "create job" => {
                if random.bool() {
                    of(&[&name, "--image=i"])
                } else {
                    of(&[&name, "--from=cronjob/x"])
                }
            }
            "create cronjob" => of(&[&name, "--image=i", "--schedule=* * * * *"]),
            "create role" | "create clusterrole" => of(&[&name, "--verb=get", "--resource=pods"]),
            "create rolebinding" | "create clusterrolebinding" => {
                of(&[&name, "--clusterrole=view", "--user=u"])
            }
            "create service clusterip" | "create service nodeport" | "create service loadbalancer" => {
                of(&[&name, "--tcp=80"])
            }
            "create service externalname" => of(&[&name, "--external-name=x.y"]),
            "create ingress" => of(&[&name, "--rule=a.b/*=svc:80"]),
            "create poddisruptionbudget" => of(&[&name, "--selector=a=b", "--min-available=1"]),
            "create priorityclass" => of(&[&name, "--value=1"]),
            "create secret docker-registry" => of(&[&name, "--docker-username=u", "--docker-password=p"]),
            "config get-contexts"
            | "config use-context"
            | "config delete-context"
            | "config delete-cluster"
            | "config delete-user"
            | "config set-context"
            | "config set-cluster"
            | "config set-credentials" => vec![pick(random, &["prod", "here", "c", "u", "new"]).to_owned()],
            "config set" => of(&["users.u.token", "x"]),
            "config unset" => of(&["users.u"]),
            "config rename-context" => of(&["prod", "y"]),
            "explain" => vec![self.resource(random)],
            "auth can-i" => of(&[
                pick(random, &["get", "delete", "*"]),
                pick(random, &["pods", "secrets", "pods/web-1", "deploy.apps"]),
            ]),
            "completion" => of(&["bash"]),
            "rollout history" | "rollout pause" | "rollout restart" | "rollout resume" | "rollout status"
            | "rollout undo" | "autoscale" | "scale" | "expose" => vec![workload],
            "set env" | "set image" | "set resources" | "set selector" | "set serviceaccount"
            | "set subject" => vec![workload],
            "get"
            | "describe"
            | "delete"
            | "label"
            | "annotate"
            | "patch"
            | "edit"
            | "wait"
            | "apply edit-last-applied" => self.targets(random),
            _ => Vec::new(),
        };
        let more: &[&str] = match path {
            "label" | "annotate" => pick_slice(
                random,
                &[
                    &["a=b"],
                    &["a-"],
                    &["a=b", "c=d"],
                    &["--list"],
                    &["--list", "a=b"],
                ],
            ),
            "patch" => pick_slice(
                random,
                &[
                    &["-p", "{\"a\":1}"],
                    &["-p{}"],
                    &["--patch={}", "--type=merge"],
                    &["-p", "{}", "--local"],
                ],
            ),
            "wait" => &["--for=condition=Ready", "--timeout=1s"],
            "rollout status" => &["--timeout=1s"],
            "scale" => &["--replicas=2"],
            "autoscale" => &["--max=3"],
            "expose" => &["--port=80"],
            "set env" => pick_slice(
                random,
                &[
                    &["A=b"],
                    &["--list"],
                    &["A-"],
                    &["--from=configmap/x"],
                    &["--from=secret/db"],
                    &["--list", "--resolve"],
                ],
            ),
            "set image" => &["app=x:2"],
            "set resources" => &["--limits=cpu=1"],
            "set selector" => &["a=b"],
            "set serviceaccount" => &["web"],
            "logs" => pick_slice(random, &[&[], &["app"], &["-c", "app"], &["--all-containers"]]),
            "drain" => pick_slice(random, &[&["--ignore-daemonsets", "--force"], &["--force"]]),
            _ => &[],
        };
        words.extend(of(more));
        words
    }

    fn value(&self, random: &mut Rng, flag: &Flag) -> String {
        match flag.name.as_str() {
            "server" => self.other_address(),
            "cluster" => pick(random, &["other", "c"]).to_owned(),
            "context" => pick(random, &["prod", "get", "staging", "here", "none"]).to_owned(),
            "user" | "username" | "password" | "as" | "as-group" => {
                pick(random, &["u", "delete", "admin"]).to_owned()
            }
            "kubeconfig" => pick(random, &["nothing", "cm.yaml", "../home/.kube/config"]).to_owned(),
            "namespace" => pick(random, NAMESPACES).to_owned(),
            "output" => pick(
                random,
                &[
                    "yaml",
                    "json",
                    "name",
                    "wide",
                    "jsonpath={.data}",
                    "custom-columns=A:.metadata.name",
                    "go-template={{.kind}}",
                    "jsonpath-file=note.txt",
                    "go-template-file=note.txt",
                    "template",
                    "yaml=x",
                    "jsonpath",
                    "custom-columns-file=note.txt",
                    "",
                    "jsonpath-as-json={.items}",
                ],
            )
            .to_owned(),
            "template" => pick(random, &["{{.data}}", "note.txt", "{.kind}"]).to_owned(),
            "dry-run" => pick(
                random,
                &["client", "server", "none", "true", "false", "0", "F", "", "x"],
            )
            .to_owned(),
            "filename" => pick(
                random,
                &[
                    "cm.yaml",
                    "secret.yaml",
                    "two.yaml",
                    "dir",
                    "two.yaml,cm.yaml",
                    ".",
                ],
            )
            .to_owned(),
            "kustomize" => ".".to_owned(),
            "selector" => pick(random, &["app=web", "app", "", "app in (a,b)", "!x"]).to_owned(),
            "field-selector" => pick(random, &["metadata.name=web-1", "status.phase=Running", ""]).to_owned(),
            "request-timeout" | "timeout" => pick(random, &["1s", "2", "get", "0"]).to_owned(),
            "v" => pick(random, &["0", "4", "6", "8", "9", "10", "delete"]).to_owned(),
            "profile" => pick(random, &["none", "cpu", "heap"]).to_owned(),
            "cache-dir" | "profile-output" | "log-dir" | "log-file" | "output-directory" => {
                pick(random, &["made", "get"]).to_owned()
            }
            "grace-period" => pick(random, &["0", "1", "-1"]).to_owned(),
            "cascade" => pick(random, &["true", "false", "orphan", "background"]).to_owned(),
            "type" => pick(random, &["merge", "json", "strategic"]).to_owned(),
            "replicas" | "tail" | "since" | "limit-bytes" | "chunk-size" | "revision" | "to-revision"
            | "max" | "min" | "port" | "current-replicas" | "limit" | "resource-version" => {
                pick(random, &["1", "2", "0", "5s"]).to_owned()
            }
            "subresource" => pick(random, &["status", "scale"]).to_owned(),
            "from-file"
            | "from-env-file"
            | "patch-file"
            | "cert"
            | "key"
            | "certificate-authority"
            | "client-key"
            | "client-certificate" => pick(random, &["note.txt", "env.txt", "k=note.txt"]).to_owned(),
            "prune-whitelist" | "prune-allowlist" => "core/v1/ConfigMap".to_owned(),
            "sort-by" => pick(random, &[".metadata.name", "{.kind}", "cpu", "name"]).to_owned(),
            "container" => "app".to_owned(),
            "to" | "namespaces" | "pod-selector" | "label-columns" | "overrides" | "field-manager" => {
                pick(random, &["a", "delete", "{}", "team"]).to_owned()
            }
            _ => pick(
                random,
                &[
                    "x", "get", "delete", "1", "a=b", "true", "false", "pods", "", "web-1",
                ],
            )
            .to_owned(),
        }
    }
}

fn pick_slice<'a>(random: &mut Rng, of: &[&'a [&'a str]]) -> &'a [&'a str] {
    of[random.usize(..of.len())]
}
