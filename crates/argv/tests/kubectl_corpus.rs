//! Our reading of kubectl command lines against what the real kubectl did on the wire.
//!
//! Two questions about every entry of the corpus. Would a policy that allows reads without hazards have let
//! harm through, or refused what is harmless? And do the operations we name agree with the requests that
//! were sent? As the gate does, the manifests that a line names are read first (`parse_with`).

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test asserts by panicking, and the corpus is ours"
)]

use argv::kubectl::{Manifest, parse, parse_with};
use argv::{Effect, Hazard, Invocation, Namespace, Operation, Surroundings, Unreadable};
use serde_json::Value;
use std::collections::BTreeMap;

const CORPUS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/corpora/wire_kubectl.json"
);

struct Entry {
    id: String,
    words: Vec<String>,
    around: Surroundings,
    files: BTreeMap<String, String>,
    class: String,
    truth: Value,
}

fn entries() -> Vec<Entry> {
    let text = std::fs::read_to_string(CORPUS).expect("the corpus is checked in");
    let all: Vec<Value> = serde_json::from_str(&text).expect("the corpus is JSON");
    let strings = |value: &Value| -> BTreeMap<String, String> {
        let pairs = value.as_object().into_iter().flatten();
        pairs
            .map(|(name, text)| (name.clone(), text.as_str().unwrap_or("").to_owned()))
            .collect()
    };
    all.iter()
        .map(|entry| {
            let words = entry["argv"].as_array().unwrap().iter().skip(1);
            let mut files = strings(&entry["files"]);
            if let Some(input) = entry["stdin"].as_str() {
                files.insert("-".to_owned(), input.to_owned());
                files.insert("/dev/stdin".to_owned(), input.to_owned());
            }
            let mut environment = strings(&entry["env"]);
            environment.retain(|_, value| value != "(unset)");
            Entry {
                id: entry["id"].as_str().unwrap().to_owned(),
                words: words.map(|word| word.as_str().unwrap().to_owned()).collect(),
                around: Surroundings {
                    environment,
                    ..Surroundings::default()
                },
                files,
                class: entry["class"].as_str().unwrap().to_owned(),
                truth: entry["truth"].clone(),
            }
        })
        .collect()
}

impl Entry {
    fn shown(&self) -> String {
        format!("{} kubectl {}", self.id, self.words.join(" "))
    }

    /// Whether something outside the command line decides: environment, or files that kubectl finds by itself.
    /// Other layers see to those.
    fn decided_elsewhere(&self) -> bool {
        !self.around.environment.is_empty()
            || self
                .files
                .keys()
                .any(|path| path.starts_with("~/.kube/") || path.starts_with("~/bin/"))
    }

    /// As the gate reads it: once to learn which files there are, and again with what they say.
    fn read(&self) -> Result<Invocation, Unreadable> {
        let first = parse(&self.words, &self.around)?;
        match self.manifests(&first) {
            Some(manifests) => parse_with(&self.words, &self.around, &manifests),
            None => Ok(first),
        }
    }

    /// The objects of every manifest the line reads; `None` when one of them is not there or is no manifest.
    fn manifests(&self, first: &Invocation) -> Option<Vec<Manifest>> {
        if !first.operations.iter().any(|operation| kind_of(operation) == "*")
            || first.has_hazard(Hazard::RemoteInput)
        {
            return None;
        }
        let mut found = Vec::new();
        for file in first.files.iter().filter(|file| !file.writes) {
            let inside = format!("{}/", file.path);
            let deep = self
                .words
                .iter()
                .any(|word| word.contains('R') && word.starts_with('-'));
            let texts: Vec<&String> = self
                .files
                .iter()
                .filter(|(path, _)| {
                    **path == file.path
                        || path
                            .strip_prefix(&inside)
                            .is_some_and(|below| deep || !below.contains('/'))
                })
                .map(|(_, text)| text)
                .collect();
            if texts.is_empty() {
                return None;
            }
            for text in texts {
                found.extend(objects(text)?);
            }
        }
        (!found.is_empty()).then_some(found)
    }
}

