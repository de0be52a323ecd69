//! A kubeconfig, as far as it says where a command goes: contexts, their namespaces, and which is current.
//!
//! As kubectl merges several files: the first file that says something about a name counts.

use super::manifest::Tree;
use crate::{Invocation, Namespace};
use std::collections::BTreeMap;

/// One or more kubeconfig files, merged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kubeconfig {
    current: Option<String>,
    contexts: BTreeMap<String, Context>,
    /// Whether a path in it is relative to the file's own place, so that the content means something else elsewhere.
    pub has_relative_paths: bool,
    /// Whether a cluster is reached through a proxy.
    pub has_proxy: bool,
    programs: Vec<String>,
    secret_files: Vec<String>,
}

/// What a context says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Context {
    namespace: Option<String>,
    cluster: Option<String>,
}

/// Keys whose values are paths, relative to the file's directory unless they begin with a slash.
const PATHS: [&str; 5] = [
    "certificate-authority",
    "client-certificate",
    "client-key",
    "tokenFile",
    "command",
];

impl Kubeconfig {
    /// Reads the files' contents, in KUBECONFIG's order. `None` when it is not certain that kubectl reads them the same way.
    pub fn read(texts: &[&str]) -> Option<Kubeconfig> {
        let mut merged = Kubeconfig::default();
        for text in texts {
            let Some(tree) = Tree::of_one_document(text).ok()? else {
                continue;
            };
            merged.has_relative_paths |= has_relative_path(&tree, 0);
            merged.note_users_and_clusters(&tree);
            let current = tree.text("current-context").ok()?;
            merged.current = merged.current.take().or(current);
            for entry in tree.get("contexts").map(Tree::items).unwrap_or_default() {
                let Some(name) = entry.text("name").ok()? else {
                    continue;
                };
                let context = entry.get("context");
                let says = |key: &str| context.map(|it| it.text(key)).transpose().ok();
                let found = Context {
                    namespace: says("namespace")?.flatten(),
                    cluster: says("cluster")?.flatten(),
                };
                merged.contexts.entry(name).or_insert(found);
            }
        }
        Some(merged)
    }

    /// The programs that are started for credentials; empty for one that is not named plainly.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.programs.iter().map(String::as_str)
    }

    /// The files with keys and tokens that it names, as it names them.
    pub fn secret_files(&self) -> impl Iterator<Item = &str> {
        self.secret_files.iter().map(String::as_str)
    }

    fn note_users_and_clusters(&mut self, tree: &Tree) {
        let items = |key| tree.get(key).map(Tree::items).unwrap_or_default();
        for user in items("users").iter().filter_map(|entry| entry.get("user")) {
            if let Some(exec) = user.get("exec").filter(|exec| **exec != Tree::Null) {
                let command = exec.text("command").ok().flatten().unwrap_or_default();
                // With an environment of its own, even a known program may do anything.
                let plain = exec
                    .get("env")
                    .is_none_or(|env| env.items().is_empty() || command == "aws");
                self.programs.push(if plain { command } else { String::new() });
            }
            let named = ["client-key", "tokenFile"].map(|key| user.text(key).ok().flatten());
            let named = named.into_iter().flatten().filter(|path| !path.is_empty());
            self.secret_files.extend(named);
            if user.get("auth-provider").is_some_and(|it| *it != Tree::Null) {
                self.programs.push(String::new());
            }
        }
        let clusters = items("clusters").iter().filter_map(|entry| entry.get("cluster"));
        self.has_proxy |= clusters
            .into_iter()
            .any(|cluster| cluster.get("proxy-url").is_some());
    }

    /// Puts the context, its cluster and the namespace that kubectl would take on every operation that does not name its own.
    pub fn resolve(&self, invocation: &mut Invocation) {
        for operation in &mut invocation.operations {
            let scope = &mut operation.scope;
            let Some(name) = scope.context.clone().or_else(|| self.current.clone()) else {
                continue;
            };
            // A name that is not there is kubectl's error.
            let Some(context) = self.contexts.get(&name) else {
                continue;
            };
            scope.context = Some(name);
            if scope.namespace == Namespace::Ambient {
                let namespace = context.namespace.clone();
                scope.namespace = Namespace::Named(namespace.unwrap_or_else(|| "default".to_owned()));
            }
            scope.cluster = scope.cluster.take().or_else(|| context.cluster.clone());
        }
    }
}

