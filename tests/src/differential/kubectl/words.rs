//! The arguments of kubectl's commands, and the values of its options: mostly what works, and some that misleads.

use super::{Kubectl, NAMESPACES};
use crate::differential::Subject;
use crate::differential::lines::{Flag, chance, pick};
use fastrand::Rng;

const NAMES: &[&str] = &["web-1", "web-2", "db", "delete", "get", "secrets", "a.b", "x"];

impl Kubectl {
    pub(super) fn of<'k>(&'k self, path: &'k str) -> impl Iterator<Item = &'k Flag> {
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
    pub(super) fn arguments(&self, random: &mut Rng, path: &str) -> Vec<String> {
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

    pub(super) fn value(&self, random: &mut Rng, flag: &Flag) -> String {
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