/// Enough YAML for the manifests of the corpus: block or one-line mappings, documents apart.
fn objects(text: &str) -> Option<Vec<Manifest>> {
    if let Ok(json) = serde_json::from_str::<Value>(text) {
        let text_at = |value: &Value| value.as_str().map(str::to_owned);
        return Some(vec![Manifest {
            api_version: text_at(&json["apiVersion"])?,
            kind: text_at(&json["kind"])?,
            namespace: text_at(&json["metadata"]["namespace"]),
            name: text_at(&json["metadata"]["name"]),
            ..Manifest::default()
        }]);
    }
    text.split("\n---\n").map(object).collect()
}

fn object(document: &str) -> Option<Manifest> {
    let top = |key: &str| {
        document.lines().find_map(|line| {
            line.strip_prefix(key)?
                .strip_prefix(": ")
                .map(|value| value.trim().to_owned())
        })
    };
    let metadata: Vec<&str> = document
        .lines()
        .skip_while(|line| !line.starts_with("metadata:"))
        .enumerate()
        .take_while(|(number, line)| *number == 0 || line.starts_with(' '))
        .flat_map(|(_, line)| {
            line.trim_start_matches("metadata:")
                .trim()
                .trim_matches(['{', '}'])
                .split(", ")
        })
        .collect();
    let field = |key: &str| {
        metadata
            .iter()
            .find_map(|part| part.strip_prefix(key)?.strip_prefix(": ").map(str::to_owned))
    };
    Some(Manifest {
        api_version: top("apiVersion")?,
        kind: top("kind")?,
        namespace: field("namespace"),
        name: field("name"),
        ..Manifest::default()
    })
}

fn kind_of(operation: &Operation) -> &str {
    operation
        .resource
        .as_ref()
        .map_or("", |resource| resource.kind.as_str())
}

fn reads_only(invocation: &Invocation) -> bool {
    invocation.hazards.is_empty()
        && invocation
            .operations
            .iter()
            .all(|operation| operation.effect <= Effect::Read)
}

#[test]
fn nothing_harmful_is_read_as_harmless_and_little_harmless_is_refused() {
    let (mut bypasses, mut elsewhere, mut refused, mut by_content) = (vec![], vec![], vec![], vec![]);
    let mut harmless = 0;
    for entry in entries() {
        let read = entry.read();
        let allowed = read.as_ref().is_ok_and(reads_only);
        match entry.class.as_str() {
            "harmful" if allowed && entry.decided_elsewhere() => elsewhere.push(entry.shown()),
            "harmful" if allowed => bypasses.push(entry.shown()),
            "harmless" | "harmless_local" => {
                harmless += 1;
                if !allowed {
                    let why = match &read {
                        Err(fault) => fault.problem.clone(),
                        Ok(invocation) => format!("{:?}", invocation.hazards),
                    };
                    // A template or a kustomization: only its content says what it does.
                    let content = read.as_ref().is_ok_and(|invocation| {
                        invocation.has_hazard(Hazard::ReadsFiles)
                            && invocation
                                .operations
                                .iter()
                                .all(|operation| operation.effect <= Effect::Read)
                    });
                    (if content { &mut by_content } else { &mut refused })
                        .push(format!("{}: {why}", entry.shown()));
                }
            }
            _ => {}
        }
    }
    println!("harmful, but only by environment or files that other layers see to: {elsewhere:#?}");
    println!("harmless, but only by what a local file says: {by_content:#?}");
    println!(
        "harmless and refused: {} of {harmless}: {refused:#?}",
        refused.len()
    );
    assert!(bypasses.is_empty(), "harmful and allowed: {bypasses:#?}");
    assert!(
        refused.len() * 100 <= harmless,
        "harmless and refused, {} of {harmless}: {refused:#?}",
        refused.len()
    );
}

/// One request as the API server resolved it.
struct Request<'a> {
    kind: String,
    subresource: &'a str,
    namespace: &'a str,
    name: &'a str,
    mutating: bool,
}

fn requests(truth: &Value) -> Vec<Request<'_>> {
    let list = truth["requests"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    list.iter()
        .filter(|request| request["resource"].is_string())
        .map(|request| {
            let text = |key: &str| request[key].as_str().unwrap_or("");
            let kind = match text("group") {
                "" => text("resource").to_owned(),
                group => format!("{}.{group}", text("resource")),
            };
            let mutating = request["mutating"] == true || text("verb") == "connect";
            Request {
                kind,
                subresource: text("subresource"),
                namespace: text("namespace"),
                name: text("name"),
                mutating,
            }
        })
        .collect()
}