fn has_relative_path(tree: &Tree, depth: usize) -> bool {
    match tree {
        _ if depth > 8 => true,
        Tree::Map(entries) => entries.iter().any(|(key, value)| match value {
            Tree::Text(text) if PATHS.contains(&key.as_str()) => {
                // A command without a slash is found in PATH.
                !text.is_empty() && !text.starts_with('/') && (key != "command" || text.contains('/'))
            }
            other => has_relative_path(other, depth.saturating_add(1)),
        }),
        Tree::List(items) => items
            .iter()
            .any(|item| has_relative_path(item, depth.saturating_add(1))),
        Tree::Null | Tree::Text(_) | Tree::Other(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Surroundings, kubectl};

    const TWO: &str = "apiVersion: v1\nkind: Config\ncurrent-context: dev\ncontexts:\n- name: dev\n  context: {cluster: d, user: u}\n- name: prod\n  context: {cluster: p, user: u, namespace: payments}\nusers:\n- name: u\n  user: {exec: {command: aws, args: [eks, get-token]}}\n";

    fn place(config: &Kubeconfig, line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let mut invocation = kubectl::parse(&words, &Surroundings::default()).unwrap();
        config.resolve(&mut invocation);
        let scope = &invocation.operations[0].scope;
        format!(
            "{} {:?}",
            scope.context.clone().unwrap_or_default(),
            scope.namespace
        )
    }

    #[test]
    fn context_and_namespace_are_what_kubectl_takes() {
        let config = Kubeconfig::read(&[TWO]).unwrap();
        assert_eq!(place(&config, "get pods"), "dev Named(\"default\")");
        assert_eq!(
            place(&config, "get pods --context prod"),
            "prod Named(\"payments\")"
        );
        assert_eq!(
            place(&config, "get pods --context prod -n x"),
            "prod Named(\"x\")"
        );
        assert_eq!(place(&config, "get pods -A"), "dev All");
        assert_eq!(place(&config, "get nodes"), "dev Cluster");
        assert_eq!(place(&config, "get pods --context gone"), "gone Ambient");
        assert!(!config.has_relative_paths);
    }

    #[test]
    fn files_with_secrets_are_found_whoever_uses_them() {
        let text = "users:\n- user: {client-key: /k, client-certificate: /c}\n- user: {tokenFile: t}\n- user: {token: x}\n";
        let config = Kubeconfig::read(&[text]).unwrap();
        assert_eq!(config.secret_files().collect::<Vec<_>>(), ["/k", "t"]);
    }

    #[test]
    fn the_cluster_is_the_contexts() {
        let config = Kubeconfig::read(&[TWO]).unwrap();
        for (line, cluster) in [
            ("get pods", Some("d")),
            ("get pods --context prod", Some("p")),
            ("get pods --context prod --cluster d", Some("d")),
            ("get pods --context gone", None),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let mut invocation = kubectl::parse(&words, &Surroundings::default()).unwrap();
            config.resolve(&mut invocation);
            assert_eq!(
                invocation.operations[0].scope.cluster.as_deref(),
                cluster,
                "{line}"
            );
        }
    }

    #[test]
    fn the_first_file_that_says_something_counts() {
        let first = "current-context: prod\ncontexts:\n- name: prod\n  context: {namespace: first}\n";
        let config = Kubeconfig::read(&["", &format!("---\n{first}"), TWO]).unwrap();
        assert_eq!(place(&config, "get pods"), "prod Named(\"first\")");
        assert_eq!(place(&config, "get pods --context dev"), "dev Named(\"default\")");
        assert_eq!(place(&Kubeconfig::read(&[""]).unwrap(), "get pods"), " Ambient");
    }

    #[test]
    fn what_is_unclear_is_not_guessed() {
        for text in [
            "current-context: a\ncurrent-context: b\n",
            "a: &x b\nc: *x\n",
            "\t{",
            "current-context: yes\n",
        ] {
            assert_eq!(Kubeconfig::read(&[text]), None, "{text:?}");
        }
        for text in [
            "clusters:\n- cluster: {certificate-authority: ca.crt}\n",
            "users:\n- user: {exec: {command: ./run}}\n",
        ] {
            assert!(Kubeconfig::read(&[text]).unwrap().has_relative_paths, "{text}");
        }
    }
}
