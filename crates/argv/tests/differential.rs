//! What `tests/src/differential` found: lines whose meaning was read wrongly, or not at all, one line per case. What the tools do
//! with them was observed on the wire.

#![expect(
    clippy::panic,
    reason = "helpers of tests fail by panicking, outside the test functions that clippy exempts"
)]

use argv::{Invocation, Namespace, Surroundings, Tool, Unreadable, parse};

/// Reads a line; words are split at spaces, and `~` stands for a space inside a word.
fn read(line: &str) -> Result<Invocation, Unreadable> {
    let mut words = line.split(' ').map(|word| word.replace('~', " ").into());
    let tool: String = words
        .next()
        .and_then(|word: std::ffi::OsString| word.into_string().ok())
        .unwrap_or_default();
    let tool = Tool::named(&tool).unwrap_or_else(|| panic!("{line}: no such tool"));
    parse(tool, &words.collect::<Vec<_>>(), &Surroundings::default())
}

/// `effect verb resource name @namespace|host/repo` of every operation, hazards behind.
fn shown(line: &str) -> Vec<String> {
    let invocation = read(line).unwrap_or_else(|fault| panic!("{line}: {fault}"));
    let mut shown = Vec::new();
    for operation in &invocation.operations {
        let mut words = vec![operation.effect.to_string(), operation.verb.clone()];
        words.extend(operation.resource.as_ref().map(ToString::to_string));
        words.extend(operation.name.clone());
        match &operation.scope.namespace {
            Namespace::Named(name) => words.push(format!("@{name}")),
            Namespace::All => words.push("@*".to_owned()),
            Namespace::Ambient | Namespace::Cluster => {}
        }
        let (host, repo) = (&operation.scope.host, &operation.scope.repo);
        match (host, repo) {
            (Some(host), Some(repo)) => words.push(format!("in {host}/{repo}")),
            (None, Some(repo)) => words.push(format!("in {repo}")),
            _ => {}
        }
        shown.push(words.join(" "));
    }
    shown
}

macro_rules! is {
    ($line:expr => $($expected:expr),+ $(,)?) => {
        assert_eq!(shown($line), [$($expected),+], "{}", $line)
    };
}

#[test]
fn gh_takes_every_typed_field_after_every_raw_one() {
    is!("gh api graphql -F query=mutation{a} -f query={b}" => "write api post graphql");
    is!("gh api graphql -F query={b} -f query=mutation{a}" => "read api post graphql");
    is!("gh api graphql -F query=query~A{a}mutation~B{b} -F operationName=B -f operationName=A" => "write api post graphql");
}

#[test]
fn an_empty_method_of_gh_is_get() {
    is!("gh api user -f a=b --method=" => "read api get user");
}

#[test]
fn what_gh_does_in_a_second_repository_is_named() {
    is!("gh label clone ghe.example.org/o/r -R a/b" =>
        "write label clone label ghe.example.org/o/r in a/b", "read label list label in ghe.example.org/o/r");
    is!("gh issue transfer 1 other/repo -R o/r" => "write issue transfer issue 1 in o/r", "write issue transfer issue in other/repo");
    is!("gh repo set-default ghe.example.org/o/r" =>
        "local repo set-default repo ghe.example.org/o/r in ghe.example.org/o/r", "read repo set-default repo");
    is!("gh issue develop https://github.com/o/r/issues/1" =>
        "write issue develop issue https://github.com/o/r/issues/1 in github.com/o/r",
        "write issue develop issue https://github.com/o/r/issues/1");
    is!("gh repo fork ghe.example.org/o/r --org x" => "write repo fork repo ghe.example.org/o/r in ghe.example.org/o/r");
}

#[test]
fn an_address_that_gh_takes_for_a_branch_or_puts_into_a_path_is_unreadable() {
    for line in [
        "gh pr checkout https://github.com/o/r/issues/1",
        "gh codespace list -R https://github.com/o/r",
        "gh codespace list -R ghe.example.org/o/r",
    ] {
        assert!(read(line).is_err(), "{line}");
    }
}

#[test]
fn the_name_of_what_kubectl_makes_with_a_digest_is_not_known() {
    is!("kubectl create secret generic db --append-hash" => "write create secret generic secrets");
    is!("kubectl create cm db --append-hash=false" => "write create configmap configmaps db");
}

#[test]
fn names_count_for_nothing_beside_a_selector_of_taint() {
    is!("kubectl taint nodes web-2 -l a=b k=v:NoSchedule" => "write taint nodes");
    is!("kubectl taint nodes web-2 --all k=v:NoSchedule" => "write taint nodes");
    is!("kubectl taint nodes web-2 k=v:NoSchedule" => "write taint nodes web-2");
}

#[test]
fn scale_with_record_changes_the_object_itself() {
    is!("kubectl scale ds/web --replicas=2 --record" =>
        "write scale daemonsets.apps/scale web", "write scale daemonsets.apps web");
}

#[test]
fn cluster_info_looks_where_the_option_says_and_at_no_argument() {
    is!("kubectl cluster-info" => "read cluster-info services @kube-system");
    is!("kubectl cluster-info -n team" => "read cluster-info services @team");
    is!("kubectl cluster-info -n team --namespace=" => "read cluster-info services @kube-system");
    is!("kubectl cluster-info -- -n x" => "read cluster-info services @kube-system");
}

#[test]
fn describing_an_account_looks_at_the_secrets_of_its_namespace() {
    is!("kubectl describe sa/x -n team" => "read describe serviceaccounts x @team", "read describe secrets @team");
}

#[test]
fn completing_the_namespace_looks_at_the_namespaces() {
    is!("kubectl __complete --namespace=get" => "read __complete", "read __complete namespaces");
    is!("kubectl __complete get po --namespace=get" => "read __complete pods", "read __complete namespaces");
}