/// The namespace that the corpus' kubeconfig gives a context.
fn ambient(context: Option<&str>) -> &'static str {
    match context {
        Some("prod" | "get") => "payments",
        Some("staging") => "staging",
        _ => "default",
    }
}

/// Types that the corpus' cluster adds, by the names they answer to.
fn custom(kind: &str) -> &str {
    match kind {
        "app" | "apps" | "applications" | "application" => "applications.argoproj.io",
        "es" | "externalsecrets" | "externalsecret" => "externalsecrets.external-secrets.io",
        "widgets" | "widget" | "wd" | "delete" | "widget.example.com" => "widgets.example.com",
        other => other,
    }
}

fn covers(operation: &Operation, request: &Request<'_>) -> bool {
    let Some(resource) = &operation.resource else {
        return false;
    };
    let anything = resource.kind == "*";
    let kind = anything || custom(&resource.kind) == request.kind;
    let subresource = anything || resource.subresource.as_deref().unwrap_or("") == request.subresource;
    let namespace = match &operation.scope.namespace {
        Namespace::All => true,
        Namespace::Cluster => request.namespace.is_empty(),
        Namespace::Named(name) => name == request.namespace,
        Namespace::Ambient => anything || ambient(operation.scope.context.as_deref()) == request.namespace,
    };
    let name = match &operation.name {
        None => true,
        // A list narrowed by a name, or names made up by the server, count too.
        Some(name) => request.name.is_empty() || name == request.name,
    };
    kind && subresource && namespace && name
}

/// Whether an operation says which requests to expect.
fn named_precisely(operation: &Operation) -> bool {
    operation.effect > Effect::Local && !matches!(kind_of(operation).chars().next(), None | Some('*' | '/'))
}

#[test]
fn operations_agree_with_the_requests_that_were_sent() {
    let (mut checked, mut misses, mut skipped) = (0, vec![], 0);
    for entry in entries() {
        let Ok(invocation) = entry.read() else { continue };
        let sent = requests(&entry.truth);
        let other_config = invocation.has_hazard(Hazard::RedirectsEndpoint)
            || invocation.has_hazard(Hazard::RunsLocalCode) && !entry.files.is_empty();
        if entry.decided_elsewhere() || other_config {
            skipped += 1;
            continue;
        }
        // What was sent is named: every change, and every look at a Secret.
        for request in sent
            .iter()
            .filter(|request| request.mutating || request.kind == "secrets")
        {
            checked += 1;
            let covered = invocation.operations.iter().any(|operation| {
                (!request.mutating || operation.effect > Effect::Read) && covers(operation, request)
            });
            // `delete --wait` looks at the object it deleted; `diff` dry-runs.
            if !covered {
                misses.push(format!(
                    "{}: sent, but not named: {} {}/{} {} {}",
                    entry.shown(),
                    request.mutating,
                    request.kind,
                    request.subresource,
                    request.namespace,
                    request.name
                ));
            }
        }
        // What is named was sent, where the command came to its end.
        if entry.truth["exit"] != 0 || sent.is_empty() {
            continue;
        }
        // The corpus calls a real change that had nothing to change `neutral`.
        let nothing_to_do = entry.class == "neutral" && entry.truth["mutating"] == false;
        for operation in invocation
            .operations
            .iter()
            .filter(|operation| named_precisely(operation))
        {
            let changes = operation.effect > Effect::Read;
            if changes && nothing_to_do {
                continue;
            }
            checked += 1;
            if !sent
                .iter()
                .any(|request| covers(operation, request) && (!changes || request.mutating))
            {
                misses.push(format!("{}: named, but not sent: {operation:?}", entry.shown()));
            }
        }
    }
    println!(
        "{checked} agreements checked, {skipped} entries skipped (other configuration), {} misses: {misses:#?}",
        misses.len()
    );
    assert!(
        misses.len() * 200 <= checked,
        "{} of {checked} disagree: {misses:#?}",
        misses.len()
    );
}
